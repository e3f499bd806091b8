//! A lane: one file, one tree, one writer. Entries of a loop turn are gathered and written at once; whoever waits
//! is woken when its entry is written, or synced.
//!
//! The first entry of a turn spawns the task that writes: on a runtime of one thread it runs after everything that
//! was ready in this turn. An entry whose waiter goes away is written all the same.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;
use tokio::{runtime::Handle, sync::watch};

use super::{
    JournalError,
    draft::{Draft, EntryKind},
    facts::FactsCache,
    head::SignedHead,
    intents::Intents,
    keys::{Chances, JournalKeys},
    line::HEAD_LEN,
    segment::{Gathered, Outcome, Place, TURN_BYTES_MAX, Trouble, Writer},
    strangers::Strangers,
};
use crate::{
    clock::Now,
    words::{Digest, RequestId},
};

/// LIMIT: gathered bytes at which whoever appends writes by itself.
const GATHERED_BYTES_MAX: usize = TURN_BYTES_MAX as usize;
/// LIMIT: spare buffers kept for the next entries, and their size.
const SPARES_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 16 * 1024;

/// What an entry must survive before its waiter goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The end of this process: `write(2)` returned.
    #[default]
    Written,
    /// A power cut: `fdatasync(2)` returned.
    Synced,
}

/// Whose entry it is: strangers never use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Where it finds no room it is counted by this word; none where the exchange is on record already.
    Stranger(Option<&'static str>),
    Identified,
}

/// One lane of a journal, owned by this process.
pub struct Lane {
    pub(super) name: Arc<str>,
    pub(super) keys: Arc<JournalKeys>,
    pub(super) boot: RequestId,
    pub(super) opened: Now,
    pub(super) sensitive_reads: Durability,
    pub(super) strangers: Arc<Mutex<Strangers>>,
    pub(super) facts: FactsCache,
    pub(super) sync: SyncDesk,
    pub(super) head: watch::Sender<Option<Arc<SignedHead>>>,
    pub(super) head_interval: Duration,
    chances: Mutex<Chances>,
    spares: Mutex<Vec<Vec<u8>>>,
    pending: Mutex<Pending>,
    pub(super) writer: Mutex<Writer>,
    written: AtomicU64,
    synced: AtomicU64,
    /// What no outcome is known of. Locked inside the writer's lock.
    intents: Mutex<Intents>,
    /// Room is short: strangers are refused.
    tight: AtomicBool,
    /// The last entries found no room.
    full: AtomicBool,
    closed: AtomicBool,
    failed: OnceLock<String>,
    /// The disk can set room aside.
    reserves: AtomicBool,
    /// Holds the lane for this process until it is given up. Locked inside the writer's lock.
    lock: Mutex<Option<std::fs::File>>,
}

/// What the lane's thread listens to.
#[derive(Debug, Default)]
pub(super) struct SyncDesk {
    pub(super) wishes: Mutex<Wishes>,
    pub(super) bell: Condvar,
    /// Something was written since the last round.
    pub(super) dirty: AtomicBool,
    /// The thread has made its last round.
    pub(super) ended: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) sync: bool,
    pub(super) stop: bool,
    pub(super) room: bool,
    pub(super) waiting: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Pending {
    gathered: Gathered,
    batch: Option<Arc<Batch>>,
    /// When the last of them was appended.
    now: Option<Now>,
    spare: Gathered,
}

/// Entries of one turn: what became of them, and who waits.
#[derive(Debug, Default)]
struct Batch {
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    written: SmallVec<[Waker; 4]>,
    synced: SmallVec<[Waker; 4]>,
    wants_sync: bool,
}

/// A place in the journal that is being filled; resolves to the entry's sequence. Dropping it loses nothing.
#[derive(Debug)]
#[must_use = "an entry counts once its ticket has resolved"]
pub(super) struct Ticket {
    lane: Arc<Lane>,
    batch: Arc<Batch>,
    position: usize,
    durability: Durability,
    registered: Option<Waker>,
}

/// What a lane is built from.
pub(super) struct LaneParts {
    pub(super) name: Arc<str>,
    pub(super) keys: Arc<JournalKeys>,
    pub(super) boot: RequestId,
    pub(super) opened: Now,
    pub(super) sensitive_reads: Durability,
    pub(super) strangers: Arc<Mutex<Strangers>>,
    pub(super) head_interval: Duration,
    pub(super) head: Option<SignedHead>,
    pub(super) writer: Writer,
    pub(super) intents: Intents,
    pub(super) lock: std::fs::File,
}

impl Lane {
    pub(super) fn new(parts: LaneParts) -> Result<Self, JournalError> {
        let size = parts.writer.size();
        Ok(Self {
            name: parts.name,
            keys: parts.keys,
            boot: parts.boot,
            opened: parts.opened,
            sensitive_reads: parts.sensitive_reads,
            strangers: parts.strangers,
            facts: FactsCache::default(),
            sync: SyncDesk::default(),
            head: watch::Sender::new(parts.head.map(Arc::new)),
            head_interval: parts.head_interval,
            chances: Mutex::new(Chances::new()?),
            spares: Mutex::default(),
            pending: Mutex::default(),
            writer: Mutex::new(parts.writer),
            written: AtomicU64::new(size),
            synced: AtomicU64::new(size),
            intents: Mutex::new(parts.intents),
            tight: AtomicBool::new(false),
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            failed: OnceLock::new(),
            reserves: AtomicBool::new(false),
            lock: Mutex::new(Some(parts.lock)),
        })
    }

    /// Its name inside the gate's journal: `0`, `1`, ….
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest signed head; changes are seen by `watch_head`.
    pub fn head(&self) -> Option<Arc<SignedHead>> {
        self.head.borrow().clone()
    }

    /// Tells of every new head, the newest only: for the store and for publishing.
    pub fn watch_head(&self) -> watch::Receiver<Option<Arc<SignedHead>>> {
        self.head.subscribe()
    }

    /// Whether entries can be written; asked before a system is, so that nothing is asked for that could not be
    /// written down.
    ///
    /// # Errors
    /// Why not: the lane failed or is closed, or the last entries found no room and none was found since.
    pub fn ready(&self) -> Result<(), JournalError> {
        self.alive()?;
        if self.full.load(Ordering::Relaxed) { Err(JournalError::Full) } else { Ok(()) }
    }

    /// Whether entries may be tried: also on a full disk, or nobody would find out that it is not any more.
    pub(super) fn alive(&self) -> Result<(), JournalError> {
        match self.failed.get() {
            Some(why) => Err(JournalError::Failed { lane: self.name.to_string(), why: why.clone() }),
            None if self.closed.load(Ordering::Acquire) => Err(JournalError::Closed),
            None => Ok(()),
        }
    }

    /// How many entries are written, and how many are synced.
    pub fn sizes(&self) -> (u64, u64) {
        (self.written.load(Ordering::Acquire), self.synced.load(Ordering::Acquire))
    }

    /// Whether the disk is so full that strangers are refused.
    pub fn is_tight(&self) -> bool {
        self.tight.load(Ordering::Relaxed)
    }

    /// Takes a line (with room for its head) and gives the ticket that resolves when it is as durable as asked.
    pub(super) fn append(
        self: &Arc<Self>,
        line: &[u8],
        (leaf, beside): (usize, usize),
        durability: Durability,
        standing: Standing,
        now: Now,
    ) -> Result<Ticket, JournalError> {
        self.alive()?;
        let counted = match standing {
            Standing::Stranger(_) if self.is_tight() => return Err(JournalError::Full),
            Standing::Stranger(counted) => counted,
            Standing::Identified => None,
        };
        debug_assert_eq!(line.len(), HEAD_LEN + leaf + 1 + beside + 1);
        let (ticket, first, full) = {
            let mut pending = self.pending.lock();
            pending.gathered.push(line, (leaf, beside), counted);
            pending.now = Some(now);
            let first = pending.batch.is_none();
            let batch = pending.batch.get_or_insert_default().clone();
            let position = pending.gathered.marks.len() - 1;
            let full = pending.gathered.bytes.len() >= GATHERED_BYTES_MAX;
            if durability == Durability::Synced {
                batch.waiters.lock().wants_sync = true;
            }
            (Ticket { lane: self.clone(), batch, position, durability, registered: None }, first, full)
        };
        if full {
            self.flush();
        } else if first {
            self.flush_later();
        }
        Ok(ticket)
    }

    /// A salt pair and a nonce.
    pub(super) fn chance(&self) -> Result<super::keys::SealChance, JournalError> {
        self.chances.lock().next()
    }

    /// An empty buffer that was used before, where there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spares.lock().pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() == 0 || buffer.capacity() > SPARE_BYTES_MAX {
            return;
        }
        buffer.clear();
        let mut spares = self.spares.lock();
        if spares.len() < SPARES_MAX {
            spares.push(buffer);
        }
    }

    /// Writes what is gathered, now.
    pub(super) fn flush(&self) {
        // ORDER: the writer first, then what is pending, so that batches are written in the order they were
        // gathered.
        let mut writer = self.writer.lock();
        let (mut gathered, batch, now) = {
            let mut pending = self.pending.lock();
            let Some(batch) = pending.batch.take() else { return };
            let spare = std::mem::take(&mut pending.spare);
            let gathered = std::mem::replace(&mut pending.gathered, spare);
            (gathered, batch, pending.now.unwrap_or(self.opened))
        };
        let outcome = match self.failed.get() {
            Some(why) => Outcome::none(0, Trouble::Broken(why.clone())),
            None if self.lock.lock().is_none() => Outcome::none(0, Trouble::Closed),
            None => self.write(&mut writer, &mut gathered, now),
        };
        self.written.store(writer.size(), Ordering::Release);
        match &outcome.trouble {
            Some(Trouble::Full) => self.full.store(true, Ordering::Relaxed),
            None => self.full.store(false, Ordering::Relaxed),
            Some(Trouble::Broken(_) | Trouble::Closed) => {}
        }
        match &outcome.trouble {
            None if self.reserves.load(Ordering::Relaxed) && writer.is_tight() => self.call_for_room(),
            None | Some(Trouble::Closed) => {}
            Some(Trouble::Full) => self.call_for_room(),
            Some(Trouble::Broken(why)) => self.fail(why),
        }
        drop(writer);
        gathered.counted.iter().skip(outcome.good).for_each(|word| self.count(*word));
        self.tell(&batch, outcome);
        gathered.clear();
        if gathered.bytes.capacity() <= 2 * GATHERED_BYTES_MAX {
            self.pending.lock().spare = gathered;
        }
    }

    /// Writes lines into the segment they belong in; one that begins names the open intents first.
    fn write(&self, writer: &mut Writer, gathered: &mut Gathered, now: Now) -> Outcome {
        let mut intents = self.intents.lock();
        let ready = writer.make_room(gathered, now.wall).and_then(|place| {
            if place == Place::Begun {
                intents.began();
            }
            intents.due().map_or(Ok(()), |open| {
                self.write_open(writer, &open, now)?;
                intents.named();
                Ok(())
            })
        });
        if let Err(trouble) = ready {
            return Outcome::none(writer.size(), trouble);
        }
        let outcome = writer.write(gathered);
        for (mark, sequence) in gathered.marks.iter().take(outcome.good).zip(outcome.first..) {
            intents.follow(gathered.leaf(mark), sequence);
        }
        outcome
    }

    fn write_open(&self, writer: &mut Writer, fields: &[u8], now: Now) -> Result<(), Trouble> {
        let draft = Draft { kind: EntryKind::Open, request: None, now, fields: &[fields], plain: &[] };
        let mut line = self.buffer();
        let mut gathered = Gathered::default();
        let lengths = draft.encode(self, &mut line).map_err(|error| Trouble::Broken(error.to_string()))?;
        gathered.push(&line, lengths, None);
        self.give_back(line);
        writer.write(&mut gathered).trouble.map_or(Ok(()), Err)
    }

    /// A stranger's exchange that found no room is part of the minute's count.
    pub(super) fn count(&self, word: Option<&'static str>) {
        if let Some(word) = word {
            self.strangers.lock().count(word);
        }
    }

    /// Closes the lane for good: nothing is appended, whoever waits is told.
    pub(super) fn fail(&self, why: &str) {
        // The first reason stands.
        drop(self.failed.set(why.to_owned()));
    }

    /// Strangers wait outside until the thread has found room.
    fn call_for_room(&self) {
        self.tight.store(true, Ordering::Relaxed);
        let mut wishes = self.sync.wishes.lock();
        wishes.room = true;
        self.sync.bell.notify_one();
    }

    /// Lets go of the lane, so that another process may take it; what still comes is not written.
    pub(super) fn give_up(&self) {
        let _writer = self.writer.lock();
        *self.lock.lock() = None;
    }

    /// No further entries; what is gathered is still written.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn set_synced(&self, size: u64) {
        self.synced.store(size, Ordering::Release);
    }

    /// What the thread found about room: whether the disk sets any aside, and whether it is short.
    pub(super) fn set_room(&self, reserves: bool, tight: bool) {
        self.reserves.store(reserves, Ordering::Relaxed);
        self.tight.store(tight, Ordering::Relaxed);
        if reserves && !tight {
            self.full.store(false, Ordering::Relaxed);
        }
    }

    fn flush_later(self: &Arc<Self>) {
        let flush = Flush(self.clone());
        match Handle::try_current() {
            // The task ends by itself; where the runtime drops it unrun, dropping writes.
            Ok(runtime) => drop(runtime.spawn(async move { drop(flush) })),
            Err(_) => drop(flush),
        }
    }

    fn tell(&self, batch: &Batch, outcome: Outcome) {
        let written = outcome.good > 0;
        drop(batch.outcome.set(outcome));
        let mut waiters = std::mem::take(&mut *batch.waiters.lock());
        if written {
            let first = !self.sync.dirty.swap(true, Ordering::AcqRel);
            if waiters.wants_sync || !waiters.synced.is_empty() {
                let mut wishes = self.sync.wishes.lock();
                wishes.sync = true;
                wishes.waiting.extend(waiters.synced.drain(..));
                self.sync.bell.notify_one();
            } else if first {
                // Taken so that the thread cannot miss it between looking and waiting.
                drop(self.sync.wishes.lock());
                self.sync.bell.notify_one();
            }
        }
        for waker in waiters.written.drain(..).chain(waiters.synced.drain(..)) {
            waker.wake();
        }
    }
}

/// Flushes when it is dropped: run by the runtime, or dropped by it.
struct Flush(Arc<Lane>);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl Ticket {
    /// The hash of the leaf, once it is written, where receipts are given.
    pub(super) fn leaf(&self) -> Option<Digest> {
        self.batch.outcome.get()?.leaves.get(self.position).copied()
    }

    /// What became of the entry, where it is known.
    pub(super) fn outcome(&self) -> Option<Result<u64, JournalError>> {
        let outcome = self.batch.outcome.get()?;
        if self.position >= outcome.good {
            return Some(Err(match &outcome.trouble {
                Some(Trouble::Broken(why)) => {
                    JournalError::Failed { lane: self.lane.name.to_string(), why: why.clone() }
                }
                Some(Trouble::Closed) => JournalError::Closed,
                Some(Trouble::Full) | None => JournalError::Full,
            }));
        }
        let sequence = outcome.first + self.position as u64;
        match self.durability {
            Durability::Written => Some(Ok(sequence)),
            Durability::Synced if self.lane.synced.load(Ordering::Acquire) > sequence => Some(Ok(sequence)),
            Durability::Synced if self.lane.failed.get().is_some() => {
                Some(self.lane.alive().map(|()| sequence))
            }
            Durability::Synced => {
                self.lane.sync.ended.load(Ordering::Acquire).then_some(Err(JournalError::Closed))
            }
        }
    }

    /// Leaves the waker where it will be found; true where that was with the thread, which may just have been
    /// done.
    fn register(&mut self, waker: &Waker) {
        if self.registered.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        self.registered = Some(waker.clone());
        let mut waiters = self.batch.waiters.lock();
        // The outcome is set before the waiters are taken: without one they are still to be taken.
        if self.batch.outcome.get().is_none() {
            match self.durability {
                Durability::Written => waiters.written.push(waker.clone()),
                Durability::Synced => waiters.synced.push(waker.clone()),
            }
            return;
        }
        drop(waiters);
        if self.durability == Durability::Synced {
            let mut wishes = self.lane.sync.wishes.lock();
            wishes.sync = true;
            wishes.waiting.push(waker.clone());
            self.lane.sync.bell.notify_one();
        }
    }

    /// Waits without a runtime: at start-up only.
    pub(super) fn wait_blocking(self) -> Result<u64, JournalError> {
        self.lane.flush();
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = Context::from_waker(&waker);
        let mut ticket = std::pin::pin!(self);
        loop {
            match ticket.as_mut().poll(&mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<u64, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(done) = self.outcome() {
            return Poll::Ready(done);
        }
        self.register(context.waker());
        // Looked at again: it may have become known before the waker was left.
        self.outcome().map_or(Poll::Pending, Poll::Ready)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("name", &self.name).field("sizes", &self.sizes()).finish_non_exhaustive()
    }
}
