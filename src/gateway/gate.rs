//! What lives as long as the process, and what each core has of its own.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::rand;
use foldhash::fast::RandomState;
use http::{Request, Response};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{alerting::Alerts, known::Connections, lagging::Written, locks::Locks, shadowing::Shadowed};
use crate::{
    answer::TagKey,
    audit::{Journal, Lane},
    body::Body,
    catalog::CursorKey,
    config::{Live, Loads, Publishing, Snapshot},
    crosswalk::{Crosswalk, ElementIds},
    door::{Door, Handler},
    idempotency::Idempotency,
    identity::Identity,
    keys::Issuers,
    mapping::{Mapping, NativeAnswer},
    policy::Memo,
    quality::Gathering,
    quota::Quota,
    schema::FieldSet,
    sinks::Sinks,
    telemetry::{EntityLabel, SystemLabel, Telemetry},
    tokens::Tokens,
    upstream::{self, CorePools},
    words::{Channel, EntityName, RequestId, SecretBytes, SystemName},
};

/// One in so many decisions is repeated on the full set of statements.
const RECHECK_EVERY: u32 = 1024;

/// The gate: shared by all cores.
#[derive(Debug)]
pub struct Gate {
    /// The bundle in force.
    pub live: Live<Snapshot>,
    /// Remembered credentials and revocations.
    pub identity: Identity,
    /// Our own tokens.
    pub tokens: Arc<Tokens>,
    /// Keys of outside issuers.
    pub issuers: Arc<Issuers>,
    /// What was used of every plan.
    pub quota: Quota,
    /// The journal.
    pub journal: Journal,
    /// What somebody has to know of, until it is posted.
    pub alerts: Alerts,
    /// Where entries of the journal are sent.
    pub sinks: Sinks,
    /// Metrics.
    pub telemetry: Telemetry,
    /// What of the systems' records does not fit, until the store has it.
    pub quality: Gathering,
    /// Systems that are alive.
    pub registry: upstream::Registry,
    /// The listeners.
    pub door: Arc<Door>,
    /// Where it listens.
    pub addresses: Addresses,
    /// Cursors are sealed under it.
    pub cursors: CursorKey,
    /// Entity tags are made with it.
    pub tags: TagKey,
    /// Writes that are kept for their repeats.
    pub idempotency: Idempotency,
    /// Ids of records as callers see them.
    pub crosswalk: Arc<Crosswalk>,
    /// Ids of elements of their lists.
    pub elements: ElementIds,
    /// Pseudonyms are made with it.
    pub pseudonyms: SecretBytes,
    /// Where signed heads are sent; a reload changes nothing of the journal.
    pub(super) publishing: Option<Publishing>,
    /// Records that are being written whole.
    pub(super) locks: Arc<Locks>,
    /// When entities of systems were last written.
    pub(super) written: Written,
    /// What a shadow bundle goes by beside the one in force; none where none is tried.
    pub(super) shadow: ArcSwapOption<Shadowed>,
    /// Told when a successor has the sockets.
    pub handed_over: Arc<Notify>,
    /// LIMIT: one reload at a time, from the reading of its files to the last thing that follows its swap.
    pub(super) reloading: Semaphore,
    /// LIMIT: bundles that are being loaded, those for which nobody waits any more among them.
    pub(super) loading: Loads,
    /// Acts that are under way; a stopping gate waits for them.
    pub(super) acts: TaskTracker,
}

impl Gate {
    /// Does an act to its end, whoever still waits for it: half of one must not stand in the journal as the
    /// whole. None where it panicked.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        act: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.acts.spawn(act).await.ok()
    }
}

/// Where the gate listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The data listeners, in file order.
    pub data: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Addresses {
    /// All of them: no system may lead there.
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        self.data.iter().copied().chain([self.admin]).collect()
    }
}

/// What a core has of its own.
#[derive(Debug)]
pub struct Core {
    /// The whole.
    pub gate: Arc<Gate>,
    /// Its lane of the journal.
    pub lane: Arc<Lane>,
    /// Its connections to systems.
    pub pools: CorePools,
    /// Its specialised statements.
    pub memo: Memo,
    /// Writes and streams that outlive their caller; a stopping core waits for them.
    pub tasks: TaskTracker,
    /// Ends joined streams: the grace of a closing gate is over.
    pub parting: CancellationToken,
    ids: Mutex<Randomness>,
    /// LIMIT: what is long leaves the core one at a time.
    aside: Semaphore,
    /// LIMIT: systems that bundles ever named.
    calls: Mutex<HashMap<SystemName, Counter, RandomState>>,
    /// LIMIT: entities of systems that bundles ever named.
    looked: Mutex<Vec<(SystemName, EntityName, Counter)>>,
    decisions: AtomicU32,
    /// What is known of its connections.
    pub(super) connections: Connections,
}

impl Core {
    /// A core over its lane.
    pub fn new(gate: Arc<Gate>, number: usize) -> Arc<Self> {
        Arc::new(Self {
            lane: gate.journal.lane(number),
            gate,
            pools: CorePools::new(4096),
            memo: Memo::new(16_384),
            tasks: TaskTracker::new(),
            parting: CancellationToken::new(),
            ids: Mutex::new(Randomness::default()),
            aside: Semaphore::new(1),
            calls: Mutex::default(),
            looked: Mutex::default(),
            decisions: AtomicU32::new(0),
            connections: Connections::default(),
        })
    }

    /// A fresh id of an exchange.
    pub fn request_id(&self) -> RequestId {
        RequestId(self.ids.lock().next())
    }

    /// Counts a call to a system.
    pub(super) fn called(&self, system: &SystemName) {
        let mut calls = self.calls.lock();
        if let Some(counter) = calls.get(system) {
            counter.inc();
            return;
        }
        let label = SystemLabel { system: system.as_str().to_owned() };
        let counter = self.gate.telemetry.system_calls.get_or_create_owned(&label);
        counter.inc();
        calls.insert(system.clone(), counter);
    }

    /// Counts records of a system that were looked at.
    pub(super) fn looked_at(&self, system: &SystemName, entity: &EntityName, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        let mut looked = self.looked.lock();
        let known = looked.iter().find(|(known, of, _)| known == system && of == entity);
        if let Some((.., counter)) = known {
            counter.inc_by(records);
            return;
        }
        let label = EntityLabel { system: system.as_str().to_owned(), entity: entity.as_str().to_owned() };
        let counter = self.gate.telemetry.records.get_or_create_owned(&label);
        counter.inc_by(records);
        looked.push((system.clone(), entity.clone(), counter));
    }

    /// Does what would hold up everybody else on this core on a thread beside it. None where it panicked.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _one_at_a_time = self.aside.acquire().await.ok()?;
        spawn_blocking(work).await.ok()
    }

    /// What an answer reads as, some more of it known; beside the core where its filters may take long. None where that
    /// panicked.
    pub(super) async fn inward<C: Clone + Send + 'static, T: Send + 'static>(
        &self,
        mapping: &Arc<Mapping>,
        known: &C,
        (answer, wanted): (&NativeAnswer, &FieldSet),
        read: fn(&Mapping, &C, &NativeAnswer, &FieldSet) -> T,
    ) -> Option<T> {
        if !mapping.takes_long(answer, wanted) {
            return Some(read(mapping, known, answer, wanted));
        }
        let (mapping, known, answer, wanted) = (mapping.clone(), known.clone(), answer.clone(), *wanted);
        self.aside(move || read(&mapping, &known, &answer, &wanted)).await
    }

    /// Whether this decision is one of the sample that is repeated on the full set.
    pub fn is_sampled(&self) -> bool {
        self.decisions.fetch_add(1, Ordering::Relaxed).is_multiple_of(RECHECK_EVERY)
    }
}

/// Random bytes, drawn many at a time.
#[derive(Debug)]
struct Randomness {
    bytes: Box<[u8; 1024]>,
    left: usize,
}

impl Default for Randomness {
    fn default() -> Self {
        Self { bytes: Box::new([0; 1024]), left: 0 }
    }
}

impl Randomness {
    fn next(&mut self) -> [u8; 16] {
        let (ids, _) = self.bytes.as_chunks::<16>();
        if let Some(id) = self.left.checked_sub(1).and_then(|at| ids.get(at)) {
            self.left -= 1;
            return *id;
        }
        // A library without randomness cannot have started TLS either; ids of zeros are only unhelpful.
        if rand::fill(&mut self.bytes[..]).is_err() {
            self.bytes.fill(0);
        }
        let (ids, _) = self.bytes.as_chunks::<16>();
        self.left = ids.len() - 1;
        ids.last().copied().unwrap_or_default()
    }
}

/// A core as the door's handler.
#[derive(Clone, Debug)]
pub(super) struct AtTheDoor(pub(super) Arc<Core>);

impl Handler for AtTheDoor {
    fn handle(
        &self,
        request: Request<Body>,
        channel: Arc<Channel>,
    ) -> impl Future<Output = Response<Body>> + Send {
        super::serve(self.0.clone(), Box::new(request), channel)
    }
}
