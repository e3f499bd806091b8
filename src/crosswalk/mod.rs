//! The crosswalk: ids that callers see, beside the keys by which systems know the same records.
//!
//! An id is 128 random bits as 26 small letters and digits (base32hex, RFC 4648 §7). It says nothing of its record, so
//! nothing can be guessed from it, and it stays when the system behind an entity is exchanged: the record's key in
//! the new system is joined to it ([`Crosswalk::join`]). A pair is never changed, so what is remembered in memory
//! is never wrong, in whatever process. An id of one entity is none of another.
//!
//! A list costs one question to the store, and one more where records are new ([`Crosswalk::public`]). New ids are on
//! disk before anybody sees them.
//!
//! # How it will be wired
//!
//! Nothing uses it yet: callers see the keys of systems. On the way out, after `Mapping::inward` and before
//! `policy::show`, the keys of a page's records and of all their references are gathered, asked for at once and put in
//! the records' places, so that all behind it (statements, subjects, tags, cursors, the journal) knows public ids only.
//! On the way in, `/v1/orders/{id}`, references in bodies and ids in filters become keys before the mapping sees
//! them; what is not in the crosswalk is a record that does not exist, and matches nothing in a filter.
//!
//! # What must be decided first
//!
//! - **Policies that name ids** (`Customer::"20000"`, `customer: Customer/20000` in `principals/`): by key or by id? Ids
//!   are random, so a bundle cannot name a record before it was seen; by key they must be looked up at each load.
//! - **Pushdown** of such conditions, and order or ranges over ids: a key has an order in its system, an id has none.
//! - **`policy test`, explain and replay** run without a store: they need fixed ids for the records that they make up.
//! - **The journal** keeps digests of ids; digests of before the change are of keys. `audit erase Customer/42` must take both.
//! - **Cursors** hold systems' own places and stay as they are; a sort by `id` that the gate does itself needs the key.
//! - **Kept writes** (`Idempotency-Key`) keep the record as mapped: they must keep public ids too.
//! - **What grows**: a row a record that was ever shown, some 200 bytes. Rows of records that are gone may go only where
//!   no caller can still hold the id; a stranger makes none, since only records that may be shown get one.
//! - **A store that is lost** loses every id: backups of `bramka.db` become backups of what callers hold.

mod id;
mod remembered;
#[cfg(test)]
mod tests;

use aws_lc_rs::rand;
use compact_str::CompactString;
use parking_lot::Mutex;

use crate::{
    store::{NativeKey, Store, StoreError},
    words::{EntityName, SystemName},
};

pub use id::{BadId, PublicId};

use remembered::Remembered;

/// LIMIT: keys of one question: a page of the longest lists with some references of each record.
pub const KEYS_MAX: usize = 65_536;
/// Keys that the store looks up in one go: others wait for its thread meanwhile.
const KEYS_AT_ONCE: usize = 4096;

/// Why there is no id.
#[derive(Debug, thiserror::Error)]
pub enum CrosswalkError {
    /// The store did not answer, or took nothing.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The crypto library refused.
    #[error("there is no randomness for a new id")]
    NoRandomness,
    /// More keys than one question may have.
    #[error("more than {KEYS_MAX} keys at once")]
    TooMany,
}

/// Ids and keys, with those that were asked for last at hand.
#[derive(Debug)]
pub struct Crosswalk {
    store: Store,
    remembered: Mutex<Remembered>,
}

impl Crosswalk {
    /// Over a store. `remembered_max` pairs are kept in memory, twice as many at most.
    pub fn new(store: Store, remembered_max: usize) -> Self {
        Self { store, remembered: Mutex::new(Remembered::new(remembered_max)) }
    }

    /// The ids of records, in the order of their keys; new ones are made for those that have none.
    ///
    /// # Errors
    /// The store did not answer or take them, or there are too many at once: nothing may be shown.
    pub async fn public(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        if keys.len() > KEYS_MAX {
            return Err(CrosswalkError::TooMany);
        }
        let mut ids: Vec<Option<PublicId>> = {
            let mut remembered = self.remembered.lock();
            keys.iter().map(|key| remembered.id(key)).collect()
        };
        let unknown: Vec<NativeKey> =
            keys.iter().zip(&ids).filter(|(_, id)| id.is_none()).map(|(key, _)| key.clone()).collect();
        if !unknown.is_empty() {
            let mut found = self.found(unknown).await?.into_iter();
            for id in ids.iter_mut().filter(|id| id.is_none()) {
                *id = found.next();
            }
        }
        Ok(ids.into_iter().flatten().collect())
    }

    /// The key of a record in a system, by the id that a caller sent; none where there is none of that entity there.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn native(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: PublicId,
    ) -> Result<Option<CompactString>, CrosswalkError> {
        if let Some(key) = self.remembered.lock().key(entity, system, id) {
            return Ok(Some(key));
        }
        let native = self.store.crosswalk_key(entity.clone(), system.clone(), id.0).await?;
        // What is not there is not remembered: whoever guesses fills nothing.
        if let Some(native) = &native {
            let key = NativeKey { entity: entity.clone(), system: system.clone(), native: native.clone() };
            self.remembered.lock().put(key, id);
        }
        Ok(native)
    }

    /// Says that a record of another system is the one that has an id already. False where the id is none of that
    /// entity, has another key there, or the key has another id: nothing is changed then.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn join(&self, id: PublicId, key: NativeKey) -> Result<bool, CrosswalkError> {
        Ok(self.store.join_crosswalk(id.0, key).await?)
    }

    /// The same from the store, in its order.
    async fn found(&self, unknown: Vec<NativeKey>) -> Result<Vec<PublicId>, CrosswalkError> {
        let mut ids = Vec::with_capacity(unknown.len());
        for keys in unknown.chunks(KEYS_AT_ONCE) {
            ids.extend(self.store.crosswalk_ids(keys.to_vec()).await?);
        }
        let new: Vec<&NativeKey> =
            unknown.iter().zip(&ids).filter(|(_, id)| id.is_none()).map(|(key, _)| key).collect();
        let mut made = Vec::with_capacity(new.len());
        for keys in new.chunks(KEYS_AT_ONCE) {
            let fresh = keys.iter().map(|key| random().map(|id| ((*key).clone(), id)));
            let fresh = fresh.collect::<Result<Vec<_>, CrosswalkError>>()?;
            made.extend(self.store.add_to_crosswalk(fresh).await?);
        }
        let mut made = made.into_iter();
        let ids: Vec<PublicId> =
            ids.into_iter().filter_map(|id| id.or_else(|| made.next())).map(PublicId).collect();
        let mut remembered = self.remembered.lock();
        for (key, id) in unknown.into_iter().zip(&ids) {
            remembered.put(key, *id);
        }
        Ok(ids)
    }
}

fn random() -> Result<[u8; 16], CrosswalkError> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| CrosswalkError::NoRandomness)?;
    Ok(id)
}
