//! After a write: what the system holds then, and what of it is answered.
//!
//! What is done is done. An answer that cannot be read, or a record that cannot be read back, makes the answer
//! poorer and never a failure of it: whoever is told of one tries again.

use compact_str::CompactString;
use http::{HeaderValue, StatusCode, header};

use super::{
    exchange::Exchange,
    exposing::Written,
    ids, joined,
    reading::fetch,
    wanted::{Subjects, needed, untold},
    whole::named,
};
use crate::{
    answer::Answer,
    catalog::Action,
    config::EntitySource,
    mapping::{Inward, Made, Mapping, NativeAnswer, SystemFault},
    policy::{self, Prospect, WritePermit},
    quota::Admission,
    refusal::Refusal,
    schema::{FieldSet, Record},
};

/// What is known of a record after the write, as callers know it.
pub(super) enum Left {
    /// All that the caller's own `read` would have of it.
    Whole(Record, CompactString),
    /// Some of it: it is shown, and has no tag.
    Part(Record, CompactString),
    /// At most its id.
    Unseen(Option<CompactString>),
}

impl Left {
    /// A record that was read; whole if no system left any of it untold.
    pub(super) fn of(exchange: &Exchange, record: Record, id: CompactString) -> Self {
        if exchange.untold.is_empty() { Self::Whole(record, id) } else { Self::Part(record, id) }
    }
}

/// What the system holds after the write: as its answer says, or read back where that does not hold all that the
/// caller's own `read` would have. The tag of a write is the tag of the next read. `action` is the write, `key` the
/// record's in the system.
pub(super) async fn after(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (action, key): (Action, Option<CompactString>),
    answer: &NativeAnswer,
) -> Left {
    let (prospect, mapping) = (admission.prospect(), &*source.mapping);
    let seen = seen(mapping, prospect);
    let core = exchange.core.clone();
    let made = core.inward(&source.mapping, &action, (answer, &seen), |mapping, action, answer, seen| {
        mapping.made(*action, answer, seen)
    });
    let made =
        made.await.unwrap_or_else(|| Err(SystemFault::unreadable("it broke what reads it".to_owned())));
    let (key, came) = match made.map_err(|fault| poor(exchange, &fault)) {
        Ok(Made::Record(came)) => (key, Some(*came)),
        // By key, never by a search: an index may lag behind.
        Ok(Made::Key(made)) => (key.or(Some(made)), None),
        Ok(Made::Nothing) | Err(()) => (key, None),
    };
    if let Some(came) = &came {
        exchange.looked_at(mapping, &seen, std::iter::once(Ok(came)), (None, answer));
    }
    let Some(key) = key.or_else(|| came.as_ref().map(|came| came.id.clone())) else {
        return Left::Unseen(None);
    };
    let came = match came {
        Some(came) => known(exchange, mapping, came).await,
        None => None,
    };
    let lacks = |came: &Inward, leaves: &FieldSet| !came.missing.intersection(leaves).is_empty();
    let came = match came {
        Some(came) if !lacks(&came, &seen.intersection(&mapping.own())) => {
            return completed(exchange, admission, mapping, &seen, came).await;
        }
        // What it leaves out no read would tell, and a read may tell less.
        Some(came) if mapping.returns_documents() => {
            return match completed(exchange, admission, mapping, &seen, came).await {
                Left::Whole(record, id) => Left::Part(record, id),
                left => left,
            };
        }
        came => came,
    };
    read_back(exchange, admission, source, key, came).await
}

/// What the system holds after the write, read back by its key; else what of it came with the answer.
pub(super) async fn read_back(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    key: CompactString,
    came: Option<Inward>,
) -> Left {
    let (prospect, mapping) = (admission.prospect(), &*source.mapping);
    let entity = mapping.entity();
    let seen = seen(mapping, prospect);
    match fetch(exchange, admission, source, &key, (&seen, &FieldSet::EMPTY)).await {
        Ok((_, back)) => {
            let id = ids::of(entity, &back);
            Left::of(exchange, back.record, id)
        }
        Err(refusal) => {
            let request = exchange.entry.request();
            tracing::warn!(%request, cause = %refusal, "a write is done and could not be read back");
            exchange.entry.note("read_back", refusal.reason());
            match came.filter(|came| untold(mapping, prospect, came).is_empty()) {
                Some(came) => {
                    let id = ids::of(entity, &came);
                    Left::Part(came.record, id)
                }
                None => Left::Unseen(ids::named(exchange, mapping, key).await.ok()),
            }
        }
    }
}

/// What came, with what other systems tell of it.
async fn completed(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    seen: &FieldSet,
    mut came: Inward,
) -> Left {
    let id = ids::of(mapping.entity(), &came);
    let asked = (seen, &FieldSet::EMPTY);
    let completed =
        match joined::complete(exchange, admission, mapping, asked, &mut [&mut came], Vec::new()).await {
            Ok(_) => joined::relate(exchange, admission, mapping, &mut [&mut came.record]).await,
            Err(refusal) => Err(refusal),
        };
    match completed {
        Ok(()) if untold(mapping, admission.prospect(), &came).is_empty() => {
            Left::of(exchange, came.record, id)
        }
        Ok(()) => Left::Unseen(Some(id)),
        Err(refusal) => {
            exchange.entry.note("read_back", refusal.reason());
            Left::Unseen(Some(id))
        }
    }
}

/// What came, as callers know it; none where its ids cannot be had.
async fn known(exchange: &mut Exchange, mapping: &Mapping, mut came: Inward) -> Option<Inward> {
    match ids::public(exchange, mapping, &mut [&mut came.record]).await {
        Ok(()) => Some(came),
        Err(refusal) => {
            exchange.entry.note("answer", refusal.reason());
            None
        }
    }
}

/// The status of the answer to a create. A system that does not answer with the record it made is taken at its word
/// only once the record was read back; till then it has accepted what it was sent.
pub(super) fn made(exchange: &mut Exchange, mapping: &Mapping, left: &Left) -> StatusCode {
    match left {
        Left::Unseen(_) if !mapping.returns_records() => {
            exchange.entry.note("accepted", true);
            StatusCode::ACCEPTED
        }
        Left::Whole(..) | Left::Part(..) | Left::Unseen(_) => StatusCode::CREATED,
    }
}

/// The answer of a system that has done it cannot be read.
fn poor(exchange: &mut Exchange, fault: &SystemFault) {
    let request = exchange.entry.request();
    tracing::warn!(%request, cause = %fault, "a write is done and its answer cannot be read");
    exchange.entry.note("answer", fault.kind.clone());
}

/// The answer to a write: what the caller's own `read` shows of it; its id where no more is known.
pub(super) async fn echo(
    exchange: &mut Exchange,
    admission: &Admission,
    permit: &WritePermit,
    left: Left,
    wanted: Option<FieldSet>,
    status: StatusCode,
) -> Answer {
    let entity = permit.entity().clone();
    let (record, id, wanted, is_tagged) = match left {
        Left::Whole(record, id) => (record, id, wanted, wanted.is_none()),
        Left::Part(record, id) => (record, id, wanted, false),
        Left::Unseen(Some(id)) => (named(&entity, &id), id, Some(FieldSet::ID), false),
        Left::Unseen(None) => return unguarded(permit, Answer::empty(status)),
    };
    if exchange.recheck_echo(permit, &record).is_err() {
        exchange.entry.note("echo", Refusal::Mismatch.reason());
        return unguarded(permit, Answer::empty(status));
    }
    let whose = Subjects::of(&entity, &admission.prospect().visible()).named(&entity, &record);
    let shown = policy::echo(permit, record, wanted.as_ref());
    let whose = whose.whose(&shown, &FieldSet::EMPTY, id.as_str().into());
    let id_alone = || Some(policy::echo(permit, named(&entity, &id), Some(&FieldSet::ID)));
    let exposed = match exchange.expose_written(admission, (shown, whose), id_alone).await {
        Some(Written::Whole(exposed)) => exposed,
        Some(Written::Id(exposed, why)) => {
            return unguarded(permit, Answer::one(status, &exposed, None).lacking(&why));
        }
        None => return unguarded(permit, Answer::empty(status)),
    };
    let core = exchange.core.clone();
    let digest = admission.prospect().caller().facts().digest;
    let tag = is_tagged.then_some((&core.gate.tags, &digest));
    let lacks = exchange.lacks(&entity, &wanted.unwrap_or(admission.prospect().visible()));
    unguarded(permit, Answer::one(status, &exposed, tag).lacking(&lacks))
}

/// Where the system cannot tell that the record changed meanwhile, the answer says so.
pub(super) fn unguarded(permit: &WritePermit, answer: Answer) -> Answer {
    if permit.unguarded() {
        answer.with(header::HeaderName::from_static("bramka-unguarded"), HeaderValue::from_static("true"))
    } else {
        answer
    }
}

/// What the caller's own `read` asks for.
pub(super) fn seen(mapping: &Mapping, prospect: &Prospect) -> FieldSet {
    let visible = prospect.visible();
    needed(mapping, &visible, &visible, &prospect.reads())
}
