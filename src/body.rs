//! The one body of the house, in both directions: nothing, bytes at hand, or a stream that is not gathered.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

/// A message body.
#[derive(Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes at hand, given away piece by piece: a peer that takes them slowly is seen to do so.
    Full(Bytes),
    /// What hyper reads from a peer: a variant of its own, so that the common road allocates nothing.
    Incoming(hyper::body::Incoming),
    /// Frames as they come, trailers included.
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

/// Why a streamed body ended early, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer broke off or sent what is not HTTP.
    #[error("the body broke off: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bound was passed.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// A clock ran out.
    #[error("the body took too long ({clock})")]
    TooSlow {
        /// Which clock: `body-rate`, `stream-idle`, `stream-lifetime`, `deadline`.
        clock: &'static str,
    },
    /// Whoever let the stream run no longer does (revoked, drained).
    #[error("the stream was ended: {0}")]
    Ended(&'static str),
}

impl BodyError {
    /// The same error for somebody else who is told of it.
    pub fn told_again(&self) -> Self {
        match self {
            Self::Broken(source) => Self::Broken(source.to_string().into()),
            Self::TooLarge { bytes_max } => Self::TooLarge { bytes_max: *bytes_max },
            Self::TooSlow { clock } => Self::TooSlow { clock },
            Self::Ended(why) => Self::Ended(why),
        }
    }
}

/// Most bytes of a frame made from bytes at hand.
const PIECE_BYTES: usize = 32 * 1024;

impl Body {
    /// A streamed body of frames.
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self::Stream(UnsyncBoxBody::new(body))
    }

    /// What hyper reads from a peer, as a body of ours.
    pub fn incoming(body: hyper::body::Incoming) -> Self {
        if http_body::Body::is_end_stream(&body) {
            return Self::Empty;
        }
        Self::Incoming(body)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                if bytes.len() > PIECE_BYTES {
                    return Poll::Ready(Some(Ok(Frame::data(bytes.split_to(PIECE_BYTES)))));
                }
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Incoming(incoming) => {
                Pin::new(incoming).poll_frame(context).map_err(|error| BodyError::Broken(error.into()))
            }
            Self::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Incoming(incoming) => incoming.is_end_stream(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Body::Empty"),
            Self::Full(bytes) => write!(f, "Body::Full({} bytes)", bytes.len()),
            Self::Incoming(_) => f.write_str("Body::Incoming(…)"),
            Self::Stream(_) => f.write_str("Body::Stream(…)"),
        }
    }
}
