//! A lane's own thread: syncs what was written, wakes who waits for it, signs a head, and keeps room set aside.
//!
//! One sync serves all who wait for one. A failed sync is never tried again: what the kernel dropped once it
//! reports as synced the next time.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    JournalError,
    disk::{Disk, LogFile, Opening},
    error::is_full,
    head::SignedHead,
    lane::Lane,
    segment::{Round, Trouble, append_all},
    tree::Edge,
};

/// How often a lane without room looks for some.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(500);
/// Room set aside behind the heads, and what of it is kept for the last one of a session.
const HEADS_AHEAD_BYTES: u64 = 64 * 1024;
const LAST_HEAD_BYTES: u64 = 2 * 1024;
/// Name of the file of signed heads.
pub(super) const HEADS: &str = "heads";

/// The thread's own things.
pub(super) struct Syncer {
    pub(super) lane: Arc<Lane>,
    pub(super) origin: Arc<str>,
    pub(super) directory: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) heads: Heads,
    /// Whether the disk can set room aside at all.
    pub(super) can_reserve: bool,
}

/// The file of signed heads: one for the end of each full segment, and all those of the open one.
pub(super) struct Heads {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    file: Arc<dyn LogFile>,
    bytes: u64,
    /// Up to where the disk has set room aside; none where it has none, or sets none aside.
    reserved: Option<u64>,
    signed: u64,
    /// The heads of full segments, as they stand in the file.
    kept: String,
}

impl Heads {
    /// Goes on after what was recovered.
    pub(super) fn open(
        directory: &Path,
        disk: &Arc<dyn Disk>,
        bytes: u64,
        signed: u64,
        kept: String,
    ) -> Result<Self, JournalError> {
        let path = directory.join(HEADS);
        let file = disk.open(&path, Opening::Standing).map_err(JournalError::io("cannot open", &path))?;
        Ok(Self { path, disk: disk.clone(), file, bytes, reserved: None, signed, kept })
    }

    /// Sets room aside, so that the last head of a session finds some also on a full disk.
    fn keep_room(&mut self) {
        if self.reserved.is_none_or(|reserved| reserved < self.bytes + HEADS_AHEAD_BYTES / 2) {
            let wanted = self.bytes + HEADS_AHEAD_BYTES;
            if self.file.reserve(wanted).is_ok() {
                self.reserved = Some(wanted);
            }
        }
    }

    /// Appends a head. Without room it is left out: the next one covers all that this one did.
    fn append(&mut self, head: &SignedHead, last: bool) -> Result<Appended, String> {
        let text = format!("{}\n", head.note());
        let end = self.bytes + text.len() as u64 + LAST_HEAD_BYTES;
        if !last && self.reserved.is_some_and(|reserved| end > reserved) {
            return Ok(Appended::LeftOut);
        }
        let (taken, trouble) = append_all(&*self.file, text.as_bytes());
        match trouble {
            None => {
                self.bytes += taken as u64;
                self.signed = head.size;
                Ok(Appended::There)
            }
            Some(Trouble::Full) => {
                self.file.cut(self.bytes).map_err(|error| error.to_string())?;
                Ok(Appended::LeftOut)
            }
            Some(Trouble::Broken(why)) => Err(why),
            Some(Trouble::Closed) => Err("closed".to_owned()),
        }
    }

    /// Lets the heads inside full segments go: the head at a segment's end covers all that they did. Without room
    /// the file stays as it is.
    fn thin(&mut self, ends: &[SignedHead]) -> Result<(), String> {
        for head in ends {
            self.kept.push_str(head.note());
            self.kept.push('\n');
        }
        match self.disk.replace(&self.path, self.kept.as_bytes()) {
            Ok(()) => {
                self.file =
                    self.disk.open(&self.path, Opening::Standing).map_err(|error| error.to_string())?;
                self.bytes = self.kept.len() as u64;
                self.reserved = None;
                Ok(())
            }
            Err(error) if is_full(&error) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether a head is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appended {
    There,
    LeftOut,
}

impl Syncer {
    /// Runs until the lane is closed or failed.
    pub(super) fn run(mut self) {
        // ORDER: room before the first entries come, so that the reserve is there when the disk is full.
        self.keep_room();
        loop {
            let last = self.wait();
            let mut done = self.round(last);
            if last && done.is_ok() {
                // A session that ends as it should leaves no entry above its newest head, whatever comes then.
                done = self.heads.file.sync().map_err(|error| format!("cannot sync the heads: {error}"));
            }
            if let Err(why) = &done {
                self.lane.fail(why);
            }
            if last || done.is_err() {
                break;
            }
            self.keep_room();
        }
        // Whoever came meanwhile, or comes yet, is told that nothing will follow.
        self.lane.sync.ended.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut self.lane.sync.wishes.lock().waiting);
        for waker in waiting {
            waker.wake();
        }
    }

    /// Until someone wants a sync or room, or entries have waited for their head long enough. True at the end.
    fn wait(&self) -> bool {
        let desk = &self.lane.sync;
        let mut wishes = desk.wishes.lock();
        while !wishes.stop && !wishes.sync && !wishes.room {
            let patience = match desk.dirty.load(Ordering::Acquire) {
                true => Some(self.lane.head_interval),
                false => self.lane.is_tight().then_some(LOOK_FOR_ROOM),
            };
            match patience {
                Some(patience) if desk.bell.wait_for(&mut wishes, patience).timed_out() => break,
                Some(_) => {}
                None => desk.bell.wait(&mut wishes),
            }
        }
        (wishes.sync, wishes.room) = (false, false);
        wishes.stop
    }

    fn round(&mut self, last: bool) -> Result<(), String> {
        // ORDER: before the edge is taken, so that what is written from here on asks for another round.
        self.lane.sync.dirty.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut self.lane.sync.wishes.lock().waiting);
        let round = self.lane.writer.lock().round();
        let synced = self.sync(&round);
        if synced.is_ok() {
            self.lane.set_synced(round.edge.size());
        } else if let Err(why) = &synced {
            self.lane.fail(why);
        }
        for waker in waiting {
            waker.wake();
        }
        synced?;
        // A head for the end of each full segment: opening the lane later need not read what stands before.
        let key = self.lane.keys.signing();
        let ends: Vec<_> =
            round.closed.iter().map(|closed| SignedHead::sign(&self.origin, &closed.edge, key)).collect();
        if !ends.is_empty() {
            self.heads.thin(&ends).map_err(|why| format!("cannot write the heads: {why}"))?;
        }
        self.sign(&round.edge, last)
    }

    /// ORDER: entries are synced before a head over them is written; a head that outlives its entries would read
    /// as damage.
    fn sync(&self, round: &Round) -> Result<(), String> {
        for closed in &round.closed {
            let Ok(()) = closed.segment.file.cut(closed.segment.bytes) else {
                return Err("cannot give back what was set aside".to_owned());
            };
            closed.segment.file.sync().map_err(|error| format!("cannot sync: {error}"))?;
        }
        if !round.closed.is_empty() {
            let synced = self.disk.sync_directory(&self.directory);
            synced.map_err(|error| format!("cannot sync the directory: {error}"))?;
        }
        if round.edge.size() > self.lane.sizes().1 {
            round.segment.file.sync().map_err(|error| format!("cannot sync: {error}"))?;
        }
        Ok(())
    }

    fn sign(&mut self, edge: &Edge, last: bool) -> Result<(), String> {
        if edge.size() <= self.heads.signed {
            return Ok(());
        }
        let head = SignedHead::sign(&self.origin, edge, self.lane.keys.signing());
        let appended = self.heads.append(&head, last).map_err(|why| format!("cannot write a head: {why}"))?;
        // ORDER: told to others once it is here, so that a head elsewhere is never ahead of those here.
        if appended == Appended::There {
            self.lane.head.send_replace(Some(Arc::new(head)));
        }
        Ok(())
    }

    /// Sets room aside ahead of the end of the segment. Where the disk has none left, strangers are refused while
    /// what remains is near the reserve.
    fn keep_room(&mut self) {
        if !self.can_reserve {
            return self.lane.set_room(false, false);
        }
        self.heads.keep_room();
        let Some((file, bytes)) = self.lane.writer.lock().wants_room() else {
            return self.lane.set_room(true, false);
        };
        let got = file.reserve(bytes);
        // ORDER: under the writer's lock, so that what a turn finds out later is not overwritten.
        let mut writer = self.lane.writer.lock();
        match got {
            Ok(()) => writer.reserved(&file, bytes),
            Err(error) if is_full(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.can_reserve = false,
        }
        self.lane.set_room(self.can_reserve, self.can_reserve && writer.is_tight());
    }
}
