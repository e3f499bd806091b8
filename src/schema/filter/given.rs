//! A filter of records of which something is known beforehand.

use super::{Filter, Op, derived, passes};
use crate::schema::{fields::LeafId, record::Value};

impl Filter {
    /// What is left to ask of records that all have these values; null stands for none. It is nothing where no such
    /// record can pass. Recursion is bounded by what reads a query and compiles a statement.
    #[must_use]
    pub fn given<'v>(&self, known: &dyn Fn(LeafId) -> Option<&'v Value>) -> Self {
        self.decided(known).simplified()
    }

    fn decided<'v>(&self, known: &dyn Fn(LeafId) -> Option<&'v Value>) -> Self {
        let each = |parts: &[Self]| parts.iter().map(|part| part.decided(known)).collect();
        match self {
            Self::All(parts) => Self::All(each(parts)),
            Self::Any(parts) => Self::Any(each(parts)),
            Self::Not(inner) => Self::Not(Box::new(inner.decided(known))),
            Self::Item(items, inner) => Self::Item(items.clone(), Box::new(inner.decided(known))),
            Self::Test { leaf, op, value } => match known(*leaf) {
                Some(found) => {
                    let is_none = *found == Value::Null && *op == Op::Eq && *value == Value::Null;
                    outcome(is_none || passes(found, *op, value))
                }
                None => self.clone(),
            },
            // It holds of nothing that is not there.
            Self::Derived { leaf, .. } => match known(*leaf) {
                Some(Value::Null) => Self::nothing(),
                Some(_) | None => self.clone(),
            },
            Self::Pair { left, op, right } => match [known(left.leaf), known(right.leaf)] {
                [Some(Value::Null), _] | [_, Some(Value::Null)] => Self::nothing(),
                [Some(one), Some(other)] => {
                    let both = derived(&left.by, one).zip(derived(&right.by, other));
                    outcome(both.is_some_and(|(one, other)| one.passes_with(*op, &other)))
                }
                [_, _] => self.clone(),
            },
        }
    }
}

fn outcome(holds: bool) -> Filter {
    if holds { Filter::everything() } else { Filter::nothing() }
}
