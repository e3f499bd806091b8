//! The breaker: a system that keeps failing is left alone for a while, then tried with a single call.
//!
//! One for each system, shared by all cores. While all is well a call costs one load and one add.

use std::{
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::settings::Breaking;

/// Longest time a system is left alone, as a multiple of `open`.
const BACKOFF_MAX: u32 = 8;

/// Whether a system may be called.
#[derive(Debug)]
pub(super) struct Breaker {
    calls_min: u32,
    failures_percent: u32,
    window: Duration,
    open: Duration,
    state: AtomicU8,
    calls: AtomicU32,
    inner: Mutex<Inner>,
}

const CLOSED: u8 = 0;
const OPEN: u8 = 1;

#[derive(Debug, Default)]
struct Inner {
    window_start: Option<Instant>,
    failures: u32,
    open_until: Option<Instant>,
    backoff: u32,
    /// Whether the single call of an open breaker is under way.
    trying: bool,
}

/// Leave to call once. What became of the call is told by [`Pass::did_well`] and [`Pass::failed`]; a call
/// given up tells nothing.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    trial: bool,
    told: bool,
}

impl Breaker {
    pub(super) fn new(settings: &Breaking) -> Self {
        Self {
            calls_min: settings.calls_min.max(1),
            failures_percent: settings.failures_percent,
            window: settings.window.0,
            open: settings.open.0,
            state: AtomicU8::new(CLOSED),
            calls: AtomicU32::new(0),
            inner: Mutex::default(),
        }
    }

    /// Leave to call, or how long the system is still left alone.
    pub(super) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        if self.state.load(Ordering::Relaxed) == CLOSED {
            return Ok(Pass { breaker: self, trial: false, told: false });
        }
        let mut inner = self.inner.lock();
        let left = inner.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if !left.is_zero() {
            return Err(left);
        }
        if inner.trying {
            return Err(self.open.min(Duration::from_secs(1)));
        }
        inner.trying = true;
        Ok(Pass { breaker: self, trial: true, told: false })
    }

    /// Whether the system is left alone or being tried.
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) != CLOSED
    }

    fn failed(&self, now: Instant) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut inner = self.inner.lock();
        let fresh =
            inner.window_start.is_some_and(|start| now.saturating_duration_since(start) < self.window);
        if !fresh {
            inner.window_start = Some(now);
            inner.failures = 1;
            self.calls.store(1, Ordering::Relaxed);
            if self.calls_min > 1 {
                return;
            }
        } else {
            inner.failures = inner.failures.saturating_add(1);
        }
        let calls = if fresh { calls } else { 1 };
        let enough = calls >= self.calls_min && self.failures_percent > 0;
        let share = u64::from(inner.failures) * 100 >= u64::from(calls) * u64::from(self.failures_percent);
        if enough && share && !self.is_open() {
            inner.backoff = 1;
            self.opened(&mut inner, now);
        }
    }

    fn opened(&self, inner: &mut Inner, now: Instant) {
        inner.open_until = now.checked_add(self.open.saturating_mul(inner.backoff));
        inner.window_start = None;
        self.state.store(OPEN, Ordering::Relaxed);
    }

    fn closed(&self) {
        *self.inner.lock() = Inner::default();
        self.calls.store(0, Ordering::Relaxed);
        self.state.store(CLOSED, Ordering::Relaxed);
    }

    fn still_failing(&self, now: Instant) {
        let mut inner = self.inner.lock();
        inner.trying = false;
        inner.backoff = inner.backoff.saturating_mul(2).clamp(1, BACKOFF_MAX);
        self.opened(&mut inner, now);
    }
}

impl Pass<'_> {
    /// The system did well.
    pub(super) fn did_well(mut self) {
        self.told = true;
        if self.trial {
            self.breaker.closed();
        } else {
            self.breaker.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The system failed.
    pub(super) fn failed(mut self, now: Instant) {
        self.told = true;
        if self.trial {
            self.breaker.still_failing(now);
        } else {
            self.breaker.failed(now);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial && !self.told {
            self.breaker.inner.lock().trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Period;

    fn breaker() -> (Breaker, Instant) {
        let settings =
            Breaking { calls_min: 4, failures_percent: 50, window: Period::secs(10), open: Period::secs(5) };
        (Breaker::new(&settings), crate::clock::now().mono)
    }

    fn call(breaker: &Breaker, well: bool, at: Instant) -> bool {
        breaker.enter(at).map(|pass| if well { pass.did_well() } else { pass.failed(at) }).is_ok()
    }

    #[test]
    fn it_opens_when_half_of_enough_calls_fail_and_not_before() {
        let (breaker, now) = breaker();
        for well in [false, true, false] {
            assert!(call(&breaker, well, now));
        }
        assert!(!breaker.is_open(), "three calls are not enough");
        call(&breaker, false, now);
        assert!(breaker.is_open());
        assert_eq!(breaker.enter(now).err(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn failures_of_another_window_do_not_count() {
        let (breaker, now) = breaker();
        for second in [0, 11, 22, 33, 44] {
            call(&breaker, false, now + Duration::from_secs(second));
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn few_failures_among_many_calls_do_not_open_it() {
        let (breaker, now) = breaker();
        call(&breaker, false, now);
        for _ in 0..20 {
            call(&breaker, true, now);
        }
        for _ in 0..9 {
            call(&breaker, false, now);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_call_tries_it_and_closes_it_or_doubles_the_wait() {
        let (breaker, now) = breaker();
        for _ in 0..4 {
            call(&breaker, false, now);
        }
        let later = now + Duration::from_secs(5);
        let trial = breaker.enter(later).unwrap();
        assert!(breaker.enter(later).is_err(), "only one tries");
        trial.failed(later);
        assert_eq!(breaker.enter(later).err(), Some(Duration::from_secs(10)));
        let later = later + Duration::from_secs(10);
        drop(breaker.enter(later).unwrap());
        assert!(call(&breaker, true, later), "a trial given up makes room for another");
        assert!(!breaker.is_open());
        assert!(call(&breaker, false, later));
        assert!(!breaker.is_open());
    }

    #[test]
    fn zero_percent_turns_it_off() {
        let settings = Breaking { failures_percent: 0, calls_min: 1, ..Breaking::default() };
        let (breaker, now) = (Breaker::new(&settings), crate::clock::now().mono);
        for _ in 0..100 {
            call(&breaker, false, now);
        }
        assert!(!breaker.is_open());
    }
}
