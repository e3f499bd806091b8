//! All entries of a journal, on several threads: one reads, the others decide.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use super::{Replay, Sum};
use crate::audit::{JournalError, Line, WrappingKeys, lanes, read_lane, tail};

/// Entries that go from hand to hand at once.
const BATCH: usize = 256;
/// LIMIT: batches that wait.
const BATCHES_MAX: usize = 8;

/// How far it is, for whoever waits.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that were read.
    pub entries: AtomicU64,
}

/// A part of the journal that could not be read.
#[derive(Debug)]
pub struct Unread {
    /// In which lane.
    pub lane: String,
    /// Why.
    pub why: JournalError,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The journal's folder cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no thread to be had.
    #[error("there is no thread to decide on")]
    Thread(#[from] io::Error),
}

impl Replay<'_> {
    /// Decides the entries of a gate's journal again, on so many threads; of each lane only the last `newest`, where that
    /// is said. What cannot be read of a lane is told, and the others are gone on with. Blocks.
    ///
    /// # Errors
    /// The journal's folder cannot be read, or there is no thread to be had.
    pub fn all(
        &self,
        gate_directory: &Path,
        (threads, newest): (usize, Option<usize>),
        progress: &Progress,
    ) -> Result<(Sum, Vec<Unread>), Failed> {
        let lanes = lanes(gate_directory)?;
        let (send, receive) = sync_channel::<Vec<Line>>(BATCHES_MAX);
        // With whoever decides it goes, so that nothing is sent to nobody.
        let receive = Arc::new(Mutex::new(receive));
        thread::scope(|scope| {
            let started = (0..threads.max(1)).map(|_| {
                let named = thread::Builder::new().name("replay".into());
                let receive = receive.clone();
                named.spawn_scoped(scope, move || self.decided(&receive))
            });
            let workers = started.collect::<Result<Vec<_>, _>>();
            drop(receive);
            let mut unread = Vec::new();
            if workers.is_ok() {
                for lane in lanes {
                    let at = (&*gate_directory.join(&lane), self.keys.wrapping());
                    let read = read(at, newest, &send, progress);
                    unread.extend(read.err().map(|why| Unread { lane, why }));
                }
            }
            // ORDER: before the workers are waited for, who end when nobody sends any more.
            drop(send);
            let mut sum = Sum::default();
            for worker in workers? {
                match worker.join() {
                    Ok(part) => sum.join(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok((sum, unread))
        })
    }

    fn decided(&self, batches: &Mutex<Receiver<Vec<Line>>>) -> Sum {
        let mut sum = Sum::default();
        loop {
            let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return sum };
            batch.iter().for_each(|line| sum.add(self.again(line)));
        }
    }
}

fn read(
    (directory, keys): (&Path, &WrappingKeys),
    newest: Option<usize>,
    send: &SyncSender<Vec<Line>>,
    progress: &Progress,
) -> Result<(), JournalError> {
    let mut batch = Vec::with_capacity(BATCH);
    let hand_over = |batch: &mut Vec<Line>| {
        progress.entries.fetch_add(batch.len() as u64, Ordering::Relaxed);
        // Nobody takes it where all who decide are gone; whoever waits for them hears why.
        send.send(std::mem::take(batch)).is_ok()
    };
    if let Some(newest) = newest {
        let mut last = tail(directory, newest, keys)?;
        hand_over(&mut last);
        return Ok(());
    }
    for line in read_lane(directory, keys)? {
        match line {
            Ok(line) => batch.push(line),
            Err(error) => {
                hand_over(&mut batch);
                return Err(error);
            }
        }
        if batch.len() >= BATCH && !hand_over(&mut batch) {
            return Ok(());
        }
    }
    hand_over(&mut batch);
    Ok(())
}
