//! Values as conditions see them, with Cedar's meaning and without copies.

use std::cmp::Ordering;

use ipnet::IpNet;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::shape::Holds;
use crate::schema::Value;

/// A value while a condition is judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Val<'a> {
    Bool(bool),
    Long(i64),
    Text(&'a str),
    /// Type and id.
    Ref(&'a str, &'a str),
    /// Ten-thousandths.
    Decimal(i64),
    /// Milliseconds since 1970.
    Time(i64),
    /// Milliseconds.
    Span(i64),
    Ip(IpNet),
    Set(Members<'a>),
}

/// A set's members, wherever they stand; repeated ones count once by meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Members<'a> {
    Constants(&'a [Constant]),
    Values(&'a [Value], &'a Holds),
    Texts(&'a [std::sync::Arc<str>]),
}

/// A value that stands in a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Bool(bool),
    Long(i64),
    Text(Box<str>),
    Ref(Box<str>, Box<str>),
    Decimal(i64),
    Time(i64),
    Span(i64),
    Ip(IpNet),
    Set(Vec<Constant>),
}

impl Constant {
    pub(super) fn val(&self) -> Val<'_> {
        match self {
            Self::Bool(b) => Val::Bool(*b),
            Self::Long(n) => Val::Long(*n),
            Self::Text(text) => Val::Text(text),
            Self::Ref(kind, id) => Val::Ref(kind, id),
            Self::Decimal(n) => Val::Decimal(*n),
            Self::Time(n) => Val::Time(*n),
            Self::Span(n) => Val::Span(*n),
            Self::Ip(ip) => Val::Ip(*ip),
            Self::Set(members) => Val::Set(Members::Constants(members)),
        }
    }
}

impl<'a> Members<'a> {
    /// Whether any member passes.
    pub(super) fn any(self, mut test: impl FnMut(Val<'a>) -> bool) -> bool {
        match self {
            Self::Constants(all) => all.iter().any(|member| test(member.val())),
            Self::Values(all, holds) => all.iter().filter_map(|value| val(holds, value)).any(test),
            Self::Texts(all) => all.iter().any(|text| test(Val::Text(text))),
        }
    }

    pub(super) fn contains(self, item: Val<'_>) -> bool {
        self.any(|member| equal(member, item))
    }

    pub(super) fn contains_all(self, others: Members<'_>) -> bool {
        !others.any(|member| !self.contains(member))
    }
}

/// Whether two values are one by Cedar's rule: different types are never equal.
pub(super) fn equal(left: Val<'_>, right: Val<'_>) -> bool {
    match (left, right) {
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => a == b,
        (Val::Ref(a, x), Val::Ref(b, y)) => x == y && a == b,
        (Val::Ip(a), Val::Ip(b)) => a == b,
        (Val::Set(a), Val::Set(b)) => a.contains_all(b) && b.contains_all(a),
        (Val::Long(a), Val::Long(b))
        | (Val::Decimal(a), Val::Decimal(b))
        | (Val::Time(a), Val::Time(b))
        | (Val::Span(a), Val::Span(b)) => a == b,
        (
            Val::Bool(_)
            | Val::Long(_)
            | Val::Text(_)
            | Val::Ref(..)
            | Val::Decimal(_)
            | Val::Time(_)
            | Val::Span(_)
            | Val::Ip(_)
            | Val::Set(_),
            _,
        ) => false,
    }
}

/// The order of two values that have one.
pub(super) fn order(left: Val<'_>, right: Val<'_>) -> Option<Ordering> {
    match (left, right) {
        (Val::Long(a), Val::Long(b))
        | (Val::Decimal(a), Val::Decimal(b))
        | (Val::Time(a), Val::Time(b))
        | (Val::Span(a), Val::Span(b)) => Some(a.cmp(&b)),
        (
            Val::Bool(_)
            | Val::Long(_)
            | Val::Text(_)
            | Val::Ref(..)
            | Val::Decimal(_)
            | Val::Time(_)
            | Val::Span(_)
            | Val::Ip(_)
            | Val::Set(_),
            _,
        ) => None,
    }
}

/// A record's value as conditions see it; none when it is of another type or cannot be held exactly.
#[inline]
pub(super) fn val<'a>(holds: &'a Holds, value: &'a Value) -> Option<Val<'a>> {
    match (holds, value) {
        (Holds::Text, Value::Text(text)) if !text.is_empty() => Some(Val::Text(text)),
        (Holds::Reference(entity), Value::Text(id)) if !id.is_empty() => Some(Val::Ref(entity.as_str(), id)),
        (Holds::Decimal, Value::Decimal(number)) => ten_thousandths(*number).map(Val::Decimal),
        (Holds::Integer, Value::Integer(number)) => Some(Val::Long(*number)),
        (Holds::Boolean, Value::Boolean(b)) => Some(Val::Bool(*b)),
        (Holds::Date, Value::Date(date)) => midnight(*date).map(Val::Time),
        (Holds::Instant, Value::Instant(moment)) => {
            let is_whole = moment.subsec_nanosecond().checked_rem(1_000_000) == Some(0);
            is_whole.then(|| moment.as_millisecond()).and_then(printable).map(Val::Time)
        }
        (
            Holds::Text
            | Holds::Reference(_)
            | Holds::Decimal
            | Holds::Integer
            | Holds::Boolean
            | Holds::Date
            | Holds::Instant,
            _,
        ) => None,
    }
}

/// A decimal in Cedar's own unit, when that holds it exactly.
pub(super) fn ten_thousandths(number: Decimal) -> Option<i64> {
    let number = if number.scale() > 4 { number.normalize() } else { number };
    let missing = 4_u32.checked_sub(number.scale())?;
    let factor = 10_i128.checked_pow(missing)?;
    i64::try_from(number.mantissa().checked_mul(factor)?).ok()
}

/// Milliseconds from 1970 to the start of a day in UTC; days before year 0 cannot be told to Cedar.
pub(super) fn midnight(date: Date) -> Option<i64> {
    let moment = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    printable(moment.as_millisecond())
}

/// 0000-01-01T00:00:00Z, the first moment Cedar's notation can name.
const YEAR_ZERO_MS: i64 = -62_167_219_200_000;

fn printable(ms: i64) -> Option<i64> {
    (ms >= YEAR_ZERO_MS).then_some(ms)
}
