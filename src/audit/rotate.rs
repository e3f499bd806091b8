//! Wrapping the keys of segments anew, so that an old wrapping key can be destroyed. No segment is written to: the wrapped
//! key stands in a small file beside it from then on.
//!
//! All journals of a data folder go by the same wrapping keys, so all of them are gone through.
//!
//! A segment that is begun while this goes on is not missed: whoever begins one looks again for the current key once it
//! stands (see `sealed.rs`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Fault, JournalError,
    line::SegmentHead,
    read,
    recover::segments,
    sealed, text,
    wrapping::{KeyChange, KeyId, WrappingKeys},
};

/// LIMIT: faults told.
const FAULTS_MAX: usize = 100;

/// What wrapping anew came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Segments whose key stands under the current key since.
    pub segments: u64,
    /// Segments whose key could not be wrapped anew.
    pub faults: Vec<Fault>,
}

/// Which segments are under which wrapping keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wraps {
    /// How many each wraps.
    pub by: BTreeMap<KeyId, u64>,
    /// Segments that stand in clear.
    pub clear: u64,
    /// Segments of which it cannot be told.
    pub faults: Vec<Fault>,
}

/// Wraps what stands under other keys by the current one. Blocks.
pub(super) fn rewrap(audit: &Path, keys: &WrappingKeys) -> Result<Rewrapped, JournalError> {
    let mut done = Rewrapped::default();
    let Some(current) = keys.current()? else { return Ok(done) };
    each(audit, |path, head| match sealed::rewrap(path, head, &current, keys) {
        Ok(true) => done.segments += 1,
        Ok(false) => {}
        Err(error) => fault(&mut done.faults, path, &error),
    })?;
    Ok(done)
}

/// Which segments of the journals in a folder are under which wrapping keys. Blocks; reads the first line of each.
///
/// # Errors
/// The folder cannot be read.
pub fn wraps(audit: &Path) -> Result<Wraps, JournalError> {
    let mut found = Wraps::default();
    each(audit, |path, head| match sealed::standing(path, head) {
        Ok(Some(wrapped)) => *found.by.entry(wrapped.by).or_default() += 1,
        Ok(None) => found.clear += 1,
        Err(error) => fault(&mut found.faults, path, &error),
    })?;
    Ok(found)
}

/// Refuses a key that wraps something, or may.
pub(super) fn check_wraps_nothing(audit: &Path, id: KeyId) -> Result<(), JournalError> {
    let found = wraps(audit)?;
    let refused = |why: String| Err(JournalError::Setting(why));
    if let Some(fault) = found.faults.first() {
        return refused(format!("of {} it cannot be told what wraps it: {}", fault.place, fault.what));
    }
    match found.by.get(&id) {
        Some(count) => refused(format!("the wrapping key {id} still wraps the keys of {count} segments")),
        None => Ok(()),
    }
}

/// What an entry of another wrapping key says.
pub(super) fn fields(change: KeyChange, by: &str) -> Vec<u8> {
    let word = |id: Option<KeyId>| id.map_or("none".to_owned(), |id| id.to_string());
    let mut fields = Vec::new();
    text::text(&mut fields, "act", "rotate-key");
    text::text(&mut fields, "by", by);
    details(&mut fields, &[("from", &word(change.from)), ("to", &word(change.to))]);
    fields
}

pub(super) fn details(fields: &mut Vec<u8>, details: &[(&str, &str)]) {
    text::key(fields, "details");
    text::array(fields, details, |out, (name, value)| {
        text::array(out, [name, value], |out, word| text::quoted(out, word));
    });
}

/// Every segment of every journal in a folder, with its first line. One whose first line is not whole was just begun.
fn each(audit: &Path, mut take: impl FnMut(&Path, &SegmentHead<'_>)) -> Result<(), JournalError> {
    for gate in gates(audit)? {
        for lane in read::lanes(&gate)? {
            for segment in segments(&gate.join(lane))? {
                let line = SegmentHead::line_of(&segment.path)?;
                if let Some(head) = SegmentHead::read(&line) {
                    take(&segment.path, &head);
                }
            }
        }
    }
    Ok(())
}

fn gates(audit: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(audit).map_err(JournalError::io("cannot read", audit))? {
        let path = entry.map_err(JournalError::io("cannot read", audit))?.path();
        found.extend(path.is_dir().then_some(path));
    }
    found.sort();
    Ok(found)
}

fn fault(faults: &mut Vec<Fault>, path: &Path, error: &JournalError) {
    if faults.len() < FAULTS_MAX {
        faults.push(Fault { place: path.display().to_string(), what: error.to_string() });
    }
}
