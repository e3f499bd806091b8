//! How statements narrowed what a system was asked for, in an entry: the shape of the filter, each test in it a keyed
//! digest. It tells no value, and tells apart whether another bundle's filter lets through what this one kept away.
//!
//! `a1b2c3d4e5f6` is a test, `&(…,…)` all of several, `|(…,…)` any of them.

use std::fmt::Write as _;

use super::keys::JournalKeys;
use crate::schema::{Entity, Filter};

/// LIMIT: tests of one filter that an entry tells; a larger one stands as a whole that nothing else is like.
const TESTS_MAX: usize = 16;
/// LIMIT: how deep a filter is told.
const DEPTH_MAX: usize = 8;
/// Of a test so many bytes of its digest.
const TEST_BYTES: usize = 6;

/// The filter in words; none where it lets everything through.
pub fn of(entity: &Entity, filter: &Filter, keys: &JournalKeys) -> Option<String> {
    if filter.is_everything() {
        return None;
    }
    let mut out = String::new();
    let mut writing = Writing { entity, keys, tests: 0 };
    let is_told = writing.filter(filter, &mut out, 0).is_some();
    Some(if is_told { out } else { "?".to_owned() })
}

struct Writing<'a> {
    entity: &'a Entity,
    keys: &'a JournalKeys,
    tests: usize,
}

impl Writing<'_> {
    fn filter(&mut self, filter: &Filter, out: &mut String, depth: usize) -> Option<()> {
        let (sign, parts) = match filter {
            Filter::All(parts) => ('&', parts),
            Filter::Any(parts) => ('|', parts),
            Filter::Test { leaf, op, value } => {
                let path = &self.entity.leaf(*leaf)?.path;
                return self.test(&format!("{path} {op:?} {value:?}"), out);
            }
            Filter::Not(_) | Filter::Derived { .. } | Filter::Pair { .. } | Filter::Item(..) => return None,
        };
        if depth >= DEPTH_MAX {
            return None;
        }
        out.push(sign);
        out.push('(');
        for (position, part) in parts.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            self.filter(part, out, depth + 1)?;
        }
        out.push(')');
        Some(())
    }

    fn test(&mut self, words: &str, out: &mut String) -> Option<()> {
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return None;
        }
        let digest = self.keys.digest("filter", words);
        for byte in digest.0.iter().take(TEST_BYTES) {
            write!(out, "{byte:02x}").ok()?;
        }
        Some(())
    }
}

/// Whether every record that one filter lets through the other lets through too, as far as their shapes tell. None is a
/// filter that lets everything through.
pub fn implies(narrow: Option<&str>, wide: Option<&str>) -> bool {
    match (narrow, wide) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some("?"), Some(_)) | (Some(_), Some("?")) => false,
        (Some(narrow), Some(wide)) => narrow == wide || Parts::of(narrow).implies(&Parts::of(wide), 0),
    }
}

/// A filter taken apart by one step.
enum Parts<'a> {
    Test(&'a str),
    All(Vec<&'a str>),
    Any(Vec<&'a str>),
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let inside = |sign: char| text.strip_prefix(sign)?.strip_prefix('(')?.strip_suffix(')');
        match (inside('&'), inside('|')) {
            (Some(inside), _) => Self::All(split(inside)),
            (None, Some(inside)) => Self::Any(split(inside)),
            (None, None) => Self::Test(text),
        }
    }

    fn implies(&self, wide: &Self, depth: usize) -> bool {
        // Both go down by one at each step: no more than twice what is written.
        if depth > 2 * DEPTH_MAX {
            return false;
        }
        let deeper = |narrow: &Self, wide: &Self| narrow.implies(wide, depth + 1);
        match (self, wide) {
            (Self::Test(one), Self::Test(other)) => one == other,
            (Self::Any(parts), _) => parts.iter().all(|part| deeper(&Self::of(part), wide)),
            (_, Self::All(parts)) => parts.iter().all(|part| deeper(self, &Self::of(part))),
            (Self::Test(_), Self::Any(parts)) => parts.iter().any(|part| deeper(self, &Self::of(part))),
            (Self::All(own), Self::Any(parts)) => {
                parts.iter().any(|part| deeper(self, &Self::of(part)))
                    || own.iter().any(|part| deeper(&Self::of(part), wide))
            }
            (Self::All(own), Self::Test(_)) => own.iter().any(|part| deeper(&Self::of(part), wide)),
        }
    }
}

/// At the commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_implies_what_lets_more_through_and_nothing_else() {
        let so = [
            ("a", "a"),
            ("&(a,b)", "a"),
            ("a", "|(a,b)"),
            ("&(a,b)", "|(a,c)"),
            ("|(a,b)", "|(b,c,a)"),
            ("&(a,|(b,c))", "|(b,c)"),
            ("|(&(a,b),&(a,c))", "a"),
        ];
        for (narrow, wide) in so {
            assert!(implies(Some(narrow), Some(wide)), "{narrow} => {wide}");
        }
        let not =
            [("a", "b"), ("a", "&(a,b)"), ("|(a,b)", "a"), ("?", "?"), ("a", "?"), ("|(a,b)", "&(a,b)")];
        for (narrow, wide) in not {
            assert!(!implies(Some(narrow), Some(wide)), "{narrow} => {wide}");
        }
        assert!(implies(None, None) && implies(Some("a"), None) && !implies(None, Some("a")));
    }
}
