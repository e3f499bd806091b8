//! One line of a segment: how an entry stands in the file.
//!
//! `LLLLLL BBBBBB CCCCCCCC {leaf} beside\n` — length of the leaf and of what stands beside it, and the CRC-32
//! of both with the space between them, all in hex. Only the leaf is hashed into the tree; what stands beside
//! it is bound by a salted commitment inside the leaf, so that it can be erased and the tree stays whole.
//!
//! In a segment that stands encrypted both are sealed (see `sealed.rs`); lengths and CRC are those of what stands in the
//! file. Its first line says so. Whoever reads a [`Line`] has it in clear.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
    sync::Arc,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    JournalError,
    sealed::{BESIDE_OVERHEAD, IndexKey, LEAF_OVERHEAD, SegmentKey, key_of},
    text,
    tree::Edge,
    wrapping::{Wrapped, WrappingKeys},
};
use crate::words::Digest;

/// Length of what stands before the leaf.
pub(super) const HEAD_LEN: usize = 23;
/// LIMIT: largest leaf, in bytes.
pub(super) const LEAF_BYTES_MAX: usize = 256 * 1024;
/// LIMIT: largest part beside a leaf, in bytes.
pub(super) const BESIDE_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: the same as they stand in the file, where they may be sealed.
pub(super) const STORED_LEAF_BYTES_MAX: usize = LEAF_BYTES_MAX + LEAF_OVERHEAD;
pub(super) const STORED_BESIDE_BYTES_MAX: usize = BESIDE_BYTES_MAX + BESIDE_OVERHEAD;
/// What every leaf begins with; the sequence follows, sixteen hex digits, filled in when the line is written.
pub(super) const LEAF_START: &[u8] = b"{\"v\":1,\"seq\":\"";
/// Where in a leaf the sequence ends.
const SEQUENCE_END: usize = LEAF_START.len() + 16;
/// What stands in the place of an erased part, for its whole length.
pub(super) const TOMBSTONE: u8 = b'x';

/// Where a line stands in a buffer that was not written yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) leaf: usize,
    pub(super) beside: usize,
}

impl Mark {
    pub(super) fn end(&self) -> usize {
        self.start + HEAD_LEN + self.leaf + 1 + self.beside + 1
    }

    /// Fills in the sequence; gives the line. None where the buffer does not hold such a one.
    pub(super) fn number<'a>(&self, buffer: &'a mut [u8], sequence: u64) -> Option<&'a mut [u8]> {
        let line = buffer.get_mut(self.start..self.end())?;
        text::hex_into(line.get_mut(HEAD_LEN + LEAF_START.len()..HEAD_LEN + SEQUENCE_END)?, sequence);
        Some(line)
    }

    /// Leaf and what stands beside it, of the line.
    pub(super) fn parts<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let body = line.get(HEAD_LEN..)?;
        Some((body.get(..self.leaf)?, body.get(self.leaf + 1..self.leaf + 1 + self.beside)?))
    }
}

/// Fills in lengths and CRC of a line that stands whole in `line`.
pub(super) fn finish(line: &mut [u8], leaf: usize, beside: usize) -> Option<()> {
    let (head, body) = line.split_at_mut_checked(HEAD_LEN)?;
    let sum = crc32fast::hash(body.get(..leaf + 1 + beside)?);
    text::hex_into(head.get_mut(0..6)?, leaf as u64);
    text::hex_into(head.get_mut(7..13)?, beside as u64);
    text::hex_into(head.get_mut(14..22)?, u64::from(sum));
    for space in [6, 13, 22] {
        *head.get_mut(space)? = b' ';
    }
    Some(())
}

/// An entry as it was read from a segment.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Its place in the lane's tree, counted from 0; the leaf says the same.
    pub sequence: u64,
    /// Where in the segment the line begins.
    pub offset: u64,
    bytes: Vec<u8>,
    leaf: usize,
    /// Lengths of leaf and of what stands beside it, in the file.
    stored: (usize, usize),
}

impl Line {
    /// The leaf: one line of JSON, printable ASCII.
    pub fn leaf(&self) -> &str {
        std::str::from_utf8(self.leaf_bytes()).unwrap_or_default()
    }

    /// What stands beside it.
    pub fn beside(&self) -> Beside<'_> {
        let bytes = self.bytes.get(self.leaf + 1..).unwrap_or_default();
        match std::str::from_utf8(bytes).unwrap_or_default() {
            "-" => Beside::Nothing,
            erased if erased.bytes().all(|byte| byte == TOMBSTONE) => Beside::Erased,
            sealed => Beside::Sealed(sealed),
        }
    }

    pub(super) fn leaf_bytes(&self) -> &[u8] {
        self.bytes.get(..self.leaf).unwrap_or_default()
    }

    /// Lengths of leaf and of what stands beside it, as they stand in the file.
    pub(super) fn stored(&self) -> (usize, usize) {
        self.stored
    }

    /// Length of the whole line in the file.
    pub(super) fn len(&self) -> u64 {
        (HEAD_LEN + self.stored.0 + 1 + self.stored.1 + 1) as u64
    }

    /// The fields every entry has, and those that verification looks at.
    pub fn facts(&self) -> Result<LineFacts<'_>, serde_json::Error> {
        serde_json::from_slice(self.leaf_bytes())
    }
}

/// What stands beside a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<'a> {
    /// Nothing ever did.
    Nothing,
    /// Sealed under a period's key.
    Sealed(&'a str),
    /// It was erased; the leaf still commits to what it was.
    Erased,
}

/// Fields of a leaf that tools look at; the rest is in [`Line::leaf`].
#[derive(Debug, Deserialize)]
pub struct LineFacts<'a> {
    /// Sequence, sixteen hex digits.
    pub seq: &'a str,
    /// `start`, `stop`, `open`, `intent`, `answer`, `close`, `counted`, `administrative`.
    pub kind: &'a str,
    /// When.
    #[serde(default)]
    pub at: &'a str,
    /// The exchange it belongs to.
    pub request: Option<&'a str>,
    /// The salt, 32 hex digits.
    pub salt: &'a str,
    /// Commitment to what stands beside.
    pub sealed: Option<&'a str>,
    /// In a `start`: the heads of the other lanes.
    #[serde(default)]
    pub lanes: Vec<LaneMention<'a>>,
    /// In a `start`: `gate` or `tool`.
    pub role: Option<&'a str>,
    /// In an `open`: intents without an outcome so far, each with its sequence.
    #[serde(default)]
    pub open: Vec<(&'a str, u64)>,
    /// In an `administrative` entry: what was done.
    pub act: Option<&'a str>,
    /// In an `administrative` entry: lines whose sealed part is erased, as `lane:sequence`.
    #[serde(default)]
    pub erased: Vec<&'a str>,
    /// In an `administrative` entry: up to where each lane was put away.
    #[serde(default)]
    pub put_away: Vec<PutAwayMention<'a>>,
    /// Who asked.
    #[serde(borrow)]
    pub who: Option<&'a RawValue>,
}

impl LineFacts<'_> {
    /// Whether it says that sealed parts were erased.
    pub(super) fn says_erased(&self) -> bool {
        matches!(self.act, Some("erase" | "erased-before"))
    }
}

/// What is gone of a lane, as the entry says that was written when some of it went.
#[derive(Clone, Debug, Deserialize)]
pub struct PutAwayMention<'a> {
    /// Which lane.
    pub lane: &'a str,
    /// The first entry that is still there.
    pub to: u64,
    /// The digest of the hashes that stay in place of the last segment that went, hex. They name the ones before.
    pub hashes: &'a str,
}

/// The head of another lane, as a `start` entry names it.
#[derive(Clone, Debug, Deserialize)]
pub struct LaneMention<'a> {
    /// Which lane.
    pub lane: &'a str,
    /// Its size.
    pub size: u64,
    /// Its root, hex.
    pub root: &'a str,
}

/// Why a line could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// The file ends inside it.
    #[error("the file ends inside the line")]
    Short,
    /// What stands there is no line.
    #[error("the line's frame is broken")]
    Frame,
    /// It was changed or written in part.
    #[error("the line's checksum does not fit")]
    Sum,
    /// It stands encrypted, and is not what was written in this place.
    #[error("the line does not open under its segment's key: it was changed, or stood elsewhere")]
    Sealed,
}

/// Reads one segment line by line; memory is bounded by one line.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<File>,
    opener: Opener,
    offset: u64,
    sequence: u64,
}

/// What opens the lines of a segment.
#[derive(Debug)]
enum Opener {
    /// They stand in clear.
    Clear,
    Key(Box<SegmentKey>),
    /// The key is not here: lines are given as they stand.
    Missing,
}

impl Opener {
    fn of(path: &Path, head: &str, keys: &WrappingKeys) -> Result<Self, JournalError> {
        // A first line that is none is told by whoever holds it against the tree.
        let Some(head) = SegmentHead::read(head) else { return Ok(Self::Clear) };
        Ok(key_of(path, &head, keys)?.map_or(Self::Clear, |key| Self::Key(Box::new(key))))
    }
}

impl Lines {
    /// Opens a segment at its first entry; gives its first line too.
    pub(super) fn open(path: &Path, keys: &WrappingKeys) -> Result<(Self, String), JournalError> {
        match Self::open_frames(path, keys)? {
            (lines, head, None) => Ok((lines, head)),
            (_, _, Some(missing)) => Err(missing),
        }
    }

    /// The same; where the key is missing, lines are given as they stand, and why is told.
    pub(super) fn open_frames(
        path: &Path,
        keys: &WrappingKeys,
    ) -> Result<(Self, String, Option<JournalError>), JournalError> {
        let (file, head) = opened(path, 256 * 1024).map_err(JournalError::io("cannot read", path))?;
        let offset = head.len() as u64;
        let head = String::from_utf8_lossy(&head).into_owned();
        let (opener, missing) = match Opener::of(path, &head, keys) {
            Ok(opener) => (opener, None),
            Err(missing) => (Opener::Missing, Some(missing)),
        };
        Ok((Self { file, opener, offset, sequence: 0 }, head, missing))
    }

    /// Goes on where a line begins that has that sequence.
    pub(super) fn resume(
        path: &Path,
        offset: u64,
        sequence: u64,
        keys: &WrappingKeys,
    ) -> Result<Self, JournalError> {
        let mut lines = Self::looks(path, keys)?;
        let mut file = lines.file.into_inner();
        file.seek(io::SeekFrom::Start(offset)).map_err(JournalError::io("cannot read", path))?;
        lines.file = BufReader::with_capacity(256 * 1024, file);
        Ok(Self { offset, sequence, ..lines })
    }

    /// The same for who looks at lines here and there: little is read ahead.
    pub(super) fn looks(path: &Path, keys: &WrappingKeys) -> Result<Self, JournalError> {
        let (file, head) = opened(path, 8 * 1024).map_err(JournalError::io("cannot read", path))?;
        let opener = Opener::of(path, &String::from_utf8_lossy(&head), keys)?;
        Ok(Self { file, opener, offset: head.len() as u64, sequence: 0 })
    }

    /// Goes to where a line begins that has that sequence; forth is cheap.
    pub(super) fn go(&mut self, offset: u64, sequence: u64) -> io::Result<()> {
        let position = self.file.stream_position()?;
        match i64::try_from(i128::from(offset) - i128::from(position)) {
            Ok(distance) => self.file.seek_relative(distance)?,
            Err(_) => drop(self.file.seek(io::SeekFrom::Start(offset))?),
        }
        (self.offset, self.sequence) = (offset, sequence);
        Ok(())
    }

    /// Says which sequence the next line has.
    pub(super) fn at(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// What seals the index of the segment, where it stands encrypted.
    pub(super) fn index_key(&self) -> Option<Arc<IndexKey>> {
        match &self.opener {
            Opener::Key(key) => Some(key.index().clone()),
            Opener::Clear | Opener::Missing => None,
        }
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line into `line`; false at the end of the file.
    pub(super) fn next_into(&mut self, line: &mut Line) -> io::Result<Result<bool, BadLine>> {
        let found = self.read_into(line)?;
        if !matches!(found, Err(BadLine::Frame | BadLine::Sum | BadLine::Sealed)) {
            return Ok(found);
        }
        // Lines are blanked in place: what was read ahead may be half of the one and half of the other.
        self.file.seek(io::SeekFrom::Start(self.offset))?;
        self.read_into(line)
    }

    fn read_into(&mut self, line: &mut Line) -> io::Result<Result<bool, BadLine>> {
        match self.frame_into(line)? {
            Ok(true) => {}
            ended => return Ok(ended),
        }
        line.leaf = match &self.opener {
            Opener::Clear | Opener::Missing => line.stored.0,
            Opener::Key(key) => match key.open(self.sequence, line.stored.0, &mut line.bytes) {
                Some(leaf) => leaf,
                None => return Ok(Err(BadLine::Sealed)),
            },
        };
        line.offset = self.offset;
        line.sequence = self.sequence;
        self.offset += line.len();
        self.sequence += 1;
        Ok(Ok(true))
    }

    /// A line as it stands in the file.
    fn frame_into(&mut self, line: &mut Line) -> io::Result<Result<bool, BadLine>> {
        let mut head = [0; HEAD_LEN];
        match read_up_to(&mut self.file, &mut head)? {
            0 => return Ok(Ok(false)),
            HEAD_LEN => {}
            _ => return Ok(Err(BadLine::Short)),
        }
        let Some((leaf, beside, sum)) = lengths(&head) else { return Ok(Err(BadLine::Frame)) };
        line.bytes.resize(leaf + beside + 2, 0);
        if read_up_to(&mut self.file, &mut line.bytes)? < line.bytes.len() {
            return Ok(Err(BadLine::Short));
        }
        if line.bytes.pop() != Some(b'\n') || line.bytes.get(leaf) != Some(&b' ') {
            return Ok(Err(BadLine::Frame));
        }
        if crc32fast::hash(&line.bytes) != sum {
            return Ok(Err(BadLine::Sum));
        }
        line.stored = (leaf, beside);
        Ok(Ok(true))
    }

    /// After a bad line: the rest of the file from its beginning, and whether a whole line stands in it.
    ///
    /// A torn tail is the end of the file; whole lines after a bad one say that the middle was damaged.
    pub(super) fn rest_holds_a_line(&mut self) -> io::Result<bool> {
        let offset = self.offset;
        let mut start = offset;
        loop {
            // Relative, so that what was read ahead is kept.
            let back = i64::try_from(self.file.stream_position()?.saturating_sub(start)).unwrap_or(i64::MAX);
            self.file.seek_relative(-back)?;
            let mut skipped = Vec::new();
            // LIMIT: one line at a time, never longer than a line may be.
            if read_line(&mut self.file, &mut skipped)? == 0 {
                return Ok(false);
            }
            start += skipped.len() as u64;
            match self.frame_into(&mut Line::default())? {
                Ok(true) => return Ok(true),
                Ok(false) => return Ok(false),
                Err(_) => {}
            }
        }
    }
}

/// Whether bytes are one whole line with its newline: leaf and what stands beside it.
pub fn parse(bytes: &[u8]) -> Result<(&[u8], &[u8]), BadLine> {
    let (head, body) = bytes.split_at_checked(HEAD_LEN).ok_or(BadLine::Short)?;
    let (leaf, beside, sum) = lengths(head).ok_or(BadLine::Frame)?;
    let covered = body.get(..leaf + 1 + beside).ok_or(BadLine::Short)?;
    if body.get(leaf + 1 + beside..) != Some(b"\n") || covered.get(leaf) != Some(&b' ') {
        return Err(BadLine::Frame);
    }
    if crc32fast::hash(covered) != sum {
        return Err(BadLine::Sum);
    }
    Ok((covered.get(..leaf).unwrap_or_default(), covered.get(leaf + 1..).unwrap_or_default()))
}

/// The fixed beginning of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning<'a> {
    pub(super) kind: &'a str,
    /// The exchange it belongs to.
    pub(super) request: Option<&'a str>,
    /// Whether an answer says that it does not know what became of the exchange's intent.
    pub(super) outcome_unknown: bool,
}

/// What follows the exchange in an answer that does not know what became of its intent.
pub(super) const OUTCOME_UNKNOWN: &[u8] = b",\"outcome\":\"unknown\"";

/// Reads the beginning of a leaf without the rest.
pub(super) fn beginning(leaf: &[u8]) -> Option<Beginning<'_>> {
    let rest = leaf.get(SEQUENCE_END..)?.strip_prefix(b"\",\"kind\":\"")?;
    let quote = rest.iter().position(|byte| *byte == b'"')?;
    let kind = std::str::from_utf8(rest.get(..quote)?).ok()?;
    let named = rest.get(quote..)?.strip_prefix(b"\",\"request\":\"");
    let (id, rest) = named.and_then(|rest| rest.split_at_checked(32)).unzip();
    let request = id.and_then(|id| std::str::from_utf8(id).ok());
    let rest = rest.and_then(|rest| rest.strip_prefix(b"\""));
    let outcome_unknown = rest.is_some_and(|rest| rest.starts_with(OUTCOME_UNKNOWN));
    Some(Beginning { kind, request, outcome_unknown })
}

/// The sequence a leaf says it has.
pub(super) fn sequence_of(leaf: &[u8]) -> Option<u64> {
    let digits = leaf.strip_prefix(LEAF_START)?.get(..16)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The first line of a segment: what it is, whose, its key where it stands encrypted, from which entry on, and the
/// tree's edge there.
pub(super) fn segment_head(origin: &str, edge: &Edge, wrapped: Option<&Wrapped>) -> Vec<u8> {
    let mut out = Vec::with_capacity(192 + edge.peaks().len() * 65);
    out.extend_from_slice(match wrapped {
        None => CLEAR,
        Some(_) => ENCRYPTED,
    });
    out.push(b' ');
    out.extend_from_slice(origin.as_bytes());
    if let Some(wrapped) = wrapped {
        out.extend_from_slice(format!(" {wrapped}").as_bytes());
    }
    out.push(b' ');
    text::digits(&mut out, edge.size());
    for peak in edge.peaks() {
        out.push(b' ');
        text::hex(&mut out, &peak.0);
    }
    out.push(b'\n');
    out
}

/// What a segment's first line begins with.
const CLEAR: &[u8] = b"bramka-journal 1";
const ENCRYPTED: &[u8] = b"bramka-journal 2";

/// A segment's first line, read back.
#[derive(Debug)]
pub(super) struct SegmentHead<'a> {
    pub(super) origin: &'a str,
    pub(super) edge: Edge,
    /// The segment's key as it was wrapped first; none where the segment stands in clear.
    pub(super) wrapped: Option<Wrapped>,
}

impl<'a> SegmentHead<'a> {
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        let (version, rest) = line.as_bytes().split_at_checked(CLEAR.len())?;
        let is_sealed = version == ENCRYPTED;
        if (!is_sealed && version != CLEAR) || !rest.starts_with(b" ") {
            return None;
        }
        let mut words = line.split(' ').skip(2);
        let origin = words.next()?;
        let wrapped = match is_sealed {
            true => Some(Wrapped::parse(words.next()?, words.next()?)?),
            false => None,
        };
        let size = words.next()?.parse().ok()?;
        let edge = Edge::restore(size, words.map(digest_of_hex).collect::<Option<_>>()?)?;
        Some(Self { origin, edge, wrapped })
    }

    /// The first line of a segment's file, as it stands.
    pub(super) fn line_of(path: &Path) -> Result<String, JournalError> {
        let (_, head) = opened(path, 8 * 1024).map_err(JournalError::io("cannot read", path))?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    }
}

/// The edge that a segment of a lane begins with.
pub(super) fn parse_segment_head(line: &str, origin: &str) -> Option<Edge> {
    SegmentHead::read(line).filter(|head| head.origin == origin).map(|head| head.edge)
}

/// A segment's file after its first line.
fn opened(path: &Path, ahead: usize) -> io::Result<(BufReader<File>, Vec<u8>)> {
    let mut file = BufReader::with_capacity(ahead, File::open(path)?);
    let mut head = Vec::new();
    read_line(&mut file, &mut head)?;
    Ok((file, head))
}

/// A digest from its 64 hex digits.
pub(super) fn digest_of_hex(hex: &str) -> Option<Digest> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok().map(Digest)
}

/// Lengths of leaf and of what stands beside it, and the checksum, as a line's head says them.
pub(super) fn lengths(head: &[u8]) -> Option<(usize, usize, u32)> {
    let field = |range| {
        let digits = std::str::from_utf8(head.get(range)?).ok()?;
        let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let (leaf, beside, sum) = (field(0..6)?, field(7..13)?, field(14..22)?);
    let spaced = [6, 13, 22].iter().all(|at| head.get(*at) == Some(&b' '));
    let (leaf, beside) = (leaf as usize, beside as usize);
    let known = leaf <= STORED_LEAF_BYTES_MAX && beside <= STORED_BESIDE_BYTES_MAX;
    (spaced && known).then_some((leaf, beside, sum))
}

fn read_up_to(file: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Up to a newline, or as long as a line may be.
fn read_line(file: &mut BufReader<File>, into: &mut Vec<u8>) -> io::Result<usize> {
    use io::BufRead;
    let bound = (HEAD_LEN + STORED_LEAF_BYTES_MAX + STORED_BESIDE_BYTES_MAX + 2) as u64;
    file.by_ref().take(bound).read_until(b'\n', into)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let leaf = [
            LEAF_START,
            b"0000000000000000\",\"kind\":\"answer\",\"request\":\"00112233445566778899aabbccddeeff\"}",
        ]
        .concat();
        let mut line = vec![0; HEAD_LEN];
        line.extend_from_slice(&leaf);
        line.extend_from_slice(b" beside\n");
        let mark = Mark { start: 0, leaf: leaf.len(), beside: 6 };
        finish(mark.number(&mut line, 0x1f).unwrap(), leaf.len(), 6).unwrap();
        line
    }

    #[test]
    fn a_line_comes_back_with_its_sequence_kind_and_exchange() {
        let line = sample();
        let (leaf, beside) = parse(&line).unwrap();
        assert_eq!(beside, b"beside");
        assert_eq!(sequence_of(leaf), Some(0x1f));
        let beginning = beginning(leaf).unwrap();
        assert_eq!(beginning.kind, "answer");
        assert_eq!(beginning.request, Some("00112233445566778899aabbccddeeff"));
        assert!(!beginning.outcome_unknown);
    }

    #[test]
    fn any_flipped_bit_of_a_line_is_seen() {
        let line = sample();
        for bit in 0..line.len() * 8 {
            let mut bent = line.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bent).is_err(), "bit {bit}");
        }
        for cut in 0..line.len() {
            assert!(parse(&line[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_segment_head_carries_the_edge() {
        let mut edge = Edge::default();
        for n in 0..11_u8 {
            edge.push(Digest::of(&[n]));
        }
        let head = String::from_utf8(segment_head("bramka/main/0", &edge, None)).unwrap();
        assert_eq!(parse_segment_head(&head, "bramka/main/0"), Some(edge));
        assert_eq!(parse_segment_head(&head, "bramka/main/1"), None);
    }

    proptest! {
        #[test]
        fn strange_bytes_are_no_line_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
