//! What can go wrong between us and a peer, in words for the operator.

use std::{io, net::SocketAddr, sync::Arc};

use http::Request;

use crate::body::{Body, BodyError};

/// Why an exchange with a peer did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// An address that cannot be dialled.
    #[error("`{url}` cannot be called: {why}")]
    Address {
        /// As it was given.
        url: Arc<str>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name did not resolve.
    #[error("`{peer}` does not resolve: {source}")]
    Resolve {
        /// Host and port.
        peer: Arc<str>,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name leads to this machine or its link, which has to be allowed by name.
    #[error("`{peer}` leads to `{address}`, which is local; `allow_local` does not allow it")]
    Local {
        /// Host and port.
        peer: Arc<str>,
        /// Where it leads.
        address: SocketAddr,
    },
    /// No connection.
    #[error("no connection to `{peer}`: {source}")]
    Connect {
        /// Host and port.
        peer: Arc<str>,
        /// What the system said.
        source: io::Error,
    },
    /// No TLS: the peer is not who it should be, or does not speak it.
    #[error("no TLS with `{peer}`: {source}")]
    Tls {
        /// Host and port.
        peer: Arc<str>,
        /// What rustls said.
        source: io::Error,
    },
    /// No HTTP/2 with a peer to which nothing else is spoken.
    #[error("no HTTP/2 with `{peer}`: {why}")]
    Version {
        /// Host and port.
        peer: Arc<str>,
        /// How that showed.
        why: &'static str,
    },
    /// The peer said that it did not take the request: it may be sent again, whatever it does (RFC 9113 §8.7).
    #[error("the peer did not take the request: {0}")]
    Untaken(#[source] hyper::Error),
    /// A clock ran out.
    #[error("the {} clock ran out", .0.as_str())]
    Timeout(Clock),
    /// The connection broke before the answer's head was there.
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    /// The answer is not HTTP we are willing to reason about.
    #[error("the answer is not sound: {0}")]
    BadAnswer(&'static str),
    /// The answer passes a bound.
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The answer's body broke off.
    #[error("the answer broke off: {0}")]
    Truncated(#[source] BodyError),
    /// The request's own body failed: whoever sends it to us is at fault, not the peer.
    #[error("the request's body failed: {0}")]
    Upload(#[source] BodyError),
}

/// The clocks of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Resolving, connecting and the TLS handshake.
    Connect,
    /// From the request's last byte to the answer's head.
    FirstByte,
    /// The whole exchange.
    Call,
}

impl Clock {
    /// As settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
            Self::Call => "call",
        }
    }
}

/// Whether the peer may have seen any of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly not: it may be sent again, whatever it does.
    No,
    /// Perhaps, in part or whole.
    Maybe,
}

impl Sent {
    /// As it is written down.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
        }
    }
}

/// A failed exchange.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: WireError,
    /// Whether the peer may have seen it.
    pub sent: Sent,
    /// The request, whole, when none of it went out.
    pub unsent: Option<Box<Request<Body>>>,
}

impl Failed {
    /// Failed after something may have been sent.
    pub(super) fn after(error: WireError) -> Box<Self> {
        Box::new(Self { error, sent: Sent::Maybe, unsent: None })
    }

    /// Failed before anything was sent.
    pub(super) fn before(error: WireError, unsent: Option<Box<Request<Body>>>) -> Box<Self> {
        Box::new(Self { error, sent: Sent::No, unsent })
    }
}
