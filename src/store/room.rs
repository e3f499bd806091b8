//! The store's file as the disk has it: which file it is, and the room that is set aside beside it.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::StoreError;

/// Bytes set aside.
const ROOM_BYTES: u64 = 1024 * 1024;
/// Bytes given up at a time: what a taking back and its entry in the journal write, several times over.
const PART_BYTES: u64 = 128 * 1024;
/// What stands behind the name of the store's file.
const SUFFIX: &str = "-room";

/// Which file it is, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), number: metadata.ino() }
    }

    #[cfg(not(unix))]
    pub(super) fn of(_metadata: &Metadata) -> Self {
        Self { device: 0, number: 0 }
    }

    /// Whether its path still leads to it.
    pub(super) fn check(self, path: &Path) -> Result<(), StoreError> {
        match fs::metadata(path) {
            Ok(metadata) if Self::of(&metadata) == self => Ok(()),
            Ok(_) => Err(StoreError::Replaced { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Replaced { path: path.to_owned() })
            }
            Err(source) => Err(StoreError::Open { path: path.to_owned(), source }),
        }
    }
}

/// A file of nothing, of which a part is given up each time the disk has no room for a taking back.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
}

impl Room {
    /// Beside a store.
    pub(super) fn beside(store: &Path) -> Self {
        let mut name: OsString = store.as_os_str().to_owned();
        name.push(SUFFIX);
        Self { path: name.into() }
    }

    /// Sets aside what is missing of it. A disk without room has none to set aside; it is tried again later.
    pub(super) fn set_aside(&self) {
        if let Err(error) = self.filled() {
            tracing::debug!(%error, "no room is set aside for what is taken back");
        }
    }

    /// Gives up a part of it. True where there was some.
    pub(super) fn give_up(&self) -> bool {
        let given = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            let left = file.metadata()?.len();
            // Whole parts: what a disk could not set aside whole is given up with the next one.
            file.set_len(left.saturating_sub(1) / PART_BYTES * PART_BYTES)?;
            Ok::<_, io::Error>(left > 0)
        };
        given().unwrap_or(false)
    }

    fn filled(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file: File = options.open(&self.path)?;
        let before = file.metadata()?.len();
        if before >= ROOM_BYTES {
            return Ok(());
        }
        let written = fill(&mut file, ROOM_BYTES - before).and_then(|()| file.sync_data());
        if written.is_err() {
            // All of what is missing, or nothing: the last bytes of a disk are somebody else's.
            file.set_len(before)?;
        }
        written
    }
}

/// Written, not only promised, and not one byte over and over: not every disk would keep room for that.
fn fill(file: &mut File, mut left: u64) -> io::Result<()> {
    let mut block = [0; 4096];
    let mut state: u64 = 1;
    while left > 0 {
        for byte in &mut block {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            [*byte, ..] = state.to_be_bytes();
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(block.get(..here).unwrap_or_default())?;
        left = left.saturating_sub(4096);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_up_part_by_part_and_set_aside_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("bramka.db");
        let room = Room::beside(&store);
        assert!(!room.give_up(), "there is none yet");
        let len = || fs::metadata(folder.path().join("bramka.db-room")).unwrap().len();
        room.set_aside();
        assert_eq!(len(), ROOM_BYTES);
        assert!(room.give_up());
        assert_eq!(len(), ROOM_BYTES - PART_BYTES);
        room.set_aside();
        assert_eq!(len(), ROOM_BYTES);
        let parts = std::iter::from_fn(|| room.give_up().then_some(())).take(100).count();
        assert_eq!((parts, len()), (8, 0));
    }
}
