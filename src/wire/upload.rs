//! A request body that is streamed notes how far it is: the first-byte clock runs from the last byte that the peer
//! took, and not while the caller owes us some; the call clock runs from its end; and a connection is not free before
//! the request is through.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};

use parking_lot::Mutex;

use crate::{
    body::{Body, BodyError},
    clock,
};

/// How far a streamed request is, for its clocks and for whether the connection is free.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    state: AtomicU8,
    /// Microseconds after `began`: when the request moved last.
    moved: AtomicU64,
    /// How its body failed, which is the fault of whoever sends it.
    fault: Mutex<Option<BodyError>>,
}

/// What a streamed request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For the peer to take what is there; it moved last then.
    Peer(Instant),
    /// For whoever sends it to us.
    Sender,
    /// It has been through since then.
    Through(Instant),
}

const MOVING: u8 = 0;
const WAITING: u8 = 1;
const ENDED: u8 = 2;

impl Progress {
    fn new(now: Instant) -> Self {
        let (state, moved) = (AtomicU8::new(MOVING), AtomicU64::new(0));
        Self { began: now, state, moved, fault: Mutex::default() }
    }

    pub(super) fn stage(&self) -> Stage {
        let moved = Duration::from_micros(self.moved.load(Ordering::Relaxed));
        let moved = self.began.checked_add(moved).unwrap_or(self.began);
        match self.state.load(Ordering::Relaxed) {
            WAITING => Stage::Sender,
            ENDED => Stage::Through(moved),
            _ => Stage::Peer(moved),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state.load(Ordering::Relaxed) == ENDED
    }

    /// The fault of the body, told once.
    pub(super) fn fault(&self) -> Option<BodyError> {
        self.fault.lock().take()
    }

    fn note(&self, state: u8) {
        if state != WAITING {
            let moved = clock::mono().saturating_duration_since(self.began).as_micros();
            self.moved.store(u64::try_from(moved).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        self.state.store(state, Ordering::Relaxed);
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
            let progress = Arc::new(Progress::new(clock::mono()));
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
        if let Poll::Ready(Some(Err(fault))) = &polled {
            *self.progress.fault.lock() = Some(fault.told_again());
        }
        let state = match &polled {
            Poll::Pending => WAITING,
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => ENDED,
            Poll::Ready(Some(_)) => MOVING,
            Poll::Ready(None) => ENDED,
        };
        // What was through stays so, however often it is asked for more.
        if !self.progress.is_ended() {
            self.progress.note(state);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
