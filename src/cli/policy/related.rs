//! What records name, as tests and questions say it: a system would tell it, and conditions may go by it.

use std::sync::Arc;

use compact_str::CompactString;

use super::{ask::proposed, ids::Naming, judging::Matter};
use crate::{
    config::Snapshot,
    policy::Change,
    schema::{Body, Entity, LeafId, Record, Related, Value},
    words::{
        Diagnostic, Diagnostics,
        tree::{Node, Value as Yaml},
        yaml::Spanned,
    },
};

/// Records that may be named by a reference.
#[derive(Debug, Default)]
pub(super) struct Beside(Vec<(LeafId, Option<CompactString>, Arc<Record>)>);

impl Beside {
    /// Reads them: by the reference one record or several. One that says its `id` is that one, one that does not is
    /// whichever is named.
    pub(super) fn read<'n>(
        snapshot: &Snapshot,
        entity: &Entity,
        given: impl Iterator<Item = (&'n Spanned<String>, &'n Node)>,
        found: &mut Diagnostics,
    ) -> Self {
        let mut beside = Vec::new();
        for (name, node) in given {
            let leaf = entity.leaf_at(&name.value);
            let to = leaf.filter(|leaf| leaf.0 != 0).and_then(|leaf| entity.points_to(leaf));
            let (Some(leaf), Some(to)) = (leaf, to.and_then(|to| snapshot.schema.entity(to.as_str()))) else {
                let known = entity.leaves.iter().filter(|leaf| leaf.reference.is_some());
                let message = format!("`{}` is no reference of {}", name.value, entity.name);
                let told = Diagnostic::error(&name.place, message);
                found.push(told.suggest(&name.value, known.map(|leaf| leaf.path.as_str())));
                continue;
            };
            let nodes = match &node.value {
                Yaml::List(nodes) => nodes.as_slice(),
                Yaml::Map(_) | Yaml::Scalar(_) | Yaml::Null => std::slice::from_ref(node),
            };
            for node in nodes {
                let Some(record) = proposed(to, node, Body::Create, found) else { continue };
                let record = Naming::of(snapshot, to).record(record.record);
                let id = record.first(to, LeafId(0)).and_then(Value::as_text).map(CompactString::from);
                beside.push((leaf, id, Arc::new(record)));
            }
        }
        Self(beside)
    }

    /// Puts them beside a record that names them.
    pub(super) fn record(&self, entity: &Entity, record: Record) -> Record {
        let related = self.0.iter().filter_map(|(by, known, named)| {
            let id = record.first(entity, *by).and_then(Value::as_text).filter(|id| !id.is_empty())?;
            let is_it = known.as_ref().is_none_or(|known| known == id);
            is_it.then(|| Related { by: *by, id: id.into(), record: named.clone() })
        });
        let related = related.collect();
        record.with_related(related)
    }

    /// The same of what a question is about.
    pub(super) fn matter(&self, entity: &Entity, matter: Matter) -> Matter {
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
