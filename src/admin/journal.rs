//! The end of the journal, all lanes together.

use std::path::Path;

use serde::Deserialize;

use crate::audit::{JournalError, Line, WrappingKeys, lanes, tail};

/// One entry and where it stands.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its lane.
    pub(crate) lane: String,
    /// Its line.
    pub(crate) line: Line,
    /// When, as it is written: in one form, so that texts sort as moments do.
    at: String,
}

#[derive(Deserialize)]
struct Moment {
    at: String,
}

impl Entry {
    /// An entry of a lane.
    pub(crate) fn new(lane: &str, line: Line) -> Self {
        let at = serde_json::from_str(line.leaf()).map_or_else(|_| String::new(), |moment: Moment| moment.at);
        Self { lane: lane.to_owned(), at, line }
    }
}

/// The last entries of all lanes together, oldest first. Blocks.
pub(crate) fn last(directory: &Path, count: usize, keys: &WrappingKeys) -> Result<Vec<Entry>, JournalError> {
    let mut all = Vec::new();
    for lane in lanes(directory)? {
        let lines = tail(&directory.join(&lane), count, keys)?;
        all.extend(lines.into_iter().map(|line| Entry::new(&lane, line)));
    }
    in_time(&mut all);
    let skipped = all.len().saturating_sub(count);
    Ok(all.into_iter().skip(skipped).collect())
}

/// Sorts by moment; what one lane wrote in one moment stays in order.
pub(crate) fn in_time(entries: &mut [Entry]) {
    entries.sort_by(|one, other| one.at.cmp(&other.at));
}
