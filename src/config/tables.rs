//! Value tables that systems tell: who asks for them, when, and how they stand.
//!
//! A table is asked for when somebody needs it and it is due: never told, gone by, or unknowing of a value that was read.
//! One asks for all ([`KeptTable::begin`]); after an attempt, good or not, there is none for a while. What was told last
//! goes on serving while the system does not answer.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::{
    audit::{Fetch, Receipt},
    clock::{self, Now},
    mapping::{LiveTable, Several},
    upstream::{CorePools, Upstream},
    wire::Deadline,
};

/// LIMIT: how long all pages of a table may take.
const ASKING_MAX: Duration = Duration::from_secs(30);
/// LIMIT: pages of a table.
const PAGES_MAX: usize = 100;

/// A table, and how it stands.
#[derive(Debug)]
pub struct KeptTable {
    /// What it says.
    pub table: Arc<LiveTable>,
    standing: ArcSwap<Standing>,
    asking: AtomicBool,
    settled: Notify,
}

/// How a table stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// When the system told it last.
    pub told: Option<Now>,
    /// When it was asked for last.
    pub tried: Option<Instant>,
    /// What went wrong then, for the operator.
    pub failed: Option<Arc<str>>,
    /// What cannot be written by it: several native values mean it.
    pub several: Arc<[Several]>,
}

/// Leave to ask for a table: nobody else does meanwhile.
#[derive(Debug)]
pub struct Asking(Arc<KeptTable>);

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// Calls that were made, and how many of them failed.
    pub calls: (u64, u64),
    /// How many rows were told; or what went wrong.
    pub told: Result<usize, Arc<str>>,
}

impl KeptTable {
    /// One that was never told.
    pub fn new(table: Arc<LiveTable>) -> Arc<Self> {
        Arc::new(Self {
            table,
            standing: ArcSwap::default(),
            asking: AtomicBool::new(false),
            settled: Notify::new(),
        })
    }

    /// How it stands.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// Whether it is older than it should be.
    pub fn is_stale(&self, now: Instant) -> bool {
        let told = self.standing.load().told;
        told.is_some_and(|told| now.saturating_duration_since(told.mono) >= self.table.aged())
    }

    /// How long nobody asks for it yet, after the last time.
    pub fn waits(&self, now: Instant) -> Duration {
        let tried = self.standing.load().tried;
        tried.map_or(Duration::ZERO, |tried| {
            self.table.again().saturating_sub(now.saturating_duration_since(tried))
        })
    }

    /// Leave to ask for it, where it is due and nobody asks.
    pub fn begin(self: &Arc<Self>, now: Instant) -> Option<Asking> {
        let is_wanting = self.standing.load().told.is_none() || self.is_stale(now) || self.table.has_missed();
        let is_due = is_wanting && self.waits(now).is_zero();
        (is_due && !self.asking.swap(true, Ordering::AcqRel)).then(|| Asking(self.clone()))
    }

    /// Waits while somebody asks for it, until the deadline.
    pub async fn wait(&self, deadline: Deadline) {
        let mut settled = pin!(self.settled.notified());
        // ORDER: listening first, or who ends in between is not heard.
        settled.as_mut().enable();
        if self.asking.load(Ordering::Acquire) {
            // Whoever looks at the table sees what came of it.
            drop(tokio::time::timeout_at(deadline.0.into(), settled).await);
        }
    }

    /// Takes over what another of the same file was told.
    pub fn inherit(&self, other: &Self) {
        if self.table.inherit(&other.table) {
            self.standing.store(other.standing());
        }
    }
}

impl Asking {
    /// Asks, page by page, and lets lines go by what came.
    pub async fn ask(self, upstream: &Arc<Upstream>, pools: &CorePools, receipt: &Receipt<Fetch>) -> Asked {
        let mut calls = (0, 0);
        let told = self.rows(upstream, pools, receipt, &mut calls).await;
        let now = clock::now();
        let mut standing = Standing { tried: Some(now.mono), ..Standing::clone(&self.0.standing.load()) };
        let told = told.map_err(Arc::from);
        match &told {
            Ok((_, several)) => {
                standing.told = Some(now);
                standing.failed = None;
                standing.several = several.clone();
            }
            Err(why) => standing.failed = Some(Arc::clone(why)),
        }
        self.0.standing.store(Arc::new(standing));
        Asked { calls, told: told.map(|(rows, _)| rows) }
    }

    /// Notes that it could not even be asked for.
    pub fn fail(self, why: &str) {
        let standing = Standing::clone(&self.0.standing.load());
        let (tried, failed) = (Some(clock::mono()), Some(why.into()));
        self.0.standing.store(Arc::new(Standing { tried, failed, ..standing }));
    }

    async fn rows(
        &self,
        upstream: &Arc<Upstream>,
        pools: &CorePools,
        receipt: &Receipt<Fetch>,
        calls: &mut (u64, u64),
    ) -> Result<(usize, Arc<[Several]>), String> {
        let (table, now) = (&self.0.table, clock::now());
        let deadline = Deadline::after(now, ASKING_MAX);
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let listing = table.listing(now.wall, cursor.as_deref()).map_err(|why| why.to_string())?;
            let answer = upstream.fetch(pools, receipt, listing.request.clone(), deadline).await;
            calls.0 += 1;
            calls.1 += u64::from(answer.as_ref().map_or(true, |answer| answer.status.is_server_error()));
            let answer = answer.map_err(|error| chain(&error))?;
            let next = table.read(&listing, &answer, &mut rows).map_err(|fault| chain(&fault))?;
            match next {
                Some(next) => cursor = Some(next),
                None => {
                    let count = rows.len();
                    let several = table.fill(rows).map_err(|fault| chain(&fault))?;
                    return Ok((count, several.into()));
                }
            }
        }
        Err(format!("the table has more than {PAGES_MAX} pages"))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
        self.0.settled.notify_waiters();
    }
}

/// An error with all that led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told
}
