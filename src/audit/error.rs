//! Why something could not be written down, or the journal not be opened.

use std::{io, path::PathBuf};

use super::wrapping::KeyId;

/// What the journal refuses. Every variant speaks to the operator; a caller learns only that its request was
/// not served.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// No room on the disk; service resumes when there is some.
    #[error("no room on the disk for the journal")]
    Full,
    /// A write or sync failed; the lane never writes again, the gate must be started anew.
    #[error("lane `{lane}` of the journal failed and is closed: {why}")]
    Failed {
        /// Which lane.
        lane: String,
        /// What the system said.
        why: String,
    },
    /// The journal was closed; nothing is appended any more.
    #[error("the journal is closed")]
    Closed,
    /// The entry is larger than an entry may be.
    #[error("an entry of {bytes} bytes is larger than {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// What stands on the disk is not what was signed.
    #[error("the journal is damaged at {place}: {why}; `bramka audit verify` says more")]
    Damaged {
        /// Lane, segment and byte.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A key is missing, too open or not a key.
    #[error("journal key {path}: {why}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The key that wraps a segment's own is not here.
    #[error(
        "entries stand encrypted under the wrapping key {id}, which was looked for in {} and is not there", places(.looked_in)
    )]
    NoWrappingKey {
        /// Which.
        id: KeyId,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// Another setting than the journal can work with.
    #[error("{0}")]
    Setting(String),
    /// The operating system refused.
    #[error("{what} {path}: {why}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl JournalError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| match is_full(&error) {
            true => Self::Full,
            false => Self::Io { what, path, why: error.to_string() },
        }
    }
}

fn places(paths: &[PathBuf]) -> String {
    let words: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    words.join(", ")
}

/// Whether the error says that there is no room (which passes), not that the disk is broken.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
