//! What a filter may work out of a value before it compares: no table, no locale, nothing that can fail.

use compact_str::{CompactString, ToCompactString, format_compact};
use jiff::{
    civil::{Date, Time},
    tz::Offset,
};
use rust_decimal::Decimal;

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
    /// A number, and this one more.
    Plus(Decimal),
    /// A number, so many times.
    Times(Decimal),
}

impl Derive {
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
            | Self::Plus(_)
            | Self::Times(_) => false,
        }
    }
}

/// The value that is worked out in some steps, one of the other; none of what a step means nothing for.
pub(super) fn derived(by: &[Derive], found: &Value) -> Option<Value> {
    let (first, rest) = by.split_first()?;
    rest.iter().try_fold(step(first, found)?, |value, by| step(by, &value))
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
        Derive::Plus(more) => plus(decimal(found)?, *more).map(Value::Decimal),
        Derive::Times(times) => multiplied(decimal(found)?, *times).map(Value::Decimal),
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
