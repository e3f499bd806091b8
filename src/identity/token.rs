//! A JWT before and after its signature is checked. [`Unproven`] may only say which issuer and key to ask;
//! its claims are not to be had until [`Unproven::prove`] has seen the key.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};

use super::{Issuer, TokenType, Unidentified, VerifyKey, claims::Members};

/// Largest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest key id that is looked at.
pub const KID_BYTES_MAX: usize = 256;
/// Longest `sub`, `jti` and asserted text.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// The decoded parts of a token.
pub(super) struct Parts<'t> {
    message: &'t str,
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// A token whose signature nobody checked.
pub(super) struct Unproven<'p> {
    parts: &'p Parts<'p>,
    claims: Members<'p>,
    algorithm: Cow<'p, str>,
    token_type: TokenType,
    kid: Option<Cow<'p, str>>,
    issuer: Cow<'p, str>,
}

/// A token that its issuer signed for us and that is valid now.
pub(super) struct Proven<'p> {
    /// All it says.
    pub(super) claims: Members<'p>,
    /// Who it is about; not empty, without control characters.
    pub(super) subject: Cow<'p, str>,
    /// When it was issued.
    pub(super) issued_at: Timestamp,
    /// From when on it is worth nothing: its own end, or its issuer's maximal age, whichever comes first.
    pub(super) ends_at: Timestamp,
}

impl<'t> Parts<'t> {
    /// Three parts of strict base64url: no padding, no stray bits, no fourth part.
    pub(super) fn split(token: &'t str) -> Result<Self, Unidentified> {
        let malformed = Unidentified::Malformed("not three parts of base64url");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unidentified::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = message.split_once('.').ok_or(malformed)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| malformed);
        Ok(Self { message, header: decode(header)?, claims: decode(claims)?, signature: decode(signature)? })
    }
}

impl<'p> Unproven<'p> {
    /// Reads what is needed to find the key, and refuses what no key could mend.
    pub(super) fn read(parts: &'p Parts<'p>) -> Result<Self, Unidentified> {
        let header = Members::read(&parts.header, "the header is not an object of distinct members")?;
        for name in ["crit", "b64", "enc", "zip"] {
            if header.has(name) {
                return Err(Unidentified::NotUnderstood(name));
            }
        }
        let algorithm = header.text("alg")?.ok_or(Unidentified::Malformed("alg"))?;
        let token_type = match header.text("typ")? {
            None => TokenType::Absent,
            Some(name) => TokenType::named(&name).ok_or(Unidentified::WrongType)?,
        };
        let kid = header.text("kid")?;
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(Unidentified::Malformed("kid"));
        }
        let claims = Members::read(&parts.claims, "the claims are not an object of distinct members")?;
        let issuer = claims.text("iss")?.ok_or(Unidentified::WrongIssuer)?;
        Ok(Self { parts, claims, algorithm, token_type, kid, issuer })
    }

    /// Who it says issued it.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Which key it says signed it.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Checks the signature by the key's own algorithm, then every claim against our clock.
    pub(super) fn prove(
        self,
        issuer: &Issuer,
        key: &VerifyKey,
        now: Timestamp,
    ) -> Result<Proven<'p>, Unidentified> {
        if self.algorithm != key.algorithm().as_str() {
            return Err(Unidentified::WrongAlgorithm);
        }
        if !key.verifies(self.parts.message.as_bytes(), &self.parts.signature) {
            return Err(Unidentified::BadSignature);
        }
        // ORDER: nothing below is told apart to somebody who could not sign it.
        if self.issuer != *issuer.url {
            return Err(Unidentified::WrongIssuer);
        }
        if !issuer.token_types.contains(&self.token_type) {
            return Err(Unidentified::WrongType);
        }
        for name in ["cnf", "act"] {
            if self.claims.has(name) {
                return Err(Unidentified::NotUnderstood(name));
            }
        }
        let audience = self.claims.texts("aud")?.ok_or(Unidentified::WrongAudience)?;
        if !audience.iter().any(|one| *one == *issuer.audience) {
            return Err(Unidentified::WrongAudience);
        }
        let (issued_at, ends_at) = self.lifetime(issuer, now)?;
        let subject = self.claims.text("sub")?.ok_or(Unidentified::Malformed("sub"))?;
        if !is_name(&subject) {
            return Err(Unidentified::Malformed("sub"));
        }
        Ok(Proven { claims: self.claims, subject, issued_at, ends_at })
    }

    fn lifetime(&self, issuer: &Issuer, now: Timestamp) -> Result<(Timestamp, Timestamp), Unidentified> {
        let leeway = issuer.leeway;
        let expires = self.claims.moment("exp")?.ok_or(Unidentified::Malformed("exp"))?;
        let issued_at = self.claims.moment("iat")?.ok_or(Unidentified::Malformed("iat"))?;
        let starts = self.claims.moment("nbf")?.unwrap_or(issued_at).max(issued_at);
        let expires = later(expires, leeway);
        let oldest = later(issued_at, issuer.age_max + leeway);
        if now >= expires {
            return Err(Unidentified::Expired);
        }
        if later(now, leeway) < starts {
            return Err(Unidentified::NotYetValid);
        }
        if now >= oldest {
            return Err(Unidentified::TooOld);
        }
        Ok((issued_at, expires.min(oldest)))
    }
}

/// Reads bytes as a token up to where a key would be needed: everything that a stranger reaches without one.
/// It exists so that a fuzzer can be pointed at it.
///
/// # Errors
/// Why it is no token.
pub fn read_token(bytes: &[u8]) -> Result<(), Unidentified> {
    let parts = Parts::split(super::credential::text(bytes)?)?;
    Unproven::read(&parts).map(drop)
}

/// Whether a text may stand in an id, a group, a scope or an entry: not empty, bounded, printable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A moment so much later, or the last there is.
pub(super) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
