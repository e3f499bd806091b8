//! Rules that are the same for whomever a statement's head speaks of: its condition reads nothing of the caller.
//! Each is specialised once for a bundle and shared by every caller's program.

use std::{collections::HashMap, sync::Arc};

use cedar_policy::Policy;
use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::program::Rule;
use crate::{
    catalog::Action,
    words::{EntityName, Kind, StatementId, SystemName},
};

/// LIMIT: most rules kept of a bundle; what is beyond is made anew for each program.
const RULES_MAX: usize = 65_536;

/// The rules settled so far; none for a statement that can never matter.
#[derive(Debug, Default)]
pub(super) struct Settled(RwLock<HashMap<Key, Option<Arc<Rule>>, RandomState>>);

/// All that a rule depends on where it does not depend on the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) statement: StatementId,
    pub(super) kind: Kind,
    pub(super) action: Action,
    pub(super) entity: Option<EntityName>,
    pub(super) system: Option<SystemName>,
}

impl Settled {
    /// The rule of that key, or what `make` makes.
    pub(super) fn get<E>(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Option<Arc<Rule>>, E>,
    ) -> Result<Option<Arc<Rule>>, E> {
        if let Some(known) = self.0.read().get(&key) {
            return Ok(known.clone());
        }
        let made = make()?;
        let mut rules = self.0.write();
        if rules.len() < RULES_MAX {
            rules.insert(key, made.clone());
        }
        Ok(made)
    }
}

/// The same statement about anyone: what its head says of the caller taken away, for who asks has been found by
/// it. None where it cannot be said so.
pub(super) fn about_anyone(policy: &Policy) -> Option<Policy> {
    let mut json = policy.to_json().ok()?;
    *json.get_mut("principal")? = serde_json::json!({ "op": "All" });
    Policy::from_json(Some(policy.id().clone()), json).ok()
}
