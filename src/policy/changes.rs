//! Which leaves differ between two records of an entity.

use crate::schema::{Entity, FieldSet, Fields, LeafId, Object, Record, Shape, Value};

/// Leaves whose values differ. Absent and null are one; decimals are compared by value; where lists differ
/// in length, or one stands where none stood, every leaf of the elements in question differs.
pub(super) fn changed(entity: &Entity, old: &Record, new: &Record) -> FieldSet {
    let mut out = FieldSet::EMPTY;
    in_object(&entity.root, &old.fields, &new.fields, &mut out);
    out
}

fn in_object(object: &Object, old: &Fields, new: &Fields, out: &mut FieldSet) {
    for (position, field) in object.fields.iter().enumerate() {
        let Ok(position) = u16::try_from(position) else { continue };
        in_value(&field.shape, there(old.at(position)), there(new.at(position)), out);
    }
}

fn there(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Null)
}

fn in_value(shape: &Shape, old: Option<&Value>, new: Option<&Value>, out: &mut FieldSet) {
    match (shape, old, new) {
        (_, None, None) => {}
        (Shape::Leaf(leaf), old, new) if old != new => out.insert(*leaf),
        (Shape::Leaf(_), _, _) => {}
        (Shape::Object(object), Some(Value::Object(old)), Some(Value::Object(new))) => {
            in_object(object, old, new, out);
        }
        (Shape::Object(object), Some(Value::Object(only)), None)
        | (Shape::Object(object), None, Some(Value::Object(only))) => {
            in_object(object, &Fields::default(), only, out);
        }
        (Shape::List(item), Some(Value::List(old)), Some(Value::List(new))) => in_list(item, old, new, out),
        (Shape::List(item), Some(Value::List(only)), None)
        | (Shape::List(item), None, Some(Value::List(only))) => in_list(item, &[], only, out),
        // Values that are not of their shape: all of it is in question.
        (Shape::Object(_) | Shape::List(_), _, _) => every_leaf(shape, out),
    }
}

fn in_list(item: &Shape, old: &[Value], new: &[Value], out: &mut FieldSet) {
    if old.len() == new.len() {
        for (old, new) in old.iter().zip(new) {
            in_value(item, there(Some(old)), there(Some(new)), out);
        }
    } else if let Shape::Leaf(leaf) = item {
        out.insert(*leaf);
    } else {
        every_leaf(item, out);
    }
}

fn every_leaf(shape: &Shape, out: &mut FieldSet) {
    match shape {
        Shape::Leaf(LeafId(n)) => out.insert(LeafId(*n)),
        Shape::Object(object) => object.fields.iter().for_each(|field| every_leaf(&field.shape, out)),
        Shape::List(item) => every_leaf(item, out),
    }
}
