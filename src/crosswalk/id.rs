//! The id of a record as callers see it.

use std::{fmt, str::FromStr};

use compact_str::CompactString;
use data_encoding::BASE32_DNSSEC;

/// 128 random bits; prints as 26 small letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicId(pub(super) [u8; 16]);

/// A text that is no id. Says no more, to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no id")]
pub struct BadId;

impl PublicId {
    /// The id as text.
    pub fn text(&self) -> CompactString {
        let mut text = [0; CHARS];
        BASE32_DNSSEC.encode_mut(&self.0, &mut text);
        CompactString::from_utf8_lossy(&text)
    }
}

/// Characters of an id.
const CHARS: usize = 26;

impl FromStr for PublicId {
    type Err = BadId;

    /// One spelling of an id is taken: what is written otherwise is another text, and so no id.
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = BASE32_DNSSEC.decode(text.as_bytes()).map_err(|_| BadId)?;
        let id = Self(bytes.try_into().map_err(|_| BadId)?);
        if id.to_string() == text { Ok(id) } else { Err(BadId) }
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_DNSSEC.encode(&self.0))
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId({self})")
    }
}
