//! Functions of a field: what is worked out of it, of which fields that can be, and what it is compared with.

use jiff::{SignedDuration, civil::Time};
use rust_decimal::Decimal;

use super::{
    Compare, Expr, Function, Literal, OPTION,
    bind::{op_of, text_due, wrong},
    range,
};
use crate::{
    odata::fault::Fault,
    schema::{Derive, Filter, Leaf, LeafId, LeafKind, Value, nanos_of_day, value},
};

/// What a function works out of a field, step by step, and that field; none of a condition. Recursion is bounded by the
/// reader.
pub(super) fn of(function: Function, arguments: &[Expr]) -> Result<Option<(Vec<Derive>, &str)>, Fault> {
    let by = match function {
        Function::ToLower => Derive::Lower,
        Function::ToUpper => Derive::Upper,
        Function::Trim => Derive::Trimmed,
        Function::Length => Derive::Length,
        Function::Substring => part(arguments.get(1..).unwrap_or_default())?,
        Function::IndexOf => match arguments.get(1) {
            Some(Expr::Literal(Literal::Text(text))) => Derive::IndexOf(text.as_str().into()),
            _ => return Err(Fault::unsupported("`indexof` of anything but a text in a field")),
        },
        Function::Concat => return between(arguments).map(Some),
        Function::Add | Function::Sub | Function::Mul | Function::Div | Function::DivBy | Function::Mod => {
            return reckoned(function, arguments).map(Some);
        }
        Function::Contains | Function::StartsWith | Function::EndsWith => return Ok(None),
        Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::FractionalSeconds
        | Function::Date
        | Function::Time => match part_of_moment(function) {
            Some(by) => by,
            None => return Ok(None),
        },
    };
    let inner = arguments.first().map(worked_out).transpose()?.flatten();
    let (mut steps, field) = inner.ok_or_else(|| of_a_field_alone(function))?;
    steps.push(by);
    Ok(Some((steps, field)))
}

/// A field, or what is worked out of one; none of anything else.
fn worked_out(expr: &Expr) -> Result<Option<(Vec<Derive>, &str)>, Fault> {
    match expr {
        Expr::Path(path) => Ok(Some((Vec::new(), path))),
        Expr::Call(function, arguments) => of(*function, arguments),
        Expr::All(_)
        | Expr::Any(_)
        | Expr::Not(_)
        | Expr::Compare(..)
        | Expr::In(..)
        | Expr::Lambda { .. }
        | Expr::Literal(_) => Ok(None),
    }
}

/// A function of a day or a moment.
pub(super) fn part_of_moment(function: Function) -> Option<Derive> {
    match function {
        Function::Year => Some(Derive::Year),
        Function::Month => Some(Derive::Month),
        Function::Day => Some(Derive::Day),
        Function::Hour => Some(Derive::Hour),
        Function::Minute => Some(Derive::Minute),
        Function::Second => Some(Derive::Second),
        Function::FractionalSeconds => Some(Derive::Fraction),
        Function::Date => Some(Derive::Date),
        Function::Time => Some(Derive::Time),
        _ => None,
    }
}

/// So much later, or earlier; none of another word.
pub(super) fn later(function: Function, by: SignedDuration) -> Option<Derive> {
    match function {
        Function::Add => Some(Derive::Later(by)),
        Function::Sub => by.checked_neg().map(Derive::Later),
        _ => None,
    }
}

/// What a number behind a word between operands makes of what stands before it.
pub(super) fn reckoning(function: Function, n: Decimal) -> Result<Derive, Fault> {
    match function {
        Function::Mul => Ok(Derive::Times(n)),
        Function::Sub => Ok(Derive::Plus(-n)),
        Function::Div | Function::DivBy | Function::Mod if n.is_zero() => {
            Err(Fault::value(OPTION, format!("`{}` by 0", function.name())))
        }
        // Of two whole numbers it is one; of which kind the other is its field says.
        Function::Div if n.scale() == 0 => Ok(Derive::Whole(n)),
        Function::Div | Function::DivBy => Ok(Derive::Over(n)),
        Function::Mod => Ok(Derive::Rest(n)),
        _ => Ok(Derive::Plus(n)),
    }
}

/// A field and a number, or a duration, with a word between them.
fn reckoned(function: Function, arguments: &[Expr]) -> Result<(Vec<Derive>, &str), Fault> {
    let [left, right] = arguments else { return Err(wrong("expected two operands")) };
    if let Expr::Literal(Literal::Duration(by)) = right {
        let (mut steps, field) = worked_out(left)?.ok_or_else(|| of_a_field_alone(function))?;
        let by = later(function, *by);
        steps.push(by.ok_or_else(|| Fault::unsupported(format!("`{}` of durations", function.name())))?);
        return Ok((steps, field));
    }
    let (of, by) = match ((left, number(left)?), (right, number(right)?)) {
        ((of, None), (_, Some(n))) => (of, vec![reckoning(function, n)?]),
        ((_, Some(n)), (of, None)) => match function {
            Function::Sub => (of, vec![Derive::Times(Decimal::NEGATIVE_ONE), Derive::Plus(n)]),
            Function::Add | Function::Mul => (of, vec![reckoning(function, n)?]),
            _ => return Err(Fault::unsupported(format!("`{}` by anything but a number", function.name()))),
        },
        ((_, None), (_, None)) | ((_, Some(_)), (_, Some(_))) => {
            let what = format!("`{}` of anything but a field and a number", function.name());
            return Err(Fault::unsupported(what));
        }
    };
    let (mut steps, field) = worked_out(of)?.ok_or_else(|| of_a_field_alone(function))?;
    steps.extend(by);
    Ok((steps, field))
}

/// A number as it is written; none of anything else.
fn number(expr: &Expr) -> Result<Option<Decimal>, Fault> {
    match expr {
        Expr::Literal(Literal::Bare(text)) => exact(text).map(Some),
        Expr::Literal(Literal::Null | Literal::Boolean(_) | Literal::Text(_) | Literal::Duration(_)) => {
            Err(Fault::value(OPTION, "expected a number without quotes"))
        }
        _ => Ok(None),
    }
}

fn exact(text: &str) -> Result<Decimal, Fault> {
    value::number(text).map_err(|bad| Fault::value(OPTION, bad.to_string()))
}

fn of_a_field_alone(function: Function) -> Fault {
    Fault::unsupported(format!("`{}` of anything but a field", function.name()))
}

/// Where a part begins, and how long it is.
fn part(counts: &[Expr]) -> Result<Derive, Fault> {
    let count = |expr: &Expr| match expr {
        Expr::Literal(Literal::Bare(text)) => {
            text.parse::<usize>().map_err(|_| Fault::value(OPTION, "`substring` counts from 0"))
        }
        _ => Err(Fault::unsupported("`substring` by anything but numbers")),
    };
    let from = counts.first().map(count).transpose()?.unwrap_or_default();
    let most = counts.get(1).map(count).transpose()?.unwrap_or(usize::MAX);
    Ok(Derive::Part { from, most })
}

/// One field, or what is worked out of one, between texts.
fn between(arguments: &[Expr]) -> Result<(Vec<Derive>, &str), Fault> {
    let (mut before, mut after, mut field) = (String::new(), String::new(), None);
    pieces(arguments, &mut |piece| match piece {
        Expr::Literal(Literal::Text(text)) if field.is_none() => {
            before.push_str(text);
            true
        }
        Expr::Literal(Literal::Text(text)) => {
            after.push_str(text);
            true
        }
        Expr::Path(_) | Expr::Call(..) => field.replace(piece).is_none(),
        _ => false,
    })?;
    let field = field.ok_or_else(|| Fault::unsupported("`concat` of texts alone"))?;
    let (mut steps, field) = worked_out(field)?.ok_or_else(of_one_field)?;
    steps.push(Derive::Between(before.into(), after.into()));
    Ok((steps, field))
}

/// What is put together, in its order, whatever brackets there are; the reader bounds how deep they go.
fn pieces<'e>(arguments: &'e [Expr], each: &mut dyn FnMut(&'e Expr) -> bool) -> Result<(), Fault> {
    for argument in arguments {
        match argument {
            Expr::Call(Function::Concat, inner) => pieces(inner, each)?,
            other if each(other) => {}
            _ => return Err(of_one_field()),
        }
    }
    Ok(())
}

fn of_one_field() -> Fault {
    Fault::unsupported("`concat` of anything but one field and texts")
}

/// What a field is, and what a step is worked out of or comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Text,
    Truth,
    /// A number that is whole by its type.
    Whole,
    Number,
    Day,
    Moment,
    /// A time of the day, of which nothing is worked out.
    Time,
}

impl Sort {
    pub(super) fn of(kind: &LeafKind) -> Self {
        match kind {
            LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id => Self::Text,
            LeafKind::Boolean => Self::Truth,
            LeafKind::Integer => Self::Whole,
            LeafKind::Decimal => Self::Number,
            LeafKind::Date => Self::Day,
            LeafKind::Instant => Self::Moment,
        }
    }

    /// Whether two of them are compared with each other.
    pub(super) fn is_as(self, other: Self) -> bool {
        let number = |sort| matches!(sort, Self::Whole | Self::Number);
        self == other || (number(self) && number(other))
    }
}

/// The steps as they are worked out of such a field, and what they come to; none where one of them means nothing of what
/// it is of.
pub(super) fn settled(by: Vec<Derive>, kind: &LeafKind) -> Option<(Vec<Derive>, Sort)> {
    let (mut sort, mut steps) = (Sort::of(kind), Vec::with_capacity(by.len()));
    for by in by {
        let (by, comes_to) = step(by, sort)?;
        steps.push(by);
        sort = comes_to;
    }
    Some((steps, sort))
}

fn step(by: Derive, of: Sort) -> Option<(Derive, Sort)> {
    let comes_to = match (&by, of) {
        (
            Derive::Lower | Derive::Upper | Derive::Trimmed | Derive::Part { .. } | Derive::Between(..),
            Sort::Text,
        ) => Sort::Text,
        (Derive::IndexOf(_) | Derive::Length, Sort::Text)
        | (Derive::Year | Derive::Month | Derive::Day, Sort::Day | Sort::Moment)
        | (Derive::Hour | Derive::Minute | Derive::Second, Sort::Moment)
        | (Derive::Whole(_), Sort::Whole) => Sort::Whole,
        (Derive::Plus(n) | Derive::Times(n) | Derive::Rest(n), Sort::Whole) if n.scale() == 0 => Sort::Whole,
        (Derive::Fraction, Sort::Moment)
        | (
            Derive::Plus(_) | Derive::Times(_) | Derive::Rest(_) | Derive::Over(_),
            Sort::Whole | Sort::Number,
        ) => Sort::Number,
        (Derive::Whole(n), Sort::Number) => return Some((Derive::Over(*n), Sort::Number)),
        (Derive::Date, Sort::Day | Sort::Moment) => Sort::Day,
        (Derive::Later(_), Sort::Day | Sort::Moment) => of,
        (Derive::Time, Sort::Moment) => Sort::Time,
        (_, _) => return None,
    };
    Some((by, comes_to))
}

/// What is worked out, against a value; equal and not equal are one filter.
pub(super) fn compared(
    (id, leaf): (LeafId, &Leaf),
    (by, sort): (Vec<Derive>, Sort),
    compare: Compare,
    value: &Literal,
) -> Result<Filter, Fault> {
    let value = value_of(by.last(), sort, value)?;
    match (by.as_slice(), &value) {
        ([Derive::Year], Value::Integer(year)) => {
            if let Some(range) = range::of_years(id, &leaf.kind, compare, *year) {
                return Ok(range);
            }
        }
        ([Derive::Date], Value::Date(day)) => {
            if let Some(range) = range::of_days(id, compare, *day) {
                return Ok(range);
            }
        }
        (_, _) => {}
    }
    Ok(Filter::Derived { leaf: id, by, op: op_of(compare), value })
}

/// A value to compare with what the last step comes to.
fn value_of(last: Option<&Derive>, sort: Sort, value: &Literal) -> Result<Value, Fault> {
    let is_counted = matches!(
        last,
        Some(
            Derive::IndexOf(_)
                | Derive::Length
                | Derive::Year
                | Derive::Month
                | Derive::Day
                | Derive::Hour
                | Derive::Minute
                | Derive::Second
        )
    );
    match (sort, value) {
        (Sort::Text, Literal::Text(text)) => Ok(Value::Text(text.as_str().into())),
        (Sort::Text, _) => Err(text_due()),
        (Sort::Time, Literal::Bare(text)) => time(text).map(Value::Integer).ok_or_else(time_due),
        (Sort::Time, _) => Err(time_due()),
        (Sort::Day, Literal::Bare(text)) => value::date(text).map(Value::Date).ok_or_else(day_due),
        (Sort::Day, _) => Err(day_due()),
        (Sort::Moment, Literal::Bare(text)) => {
            range::instant(text).map(Value::Instant).ok_or_else(moment_due)
        }
        (Sort::Moment, _) => Err(moment_due()),
        (Sort::Whole, Literal::Bare(text)) if is_counted => {
            value::integer(text).map(Value::Integer).map_err(|bad| Fault::value(OPTION, bad.to_string()))
        }
        (Sort::Whole, _) if is_counted => Err(wrong("expected a whole number without quotes")),
        (Sort::Whole | Sort::Number, Literal::Bare(text)) => exact(text).map(Value::Decimal),
        (Sort::Whole | Sort::Number | Sort::Truth, _) => Err(wrong("expected a number without quotes")),
    }
}

/// `13:20`, `13:20:00`, `13:20:00.5`.
fn time(text: &str) -> Option<i64> {
    let is_plain = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
    let text = (text.contains(':') && text.chars().all(is_plain)).then_some(text)?;
    nanos_of_day(text.parse::<Time>().ok()?)
}

fn time_due() -> Fault {
    Fault::value(OPTION, "expected a time of the day without quotes, as in `13:20:00`")
}

fn moment_due() -> Fault {
    Fault::value(OPTION, "expected a moment without quotes, as in `2026-01-31T12:00:00Z`")
}

fn day_due() -> Fault {
    Fault::value(OPTION, "expected a day without quotes, as in `2026-01-31`")
}
