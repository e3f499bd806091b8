//! `filters:` — how a system is asked for some of its records, and in which order.
//!
//! A dialect is a shape and a carrier; names and operators come from the file, values pass a typed writer.
//! What goes out may ask for more than was wanted, never for less.

use std::{collections::HashMap, sync::Arc};

use super::{
    load::pairs,
    out::Out,
    push::{Literal, Push, Test},
};
use crate::{
    schema::{Direction, Op},
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

/// Longest filter text in a query, before percent-encoding.
const TEXT_BYTES_MAX: usize = 3000;

yaml_words! {
    /// The form of a filter.
    enum Shape {
        /// Groups of conditions in JSON: or of ands.
        OrOfAnds = "or_of_ands",
        /// OData 4 text.
        Odata4 = "odata4",
    }

    /// Over which fields an `or` may stretch.
    pub(super) enum Or {
        /// Any.
        Any = "any",
        /// One and the same.
        SameField = "same_field",
    }

    /// How rows that sort alike are told apart from page to page.
    pub(super) enum Tie {
        /// By the key, sent as the last key of the order.
        Key = "key",
        /// By the system itself, whose pages do not overlap.
        Own = "own",
    }

    /// How moments are spelt in a filter.
    enum Instants {
        /// RFC 3339.
        Iso = "iso",
        /// Milliseconds since 1970.
        UnixMs = "unix_ms",
    }

    /// How text is compared.
    pub(super) enum Compares {
        /// Exactly.
        Exactly = "exactly",
        /// Perhaps without case or accents: what comes back is checked again.
        Loosely = "loosely",
    }
}

/// Bounds of a filter.
#[derive(Debug)]
struct Most {
    /// Groups.
    any: usize,
    /// Conditions in a group.
    all: usize,
    /// Conditions in all.
    total: usize,
}

/// A dialect, compiled.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) text: Compares,
    pub(super) or: Or,
    /// Whether moments are whole milliseconds in filters.
    pub(super) unix_ms: bool,
    pub(super) sort: Option<SortWords>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Odata4,
    Groups(Box<Groups>),
}

/// How an order is asked for.
#[derive(Debug)]
pub(super) struct SortWords {
    /// Most keys, the tiebreak included.
    pub(super) most: usize,
    pub(super) tie: Tie,
    template: Template,
    dir: [String; 2],
}

#[derive(Debug)]
struct Groups {
    most: Most,
    any: Template,
    all: Template,
    one: Template,
    many: Template,
    ops: HashMap<Op, String>,
}

/// A piece of a body with holes.
#[derive(Debug)]
enum Template {
    Hole(Hole),
    Text(String),
    Object(Vec<(Arc<str>, Template)>),
    List(Vec<Template>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    Items,
    Field,
    Op,
    Value,
    Values,
    Dir,
}

/// What a dialect makes of a filter and an order.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// For the query.
    pub(super) query: Vec<(String, String)>,
    /// For the body.
    pub(super) body: Vec<(Arc<str>, Out)>,
}

impl Dialect {
    /// OData 4 as its standard has it.
    pub(super) fn odata4() -> Self {
        let sort = SortWords {
            most: 8,
            tie: Tie::Key,
            template: Template::Hole(Hole::Field),
            dir: ["asc".into(), "desc".into()],
        };
        Self { text: Compares::Loosely, or: Or::Any, unix_ms: false, sort: Some(sort), form: Form::Odata4 }
    }

    pub(super) fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let shape: Option<Shape> = keys.required("shape", found);
        let text = keys.or("text", || Compares::Loosely, found);
        let loaded = match shape? {
            Shape::Odata4 => {
                let or = keys.or("or", || Or::Any, found);
                keys.finish(found);
                Self { text: text?, or: or?, ..Self::odata4() }
            }
            Shape::OrOfAnds => {
                let literals =
                    keys.take("literals").and_then(|node| Keys::of(node, found)).map(|mut keys| {
                        let instant = keys.or("instant", || Instants::Iso, found);
                        keys.finish(found);
                        instant
                    });
                let sort = keys.take("sort").map(|node| SortWords::load(node, found));
                let groups = Groups::load(&mut keys, found);
                keys.finish(found);
                Self {
                    text: text?,
                    or: Or::Any,
                    unix_ms: literals.flatten() == Some(Instants::UnixMs),
                    sort: match sort {
                        Some(sort) => Some(sort?),
                        None => None,
                    },
                    form: Form::Groups(Box::new(groups?)),
                }
            }
        };
        Some(loaded)
    }

    /// Spells a filter.
    pub(super) fn filter(&self, push: &Push) -> Asked {
        match &self.form {
            Form::Odata4 => odata_filter(push),
            Form::Groups(groups) => groups.filter(push),
        }
    }

    /// Spells an order.
    pub(super) fn order(&self, words: &SortWords, keys: &[(Arc<str>, Direction)]) -> Asked {
        let dir = |direction: &Direction| {
            let [ascending, descending] = &words.dir;
            match direction {
                Direction::Ascending => ascending.as_str(),
                Direction::Descending => descending.as_str(),
            }
        };
        match &self.form {
            Form::Odata4 => {
                let keys: Vec<_> = keys.iter().map(|(name, d)| format!("{name} {}", dir(d))).collect();
                let query = vec![("$orderby".to_owned(), keys.join(","))];
                Asked { query, body: Vec::new() }
            }
            Form::Groups(_) => {
                let mut body = Vec::new();
                for (name, direction) in keys {
                    let fill = |hole: Hole| match hole {
                        Hole::Field => Some(Out::text(name)),
                        Hole::Dir => Some(Out::text(dir(direction))),
                        Hole::Items | Hole::Op | Hole::Value | Hole::Values => None,
                    };
                    if let Out::Object(pairs) = words.template.fill(&fill) {
                        body.extend(pairs);
                    }
                }
                Asked { query: Vec::new(), body }
            }
        }
    }
}

impl SortWords {
    fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let template: Node = keys.required("one", found)?;
        let tie = keys.or("tie", || Tie::Key, found);
        let dir: Vec<String> = keys.or("dir", || vec!["asc".into(), "desc".into()], found)?;
        keys.finish(found);
        let Ok(dir) = <[String; 2]>::try_from(dir) else {
            found.error(&node.place, "`dir` names the two directions, ascending first");
            return None;
        };
        let template = Template::load(&template, &[Hole::Field, Hole::Dir], found)?;
        Some(Self { most: 1, tie: tie?, template, dir })
    }
}

impl Most {
    fn load(node: Option<&Node>, found: &mut Diagnostics) -> Option<Self> {
        let Some(node) = node else { return Some(Self { any: 5, all: 10, total: 100 }) };
        let mut keys = Keys::of(node, found)?;
        let any = keys.or("any", || 5, found);
        let all = keys.or("all", || 10, found);
        let total = keys.or("total", || 100, found);
        keys.finish(found);
        Some(Self { any: any?, all: all?, total: total? })
    }
}

impl Groups {
    fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let most = Most::load(keys.take("most"), found);
        let mut template = |key: &'static str, holes: &[Hole], found: &mut Diagnostics| {
            let node: Node = keys.required(key, found)?;
            Template::load(&node, holes, found)
        };
        let any = template("any", &[Hole::Items], found);
        let all = template("all", &[Hole::Items], found);
        let one = template("one", &[Hole::Field, Hole::Op, Hole::Value], found);
        let many = template("in", &[Hole::Field, Hole::Values], found);
        let node: Node = keys.required("ops", found)?;
        let mut ops = HashMap::new();
        for (word, node) in pairs(Some(&node), found) {
            let op = match word.text.as_str() {
                "eq" => Op::Eq,
                "lt" => Op::Lt,
                "lte" => Op::Lte,
                "gt" => Op::Gt,
                "gte" => Op::Gte,
                other => {
                    found.push(
                        Diagnostic::error(
                            &node.place,
                            format!("`{other}` is no operator that can be pushed"),
                        )
                        .suggest(other, ["eq", "lt", "lte", "gt", "gte"]),
                    );
                    continue;
                }
            };
            if let Some(text) = String::read(node, found) {
                ops.insert(op, text);
            }
        }
        Some(Self { most: most?, any: any?, all: all?, one: one?, many: many?, ops })
    }

    fn filter(&self, push: &Push) -> Asked {
        let groups = self.groups(push);
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return Asked::default();
        }
        let all = groups
            .iter()
            .map(|group| {
                let tests = group.iter().map(|test| self.test(test)).collect();
                self.all.fill(&|hole| (hole == Hole::Items).then(|| Out::List(Vec::clone(&tests))))
            })
            .collect::<Vec<_>>();
        let body = match self.any.fill(&|hole| (hole == Hole::Items).then(|| Out::List(all.clone()))) {
            Out::Object(pairs) => pairs,
            Out::Null | Out::Boolean(_) | Out::Number(_) | Out::Text(_) | Out::List(_) => Vec::new(),
        };
        Asked { query: Vec::new(), body }
    }

    /// The normal form within the bounds; what would pass them is left out of a conjunction, so that more
    /// comes back. One empty group is everything.
    fn groups<'p>(&self, push: &'p Push) -> Vec<Vec<&'p Test>> {
        match push {
            Push::Test(test) if self.speaks(test) => vec![vec![test]],
            Push::Test(_) => vec![Vec::new()],
            Push::Any(parts) => {
                let all: Vec<_> = parts.iter().flat_map(|part| self.groups(part)).collect();
                if self.fits(&all) { all } else { vec![Vec::new()] }
            }
            Push::All(parts) => {
                let mut groups = vec![Vec::new()];
                for part in parts {
                    let others = self.groups(part);
                    let product: Vec<Vec<&Test>> = groups
                        .iter()
                        .flat_map(|group: &Vec<&Test>| {
                            others.iter().map(move |other| group.iter().chain(other).copied().collect())
                        })
                        .collect();
                    if self.fits(&product) {
                        groups = product;
                    }
                }
                groups
            }
        }
    }

    fn speaks(&self, test: &Test) -> bool {
        test.op == Op::In || self.ops.contains_key(&test.op)
    }

    fn fits(&self, groups: &[Vec<&Test>]) -> bool {
        let total: usize = groups.iter().map(Vec::len).sum();
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        groups.len() <= self.most.any && longest <= self.most.all && total <= self.most.total
    }

    fn test(&self, test: &Test) -> Out {
        let value = |literal: &Literal| match literal {
            Literal::Boolean(yes) => Out::text(if *yes { "true" } else { "false" }),
            Literal::Text(text) | Literal::Number(text) | Literal::Bare(text) => Out::Text(text.clone()),
        };
        let fill = |hole: Hole| match hole {
            Hole::Field => Some(Out::text(&test.name)),
            Hole::Op => self.ops.get(&test.op).map(|op| Out::text(op)),
            Hole::Value => test.values.first().map(value),
            Hole::Values => Some(Out::List(test.values.iter().map(value).collect())),
            Hole::Items | Hole::Dir => None,
        };
        match test.op {
            Op::In => self.many.fill(&fill),
            Op::Eq
            | Op::Ne
            | Op::Lt
            | Op::Lte
            | Op::Gt
            | Op::Gte
            | Op::Contains
            | Op::StartsWith
            | Op::EndsWith => self.one.fill(&fill),
        }
    }
}

impl Template {
    fn load(node: &Node, holes: &[Hole], found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            tree::Value::Scalar(scalar) => {
                let Some(name) = scalar.text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
                    return Some(Self::Text(scalar.text.clone()));
                };
                let hole = holes.iter().find(|hole| hole.name() == name);
                if hole.is_none() {
                    found.push(
                        Diagnostic::error(&node.place, format!("`{{{name}}}` is nothing to fill in here"))
                            .suggest(name, holes.iter().map(|hole| hole.name())),
                    );
                }
                hole.copied().map(Self::Hole)
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

    fn fill(&self, with: &dyn Fn(Hole) -> Option<Out>) -> Out {
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

impl Hole {
    fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Field => "field",
            Self::Op => "op",
            Self::Value => "value",
            Self::Values => "values",
            Self::Dir => "dir",
        }
    }
}

/// OData text; conditions that would make it too long are left out.
fn odata_filter(push: &Push) -> Asked {
    let parts: &[Push] = match push {
        Push::All(parts) => parts,
        Push::Any(_) | Push::Test(_) => std::slice::from_ref(push),
    };
    let mut text = String::new();
    for part in parts {
        let mut one = String::new();
        odata(part, &mut one);
        if text.len() + one.len() > TEXT_BYTES_MAX {
            continue;
        }
        if !text.is_empty() {
            text.push_str(" and ");
        }
        text.push_str(&one);
    }
    let query = if text.is_empty() { Vec::new() } else { vec![("$filter".to_owned(), text)] };
    Asked { query, body: Vec::new() }
}

fn odata(push: &Push, out: &mut String) {
    let (parts, word) = match push {
        Push::Test(test) => return odata_test(test, out),
        Push::All(parts) => (parts, " and "),
        Push::Any(parts) => (parts, " or "),
    };
    out.push('(');
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push_str(word);
        }
        odata(part, out);
    }
    out.push(')');
}

fn odata_test(test: &Test, out: &mut String) {
    let word = match test.op {
        // The last four are never asked for.
        Op::Eq | Op::In | Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => "eq",
        Op::Lt => "lt",
        Op::Lte => "le",
        Op::Gt => "gt",
        Op::Gte => "ge",
    };
    // An or-chain says what `in` says, and every version 4 service knows it.
    let several = test.values.len() > 1;
    if several {
        out.push('(');
    }
    for (at, value) in test.values.iter().enumerate() {
        if at > 0 {
            out.push_str(" or ");
        }
        out.push_str(&test.name);
        out.push(' ');
        out.push_str(word);
        out.push(' ');
        odata_literal(value, out);
    }
    if several {
        out.push(')');
    }
}

/// INVARIANT: a text stands in quotes with its own quotes doubled; the rest is made of checked tokens.
pub(super) fn odata_literal(value: &Literal, out: &mut String) {
    match value {
        Literal::Text(text) => {
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
        Literal::Number(token) | Literal::Bare(token) => out.push_str(token),
        Literal::Boolean(yes) => out.push_str(if *yes { "true" } else { "false" }),
    }
}
