//! Writes that a system accepted and did not finish, for whoever asks what became of them.
//!
//! Rows are bounded, for one principal and in all, and each has an end. Where there is no room the oldest that has
//! ended goes; one under way never does before its end, so a new one may find none. What it takes to ask, and what came
//! of it, is sealed by whoever keeps it; here it is bytes.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{RepeatsMax, Store, StoreError, records::millis};
use crate::words::Digest;

/// How far an accepted write has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The system has not said what became of it.
    UnderWay,
    /// It has.
    Ended,
}

impl Progress {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Ended => "ended",
        }
    }
}

/// An accepted write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedRow {
    /// Digest of the principal, the entity and the id it is asked for by.
    pub key: Digest,
    /// Digest of the principal.
    pub principal: Digest,
    /// When it was accepted.
    pub begun_at: Timestamp,
    /// When it is forgotten.
    pub ends_at: Timestamp,
    /// What it takes to ask, sealed.
    pub state: Vec<u8>,
}

impl Store {
    /// Keeps an accepted write; whether there was room.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn keep_accepted(&self, fresh: AcceptedRow, most: RepeatsMax) -> Result<bool, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            transaction
                .prepare_cached("DELETE FROM accepted WHERE ends_at <= ?1")?
                .execute([millis(fresh.begun_at)])?;
            let of_one = Some(fresh.principal.0);
            let has_room = makes_room(&transaction, of_one, most.per_principal)?
                && makes_room(&transaction, None, most.all)?;
            if has_room {
                transaction
                    .prepare_cached(
                        "INSERT INTO accepted (key, principal, progress, begun_at, ends_at, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        fresh.key.0,
                        fresh.principal.0,
                        Progress::UnderWay.as_str(),
                        millis(fresh.begun_at),
                        millis(fresh.ends_at),
                        fresh.state,
                    ])?;
            }
            transaction.commit()?;
            Ok(has_room)
        })
        .await
    }

    /// What is kept of an accepted write; none where it has come to its end.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn accepted(&self, key: Digest, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT state FROM accepted WHERE key = ?1 AND ends_at > ?2")?;
            Ok(statement.query_row(params![key.0, millis(now)], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Says what became of an accepted write. What has ended stays as it ended.
    ///
    /// # Errors
    /// The store did not take it; the system is asked again.
    pub async fn end_accepted(&self, key: Digest, state: Vec<u8>) -> Result<(), StoreError> {
        self.run(move |connection| {
            let (ended, under_way) = (Progress::Ended.as_str(), Progress::UnderWay.as_str());
            connection
                .prepare_cached(
                    "UPDATE accepted SET progress = ?2, state = ?3 WHERE key = ?1 AND progress = ?4",
                )?
                .execute(params![key.0, ended, state, under_way])?;
            Ok(())
        })
        .await
    }
}

/// Makes room for one more, of a principal or in all, as far as something that has ended can go.
fn makes_room(transaction: &Transaction<'_>, of: Option<[u8; 32]>, most: u32) -> Result<bool, StoreError> {
    let count: i64 = transaction
        .prepare_cached("SELECT count(*) FROM accepted WHERE ?1 IS NULL OR principal = ?1")?
        .query_row([of], |row| row.get(0))?;
    let over = count.saturating_add(1).saturating_sub(i64::from(most));
    if over <= 0 {
        return Ok(true);
    }
    let gone = transaction
        .prepare_cached(
            "DELETE FROM accepted WHERE rowid IN (SELECT rowid FROM accepted
             WHERE (?1 IS NULL OR principal = ?1) AND progress = ?2 ORDER BY begun_at LIMIT ?3)",
        )?
        .execute(params![of, Progress::Ended.as_str(), over])?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn row(who: &str, name: &str, begun: i64) -> AcceptedRow {
        AcceptedRow {
            key: Digest::of(format!("{who}/{name}").as_bytes()),
            principal: Digest::of(who.as_bytes()),
            begun_at: at(begun),
            ends_at: at(begun + 100),
            state: b"under way".to_vec(),
        }
    }

    #[tokio::test]
    async fn accepted_writes_are_bounded_and_one_under_way_never_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let most = RepeatsMax { per_principal: 2, all: 3 };
        let keep = async |row: &AcceptedRow| store.keep_accepted(row.clone(), most).await.unwrap();
        let told = async |row: &AcceptedRow, now| store.accepted(row.key, at(now)).await.unwrap();
        let of_a: Vec<_> = (0..4).map(|n| row("a", &n.to_string(), n)).collect();
        assert!(keep(&of_a[0]).await && keep(&of_a[1]).await);
        assert!(!keep(&of_a[2]).await, "both are under way");
        store.end_accepted(of_a[1].key, b"made".to_vec()).await.unwrap();
        store.end_accepted(of_a[1].key, b"made otherwise".to_vec()).await.unwrap();
        assert_eq!(told(&of_a[1], 50).await.unwrap(), b"made", "what ended stays as it ended");
        assert!(keep(&of_a[2]).await);
        assert_eq!(told(&of_a[1], 50).await, None);
        assert_eq!(told(&of_a[0], 50).await.unwrap(), b"under way");
        assert!(keep(&row("b", "0", 5)).await);
        assert!(!keep(&row("c", "0", 6)).await, "there is no room in all");
        // Each has its end.
        assert_eq!(told(&of_a[0], 100).await, None);
        assert!(keep(&row("c", "0", 100)).await);
        store.purge(at(105)).await.unwrap();
        assert_eq!(told(&row("b", "0", 5), 0).await, None);
    }
}
