//! Sinks: entries of the journal sent to other places, each at least once and in order of its lane.
//!
//! The journal itself is what is sent from, never a queue in memory: how far a sink is stands in a file of its own
//! ([`Cursor`]), lane by lane, and moves only once the receiver has what was sent. So a receiver that is away or slow
//! costs nothing but time: its sink falls behind and catches up, the gate and the other sinks go on. Entries leave once a
//! signed head covers them: what a crash may still cut off was never sent.
//!
//! What it does not promise: each entry exactly once. What was sent and not acknowledged before a crash is sent again;
//! each carries gate, lane and sequence, by which a receiver knows it.
//!
//! ```
//! use bramka::{sinks::{Format, SinkList}, words::{Diagnostics, tree, yaml::FromYaml}};
//! let text = "[{ name: siem, http: { to: \"https://siem.example/ingest\", token_file: siem.token } }]";
//! let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
//! let sinks = SinkList::read(&node, &mut Diagnostics::default()).unwrap();
//! assert_eq!((sinks.0[0].format, sinks.0[0].target.kind()), (Format::Ocsf, "http"));
//! ```

mod cursor;
mod event;
mod heads;
mod ocsf;
mod reading;
mod redact;
mod send;
mod settings;
mod sink;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

pub use cursor::{Cursor, CursorError, Place, Trouble, is_held};
pub use redact::{Part, Redaction};
pub use settings::{Clear, Closing, Format, Posting, SinkList, SinkSettings, Target, TlsSettings};
pub use sink::Standing;

use self::{reading::Signed, sink::Sink};
use crate::audit::{self, JournalKeys, PublicKey};

/// How often it is looked whether other sinks are wanted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a gate that stops waits for its sinks to take the last entries.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// Where a gate's journal is and what sinks need beside.
#[derive(Debug)]
pub struct Source {
    /// Its lanes' folder.
    pub directory: PathBuf,
    /// The gate's name.
    pub gate: String,
    /// Its keys.
    pub keys: Arc<JournalKeys>,
    /// Where cursors are kept; see [`folder`].
    pub folder: PathBuf,
    /// What paths of settings are relative to.
    pub base: PathBuf,
}

/// Where the cursors of a gate's sinks are kept in its data folder.
pub fn folder(data: &Path, gate: &str) -> PathBuf {
    data.join("sinks").join(gate)
}

/// The sinks of a running gate.
#[derive(Debug)]
pub struct Sinks {
    running: Mutex<BTreeMap<String, Arc<Mutex<Standing>>>>,
    signed: watch::Receiver<Signed>,
    tell: Mutex<Option<watch::Sender<Signed>>>,
    ending: CancellationToken,
}

/// How a sink is and how far it is behind.
#[derive(Clone, Debug)]
pub struct Lagging {
    /// Where it is.
    pub standing: Standing,
    /// Signed entries that it did not take yet.
    pub entries: u64,
}

impl Lagging {
    /// How old the oldest entry is that it is being sent; nothing where nothing waits.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = self.standing.waiting_since.map(|since| now.duration_since(since));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

impl Default for Sinks {
    fn default() -> Self {
        let (tell, signed) = watch::channel(Signed::default());
        let (running, ending) = (Mutex::default(), CancellationToken::new());
        Self { running, signed, tell: Mutex::new(Some(tell)), ending }
    }
}

/// A sink that runs, and as what it was wanted.
struct Running {
    settings: SinkSettings,
    task: JoinHandle<()>,
}

impl Sinks {
    /// Sends to the sinks that are wanted at each time, until [`finish`](Self::finish). To be called once.
    pub async fn run(&self, source: Source, wanted: impl Fn() -> SinkList) {
        let mut tell = self.tell.lock().take();
        let source = Arc::new(source);
        let mut heads = None;
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        loop {
            let wanted = wanted();
            // Nobody looks at heads until a sink is wanted.
            if let Some(tell) = tell.take_if(|_| !wanted.0.is_empty()) {
                heads = Some(tokio::spawn(heads::follow(source.clone(), tell, self.ending.clone())));
            }
            self.become_as(&wanted, &source, &mut running);
            tokio::select! {
                () = time::sleep(LOOK_EVERY) => {}
                () = self.ending.cancelled() => break,
            }
        }
        let tasks = running.into_values().map(|running| running.task);
        if let Some(heads) = heads {
            drop(heads.await);
        }
        drop(futures_util::future::join_all(tasks).await);
    }

    /// Lets every sink take what is signed by now, within a short time; whatever it does not take it is sent by the next
    /// process. `running` is the task of [`run`](Self::run).
    pub async fn finish(&self, mut running: JoinHandle<()>) {
        self.ending.cancel();
        if time::timeout(FINISH_MAX, &mut running).await.is_err() {
            running.abort();
        }
        for lagging in self.standing().into_iter().filter(|lagging| lagging.entries > 0) {
            let (sink, entries) = (lagging.standing.cursor.sink, lagging.entries);
            tracing::warn!(%sink, entries, "a sink has not taken all entries; it is sent them after the next start");
        }
    }

    fn become_as(&self, wanted: &SinkList, source: &Arc<Source>, running: &mut BTreeMap<String, Running>) {
        running.retain(|name, running| {
            let stays = wanted.0.contains(&running.settings);
            if !stays {
                // What it was sent and did not take by now it is sent again.
                running.task.abort();
                self.running.lock().remove(name);
            }
            stays
        });
        for settings in &wanted.0 {
            if running.contains_key(&settings.name) {
                continue;
            }
            let cursor = Cursor::fresh(&settings.name, settings.target.kind());
            let standing = Standing { cursor, waiting_since: None, taken: 0, failures: 0 };
            let standing = Arc::new(Mutex::new(standing));
            self.running.lock().insert(settings.name.clone(), standing.clone());
            let sink = Sink {
                settings: settings.clone(),
                source: source.clone(),
                signed: self.signed.clone(),
                ending: self.ending.clone(),
                standing,
            };
            let (settings, task) = (settings.clone(), tokio::spawn(sink.run()));
            running.insert(settings.name.clone(), Running { settings, task });
        }
    }

    /// How every sink is.
    pub fn standing(&self) -> Vec<Lagging> {
        let signed = self.signed.borrow().clone();
        let running = self.running.lock();
        let lagging = |standing: &Arc<Mutex<Standing>>| {
            let standing = standing.lock().clone();
            let entries = behind(&standing.cursor, &signed);
            Lagging { standing, entries }
        };
        running.values().map(lagging).collect()
    }
}

/// Signed entries that a sink did not take.
fn behind(cursor: &Cursor, signed: &BTreeMap<String, u64>) -> u64 {
    signed.iter().map(|(lane, signed)| signed.saturating_sub(cursor.next(lane))).sum()
}

/// How many entries of each lane of a gate are signed, from its files. Blocks.
///
/// # Errors
/// The journal cannot be read.
pub fn signed(
    directory: &Path,
    gate: &str,
    key: &PublicKey,
) -> Result<BTreeMap<String, u64>, audit::JournalError> {
    let size = |lane: &String| audit::newest_head(directory, gate, lane, key).map_or(0, |head| head.size);
    Ok(audit::lanes(directory)?.into_iter().map(|lane| (lane.clone(), size(&lane))).collect())
}

/// What sinks still need of the journal: whoever removes old entries asks first.
#[derive(Clone, Debug)]
pub struct Needed(Vec<Cursor>);

impl Needed {
    /// Of the sinks that are named, as their cursors stand in a folder. One without a cursor needs everything. Blocks.
    ///
    /// # Errors
    /// A cursor cannot be read: then nothing may be removed.
    pub fn of<'a>(
        folder: &Path,
        sinks: impl IntoIterator<Item = &'a SinkSettings>,
    ) -> Result<Self, CursorError> {
        let cursor = |sink: &SinkSettings| {
            let cursor = Cursor::read(folder, &sink.name)?;
            Ok(cursor.unwrap_or_else(|| Cursor::fresh(&sink.name, sink.target.kind())))
        };
        sinks.into_iter().map(cursor).collect::<Result<_, _>>().map(Self)
    }

    /// The sink that is furthest behind in a lane, and the oldest entry that it has not had; none where there is no sink.
    pub fn slowest(&self, lane: &str) -> Option<(&str, u64)> {
        let places = self.0.iter().map(|cursor| (cursor.sink.as_str(), cursor.next(lane)));
        places.min_by_key(|(_, next)| *next)
    }

    /// The oldest entry of a lane that a sink has not had; none where there is no sink.
    pub fn oldest(&self, lane: &str) -> Option<u64> {
        self.0.iter().map(|cursor| cursor.next(lane)).min()
    }
}
