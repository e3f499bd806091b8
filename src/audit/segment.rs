//! The one writer of a lane: puts gathered lines into the open segment with one write, and keeps the tree.
//!
//! What `write(2)` took survives kill -9. A full disk refuses what found no room and cuts the torn line away; any
//! other failure closes the lane for good.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    JournalError,
    disk::{Disk, LogFile, Opening},
    error::is_full,
    line::{HEAD_LEN, Mark, SegmentHead, finish, segment_head},
    read,
    recover::SegmentFile,
    sealed::{self, Begun, LINE_OVERHEAD, Sealing},
    tree::{Edge, leaf_hash},
    wrapping::WrappingKeys,
};
use crate::words::Digest;

/// Room set aside ahead of the end of a segment, beyond the reserve.
const AHEAD_BYTES: u64 = 8 * 1024 * 1024;
/// LIMIT: gathered bytes at which whoever appends writes by itself (one more entry may come on top).
pub(super) const TURN_BYTES_MAX: u64 = 1024 * 1024;

/// Lines that wait for the end of the loop turn.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) bytes: Vec<u8>,
    pub(super) marks: Vec<Mark>,
    /// By which words strangers' lines are counted where they find no room.
    pub(super) counted: Vec<Option<&'static str>>,
}

impl Gathered {
    /// Puts a line behind the others.
    pub(super) fn push(
        &mut self,
        line: &[u8],
        (leaf, beside): (usize, usize),
        counted: Option<&'static str>,
    ) {
        self.marks.push(Mark { start: self.bytes.len(), leaf, beside });
        self.bytes.extend_from_slice(line);
        self.counted.push(counted);
    }

    /// Empties it and keeps its room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
        self.counted.clear();
    }

    /// The leaf of a line.
    pub(super) fn leaf(&self, mark: &Mark) -> &[u8] {
        let start = mark.start + HEAD_LEN;
        self.bytes.get(start..start + mark.leaf).unwrap_or_default()
    }
}

/// Where the next lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the segment that was open.
    Here,
    /// Into one that was begun for them.
    Begun,
}

/// What became of gathered lines: the first `good` of them are written, from sequence `first` on.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) first: u64,
    pub(super) good: usize,
    pub(super) trouble: Option<Trouble>,
    /// The leaf hashes of those that are written, where callers are given receipts.
    pub(super) leaves: Vec<Digest>,
}

impl Outcome {
    /// None of them is.
    pub(super) fn none(first: u64, trouble: Trouble) -> Self {
        Self { first, good: 0, trouble: Some(trouble), leaves: Vec::new() }
    }
}

/// Why lines were not written.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// No room; the next lines may find some.
    Full,
    /// Never again.
    Broken(String),
    /// The lane was given up: another process may own it.
    Closed,
}

/// The open segment and the tree.
pub(super) struct Writer {
    directory: PathBuf,
    origin: Arc<str>,
    disk: Arc<dyn Disk>,
    segment: Segment,
    /// The sequence of the open segment's first entry: its name.
    first: u64,
    /// When that entry was written.
    began: Option<Timestamp>,
    edge: Edge,
    /// Full segments that the lane's thread has yet to sync and sign for.
    closed: Vec<Closed>,
    sizes: Sizes,
    hashes: Vec<Digest>,
    /// Where each line of this turn ends.
    ends: Vec<usize>,
    scratch: Vec<u8>,
    tells_leaves: bool,
    wrapping: WrappingKeys,
    /// The open segment stands encrypted.
    sealing: Option<Sealing>,
    /// Lines of this turn as they are sealed.
    sealed: Vec<u8>,
}

/// Whose lane is written to, and how.
#[derive(Clone, Copy)]
pub(super) struct WriterOf<'a> {
    pub(super) directory: &'a Path,
    pub(super) origin: &'a Arc<str>,
    pub(super) disk: &'a Arc<dyn Disk>,
    pub(super) wrapping: &'a WrappingKeys,
    pub(super) sizes: Sizes,
}

/// How large a lane's files become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// When the next segment begins.
    pub(super) segment_bytes_max: u64,
    /// How old the first entry of a segment becomes before the next begins.
    pub(super) segment_age_max: Duration,
    /// Room that strangers never use.
    pub(super) reserve_bytes: u64,
}

/// A file that is written to.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) file: Arc<dyn LogFile>,
    /// Its length, whole lines only.
    pub(super) bytes: u64,
    /// Up to where the disk has set room aside.
    pub(super) reserved: u64,
}

/// A segment that is full, and the tree at its end.
pub(super) struct Closed {
    pub(super) segment: Segment,
    pub(super) edge: Edge,
}

/// What the lane's thread syncs and signs: everything written so far.
pub(super) struct Round {
    pub(super) closed: Vec<Closed>,
    pub(super) segment: Segment,
    pub(super) edge: Edge,
}

/// Name of the segment whose first entry has that sequence.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}

impl Writer {
    /// Goes on in a segment that stands, its length as recovered; in a new one where this one stands encrypted and the
    /// next is not to, or the other way.
    pub(super) fn standing(
        of: WriterOf<'_>,
        (segment, bytes): (&SegmentFile, u64),
        edge: Edge,
    ) -> Result<Self, JournalError> {
        let path = &segment.path;
        let head = SegmentHead::line_of(path)?;
        let key =
            SegmentHead::read(&head).map(|head| sealed::key_of(path, &head, of.wrapping)).transpose()?;
        let sealing = key.flatten().map(Sealing::resume).transpose()?;
        let file = of.disk.open(path, Opening::Standing).map_err(JournalError::io("cannot open", path))?;
        let fits = sealing.is_some() == of.wrapping.current()?.is_some();
        let open = (Segment { file, bytes, reserved: 0 }, segment.first);
        let began = read::begins(segment, of.wrapping)?;
        let mut writer = Self { began, ..Self::with(of, open, edge, sealing) };
        if !fits {
            writer.turn_over(None).map_err(JournalError::io("cannot begin", of.directory))?;
        }
        Ok(writer)
    }

    /// Begins a lane that has no segment.
    pub(super) fn fresh(of: WriterOf<'_>) -> Result<Self, JournalError> {
        let edge = Edge::default();
        let begun = begin(of.directory, of.origin, &**of.disk, &edge, of.wrapping);
        let (segment, sealing) = begun.map_err(JournalError::io("cannot begin", of.directory))?;
        Ok(Self::with(of, (segment, 0), edge, sealing))
    }

    fn with(
        of: WriterOf<'_>,
        (segment, first): (Segment, u64),
        edge: Edge,
        sealing: Option<Sealing>,
    ) -> Self {
        Self {
            directory: of.directory.to_owned(),
            origin: of.origin.clone(),
            disk: of.disk.clone(),
            segment,
            first,
            began: None,
            edge,
            closed: Vec::new(),
            sizes: of.sizes,
            hashes: Vec::new(),
            ends: Vec::new(),
            scratch: Vec::new(),
            tells_leaves: false,
            wrapping: of.wrapping.clone(),
            sealing,
            sealed: Vec::new(),
        }
    }

    /// From now on leaf hashes are told, for receipts.
    pub(super) fn tell_leaves(&mut self, tells: bool) {
        self.tells_leaves = tells;
    }

    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Writes gathered lines with one write, as a rule.
    pub(super) fn write(&mut self, gathered: &mut Gathered) -> Outcome {
        let first = self.edge.size();
        if let Err(why) = self.lay_out(gathered, first) {
            return Outcome::none(first, Trouble::Broken(why));
        }
        let bytes = if self.sealing.is_some() { &self.sealed } else { &gathered.bytes };
        let (taken, mut trouble) = append_all(&*self.segment.file, bytes);
        let good = self.ends.iter().take_while(|end| **end <= taken).count();
        let whole = good.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        self.segment.bytes += whole as u64;
        let leaves = match self.tells_leaves {
            true => self.hashes.iter().take(good).copied().collect(),
            false => Vec::new(),
        };
        for hash in self.hashes.drain(..).take(good) {
            self.edge.push(hash);
        }
        if taken > whole
            && let Err(error) = self.segment.file.cut(self.segment.bytes)
        {
            trouble = Some(Trouble::Broken(format!("cannot cut a torn line: {error}")));
        }
        if trouble.is_some() {
            self.segment.reserved = 0;
        }
        Outcome { first, good, trouble, leaves }
    }

    /// Makes lines of what was gathered, as they will stand in the file, and the hashes of their leaves.
    fn lay_out(&mut self, gathered: &mut Gathered, first: u64) -> Result<(), String> {
        self.hashes.clear();
        self.ends.clear();
        self.sealed.clear();
        for (mark, sequence) in gathered.marks.iter().zip(first..) {
            let outside = || "a line stands outside its buffer".to_owned();
            let line = mark.number(&mut gathered.bytes, sequence).ok_or_else(outside)?;
            let (leaf, beside) = mark.parts(line).ok_or_else(outside)?;
            self.hashes.push(leaf_hash(leaf, &mut self.scratch));
            match &mut self.sealing {
                None => {
                    finish(line, mark.leaf, mark.beside).ok_or_else(outside)?;
                    self.ends.push(mark.end());
                }
                Some(sealing) => {
                    let sealed = sealing.line(sequence, (leaf, beside), &mut self.sealed);
                    sealed.map_err(|error| error.to_string())?;
                    self.ends.push(self.sealed.len());
                }
            }
        }
        Ok(())
    }

    fn is_old(&self, now: Timestamp) -> bool {
        let age = self.began.and_then(|began| Duration::try_from(now.duration_since(began)).ok());
        age.is_some_and(|age| age > self.sizes.segment_age_max)
    }

    /// Everything written so far, to be synced and signed by the lane's thread.
    pub(super) fn round(&mut self) -> Round {
        Round {
            closed: std::mem::take(&mut self.closed),
            segment: self.segment.clone(),
            edge: self.edge.clone(),
        }
    }

    /// Bytes set aside behind the end of the open segment.
    pub(super) fn room(&self) -> u64 {
        self.segment.reserved.saturating_sub(self.segment.bytes)
    }

    /// Whether a turn full of strangers' entries could reach into the reserve.
    pub(super) fn is_tight(&self) -> bool {
        // A turn's lines become some longer where they are sealed: by a sixth where they are as short as they come.
        let turn = if self.sealing.is_some() { TURN_BYTES_MAX * 5 / 4 } else { TURN_BYTES_MAX };
        self.sizes.reserve_bytes > 0 && self.room() < self.sizes.reserve_bytes + turn
    }

    /// Notes how far the disk set room aside for that file.
    pub(super) fn reserved(&mut self, file: &Arc<dyn LogFile>, bytes: u64) {
        if Arc::ptr_eq(file, &self.segment.file) {
            self.segment.reserved = bytes;
        }
    }

    /// Where room should be set aside up to, where it has become short.
    pub(super) fn wants_room(&self) -> Option<(Arc<dyn LogFile>, u64)> {
        let wanted = self.sizes.reserve_bytes + AHEAD_BYTES;
        (self.room() < wanted - AHEAD_BYTES / 4)
            .then(|| (self.segment.file.clone(), self.segment.bytes + wanted))
    }

    /// Begins the next segment where these lines would make this one too long, or where it is too old.
    pub(super) fn make_room(&mut self, gathered: &Gathered, now: Timestamp) -> Result<Place, Trouble> {
        let sealed = if self.sealing.is_some() { gathered.marks.len() * LINE_OVERHEAD } else { 0 };
        let bytes = (gathered.bytes.len() + sealed) as u64;
        let long = self.segment.bytes.saturating_add(bytes) > self.sizes.segment_bytes_max;
        // A segment holds at least one entry: its name is the sequence of its first.
        if self.first == self.edge.size() {
            self.began = Some(now);
            return Ok(Place::Here);
        }
        if !long && !self.is_old(now) {
            return Ok(Place::Here);
        }
        match self.turn_over(Some(now)) {
            Ok(()) => Ok(Place::Begun),
            Err(error) if is_full(&error) => Err(Trouble::Full),
            Err(error) => Err(Trouble::Broken(format!("cannot begin a segment: {error}"))),
        }
    }

    /// Begins the next segment. One that holds nothing yet is begun anew.
    fn turn_over(&mut self, began: Option<Timestamp>) -> io::Result<()> {
        let is_empty = self.first == self.edge.size();
        if is_empty {
            self.segment.file.cut(0)?;
        }
        let begun = begin(&self.directory, &self.origin, &*self.disk, &self.edge, &self.wrapping)?;
        let (next, sealing) = begun;
        let before = std::mem::replace(&mut self.segment, next);
        (self.first, self.sealing, self.began) = (self.edge.size(), sealing, began);
        // Here and not by the lane's thread, so that strangers are not refused at every new segment. Where it
        // fails the thread tries again.
        let wanted = self.segment.bytes + self.sizes.reserve_bytes + AHEAD_BYTES;
        if before.reserved > 0 && self.segment.file.reserve(wanted).is_ok() {
            self.segment.reserved = wanted;
        }
        if !is_empty {
            self.closed.push(Closed { segment: before, edge: self.edge.clone() });
        }
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("origin", &self.origin)
            .field("size", &self.edge.size())
            .field("bytes", &self.segment.bytes)
            .finish_non_exhaustive()
    }
}

/// A new segment with its first line. One whose first line found no room leaves an empty file behind that the
/// next try takes over.
fn begin(
    directory: &Path,
    origin: &str,
    disk: &dyn Disk,
    edge: &Edge,
    keys: &WrappingKeys,
) -> io::Result<(Segment, Option<Sealing>)> {
    let wrapping = keys.current().map_err(told)?;
    let begun =
        wrapping.map(|wrapping| Begun::new(&wrapping, origin, edge.size())).transpose().map_err(told)?;
    let path = directory.join(segment_name(edge.size()));
    let file = match disk.open(&path, Opening::Fresh) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_empty(&path) => {
            disk.open(&path, Opening::Standing)?
        }
        opened => opened?,
    };
    let head = segment_head(origin, edge, begun.as_ref().map(|begun| &begun.wrapped));
    let (taken, trouble) = append_all(&*file, &head);
    match trouble {
        None => {
            begun.as_ref().map_or(Ok(()), |begun| begun.look_again(keys, &path)).map_err(told)?;
            let segment = Segment { file, bytes: head.len() as u64, reserved: 0 };
            Ok((segment, begun.map(|begun| begun.sealing)))
        }
        Some(trouble) => {
            if taken > 0 {
                file.cut(0)?;
            }
            Err(match trouble {
                Trouble::Full => io::ErrorKind::StorageFull.into(),
                Trouble::Broken(why) => io::Error::other(why),
                Trouble::Closed => io::Error::other("closed"),
            })
        }
    }
}

fn told(error: JournalError) -> io::Error {
    match error {
        JournalError::Full => io::ErrorKind::StorageFull.into(),
        other => io::Error::other(other.to_string()),
    }
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.len() == 0)
}

/// Appends until all is taken or nothing goes any more; gives how much was taken.
pub(super) fn append_all(file: &dyn LogFile, bytes: &[u8]) -> (usize, Option<Trouble>) {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match file.append(rest) {
            Ok(0) => return (taken, Some(Trouble::Full)),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_full(&error) => return (taken, Some(Trouble::Full)),
            Err(error) => return (taken, Some(Trouble::Broken(error.to_string()))),
        }
    }
    (taken, None)
}
