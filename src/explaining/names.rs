//! Which id goes for which key of a system, and back.

use std::{collections::HashMap, thread};

use compact_str::CompactString;

use crate::{
    config::Snapshot,
    crosswalk::{Crosswalk, CrosswalkError, Given, MadeUp, Naming, PublicId},
    store::NativeKey,
    words::{EntityName, SystemName, tree::Node},
};

/// LIMIT: how deep keys stand in a file.
const DEPTH_MAX: usize = 16;

/// Knows ids and the keys behind them; makes none.
pub(crate) trait Known: Naming {
    /// The key that an id goes for in a system; none where that is not known.
    fn key(&self, entity: &EntityName, system: &SystemName, id: PublicId) -> Option<CompactString>;

    /// The same as who gives ids.
    fn naming(&self) -> &dyn Naming;
}

/// Those that principals of a bundle are given by: without a store a record that is named by key goes by a fixed id.
#[derive(Debug)]
pub(crate) struct InFiles(HashMap<PublicId, CompactString>);

impl InFiles {
    /// Of the files of principals.
    pub(crate) fn of(snapshot: &Snapshot, principals: &[Node]) -> Self {
        let mut pairs = Vec::new();
        principals.iter().for_each(|node| gather(node, &mut pairs, 0));
        let mut keys = HashMap::new();
        for (key, system) in pairs {
            for entity in snapshot.schema.entities() {
                let native = NativeKey {
                    entity: EntityName::new(entity.name.as_str()),
                    system: SystemName::new(system.as_str()),
                    native: key.as_str().into(),
                };
                if let Some(id) = MadeUp.ids(&[native]).ok().and_then(|ids| ids.first().copied()) {
                    keys.insert(id, key.as_str().into());
                }
            }
        }
        Self(keys)
    }
}

fn gather(node: &Node, pairs: &mut Vec<(String, String)>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    let text = |name: &str| node.get(name).and_then(Node::as_text).map(str::to_owned);
    if let (Some(key), Some(of)) = (text("key"), text("of")) {
        pairs.push((key, of));
    }
    let deeper = depth.saturating_add(1);
    node.as_map().unwrap_or_default().iter().for_each(|(_, inner)| gather(inner, pairs, deeper));
    node.as_list().unwrap_or_default().iter().for_each(|inner| gather(inner, pairs, deeper));
}

impl Naming for InFiles {
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        MadeUp.ids(keys)
    }
}

impl Known for InFiles {
    fn key(&self, _: &EntityName, _: &SystemName, id: PublicId) -> Option<CompactString> {
        self.0.get(&id).cloned()
    }

    fn naming(&self) -> &dyn Naming {
        self
    }
}

/// Those of a gate's store.
#[derive(Debug)]
pub(crate) struct InStore(Given);

impl InStore {
    /// Over the store; nothing is remembered.
    pub(crate) fn new(crosswalk: Crosswalk) -> Self {
        Self(Given(crosswalk))
    }
}

impl Naming for InStore {
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        self.0.ids(keys)
    }
}

impl Known for InStore {
    /// Blocks.
    fn key(&self, entity: &EntityName, system: &SystemName, id: PublicId) -> Option<CompactString> {
        // Whoever asks may be inside a runtime, which must not wait for itself.
        thread::scope(|scope| {
            let ask = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
                runtime.block_on(self.0.0.native(entity, system, id)).ok()?
            };
            thread::Builder::new().name("ids".into()).spawn_scoped(scope, ask).ok()?.join().ok()?
        })
    }

    fn naming(&self) -> &dyn Naming {
        self
    }
}
