//! Paging by key: the next page is what comes after the last key, in the order of the keys; or after a moment and the
//! key among records of that moment, in the order of both.
//!
//! Rows that come, go or change while a list is walked move no others: whoever is there all along comes once. So it is
//! also how a list goes on where the system's own pages end, at its `window`. Keys are of digits, so that their order is
//! known: a system that does not keep to it would lose records, and is found out.
//!
//! A moment goes before the key only upwards, and only where the filter bounds it. What changes meanwhile moves on, to
//! where the walk comes by, and a record without the moment is none that is looked for. A system that keeps moments
//! finer than it tells them gives the last record again, as what comes after it, and is found out by that.

use std::{cmp::Ordering, sync::Arc};

use jiff::Timestamp;

use super::{
    dialect::{Dialect, Literal, Or},
    errors::SystemFault,
    listing::Plan,
    model::{Filterable, ListCall, Mapping},
    push::{Push, Test},
};
use crate::{
    schema::{Direction, Entity, Filter, LeafId, LeafKind, Op, Sort, Value},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::Node,
        yaml::{FromYaml, Keys as Words},
    },
};

/// How keys are asked for.
#[derive(Debug)]
pub(super) struct Keyset {
    /// What filter and order call the key.
    pub(super) name: Arc<str>,
    /// Whether numbers are texts to the filter.
    is_text: bool,
    /// Moments that can go before the key.
    by: Vec<By>,
}

/// A moment that can go before the key, and where the file says so.
#[derive(Debug)]
struct By {
    leaf: LeafId,
    said: Place,
}

/// Behind what a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct After {
    /// The key, of digits.
    pub(super) key: String,
    /// The moment before it, where the order begins with one.
    pub(super) moment: Option<Timestamp>,
}

/// A record's place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'r> {
    pub(super) moment: Option<Timestamp>,
    pub(super) key: &'r str,
}

impl Keyset {
    /// Reads `keyset`: a name, or `{ key, by }`. `entity` is whose fields `by` names.
    pub(super) fn load(
        node: &Node,
        (entity, is_text): (Option<&Entity>, bool),
        found: &mut Diagnostics,
    ) -> Option<Self> {
        if node.as_map().is_none() {
            return Some(Self { name: String::read(node, found)?.into(), is_text, by: Vec::new() });
        }
        let mut keys = Words::of(node, found)?;
        let name: Option<String> = keys.required("key", found);
        let by: Option<Node> = keys.required("by", found);
        keys.finish(found);
        let by = by?;
        let items = by.as_list().unwrap_or_default();
        if items.is_empty() {
            let text = "`by` names the moments that may go before the key";
            found.push(Diagnostic::error(&by.place, text).help("as in `by: [updated_at]`"));
        }
        let by = items.iter().filter_map(|item| By::load(item, entity, found)).collect();
        Some(Self { name: name?.into(), is_text, by })
    }

    /// By which moment a query goes before the key: the one order that is asked for, upwards, where the filter bounds it.
    pub(super) fn moment(&self, filter: &Filter, sort: &[Sort]) -> Option<LeafId> {
        let [Sort { leaf, direction: Direction::Ascending }] = sort else { return None };
        let is_known = self.by.iter().any(|by| by.leaf == *leaf);
        (is_known && is_bounded(filter, *leaf)).then_some(*leaf)
    }

    /// Whether an order is one that it would go by if the filter did bound it.
    pub(super) fn wants_bound(&self, sort: &[Sort]) -> bool {
        matches!(sort, [Sort { leaf, direction: Direction::Ascending }] if self.by.iter().any(|by| by.leaf == *leaf))
    }

    /// What comes after a place; `moment` is what the system calls the moment, where the order begins with one.
    pub(super) fn after(&self, moment: Option<&Arc<str>>, after: &After) -> Push {
        let by_key = self.than(Op::Gt, &after.key);
        match moment.zip(after.moment) {
            None => by_key,
            Some((name, at)) => {
                Push::Any(vec![than(name, Op::Gt, at), Push::All(vec![than(name, Op::Eq, at), by_key])])
            }
        }
    }

    fn than(&self, op: Op, key: &str) -> Push {
        let value = if self.is_text { Literal::Text(key.into()) } else { Literal::Token(key.into()) };
        Push::Test(Test { name: self.name.clone(), op, values: vec![value] })
    }

    /// The order of keys, of a moment before them where there is one.
    pub(super) fn order(&self, moment: Option<&Arc<str>>) -> Vec<(Arc<str>, Direction)> {
        let names = moment.into_iter().chain([&self.name]);
        names.map(|name| (name.clone(), Direction::Ascending)).collect()
    }

    /// Whether a dialect can ask for both, and for no more than what comes after.
    pub(super) fn is_asked(&self, dialect: &Dialect) -> bool {
        let sorts = dialect.sort.as_ref().is_some_and(|sort| sort.knows(&self.name));
        sorts && is_exact(dialect, &self.than(Op::Gt, "1"), &[self.than(Op::Gte, "1")])
    }

    /// The same of what comes after a moment and a key.
    fn is_asked_by(&self, dialect: &Dialect, moment: &Arc<str>) -> bool {
        let sorts = dialect.sort.as_ref().is_some_and(|sort| sort.most > 1 && sort.knows(moment));
        let (at, key) = (Timestamp::UNIX_EPOCH, || self.than(Op::Gt, "1"));
        let any = |first, rest| Push::Any(vec![first, Push::All(rest)]);
        let (later, same) = (|| than(moment, Op::Gt, at), || than(moment, Op::Eq, at));
        let looser = [
            any(later(), vec![same()]),
            any(later(), vec![key()]),
            any(than(moment, Op::Gte, at), vec![same(), key()]),
        ];
        sorts
            && matches!(dialect.or, Or::Any)
            && is_exact(dialect, &any(later(), vec![same(), key()]), &looser)
    }

    /// Whether what comes after a place can be told: an hour that comes twice, without a zone, is no moment.
    pub(super) fn is_told(&self, dialect: &Dialect, moment: Option<&Arc<str>>, at: At<'_>) -> bool {
        let Some((name, at)) = moment.zip(at.moment) else { return true };
        dialect.literals.tells(at) && Plan::of(dialect, &than(name, Op::Eq, at)).is_some()
    }

    /// Tells which of the moments cannot go before the key.
    pub(super) fn check(&self, call: &ListCall, filters: &[Vec<Filterable>], found: &mut Diagnostics) {
        for by in &self.by {
            let place = place_of(filters, by.leaf);
            let dialect = call.filter.as_ref().filter(|_| call.batch.is_none());
            if dialect.zip(place).is_some_and(|(dialect, place)| self.is_asked_by(dialect, &place.name)) {
                continue;
            }
            let text =
                "the list cannot be asked for what comes after a moment and a key in the order of both";
            let help = "it takes a line with one place of its own, rows that are records, and a `filter` with `eq`, `gt` and an `or` across fields, whose `sort` takes two keys";
            found.push(Diagnostic::error(&by.said, text).help(help));
        }
    }
}

impl Mapping {
    /// What the system calls a moment that goes before the key.
    pub(super) fn moment_name(&self, leaf: Option<LeafId>) -> Option<&Arc<str>> {
        place_of(&self.filters, leaf?).map(|place| &place.name)
    }
}

impl By {
    fn load(node: &Node, entity: Option<&Entity>, found: &mut Diagnostics) -> Option<Self> {
        let path = String::read(node, found)?;
        let leaf = entity.and_then(|entity| entity.leaf_at(&path));
        let is_moment = |leaf| {
            let leaf = entity?.leaf(leaf)?;
            (matches!(leaf.kind, LeafKind::Instant) && !leaf.in_list).then_some(())
        };
        let is_one = leaf.and_then(is_moment).is_some();
        let Some(leaf) = leaf.filter(|_| is_one) else {
            let leaves = entity.into_iter().flat_map(|entity| entity.ids().filter_map(|id| entity.leaf(id)));
            let moments = leaves.filter(|leaf| matches!(leaf.kind, LeafKind::Instant) && !leaf.in_list);
            let text = format!("`{path}` is no moment of the record");
            let told =
                Diagnostic::error(&node.place, text).suggest(&path, moments.map(|leaf| leaf.path.as_str()));
            found.push(told);
            return None;
        };
        Some(Self { leaf, said: node.place.clone() })
    }
}

fn than(name: &Arc<str>, op: Op, at: Timestamp) -> Push {
    Push::Test(Test { name: name.clone(), op, values: vec![Literal::Instant(at)] })
}

/// Whether a dialect asks for something, and for less than each of the others.
fn is_exact(dialect: &Dialect, push: &Push, looser: &[Push]) -> bool {
    let Some(asked) = Plan::of(dialect, push) else { return false };
    looser.iter().filter_map(|push| Plan::of(dialect, push)).all(|looser| !asked.asks_as(&looser))
}

/// The one place where a field stands that is no other's at times.
fn place_of(filters: &[Vec<Filterable>], leaf: LeafId) -> Option<&Filterable> {
    match filters.get(usize::from(leaf.0))?.as_slice() {
        [place] if !place.is_shared && place.codec.table.is_none() => Some(place),
        _ => None,
    }
}

/// Whether no record without a field passes.
fn is_bounded(filter: &Filter, of: LeafId) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().any(|part| is_bounded(part, of)),
        Filter::Test { leaf, op: Op::Eq | Op::Lt | Op::Lte | Op::Gt | Op::Gte, value: Value::Instant(_) } => {
            *leaf == of
        }
        Filter::Test { .. }
        | Filter::Any(_)
        | Filter::Not(_)
        | Filter::Derived { .. }
        | Filter::Pair { .. }
        | Filter::Item(..) => false,
    }
}

/// The keys of a page.
#[derive(Debug)]
pub(super) struct Keys<'r> {
    /// Rows, those without a key too.
    pub(super) rows: usize,
    pub(super) first: Option<At<'r>>,
    pub(super) last: Option<At<'r>>,
    /// Whether each comes after the one before it.
    rises: bool,
}

impl<'r> Keys<'r> {
    pub(super) fn of(rows: usize, keys: impl Iterator<Item = impl Into<At<'r>>>) -> Self {
        let mut keys = keys.map(Into::into);
        let first: Option<At<'r>> = keys.next();
        let (mut last, mut rises) = (first, true);
        for key in keys {
            rises &= last.is_none_or(|last| last.order(&key) == Ordering::Less);
            last = Some(key);
        }
        Self { rows, first, last, rises }
    }

    /// Whether they are in order, all of them after a place.
    ///
    /// # Errors
    /// They are not: what would be asked for next is not what comes next.
    pub(super) fn are_after(&self, after: Option<&After>) -> Result<(), SystemFault> {
        let begins = |first: At<'_>| after.is_none_or(|after| after.at().order(&first) == Ordering::Less);
        if self.rises && self.first.is_none_or(begins) {
            return Ok(());
        }
        let text = "the system does not keep to the order of keys in which it was asked";
        Err(SystemFault::unreadable(text.to_owned()))
    }
}

impl After {
    fn at(&self) -> At<'_> {
        At { moment: self.moment, key: &self.key }
    }
}

impl At<'_> {
    fn order(&self, other: &At<'_>) -> Ordering {
        self.moment.cmp(&other.moment).then_with(|| order(self.key, other.key))
    }
}

impl<'r> From<&'r str> for At<'r> {
    fn from(key: &'r str) -> Self {
        Self { moment: None, key }
    }
}

impl From<At<'_>> for After {
    fn from(at: At<'_>) -> Self {
        Self { key: at.key.to_owned(), moment: at.moment }
    }
}

/// Two runs of digits as the numbers that they are.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
