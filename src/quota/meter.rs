//! Meters: what one subject has used of one plan. They outlive bundles and are bounded in number.
//!
//! A meter that says no more than a fresh one is dropped by a sweep. When a table is full of meters that
//! still count something, a newcomer is refused: an unbounded table is how a limiter dies.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    net::IpAddr,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::daily::{Day, Ledger};
use crate::words::{Kind, PlanName, PrincipalId};

/// Who shares one counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// One principal.
    Principal(Kind, PrincipalId),
    /// A partner with all its programs and people.
    Partner(PrincipalId),
    /// An address; an IPv6 one stands for its /64.
    Address(IpAddr),
}

impl Subject {
    /// The address as it is counted.
    pub(super) fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
        })
    }
}

/// One plan of one subject. Settings are no part of it: a reload keeps the count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) plan: PlanName,
    pub(super) subject: Subject,
}

impl fmt::Display for Key {
    /// As the store knows it: `partner/Partner/acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Principal(kind, id) => write!(f, "{}/principal/{kind}/{id}", self.plan),
            Subject::Partner(id) => write!(f, "{}/partner/{id}", self.plan),
            Subject::Address(address) => write!(f, "{}/address/{address}", self.plan),
        }
    }
}

/// What was used.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The rate's cell: the theoretical arrival of the next request, in nanoseconds since the quota's base.
    pub(super) arrival: AtomicU64,
    /// Under which settings the cell was filled last; 0 means none yet.
    pub(super) stamp: AtomicU64,
    /// Requests that hold a slot.
    in_flight: AtomicU32,
    /// The daily quota at hand; made when a plan first asks for it.
    ledger: OnceLock<Box<Ledger>>,
}

impl Meter {
    pub(super) fn ledger(&self) -> &Ledger {
        self.ledger.get_or_init(Box::default)
    }

    fn is_fresh(&self, at: u64, today: Day) -> bool {
        self.arrival.load(Ordering::Acquire) <= at
            && self.in_flight.load(Ordering::Acquire) == 0
            && self.ledger.get().is_none_or(|ledger| ledger.is_over(today))
    }
}

/// A meter in use. Two handles are alike when they are the same meter.
#[derive(Clone, Debug, Default)]
pub(super) struct Handle(Arc<Meter>);

impl Deref for Handle {
    type Target = Meter;

    fn deref(&self) -> &Meter {
        &self.0
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Handle {}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// A request in flight; it goes back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Handle);

impl Slot {
    /// Takes one of `most` slots.
    pub(super) fn take(handle: &Handle, most: u32) -> Option<Self> {
        handle
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < most).then(|| taken + 1))
            .is_ok()
            .then(|| Self(handle.clone()))
    }

    /// Whether it is one of this meter's.
    pub(super) fn is_of(&self, handle: &Handle) -> bool {
        self.0 == *handle
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

const SHARDS: usize = 64;
/// A full shard is swept by a newcomer at most this often (nanoseconds): a flood must not buy sweeps.
const SWEEP_EVERY: u64 = 100_000_000;

/// A bounded table of meters.
#[derive(Debug)]
pub(super) struct Meters {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    per_shard_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    meters: HashMap<Key, Handle, RandomState>,
    swept: u64,
}

impl Meters {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::default(),
            per_shard_max: keys_max.div_ceil(SHARDS).max(1),
        }
    }

    /// The meter of a key; none when the table is full of meters that still count.
    pub(super) fn meter(&self, key: Key, at: u64, today: Day) -> Option<Handle> {
        let shard = self.shard(&key)?;
        {
            let shard = shard.read();
            match shard.meters.get(&key) {
                Some(known) => return Some(known.clone()),
                // A flood of newcomers must not take the lock that known ones do not need.
                None if self.is_full(&shard) && shard.was_swept(at) => return None,
                None => {}
            }
        }
        let mut shard = shard.write();
        if self.is_full(&shard) && !shard.meters.contains_key(&key) {
            if !shard.was_swept(at) {
                shard.sweep(at, today);
            }
            if self.is_full(&shard) {
                return None;
            }
        }
        Some(shard.meters.entry(key).or_default().clone())
    }

    /// Drops the meters that say no more than fresh ones.
    pub(super) fn sweep(&self, at: u64, today: Day) {
        for shard in &self.shards {
            shard.write().sweep(at, today);
        }
    }

    /// How many meters there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().meters.len()).sum()
    }

    /// Keys and meters that have a ledger, as they stand.
    pub(super) fn ledgers(&self) -> Vec<(Key, Handle)> {
        let with_ledger = |(key, handle): (&Key, &Handle)| {
            handle.ledger.get().is_some().then(|| (key.clone(), handle.clone()))
        };
        self.shards
            .iter()
            .flat_map(|s| s.read().meters.iter().filter_map(with_ledger).collect::<Vec<_>>())
            .collect()
    }

    fn is_full(&self, shard: &Shard) -> bool {
        shard.meters.len() >= self.per_shard_max
    }

    fn shard(&self, key: &Key) -> Option<&RwLock<Shard>> {
        // The table inside hashes with other seeds, so the low bits are free to choose the shard.
        let hash = self.hasher.hash_one(key);
        self.shards.get(usize::try_from(hash % SHARDS as u64).ok()?)
    }
}

impl Shard {
    fn was_swept(&self, at: u64) -> bool {
        self.swept != 0 && at < self.swept.saturating_add(SWEEP_EVERY)
    }

    fn sweep(&mut self, at: u64, today: Day) {
        self.swept = at;
        // A meter somebody holds stays: under this lock nobody else can come to hold one.
        self.meters.retain(|_, handle| Arc::strong_count(&handle.0) > 1 || !handle.is_fresh(at, today));
    }
}
