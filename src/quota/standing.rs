//! What a caller is told of its limits: `RateLimit` and `RateLimit-Policy` as structured fields
//! (draft-ietf-httpapi-ratelimit-headers), and the refusal of a request that is over one.

use std::{fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;

use crate::words::{PlanName, Rate};

/// One limit: `"partner";q=10;w=1`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: PlanName,
    pub(super) limit: u64,
    /// None for a number of requests in flight.
    pub(super) window: Option<Duration>,
}

impl Item {
    /// A rate as it is told. A burst above its count is the limit, and the time in which it fills again the window:
    /// what remains is never more than the limit, and who keeps to both together is not refused.
    pub(super) fn of_rate(name: PlanName, rate: Rate, burst: Option<u32>) -> Self {
        let count = rate.count.get();
        match burst.filter(|burst| *burst > count) {
            Some(burst) => {
                // Both at least 1 s and 1: the division is of numbers that are there.
                let fills = u64::from(burst).saturating_mul(rate.window.as_secs()).div_ceil(u64::from(count));
                Self { name, limit: u64::from(burst), window: Some(Duration::from_secs(fills)) }
            }
            None => Self { name, limit: u64::from(count), window: Some(rate.window) },
        }
    }
}

/// One limit of a plan, and all limits of that plan as they are told.
#[derive(Debug)]
pub struct Policy {
    /// `partner`, `partner.concurrent` or `partner.day`.
    pub name: PlanName,
    /// So many requests.
    pub limit: u64,
    advertised: HeaderValue,
}

impl Policy {
    pub(super) fn new(item: Item, advertised: &HeaderValue) -> Arc<Self> {
        Arc::new(Self { name: item.name, limit: item.limit, advertised: advertised.clone() })
    }

    pub(super) fn alone(item: Item) -> Arc<Self> {
        let told = advertised([Some(&item), None, None]);
        Self::new(item, &told)
    }
}

/// The `RateLimit-Policy` of a plan.
// INVARIANT: names are small letters, digits, `-` and `.`: a structured string without escapes.
pub(super) fn advertised(items: [Option<&Item>; 3]) -> HeaderValue {
    let mut told = String::new();
    for item in items.into_iter().flatten() {
        let comma = if told.is_empty() { "" } else { ", " };
        let unit = match item.window {
            Some(window) => format!("w={}", window.as_secs()),
            None => r#"qu="concurrent-requests""#.to_owned(),
        };
        told.push_str(&format!("{comma}\"{}\";q={};{unit}", item.name, item.limit));
    }
    HeaderValue::try_from(told).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// How a caller stands with the limit that is nearest to refusing it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which limit.
    pub policy: Arc<Policy>,
    /// Requests that would pass now.
    pub remaining: u64,
    /// When all of it is there again.
    pub reset: Duration,
}

impl Standing {
    /// The one of two that is nearer to refusing: with the smaller part of its limit left.
    pub(super) fn nearer(self, other: Self) -> Self {
        let left = |standing: &Self, of: &Self| u128::from(standing.remaining) * u128::from(of.policy.limit);
        if left(&self, &other) <= left(&other, &self) { self } else { other }
    }
}

/// The values of `RateLimit-Policy` and `RateLimit`.
pub fn headers(standing: &Standing) -> (HeaderValue, HeaderValue) {
    let mut now = String::with_capacity(48);
    let reset = seconds(standing.reset);
    // Writing to a string cannot fail; were it to, the value would be cut, not wrong.
    let written = write!(now, "\"{}\";r={};t={reset}", standing.policy.name, standing.remaining);
    let value = match written {
        Ok(()) => HeaderValue::from_maybe_shared(Bytes::from(now)).ok(),
        Err(_) => None,
    };
    (standing.policy.advertised.clone(), value.unwrap_or_else(|| HeaderValue::from_static("")))
}

/// Whole seconds, rounded up: a caller that waits as long as it was told is let in.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Which sort of limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// Too many in too short a time.
    Rate,
    /// Too many at once.
    Concurrency,
    /// Too many today.
    Quota,
    /// Too much is shown already.
    Exposure,
    /// The store of the daily quota is away, and the plan fails closed; or that of exposures is.
    Away,
    /// Too many callers are counted; there is no room to count this one.
    Room,
    /// A plan that the bundle does not know.
    Plan,
}

impl LimitKind {
    /// For the journal and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Quota => "quota",
            Self::Exposure => "exposure",
            Self::Away => "counters_away",
            Self::Room => "no_room",
            Self::Plan => "unknown_plan",
        }
    }
}

/// A request is over a limit.
#[derive(Clone, Debug, thiserror::Error)]
#[error("over the {} of `{}`", kind.as_str(), standing.policy.name)]
pub struct Limited {
    /// Which sort of limit.
    pub kind: LimitKind,
    /// Where the caller stands with it.
    pub standing: Standing,
    /// When it may try again.
    pub retry_after: Duration,
}

impl Limited {
    /// The value of `Retry-After`, 1 or more.
    pub fn retry_after_seconds(&self) -> u64 {
        seconds(self.retry_after).max(1)
    }
}
