//! Filters as parameters whose values stand in brackets: `filter[name]=[v]`, `[a|b]`, `[from,to]`.
//!
//! Such a system has no escape: a value that holds one of its signs is not asked for.

use std::sync::Arc;

use super::{
    Asked,
    flat::tests,
    literal::{Literal, Literals},
    template::{Hole, Words},
};
use crate::{
    mapping::push::Push,
    schema::Op,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

#[derive(Debug)]
pub(super) struct Brackets {
    /// The parameter of a field.
    name: Words,
    /// A value, or several with `between` between them.
    one: Words,
    between: Option<String>,
    /// Both ends, each within.
    range: Option<Words>,
    greater: Option<Words>,
    less: Option<Words>,
    with: Vec<(String, String)>,
}

/// What is wanted of one field.
#[derive(Default)]
struct Wanted {
    values: Option<Vec<Literal>>,
    from: Option<(Op, Literal)>,
    to: Option<(Op, Literal)>,
}

impl Brackets {
    pub(super) fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let name: Node = keys.required("name", found)?;
        let name_words = Words::load(&name, &[Hole::Field], found)?;
        name_words.needs(&[Hole::Field], &name, found)?;
        let one: Node = keys.required("one", found)?;
        let one_words = Words::load(&one, &[Hole::Values], found)?;
        one_words.needs(&[Hole::Values], &one, found)?;
        let between = keys.take("between").and_then(|node| String::read(node, found));
        let mut words = |key: &'static str, holes: &[Hole], found: &mut Diagnostics| match keys.take(key) {
            Some(node) => {
                let words = Words::load(node, holes, found)?;
                words.needs(holes, node, found)?;
                Some(Some(words))
            }
            None => Some(None),
        };
        let range = words("range", &[Hole::From, Hole::To], found)?;
        let greater = words("gt", &[Hole::Value], found)?;
        let less = words("lt", &[Hole::Value], found)?;
        let with = keys.take("with").map_or_else(Vec::new, |node| super::texts(node, found));
        let between = between.filter(|text| !text.is_empty());
        Some(Self { name: name_words, one: one_words, between, range, greater, less, with })
    }

    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let mut wanted: Vec<(Arc<str>, Wanted)> = Vec::new();
        for test in tests(push) {
            if !wanted.iter().any(|(name, _)| *name == test.name) {
                wanted.push((test.name.clone(), Wanted::default()));
            }
            let Some((_, of)) = wanted.iter_mut().find(|(name, _)| *name == test.name) else { continue };
            let first = || test.values.first().cloned().map(|value| (test.op, value));
            match test.op {
                Op::Eq | Op::In => of.values = of.values.take().or_else(|| Some(test.values.clone())),
                Op::Gt | Op::Gte => of.from = of.from.take().or_else(first),
                Op::Lt | Op::Lte => of.to = of.to.take().or_else(first),
                Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => {}
            }
        }
        let mut query = Vec::new();
        for (name, of) in &wanted {
            if let Some(value) = self.value(literals, of) {
                let name = self.name.fill(&|hole| (hole == Hole::Field).then(|| name.to_string()));
                query.push((name, value));
            }
        }
        if !query.is_empty() {
            query.extend(self.with.iter().cloned());
        }
        Asked { query, ..Asked::default() }
    }

    /// What a parameter says: values before ranges, both ends before one.
    fn value(&self, literals: &Literals, of: &Wanted) -> Option<String> {
        let said = |literal: &Literal| literals.spell(literal).filter(|text| !text.is_empty());
        if let Some(values) = &of.values {
            let values: Vec<String> = values.iter().map(said).collect::<Option<_>>()?;
            let values = match (values.as_slice(), &self.between) {
                ([value], _) => value.clone(),
                (values, Some(between)) if values.iter().all(|value| !value.contains(between)) => {
                    values.join(between)
                }
                _ => return None,
            };
            return Some(self.one.fill(&|hole| (hole == Hole::Values).then(|| values.clone())));
        }
        let end =
            |end: &Option<(Op, Literal)>| end.as_ref().and_then(|(op, value)| Some((*op, said(value)?)));
        match (end(&of.from), end(&of.to), &self.range) {
            (Some((_, from)), Some((_, to)), Some(range)) => Some(range.fill(&|hole| match hole {
                Hole::From => Some(from.clone()),
                Hole::To => Some(to.clone()),
                _ => None,
            })),
            // One end by itself leaves its own value out; where that one is wanted too, it is not asked for.
            (Some((Op::Gt, from)), _, _) => self.greater.as_ref().map(|words| one(words, &from)),
            (_, Some((Op::Lt, to)), _) => self.less.as_ref().map(|words| one(words, &to)),
            (_, _, _) => None,
        }
    }
}

fn one(words: &Words, value: &str) -> String {
    words.fill(&|hole| (hole == Hole::Value).then(|| value.to_owned()))
}
