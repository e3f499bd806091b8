//! API keys, our own tokens and their keys, as this room needs to know them. The room `tokens` implements it.
//!
//! A key reads `brk_<prefix>_<secret>`: the prefix is public and names it in lists and entries, the secret
//! half carries 256 random bits. Only SHA-256 of the whole text is kept; a slow hash would add nothing.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{KeyProblem, VerifyKey};
use crate::{
    clock::Now,
    words::{Digest, GroupName, Kind, PrincipalId},
};

/// What every API key begins with.
pub const API_KEY_LEAD: &str = "brk_";
/// Letters of the public prefix.
pub const API_KEY_PREFIX_LEN: usize = 12;
/// Letters of the secret half: 32 bytes in base64url.
pub const API_KEY_SECRET_LEN: usize = 43;

/// What is kept of an API key.
#[derive(Clone, Debug)]
pub struct ApiKeyRecord {
    /// Its public prefix.
    pub prefix: Arc<str>,
    /// SHA-256 of its text.
    pub hash: Digest,
    /// Whose it is.
    pub kind: Kind,
    /// Whose it is.
    pub id: PrincipalId,
    /// Only these groups of the principal, when it is narrower.
    pub groups: Option<Vec<GroupName>>,
    /// Scopes it asserts.
    pub scopes: Vec<Arc<str>>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What was written down of a token of our own when it was issued.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    /// The key that signed it.
    pub kid: Arc<str>,
    /// Whose it is.
    pub kind: Kind,
    /// Whose it is.
    pub id: PrincipalId,
    /// Only these groups of the principal, when it is narrower.
    pub groups: Option<Vec<GroupName>>,
    /// Scopes it asserts.
    pub scopes: Vec<Arc<str>>,
    /// When it was issued, in whole seconds.
    pub issued_at: Timestamp,
    /// When it ends, in whole seconds.
    pub expires_at: Timestamp,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What our own issuer knows.
pub trait OwnCredentials: Send + Sync {
    /// The public key of this id, while a token signed by it may still be good.
    fn key<'a>(&'a self, kid: &'a str, now: Now) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>>;

    /// The token of this `jti`. What nobody wrote down is not known.
    fn token<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<TokenRecord>, KeyProblem>> {
        Box::pin(async { Ok(None) })
    }

    /// The API key of this public prefix.
    fn api_key<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Option<ApiKeyRecord>, KeyProblem>>;
}

/// The public prefix of a well-formed API key.
pub fn api_key_prefix(text: &str) -> Option<&str> {
    let (prefix, secret) = text.strip_prefix(API_KEY_LEAD)?.split_once('_')?;
    let prefix_fits = prefix.len() == API_KEY_PREFIX_LEN
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let secret_fits = secret.len() == API_KEY_SECRET_LEN
        && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (prefix_fits && secret_fits).then_some(prefix)
}

/// What is kept of an API key's text.
pub fn api_key_hash(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}
