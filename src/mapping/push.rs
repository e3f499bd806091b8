//! A filter of the schema as far as a system can be asked for it: more may come back, never less.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use jiff::Timestamp;

use super::{
    codec::{Codec, Norm, Wire, normal},
    dialect::{Compares, Dialect, Or, Tie},
    model::{Filterable, KeyForm, Mapping},
    number::is_number,
};
use crate::schema::{Direction, Filter, LeafKind, Op, Sort, Value};

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
    /// A comparison for equality or order, or [`Op::In`].
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

impl Mapping {
    /// What of a filter can be asked for; `None` asks for every record.
    pub(super) fn push(&self, dialect: &Dialect, filter: &Filter) -> Option<Push> {
        match filter {
            Filter::All(parts) => {
                let mut pushes: Vec<_> = parts.iter().filter_map(|part| self.push(dialect, part)).collect();
                if pushes.len() > 1 { Some(Push::All(pushes)) } else { pushes.pop() }
            }
            Filter::Any(parts) => {
                let pushes = parts.iter().map(|part| self.push(dialect, part)).collect::<Option<Vec<_>>>()?;
                any_of(dialect, pushes)
            }
            // What a negation leaves out cannot be known where what it denies is only known roughly.
            Filter::Not(_) => None,
            Filter::Derived { .. } => None,
            // Asked of any item each: more may pass than where all is asked of one.
            Filter::Item(_, inner) => self.push(dialect, inner),
            Filter::Test { leaf, op, value } => {
                let places = self.filters.get(usize::from(leaf.0))?;
                let tests = places.iter().map(|place| test(dialect, place, *op, value).map(Push::Test));
                any_of(dialect, tests.collect::<Option<Vec<_>>>()?)
            }
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

fn any_of(dialect: &Dialect, mut pushes: Vec<Push>) -> Option<Push> {
    if pushes.len() < 2 {
        return pushes.pop();
    }
    let mut names = pushes.iter().map(|push| match push {
        Push::Test(test) => Some(&test.name),
        Push::All(_) | Push::Any(_) => None,
    });
    let first = names.next().flatten();
    let one_field = first.is_some() && names.all(|name| name == first);
    match dialect.or {
        Or::Any => Some(Push::Any(pushes)),
        Or::SameField => one_field.then_some(Push::Any(pushes)),
    }
}

/// A test of one native field.
fn test(dialect: &Dialect, place: &Filterable, op: Op, value: &Value) -> Option<Test> {
    let wanted: &[Value] = match (op, value) {
        (Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith, _) => return None,
        (Op::In, Value::List(values)) => values,
        (Op::In, _) => return None,
        (Op::Eq | Op::Lt | Op::Lte | Op::Gt | Op::Gte, value) => std::slice::from_ref(value),
    };
    let range = matches!(op, Op::Lt | Op::Lte | Op::Gt | Op::Gte);
    let mut values = Vec::new();
    for value in wanted {
        literals(dialect, &place.codec, op, value, &mut values)?;
    }
    if values.is_empty() || values.len() > VALUES_MAX || (range && values.len() != 1) {
        return None;
    }
    let op = if range {
        op
    } else if values.len() == 1 {
        Op::Eq
    } else {
        Op::In
    };
    Some(Test { name: place.name.clone(), op, values })
}

/// The literals that a value is looked for by; `None` where it cannot be.
fn literals(dialect: &Dialect, codec: &Codec, op: Op, value: &Value, out: &mut Vec<Literal>) -> Option<()> {
    let range = matches!(op, Op::Lt | Op::Lte | Op::Gt | Op::Gte);
    // What stands for the unknown is many values.
    if codec.otherwise.as_ref() == Some(value) || !is_spelt_so(dialect, codec) {
        return None;
    }
    if let Some(table) = &codec.table {
        if range {
            return None;
        }
        let own = value.as_text().filter(|_| codec.keep);
        for native in table.natives(value).chain(own) {
            out.push(match codec.wire {
                Wire::Text => text_of(codec, native)?,
                Wire::Number => is_number(native).then(|| Literal::Number(native.into()))?,
                Wire::Boolean => Literal::Boolean(native == "true"),
            });
        }
        return Some(());
    }
    let literal = match (&codec.kind, value) {
        (LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id, Value::Text(text)) if !range => {
            text_literal(codec, text)?
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
            Literal::Number(format_compact!("{}", whole_ms(*at, op)?))
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

fn text_literal(codec: &Codec, text: &str) -> Option<Literal> {
    let text = if codec.norm.is_empty() { text.to_owned() } else { normal(&codec.norm, text) };
    match codec.wire {
        Wire::Text => text_of(codec, &text),
        Wire::Number => is_number(&text).then(|| Literal::Number(text.into())),
        Wire::Boolean => None,
    }
}

/// Whether stored text is found by the spelling it reads as: of what a norm changes, only case is known to be
/// overlooked, and that by a system that compares loosely.
fn is_spelt_so(dialect: &Dialect, codec: &Codec) -> bool {
    let case_only = codec.norm.iter().all(|norm| matches!(norm, Norm::Upper | Norm::Lower));
    codec.norm.is_empty() || (case_only && dialect.text == Compares::Loosely)
}

/// Text as a literal: quoted, or bare where the system keeps a form that it does not quote.
fn text_of(codec: &Codec, text: &str) -> Option<Literal> {
    match codec.form {
        KeyForm::Text => Some(Literal::Text(text.into())),
        // The system knows no such value; it would refuse the question instead of finding nothing.
        KeyForm::Digits | KeyForm::Guid => codec.form.fits(text).then(|| Literal::Bare(text.into())),
    }
}

/// Milliseconds, rounded so that nothing is missed.
fn whole_ms(at: Timestamp, op: Op) -> Option<i64> {
    let down = at.as_nanosecond().div_euclid(1_000_000);
    let whole = at.as_nanosecond().rem_euclid(1_000_000) == 0;
    let up = i128::from(!whole && matches!(op, Op::Lt | Op::Lte));
    i64::try_from(down + up).ok()
}
