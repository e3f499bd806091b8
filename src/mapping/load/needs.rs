//! `needs` and `bounds` of a list: bounds of its filter, those that it cannot do without and others, the places of its
//! body that take them, and the form in which they go out.

use super::{Defaults, lists::Step, pairs};
use crate::{
    mapping::{
        body::{Body, Hole},
        codec::{Codec, Wire},
        model::{ListCall, Mapping, ObjectPart, Part, Source},
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

/// Reads the fields that a variant is for, `needs`, `bounds`, and what the body has places for.
pub(super) fn load(
    list: &Node,
    keys: &mut Keys<'_>,
    (fields, body, at): (Option<&Node>, Option<&Body>, &[Step]),
    of: (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Vec<Bound> {
    let mut bounds: Vec<Bound> = Vec::new();
    for (node, is_needed) in [(fields, true), (keys.take("needs"), true), (keys.take("bounds"), false)] {
        for (bound, place) in node.map(|node| named_bounds(node, of, found)).unwrap_or_default() {
            if bounds.iter().any(|known| known.name == bound.name) {
                found.error(&place, format!("`{}` stands here a second time", bound.name));
            } else if bounds.len() == BOUNDS_MAX {
                found.error(&place, format!("a list has at most {BOUNDS_MAX} bounds"));
            } else {
                bounds.push(Bound { is_needed, ..bound });
            }
        }
    }
    for (name, _) in at {
        match bounds.iter_mut().find(|bound| bound.name == *name && bound.is_needed && bound.op == Op::Eq) {
            Some(bound) => (bound.has_place, bound.is_step) = (true, true),
            None => found.push(
                Diagnostic::error(
                    &list.place,
                    format!("the address holds `{name}`, which a filter may lack"),
                )
                .help(format!("say `needs: [{name}]`")),
            ),
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
        let Some(bound) = bound(&name, &list.place, of.0, found) else { continue };
        match bounds.iter_mut().find(|known| known.name == bound.name) {
            Some(known) => known.has_place = true,
            None => bounds.push(Bound { has_place: true, ..bound }),
        }
    }
    bounds
}

/// Bounds by their names, or with what is said of each, and where.
fn named_bounds(node: &Node, of: (&Entity, &Defaults), found: &mut Diagnostics) -> Vec<(Bound, Place)> {
    let mut out = Vec::new();
    match node.as_list() {
        Some(items) => {
            for item in items {
                let name = String::read(item, found);
                let bound = name.and_then(|name| bound(&name, &item.place, of.0, found));
                out.extend(bound.map(|bound| (bound, item.place.clone())));
            }
        }
        None => {
            for (key, node) in pairs(Some(node), found) {
                let bound = bound(&key.text, &key.place, of.0, found);
                let bound = bound.and_then(|bound| said(bound, node, of, found));
                out.extend(bound.map(|bound| (bound, key.place.clone())));
            }
        }
    }
    out
}

/// A bound by the name that callers write: `from[gte]`.
fn bound(name: &str, place: &Place, entity: &Entity, found: &mut Diagnostics) -> Option<Bound> {
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
    let name = canonical(name).into();
    Some(Bound {
        name,
        leaf,
        op,
        spelt: Spelt::default(),
        is_said: false,
        is_needed: false,
        has_place: false,
        is_step: false,
        default: None,
    })
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
    // An element of a list that is equal is a bound of the record; one that is at least so much is none.
    let fits = op == Op::Eq || (!field.in_list && is_ordered);
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
        bound.is_said = true;
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
    spelt.day = keys.take("date").and_then(|node| <Day as FromYaml>::read(node, found));
    spelt.moment = keys.take("instant").and_then(|node| <Moment as FromYaml>::read(node, found));
    spelt.zone = keys.take("zone").and_then(|node| super::forms::time_zone(node, found));
    spelt.wire = keys.take("wire").and_then(|node| <Wire as FromYaml>::read(node, found));
    keys.finish(found);
}

impl Spelt {
    /// As a line has it, but for what the list says; a form of its own goes as text, if it does not say otherwise.
    fn like(&mut self, codec: &Codec) {
        let is_own = self.day.is_some() || self.moment.is_some();
        self.wire = self.wire.or(Some(if is_own { Wire::Text } else { codec.wire }));
        self.tag = codec.tag.clone().filter(|_| !is_own);
        self.day = self.day.or(Some(codec.forms.day));
        self.moment = self.moment.or(Some(codec.forms.moment));
        self.zone = self.zone.take().or_else(|| Some(codec.forms.zone.clone()));
        self.point = Some(codec.forms.point);
    }

    /// Whether a line has it so, as far as values of a kind go.
    fn is_like(&self, codec: &Codec, kind: &LeafKind) -> bool {
        let form = match kind {
            LeafKind::Date => self.day == Some(codec.forms.day),
            LeafKind::Instant => self.moment == Some(codec.forms.moment),
            LeafKind::Decimal => self.point == Some(codec.forms.point),
            LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Integer
            | LeafKind::Boolean => true,
        };
        form && self.wire == Some(codec.wire) && self.tag.is_some() == codec.tag.is_some()
    }
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
    /// Spells each bound of a list in the form of the line that reads its field, where the list says no other.
    pub(super) fn spell_bounds(&mut self) {
        for bound in self.lists.iter_mut().flat_map(|call| &mut call.bounds) {
            if let Some(codec) = codecs(&self.root, bound.leaf).first() {
                bound.spelt.like(codec);
            }
        }
    }

    /// Tells of bounds that do not reach the system, or not as they are meant.
    pub(super) fn check_bounds(&self, node: &Node, found: &mut Diagnostics) {
        for bound in self.lists.iter().flat_map(|call| &call.bounds) {
            if self.unmapped.contains(bound.leaf) {
                let text = format!("no line reads the field of `{}`", bound.name);
                found.push(
                    Diagnostic::error(&node.place, text).help("a caller cannot filter by it: add a line"),
                );
            } else if bound.has_place && bound.op == Op::Eq && bound.spelt.day.is_some_and(Day::is_moment) {
                let text = format!("the system keeps the day of `{}` as a moment", bound.name);
                found.push(Diagnostic::error(&node.place, text).help(format!(
                    "ask for `{0}[gte]` and `{0}[lte]`, or name another form under `as`",
                    bound.name
                )));
            } else if bound.has_place && !self.is_of_one_form(bound) {
                let text = format!("lines read the field of `{}` in several forms", bound.name);
                found.push(
                    Diagnostic::error(&node.place, text)
                        .help("say the one that the list takes: `bounds: { NAME: { as: { … } } }`"),
                );
            } else if bound.has_place && !self.is_told_as_sent(bound.leaf) {
                let text =
                    format!("`{}` goes out as callers write it, and a line changes that field", bound.name);
                found.push(Diagnostic::error(&node.place, text).help(
                    "`values`, `norm`, `shift` and `round` do not go with a bound in a body; filter by a dialect",
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
        let is_so = |codec: &&Codec| {
            codec.table.is_none() && codec.norm.is_empty() && codec.forms.shift == 0 && !codec.rounds
        };
        let mut is_behind = false;
        self.root.lines(false, &mut |line, _| {
            is_behind |= line.leaf == leaf && matches!(line.source, Source::Behind(_) | Source::Tuple(_));
        });
        !is_behind && codecs(&self.root, leaf).iter().all(is_so)
    }

    /// Whether all lines of its field have the form in which a bound goes out, if the list does not say one.
    fn is_of_one_form(&self, bound: &Bound) -> bool {
        let kind = self.entity.leaf(bound.leaf).map(|leaf| &leaf.kind);
        let all = codecs(&self.root, bound.leaf);
        bound.is_said || kind.is_none_or(|kind| all.iter().all(|codec| bound.spelt.is_like(codec, kind)))
    }

    /// Whether the dialect of a list can say a bound.
    fn says(&self, call: &ListCall, bound: &Bound) -> bool {
        let Some(kind) = self.entity.leaf(bound.leaf).map(|leaf| &leaf.kind) else { return true };
        let test = Filter::test(bound.leaf, bound.op, crate::mapping::needs::sample(kind));
        call.filter.as_ref().is_some_and(|dialect| self.push(dialect, &test).is_some())
    }
}

/// How lines read a field: of a list in one text, its elements.
fn codecs(root: &ObjectPart, leaf: LeafId) -> Vec<&Codec> {
    let mut out = Vec::new();
    root.parts.iter().for_each(|named| add_codecs(&named.part, leaf, &mut out));
    out
}

/// Recursion is bounded by the depth of the file.
fn add_codecs<'p>(part: &'p Part, leaf: LeafId, out: &mut Vec<&'p Codec>) {
    match part {
        Part::Leaf(line) => match &line.source {
            Source::Native(native) if line.leaf == leaf => out.push(&native.codec),
            Source::Native(_)
            | Source::Constant(_)
            | Source::Join(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Behind(_)
            | Source::Tuple(_) => {}
        },
        Part::Object(object) => object.parts.iter().for_each(|named| add_codecs(&named.part, leaf, out)),
        Part::Slots(slots) => slots.iter().for_each(|slot| add_codecs(slot, leaf, out)),
        Part::Each(each) => each.all().for_each(|each| add_codecs(&each.item, leaf, out)),
        Part::Split(split) if split.line.leaf == leaf => out.push(&split.item),
        Part::Split(_) => {}
        Part::When(when) => add_codecs(&when.part, leaf, out),
    }
}
