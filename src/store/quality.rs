//! What of the systems' records does not fit, over all processes and restarts.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    Store, StoreError,
    records::{millis, moment},
};

/// LIMIT: flaws that are kept; the longest unseen go first.
const ROWS_MAX: i64 = 20_000;

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
    /// Since when they are counted.
    pub since: Timestamp,
}

impl Store {
    /// Adds to what is known; `join` says which of the examples known and new ones are kept.
    ///
    /// # Errors
    /// The store did not take it; nothing was added.
    pub async fn add_quality(
        &self,
        looked: Vec<LookedRow>,
        flaws: Vec<QualityRow>,
        join: fn(Vec<String>, Vec<String>) -> Vec<String>,
    ) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for row in &looked {
                transaction
                    .prepare_cached(
                        "INSERT INTO quality_looked (system, entity, records, since) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (system, entity) DO UPDATE SET records = records + ?3",
                    )?
                    .execute(params![row.system, row.entity, whole(row.records), millis(row.since)])?;
            }
            for row in flaws {
                add(&transaction, row, join)?;
            }
            transaction.execute(
                "DELETE FROM quality WHERE rowid IN
                     (SELECT rowid FROM quality ORDER BY last_at DESC LIMIT -1 OFFSET ?1)",
                [ROWS_MAX],
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
    }
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO quality
                 (system, entity, field, flaw, count, first_at, last_at, examples, known_values)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
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
        ])?;
    Ok(())
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
