//! Hearing of what other processes took back.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{TokenError, Tokens};
use crate::{clock::Now, identity::Revocation, store::Change};

/// How often a gate asks. A revocation is in force within this and a look-up.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// Answers read at one go; what is left waits for the next.
const BATCHES_MAX: usize = 256;
/// How often room is set aside anew for what is taken back.
const ROOM_EVERY: Duration = Duration::from_secs(30);
/// How often what has ended is forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

impl Tokens {
    /// Hears of every change since the last time. Cheap when there is none.
    ///
    /// # Errors
    /// The store did not answer, or another file goes by its path; what was heard before stays in force.
    pub async fn follow(&self, now: Now) -> Result<(), TokenError> {
        let heard = self.hear(now).await;
        *self.unheard.lock() = heard.as_ref().err().map(TokenError::told);
        heard
    }

    /// Why nothing was heard the last time; none where it was.
    pub fn unheard(&self) -> Option<String> {
        self.unheard.lock().clone()
    }

    async fn hear(&self, now: Now) -> Result<(), TokenError> {
        for _ in 0..BATCHES_MAX {
            let seq = self.heard.load(Ordering::Acquire);
            let told = self.store().changes_since(seq).await?;
            if told.changes.contains(&Change::SigningKeys) {
                self.keys_told.fetch_add(1, Ordering::AcqRel);
            }
            let revocations: Vec<Revocation> = told.changes.into_iter().filter_map(revocation).collect();
            self.revocations.apply(&revocations, now.wall);
            // ORDER: last, so that nothing is taken as heard that is not in force or on the list of what is due.
            self.heard.fetch_max(told.seq, Ordering::AcqRel);
            if !told.more {
                break;
            }
        }
        // A reading that failed, or whose asker went away, stays due.
        let told = self.keys_told.load(Ordering::Acquire);
        if self.keys_read.load(Ordering::Acquire) != told {
            self.refresh_keys(now).await?;
            self.keys_read.fetch_max(told, Ordering::AcqRel);
        }
        *self.followed.lock() = Some(now.mono);
        Ok(())
    }

    /// How long ago [`Tokens::follow`] last heard from the store: what `/readyz` watches.
    pub fn behind(&self, now: Now) -> Option<Duration> {
        self.followed.lock().map(|at| now.mono.saturating_duration_since(at))
    }

    /// Follows until it is dropped. `clock` reads the time, `failed` is told when the store does not answer: once,
    /// until it answers again or fails otherwise.
    pub async fn follow_always(
        self: Arc<Self>,
        clock: impl Fn() -> Now + Send,
        failed: impl Fn(&TokenError) + Send,
    ) {
        let mut purged = clock().mono;
        let mut set_aside = purged;
        let mut told = None;
        loop {
            tokio::time::sleep(FOLLOW_EVERY).await;
            let now = clock();
            let outcome = self.follow(now).await;
            let unheard = outcome.as_ref().err().map(TokenError::told);
            if let (Err(error), true) = (&outcome, unheard != told) {
                failed(error);
            }
            told = unheard;
            if now.mono.saturating_duration_since(set_aside) >= ROOM_EVERY {
                set_aside = now.mono;
                // What does not answer is told by following it.
                drop(self.store().set_room_aside().await);
            }
            if now.mono.saturating_duration_since(purged) >= PURGE_EVERY {
                purged = now.mono;
                if let Err(error) = self.store().purge(now.wall).await {
                    failed(&error.into());
                }
            }
        }
    }
}

fn revocation(change: Change) -> Option<Revocation> {
    match change {
        Change::Token { jti, until } => Some(Revocation::Token { jti, until }),
        Change::ApiKey { prefix } => Some(Revocation::ApiKey { prefix }),
        Change::Principal { kind, id, issued_until } => {
            Some(Revocation::Principal { kind, id, issued_until })
        }
        Change::SigningKeys => None,
    }
}
