//! What the filters of one answer may still go through, all of them together, and whether that takes long.

use std::cell::Cell;

use super::Jq;
use crate::{
    mapping::{
        model::{Mapping, ObjectPart, Source},
        native::NativeAnswer,
        path::Path,
    },
    schema::{FieldSet, LeafId},
};

/// LIMIT: bytes that the filters of one answer go through, all of them together.
pub(in crate::mapping) const ANSWER_WORK_MAX: u64 = 128 * 1024 * 1024;
/// Bytes that filters may go through where an answer is read on the core: below a fifth of a millisecond, mostly.
const AT_HAND_MAX: u64 = 16 * 1024;
/// What a run counts besides what it reads, in bytes of input.
const RUN_BYTES: u64 = 32;

/// What is left for the filters of an answer; none once one of them wanted more.
#[derive(Debug)]
pub(in crate::mapping) struct Left(Cell<Option<u64>>);

impl Default for Left {
    fn default() -> Self {
        Self(Cell::new(Some(ANSWER_WORK_MAX)))
    }
}

impl Left {
    /// Takes what a filter goes through that reads so many bytes; whether there was so much.
    pub(in crate::mapping) fn take(&self, jq: &Jq, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(RUN_BYTES);
        let left = self.0.get().and_then(|left| left.checked_sub(bytes.saturating_mul(jq.inward.works)));
        self.0.set(left);
        left.is_some()
    }

    /// Whether a filter wanted more than there was.
    pub(in crate::mapping) fn is_overdrawn(&self) -> bool {
        self.0.get().is_none()
    }
}

/// What the filters of a mapping read and take.
#[derive(Debug)]
pub(in crate::mapping) struct Filtered {
    /// Places outside lists that they read whole, and their slots.
    pub(in crate::mapping) wholes: Vec<(Path, u16)>,
    /// The leaves that they fill, and what each goes through for a byte of a row.
    works: Vec<(LeafId, u64)>,
}

impl Filtered {
    /// The filters of lines, of which a row makes so many records.
    pub(in crate::mapping) fn of(wholes: Vec<(Path, u16)>, root: &ObjectPart, records: usize) -> Self {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        let mut works = Vec::new();
        root.lines(false, &mut |line, _| {
            if let Source::Native(native) = &line.source
                && let Some(jq) = &native.codec.jq
            {
                works.push((line.leaf, jq.inward.works.saturating_mul(records)));
            }
        });
        Self { wholes, works }
    }
}

impl Mapping {
    /// Whether an answer may take its filters so long that it is best read beside the core. Of one record no byte is read
    /// more than once by a filter, so the sum is told by the answer's size, however many records it holds.
    pub fn takes_long(&self, answer: &NativeAnswer, wanted: &FieldSet) -> bool {
        let wanted = self.filtered.works.iter().filter(|(leaf, _)| wanted.contains(*leaf));
        let works = wanted.fold(0, |sum: u64, (_, works)| sum.saturating_add(*works));
        let bytes = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
        bytes.saturating_mul(works) > AT_HAND_MAX
    }
}
