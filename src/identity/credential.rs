//! Which credential a request shows: exactly one, or none. Two, or one twice, is a refusal, because whoever
//! stands behind us might read the other.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

use super::{Unidentified, api_key::API_KEY_LEAD, token::TOKEN_BYTES_MAX};

/// The header of an API key.
pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What stood in the headers, not yet believed.
#[derive(Clone, Copy)]
pub(super) enum Shown<'h> {
    /// Nothing.
    Nothing,
    /// A token in `Authorization: Bearer`.
    Token(&'h str),
    /// An API key, in either header.
    ApiKey(&'h str),
}

/// Reads the headers.
pub(super) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Unidentified> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all(X_API_KEY).iter();
    match (bearers.next(), bearers.next(), keys.next(), keys.next()) {
        (None, None, None, None) => Ok(Shown::Nothing),
        (Some(value), None, None, None) => {
            let text = bounded(bearer(value.as_bytes())?)?;
            Ok(if text.starts_with(API_KEY_LEAD) { Shown::ApiKey(text) } else { Shown::Token(text) })
        }
        (None, None, Some(value), None) => {
            let text = bounded(value.as_bytes())?;
            if text.starts_with(API_KEY_LEAD) {
                Ok(Shown::ApiKey(text))
            } else {
                Err(Unidentified::Malformed("not an API key"))
            }
        }
        _ => Err(Unidentified::TwoCredentials),
    }
}

fn bearer(value: &[u8]) -> Result<&[u8], Unidentified> {
    let (scheme, rest) = value.split_at_checked(7).ok_or(Unidentified::WrongScheme)?;
    if scheme.eq_ignore_ascii_case(b"bearer ") { Ok(rest) } else { Err(Unidentified::WrongScheme) }
}

fn bounded(bytes: &[u8]) -> Result<&str, Unidentified> {
    if bytes.len() > TOKEN_BYTES_MAX {
        return Err(Unidentified::TooLarge);
    }
    // The alphabet of JWTs and of our keys; a comma, a space or a byte beyond ASCII is somebody else's.
    match std::str::from_utf8(bytes) {
        Ok(text)
            if !text.is_empty() && bytes.iter().all(|b| ALPHABET.get(usize::from(*b)) == Some(&true)) =>
        {
            Ok(text)
        }
        Ok(_) | Err(_) => Err(Unidentified::Malformed("not of the credential alphabet")),
    }
}

const ALPHABET: [bool; 128] = {
    let mut table = [false; 128];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'.';
        at += 1;
    }
    table
};
