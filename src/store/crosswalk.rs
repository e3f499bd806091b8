//! Ids that callers see, and the keys by which systems know the same records.
//!
//! A pair is never changed. One id may have a key in several systems, and in each of them one.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, records::unreadable};
use crate::words::{EntityName, SystemName};

/// A record as a system knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NativeKey {
    /// Of which entity.
    pub entity: EntityName,
    /// In which system.
    pub system: SystemName,
    /// The system's own key.
    pub native: CompactString,
}

/// Keys of one system beside those of another for the same records.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Of which entity.
    pub entity: EntityName,
    /// The system whose keys have ids.
    pub from: SystemName,
    /// The system whose keys get them.
    pub to: SystemName,
    /// A record's key there, and here.
    pub pairs: Vec<(CompactString, CompactString)>,
}

/// What came of a swap, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Pairs that are joined now.
    pub joined: usize,
    /// Pairs that were joined before.
    pub before: usize,
    /// Pairs of records that nobody has seen: they have no id that could be lost.
    pub unseen: usize,
    /// Pairs, by their places, of which one key has another partner. Where there are any nothing is done.
    pub refused: Vec<usize>,
}

/// Whether what is found out is done too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Only found out.
    Rehearsal,
    /// Done.
    Deed,
}

impl Store {
    /// The ids of keys, in their order; none for those that have none. One question, however many there are.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn crosswalk_ids(&self, keys: Vec<NativeKey>) -> Result<Vec<Option<[u8; 16]>>, StoreError> {
        self.run(move |connection| keys.iter().map(|key| id(connection, key)).collect()).await
    }

    /// Gives keys ids, all or none; those that got one meanwhile keep it. The ids that they have then, in their order.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn add_to_crosswalk(
        &self,
        fresh: Vec<(NativeKey, [u8; 16])>,
    ) -> Result<Vec<[u8; 16]>, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let mut ids = Vec::with_capacity(fresh.len());
            for (key, fresh) in &fresh {
                transaction
                    .prepare_cached(
                        "INSERT INTO crosswalk (entity, system, native, id) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (entity, system, native) DO NOTHING",
                    )?
                    .execute(params![key.entity.as_str(), key.system.as_str(), key.native.as_str(), fresh])?;
                ids.push(id(&transaction, key)?.ok_or_else(|| unreadable("id"))?);
            }
            transaction.commit()?;
            Ok(ids)
        })
        .await
    }

    /// The keys of ids in a system, in their order; none where the id is another entity's, or has no key there. One
    /// question, however many there are.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn crosswalk_keys(
        &self,
        system: SystemName,
        ids: Vec<(EntityName, [u8; 16])>,
    ) -> Result<Vec<Option<CompactString>>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT native FROM crosswalk WHERE id = ?1 AND system = ?2 AND entity = ?3",
            )?;
            let mut keys = Vec::with_capacity(ids.len());
            for (entity, id) in &ids {
                let native: Option<String> = statement
                    .query_row(params![id, system.as_str(), entity.as_str()], |row| row.get(0))
                    .optional()?;
                keys.push(native.map(CompactString::from));
            }
            Ok(keys)
        })
        .await
    }

    /// Every system in which an id of an entity has a key, and that key, by the systems' names.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn crosswalk_keys_of(
        &self,
        entity: EntityName,
        id: [u8; 16],
    ) -> Result<Vec<(SystemName, CompactString)>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT system, native FROM crosswalk WHERE id = ?1 AND entity = ?2 ORDER BY system",
            )?;
            let rows = statement.query_map(params![id, entity.as_str()], |row| {
                let (system, native): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((SystemName::new(system), CompactString::from(native)))
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }

    /// Says that a record of another system is the one of an id that its entity has already. False where there is no
    /// such id, it has another key in that system, or the key another id.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn join_crosswalk(&self, joined: [u8; 16], key: NativeKey) -> Result<bool, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let entity: Option<String> = transaction
                .prepare_cached("SELECT entity FROM crosswalk WHERE id = ?1 LIMIT 1")?
                .query_row([joined], |row| row.get(0))
                .optional()?;
            if entity.as_deref() != Some(key.entity.as_str()) {
                return Ok(false);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO crosswalk (entity, system, native, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![key.entity.as_str(), key.system.as_str(), key.native.as_str(), joined])?;
            let is_joined = id(&transaction, &key)? == Some(joined);
            transaction.commit()?;
            Ok(is_joined)
        })
        .await
    }

    /// Joins many keys of a system to the ids that the keys of another have: all of them, or none.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn swap_crosswalk(&self, swap: Swap, doing: Doing) -> Result<Swapped, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let mut swapped = Swapped::default();
            for (at, pair) in swap.pairs.iter().enumerate() {
                match join(&transaction, &swap, pair)? {
                    Joined::Now => swapped.joined += 1,
                    Joined::Before => swapped.before += 1,
                    Joined::Unseen => swapped.unseen += 1,
                    Joined::Refused => swapped.refused.push(at),
                }
            }
            // Dropped, it takes everything back.
            if doing == Doing::Deed && swapped.refused.is_empty() {
                transaction.commit()?;
            }
            Ok(swapped)
        })
        .await
    }
}

/// What came of one pair.
enum Joined {
    Now,
    Before,
    Unseen,
    Refused,
}

fn join(
    connection: &Connection,
    swap: &Swap,
    (old, new): &(CompactString, CompactString),
) -> Result<Joined, StoreError> {
    let key = |system: &SystemName, native: &CompactString| NativeKey {
        entity: swap.entity.clone(),
        system: system.clone(),
        native: native.clone(),
    };
    let (old, new) = (key(&swap.from, old), key(&swap.to, new));
    let Some(joined) = id(connection, &old)? else { return Ok(Joined::Unseen) };
    if let Some(other) = id(connection, &new)? {
        return Ok(if other == joined { Joined::Before } else { Joined::Refused });
    }
    let done = connection
        .prepare_cached(
            "INSERT INTO crosswalk (entity, system, native, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![new.entity.as_str(), new.system.as_str(), new.native.as_str(), joined])?;
    // The id has another key there already.
    Ok(if done == 1 { Joined::Now } else { Joined::Refused })
}

fn id(connection: &Connection, key: &NativeKey) -> Result<Option<[u8; 16]>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM crosswalk WHERE entity = ?1 AND system = ?2 AND native = ?3")?;
    let of = params![key.entity.as_str(), key.system.as_str(), key.native.as_str()];
    Ok(statement.query_row(of, |row| row.get(0)).optional()?)
}
