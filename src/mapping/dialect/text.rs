//! Filters as text: conditions with words between them, for OData and for query languages.

use super::{
    Asked, Or,
    literal::Literals,
    ops::Ops,
    template::{Hole, Words},
};
use crate::{
    mapping::push::{Push, Test},
    schema::Op,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Longest filter text in a query, before percent-encoding.
pub(super) const TEXT_BYTES_MAX: usize = 3000;

/// How conditions are written as text.
#[derive(Debug)]
pub(super) struct Text {
    all: String,
    any: String,
    one: Words,
    /// Several values at once; without it a chain of `or`.
    many: Option<Words>,
    /// Whether there may be such a chain.
    chains: bool,
    ops: Ops,
    /// The parameter that it goes into; without it a statement has room for it.
    pub(super) query: Option<String>,
}

impl Text {
    /// As every version of OData has it; an or-chain says what `in` says, and every service knows it.
    pub(super) fn odata() -> Self {
        let one = [Err(Hole::Field), Ok(" "), Err(Hole::Op), Ok(" "), Err(Hole::Value)];
        Self {
            all: " and ".into(),
            any: " or ".into(),
            one: Words::of(one),
            many: None,
            chains: true,
            ops: Ops::of([(Op::Eq, "eq"), (Op::Lt, "lt"), (Op::Lte, "le"), (Op::Gt, "gt"), (Op::Gte, "ge")]),
            query: Some("$filter".into()),
        }
    }

    pub(super) fn load(keys: &mut Keys<'_>, or: Or, found: &mut Diagnostics) -> Option<Self> {
        let plain = Self::odata();
        let mut spaced = |key: &'static str, word: &str, found: &mut Diagnostics| {
            keys.or(key, || word.to_owned(), found).map(|word| format!(" {} ", word.trim()))
        };
        let (all, any) = (spaced("all", "AND", found), spaced("any", "OR", found));
        let one = match keys.take("one") {
            Some(node) => {
                let holes = [Hole::Field, Hole::Op, Hole::Value];
                let words = Words::load(node, &holes, found)?;
                words.needs(&holes, node, found)?;
                words
            }
            None => plain.one,
        };
        let many = match keys.take("in") {
            Some(node) => {
                let holes = [Hole::Field, Hole::Values];
                let words = Words::load(node, &holes, found)?;
                words.needs(&holes, node, found)?;
                Some(words)
            }
            None => None,
        };
        let ops: Node = keys.required("ops", found)?;
        let query = keys.take("query").and_then(|node| String::read(node, found));
        let chains = or != Or::Never;
        Some(Self { all: all?, any: any?, one, many, chains, ops: Ops::load(&ops, false, found), query })
    }

    /// The filter; conditions that would make it too long, or that cannot be said, are left out.
    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let parts: &[Push] = match push {
            Push::All(parts) => parts,
            Push::Any(_) | Push::Test(_) => std::slice::from_ref(push),
        };
        let mut text = String::new();
        for part in parts {
            let Some(one) = self.part(literals, part) else { continue };
            if text.len().saturating_add(one.len()) > TEXT_BYTES_MAX {
                continue;
            }
            if !text.is_empty() {
                text.push_str(&self.all);
            }
            text.push_str(&one);
        }
        if text.is_empty() {
            return Asked::default();
        }
        match &self.query {
            Some(name) => Asked { query: vec![(name.clone(), text)], ..Asked::default() },
            None => Asked { text: Some(text), ..Asked::default() },
        }
    }

    /// One condition in words; `None` asks for everything. Recursion is bounded by the depth of a filter.
    fn part(&self, literals: &Literals, push: &Push) -> Option<String> {
        match push {
            Push::Test(test) => self.test(literals, test),
            Push::All(parts) => {
                let said: Vec<_> = parts.iter().filter_map(|part| self.part(literals, part)).collect();
                (!said.is_empty()).then(|| format!("({})", said.join(&self.all)))
            }
            Push::Any(parts) => {
                let said: Option<Vec<_>> = parts.iter().map(|part| self.part(literals, part)).collect();
                said.filter(|said| !said.is_empty()).map(|said| format!("({})", said.join(&self.any)))
            }
        }
    }

    fn test(&self, literals: &Literals, test: &Test) -> Option<String> {
        let values: Vec<String> =
            test.values.iter().map(|value| literals.spell(value)).collect::<Option<_>>()?;
        match (test.op, &self.many, values.as_slice()) {
            (Op::Contains | Op::StartsWith | Op::EndsWith, _, _) => None,
            (Op::In, Some(many), values) => {
                let values = values.join(",");
                Some(many.fill(&|hole| match hole {
                    Hole::Field => Some(test.name.to_string()),
                    Hole::Values => Some(values.clone()),
                    _ => None,
                }))
            }
            (op, _, [value]) => self.one(test, if op == Op::In { Op::Eq } else { op }, value),
            (Op::In, None, values) if self.chains => {
                let said: Option<Vec<_>> = values.iter().map(|value| self.one(test, Op::Eq, value)).collect();
                said.filter(|said| !said.is_empty()).map(|said| format!("({})", said.join(&self.any)))
            }
            (Op::In | Op::Eq | Op::Ne | Op::Lt | Op::Lte | Op::Gt | Op::Gte, _, _) => None,
        }
    }

    fn one(&self, test: &Test, op: Op, value: &str) -> Option<String> {
        let word = self.ops.word(op)?;
        Some(self.one.fill(&|hole| match hole {
            Hole::Field => Some(test.name.to_string()),
            Hole::Op => Some(word.to_owned()),
            Hole::Value => Some(value.to_owned()),
            _ => None,
        }))
    }
}
