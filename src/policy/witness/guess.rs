//! One guess: all that conditions may read, put together.

use std::sync::Arc;

use super::super::{context::Env, prospect::id, related::Beyond, shape::Route};
use crate::{
    catalog::Call,
    identity::Facts,
    policy::Context,
    schema::{
        Entity, Field, Fields, LeafId, LeafKind, Object, Record, Related, Shape, Value, value::parse_text,
    },
};

/// Who asks for what, of which record, under which circumstances.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) facts: Arc<Facts>,
    pub(super) context: Context,
    pub(super) call: Option<Call>,
    pub(super) guarded: Option<bool>,
    pub(super) record: Option<Record>,
    /// What the record names, by the reference, whatever it is called there.
    pub(super) related: Vec<(LeafId, Arc<Entity>, Record)>,
    pub(super) id: String,
}

impl Guess {
    /// One of which nothing but the record matters.
    pub(super) fn with_record(&self, record: Record) -> Self {
        Self { record: Some(record), ..self.clone() }
    }

    /// As conditions read it.
    pub(super) fn env(&self) -> Env<'_> {
        Env {
            facts: &self.facts,
            context: &self.context,
            call: self.call.as_ref(),
            guarded: self.guarded,
            record: self.record.as_ref(),
            id: &self.id,
            untold: None,
        }
    }

    /// Puts a value where a route leads, or takes away what stands there.
    pub(super) fn put(&mut self, entity: &Entity, route: &Route, value: Option<Value>) {
        if let Some(record) = &mut self.record {
            let steps: Vec<u16> = route.steps.iter().map(|step| step.position).collect();
            put(&entity.root, &mut record.fields, &steps, value, entity);
            self.id = id(Some(entity), record).unwrap_or_default().to_owned();
        }
        self.relate(entity);
    }

    /// Puts a value into what the record names.
    pub(super) fn put_related(&mut self, entity: &Entity, beyond: &Beyond, value: Option<Value>) {
        let named = self.related.iter_mut().find(|(by, ..)| *by == beyond.leaf);
        if let Some((_, to, record)) = named {
            let steps: Vec<u16> = beyond.rest.steps.iter().map(|step| step.position).collect();
            put(&to.root, &mut record.fields, &steps, value, to);
        }
        self.relate(entity);
    }

    /// Puts what the record names beside it, under the ids that it has for it now.
    fn relate(&mut self, entity: &Entity) {
        let Some(record) = self.record.take() else { return };
        let related = self.related.iter().filter_map(|(by, to, named)| {
            let id = record.first(entity, *by).and_then(Value::as_text).filter(|id| !id.is_empty())?;
            let mut named = named.clone();
            let (position, _) = to.root.field(to.leaf(LeafId(0))?.path.as_str())?;
            named.fields.set(position, Value::Text(id.into()));
            Some(Related { by: *by, id: id.into(), record: Arc::new(named) })
        });
        let related = related.collect();
        self.record = Some(record.with_related(related));
    }
}

/// Recursion goes down the schema.
fn put(object: &Object, fields: &mut Fields, steps: &[u16], value: Option<Value>, entity: &Entity) {
    let Some((first, rest)) = steps.split_first() else { return };
    match (rest.is_empty(), value) {
        (true, Some(value)) => fields.set(*first, value),
        (true, None) => drop(fields.take(*first)),
        (false, value) => {
            let Some(Shape::Object(inner)) = object.at(*first).map(|field| &field.shape) else { return };
            if !matches!(fields.at(*first), Some(Value::Object(_))) {
                if value.is_none() {
                    return;
                }
                fields.set(*first, Value::Object(needed(entity, inner)));
            }
            if let Some(Value::Object(under)) = fields.at_mut(*first) {
                put(inner, under, rest, value, entity);
            }
        }
    }
}

/// What every object of that shape has. Recursion goes down the schema.
pub(super) fn needed(entity: &Entity, object: &Object) -> Fields {
    let mut fields = Fields::default();
    for (position, field) in (0_u16..).zip(&object.fields) {
        let is_id = matches!(field.shape, Shape::Leaf(LeafId(0)));
        if (field.required || is_id)
            && let Some(value) = some(entity, &field.shape)
        {
            fields.set(position, value);
        }
    }
    fields
}

/// Some value of a shape.
pub(super) fn some(entity: &Entity, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Leaf(leaf) => plain(&entity.leaf(*leaf)?.kind),
        Shape::Object(object) => Some(Value::Object(needed(entity, object))),
        Shape::List(item) => Some(Value::List(vec![some(entity, item)?])),
    }
}

/// Puts some value where a leaf stands, unless one does already; into the first element of a list. Recursion goes down
/// the schema.
pub(super) fn fill(entity: &Entity, object: &Object, fields: &mut Fields, leaf: LeafId) {
    let holds = |field: &&Field| field.leaves.contains(&u16::from(leaf.0));
    let Some((position, field)) = (0_u16..).zip(&object.fields).find(|(_, field)| holds(field)) else {
        return;
    };
    if matches!(fields.at(position), None | Some(Value::Null)) {
        match some(entity, &field.shape) {
            Some(value) => fields.set(position, value),
            None => return,
        }
    }
    match (&field.shape, fields.at_mut(position)) {
        (Shape::Object(object), Some(Value::Object(under))) => fill(entity, object, under, leaf),
        (Shape::List(item), Some(Value::List(items))) => {
            if items.is_empty() {
                items.extend(some(entity, item));
            }
            if let (Shape::Object(object), Some(Value::Object(under))) = (&**item, items.first_mut()) {
                fill(entity, object, under, leaf);
            }
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
    }
}

/// Puts another value where a leaf stands, in the first element of a list; whether there is another. Recursion goes down
/// the schema.
pub(super) fn alter(entity: &Entity, object: &Object, fields: &mut Fields, leaf: LeafId) -> bool {
    let holds = |field: &&Field| field.leaves.contains(&u16::from(leaf.0));
    let Some((position, field)) = (0_u16..).zip(&object.fields).find(|(_, field)| holds(field)) else {
        return false;
    };
    let other = |value: &Value| {
        let kind = &entity.leaf(leaf)?.kind;
        any(kind).into_iter().find(|other| other != value)
    };
    match (&field.shape, fields.at_mut(position)) {
        (Shape::Object(object), Some(Value::Object(under))) => alter(entity, object, under, leaf),
        (Shape::List(item), Some(Value::List(items))) => match (&**item, items.first_mut()) {
            (Shape::Object(object), Some(Value::Object(under))) => alter(entity, object, under, leaf),
            (Shape::Leaf(_), Some(value)) => match other(value) {
                Some(other) => {
                    *value = other;
                    true
                }
                None => false,
            },
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => false,
        },
        (Shape::Leaf(_), Some(value)) => match other(value) {
            Some(other) => {
                *value = other;
                true
            }
            None => false,
        },
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => false,
    }
}

/// Some value of a kind.
pub(super) fn plain(kind: &LeafKind) -> Option<Value> {
    any(kind).into_iter().next()
}

/// A few values of a kind.
fn any(kind: &LeafKind) -> Vec<Value> {
    let read = |texts: &[&str]| texts.iter().filter_map(|text| parse_text(kind, text).ok()).collect();
    match kind {
        LeafKind::Text { spelling, .. } => read(spelling.examples()),
        LeafKind::Code(codes) => codes.iter().take(2).map(|code| Value::Text((&**code).into())).collect(),
        LeafKind::Id | LeafKind::Decimal | LeafKind::Integer => read(&["1", "2"]),
        LeafKind::Boolean => read(&["true", "false"]),
        LeafKind::Date => read(&["2026-01-05", "2026-01-06"]),
        LeafKind::Instant => read(&["2026-01-05T12:00:00Z", "2026-01-06T12:00:00Z"]),
    }
}
