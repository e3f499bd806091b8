//! A reference to a record whose key has several parts, each in a native place of its own: `[company, number]`.
//!
//! To everybody else the reference is the text of that key ([`Key`](super::key::Key)). Parts that the record referred to
//! has fixed are not in it: they are checked when it is read, and written as they are fixed.

use std::{borrow::Cow, sync::Arc};

use compact_str::CompactString;

use super::{
    codec::{Clear, Codec, Got},
    dialect::Dialect,
    key,
    model::Filterable,
    out::Out,
    path::Path,
    push::{Push, any_of, test},
    scan::Raw,
};
use crate::schema::{Op, Value};

/// A reference in several native places.
#[derive(Debug)]
pub(super) struct Tuple {
    /// INVARIANT: two at least, and one of them is not fixed.
    pub(super) parts: Vec<TuplePart>,
    pub(super) create: bool,
    pub(super) update: bool,
}

/// One of the places.
#[derive(Debug)]
pub(super) struct TuplePart {
    pub(super) slot: u16,
    pub(super) at: Path,
    pub(super) codec: Arc<Codec>,
    /// What it is in every record referred to.
    pub(super) fixed: Option<Box<str>>,
    /// Whether it is written with the reference; else something else says the same there.
    pub(super) is_written: bool,
}

/// How a filter speaks of such a reference: what of it the system can be asked for.
#[derive(Debug)]
pub(super) struct TupleFilter {
    /// Of the parts that are not fixed, those that have a name there.
    pub(super) parts: Vec<Option<Filterable>>,
}

/// A reference taken apart.
pub(super) struct Cut<'t> {
    /// What goes where, and how that will be read.
    pub(super) parts: Vec<(&'t TuplePart, Out, Out)>,
    /// The reference as it will be read.
    pub(super) back: Value,
}

impl Tuple {
    /// Whether it goes with a new record, or with a change.
    pub(super) fn writes(&self, create: bool) -> bool {
        if create { self.create } else { self.update }
    }

    /// Whether a change can empty it.
    pub(super) fn is_clearable(&self) -> bool {
        self.update && self.free().all(|part| part.codec.clear != Clear::Refused)
    }

    /// The parts that tell records apart.
    pub(super) fn free(&self) -> impl Iterator<Item = &TuplePart> {
        self.parts.iter().filter(|part| part.fixed.is_none())
    }

    /// What the places read as.
    pub(super) fn read<'r>(&self, raw: impl Fn(u16) -> Raw<'r>) -> Got {
        let mut texts = Vec::new();
        let mut is_elsewhere = false;
        for part in &self.parts {
            let text = match part.codec.read(raw(part.slot)) {
                Got::Is(Value::Text(text)) => text,
                Got::Nothing => CompactString::default(),
                Got::Is(_) | Got::Assumed(..) | Got::Unknown(..) => return Got::Unfit("expected a text"),
                other @ (Got::Missing | Got::Unfit(_)) => return other,
            };
            match &part.fixed {
                Some(fixed) => is_elsewhere |= **fixed != *text,
                None => texts.push(text),
            }
        }
        if texts.iter().all(|text| text.is_empty()) {
            return Got::Nothing;
        }
        if is_elsewhere {
            return Got::Unfit("a record that is not served here");
        }
        Got::Is(Value::Text(key::joined(&texts)))
    }

    /// A reference in its parts; the error says what was expected.
    pub(super) fn cut(&self, value: &Value) -> Result<Cut<'_>, String> {
        let Value::Text(text) = value else { return Err("expected a text".to_owned()) };
        let free = self.free().count();
        let told = key::parted(text, free).ok_or_else(|| format!("expected a key of {free} parts"))?;
        let (mut told, mut back) = (told.into_iter(), Vec::new());
        let mut parts = Vec::new();
        for part in &self.parts {
            let text = match &part.fixed {
                Some(fixed) => Cow::Borrowed(&**fixed),
                None => told.next().unwrap_or_default(),
            };
            let value = if text.is_empty() { Value::Null } else { Value::Text(text.as_ref().into()) };
            let (out, settled, held) = match &value {
                Value::Null => {
                    (part.codec.write(&value)?, CompactString::default(), part.codec.held(&value)?)
                }
                value => {
                    let (out, settled) = part.codec.settled(value)?;
                    (out, settled.as_text().unwrap_or_default().into(), part.codec.held(value)?)
                }
            };
            if part.fixed.is_none() {
                back.push(settled);
            }
            parts.push((part, out, held));
        }
        Ok(Cut { parts, back: Value::Text(key::joined(&back)) })
    }
}

impl TupleFilter {
    /// The conditions of a comparison, as far as the system can be asked; every condition less finds more.
    pub(super) fn push(&self, dialect: &Dialect, op: Op, value: &Value) -> Option<Push> {
        let wanted: &[Value] = match (op, value) {
            (Op::Eq, value) => std::slice::from_ref(value),
            (Op::In, Value::List(values)) => values,
            _ => return None,
        };
        let pushes = wanted.iter().map(|value| self.one(dialect, value)).collect::<Option<Vec<_>>>()?;
        any_of(dialect, pushes)
    }

    fn one(&self, dialect: &Dialect, value: &Value) -> Option<Push> {
        let told = key::parted(value.as_text()?, self.parts.len())?;
        let parts = self.parts.iter().zip(told).filter(|(_, text)| !text.is_empty());
        let tests = parts.filter_map(|(place, text)| {
            test(dialect, place.as_ref()?, Op::Eq, &Value::Text(text.as_ref().into()))
        });
        let mut tests: Vec<_> = tests.collect();
        if tests.len() > 1 { Some(Push::All(tests)) } else { tests.pop() }
    }
}
