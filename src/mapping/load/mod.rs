//! A system's file becomes compiled mappings; every mistake is told at once, with its place.

mod actions;
mod addresses;
mod also;
mod batches;
pub(super) mod bodies;
mod calls;
mod cells;
mod choices;
mod elements;
mod entity;
mod entries;
mod fields;
mod finds;
pub(super) mod forms;
mod headers;
mod jq;
mod key;
mod keyed;
mod lacks;
mod lines;
mod lists;
mod live;
mod merged;
mod money;
mod needs;
mod over;
mod pages;
mod parts;
mod refs;
mod sets;
mod settings;
mod switches;
mod texts;
mod tuples;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use self::tuples::KeyWords;
use super::{
    check::Sample,
    codec::{Charset, Clear, Forms, Nothing, Wire},
    dialect::Dialect,
    errors::Errors,
    finding::Find,
    live::LiveTable,
    model::{CommandWords, Mapping, Speaks, Words},
    tagged::Tags,
    time::{Day, Moment},
    xml::{self, Soap},
};
use crate::{
    schema::{FieldSet, LeafId, LeafKind, Schema},
    words::{
        Diagnostic, Diagnostics, EntityName, SystemName,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

pub(super) use elements::Written;
pub(super) use lacks::Lacks;

yaml_words! {
    /// A family of conventions.
    enum SpeaksWord {
        /// JSON with addresses of its own.
        Json = "json",
        /// OData 4.
        Odata4 = "odata4",
        /// OData 2.
        Odata2 = "odata2",
        /// XML with addresses of its own.
        Xml = "xml",
        /// XML in envelopes of SOAP 1.1.
        Soap11 = "soap11",
        /// XML in envelopes of SOAP 1.2.
        Soap12 = "soap12",
    }

    /// How numbers and booleans travel.
    enum Numbers {
        /// As JSON has them.
        Json = "json",
        /// As text.
        Text = "text",
    }
}

/// One system's mappings.
#[derive(Debug)]
pub struct System {
    name: SystemName,
    entities: HashMap<EntityName, Arc<Mapping>>,
    /// Value tables that it tells itself.
    live: Vec<Arc<LiveTable>>,
}

impl System {
    /// The top-level keys of a system's file that are this room's; the others belong to those who connect.
    pub const KEYS: &[&str] = &[
        "speaks",
        "namespaces",
        "envelope",
        "numbers",
        "time_zone",
        "settings",
        "tagged",
        "commands",
        "finds",
        "absent",
        "clear",
        "tables",
        "errors",
        "filters",
        "entities",
    ];

    /// Compiles the mapping part of a system's file. `bases` are the addresses under which the system is
    /// reached: a link to the next page must stay under one of them.
    pub fn load(
        name: &SystemName,
        node: &Node,
        bases: &[url::Url],
        schema: &Schema,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let before = found.0.len();
        let common = Common::read(node, found)?;
        let mut defaults = common.defaults;
        let words = Arc::new(Words {
            speaks: common.speaks,
            xml: common.xml,
            errors: common.errors,
            absent: defaults.absent.get("any").cloned().unwrap_or_default(),
            bases: bases.to_vec(),
        });
        defaults.live = live::load(name, node.get("tables"), &words, &defaults, found);
        let mut mappings = Vec::new();
        for (key, node) in node.get("entities").and_then(Node::as_map).unwrap_or_default() {
            let Some(entity) = schema.entity(&key.text) else {
                found.push(
                    Diagnostic::error(&key.place, format!("entity `{}` is not in the schema", key.text))
                        .suggest(&key.text, schema.entities().iter().map(|e| e.name.as_str())),
                );
                continue;
            };
            if let Some(mut mapping) = entity::load((name, &words), entity, node, &defaults, found) {
                mapping.check_watched(found);
                mapping.check_keys(node, found);
                mapping.spell_bounds();
                mapping.check_bounds(node, found);
                mappings.push(mapping);
            }
        }
        let live = defaults.told(found);
        let mut entities = HashMap::new();
        for mut mapping in mappings {
            mapping.elsewhere.live = live::leaves(&live, &mapping.entity);
            entities.insert(mapping.entity.name.clone(), Arc::new(mapping));
        }
        let failed = found.0.iter().skip(before).any(|d| d.severity == crate::words::Severity::Error);
        (!failed).then(|| Self { name: name.clone(), entities, live })
    }

    /// The system's name.
    pub fn name(&self) -> &SystemName {
        &self.name
    }

    /// The mapping of an entity, when this system keeps it.
    pub fn entity(&self, name: &str) -> Option<&Arc<Mapping>> {
        self.entities.get(name)
    }

    /// Leaves whole fields of an entity to another system; see [`Mapping::leave`]. While a bundle is put together nobody
    /// else has a mapping of it.
    pub fn leave(&mut self, entity: &str, fields: &FieldSet, told: &FieldSet, on: LeafId) {
        if let Some(mapping) = self.entities.get_mut(entity).and_then(Arc::get_mut) {
            mapping.leave(fields, told, on);
        }
    }

    /// Value tables that the system tells itself.
    pub fn live(&self) -> &[Arc<LiveTable>] {
        &self.live
    }

    /// Lets lines go by the samples of such tables, for those who read samples and ask nobody.
    pub fn rehearse(&self) {
        for table in &self.live {
            // What does not read is told by a check.
            drop(table.rehearse());
        }
    }

    /// Every mapping.
    pub fn mappings(&self) -> impl Iterator<Item = &Arc<Mapping>> {
        self.entities.values()
    }
}

/// What the lines of all entities start from.
pub(super) struct Defaults {
    pub(super) speaks: Speaks,
    /// The envelopes around XML.
    pub(super) soap: Option<Soap>,
    /// How numbers, days and moments are spelt where a line does not say.
    pub(super) forms: Forms,
    /// Whether the file names namespaces of XML.
    pub(super) has_namespaces: bool,
    /// Whether the file names the zone of times that tell none.
    pub(super) has_zone: bool,
    pub(super) text_numbers: bool,
    /// Values that travel as objects.
    tags: Tags,
    settings: HashMap<String, String>,
    absent: HashMap<String, Nothing>,
    clear: HashMap<String, Clear>,
    tables: HashMap<String, Node>,
    pub(super) dialects: HashMap<String, Arc<Dialect>>,
    /// Dialects that are there and did not load: why was told where they stand, and is not told again where they are named.
    unloaded: HashSet<String>,
    /// What is sent for an element of a native list, where it is not the list itself.
    commands: Option<Arc<CommandWords>>,
    /// Searches for keys.
    finds: HashMap<String, Arc<Find>>,
    /// Tables that the system tells itself.
    live: HashMap<String, live::Draft>,
    /// What keys of the file's records are made of.
    keys: KeyWords,
    /// Searches that are there and did not load.
    lost: HashSet<String>,
}

struct Common {
    speaks: Speaks,
    xml: Option<Arc<xml::Names>>,
    errors: Errors,
    defaults: Defaults,
}

impl Common {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        if node.as_map().is_none() {
            expected(node, "a map", found);
            return None;
        }
        let word = node.get("speaks").map_or(Some(SpeaksWord::Json), |node| SpeaksWord::read(node, found))?;
        let speaks = match word {
            SpeaksWord::Json => Speaks::Json,
            SpeaksWord::Odata4 => Speaks::Odata4,
            SpeaksWord::Odata2 => Speaks::Odata2,
            SpeaksWord::Xml | SpeaksWord::Soap11 | SpeaksWord::Soap12 => Speaks::Xml,
        };
        let soap = match word {
            SpeaksWord::Soap11 => Some(Soap::V11),
            SpeaksWord::Soap12 => Some(Soap::V12),
            SpeaksWord::Json | SpeaksWord::Odata4 | SpeaksWord::Odata2 | SpeaksWord::Xml => None,
        };
        let xml = (speaks == Speaks::Xml).then(|| xml::namespaces(node.get("namespaces"), soap, found));
        if let (None, Some(node)) = (&xml, node.get("namespaces")) {
            found.error(&node.place, "only a system that speaks `xml` has `namespaces`");
        }
        let numbers = node.get("numbers").map_or(Some(Numbers::Json), |node| Numbers::read(node, found));
        let (dialects, unloaded) = dialects(speaks, node.get("filters"), found);
        let texts = |node: Option<&Node>, found: &mut Diagnostics| -> HashMap<String, String> {
            let read = |(key, node): &(tree::Key, Node), found: &mut Diagnostics| {
                String::read(node, found).map(|text| (key.text.clone(), text))
            };
            pairs(node, found).iter().filter_map(|pair| read(pair, found)).collect()
        };
        let zone = node.get("time_zone").map(|node| forms::time_zone(node, found));
        let has_zone = zone.is_some();
        let mut defaults = Defaults {
            speaks,
            soap,
            has_namespaces: node.get("namespaces").is_some(),
            forms: forms_of(speaks, zone.flatten()),
            has_zone,
            text_numbers: numbers? == Numbers::Text || speaks == Speaks::Xml,
            tags: tags(node.get("tagged"), speaks, found),
            settings: texts(node.get("settings"), found),
            absent: absents(node.get("absent"), found),
            clear: clears(node.get("clear"), found),
            tables: live::fixed(node.get("tables"), found),
            dialects,
            unloaded,
            commands: None,
            finds: HashMap::new(),
            live: HashMap::new(),
            keys: KeyWords::default(),
            lost: HashSet::new(),
        };
        defaults.keys = KeyWords::read(node.get("entities"), &defaults.settings);
        // ORDER: all are made of what was read above.
        let xml = enveloped(xml, node, &defaults, found);
        let errors = Errors::load(node.get("errors"), xml.as_ref(), found);
        defaults.commands = finds::commands(node.get("commands"), &defaults, found);
        (defaults.finds, defaults.lost) = finds::load(node.get("finds"), &defaults, found);
        Some(Self { speaks, xml, errors, defaults })
    }
}

/// Every dialect of a file by its name, those that its conventions bring along, and the names of those that do not load.
fn dialects(
    speaks: Speaks,
    node: Option<&Node>,
    found: &mut Diagnostics,
) -> (HashMap<String, Arc<Dialect>>, HashSet<String>) {
    let mut dialects = HashMap::new();
    match speaks {
        Speaks::Json | Speaks::Xml => {}
        Speaks::Odata4 => {
            dialects.insert("odata4".to_owned(), Arc::new(Dialect::odata4()));
        }
        Speaks::Odata2 => {
            dialects.insert("odata2".to_owned(), Arc::new(Dialect::odata2()));
        }
    }
    let mut unloaded = HashSet::new();
    for (key, node) in pairs(node, found) {
        match Dialect::load(node, found) {
            Some(dialect) => {
                dialects.insert(key.text.clone(), Arc::new(dialect));
            }
            None => {
                unloaded.insert(key.text.clone());
            }
        }
    }
    (dialects, unloaded)
}

/// The names of a system's XML, with what stands in its envelopes.
fn enveloped(
    mut xml: Option<xml::Names>,
    node: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Arc<xml::Names>> {
    if let Some(node) = node.get("envelope") {
        xml::envelope(xml.as_mut().filter(|_| defaults.soap.is_some()), node, defaults, found);
    }
    xml.map(Arc::new)
}

/// Values that travel as objects, in JSON.
fn tags(node: Option<&Node>, speaks: Speaks, found: &mut Diagnostics) -> Tags {
    match (node, speaks) {
        (Some(node), Speaks::Xml) => {
            found.error(&node.place, "only values in JSON are `tagged`");
            Tags::default()
        }
        (node, _) => Tags::load(node, found),
    }
}

/// The forms of a family of conventions.
fn forms_of(speaks: Speaks, zone: Option<jiff::tz::TimeZone>) -> Forms {
    let plain = Forms { zone: zone.unwrap_or(jiff::tz::TimeZone::UTC), ..Forms::default() };
    match speaks {
        Speaks::Json | Speaks::Odata4 | Speaks::Xml => plain,
        Speaks::Odata2 => Forms { moment: Moment::MsDate, day: Day::MsDate, ..plain },
    }
}

/// The types that `absent` and `clear` speak of.
const TYPES: &[&str] = &["any", "text", "code", "id", "decimal", "integer", "boolean", "date", "instant"];

fn absents(node: Option<&Node>, found: &mut Diagnostics) -> HashMap<String, Nothing> {
    let mut out = HashMap::new();
    for (key, node) in pairs(node, found) {
        known_type(key, found);
        out.insert(key.text.clone(), nothing(node, found));
    }
    out
}

/// Spellings of nothing: texts, and JSON's `false` where that stands without quotes.
fn nothing(node: &Node, found: &mut Diagnostics) -> Nothing {
    let one = std::slice::from_ref(node);
    let (is, texts): (Vec<&Node>, Vec<&Node>) =
        node.as_list().unwrap_or(one).iter().partition(|node| is_false(node));
    let texts = texts.into_iter().filter_map(|node| String::read(node, found)).map(Into::into).collect();
    Nothing::new(texts, !is.is_empty())
}

fn is_false(node: &Node) -> bool {
    matches!(&node.value, tree::Value::Scalar(scalar) if !scalar.quoted && scalar.text == "false")
}

fn clears(node: Option<&Node>, found: &mut Diagnostics) -> HashMap<String, Clear> {
    let mut out = HashMap::new();
    for (key, node) in pairs(node, found) {
        known_type(key, found);
        let clear = match &node.value {
            tree::Value::Null => Clear::Null,
            tree::Value::Scalar(_) if is_false(node) => Clear::False,
            tree::Value::Scalar(scalar) => Clear::Text(scalar.text.as_str().into()),
            tree::Value::List(_) | tree::Value::Map(_) => {
                expected(node, "a text or `null`", found);
                continue;
            }
        };
        out.insert(key.text.clone(), clear);
    }
    out
}

fn known_type(key: &tree::Key, found: &mut Diagnostics) {
    if !TYPES.contains(&key.text.as_str()) {
        found.push(
            Diagnostic::error(&key.place, format!("`{}` is no type of field", key.text))
                .suggest(&key.text, TYPES.iter().copied()),
        );
    }
}

impl Defaults {
    fn absent(&self, kind: &LeafKind) -> Nothing {
        let of = |name: &str| self.absent.get(name).cloned().unwrap_or_default();
        // What is said of all types is not said of a value that a boolean has.
        let any = of("any");
        let any = if *kind == LeafKind::Boolean { any.without_false() } else { any };
        any.and(&of(kind_name(kind)))
    }

    fn clear(&self, kind: &LeafKind) -> Clear {
        let of = |name: &str| self.clear.get(name).cloned();
        let any = || match of("any") {
            Some(Clear::Text(text)) => Some(Clear::AnyText(text)),
            other => other,
        };
        of(kind_name(kind)).or_else(any).unwrap_or(Clear::Refused)
    }

    fn wire(&self, kind: &LeafKind) -> Wire {
        match kind {
            // OData 2 writes decimals as text, whole numbers of 32 bits as numbers.
            LeafKind::Decimal if self.speaks == Speaks::Odata2 => Wire::Text,
            LeafKind::Decimal | LeafKind::Integer if !self.text_numbers => Wire::Number,
            LeafKind::Boolean if !self.text_numbers => Wire::Boolean,
            LeafKind::Decimal
            | LeafKind::Integer
            | LeafKind::Boolean
            | LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Date
            | LeafKind::Instant => Wire::Text,
        }
    }

    fn charset(&self) -> Charset {
        match self.speaks {
            Speaks::Json | Speaks::Odata4 | Speaks::Odata2 => Charset::All,
            Speaks::Xml => Charset::Xml,
        }
    }

    /// A text of the file, in which `$settings.name` stands for a setting.
    fn setting<'t>(&'t self, text: &'t str, node: &Node, found: &mut Diagnostics) -> Option<&'t str> {
        let Some(name) = text.strip_prefix("$settings.") else { return Some(text) };
        let value = self.settings.get(name);
        if value.is_none() {
            found.push(
                Diagnostic::error(&node.place, format!("setting `{name}` is not in `settings`"))
                    .suggest(name, self.settings.keys().map(String::as_str)),
            );
        }
        value.map(String::as_str)
    }
}

fn kind_name(kind: &LeafKind) -> &'static str {
    match kind {
        LeafKind::Text { .. } => "text",
        LeafKind::Code(_) => "code",
        LeafKind::Id => "id",
        LeafKind::Decimal => "decimal",
        LeafKind::Integer => "integer",
        LeafKind::Boolean => "boolean",
        LeafKind::Date => "date",
        LeafKind::Instant => "instant",
    }
}

/// The pairs of a map that may be left out.
pub(super) fn pairs<'n>(node: Option<&'n Node>, found: &mut Diagnostics) -> &'n [(tree::Key, Node)] {
    match node {
        None => &[],
        Some(node) => node.as_map().unwrap_or_else(|| {
            if !matches!(node.value, tree::Value::Null) {
                expected(node, "a map", found);
            }
            &[]
        }),
    }
}

/// A native path that must be there.
pub(super) fn path(node: &Node, found: &mut Diagnostics) -> Option<super::path::Path> {
    let Some(text) = node.as_text() else {
        expected(node, "a path", found);
        return None;
    };
    match super::path::Path::parse(text) {
        Ok(path) => Some(path),
        Err(why) => {
            found.error(&node.place, why);
            None
        }
    }
}

/// A place in an answer: a path, or `.` for all of it.
pub(super) fn place(node: &Node, found: &mut Diagnostics) -> Option<super::path::Path> {
    match node.as_text() {
        Some(".") => Some(super::path::Path::default()),
        _ => path(node, found),
    }
}

/// A path under a key, if the key is there.
pub(super) fn path_at(
    keys: &mut Keys<'_>,
    key: &'static str,
    found: &mut Diagnostics,
) -> Option<super::path::Path> {
    keys.take(key).and_then(|node| path(node, found))
}

pub(super) use lines::shown as written;

/// The samples of an entity.
fn samples(node: Option<&Node>, found: &mut Diagnostics) -> Vec<Sample> {
    node.and_then(|node| Vec::read(node, found)).unwrap_or_default()
}
