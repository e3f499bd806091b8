//! `Idempotency-Key`: a write that is sent again is answered again, and done once.
//!
//! A repeat goes the whole way to the write itself: identified, charged, and admitted by the statements of today; who
//! may not make the change any more is refused like anybody else. Then, instead of being judged on records and sent, it
//! is answered with what the write left behind, shown through the caller's own `read` of today: what is hidden by now
//! stays hidden, and where nothing has changed the answer is the same, byte for byte.
//!
//! The key is claimed on disk before the intent and settled before the answer leaves. What is refused before anything is
//! sent, and what the system said no to, frees its key: trying again is then what the caller should do.

use std::time::Duration;

use compact_str::CompactString;
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::utf8_percent_encode;

use super::{
    Outcome, accepted,
    after::{Left, seen},
    exchange::{Exchange, Progress},
    exposing::Written,
    ids, joined,
    wanted::Subjects,
    whole::named,
    writing::SEGMENT,
};
use crate::{
    answer::Answer,
    catalog::Operation,
    idempotency::{
        AcceptedId, Asked, Claim, Earlier, Ended, Fault, KEPT_BYTES_MAX, Kept, KeptRecord, Key, Terms,
    },
    identity::Facts,
    intake::Head,
    mapping::Mapping,
    policy::{self, Prospect, Remembered, Shown, WritePermit},
    quota::Admission,
    refusal::Refusal,
    schema::{self, Body, Entity, FieldSet, Record, json},
    store::RepeatsMax,
    words::Kind,
};

/// Said of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// How long after its deadline a write may still be about to settle its claim.
const SETTLING_MAX: Duration = Duration::from_secs(10);

/// The key of one exchange on its way.
#[derive(Debug)]
pub(super) struct Once {
    claim: Claim,
    /// It is claimed in the store.
    is_begun: bool,
    kept: Kept,
}

/// The key that a write is sent with.
pub(super) fn key(whose: &Facts, head: &Head) -> Result<Option<Key>, Refusal> {
    let key = Key::of(&head.headers).map_err(Refusal::Idempotency)?;
    match whose.kind {
        // Anybody could ask for anybody's answers, and fill the store.
        Kind::Anonymous if key.is_some() => Err(Refusal::Idempotency(Fault::Nobodys)),
        Kind::Anonymous | Kind::App | Kind::Partner | Kind::User => Ok(key),
    }
}

/// Seals the key to its principal and request.
pub(super) fn claim(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    key: Option<Key>,
    body: &[u8],
) {
    let Some(key) = key else { return };
    let asked = Asked {
        method: head.method.as_str(),
        path: head.path.as_str(),
        query: head.query.as_deref().unwrap_or_default(),
        body,
    };
    let whose = admission.prospect().caller().facts();
    let claim = exchange.core.gate.idempotency.claim(whose, &key, asked, exchange.entry.request());
    exchange.once = Some(Box::new(Once { claim, is_begun: false, kept: Kept::default() }));
}

/// What a repeat is answered with; none where this is the first request under its key.
pub(super) async fn earlier(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    wanted: Option<FieldSet>,
) -> Option<Outcome> {
    let core = exchange.core.clone();
    let once = exchange.once.as_ref()?;
    let Earlier { request, kept } =
        match core.gate.idempotency.earlier(&once.claim, exchange.opened.wall).await {
            Ok(Some(earlier)) => earlier,
            Ok(None) => {
                exchange.entry.note("idempotency", "first");
                return None;
            }
            Err(fault) => return Some(Err(Refusal::Idempotency(fault))),
        };
    exchange.entry.note("idempotency", "repeat");
    exchange.entry.note("repeat_of", request);
    let kept = match kept {
        Ok(kept) => kept,
        Err(fault) => return Some(Err(Refusal::Idempotency(fault))),
    };
    // What was accepted then may have been made or refused by now.
    Some(match Box::pin(accepted::again(exchange, admission, head, kept, wanted)).await {
        Ok(outcome) => outcome,
        Err(kept) => Ok(again(exchange, admission, head, kept, wanted).await),
    })
}

/// Claims the key. ORDER: before the intent, and so before anything is sent.
pub(super) async fn begin(exchange: &mut Exchange) -> Result<(), Refusal> {
    let core = exchange.core.clone();
    let (terms, now) = (terms(exchange), exchange.opened.wall);
    let Some(once) = exchange.once.as_mut().filter(|once| !once.is_begun) else { return Ok(()) };
    core.gate.idempotency.begin(&once.claim, &terms, now).await.map_err(Refusal::Idempotency)?;
    once.is_begun = true;
    Ok(())
}

/// Takes down what a write left behind, for its repeats.
pub(super) fn keep(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    permit: &WritePermit,
    left: &Left,
) {
    let Some(once) = exchange.once.as_mut() else { return };
    let entity = permit.entity();
    let (record, id) = parts(left);
    take_down(&mut once.kept, admission.prospect(), mapping, left);
    once.kept.is_unguarded = permit.unguarded();
    once.kept.is_id_shown = id.is_some_and(|id| {
        let record = record.cloned().unwrap_or_else(|| named(entity, id));
        shows(&policy::echo(permit, record, None), id)
    });
}

/// What is known of the record, as far as it is kept.
pub(super) fn take_down(kept: &mut Kept, prospect: &Prospect, mapping: &Mapping, left: &Left) {
    let (record, id) = parts(left);
    let is_whole = matches!(left, Left::Whole(..));
    let told = match is_whole {
        true => seen(mapping, prospect),
        false => prospect.reads().union(&FieldSet::ID),
    };
    kept.id = id.map(ToString::to_string);
    kept.record = record.and_then(|record| kept_record(mapping.entity(), record, &told, is_whole));
}

fn parts(left: &Left) -> (Option<&Record>, Option<&CompactString>) {
    match left {
        Left::Whole(record, id) | Left::Part(record, id) => (Some(record), Some(id)),
        Left::Unseen(id) => (None, id.as_ref()),
    }
}

/// What it is asked for by that is accepted and not finished.
pub(super) fn accepted(exchange: &mut Exchange, id: AcceptedId) {
    if let Some(once) = exchange.once.as_mut() {
        once.kept.accepted = Some(id.to_string());
    }
}

/// The claim, where it is begun.
pub(super) fn begun(exchange: &Exchange) -> Option<Claim> {
    exchange.once.as_ref().filter(|once| once.is_begun).map(|once| once.claim.clone())
}

fn kept_record(entity: &Entity, record: &Record, told: &FieldSet, is_whole: bool) -> Option<KeptRecord> {
    let mut bytes = Vec::with_capacity(1024);
    json::write(entity, record, None, &mut bytes);
    let json = String::from_utf8(bytes).ok().filter(|json| json.len() <= KEPT_BYTES_MAX)?;
    let leaves = told.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str().to_owned());
    Some(KeptRecord { leaves: leaves.collect(), is_whole, json })
}

/// Settles the claim by what the write came to. ORDER: before its answer leaves.
pub(super) async fn settle(exchange: &mut Exchange, outcome: &Outcome) {
    let core = exchange.core.clone();
    // A write that had nothing to send has an answer all the same, and a repeat of it must not send anything.
    if outcome.is_ok()
        && let Err(refusal) = begin(exchange).await
    {
        return unsettled(exchange, &refusal);
    }
    let progress = exchange.progress;
    let Some(once) = exchange.once.as_mut().filter(|once| once.is_begun) else { return };
    let ended = match (outcome, progress) {
        (Ok(answer), _) => {
            once.kept.status = answer.status().as_u16();
            Ended::Done(&once.kept)
        }
        (Err(_), Progress::Nothing) => Ended::Nothing,
        (Err(_), Progress::Begun | Progress::Partly | Progress::Done) => Ended::Unknown,
    };
    if let Err(fault) = core.gate.idempotency.settle(&once.claim, ended).await {
        unsettled(exchange, &Refusal::Idempotency(fault));
    }
}

/// What is done is done: that it is not kept makes no failure of it.
fn unsettled(exchange: &mut Exchange, why: &Refusal) {
    exchange.entry.note("idempotency_unsettled", why.reason());
    tracing::error!(request = %exchange.entry.request(), cause = %why, "a write is not kept for its repeats");
}

fn terms(exchange: &Exchange) -> Terms {
    let bounds = &exchange.snapshot.settings.bounds.value;
    Terms {
        most: RepeatsMax {
            per_principal: bounds.idempotency_keys_per_principal_max,
            all: bounds.idempotency_keys_max,
        },
        kept: bounds.idempotency_kept.0,
        running: exchange.time_max().saturating_add(SETTLING_MAX),
    }
}

/// The answer to a repeat: the status of then, and what today's `read` shows of what was left behind.
pub(super) async fn again(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    kept: Kept,
    wanted: Option<FieldSet>,
) -> Answer {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let is_unguarded = kept.is_unguarded;
    let answer = shown_again(exchange, admission, head, kept, (status, wanted)).await;
    let answer = answer.unwrap_or_else(|| Answer::empty(status));
    let answer = replayed(answer);
    let yes = HeaderValue::from_static("true");
    if is_unguarded { answer.with(HeaderName::from_static("bramka-unguarded"), yes) } else { answer }
}

/// Says that it was given before.
pub(super) fn replayed(answer: Answer) -> Answer {
    answer.with(REPLAYED, HeaderValue::from_static("true"))
}

/// None where nothing is known or to be shown of the record.
async fn shown_again(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    kept: Kept,
    (status, wanted): (StatusCode, Option<FieldSet>),
) -> Option<Answer> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity()?.clone();
    if let Operation::Update(_, id, _) | Operation::Delete(_, id) = prospect.operation() {
        exchange.entry.record(&entity, &id.0);
    }
    let id = CompactString::from(kept.id?);
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(&entity)?;
    let source = match sources.only() {
        Some(source) => Some(source),
        None => ids::source(exchange, sources, &id).await.ok().map(|(source, _)| source),
    };
    let read = kept.record.and_then(|kept| {
        let mapping = &*source?.mapping;
        judgeable(&entity, mapping, &kept, &prospect.reads()).map(|record| {
            let all = leaves(&entity, &kept.leaves);
            (record, kept.is_whole && seen(mapping, prospect).minus(&all).is_empty())
        })
    });
    let (mut record, wanted, is_tagged) = match read {
        Some((record, is_whole)) => (record, wanted, is_whole && wanted.is_none()),
        None => (named(&entity, &id), Some(FieldSet::ID), false),
    };
    // It was kept under a bundle that showed the systems' keys.
    if !ids::are_all(exchange, source.map(|source| &*source.mapping), &entity, &record) {
        return None;
    }
    if let Some(source) = source
        && let Err(refusal) = joined::relate(exchange, admission, &source.mapping, &mut [&mut record]).await
    {
        exchange.entry.note("echo", refusal.reason());
        return None;
    }
    if exchange.recheck_again(prospect, &record).is_err() {
        exchange.entry.note("echo", Refusal::Mismatch.reason());
        return None;
    }
    let remembered = if kept.is_id_shown { Remembered::Id } else { Remembered::Nothing };
    let whose = Subjects::of(&entity, &prospect.visible()).named(&entity, &record);
    let shown = policy::again(prospect, record, wanted.as_ref(), remembered)?;
    let is_named = shows(&shown, &id);
    let whose = whose.whose(&shown, &FieldSet::EMPTY, id.clone());
    let id_alone = || policy::again(prospect, named(&entity, &id), Some(&FieldSet::ID), remembered);
    let (exposed, why) = match exchange.expose_written(admission, (shown, whose), id_alone).await? {
        Written::Whole(exposed) => (exposed, Vec::new()),
        Written::Id(exposed, why) => (exposed, why),
    };
    let is_tagged = is_tagged && why.is_empty();
    let core = exchange.core.clone();
    let tag = is_tagged.then_some((&core.gate.tags, &prospect.caller().facts().digest));
    let answer = Answer::one(status, &exposed, tag).lacking(&why);
    let location = match prospect.operation() {
        Operation::Create(_) if is_named => location(head, &id),
        _ => None,
    };
    Some(match location {
        Some(location) => answer.with(header::LOCATION, location),
        None => answer,
    })
}

/// The record that was kept; none where it does not hold what today's statements read, or does not fit today's schema.
fn judgeable(entity: &Entity, mapping: &Mapping, kept: &KeptRecord, reads: &FieldSet) -> Option<Record> {
    let told = leaves(entity, &kept.leaves);
    if !reads.intersection(&mapping.mapped()).minus(&told).is_empty() {
        return None;
    }
    let view = schema::View {
        writable: entity.all(),
        required: FieldSet::EMPTY,
        ..schema::View::of(entity, Body::Patch)
    };
    json::read(entity, kept.json.as_bytes(), &view).ok().map(|proposed| proposed.record)
}

fn leaves(entity: &Entity, paths: &[String]) -> FieldSet {
    paths.iter().filter_map(|path| entity.leaf_at(path)).collect()
}

/// Whether an answer shows the record's id as it is.
fn shows(shown: &Shown, id: &str) -> bool {
    let id_of = || {
        let (position, _) = shown.entity().root.field("id")?;
        shown.record().fields.at(position)?.as_text()
    };
    id_of() == Some(id)
}

fn location(head: &Head, id: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{}/{}", head.path.as_str(), utf8_percent_encode(id, SEGMENT))).ok()
}
