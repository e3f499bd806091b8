//! `actions:` — fields that named calls lead to their values.

use super::{Defaults, calls, elements::narrows, fields::Lines, pairs};
use crate::{
    mapping::{
        actions::{LedField, Way},
        codec::Tabled,
        key::Key,
        model::{Call, Line, Narrow, ObjectPart, Part, Rule, Source, Then, Version},
        trie::Frame,
    },
    schema::{Entity, LeafKind, Shape, Value, value::parse_text},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{Key as Name, Node},
        yaml::{Keys, expected},
    },
};

/// Most calls of a way, and most ways of a field.
const CALLS_MAX: usize = 8;
const WAYS_MAX: usize = 32;

/// What ways are fitted to.
#[derive(Clone, Copy)]
struct Fit<'f> {
    entity: &'f Entity,
    root: &'f ObjectPart,
    lines: &'f Lines,
    key: Option<&'f Key>,
    version: Option<&'f Version>,
    defaults: &'f Defaults,
}

/// Reads `actions`, where the entity has some.
pub(super) fn load(
    keys: &mut Keys<'_>,
    (entity, defaults): (&Entity, &Defaults),
    (root, lines, key, version): (&ObjectPart, &Lines, Option<&Key>, Option<&Version>),
    [read, _, update, _]: [&Option<Call>; 4],
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Vec<LedField> {
    let fit = Fit { entity, root, lines, key, version, defaults };
    let Some(node) = keys.take("actions") else { return Vec::new() };
    for (is_there, needs) in [
        (update.is_some(), "`actions` go with `update`: a change of the field asks for them"),
        (
            read.is_some(),
            "`actions` need `read`: whether the record came to the value is seen when it is read back",
        ),
    ] {
        if !is_there {
            found.error(&node.place, needs);
        }
    }
    pairs(Some(node), found).iter().filter_map(|(name, node)| action(name, node, fit, frame, found)).collect()
}

fn action(
    name: &Name,
    node: &Node,
    fit: Fit<'_>,
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<LedField> {
    let (position, field) = fit.entity.root.field(&name.text)?;
    let Shape::Leaf(leaf) = field.shape else { return told(name, fit, found) };
    let line = match fit.root.at(position).map(|named| &named.part) {
        Some(Part::Leaf(line)) if !is_written(line) => line,
        Some(Part::Leaf(_)) => {
            let mistake = Diagnostic::error(&name.place, format!("`{}` is written by its line", name.text));
            found.push(mistake.help("say `write: never` there, or take this out"));
            return None;
        }
        Some(Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_)) | None => {
            return told(name, fit, found);
        }
    };
    if !fit.entity.writable().contains(leaf) {
        found.error(&name.place, format!("nobody writes `{}`: the schema says `readOnly`", name.text));
        return None;
    }
    let kind = &fit.entity.leaf(leaf)?.kind;
    let mut keys = Keys::of(node, found)?;
    let new = keys.take("new").and_then(|node| value(node, kind, line, found));
    let to: Option<Node> = keys.required("to", found);
    keys.finish(found);
    let to = to?;
    let mut ways = Vec::new();
    for (name, node) in pairs(Some(&to), found) {
        let Some(to) = known(&name.text, &name.place, kind, line, found) else { continue };
        // One way, or a list of them.
        for node in node.as_list().map_or_else(|| vec![node], |nodes| nodes.iter().collect()) {
            ways.extend(way(&to, node, (kind, line), fit, frame, found));
        }
    }
    if ways.len() > WAYS_MAX {
        found.error(&to.place, format!("at most {WAYS_MAX} ways lead to the values of one field"));
    }
    Some(LedField { position, leaf, name: name.text.as_str().into(), new, ways })
}

/// What is no single field of the record itself.
fn told(name: &Name, fit: Fit<'_>, found: &mut Diagnostics) -> Option<LedField> {
    let leaves = fit.entity.root.fields.iter().filter(|field| matches!(field.shape, Shape::Leaf(_)));
    found.push(
        Diagnostic::error(&name.place, format!("`{}` is no field of one line here", name.text))
            .help("name a field of the record itself that a line reads, as in `status: { to: … }`")
            .suggest(&name.text, leaves.map(|field| &*field.name)),
    );
    None
}

fn way(
    to: &Value,
    node: &Node,
    (kind, line): (&LeafKind, &Line),
    fit: Fit<'_>,
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<Way> {
    let mut keys = Keys::of(node, found)?;
    let from: Option<Node> = keys.required("from", found);
    let when = keys.take("when");
    let calls: Option<Node> = keys.required("calls", found);
    keys.finish(found);
    let when = narrows(when, frame, fit.defaults, found);
    when.iter().for_each(|when| is_read(when, node, fit, found));
    let from = from?;
    let words = from.as_list().map_or_else(|| vec![&from], |nodes| nodes.iter().collect());
    let from: Vec<Value> = words.into_iter().filter_map(|node| value(node, kind, line, found)).collect();
    let node = calls?;
    let Some(nodes) = node.as_list().filter(|nodes| (1..=CALLS_MAX).contains(&nodes.len())) else {
        expected(&node, "a list of one to eight calls, as in `[ { post: \"/{key}/confirm\" } ]`", found);
        return None;
    };
    let calls: Vec<Call> =
        nodes.iter().filter_map(|node| calls::action(node, fit.key, fit.defaults, found)).collect();
    let first = calls.first()?;
    if fit.version.is_some_and(|version| version.header.is_none()) && !first.holds_version() {
        let text =
            "`version` says no header that carries it back, and the first call of a way does not hold it";
        let mistake = Diagnostic::error(&node.place, text);
        found.push(mistake.help("write `\"{version}\"` where the version stands in its body"));
    }
    Some(Way { to: to.clone(), from, when, calls })
}

/// Only what a line reads is asked for, and can be looked at.
fn is_read(when: &Narrow, node: &Node, fit: Fit<'_>, found: &mut Diagnostics) {
    if !fit.lines.reads.iter().any(|(_, path, _)| *path == when.at) {
        let text = format!("`{}` is read by no line, so a way cannot hang on it", when.at);
        found.push(Diagnostic::error(&node.place, text).help("name what a line's `at` says"));
    }
}

fn value(node: &Node, kind: &LeafKind, line: &Line, found: &mut Diagnostics) -> Option<Value> {
    let Some(text) = node.as_text() else {
        expected(node, "a value of the field", found);
        return None;
    };
    known(text, &node.place, kind, line, found)
}

/// A value of the field that its line can tell.
fn known(text: &str, place: &Place, kind: &LeafKind, line: &Line, found: &mut Diagnostics) -> Option<Value> {
    let told = values(line);
    let value = parse_text(kind, text).ok().filter(|value| told.is_empty() || told.contains(&value));
    if value.is_none() {
        let words = told.iter().filter_map(|value| value.as_text());
        let mistake = Diagnostic::error(place, format!("the field is never read as `{text}`"));
        found.push(mistake.help("name values of the shared schema that its line tells").suggest(text, words));
    }
    value
}

/// What a line can tell; nothing where it may be anything.
fn values(line: &Line) -> Vec<&Value> {
    match &line.source {
        Source::Native(native) => {
            let table = native.codec.table.iter().filter_map(Tabled::fixed);
            table.flat_map(|table| table.rows.iter().map(|(_, value)| value)).collect()
        }
        Source::First(rules) => {
            let mut all = Vec::new();
            for Rule { then, .. } in rules {
                match then {
                    Then::Is(value) => all.push(value),
                    Then::Calc(_) => return Vec::new(),
                    Then::At(_, codec) => match codec.table.as_ref().and_then(Tabled::fixed) {
                        Some(table) => all.extend(table.rows.iter().map(|(_, value)| value)),
                        None => return Vec::new(),
                    },
                }
            }
            all
        }
        Source::Constant(_)
        | Source::Join(_)
        | Source::Calc(_)
        | Source::Hole(_)
        | Source::Behind(_)
        | Source::Tuple(_) => Vec::new(),
    }
}

fn is_written(line: &Line) -> bool {
    match &line.source {
        Source::Native(native) => native.create || native.update,
        Source::First(_) => false,
        Source::Constant(_)
        | Source::Join(_)
        | Source::Calc(_)
        | Source::Hole(_)
        | Source::Behind(_)
        | Source::Tuple(_) => true,
    }
}
