//! One record: fetched, mapped, shown or not there; and several of them by their keys.

use std::{sync::Arc, time::Duration};

use super::{
    Core, Outcome, accepted, also,
    exchange::{Exchange, Side, not_possible},
    ids,
    including::{self, Links},
    joined::{self, Counterpart},
    over,
    shadowing::Question,
    tables,
    wanted::{Subjects, needed},
};
use crate::{
    answer::Answer,
    audit::{Fetch, Receipt},
    catalog::{Action, Operation},
    clock,
    config::EntitySource,
    intake::Head,
    mapping::{Answered, FaultKind, Inward, Mapping, NativeAnswer, NativeRequest, Parent, SystemFault},
    policy::{self, Judged},
    quota::{Admission, Exposed},
    refusal::Refusal,
    schema::{FieldSet, Record, query},
    upstream::UpstreamError,
    wire::Deadline,
};

use compact_str::CompactString;
use futures_util::future::{join, join_all};
use http::StatusCode;

/// Records that are read at the same time.
const READS_AT_ONCE: usize = 8;

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
) -> Result<(Exposed, Links), Refusal> {
    let prospect = admission.prospect();
    let Operation::Read(entity, id) = prospect.operation() else { return Err(Refusal::Broken) };
    let visible = prospect.visible();
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let (source, key) = ids::source(exchange, sources, &id.0).await?;
    exchange.entry.asked_for(entity, wanted.as_ref(), &FieldSet::EMPTY);
    let asked = wanted.unwrap_or(visible).union(linking);
    let fetched = needed(&source.mapping, &asked, &visible, &prospect.reads());
    let (_, inward) = fetch(exchange, admission, source, &key, (&fetched, &FieldSet::EMPTY)).await?;
    exchange.fetched = fetched.intersection(&source.mapping.mapped()).minus(&inward.missing);
    let links = Links::of(entity, &inward.record, linking);
    let id = ids::of(entity, &inward);
    let shown = judged(exchange, admission, inward.record, &id, wanted.as_ref()).await?;
    Ok((shown, links))
}

/// A record as the caller may see it, by the `id` that callers know it by.
pub(super) async fn judged(
    exchange: &mut Exchange,
    admission: &Admission,
    record: Record,
    id: &str,
    wanted: Option<&FieldSet>,
) -> Result<Exposed, Refusal> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    exchange.judged_on(prospect, &record, Side::Stored);
    exchange.recheck(prospect, Some(&record))?;
    let whose = Subjects::of(entity, &prospect.visible()).named(entity, &record);
    let judged = policy::show(prospect, record, wanted);
    exchange.came(&judged);
    let shown = match judged {
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
    let whose = whose.whose(&shown, &FieldSet::EMPTY, id.into());
    exchange.expose_one(admission, shown, whose).await
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
    let asked = (wanted, must);
    let (answer, mut inward, told) = alone(exchange, admission, source, key, asked, true).await?;
    let rows = &mut [&mut inward];
    let counterparts = joined::complete(exchange, admission, mapping, asked, rows, told).await?;
    joined::relate(exchange, admission, mapping, &mut [&mut inward.record]).await?;
    exchange.told(admission.prospect(), mapping, &inward)?;
    Ok((answer, inward, counterparts))
}

/// What one system tells of a record by its key there; at the same time, where they are to be asked too, what others
/// tell of it by its id. What `must` be known of it is not left untold.
pub(super) async fn alone(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
    (wanted, must): (&FieldSet, &FieldSet),
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
    let whole = also::told(exchange, admission, source, (Answered::Read, &answer), (wanted, must)).await?;
    let read = (whole.as_ref().unwrap_or(&answer), wanted);
    exchange.sample(mapping, read, || Question::Read(asked.clone()));
    let read = core.inward(mapping, &asked, read, inward_of).await;
    let mut inward = came(exchange, mapping, (key, wanted), &answer, read)?;
    ids::public(exchange, mapping, &mut [&mut inward.record]).await?;
    Ok((whole.unwrap_or(answer), inward, told))
}

fn inward_of(
    mapping: &Mapping,
    key: &CompactString,
    answer: &NativeAnswer,
    wanted: &FieldSet,
) -> Result<Inward, SystemFault> {
    mapping.inward_of(key, answer, wanted)
}

/// The record that a system answered with; what it does not have is not there.
fn came(
    exchange: &Exchange,
    mapping: &Mapping,
    (key, wanted): (&str, &FieldSet),
    answer: &NativeAnswer,
    read: Option<Result<Inward, SystemFault>>,
) -> Result<Inward, Refusal> {
    let inward = match read.ok_or(Refusal::Broken)? {
        Ok(inward) => inward,
        Err(fault) if fault.kind == FaultKind::NotFound => {
            exchange.core.gate.quality.missing(mapping, key);
            return Err(Refusal::NoSuchRecord);
        }
        Err(fault) => return Err(exchange.refused_by(mapping.system(), fault)),
    };
    exchange.looked_at(mapping, wanted, std::iter::once(Ok(&inward)), (None, answer));
    mapping.is_asked(key, &inward).map_err(|fault| exchange.refused_by(mapping.system(), fault))?;
    Ok(inward)
}

/// Records by their keys in one system, some at the same time, in the order of the keys; none for one that is not there.
/// Others are asked for what they tell of all of them at once. After a read that fails no more are begun.
pub(super) async fn several(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    keys: &[CompactString],
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<Vec<Option<Inward>>, Refusal> {
    let mapping = &source.mapping;
    if !mapping.can(Action::Read) {
        return Err(not_possible(std::slice::from_ref(source), Action::Read));
    }
    tables::ready(exchange, admission, mapping, (wanted, must)).await?;
    let mut all = Vec::with_capacity(keys.len());
    for keys in keys.chunks(READS_AT_ONCE) {
        let mut reads = Vec::with_capacity(keys.len());
        for key in keys {
            reads.push(Reading::of(exchange, admission, source, key, wanted).await?);
        }
        let reads = reads.into_iter().map(|reading| async { Some(reading?.read(source, wanted).await) });
        let reads = join_all(reads).await;
        // ORDER: what was asked is written down, whatever came of the first of them.
        for Read { status, took, sent, got, .. } in reads.iter().flatten() {
            exchange.called_for(source.name(), (*status, *took), *sent, *got);
        }
        for (key, read) in keys.iter().zip(reads) {
            let Some(read) = read else {
                all.push(None);
                continue;
            };
            let (answer, mut read) = read.told.map_err(|error| exchange.unreached(source.name(), error))?;
            let of = (Answered::Read, &answer);
            let whole = also::told(exchange, admission, source, of, (wanted, must)).await?;
            if let Some(whole) = whole {
                read = exchange.core.inward(mapping, key, (&whole, wanted), inward_of).await;
            }
            all.push(there(came(exchange, mapping, (key, wanted), &answer, read))?);
        }
    }
    let mut records: Vec<_> = all.iter_mut().flatten().map(|inward| &mut inward.record).collect();
    ids::public(exchange, mapping, &mut records).await?;
    let mut rows: Vec<_> = all.iter_mut().flatten().collect();
    joined::complete(exchange, admission, mapping, (wanted, must), &mut rows, Vec::new()).await?;
    let mut records: Vec<_> = rows.into_iter().map(|inward| &mut inward.record).collect();
    joined::relate(exchange, admission, mapping, &mut records).await?;
    Ok(all)
}

/// None for a record that is not there.
fn there<T>(found: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Refusal::NoSuchRecord) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A question for one of several records.
struct Reading {
    core: Arc<Core>,
    receipt: Receipt<Fetch>,
    key: CompactString,
    request: NativeRequest,
    parent: Option<Arc<Parent>>,
    deadline: Deadline,
}

/// What came of it.
struct Read {
    status: Option<u16>,
    took: Duration,
    sent: usize,
    got: usize,
    told: Result<(NativeAnswer, Option<Result<Inward, SystemFault>>), UpstreamError>,
}

impl Reading {
    /// The question; none where no record can have the key.
    async fn of(
        exchange: &mut Exchange,
        admission: &Admission,
        source: &EntitySource,
        key: &CompactString,
        wanted: &FieldSet,
    ) -> Result<Option<Self>, Refusal> {
        let Some(request) = source.mapping.read(key, wanted) else { return Ok(None) };
        let parent = there(over::of(exchange, admission, source, key).await)?;
        Ok(parent.map(|parent| Self {
            core: exchange.core.clone(),
            receipt: exchange.entry.fetch(admission),
            key: key.clone(),
            request: exchange.traced(request),
            parent,
            deadline: exchange.deadline(),
        }))
    }

    async fn read(self, source: &EntitySource, wanted: &FieldSet) -> Read {
        let Self { core, receipt, key, request, parent, deadline } = self;
        let (began, sent) = (clock::now(), request.body.len());
        let answer = source.upstream.fetch(&core.pools, &receipt, request, deadline).await;
        let took = clock::mono().saturating_duration_since(began.mono);
        let answer = match answer {
            Ok(answer) => NativeAnswer { over: parent, ..answer },
            Err(error) => return Read { status: None, took, sent, got: 0, told: Err(error) },
        };
        let read = core.inward(&source.mapping, &key, (&answer, wanted), inward_of).await;
        let (status, got) = (Some(answer.status.as_u16()), answer.body.len());
        Read { status, took, sent, got, told: Ok((answer, read)) }
    }
}
