//! Records of tests and questions name records by their keys, as the files of systems do; a gate judges ids. Here they
//! become the ids that go for these keys: where there is no store, fixed ones.

use compact_str::CompactString;

use super::judging::Matter;
use crate::{
    config::{EntitySources, Snapshot},
    crosswalk::{self, PublicId},
    mapping::Mapping,
    policy::Change,
    schema::{Entity, LeafId, Record},
    store::NativeKey,
};

/// The ids of a bundle in the records of one entity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'a> {
    snapshot: &'a Snapshot,
    entity: &'a Entity,
    /// None where nothing serves the entity: its records have no keys.
    sources: Option<&'a EntitySources>,
    ids: &'a dyn crosswalk::Naming,
}

impl<'a> Naming<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, entity: &'a Entity, ids: &'a dyn crosswalk::Naming) -> Self {
        Self { snapshot, entity, sources: snapshot.serving(entity), ids }
    }

    /// The id that goes for a key in a leaf of a record; none where keys stay as they are. Of several systems the key is
    /// one that stands in records of that which would hold it.
    pub(crate) fn id(&self, record: &Record, leaf: LeafId, text: &str) -> Option<CompactString> {
        self.id_in(self.mapping(record)?, leaf, text)
    }

    fn mapping(&self, record: &Record) -> Option<&'a Mapping> {
        let sources = self.sources?;
        let source = sources.of_record(self.entity, record).or_else(|| sources.all().first());
        source.map(|source| &*source.mapping)
    }

    fn id_in(&self, mapping: &Mapping, leaf: LeafId, text: &str) -> Option<CompactString> {
        let is_id = self.snapshot.ids.leaves(self.entity).contains(leaf);
        if !is_id || text.is_empty() || text.parse::<PublicId>().is_ok() {
            return None;
        }
        let (entity, system) = (self.entity.points_to(leaf)?.clone(), mapping.keys_of(leaf).clone());
        let ids = self.ids.ids(&[NativeKey { entity, system, native: text.into() }]).ok()?;
        ids.first().map(PublicId::text)
    }

    /// A record as a gate would judge it.
    pub(crate) fn record(&self, mut record: Record) -> Record {
        let leaves = self.snapshot.ids.leaves(self.entity);
        let Some(mapping) = self.mapping(&record) else { return record };
        record.each_text_mut(self.entity, &leaves, &mut |leaf, text| {
            if let Some(id) = self.id_in(mapping, leaf, text) {
                *text = id;
            }
        });
        record
    }

    /// What a question is about, the same way.
    pub(crate) fn matter(&self, matter: Matter) -> Matter {
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
