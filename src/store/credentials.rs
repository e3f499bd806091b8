//! Tokens, API keys, signing keys, and the changes a running gate must hear of.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};

use super::{
    ApiKeyRow, Change, Changes, SigningKeyRow, Store, StoreError, TokenRow,
    records::{self, digest, groups, kind, list, millis, moment, moment_or_none, scopes},
};
use crate::words::{GroupName, Kind, PrincipalId};

/// Changes told in one answer.
const CHANGES_MAX: usize = 4096;
/// How long what has ended is kept: a clock that was set back finds what was taken back still taken back.
const KEPT_AFTER_END: SignedDuration = SignedDuration::from_hours(24);
/// Rows of one list.
const LIST_MAX: i64 = 10_000;

impl Store {
    /// Writes down a token that was signed; only then is its text handed out.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn issue_token(&self, token: TokenRow) -> Result<(), StoreError> {
        self.run(move |connection| {
            connection.execute(
                "INSERT INTO tokens (jti, kind, principal, kid, groups, scopes, note, issued_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    token.jti,
                    token.kind.as_str(),
                    token.principal.as_str(),
                    token.kid,
                    token.groups.map(|groups| list(groups.iter().map(GroupName::as_str))),
                    list(token.scopes.iter().map(|scope| &**scope)),
                    token.note,
                    millis(token.issued_at),
                    millis(token.expires_at),
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// The token of this `jti`, as it was written down.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn token_by_jti(&self, jti: Arc<str>) -> Result<Option<TokenRow>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM tokens WHERE jti = ?1")?;
            Ok(statement.query_row([jti], token).optional()?)
        })
        .await
    }

    /// Tokens that have not ended, newest first; of one principal, or of all.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn tokens(
        &self,
        of: Option<(Kind, PrincipalId)>,
        now: Timestamp,
    ) -> Result<Vec<TokenRow>, StoreError> {
        self.run(move |connection| {
            let (kind, id) = principal_filter(of);
            let mut statement = connection.prepare_cached(
                "SELECT * FROM tokens WHERE expires_at > ?1 AND (?2 IS NULL OR (kind = ?2 AND principal = ?3))
                 ORDER BY issued_at DESC, jti LIMIT ?4",
            )?;
            let rows = statement.query_map(params![millis(now), kind, id, LIST_MAX], token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes back a token. True when it was alive.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_token(&self, jti: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            let until: Option<i64> = transaction
                .query_row(
                    "UPDATE tokens SET revoked_at = ?2 WHERE jti = ?1 AND revoked_at IS NULL RETURNING expires_at",
                    params![jti, millis(now)],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(until) = until {
                tell(&transaction, "token", &jti, None, now, Some(until))?;
            }
            transaction.commit()?;
            Ok(until.is_some())
        })
        .await
    }

    /// Takes back every token and API key of a principal; how many were alive. `also_unknown` covers tokens
    /// that are not ours to list: those of an outside issuer.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_principal(
        &self,
        kind: Kind,
        id: PrincipalId,
        also_unknown: bool,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            let tokens = transaction
                .prepare(
                    "UPDATE tokens SET revoked_at = ?3 WHERE kind = ?1 AND principal = ?2 AND revoked_at IS NULL
                     AND expires_at > ?3 RETURNING jti, expires_at",
                )?
                .query_map(params![kind.as_str(), id.as_str(), millis(now)], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            for (jti, until) in &tokens {
                tell(&transaction, "token", jti, None, now, Some(*until))?;
            }
            let keys = transaction
                .prepare(
                    "UPDATE api_keys SET revoked_at = ?3 WHERE kind = ?1 AND principal = ?2 AND revoked_at IS NULL
                     RETURNING prefix",
                )?
                .query_map(params![kind.as_str(), id.as_str(), millis(now)], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            for prefix in &keys {
                tell(&transaction, "api_key", prefix, None, now, None)?;
            }
            if also_unknown {
                tell(&transaction, "principal", id.as_str(), Some(kind), now, None)?;
            }
            transaction.commit()?;
            Ok(tokens.len() + keys.len())
        })
        .await
    }

    /// Writes down an API key; only then is its text handed out.
    ///
    /// # Errors
    /// The store did not take it, or its prefix is taken.
    pub async fn issue_api_key(&self, key: ApiKeyRow) -> Result<(), StoreError> {
        self.run(move |connection| {
            let name = key.prefix.to_string();
            let done = connection.execute(
                "INSERT INTO api_keys (prefix, hash, kind, principal, groups, scopes, note, issued_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    key.prefix,
                    key.hash.0,
                    key.kind.as_str(),
                    key.principal.as_str(),
                    key.groups.map(|groups| list(groups.iter().map(GroupName::as_str))),
                    list(key.scopes.iter().map(|scope| &**scope)),
                    key.note,
                    millis(key.issued_at),
                    key.expires_at.map(millis),
                ],
            );
            done.map(drop).map_err(|error| taken(error, "API key", name))
        })
        .await
    }

    /// The API key of this public prefix.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn api_key_by_prefix(&self, prefix: Arc<str>) -> Result<Option<ApiKeyRow>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM api_keys WHERE prefix = ?1")?;
            Ok(statement.query_row([prefix], api_key).optional()?)
        })
        .await
    }

    /// API keys, newest first; of one principal, or of all.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn api_keys(&self, of: Option<(Kind, PrincipalId)>) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.run(move |connection| {
            let (kind, id) = principal_filter(of);
            let mut statement = connection.prepare_cached(
                "SELECT * FROM api_keys WHERE ?1 IS NULL OR (kind = ?1 AND principal = ?2)
                 ORDER BY issued_at DESC, prefix LIMIT ?3",
            )?;
            let rows = statement.query_map(params![kind, id, LIST_MAX], api_key)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes back an API key. True when it was alive.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_api_key(&self, prefix: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            let alive = transaction.execute(
                "UPDATE api_keys SET revoked_at = ?2 WHERE prefix = ?1 AND revoked_at IS NULL",
                params![prefix, millis(now)],
            )? > 0;
            if alive {
                tell(&transaction, "api_key", &prefix, None, now, None)?;
            }
            transaction.commit()?;
            Ok(alive)
        })
        .await
    }

    /// Makes a new key the signing one and retires those before it, at once.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn rotate_signing_key(
        &self,
        kid: Arc<str>,
        public: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            transaction
                .execute("UPDATE signing_keys SET retired_at = ?1 WHERE retired_at IS NULL", [millis(now)])?;
            transaction.execute(
                "INSERT INTO signing_keys (kid, public, created_at) VALUES (?1, ?2, ?3)",
                params![kid, public, millis(now)],
            )?;
            tell(&transaction, "signing_keys", &kid, None, now, None)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Takes back a signing key: everything it signed is worth nothing. True when it was there.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_signing_key(&self, kid: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            let there = transaction.execute(
                "UPDATE signing_keys SET revoked_at = ?2, retired_at = coalesce(retired_at, ?2)
                 WHERE kid = ?1 AND revoked_at IS NULL",
                params![kid, millis(now)],
            )? > 0;
            tell(&transaction, "signing_keys", &kid, None, now, None)?;
            transaction.commit()?;
            Ok(there)
        })
        .await
    }

    /// Signing keys that were not taken back, newest first: the one that signs, and retired ones, each with
    /// the end of its last token.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT k.*, (SELECT max(expires_at) FROM tokens t WHERE t.kid = k.kid) AS last_token_ends
                 FROM signing_keys k WHERE revoked_at IS NULL ORDER BY created_at DESC, kid",
            )?;
            let rows = statement.query_map([], signing_key)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What changed after a number; 0 tells everything that still matters.
    ///
    /// # Errors
    /// The store did not answer, or its file is not the one that goes by its path.
    pub async fn changes_since(&self, seq: i64) -> Result<Changes, StoreError> {
        let (path, inode) = (self.path.clone(), self.inode);
        self.run(move |connection| {
            // Whoever writes to another file under this name is not heard.
            inode.check(&path)?;
            changes(connection, seq)
        })
        .await
    }

    /// Forgets what ended a day ago or earlier: tokens, signing keys without any, quota of days gone by, changes
    /// that nothing alive depends on; and writes that were kept for their repeats, or for who asks what became of them,
    /// as soon as they end.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let ended = millis(now - KEPT_AFTER_END);
            transaction.execute("DELETE FROM tokens WHERE expires_at <= ?1", [ended])?;
            transaction.execute("DELETE FROM changes WHERE until <= ?1", [ended])?;
            transaction.execute(
                "DELETE FROM signing_keys WHERE retired_at <= ?1
                 AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.kid = signing_keys.kid)",
                [ended],
            )?;
            let yesterday = now.as_second().div_euclid(86_400) - 1;
            transaction.execute("DELETE FROM quota WHERE day < ?1", [yesterday])?;
            transaction.execute("DELETE FROM repeats WHERE ends_at <= ?1", [millis(now)])?;
            transaction.execute("DELETE FROM accepted WHERE ends_at <= ?1", [millis(now)])?;
            super::exposed::purge(&transaction, millis(now))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

fn changes(connection: &mut Connection, seq: i64) -> Result<Changes, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let limit = i64::try_from(CHANGES_MAX).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![seq, limit], |row| Ok((row.get::<_, i64>("seq")?, change(row)?)))?;
    let rows: Vec<(i64, Change)> = rows.collect::<Result<_, _>>()?;
    let last = rows.last().map_or(seq, |(seq, _)| *seq);
    let more = rows.len() == CHANGES_MAX;
    Ok(Changes { changes: rows.into_iter().map(|(_, change)| change).collect(), seq: last, more })
}

fn tell(
    transaction: &Transaction<'_>,
    what: &str,
    subject: &str,
    kind: Option<Kind>,
    now: Timestamp,
    until: Option<i64>,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO changes (what, subject, subject_kind, at, until) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![what, subject, kind.map(Kind::as_str), millis(now), until])?;
    Ok(())
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let what: String = row.get("what")?;
    let subject: Arc<str> = row.get("subject")?;
    match what.as_str() {
        "token" => {
            let until = moment_or_none(row, "until")?.ok_or_else(|| records::unreadable("until"))?;
            Ok(Change::Token { jti: subject, until })
        }
        "api_key" => Ok(Change::ApiKey { prefix: subject }),
        "principal" => Ok(Change::Principal {
            kind: kind(row, "subject_kind")?,
            id: PrincipalId::new(subject),
            issued_until: moment(row, "at")?,
        }),
        "signing_keys" => Ok(Change::SigningKeys),
        _ => Err(records::unreadable("what")),
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        jti: row.get("jti")?,
        kind: kind(row, "kind")?,
        principal: PrincipalId::new(row.get::<_, Arc<str>>("principal")?),
        kid: row.get("kid")?,
        groups: groups(row)?,
        scopes: scopes(row)?,
        note: row.get("note")?,
        issued_at: moment(row, "issued_at")?,
        expires_at: moment(row, "expires_at")?,
        revoked_at: moment_or_none(row, "revoked_at")?,
    })
}

fn api_key(row: &Row<'_>) -> rusqlite::Result<ApiKeyRow> {
    Ok(ApiKeyRow {
        prefix: row.get("prefix")?,
        hash: digest(row)?,
        kind: kind(row, "kind")?,
        principal: PrincipalId::new(row.get::<_, Arc<str>>("principal")?),
        groups: groups(row)?,
        scopes: scopes(row)?,
        note: row.get("note")?,
        issued_at: moment(row, "issued_at")?,
        expires_at: moment_or_none(row, "expires_at")?,
        revoked_at: moment_or_none(row, "revoked_at")?,
    })
}

fn signing_key(row: &Row<'_>) -> rusqlite::Result<SigningKeyRow> {
    Ok(SigningKeyRow {
        kid: row.get("kid")?,
        public: row.get("public")?,
        created_at: moment(row, "created_at")?,
        retired_at: moment_or_none(row, "retired_at")?,
        last_token_ends: moment_or_none(row, "last_token_ends")?,
    })
}

fn principal_filter(of: Option<(Kind, PrincipalId)>) -> (Option<&'static str>, Option<String>) {
    match of {
        Some((kind, id)) => (Some(kind.as_str()), Some(id.as_str().to_owned())),
        None => (None, None),
    }
}

/// A broken uniqueness, told by the name that is taken.
pub(super) fn taken(error: rusqlite::Error, what: &'static str, name: String) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => StoreError::Taken { what, name },
        Some(_) | None => error.into(),
    }
}
