//! Sending signed heads away from this machine. A head that has left convicts whoever rewrites what it covers, the
//! holder of the key too.
//!
//! Of each lane the newest head is sent, and no more often than is asked for; what a receiver missed the next head
//! covers. Nothing waits for it: a receiver that is away or slow costs heads, never entries.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, watch};

use super::SignedHead;

/// The longest wait after a head was not taken.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// How soon a file is tried again that another has locked.
const LOCK_AGAIN: Duration = Duration::from_millis(20);
/// How long a file may take for one head.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// Someone who takes heads.
pub trait Publish: Send + Sync {
    /// Takes one head. It must end within a bound of its own: while it lasts no other head of that lane is sent.
    fn publish<'a>(&'a self, head: &'a SignedHead) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// A head was not taken; for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head of the journal was not published: {0}")]
pub struct PublishError(pub String);

/// How often heads are sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long after one head of a lane the next is sent, at the earliest.
    pub every: Duration,
    /// How long after a failure it is tried again; each further failure doubles it.
    pub retry: Duration,
}

/// Sends the heads of every lane ([`Journal::watch_heads`](super::Journal::watch_heads)) until their journal is gone.
/// A failure is told once for each try; then a newer head is tried, where there is one.
pub async fn publish(
    heads: Vec<watch::Receiver<Option<Arc<SignedHead>>>>,
    to: &dyn Publish,
    pace: Pace,
    on_failure: impl Fn(&SignedHead, &PublishError) + Send + Sync,
) {
    let on_failure = &on_failure;
    join_all(heads.into_iter().map(|heads| follow(heads, to, pace, on_failure))).await;
}

async fn follow(
    mut heads: watch::Receiver<Option<Arc<SignedHead>>>,
    to: &dyn Publish,
    pace: Pace,
    on_failure: &(impl Fn(&SignedHead, &PublishError) + Send + Sync),
) {
    let mut taken = 0;
    let mut retry = pace.retry;
    loop {
        let newest = heads.wait_for(|head| head.as_ref().is_some_and(|head| head.size > taken)).await;
        // Not held while it is sent: it would keep the lane from telling of newer ones.
        let Ok(Some(head)) = newest.map(|head| head.clone()) else { return };
        let wait = match to.publish(&head).await {
            Ok(()) => {
                taken = head.size;
                retry = pace.retry;
                pace.every
            }
            Err(error) => {
                on_failure(&head, &error);
                let wait = retry;
                retry = retry.saturating_mul(2).min(RETRY_MAX.max(pace.retry));
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Sends each of these heads once: those of a journal that was closed.
///
/// # Errors
/// The first that was not taken; the others were tried all the same.
pub async fn publish_once(heads: &[Arc<SignedHead>], to: &dyn Publish) -> Result<(), PublishError> {
    join_all(heads.iter().map(|head| to.publish(head))).await.into_iter().collect()
}

/// A file that heads are appended to, one after the other with an empty line between: what
/// [`Witness::left`](super::Witness::left) reads. It is only ever appended to, so that it may lie where nothing can
/// be changed, and opened anew for each head, so that it may be moved away.
#[derive(Clone, Debug)]
pub struct HeadFile {
    path: Arc<Path>,
    /// LIMIT: one thread at a time: a disk that hangs keeps no more than that.
    turn: Arc<Mutex<()>>,
}

impl HeadFile {
    /// Nothing is opened yet: a disk that is away now may be there later.
    pub fn new(path: PathBuf) -> Self {
        Self { path: path.into(), turn: Arc::default() }
    }

    async fn append(&self, note: String) -> io::Result<()> {
        loop {
            let (path, note, turn) = (self.path.clone(), note.clone(), self.turn.clone().lock_owned().await);
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                append(&path, &note)
            });
            match written.await.unwrap_or_else(|broken| Err(io::Error::other(broken))) {
                // Another gate is writing to it just now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(LOCK_AGAIN).await
                }
                ended => return ended,
            }
        }
    }
}

impl Publish for HeadFile {
    fn publish<'a>(&'a self, head: &'a SignedHead) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let written = tokio::time::timeout(FILE_TIMEOUT, self.append(format!("{}\n", head.note()))).await;
            let written = written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            written.map_err(|error| PublishError(format!("`{}`: {error}", self.path.display())))
        })
    }
}

/// On disk when this returns. A head that was torn is closed by an empty line: readers leave it out.
fn append(path: &Path, note: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // ORDER: locked before the end is looked at: gates may share a file. Some disks know no locks.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let gap = if ends_whole(&mut file)? { "" } else { "\n\n" };
    file.write_all(format!("{gap}{note}").as_bytes())?;
    file.sync_data()
}

fn ends_whole(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut end = String::new();
    file.seek(SeekFrom::Start(length.saturating_sub(2)))?;
    // Bytes that are no text are no end of a head.
    match file.take(2).read_to_string(&mut end) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(error),
        _ => Ok(length == 0 || end == "\n\n"),
    }
}
