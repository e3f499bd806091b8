//! Lists whose elements stand in fixed places of a native record: which element goes to which.

use super::model::{Line, Part, Source};
use crate::schema::{Fields, Value};

/// The fields of an object; none of another value.
pub(super) fn fields_of(value: Option<&Value>) -> Option<&Fields> {
    match value? {
        Value::Object(fields) => Some(fields),
        Value::Null
        | Value::Boolean(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::Instant(_)
        | Value::List(_) => None,
    }
}

/// A value that says something.
pub(super) fn leaf_of(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Null)
}

/// The elements of a list; none of another value.
pub(super) fn elements(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(values)) => values,
        Some(
            Value::Null
            | Value::Boolean(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Instant(_)
            | Value::Object(_),
        )
        | None => &[],
    }
}

/// For each place the element that goes to it, with its index.
pub(super) type Placed<'v> = Vec<Option<(usize, &'v Value)>>;

/// Which element goes to which place: first where its constants say so, then where they do not object; and
/// which elements found none.
pub(super) fn places<'v>(slots: &[Part], values: &'v [Value]) -> (Placed<'v>, Vec<usize>) {
    let mut placed: Placed<'v> = vec![None; slots.len()];
    let mut left = Vec::new();
    let mut waiting = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match free(&placed, slots, |slot| fit(slot, value) == Fit::Named) {
            Some(place) => put_at(&mut placed, place, (index, value)),
            None => waiting.push((index, value)),
        }
    }
    for (index, value) in waiting {
        match free(&placed, slots, |slot| fit(slot, value) != Fit::Objects) {
            Some(place) => put_at(&mut placed, place, (index, value)),
            None => left.push(index),
        }
    }
    (placed, left)
}

fn put_at<'v>(placed: &mut Placed<'v>, place: usize, element: (usize, &'v Value)) {
    if let Some(slot) = placed.get_mut(place) {
        *slot = Some(element);
    }
}

fn free(placed: &Placed<'_>, slots: &[Part], fits: impl Fn(&Part) -> bool) -> Option<usize> {
    slots.iter().zip(placed).position(|(slot, taken)| taken.is_none() && fits(slot))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The element says that it belongs here.
    Named,
    /// It does not say otherwise.
    Open,
    /// It belongs elsewhere.
    Objects,
}

fn fit(slot: &Part, value: &Value) -> Fit {
    let Part::Object(object) = slot.bare() else { return Fit::Open };
    let fields = fields_of(Some(value));
    let mut fit = Fit::Open;
    for named in &object.parts {
        let Part::Leaf(Line { source: Source::Constant(constant), .. }) = &named.part else { continue };
        match fields.and_then(|fields| fields.at(named.position)) {
            Some(Value::Null) | None => {}
            Some(sent) if sent == constant => fit = Fit::Named,
            Some(_) => return Fit::Objects,
        }
    }
    fit
}
