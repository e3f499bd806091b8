//! Filters as groups of conditions in a JSON body: or of ands.

use super::{
    Asked,
    literal::{Literal, Literals},
    normal::{Most, ONE, or_of_ands},
    ops::Ops,
    template::{Hole, Template},
};
use crate::{
    mapping::{
        out::Out,
        push::{Push, Test},
    },
    schema::Op,
    words::{Diagnostics, tree::Node, yaml::Keys},
};

#[derive(Debug)]
pub(super) struct Groups {
    most: Most,
    any: Template,
    all: Template,
    one: Template,
    /// For one of several values; where there is none, that is not asked for.
    many: Option<Template>,
    ops: Ops,
}

impl Groups {
    pub(super) fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let most = Most::load(keys.take("most"), Most { any: 5, all: 10, total: 100 }, found);
        let mut template = |key: &'static str, holes: &[Hole], found: &mut Diagnostics| {
            let node: Node = keys.required(key, found)?;
            let template = Template::load(&node, holes, found)?;
            // The whole becomes names of the body.
            if key == "any" { template.named(&node, found) } else { Some(template) }
        };
        let any = template("any", &[Hole::Items], found);
        let all = template("all", &[Hole::Items], found);
        let one = template("one", &ONE, found);
        let many = match keys.take("in") {
            Some(node) => Some(Template::load(node, &[Hole::Field, Hole::Values], found)?),
            None => None,
        };
        let node: Node = keys.required("ops", found)?;
        let ops = Ops::load(&node, false, found);
        Some(Self { most: most?, any: any?, all: all?, one: one?, many, ops })
    }

    /// Every name that it writes into a body, and whether nothing stands under it.
    pub(super) fn names(&self, see: &mut dyn FnMut(&str, bool)) {
        let parts = [&self.any, &self.all, &self.one];
        parts.into_iter().chain(&self.many).for_each(|part| part.names(see));
    }

    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let groups = or_of_ands(push, self.most, &self.ops);
        let mut asked = Asked::default();
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return asked;
        }
        let group = |group: &Vec<&Test>| -> Option<Out> {
            let tests: Vec<_> = group.iter().map(|test| self.test(literals, test)).collect::<Option<_>>()?;
            Some(self.all.fill(&|hole| (hole == Hole::Items).then(|| Out::List(Vec::clone(&tests)))))
        };
        if let Some(all) = groups.iter().map(group).collect::<Option<Vec<_>>>() {
            asked.put_all(self.any.fill(&|hole| (hole == Hole::Items).then(|| Out::List(all.clone()))));
        }
        asked
    }

    fn test(&self, literals: &Literals, test: &Test) -> Option<Out> {
        let value = |literal: &Literal| literals.spell(literal).map(|text| Out::text(&text));
        let values: Vec<Out> = test.values.iter().map(value).collect::<Option<_>>()?;
        let fill = |hole: Hole| match hole {
            Hole::Field => Some(Out::text(&test.name)),
            Hole::Op => self.ops.word(test.op).map(Out::text),
            Hole::Value => values.first().cloned(),
            Hole::Values => Some(Out::List(values.clone())),
            _ => None,
        };
        match test.op {
            Op::In => self.many.as_ref().map(|many| many.fill(&fill)),
            Op::Eq | Op::Ne | Op::Lt | Op::Lte | Op::Gt | Op::Gte => Some(self.one.fill(&fill)),
            Op::Contains | Op::StartsWith | Op::EndsWith => None,
        }
    }
}
