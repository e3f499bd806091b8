//! The fields of a record from an OpenAPI 3 description: names, types, formats, enums and what is said of them.

use serde_json::Value as Json;

use super::{names, natives::Natives};

/// LIMIT: how deep shapes are followed, and how many are looked at: a description may name itself.
const DEPTH_MAX: usize = 10;
const SHAPES_MAX: usize = 20_000;

/// Why a description gives no fields.
#[derive(Debug, thiserror::Error)]
pub enum DescribedError {
    /// It holds no schemas.
    #[error("there are no schemas under `components.schemas` (or `definitions`)")]
    NoSchemas,
    /// Which one is meant cannot be told.
    #[error("no schema is called like `{entity}`; name one with `--schema`, of: {names}")]
    NotNamed {
        /// The entity.
        entity: String,
        /// The schemas.
        names: String,
    },
}

/// What a description says of the records of one schema: its name, its fields, and where a path ends in one of them.
///
/// # Errors
/// It holds no such schema.
pub fn described(
    openapi: &Json,
    entity: &str,
    schema: Option<&str>,
) -> Result<(String, Natives, Option<String>), DescribedError> {
    let schemas = openapi
        .pointer("/components/schemas")
        .or_else(|| openapi.get("definitions"))
        .and_then(Json::as_object)
        .ok_or(DescribedError::NoSchemas)?;
    let wanted = names::words(schema.unwrap_or(entity));
    let name = match schema.filter(|name| schemas.contains_key(*name)) {
        Some(name) => Some(name.to_owned()),
        None => schemas
            .keys()
            .map(|name| (names::alike(&names::words(name), &wanted), name))
            .filter(|(alike, _)| *alike > 0.6)
            .max_by(|(a, one), (b, other)| a.total_cmp(b).then(other.len().cmp(&one.len())))
            .map(|(_, name)| name.clone()),
    };
    let Some(name) = name else {
        let mut names: Vec<&str> = schemas.keys().map(String::as_str).take(200).collect();
        names.sort_unstable();
        return Err(DescribedError::NotNamed { entity: entity.to_owned(), names: names.join(", ") });
    };
    let mut reading = Reading { openapi, natives: Natives::default(), left: SHAPES_MAX };
    if let Some(shape) = schemas.get(&name) {
        reading.shape(&mut Vec::new(), 0, shape, 0);
    }
    let at = path_of(openapi, &name);
    Ok((name, reading.natives, at))
}

struct Reading<'a> {
    openapi: &'a Json,
    natives: Natives,
    left: usize,
}

impl<'a> Reading<'a> {
    fn shape(&mut self, path: &mut Vec<String>, list: usize, shape: &'a Json, depth: usize) {
        if depth > DEPTH_MAX || self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Some(target) = shape.get("$ref").and_then(Json::as_str) {
            if let Some(shape) = target.strip_prefix('#').and_then(|pointer| self.openapi.pointer(pointer)) {
                self.shape(path, list, shape, depth.saturating_add(1));
            }
            return;
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            for part in shape.get(word).and_then(Json::as_array).into_iter().flatten() {
                self.shape(path, list, part, depth.saturating_add(1));
            }
        }
        for (name, shape) in shape.get("properties").and_then(Json::as_object).into_iter().flatten() {
            path.push(name.clone());
            self.shape(path, list, shape, depth.saturating_add(1));
            path.pop();
        }
        if let Some(items) = shape.get("items").filter(|_| list == 0 && !path.is_empty()) {
            let list = path.len();
            self.shape(path, list, items, depth.saturating_add(1));
        }
        if !path.is_empty() {
            self.leaf(path, list, shape);
        }
    }

    fn leaf(&mut self, path: &[String], list: usize, shape: &Json) {
        let kinds = match shape.get("type") {
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            Some(kind) => kind.as_str().into_iter().collect::<Vec<_>>(),
            None => Vec::new(),
        };
        if !kinds.iter().any(|kind| matches!(*kind, "string" | "number" | "integer" | "boolean")) {
            return;
        }
        let said = |key: &str| shape.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let Some(native) = self.natives.field(path, list) else { return };
        for kind in kinds {
            match kind {
                "string" => native.text = true,
                "number" | "integer" => native.number = true,
                "boolean" => native.boolean = true,
                _ => {}
            }
        }
        native.said = said("description").lines().next().unwrap_or_default().chars().take(80).collect();
        native.format = said("format");
        native.read_only = shape.get("readOnly").and_then(Json::as_bool).unwrap_or(false);
        let examples = shape.get("enum").and_then(Json::as_array).into_iter().flatten();
        for example in examples.chain(shape.get("example")) {
            let text = match example {
                Json::String(text) => text.clone(),
                Json::Null | Json::Array(_) | Json::Object(_) => continue,
                other => other.to_string(),
            };
            if native.examples.len() < 40 && !native.examples.contains(&text) {
                native.examples.push(text);
            }
        }
    }
}

/// Where one record is read: the path before `/{id}` of a GET whose answer is of that schema.
fn path_of(openapi: &Json, schema: &str) -> Option<String> {
    let end = format!("/{schema}");
    let paths = openapi.get("paths")?.as_object()?;
    let answers = |item: &Json| {
        item.pointer("/get/responses/200").is_some_and(|answer| {
            let at_once = ["/content/application~1json/schema/$ref", "/schema/$ref"];
            at_once
                .iter()
                .any(|at| answer.pointer(at).and_then(Json::as_str).is_some_and(|to| to.ends_with(&end)))
        })
    };
    paths
        .iter()
        .filter(|(path, item)| path.ends_with('}') && answers(item))
        .filter_map(|(path, _)| path.rsplit_once('/').map(|(before, _)| before.to_owned()))
        .filter(|before| !before.contains('{'))
        .min_by_key(String::len)
}
