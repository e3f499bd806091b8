//! Numbers that authorities and GS1 give: one spelling of each, so that records of several systems compare, and what can
//! be seen to be wrong of one.
//!
//! A VAT number (`format: vat-id`) begins with its country; any other tax number (`format: tax-number`) does not, and
//! says by the field `scheme` beside it what it is. Blanks, dots and dashes say nothing, nor does case. Whether a
//! number was ever given to somebody, only its authority knows: what is told here is that one cannot have been.
//!
//! Numbers of goods, places and packages (`format: gtin`, `gln`, `sscc`) are digits, the last of which checks the others
//! (GS1 General Specifications, 7.9). They are compared as they come: zeros in front are part of them.
//!
//! Of languages (`format: language`) there is one tag each; what is none is no value at all ([`Spelling::refuses`]).

use std::borrow::Cow;

use super::{
    codes::Standard,
    entity::{Entity, LeafKind, Object, Shape},
    fields::{FieldSet, LeafId},
    languages,
    record::{Fields, Record, Value},
};

/// Longest VAT number in characters.
const VAT_ID_CHARS_MAX: u32 = 20;
/// Longest tax number in characters.
const TAX_NUMBER_CHARS_MAX: u32 = 64;
/// The field beside a tax number that says what it is.
pub(super) const SCHEME: &str = "scheme";

/// How a text is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// As it comes.
    Free,
    /// As a VAT number: capital letters and digits, the country in front.
    VatId,
    /// As a tax number: capital letters and digits, without the country.
    TaxNumber,
    /// As a number of GS1: of goods.
    Gtin,
    /// Of a place or a firm.
    Gln,
    /// Of a package on its way.
    Sscc,
    /// As a tag of a language.
    Language,
}

impl Spelling {
    /// The formats that name one.
    pub const FORMATS: [&'static str; 6] = ["vat-id", "tax-number", "gtin", "gln", "sscc", "language"];

    /// What a `format` names, and how long it may be.
    pub(super) fn of_format(format: &str) -> Option<(Self, u32)> {
        match format {
            "vat-id" => Some((Self::VatId, VAT_ID_CHARS_MAX)),
            "tax-number" => Some((Self::TaxNumber, TAX_NUMBER_CHARS_MAX)),
            "gtin" => Some((Self::Gtin, 14)),
            "gln" => Some((Self::Gln, 13)),
            "sscc" => Some((Self::Sscc, 18)),
            "language" => Some((Self::Language, languages::TAG_CHARS_MAX)),
            _ => None,
        }
    }

    /// The `format` that names it.
    pub fn format(self) -> Option<&'static str> {
        match self {
            Self::Free => None,
            Self::VatId => Some("vat-id"),
            Self::TaxNumber => Some("tax-number"),
            Self::Gtin => Some("gtin"),
            Self::Gln => Some("gln"),
            Self::Sscc => Some("sscc"),
            Self::Language => Some("language"),
        }
    }

    /// Whether it may be spelt in several ways, of which [`Spelling::normal`] makes one.
    pub fn is_one_of_several(self) -> bool {
        match self {
            Self::VatId | Self::TaxNumber | Self::Language => true,
            Self::Free | Self::Gtin | Self::Gln | Self::Sscc => false,
        }
    }

    /// Whether a text in this spelling is no value of such a field. Numbers are never refused so: a wrong one is told, and
    /// found ([`Numbers`]).
    pub fn refuses(self, normal: &str) -> bool {
        match self {
            Self::Language => !languages::is_tag(normal),
            Self::Free | Self::VatId | Self::TaxNumber | Self::Gtin | Self::Gln | Self::Sscc => false,
        }
    }

    /// Texts that are spelt so.
    pub fn examples(self) -> &'static [&'static str] {
        match self {
            Self::Free => &["x", "y", "ewa@example.com", "+48500600700", "PL"],
            Self::VatId => &["PL5260250274", "PL8567346215"],
            Self::TaxNumber => &["5260250274", "8567346215"],
            Self::Gtin | Self::Gln => &["5901234123457", "4006381333931"],
            Self::Sscc => &["106141411234567897", "340123450000000000"],
            Self::Language => &["pl", "en-GB", "sr-Latn-RS"],
        }
    }

    /// How many digits a number of GS1 may have.
    fn lengths(self) -> &'static [usize] {
        match self {
            Self::Gtin => &[8, 12, 13, 14],
            Self::Gln => &[13],
            Self::Sscc => &[18],
            Self::Free | Self::VatId | Self::TaxNumber | Self::Language => &[],
        }
    }

    /// A text in this spelling; the same again for what is spelt so. A part of a number becomes that part.
    pub fn normal(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Free | Self::Gtin | Self::Gln | Self::Sscc => Cow::Borrowed(text),
            Self::VatId => match plain(text) {
                // ISO calls Greece otherwise than VAT does.
                plain if plain.starts_with("GR") => Cow::Owned(plain.replacen("GR", "EL", 1)),
                plain => plain,
            },
            Self::Language => languages::tag(text).map_or(Cow::Borrowed(text), Cow::Owned),
            Self::TaxNumber => {
                let plain = plain(text);
                match plain.get(2..) {
                    // What would be cut a second time is left alone.
                    Some(number) if is_vat_id(&plain) && !is_vat_id(number) => Cow::Owned(number.to_owned()),
                    Some(_) | None => plain,
                }
            }
        }
    }
}

/// Letters and digits, in capitals. What is no ASCII stays: it is no separator, and shows that something is wrong. Irish
/// numbers may hold a `+` or `*`.
fn plain(text: &str) -> Cow<'_, str> {
    let is_kept = |c: char| c.is_alphanumeric() || matches!(c, '+' | '*');
    if text.chars().all(|c| is_kept(c) && !c.is_ascii_lowercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| is_kept(*c)).map(|c| c.to_ascii_uppercase()).collect())
}

/// Whether it begins with a country that has VAT numbers, or with any other.
pub(crate) fn names_country(text: &str) -> bool {
    text.get(..2).is_some_and(|country| known(country).is_some() || is_country(country))
}

pub(super) fn is_country(code: &str) -> bool {
    Standard::of_format("country").is_some_and(|all| all.codes().iter().any(|known| **known == *code))
}

/// Whether it is a VAT number with its country in front, and nothing is wrong with it.
fn is_vat_id(text: &str) -> bool {
    text.split_at_checked(2).is_some_and(|(country, number)| {
        known(country).is_some_and(|country| wrong_of(country, number).is_none())
    })
}

/// What is wrong with a VAT number in its one spelling.
pub(crate) fn wrong_vat_id(text: &str) -> Option<&'static str> {
    let Some((country, number)) = text.split_at_checked(2) else { return Some(NO_COUNTRY) };
    match known(country) {
        Some(country) => wrong_of(country, number),
        None if !is_country(country) => Some(NO_COUNTRY),
        // Of other countries no form is known.
        None => None,
    }
}

/// What is wrong with a tax number in its one spelling; of a scheme that is not known, nothing is.
fn wrong_tax_number(scheme: &str, text: &str) -> Option<&'static str> {
    let (_, country) = SCHEMES.iter().find(|(known, _)| *known == scheme)?;
    known(country).and_then(|country| wrong_of(country, text))
}

/// Why a number cannot be one.
const NO_COUNTRY: &str = "a VAT number begins with its country, as in `PL5260250274`";
const NO_FORM: &str = "no number of this country or scheme looks like this";
const NO_DIGITS: &str =
    "such a number is digits alone: 8, 12, 13 or 14 of goods, 13 of a place, 18 of a package";
const NO_CHECK: &str = "its check digit does not fit: a digit is wrong or missing";

/// Schemes of tax numbers that are the national part of a country's VAT numbers.
const SCHEMES: [(&str, &str); 1] = [("PL:NIP", "PL")];

/// A country's VAT numbers.
struct Country {
    code: &'static str,
    /// What they look like behind the country: `9` a digit, `A` a letter, `X` either, any other sign itself.
    forms: &'static [&'static str],
    /// Whether the check digits fit; of digits alone, without signs that are no ASCII.
    fits: fn(&str) -> bool,
}

fn known(code: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.code == code)
}

fn wrong_of(country: &Country, number: &str) -> Option<&'static str> {
    match country.forms.iter().any(|form| is_of(form, number)) {
        false => Some(NO_FORM),
        true if (country.fits)(number) => None,
        true => Some(NO_CHECK),
    }
}

fn is_of(form: &str, number: &str) -> bool {
    form.len() == number.len()
        && form.bytes().zip(number.bytes()).all(|(wanted, byte)| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'X' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            b'?' => byte.is_ascii_digit() || byte.is_ascii_uppercase() || matches!(byte, b'+' | b'*'),
            other => byte == other,
        })
}

/// Of the Union, of Northern Ireland and of Great Britain; check digits where their rule is plain.
const COUNTRIES: [Country; 29] = [
    Country { code: "AT", forms: &["U99999999"], fits: austrian },
    Country { code: "BE", forms: &["0999999999", "1999999999"], fits: belgian },
    Country { code: "BG", forms: &["999999999", "9999999999"], fits: unchecked },
    Country { code: "CY", forms: &["99999999A"], fits: unchecked },
    Country { code: "CZ", forms: &["99999999", "999999999", "9999999999"], fits: czech },
    Country { code: "DE", forms: &["999999999"], fits: german },
    Country { code: "DK", forms: &["99999999"], fits: unchecked },
    Country { code: "EE", forms: &["999999999"], fits: unchecked },
    Country { code: "EL", forms: &["999999999"], fits: unchecked },
    Country { code: "ES", forms: &["X9999999X"], fits: unchecked },
    Country { code: "FI", forms: &["99999999"], fits: unchecked },
    Country { code: "FR", forms: &["XX999999999"], fits: french },
    Country { code: "GB", forms: &["999999999", "999999999999", "GD999", "HA999"], fits: unchecked },
    Country { code: "HR", forms: &["99999999999"], fits: unchecked },
    Country { code: "HU", forms: &["99999999"], fits: unchecked },
    Country { code: "IE", forms: &["9?99999A", "9999999A", "9999999AA"], fits: unchecked },
    Country { code: "IT", forms: &["99999999999"], fits: italian },
    Country { code: "LT", forms: &["999999999", "999999999999"], fits: unchecked },
    Country { code: "LU", forms: &["99999999"], fits: unchecked },
    Country { code: "LV", forms: &["99999999999"], fits: unchecked },
    Country { code: "MT", forms: &["99999999"], fits: unchecked },
    Country { code: "NL", forms: &["999999999B99"], fits: unchecked },
    Country { code: "PL", forms: &["9999999999"], fits: polish },
    Country { code: "PT", forms: &["999999999"], fits: unchecked },
    Country {
        code: "RO",
        forms: &["99", "999", "9999", "99999", "999999", "9999999", "99999999", "999999999", "9999999999"],
        fits: unchecked,
    },
    Country { code: "SE", forms: &["999999999999"], fits: unchecked },
    Country { code: "SI", forms: &["99999999"], fits: unchecked },
    Country { code: "SK", forms: &["9999999999"], fits: unchecked },
    Country { code: "XI", forms: &["999999999", "999999999999", "GD999", "HA999"], fits: unchecked },
];

fn unchecked(_: &str) -> bool {
    true
}

/// The digits of a text; of other signs none.
fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|c| c.to_digit(10))
}

fn weighted(text: &str, weights: &[u32]) -> u32 {
    digits(text).zip(weights).map(|(digit, weight)| digit.saturating_mul(*weight)).sum()
}

fn last(text: &str) -> u32 {
    digits(text).next_back().unwrap_or_default()
}

/// What stands before so many digits at the end, and these, as numbers.
fn halves(text: &str, behind: usize) -> Option<(u64, u64)> {
    let (before, after) = text.split_at_checked(text.len().checked_sub(behind)?)?;
    Some((before.parse().ok()?, after.parse().ok()?))
}

/// Weights, modulo 11: the last digit. A remainder of 10 is never given.
fn polish(number: &str) -> bool {
    weighted(number, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == last(number)
}

/// ISO 7064, MOD 11,10. None begins with a zero.
fn german(number: &str) -> bool {
    let left = digits(number).take(8).fold(10_u32, |left, digit| {
        let sum = match left.saturating_add(digit) % 10 {
            0 => 10,
            sum => sum,
        };
        sum.saturating_mul(2) % 11
    });
    !number.starts_with('0') && 11_u32.saturating_sub(left) % 10 == last(number)
}

/// Every other digit twice, as on a bank card: the sum with the last is a multiple of ten.
fn doubled(number: &str) -> u32 {
    let every_other = digits(number).rev().enumerate().map(|(place, digit)| match place % 2 {
        0 => digit,
        _ => digit.saturating_mul(2) / 10 + digit.saturating_mul(2) % 10,
    });
    every_other.sum()
}

/// By Luhn; seven digits of the firm, three of its office, which is never 000.
fn italian(number: &str) -> bool {
    doubled(number).is_multiple_of(10) && !number.starts_with("0000000")
}

/// A key of two digits before a number by Luhn; keys with letters are of another rule.
fn french(number: &str) -> bool {
    let Some((key, firm)) = number.split_at_checked(2) else { return false };
    match (key.parse::<u64>(), firm.parse::<u64>()) {
        // Of Monaco the number is by another rule.
        (Ok(key), Ok(number)) => {
            (firm.starts_with("000") || doubled(firm).is_multiple_of(10))
                && number.saturating_mul(100).saturating_add(12) % 97 == key
        }
        _ => true,
    }
}

/// The last two are what the others lack to a multiple of 97.
fn belgian(number: &str) -> bool {
    halves(number, 2).is_some_and(|(before, check)| 97_u64.saturating_sub(before % 97) == check)
}

/// As on a bank card behind the `U`, but that the sum ends in six.
fn austrian(number: &str) -> bool {
    let firm = number.get(1..8).unwrap_or_default();
    doubled(firm).saturating_add(last(number)) % 10 == 6
}

/// Of a legal person, eight digits: weights, modulo 11. Numbers of persons are by other rules.
fn czech(number: &str) -> bool {
    if number.len() != 8 {
        return true;
    }
    let check = match 11_u32.saturating_sub(weighted(number, &[8, 7, 6, 5, 4, 3, 2]) % 11) {
        10 => 0,
        11 => 1,
        check => check,
    };
    !number.starts_with('9') && check == last(number)
}

/// What is wrong with a number of GS1: the last digit makes up for the others, every other one of which counts three
/// times.
fn wrong_gs1(lengths: &[usize], text: &str) -> Option<&'static str> {
    if !lengths.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(NO_DIGITS);
    }
    let weighted = digits(text).rev().zip([1, 3].into_iter().cycle());
    let sum = weighted.map(|(digit, weight)| digit.saturating_mul(weight)).fold(0_u32, u32::saturating_add);
    (!sum.is_multiple_of(10)).then_some(NO_CHECK)
}

/// A number of a record that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsound<'r> {
    /// The leaf.
    pub leaf: LeafId,
    /// The number.
    pub text: &'r str,
    /// Where: a JSON Pointer into the record.
    pub pointer: String,
    /// Why, in words.
    pub why: &'static str,
}

/// The numbers of an entity's records.
#[derive(Clone, Copy, Debug)]
pub struct Numbers(FieldSet);

impl Numbers {
    /// Those of an entity.
    pub fn of(entity: &Entity) -> Self {
        let is_number = |id: &LeafId| {
            entity
                .leaf(*id)
                .is_some_and(|leaf| !matches!(spelling(&leaf.kind), Spelling::Free | Spelling::Language))
        };
        Self(entity.ids().filter(is_number).collect())
    }

    /// Those of a record that cannot be numbers.
    pub fn unsound<'r>(&self, entity: &Entity, record: &'r Record) -> Vec<Unsound<'r>> {
        let mut found = Vec::new();
        if !self.0.is_empty() {
            self.object(entity, (&entity.root, &record.fields), "", &mut found);
        }
        found
    }

    /// Recursion is bounded by the depth of the entity.
    fn object<'r>(
        &self,
        entity: &Entity,
        (object, fields): (&Object, &'r Fields),
        at: &str,
        found: &mut Vec<Unsound<'r>>,
    ) {
        let beside = object.field(SCHEME).and_then(|(position, _)| fields.at(position)?.as_text());
        for (position, field) in (0_u16..).zip(&object.fields) {
            if let (true, Some(value)) = (self.0.any_in(&field.leaves), fields.at(position)) {
                self.value(entity, (&field.shape, value), (&format!("{at}/{}", field.name), beside), found);
            }
        }
    }

    fn value<'r>(
        &self,
        entity: &Entity,
        (shape, value): (&Shape, &'r Value),
        (at, scheme): (&str, Option<&str>),
        found: &mut Vec<Unsound<'r>>,
    ) {
        match (shape, value) {
            (Shape::Leaf(leaf), Value::Text(text)) if !text.is_empty() => {
                let why = match entity.leaf(*leaf).map(|leaf| spelling(&leaf.kind)) {
                    Some(Spelling::VatId) => wrong_vat_id(text),
                    Some(Spelling::TaxNumber) => scheme.and_then(|scheme| wrong_tax_number(scheme, text)),
                    Some(gs1 @ (Spelling::Gtin | Spelling::Gln | Spelling::Sscc)) => {
                        wrong_gs1(gs1.lengths(), text)
                    }
                    Some(Spelling::Free | Spelling::Language) | None => None,
                };
                found.extend(why.map(|why| Unsound { leaf: *leaf, text, pointer: at.to_owned(), why }));
            }
            (Shape::Object(object), Value::Object(fields)) => {
                self.object(entity, (object, fields), at, found)
            }
            (Shape::List(item), Value::List(values)) => {
                for (index, value) in values.iter().enumerate() {
                    self.value(entity, (item, value), (&format!("{at}/{index}"), scheme), found);
                }
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
        }
    }
}

/// How a leaf's text is spelt.
fn spelling(kind: &LeafKind) -> Spelling {
    match kind {
        LeafKind::Text { spelling, .. } => *spelling,
        LeafKind::Id
        | LeafKind::Code(_)
        | LeafKind::Decimal
        | LeafKind::Integer
        | LeafKind::Boolean
        | LeafKind::Date
        | LeafKind::Instant => Spelling::Free,
    }
}

#[cfg(test)]
mod tests;
