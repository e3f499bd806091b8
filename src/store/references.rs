//! Which records name which others, of those that were seen lately, and what came of asking for them.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::{
    Store, StoreError,
    records::{millis, moment_or_none},
};

/// LIMIT: references that are kept of a system; the longest unseen go first.
const REFERENCES_MAX: i64 = 2_000;
/// Of a field so many that are not there are told.
const EXAMPLES_MAX: i64 = 5;

/// A field of a record that names others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamingRow {
    /// The system.
    pub system: String,
    /// The entity of the record.
    pub entity: String,
    /// The field.
    pub field: String,
    /// The record's id.
    pub record: String,
    /// It names records of this entity.
    pub target_entity: String,
    /// Their ids.
    pub targets: Vec<String>,
    /// Whether these are all: what was kept of the field besides is none any more.
    pub is_whole: bool,
    /// When it was seen.
    pub seen_at: Timestamp,
}

/// What is known of the references of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencesRow {
    /// The system.
    pub system: String,
    /// The entity of the records.
    pub entity: String,
    /// The field.
    pub field: String,
    /// It names records of this entity.
    pub target_entity: String,
    /// How many are kept.
    pub kept: u64,
    /// Of how many the target was asked for.
    pub checked: u64,
    /// Of how many it was not there then.
    pub dangling: u64,
    /// When the first of those was found out, and the last one.
    pub found: Option<(Timestamp, Timestamp)>,
    /// Some of them: the record, and what it names.
    pub examples: Vec<(String, String)>,
}

/// A record that others name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its entity.
    pub entity: String,
    /// Its id.
    pub id: String,
}

/// What asking for a record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    There,
    /// Its system does not have it.
    Missing,
}

impl Store {
    /// What is known of references, field by field.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn references(&self) -> Result<Vec<ReferencesRow>, StoreError> {
        self.run(|connection| {
            let mut rows: Vec<ReferencesRow> = connection
                .prepare_cached(
                    "SELECT system, entity, field, target_entity, count(*) AS kept,
                         count(checked_at) AS checked, count(dangling_at) AS dangling,
                         min(dangling_at) AS first_at,
                         max(CASE WHEN dangling_at IS NOT NULL THEN checked_at END) AS last_at
                     FROM quality_references GROUP BY system, entity, field, target_entity
                     ORDER BY system, entity, field",
                )?
                .query_map([], summed)?
                .collect::<Result<_, _>>()?;
            for row in rows.iter_mut().filter(|row| row.dangling > 0) {
                row.examples = connection
                    .prepare_cached(
                        "SELECT record, target FROM quality_references
                         WHERE system = ?1 AND entity = ?2 AND field = ?3 AND dangling_at IS NOT NULL
                         ORDER BY checked_at DESC, seen_at DESC, record, target LIMIT ?4",
                    )?
                    .query_map(params![row.system, row.entity, row.field, EXAMPLES_MAX], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?
                    .collect::<Result<_, _>>()?;
            }
            Ok(rows)
        })
        .await
    }

    /// The records that others name, of one system's records where it is named: those that were never asked for first,
    /// then those asked for longest ago. And how many there are in all.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn targets(&self, system: Option<String>, most: u32) -> Result<(Vec<Target>, u64), StoreError> {
        self.run(move |connection| {
            let all: i64 = connection.query_row(
                "SELECT count(*) FROM (SELECT DISTINCT target_entity, target FROM quality_references
                 WHERE ?1 IS NULL OR system = ?1)",
                [&system],
                |row| row.get(0),
            )?;
            let due = connection
                .prepare_cached(
                    "SELECT target_entity, target FROM quality_references
                     WHERE ?1 IS NULL OR system = ?1
                     GROUP BY target_entity, target
                     ORDER BY min(ifnull(checked_at, 0)), max(seen_at) DESC, target_entity, target LIMIT ?2",
                )?
                .query_map(params![system, most], |row| Ok(Target { entity: row.get(0)?, id: row.get(1)? }))?
                .collect::<Result<_, _>>()?;
            Ok((due, u64::try_from(all).unwrap_or_default()))
        })
        .await
    }

    /// Says of records whether they are there; of those that no kept reference names nothing is kept.
    ///
    /// # Errors
    /// The store did not take it; nothing was said.
    pub async fn settle_targets(
        &self,
        settled: Vec<(Target, Found)>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for (target, found) in &settled {
                settle(&transaction, target, *found, at)?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

/// Says of a record whether it is there.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    target: &Target,
    found: Found,
    at: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE quality_references SET checked_at = ?3,
                 dangling_at = CASE WHEN ?4 THEN NULL ELSE ifnull(dangling_at, ?3) END
             WHERE target_entity = ?1 AND target = ?2",
        )?
        .execute(params![target.entity, target.id, millis(at), found == Found::There])?;
    Ok(())
}

/// Keeps what was seen; what came of asking for a target stays known.
pub(super) fn add(transaction: &Transaction<'_>, rows: &[NamingRow]) -> Result<(), StoreError> {
    let mut systems: Vec<&str> = Vec::new();
    for row in rows {
        if row.is_whole {
            let targets = serde_json::Value::from(row.targets.clone()).to_string();
            transaction
                .prepare_cached(
                    "DELETE FROM quality_references
                     WHERE system = ?1 AND entity = ?2 AND field = ?3 AND record = ?4
                         AND target NOT IN (SELECT value FROM json_each(?5))",
                )?
                .execute(params![row.system, row.entity, row.field, row.record, targets])?;
        }
        for target in &row.targets {
            transaction
                .prepare_cached(
                    "INSERT INTO quality_references
                         (system, entity, field, record, target_entity, target, seen_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO UPDATE SET seen_at = max(seen_at, ?7), target_entity = ?5",
                )?
                .execute(params![
                    row.system,
                    row.entity,
                    row.field,
                    row.record,
                    row.target_entity,
                    target,
                    millis(row.seen_at),
                ])?;
        }
        if !systems.contains(&row.system.as_str()) {
            systems.push(&row.system);
        }
    }
    for system in systems {
        transaction
            .prepare_cached(
                "DELETE FROM quality_references WHERE rowid IN
                     (SELECT rowid FROM quality_references WHERE system = ?1
                      ORDER BY seen_at DESC, rowid DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![system, REFERENCES_MAX])?;
    }
    Ok(())
}

/// Takes out what a record names and what names it; how many.
pub(super) fn forget(transaction: &Transaction<'_>, entity: &str, id: &str) -> Result<u64, StoreError> {
    let gone = transaction
        .prepare_cached(
            "DELETE FROM quality_references
             WHERE (entity = ?1 AND record = ?2) OR (target_entity = ?1 AND target = ?2)",
        )?
        .execute([entity, id])?;
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

fn summed(row: &Row<'_>) -> rusqlite::Result<ReferencesRow> {
    let count =
        |name: &str| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(name)?).unwrap_or_default());
    Ok(ReferencesRow {
        system: row.get("system")?,
        entity: row.get("entity")?,
        field: row.get("field")?,
        target_entity: row.get("target_entity")?,
        kept: count("kept")?,
        checked: count("checked")?,
        dangling: count("dangling")?,
        found: moment_or_none(row, "first_at")?.zip(moment_or_none(row, "last_at")?),
        examples: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Forget, Oldest, QualityRow, QualitySeen};

    struct World {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { store: Store::open(&folder.path().join("bramka.db")).unwrap(), _folder: folder }
        }

        async fn seen(&self, references: Vec<NamingRow>, flaws: Vec<QualityRow>, missing: &[&str]) {
            let missing = missing.iter().map(|id| target(id)).collect();
            let seen = QualitySeen { at: at(50), looked: Vec::new(), flaws, references, missing };
            self.store.add_quality(seen, |_, new| new).await.unwrap();
        }

        async fn told(&self) -> Vec<String> {
            let rows = self.store.references().await.unwrap();
            let told = |row: &ReferencesRow| {
                let found = row.found.map(|(first, last)| (first.as_second(), last.as_second()));
                let ReferencesRow { field, kept, checked, dangling, examples, .. } = row;
                format!("{field} {kept}/{checked}/{dangling} {found:?} {examples:?}")
            };
            rows.iter().map(told).collect()
        }

        async fn due(&self, most: u32) -> (Vec<String>, u64) {
            let (due, all) = self.store.targets(None, most).await.unwrap();
            (due.into_iter().map(|target| target.id).collect(), all)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn target(id: &str) -> Target {
        Target { entity: "Customer".into(), id: id.into() }
    }

    fn naming(record: &str, targets: &[&str], is_whole: bool, seen: i64) -> NamingRow {
        NamingRow {
            system: "erp".into(),
            entity: "Order".into(),
            field: "customer".into(),
            record: record.into(),
            target_entity: "Customer".into(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            is_whole,
            seen_at: at(seen),
        }
    }

    #[tokio::test]
    async fn what_a_record_names_is_kept_until_it_names_something_else() {
        let world = World::new();
        world
            .seen(vec![naming("1", &["a", "b"], true, 10), naming("2", &["a"], true, 11)], vec![], &[])
            .await;
        assert_eq!(world.told().await, ["customer 3/0/0 None []"]);
        world.store.settle_targets(vec![(target("a"), Found::Missing)], at(20)).await.unwrap();
        world.seen(vec![naming("1", &["b"], true, 30)], vec![], &[]).await;
        assert_eq!(world.told().await, [r#"customer 2/1/1 Some((20, 20)) [("2", "a")]"#]);
        // Some of them say nothing of the others.
        world.seen(vec![naming("1", &["c"], false, 31)], vec![], &[]).await;
        assert_eq!(world.told().await, [r#"customer 3/1/1 Some((20, 20)) [("2", "a")]"#]);
        world.seen(vec![naming("1", &[], true, 32), naming("2", &[], true, 32)], vec![], &[]).await;
        assert!(world.told().await.is_empty());
    }

    #[tokio::test]
    async fn whoever_was_asked_for_longest_ago_is_asked_for_first_and_comes_back() {
        let world = World::new();
        let rows = ["a", "b", "c"].map(|id| naming(id, &[id], true, 10));
        world.seen(rows.to_vec(), vec![], &[]).await;
        assert_eq!(world.due(2).await, (vec!["a".to_owned(), "b".to_owned()], 3));
        world.store.settle_targets(vec![(target("a"), Found::Missing)], at(20)).await.unwrap();
        world.store.settle_targets(vec![(target("b"), Found::There)], at(21)).await.unwrap();
        assert_eq!(world.due(9).await.0, ["c", "a", "b"]);
        world.store.settle_targets(vec![(target("a"), Found::Missing)], at(30)).await.unwrap();
        assert_eq!(world.told().await, [r#"customer 3/2/1 Some((20, 30)) [("a", "a")]"#]);
        world.store.settle_targets(vec![(target("a"), Found::There)], at(40)).await.unwrap();
        assert_eq!(world.told().await, ["customer 3/2/0 None []"], "it is there again");
        let (due, all) = world.store.targets(Some("crm".into()), 9).await.unwrap();
        assert!(due.is_empty() && all == 0, "of another system nothing is due");
    }

    #[tokio::test]
    async fn a_record_that_somebody_asked_for_in_vain_is_missing_where_another_names_it_and_nowhere_else() {
        let world = World::new();
        world.seen(vec![naming("1", &["a"], true, 10)], vec![], &["a", "nobody names this"]).await;
        assert_eq!(world.told().await, [r#"customer 1/1/1 Some((50, 50)) [("1", "a")]"#]);
        assert_eq!(world.due(9).await.1, 1);
    }

    #[tokio::test]
    async fn references_of_a_system_are_bounded_and_the_longest_unseen_go() {
        let world = World::new();
        for hundred in 0..30 {
            let row = |n: i64| naming(&format!("{hundred}-{n}"), &["x"], true, hundred * 100 + n);
            world.seen((0..100).map(row).collect(), vec![], &[]).await;
        }
        assert_eq!(world.told().await, ["customer 2000/0/0 None []"]);
        world.store.settle_targets(vec![(target("x"), Found::Missing)], at(9_999)).await.unwrap();
        let rows = world.store.references().await.unwrap();
        let examples: Vec<&str> = rows[0].examples.iter().map(|(record, _)| record.as_str()).collect();
        assert_eq!(examples, ["29-99", "29-98", "29-97", "29-96", "29-95"]);
    }

    #[tokio::test]
    async fn an_id_that_is_erased_stands_in_no_example_and_no_reference() {
        let world = World::new();
        let flaw = |entity: &str, examples: &[&str]| QualityRow {
            system: "erp".into(),
            entity: entity.into(),
            field: "name".into(),
            flaw: "missing".into(),
            count: 3,
            first_at: at(1),
            last_at: at(2),
            examples: examples.iter().map(|id| (*id).to_owned()).collect(),
            values: vec![],
            oldest: None,
        };
        let flaws = vec![flaw("Customer", &["1", "a", "b"]), flaw("Order", &["a"])];
        let rows =
            vec![naming("7", &["a"], true, 1), naming("a", &["b"], true, 1), naming("8", &["b"], true, 1)];
        world.seen(rows, flaws, &[]).await;
        let forget = |does| world.store.forget_in_quality("Customer".into(), "a".into(), "a".into(), does);
        assert_eq!(forget(Forget::Not).await.unwrap(), 2);
        let examples = async || {
            let (_, flaws) = world.store.quality().await.unwrap();
            flaws.into_iter().map(|row| (row.entity, row.count, row.examples.join(" "))).collect::<Vec<_>>()
        };
        let customer = |ids: &str| ("Customer".to_owned(), 3, ids.to_owned());
        let order = ("Order".to_owned(), 3, "a".to_owned());
        assert_eq!(examples().await, [customer("1 a b"), order.clone()], "a look changes nothing");
        assert_eq!(world.told().await, ["customer 3/0/0 None []"]);
        assert_eq!(forget(Forget::Now).await.unwrap(), 2);
        // The order of the same id is somebody else.
        assert_eq!(examples().await, [customer("1 b"), order]);
        assert_eq!(world.told().await, ["customer 2/0/0 None []"]);
        assert_eq!(forget(Forget::Now).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn native_fields_of_an_entity_are_bounded_over_restarts_too() {
        let world = World::new();
        for round in 0..5 {
            let flaw = |n: i64| QualityRow {
                system: "erp".into(),
                entity: "Order".into(),
                field: format!("f{round}-{n}"),
                flaw: "new_field".into(),
                count: 1,
                first_at: at(round * 100 + n),
                last_at: at(round * 100 + n),
                examples: vec![],
                values: vec![],
                oldest: None,
            };
            world.seen(vec![], (0..100).map(flaw).collect(), &[]).await;
        }
        let (_, flaws) = world.store.quality().await.unwrap();
        assert_eq!(flaws.len(), 200);
        assert!(flaws.iter().all(|row| row.field.starts_with("f3-") || row.field.starts_with("f4-")));
    }

    #[tokio::test]
    async fn the_oldest_stale_record_is_the_oldest_until_it_was_not_seen_for_a_day() {
        let world = World::new();
        let hour = 3_600;
        let seen = async |changed: i64, seen: i64| {
            let row = QualityRow {
                system: "erp".into(),
                entity: "Order".into(),
                field: "updated_at".into(),
                flaw: "stale".into(),
                count: 1,
                first_at: at(seen),
                last_at: at(seen),
                examples: vec![],
                values: vec![],
                oldest: Some(Oldest { at: at(changed), seen_at: at(seen) }),
            };
            world.seen(vec![], vec![row], &[]).await;
        };
        let oldest = async |now: i64| {
            let all = world.store.oldest(at(now)).await.unwrap();
            all.into_iter().map(|(.., at)| at.as_second()).collect::<Vec<_>>()
        };
        seen(50, hour).await;
        seen(70, 2 * hour).await;
        assert_eq!(oldest(3 * hour).await, [50]);
        // Nobody has seen it for longer: it may have changed.
        assert_eq!(oldest(26 * hour).await, [0; 0]);
        seen(70, 26 * hour).await;
        assert_eq!(oldest(26 * hour).await, [70]);
        seen(60, 27 * hour).await;
        assert_eq!(oldest(27 * hour).await, [60]);
    }
}
