//! How long a system wants to be left alone: by a header field, by its body, or by what its budget lacks.
//!
//! What cannot be read says nothing, and no system makes a caller wait longer than [`WAIT_SECONDS_MAX`].

use http::header::RETRY_AFTER;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{load::path, native::NativeAnswer, number::decimal, trie::Frame, trie::Raws};
use crate::words::{Diagnostics, tree::Node, yaml::Keys};

/// Longest wait that is told, in seconds.
const WAIT_SECONDS_MAX: u64 = 3600;

/// Where a body says how long to wait.
#[derive(Debug)]
pub(super) enum Wait {
    /// In seconds, at this slot.
    Seconds(u16),
    /// By what a call costs, what is left, and what is restored a second.
    Budget {
        /// What the call costs.
        cost: u16,
        /// What is left.
        left: u16,
        /// What comes back in a second.
        restored: u16,
    },
}

impl Wait {
    /// Reads `wait`: a path of seconds, or `{ cost, left, restored }`.
    pub(super) fn load(node: &Node, body: &mut Frame, found: &mut Diagnostics) -> Option<Self> {
        if node.as_text().is_some() {
            return path(node, found).map(|path| Self::Seconds(body.slot(path.steps())));
        }
        let mut keys = Keys::of(node, found)?;
        let mut slot = |key: &'static str, found: &mut Diagnostics| {
            let node: Option<Node> = keys.required(key, found);
            path(&node?, found).map(|path| body.slot(path.steps()))
        };
        let (cost, left, restored) = (slot("cost", found), slot("left", found), slot("restored", found));
        keys.finish(found);
        Some(Self::Budget { cost: cost?, left: left?, restored: restored? })
    }

    /// Seconds, a started one whole; at least one, since the system has just said no.
    pub(super) fn seconds(&self, raws: &Raws<'_>) -> Option<u64> {
        let number = |slot: u16| decimal(&raws.get(0, slot).text()?).ok();
        let seconds = match self {
            Self::Seconds(slot) => number(*slot)?,
            Self::Budget { cost, left, restored } => {
                let lacks = number(*cost)?.checked_sub(number(*left)?)?;
                let restored = number(*restored).filter(|restored| *restored > Decimal::ZERO)?;
                lacks.checked_div(restored)?
            }
        };
        let is_told = seconds >= Decimal::ZERO || matches!(self, Self::Budget { .. });
        let whole = seconds.ceil().max(Decimal::ONE).min(Decimal::from(WAIT_SECONDS_MAX));
        whole.to_u64().filter(|_| is_told)
    }
}

/// Seconds to wait (RFC 9110, 10.2.3). Some systems write a fraction, which the field does not know: a started
/// second counts whole.
pub(super) fn retry_after(answer: &NativeAnswer) -> Option<u64> {
    let said = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let (whole, fraction) = said.split_once('.').unwrap_or((said, ""));
    let is_started = fraction.bytes().any(|digit| digit != b'0');
    let whole: u64 = whole.parse().ok().filter(|_| fraction.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some(whole.saturating_add(u64::from(is_started)))
}
