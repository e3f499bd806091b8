//! The one filter tree of all doors and dialects, and the query around it.

use std::cmp::Ordering;

use super::{
    entity::Entity,
    fields::{FieldSet, LeafId},
    record::{Record, Value},
};

/// A condition on records of one entity.
///
/// A test on a leaf inside a list holds when **any** element passes. A test on a leaf that is not there or
/// null holds only for `eq null` (not there and null look the same to a filter).
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every one holds; none is true.
    All(Vec<Filter>),
    /// At least one holds; none is false.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A leaf against a value.
    Test {
        /// Which leaf.
        leaf: LeafId,
        /// How.
        op: Op,
        /// Against what, of the leaf's type; a list for [`Op::In`].
        value: Value,
    },
}

/// How a leaf is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Equal (by value: `1.0` equals `1.00`; an instant equals itself in any zone).
    Eq,
    /// There, not null, and not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Equal to one of a list.
    In,
}

/// What a list asks for.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which records.
    pub filter: Filter,
    /// In which order; the system's own where empty.
    pub sort: Vec<Sort>,
    /// Which fields the caller wants; all it may see where `None`.
    pub fields: Option<FieldSet>,
    /// How many records a page.
    pub limit: u32,
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By which leaf.
    pub leaf: LeafId,
    /// Which way.
    pub direction: Direction,
}

/// Which way a sort runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Filter {
    /// The filter that every record passes.
    pub fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// Whether a record passes.
    pub fn matches(&self, entity: &Entity, record: &Record) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.matches(entity, record)),
            Self::Any(any) => any.iter().any(|filter| filter.matches(entity, record)),
            Self::Not(inner) => !inner.matches(entity, record),
            Self::Test { leaf, op, value } => {
                let mut any = false;
                let mut seen = false;
                record.each(entity, *leaf, &mut |found| {
                    seen |= *found != Value::Null;
                    any |= passes(found, *op, value);
                });
                any || (!seen && *op == Op::Eq && *value == Value::Null)
            }
        }
    }

    /// Every leaf the filter reads.
    pub fn leaves(&self) -> FieldSet {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().fold(FieldSet::EMPTY, |set, part| set.union(&part.leaves()))
            }
            Self::Not(inner) => inner.leaves(),
            Self::Test { leaf, .. } => FieldSet::of(*leaf),
        }
    }
}

fn passes(found: &Value, op: Op, value: &Value) -> bool {
    if *found == Value::Null {
        return false;
    }
    let order = || compare(found, value);
    match op {
        Op::Eq => order() == Some(Ordering::Equal),
        Op::Ne => order().is_some_and(Ordering::is_ne),
        Op::Lt => order().is_some_and(Ordering::is_lt),
        Op::Lte => order().is_some_and(Ordering::is_le),
        Op::Gt => order().is_some_and(Ordering::is_gt),
        Op::Gte => order().is_some_and(Ordering::is_ge),
        Op::In => match value {
            Value::List(values) => values.iter().any(|value| compare(found, value) == Some(Ordering::Equal)),
            Value::Null
            | Value::Boolean(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Object(_) => false,
        },
    }
}

/// Order of two values of one type: text by code points, decimals by value; `None` across types.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Instant(a), Value::Instant(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (
            Value::Null
            | Value::Boolean(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Object(_)
            | Value::List(_),
            _,
        ) => None,
    }
}
