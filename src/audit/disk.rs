//! The file layer under a lane, behind a trait so that tests can fill the disk, tear a write or fail a sync.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::Arc,
};

/// Where a lane keeps its files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file for appending; `Fresh` must not exist yet.
    fn open(&self, path: &Path, how: Opening) -> io::Result<Arc<dyn LogFile>>;

    /// Makes sure that the names in a directory outlive a power cut.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Puts a whole file in the place of another, so that a power cut leaves the one or the other.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("new");
        if let Err(error) = std::fs::remove_file(&fresh)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = self.open(&fresh, Opening::Fresh)?;
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match file.append(rest)? {
                0 => return Err(io::ErrorKind::StorageFull.into()),
                count => taken += count,
            }
        }
        file.sync()?;
        std::fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), |directory| self.sync_directory(directory))
    }
}

/// A file that only grows, but for a torn end.
pub trait LogFile: Send + Sync {
    /// Appends as many of the bytes as one call takes; they survive the end of this process.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes sure that what was appended outlives a power cut.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to a length, and gives back what was set aside behind it.
    fn cut(&self, bytes: u64) -> io::Result<()>;

    /// Sets room aside up to a length, without making the file longer.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
}

/// Whether a file must be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It must not exist.
    Fresh,
    /// It may exist.
    Standing,
}

/// Files of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Opening) -> io::Result<Arc<dyn LogFile>> {
        let mut options = OpenOptions::new();
        options.append(true);
        match how {
            Opening::Fresh => options.create_new(true),
            Opening::Standing => options.create(true),
        };
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Arc::new(options.open(path)?))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl LogFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let length = self.metadata()?.len();
        let more = bytes.saturating_sub(length);
        if more == 0 {
            return Ok(());
        }
        rustix::fs::fallocate(self, rustix::fs::FallocateFlags::KEEP_SIZE, length, more)
            .map_err(io::Error::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
