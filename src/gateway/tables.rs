//! Value tables that systems tell: asked for when somebody needs them, by the gate itself.
//!
//! Who comes first to a table that was never told waits for it, and so do all who come meanwhile. One that has gone by
//! serves on while it is asked for again beside the requests. Fields by a table that nobody knows are left untold, and the
//! answer says so; where a statement, a filter, an order or a write goes by them the request is refused.

use std::sync::Arc;

use super::{
    Core,
    exchange::Exchange,
    joined::{Of, Untold},
};
use crate::{
    clock,
    config::{Asking, KeptTable},
    mapping::Mapping,
    quota::Admission,
    refusal::{Form, NoTable, Refusal},
    schema::FieldSet,
    upstream::Upstream,
    words::RequestId,
};

/// Sees to it that what is wanted of records can be told, as far as it goes by such tables. What `must` be known and is
/// not refuses.
pub(super) async fn ready(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<(), Refusal> {
    match mapping.live() {
        [] => Ok(()),
        _ => ready_for(exchange, mapping, (wanted, &admission.prospect().reads().union(must))).await,
    }
}

/// The same, where `must` is all that the request goes by.
pub(super) async fn ready_for(
    exchange: &mut Exchange,
    mapping: &Mapping,
    (wanted, must): (&FieldSet, &FieldSet),
) -> Result<(), Refusal> {
    if mapping.live().is_empty() {
        return Ok(());
    }
    let asked = wanted.union(must);
    let snapshot = exchange.snapshot.clone();
    let served = snapshot.systems.get(mapping.system()).ok_or(Refusal::Broken)?;
    let tables = mapping.live().iter().filter(|(_, leaves)| !leaves.intersection(&asked).is_empty());
    let tables: Vec<_> =
        tables.filter_map(|(at, leaves)| Some((served.tables.get(*at)?.clone(), *leaves))).collect();
    let now = clock::mono();
    for (kept, _) in &tables {
        if let Some(asking) = kept.begin(now) {
            let (core, upstream, kept) = (exchange.core.clone(), served.upstream.clone(), kept.clone());
            let request = exchange.entry.request();
            exchange.core.tasks.spawn(ask(core, upstream, (kept, asking), request));
        }
    }
    for (kept, leaves) in tables {
        if kept.standing().told.is_none() {
            kept.wait(exchange.deadline()).await;
        }
        if !kept.table.is_there() {
            untold(exchange, mapping, &kept, (leaves, must))?;
        }
    }
    Ok(())
}

/// Asks for a table, and tells of it.
async fn ask(
    core: Arc<Core>,
    upstream: Arc<Upstream>,
    (kept, asking): (Arc<KeptTable>, Asking),
    request: RequestId,
) {
    let (system, table) = (upstream.name(), kept.table.name());
    let gate = &core.gate;
    let what = format!("table {table} of {system}");
    // ORDER: the entry first. Nobody is asked what is not written down.
    let receipt = match gate.journal.look(&what, "gate", request, clock::now()).await {
        Ok(receipt) => receipt,
        Err(error) => {
            tracing::error!(%system, table, %error, "the journal did not take that a table is asked for");
            return asking.fail("the journal did not take that it is asked for");
        }
    };
    let asked = asking.ask(&upstream, &core.pools, &receipt).await;
    let standing = kept.standing();
    gate.telemetry.table(
        (system.as_str(), table),
        (asked.calls, asked.told.as_ref().ok().copied()),
        standing.told.map(|now| now.wall.as_second()),
    );
    match asked.told {
        Ok(rows) => tracing::info!(%system, table, rows, "a system told a table"),
        Err(cause) => {
            let is_known = kept.table.is_there();
            tracing::warn!(%system, table, %cause, is_known, "a system did not tell a table");
        }
    }
    for one in standing.several.iter() {
        for (value, natives) in &one.values {
            let (entity, field) = (one.entity.as_str(), &one.field);
            tracing::warn!(%system, table, entity, field, value, ?natives, "several native values mean one, so it is not written");
            gate.telemetry.flawed(system.as_str(), entity, field.clone(), "several_natives", 1);
        }
    }
}

/// Nobody knows a table. Where something goes by it, that refuses.
fn untold(
    exchange: &mut Exchange,
    mapping: &Mapping,
    kept: &KeptTable,
    (leaves, must): (FieldSet, &FieldSet),
) -> Result<(), Refusal> {
    let (system, table) = (mapping.system(), kept.table.name());
    let why = kept.standing().failed.clone();
    let refusal = Refusal::NoTable(Box::new(NoTable {
        system: system.clone(),
        table: table.into(),
        why: why.unwrap_or_else(|| "it did not come in time".into()),
        again: kept.waits(clock::mono()),
    }));
    // Readers of OData load what they get as if it were all.
    if exchange.form == Form::OData || !leaves.intersection(must).is_empty() {
        return Err(refusal);
    }
    let of = Of::Table(table.into());
    if exchange.untold.iter().any(|known| known.is_of(system, &of)) {
        return Ok(());
    }
    let request = exchange.entry.request();
    tracing::warn!(%request, cause = %refusal, "an answer lacks what goes by a table");
    exchange.entry.note("lacks", format_args!("{system}: {}", refusal.reason()));
    exchange.core.gate.telemetry.refused(refusal.reason());
    let problem = refusal.problem(refusal.status(), request);
    exchange.untold.push(Untold::of(system, of, leaves, problem));
    Ok(())
}
