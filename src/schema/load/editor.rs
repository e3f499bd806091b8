//! The JSON Schema of an entity's file, for completion and checks while it is being written.

use serde_json::{Value as Json, json};

use super::{DIALECT, node::formats};
use crate::{
    schema::{Class, Contact},
    words::yaml::FromYaml,
};

/// What a file of `policies/schema` may hold. The loader checks more: references, subjects, names.
pub fn file_schema() -> Json {
    let fields = json!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$", "maxLength": super::NAME_CHARS_MAX },
        "additionalProperties": { "$ref": "#/$defs/node" },
        "minProperties": 1,
    });
    let required = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
    json!({
        "$schema": DIALECT,
        "type": "object",
        "oneOf": [
            { "required": ["title", "description", "x-collection", "type", "properties"] },
            { "required": ["x-extends"], "anyOf": [{ "required": ["properties"] }, { "required": ["$defs"] }] },
        ],
        "additionalProperties": false,
        "properties": {
            "$schema": { "const": DIALECT },
            "$comment": { "type": "string" },
            "title": { "type": "string", "pattern": "^[A-Z][A-Za-z0-9]*$", "description": "The entity's name" },
            "x-extends": {
                "type": "string", "pattern": "^[A-Z][A-Za-z0-9]*$",
                "description": "The entity that this file adds a company's own fields to",
            },
            "description": text("What it is, in a sentence"),
            "x-collection": {
                "type": "string", "pattern": "^[a-z]([a-z0-9-]*[a-z0-9])?$",
                "description": "Its plural in a URL: `stock-levels`",
            },
            "x-subject": text("Whose data every field is that does not say: `self`, or a reference outside lists"),
            "type": { "const": "object" },
            "required": required,
            "properties": fields,
            "$defs": { "type": "object", "additionalProperties": { "$ref": "#/$defs/node" } },
        },
        "$defs": { "node": node(&required, &fields) },
    })
}

fn text(description: &str) -> Json {
    json!({ "type": "string", "description": description })
}

/// A field, whatever it holds.
fn node(required: &Json, fields: &Json) -> Json {
    let when = json!({
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": { "type": "string" },
        "description": "The field, and its code, that make it money",
    });
    let currency = json!({
        "description": "It is money: the field that says of which currency",
        "anyOf": [
            { "type": "string" },
            {
                "type": "object", "additionalProperties": false, "required": ["at", "when"],
                "properties": { "at": text("The field that says of which currency"), "when": when },
            },
        ],
    });
    let formats: Vec<&str> = formats().collect();
    json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "$ref": { "type": "string", "pattern": "^#/\\$defs/", "description": "A definition of this file" },
                "$comment": { "type": "string" },
                "type": {
                    "description": "One type; with \"null\" beside it where null is a value",
                    "anyOf": [
                        { "enum": ["string", "integer", "boolean", "object", "array"] },
                        { "type": "array", "items": { "enum": ["string", "integer", "boolean", "object", "array", "null"] } },
                    ],
                },
                "description": text("What it means, in a sentence"),
                "readOnly": { "type": "boolean", "description": "Callers never write it" },
                "format": { "enum": formats },
                "enum": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "maxLength": { "type": "integer", "minimum": 0, "description": "In characters" },
                "maxItems": { "type": "integer", "minimum": 0 },
                "items": { "$ref": "#/$defs/node" },
                "required": required,
                "properties": fields,
                "x-class": Class::schema(),
                "x-subject": text("Whose data it is: `self`, or a reference outside lists"),
                "x-ref": text("The entity it points to"),
                "x-element": text("The element of another record that it names: a reference and a list of what that names, as in `order.lines`"),
                "x-natural-key": { "type": "boolean", "description": "It tells a record from all others, whichever system holds it" },
                "x-contact": { "enum": Contact::ALL.map(Contact::as_str), "description": "By what somebody is reached: what looks so in other texts is masked as this is" },
                "x-currency": currency,
                "x-sum": {
                    "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 16,
                    "description": "The amounts that a total is made of; one with `-` before it is taken away",
                },
                "x-unordered": { "type": "boolean", "description": "The list is a set: order means nothing" },
            },
    })
}
