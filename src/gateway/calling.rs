//! A request passed through to a system as it is: judged, written down, streamed both ways.
//!
//! What may change something runs in a task of its own up to the head of its answer and the entry of that: a caller
//! who goes away changes nothing, but that a body which was still coming breaks off. What then becomes of it is what
//! the system says, or unknown.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    exchange::{self, Exchange, Progress},
    streamed::{Closing, Passing, Streamed, Upload, over},
};
use crate::{
    audit::{Answered, Ended, Safety},
    body::{Body, BodyError},
    catalog::{Call, Operation},
    clock::{self, Now},
    config::Served,
    door::Bounds,
    identity::Ending,
    intake::{BodyBounds, Head, guarded},
    policy::{self, CallPermit, Denied, Detail},
    quota::Admission,
    refusal::Refusal,
    upstream::{BridgeClocks, BridgeEnd, Opened, Passed, Slot, UpstreamError, bridge},
    wire::{self, Deadline, Tunnel, WireError},
    words::Digest,
};

/// A call that was sent, and what hangs on it.
struct Sent {
    opened: Opened,
    /// The caller's body on its way, where there is one.
    upload: Option<Upload>,
    ending: Ending,
    /// Until when whoever calls waits, where it says so.
    until: Option<Instant>,
}

/// Passes a request through that may change something; the caller gets the answer if it is still there.
pub(super) async fn to_its_end(
    exchange: Box<Exchange>,
    admission: Box<Admission>,
    head: Box<Head>,
    unread: Body,
) -> Response<Body> {
    let request = exchange.entry.request();
    let tasks = exchange.core.tasks.clone();
    match tasks.spawn(passed(exchange, admission, head, unread, None)).await {
        Ok(response) => response,
        // It panicked: whoever has the handle on its entry writes that, and answers so.
        Err(_) => exchange::bare(Refusal::Broken.response(request), request),
    }
}

/// Passes a request through; dropped when its caller goes away.
pub(super) async fn passed(
    mut exchange: Box<Exchange>,
    admission: Box<Admission>,
    head: Box<Head>,
    unread: Body,
    upgrade: Option<OnUpgrade>,
) -> Response<Body> {
    let Operation::Call(call) = admission.prospect().operation() else {
        return exchange.refuse(&Refusal::Broken).await;
    };
    let call = call.clone();
    let sent = match sent(&mut exchange, &admission, &call, head, unread).await {
        Ok(sent) => sent,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    match sent.opened {
        Opened::Answer(answer) => {
            stream(exchange, admission, &call, answer, (sent.upload, sent.ending, sent.until)).await
        }
        Opened::Switched(head, tunnel, slot) => match upgrade {
            Some(upgrade) => {
                Box::pin(switched(exchange, admission, head, tunnel, slot, upgrade, sent.ending)).await
            }
            None => exchange.refuse(&Refusal::Broken).await,
        },
    }
}

/// Answers of a known length up to this are no streams: they are gathered, so that one which breaks off is a
/// refusal and not half an answer, and have no `close` entry.
const SMALL: u64 = 64 * 1024;

/// Judges, writes the intent down, and sends.
async fn sent(
    exchange: &mut Exchange,
    admission: &Admission,
    call: &Call,
    head: Box<Head>,
    unread: Body,
) -> Result<Sent, Refusal> {
    let permit = judge(exchange, admission)?;
    exchange.recheck(admission.prospect(), None)?;
    let mut ending = admission.prospect().caller().ending();
    if ending.look(exchange.opened).is_some() {
        return Err(Refusal::Revoked);
    }
    let snapshot = exchange.snapshot.clone();
    let served = snapshot.systems.get(call.system.as_str()).ok_or(Refusal::Broken)?;
    let listener = exchange.listener()?.clone();
    let bounds = &listener.bounds;
    let speech = Speech::of(&head, exchange.opened);
    let (body, upload) = uploading(unread, bounds, permit.detail(), exchange.opened, speech);
    let request = forwarded(exchange, served, call, head, body)?;
    let safety = if call.method.is_safe() { Safety::Safe } else { Safety::Unsafe };
    let mut began = clock::now();
    let receipt = exchange.entry.call_intent(&permit, safety, began).await.map_err(Refusal::Journal)?;
    if safety == Safety::Unsafe {
        exchange.progress = Progress::Begun;
        // Writing it down takes a while.
        began = clock::now();
    }
    let core = exchange.core.clone();
    // An upload is a stream: it takes as long as one may.
    let deadline = match upload {
        Some(_) => Deadline::after(exchange.opened, bounds.stream_lifetime_max.0),
        None => exchange.deadline(),
    };
    let deadline = speech.until.map_or(deadline, |until| deadline.sooner(Deadline(until)));
    // Polled where it stands: each place that takes it by value keeps room for a copy of it.
    let mut opening = pin!(served.upstream.open(&core.pools, receipt, request, deadline, began));
    let opened = match &upload {
        // A long upload ends with the credential it came under, and with the grace of a closing gate.
        Some(upload) => {
            tokio::select! {
                biased;
                opened = &mut opening => Some(opened),
                _ = ending.reached(began) => None,
                () = core.parting.cancelled() => {
                    upload.ended().cancel();
                    Some(opening.await)
                }
            }
        }
        None => Some(opening.await),
    };
    note(exchange, served, opened.as_ref(), began, upload.as_ref());
    let opened = opened.ok_or(Refusal::Revoked)?;
    let mut opened = opened.map_err(|error| exchange.unreached(&served.name, error))?;
    clean(served, call, &mut opened);
    Ok(Sent { opened, upload, ending, until: speech.until })
}

/// What a caller's protocol says of its call beyond HTTP.
#[derive(Clone, Copy, Debug)]
struct Speech {
    /// Whether messages come when there is something to say: no rate is expected of them.
    is_grpc: bool,
    /// Until when the caller waits.
    until: Option<Instant>,
}

impl Speech {
    fn of(head: &Head, now: Now) -> Self {
        let is_grpc = wire::is_grpc(&head.headers);
        let timeout = wire::grpc_timeout(&head.headers).filter(|_| is_grpc);
        Self { is_grpc, until: timeout.and_then(|timeout| now.mono.checked_add(timeout)) }
    }
}

/// What the system gets to see.
fn forwarded(
    exchange: &Exchange,
    served: &Served,
    call: &Call,
    head: Box<Head>,
    body: Body,
) -> Result<Box<Request<Body>>, Refusal> {
    let on_behalf = exchange.known.on_behalf(&exchange.channel, &head.host);
    let Head { version, headers, .. } = *head;
    let (method, query) = (call.method.clone(), call.query.as_deref());
    let passed = Passed { method, path: &call.path, query, version, headers, body };
    served
        .upstream
        .forward(passed, &on_behalf)
        .map(Box::new)
        .map_err(|error| Refusal::Upstream(served.name.clone(), Box::new(error)))
}

fn judge(exchange: &mut Exchange, admission: &Admission) -> Result<CallPermit, Refusal> {
    policy::judge_call(admission.prospect()).map_err(|denied| {
        if let Denied::Record(grounds) | Denied::Never(grounds) = &denied {
            exchange.entry.decided(&grounds.statements, grounds.detail);
        }
        Refusal::Forbidden(denied)
    })
}

/// The caller's body: not gathered, but bounded in time, counted, and over when the answer is.
fn uploading(
    unread: Body,
    bounds: &Bounds,
    detail: Detail,
    now: Now,
    speech: Speech,
) -> (Body, Option<Upload>) {
    if http_body::Body::is_end_stream(&unread) {
        return (Body::Empty, None);
    }
    let upload = Upload::new(detail);
    let bounds = BodyBounds {
        idle: Some(bounds.stream_idle_timeout.0),
        lifetime: now.mono.checked_add(bounds.stream_lifetime_max.0),
        rate: (!speech.is_grpc).then(|| bounds.body_rate()),
        ended: Some(upload.ended()),
        ..BodyBounds::default()
    };
    let counted = upload.counting(guarded(unread, bounds));
    (Body::stream(counted), Some(upload))
}

/// Notes the call, as far as it has come: how much was sent so far, and how much the answer says it is; and how far a
/// change has got.
fn note(
    exchange: &mut Exchange,
    served: &Served,
    opened: Option<&Result<Opened, UpstreamError>>,
    began: Now,
    upload: Option<&Upload>,
) {
    let (status, got) = match opened {
        Some(Ok(Opened::Answer(answer))) => {
            (Some(answer.status()), http_body::Body::size_hint(answer.body()).exact())
        }
        Some(Ok(Opened::Switched(..))) => (Some(StatusCode::SWITCHING_PROTOCOLS), None),
        Some(Err(_)) | None => (None, None),
    };
    let is_unheard = matches!(opened, Some(Err(error)) if error.sent() == wire::Sent::No);
    if exchange.progress == Progress::Begun {
        exchange.progress = match status {
            // The system said no.
            Some(status) if status.is_client_error() => Progress::Nothing,
            Some(status) if status.is_server_error() => Progress::Begun,
            Some(_) => Progress::Done,
            None if is_unheard => Progress::Nothing,
            None => Progress::Begun,
        };
    }
    let narrow = |bytes: Option<u64>| usize::try_from(bytes.unwrap_or(0)).unwrap_or(usize::MAX);
    let (sent, got) = (narrow(upload.map(Upload::bytes)), narrow(got));
    exchange.called(&served.name, status.map(|status| status.as_u16()), began, sent, got);
}

/// What a system says of itself does not reach the caller, a switch of protocols included.
fn clean(served: &Served, call: &Call, opened: &mut Opened) {
    let (status, headers) = match opened {
        Opened::Answer(answer) => (answer.status(), answer.headers_mut()),
        Opened::Switched(head, ..) => (head.status(), head.headers_mut()),
    };
    served.upstream.clean_answer(status, headers, format_args!("/systems/{}", call.system));
}

/// Writes the answer's entry and lets the body through.
async fn stream(
    mut exchange: Box<Exchange>,
    admission: Box<Admission>,
    call: &Call,
    mut answer: Response<Body>,
    (upload, ending, until): (Option<Upload>, Ending, Option<Instant>),
) -> Response<Body> {
    let limits = stream_bounds(&exchange, until);
    let bytes = http_body::Body::size_hint(answer.body()).exact();
    // What is gathered has no trailers.
    if bytes.is_some_and(|bytes| bytes <= SMALL) && upload.is_none() && !wire::is_grpc(answer.headers()) {
        let (head, body) = answer.into_parts();
        // No stream: it has the time that any other answer has.
        let gathered = wire::gather(body, SMALL, exchange.deadline()).await;
        answer = match gathered.map_err(UpstreamError::of_answer) {
            Ok(body) => {
                digest(&mut exchange, &body);
                Response::from_parts(head, Body::from(body))
            }
            Err(error) => {
                let refusal = exchange.unreached(&call.system, error);
                return exchange.refuse(&refusal).await;
            }
        };
    }
    let first = match first(&mut answer).await {
        Ok(first) => first,
        Err(error) => {
            let error = UpstreamError::of_answer(WireError::Truncated(error));
            let refusal = exchange.unreached(&call.system, error);
            return exchange.refuse(&refusal).await;
        }
    };
    let standing = exchange.standing.clone();
    let id = exchange.entry.request();
    let (parting, shown) = (exchange.core.parting.clone(), Passing::asked(exchange.entry.detail()));
    let answered = match written(exchange, answer.status().as_u16(), bytes).await {
        Ok(answered) => answered,
        Err(refused) => return refused,
    };
    exchange::with_id(&mut answer, id);
    exchange::with_receipt(&mut answer, &answered);
    if let Some(standing) = &standing {
        exchange::with_standing(&mut answer, standing);
    }
    let mut closing = Closing { answered, admission, upload, shown: None, parting };
    answer.map(|body| {
        if first.is_none() && (matches!(body, Body::Full(_)) || http_body::Body::is_end_stream(&body)) {
            // An upload was a stream, whatever its answer.
            if closing.upload.is_some() {
                closing.close(bytes.unwrap_or(0), Ended::Complete);
            }
            return body;
        }
        closing.shown = shown;
        Body::stream(Streamed::new(first, guarded(body, limits), closing, ending))
    })
}

/// The first frame of a streamed answer, where it is at hand: what is broken from its beginning is a refusal. One that
/// is still to come is not waited for.
async fn first(answer: &mut Response<Body>) -> Result<Option<Frame<Bytes>>, BodyError> {
    let body = answer.body_mut();
    if !matches!(body, Body::Stream(_)) || http_body::Body::is_end_stream(body) {
        return Ok(None);
    }
    let polled =
        poll_fn(|context| Poll::Ready(http_body::Body::poll_frame(Pin::new(&mut *body), context))).await;
    match polled {
        Poll::Ready(Some(frame)) => frame.map(Some),
        Poll::Ready(None) => {
            *answer.body_mut() = Body::Empty;
            Ok(None)
        }
        Poll::Pending => Ok(None),
    }
}

/// The digest of an answer that was gathered, where a statement that decided asks for it.
fn digest(exchange: &mut Exchange, shown: &Bytes) {
    if exchange.entry.detail() == Detail::BodyDigest && !shown.is_empty() {
        exchange.entry.body_digest("body_shown", &Digest::of(shown));
    }
}

/// How long a streamed answer may take.
fn stream_bounds(exchange: &Exchange, until: Option<Instant>) -> BodyBounds {
    let Ok(listener) = exchange.listener() else { return BodyBounds::default() };
    let bounds = &listener.bounds;
    let lifetime = exchange.opened.mono.checked_add(bounds.stream_lifetime_max.0);
    BodyBounds {
        idle: Some(bounds.stream_idle_timeout.0),
        lifetime: [lifetime, until].into_iter().flatten().min(),
        ..BodyBounds::default()
    }
}

/// Writes the entry of a streamed answer; without it nothing leaves.
async fn written(
    exchange: Box<Exchange>,
    status: u16,
    bytes: Option<u64>,
) -> Result<Answered, Response<Body>> {
    let action = exchange.action();
    let Exchange { core, entry, opened, progress, form, .. } = *exchange;
    let id = entry.request();
    let now = clock::now();
    let took = now.mono.saturating_duration_since(opened.mono);
    match entry.answer(status, bytes, now).await {
        Ok(answered) => {
            core.gate.telemetry.answered(action, status, took);
            Ok(answered)
        }
        Err(error) => {
            tracing::error!(request = %id, %error, "the journal did not take an entry");
            let refusal = match progress {
                Progress::Nothing => Refusal::Journal(error),
                // Whoever is told to try again makes the change twice.
                Progress::Begun | Progress::Partly | Progress::Done => Refusal::Unrecorded(error),
            };
            core.gate.telemetry.refused(refusal.reason());
            let response = refusal.response_in(form, id);
            core.gate.telemetry.answered(action, refusal.status().as_u16(), took);
            Err(exchange::bare(response, id))
        }
    }
}

/// The system switched protocols: the caller is told so, then bytes go through until either end is done.
async fn switched(
    exchange: Box<Exchange>,
    admission: Box<Admission>,
    head: Response<()>,
    tunnel: Tunnel,
    slot: Slot,
    upgrade: OnUpgrade,
    mut ending: Ending,
) -> Response<Body> {
    let clocks = match exchange.listener() {
        Ok(listener) => {
            let bounds = &listener.bounds;
            BridgeClocks { idle: bounds.stream_idle_timeout.0, lifetime: bounds.stream_lifetime_max.0 }
        }
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    let id = exchange.entry.request();
    let (tasks, parting) = (exchange.core.tasks.clone(), exchange.core.parting.clone());
    let answered = match written(exchange, head.status().as_u16(), None).await {
        Ok(answered) => answered,
        Err(refused) => return refused,
    };
    let mut response = head.map(|()| Body::Empty);
    exchange::with_id(&mut response, id);
    exchange::with_receipt(&mut response, &answered);
    tasks.spawn(async move {
        let Ok(caller) = upgrade.await else {
            return answered.close(0, 0, Ended::CallerGone, clock::now());
        };
        let mut ended_by = Ended::Revoked;
        let ended = async {
            tokio::select! {
                end = ending.reached(clock::now()) => ended_by = over(end),
                () = parting.cancelled() => ended_by = Ended::Drained,
            }
        };
        let bridged = bridge(TokioIo::new(caller), tunnel, clocks, ended).await;
        let how = match bridged.end {
            BridgeEnd::Done => Ended::Complete,
            BridgeEnd::CallerGone => Ended::CallerGone,
            BridgeEnd::SystemGone => Ended::SystemGone,
            BridgeEnd::Idle | BridgeEnd::Lifetime => Ended::Bound,
            BridgeEnd::Ended => ended_by,
        };
        answered.close(bridged.from_caller, bridged.from_system, how, clock::now());
        drop((admission, slot));
    });
    response
}
