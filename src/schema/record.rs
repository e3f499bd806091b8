//! A record of an entity, as it travels the mapped road.
//!
//! Three states of a field: not there (the system cannot tell), [`Value::Null`] (known to be empty), a value.

use std::sync::Arc;

use compact_str::CompactString;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::{
    entity::{Entity, Object, Shape},
    fields::{FieldSet, LeafId},
};

/// A record: the fields of its entity's root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The root's fields.
    pub fields: Fields,
    /// Records that it names, as far as statements go by them; never told with it.
    related: Option<Arc<[Related]>>,
}

/// A record that another one names by one of its leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// The reference.
    pub by: LeafId,
    /// What it said when the record was fetched.
    pub id: CompactString,
    /// What it names.
    pub record: Arc<Record>,
}

impl From<Fields> for Record {
    fn from(fields: Fields) -> Self {
        Self { fields, related: None }
    }
}

impl Record {
    /// The record that it names by a leaf which says `id`, where that was fetched.
    pub fn related(&self, by: LeafId, id: &str) -> Option<&Self> {
        let related = self.related.as_deref()?;
        related.iter().find(|one| one.by == by && one.id == id).map(|one| &*one.record)
    }

    /// The same with the records that it names, in the place of others.
    #[must_use]
    pub fn with_related(self, related: Vec<Related>) -> Self {
        Self { related: (!related.is_empty()).then(|| related.into()), ..self }
    }

    /// The same with the records that another one names: of use where both name the same.
    #[must_use]
    pub fn related_as(self, other: &Self) -> Self {
        Self { related: other.related.clone(), ..self }
    }

    /// The records that it names and that were fetched.
    pub fn all_related(&self) -> &[Related] {
        self.related.as_deref().unwrap_or_default()
    }
}

/// Fields of one object: position in [`Object::fields`](super::Object) and value, sorted by position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(u16, Value)>);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Known to be empty.
    Null,
    /// A boolean.
    Boolean(bool),
    /// Text, code or id.
    Text(CompactString),
    /// A whole number.
    Integer(i64),
    /// An exact decimal with its scale.
    Decimal(Decimal),
    /// A day.
    Date(Date),
    /// A moment.
    Instant(Timestamp),
    /// A group of fields.
    Object(Fields),
    /// Several.
    List(Vec<Value>),
}

impl Fields {
    /// No field yet, room for some.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// The value at a position.
    pub fn at(&self, position: u16) -> Option<&Value> {
        self.0.binary_search_by_key(&position, |(p, _)| *p).ok().and_then(|i| self.0.get(i)).map(|(_, v)| v)
    }

    /// The value at a position, to change it.
    pub fn at_mut(&mut self, position: u16) -> Option<&mut Value> {
        let i = self.0.binary_search_by_key(&position, |(p, _)| *p).ok()?;
        self.0.get_mut(i).map(|(_, v)| v)
    }

    /// Puts a value at a position, in the place of one that stood there.
    #[inline]
    pub fn set(&mut self, position: u16, value: Value) {
        // Lines mostly come in schema order: the common case is a push.
        if self.0.last().is_none_or(|(last, _)| *last < position) {
            return self.0.push((position, value));
        }
        self.set_between(position, value);
    }

    fn set_between(&mut self, position: u16, value: Value) {
        match self.0.binary_search_by_key(&position, |(p, _)| *p) {
            Ok(i) => {
                if let Some(slot) = self.0.get_mut(i) {
                    slot.1 = value;
                }
            }
            Err(i) => self.0.insert(i, (position, value)),
        }
    }

    /// Takes a value out.
    pub fn take(&mut self, position: u16) -> Option<Value> {
        let i = self.0.binary_search_by_key(&position, |(p, _)| *p).ok()?;
        Some(self.0.remove(i).1)
    }

    /// Positions and values, in schema order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.0.iter().map(|(p, v)| (*p, v))
    }

    /// Keeps the fields for which `keep` says so; it may change their values.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(u16, &mut Value) -> bool) {
        self.0.retain_mut(|(p, v)| keep(*p, v));
    }

    /// Whether no field is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value {
    /// The text of a text, code or id.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null
            | Self::Boolean(_)
            | Self::Integer(_)
            | Self::Decimal(_)
            | Self::Date(_)
            | Self::Instant(_)
            | Self::Object(_)
            | Self::List(_) => None,
        }
    }
}

impl Record {
    /// Calls `see` with every value of a leaf: once outside lists, once an element inside them, never when
    /// the leaf is not there. Nulls are seen.
    pub fn each<'a>(&'a self, entity: &Entity, leaf: LeafId, see: &mut dyn FnMut(&'a Value)) {
        each_in(&entity.root, &self.fields, u16::from(leaf.0), see);
    }

    /// Calls `change` with every text of some leaves that is not empty, in schema order: once outside lists, once an
    /// element inside them.
    pub fn each_text_mut(
        &mut self,
        entity: &Entity,
        leaves: &FieldSet,
        change: &mut dyn FnMut(LeafId, &mut CompactString),
    ) {
        each_text_in(&entity.root, &mut self.fields, leaves, change);
    }

    /// The first value of a leaf; the only one outside lists.
    pub fn first<'a>(&'a self, entity: &Entity, leaf: LeafId) -> Option<&'a Value> {
        let mut found = None;
        self.each(entity, leaf, &mut |value| {
            found.get_or_insert(value);
        });
        found
    }
}

/// Recursion is bounded by the depth of the entity.
fn each_text_in(
    object: &Object,
    fields: &mut Fields,
    leaves: &FieldSet,
    change: &mut dyn FnMut(LeafId, &mut CompactString),
) {
    for (position, value) in &mut fields.0 {
        if let Some(field) = object.at(*position).filter(|field| leaves.any_in(&field.leaves)) {
            each_text_of(&field.shape, value, leaves, change);
        }
    }
}

fn each_text_of(
    shape: &Shape,
    value: &mut Value,
    leaves: &FieldSet,
    change: &mut dyn FnMut(LeafId, &mut CompactString),
) {
    match (shape, value) {
        (Shape::Leaf(leaf), Value::Text(text)) if leaves.contains(*leaf) && !text.is_empty() => {
            change(*leaf, text);
        }
        (Shape::Object(object), Value::Object(fields)) => each_text_in(object, fields, leaves, change),
        (Shape::List(item), Value::List(items)) => {
            items.iter_mut().for_each(|item_value| each_text_of(item, item_value, leaves, change));
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
    }
}

/// Calls `see` with every value of a leaf under an object.
pub(super) fn each_in<'a>(object: &Object, fields: &'a Fields, leaf: u16, see: &mut dyn FnMut(&'a Value)) {
    // Leaves are numbered in file order, so the fields' ranges ascend and do not overlap.
    let position = object.fields.partition_point(|field| field.leaves.end <= leaf);
    let Some(field) = object.fields.get(position).filter(|field| field.leaves.contains(&leaf)) else {
        return;
    };
    if let Some(value) = u16::try_from(position).ok().and_then(|position| fields.at(position)) {
        each_of(&field.shape, value, leaf, see);
    }
}

impl Shape {
    /// The first value of a leaf at or under a value of this shape.
    pub fn first<'a>(&self, value: &'a Value, leaf: LeafId) -> Option<&'a Value> {
        let mut first = None;
        each_of(self, value, u16::from(leaf.0), &mut |value| {
            first.get_or_insert(value);
        });
        first
    }
}

/// Calls `see` with every value of a leaf at or under a value of that shape.
pub(super) fn each_of<'a>(shape: &Shape, value: &'a Value, leaf: u16, see: &mut dyn FnMut(&'a Value)) {
    match (shape, value) {
        (Shape::Leaf(_), value) => see(value),
        (Shape::Object(object), Value::Object(fields)) => each_in(object, fields, leaf, see),
        (Shape::List(item), Value::List(values)) => {
            for value in values {
                each_of(item, value, leaf, see);
            }
        }
        (Shape::Object(_) | Shape::List(_), _) => {}
    }
}
