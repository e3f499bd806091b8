//! What a filter may work out of a value before it compares: no table, no locale, nothing that can fail.

use std::borrow::Cow;

use compact_str::{CompactString, ToCompactString, format_compact};
use jiff::{
    SignedDuration,
    civil::{Date, Time},
    tz::Offset,
};
use rust_decimal::Decimal;

use super::{Op, passes};
use crate::schema::record::Value;

/// What is worked out of a leaf. Parts of a moment are those of its spelling in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Derive {
    /// A text in lower case, by Unicode's own table.
    Lower,
    /// A text in upper case.
    Upper,
    /// A text without white space at its ends.
    Trimmed,
    /// A part of a text.
    Part {
        /// How many characters stand before it.
        from: usize,
        /// How many it has at most.
        most: usize,
    },
    /// A text between two others.
    Between(CompactString, CompactString),
    /// How many characters stand before this text where a text holds it first; -1 where it does not.
    IndexOf(CompactString),
    /// How many characters a text has.
    Length,
    /// The year of a day or moment.
    Year,
    /// Its month, from 1.
    Month,
    /// Its day of the month, from 1.
    Day,
    /// The hour of a moment.
    Hour,
    /// Its minute.
    Minute,
    /// Its second.
    Second,
    /// What it has beyond its second, as a part of one.
    Fraction,
    /// Its time of the day, in nanoseconds.
    Time,
    /// A day or a moment, and so much later; of a day, what that comes to after its midnight.
    Later(SignedDuration),
    /// A number, and this one more.
    Plus(Decimal),
    /// The day of a moment.
    Date,
    /// A number, so many times.
    Times(Decimal),
    /// A number by this one, which is not 0, with nothing lost.
    Over(Decimal),
    /// A whole number by this whole one, which is not 0, without what is left.
    Whole(Decimal),
    /// What is left of a number by this one, which is not 0; it has the sign of the number.
    Rest(Decimal),
}

impl Derive {
    /// The value that some steps come to; none where they mean nothing, or where it has more digits than a number here
    /// has, as a division without an end.
    pub fn value(by: &[Self], of: &Value) -> Option<Value> {
        let Worked { value, over } = derived(by, of)?;
        if over == Decimal::ONE {
            return Some(value.into_owned());
        }
        let value = decimal(&value)?;
        let whole = value.checked_div(over).filter(|whole| multiplied(*whole, over) == Some(value));
        whole.map(|whole| Value::Decimal(whole.normalize()))
    }

    /// Whether a text is worked out.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Lower | Self::Upper | Self::Trimmed | Self::Part { .. } | Self::Between(..) => true,
            Self::IndexOf(_)
            | Self::Length
            | Self::Year
            | Self::Month
            | Self::Day
            | Self::Hour
            | Self::Minute
            | Self::Second
            | Self::Fraction
            | Self::Time
            | Self::Date
            | Self::Later(_)
            | Self::Plus(_)
            | Self::Times(_)
            | Self::Over(_)
            | Self::Whole(_)
            | Self::Rest(_) => false,
        }
    }
}

/// What is worked out in some steps, one of the other. A division is not made: what is divided and what it is divided by
/// are kept, so that no digit is lost where the two have no end of them.
#[derive(Clone, Debug)]
pub(super) struct Worked<'v> {
    value: Cow<'v, Value>,
    /// What the value is still to be divided by. INVARIANT: more than 0.
    over: Decimal,
}

/// What is worked out; none of what a step means nothing for, and nothing of null.
pub(super) fn derived<'v>(by: &[Derive], found: &'v Value) -> Option<Worked<'v>> {
    let whole = Worked { value: Cow::Borrowed(found), over: Decimal::ONE };
    by.iter().filter(|_| *found != Value::Null).try_fold(whole, |worked, by| worked.step(by))
}

impl Worked<'_> {
    /// How it compares with a value.
    pub(super) fn passes(&self, op: Op, value: &Value) -> bool {
        match value {
            Value::List(values) => op == Op::In && values.iter().any(|value| self.passes(Op::Eq, value)),
            _ if self.over == Decimal::ONE => passes(&self.value, op, value),
            value => decimal(value)
                .and_then(|value| multiplied(value, self.over))
                .is_some_and(|value| passes(&self.value, op, &Value::Decimal(value))),
        }
    }

    /// How it compares with another one, of the same kind; a number with any number.
    pub(super) fn passes_with(&self, op: Op, other: &Worked<'_>) -> bool {
        let (Some(one), Some(many)) = (decimal(&self.value), decimal(&other.value)) else {
            return passes(&self.value, op, &other.value);
        };
        match (multiplied(one, other.over), multiplied(many, self.over)) {
            (Some(one), Some(many)) => passes(&Value::Decimal(one), op, &Value::Decimal(many)),
            (_, _) => false,
        }
    }

    fn step(&self, by: &Derive) -> Option<Self> {
        let over = self.over;
        let reckoned = |n: Decimal, over: Decimal| Some(Self { value: Cow::Owned(Value::Decimal(n)), over });
        match by {
            Derive::Plus(more) => reckoned(plus(decimal(&self.value)?, multiplied(*more, over)?)?, over),
            Derive::Times(times) => reckoned(multiplied(decimal(&self.value)?, *times)?, over),
            Derive::Over(n) => {
                let value = decimal(&self.value)?;
                let value = if n.is_sign_negative() { -value } else { value };
                reckoned(value, multiplied(over, n.abs())?)
            }
            Derive::Rest(n) => reckoned(rest(decimal(&self.value)?, multiplied(*n, over)?)?, over),
            by => Some(Self { value: Cow::Owned(step(by, &self.value)?), over }),
        }
    }
}

fn step(by: &Derive, found: &Value) -> Option<Value> {
    let number = |n: i64| Some(Value::Integer(n));
    match by {
        Derive::Lower => text(found, |text| text.to_lowercase().to_compact_string()),
        Derive::Upper => text(found, |text| text.to_uppercase().to_compact_string()),
        Derive::Trimmed => text(found, |text| text.trim().to_compact_string()),
        Derive::Part { from, most } => {
            text(found, |text| text.chars().skip(*from).take(*most).collect::<CompactString>())
        }
        Derive::Between(before, after) => text(found, |text| format_compact!("{before}{text}{after}")),
        Derive::IndexOf(part) => number(index(found.as_text()?, part)?),
        Derive::Length => number(i64::try_from(found.as_text()?.chars().count()).ok()?),
        Derive::Year => number(day(found)?.year().into()),
        Derive::Month => number(day(found)?.month().into()),
        Derive::Day => number(day(found)?.day().into()),
        Derive::Hour => number(time(found)?.hour().into()),
        Derive::Minute => number(time(found)?.minute().into()),
        Derive::Second => number(time(found)?.second().into()),
        Derive::Fraction => {
            Some(Value::Decimal(Decimal::new(time(found)?.subsec_nanosecond().into(), NANOS_DIGITS)))
        }
        Derive::Time => number(nanos_of_day(time(found)?)?),
        Derive::Date => day(found).map(Value::Date),
        Derive::Later(by) => later(found, *by),
        Derive::Whole(n) => {
            let (found, n) = (decimal(found)?.normalize(), n.normalize());
            let is_whole = found.scale() == 0 && n.scale() == 0;
            let whole = found.mantissa().checked_div(n.mantissa()).filter(|_| is_whole)?;
            Decimal::try_from_i128_with_scale(whole, 0).ok().map(Value::Decimal)
        }
        // What has to know what it is divided by later.
        Derive::Plus(_) | Derive::Times(_) | Derive::Over(_) | Derive::Rest(_) => None,
    }
}

fn decimal(found: &Value) -> Option<Decimal> {
    match found {
        Value::Decimal(n) => Some(*n),
        Value::Integer(n) => Some(Decimal::from(*n)),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::Object(_)
        | Value::List(_) => None,
    }
}

/// A sum with all its digits; none where they are more than a decimal has.
fn plus(one: Decimal, other: Decimal) -> Option<Decimal> {
    let (one, other) = (one.normalize(), other.normalize());
    one.checked_add(other).filter(|sum| one == -other || sum.scale() == one.scale().max(other.scale()))
}

/// A product with all its digits; none where they are more than a decimal has.
fn multiplied(one: Decimal, other: Decimal) -> Option<Decimal> {
    let (one, other) = (one.normalize(), other.normalize());
    let digits = one.scale().checked_add(other.scale())?;
    one.checked_mul(other).filter(|product| one.is_zero() || other.is_zero() || product.scale() == digits)
}

/// What is left of a division, with all its digits; none where they are more than can be held.
fn rest(one: Decimal, by: Decimal) -> Option<Decimal> {
    let (one, by) = (one.normalize(), by.normalize());
    let scale = one.scale().max(by.scale());
    let at_scale = |n: Decimal| {
        let ten = 10_i128.checked_pow(scale.checked_sub(n.scale())?)?;
        n.mantissa().checked_mul(ten)
    };
    let rest = at_scale(one)?.checked_rem(at_scale(by)?)?;
    Decimal::try_from_i128_with_scale(rest, scale).ok()
}

/// How far into its day a time is.
pub(crate) fn nanos_of_day(time: Time) -> Option<i64> {
    i64::try_from(time.duration_since(Time::midnight()).as_nanos()).ok()
}

/// Digits of a second's parts.
const NANOS_DIGITS: u32 = 9;

fn index(text: &str, part: &str) -> Option<i64> {
    match text.find(part) {
        None => Some(-1),
        Some(at) => i64::try_from(text.get(..at)?.chars().count()).ok(),
    }
}

fn text(found: &Value, change: impl FnOnce(&str) -> CompactString) -> Option<Value> {
    found.as_text().map(change).map(Value::Text)
}

fn later(found: &Value, by: SignedDuration) -> Option<Value> {
    match found {
        Value::Date(day) => {
            day.to_datetime(Time::midnight()).checked_add(by).ok().map(|at| Value::Date(at.date()))
        }
        Value::Instant(at) => at.checked_add(by).ok().map(Value::Instant),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Object(_)
        | Value::List(_) => None,
    }
}

fn day(found: &Value) -> Option<Date> {
    match found {
        Value::Date(date) => Some(*date),
        Value::Instant(at) => Some(Offset::UTC.to_datetime(*at).date()),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Object(_)
        | Value::List(_) => None,
    }
}

fn time(found: &Value) -> Option<Time> {
    match found {
        Value::Instant(at) => Some(Offset::UTC.to_datetime(*at).time()),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::Object(_)
        | Value::List(_) => None,
    }
}
