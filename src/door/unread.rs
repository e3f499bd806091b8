//! What of a request's body nobody read, on a connection of many streams.
//!
//! HTTP/2 lets a server end a stream whose request is still on its way, and says so by a reset without an error (RFC
//! 9113 section 8.1). Callers that were still writing take that for a failure and lose the answer. So an answer to a
//! request whose body was dropped holds its own end back until the rest of the body has come, within the bounds of
//! lingering in time and bytes; the answer itself goes out at once. What somebody still reads is not waited for.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::body::{Body, BodyError};

type Left = Arc<Mutex<Option<Incoming>>>;

/// A request's body, which leaves what is unread behind.
struct Watched {
    incoming: Option<Incoming>,
    left: Left,
}

/// The end of an answer that waits for what was left unread of its request.
pub(super) struct Unread {
    left: Left,
    bytes: u64,
    time: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The body to hand on, and what the answer goes by; nothing where there is no body. So many bytes are discarded at
/// most, in so much time.
pub(super) fn watch(incoming: Incoming, bytes: u64, time: Duration) -> (Body, Option<Unread>) {
    if incoming.is_end_stream() {
        return (Body::Empty, None);
    }
    let left = Left::default();
    let body = Watched { incoming: Some(incoming), left: left.clone() };
    (Body::stream(body), Some(Unread { left, bytes, time, timer: None }))
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        Pin::new(incoming).poll_frame(context).map_err(|error| BodyError::Broken(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        *self.left.lock() = unread;
    }
}

impl Unread {
    /// Whether there is anything to wait for.
    pub(super) fn is_any(&self) -> bool {
        self.left.lock().is_some()
    }

    /// Ready when the rest has come, its sender gave up, or a bound is reached.
    pub(super) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut left = self.left.lock();
        while let Some(incoming) = &mut *left {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.time)));
            if timer.as_mut().poll(context).is_ready() {
                break;
            }
            let Some(Ok(frame)) = ready!(Pin::new(incoming).poll_frame(context)) else { break };
            let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
            match self.bytes.checked_sub(bytes) {
                Some(rest) => self.bytes = rest,
                None => break,
            }
        }
        *left = None;
        Poll::Ready(())
    }
}
