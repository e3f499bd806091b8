//! One value as text: strict reading by the leaf's kind, and the canonical way to print it.
//!
//! Decimals are exact (never through a float, scale kept), days and moments RFC 3339, moments in UTC. What
//! could be read in two ways is refused.

use compact_str::CompactString;
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::Offset,
};
use rust_decimal::Decimal;

use super::{codes::Standard, entity::LeafKind, record::Value};

/// Longest id in characters.
pub const ID_CHARS_MAX: u32 = 512;
/// Most codes a message lists.
const CODES_TOLD_MAX: usize = 24;
/// Most digits of an exact decimal, and its largest scale.
const DIGITS_MAX: u32 = 28;
/// Longest text that may be a decimal.
const DECIMAL_CHARS_MAX: usize = 64;

/// Why a text is no value of a leaf; says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// No decimal.
    #[error("expected a decimal, as in `12.50`")]
    Decimal,
    /// A decimal that could be held only rounded.
    #[error("a decimal has at most {DIGITS_MAX} digits")]
    Digits,
    /// No whole number, or one too large.
    #[error("expected a whole number of at most 64 bits")]
    Integer,
    /// No boolean.
    #[error("expected `true` or `false`")]
    Boolean,
    /// No day.
    #[error("expected a day, as in `2026-01-31`")]
    Date,
    /// No moment.
    #[error("expected a moment with its offset, as in `2026-01-31T12:00:00Z`")]
    Instant,
    /// No language.
    #[error("expected a language as a tag of BCP 47, as in `pl` or `pt-BR`")]
    Language,
    /// Not in the closed list.
    #[error("expected {}", told(.0))]
    Code(std::sync::Arc<[std::sync::Arc<str>]>),
    /// Too long.
    #[error("longer than {chars_max} characters")]
    TooLong {
        /// Most characters.
        chars_max: u32,
    },
    /// Nothing, where a name is due.
    #[error("must not be empty")]
    Empty,
}

fn told(codes: &std::sync::Arc<[std::sync::Arc<str>]>) -> String {
    if let Some(standard) = Standard::of(codes) {
        return standard.what.to_owned();
    }
    let mut told = codes.iter().take(CODES_TOLD_MAX).map(|code| &**code).collect::<Vec<_>>().join(", ");
    if codes.len() > CODES_TOLD_MAX {
        told.push_str(", …");
    }
    format!("one of: {told}")
}

/// Reads a text as a value of a leaf.
///
/// # Errors
/// What was expected.
pub fn parse_text(kind: &LeafKind, text: &str) -> Result<Value, BadValue> {
    match kind {
        LeafKind::Text { chars_max, spelling } => {
            let text = spelling.normal(text);
            if spelling.refuses(&text) { Err(BadValue::Language) } else { bounded(&text, *chars_max) }
        }
        LeafKind::Id if text.is_empty() => Err(BadValue::Empty),
        LeafKind::Id => bounded(text, ID_CHARS_MAX),
        LeafKind::Code(codes) => match codes.iter().any(|code| &**code == text) {
            true => Ok(Value::Text(CompactString::from(text))),
            false => Err(BadValue::Code(codes.clone())),
        },
        LeafKind::Decimal => decimal(text).map(Value::Decimal),
        LeafKind::Integer => integer(text).map(Value::Integer),
        LeafKind::Boolean => match text {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(BadValue::Boolean),
        },
        LeafKind::Date => date(text).map(Value::Date).ok_or(BadValue::Date),
        LeafKind::Instant => instant(text).map(Value::Instant).ok_or(BadValue::Instant),
    }
}

/// An exact decimal: `-?\d+(\.\d+)?` without needless zeros in front.
///
/// # Errors
/// Other text, or more digits than can be held exactly.
pub fn decimal(text: &str) -> Result<Decimal, BadValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain =
        all_digits(whole) && (whole.len() == 1 || !whole.starts_with('0')) && fraction.is_none_or(all_digits);
    if !plain {
        return Err(BadValue::Decimal);
    }
    if text.len() > DECIMAL_CHARS_MAX {
        return Err(BadValue::Digits);
    }
    let mut value = Decimal::from_str_exact(text).map_err(|_| BadValue::Digits)?;
    if value.is_zero() {
        value.set_sign_positive(true);
    }
    Ok(value)
}

/// The text of a JSON number as an exact decimal; an exponent moves the point.
///
/// # Errors
/// Other text, or a number that cannot be held exactly.
pub fn number(text: &str) -> Result<Decimal, BadValue> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return decimal(text) };
    let value = decimal(mantissa)?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadValue::Decimal);
    }
    let exponent: i64 = exponent.parse().map_err(|_| BadValue::Digits)?;
    let scale = i64::from(value.scale()).saturating_sub(exponent);
    let power = u32::try_from(scale.unsigned_abs()).ok().filter(|power| *power <= DIGITS_MAX);
    let power = power.ok_or(BadValue::Digits)?;
    let (mantissa, scale) = match scale >= 0 {
        true => (Some(value.mantissa()), power),
        false => (10_i128.checked_pow(power).and_then(|ten| value.mantissa().checked_mul(ten)), 0),
    };
    Decimal::try_from_i128_with_scale(mantissa.ok_or(BadValue::Digits)?, scale).map_err(|_| BadValue::Digits)
}

/// A whole number: `-?\d+` without needless zeros in front.
///
/// # Errors
/// Other text, or a number beyond 64 bits.
pub fn integer(text: &str) -> Result<i64, BadValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0"
        || (!digits.is_empty()
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !plain {
        return Err(BadValue::Integer);
    }
    text.parse().map_err(|_| BadValue::Integer)
}

/// A day: `2026-01-31`.
pub fn date(text: &str) -> Option<Date> {
    let (year, rest) = take_digits(text, 4)?;
    let (month, rest) = take_digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = take_digits(rest.strip_prefix('-')?, 2)?;
    if !rest.is_empty() {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A moment by RFC 3339, with its offset and at most nine digits of a second: `2026-01-31T12:00:00.5+01:00`.
/// A leap second is refused: it could be held only as another moment.
pub fn instant(text: &str) -> Option<Timestamp> {
    let (day, rest) = text.split_at_checked(10)?;
    let day = date(day)?;
    let (hour, rest) = take_digits(rest.strip_prefix('T')?, 2)?;
    let (minute, rest) = take_digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = take_digits(rest.strip_prefix(':')?, 2)?;
    let (nanos, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let small = |n: u32| i8::try_from(n).ok();
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, nanos).ok()?;
    offset(rest)?.to_timestamp(DateTime::from_parts(day, time)).ok()
}

fn fraction(text: &str) -> Option<(i32, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(count)?;
    let missing = 9_u32.checked_sub(u32::try_from(count).ok()?)?;
    Some((digits.parse::<i32>().ok()?.checked_mul(10_i32.checked_pow(missing)?)?, rest))
}

fn offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, rest) = take_digits(text.get(1..)?, 2)?;
    let (minutes, rest) = take_digits(rest.strip_prefix(':')?, 2)?;
    if !rest.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?).ok()
}

/// So many digits in front, and what follows.
fn take_digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

fn bounded(text: &str, chars_max: u32) -> Result<Value, BadValue> {
    let most = usize::try_from(chars_max).unwrap_or(usize::MAX);
    if text.len() > most && text.chars().count() > most {
        return Err(BadValue::TooLong { chars_max });
    }
    Ok(Value::Text(CompactString::from(text)))
}

/// Prints a value as canonical text: what [`parse_text`] reads back. Groups, lists and null print nothing.
pub fn print(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Integer(integer) => print_integer(*integer, out),
        Value::Decimal(decimal) => print_decimal(*decimal, out),
        Value::Date(date) => print_date(*date, out),
        Value::Instant(instant) => print_instant(*instant, out),
        Value::Null | Value::Object(_) | Value::List(_) => {}
    }
}

pub(crate) fn print_integer(integer: i64, out: &mut Vec<u8>) {
    if integer < 0 {
        out.push(b'-');
    }
    digits(u128::from(integer.unsigned_abs()), 0, out);
}

pub(crate) fn print_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    if decimal.is_sign_negative() && !decimal.is_zero() {
        out.push(b'-');
    }
    digits(decimal.mantissa().unsigned_abs(), decimal.scale(), out);
}

pub(crate) fn print_date(date: Date, out: &mut Vec<u8>) {
    let (Ok(year), true) = (u32::try_from(date.year()), date.year() >= 0) else {
        return out.extend_from_slice(date.to_string().as_bytes());
    };
    padded(year, 4, out);
    out.push(b'-');
    padded(date.month().unsigned_abs().into(), 2, out);
    out.push(b'-');
    padded(date.day().unsigned_abs().into(), 2, out);
}

pub(crate) fn print_instant(instant: Timestamp, out: &mut Vec<u8>) {
    let moment = Offset::UTC.to_datetime(instant);
    print_date(moment.date(), out);
    for (mark, part) in [(b'T', moment.hour()), (b':', moment.minute()), (b':', moment.second())] {
        out.push(mark);
        padded(part.unsigned_abs().into(), 2, out);
    }
    let mut nanos = moment.subsec_nanosecond().unsigned_abs();
    if nanos > 0 {
        let mut count = 9;
        while nanos.is_multiple_of(10) {
            nanos /= 10;
            count -= 1;
        }
        out.push(b'.');
        padded(nanos, count, out);
    }
    out.push(b'Z');
}

fn padded(number: u32, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// The digits of a number whose last `scale` stand behind the point.
fn digits(mut number: u128, scale: u32, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; 48];
    let mut count = 0;
    let mut places = 0;
    for slot in buffer.iter_mut().rev() {
        count += 1;
        if places == scale && scale > 0 && count == scale + 1 {
            *slot = b'.';
            continue;
        }
        // 64-bit division is several times faster, and most amounts fit.
        let (rest, digit) = match u64::try_from(number) {
            Ok(small) => (u128::from(small / 10), small % 10),
            Err(_) => (number / 10, u64::try_from(number % 10).unwrap_or(0)),
        };
        *slot = b'0' + u8::try_from(digit).unwrap_or(0);
        number = rest;
        places += 1;
        if number == 0 && places > scale {
            break;
        }
    }
    let start = buffer.len() - usize::try_from(count).unwrap_or(0);
    out.extend_from_slice(buffer.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
