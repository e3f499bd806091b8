//! Masks: what a caller sees of a value it may not see whole.
//!
//! Masks are ordered by how much they show ([`Openness`]); where several permits show one leaf, the most open
//! wins. A mask fits its type; of two masks of equal rank (year, rounded) only one fits any leaf, so they
//! never meet.

use aws_lc_rs::hmac;
use compact_str::{CompactString, format_compact};
use data_encoding::BASE32_NOPAD;
use jiff::{Timestamp, civil::Date, tz::Offset};
use rust_decimal::Decimal;

use crate::{
    schema::{Entity, Leaf, LeafId, LeafKind, Value},
    words::SecretBytes,
};

/// What a fully masked text looks like.
const FULL: &str = "****";
/// What a pseudonym begins with.
const PSEUDONYM: char = '~';
/// How many bytes of the digest a pseudonym shows.
const PSEUDONYM_BYTES: usize = 16;
/// What stands between the first letter and the domain of a masked e-mail address.
const E_MAIL: &str = "***@";
/// Fewest characters of which the last four are shown.
const LAST4_CHARS_MIN: usize = 8;

/// How much of a leaf is shown, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Openness {
    /// `****`.
    Full,
    /// A keyed digest: equal values look equal, nothing else is told.
    Pseudonym,
    /// The year of a date, the leading digit of a number.
    Coarse,
    /// First letter and domain.
    EMail,
    /// The last four characters.
    Last4,
    /// All of it.
    Shown,
}

/// How many degrees of openness there are.
pub(super) const DEGREES: usize = 6;

impl Openness {
    /// Every degree, least open first.
    pub const ALL: [Self; DEGREES] =
        [Self::Full, Self::Pseudonym, Self::Coarse, Self::EMail, Self::Last4, Self::Shown];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "masked",
            Self::Pseudonym => "pseudonym",
            Self::Coarse => "coarse",
            Self::EMail => "e-mail",
            Self::Last4 => "last4",
            Self::Shown => "shown",
        }
    }

    /// Whether a text is one that this degree makes, whatever it hides. No value that a field is given for its own
    /// sake looks so.
    pub(super) fn makes(self, text: &str) -> bool {
        match self {
            Self::Full | Self::Last4 => text.starts_with(FULL),
            Self::EMail => text.starts_with(FULL) || is_e_mail_mask(text),
            Self::Pseudonym => is_pseudonym(text),
            // Years and rounded numbers are values like others.
            Self::Coarse | Self::Shown => false,
        }
    }

    /// The position among [`Self::ALL`].
    pub(super) fn rank(self) -> usize {
        match self {
            Self::Full => 0,
            Self::Pseudonym => 1,
            Self::Coarse => 2,
            Self::EMail => 3,
            Self::Last4 => 4,
            Self::Shown => 5,
        }
    }
}

/// A mask as `@mask` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mask {
    Full,
    Pseudonym,
    Year,
    Rounded,
    EMail,
    Last4,
}

impl Mask {
    pub(super) const ALL: [Self; 6] =
        [Self::Full, Self::Pseudonym, Self::Year, Self::Rounded, Self::EMail, Self::Last4];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Pseudonym => "pseudonym",
            Self::Year => "year",
            Self::Rounded => "rounded",
            Self::EMail => "e-mail",
            Self::Last4 => "last4",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mask| mask.as_str() == word)
    }

    pub(super) fn openness(self) -> Openness {
        match self {
            Self::Full => Openness::Full,
            Self::Pseudonym => Openness::Pseudonym,
            Self::Year | Self::Rounded => Openness::Coarse,
            Self::EMail => Openness::EMail,
            Self::Last4 => Openness::Last4,
        }
    }

    /// Whether a leaf of that kind can carry it.
    pub(super) fn fits(self, kind: &LeafKind) -> bool {
        match (self, kind) {
            (Self::Full | Self::Pseudonym | Self::Last4, LeafKind::Text { .. } | LeafKind::Id) => true,
            (Self::EMail, LeafKind::Text { .. }) => true,
            (Self::Year, LeafKind::Date | LeafKind::Instant) => true,
            (Self::Rounded, LeafKind::Decimal | LeafKind::Integer) => true,
            (
                Self::Full | Self::Pseudonym | Self::Last4,
                LeafKind::Code(_)
                | LeafKind::Decimal
                | LeafKind::Integer
                | LeafKind::Boolean
                | LeafKind::Date
                | LeafKind::Instant,
            ) => false,
            (
                Self::EMail,
                LeafKind::Code(_)
                | LeafKind::Id
                | LeafKind::Decimal
                | LeafKind::Integer
                | LeafKind::Boolean
                | LeafKind::Date
                | LeafKind::Instant,
            ) => false,
            (
                Self::Year,
                LeafKind::Text { .. }
                | LeafKind::Code(_)
                | LeafKind::Id
                | LeafKind::Decimal
                | LeafKind::Integer
                | LeafKind::Boolean,
            ) => false,
            (
                Self::Rounded,
                LeafKind::Text { .. }
                | LeafKind::Code(_)
                | LeafKind::Id
                | LeafKind::Boolean
                | LeafKind::Date
                | LeafKind::Instant,
            ) => false,
        }
    }
}

/// Masks values; holds the key of pseudonyms.
pub(super) struct Masker {
    key: hmac::Key,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker(…)")
    }
}

impl Masker {
    pub(super) fn new(key: &SecretBytes) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// The value as that degree of openness shows it; none when nothing can be shown (a value of another
    /// type than its leaf's is never shown by accident).
    pub(super) fn apply(
        &self,
        entity: &Entity,
        leaf: LeafId,
        openness: Openness,
        value: &Value,
    ) -> Option<Value> {
        let known = entity.leaf(leaf)?;
        match openness {
            Openness::Shown => Some(value.clone()),
            Openness::Full => value.as_text().map(|_| Value::Text(FULL.into())),
            Openness::Pseudonym => {
                value.as_text().map(|text| Value::Text(self.pseudonym(entity, known, text)))
            }
            Openness::EMail => value.as_text().map(|text| Value::Text(e_mail(text))),
            Openness::Last4 => value.as_text().map(|text| Value::Text(last4(text))),
            Openness::Coarse => coarse(value),
        }
    }

    /// Equal ids of one entity get one pseudonym wherever they stand, so that masked records still join.
    fn pseudonym(&self, entity: &Entity, leaf: &Leaf, text: &str) -> CompactString {
        let mut context = hmac::Context::with_key(&self.key);
        let mut part = |bytes: &[u8]| {
            context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(bytes);
        };
        match &leaf.reference {
            Some(other) => {
                part(other.as_str().as_bytes());
                part(b"id");
            }
            None => {
                part(entity.name.as_str().as_bytes());
                part(leaf.path.as_str().as_bytes());
            }
        }
        part(text.as_bytes());
        let tag = context.sign();
        let head = tag.as_ref().get(..PSEUDONYM_BYTES).unwrap_or_default();
        format_compact!("{PSEUDONYM}{}", BASE32_NOPAD.encode(head).to_ascii_lowercase())
    }
}

fn e_mail(text: &str) -> CompactString {
    match text.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
            let first = local.chars().next().unwrap_or('*');
            format_compact!("{first}{E_MAIL}{domain}")
        }
        Some(_) | None => FULL.into(),
    }
}

fn is_e_mail_mask(text: &str) -> bool {
    let mut rest = text.chars();
    let domain = rest.next().and_then(|_first| rest.as_str().strip_prefix(E_MAIL));
    domain.is_some_and(|domain| !domain.is_empty() && !domain.contains('@'))
}

fn is_pseudonym(text: &str) -> bool {
    let is_digit = |c: char| matches!(c, 'a'..='z' | '2'..='7');
    text.strip_prefix(PSEUDONYM).is_some_and(|digest| {
        digest.len() == BASE32_NOPAD.encode_len(PSEUDONYM_BYTES) && digest.chars().all(is_digit)
    })
}

fn last4(text: &str) -> CompactString {
    let count = text.chars().count();
    if count < LAST4_CHARS_MIN {
        return FULL.into();
    }
    let tail: CompactString = text.chars().skip(count.saturating_sub(4)).collect();
    format_compact!("{FULL}{tail}")
}

/// The year of a date or a moment, the leading digit of a number; none of anything else.
pub(super) fn coarse(value: &Value) -> Option<Value> {
    match value {
        Value::Date(date) => Date::new(date.year(), 1, 1).ok().map(Value::Date),
        Value::Instant(moment) => {
            let year = Offset::UTC.to_datetime(*moment).year();
            year_start(year).map(Value::Instant)
        }
        Value::Integer(number) => Some(Value::Integer(leading_digit(*number))),
        Value::Decimal(number) => leading_digit_of(*number).map(Value::Decimal),
        Value::Null | Value::Boolean(_) | Value::Text(_) | Value::Object(_) | Value::List(_) => None,
    }
}

fn year_start(year: i16) -> Option<Timestamp> {
    let day = Date::new(year, 1, 1).ok()?;
    Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

/// Rounded down to the leading digit, tens at least: 7 is 0, 42 is 40, 1234 is 1000.
fn leading_digit(number: i64) -> i64 {
    let mut unit: i64 = 10;
    while let Some(next) = unit.checked_mul(10) {
        if number.checked_div(next).is_none_or(|rest| rest == 0) {
            break;
        }
        unit = next;
    }
    let over = number.checked_rem(unit).unwrap_or(0);
    number.saturating_sub(over)
}

fn leading_digit_of(number: Decimal) -> Option<Decimal> {
    let ten = Decimal::TEN;
    let mut unit = ten;
    while let Some(next) = unit.checked_mul(ten) {
        if number.abs() < next {
            break;
        }
        unit = next;
    }
    let over = number.checked_rem(unit)?;
    Some(number.checked_sub(over)?.trunc())
}
