//! A JSON object read strictly: every name once, every value of the type that is asked for. What JSON would
//! let pass in silence (a repeated name, `aud: 5`, `exp: "1"`) is an error here.

use std::{borrow::Cow, fmt, marker::PhantomData};

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Unidentified;

/// Most members of a token's header or claims.
pub(super) const MEMBERS_MAX: usize = 96;
/// Most items of a list in a claim.
pub(super) const ITEMS_MAX: usize = 128;

/// The members of an object, values unread.
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads one object.
    pub(super) fn read(json: &'a [u8], part: &'static str) -> Result<Self, Unidentified> {
        serde_json::from_slice(json).map_err(|_| Unidentified::Malformed(part))
    }

    /// The value of a member as it stands.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// Whether a member is there, whatever it says.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A text; absent is none, any other type an error (null too).
    pub(super) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Unidentified> {
        self.raw(name).map(|raw| text(raw).ok_or(Unidentified::Malformed(name))).transpose()
    }

    /// A moment in seconds; a fraction is cut off.
    pub(super) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Unidentified> {
        self.raw(name).map(|raw| moment(raw).ok_or(Unidentified::Malformed(name))).transpose()
    }

    /// A text or a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<Cow<'a, str>>>, Unidentified> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        texts(raw).map(Some).ok_or(Unidentified::Malformed("a claim is not a text or a list of texts"))
    }
}

/// A JSON text, and nothing else.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// A JSON text, or a list of them.
pub(super) fn texts(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    if !raw.starts_with('[') {
        return text(raw).map(|one| vec![one]);
    }
    let list: Vec<Text<'_>> = serde_json::from_str(raw).ok()?;
    (list.len() <= ITEMS_MAX).then(|| list.into_iter().map(|text| text.0).collect())
}

/// A NumericDate: digits, perhaps a fraction; no sign, no exponent.
fn moment(raw: &str) -> Option<Timestamp> {
    let whole = match raw.split_once('.') {
        None => raw,
        Some((whole, fraction)) => {
            (!fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())).then_some(whole)?
        }
    };
    if whole.is_empty() || whole.len() > 12 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Timestamp::from_second(whole.parse().ok()?).ok()
}

struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for One<'a> {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(One(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for All<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                use serde::de::Error;
                let mut members: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::with_capacity(12);
                while let Some((Text(name), value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
                    if members.len() == MEMBERS_MAX || members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a member stands twice, or there are too many"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All(PhantomData))
    }
}
