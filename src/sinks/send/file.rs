//! Batches that are appended to a file as NDJSON. A batch counts once it is synced. A file holds whole lines: what a
//! full disk or a crash left of one is cut away.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Mutex, task::spawn_blocking};

use super::Fault;
use crate::sinks::reading::Batch;

/// How much is read at once when the end of the last whole line is looked for.
const STEP: u64 = 64 * 1024;

/// A file that batches are appended to.
#[derive(Clone, Debug)]
pub(in crate::sinks) struct ToFile {
    place: Arc<Place>,
    /// LIMIT: one thread at a time: a disk that hangs keeps no more than that.
    turn: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    bytes_max: u64,
    files_max: u32,
}

impl ToFile {
    pub(super) fn new(path: PathBuf, bytes_max: u64, files_max: u32) -> Self {
        Self { place: Arc::new(Place { path, bytes_max, files_max }), turn: Arc::default() }
    }

    pub(super) async fn send(&self, batch: &Batch) -> Result<(), Fault> {
        let mut lines = Vec::new();
        for event in &batch.events {
            lines.extend_from_slice(event.text.as_bytes());
            lines.push(b'\n');
        }
        let (place, turn) = (self.place.clone(), self.turn.clone().lock_owned().await);
        let written = spawn_blocking(move || {
            let _turn = turn;
            place.append(&lines).map_err(|error| Fault::again(format!("`{}`: {error}", place.path.display())))
        });
        written.await.map_err(Fault::again)?
    }
}

impl Place {
    /// On disk when this returns; where it fails the file is as it was.
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let (mut file, mut length) = open(&self.path)?;
        let room = self.bytes_max.saturating_sub(length);
        if length > 0 && room < lines.len() as u64 {
            drop(file);
            self.rotate()?;
            (file, length) = open(&self.path)?;
        }
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if written.is_err() {
            file.set_len(length)?;
        }
        written
    }

    /// `PATH` becomes `PATH.1`, and so on; the last is removed.
    fn rotate(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.files_max).rev() {
            rename(&numbered(number), &numbered(number.saturating_add(1)))?;
        }
        rename(&self.path, &numbered(1))?;
        sync_folder(&self.path)
    }
}

/// One that is not there is left out.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

/// The file and its length, made where it is missing, and without what is no whole line.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe that nobody reads would hold up whoever opens it.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let is_new = !path.exists();
    let mut file = options.open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    // ORDER: locked before its end is looked at: another gate may name the same file. Some disks know no locks.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process writes to it")),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    if is_new {
        sync_folder(path)?;
    }
    let whole = whole_lines(&mut file, facts.len())?;
    if whole < facts.len() {
        file.set_len(whole)?;
    }
    Ok((file, whole))
}

/// Where the last whole line ends.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&mut *file).take(end.saturating_sub(start)).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start.saturating_add(at as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_torn_is_cut_away_and_those_before_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let place = Place { path: path.clone(), bytes_max: 1 << 20, files_max: 2 };
        place.append(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&vec![b'x'; 200_000]).unwrap();
        place.append(b"{\"a\":3}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    }

    #[test]
    fn files_are_kept_by_number_and_no_line_is_in_two_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let place = Place { path: path.clone(), bytes_max: 10, files_max: 2 };
        for n in 1..=4 {
            place.append(format!("{{\"a\":{n}}}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("out.ndjson"), read("out.ndjson.1")), ("{\"a\":4}\n".into(), "{\"a\":3}\n".into()));
        assert_eq!(read("out.ndjson.2"), "{\"a\":2}\n");
        assert!(!folder.path().join("out.ndjson.3").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_no_file_and_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Place { path, bytes_max: 1 << 20, files_max: 1 }.append(b"{}\n").is_err());
    }
}
