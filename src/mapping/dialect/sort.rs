//! `sort:` — how an order is asked for, in each carrier.

use std::sync::Arc;

use super::{
    Asked,
    template::{Hole, Template, Words},
};
use crate::{
    mapping::{load::pairs, out::Out, path::Path},
    schema::Direction,
    words::{
        Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

/// Most keys of an order.
const KEYS_MAX: u32 = 8;

yaml_words! {
    /// How rows that sort alike are told apart from page to page.
    pub(in crate::mapping) enum Tie {
        /// By the key, sent as the last key of the order.
        Key = "key",
        /// By the system itself, whose pages do not overlap.
        Own = "own",
    }
}

/// How an order is asked for.
#[derive(Debug)]
pub(in crate::mapping) struct SortWords {
    /// Most keys, the tiebreak included.
    pub(in crate::mapping) most: usize,
    pub(in crate::mapping) tie: Tie,
    dir: [Dir; 2],
    /// What the order calls a field, where that is not what a filter calls it; others cannot be sorted by.
    fields: Option<Vec<(String, String)>>,
    form: Form,
}

/// A word for up or down.
#[derive(Clone, Debug)]
struct Dir {
    text: String,
    /// As it stands in a body: `true` and `false` without quotes are JSON's.
    out: Out,
}

impl Dir {
    fn is(word: &str) -> Self {
        Self { text: word.to_owned(), out: Out::text(word) }
    }

    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let text = String::read(node, found)?;
        let is_bare = matches!(&node.value, tree::Value::Scalar(scalar) if !scalar.quoted);
        let out = match text.as_str() {
            "true" if is_bare => Out::Boolean(true),
            "false" if is_bare => Out::Boolean(false),
            text => Out::text(text),
        };
        Some(Self { text, out })
    }
}

/// What carries an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A text.
    Text,
    /// Pairs of a JSON body.
    Body,
    /// A list in a JSON body.
    List,
    /// Parameters.
    Query,
}

#[derive(Debug)]
enum Form {
    Text {
        one: Words,
        query: Option<String>,
    },
    Body(Template),
    List {
        one: Template,
        at: Path,
    },
    /// One text in a body.
    Joined {
        one: Words,
        at: Path,
    },
    Query(Vec<(Words, Words)>),
}

impl SortWords {
    /// As every version of OData has it.
    pub(super) fn odata() -> Self {
        Self {
            most: 8,
            tie: Tie::Key,
            dir: [Dir::is("asc"), Dir::is("desc")],
            fields: None,
            form: Form::Text {
                one: Words::of([Err(Hole::Field), Ok(" "), Err(Hole::Dir)]),
                query: Some("$orderby".into()),
            },
        }
    }

    /// Whether it is a text that a statement has to hold.
    pub(in crate::mapping) fn needs_statement(&self) -> bool {
        matches!(self.form, Form::Text { query: None, .. })
    }

    /// The names that an order writes into a body; `None` where it writes into none.
    pub(in crate::mapping) fn names_in_bodies(&self) -> Option<Vec<(String, bool)>> {
        let mut names = Vec::new();
        match &self.form {
            Form::Body(one) => one.names(&mut |name, is_last| names.push((name.to_owned(), is_last))),
            Form::List { .. } | Form::Joined { .. } => {}
            Form::Text { .. } | Form::Query(_) => return None,
        }
        Some(names)
    }

    pub(super) fn load(node: &Node, carrier: Carrier, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let holes = [Hole::Field, Hole::Dir, Hole::N];
        let (form, usual) = match carrier {
            Carrier::Text => {
                let one: Node = keys.required("one", found)?;
                if one.as_map().is_some() {
                    return Self::read(
                        (keys, node),
                        Form::Body(Template::load(&one, &holes, found)?),
                        1,
                        found,
                    );
                }
                let query = keys.take("query").and_then(|node| String::read(node, found));
                (Form::Text { one: Words::load(&one, &holes, found)?, query }, KEYS_MAX)
            }
            Carrier::Body => {
                let one: Node = keys.required("one", found)?;
                (Form::Body(Template::load(&one, &holes, found)?.named(&one, found)?), 1)
            }
            Carrier::List => {
                let one: Node = keys.required("one", found)?;
                let at: Node = keys.required("body", found)?;
                let at = crate::mapping::load::place(&at, found)?;
                let form = match one.as_text() {
                    Some(_) => Form::Joined { one: Words::load(&one, &holes, found)?, at },
                    None => Form::List { one: Template::load(&one, &holes, found)?, at },
                };
                (form, KEYS_MAX)
            }
            Carrier::Query => {
                let query: Node = keys.required("query", found)?;
                (Form::Query(words(&query, &holes, found)?), 1)
            }
        };
        Self::read((keys, node), form, usual, found)
    }

    /// What is said of an order whatever carries it.
    fn read(
        (mut keys, node): (Keys<'_>, &Node),
        form: Form,
        usual: u32,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let tie = keys.or("tie", || Tie::Key, found);
        let most = keys.or("most", || usual, found)?.min(KEYS_MAX);
        let dir: Vec<Dir> = match keys.take("dir") {
            None => vec![Dir::is("asc"), Dir::is("desc")],
            Some(node) => {
                node.as_list().unwrap_or_default().iter().filter_map(|word| Dir::read(word, found)).collect()
            }
        };
        let fields = keys.take("fields").map(|node| {
            let read = |(key, node): &(tree::Key, Node)| Some((key.text.clone(), node.as_text()?.to_owned()));
            pairs(Some(node), found).iter().filter_map(read).collect()
        });
        keys.finish(found);
        let Ok(dir) = <[Dir; 2]>::try_from(dir) else {
            found.error(&node.place, "`dir` names the two directions, ascending first");
            return None;
        };
        Some(Self { most: usize::try_from(most).unwrap_or(1), tie: tie?, dir, fields, form })
    }

    /// Whether rows can be put in order by a field.
    pub(in crate::mapping) fn knows(&self, name: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.iter().any(|(field, _)| field == name))
    }

    /// Spells an order.
    pub(super) fn order(&self, keys: &[(Arc<str>, Direction)]) -> Asked {
        let mut asked = Asked::default();
        let mut texts = Vec::new();
        let mut list = Vec::new();
        for (n, (name, direction)) in keys.iter().enumerate() {
            let text = |hole: Hole| match hole {
                Hole::Field => Some(self.called(name).to_owned()),
                Hole::Dir => Some(self.dir(*direction).text.clone()),
                Hole::N => Some(n.to_string()),
                _ => None,
            };
            let out = |hole: Hole| match hole {
                Hole::Dir => Some(self.dir(*direction).out.clone()),
                hole => text(hole).map(|text| Out::text(&text)),
            };
            match &self.form {
                Form::Text { one, .. } | Form::Joined { one, .. } => texts.push(one.fill(&text)),
                Form::Body(one) => asked.put_all(one.fill(&out)),
                Form::List { one, .. } => list.push(one.fill(&out)),
                Form::Query(pairs) => {
                    asked
                        .query
                        .extend(pairs.iter().map(|(name, value)| (name.fill(&text), value.fill(&text))));
                }
            }
        }
        match &self.form {
            Form::Text { query: Some(query), .. } => asked.query.push((query.clone(), texts.join(","))),
            Form::Text { query: None, .. } => asked.text = Some(texts.join(", ")),
            Form::List { at, .. } => asked.body.push((at.clone(), Out::List(list))),
            Form::Joined { at, .. } => asked.body.push((at.clone(), Out::text(&texts.join(", ")))),
            Form::Body(_) | Form::Query(_) => {}
        }
        asked
    }

    fn called<'s>(&'s self, name: &'s str) -> &'s str {
        let other = self.fields.iter().flatten().find(|(field, _)| field == name);
        other.map_or(name, |(_, other)| other.as_str())
    }

    fn dir(&self, direction: Direction) -> &Dir {
        let [ascending, descending] = &self.dir;
        match direction {
            Direction::Ascending => ascending,
            Direction::Descending => descending,
        }
    }
}

/// Parameters, name and value with holes.
pub(super) fn words(node: &Node, holes: &[Hole], found: &mut Diagnostics) -> Option<Vec<(Words, Words)>> {
    let mut out = Vec::new();
    for (key, value) in pairs(Some(node), found) {
        let name = Words::parse(&key.text, holes, node, found)?;
        out.push((name, Words::load(value, holes, found)?));
    }
    Some(out)
}
