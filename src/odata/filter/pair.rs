//! Two fields, one against the other.
//!
//! `eq` knows null, which is equal to itself alone; so do `le` and `ge`, and nothing is less or more than it (OData 4.01
//! part 2, 5.1.1.1). Amounts of money are compared where both are of one currency, and are neither equal nor unequal
//! where they are not.

use super::{
    Compare, Expr, OPTION,
    bind::{Binder, Operand, has_order, op_of, so, wrong},
    derived::Sort,
};
use crate::{
    odata::{fault::Fault, names},
    schema::{Filter, Leaf, LeafId, Op, Side, Value, query::QueryFaultKind},
};

/// A side, of which field it is, and what it comes to; none of what is no field.
pub(super) fn side<'a>(operand: Operand<'a>) -> Option<(&'a Leaf, Side, Sort)> {
    match operand {
        Operand::Leaf(id, leaf) => Some((leaf, Side { leaf: id, by: Vec::new() }, Sort::of(&leaf.kind))),
        Operand::Derived(id, leaf, (by, sort)) => Some((leaf, Side { leaf: id, by }, sort)),
        Operand::Value(_) | Operand::Condition(_) => None,
    }
}

impl<'a> Binder<'a> {
    /// What makes a comparison of two fields true, or what makes it false; none where one of the sides is no field.
    pub(super) fn pair(
        &self,
        compare: Compare,
        left: &'a Expr,
        right: &'a Expr,
        wanted: bool,
    ) -> Result<Option<Filter>, Fault> {
        let (Some(left), Some(right)) = (side(self.operand(left)?), side(self.operand(right)?)) else {
            return Ok(None);
        };
        let op = op_of(compare);
        for (leaf, side, _) in [&left, &right] {
            if side.by.is_empty() {
                has_order(leaf, op)?;
            }
        }
        let ((one, left, sort), (other, right, others)) = (left, right);
        if !sort.is_as(others) {
            let message = format!(
                "`{}` and `{}` are of different kinds here, and cannot be compared",
                names::of(one),
                names::of(other)
            );
            return Err(Fault::of(OPTION, QueryFaultKind::Operator, message));
        }
        let null = |side: &Side| Filter::test(side.leaf, Op::Eq, Value::Null);
        let (none, either) = ([null(&left), null(&right)], [null(&left), null(&right)]);
        let alike = match self.alike((one, sort), (other, others))? {
            Some(alike) => alike.or(Filter::Any(either.into())),
            None => Filter::everything(),
        };
        let mut holds = Filter::Pair { left, op, right };
        if matches!(op, Op::Eq | Op::Lte | Op::Gte) {
            holds = holds.or(Filter::All(none.into()));
        }
        Ok(Some(alike.and(so(holds, wanted == (compare != Compare::NotEqual)))))
    }

    /// What makes two numbers amounts of one currency; none where they always are, or are not both amounts.
    fn alike(&self, one: (&Leaf, Sort), other: (&Leaf, Sort)) -> Result<Option<Filter>, Fault> {
        let ((one, sort), (other, _)) = (one, other);
        let (Some(a), Some(b)) = (&one.money, &other.money) else { return Ok(None) };
        if !sort.is_as(Sort::Number) {
            return Ok(None);
        }
        let mut all = Vec::new();
        if a.currency != b.currency {
            let side = |leaf: LeafId| Side { leaf, by: Vec::new() };
            all.push(Filter::Pair { left: side(a.currency), op: Op::Eq, right: side(b.currency) });
        }
        if a.when != b.when {
            let whens = [&a.when, &b.when].into_iter().flatten();
            all.extend(whens.map(|(leaf, code)| Filter::test(*leaf, Op::Eq, Value::Text((&**code).into()))));
        }
        let all = Filter::All(all);
        // What it goes by may not be read for a caller that does not see it.
        if !all.leaves().minus(&self.names.clear.minus(self.names.unheld)).is_empty() {
            let (one, other) = (names::of(one), names::of(other));
            return Err(wrong(format!(
                "`{one}` and `{other}` may be of different currencies, and are not compared"
            )));
        }
        Ok(Some(all).filter(|all| !all.is_everything()))
    }
}
