//! What goes out to a system and what comes back, before and after the wire.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use super::over::Parent;

/// A request in a system's own dialect. The upstream room adds the origin, the sign-in and the framing.
#[derive(Clone, Debug)]
pub struct NativeRequest {
    /// The method.
    pub method: Method,
    /// Path and query under the system's base address, percent-encoded, beginning with `/`.
    pub target: String,
    /// Header fields the dialect needs (`Accept`, `Content-Type`, `If-Match`, `Prefer`); never credentials.
    pub headers: HeaderMap,
    /// The whole body; empty for none.
    pub body: Bytes,
}

/// A system's answer, gathered within the system's bound.
#[derive(Clone, Debug)]
pub struct NativeAnswer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// When it had come whole; none of what was recorded.
    pub received: Option<Received>,
    /// The parent that it was asked for, or whose record it was asked for; none where that is not known.
    pub over: Option<Arc<Parent>>,
}

/// The moment at which an answer had come whole, as lines read it.
#[derive(Clone, Debug)]
pub struct Received(CompactString);

impl Received {
    /// At a moment.
    pub fn at(moment: Timestamp) -> Self {
        Self(format_compact!("{moment:.3}"))
    }

    /// It in RFC 3339.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
