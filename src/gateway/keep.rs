//! What goes on beside the requests: reloads, revocations, keys, heads, counters; and when to stop.

use std::{io, sync::Arc, thread, time::Duration};

use parking_lot::Mutex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};

use super::{
    Gate, alerting, checking,
    observe::Post,
    run::{self, Options, RunError},
    seen, shadowing, taking, wrapping,
};
use crate::{
    audit::{self, HeadFile, Journal, JournalError, Pace, Publish, SignedHead},
    clock,
    config::{Files, Follows as _, Outcome, PublishTarget, Report, Snapshot, Unloaded, Watch},
    door,
    store::{HeadRow, Store, StoreError},
    telemetry::Reason,
    words::{Diagnostic, Diagnostics, Place},
};

/// How soon a head that was not taken is sent again, at first.
const PUBLISH_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How soon an edit that the journal did not take is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// LIMIT: how long loading a bundle may take; a thousand statements take a second.
pub(super) const LOADING_MAX: Duration = Duration::from_secs(30);
/// Bundles that may be loaded at once: one is waited for, the others took too long.
pub(super) const LOADINGS_MAX: usize = 4;
/// How long a gate that stops still waits for a bundle that is being loaded.
const LOADING_MAX_AT_THE_END: Duration = Duration::from_secs(2);

/// Everything that runs beside the requests.
pub(super) struct Kept {
    tasks: Vec<JoinHandle<()>>,
    sockets: Held,
    /// Ends with it.
    _shadow: Option<shadowing::Running>,
}

/// The sockets kept for a successor; none once they are given away or not to be had any more.
type Held = Arc<Mutex<Option<door::Successor>>>;

impl Kept {
    /// Keeps the sockets for nobody any more: once the cores leave them too, connections are refused instead of
    /// waiting in a queue that nobody serves.
    pub(super) fn let_go(&self) {
        drop(self.sockets.lock().take());
    }

    /// Ends it.
    pub(super) fn end(self) {
        let Self { tasks, .. } = self;
        for task in tasks {
            task.abort();
        }
    }
}

/// Starts all of it.
pub(super) fn all(gate: &Arc<Gate>, options: &Arc<Options>, successor: door::Successor) -> Kept {
    let sockets: Held = Arc::new(Mutex::new(Some(successor)));
    hand_over(gate, options, sockets.clone());
    let spawn = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| tokio::spawn(task);
    let tasks = vec![
        spawn(Box::pin(watch(gate.clone(), options.clone()))),
        spawn(Box::pin(hangups(gate.clone(), options.clone(), signal(SignalKind::hangup())))),
        spawn(Box::pin(certificates(gate.clone()))),
        spawn(Box::pin(gate.tokens.clone().follow_always(clock::now, |error| {
            tracing::error!(%error, "revocations cannot be heard of");
        }))),
        spawn(Box::pin(tend(gate.clone()))),
        spawn(Box::pin(issuers(gate.clone()))),
        spawn(Box::pin(heads(gate.clone()))),
        spawn(Box::pin(wrapping::keep(gate.clone()))),
        spawn(Box::pin(seen::keep(gate.clone()))),
        spawn(Box::pin(checking::systems(gate.clone()))),
        spawn(Box::pin(publish(gate.clone(), options.clone()))),
        spawn(Box::pin(alerting::posting(gate.clone(), options.base.clone()))),
    ];
    Kept { tasks, sockets, _shadow: shadowing::start(gate, options) }
}

/// SIGTERM and SIGINT, heard from the moment this is made: before anybody is told that the gate is ready, or
/// one that comes at once would end the process where it stands.
#[derive(Debug)]
pub(super) struct Ears {
    term: Signal,
    int: Signal,
}

impl Ears {
    /// Begins to listen.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }
}

/// Waits for SIGTERM, SIGINT, or the hand-over to a successor.
pub(super) async fn until_told(gate: &Arc<Gate>, mut ears: Ears) -> Told {
    let told = tokio::select! {
        _ = ears.term.recv() => Told::Signal,
        _ = ears.int.recv() => Told::Signal,
        () = gate.handed_over.notified() => {
            tracing::info!("a successor took the sockets over");
            Told::HandedOver
        }
    };
    tracing::info!("draining");
    told
}

/// Why a gate stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was told to.
    Signal,
    /// Another process serves.
    HandedOver,
}

/// Gives the sockets to whoever asks for them, once; then the gate drains.
fn hand_over(gate: &Arc<Gate>, options: &Options, sockets: Held) {
    let place = options.data.join("handover.sock");
    let told: Arc<Notify> = gate.handed_over.clone();
    let started = thread::Builder::new().name("hand-over".into()).spawn(move || {
        let listener = match door::Successor::open(&place) {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!(%error, "sockets cannot be handed over"),
        };
        loop {
            let asked = door::Successor::asked(&listener);
            let held = sockets.lock();
            // Who asks a gate that stops binds sockets of its own.
            let Some(successor) = held.as_ref() else { return };
            match asked.and_then(|stream| successor.give(&stream)) {
                Ok(()) => break,
                Err(error) => tracing::warn!(%error, "a successor did not take the sockets"),
            }
        }
        told.notify_one();
    });
    if let Err(error) = started {
        tracing::warn!(%error, "sockets cannot be handed over");
    }
}

async fn watch(gate: Arc<Gate>, options: Arc<Options>) {
    let mut watch = Watch::new(&options.policies, gate.live.snapshot().content);
    loop {
        watch.changed().await;
        // An edit that finds no room is not forgotten: it may take somebody's access away.
        while let Err(error) = take_over(&gate, &options, Force::No).await {
            match error {
                ReloadError::Journal(_) | ReloadError::Store(_) | ReloadError::Unkept(_) => {
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                ReloadError::Broken => break,
            }
        }
    }
}

/// `hangup` is heard from before the gate is ready.
async fn hangups(gate: Arc<Gate>, options: Arc<Options>, hangup: io::Result<Signal>) {
    let Ok(mut hangup) = hangup else { return tracing::error!("SIGHUP is not heard") };
    while hangup.recv().await.is_some() {
        drop(reload(&gate, &options).await);
    }
}

/// Why nothing came of a reload; the old bundle serves on. It has been logged.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Loading broke inside.
    #[error("loading the policies broke inside the gate")]
    Broken,
    /// The journal did not take the entry of the new bundle, so it does not serve.
    #[error("the journal did not take the new policies")]
    Journal(#[source] JournalError),
    /// The store did not take their version, so they do not serve.
    #[error("the store did not take the version of the new policies")]
    Store(#[source] StoreError),
    /// Their files could not be kept, so they do not serve.
    #[error("the new policies could not be kept")]
    Unkept(#[source] io::Error),
}

/// Loads bundle and certificates again, the same ones too: secrets and certificates may have changed though no
/// file of the bundle did. It comes to its end whoever waits for it.
///
/// # Errors
/// Whatever kept it from having an outcome.
pub async fn reload(gate: &Arc<Gate>, options: &Arc<Options>) -> Result<Outcome, ReloadError> {
    take_over(gate, options, Force::Yes).await
}

/// Whether a bundle that did not change is loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Only a changed one.
    No,
    /// Also the same one, and the certificates.
    Yes,
}

/// A good bundle and what its listeners will go by.
struct Fresh {
    snapshot: Snapshot,
    files: Arc<Files>,
    access: taking::Access,
    terms: door::Prepared,
}

/// What loading came to: none where it is the bundle that serves.
type Loaded = Result<Option<Fresh>, Report>;

/// The one road on which a bundle comes into force, whether an edit, a signal or an operator asks for it.
async fn take_over(gate: &Arc<Gate>, options: &Arc<Options>, force: Force) -> Result<Outcome, ReloadError> {
    let (on, with) = (gate.clone(), options.clone());
    let taken = gate.act(async move {
        let _one_at_a_time = on.reloading.acquire().await.map_err(|_| ReloadError::Broken)?;
        let outcome = taken_over(&on, &with, force).await;
        count(&on, &outcome);
        if force == Force::Yes {
            look_at_certificates(&on).await;
        }
        outcome
    });
    taken.await.unwrap_or_else(|| {
        tracing::error!("taking over the policies panicked");
        Err(ReloadError::Broken)
    })
}

async fn taken_over(gate: &Arc<Gate>, options: &Arc<Options>, force: Force) -> Result<Outcome, ReloadError> {
    let loaded = unless_older(gate, loaded(gate, options, force).await?).await?;
    let gone = gone(gate, &loaded);
    if let Some(gone) = &gone {
        tracing::warn!(statements = %gone, "the new policies lack statements that close something");
    }
    // ORDER: the files, then the entry. Nothing is decided by a bundle that is not kept and written down.
    if let Ok(Some(fresh)) = &loaded {
        let kept = taking::keep(options, &fresh.files, fresh.snapshot.signed.as_ref(), clock::now()).await;
        kept.map_err(|error| {
            tracing::error!(%error, "the new policies could not be kept, the old ones serve on");
            ReloadError::Unkept(error)
        })?;
    }
    if let Err(error) = record(gate, &loaded, gone.as_deref()).await {
        tracing::error!(%error, "the journal did not take the new policies, the old ones serve on");
        return Err(ReloadError::Journal(error));
    }
    Ok(put_in_force(gate, loaded))
}

/// The same, unless it is a signed bundle older than one that served.
async fn unless_older(gate: &Gate, loaded: Loaded) -> Result<Loaded, ReloadError> {
    let Ok(Some(fresh)) = loaded else { return Ok(loaded) };
    match taking::rank(gate.tokens.store(), &fresh.snapshot, clock::now()).await {
        Ok(Ok(())) => Ok(Ok(Some(fresh))),
        Ok(Err(older)) => Ok(Err(older)),
        Err(error) => {
            tracing::error!(%error, "the store did not take the version of the new policies, the old ones serve on");
            Err(ReloadError::Store(error))
        }
    }
}

/// Loads the bundle. Nobody waits for it beyond its bound: edits that come later are looked at, and a gate that stops
/// comes to its end.
async fn loaded(gate: &Arc<Gate>, options: &Arc<Options>, force: Force) -> Result<Loaded, ReloadError> {
    let (on, with) = (gate.clone(), options.clone());
    let stop = async {
        gate.door.drained().await;
        tokio::time::sleep(LOADING_MAX_AT_THE_END).await;
    };
    match gate.loading.run(move || load(&on, &with, force), stop).await {
        Ok(loaded) => Ok(loaded),
        Err(late @ (Unloaded::Late(_) | Unloaded::Stopped)) => {
            let told = Diagnostic::error(&Place::file("access"), late.to_string())
                .help("what was edited last may be too much");
            Ok(Err(Report::without_files(told.into())))
        }
        Err(error @ (Unloaded::Busy | Unloaded::NoThread(_) | Unloaded::Panicked)) => {
            tracing::error!(cause = ?std::error::Error::source(&error), "{error}");
            Err(ReloadError::Broken)
        }
    }
}

/// The statements that close something in the bundle that serves and are not in the new one.
fn gone(gate: &Gate, loaded: &Loaded) -> Option<String> {
    let Ok(Some(fresh)) = loaded else { return None };
    let gone = fresh.snapshot.gone_since(&gate.live.snapshot());
    (!gone.is_empty()).then(|| gone.to_string())
}

/// Writes down what is about to come of a reload, and which statements that close something are gone by it.
/// What changes nothing is told where it can be.
async fn record(gate: &Gate, loaded: &Loaded, gone: Option<&str>) -> Result<(), JournalError> {
    let now = clock::now();
    match loaded {
        Ok(Some(fresh)) => {
            let what = (&fresh.snapshot, &fresh.access);
            taking::record(&gate.journal, "swapped", what, gone, now).await
        }
        Ok(None) => Ok(()),
        Err(_) => {
            let digest = gate.live.status().digest.to_string();
            let told = gate.journal.administrative("kept_old", "gate", &[("bundle", &digest)], now).await;
            if let Err(error) = told {
                tracing::error!(%error, "the journal did not take a reload");
            }
            Ok(())
        }
    }
}

/// Swaps, and lets everything that outlives a bundle follow. None of it can fail, wait or be cut.
fn put_in_force(gate: &Gate, loaded: Loaded) -> Outcome {
    let now = clock::now();
    match loaded {
        Ok(Some(Fresh { snapshot, terms, .. })) => {
            snapshot.inherit(&gate.live.snapshot());
            let outcome = gate.live.settle(Ok(Some((snapshot.digest, snapshot))), now);
            let snapshot = gate.live.snapshot();
            gate.issuers.adopt(&snapshot.sources);
            gate.identity.revocations().adopt(&snapshot.sources);
            gate.door.adopt(terms);
            tracing::info!(bundle = %snapshot.digest.short(), "new policies serve");
            outcome
        }
        Ok(None) => {
            let status = gate.live.status();
            if status.broken.is_some() {
                tracing::info!(bundle = %status.digest.short(), "the policies load again, as those that serve");
            }
            gate.live.settle(Ok(None), now)
        }
        Err(report) => {
            tracing::error!("the new policies do not load, the old ones serve on:\n{report}");
            gate.live.settle(Err(report), now)
        }
    }
}

fn count(gate: &Gate, outcome: &Result<Outcome, ReloadError>) {
    let (reason, failed) = match outcome {
        Ok(Outcome::Swapped(_)) => ("swapped", 0),
        Ok(Outcome::Unchanged) => ("unchanged", 0),
        Ok(Outcome::KeptOld(_)) => ("kept_old", 1),
        Err(ReloadError::Journal(_)) => ("journal", 1),
        Err(ReloadError::Store(_)) => ("store", 1),
        Err(ReloadError::Unkept(_)) => ("unkept", 1),
        Err(ReloadError::Broken) => ("broken", 1),
    };
    gate.telemetry.reloads.get_or_create(&Reason { reason }).inc();
    gate.telemetry.reload_failed.set(failed);
}

/// Reads everything that is to be taken over; nothing changes by it. Blocks.
fn load(gate: &Gate, options: &Options, force: Force) -> Loaded {
    let known = run::Known { registry: &gate.registry, pseudonyms: &gate.pseudonyms, ids: &*gate.crosswalk };
    let run::Loaded { snapshot, warnings, files } = match run::load(options, &known, Some(&gate.addresses)) {
        Ok(loaded) => loaded,
        Err(RunError::Bundle(report)) => return Err(report),
        Err(other) => {
            let told = Diagnostic::error(&Place::file("gateway.yaml"), other.to_string());
            return Err(Report::without_files(told.into()));
        }
    };
    let serving = gate.live.snapshot();
    let is_same = snapshot.digest == serving.digest && snapshot.signed == serving.signed;
    if is_same && force == Force::No {
        return Ok(None);
    }
    match gate.door.prepare(snapshot.doors.clone()) {
        Ok(terms) => {
            run::tell(&warnings);
            let access = taking::Access::between(&serving, &snapshot);
            Ok(Some(Fresh { snapshot, files, access, terms }))
        }
        Err(faults) => {
            let told = faults.iter().map(|fault| snapshot.settings.fault_of_door(fault, &options.base));
            Err(warnings.with(Diagnostics(told.collect())))
        }
    }
}

/// Certificates are taken over when their files change.
async fn certificates(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        look_at_certificates(&gate).await;
    }
}

/// Looks at the files beside the bundle: certificates of listeners, and keys of outside issuers.
async fn look_at_certificates(gate: &Arc<Gate>) {
    gate.issuers.look_at_files(&gate.live.snapshot().sources, clock::now()).await;
    let on = gate.clone();
    if tokio::task::spawn_blocking(move || told_certificates(&on)).await.is_err() {
        tracing::error!("looking at certificates panicked");
    }
}

fn told_certificates(gate: &Gate) {
    for (listener, outcome) in gate.door.reload_certificates() {
        match outcome {
            Ok(door::Reloaded::Swapped) => tracing::info!(%listener, "new certificates serve"),
            Ok(door::Reloaded::Unchanged) => {}
            Err(error) => tracing::error!(%listener, %error, "the certificates stay as they were"),
        }
    }
}

/// What is due every few seconds.
async fn tend(gate: Arc<Gate>) {
    let mut round: u32 = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = clock::now();
        if let Err(error) = gate.journal.tick(now) {
            tracing::error!(%error, "the journal did not take a count");
        }
        round = round.wrapping_add(1);
        if round.is_multiple_of(5) {
            gate.quota.sweep(now);
            let open: usize = gate.door.connections().map(|(_, count)| count).sum();
            gate.telemetry.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
            gate.telemetry.uncounted.set(i64::try_from(gate.quota.uncounted()).unwrap_or(i64::MAX));
            let snapshot = gate.live.snapshot();
            let issuers = gate.issuers.standing(&snapshot.sources, now);
            gate.telemetry.issuers(issuers.iter().map(|one| (&*one.issuer, one.keys, one.age)));
            for (issuer, dropped) in gate.identity.dropped() {
                gate.telemetry.assertions_dropped(&issuer, dropped);
            }
        }
    }
}

/// Keys of issuers are fetched before they are too old. An issuer may take long, so nothing else waits for it.
async fn issuers(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        gate.issuers.tend(&gate.live.snapshot().sources, clock::now()).await;
    }
}

/// The newest signed head of every lane is kept in the store too, apart from the journal's own folder.
async fn heads(gate: Arc<Gate>) {
    let mut kept: Vec<u64> = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (lane, head) in gate.journal.heads().into_iter().enumerate() {
            if kept.len() <= lane {
                kept.resize(lane + 1, 0);
            }
            let Some(size) = kept.get_mut(lane).filter(|size| **size < head.size) else { continue };
            *size = head.size;
            if let Err(error) = gate.tokens.store().save_head(row(&head), clock::now().wall).await {
                tracing::error!(%error, "a head of the journal is not in the store");
            }
        }
    }
}

/// Keeps the newest head of every lane of a journal that has ended.
///
/// # Errors
/// The store did not take one.
pub(crate) async fn keep_heads(journal: &Journal, store: &Store) -> Result<(), StoreError> {
    for head in journal.heads() {
        store.save_head(row(&head), clock::now().wall).await?;
    }
    Ok(())
}

/// Sends signed heads away from this machine, as the bundle of the start says.
async fn publish(gate: Arc<Gate>, options: Arc<Options>) {
    let Some((to, pace)) = publisher(&gate, &options) else { return };
    let heads = gate.journal.watch_heads();
    audit::publish(heads, &*to, pace, |head, error| {
        tracing::error!(lane = %head.origin, %error, "it is tried again");
    })
    .await;
}

/// Sends the last heads of a journal that has ended.
pub(super) async fn publish_last(gate: &Gate, options: &Options) {
    let Some((to, _)) = publisher(gate, options) else { return };
    if let Err(error) = audit::publish_once(&gate.journal.heads(), &*to).await {
        tracing::error!(%error, "the last heads stay on this machine");
    }
}

/// Who takes heads, and how often. None where the bundle names nobody.
fn publisher(gate: &Gate, options: &Options) -> Option<(Box<dyn Publish>, Pace)> {
    let wanted = gate.publishing.as_ref()?;
    let to: Box<dyn Publish> = match &wanted.target {
        PublishTarget::File(path) => Box::new(HeadFile::new(options.base.join(path))),
        PublishTarget::To(url) => Box::new(Post::new(url.clone())),
    };
    Some((to, Pace { every: wanted.every.0, retry: PUBLISH_AGAIN_AFTER }))
}

fn row(head: &SignedHead) -> HeadRow {
    HeadRow { lane: head.origin.as_str().into(), size: head.size, checkpoint: head.note().to_owned() }
}
