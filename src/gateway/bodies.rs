//! The body of a write, read as far as systems take it: as any of those that serve the collection does, where nobody may
//! be told yet whose record it is, and as the one that has it, or will.

use super::{
    elsewhere,
    exchange::{Exchange, Side, known, not_possible},
    ids,
};
use crate::{
    catalog::Action,
    config::{Beside, EntitySource, EntitySources, Undecided, taken},
    policy::{Prospect, Verdict},
    refusal::Refusal,
    schema::{FieldSet, LeafId, Record, json, value},
};

/// A body that was read, and what it might say.
pub(super) struct Draft {
    pub(super) view: json::View,
    pub(super) proposed: json::Proposed,
}

/// The body of a new record, and the system that takes it.
pub(super) fn of_new<'s>(
    prospect: &Prospect,
    sources: &'s EntitySources,
    bytes: &[u8],
) -> Result<(&'s EntitySource, Draft), Refusal> {
    let source = match sources.only() {
        Some(only) => only,
        None => {
            let view = view(prospect, sources.all(), json::Body::Create)?;
            // What must be there hangs on whose it is.
            let Draft { proposed, .. } =
                read(sources.all(), json::View { required: FieldSet::EMPTY, ..view }, bytes)?;
            let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
            let decided = sources.for_new(entity, &proposed.record);
            decided.map_err(|undecided| unfit(prospect, undecided))?
        }
    };
    let of = std::slice::from_ref(source);
    Ok((source, read(of, view(prospect, of, json::Body::Create)?, bytes)?))
}

/// The body of a change, of a record that nobody has looked for yet.
pub(super) async fn of_any(
    exchange: &Exchange,
    prospect: &Prospect,
    sources: &EntitySources,
    body: json::Body,
    bytes: &[u8],
) -> Result<Draft, Refusal> {
    let draft = read(sources.all(), view(prospect, sources.all(), body)?, bytes)?;
    if let Some(only) = sources.only() {
        ids::sent(exchange, &only.mapping, &draft.proposed.record).await?;
    }
    if let Some(first) = sources.all().first() {
        elsewhere::sent(exchange, first, &draft.proposed.record).await?;
    }
    Ok(draft)
}

/// The same body, of this very record. What its system does not take is told to who may change it; to others it is
/// not there, whatever they send.
pub(super) async fn of_one(
    exchange: &mut Exchange,
    prospect: &Prospect,
    (sources, source): (&EntitySources, &EntitySource),
    draft: Draft,
    (record, is_guarded): (&Record, bool),
    bytes: &[u8],
) -> Result<Draft, Refusal> {
    if sources.only().is_some() {
        return Ok(draft);
    }
    let of = std::slice::from_ref(source);
    let draft = view(prospect, of, draft.view.body).and_then(|view| read(of, view, bytes));
    let taken = match draft {
        Ok(draft) => ids::sent(exchange, &source.mapping, &draft.proposed.record).await.map(|()| draft),
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = taken else { return taken };
    exchange.judged_on(prospect, record, Side::Stored);
    exchange.recheck(prospect, Some(record))?;
    match prospect.outlook().verdict(Some(record), Some(is_guarded)) {
        Verdict::Permitted(_) => Err(refusal),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => {
            exchange.entry.decided(&grounds.statements, grounds.detail);
            Err(Refusal::NoSuchRecord)
        }
        Verdict::Erroring(statement) => {
            exchange.erring(&statement);
            Err(Refusal::NoSuchRecord)
        }
    }
}

/// What the body may say: what the entity's file, these systems and the caller's statements allow together.
fn view(prospect: &Prospect, sources: &[EntitySource], body: json::Body) -> Result<json::View, Refusal> {
    let action = if body == json::Body::Create { Action::Create } else { Action::Update };
    if !sources.iter().any(|source| source.mapping.can(action)) {
        return Err(not_possible(sources, action));
    }
    let taken = taken(sources, action, &prospect.writable());
    Ok(json::View { body, writable: taken.writable, required: taken.required, visible: known(prospect) })
}

fn read(sources: &[EntitySource], view: json::View, bytes: &[u8]) -> Result<Draft, Refusal> {
    let entity = sources.first().ok_or(Refusal::Broken)?.mapping.entity();
    match json::read(entity, bytes, &view) {
        Ok(proposed) => Ok(Draft { view, proposed }),
        Err(faults) => Err(invalid(sources, view.body, faults)),
    }
}

/// What does not fit, with the reason where a system's file says why a field is not taken.
fn invalid(sources: &[EntitySource], body: json::Body, mut faults: Vec<json::Fault>) -> Refusal {
    for fault in faults.iter_mut().filter(|fault| fault.kind == json::FaultKind::NotWritable) {
        let is_name = |step: &&str| !step.is_empty() && step.parse::<usize>().is_err();
        let path = fault.pointer.split('/').filter(is_name).collect::<Vec<_>>().join(".");
        let why = |source: &EntitySource| {
            let entity = source.mapping.entity();
            // Of a group that is another system's, all of it is.
            let of_group = || FieldSet::of_range(&entity.root.field(&path)?.1.leaves).iter().next();
            let leaf = entity.leaf_at(&path).or_else(of_group)?;
            lack_of(source, body, leaf).map(|why| format!("{}: {why}", fault.message))
        };
        if let Some(message) = sources.iter().find_map(why) {
            fault.message = message;
        }
    }
    Refusal::Invalid(faults)
}

/// Why a field is not taken, where the file of the system that would hold it says so, or it is another's.
fn lack_of(source: &EntitySource, body: json::Body, leaf: LeafId) -> Option<&str> {
    let Some(Beside { source: theirs, .. }) =
        source.beside.iter().find(|beside| beside.part.leaves.contains(leaf))
    else {
        return source.mapping.lack_of(leaf);
    };
    match body {
        json::Body::Create => Some("another system tells this, of records that are there: change it then"),
        json::Body::Patch | json::Body::Replace => {
            theirs.mapping.lack_of(leaf).or_else(|| theirs.mapping.lack(Action::Update))
        }
    }
}

/// A new record that no system takes for its own. Fields are named to who knows of them.
fn unfit(prospect: &Prospect, Undecided(fields): Undecided) -> Refusal {
    let (entity, known) = (prospect.operation().entity(), known(prospect));
    let fault = |(leaf, values): &(_, Vec<_>)| {
        let path = entity.and_then(|entity| entity.leaf(*leaf)).filter(|_| known.contains(*leaf))?;
        let values = values.iter().map(|value| {
            let mut text = Vec::new();
            value::print(value, &mut text);
            format!("`{}`", String::from_utf8_lossy(&text))
        });
        let values = values.collect::<Vec<_>>().join(", ");
        let pointer = format!("/{}", path.path.as_str().replace('.', "/"));
        let message = format!("it says which system takes the record: one of {values}");
        Some(json::Fault { pointer, kind: json::FaultKind::Code, message })
    };
    let mut faults: Vec<json::Fault> = fields.iter().filter_map(fault).collect();
    if faults.is_empty() {
        let message = "no system behind this collection takes such a record".to_owned();
        faults.push(json::Fault { pointer: String::new(), kind: json::FaultKind::Code, message });
    }
    Refusal::Invalid(faults)
}
