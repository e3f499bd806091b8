//! Governed calls to systems: a receipt of the journal is needed, and the system's own bounds hold.
//!
//! An [`Upstream`] is one system: several equal addresses, of which the less loaded of two is called; passive
//! health, and active checks where the file asks for them; a breaker; clocks; a bound on calls at once and on an answer's size; retries only where nothing was
//! sent or the call only reads, within a budget; and the gate's own sign-in. Live state is shared by all cores
//! and survives a reload that does not change the system ([`Registry`]); connections belong to a core
//! ([`CorePools`]).
//!
//! Nothing here decides whether a call is right: that was done by whoever got the receipt.

mod attempt;
mod balance;
mod breaker;
mod bridge;
mod call;
mod configure;
mod error;
mod forward;
mod health;
mod pace;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use http::{HeaderName, HeaderValue};
use tower::retry::budget::TpsBudget;

pub use attempt::Told;
pub use bridge::{BridgeClocks, BridgeEnd, Bridged, bridge};
pub use call::{CorePools, Opened, Slot};
pub use configure::{Finder, Means, Registry};
pub use error::{Asked, Broken, SignInError, UpstreamError};
pub use forward::{OnBehalf, Passed};
pub use health::Checked;
pub use settings::{KEYS, Settings};
pub use sign_in::{Keeps, Strayed, Unfinished};

use crate::{
    wire::Clocks,
    words::{SystemName, yaml::Spanned},
};

/// One system, ready to be called.
pub struct Upstream {
    name: SystemName,
    balance: balance::Balance,
    breaker: breaker::Breaker,
    health: Option<health::Health>,
    budget: TpsBudget,
    sign_ins: sign_in::SignIns,
    /// How new records reach it, where it is not by one request.
    delivery: Option<sign_in::Delivery>,
    /// Fields of the file, added to every request.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Services of gRPC that are called under their own paths.
    services: Vec<Spanned<String>>,
    /// The addresses' common path, without a slash at its end.
    prefix: Box<str>,
    clocks: Clocks,
    tries_max: u32,
    concurrency_max: u32,
    pace: Option<pace::Pace>,
    answer_bytes_max: u64,
    in_flight: AtomicU32,
}

/// How a system is doing, for `/api/systems` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Calls under way.
    pub in_flight: u32,
    /// Whether it is being left alone, or tried after that.
    pub is_left_alone: bool,
    /// Its addresses.
    pub addresses: Vec<AddressState>,
}

/// How one address is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressState {
    /// Host and port.
    pub peer: Arc<str>,
    /// Calls under way.
    pub in_flight: u32,
    /// Whether it is left out because it kept failing.
    pub is_out: bool,
    /// What health checks say.
    pub checked: Checked,
}

impl Upstream {
    /// Its name.
    pub fn name(&self) -> &SystemName {
        &self.name
    }

    /// Full names of the services of gRPC that are called under their own paths.
    pub fn services(&self) -> &[Spanned<String>] {
        &self.services
    }

    /// Whether what is posted to a path goes in steps, and may be accepted long before the system says what became of it.
    pub fn delivers(&self, path: &str) -> bool {
        self.delivery.as_ref().is_some_and(|delivery| delivery.is_at(&self.prefix, path))
    }

    /// Whether signing in may use up a secret: an issuer may give another refresh token in the place of the one that it
    /// was shown (RFC 6749 §6), and only the process that asked knows it then.
    pub fn may_use_up_a_secret(&self) -> bool {
        self.sign_ins.may_use_up_a_secret()
    }

    /// How it is doing.
    pub fn state(&self) -> State {
        let addresses = self.balance.state().map(|(peer, in_flight, is_out, checked)| AddressState {
            peer: peer.clone(),
            in_flight,
            is_out,
            checked,
        });
        State {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            is_left_alone: self.breaker.is_open(),
            addresses: addresses.collect(),
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.name)
    }
}
