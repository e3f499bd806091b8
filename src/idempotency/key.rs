//! The field `Idempotency-Key` as it is sent: a Structured Field String (RFC 9651 §3.3.3), or a bare word as many
//! clients send it. `"9f1c"` and `9f1c` are the same key. Parameters are not taken.

use std::fmt;

use http::{HeaderMap, HeaderName};

use super::Fault;

const FIELD: HeaderName = HeaderName::from_static("idempotency-key");
/// LIMIT: characters of a key.
const CHARS_MAX: usize = 255;
/// What a key is, for whoever sent something else.
const EXPECTED: &str =
    "one text of 1 to 255 ASCII characters, as in `\"8e03978e-40d5-43dd-bc93-6894a57f9324\"`";

/// A key as the caller chose it. It does not print: whoever knows it could ask for an answer in its caller's name.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key among a request's headers; none where it has none.
    ///
    /// # Errors
    /// It is sent twice, or is no key.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let mut lines = headers.get_all(FIELD).iter();
        let Some(line) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(Fault::Malformed(EXPECTED));
        }
        let text = line.to_str().map_err(|_| Fault::Malformed(EXPECTED))?;
        let text = text.trim_matches([' ', '\t']);
        let key = match text.strip_prefix('"') {
            Some(rest) => quoted(rest),
            None => bare(text),
        };
        let key = key.filter(|key| (1..=CHARS_MAX).contains(&key.len()));
        key.map(|key| Some(Self(key))).ok_or(Fault::Malformed(EXPECTED))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rest of a string behind its first quote.
fn quoted(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut bytes = rest.bytes();
    loop {
        match bytes.next()? {
            b'"' => return bytes.next().is_none().then_some(key),
            b'\\' => key.push(char::from(bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?)),
            byte @ b' '..=b'~' => key.push(char::from(byte)),
            _ => return None,
        }
    }
}

/// A word without quotes: nothing in it that would end, part or quote it.
fn bare(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';');
    text.bytes().all(fits).then(|| text.to_owned())
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
