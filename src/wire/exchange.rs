//! One request, one answer, on one connection.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, UPGRADE},
};
use http_body::{Body as _, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::TrySendError};

use super::{
    Clock, Clocks, Deadline, Failed, Origin, Pool, Tunnel, WireError, head,
    pool::{Connection, Lease, Timing, drive},
    trunk::Stream,
    upload::{Progress, Stage, watch},
};
use crate::{
    body::{Body, BodyError},
    clock::Now,
};

/// Idle longer than this, a connection may have been closed by its peer without our knowing yet.
const STALE_AFTER: Duration = Duration::from_millis(250);

/// Most fields of an answer's head, which is hyper's own bound for HTTP/1.1.
const FIELDS_MAX: usize = 100;
const HEAD_TOO_LARGE: &str = "its head is larger than 32 KiB or 100 fields";

/// What a peer answered.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Response<Answer>),
    /// It left HTTP behind, as we had asked it to.
    Switched(Response<()>, Tunnel),
}

/// An answer's body. It drives its connection while it is read, and gives it back when it ended well; dropped
/// before its end, the connection goes with it.
pub struct Answer {
    incoming: Incoming,
    held: Option<Held>,
    upload: Option<Arc<Progress>>,
    after: After,
}

/// What an exchange holds until its answer ended.
enum Held {
    /// A connection of its own, which is driven by whoever reads.
    Lease(Lease),
    /// One of the streams of a connection, which is driven by itself.
    Stream { _counted: Stream },
}

/// What becomes of a connection after an exchange that ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It is given back.
    Kept,
    /// It is closed: a GET or HEAD carried a body, and a peer that reads none there takes it for its next request.
    Closed,
}

impl Pool {
    /// Sends a request and waits for the answer's head. `request` has `Host` and its target in origin form.
    ///
    /// A request of which nothing went out because an idle connection turned out to be closed is sent once
    /// more on another. Nothing else is sent twice here; see [`Failed::sent`].
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn send(
        &self,
        origin: &Arc<Origin>,
        request: impl Into<Box<Request<Body>>>,
        clocks: &Clocks,
        deadline: Deadline,
        now: Now,
    ) -> Result<Outcome, Box<Failed>> {
        let timing = Timing { clocks, deadline, now };
        match origin.second {
            None => self.transmit(origin, request.into(), Repeat::Never, &timing, None).await,
            Some(_) => Box::pin(self.transmit_either(origin, request.into(), Repeat::Never, &timing)).await,
        }
    }

    /// Like [`Pool::send`], for a request that may be repeated (a safe method): when it broke unanswered on a
    /// connection that had been idle for a while, [`Failed::unsent`] holds it too, to be sent anew.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn send_repeatable(
        &self,
        origin: &Arc<Origin>,
        request: impl Into<Box<Request<Body>>>,
        clocks: &Clocks,
        deadline: Deadline,
        now: Now,
    ) -> Result<Outcome, Box<Failed>> {
        let timing = Timing { clocks, deadline, now };
        match origin.second {
            None => self.transmit(origin, request.into(), Repeat::WhenStale, &timing, None).await,
            Some(_) => {
                Box::pin(self.transmit_either(origin, request.into(), Repeat::WhenStale, &timing)).await
            }
        }
    }

    /// Over HTTP/1.1; `opened` is a connection that is there already.
    pub(super) async fn transmit(
        &self,
        origin: &Arc<Origin>,
        mut request: Box<Request<Body>>,
        repeat: Repeat,
        timing: &Timing<'_>,
        mut opened: Option<Lease>,
    ) -> Result<Outcome, Box<Failed>> {
        let after = After::of(&mut request);
        let upload = watch(&mut request);
        let wanted = request.headers().get(UPGRADE).cloned();
        loop {
            let mut lease = match opened.take() {
                Some(lease) => lease,
                None => match self.lease(origin, timing).await {
                    Ok(lease) => lease,
                    Err(error) => return Err(Failed::before(error, Some(request))),
                },
            };
            let (start, reused) = match lease.connection() {
                Some(connection) if connection.reused => (timing.now.mono, true),
                Some(_) | None => (crate::clock::mono(), false),
            };
            // Copying costs; only a connection that has been idle for a while is likely to break unanswered.
            let stale = repeat == Repeat::WhenStale && lease.idled(timing.now) >= STALE_AFTER;
            let copy = if stale { copied(&request).map(Box::new) } else { None };
            let exchanged = match lease.connection_mut() {
                Some(connection) => connection.exchange(request, start, timing, upload.as_ref()).await,
                None => Err(Failed::before(WireError::BadAnswer("there is no connection"), Some(request))),
            };
            match exchanged {
                Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Box::pin(switched(lease, answer, wanted.as_ref())).await;
                }
                Ok(answer) => return answered(Held::Lease(lease), answer, upload, after),
                Err(mut failed) => match failed.unsent.take() {
                    Some(unsent) if reused => request = unsent,
                    Some(unsent) => {
                        failed.unsent = Some(unsent);
                        return Err(failed);
                    }
                    None => {
                        failed.unsent = copy.filter(|_| matches!(failed.error, WireError::Broken(_)));
                        return Err(failed);
                    }
                },
            }
        }
    }
}

/// Whether a request that may have been sent may be handed back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Never,
    WhenStale,
}

impl After {
    /// Of a request, whose peer is told where the connection will be closed.
    fn of(request: &mut Request<Body>) -> Self {
        let is_bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_bodiless || request.body().is_end_stream() {
            return Self::Kept;
        }
        // A request that comes back to be sent anew says so already.
        if !head::has_token(request.headers(), CONNECTION, "close") {
            request.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
        }
        Self::Closed
    }
}

impl Connection {
    async fn exchange(
        &mut self,
        request: Box<Request<Body>>,
        start: Instant,
        timing: &Timing<'_>,
        upload: Option<&Arc<Progress>>,
    ) -> Result<Response<Incoming>, Box<Failed>> {
        let (until, mut clock) = match upload {
            Some(upload) => timing.of_upload(upload, start, start),
            None => timing.deadline.or_sooner(start, timing.clocks.first_byte, Clock::FirstByte),
        };
        self.alarm.as_mut().reset(until);
        let mut sending = pin!(self.sender.try_send_request(*request));
        let (driver, alarm, done) = (&mut self.driver, &mut self.alarm, &mut self.done);
        let mut once = |inner: &mut Context<'_>, outer: &mut Context<'_>| {
            drive(driver, done, inner);
            if let Poll::Ready(answer) = sending.as_mut().poll(inner) {
                return Poll::Ready(answer.map_err(refused));
            }
            if *done {
                return Poll::Ready(Err(Failed::after(WireError::BadAnswer(
                    "the connection ended unanswered",
                ))));
            }
            while alarm.as_mut().poll(outer).is_ready() {
                // The peer is not late while it takes bytes, or while the caller owes us some.
                let now = crate::clock::mono();
                let until = match upload {
                    Some(upload) => {
                        let (until, next) = timing.of_upload(upload, start, now);
                        clock = next;
                        until
                    }
                    None => now.into(),
                };
                if until <= now.into() {
                    return Poll::Ready(Err(Failed::after(WireError::Timeout(clock))));
                }
                alarm.as_mut().reset(until);
            }
            Poll::Pending
        };
        let relay = &self.relay;
        std::future::poll_fn(|context| relay.poll(context, &mut once)).await
    }
}

impl Timing<'_> {
    /// The clock of a streamed request that runs out first, and when: after its last move, and not before `start`. Where
    /// that depends on what it does next, when to look again.
    pub(super) fn of_upload(
        &self,
        upload: &Progress,
        start: Instant,
        now: Instant,
    ) -> (tokio::time::Instant, Clock) {
        let Clocks { first_byte, call, .. } = *self.clocks;
        let look_again = Deadline(now.checked_add(first_byte.min(call)).unwrap_or(now)).sooner(self.deadline);
        match upload.stage() {
            Stage::Through(since) if call < first_byte => {
                self.deadline.or_sooner(since.max(start), call, Clock::Call)
            }
            Stage::Through(since) => self.deadline.or_sooner(since.max(start), first_byte, Clock::FirstByte),
            Stage::Peer(since) => look_again.or_sooner(since.max(start), first_byte, Clock::FirstByte),
            Stage::Sender => (look_again.into(), Clock::Call),
        }
    }
}

/// What hyper says, in our words.
fn refused(mut failed: TrySendError<Request<Body>>) -> Box<Failed> {
    let unsent = failed.take_message();
    let error = failed.into_error();
    if let Some(fault) = upload_fault(&error) {
        return Failed::after(WireError::Upload(fault));
    }
    let error = if error.is_parse_too_large() {
        WireError::BadAnswer(HEAD_TOO_LARGE)
    } else if error.is_parse() {
        WireError::BadAnswer("it is not HTTP/1.1")
    } else {
        WireError::Broken(error)
    };
    match unsent {
        Some(request) => Failed::before(error, Some(Box::new(request))),
        None => Failed::after(error),
    }
}

/// The fault of the request's own body, when that is what ended the exchange.
fn upload_fault(error: &hyper::Error) -> Option<BodyError> {
    let fault = std::error::Error::source(error)?.downcast_ref::<BodyError>()?;
    Some(fault.told_again())
}

/// Checks the answer's head and strips what belongs to the connection.
fn answered(
    held: Held,
    answer: Response<Incoming>,
    upload: Option<Arc<Progress>>,
    after: After,
) -> Result<Outcome, Box<Failed>> {
    let (mut parts, incoming) = answer.into_parts();
    head::sound(&parts).map_err(unsound)?;
    head::strip_hop_by_hop(&mut parts.headers);
    parts.version = Version::HTTP_11;
    let mut body = Answer { incoming, held: Some(held), upload, after };
    if body.incoming.is_end_stream() {
        body.ended();
    }
    Ok(Outcome::Answered(Response::from_parts(parts, body)))
}

/// The same of an answer that came over a stream of HTTP/2.
pub(super) fn answered_by_stream(
    stream: Stream,
    answer: Response<Incoming>,
    upload: Option<Arc<Progress>>,
) -> Result<Outcome, Box<Failed>> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(unsound("it switched protocols inside HTTP/2"));
    }
    if answer.headers().len() > FIELDS_MAX {
        return Err(unsound(HEAD_TOO_LARGE));
    }
    answered(Held::Stream { _counted: stream }, answer, upload, After::Kept)
}

/// Takes the socket over, if the switch is the one that was asked for. Of what belongs to the connection its head
/// keeps the protocol alone.
async fn switched(
    lease: Lease,
    answer: Response<Incoming>,
    wanted: Option<&HeaderValue>,
) -> Result<Outcome, Box<Failed>> {
    let (mut parts, _) = answer.into_parts();
    head::sound(&parts).map_err(unsound)?;
    let protocol = parts.headers.get(UPGRADE).filter(|protocol| is_same_protocol(wanted, protocol)).cloned();
    let Some(protocol) = protocol else {
        return Err(unsound("it switched protocols unasked"));
    };
    head::strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, protocol);
    match take_over(lease).await {
        Some(tunnel) => Ok(Outcome::Switched(Response::from_parts(parts, ()), tunnel)),
        None => Err(unsound("the connection broke while it switched protocols")),
    }
}

fn unsound(why: &'static str) -> Box<Failed> {
    Failed::after(WireError::BadAnswer(why))
}

fn is_same_protocol(wanted: Option<&HeaderValue>, switched: &HeaderValue) -> bool {
    wanted.is_some_and(|wanted| {
        let mut wanted = wanted.as_bytes().split(|byte| *byte == b',');
        wanted.any(|one| one.trim_ascii().eq_ignore_ascii_case(switched.as_bytes().trim_ascii()))
    })
}

async fn take_over(lease: Lease) -> Option<Tunnel> {
    let mut connection = lease.take()?;
    if !connection.done {
        std::future::poll_fn(|context| connection.driver.poll_without_shutdown(context)).await.ok()?;
    }
    let parts = connection.driver.into_parts();
    Some(Tunnel { read: parts.read_buf, socket: parts.io.into_inner() })
}

/// The same request once more, when it has no body that would be spent.
pub fn copied(request: &Request<Body>) -> Option<Request<Body>> {
    let body = match request.body() {
        Body::Empty => Body::Empty,
        Body::Full(bytes) => Body::Full(bytes.clone()),
        Body::Incoming(_) | Body::Stream(_) => return None,
    };
    let mut copy = Request::new(body);
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    Some(copy)
}

impl Answer {
    /// As a body of the house; `guard` lives as long as the body does.
    pub fn into_body<G: Send + Unpin + 'static>(self, guard: G) -> Body {
        if self.held.is_none() {
            return Body::Empty;
        }
        Body::stream(Guarded { answer: self, _guard: guard })
    }

    /// The exchange is over: the connection is free, unless the request is still being sent or it is in doubt.
    fn ended(&mut self) {
        if let Some(Held::Lease(lease)) = self.held.take()
            && self.after == After::Kept
            && self.upload.as_ref().is_none_or(|upload| upload.is_ended())
        {
            lease.give_back();
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let incoming = &mut this.incoming;
        let connection = match &mut this.held {
            Some(Held::Lease(lease)) => lease.connection_mut(),
            Some(Held::Stream { .. }) | None => None,
        };
        let polled = match connection {
            Some(connection) => connection.poll(context, |inner| Pin::new(&mut *incoming).poll_frame(inner)),
            None => Pin::new(incoming).poll_frame(context),
        };
        match ready!(polled) {
            Some(Ok(frame)) => {
                if this.incoming.is_end_stream() {
                    this.ended();
                }
                Poll::Ready(Some(Ok(frame.map_trailers())))
            }
            Some(Err(error)) => {
                this.held = None;
                Poll::Ready(Some(Err(BodyError::Broken(error.into()))))
            }
            None => {
                this.ended();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Trailers keep only what may stand there.
trait MapTrailers {
    fn map_trailers(self) -> Self;
}

impl MapTrailers for Frame<Bytes> {
    fn map_trailers(self) -> Self {
        match self.into_trailers() {
            Ok(mut trailers) => {
                clean_trailers(&mut trailers);
                Self::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }
}

/// RFC 9110 §6.5.1: framing, routing and authentication do not come afterwards.
fn clean_trailers(trailers: &mut HeaderMap) {
    head::strip_hop_by_hop(trailers);
    for name in ["content-length", "host", "set-cookie", "www-authenticate", "authorization", "trailer"] {
        trailers.remove(name);
    }
}

/// An answer and something that must live as long.
struct Guarded<G> {
    answer: Answer,
    _guard: G,
}

impl<G: Send + Unpin + 'static> http_body::Body for Guarded<G> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().answer).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

/// Methods that ask for nothing but an answer (RFC 9110 §9.2.1).
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}
