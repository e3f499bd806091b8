//! The pairs that were asked for last. Two halves: when the younger is full it becomes the elder, which is forgotten.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::PublicId;
use crate::{
    store::NativeKey,
    words::{EntityName, SystemName},
};

/// Pairs at hand, both ways.
#[derive(Debug)]
pub(super) struct Remembered {
    /// LIMIT: pairs of one half.
    most: usize,
    young: Half,
    old: Half,
}

#[derive(Debug, Default)]
struct Half {
    ids: HashMap<NativeKey, PublicId, RandomState>,
    keys: HashMap<(PublicId, SystemName), (EntityName, CompactString), RandomState>,
}

impl Remembered {
    pub(super) fn new(most: usize) -> Self {
        Self { most, young: Half::default(), old: Half::default() }
    }

    pub(super) fn id(&mut self, key: &NativeKey) -> Option<PublicId> {
        if let Some(id) = self.young.ids.get(key) {
            return Some(*id);
        }
        let id = *self.old.ids.get(key)?;
        self.put(key.clone(), id);
        Some(id)
    }

    pub(super) fn key(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: PublicId,
    ) -> Option<CompactString> {
        let asked = (id, system.clone());
        let (of, native) = self.young.keys.get(&asked).or_else(|| self.old.keys.get(&asked))?;
        (of == entity).then(|| native.clone())
    }

    pub(super) fn put(&mut self, key: NativeKey, id: PublicId) {
        if self.young.ids.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        if self.most > 0 {
            self.young.keys.insert((id, key.system.clone()), (key.entity.clone(), key.native.clone()));
            self.young.ids.insert(key, id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.ids.len() + self.old.ids.len()
    }
}
