//! Erasing what stands beside leaves: the sealed part becomes a tombstone of the same length, the leaf and the tree
//! stay as they are, and an entry says which lines were erased, so that erased is told from missing.

use std::{
    fs::OpenOptions,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    Journal, JournalError, KeyedDigest,
    line::{Beside, HEAD_LEN, Line, Lines, TOMBSTONE, finish},
    read,
    recover::segments,
    text,
};
use crate::clock::Now;

/// LIMIT: lines that one entry about an erasure names.
const NAMED_MAX: usize = 1_000;

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Lines whose sealed part is gone now.
    pub lines: u64,
}

/// Lines whose leaf names a principal, record or subject by its keyed digest: lane and sequence of each.
pub fn find_lines(gate_directory: &Path, digest: KeyedDigest) -> Result<Vec<(String, u64)>, JournalError> {
    let wanted = format!("\"{digest}\"");
    let mut found = Vec::new();
    for lane in read::lanes(gate_directory)? {
        for line in read::read_lane(&gate_directory.join(&lane))? {
            let line = line?;
            if line.leaf().contains(&wanted) {
                found.push((lane.clone(), line.sequence));
            }
        }
    }
    Ok(found)
}

/// Erases the sealed parts of every line that names the digest. Blocks; doing it again is harmless, and finishes
/// what a crash left undone.
pub fn erase(journal: &Journal, digest: KeyedDigest, who: &str, now: Now) -> Result<Erased, JournalError> {
    let found = find_lines(journal.directory(), digest)?;
    // ORDER: said and synced before it is done: a tombstone without its entry reads as damage.
    for named in found.chunks(NAMED_MAX) {
        let mut fields = Vec::new();
        text::text(&mut fields, "act", "erase");
        text::text(&mut fields, "by", who);
        text::hex_text(&mut fields, "subject", &digest.0);
        text::key(&mut fields, "erased");
        text::array(&mut fields, named, |out, (lane, sequence)| {
            text::quoted_display(out, format_args!("{lane}:{sequence}"));
        });
        journal.append_administrative(&fields, now)?.wait_blocking()?;
    }
    let mut erased = Erased::default();
    for lane in read::lanes(journal.directory())? {
        let of_lane = found.iter().filter(|(name, _)| *name == lane).map(|(_, sequence)| *sequence);
        erased.lines += bury(&journal.directory().join(&lane), of_lane)?;
    }
    Ok(erased)
}

/// Writes tombstones over the sealed parts of these lines (ascending).
fn bury(directory: &Path, sequences: impl Iterator<Item = u64>) -> Result<u64, JournalError> {
    let mut sequences = sequences.peekable();
    let mut buried = 0;
    let all = segments(directory)?;
    for (position, segment) in all.iter().enumerate() {
        let end = all.get(position + 1).map_or(u64::MAX, |next| next.first);
        if sequences.peek().is_none_or(|sequence| *sequence >= end) {
            continue;
        }
        let done = || -> io::Result<u64> {
            let mut file = OpenOptions::new().write(true).open(&segment.path)?;
            let mut lines = Lines::open(&segment.path)?.0.at(segment.first);
            let mut line = Line::default();
            let mut count = 0;
            while let Some(wanted) = sequences.next_if(|sequence| *sequence < end) {
                while matches!(lines.next_into(&mut line)?, Ok(true)) && line.sequence < wanted {}
                if line.sequence == wanted && matches!(line.beside(), Beside::Sealed(_)) {
                    file.seek(SeekFrom::Start(line.offset))?;
                    file.write_all(&tombstone(&line).ok_or(io::ErrorKind::InvalidData)?)?;
                    count += 1;
                }
            }
            file.sync_all()?;
            Ok(count)
        };
        let mut done = done;
        buried += done().map_err(JournalError::io("cannot erase in", &segment.path))?;
    }
    Ok(buried)
}

/// The whole line with a tombstone in the place of its sealed part.
fn tombstone(line: &Line) -> Option<Vec<u8>> {
    let leaf = line.leaf_bytes().len();
    let mut bytes = vec![b' '; HEAD_LEN];
    bytes.extend_from_slice(line.body());
    bytes.push(b'\n');
    let end = bytes.len() - 1;
    bytes.get_mut(HEAD_LEN + leaf + 1..end)?.fill(TOMBSTONE);
    finish(&mut bytes, leaf, end - HEAD_LEN - leaf - 1)?;
    Some(bytes)
}

#[cfg(test)]
pub(super) fn bury_for_tests(directory: &Path, sequences: &[u64]) {
    bury(directory, sequences.iter().copied()).unwrap();
}
