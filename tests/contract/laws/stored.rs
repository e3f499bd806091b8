//! What was sent, as the system holds it and tells it: by what the file says of where records stand.

use std::collections::BTreeMap;

use bramka::{
    mapping::{NativeAnswer, PartRequest},
    words::tree::Node,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

/// What a system says besides, to a reader who looks for it.
const BESIDE: &[(&str, &str, &str)] = &[("wfirma", "<api>", "<status><code>OK</code></status>")];

/// Where records of an entity stand, in requests and in answers.
pub(super) struct Place {
    is_xml: bool,
    /// Steps to `{record}` in the body of a create.
    sent: Vec<String>,
    /// Lists whose elements are made by requests of their own, and where they stand in the record.
    apart: Vec<(String, Vec<String>)>,
    /// The same of a change.
    changed: Vec<String>,
    /// Steps to the record in the answer to a read.
    told: Vec<String>,
    /// Steps to key and version in the record, and a value of the key's form.
    given: Vec<(Vec<String>, &'static str)>,
    /// Native places that the file knows: a system tells of all of them, if only that they are empty.
    known: Vec<Vec<String>>,
    beside: Option<(&'static str, &'static str)>,
    /// Fields that the file puts together of others.
    pub(super) derived: Vec<String>,
    /// Fields that say how others are meant: they go along with those.
    pub(super) switches: Vec<String>,
}

/// A record as it was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Its text alone, JSON; the whole document where it is XML.
    pub(super) record: String,
}

impl Place {
    pub(super) fn of(system: &str, entity: &Node, speaks: Option<&str>) -> Self {
        let template = |call: &str| {
            let template = entity.get(call).and_then(|call| call.get("body"));
            template.and_then(to_record).unwrap_or_default()
        };
        let rows = entity.get("read").and_then(|read| read.get("rows")).and_then(Node::as_text);
        let wrap = entity.get("wrap").and_then(Node::as_text);
        let key = entity.get("key");
        let at = |node: Option<&Node>, or: &str| {
            let node = node.and_then(|node| node.get("at").or(Some(node)));
            steps(node.and_then(Node::as_text).unwrap_or(or))
        };
        let given_of = |part: Option<&Node>| {
            let form = part.and_then(|part| part.get("form")).and_then(Node::as_text);
            let sample = if form == Some("guid") { "0ea6738a-44e3-ea11-bb43-000d3a2feca1" } else { "7" };
            (at(part, "id"), sample)
        };
        let mut given: Vec<_> = match key.and_then(Node::as_list) {
            // A record that does not say its key is named by what it was asked for.
            None if key.and_then(Node::as_text) == Some("$key") => Vec::new(),
            Some(parts) => parts.iter().map(|part| given_of(Some(part))).collect(),
            None => vec![given_of(key)],
        };
        if let Some(version) = entity.get("version") {
            given.push((at(Some(version), ""), "W/\"1\""));
        }
        // What it is changed by, where that is not its key, is the system's to give too.
        if let Some(by) = entity.get("update").and_then(|update| update.get("by")) {
            given.push(given_of(Some(by)));
        }
        let beside = BESIDE.iter().find(|(of, ..)| *of == system).map(|(_, after, text)| (*after, *text));
        Self {
            is_xml: speaks == Some("xml"),
            sent: template("create"),
            apart: apart(entity),
            changed: template("update"),
            told: rows.or(wrap).or((speaks == Some("odata2")).then_some("d")).map(steps).unwrap_or_default(),
            given,
            known: entity.get("fields").map(places).unwrap_or_default(),
            beside,
            derived: entity.get("fields").map(derived).unwrap_or_default(),
            switches: entity.get("fields").map(switches).unwrap_or_default(),
        }
    }

    /// The record in what was sent to make it, and the elements that were sent after it.
    pub(super) fn sent(&self, body: &[u8], parts: &[PartRequest]) -> Sent {
        let Sent { mut record } = self.within(body, &self.sent);
        for (list, steps) in &self.apart {
            let of_list = parts.iter().filter(|part| part.pointer.split('/').nth(1) == Some(list));
            let elements: Vec<_> =
                of_list.map(|part| std::str::from_utf8(&part.request.body).unwrap()).collect();
            if !elements.is_empty() {
                record = with(&record, steps, &format!("[{}]", elements.join(",")));
            }
        }
        Sent { record }
    }

    /// What was sent to change it.
    pub(super) fn changed(&self, body: &[u8]) -> Sent {
        self.within(body, &self.changed)
    }

    fn within(&self, body: &[u8], steps: &[String]) -> Sent {
        let text = std::str::from_utf8(body).unwrap();
        if self.is_xml {
            return Sent { record: text.to_owned() };
        }
        let mut raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        for step in steps {
            raw = match step.parse::<usize>() {
                Ok(at) => serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).unwrap().swap_remove(at),
                Err(_) => object(&raw).unwrap().remove(step).unwrap_or_else(|| panic!("{step}: {text}")),
            };
        }
        Sent { record: raw.get().to_owned() }
    }

    /// A record that holds nothing.
    pub(super) fn nothing(&self) -> String {
        if !self.is_xml {
            return "{}".to_owned();
        }
        let open: String = self.told.iter().map(|step| format!("<{step}>")).collect();
        let close: String = self.told.iter().rev().map(|step| format!("</{step}>")).collect();
        open + &close
    }

    /// A record after a change, as systems that keep what is not sent hold it; none where it is XML.
    pub(super) fn over(&self, stored: &str, change: &str) -> Option<String> {
        (!self.is_xml).then(|| over(stored, change))
    }

    /// The answer to a read of what the system holds.
    pub(super) fn told(&self, record: &str) -> String {
        if self.is_xml {
            return self.told_in_xml(record);
        }
        let mut told = record.to_owned();
        for (steps, value) in &self.given {
            told = with(&told, steps, &serde_json::to_string(value).unwrap());
        }
        for steps in &self.known {
            told = with(&told, steps, "null");
        }
        for step in self.told.iter().rev() {
            told = match step.parse::<usize>() {
                Ok(_) => format!("[{told}]"),
                Err(_) => format!("{{{}:{told}}}", serde_json::to_string(step).unwrap()),
            };
        }
        told
    }

    fn told_in_xml(&self, document: &str) -> String {
        let record = self.told.last().unwrap();
        let start = element(document, record).unwrap_or_else(|| panic!("{record}: {document}"));
        let end = start + document[start..].find('>').unwrap();
        // An element that holds nothing is opened.
        let (head, tail) = document.split_at(end);
        let (open, tail) = match head.strip_suffix('/') {
            Some(head) => (format!("{head}>"), format!("</{record}>{}", &tail[1..])),
            None => (format!("{head}>"), tail[1..].to_owned()),
        };
        let mut given = String::new();
        for (steps, value) in &self.given {
            let (name, above) = steps.split_last().unwrap();
            let first = steps.first().unwrap();
            if !has_child(&tail, first) {
                let wrap = |inner: String, step: &String| format!("<{step}>{inner}</{step}>");
                let own = format!("<{name}>{value}</{name}>");
                given.push_str(&above.iter().rev().fold(own, wrap));
            }
        }
        for steps in &self.known {
            let [name] = steps.as_slice() else { continue };
            if !has_child(&tail, name) {
                given.push_str(&format!("<{name}/>"));
            }
        }
        let told = format!("{open}{given}{tail}");
        match self.beside {
            Some((after, text)) => told.replacen(after, &format!("{after}{text}"), 1),
            None => told,
        }
    }
}

/// Whether an element of that name stands in what follows, in nothing else of it, before the end of what holds it.
fn has_child(inside: &str, name: &str) -> bool {
    let mut depth = 0_usize;
    for tag in inside.split('<').skip(1).filter(|tag| !tag.starts_with(['!', '?'])) {
        let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
        if tag.starts_with('/') {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            }
            continue;
        }
        let is_it = tag.trim_end_matches('/').split_whitespace().next() == Some(name);
        if depth == 0 && is_it {
            return true;
        }
        depth += usize::from(!tag.ends_with('/'));
    }
    false
}

/// Where an element of a document begins.
fn element(document: &str, name: &str) -> Option<usize> {
    let begins = [">", "/>", " "].map(|end| document.find(&format!("<{name}{end}")));
    begins.into_iter().flatten().min()
}

/// An answer with a body.
pub(super) fn answer(body: &str) -> NativeAnswer {
    NativeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received: None,
        over: None,
    }
}

/// The lists of `create` with `parts`, and where each stands.
fn apart(entity: &Node) -> Vec<(String, Vec<String>)> {
    let parts = entity.get("create").and_then(|create| create.get("parts")).and_then(Node::as_map);
    let at = |list: &str| Some(steps(entity.get("fields")?.get(list)?.get("each")?.as_text()?));
    parts
        .unwrap_or_default()
        .iter()
        .filter_map(|(list, _)| Some((list.text.clone(), at(&list.text)?)))
        .collect()
}

/// A native path as its steps: `a.b[0]`, with `\.` for a point of a name.
fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut chars = path.chars();
    while let Some(char) = chars.next() {
        let last = steps.last_mut().unwrap();
        match char {
            '\\' => last.extend(chars.next()),
            '.' | '[' => steps.push(String::new()),
            ']' => {}
            char => last.push(char),
        }
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// The plain native places of lines: names, and names in names.
fn places(lines: &Node) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut note = |path: Option<&str>| {
        let is_plain =
            |path: &&str| !path.is_empty() && !path.contains(['=', '$', '[', '@', '#', '{', ' ', '*']);
        found.extend(path.filter(is_plain).map(steps));
    };
    // A switch is no field.
    let lines = lines.as_map().unwrap_or_default().iter().filter(|(key, _)| !key.text.starts_with('$'));
    let lines: Vec<&Node> = lines.map(|(_, node)| node).collect();
    for node in &lines {
        note(node.as_text());
        note(node.get("at").and_then(Node::as_text));
        note(node.get("else").filter(|_| node.get("join").is_some()).and_then(Node::as_text));
        let parts = node.get("join").and_then(Node::as_list).unwrap_or_default();
        parts.iter().for_each(|part| note(part.as_text()));
    }
    let words = ["at", "join", "each", "first", "calc", "split", "pattern"];
    let is_group = |node: &&Node| words.iter().all(|word| node.get(word).is_none());
    let slots = lines.iter().flat_map(|node| node.as_list().unwrap_or_default());
    let groups = lines.iter().copied().filter(is_group);
    found.extend(slots.chain(groups).flat_map(places));
    found
}

/// Fields of a record whose lines say how they are worked out.
fn derived(lines: &Node) -> Vec<String> {
    let is_derived = |node: &Node| ["join", "first", "calc"].iter().any(|word| node.get(word).is_some());
    let lines = lines.as_map().unwrap_or_default().iter();
    lines.filter(|(_, node)| is_derived(node)).map(|(key, _)| key.text.clone()).collect()
}

/// Fields that stand where a line's `when` looks.
fn switches(lines: &Node) -> Vec<String> {
    let mut places = Vec::new();
    whens(lines, &mut places);
    let mut found = Vec::new();
    at_places(lines, "", &places, &mut found);
    found
}

fn whens(node: &Node, into: &mut Vec<String>) {
    for (key, inner) in node.as_map().unwrap_or_default() {
        if matches!(key.text.as_str(), "when" | "$when") {
            let keys = inner.as_map().unwrap_or_default().iter();
            into.extend(keys.map(|(key, _)| key.text.trim_start_matches("$up.").to_owned()));
        }
        whens(inner, into);
    }
    node.as_list().unwrap_or_default().iter().for_each(|inner| whens(inner, into));
}

fn at_places(lines: &Node, under: &str, places: &[String], into: &mut Vec<String>) {
    for (key, node) in lines.as_map().unwrap_or_default() {
        let path = format!("{under}{}", key.text);
        match node.as_text().or_else(|| node.get("at").and_then(Node::as_text)) {
            Some(at) if places.iter().any(|place| place == at) => into.push(path),
            Some(_) => {}
            None => at_places(node.get("fields").unwrap_or(node), &format!("{path}."), places, into),
        }
    }
}

/// Where a template has its `{record}`.
fn to_record(template: &Node) -> Option<Vec<String>> {
    if template.as_text() == Some("{record}") {
        return Some(Vec::new());
    }
    // Its names may stand beside others.
    if template.as_map().unwrap_or_default().iter().any(|(key, _)| key.text == "{record}") {
        return Some(Vec::new());
    }
    let under = |step: String, node: &Node| {
        let mut steps = to_record(node)?;
        steps.insert(0, step);
        Some(steps)
    };
    let list = template.as_list().unwrap_or_default().iter().enumerate();
    let map = template.as_map().unwrap_or_default();
    list.filter_map(|(at, node)| under(at.to_string(), node))
        .chain(map.iter().filter_map(|(key, node)| under(key.text.clone(), node)))
        .next()
}

type Fields = BTreeMap<String, Box<RawValue>>;

fn object(raw: &RawValue) -> Option<Fields> {
    serde_json::from_str(raw.get()).ok()
}

/// An object with a value at a place, unless one stands there.
fn with(text: &str, steps: &[String], value: &str) -> String {
    let Some((first, rest)) = steps.split_first() else { return text.to_owned() };
    let Ok(mut fields) = serde_json::from_str::<Fields>(text) else { return text.to_owned() };
    let inner = match (fields.get(first), rest.is_empty()) {
        (Some(_), true) => return text.to_owned(),
        (None, true) => value.to_owned(),
        (known, false) => with(known.map_or("{}", |raw| raw.get()), rest, value),
    };
    fields.insert(first.clone(), RawValue::from_string(inner).unwrap());
    serde_json::to_string(&fields).unwrap()
}

/// By what an element of a list is known.
const KNOWN_BY: [&str; 3] = ["id", "key", "attribute_code"];

/// Objects are merged, elements of a list that are known come over those that are the same; anything else takes the place
/// of what was there.
fn over(stored: &str, change: &str) -> String {
    let of = |text: &str| serde_json::from_str::<Fields>(text).ok();
    if let (Some(mut stored), Some(change)) = (of(stored), of(change)) {
        for (name, value) in change {
            let merged = match stored.get(&name) {
                Some(known) => over(known.get(), value.get()),
                None => value.get().to_owned(),
            };
            stored.insert(name, RawValue::from_string(merged).unwrap());
        }
        return serde_json::to_string(&stored).unwrap();
    }
    let list = |text: &str| serde_json::from_str::<Vec<Box<RawValue>>>(text).ok();
    let (Some(mut stored), Some(items)) = (list(stored), list(change)) else { return change.to_owned() };
    let name = |item: &RawValue| {
        let fields = object(item)?;
        KNOWN_BY.iter().find_map(|by| Some((*by, fields.get(*by)?.get().to_owned())))
    };
    if items.iter().any(|item| name(item).is_none()) {
        return change.to_owned();
    }
    for item in items {
        match stored.iter_mut().find(|known| name(known) == name(&item)) {
            Some(known) => *known = RawValue::from_string(over(known.get(), item.get())).unwrap(),
            None => stored.push(item),
        }
    }
    serde_json::to_string(&stored).unwrap()
}
