//! Admin tokens, and the newest heads of the journal.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    AdminTokenRecord, HeadRow, Store, StoreError,
    credentials::taken,
    records::{digest, millis, moment, moment_or_none, role, unreadable},
};
use crate::words::Digest;

impl Store {
    /// Writes down an admin token; only then is its text handed out.
    ///
    /// # Errors
    /// The store did not take it, or its name is taken.
    pub async fn issue_admin_token(&self, token: AdminTokenRecord) -> Result<(), StoreError> {
        self.run(move |connection| {
            // A name that ended or was taken back may be used again.
            connection.execute(
                "DELETE FROM admin_tokens WHERE name = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)",
                params![token.name, millis(token.issued_at)],
            )?;
            let name = token.name.to_string();
            let done = connection.execute(
                "INSERT INTO admin_tokens (hash, name, role, issued_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    token.hash.0,
                    token.name,
                    token.role.as_str(),
                    millis(token.issued_at),
                    millis(token.expires_at)
                ],
            );
            done.map(drop).map_err(|error| taken(error, "admin token", name))
        })
        .await
    }

    /// The admin token of this digest, while it is alive. The index is over the digest of 256 random bits, so
    /// how long the look-up takes tells nothing of the text.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn admin_token_by_hash(
        &self,
        hash: Digest,
        now: Timestamp,
    ) -> Result<Option<AdminTokenRecord>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM admin_tokens WHERE hash = ?1 AND revoked_at IS NULL AND expires_at > ?2",
            )?;
            Ok(statement.query_row(params![hash.0, millis(now)], admin_token).optional()?)
        })
        .await
    }

    /// Admin tokens by name, ended and taken back ones included.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn admin_tokens(&self) -> Result<Vec<AdminTokenRecord>, StoreError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM admin_tokens ORDER BY name LIMIT 1000")?;
            let rows = statement.query_map([], admin_token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes back an admin token. True when it was alive.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_admin_token(&self, name: String, now: Timestamp) -> Result<bool, StoreError> {
        self.run_with_room(move |connection| {
            Ok(connection.execute(
                "UPDATE admin_tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL",
                params![name, millis(now)],
            )? > 0)
        })
        .await
    }

    /// Keeps the newest head of a lane. An older one never replaces a newer: false, and nothing changed.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn save_head(&self, head: HeadRow, now: Timestamp) -> Result<bool, StoreError> {
        self.run(move |connection| {
            let changed = connection.execute(
                "INSERT INTO heads (lane, size, checkpoint, at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (lane) DO UPDATE SET size = ?2, checkpoint = ?3, at = ?4 WHERE size <= ?2",
                params![
                    head.lane,
                    i64::try_from(head.size).unwrap_or(i64::MAX),
                    head.checkpoint,
                    millis(now)
                ],
            )?;
            Ok(changed > 0)
        })
        .await
    }

    /// The newest head of every lane.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn heads(&self) -> Result<Vec<HeadRow>, StoreError> {
        self.run(|connection| heads(connection)).await
    }
}

/// The newest head of every lane.
pub(super) fn heads(connection: &Connection) -> Result<Vec<HeadRow>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT * FROM heads ORDER BY lane LIMIT 10000")?;
    let rows = statement.query_map([], |row| {
        let size: i64 = row.get("size")?;
        let size = u64::try_from(size).map_err(|_| unreadable("size"))?;
        Ok(HeadRow { lane: row.get("lane")?, size, checkpoint: row.get("checkpoint")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn admin_token(row: &Row<'_>) -> rusqlite::Result<AdminTokenRecord> {
    Ok(AdminTokenRecord {
        hash: digest(row)?,
        name: row.get("name")?,
        role: role(row)?,
        issued_at: moment(row, "issued_at")?,
        expires_at: moment(row, "expires_at")?,
        revoked_at: moment_or_none(row, "revoked_at")?,
    })
}
