//! Writes that a system accepted and did not finish: kept under a random id of ours, for who made them.
//!
//! What it takes to ask the system is sealed under a key of the gate, with a digest of principal, entity and id as
//! associated data: another principal's id is no id, and a row that was moved does not open.

use std::{fmt, str::FromStr};

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::{Fault, Idempotency, Terms};
use crate::{
    identity::Facts,
    store::AcceptedRow,
    words::{Digest, Kind},
};

/// LIMIT: bytes of what is kept of one; a larger one cannot be asked for.
pub const STATE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What an accepted write is asked for by: 128 random bits, as `accepted-` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedId([u8; 16]);

const BEGINNING: &str = "accepted-";

impl FromStr for AcceptedId {
    type Err = ();

    /// One spelling is taken.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix(BEGINNING).ok_or(())?;
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(drop)?;
        bytes.try_into().map(Self).map_err(drop)
    }
}

impl fmt::Display for AcceptedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{}", HEXLOWER.encode(&self.0))
    }
}

impl Idempotency {
    /// Keeps what it takes to ask what became of a write; the id it is asked for by. None where it is nobody's, too
    /// large, or there is no room.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn keep_accepted(
        &self,
        (whose, entity): (&Facts, &str),
        state: Vec<u8>,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Option<AcceptedId>, Fault> {
        // Anybody could ask for it.
        if whose.kind == Kind::Anonymous || state.len() > STATE_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = [0; 16];
        if rand::fill(&mut bytes).is_err() {
            return Ok(None);
        }
        let id = AcceptedId(bytes);
        let key = self.key_of((whose, entity), id);
        let Ok(state) = self.sealed_to(key.0, state) else { return Ok(None) };
        let (kind, principal) = (whose.kind.as_str().as_bytes(), whose.id.as_str().as_bytes());
        let row = AcceptedRow {
            key,
            principal: self.digest(&[b"principal", kind, principal]),
            begun_at: now,
            ends_at: now.checked_add(terms.kept).unwrap_or(Timestamp::MAX),
            state,
        };
        Ok(self.store.keep_accepted(row, terms.most).await?.then_some(id))
    }

    /// What was kept of a principal's own write.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn accepted(
        &self,
        whose: (&Facts, &str),
        id: AcceptedId,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let key = self.key_of(whose, id);
        let kept = self.store.accepted(key, now).await?;
        Ok(kept.and_then(|sealed| self.opened_of(key.0, &sealed)))
    }

    /// Keeps what became of it.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn end_accepted(
        &self,
        whose: (&Facts, &str),
        id: AcceptedId,
        state: Vec<u8>,
    ) -> Result<(), Fault> {
        let key = self.key_of(whose, id);
        // What cannot be kept is asked for again.
        let fits = Some(state).filter(|state| state.len() <= STATE_BYTES_MAX);
        let Some(Ok(state)) = fits.map(|state| self.sealed_to(key.0, state)) else { return Ok(()) };
        Ok(self.store.end_accepted(key, state).await?)
    }

    fn key_of(&self, (whose, entity): (&Facts, &str), id: AcceptedId) -> Digest {
        let (kind, principal) = (whose.kind.as_str().as_bytes(), whose.id.as_str().as_bytes());
        self.digest(&[b"accepted", kind, principal, entity.as_bytes(), &id.0])
    }
}
