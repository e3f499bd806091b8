//! What was seen of the systems' records, on its way into the store and into metrics.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::Gate;
use crate::{
    clock,
    quality::{Gathered, Gathering, newest},
    store::{LookedRow, NamingRow, Oldest, QualityRow, QualitySeen, Store, StoreError, Target},
    telemetry::{EntityLabel, ReferenceLabel, Telemetry},
};

/// How often what was seen goes into the store, and what stands there into metrics.
const QUALITY_EVERY: Duration = Duration::from_secs(10);

/// Does it, again and again.
pub(super) async fn keep(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(QUALITY_EVERY).await;
        let store = gate.tokens.store();
        if let Err(error) = hand_over(&gate.quality, store).await {
            tracing::warn!(%error, "what was seen of the systems' records is not in the store yet");
        }
        if let Err(error) = measure(&gate.telemetry, store).await {
            tracing::warn!(%error, "metrics of data quality are as they were");
        }
    }
}

/// Hands over what was gathered. What the store does not take is gathered on.
///
/// # Errors
/// The store did not take it.
pub(super) async fn hand_over(gathering: &Gathering, store: &Store) -> Result<(), StoreError> {
    let gathered = gathering.take();
    if gathered.is_empty() {
        return Ok(());
    }
    let added = store.add_quality(seen(&gathered, clock::now().wall), newest).await;
    if added.is_err() {
        gathering.put_back(gathered);
    }
    added
}

/// The same as the store takes it.
fn seen(gathered: &Gathered, at: Timestamp) -> QualitySeen {
    let looked = gathered.looked.iter().map(|one| LookedRow {
        system: one.system.to_string(),
        entity: one.entity.to_string(),
        records: one.records,
        sampled: one.sampled,
        since: at,
    });
    let flaws = gathered.flaws.iter().map(|(spot, tally)| QualityRow {
        system: spot.system.clone(),
        entity: spot.entity.clone(),
        field: spot.field.clone(),
        flaw: spot.flaw.as_str().to_owned(),
        count: tally.count,
        first_at: tally.first,
        last_at: tally.last,
        examples: tally.examples.clone(),
        values: tally.values.clone(),
        oldest: tally.oldest.map(|oldest| Oldest { at: oldest, seen_at: tally.last }),
    });
    let references = gathered.references.iter().map(|(naming, named)| NamingRow {
        system: naming.system.to_string(),
        entity: naming.entity.to_string(),
        field: naming.field.clone(),
        record: naming.record.clone(),
        target_entity: named.target_entity.to_string(),
        targets: named.targets.clone(),
        is_whole: named.is_whole,
        seen_at: named.seen,
    });
    let missing = gathered.missing.iter();
    QualitySeen {
        at,
        looked: looked.collect(),
        flaws: flaws.collect(),
        references: references.collect(),
        missing: missing.map(|(entity, id)| Target { entity: entity.to_string(), id: id.clone() }).collect(),
    }
}

/// Tells metrics how references and stale records stand, whoever found it out.
async fn measure(telemetry: &Telemetry, store: &Store) -> Result<(), StoreError> {
    let references = store.references().await?;
    let oldest = store.oldest(clock::now().wall).await?;
    let states = references.iter().flat_map(|row| {
        let label = |state| ReferenceLabel {
            system: row.system.clone(),
            entity: row.entity.clone(),
            field: row.field.clone(),
            state,
        };
        [
            (label("there"), row.checked.saturating_sub(row.dangling)),
            (label("dangling"), row.dangling),
            (label("unchecked"), row.kept.saturating_sub(row.checked)),
        ]
    });
    let oldest =
        oldest.into_iter().map(|(system, entity, at)| (EntityLabel { system, entity }, at.as_second()));
    telemetry.quality(states, oldest);
    Ok(())
}
