//! `finds:` — keys that a system wants where a caller has a business code: searched for before a write.
//!
//! One search asks for many codes, through the filters of the system. A row counts only where it says the code itself,
//! so a system that overlooks a condition finds nothing. A code that is not there is the caller's fault, and so is one
//! that several records have.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;

use super::{
    dialect::{Dialect, Literal},
    errors::SystemFault,
    inward::RowFault,
    listing::{KEY_BYTES_MAX, Plan},
    model::{Envelope, KeyForm, ListCall, Mapping},
    native::{NativeAnswer, NativeRequest},
    out::Out,
    outward::{MappingFault, Whose, Writing, whole},
    push::{Push, Test},
    scan::{BadJson, Raw, Scanner},
    trie::{Node, Raws, walk},
};
use crate::schema::{FieldSet, Op, Record};

/// Most codes that one search asks for.
const CODES_MAX: usize = 50;
/// Most searches before one write.
const SEARCHES_MAX: usize = 10;

/// How a key is found by a code.
#[derive(Debug)]
pub(super) struct Find {
    pub(super) name: Box<str>,
    pub(super) call: ListCall,
    pub(super) dialect: Arc<Dialect>,
    /// What the system's filters call the code.
    pub(super) by: Arc<str>,
    /// Whether the code is the key of another record: its form.
    pub(super) by_form: KeyForm,
    /// A row: its code in the slot [`Find::BY`], its key in [`Find::KEY`].
    pub(super) row: Node,
    pub(super) frame: u16,
    /// What the key looks like; digits are written as a number.
    pub(super) form: KeyForm,
    /// Whether the first of several is the one that is meant.
    pub(super) takes_first: bool,
}

impl Find {
    pub(super) const BY: u16 = 1;
    pub(super) const KEY: u16 = 2;

    /// A key as it is written.
    fn out(&self, key: &str) -> Out {
        match self.form {
            KeyForm::Digits => Out::Number(key.into()),
            KeyForm::Text | KeyForm::Guid | KeyForm::Alnum => Out::text(key),
        }
    }

    fn literal(&self, code: &str) -> Option<Literal> {
        match self.by_form {
            KeyForm::Text => self.dialect.literals.holds(code).then(|| Literal::Text(code.into())),
            KeyForm::Digits => self.by_form.fits(code).then(|| Literal::Token(code.into())),
            KeyForm::Guid => self.by_form.fits(code).then(|| Literal::Guid(code.into())),
            KeyForm::Alnum => self.by_form.fits(code).then(|| Literal::Text(code.into())),
        }
    }
}

/// Something that a new record carries, found by what it says elsewhere.
#[derive(Debug)]
pub(super) struct SetFound {
    pub(super) at: super::path::Path,
    pub(super) find: Arc<Find>,
    /// Where the code stands in what is written.
    pub(super) of: super::path::Path,
}

/// A code of which the key is wanted.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) find: Arc<Find>,
    pub(super) code: CompactString,
}

/// A search for some keys.
#[derive(Debug)]
pub struct Search {
    request: Option<NativeRequest>,
    find: Arc<Find>,
    codes: Vec<CompactString>,
    size: u32,
}

impl Search {
    /// What is asked, once.
    pub fn request(&mut self) -> Option<NativeRequest> {
        self.request.take()
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found(HashMap<Box<str>, HashMap<CompactString, Vec<CompactString>>>);

impl Found {
    /// The key of a code, as it is written; else whether it is the caller's or one of several, and what is said.
    pub(super) fn key(&self, find: &Find, code: &str) -> Result<Out, (Whose, String)> {
        let keys = self.0.get(&find.name).and_then(|codes| codes.get(code)).map(Vec::as_slice);
        match keys.unwrap_or_default() {
            [] => Err((Whose::Caller, "the system has no record of this code".to_owned())),
            [key] => Ok(find.out(key)),
            [key, ..] if find.takes_first => Ok(find.out(key)),
            [_, _, ..] => Err((Whose::Several, "the system has several records of this code".to_owned())),
        }
    }
}

impl Mapping {
    /// The searches that have to run before a write: none where nothing is found by a code. `old` is the record that
    /// is changed; without one, every code of the new one is searched for.
    ///
    /// # Errors
    /// The codes are too many.
    pub fn searches(
        &self,
        old: Option<&Record>,
        new: &Record,
        is_new: bool,
    ) -> Result<Vec<Search>, Vec<MappingFault>> {
        if !self.finds {
            return Ok(Vec::new());
        }
        let mut out = Writing::new(is_new, &FieldSet::EMPTY);
        out.object(&self.root, &self.entity.root, Some(&new.fields), old.map(|old| &old.fields));
        let mut sought = std::mem::take(&mut out.sought);
        for set in self.set_found.iter().filter(|_| is_new) {
            if let Some(code) = out.body.at(set.of.steps()).and_then(|out| out.raw().text()) {
                sought.push(Sought { find: set.find.clone(), code: code.as_ref().into() });
            }
        }
        let mut by_find: Vec<(Arc<Find>, Vec<CompactString>)> = Vec::new();
        for Sought { find, code } in sought {
            let at = by_find.iter().position(|(known, _)| *known.name == *find.name).unwrap_or_else(|| {
                by_find.push((find, Vec::new()));
                by_find.len() - 1
            });
            if let Some((_, codes)) = by_find.get_mut(at)
                && !codes.contains(&code)
            {
                codes.push(code);
            }
        }
        let mut searches = Vec::new();
        for (find, codes) in &by_find {
            for some in codes.chunks(CODES_MAX) {
                searches.extend(self.search(find, some));
            }
        }
        match searches.len() > SEARCHES_MAX {
            true => Err(vec![whole("these are more different codes than are searched for in one write")]),
            false => Ok(searches),
        }
    }

    /// One search for some codes; several where the system cannot be asked for them at once.
    fn search(&self, find: &Arc<Find>, codes: &[CompactString]) -> Vec<Search> {
        // A code that cannot be asked for is none that the system has.
        let said: Vec<_> =
            codes.iter().filter_map(|code| Some((code.clone(), find.literal(code)?))).collect();
        if said.is_empty() {
            return Vec::new();
        }
        if let Some(search) = self.asking(find, &said) {
            return vec![search];
        }
        said.chunks(1).filter_map(|one| self.asking(find, one)).collect()
    }

    fn asking(&self, find: &Arc<Find>, said: &[(CompactString, Literal)]) -> Option<Search> {
        let op = if said.len() == 1 { Op::Eq } else { Op::In };
        let values = said.iter().map(|(_, literal)| literal.clone()).collect();
        let plan = Plan::of(&find.dialect, &Push::Test(Test { name: find.by.clone(), op, values }))?;
        let size = find.call.page.most;
        let request =
            self.list_request(&find.call, &plan, &super::cursor::Place::default(), size, &FieldSet::EMPTY);
        let codes = said.iter().map(|(code, _)| code.clone()).collect();
        Some(Search { request: Some(request), find: find.clone(), codes, size })
    }

    /// Notes what a search has found.
    ///
    /// # Errors
    /// What the system said went wrong, or that its answer is none.
    pub fn found<'a>(
        &self,
        search: &'a Search,
        answer: &'a NativeAnswer,
        into: &mut Found,
    ) -> Result<(), SystemFault> {
        self.refuse_errors(answer)?;
        let (find, most) = (&search.find, usize::try_from(search.size).unwrap_or(usize::MAX));
        let (mut envelope, mut rows) = (Raws::default(), Vec::new());
        envelope.restart(find.call.frame);
        let mut on_row = |scan: &mut Scanner<'a>| -> Result<(), BadJson> { row(find, scan, &mut rows, most) };
        let mut scan = Scanner::new(&answer.body).map_err(SystemFault::bad_json)?;
        walk(&mut scan, &find.call.envelope, 0, &mut envelope, &mut on_row).map_err(SystemFault::bad_json)?;
        scan.end().map_err(SystemFault::bad_json)?;
        if envelope.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        if envelope.get(0, Envelope::PLACE) != Raw::Array {
            return Err(SystemFault::unreadable("the answer holds no list where rows are due".to_owned()));
        }
        let is_full = rows.len() >= most;
        let codes = into.0.entry(find.name.clone()).or_default();
        for code in &search.codes {
            let keys: Vec<_> = rows.iter().filter(|(by, _)| by == code).map(|(_, key)| key.clone()).collect();
            // Behind a full page there may be one.
            if is_full && keys.is_empty() {
                return Err(SystemFault::unreadable("a search for keys gave more rows than fit".to_owned()));
            }
            codes.insert(code.clone(), keys);
        }
        Ok(())
    }
}

/// A row of a search: its code and its key.
fn row<'a>(
    find: &'a Find,
    scan: &mut Scanner<'a>,
    rows: &mut Vec<(CompactString, CompactString)>,
    most: usize,
) -> Result<(), BadJson> {
    if rows.len() > most {
        return Err(BadJson::TooMany);
    }
    let mut raws = Raws::default();
    raws.restart(find.frame);
    walk(scan, &find.row, 0, &mut raws, &mut |scan| scan.skip())?;
    let text = |slot: u16| raws.get(0, slot).text().map(|text| CompactString::from(&*text));
    let is_key = |key: &CompactString| (1..=KEY_BYTES_MAX).contains(&key.len()) && find.form.fits(key);
    if let (Some(by), Some(key), false) = (text(Find::BY), text(Find::KEY).filter(is_key), raws.twice) {
        rows.push((by, key));
    }
    Ok(())
}
