//! Where a list goes on, as text: which variant of the list, how far it was walked, and the system's own words.
//!
//! The gate seals it for the caller, who can neither read nor make one. A system whose pages name each other in a
//! circle is found out along the way, without a memory of all pages (Brent's algorithm): one page is remembered, a
//! later one each time that the way has doubled, and the walk ends when it is named again.

use super::{
    errors::SystemFault,
    model::{Next, Page},
};
use crate::{catalog, words::Digest};

/// LIMIT: longest cursor, in bytes: what a caller's cursor can carry.
const BYTES_MAX: usize = catalog::Cursor::NATIVE_BYTES_MAX;

/// A place in a list: the page to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Rows of the pages before it, where they are counted.
    pub(super) seen: u64,
    /// Pages that were named on the way here, it among them; none where pages are counted by their rows.
    steps: u64,
    /// Digest of the page that is remembered.
    mark: u64,
    /// The page in the system's own words; none for the first.
    pub(super) native: Option<String>,
}

impl Place {
    /// Reads a cursor; none where it is not one of this variant.
    pub(super) fn parse(cursor: &str, variant: usize, page: &Page) -> Option<Self> {
        let (of, rest) = cursor.split_once(':').filter(|_| cursor.len() <= BYTES_MAX)?;
        if of.parse() != Ok(variant) {
            return None;
        }
        let (seen, steps, mark, native) = match page.next {
            Next::Offset { .. } => (rest.parse().ok()?, 0, 0, rest),
            Next::Token { .. } | Next::Link { .. } => {
                let mut parts = rest.splitn(4, ':');
                let mut number = |radix| u64::from_str_radix(parts.next()?, radix).ok();
                let (seen, steps, mark) = (number(10)?, number(10)?, number(16)?);
                (seen, steps, mark, parts.next().filter(|native| !native.is_empty())?)
            }
            Next::None => return None,
        };
        Some(Self { seen, steps, mark, native: Some(native.to_owned()) })
    }

    /// The place after this one and `seen` rows in all, which the system names so.
    ///
    /// # Errors
    /// The system names a page that it named before.
    pub(super) fn on(&self, seen: u64, native: String) -> Result<Self, SystemFault> {
        let digest = Digest::of(native.as_bytes());
        let here = digest.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if self.steps > 0 && self.mark == here {
            return Err(again());
        }
        let steps = self.steps.saturating_add(1);
        let mark = if steps.is_power_of_two() { here } else { self.mark };
        Ok(Self { seen, steps, mark, native: Some(native) })
    }

    /// It as a cursor; none for the first page.
    ///
    /// # Errors
    /// It is too long.
    pub(super) fn cursor(&self, variant: usize, page: &Page) -> Result<Option<String>, SystemFault> {
        let Some(native) = &self.native else { return Ok(None) };
        let cursor = match page.next {
            Next::Offset { .. } | Next::None => format!("{variant}:{native}"),
            Next::Token { .. } | Next::Link { .. } => {
                format!("{variant}:{}:{}:{:x}:{native}", self.seen, self.steps, self.mark)
            }
        };
        if cursor.len() > BYTES_MAX {
            return Err(SystemFault::unreadable(format!("the cursor is longer than {BYTES_MAX} bytes")));
        }
        Ok(Some(cursor))
    }
}

/// The next page is one that was asked for: to follow it would give the same rows without end.
pub(super) fn again() -> SystemFault {
    SystemFault::unreadable("the next page is said to be one that was there before".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pages that lead into a circle are walked through a few times at most; others to their end.
        #[test]
        fn a_walk_in_a_circle_ends_and_no_other_does(before in 0u64..200, circle in 0u64..200) {
            let mut place = Place::default();
            let mut walked = 0;
            let pages = if circle == 0 { before } else { 10 * (before + circle) };
            for step in 0..pages {
                let page = if step < before { step } else { before + (step - before) % circle };
                match place.on(0, page.to_string()) {
                    Ok(on) => place = on,
                    Err(_) => break,
                }
                walked += 1;
            }
            match circle {
                0 => prop_assert_eq!(walked, before),
                _ => prop_assert!((before + circle..=3 * (before + circle)).contains(&walked), "{walked}"),
            }
        }
    }
}
