//! Templates of a dialect: texts and JSON trees of the file with holes for names, words and literals.

use std::sync::Arc;

use crate::{
    mapping::out::Out,
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::expected,
    },
};

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Items,
    Field,
    Op,
    Value,
    Values,
    Dir,
    Group,
    N,
    From,
    To,
    Fields,
    Filter,
    Sort,
    Limit,
    Offset,
    Start,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Micro,
}

/// A piece of a body with holes.
#[derive(Debug)]
pub(super) enum Template {
    Hole(Hole),
    Text(String),
    Object(Vec<(Arc<str>, Template)>),
    List(Vec<Template>),
}

/// A text with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<Result<String, Hole>>);

impl Hole {
    const ALL: [Self; 23] = [
        Self::Items,
        Self::Field,
        Self::Op,
        Self::Value,
        Self::Values,
        Self::Dir,
        Self::Group,
        Self::N,
        Self::From,
        Self::To,
        Self::Fields,
        Self::Filter,
        Self::Sort,
        Self::Limit,
        Self::Offset,
        Self::Start,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::Micro,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Field => "field",
            Self::Op => "op",
            Self::Value => "value",
            Self::Values => "values",
            Self::Dir => "dir",
            Self::Group => "group",
            Self::N => "n",
            Self::From => "from",
            Self::To => "to",
            Self::Fields => "fields",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Limit => "limit",
            Self::Offset => "offset",
            Self::Start => "start",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Micro => "micro",
        }
    }

    fn named(name: &str, holes: &[Self], node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let hole = Self::ALL.into_iter().find(|hole| hole.name() == name && holes.contains(hole));
        if hole.is_none() {
            found.push(
                Diagnostic::error(&node.place, format!("`{{{name}}}` is nothing to fill in here"))
                    .suggest(name, holes.iter().map(|hole| hole.name())),
            );
        }
        hole
    }
}

impl Template {
    pub(super) fn load(node: &Node, holes: &[Hole], found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            tree::Value::Scalar(scalar) => {
                let Some(name) = scalar.text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
                    return Some(Self::Text(scalar.text.clone()));
                };
                Hole::named(name, holes, node, found).map(Self::Hole)
            }
            tree::Value::List(items) => items
                .iter()
                .map(|item| Self::load(item, holes, found))
                .collect::<Option<Vec<_>>>()
                .map(Self::List),
            tree::Value::Map(pairs) => pairs
                .iter()
                .map(|(key, node)| Some((key.text.as_str().into(), Self::load(node, holes, found)?)))
                .collect::<Option<Vec<_>>>()
                .map(Self::Object),
            tree::Value::Null => {
                expected(node, "a template", found);
                None
            }
        }
    }

    /// This one, where it names what becomes part of a body.
    pub(super) fn named(self, node: &Node, found: &mut Diagnostics) -> Option<Self> {
        if matches!(self, Self::Object(_)) {
            return Some(self);
        }
        expected(node, "a map: its keys become keys of the request's body", found);
        None
    }

    /// Every name of an object, and whether nothing stands under it. Recursion is bounded by the depth of the file.
    pub(super) fn names(&self, see: &mut dyn FnMut(&str, bool)) {
        match self {
            Self::Hole(_) | Self::Text(_) => {}
            Self::Object(pairs) => {
                for (name, part) in pairs {
                    see(name, matches!(part, Self::Hole(_) | Self::Text(_)));
                    part.names(see);
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.names(see)),
        }
    }

    pub(super) fn fill(&self, with: &dyn Fn(Hole) -> Option<Out>) -> Out {
        match self {
            Self::Hole(hole) => with(*hole).unwrap_or(Out::Null),
            Self::Text(text) => Out::text(text),
            Self::Object(pairs) => {
                Out::Object(pairs.iter().map(|(name, part)| (name.clone(), part.fill(with))).collect())
            }
            Self::List(items) => Out::List(items.iter().map(|item| item.fill(with)).collect()),
        }
    }
}

impl Words {
    /// Texts and holes in a row.
    pub(super) fn of<const N: usize>(parts: [Result<&str, Hole>; N]) -> Self {
        Self(parts.into_iter().map(|part| part.map(str::to_owned)).collect())
    }

    pub(super) fn load(node: &Node, holes: &[Hole], found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "a text with what is filled in between braces", found);
            return None;
        };
        Self::parse(text, holes, node, found)
    }

    /// A text in which `{name}` is filled in.
    pub(super) fn parse(text: &str, holes: &[Hole], node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                found.error(&node.place, format!("`{{` in `{text}` is not closed"));
                return None;
            };
            if !before.is_empty() {
                parts.push(Ok(before.to_owned()));
            }
            parts.push(Err(Hole::named(name, holes, node, found)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Ok(rest.to_owned()));
        }
        Some(Self(parts))
    }

    /// The holes in it.
    pub(super) fn holes(&self) -> impl Iterator<Item = Hole> {
        self.0.iter().filter_map(|part| part.as_ref().err().copied())
    }

    /// Tells of holes that must be there and are not.
    pub(super) fn needs(&self, holes: &[Hole], node: &Node, found: &mut Diagnostics) -> Option<()> {
        let missing = holes.iter().find(|hole| !self.holes().any(|is| is == **hole));
        if let Some(hole) = missing {
            found.error(&node.place, format!("`{{{}}}` must stand in it", hole.name()));
        }
        missing.is_none().then_some(())
    }

    pub(super) fn fill(&self, with: &dyn Fn(Hole) -> Option<String>) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Ok(text) => out.push_str(text),
                Err(hole) => out.push_str(&with(*hole).unwrap_or_default()),
            }
        }
        out
    }
}
