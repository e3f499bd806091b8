//! `statement:` — a query in a language of its own, with room for fields, filter, order and page.
//!
//! The file writes the words, the gate fills in names of the file and typed literals; what a caller sent is
//! never part of the words.

use super::template::{Hole, Words};
use crate::{
    mapping::{load::path, model::Carrier},
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// A query text with holes.
#[derive(Debug)]
pub(in crate::mapping) struct Statement {
    /// Its parts; one with a hole that has nothing to say is left out.
    parts: Vec<(Words, bool)>,
    /// Where it goes.
    pub(in crate::mapping) to: Carrier,
}

/// What stands in a statement.
#[derive(Clone, Copy, Debug)]
pub(in crate::mapping) struct Filled<'f> {
    /// Native names.
    pub(in crate::mapping) fields: &'f str,
    /// Conditions, if any.
    pub(in crate::mapping) filter: Option<&'f str>,
    /// The order, if any.
    pub(in crate::mapping) sort: Option<&'f str>,
    /// Rows asked for.
    pub(in crate::mapping) limit: u32,
    /// Rows before them.
    pub(in crate::mapping) offset: u64,
}

const HOLES: [Hole; 6] = [Hole::Fields, Hole::Filter, Hole::Sort, Hole::Limit, Hole::Offset, Hole::Start];

impl Statement {
    pub(in crate::mapping) fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let text: Node = keys.required("text", found)?;
        let query = keys.take("query").and_then(|node| String::read(node, found));
        let body = keys.take("body").and_then(|node| path(node, found));
        keys.finish(found);
        let to = match (query, body) {
            (Some(name), None) => Carrier::Query(name),
            (None, Some(path)) => Carrier::Body(path),
            (Some(_), Some(_)) | (None, None) => {
                found.error(&node.place, "a statement goes into `query` or into `body`");
                return None;
            }
        };
        let parts = parts(&text, found)?;
        let statement = Self { parts, to };
        for (words, is_optional) in &statement.parts {
            let may_be_empty = words.holes().any(|hole| matches!(hole, Hole::Filter | Hole::Sort));
            if may_be_empty && !is_optional {
                found.push(
                    Diagnostic::error(&text.place, "`{filter}` and `{sort}` may have nothing to say")
                        .help("put them into `[ ]` with the words around them: `[ WHERE {filter}]`"),
                );
                return None;
            }
        }
        Some(statement)
    }

    /// Whether it has room for this.
    fn has(&self, wanted: Hole) -> bool {
        self.parts.iter().any(|(words, _)| words.holes().any(|hole| hole == wanted))
    }

    /// Whether it says which rows come first.
    pub(in crate::mapping) fn pages(&self) -> bool {
        self.has(Hole::Offset) || self.has(Hole::Start)
    }

    /// Whether it says how many rows.
    pub(in crate::mapping) fn limits(&self) -> bool {
        self.has(Hole::Limit)
    }

    /// Whether it has room for conditions, and for an order.
    pub(in crate::mapping) fn asks(&self) -> (bool, bool) {
        (self.has(Hole::Filter), self.has(Hole::Sort))
    }

    /// Whether it names the fields that are wanted.
    pub(in crate::mapping) fn selects(&self) -> bool {
        self.has(Hole::Fields)
    }

    pub(in crate::mapping) fn fill(&self, with: Filled<'_>) -> String {
        let fill = |hole: Hole| match hole {
            Hole::Fields => Some(with.fields.to_owned()),
            Hole::Filter => with.filter.map(str::to_owned),
            Hole::Sort => with.sort.map(str::to_owned),
            Hole::Limit => Some(with.limit.to_string()),
            Hole::Offset => Some(with.offset.to_string()),
            Hole::Start => Some(with.offset.saturating_add(1).to_string()),
            _ => None,
        };
        let mut out = String::new();
        for (words, is_optional) in &self.parts {
            if !is_optional || words.holes().all(|hole| fill(hole).is_some()) {
                out.push_str(&words.fill(&fill));
            }
        }
        out
    }
}

/// The text cut at its brackets; what stands in them may be left out.
fn parts(node: &Node, found: &mut Diagnostics) -> Option<Vec<(Words, bool)>> {
    let text = String::read(node, found)?;
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inside, after)) = after.split_once(']') else {
            found.error(&node.place, "`[` is not closed by `]`");
            return None;
        };
        parts.push((Words::parse(before, &HOLES, node, found)?, false));
        parts.push((Words::parse(inside, &HOLES, node, found)?, true));
        rest = after;
    }
    parts.push((Words::parse(rest, &HOLES, node, found)?, false));
    Some(parts)
}
