//! What a body makes of a stored record, and what differs between two records.
//!
//! JSON merge-patch (RFC 7396) with one addition: items of a list that carry an `id` are matched by it, and
//! a matched item keeps the fields that the caller may not write. Doubt counts as a change: not there and
//! null are told apart here.

use std::collections::HashMap;

use super::{
    entity::{Entity, LeafKind, Object, Shape},
    fields::FieldSet,
    json::{Body, Proposed, View},
    record::{Fields, Record, Value},
};

/// The record as it will be: the stored one (empty for a create) with what is proposed. A replacing body
/// clears what it does not mention as far as `view.writable` goes.
pub fn merge(entity: &Entity, stored: &Record, proposed: &Proposed, view: &View) -> Record {
    let merger = Merger { entity, view };
    let fields = merger.object(&entity.root, &stored.fields, &proposed.record.fields, view.body);
    Record::from(fields).related_as(stored)
}

/// The leaves whose values differ; decimals and moments by value. An item that comes or goes marks every leaf
/// that it holds; items that cannot be matched one to one mark every leaf that they hold on either side.
pub fn changed(old: &Record, new: &Record, entity: &Entity) -> FieldSet {
    let mut differ = Differ { entity, changed: FieldSet::EMPTY };
    differ.object(&entity.root, Some(&old.fields), Some(&new.fields));
    differ.changed
}

struct Merger<'a> {
    entity: &'a Entity,
    view: &'a View,
}

impl Merger<'_> {
    fn object(&self, object: &Object, stored: &Fields, proposed: &Fields, body: Body) -> Fields {
        let mut out = Fields::with_capacity(object.fields.len());
        for (position, field) in (0_u16..).zip(&object.fields) {
            let kept = stored.at(position);
            let value = match (proposed.at(position), body) {
                (Some(value), _) => Some(self.value(&field.shape, kept, value, body)),
                (None, Body::Create | Body::Patch) => kept.cloned(),
                (None, Body::Replace) => kept.map(|kept| self.omitted(&field.shape, kept)),
            };
            if let Some(value) = value {
                out.set(position, value);
            }
        }
        out
    }

    fn value(&self, shape: &Shape, stored: Option<&Value>, proposed: &Value, body: Body) -> Value {
        match (shape, proposed) {
            (Shape::Object(object), Value::Object(proposed)) => {
                let none = Fields::default();
                Value::Object(self.object(object, fields_of(stored).unwrap_or(&none), proposed, body))
            }
            (Shape::List(item), Value::List(proposed)) => {
                Value::List(self.list(item, items_of(stored), proposed))
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), proposed) => proposed.clone(),
        }
    }

    /// What becomes of a stored value that a replacing body does not mention: what the caller may write is
    /// cleared, the rest stays. A list goes whole or not at all: it stays where its items could hold what the
    /// caller may not write, whether or not they do.
    fn omitted(&self, shape: &Shape, stored: &Value) -> Value {
        match (shape, stored) {
            (Shape::Leaf(leaf), _) if self.view.writable.contains(*leaf) => Value::Null,
            (Shape::Object(object), Value::Object(stored)) => {
                Value::Object(self.object(object, stored, &Fields::default(), Body::Replace))
            }
            (Shape::List(item), Value::List(_))
                if FieldSet::of_range(&leaves_of(item)).is_subset(&self.view.writable) =>
            {
                Value::List(Vec::new())
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), stored) => stored.clone(),
        }
    }

    /// A list is replaced whole; an item with the `id` of a stored one keeps what the caller may not write.
    fn list(&self, item: &Shape, stored: &[Value], proposed: &[Value]) -> Vec<Value> {
        let Some((object, key)) = keyed(item, self.entity) else { return proposed.to_vec() };
        let by_id = by_id(key, stored).unwrap_or_default();
        let merged = |value: &Value| {
            let kept = id_of(key, value).and_then(|id| by_id.get(id)).and_then(|at| stored.get(*at));
            match (kept, value) {
                (Some(Value::Object(kept)), Value::Object(fields)) => {
                    Value::Object(self.object(object, kept, fields, Body::Replace))
                }
                _ => value.clone(),
            }
        };
        proposed.iter().map(merged).collect()
    }
}

struct Differ<'a> {
    entity: &'a Entity,
    changed: FieldSet,
}

impl Differ<'_> {
    fn object(&mut self, object: &Object, old: Option<&Fields>, new: Option<&Fields>) {
        for (position, field) in (0_u16..).zip(&object.fields) {
            let (old, new) = (old.and_then(|old| old.at(position)), new.and_then(|new| new.at(position)));
            if old != new {
                self.value(&field.shape, old, new);
            }
        }
    }

    /// Two values that are not equal as they stand.
    fn value(&mut self, shape: &Shape, old: Option<&Value>, new: Option<&Value>) {
        match shape {
            Shape::Leaf(leaf) => self.changed.insert(*leaf),
            Shape::Object(object) => self.object(object, fields_of(old), fields_of(new)),
            Shape::List(item) => self.list(item, items_of(old), items_of(new)),
        }
    }

    fn list(&mut self, item: &Shape, old: &[Value], new: &[Value]) {
        let before = self.changed;
        match keyed(item, self.entity).and_then(|(_, key)| Some((key, by_id(key, old)?, by_id(key, new)?))) {
            Some((key, old_ids, new_ids)) if !old_ids.is_empty() => {
                self.keyed(item, key, (old, &old_ids), (new, &new_ids));
            }
            _ if old.len() == new.len() && !is_set(item, self.entity) => {
                for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                    self.value(item, Some(old), Some(new));
                }
            }
            _ if is_set(item, self.entity) && same_items(old, new) => return,
            _ => self.all_held(item, old.iter().chain(new)),
        }
        // Items that hold nothing came, went or moved: no leaf says so, and doubt counts as a change.
        if self.changed == before && old.len() != new.len() {
            self.changed = self.changed.union(&FieldSet::of_range(&leaves_of(item)));
        }
    }

    fn keyed(
        &mut self,
        item: &Shape,
        key: u16,
        (old, old_ids): (&[Value], &HashMap<&str, usize>),
        (new, new_ids): (&[Value], &HashMap<&str, usize>),
    ) {
        let mut last = None;
        for value in new {
            let at = id_of(key, value).and_then(|id| old_ids.get(id)).copied();
            match at.and_then(|at| old.get(at)) {
                Some(earlier) if earlier != value => self.value(item, Some(earlier), Some(value)),
                Some(_) => {}
                None => self.all_held(item, [value]),
            }
            // Matched items in another order than before: the order of a list that is no set is part of it.
            if at.is_some() && at < last && !is_set(item, self.entity) {
                self.all_held(item, old.iter().chain(new));
            }
            last = at.or(last);
        }
        for value in old {
            if id_of(key, value).is_none_or(|id| !new_ids.contains_key(id)) {
                self.all_held(item, [value]);
            }
        }
    }

    fn all_held<'v>(&mut self, item: &Shape, values: impl IntoIterator<Item = &'v Value>) {
        for value in values {
            held(item, value, &mut self.changed);
        }
    }
}

/// Adds every leaf that a value holds.
fn held(shape: &Shape, value: &Value, into: &mut FieldSet) {
    match (shape, value) {
        (_, Value::Null) => {}
        (Shape::Leaf(leaf), _) => into.insert(*leaf),
        (Shape::Object(object), Value::Object(fields)) => {
            for (position, value) in fields.iter() {
                if let Some(field) = object.at(position) {
                    held(&field.shape, value, into);
                }
            }
        }
        (Shape::List(item), Value::List(values)) => values.iter().for_each(|value| held(item, value, into)),
        (Shape::Object(_) | Shape::List(_), _) => {}
    }
}

/// Whether two lists hold the same items, however ordered.
fn same_items(old: &[Value], new: &[Value]) -> bool {
    let mut rest: Vec<&Value> = new.iter().collect();
    old.len() == new.len()
        && old.iter().all(|value| match rest.iter().position(|other| *other == value) {
            Some(at) => {
                rest.swap_remove(at);
                true
            }
            None => false,
        })
}

/// The object of a list's items and the position of its `id`, when its items have one.
fn keyed<'s>(item: &'s Shape, entity: &Entity) -> Option<(&'s Object, u16)> {
    let Shape::Object(object) = item else { return None };
    let (position, field) = object.field("id")?;
    let Shape::Leaf(leaf) = field.shape else { return None };
    entity.leaf(leaf).filter(|leaf| leaf.kind == LeafKind::Id && leaf.reference.is_none())?;
    Some((object, position))
}

/// Where each id stands; none when one stands twice. Items without an id are left out.
fn by_id(key: u16, values: &[Value]) -> Option<HashMap<&str, usize>> {
    let mut ids = HashMap::with_capacity(values.len());
    for (at, id) in values.iter().enumerate().filter_map(|(at, value)| Some((at, id_of(key, value)?))) {
        if ids.insert(id, at).is_some() {
            return None;
        }
    }
    Some(ids)
}

fn id_of(key: u16, value: &Value) -> Option<&str> {
    fields_of(Some(value))?.at(key)?.as_text()
}

fn is_set(item: &Shape, entity: &Entity) -> bool {
    let first = u8::try_from(leaves_of(item).start).ok().map(super::LeafId);
    first.and_then(|leaf| entity.leaf(leaf)).is_some_and(|leaf| leaf.unordered)
}

fn leaves_of(shape: &Shape) -> std::ops::Range<u16> {
    match shape {
        Shape::Leaf(leaf) => u16::from(leaf.0)..u16::from(leaf.0) + 1,
        Shape::List(item) => leaves_of(item),
        Shape::Object(object) => {
            let start = object.fields.first().map_or(0, |field| field.leaves.start);
            start..object.fields.last().map_or(start, |field| field.leaves.end)
        }
    }
}

fn fields_of(value: Option<&Value>) -> Option<&Fields> {
    let Some(Value::Object(fields)) = value else { return None };
    Some(fields)
}

fn items_of(value: Option<&Value>) -> &[Value] {
    let Some(Value::List(values)) = value else { return &[] };
    values
}

#[cfg(test)]
mod tests;
