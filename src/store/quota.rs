//! Daily quotas: counted up before what they stand for is used, so that a restart never gives any back.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

/// What a lease granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How much may be used now; less than asked for where the limit is near, 0 where it is reached.
    pub granted: u64,
    /// Everything granted for this key and day, this included.
    pub total: u64,
}

impl Store {
    /// Grants up to `amount` more of a key's day, never past `limit` in all. Days are counted from 1970-01-01.
    ///
    /// # Errors
    /// The store did not take it; nothing was granted.
    pub async fn lease_quota(
        &self,
        key: Arc<str>,
        day: i64,
        amount: u64,
        limit: u64,
    ) -> Result<Lease, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let before: u64 = transaction
                .prepare_cached("SELECT granted FROM quota WHERE day = ?1 AND key = ?2")?
                .query_row(params![day, key], |row| row.get::<_, i64>(0))
                .optional()?
                .map_or(0, |granted| u64::try_from(granted).unwrap_or(u64::MAX));
            let granted = amount.min(limit.saturating_sub(before));
            let total = before.saturating_add(granted);
            if granted > 0 {
                transaction
                    .prepare_cached(
                        "INSERT INTO quota (key, day, granted) VALUES (?2, ?1, ?3)
                         ON CONFLICT (day, key) DO UPDATE SET granted = ?3",
                    )?
                    .execute(params![day, key, i64::try_from(total).unwrap_or(i64::MAX)])?;
            }
            transaction.commit()?;
            Ok(Lease { granted, total })
        })
        .await
    }

    /// Gives back what of a lease was not used, at a clean end; the total afterwards.
    ///
    /// # Errors
    /// The store did not take it; the rest counts as used.
    pub async fn return_quota(&self, key: Arc<str>, day: i64, amount: u64) -> Result<u64, StoreError> {
        self.run(move |connection| {
            let amount = i64::try_from(amount).unwrap_or(i64::MAX);
            let total: Option<i64> = connection
                .prepare_cached(
                    "UPDATE quota SET granted = max(0, granted - ?3) WHERE day = ?1 AND key = ?2 RETURNING granted",
                )?
                .query_row(params![day, key, amount], |row| row.get(0))
                .optional()?;
            Ok(total.map_or(0, |total| u64::try_from(total).unwrap_or(0)))
        })
        .await
    }

    /// Everything granted for a key's day.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn quota_usage(&self, key: Arc<str>, day: i64) -> Result<u64, StoreError> {
        self.run(move |connection| {
            let total: Option<i64> = connection
                .prepare_cached("SELECT granted FROM quota WHERE day = ?1 AND key = ?2")?
                .query_row(params![day, key], |row| row.get(0))
                .optional()?;
            Ok(total.map_or(0, |total| u64::try_from(total).unwrap_or(0)))
        })
        .await
    }
}
