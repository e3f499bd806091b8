//! A process from its first line to its last: everything opened in the order of trust, then served, then
//! drained. Start-up is the first load of the bundle; what cannot be opened safely stops it.

use std::{
    fmt, fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use aws_lc_rs::rand;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    Addresses, Core, Gate,
    alerting::Alerts,
    feeding,
    gate::AtTheDoor,
    keep::{self, Told},
    lagging::Written,
    observe::{KeyFetch, Observe, quota_kept},
    retaining, seen,
    taking::{self, Access},
};
use crate::{
    answer::TagKey,
    audit::{Durability, Encryption, Journal, JournalError, JournalKeys, JournalOptions, Role},
    catalog::CursorKey,
    clock,
    config::{self, Env, Files, Live, Loads, Means, Report, Snapshot, Trust},
    crosswalk::{Crosswalk, ElementIds, Naming},
    door::{self, Bound, Door, Drained, SocketError, Sockets},
    idempotency::Idempotency,
    identity::{self, Identity},
    keys::Issuers,
    quality::Gathering,
    quota::{KeysMax, Quota},
    sinks::Sinks,
    store::{Store, StoreError, private_folder},
    telemetry::Telemetry,
    tokens::{TokenError, Tokens},
    upstream,
    words::{Digest, RequestId, SecretBytes, SystemName, yaml::FromYaml},
};

/// How long a successor waits for the admin address of the gate before it.
const ADMIN_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the start waits for keys of issuers; what is not there by then is fetched while callers are served.
const ISSUERS_WAIT_MAX: Duration = Duration::from_secs(3);
/// LIMIT: pairs of ids and keys that are remembered, twice as many at most; some 300 bytes each.
const IDS_REMEMBERED_MAX: usize = 65_536;

/// How a gate is run.
pub struct Options {
    /// The folder of the bundle.
    pub policies: PathBuf,
    /// The folder of keys, store and journal.
    pub data: PathBuf,
    /// What paths inside the bundle are relative to.
    pub base: PathBuf,
    /// Another address for the first listener.
    pub listen: Option<SocketAddr>,
    /// Another address for the admin listener.
    pub admin: Option<SocketAddr>,
    /// Other addresses for systems: the demo's stand-ins. Loopback is allowed for them.
    pub redirects: Vec<(SystemName, String)>,
    /// Where secrets come from.
    pub env: Arc<dyn Env + Send + Sync>,
    /// Whose signatures the bundle needs; none where nobody has to sign it.
    pub trust: Option<Trust>,
    /// How many cores serve.
    pub cores: usize,
}

/// A started gate, told once.
#[derive(Debug)]
pub struct Ready {
    /// Where it listens.
    pub addresses: Addresses,
    /// The gate.
    pub gate: Arc<Gate>,
}

/// Serves the admin listener until the gate stops.
pub type AdminServer = fn(Arc<Gate>, Arc<Options>, StdListener) -> BoxFuture<'static, ()>;

/// Why a gate did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bundle does not load.
    #[error("the policies do not load")]
    Bundle(Report),
    /// The store cannot be opened.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The signing keys cannot be used.
    #[error("the signing keys")]
    Tokens(#[from] TokenError),
    /// The journal cannot be opened.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The bundle cannot be kept.
    #[error("the bundle could not be kept, so it does not serve")]
    Unkept(#[source] io::Error),
    /// An address cannot be bound.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A file of the gate's own cannot be used.
    #[error("cannot use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread, runtime or socket could not be had.
    #[error("the system refused")]
    System(#[from] io::Error),
    /// The crypto library refused.
    #[error("the cryptographic library refused")]
    Crypto,
}

/// Runs a gate until it is told to stop (SIGTERM, SIGINT) or hands over to a successor. Blocks.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(
    options: &Arc<Options>,
    admin: AdminServer,
    ready: impl AsyncFnOnce(&Ready),
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = open(options).await?;
        let Opened { gate, cores, admin_socket, addresses, successor } = opened;
        let threads = start(&gate, cores)?;
        let mut admin = tokio::spawn(admin(gate.clone(), options.clone(), admin_socket));
        let kept = keep::all(&gate, options, successor);
        let feeding = feeding::start(&gate, options);
        let retaining = retaining::start(&gate, options);
        let ears = keep::Ears::open()?;
        ready(&Ready { addresses, gate: gate.clone() }).await;
        match keep::until_told(&gate, ears).await {
            // The successor answers operators too, on the same address.
            Told::HandedOver => admin.abort(),
            Told::Signal => kept.let_go(),
        }
        gate.door.drain();
        join(threads).await;
        retaining.end().await;
        kept.end();
        admin.abort();
        drop((&mut admin).await);
        gate.acts.close();
        gate.acts.wait().await;
        gate.quota.settle().await;
        if let Err(error) = seen::hand_over(&gate.quality, gate.tokens.store()).await {
            tracing::warn!(%error, "the last of what was seen of the systems' records is not in the store");
        }
        gate.journal.close(clock::now()).await?;
        keep::keep_heads(&gate.journal, gate.tokens.store()).await?;
        keep::publish_last(&gate, options).await;
        feeding.finish().await;
        Ok(())
    })
}

/// What start-up opened.
struct Opened {
    gate: Arc<Gate>,
    cores: Vec<door::Core>,
    admin_socket: StdListener,
    addresses: Addresses,
    successor: door::Successor,
}

/// Opens everything, in the order of trust: keys, bundle, store, journal, sockets.
async fn open(options: &Options) -> Result<Opened, RunError> {
    let now = clock::now();
    let inherited = Sockets::inherit()?;
    private_folder(&options.data)?;
    let keys = options.data.join("keys");
    private_folder(&keys)?;
    let secret = gate_secret(&keys.join("gate.key"))?;
    let pseudonyms = SecretBytes::new(Digest::of_parts(&[b"bramka pseudonym", secret.expose()]).0.to_vec());
    let registry = upstream::Registry::default();
    // ORDER: before the bundle, which may name records that have their ids here.
    let store = Store::open(&options.data.join("bramka.db"))?;
    let crosswalk = Arc::new(Crosswalk::new(store.clone(), IDS_REMEMBERED_MAX));
    let known = Known { registry: &registry, pseudonyms: &pseudonyms, ids: &*crosswalk };
    let Loaded { snapshot, warnings, files } = load(options, &known, None)?;
    tell(&warnings);
    let access = Access::since(options, &known, &snapshot, now);
    let settings = snapshot.settings.clone();
    let door = Arc::new(open_door(&snapshot, warnings, &options.base)?);
    let identity = Identity::new(remembered_max(&settings));
    let tokens = Tokens::open(store.clone(), &keys, identity.revocations().clone(), now).await?;
    identity.revocations().adopt(&snapshot.sources);
    let issuers = Issuers::new(Arc::new(KeyFetch::new()), identity.revocations().clone());
    if tokio::time::timeout(ISSUERS_WAIT_MAX, issuers.tend(&snapshot.sources, now)).await.is_err() {
        tracing::warn!("not every issuer has told its keys yet");
    }
    let kept = store.heads().await?.into_iter().map(|head| head.checkpoint).collect();
    let journal = journal(options, &settings, &keys, kept)?;
    stand_behind(&store, &journal, options, (&snapshot, &files, &access)).await?;
    tell_unknown(&journal);
    // What was taken back while all this was opened is heard of before anybody is let in.
    tokens.follow(clock::now()).await?;
    let cursors = CursorKey::new(&secret).map_err(|_| RunError::Crypto)?;
    let idempotency = Idempotency::new(&secret, store.clone()).map_err(|_| RunError::Crypto)?;
    // ORDER: last, because a gate that has given its sockets away stops. Whatever keeps this one from serving
    // has been found out by now, and nobody has waited for it in a queue.
    let Taken { bound, admin_socket, addresses, successor, has_predecessor } =
        take(inherited, options, &door, settings.admin.at.value).await?;
    if !has_predecessor {
        abandon(&idempotency).await;
    }
    let gate = Arc::new(Gate {
        live: Live::new(snapshot.digest, snapshot, now),
        identity,
        tokens: Arc::new(tokens),
        issuers: Arc::new(issuers),
        quota: Quota::new(quota_kept(&store, &secret), keys_max(&settings.bounds.value), now),
        journal,
        alerts: Alerts::default(),
        sinks: Sinks::default(),
        telemetry: Telemetry::default(),
        quality: Gathering::default(),
        registry,
        door: door.clone(),
        addresses: addresses.clone(),
        cursors,
        tags: TagKey::new(&secret),
        idempotency,
        crosswalk,
        elements: ElementIds::new(&secret),
        pseudonyms,
        publishing: settings.audit.publish.clone(),
        locks: Arc::default(),
        written: Written::default(),
        shadow: Default::default(),
        handed_over: Arc::default(),
        reloading: Semaphore::new(1),
        loading: Loads::new(keep::LOADINGS_MAX, keep::LOADING_MAX),
        acts: TaskTracker::new(),
    });
    Ok(Opened { gate, cores: door.cores(bound), admin_socket, addresses, successor })
}

/// A predecessor still ends the writes that it began. Without one nobody knows what became of those that run.
async fn abandon(idempotency: &Idempotency) {
    if let Err(error) = idempotency.abandon().await {
        tracing::warn!(%error, "writes that were cut off are told as running until their time is over");
    }
}

/// Says which writes of an earlier run nobody knows the outcome of.
fn tell_unknown(journal: &Journal) {
    for unknown in journal.unknown_outcomes() {
        tracing::warn!(?unknown, "an earlier run wrote down an intent and no outcome");
    }
}

/// Credentials that are remembered.
fn remembered_max(settings: &config::GatewaySettings) -> usize {
    let read = identity::Settings::read(&settings.identity, &mut Default::default());
    read.map_or(65_536, |read| usize::try_from(read.remembered_max).unwrap_or(65_536))
}

fn keys_max(bounds: &config::Bounds) -> KeysMax {
    KeysMax {
        addresses: usize::try_from(bounds.counted_addresses_max).unwrap_or(usize::MAX),
        principals: usize::try_from(bounds.counted_principals_max).unwrap_or(usize::MAX),
    }
}

/// Reads the files of the listeners. What is wrong with them is told at its place in the bundle.
fn open_door(snapshot: &Snapshot, warnings: Report, base: &Path) -> Result<Door, RunError> {
    Door::open(snapshot.doors.clone(), base).map_err(|fault| {
        RunError::Bundle(warnings.with(snapshot.settings.fault_of_door(&fault, base).into()))
    })
}

/// Every socket of a gate.
struct Taken {
    bound: Bound,
    admin_socket: StdListener,
    addresses: Addresses,
    successor: door::Successor,
    /// Whether another gate gave them.
    has_predecessor: bool,
}

/// Takes the sockets that were passed, those of a predecessor, or fresh ones.
async fn take(
    inherited: Sockets,
    options: &Options,
    door: &Door,
    admin: SocketAddr,
) -> Result<Taken, RunError> {
    // An address that cannot be had at all is found out before anybody gives up theirs.
    let admin_socket = admin_socket(admin)?;
    let sockets = match inherited.is_empty() {
        true => Sockets::take_over(&options.data.join("handover.sock"))?,
        false => inherited,
    };
    let has_predecessor = !sockets.is_empty();
    let bound = sockets.bind(&door.addresses(), options.cores)?;
    let successor = bound.for_successor()?;
    let admin_socket = match admin_socket {
        Some(socket) => socket,
        None if has_predecessor => left_admin_socket(admin).await?,
        None => return Err(in_use(admin).into()),
    };
    let addresses = Addresses { data: bound.addresses.clone(), admin: admin_socket.local_addr()? };
    Ok(Taken { bound, admin_socket, addresses, successor, has_predecessor })
}

/// What outlives every bundle and each of them is compiled with.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// Live state of systems.
    pub(super) registry: &'a upstream::Registry,
    /// The key of pseudonyms.
    pub(super) pseudonyms: &'a SecretBytes,
    /// The ids of records.
    pub(super) ids: &'a dyn Naming,
}

/// A bundle that was loaded.
pub(super) struct Loaded {
    /// As it will serve.
    pub(super) snapshot: Snapshot,
    /// What a person should look at.
    pub(super) warnings: Report,
    /// The files it was made of.
    pub(super) files: Arc<Files>,
}

/// Reads and compiles the bundle, as the options want it. `own` is where a running gate listens; one that starts
/// goes by what the bundle says.
pub(super) fn load(
    options: &Options,
    known: &Known<'_>,
    own: Option<&Addresses>,
) -> Result<Loaded, RunError> {
    let now = clock::now();
    let raw = match &options.trust {
        Some(trust) => config::load_signed(&options.policies, &*options.env, trust, now.wall),
        None => config::load(&options.policies, &*options.env),
    };
    let mut raw = raw.map_err(RunError::Bundle)?;
    let files = raw.files.clone();
    raw.move_listener(options.listen, options.admin);
    for (system, base) in &options.redirects {
        raw.redirect(system.as_str(), base);
    }
    let own = own.map_or_else(|| raw.addresses(), Addresses::all);
    let Known { registry, pseudonyms, ids } = *known;
    let means = Means { registry, own: &own, pseudonyms, base: &options.base, now, ids };
    let (snapshot, warnings) = config::compile(raw, &means).map_err(RunError::Bundle)?;
    Ok(Loaded { snapshot, warnings, files })
}

/// What the first bundle passes, as every later one does: its version, its place among those that are kept, its entry.
async fn stand_behind(
    store: &Store,
    journal: &Journal,
    options: &Options,
    (snapshot, files, access): (&Snapshot, &Arc<Files>, &Access),
) -> Result<(), RunError> {
    let now = clock::now();
    taking::rank(store, snapshot, now).await?.map_err(RunError::Bundle)?;
    taking::keep(options, files, snapshot.signed.as_ref(), now).await.map_err(RunError::Unkept)?;
    Ok(taking::record(journal, "serving", (snapshot, access), None, now).await?)
}

/// Warnings of a bundle that serves.
pub(super) fn tell(report: &Report) {
    for warning in &report.found().0 {
        tracing::warn!("{warning}");
    }
}

/// The gate's journal; `kept_heads` are those the store has seen.
fn journal(
    options: &Options,
    settings: &config::GatewaySettings,
    keys: &Path,
    kept_heads: Vec<String>,
) -> Result<Journal, RunError> {
    let mut boot = [0; 16];
    rand::fill(&mut boot).map_err(|_| RunError::Crypto)?;
    let gate = settings.gate.value.as_str();
    let mut wanted = JournalOptions::new(options.data.join("audit"), gate, RequestId(boot));
    wanted.lanes = options.cores;
    wanted.role = Role::Gate;
    wanted.kept_heads = kept_heads;
    wanted.strangers_per_minute = settings.audit.strangers_per_minute;
    wanted.segment_bytes_max = settings.audit.segment_bytes_max.0;
    if let Some(age) = settings.audit.retention.as_ref().and_then(|retention| retention.rule().age) {
        // What is old enough to go waits for its segment to end, for so long at most.
        wanted.segment_age_max = wanted.segment_age_max.min(age / 8);
    }
    wanted.receipts = settings.audit.receipts;
    wanted.encryption = encryption(settings.audit.encryption.as_ref(), &options.base)?;
    wanted.sensitive_reads =
        if settings.audit.synced_reads { Durability::Synced } else { Durability::Written };
    let keys = Arc::new(JournalKeys::open(&keys.join("journal"))?);
    Ok(Journal::open(wanted, keys, clock::now())?)
}

/// How segments are to stand. Other processes go by the file's path too, wherever they run.
fn encryption(settings: Option<&config::EncryptionSettings>, base: &Path) -> Result<Encryption, RunError> {
    Ok(match settings {
        None => Encryption::Off,
        Some(config::EncryptionSettings::Rotate(after)) => Encryption::Own(Some(after.0)),
        Some(config::EncryptionSettings::KeyFile(path)) => {
            let path = base.join(path);
            let failed = |source| RunError::File { path: path.clone(), source };
            Encryption::File(std::path::absolute(&path).map_err(failed)?)
        }
    })
}

/// The gate's own secret, made on the first start; readable by its owner only.
fn gate_secret(path: &Path) -> Result<SecretBytes, RunError> {
    let failed = |source| RunError::File { path: path.to_owned(), source };
    if !path.exists() {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| RunError::Crypto)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    crate::store::check_rights(path, "600")?;
    let bytes = fs::read(path).map_err(failed)?;
    if bytes.len() < 32 {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is shorter than 32 bytes")));
    }
    Ok(SecretBytes::new(bytes))
}

/// The admin listener's socket; none while somebody else has the address.
fn admin_socket(at: SocketAddr) -> Result<Option<StdListener>, SocketError> {
    let bound = StdListener::bind(at).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(SocketError::Bind(at, error)),
    }
}

fn in_use(at: SocketAddr) -> SocketError {
    SocketError::Bind(at, io::ErrorKind::AddrInUse.into())
}

/// The same of a predecessor. It is not handed over: a predecessor leaves it once the others are, and only then
/// is it waited for.
async fn left_admin_socket(at: SocketAddr) -> Result<StdListener, SocketError> {
    let until = clock::mono() + ADMIN_WAIT_MAX;
    loop {
        match admin_socket(at)? {
            Some(socket) => return Ok(socket),
            None if clock::mono() < until => tokio::time::sleep(Duration::from_millis(20)).await,
            None => return Err(in_use(at)),
        }
    }
}

type Threads = Vec<JoinHandle<io::Result<Drained>>>;

/// Starts a thread for each core.
fn start(gate: &Arc<Gate>, cores: Vec<door::Core>) -> Result<Threads, RunError> {
    let gate = gate.clone();
    Ok(door::on_threads(cores, move |door| {
        let gate = gate.clone();
        async move {
            let core = Core::new(gate, door.number());
            let observe = Arc::new(Observe::new(core.clone()));
            let sweeping = tokio::spawn(sweep(core.clone()));
            let parting = tokio::spawn(part(core.clone()));
            let drained = door.serve(AtTheDoor(core.clone()), observe, || grace(&core.gate)).await;
            if matches!(drained, Ok(Drained::Cut(_))) {
                core.parting.cancel();
            }
            core.tasks.close();
            // A write that was begun is ended, whoever still waits for it; joined streams end with the grace.
            core.tasks.wait().await;
            sweeping.abort();
            parting.abort();
            drained
        }
    })?)
}

/// As the bundle in force says: it is read when the drain begins.
fn grace(gate: &Gate) -> Duration {
    gate.live.current().settings.bounds.value.drain_grace.0
}

/// Ends joined streams when the grace of a closing gate is over: they are no connections of the door any more.
async fn part(core: Arc<Core>) {
    core.gate.door.drained().await;
    tokio::time::sleep(grace(&core.gate)).await;
    core.parting.cancel();
}

/// Drops connections to systems that are too old or closed.
async fn sweep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        core.pools.sweep(clock::now());
    }
}

async fn join(threads: Threads) {
    let waiting = tokio::task::spawn_blocking(move || {
        for thread in threads {
            match thread.join() {
                Ok(Ok(Drained::Clean)) => {}
                Ok(Ok(Drained::Cut(count))) => tracing::warn!(count, "connections were cut at the end"),
                Ok(Err(error)) => tracing::error!(%error, "a core ended early"),
                Err(_) => tracing::error!("a core panicked"),
            }
        }
    });
    drop(waiting.await);
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("policies", &self.policies)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}
