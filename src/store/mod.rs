//! The embedded store: one SQLite file, `bramka.db`, on a thread of its own, asked in the words of the trade
//! (`issue_token`, `lease_quota`), never get and put.
//!
//! The file is readable by its owner only. The command line and a running gate open the same file; what one
//! writes the other finds by [`Store::changes_since`], which costs a few microseconds and is asked several
//! times a second. Every write is synced before it is answered. The queue to the thread is bounded: a full
//! one is told as [`StoreError::Busy`], and whoever asked refuses.
//!
//! Room is set aside beside the file and given up for what takes something back: a full disk keeps nothing alive.

mod accepted;
mod admin;
mod bundles;
mod credentials;
mod crosswalk;
mod exposed;
mod glass;
mod migrations;
mod quality;
mod quota;
mod records;
mod references;
mod repeats;
mod room;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use room::{Inode, Room};

pub use accepted::{AcceptedRow, Progress};
pub use bundles::Raised;
pub use crosswalk::{Doing, NativeKey, Swap, Swapped};
pub use exposed::{ExposedTaken, PurseAsked, PurseRow, Takes};
pub use glass::{Glass, GlassRow};
pub use quality::{Forget, LookedRow, Oldest, QualityRow, QualitySeen};
pub use quota::Lease;
pub use records::{
    AdminRole, AdminTokenRecord, ApiKeyRow, Change, Changes, HeadRow, SigningKeyRow, TokenRow,
};
pub use references::{Found, NamingRow, ReferencesRow, Target};
pub use repeats::{Begun, Outcome, RepeatRow, RepeatState, RepeatsMax};

/// Questions that may wait for the thread.
const QUEUE_MAX: usize = 1024;
/// How long one process waits for another's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The store. Cheap to clone; the thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::SyncSender<Job>,
    path: Arc<Path>,
    /// The file that was opened, whatever goes by its path by now.
    inode: Inode,
    room: Arc<Room>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made or opened.
    #[error("cannot open `{path}`")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner can read it.
    #[error("`{path}` can be read by others; run `chmod {wanted} {path}`")]
    LooseRights {
        /// Which.
        path: PathBuf,
        /// The rights it should have.
        wanted: &'static str,
    },
    /// Written by a newer version.
    #[error("the store is of version {found}, this program knows {known}; it was written by a newer one")]
    Newer {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// SQLite refused.
    #[error("the store refused")]
    Sqlite(#[from] rusqlite::Error),
    /// Something stands in it that this version does not write.
    #[error("the store holds `{value}` as {what}, which is not known")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// A name that must be unique is taken.
    #[error("{what} `{name}` exists already")]
    Taken {
        /// What.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What other processes write does not reach this one.
    #[error("`{path}` is not the file that was opened any more; put it back or restart the gate")]
    Replaced {
        /// Where it was.
        path: PathBuf,
    },
    /// Too much waits for it.
    #[error("the store has too much to do")]
    Busy,
    /// Its thread is gone.
    #[error("the store has stopped")]
    Gone,
}

impl Store {
    /// Opens or makes the file and brings it to this version. Blocks; call it before serving.
    ///
    /// # Errors
    /// The file cannot be opened, others can read it, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let inode = private_file(path)?;
        let mut connection = Connection::open(path)?;
        inode.check(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        // Two processes write: whoever reads first in order to write takes the write lock at once.
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        let room = Arc::new(Room::beside(path));
        migrations::migrate(&mut connection)?;
        room.set_aside();
        let (jobs, queue) = mpsc::sync_channel::<Job>(QUEUE_MAX);
        let run = move || {
            // Ends when the last `Store` is dropped.
            while let Ok(job) = queue.recv() {
                job(&mut connection);
            }
        };
        thread::Builder::new()
            .name("store".into())
            .spawn(run)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        Ok(Self { jobs, path: path.into(), inode, room })
    }

    /// The newest head of every lane, from a file that is left as it is: evidence, a copy, a read-only disk.
    /// Blocks.
    ///
    /// # Errors
    /// The file cannot be read, or is no store.
    pub fn heads_of(path: &Path) -> Result<Vec<HeadRow>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read = |connection: Connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "trusted_schema", "OFF")?;
            admin::heads(&connection)
        };
        let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let open = |how: &str| {
            Connection::open_with_flags(format!("file:{name}?{how}"), flags | OpenFlags::SQLITE_OPEN_URI)
        };
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // Of a log the index beside it is only read: SQLite would make it anew where no gate holds it.
        if Path::new(&log).exists()
            && let Ok(heads) = open("readonly_shm=1").map_err(Into::into).and_then(read)
        {
            return Ok(heads);
        }
        read(open("immutable=1")?)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs one piece of work on the thread. A question whose asker has gone is still done: it may be half of
    /// something.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The asker may have gone; then nobody wants the answer.
            drop(answer.send(work(connection)));
        });
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Busy,
            mpsc::TrySendError::Disconnected(_) => StoreError::Gone,
        })?;
        answered.await.map_err(|_| StoreError::Gone)?
    }

    /// The same for what takes something back: where the disk is full, what was set aside is given up for it.
    async fn run_with_room<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let room = self.room.clone();
        self.run(move |connection| {
            loop {
                match work(connection) {
                    // LIMIT: as often as there are parts.
                    Err(error) if error.is_full() && room.give_up() => {}
                    done => return done,
                }
            }
        })
        .await
    }

    /// Gives up a part of the room that was set aside, for whatever else on the same disk a taking back needs. True
    /// where there was some. Blocks.
    pub fn give_up_room(&self) -> bool {
        self.room.give_up()
    }

    /// Sets aside again what was given up, where the disk has room by now.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn set_room_aside(&self) -> Result<(), StoreError> {
        let room = self.room.clone();
        self.run(move |_| {
            room.set_aside();
            Ok(())
        })
        .await
    }
}

impl StoreError {
    /// Whether it failed for want of room.
    pub fn is_full(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        // Without room SQLite cannot write, or cannot make what it writes beside its file.
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
        )
    }
}

/// A folder that is its owner's alone, made where it is missing.
///
/// # Errors
/// It cannot be made, or others can look into it.
pub fn private_folder(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed)?;
    check_rights(path, "700")
}

/// Refuses a file or folder that others than its owner can read.
///
/// # Errors
/// Its rights are loose, or cannot be asked.
pub fn check_rights(path: &Path, wanted: &'static str) -> Result<(), StoreError> {
    let metadata = fs::metadata(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(StoreError::LooseRights { path: path.to_owned(), wanted });
    }
    #[cfg(not(unix))]
    drop((metadata, wanted));
    Ok(())
}

/// Makes the file before SQLite does, so that it never is anybody else's; its side files take over its rights.
fn private_file(path: &Path) -> Result<Inode, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        private_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    check_rights(path, "600")?;
    let metadata = file.metadata().map_err(failed)?;
    Ok(Inode::of(&metadata))
}
