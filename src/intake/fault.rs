//! Why a head is refused. Safe to tell the caller: it speaks of what the caller sent and nothing else.

use super::PathFault;

/// What the door saw in the bytes of an HTTP/1 head that the HTTP library hides from us. The door puts it
/// among the request's extensions; [`super::head`] refuses the request for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Two lengths that can disagree.
    #[error("`content-length` and `transfer-encoding` stand together")]
    TwoLengths,
    /// `Transfer-Encoding` other than the one word `chunked`.
    #[error("`transfer-encoding` must be `chunked`, once")]
    OddEncoding,
    /// A header line continued on the next.
    #[error("a header is folded over two lines")]
    Folded,
    /// A line that ends in LF alone.
    #[error("a line ends without carriage return")]
    BareLineFeed,
    /// A carriage return inside a line.
    #[error("a carriage return stands inside a line")]
    BareCarriageReturn,
    /// A length behind so much white space that two readers may not both see it.
    #[error("`content-length` is padded")]
    PaddedLength,
    /// Chunks before this head whose end is in doubt.
    #[error("the chunks before this request are not well formed")]
    BadChunk,
    /// `#` in the request's target.
    #[error("the target holds `#`")]
    Fragment,
    /// A value that begins or ends with white space, which HTTP/1 does not have (RFC 9113 §8.2.1).
    #[error("a header's value begins or ends with white space")]
    PaddedValue,
    /// A scheme other than the connection's.
    #[error("the scheme is not the one of this listener")]
    Scheme,
    /// A HEAD with a body: systems may take its bytes for the next request (RFC 9110 §9.3.2).
    #[error("a HEAD request carries a body")]
    HeadWithBody,
    /// What a trusted proxy wrote of the caller's address is no address.
    #[error("the proxy's word on the caller's address cannot be read")]
    Forwarded,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Bytes that two readers could frame differently.
    #[error("{0}")]
    Framing(#[from] HeadFault),
    /// A path without normal form.
    #[error("{0}")]
    Path(#[from] PathFault),
    /// A query with raw or badly encoded bytes.
    #[error("the query holds a character that must be percent-encoded")]
    Query,
    /// No host, or one that is not a name or address with an optional port.
    #[error("the host is missing or not a host")]
    Host,
    /// Two hosts, also where `:authority` or the target names another than `host`.
    #[error("the request names two hosts")]
    TwoHosts,
    /// A host this listener does not serve.
    #[error("this host is not served here")]
    UnknownHost,
    /// CONNECT, TRACE, or a name that is none.
    #[error("the method is not allowed")]
    Method,
    /// The method said twice.
    #[error("`{0}` is not taken; send the method itself")]
    MethodOverride(&'static str),
    /// A header that must stand once.
    #[error("`{0}` stands more than once")]
    Repeated(&'static str),
    /// A header we read with bytes outside visible ASCII.
    #[error("`{0}` holds a byte outside visible ASCII")]
    HeaderBytes(&'static str),
    /// A length that is not plain digits.
    #[error("`content-length` is not a plain number")]
    ContentLength,
    /// A body where there cannot be one.
    #[error("this request cannot carry a body")]
    UnexpectedBody,
    /// An expectation other than `100-continue`.
    #[error("only `expect: 100-continue` is met")]
    Expectation,
    /// An upgrade that is not a GET over HTTP/1.1 with `Connection: upgrade`, or to HTTP/2.
    #[error("the upgrade is not well formed")]
    Upgrade,
    /// Too many headers.
    #[error("more than {0} headers")]
    TooManyHeaders(usize),
    /// Headers too large.
    #[error("headers larger than {0} bytes")]
    HeadersTooLarge(usize),
    /// An HTTP version we do not speak.
    #[error("this version of HTTP is not spoken here")]
    Version,
}
