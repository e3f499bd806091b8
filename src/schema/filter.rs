//! The one filter tree of all doors and dialects, and the query around it.

mod derive;
mod given;
mod items;
mod pinned;

use std::cmp::Ordering;

use self::derive::{Worked, derived};
use super::{
    entity::{Entity, Object, Shape},
    fields::{FieldSet, LeafId},
    record::{Fields, Record, Value, each_in, each_of},
};

pub(crate) use self::derive::nanos_of_day;
pub use self::{derive::Derive, items::Items, pinned::Pinned};

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
    /// What is worked out of a leaf, against a value. It holds of nothing that is not there or null.
    Derived {
        /// Which leaf.
        leaf: LeafId,
        /// What is worked out of it, one step of the other; one at least.
        by: Vec<Derive>,
        /// How.
        op: Op,
        /// Against what, of the type that is worked out; a list for [`Op::In`].
        value: Value,
    },
    /// What is worked out of one leaf, or it itself, against what is worked out of another. It holds of nothing that is
    /// not there or null, and where one of the two has several values.
    Pair {
        /// The one.
        left: Side,
        /// How; not [`Op::In`].
        op: Op,
        /// The other, of the same kind: of any number where the one is a number.
        right: Side,
    },
    /// At least one item of a list passes a filter, whole: all its tests of leaves in the list look at the same item,
    /// all others at the record around it.
    Item(Items, Box<Filter>),
}

/// A side of a comparison of two leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Which leaf.
    pub leaf: LeafId,
    /// What is worked out of it, one step of the other; it itself where there is none.
    pub by: Vec<Derive>,
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
    /// Text that holds this text, character by character.
    Contains,
    /// Text that begins with it.
    StartsWith,
    /// Text that ends with it.
    EndsWith,
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

    /// The filter that no record passes.
    pub fn nothing() -> Self {
        Self::Any(Vec::new())
    }

    /// A leaf against a value.
    pub fn test(leaf: LeafId, op: Op, value: Value) -> Self {
        Self::Test { leaf, op, value }
    }

    /// Whether every record passes, as far as the shape tells.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// Whether no record passes, as far as the shape tells.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Any(parts) if parts.is_empty())
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        Self::All(vec![self, other]).simplified()
    }

    /// One of them holds.
    pub fn or(self, other: Self) -> Self {
        Self::Any(vec![self, other]).simplified()
    }

    /// The same condition without needless nesting, double negation and parts that decide nothing.
    pub fn simplified(self) -> Self {
        match self {
            Self::All(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts.into_iter().map(Self::simplified) {
                    match part {
                        Self::All(inner) => flat.extend(inner),
                        part if part.is_nothing() => return part,
                        part => flat.push(part),
                    }
                }
                single(flat).unwrap_or_else(Self::All)
            }
            Self::Any(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts.into_iter().map(Self::simplified) {
                    match part {
                        Self::Any(inner) => flat.extend(inner),
                        part if part.is_everything() => return part,
                        part => flat.push(part),
                    }
                }
                single(flat).unwrap_or_else(Self::Any)
            }
            Self::Not(inner) => match inner.simplified() {
                Self::Not(inner) => *inner,
                inner if inner.is_everything() => Self::nothing(),
                inner if inner.is_nothing() => Self::everything(),
                inner => Self::Not(Box::new(inner)),
            },
            Self::Item(items, inner) => match inner.simplified() {
                inner if inner.is_nothing() => Self::nothing(),
                inner => Self::Item(items, Box::new(inner)),
            },
            test @ (Self::Test { .. } | Self::Derived { .. } | Self::Pair { .. }) => test,
        }
    }

    /// How many tests it holds: what it costs.
    pub fn tests(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::tests).sum(),
            Self::Not(inner) | Self::Item(_, inner) => inner.tests(),
            Self::Test { .. } | Self::Derived { .. } | Self::Pair { .. } => 1,
        }
    }

    /// Whether a record passes.
    pub fn matches(&self, entity: &Entity, record: &Record) -> bool {
        self.holds(Within::Object(&entity.root, &record.fields))
    }

    /// Whether an item of a list passes, as one that [`Filter::Item`] looks at.
    pub fn matches_item(
        &self,
        (entity, record): (&Entity, &Record),
        items: &Items,
        item: (&Shape, &Value),
    ) -> bool {
        self.holds(Within::Item { items, item, around: (&entity.root, &record.fields) })
    }

    fn holds(&self, within: Within<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.holds(within)),
            Self::Any(any) => any.iter().any(|filter| filter.holds(within)),
            Self::Not(inner) => !inner.holds(within),
            Self::Test { leaf, op, value } => {
                let mut any = false;
                let mut seen = false;
                within.each(*leaf, &mut |found| {
                    seen |= *found != Value::Null;
                    any |= passes(found, *op, value);
                });
                any || (!seen && *op == Op::Eq && *value == Value::Null)
            }
            Self::Derived { leaf, by, op, value } => {
                let mut any = false;
                within.each(*leaf, &mut |found| {
                    any |= derived(by, found).is_some_and(|found| found.passes(*op, value));
                });
                any
            }
            Self::Pair { left, op, right } => match (within.side(left), within.side(right)) {
                (Some(left), Some(right)) => left.passes_with(*op, &right),
                (_, _) => false,
            },
            Self::Item(items, inner) => match within {
                Within::Object(object, fields) => items.of(object, fields, &mut |shape, value| {
                    inner.holds(Within::Item { items, item: (shape, value), around: (object, fields) })
                }),
                // A list inside an item is not looked into.
                Within::Item { .. } => false,
            },
        }
    }

    /// Every leaf the filter reads.
    pub fn leaves(&self) -> FieldSet {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().fold(FieldSet::EMPTY, |set, part| set.union(&part.leaves()))
            }
            Self::Not(inner) => inner.leaves(),
            Self::Item(items, inner) => inner.leaves().union(&items.leaves()),
            Self::Test { leaf, .. } | Self::Derived { leaf, .. } => FieldSet::of(*leaf),
            Self::Pair { left, right, .. } => FieldSet::of(left.leaf).union(&FieldSet::of(right.leaf)),
        }
    }
}

/// What a test looks at: a record, or one item of a list in it.
#[derive(Clone, Copy)]
enum Within<'a> {
    Object(&'a Object, &'a Fields),
    Item { items: &'a Items, item: (&'a Shape, &'a Value), around: (&'a Object, &'a Fields) },
}

impl<'a> Within<'a> {
    fn each(self, leaf: LeafId, see: &mut dyn FnMut(&'a Value)) {
        match self {
            Self::Object(object, fields) => each_in(object, fields, u16::from(leaf.0), see),
            Self::Item { items, item: (shape, value), .. } if items.hold(leaf) => {
                each_of(shape, value, u16::from(leaf.0), see);
            }
            Self::Item { around: (object, fields), .. } => each_in(object, fields, u16::from(leaf.0), see),
        }
    }

    /// What is worked out of the one value that a leaf has here; none where it has none, or several.
    fn side(self, side: &Side) -> Option<Worked<'a>> {
        let (mut only, mut count) = (None, 0_usize);
        self.each(side.leaf, &mut |found| {
            count = count.saturating_add(1);
            only = Some(found);
        });
        derived(&side.by, only.filter(|found| count == 1 && **found != Value::Null)?)
    }
}

/// The only part, or all of them back.
fn single(mut parts: Vec<Filter>) -> Result<Filter, Vec<Filter>> {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => Ok(only),
        (_, Some(last)) => {
            parts.push(last);
            Err(parts)
        }
        (_, None) => Err(parts),
    }
}

/// The order of two records by several keys. What is not there, null or of another type comes last whichever
/// way a key runs; records equal in every key are equal.
pub fn order(entity: &Entity, sort: &[Sort], left: &Record, right: &Record) -> Ordering {
    for key in sort {
        let value = |record| Record::first(record, entity, key.leaf);
        let by_key = by_value(value(left), value(right), key.direction);
        if by_key.is_ne() {
            return by_key;
        }
    }
    Ordering::Equal
}

/// The order of two values of one key, as [`order`] has it.
pub fn by_value(left: Option<&Value>, right: Option<&Value>, direction: Direction) -> Ordering {
    let told = |value: Option<&Value>| value.is_some_and(|value| *value != Value::Null);
    match (left, right) {
        (Some(a), Some(b)) if told(left) && told(right) => {
            let order = compare(a, b).unwrap_or(Ordering::Equal);
            match direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            }
        }
        (left, right) => told(right).cmp(&told(left)),
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
        Op::Contains => both_texts(found, value).is_some_and(|(text, part)| text.contains(part)),
        Op::StartsWith => both_texts(found, value).is_some_and(|(text, part)| text.starts_with(part)),
        Op::EndsWith => both_texts(found, value).is_some_and(|(text, part)| text.ends_with(part)),
    }
}

fn both_texts<'a>(found: &'a Value, value: &'a Value) -> Option<(&'a str, &'a str)> {
    Some((found.as_text()?, value.as_text()?))
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

#[cfg(test)]
mod tests;
