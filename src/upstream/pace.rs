//! How fast a system is called: no faster than it takes, and one partner no more than its share of that.
//!
//! Promise: in any span of `t` seconds this gate sends a system no more than `burst + t × count ÷ window` calls, those
//! that are tried again included; and for one partner, with all its programs and people, or for one other principal, no
//! more than the percentage of it that the system's file says. What is over it is refused before anything is sent, and
//! never queued. Signing in and looking after a system's health are not counted: most systems count them apart.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::settings::Limits;
use crate::words::{Diagnostics, Rate, yaml::Spanned};

/// LIMIT: calls of a system that may come at once by its pace.
const BURST_MAX: u32 = 100_000;
/// LIMIT: callers whose shares are remembered; those that used none of it lately are forgotten first.
const CALLERS_MAX: usize = 10_000;

/// The pace of one system.
pub(super) struct Pace {
    clock: DefaultClock,
    all: RateLimiter<NotKeyed, InMemoryState, DefaultClock, NoOpMiddleware>,
    shares: Option<DefaultKeyedRateLimiter<String>>,
}

/// A call that comes too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Early {
    /// When one passes.
    pub(super) after: Duration,
    /// Whether it is the caller's own share that is used up.
    pub(super) is_share: bool,
}

impl Pace {
    /// The pace that the file asks for; none where it names no rate. What is wrong with it is told.
    pub(super) fn of(limits: &Limits, found: &mut Diagnostics) -> Result<Option<Self>, ()> {
        let Some(rate) = &limits.rate else {
            for (what, number) in [("burst", &limits.burst), ("share_percent", &limits.share_percent)] {
                if let Some(number) = number {
                    found.error(&number.place, format!("`{what}` is of a `rate`, and there is none"));
                    return Err(());
                }
            }
            return Ok(None);
        };
        let burst = match &limits.burst {
            Some(burst) => within(burst, "burst", BURST_MAX, found)?,
            None => a_second_of(rate.value),
        };
        let all = quota(rate.value, burst, 100).ok_or_else(|| found.error(&rate.place, "this is no pace"))?;
        let shares = match &limits.share_percent {
            None => None,
            Some(share) => {
                let percent = within(share, "share_percent", 100, found)?;
                let share = quota(rate.value, burst, percent.get())
                    .ok_or_else(|| found.error(&share.place, "this share is no pace"))?;
                Some(RateLimiter::keyed(share))
            }
        };
        Ok(Some(Self { clock: DefaultClock::default(), all: RateLimiter::direct(all), shares }))
    }

    /// Counts a call, for whoever it is made.
    ///
    /// # Errors
    /// It comes too early; then the system was not charged.
    pub(super) fn take(&self, whose: Option<(&str, &str)>) -> Result<(), Early> {
        let early = |is_share: bool| move |after: Duration| Early { after, is_share };
        if let (Some(shares), Some((kind, id))) = (&self.shares, whose) {
            if shares.len() >= CALLERS_MAX {
                shares.retain_recent();
            }
            if shares.len() < CALLERS_MAX {
                shares
                    .check_key(&format!("{kind}/{id}"))
                    .map_err(|not| self.wait(&not))
                    .map_err(early(true))?;
            }
        }
        self.all.check().map_err(|not| self.wait(&not)).map_err(early(false))
    }

    fn wait(&self, not: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
        not.wait_time_from(self.clock.now())
    }
}

/// As many as come in a second, at least one.
fn a_second_of(rate: Rate) -> NonZeroU32 {
    let seconds = u32::try_from(rate.window.as_secs().max(1)).unwrap_or(u32::MAX);
    NonZeroU32::new(rate.count.get().div_ceil(seconds)).unwrap_or(NonZeroU32::MIN)
}

/// A percentage of a rate and its burst; at least one call at once, or nothing would ever pass.
fn quota(rate: Rate, burst: NonZeroU32, percent: u32) -> Option<Quota> {
    let nanos = rate.interval().as_nanos().checked_mul(100)?.checked_div(u128::from(percent))?;
    let burst = u64::from(burst.get()).saturating_mul(u64::from(percent)) / 100;
    let burst = u32::try_from(burst).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    Some(Quota::with_period(Duration::from_nanos(u64::try_from(nanos).ok()?))?.allow_burst(burst))
}

fn within(number: &Spanned<u32>, what: &str, most: u32, found: &mut Diagnostics) -> Result<NonZeroU32, ()> {
    NonZeroU32::new(number.value).filter(|n| n.get() <= most).ok_or_else(|| {
        found.error(&number.place, format!("`{what}` is between 1 and {most} here"));
    })
}
