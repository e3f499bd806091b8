//! What happens at the door without a request: the integrator writes it down.

use std::{net::SocketAddr, sync::Arc};

use crate::words::{Channel, ListenerName};

/// Told of everything that never reaches a handler. Called on the connection's core: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// The HTTP layer ended a connection by itself, or one stream of HTTP/2 that never became a request. Where [`Refusal::answer`] is a status, that answer was sent.
    fn refused_by_protocol(&self, channel: &Arc<Channel>, what: Refusal);

    /// A TLS handshake did not come to an end.
    fn handshake_failed(&self, listener: &ListenerName, peer: SocketAddr, why: HandshakeFailure);

    /// A connection was closed as soon as it was accepted.
    fn turned_away(&self, listener: &ListenerName, peer: SocketAddr, why: TurnedAway);

    /// Accepting failed for want of resources; it is tried again after a pause.
    fn accept_failed(&self, listener: &ListenerName, error: &std::io::Error);
}

/// Why the HTTP layer ended a connection or a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The head is not HTTP/1.
    #[error("the head is not HTTP")]
    BadHead,
    /// The head is larger than the bounds.
    #[error("the head is too large")]
    HeadTooLarge,
    /// The target is longer than any we take.
    #[error("the target is too long")]
    TargetTooLong,
    /// HTTP/2 spoken where it is not offered.
    #[error("http/2 is not offered here")]
    WrongProtocol,
    /// Frames that are not HTTP/2, a head that is none, or a flood.
    #[error("the frames are not HTTP/2, or too many")]
    BadFrames,
    /// A clock ran out.
    #[error("the {} clock ran out", .0.as_str())]
    Late(Clock),
}

/// The clocks of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Until the first byte.
    FirstByte,
    /// From the first byte of a head to its last.
    Head,
    /// Between requests; not a refusal and not reported.
    Idle,
    /// For a caller that does not read.
    SlowReader,
    /// After a refusal; not reported.
    Linger,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFailure {
    /// It took too long.
    #[error("the handshake took too long")]
    Late,
    /// The caller went away.
    #[error("the caller went away")]
    Gone,
    /// TLS failed; the text is the library's, without bytes of the caller's.
    #[error("{0}")]
    Tls(String),
}

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// `connections_max`.
    #[error("the listener has all the connections it takes")]
    Connections,
    /// `connections_per_address_max`.
    #[error("the address has all the connections it may have")]
    ConnectionsOfAddress,
    /// `handshakes_per_address_max`.
    #[error("the address has all the handshakes it may have")]
    HandshakesOfAddress,
}

impl Refusal {
    /// The status the HTTP layer answered; none where the connection was cut, or HTTP/2 closed it with an
    /// error code of its own.
    pub fn answer(self) -> Option<u16> {
        match self {
            Self::BadHead => Some(400),
            Self::HeadTooLarge => Some(431),
            Self::TargetTooLong => Some(414),
            Self::WrongProtocol | Self::BadFrames | Self::Late(_) => None,
        }
    }

    /// What an ended connection says of the caller; none where it just went away.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        use std::error::Error as _;
        if error.is_parse_version_h2() {
            Some(Self::WrongProtocol)
        } else if error.is_parse_too_large() {
            // The library has one predicate for both; its text tells them apart.
            let target = error.to_string().contains("URI");
            Some(if target { Self::TargetTooLong } else { Self::HeadTooLarge })
        } else if error.is_parse() {
            Some(Self::BadHead)
        } else {
            // HTTP/2 errors have no predicate; `detected` are those we found, the others are the caller's end.
            let source = error.source().map(ToString::to_string).unwrap_or_default();
            source.starts_with("connection error detected").then_some(Self::BadFrames)
        }
    }
}

impl Clock {
    /// In logs and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstByte => "first-byte",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::SlowReader => "slow-reader",
            Self::Linger => "linger",
        }
    }
}
