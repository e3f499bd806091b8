//! Erasing what stands beside leaves: the sealed part becomes a tombstone of the same length, the leaf and the tree
//! stay as they are, and an entry says which lines were erased, so that erased is told from missing.
//!
//! A line is somebody's where its leaf names them by their digest, and where its sealed part names them in clear
//! although the leaf does not: as an attribute of who asked, or as what a statement read of a record. All of the
//! sealed part goes, whoever else it names. It is done piece by piece: memory is bounded, and a gate goes on
//! appending meanwhile. What it appends to the segment that is being read is looked at too; what comes later is not.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use memchr::memmem;
use serde::Deserialize;

use super::{
    Fault, Journal, JournalError, JournalKeys, KeyedDigest, Opened,
    blank::{self, Place},
    hashes,
    line::{Beside, Line, Lines},
    read::{self, Step},
    recover::{SegmentFile, segments},
    text,
    wrapping::WrappingKeys,
};
use crate::{
    clock::Now,
    words::{EntityName, FieldPath},
};

/// LIMIT: lines that are held in memory, named by one entry, and blanked at once.
const NAMED_MAX: usize = 1_000;
/// LIMIT: faults told.
const FAULTS_MAX: usize = 100;
/// What a name that a statement read begins with where it was of the proposed record.
const OF_NEW: &str = "new:";

/// Whose data is erased: somebody or something that entries name.
pub struct Subject {
    digest: KeyedDigest,
    /// The digest as leaves have it.
    written: String,
    /// `Customer/42`, and `42`, as sealed parts have them.
    reference: String,
    id: String,
    /// Fields, each of an entity, in which the id alone means this one.
    fields: Vec<(EntityName, FieldPath)>,
    before: Option<Timestamp>,
}

impl Subject {
    /// A record, or somebody who asks: `kind` is the entity or the sort of principal.
    pub fn new(keys: &JournalKeys, kind: &str, id: &str) -> Self {
        let digest = keys.digest(kind, id);
        Self {
            digest,
            written: digest.to_string(),
            reference: as_written(&format!("{kind}/{id}")),
            id: as_written(id),
            fields: Vec::new(),
            before: None,
        }
    }

    /// In this field of that entity's records its id alone names it.
    #[must_use]
    pub fn named_in(mut self, entity: EntityName, field: FieldPath) -> Self {
        self.fields.push((entity, field));
        self
    }

    /// Only entries of before a moment.
    #[must_use]
    pub fn before(mut self, moment: Timestamp) -> Self {
        self.before = Some(moment);
        self
    }

    /// How entries name it.
    pub fn digest(&self) -> KeyedDigest {
        self.digest
    }
}

impl fmt::Debug for Subject {
    /// Never in clear.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("digest", &self.digest)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

/// What was found, and erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Lane by lane, also those with nothing.
    pub lanes: Vec<ErasedOfLane>,
    /// What could not be read or erased; all else was.
    pub faults: Vec<Fault>,
}

/// What was found of a lane, and erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedOfLane {
    /// Which.
    pub lane: String,
    /// Entries whose sealed part is gone now; where it was only looked, those that would be.
    pub erased: u64,
    /// Entries that name the subject and whose sealed part had been erased before.
    pub before: u64,
    /// Entries that name the subject and never had a sealed part.
    pub bare: u64,
}

impl Erased {
    /// Entries whose sealed part is gone now, in all lanes.
    pub fn erased(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.erased).sum()
    }

    /// Entries erased before, in all lanes.
    pub fn before(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.before).sum()
    }

    /// Entries that name the subject, in all lanes, whatever stands beside them.
    pub fn named(&self) -> u64 {
        self.erased() + self.before() + self.lanes.iter().map(|lane| lane.bare).sum::<u64>()
    }
}

/// How far it is, for whoever waits.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries read.
    pub read: AtomicU64,
    /// Entries whose sealed part is gone.
    pub erased: AtomicU64,
}

/// Looks for what [`erase`] would erase, and changes nothing. Blocks; reads all of the journal.
///
/// # Errors
/// The folder cannot be read. What is wrong with a lane is told, and the others are gone on with.
pub fn find_erasable(
    gate_directory: &Path,
    keys: &JournalKeys,
    subject: &Subject,
    progress: &Progress,
) -> Result<Erased, JournalError> {
    Walk { subject, keys, progress, act: Act::Look, done: Erased::default() }.all(gate_directory)
}

/// Erases the sealed parts of every line that is the subject's, in lanes of other processes too. Blocks; doing it again
/// is harmless, and finishes what a crash left undone, as does whoever opens the lane. Asks `now` once an entry.
///
/// # Errors
/// The folder cannot be read, or the journal does not take an entry; what was erased before stays so. What is wrong
/// with a lane is told, and the others are gone on with.
pub fn erase(
    journal: &Journal,
    subject: &Subject,
    who: &str,
    now: &dyn Fn() -> Now,
    progress: &Progress,
) -> Result<Erased, JournalError> {
    let act = Act::Erase { journal, who, now };
    Walk { subject, keys: journal.keys(), progress, act, done: Erased::default() }.all(journal.directory())
}

/// One walk through all lanes.
struct Walk<'a> {
    subject: &'a Subject,
    keys: &'a JournalKeys,
    progress: &'a Progress,
    act: Act<'a>,
    done: Erased,
}

/// What is done with lines that were found.
#[derive(Clone, Copy)]
enum Act<'a> {
    Look,
    Erase { journal: &'a Journal, who: &'a str, now: &'a dyn Fn() -> Now },
}

/// Where it stands: the lane's name and folder.
#[derive(Clone, Copy)]
struct At<'a> {
    lane: &'a str,
    directory: &'a Path,
}

/// Lines that were found in one segment. LIMIT: `NAMED_MAX`.
#[derive(Default)]
struct Found {
    sequences: Vec<u64>,
    places: Vec<Place>,
}

/// How a line is the subject's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    No,
    /// It is, and has a part to be erased.
    Sealed,
    /// It is, and the part was erased.
    Before,
    /// It is, and there never was a part.
    Bare,
}

impl Walk<'_> {
    fn all(mut self, gate_directory: &Path) -> Result<Erased, JournalError> {
        for lane in read::lanes(gate_directory)? {
            let directory = gate_directory.join(&lane);
            self.done.lanes.push(ErasedOfLane { lane: lane.clone(), ..ErasedOfLane::default() });
            let at = At { lane: &lane, directory: &directory };
            if let Act::Erase { .. } = self.act
                && let Err(error) = blank::finish(&directory)
            {
                self.fault(&lane, &error);
            }
            match segments(&directory) {
                Ok(all) => {
                    for (position, segment) in all.iter().enumerate() {
                        self.segment(at, segment, position + 1 == all.len())?;
                    }
                }
                Err(error) => self.fault(&lane, &error),
            }
        }
        Ok(self.done)
    }

    /// Reads a segment as far as it can be read, and does what is to be done with what it finds.
    fn segment(&mut self, at: At<'_>, segment: &SegmentFile, last: bool) -> Result<(), JournalError> {
        let mut found = Found::default();
        let read = self.read(at, segment, last, &mut found)?;
        self.settle(at, segment, &mut found)?;
        // Where it was put away meanwhile nothing is left to erase.
        if let Err(error) = read
            && !hashes::is_put_away(at.directory, segment.first)
        {
            self.fault(at.lane, &error);
        }
        Ok(())
    }

    /// The outer error ends the walk, the inner one this segment.
    fn read(
        &mut self,
        at: At<'_>,
        segment: &SegmentFile,
        last: bool,
        found: &mut Found,
    ) -> Result<Result<(), JournalError>, JournalError> {
        let keys = self.keys.wrapping();
        let mut lines = match Lines::open(&segment.path, keys) {
            Ok((lines, _)) => lines.at(segment.first),
            Err(error) => return Ok(Err(error)),
        };
        let (mut line, mut next) = (Line::default(), segment.first);
        loop {
            match whole_line((segment, keys), &mut lines, next, last, &mut line) {
                Ok(true) => next += 1,
                Ok(false) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
            self.progress.read.fetch_add(1, Ordering::Relaxed);
            let named = self.subject.named(&line, self.keys);
            if let Some(lane) = self.done.lanes.last_mut() {
                match named {
                    Named::No => {}
                    Named::Before => lane.before += 1,
                    Named::Bare => lane.bare += 1,
                    Named::Sealed => {
                        found.sequences.push(line.sequence);
                        found.places.push(Place::of(&line));
                    }
                }
            }
            if found.places.len() >= NAMED_MAX {
                self.settle(at, segment, found)?;
            }
        }
    }

    /// Does what is to be done with lines of one segment; fails where the journal does not take the entry.
    fn settle(&mut self, at: At<'_>, segment: &SegmentFile, found: &mut Found) -> Result<(), JournalError> {
        let Found { sequences, places } = std::mem::take(found);
        if places.is_empty() {
            return Ok(());
        }
        if let Act::Erase { journal, who, now } = self.act {
            // ORDER: said and synced before it is done: a tombstone without its entry reads as damage.
            self.say(at.lane, &sequences, journal, who, now())?;
            if let Err(error) = blank::blank(at.directory, segment, &places)
                && !hashes::is_put_away(at.directory, segment.first)
            {
                self.fault(at.lane, &error);
                return Ok(());
            }
            self.progress.erased.fetch_add(places.len() as u64, Ordering::Relaxed);
        }
        if let Some(lane) = self.done.lanes.last_mut() {
            lane.erased += places.len() as u64;
        }
        Ok(())
    }

    fn say(
        &self,
        lane: &str,
        sequences: &[u64],
        journal: &Journal,
        who: &str,
        now: Now,
    ) -> Result<(), JournalError> {
        let mut fields = Vec::new();
        text::text(&mut fields, "act", "erase");
        text::text(&mut fields, "by", who);
        text::text(&mut fields, "subject", &self.subject.written);
        text::key(&mut fields, "erased");
        text::array(&mut fields, sequences, |out, sequence| {
            text::quoted_display(out, format_args!("{lane}:{sequence}"));
        });
        journal.append_administrative(&fields, now)?.wait_blocking().map(drop)
    }

    fn fault(&mut self, lane: &str, error: &JournalError) {
        if self.done.faults.len() < FAULTS_MAX {
            self.done.faults.push(Fault { place: format!("lane {lane}"), what: error.to_string() });
        }
    }
}

/// The next line; false at the end. A line that ends too early is one that is being written, at the end of the lane
/// and nowhere else.
fn whole_line(
    (segment, keys): (&SegmentFile, &WrappingKeys),
    lines: &mut Lines,
    next: u64,
    last: bool,
    line: &mut Line,
) -> Result<bool, JournalError> {
    let unreadable = || JournalError::io("cannot read", &segment.path);
    match read::next_line(&segment.path, lines, line)? {
        Step::Line => return Ok(true),
        Step::End => return Ok(false),
        Step::Short => {}
    }
    let offset = lines.offset();
    let more_follows = lines.rest_holds_a_line().map_err(unreadable())?;
    // Whoever writes it may have come to its end by now.
    *lines = Lines::resume(&segment.path, offset, next, keys)?;
    match read::next_line(&segment.path, lines, line)? {
        Step::Line => Ok(true),
        Step::End | Step::Short if last && !more_follows => Ok(false),
        Step::End | Step::Short => {
            Err(read::damaged(&segment.path, offset, "the line ends too early, and it is not the last"))
        }
    }
}

impl Subject {
    fn named(&self, line: &Line, keys: &JournalKeys) -> Named {
        let kind = match line.beside() {
            Beside::Sealed(_) => Named::Sealed,
            Beside::Erased => Named::Before,
            Beside::Nothing => Named::Bare,
        };
        if self.is_named_by(line, keys) { kind } else { Named::No }
    }

    fn is_named_by(&self, line: &Line, keys: &JournalKeys) -> bool {
        let by_digest = memmem::find(line.leaf_bytes(), self.written.as_bytes()).is_some();
        let opened = match line.beside() {
            Beside::Sealed(sealed) if !by_digest => self.opened(line, sealed, keys),
            Beside::Sealed(_) | Beside::Nothing | Beside::Erased => None,
        };
        if !by_digest && opened.is_none() {
            return false;
        }
        // One that is no entry is damage, and verification tells it.
        let Ok(leaf) = serde_json::from_slice::<Leaf>(line.leaf_bytes()) else { return false };
        let early = self.before.is_none_or(|before| leaf.at.parse().is_ok_and(|at: Timestamp| at < before));
        early
            && (leaf.names(&self.written)
                || opened.or_else(|| self.open(line, keys)).is_some_and(|plain| self.is_in(&plain, &leaf)))
    }

    /// The sealed part in clear, where the subject's id stands in it somewhere.
    fn opened(&self, line: &Line, sealed: &str, keys: &JournalKeys) -> Option<String> {
        let facts = line.facts().ok()?;
        // A part whose key is gone nobody can read; of one that does not open verification tells.
        let Opened::Plain(plain) = keys.unseal(sealed, facts.salt, facts.sealed?) else { return None };
        let stands = [&self.reference, &self.id].iter().any(|text| {
            let mut quoted = Vec::new();
            text::quoted(&mut quoted, text);
            memmem::find(plain.as_bytes(), &quoted).is_some()
        });
        stands.then_some(plain)
    }

    fn open(&self, line: &Line, keys: &JournalKeys) -> Option<String> {
        match line.beside() {
            Beside::Sealed(sealed) => self.opened(line, sealed, keys),
            Beside::Nothing | Beside::Erased => None,
        }
    }

    /// Whether a sealed part names it, of an entry about that entity.
    fn is_in(&self, plain: &str, leaf: &Leaf) -> bool {
        let Ok(plain) = serde_json::from_str::<Plain>(plain) else { return false };
        let entity = leaf.target.as_deref().or(leaf.entity.as_deref());
        let refers = |name: &str| {
            let name = name.strip_prefix(OF_NEW).unwrap_or(name);
            self.fields.iter().any(|(of, field)| Some(of.as_str()) == entity && field.as_str() == name)
        };
        plain.attributes.values().any(|value| value.as_str() == Some(&self.reference))
            || plain.read.iter().any(|(name, value)| *value == self.id && refers(name))
    }
}

/// Where a leaf names records and who asked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Leaf {
    at: String,
    target: Option<String>,
    entity: Option<String>,
    who: Who,
    record: String,
    records: Vec<String>,
    subjects: Vec<String>,
    shown: Vec<Shown>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Who {
    id: String,
    partner: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    records: Vec<String>,
}

impl Leaf {
    fn names(&self, digest: &str) -> bool {
        let alone = [&self.who.id, &self.who.partner, &self.record];
        let shown = self.shown.iter().flat_map(|group| &group.records);
        alone.into_iter().chain(&self.records).chain(&self.subjects).chain(shown).any(|named| named == digest)
    }
}

/// Where a sealed part names whom the leaf may not name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Plain {
    attributes: HashMap<String, serde_json::Value>,
    read: Vec<(String, String)>,
}

/// A text as the journal has it: one that is very long is cut there.
fn as_written(plain: &str) -> String {
    let mut quoted = Vec::new();
    text::quoted(&mut quoted, plain);
    serde_json::from_slice(&quoted).unwrap_or_else(|_| plain.to_owned())
}
