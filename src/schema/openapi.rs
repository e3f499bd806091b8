//! `/openapi.json`: what one caller may call, with its own fields, as OpenAPI 3.1.
//!
//! Nothing stands in it that the caller could not find out by calling: hidden fields, fields it may not
//! filter by and operations no statement can permit are left out. In answers no field is required, because
//! hidden, withheld and empty look the same. This is beside the hot path, so it is a tree of JSON values.

mod accepted;
mod fields;
#[cfg(test)]
mod tests;

use http::Method;
use serde_json::{Map, Value as Json, json};

use self::fields::{Use, leaf, object};
use super::{
    entity::{Entity, Leaf},
    fields::FieldSet,
    filter::Op,
    json::Body,
    load::{INCLUDED, PARTIAL},
    query::{self, INCLUDES_MAX, Limits},
    relation::Relation,
};
use crate::words::SystemName;

/// What stands at the head of the document.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// What the gate calls itself.
    pub title: &'a str,
    /// Which release answers.
    pub version: &'a str,
    /// Where the caller reaches it: `https://gate.example`.
    pub server: Option<&'a str>,
    /// What a list may ask for.
    pub limits: &'a Limits,
}

/// One operation on an entity that the caller may call, and with what.
#[derive(Clone, Debug)]
pub struct Exposed<'a> {
    /// On what.
    pub entity: &'a Entity,
    /// What is done.
    pub verb: Verb,
    /// The leaves an answer may show.
    pub visible: FieldSet,
    /// Those of them that are shown only masked.
    pub masked: FieldSet,
    /// The leaves that may serve filter and order.
    pub clear: FieldSet,
    /// The leaves a body may hold.
    pub writable: FieldSet,
    /// The leaves a body must hold.
    pub required: FieldSet,
    /// What may be asked for beside a record.
    pub beside: Vec<Relation>,
    /// Whether other systems tell some of these leaves, and may be away; or a budget bounds how many records are told.
    pub may_lack: bool,
    /// How a new record may be answered for before it is there.
    pub accepted: Accepted,
}

/// Ways in which a new record is accepted, and not yet known to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The system says later what became of it, and is asked for that at a place of its own.
    pub is_asked_for: bool,
    /// The system does not answer with the record it made, and it may not be there to be read back.
    pub is_unseen: bool,
}

/// What is done to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Records by query.
    List,
    /// One record by id.
    Read,
    /// A new record.
    Create,
    /// A change of a record, whole or in part.
    Update,
    /// The end of a record.
    Delete,
}

/// A system whose own interface the caller may call.
#[derive(Clone, Debug)]
pub struct ExposedSystem<'a> {
    /// Which.
    pub name: &'a SystemName,
    /// By which methods.
    pub methods: &'a [Method],
}

/// Builds the document.
pub fn document(about: &About<'_>, entities: &[Exposed<'_>], systems: &[ExposedSystem<'_>]) -> Json {
    let mut paths: Map<String, Json> = Map::new();
    let mut schemas: Map<String, Json> = Map::new();
    for exposed in entities {
        for (path, method, operation) in operations(exposed, about.limits, &mut schemas) {
            place(&mut paths, path, method, operation);
        }
    }
    for system in systems {
        let path = format!("/systems/{}/{{path}}", system.name);
        for method in system.methods.iter().filter_map(method_key) {
            place(&mut paths, path.clone(), method, call(system, method));
        }
    }
    schemas.insert("Problem".to_owned(), problem());
    if entities.iter().any(|exposed| exposed.accepted.is_asked_for) {
        schemas.insert(accepted::NAME.to_owned(), accepted::schema());
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": about.title, "version": about.version },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457)",
                    "content": { "application/problem+json": { "schema": reference("Problem") } },
                },
            },
            "securitySchemes": security_schemes(),
        },
        "security": [{ "bearer": [] }, { "api_key": [] }, { "certificate": [] }],
    });
    if let (Some(server), Some(map)) = (about.server, document.as_object_mut()) {
        map.insert("servers".to_owned(), json!([{ "url": server }]));
    }
    document
}

type Operation = (String, &'static str, Json);

fn operations(exposed: &Exposed<'_>, limits: &Limits, schemas: &mut Map<String, Json>) -> Vec<Operation> {
    let entity = exposed.entity;
    let all = format!("/v1/{}", entity.collection);
    let one = format!("{all}/{{id}}");
    let verb = |text: &str| format!("{text}{}", entity.name);
    match exposed.verb {
        Verb::List => {
            let item = answer(exposed, "list", schemas);
            let mut page = json!({
                "type": "object",
                "required": ["items"],
                "properties": {
                    "items": { "type": "array", "items": item },
                    "next_cursor": {
                        "type": ["string", "null"],
                        "description": "Sent back as `cursor` it gives the next page; none at the end",
                    },
                    "truncated": {
                        "type": "boolean",
                        "description": "Sent, and true, only where the list ends here though the system may hold more",
                    },
                },
            });
            if let (true, Some(Json::Object(properties))) = (exposed.may_lack, page.get_mut("properties")) {
                properties.insert(PARTIAL.to_owned(), partial());
            }
            let mut operation = operation(&verb("list"), &entity.description, "200", Some(page));
            set(&mut operation, "parameters", list_parameters(exposed, limits).into());
            vec![(all, "get", operation)]
        }
        Verb::Read => {
            let shown = answer(exposed, "read", schemas);
            let mut operation = operation(&verb("read"), &entity.description, "200", Some(shown));
            let mut parameters = vec![id_parameter(), fields_parameter(exposed)];
            parameters.extend(include_parameter(exposed));
            set(&mut operation, "parameters", parameters.into());
            add_accepted(&mut operation, accepted::still(exposed));
            vec![(one, "get", operation)]
        }
        Verb::Create => {
            let shown = answer(exposed, "create", schemas);
            let accepted = accepted::first(exposed, &shown);
            let mut operation = operation(&verb("create"), &entity.description, "201", Some(shown));
            add_accepted(&mut operation, accepted);
            set(&mut operation, "parameters", json!([key_parameter()]));
            set(&mut operation, "requestBody", body(exposed, Body::Create, "application/json"));
            vec![(all, "post", operation)]
        }
        Verb::Update => {
            let shown = answer(exposed, "update", schemas);
            let changes = [
                ("patch", "patch", Body::Patch, "application/merge-patch+json"),
                ("put", "replace", Body::Replace, "application/json"),
            ];
            let operation = |(method, word, kind, media): (&'static str, &str, Body, &str)| {
                let mut operation = operation(&verb(word), &entity.description, "200", Some(shown.clone()));
                set(&mut operation, "parameters", json!([id_parameter(), key_parameter()]));
                set(&mut operation, "requestBody", body(exposed, kind, media));
                (one.clone(), method, operation)
            };
            changes.map(operation).into()
        }
        Verb::Delete => {
            let mut operation = operation(&verb("delete"), &entity.description, "204", None);
            set(&mut operation, "parameters", json!([id_parameter(), key_parameter()]));
            vec![(one, "delete", operation)]
        }
    }
}

fn operation(id: &str, summary: &str, status: &str, content: Option<Json>) -> Json {
    let mut success = json!({ "description": "Done" });
    if let Some(schema) = content {
        set(&mut success, "content", json!({ "application/json": { "schema": schema } }));
    }
    json!({
        "operationId": id,
        "summary": summary,
        "responses": { status: success, "default": { "$ref": "#/components/responses/Problem" } },
    })
}

fn add_accepted(operation: &mut Json, response: Option<Json>) {
    if let (Some(response), Some(Json::Object(responses))) = (response, operation.get_mut("responses")) {
        responses.insert("202".to_owned(), response);
    }
}

/// The schema of what is shown, as a component of its own: two operations may show different fields.
fn answer(exposed: &Exposed<'_>, verb: &str, schemas: &mut Map<String, Json>) -> Json {
    let name = format!("{}.{verb}", exposed.entity.name);
    let shape = Use::Answer { visible: exposed.visible, masked: exposed.masked };
    let mut schema = object(exposed.entity, &exposed.entity.root, &shape);
    set(&mut schema, "description", json!(&*exposed.entity.description));
    if let (false, Some(Json::Object(properties))) = (exposed.beside.is_empty(), schema.get_mut("properties"))
    {
        properties.insert(INCLUDED.to_owned(), included(&exposed.beside));
    }
    if let (true, true, Some(Json::Object(properties))) =
        (exposed.may_lack, exposed.verb != Verb::List, schema.get_mut("properties"))
    {
        properties.insert(PARTIAL.to_owned(), partial());
    }
    schemas.insert(name.clone(), schema);
    reference(&name)
}

/// What an answer lacks.
fn partial() -> Json {
    json!({
        "type": "array",
        "description": "Sent only where a system could not be asked: the fields that are missing, and why; or where a budget has no room for records: how many are left out",
        "items": {
            "type": "object",
            "required": ["fields", "problem"],
            "properties": {
                "fields": { "type": "array", "items": { "type": "string" } },
                "left_out": { "type": "integer", "description": "Sent only where records are left out: how many" },
                "problem": reference("Problem"),
            },
        },
    })
}

/// What stands beside a record: each as its own list shows it.
fn included(beside: &[Relation]) -> Json {
    let collection = |relation: &Relation| {
        let schema = json!({
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": reference(&format!("{}.list", relation.entity.name)) },
                "truncated": { "type": "boolean", "description": "Sent, and true, only where there may be more" },
                "problem": reference("Problem"),
            },
        });
        (relation.name.to_string(), schema)
    };
    let collections: Map<String, Json> = beside.iter().map(collection).collect();
    json!({ "type": "object", "description": "What `include` asked for", "properties": collections })
}

fn include_parameter(exposed: &Exposed<'_>) -> Option<Json> {
    let names: Vec<&str> = exposed.beside.iter().map(|relation| &*relation.name).collect();
    let schema = json!({ "type": "array", "maxItems": INCLUDES_MAX, "items": { "enum": names } });
    (!names.is_empty()).then(|| {
        json!({
            "name": "include", "in": "query", "style": "form", "explode": false,
            "description": "What stands beside each record is told with it", "schema": schema,
        })
    })
}

fn body(exposed: &Exposed<'_>, kind: Body, media: &str) -> Json {
    let shape = Use::Body { kind, writable: exposed.writable, required: exposed.required };
    let schema = object(exposed.entity, &exposed.entity.root, &shape);
    json!({ "required": true, "content": { media: { "schema": schema } } })
}

fn list_parameters(exposed: &Exposed<'_>, limits: &Limits) -> Vec<Json> {
    let entity = exposed.entity;
    let mut parameters = vec![
        fields_parameter(exposed),
        json!({
            "name": "limit", "in": "query", "description": "Records a page",
            "schema": { "type": "integer", "minimum": 1, "maximum": limits.limit_max, "default": limits.limit_default },
        }),
        json!({
            "name": "cursor", "in": "query", "description": "`next_cursor` of the page before",
            "schema": { "type": "string", "maxLength": limits.cursor_bytes_max },
        }),
    ];
    parameters.extend(include_parameter(exposed));
    let clear: Vec<&Leaf> = exposed.clear.iter().filter_map(|id| entity.leaf(id)).collect();
    let keys: Vec<String> = clear
        .iter()
        .filter(|leaf| !leaf.in_list)
        .flat_map(|leaf| [leaf.path.to_string(), format!("-{}", leaf.path)])
        .collect();
    if !keys.is_empty() {
        parameters.push(json!({
            "name": "sort", "in": "query", "description": "Order, the most important first; `-` turns one round",
            "style": "form", "explode": false,
            "schema": { "type": "array", "maxItems": limits.sort_keys_max, "items": { "enum": keys } },
        }));
    }
    for field in clear {
        let value = leaf(&field.kind);
        parameters.push(json!({ "name": field.path.as_str(), "in": "query", "schema": value }));
        for (word, op) in query::OPS.into_iter().filter(|(_, op)| query::fits(&field.kind, *op)) {
            let mut parameter =
                json!({ "name": format!("{}[{word}]", field.path), "in": "query", "schema": value });
            if op == Op::In {
                let several = json!({ "type": "array", "maxItems": limits.values_max, "items": value });
                set(&mut parameter, "schema", several);
                set(&mut parameter, "style", json!("form"));
                set(&mut parameter, "explode", json!(false));
            }
            parameters.push(parameter);
        }
    }
    parameters
}

fn fields_parameter(exposed: &Exposed<'_>) -> Json {
    let leaves = exposed.visible.iter().filter_map(|id| exposed.entity.leaf(id));
    let names: Vec<&str> = leaves.map(|leaf| leaf.path.as_str()).collect();
    json!({
        "name": "fields", "in": "query", "style": "form", "explode": false,
        "description": "Only these fields, or groups of them; all that may be seen where it is left out",
        "schema": { "type": "array", "items": { "type": "string", "examples": names } },
    })
}

fn id_parameter() -> Json {
    json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
}

fn key_parameter() -> Json {
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "A text of your own for this write: sent again with it, as it was, the write is done once",
        "schema": { "type": "string", "minLength": 1 },
    })
}

fn call(system: &ExposedSystem<'_>, method: &str) -> Json {
    json!({
        "operationId": format!("{method}.{}", system.name),
        "summary": format!("Call `{}` as it is; the path is the system's own and may hold `/`", system.name),
        "parameters": [{ "name": "path", "in": "path", "required": true, "schema": { "type": "string" } }],
        "responses": {
            "2XX": { "description": "What the system answers" },
            "default": { "description": "What the system answers, or `application/problem+json` of the gate" },
        },
    })
}

/// The key of a method in a path item; only these eight exist.
fn method_key(method: &Method) -> Option<&'static str> {
    const KEYS: [(Method, &str); 8] = [
        (Method::GET, "get"),
        (Method::PUT, "put"),
        (Method::POST, "post"),
        (Method::DELETE, "delete"),
        (Method::OPTIONS, "options"),
        (Method::HEAD, "head"),
        (Method::PATCH, "patch"),
        (Method::TRACE, "trace"),
    ];
    KEYS.into_iter().find(|(known, _)| known == method).map(|(_, key)| key)
}

fn problem() -> Json {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "request_id": { "type": "string", "description": "Quote it when asking for help" },
        },
    })
}

fn security_schemes() -> Json {
    json!({
        "bearer": { "type": "http", "scheme": "bearer" },
        "api_key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
        "certificate": { "type": "mutualTLS" },
    })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn place(paths: &mut Map<String, Json>, path: String, method: &str, operation: Json) {
    set(paths.entry(path).or_insert_with(|| json!({})), method, operation);
}

fn set(to: &mut Json, key: &str, value: Json) {
    if let Json::Object(map) = to {
        map.insert(key.to_owned(), value);
    }
}
