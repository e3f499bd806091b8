//! Specialised statements, remembered.
//!
//! The key is the bundle, the facts as this credential asserts them, the action and what it is about; never
//! the context, never the principal alone. Bounded: when a shard's young half is full it becomes the old
//! half, and the old one goes.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::program::{About, Program};
use crate::{
    catalog::Action,
    identity::Facts,
    words::{Digest, EntityName, SystemName},
};

/// How many shards there are.
const SHARDS: usize = 16;

/// What was specialised, by whom it is for. One for all bundles; it may be shared or kept per core.
#[derive(Debug)]
pub struct Memo {
    shards: [RwLock<Halves>; SHARDS],
    /// LIMIT: most programs in one half of a shard.
    half_max: usize,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Key, Arc<Program>, RandomState>,
    old: HashMap<Key, Arc<Program>, RandomState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    facts: Digest,
    bundle: Digest,
    action: Action,
    about: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Entity(EntityName),
    System(SystemName),
}

impl Key {
    fn new(bundle: Digest, facts: &Facts, action: Action, about: About<'_>) -> Self {
        let about = match about {
            About::Entity(entity) => Subject::Entity(entity.name.clone()),
            About::System(system) => Subject::System(system.clone()),
        };
        Self { facts: facts.digest, bundle, action, about }
    }
}

impl Memo {
    /// Remembers about so many specialised sets at most.
    pub fn new(programs_max: usize) -> Self {
        let half_max = programs_max.div_euclid(SHARDS.saturating_mul(2)).max(1);
        Self { shards: std::array::from_fn(|_| RwLock::default()), half_max }
    }

    /// How many are remembered now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read()).map(|halves| halves.young.len() + halves.old.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a program is at hand.
    pub(super) fn knows(&self, bundle: Digest, facts: &Facts, action: Action, about: About<'_>) -> bool {
        let key = Key::new(bundle, facts, action, about);
        self.shard(&key).is_some_and(|shard| {
            let halves = shard.read();
            halves.young.contains_key(&key) || halves.old.contains_key(&key)
        })
    }

    fn shard(&self, key: &Key) -> Option<&RwLock<Halves>> {
        let number = usize::from(key.facts.0.first().copied().unwrap_or_default());
        self.shards.get(number.rem_euclid(SHARDS))
    }

    /// The remembered program, or the one that `make` makes.
    pub(super) fn get<E>(
        &self,
        bundle: Digest,
        facts: &Facts,
        action: Action,
        about: About<'_>,
        make: impl FnOnce() -> Result<Program, E>,
    ) -> Result<Arc<Program>, E> {
        let key = Key::new(bundle, facts, action, about);
        let Some(shard) = self.shard(&key) else { return make().map(Arc::new) };
        {
            let halves = shard.read();
            if let Some(program) = halves.young.get(&key) {
                return Ok(program.clone());
            }
        }
        let old = shard.read().old.get(&key).cloned();
        let program = match old {
            Some(program) => program,
            None => Arc::new(make()?),
        };
        let mut halves = shard.write();
        if halves.young.len() >= self.half_max {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, program.clone());
        Ok(program)
    }
}

impl Default for Memo {
    /// Room for 4096.
    fn default() -> Self {
        Self::new(4096)
    }
}
