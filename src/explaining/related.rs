//! What records name, as tests and questions say it: a system would tell it, and conditions may go by it.

use std::sync::Arc;

use compact_str::CompactString;

use super::{described::Written, ids::Naming, judging::Matter};
use crate::{
    config::Snapshot,
    crosswalk,
    policy::Change,
    schema::{Body, Entity, LeafId, Record, Related, Value},
    words::{Diagnostic, Diagnostics, yaml::Spanned},
};

/// Records that may be named by a reference.
#[derive(Debug, Default)]
pub(crate) struct Beside(Vec<(LeafId, Option<CompactString>, Arc<Record>)>);

impl Beside {
    /// Reads them, each by the reference that may name it. One that says its `id` is that one, one that does not is
    /// whichever is named.
    pub(crate) fn read<'n>(
        (snapshot, ids): (&Snapshot, &dyn crosswalk::Naming),
        entity: &Entity,
        given: impl Iterator<Item = (&'n Spanned<String>, &'n Written)>,
        found: &mut Diagnostics,
    ) -> Self {
        let mut beside = Vec::new();
        for (name, written) in given {
            let leaf = entity.leaf_at(&name.value);
            let to = leaf.filter(|leaf| leaf.0 != 0).and_then(|leaf| entity.points_to(leaf));
            let (Some(leaf), Some(to)) = (leaf, to.and_then(|to| snapshot.schema.entity(to.as_str()))) else {
                let known = entity.leaves.iter().filter(|leaf| leaf.reference.is_some());
                let message = format!("`{}` is no reference of {}", name.value, entity.name);
                let told = Diagnostic::error(&name.place, message);
                found.push(told.suggest(&name.value, known.map(|leaf| leaf.path.as_str())));
                continue;
            };
            let Some(record) = written.read(("related", to), Body::Create, found) else { continue };
            let record = Naming::of(snapshot, to, ids).record(record.record);
            let id = record.first(to, LeafId(0)).and_then(Value::as_text).map(CompactString::from);
            beside.push((leaf, id, Arc::new(record)));
        }
        Self(beside)
    }

    /// Puts them beside a record that names them.
    pub(crate) fn record(&self, entity: &Entity, record: Record) -> Record {
        let related = self.0.iter().filter_map(|(by, known, named)| {
            let id = record.first(entity, *by).and_then(Value::as_text).filter(|id| !id.is_empty())?;
            let is_it = known.as_ref().is_none_or(|known| known == id);
            is_it.then(|| Related { by: *by, id: id.into(), record: named.clone() })
        });
        let related = related.collect();
        record.with_related(related)
    }

    /// The same of what a question is about.
    pub(crate) fn matter(&self, entity: &Entity, matter: Matter) -> Matter {
        let put = |record| self.record(entity, record);
        match matter {
            Matter::Nothing => Matter::Nothing,
            Matter::Record(record) => Matter::Record(put(record)),
            Matter::Change(change, sent) => {
                let change = match change {
                    Change::Create { new, held } => Change::Create { new: put(new), held: put(held) },
                    Change::Update { old, new, held, version } => {
                        Change::Update { old: put(old), new: put(new), held: put(held), version }
                    }
                    Change::Delete { old, version } => Change::Delete { old: put(old), version },
                };
                Matter::Change(change, sent)
            }
        }
    }
}
