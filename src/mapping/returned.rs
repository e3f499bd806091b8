//! What a system answers about one record: the record itself, wherever it stands in the answer, its key, or nothing.
//!
//! A null where a record is due says that there is none: of a read, that it is not there; of a write, that nothing
//! shows it was done, which is no success. Whatever else stands there is a fault, never a guess.

use std::borrow::Cow;

use compact_str::CompactString;
use percent_encoding::percent_decode_str;

use super::{
    errors::{FaultKind, SystemFault},
    inward::{Inward, RowFault},
    listing::KEY_BYTES_MAX,
    model::{Call, Envelope, KeyAt, KeyPlace, Mapping, Returns},
    native::NativeAnswer,
    scan::{BadJson, Raw, Scanner},
    trie::{Node, Raws, walk},
    xml::document_at,
};
use crate::{catalog::Action, schema::FieldSet};

/// What the answer to a write tells.
#[derive(Debug)]
pub enum Made {
    /// The record.
    Record(Box<Inward>),
    /// Its key: it is to be read back.
    Key(CompactString),
    /// Nothing of it.
    Nothing,
}

/// What stands where a record is due.
enum Found<T> {
    Record(T),
    /// A null.
    None,
}

impl Mapping {
    /// Whether a system that has made a record answers with it. Of another, whoever asks for a new record may be
    /// told no more than that it was accepted.
    pub fn returns_records(&self) -> bool {
        self.create.as_ref().is_none_or(|call| matches!(call.returns, Returns::Record))
    }

    /// Whether a system answers with the document that it was sent, and beside it with the key it gave that. To read
    /// it back would tell no more.
    pub fn returns_documents(&self) -> bool {
        self.create.as_ref().is_some_and(|call| matches!(call.returns, Returns::Keyed(_)))
    }

    /// Whether the answer to a write that is no error shows what was done: where the record or its key is due, a null
    /// shows nothing.
    ///
    /// # Errors
    /// It holds a null there.
    pub fn shows(&self, action: Action, answer: &NativeAnswer) -> Result<(), SystemFault> {
        let Some(call) = self.write_call(action) else { return Ok(()) };
        let place = match (&call.returns, &call.rows) {
            (Returns::Record | Returns::Keyed(_), Some(rows)) => rows,
            (Returns::Key(KeyAt { place: KeyPlace::Body(at), .. }), _) => at,
            (Returns::Record | Returns::Key(_) | Returns::Keyed(_) | Returns::Nothing, _) => return Ok(()),
        };
        match self.raw_at(place, &answer.body) {
            Ok(Raw::Null) => Err(SystemFault::of(
                FaultKind::Unknown,
                "it is no error, and there is null where what was written is due",
            )),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What the answer to a create or an update tells, once it is known to be no error.
    ///
    /// # Errors
    /// It holds no record, or no key, where one is due.
    pub fn made(
        &self,
        action: Action,
        answer: &NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<Made, SystemFault> {
        let call = self.write_call(action);
        match call.map(|call| &call.returns) {
            Some(Returns::Nothing) => Ok(Made::Nothing),
            Some(Returns::Keyed(at)) if !answer.body.is_empty() => {
                let key = self.key_in(at, answer)?;
                let inward = self.one(call, (answer, Some(&key)), wanted)?;
                Ok(Made::Record(Box::new(inward)))
            }
            Some(Returns::Key(at) | Returns::Keyed(at)) => match self.key_in(at, answer) {
                // It was accepted and is not done (RFC 9110 §15.3.3): there may be no key yet.
                Err(_) if answer.status == http::StatusCode::ACCEPTED && answer.body.is_empty() => {
                    Ok(Made::Nothing)
                }
                told => told.map(Made::Key),
            },
            Some(Returns::Record) | None if answer.body.is_empty() => Ok(Made::Nothing),
            Some(Returns::Record) | None => {
                let inward = self.one(call, (answer, None), wanted)?;
                Ok(Made::Record(Box::new(inward)))
            }
        }
    }

    pub(super) fn write_call(&self, action: Action) -> Option<&Call> {
        match action {
            Action::Create => self.create.as_ref(),
            Action::Update => self.update.as_ref(),
            Action::Read | Action::List | Action::Delete | Action::Call => None,
        }
    }

    /// Whether a record may be the one that was asked for by this id. Where the address names the record, the system
    /// decides; where the body asks for it, a system that ignores a condition would answer with any.
    ///
    /// # Errors
    /// It is another.
    pub fn is_asked(&self, id: &str, came: &Inward) -> Result<(), SystemFault> {
        let by_body =
            self.read.as_ref().and_then(|call| call.body.as_ref()).is_some_and(super::body::Body::has_key);
        if self.key.spelt(&came.id) == self.key.spelt(id) || !by_body {
            return Ok(());
        }
        Err(SystemFault::unreadable("the system answered with another record than was asked for".to_owned()))
    }

    /// The one record of an answer.
    pub(super) fn one(
        &self,
        call: Option<&Call>,
        (answer, asked): (&NativeAnswer, Option<&str>),
        wanted: &FieldSet,
    ) -> Result<Inward, SystemFault> {
        let named = asked.and_then(|key| self.parent_of(key));
        let mut raws = self.raws(answer, asked, named.as_deref())?;
        let row = match &self.words.xml {
            Some(names) => {
                raws.restart(self.frame);
                self.row_of_xml(names, &answer.body, &mut raws, wanted)?
            }
            None => {
                let rows = call.and_then(|call| call.rows.as_ref());
                match find(rows, &answer.body, &mut |scan| {
                    let row = self.row(scan, &mut raws, wanted)?;
                    raws.within_budget().map(|()| row)
                })? {
                    Found::Record(row) => row,
                    Found::None => return Err(SystemFault::not_found()),
                }
            }
        };
        match row {
            Ok(inward) => Ok(inward),
            Err(RowFault::Other | RowFault::Gone) => Err(SystemFault::not_found()),
            Err(fault @ (RowFault::NoKey | RowFault::Twice | RowFault::NotAnObject | RowFault::Cells)) => {
                Err(SystemFault::unreadable(fault.to_string()))
            }
        }
    }

    /// Reads the record of an answer to a read into raws.
    pub(super) fn told<'a>(&'a self, body: &'a [u8], raws: &mut Raws<'a>) -> Result<(), SystemFault> {
        if let Some(names) = &self.words.xml {
            return self.fill_from_xml(names, body, raws).map(drop);
        }
        let rows = self.read.as_ref().and_then(|call| call.rows.as_ref());
        let mut record = |scan: &mut Scanner<'a>| walk(scan, &self.record, 0, raws, &mut |scan| scan.skip());
        let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
        let read = match rows {
            None => record(&mut scan),
            Some(rows) => {
                let mut outer = Raws::default();
                outer.restart(rows.frame);
                walk(&mut scan, &rows.root, 0, &mut outer, &mut record)
            }
        };
        read.map_err(SystemFault::bad_json)
    }

    /// Fills the slots of places in an answer outside of its records.
    pub(super) fn fill_place<'a>(
        &self,
        place: &'a Node,
        body: &'a [u8],
        raws: &mut Raws<'a>,
    ) -> Result<(), SystemFault> {
        if let Some(names) = &self.words.xml {
            return document_at(names, place, body, raws);
        }
        let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
        walk(&mut scan, place, 0, raws, &mut |scan| scan.skip()).map_err(SystemFault::bad_json)?;
        scan.end().map_err(SystemFault::bad_json)
    }

    /// What stands at a place in a body; a null only where what it would stand in is there.
    fn raw_at<'a>(&self, place: &'a Envelope, body: &'a [u8]) -> Result<Raw<'a>, SystemFault> {
        let mut raws = Raws::default();
        raws.restart(place.frame);
        self.fill_place(&place.root, body, &mut raws)?;
        Ok(if raws.twice { Raw::Absent } else { place.stands(&raws) })
    }

    /// The key that an answer tells.
    fn key_in(&self, at: &KeyAt, answer: &NativeAnswer) -> Result<CompactString, SystemFault> {
        let none = || SystemFault::unreadable("the answer holds no key where one is due".to_owned());
        let text = match &at.place {
            KeyPlace::Header(name) => {
                let field =
                    answer.headers.get(name).and_then(|field| field.to_str().ok()).ok_or_else(none)?;
                Cow::Borrowed(field)
            }
            KeyPlace::Body(place) => self.raw_at(place, &answer.body)?.text().ok_or_else(none)?,
        };
        let key = match &at.pattern {
            // All of it is as the pattern says, or none of it.
            Some(pattern) => {
                let (key, rest) = pattern.hole(&text).ok_or_else(none)?;
                rest.is_empty().then_some(key).ok_or_else(none)?
            }
            None => &*text,
        };
        let key = match &at.place {
            KeyPlace::Header(_) => percent_decode_str(key).decode_utf8().map_err(|_| none())?,
            KeyPlace::Body(_) => Cow::Borrowed(key),
        };
        let is_key = (1..=KEY_BYTES_MAX).contains(&key.len()) && self.key.form().fits(&key);
        let over = answer.over.as_ref().map(|parent| parent.key());
        self.key.under(over, &key).filter(|_| is_key).ok_or_else(none)
    }
}

/// Finds the record of an answer and reads it.
fn find<'a, T>(
    rows: Option<&'a Envelope>,
    body: &'a [u8],
    read: &mut dyn FnMut(&mut Scanner<'a>) -> Result<T, BadJson>,
) -> Result<Found<T>, SystemFault> {
    let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
    let Some(rows) = rows else {
        let record = read(&mut scan).map_err(SystemFault::bad_json)?;
        scan.end().map_err(SystemFault::bad_json)?;
        return Ok(Found::Record(record));
    };
    let mut outer = Raws::default();
    outer.restart(rows.frame);
    let mut record = None;
    let mut on_row = |scan: &mut Scanner<'a>| {
        record = Some(read(scan)?);
        Ok(())
    };
    walk(&mut scan, &rows.root, 0, &mut outer, &mut on_row).map_err(SystemFault::bad_json)?;
    scan.end().map_err(SystemFault::bad_json)?;
    if outer.twice {
        return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
    }
    match (rows.stands(&outer), record) {
        (Raw::Object, Some(record)) => Ok(Found::Record(record)),
        (Raw::Null, _) => Ok(Found::None),
        _ => Err(SystemFault::unreadable("the answer holds no record where one is due".to_owned())),
    }
}

impl Envelope {
    /// The tree, and the frame of its slots.
    pub(super) fn place(&self) -> (&Node, u16) {
        (&self.root, self.frame)
    }

    fn stands<'a>(&self, raws: &Raws<'a>) -> Raw<'a> {
        match (raws.get(0, Self::PLACE), raws.get(0, Self::PARENT)) {
            (Raw::Null, Raw::Object | Raw::Array) => Raw::Null,
            (Raw::Null, _) => Raw::Absent,
            (raw, _) => raw,
        }
    }
}
