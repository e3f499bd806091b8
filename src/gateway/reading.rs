//! One record: fetched, mapped, shown or not there.

use super::{Outcome, exchange::Exchange};
use crate::{
    answer::Answer,
    catalog::{Action, Operation},
    clock,
    intake::Head,
    mapping::{FaultKind, Inward, Mapping},
    policy::{self, Judged},
    quota::Admission,
    refusal::Refusal,
    schema::{Entity, FieldSet, query},
};
use std::sync::Arc;

use http::StatusCode;

/// Reads one record for a caller.
pub(super) async fn read(exchange: &mut Exchange, admission: &Admission, head: &Head) -> Outcome {
    let prospect = admission.prospect();
    let Operation::Read(entity, id) = prospect.operation() else { return Err(Refusal::Broken) };
    let visible = prospect.visible();
    let pairs = query::pairs(head.query.as_deref().unwrap_or_default());
    let wanted = query::read_fields(entity, pairs, &visible).map_err(Refusal::Query)?;
    let fetched = needed(&wanted.unwrap_or(visible), &prospect.reads());
    let inward = fetch(exchange, admission, entity, &id.0, &fetched).await?;
    exchange.recheck(prospect, Some(&inward.record))?;
    exchange.judged_on(prospect, &inward.record);
    let key = inward.id.clone();
    let shown = match policy::show(prospect, inward.record, wanted.as_ref()) {
        Judged::Shown(shown) => shown,
        Judged::Denied(grounds) => {
            exchange.entry.decided(&grounds.statements, grounds.detail);
            return Err(Refusal::NoSuchRecord);
        }
        Judged::Erroring { statement } => {
            exchange.entry.note("erring", &statement);
            return Err(Refusal::NoSuchRecord);
        }
    };
    exchange.entry.shown(&shown, &key);
    let core = exchange.core.clone();
    let tag = wanted.is_none().then(|| (&core.gate.tags, &prospect.caller().facts().digest));
    Ok(Answer::one(StatusCode::OK, &shown, tag))
}

/// What must be asked of the system: what is wanted, what statements read, and the key.
pub(super) fn needed(wanted: &FieldSet, reads: &FieldSet) -> FieldSet {
    wanted.union(reads).union(&FieldSet::ID)
}

/// Asks the serving system for one record. What it does not have, nobody may see.
pub(super) async fn fetch(
    exchange: &mut Exchange,
    admission: &Admission,
    entity: &Entity,
    id: &str,
    wanted: &FieldSet,
) -> Result<Inward, Refusal> {
    let snapshot = exchange.snapshot.clone();
    let (served, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !mapping.can(Action::Read) {
        return Err(Refusal::NotPossible(Action::Read));
    }
    let receipt = exchange.entry.fetch(admission);
    let request = exchange.traced(mapping.read(id, wanted).ok_or(Refusal::NoSuchRecord)?);
    let began = clock::now();
    let sent = request.body.len();
    let core = exchange.core.clone();
    let answer = served.upstream.fetch(&core.pools, &receipt, request, exchange.deadline()).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            exchange.called(&served.name, None, began, sent, 0);
            return Err(exchange.unreached(&served.name, error));
        }
    };
    exchange.called(&served.name, Some(answer.status.as_u16()), began, sent, answer.body.len());
    inward(exchange, mapping, mapping.inward(&answer, wanted))
}

/// What came in, with its findings counted; a system's "not found" is ours.
pub(super) fn inward(
    exchange: &Exchange,
    mapping: &Arc<Mapping>,
    inward: Result<Inward, crate::mapping::SystemFault>,
) -> Result<Inward, Refusal> {
    match inward {
        Ok(inward) => {
            exchange.findings(mapping, &inward.findings);
            Ok(inward)
        }
        Err(fault) if fault.kind == FaultKind::NotFound => Err(Refusal::NoSuchRecord),
        Err(fault) => Err(exchange.refused_by(mapping.system(), fault)),
    }
}
