//! Bounds that a list takes from its filter: what stands at a place of the body, and what a list cannot do without.
//!
//! A bound that goes out is one that every record of the filter keeps, so more may come back, never less. The one
//! exception is a default, which stands for a bound that the caller did not give: such a list is told as cut, unless the
//! file says that there is nothing beyond it.

use std::{cmp::Ordering, sync::Arc};

use compact_str::{CompactString, format_compact};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    codec::{Point, Wire},
    listing::{ListError, Listing},
    model::{ListCall, Mapping},
    number::is_number,
    out::Out,
    tagged::Tag,
    time::{Day, Moment},
};
use crate::schema::{Filter, LeafId, LeafKind, Op, Value};

/// A bound of a list.
#[derive(Debug)]
pub(super) struct Bound {
    /// As a caller writes it: `from[gte]`.
    pub(super) name: Box<str>,
    pub(super) leaf: LeafId,
    /// Equal, at least, or at most.
    pub(super) op: Op,
    pub(super) spelt: Spelt,
    /// Whether the list says how.
    pub(super) is_said: bool,
    pub(super) is_needed: bool,
    /// Whether the body, or the address, has a place for it.
    pub(super) has_place: bool,
    /// Whether it is a step of the address.
    pub(super) is_step: bool,
    pub(super) default: Option<Default>,
}

/// How it is spelt in the body: as the list says, else as the line does that reads the field.
#[derive(Debug, Default)]
pub(super) struct Spelt {
    pub(super) day: Option<Day>,
    pub(super) moment: Option<Moment>,
    pub(super) zone: Option<TimeZone>,
    pub(super) wire: Option<Wire>,
    pub(super) point: Option<Point>,
    pub(super) tag: Option<Arc<Tag>>,
}

/// What stands for a bound that is not there.
#[derive(Debug)]
pub(super) struct Default {
    pub(super) value: DefaultValue,
    /// Whether there may be records beyond it.
    pub(super) narrows: bool,
}

/// How much of now a place can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grain {
    Second,
    Millisecond,
}

/// The value of a default.
#[derive(Debug)]
pub(super) enum DefaultValue {
    /// Always the same.
    Fixed(Value),
    /// So many days from today in the system's zone.
    Day(i64, TimeZone),
    /// So many seconds from now.
    Moment(i64),
}

/// What a list call takes from a filter.
#[derive(Debug)]
pub(super) struct Bounds<'c> {
    /// What stands in the body, by the bounds' names.
    pub(super) told: Vec<(&'c str, Out)>,
    /// Conditions beside those of the filter.
    pub(super) added: Vec<Filter>,
    /// Whether the list is not all that the filter asks for.
    pub(super) is_narrowed: bool,
    /// Whether it hangs on the clock.
    pub(super) is_of_now: bool,
}

impl ListCall {
    /// What it takes from a filter at a moment.
    ///
    /// # Errors
    /// The names of the bounds that it needs and the filter does not give.
    pub(super) fn bounds(
        &self,
        filter: &Filter,
        now: Option<Timestamp>,
    ) -> Result<Bounds<'_>, Vec<Box<str>>> {
        let mut bounds = Bounds { told: Vec::new(), added: Vec::new(), is_narrowed: false, is_of_now: false };
        let mut lacking = Vec::new();
        for bound in &self.bounds {
            let given = value_of(filter, bound.leaf, bound.op);
            let grain = self.grain(bound);
            let default = || Some((bound.default.as_ref()?, bound.default.as_ref()?.at(now, grain)?));
            let value = match (given, default()) {
                (Some(value), _) => value.clone(),
                (None, Some((default, value))) => {
                    bounds.added.push(Filter::test(bound.leaf, bound.op, value.clone()));
                    bounds.is_narrowed |= default.narrows;
                    bounds.is_of_now |= !matches!(default.value, DefaultValue::Fixed(_));
                    value
                }
                (None, None) if bound.is_needed => {
                    lacking.push(bound.name.clone());
                    continue;
                }
                (None, None) => continue,
            };
            let out = bound.spell(&value).filter(|_| bound.has_place);
            // One that is empty or a dot would make it another address.
            let is_step = |out: &Out| out.raw().text().is_some_and(|text| !matches!(&*text, "" | "." | ".."));
            if bound.is_step && !out.as_ref().is_some_and(is_step) {
                lacking.push(bound.name.clone());
                continue;
            }
            bounds.told.extend(out.map(|out| (&*bound.name, out)));
        }
        if lacking.is_empty() { Ok(bounds) } else { Err(lacking) }
    }

    /// How much of now a bound's place can hold: milliseconds where it has them and nothing finer.
    fn grain(&self, bound: &Bound) -> Grain {
        let asked = || self.filter.as_ref().map(|dialect| dialect.literals.moment);
        let moment = if bound.has_place { bound.spelt.moment } else { asked() };
        match moment {
            Some(Moment::UnixMs | Moment::MsDate) => Grain::Millisecond,
            Some(Moment::Iso | Moment::IsoHhmm | Moment::Unix | Moment::Naive | Moment::NaiveSpace)
            | None => Grain::Second,
        }
    }
}

impl Mapping {
    /// A filter with what some list needs beside it, for whoever tries one without a caller.
    pub(super) fn suited(&self, filter: Filter) -> Filter {
        let Some(call) = self.lists.iter().find(|call| !call.for_queries).or(self.lists.first()) else {
            return filter;
        };
        let lacking = |bound: &&Bound| bound.is_needed && value_of(&filter, bound.leaf, bound.op).is_none();
        let kind = |leaf| self.entity.leaf(leaf).map(|leaf| &leaf.kind);
        let sample = |bound: &Bound| Some(Filter::test(bound.leaf, bound.op, sample(kind(bound.leaf)?)));
        let added: Vec<_> = call.bounds.iter().filter(lacking).filter_map(sample).collect();
        if added.is_empty() {
            return filter;
        }
        Filter::All(std::iter::once(filter).chain(added).collect())
    }

    /// A list of everything that can be listed, for whoever has an answer already.
    pub(super) fn listing_of_answer(&self, rows: u32) -> Result<Listing, ListError> {
        let parent = self.any_parent();
        let asked = (&self.suited(Filter::everything()), &[][..]);
        self.list_of(parent.as_ref(), None, &self.entity.all(), asked, None, rows)
    }
}

impl Bound {
    /// Whether the system makes this very comparison.
    pub(super) fn compares(&self, filter: &Filter) -> bool {
        self.has_place
            && matches!(filter, Filter::Test { leaf, op, .. } if *leaf == self.leaf && *op == self.op)
    }

    fn spell(&self, value: &Value) -> Option<Out> {
        let Spelt { wire, point, tag, .. } = &self.spelt;
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::Boolean(yes) => format_compact!("{yes}"),
            Value::Integer(n) => format_compact!("{n}"),
            Value::Decimal(n) if *point == Some(Point::Comma) => {
                format_compact!("{n}").replacen('.', ",", 1).into()
            }
            Value::Decimal(n) => format_compact!("{n}"),
            Value::Date(day) => self.day(*day)?,
            Value::Instant(at) => self.moment(*at)?,
            Value::Null | Value::Object(_) | Value::List(_) => return None,
        };
        let by_kind = match value {
            Value::Integer(_) | Value::Decimal(_) => Wire::Number,
            Value::Boolean(_) => Wire::Boolean,
            _ => Wire::Text,
        };
        let out = match (wire.unwrap_or(by_kind), &*text) {
            (Wire::Number, number) if is_number(number) => Out::Number(text),
            (Wire::Boolean, "true") => Out::Boolean(true),
            (Wire::Boolean, "false") => Out::Boolean(false),
            (Wire::Number | Wire::Boolean | Wire::Text, _) => Out::Text(text),
        };
        match tag {
            Some(tag) => tag.write(&out).ok(),
            None => Some(out),
        }
    }

    /// A day in the form of the place: of one that is kept as a moment, all moments.
    fn day(&self, day: Date) -> Option<CompactString> {
        let form = self.spelt.day.unwrap_or(Day::Iso);
        match (form.is_moment(), self.op) {
            (false, _) | (true, Op::Eq) => Some(form.spell(day)),
            (true, op) => {
                let day = if op == Op::Lte { day.tomorrow().ok()? } else { day };
                let form = if form == Day::IsoNoon { Day::IsoMidnight } else { form };
                Some(form.spell(day))
            }
        }
    }

    /// A moment in the form of the place: where it cannot be told exactly, one that lets more through.
    fn moment(&self, at: Timestamp) -> Option<CompactString> {
        let moment = self.spelt.moment.unwrap_or(Moment::Iso);
        let zone = self.spelt.zone.clone().unwrap_or(TimeZone::UTC);
        let grain = moment.grain();
        let down = |at: i128| at.div_euclid(grain).checked_mul(grain);
        let (at, hour) = match self.op {
            Op::Lte => (down(at.as_nanosecond().checked_neg()?)?.checked_neg()?, 1.hour()),
            _ => (down(at.as_nanosecond())?, -1.hour()),
        };
        let at = Timestamp::from_nanosecond(at).ok()?;
        // Of an hour that comes twice it is not known which is meant.
        let at = match moment.is_naive() && super::time::is_doubled(&zone, at) {
            true => at.checked_add(hour).ok()?,
            false => at,
        };
        moment.spell(&zone, at).ok()
    }
}

impl Default {
    fn at(&self, now: Option<Timestamp>, grain: Grain) -> Option<Value> {
        match &self.value {
            DefaultValue::Fixed(value) => Some(value.clone()),
            DefaultValue::Day(days, zone) => {
                let today = zone.to_datetime(now?).date();
                today.checked_add(days.days()).ok().map(Value::Date)
            }
            DefaultValue::Moment(seconds) => {
                let now = match grain {
                    Grain::Second => now?.as_second().checked_mul(1000)?,
                    Grain::Millisecond => now?.as_millisecond(),
                };
                let at = now.checked_add(seconds.checked_mul(1000)?)?;
                Timestamp::from_millisecond(at).ok().map(Value::Instant)
            }
        }
    }
}

/// A value that every record which passes a filter keeps to, if the filter gives one.
fn value_of(filter: &Filter, leaf: LeafId, op: Op) -> Option<&Value> {
    match filter {
        Filter::All(parts) => {
            let given = parts.iter().filter_map(|part| value_of(part, leaf, op));
            given.reduce(|a, b| if is_tighter(op, b, a) { b } else { a })
        }
        Filter::Any(parts) => {
            let mut all = parts.iter().map(|part| value_of(part, leaf, op));
            let first = all.next()??;
            all.try_fold(first, |a, b| {
                let b = b?;
                match op {
                    Op::Eq => (a == b).then_some(a),
                    _ => Some(if is_tighter(op, a, b) { b } else { a }),
                }
            })
        }
        Filter::Test { leaf: of, op: is, value } if *of == leaf => match (op, is, value) {
            (Op::Eq, Op::In, Value::List(values)) => values.first().filter(|_| values.len() == 1),
            (Op::Gte | Op::Lte, Op::In, Value::List(values)) => {
                values.iter().reduce(|a, b| if is_tighter(op, a, b) { b } else { a })
            }
            (Op::Gte, Op::Gte | Op::Gt | Op::Eq, value)
            | (Op::Lte, Op::Lte | Op::Lt | Op::Eq, value)
            | (Op::Eq, Op::Eq, value) => Some(value).filter(|value| **value != Value::Null),
            (_, _, _) => None,
        },
        // What a negation or a part of a list says bounds no record.
        Filter::Test { .. }
        | Filter::Not(_)
        | Filter::Derived { .. }
        | Filter::Pair { .. }
        | Filter::Item(..) => None,
    }
}

/// Whether a bound lets less through than another.
fn is_tighter(op: Op, a: &Value, b: &Value) -> bool {
    let order = match (a, b) {
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Instant(a), Value::Instant(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        _ => Ordering::Equal,
    };
    match op {
        Op::Lte => order.is_lt(),
        _ => order.is_gt(),
    }
}

/// A value of a kind.
pub(super) fn sample(kind: &LeafKind) -> Value {
    match kind {
        LeafKind::Text { .. } | LeafKind::Id => Value::Text("1".into()),
        LeafKind::Code(codes) => Value::Text(codes.first().map_or("", |code| code).into()),
        LeafKind::Decimal => Value::Decimal(Decimal::ONE),
        LeafKind::Integer => Value::Integer(1),
        LeafKind::Boolean => Value::Boolean(true),
        LeafKind::Date => Value::Date(Date::constant(2026, 3, 1)),
        LeafKind::Instant => Value::Instant(Timestamp::UNIX_EPOCH),
    }
}
