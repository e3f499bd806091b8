//! Erasing what stands beside leaves: the sealed part becomes a tombstone of the same length, the leaf and the tree
//! stay as they are, and an entry says which lines were erased, so that erased is told from missing.

use std::path::Path;

use super::{Journal, JournalError, KeyedDigest, blank, read, text};
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
/// what a crash left undone, as does whoever opens the lane.
///
/// # Errors
/// A file cannot be used, or the journal does not take the entry.
pub fn erase(journal: &Journal, digest: KeyedDigest, who: &str, now: Now) -> Result<Erased, JournalError> {
    for lane in read::lanes(journal.directory())? {
        blank::finish(&journal.directory().join(lane))?;
    }
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
        erased.lines += blank::blank(&journal.directory().join(&lane), of_lane)?;
    }
    Ok(erased)
}
