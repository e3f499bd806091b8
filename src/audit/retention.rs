//! Putting old entries away under a rule, so that the journal stays as large and as old as somebody wants it, and stays
//! verifiable.
//!
//! Whole segments go, a lane's oldest first, never the open one, and only what a signed head covers. Of each entry the
//! hash of its leaf stays ([`hashes`](super::hashes)), so every root over it can still be made: earlier heads, proofs and
//! receipts go on to count. That a segment goes is an entry, synced before it does; the newest such entry says of every
//! lane what is gone of it, so that older ones may go themselves.
//!
//! What stays whatever the rule says: entries that somebody still needs (a sink that was not sent them), an intent
//! without outcome that no gate has told of, and a lane that is not what was signed. It is told, and never passed over.
//!
//! It is no work of a lane's thread, which syncs: whoever calls it has a thread of its own. One segment at a time is read,
//! memory is bounded by one line, and it ends between two lines where it is told to.

mod place;
mod saying;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Journal, JournalError, PublicKey,
    hashes::{self, Begun},
    lanes::{lock_file, origin},
    line::Line,
    read::{self, Step},
    recover::segments,
    tree::leaf_hash,
    wrapping::WrappingKeys,
};
use crate::{
    clock::Now,
    words::{ByteSize, Period},
};
use place::{Candidate, Place, Read, Scanned, oldest, opened};
use saying::Saying;

/// The file in the first lane's folder whose lock says that a process puts away in a gate's journal.
const LOCK: &str = "putting-away.lock";
/// LIMIT: erased lines of other segments that the entries of one segment may name.
const ERASED_MAX: usize = 1_000_000;

/// What may stay of a journal. Neither: all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// How old the newest entry of a segment may become.
    pub age: Option<Duration>,
    /// How large the gate's journal may become, all of its lanes together.
    pub size: Option<u64>,
}

/// Who needs entries of a lane yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The first entry that is needed.
    pub from: u64,
    /// By whom, in words: `the sink siem`.
    pub by: String,
}

/// What is wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// What may stay.
    pub rule: Rule,
    /// Who needs entries of a lane yet.
    pub needs: &'a (dyn Fn(&str) -> Option<Need> + Sync),
    /// The index's folder, where there may be one: it forgets them too.
    pub index: Option<&'a Path>,
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("rule", &self.rule).field("index", &self.index).finish_non_exhaustive()
    }
}

/// How far it is, for whoever waits; and the way to end it.
#[derive(Debug, Default)]
pub struct Putting {
    /// Entries read.
    pub read: AtomicU64,
    /// Entries put away.
    pub put_away: AtomicU64,
    /// Set to have it end where it is.
    pub stop: AtomicBool,
}

/// What became of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Lane by lane.
    pub lanes: Vec<RetainedLane>,
    /// Bytes of the journal now; where it was only looked, then.
    pub bytes: u64,
    /// Bytes beyond the size that it may have.
    pub over: u64,
    /// Another process was at it, so nothing was done.
    pub is_busy: bool,
}

/// What became of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetainedLane {
    /// Which.
    pub lane: String,
    /// Segments that were put away; where it was only looked, that would be.
    pub gone: Vec<Gone>,
    /// The segment that would have been next, and why it stays.
    pub held: Option<Held>,
    /// When the first entry that is here was written.
    pub oldest: Option<Timestamp>,
}

/// A segment that was put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its first entry.
    pub first: u64,
    /// The entry after its last.
    pub to: u64,
    /// When its first entry was written.
    pub from: Timestamp,
    /// When its last entry was written.
    pub until: Timestamp,
    /// By which rule.
    pub rule: String,
    /// Bytes that are free by it.
    pub bytes: u64,
}

/// A segment that stays although the rule has it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its first entry.
    pub first: u64,
    /// The entry after its last.
    pub to: u64,
    /// Why.
    pub why: HeldBy,
}

/// Why a segment stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// No signed head covers all of it.
    Unsigned,
    /// Somebody needs its entries.
    Needed(Need),
    /// An intent without outcome stands in it.
    Intent(u64),
    /// It is not what was signed, or cannot be read.
    Damaged(String),
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("no signed head covers all of it"),
            Self::Needed(need) => write!(f, "{} needs entry {} and those after it", need.by, need.from),
            Self::Intent(sequence) => {
                write!(f, "nobody knows yet what became of the intent in entry {sequence}")
            }
            Self::Damaged(why) => f.write_str(why),
        }
    }
}

impl Retained {
    /// Entries that were put away.
    pub fn entries(&self) -> u64 {
        self.lanes.iter().flat_map(|lane| &lane.gone).map(|gone| gone.to.saturating_sub(gone.first)).sum()
    }

    /// Lanes in which something stays although the rule has it go.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.lanes.iter().filter_map(|lane| Some((&*lane.lane, lane.held.as_ref()?)))
    }

    /// When the oldest entry that is here was written.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.oldest).min()
    }
}

/// Puts away what a rule has go, in lanes of other processes too. Blocks. Asks `now` once a segment.
///
/// # Errors
/// The folder cannot be read or written, or the journal does not take an entry: what was put away before stays so. What
/// is wrong with a lane holds it back and is told, and the others are gone on with.
pub fn retain(
    journal: &Journal,
    wanted: &Wanted<'_>,
    who: &str,
    now: &dyn Fn() -> Now,
    putting: &Putting,
) -> Result<Retained, JournalError> {
    let key = journal.keys().public();
    let act = Act::PutAway { journal, who, now };
    let Some(_held) = hold(journal.directory())? else {
        return Ok(Retained { is_busy: true, ..Retained::default() });
    };
    finish(journal.directory(), journal.keys().wrapping())?;
    let wrapping = journal.keys().wrapping();
    Turn { gate_directory: journal.directory(), key: &key, wrapping, wanted, act, putting }.all(now().wall)
}

/// Looks for what [`retain`] would put away, and changes nothing. Blocks.
///
/// # Errors
/// The folder cannot be read.
pub fn find_retainable(
    gate_directory: &Path,
    (key, wrapping): (&PublicKey, &WrappingKeys),
    wanted: &Wanted<'_>,
    now: Timestamp,
    putting: &Putting,
) -> Result<Retained, JournalError> {
    Turn { gate_directory, key, wrapping, wanted, act: Act::Look, putting }.all(now)
}

/// Bytes of a gate's journal, and when its oldest entry that is here was written. Cheap. Blocks.
///
/// # Errors
/// It cannot be read.
pub fn measure(gate_directory: &Path, keys: &WrappingKeys) -> Result<(u64, Option<Timestamp>), JournalError> {
    let mut oldest: Option<Timestamp> = None;
    for lane in read::lanes(gate_directory)? {
        let first = segments(&gate_directory.join(lane))?.into_iter().next();
        let at = first.and_then(|segment| read::begins(&segment, keys).ok().flatten());
        oldest = oldest.into_iter().chain(at).min();
    }
    Ok((bytes(gate_directory)?, oldest))
}

/// Finishes what a crash left half done, unless a process is at it. For start-up.
pub(super) fn finish_begun(gate_directory: &Path, keys: &WrappingKeys) -> Result<(), JournalError> {
    match hold(gate_directory)? {
        Some(_held) => finish(gate_directory, keys),
        None => Ok(()),
    }
}

fn finish(gate_directory: &Path, keys: &WrappingKeys) -> Result<(), JournalError> {
    for lane in read::lanes(gate_directory)? {
        hashes::finish(&gate_directory.join(lane), keys)?;
    }
    Ok(())
}

/// The right to put away; none while another process has it, or where there is no lane yet.
fn hold(gate_directory: &Path) -> Result<Option<fs::File>, JournalError> {
    let first = gate_directory.join("0");
    if !first.is_dir() {
        return Ok(None);
    }
    let path = first.join(LOCK);
    let lock = lock_file(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(JournalError::io("cannot lock", path)(error)),
    }
}

/// What is done with a segment that goes.
#[derive(Clone, Copy)]
enum Act<'a> {
    Look,
    PutAway { journal: &'a Journal, who: &'a str, now: &'a dyn Fn() -> Now },
}

struct Turn<'a> {
    gate_directory: &'a Path,
    key: &'a PublicKey,
    wrapping: &'a WrappingKeys,
    wanted: &'a Wanted<'a>,
    act: Act<'a>,
    putting: &'a Putting,
}

/// Why one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Age(Duration),
    Size(u64),
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(age) => write!(f, "age {}", Period(*age)),
            Self::Size(size) => write!(f, "size {}", ByteSize(*size)),
        }
    }
}

impl Turn<'_> {
    fn all(&self, now: Timestamp) -> Result<Retained, JournalError> {
        let mut places = self.places()?;
        let mut bytes = bytes(self.gate_directory)?;
        while !self.is_told_to_stop()
            && let Some((candidate, due)) = self.due(&mut places, bytes, now)?
        {
            let freed = self.one(&mut places, &candidate, due, now)?;
            bytes = match self.act {
                Act::Look => bytes.saturating_sub(freed),
                Act::PutAway { .. } => self::bytes(self.gate_directory)?,
            };
        }
        for place in &mut places {
            let first = place.segments.get(place.next);
            place.told.oldest = first.and_then(|segment| read::begins(segment, self.wrapping).ok().flatten());
        }
        let over = self.wanted.rule.size.map_or(0, |size| bytes.saturating_sub(size));
        let lanes = places.into_iter().map(|place| place.told).collect();
        Ok(Retained { lanes, bytes, over, is_busy: false })
    }

    fn is_told_to_stop(&self) -> bool {
        self.putting.stop.load(Ordering::Relaxed)
    }

    fn places(&self) -> Result<Vec<Place>, JournalError> {
        let gate = self.gate_directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let place = |lane: String| {
            let directory = self.gate_directory.join(&lane);
            Ok(Place {
                origin: origin(gate, &lane),
                segments: segments(&directory)?,
                directory,
                next: 0,
                bounds: None,
                told: RetainedLane { lane, ..RetainedLane::default() },
                is_done: false,
            })
        };
        read::lanes(self.gate_directory)?.into_iter().map(place).collect()
    }

    /// The oldest segment of all lanes, where the rule has it go.
    fn due(
        &self,
        places: &mut [Place],
        bytes: u64,
        now: Timestamp,
    ) -> Result<Option<(Candidate, Due)>, JournalError> {
        let mut oldest: Option<Candidate> = None;
        for (lane, place) in places.iter_mut().enumerate() {
            let Some(candidate) = place.candidate(lane, self.wrapping) else { continue };
            if oldest.as_ref().is_none_or(|oldest| candidate.ends < oldest.ends) {
                oldest = Some(candidate);
            }
        }
        let Some(candidate) = oldest else { return Ok(None) };
        let Rule { age, size } = self.wanted.rule;
        let by_age = age.filter(|age| is_older(candidate.ends, *age, now)).map(Due::Age);
        let by_size = size.filter(|size| bytes > *size).map(Due::Size);
        Ok(by_age.or(by_size).map(|due| (candidate, due)))
    }

    /// Puts one segment away, or notes why it stays. Gives the bytes that are free by it.
    fn one(
        &self,
        places: &mut [Place],
        candidate: &Candidate,
        due: Due,
        now: Timestamp,
    ) -> Result<u64, JournalError> {
        let (first, to) = (candidate.segment.first, candidate.after.first);
        let oldest = oldest(places);
        let Some(place) = places.get_mut(candidate.lane) else { return Ok(0) };
        place.is_done = true;
        let hold = |place: &mut Place, why| place.told.held = Some(Held { first, to, why });
        if let Some(why) = place.held_by(to, self.wanted, (self.key, self.wrapping)) {
            hold(place, why);
            return Ok(0);
        }
        let scanned = match self.scan(place, candidate, &oldest)? {
            Ok(Some(scanned)) => scanned,
            Ok(None) => return Ok(0),
            Err(why) => {
                hold(place, HeldBy::Damaged(why));
                return Ok(0);
            }
        };
        // An earlier entry may be younger than its last one, where somebody set the clock.
        let (from, until) = scanned.moments();
        if let Due::Age(age) = due
            && !is_older(until, age, now)
        {
            scanned.give_up();
            return Ok(0);
        }
        let bytes = fs::metadata(&candidate.segment.path).map_or(0, |data| data.len());
        let gone = Gone { first, to, from, until, rule: due.to_string(), bytes };
        match self.act {
            Act::Look => {}
            Act::PutAway { journal, who, now } => {
                let saying = Saying { journal, who, now: now(), gate_directory: self.gate_directory };
                saying.put_away(place, candidate, scanned, &gone)?;
                self.forget(&place.told.lane, first)?;
                self.putting.put_away.fetch_add(to.saturating_sub(first), Ordering::Relaxed);
            }
        }
        place.told.gone.push(gone);
        (place.next, place.is_done) = (place.next + 1, false);
        Ok(bytes)
    }

    /// Reads a segment and hashes it. None where it was told to end; the inner error says why it stays.
    fn scan(
        &self,
        place: &Place,
        candidate: &Candidate,
        oldest: &BTreeMap<String, u64>,
    ) -> Result<Result<Option<Scanned>, String>, JournalError> {
        let mut begun = match self.act {
            Act::Look => None,
            Act::PutAway { .. } => Some(Begun::new(&place.directory)?),
        };
        match self.read(place, candidate, oldest, begun.as_mut())? {
            Ok(Some(read)) => Ok(Ok(Some(Scanned { begun, read }))),
            unread => {
                if let Some(begun) = begun {
                    begun.give_up();
                }
                Ok(unread.map(|_| None))
            }
        }
    }

    fn read(
        &self,
        place: &Place,
        candidate: &Candidate,
        oldest: &BTreeMap<String, u64>,
        mut begun: Option<&mut Begun>,
    ) -> Result<Result<Option<Read>, String>, JournalError> {
        let Candidate { segment, after, .. } = candidate;
        let (edge, mut lines) = match opened(segment, &place.origin, self.wrapping) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut read = Read { edge, moments: None, erased: Vec::new() };
        let (mut line, mut scratch) = (Line::default(), Vec::new());
        if !place.bears_out(&read.edge) {
            return Ok(Err("what stands before it is not what was signed".to_owned()));
        }
        loop {
            if self.is_told_to_stop() {
                return Ok(Ok(None));
            }
            match read::next_line(&segment.path, &mut lines, &mut line) {
                Ok(Step::Line) => {}
                Ok(Step::End) => break,
                Ok(Step::Short) => return Ok(Err(format!("it ends inside entry {}", read.edge.size()))),
                Err(error) => return Ok(Err(error.to_string())),
            }
            let hash = leaf_hash(line.leaf_bytes(), &mut scratch);
            if let Some(begun) = &mut begun {
                begun.push(&hash)?;
            }
            read.edge.push(hash);
            match line.facts() {
                Ok(facts) => read.take(&facts, (&place.told.lane, segment.first, after.first), oldest),
                Err(error) => return Ok(Err(format!("entry {} is no entry: {error}", line.sequence))),
            }
            if read.erased.len() > ERASED_MAX {
                return Ok(Err(format!("its entries name more than {ERASED_MAX} erased lines of others")));
            }
            self.putting.read.fetch_add(1, Ordering::Relaxed);
        }
        let follows = opened(after, &place.origin, self.wrapping).is_ok_and(|(edge, _)| edge == read.edge);
        match follows && place.bears_out(&read.edge) {
            true => Ok(Ok(Some(read))),
            false => Ok(Err("its entries are not those that were signed".to_owned())),
        }
    }

    /// The index forgets a segment: it would do so by itself at the next search.
    fn forget(&self, lane: &str, first: u64) -> Result<(), JournalError> {
        let gate = self.gate_directory.file_name().unwrap_or_default();
        match self.wanted.index {
            Some(index) => super::index::forget(&index.join(gate).join(lane), first),
            None => Ok(()),
        }
    }
}

fn is_older(moment: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(moment)).is_ok_and(|is| is > age)
}

/// Bytes of all files of a gate's journal.
fn bytes(gate_directory: &Path) -> Result<u64, JournalError> {
    let mut bytes = 0_u64;
    for lane in read::lanes(gate_directory)? {
        let directory = gate_directory.join(lane);
        let unreadable = || JournalError::io("cannot read", &directory);
        for entry in fs::read_dir(&directory).map_err(unreadable())? {
            match entry.and_then(|entry| entry.metadata()) {
                Ok(data) => bytes = bytes.saturating_add(data.len()),
                // It went meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable()(error)),
            }
        }
    }
    Ok(bytes)
}
