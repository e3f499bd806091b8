//! Days and years as ranges of what is stored, so that a system can be asked for them.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::Offset,
};

use super::Compare;
use crate::schema::{Filter, LeafId, LeafKind, Op, Value, value};

/// Moments whose day in UTC compares so with a day; equal and not equal are one filter. None beyond the calendar.
pub(super) fn of_days(leaf: LeafId, compare: Compare, day: Date) -> Option<Filter> {
    let (first, next) = (midnight(day)?, midnight(day.tomorrow().ok()?)?);
    Some(between(leaf, compare, first, next))
}

/// Days or moments whose year compares so with a year. None beyond the calendar.
pub(super) fn of_years(leaf: LeafId, kind: &LeafKind, compare: Compare, year: i64) -> Option<Filter> {
    let start = |year: i64| Date::new(i16::try_from(year).ok()?, 1, 1).ok();
    let (first, next) = (start(year)?, start(year.checked_add(1)?)?);
    match kind {
        LeafKind::Date => Some(between(leaf, compare, Value::Date(first), Value::Date(next))),
        LeafKind::Instant => Some(between(leaf, compare, midnight(first)?, midnight(next)?)),
        LeafKind::Text { .. }
        | LeafKind::Code(_)
        | LeafKind::Id
        | LeafKind::Decimal
        | LeafKind::Integer
        | LeafKind::Boolean => None,
    }
}

/// A moment; unlike elsewhere its seconds may be left out (`dateTimeOffsetValue` of OData's grammar).
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    value::instant(text).or_else(|| {
        let (head, zone) = text.split_at_checked("2026-01-31T12:00".len())?;
        value::instant(&format!("{head}:00{zone}"))
    })
}

/// From the first on, before the next.
fn between(leaf: LeafId, compare: Compare, first: Value, next: Value) -> Filter {
    let test = |op, value| Filter::test(leaf, op, value);
    match compare {
        Compare::Equal | Compare::NotEqual => test(Op::Gte, first).and(test(Op::Lt, next)),
        Compare::Less => test(Op::Lt, first),
        Compare::LessOrEqual => test(Op::Lt, next),
        Compare::Greater => test(Op::Gte, next),
        Compare::GreaterOrEqual => test(Op::Gte, first),
    }
}

fn midnight(day: Date) -> Option<Value> {
    Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok().map(Value::Instant)
}
