//! Data quality, a by-product of translation: what of the systems' records does not fit the shared schema.
//!
//! Promises: every record that is looked at is counted; of every flaw are known how often it was seen, first and last
//! when, and a few records that have it. What is kept is bounded, and names records by their own ids only: no value of
//! a record stands here but those that a value table does not know. A flaw never changes an answer; it is what the
//! answer left out.
//!
//! A gate gathers what it sees in a [`Gathering`] and hands it to the store every so often ([`Gathering::take`]).

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    mapping::{Finding, Inward, Mapping, RowFault, What},
    schema::{Entity, FieldSet, Record, Shape, Value},
    words::{EntityName, SystemName},
};

#[cfg(test)]
mod tests;

/// LIMIT: flaws that are told apart between two handings over; what is beyond is counted as `other`.
const SPOTS_MAX: usize = 4_096;
/// Records and values that are named of each.
pub const EXAMPLES_MAX: usize = 5;
/// LIMIT: characters of an example.
const EXAMPLE_CHARS_MAX: usize = 64;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// A field that a new record needs is empty or was not told.
    Missing,
    /// A value is not of the field's type, or longer than it holds.
    IllTyped,
    /// A value that the table does not know: the system has learnt a new one.
    UnknownValue,
    /// No rule holds for the record.
    NoRule,
    /// A list was due.
    NotAList,
    /// A value can mean two things; one was taken.
    Assumed,
    /// The record has no key.
    NoKey,
    /// Its key stood twice in one page.
    DuplicateKey,
    /// A name stands in the record twice, or it is no record.
    Unreadable,
}

impl Flaw {
    /// A short name, for tables, labels and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::IllTyped => "ill_typed",
            Self::UnknownValue => "unknown_value",
            Self::NoRule => "no_rule",
            Self::NotAList => "not_a_list",
            Self::Assumed => "assumed",
            Self::NoKey => "no_key",
            Self::DuplicateKey => "duplicate_key",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<&What> for Flaw {
    fn from(what: &What) -> Self {
        match what {
            What::Unfit(_) => Self::IllTyped,
            What::UnknownValue(_) => Self::UnknownValue,
            What::NoRule => Self::NoRule,
            What::NotAList => Self::NotAList,
            What::Assumed(_) => Self::Assumed,
        }
    }
}

/// Where a flaw was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// The field; empty for the record itself.
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
}

/// What was seen between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Records that were looked at.
    pub looked: Vec<Looked>,
    /// Flaws.
    pub flaws: BTreeMap<Spot, Tally>,
}

/// What a gate sees, until it is handed over.
#[derive(Debug, Default)]
pub struct Gathering(Mutex<Gathered>);

impl Gathering {
    /// Records that came from a system: one that was read, or those of a page. Rows that could not be read are flaws
    /// of their own. `wanted` is what was asked for: nothing else can be missing.
    pub fn page<'a>(
        &self,
        mapping: &Mapping,
        wanted: &FieldSet,
        rows: impl ExactSizeIterator<Item = Result<&'a Inward, &'a RowFault>>,
        now: Timestamp,
    ) {
        let mut keys: HashSet<&str> = HashSet::new();
        let mut flaws: Vec<(String, Flaw, Option<&str>, Option<&str>)> = Vec::new();
        let count = rows.len() as u64;
        let due = wanted.intersection(&mapping.mapped()).intersection(&mapping.entity().required());
        for row in rows {
            match row {
                Ok(inward) => {
                    if count > 1 && !keys.insert(&inward.id) {
                        flaws.push((String::new(), Flaw::DuplicateKey, Some(&inward.id), None));
                    }
                    of_record(mapping.entity(), &due, inward, &mut flaws);
                }
                Err(RowFault::NoKey) => flaws.push((String::new(), Flaw::NoKey, None, None)),
                Err(RowFault::Twice | RowFault::NotAnObject) => {
                    flaws.push((String::new(), Flaw::Unreadable, None, None));
                }
                // A record of another kind is none of this entity's, and one that is gone was none of anybody's.
                Err(RowFault::Other | RowFault::Gone) => {}
            }
        }
        let (system, entity) = (mapping.system(), mapping.name());
        let mut gathered = self.0.lock();
        gathered.count(system, entity, count);
        for (field, flaw, id, value) in flaws {
            let spot = Spot { system: system.to_string(), entity: entity.to_string(), field, flaw };
            gathered.note(spot, id, value, now);
        }
    }

    /// Everything since the last time.
    pub fn take(&self) -> Gathered {
        std::mem::take(&mut *self.0.lock())
    }

    /// Puts back what could not be handed over.
    pub fn put_back(&self, gathered: Gathered) {
        let mut own = self.0.lock();
        for Looked { system, entity, records } in gathered.looked {
            own.count(&system, &entity, records);
        }
        for (spot, tally) in gathered.flaws {
            own.join(spot, tally);
        }
    }
}

impl Gathered {
    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.looked.is_empty() && self.flaws.is_empty()
    }

    /// The road comes by here for every page: nothing is allocated where the pair is known.
    fn count(&mut self, system: &SystemName, entity: &EntityName, records: u64) {
        match self.looked.iter_mut().find(|one| one.system == *system && one.entity == *entity) {
            Some(one) => one.records = one.records.saturating_add(records),
            None => self.looked.push(Looked { system: system.clone(), entity: entity.clone(), records }),
        }
    }

    fn note(&mut self, spot: Spot, id: Option<&str>, value: Option<&str>, now: Timestamp) {
        let one = |text: Option<&str>| text.into_iter().map(cut).collect();
        self.join(spot, Tally { count: 1, first: now, last: now, examples: one(id), values: one(value) });
    }

    /// Adds what was seen elsewhere.
    pub fn join(&mut self, mut spot: Spot, tally: Tally) {
        if self.flaws.len() >= SPOTS_MAX && !self.flaws.contains_key(&spot) {
            "other".clone_into(&mut spot.field);
        }
        let full = self.flaws.len() >= SPOTS_MAX.saturating_mul(2);
        match self.flaws.entry(spot) {
            Entry::Occupied(own) => own.into_mut().add(tally),
            Entry::Vacant(place) if !full => drop(place.insert(tally).count),
            Entry::Vacant(_) => {}
        }
    }
}

impl Tally {
    /// Adds what was seen elsewhere: of the examples the newest stay.
    pub fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.examples = newest(std::mem::take(&mut self.examples), other.examples);
        self.values = newest(std::mem::take(&mut self.values), other.values);
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

fn of_record<'a>(
    entity: &Entity,
    due: &FieldSet,
    inward: &'a Inward,
    flaws: &mut Vec<(String, Flaw, Option<&'a str>, Option<&'a str>)>,
) {
    let before = flaws.len();
    for Finding { leaf, what } in &inward.findings {
        let field = entity.leaf(*leaf).map_or_else(String::new, |leaf| leaf.path.to_string());
        let value = match what {
            What::UnknownValue(value) => Some(value.as_str()),
            What::Unfit(_) | What::Assumed(_) | What::NoRule | What::NotAList => None,
        };
        flaws.push((field, what.into(), Some(&inward.id), value));
    }
    for field in lacking(entity, due, &inward.record) {
        // What does not fit is told above.
        if !flaws.iter().skip(before).any(|(known, ..)| *known == field) {
            flaws.push((field, Flaw::Missing, Some(&inward.id), None));
        }
    }
}

/// The fields that are due and that a record does not have; plain ones, outside groups and lists.
fn lacking(entity: &Entity, due: &FieldSet, record: &Record) -> impl Iterator<Item = String> {
    entity.root.fields.iter().enumerate().filter_map(move |(position, field)| {
        let position = u16::try_from(position).ok()?;
        match (&field.shape, record.fields.at(position)) {
            (Shape::Leaf(leaf), None | Some(Value::Null)) if due.contains(*leaf) => {
                Some(field.name.to_string())
            }
            _ => None,
        }
    })
}

fn cut(text: &str) -> String {
    text.chars().take(EXAMPLE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
