//! One recorded answer run there and back, for whoever writes a mapping: what it reads as, and what would be sent back.
//! What of it nothing reads is told next door.
//!
//! Nothing here is asked by the road. A trial goes through the faces that the road goes through, so that what it shows
//! is what a gate does.

use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderName, Method};
use serde_json::Value as Json;

use super::{
    errors::SystemFault,
    inward::{Inward, RowFault},
    keyset::Keys,
    listing::Listing,
    model::{Envelope, Join, Mapping, Returns, Source, What},
    native::{NativeAnswer, NativeRequest},
    out::Out,
    outward::MappingFault,
    path::Step,
    scan::{BadJson, Scanner},
    trie::{Node, Raws, walk},
    xml,
};
use crate::{
    catalog::Action,
    clock,
    schema::{self, Body, FieldSet, Record, View},
};

/// LIMIT: records of a list that are tried.
const RECORDS_MAX: u32 = 100;

/// An answer, tried.
#[derive(Debug)]
pub struct Trial {
    /// Its records; of a list, why one cannot be read.
    pub records: Vec<Result<Tried, RowFault>>,
    /// Of a page of a list, how many rows stand in it, and what follows it.
    pub page: Option<(usize, Follows)>,
    /// Of a page whose rows are keys alone, these; records are read by further requests.
    pub keys: Option<Vec<Result<CompactString, RowFault>>>,
}

/// What an answer says of the pages behind it.
#[derive(Debug)]
pub enum Follows {
    /// There is another.
    Another,
    /// There is none.
    Nothing,
    /// There may be more than the system gives.
    Cut,
    /// A header field says so, and the sample has none.
    InHead(HeaderName),
    /// It cannot be told, and a gate would not show this page.
    Unreadable(SystemFault),
}

/// A record of an answer, tried.
#[derive(Debug)]
pub struct Tried {
    /// The record, as a gate would have it.
    pub inward: Inward,
    /// The entity, as a caller who sees every field gets it.
    pub entity: Json,
    /// Fields whose native value does not fit, and how.
    pub findings: Vec<(String, What)>,
    /// The fields of the entity that the answer does not tell, though a line reads them.
    pub untold: Vec<String>,
    /// The record as it stands in the answer, without what is around it, as JSON text; none where it is made of cells.
    pub native: Option<String>,
    /// What is sent when the entity is made anew.
    pub back: Back,
}

/// The way back.
#[derive(Debug)]
pub enum Back {
    /// This request.
    Sent {
        /// Its method.
        method: Method,
        /// Its path and query under `base`.
        target: String,
        /// Its body.
        body: Bytes,
        /// What of it is the record, without what is around it, as JSON text.
        record: String,
    },
    /// It would be refused.
    Refused(Vec<MappingFault>),
    /// The mapping does not make such records.
    Never,
}

/// What an answer is.
#[derive(Debug)]
pub(super) enum ReadsAs {
    /// One record.
    Record(Box<Inward>),
    /// A page of a list.
    Page(Box<Listing>),
    /// A page whose rows are keys alone.
    Keys(Box<Listing>),
    /// The answer to a write, where it has the record elsewhere.
    Written(Action, Box<Inward>),
    /// Records that were read by the keys of such a page.
    Fetched(Box<Listing>),
}

/// Records of an answer, and what is told of the page they stand in.
type Read = (Vec<Result<Inward, RowFault>>, Option<(usize, Follows)>, Option<Vec<String>>);

impl Mapping {
    /// Reads an answer to a read, or else to a list, and turns each record back.
    ///
    /// # Errors
    /// Why it reads as neither.
    pub fn trial(&self, answer: &NativeAnswer) -> Result<Trial, SystemFault> {
        let (rows, page, natives) = match self.reads_as(answer)? {
            ReadsAs::Record(inward) => (vec![Ok(*inward)], None, self.natives(None, &answer.body)),
            ReadsAs::Page(listing) => self.page_of(&listing, answer)?,
            ReadsAs::Written(action, inward) => {
                let rows = self.write_call(action).and_then(|call| call.rows.as_ref());
                (vec![Ok(*inward)], None, self.natives(rows.map(Envelope::place), &answer.body))
            }
            ReadsAs::Fetched(listing) => {
                let rows = self.batch_rows(&listing, answer, &self.entity.all())?;
                let place = self.fetched_at(&listing).map(Envelope::place);
                (rows, None, self.natives(place, &answer.body))
            }
            ReadsAs::Keys(listing) => return self.keys_tried(&listing, answer),
        };
        // What stands in rows is records only where each of them is one.
        let natives = natives.filter(|natives| natives.len() == rows.len() && self.cells.is_plain());
        let natives = natives.into_iter().flatten().map(Some).chain(std::iter::repeat(None));
        let tried = |(row, native): (Result<Inward, RowFault>, _)| row.map(|row| self.tried(&row, native));
        Ok(Trial { records: rows.into_iter().zip(natives).map(tried).collect(), page, keys: None })
    }

    /// What an answer is. Of one that reads as a record and as a page, as where a record is the first of a list, several
    /// rows make a page. The file's lists are taken in their order, the one of everything first.
    ///
    /// # Errors
    /// Why it reads as nothing.
    pub(super) fn reads_as(&self, answer: &NativeAnswer) -> Result<ReadsAs, SystemFault> {
        let all = self.entity.all();
        let record = self.inward_of(&self.key.sample(), answer, &all);
        let Ok(usual) = self.listing_of_answer(RECORDS_MAX) else {
            return record.map(|inward| ReadsAs::Record(Box::new(inward)));
        };
        let others = (0..self.lists.len()).filter(|variant| *variant != usual.variant);
        let ways =
            std::iter::once(usual.variant).chain(others).map(|variant| Listing { variant, ..usual.clone() });
        let is_batch =
            |listing: &Listing| self.lists.get(listing.variant).is_some_and(|call| call.batch.is_some());
        // Elsewhere what a list calls its rows may be a field of the record.
        let is_of_many = self.words.xml.is_some()
            || self
                .read
                .as_ref()
                .is_some_and(|read| read.rows_at.steps().iter().any(|step| matches!(step, Step::Index(_))));
        let mut keys = None;
        for listing in ways {
            if is_batch(&listing) {
                let told = || self.batch(&listing, answer).ok().flatten().map(|batch| batch.keys().len());
                if keys.is_none() && told().is_some_and(|rows| rows > 0) {
                    keys = Some(listing);
                }
                continue;
            }
            let Ok((_, _, rows)) = self.listed(&listing, answer, &all) else { continue };
            let has_record = || rows.records.is_empty() || rows.records.iter().any(Result::is_ok);
            match &record {
                Ok(_) if rows.natives < 2 || !is_of_many => {}
                // Rows without a record are another list's.
                _ if !has_record() && self.lists.len() > 1 => {}
                _ => return Ok(ReadsAs::Page(Box::new(listing))),
            }
        }
        match (record, keys) {
            (Ok(inward), _) => Ok(ReadsAs::Record(Box::new(inward))),
            (Err(_), Some(listing)) => Ok(ReadsAs::Keys(Box::new(listing))),
            (Err(fault), None) => self.written(answer).or_else(|| self.fetched(answer)).ok_or(fault),
        }
    }

    /// The answer to a write whose record stands elsewhere than that of a read.
    fn written(&self, answer: &NativeAnswer) -> Option<ReadsAs> {
        self.refuse_errors(answer).ok()?;
        let read = |action| {
            let call = self.write_call(action);
            let call = call.filter(|call| call.rows.is_some() && matches!(call.returns, Returns::Record))?;
            let inward = self.one(Some(call), (answer, None), &self.entity.all()).ok()?;
            Some(ReadsAs::Written(action, Box::new(inward)))
        };
        [Action::Create, Action::Update].into_iter().find_map(read)
    }

    /// Records that are read by the keys that a list holds, where there is one among them.
    fn fetched(&self, answer: &NativeAnswer) -> Option<ReadsAs> {
        let usual = self.listing_of_answer(RECORDS_MAX).ok()?;
        let mut ways = (0..self.lists.len()).map(|variant| Listing { variant, ..usual.clone() });
        let holds = |listing: &Listing| {
            let rows = self.batch_rows(listing, answer, &self.entity.all());
            rows.is_ok_and(|rows| rows.iter().any(Result::is_ok))
        };
        ways.find(holds).map(|listing| ReadsAs::Fetched(Box::new(listing)))
    }

    /// Where records stand that are read by the keys of a list.
    pub(super) fn fetched_at(&self, listing: &Listing) -> Option<&Envelope> {
        Some(&self.lists.get(listing.variant)?.batch.as_ref()?.rows)
    }

    /// A page whose rows are keys alone.
    fn keys_tried(&self, listing: &Listing, answer: &NativeAnswer) -> Result<Trial, SystemFault> {
        let batch = self.batch(listing, answer)?;
        let Some(batch) = batch else { return Ok(Trial { records: Vec::new(), page: None, keys: None }) };
        let mut keys = batch.keys().to_vec();
        keys.reverse();
        let follows = if batch.goes_on() { Follows::Another } else { Follows::Nothing };
        Ok(Trial { records: Vec::new(), page: Some((keys.len(), follows)), keys: Some(keys) })
    }

    fn page_of(&self, listing: &Listing, answer: &NativeAnswer) -> Result<Read, SystemFault> {
        let (call, raws, rows) = self.listed(listing, answer, &self.entity.all())?;
        let (count, natives) = (rows.natives, self.natives(Some((&call.envelope, call.frame)), &answer.body));
        let in_head = call.pages_by_head().filter(|name| !answer.headers.contains_key(*name));
        let in_head = in_head.filter(|_| answer.headers.is_empty());
        let keys = Keys::of(count, rows.records.iter().flatten().map(|row| row.id.as_str()));
        let follows = match (in_head, self.turned(listing, call, (answer, &raws), &keys)) {
            (Some(name), _) => Follows::InHead(name.clone()),
            (None, Ok(turned)) if turned.next.is_some() => Follows::Another,
            (None, Ok(turned)) if turned.truncated && !turned.narrowed => Follows::Cut,
            (None, Ok(_)) => Follows::Nothing,
            (None, Err(fault)) => Follows::Unreadable(fault),
        };
        Ok((rows.records, Some((count, follows)), natives))
    }

    /// The records of an answer as they stand there: its rows, or else the one.
    fn natives(&self, rows: Option<(&Node, u16)>, body: &[u8]) -> Option<Vec<String>> {
        if let Some(names) = &self.words.xml {
            let trees = self.trees_of_xml(names, rows, body)?;
            return Some(trees.iter().map(Json::to_string).collect());
        }
        let own = || self.read.as_ref().and_then(|call| call.rows.as_ref()).map(Envelope::place);
        let (mut texts, mut around) = (Vec::new(), Raws::default());
        let mut on_row = |scan: &mut Scanner<'_>| -> Result<(), BadJson> {
            texts.push(scan.whole()?.to_owned());
            Ok(())
        };
        let mut scan = Scanner::new(body).ok()?;
        match rows.or_else(own) {
            Some((place, frame)) => {
                around.restart(frame);
                walk(&mut scan, place, 0, &mut around, &mut on_row).ok()?;
            }
            None => on_row(&mut scan).ok()?,
        }
        Some(texts)
    }

    fn tried(&self, inward: &Inward, native: Option<String>) -> Tried {
        let path = |leaf| self.entity.leaf(leaf).map_or_else(String::new, |leaf| leaf.path.to_string());
        let untold = inward.missing.intersection(&self.mapped());
        Tried {
            inward: inward.clone(),
            entity: self.as_json(&inward.record, None),
            findings: inward.findings.iter().map(|one| (path(one.leaf), one.what.clone())).collect(),
            untold: untold.iter().map(path).collect(),
            native,
            back: self.back(&inward.record),
        }
    }

    fn as_json(&self, record: &Record, fields: Option<&FieldSet>) -> Json {
        let mut out = Vec::new();
        schema::json::write(&self.entity, record, fields, &mut out);
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// What a caller would send to make the same record, as the system would be asked.
    fn back(&self, record: &Record) -> Back {
        if !self.can(Action::Create) {
            return Back::Never;
        }
        let writable = self.view(Action::Create).writable.intersection(&self.entity.writable());
        let writable = writable.minus(&self.only_read());
        let sent = self.as_json(record, Some(&writable)).to_string();
        let view = View { writable, required: FieldSet::EMPTY, ..View::of(&self.entity, Body::Create) };
        let record = match schema::json::read(&self.entity, sent.as_bytes(), &view) {
            Ok(proposed) => proposed.record,
            Err(_) => return Back::Never,
        };
        let now = clock::now().wall;
        let own = self.native_of(&record, None, now).map(|drafted| self.told_of(&drafted.body));
        match (self.creation_at(&record, None, now), own) {
            (Ok(creation), Ok(record)) => {
                let NativeRequest { method, target, body, .. } = creation.record;
                Back::Sent { method, target, body, record }
            }
            (Err(faults), _) | (_, Err(faults)) => Back::Refused(faults),
        }
    }

    /// Texts that are put together of parts of which nothing is written: who makes a record sends none.
    fn only_read(&self) -> FieldSet {
        let (mut written, mut joined) = (Vec::new(), Vec::new());
        self.root.lines(false, &mut |line, _| match &line.source {
            Source::Native(native) if native.create => written.push(&native.write_at),
            Source::Join(join) => joined.push((line.leaf, join)),
            Source::Native(_)
            | Source::Constant(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Tuple(_)
            | Source::Behind(_) => {}
        });
        let is_read = |join: &Join| {
            let parts = join.parts.iter().chain(&join.otherwise);
            join.back.is_none() && parts.into_iter().all(|(_, path)| !written.contains(&path))
        };
        joined.into_iter().filter(|(_, join)| is_read(join)).map(|(leaf, _)| leaf).collect()
    }

    /// A record on its way out as JSON text, spelt as an answer's is.
    fn told_of(&self, record: &Out) -> String {
        match self.words.xml {
            Some(_) => xml::tree_of(record).to_string(),
            None => String::from_utf8_lossy(&record.to_bytes()).into_owned(),
        }
    }
}
