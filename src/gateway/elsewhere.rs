//! A change of what other systems tell of a record, where a collection stands in several.
//!
//! The change is judged once, on the whole record. Of each system that it reaches the record is read whole first, and
//! judged as that system holds it, with that system's version; one that cannot be asked, or has no such record, refuses
//! before anything is sent. Then the serving system changes what is its own, and the others follow, one after another:
//! each under an intent of its own, which names what it changes, and with an entry that says what came of it. The first
//! that fails ends it. What was done by then stays, and is told as partly done.

use std::borrow::Cow;

use bytes::Bytes;
use compact_str::CompactString;
use http::Method;

use super::{
    actions,
    after::Left,
    bodies::Draft,
    exchange::{self, Exchange, Side},
    finding,
    ids::{self, Elements},
    joined::{self, Counterpart, NoCounterpart, overlay},
    locks::{self, Held},
    once, parts,
    reading::alone,
    sending::announced,
    tables,
    whole::{emptied_in, only},
    writing::{Untold, native, settled_for_callers, unmappable},
};
use crate::{
    catalog::{Operation, UpdateMode},
    config::{Beside, EntitySource},
    mapping::{Before, Changes, Lead, Mapping, MappingFault, NativeAnswer, PartChange, Settled, Whose},
    policy::WritePermit,
    quota::Admission,
    refusal::{Refusal, told_faults},
    schema::{Entity, FieldSet, LeafId, Record, Value, json},
};

/// Another system that a change reaches.
pub(super) struct Other<'s> {
    beside: &'s Beside,
    there: Result<There, NoCounterpart>,
}

/// Its record.
struct There {
    /// As it is stored, all of it, as callers know its ids.
    old: Record,
    /// As it would be by what is sent.
    new: Record,
    key: CompactString,
    version: Option<CompactString>,
    /// As the system told it.
    answer: NativeAnswer,
    /// The keys of its elements.
    elements: Elements,
    /// What it does not tell of.
    untold: Untold,
    /// What is cleared though the stored record does not tell of a value.
    emptied: FieldSet,
    _held: Option<Held>,
}

/// What is sent to one of them.
pub(super) struct Step<'s> {
    beside: &'s Beside,
    key: CompactString,
    changes: Changes,
    /// The leaves that change there.
    leaves: FieldSet,
    /// Fields that calls lead to a value.
    leads: Vec<Lead>,
    _held: Option<Held>,
}

impl Step<'_> {
    /// How many calls it takes.
    pub(super) fn calls(&self) -> usize {
        self.changes.calls()
    }
}

/// The systems beside the serving one whose fields a body may change.
pub(super) fn reached<'s>(source: &'s EntitySource, draft: &Draft) -> Vec<&'s Beside> {
    let may = match draft.view.body {
        json::Body::Replace => draft.proposed.present.union(&draft.view.writable),
        json::Body::Patch | json::Body::Create => draft.proposed.present,
    };
    source.beside.iter().filter(|beside| !beside.part.leaves.intersection(&may).is_empty()).collect()
}

/// The leaves that they tell.
pub(super) fn leaves(reached: &[&Beside]) -> FieldSet {
    reached.iter().fold(FieldSet::EMPTY, |all, beside| all.union(&beside.part.leaves))
}

/// Refuses a body that points to what the system which would hold it does not know.
pub(super) async fn sent(
    exchange: &Exchange,
    source: &EntitySource,
    proposed: &Record,
) -> Result<(), Refusal> {
    for Beside { part, source } in source.beside.iter() {
        let theirs = only(source.mapping.entity(), proposed, &part.leaves);
        ids::sent(exchange, &source.mapping, &theirs).await?;
    }
    Ok(())
}

/// Reads what they hold, each by the key of the record that the whole was completed by, and puts it into the whole
/// `record`: what is judged is what each of them changes.
pub(super) async fn stored<'s>(
    exchange: &mut Exchange,
    admission: &Admission,
    reached: &[&'s Beside],
    counterparts: Vec<Counterpart>,
    record: &mut Record,
) -> Result<Vec<Other<'s>>, Refusal> {
    let mut others = Vec::with_capacity(reached.len());
    for &beside in reached {
        let found = counterparts.iter().find(|one| one.system == beside.part.system);
        let there = match found.map_or(Err(NoCounterpart::None), |found| found.key.clone()) {
            Ok(key) => there(exchange, admission, beside, key, record).await?,
            Err(none) => Err(none),
        };
        let theirs = there.as_ref().map(|there| &there.old);
        let entity = beside.source.mapping.entity();
        let theirs = theirs.map_or_else(|_| Record::default(), |old| only(entity, old, &beside.part.leaves));
        overlay(entity, &beside.part.leaves, &theirs, record);
        others.push(Other { beside, there });
    }
    Ok(others)
}

async fn there(
    exchange: &mut Exchange,
    admission: &Admission,
    Beside { part, source }: &Beside,
    key: CompactString,
    record: &Record,
) -> Result<Result<There, NoCounterpart>, Refusal> {
    let (mapping, entity) = (&*source.mapping, source.mapping.entity());
    // ORDER: before it is read, so that what is sent back whole is what the last writer left.
    let held = locks::held(exchange, mapping, &key).await?;
    let read = alone(exchange, admission, source, &key, (&entity.all(), &entity.all()), false).await;
    let (answer, inward, _) = match read {
        Ok(read) => read,
        Err(Refusal::NoSuchRecord) => return Ok(Err(NoCounterpart::None)),
        Err(refusal) => return Err(refusal),
    };
    // It may be another's by now.
    let is_same =
        part.is_by_id() || joined::value(entity, part, &inward.record) == joined::value(entity, part, record);
    if !is_same {
        return Ok(Err(NoCounterpart::None));
    }
    let prospect = admission.prospect();
    let lacking = inward.missing.intersection(&part.leaves).intersection(&prospect.reads());
    if !lacking.is_empty() {
        exchange.note_untold(prospect, &lacking);
        return Err(Refusal::Untold);
    }
    let untold = Untold::of(&inward);
    let elements = Elements::of(exchange, mapping, &key, &answer)?;
    Ok(Ok(There {
        new: inward.record.clone(),
        old: inward.record,
        key,
        version: inward.version,
        answer,
        elements,
        untold,
        emptied: FieldSet::EMPTY,
        _held: held,
    }))
}

impl Other<'_> {
    /// Whether its system can tell that its record changed since it was read. What has no record there changes none.
    pub(super) fn is_guarded(&self) -> bool {
        self.there.as_ref().map_or(true, |there| there.version.is_some())
    }

    /// Leaves that a change empties there, though the system does not tell what they hold.
    pub(super) fn emptied(&self, proposed: &json::Proposed, cleared: &FieldSet) -> FieldSet {
        let Ok(there) = &self.there else { return FieldSet::EMPTY };
        let emptied = there.untold.emptied(&self.beside.source.mapping, proposed, cleared);
        emptied.intersection(&self.beside.part.leaves)
    }
}

/// What a body may say, without what an element that is there keeps in another system: what only a new one is given.
pub(super) fn view(view: json::View, others: &[Other<'_>]) -> json::View {
    let births = |other: &Other<'_>| {
        let Beside { part, source } = other.beside;
        source.mapping.part_births().intersection(&part.leaves)
    };
    let births = others.iter().map(births).fold(FieldSet::EMPTY, |all, births| all.union(&births));
    json::View { writable: view.writable.minus(&births), ..view }
}

/// What the change comes to in each of them, put into what it comes to as a whole. `emptied` are the leaves that are
/// cleared though no system tells of a value in them.
pub(super) async fn settled(
    exchange: &Exchange,
    others: &mut [Other<'_>],
    emptied: &FieldSet,
    mut whole: Settled,
) -> Result<Settled, Refusal> {
    for Other { beside, there } in others {
        let (mapping, leaves) = (&*beside.source.mapping, &beside.part.leaves);
        let (Ok(there), entity) = (there, mapping.entity()) else { continue };
        there.emptied = emptied.intersection(leaves);
        overlay(entity, leaves, &only(entity, &whole.sent, leaves), &mut there.new);
        let new = emptied_in(entity, there.new.clone(), &there.emptied);
        let new = ids::keyed(exchange, mapping, &there.elements, new).await?;
        let old = ids::native(exchange, mapping, &there.elements, &there.old).await?;
        let before = Before::Told { record: &old, answer: &there.answer };
        let settled = mapping.settled(before, new, &there.emptied);
        let Settled { sent, held } = settled_for_callers(exchange, mapping, settled).await?;
        overlay(entity, leaves, &only(entity, &sent, leaves), &mut whole.sent);
        overlay(entity, leaves, &only(entity, &held, leaves), &mut whole.held);
        there.new = sent;
    }
    Ok(whole)
}

/// The new record as far as the serving system changes it: what others tell stays as it is.
pub(super) fn left_as_it_is<'r>(mapping: &Mapping, old: &Record, new: &'r Record) -> Cow<'r, Record> {
    let leaves = mapping.elsewhere();
    if leaves.is_empty() {
        return Cow::Borrowed(new);
    }
    let mut new = new.clone();
    overlay(mapping.entity(), &leaves, old, &mut new);
    Cow::Owned(new)
}

/// Sees to the tables that what is written there goes by.
pub(super) async fn ready(
    exchange: &mut Exchange,
    others: &[Other<'_>],
    present: &FieldSet,
) -> Result<(), Refusal> {
    for Other { beside, .. } in others {
        let must = beside.part.leaves.intersection(present);
        tables::ready_for(exchange, &beside.source.mapping, (&FieldSet::EMPTY, &must)).await?;
    }
    Ok(())
}

/// The change in each system's own words; nothing for one in which nothing changes. `sees` is what the caller sees of
/// the record, `blindly` what it says of the rest.
pub(super) async fn steps<'s>(
    exchange: &mut Exchange,
    admission: &Admission,
    others: Vec<Other<'s>>,
    permit: &WritePermit,
    (sees, present): (&FieldSet, &FieldSet),
) -> Result<Vec<Step<'s>>, Refusal> {
    let prospect = admission.prospect();
    let mut steps = Vec::with_capacity(others.len());
    for Other { beside, there } in others {
        let (source, leaves) = (&beside.source, &beside.part.leaves);
        let mapping = &*source.mapping;
        // What is sent to one without a record was refused.
        let Ok(there) = there else { continue };
        let (old, new) = (
            ids::native(exchange, mapping, &there.elements, &there.old).await?,
            ids::native(exchange, mapping, &there.elements, &there.new).await?,
        );
        let blindly = present.minus(sees).intersection(leaves);
        let known = Some(&*old).filter(|_| blindly.is_empty());
        let found = finding::found(exchange, admission, source, (known, &new), false).await?;
        let versions = mapping.part_versions(&there.answer);
        let versions = versions.map_err(|fault| exchange.refused_by(mapping.system(), fault))?;
        let versions = (there.version.as_deref(), &versions);
        let changes =
            native(mapping, (&there.key, versions), (&old, &new), sees, (&blindly, &there.emptied, &found))
                .map_err(|faults| unmappable(exchange, prospect, mapping, faults))?;
        if changes.calls() == 0 {
            continue;
        }
        if let Some(fault) = moves(permit, beside) {
            return Err(Refusal::Unmappable(told_faults(&exchange::known(prospect), vec![fault])));
        }
        let leaves = permit.changed().intersection(leaves);
        let (leads, There { key, _held, .. }) = (changes.leads.clone(), there);
        steps.push(Step { beside, key, changes, leaves, leads, _held });
    }
    Ok(steps)
}

/// Refuses what is sent to a system that has no such record, or several.
pub(super) fn at_home<'s>(
    admission: &Admission,
    others: &[Other<'s>],
    permit: &WritePermit,
    present: &FieldSet,
) -> Result<(), Refusal> {
    let without = |other: &Other<'s>| Some((other.beside, other.there.as_ref().err().copied()?));
    let faults = others.iter().filter_map(without);
    let faults: Vec<_> = faults.flat_map(|none| homeless(permit, none, present)).collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Refusal::Unmappable(told_faults(&exchange::known(admission.prospect()), faults))),
    }
}

/// What is sent of a record that is not there, or of which nobody can say which one it is.
fn homeless(
    permit: &WritePermit,
    (Beside { part, .. }, none): (&Beside, NoCounterpart),
    present: &FieldSet,
) -> Vec<MappingFault> {
    let entity = permit.entity();
    // Callers are not told what systems there are.
    let message = match none {
        NoCounterpart::None => "the system that tells this has no such record yet",
        NoCounterpart::Several => "in the system that tells this several of its records could be meant",
    };
    let is_sent = |leaf: &LeafId| {
        let value = permit.new().and_then(|new| new.first(entity, *leaf));
        value.is_some_and(|value| *value != Value::Null)
    };
    let sent = present.intersection(&part.leaves);
    sent.iter().filter(is_sent).map(|leaf| fault(entity, leaf, message)).collect()
}

/// A change of the value that says which record of another system is meant, together with one of what that tells: of
/// which of the two records, nobody can say.
fn moves(permit: &WritePermit, Beside { part, .. }: &Beside) -> Option<MappingFault> {
    let (entity, on) = (permit.entity(), part.on);
    let of = |record: Option<&Record>| record.and_then(|record| joined::value(entity, part, record));
    let message =
        "it says which record of another system is meant: change it, and what that tells, one by one";
    (of(permit.old()) != of(permit.new())).then(|| fault(entity, on, message))
}

fn fault(entity: &Entity, leaf: LeafId, message: &str) -> MappingFault {
    let path = entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
    let pointer = format!("/{}", path.replace('.', "/"));
    MappingFault { whose: Whose::Caller, leaf: Some(leaf), pointer, message: message.to_owned() }
}

/// Changes the records one after another. `first` is what came of what the serving system had to change: how many calls
/// that took.
pub(super) async fn change(
    exchange: &mut Exchange,
    admission: &Admission,
    permit: &WritePermit,
    steps: &mut [Step<'_>],
    first: usize,
) -> Result<(), Refusal> {
    let calls = steps.iter().fold(first, |calls, step| calls.saturating_add(step.changes.calls()));
    let mut done = first;
    if first == 0 {
        announced(exchange, permit);
        once::begin(exchange).await?;
    }
    for step in steps {
        let of_step = step.changes.calls();
        match one(exchange, admission, permit, step).await {
            Ok(()) => done = done.saturating_add(of_step),
            Err(cause) => {
                let at = places(permit, &step.leaves);
                return Err(parts::failed(exchange, (cause, at), (done, calls), None));
            }
        }
    }
    Ok(())
}

/// Changes one of them, in an exchange of its own.
async fn one(
    exchange: &mut Exchange,
    admission: &Admission,
    permit: &WritePermit,
    step: &mut Step<'_>,
) -> Result<(), Refusal> {
    let prospect = admission.prospect();
    let Operation::Update(entity, id, mode) = prospect.operation() else { return Err(Refusal::Broken) };
    let method = match mode {
        UpdateMode::Merge => Method::PATCH,
        UpdateMode::Replace => Method::PUT,
    };
    let path = format!("/v1/{}/{}", entity.collection, id.0);
    let mut part = exchange.part(prospect.caller(), &method, &path, prospect.operation());
    part.entry.about(step.leaves);
    for (record, side) in [(permit.old(), Side::Stored), (permit.new(), Side::New)] {
        if let Some(record) = record {
            part.judged_on(prospect, record, side);
        }
    }
    let nothing = Changes { record: None, parts: Vec::new(), leads: Vec::new() };
    let changes = std::mem::replace(&mut step.changes, nothing);
    let sent = parts::change(&mut part, admission, &step.beside.source, permit, changes).await;
    exchange.progress = part.progress;
    let closed = part.close(sent.as_ref().map(|()| &NOTHING)).await;
    match (sent, closed) {
        (Err(cause), _) => Err(cause),
        (Ok(()), Err(Refusal::Journal(error))) => Err(Refusal::Unrecorded(error)),
        (Ok(()), closed) => closed,
    }
}

/// Refuses a change whose calls, all of them done, did not lead fields to their values. `left` is the record as it was
/// read back.
pub(super) async fn came(
    exchange: &mut Exchange,
    admission: &Admission,
    steps: &[Step<'_>],
    (left, calls): (&Left, usize),
) -> Result<(), Refusal> {
    for Step { beside, key, leads, .. } in steps {
        actions::reached(exchange, admission, &beside.source, (key, left), (leads, calls)).await?;
    }
    Ok(())
}

/// The fields in which leaves stand, as places in what was sent.
fn places(permit: &WritePermit, leaves: &FieldSet) -> Vec<(String, PartChange)> {
    let fields = permit.entity().root.fields.iter().filter(|field| leaves.any_in(&field.leaves));
    fields.map(|field| (format!("/{}", field.name), PartChange::Beside)).collect()
}

/// A system that did what it was sent tells nothing that is shown.
static NOTHING: Bytes = Bytes::new();
