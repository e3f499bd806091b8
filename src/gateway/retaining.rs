//! Old entries of the journal are put away as the bundle in force says: at the start, every hour, and as soon as the
//! journal is larger than it may be. What stays although it should go is told in the log and in metrics.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time,
};
use tokio_util::sync::CancellationToken;

use super::{Gate, run::Options};
use crate::{
    audit::{self, JournalError, Need, Putting, Retained, Wanted},
    clock,
    sinks::{self, CursorError, Needed},
};

/// How often it is looked how large the journal is.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often entries that are too old are put away, and what stays is told again.
const TURN_EVERY: Duration = Duration::from_secs(60 * 60);

/// It runs beside the requests.
#[derive(Debug)]
pub(super) struct Retaining {
    putting: Arc<Putting>,
    ending: CancellationToken,
    task: JoinHandle<()>,
}

impl Retaining {
    /// Ends it, in the middle of a segment too: nothing is half done by that.
    pub(super) async fn end(self) {
        self.putting.stop.store(true, Ordering::Relaxed);
        self.ending.cancel();
        drop(self.task.await);
    }
}

/// Starts it.
pub(super) fn start(gate: &Arc<Gate>, options: &Options) -> Retaining {
    let (putting, ending) = (Arc::new(Putting::default()), CancellationToken::new());
    let keeper = Keeper {
        gate: gate.clone(),
        data: options.data.clone(),
        putting: putting.clone(),
        turned: None,
        told: String::new(),
    };
    let task = tokio::spawn(run(keeper, ending.clone()));
    Retaining { putting, ending, task }
}

async fn run(mut keeper: Keeper, ending: CancellationToken) {
    loop {
        // What reads and hashes segments is kept off the threads that serve.
        let looked = spawn_blocking(move || {
            keeper.look(clock::mono());
            keeper
        });
        keeper = match looked.await {
            Ok(keeper) => keeper,
            Err(_) => return tracing::error!("putting entries away panicked: nothing is put away any more"),
        };
        tokio::select! {
            () = time::sleep(LOOK_EVERY) => {}
            () = ending.cancelled() => return,
        }
    }
}

/// Why nothing was put away.
#[derive(Debug, thiserror::Error)]
enum Unkept {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody knows what they need yet.
    #[error("it is not known how far the sinks are")]
    Sinks(#[from] CursorError),
}

struct Keeper {
    gate: Arc<Gate>,
    data: PathBuf,
    putting: Arc<Putting>,
    /// When the last hourly turn was.
    turned: Option<Instant>,
    /// What was told last of what stays.
    told: String,
}

impl Keeper {
    fn look(&mut self, now: Instant) {
        let is_due = self.turned.is_none_or(|turned| now.saturating_duration_since(turned) >= TURN_EVERY);
        if is_due {
            self.turned = Some(now);
            self.told.clear();
        }
        if let Err(error) = self.turn(is_due) {
            let told = format!("{error}: {:?}", std::error::Error::source(&error));
            self.tell_once(told, |why| tracing::error!(why, "nothing of the journal is put away"));
        }
    }

    fn turn(&mut self, is_due: bool) -> Result<(), Unkept> {
        let gate = self.gate.clone();
        let (snapshot, metrics) = (gate.live.snapshot(), &gate.telemetry.journal);
        let (bytes, oldest) = audit::measure(gate.journal.directory(), gate.journal.keys().wrapping())?;
        metrics.bytes.set(whole(bytes));
        metrics.oldest.set(oldest.map_or(0, |oldest| oldest.as_second()));
        let Some(retention) = &snapshot.settings.audit.retention else {
            metrics.over.set(0);
            metrics.held.set(0);
            return Ok(());
        };
        let rule = retention.rule();
        if !is_due && rule.size.is_none_or(|size| bytes <= size) {
            return Ok(());
        }
        let folder = sinks::folder(&self.data, snapshot.settings.gate.value.as_str());
        let needed = Needed::of(&folder, &snapshot.settings.audit.sinks.0)?;
        let needs = |lane: &str| {
            let (sink, from) = needed.slowest(lane)?;
            Some(Need { from, by: format!("the sink `{sink}`") })
        };
        let index = self.data.join("index");
        let wanted = Wanted { rule, needs: &needs, index: Some(&index) };
        let done = audit::retain(&gate.journal, &wanted, "gate", &clock::now, &self.putting)?;
        self.tell(&done);
        Ok(())
    }

    fn tell(&mut self, done: &Retained) {
        if done.is_busy {
            return;
        }
        let metrics = &self.gate.telemetry.journal;
        metrics.bytes.set(whole(done.bytes));
        metrics.oldest.set(done.oldest().map_or(0, |oldest| oldest.as_second()));
        metrics.over.set(whole(done.over));
        metrics.held.set(whole(done.held().count() as u64));
        metrics.put_away.inc_by(done.entries());
        for lane in &done.lanes {
            if let (Some(first), Some(last)) = (lane.gone.first(), lane.gone.last()) {
                let (from, until, rule) = (first.from, last.until, &last.rule);
                let entries = last.to.saturating_sub(first.first);
                tracing::info!(lane = lane.lane, entries, %from, %until, rule, "entries were put away");
            }
        }
        let held: Vec<String> = done
            .held()
            .map(|(lane, held)| format!("lane {lane} from entry {} on: {}", held.first, held.why))
            .collect();
        let over = done.over;
        if over > 0 {
            self.tell_once(held.join("; "), |held| {
                tracing::error!(
                    over,
                    held,
                    "the journal is larger than it may be, and no more of it can be put away"
                );
            });
        } else if !held.is_empty() {
            self.tell_once(held.join("; "), |held| {
                tracing::warn!(held, "entries stay although they are old enough to be put away");
            });
        }
    }

    /// Tells what was not told in this hour.
    fn tell_once(&mut self, what: String, tell: impl Fn(&str)) {
        let what = if what.is_empty() { "the open segments alone are as large".to_owned() } else { what };
        if self.told != what {
            tell(&what);
            self.told = what;
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
