//! What is asked of a system for an answer, and whose data the answer shows.
//!
//! One rule for reads, lists and writes: what a caller sees of a record does not depend on the operation it
//! came by, nor on how few of its fields were asked for.

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::{
    mapping::{Inward, Mapping},
    policy::{Prospect, Shown},
    quota::{Person, Whose},
    schema::{Class, Entity, FieldSet, LeafId, Record},
    words::EntityName,
};

/// What must be asked of the system: the leaves that are wanted with all that is visible of the groups and
/// lists they stand in (what a group comes to is told by all of it), what statements read with what decides
/// whether it is there, of which currency amounts are, whose elements are named, whose data it is, what tells that a record is stale, by what other systems find it, and the key.
pub(super) fn needed(mapping: &Mapping, wanted: &FieldSet, visible: &FieldSet, reads: &FieldSet) -> FieldSet {
    let entity = mapping.entity();
    let fields = entity.root.fields.iter().filter(|field| wanted.any_in(&field.leaves));
    let groups = fields.fold(FieldSet::EMPTY, |all, field| all.union(&FieldSet::of_range(&field.leaves)));
    let seen = groups.intersection(visible).union(wanted);
    let told = seen.union(&mapping.deciding(reads)).union(&Subjects::of(entity, &seen).references());
    let told = entity.with_records_of_elements(&entity.with_currencies(&told));
    told.union(&mapping.watched()).union(&mapping.joining(&told)).union(&FieldSet::ID)
}

/// What statements read of a record and the system did not tell: absent is not empty, and nobody can say whether a
/// forbid holds. Of a group that a statement asks for, what the mapping has no line for is none of it; what a statement
/// names, and only another system tells of its records, is untold of all records of this one.
pub(super) fn untold(mapping: &Mapping, prospect: &Prospect, inward: &Inward) -> FieldSet {
    let told = mapping.mapped().union(&prospect.named());
    inward.missing.intersection(&prospect.reads()).intersection(&told)
}

/// The references that say whose data the leaves of an answer are. What is the record's own needs none.
#[derive(Debug)]
pub(super) struct Subjects {
    others: SmallVec<[Subject; 1]>,
    /// The leaves that are about people.
    personal: FieldSet,
    /// Those of them that are the record's own.
    own: FieldSet,
}

/// One such reference.
#[derive(Debug)]
struct Subject {
    reference: LeafId,
    of: EntityName,
    /// The leaves whose subject it names.
    leaves: FieldSet,
}

/// Whom a record names, taken before it is struck and masked: a caller that does not see the reference, or
/// did not ask for it, sees the data all the same.
#[derive(Debug)]
pub(super) struct Named {
    others: SmallVec<[(FieldSet, EntityName, CompactString); 1]>,
    personal: FieldSet,
    own: FieldSet,
}

impl Subjects {
    /// The references of some leaves.
    pub(super) fn of(entity: &Entity, leaves: &FieldSet) -> Self {
        let mut found: SmallVec<[Subject; 1]> = SmallVec::new();
        let (mut personal, mut own) = (FieldSet::EMPTY, FieldSet::EMPTY);
        let mut last: Option<(&str, Option<usize>)> = None;
        for (id, leaf) in leaves.iter().filter_map(|id| Some((id, entity.leaf(id)?))) {
            let is_personal = matches!(leaf.class, Class::Personal | Class::Secret);
            if is_personal {
                personal.insert(id);
            }
            let Some(path) = leaf.subject.as_ref().map(|path| path.as_str()) else {
                own = if is_personal { own.union(&FieldSet::of(id)) } else { own };
                continue;
            };
            // A file mostly says it once for all its leaves.
            let at = match last {
                Some((known, at)) if known == path => at,
                _ => subject(entity, path, &mut found),
            };
            last = Some((path, at));
            match at.and_then(|at| found.get_mut(at)) {
                Some(subject) => subject.leaves.insert(id),
                None if is_personal => own.insert(id),
                None => {}
            }
        }
        Self { others: found, personal, own }
    }

    /// The references themselves.
    pub(super) fn references(&self) -> FieldSet {
        self.others.iter().map(|subject| subject.reference).collect()
    }

    /// Whom a record names.
    pub(super) fn named(&self, entity: &Entity, record: &Record) -> Named {
        let mut named = SmallVec::new();
        for Subject { reference, of, leaves } in &self.others {
            record.each(entity, *reference, &mut |value| {
                if let Some(id) = value.as_text().filter(|id| !id.is_empty()) {
                    named.push((*leaves, of.clone(), id.into()));
                }
            });
        }
        Named { others: named, personal: self.personal, own: self.own }
    }
}

impl Named {
    /// Whose data is told, of a record of that id: by what is shown of it, and by what it was `asked` by. Which records
    /// pass a filter tells of the fields that the filter names.
    pub(super) fn whose(self, shown: &Shown, asked: &FieldSet, id: CompactString) -> Whose {
        let fields = shown.fields().union(asked);
        let told = |leaves: &FieldSet| leaves.intersection(&fields);
        let people = self.others.into_iter().filter(|(leaves, ..)| !told(leaves).is_empty());
        let people = people.map(|(leaves, of, id)| {
            let is_personal = !told(&leaves).intersection(&self.personal).is_empty();
            let is_shown = !leaves.intersection(&shown.fields()).is_empty();
            Person { of, id, is_personal, is_shown }
        });
        Whose { id, is_person: !told(&self.own).is_empty(), people: people.collect(), is_named: false }
    }
}

/// The place of a subject's reference among those found; none for what is the record's own.
fn subject(entity: &Entity, path: &str, found: &mut SmallVec<[Subject; 1]>) -> Option<usize> {
    let reference = entity.leaf_at(path)?;
    if let Some(at) = found.iter().position(|subject| subject.reference == reference) {
        return Some(at);
    }
    let of = entity.leaf(reference)?.reference.clone()?;
    found.push(Subject { reference, of, leaves: FieldSet::EMPTY });
    found.len().checked_sub(1)
}
