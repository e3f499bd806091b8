//! One sink: what is signed is read, sent until it is taken, and then the cursor moves. Nothing is ever left out.
//!
//! It has one batch in memory and no queue: the journal is the queue. While a receiver is away or slow this sink falls
//! behind, and neither the gate nor another sink does.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::rand;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::watch, task::spawn_blocking, time};
use tokio_util::sync::CancellationToken;

use super::{
    Source,
    cursor::{Cursor, CursorError, Hold, Trouble},
    event::Form,
    reading::{Batch, ENTRIES_MAX, Read, Reader, Signed},
    send::{Fault, Sender},
    settings::SinkSettings,
};
use crate::clock;

/// How long after a failure it is tried again, at first and at most; each further failure doubles it.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// LIMIT: how long a receiver may have itself waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How soon it is tried again to have the cursor that another process holds.
const HELD_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How soon it is looked again at a lane that cannot be read.
const ILL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How a sink is, as it is told.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where it is, and why it takes nothing where that is so.
    pub cursor: Cursor,
    /// When the oldest entry that it was sent and did not take yet was written; none where nothing waits.
    pub waiting_since: Option<Timestamp>,
    /// Entries it took since the start.
    pub taken: u64,
    /// Times it took none.
    pub failures: u64,
}

/// A sink as it runs.
pub(super) struct Sink {
    pub(super) settings: SinkSettings,
    pub(super) source: Arc<Source>,
    pub(super) signed: watch::Receiver<Signed>,
    pub(super) ending: CancellationToken,
    pub(super) standing: Arc<Mutex<Standing>>,
}

/// A sink that may send.
struct Sending {
    sink: Sink,
    form: Arc<Form>,
    hold: Arc<Hold>,
    cursor: Cursor,
    /// Made anew after a failure: certificates may have been renewed.
    sender: Option<Arc<Sender>>,
    reader: Option<Reader>,
    entries_max: usize,
    wait: Duration,
    ill: Option<String>,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    On,
    End,
}

impl Sink {
    /// Sends until the end: then what is signed by then, unless the receiver is in trouble.
    pub(super) async fn run(self) {
        let (mut wait, mut is_told) = (AGAIN_AFTER, false);
        loop {
            // ORDER: before it is tried, so that a gate that stops tries once more.
            let is_last = self.ending.is_cancelled();
            let rest = match self.open().await {
                Ok((hold, cursor)) => return Sending::new(self, hold, cursor).run().await,
                // A gate that hands over still sends.
                Err(CursorError::Held) => {
                    if !is_told {
                        tracing::info!(sink = %self.settings.name, "another process still sends to this sink");
                    }
                    is_told = true;
                    HELD_AGAIN_AFTER
                }
                Err(error) => {
                    self.count();
                    self.fell(&chain(&error));
                    wait = wait.saturating_mul(2).min(AGAIN_MAX);
                    wait
                }
            };
            if is_last {
                return;
            }
            self.rest(rest).await;
        }
    }

    async fn open(&self) -> Result<(Hold, Cursor), CursorError> {
        let (folder, name) = (self.source.folder.clone(), self.settings.name.clone());
        let kind = self.settings.target.kind();
        let opened = spawn_blocking(move || {
            // ORDER: held before it is read: whoever held it moved it.
            let hold = Hold::take(&folder, &name)?;
            let cursor = Cursor::read(&folder, &name)?;
            let mut cursor = cursor.unwrap_or_else(|| Cursor::fresh(&name, kind));
            kind.clone_into(&mut cursor.kind);
            cursor.trouble = None;
            Ok((hold, cursor))
        });
        opened.await.unwrap_or(Err(CursorError::Held))
    }

    /// It took nothing, once more.
    fn count(&self) {
        let mut standing = self.standing.lock();
        standing.failures = standing.failures.saturating_add(1);
    }

    /// It is in trouble, or in another: false where that is told already.
    fn fell(&self, why: &str) -> bool {
        let mut standing = self.standing.lock();
        let since = match &standing.cursor.trouble {
            Some(trouble) if trouble.why == why => return false,
            Some(trouble) => trouble.since,
            None => clock::now().wall,
        };
        standing.cursor.trouble = Some(Trouble { since, why: why.to_owned() });
        drop(standing);
        tracing::error!(sink = %self.settings.name, %why, "entries of the journal wait: a sink does not take them");
        true
    }

    async fn rest(&self, wait: Duration) -> Next {
        tokio::select! {
            () = time::sleep(wait) => Next::On,
            () = self.ending.cancelled() => Next::End,
        }
    }
}

impl Sending {
    fn new(sink: Sink, hold: Hold, cursor: Cursor) -> Self {
        let form = Form::new(&sink.settings, sink.source.keys.clone(), &sink.source.gate);
        let sending = Self {
            form: Arc::new(form),
            hold: Arc::new(hold),
            cursor,
            sender: None,
            reader: None,
            entries_max: ENTRIES_MAX,
            wait: AGAIN_AFTER,
            ill: None,
            sink,
        };
        sending.tell(None);
        sending
    }

    async fn run(mut self) {
        loop {
            let signed = self.sink.signed.borrow_and_update().clone();
            let read = self.read(signed).await;
            self.ill = read.ill;
            let next = match read.batch {
                Some(batch) => self.deliver(batch).await,
                None => self.idle().await,
            };
            if next == Next::End {
                return;
            }
        }
    }

    async fn read(&mut self, signed: Signed) -> Read {
        let made = || Reader::new(&self.sink.source.directory, self.form.clone(), &self.cursor);
        let mut reader = self.reader.take().unwrap_or_else(made);
        let entries_max = self.entries_max;
        let read = spawn_blocking(move || {
            let read = reader.batch(&signed, entries_max, clock::mono());
            (reader, read)
        });
        match read.await {
            Ok((reader, read)) => {
                self.reader = Some(reader);
                read
            }
            Err(error) => Read { batch: None, ill: Some(format!("reading the journal panicked: {error}")) },
        }
    }

    /// Until more is signed.
    async fn idle(&mut self) -> Next {
        self.tell(None);
        let is_ill = self.ill.is_some();
        self.settle().await;
        tokio::select! {
            changed = self.sink.signed.changed() => if changed.is_ok() { Next::On } else { Next::End },
            () = time::sleep(ILL_AGAIN_AFTER), if is_ill => Next::On,
        }
    }

    /// Until it is taken, or the end.
    async fn deliver(&mut self, batch: Batch) -> Next {
        self.tell(batch.events.iter().map(|event| event.at).min());
        loop {
            match self.send(&batch).await {
                Ok(()) => return self.taken(&batch).await,
                Err(Fault::TooLarge { .. }) if batch.events.len() > 1 => {
                    self.entries_max = batch.events.len() / 2;
                    // What was read is read again from the cursor, in smaller parts.
                    self.reader = None;
                    return Next::On;
                }
                Err(fault) => {
                    self.sender = None;
                    let wait = self.patience(&fault);
                    if self.failed(fault.why(), wait).await == Next::End {
                        return Next::End;
                    }
                }
            }
        }
    }

    async fn send(&mut self, batch: &Batch) -> Result<(), Fault> {
        let sender = match &self.sender {
            Some(sender) => sender.clone(),
            None => {
                let (settings, source) = (self.sink.settings.clone(), self.sink.source.clone());
                let opened = spawn_blocking(move || Sender::open(&settings, &source.gate, &source.base));
                let panicked = |error| Fault::Again { why: format!("{error}"), after: None };
                let opened = Arc::new(opened.await.map_err(panicked)??);
                self.sender.insert(opened).clone()
            }
        };
        sender.send(batch, clock::now()).await
    }

    /// The cursor moves, on disk before anything else is sent.
    async fn taken(&mut self, batch: &Batch) -> Next {
        for part in &batch.parts {
            self.cursor.lanes.insert(part.lane.clone(), part.after.clone());
        }
        self.cursor.taken_at = Some(clock::now().wall);
        self.wait = AGAIN_AFTER;
        while let Err(error) = self.keep().await {
            let wait = self.patience(&Fault::Again { why: String::new(), after: None });
            if self.failed(&chain(&error), wait).await == Next::End {
                return Next::End;
            }
        }
        if let Some(reader) = &mut self.reader {
            reader.taken(&batch.parts);
        }
        self.wait = AGAIN_AFTER;
        let is_full = batch.events.len() >= self.entries_max;
        self.entries_max = self.entries_max.saturating_mul(2).min(ENTRIES_MAX);
        self.sink.standing.lock().taken += u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
        self.tell(None);
        self.settle().await;
        let pace = self.sender.as_ref().map_or(Duration::ZERO, |sender| sender.pace());
        if !is_full && !pace.is_zero() {
            // At the end what is left is sent without it.
            self.sink.rest(pace).await;
        }
        Next::On
    }

    /// Told as it is, tried again after some time.
    async fn failed(&mut self, why: &str, wait: Duration) -> Next {
        self.sink.count();
        if self.sink.fell(why) {
            self.keep_trouble().await;
        }
        self.sink.rest(wait).await
    }

    /// Out of trouble, or in that of a lane that cannot be read.
    async fn settle(&mut self) {
        if let Some(why) = self.ill.clone() {
            if self.sink.fell(&why) {
                self.keep_trouble().await;
            }
            return;
        }
        let ended = self.sink.standing.lock().cursor.trouble.take();
        if let Some(trouble) = ended {
            let seconds = clock::now().wall.duration_since(trouble.since).as_secs();
            tracing::info!(sink = %self.sink.settings.name, seconds, "a sink takes entries of the journal again");
            self.keep_trouble().await;
        }
    }

    /// For whoever looks from another process; where it cannot be kept it stands in the log.
    async fn keep_trouble(&mut self) {
        self.cursor.trouble = self.sink.standing.lock().cursor.trouble.clone();
        if let Err(error) = self.keep().await {
            tracing::warn!(error = %chain(&error), "how a sink is cannot be kept");
        }
    }

    async fn keep(&mut self) -> Result<(), CursorError> {
        let (hold, cursor) = (self.hold.clone(), self.cursor.clone());
        spawn_blocking(move || hold.write(&cursor)).await.unwrap_or(Err(CursorError::Held))
    }

    fn tell(&self, waiting_since: Option<Timestamp>) {
        let mut standing = self.sink.standing.lock();
        standing.cursor.lanes.clone_from(&self.cursor.lanes);
        standing.cursor.taken_at = self.cursor.taken_at;
        standing.waiting_since = waiting_since;
    }

    /// How long it is waited after a failure: somewhere between half of it and all, so that many do not come at once.
    fn patience(&mut self, fault: &Fault) -> Duration {
        let wait = match fault {
            Fault::Again { after, .. } => {
                let wait = self.wait;
                self.wait = wait.saturating_mul(2).min(AGAIN_MAX);
                after.map_or(wait, |after| after.min(RETRY_AFTER_MAX).max(wait))
            }
            Fault::Refused { .. } | Fault::TooLarge { .. } => AGAIN_MAX,
        };
        let mut chance = [0; 1];
        // Without chance all of it.
        let half = wait / 2;
        let asked = matches!(fault, Fault::Again { after: Some(_), .. });
        match rand::fill(&mut chance) {
            // Never sooner than the receiver said.
            Ok(()) if asked => wait.saturating_add(half.saturating_mul(chance[0].into()) / 255),
            Ok(()) => half.saturating_add(half.saturating_mul(chance[0].into()) / 255),
            Err(_) => wait,
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}
