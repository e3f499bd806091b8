//! Writes that are kept for their repeats (`Idempotency-Key`): claimed before anything is sent, settled after.
//!
//! A key is claimed once: of two that claim it at a time one is told of the other. Rows are bounded, for one
//! principal and in all; where there is no room the oldest that has ended goes, and one that runs never does. What is
//! kept of an answer is sealed by whoever keeps it; here it is bytes.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    Store, StoreError,
    records::{millis, moment, unreadable},
};
use crate::words::{Digest, RequestId};

/// How far a kept write has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatState {
    /// It was begun, and nothing more is known so far.
    Running,
    /// It is done.
    Done,
    /// Nobody knows whether it was done.
    Unknown,
}

impl RepeatState {
    const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Unknown];

    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Unknown => "unknown",
        }
    }
}

/// A kept write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatRow {
    /// Digest of the principal and its key.
    pub key: Digest,
    /// Digest of the principal.
    pub principal: Digest,
    /// Digest of method, target and body.
    pub fingerprint: Digest,
    /// The exchange that made it.
    pub request: RequestId,
    /// How far it has got.
    pub state: RepeatState,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// While it is running: until when it may be.
    pub running_until: Timestamp,
    /// When it is forgotten.
    pub ends_at: Timestamp,
    /// What is kept of its answer, sealed.
    pub answer: Option<Vec<u8>>,
}

/// How many rows there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatsMax {
    /// Of one principal.
    pub per_principal: u32,
    /// In all.
    pub all: u32,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The key is claimed.
    Fresh,
    /// It was claimed before.
    Taken(Box<RepeatRow>),
    /// There is no room, and all that there is runs.
    Full,
}

/// How a kept write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; what is kept of its answer.
    Done(Vec<u8>),
    /// Nobody knows.
    Unknown,
    /// Nothing was done: its key is free again.
    Nothing,
}

impl Store {
    /// The write that was kept under a key, where it has not ended.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn repeat_of(&self, key: Digest, now: Timestamp) -> Result<Option<RepeatRow>, StoreError> {
        self.run(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM repeats WHERE key = ?1 AND ends_at > ?2")?;
            Ok(statement.query_row(params![key.0, millis(now)], row).optional()?)
        })
        .await
    }

    /// Claims a key, before anything is sent.
    ///
    /// # Errors
    /// The store did not take it; nothing may be sent.
    pub async fn begin_repeat(&self, fresh: RepeatRow, most: RepeatsMax) -> Result<Begun, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            transaction
                .prepare_cached("DELETE FROM repeats WHERE ends_at <= ?1")?
                .execute([millis(fresh.begun_at)])?;
            let taken = transaction
                .prepare_cached("SELECT * FROM repeats WHERE key = ?1")?
                .query_row([fresh.key.0], row)
                .optional()?;
            if let Some(taken) = taken {
                return Ok(Begun::Taken(Box::new(taken)));
            }
            if !has_room(&transaction, &fresh.principal, most)? {
                return Ok(Begun::Full);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO repeats (key, principal, fingerprint, request, state, begun_at, running_until, ends_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    fresh.key.0,
                    fresh.principal.0,
                    fresh.fingerprint.0,
                    fresh.request.0,
                    RepeatState::Running.as_str(),
                    millis(fresh.begun_at),
                    millis(fresh.running_until),
                    millis(fresh.ends_at),
                ])?;
            transaction.commit()?;
            Ok(Begun::Fresh)
        })
        .await
    }

    /// Settles a claim of an exchange. One that somebody took for unknown meanwhile is settled all the same; one that
    /// is another exchange's is left alone.
    ///
    /// # Errors
    /// The store did not take it; the claim stands as one that runs until its time is over.
    pub async fn settle_repeat(
        &self,
        key: Digest,
        request: RequestId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let (state, answer) = match outcome {
            Outcome::Done(answer) => (Some(RepeatState::Done), Some(answer)),
            Outcome::Unknown => (Some(RepeatState::Unknown), None),
            Outcome::Nothing => (None, None),
        };
        self.run(move |connection| {
            match state {
                Some(state) => connection
                    .prepare_cached(
                        "UPDATE repeats SET state = ?3, answer = ?4 WHERE key = ?1 AND request = ?2",
                    )?
                    .execute(params![key.0, request.0, state.as_str(), answer])?,
                None => connection
                    .prepare_cached("DELETE FROM repeats WHERE key = ?1 AND request = ?2")?
                    .execute(params![key.0, request.0])?,
            };
            Ok(())
        })
        .await
    }

    /// Marks as unknown what a process left running that is no more; how many.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn abandon_repeats(&self) -> Result<usize, StoreError> {
        self.run(move |connection| {
            let (running, unknown) = (RepeatState::Running.as_str(), RepeatState::Unknown.as_str());
            let found: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM repeats WHERE state = ?1)",
                [running],
                |row| row.get(0),
            )?;
            // Nothing is written where nothing is due: a full disk keeps no gate from starting.
            if !found {
                return Ok(0);
            }
            Ok(connection.execute("UPDATE repeats SET state = ?2 WHERE state = ?1", [running, unknown])?)
        })
        .await
    }
}

/// Makes room for one more of a principal, as far as something that has ended can go.
fn has_room(transaction: &Transaction<'_>, principal: &Digest, most: RepeatsMax) -> Result<bool, StoreError> {
    let of_principal = Some(principal.0);
    Ok(makes_room(transaction, of_principal, most.per_principal)? && makes_room(transaction, None, most.all)?)
}

fn makes_room(transaction: &Transaction<'_>, of: Option<[u8; 32]>, most: u32) -> Result<bool, StoreError> {
    let count: i64 = match of {
        Some(principal) => transaction
            .prepare_cached("SELECT count(*) FROM repeats WHERE principal = ?1")?
            .query_row([principal], |row| row.get(0))?,
        None => {
            transaction.prepare_cached("SELECT count(*) FROM repeats")?.query_row([], |row| row.get(0))?
        }
    };
    let over = count.saturating_add(1).saturating_sub(i64::from(most));
    if over <= 0 {
        return Ok(true);
    }
    let running = RepeatState::Running.as_str();
    let gone = match of {
        Some(principal) => transaction
            .prepare_cached(
                "DELETE FROM repeats WHERE rowid IN (SELECT rowid FROM repeats INDEXED BY repeats_by_principal
                 WHERE principal = ?3 AND state <> ?1 ORDER BY begun_at LIMIT ?2)",
            )?
            .execute(params![running, over, principal])?,
        None => transaction
            .prepare_cached(
                "DELETE FROM repeats WHERE rowid IN (SELECT rowid FROM repeats INDEXED BY repeats_by_age
                 WHERE state <> ?1 ORDER BY begun_at LIMIT ?2)",
            )?
            .execute(params![running, over])?,
    };
    Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= over)
}

fn row(row: &Row<'_>) -> rusqlite::Result<RepeatRow> {
    let digest = |column| row.get::<_, [u8; 32]>(column).map(Digest);
    let state: String = row.get("state")?;
    let state = RepeatState::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(RepeatRow {
        key: digest("key")?,
        principal: digest("principal")?,
        fingerprint: digest("fingerprint")?,
        request: RequestId(row.get("request")?),
        state: state.ok_or_else(|| unreadable("state"))?,
        begun_at: moment(row, "begun_at")?,
        running_until: moment(row, "running_until")?,
        ends_at: moment(row, "ends_at")?,
        answer: row.get("answer")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn fresh(who: &str, key: &str, begun: i64) -> RepeatRow {
        RepeatRow {
            key: Digest::of(format!("{who}/{key}").as_bytes()),
            principal: Digest::of(who.as_bytes()),
            fingerprint: Digest::of(b"POST"),
            request: RequestId([7; 16]),
            state: RepeatState::Running,
            begun_at: at(begun),
            running_until: at(begun + 60),
            ends_at: at(begun + 1000),
            answer: None,
        }
    }

    const ROOMY: RepeatsMax = RepeatsMax { per_principal: 10, all: 100 };

    fn run(work: impl AsyncFnOnce(Store)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work(store));
    }

    #[test]
    fn of_many_that_claim_a_key_at_one_time_one_has_it() {
        run(async |store| {
            let other = Store::open(store.path()).unwrap();
            let claims = (0_u8..20).map(|n| {
                let claim = RepeatRow { request: RequestId([n; 16]), ..fresh("a", "k", 0) };
                if n % 2 == 0 { store.begin_repeat(claim, ROOMY) } else { other.begin_repeat(claim, ROOMY) }
            });
            let claimed = futures_util::future::join_all(claims).await;
            assert_eq!(claimed.iter().filter(|begun| matches!(begun, Ok(Begun::Fresh))).count(), 1);
            assert_eq!(claimed.iter().filter(|begun| matches!(begun, Ok(Begun::Taken(_)))).count(), 19);
        });
    }

    #[test]
    fn a_claim_is_settled_by_its_own_exchange_and_kept_until_its_end() {
        run(async |store| {
            let row = fresh("a", "k", 0);
            assert_eq!(store.begin_repeat(row.clone(), ROOMY).await.unwrap(), Begun::Fresh);
            store.settle_repeat(row.key, RequestId([8; 16]), Outcome::Nothing).await.unwrap();
            assert_eq!(store.repeat_of(row.key, at(1)).await.unwrap(), Some(row.clone()));
            // A process that ended is taken back by the one that settles after all.
            assert_eq!(store.abandon_repeats().await.unwrap(), 1);
            assert_eq!(store.repeat_of(row.key, at(1)).await.unwrap().unwrap().state, RepeatState::Unknown);
            store.settle_repeat(row.key, row.request, Outcome::Done(b"sealed".to_vec())).await.unwrap();
            let done =
                RepeatRow { state: RepeatState::Done, answer: Some(b"sealed".to_vec()), ..row.clone() };
            assert_eq!(store.repeat_of(row.key, at(999)).await.unwrap(), Some(done.clone()));
            assert_eq!(
                store.begin_repeat(fresh("a", "k", 999), ROOMY).await.unwrap(),
                Begun::Taken(done.into())
            );
            assert_eq!(store.repeat_of(row.key, at(1000)).await.unwrap(), None);
            assert_eq!(store.begin_repeat(fresh("a", "k", 1000), ROOMY).await.unwrap(), Begun::Fresh);
            store.settle_repeat(row.key, row.request, Outcome::Nothing).await.unwrap();
            assert_eq!(store.repeat_of(row.key, at(1001)).await.unwrap(), None, "its key is free again");
            store.begin_repeat(fresh("a", "k", 1001), ROOMY).await.unwrap();
            store.purge(at(2001)).await.unwrap();
            assert_eq!(store.repeat_of(row.key, at(0)).await.unwrap(), None);
        });
    }

    #[test]
    fn the_oldest_that_has_ended_makes_room_and_one_that_runs_never_does() {
        run(async |store| {
            let most = RepeatsMax { per_principal: 3, all: 5 };
            let begin = async |row: RepeatRow| store.begin_repeat(row, most).await.unwrap();
            let is_there = async |row: &RepeatRow| store.repeat_of(row.key, at(20)).await.unwrap().is_some();
            let of_a: Vec<_> = (0..5).map(|n| fresh("a", &n.to_string(), n)).collect();
            for row in &of_a[..3] {
                assert_eq!(begin(row.clone()).await, Begun::Fresh);
            }
            assert_eq!(begin(of_a[3].clone()).await, Begun::Full, "all of them run");
            for row in &of_a[1..3] {
                store.settle_repeat(row.key, row.request, Outcome::Done(Vec::new())).await.unwrap();
            }
            assert_eq!(begin(of_a[3].clone()).await, Begun::Fresh);
            assert!(is_there(&of_a[0]).await && !is_there(&of_a[1]).await && is_there(&of_a[2]).await);
            // In all.
            let of_b: Vec<_> = (0..3).map(|n| fresh("b", &n.to_string(), 10 + n)).collect();
            for row in &of_b {
                assert_eq!(begin(row.clone()).await, Begun::Fresh);
            }
            assert!(is_there(&of_a[0]).await && !is_there(&of_a[2]).await && is_there(&of_a[3]).await);
            assert_eq!(begin(fresh("c", "0", 13)).await, Begun::Full);
        });
    }
}
