//! Writes that take several calls: the record's own, then one for each element that is written by itself, then those
//! that lead fields to values.
//!
//! They are judged as one, before any is sent, and stand under one intent that says how many calls there are. The first
//! that fails ends it. What was done by then stays and is told: how many, at which element it ended, and whether that
//! one was made. A new record whose elements cannot be written is taken out again where its system can do that; else
//! its id is told.

use compact_str::CompactString;

use super::{
    after::seen,
    exchange::{Exchange, Progress},
    ids, once,
    reading::fetch,
    sending::{announced, send},
};
use crate::{
    audit::Receipts,
    catalog::Action,
    clock,
    config::EntitySource,
    mapping::{
        Changes, Creation, FaultKind, Made, Mapping, NativeAnswer, NativeRequest, PartChange, PartVersions,
    },
    policy::WritePermit,
    quota::Admission,
    refusal::{PartFailed, Refusal},
    schema::{FieldSet, LeafId},
};

/// Places in what was sent, an element's or a field's, and what is done there; none of the record itself.
type At = Vec<(String, PartChange)>;

/// Changes a record that is there.
pub(super) async fn change(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    Changes { record, parts, .. }: Changes,
) -> Result<(), Refusal> {
    let record = record.into_iter().map(|request| (request, Vec::new()));
    let parts = parts.into_iter().map(|part| (part.request, vec![(part.pointer, part.what)]));
    let steps: Vec<(NativeRequest, At)> = record.chain(parts).collect();
    let calls = steps.len();
    let mut receipts = intent(exchange, permit, calls).await?;
    for (done, (request, at)) in steps.into_iter().enumerate() {
        let sent = call(exchange, admission, source, &mut receipts, (request, at.is_empty())).await;
        if let Err(cause) = sent {
            return Err(failed(exchange, (cause, at), (done, calls), None));
        }
    }
    exchange.progress = Progress::Done;
    Ok(())
}

/// Makes a record, then its elements; the record's key in the system.
pub(super) async fn create(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    Creation { record, parts, over, .. }: Creation,
) -> Result<CompactString, Refusal> {
    let mapping = &*source.mapping;
    let calls = parts.len().saturating_add(1);
    let mut receipts = intent(exchange, permit, calls.saturating_add(usize::from(mapping.undoes()))).await?;
    let answer = call(exchange, admission, source, &mut receipts, (record, true)).await?;
    let answer = NativeAnswer { over, ..answer };
    exchange.progress = Progress::Done;
    let key = match mapping.made(Action::Create, &answer, &FieldSet::ID) {
        Ok(Made::Record(made)) => made.id.clone(),
        Ok(Made::Key(key)) => key,
        Ok(Made::Nothing) => {
            let cause = Refusal::Broken;
            return Err(failed(exchange, (cause, Vec::new()), (1, calls), None));
        }
        Err(fault) => {
            let cause = exchange.refused_by(mapping.system(), fault);
            return Err(failed(exchange, (cause, Vec::new()), (1, calls), None));
        }
    };
    let versions = PartVersions::default();
    for (added, draft) in parts.into_iter().enumerate() {
        let done = added.saturating_add(1);
        let (cause, at) = match mapping.part(draft, &key, &versions) {
            Ok(part) => {
                let at = vec![(part.pointer, part.what)];
                match call(exchange, admission, source, &mut receipts, (part.request, false)).await {
                    Ok(_) => continue,
                    Err(cause) => (cause, at),
                }
            }
            // The system gave a key that cannot be one.
            Err(_) => {
                exchange.progress = Progress::Nothing;
                (Refusal::Broken, Vec::new())
            }
        };
        let line = exchange.progress;
        if undone(exchange, admission, source, &mut receipts, &key).await {
            exchange.progress = Progress::Nothing;
            return Err(failed(exchange, (cause, at), (0, calls), None));
        }
        exchange.progress = line;
        let left = left_behind(exchange, admission, mapping, &key).await;
        return Err(failed(exchange, (cause, at), (done, calls), left));
    }
    exchange.progress = Progress::Done;
    Ok(key)
}

/// Writes down what is about to change, and how many calls that takes.
async fn intent(exchange: &mut Exchange, permit: &WritePermit, calls: usize) -> Result<Receipts, Refusal> {
    announced(exchange, permit);
    once::begin(exchange).await?;
    exchange.digest_sent();
    exchange.entry.intent_of(permit, calls, clock::now()).await.map_err(Refusal::Journal)
}

async fn call(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    receipts: &mut Receipts,
    (request, is_record): (NativeRequest, bool),
) -> Result<NativeAnswer, Refusal> {
    let request = exchange.traced(request);
    let receipt = receipts.take().ok_or(Refusal::Broken)?;
    send(exchange, admission, source, receipt, (request, is_record)).await
}

/// Whether a new record is gone again.
async fn undone(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    receipts: &mut Receipts,
    key: &str,
) -> bool {
    let mapping = &source.mapping;
    if !mapping.undoes() {
        return false;
    }
    // Its elements may have moved its version.
    let wanted = seen(mapping, admission.prospect());
    let Ok((_, stored)) = fetch(exchange, admission, source, key, (&wanted, &FieldSet::EMPTY)).await else {
        return false;
    };
    let Ok(request) = mapping.delete(key, stored.version.as_deref()) else { return false };
    let is_gone = call(exchange, admission, source, receipts, (request, false)).await.is_ok();
    exchange.entry.note("undone", is_gone);
    is_gone
}

/// The id of a record that stays behind, for who may see ids.
async fn left_behind(
    exchange: &Exchange,
    admission: &Admission,
    mapping: &Mapping,
    key: &str,
) -> Option<String> {
    let is_seen = admission.prospect().visible().contains(LeafId(0));
    let id = ids::named(exchange, mapping, key.into()).await.ok().filter(|_| is_seen)?;
    Some(id.into())
}

pub(super) fn failed(
    exchange: &mut Exchange,
    (mut cause, at): (Refusal, At),
    (done, calls): (usize, usize),
    left: Option<String>,
) -> Refusal {
    // An element that was there when the record was read: the record is there, and has changed.
    if let Refusal::System(_, fault) = &mut cause
        && !at.is_empty()
        && fault.kind == FaultKind::NotFound
    {
        fault.kind = FaultKind::Conflict;
    }
    let is_known = !matches!(exchange.progress, Progress::Begun | Progress::Partly);
    exchange.entry.note("done", done);
    if done > 0 && is_known {
        exchange.progress = Progress::Partly;
    }
    Refusal::Part(Box::new(PartFailed { cause: Box::new(cause), at, done, calls, is_known, left }))
}
