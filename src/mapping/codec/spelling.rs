//! Text in one spelling and within bounds, and what needs no second look to be sure that it reads back.

use std::borrow::Cow;

use compact_str::CompactString;

use super::{Codec, Norm, Point, Table};
use crate::{
    mapping::{out::Out, time::Day},
    schema::{LeafKind, Value, names_country, value::ID_CHARS_MAX},
};

impl Codec {
    /// Whether it is seen at a glance that what is written reads as the value it was written for: nothing stands
    /// between the two but one spelling, which means nothing else.
    pub(super) fn reads_back(&self, value: &Value, out: &Out) -> bool {
        let (Out::Text(text) | Out::Number(text)) = out else { return false };
        if !self.is_free() || self.forms.around.is_some() || self.jq.is_some() {
            return false;
        }
        if let Some(tabled) = &self.table {
            let is_read = |table: &Table| table.read.get(&**text) == Some(value);
            return *value != Value::Null && tabled.now().is_some_and(|table| is_read(&table));
        }
        let is_spelt = match (&self.kind, value) {
            (LeafKind::Text { chars_max, .. }, Value::Text(value)) => {
                text == value && bounded_length(text, *chars_max)
            }
            (LeafKind::Id, Value::Text(value)) => text == value && bounded_length(text, ID_CHARS_MAX),
            (LeafKind::Decimal, Value::Decimal(_)) => {
                self.forms.shift == 0 && self.forms.point == Point::Point && !self.rounds
            }
            (LeafKind::Integer, Value::Integer(_)) => true,
            // Years before the first have a sign, which is not read.
            (LeafKind::Date, Value::Date(day)) => self.forms.day == Day::Iso && day.year() >= 0,
            (
                LeafKind::Text { .. }
                | LeafKind::Id
                | LeafKind::Code(_)
                | LeafKind::Decimal
                | LeafKind::Integer
                | LeafKind::Boolean
                | LeafKind::Date
                | LeafKind::Instant,
                _,
            ) => false,
        };
        is_spelt && !self.absent.is_spelt(text)
    }

    /// Whether a text is kept as it comes.
    pub(super) fn is_free(&self) -> bool {
        self.norm.is_empty() && !self.is_number()
    }

    /// Whether it is a number that an authority gives, which the system may spell otherwise than the schema.
    pub(in crate::mapping) fn is_number(&self) -> bool {
        matches!(&self.kind, LeafKind::Text { spelling, .. } if spelling.is_one_of_several())
    }

    /// A text in the schema's spelling of the field; a VAT number of the home country gets its name.
    pub(super) fn one_spelling<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let LeafKind::Text { spelling, .. } = &self.kind else { return Cow::Borrowed(text) };
        let text = spelling.normal(text);
        match &self.home {
            Some(home) if !text.is_empty() && !names_country(&text) => Cow::Owned(format!("{home}{text}")),
            Some(_) | None => text,
        }
    }
}

/// Text brought into one spelling.
pub(in crate::mapping) fn normal<'t>(norms: &[Norm], text: &'t str) -> Cow<'t, str> {
    norms.iter().fold(Cow::Borrowed(text), |text, norm| match norm {
        Norm::Trim => match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        },
        Norm::Upper if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase()) => text,
        Norm::Upper => Cow::Owned(text.to_uppercase()),
        Norm::Lower => Cow::Owned(text.to_lowercase()),
        Norm::Digits if text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        Norm::Digits => Cow::Owned(text.chars().filter(char::is_ascii_digit).collect()),
        Norm::Alnum if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => text,
        Norm::Alnum => Cow::Owned(text.chars().filter(char::is_ascii_alphanumeric).collect()),
        Norm::Underscore if !text.contains('-') => text,
        Norm::Underscore => Cow::Owned(text.replace('-', "_")),
        Norm::Html => Cow::Owned(crate::mapping::html::tidy(&text)),
    })
}

/// Native text as it may stand in a finding: short.
pub(in crate::mapping) fn clip(text: &str) -> CompactString {
    text.chars().take(64).collect()
}

/// Text within the bound of the field's schema, in characters.
pub(in crate::mapping) fn bounded(text: &str, chars_max: u32) -> Result<Value, &'static str> {
    match bounded_length(text, chars_max) {
        true => Ok(Value::Text(CompactString::from(text))),
        false => Err("longer than the field may be"),
    }
}

/// Whether it is, without counting characters where its bytes are few enough.
pub(super) fn bounded_length(text: &str, chars_max: u32) -> bool {
    let most = usize::try_from(chars_max).unwrap_or(usize::MAX);
    text.len() <= most || text.chars().count() <= most
}
