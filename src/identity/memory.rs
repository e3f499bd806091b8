//! Credentials that were verified, by SHA-256 of their text; the text itself is never kept.
//!
//! Bounded: each shard forgets by a clock hand that spares what was used since it last came by. The lock of
//! a shard is held for one look-up and never across an await.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::AtomicU64},
};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{Facts, Sources, VerifyKey};
use crate::words::Digest;

const SHARDS: usize = 64;

/// What a verified credential proved, and what it leans on.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) facts: Arc<Facts>,
    /// From when on it is worth nothing.
    pub(super) ends_at: Option<Timestamp>,
    /// The key that signed it.
    pub(super) key: Option<Arc<VerifyKey>>,
    /// The bundle under which it was proved; another bundle proves it again.
    pub(super) sources: Weak<Sources>,
    /// The epoch of revocations at which it was last looked at.
    pub(super) looked_at: AtomicU64,
}

impl Proof {
    /// A proof that leans on nothing but its bundle: anonymous callers and pinned certificates.
    pub(super) fn standing(facts: Facts) -> Self {
        Self {
            facts: Arc::new(facts),
            ends_at: None,
            key: None,
            sources: Weak::new(),
            looked_at: AtomicU64::new(0),
        }
    }
}

/// The remembered proofs.
#[derive(Debug)]
pub(super) struct Memory {
    shards: Box<[Mutex<Shard>]>,
    slots_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    // INVARIANT: every value is the place in `slots` that holds its key.
    index: HashMap<Digest, usize, RandomState>,
    slots: Vec<Slot>,
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    digest: Digest,
    proof: Arc<Proof>,
    used: bool,
}

impl Memory {
    /// Remembers at least `remembered_max` credentials, rounded up to the number of shards.
    pub(super) fn new(remembered_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, slots_max: remembered_max.div_ceil(SHARDS).max(1) }
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Proof>> {
        let mut shard = self.shard(digest)?.lock();
        let place = *shard.index.get(digest)?;
        // Whatever the index says, nobody is taken for somebody else.
        let slot = shard.slots.get_mut(place).filter(|slot| slot.digest == *digest)?;
        slot.used = true;
        Some(slot.proof.clone())
    }

    pub(super) fn put(&self, digest: Digest, proof: Arc<Proof>) {
        let Some(shard) = self.shard(&digest) else { return };
        let mut shard = shard.lock();
        let place = match shard.index.get(&digest) {
            Some(place) => *place,
            None if shard.slots.len() < self.slots_max => shard.slots.len(),
            None => shard.victim(),
        };
        let slot = Slot { digest, proof, used: false };
        match shard.slots.get_mut(place) {
            Some(old) => {
                let old = std::mem::replace(old, slot);
                if old.digest != digest {
                    shard.index.remove(&old.digest);
                }
            }
            None => shard.slots.push(slot),
        }
        shard.index.insert(digest, place);
    }

    pub(super) fn forget(&self, digest: &Digest) {
        let Some(shard) = self.shard(digest) else { return };
        let mut shard = shard.lock();
        let Some(place) = shard.index.remove(digest) else { return };
        if place < shard.slots.len() {
            shard.slots.swap_remove(place);
        }
        if let Some(moved) = shard.slots.get(place).map(|slot| slot.digest) {
            shard.index.insert(moved, place);
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    fn shard(&self, digest: &Digest) -> Option<&Mutex<Shard>> {
        let [first, ..] = digest.0;
        self.shards.get(usize::from(first) % SHARDS)
    }
}

impl Shard {
    /// The place of the next one to forget. Ends: a round clears every mark.
    fn victim(&mut self) -> usize {
        loop {
            let place = self.hand % self.slots.len().max(1);
            self.hand = place + 1;
            match self.slots.get_mut(place) {
                Some(slot) if slot.used => slot.used = false,
                Some(_) | None => return place,
            }
        }
    }
}
