//! A list of a record whose items a filter looks at one by one.

use std::ops::Range;

use crate::schema::{
    entity::{Entity, Object, Shape},
    fields::{FieldSet, LeafId},
    record::{Fields, Value},
};

/// A list that stands in a record or in a group of it, never inside another list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items(Range<u16>);

impl Items {
    /// The list at a path (`lines`, `ship_to.tags`); none where no list stands there, or only inside another.
    pub fn at(entity: &Entity, path: &str) -> Option<Self> {
        let mut object = &entity.root;
        let mut steps = path.split('.').peekable();
        while let Some(step) = steps.next() {
            let (_, field) = object.field(step)?;
            match (&field.shape, steps.peek()) {
                (Shape::List(_), None) => return Some(Self(field.leaves.clone())),
                (Shape::Object(inner), Some(_)) => object = inner,
                (Shape::List(_) | Shape::Object(_) | Shape::Leaf(_), _) => return None,
            }
        }
        None
    }

    /// The leaves that stand in it.
    pub fn leaves(&self) -> FieldSet {
        FieldSet::of_range(&self.0)
    }

    /// Whether a leaf stands in it.
    pub(super) fn hold(&self, leaf: LeafId) -> bool {
        self.0.contains(&u16::from(leaf.0))
    }

    /// Whether `passes` holds for an item; none of what is not there.
    pub(super) fn of(
        &self,
        object: &Object,
        fields: &Fields,
        passes: &mut dyn FnMut(&Shape, &Value) -> bool,
    ) -> bool {
        let position = object.fields.partition_point(|field| field.leaves.end <= self.0.start);
        let Some(field) = object.fields.get(position) else { return false };
        let Some(value) = u16::try_from(position).ok().and_then(|position| fields.at(position)) else {
            return false;
        };
        match (&field.shape, value) {
            (Shape::List(item), Value::List(values)) => values.iter().any(|value| passes(item, value)),
            (Shape::Object(inner), Value::Object(fields)) => self.of(inner, fields, passes),
            (Shape::List(_) | Shape::Object(_) | Shape::Leaf(_), _) => false,
        }
    }
}
