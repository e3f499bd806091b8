//! Admin tokens: named, hashed, ending, of one role each. They are not principals and open no data.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::SignedDuration;

use super::{TokenError, Tokens, random};
use crate::{
    clock::Now,
    store::{AdminRole, AdminTokenRecord},
    words::{Digest, Secret},
};

/// What every admin token begins with.
pub const ADMIN_TOKEN_LEAD: &str = "bra_";
/// Longest life of an admin token.
pub const ADMIN_TTL_MAX: SignedDuration = SignedDuration::from_hours(365 * 24);

impl Tokens {
    /// Makes an admin token; its text is handed out once and kept nowhere.
    ///
    /// # Errors
    /// Its life does not fit, its name is taken, or the store cannot be used.
    pub async fn issue_admin(
        &self,
        name: Arc<str>,
        role: AdminRole,
        ttl: SignedDuration,
        now: Now,
    ) -> Result<(Secret, AdminTokenRecord), TokenError> {
        if ttl < SignedDuration::from_secs(1) || ttl > ADMIN_TTL_MAX {
            return Err(TokenError::Life { days_max: ADMIN_TTL_MAX.as_hours() / 24 });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(TokenError::Name { name });
        }
        let text = format!("{ADMIN_TOKEN_LEAD}{}", BASE64URL_NOPAD.encode(&random::<32>()?));
        let record = AdminTokenRecord {
            hash: Digest::of(text.as_bytes()),
            name,
            role,
            issued_at: now.wall,
            expires_at: now.wall.checked_add(ttl).map_err(|_| TokenError::Life { days_max: 0 })?,
            revoked_at: None,
        };
        self.store().issue_admin_token(record.clone()).await?;
        Ok((Secret::new(text), record))
    }

    /// Who holds this admin token, while it is alive. What does not look like one is not looked up.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn admin(&self, text: &str, now: Now) -> Result<Option<AdminTokenRecord>, TokenError> {
        let looks_right = text.strip_prefix(ADMIN_TOKEN_LEAD).is_some_and(|secret| secret.len() == 43);
        if !looks_right {
            return Ok(None);
        }
        Ok(self.store().admin_token_by_hash(Digest::of(text.as_bytes()), now.wall).await?)
    }
}
