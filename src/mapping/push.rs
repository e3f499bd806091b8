//! A filter of the schema as far as a system can be asked for it: more may come back, never less.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use jiff::Timestamp;

use super::{
    codec::{Codec, Norm, Wire, is_number, normal},
    dialect::{Compares, Dialect, Or, Tie},
    model::{Filterable, Mapping},
};
use crate::schema::{Direction, Filter, LeafId, LeafKind, Op, Sort, Value};

/// Most values of one `in`.
const VALUES_MAX: usize = 100;

/// A condition in native names and literals.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Push {
    /// Every one.
    All(Vec<Push>),
    /// At least one.
    Any(Vec<Push>),
    /// One field.
    Test(Test),
}

/// One native field against literals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) name: Arc<str>,
    /// Never [`Op::Ne`].
    pub(super) op: Op,
    pub(super) values: Vec<Literal>,
}

/// A typed literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// Text, to be quoted.
    Text(CompactString),
    /// The token of a number.
    Number(CompactString),
    /// A date, a moment or a GUID: checked, never quoted.
    Bare(CompactString),
    /// true or false.
    Boolean(bool),
}

/// What can be asked for, and whether that is all of the filter.
#[derive(Debug)]
pub(super) struct Pushed {
    /// Nothing: every record.
    pub(super) push: Option<Push>,
    /// Whether what comes back passes the filter for certain.
    pub(super) exact: bool,
}

impl Pushed {
    const NOT: Self = Self { push: None, exact: false };
    const EVERYTHING: Self = Self { push: None, exact: true };
}

impl Mapping {
    /// The leaves a system can be asked by, at least for equality.
    pub fn filterable(&self) -> crate::schema::FieldSet {
        self.entity
            .ids()
            .filter(|leaf| self.filters.get(usize::from(leaf.0)).is_some_and(|f| !f.is_empty()))
            .collect()
    }

    pub(super) fn push(&self, dialect: &Dialect, filter: &Filter) -> Pushed {
        match filter {
            Filter::All(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.push(dialect, part)).collect();
                let exact = parts.iter().all(|part| part.exact);
                let mut pushes: Vec<_> = parts.into_iter().filter_map(|part| part.push).collect();
                let push = match pushes.len() {
                    0 => None,
                    1 => pushes.pop(),
                    _ => Some(Push::All(pushes)),
                };
                Pushed { push, exact }
            }
            Filter::Any(parts) => self.push_any(dialect, parts),
            // What a negation leaves out cannot be known where what it denies is only known roughly.
            Filter::Not(_) => Pushed::NOT,
            Filter::Test { leaf, op, value } => self.push_test(dialect, *leaf, *op, value),
        }
    }

    fn push_any(&self, dialect: &Dialect, parts: &[Filter]) -> Pushed {
        let parts: Vec<_> = parts.iter().map(|part| self.push(dialect, part)).collect();
        if parts.iter().any(|part| part.push.is_none() && part.exact) {
            return Pushed::EVERYTHING;
        }
        let exact = parts.iter().all(|part| part.exact);
        let Some(pushes) = parts.into_iter().map(|part| part.push).collect::<Option<Vec<_>>>() else {
            return Pushed::NOT;
        };
        any_of(dialect, pushes, exact)
    }

    fn push_test(&self, dialect: &Dialect, leaf: LeafId, op: Op, value: &Value) -> Pushed {
        let places = self.filters.get(usize::from(leaf.0)).map_or(&[][..], Vec::as_slice);
        let tests: Option<Vec<_>> = places.iter().map(|place| test(dialect, place, op, value)).collect();
        match tests {
            Some(tests) if !tests.is_empty() => {
                let exact = tests.iter().all(|(_, exact)| *exact);
                any_of(dialect, tests.into_iter().map(|(test, _)| Push::Test(test)).collect(), exact)
            }
            Some(_) | None => Pushed::NOT,
        }
    }

    /// The native keys of an order, the tiebreak last; `None` when the system cannot be asked for it.
    pub(super) fn push_sort(&self, dialect: &Dialect, sort: &[Sort]) -> Option<Vec<(Arc<str>, Direction)>> {
        let words = dialect.sort.as_ref()?;
        let mut keys = Vec::new();
        for Sort { leaf, direction } in sort {
            let [place] = self.filters.get(usize::from(leaf.0))?.as_slice() else { return None };
            let alike = match place.codec.kind {
                LeafKind::Decimal | LeafKind::Integer => place.codec.wire == Wire::Number,
                LeafKind::Date | LeafKind::Instant => true,
                LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id | LeafKind::Boolean => false,
            };
            if !alike || place.codec.table.is_some() {
                return None;
            }
            keys.push((place.name.clone(), *direction));
        }
        match words.tie {
            Tie::Key => keys.push((self.key_name.clone()?, Direction::Ascending)),
            Tie::Own => {}
        }
        (keys.len() <= words.most).then_some(keys)
    }
}

fn any_of(dialect: &Dialect, mut pushes: Vec<Push>, exact: bool) -> Pushed {
    if pushes.len() == 1 {
        return Pushed { push: pushes.pop(), exact };
    }
    let mut names = pushes.iter().map(|push| match push {
        Push::Test(test) => Some(&test.name),
        Push::All(_) | Push::Any(_) => None,
    });
    let first = names.next().flatten();
    let one_field = first.is_some() && names.all(|name| name == first);
    match dialect.or {
        Or::Any => {}
        Or::SameField if one_field => {}
        Or::SameField => return Pushed::NOT,
    }
    match pushes.is_empty() {
        true => Pushed::NOT,
        false => Pushed { push: Some(Push::Any(pushes)), exact },
    }
}

/// A test of one native field; whether it is exact.
fn test(dialect: &Dialect, place: &Filterable, op: Op, value: &Value) -> Option<(Test, bool)> {
    let wanted: &[Value] = match (op, value) {
        (Op::Ne, _) => return None,
        (Op::In, Value::List(values)) => values,
        (Op::In, _) => return None,
        (Op::Eq | Op::Lt | Op::Lte | Op::Gt | Op::Gte, value) => std::slice::from_ref(value),
    };
    let range = matches!(op, Op::Lt | Op::Lte | Op::Gt | Op::Gte);
    let mut exact = true;
    let mut values = Vec::new();
    for value in wanted {
        literals(dialect, &place.codec, op, value, &mut values, &mut exact)?;
    }
    if values.is_empty() || values.len() > VALUES_MAX || (range && values.len() != 1) {
        return None;
    }
    // A spelling of nothing may lie in the range; the gate looks again.
    exact &= !range || place.codec.absent.iter().all(|nothing| place.codec.parse(nothing).is_err());
    let op = if range {
        op
    } else if values.len() == 1 {
        Op::Eq
    } else {
        Op::In
    };
    Some((Test { name: place.name.clone(), op, values }, exact))
}

/// The literals that a value is looked for by; `None` where it cannot be.
fn literals(
    dialect: &Dialect,
    codec: &Codec,
    op: Op,
    value: &Value,
    out: &mut Vec<Literal>,
    exact: &mut bool,
) -> Option<()> {
    let range = matches!(op, Op::Lt | Op::Lte | Op::Gt | Op::Gte);
    if let Some(table) = &codec.table {
        // What stands for the unknown is many values.
        if range || codec.otherwise.as_ref() == Some(value) {
            return None;
        }
        *exact &= dialect.text == Compares::Exactly || codec.wire != Wire::Text;
        let own = value.as_text().filter(|_| codec.keep);
        for native in table.natives(value).chain(own) {
            out.push(match codec.wire {
                Wire::Text => Literal::Text(native.into()),
                Wire::Number => Literal::Number(native.into()),
                Wire::Boolean => Literal::Boolean(native == "true"),
            });
        }
        return Some(());
    }
    let literal = match (&codec.kind, value) {
        (LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id, Value::Text(text)) if !range => {
            text_literal(dialect, codec, text, exact)?
        }
        (LeafKind::Decimal, Value::Decimal(n)) if codec.wire == Wire::Number => {
            Literal::Number(format_compact!("{n}"))
        }
        (LeafKind::Integer, Value::Integer(n)) if codec.wire == Wire::Number => {
            Literal::Number(format_compact!("{n}"))
        }
        (LeafKind::Boolean, Value::Boolean(yes)) if !range => Literal::Boolean(*yes),
        (LeafKind::Date, Value::Date(date)) => Literal::Bare(format_compact!("{date}")),
        (LeafKind::Instant, Value::Instant(at)) if dialect.unix_ms => {
            Literal::Number(format_compact!("{}", whole_ms(*at, op, exact)?))
        }
        (LeafKind::Instant, Value::Instant(at)) => Literal::Bare(format_compact!("{at}")),
        (
            LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Decimal
            | LeafKind::Integer
            | LeafKind::Boolean
            | LeafKind::Date
            | LeafKind::Instant,
            _,
        ) => return None,
    };
    let spelt = match &literal {
        Literal::Text(text) | Literal::Number(text) | Literal::Bare(text) => text.as_str(),
        Literal::Boolean(_) => "",
    };
    // A native spelling of nothing never reads as this value.
    if !matches!(literal, Literal::Boolean(_)) && codec.absent.iter().any(|absent| **absent == *spelt) {
        return None;
    }
    out.push(literal);
    Some(())
}

fn text_literal(dialect: &Dialect, codec: &Codec, text: &str, exact: &mut bool) -> Option<Literal> {
    let loose = dialect.text == Compares::Loosely;
    // Stored text may be spelt otherwise than it reads; only case is known to be overlooked.
    let case_only = codec.norm.iter().all(|norm| matches!(norm, Norm::Upper | Norm::Lower));
    if !(codec.norm.is_empty() || (case_only && loose)) {
        return None;
    }
    let text = if codec.norm.is_empty() { text.to_owned() } else { normal(&codec.norm, text) };
    match codec.wire {
        Wire::Text => {
            *exact &= !loose;
            Some(Literal::Text(text.into()))
        }
        Wire::Number => is_number(&text).then(|| Literal::Number(text.into())),
        Wire::Boolean => None,
    }
}

/// Milliseconds, rounded so that nothing is missed.
fn whole_ms(at: Timestamp, op: Op, exact: &mut bool) -> Option<i64> {
    let down = at.as_nanosecond().div_euclid(1_000_000);
    let whole = at.as_nanosecond().rem_euclid(1_000_000) == 0;
    *exact &= whole;
    let up = i128::from(!whole && matches!(op, Op::Lt | Op::Lte));
    i64::try_from(down + up).ok()
}
