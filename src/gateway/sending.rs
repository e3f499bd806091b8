//! One call of a write: written down before, sent once, and what is known of it afterwards. What a system says of one
//! that it refuses goes to the log.

use http::StatusCode;

use super::{
    accepted::Early,
    exchange::{Exchange, Progress},
    once,
};
use crate::{
    audit::{Effect, Receipt},
    clock,
    config::EntitySource,
    mapping::{FaultKind, Mapping, NativeAnswer, NativeRequest},
    policy::WritePermit,
    quota::Admission,
    refusal::Refusal,
    wire::Sent as Passed,
};

/// Writes down what is about to change, and changes it: the answer of a system that has done it.
pub(super) async fn effect(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    permit: &WritePermit,
    request: NativeRequest,
) -> Result<NativeAnswer, Refusal> {
    announced(exchange, permit);
    let request = exchange.traced(request);
    once::begin(exchange).await?;
    exchange.digest_sent();
    let receipt = exchange.entry.intent(permit, clock::now()).await.map_err(Refusal::Journal)?;
    let answer = send(exchange, admission, source, receipt, (request, true)).await?;
    exchange.progress = Progress::Done;
    Ok(answer)
}

/// Notes, before the intent, what holds of the whole write.
pub(super) fn announced(exchange: &mut Exchange, permit: &WritePermit) {
    if permit.unguarded() {
        exchange.entry.note("unguarded", true);
    }
}

/// One call of a write that is written down. A refusal leaves behind whether the system may have done it.
pub(super) async fn send(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    receipt: Receipt<Effect>,
    (request, is_record): (NativeRequest, bool),
) -> Result<NativeAnswer, Refusal> {
    let (mapping, system) = (&source.mapping, source.name());
    exchange.progress = Progress::Begun;
    let (began, sent) = (clock::now(), request.body.len());
    let core = exchange.core.clone();
    let quoted = request.body.clone();
    let (early, deadline) = (Early::of(exchange, admission, source), exchange.deadline());
    let answer = match source.upstream.effect(&core.pools, receipt, request, deadline, &early).await {
        Ok(told) => {
            exchange.early = early.went(&told.answer).await;
            exchange.unfinished = told.unfinished;
            exchange.strayed(system, &told.strayed);
            told.answer
        }
        Err(error) => {
            exchange.called(system, None, began, sent, 0);
            exchange.entry.note("sent", error.sent().as_str());
            exchange.core.gate.written.note(system, mapping.name(), clock::mono());
            if error.sent() == Passed::No {
                exchange.progress = Progress::Nothing;
            }
            return Err(exchange.unreached(system, error));
        }
    };
    exchange.called(system, Some(answer.status.as_u16()), began, sent, answer.body.len());
    exchange.core.gate.written.note(system, mapping.name(), clock::mono());
    if let Err(fault) = mapping.deleted(&answer) {
        // A system that broke may have broken after it was done.
        if fault.kind == FaultKind::Partial {
            exchange.progress = Progress::Partly;
        } else if !answer.status.is_server_error() {
            exchange.progress = Progress::Nothing;
        }
        let said = mapping.unquoted(&fault, &quoted);
        let refusal = exchange.change_refused_by(admission.prospect(), system, fault);
        told_to_operator(exchange, mapping, (&refusal, answer.status), &said);
        return Err(refusal);
    }
    // Neither an error nor what was written: nobody knows whether it was.
    if is_record && let Err(fault) = mapping.shows(admission.prospect().operation().action(), &answer) {
        return Err(exchange.change_refused_by(admission.prospect(), system, fault));
    }
    Ok(answer)
}

/// Logs what a system says of a write that it refuses: the caller is not told, and whoever runs the gate is asked.
pub(super) fn told_to_operator(
    exchange: &Exchange,
    mapping: &Mapping,
    (refusal, status): (&Refusal, StatusCode),
    said: &str,
) {
    let (code, trace) = match refusal {
        Refusal::System(_, fault) => (fault.code.as_deref(), fault.trace.as_deref()),
        _ => (None, None),
    };
    tracing::info!(
        request = %exchange.entry.request(),
        system = %mapping.system(),
        entity = %mapping.name(),
        operation = exchange.action(),
        status = status.as_u16(),
        reason = refusal.reason(),
        code,
        trace,
        said,
        "a system refused a write"
    );
}
