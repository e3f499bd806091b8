//! Parts of a record that a body replaces whole, whatever stands in them.
//!
//! Such a change reaches leaves that the body does not name. If it were refused only where one of them holds a
//! value that the caller may not write, the refusal would tell that there is one. So it is refused by what could
//! stand there.

use crate::schema::{Entity, FieldSet, Fields, LeafKind, Object, Record, Shape, Value};

/// The leaves under lists and groups that a proposed record replaces whole in a stored one.
pub(super) fn replaced(entity: &Entity, stored: &Record, proposed: &Record) -> FieldSet {
    let mut found = FieldSet::EMPTY;
    in_object(entity, &entity.root, &stored.fields, &proposed.fields, &mut found);
    found
}

/// Recursion is bounded by the depth of the entity.
fn in_object(entity: &Entity, object: &Object, stored: &Fields, proposed: &Fields, found: &mut FieldSet) {
    for (position, value) in proposed.iter() {
        let Some(field) = object.at(position) else { continue };
        let kept = stored.at(position);
        let is_whole = match (&field.shape, value) {
            (Shape::Leaf(_), _) => false,
            (Shape::Object(inner), Value::Object(fields)) => {
                let none = Fields::default();
                let kept = if let Some(Value::Object(kept)) = kept { kept } else { &none };
                in_object(entity, inner, kept, fields, found);
                false
            }
            (Shape::List(item), Value::List(new)) => {
                let old = if let Some(Value::List(old)) = kept { old.as_slice() } else { &[] };
                !keeps_items(entity, item, old, new)
            }
            (Shape::Object(_) | Shape::List(_), _) => true,
        };
        if is_whole {
            *found = found.union(&FieldSet::of_range(&field.leaves));
        }
    }
}

/// Whether every stored item has its counterpart, by its own id and in its own order: then it keeps what the
/// body does not say of it.
fn keeps_items(entity: &Entity, item: &Shape, old: &[Value], new: &[Value]) -> bool {
    let Some(key) = key(entity, item) else { return false };
    let old: Vec<Option<&str>> = old.iter().map(|value| id(key, value)).collect();
    let known = new.iter().map(|value| id(key, value)).filter(|id| id.is_some() && old.contains(id));
    !old.contains(&None) && known.eq(old.iter().copied())
}

/// The position of an item's own id.
fn key(entity: &Entity, item: &Shape) -> Option<u16> {
    let Shape::Object(object) = item else { return None };
    let (position, field) = object.field("id")?;
    let Shape::Leaf(leaf) = field.shape else { return None };
    entity.leaf(leaf).filter(|leaf| leaf.kind == LeafKind::Id && leaf.reference.is_none())?;
    Some(position)
}

fn id(key: u16, item: &Value) -> Option<&str> {
    let Value::Object(fields) = item else { return None };
    fields.at(key)?.as_text()
}
