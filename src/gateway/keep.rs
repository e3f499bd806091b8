//! What goes on beside the requests: reloads, revocations, keys, heads, counters; and when to stop.

use std::{io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};

use super::{
    Gate,
    run::{self, Options, RunError},
};
use crate::{
    audit::{Journal, SignedHead},
    clock,
    config::{Outcome, Watch},
    door,
    store::{HeadRow, Store, StoreError},
    telemetry::Reason,
};

/// Everything that runs beside the requests.
pub(super) struct Kept {
    tasks: Vec<JoinHandle<()>>,
    sockets: Held,
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
        for task in self.tasks {
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
        spawn(Box::pin(heads(gate.clone()))),
    ];
    Kept { tasks, sockets }
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
    let started = std::thread::Builder::new().name("hand-over".into()).spawn(move || {
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
    let mut watch = Watch::new(&options.policies, gate.live.status().digest);
    loop {
        watch.changed().await;
        take_over(&gate, &options, Force::No).await;
    }
}

/// `hangup` is heard from before the gate is ready.
async fn hangups(gate: Arc<Gate>, options: Arc<Options>, hangup: io::Result<Signal>) {
    let Ok(mut hangup) = hangup else { return tracing::error!("SIGHUP is not heard") };
    while hangup.recv().await.is_some() {
        drop(reload(&gate, &options).await);
    }
}

/// Loads bundle and certificates again, the same ones too: secrets and certificates may have changed though no
/// file of the bundle did. None where loading broke inside; the old bundle serves on.
pub async fn reload(gate: &Arc<Gate>, options: &Arc<Options>) -> Option<Outcome> {
    let outcome = take_over(gate, options, Force::Yes).await;
    let on = gate.clone();
    if tokio::task::spawn_blocking(move || told_certificates(&on)).await.is_err() {
        tracing::error!("looking at certificates panicked");
    }
    outcome
}

/// Whether a bundle that did not change is loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Only a changed one.
    No,
    /// Also the same one.
    Yes,
}

/// Loads the bundle and takes it over if it is good. Compiling blocks, so it has a thread of its own.
async fn take_over(gate: &Arc<Gate>, options: &Arc<Options>, force: Force) -> Option<Outcome> {
    let (on, with) = (gate.clone(), options.clone());
    let Ok(outcome) = tokio::task::spawn_blocking(move || load(&on, &with, force)).await else {
        tracing::error!("loading the policies panicked");
        return None;
    };
    let reason = match &outcome {
        Outcome::Swapped(digest) => {
            let snapshot = gate.live.snapshot();
            gate.issuers.adopt(&snapshot.sources);
            gate.identity.revocations().adopt(&snapshot.sources);
            if let Err(error) = gate.door.update(snapshot.doors.clone()) {
                tracing::error!(%error, "the listeners keep their old settings");
            }
            tracing::info!(bundle = %digest.short(), "new policies serve");
            "swapped"
        }
        Outcome::Unchanged => "unchanged",
        Outcome::KeptOld(report) => {
            tracing::error!("the new policies do not load, the old ones serve on:\n{report}");
            "kept_old"
        }
    };
    gate.telemetry.reloads.get_or_create(&Reason { reason }).inc();
    gate.telemetry.reload_failed.set(i64::from(matches!(outcome, Outcome::KeptOld(_))));
    let detail = match &outcome {
        Outcome::Swapped(digest) => digest.to_string(),
        Outcome::Unchanged | Outcome::KeptOld(_) => gate.live.status().digest.to_string(),
    };
    if outcome_matters(&outcome) {
        let told = [("bundle", detail.as_str())];
        if let Err(error) = gate.journal.administrative(reason, "gate", &told, clock::now()).await {
            tracing::error!(%error, "the journal did not take a reload");
        }
    }
    Some(outcome)
}

fn outcome_matters(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Swapped(_) | Outcome::KeptOld(_) => true,
        Outcome::Unchanged => false,
    }
}

fn load(gate: &Gate, options: &Options, force: Force) -> Outcome {
    let own: Vec<_> = gate.door.addresses();
    gate.live.reload(clock::now(), |serving| {
        let loaded = run::load(options, &gate.registry, &gate.pseudonyms, &own);
        match loaded {
            Ok((snapshot, _)) if snapshot.digest == serving && force == Force::No => Ok(None),
            Ok((snapshot, warnings)) => {
                run::tell(&warnings);
                Ok(Some((snapshot.digest, snapshot)))
            }
            Err(RunError::Bundle(report)) => Err(report),
            Err(other) => Err(crate::config::Report::without_files(
                crate::words::Diagnostic::error(
                    &crate::words::Place::file("gateway.yaml"),
                    other.to_string(),
                )
                .into(),
            )),
        }
    })
}

/// Certificates are taken over when their files change.
async fn certificates(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let on = gate.clone();
        if tokio::task::spawn_blocking(move || told_certificates(&on)).await.is_err() {
            tracing::error!("looking at certificates panicked");
        }
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
        }
        if round.is_multiple_of(30) {
            gate.issuers.tend(&gate.live.snapshot().sources, now).await;
        }
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

fn row(head: &SignedHead) -> HeadRow {
    HeadRow { lane: head.origin.as_str().into(), size: head.size, checkpoint: head.note().to_owned() }
}
