//! Notices that the folder of a bundle has changed, by its content.
//!
//! The folder is watched, not its files: editors replace files and a ConfigMap swaps a link. Its own name is
//! watched too, for a link that is turned to another folder. An event is only a reason to look; what counts is
//! the digest. A file that somebody is still writing is waited for, as long as one may be. Where the system has
//! no events (some network file systems) or misses one, a look every few seconds finds the change.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::spawn_blocking, time};

use super::files::{self, Files};
use crate::words::Digest;

/// How long the folder must be quiet before it is looked at.
const QUIET: Duration = Duration::from_millis(100);
/// A folder that is never quiet is looked at nevertheless after so many quiet spans.
const RESTLESS_MAX: u32 = 5;
/// The same while a file of it is open for writing.
const OPEN_MAX: u32 = 20;
/// LIMIT: most files that are known to be open; what is beyond is not waited for.
const OPEN_FILES_MAX: usize = 256;
/// How often the folder is looked at without an event.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same where there are no events at all.
const LOOK_EVERY_WITHOUT_EVENTS: Duration = Duration::from_millis(500);

/// A watched folder.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    told: Arc<Told>,
    /// Held for its thread; none where the system offers no events.
    watcher: Option<RecommendedWatcher>,
    /// The folder that the watcher knows under the name: device and inode.
    armed: Option<(u64, u64)>,
    seen: Seen,
}

/// The content of the folder, or why it cannot be read.
type Seen = Result<Digest, String>;

/// What the system tells of the folder.
#[derive(Debug, Default)]
struct Told {
    events: Notify,
    /// Files that were written to and not closed since.
    open: Mutex<HashSet<PathBuf>>,
}

impl Watch {
    /// Watches a folder whose content `seen` is known already.
    pub fn new(dir: &Path, seen: Digest) -> Self {
        let dir = absolute(dir).unwrap_or_else(|_none| dir.to_owned());
        let told = Arc::new(Told::default());
        let watcher = watcher(&dir, told.clone())
            .map_err(
                |error| tracing::warn!(%error, "no events for the policies' folder; it is looked at instead"),
            )
            .ok();
        let armed = identity(&dir).ok();
        Self { dir, told, watcher, armed, seen: Ok(seen) }
    }

    /// Waits until the content is another than it was. A folder that cannot be read is another content, and so
    /// is one that cannot be read for another reason: the reload will say what is wrong with it.
    pub async fn changed(&mut self) {
        loop {
            let every = if self.watcher.is_some() { LOOK_EVERY } else { LOOK_EVERY_WITHOUT_EVENTS };
            if time::timeout(every, self.told.events.notified()).await.is_ok() {
                self.quiet().await;
            }
            self.arm();
            let dir = self.dir.clone();
            let look = spawn_blocking(move || look(&dir));
            let Ok(now) = look.await else { continue };
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    async fn quiet(&self) {
        for round in 0..OPEN_MAX {
            let is_quiet = time::timeout(QUIET, self.told.events.notified()).await.is_err();
            let is_written = !self.told.open.lock().is_empty();
            if !is_written && (is_quiet || round >= RESTLESS_MAX) {
                return;
            }
        }
        // Whoever keeps a file open for so long is not waited for again.
        self.told.open.lock().clear();
    }

    /// Watches what stands under the name now.
    fn arm(&mut self) {
        let now = identity(&self.dir).ok();
        let Some(watcher) = self.watcher.as_mut().filter(|_| now != self.armed) else { return };
        // Where nothing stood under it, nothing is watched.
        drop(watcher.unwatch(&self.dir));
        self.armed = match watcher.watch(&self.dir, RecursiveMode::Recursive) {
            Ok(()) => now,
            Err(_) => None,
        };
    }
}

fn look(dir: &Path) -> Seen {
    Files::read(dir).map(|files| files.content()).map_err(|found| found.to_string())
}

/// Which folder stands under the name.
fn identity(dir: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(dir).map(|facts| (facts.dev(), facts.ino()))
}

fn watcher(dir: &Path, told: Arc<Told>) -> notify::Result<RecommendedWatcher> {
    let meant = dir.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_reason = event.map_or(true, |event| {
            // Beside the folder stands what is none of ours.
            let is_ours = event.paths.is_empty() || event.paths.iter().any(|path| path.starts_with(&meant));
            is_ours && {
                told.note(&event);
                is_change(event.kind)
            }
        });
        if is_reason {
            told.events.notify_one();
        }
    })?;
    watcher.watch(dir, RecursiveMode::Recursive)?;
    if let Some(parent) = dir.parent() {
        watcher.watch(parent, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

impl Told {
    /// Keeps in mind which files are being written.
    fn note(&self, event: &notify::Event) {
        let mut open = self.open.lock();
        match (event.kind, event.paths.as_slice()) {
            (EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)), [path])
                if open.len() < OPEN_FILES_MAX && is_written(path) =>
            {
                open.insert(path.clone());
            }
            (EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Remove(_), [path]) => {
                open.remove(path);
            }
            (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) => {
                if open.remove(from) && files::may_belong(&name(to)) {
                    open.insert(to.clone());
                }
            }
            (_, _) => {}
        }
    }
}

/// Whether that is a file of the bundle that somebody opened to write: a link is made at once.
fn is_written(path: &Path) -> bool {
    let is_plain = fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file() && facts.nlink() == 1);
    is_plain && files::may_belong(&name(path))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Looking at the folder must not be a reason to look at it.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}
