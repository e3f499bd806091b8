//! Search, then read: a list whose rows are keys alone, and its records read by them, several at once.
//!
//! The order is the list's. A record that was gone when it was read keeps its place, empty, so that a cursor into the
//! page stays true; a record that nobody asked for is a fault of the system, which would else make a list look whole.

use std::collections::HashMap;

use compact_str::CompactString;
use percent_encoding::utf8_percent_encode;

use super::{
    body::Holes,
    errors::{FaultKind, SystemFault},
    inward::{Inward, Page, RowFault},
    keyset::Keys,
    listing::{KEY_BYTES_MAX, Listing, PLAIN, Request},
    model::{BatchCall, Envelope, ListCall, Mapping},
    native::{NativeAnswer, NativeRequest},
    scan::{BadJson, Raw, Scanner},
    trie::{Raws, walk},
};
use crate::schema::FieldSet;

/// Most rows of an answer beyond what was asked for.
const ROWS_OVER: usize = 1000;
/// LIMIT: requests for the records of one page; a file may ask for half as many.
pub(super) const BATCHES_MAX: usize = 20;

/// Records, each as it came or why it did not.
type Rows = Vec<Result<Inward, RowFault>>;

/// A page of keys on its way to a page of records.
#[derive(Debug)]
pub struct Batch<'m> {
    mapping: &'m Mapping,
    by: &'m BatchCall,
    /// Keys that are still to be asked for, the first one last.
    keys: Vec<Result<CompactString, RowFault>>,
    /// Those that are being asked for.
    asked: Vec<Result<CompactString, RowFault>>,
    page: Page,
}

impl Mapping {
    /// The keys of a list's answer, where it holds keys alone; none where it holds records.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that it pages elsewhere.
    pub fn batch<'a>(
        &'a self,
        listing: &Listing,
        answer: &'a NativeAnswer,
    ) -> Result<Option<Batch<'a>>, SystemFault> {
        let Some(call) = self.lists.get(listing.variant) else { return Ok(None) };
        let Some(by) = &call.batch else { return Ok(None) };
        self.refuse_errors(answer)?;
        let mut raws = Raws::default();
        raws.restart(call.frame);
        let mut keys = self.keys_in(call, by, &answer.body, &mut raws)?;
        if raws.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        let known = Keys::of(keys.len(), keys.iter().flatten().map(CompactString::as_str));
        let turned = self.turned(listing, call, (answer, &raws), &known)?;
        if turned.is_repeated {
            keys.clear();
        }
        keys.reverse();
        let page = Page {
            rows: Vec::new(),
            next: turned.next,
            truncated: turned.truncated,
            narrowed: turned.narrowed,
        };
        Ok(Some(Batch { mapping: self, by, keys, asked: Vec::new(), page }))
    }

    /// What the answer to a [`Batch`]'s request holds.
    ///
    /// # Errors
    /// What the system said went wrong, or that its answer is none.
    pub fn batch_rows(
        &self,
        listing: &Listing,
        answer: &NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<Rows, SystemFault> {
        let by = self.lists.get(listing.variant).and_then(|call| call.batch.as_ref());
        let by = by.ok_or_else(|| SystemFault::unreadable("the list variant is gone".to_owned()))?;
        self.refuse_errors(answer)?;
        let most = by.most.saturating_add(ROWS_OVER);
        let mut raws = Raws::default();
        raws.restart(by.rows.frame);
        let rows = self.rows(&by.rows.root, (answer, most, None), &mut raws, wanted)?;
        if raws.twice || raws.get(0, Envelope::PLACE) != Raw::Array {
            return Err(SystemFault::unreadable("the answer holds no list where rows are due".to_owned()));
        }
        Ok(rows.records)
    }

    /// The keys that an answer's rows are, or hold.
    fn keys_in<'a>(
        &self,
        call: &'a ListCall,
        by: &'a BatchCall,
        body: &'a [u8],
        envelope: &mut Raws<'a>,
    ) -> Result<Vec<Result<CompactString, RowFault>>, SystemFault> {
        let most = by.most.saturating_mul(BATCHES_MAX);
        let mut keys = Vec::new();
        if let Some(names) = &self.words.xml {
            let raws = self.keys_of_xml(names, &call.envelope, (body, most), &by.key, envelope)?;
            keys.extend(raws.into_iter().map(|raw| self.key_of(by, raw)));
            return Ok(keys);
        }
        let mut on_row = |scan: &mut Scanner<'a>| {
            if keys.len() >= most {
                return Err(BadJson::TooMany);
            }
            let raw = raw_of(&by.key, scan)?;
            keys.push(self.key_of(by, raw));
            Ok(())
        };
        let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
        walk(&mut scan, &call.envelope, 0, envelope, &mut on_row).map_err(SystemFault::bad_json)?;
        scan.end().map_err(SystemFault::bad_json)?;
        Ok(keys)
    }

    fn key_of(&self, by: &BatchCall, raw: Raw<'_>) -> Result<CompactString, RowFault> {
        let takes = |key: &str| by.body.as_ref().is_none_or(|body| body.takes_key(key));
        let is_key =
            |key: &str| (1..=KEY_BYTES_MAX).contains(&key.len()) && self.key.form().fits(key) && takes(key);
        raw.text().filter(|key| is_key(key)).map(|key| CompactString::from(&*key)).ok_or(RowFault::NoKey)
    }
}

impl Batch<'_> {
    /// The keys that are to be asked for, the last first.
    pub(super) fn keys(&self) -> &[Result<CompactString, RowFault>] {
        &self.keys
    }

    /// Whether the list goes on behind them.
    pub(super) fn goes_on(&self) -> bool {
        self.page.next.is_some()
    }

    /// The request for the next records; none when all were asked for.
    pub fn request(&mut self, wanted: &FieldSet) -> Option<NativeRequest> {
        while !self.keys.is_empty() {
            let from = self.keys.len().saturating_sub(self.by.most);
            self.asked = self.keys.split_off(from);
            self.asked.reverse();
            if self.asked.iter().any(Result::is_ok) {
                return Some(self.ask(wanted));
            }
            self.place(HashMap::new(), Vec::new());
        }
        None
    }

    fn ask(&self, wanted: &FieldSet) -> NativeRequest {
        let keys: Vec<_> = self.asked.iter().flatten().cloned().collect();
        ask(self.mapping, &self.mapping.at, self.by, &keys, wanted)
    }

    /// Takes the [rows](Mapping::batch_rows) of the answer to the last request.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that it holds what was not asked for.
    pub fn take(&mut self, rows: Result<Rows, SystemFault>) -> Result<(), SystemFault> {
        let rows = match rows {
            Ok(rows) => rows,
            // All of them are gone.
            Err(fault) if fault.kind == FaultKind::NotFound => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let asked: std::collections::HashSet<_> =
            self.asked.iter().flatten().map(|key| self.mapping.key.spelt(key)).collect();
        let (mut by_key, mut faults) = (HashMap::new(), Vec::new());
        for row in rows {
            match row {
                Ok(inward) => {
                    let key = self.mapping.key.spelt(&inward.id);
                    if !asked.contains(&key) {
                        let text = "the system answered with a record that was not asked for";
                        return Err(SystemFault::unreadable(text.to_owned()));
                    }
                    by_key.entry(key).or_insert(inward);
                }
                Err(fault) => faults.push(fault),
            }
        }
        self.place(by_key, faults);
        Ok(())
    }

    /// Puts records where their keys stood. What cannot be told which it is stands for one that did not come.
    fn place(&mut self, mut by_key: HashMap<CompactString, Inward>, faults: Vec<RowFault>) {
        let mut faults = faults.into_iter();
        for key in std::mem::take(&mut self.asked) {
            let row = key.and_then(|key| {
                let row = by_key.remove(&self.mapping.key.spelt(&key));
                row.ok_or_else(|| faults.next().unwrap_or(RowFault::Gone))
            });
            self.page.rows.push(row);
        }
    }

    /// The page, once all was asked for.
    pub fn page(self) -> Page {
        self.page
    }
}

/// The request for records by their keys, at an address.
pub(super) fn ask(
    mapping: &Mapping,
    at: &str,
    call: &BatchCall,
    keys: &[CompactString],
    wanted: &FieldSet,
) -> NativeRequest {
    let mut address = format!("{at}{}", call.before);
    if let Some(by) = &call.by {
        for (at, key) in keys.iter().enumerate() {
            if at > 0 {
                address.extend(utf8_percent_encode(by, PLAIN));
            }
            address.extend(utf8_percent_encode(key, PLAIN));
        }
    }
    address.push_str(&call.after);
    let mut request = Request::new(call.method.clone(), address).with(&call.query, &call.headers);
    let Some(body) = &call.body else {
        request.select(mapping.select.as_ref(), wanted);
        return mapping.finish(request, None);
    };
    if !body.has_fields() {
        request.select(mapping.select.as_ref(), wanted);
    }
    let keys = keys.iter().map(CompactString::as_str).collect();
    let mut holes = Holes { keys, fields: mapping.names(wanted), ..Holes::default() };
    mapping.finish(request, Some(body.fill(&mut holes)))
}

/// What a row of JSON is, or holds.
fn raw_of<'a>(place: &'a Envelope, scan: &mut Scanner<'a>) -> Result<Raw<'a>, BadJson> {
    let mut raws = Raws::default();
    raws.restart(place.frame);
    walk(scan, &place.root, 0, &mut raws, &mut |scan| scan.skip())?;
    Ok(if raws.twice { Raw::Absent } else { raws.get(0, Envelope::PLACE) })
}
