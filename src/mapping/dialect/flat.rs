//! Filters as parameters of the query, one condition each: `status=open&modified_after=…`.

use super::{
    Asked,
    literal::{Literal, Literals},
    ops::Ops,
};
use crate::{
    mapping::{
        load::pairs,
        push::{Push, Test},
    },
    schema::Op,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

#[derive(Debug)]
pub(super) struct Flat {
    /// By native name: the parameter of each comparison.
    fields: Vec<(String, Ops)>,
    /// What stands between several values of one parameter.
    between: Option<String>,
    /// Parameters that go along with any condition.
    with: Vec<(String, String)>,
}

impl Flat {
    pub(super) fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let node: Node = keys.required("fields", found)?;
        let fields = pairs(Some(&node), found)
            .iter()
            .map(|(key, node)| (key.text.clone(), Ops::load(node, true, found)))
            .collect();
        let between = keys.take("between").and_then(|node| String::read(node, found));
        let with = keys.take("with").map_or_else(Vec::new, |node| super::texts(node, found));
        Some(Self { fields, between: between.filter(|text| !text.is_empty()), with })
    }

    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let mut query: Vec<(String, String)> = Vec::new();
        for test in tests(push) {
            let Some((name, value)) = self.parameter(literals, test) else { continue };
            // One parameter says one thing; what else was wanted of it is left to the gate.
            if !query.iter().any(|(known, _)| *known == name) {
                query.push((name, value));
            }
        }
        if !query.is_empty() {
            query.extend(self.with.iter().cloned());
        }
        Asked { query, ..Asked::default() }
    }

    fn parameter(&self, literals: &Literals, test: &Test) -> Option<(String, String)> {
        let (_, ops) = self.fields.iter().find(|(field, _)| **field == *test.name)?;
        let known = |op: Op| ops.word(op).map(|word| (word.to_owned(), op));
        let (name, said) = match test.op {
            // What is greater is also greater or equal, so that word asks for more.
            Op::Gt => known(Op::Gt).or_else(|| known(Op::Gte))?,
            Op::Lt => known(Op::Lt).or_else(|| known(Op::Lte))?,
            Op::Gte => known(Op::Gte).or_else(|| known(Op::Gt))?,
            Op::Lte => known(Op::Lte).or_else(|| known(Op::Lt))?,
            Op::Eq => known(Op::Eq).or_else(|| known(Op::In))?,
            Op::In => known(Op::In)?,
            Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => return None,
        };
        let wanted = match (test.op, said, test.values.as_slice()) {
            (Op::Gte, Op::Gt, [value]) => vec![beside(value, -1)?],
            (Op::Lte, Op::Lt, [value]) => vec![beside(value, 1)?],
            (_, _, values) => values.to_vec(),
        };
        let values: Vec<String> = wanted.iter().map(|value| literals.spell(value)).collect::<Option<_>>()?;
        let value = match (said, values.as_slice(), &self.between) {
            (Op::In, values, Some(between)) if values.iter().all(|value| !value.contains(between)) => {
                values.join(between)
            }
            (Op::In, [value], None) => value.clone(),
            (Op::In, _, _) => return None,
            (_, [value], _) => value.clone(),
            (_, _, _) => return None,
        };
        // An empty parameter is no condition, or another one.
        (!value.is_empty()).then_some((name, value))
    }
}

/// The conditions that must all hold, and say it by themselves.
pub(super) fn tests(push: &Push) -> Vec<&Test> {
    match push {
        Push::Test(test) => vec![test],
        Push::All(parts) => parts.iter().flat_map(tests).collect(),
        Push::Any(_) => Vec::new(),
    }
}

/// A value next to another one, so that a word that leaves its own value out still asks for that one.
fn beside(literal: &Literal, by: i32) -> Option<Literal> {
    match literal {
        Literal::Date(day) => {
            let day = day.checked_add(jiff::Span::new().days(by)).ok()?;
            Some(Literal::Date(day))
        }
        Literal::Instant(at) => {
            at.checked_add(jiff::SignedDuration::from_secs(by.into())).ok().map(Literal::Instant)
        }
        Literal::Integer(token) => {
            let next = token.parse::<i64>().ok()?.checked_add(by.into())?;
            Some(Literal::Integer(compact_str::format_compact!("{next}")))
        }
        Literal::Text(_)
        | Literal::Decimal(_)
        | Literal::Token(_)
        | Literal::Guid(_)
        | Literal::Boolean(_) => None,
    }
}
