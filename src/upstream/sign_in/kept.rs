//! Something fetched to sign in by, kept for all cores: a token, a session, a CSRF token.
//!
//! One asks and the others wait for what it gets, each within its own deadline. It is replaced shortly before it
//! ends, and when the system refuses it, but not again and again. Whoever refused us is left alone for a while that
//! doubles: an account is locked by fewer wrong passwords than a busy gate would send.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    super::{Asked, SignInError},
    shown::Shown,
};
use crate::{
    clock::{self, Now},
    wire::Deadline,
};

/// How long before its end it is replaced, at most.
const MARGIN_MAX: Duration = Duration::from_secs(60);
/// How long it lasts where nobody says; a refusal renews it sooner.
const UNTOLD_LIFE: Duration = Duration::from_secs(3600);
/// Nobody's clock is trusted for longer than a day.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long a failure is remembered before it is tried again, at first and at most.
const FAILURE_HELD: Duration = Duration::from_secs(1);
const FAILURE_HELD_MAX: Duration = Duration::from_secs(60);
/// Between two that are given up because the system refused them: a system that refuses every one, or callers whom it
/// refuses for reasons of its own, must not make us hammer whoever gives them out.
const SPOILED_EVERY: Duration = Duration::from_secs(5);

/// What was fetched last.
#[derive(Default)]
pub(super) struct Kept {
    asked: Asked,
    held: Mutex<Held>,
    /// Single flight: whoever holds it asks, the others wait for what it got.
    flight: tokio::sync::Mutex<()>,
}

/// Something fetched.
#[derive(Clone)]
pub(super) struct Got {
    shown: Arc<Shown>,
    /// By which sign-in it was fetched; 0 where that is none.
    under: u64,
    renew_at: Instant,
    expires_at: Instant,
}

/// What a request shows, and which one it was.
pub(super) type Numbered = (Arc<Shown>, u64);

#[derive(Default)]
struct Held {
    got: Option<Got>,
    /// How many there were: a refusal of an older one spoils nothing.
    number: u64,
    failed: Option<Failure>,
    /// When a refusal last spoiled one.
    spoiled: Option<Instant>,
}

struct Failure {
    at: Instant,
    under: u64,
    /// Refusals in a row.
    refusals: u32,
    error: SignInError,
}

impl Got {
    pub(super) fn new(shown: Shown, life: Option<Duration>, now: Instant) -> Self {
        let life = life.unwrap_or(UNTOLD_LIFE).min(LIFE_MAX);
        let renew_at = now + (life - (life / 10).min(MARGIN_MAX));
        Self { shown: Arc::new(shown), under: 0, renew_at, expires_at: now + life }
    }

    /// The same, good only together with that sign-in.
    pub(super) fn under(mut self, number: u64) -> Self {
        self.under = number;
        self
    }

    #[cfg(test)]
    pub(super) fn clocks(&self) -> (Instant, Instant) {
        (self.renew_at, self.expires_at)
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl Kept {
    pub(super) fn of(asked: Asked) -> Self {
        Self { asked, ..Self::default() }
    }

    /// What is known without asking: one that is good for a while, or a failure just now.
    pub(super) fn fresh(&self, under: u64, now: Instant) -> Option<Result<Numbered, SignInError>> {
        let held = self.held.lock();
        if let Some(got) = &held.got
            && got.under == under
            && now < got.renew_at
        {
            return Some(Ok((got.shown.clone(), held.number)));
        }
        let failure = held.failed.as_ref().filter(|failure| failure.under == under)?;
        if now.saturating_duration_since(failure.at) >= failure.held() {
            return None;
        }
        Some(held.still_good(under, now).ok_or_else(|| failure.error.clone()))
    }

    /// What is good, fetched if need be.
    pub(super) async fn get<F>(
        &self,
        under: u64,
        deadline: Deadline,
        now: Now,
        fetch: impl FnOnce(Now) -> F,
    ) -> Result<Numbered, SignInError>
    where
        F: Future<Output = Result<Got, SignInError>>,
    {
        if let Some(fresh) = self.fresh(under, now.mono) {
            return fresh;
        }
        let old = self.held.lock().still_good(under, now.mono);
        let turn = match (self.flight.try_lock(), &old) {
            (Ok(turn), _) => Some(turn),
            // Somebody asks already. While the old one is good nobody else waits for a peer that may hang.
            (Err(_), Some(old)) => return Ok(old.clone()),
            (Err(_), None) => None,
        };
        let renewed = tokio::time::timeout_at(deadline.into(), async {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.flight.lock().await,
            };
            let now = clock::now();
            // Whoever was before us may have got it.
            match self.fresh(under, now.mono) {
                Some(fresh) => fresh,
                None => {
                    let fetched = fetch(now).await;
                    self.put(under, fetched, clock::mono())
                }
            }
        });
        renewed.await.unwrap_or_else(|_| old.ok_or(SignInError::Late { asked: self.asked }))
    }

    fn put(
        &self,
        under: u64,
        fetched: Result<Got, SignInError>,
        now: Instant,
    ) -> Result<Numbered, SignInError> {
        let mut held = self.held.lock();
        match fetched {
            Ok(got) => {
                held.number += 1;
                held.failed = None;
                let shown = got.shown.clone();
                held.got = Some(got);
                Ok((shown, held.number))
            }
            Err(error) => {
                let before = held.failed.as_ref().filter(|failure| failure.under == under);
                let refusals = match error.is_refusal() {
                    true => before.map_or(0, |failure| failure.refusals).saturating_add(1),
                    false => 0,
                };
                held.failed = Some(Failure { at: now, under, refusals, error: error.clone() });
                held.still_good(under, now).ok_or(error)
            }
        }
    }

    /// That one was refused: it is not used again, unless one was given up just before. Whether another can be had.
    pub(super) fn spoil(&self, number: u64, now: Instant) -> bool {
        let mut held = self.held.lock();
        if held.number != number || held.got.is_none() {
            return true;
        }
        if held.spoiled.is_some_and(|at| now.saturating_duration_since(at) < SPOILED_EVERY) {
            return false;
        }
        held.spoiled = Some(now);
        held.got = None;
        true
    }

    #[cfg(test)]
    pub(super) fn hold(&self, got: Got) {
        self.held.lock().got = Some(got);
    }
}

impl Held {
    fn still_good(&self, under: u64, now: Instant) -> Option<Numbered> {
        let got = self.got.as_ref().filter(|got| got.under == under && now < got.expires_at)?;
        Some((got.shown.clone(), self.number))
    }
}

impl Failure {
    /// How long it holds: a way that broke is tried again soon, whoever refuses is asked less and less.
    fn held(&self) -> Duration {
        let doublings = self.refusals.saturating_sub(1).min(6);
        FAILURE_HELD.saturating_mul(1 << doublings).min(FAILURE_HELD_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Result<Got, SignInError> {
        Err(SignInError::unusable(Asked::Login, "no"))
    }

    #[test]
    fn whoever_refuses_is_asked_less_and_less_until_it_lets_us_in() {
        let (kept, start) = (Kept::default(), clock::mono());
        let mut at = start;
        for held in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(kept.put(0, refused(), at).is_err());
            let end = at + Duration::from_secs(held);
            assert!(
                kept.fresh(0, end - Duration::from_millis(1)).is_some_and(|told| told.is_err()),
                "{held}"
            );
            assert!(kept.fresh(0, end).is_none(), "{held}");
            at = end;
        }
        assert!(kept.put(0, Ok(Got::new(Shown::default(), Some(Duration::ZERO), at)), at).is_ok());
        assert!(kept.put(0, refused(), at).is_err());
        assert!(kept.fresh(0, at + Duration::from_secs(1)).is_none(), "it begins anew");
    }

    #[test]
    fn a_way_that_breaks_is_tried_again_soon() {
        let (kept, mut at) = (Kept::default(), clock::mono());
        for _ in 0..5 {
            assert!(kept.put(0, Err(SignInError::Late { asked: Asked::Login }), at).is_err());
            at += Duration::from_secs(1);
            assert!(kept.fresh(0, at).is_none());
        }
    }

    #[test]
    fn what_belongs_to_another_sign_in_is_not_shown() {
        let (kept, now) = (Kept::default(), clock::mono());
        let got = Got::new(Shown::default(), None, now).under(3);
        kept.put(3, Ok(got), now).map(|_| ()).unwrap();
        assert!(kept.fresh(3, now).is_some_and(|told| told.is_ok()));
        assert!(kept.fresh(4, now).is_none());
        kept.put(4, refused(), now).map(|_| ()).unwrap_err();
        assert!(kept.fresh(5, now).is_none(), "nor a failure of another");
    }
}
