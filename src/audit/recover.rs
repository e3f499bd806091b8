//! Opening a lane that stands: what was signed must be there, what was torn above the last head is cut and kept.
//!
//! A head that was kept elsewhere counts like one that stands here: whoever takes the heads away and changes entries
//! must not have the gate sign them anew.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    JournalError, blank, hashes,
    head::{PublicKey, SignedHead, split_heads},
    intents::INTENTS_MAX,
    line::{BadLine, Beginning, Line, Lines, SegmentHead, beginning, parse_segment_head, sequence_of},
    syncer::HEADS,
    tree::{Edge, leaf_hash},
    wrapping::WrappingKeys,
};
use crate::words::{Digest, RequestId};

/// A lane as it was found, ready to be gone on with.
#[derive(Debug)]
pub(super) struct Recovered {
    /// The open segment and its length; none where the lane is new.
    pub(super) segment: Option<(SegmentFile, u64)>,
    pub(super) edge: Edge,
    pub(super) head: Option<SignedHead>,
    pub(super) heads_bytes: u64,
    /// Heads at the ends of full segments, as they stand in their file.
    pub(super) kept: String,
    pub(super) torn: Option<Torn>,
    /// Intents that have no outcome and that no gate has told of yet.
    pub(super) unknown: Vec<UnknownOutcome>,
    /// Whether the last session ended as it should.
    pub(super) clean: bool,
}

/// What was cut from the end of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file that keeps it.
    pub kept_in: String,
    /// How many bytes.
    pub bytes: u64,
}

/// An intent that was written down and whose outcome was not: the write may have reached the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOutcome {
    /// Which lane.
    pub lane: String,
    /// Which entry.
    pub sequence: u64,
    /// Which exchange.
    pub request: String,
    /// The intent itself: one line of JSON. Empty where its segment is not here any more.
    pub leaf: String,
}

/// Whose lane is read, and what is known of it from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) lane: &'a str,
    pub(super) origin: &'a str,
    pub(super) key: &'a PublicKey,
    /// What opens segments that stand encrypted.
    pub(super) wrapping: &'a WrappingKeys,
    /// Checkpoints that were kept elsewhere, of any lane.
    pub(super) kept: &'a [String],
    pub(super) boot: RequestId,
}

/// Whether what a crash left is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The lane is going to be written to.
    Do,
    /// It is only looked at.
    Leave,
}

/// Reads a lane's directory. Segments may be put away meanwhile, so that it is another one then.
pub(super) fn recover(directory: &Path, whose: Whose<'_>, repair: Repair) -> Result<Recovered, JournalError> {
    let oldest = || Ok(segments(directory)?.first().map(|segment| segment.first));
    let before = oldest()?;
    match recovered(directory, whose, repair) {
        Err(_) if oldest()? != before => recovered(directory, whose, repair),
        recovered => recovered,
    }
}

fn recovered(directory: &Path, whose: Whose<'_>, repair: Repair) -> Result<Recovered, JournalError> {
    let Whose { lane, origin, key, wrapping, .. } = whose;
    if repair == Repair::Do {
        blank::finish(directory)?;
    }
    let mut torn = Keep { directory, boot: whose.boot, repair, torn: None };
    let heads = read_heads(directory, origin, key, &mut torn)?;
    let segments = segments(directory)?;
    let roots = heads.heads.iter().map(|head| (head.size, head.root)).collect();
    let kept = kept_roots(&whose);
    let start = match backed_start(&segments, origin, &heads, key)? {
        Some(start) => start,
        None => Start { position: 0, edge: what_was_put_away(directory, &whose, &roots, &kept)?, from: 0 },
    };
    let mut scan = Scan {
        lane,
        roots,
        kept,
        signed: heads.heads.last().map_or(0, |head| head.size),
        edge: start.edge,
        intents: HashMap::new(),
        clean: segments.is_empty(),
        scratch: Vec::new(),
    };
    let mut open = None;
    for (position, segment) in segments.iter().enumerate().skip(start.position) {
        let last = position + 1 == segments.len();
        if let Some(bytes) = scan.segment(segment, &whose, last, &mut torn)? {
            open = Some((segment.clone(), bytes));
        }
    }
    scan.check_kept(directory, start.from)?;
    if scan.edge.size() < scan.signed {
        let why = format!("{} entries were signed, {} are there", scan.signed, scan.edge.size());
        return Err(damaged(lane, directory, 0, why));
    }
    let ends: Vec<u64> = segments.iter().map(|segment| segment.first).collect();
    let kept = heads.heads.iter().filter(|head| ends.contains(&head.size));
    let kept = kept.map(|head| format!("{}\n", head.note())).collect();
    let mut unknown: Vec<_> = scan.intents.into_values().collect();
    unknown.sort_by_key(|intent| intent.sequence);
    find_leaves(&segments, &mut unknown, wrapping)?;
    Ok(Recovered {
        segment: open,
        edge: scan.edge,
        head: heads.heads.into_iter().next_back(),
        heads_bytes: heads.bytes,
        kept,
        torn: torn.torn,
        unknown,
        clean: scan.clean,
    })
}

/// The heads kept elsewhere that are this lane's, by their size. One that the key did not sign says nothing: it may be
/// of a journal that was ended together with its key.
fn kept_roots(whose: &Whose<'_>) -> BTreeMap<u64, Digest> {
    let own = whose.kept.iter().filter_map(|note| SignedHead::read(note).ok());
    let own = own.filter(|head| head.origin == whose.origin);
    let signed = own.filter(|head| head.check(std::slice::from_ref(whose.key)).is_ok());
    signed.map(|head| (head.size, head.root)).collect()
}

/// Fills in intents that were named by an `open` entry only: they stand in segments that were not read.
fn find_leaves(
    segments: &[SegmentFile],
    unknown: &mut [UnknownOutcome],
    keys: &WrappingKeys,
) -> Result<(), JournalError> {
    for (position, segment) in segments.iter().enumerate() {
        let end = segments.get(position + 1).map_or(u64::MAX, |next| next.first);
        let mut wanted: Vec<_> = unknown
            .iter_mut()
            .filter(|intent| intent.leaf.is_empty() && (segment.first..end).contains(&intent.sequence))
            .collect();
        let Some(last) = wanted.last().map(|intent| intent.sequence) else { continue };
        let unreadable = || JournalError::io("cannot read", &segment.path);
        let mut lines = Lines::open(&segment.path, keys)?.0.at(segment.first);
        let mut line = Line::default();
        while lines.next_into(&mut line).map_err(unreadable())?.is_ok_and(|more| more)
            && line.sequence <= last
        {
            let named = beginning(line.leaf_bytes()).and_then(|beginning| beginning.request);
            let intent = wanted.iter_mut().find(|intent| intent.sequence == line.sequence);
            if let Some(intent) = intent.filter(|intent| named == Some(&intent.request)) {
                intent.leaf = line.leaf().to_owned();
            }
        }
    }
    Ok(())
}

/// The newest head of a lane that another process may own; none where it has none that counts.
pub(super) fn newest_head(directory: &Path, origin: &str, key: &PublicKey) -> Option<SignedHead> {
    // LIMIT: the newest heads stand at the end.
    let mut file = File::open(directory.join(HEADS)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(8 * 1024))).ok()?;
    let mut bytes = Vec::new();
    file.take(16 * 1024).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let start = if length > 8 * 1024 { text.find(&format!("\n\n{origin}\n"))? + 2 } else { 0 };
    let (heads, _) = split_heads(text.get(start..)?);
    heads
        .iter()
        .rev()
        .find_map(|note| SignedHead::parse(note, std::slice::from_ref(key)).ok())
        .filter(|head| head.origin == origin)
}

/// A segment by its name.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) first: u64,
}

/// A lane's segments in order.
pub(super) fn segments(directory: &Path) -> Result<Vec<SegmentFile>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(JournalError::io("cannot read", directory))? {
        let path = entry.map_err(JournalError::io("cannot read", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
        let first = name.filter(|name| name.len() == 20).and_then(|name| name.parse().ok());
        found.extend(first.map(|first| SegmentFile { path, first }));
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

struct ReadHeads {
    heads: Vec<SignedHead>,
    bytes: u64,
}

/// Reads the heads, cuts a torn one, and checks the newest one's signature (verification checks them all).
fn read_heads(
    directory: &Path,
    origin: &str,
    key: &PublicKey,
    torn: &mut Keep<'_>,
) -> Result<ReadHeads, JournalError> {
    let path = directory.join(HEADS);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(JournalError::io("cannot read", path)(error)),
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
    };
    let (notes, end) = split_heads(text);
    let bad = |why: &str| JournalError::Damaged { place: path.display().to_string(), why: why.to_owned() };
    let mut heads = Vec::with_capacity(notes.len());
    for note in notes {
        let head = SignedHead::read(note).map_err(|error| bad(&error.to_string()))?;
        if head.origin != origin || heads.last().is_some_and(|last: &SignedHead| last.size > head.size) {
            return Err(bad("the heads are not in order, or another lane's"));
        }
        heads.push(head);
    }
    if let Some(newest) = heads.last() {
        newest.check(std::slice::from_ref(key)).map_err(|error| bad(&error.to_string()))?;
    }
    if end < bytes.len() {
        torn.cut(&path, end as u64)?;
    }
    Ok(ReadHeads { heads, bytes: end as u64 })
}

struct Start {
    position: usize,
    edge: Edge,
    /// How many entries are not read.
    from: u64,
}

/// The tree before the first segment that is here: nothing, or what was put away, and it is what was signed.
fn what_was_put_away(
    directory: &Path,
    whose: &Whose<'_>,
    roots: &HashMap<u64, Digest>,
    kept: &BTreeMap<u64, Digest>,
) -> Result<Edge, JournalError> {
    hashes::edge(directory, whose.origin, |edge, path| {
        let size = edge.size();
        let known = roots.get(&size).into_iter().chain(kept.get(&size));
        match known.into_iter().all(|root| *root == edge.root()) {
            true => Ok(()),
            false => Err(damaged(
                whose.lane,
                path,
                0,
                format!("its first {size} entries are not those that were signed"),
            )),
        }
    })
}

/// The roots that a lane's heads sign, by their size: the newest, and those of these sizes. Such that the key did not
/// sign are none.
pub(super) fn signed_heads(
    directory: &Path,
    origin: &str,
    key: &PublicKey,
    sizes: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Digest>, JournalError> {
    let path = directory.join(HEADS);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(JournalError::io("cannot read", path)(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let all = split_heads(&text).0.into_iter().filter_map(|note| SignedHead::read(note).ok());
    let mut all: Vec<_> = all.filter(|head| head.origin == origin).collect();
    let newest = all.iter().map(|head| head.size).max();
    // A signature is checked where it is asked for: a lane may have a hundred thousand heads.
    all.retain(|head| sizes.contains(&head.size) || Some(head.size) == newest);
    all.retain(|head| head.check(std::slice::from_ref(key)).is_ok());
    Ok(all.into_iter().map(|head| (head.size, head.root)).collect())
}

/// Where reading begins: the last segment but one whose first line a signed head vouches for (intents may stand
/// in the last but one), or the only one. None where none of them is vouched for.
fn backed_start(
    segments: &[SegmentFile],
    origin: &str,
    heads: &ReadHeads,
    key: &PublicKey,
) -> Result<Option<Start>, JournalError> {
    let only = segments.len() == 1;
    for (position, segment) in segments.iter().enumerate().rev().skip(if only { 0 } else { 1 }) {
        if segment.first == 0 {
            break;
        }
        let Some(head) = heads.heads.iter().rfind(|head| head.size == segment.first) else { continue };
        if head.check(std::slice::from_ref(key)).is_err() {
            continue;
        }
        let first = SegmentHead::line_of(&segment.path)?;
        if let Some(edge) = parse_segment_head(&first, origin)
            && edge.size() == head.size
            && edge.root() == head.root
        {
            return Ok(Some(Start { position, from: edge.size(), edge }));
        }
    }
    Ok(None)
}

struct Scan<'a> {
    lane: &'a str,
    roots: HashMap<u64, Digest>,
    /// Of heads that were kept elsewhere.
    kept: BTreeMap<u64, Digest>,
    signed: u64,
    edge: Edge,
    intents: HashMap<String, UnknownOutcome>,
    clean: bool,
    scratch: Vec<u8>,
}

impl Scan<'_> {
    /// Reads one segment; gives its length, or none where it held nothing and was taken away.
    fn segment(
        &mut self,
        segment: &SegmentFile,
        whose: &Whose<'_>,
        last: bool,
        torn: &mut Keep<'_>,
    ) -> Result<Option<u64>, JournalError> {
        let unreadable = || JournalError::io("cannot read", &segment.path);
        let (lines, head) = Lines::open(&segment.path, whose.wrapping)?;
        let mut lines = lines.at(self.edge.size());
        if parse_segment_head(&head, whose.origin).as_ref() != Some(&self.edge) {
            // The process may have ended between making a segment and writing its first line.
            if last && !head.ends_with('\n') && segment.first == self.edge.size() {
                torn.remove(&segment.path)?;
                return Ok(None);
            }
            return Err(damaged(
                self.lane,
                &segment.path,
                0,
                "its first line does not follow from what stands before",
            ));
        }
        let mut line = Line::default();
        loop {
            match lines.next_into(&mut line).map_err(unreadable())? {
                Ok(true) => self.line(&line, &segment.path)?,
                Ok(false) => return Ok(Some(lines.offset())),
                Err(bad) => {
                    let offset = lines.offset();
                    self.tail(bad, &mut lines, last, &segment.path)?;
                    torn.cut(&segment.path, offset)?;
                    return Ok(Some(offset));
                }
            }
        }
    }

    fn line(&mut self, line: &Line, path: &Path) -> Result<(), JournalError> {
        let leaf = line.leaf_bytes();
        if sequence_of(leaf) != Some(self.edge.size()) {
            return Err(damaged(self.lane, path, line.offset, "the entry's sequence does not follow"));
        }
        self.edge.push(leaf_hash(leaf, &mut self.scratch));
        if let Some(root) = self.roots.get(&self.edge.size())
            && *root != self.edge.root()
        {
            return Err(damaged(
                self.lane,
                path,
                line.offset,
                "entries up to here are not those that were signed",
            ));
        }
        if let Some(root) = self.kept.get(&self.edge.size())
            && *root != self.edge.root()
        {
            let why = "entries up to here are not those over which a head was kept elsewhere";
            return Err(damaged(self.lane, path, line.offset, why));
        }
        self.follow(line);
        Ok(())
    }

    /// Whether all that was kept elsewhere is here. Of entries that were not read a signed head vouches.
    fn check_kept(&self, directory: &Path, from: u64) -> Result<(), JournalError> {
        let Some((size, _)) = self.kept.last_key_value().filter(|(size, _)| **size > from) else {
            return Ok(());
        };
        if *size <= self.edge.size() {
            return Ok(());
        }
        let there = self.edge.size();
        let why =
            format!("a head over {size} entries was kept elsewhere, {there} are there: it was rolled back");
        Err(damaged(self.lane, directory, 0, why))
    }

    /// Keeps the intents without outcome that no gate has told of.
    fn follow(&mut self, line: &Line) {
        let Some(Beginning { kind, request, outcome_unknown }) = beginning(line.leaf_bytes()) else { return };
        match (kind, request) {
            ("stop", _) => self.clean = true,
            ("intent", Some(request)) => self.intend(request, line.sequence, line.leaf()),
            ("answer", Some(request)) if !outcome_unknown => {
                self.intents.remove(request);
            }
            ("start", _) => {
                self.clean = false;
                // What a tool's start finds it leaves to the next gate.
                if line.facts().is_ok_and(|facts| facts.role == Some(super::Role::Gate.as_str())) {
                    self.intents.clear();
                }
            }
            ("open", _) => {
                for (request, sequence) in line.facts().map(|facts| facts.open).unwrap_or_default() {
                    self.intend(request, sequence, "");
                }
            }
            _ => {}
        }
    }

    fn intend(&mut self, request: &str, sequence: u64, leaf: &str) {
        if self.intents.len() < INTENTS_MAX && !self.intents.contains_key(request) {
            let (lane, leaf) = (self.lane.to_owned(), leaf.to_owned());
            let intent = UnknownOutcome { lane, sequence, request: request.to_owned(), leaf };
            self.intents.insert(request.to_owned(), intent);
        }
    }

    /// Whether a bad line may be a torn end.
    fn tail(&self, bad: BadLine, lines: &mut Lines, last: bool, path: &Path) -> Result<(), JournalError> {
        let offset = lines.offset();
        let inner = lines.rest_holds_a_line().map_err(JournalError::io("cannot read", path))?;
        if self.edge.size() < self.signed {
            return Err(damaged(self.lane, path, offset, format!("{bad}, and a signed head covers it")));
        }
        // A line whose checksum fits was written whole: it is none that a crash tore.
        if bad == BadLine::Sealed {
            return Err(damaged(self.lane, path, offset, bad.to_string()));
        }
        if inner || !last {
            return Err(damaged(self.lane, path, offset, format!("{bad}, and whole lines follow")));
        }
        Ok(())
    }
}

/// Cuts files and keeps what it cuts.
struct Keep<'a> {
    directory: &'a Path,
    boot: RequestId,
    repair: Repair,
    torn: Option<Torn>,
}

impl Keep<'_> {
    /// Takes a file away whose beginning is torn.
    fn remove(&mut self, path: &Path) -> Result<(), JournalError> {
        self.cut(path, 0)?;
        match self.repair {
            Repair::Do => fs::remove_file(path).map_err(JournalError::io("cannot remove", path)),
            Repair::Leave => Ok(()),
        }
    }

    fn cut(&mut self, path: &Path, length: u64) -> Result<(), JournalError> {
        if self.repair == Repair::Leave {
            return Ok(());
        }
        let kept_in = format!("torn-{}", self.boot);
        let to = self.directory.join(&kept_in);
        let copied = || -> io::Result<u64> {
            let mut from = OpenOptions::new().read(true).write(true).open(path)?;
            from.seek(SeekFrom::Start(length))?;
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut side = options.open(&to)?;
            let bytes = io::copy(&mut from, &mut side)?;
            // ORDER: kept before it is cut.
            side.sync_all()?;
            from.set_len(length)?;
            from.sync_all()?;
            Ok(bytes)
        };
        let bytes = copied().map_err(JournalError::io("cannot cut the torn end of", path))?;
        let before = self.torn.as_ref().map_or(0, |torn| torn.bytes);
        if before + bytes > 0 {
            self.torn = Some(Torn { kept_in, bytes: before + bytes });
        }
        Ok(())
    }
}

fn damaged(lane: &str, path: &Path, offset: u64, why: impl Into<String>) -> JournalError {
    JournalError::Damaged { place: format!("lane {lane}, {} byte {offset}", path.display()), why: why.into() }
}
