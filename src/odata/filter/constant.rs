//! Values that are worked out as a filter is read: `now()`, and what is made of it and of other values.

use jiff::{Span, SpanRelativeTo, Timestamp, civil::Time, tz::Offset};
use rust_decimal::Decimal;

use super::{Expr, Function, Literal, derived, range};
use crate::schema::{Derive, Value, value};

/// A moment as it would be written.
pub(super) fn moment(at: Timestamp) -> Literal {
    spelt(&Value::Instant(at))
}

/// A duration, in days of 24 hours: `P7D`, `-PT1H30M`, `PT0.5S`.
pub(super) fn duration(text: &str) -> Option<jiff::SignedDuration> {
    // What else the library reads is none of OData's (`durationValue` of its grammar).
    let is_plain = text.trim_start_matches(['-', '+']).starts_with('P')
        && text.chars().all(|c| c.is_ascii_digit() || "+-PDTHMS.".contains(c));
    let span = text.parse::<Span>().ok().filter(|span| is_plain && span.get_months() == 0)?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// What a function of values comes to; none where it is one of a field, or means nothing of them.
pub(super) fn of(function: Function, arguments: &[Expr]) -> Option<Literal> {
    match arguments {
        [Expr::Literal(Literal::Text(text))] => {
            let by = match function {
                Function::ToLower => Derive::Lower,
                Function::ToUpper => Derive::Upper,
                Function::Trim => Derive::Trimmed,
                Function::Length => Derive::Length,
                _ => return None,
            };
            worked_out(&[by], &Value::Text(text.as_str().into()))
        }
        [Expr::Literal(Literal::Bare(text))] => {
            let of = day_or_moment(text)?;
            match (function, &of) {
                (Function::Time, Value::Instant(at)) => {
                    let time: Time = Offset::UTC.to_datetime(*at).time();
                    Some(Literal::Bare(time.to_string()))
                }
                (function, of) => worked_out(&[derived::part_of_moment(function)?], of),
            }
        }
        [Expr::Literal(Literal::Bare(text)), Expr::Literal(Literal::Duration(by))] => {
            worked_out(&[derived::later(function, *by)?], &day_or_moment(text)?)
        }
        [Expr::Literal(Literal::Bare(one)), Expr::Literal(Literal::Bare(by))] => {
            let number = |text: &str| value::number(text).ok();
            let (one, by): (Decimal, Decimal) = (number(one)?, number(by)?);
            let by = match derived::reckoning(function, by).ok()? {
                Derive::Whole(by) if one.scale() > 0 => Derive::Over(by),
                by => by,
            };
            worked_out(&[by], &Value::Decimal(one))
        }
        _ => None,
    }
}

fn day_or_moment(text: &str) -> Option<Value> {
    range::instant(text).map(Value::Instant).or_else(|| value::date(text).map(Value::Date))
}

fn worked_out(by: &[Derive], of: &Value) -> Option<Literal> {
    Derive::value(by, of).map(|value| spelt(&value))
}

fn spelt(value: &Value) -> Literal {
    let mut bytes = Vec::new();
    value::print(value, &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if matches!(value, Value::Text(_)) { Literal::Text(text) } else { Literal::Bare(text) }
}
