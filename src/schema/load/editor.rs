//! The JSON Schema of an entity's file, for completion and checks while it is being written.

use serde_json::{Value as Json, json};

use super::{DIALECT, node::formats};
use crate::{schema::Class, words::yaml::FromYaml};

/// What a file of `policies/schema` may hold. The loader checks more: references, subjects, names.
pub fn file_schema() -> Json {
    let fields = json!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$", "maxLength": super::NAME_CHARS_MAX },
        "additionalProperties": { "$ref": "#/$defs/node" },
        "minProperties": 1,
    });
    let required = json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true });
    let text = |description: &str| json!({ "type": "string", "description": description });
    let formats: Vec<&str> = formats().collect();
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
        "$defs": { "node": {
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
                "x-natural-key": { "type": "boolean", "description": "It tells a record from all others, whichever system holds it" },
                "x-unordered": { "type": "boolean", "description": "The list is a set: order means nothing" },
            },
        } },
    })
}
