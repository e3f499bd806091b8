//! A rate is never exceeded: the generic cell rate algorithm of `governor` over cells of our own.
//!
//! Promise: in any span of `t` seconds no more than `burst + t × count ÷ window` requests pass, whatever the
//! order in which moments arrive. `governor` holds the arithmetic; the cell (one atomic) lives in a meter that
//! outlives the settings, so that a reload refills nothing. Time is an argument: `governor` reads a clock, so
//! the clock it is given reads what was passed to [`Limiter::check`].

use std::{cell, num::NonZeroU32, sync::atomic::Ordering, time::Duration};

use governor::{
    RateLimiter, clock::Clock, middleware::StateInformationMiddleware, nanos::Nanos, state::StateStore,
};

use super::meter::Handle;
use crate::words::Rate;

/// Longest time in which an empty bucket fills; more would be a quota.
const REFILL_MAX: Duration = Duration::from_secs(31 * 86_400);

/// The arithmetic of one rate; it holds no counts.
#[derive(Debug)]
pub(super) struct Limiter {
    governor: RateLimiter<Handle, InMeters, Passed, StateInformationMiddleware>,
    interval: u64,
    burst: u32,
    /// Tells settings apart, so that a cell filled under other ones is fitted once.
    stamp: u64,
}

/// How much room a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Requests that would pass at this moment.
    pub(super) remaining: u32,
    /// When all of the burst is there again.
    pub(super) reset: Duration,
    /// When the next request passes.
    pub(super) wait: Duration,
}

impl Limiter {
    /// The arithmetic of `rate`, of which `burst` may come at once.
    ///
    /// # Errors
    /// When an empty bucket would take longer than a month to fill.
    pub(super) fn new(rate: Rate, burst: NonZeroU32) -> Result<Self, String> {
        let interval = rate.interval();
        if interval.checked_mul(burst.get()).is_none_or(|full| full > REFILL_MAX) {
            return Err("at this rate the burst takes more than 31 days to come back".to_owned());
        }
        let quota = governor::Quota::with_period(interval)
            .ok_or_else(|| "a rate needs a time between requests".to_owned())?
            .allow_burst(burst);
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        // The cells count from the quota's base, which is this clock's zero.
        NOW.set(0);
        Ok(Self {
            governor: RateLimiter::new(quota, InMeters, Passed),
            interval: nanos,
            burst: burst.get(),
            stamp: (nanos ^ (u64::from(burst.get()) << 40)).max(1),
        })
    }

    /// Charges one request at a moment.
    ///
    /// # Errors
    /// The level, when there is no room; nothing was charged then.
    pub(super) fn check(&self, handle: &Handle, at: u64) -> Result<Level, Level> {
        self.fit(handle, at);
        NOW.set(at);
        match self.governor.check_key(handle) {
            Ok(after) => Ok(Level { remaining: after.remaining_burst_capacity(), ..self.level(handle, at) }),
            Err(_) => Err(Level { remaining: 0, ..self.level(handle, at) }),
        }
    }

    /// The room there is, without charging.
    pub(super) fn level(&self, handle: &Handle, at: u64) -> Level {
        let filled = handle.arrival.load(Ordering::Acquire).saturating_sub(at);
        let full = self.full();
        Level {
            remaining: u32::try_from(full.saturating_sub(filled) / self.interval).unwrap_or(u32::MAX),
            reset: Duration::from_nanos(filled),
            wait: Duration::from_nanos(filled.saturating_sub(full - self.interval)),
        }
    }

    /// A cell filled under other settings holds at most an empty bucket under these: a reload refills
    /// nothing, and a debt of hours does not outlive the rule that made it.
    fn fit(&self, handle: &Handle, at: u64) {
        if handle.stamp.load(Ordering::Relaxed) == self.stamp {
            return;
        }
        if handle.stamp.swap(self.stamp, Ordering::AcqRel) != 0 {
            handle.arrival.fetch_min(at.saturating_add(self.full()), Ordering::AcqRel);
        }
    }

    fn full(&self) -> u64 {
        self.interval * u64::from(self.burst)
    }
}

thread_local! {
    static NOW: cell::Cell<u64> = const { cell::Cell::new(0) };
}

/// The clock that reads the moment passed to the check that runs on this thread.
#[derive(Clone, Copy, Debug)]
struct Passed;

impl Clock for Passed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(NOW.get())
    }
}

/// The cells live in the meters; the key is the meter itself.
#[derive(Debug)]
struct InMeters;

impl StateStore for InMeters {
    type Key = Handle;

    fn measure_and_replace<T, F, E>(&self, key: &Handle, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut seen = key.arrival.load(Ordering::Acquire);
        loop {
            let (outcome, next) = judge((seen != 0).then(|| Nanos::new(seen)))?;
            match key.arrival.compare_exchange_weak(seen, next.as_u64(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(outcome),
                Err(other) => seen = other,
            }
        }
    }
}
