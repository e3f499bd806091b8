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
//! On the way out the keys of a page's records and of all their references become ids before anything judges them; on
//! the way in ids become keys before a system is asked ([`Crosswalk::natives`]). What is not here is a record that
//! does not exist.
//!
//! A bundle may name a record by its key in a system ([`Naming`]). Where there is no store, as in `policy test`, such
//! ids are made up of the key itself ([`MadeUp`]); no gate ever gives one of these.
//!
//! Elements of lists have ids that are made of their keys ([`ElementIds`]); none of these is stored.
//!
//! # What follows from it
//!
//! - **What grows**: a row a record that was ever read, some 200 bytes. Rows of records that are gone stay, because a
//!   caller may still hold the id; a stranger makes none, since nobody reads a record before a statement may permit it.
//! - **A store that is lost** loses every id: backups of `bramka.db` are backups of what callers hold.

mod element;
mod id;
mod naming;
mod remembered;
#[cfg(test)]
mod tests;

use aws_lc_rs::rand;
use compact_str::CompactString;
use parking_lot::Mutex;

use crate::{
    store::{Doing, NativeKey, Store, StoreError, Swap, Swapped},
    words::{EntityName, SystemName},
};

pub use element::{ElementIds, IdsOfList, ListOf};
pub use id::{BadId, PublicId};
pub use naming::{Given, MadeUp, Naming};

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
    /// There is no thread to ask on.
    #[error("the system refused")]
    System(#[from] std::io::Error),
    /// Asking panicked.
    #[error("asking for ids broke off")]
    Broken,
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
        Ok(self.looked_up(system, vec![(entity.clone(), id)]).await?.pop().flatten())
    }

    /// The keys of records in a system, in the order of their ids; none for what has none of that entity there.
    ///
    /// # Errors
    /// The store did not answer, or there are too many at once.
    pub async fn natives(
        &self,
        system: &SystemName,
        ids: &[(EntityName, PublicId)],
    ) -> Result<Vec<Option<CompactString>>, CrosswalkError> {
        if ids.len() > KEYS_MAX {
            return Err(CrosswalkError::TooMany);
        }
        let mut keys: Vec<Option<CompactString>> = {
            let remembered = self.remembered.lock();
            ids.iter().map(|(entity, id)| remembered.key(entity, system, *id)).collect()
        };
        let unknown: Vec<_> =
            ids.iter().zip(&keys).filter(|(_, key)| key.is_none()).map(|(id, _)| id.clone()).collect();
        if !unknown.is_empty() {
            let mut found = self.looked_up(system, unknown).await?.into_iter();
            for key in keys.iter_mut().filter(|key| key.is_none()) {
                *key = found.next().flatten();
            }
        }
        Ok(keys)
    }

    /// The same from the store, in its order.
    async fn looked_up(
        &self,
        system: &SystemName,
        ids: Vec<(EntityName, PublicId)>,
    ) -> Result<Vec<Option<CompactString>>, CrosswalkError> {
        let mut keys = Vec::with_capacity(ids.len());
        for ids in ids.chunks(KEYS_AT_ONCE) {
            let ids = ids.iter().map(|(entity, id)| (entity.clone(), id.0)).collect();
            keys.extend(self.store.crosswalk_keys(system.clone(), ids).await?);
        }
        let mut remembered = self.remembered.lock();
        for ((entity, id), native) in ids.into_iter().zip(&keys) {
            // What is not there is not remembered: whoever guesses fills nothing.
            if let Some(native) = native {
                remembered.put(NativeKey { entity, system: system.clone(), native: native.clone() }, id);
            }
        }
        Ok(keys)
    }

    /// Joins many keys of a system to the ids that the keys of another have: all of them, or none.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn swap(&self, swap: Swap, doing: Doing) -> Result<Swapped, CrosswalkError> {
        Ok(self.store.swap_crosswalk(swap, doing).await?)
    }

    /// Every system that knows a record, and its key there; none where no record of that entity has the id.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn keys(
        &self,
        entity: &EntityName,
        id: PublicId,
    ) -> Result<Vec<(SystemName, CompactString)>, CrosswalkError> {
        Ok(self.store.crosswalk_keys_of(entity.clone(), id.0).await?)
    }

    /// The id of a record that was read before; none is made.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn known(&self, key: NativeKey) -> Result<Option<PublicId>, CrosswalkError> {
        Ok(self.store.crosswalk_ids(vec![key]).await?.pop().flatten().map(PublicId))
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
