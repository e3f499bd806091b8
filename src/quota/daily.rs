//! The daily quota: leased from a store in batches, so that the hot path is one atomic and a restart gives
//! nothing back.
//!
//! A lease is on disk before a unit of it is used; what a crash leaves unused is lost to the caller, never
//! doubled. The day is UTC's.

use std::{
    num::NonZeroU64,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::words::{
    Diagnostics,
    tree::Node,
    yaml::{FromYaml, expected},
};

/// A day of UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

const DAY_SECONDS: i64 = 86_400;

impl Day {
    /// The day of a moment.
    pub fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.as_second().div_euclid(DAY_SECONDS)).unwrap_or(0))
    }

    /// Seconds from a moment to the next day.
    pub(super) fn seconds_left(moment: Timestamp) -> u64 {
        u64::try_from(DAY_SECONDS - moment.as_second().rem_euclid(DAY_SECONDS)).unwrap_or(1)
    }
}

/// Where daily counters are kept. The store room implements it; it must answer or fail within a bound of
/// its own, because a request waits for it.
pub trait Counters: Send + Sync + std::fmt::Debug {
    /// Grants up to `amount` more of a key's day, never past `limit` in all; durable before it answers. 0
    /// means that the day is used up.
    fn lease<'a>(
        &'a self,
        key: &'a str,
        day: Day,
        amount: u32,
        limit: u64,
    ) -> BoxFuture<'a, Result<u32, Away>>;

    /// Takes back what was granted and not used.
    fn refund<'a>(&'a self, key: &'a str, day: Day, amount: u32) -> BoxFuture<'a, Result<(), Away>>;
}

/// The counters cannot be asked now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of the daily quotas is away: {0}")]
pub struct Away(pub String);

/// So many a day: `100000/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily(pub NonZeroU64);

impl FromStr for Daily {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix("/day")
            .filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|count| count.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a quota; write how many a day, as in `100000/day`"))
    }
}

impl FromYaml for Daily {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "a quota, as in `100000/day`", found);
            return None;
        };
        text.parse().map_err(|error: String| found.error(&node.place, error)).ok()
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/day$", "examples": ["100000/day"] })
    }
}

/// What became of one unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken.
    Unit,
    /// The day's quota is used up.
    Spent,
    /// The store cannot be asked now.
    Away,
}

/// What is at hand of one daily quota.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// INVARIANT: the day in the upper half, the units of its lease that are left in the lower.
    at_hand: AtomicU64,
    /// The limit at which the day in `at_hand` was found to be used up; 0 while it is not.
    spent_at: AtomicU64,
    /// One lease at a time; the others wait for it and use it.
    turn: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Takes one unit without waiting; none when a lease is needed first.
    pub(super) fn take_at_hand(&self, limit: u64, day: Day) -> Option<Taken> {
        let one_less = |packed| {
            let (of, left) = unpack(packed);
            (of == day && left > 0).then(|| pack(of, left - 1))
        };
        match self.at_hand.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less) {
            Ok(_) => Some(Taken::Unit),
            Err(packed) if unpack(packed).0 != day => None,
            Err(_) if self.spent_at.load(Ordering::Acquire) >= limit => Some(Taken::Spent),
            Err(_) => None,
        }
    }

    /// Takes one unit, from a new lease where none is at hand. Whoever waited for another's lease looks again
    /// before asking: a store that hangs costs its time once, not once a waiter.
    pub(super) async fn take(
        &self,
        limit: u64,
        day: Day,
        counters: &dyn Counters,
        key: &str,
        is_away: impl Fn() -> bool,
    ) -> Result<Taken, Away> {
        let _turn = self.turn.lock().await;
        if let Some(taken) = self.take_at_hand(limit, day) {
            return Ok(taken);
        }
        if is_away() {
            return Ok(Taken::Away);
        }
        let granted = counters.lease(key, day, batch(limit), limit).await?;
        // ORDER: the limit is noted before the empty lease shows, so that nobody asks again in between.
        self.spent_at.store(if granted == 0 { limit } else { 0 }, Ordering::Release);
        self.at_hand.store(pack(day, granted.saturating_sub(1)), Ordering::Release);
        Ok(if granted == 0 { Taken::Spent } else { Taken::Unit })
    }

    /// Takes back what is left, to be refunded.
    pub(super) fn settle(&self) -> Option<(Day, u32)> {
        let (day, left) = unpack(
            self.at_hand
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
                    let (day, left) = unpack(packed);
                    (left > 0).then(|| pack(day, 0))
                })
                .ok()?,
        );
        Some((day, left))
    }

    /// Whether it says nothing about today.
    pub(super) fn is_over(&self, today: Day) -> bool {
        unpack(self.at_hand.load(Ordering::Acquire)).0 < today
    }
}

/// A hundredth of the quota at a time: what a crash can lose.
fn batch(limit: u64) -> u32 {
    u32::try_from(limit / 100).unwrap_or(u32::MAX).clamp(1, 10_000)
}

fn pack(day: Day, left: u32) -> u64 {
    (u64::from(day.0) << 32) | u64::from(left)
}

fn unpack(packed: u64) -> (Day, u32) {
    let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (Day(half(packed >> 32)), half(packed))
}
