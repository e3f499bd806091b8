//! Intents of a lane without an outcome so far. What was written decides, not what was meant: an answer that found no
//! room leaves its intent open, and the next gate tells of it.

use std::collections::HashMap;

use super::{
    line::{Beginning, beginning},
    text,
};

/// LIMIT: intents followed at once.
pub(super) const INTENTS_MAX: usize = 100_000;
/// LIMIT: intents that one `open` entry names, the oldest first.
const NAMED_MAX: usize = 1_000;

/// Open intents by their exchange, each with its sequence.
#[derive(Debug, Default)]
pub(super) struct Intents {
    open: HashMap<String, u64>,
    /// A segment began and does not name them yet.
    due: bool,
}

impl Intents {
    /// Those that the sessions before left open.
    pub(super) fn of(open: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self { open: open.into_iter().collect(), due: false }
    }

    /// Notes a leaf that was written.
    pub(super) fn follow(&mut self, leaf: &[u8], sequence: u64) {
        let Some(Beginning { kind, request: Some(request), outcome_unknown }) = beginning(leaf) else {
            return;
        };
        match kind {
            "answer" if self.open.is_empty() => {}
            "intent" if self.open.len() < INTENTS_MAX => {
                self.open.insert(request.to_owned(), sequence);
            }
            "answer" if !outcome_unknown => {
                self.open.remove(request);
            }
            _ => {}
        }
    }

    /// A segment began.
    pub(super) fn began(&mut self) {
        self.due = true;
    }

    /// The field of an `open` entry, where the open segment still needs one: whoever opens the lane later reads its
    /// last segments only.
    pub(super) fn due(&mut self) -> Option<Vec<u8>> {
        self.due &= !self.open.is_empty();
        if !self.due {
            return None;
        }
        let mut all: Vec<_> = self.open.iter().map(|(request, sequence)| (*sequence, request)).collect();
        all.sort_unstable();
        let mut fields = Vec::with_capacity(64 + 48 * all.len().min(NAMED_MAX));
        text::key(&mut fields, "open");
        text::array(&mut fields, all.iter().take(NAMED_MAX), |out, (sequence, request)| {
            out.push(b'[');
            text::quoted(out, request);
            out.push(b',');
            text::digits(out, *sequence);
            out.push(b']');
        });
        if let Some(more) = all.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            text::number(&mut fields, "open_more", more as u64);
        }
        Some(fields)
    }

    /// They stand in the open segment.
    pub(super) fn named(&mut self) {
        self.due = false;
    }
}
