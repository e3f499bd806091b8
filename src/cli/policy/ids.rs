//! Records of tests and questions name records by their keys, as the files of systems do; a gate judges ids. Here they
//! become the fixed ids that go for these keys where there is no store.

use compact_str::CompactString;

use super::judging::Matter;
use crate::{
    config::Snapshot,
    crosswalk::{MadeUp, Naming as _, PublicId},
    mapping::Mapping,
    policy::Change,
    schema::{Entity, LeafId, Record},
    store::NativeKey,
};

/// The ids of a bundle in the records of one entity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    snapshot: &'a Snapshot,
    entity: &'a Entity,
    /// None where nothing serves the entity: its records have no keys.
    mapping: Option<&'a Mapping>,
}

impl<'a> Naming<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, entity: &'a Entity) -> Self {
        let mapping = snapshot.serving(entity).map(|(_, mapping)| &**mapping);
        Self { snapshot, entity, mapping }
    }

    /// The id that goes for a key in a leaf; none where keys stay as they are.
    pub(super) fn id(&self, leaf: LeafId, text: &str) -> Option<CompactString> {
        let is_id = self.snapshot.ids.leaves(self.entity).contains(leaf);
        if !is_id || text.is_empty() || text.parse::<PublicId>().is_ok() {
            return None;
        }
        let (entity, system) = (self.entity.points_to(leaf)?.clone(), self.mapping?.system().clone());
        let ids = MadeUp.ids(&[NativeKey { entity, system, native: text.into() }]).ok()?;
        ids.first().map(PublicId::text)
    }

    /// A record as a gate would judge it.
    pub(super) fn record(&self, mut record: Record) -> Record {
        let leaves = self.snapshot.ids.leaves(self.entity);
        record.each_text_mut(self.entity, &leaves, &mut |leaf, text| {
            if let Some(id) = self.id(leaf, text) {
                *text = id;
            }
        });
        record
    }

    /// What a question is about, the same way.
    pub(super) fn matter(&self, matter: Matter) -> Matter {
        match matter {
            Matter::Nothing => Matter::Nothing,
            Matter::Record(record) => Matter::Record(self.record(record)),
            Matter::Change(change, sent) => Matter::Change(self.change(change), sent),
        }
    }

    fn change(&self, change: Change) -> Change {
        match change {
            Change::Create { new, held } => Change::Create { new: self.record(new), held: self.record(held) },
            Change::Update { old, new, held, version } => Change::Update {
                old: self.record(old),
                new: self.record(new),
                held: self.record(held),
                version,
            },
            Change::Delete { old, version } => Change::Delete { old: self.record(old), version },
        }
    }
}
