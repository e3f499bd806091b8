//! The fields of one entity set, and what names a record of it.

use super::{
    csdl::{Csdl, EdmxError, Fact, Property, Set, Type, Version, collection},
    shape::Spoken,
};
use crate::drafting::{
    names,
    natives::{NAIVE, Native, Natives, WrittenOn},
};

/// LIMIT: how deep complex types are followed, and how many types a type descends from.
const DEPTH_MAX: usize = 6;
const BASES_MAX: usize = 16;
/// LIMIT: properties that are looked at: a type may hold itself.
const LOOKED_AT_MAX: usize = 20_000;
/// LIMIT: sets named in an answer.
const NAMED_MAX: usize = 200;

/// One entity set as a description tells it.
#[derive(Debug)]
pub struct Described {
    /// Its name, which is its address.
    pub set: String,
    /// How its records look on the wire.
    pub version: Version,
    /// The parts of its key.
    pub key: Vec<KeyPart>,
    /// Whether its records are said to have a version.
    pub versioned: bool,
    /// Its fields.
    pub natives: Natives,
    /// Paths of its lists, each with whether it is part of the record; others have to be asked for.
    pub(super) lists: Vec<(Vec<String>, bool)>,
    /// Names and fields that are beyond the bounds, or could not be asked for.
    pub left_out: usize,
}

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// Its name.
    pub name: String,
    /// The grammar's word for its form; none for what is neither text, whole number nor GUID.
    pub form: Option<&'static str>,
}

/// What a `$metadata` document says of the set that fits an entity, or of the one that is named.
///
/// # Errors
/// It is not read, or holds no such set.
pub fn described_edmx(bytes: &[u8], entity: &str, set: Option<&str>) -> Result<Described, EdmxError> {
    let csdl = Csdl::read(bytes)?;
    let chosen = chosen(&csdl, entity, set)?;
    let spoken = Spoken::of(csdl.version);
    let mut described = Described {
        set: chosen.name.clone(),
        version: csdl.version,
        key: Vec::new(),
        versioned: false,
        natives: Natives::default(),
        lists: Vec::new(),
        left_out: csdl.left_out,
    };
    let Some(of) = csdl.type_of(&chosen.of) else { return Ok(described) };
    let set_facts = csdl.of_set(chosen);
    let line = line_of(&csdl, of);
    let key = line.iter().map(|of| &of.key).find(|key| !key.is_empty());
    let all = || line.iter().flat_map(|of| &of.properties);
    for name in key.into_iter().flatten() {
        let of = all().find(|property| property.name == *name).map_or("", |property| &property.of);
        described.key.push(KeyPart { name: name.clone(), form: key_form(of) });
    }
    described.versioned = all().any(|property| property.fixed)
        || set_facts.iter().any(|fact| fact.word == "OptimisticConcurrency");
    let unfiltered = restricted(set_facts);
    let mut reading =
        Reading { csdl: &csdl, spoken, described, unfiltered, lists: Vec::new(), left: LOOKED_AT_MAX };
    reading.type_(&mut Vec::new(), 0, of, 0);
    reading.lists();
    reading.navigations(&line);
    Ok(reading.described)
}

/// The set that is meant.
fn chosen<'c>(csdl: &'c Csdl, entity: &str, set: Option<&str>) -> Result<&'c Set, EdmxError> {
    let named = set.and_then(|name| csdl.sets.iter().find(|set| set.name == name));
    if let Some(set) = named {
        return Ok(set);
    }
    let wanted = set_words(set.unwrap_or(entity));
    let likeness = |set: &Set| {
        let of = set.of.rsplit('.').next().unwrap_or_default();
        let of = of.strip_suffix("Type").unwrap_or(of);
        let [by_name, by_type] = [&*set.name, of].map(|name| names::alike(&set_words(name), &wanted));
        by_name.max(by_type * 0.95)
    };
    let best = csdl.sets.iter().map(|set| (likeness(set), set)).filter(|(alike, _)| *alike > 0.6);
    let best = best.max_by(|(a, one), (b, other)| a.total_cmp(b).then(other.name.len().cmp(&one.name.len())));
    best.map(|(_, set)| set).ok_or_else(|| {
        let mut names: Vec<&str> = csdl.sets.iter().map(|set| &*set.name).collect();
        names.sort_unstable();
        let more = names.len().saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        EdmxError::NotNamed { wanted: set.unwrap_or(entity).to_owned(), names: names.join(", ") + &more }
    })
}

/// The words of a set's name; a letter that all sets begin with says nothing.
fn set_words(name: &str) -> Vec<String> {
    let mut words = names::words(name);
    if words.len() > 1 {
        words.retain(|word| word.chars().count() > 1);
    }
    words
}

/// A type with what it descends from.
fn line_of<'c>(csdl: &'c Csdl, of: &'c Type) -> Vec<&'c Type> {
    let mut line = vec![of];
    while let Some(base) = line.last().and_then(|of| csdl.type_of(of.base.as_deref()?)) {
        if line.len() >= BASES_MAX || line.iter().any(|of| std::ptr::eq(*of, base)) {
            break;
        }
        line.push(base);
    }
    line
}

/// How a key's value is written in an address.
fn key_form(of: &str) -> Option<&'static str> {
    match of {
        "Edm.String" => Some("text"),
        "Edm.Guid" => Some("guid"),
        "Edm.Byte" | "Edm.SByte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => Some("digits"),
        _ => None,
    }
}

/// Properties that a set cannot be filtered or sorted by.
fn restricted(facts: &[Fact]) -> Vec<&str> {
    let lists = ["NonFilterableProperties", "NonSortableProperties"];
    let facts = facts.iter().filter(|fact| lists.contains(&&*fact.word));
    facts.flat_map(|fact| fact.paths.iter().map(String::as_str)).collect()
}

struct Reading<'c> {
    csdl: &'c Csdl,
    spoken: Spoken,
    described: Described,
    unfiltered: Vec<&'c str>,
    /// Lists that are part of the record, whose fields come behind its own.
    lists: Vec<(Vec<String>, &'c Type)>,
    left: usize,
}

impl<'c> Reading<'c> {
    /// The fields of a type, and of the complex types in it.
    fn type_(&mut self, path: &mut Vec<String>, list: usize, of: &'c Type, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        for of in line_of(self.csdl, of) {
            for property in &of.properties {
                if self.left == 0 {
                    self.described.left_out = self.described.left_out.saturating_add(1);
                    return;
                }
                self.left = self.left.saturating_sub(1);
                path.push(property.name.clone());
                self.property(path, list, of, property, depth);
                path.pop();
            }
        }
    }

    fn property(
        &mut self,
        path: &mut Vec<String>,
        list: usize,
        owner: &'c Type,
        property: &'c Property,
        depth: usize,
    ) {
        let of = &*property.of;
        match collection(of).map(|of| self.csdl.type_of(of)) {
            // A list of lists, and a list of plain values, are left to whoever reviews.
            Some(Some(of)) if list == 0 => self.lists.push((path.clone(), of)),
            Some(_) => {}
            None => match self.csdl.type_of(of) {
                Some(of) => self.type_(path, list, of, depth.saturating_add(1)),
                None => self.leaf(path, list, owner, property),
            },
        }
    }

    fn lists(&mut self) {
        for (mut path, of) in std::mem::take(&mut self.lists) {
            let list = self.list(&mut path, true);
            self.type_(&mut path, list, of, 1);
        }
    }

    /// The records that belong to one: what leads to many.
    fn navigations(&mut self, line: &[&'c Type]) {
        for navigation in line.iter().flat_map(|of| &of.navigations) {
            let Some((of, true)) = self.csdl.end(navigation) else { continue };
            let mut path = vec![navigation.name.clone()];
            let list = self.list(&mut path, false);
            self.type_(&mut path, list, of, 1);
        }
    }

    /// Begins a list: how many names lead to its elements.
    fn list(&mut self, path: &mut Vec<String>, inline: bool) -> usize {
        if let Some(step) = self.spoken.list_step {
            path.push(step.to_owned());
        }
        self.described.lists.push((path.clone(), inline));
        path.len()
    }

    fn leaf(&mut self, path: &[String], list: usize, owner: &'c Type, property: &'c Property) {
        let members = self.csdl.members(&property.of);
        let kind = match members {
            Some(_) => Kind { text: true, ..Kind::default() },
            None => match self.spoken.kind(property) {
                Some(kind) => kind,
                None => return,
            },
        };
        let facts = self.csdl.of_type(owner, Some(&property.name));
        let is_unfiltered = self.unfiltered.contains(&&*property.name) && path.len() == 1;
        let Some(native) = self.described.natives.field(path, list) else {
            self.described.left_out = self.described.left_out.saturating_add(1);
            return;
        };
        (native.text, native.number, native.boolean) = (kind.text, kind.number, kind.boolean);
        native.format = kind.format.to_owned();
        native.examples = members.unwrap_or_default().to_vec();
        native.said = property.label.clone();
        let hints = &mut native.hints;
        hints.declared = property.of.clone();
        (hints.most, hints.scale) = (property.most, property.scale.filter(|_| property.of == "Edm.Decimal"));
        (hints.guid, hints.upper) = (property.of == "Edm.Guid", property.upper);
        (hints.doubt, hints.unread) = (kind.doubt, kind.unread);
        // A name of an enumeration is no text to a filter of OData.
        hints.unasked = property.denied.filter || property.denied.sort || is_unfiltered || members.is_some();
        annotated(native, property, facts);
    }
}

/// How a type stands in an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    pub(super) text: bool,
    pub(super) number: bool,
    pub(super) boolean: bool,
    pub(super) format: &'static str,
    pub(super) doubt: &'static str,
    pub(super) unread: &'static str,
}

/// What is annotated of a property: when it is written, and what it is called.
fn annotated(native: &mut Native, property: &Property, facts: &[Fact]) {
    let (mut create, mut update) = (property.denied.create, property.denied.update);
    for fact in facts {
        let value = fact.value.as_deref();
        match (&*fact.word, value) {
            ("Computed", None | Some("true")) => (create, update) = (true, true),
            ("Immutable", None | Some("true")) => update = true,
            ("Permissions", Some(value)) if value.ends_with("/Read") => (create, update) = (true, true),
            ("Label" | "Description", Some(value)) if native.said.is_empty() => {
                value.clone_into(&mut native.said)
            }
            _ => {}
        }
    }
    native.read_only = create && update;
    native.hints.write = match (create, update) {
        (false, true) => Some(WrittenOn::Create),
        (true, false) => Some(WrittenOn::Update),
        (true, true) | (false, false) => None,
    };
}

impl Spoken {
    /// How a type of OData stands in an answer; none for what no line reads: binary, streams, places on a map.
    fn kind(self, property: &Property) -> Option<Kind> {
        let text = |format| Kind { text: true, format, ..Kind::default() };
        let number = Kind { number: true, ..Kind::default() };
        let decimal = if self.decimals_as_text { text("decimal") } else { number };
        let moment = |format| Kind { unread: self.no_moments, ..text(format) };
        Some(match &*property.of {
            "Edm.String" => text(""),
            "Edm.Guid" => text("uuid"),
            "Edm.Boolean" => Kind { boolean: true, ..Kind::default() },
            "Edm.Byte" | "Edm.SByte" | "Edm.Int16" | "Edm.Int32" => number,
            "Edm.Int64" | "Edm.Decimal" => decimal,
            "Edm.Single" | "Edm.Double" => Kind { doubt: "a binary float: digits may be lost", ..number },
            "Edm.Date" => text("date"),
            "Edm.DateTimeOffset" => moment("date-time"),
            "Edm.DateTime" if property.day => moment("date"),
            "Edm.DateTime" => Kind { doubt: "a time without a zone", ..moment(NAIVE) },
            _ => return None,
        })
    }
}
