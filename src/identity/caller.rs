//! A principal whose credential was checked.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Facts, Revocations, memory::Proof};

/// Proof that a caller was identified. Only this room makes one; the next step takes it by value.
#[derive(Debug)]
pub struct Caller {
    proof: Arc<Proof>,
    revocations: Arc<Revocations>,
}

impl Caller {
    pub(super) fn proven(proof: Arc<Proof>, revocations: Arc<Revocations>) -> Self {
        Self { proof, revocations }
    }

    /// A caller of these facts without any credential, for the tests of other rooms.
    #[cfg(test)]
    pub(crate) fn assumed(facts: Facts) -> Self {
        Self::proven(Arc::new(Proof::standing(facts)), Arc::default())
    }

    /// What is known of it.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.proof.facts
    }

    /// When the credential ends by itself.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.proof.ends_at
    }

    /// What a stream that outlives this request listens to: nobody may go on with a credential taken back.
    pub fn ending(&self) -> Ending {
        Ending {
            proof: self.proof.clone(),
            heard: self.revocations.listen(),
            revocations: self.revocations.clone(),
        }
    }
}

/// The end of a credential, for those who hold a stream open under it.
#[derive(Debug)]
pub struct Ending {
    proof: Arc<Proof>,
    revocations: Arc<Revocations>,
    heard: watch::Receiver<u64>,
}

/// Why a credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was taken back.
    Revoked,
    /// The key that signed it is gone.
    KeyGone,
    /// The bundle now in force does not know the principal.
    Disowned,
    /// It ran out.
    Expired,
}

impl Ending {
    /// When it ends by itself. [`Ending::wait`] does not wait for that: the clock is the stream's.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.proof.ends_at
    }

    /// Whether it is over.
    pub fn over(&self, now: Timestamp) -> Option<Ended> {
        match self.proof.ends_at {
            Some(end) if now >= end => Some(Ended::Expired),
            Some(_) | None => self.taken_back(),
        }
    }

    /// Waits until it is taken back, its key goes, or a new bundle disowns its principal. Cancel-safe.
    pub async fn wait(&mut self) -> Ended {
        loop {
            // ORDER: the mark comes before the look, so that what happens between them wakes us again.
            self.heard.mark_unchanged();
            if let Some(ended) = self.taken_back() {
                return ended;
            }
            if self.heard.changed().await.is_err() {
                // The sender lives in `revocations`, which we hold; should it go, doubt ends the stream.
                return Ended::Revoked;
            }
        }
    }

    fn taken_back(&self) -> Option<Ended> {
        if self.revocations.covers(&self.proof.facts) {
            Some(Ended::Revoked)
        } else if self.proof.key.as_ref().is_some_and(|key| key.is_gone()) {
            Some(Ended::KeyGone)
        } else if self.revocations.disowned(&self.proof.facts) {
            Some(Ended::Disowned)
        } else {
            None
        }
    }
}
