//! What other records of the system tell of a record: its addresses, where they are records of their own.
//!
//! They are asked for at once for all records of an answer, by what these say (`of`), and put into each of them under a
//! name that no system has. Lines read them there as if the system had told them so. A record that does not say what to
//! ask by is left as it is, and so are all where nothing was asked: what lines would read there is untold then, never
//! empty.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use compact_str::CompactString;

use super::{
    batch::ask,
    errors::{FaultKind, SystemFault},
    listing::{KEY_BYTES_MAX, Listing},
    model::{BatchCall, Envelope, KeyForm, Mapping},
    native::{NativeAnswer, NativeRequest},
    scan::{BadJson, Raw, Scanner},
    trie::{Raws, walk},
    xml,
};
use crate::{schema::FieldSet, words::yaml_words};

/// What stands in a record under which all of it is.
pub(super) const NAME: &str = "bramka.also";

/// LIMIT: requests for what some records of an answer are told by, of each sort.
const REQUESTS_MAX: usize = 20;
/// LIMIT: rows of one of their answers.
const ROWS_MAX: usize = 10_000;
/// LIMIT: bytes of an answer with all of it.
const BYTES_MAX: usize = 64 * 1024 * 1024;

yaml_words! {
    /// What is answered where what would tell some fields of records cannot be asked.
    pub enum IfMissing {
        /// The rest of the record, and that these fields are missing.
        Told = "told",
        /// Nothing: the request is refused.
        Refused = "refused",
    }
}

/// What records are told by besides themselves.
#[derive(Debug)]
pub(super) struct Also {
    pub(super) sorts: Vec<Sort>,
    /// Where a record says what to ask by.
    pub(super) of: Envelope,
}

/// One sort of such records.
#[derive(Debug)]
pub(super) struct Sort {
    /// The name under which they stand.
    pub(super) name: Arc<str>,
    /// The slot of what a record says.
    pub(super) slot: u16,
    pub(super) form: KeyForm,
    pub(super) call: BatchCall,
    /// What is read of them.
    pub(super) leaves: FieldSet,
    pub(super) missing: IfMissing,
}

/// What an answer is of.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'l> {
    /// A list.
    List(&'l Listing),
    /// A read of one record.
    Read,
}

/// What a record says that others are asked for by.
#[derive(Debug)]
enum Said {
    /// Nothing that is told.
    Untold,
    /// That there is none.
    None,
    Key(CompactString),
}

/// Where a record ends, and what it says, for each sort.
#[derive(Debug)]
struct Spot {
    end: usize,
    said: Vec<Said>,
}

/// One sort of such records that could not be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Unasked<'m> {
    /// Its name.
    pub name: &'m str,
    /// What is read of it.
    pub leaves: FieldSet,
    /// What is answered then.
    pub missing: IfMissing,
}

/// An answer on its way to one that tells all.
#[derive(Debug)]
pub struct Completion<'m> {
    mapping: &'m Mapping,
    body: Bytes,
    spots: Vec<Spot>,
    /// Which of the sorts are asked for.
    sorts: Vec<(usize, &'m Sort)>,
    /// What is still to be asked for, the first last: by which of these sorts, and by what.
    ahead: Vec<(usize, Vec<CompactString>)>,
    asked: Option<(usize, Vec<CompactString>)>,
    /// Those of these sorts that are left out: what lines would read of them is untold.
    left_out: HashSet<usize>,
    /// For each of these sorts, the rows by what they name.
    rows: Vec<HashMap<CompactString, Vec<String>>>,
}

impl Mapping {
    /// Leaves that other records of the system tell.
    pub fn also(&self) -> FieldSet {
        let sorts = self.elsewhere.also.iter().flat_map(|also| &also.sorts);
        sorts.fold(FieldSet::EMPTY, |all, sort| all.union(&sort.leaves))
    }

    /// What is to be asked for besides an answer, for what is wanted of its records; none where nothing is, or where the
    /// answer holds no records.
    ///
    /// # Errors
    /// The records would need too many requests.
    pub fn completion<'m>(
        &'m self,
        of: Answered<'_>,
        answer: &NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<Option<Completion<'m>>, SystemFault> {
        let Some(also) = &self.elsewhere.also else { return Ok(None) };
        let sorts = also.sorts.iter().enumerate().filter(|(_, sort)| sort.leaves.meets(wanted));
        let sorts: Vec<_> = sorts.collect();
        // What is wrong with the answer itself, whoever reads it tells.
        if sorts.is_empty() || self.refuse_errors(answer).is_err() {
            return Ok(None);
        }
        let Ok(spots) = self.spots(also, of, &answer.body) else { return Ok(None) };
        let mut ahead = Vec::new();
        for (at, (number, sort)) in sorts.iter().enumerate() {
            let mut known = HashSet::new();
            let keys = spots.iter().filter_map(|spot| match spot.said.get(*number) {
                Some(Said::Key(key)) => known.insert(key).then(|| key.clone()),
                Some(Said::None | Said::Untold) | None => None,
            });
            let keys: Vec<_> = keys.collect();
            if keys.len().div_ceil(sort.call.most) > REQUESTS_MAX {
                let text = format!("records of one answer name too many `{}` to ask for", sort.name);
                return Err(SystemFault::unreadable(text));
            }
            ahead.extend(keys.chunks(sort.call.most).map(|keys| (at, keys.to_vec())));
        }
        ahead.reverse();
        let rows = sorts.iter().map(|_| HashMap::new()).collect();
        let body = answer.body.clone();
        Ok(Some(Completion {
            mapping: self,
            body,
            spots,
            sorts,
            ahead,
            asked: None,
            left_out: HashSet::new(),
            rows,
        }))
    }

    /// Where the records of an answer end, and what they say.
    fn spots(&self, also: &Also, of: Answered<'_>, body: &[u8]) -> Result<Vec<Spot>, SystemFault> {
        let list = match of {
            Answered::List(listing) => self.lists.get(listing.variant),
            Answered::Read => None,
        };
        let rows = self.read.as_ref().and_then(|call| call.rows.as_ref());
        let place = match (list, &self.xml) {
            (Some(list), _) => Some((&list.envelope, list.frame)),
            (None, Some(record)) => Some((record.envelope(), record.frame())),
            (None, None) => rows.map(|rows| (&rows.root, rows.frame)),
        };
        let (mut spots, mut raws, mut envelope) = (Vec::new(), Raws::default(), Raws::default());
        envelope.restart(place.map_or(1, |(_, frame)| frame));
        if let (Some(names), Some((place, _))) = (&self.words.xml, place) {
            xml::ends(names, place, body, (&mut envelope, &mut raws), &also.of, &mut |raws, end| {
                spots.push(Spot { end, said: also.said(raws) });
            })?;
            return Ok(spots);
        }
        let mut on_row = |scan: &mut Scanner<'_>| {
            let text = scan.whole()?;
            if text.starts_with('{') {
                let mut raws = Raws::default();
                raws.restart(also.of.frame);
                walk(&mut Scanner::of_text(text), &also.of.root, 0, &mut raws, &mut |scan| scan.skip())?;
                spots.push(Spot { end: scan.here().saturating_sub(1), said: also.said(&raws) });
            }
            Ok(())
        };
        let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
        match place {
            Some((place, _)) => walk(&mut scan, place, 0, &mut envelope, &mut on_row),
            None => on_row(&mut scan),
        }
        .map_err(SystemFault::bad_json)?;
        Ok(spots)
    }
}

impl Also {
    fn said(&self, raws: &Raws<'_>) -> Vec<Said> {
        let is_key = |form: KeyForm, key: &str| (1..=KEY_BYTES_MAX).contains(&key.len()) && form.fits(key);
        let said = |sort: &Sort| match raws.get(0, sort.slot) {
            _ if raws.twice => Said::Untold,
            Raw::Absent => Said::Untold,
            raw => match raw.text() {
                Some(key) if is_key(sort.form, &key) => Said::Key(CompactString::from(&*key)),
                Some(_) | None => Said::None,
            },
        };
        self.sorts.iter().map(said).collect()
    }
}

impl<'m> Completion<'m> {
    /// Which of them comes next; none when all were asked for.
    pub fn next(&self) -> Option<Unasked<'m>> {
        let (at, _) = self.ahead.last()?;
        self.sorts.get(*at).map(|(_, sort)| Unasked {
            name: &sort.name,
            leaves: sort.leaves,
            missing: sort.missing,
        })
    }

    /// Leaves the sort that comes next out, or all of it that is still to come: none of it is told.
    pub fn leave_out(&mut self, name: &str) {
        let at = self.sorts.iter().position(|(_, sort)| *sort.name == *name);
        self.ahead.retain(|(sort, _)| Some(*sort) != at);
        self.left_out.extend(at);
    }

    /// The request for the next of them; none when all were asked for.
    pub fn request(&mut self) -> Option<NativeRequest> {
        let (at, keys) = self.ahead.pop()?;
        let (_, sort) = self.sorts.get(at)?;
        let request = ask(self.mapping, "", &sort.call, &keys, &FieldSet::EMPTY);
        self.asked = Some((at, keys));
        Some(request)
    }

    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that it holds what was not asked for.
    pub fn take(&mut self, answer: &NativeAnswer) -> Result<(), SystemFault> {
        let Some((at, keys)) = self.asked.take() else { return Ok(()) };
        match self.mapping.refuse_errors(answer) {
            // None of them is there.
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(()),
            told => told?,
        }
        let (Some((_, sort)), Some(rows)) = (self.sorts.get(at), self.rows.get_mut(at)) else {
            return Ok(());
        };
        for (key, row) in self.mapping.also_rows(sort, &answer.body)? {
            if !keys.contains(&key) {
                let text = format!("the system answered with one of `{}` that was not asked for", sort.name);
                return Err(SystemFault::unreadable(text));
            }
            rows.entry(key).or_default().push(row);
        }
        Ok(())
    }

    /// The answer's body with all that was told, once it was asked for.
    ///
    /// # Errors
    /// It would be too large.
    pub fn body(self) -> Result<Bytes, SystemFault> {
        let mut out = Vec::with_capacity(self.body.len().saturating_mul(2));
        let (mut from, is_xml) = (0, self.mapping.words.xml.is_some());
        for spot in &self.spots {
            out.extend_from_slice(self.body.get(from..spot.end).unwrap_or_default());
            from = spot.end;
            let told = self.told(spot);
            if told.is_empty() {
                continue;
            }
            match is_xml {
                true => xml::put_also(&told, &mut out),
                false => put(&told, &mut out),
            }
            if out.len() > BYTES_MAX {
                let text = "what records are told by besides is larger than an answer may be";
                return Err(SystemFault::unreadable(text.to_owned()));
            }
        }
        out.extend_from_slice(self.body.get(from..).unwrap_or_default());
        Ok(out.into())
    }

    /// The rows of a record, by the names of their sorts.
    fn told(&self, spot: &Spot) -> Vec<(&str, &[String])> {
        let mut told = Vec::with_capacity(self.sorts.len());
        let sorts = self.sorts.iter().zip(&self.rows).enumerate();
        for (_, ((number, sort), rows)) in sorts.filter(|(at, _)| !self.left_out.contains(at)) {
            match spot.said.get(*number) {
                Some(Said::Key(key)) => {
                    told.push((&*sort.name, rows.get(key).map(Vec::as_slice).unwrap_or_default()));
                }
                Some(Said::None) => told.push((&*sort.name, &[][..])),
                Some(Said::Untold) | None => {}
            }
        }
        told
    }
}

impl Mapping {
    /// The rows of an answer, each by what it names.
    fn also_rows(&self, sort: &Sort, body: &[u8]) -> Result<Vec<(CompactString, String)>, SystemFault> {
        let none = || SystemFault::unreadable(format!("a row of `{}` does not say whose it is", sort.name));
        let (place, mut raws, mut envelope) = (&sort.call.rows, Raws::default(), Raws::default());
        envelope.restart(place.frame);
        let mut rows: Vec<(Option<CompactString>, String)> = Vec::new();
        let key_of = |raws: &Raws<'_>| match raws.twice {
            true => None,
            false => raws.get(0, Envelope::PLACE).text().map(|key| CompactString::from(&*key)),
        };
        if let Some(names) = &self.words.xml {
            let around = (&mut envelope, &mut raws);
            xml::also_rows(
                names,
                (&place.root, ROWS_MAX),
                body,
                around,
                &sort.call.key,
                &mut |raws, row| {
                    rows.push((key_of(raws), row));
                },
            )?;
        } else {
            let mut on_row = |scan: &mut Scanner<'_>| {
                if rows.len() >= ROWS_MAX {
                    return Err(BadJson::TooMany);
                }
                let text = scan.whole()?;
                let mut raws = Raws::default();
                raws.restart(sort.call.key.frame);
                let key = &sort.call.key.root;
                walk(&mut Scanner::of_text(text), key, 0, &mut raws, &mut |scan| scan.skip())?;
                rows.push((key_of(&raws), text.to_owned()));
                Ok(())
            };
            let mut scan = Scanner::new(body).map_err(SystemFault::bad_json)?;
            walk(&mut scan, &place.root, 0, &mut envelope, &mut on_row).map_err(SystemFault::bad_json)?;
            scan.end().map_err(SystemFault::bad_json)?;
        }
        if envelope.twice || envelope.get(0, Envelope::PLACE) != Raw::Array {
            return Err(SystemFault::unreadable("the answer holds no list where rows are due".to_owned()));
        }
        rows.into_iter().map(|(key, row)| Ok((key.ok_or_else(none)?, row))).collect()
    }
}

/// Puts rows of JSON behind the last member of an object, which has one.
fn put(told: &[(&str, &[String])], out: &mut Vec<u8>) {
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    put(",\"");
    put(NAME);
    put("\":{");
    for (at, (name, rows)) in told.iter().enumerate() {
        put(if at > 0 { ",\"" } else { "\"" });
        put(name);
        put("\":[");
        put(&rows.join(","));
        put("]");
    }
    put("}");
}
