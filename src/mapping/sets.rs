//! What a new record, or a new element of a native list, carries besides its fields.

use jiff::Timestamp;

use super::{out::Out, path::Path};

/// A native value that no caller sends.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) at: Path,
    pub(super) value: SetValue,
    /// Left out where something stands here.
    pub(super) unless: Option<Path>,
}

/// What is set.
#[derive(Debug)]
pub(super) enum SetValue {
    /// Always the same.
    Is(Out),
    /// The moment of sending, in whole seconds, UTC (RFC 3339).
    Now,
    /// The place of an element in its list, from 1.
    Index,
}

/// What is known where a record is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// The place of the element at hand, from 0.
    pub(super) index: usize,
}

impl Moment {
    /// For samples: noon of 31 January 2026.
    pub(super) fn of_samples() -> Timestamp {
        Timestamp::from_second(1_769_860_800).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Puts them, in the order of the file.
pub(super) fn put(sets: &[Set], body: &mut Out, moment: Moment) {
    for set in sets {
        if set.unless.as_ref().is_some_and(|path| body.at(path.steps()).is_some()) {
            continue;
        }
        let value = match &set.value {
            SetValue::Is(out) => out.clone(),
            SetValue::Now => {
                let whole = Timestamp::from_second(moment.now.as_second()).unwrap_or(moment.now);
                Out::text(&whole.to_string())
            }
            SetValue::Index => Out::Number(moment.index.saturating_add(1).to_string().into()),
        };
        body.put(set.at.steps(), value);
    }
}
