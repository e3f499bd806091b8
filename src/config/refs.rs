//! References across systems: whether the keys that stand in them lead to records of the collections that are served.
//!
//! A key leads somewhere where the ids of its collection stand for keys of that system: where it serves the collection,
//! or tells fields of the records that have the same id.

use std::{collections::HashMap, sync::Arc};

use super::{serving::Part, snapshot::Served};
use crate::{
    mapping::{Mapping, Reference},
    schema::Entity,
    words::{Diagnostic, Diagnostics, EntityName, Place, SystemName},
};

/// The systems of a bundle, and what each of them is for.
pub(super) struct Bundle<'b> {
    /// The systems that hold the records of each entity.
    pub(super) serves: &'b [(Arc<Entity>, Vec<SystemName>)],
    /// The systems that tell fields of them.
    pub(super) parts: &'b HashMap<EntityName, Arc<[Part]>>,
    /// Every system.
    pub(super) systems: &'b HashMap<SystemName, Served>,
}

/// Tells references whose keys lead nowhere.
pub(super) fn check(bundle: &Bundle<'_>, found: &mut Diagnostics) {
    let mut mappings: Vec<_> = bundle.systems.values().flat_map(|served| served.mapping.mappings()).collect();
    mappings.sort_by_key(|mapping| (mapping.system(), mapping.name()));
    for mapping in mappings {
        for reference in mapping.references() {
            match &reference.of {
                Some((of, place)) => bundle.foreign(mapping, reference, (of, place), found),
                None => bundle.own(mapping, reference, found),
            }
        }
    }
}

impl Bundle<'_> {
    /// The systems whose keys lead to records of an entity.
    fn knowing(&self, entity: &EntityName) -> Vec<&SystemName> {
        let serving = self.serving(entity).iter();
        let parts = self.parts.get(entity).into_iter().flat_map(|parts| parts.iter());
        serving.chain(parts.filter(|part| part.is_by_id()).map(|part| &part.system)).collect()
    }

    fn serving(&self, entity: &EntityName) -> &[SystemName] {
        let serving = self.serves.iter().find(|(served, _)| served.name == *entity);
        serving.map(|(_, by)| by.as_slice()).unwrap_or_default()
    }

    /// Whether anything asks the mapping for a field.
    fn tells(&self, mapping: &Mapping, reference: &Reference) -> bool {
        let parts = self.parts.get(mapping.name()).into_iter().flat_map(|parts| parts.iter());
        let mut told = parts.filter(|part| part.system == *mapping.system()).map(|part| part.leaves);
        let serves = self.serving(mapping.name()).contains(mapping.system());
        (serves && mapping.own().contains(reference.leaf)) || told.any(|told| told.contains(reference.leaf))
    }

    /// What leads to records of an entity, as it is told.
    fn collection(&self, entity: &EntityName) -> String {
        let served = self.serves.iter().find(|(served, _)| served.name == *entity);
        served.map_or_else(
            || format!("records of `{entity}`"),
            |(served, _)| format!("`{}`", served.collection),
        )
    }

    fn foreign(
        &self,
        mapping: &Mapping,
        reference: &Reference,
        (of, place): (&SystemName, &Place),
        found: &mut Diagnostics,
    ) {
        let known = self.knowing(&reference.to);
        // That keys of its own lead to them, those know who have joined the ids of both systems.
        if known.contains(&of) || of == mapping.system() {
            return;
        }
        let error = match self.systems.contains_key(of) {
            false => {
                let names = self.systems.keys().map(SystemName::as_str);
                let mut names: Vec<_> = names.collect();
                names.sort_unstable();
                let message = format!("there is no system `{of}` in `systems/`");
                Diagnostic::error(place, message).suggest(of.as_str(), names)
            }
            true => {
                let message = format!("`{of}` does not serve {}", self.collection(&reference.to));
                Diagnostic::error(place, message).suggest(of.as_str(), known.iter().map(|name| name.as_str()))
            }
        };
        found.push(error);
    }

    fn own(&self, mapping: &Mapping, reference: &Reference, found: &mut Diagnostics) {
        let (own, known) = (mapping.system(), self.knowing(&reference.to));
        let Some(first) = known.first().filter(|_| !known.contains(&own)) else { return };
        if !self.tells(mapping, reference) {
            return;
        }
        let path = mapping.entity().leaf(reference.leaf).map_or("", |leaf| leaf.path.as_str());
        let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!(
            "`{path}` holds keys of `{own}`, and {} are served by {names}",
            self.collection(&reference.to)
        );
        let help = format!(
            "where they are keys of `{first}`, write `ref: {{ entity: {}, of: {first} }}`; `of: {own}` where `bramka ids join` has joined the keys of both",
            reference.to
        );
        found.push(Diagnostic::warning(&reference.place, message).help(help));
    }
}
