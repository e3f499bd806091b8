//! Which credential a request shows: exactly one, or none. Two, or one twice, is a refusal, because whoever
//! stands behind us might read the other.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use super::{Unidentified, api_key::API_KEY_LEAD, token::TOKEN_BYTES_MAX};
use crate::words::{Secret, SecretBytes};

/// LIMIT: bytes of a user's name and an API key in base64.
const BASIC_BYTES_MAX: usize = 1024;

/// The header of an API key.
pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What stood in the headers, not yet believed.
#[derive(Clone, Copy)]
pub(super) enum Shown<'h> {
    /// Nothing.
    Nothing,
    /// A token in `Authorization: Bearer`.
    Token(&'h [u8]),
    /// An API key, in either header.
    ApiKey(&'h [u8]),
}

/// Reads the headers.
pub(super) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Unidentified> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all(X_API_KEY).iter();
    match (bearers.next(), bearers.next(), keys.next(), keys.next()) {
        (None, None, None, None) => Ok(Shown::Nothing),
        (Some(value), None, None, None) => {
            let bytes = bounded(bearer(value.as_bytes())?)?;
            Ok(if is_api_key(bytes) { Shown::ApiKey(bytes) } else { Shown::Token(bytes) })
        }
        (None, None, Some(value), None) => {
            let bytes = bounded(value.as_bytes())?;
            if is_api_key(bytes) {
                Ok(Shown::ApiKey(bytes))
            } else {
                Err(Unidentified::Malformed("not an API key"))
            }
        }
        _ => Err(Unidentified::TwoCredentials),
    }
}

/// Puts an API key that stands as the password of `Authorization: Basic` (RFC 7617) where it stands as a bearer's,
/// for a door whose clients know no other way. The user's name is free: the key says who it is. Anything else is
/// left as it is, and is refused as the wrong scheme.
pub fn basic_as_bearer(headers: &mut HeaderMap) {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return };
    if let Some(bearer) = password(value.as_bytes()) {
        headers.insert(AUTHORIZATION, bearer);
    }
}

/// The password as a bearer's header, where it is an API key.
fn password(value: &[u8]) -> Option<HeaderValue> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > BASIC_BYTES_MAX {
        return None;
    }
    let decoded = SecretBytes::new(BASE64.decode(encoded).ok()?);
    let at = decoded.expose().iter().position(|byte| *byte == b':')?;
    let key = decoded.expose().get(at..)?.strip_prefix(b":").filter(|key| is_api_key(key))?;
    let bearer = Secret::new(format!("Bearer {}", text(key).ok()?));
    let mut bearer = HeaderValue::try_from(bearer.expose()).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

fn bearer(value: &[u8]) -> Result<&[u8], Unidentified> {
    let (scheme, rest) = value.split_at_checked(7).ok_or(Unidentified::WrongScheme)?;
    if scheme.eq_ignore_ascii_case(b"bearer ") { Ok(rest) } else { Err(Unidentified::WrongScheme) }
}

fn bounded(bytes: &[u8]) -> Result<&[u8], Unidentified> {
    match bytes.len() {
        0 => Err(Unidentified::Malformed("empty")),
        1..=TOKEN_BYTES_MAX => Ok(bytes),
        _ => Err(Unidentified::TooLarge),
    }
}

fn is_api_key(bytes: &[u8]) -> bool {
    bytes.starts_with(API_KEY_LEAD.as_bytes())
}

/// The credential as text of the alphabet of JWTs and of our keys: a comma, a space or a byte beyond ASCII is
/// somebody else's. What is remembered was read by this once and need not be again.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Unidentified> {
    let ours = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(ours) => Ok(text),
        Ok(_) | Err(_) => Err(Unidentified::Malformed("not of the credential alphabet")),
    }
}
