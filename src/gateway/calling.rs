//! A request passed through to a system as it is: judged, written down, streamed both ways.

use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::{
    exchange::{self, Exchange},
    streamed::{Closing, Counted, Streamed, Upload},
};
use crate::{
    audit::{Answered, Ended, Safety},
    body::{Body, BodyError},
    catalog::{Call, Operation},
    clock::{self, Now},
    config::Served,
    door::Bounds,
    identity::Ending,
    intake::{self, BodyBounds, Head, guarded},
    policy::{self, CallPermit, Denied},
    quota::Admission,
    refusal::Refusal,
    upstream::{BridgeClocks, BridgeEnd, OnBehalf, Opened, Passed, Slot, UpstreamError, bridge},
    wire::{Deadline, Tunnel},
};

/// A call that was sent, and what hangs on it.
struct Sent {
    opened: Opened,
    /// The caller's body on its way, where there is one.
    upload: Option<Upload>,
    ending: Ending,
}

/// Passes a request through.
pub(super) async fn call(
    mut exchange: Exchange,
    admission: Admission,
    head: Head,
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
            stream(exchange, admission, &call, answer, (sent.upload, sent.ending)).await
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
    head: Head,
    unread: Body,
) -> Result<Sent, Refusal> {
    let permit = judge(exchange, admission)?;
    exchange.recheck(admission.prospect(), None)?;
    let snapshot = exchange.snapshot.clone();
    let served = snapshot.systems.get(call.system.as_str()).ok_or(Refusal::Broken)?;
    let bounds = bounds(exchange)?.clone();
    let (body, upload) = uploading(unread, &bounds, exchange.opened);
    let host = head_host(&head);
    let passed = Passed {
        method: call.method.clone(),
        path: &call.path,
        query: call.query.as_deref(),
        version: head.version,
        headers: head.headers,
        body,
    };
    let on_behalf = OnBehalf::new(&exchange.channel, host.as_ref());
    let request = served
        .upstream
        .forward(passed, &on_behalf)
        .map_err(|error| Refusal::Upstream(served.name.clone(), Box::new(error)))?;
    let safety = if call.method.is_safe() { Safety::Safe } else { Safety::Unsafe };
    let receipt =
        exchange.entry.call_intent(&permit, safety, clock::now()).await.map_err(Refusal::Journal)?;
    let (core, began) = (exchange.core.clone(), clock::now());
    // An upload is a stream: it takes as long as one may.
    let deadline = match upload {
        Some(_) => Deadline::after(exchange.opened, bounds.stream_lifetime_max.0),
        None => exchange.deadline(),
    };
    let mut ending = admission.prospect().caller().ending();
    let opening = served.upstream.open(&core.pools, receipt, request, deadline);
    let opened = if upload.is_some() {
        // A long upload ends with the credential it came under.
        tokio::select! {
            biased;
            opened = opening => opened,
            _ = ending.wait() => return Err(Refusal::Revoked),
        }
    } else {
        opening.await
    };
    let opened = opened.map_err(|error| {
        exchange.called(&served.name, None, began, 0, 0);
        exchange.unreached(&served.name, error)
    })?;
    note(exchange, served, &opened, began);
    Ok(Sent { opened, upload, ending })
}

fn judge(exchange: &mut Exchange, admission: &Admission) -> Result<CallPermit, Refusal> {
    policy::judge_call(admission.prospect()).map_err(|denied| {
        if let Denied::Record(grounds) | Denied::Never(grounds) = &denied {
            exchange.entry.decided(&grounds.statements, grounds.detail);
        }
        Refusal::Forbidden(denied)
    })
}

fn bounds(exchange: &Exchange) -> Result<&Bounds, Refusal> {
    let listener = exchange.snapshot.listeners.get(exchange.channel.listener.as_str());
    listener.map(|listener| &listener.bounds).ok_or(Refusal::Broken)
}

/// The caller's body: not gathered, but bounded in time, counted, and over when the answer is.
fn uploading(unread: Body, bounds: &Bounds, now: Now) -> (Body, Option<Upload>) {
    if http_body::Body::is_end_stream(&unread) {
        return (Body::Empty, None);
    }
    let upload = Upload::default();
    let bounds = BodyBounds {
        idle: Some(bounds.stream_idle_timeout.0),
        lifetime: now.mono.checked_add(bounds.stream_lifetime_max.0),
        rate: Some(bounds.body_rate()),
        ended: Some(upload.ended.clone()),
        ..BodyBounds::default()
    };
    let counted = Counted { inner: guarded(unread, bounds), bytes: upload.bytes.clone() };
    (Body::stream(counted), Some(upload))
}

fn head_host(head: &Head) -> Option<http::HeaderValue> {
    let name = head.host.name();
    let text = match head.host.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    http::HeaderValue::try_from(text).ok()
}

fn note(exchange: &mut Exchange, served: &Served, opened: &Opened, began: Now) {
    let status = match opened {
        Opened::Answer(answer) => answer.status(),
        Opened::Switched(..) => StatusCode::SWITCHING_PROTOCOLS,
    };
    exchange.called(&served.name, Some(status.as_u16()), began, 0, 0);
}

/// Writes the answer's entry and lets the body through.
async fn stream(
    exchange: Exchange,
    admission: Admission,
    call: &Call,
    mut answer: Response<Body>,
    (upload, ending): (Option<Upload>, Ending),
) -> Response<Body> {
    let snapshot = exchange.snapshot.clone();
    if let Some(served) = snapshot.systems.get(call.system.as_str()) {
        served.upstream.clean_answer(answer.headers_mut(), &format!("/systems/{}", call.system));
    }
    let limits = stream_bounds(&exchange);
    let bytes = http_body::Body::size_hint(answer.body()).exact();
    if bytes.is_some_and(|bytes| bytes <= SMALL) && upload.is_none() {
        let (head, body) = answer.into_parts();
        answer = match intake::gather(body, limits.clone()).await {
            Ok(body) => Response::from_parts(head, Body::from(body)),
            Err(error) => return exchange.refuse(&cut_off(call, &error)).await,
        };
    }
    let standing = exchange.standing.clone();
    let id = exchange.entry.request();
    let parting = exchange.core.parting.clone();
    let answered = match written(exchange, answer.status().as_u16(), bytes).await {
        Ok(answered) => answered,
        Err(refused) => return refused,
    };
    exchange::with_id(&mut answer, id);
    if let Some(standing) = &standing {
        exchange::with_standing(&mut answer, standing);
    }
    answer.map(|body| match body {
        gathered @ (Body::Empty | Body::Full(_)) => gathered,
        body if http_body::Body::is_end_stream(&body) => body,
        body => {
            let closing = Closing { answered, admission, upload, parting };
            Body::stream(Streamed::new(guarded(body, limits), closing, ending))
        }
    })
}

/// How long a streamed answer may take.
fn stream_bounds(exchange: &Exchange) -> BodyBounds {
    let Ok(bounds) = bounds(exchange) else { return BodyBounds::default() };
    BodyBounds {
        idle: Some(bounds.stream_idle_timeout.0),
        lifetime: exchange.opened.mono.checked_add(bounds.stream_lifetime_max.0),
        ..BodyBounds::default()
    }
}

/// A small answer that did not come whole: nothing of it has left yet.
fn cut_off(call: &Call, error: &BodyError) -> Refusal {
    tracing::warn!(system = %call.system, %error, "an answer did not come whole");
    Refusal::Upstream(call.system.clone(), Box::new(UpstreamError::BadAnswer("its body broke off")))
}

/// Writes the entry of a streamed answer; without it nothing leaves.
async fn written(exchange: Exchange, status: u16, bytes: Option<u64>) -> Result<Answered, Response<Body>> {
    let action = exchange.action();
    let Exchange { core, entry, opened, .. } = exchange;
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
            let response = Refusal::Journal(error).response(id);
            core.gate.telemetry.answered(action, response.status().as_u16(), took);
            Err(exchange::bare(response, id))
        }
    }
}

/// The system switched protocols: the caller is told so, then bytes go through until either end is done.
async fn switched(
    exchange: Exchange,
    admission: Admission,
    head: Response<()>,
    tunnel: Tunnel,
    slot: Slot,
    upgrade: OnUpgrade,
    mut ending: Ending,
) -> Response<Body> {
    let clocks = match bounds(&exchange) {
        Ok(bounds) => {
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
    tasks.spawn(async move {
        let Ok(caller) = upgrade.await else {
            return answered.close(0, 0, Ended::CallerGone, clock::now());
        };
        let mut ended_by = Ended::Revoked;
        let ended = async {
            tokio::select! {
                _ = ending.wait() => {}
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
    let mut response = head.map(|()| Body::Empty);
    exchange::with_id(&mut response, id);
    response
}
