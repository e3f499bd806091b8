//! Filters as numbered parameters: groups that must all hold, each in one of its conditions (and of ors).

use super::{
    Asked,
    literal::Literals,
    normal::{Most, and_of_ors},
    ops::Ops,
    sort::words,
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

#[derive(Debug)]
pub(super) struct Criteria {
    most: Most,
    /// The parameters of one condition.
    one: Vec<(Words, Words)>,
    ops: Ops,
    between: Option<String>,
}

impl Criteria {
    pub(super) fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let most = Most::load(keys.take("most"), Most { any: 10, all: 10, total: 40 }, found);
        let one: Node = keys.required("one", found)?;
        let holes = [Hole::Group, Hole::N, Hole::Field, Hole::Op, Hole::Value];
        let pairs = words(&one, &holes, found)?;
        for hole in holes {
            let is_there =
                pairs.iter().any(|(name, value)| name.holes().chain(value.holes()).any(|is| is == hole));
            if !is_there {
                found.error(
                    &one.place,
                    "`one` has room for `{group}`, `{n}`, `{field}`, `{op}` and `{value}`",
                );
                return None;
            }
        }
        let ops: Node = keys.required("ops", found)?;
        let between = keys.take("between").and_then(|node| String::read(node, found));
        let between = between.filter(|text| !text.is_empty());
        Some(Self { most: most?, one: pairs, ops: Ops::load(&ops, true, found), between })
    }

    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let mut query = Vec::new();
        let mut number = 0_usize;
        for group in and_of_ors(push, self.most, &self.ops) {
            let Some(said) = self.group(literals, &group) else { continue };
            for (n, (name, op, value)) in said.iter().enumerate() {
                let fill = |hole: Hole| match hole {
                    Hole::Group => Some(number.to_string()),
                    Hole::N => Some(n.to_string()),
                    Hole::Field => Some((*name).to_owned()),
                    Hole::Op => Some((*op).to_owned()),
                    Hole::Value => Some(value.clone()),
                    _ => None,
                };
                query.extend(self.one.iter().map(|(name, value)| (name.fill(&fill), value.fill(&fill))));
            }
            number = number.saturating_add(1);
        }
        Asked { query, ..Asked::default() }
    }

    /// The conditions of a group; `None` where one cannot be said, so that the group is left to the gate.
    fn group<'t>(
        &'t self,
        literals: &Literals,
        group: &[&'t Test],
    ) -> Option<Vec<(&'t str, &'t str, String)>> {
        let mut said = Vec::new();
        for test in group {
            let values: Vec<String> =
                test.values.iter().map(|value| literals.spell(value)).collect::<Option<_>>()?;
            match (test.op, self.ops.word(Op::In), &self.between, values.as_slice()) {
                (Op::In, Some(word), Some(between), values)
                    if values.iter().all(|value| !value.contains(between) && !value.is_empty()) =>
                {
                    said.push((&*test.name, word, values.join(between)));
                }
                (Op::In, _, _, values) => {
                    let word = self.ops.word(Op::Eq)?;
                    said.extend(values.iter().map(|value| (&*test.name, word, value.clone())));
                }
                (op, _, _, [value]) => said.push((&*test.name, self.ops.word(op)?, value.clone())),
                (_, _, _, _) => return None,
            }
        }
        let most = self.most.any;
        (!said.is_empty() && said.len() <= most).then_some(said)
    }
}
