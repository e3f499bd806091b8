//! Which records are looked at more closely: of each entity of a system a few, seldom.

use std::time::Duration;

use jiff::Timestamp;

use super::gathered::{ID_BYTES_MAX, Named, Naming};
use crate::{
    mapping::{Inward, Mapping},
    schema::FieldSet,
    words::{EntityName, SystemName},
};

/// How often at most one entity of a system is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// LIMIT: records of a page whose native fields are looked at.
const ROWS_MAX: usize = 8;
/// LIMIT: records of a page of which is kept whom they name.
const NAMING_ROWS_MAX: usize = 64;
/// LIMIT: others that one field of a record names, as far as they are kept.
pub(super) const TARGETS_MAX: usize = 64;

/// When each entity is looked at next. LIMIT: entities and systems that bundles ever named.
#[derive(Debug, Default)]
pub(super) struct Looks(Vec<Next>);

#[derive(Debug)]
struct Next {
    system: SystemName,
    entity: EntityName,
    last: Timestamp,
    turn: usize,
}

impl Looks {
    /// Whether a look is due, and how many there were before. The road comes by here for every page: nothing is
    /// allocated where the pair is known.
    pub(super) fn due(&mut self, system: &SystemName, entity: &EntityName, now: Timestamp) -> Option<usize> {
        let Some(next) = self.0.iter_mut().find(|one| one.system == *system && one.entity == *entity) else {
            self.0.push(Next { system: system.clone(), entity: entity.clone(), last: now, turn: 0 });
            return Some(0);
        };
        // A clock that was set back does not put off what is due.
        let waited = now.duration_since(next.last);
        if !waited.is_negative() && waited.unsigned_abs() < LOOK_EVERY {
            return None;
        }
        next.last = now;
        next.turn = next.turn.wrapping_add(1);
        Some(next.turn)
    }
}

/// Some of a page, each look going on where the one before ended.
fn some<T>(all: &[T], turn: usize, most: usize) -> impl Iterator<Item = &T> {
    let first = turn.wrapping_mul(most).checked_rem(all.len()).unwrap_or_default();
    all.iter().cycle().skip(first).take(most.min(all.len()))
}

/// The places of the records whose native fields are looked at, in order.
pub(super) fn rows(whole: &[(u32, &Inward)], turn: usize) -> Vec<u32> {
    let mut places: Vec<u32> = some(whole, turn, ROWS_MAX).map(|(place, _)| *place).collect();
    places.sort_unstable();
    places
}

/// The records of which is kept whom they name.
pub(super) fn naming<'r>(whole: &'r [(u32, &'r Inward)], turn: usize) -> impl Iterator<Item = &'r Inward> {
    some(whole, turn, NAMING_ROWS_MAX).map(|(_, inward)| *inward)
}

/// Tells of each field of a record that names others, as far as it was asked for and told.
pub(super) fn references(
    mapping: &Mapping,
    wanted: &FieldSet,
    inward: &Inward,
    now: Timestamp,
    tell: &mut dyn FnMut(Naming, Named),
) {
    let entity = mapping.entity();
    let told = wanted.intersection(&mapping.own()).minus(&inward.missing);
    for (id, leaf) in told.iter().filter_map(|id| Some((id, entity.leaf(id)?))) {
        let Some(target_entity) = &leaf.reference else { continue };
        let (mut targets, mut is_whole) = (Vec::<String>::new(), true);
        inward.record.each(entity, id, &mut |value| {
            let Some(target) = value.as_text().filter(|target| !target.is_empty()) else { return };
            if targets.iter().any(|known| known == target) {
                return;
            }
            if targets.len() < TARGETS_MAX && target.len() <= ID_BYTES_MAX {
                targets.push(target.to_owned());
            } else {
                is_whole = false;
            }
        });
        let naming = Naming {
            system: mapping.system().clone(),
            entity: entity.name.clone(),
            record: inward.id.to_string(),
            field: leaf.path.to_string(),
        };
        tell(naming, Named { target_entity: target_entity.clone(), targets, is_whole, seen: now });
    }
}
