//! `$expand`: what is to stand beside each record, and what is asked of it.
//!
//! One level, by name. A name that is unknown and one that this caller may not follow are one and the same.

use jiff::Timestamp;

use super::{Servable, boolean, decode, number, options, order, pairs, select};
use crate::{
    odata::{
        fault::{Fault, Unmet, told},
        filter,
        navigation::Expandable,
    },
    schema::{
        Entity, FieldSet, Filter, Sort,
        query::{INCLUDES_MAX, Limits, QueryFaultKind},
    },
    words::nearest,
};

/// What is to stand beside each record.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// Which of those that may be expanded, by its place among them.
    pub at: usize,
    /// Which of the records there are wanted.
    pub filter: Filter,
    /// In which order.
    pub sort: Vec<Sort>,
    /// Their fields; all where none are named.
    pub fields: Option<FieldSet>,
    /// How many beside one record are passed over.
    pub skip: u64,
    /// How many beside one record are told at most.
    pub top: Option<u64>,
    /// Whether they are counted.
    pub count: bool,
    /// The options that make a list of these records of their own, as they are written.
    pub written: Vec<(&'static str, String)>,
}

/// The option.
const OPTION: &str = "$expand";
/// What may be asked of the records beside one.
const OF_LIST: [&str; 6] = ["$filter", "$select", "$orderby", "$top", "$skip", "$count"];
/// The same, where they have a path of their own.
const OF_PATH: [&str; 7] = ["$filter", "$select", "$orderby", "$top", "$skip", "$count", "$format"];
/// What OData has and nobody gets here.
const NOT_HERE: [&str; 5] = ["$expand", "$levels", "$search", "$apply", "$compute"];

/// Whether a query may name what stands beside a record of an entity. Cheap, for the many that do not.
pub fn has_navigation(entity: &Entity, raw: &str) -> bool {
    let is_field = |path: &str| {
        let name = path.trim().split('/').next().unwrap_or_default();
        name == "*" || entity.root.field(name).is_some()
    };
    pairs(raw).any(|(name, value)| match decode(name).as_deref() {
        Some(OPTION) => true,
        Some("$select") => decode(value).is_some_and(|value| !value.split(',').all(is_field)),
        _ => false,
    })
}

/// Reads the options of what stands beside a record under a name, asked for by a path of its own; none where nothing
/// may stand there. `now` is what `now()` is.
///
/// # Errors
/// What is wrong, or not here.
pub fn beside(
    name: &str,
    raw: &str,
    expandable: &[Expandable],
    now: Timestamp,
    limits: &Limits,
) -> Result<Option<Expansion>, Fault> {
    let named = |(_, one): &(usize, &Expandable)| one.navigation.name == name;
    let Some((at, one)) = expandable.iter().enumerate().find(named) else { return Ok(None) };
    let mut wanted = Expansion::all(at);
    for (name, value) in options(raw, &OF_PATH)? {
        if name != "$format" {
            wanted.put(one, known(name, one.navigation.is_list)?, &value, now, limits)?;
        }
    }
    Ok(Some(wanted))
}

/// Reads the value of `$expand`.
pub(super) fn expand(
    value: &str,
    expandable: &[Expandable],
    now: Timestamp,
    limits: &Limits,
) -> Result<Vec<Expansion>, Fault> {
    let mut found: Vec<Expansion> = Vec::new();
    for item in parts(value, ',')? {
        if found.len() >= INCLUDES_MAX {
            let message = format!("at most {INCLUDES_MAX} navigation properties");
            return Err(Fault::of(OPTION, QueryFaultKind::TooMany, message));
        }
        let (name, options) = match item.trim().split_once('(') {
            None => (item.trim(), ""),
            Some((name, options)) => (name.trim(), options.strip_suffix(')').ok_or_else(unbalanced)?),
        };
        let (at, one) = named(name, expandable)?;
        if found.iter().any(|earlier| earlier.at == at) {
            let message = format!("`{}` stands here twice", told(name));
            return Err(Fault::of(OPTION, QueryFaultKind::Repeated, message));
        }
        found.push(expansion(at, one, options, now, limits).map_err(|fault| within(name, fault))?);
    }
    Ok(found)
}

/// The one name of a value of `$expand`, and the value of its `$select`, where nothing else may stand.
pub(in crate::odata) fn only_select(value: &str) -> Result<(&str, Option<&str>), Fault> {
    let parts = parts(value, ',')?;
    let [item] = parts.as_slice() else {
        let message = "expected one navigation property";
        return Err(Fault::of(OPTION, QueryFaultKind::TooMany, message));
    };
    let Some((name, options)) = item.trim().split_once('(') else {
        return name_alone(item.trim()).map(|name| (name, None));
    };
    let options = options.strip_suffix(')').ok_or_else(unbalanced)?;
    let (option, value) = options.split_once('=').unwrap_or((options, ""));
    known(option.trim(), false).map_err(|fault| within(name, fault))?;
    if value.contains(';') {
        let fault = Fault::of(option, QueryFaultKind::TooMany, "`$select` stands here alone");
        return Err(within(name, fault));
    }
    Ok((name_alone(name.trim())?, Some(value.trim())))
}

/// A name that leads one level down.
fn name_alone(name: &str) -> Result<&str, Fault> {
    if name == "*" {
        return Err(Fault::unsupported("`*` in `$expand`; name what is to stand beside each record"));
    }
    match name.split_once('/') {
        Some((_, further @ ("$ref" | "$count"))) => {
            Err(Fault::unsupported(format!("`{further}` in `$expand`")))
        }
        Some(_) => Err(Fault::unsupported("a path in `$expand`: it tells one level".to_owned())),
        None => Ok(name),
    }
}

fn named<'a>(name: &str, expandable: &'a [Expandable]) -> Result<(usize, &'a Expandable), Fault> {
    let name = name_alone(name)?;
    let mut all = expandable.iter().enumerate();
    all.find(|(_, one)| one.navigation.name == name).ok_or_else(|| {
        let known = expandable.iter().map(|one| one.navigation.name.as_str());
        let message = match nearest(name, known) {
            Some(near) => format!("unknown navigation property `{}`, did you mean `{near}`?", told(name)),
            None => format!("unknown navigation property `{}`", told(name)),
        };
        Fault::of(OPTION, QueryFaultKind::Unknown, message)
    })
}

/// Reads what is asked of the records beside one.
fn expansion(
    at: usize,
    one: &Expandable,
    options: &str,
    now: Timestamp,
    limits: &Limits,
) -> Result<Expansion, Fault> {
    let mut wanted = Expansion::all(at);
    let mut seen: Vec<&str> = Vec::new();
    for option in parts(options, ';')?.into_iter().filter(|_| !options.trim().is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = known(name.trim(), one.navigation.is_list)?;
        if seen.contains(&name) {
            return Err(Fault::of(name, QueryFaultKind::Repeated, "stands here a second time"));
        }
        seen.push(name);
        wanted.put(one, name, value.trim(), now, limits)?;
    }
    Ok(wanted)
}

impl Expansion {
    /// All of the records there.
    fn all(at: usize) -> Self {
        Self {
            at,
            filter: Filter::everything(),
            sort: Vec::new(),
            fields: None,
            skip: 0,
            top: None,
            count: false,
            written: Vec::new(),
        }
    }

    fn put(
        &mut self,
        one: &Expandable,
        name: &'static str,
        value: &str,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), Fault> {
        let entity = one.navigation.entity();
        let servable = Servable { clear: &one.clear, unheld: &one.unheld, now };
        match name {
            "$filter" => {
                self.filter = filter::filter(servable.names(entity, limits), &filter::parse(value, now)?)?;
            }
            "$select" => self.fields = select(entity, &one.columns, &[], value)?,
            "$orderby" => self.sort = order(entity, servable, value, limits.sort_keys_max)?,
            "$top" => self.top = Some(number(name, value)?),
            "$skip" => self.skip = number(name, value)?,
            _ => self.count = boolean(value)?,
        }
        if name != "$count" {
            self.written.push((name, value.to_owned()));
        }
        Ok(())
    }
}

/// An option that may stand here.
fn known(name: &str, is_list: bool) -> Result<&'static str, Fault> {
    let Some(known) = OF_LIST.iter().find(|known| **known == name) else {
        if NOT_HERE.contains(&name) {
            return Err(Fault::unsupported(format!("`{name}`")));
        }
        let message = format!("unknown option; expected one of: {}", OF_LIST.join(", "));
        return Err(Fault::of(name, QueryFaultKind::Unknown, message));
    };
    if !is_list && *known != "$select" {
        let message = "it is one record at most, which takes `$select` alone";
        return Err(Fault::of(name, QueryFaultKind::Unknown, message));
    }
    Ok(known)
}

/// The fault of what is asked of the records beside one, told of `$expand`.
fn within(name: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Query(mut faults) => {
            for fault in &mut faults {
                fault.message = format!("{}({}): {}", told(name), fault.parameter, fault.message);
                fault.parameter = OPTION.to_owned();
            }
            Fault::Query(faults)
        }
        Fault::Unmet(Unmet::Unsupported(what)) => Fault::unsupported(format!("{what} inside `$expand`")),
        Fault::Unmet(other) => Fault::Unmet(other),
    }
}

/// The parts between separators, of which those in brackets and in quoted texts are none.
fn parts(text: &str, separator: char) -> Result<Vec<&str>, Fault> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.checked_sub(1).ok_or_else(unbalanced)?,
            c if c == separator && depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at.saturating_add(c.len_utf8());
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    if depth > 0 || quoted { Err(unbalanced()) } else { Ok(parts) }
}

fn unbalanced() -> Fault {
    Fault::of(OPTION, QueryFaultKind::Operator, "a bracket or a quote does not end")
}

#[cfg(test)]
mod tests;
