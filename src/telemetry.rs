//! Metrics of the gate, for `/metrics` in the Prometheus text format.
//!
//! Labels are bounded: names of systems, entities and issuers come from the bundle, reasons and kinds from our
//! own enums; nothing a caller sends becomes a label.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
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

/// An exposure budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BudgetLabel {
    /// Plan, what is counted, and in what time.
    pub budget: String,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SystemLabel {
    /// Its name in the bundle.
    pub system: String,
}

/// Records of a system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EntityLabel {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
}

/// What of a system's records does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FindingLabel {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// A field of the schema: `lines.quantity`; empty for the record itself.
    pub field: String,
    /// What is wrong.
    pub flaw: &'static str,
}

/// References of a field that were seen lately.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReferenceLabel {
    /// The system.
    pub system: String,
    /// The entity.
    pub entity: String,
    /// The field.
    pub field: String,
    /// `there`, `dangling` or `unchecked`.
    pub state: &'static str,
}

/// An issuer of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IssuerLabel {
    /// Its short name in the bundle; `own` for ours.
    pub issuer: String,
}

/// An address of a system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabel {
    system: String,
    /// Host and port.
    address: String,
}

/// A value table that a system tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    system: String,
    table: String,
}

/// The same, and whether it was told when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabel {
    system: String,
    table: String,
    /// `told` or `failed`.
    outcome: &'static str,
}

/// A sink of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

/// How a sink of the journal is.
#[derive(Clone, Debug)]
pub struct SinkState {
    /// Its name.
    pub sink: String,
    /// Signed entries that it did not take yet.
    pub entries: u64,
    /// How old the oldest entry is that it is being sent.
    pub age: Duration,
    /// Entries taken since the start.
    pub taken: u64,
    /// Times none were.
    pub failures: u64,
    /// Whether it takes nothing now.
    pub is_in_trouble: bool,
}

/// Metrics of sinks.
#[derive(Clone, Default)]
struct SinkMetrics {
    entries: Family<SinkLabel, Gauge>,
    seconds: Family<SinkLabel, Gauge>,
    trouble: Family<SinkLabel, Gauge>,
    taken: Family<SinkLabel, Counter<u64, AtomicU64>>,
    failures: Family<SinkLabel, Counter<u64, AtomicU64>>,
}

/// The journal's files.
#[derive(Clone, Default)]
pub struct JournalMetrics {
    /// How large it is.
    pub bytes: Gauge,
    /// When its oldest entry was written.
    pub oldest: Gauge,
    /// What is too much of it, and could not be put away.
    pub over: Gauge,
    /// Lanes in which something stays that was to be put away.
    pub held: Gauge,
    /// Entries that this process put away.
    pub put_away: Counter,
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
    addresses_well: Family<AddressLabel, Gauge>,
    /// Addresses that have gauges. LIMIT: those of one bundle; see [`Telemetry::addresses`].
    addresses_told: Mutex<HashSet<AddressLabel>>,
    /// Records of systems that were looked at.
    pub records: Family<EntityLabel, Counter>,
    /// What of them did not fit the schema. LIMIT: fields of the schema, times flaws.
    findings: Family<FindingLabel, Counter>,
    references: Family<ReferenceLabel, Gauge>,
    stale_oldest: Family<EntityLabel, Gauge>,
    /// What has gauges of data quality. LIMIT: what the store keeps of it; see [`Telemetry::quality`].
    quality_told: Mutex<(HashSet<ReferenceLabel>, HashSet<EntityLabel>)>,
    /// LIMIT: tables that bundles ever named.
    tables_asked: Family<AskedLabel, Counter>,
    table_rows: Family<TableLabel, Gauge>,
    table_told: Family<TableLabel, Gauge>,
    /// Records a list left out.
    pub withheld: Family<Reason, Counter>,
    /// What answers would have been under the shadow bundle: `same`, `more`, `less`, `differs`, `cannot_tell`, and
    /// `dropped` where it was too far behind.
    pub shadow: Family<Reason, Counter>,
    /// What answers of systems came to under the shadow bundle's mappings: `same`, `differs`, `cannot_tell`, and `dropped`
    /// where there was no room to put them aside.
    pub shadow_mappings: Family<Reason, Counter>,
    /// 1 while there is a shadow bundle that does not load.
    pub shadow_failed: Gauge,
    /// Exposure budgets of which an alerting share was spent.
    pub exposure_alerts: Family<BudgetLabel, Counter>,
    /// Callers who asked for so many records that are not there that somebody had to know.
    pub misses_alerts: Counter,
    /// Glasses that were broken, or would have been.
    pub glass_alerts: Counter,
    /// Alerts that were not posted.
    pub alerts_lost: Counter,
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
    /// Requests let through uncounted while the counters were away.
    pub uncounted: Gauge,
    issuer_keys: Family<IssuerLabel, Gauge>,
    issuer_age: Family<IssuerLabel, Gauge>,
    /// Issuers that have gauges. LIMIT: those of one bundle; see [`Telemetry::issuers`].
    issuers_told: Mutex<HashSet<IssuerLabel>>,
    /// LIMIT: sinks of one bundle; see [`Telemetry::sinks`].
    sinks: SinkMetrics,
    sinks_told: Mutex<HashSet<SinkLabel>>,
    /// The journal's files.
    pub journal: JournalMetrics,
    /// LIMIT: issuers that a bundle ever named.
    assertions_dropped: Family<IssuerLabel, Counter<u64, AtomicU64>>,
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
            records: Family::default(),
            addresses_well: Family::default(),
            addresses_told: Mutex::default(),
            findings: Family::default(),
            references: Family::default(),
            stale_oldest: Family::default(),
            quality_told: Mutex::default(),
            tables_asked: Family::default(),
            table_rows: Family::default(),
            table_told: Family::default(),
            withheld: Family::default(),
            shadow: Family::default(),
            shadow_mappings: Family::default(),
            shadow_failed: Gauge::default(),
            exposure_alerts: Family::default(),
            misses_alerts: Counter::default(),
            glass_alerts: Counter::default(),
            alerts_lost: Counter::default(),
            reloads: Family::default(),
            reload_failed: Gauge::default(),
            connections: Gauge::default(),
            rechecks: Counter::default(),
            mismatches: Counter::default(),
            uncounted: Gauge::default(),
            issuer_keys: Family::default(),
            issuer_age: Family::default(),
            issuers_told: Mutex::default(),
            sinks: SinkMetrics::default(),
            sinks_told: Mutex::default(),
            journal: JournalMetrics::default(),
            assertions_dropped: Family::default(),
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
        let well = self.addresses_well.clone();
        r.register("system_address_well", "1 where an address of a system is well by its checks", well);
        self.register_quality();
        let r = &mut self.registry;
        r.register("withheld_records", "Records a list left out", self.withheld.clone());
        r.register("shadow_decisions", "Decisions under the shadow bundle", self.shadow.clone());
        let mappings = self.shadow_mappings.clone();
        r.register("shadow_mappings", "Answers of systems under the shadow bundle's mappings", mappings);
        r.register("shadow_failed", "1 while the shadow bundle does not load", self.shadow_failed.clone());
        r.register(
            "exposure_alerts",
            "Exposure budgets of which an alerting share was spent",
            self.exposure_alerts.clone(),
        );
        r.register(
            "misses_alerts",
            "Callers who asked for many records that are not there",
            self.misses_alerts.clone(),
        );
        r.register(
            "glass_alerts",
            "Glasses that were broken, or asked for too soon",
            self.glass_alerts.clone(),
        );
        r.register("alerts_lost", "Alerts that were not posted", self.alerts_lost.clone());
        r.register("reloads", "Reloads of the bundle by outcome", self.reloads.clone());
        r.register("reload_failed", "1 while the last reload failed", self.reload_failed.clone());
        r.register("connections", "Open connections", self.connections.clone());
        r.register("decision_rechecks", "Decisions repeated on the full set", self.rechecks.clone());
        r.register("decision_mismatches", "Rechecks that differed", self.mismatches.clone());
        r.register("uncounted_requests", "Requests let through uncounted", self.uncounted.clone());
        r.register("issuer_keys", "Keys of outside issuers at hand", self.issuer_keys.clone());
        r.register("issuer_age_seconds", "Age of an issuer's keys", self.issuer_age.clone());
        let dropped = self.assertions_dropped.clone();
        r.register("assertions_dropped", "Assertions an issuer was not entitled to", dropped);
        self.register_sinks();
        self.register_journal();
    }

    fn register_journal(&mut self) {
        let (r, JournalMetrics { bytes, oldest, over, held, put_away }) =
            (&mut self.registry, self.journal.clone());
        r.register("journal_bytes", "Bytes of the gate's journal, all of its lanes together", bytes);
        r.register(
            "journal_oldest_timestamp_seconds",
            "When the oldest entry of the journal was written",
            oldest,
        );
        r.register("journal_over_bytes", "Bytes beyond the size that the journal may have", over);
        r.register("journal_held_lanes", "Lanes in which something stays that was to be put away", held);
        r.register("journal_put_away_entries", "Entries that this process put away", put_away);
    }

    fn register_sinks(&mut self) {
        let (r, SinkMetrics { entries, seconds, trouble, taken, failures }) =
            (&mut self.registry, self.sinks.clone());
        r.register("sink_lag_entries", "Signed entries of the journal that a sink did not take yet", entries);
        r.register("sink_lag_seconds", "Age of the oldest entry that a sink is being sent", seconds);
        r.register("sink_in_trouble", "1 while a sink takes no entries", trouble);
        r.register("sink_entries", "Entries that a sink took", taken);
        r.register("sink_failures", "Times a sink took no entries", failures);
    }

    /// How sinks of the journal are. Those told before and not now lose their metrics.
    pub fn sinks(&self, states: impl IntoIterator<Item = SinkState>) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut told = self.sinks_told.lock();
        let mut gone = mem::take(&mut *told);
        let metrics = &self.sinks;
        for state in states {
            let label = SinkLabel { sink: state.sink };
            metrics.entries.get_or_create(&label).set(whole(state.entries));
            metrics.seconds.get_or_create(&label).set(whole(state.age.as_secs()));
            metrics.trouble.get_or_create(&label).set(i64::from(state.is_in_trouble));
            metrics.taken.get_or_create(&label).inner().fetch_max(state.taken, Ordering::Relaxed);
            metrics.failures.get_or_create(&label).inner().fetch_max(state.failures, Ordering::Relaxed);
            gone.remove(&label);
            told.insert(label);
        }
        for label in gone {
            metrics.entries.remove(&label);
            metrics.seconds.remove(&label);
            metrics.trouble.remove(&label);
            metrics.taken.remove(&label);
            metrics.failures.remove(&label);
        }
    }

    fn register_quality(&mut self) {
        let r = &mut self.registry;
        r.register("records", "Records of systems that were looked at", self.records.clone());
        r.register("findings", "Records with something that does not fit the schema", self.findings.clone());
        r.register("references", "References between records that were seen lately", self.references.clone());
        r.register("table_fetches", "Times a value table was asked for", self.tables_asked.clone());
        r.register("table_rows", "Rows of a value table that its system told", self.table_rows.clone());
        let told = self.table_told.clone();
        r.register("table_told_timestamp_seconds", "When a system last told a value table", told);
        let oldest = self.stale_oldest.clone();
        r.register("stale_oldest_timestamp_seconds", "When the oldest stale record changed", oldest);
    }

    /// A table was asked for in so many calls, of which some failed; how many rows it has if it was told, and when it was
    /// told last.
    pub fn table(
        &self,
        (system, table): (&str, &str),
        ((calls, failures), rows): ((u64, u64), Option<usize>),
        told: Option<i64>,
    ) {
        let of = SystemLabel { system: system.to_owned() };
        self.system_calls.get_or_create(&of).inc_by(calls);
        self.system_failures.get_or_create(&of).inc_by(failures);
        let (system, table) = (system.to_owned(), table.to_owned());
        let outcome = if rows.is_some() { "told" } else { "failed" };
        let asked = AskedLabel { system: system.clone(), table: table.clone(), outcome };
        self.tables_asked.get_or_create(&asked).inc();
        let label = TableLabel { system, table };
        if let Some(rows) = rows {
            self.table_rows.get_or_create(&label).set(i64::try_from(rows).unwrap_or(i64::MAX));
        }
        if let Some(told) = told {
            self.table_told.get_or_create(&label).set(told);
        }
    }

    /// Counts records with something that does not fit.
    pub fn flawed(&self, system: &str, entity: &str, field: String, flaw: &'static str, records: u64) {
        let (system, entity) = (system.to_owned(), entity.to_owned());
        self.findings.get_or_create(&FindingLabel { system, entity, field, flaw }).inc_by(records);
    }

    /// How references and stale records stand, as the store has it. What was told before and is not now loses its
    /// gauge.
    pub fn quality(
        &self,
        references: impl IntoIterator<Item = (ReferenceLabel, u64)>,
        oldest: impl IntoIterator<Item = (EntityLabel, i64)>,
    ) {
        let mut told = self.quality_told.lock();
        let (mut gone, mut gone_oldest) = mem::take(&mut *told);
        for (label, count) in references {
            self.references.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
            gone.remove(&label);
            told.0.insert(label);
        }
        for (label, seconds) in oldest {
            self.stale_oldest.get_or_create(&label).set(seconds);
            gone_oldest.remove(&label);
            told.1.insert(label);
        }
        for label in gone {
            self.references.remove(&label);
        }
        for label in gone_oldest {
            self.stale_oldest.remove(&label);
        }
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

    /// How the keys of all issuers stand: name, how many keys, how old. Keys never fetched have no age. Issuers
    /// told before and not now lose their gauges.
    pub fn issuers<'a>(&self, standing: impl IntoIterator<Item = (&'a str, usize, Option<Duration>)>) {
        let mut told = self.issuers_told.lock();
        let mut gone = mem::take(&mut *told);
        for (name, keys, age) in standing {
            let label = IssuerLabel { issuer: name.to_owned() };
            self.issuer_keys.get_or_create(&label).set(i64::try_from(keys).unwrap_or(i64::MAX));
            if let Some(age) = age {
                let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
                self.issuer_age.get_or_create(&label).set(seconds);
            } else {
                self.issuer_age.remove(&label);
            }
            gone.remove(&label);
            told.insert(label);
        }
        for label in gone {
            self.issuer_keys.remove(&label);
            self.issuer_age.remove(&label);
        }
    }

    /// What health checks say of addresses: system, host and port, whether it is well. Those told before and not now
    /// lose their gauges.
    pub fn addresses<'a>(&self, checked: impl IntoIterator<Item = (&'a str, &'a str, bool)>) {
        let mut told = self.addresses_told.lock();
        let mut gone = mem::take(&mut *told);
        for (system, address, is_well) in checked {
            let label = AddressLabel { system: system.to_owned(), address: address.to_owned() };
            self.addresses_well.get_or_create(&label).set(i64::from(is_well));
            gone.remove(&label);
            told.insert(label);
        }
        for label in gone {
            self.addresses_well.remove(&label);
        }
    }

    /// How many assertions of an issuer were dropped since the start; a lower number than before changes
    /// nothing.
    pub fn assertions_dropped(&self, issuer: &str, total: u64) {
        let counter = self.assertions_dropped.get_or_create_owned(&IssuerLabel { issuer: issuer.to_owned() });
        counter.inner().fetch_max(total, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_told_by_name_and_no_longer_once_the_bundle_does_not_name_them() {
        let telemetry = Telemetry::default();
        let minute = Some(Duration::from_secs(60));
        telemetry.issuers([("corp", 2, minute), ("late", 0, None)]);
        let text = telemetry.render().unwrap();
        for line in [
            "bramka_issuer_keys{issuer=\"corp\"} 2\n",
            "bramka_issuer_age_seconds{issuer=\"corp\"} 60\n",
            "bramka_issuer_keys{issuer=\"late\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}in\n{text}");
        }
        assert!(!text.contains("age_seconds{issuer=\"late\"}"), "keys never fetched have no age: {text}");
        telemetry.issuers([("late", 1, minute)]);
        let text = telemetry.render().unwrap();
        assert!(!text.contains("corp") && text.contains("age_seconds{issuer=\"late\"} 60\n"), "{text}");
        telemetry.issuers([("late", 0, None)]);
        assert!(!telemetry.render().unwrap().contains("age_seconds{issuer=\"late\"}"));
    }

    #[test]
    fn dropped_assertions_are_counted_by_their_total_and_never_backwards() {
        let telemetry = Telemetry::default();
        let told = |total| {
            telemetry.assertions_dropped("corp", total);
            let text = telemetry.render().unwrap();
            text.contains("bramka_assertions_dropped_total{issuer=\"corp\"} 3\n")
        };
        assert!(!told(2) && told(3) && told(3) && told(1));
    }
}
