//! What other systems tell of records, where a collection stands in several.
//!
//! One system serves the collection; its records are completed before anything judges them, so statements, filters and
//! views know one record and not its parts. Systems are asked at the same time, one question for 50 records of a page, each
//! bounded by its own clock. One that cannot be asked leaves its fields untold, and the answer says so; where a
//! statement, a filter, an order or a precondition goes by these fields the request is refused instead, for nobody can
//! say what they hold. Of two records that could be meant neither is taken.

mod related;

use std::{collections::HashMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use futures_util::future::join_all;
use http::HeaderValue;

use super::{Core, exchange::Exchange, ids, tables, whole::only};
use crate::{
    answer::Lack,
    audit::{Fetch, Receipt},
    catalog::Action,
    clock,
    config::{Part, Served, Snapshot},
    mapping::{
        FaultKind, IfMissing, Inward, Listing, Mapping, NativeAnswer, NativeRequest, Page, RowFault,
        SystemFault,
    },
    quota::Admission,
    refusal::{Form, Refusal},
    schema::{Entity, FieldSet, Filter, Op, Record, Value},
    upstream::{Upstream, UpstreamError},
    wire::Deadline,
    words::{EntityName, SystemName},
};

pub(super) use related::{Fetched, relate};

/// Such questions that one system is asked at the same time.
const QUESTIONS_AT_ONCE: usize = 4;
/// LIMIT: pages of a system that are looked through for so many values.
const PAGES_MAX: usize = 4;
/// Records that are read at the same time, where a system cannot be asked for several by their ids.
const READS_AT_ONCE: usize = 8;

/// What a system has left untold of an answer.
#[derive(Debug)]
pub(super) struct Untold {
    system: SystemName,
    /// What of the system; the system itself, where it told nothing.
    of: Option<Of>,
    leaves: FieldSet,
    /// Why, as callers are told it.
    problem: Vec<u8>,
}

/// What of a system told nothing, of what it tells apart from its records.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A table that nobody knows.
    Table(Box<str>),
    /// Other records of it, of one sort, of the records of an entity.
    Also(EntityName, Box<str>),
}

impl Untold {
    /// What goes by something of a system.
    pub(super) fn of(system: &SystemName, of: Of, leaves: FieldSet, problem: Vec<u8>) -> Self {
        Self { system: system.clone(), of: Some(of), leaves, problem }
    }

    /// Whether it is that.
    pub(super) fn is_of(&self, system: &SystemName, of: &Of) -> bool {
        self.system == *system && self.of.as_ref() == Some(of)
    }
}

impl Exchange {
    /// What the answer lacks of the fields that a caller would be shown.
    pub(super) fn lacks(&self, entity: &Entity, shown: &FieldSet) -> Vec<Lack> {
        let lack = |untold: &Untold| {
            let fields = entity.root.fields.iter();
            let lacking = untold.leaves.intersection(shown);
            let fields = fields.filter(|field| lacking.any_in(&field.leaves)).map(|field| field.name.clone());
            Lack { left_out: None, fields: fields.collect(), problem: untold.problem.clone() }
        };
        let lacks = self.untold.iter().map(lack).filter(|lack| !lack.fields.is_empty());
        lacks.chain(self.left_out()).collect()
    }
}

/// A question to one system about some records.
pub(super) struct Ask {
    core: Arc<Core>,
    upstream: Arc<Upstream>,
    mapping: Arc<Mapping>,
    part: Part,
    receipt: Receipt<Fetch>,
    trace: Option<HeaderValue>,
    deadline: Deadline,
    wanted: FieldSet,
    /// The value by which each record is found; none where it has none.
    values: Vec<Option<CompactString>>,
}

/// What came of it.
pub(super) struct Told {
    ask: Ask,
    asked: Asked,
    outcome: Result<(), Failed>,
}

/// The calls it took, and the records of their answers.
#[derive(Default)]
struct Asked {
    calls: Vec<Called>,
    looks: Vec<Look>,
}

struct Called {
    status: Option<u16>,
    took: Duration,
    sent: usize,
    got: usize,
}

/// Records of an answer, and what it answered.
struct Look {
    listing: Option<Listing>,
    answer: NativeAnswer,
    rows: Vec<Result<Inward, RowFault>>,
}

enum Failed {
    Unreached(UpstreamError),
    Fault(SystemFault),
}

/// Questions about one record that need not wait for the serving system, because its id is known.
pub(super) async fn by_id(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    key: &str,
    wanted: &FieldSet,
) -> Result<Vec<Ask>, Refusal> {
    let mut asks = Vec::new();
    if mapping.elsewhere().intersection(wanted).is_empty() {
        return Ok(asks);
    }
    for part in wanted_of(exchange, mapping, wanted) {
        if part.is_by_id() {
            tables_of(exchange, admission, (mapping, &part), (wanted, &FieldSet::EMPTY)).await?;
            let id = ids::named(exchange, mapping, key.into()).await?;
            let values = keys(exchange, &part, mapping, &[id]).await?;
            asks.push(ask(exchange, admission, mapping, (part, values), wanted)?);
        }
    }
    Ok(asks)
}

/// Which record of another system the first of some records was completed by.
#[derive(Debug)]
pub(super) struct Counterpart {
    pub(super) system: SystemName,
    /// Its key there.
    pub(super) key: Result<CompactString, NoCounterpart>,
}

/// Why it was completed by none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCounterpart {
    /// There is none.
    None,
    /// Several could be meant.
    Several,
}

/// Puts into records what other systems tell of them; `told` are those that were asked already. What `must` be known
/// and is not refuses.
pub(super) async fn complete(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    (wanted, must): (&FieldSet, &FieldSet),
    rows: &mut [&mut Inward],
    mut told: Vec<Told>,
) -> Result<Vec<Counterpart>, Refusal> {
    if rows.is_empty() || mapping.elsewhere().intersection(wanted).is_empty() {
        return Ok(Vec::new());
    }
    let mut asks = Vec::new();
    for part in wanted_of(exchange, mapping, wanted) {
        if told.iter().any(|told| told.ask.part.system == part.system) {
            continue;
        }
        tables_of(exchange, admission, (mapping, &part), (wanted, must)).await?;
        let values = match part.is_by_id() {
            true => {
                let ids: Vec<_> = rows.iter().map(|row| ids::of(mapping.entity(), row)).collect();
                keys(exchange, &part, mapping, &ids).await?
            }
            false => rows.iter().map(|row| value(mapping.entity(), &part, &row.record)).collect(),
        };
        asks.push(ask(exchange, admission, mapping, (part, values), wanted)?);
    }
    told.extend(join_all(asks.into_iter().map(Ask::tell)).await);
    let must = admission.prospect().reads().union(must);
    let mut counterparts = Vec::with_capacity(told.len());
    for told in told {
        let system = told.ask.part.system.clone();
        let key = take(exchange, mapping, told, &must, rows).await?;
        counterparts.extend(key.map(|key| Counterpart { system, key }));
    }
    Ok(counterparts)
}

/// Puts what other systems told of one reading of a record into another.
pub(super) fn carry(mapping: &Mapping, from: &Record, leaves: &FieldSet, into: &mut Record) {
    let leaves = mapping.elsewhere().intersection(leaves);
    if !leaves.is_empty() {
        graft(mapping.entity(), &leaves, only(mapping.entity(), from, &leaves), into);
    }
}

/// The value by which a record is found elsewhere.
pub(super) fn value(entity: &Entity, part: &Part, record: &Record) -> Option<CompactString> {
    let text = record.first(entity, part.on).and_then(Value::as_text);
    text.filter(|text| !text.is_empty()).map(CompactString::from)
}

/// The keys by which a system knows the records of some ids.
async fn keys(
    exchange: &Exchange,
    part: &Part,
    mapping: &Mapping,
    ids: &[CompactString],
) -> Result<Vec<Option<CompactString>>, Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (_, theirs) = theirs(&snapshot, part, mapping).ok_or(Refusal::Broken)?;
    ids::keys(exchange, theirs, ids).await
}

/// Sees to the tables that a part's own fields go by.
async fn tables_of(
    exchange: &mut Exchange,
    admission: &Admission,
    (mapping, part): (&Mapping, &Part),
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<(), Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (_, theirs) = theirs(&snapshot, part, mapping).ok_or(Refusal::Broken)?;
    let (wanted, must) = (part.leaves.intersection(wanted), part.leaves.intersection(must));
    tables::ready_for(
        exchange,
        theirs,
        (&wanted, &part.leaves.intersection(&admission.prospect().reads()).union(&must)),
    )
    .await
}

/// The parts that tell some of these leaves and have not failed this answer before.
fn wanted_of(exchange: &Exchange, mapping: &Mapping, wanted: &FieldSet) -> Vec<Part> {
    let parts = exchange.snapshot.parts(mapping.entity());
    let has_failed = |untold: &Untold, part: &Part| untold.system == part.system && untold.of.is_none();
    let failed = |part: &Part| exchange.untold.iter().any(|untold| has_failed(untold, part));
    let is_wanted = |part: &&Part| !part.leaves.intersection(wanted).is_empty() && !failed(part);
    parts.iter().filter(is_wanted).cloned().collect()
}

/// The system of a part, and how it has the records of a mapping's entity.
fn theirs<'s>(
    snapshot: &'s Snapshot,
    part: &Part,
    mapping: &Mapping,
) -> Option<(&'s Served, &'s Arc<Mapping>)> {
    let served = snapshot.systems.get(&part.system)?;
    Some((served, served.mapping.entity(mapping.name().as_str())?))
}

fn ask(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    (part, values): (Part, Vec<Option<CompactString>>),
    wanted: &FieldSet,
) -> Result<Ask, Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (served, theirs) = theirs(&snapshot, &part, mapping).ok_or(Refusal::Broken)?;
    let wanted = part.leaves.intersection(wanted).union(&FieldSet::of(part.on)).union(&FieldSet::ID);
    let wanted = theirs.entity().with_currencies(&theirs.deciding(&wanted));
    let deadline = Deadline::after(clock::now(), part.within).sooner(exchange.deadline());
    Ok(Ask {
        core: exchange.core.clone(),
        upstream: served.upstream.clone(),
        mapping: theirs.clone(),
        receipt: exchange.entry.fetch(admission),
        trace: exchange.traceparent.clone(),
        part,
        deadline,
        wanted: theirs.entity().with_records_of_elements(&wanted),
        values,
    })
}

impl Ask {
    /// Asks. Cannot fail: what goes wrong is told.
    pub(super) async fn tell(self) -> Told {
        let mut told = Told { ask: self, asked: Asked::default(), outcome: Ok(()) };
        told.outcome = told.ask_all().await;
        told
    }

    async fn call(&self, mut request: NativeRequest) -> (Called, Result<NativeAnswer, UpstreamError>) {
        if let Some(trace) = &self.trace {
            request.headers.insert("traceparent", trace.clone());
        }
        let (began, sent) = (clock::now(), request.body.len());
        let answer = self.upstream.fetch(&self.core.pools, &self.receipt, request, self.deadline).await;
        let told = answer.as_ref().ok();
        let called = Called {
            status: told.map(|answer| answer.status.as_u16()),
            took: clock::mono().saturating_duration_since(began.mono),
            sent,
            got: told.map_or(0, |answer| answer.body.len()),
        };
        (called, answer)
    }
}

impl Told {
    async fn ask_all(&mut self) -> Result<(), Failed> {
        let mut values: Vec<CompactString> = self.ask.values.iter().flatten().cloned().collect();
        values.sort_unstable();
        values.dedup();
        let mapping = &self.ask.mapping.clone();
        if mapping.finds_by(self.ask.part.on) {
            let (mut questions, mut left) = (Vec::new(), values.as_slice());
            while let Some((some, rest)) = left.split_at_checked(mapping.askable(self.ask.part.on, left)) {
                questions.push(some);
                left = rest;
            }
            for questions in questions.chunks(QUESTIONS_AT_ONCE) {
                self.list(mapping, questions).await?;
            }
        } else if mapping.can(Action::Read) {
            for values in values.chunks(READS_AT_ONCE) {
                self.read(mapping, values).await?;
            }
        }
        Ok(())
    }

    /// Asks lists for some values each, at the same time.
    async fn list(&mut self, mapping: &Arc<Mapping>, questions: &[&[CompactString]]) -> Result<(), Failed> {
        let ask = &self.ask;
        let answers = questions.iter().map(|values| async {
            let mut asked = Asked::default();
            let outcome = asked.list(ask, mapping, values).await;
            (asked, outcome)
        });
        let mut all = Ok(());
        for (asked, outcome) in join_all(answers).await {
            self.asked.calls.extend(asked.calls);
            self.asked.looks.extend(asked.looks);
            all = all.and(outcome);
        }
        all
    }

    /// Reads records by their keys, at the same time.
    async fn read(&mut self, mapping: &Arc<Mapping>, keys: &[CompactString]) -> Result<(), Failed> {
        let requests = keys.iter().filter_map(|key| Some((key, mapping.read(key, &self.ask.wanted)?)));
        let ask = &self.ask;
        let calls = requests.map(|(key, request)| async move {
            let (called, answer) = ask.call(request).await;
            let Ok(answer) = answer else { return (key, (called, answer.map(|answer| (answer, None)))) };
            let read = |mapping: &Mapping, key: &CompactString, answer: &NativeAnswer, wanted: &FieldSet| {
                mapping.inward_of(key, answer, wanted)
            };
            let inward = ask.core.inward(mapping, key, (&answer, &ask.wanted), read).await;
            (key, (called, Ok((answer, inward))))
        });
        let answers = join_all(calls).await;
        let mut failed = None;
        for (key, (called, answer)) in answers {
            self.asked.calls.push(called);
            let read = answer.map_err(Failed::Unreached).and_then(|(answer, inward)| {
                match inward.unwrap_or_else(broken) {
                    Ok(inward) => {
                        mapping.is_asked(key, &inward).map_err(Failed::Fault)?;
                        Ok(Some(Look { listing: None, answer, rows: vec![Ok(inward)] }))
                    }
                    Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
                    Err(fault) => Err(Failed::Fault(fault)),
                }
            });
            match read {
                Ok(look) => self.asked.looks.extend(look),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Asked {
    /// One answer of the system.
    async fn call(&mut self, ask: &Ask, request: NativeRequest) -> Result<NativeAnswer, Failed> {
        let (called, answer) = ask.call(request).await;
        self.calls.push(called);
        answer.map_err(Failed::Unreached)
    }

    async fn list(
        &mut self,
        ask: &Ask,
        mapping: &Arc<Mapping>,
        values: &[CompactString],
    ) -> Result<(), Failed> {
        let texts = values.iter().map(|value| Value::Text(value.clone())).collect();
        let filter = Filter::test(ask.part.on, Op::In, Value::List(texts));
        let size = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let mut at: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let listing = mapping.list(&ask.wanted, &filter, &[], at.as_deref(), size);
            let listing =
                listing.map_err(|error| Failed::Fault(SystemFault::unreadable(error.to_string())))?;
            let answer = self.call(ask, listing.request.clone()).await?;
            let page = self.page(ask, mapping, (&listing, &answer)).await?;
            self.looks.push(Look { listing: Some(listing), answer, rows: page.rows });
            match (page.next, page.truncated) {
                (Some(next), _) => at = Some(next),
                (None, false) => return Ok(()),
                (None, true) => break,
            }
        }
        Err(Failed::Fault(SystemFault::unreadable("more records than are looked through".to_owned())))
    }

    async fn page(
        &mut self,
        ask: &Ask,
        mapping: &Arc<Mapping>,
        (listing, answer): (&Listing, &NativeAnswer),
    ) -> Result<Page, Failed> {
        let (wanted, core) = (ask.wanted, ask.core.clone());
        let Some(mut batch) = mapping.batch(listing, answer).map_err(Failed::Fault)? else {
            let page = core.inward(mapping, listing, (answer, &wanted), Mapping::inward_list).await;
            return page.unwrap_or_else(broken).map_err(Failed::Fault);
        };
        while let Some(request) = batch.request(&wanted) {
            let answer = self.call(ask, request).await?;
            let rows = core.inward(mapping, listing, (&answer, &wanted), Mapping::batch_rows).await;
            batch.take(rows.unwrap_or_else(broken)).map_err(Failed::Fault)?;
        }
        Ok(batch.page())
    }
}

/// An answer that broke what reads it.
fn broken<T>() -> Result<T, SystemFault> {
    Err(SystemFault::unreadable("the answer broke what reads it".to_owned()))
}

/// Takes what one system told: into the records, or, where it told nothing, into what the answer says of itself. Which
/// of its records the first one was completed by.
async fn take(
    exchange: &mut Exchange,
    mapping: &Mapping,
    told: Told,
    must: &FieldSet,
    rows: &mut [&mut Inward],
) -> Result<Option<Result<CompactString, NoCounterpart>>, Refusal> {
    let Told { ask, asked: Asked { calls, looks }, outcome } = told;
    let (system, theirs) = (&ask.part.system, &ask.mapping);
    for Called { status, took, sent, got } in calls {
        exchange.called_for(system, (status, took), sent, got);
    }
    for look in &looks {
        let seen = (look.listing.as_ref(), &look.answer);
        exchange.looked_at(theirs, &ask.wanted, look.rows.iter().map(Result::as_ref), seen);
    }
    if let Err(failed) = outcome {
        let refusal = match failed {
            Failed::Unreached(error) => exchange.unreached(system, error),
            Failed::Fault(fault) => exchange.refused_by(system, fault),
        };
        return missing(exchange, ask.part, refusal, must).map(|()| None);
    }
    let found = looks.into_iter().flat_map(|look| look.rows).flatten();
    let mut records: Vec<Record> = Vec::new();
    // Each value, and which record has it; none where several do.
    let mut of: HashMap<CompactString, Option<(usize, CompactString)>> = HashMap::new();
    let mut untold = Vec::new();
    // Ids of elements are made of what names their record.
    let kept = mapping.entity().with_records_of_elements(&ask.part.leaves).union(&FieldSet::ID);
    for inward in found {
        let value = match ask.part.is_by_id() {
            true => Some(inward.id.clone()),
            false => value(mapping.entity(), &ask.part, &inward.record),
        };
        let Some(value) = value else { continue };
        let known = of.entry(value).or_insert_with(|| Some((records.len(), inward.id.clone())));
        match known {
            Some((at, _)) if *at == records.len() => {
                records.push(only(mapping.entity(), &inward.record, &kept));
                untold.push(inward.missing);
            }
            // The same once more.
            Some((_, id)) if *id == inward.id => {}
            known => *known = None,
        }
    }
    let mut all: Vec<&mut Record> = records.iter_mut().collect();
    ids::told(exchange, theirs, &ask.part.leaves, &mut all).await?;
    for (row, value) in rows.iter_mut().zip(&ask.values) {
        match value.as_ref().and_then(|value| of.get(value)) {
            Some(Some((at, _))) => {
                let (Some(record), Some(untold)) = (records.get(*at), untold.get(*at)) else { continue };
                graft(mapping.entity(), &ask.part.leaves, record.clone(), &mut row.record);
                let told = ask.part.leaves.intersection(&ask.wanted).minus(untold);
                row.missing = row.missing.minus(&told);
            }
            Some(None) => exchange.entry.note("ambiguous", &ask.part.system),
            None => {}
        }
    }
    let first = ask.values.first().and_then(Option::as_ref).and_then(|value| of.get(value));
    Ok(Some(match first {
        Some(Some((_, key))) => Ok(key.clone()),
        Some(None) => Err(NoCounterpart::Several),
        None => Err(NoCounterpart::None),
    }))
}

/// A system could not be asked. Where something goes by what it would have told, that refuses.
fn missing(exchange: &mut Exchange, part: Part, refusal: Refusal, must: &FieldSet) -> Result<(), Refusal> {
    // Readers of tables load what they get as if it were all.
    let is_whole = exchange.form == Form::OData || part.missing == IfMissing::Refused;
    if is_whole || !part.leaves.intersection(must).is_empty() {
        return Err(refusal);
    }
    let request = exchange.entry.request();
    tracing::warn!(%request, system = %part.system, cause = %refusal, "an answer lacks what a system tells");
    exchange.entry.note("lacks", format_args!("{}: {}", part.system, refusal.reason()));
    exchange.core.gate.telemetry.refused(refusal.reason());
    let problem = refusal.problem(refusal.status(), request);
    exchange.untold.push(Untold { system: part.system, of: None, leaves: part.leaves, problem });
    Ok(())
}

/// Puts whole fields of one record in the places of another's, those that have nothing too.
pub(super) fn overlay(entity: &Entity, leaves: &FieldSet, from: &Record, into: &mut Record) {
    let fields = (0_u16..).zip(&entity.root.fields).filter(|(_, field)| leaves.any_in(&field.leaves));
    for (position, _) in fields {
        match from.fields.at(position) {
            Some(value) => into.fields.set(position, value.clone()),
            None => drop(into.fields.take(position)),
        }
    }
}

/// Puts the whole fields that stand in one record into another.
fn graft(entity: &Entity, leaves: &FieldSet, mut from: Record, into: &mut Record) {
    for (position, field) in (0_u16..).zip(&entity.root.fields) {
        if leaves.any_in(&field.leaves)
            && let Some(value) = from.fields.take(position)
        {
            into.fields.set(position, value);
        }
    }
}
