//! Asks for the records that other records name, as a gate has seen them lately: which are not there.
//!
//! Promises: it runs only when it is asked for; it reads one record at a time through the file of the system that serves
//! it, so many a second at most and so many in all; the journal says so before the first is asked for; and what it did
//! not look at is told. What a system answers otherwise than with a record or that there is none says nothing.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use tokio::time::{Instant, sleep_until};

use crate::{
    audit::{Fetch, Receipt},
    catalog::Action,
    cli::{
        error::{VerbError, chain},
        out,
        own::{Data, Record},
        serve,
    },
    clock,
    config::{self, EntitySource, Means, ProcessEnv, Snapshot},
    crosswalk::MadeUp,
    mapping::{FaultKind, SystemFault},
    schema::FieldSet,
    store::{Found, Store, Target},
    upstream::{self, CorePools},
    wire::Deadline,
    words::SecretBytes,
};

/// What was found out is kept whenever so many were asked for.
const KEPT_EVERY: usize = 25;
/// LIMIT: failures of a system in a row, after which it is asked for nothing more.
const FAILURES_MAX: u32 = 3;
/// LIMIT: reasons that are told of each system.
const REASONS_MAX: usize = 3;
/// How long one call may take, sign-in included.
const CALL_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct References {
    /// Ask for the records that others name, through the systems that serve them, and tell which are not there
    #[arg(long)]
    check_references: bool,
    /// Ask for this many records at most
    #[arg(long, value_name = "COUNT", default_value = "200", requires = "check_references",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    most: u32,
    /// Ask for this many a second at most
    #[arg(long, value_name = "COUNT", default_value = "5", requires = "check_references",
        value_parser = clap::value_parser!(u32).range(1..=50))]
    per_second: u32,
    /// The folder of the policies, whose systems are asked
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
}

/// What was looked at, and what was not.
#[derive(Debug, Default)]
struct Looked {
    /// By system: how many it has, and how many not.
    known: BTreeMap<String, (u64, u64)>,
    /// By system, or by entity where none serves it: how many were not found out, and why.
    unknown: BTreeMap<String, (u64, Vec<String>)>,
    settled: Vec<(Target, Found)>,
    /// Failures in a row.
    failures: BTreeMap<String, u32>,
}

/// What came of one.
enum Came {
    Is {
        of: String,
        found: Found,
    },
    /// Nobody can say; of which system, and why. It counts against the system where it failed.
    Unknown {
        of: String,
        why: String,
        is_failure: bool,
    },
}

impl References {
    pub(super) fn is_wanted(&self) -> bool {
        self.check_references
    }

    /// Asks, and puts into the store what was found out.
    pub(super) async fn check(
        &self,
        data: &Data,
        store: &Store,
        system: Option<&str>,
    ) -> Result<(), VerbError> {
        let (targets, all) = store.targets(system.map(str::to_owned), self.most).await?;
        if targets.is_empty() {
            out::note("no reference between records was seen yet, so none was asked for");
            return Ok(());
        }
        if !data.has_journal_keys() {
            let why = "the journal's keys are not here: no system is asked for what the journal cannot say";
            return Err(VerbError::NotThere(why.into()));
        }
        let snapshot = self.snapshot()?;
        let record = Record::open(data, &snapshot.settings.gate.value, clock::now())?;
        let looked = self.all(&record, &snapshot, store, &targets).await;
        record.close(store).await?;
        looked?.tell(all.saturating_sub(u64::try_from(targets.len()).unwrap_or(u64::MAX)));
        Ok(())
    }

    /// The bundle as the gate would have it, secrets included.
    fn snapshot(&self) -> Result<Snapshot, VerbError> {
        let raw = config::load(&self.policies, &ProcessEnv).map_err(VerbError::Bundle)?;
        let own = raw.addresses();
        let means = Means {
            registry: &upstream::Registry::default(),
            own: &own,
            // Nothing is shown under it.
            pseudonyms: &SecretBytes::new(vec![7; 32]),
            base: &serve::base(&self.policies),
            now: clock::now(),
            // Nobody is judged by it.
            ids: &MadeUp,
        };
        config::compile(raw, &means).map(|(snapshot, _)| snapshot).map_err(VerbError::Bundle)
    }

    async fn all(
        &self,
        record: &Record,
        snapshot: &Snapshot,
        store: &Store,
        targets: &[Target],
    ) -> Result<Looked, VerbError> {
        // ORDER: the entry before anything is asked for.
        let receipt = record.look(&format!("{} records that others name", targets.len())).await?;
        let pools = CorePools::new(16);
        let pace = Duration::from_secs(1) / self.per_second.max(1);
        let shown = io::stderr().is_terminal();
        let (mut looked, mut next) = (Looked::default(), Instant::now());
        for (at, target) in targets.iter().enumerate() {
            out::progress(shown, &format!("{at} of {} asked for", targets.len()));
            let came = one(snapshot, &pools, &receipt, target, &looked.failures, &mut next, pace).await;
            looked.note(target, came);
            if looked.settled.len() >= KEPT_EVERY {
                store.settle_targets(std::mem::take(&mut looked.settled), clock::now().wall).await?;
            }
        }
        out::progress(shown, "");
        store.settle_targets(std::mem::take(&mut looked.settled), clock::now().wall).await?;
        Ok(looked)
    }
}

/// Asks the systems that serve it for one record, until one has it.
async fn one(
    snapshot: &Snapshot,
    pools: &CorePools,
    receipt: &Receipt<Fetch>,
    target: &Target,
    failures: &BTreeMap<String, u32>,
    next: &mut Instant,
    pace: Duration,
) -> Came {
    let unserved = |why: String| Came::Unknown { of: target.entity.clone(), why, is_failure: false };
    let Some(entity) = snapshot.schema.entity(&target.entity) else {
        return unserved("it is not in the schema any more".to_owned());
    };
    let Some(sources) = snapshot.serving(entity) else {
        return unserved("no system serves it".to_owned());
    };
    let mut came = unserved("no system serves it".to_owned());
    for source in sources.all() {
        came = asked(source, (pools, receipt), target, failures, next, pace).await;
        // It has the record, or nobody can say.
        if !matches!(came, Came::Is { found: Found::Missing, .. }) {
            break;
        }
    }
    came
}

/// Asks one system for it.
async fn asked(
    source: &EntitySource,
    (pools, receipt): (&CorePools, &Receipt<Fetch>),
    target: &Target,
    failures: &BTreeMap<String, u32>,
    next: &mut Instant,
    pace: Duration,
) -> Came {
    let mapping = &source.mapping;
    let unknown = |why: String, is_failure| Came::Unknown { of: source.name().to_string(), why, is_failure };
    if !mapping.can(Action::Read) {
        return unknown(format!("its file says of {} not how one is read", target.entity), false);
    }
    if failures.get(source.name().as_str()).is_some_and(|count| *count >= FAILURES_MAX) {
        return unknown(format!("it was left alone after {FAILURES_MAX} failures in a row"), false);
    }
    // No record can have such an id.
    let is = |found| Came::Is { of: source.name().to_string(), found };
    let Some(request) = mapping.read(&target.id, &FieldSet::ID) else { return is(Found::Missing) };
    sleep_until(*next).await;
    *next = Instant::now() + pace;
    let deadline = Deadline::after(clock::now(), CALL_MAX);
    let answer = match source.upstream.fetch(pools, receipt, request, deadline).await {
        Ok(answer) => answer,
        Err(error) => return unknown(chain(&error), true),
    };
    match mapping.inward_of(&target.id, &answer, &FieldSet::ID) {
        Ok(_) => is(Found::There),
        Err(SystemFault { kind: FaultKind::NotFound, .. }) => is(Found::Missing),
        Err(fault) => unknown(fault.kind.to_string(), true),
    }
}

impl Looked {
    fn note(&mut self, target: &Target, came: Came) {
        match came {
            Came::Is { of, found } => {
                self.failures.remove(&of);
                let (there, missing) = self.known.entry(of).or_default();
                *(match found {
                    Found::There => there,
                    Found::Missing => missing,
                }) += 1;
                self.settled.push((target.clone(), found));
            }
            Came::Unknown { of, why, is_failure } => {
                if is_failure {
                    *self.failures.entry(of.clone()).or_insert(0) += 1;
                }
                let (count, reasons) = self.unknown.entry(of).or_default();
                *count += 1;
                if !reasons.contains(&why) && reasons.len() < REASONS_MAX {
                    reasons.push(why);
                }
            }
        }
    }

    /// What was found out, and what was not.
    fn tell(&self, beyond: u64) {
        for (system, (there, missing)) in &self.known {
            out::note(&format!(
                "{system} was asked for {}: {there} are there, {missing} are not",
                there + missing
            ));
            if *there == 0 && *missing > 1 {
                out::note(&format!("  none of them: do those who name them mean the keys of {system}?"));
            }
        }
        for (of, (count, reasons)) in &self.unknown {
            out::note(&format!("of {count} it is not known: {of}: {}", reasons.join("; ")));
        }
        if beyond > 0 {
            out::note(&format!("{beyond} more were not asked for; ask for more with `--most`, or again"));
        }
    }
}
