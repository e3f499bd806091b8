//! Metrics of the gate, for `/metrics` in the Prometheus text format.
//!
//! Labels are bounded: names of systems and entities come from the bundle, reasons and kinds from our own
//! enums; nothing a caller sends becomes a label.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// What an answered exchange is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Exchange {
    /// `read`, `list` … or `none` when it never became an operation.
    pub action: &'static str,
    /// Status class: `2xx`, `4xx` ….
    pub status: &'static str,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// A name of `refusal.rs` or of the door.
    pub reason: &'static str,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SystemLabel {
    /// Its name in the bundle.
    pub system: String,
}

/// A field of a system's record that did not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FindingLabel {
    /// The system.
    pub system: String,
    /// Entity and field: `Order.lines.quantity`.
    pub field: String,
}

/// What exchanges are counted by.
const ACTIONS: [&str; 7] = ["none", "read", "list", "create", "update", "delete", "call"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Every metric.
pub struct Telemetry {
    registry: Registry,
    /// Answered exchanges.
    pub exchanges: Family<Exchange, Counter>,
    /// Refusals by reason.
    pub refusals: Family<Reason, Counter>,
    /// The same by action and class of status, found without hashing.
    answered: [[Counter; 5]; ACTIONS.len()],
    /// Seconds from head to answer.
    pub seconds: Histogram,
    /// Calls to systems.
    pub system_calls: Family<SystemLabel, Counter>,
    /// Calls to systems that failed.
    pub system_failures: Family<SystemLabel, Counter>,
    /// Fields that did not fit the schema.
    pub findings: Family<FindingLabel, Counter>,
    /// Records a list left out.
    pub withheld: Family<Reason, Counter>,
    /// Reloads by outcome.
    pub reloads: Family<Reason, Counter>,
    /// 1 while the last reload failed and the old bundle serves on.
    pub reload_failed: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Decisions repeated on the full statement set.
    pub rechecks: Counter,
    /// Of those, the ones that came out differently.
    pub mismatches: Counter<u64, AtomicU64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        let exchanges = Family::<Exchange, Counter>::default();
        let answered = ACTIONS
            .map(|action| STATUSES.map(|status| exchanges.get_or_create_owned(&Exchange { action, status })));
        let mut all = Self {
            registry: Registry::with_prefix("bramka"),
            exchanges,
            answered,
            refusals: Family::default(),
            seconds: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
            ]),
            system_calls: Family::default(),
            system_failures: Family::default(),
            findings: Family::default(),
            withheld: Family::default(),
            reloads: Family::default(),
            reload_failed: Gauge::default(),
            connections: Gauge::default(),
            rechecks: Counter::default(),
            mismatches: Counter::default(),
        };
        all.register();
        all
    }
}

impl Telemetry {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("exchanges", "Answered exchanges", self.exchanges.clone());
        r.register("refusals", "Refusals by reason", self.refusals.clone());
        r.register("exchange_seconds", "Seconds from head to answer", self.seconds.clone());
        r.register("system_calls", "Calls to systems", self.system_calls.clone());
        r.register("system_failures", "Calls to systems that failed", self.system_failures.clone());
        r.register("findings", "Fields of records that did not fit the schema", self.findings.clone());
        r.register("withheld_records", "Records a list left out", self.withheld.clone());
        r.register("reloads", "Reloads of the bundle by outcome", self.reloads.clone());
        r.register("reload_failed", "1 while the last reload failed", self.reload_failed.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("decision_rechecks", "Decisions repeated on the full set", self.rechecks.clone());
        r.register("decision_mismatches", "Rechecks that differed", self.mismatches.clone());
    }

    /// Counts an answered exchange.
    pub fn answered(&self, action: &'static str, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        let row = ACTIONS.iter().position(|name| *name == action).and_then(|at| self.answered.get(at));
        if let Some(counter) = row.and_then(|row| row.get(class)) {
            counter.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a refusal.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// The Prometheus text.
    ///
    /// # Errors
    /// Never in practice: only when text cannot be appended to a string.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}
