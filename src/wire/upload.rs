//! A request body that is streamed notes how far it is: the first-byte clock must not run while the caller owes us
//! bytes or the peer takes some, and a connection is not free before the request is through.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError};

/// How far a streamed request is, for the first-byte clock and for whether the connection is free.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: AtomicU8,
    moved: AtomicBool,
}

const WAITING: u8 = 1;
const ENDED: u8 = 2;

impl Progress {
    /// Whether the request moved since last asked, or waits for whoever sends it to us.
    pub(super) fn is_moving(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed) || self.state.load(Ordering::Relaxed) == WAITING
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state.load(Ordering::Relaxed) == ENDED
    }
}

/// A streamed request body that notes its progress.
struct Watched {
    body: Body,
    progress: Arc<Progress>,
}

/// Lets a streamed body note its progress; other bodies are at hand and need none.
pub(super) fn watch(request: &mut Request<Body>) -> Option<Arc<Progress>> {
    match request.body() {
        Body::Empty | Body::Full(_) => None,
        Body::Incoming(_) | Body::Stream(_) => {
            let progress = Arc::new(Progress::default());
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = Body::stream(Watched { body, progress: progress.clone() });
            Some(progress)
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let state = match &polled {
            Poll::Pending => WAITING,
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => ENDED,
            Poll::Ready(Some(_)) => 0,
            Poll::Ready(None) => ENDED,
        };
        self.progress.state.store(state, Ordering::Relaxed);
        self.progress.moved.store(polled.is_ready(), Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
