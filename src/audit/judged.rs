//! What statements went by, record by record, and what came of each: what a replay needs to decide again.
//!
//! The values stand sealed beside the leaf, each once; a row says by their places which of them one record had. Records
//! that had the same come in one row. What found no room is not in its row, and a replay cannot tell what it was.

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;

use super::text;
use crate::{
    policy::Openness,
    schema::{FieldSet, LeafId},
};

/// LIMIT: rows that one entry tells apart; the rest is counted.
const ROWS_MAX: usize = 1_000;

/// What became of a record that was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Came {
    /// It was judged as a part of a write, whose answer says what came of it.
    #[default]
    Weighed,
    /// It may be seen; how much of it was not looked at.
    Permitted,
    /// It may be seen so far.
    Shown(FieldSet, Masks),
    /// It is not there for this caller.
    Denied,
    /// A statement could not be judged on it.
    Erring,
}

/// Leaves behind a mask, and how open each is.
pub type Masks = Box<[(LeafId, Openness)]>;

/// Rows told so far.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// Where a row stands that has these values. LIMIT: by `ROWS_MAX`.
    known: HashMap<Marks, usize, RandomState>,
    last: Option<usize>,
    more: u64,
}

/// Places of values, in the order of the leaves.
pub(super) type Marks = SmallVec<[u32; 6]>;

struct Row {
    marks: Marks,
    came: Came,
}

impl Rows {
    /// A record that has these values is judged.
    pub(super) fn judged(&mut self, marks: Marks) {
        self.last = self.known.get(&marks).copied();
        if self.last.is_some() {
            return;
        }
        if self.rows.len() >= ROWS_MAX {
            self.more += 1;
            return;
        }
        self.last = Some(self.rows.len());
        self.known.insert(marks.clone(), self.rows.len());
        self.rows.push(Row { marks, came: Came::default() });
    }

    /// What came of the record that was judged last. Of records that had the same values the same comes, and the one
    /// that was looked at in full says more.
    pub(super) fn came(&mut self, came: Came) {
        if let Some(row) = self.last.and_then(|last| self.rows.get_mut(last))
            && !matches!((&row.came, &came), (Came::Shown(..), Came::Permitted))
        {
            row.came = came;
        }
    }

    /// `,"rows":[["0",3,1],["d",3,2]]`, each with what came of it: the number of the group it was shown in, or a letter.
    pub(super) fn render(&self, out: &mut Vec<u8>, group: impl Fn(&FieldSet, &Masks) -> Option<usize>) {
        if self.rows.is_empty() {
            return;
        }
        text::key(out, "rows");
        text::array(out, &self.rows, |out, row| {
            out.extend_from_slice(b"[\"");
            match &row.came {
                Came::Weighed => out.push(b'w'),
                Came::Denied => out.push(b'd'),
                Came::Erring => out.push(b'e'),
                Came::Permitted => out.push(b'p'),
                Came::Shown(fields, masks) => match group(fields, masks) {
                    Some(number) => text::digits(out, number as u64),
                    None => out.push(b'p'),
                },
            }
            out.push(b'"');
            for mark in &row.marks {
                out.push(b',');
                text::digits(out, u64::from(*mark));
            }
            out.push(b']');
        });
        if self.more > 0 {
            text::number(out, "rows_more", self.more);
        }
    }
}
