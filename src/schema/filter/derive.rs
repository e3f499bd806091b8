//! What a filter may work out of a value before it compares: no table, no locale, nothing that can fail.

use compact_str::{CompactString, ToCompactString};
use jiff::{
    civil::{Date, Time},
    tz::Offset,
};

use crate::schema::record::Value;

/// What is worked out of a leaf. Parts of a moment are those of its spelling in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derive {
    /// A text in lower case, by Unicode's own table.
    Lower,
    /// A text in upper case.
    Upper,
    /// A text without white space at its ends.
    Trimmed,
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
}

/// The value that is worked out; none of what it means nothing for.
pub(super) fn derived(by: Derive, found: &Value) -> Option<Value> {
    let number = |n: i64| Some(Value::Integer(n));
    match by {
        Derive::Lower => text(found, |text| text.to_lowercase().to_compact_string()),
        Derive::Upper => text(found, |text| text.to_uppercase().to_compact_string()),
        Derive::Trimmed => text(found, |text| text.trim().to_compact_string()),
        Derive::Length => number(i64::try_from(found.as_text()?.chars().count()).ok()?),
        Derive::Year => number(day(found)?.year().into()),
        Derive::Month => number(day(found)?.month().into()),
        Derive::Day => number(day(found)?.day().into()),
        Derive::Hour => number(time(found)?.hour().into()),
        Derive::Minute => number(time(found)?.minute().into()),
        Derive::Second => number(time(found)?.second().into()),
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
