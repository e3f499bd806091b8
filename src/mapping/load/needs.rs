//! `needs` of a list: bounds of its filter that it cannot do without, and places of its body that take bounds.

use super::{Defaults, pairs};
use crate::{
    mapping::{
        body::{Body, Hole},
        model::{ListCall, Mapping, Source},
        needs::{Bound, Default, DefaultValue, Spelt},
        time::{Day, Moment},
    },
    schema::{Entity, Filter, LeafId, LeafKind, Op, value::parse_text},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

/// Most bounds of a list.
const BOUNDS_MAX: usize = 16;
/// Most days or seconds that a default is from now.
const DAYS_MAX: i64 = 36_500;

yaml_words! {
    /// What there is beyond a default.
    enum BeyondWord {
        /// Nothing: no record is left out by it.
        Nothing = "nothing",
        /// Perhaps something.
        Something = "something",
    }
}

/// Reads `needs`, and what the body has places for.
pub(super) fn load(
    list: &Node,
    keys: &mut Keys<'_>,
    body: Option<&Body>,
    (entity, defaults): (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Vec<Bound> {
    let mut bounds: Vec<Bound> = Vec::new();
    let mut add = |bound: Bound, place: &Place, found: &mut Diagnostics| {
        if bounds.iter().any(|known| known.name == bound.name) {
            return found.error(place, format!("`{}` stands here a second time", bound.name));
        }
        if bounds.len() == BOUNDS_MAX {
            return found.error(place, format!("a list has at most {BOUNDS_MAX} bounds"));
        }
        bounds.push(bound);
    };
    if let Some(node) = keys.take("needs") {
        match node.as_list() {
            Some(items) => {
                for item in items {
                    let name = String::read(item, found);
                    let bound = name.and_then(|name| bound(&name, &item.place, (entity, defaults), found));
                    if let Some(bound) = bound {
                        add(Bound { is_needed: true, ..bound }, &item.place, found);
                    }
                }
            }
            None => {
                for (key, node) in pairs(Some(node), found) {
                    let Some(bound) = bound(&key.text, &key.place, (entity, defaults), found) else {
                        continue;
                    };
                    if let Some(bound) =
                        said(Bound { is_needed: true, ..bound }, node, (entity, defaults), found)
                    {
                        add(bound, &key.place, found);
                    }
                }
            }
        }
    }
    let mut places = Vec::new();
    if let Some(body) = body {
        body.each_hole(&mut |hole| {
            if let Hole::Bound(name) = hole {
                places.push(name.clone());
            }
        });
    }
    for name in places {
        let Some(bound) = bound(&name, &list.place, (entity, defaults), found) else { continue };
        match bounds.iter_mut().find(|known| known.name == bound.name) {
            Some(known) => known.has_place = true,
            None => bounds.push(Bound { has_place: true, ..bound }),
        }
    }
    bounds
}

/// A bound by the name that callers write: `from[gte]`.
fn bound(
    name: &str,
    place: &Place,
    (entity, defaults): (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Option<Bound> {
    let Some((leaf, op)) = named(name, entity) else {
        let path = name.split_once('[').map_or(name, |(path, _)| path);
        let mistake = match entity.leaf_at(path) {
            None => Diagnostic::error(place, format!("`{path}` is no field of `{}`", entity.name))
                .suggest(path, entity.ids().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.as_str())),
            Some(_) => Diagnostic::error(place, format!("`{name}` is no bound"))
                .help("write it as callers do: `FIELD`, or for days, moments and numbers `FIELD[gte]` or `FIELD[lte]`"),
        };
        found.push(mistake);
        return None;
    };
    let forms = &defaults.forms;
    let spelt = Spelt { day: Day::Iso, moment: Moment::Iso, zone: forms.zone.clone() };
    let name = canonical(name).into();
    Some(Bound { name, leaf, op, spelt, is_needed: false, has_place: false, default: None })
}

/// The field and the comparison of a name.
fn named(name: &str, entity: &Entity) -> Option<(LeafId, Op)> {
    let (path, op) = match name.split_once('[') {
        None => (name, Op::Eq),
        Some((path, "eq]")) => (path, Op::Eq),
        Some((path, "gte]")) => (path, Op::Gte),
        Some((path, "lte]")) => (path, Op::Lte),
        Some(_) => return None,
    };
    let leaf = entity.leaf_at(path)?;
    let field = entity.leaf(leaf)?;
    let is_ordered =
        matches!(field.kind, LeafKind::Date | LeafKind::Instant | LeafKind::Integer | LeafKind::Decimal);
    let fits = !field.in_list && (op == Op::Eq || is_ordered);
    fits.then_some((leaf, op))
}

/// A name as it is told: equality has no word.
pub(super) fn canonical(name: &str) -> &str {
    name.strip_suffix("[eq]").unwrap_or(name)
}

/// What is said of a bound that is needed.
fn said(
    mut bound: Bound,
    node: &Node,
    (entity, defaults): (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Option<Bound> {
    if matches!(node.value, tree::Value::Null) {
        return Some(bound);
    }
    let mut keys = Keys::of(node, found)?;
    let (default, beyond) = (keys.take("default"), keys.take("beyond"));
    if let Some(node) = keys.take("as") {
        spelt(&mut bound.spelt, node, found);
    }
    keys.finish(found);
    if let (Some(node), None) = (beyond, default) {
        found.error(&node.place, "`beyond` is said of a `default`");
    }
    if let Some(node) = default {
        let narrows = beyond.and_then(|node| BeyondWord::read(node, found)) != Some(BeyondWord::Nothing);
        let kind = &entity.leaf(bound.leaf)?.kind;
        let value = default_value(node, kind, defaults, found)?;
        bound.default = Some(Default { value, narrows });
    }
    Some(bound)
}

fn spelt(spelt: &mut Spelt, node: &Node, found: &mut Diagnostics) {
    let Some(mut keys) = Keys::of(node, found) else { return };
    if let Some(day) = keys.take("date").and_then(|node| <Day as FromYaml>::read(node, found)) {
        spelt.day = day;
    }
    if let Some(moment) = keys.take("instant").and_then(|node| <Moment as FromYaml>::read(node, found)) {
        spelt.moment = moment;
    }
    if let Some(zone) = keys.take("zone").and_then(|node| super::forms::time_zone(node, found)) {
        spelt.zone = zone;
    }
    keys.finish(found);
}

fn default_value(
    node: &Node,
    kind: &LeafKind,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<DefaultValue> {
    let text = String::read(node, found)?;
    let far = |rest: &str, unit: i64| -> Option<i64> {
        let (sign, digits) = match rest.split_at_checked(1) {
            None => return Some(0),
            Some(("-", digits)) => (-1, digits),
            Some(("+", digits)) => (1, digits),
            Some(_) => return None,
        };
        let days: i64 =
            digits.strip_suffix('d')?.parse().ok().filter(|days| (0..=DAYS_MAX).contains(days))?;
        Some(sign * days * unit)
    };
    match (kind, text.strip_prefix("$today"), text.strip_prefix("$now")) {
        (LeafKind::Date, Some(rest), _) => {
            if let Some(days) = far(rest, 1) {
                return Some(DefaultValue::Day(days, defaults.forms.zone.clone()));
            }
        }
        (LeafKind::Instant, _, Some(rest)) => {
            if let Some(seconds) = far(rest, 86_400) {
                return Some(DefaultValue::Moment(seconds));
            }
        }
        _ => {
            if let Ok(value) = parse_text(kind, &text) {
                return Some(DefaultValue::Fixed(value));
            }
        }
    }
    expected(node, "a value of the field, or `$today-30d` of a day, `$now-30d` of a moment", found);
    None
}

impl Mapping {
    /// Tells of bounds that do not reach the system, or not as they are meant.
    pub(super) fn check_bounds(&self, node: &Node, found: &mut Diagnostics) {
        for bound in self.lists.iter().flat_map(|call| &call.bounds) {
            if self.unmapped.contains(bound.leaf) {
                let text = format!("no line reads the field of `{}`", bound.name);
                found.push(
                    Diagnostic::error(&node.place, text).help("a caller cannot filter by it: add a line"),
                );
            } else if bound.has_place && !self.is_told_as_sent(bound.leaf) {
                let text =
                    format!("`{}` goes out as callers write it, and a line changes that field", bound.name);
                found.push(Diagnostic::error(&node.place, text).help(
                    "`values`, `norm` and `shift` do not go with a bound in a body; filter by a dialect",
                ));
            }
        }
        for call in &self.lists {
            for bound in call.bounds.iter().filter(|bound| !bound.has_place && !self.says(call, bound)) {
                let text = format!("nothing tells the system of `{}`", bound.name);
                found.push(Diagnostic::error(&node.place, text).help(format!(
                    "write `\"{{filter:{}}}\"` where it stands in the body, or name a `filter` that can say it",
                    bound.name
                )));
            }
        }
    }

    fn is_told_as_sent(&self, leaf: LeafId) -> bool {
        let mut is_so = true;
        self.root.lines(false, &mut |line, _| {
            if let (true, Source::Native(native)) = (line.leaf == leaf, &line.source) {
                let codec = &native.codec;
                is_so &= codec.table.is_none() && codec.norm.is_empty() && codec.forms.shift == 0;
            }
        });
        is_so
    }

    /// Whether the dialect of a list can say a bound.
    fn says(&self, call: &ListCall, bound: &Bound) -> bool {
        let Some(kind) = self.entity.leaf(bound.leaf).map(|leaf| &leaf.kind) else { return true };
        let test = Filter::test(bound.leaf, bound.op, crate::mapping::needs::sample(kind));
        call.filter.as_ref().is_some_and(|dialect| self.push(dialect, &test).is_some())
    }
}
