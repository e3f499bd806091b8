//! What the reports on data quality go by, as a system's file says of an entity: from when a record is stale, and which
//! native fields are known and not wanted.

use std::time::Duration;

use super::{
    model::Mapping,
    path::{Path, Step},
    trie::Node as Native,
    unread::PATH_CHARS_MAX,
};
use crate::{
    schema::{Entity, FieldSet, LeafId, LeafKind, Shape},
    words::{
        Diagnostic, Diagnostics, Period, Place,
        tree::{Node, Value},
        yaml::{FromYaml, Keys},
    },
};

/// LIMIT: fields of one entity that are known and not wanted.
const IGNORED_MAX: usize = 1_000;
/// The field that tells when a record last changed, where nothing else is said.
const USUAL: &str = "updated_at";

/// When a record is stale: the time that it tells of itself is longer ago than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How long ago.
    pub after: Duration,
    /// The field that tells, a moment or a day of the record itself.
    pub by: LeafId,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) stale: Option<Stale>,
    /// Paths as the reports show them, without what stands for everything below.
    ignored: Vec<Box<str>>,
    /// Where each was written.
    places: (Option<Place>, Vec<Place>),
}

impl Mapping {
    /// When its records are stale; none where the file does not say.
    pub fn stale(&self) -> Option<Stale> {
        self.watched.stale
    }

    /// Leaves that are asked for whatever callers want, so that what is counted does not depend on them.
    pub fn watched(&self) -> FieldSet {
        self.watched.stale.map_or(FieldSet::EMPTY, |stale| FieldSet::of(stale.by))
    }

    /// Tells of what contradicts the lines: a time that none of them reads, and a field that one does.
    pub(super) fn check_watched(&self, found: &mut Diagnostics) {
        let (entity, watched) = (&self.entity, &self.watched);
        if let (Some(stale), Some(place)) = (&watched.stale, &watched.places.0)
            && self.unmapped.contains(stale.by)
        {
            let path = entity.leaf(stale.by).map(|leaf| leaf.path.as_str()).unwrap_or_default();
            found.push(
                Diagnostic::error(
                    place,
                    format!("no line reads `{path}`, so no record is known to be stale"),
                )
                .help(format!("add a line for `{path}`, or name another with `by`")),
            );
        }
        for (path, place) in watched.ignored.iter().zip(&watched.places.1) {
            if is_read(&self.record, path) {
                found.push(
                    Diagnostic::warning(
                        place,
                        format!("`{path}` is read by a line, so it is never told as new"),
                    )
                    .help("take it out of `ignore`"),
                );
            }
        }
    }
}

impl Watched {
    /// Whether a path that no line reads is known and not wanted.
    pub(super) fn covers(&self, path: &str) -> bool {
        let at_or_under = |known: &str| {
            path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.ignored.iter().any(|known| &**known == "*" || at_or_under(known))
    }

    /// `stale` and `ignore` of an entity.
    pub(super) fn load(keys: &mut Keys<'_>, entity: &Entity, found: &mut Diagnostics) -> Self {
        let mut all = Self::default();
        if let Some(node) = keys.take("stale") {
            all.stale = stale(node, entity, found);
            all.places.0 = Some(node.place.clone());
        }
        let Some(items) = keys.take("ignore").map(|node| (node, node.as_list())) else { return all };
        let (node, Some(items)) = items else {
            found.push(
                Diagnostic::error(&items.0.place, "`ignore` is a list of native paths")
                    .help("write `ignore: [path, other.path]`"),
            );
            return all;
        };
        if items.len() > IGNORED_MAX {
            found.error(&node.place, format!("`ignore` has more than {IGNORED_MAX} paths"));
        }
        for item in items.iter().take(IGNORED_MAX) {
            if let Some(path) = ignored(item, found) {
                all.ignored.push(path);
                all.places.1.push(item.place.clone());
            }
        }
        all
    }
}

/// A period, or a map of one and the field that tells.
fn stale(node: &Node, entity: &Entity, found: &mut Diagnostics) -> Option<Stale> {
    let (after, by) = match &node.value {
        Value::Map(_) => {
            let mut keys = Keys::of(node, found)?;
            let after: Option<Period> = keys.required("after", found);
            let by = keys.take("by").and_then(|node| Some((String::read(node, found)?, node.place.clone())));
            keys.finish(found);
            (after?, by)
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => (Period::read(node, found)?, None),
    };
    if after.0.is_zero() {
        found
            .error(&node.place, "a record that changed just now would be stale; write a period, as in `90d`");
        return None;
    }
    let usual = by.is_none();
    let (name, place) = by.unwrap_or_else(|| (USUAL.to_owned(), node.place.clone()));
    match times(entity).find(|(field, _)| *field == name) {
        Some((_, by)) => Some(Stale { after: after.0, by }),
        None => {
            let message = match usual {
                true => format!(
                    "`{}` has no `{USUAL}`: name the field with `stale: {{ after: {after}, by: FIELD }}`",
                    entity.name
                ),
                false => format!("`{name}` is no moment or day of `{}` itself", entity.name),
            };
            let names: Vec<&str> = times(entity).map(|(field, _)| field).collect();
            found.push(Diagnostic::error(&place, message).suggest(&name, names));
            None
        }
    }
}

/// The moments and days of the record itself, outside groups and lists.
fn times(entity: &Entity) -> impl Iterator<Item = (&str, LeafId)> {
    entity.root.fields.iter().filter_map(|field| {
        let Shape::Leaf(leaf) = &field.shape else { return None };
        let is_time = matches!(entity.leaf(*leaf)?.kind, LeafKind::Instant | LeafKind::Date);
        is_time.then_some((field.name.as_ref(), *leaf))
    })
}

/// A path as reports show it. `.*` and `[]` at its end say nothing that the path alone does not.
fn ignored(node: &Node, found: &mut Diagnostics) -> Option<Box<str>> {
    let path = String::read(node, found)?;
    let place = &node.place;
    if path.is_empty() || path.chars().count() > PATH_CHARS_MAX || path.chars().any(char::is_control) {
        found.error(place, format!("a path to ignore has 1 to {PATH_CHARS_MAX} printable characters"));
        return None;
    }
    let has_index = path.split('[').skip(1).any(|rest| !rest.starts_with(']'));
    if has_index {
        found.push(
            Diagnostic::error(place, format!("`{path}` names one place of a list"))
                .help("write `[]`: what is not wanted of one element is not of any"),
        );
        return None;
    }
    if path == "*" {
        return Some(path.into());
    }
    let mut short = path.as_str();
    while let Some(rest) = short.strip_suffix(".*").or_else(|| short.strip_suffix("[]")) {
        short = rest;
    }
    match short.is_empty() {
        true => {
            found.error(place, format!("`{path}` is no path; `'*'` stands for all"));
            None
        }
        false => Some(short.into()),
    }
}

/// Whether a line reads the very value at a path.
fn is_read(record: &Native, path: &str) -> bool {
    let Ok(path) = Path::parse(&path.replace("[]", "[0]")) else { return false };
    let mut node = record;
    for step in path.steps() {
        let next = match step {
            Step::Key(name) => node.find(name).map(|(_, child)| child),
            Step::Index(_) => node.ways_of(0).next(),
            Step::Find(..)
            | Step::Up
            | Step::Answer
            | Step::Head
            | Step::Asked
            | Step::Received
            | Step::Over => None,
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    node.slot.is_some()
}
