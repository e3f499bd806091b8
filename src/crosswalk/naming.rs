//! Ids of records that a bundle names by their keys.

use std::{fmt, thread};

use super::{Crosswalk, CrosswalkError, PublicId};
use crate::{store::NativeKey, words::Digest};

/// Gives ids to the records that a bundle names by their keys.
pub trait Naming: fmt::Debug {
    /// Their ids, in the order of their keys. Blocks.
    ///
    /// # Errors
    /// There is none to be had.
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError>;
}

impl Naming for Crosswalk {
    /// As callers see them; new ones are made for records that nobody has read yet.
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        aside(keys, |runtime| {
            let mut ids = Vec::with_capacity(keys.len());
            for keys in keys.chunks(super::KEYS_MAX) {
                ids.extend(runtime.block_on(self.public(keys))?);
            }
            Ok(ids)
        })
    }
}

/// Ids as gates gave them, for who only looks: none is made, and a record that nobody has read has a made-up one.
#[derive(Debug)]
pub struct Given(pub Crosswalk);

impl Naming for Given {
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        aside(keys, |runtime| {
            let one = |key: &NativeKey| {
                let known = runtime.block_on(self.0.known(key.clone()))?;
                Ok(known.unwrap_or_else(|| made_up(key)))
            };
            keys.iter().map(one).collect()
        })
    }
}

/// Whoever loads a bundle may be inside a runtime, which must not wait for itself.
fn aside(
    keys: &[NativeKey],
    ask: impl FnOnce(&tokio::runtime::Runtime) -> Result<Vec<PublicId>, CrosswalkError> + Send,
) -> Result<Vec<PublicId>, CrosswalkError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    thread::scope(|scope| {
        let asked = thread::Builder::new()
            .name("ids".into())
            .spawn_scoped(scope, || ask(&tokio::runtime::Builder::new_current_thread().build()?))?;
        asked.join().unwrap_or(Err(CrosswalkError::Broken))
    })
}

/// Ids where there is no store: always the same for a key, and never those of a gate.
#[derive(Clone, Copy, Debug)]
pub struct MadeUp;

impl Naming for MadeUp {
    fn ids(&self, keys: &[NativeKey]) -> Result<Vec<PublicId>, CrosswalkError> {
        Ok(keys.iter().map(made_up).collect())
    }
}

fn made_up(key: &NativeKey) -> PublicId {
    let parts = [key.entity.as_str(), key.system.as_str(), key.native.as_str()].map(str::as_bytes);
    let [entity, system, native] = parts;
    // Lengths between them: no two keys are one text.
    let lengths = [entity, system].map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
    let [of_entity, of_system] = &lengths;
    let digest = Digest::of_parts(&[b"bramka made-up id", of_entity, entity, of_system, system, native]);
    PublicId(digest.0.first_chunk().copied().unwrap_or_default())
}
