//! What other records of a system tell of its records, asked for once an answer has come and before it is read.
//!
//! Where they cannot be asked for their fields are untold, and the answer says so, as where another system is away
//! ([`joined`](super::joined)); where a statement, a filter, an order or a precondition goes by these fields the request
//! is refused, and so it is where the mapping says so. Nothing of it is told as empty that nobody knows.

use super::{
    exchange::Exchange,
    joined::{Of, Untold},
    over::fetched,
};
use crate::{
    config::EntitySource,
    mapping::{Answered, Completion, IfMissing, NativeAnswer, Unasked},
    quota::Admission,
    refusal::{Form, Refusal},
    schema::FieldSet,
};

/// The answer with all that others tell of its records, as far as that is wanted; none where nobody had to be asked. What
/// `must` be known and is not refuses.
pub(super) async fn told(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (of, answer): (Answered<'_>, &NativeAnswer),
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<Option<NativeAnswer>, Refusal> {
    let completion = source.mapping.completion(of, answer, wanted);
    let completion = completion.map_err(|fault| exchange.refused_by(source.name(), fault))?;
    let Some(mut completion) = completion else { return Ok(None) };
    let must = admission.prospect().reads().union(must);
    while let Some(next) = completion.next() {
        // What was asked for in vain is not asked for again on the next page.
        let of = of_sort(source, &next);
        let is_known = exchange.untold.iter().any(|untold| untold.is_of(source.name(), &of));
        if is_known {
            completion.leave_out(next.name);
        } else if let Err(refusal) = ask(exchange, admission, source, &mut completion).await {
            missing(exchange, source, &next, refusal, &must)?;
            completion.leave_out(next.name);
        }
    }
    let body = completion.body().map_err(|fault| exchange.refused_by(source.name(), fault))?;
    Ok(Some(NativeAnswer { body, ..answer.clone() }))
}

/// Asks for some of the sort that comes next.
async fn ask(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    completion: &mut Completion<'_>,
) -> Result<(), Refusal> {
    let Some(request) = completion.request() else { return Ok(()) };
    let answer = fetched(exchange, admission, source, request).await?;
    completion.take(&answer).map_err(|fault| exchange.refused_by(source.name(), fault))
}

fn of_sort(source: &EntitySource, sort: &Unasked<'_>) -> Of {
    Of::Also(source.mapping.name().clone(), sort.name.into())
}

/// One sort could not be asked for. Where something goes by what it would have told, that refuses.
fn missing(
    exchange: &mut Exchange,
    source: &EntitySource,
    sort: &Unasked<'_>,
    refusal: Refusal,
    must: &FieldSet,
) -> Result<(), Refusal> {
    // Readers of tables load what they get as if it were all.
    let is_whole = exchange.form == Form::OData || sort.missing == IfMissing::Refused;
    if is_whole || !sort.leaves.intersection(must).is_empty() {
        return Err(refusal);
    }
    let (request, system, name) = (exchange.entry.request(), source.name(), sort.name);
    tracing::warn!(%request, %system, name, cause = %refusal, "an answer lacks what other records of a system tell");
    exchange.entry.note("lacks", format_args!("{system}: {name}: {}", refusal.reason()));
    exchange.core.gate.telemetry.refused(refusal.reason());
    let problem = refusal.problem(refusal.status(), request);
    exchange.untold.push(Untold::of(system, of_sort(source, sort), sort.leaves, problem));
    Ok(())
}
