//! How far a sink was sent the journal, kept in a file of its own: lane by lane the next entry, and by the hash of the
//! one before it that it is still this journal.
//!
//! The file is replaced whole: written beside, synced, renamed, and its folder synced. One process at a time holds it;
//! a gate that takes over from another waits until that one has let go.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    store::{StoreError, private_folder},
    words::open_file,
};

/// The version of the file.
const VERSION: u32 = 1;
/// LIMIT: bytes of the file; a lane takes some hundred.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How far a sink is, as its file tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    version: u32,
    /// The sink.
    pub sink: String,
    /// `http`, `otlp`, `syslog`, `file`.
    pub kind: String,
    /// Lane by lane.
    pub lanes: BTreeMap<String, Place>,
    /// When something was last taken.
    pub taken_at: Option<Timestamp>,
    /// Why nothing is, where that is so.
    pub trouble: Option<Trouble>,
}

/// Where a sink is in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The sequence of the first entry that was not taken.
    pub next: u64,
    /// The leaf hash of the last that was, hex; none where none was.
    pub last: Option<String>,
}

/// Why a sink takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub why: String,
}

/// A cursor's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// Its folder.
    #[error("the folder of the sinks' cursors")]
    Folder(#[from] StoreError),
    /// The file.
    #[error("cannot use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process sends to this sink.
    #[error("another process sends to this sink")]
    Held,
}

impl Cursor {
    /// Nothing was sent yet.
    pub(super) fn fresh(sink: &str, kind: &str) -> Self {
        Self {
            version: VERSION,
            sink: sink.to_owned(),
            kind: kind.to_owned(),
            lanes: BTreeMap::new(),
            taken_at: None,
            trouble: None,
        }
    }

    /// The first entry of a lane that was not taken.
    pub fn next(&self, lane: &str) -> u64 {
        self.lanes.get(lane).map_or(0, |place| place.next)
    }

    /// As it stands in a folder; none where the sink was never sent anything. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(folder: &Path, sink: &str) -> Result<Option<Self>, CursorError> {
        let path = file(folder, sink);
        let failed = |source| CursorError::File { path: path.clone(), source };
        let read = match open_file(&path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        read.take(BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        let bad = |why: String| failed(io::Error::new(io::ErrorKind::InvalidData, why));
        let cursor: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if cursor.version != VERSION || cursor.sink != sink {
            return Err(bad(format!("it is no cursor of `{sink}` of version {VERSION}")));
        }
        Ok(Some(cursor))
    }

    /// Every sink that a folder has a cursor of. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<Self>, CursorError> {
        let failed = |source| CursorError::File { path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(".cursor")).map(str::to_owned));
        }
        names.sort_unstable();
        names.iter().filter_map(|name| Self::read(folder, name).transpose()).collect()
    }
}

/// The right to move a sink's cursor. It ends with the process.
#[derive(Debug)]
pub(super) struct Hold {
    folder: PathBuf,
    _lock: File,
}

impl Hold {
    /// Takes it. Blocks.
    ///
    /// # Errors
    /// [`CursorError::Held`] while another process has it.
    pub(super) fn take(folder: &Path, sink: &str) -> Result<Self, CursorError> {
        private_folder(folder)?;
        let path = lock_file(folder, sink);
        let failed = |source| CursorError::File { path: path.clone(), source };
        let lock = private().write(true).create(true).open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CursorError::Held),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// On disk when this returns. Blocks.
    pub(super) fn write(&self, cursor: &Cursor) -> Result<(), CursorError> {
        let path = file(&self.folder, &cursor.sink);
        let fresh = path.with_extension("fresh");
        let written = (|| {
            let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
            file.write_all(serde_json::to_string(cursor)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.folder)?.sync_all()
        })();
        written.map_err(|source| CursorError::File { path, source })
    }
}

/// Whether a process sends to a sink now. Blocks.
pub fn is_held(folder: &Path, sink: &str) -> bool {
    let lock = OpenOptions::new().read(true).open(lock_file(folder, sink));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn file(folder: &Path, sink: &str) -> PathBuf {
    folder.join(format!("{sink}.cursor"))
}

fn lock_file(folder: &Path, sink: &str) -> PathBuf {
    folder.join(format!("{sink}.lock"))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_written_and_one_process_at_a_time_moves_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("sinks/main");
        assert_eq!(Cursor::read(&folder, "siem").unwrap(), None);
        assert_eq!(Cursor::all(&folder).unwrap(), []);
        let hold = Hold::take(&folder, "siem").unwrap();
        let mut cursor = Cursor::fresh("siem", "http");
        cursor.lanes.insert("0".into(), Place { next: 7, last: Some("ab".into()) });
        hold.write(&cursor).unwrap();
        assert_eq!(Cursor::read(&folder, "siem").unwrap(), Some(cursor.clone()));
        assert_eq!(Cursor::all(&folder).unwrap(), [cursor]);
        assert!(matches!(Hold::take(&folder, "siem"), Err(CursorError::Held)));
        assert!(is_held(&folder, "siem") && !is_held(&folder, "other"));
        drop(Hold::take(&folder, "other").unwrap());
        drop(hold);
        assert!(!is_held(&folder, "siem"));
        Hold::take(&folder, "siem").unwrap();
    }

    #[test]
    fn a_file_that_is_no_cursor_is_told_and_never_taken_for_a_new_sink() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("main");
        let hold = Hold::take(&folder, "siem").unwrap();
        for text in ["", "{", "{\"version\":1}"] {
            fs::write(file(&folder, "siem"), text).unwrap();
            assert!(Cursor::read(&folder, "siem").is_err(), "{text}");
        }
        hold.write(&Cursor::fresh("siem", "http")).unwrap();
        fs::rename(file(&folder, "siem"), file(&folder, "other")).unwrap();
        assert!(Cursor::read(&folder, "other").is_err());
    }
}
