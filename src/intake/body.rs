//! Bodies within bounds: bytes, clocks, and the word of whoever lets the stream run.
//!
//! The clocks run only while we wait for the peer; a slow reader on our other side costs the sender nothing.
//! A body that is at hand costs no timer: one is made the first time we have to wait.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    body::{Body, BodyError},
    clock,
};

/// What a body may cost. What is `None` is not bounded here.
#[derive(Clone, Debug, Default)]
pub struct BodyBounds {
    /// Most bytes.
    pub bytes_max: Option<u64>,
    /// When it must have ended, by the request's deadline.
    pub deadline: Option<Instant>,
    /// When it must have ended, by the stream's lifetime.
    pub lifetime: Option<Instant>,
    /// The longest we wait for the next bytes.
    pub idle: Option<Duration>,
    /// The slowest it may come in all.
    pub rate: Option<Rate>,
    /// Ends the stream when its permission ends (revoked, drained).
    pub ended: Option<CancellationToken>,
}

/// The slowest a body may come, counted over the time we waited for it.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// Waiting that costs nothing.
    pub grace: Duration,
}

/// A body that ends in an error when it passes one of its bounds. Bytes at hand are only measured.
pub fn guarded(body: Body, bounds: BodyBounds) -> Body {
    let over = |length: u64| bounds.bytes_max.filter(|most| length > *most);
    match body {
        Body::Empty => Body::Empty,
        Body::Full(bytes) => match over(length(&bytes)) {
            None => Body::Full(bytes),
            Some(bytes_max) => Body::stream(Refused(Some(BodyError::TooLarge { bytes_max }))),
        },
        stream @ (Body::Stream(_) | Body::Incoming(_)) => match over(stream.size_hint().lower()) {
            None => Body::stream(Guarded::new(stream, bounds)),
            // Known from the head: refused before a byte is read, and before `100 Continue`.
            Some(bytes_max) => Body::stream(Refused(Some(BodyError::TooLarge { bytes_max }))),
        },
    }
}

/// Gathers a body within bounds. Trailers are not kept.
///
/// # Errors
/// A bound passed, or a body that broke off.
pub async fn gather(body: Body, bounds: BodyBounds) -> Result<Bytes, BodyError> {
    let mut stream = match guarded(body, bounds) {
        Body::Empty => return Ok(Bytes::new()),
        Body::Full(bytes) => return Ok(bytes),
        stream @ (Body::Stream(_) | Body::Incoming(_)) => stream,
    };
    let mut first = Bytes::new();
    let mut gathered = BytesMut::new();
    while let Some(frame) = stream.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() && gathered.is_empty() {
            first = data;
        } else {
            // A body of one frame is never copied; from the second on it is.
            gathered.extend_from_slice(&std::mem::take(&mut first));
            gathered.extend_from_slice(&data);
        }
    }
    Ok(if gathered.is_empty() { first } else { gathered.freeze() })
}

/// A body that was refused before it was read.
struct Refused(Option<BodyError>);

impl HttpBody for Refused {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

struct Guarded<B> {
    inner: B,
    bounds: BodyBounds,
    bytes: u64,
    /// Waiting that is over.
    waited: Duration,
    /// Waiting that goes on.
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    done: bool,
}

impl<B> Guarded<B> {
    fn new(inner: B, bounds: BodyBounds) -> Self {
        let ended = bounds.ended.clone().map(|token| Box::pin(token.cancelled_owned()));
        Self {
            inner,
            bounds,
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            timer: None,
            ended,
            done: false,
        }
    }

    fn took(&mut self, frame: &Frame<Bytes>) -> Result<(), BodyError> {
        if let Some(since) = self.waiting_since.take() {
            self.waited += clock::mono().saturating_duration_since(since);
        }
        // A stream that never makes us wait still has an end.
        for (at, clock) in [(self.bounds.deadline, "deadline"), (self.bounds.lifetime, "stream-lifetime")] {
            if at.is_some_and(|at| at <= clock::mono()) {
                return Err(BodyError::TooSlow { clock });
            }
        }
        self.bytes = self.bytes.saturating_add(frame.data_ref().map_or(0, length));
        match self.bounds.bytes_max {
            Some(bytes_max) if self.bytes > bytes_max => Err(BodyError::TooLarge { bytes_max }),
            Some(_) | None => Ok(()),
        }
    }

    /// The clock that runs out first while we wait, and when.
    fn next_clock(&self, since: Instant) -> Option<(Instant, &'static str)> {
        let rate = self.bounds.rate.map(|rate| {
            let earned = Duration::from_millis(
                self.bytes.saturating_mul(1000).checked_div(rate.bytes_per_second).unwrap_or(u64::MAX),
            );
            since + (rate.grace.saturating_add(earned)).saturating_sub(self.waited).min(FAR)
        });
        let clocks = [
            (self.bounds.deadline, "deadline"),
            (self.bounds.lifetime, "stream-lifetime"),
            (self.bounds.idle.map(|idle| since + idle.min(FAR)), "stream-idle"),
            (rate, "body-rate"),
        ];
        clocks.into_iter().filter_map(|(at, name)| Some((at?, name))).min_by_key(|(at, _)| *at)
    }

    /// Ready when a clock has run out.
    fn poll_clocks(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let now = clock::mono();
        let since = *self.waiting_since.get_or_insert(now);
        let Some((at, clock)) = self.next_clock(since) else { return Poll::Pending };
        if at <= now {
            return Poll::Ready(BodyError::TooSlow { clock });
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
        loop {
            // Re-armed lazily: a timer that is due too early only looks again.
            if timer.deadline() > at.into() || timer.is_elapsed() {
                timer.as_mut().reset(at.into());
            }
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= at.into() {
                return Poll::Ready(BodyError::TooSlow { clock });
            }
        }
    }
}

/// Further than any clock of ours reaches; keeps `Instant` arithmetic from overflowing.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl<B> HttpBody for Guarded<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        if let Some(ended) = &mut this.ended
            && ended.as_mut().poll(context).is_ready()
        {
            this.done = true;
            return Poll::Ready(Some(Err(BodyError::Ended("its permission ended"))));
        }
        let next = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Pending => Some(Err(ready!(this.poll_clocks(context)))),
            Poll::Ready(Some(Ok(frame))) => Some(this.took(&frame).map(|()| frame)),
            Poll::Ready(other) => other,
        };
        this.done = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
