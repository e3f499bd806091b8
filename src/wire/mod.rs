//! The HTTP client: pool, TLS, clocks; knows no policy and no system.
//!
//! HTTP/1.1 over connections that are kept alive, and HTTP/2 where an origin says so ([`Versions`]), a [`Pool`] per
//! core. It promises: an origin's TLS identity and sign-in never share a connection with another's; a doubtful
//! connection is never used again; an answer whose framing could be read in two ways is an error; a body that broke
//! off is never a shorter body; what certainly was not sent is told apart from what perhaps was ([`Sent`]); loopback,
//! link-local and our own listeners are called only where that was allowed.
//!
//! It does not follow redirects, decompress or cache, and takes nothing that is pushed.

mod client;
mod error;
mod exchange;
mod gather;
mod grpc;
mod head;
mod multiplex;
mod origin;
mod pool;
mod relay;
mod socket;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod trunk;
mod upload;

use std::time::{Duration, Instant};

pub use client::{Bounds, Client, get, once, target};
pub use error::{Clock, Failed, Sent, WireError};
pub use exchange::{Answer, Outcome, copied, is_safe};
pub use gather::gather;
pub use grpc::{grpc_timeout, is_grpc};
pub use head::{has_token, is_hop_by_hop, nominated, strip_hop_by_hop};
pub use origin::{Keep, Local, Origin, Own, Versions};
pub use pool::{Clocks, Pool};
pub use socket::{Socket, Tunnel, connected};
pub use tls::{Certificate, TlsClient, Trust, TrustError};

use crate::clock::Now;

/// When a whole exchange must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// So long from now.
    pub fn after(now: Now, period: Duration) -> Self {
        Self(now.mono.checked_add(period).unwrap_or(now.mono))
    }

    /// The sooner of two.
    pub fn sooner(self, other: Self) -> Self {
        self.min(other)
    }

    /// `period` from `start` or this deadline, whichever comes first, and whose clock that is.
    fn or_sooner(self, start: Instant, period: Duration, clock: Clock) -> (tokio::time::Instant, Clock) {
        match start.checked_add(period) {
            Some(until) if until < self.0 => (until.into(), clock),
            Some(_) | None => (self.0.into(), Clock::Call),
        }
    }
}

impl From<Deadline> for tokio::time::Instant {
    fn from(deadline: Deadline) -> Self {
        Self::from_std(deadline.0)
    }
}
