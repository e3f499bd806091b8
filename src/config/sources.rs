//! The systems that serve a collection: mostly one; several, where each holds some of its records.
//!
//! What tells the records of several apart is a field that each of their files fixes to a value of its own. By it a new
//! record finds its system, and a list leaves out those that hold nothing of what it asks for. Whose record an id is, the
//! crosswalk says.

use std::sync::Arc;

use super::serving::Part;
use crate::{
    catalog::{Action, Cursor},
    mapping::{Mapping, WriteView},
    schema::{Entity, FieldSet, Filter, LeafId, Record, Value},
    upstream::Upstream,
    words::{Diagnostic, Diagnostics, SystemName, yaml::Spanned},
};

/// LIMIT: systems that serve one collection; a cursor says whose turn it is.
pub(super) const SOURCES_MAX: usize = Cursor::TURNS_MAX;

/// One system of a collection, ready to be asked for its records.
#[derive(Clone, Debug)]
pub struct EntitySource {
    /// How it has them.
    pub mapping: Arc<Mapping>,
    /// The way to it.
    pub upstream: Arc<Upstream>,
    /// What all its records have in common; nothing where it is the only one.
    fixed: Vec<(LeafId, Value)>,
    /// What it tells of none of them; nothing where it is the only one.
    untold: FieldSet,
    /// Other systems that tell some fields of its records.
    pub beside: Arc<[Beside]>,
}

/// A system that tells some fields of another's records, ready to be asked for its own.
#[derive(Clone, Debug)]
pub struct Beside {
    /// What it tells.
    pub part: Part,
    /// The system.
    pub source: EntitySource,
}

impl Beside {
    /// Leaves that it takes in a change of a record that is there. What is changed is read first.
    pub fn takes(&self) -> FieldSet {
        let mapping = &self.source.mapping;
        match mapping.can(Action::Read) && mapping.can(Action::Update) {
            true => self.part.leaves.intersection(&mapping.view(Action::Update).writable),
            false => FieldSet::EMPTY,
        }
    }
}

/// The systems that serve a collection, in the order in which its lists run through them. INVARIANT: there is one.
#[derive(Clone, Debug)]
pub struct EntitySources {
    sources: Vec<EntitySource>,
    /// The fields that tell their records apart.
    apart: FieldSet,
}

/// Why no system takes a new record: what these fields would have to be. One that was not sent is among them alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Undecided(pub Vec<(LeafId, Vec<Value>)>);

impl EntitySource {
    /// Its name.
    pub fn name(&self) -> &SystemName {
        self.mapping.system()
    }

    /// Whether it may accept a new record first, which is then asked for until it is known what became of it.
    pub fn accepts(&self) -> bool {
        self.mapping.is_sought() || self.mapping.posts_to().is_some_and(|path| self.upstream.delivers(&path))
    }

    /// What is left to ask it of a filter: nothing passes where it holds no such record. None where all is left.
    pub fn left_of(&self, filter: &Filter) -> Option<Filter> {
        if self.fixed.is_empty() && self.untold.is_empty() {
            return None;
        }
        let known = |leaf: LeafId| match self.untold.contains(leaf) {
            true => Some(&Value::Null),
            false => self.fixed(leaf),
        };
        Some(filter.given(&known))
    }

    /// Whether it may hold a record that passes a filter.
    pub fn may_hold(&self, filter: &Filter) -> bool {
        self.left_of(filter).is_none_or(|left| !left.is_nothing())
    }

    /// Leaves that systems beside it take in a change of one of its records.
    fn taken_beside(&self, action: Action) -> FieldSet {
        match action {
            Action::Update => {
                self.beside.iter().fold(FieldSet::EMPTY, |all, beside| all.union(&beside.takes()))
            }
            Action::List | Action::Read | Action::Create | Action::Delete | Action::Call => FieldSet::EMPTY,
        }
    }

    fn fixed(&self, leaf: LeafId) -> Option<&Value> {
        self.fixed.iter().find(|(fixed, _)| *fixed == leaf).map(|(_, value)| value)
    }

    /// Whether a record says of some fields what all records here do, as far as it says anything.
    fn fits(&self, entity: &Entity, record: &Record, apart: &FieldSet) -> bool {
        let said = |leaf| record.first(entity, leaf).filter(|value| **value != Value::Null);
        let told = self.fixed.iter().filter(|(leaf, _)| apart.contains(*leaf));
        told.into_iter().all(|(leaf, value)| said(*leaf).is_none_or(|said| said == value))
    }
}

impl EntitySources {
    /// Each, in order.
    pub fn all(&self) -> &[EntitySource] {
        &self.sources
    }

    /// The one that serves the collection, where there are no others.
    pub fn only(&self) -> Option<&EntitySource> {
        match self.sources.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether it can be done: a list by all of them, anything else with some record.
    pub fn can(&self, action: Action) -> bool {
        match action {
            Action::List => self.sources.iter().all(|source| source.mapping.can(action)),
            Action::Read | Action::Create | Action::Update | Action::Delete | Action::Call => {
                self.sources.iter().any(|source| source.mapping.can(action))
            }
        }
    }

    /// Leaves that some of them tell.
    pub fn mapped(&self) -> FieldSet {
        self.sources.iter().fold(FieldSet::EMPTY, |all, source| all.union(&source.mapping.mapped()))
    }

    /// Leaves that other systems tell of all their records.
    pub fn elsewhere(&self) -> FieldSet {
        self.sources.iter().fold(FieldSet::EMPTY, |all, source| all.union(&source.mapping.elsewhere()))
    }

    /// Leaves that an answer may have to leave out: others tell them, or other records or tables of the systems do.
    pub fn deferred(&self) -> FieldSet {
        let live = self.sources.iter().flat_map(|source| source.mapping.live());
        let also = self.sources.iter().map(|source| source.mapping.also());
        let all = live.fold(self.elsewhere(), |all, (_, leaves)| all.union(leaves));
        also.fold(all, |all, leaves| all.union(&leaves))
    }

    /// Of leaves that may serve a filter or an order, those that tell of nothing beside them in any of them.
    pub fn telling(&self, clear: &FieldSet) -> FieldSet {
        self.sources.iter().fold(*clear, |left, source| left.intersection(&source.mapping.telling(clear)))
    }

    /// The one that takes a new record.
    ///
    /// # Errors
    /// It does not say which, or none makes records like it.
    pub fn for_new(&self, entity: &Entity, record: &Record) -> Result<&EntitySource, Undecided> {
        let mut fitting = self.making().filter(|source| source.fits(entity, record, &self.apart));
        let is_said = |leaf: &LeafId| record.first(entity, *leaf).is_some_and(|value| *value != Value::Null);
        match (fitting.next(), fitting.next()) {
            (Some(source), None) => Ok(source),
            // They differ in what it does not say.
            (Some(one), Some(other)) => {
                let leaf = self.apart.iter().find(|leaf| !is_said(leaf) && differ(one, other, *leaf));
                Err(Undecided(leaf.into_iter().map(|leaf| (leaf, self.values(leaf))).collect()))
            }
            (None, _) => {
                let said = self.apart.iter().filter(is_said);
                Err(Undecided(said.map(|leaf| (leaf, self.values(leaf))).collect()))
            }
        }
    }

    /// The one that would hold a record; the first of those that could.
    pub fn of_record(&self, entity: &Entity, record: &Record) -> Option<&EntitySource> {
        self.sources.iter().find(|source| source.fits(entity, record, &self.apart))
    }

    /// Those that make records.
    pub fn making(&self) -> impl Iterator<Item = &EntitySource> {
        self.sources.iter().filter(|source| source.mapping.can(Action::Create))
    }

    /// What a field is fixed to, in any of those that make records.
    fn values(&self, leaf: LeafId) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::new();
        for value in self.making().filter_map(|source| source.fixed(leaf)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        values
    }
}

/// What some systems take of what a caller may send (`may`), and what all that take anything need of it.
pub fn taken(sources: &[EntitySource], action: Action, may: &FieldSet) -> WriteView {
    let able = sources.iter().filter(|source| source.mapping.can(action));
    let views = able.map(|source| {
        let (entity, view) = (source.mapping.entity(), source.mapping.view(action));
        let taken = view.writable.union(&source.taken_beside(action));
        let writable = entity.writable().intersection(&taken).intersection(may);
        WriteView { writable, required: entity.required().union(&view.required).intersection(&writable) }
    });
    let both = |all: WriteView, one: WriteView| WriteView {
        writable: all.writable.union(&one.writable),
        required: all.required.intersection(&one.required),
    };
    views.reduce(both).unwrap_or_default()
}

fn differ(one: &EntitySource, other: &EntitySource, leaf: LeafId) -> bool {
    matches!((one.fixed(leaf), other.fixed(leaf)), (Some(one), Some(other)) if one != other)
}

/// Puts together what serves a collection; `names` are the systems as `gateway.yaml` has them, in the same order. None
/// where there is no system.
pub(super) fn together(
    entity: &Entity,
    mut sources: Vec<EntitySource>,
    names: &[Spanned<String>],
    found: &mut Diagnostics,
) -> Option<EntitySources> {
    if sources.len() < 2 {
        let apart = FieldSet::EMPTY;
        return (!sources.is_empty()).then_some(EntitySources { sources, apart });
    }
    for source in &mut sources {
        source.fixed = source.mapping.fixed();
        source.untold = entity.all().minus(&source.mapping.mapped()).minus(&FieldSet::ID);
    }
    let mut apart = FieldSet::EMPTY;
    let place = |source: &EntitySource| names.iter().find(|name| name.value == source.name().as_str());
    for (at, other) in sources.iter().enumerate() {
        let Some(place) = place(other).map(|name| &name.place) else { continue };
        for action in [Action::List, Action::Read] {
            if !other.mapping.can(action) {
                let message = format!("`{}` cannot {} {}", other.name(), action.as_str(), entity.collection);
                let help = "of several systems each lists its records and reads one by its id";
                found.push(Diagnostic::error(place, message).help(help));
            }
        }
        for one in sources.iter().take(at) {
            let leaves: FieldSet =
                one.fixed.iter().map(|(leaf, _)| *leaf).filter(|leaf| differ(one, other, *leaf)).collect();
            if leaves.is_empty() {
                let message = format!(
                    "nothing tells the {} of `{}` from those of `{}`",
                    entity.collection,
                    one.name(),
                    other.name()
                );
                let help = "each file fixes one field to a value of its own, as in `kind: =company` and `kind: =person`";
                found.push(Diagnostic::error(place, message).help(help));
            }
            apart = apart.union(&leaves);
        }
    }
    Some(EntitySources { sources, apart })
}

impl EntitySource {
    /// One that is the only one.
    pub(super) fn new(mapping: Arc<Mapping>, upstream: Arc<Upstream>) -> Self {
        Self { mapping, upstream, fixed: Vec::new(), untold: FieldSet::EMPTY, beside: Arc::default() }
    }

    /// The same, with others that tell some fields of its records.
    pub(super) fn with(self, beside: &Arc<[Beside]>) -> Self {
        Self { beside: beside.clone(), ..self }
    }
}
