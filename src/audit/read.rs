//! Reading a journal from its files: all of a lane, its last entries, or what comes next.
//!
//! Segments that stand encrypted are read like others by whoever has the keys that wrap theirs; each function is given
//! where to look for them. Without one there is an error that names it, and no entry.
//!
//! Reading is an administrative act: whoever offers it writes an entry (see [`Journal::reading`](super::Journal::reading)).

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    JournalError, PublicKey, SignedHead, hashes,
    lanes::origin,
    line::{BESIDE_BYTES_MAX, BadLine, HEAD_LEN, LEAF_BYTES_MAX, Line, Lines, sequence_of},
    recover::{self, SegmentFile, segments},
    wrapping::WrappingKeys,
};

/// LIMIT: bytes at the end of a segment in which its last line begins, and how often it is looked for there.
const LINE_BYTES_MAX: u64 = (HEAD_LEN + LEAF_BYTES_MAX + BESIDE_BYTES_MAX + 1024) as u64;
const LOOKS_MAX: usize = 64;

/// Names of the lanes in a gate's directory, in order of their numbers.
pub fn lanes(gate_directory: &Path) -> Result<Vec<String>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(gate_directory).map_err(JournalError::io("cannot read", gate_directory))? {
        let name = entry.map_err(JournalError::io("cannot read", gate_directory))?.file_name();
        let number =
            name.to_str().and_then(|name| name.parse::<u32>().ok().filter(|n| n.to_string() == name));
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found.iter().map(u32::to_string).collect())
}

/// The newest signed head of a gate's lane, whoever writes to it; none where it has none that counts. What stands under
/// it is synced and stays as it is.
pub fn newest_head(gate_directory: &Path, gate: &str, lane: &str, key: &PublicKey) -> Option<SignedHead> {
    recover::newest_head(&gate_directory.join(lane), &origin(gate, lane), key)
}

/// The first entry of a lane that is here: 0, or what follows the segments that were taken away.
pub fn oldest(directory: &Path) -> Result<u64, JournalError> {
    Ok(segments(directory)?.first().map_or(0, |segment| segment.first))
}

/// Every entry of a lane that is here, oldest first; memory is bounded by one entry. What is not here any more
/// [`put_away`](super::put_away) tells.
pub fn read_lane(directory: &Path, keys: &WrappingKeys) -> Result<LaneLines, JournalError> {
    Ok(LaneLines { segments: segments(directory)?.into(), keys: keys.clone(), open: None })
}

/// The last entries of a lane, oldest first; reads only as many segments as it must.
pub fn tail(directory: &Path, count: usize, keys: &WrappingKeys) -> Result<Vec<Line>, JournalError> {
    let mut last = VecDeque::new();
    for segment in segments(directory)?.into_iter().rev() {
        let mut here = VecDeque::new();
        let wanted = count.saturating_sub(last.len());
        if wanted == 0 {
            break;
        }
        for line in (LaneLines { segments: [segment].into(), keys: keys.clone(), open: None }) {
            if here.len() == wanted {
                here.pop_front();
            }
            here.push_back(line?);
        }
        here.append(&mut last);
        last = here;
    }
    Ok(last.into())
}

/// The entries of a lane, one after the other. An entry that is being written just now ends it without an error.
#[derive(Debug)]
pub struct LaneLines {
    segments: VecDeque<SegmentFile>,
    keys: WrappingKeys,
    /// The segment that is read, and the sequence of its next line.
    open: Option<(PathBuf, Lines, u64)>,
}

impl Iterator for LaneLines {
    type Item = Result<Line, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.open.is_none() {
                let segment = self.segments.pop_front()?;
                match Lines::open(&segment.path, &self.keys) {
                    Ok((lines, _)) => {
                        self.open = Some((segment.path, lines.at(segment.first), segment.first));
                    }
                    // It was put away since; `put_away` tells it to whoever asks after reading.
                    Err(_) if was_put_away(&segment) => continue,
                    Err(error) => {
                        self.segments.clear();
                        return Some(Err(error));
                    }
                }
            }
            let (path, lines, next) = self.open.as_mut()?;
            let mut line = Line::default();
            match next_line(path, lines, &mut line) {
                Ok(Step::Line) => {
                    *next += 1;
                    return Some(Ok(line));
                }
                Ok(Step::End | Step::Short) => self.open = None,
                Err(error) => {
                    self.open = None;
                    self.segments.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn was_put_away(segment: &SegmentFile) -> bool {
    segment.path.parent().is_some_and(|directory| hashes::is_put_away(directory, segment.first))
}

/// What was found where a line should stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is read.
    Line,
    /// The end of the segment.
    End,
    /// The beginning of a line: it is being written just now, or was torn.
    Short,
}

/// Reads the next line, which has that sequence. Lines are blanked in place, so that one that was read ahead may be
/// half of what it was and half of what it is: what does not fit is read anew before it counts as damage.
pub(super) fn next_line(path: &Path, lines: &mut Lines, line: &mut Line) -> Result<Step, JournalError> {
    match lines.next_into(line).map_err(JournalError::io("cannot read", path))? {
        Ok(true) if sequence_of(line.leaf_bytes()) == Some(line.sequence) => Ok(Step::Line),
        Ok(true) => Err(damaged(path, line.offset, "the entry's sequence does not follow")),
        Ok(false) => Ok(Step::End),
        Err(BadLine::Short) => Ok(Step::Short),
        Err(bad) => Err(damaged(path, lines.offset(), &bad.to_string())),
    }
}

pub(super) fn damaged(path: &Path, offset: u64, why: &str) -> JournalError {
    JournalError::Damaged { place: format!("{} byte {offset}", path.display()), why: why.to_owned() }
}

/// When the first entry of a segment was written; none where it has none yet.
pub(super) fn begins(segment: &SegmentFile, keys: &WrappingKeys) -> Result<Option<Timestamp>, JournalError> {
    let (lines, _) = Lines::open(&segment.path, keys)?;
    let (mut lines, mut line) = (lines.at(segment.first), Line::default());
    match next_line(&segment.path, &mut lines, &mut line)? {
        Step::Line => {
            let at = line.facts().ok().and_then(|facts| facts.at.parse().ok());
            at.map(Some).ok_or_else(|| damaged(&segment.path, line.offset, "the entry says no moment"))
        }
        Step::End | Step::Short => Ok(None),
    }
}

/// When the last entry of a full segment was written, which has that sequence; none where it does not stand at its end.
pub(super) fn ends(
    segment: &SegmentFile,
    last: u64,
    keys: &WrappingKeys,
) -> Result<Option<Timestamp>, JournalError> {
    let unreadable = || JournalError::io("cannot read", &segment.path);
    let mut file = File::open(&segment.path).map_err(unreadable())?;
    let length = file.metadata().map_err(unreadable())?.len();
    let start = length.saturating_sub(LINE_BYTES_MAX);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(LINE_BYTES_MAX).read_to_end(&mut end))
        .map_err(unreadable())?;
    // The last line begins after the last newline but its own; whatever else looks so is no such entry.
    let before = end.get(..end.len().saturating_sub(1)).unwrap_or_default();
    for at in memchr::memrchr_iter(b'\n', before).take(LOOKS_MAX) {
        let offset = start.saturating_add(at as u64).saturating_add(1);
        let mut lines = Lines::resume(&segment.path, offset, last, keys)?;
        let mut line = Line::default();
        if matches!(next_line(&segment.path, &mut lines, &mut line), Ok(Step::Line)) {
            return Ok(line.facts().ok().and_then(|facts| facts.at.parse().ok()));
        }
    }
    Ok(None)
}

/// What is appended to a lane from some moment on; ask again and again. What was read is not read again.
#[derive(Debug)]
pub struct Follow {
    directory: PathBuf,
    keys: WrappingKeys,
    next: u64,
    /// The segment the last entry was in, by its first, and where that entry ended.
    at: Option<(u64, u64)>,
}

impl Follow {
    /// Begins after the entries that are there now.
    pub fn from_end(directory: &Path, keys: &WrappingKeys) -> Result<Self, JournalError> {
        let last = tail(directory, 1, keys)?.pop();
        let next = last.as_ref().map_or(0, |line| line.sequence + 1);
        let segments = segments(directory)?;
        let at = last.and_then(|line| {
            let segment = segments.iter().rfind(|segment| segment.first <= line.sequence)?;
            Some((segment.first, line.offset + line.len()))
        });
        Ok(Self { directory: directory.to_owned(), keys: keys.clone(), next, at })
    }

    /// The sequence of the entry that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Begins with an entry. What stands before it in its segment is read once.
    pub fn from(directory: &Path, next: u64, keys: &WrappingKeys) -> Self {
        Self { directory: directory.to_owned(), keys: keys.clone(), next, at: None }
    }

    /// Entries that came since the last time, at most `count` of them.
    pub fn more(&mut self, count: usize) -> Result<Vec<Line>, JournalError> {
        self.more_within(count, u64::MAX)
    }

    /// The same, ending with the entry by which they are so many bytes in the journal.
    pub fn more_within(&mut self, count: usize, bytes_max: u64) -> Result<Vec<Line>, JournalError> {
        let mut bytes = 0;
        let all = segments(&self.directory)?;
        let from = all.iter().rposition(|segment| segment.first <= self.next).unwrap_or(0);
        let mut found = Vec::new();
        for segment in all.iter().skip(from) {
            let mut lines = match self.at {
                Some((first, offset)) if first == segment.first => {
                    Lines::resume(&segment.path, offset, self.next, &self.keys)?
                }
                Some(_) | None => Lines::open(&segment.path, &self.keys)?.0.at(segment.first),
            };
            while found.len() < count && bytes < bytes_max {
                let mut line = Line::default();
                if next_line(&segment.path, &mut lines, &mut line)? != Step::Line {
                    break;
                }
                if line.sequence >= self.next {
                    self.next = line.sequence + 1;
                    self.at = Some((segment.first, lines.offset()));
                    bytes += line.len();
                    found.push(line);
                }
            }
        }
        Ok(found)
    }
}
