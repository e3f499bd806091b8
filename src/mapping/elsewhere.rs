//! Fields of an entity of which its own records do not tell all: what other systems tell, where a collection stands in
//! several, and what goes by tables that the system tells apart from its records.
//!
//! A mapping that serves such a collection has no lines for them any more: it neither reads nor writes nor filters by
//! them. To all that asks what is held here they count as held, and a record begins without them, as untold.

use super::{
    model::{Mapping, Source},
    path::Step,
};
use crate::schema::{FieldSet, Fields, Filter, LeafId, Op, Value};

/// What others tell.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// The leaves that each tells, and the leaf by whose value the record is found there.
    pub(super) told: Vec<(FieldSet, LeafId)>,
    /// Leaves that go by tables which the system tells, by the number of the table.
    pub(super) live: Vec<(usize, FieldSet)>,
    /// What other records of the system tell of each.
    pub(super) also: Option<Box<super::also::Also>>,
    /// The references that lines fill, of which some hold keys of others.
    pub(super) references: Vec<super::refs::Reference>,
}

impl Mapping {
    /// Leaves that lines of this mapping fill.
    pub fn own(&self) -> FieldSet {
        self.entity.all().minus(&self.unmapped)
    }

    /// Leaves that are the moment at which an answer was received.
    pub fn received(&self) -> FieldSet {
        let mut leaves = FieldSet::EMPTY;
        self.root.lines(false, &mut |line, _| match &line.source {
            Source::Native(native) if native.write_at.steps() == [Step::Received] => leaves.insert(line.leaf),
            _ => {}
        });
        leaves
    }

    /// Leaves that other systems tell.
    pub fn elsewhere(&self) -> FieldSet {
        self.elsewhere.told.iter().fold(FieldSet::EMPTY, |all, (leaves, _)| all.union(leaves))
    }

    /// Leaves that go by tables which the system tells, by the number of the table among
    /// [`System::live`](super::System::live).
    pub fn live(&self) -> &[(usize, FieldSet)] {
        &self.elsewhere.live
    }

    /// The leaves that are needed here to be told some leaves elsewhere.
    pub fn joining(&self, wanted: &FieldSet) -> FieldSet {
        let needed = self.elsewhere.told.iter().filter(|(leaves, _)| !leaves.intersection(wanted).is_empty());
        needed.map(|(_, on)| *on).collect()
    }

    /// Leaves whole fields to another system, which tells some of their leaves of the record found by `on`.
    pub fn leave(&mut self, fields: &FieldSet, told: &FieldSet, on: LeafId) {
        self.root.parts.retain(|named| named.leaves.intersection(fields).is_empty());
        self.tags.retain(|(leaf, _)| !fields.contains(*leaf));
        self.unmapped = self.unmapped.union(fields);
        for leaf in fields.iter() {
            if let Some(places) = self.filters.get_mut(usize::from(leaf.0)) {
                places.clear();
            }
        }
        self.elsewhere.live.iter_mut().for_each(|(_, leaves)| *leaves = leaves.minus(fields));
        self.elsewhere.live.retain(|(_, leaves)| !leaves.is_empty());
        self.elsewhere.told.push((*told, on));
    }

    /// What others tell stays as it is.
    pub(super) fn keep_elsewhere(&self, from: &Fields, into: &mut Fields) {
        let leaves = self.elsewhere();
        for (position, value) in from.iter() {
            if self.entity.root.at(position).is_some_and(|field| leaves.any_in(&field.leaves)) {
                into.set(position, value.clone());
            }
        }
    }

    /// Whether some leaf stands in one native text with fields of the record that are none of these.
    pub fn is_in_a_text_with_others(&self, leaves: &FieldSet) -> bool {
        self.root.texts.iter().any(|text| text.holes.iter().any(|hole| leaves.contains(hole.leaf)))
    }

    /// Whether a list can be narrowed to the records that have one of some values in a leaf.
    pub fn finds_by(&self, leaf: LeafId) -> bool {
        if self.over.is_some() {
            return false;
        }
        let value = |text: &str| Value::Text(text.into());
        let values = match leaf {
            // Twice, for a list of one is asked for as the one.
            LeafId(0) => vec![value(&self.key.sample()); 2],
            _ => vec![value("1")],
        };
        let filter = Filter::test(leaf, Op::In, Value::List(values));
        self.lists.iter().any(|call| self.is_said(call, &filter))
    }
}
