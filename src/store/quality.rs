//! What of the systems' records does not fit, over all processes and restarts.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    Store, StoreError,
    records::{millis, moment, moment_or_none},
    references::{self, Found, NamingRow, Target},
};

/// LIMIT: flaws that are kept; the longest unseen go first.
const ROWS_MAX: i64 = 20_000;
/// LIMIT: native fields that no line reads, of one entity of a system; the longest unseen go first.
const NEW_FIELDS_MAX: i64 = 200;
/// How long a record is the oldest that was not seen again: it may have changed since.
const OLDEST_MILLIS: i64 = 86_400_000;

/// A flaw of a system's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityRow {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// The field; empty for the record itself.
    pub field: String,
    /// What is wrong, by its short name.
    pub flaw: String,
    /// How many records had it, each time one was looked at.
    pub count: u64,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
    /// Ids of some records that have it.
    pub examples: Vec<String>,
    /// Values that no table knows.
    pub values: Vec<String>,
    /// Of stale records the oldest.
    pub oldest: Option<Oldest>,
}

/// The oldest stale record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// When it changed.
    pub at: Timestamp,
    /// When it was seen so.
    pub seen_at: Timestamp,
}

/// How many records of a system were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedRow {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// How many.
    pub records: u64,
    /// Of how many the native fields were.
    pub sampled: u64,
    /// Since when they are counted.
    pub since: Timestamp,
}

/// What a gate has seen since it last handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualitySeen {
    /// Now.
    pub at: Timestamp,
    /// How many records it looked at.
    pub looked: Vec<LookedRow>,
    /// Flaws.
    pub flaws: Vec<QualityRow>,
    /// Which records name which others, of some.
    pub references: Vec<NamingRow>,
    /// Records that somebody asked for and that are not there. None is kept that no reference names.
    pub missing: Vec<Target>,
}

/// Whether what is found is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// It is.
    Now,
    /// It is only counted.
    Not,
}

impl Store {
    /// Adds to what is known; `join` says which of the examples known and new ones are kept.
    ///
    /// # Errors
    /// The store did not take it; nothing was added.
    pub async fn add_quality(
        &self,
        seen: QualitySeen,
        join: fn(Vec<String>, Vec<String>) -> Vec<String>,
    ) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for row in &seen.looked {
                transaction
                    .prepare_cached(
                        "INSERT INTO quality_looked (system, entity, records, since, sampled)
                         VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (system, entity)
                         DO UPDATE SET records = records + ?3, sampled = sampled + ?5",
                    )?
                    .execute(params![
                        row.system,
                        row.entity,
                        whole(row.records),
                        millis(row.since),
                        whole(row.sampled),
                    ])?;
            }
            for row in seen.flaws {
                add(&transaction, row, join)?;
            }
            references::add(&transaction, &seen.references)?;
            for target in &seen.missing {
                references::settle(&transaction, target, Found::Missing, seen.at)?;
            }
            transaction.execute(
                "DELETE FROM quality WHERE rowid IN
                     (SELECT rowid FROM quality ORDER BY last_at DESC LIMIT -1 OFFSET ?1)",
                [ROWS_MAX],
            )?;
            transaction.execute(
                "DELETE FROM quality WHERE rowid IN
                     (SELECT rowid FROM
                         (SELECT rowid, row_number() OVER
                             (PARTITION BY system, entity ORDER BY last_at DESC, count DESC) AS place
                          FROM quality WHERE flaw = 'new_field')
                      WHERE place > ?1)",
                [NEW_FIELDS_MAX],
            )?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Everything that is known, the most frequent first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn quality(&self) -> Result<(Vec<LookedRow>, Vec<QualityRow>), StoreError> {
        self.run(|connection| {
            let looked = connection
                .prepare_cached("SELECT * FROM quality_looked ORDER BY system, entity")?
                .query_map([], |row| {
                    Ok(LookedRow {
                        system: row.get("system")?,
                        entity: row.get("entity")?,
                        records: counted(row, "records")?,
                        sampled: counted(row, "sampled")?,
                        since: moment(row, "since")?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            let flaws = connection
                .prepare_cached("SELECT * FROM quality ORDER BY system, entity, count DESC, field, flaw")?
                .query_map([], flaw)?
                .collect::<Result<_, _>>()?;
            Ok((looked, flaws))
        })
        .await
    }

    /// Of each entity with stale records when the oldest changed of those that were seen in the last day.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn oldest(&self, now: Timestamp) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        self.run(move |connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT system, entity, min(oldest_at) AS oldest_at FROM quality
                     WHERE oldest_seen_at >= ?1 GROUP BY system, entity",
                )?
                .query_map([millis(now).saturating_sub(OLDEST_MILLIS)], |row| {
                    Ok((row.get("system")?, row.get("entity")?, moment(row, "oldest_at")?))
                })?
                .collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    /// Takes a record's id out of what is kept as an example, and out of the references that it names or that name it;
    /// `cut` is the id as examples have it. How many places it stood in; where it is only looked for, all stay.
    ///
    /// # Errors
    /// The store did not do it; nothing was taken out.
    pub async fn forget_in_quality(
        &self,
        entity: String,
        id: String,
        cut: String,
        does: Forget,
    ) -> Result<u64, StoreError> {
        self.run_with_room(move |connection| {
            let transaction = connection.transaction()?;
            let rows: Vec<QualityRow> = transaction
                .prepare_cached("SELECT * FROM quality WHERE entity = ?1")?
                .query_map([&entity], flaw)?
                .collect::<Result<_, _>>()?;
            let mut places = 0;
            for row in rows.into_iter().filter(|row| row.examples.contains(&cut)) {
                places += 1;
                let left: Vec<String> = row.examples.into_iter().filter(|one| *one != cut).collect();
                transaction
                    .prepare_cached(
                        "UPDATE quality SET examples = ?5
                         WHERE system = ?1 AND entity = ?2 AND field = ?3 AND flaw = ?4",
                    )?
                    .execute(params![row.system, row.entity, row.field, row.flaw, texts(&left)])?;
            }
            places += references::forget(&transaction, &entity, &id)?;
            match does {
                Forget::Now => transaction.commit()?,
                Forget::Not => transaction.rollback()?,
            }
            Ok(places)
        })
        .await
    }
}

fn add(
    transaction: &Transaction<'_>,
    mut row: QualityRow,
    join: fn(Vec<String>, Vec<String>) -> Vec<String>,
) -> Result<(), StoreError> {
    let known = transaction
        .prepare_cached(
            "SELECT * FROM quality WHERE system = ?1 AND entity = ?2 AND field = ?3 AND flaw = ?4",
        )?
        .query_row(params![row.system, row.entity, row.field, row.flaw], flaw)
        .optional()?;
    if let Some(known) = known {
        row.count = row.count.saturating_add(known.count);
        row.first_at = row.first_at.min(known.first_at);
        row.last_at = row.last_at.max(known.last_at);
        row.examples = join(known.examples, row.examples);
        row.values = join(known.values, row.values);
        row.oldest = older(known.oldest, row.oldest);
    }
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO quality
                 (system, entity, field, flaw, count, first_at, last_at, examples, known_values, oldest_at,
                  oldest_seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            row.system,
            row.entity,
            row.field,
            row.flaw,
            whole(row.count),
            millis(row.first_at),
            millis(row.last_at),
            texts(&row.examples),
            texts(&row.values),
            row.oldest.map(|oldest| millis(oldest.at)),
            row.oldest.map(|oldest| millis(oldest.seen_at)),
        ])?;
    Ok(())
}

/// The older of what was known and what is new; what was not seen for long gives way.
fn older(known: Option<Oldest>, new: Option<Oldest>) -> Option<Oldest> {
    match (known, new) {
        (Some(known), Some(new)) => {
            let is_fresh = millis(new.seen_at).saturating_sub(millis(known.seen_at)) <= OLDEST_MILLIS;
            Some(if known.at < new.at && is_fresh { known } else { new })
        }
        (known, new) => new.or(known),
    }
}

fn flaw(row: &Row<'_>) -> rusqlite::Result<QualityRow> {
    let listed = |name: &str| -> rusqlite::Result<Vec<String>> {
        Ok(serde_json::from_str(&row.get::<_, String>(name)?).unwrap_or_default())
    };
    Ok(QualityRow {
        system: row.get("system")?,
        entity: row.get("entity")?,
        field: row.get("field")?,
        flaw: row.get("flaw")?,
        count: counted(row, "count")?,
        first_at: moment(row, "first_at")?,
        last_at: moment(row, "last_at")?,
        examples: listed("examples")?,
        values: listed("known_values")?,
        oldest: moment_or_none(row, "oldest_at")?
            .zip(moment_or_none(row, "oldest_seen_at")?)
            .map(|(at, seen_at)| Oldest { at, seen_at }),
    })
}

fn counted(row: &Row<'_>, name: &str) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(name)?).unwrap_or_default())
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn texts(texts: &[String]) -> String {
    serde_json::Value::from(texts.to_vec()).to_string()
}
