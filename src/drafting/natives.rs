//! What is known of a system's fields: where they stand, of which type they are, what stood in them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    names::flat,
    stands::{self, Stands},
};

/// LIMIT: fields of one description, how deep, and examples kept of each.
const FIELDS_MAX: usize = 2_000;
const DEPTH_MAX: usize = 12;
const EXAMPLES_MAX: usize = 24;

/// The last names of a path into a pair: the number of another record, and its name.
pub(super) const PLACES: [&str; 2] = ["[0]", "[1]"];

/// The format of a moment without a zone, which may be meant as a day.
pub(super) const NAIVE: &str = "naive";

/// One field of a system's records.
#[derive(Clone, Debug, Default)]
pub struct Native {
    /// Names on the way to it; the last is its own.
    pub path: Vec<String>,
    /// How many of them lead to the elements of a list: the field is one of each element.
    pub list: usize,
    /// Whether text, numbers or booleans stood there.
    pub text: bool,
    /// A number.
    pub number: bool,
    /// A boolean.
    pub boolean: bool,
    /// Whether `false` stood there in the place of nothing: among values of another kind.
    pub hollow: bool,
    /// Different values, as they stood.
    pub examples: Vec<String>,
    /// What the system says it means.
    pub said: String,
    /// `date`, `date-time`, `uuid`, `decimal`, where the system says so.
    pub format: String,
    /// Whether the system sets it and nobody else.
    pub read_only: bool,
    /// What a description says beside that.
    pub hints: Hints,
}

/// What a description says of a field beside its name and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Its type in the description's own word.
    pub declared: String,
    /// When alone it can be written.
    pub write: Option<WrittenOn>,
    /// Characters the system keeps.
    pub most: Option<u32>,
    /// Digits after the point the system keeps.
    pub scale: Option<u32>,
    /// Whether the system keeps capital letters only.
    pub upper: bool,
    /// Whether the system refuses to filter or to sort by it.
    pub unasked: bool,
    /// Whether the system knows nothing but texts, so that what is no text need not say so.
    pub all_text: bool,
    /// Whether it is a GUID, which stands without quotes in a question.
    pub guid: bool,
    /// Why a line that names it is never sure; empty where it may be.
    pub doubt: &'static str,
    /// Why no line can read it; empty where one can.
    pub unread: &'static str,
}

/// What of a record that another one names stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointed {
    /// What names it.
    Key,
    /// What people call it.
    Name,
}

/// On which writes alone a field may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenOn {
    /// With a new record.
    Create,
    /// With a change.
    Update,
}

/// All fields of one kind of record.
#[derive(Clone, Debug, Default)]
pub struct Natives {
    fields: BTreeMap<(usize, Vec<String>), Native>,
    /// What an answer says of how it went, where it does.
    pub(super) outcome: Option<Outcome>,
    /// Whether answers are XML, where all values are texts.
    pub(super) is_xml: bool,
    /// The envelope of JSON-RPC around answers, where there is one.
    pub(super) rpc: Option<Rpc>,
    /// What leads from one page to the next, where a page shows it.
    pub(super) next: Option<Next>,
}

/// JSON-RPC, by its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rpc {
    /// Of version 2: an error has a code and a message.
    Two,
    /// Of before that.
    One,
}

/// What leads from one page to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next page's address.
    Link(Vec<String>),
    /// A token, which goes into a parameter of about this name.
    Token(Vec<String>, String),
}

/// LIMIT: how deep beside the records of a page what leads on is looked for.
const BESIDE_DEPTH_MAX: usize = 3;
/// Names of what leads from one page to the next, and whether nothing else is called so.
const NEXT: &[(&str, bool)] = &[
    ("nextcursor", true),
    ("nexttoken", true),
    ("nextpagetoken", true),
    ("nextpage", false),
    ("continuationtoken", true),
    ("nextlink", true),
    ("nexturl", true),
    ("nextpageurl", true),
    ("next", false),
];

impl Next {
    /// What leads on from a page whose rows stand at a path.
    fn of(answer: &Json, rows: &[String]) -> Option<Self> {
        let mut path = Vec::new();
        Self::beside(answer, rows, &mut path)
    }

    fn beside(json: &Json, rows: &[String], path: &mut Vec<String>) -> Option<Self> {
        let map = json.as_object().filter(|_| path.len() < BESIDE_DEPTH_MAX)?;
        for (name, value) in map {
            path.push(name.clone());
            let found = match value {
                _ if path == rows => None,
                Json::Object(_) => Self::beside(value, rows, path),
                value => Self::called(name, value, path),
            };
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn called(name: &str, value: &Json, path: &[String]) -> Option<Self> {
        let plain = flat(name);
        let (_, is_sure) = NEXT.iter().find(|(known, _)| *known == plain)?;
        let is_address =
            |text: &str| text.starts_with("https:") || text.starts_with("http:") || text.starts_with('/');
        match value {
            Json::String(text) if is_address(text) => Some(Self::Link(path.to_vec())),
            Json::Null if *is_sure && (plain.ends_with("link") || plain.ends_with("url")) => {
                Some(Self::Link(path.to_vec()))
            }
            Json::String(_) => Some(Self::Token(path.to_vec(), parameter(name))),
            Json::Null if *is_sure => Some(Self::Token(path.to_vec(), parameter(name))),
            _ => None,
        }
    }
}

/// The parameter that a token goes back in: `next_cursor` goes into `cursor`.
fn parameter(name: &str) -> String {
    let rest = name.strip_prefix("next").map(|rest| rest.trim_start_matches(['_', '-']));
    match rest.and_then(|rest| rest.chars().next().map(|first| (first, rest))) {
        Some((first, rest)) => first.to_lowercase().chain(rest.chars().skip(1)).collect(),
        None => name.to_owned(),
    }
}

/// Names by which an answer says whether it is one.
const FLAGS: &[&str] = &["success", "succeeded", "issuccess", "ok"];
/// Names by which it says why not.
const WORDS: &[&str] = &["message", "messages", "error", "errors", "reason"];

/// A flag beside the records, and the words for when it is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) flag: String,
    /// Their name, and whether they are a list of texts.
    pub(super) words: Option<(String, bool)>,
}

impl Outcome {
    fn of(answer: &serde_json::Map<String, Json>) -> Option<Self> {
        let called = |names: &[&str], name: &str| names.contains(&name.to_lowercase().as_str());
        let (flag, _) = answer.iter().find(|(name, value)| value.is_boolean() && called(FLAGS, name))?;
        let words = answer.iter().filter(|(name, _)| called(WORDS, name)).find_map(|(name, value)| {
            let is_list = value.as_array().map(|texts| texts.iter().all(Json::is_string));
            let is_text = value.is_string() || value.is_null();
            is_list.filter(|texts| *texts).or(is_text.then_some(false)).map(|list| (name.clone(), list))
        });
        Some(Self { flag: flag.clone(), words })
    }
}

impl Natives {
    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = &Native> {
        self.fields.values()
    }

    /// Whether answers are XML.
    pub fn is_xml(&self) -> bool {
        self.is_xml
    }

    /// Learns from a recorded answer that is a document, as a tree.
    pub fn learn_xml(&mut self, answer: &Json, entity: &str) -> Stands {
        self.is_xml = true;
        self.learn_at(answer, Stands::of_xml(answer, entity))
    }

    /// Learns from a recorded answer: one record, or a list of them, whatever stands around.
    pub fn learn(&mut self, answer: &Json, entity: &str) -> Stands {
        if let Json::Object(map) = answer {
            self.outcome = self.outcome.take().or_else(|| Outcome::of(map));
        }
        if stands::result(answer).is_some() {
            let is_two = answer.get("jsonrpc").is_some();
            self.rpc = self.rpc.or(Some(if is_two { Rpc::Two } else { Rpc::One }));
        }
        self.learn_at(answer, Stands::of(answer, entity))
    }

    /// Whether answers stand in the envelope of JSON-RPC.
    pub fn is_rpc(&self) -> bool {
        self.rpc.is_some()
    }

    fn learn_at(&mut self, answer: &Json, stands: Stands) -> Stands {
        let inside = stands.path().iter().try_fold(answer, |json, name| json.get(name));
        if let (Stands::List(rows), false) = (&stands, self.is_xml) {
            self.next = self.next.take().or_else(|| Next::of(answer, rows));
        }
        match (&stands, inside) {
            (Stands::List(_), Some(Json::Array(items))) => items.iter().for_each(|item| self.record(item)),
            (_, Some(record)) => self.record(record),
            (_, None) => {}
        }
        stands
    }

    fn record(&mut self, record: &Json) {
        self.see(&mut Vec::new(), 0, record);
    }

    fn see(&mut self, path: &mut Vec<String>, list: usize, json: &Json) {
        if path.len() > DEPTH_MAX {
            return;
        }
        match json {
            Json::Object(map) => {
                // A name that looks like a place is none that a path could say.
                for (key, value) in map.iter().filter(|(key, _)| !PLACES.contains(&key.as_str())) {
                    path.push(key.clone());
                    self.see(path, list, value);
                    path.pop();
                }
            }
            // A record that another one names, as its number and its name.
            Json::Array(pair) if matches!(pair.as_slice(), [Json::Number(_), Json::String(_)]) => {
                for (place, value) in [PLACES[0], PLACES[1]].into_iter().zip(pair) {
                    path.push(place.to_owned());
                    self.note(path, list, value);
                    path.pop();
                }
            }
            // A list of a list's elements is left to whoever reviews.
            Json::Array(items) if list == 0 && !path.is_empty() => {
                let depth = path.len();
                items.iter().for_each(|item| self.see(path, depth, item));
            }
            Json::Array(_) => {}
            value => self.note(path, list, value),
        }
    }

    fn note(&mut self, path: &[String], list: usize, value: &Json) {
        let all_text = self.is_xml;
        let Some(native) = self.field(path, list) else { return };
        native.hints.all_text = all_text;
        let text = match value {
            Json::String(text) => {
                native.text = true;
                text.clone()
            }
            Json::Number(number) => {
                native.number = true;
                number.to_string()
            }
            Json::Bool(false) if native.text || native.number => {
                native.hollow = !native.boolean;
                return;
            }
            Json::Bool(is) => {
                native.boolean = true;
                is.to_string()
            }
            _ => return,
        };
        // What was taken for a boolean before its first value came is none.
        if (native.text || native.number) && native.boolean && native.examples == ["false"] {
            (native.boolean, native.hollow) = (false, true);
            native.examples.clear();
        }
        if native.examples.len() < EXAMPLES_MAX && !native.examples.contains(&text) {
            native.examples.push(text);
        }
    }

    /// The field at a path, made where it is new; none beyond the bound.
    pub(super) fn field(&mut self, path: &[String], list: usize) -> Option<&mut Native> {
        let key = (list, path.to_vec());
        if !self.fields.contains_key(&key) && self.fields.len() >= FIELDS_MAX {
            return None;
        }
        let native = self.fields.entry(key).or_default();
        if native.path.is_empty() {
            native.path = path.to_vec();
            native.list = list;
        }
        Some(native)
    }
}

impl Native {
    /// Its own name; of an element's own text the element's.
    pub fn name(&self) -> &str {
        self.named().last().map_or("", String::as_str)
    }

    /// The names on the way to it that say something.
    pub(super) fn named(&self) -> &[String] {
        match self.path.split_last() {
            Some((last, before)) if last == "#" => before,
            _ => &self.path,
        }
    }

    /// Names that say what it is where its own says only that it is a record's name or key: `currency.code` is a currency.
    pub(super) fn pointed(&self) -> Option<(Pointed, &[String])> {
        let (last, before) = self.named().split_last()?;
        if before.len() <= self.list {
            return None;
        }
        match &*flat(last) {
            _ if *last == PLACES[0] => Some((Pointed::Key, before)),
            _ if *last == PLACES[1] => Some((Pointed::Name, before)),
            "id" | "uuid" | "guid" => Some((Pointed::Key, before)),
            "name" | "displayname" | "code" | "symbol" | "isocode" => Some((Pointed::Name, before)),
            _ => None,
        }
    }

    /// Whether all that stood there passes, and something did.
    pub(super) fn all(&self, is: impl Fn(&str) -> bool) -> bool {
        let mut given = self.examples.iter().filter(|text| !text.trim().is_empty()).peekable();
        given.peek().is_some() && given.all(|text| is(text))
    }
}
