//! Verification: reads a gate's lanes from their files alone and says what is wrong, and what the result proves.
//!
//! The heads beside the entries may be taken away by whoever changes entries. So heads kept elsewhere count as well,
//! and a session that ended as it should leaves no entry above its newest head.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    JournalError, JournalKeys, Opened, PutAway,
    hashes::{self, Hashes},
    head::{PublicKey, SignedHead, gathered_heads, split_heads},
    lanes::{LOCK, origin},
    line::{
        BadLine, Beside, Line, LineFacts, Lines, SegmentHead, digest_of_hex, parse_segment_head, sequence_of,
    },
    read,
    recover::{SegmentFile, newest_head, segments},
    segment::segment_name,
    syncer::HEADS,
    tree::{Edge, leaf_hash},
    wrapping::WrappingKeys,
};
use crate::words::Digest;

/// LIMIT: faults told of one lane.
const FAULTS_MAX: usize = 100;

/// What verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lane by lane.
    pub lanes: Vec<LaneReport>,
    /// Faults that are no single lane's.
    pub faults: Vec<Fault>,
    /// How the journal stands to the heads that had left the machine.
    pub against: Option<Against>,
}

/// Heads that a journal is held against, beside its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Witness<'a> {
    /// Heads that had left the machine: a text with one checkpoint or many. Of those of this gate every one counts.
    pub left: Option<&'a str>,
    /// Checkpoints that were kept apart from the journal's folder: the store's. Those of other gates are let be.
    pub kept: &'a [String],
}

/// What was found of a lane.
#[derive(Clone, Debug, Default)]
pub struct LaneReport {
    /// Which.
    pub lane: String,
    /// Whole entries, with those that were put away.
    pub entries: u64,
    /// What was put away under a rule; its hashes are among what the heads sign.
    pub put_away: Option<PutAway>,
    /// Segments.
    pub segments: usize,
    /// Signed heads that were checked.
    pub heads: usize,
    /// Size of the newest signed head.
    pub signed: u64,
    /// Entries above it: whole, but nothing signed vouches for them.
    pub unsigned: u64,
    /// Entries with a sealed part.
    pub sealed: u64,
    /// Sealed parts that were opened and fit their leaf.
    pub opened: u64,
    /// Sealed parts whose month's key is gone.
    pub key_gone: u64,
    /// Sealed parts erased, with the entry that says so.
    pub erased: u64,
    /// Segments that stand encrypted.
    pub encrypted: usize,
    /// Entries of them that were not opened: whole lines, and nothing is known of what is in them.
    pub unopened: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: lane, file and byte, or lane and entry.
    pub place: String,
    /// What.
    pub what: String,
}

/// How the journal stands to heads that had left the machine; the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    /// The entries under them are the same; so many came after, in those lanes together.
    Grown(u64),
    /// Entries under one of them could not be opened, so nobody can tell.
    Unopened,
    /// No such lane here.
    NoLane,
    /// Entries under one of them were changed, or the journal was rolled back below it.
    Rewritten,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        let bad = matches!(self.against, Some(Against::Rewritten | Against::NoLane | Against::Unopened));
        self.faults.is_empty() && self.lanes.iter().all(|lane| lane.faults.is_empty()) && !bad
    }
}

/// Verifies every lane under a gate's directory against its own heads and one that had left the machine; see
/// [`verify_with`].
///
/// # Errors
/// A file cannot be read, or `against` is no head.
pub fn verify(
    gate_directory: &Path,
    keys: &[PublicKey],
    against: Option<&str>,
    opener: Option<&JournalKeys>,
) -> Result<Report, JournalError> {
    let nowhere = WrappingKeys::of(Path::new(""));
    let wrapping = opener.map_or(&nowhere, JournalKeys::wrapping);
    verify_with(gate_directory, keys, Witness { left: against, kept: &[] }, (opener, wrapping))
}

/// Verifies every lane under a gate's directory against its own heads and those that were elsewhere; with `opener`
/// the sealed parts are opened and compared with their leaves too. Segments that stand encrypted are opened by `wrapping`;
/// of those that it does not open only the frames of lines are checked, and the journal is not whole.
///
/// # Errors
/// A file cannot be read, or `witness.left` holds no head.
pub fn verify_with(
    gate_directory: &Path,
    keys: &[PublicKey],
    witness: Witness<'_>,
    (opener, wrapping): (Option<&JournalKeys>, &WrappingKeys),
) -> Result<Report, JournalError> {
    let gate = gate_directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut report = Report::default();
    let elsewhere = Elsewhere::read(gate, witness, keys, &mut report.faults)?;
    let mut walks = HashMap::new();
    for lane in read::lanes(gate_directory)? {
        let directory = gate_directory.join(&lane);
        let mut walk = Walk::new(&lane, origin(gate, &lane), (opener, wrapping));
        walk.heads(&directory, keys)?;
        let all = elsewhere.left.iter().chain(&elsewhere.kept);
        walk.asked.extend(all.filter(|head| head.origin == walk.origin).map(|head| head.size));
        walk.lane(&directory, keys)?;
        walks.insert(lane, walk);
    }
    report.faults.extend(cross_check(gate_directory, &walks, wrapping)?);
    report.against = elsewhere.against(&walks, &mut report.faults);
    elsewhere.check_kept(&walks, &mut report.faults);
    judge_put_away(gate_directory, &mut walks, wrapping)?;
    let mut erased: HashSet<String> = walks.values().flat_map(|walk| walk.erasures.iter().cloned()).collect();
    let is_unsaid = |walk: &Walk<'_>| {
        walk.tombstones.iter().any(|sequence| !erased.contains(&format!("{}:{sequence}", walk.report.lane)))
    };
    if walks.values().any(is_unsaid) {
        // Somebody may have begun to erase since the lane was read that says so.
        for lane in read::lanes(gate_directory)? {
            for line in read::read_lane(&gate_directory.join(lane), wrapping)?.map_while(Result::ok) {
                if let Ok(facts) = line.facts()
                    && facts.says_erased()
                {
                    erased.extend(facts.erased.iter().map(|line| (*line).to_owned()));
                }
            }
        }
    }
    report.lanes = walks.into_values().map(|walk| walk.finish(&erased)).collect();
    report.lanes.sort_by_key(|lane| lane.lane.parse::<u32>().unwrap_or(u32::MAX));
    Ok(report)
}

/// Heads that were elsewhere, all signed.
struct Elsewhere {
    /// Whether heads that had left were given, of whichever gate.
    asked: bool,
    left: Vec<SignedHead>,
    kept: Vec<SignedHead>,
}

impl Elsewhere {
    fn read(
        gate: &str,
        witness: Witness<'_>,
        keys: &[PublicKey],
        faults: &mut Vec<Fault>,
    ) -> Result<Self, JournalError> {
        let own = origin(gate, "");
        let left = witness.left.map(|text| gathered_heads(text, keys)).transpose();
        let left =
            left.map_err(|error| JournalError::Setting(format!("the head to compare with: {error}")))?;
        let asked = left.is_some();
        let left = left.into_iter().flatten().filter(|head| head.origin.starts_with(&own)).collect();
        let mut kept = Vec::new();
        for (position, note) in witness.kept.iter().enumerate() {
            let read = SignedHead::read(note);
            if read.as_ref().is_ok_and(|head| !head.origin.starts_with(&own)) {
                continue;
            }
            match read.and_then(|head| head.check(keys).map(|()| head)) {
                Ok(head) => kept.push(head),
                Err(error) => fault(faults, format!("kept head {position}"), error.to_string()),
            }
        }
        Ok(Self { asked, left, kept })
    }

    /// The worst of what the heads that had left say.
    fn against(&self, walks: &HashMap<String, Walk<'_>>, faults: &mut Vec<Fault>) -> Option<Against> {
        let mut since: HashMap<&str, u64> = HashMap::new();
        let mut worst = if self.left.is_empty() { Against::NoLane } else { Against::Grown(0) };
        for head in &self.left {
            let walk = walks.values().find(|walk| walk.origin == head.origin);
            match walk.map(|walk| (walk.roots.get(&head.size), walk.report.entries)) {
                Some((Some(root), entries)) if *root == head.root => {
                    let more = since.entry(&head.origin).or_insert(u64::MAX);
                    *more = (*more).min(entries - head.size);
                }
                Some((None, entries)) if walk.is_some_and(Walk::is_blind) && head.size <= entries => {
                    worst = worst.max(Against::Unopened);
                }
                Some(_) => {
                    let what = "the entries are not those over which a head had left the machine";
                    fault(faults, format!("{}, {} entries", head.origin, head.size), what.to_owned());
                    worst = Against::Rewritten;
                }
                None => worst = worst.max(Against::NoLane),
            }
        }
        self.asked.then(|| worst.max(Against::Grown(since.values().sum())))
    }

    /// What was kept must be borne out, and must not be ahead of the heads beside the entries: those are written
    /// first.
    fn check_kept(&self, walks: &HashMap<String, Walk<'_>>, faults: &mut Vec<Fault>) {
        for head in &self.kept {
            let size = head.size;
            let walk = walks.values().find(|walk| walk.origin == head.origin);
            let what = match walk.map(|walk| (walk, walk.roots.get(&size))) {
                None => {
                    format!("a head over {size} entries was kept, and the lane is gone: it was rolled back")
                }
                Some((walk, None)) if walk.is_blind() && size <= walk.report.entries => {
                    format!(
                        "a head over {size} entries was kept, and those could not be opened to be held against it"
                    )
                }
                Some((walk, None)) => format!(
                    "a head over {size} entries was kept, {} are there and can be read: it was rolled back",
                    walk.report.entries
                ),
                Some((_, Some(root))) if *root != head.root => {
                    format!(
                        "the first {size} entries are not those over which a head was kept: they were rewritten"
                    )
                }
                Some((walk, Some(_))) if walk.report.signed < size => format!(
                    "its heads end at {}, and one over {size} entries was kept: they were taken away, or a power cut \
                     took them and the lane was not opened since",
                    walk.report.signed
                ),
                Some(_) => continue,
            };
            fault(faults, head.origin.clone(), what);
        }
    }
}

/// One lane, read from its first byte to its last.
struct Walk<'a> {
    origin: String,
    opener: Option<&'a JournalKeys>,
    wrapping: &'a WrappingKeys,
    report: LaneReport,
    edge: Edge,
    /// Entries after the edge that could not be opened.
    unseen: u64,
    signed: HashMap<u64, Digest>,
    /// Sizes at which the root is wanted.
    asked: HashSet<u64>,
    roots: HashMap<u64, Digest>,
    mentions: Vec<Mention>,
    tombstones: Vec<u64>,
    erasures: Vec<String>,
    /// Hashes that stand here in place of entries: up to where they are, and the digest of each.
    gone: Vec<(u64, Digest)>,
    /// What entries say was put away.
    said: HashSet<Said>,
    /// The last entry ends a session as it should.
    ended: bool,
    scratch: Vec<u8>,
}

/// A head of another lane that this one's entries name.
struct Mention {
    place: String,
    lane: String,
    size: u64,
    root: Option<Digest>,
}

impl<'a> Walk<'a> {
    fn new(
        lane: &str,
        origin: String,
        (opener, wrapping): (Option<&'a JournalKeys>, &'a WrappingKeys),
    ) -> Self {
        Self {
            origin,
            opener,
            wrapping,
            report: LaneReport { lane: lane.to_owned(), ..LaneReport::default() },
            edge: Edge::default(),
            unseen: 0,
            signed: HashMap::new(),
            asked: HashSet::from([0]),
            roots: HashMap::from([(0, Edge::default().root())]),
            mentions: Vec::new(),
            tombstones: Vec::new(),
            erasures: Vec::new(),
            gone: Vec::new(),
            said: HashSet::new(),
            ended: false,
            scratch: Vec::new(),
        }
    }

    fn heads(&mut self, directory: &Path, keys: &[PublicKey]) -> Result<(), JournalError> {
        let path = directory.join(HEADS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(JournalError::io("cannot read", path)(error)),
        };
        let place = path.display().to_string();
        let text = String::from_utf8_lossy(&bytes);
        let (notes, _) = split_heads(&text);
        for (position, note) in notes.iter().enumerate() {
            let place = || format!("{place} head {position}");
            match SignedHead::parse(note, keys) {
                Ok(head) if head.origin != self.origin => self.fault(place(), "it is another lane's"),
                Ok(head) if head.size < self.report.signed => {
                    self.fault(place(), "it is smaller than the one before")
                }
                Ok(head) => {
                    if self.signed.insert(head.size, head.root).is_some_and(|root| root != head.root) {
                        self.fault(place(), "two heads of one size differ");
                    }
                    self.report.heads += 1;
                    self.report.signed = head.size;
                }
                Err(error) => self.fault(place(), &error.to_string()),
            }
        }
        Ok(())
    }

    fn lane(&mut self, directory: &Path, keys: &[PublicKey]) -> Result<(), JournalError> {
        // ORDER: the segments first: one that goes meanwhile has its hashes when it is come to.
        let all = segments(directory)?;
        self.report.segments = all.len();
        let first = all.first().map_or(u64::MAX, |segment| segment.first);
        if self.put_away(directory, first)? {
            for (position, segment) in all.iter().enumerate() {
                if !self.segment(directory, segment, position + 1 == all.len())? {
                    break;
                }
            }
        }
        self.report.put_away = hashes::put_away(directory).unwrap_or_default();
        self.report.entries = self.edge.size() + self.unseen;
        if self.report.entries < self.report.signed {
            let missing = self.report.signed - self.report.entries;
            let what = format!("{missing} signed entries are missing or follow damage");
            self.fault(format!("lane {}", self.report.lane), &what);
        }
        self.report.unsigned = self.report.entries.saturating_sub(self.report.signed);
        if self.ended
            && self.report.unsigned > 0
            && !is_owned(directory)
            && !self.signed_since(directory, keys)
        {
            let unsigned = self.report.unsigned;
            let what = format!(
                "the session ended as it should, and no head vouches for its last {unsigned} entries"
            );
            self.fault(format!("lane {}", self.report.lane), &what);
        }
        Ok(())
    }

    /// Whether a head over all that was read came while it was read.
    fn signed_since(&mut self, directory: &Path, keys: &[PublicKey]) -> bool {
        let newest = keys.iter().find_map(|key| newest_head(directory, &self.origin, key));
        let covers = |head: &SignedHead| {
            head.size > self.report.entries
                || (head.size == self.report.entries && head.root == self.edge.root())
        };
        newest.as_ref().is_some_and(covers)
    }

    /// Reads a segment; false where nothing behind it can be judged.
    fn segment(&mut self, directory: &Path, segment: &SegmentFile, last: bool) -> Result<bool, JournalError> {
        let unreadable = || JournalError::io("cannot read", &segment.path);
        let (lines, head, missing) = match Lines::open_frames(&segment.path, self.wrapping) {
            Err(_) if hashes::is_put_away(directory, segment.first) => {
                return self.hashes(Hashes::of(directory, segment.first));
            }
            opened => opened?,
        };
        let place = |offset: u64| format!("{} byte {offset}", segment.path.display());
        self.report.encrypted +=
            usize::from(SegmentHead::read(&head).is_some_and(|head| head.wrapped.is_some()));
        self.take_up(&head);
        if parse_segment_head(&head, &self.origin).as_ref() != Some(&self.edge) {
            // An empty segment is one that was just begun.
            if !(last && !head.ends_with('\n') && segment.first == self.edge.size()) {
                self.fault(place(0), "the segment does not follow from what stands before it");
            }
            return Ok(false);
        }
        let mut lines = lines.at(self.edge.size());
        if let Some(missing) = missing {
            let whole = self.frames(&mut lines, segment, last)?;
            let what = format!("its entries could not be opened, only their lines were read: {missing}");
            self.fault(place(0), &what);
            return Ok(whole);
        }
        let mut line = Line::default();
        loop {
            match lines.next_into(&mut line).map_err(unreadable())? {
                Ok(true) => self.line(&line, || place(line.offset)),
                Ok(false) => return Ok(true),
                Err(bad) => {
                    self.bad(bad, &mut lines, segment, last)?;
                    return Ok(false);
                }
            }
        }
    }

    /// What was found where a line should stand. A torn end above the last head is what a crash leaves; opening the lane
    /// repairs it.
    fn bad(
        &mut self,
        bad: BadLine,
        lines: &mut Lines,
        segment: &SegmentFile,
        last: bool,
    ) -> Result<(), JournalError> {
        let offset = lines.offset();
        let inner = lines.rest_holds_a_line().map_err(JournalError::io("cannot read", &segment.path))?;
        let covered = self.edge.size() + self.unseen < self.report.signed;
        let what = match (covered, inner || !last) {
            (true, _) => format!("{bad}, and a signed head covers it"),
            (false, true) => format!("{bad}, and whole lines follow"),
            // A line whose checksum fits was written whole.
            (false, false) if bad == BadLine::Sealed => bad.to_string(),
            (false, false) => return Ok(()),
        };
        self.fault(format!("{} byte {offset}", segment.path.display()), &what);
        Ok(())
    }

    /// Reads the lines of a segment that cannot be opened; false where nothing behind it can be judged.
    fn frames(&mut self, lines: &mut Lines, segment: &SegmentFile, last: bool) -> Result<bool, JournalError> {
        let mut line = Line::default();
        // Whether its last entry ends a session nobody can say.
        self.ended = false;
        loop {
            match lines.next_into(&mut line).map_err(JournalError::io("cannot read", &segment.path))? {
                Ok(true) => {
                    self.unseen += 1;
                    self.report.unopened += 1;
                }
                Ok(false) => return Ok(true),
                Err(bad) => {
                    self.bad(bad, lines, segment, last)?;
                    return Ok(false);
                }
            }
        }
    }

    /// Behind entries that were not opened the tree goes on as a segment's first line has it, where that is signed.
    fn take_up(&mut self, head: &str) {
        let size = self.edge.size() + self.unseen;
        let Some(edge) = parse_segment_head(head, &self.origin).filter(|_| self.unseen > 0) else { return };
        if edge.size() == size && self.signed.get(&size) == Some(&edge.root()) {
            self.roots.insert(size, edge.root());
            (self.edge, self.unseen) = (edge, 0);
        }
    }

    /// Reads the hashes of what was put away; false where nothing behind them can be judged. Those beside a segment
    /// that is here are looked at too: a crash may have come between, and then they are its own.
    fn put_away(&mut self, directory: &Path, first: u64) -> Result<bool, JournalError> {
        for (path, of) in hashes::named(directory)? {
            let hashes = Hashes::open(path, of);
            if of < first {
                if !self.hashes(hashes)? {
                    return Ok(false);
                }
                continue;
            }
            let beside = SegmentFile { path: directory.join(segment_name(of)), first: of };
            if !hashes.and_then(|hashes| hashes.fit(&beside, self.wrapping)).is_ok_and(|fits| fits)
                && beside.path.exists()
            {
                let what = "hashes stand beside it that are not its own";
                self.fault(beside.path.display().to_string(), what);
            }
        }
        Ok(true)
    }

    /// Reads hashes that stand in place of entries; false where nothing behind them can be judged.
    fn hashes(&mut self, hashes: Result<Hashes, JournalError>) -> Result<bool, JournalError> {
        let hashes = match hashes {
            Ok(hashes) => hashes,
            Err(JournalError::Damaged { place, why }) => {
                self.fault(place, &why);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let place = hashes.path.display().to_string();
        if hashes.about.origin != self.origin || hashes.about.first != self.edge.size() {
            self.fault(place, "the hashes do not follow from what stands before them");
            return Ok(false);
        }
        // Where entries were read before them, those were put away while it was read, and named then.
        let before = self.gone.last().filter(|(to, _)| *to == hashes.about.first);
        let were_read = before.is_none() && self.edge.size() > 0;
        if !were_read && hashes.about.before != before.map(|(_, digest)| digest.to_string()) {
            self.fault(place.clone(), "the hashes name others before them than those that are here");
        }
        let digest = hashes.each(|hash| {
            self.edge.push(hash);
            self.judge(|| place.clone());
            Ok(())
        })?;
        self.gone.push((self.edge.size(), digest));
        Ok(true)
    }

    /// Notes the root where it is asked for, and compares it with a head over so many entries.
    fn judge(&mut self, place: impl Fn() -> String) {
        let size = self.edge.size();
        let signed = self.signed.get(&size).copied();
        if signed.is_some() || self.asked.contains(&size) {
            let root = self.edge.root();
            self.roots.insert(size, root);
            if signed.is_some_and(|signed| signed != root) {
                self.fault(place(), "the entries up to here are not those that were signed");
            }
        }
    }

    fn line(&mut self, line: &Line, place: impl Fn() -> String) {
        let leaf = line.leaf_bytes();
        if sequence_of(leaf) != Some(self.edge.size()) {
            self.fault(place(), "the entry's sequence does not follow");
        }
        if !leaf.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            self.fault(place(), "the entry is not printable");
        }
        self.edge.push(leaf_hash(leaf, &mut self.scratch));
        self.judge(&place);
        match line.facts() {
            Ok(facts) => {
                self.ended = facts.kind == "stop";
                self.facts(line, &facts, place);
            }
            Err(error) => self.fault(place(), &format!("the entry is not what an entry is: {error}")),
        }
    }

    fn facts(&mut self, line: &Line, facts: &LineFacts<'_>, place: impl Fn() -> String) {
        self.mentions.extend(facts.lanes.iter().map(|mention| Mention {
            place: place(),
            lane: mention.lane.to_owned(),
            size: mention.size,
            root: digest_of_hex(mention.root),
        }));
        if facts.says_erased() {
            self.erasures.extend(facts.erased.iter().map(|line| (*line).to_owned()));
        }
        self.said.extend(Said::of(facts));
        match (line.beside(), facts.sealed) {
            (Beside::Nothing, None) => {}
            (Beside::Sealed(sealed), Some(commitment)) => {
                self.report.sealed += 1;
                match self.opener.map(|keys| keys.unseal(sealed, facts.salt, commitment)) {
                    None => {}
                    Some(Opened::Plain(_)) => self.report.opened += 1,
                    Some(Opened::KeyGone) => self.report.key_gone += 1,
                    Some(Opened::Forged) => self.fault(place(), "the sealed part does not fit its leaf"),
                }
            }
            (Beside::Erased, Some(_)) => self.tombstones.push(line.sequence),
            (Beside::Nothing, Some(_)) => self.fault(place(), "the sealed part is missing"),
            (Beside::Sealed(_) | Beside::Erased, None) => {
                self.fault(place(), "a part stands beside that the leaf does not know")
            }
        }
    }

    /// Tells erased from missing: a tombstone counts where an entry of the journal says so.
    fn finish(mut self, erased: &HashSet<String>) -> LaneReport {
        for sequence in std::mem::take(&mut self.tombstones) {
            let line = format!("{}:{sequence}", self.report.lane);
            if erased.contains(&line) {
                self.report.erased += 1;
            } else {
                self.fault(
                    format!("lane {}, entry {sequence}", self.report.lane),
                    "the sealed part was blanked and no entry says so",
                );
            }
        }
        self.report
    }

    /// Whether some of its entries could not be opened.
    fn is_blind(&self) -> bool {
        self.report.unopened > 0
    }

    fn fault(&mut self, place: String, what: &str) {
        fault(&mut self.report.faults, place, what.to_owned());
    }
}

fn fault(faults: &mut Vec<Fault>, place: String, what: String) {
    if faults.len() < FAULTS_MAX {
        faults.push(Fault { place, what });
    }
}

/// Whether a process has the lane now.
fn is_owned(directory: &Path) -> bool {
    let lock: PathBuf = directory.join(LOCK);
    File::open(lock).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What an entry says is gone of a lane: up to which entry, and the digest of the hashes that stand there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Said {
    lane: String,
    to: u64,
    hashes: Digest,
}

impl Said {
    fn of(facts: &LineFacts<'_>) -> impl Iterator<Item = Self> {
        let said = if facts.act == Some("put-away") { &*facts.put_away } else { &[] };
        said.iter().filter_map(|said| {
            let hashes = digest_of_hex(said.hashes)?;
            Some(Self { lane: said.lane.to_owned(), to: said.to, hashes })
        })
    }
}

/// Tells put away from missing: hashes count where an entry of the journal says so of them, or of others that name them.
fn judge_put_away(
    gate_directory: &Path,
    walks: &mut HashMap<String, Walk<'_>>,
    wrapping: &WrappingKeys,
) -> Result<(), JournalError> {
    let mut said: HashSet<Said> = walks.values().flat_map(|walk| walk.said.iter().cloned()).collect();
    let is_unsaid = |walk: &Walk<'_>, said: &HashSet<Said>| {
        let of = |(to, hashes): (u64, Digest)| Said { lane: walk.report.lane.clone(), to, hashes };
        walk.gone.last().is_some_and(|last| !said.contains(&of(*last)))
    };
    if walks.values().any(|walk| is_unsaid(walk, &said)) {
        // Some may have been put away since the lane was read that says so.
        for lane in read::lanes(gate_directory)? {
            for line in read::read_lane(&gate_directory.join(lane), wrapping)?.map_while(Result::ok) {
                said.extend(line.facts().ok().iter().flat_map(Said::of));
            }
        }
    }
    for walk in walks.values_mut().filter(|walk| is_unsaid(walk, &said)) {
        let to = walk.edge.size().min(walk.gone.last().map_or(0, |(to, _)| *to));
        let place = format!("lane {}, entries before {to}", walk.report.lane);
        walk.fault(place, "they are gone, and no entry says that they and their hashes were put away so");
    }
    Ok(())
}

/// Lanes name each other's heads when a session starts: one that was rolled back alone is found by the others.
fn cross_check(
    gate_directory: &Path,
    walks: &HashMap<String, Walk<'_>>,
    wrapping: &WrappingKeys,
) -> Result<Vec<Fault>, JournalError> {
    let mut faults = Vec::new();
    for mention in walks.values().flat_map(|walk| &walk.mentions) {
        let Some(walk) = walks.get(&mention.lane) else {
            let what = format!("it names lane {}, which is gone", mention.lane);
            faults.push(Fault { place: mention.place.clone(), what });
            continue;
        };
        let root = match walk.roots.get(&mention.size) {
            Some(root) => Some(*root),
            // That is told already.
            None if walk.is_blind() && mention.size <= walk.report.entries => continue,
            None => root_at(&gate_directory.join(&mention.lane), mention.size, wrapping)?,
        };
        if root.is_none() || root != mention.root {
            let what = format!("lane {} had another history of {} entries then", mention.lane, mention.size);
            faults.push(Fault { place: mention.place.clone(), what });
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    Ok(faults)
}

/// The root of a lane's first `size` entries, read anew; none where it has fewer.
fn root_at(directory: &Path, size: u64, wrapping: &WrappingKeys) -> Result<Option<Digest>, JournalError> {
    let mut edge = Edge::default();
    let mut scratch = Vec::new();
    for gone in hashes::gone(directory)? {
        gone.each(|hash| {
            if edge.size() < size {
                edge.push(hash);
            }
            Ok(())
        })?;
    }
    for line in read::read_lane(directory, wrapping)? {
        if edge.size() == size {
            break;
        }
        let Ok(line) = line else { return Ok(None) };
        edge.push(leaf_hash(line.leaf_bytes(), &mut scratch));
    }
    Ok((edge.size() == size).then(|| edge.root()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lane in &self.lanes {
            writeln!(
                f,
                "lane {}: {} entries in {} segments, {} signed heads, {} entries above the newest head",
                lane.lane, lane.entries, lane.segments, lane.heads, lane.unsigned
            )?;
            if let Some(PutAway { entries, until, on, rule, .. }) = &lane.put_away {
                let day = |at: &Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ");
                writeln!(
                    f,
                    "  put away: the first {entries} entries, up to {}, the last of them on {} by the rule `{rule}`; their \
                     hashes stand for them",
                    day(until),
                    day(on)
                )?;
            }
            writeln!(
                f,
                "  sealed parts: {} ({} opened and fitting, {} under a key that is gone), {} erased on record",
                lane.sealed, lane.opened, lane.key_gone, lane.erased
            )?;
            if lane.encrypted > 0 {
                let (encrypted, unopened) = (lane.encrypted, lane.unopened);
                writeln!(f, "  encrypted: {encrypted} segments, {unopened} of their entries not opened")?;
            }
        }
        for fault in self.lanes.iter().flat_map(|lane| &lane.faults).chain(&self.faults) {
            writeln!(f, "fault: {}: {}", fault.place, fault.what)?;
        }
        match self.against {
            None => {}
            Some(Against::Grown(more)) => {
                writeln!(f, "against the given heads: same entries, {more} more since")?
            }
            Some(Against::Rewritten) => writeln!(f, "against the given heads: rewritten or rolled back")?,
            Some(Against::Unopened) => {
                writeln!(f, "against the given heads: not all could be opened to be compared")?
            }
            Some(Against::NoLane) => writeln!(f, "against the given heads: no such lane here")?,
        }
        let verdict = if self.is_whole() { "whole" } else { "NOT whole" };
        writeln!(f, "the journal is {verdict}")?;
        f.write_str(
            "what this proves: any change under a signed head by someone without the journal key is found. \
             A rewrite by the holder of the key, or a rollback of the whole directory, is found only against a head \
             that has left the machine (--against). Entries above the newest head are not vouched for.\n",
        )
    }
}
