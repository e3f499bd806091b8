//! The options of a URL: `$filter`, `$select`, `$expand`, `$orderby`, `$top`, `$skip`, `$count`, `$skiptoken`,
//! `$format`.
//!
//! Any other option is refused: one that is left out would give another answer than was asked for.

use std::borrow::Cow;

mod expand;

use jiff::Timestamp;

use super::{
    fault::{Fault, told},
    filter::{self, Names},
    names,
    navigation::Expandable,
};
use crate::schema::{
    Direction, Entity, FieldSet, Filter, LEAVES_MAX, Leaf, LeafId, Query, Sort,
    query::{Limits, QueryFaultKind, decode, pairs},
    value,
};

pub(super) use expand::only_select;
pub use expand::{Expansion, beside, has_navigation};

/// What a request may look for records by.
#[derive(Clone, Copy, Debug)]
pub struct Servable<'a> {
    /// Those that may serve filter and order.
    pub clear: &'a FieldSet,
    /// Those that the system does not hold: they are refused as such where they may serve.
    pub unheld: &'a FieldSet,
    /// The moment that `now()` is: one for a request, and for all pages of a list.
    pub now: Timestamp,
}

/// What a list is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Filter, order and fields; its limit is the most a page may hold.
    pub query: Query,
    /// `$expand`: what is to stand beside each record.
    pub expand: Vec<Expansion>,
    /// `$top`: how many records in all.
    pub top: Option<u64>,
    /// `$skip`: how many records to pass over.
    pub skip: u64,
    /// `$count=true`.
    pub count: bool,
    /// `$skiptoken`: the cursor.
    pub cursor: Option<String>,
}

/// What one record is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedOne {
    /// `$select`: which fields; all where none are named.
    pub fields: Option<FieldSet>,
    /// `$expand`: what is to stand beside it.
    pub expand: Vec<Expansion>,
}

/// What may be asked of a list.
const OF_LIST: [&str; 9] =
    ["$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"];
/// What may be asked of one record.
const OF_ONE: [&str; 3] = ["$select", "$expand", "$format"];
/// What may be asked of a count. All but the filter must not change it (OData 4.0 part 1, §11.2.9).
pub(super) const OF_COUNT: [&str; 4] = ["$filter", "$orderby", "$top", "$skip"];
/// What may be asked of a document.
const OF_DOCUMENT: [&str; 1] = ["$format"];
/// The option of an order.
const ORDER: &str = "$orderby";
/// What OData has and nobody gets here.
const NOT_HERE: [&str; 8] =
    ["$expand", "$search", "$apply", "$compute", "$index", "$deltatoken", "$levels", "$schemaversion"];

impl<'a> Servable<'a> {
    pub(super) fn names(self, entity: &'a Entity, limits: &Limits) -> Names<'a> {
        let Self { clear, unheld, .. } = self;
        Names { entity, clear, unheld, values_max: limits.values_max }
    }
}

/// Reads the options of a list. `visible` are the leaves that may be selected, `expandable` is what may stand beside a
/// record.
///
/// # Errors
/// What is wrong, or not here.
pub fn list(
    entity: &Entity,
    raw: &str,
    servable: Servable<'_>,
    visible: &FieldSet,
    expandable: &[Expandable],
    limits: &Limits,
) -> Result<Wanted, Fault> {
    let query =
        Query { filter: Filter::everything(), sort: Vec::new(), fields: None, limit: limits.limit_max };
    let mut wanted = Wanted { query, expand: Vec::new(), top: None, skip: 0, count: false, cursor: None };
    let names = servable.names(entity, limits);
    for (name, value) in options(raw, &OF_LIST)? {
        match name {
            "$filter" => wanted.query.filter = filter::filter(names, &filter::parse(&value, servable.now)?)?,
            "$select" => wanted.query.fields = select(entity, visible, expandable, &value)?,
            "$expand" => wanted.expand = expand::expand(&value, expandable, servable.now, limits)?,
            "$orderby" => wanted.query.sort = order(entity, servable, &value, limits.sort_keys_max)?,
            "$top" => wanted.top = Some(number("$top", &value)?),
            "$skip" => wanted.skip = number("$skip", &value)?,
            "$count" => wanted.count = boolean(&value)?,
            "$skiptoken" => wanted.cursor = Some(cursor(&value, limits)?),
            _ => {}
        }
    }
    Ok(wanted)
}

/// Reads the options of one record: which fields are wanted, and what beside it. `now` is what `now()` is.
///
/// # Errors
/// What is wrong, or not here.
pub fn one(
    entity: &Entity,
    raw: &str,
    visible: &FieldSet,
    expandable: &[Expandable],
    now: Timestamp,
    limits: &Limits,
) -> Result<WantedOne, Fault> {
    let mut wanted = WantedOne::default();
    for (name, value) in options(raw, &OF_ONE)? {
        match name {
            "$select" => wanted.fields = select(entity, visible, expandable, &value)?,
            "$expand" => wanted.expand = expand::expand(&value, expandable, now, limits)?,
            _ => {}
        }
    }
    Ok(wanted)
}

/// Reads the options of a count: which records.
///
/// # Errors
/// What is wrong, or not here.
pub fn count(entity: &Entity, raw: &str, servable: Servable<'_>, limits: &Limits) -> Result<Filter, Fault> {
    let names = servable.names(entity, limits);
    let mut wanted = Filter::everything();
    for (name, value) in options(raw, &OF_COUNT)? {
        match name {
            "$filter" => wanted = filter::filter(names, &filter::parse(&value, servable.now)?)?,
            "$orderby" => drop(order(entity, servable, &value, limits.sort_keys_max)?),
            name => drop(number(name, &value)?),
        }
    }
    Ok(wanted)
}

/// Reads the options of a document, which has none but its format.
///
/// # Errors
/// Any other option.
pub fn only_format(raw: &str) -> Result<(), Fault> {
    options(raw, &OF_DOCUMENT).map(drop)
}

/// The cursor that a query holds, whatever it is.
pub fn skiptoken(raw: &str) -> Option<Cow<'_, str>> {
    named(raw, "$skiptoken")
}

/// The query without what moves along a list: what a cursor is bound to.
pub fn without_paging(raw: &str) -> String {
    kept(raw, &["$skiptoken", "$skip", "$top"])
}

/// The query of the next page, without its `$skiptoken`: what is left to pass over, and of `$top`.
pub fn rest(raw: &str, skip: u64, top: Option<u64>) -> String {
    let mut query = without_paging(raw);
    let mut put = |text: String| {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&text);
    };
    if skip > 0 {
        put(format!("$skip={skip}"));
    }
    if let Some(top) = top {
        put(format!("$top={top}"));
    }
    query
}

/// The value of `$format`, decoded.
pub(super) fn format(raw: &str) -> Option<Cow<'_, str>> {
    named(raw, "$format")
}

fn named<'a>(raw: &'a str, option: &str) -> Option<Cow<'a, str>> {
    let is_it = |(name, _): &(&str, &str)| decode(name).as_deref() == Some(option);
    pairs(raw).find(is_it).and_then(|(_, value)| decode(value))
}

fn kept(raw: &str, left_out: &[&str]) -> String {
    let is_kept = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !pair.is_empty() && decode(name).is_none_or(|name| !left_out.contains(&name.as_ref()))
    };
    raw.split('&').filter(is_kept).collect::<Vec<_>>().join("&")
}

/// Every option with its value, decoded; each once, each one that may stand here.
pub(super) fn options<'a>(
    raw: &'a str,
    allowed: &[&'static str],
) -> Result<Vec<(&'static str, Cow<'a, str>)>, Fault> {
    let mut found: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
    for (name, value) in pairs(raw) {
        let broken =
            || Fault::of(name, QueryFaultKind::Encoding, "percent-encoding is broken, or not of UTF-8");
        let (name, value) = (decode(name).ok_or_else(broken)?, decode(value).ok_or_else(broken)?);
        let Some(known) = allowed.iter().find(|known| **known == name) else {
            return Err(not_here(&name, allowed));
        };
        if found.iter().any(|(earlier, _)| earlier == known) {
            return Err(Fault::of(known, QueryFaultKind::Repeated, "stands here a second time"));
        }
        found.push((*known, value));
    }
    Ok(found)
}

fn not_here(name: &str, allowed: &[&str]) -> Fault {
    if NOT_HERE.contains(&name) {
        return Fault::unsupported(format!("`{name}`"));
    }
    if name.starts_with('@') {
        return Fault::unsupported("aliases of parameters");
    }
    let message = format!("unknown option; expected one of: {}", allowed.join(", "));
    Fault::of(name, QueryFaultKind::Unknown, message)
}

/// The leaves of a selection; all that may be seen for `*`. What may stand beside a record may be named too: it is
/// told where it is expanded.
pub(super) fn select(
    entity: &Entity,
    visible: &FieldSet,
    expandable: &[Expandable],
    value: &str,
) -> Result<Option<FieldSet>, Fault> {
    let mut wanted = FieldSet::EMPTY;
    if value.split(',').nth(LEAVES_MAX).is_some() {
        let message = format!("at most {LEAVES_MAX} fields");
        return Err(Fault::of("$select", QueryFaultKind::TooMany, message));
    }
    let mut all = false;
    for path in value.split(',').map(str::trim) {
        if path == "*" {
            all = true;
            continue;
        }
        if path.contains(['(', ')']) {
            return Err(Fault::unsupported("options inside `$select`"));
        }
        if expandable.iter().any(|other| other.navigation.name == path) {
            continue;
        }
        let dotted = path.replace('/', ".");
        let found = entity.leaves_under(&dotted).intersection(visible);
        if found.is_empty() {
            return Err(names::unknown("$select", entity, visible, &dotted));
        }
        wanted = wanted.union(&found);
    }
    Ok(if all { None } else { Some(wanted) })
}

fn order(entity: &Entity, servable: Servable<'_>, value: &str, keys_max: usize) -> Result<Vec<Sort>, Fault> {
    let mut keys: Vec<Sort> = Vec::new();
    for (path, direction) in order_keys(value, keys_max)? {
        let (id, leaf) = order_leaf(entity, servable, path)?;
        if leaf.in_list {
            let message = format!("`{}` has several values, so it cannot be an order", names::of(leaf));
            return Err(Fault::of(ORDER, QueryFaultKind::Operator, message));
        }
        if keys.iter().any(|earlier| earlier.leaf == id) {
            return Err(twice(&names::of(leaf)));
        }
        keys.push(Sort { leaf: id, direction });
    }
    Ok(keys)
}

/// The paths of an order, as they are written, and which way each runs.
pub(super) fn order_keys(value: &str, keys_max: usize) -> Result<Vec<(&str, Direction)>, Fault> {
    let mut keys = Vec::new();
    for key in value.split(',') {
        if keys.len() >= keys_max {
            return Err(Fault::of(ORDER, QueryFaultKind::TooMany, format!("at most {keys_max} keys")));
        }
        let mut words = key.split_ascii_whitespace();
        let (path, direction) = (words.next().unwrap_or_default(), words.next());
        if path.contains('(') {
            return Err(Fault::unsupported("functions in `$orderby`"));
        }
        let direction = match (direction, words.next()) {
            (None | Some("asc"), None) => Direction::Ascending,
            (Some("desc"), None) => Direction::Descending,
            _ => {
                let message = "expected `asc` or `desc` behind a field";
                return Err(Fault::of(ORDER, QueryFaultKind::Operator, message));
            }
        };
        keys.push((path, direction));
    }
    Ok(keys)
}

/// The leaf of a path of an order, of those that may serve.
pub(super) fn order_leaf<'e>(
    entity: &'e Entity,
    servable: Servable<'_>,
    path: &str,
) -> Result<(LeafId, &'e Leaf), Fault> {
    let Servable { clear, unheld, .. } = servable;
    let dotted = path.replace('/', ".");
    let id = entity.leaf_at(&dotted).filter(|id| clear.contains(*id));
    let Some((id, leaf)) = id.and_then(|id| Some((id, entity.leaf(id)?))) else {
        return Err(names::unknown(ORDER, entity, clear, &dotted));
    };
    if unheld.contains(id) { Err(names::unheld(ORDER, leaf)) } else { Ok((id, leaf)) }
}

/// The fault of an order that names a field again.
pub(super) fn twice(path: &str) -> Fault {
    Fault::of(ORDER, QueryFaultKind::Repeated, format!("`{path}` stands here twice"))
}

pub(super) fn number(option: &str, value: &str) -> Result<u64, Fault> {
    let number = value::integer(value).ok().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Fault::value(option, "expected a whole number, 0 or more"))
}

pub(super) fn boolean(value: &str) -> Result<bool, Fault> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::value("$count", "expected `true` or `false`")),
    }
}

pub(super) fn cursor(value: &str, limits: &Limits) -> Result<String, Fault> {
    if value.is_empty() || value.len() > limits.cursor_bytes_max {
        let message = format!("`{}` is no place in this list; follow `@odata.nextLink`", told(value));
        return Err(Fault::value("$skiptoken", message));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests;
