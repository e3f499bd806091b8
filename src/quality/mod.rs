//! Data quality, a by-product of translation: what of the systems' records does not fit the shared schema.
//!
//! Promises: every record that is looked at is counted; of every flaw are known how often it was seen, first and last
//! when, and a few records that have it. What is kept is bounded, and names records by their own ids only: no value of
//! a record stands here but those that a value table does not know. A flaw never changes an answer; it is what the
//! answer left out.
//!
//! Some things cost more than a glance at a record that was read anyway: which native fields no line reads, and which
//! records name others. For these a few records are looked at, of each entity the first page and then one page every
//! ten seconds ([`Seen::look`]).
//!
//! A gate gathers what it sees in a [`Gathering`] and hands it to the store every so often ([`Gathering::take`]).

mod gathered;
mod looks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use parking_lot::Mutex;

pub use gathered::{EXAMPLES_MAX, Gathered, Looked, Named, Naming, Spot, Tally, cut, newest};

use crate::{
    mapping::{Finding, Inward, Mapping, NewFields, RowFault, What},
    schema::{Entity, FieldSet, LeafId, Numbers, Record, Shape, Unsound, Value},
};

use looks::Looks;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// A field that a new record needs is empty or was not told.
    Missing,
    /// A value is not of the field's type, or longer than it holds.
    IllTyped,
    /// A value that the table does not know: the system has learnt a new one.
    UnknownValue,
    /// A tax number that cannot be one.
    BadNumber,
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
    /// A native field that no line reads: the system has learnt a new one. Told by its native path.
    NewField,
    /// The record last changed longer ago than its system's file says it may.
    Stale,
    /// An amount whose currency the record does not say; it was left out.
    NoCurrency,
    /// A total is not what it is made of: its lines, charges, discounts and taxes come to another sum.
    Unbalanced,
    /// An address of people stands in a field of other texts, and the entity has fields of its own for such.
    Misplaced,
    /// The record names another that is not there. Nobody knows before somebody asks for that one.
    Dangling,
}

impl Flaw {
    /// In a sentence, for whoever looks at one record.
    pub fn told(self) -> &'static str {
        match self {
            Self::Missing => "a new record needs it, and it is empty or not told",
            Self::IllTyped => "not of the field's type",
            Self::UnknownValue => "a value that is not in its table",
            Self::BadNumber => "a number that cannot be one: its check digit or its form is wrong",
            Self::NoRule => "no rule holds",
            Self::NotAList => "a list was due",
            Self::Assumed => "it can mean two things; one was taken",
            Self::NoKey => "the record has no key",
            Self::DuplicateKey => "its key stands twice in the page",
            Self::Unreadable => "it is no record, or a name stands in it twice",
            Self::NewField => "no line reads it",
            Self::Stale => "the record last changed longer ago than the file says it may",
            Self::NoCurrency => "an amount without its currency",
            Self::Unbalanced => "a total that is not what it is made of",
            Self::Misplaced => "an address of people, which has a field of its own",
            Self::Dangling => "it names a record that is not there",
        }
    }

    /// A short name, for tables, labels and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::IllTyped => "ill_typed",
            Self::UnknownValue => "unknown_value",
            Self::BadNumber => "bad_number",
            Self::NoRule => "no_rule",
            Self::NotAList => "not_a_list",
            Self::Assumed => "assumed",
            Self::NoKey => "no_key",
            Self::DuplicateKey => "duplicate_key",
            Self::Unreadable => "unreadable",
            Self::NewField => "new_field",
            Self::Stale => "stale",
            Self::NoCurrency => "no_currency",
            Self::Unbalanced => "unbalanced",
            Self::Misplaced => "misplaced",
            Self::Dangling => "dangling",
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
            What::NoCurrency => Self::NoCurrency,
        }
    }
}

/// What a gate sees, until it is handed over.
#[derive(Debug, Default)]
pub struct Gathering {
    gathered: Mutex<Gathered>,
    looks: Mutex<Looks>,
}

/// What was seen of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Fields of the schema, what is wrong with them, and in how many records.
    pub flaws: Vec<(String, Flaw, u64)>,
    /// The places of the records whose native fields are due to be looked at, in order; none mostly.
    pub look: Vec<u32>,
}

impl Gathering {
    /// Records that came from a system: one that was read, or those of a page. Rows that could not be read are flaws
    /// of their own. `wanted` is what was asked for: nothing else can be missing.
    pub fn page<'a>(
        &self,
        mapping: &Mapping,
        wanted: &FieldSet,
        rows: impl ExactSizeIterator<Item = Result<&'a Inward, &'a RowFault>>,
        now: Timestamp,
    ) -> Seen {
        let count = rows.len() as u64;
        let (system, entity) = (mapping.system(), mapping.name());
        let turn = self.looks.lock().due(system, entity, now);
        let mut page = Page::of(mapping, wanted, now);
        let mut keys: HashSet<&str> = HashSet::new();
        let mut whole: Vec<(u32, &Inward)> = Vec::new();
        for (place, row) in (0_u32..).zip(rows) {
            match row {
                Ok(inward) => {
                    if count > 1 && !keys.insert(&inward.id) {
                        page.note(String::new(), Flaw::DuplicateKey, Some(&inward.id), None);
                    }
                    page.record(inward);
                    if turn.is_some() {
                        whole.push((place, inward));
                    }
                }
                Err(RowFault::NoKey) => page.note(String::new(), Flaw::NoKey, None, None),
                Err(RowFault::Twice | RowFault::NotAnObject | RowFault::Cells) => {
                    page.note(String::new(), Flaw::Unreadable, None, None);
                }
                // A record of another kind is none of this entity's, and one that is gone was none of anybody's.
                Err(RowFault::Other | RowFault::Gone) => {}
            }
        }
        let mut seen = Seen::default();
        let mut gathered = self.gathered.lock();
        gathered.count(system, entity, count, 0);
        if let Some(turn) = turn {
            seen.look = looks::rows(&whole, turn);
            for inward in looks::naming(&whole, turn) {
                looks::references(mapping, wanted, inward, now, &mut |naming, named| {
                    gathered.name(naming, named)
                });
            }
        }
        for ((field, flaw), tally) in page.flaws {
            seen.flaws.push((field.clone(), flaw, tally.count));
            gathered
                .join(Spot { system: system.to_string(), entity: entity.to_string(), field, flaw }, tally);
        }
        seen
    }

    /// What a look at native fields found.
    pub fn looked(&self, mapping: &Mapping, found: NewFields, now: Timestamp) {
        let (system, entity) = (mapping.system(), mapping.name());
        let mut gathered = self.gathered.lock();
        gathered.count(system, entity, 0, u64::from(found.records));
        for (field, count) in found.paths {
            let spot =
                Spot { system: system.to_string(), entity: entity.to_string(), field, flaw: Flaw::NewField };
            gathered.join(spot, Tally { count: u64::from(count), ..Tally::of(now, None, None) });
        }
    }

    /// A record that somebody asked for and its system does not have: whoever names it names nothing.
    pub fn missing(&self, mapping: &Mapping, id: &str) {
        self.gathered.lock().miss(mapping.name(), id);
    }

    /// Everything since the last time.
    pub fn take(&self) -> Gathered {
        std::mem::take(&mut *self.gathered.lock())
    }

    /// Puts back what could not be handed over.
    pub fn put_back(&self, gathered: Gathered) {
        self.gathered.lock().absorb(gathered);
    }
}

/// What is wrong with a record of a system, as a gate counts it: the fields and their flaws. `wanted` is what was asked
/// for.
pub fn flaws(mapping: &Mapping, wanted: &FieldSet, inward: &Inward, now: Timestamp) -> Vec<(String, Flaw)> {
    let mut found = Vec::new();
    Look::of(mapping, wanted, now).at(inward, &mut |leaf, flaw, _, _| {
        found.push((path(mapping.entity(), leaf), flaw));
    });
    found
}

/// Who is told of a flaw: of which field, with the word that no table knows, and since when it is stale.
type Tell<'a> = dyn FnMut(LeafId, Flaw, Option<&str>, Option<Timestamp>) + 'a;

/// What records of a system are looked at for.
struct Look<'m> {
    entity: &'m Entity,
    /// Fields that the system's file has lines for.
    own: FieldSet,
    /// Fields that a record of it must have.
    due: FieldSet,
    numbers: Numbers,
    /// Fields in which no address of people belongs.
    plain: FieldSet,
    /// The field that tells when a record changed, and the moment before which it is stale.
    stale: Option<(LeafId, Timestamp)>,
}

impl<'m> Look<'m> {
    fn of(mapping: &'m Mapping, wanted: &FieldSet, now: Timestamp) -> Self {
        let (entity, stale) = (&**mapping.entity(), mapping.stale());
        Self {
            entity,
            own: mapping.own(),
            due: wanted.intersection(&mapping.own()).intersection(&entity.required()),
            numbers: Numbers::of(entity),
            plain: entity.plain(),
            stale: stale.and_then(|stale| Some((stale.by, now.checked_sub(stale.after).ok()?))),
        }
    }

    /// Tells of each flaw of a record.
    fn at(&self, inward: &Inward, tell: &mut Tell<'_>) {
        let entity = self.entity;
        for Finding { leaf, what } in &inward.findings {
            let value = match what {
                What::UnknownValue(value) => Some(value.as_str()),
                What::Unfit(_) | What::Assumed(_) | What::NoRule | What::NotAList | What::NoCurrency => None,
            };
            tell(*leaf, what.into(), value, None);
        }
        for leaf in lacking(entity, &self.due, &inward.record) {
            // What does not fit is told above.
            if !inward.findings.iter().any(|finding| finding.leaf == leaf) {
                tell(leaf, Flaw::Missing, None, None);
            }
        }
        for Unsound { leaf, .. } in self.numbers.unsound(entity, &inward.record) {
            tell(leaf, Flaw::BadNumber, None, None);
        }
        for leaf in entity.unbalanced(&inward.record, &self.own).iter() {
            tell(leaf, Flaw::Unbalanced, None, None);
        }
        for (leaf, _) in entity.misplaced(&inward.record, &self.plain) {
            tell(leaf, Flaw::Misplaced, None, None);
        }
        if let Some((leaf, before)) = self.stale
            && let Some(changed) = changed(entity, leaf, &inward.record)
            && changed < before
        {
            tell(leaf, Flaw::Stale, None, Some(changed));
        }
    }
}

/// What is seen of one page.
struct Page<'m> {
    look: Look<'m>,
    now: Timestamp,
    flaws: BTreeMap<(String, Flaw), Tally>,
}

impl<'m> Page<'m> {
    fn of(mapping: &'m Mapping, wanted: &FieldSet, now: Timestamp) -> Self {
        Self { look: Look::of(mapping, wanted, now), now, flaws: BTreeMap::new() }
    }

    fn note(&mut self, field: String, flaw: Flaw, id: Option<&str>, value: Option<&str>) {
        add(&mut self.flaws, (field, flaw), Tally::of(self.now, id, value));
    }

    fn record(&mut self, inward: &Inward) {
        let Self { look, now, flaws } = self;
        look.at(inward, &mut |leaf, flaw, value, oldest| {
            let tally = Tally { oldest, ..Tally::of(*now, Some(&inward.id), value) };
            add(flaws, (path(look.entity, leaf), flaw), tally);
        });
    }
}

fn add(flaws: &mut BTreeMap<(String, Flaw), Tally>, of: (String, Flaw), tally: Tally) {
    match flaws.entry(of) {
        Entry::Occupied(known) => known.into_mut().add(tally),
        Entry::Vacant(place) => drop(place.insert(tally).count),
    }
}

fn path(entity: &Entity, leaf: LeafId) -> String {
    entity.leaf(leaf).map_or_else(String::new, |leaf| leaf.path.to_string())
}

/// When a record last changed, as it says; a day is over before anything is stale because of it.
fn changed(entity: &Entity, leaf: LeafId, record: &Record) -> Option<Timestamp> {
    let over = |day: &Date| Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    match record.first(entity, leaf)? {
        Value::Instant(moment) => Some(*moment),
        Value::Date(day) => over(day),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Object(_)
        | Value::List(_) => None,
    }
}

/// The fields that are due and that a record does not have; plain ones, outside groups and lists.
fn lacking(entity: &Entity, due: &FieldSet, record: &Record) -> impl Iterator<Item = LeafId> {
    entity.root.fields.iter().enumerate().filter_map(move |(position, field)| {
        let position = u16::try_from(position).ok()?;
        match (&field.shape, record.fields.at(position)) {
            (Shape::Leaf(leaf), None | Some(Value::Null)) if due.contains(*leaf) => Some(*leaf),
            _ => None,
        }
    })
}
