//! The snapshot that serves now, swapped whole; a bundle that does not load changes nothing.
//!
//! A request takes one snapshot from its first check to its last entry. Start-up is the first reload.

use std::{collections::HashSet, fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::report::Report;
use crate::{
    clock::Now,
    words::{Digest, StatementId},
};

/// LIMIT: statements that are named where a swap takes them away.
const GONE_NAMED_MAX: usize = 20;

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
    /// What the last swap took away; nothing before there was one.
    pub gone: Gone,
    /// Why the newest bundle does not serve, and since when that is known; none when it serves.
    pub broken: Option<(Arc<Report>, Timestamp)>,
}

/// Statements that close something, and are not in the bundle that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// The first of them, in file order.
    pub named: Vec<StatementId>,
    /// How many others.
    pub more: usize,
}

/// A bundle that may follow another.
pub trait Follows {
    /// Every statement that closes something, in file order.
    fn closing(&self) -> impl Iterator<Item = &StatementId>;

    /// What is closed in the one before and not in this one.
    fn gone_since(&self, before: &Self) -> Gone {
        let kept: HashSet<&StatementId> = self.closing().collect();
        let mut gone = before.closing().filter(|id| !kept.contains(id));
        let named = gone.by_ref().take(GONE_NAMED_MAX).cloned().collect();
        Gone { named, more: gone.count() }
    }
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

impl Gone {
    /// Whether nothing is gone.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, id) in self.named.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{id}")?;
        }
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

impl<T: Follows> Live<T> {
    /// The first snapshot.
    pub fn new(digest: Digest, first: T, now: Now) -> Self {
        let gone = Gone::default();
        let status = Status { digest, since: now.wall, swapped: 0, refused: 0, gone, broken: None };
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
                status.gone = snapshot.gone_since(&self.current.load());
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
