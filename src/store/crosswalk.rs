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

    /// The key of an id in a system; none where the id is another entity's, or has no key there.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn crosswalk_key(
        &self,
        entity: EntityName,
        system: SystemName,
        id: [u8; 16],
    ) -> Result<Option<CompactString>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT native FROM crosswalk WHERE id = ?1 AND system = ?2 AND entity = ?3",
            )?;
            let native: Option<String> = statement
                .query_row(params![id, system.as_str(), entity.as_str()], |row| row.get(0))
                .optional()?;
            Ok(native.map(CompactString::from))
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
}

fn id(connection: &Connection, key: &NativeKey) -> Result<Option<[u8; 16]>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM crosswalk WHERE entity = ?1 AND system = ?2 AND native = ?3")?;
    let of = params![key.entity.as_str(), key.system.as_str(), key.native.as_str()];
    Ok(statement.query_row(of, |row| row.get(0)).optional()?)
}
