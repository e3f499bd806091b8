//! Fields of an entity as JSON Schema, cut to what one caller sees or sends.

use serde_json::{Map, Value as Json, json};

use super::set;
use crate::schema::{
    codes::Standard,
    entity::{Entity, Field, LeafKind, Object, Shape},
    fields::FieldSet,
    json::Body,
    value::ID_CHARS_MAX,
};

/// What the schema describes.
pub(super) enum Use {
    /// What is shown: nothing is required, masked leaves have lost their form.
    Answer {
        /// The leaves shown.
        visible: FieldSet,
        /// Those of them that are masked.
        masked: FieldSet,
    },
    /// What is sent: nothing else may be.
    Body {
        /// What the body is to the record.
        kind: Body,
        /// The leaves it may hold.
        writable: FieldSet,
        /// The leaves it must hold.
        required: FieldSet,
    },
}

/// The schema of an object.
pub(super) fn object(entity: &Entity, object: &Object, shape: &Use) -> Json {
    members(entity, object, shape, Inside::Record)
}

/// Where an object stands: items of lists are whole in a patch too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Record,
    Item,
}

fn members(entity: &Entity, object: &Object, shape: &Use, inside: Inside) -> Json {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for field in object.fields.iter().filter(|field| shape.holds(field)) {
        if shape.requires(field, inside) {
            required.push(&field.name);
        }
        properties.insert(field.name.to_string(), member(entity, field, shape, inside));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Use::Body { .. } = shape {
        set(&mut schema, "additionalProperties", json!(false));
    }
    if !required.is_empty() {
        set(&mut schema, "required", json!(required));
    }
    schema
}

fn member(entity: &Entity, field: &Field, shape: &Use, inside: Inside) -> Json {
    let mut schema = of_shape(entity, field, &field.shape, shape, inside);
    if shape.takes_null(field, inside) {
        accept_null(&mut schema);
    }
    if !field.description.is_empty() {
        set(&mut schema, "description", json!(&*field.description));
    }
    schema
}

fn of_shape(entity: &Entity, field: &Field, part: &Shape, shape: &Use, inside: Inside) -> Json {
    match part {
        Shape::Leaf(id) => match shape {
            Use::Answer { masked, .. } if masked.contains(*id) => {
                json!({ "$comment": "masked for this caller" })
            }
            Use::Answer { .. } | Use::Body { .. } => {
                let mut schema = entity.leaf(*id).map_or(json!({}), |found| leaf(&found.kind));
                let decimal = entity.leaf(*id).is_some_and(|found| found.kind == LeafKind::Decimal);
                if let (true, Use::Body { .. }) = (decimal, shape) {
                    set(&mut schema, "type", json!(["string", "number"]));
                }
                schema
            }
        },
        Shape::Object(object) => members(entity, object, shape, inside),
        Shape::List(item) => json!({
            "type": "array",
            "maxItems": field.items_max,
            "items": of_shape(entity, field, item, shape, Inside::Item),
        }),
    }
}

/// The schema of one leaf, unmasked.
pub(super) fn leaf(kind: &LeafKind) -> Json {
    match kind {
        LeafKind::Text { chars_max, spelling } => match spelling.format() {
            Some(format) => json!({ "type": "string", "format": format, "maxLength": chars_max }),
            None => json!({ "type": "string", "maxLength": chars_max }),
        },
        LeafKind::Code(codes) if let Some(standard) = Standard::of(codes) => {
            json!({ "type": "string", "format": standard.format, "pattern": standard.pattern })
        }
        LeafKind::Code(codes) => {
            let codes: Vec<&str> = codes.iter().map(|code| &**code).collect();
            json!({ "type": "string", "enum": codes })
        }
        LeafKind::Id => json!({ "type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX }),
        LeafKind::Decimal => {
            json!({ "type": "string", "format": "decimal", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$" })
        }
        LeafKind::Integer => json!({ "type": "integer", "format": "int64" }),
        LeafKind::Boolean => json!({ "type": "boolean" }),
        LeafKind::Date => json!({ "type": "string", "format": "date" }),
        LeafKind::Instant => json!({ "type": "string", "format": "date-time" }),
    }
}

fn accept_null(schema: &mut Json) {
    let Json::Object(map) = schema else { return };
    match map.get_mut("type") {
        Some(Json::Array(kinds)) => kinds.push(json!("null")),
        Some(kind) => *kind = json!([kind.take(), "null"]),
        None => {}
    }
    if let Some(Json::Array(codes)) = map.get_mut("enum") {
        codes.push(Json::Null);
    }
}

impl Use {
    fn holds(&self, field: &Field) -> bool {
        match self {
            Self::Answer { visible, .. } => visible.any_in(&field.leaves),
            Self::Body { writable, .. } => writable.any_in(&field.leaves),
        }
    }

    fn requires(&self, field: &Field, inside: Inside) -> bool {
        match self {
            Self::Answer { .. } => false,
            Self::Body { kind: Body::Patch, .. } if inside == Inside::Record => false,
            Self::Body { .. } => self.must_hold(field),
        }
    }

    /// As the reader of bodies decides it.
    fn must_hold(&self, field: &Field) -> bool {
        let Self::Body { required, .. } = self else { return false };
        let inside = required.any_in(&field.leaves);
        match field.shape {
            Shape::Leaf(_) => inside,
            Shape::Object(_) | Shape::List(_) => inside && field.required,
        }
    }

    fn takes_null(&self, field: &Field, inside: Inside) -> bool {
        match self {
            Self::Answer { .. } => false,
            Self::Body { kind: Body::Patch | Body::Replace, .. } if inside == Inside::Record => {
                field.nullable || !self.must_hold(field)
            }
            Self::Body { .. } => field.nullable,
        }
    }
}
