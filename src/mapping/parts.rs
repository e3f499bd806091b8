//! Native lists whose elements are records of their own in the system: each is written by a request of its own.
//!
//! What a write changes in such a list is told apart by the elements' keys, never by their places: one without a key
//! is new, one whose key comes back is changed where it differs, and one that does not come back is taken out. New
//! ones go first, then those that change, then those that leave. A key that the record does not have, one that stands
//! twice and another order are refused, and so are more changes than the file allows at once.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    actions::{Guard, Lead, Turn},
    body::{Body, Holes},
    errors::SystemFault,
    key::in_address,
    listing::{KEY_BYTES_MAX, Request},
    model::{EachPart, KeyForm, Mapping, Part, Source},
    native::{NativeAnswer, NativeRequest},
    out::Out,
    outward::{MappingFault, Whose},
    over::Parent,
    places::elements,
    trie::Raws,
};
use crate::schema::{FieldSet, LeafId, Record};

/// LIMIT: elements that one write adds, changes and takes out, where the file does not say.
pub(super) const PARTS_MAX: usize = 100;

/// How the elements of a native list are written by themselves.
#[derive(Debug)]
pub(super) struct Parts {
    /// The list's field in the record.
    pub(super) position: u16,
    /// An element's key: its field in the element, its leaf, and its slot in an element's frame.
    pub(super) key: u16,
    pub(super) key_leaf: LeafId,
    pub(super) slot: u16,
    pub(super) form: KeyForm,
    /// Where an element's version stands, and the header field that carries it back.
    pub(super) version: Option<(u16, HeaderName)>,
    /// With a change of the record.
    pub(super) update: Option<PartCalls>,
    /// With a new record, after it was made.
    pub(super) create: Option<PartCall>,
    /// How many are written at most by one write.
    pub(super) most: usize,
}

/// What can be done with an element of a record that is there.
#[derive(Debug, Default)]
pub(super) struct PartCalls {
    pub(super) add: Option<PartCall>,
    pub(super) change: Option<PartCall>,
    pub(super) remove: Option<PartCall>,
}

/// A request that writes one element.
#[derive(Debug)]
pub(super) struct PartCall {
    pub(super) method: Method,
    /// Under the system's base.
    pub(super) address: Vec<Piece>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Body>,
}

/// A piece of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// The record's key.
    Key,
    /// A part of it, where it has several, by its name.
    KeyPart(Box<str>),
    /// The element's key.
    Part,
}

/// What a write does with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartChange {
    /// It is new.
    Added,
    /// It is there and differs.
    Changed,
    /// It goes.
    Removed,
    /// It is no element, but a field that a call leads to a value.
    Led,
    /// It is no element, but a field that another system tells.
    Beside,
}

/// An element's part of a write, before the record's key is known.
#[derive(Debug)]
pub struct PartDraft {
    pub(super) position: u16,
    pub(super) what: PartChange,
    pub(super) pointer: String,
    pub(super) id: Option<CompactString>,
    pub(super) body: Out,
    /// The call that leads a field to a value.
    pub(super) turn: Option<Turn>,
}

impl PartDraft {
    /// A call that leads a field to a value.
    pub(super) fn turn(position: u16, pointer: String, turn: Turn) -> Self {
        Self { position, what: PartChange::Led, pointer, id: None, body: Out::Null, turn: Some(turn) }
    }
}

/// One element's request.
#[derive(Debug)]
pub struct PartRequest {
    /// The request.
    pub request: NativeRequest,
    /// A JSON Pointer to the element in what was sent; to its list where the element is left out there.
    pub pointer: String,
    /// What it does.
    pub what: PartChange,
}

/// The requests that make a record.
#[derive(Debug)]
pub struct Creation {
    /// The record itself.
    pub record: NativeRequest,
    /// What is written once it has a key.
    pub parts: Vec<PartDraft>,
    /// The fields that are led to a value by the last of them.
    pub leads: Vec<Lead>,
    /// The parent that it goes to, where it says one.
    pub over: Option<Arc<Parent>>,
}

/// The requests that change a record; none where no line's value differs.
#[derive(Debug)]
pub struct Changes {
    /// The record itself, where something of it changes that is no element of such a list.
    pub record: Option<NativeRequest>,
    /// The elements, in the order in which they are written; and the calls that lead fields to values.
    pub parts: Vec<PartRequest>,
    /// Those fields.
    pub leads: Vec<Lead>,
}

impl Changes {
    /// How many calls it takes.
    pub fn calls(&self) -> usize {
        self.parts.len().saturating_add(usize::from(self.record.is_some()))
    }
}

/// What a change of a record goes by beside its values: the versions of its elements, as the system told them, and
/// what else it told.
#[derive(Debug, Default)]
pub struct PartVersions {
    known: HashMap<(u16, CompactString), CompactString>,
    /// Of whatever element, in trials.
    any: Option<CompactString>,
    /// The ways of fields that the record is on, of those that ask for native values.
    pub(super) ways: Vec<(usize, usize)>,
    /// The answer itself, where the record in it is sent back whole.
    pub(super) stored: Option<Bytes>,
    /// What the record is called by where it is changed, where that is not its key.
    pub(super) called: Option<CompactString>,
}

impl PartVersions {
    /// The same for every element, and what the record is called by: no system was asked.
    pub(super) fn sample(version: &str, called: Option<CompactString>) -> Self {
        Self { any: Some(version.into()), called, ..Self::default() }
    }

    fn of(&self, position: u16, id: &str) -> Option<&str> {
        let known = self.known.get(&(position, CompactString::from(id)));
        known.or(self.any.as_ref()).map(CompactString::as_str)
    }
}

impl PartChange {
    /// As a word of a sentence: the element is …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Led => "led to its value",
            Self::Beside => "changed",
        }
    }
}

impl Mapping {
    /// The lists whose elements are written by themselves.
    pub(super) fn part_lists(&self) -> impl Iterator<Item = (&EachPart, &Parts)> {
        self.root.parts.iter().filter_map(|named| match &named.part {
            Part::Each(each) => each.parts.as_deref().map(|parts| (each, parts)),
            Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Split(_) | Part::When(_) => None,
        })
    }

    fn parts_at(&self, position: u16) -> Option<&Parts> {
        self.part_lists().map(|(_, parts)| parts).find(|parts| parts.position == position)
    }

    /// Leaves by which the system names elements of lists. What callers say of a new element, and what a file says of all,
    /// is none of them.
    pub fn element_ids(&self) -> FieldSet {
        self.element_ids
    }

    /// Leaves by which elements are told apart; a caller names an element by them, and sends no value.
    pub fn part_keys(&self) -> FieldSet {
        self.part_lists()
            .filter(|(_, parts)| parts.update.is_some())
            .map(|(_, parts)| parts.key_leaf)
            .collect()
    }

    /// Leaves of such elements that are written with a new element only: one that is there keeps them.
    pub fn part_births(&self) -> FieldSet {
        let mut found = FieldSet::EMPTY;
        for (each, _) in self.part_lists().filter(|(_, parts)| parts.update.is_some()) {
            each.item.lines(true, &mut |line, _| {
                if let Source::Native(native) = &line.source
                    && native.create
                    && !native.update
                {
                    found.insert(line.leaf);
                }
            });
        }
        found
    }

    /// Whether a change from one record to another touches elements of which the system tells no version: it cannot
    /// tell that they changed meanwhile.
    pub fn leaves_unguarded(&self, old: &Record, new: &Record) -> bool {
        self.part_lists().any(|(_, parts)| {
            let at = |record: &'_ Record| elements(record.fields.at(parts.position)).to_vec();
            parts.update.is_some() && parts.version.is_none() && at(old) != at(new)
        })
    }

    /// Whether a record is taken out again that was made while an element of it could not be.
    pub fn undoes(&self) -> bool {
        self.undo && self.delete.is_some()
    }

    /// The versions of the elements in an answer to a read, the ways of its fields, and what is sent back of it.
    ///
    /// # Errors
    /// The answer cannot be read.
    pub fn part_versions(&self, answer: &NativeAnswer) -> Result<PartVersions, SystemFault> {
        let stored = self.merges().then(|| answer.body.clone());
        let mut versions = PartVersions { ways: self.ways_of(answer)?, stored, ..PartVersions::default() };
        let by = self.update.as_ref().and_then(|call| call.by.as_ref());
        if by.is_none() && self.part_lists().all(|(_, parts)| parts.version.is_none()) {
            return Ok(versions);
        }
        let mut raws = Raws::new(&self.words.absent);
        raws.restart(self.frame);
        self.told(&answer.body, &mut raws)?;
        versions.called = by.and_then(|by| by.read(&raws));
        for (each, parts) in self.part_lists() {
            let (Some((slot, _)), super::scan::Raw::Elements { first, count }) =
                (&parts.version, raws.get(0, each.slot))
            else {
                continue;
            };
            for frame in raws.elements(first, count) {
                let text = |slot| raws.get(frame, slot).text().map(|text| CompactString::from(&*text));
                if let (Some(id), Some(version)) = (text(parts.slot), text(*slot)) {
                    versions.known.insert((parts.position, id), version);
                }
            }
        }
        Ok(versions)
    }

    /// The request that writes an element of the record with a key, or leads a field of it to a value.
    ///
    /// # Errors
    /// A key is none that the system could have given, or the system told no version of the element.
    pub fn part(
        &self,
        draft: PartDraft,
        key: &str,
        versions: &PartVersions,
    ) -> Result<PartRequest, MappingFault> {
        let own = |message: &str| MappingFault {
            whose: Whose::System,
            leaf: None,
            pointer: String::new(),
            message: message.to_owned(),
        };
        if let Some(turn) = draft.turn {
            return self.led_by((turn, draft.pointer), key, Guard::Made);
        }
        let parts = self.parts_at(draft.position).ok_or_else(|| own("there is no such list"))?;
        let call = match (draft.what, &parts.update, &parts.create) {
            (PartChange::Added, Some(PartCalls { add: Some(add), .. }), _)
            | (PartChange::Added, _, Some(add)) => Some(add),
            (PartChange::Changed, Some(calls), _) => calls.change.as_ref(),
            (PartChange::Removed, Some(calls), _) => calls.remove.as_ref(),
            (
                PartChange::Added
                | PartChange::Changed
                | PartChange::Removed
                | PartChange::Led
                | PartChange::Beside,
                _,
                _,
            ) => None,
        };
        let call = call.ok_or_else(|| own("the system cannot do this with one element"))?;
        let id = draft.id.as_deref();
        let none = || own("no record, or no element of one, can have this key");
        let values = self.key.split(key).ok_or_else(none)?;
        let address = self.part_address(call, parts, (key, &values), id).ok_or_else(none)?;
        let mut request = Request::new(call.method.clone(), address).with(&call.query, &call.headers);
        if let (Some((_, header)), Some(id)) = (&parts.version, id) {
            let version = versions.of(parts.position, id).and_then(|text| HeaderValue::try_from(text).ok());
            let version = version.ok_or_else(|| own("there is no version of an element to guard it"))?;
            request.headers.insert(header.clone(), version);
        }
        let is_written = draft.what != PartChange::Removed;
        let body = match &call.body {
            Some(body) => {
                let record = is_written.then_some(draft.body);
                let named = self.key.own();
                let key_parts: Vec<_> = named
                    .filter_map(|(n, part)| Some((part.name(self.words.speaks), values.get(n)?.clone())))
                    .collect();
                Some(body.fill(&mut Holes {
                    record,
                    key: Some(key),
                    key_parts: &key_parts,
                    ..Holes::default()
                }))
            }
            None => is_written.then_some(draft.body),
        };
        Ok(PartRequest { request: self.finish(request, body), pointer: draft.pointer, what: draft.what })
    }

    /// The address of an element, with each key as the system spells one.
    fn part_address(
        &self,
        call: &PartCall,
        parts: &Parts,
        (key, values): (&str, &[Cow<'_, str>]),
        id: Option<&str>,
    ) -> Option<String> {
        let speaks = self.words.speaks;
        let named = |name: &str| self.key.own().find(|(_, part)| part.name(speaks) == name);
        let mut out = String::new();
        for piece in &call.address {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Key if self.key.is_parted() => out.push_str(&self.key.in_address(values, speaks)?),
                Piece::Key => out.push_str(&self.key_spelt(self.key.form(), key)?),
                Piece::KeyPart(name) => {
                    let (n, part) = named(name)?;
                    out.push_str(&self.key_spelt(part.form, values.get(n)?)?);
                }
                Piece::Part => out.push_str(&self.key_spelt(parts.form, id?)?),
            }
        }
        Some(out)
    }

    /// A key as it stands in an address; none where it cannot be one.
    fn key_spelt(&self, form: KeyForm, key: &str) -> Option<String> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || matches!(key, "." | "..") || !form.fits(key) {
            return None;
        }
        in_address(form, key, self.words.speaks)
    }
}
