//! Fields that are read from one place of a system: who is shown one of them has the value of the others.

use super::{
    Mapping,
    model::{Line, ObjectPart, Part, Source, Then},
};
use crate::schema::{FieldSet, LeafId};

impl Mapping {
    /// Sets of leaves that one native value tells, each with more than one leaf. A part of a text that each field has
    /// for itself, and a value that is one field or another by what stands beside it, is not told by the others.
    pub fn shared(&self) -> Vec<FieldSet> {
        let mut found = Vec::new();
        frame(&self.root, &mut found);
        found.retain(|leaves| leaves.iter().nth(1).is_some());
        found.sort_by_key(|leaves| leaves.iter().collect::<Vec<_>>());
        found.dedup();
        found
    }
}

/// What is read of a record, or of one element of a native list. Recursion goes down the entity, whose depth is bounded.
fn frame(object: &ObjectPart, found: &mut Vec<FieldSet>) {
    let mut read: Vec<(u16, FieldSet)> = Vec::new();
    parts(object, &mut read, found);
    found.extend(read.into_iter().map(|(_, leaves)| leaves));
}

fn parts(object: &ObjectPart, read: &mut Vec<(u16, FieldSet)>, found: &mut Vec<FieldSet>) {
    object.parts.iter().for_each(|named| part(&named.part, read, found));
}

fn part(of: &Part, read: &mut Vec<(u16, FieldSet)>, found: &mut Vec<FieldSet>) {
    match of {
        Part::Leaf(of) => line(of, read),
        Part::Split(split) => line(&split.line, read),
        Part::Object(object) => parts(object, read, found),
        Part::Slots(slots) => slots.iter().for_each(|of| part(of, read, found)),
        Part::Each(each) => each.all().for_each(|each| match each.item.bare() {
            Part::Object(object) => frame(object, found),
            Part::Leaf(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {}
        }),
        Part::When(_) => {}
    }
}

fn line(line: &Line, read: &mut Vec<(u16, FieldSet)>) {
    let mut put = |slot: u16, leaf: LeafId| match read.iter_mut().find(|(known, _)| *known == slot) {
        Some((_, leaves)) => leaves.insert(leaf),
        None => read.push((slot, FieldSet::of(leaf))),
    };
    match &line.source {
        Source::Native(native) => put(native.slot, line.leaf),
        Source::Join(join) => {
            let slots = join.parts.iter().chain(&join.otherwise).map(|(slot, _)| *slot);
            slots.for_each(|slot| put(slot, line.leaf));
        }
        Source::First(rules) => rules.iter().for_each(|rule| match &rule.then {
            Then::At(slot, _) => put(*slot, line.leaf),
            Then::Is(_) | Then::Calc(_) => {}
        }),
        Source::Constant(_) | Source::Calc(_) | Source::Hole(_) | Source::Behind(_) | Source::Tuple(_) => {}
    }
}
