//! Functions of a field: what is worked out of it, of which fields that can be, and what it is compared with.

use jiff::civil::Time;
use rust_decimal::Decimal;

use super::{
    Compare, Expr, Function, Literal, OPTION,
    bind::{is_text, op_of, text_due, wrong},
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
        Function::Year => Derive::Year,
        Function::Month => Derive::Month,
        Function::Day => Derive::Day,
        Function::Hour => Derive::Hour,
        Function::Minute => Derive::Minute,
        Function::Second => Derive::Second,
        Function::FractionalSeconds => Derive::Fraction,
        Function::Time => Derive::Time,
        Function::Substring => part(arguments.get(1..).unwrap_or_default())?,
        Function::IndexOf => match arguments.get(1) {
            Some(Expr::Literal(Literal::Text(text))) => Derive::IndexOf(text.as_str().into()),
            _ => return Err(Fault::unsupported("`indexof` of anything but a text in a field")),
        },
        Function::Concat => return between(arguments).map(Some),
        Function::Add | Function::Sub | Function::Mul => return reckoned(function, arguments).map(Some),
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Date => return Ok(None),
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

/// A field and a number, with a word between them.
fn reckoned(function: Function, arguments: &[Expr]) -> Result<(Vec<Derive>, &str), Fault> {
    let [left, right] = arguments else { return Err(wrong("expected two operands")) };
    let (left, right) = ((left, number(left)?), (right, number(right)?));
    let (of, n, is_turned) = match (left, right) {
        ((of, None), (_, Some(n))) => (of, n, false),
        ((_, Some(n)), (of, None)) => (of, n, true),
        ((_, None), (_, None)) | ((_, Some(_)), (_, Some(_))) => {
            let what = format!("`{}` of anything but a field and a number", function.name());
            return Err(Fault::unsupported(what));
        }
    };
    let (mut steps, field) = worked_out(of)?.ok_or_else(|| of_a_field_alone(function))?;
    match (function, is_turned) {
        (Function::Mul, _) => steps.push(Derive::Times(n)),
        (Function::Sub, false) => steps.push(Derive::Plus(-n)),
        (Function::Sub, true) => steps.extend([Derive::Times(Decimal::NEGATIVE_ONE), Derive::Plus(n)]),
        (_, _) => steps.push(Derive::Plus(n)),
    }
    Ok((steps, field))
}

/// A number as it is written; none of anything else.
fn number(expr: &Expr) -> Result<Option<Decimal>, Fault> {
    match expr {
        Expr::Literal(Literal::Bare(text)) => exact(text).map(Some),
        Expr::Literal(Literal::Null | Literal::Boolean(_) | Literal::Text(_)) => {
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

/// What a step is worked out of, or comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Text,
    Number,
    Day,
    Moment,
    /// A time of the day, of which nothing is worked out.
    Time,
}

/// Whether all steps can be worked out, the first of such a field.
pub(super) fn fits(by: &[Derive], kind: &LeafKind) -> bool {
    let first = match kind {
        kind if is_text(kind) => Sort::Text,
        LeafKind::Decimal | LeafKind::Integer => Sort::Number,
        LeafKind::Date => Sort::Day,
        LeafKind::Instant => Sort::Moment,
        LeafKind::Boolean | LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id => return false,
    };
    by.iter().try_fold(first, |of, by| comes_to(by, of)).is_some()
}

/// What a step comes to; none where it means nothing of what it is of.
fn comes_to(by: &Derive, of: Sort) -> Option<Sort> {
    match (by, of) {
        (
            Derive::Lower | Derive::Upper | Derive::Trimmed | Derive::Part { .. } | Derive::Between(..),
            Sort::Text,
        ) => Some(Sort::Text),
        (Derive::IndexOf(_) | Derive::Length, Sort::Text)
        | (Derive::Year | Derive::Month | Derive::Day, Sort::Day | Sort::Moment)
        | (Derive::Hour | Derive::Minute | Derive::Second | Derive::Fraction, Sort::Moment)
        | (Derive::Plus(_) | Derive::Times(_), Sort::Number) => Some(Sort::Number),
        (Derive::Time, Sort::Moment) => Some(Sort::Time),
        (_, _) => None,
    }
}

/// What is worked out, against a value; equal and not equal are one filter.
pub(super) fn compared(
    (id, leaf): (LeafId, &Leaf),
    by: Vec<Derive>,
    compare: Compare,
    value: &Literal,
) -> Result<Filter, Fault> {
    let value = match (by.last(), value) {
        (Some(by), Literal::Text(text)) if by.is_text() => Value::Text(text.as_str().into()),
        (Some(by), _) if by.is_text() => return Err(text_due()),
        (Some(Derive::Time), Literal::Bare(text)) => Value::Integer(time(text).ok_or_else(time_due)?),
        (Some(Derive::Time), _) => return Err(time_due()),
        (Some(Derive::Fraction | Derive::Plus(_) | Derive::Times(_)), Literal::Bare(text)) => {
            Value::Decimal(exact(text)?)
        }
        (Some(Derive::Plus(_) | Derive::Times(_)), _) => {
            return Err(wrong("expected a number without quotes"));
        }
        (_, Literal::Bare(text)) => {
            value::integer(text).map(Value::Integer).map_err(|bad| Fault::value(OPTION, bad.to_string()))?
        }
        (_, _) => return Err(wrong("expected a whole number without quotes")),
    };
    if let ([Derive::Year], Value::Integer(year)) = (by.as_slice(), &value)
        && let Some(range) = range::of_years(id, &leaf.kind, compare, *year)
    {
        return Ok(range);
    }
    Ok(Filter::Derived { leaf: id, by, op: op_of(compare), value })
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
