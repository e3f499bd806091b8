//! One entity of a system's file: how its records are named, asked for and written.

use std::sync::Arc;

use super::{
    Defaults, calls,
    elements::narrows,
    fields::{FilterLine, Lines, Loader},
    finds, lacks, lists, pairs, path, path_at,
};
use crate::{
    mapping::{
        check::Sample,
        model::{
            Around, Filterable, Key, KeyForm, Line, Mapping, Named, Narrow, ObjectPart, Part, Select,
            SelectName, Source, Speaks, Version, Words,
        },
        out::Out,
        path::{Path, Step, joined},
        trie::{Frame, KEYS_MAX},
        watched::Watched,
        xml,
    },
    schema::{Entity, FieldSet, LeafId, Value},
    words::{
        Diagnostics, SystemName,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

yaml_words! {
    /// What a key may look like.
    enum KeyWord {
        /// Any text.
        Text = "text",
        /// Decimal digits.
        Digits = "digits",
        /// A GUID.
        Guid = "guid",
    }
}

/// How names are asked for, as written.
pub(super) struct SelectWords {
    query: Option<String>,
    expand: Option<String>,
    pub(super) under: Option<Path>,
    /// Whether a name is the whole path, with dots.
    dotted: bool,
    /// Whether what is expanded is named among the fields too.
    with_expanded: bool,
}

pub(super) fn load(
    system: &SystemName,
    entity: &Arc<Entity>,
    node: &Node,
    words: &Arc<Words>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Mapping> {
    let mut keys = Keys::of(node, found)?;
    let at = address(&mut keys, node, entity, found);
    let mut frame = Frame::default();
    let key = key(&mut keys, &mut frame, found);
    let version = version(&mut keys, &mut frame, found);
    let (set, set_found) = finds::set_found(keys.take("set"), defaults, found);
    let (narrow, set) = (narrows(keys.take("where"), &mut frame, found), constants(set.as_ref(), found));
    let select = select_words(&mut keys, defaults, found);
    let fields: Option<Node> = keys.required("fields", found);
    let mut loader = Loader::new(entity, defaults, found);
    let root =
        fields.map(|fields| loader.object(&entity.root, &fields, &mut frame, false)).unwrap_or_default();
    let sets = set.iter().map(|(path, _)| path).chain(set_found.iter().map(|set| &set.at));
    for path in sets.chain(narrow.iter().map(|n| &n.at)) {
        loader.writes(path, "set", &node.place);
    }
    let Loader { lines, written, finds, .. } = loader;
    let lists = lists::load(&mut keys, &at, defaults, found);
    let [read, create, update, delete] = calls::load(&mut keys, defaults, found);
    let xml = xml::record(&mut keys, words, [&read, &create, &update], node, found);
    let (samples, watched) = beside(&mut keys, entity, found);
    let lacks = lacks::load(&mut keys, &lists, [&read, &create, &update, &delete], found);
    keys.finish(found);
    // ORDER: every key has been asked for by now, so that all mistakes of the entity are told.
    let key = key?;
    let named = select.as_ref().is_some_and(|select| select.query.is_none());
    calls::fit_together(node, (key.form, named), [&read, &update, &delete], &lists, found);
    calls::guarded(node, version.as_ref(), [&update, &delete], found);
    let filters = filters(entity, &lines, select.as_ref(), defaults.speaks);
    no_ambiguous_slots(&root, node, found);
    let (unmapped, pointers) = (unmapped(entity, &root), pointers(entity, &root));
    let key_name = filter_name(&key.at, select.as_ref(), defaults.speaks).map(Into::into);
    let select = select.map(|words| select_of(words, &lines, &key, version.as_ref(), &narrow));
    finish(&mut frame, node, found);
    xml::check(words, &frame.root, &written, ([&read, &create, &update, &delete], &lists), node, found);
    let around = around(&frame, node, found);
    Some(Mapping {
        system: system.clone(),
        entity: entity.clone(),
        words: words.clone(),
        at,
        key,
        version,
        record: frame.root,
        frame: frame.slots,
        tags: tags(&root),
        root,
        around,
        unmapped,
        pointers,
        key_name,
        narrow,
        set,
        finds: finds || !set_found.is_empty(),
        set_found,
        select,
        filters,
        lists,
        read,
        create,
        update,
        delete,
        lacks,
        samples,
        xml,
        watched,
    })
}

fn finish(frame: &mut Frame, node: &Node, found: &mut Diagnostics) {
    if !frame.finish() {
        found.error(&node.place, format!("more than {KEYS_MAX} names under one native object"));
    }
}

/// What records are given of the answers they come in.
fn around(record: &Frame, node: &Node, found: &mut Diagnostics) -> Option<Around> {
    let (mut frame, mut slots, mut heads) = (Frame::default(), Vec::new(), Vec::new());
    for (steps, to) in &record.outside {
        match steps.as_slice() {
            [Step::Answer, rest @ ..] => slots.push((frame.slot(rest), *to)),
            [Step::Head, Step::Key(name)] => match http::HeaderName::try_from(&**name) {
                Ok(name) => heads.push((name, *to)),
                Err(_) => found.error(&node.place, format!("`$head.{name}` names no header field")),
            },
            _ => {}
        }
    }
    finish(&mut frame, node, found);
    let is_read = !slots.is_empty() || !heads.is_empty();
    is_read.then(|| Around { node: frame.root, frame: frame.slots, slots, heads })
}

/// By which native places each leaf can be filtered: by every place it is read from, or not at all.
fn filters(
    entity: &Entity,
    lines: &Lines,
    select: Option<&SelectWords>,
    speaks: Speaks,
) -> Vec<Vec<Filterable>> {
    let mut filters = vec![Some(Vec::new()); entity.leaves.len()];
    for FilterLine { leaf, place } in &lines.filters {
        let Some(places) = filters.get_mut(usize::from(leaf.0)) else { continue };
        let place = place.as_ref().and_then(|(path, codec)| {
            let name = filter_name(path, select, speaks)?;
            Some(Filterable { name: name.into(), codec: codec.clone() })
        });
        *places = places.take().zip(place).map(|(mut places, place)| {
            places.push(place);
            places
        });
    }
    filters.into_iter().map(Option::unwrap_or_default).collect()
}

/// The JSON Pointer of every mapped leaf.
fn pointers(entity: &Entity, root: &ObjectPart) -> Vec<Option<String>> {
    let mut pointers = vec![None; entity.leaves.len()];
    point(root, "", &mut pointers);
    pointers
}

/// Where the entity's records stand under the system's base.
fn address(keys: &mut Keys<'_>, node: &Node, entity: &Entity, found: &mut Diagnostics) -> String {
    let at: String =
        keys.required("at", found).unwrap_or_else(|| "/".to_owned() + entity.collection.as_str());
    if !at.starts_with('/') || at.ends_with('/') || at.contains(['?', '#']) {
        found.error(&node.place, "`at` begins with `/`, does not end with it, and has no query");
    }
    at
}

/// The form of a key, or of a reference to one.
pub(super) fn key_form(node: &Node, found: &mut Diagnostics) -> Option<KeyForm> {
    Some(match KeyWord::read(node, found)? {
        KeyWord::Text => KeyForm::Text,
        KeyWord::Digits => KeyForm::Digits,
        KeyWord::Guid => KeyForm::Guid,
    })
}

fn key(keys: &mut Keys<'_>, frame: &mut Frame, found: &mut Diagnostics) -> Option<Key> {
    let (at, form) = match keys.take("key") {
        None => (Path::parse("id").ok()?, KeyForm::Text),
        Some(node) if node.as_text().is_some() => (path(node, found)?, KeyForm::Text),
        Some(node) => {
            let mut keys = Keys::of(node, found)?;
            let at: Node = keys.required("at", found)?;
            let form = keys.take("form").map_or(Some(KeyForm::Text), |node| key_form(node, found));
            keys.finish(found);
            (path(&at, found)?, form?)
        }
    };
    Some(Key { slot: frame.slot(at.steps()), at, form })
}

fn version(keys: &mut Keys<'_>, frame: &mut Frame, found: &mut Diagnostics) -> Option<Version> {
    let mut keys = Keys::of(keys.take("version")?, found)?;
    let at: Option<Node> = keys.required("at", found);
    let send = keys.take("send");
    keys.finish(found);
    let at_node = at?;
    let at = path(&at_node, found)?;
    let header = match send {
        Some(node) => Some(calls::header(node, found)?),
        None => None,
    };
    Some(Version { slot: frame.slot(at.steps()), at, header })
}

/// Native constants: a quoted text is text; `true`, `false` and numbers without quotes are what they look like.
pub(super) fn constants(node: Option<&Node>, found: &mut Diagnostics) -> Vec<(Path, Out)> {
    let mut out = Vec::new();
    for (key, node) in pairs(node, found) {
        let value = match &node.value {
            tree::Value::Scalar(scalar) if scalar.quoted => Out::text(&scalar.text),
            tree::Value::Scalar(scalar) => match scalar.text.as_str() {
                "true" => Out::Boolean(true),
                "false" => Out::Boolean(false),
                text if crate::mapping::number::is_number(text) => Out::Number(text.into()),
                text => Out::text(text),
            },
            tree::Value::Null | tree::Value::List(_) | tree::Value::Map(_) => {
                expected(node, "a single value", found);
                continue;
            }
        };
        match Path::parse(&key.text) {
            Ok(path) => out.push((path, value)),
            Err(why) => found.error(&key.place, why),
        }
    }
    out
}

fn select_words(keys: &mut Keys<'_>, defaults: &Defaults, found: &mut Diagnostics) -> Option<SelectWords> {
    let Some(node) = keys.take("select") else {
        return match defaults.speaks {
            Speaks::Odata4 | Speaks::Odata2 => Some(SelectWords {
                query: Some("$select".into()),
                expand: Some("$expand".into()),
                under: None,
                dotted: false,
                with_expanded: defaults.speaks == Speaks::Odata2,
            }),
            Speaks::Json | Speaks::Xml => None,
        };
    };
    if node.as_text() == Some("never") {
        return None;
    }
    let mut keys = Keys::of(node, found)?;
    let query = keys.take("query").and_then(|node| String::read(node, found));
    let expand = keys.take("expand").and_then(|node| String::read(node, found));
    let under = path_at(&mut keys, "under", found);
    let dotted = keys.or("dotted", || false, found);
    keys.finish(found);
    let with_expanded = defaults.speaks == Speaks::Odata2;
    Some(SelectWords { query, expand, under, dotted: dotted?, with_expanded })
}

fn select_of(
    words: SelectWords,
    Lines { reads, inner, .. }: &Lines,
    key: &Key,
    version: Option<&Version>,
    narrow: &[Narrow],
) -> Select {
    let mut names: Vec<SelectName> = Vec::new();
    let mut add = |path: &Path, leaves: FieldSet, expand: bool, always: bool| {
        let steps = match &words.under {
            None => Some(path.steps()),
            Some(under) => path.under(under),
        };
        let Some([Step::Key(name), rest @ ..]) = steps else { return };
        // Annotations come with what they annotate.
        if name.starts_with('@') || name.starts_with("__") {
            return;
        }
        // Where lists stand under `results`, what has some is another record's.
        let results = matches!(rest.first(), Some(Step::Key(name)) if &**name == "results");
        let expand = expand || (results && words.with_expanded && words.expand.is_some());
        let dotted = |steps: &[Step]| {
            let names = steps.iter().filter(|step| matches!(step, Step::Key(_)));
            joined(&names.cloned().collect::<Vec<_>>(), '.')
        };
        let whole = match (words.dotted, steps) {
            (true, Some(steps)) => dotted(steps),
            (true, None) | (false, _) => name.to_string(),
        };
        // What an element is found by is asked for with what is wanted of it.
        let found_by = steps.into_iter().filter(|_| words.dotted).flat_map(|steps| {
            steps.iter().enumerate().filter_map(|(at, step)| match step {
                Step::Find(key, _) => {
                    Some(dotted(&[steps.get(..at).unwrap_or_default(), &[Step::Key(key.clone())]].concat()))
                }
                Step::Key(_) | Step::Index(_) | Step::Up | Step::Answer | Step::Head => None,
            })
        });
        for name in std::iter::once(whole).chain(found_by) {
            match names.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    known.leaves = known.leaves.union(&leaves);
                    known.always |= always;
                }
                None => names.push(SelectName { name, expand, always, leaves }),
            }
        }
    };
    add(&key.at, FieldSet::EMPTY, false, true);
    if let Some(version) = version {
        add(&version.at, FieldSet::EMPTY, false, true);
    }
    for narrow in narrow {
        add(&narrow.at, FieldSet::EMPTY, false, true);
    }
    // Where a name is the whole path, a list is asked for by what its elements are read by.
    let is_list = |path: &Path, each: bool| {
        words.dotted && each && inner.iter().any(|(_, other)| other.under(path).is_some())
    };
    for (leaves, path, each) in reads {
        if !is_list(path, *each) {
            add(path, *leaves, *each && words.expand.is_some(), false);
        }
    }
    for (leaves, path) in inner.iter().filter(|_| words.dotted) {
        add(path, *leaves, false, false);
    }
    Select { query: words.query, expand: words.expand, with_expanded: words.with_expanded, names }
}

/// How a filter names a path; `None` where it cannot.
pub(super) fn filter_name(path: &Path, select: Option<&SelectWords>, speaks: Speaks) -> Option<String> {
    let steps = match select.and_then(|select| select.under.as_ref()) {
        Some(under) => path.under(under)?,
        None => path.steps(),
    };
    if steps.iter().any(|step| !matches!(step, Step::Key(_))) {
        return None;
    }
    let name = match speaks {
        Speaks::Json | Speaks::Xml => joined(steps, '.'),
        Speaks::Odata4 | Speaks::Odata2 => joined(steps, '/'),
    };
    // A name that is more than a word would not stay a name in a filter's text.
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
    name.chars().all(word).then_some(name)
}

/// What is no part of the way there and back.
fn beside(keys: &mut Keys<'_>, entity: &Entity, found: &mut Diagnostics) -> (Vec<Sample>, Watched) {
    (super::samples(keys.take("samples"), found), Watched::load(keys, entity, found))
}

pub(super) fn texts(node: Option<&Node>, found: &mut Diagnostics) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (key, node) in pairs(node, found) {
        if let Some(text) = String::read(node, found) {
            out.push((key.text.clone(), text));
        }
    }
    out
}

fn unmapped(entity: &Entity, root: &ObjectPart) -> FieldSet {
    let mut mapped = FieldSet::ID;
    root.lines(false, &mut |line, _| mapped.insert(line.leaf));
    entity.all().minus(&mapped)
}

/// The constants of every group and list element under the root, with all leaves beside each.
fn tags(root: &ObjectPart) -> Vec<(LeafId, FieldSet)> {
    let mut out = Vec::new();
    root.parts.iter().for_each(|named| tags_of(&named.part, &mut out));
    out
}

fn tags_of(part: &Part, out: &mut Vec<(LeafId, FieldSet)>) {
    match part {
        Part::Leaf(_) | Part::Split(_) => {}
        Part::When(when) => tags_of(&when.part, out),
        Part::Slots(slots) => slots.iter().for_each(|slot| tags_of(slot, out)),
        Part::Each(each) => tags_of(&each.item, out),
        Part::Object(object) => {
            let mut beside = FieldSet::EMPTY;
            object.lines(false, &mut |line, _| beside.insert(line.leaf));
            for named in &object.parts {
                match &named.part {
                    Part::Leaf(Line { leaf, source: Source::Constant(_), .. }) => out.push((*leaf, beside)),
                    Part::Leaf(_) => {}
                    part @ (Part::Object(_)
                    | Part::Slots(_)
                    | Part::Each(_)
                    | Part::Split(_)
                    | Part::When(_)) => tags_of(part, out),
                }
            }
        }
    }
}

/// Where each leaf stands in a caller's document; leaves of native lists have no one place.
fn point(part: &ObjectPart, at: &str, out: &mut [Option<String>]) {
    for named in &part.parts {
        point_part(&named.part, format!("{at}/{}", named.name), out);
    }
}

fn point_part(part: &Part, at: String, out: &mut [Option<String>]) {
    match part {
        Part::Leaf(line) => {
            if let Some(slot) = out.get_mut(usize::from(line.leaf.0)) {
                slot.get_or_insert(at);
            }
        }
        Part::Object(object) => point(object, &at, out),
        Part::Slots(slots) => {
            for (index, slot) in slots.iter().enumerate() {
                point_part(slot, format!("{at}/{index}"), out);
            }
        }
        Part::When(when) => point_part(&when.part, at, out),
        Part::Each(_) | Part::Split(_) => {}
    }
}

/// Two places of one list must be told apart by constants, else a written element could land in either.
fn no_ambiguous_slots(part: &ObjectPart, node: &Node, found: &mut Diagnostics) {
    let tags = |part: &Part| -> Vec<(u16, Value)> {
        let Part::Object(object) = part.bare() else { return Vec::new() };
        let constant = |named: &Named| match &named.part {
            Part::Leaf(Line { source: Source::Constant(value), .. }) => Some((named.position, value.clone())),
            Part::Leaf(_)
            | Part::Object(_)
            | Part::Slots(_)
            | Part::Each(_)
            | Part::Split(_)
            | Part::When(_) => None,
        };
        object.parts.iter().filter_map(constant).collect()
    };
    for named in &part.parts {
        match &named.part {
            Part::Object(object) => no_ambiguous_slots(object, node, found),
            Part::Leaf(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => {}
            Part::Slots(slots) => {
                let all: Vec<_> = slots.iter().map(tags).collect();
                let same = |a: &Vec<(u16, Value)>, b: &Vec<_>| {
                    !a.iter().any(|(position, value)| {
                        b.iter().any(|(p, v): &(u16, Value)| p == position && v != value)
                    })
                };
                let clash = all.iter().enumerate().any(|(i, a)| all.iter().skip(i + 1).any(|b| same(a, b)));
                if clash {
                    found.error(
                        &node.place,
                        format!("two places of `{}` are not told apart by a constant", named.name),
                    );
                }
            }
        }
    }
}
