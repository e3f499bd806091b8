//! Ids of elements of lists on their way: lines of an order.
//!
//! They are made of keys, and go only one way. What turns them back is the record itself: whoever changes one has read
//! it, and with it the keys of its elements. An id that no element of the record has, be it another record's or a key
//! that somebody guesses, is no element here.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::{
    config::ElementLeaf,
    crosswalk::{IdsOfList, ListOf},
    gateway::exchange::Exchange,
    mapping::{Mapping, NativeAnswer},
    refusal::Refusal,
    schema::{FieldSet, LeafId, Record, Value},
};

/// The keys of a stored record's elements, by the ids that callers know them by.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Elements(HashMap<(LeafId, CompactString), CompactString>);

/// The leaves of a system's records that name elements by ids.
pub(super) fn leaves(exchange: &Exchange, mapping: &Mapping) -> FieldSet {
    named(exchange, mapping).map(|element| element.leaf).collect()
}

/// Puts ids in the places of the keys of elements, as far as they stand in some leaves.
pub(super) fn public(exchange: &Exchange, mapping: &Mapping, told: &FieldSet, records: &mut [&mut Record]) {
    for element in named(exchange, mapping).filter(|element| told.contains(element.leaf)) {
        let leaf = FieldSet::of(element.leaf);
        for record in &mut *records {
            let Some(ids) = ids_of(exchange, mapping, element, record) else { continue };
            record.each_text_mut(mapping.entity(), &leaf, &mut |_, text| *text = ids.id(text).text());
        }
    }
}

/// The leaves that name elements of lists, but for those that another system tells.
fn named<'e>(exchange: &'e Exchange, mapping: &Mapping) -> impl Iterator<Item = &'e ElementLeaf> {
    let own = mapping.element_ids().minus(&mapping.elsewhere());
    let all = exchange.snapshot.ids.elements(mapping.entity());
    all.iter().filter(move |element| own.contains(element.leaf))
}

/// The ids in a list of a record that has keys still; none where none of its elements says a key.
fn ids_of(
    exchange: &Exchange,
    mapping: &Mapping,
    element: &ElementLeaf,
    record: &Record,
) -> Option<IdsOfList> {
    let entity = mapping.entity();
    record.first(entity, element.leaf)?;
    // Elements of a record that nobody names are those of none: an id all the same.
    let named = record.first(entity, element.record).and_then(Value::as_text).unwrap_or_default();
    Some(exchange.core.gate.elements.of(ListOf {
        entity: &element.of,
        system: mapping.keys_of(element.record),
        record: named,
        path: element.path.as_str(),
    }))
}

impl Elements {
    /// Those of a record that a system told by a key.
    ///
    /// # Errors
    /// The answer cannot be read.
    pub(in crate::gateway) fn of(
        exchange: &Exchange,
        mapping: &Mapping,
        key: &str,
        answer: &NativeAnswer,
    ) -> Result<Self, Refusal> {
        let entity = mapping.entity();
        let leaves: FieldSet =
            named(exchange, mapping).flat_map(|element| [element.leaf, element.record]).collect();
        if leaves.is_empty() {
            return Ok(Self::default());
        }
        let told = mapping.inward_of(key, answer, &leaves);
        let record = told.map_err(|fault| exchange.refused_by(mapping.system(), fault))?.record;
        let mut keys = HashMap::new();
        for element in named(exchange, mapping) {
            let Some(ids) = ids_of(exchange, mapping, element, &record) else { continue };
            record.each(entity, element.leaf, &mut |value| {
                if let Some(key) = value.as_text().filter(|key| !key.is_empty()) {
                    keys.insert((element.leaf, ids.id(key).text()), CompactString::from(key));
                }
            });
        }
        Ok(Self(keys))
    }

    /// Puts keys in the places of their ids. What is none of them becomes what no system's key is: it names no element,
    /// and the mapping says so where it stands.
    pub(super) fn keyed(&self, exchange: &Exchange, mapping: &Mapping, record: &mut Record) {
        let leaves = leaves(exchange, mapping);
        if leaves.is_empty() {
            return;
        }
        let entity = mapping.entity();
        let nobodys = ListOf { entity: &entity.name, system: mapping.system(), record: "", path: "" };
        let nobodys = exchange.core.gate.elements.of(nobodys);
        record.each_text_mut(entity, &leaves, &mut |leaf, text| {
            let key = self.0.get(&(leaf, text.clone()));
            *text = key.cloned().unwrap_or_else(|| nobodys.id(text).text());
        });
    }
}
