//! Functions of a field: what is worked out of it, of which fields that can be, and what it is compared with.

use jiff::civil::Time;

use super::{
    Compare, Expr, Function, Literal, OPTION,
    bind::{is_text, op_of, text_due, wrong},
    range,
};
use crate::{
    odata::fault::Fault,
    schema::{Derive, Filter, Leaf, LeafId, LeafKind, Value, nanos_of_day, value},
};

/// What a function works out, and the field that it is of; none of a condition.
pub(super) fn of(function: Function, arguments: &[Expr]) -> Result<Option<(Derive, &str)>, Fault> {
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
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Date => return Ok(None),
    };
    match arguments.first() {
        Some(Expr::Path(path)) => Ok(Some((by, path))),
        _ => Err(of_a_field_alone(function)),
    }
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

/// One field between texts.
fn between(arguments: &[Expr]) -> Result<(Derive, &str), Fault> {
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
        Expr::Path(path) => field.replace(path.as_str()).is_none(),
        _ => false,
    })?;
    let field = field.ok_or_else(|| Fault::unsupported("`concat` of texts alone"))?;
    Ok((Derive::Between(before.into(), after.into()), field))
}

/// What is put together, in its order, whatever brackets there are; the reader bounds how deep they go.
fn pieces<'e>(arguments: &'e [Expr], each: &mut dyn FnMut(&'e Expr) -> bool) -> Result<(), Fault> {
    for argument in arguments {
        match argument {
            Expr::Call(Function::Concat, inner) => pieces(inner, each)?,
            other if each(other) => {}
            _ => return Err(Fault::unsupported("`concat` of anything but one field and texts")),
        }
    }
    Ok(())
}

/// Whether it can be worked out of such a field.
pub(super) fn fits(by: &Derive, kind: &LeafKind) -> bool {
    match by {
        Derive::Lower
        | Derive::Upper
        | Derive::Trimmed
        | Derive::Part { .. }
        | Derive::Between(..)
        | Derive::IndexOf(_)
        | Derive::Length => is_text(kind),
        Derive::Year | Derive::Month | Derive::Day => matches!(kind, LeafKind::Date | LeafKind::Instant),
        Derive::Hour | Derive::Minute | Derive::Second | Derive::Fraction | Derive::Time => {
            *kind == LeafKind::Instant
        }
    }
}

/// What is worked out, against a value; equal and not equal are one filter.
pub(super) fn compared(
    (id, leaf): (LeafId, &Leaf),
    by: Derive,
    compare: Compare,
    value: &Literal,
) -> Result<Filter, Fault> {
    let value = match (&by, value) {
        (by, Literal::Text(text)) if by.is_text() => Value::Text(text.as_str().into()),
        (by, _) if by.is_text() => return Err(text_due()),
        (Derive::Time, Literal::Bare(text)) => Value::Integer(time(text).ok_or_else(time_due)?),
        (Derive::Time, _) => return Err(time_due()),
        (Derive::Fraction, Literal::Bare(text)) => {
            value::number(text).map(Value::Decimal).map_err(|bad| Fault::value(OPTION, bad.to_string()))?
        }
        (_, Literal::Bare(text)) => {
            value::integer(text).map(Value::Integer).map_err(|bad| Fault::value(OPTION, bad.to_string()))?
        }
        (_, _) => return Err(wrong("expected a whole number without quotes")),
    };
    if let (Derive::Year, Value::Integer(year)) = (&by, &value)
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
