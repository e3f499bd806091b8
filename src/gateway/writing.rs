//! A write: judged on what changes, written down before it is done, and run to its end.
//!
//! ORDER: body, lock (of a record that is sent back whole), stored record, judgement, the system's own words for it, `If-Match`, intent (synced), effect,
//! answer. From the stored record on it runs in a task of its own, so that a caller who goes away changes
//! nothing; a stopping core waits for it. Once the system has done it, nothing that follows makes a failure of
//! it: whoever is told of one tries again.

use std::sync::Arc;

use compact_str::CompactString;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Outcome, accepted, actions,
    after::{Left, after, echo, made, read_back, seen, unguarded},
    bodies::{self, Draft},
    elsewhere::{self, Other, Step},
    exchange::{self, Exchange, Side, known, not_possible},
    existing, finding,
    ids::{self, Elements},
    joined, locks, once, parts,
    reading::completed,
    sending::effect,
    tables,
    whole::{emptied_in, named, only, replaced, unlike},
};
use crate::{
    answer::{self, Answer},
    body::Body,
    catalog::{Action, Operation, UpdateMode},
    config::{Beside, EntitySource},
    intake::{self, BodyBounds, Head},
    mapping::{
        Before, Changes, Creation, Found, Inward, Mapping, MappingFault, NativeAnswer, PartVersions, Settled,
        What,
    },
    policy::{self, Basis, Change, Denied, Prospect, Verdict, WritePermit},
    quota::Admission,
    refusal::{Places, Refusal, told_faults},
    schema::{self, Entity, FieldSet, Record, json, query},
};

/// What may stand in a path segment as it is.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What the caller sends with a write.
struct Sent {
    body: bytes::Bytes,
    if_match: Option<String>,
    if_none_match: Option<String>,
    wanted: Option<FieldSet>,
}

/// A record before the write.
struct Stored<'s> {
    /// All of it: what is judged and changed.
    record: Record,
    /// As the caller's own `read` has it: what is shown and tagged.
    seen: Record,
    /// As callers know it.
    id: CompactString,
    /// As the system knows it.
    key: CompactString,
    version: Option<CompactString>,
    /// As the system told it.
    answer: NativeAnswer,
    /// The keys of its elements.
    elements: Elements,
    /// What it does not tell of.
    untold: Untold,
    /// Other systems that the write reaches.
    others: Vec<Other<'s>>,
}

/// A record as the serving system has it.
struct There<'s> {
    key: &'s str,
    version: Option<&'s str>,
    answer: &'s NativeAnswer,
    /// The keys of its elements.
    elements: &'s Elements,
}

/// Leaves of which a system's answer does not tell what they are.
pub(super) struct Untold {
    all: FieldSet,
    /// Of them, those where something stands that does not fit the field.
    unfit: FieldSet,
}

/// Writes, and answers the caller if it is still there.
pub(super) async fn write(
    mut exchange: Box<Exchange>,
    admission: Box<Admission>,
    head: Box<Head>,
    unread: Body,
) -> Response<Body> {
    let request = exchange.entry.request();
    let sent = match sent(&mut exchange, &admission, &head, unread).await {
        Ok(sent) => sent,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    let tasks = exchange.core.tasks.clone();
    let task = tasks.spawn(async move {
        let outcome = match once::earlier(&mut exchange, &admission, &head, sent.wanted).await {
            Some(earlier) => earlier,
            None => {
                let outcome = written(&mut exchange, &admission, &head, sent).await;
                exchange.missed(&admission, &outcome);
                once::settle(&mut exchange, &outcome).await;
                outcome
            }
        };
        exchange.finish(outcome).await
    });
    match task.await {
        Ok(response) => response,
        // It panicked: whoever has the handle on its entry writes that, and answers so.
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
    exchange.entry.asked_for(entity, wanted.as_ref(), &FieldSet::EMPTY);
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (if_match, if_none_match) = (text(header::IF_MATCH), text(header::IF_NONE_MATCH));
    let key = once::key(prospect.caller().facts(), head)?;
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
    once::claim(exchange, admission, head, key, &body);
    exchange.sent = Some(body.clone()).filter(|body| !body.is_empty());
    Ok(Sent { body, if_match, if_none_match, wanted })
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
    let listener = exchange.listener()?;
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

async fn create(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    head: &Head,
    sent: Sent,
) -> Outcome {
    let prospect = admission.prospect();
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let (source, Draft { view, proposed }) = bodies::of_new(prospect, sources, &sent.body)?;
    let mapping = &*source.mapping;
    let new = schema::merge(entity, &Record::default(), &proposed, &view);
    // What another system will tell of a record that is not there yet, nobody can say; and of what this one never tells
    // only systems beside it know anything, of their own records.
    let never = prospect.named().minus(&mapping.mapped());
    let untold = prospect.decides_by().intersection(&mapping.elsewhere().union(&never));
    if !untold.is_empty() {
        exchange.note_untold(prospect, &untold);
        return Err(Refusal::Untold);
    }
    let goes_by = proposed.present.union(&prospect.decides_by());
    tables::ready(exchange, admission, mapping, (&seen(mapping, prospect), &goes_by)).await?;
    ids::sent(exchange, mapping, &proposed.record).await?;
    let elements = Elements::default();
    let new = ids::keyed(exchange, mapping, &elements, new).await?;
    let settled = mapping.settled(Before::Nothing, new, &FieldSet::EMPTY);
    let Settled { sent: new, held } = settled_for_callers(exchange, mapping, settled).await?;
    let bare = mapping.bare(&new, &held);
    let permit =
        judge(exchange, admission, mapping, (Change::Create { new, held }, &FieldSet::EMPTY)).await?;
    refuse_bare(exchange, prospect, mapping, bare)?;
    let new = ids::native(exchange, mapping, &elements, permit.new().ok_or(Refusal::Broken)?).await?;
    let found = finding::found(exchange, admission, source, (None, &new), true).await?;
    let creation = mapping
        .creation(&new, Some(&found))
        .map_err(|faults| unmappable(exchange, prospect, mapping, faults))?;
    let _held = locks::of_new(exchange, mapping, &new).await?;
    let left = match creation {
        Creation { record, parts, over, .. } if parts.is_empty() => {
            let answer = match effect(exchange, admission, source, &permit, record).await {
                Ok(answer) => answer,
                Err(refusal) => {
                    return Err(existing::told(exchange, admission, source, &permit, refusal).await);
                }
            };
            let answer = NativeAnswer { over, ..answer };
            after(exchange, admission, source, (Action::Create, None), &answer).await
        }
        creation => {
            let (leads, calls) = (creation.leads.clone(), creation.parts.len().saturating_add(1));
            let key = parts::create(exchange, admission, source, &permit, creation).await?;
            let left = read_back(exchange, admission, source, key.clone(), None).await;
            actions::reached(exchange, admission, source, (&key, &left), (&leads, calls)).await?;
            left
        }
    };
    once::keep(exchange, admission, mapping, &permit, &left);
    let location = location(&permit, &left, head);
    let status = made(exchange, mapping, &left);
    let is_unknown = status == StatusCode::ACCEPTED && matches!(left, Left::Unseen(None));
    let unknown = permit.new().filter(|_| is_unknown);
    if let Some(id) = accepted::keep(exchange, admission, source, unknown).await {
        return Ok(unguarded(&permit, accepted::told(&format!("{}/{id}", head.path.as_str()))));
    }
    let answer = echo(exchange, admission, &permit, left, sent.wanted, status).await;
    Ok(match location {
        Some(location) => answer.with(header::LOCATION, location),
        None => answer,
    })
}

/// Where the new record is; only for who is shown its id as it is.
fn location(permit: &WritePermit, left: &Left, head: &Head) -> Option<HeaderValue> {
    let (record, id) = match left {
        Left::Whole(record, id) | Left::Part(record, id) => (record.clone(), id),
        Left::Unseen(id) => (named(permit.entity(), id.as_ref()?), id.as_ref()?),
    };
    let shown = policy::echo(permit, record, None);
    let (position, _) = permit.entity().root.field("id")?;
    shown.record().fields.at(position)?.as_text().filter(|shown| shown == id)?;
    HeaderValue::try_from(format!("{}/{}", head.path.as_str(), utf8_percent_encode(id, SEGMENT))).ok()
}

async fn update(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    id: &str,
    mode: UpdateMode,
    sent: Sent,
) -> Outcome {
    let prospect = admission.prospect();
    let body = match mode {
        UpdateMode::Merge => json::Body::Patch,
        UpdateMode::Replace => json::Body::Replace,
    };
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    // ORDER: before the stored record is looked at, so that the answer does not tell whether there is one.
    let draft = bodies::of_any(exchange, prospect, sources, body, &sent.body).await?;
    let (source, key) = ids::source(exchange, sources, id).await?;
    let mapping = &*source.mapping;
    let beside = elsewhere::reached(source, &draft);
    // ORDER: before the record is read, so that what is sent back whole is what the last writer left.
    let _held = locks::held(exchange, mapping, &key).await?;
    let stored = stored(exchange, admission, source, &key, (&sent, &beside)).await?;
    let Stored { record, seen, id, key, version, answer, elements, untold, mut others } = stored;
    let is_guarded = version.is_some() && others.iter().all(Other::is_guarded);
    let about = (&record, is_guarded);
    let Draft { view, proposed } =
        bodies::of_one(exchange, prospect, (sources, source), draft, about, &sent.body).await?;
    let view = elsewhere::view(view, &others);
    tables::ready(exchange, admission, mapping, (&FieldSet::EMPTY, &proposed.present)).await?;
    elsewhere::ready(exchange, &others, &proposed.present).await?;
    let sees = prospect.outlook().sees(&record);
    let replaced = blind(prospect, mapping, (&record, &proposed), &sees, is_guarded)?;
    let (new, cleared) = merged(prospect, mapping, (&record, &proposed), &view, is_guarded);
    let reached = proposed.present.union(&replaced).union(&cleared);
    let emptied = untold.emptied(mapping, &proposed, &cleared).minus(&mapping.elsewhere());
    let emptied_there = others.iter().map(|other| other.emptied(&proposed, &cleared));
    let emptied_there = emptied_there.fold(FieldSet::EMPTY, |all, emptied| all.union(&emptied));
    let new = emptied_in(entity, new, &emptied);
    let new = ids::keyed(exchange, mapping, &elements, new).await?;
    let settled = {
        let record = ids::native(exchange, mapping, &elements, &record).await?;
        mapping.settled(Before::Told { record: &record, answer: &answer }, new, &emptied)
    };
    let settled = settled_for_callers(exchange, mapping, settled).await?;
    let Settled { sent: new, held } =
        elsewhere::settled(exchange, &mut others, &emptied_there, settled).await?;
    let bare = mapping.bare(&new, &held);
    let guarding = version.clone().filter(|_| is_guarded && !mapping.leaves_unguarded(&record, &new));
    let change = Change::Update { old: record, new, held, version: guarding };
    let permit = judge(exchange, admission, mapping, (change, &reached)).await?;
    check_version(exchange, admission, &permit, &seen, &sent)?;
    elsewhere::at_home(admission, &others, &permit, &proposed.present)?;
    refuse_bare(exchange, prospect, mapping, bare)?;
    let there = There { key: &key, version: version.as_deref(), answer: &answer, elements: &elements };
    let said = (&sees, &proposed.present, &emptied);
    let changes = changes(exchange, admission, (source, there), &permit, said).await?;
    let steps = elsewhere::steps(exchange, admission, others, &permit, (&sees, &proposed.present)).await?;
    let left = done(exchange, admission, source, &permit, ((changes, steps), key, (seen, id))).await?;
    once::keep(exchange, admission, mapping, &permit, &left);
    Ok(echo(exchange, admission, &permit, left, sent.wanted, StatusCode::OK).await)
}

/// What changes in the serving system, in its own words: of the record by its key, as it is there. `sees` is what the
/// caller sees of it, `present` what it speaks of, `emptied` what is cleared though the system tells of no value.
async fn changes(
    exchange: &mut Exchange,
    admission: &Admission,
    (source, There { key, version, answer, elements }): (&EntitySource, There<'_>),
    permit: &WritePermit,
    (sees, present, emptied): (&FieldSet, &FieldSet, &FieldSet),
) -> Result<Changes, Refusal> {
    let mapping = &*source.mapping;
    let (Some(old), Some(new)) = (permit.old(), permit.new()) else { return Err(Refusal::Broken) };
    let new = elsewhere::left_as_it_is(mapping, old, new);
    let old = ids::native(exchange, mapping, elements, old).await?;
    let new = ids::native(exchange, mapping, elements, &new).await?;
    let blindly = present.minus(sees).minus(&mapping.elsewhere());
    // What the caller does not see is sent whether or not it is there already, so that its codes are wanted too.
    let known = Some(&old).filter(|_| blindly.is_empty());
    let found = finding::found(exchange, admission, source, (known.map(|old| &**old), &new), false).await?;
    let versions = mapping.part_versions(answer);
    let versions = versions.map_err(|fault| exchange.refused_by(mapping.system(), fault))?;
    native(mapping, (key, (version, &versions)), (&old, &new), sees, (&blindly, emptied, &found))
        .map_err(|faults| unmappable(exchange, admission.prospect(), mapping, faults))
}

/// Does what changes a record, and tells what is known of it then: `steps` are those of other systems, which follow.
/// `seen` is what the caller saw of it, by its `id`.
async fn done(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    ((changes, steps), key, (seen, id)): ((Changes, Vec<Step<'_>>), CompactString, (Record, CompactString)),
) -> Result<Left, Refusal> {
    Ok(match changes {
        changes if !steps.is_empty() => {
            everywhere(exchange, admission, source, permit, ((changes, steps), key)).await?
        }
        Changes { record: None, parts, .. } if parts.is_empty() => {
            exchange.entry.note("unchanged", true);
            Left::of(exchange, seen, id)
        }
        Changes { record: Some(request), parts, .. } if parts.is_empty() => {
            let answer = effect(exchange, admission, source, permit, request).await?;
            let answer = NativeAnswer { over: source.mapping.parent_of(&key), ..answer };
            after(exchange, admission, source, (Action::Update, Some(key)), &answer).await
        }
        changes => {
            let (leads, calls) = (changes.leads.clone(), changes.calls());
            parts::change(exchange, admission, source, permit, changes).await?;
            let left = read_back(exchange, admission, source, key.clone(), None).await;
            actions::reached(exchange, admission, source, (&key, &left), (&leads, calls)).await?;
            left
        }
    })
}

/// The same where other systems change what they tell: the serving one first, then each of them.
async fn everywhere(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    ((changes, mut steps), key): ((Changes, Vec<Step<'_>>), CompactString),
) -> Result<Left, Refusal> {
    let (leads, first) = (changes.leads.clone(), changes.calls());
    let calls = steps.iter().fold(first, |calls, step| calls.saturating_add(step.calls()));
    if first > 0 {
        parts::change(exchange, admission, source, permit, changes).await?;
    }
    elsewhere::change(exchange, admission, permit, &mut steps, first).await?;
    let left = read_back(exchange, admission, source, key.clone(), None).await;
    actions::reached(exchange, admission, source, (&key, &left), (&leads, calls)).await?;
    elsewhere::came(exchange, admission, &steps, (&left, calls)).await?;
    Ok(left)
}

async fn delete(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Arc<Entity>,
    id: &str,
    sent: Sent,
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !sources.can(Action::Delete) {
        return Err(not_possible(sources.all(), Action::Delete));
    }
    let (source, key) = ids::source(exchange, sources, id).await?;
    let mapping = &*source.mapping;
    let _held = locks::held(exchange, mapping, &key).await?;
    let Stored { record, seen, key, version, .. } =
        stored(exchange, admission, source, &key, (&sent, &[])).await?;
    let change = Change::Delete { old: record, version };
    let permit = judge(exchange, admission, mapping, (change, &FieldSet::EMPTY)).await?;
    check_version(exchange, admission, &permit, &seen, &sent)?;
    // Only who may delete it is told whose it is.
    if !mapping.can(Action::Delete) {
        return Err(not_possible(std::slice::from_ref(source), Action::Delete));
    }
    let request = mapping
        .delete(&key, permit.version())
        .map_err(|fault| unmappable(exchange, admission.prospect(), mapping, vec![fault]))?;
    effect(exchange, admission, source, &permit, request).await?;
    once::keep(exchange, admission, mapping, &permit, &Left::Unseen(None));
    Ok(unguarded(&permit, Answer::empty(StatusCode::NO_CONTENT)))
}

/// The record as it is stored, in the systems `beside` too, and as the caller's own `read` would have it.
async fn stored<'s>(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: &str,
    (sent, beside): (&Sent, &[&'s Beside]),
) -> Result<Stored<'s>, Refusal> {
    let (mapping, entity) = (&*source.mapping, source.mapping.entity());
    // A version is one of all that the caller sees.
    let is_guarded = sent.if_match.is_some() || sent.if_none_match.is_some();
    let told = mapping.elsewhere().union(&mapping.also());
    let told = mapping.live().iter().fold(told, |all, (_, leaves)| all.union(leaves));
    // Nor is what is not known changed.
    let reached = elsewhere::leaves(beside);
    let must = if is_guarded { told } else { FieldSet::EMPTY }.union(&reached);
    let leaves = seen(mapping, admission.prospect());
    // All that may be written; of what others tell, what is seen or judged by.
    let wanted = entity.all().minus(&mapping.elsewhere()).union(&leaves).union(&reached);
    let (answer, mut inward, counterparts) =
        completed(exchange, admission, source, key, (&wanted, &must)).await?;
    let others = elsewhere::stored(exchange, admission, beside, counterparts, &mut inward.record).await?;
    let mut seen = mapping
        .inward_of(key, &answer, &leaves)
        .map_err(|fault| exchange.refused_by(source.name(), fault))?;
    ids::public(exchange, mapping, &mut [&mut seen.record]).await?;
    joined::carry(mapping, &inward.record, &leaves, &mut seen.record);
    let seen = seen.record.related_as(&inward.record);
    let id = ids::of(entity, &inward);
    let untold = Untold::of(&inward);
    let Inward { record, id: key, version, .. } = inward;
    let elements = Elements::of(exchange, mapping, &key, &answer)?;
    Ok(Stored { record, seen, id, key, version, answer, elements, untold, others })
}

/// What would be, as callers know it: this is what is judged.
pub(super) async fn settled_for_callers(
    exchange: &Exchange,
    mapping: &Mapping,
    mut settled: Settled,
) -> Result<Settled, Refusal> {
    ids::public(exchange, mapping, &mut [&mut settled.sent, &mut settled.held]).await?;
    Ok(settled)
}

impl Untold {
    /// Of a record as a system told it.
    pub(super) fn of(inward: &Inward) -> Self {
        let findings = inward.findings.iter().filter(|finding| finding.what != What::NoRule);
        Self { all: inward.missing, unfit: findings.map(|finding| finding.leaf).collect() }
    }

    /// What a body empties of it, though the stored record has no value there: the system may hold one all the same.
    /// What it leaves out is emptied where the system can do that, or where a value is known to stand.
    pub(super) fn emptied(
        &self,
        mapping: &Mapping,
        proposed: &json::Proposed,
        cleared: &FieldSet,
    ) -> FieldSet {
        let reached = proposed.present.union(cleared).intersection(&self.all);
        reached.intersection(&proposed.cleared.union(&mapping.clearable()).union(&self.unfit))
    }
}

/// The leaves that a body replaces whole. Refuses one that the caller may not write in all its parts; what nobody
/// ever writes comes and goes with the rest.
fn blind(
    prospect: &Prospect,
    mapping: &Mapping,
    (stored, proposed): (&Record, &json::Proposed),
    sees: &FieldSet,
    is_guarded: bool,
) -> Result<FieldSet, Refusal> {
    let entity = mapping.entity();
    let held = mapping.mapped().intersection(&entity.writable());
    let reached = replaced(entity, stored, &proposed.record, sees).union(&proposed.emptied);
    let reached = reached.intersection(&held);
    // What is not permitted at all is judged like any other change.
    let Verdict::Permitted(view) = prospect.outlook().verdict(Some(stored), Some(is_guarded)) else {
        return Ok(reached);
    };
    let beyond = reached.minus(&view.writes());
    if beyond.is_empty() {
        return Ok(reached);
    }
    let denied = Denied::fields(entity, &beyond);
    let places = Places::of(entity, &denied, &known(prospect));
    Err(Refusal::Unwritable(denied, places))
}

/// The record as it would be, and what a body clears by leaving it out: what may change on this very record. What
/// the system knows nothing of holds nothing.
fn merged(
    prospect: &Prospect,
    mapping: &Mapping,
    (stored, proposed): (&Record, &json::Proposed),
    view: &json::View,
    is_guarded: bool,
) -> (Record, FieldSet) {
    let entity = mapping.entity();
    let with = |writable| schema::merge(entity, stored, proposed, &json::View { writable, ..view.clone() });
    let kept = with(FieldSet::EMPTY);
    let clearable = policy::clearable(prospect.outlook(), stored, &kept, is_guarded);
    // An element that is there keeps what only a new one is given.
    let may = view.writable.intersection(&clearable).minus(&mapping.part_births());
    let new = with(may.union(&entity.all().minus(&mapping.mapped())));
    let cleared = match view.body {
        json::Body::Replace => may.intersection(&mapping.mapped()),
        json::Body::Create | json::Body::Patch => FieldSet::EMPTY,
    };
    (new, cleared)
}

/// An update in the system's own words; nothing where nothing changes.
///
/// What is known of no value and is emptied (`emptied`) is sent. What the body says of leaves that the caller does not
/// see (`blindly`) is sent whether or not the system holds it
/// already, and a text that is put together of others must agree with what the caller sends and sees: nothing tells
/// a right guess from a wrong one.
pub(super) fn native(
    mapping: &Mapping,
    (id, versions): (&str, (Option<&str>, &PartVersions)),
    (old, new): (&Record, &Record),
    sees: &FieldSet,
    (blindly, emptied, found): (&FieldSet, &FieldSet, &Found),
) -> Result<Changes, Vec<MappingFault>> {
    let (entity, found) = (mapping.entity(), Some(found));
    let keys = mapping.part_keys();
    // Constants of groups and items are no values of the record, nor are keys of items: these find their places by
    // them.
    let unseen = blindly.intersection(&mapping.mapped()).minus(&mapping.tags()).minus(&keys);
    if unseen.is_empty() {
        return mapping.changes(id, (old, new), versions, emptied, found);
    }
    let unlike = unlike(entity, old, &unseen);
    let request = mapping.changes(id, (&unlike, new), versions, emptied, found);
    let sees = sees.union(&keys);
    let (known, sent) = (only(entity, old, &sees), only(entity, new, &sees.union(&unseen)));
    let of_unseen = |fault: &MappingFault| fault.leaf.is_some_and(|leaf| unseen.contains(leaf));
    let faults = mapping.changes(id, (&known, &sent), versions, emptied, found).err();
    let mut faults = faults.unwrap_or_default();
    faults.retain(of_unseen);
    match request {
        Ok(request) if faults.is_empty() => Ok(request),
        Ok(_) => Err(faults),
        Err(all) if faults.is_empty() => Err(all),
        Err(all) => Err(all.into_iter().filter(|fault| !of_unseen(fault)).chain(faults).collect()),
    }
}

/// The change cannot be put into the system's words: the caller's fault, or its own record's.
pub(super) fn unmappable(
    exchange: &Exchange,
    prospect: &Prospect,
    mapping: &Mapping,
    faults: Vec<MappingFault>,
) -> Refusal {
    match MappingFault::of_system(&faults) {
        Some(fault) => exchange.refused_by(mapping.system(), fault),
        None => Refusal::Unmappable(told_faults(&known(prospect), faults)),
    }
}

/// No amount is written without its currency: it would be of whichever the system thinks of.
fn refuse_bare(
    exchange: &Exchange,
    prospect: &Prospect,
    mapping: &Mapping,
    bare: Vec<MappingFault>,
) -> Result<(), Refusal> {
    if bare.is_empty() { Ok(()) } else { Err(unmappable(exchange, prospect, mapping, bare)) }
}

/// Judges a write; what the stored record refuses looks like a record that is not there.
async fn judge(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    (mut change, reached): (Change, &FieldSet),
) -> Result<WritePermit, Refusal> {
    let prospect = admission.prospect();
    if let Change::Create { held, .. } | Change::Update { held, .. } = &mut change {
        joined::relate(exchange, admission, mapping, &mut [held]).await?;
    }
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    for (record, side) in [(change.old(), Side::Stored), (change.held(), Side::New)] {
        if let Some(record) = record {
            exchange.judged_on(prospect, record, side);
        }
    }
    exchange.recheck_change(prospect, &change)?;
    let permit = policy::judge(prospect, change, reached).map_err(|denied| {
        let places = Places::of(entity, &denied, &known(prospect));
        match &denied {
            Denied::Record(grounds) => {
                exchange.entry.decided(&grounds.statements, grounds.detail);
                Refusal::Hidden(denied)
            }
            Denied::Erroring { statement, on } => {
                exchange.erring(statement);
                match on {
                    Basis::Request | Basis::Stored => Refusal::Hidden(denied),
                    Basis::New => Refusal::Unwritable(denied, places),
                }
            }
            Denied::New(grounds) => {
                exchange.entry.decided(&grounds.statements, grounds.detail);
                Refusal::Unwritable(denied, places)
            }
            Denied::Never(_) | Denied::Unfit => Refusal::Forbidden(denied),
            Denied::Fields(_) | Denied::Mask(_) => Refusal::Unwritable(denied, places),
        }
    })?;
    exchange.entry.decided(permit.statements(), permit.detail());
    Ok(permit)
}

/// `If-Match` and `If-None-Match`: the caller's version is a tag of what it sees (RFC 9110 §13.1.1, §13.1.2).
fn check_version(
    exchange: &Exchange,
    admission: &Admission,
    permit: &WritePermit,
    seen: &Record,
    sent: &Sent,
) -> Result<(), Refusal> {
    if sent.if_match.is_none() && sent.if_none_match.is_none() {
        return Ok(());
    }
    let seen = answer::encoded(&policy::echo(permit, seen.clone(), None));
    let tag = exchange.core.gate.tags.tag(&admission.prospect().caller().facts().digest, &seen);
    let names = |field: &String, is_weak: bool| {
        let opaque = |one: &str| one.strip_prefix("W/").filter(|_| is_weak).unwrap_or(one) == tag;
        field.trim() == "*" || field.split(',').any(|one| opaque(one.trim()))
    };
    let is_match = sent.if_match.as_ref().is_none_or(|field| names(field, false));
    let is_none = sent.if_none_match.as_ref().is_none_or(|field| !names(field, true));
    if is_match && is_none { Ok(()) } else { Err(Refusal::Stale) }
}
