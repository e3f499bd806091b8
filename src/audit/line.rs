//! One line of a segment: how an entry stands in the file.
//!
//! `LLLLLL BBBBBB CCCCCCCC {leaf} beside\n` — length of the leaf and of what stands beside it, and the CRC-32
//! of both with the space between them, all in hex. Only the leaf is hashed into the tree; what stands beside
//! it is bound by a salted commitment inside the leaf, so that it can be erased and the tree stays whole.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text;
use crate::words::Digest;

/// Length of what stands before the leaf.
pub(super) const HEAD_LEN: usize = 23;
/// LIMIT: largest leaf, in bytes.
pub(super) const LEAF_BYTES_MAX: usize = 256 * 1024;
/// LIMIT: largest part beside a leaf, in bytes.
pub(super) const BESIDE_BYTES_MAX: usize = 64 * 1024;
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

    /// Fills in sequence, lengths and CRC. None where the buffer does not hold such a line.
    pub(super) fn seal<'a>(&self, buffer: &'a mut [u8], sequence: u64) -> Option<&'a [u8]> {
        let line = buffer.get_mut(self.start..self.end())?;
        text::hex_into(line.get_mut(HEAD_LEN + LEAF_START.len()..HEAD_LEN + SEQUENCE_END)?, sequence);
        finish(line, self.leaf, self.beside)?;
        line.get(HEAD_LEN..HEAD_LEN + self.leaf)
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

    /// Leaf, a space, what stands beside: what the CRC covers.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole line in the file.
    pub(super) fn len(&self) -> u64 {
        (HEAD_LEN + self.bytes.len() + 1) as u64
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
}

/// Reads one segment line by line; memory is bounded by one line.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<File>,
    offset: u64,
    sequence: u64,
}

impl Lines {
    /// Opens a segment at its first entry; gives its first line too.
    pub(super) fn open(path: &Path) -> io::Result<(Self, String)> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let mut head = Vec::new();
        read_line(&mut file, &mut head)?;
        let offset = head.len() as u64;
        Ok((Self { file, offset, sequence: 0 }, String::from_utf8_lossy(&head).into_owned()))
    }

    /// Goes on where a line begins that has that sequence.
    pub(super) fn resume(path: &Path, offset: u64, sequence: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(io::SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::with_capacity(256 * 1024, file), offset, sequence })
    }

    /// The same for who looks at lines here and there: little is read ahead.
    pub(super) fn looks(path: &Path) -> io::Result<Self> {
        let file = BufReader::with_capacity(8 * 1024, File::open(path)?);
        Ok(Self { file, offset: 0, sequence: 0 })
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

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line into `line`; false at the end of the file.
    pub(super) fn next_into(&mut self, line: &mut Line) -> io::Result<Result<bool, BadLine>> {
        let found = self.read_into(line)?;
        if !matches!(found, Err(BadLine::Frame | BadLine::Sum)) {
            return Ok(found);
        }
        // Lines are blanked in place: what was read ahead may be half of the one and half of the other.
        self.file.seek(io::SeekFrom::Start(self.offset))?;
        self.read_into(line)
    }

    fn read_into(&mut self, line: &mut Line) -> io::Result<Result<bool, BadLine>> {
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
        line.leaf = leaf;
        line.offset = self.offset;
        line.sequence = self.sequence;
        self.offset += line.len();
        self.sequence += 1;
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
            self.offset = start;
            let read = self.read_into(&mut Line::default())?;
            self.offset = offset;
            match read {
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

/// The first line of a segment: what it is, whose, from which entry on, and the tree's edge there.
pub(super) fn segment_head(origin: &str, edge: &super::tree::Edge) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + edge.peaks().len() * 65);
    out.extend_from_slice(b"bramka-journal 1 ");
    out.extend_from_slice(origin.as_bytes());
    out.push(b' ');
    text::digits(&mut out, edge.size());
    for peak in edge.peaks() {
        out.push(b' ');
        text::hex(&mut out, &peak.0);
    }
    out.push(b'\n');
    out
}

/// Reads a segment's first line back.
pub(super) fn parse_segment_head(line: &str, origin: &str) -> Option<super::tree::Edge> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    if words.next() != Some("bramka-journal") || words.next() != Some("1") || words.next() != Some(origin) {
        return None;
    }
    let size = words.next()?.parse().ok()?;
    super::tree::Edge::restore(size, words.map(digest_of_hex).collect::<Option<_>>()?)
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
    (spaced && leaf <= LEAF_BYTES_MAX && beside <= BESIDE_BYTES_MAX).then_some((leaf, beside, sum))
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
    let bound = (HEAD_LEN + LEAF_BYTES_MAX + BESIDE_BYTES_MAX + 2) as u64;
    file.by_ref().take(bound).read_until(b'\n', into)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::tree::Edge;

    fn sample() -> Vec<u8> {
        let leaf = [
            LEAF_START,
            b"0000000000000000\",\"kind\":\"answer\",\"request\":\"00112233445566778899aabbccddeeff\"}",
        ]
        .concat();
        let mut line = vec![0; HEAD_LEN];
        line.extend_from_slice(&leaf);
        line.extend_from_slice(b" beside\n");
        Mark { start: 0, leaf: leaf.len(), beside: 6 }.seal(&mut line, 0x1f).unwrap();
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
        let head = String::from_utf8(segment_head("bramka/main/0", &edge)).unwrap();
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
