//! One record: fetched, mapped, shown or not there.

use super::{
    Outcome, accepted,
    exchange::{Exchange, Side, not_possible},
    ids,
    including::{self, Links},
    joined::{self, Counterpart},
    over, tables,
    wanted::{Subjects, needed},
};
use crate::{
    answer::Answer,
    catalog::{Action, Operation},
    clock,
    config::EntitySource,
    intake::Head,
    mapping::{FaultKind, Inward, NativeAnswer},
    policy::{self, Judged, Prospect, Shown},
    quota::Admission,
    refusal::Refusal,
    schema::{FieldSet, Record, query},
};

use compact_str::CompactString;
use futures_util::future::{join, join_all};
use http::StatusCode;

/// Reads one record for a caller.
pub(super) async fn read(exchange: &mut Exchange, admission: &Admission, head: &Head) -> Outcome {
    let prospect = admission.prospect();
    let Operation::Read(entity, _) = prospect.operation() else { return Err(Refusal::Broken) };
    if let Some(outcome) = Box::pin(accepted::read(exchange, admission, head)).await {
        return outcome;
    }
    let pairs = query::without_include(head.query.as_deref().unwrap_or_default());
    let wanted = query::read_fields(entity, pairs, &prospect.visible());
    let (including, wanted) = including::wanted(exchange, admission, head, wanted).await?;
    let (shown, links) = one(exchange, admission, wanted, &including.linking()).await?;
    let beside = including.find(exchange, admission, head, std::slice::from_ref(&links)).await?;
    let core = exchange.core.clone();
    let lacks = exchange.lacks(entity, &wanted.unwrap_or(prospect.visible()));
    let tag = (wanted.is_none() && exchange.untold.is_empty())
        .then(|| (&core.gate.tags, &prospect.caller().facts().digest));
    Ok(Answer::one(StatusCode::OK, &shown, tag).beside(&beside).lacking(&lacks))
}

/// One record as the caller may see it, and what links it to others; all that it may see where nothing is wanted in
/// particular.
pub(super) async fn one(
    exchange: &mut Exchange,
    admission: &Admission,
    wanted: Option<FieldSet>,
    linking: &FieldSet,
) -> Result<(Shown, Links), Refusal> {
    let prospect = admission.prospect();
    let Operation::Read(entity, id) = prospect.operation() else { return Err(Refusal::Broken) };
    let visible = prospect.visible();
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let (source, key) = ids::source(exchange, sources, &id.0).await?;
    let asked = wanted.unwrap_or(visible).union(linking);
    let fetched = needed(&source.mapping, &asked, &visible, &prospect.reads());
    let (_, inward) = fetch(exchange, admission, source, &key, (&fetched, &FieldSet::EMPTY)).await?;
    let links = Links::of(entity, &inward.record, linking);
    let id = ids::of(entity, &inward);
    let shown = judged(exchange, prospect, inward.record, &id, wanted.as_ref())?;
    Ok((shown, links))
}

/// A record as the caller may see it, by the `id` that callers know it by.
pub(super) fn judged(
    exchange: &mut Exchange,
    prospect: &Prospect,
    record: Record,
    id: &str,
    wanted: Option<&FieldSet>,
) -> Result<Shown, Refusal> {
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    exchange.judged_on(prospect, &record, Side::Stored);
    exchange.recheck(prospect, Some(&record))?;
    let whose = Subjects::of(entity, &prospect.visible()).named(entity, &record);
    let shown = match policy::show(prospect, record, wanted) {
        Judged::Shown(shown) => shown,
        Judged::Denied(grounds) => {
            exchange.entry.decided(&grounds.statements, grounds.detail);
            return Err(Refusal::NoSuchRecord);
        }
        Judged::Erroring { statement } => {
            exchange.erring(&statement);
            return Err(Refusal::NoSuchRecord);
        }
    };
    exchange.shown(&shown, id, &whose);
    Ok(shown)
}

/// Asks a serving system for one record by its key there, and others for what they tell of it: its answer, and what it
/// comes to for callers. What it does not have, nobody may see, nor what statements cannot be judged on. What `must` be
/// known is not left untold.
pub(super) async fn fetch(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
    asked: (&FieldSet, &FieldSet),
) -> Result<(NativeAnswer, Inward), Refusal> {
    let (answer, inward, _) = completed(exchange, admission, source, key, asked).await?;
    Ok((answer, inward))
}

/// The same, and by which records of the others it was completed.
pub(super) async fn completed(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<(NativeAnswer, Inward, Vec<Counterpart>), Refusal> {
    let mapping = &source.mapping;
    if !mapping.can(Action::Read) {
        return Err(not_possible(std::slice::from_ref(source), Action::Read));
    }
    tables::ready(exchange, admission, mapping, (wanted, must)).await?;
    let (answer, mut inward, told) = alone(exchange, admission, source, key, wanted, true).await?;
    let asked = (wanted, must);
    let rows = &mut [&mut inward];
    let counterparts = joined::complete(exchange, admission, mapping, asked, rows, told).await?;
    exchange.told(admission.prospect(), mapping, &inward)?;
    Ok((answer, inward, counterparts))
}

/// What one system tells of a record by its key there; at the same time, where they are to be asked too, what others
/// tell of it by its id.
pub(super) async fn alone(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
    wanted: &FieldSet,
    with_others: bool,
) -> Result<(NativeAnswer, Inward, Vec<joined::Told>), Refusal> {
    let mapping = &source.mapping;
    let request = mapping.read(key, wanted).ok_or(Refusal::NoSuchRecord)?;
    let parent = over::of(exchange, admission, source, key).await?;
    let receipt = exchange.entry.fetch(admission);
    let request = exchange.traced(request);
    let began = clock::now();
    let sent = request.body.len();
    let core = exchange.core.clone();
    let asks = match with_others {
        true => joined::by_id(exchange, admission, mapping, key, wanted).await?,
        false => Vec::new(),
    };
    let answer = source.upstream.fetch(&core.pools, &receipt, request, exchange.deadline());
    let (answer, told) = match asks.is_empty() {
        true => (answer.await, Vec::new()),
        false => {
            let asked = join_all(asks.into_iter().map(joined::Ask::tell));
            Box::pin(join(answer, asked)).await
        }
    };
    let answer = match answer {
        Ok(answer) => NativeAnswer { over: parent, ..answer },
        Err(error) => {
            exchange.called(source.name(), None, began, sent, 0);
            return Err(exchange.unreached(source.name(), error));
        }
    };
    exchange.called(source.name(), Some(answer.status.as_u16()), began, sent, answer.body.len());
    let asked = CompactString::from(key);
    let read = core.inward(mapping, &asked, (&answer, wanted), |mapping, key, answer, wanted| {
        mapping.inward_of(key, answer, wanted)
    });
    let mut inward = match read.await.ok_or(Refusal::Broken)? {
        Ok(inward) => inward,
        Err(fault) if fault.kind == FaultKind::NotFound => {
            core.gate.quality.missing(mapping, key);
            return Err(Refusal::NoSuchRecord);
        }
        Err(fault) => return Err(exchange.refused_by(mapping.system(), fault)),
    };
    exchange.looked_at(mapping, wanted, std::iter::once(Ok(&inward)), (None, &answer));
    mapping.is_asked(key, &inward).map_err(|fault| exchange.refused_by(mapping.system(), fault))?;
    ids::public(exchange, mapping, &mut [&mut inward.record]).await?;
    Ok((answer, inward, told))
}
