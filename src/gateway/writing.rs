//! A write: judged on what changes, written down before it is done, and run to its end.
//!
//! ORDER: body, stored record, judgement, the system's own words for it, `If-Match`, intent (synced), effect,
//! answer. From the stored record on it runs in a task of its own, so that a caller who goes away changes
//! nothing; a stopping core waits for it.

use std::sync::Arc;

use compact_str::CompactString;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Outcome,
    exchange::{self, Exchange},
    reading::{fetch, inward},
};
use crate::{
    answer::{self, Answer},
    body::Body,
    catalog::{Action, Operation, UpdateMode},
    clock,
    intake::{self, BodyBounds, Head},
    mapping::{Inward, NativeAnswer, NativeRequest},
    policy::{self, Change, Denied, Detail, WritePermit},
    quota::Admission,
    refusal::Refusal,
    schema::{self, Entity, FieldSet, Record, json, query},
    words::Digest,
};

/// What may stand in a path segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What the caller sends with a write.
struct Sent {
    body: bytes::Bytes,
    if_match: Option<String>,
    wanted: Option<FieldSet>,
}

/// Writes, and answers the caller if it is still there.
pub(super) async fn write(
    mut exchange: Exchange,
    admission: Admission,
    head: Head,
    unread: Body,
) -> Response<Body> {
    let request = exchange.entry.request();
    let sent = match sent(&mut exchange, &admission, &head, unread).await {
        Ok(sent) => sent,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    let tasks = exchange.core.tasks.clone();
    let task = tasks.spawn(async move {
        let outcome = written(&mut exchange, &admission, &head, sent).await;
        exchange.finish(outcome).await
    });
    match task.await {
        Ok(response) => response,
        // It panicked; its entry was written as abandoned.
        Err(_) => exchange::bare(Refusal::Broken.response(request), request),
    }
}

/// Reads what the caller sends, within bounds.
async fn sent(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    unread: Body,
) -> Result<Sent, Refusal> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    let pairs = query::pairs(head.query.as_deref().unwrap_or_default());
    let wanted = query::read_fields(entity, pairs, &prospect.visible()).map_err(Refusal::Query)?;
    let if_match =
        head.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = match prospect.operation() {
        Operation::Delete(..) => bytes::Bytes::new(),
        Operation::Update(_, _, UpdateMode::Merge) => {
            media_type(head, &["application/json", "application/merge-patch+json"])?;
            gathered(exchange, unread).await?
        }
        Operation::Create(_)
        | Operation::Update(_, _, UpdateMode::Replace)
        | Operation::Read(..)
        | Operation::List(_)
        | Operation::Call(_) => {
            media_type(head, &["application/json"])?;
            gathered(exchange, unread).await?
        }
    };
    Ok(Sent { body, if_match, wanted })
}

fn media_type(head: &Head, accepted: &[&'static str]) -> Result<(), Refusal> {
    let first = accepted.first().copied().unwrap_or_default();
    let said =
        head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    let plain = !head.headers.contains_key(header::CONTENT_ENCODING);
    if plain && accepted.iter().any(|accepted| kind.eq_ignore_ascii_case(accepted)) {
        Ok(())
    } else {
        Err(Refusal::MediaType(first))
    }
}

async fn gathered(exchange: &Exchange, unread: Body) -> Result<bytes::Bytes, Refusal> {
    let listener =
        exchange.snapshot.listeners.get(exchange.channel.listener.as_str()).ok_or(Refusal::Broken)?;
    let bounds = BodyBounds {
        bytes_max: Some(listener.bounds.body_bytes_max.0),
        deadline: Some(exchange.deadline().0),
        rate: Some(listener.bounds.body_rate()),
        ..BodyBounds::default()
    };
    intake::gather(unread, bounds).await.map_err(Refusal::Body)
}

async fn written(exchange: &mut Exchange, admission: &Admission, head: &Head, sent: Sent) -> Outcome {
    match admission.prospect().operation() {
        Operation::Create(entity) => create(exchange, admission, &entity.clone(), head, sent).await,
        Operation::Update(entity, id, mode) => {
            let (entity, id, mode) = (entity.clone(), id.0.clone(), *mode);
            update(exchange, admission, &entity, &id, mode, sent).await
        }
        Operation::Delete(entity, id) => {
            let (entity, id) = (entity.clone(), id.0.clone());
            delete(exchange, admission, &entity, &id, sent).await
        }
        Operation::Read(..) | Operation::List(_) | Operation::Call(_) => Err(Refusal::Broken),
    }
}

/// What the body may say: what the entity's file, the system and the caller's statements allow together.
fn view(
    exchange: &Exchange,
    admission: &Admission,
    entity: &Entity,
    body: json::Body,
) -> Result<json::View, Refusal> {
    let action = if body == json::Body::Create { Action::Create } else { Action::Update };
    let (_, mapping) = exchange.snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !mapping.can(action) {
        return Err(Refusal::NotPossible(action));
    }
    let prospect = admission.prospect();
    let system = mapping.view(action);
    let writable = entity.writable().intersection(&system.writable).intersection(&prospect.writable());
    let required = entity.required().union(&system.required).intersection(&writable);
    let required =
        if body == json::Body::Create { required } else { entity.required().intersection(&writable) };
    Ok(json::View { body, writable, required, visible: prospect.visible().union(&prospect.writable()) })
}

async fn create(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    head: &Head,
    sent: Sent,
) -> Outcome {
    let view = view(exchange, admission, entity, json::Body::Create)?;
    let proposed = json::read(entity, &sent.body, &view).map_err(Refusal::Invalid)?;
    let new = schema::merge(entity, &Record::default(), &proposed, &view);
    let permit = judge(exchange, admission, Change::Create { new })?;
    let snapshot = exchange.snapshot.clone();
    let (_, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let request = mapping.create(permit.new().ok_or(Refusal::Broken)?).map_err(Refusal::Unmappable)?;
    let answer = effect(exchange, admission, entity, &permit, request, &sent.body).await?;
    let inward = after(exchange, admission, entity, None, &answer).await?;
    let location = format!("{}/{}", head.path.as_str(), utf8_percent_encode(&inward.id, SEGMENT));
    let answer = echo(exchange, admission, &permit, inward, &sent, StatusCode::CREATED);
    Ok(match HeaderValue::try_from(location) {
        Ok(location) => answer.with(header::LOCATION, location),
        Err(_) => answer,
    })
}

async fn update(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    id: &str,
    mode: UpdateMode,
    sent: Sent,
) -> Outcome {
    let body = match mode {
        UpdateMode::Merge => json::Body::Patch,
        UpdateMode::Replace => json::Body::Replace,
    };
    let view = view(exchange, admission, entity, body)?;
    let proposed = json::read(entity, &sent.body, &view).map_err(Refusal::Invalid)?;
    let stored = fetch(exchange, admission, entity, id, &entity.all()).await?;
    let new = schema::merge(entity, &stored.record, &proposed, &view);
    let key = stored.id.clone();
    let change = Change::Update { old: stored.record, new, version: stored.version };
    let permit = judge(exchange, admission, change)?;
    check_version(exchange, admission, &permit, &sent)?;
    let snapshot = exchange.snapshot.clone();
    let (_, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let (Some(old), Some(new)) = (permit.old(), permit.new()) else { return Err(Refusal::Broken) };
    let request = mapping.update(&key, old, new, permit.version()).map_err(Refusal::Unmappable)?;
    let Some(request) = request else {
        let (record, version) = (old.clone(), permit.version().map(CompactString::from));
        let inward = Inward { record, id: key, version, findings: Vec::new(), missing: FieldSet::EMPTY };
        exchange.entry.note("unchanged", true);
        return Ok(echo(exchange, admission, &permit, inward, &sent, StatusCode::OK));
    };
    let answer = effect(exchange, admission, entity, &permit, request, &sent.body).await?;
    let inward = after(exchange, admission, entity, Some(&key), &answer).await?;
    Ok(echo(exchange, admission, &permit, inward, &sent, StatusCode::OK))
}

async fn delete(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    id: &str,
    sent: Sent,
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let (served, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !mapping.can(Action::Delete) {
        return Err(Refusal::NotPossible(Action::Delete));
    }
    let stored = fetch(exchange, admission, entity, id, &entity.all()).await?;
    let key = stored.id.clone();
    let permit = judge(exchange, admission, Change::Delete { old: stored.record, version: stored.version })?;
    check_version(exchange, admission, &permit, &sent)?;
    let request = mapping.delete(&key, permit.version()).map_err(|fault| Refusal::Unmappable(vec![fault]))?;
    let answer = effect(exchange, admission, entity, &permit, request, &sent.body).await?;
    mapping.deleted(&answer).map_err(|fault| exchange.refused_by(&served.name, fault))?;
    Ok(unguarded(&permit, Answer::empty(StatusCode::NO_CONTENT)))
}

/// Judges a write; what the stored record refuses looks like a record that is not there.
fn judge(exchange: &mut Exchange, admission: &Admission, change: Change) -> Result<WritePermit, Refusal> {
    let is_new = matches!(change, Change::Create { .. });
    policy::judge(admission.prospect(), change).map_err(|denied| match &denied {
        Denied::Record(grounds) => {
            exchange.entry.decided(&grounds.statements, grounds.detail);
            Refusal::Hidden(denied)
        }
        Denied::Erroring { statement } if !is_new => {
            exchange.entry.note("erring", statement);
            Refusal::Hidden(denied)
        }
        Denied::New(grounds) => {
            exchange.entry.decided(&grounds.statements, grounds.detail);
            Refusal::Unwritable(denied)
        }
        Denied::Never(_) | Denied::Unfit => Refusal::Forbidden(denied),
        Denied::Fields(_) | Denied::Mask(_) | Denied::Erroring { .. } => Refusal::Unwritable(denied),
    })
}

/// `If-Match`: the caller's version is a tag of what it sees (RFC 9110 §13.1.1).
fn check_version(
    exchange: &Exchange,
    admission: &Admission,
    permit: &WritePermit,
    sent: &Sent,
) -> Result<(), Refusal> {
    let Some(if_match) = &sent.if_match else { return Ok(()) };
    if if_match.trim() == "*" {
        return Ok(());
    }
    let old = permit.old().ok_or(Refusal::Stale)?.clone();
    let seen = answer::encoded(&policy::echo(permit, old, None));
    let tag = exchange.core.gate.tags.tag(&admission.prospect().caller().facts().digest, &seen);
    if if_match.split(',').any(|one| one.trim() == tag) { Ok(()) } else { Err(Refusal::Stale) }
}

/// Writes down what is about to change, and changes it.
async fn effect(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Entity,
    permit: &WritePermit,
    request: NativeRequest,
    body: &[u8],
) -> Result<NativeAnswer, Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (served, _) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if permit.unguarded() {
        exchange.entry.note("unguarded", true);
    }
    let request = exchange.traced(request);
    if let Some(old) = permit.old() {
        exchange.judged_on(admission.prospect(), old);
    }
    if permit.detail() == Detail::BodyDigest {
        exchange.entry.body_digest("body_sent", &Digest::of(body));
    }
    let receipt = exchange.entry.intent(permit, clock::now()).await.map_err(Refusal::Journal)?;
    let (began, sent) = (clock::now(), request.body.len());
    let core = exchange.core.clone();
    match served.upstream.effect(&core.pools, receipt, request, exchange.deadline()).await {
        Ok(answer) => {
            exchange.called(&served.name, Some(answer.status.as_u16()), began, sent, answer.body.len());
            Ok(answer)
        }
        Err(error) => {
            exchange.called(&served.name, None, began, sent, 0);
            exchange.entry.note("sent", format_args!("{:?}", error.sent()));
            Err(exchange.unreached(&served.name, error))
        }
    }
}

/// The record as the system holds it after the write; read back where the answer does not hold it, or not all
/// that the caller sees of it: the tag of a write is the tag of the next read.
async fn after(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    id: Option<&str>,
    answer: &NativeAnswer,
) -> Result<Inward, Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (_, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if let (Some(id), true, true) = (id, answer.status.is_success(), answer.body.is_empty()) {
        return fetch(exchange, admission, entity, id, &entity.all()).await;
    }
    let came = inward(exchange, mapping, mapping.written(answer, &entity.all()))?;
    let seen = mapping.mapped().intersection(&admission.prospect().visible());
    if came.missing.intersection(&seen).is_empty() {
        return Ok(came);
    }
    // What is written is written: without a second look the caller gets what the answer held.
    let key = came.id.clone();
    Ok(fetch(exchange, admission, entity, &key, &entity.all()).await.unwrap_or(came))
}

/// The answer to a write: what the caller's own `read` shows of it.
fn echo(
    exchange: &mut Exchange,
    admission: &Admission,
    permit: &WritePermit,
    inward: Inward,
    sent: &Sent,
    status: StatusCode,
) -> Answer {
    let key = inward.id.clone();
    let shown = policy::echo(permit, inward.record, sent.wanted.as_ref());
    exchange.entry.shown(&shown, &key);
    let core = exchange.core.clone();
    let digest = admission.prospect().caller().facts().digest;
    let tag = sent.wanted.is_none().then_some((&core.gate.tags, &digest));
    unguarded(permit, Answer::one(status, &shown, tag))
}

/// Where the system cannot tell that the record changed meanwhile, the answer says so.
fn unguarded(permit: &WritePermit, answer: Answer) -> Answer {
    if permit.unguarded() {
        answer.with(header::HeaderName::from_static("bramka-unguarded"), HeaderValue::from_static("true"))
    } else {
        answer
    }
}
