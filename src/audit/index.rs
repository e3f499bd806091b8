//! The index of a journal: where the entries stand that name somebody or something, so that ten million of them are
//! searched in a moment.
//!
//! It is never the truth. It is made of the journal and can be thrown away; before each use it is checked against what
//! it was made of (a segment's first line, the last line it knows, the tree's edge there, a keyed digest over all of it)
//! and goes on from there, or is made again. Whatever is found by it is read back from the journal itself.
//!
//! Here stands what is read, too: which lanes, how far, and what of them could not be read.

mod part;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{
    Fault, JournalError, JournalKeys, PutAway, hashes,
    keys::make_directory,
    lanes::origin,
    leaf::Leaf,
    line::{Line, Lines, SegmentHead, parse_segment_head},
    read::{self, Step},
    recover::{SegmentFile, newest_head, segments},
    sealed::IndexKey,
    terms::{Term, Terms},
    tree::{Edge, leaf_hash, sha256},
};
use crate::words::Digest;
use part::Gathered;
pub(super) use part::{Look, Part};

/// LIMIT: faults told.
const FAULTS_MAX: usize = 100;

/// How far it is, for whoever waits.
#[derive(Debug, Default)]
pub struct IndexProgress {
    /// Entries read to make it.
    pub entries: AtomicU64,
    /// Bytes read to make it.
    pub bytes: AtomicU64,
    /// Bytes there are to be read.
    pub bytes_in_all: AtomicU64,
}

/// The index of one gate's journal, brought up to what stands in the journal now.
#[derive(Debug)]
pub struct Index<'k> {
    pub(super) keys: &'k JournalKeys,
    pub(super) lanes: Vec<IndexedLane>,
    faults: Vec<Fault>,
    made: u64,
}

/// A lane, and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRead {
    /// Which.
    pub lane: String,
    /// The first entry that is here; those before it are not.
    pub from: u64,
    /// What was put away under a rule: the entries before.
    pub put_away: Option<PutAway>,
    /// The entry after the last one that is here.
    pub to: u64,
    /// The size and root of its newest signed head.
    pub head: Option<(u64, String)>,
}

#[derive(Debug)]
pub(super) struct IndexedLane {
    pub(super) read: LaneRead,
    pub(super) segments: Vec<IndexedSegment>,
}

#[derive(Debug)]
pub(super) struct IndexedSegment {
    pub(super) path: PathBuf,
    pub(super) parts: Vec<Part>,
}

impl<'k> Index<'k> {
    /// Opens the index in a folder of its own, makes what is not there yet, and makes again what does not fit. Blocks.
    ///
    /// # Errors
    /// The journal's folder cannot be read, or the index not be written. What is wrong with a lane is told by
    /// [`faults`](Self::faults), and the others are gone on with.
    pub fn open(
        gate_directory: &Path,
        folder: &Path,
        keys: &'k JournalKeys,
        progress: &IndexProgress,
    ) -> Result<Self, JournalError> {
        let gate = gate_directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut index = Self { keys, lanes: Vec::new(), faults: Vec::new(), made: 0 };
        for lane in read::lanes(gate_directory)? {
            let folder = folder.join(gate).join(&lane);
            make_directory(&folder)?;
            let directory = gate_directory.join(&lane);
            let origin = origin(gate, &lane);
            let at = At { lane: &lane, directory: &directory, folder: &folder, origin: &origin };
            index.lane(at, progress)?;
        }
        Ok(index)
    }

    /// The lanes, and how far each was read.
    pub fn lanes(&self) -> impl Iterator<Item = &LaneRead> {
        self.lanes.iter().map(|lane| &lane.read)
    }

    /// What of the journal could not be read.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many entries the index was made of just now; those before were known.
    pub fn made(&self) -> u64 {
        self.made
    }

    fn lane(&mut self, at: At<'_>, progress: &IndexProgress) -> Result<(), JournalError> {
        // ORDER: before the entries are read, which only grow in number meanwhile.
        let head = newest_head(at.directory, at.origin, &self.keys.public())
            .map(|head| (head.size, head.root.to_string()));
        let all = match segments(at.directory) {
            Ok(all) => all,
            Err(error) => {
                self.fault(at.lane, &error);
                Vec::new()
            }
        };
        let from = all.first().map_or(0, |segment| segment.first);
        let mut lane = IndexedLane {
            read: LaneRead { lane: at.lane.to_owned(), from, put_away: self.gone(at, from), to: from, head },
            segments: Vec::new(),
        };
        for (position, segment) in all.iter().enumerate() {
            if segment.first != lane.read.to {
                let (to, first) = (lane.read.to, segment.first);
                self.tell(at.lane, format!("entries from {to} to before {first} could not be read"));
            }
            let next = all.get(position + 1);
            let (parts, to) = self.segment(at, segment, next, progress)?;
            lane.read.to = to;
            lane.segments.push(IndexedSegment { path: segment.path.clone(), parts });
        }
        if let Some((size, _)) = &lane.read.head
            && *size > lane.read.to
        {
            let to = lane.read.to;
            self.tell(at.lane, format!("a signed head names {size} entries, and {to} could be read"));
        }
        self.lanes.push(lane);
        Ok(())
    }

    /// What was put away of a lane. The index forgets it; entries that are gone otherwise are told.
    fn gone(&mut self, at: At<'_>, from: u64) -> Option<PutAway> {
        let gone = hashes::put_away(at.directory).and_then(|gone| {
            for (_, first) in hashes::named(at.directory)? {
                if hashes::is_put_away(at.directory, first) {
                    forget(at.folder, first)?;
                }
            }
            Ok(gone)
        });
        let gone = gone.unwrap_or_else(|error| {
            self.fault(at.lane, &error);
            None
        });
        let known = gone.as_ref().map_or(0, |gone| gone.entries);
        if known != from {
            let what = format!(
                "entries from {known} to before {from} are gone, and nothing says that they were put away"
            );
            self.tell(at.lane, what);
        }
        gone
    }

    /// The parts of one segment, and the entry after the last that could be read of it.
    fn segment(
        &mut self,
        at: At<'_>,
        segment: &SegmentFile,
        next: Option<&SegmentFile>,
        progress: &IndexProgress,
    ) -> Result<(Vec<Part>, u64), JournalError> {
        let begins = match Begins::of(segment, at.origin) {
            Ok(begins) => begins,
            Err(error) => {
                self.fault(at.lane, &error);
                return Ok((Vec::new(), segment.first));
            }
        };
        // ORDER: before its files are looked at, which do not fit what cannot be opened; they may well fit once it can.
        let seal = match Lines::looks(&segment.path, self.keys.wrapping()) {
            Ok(lines) => lines.index_key(),
            Err(error) => {
                self.fault(at.lane, &error);
                return Ok((Vec::new(), segment.first));
            }
        };
        let mut parts = fitting(at.folder, segment, &begins, (self.keys, seal.as_ref()));
        let length = length(segment)?;
        let known = parts.last().map_or(begins.offset, |part| part.about.to.1);
        progress.bytes_in_all.fetch_add(length.saturating_sub(known), Ordering::Relaxed);
        let mut edge = parts.last().map_or_else(|| Some(begins.edge.clone()), |part| part.about.edge());
        if known < length {
            let (begins, last) = (&begins, next.is_none());
            let making = Making { at, segment, begins, keys: self.keys, seal, progress, last };
            let made = making.go_on(&mut parts)?;
            self.made += made.entries;
            edge = Some(made.edge);
            if let Some(error) = made.error {
                self.fault(at.lane, &error);
            }
        }
        let to = parts.last().map_or(segment.first, |part| part.about.to.0);
        if let Some(next) = next
            && next.first == to
            && Begins::of(next, at.origin).is_ok_and(|next| Some(&next.edge) != edge.as_ref())
        {
            let (first, why) = (segment.first, "its entries are not those that the next one goes on from");
            self.tell(
                at.lane,
                format!("the segment that begins with {first}: {why}; `bramka audit verify` says more"),
            );
        }
        Ok((parts, to))
    }

    fn fault(&mut self, lane: &str, error: &JournalError) {
        self.tell(lane, error.to_string());
    }

    fn tell(&mut self, lane: &str, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { place: format!("lane {lane}"), what });
        }
    }
}

/// Where it is made.
#[derive(Clone, Copy)]
struct At<'a> {
    lane: &'a str,
    directory: &'a Path,
    folder: &'a Path,
    origin: &'a str,
}

/// How a segment begins.
struct Begins {
    /// The digest of its first line.
    digest: String,
    /// Where its first entry stands.
    offset: u64,
    edge: Edge,
}

impl Begins {
    fn of(segment: &SegmentFile, origin: &str) -> Result<Self, JournalError> {
        let head = SegmentHead::line_of(&segment.path)?;
        let edge = parse_segment_head(&head, origin).filter(|edge| edge.size() == segment.first);
        let edge =
            edge.ok_or_else(|| read::damaged(&segment.path, 0, "the first line is not this segment's"))?;
        Ok(Self { digest: sha256(head.as_bytes()).to_string(), offset: head.len() as u64, edge })
    }
}

fn length(segment: &SegmentFile) -> Result<u64, JournalError> {
    fs::metadata(&segment.path).map(|data| data.len()).map_err(JournalError::io("cannot read", &segment.path))
}

/// The files of a segment that are of what stands in it, one after the other from its beginning; others are removed.
fn fitting(
    folder: &Path,
    segment: &SegmentFile,
    begins: &Begins,
    (keys, seal): (&JournalKeys, Option<&Arc<IndexKey>>),
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut broken = false;
    for path in files(folder, segment.first) {
        let from = parts.last().map_or((segment.first, begins.offset), |part| part.about.to);
        let fits = |part: &Part| {
            let about = &part.about;
            let here = about.segment == segment.first && about.segment_head == begins.digest;
            here && about.from == from && about.edge().is_some() && ends_so(segment, part, keys)
        };
        match Part::open(&path, keys, seal) {
            Ok(part) if !broken && fits(&part) => parts.push(part),
            Ok(_) | Err(_) => {
                // Those after it do not follow any more. What cannot be removed is written over.
                broken = true;
                drop(fs::remove_file(&path));
            }
        }
    }
    parts
}

/// Removes what a lane's folder has of a segment.
pub(super) fn forget(folder: &Path, first: u64) -> Result<(), JournalError> {
    for path in files(folder, first) {
        fs::remove_file(&path).map_err(JournalError::io("cannot remove", &path))?;
    }
    Ok(())
}

/// The files of a segment, in order.
fn files(folder: &Path, first: u64) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let begin = format!("{first:020}-");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(&begin) && name.ends_with(".idx") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether the last line that a file knows stands where it says.
fn ends_so(segment: &SegmentFile, part: &Part, keys: &JournalKeys) -> bool {
    let about = &part.about;
    let look = || {
        let mut lines = Lines::looks(&segment.path, keys.wrapping()).ok()?;
        let sequence = about.to.0.checked_sub(1)?;
        lines.go(about.last.0, sequence).ok()?;
        let mut line = Line::default();
        let stands = read::next_line(&segment.path, &mut lines, &mut line).ok()? == Step::Line;
        let same = leaf_hash(line.leaf_bytes(), &mut Vec::new()).to_string() == about.last.1;
        Some(stands && same && lines.offset() == about.to.1)
    };
    look().unwrap_or_default()
}

/// The making of what is missing of one segment.
struct Making<'a> {
    at: At<'a>,
    segment: &'a SegmentFile,
    begins: &'a Begins,
    keys: &'a JournalKeys,
    /// What seals the files, where the segment stands encrypted.
    seal: Option<Arc<IndexKey>>,
    progress: &'a IndexProgress,
    /// The lane ends with it: a line may be half written.
    last: bool,
}

/// What it came to.
struct Made {
    entries: u64,
    edge: Edge,
    /// Why it ended before the segment did.
    error: Option<JournalError>,
}

impl Making<'_> {
    fn go_on(&self, parts: &mut Vec<Part>) -> Result<Made, JournalError> {
        let mut gathered = self.begun(parts);
        let edge = parts.last().map_or_else(|| Some(self.begins.edge.clone()), |part| part.about.edge());
        let mut made = Made { entries: 0, edge: edge.unwrap_or_default(), error: None };
        let (sequence, offset) = gathered.about.to;
        let opened = Lines::resume(&self.segment.path, offset, sequence, self.keys.wrapping());
        let mut lines = match opened {
            Ok(lines) => lines,
            Err(error) => return Ok(Made { error: Some(error), ..made }),
        };
        let (mut line, mut fresh) = (Line::default(), Fresh::new());
        loop {
            let ended = match read::next_line(&self.segment.path, &mut lines, &mut line) {
                Ok(Step::Line) => None,
                Ok(Step::Short) if !self.last => Some(Some(self.short(lines.offset()))),
                Ok(Step::End | Step::Short) => Some(None),
                Err(error) => Some(Some(error)),
            };
            if let Some(error) = ended {
                made.error = error;
                if fresh.lines > 0 {
                    self.write(gathered, (&made.edge, &fresh.leaf), parts)?;
                }
                return Ok(made);
            }
            let leaf = leaf_hash(line.leaf_bytes(), &mut fresh.scratch);
            made.edge.push(leaf);
            made.entries += 1;
            fresh.take(&line, lines.offset(), &mut gathered);
            fresh.leaf = leaf;
            self.progress.entries.fetch_add(1, Ordering::Relaxed);
            self.progress.bytes.fetch_add(line.len(), Ordering::Relaxed);
            if gathered.is_full() {
                let from = gathered.about.to;
                let full = std::mem::replace(&mut gathered, self.empty(from));
                self.write(full, (&made.edge, &fresh.leaf), parts)?;
                fresh.lines = 0;
            }
        }
    }

    /// The last file, to be gone on with, where it has room; else a new one after it.
    fn begun(&self, parts: &mut Vec<Part>) -> Gathered {
        while let Some(last) = parts.last() {
            match last.gathered() {
                Ok(gathered) if !gathered.is_full() => return gathered,
                Ok(gathered) => return self.empty(gathered.about.to),
                // One whose blocks are not what was written is none.
                Err(_) => {
                    drop(fs::remove_file(&last.path));
                    drop(parts.pop());
                }
            }
        }
        self.empty((self.segment.first, self.begins.offset))
    }

    fn empty(&self, from: (u64, u64)) -> Gathered {
        Gathered::of(self.at.origin, self.segment.first, &self.begins.digest, from)
    }

    /// Writes a file, in the place of the one that it goes on with.
    fn write(
        &self,
        gathered: Gathered,
        end: (&Edge, &Digest),
        parts: &mut Vec<Part>,
    ) -> Result<(), JournalError> {
        if parts.last().is_some_and(|last| last.about.from == gathered.about.from) {
            drop(parts.pop());
        }
        let written = gathered.write(self.at.folder, end, (self.keys, self.seal.as_ref()));
        parts.push(written.map_err(JournalError::io("cannot write the index in", self.at.folder))?);
        Ok(())
    }

    fn short(&self, offset: u64) -> JournalError {
        read::damaged(&self.segment.path, offset, "the line ends too early, and it is not the last")
    }
}

/// What is kept from line to line.
struct Fresh {
    /// The last one's, as the tree has it.
    leaf: Digest,
    terms: Terms,
    found: Vec<Term>,
    scratch: Vec<u8>,
    at: u32,
    /// Lines that are in no file yet.
    lines: u64,
}

impl Fresh {
    fn new() -> Self {
        let (terms, found, scratch) = (Terms::default(), Vec::new(), Vec::new());
        Self { leaf: Digest([0; 32]), terms, found, scratch, at: 0, lines: 0 }
    }

    fn take(&mut self, line: &Line, end: u64, gathered: &mut Gathered) {
        let leaf = Leaf::read(line.leaf_bytes());
        // What has no time is looked for beside what stands before it.
        self.at = leaf.as_ref().and_then(|leaf| second(leaf.at)).unwrap_or(self.at);
        self.terms.of(leaf.as_ref(), &mut self.found);
        gathered.push(self.at, (line.offset, end), &self.found);
        self.lines += 1;
    }
}

/// The second of a moment as entries have it, of an era that has some.
pub(super) fn second(at: &str) -> Option<u32> {
    let at: Timestamp = at.parse().ok()?;
    u32::try_from(at.as_second()).ok()
}
