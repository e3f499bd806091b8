//! The fields of a record from a system's own list of them: many systems answer one, each field an object with a name, a
//! type, a label and its choices.
//!
//! No system is known here by name. What a key means is told by the words that such lists have in common; a word that is
//! none of them is kept as the field's declared type, and its line stays unsure.

use serde_json::{Map, Value as Json};

use super::natives::{Hints, Native, Natives, WrittenOn};

/// LIMIT: how deep in an answer the list is looked for, and choices kept of each field.
const DEPTH_MAX: usize = 5;
const CHOICES_MAX: usize = 40;

const NAMES: &[&str] = &["name", "fieldname", "attributecode", "apiname", "internalname", "key"];
const TYPES: &[&str] = &["type", "fieldtype", "datatype", "frontendinput", "valuetype"];
const LABELS: &[&str] = &["label", "title", "string", "displayname", "defaultfrontendlabel", "description"];
const CHOICES: &[&str] = &["picklistvalues", "options", "selection", "choices", "allowedvalues", "enum"];
const READ_ONLY: &[&str] = &["readonly", "readonlyvalue", "calculated", "autonumber", "computed"];
const GONE: &[&str] = &["deprecatedandhidden", "archived", "deleted"];

/// Why a file is no list of fields.
#[derive(Debug, thiserror::Error)]
#[error("there is no list of fields in it: objects that have a name and a type each")]
pub struct NoList;

/// What a system's own list says of its fields. Where they stand in a record it does not say: each is at the top of it,
/// until a recorded answer shows otherwise.
#[derive(Debug)]
pub struct Listed {
    /// What the list calls its records, where it does.
    pub of: Option<String>,
    fields: Vec<Native>,
}

/// Reads a list of fields, wherever it stands in an answer; the longest where there are several.
///
/// # Errors
/// There is none.
pub fn listed(answer: &Json) -> Result<Listed, NoList> {
    let mut fields = Vec::new();
    longest(answer, 0, &mut fields);
    if fields.is_empty() {
        return Err(NoList);
    }
    let of = answer.as_object().and_then(|map| text(map, &["name"])).map(str::to_owned);
    Ok(Listed { of, fields })
}

impl Natives {
    /// Adds what a system's own list says: to the field of that name in the recorded answers, where they have one, else
    /// beside the others.
    pub fn describe(&mut self, listed: Listed) {
        let beside = self.beside(&listed);
        for field in listed.fields {
            let standing = self.called(field.name());
            let path = standing.unwrap_or_else(|| [&beside[..], &field.path].concat());
            let Some(native) = self.field(&path, 0) else { continue };
            // What stood in an answer says how a value travels; the list says what it means.
            if !(native.text || native.number || native.boolean) {
                (native.text, native.number, native.boolean) = (field.text, field.number, field.boolean);
            }
            native.format = field.format;
            native.said = field.said;
            native.read_only = field.read_only;
            native.hints = field.hints;
            for example in field.examples {
                if !native.examples.contains(&example) {
                    native.examples.push(example);
                }
            }
        }
    }

    /// The one field of a name that is in no list.
    fn called(&self, name: &str) -> Option<Vec<String>> {
        let mut all = self.iter().filter(|native| native.list == 0 && native.name() == name);
        let one = all.next()?;
        all.next().is_none().then(|| one.path.clone())
    }

    /// Where most of the listed fields that the recorded answers hold stand: the others stand there too.
    fn beside(&self, listed: &Listed) -> Vec<String> {
        let mut parents: Vec<(Vec<String>, usize)> = Vec::new();
        for path in listed.fields.iter().filter_map(|field| self.called(field.name())) {
            let parent = path.split_last().map_or(&[][..], |(_, before)| before);
            match parents.iter_mut().find(|(known, _)| known == parent) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => parents.push((parent.to_vec(), 1)),
            }
        }
        parents.into_iter().max_by_key(|(_, count)| *count).map(|(parent, _)| parent).unwrap_or_default()
    }
}

/// The longest list of fields in an answer, as an array or as an object that names them.
fn longest(json: &Json, depth: usize, best: &mut Vec<Native>) {
    if depth > DEPTH_MAX {
        return;
    }
    let there = |item: &&Json| !item.as_object().is_some_and(|map| says(map, GONE, true));
    let found: Option<Vec<Native>> = match json {
        Json::Array(items) => items.iter().filter(there).map(|item| field(None, item.as_object()?)).collect(),
        Json::Object(map) => map
            .iter()
            .filter(|(_, item)| there(item))
            .map(|(name, item)| field(Some(name), item.as_object()?))
            .collect(),
        _ => return,
    };
    match found {
        Some(fields) if fields.len() > best.len() => *best = fields,
        Some(_) => {}
        None => match json {
            Json::Array(items) => items.iter().for_each(|item| longest(item, depth.saturating_add(1), best)),
            Json::Object(map) => map.values().for_each(|item| longest(item, depth.saturating_add(1), best)),
            _ => {}
        },
    }
}

/// The value under one of these names, however they are spelt.
fn under<'a>(map: &'a Map<String, Json>, names: &[&str]) -> Option<&'a Json> {
    let plain = |key: &str| key.to_lowercase().replace(['_', '-', ' '], "");
    names.iter().find_map(|name| map.iter().find(|(key, _)| plain(key) == *name)).map(|(_, value)| value)
}

fn text<'a>(map: &'a Map<String, Json>, names: &[&str]) -> Option<&'a str> {
    under(map, names)?.as_str().filter(|text| !text.is_empty())
}

/// Whether one of the names stands there with this value, at the field or one level below it.
fn says(map: &Map<String, Json>, names: &[&str], value: bool) -> bool {
    let here = |map: &Map<String, Json>| under(map, names).and_then(Json::as_bool) == Some(value);
    here(map) || map.values().filter_map(Json::as_object).any(here)
}

/// A field as its list describes it; none where the object is no field.
fn field(key: Option<&String>, map: &Map<String, Json>) -> Option<Native> {
    let name = match key {
        Some(name) => name.as_str(),
        // Beside a key a name is a label.
        None => key_of(map).or_else(|| text(map, NAMES))?,
    };
    let declared = text(map, TYPES)?;
    let number =
        |names: &[&str]| under(map, names).and_then(Json::as_u64).and_then(|it| u32::try_from(it).ok());
    let (create, update) =
        (says(map, &["createable", "creatable"], false), says(map, &["updateable", "updatable"], false));
    let mut native = Native {
        path: vec![name.to_owned()],
        said: said(map, name).chars().take(80).collect(),
        read_only: says(map, READ_ONLY, true) || (create && update),
        hints: Hints {
            declared: declared.to_owned(),
            write: match (create, update) {
                (true, false) => Some(WrittenOn::Update),
                (false, true) => Some(WrittenOn::Create),
                (true, true) | (false, false) => None,
            },
            most: number(&["length", "maxlength", "size"]).filter(|most| *most > 0),
            unasked: says(map, &["filterable", "searchable", "queryable"], false),
            ..Hints::default()
        },
        ..Native::default()
    };
    typed(&mut native, declared);
    if native.number {
        native.hints.scale =
            number(&["scale", "decimals"]).filter(|_| number(&["precision", "digits"]) > Some(0));
    }
    native.examples = under(map, CHOICES).map(choices).unwrap_or_default();
    Some(native)
}

/// What a program calls the field, where people call it something else.
fn key_of(map: &Map<String, Json>) -> Option<&str> {
    let is_word = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    text(map, &["key"]).filter(is_word).filter(|_| text(map, NAMES) != text(map, &["key"]))
}

/// What people call the field.
fn said<'a>(map: &'a Map<String, Json>, name: &str) -> &'a str {
    text(map, LABELS).or_else(|| text(map, NAMES).filter(|other| *other != name)).unwrap_or_default()
}

/// What the words for types mean.
fn typed(native: &mut Native, declared: &str) {
    match declared.to_lowercase().as_str() {
        "string" | "text" | "textarea" | "varchar" | "char" | "id" | "reference" | "many2one"
        | "picklist" | "combobox" | "enumeration" | "enum" | "select" | "selection" | "radio" | "email"
        | "phone" | "url" | "html" => {
            native.text = true;
        }
        "multipicklist" | "multiselect" | "checkboxes" => {
            native.text = true;
            native.hints.doubt = "several values in one text";
        }
        "uuid" | "guid" => (native.text, native.hints.guid) = (true, true),
        "int" | "integer" | "long" | "number" => native.number = true,
        "decimal" | "numeric" | "currency" | "money" | "price" | "double" | "float" | "percent" => {
            native.number = true;
            native.format = "decimal".to_owned();
        }
        "bool" | "boolean" | "checkbox" => native.boolean = true,
        "date" => (native.text, native.format) = (true, "date".to_owned()),
        "datetime" | "date-time" | "date_time" | "timestamp" => {
            (native.text, native.format) = (true, "date-time".to_owned());
        }
        _ => native.hints.doubt = "of a type that is not known here",
    }
}

/// The values of a field that has a choice of them: texts, objects with a value, or pairs of value and label.
fn choices(list: &Json) -> Vec<String> {
    let word = |json: &Json| match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let value = |choice: &Json| match choice {
        Json::Object(map) if says(map, &["active"], false) || says(map, GONE, true) => None,
        Json::Object(map) => under(map, &["value", "id", "name"]).and_then(word),
        Json::Array(pair) => pair.first().and_then(word),
        other => word(other),
    };
    let all = list.as_array().into_iter().flatten().filter_map(value);
    all.filter(|text| !text.is_empty()).take(CHOICES_MAX).collect()
}
