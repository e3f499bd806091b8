//! What callers were shown, as digests in purses: one of each record, or person, in each window of a budget.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use smallvec::SmallVec;

use super::{Store, StoreError, records::millis};

/// Digests that one purge forgets at most: it must not keep the thread from what waits.
const FORGOTTEN_AT_ONCE: i64 = 20_000;

/// A purse that something is taken out of: a budget and whose it is, in one window.
#[derive(Clone, Debug)]
pub struct PurseAsked {
    /// The budget and whose it is.
    pub key: Arc<str>,
    /// The window's number.
    pub window: i64,
    /// When the window ends.
    pub ends: Timestamp,
    /// How much it holds.
    pub most: u64,
}

/// What a record takes: out of which purse, and the digest that is counted there.
pub type Takes = SmallVec<[(usize, u64); 2]>;

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposedTaken {
    /// Of each record the purse that it does not fit into.
    pub over: Vec<Option<usize>>,
    /// What stood in each purse before, and what stands there now.
    pub counts: Vec<(u64, u64)>,
}

/// A budget and what was taken of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseRow {
    /// The budget and whose it is: `partner/order/day/partner/acme`.
    pub key: String,
    /// The window's number.
    pub window: i64,
    /// When the window ends, in milliseconds since 1970.
    pub ends_at: i64,
    /// How many were shown.
    pub count: u64,
    /// How many might be, when something was last shown.
    pub most: u64,
}

impl Store {
    /// Takes records into purses in their order, each into all of its purses or into none; where all of them must fit
    /// and one does not, none.
    ///
    /// # Errors
    /// The store did not take it; nothing was counted.
    pub async fn take_exposed(
        &self,
        asked: Vec<PurseAsked>,
        rows: Vec<Takes>,
        is_whole: bool,
    ) -> Result<ExposedTaken, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let purses: Vec<(i64, u64)> =
                asked.iter().map(|purse| open(&transaction, purse)).collect::<Result<_, _>>()?;
            let mut taking =
                Taking { counts: purses.iter().map(|(_, count)| *count).collect(), purses, over: Vec::new() };
            for row in &rows {
                taking.take(&transaction, &asked, row)?;
            }
            let before = taking.purses.iter().map(|(_, count)| *count);
            if is_whole && taking.over.iter().any(Option::is_some) {
                // Dropped: what was taken for the others goes back.
                let counts = before.map(|count| (count, count)).collect();
                return Ok(ExposedTaken { over: taking.over, counts });
            }
            for (((id, _), count), purse) in taking.purses.iter().zip(&taking.counts).zip(&asked) {
                transaction
                    .prepare_cached("UPDATE purses SET count = ?2, most = ?3 WHERE id = ?1")?
                    .execute(params![id, narrow(*count), narrow(purse.most)])?;
            }
            let counts = before.zip(&taking.counts).map(|(before, now)| (before, *now)).collect();
            transaction.commit()?;
            Ok(ExposedTaken { over: taking.over, counts })
        })
        .await
    }

    /// The purses whose window is not over, those with most in them first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn purses(&self, now: Timestamp) -> Result<Vec<PurseRow>, StoreError> {
        self.run(move |connection| {
            let mut rows = connection.prepare_cached(
                "SELECT key, number, ends_at, count, most FROM purses WHERE ends_at > ?1 ORDER BY count DESC, key LIMIT 10000",
            )?;
            let rows = rows.query_map([millis(now)], |row| {
                Ok(PurseRow {
                    key: row.get(0)?,
                    window: row.get(1)?,
                    ends_at: row.get(2)?,
                    count: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                    most: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn narrow(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The purse of a budget's window, and what stands in it.
fn open(transaction: &Transaction<'_>, purse: &PurseAsked) -> Result<(i64, u64), StoreError> {
    let found = transaction
        .prepare_cached("SELECT id, count FROM purses WHERE key = ?1 AND number = ?2")?
        .query_row(params![purse.key, purse.window], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    if let Some((id, count)) = found {
        return Ok((id, u64::try_from(count).unwrap_or(0)));
    }
    transaction
        .prepare_cached("INSERT INTO purses (key, number, ends_at, count, most) VALUES (?1, ?2, ?3, 0, 0)")?
        .execute(params![purse.key, purse.window, millis(purse.ends)])?;
    Ok((transaction.last_insert_rowid(), 0))
}

/// What one request takes.
struct Taking {
    /// The purses' numbers here, and what stood in them before.
    purses: Vec<(i64, u64)>,
    counts: Vec<u64>,
    over: Vec<Option<usize>>,
}

impl Taking {
    /// A record: into all of its purses or into none.
    fn take(
        &mut self,
        transaction: &Transaction<'_>,
        asked: &[PurseAsked],
        row: &Takes,
    ) -> Result<(), StoreError> {
        let mut new: SmallVec<[(usize, i64); 2]> = SmallVec::new();
        let mut seen: HashSet<(usize, u64)> = HashSet::new();
        for (at, digest) in row.iter().filter(|taken| seen.insert(**taken)) {
            let Some((purse, _)) = self.purses.get(*at) else { continue };
            let digest = digest.cast_signed();
            let is_there = transaction
                .prepare_cached("SELECT 1 FROM exposed WHERE purse = ?1 AND digest = ?2")?
                .exists(params![purse, digest])?;
            if !is_there {
                new.push((*at, digest));
            }
        }
        let of = |at: usize| {
            u64::try_from(new.iter().filter(|(other, _)| *other == at).count()).unwrap_or(u64::MAX)
        };
        let fits = |at: usize| {
            let count = self.counts.get(at).copied().unwrap_or(u64::MAX);
            asked.get(at).is_some_and(|purse| count.saturating_add(of(at)) <= purse.most)
        };
        let over = new.iter().map(|(at, _)| *at).find(|at| !fits(*at));
        self.over.push(over);
        if over.is_some() {
            return Ok(());
        }
        for (at, digest) in new {
            let Some((purse, _)) = self.purses.get(at) else { continue };
            transaction
                .prepare_cached("INSERT INTO exposed (purse, digest) VALUES (?1, ?2)")?
                .execute(params![purse, digest])?;
            if let Some(count) = self.counts.get_mut(at) {
                *count += 1;
            }
        }
        Ok(())
    }
}

/// Forgets what was shown in windows that are over, a part at a time.
pub(super) fn purge(transaction: &Transaction<'_>, now: i64) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "DELETE FROM exposed WHERE (purse, digest) IN (
             SELECT e.purse, e.digest FROM purses p JOIN exposed e ON e.purse = p.id WHERE p.ends_at <= ?1 LIMIT ?2)",
        params![now, FORGOTTEN_AT_ONCE],
    )?;
    transaction.execute(
        "DELETE FROM purses WHERE ends_at <= ?1 AND NOT EXISTS (SELECT 1 FROM exposed e WHERE e.purse = purses.id)",
        [now],
    )?;
    Ok(())
}
