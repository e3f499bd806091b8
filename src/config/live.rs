//! The snapshot that serves now, swapped whole; a bundle that does not load changes nothing.
//!
//! A request takes one snapshot from its first check to its last entry. Start-up is the first reload.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::report::Report;
use crate::{clock::Now, words::Digest};

/// The current snapshot and how the last reload went.
#[derive(Debug)]
pub struct Live<T> {
    current: ArcSwap<T>,
    status: Mutex<Status>,
}

/// How the bundle stands, for `/readyz`, metrics and the log.
#[derive(Clone, Debug)]
pub struct Status {
    /// The bundle that serves.
    pub digest: Digest,
    /// Since when it serves.
    pub since: Timestamp,
    /// How many bundles were taken over since start-up.
    pub swapped: u64,
    /// How many were refused.
    pub refused: u64,
    /// Why the newest bundle does not serve, and since when that is known; none when it serves.
    pub broken: Option<(Arc<Report>, Timestamp)>,
}

/// What became of a reload.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The new bundle serves.
    Swapped(Digest),
    /// It is the bundle that serves already.
    Unchanged,
    /// It does not load; the old one serves on.
    KeptOld(Arc<Report>),
}

impl<T> Live<T> {
    /// The first snapshot.
    pub fn new(digest: Digest, first: T, now: Now) -> Self {
        let status = Status { digest, since: now.wall, swapped: 0, refused: 0, broken: None };
        Self { current: ArcSwap::from_pointee(first), status: Mutex::new(status) }
    }

    /// The snapshot that serves now, for a look.
    pub fn current(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// The snapshot that serves now, to be held over a whole request.
    pub fn snapshot(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Takes over what was loaded: another bundle, none where it is the one that serves, or why it does not
    /// load. Who reloads does so one at a time, from the loading to the end of this.
    pub fn settle(&self, loaded: Result<Option<(Digest, T)>, Report>, now: Now) -> Outcome {
        let mut status = self.status.lock();
        match loaded {
            Ok(Some((digest, snapshot))) => {
                self.current.store(Arc::new(snapshot));
                status.digest = digest;
                status.since = now.wall;
                status.swapped += 1;
                status.broken = None;
                Outcome::Swapped(digest)
            }
            Ok(None) => {
                status.broken = None;
                Outcome::Unchanged
            }
            Err(report) => {
                let report = Arc::new(report);
                status.refused += 1;
                status.broken = Some((report.clone(), now.wall));
                Outcome::KeptOld(report)
            }
        }
    }
}
