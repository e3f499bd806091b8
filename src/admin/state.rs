//! How the gate is: ready or why not, its bundle, its systems.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::{
    clock::{self, Now},
    config::{Colour, KeptTable, Live, Snapshot, Status},
    gateway::Gate,
    sinks::{Lagging, Sinks, Standing},
    words::StatementId,
};

/// A gate that has not heard of revocations for longer is not sent requests.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// Whether the gate should be sent requests.
#[derive(Debug)]
pub(super) struct Readiness {
    /// Lanes of the journal that take nothing, and why.
    pub(super) failed_lanes: Vec<(String, String)>,
    /// How long ago it last heard of revocations; none when it never did.
    pub(super) behind: Option<Duration>,
    /// Why it heard nothing the last time.
    pub(super) unheard: Option<String>,
    /// It is being stopped.
    pub(super) is_draining: bool,
    /// How the keys of outside issuers stand. One that is down keeps its own callers out, not the gate.
    pub(super) issuers: Vec<Issuer>,
}

/// An outside issuer.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    keys: usize,
    age: Option<Duration>,
    last_error: Option<String>,
}

impl Readiness {
    /// As it is now.
    pub(super) fn of(gate: &Gate, now: Now) -> Self {
        let lanes = gate.journal.health().lanes.into_iter();
        Self {
            failed_lanes: lanes
                .filter_map(|lane| lane.failed.map(|error| (lane.lane, error.to_string())))
                .collect(),
            behind: gate.tokens.behind(now),
            unheard: gate.tokens.unheard(),
            is_draining: gate.door.is_draining(),
            issuers: gate
                .issuers
                .standing(&gate.live.current().sources, now)
                .into_iter()
                .map(|standing| Issuer {
                    name: standing.issuer.to_string(),
                    keys: standing.keys,
                    age: standing.age,
                    last_error: standing.last_error.map(|error| error.told()),
                })
                .collect(),
        }
    }

    /// Whether it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.failed_lanes.is_empty() && !self.is_behind() && !self.is_draining
    }

    fn is_behind(&self) -> bool {
        self.behind.is_none_or(|behind| behind > BEHIND_MAX)
    }

    /// What whoever asks without a token may know.
    pub(super) fn brief(&self) -> Json {
        json!({ "ready": self.is_ready() })
    }

    /// What an operator may know.
    pub(super) fn detail(&self, status: &Status) -> Json {
        let failed: Vec<Json> =
            self.failed_lanes.iter().map(|(lane, why)| json!({ "lane": lane, "why": why })).collect();
        let issuers: Vec<Json> = self
            .issuers
            .iter()
            .map(|one| {
                json!({
                    "issuer": one.name, "keys": one.keys, "age_s": one.age.map(|age| age.as_secs()),
                    "last_error": one.last_error,
                })
            })
            .collect();
        json!({
            "ready": self.is_ready(),
            "draining": self.is_draining,
            "journal": { "failed_lanes": failed },
            "revocations": {
                "behind": self.is_behind(),
                "heard_ms_ago": self.behind.map(|behind| u64::try_from(behind.as_millis()).unwrap_or(u64::MAX)),
                "why": self.unheard,
            },
            "issuers": issuers,
            "bundle": bundle_status(status),
        })
    }
}

/// The bundle in force and how the last reload went.
fn bundle_status(status: &Status) -> Json {
    let refused = status.broken.as_ref().map(|(report, since)| {
        let (errors, warnings) = report.counts();
        json!({
            "at": since.to_string(), "errors": errors, "warnings": warnings,
            "report": report.render(Colour::Off),
        })
    });
    json!({
        "digest": status.digest.to_string(), "since": status.since.to_string(),
        "swapped": status.swapped, "refused": status.refused, "last_refused": refused,
        "closing_gone": {
            "named": status.gone.named.iter().map(StatementId::as_str).collect::<Vec<_>>(),
            "more": status.gone.more,
        },
    })
}

/// The bundle in force and what it consists of.
pub(super) fn bundle(live: &Live<Snapshot>) -> Json {
    let (status, snapshot) = (live.status(), live.snapshot());
    let mut told = bundle_status(&status);
    if let Some(map) = told.as_object_mut() {
        map.insert("gate".into(), snapshot.settings.gate.value.as_str().into());
        let signed = snapshot.signed.as_ref();
        let signed = signed.map(|signed| json!({ "version": signed.version, "signers": signed.signers }));
        map.insert("signed".into(), signed.into());
        map.insert(
            "counts".into(),
            json!({
                "entities": snapshot.schema.entities().len(),
                "statements": snapshot.policies.ids().count(),
                "principals": snapshot.sources.registry().iter().count(),
                "partners": snapshot.sources.registry().partners().count(),
                "plans": snapshot.plans.iter().count(),
                "systems": snapshot.systems.len(),
            }),
        );
    }
    told
}

/// Every system: what is under way, whether it is left alone, its addresses, what it serves.
pub(super) fn systems(snapshot: &Snapshot) -> Json {
    let now = clock::mono();
    let mut all: Vec<_> = snapshot.systems.values().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let told = all.into_iter().map(|served| {
        let state = served.upstream.state();
        let addresses: Vec<Json> = state
            .addresses
            .iter()
            .map(|address| {
                json!({
                    "peer": &*address.peer, "in_flight": address.in_flight, "left_out": address.is_out,
                    "health": address.checked.as_str(),
                })
            })
            .collect();
        let mut entities: Vec<&str> = snapshot
            .schema
            .entities()
            .iter()
            .filter(|entity| {
                let sources = snapshot.serving(entity).into_iter().flat_map(|sources| sources.all());
                sources.into_iter().any(|source| *source.name() == served.name)
            })
            .map(|entity| entity.name.as_str())
            .collect();
        entities.sort_unstable();
        json!({
            "system": served.name.as_str(), "in_flight": state.in_flight,
            "left_alone": state.is_left_alone, "addresses": addresses, "entities": entities,
            "tables": served.tables.iter().map(|kept| table(kept, now)).collect::<Vec<Json>>(),
        })
    });
    json!({ "systems": told.collect::<Vec<Json>>() })
}

/// Every sink of the journal: how far it is, and what keeps it.
pub(super) fn sinks(sinks: &Sinks, now: Now) -> Json {
    let told = sinks.standing().into_iter().map(|lagging| {
        let age = lagging.age(now.wall).as_secs();
        let Lagging { standing: Standing { cursor, taken, failures, .. }, entries } = lagging;
        let lanes = cursor.lanes.iter().map(|(lane, place)| json!({ "lane": lane, "next": place.next }));
        json!({
            "sink": cursor.sink, "kind": cursor.kind, "behind": entries, "behind_s": age,
            "taken": taken, "failures": failures, "taken_at": cursor.taken_at.map(|at| at.to_string()),
            "lanes": lanes.collect::<Vec<Json>>(),
            "trouble": cursor.trouble.map(|trouble| json!({ "since": trouble.since.to_string(), "why": trouble.why })),
        })
    });
    json!({ "sinks": told.collect::<Vec<Json>>() })
}

/// A value table that its system tells: how old it is, and what of it cannot be written.
fn table(kept: &KeptTable, now: Instant) -> Json {
    let standing = kept.standing();
    let age = standing.told.map(|told| now.saturating_duration_since(told.mono).as_secs());
    let state = match (standing.told, kept.table.is_there()) {
        (Some(_), _) if kept.is_stale(now) => "stale",
        (Some(_), _) => "fresh",
        (None, true) => "stands_in",
        (None, false) => "never_told",
    };
    let several = standing.several.iter().flat_map(|one| {
        let told = |(value, natives): &(String, Vec<String>)| {
            json!({ "entity": one.entity.as_str(), "field": one.field, "value": value, "natives": natives })
        };
        one.values.iter().map(told).collect::<Vec<_>>()
    });
    json!({
        "table": kept.table.name(), "state": state, "rows": kept.table.told(), "age_seconds": age,
        "failed": standing.failed.as_deref(), "several": several.collect::<Vec<Json>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        Readiness {
            failed_lanes: Vec::new(),
            behind: Some(Duration::from_millis(200)),
            unheard: None,
            is_draining: false,
            issuers: Vec::new(),
        }
    }

    #[test]
    fn a_gate_is_ready_while_it_can_write_hears_of_revocations_and_is_not_being_stopped() {
        assert!(ready().is_ready());
        assert!(!Readiness { failed_lanes: vec![("0".into(), "full".into())], ..ready() }.is_ready());
        assert!(!Readiness { behind: Some(Duration::from_millis(2_001)), ..ready() }.is_ready());
        assert!(!Readiness { behind: None, ..ready() }.is_ready());
        assert!(!Readiness { is_draining: true, ..ready() }.is_ready());
        let corp = Issuer { name: "corp".into(), keys: 0, age: None, last_error: Some("down".into()) };
        assert!(Readiness { issuers: vec![corp], ..ready() }.is_ready(), "other callers are served");
    }

    #[test]
    fn without_a_token_nothing_but_the_answer_is_told() {
        assert_eq!(ready().brief(), json!({ "ready": true }));
    }
}
