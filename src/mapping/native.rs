//! What goes out to a system and what comes back, before and after the wire.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

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
}
