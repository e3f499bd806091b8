//! Where a list goes on, as text: which variant of the list, how far it was walked, and the system's own words.
//!
//! The gate seals it for the caller, who can neither read nor make one. A system whose pages name each other in a
//! circle is found out along the way, without a memory of all pages (Brent's algorithm): one page is remembered, a
//! later one each time that the way has doubled, and the walk ends when it is named again. Pages that are counted are
//! known by the key of their first row: one that begins as the page before it is that page once more.

use jiff::Timestamp;
use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::{
    errors::SystemFault,
    keyset::{After, At},
    listing::PLAIN,
    model::{KeyForm, Next, Page},
};
use crate::{catalog, words::Digest};

/// LIMIT: longest cursor, in bytes: what a caller's cursor can carry.
const BYTES_MAX: usize = catalog::Cursor::NATIVE_BYTES_MAX;

/// A place in a list: the page to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Rows of the pages before it, where they are counted.
    pub(super) seen: u64,
    /// Pages on the way here: of those that were named, it among them; of those that are counted, before it.
    pub(super) steps: u64,
    /// Digest of the page that is remembered; of pages that are counted, of the first key of the one before.
    mark: u64,
    /// The page in the system's own words; none for the first, nor where pages are counted.
    pub(super) native: Option<String>,
    /// When the walk began, in milliseconds since 1970, where what is asked for hangs on that.
    pub(super) began: Option<i64>,
    /// Behind what the list goes on; none from its beginning.
    pub(super) after: Option<After>,
    /// The key of the parent whose page it is, where lists run over parents.
    pub(super) over: Option<String>,
}

impl Place {
    /// The first page, of a walk that begins now where what is asked for hangs on that, and of a parent where lists run
    /// over parents.
    pub(super) fn first(began: Option<i64>, over: Option<String>) -> Self {
        Self { began, over, ..Self::default() }
    }

    /// Reads a cursor; none where it is not one of this variant.
    pub(super) fn parse(cursor: &str, variant: usize, page: &Page) -> Option<Self> {
        let (of, rest) = cursor.split_once(':').filter(|_| cursor.len() <= BYTES_MAX)?;
        let (of, over) = match of.split_once('~') {
            Some((of, over)) => (of, Some(decoded(over)?)),
            None => (of, None),
        };
        let (of, after) = match of.split_once('>') {
            Some((of, after)) => (of, Some(After::parse(after).filter(|_| page.keyset.is_some())?)),
            None => (of, None),
        };
        let (of, began) = match of.split_once('@') {
            Some((of, began)) => (of, Some(milliseconds(began)?)),
            None => (of, None),
        };
        if of.parse() != Ok(variant) {
            return None;
        }
        let mut parts = rest.splitn(4, ':');
        let mut number = |radix| u64::from_str_radix(parts.next()?, radix).ok();
        let (seen, steps, mark) = (number(10)?, number(10)?, number(16)?);
        let native = match (&page.next, parts.next()) {
            (Next::Offset { .. } | Next::Number { .. }, None) if steps > 0 || after.is_some() => None,
            (Next::Keyset, None) if after.is_some() => None,
            // Where its window ended, it began anew.
            (Next::Token { .. }, None) if steps == 0 && after.is_some() => None,
            (Next::Token { .. } | Next::Link { .. }, Some(native)) if !native.is_empty() => {
                Some(native.to_owned())
            }
            // The first page of a later parent.
            (_, None) if over.is_some() && (seen, steps, mark) == (0, 0, 0) => None,
            _ => return None,
        };
        Some(Self { seen, steps, mark, native, began, after, over })
    }

    /// The parent whose page a cursor names, where it tells.
    pub(super) fn over(cursor: &str) -> Option<String> {
        let (of, _) = cursor.split_once(':').filter(|_| cursor.len() <= BYTES_MAX)?;
        decoded(of.split_once('~')?.1)
    }

    /// When the walk of a cursor began, where it tells.
    pub(super) fn began(cursor: &str) -> Option<i64> {
        let of = head(cursor)?;
        let of = of.split_once('>').map_or(of, |(of, _)| of);
        milliseconds(of.split_once('@')?.1)
    }

    /// Behind what a cursor goes on, where it tells.
    pub(super) fn after(cursor: &str) -> Option<After> {
        After::parse(head(cursor)?.split_once('>')?.1)
    }

    /// The place after a record, from which pages are counted or named anew.
    pub(super) fn anew(&self, at: At<'_>) -> Self {
        Self { began: self.began, after: Some(at.into()), over: self.over.clone(), ..Self::default() }
    }

    /// The next place of pages that are counted, after this one with `seen` rows in all and this first key.
    pub(super) fn counted(&self, seen: u64, first: Option<&str>) -> Self {
        Self {
            seen,
            steps: self.steps.saturating_add(1),
            mark: digest(first),
            native: None,
            began: self.began,
            after: self.after.clone(),
            over: self.over.clone(),
        }
    }

    /// Whether a page that begins with this key is the one before it once more.
    pub(super) fn repeats(&self, first: Option<&str>) -> bool {
        self.steps > 0 && first.is_some() && self.mark == digest(first)
    }

    /// The place after this one and `seen` rows in all, which the system names so.
    ///
    /// # Errors
    /// The system names a page that it named before.
    pub(super) fn on(&self, seen: u64, native: String) -> Result<Self, SystemFault> {
        let here = digest(Some(&native));
        if self.steps > 0 && self.mark == here {
            return Err(again());
        }
        let steps = self.steps.saturating_add(1);
        let mark = if steps.is_power_of_two() { here } else { self.mark };
        Ok(Self { seen, steps, mark, native: Some(native), ..self.clone() })
    }

    /// It as a cursor.
    ///
    /// # Errors
    /// It is too long.
    pub(super) fn cursor(&self, variant: usize) -> Result<String, SystemFault> {
        let began = self.began.map(|began| format!("@{began}ms")).unwrap_or_default();
        let after = self.after.as_ref().map(After::spelt).unwrap_or_default();
        let over = self.over.as_ref().map(|key| format!("~{}", utf8_percent_encode(key, PLAIN)));
        let over = over.unwrap_or_default();
        let mut cursor =
            format!("{variant}{began}{after}{over}:{}:{}:{:x}", self.seen, self.steps, self.mark);
        if let Some(native) = &self.native {
            cursor.push(':');
            cursor.push_str(native);
        }
        if cursor.len() > BYTES_MAX {
            return Err(SystemFault::unreadable(format!("the cursor is longer than {BYTES_MAX} bytes")));
        }
        Ok(cursor)
    }
}

/// What a cursor says before its page, but for the parent.
fn head(cursor: &str) -> Option<&str> {
    let (of, _) = cursor.split_once(':').filter(|_| cursor.len() <= BYTES_MAX)?;
    Some(of.split_once('~').map_or(of, |(of, _)| of))
}

fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

impl After {
    /// As it stands in a cursor: the key, and behind it the moment in nanoseconds since 1970.
    fn spelt(&self) -> String {
        let moment = self.moment.map(|at| format!("={}", at.as_nanosecond())).unwrap_or_default();
        format!(">{}{moment}", self.key)
    }

    fn parse(text: &str) -> Option<Self> {
        let (key, moment) = match text.split_once('=') {
            Some((key, at)) => (key, Some(Timestamp::from_nanosecond(at.parse().ok()?).ok()?)),
            None => (text, None),
        };
        Some(Self { key: digits(key)?, moment })
    }
}

fn digits(text: &str) -> Option<String> {
    KeyForm::Digits.fits(text).then(|| text.to_owned())
}

/// The unit is told: cursors of old gave seconds.
fn milliseconds(text: &str) -> Option<i64> {
    text.strip_suffix("ms")?.parse().ok()
}

/// A short digest of a name; none of none.
fn digest(name: Option<&str>) -> u64 {
    let digest = name.map(|name| Digest::of(name.as_bytes()));
    digest.and_then(|digest| digest.0.first_chunk().copied()).map_or(0, u64::from_le_bytes)
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
