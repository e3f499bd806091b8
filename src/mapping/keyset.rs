//! Paging by key: the next page is what comes after the last key, in the order of the keys.
//!
//! Rows that come, go or change while a list is walked move no others: whoever is there all along comes once. So it is
//! also how a list goes on where the system's own pages end, at its `window`. Keys are of digits, so that their order is
//! known: a system that does not keep to it would lose records, and is found out.

use std::{cmp::Ordering, sync::Arc};

use super::{
    dialect::{Dialect, Literal},
    errors::SystemFault,
    listing::Plan,
    push::{Push, Test},
};
use crate::schema::{Direction, Op};

/// How keys are asked for.
#[derive(Debug)]
pub(super) struct Keyset {
    /// What filter and order call the key.
    pub(super) name: Arc<str>,
    /// Whether numbers are texts to the filter.
    pub(super) is_text: bool,
}

impl Keyset {
    /// What comes after a key.
    pub(super) fn after(&self, key: &str) -> Push {
        self.than(Op::Gt, key)
    }

    fn than(&self, op: Op, key: &str) -> Push {
        let value = if self.is_text { Literal::Text(key.into()) } else { Literal::Token(key.into()) };
        Push::Test(Test { name: self.name.clone(), op, values: vec![value] })
    }

    /// The order of keys.
    pub(super) fn order(&self) -> Vec<(Arc<str>, Direction)> {
        vec![(self.name.clone(), Direction::Ascending)]
    }

    /// Whether a dialect can ask for both, and for no more than what comes after.
    pub(super) fn is_asked(&self, dialect: &Dialect) -> bool {
        let sorts = dialect.sort.as_ref().is_some_and(|sort| sort.knows(&self.name));
        let after = Plan::of(dialect, &self.after("1"));
        let from = Plan::of(dialect, &self.than(Op::Gte, "1"));
        sorts && after.is_some_and(|after| from.is_none_or(|from| !after.asks_as(&from)))
    }
}

/// The keys of a page.
#[derive(Debug)]
pub(super) struct Keys<'r> {
    /// Rows, those without a key too.
    pub(super) rows: usize,
    pub(super) first: Option<&'r str>,
    pub(super) last: Option<&'r str>,
    /// Whether each comes after the one before it.
    rises: bool,
}

impl<'r> Keys<'r> {
    pub(super) fn of(rows: usize, mut keys: impl Iterator<Item = &'r str>) -> Self {
        let first = keys.next();
        let (mut last, mut rises) = (first, true);
        for key in keys {
            rises &= last.is_none_or(|last| order(last, key) == Ordering::Less);
            last = Some(key);
        }
        Self { rows, first, last, rises }
    }

    /// Whether they are in order, all of them after a key.
    ///
    /// # Errors
    /// They are not: what would be asked for next is not what comes next.
    pub(super) fn are_after(&self, key: Option<&str>) -> Result<(), SystemFault> {
        let begins = |first| key.is_none_or(|key| order(key, first) == Ordering::Less);
        if self.rises && self.first.is_none_or(begins) {
            return Ok(());
        }
        let text = "the system does not keep to the order of keys in which it was asked";
        Err(SystemFault::unreadable(text.to_owned()))
    }
}

/// Two runs of digits as the numbers that they are.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
