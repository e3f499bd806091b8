//! Who broke the glass, when, why, until when, and who approved it.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, records::millis};

/// One breaking of the glass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlassRow {
    /// Whose: the id of a user.
    pub user: String,
    /// Since when, in milliseconds since 1970.
    pub opened_at: i64,
    /// Until when.
    pub ends_at: i64,
    /// Why, as the person said; for an approval, as whoever approved said.
    pub reason: String,
    /// Who approved; none where somebody did it alone.
    pub approved_by: Option<String>,
}

/// What came of breaking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glass {
    /// It is broken now; by this request, or before.
    Broken(GlassRow, bool),
    /// It was broken alone not long ago: somebody else has to approve.
    Spent(GlassRow),
}

impl Store {
    /// Breaks the glass alone for `lasts`, where it is not broken; `rests` after one such end no other begins.
    ///
    /// # Errors
    /// The store did not take it: nothing is broken.
    pub async fn break_glass(
        &self,
        (user, reason): (String, String),
        (lasts, rests): (SignedDuration, SignedDuration),
        now: Timestamp,
    ) -> Result<Glass, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let now = millis(now);
            let last = transaction
                .prepare_cached("SELECT * FROM glass WHERE user = ?1 ORDER BY ends_at DESC LIMIT 1")?
                .query_row([&user], row)
                .optional()?;
            let rests = i64::try_from(rests.as_millis()).unwrap_or(i64::MAX);
            match last {
                Some(last) if now < last.ends_at => return Ok(Glass::Broken(last, false)),
                Some(last) if now < last.ends_at.saturating_add(rests) => return Ok(Glass::Spent(last)),
                Some(_) | None => {}
            }
            let ends_at = now.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(0));
            let made = GlassRow { user, opened_at: now, ends_at, reason, approved_by: None };
            insert(&transaction, &made)?;
            transaction.commit()?;
            Ok(Glass::Broken(made, true))
        })
        .await
    }

    /// Somebody else's approval, from now on.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn approve_glass(&self, approved: GlassRow) -> Result<(), StoreError> {
        self.run(move |connection| insert(connection, &approved)).await
    }

    /// Ends it now; how many were broken.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn mend_glass(&self, user: String, now: Timestamp) -> Result<usize, StoreError> {
        self.run(move |connection| {
            let now = millis(now);
            let mut mend = connection
                .prepare_cached("UPDATE glass SET ends_at = ?2 WHERE user = ?1 AND ends_at > ?2")?;
            Ok(mend.execute(params![user, now])?)
        })
        .await
    }

    /// The newest of all that were, those that are not over first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn glass(&self) -> Result<Vec<GlassRow>, StoreError> {
        self.run(|connection| {
            let mut rows = connection
                .prepare_cached("SELECT * FROM glass ORDER BY ends_at DESC, opened_at DESC LIMIT 1000")?;
            let rows = rows.query_map([], row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn insert(connection: &rusqlite::Connection, row: &GlassRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO glass (user, opened_at, ends_at, reason, approved_by) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![row.user, row.opened_at, row.ends_at, row.reason, row.approved_by])?;
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<GlassRow> {
    Ok(GlassRow {
        user: row.get("user")?,
        opened_at: row.get("opened_at")?,
        ends_at: row.get("ends_at")?,
        reason: row.get("reason")?,
        approved_by: row.get("approved_by")?,
    })
}
