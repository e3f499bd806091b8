//! What was seen between two moments, added up. LIMIT: of everything so many, whatever systems send.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use jiff::Timestamp;

use super::Flaw;
use crate::words::{EntityName, SystemName};

/// LIMIT: flaws that are told apart between two handings over; what is beyond is counted as `other`.
pub(super) const SPOTS_MAX: usize = 4_096;
/// LIMIT: native fields of one entity that are told apart; what is beyond is counted as [`MORE_FIELDS`].
pub(super) const NEW_FIELDS_MAX: usize = 200;
/// What native fields beyond the bound are told as.
const MORE_FIELDS: &str = "*";
/// LIMIT: fields of records that name others, between two handings over; later ones are not kept.
pub(super) const NAMINGS_MAX: usize = 4_096;
/// LIMIT: records that are not there, between two handings over; others may be asked for again.
pub(super) const MISSING_MAX: usize = 256;
/// LIMIT: bytes of an id that is kept whole, to ask for it.
pub(super) const ID_BYTES_MAX: usize = 512;
/// Records and values that are named of each.
pub const EXAMPLES_MAX: usize = 5;
/// LIMIT: characters of an example.
pub(super) const EXAMPLE_CHARS_MAX: usize = 64;

/// Where a flaw was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// The field, a native path where no line reads it; empty for the record itself.
    pub field: String,
    /// What is wrong.
    pub flaw: Flaw,
}

/// How often, when, and where for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many records had it, each time one was looked at.
    pub count: u64,
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
    /// Ids of some records that have it.
    pub examples: Vec<String>,
    /// Values that no table knows.
    pub values: Vec<String>,
    /// Of stale records the time of the oldest.
    pub oldest: Option<Timestamp>,
}

/// How many records of a system were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The system.
    pub system: SystemName,
    /// The entity.
    pub entity: EntityName,
    /// How many.
    pub records: u64,
    /// Of how many the native fields were.
    pub sampled: u64,
}

/// A field of a record that names others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Naming {
    /// The system.
    pub system: SystemName,
    /// The entity of the record.
    pub entity: EntityName,
    /// The record's id.
    pub record: String,
    /// The field.
    pub field: String,
}

/// What it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Records of this entity.
    pub target_entity: EntityName,
    /// Their ids, each once.
    pub targets: Vec<String>,
    /// Whether these are all of them: what the field named before and is not here, it does not name any more.
    pub is_whole: bool,
    /// When that was seen.
    pub seen: Timestamp,
}

/// What was seen between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Records that were looked at.
    pub looked: Vec<Looked>,
    /// Flaws.
    pub flaws: BTreeMap<Spot, Tally>,
    /// Which records name which others, of some records.
    pub references: BTreeMap<Naming, Named>,
    /// Records that a system said it does not have, when somebody asked for them: their entity and id.
    pub missing: BTreeSet<(EntityName, String)>,
}

impl Gathered {
    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.looked.is_empty() && self.flaws.is_empty() && self.missing.is_empty()
    }

    /// The road comes by here for every page: nothing is allocated where the pair is known.
    pub(super) fn count(&mut self, system: &SystemName, entity: &EntityName, records: u64, sampled: u64) {
        match self.looked.iter_mut().find(|one| one.system == *system && one.entity == *entity) {
            Some(one) => {
                one.records = one.records.saturating_add(records);
                one.sampled = one.sampled.saturating_add(sampled);
            }
            None => {
                self.looked.push(Looked { system: system.clone(), entity: entity.clone(), records, sampled });
            }
        }
    }

    /// Adds what was seen elsewhere.
    pub fn join(&mut self, mut spot: Spot, tally: Tally) {
        let is_known = self.flaws.contains_key(&spot);
        if !is_known && spot.flaw == Flaw::NewField && self.new_fields(&spot) >= NEW_FIELDS_MAX {
            MORE_FIELDS.clone_into(&mut spot.field);
        } else if !is_known && self.flaws.len() >= SPOTS_MAX {
            "other".clone_into(&mut spot.field);
        }
        let full = self.flaws.len() >= SPOTS_MAX.saturating_mul(2);
        match self.flaws.entry(spot) {
            Entry::Occupied(own) => own.into_mut().add(tally),
            Entry::Vacant(place) if !full => drop(place.insert(tally).count),
            Entry::Vacant(_) => {}
        }
    }

    /// Native fields of the same entity that are told apart already.
    fn new_fields(&self, spot: &Spot) -> usize {
        let same = |one: &&Spot| {
            one.flaw == Flaw::NewField && one.system == spot.system && one.entity == spot.entity
        };
        self.flaws.keys().filter(same).count()
    }

    /// Adds what a record names.
    pub(super) fn name(&mut self, naming: Naming, named: Named) {
        let is_full = self.references.len() >= NAMINGS_MAX;
        match self.references.entry(naming) {
            Entry::Occupied(mut known) if known.get().seen <= named.seen => drop(known.insert(named)),
            Entry::Vacant(place) if !is_full => drop(place.insert(named).seen),
            Entry::Occupied(_) | Entry::Vacant(_) => {}
        }
    }

    /// Adds a record that is not there.
    pub(super) fn miss(&mut self, entity: &EntityName, id: &str) {
        if self.missing.len() < MISSING_MAX && id.len() <= ID_BYTES_MAX {
            self.missing.insert((entity.clone(), id.to_owned()));
        }
    }

    /// Adds all that was seen elsewhere.
    pub(super) fn absorb(&mut self, other: Self) {
        for Looked { system, entity, records, sampled } in other.looked {
            self.count(&system, &entity, records, sampled);
        }
        for (spot, tally) in other.flaws {
            self.join(spot, tally);
        }
        for (naming, named) in other.references {
            self.name(naming, named);
        }
        for (entity, id) in other.missing {
            self.miss(&entity, &id);
        }
    }
}

impl Tally {
    /// One, seen now, in a record and of a value where there are such.
    pub(super) fn of(now: Timestamp, id: Option<&str>, value: Option<&str>) -> Self {
        let one = |text: Option<&str>| text.into_iter().map(cut).collect();
        Self { count: 1, first: now, last: now, examples: one(id), values: one(value), oldest: None }
    }

    /// Adds what was seen elsewhere: of the examples the newest stay.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.examples = newest(std::mem::take(&mut self.examples), other.examples);
        self.values = newest(std::mem::take(&mut self.values), other.values);
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
    }
}

/// Of some that were known and some that are new those that are kept: each once, the newest last.
pub fn newest(mut known: Vec<String>, new: Vec<String>) -> Vec<String> {
    known.retain(|one| !new.contains(one));
    known.extend(new);
    let over = known.len().saturating_sub(EXAMPLES_MAX);
    known.drain(..over);
    known
}

/// An id or a value as examples have it.
pub fn cut(text: &str) -> String {
    text.chars().take(EXAMPLE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
