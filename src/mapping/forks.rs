//! One native value of several meanings: lines that read one place, each where a switch stands otherwise.
//!
//! What a price is, net or gross, the switch says. Where it says neither, the value is there and nobody knows of what:
//! the fields are not told, which is a finding, and none of them is empty.

use std::sync::Arc;

use super::{
    codec::{Codec, Got},
    inward::is_so,
    model::{Line, Narrow, ObjectPart, Part, Source, When},
    trie::Raws,
};
use crate::schema::{FieldSet, LeafId};

/// A native place that several lines read.
#[derive(Debug)]
pub(super) struct Fork {
    slot: u16,
    ways: Vec<Way>,
}

/// One of its meanings.
#[derive(Debug)]
struct Way {
    leaf: LeafId,
    codec: Arc<Codec>,
    switches: Vec<Narrow>,
}

impl Fork {
    /// The fields that could be meant, where a value is there and no line is for it.
    pub(super) fn is_open(&self, raws: &Raws<'_>, base: usize) -> Option<FieldSet> {
        if self.ways.iter().any(|way| is_so(raws, &way.switches, base) != Some(false)) {
            return None;
        }
        // Where what they all hang on stands otherwise, nothing is meant at all.
        if self.common().any(|switch| is_so(raws, std::slice::from_ref(switch), base) == Some(false)) {
            return None;
        }
        let raw = raws.get(base, self.slot);
        let is_there = |way: &Way| !matches!(way.codec.read(raw), Got::Nothing | Got::Missing);
        self.ways.iter().any(is_there).then(|| self.ways.iter().map(|way| way.leaf).collect())
    }

    /// Switches that have to stand alike for all of the meanings.
    fn common(&self) -> impl Iterator<Item = &Narrow> {
        let first = self.ways.first().map(|way| way.switches.as_slice()).unwrap_or_default();
        let alike = |one: &Narrow, other: &Narrow| {
            one.slot == other.slot && one.value == other.value && one.also == other.also
        };
        first
            .iter()
            .filter(move |one| self.ways.iter().all(|way| way.switches.iter().any(|other| alike(one, other))))
    }
}

/// Finds the forks of a record's lines, and those of each native list's elements. Recursion is bounded by the depth of the
/// entity.
pub(super) fn find(object: &mut ObjectPart) {
    let mut ways = Vec::new();
    object.parts.iter_mut().for_each(|named| collect(&mut named.part, &mut ways));
    object.forks = together(ways);
}

impl Part {
    /// The forks of an element.
    pub(super) fn forks(&self) -> &[Fork] {
        if let Self::Object(object) = self.bare() { &object.forks } else { &[] }
    }
}

fn collect(part: &mut Part, into: &mut Vec<(u16, Way)>) {
    match part {
        Part::Leaf(_) | Part::Split(_) => {}
        Part::Object(object) => object.parts.iter_mut().for_each(|named| collect(&mut named.part, into)),
        Part::Slots(slots) => slots.iter_mut().for_each(|slot| collect(slot, into)),
        Part::Each(each) => {
            elements(&mut each.item);
            each.behind.iter_mut().for_each(|each| elements(&mut each.item));
        }
        Part::When(when) => match way(when) {
            Some(way) => into.push(way),
            None => collect(&mut when.part, into),
        },
    }
}

fn elements(item: &mut Part) {
    match item {
        Part::Object(object) => find(object),
        Part::When(when) => elements(&mut when.part),
        Part::Leaf(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) => {}
    }
}

fn way(when: &When) -> Option<(u16, Way)> {
    let Part::Leaf(Line { leaf, source: Source::Native(native), .. }) = &*when.part else { return None };
    let (codec, switches) = (native.codec.clone(), when.switches.clone());
    Some((native.slot, Way { leaf: *leaf, codec, switches }))
}

/// Those of one place that hang on the same switches.
fn together(ways: Vec<(u16, Way)>) -> Vec<Fork> {
    let mut forks: Vec<Fork> = Vec::new();
    let slots = |way: &Way| way.switches.iter().map(|switch| switch.slot).collect::<Vec<_>>();
    for (slot, way) in ways {
        let same =
            |fork: &&mut Fork| fork.slot == slot && fork.ways.iter().all(|other| slots(other) == slots(&way));
        match forks.iter_mut().find(same) {
            Some(fork) => fork.ways.push(way),
            None => forks.push(Fork { slot, ways: vec![way] }),
        }
    }
    // One line alone has one meaning: that it is not for all records is what its file says.
    forks.retain(|fork| fork.ways.len() > 1);
    forks
}
