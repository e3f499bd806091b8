//! Statements that change nothing, because another one does all that they do: for whoever reads policies.
//!
//! Said only where it is plain: the other speaks of everyone and everything that this one does, under no condition or
//! under the same, and opens or closes as much. What two others do together is not looked at.

use cedar_policy::ResourceConstraint;

use super::{
    load::Policies,
    mask::Openness,
    statement::{Grants, Head, Resources, Statement, Verb},
};
use crate::words::{Place, StatementId};

/// LIMIT: statements of which each is held against each.
const STATEMENTS_MAX: usize = 4_000;

impl Policies {
    /// Each statement that changes nothing, where it stands, and the one that does all of it. Nothing of very many
    /// statements.
    pub fn idle(&self) -> Vec<(&Place, &StatementId, &StatementId)> {
        if self.statements.len() > STATEMENTS_MAX {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (at, one) in self.statements.iter().enumerate() {
            // Of two that say the same the later one is idle.
            let by = self.statements.iter().enumerate().find(|(number, other)| {
                *number != at && covers(other, one) && (*number < at || !covers(one, other))
            });
            found.extend(by.map(|(_, other)| (&one.place, &one.id, &other.id)));
        }
        found
    }
}

/// Whether `wide` does all that `one` does, whoever asks for whatever.
fn covers(wide: &Statement, one: &Statement) -> bool {
    wide.effect == one.effect
        && wide.is_glass == one.is_glass
        && wide.detail >= one.detail
        && (one.plan.is_none() || one.plan == wide.plan)
        && speaks_of_all(&wide.head, &one.head)
        && one.grants.iter().all(|(entity, grants)| {
            wide.grants.get(entity).is_some_and(|wider| grants_all(wide.effect, wider, grants))
        })
        && asks_no_more(wide, one)
}

fn speaks_of_all(wide: &Head, one: &Head) -> bool {
    one.kinds.iter().all(|kind| wide.kinds.contains(kind))
        && one.actions.iter().all(|action| wide.actions.contains(action))
        && (wide.principal.is_none() || wide.principal == one.principal)
        && (wide.group.is_none() || wide.group == one.group)
        && match (&wide.resources, &one.resources) {
            (_, Resources::None) | (Resources::All, _) => true,
            (Resources::Systems, Resources::System(_)) => true,
            (wide, one) => wide == one,
        }
}

fn grants_all(effect: Verb, wide: &Grants, one: &Grants) -> bool {
    let as_open = || {
        Openness::ALL.into_iter().all(|openness| {
            one.shown.of(openness).iter().all(|leaf| wide.shown.openness(leaf) >= Some(openness))
        })
    };
    match effect {
        Verb::Permit => as_open() && one.writes.minus(&wide.writes).is_empty(),
        Verb::Withhold => one.withheld.minus(&wide.withheld).is_empty(),
        Verb::Forbid => true,
    }
}

/// Whether the wide one holds wherever the other does: it asks for nothing, or for the very same. A head that names one
/// record asks for that too.
fn asks_no_more(wide: &Statement, one: &Statement) -> bool {
    let (Some(wider), Some(ones)) = (clauses(wide), clauses(one)) else { return false };
    let record = wide.policy.resource_constraint();
    let of_any = matches!(record, ResourceConstraint::Any | ResourceConstraint::Is(_));
    (of_any || record == one.policy.resource_constraint()) && (wider.is_empty() || wider == ones)
}

/// The conditions as they stand, `when` and `unless` apart.
fn clauses(statement: &Statement) -> Option<Vec<serde_json::Value>> {
    statement.policy.to_json().ok()?.get("conditions")?.as_array().cloned()
}
