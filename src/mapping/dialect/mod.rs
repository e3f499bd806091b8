//! `filters:` — how a system is asked for some of its records, and in which order.
//!
//! A dialect is a shape and a carrier; names and operators come from the file, values pass a typed writer.
//! What goes out may ask for more than was wanted, never for less.

mod brackets;
mod criteria;
mod domain;
mod flat;
mod groups;
mod literal;
mod normal;
mod ops;
mod sort;
mod statement;
mod template;
mod text;

use std::sync::Arc;

use self::{
    brackets::Brackets, criteria::Criteria, domain::Domain, flat::Flat, groups::Groups, sort::Carrier,
    text::Text,
};
pub(super) use self::{
    literal::{Literal, Literals, Numbers},
    sort::{SortWords, Tie},
    statement::{Filled, Statement},
};
use super::{
    load::pairs,
    out::Out,
    path::{Path, Step},
    push::Push,
};
use crate::{
    schema::Direction,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

yaml_words! {
    /// The form of a filter.
    enum Shape {
        /// Groups of conditions in JSON: or of ands.
        OrOfAnds = "or_of_ands",
        /// OData 4 text.
        Odata4 = "odata4",
        /// OData 2 text.
        Odata2 = "odata2",
        /// Text of a query language.
        Text = "text",
        /// A list in JSON.
        List = "list",
        /// Parameters, one condition each.
        Flat = "flat",
        /// Parameters whose values stand in brackets.
        Brackets = "brackets",
        /// Numbered parameters: and of ors.
        AndOfOrs = "and_of_ors",
    }

    /// Over which fields an `or` may stretch.
    pub(super) enum Or {
        /// Any.
        Any = "any",
        /// One and the same.
        SameField = "same_field",
        /// None: the system knows no `or`.
        Never = "never",
    }

    /// How text is compared.
    pub(super) enum Compares {
        /// Exactly.
        Exactly = "exactly",
        /// Perhaps without case or accents: what comes back is checked again.
        Loosely = "loosely",
    }
}

/// A dialect, compiled.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) text: Compares,
    pub(super) or: Or,
    pub(super) literals: Literals,
    pub(super) sort: Option<SortWords>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Text(Box<Text>),
    Groups(Box<Groups>),
    Domain(Box<Domain>),
    Flat(Flat),
    Brackets(Box<Brackets>),
    Criteria(Box<Criteria>),
}

/// What a dialect makes of a filter or an order.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// For the query.
    pub(super) query: Vec<(String, String)>,
    /// For the body.
    pub(super) body: Vec<(Path, Out)>,
    /// For the statement.
    pub(super) text: Option<String>,
}

impl Dialect {
    /// OData 4 as its standard has it.
    pub(super) fn odata4() -> Self {
        Self {
            text: Compares::Loosely,
            or: Or::Any,
            literals: Literals::odata4(),
            sort: Some(SortWords::odata()),
            form: Form::Text(Box::new(Text::odata())),
        }
    }

    /// OData 2 as its standard has it.
    pub(super) fn odata2() -> Self {
        Self { literals: Literals::odata2(), ..Self::odata4() }
    }

    pub(super) fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut keys = Keys::of(node, found)?;
        let shape: Option<Shape> = keys.required("shape", found);
        let text = keys.or("text", || Compares::Loosely, found);
        let shape = shape?;
        let literals = match shape {
            Shape::Odata4 => Literals::odata4(),
            Shape::Odata2 => Literals::odata2(),
            Shape::Text => Literals::odata4().strictly(),
            Shape::OrOfAnds | Shape::List | Shape::Flat | Shape::Brackets | Shape::AndOfOrs => {
                Literals::plain()
            }
        };
        let literals = literals.load(keys.take("literals"), found);
        let mut or = Some(Or::Any);
        let (carrier, form) = match shape {
            Shape::Odata4 | Shape::Odata2 => {
                or = keys.or("or", || Or::Any, found);
                (Carrier::Text, Some(Form::Text(Box::new(Text::odata()))))
            }
            Shape::Text => {
                or = keys.or("or", || Or::Any, found);
                (Carrier::Text, Text::load(&mut keys, or?, found).map(|form| Form::Text(Box::new(form))))
            }
            Shape::OrOfAnds => {
                (Carrier::Body, Groups::load(&mut keys, found).map(|form| Form::Groups(Box::new(form))))
            }
            Shape::List => {
                or = keys.or("or", || Or::Any, found);
                (Carrier::List, Domain::load(&mut keys, found).map(|form| Form::Domain(Box::new(form))))
            }
            Shape::Flat => (Carrier::Query, Flat::load(&mut keys, found).map(Form::Flat)),
            Shape::Brackets => {
                (Carrier::Query, Brackets::load(&mut keys, found).map(|form| Form::Brackets(Box::new(form))))
            }
            Shape::AndOfOrs => {
                (Carrier::Query, Criteria::load(&mut keys, found).map(|form| Form::Criteria(Box::new(form))))
            }
        };
        let sort = match (keys.take("sort"), shape) {
            (Some(node), _) => SortWords::load(node, carrier, found).map(Some),
            (None, Shape::Odata4 | Shape::Odata2) => Some(Some(SortWords::odata())),
            (None, _) => Some(None),
        };
        keys.finish(found);
        Some(Self { text: text?, or: or?, literals: literals?, sort: sort?, form: form? })
    }

    /// Whether it makes a text that a statement has to hold.
    pub(super) fn needs_statement(&self) -> bool {
        match &self.form {
            Form::Text(text) => text.query.is_none(),
            Form::Groups(_) | Form::Domain(_) | Form::Flat(_) | Form::Brackets(_) | Form::Criteria(_) => {
                false
            }
        }
    }

    /// Whether what it makes is a list without a place of its own: it fills `{filter}`, with an empty list where every
    /// record is asked for.
    pub(super) fn is_whole(&self) -> bool {
        match &self.form {
            Form::Domain(domain) => domain.is_whole(),
            Form::Text(_) | Form::Groups(_) | Form::Flat(_) | Form::Brackets(_) | Form::Criteria(_) => false,
        }
    }

    /// The names that it writes into a body, each with whether nothing stands under it; `None` where it writes into
    /// none.
    pub(super) fn names_in_bodies(&self) -> Option<Vec<(String, bool)>> {
        let mut names = Vec::new();
        match &self.form {
            Form::Groups(groups) => groups.names(&mut |name, is_last| names.push((name.to_owned(), is_last))),
            Form::Domain(_) => {}
            Form::Text(_) | Form::Flat(_) | Form::Brackets(_) | Form::Criteria(_) => return None,
        }
        Some(names)
    }

    /// Spells a filter; what cannot be said is left out, so that more comes back.
    pub(super) fn filter(&self, push: &Push) -> Asked {
        match &self.form {
            Form::Text(form) => form.filter(&self.literals, push),
            Form::Groups(form) => form.filter(&self.literals, push),
            Form::Domain(form) => form.filter(&self.literals, push),
            Form::Flat(form) => form.filter(&self.literals, push),
            Form::Brackets(form) => form.filter(&self.literals, push),
            Form::Criteria(form) => form.filter(&self.literals, push),
        }
    }

    /// Spells an order.
    pub(super) fn order(&self, words: &SortWords, keys: &[(Arc<str>, Direction)]) -> Asked {
        words.order(keys)
    }
}

impl Asked {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.query.is_empty() && self.body.is_empty() && self.text.is_none()
    }

    /// Puts the pairs of an object into the body.
    fn put_all(&mut self, out: Out) {
        if let Out::Object(pairs) = out {
            self.body.extend(pairs.into_iter().map(|(name, out)| (Path(vec![Step::Key(name)]), out)));
        }
    }
}

/// Parameters that go along.
fn texts(node: &Node, found: &mut Diagnostics) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (key, node) in pairs(Some(node), found) {
        if let Some(text) = String::read(node, found) {
            out.push((key.text.clone(), text));
        }
    }
    out
}
