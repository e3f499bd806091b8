//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a write that is sent again is done once.
//!
//! A key is one principal's, whatever credential proves it, and stands for one method, target and body. It is claimed
//! in the store before anything is sent, and settled once the outcome is known; so it holds over a reload, a crash and a
//! hand-over. A claim that nobody settled is told as unknown: nothing is ever sent a second time on a guess.
//!
//! The store holds keyed digests of principal, key and request, and of the answer what it takes to judge and show it
//! again ([`Kept`]): sealed (AES-256-GCM) under a key of the gate with these digests as associated data, for a time
//! that `gateway.yaml` says. The gate's answer itself is not kept: what a repeat shows is decided anew.

mod accepted;
mod kept;
mod key;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hmac, rand,
};
use jiff::Timestamp;

use crate::{
    identity::Facts,
    store::{Begun, Outcome, RepeatRow, RepeatState, RepeatsMax, Store, StoreError},
    words::{Digest, RequestId, SecretBytes},
};

pub use accepted::{AcceptedId, STATE_BYTES_MAX};
pub use kept::{KEPT_BYTES_MAX, Kept, KeptRecord};
pub use key::Key;

/// Why a key does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("an `Idempotency-Key` is {0}")]
    Malformed(&'static str),
    /// Nobody is identified whose key it could be.
    #[error("an `Idempotency-Key` needs a credential")]
    Nobodys,
    /// It was sent with another request.
    #[error("the key was sent with another request")]
    Reused,
    /// The request that it was first sent with is under way.
    #[error("the first request under this key is under way")]
    Running,
    /// Nobody knows whether the request that it was first sent with was done.
    #[error("nobody knows what became of the first request under this key")]
    Unknown,
    /// As many writes run as may be kept.
    #[error("no more keys can be kept now")]
    Full,
    /// The store did not answer.
    #[error("the store")]
    Store(#[from] StoreError),
}

/// Keeps writes for their repeats.
pub struct Idempotency {
    digests: hmac::Key,
    seal: LessSafeKey,
    store: Store,
}

/// A key of a principal, and the request that it is sent with.
#[derive(Clone, Debug)]
pub struct Claim {
    key: Digest,
    principal: Digest,
    fingerprint: Digest,
    request: RequestId,
}

/// What a key is sealed to beside its principal.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query as sent; empty for none.
    pub query: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
}

/// For how long a write is kept, and how many.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many.
    pub most: RepeatsMax,
    /// How long it is kept.
    pub kept: Duration,
    /// How long it may run; one that is not settled by then is unknown.
    pub running: Duration,
}

/// What became of the request that a key was first sent with.
#[derive(Debug)]
pub struct Earlier {
    /// The exchange it was.
    pub request: RequestId,
    /// What is kept of its answer, or why there is none for this request.
    pub kept: Result<Kept, Fault>,
}

/// How a claim ended.
#[derive(Debug)]
pub enum Ended<'a> {
    /// It is done and was answered.
    Done(&'a Kept),
    /// Nobody knows whether it is done.
    Unknown,
    /// Nothing was sent, or the system said no.
    Nothing,
}

impl Idempotency {
    /// With keys from a secret of the gate.
    ///
    /// # Errors
    /// Never for a sound crypto library.
    pub fn new(secret: &SecretBytes, store: Store) -> Result<Self, Unspecified> {
        let digests = Digest::of_parts(&[b"bramka idempotency digest", secret.expose()]);
        let seal = Digest::of_parts(&[b"bramka idempotency seal", secret.expose()]);
        Ok(Self {
            digests: hmac::Key::new(hmac::HMAC_SHA256, &digests.0),
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &seal.0)?),
            store,
        })
    }

    /// What a principal claims by sending a key with a request.
    pub fn claim(&self, whose: &Facts, key: &Key, asked: Asked<'_>, request: RequestId) -> Claim {
        let (kind, id) = (whose.kind.as_str().as_bytes(), whose.id.as_str().as_bytes());
        let Asked { method, path, query, body } = asked;
        Claim {
            key: self.digest(&[b"key", kind, id, key.as_str().as_bytes()]),
            principal: self.digest(&[b"principal", kind, id]),
            fingerprint: self.digest(&[
                b"request",
                method.as_bytes(),
                path.as_bytes(),
                query.as_bytes(),
                body,
            ]),
            request,
        }
    }

    /// The request that the key was first sent with; none where this is the first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn earlier(&self, claim: &Claim, now: Timestamp) -> Result<Option<Earlier>, Fault> {
        let Some(row) = self.store.repeat_of(claim.key, now).await? else { return Ok(None) };
        Ok(Some(Earlier { request: row.request, kept: self.kept(claim, &row, now) }))
    }

    /// Claims the key, on disk before anything is sent.
    ///
    /// # Errors
    /// It is claimed already, or cannot be kept: nothing may be sent.
    pub async fn begin(&self, claim: &Claim, terms: &Terms, now: Timestamp) -> Result<(), Fault> {
        let after = |time| now.checked_add(time).unwrap_or(Timestamp::MAX);
        let row = RepeatRow {
            key: claim.key,
            principal: claim.principal,
            fingerprint: claim.fingerprint,
            request: claim.request,
            state: RepeatState::Running,
            begun_at: now,
            running_until: after(terms.running),
            // A claim never ends before what it is a claim of.
            ends_at: after(terms.kept.max(terms.running)),
            answer: None,
        };
        match self.store.begin_repeat(row, terms.most).await? {
            Begun::Fresh => Ok(()),
            Begun::Full => Err(Fault::Full),
            // Another request came between. What it came to is told to whoever asks again.
            Begun::Taken(taken) if taken.fingerprint != claim.fingerprint => Err(Fault::Reused),
            Begun::Taken(_) => Err(Fault::Running),
        }
    }

    /// Settles a claim that was begun.
    ///
    /// # Errors
    /// The store did not take it: repeats are told that it runs, and then that it is unknown.
    pub async fn settle(&self, claim: &Claim, ended: Ended<'_>) -> Result<(), Fault> {
        let outcome = match ended {
            // What cannot be sealed is not kept.
            Ended::Done(kept) => self.sealed(claim, kept).map_or(Outcome::Unknown, Outcome::Done),
            Ended::Unknown => Outcome::Unknown,
            Ended::Nothing => Outcome::Nothing,
        };
        Ok(self.store.settle_repeat(claim.key, claim.request, outcome).await?)
    }

    /// Takes for unknown what an earlier process left running. Only where no other process may still be at it.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn abandon(&self) -> Result<usize, StoreError> {
        self.store.abandon_repeats().await
    }

    fn kept(&self, claim: &Claim, row: &RepeatRow, now: Timestamp) -> Result<Kept, Fault> {
        if row.fingerprint != claim.fingerprint {
            return Err(Fault::Reused);
        }
        match row.state {
            RepeatState::Running if now < row.running_until => Err(Fault::Running),
            RepeatState::Running | RepeatState::Unknown => Err(Fault::Unknown),
            // Done, and nobody can say any more what it came to.
            RepeatState::Done => self.opened(row).ok_or(Fault::Unknown),
        }
    }

    fn sealed(&self, claim: &Claim, kept: &Kept) -> Result<Vec<u8>, Unspecified> {
        self.sealed_to(bound_to(&claim.key, &claim.fingerprint, claim.request), kept.to_bytes())
    }

    fn opened(&self, row: &RepeatRow) -> Option<Kept> {
        let bound = bound_to(&row.key, &row.fingerprint, row.request);
        Kept::of_bytes(&self.opened_of(bound, row.answer.as_deref()?)?)
    }

    /// Seals what is bound to something, under a nonce of its own.
    fn sealed_to(&self, bound: [u8; 32], mut plain: Vec<u8>) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let aad = Aad::from(bound);
        self.seal.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut plain)?;
        let mut all = Vec::from(nonce);
        all.append(&mut plain);
        Ok(all)
    }

    fn opened_of(&self, bound: [u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        Some(self.seal.open_in_place(nonce, Aad::from(bound), &mut sealed).ok()?.to_vec())
    }

    /// A keyed digest of parts, each with its length.
    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.digests);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        // HMAC-SHA-256 has 32 bytes.
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Digest(digest)
    }
}

fn bound_to(key: &Digest, fingerprint: &Digest, request: RequestId) -> [u8; 32] {
    Digest::of_parts(&[&key.0, &fingerprint.0, &request.0]).0
}

impl std::fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Idempotency(…)")
    }
}
