//! Notices that the folder of a bundle has changed, by its content.
//!
//! The folder is watched, not its files: editors replace files and a ConfigMap swaps a link. An event is only
//! a reason to look; what counts is the digest. Where the system has no events (some network file systems) or
//! misses one, a look every few seconds finds the change.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::Notify, task::spawn_blocking, time};

use super::files::Files;
use crate::words::Digest;

/// How long the folder must be quiet before it is looked at.
const QUIET: Duration = Duration::from_millis(100);
/// A folder that is never quiet is looked at nevertheless after so many quiet spans.
const RESTLESS_MAX: u32 = 5;
/// How often the folder is looked at without an event.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same where there are no events at all.
const LOOK_EVERY_WITHOUT_EVENTS: Duration = Duration::from_millis(500);

/// A watched folder.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    events: Arc<Notify>,
    /// Held for its thread; none where the system offers no events.
    watcher: Option<RecommendedWatcher>,
    seen: Seen,
}

/// The content of the folder, or why it cannot be read.
type Seen = Result<Digest, String>;

impl Watch {
    /// Watches a folder whose content `seen` is known already.
    pub fn new(dir: &Path, seen: Digest) -> Self {
        let events = Arc::new(Notify::new());
        let watcher = watcher(dir, events.clone())
            .map_err(
                |error| tracing::warn!(%error, "no events for the policies' folder; it is looked at instead"),
            )
            .ok();
        Self { dir: dir.to_owned(), events, watcher, seen: Ok(seen) }
    }

    /// Waits until the content is another than it was. A folder that cannot be read is another content, and so
    /// is one that cannot be read for another reason: the reload will say what is wrong with it.
    pub async fn changed(&mut self) {
        loop {
            let every = if self.watcher.is_some() { LOOK_EVERY } else { LOOK_EVERY_WITHOUT_EVENTS };
            if time::timeout(every, self.events.notified()).await.is_ok() {
                self.quiet().await;
            }
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
        for _ in 0..RESTLESS_MAX {
            if time::timeout(QUIET, self.events.notified()).await.is_err() {
                return;
            }
        }
    }
}

fn look(dir: &Path) -> Seen {
    Files::read(dir).map(|files| files.digest()).map_err(|found| found.to_string())
}

fn watcher(dir: &Path, events: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| is_change(event.kind)) {
            events.notify_one();
        }
    })?;
    watcher.watch(dir, RecursiveMode::Recursive)?;
    Ok(watcher)
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
