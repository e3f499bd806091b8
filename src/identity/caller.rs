//! A principal whose credential was checked.

use std::{
    cell::OnceCell,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{sync::watch, time::sleep_until};

use super::{Facts, Revocations, memory::Proof};
use crate::{clock::Now, words::Standing};

/// Proof that a caller was identified. Only this room makes one; the next step takes it by value.
#[derive(Debug)]
pub struct Caller {
    proof: Arc<Proof>,
    revocations: Arc<Revocations>,
    /// Of the client certificate it came with, be it by that or beside it.
    standing: Standing,
}

impl Caller {
    pub(super) fn proven(proof: Arc<Proof>, revocations: Arc<Revocations>, standing: Standing) -> Self {
        Self { proof, revocations, standing }
    }

    /// A caller of these facts without any credential, for the tests of other rooms.
    #[cfg(test)]
    pub(crate) fn assumed(facts: Facts) -> Self {
        Self::proven(Arc::new(Proof::standing(facts)), Arc::default(), Standing::default())
    }

    /// The same caller for a part of what it asked: an operation inside another, which is judged, charged and written
    /// down by itself. It is no more and no longer proven than the whole is.
    pub fn for_part(&self) -> Self {
        let Self { proof, revocations, standing } = self;
        Self::proven(proof.clone(), revocations.clone(), standing.clone())
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
            standing: self.standing.clone(),
            runs_out: OnceCell::new(),
        }
    }
}

/// The end of a credential, for those who hold a stream open under it.
#[derive(Debug)]
pub struct Ending {
    proof: Arc<Proof>,
    revocations: Arc<Revocations>,
    heard: watch::Receiver<u64>,
    standing: Standing,
    /// When it runs out, on the clock that nobody sets back. Read off the wall clock once, by the first `now`.
    runs_out: OnceCell<Option<Instant>>,
}

/// Why a credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was taken back, or the client certificate it came with would not be let in any more.
    Revoked,
    /// The key that signed it is gone.
    KeyGone,
    /// The bundle now in force does not know the principal.
    Disowned,
    /// It ran out.
    Expired,
}

impl Ending {
    /// When it ends by itself.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.proof.ends_at
    }

    /// Waits for the end, however it comes: taken back or run out. Cancel-safe.
    pub async fn reached(&mut self, now: Now) -> Ended {
        let runs_out = self.runs_out(now);
        let expiry = async {
            match runs_out {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = self.wait() => ended,
            () = expiry => Ended::Expired,
        }
    }

    /// Whether the end has come, for a stream that never has to wait. One load while nothing was taken back.
    pub fn look(&mut self, now: Now) -> Option<Ended> {
        let is_first = self.runs_out.get().is_none();
        if self.runs_out(now).is_some_and(|at| at <= now.mono) {
            return Some(Ended::Expired);
        }
        if self.standing.is_over() {
            return Some(Ended::Revoked);
        }
        // The sender lives in `revocations`, which we hold; should it go, doubt looks.
        if !is_first && matches!(self.heard.has_changed(), Ok(false)) {
            return None;
        }
        // ORDER: the mark comes before the look, so that what happens between them is looked at again.
        self.heard.mark_unchanged();
        self.taken_back()
    }

    /// Waits until it is taken back, its key goes, or a new bundle disowns its principal; not until it runs out.
    /// Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Ended {
        loop {
            // ORDER: the mark comes before the look, so that what happens between them wakes us again.
            self.heard.mark_unchanged();
            if let Some(ended) = self.taken_back() {
                return ended;
            }
            tokio::select! {
                changed = self.heard.changed() => if changed.is_err() {
                    // The sender lives in `revocations`, which we hold; should it go, doubt ends the stream.
                    return Ended::Revoked;
                },
                () = self.standing.over() => return Ended::Revoked,
            }
        }
    }

    /// Whether it is over, for tests.
    #[cfg(test)]
    pub(crate) fn over(&self, now: Timestamp) -> Option<Ended> {
        match self.proof.ends_at {
            Some(end) if now >= end => Some(Ended::Expired),
            Some(_) | None => self.taken_back(),
        }
    }

    fn runs_out(&self, now: Now) -> Option<Instant> {
        *self.runs_out.get_or_init(|| {
            let left = self.proof.ends_at?.duration_since(now.wall);
            // What is over already is over now.
            now.mono.checked_add(Duration::try_from(left).unwrap_or(Duration::ZERO))
        })
    }

    fn taken_back(&self) -> Option<Ended> {
        if self.standing.is_over() || self.revocations.covers(&self.proof.facts) {
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        clock,
        identity::{CredentialId, Revocation},
    };

    /// The end of a credential that has so many milliseconds left by the wall clock.
    fn ending(left: i64, now: Now) -> Ending {
        let mut proof = Proof::standing(Facts::anonymous());
        proof.ends_at = Some(now.wall.saturating_add(SignedDuration::from_millis(left)).unwrap());
        Caller::proven(Arc::new(proof), Arc::default(), Standing::default()).ending()
    }

    #[tokio::test]
    async fn a_credential_that_ran_out_long_ago_is_over_now_and_not_as_long_again() {
        let now = clock::now();
        assert_eq!(ending(-55 * 60_000, now).look(now), Some(Ended::Expired));
        let mut long_over = ending(-55 * 60_000, now);
        let reached = tokio::time::timeout(Duration::from_secs(60), long_over.reached(now));
        assert_eq!(reached.await, Ok(Ended::Expired));
    }

    #[tokio::test]
    async fn who_waits_for_the_end_hears_of_its_running_out() {
        let now = clock::now();
        let mut ending = ending(20, now);
        assert!(ending.reached(now).now_or_never().is_none());
        assert_eq!(ending.reached(now).await, Ended::Expired);
        assert_eq!(ending.look(clock::now()), Some(Ended::Expired));
    }

    #[test]
    fn a_wall_clock_that_is_set_back_gives_a_stream_no_more_time() {
        let now = clock::now();
        let mut ending = ending(1000, now);
        assert_eq!(ending.look(now), None);
        let back = now.wall.saturating_sub(SignedDuration::from_hours(2)).unwrap();
        let at = |millis| Now { wall: back, mono: now.mono + Duration::from_millis(millis) };
        assert_eq!((ending.look(at(999)), ending.look(at(1000))), (None, Some(Ended::Expired)));
    }

    #[test]
    fn who_only_looks_sees_what_was_taken_back_before_and_after_the_first_look() {
        let now = clock::now();
        let facts = |jti: &str| Facts { credential: CredentialId::Token(jti.into()), ..Facts::anonymous() };
        let revocations: Arc<Revocations> = Arc::default();
        let ending = |jti| {
            let proof = Arc::new(Proof::standing(facts(jti)));
            Caller::proven(proof, revocations.clone(), Standing::default()).ending()
        };
        let take_back = |jti: &str| {
            let until = now.wall.saturating_add(SignedDuration::from_hours(1)).unwrap();
            revocations.apply(&[Revocation::Token { jti: jti.into(), until }], now.wall);
        };
        let (mut one, mut other) = (ending("one"), ending("other"));
        take_back("one");
        assert_eq!((one.look(now), other.look(now)), (Some(Ended::Revoked), None));
        assert_eq!(other.look(now), None);
        take_back("other");
        assert_eq!(other.look(now), Some(Ended::Revoked));
        assert_eq!(ending("one").look(now), Some(Ended::Revoked), "what was taken back before it listened");
    }

    #[tokio::test]
    async fn a_certificate_that_no_longer_stands_ends_what_came_with_it_for_who_looks_and_for_who_waits() {
        let now = clock::now();
        let (teller, standing) = Standing::let_in();
        let proof = Arc::new(Proof::standing(Facts::anonymous()));
        let caller = Caller::proven(proof, Arc::default(), standing);
        let (mut looking, mut waiting) = (caller.ending(), caller.ending());
        assert_eq!(looking.look(now), None);
        assert!(waiting.reached(now).now_or_never().is_none());
        teller.end();
        assert_eq!(looking.look(now), Some(Ended::Revoked));
        assert_eq!(waiting.reached(now).await, Ended::Revoked);
        // Who asks only now hears it too.
        assert_eq!(caller.ending().look(now), Some(Ended::Revoked));
    }
}
