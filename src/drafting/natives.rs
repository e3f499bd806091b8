//! What is known of a system's fields: where they stand, of which type they are, what stood in them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::stands::Stands;

/// LIMIT: fields of one description, how deep, and examples kept of each.
const FIELDS_MAX: usize = 2_000;
const DEPTH_MAX: usize = 12;
const EXAMPLES_MAX: usize = 24;

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
        self.learn_at(answer, Stands::of(answer, entity))
    }

    fn learn_at(&mut self, answer: &Json, stands: Stands) -> Stands {
        let inside = stands.path().iter().try_fold(answer, |json, name| json.get(name));
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
                for (key, value) in map {
                    path.push(key.clone());
                    self.see(path, list, value);
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
            Json::Bool(is) => {
                native.boolean = true;
                is.to_string()
            }
            _ => return,
        };
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

    /// Whether all that stood there passes, and something did.
    pub(super) fn all(&self, is: impl Fn(&str) -> bool) -> bool {
        let mut given = self.examples.iter().filter(|text| !text.trim().is_empty()).peekable();
        given.peek().is_some() && given.all(|text| is(text))
    }
}
