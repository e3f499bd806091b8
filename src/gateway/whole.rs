//! Parts of a record that a body replaces whole, whatever stands in them, and records as a write must take them
//! for that its answer tells nothing of what its caller does not see.
//!
//! A list that is replaced reaches leaves that the body does not name. If it were refused only where one of them
//! holds a value that the caller may not write, the refusal would tell that there is one. So it is refused by what
//! could stand there.

use crate::schema::{Entity, FieldSet, Fields, LeafKind, Object, Record, Shape, Value};

/// The leaves under lists and groups that a proposed record replaces whole in a stored one, of which the caller
/// sees the leaves `seen`.
pub(super) fn replaced(entity: &Entity, stored: &Record, proposed: &Record, seen: &FieldSet) -> FieldSet {
    let mut found = FieldSet::EMPTY;
    let search = Search { entity, seen };
    search.object(&entity.root, &stored.fields, &proposed.fields, &mut found);
    found
}

struct Search<'a> {
    entity: &'a Entity,
    seen: &'a FieldSet,
}

impl Search<'_> {
    /// Recursion is bounded by the depth of the entity.
    fn object(&self, object: &Object, stored: &Fields, proposed: &Fields, found: &mut FieldSet) {
        for (position, value) in proposed.iter() {
            let Some(field) = object.at(position) else { continue };
            let kept = stored.at(position);
            let is_whole = match (&field.shape, value) {
                (Shape::Leaf(_), _) => false,
                (Shape::Object(inner), Value::Object(fields)) => {
                    let none = Fields::default();
                    let kept = if let Some(Value::Object(kept)) = kept { kept } else { &none };
                    self.object(inner, kept, fields, found);
                    false
                }
                (Shape::List(item), Value::List(new)) => {
                    let old = if let Some(Value::List(old)) = kept { old.as_slice() } else { &[] };
                    !self.keeps_items(item, old, new)
                }
                (Shape::Object(_) | Shape::List(_), _) => true,
            };
            if is_whole {
                *found = found.union(&FieldSet::of_range(&field.leaves));
            }
        }
    }

    /// Whether every stored item has its counterpart, by its own id and in its own order: then it keeps what the
    /// body does not say of it. Ids that the caller does not see it can only have guessed.
    fn keeps_items(&self, item: &Shape, old: &[Value], new: &[Value]) -> bool {
        let Some(key) = key(self.entity, item, self.seen) else { return false };
        let old: Vec<Option<&str>> = old.iter().map(|value| id(key, value)).collect();
        let known = new.iter().map(|value| id(key, value)).filter(|id| id.is_some() && old.contains(id));
        !old.contains(&None) && known.eq(old.iter().copied())
    }
}

/// The position of an item's own id, where the caller sees it.
fn key(entity: &Entity, item: &Shape, seen: &FieldSet) -> Option<u16> {
    let Shape::Object(object) = item else { return None };
    let (position, field) = object.field("id")?;
    let Shape::Leaf(leaf) = field.shape else { return None };
    if !seen.contains(leaf) {
        return None;
    }
    entity.leaf(leaf).filter(|leaf| leaf.kind == LeafKind::Id && leaf.reference.is_none())?;
    Some(position)
}

fn id(key: u16, item: &Value) -> Option<&str> {
    let Value::Object(fields) = item else { return None };
    fields.at(key)?.as_text()
}

/// A record with other values in some leaves than any body can send: compared with it, each of them changes. Outside
/// lists that holds for leaves that are not there, too; the items of lists stay as many as they are.
pub(super) fn unlike(entity: &Entity, record: &Record, leaves: &FieldSet) -> Record {
    Record::from(unlike_in(&entity.root, &record.fields, leaves)).related_as(record)
}

fn unlike_in(object: &Object, fields: &Fields, leaves: &FieldSet) -> Fields {
    let mut out = fields.clone();
    for (position, field) in (0_u16..).zip(&object.fields).filter(|(_, field)| leaves.any_in(&field.leaves)) {
        let value = match (&field.shape, fields.at(position)) {
            (Shape::Leaf(_), _) => OTHER,
            (Shape::Object(inner), Some(Value::Object(fields))) => {
                Value::Object(unlike_in(inner, fields, leaves))
            }
            (Shape::Object(inner), _) => Value::Object(unlike_in(inner, &Fields::default(), leaves)),
            (Shape::List(item), Some(Value::List(items))) => {
                Value::List(items.iter().map(|value| unlike_item(item, value, leaves)).collect())
            }
            (Shape::List(_), _) => continue,
        };
        out.set(position, value);
    }
    out
}

fn unlike_item(shape: &Shape, value: &Value, leaves: &FieldSet) -> Value {
    match (shape, value) {
        (_, Value::Null) => Value::Null,
        (Shape::Leaf(leaf), _) if leaves.contains(*leaf) => OTHER,
        (Shape::Object(object), Value::Object(fields)) => {
            let mut fields = fields.clone();
            fields.retain_mut(|position, value| {
                if let Some(field) = object.at(position) {
                    *value = unlike_item(&field.shape, value, leaves);
                }
                true
            });
            Value::Object(fields)
        }
        (Shape::List(item), Value::List(items)) => {
            Value::List(items.iter().map(|value| unlike_item(item, value, leaves)).collect())
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), value) => value.clone(),
    }
}

/// A value that no leaf holds.
const OTHER: Value = Value::List(Vec::new());

/// A record with null in some leaves outside lists in which it has nothing.
pub(super) fn emptied_in(entity: &Entity, mut record: Record, leaves: &FieldSet) -> Record {
    if !leaves.is_empty() {
        empty(&entity.root, &mut record.fields, leaves);
    }
    record
}

fn empty(object: &Object, fields: &mut Fields, leaves: &FieldSet) {
    for (position, field) in (0_u16..).zip(&object.fields).filter(|(_, field)| leaves.any_in(&field.leaves)) {
        match (&field.shape, fields.at_mut(position)) {
            (Shape::Leaf(_), None) => fields.set(position, Value::Null),
            (Shape::Object(inner), Some(Value::Object(fields))) => empty(inner, fields, leaves),
            (Shape::Object(inner), None) => {
                let mut nulls = Fields::default();
                empty(inner, &mut nulls, leaves);
                fields.set(position, Value::Object(nulls));
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
        }
    }
}

/// A record of which nothing but its id is known.
pub(super) fn named(entity: &Entity, id: &str) -> Record {
    let mut record = Record::default();
    if let Some((position, _)) = entity.root.field("id") {
        record.fields.set(position, Value::Text(id.into()));
    }
    record
}

/// What of a record stands in some leaves; groups, and items of lists, stay where they are.
pub(super) fn only(entity: &Entity, record: &Record, leaves: &FieldSet) -> Record {
    let mut fields = record.fields.clone();
    strike(&entity.root, &mut fields, leaves);
    Record::from(fields).related_as(record)
}

fn strike(object: &Object, fields: &mut Fields, leaves: &FieldSet) {
    fields.retain_mut(|position, value| {
        object.at(position).is_some_and(|field| is_kept(&field.shape, value, leaves))
    });
}

fn is_kept(shape: &Shape, value: &mut Value, leaves: &FieldSet) -> bool {
    match (shape, value) {
        (Shape::Leaf(leaf), _) => leaves.contains(*leaf),
        (Shape::Object(object), Value::Object(fields)) => {
            strike(object, fields, leaves);
            true
        }
        (Shape::List(item), Value::List(items)) => {
            items.iter_mut().for_each(|value| {
                is_kept(item, value, leaves);
            });
            true
        }
        (Shape::Object(_) | Shape::List(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        schema::{self, Body, View, json},
        words::tree,
    };

    const ORDER: &str = r"
$schema: https://json-schema.org/draft/2020-12/schema
title: Order
description: An order
x-collection: orders
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: id }
  note: { type: string, maxLength: 20, x-class: internal, description: note }
  ship:
    type: object
    description: where to
    properties:
      city: { type: string, maxLength: 20, x-class: internal, description: town }
      street: { type: string, maxLength: 20, x-class: internal, description: street }
  lines:
    type: array
    description: lines
    items:
      type: object
      properties:
        id: { type: string, x-class: internal, description: id }
        cost: { type: string, format: decimal, x-class: internal, description: cost }
";

    fn order() -> Arc<Entity> {
        let file: Arc<str> = "schema/order.yaml".into();
        let schema = schema::load::schema(&[(file.clone(), tree::parse(&file, ORDER).unwrap())]);
        schema.unwrap_or_else(|found| panic!("{found}")).0.entity("Order").unwrap().clone()
    }

    fn record(entity: &Entity, text: &str) -> Record {
        let view = View { writable: entity.all(), ..View::of(entity, Body::Patch) };
        json::read(entity, text.as_bytes(), &view).unwrap().record
    }

    fn leaves(entity: &Entity, paths: &[&str]) -> FieldSet {
        paths.iter().map(|path| entity.leaf_at(path).unwrap()).collect()
    }

    const STORED: &str = r#"{"id":"1","ship":{"city":"Brno"},"lines":[{"id":"a","cost":"1"},{"id":"b"}]}"#;

    #[test]
    fn a_list_is_replaced_whole_unless_its_items_come_back_by_ids_that_are_seen() {
        let order = order();
        let stored = record(&order, STORED);
        let lines = leaves(&order, &["lines.id", "lines.cost"]);
        let found = |body: &str, seen: &FieldSet| replaced(&order, &stored, &record(&order, body), seen);
        let same = r#"{"lines":[{"id":"a","cost":"2"},{"id":"b"},{"cost":"3"}]}"#;
        assert_eq!(found(same, &order.all()), FieldSet::EMPTY);
        assert_eq!(found(same, &leaves(&order, &["lines.cost"])), lines, "ids that were guessed");
        for other in [r#"{"lines":[{"id":"a"}]}"#, r#"{"lines":[{"id":"b"},{"id":"a"}]}"#, r#"{"lines":[]}"#]
        {
            assert_eq!(found(other, &order.all()), lines, "{other}");
        }
    }

    #[test]
    fn a_record_made_unlike_differs_in_each_of_the_leaves_and_in_no_other() {
        let order = order();
        let stored = record(&order, STORED);
        let of = leaves(&order, &["note", "ship.street", "lines.cost"]);
        let other = unlike(&order, &stored, &of);
        assert_eq!(schema::changed(&stored, &other, &order), of);
        assert_eq!(unlike(&order, &stored, &FieldSet::EMPTY), stored);
        // An empty place of a list stays empty: what clears it clears nothing.
        let mut costs = Vec::new();
        other.each(&order, order.leaf_at("lines.cost").unwrap(), &mut |value| costs.push(value.clone()));
        assert_eq!(costs, [OTHER]);
    }

    #[test]
    fn a_record_struck_to_some_leaves_holds_these_and_no_others() {
        let order = order();
        let struck = only(&order, &record(&order, STORED), &leaves(&order, &["lines.id", "ship.city"]));
        let expected = record(&order, r#"{"ship":{"city":"Brno"},"lines":[{"id":"a"},{"id":"b"}]}"#);
        assert_eq!(struck, expected);
    }
}
