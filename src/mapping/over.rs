//! `over:` — a list that its system gives once for each of some parents: members of an audience, stock at a place.
//!
//! The parents are fixed by the file, or they are rows of another list of the same system. They are asked for in the order
//! of their keys, so that a cursor, which names one, goes on at the next where that one is gone. What lines read of a
//! parent (`$over`) is known before its records are asked for: a filter that no record of it can pass leaves it out. Not
//! to know all parents is a fault; a list never looks whole because one was overlooked.

use std::{cmp::Ordering, sync::Arc};

use compact_str::CompactString;
use percent_encoding::utf8_percent_encode;

use super::{
    cursor::Place,
    errors::SystemFault,
    inward::{Absent, RowFault},
    keyset::Keys,
    listing::{KEY_BYTES_MAX, Listing, PLAIN},
    model::{KeyForm, ListCall, Mapping},
    native::{NativeAnswer, NativeRequest},
    scan::{BadJson, Raw, Scanner},
    trie::{Node, Raws, walk},
};
use crate::schema::{FieldSet, Filter, Record, Value};

/// What stands for a parent's key in addresses.
pub(super) const OVER: &str = "{over}";
/// LIMIT: pages of parents that one question may cause.
const PAGES_MAX: usize = 20;
/// Most rows of an answer beyond what was asked for.
const ROWS_OVER: usize = 1000;

/// What a list runs over.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) from: Source,
    /// What a parent's key looks like.
    pub(super) form: KeyForm,
    /// Parents that one list may run over.
    pub(super) most: usize,
    /// The parent of a new record that says none.
    pub(super) new: Option<CompactString>,
    /// Slots of a record that get the parent's key.
    pub(super) keys: Vec<u16>,
    /// Leaves that are read of the parent alone.
    pub(super) leaves: FieldSet,
}

/// Where the parents are known from.
#[derive(Debug)]
pub(super) enum Source {
    /// The file says their keys.
    Fixed(Vec<CompactString>),
    /// The system lists them.
    Asked(Box<Asked>),
}

/// A list of parents.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: ListCall,
    /// A row: its key in the slot [`Asked::KEY`].
    pub(super) row: Node,
    pub(super) frame: u16,
    /// Slots of a row, and those of a record that get them.
    pub(super) told: Vec<(u16, u16)>,
}

impl Asked {
    pub(super) const KEY: u16 = 1;
}

/// A parent: what lists run over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    key: CompactString,
    /// What it tells, by the slots of a record.
    told: Vec<(u16, Told)>,
}

/// A native scalar of a parent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Null,
    Boolean(bool),
    Number(CompactString),
    Text(CompactString),
}

impl Parent {
    /// Its key in the system.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What a record gets of it.
    pub(super) fn given(&self) -> impl Iterator<Item = (u16, Raw<'_>)> {
        self.told.iter().map(|(slot, told)| (*slot, told.raw()))
    }
}

impl Told {
    fn of(raw: Raw<'_>) -> Option<Self> {
        match raw {
            Raw::Null => Some(Self::Null),
            Raw::Boolean(yes) => Some(Self::Boolean(yes)),
            Raw::Number(number) => Some(Self::Number(number.into())),
            raw => raw.text().map(|text| Self::Text(CompactString::from(&*text))),
        }
    }

    fn raw(&self) -> Raw<'_> {
        match self {
            Self::Null => Raw::Null,
            Self::Boolean(yes) => Raw::Boolean(*yes),
            Self::Number(number) => Raw::Number(number),
            Self::Text(text) => Raw::Text(text),
        }
    }
}

/// The parents are more than one list may run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyParents {
    /// How many it may.
    pub most: usize,
}

/// Parents that are being asked for.
#[derive(Debug)]
pub struct Parents<'m> {
    mapping: &'m Mapping,
    over: &'m Over,
    wanted: Wanted<'m>,
    /// The page that is to be asked for; none where all were.
    next: Option<Place>,
    asked: Option<Listing>,
    pages: usize,
    kept: Vec<Arc<Parent>>,
    is_over: bool,
}

/// Which parents are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'w> {
    /// Those that may hold a record which passes a filter.
    Filter(&'w Filter),
    /// The one that a record's key names.
    Of(&'w str),
}

impl Mapping {
    /// Whether lists run over parents.
    pub fn has_parents(&self) -> bool {
        self.over.is_some()
    }

    /// Whether a record's key says what parent it has, so that a read has to know that one.
    pub fn names_parents(&self) -> bool {
        self.key.has_over()
    }

    /// The fields that are read of the parent, by which a filter says which are meant.
    pub fn parent_fields(&self) -> Vec<&str> {
        let leaves = self.over.iter().flat_map(|over| over.leaves.iter());
        leaves.filter_map(|leaf| self.entity.leaf(leaf)).map(|leaf| leaf.path.as_str()).collect()
    }

    /// The parents that are wanted; none of a mapping whose lists have none.
    pub fn parents<'m>(&'m self, wanted: Wanted<'m>) -> Option<Parents<'m>> {
        let over = self.over.as_ref()?;
        let mut parents = Parents {
            mapping: self,
            over,
            wanted,
            next: None,
            asked: None,
            pages: 0,
            kept: Vec::new(),
            is_over: false,
        };
        match &over.from {
            Source::Fixed(keys) => keys.iter().for_each(|key| parents.keep(self.parent(key))),
            Source::Asked(_) => parents.next = Some(Place::default()),
        }
        Some(parents)
    }

    /// The parent that a record's key names, as far as that tells of it.
    pub fn parent_of(&self, id: &str) -> Option<Arc<Parent>> {
        self.over.as_ref()?;
        self.key.apart(id)?.over.map(|key| Arc::new(self.parent(&key)))
    }

    /// A parent as there may be one, where lists run over parents: for whoever tries requests and answers without a system.
    pub fn any_parent(&self) -> Option<Arc<Parent>> {
        self.over.as_ref().map(|over| Arc::new(self.parent(over.form.sample())))
    }

    /// The first parent that the file names and that may hold what passes a filter, and the request that tells of all where
    /// the file does not: for whoever tries requests without a system.
    pub(super) fn tried_parents(&self, filter: &Filter) -> (Option<Arc<Parent>>, Option<NativeRequest>) {
        let Some(mut parents) = self.parents(Wanted::Filter(filter)) else { return (None, None) };
        let asked = parents.request();
        (parents.kept.into_iter().next(), asked)
    }

    /// A parent of which the key is known.
    pub(super) fn parent(&self, key: &str) -> Parent {
        let slots = self.over.iter().flat_map(|over| &over.keys);
        Parent { key: key.into(), told: slots.map(|slot| (*slot, Told::Text(key.into()))).collect() }
    }

    /// A parent for trials: what stands in a sample, or any.
    pub(super) fn sample_parent(&self, told: Option<&str>) -> Result<Option<Arc<Parent>>, String> {
        let Some(over) = &self.over else {
            return told.map_or(Ok(None), |_| Err("`over`: its lists run over nothing".to_owned()));
        };
        let parent = match (&over.from, told) {
            (_, None) => self.parent(over.form.sample()),
            (Source::Fixed(_), Some(key)) => self.parent(key),
            (Source::Asked(asked), Some(row)) => {
                let mut scan = Scanner::new(row.as_bytes()).map_err(|why| format!("`over`: {why}"))?;
                let parent = self.row_of_parent((over, asked), &mut scan);
                let parent = parent.map_err(|why| format!("`over`: {why}"))?;
                parent.ok_or("`over` holds no key of a parent")?
            }
        };
        Ok(Some(Arc::new(parent)))
    }

    /// A row of the list of parents; none where it says no key.
    fn row_of_parent<'a>(
        &self,
        (over, asked): (&Over, &'a Asked),
        scan: &mut Scanner<'a>,
    ) -> Result<Option<Parent>, BadJson> {
        let mut raws = Raws::new(&self.words.absent);
        raws.restart(asked.frame);
        walk(scan, &asked.row, 0, &mut raws, &mut |scan| scan.skip())?;
        let key = raws.get(0, Asked::KEY).text();
        // One that is empty or a dot would make an address another one.
        let is_key = |key: &str| {
            (1..=KEY_BYTES_MAX).contains(&key.len()) && !matches!(key, "." | "..") && over.form.fits(key)
        };
        let Some(key) = key.filter(|key| is_key(key) && !raws.twice) else { return Ok(None) };
        let mut parent = self.parent(&key);
        let others = asked.told.iter();
        parent.told.extend(others.filter_map(|(from, to)| Some((*to, Told::of(raws.get(0, *from))?))));
        Ok(Some(parent))
    }

    /// The rows of an answer to a list of parents, and what stands around them.
    fn rows_of_parents<'a>(
        &'a self,
        (over, asked): (&Over, &'a Asked),
        listing: &Listing,
        answer: &'a NativeAnswer,
        envelope: &mut Raws<'a>,
    ) -> Result<Vec<Parent>, SystemFault> {
        self.refuse_errors(answer)?;
        let most = usize::try_from(listing.size).unwrap_or(usize::MAX).saturating_add(ROWS_OVER);
        let mut rows = Vec::new();
        envelope.restart(asked.call.frame);
        let mut on_row = |scan: &mut Scanner<'a>| {
            if rows.len() >= most {
                return Err(BadJson::TooMany);
            }
            rows.push(self.row_of_parent((over, asked), scan)?);
            Ok(())
        };
        let mut scan = Scanner::new(&answer.body).map_err(SystemFault::bad_json)?;
        walk(&mut scan, &asked.call.envelope, 0, envelope, &mut on_row).map_err(SystemFault::bad_json)?;
        scan.end().map_err(SystemFault::bad_json)?;
        if envelope.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        let none = || SystemFault::unreadable("a row of what the list runs over has no key".to_owned());
        rows.into_iter().collect::<Option<_>>().ok_or_else(none)
    }

    /// Whether a parent may hold a record that passes a filter.
    fn may_hold(&self, over: &Over, parent: &Parent, filter: &Filter) -> bool {
        if filter.leaves().intersection(&over.leaves).is_empty() {
            return !filter.is_nothing();
        }
        let mut raws = Raws::new(&self.words.absent).given(parent.given().collect());
        raws.restart(self.frame);
        let (fields, missing) = self.filled(&raws, &over.leaves, Absent::Untold);
        let record = Record::from(fields);
        let told = over.leaves.minus(&missing);
        let known =
            |leaf| told.contains(leaf).then(|| record.first(&self.entity, leaf).unwrap_or(&Value::Null));
        !filter.given(&known).is_nothing()
    }
}

impl Parents<'_> {
    /// What is to be asked; none once they are known, or more than a list may run over.
    pub fn request(&mut self) -> Option<NativeRequest> {
        let Source::Asked(asked) = &self.over.from else { return None };
        let place = self.next.take().filter(|_| !self.is_over)?;
        self.pages = self.pages.saturating_add(1);
        if self.pages > PAGES_MAX {
            self.is_over = true;
            return None;
        }
        let listing = self.mapping.listing_of_parents(&asked.call, place);
        let request = listing.request.clone();
        self.asked = Some(listing);
        Some(request)
    }

    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that it does not tell of all parents.
    pub fn take(&mut self, answer: &NativeAnswer) -> Result<(), SystemFault> {
        let (Source::Asked(asked), Some(listing)) = (&self.over.from, self.asked.take()) else {
            return Ok(());
        };
        let mut envelope = Raws::default();
        let parents = self.mapping.rows_of_parents((self.over, asked), &listing, answer, &mut envelope)?;
        let keys = Keys::of(parents.len(), parents.iter().map(Parent::key));
        let turned = self.mapping.turned(&listing, &asked.call, (answer, &envelope), &keys)?;
        if turned.truncated {
            let text = "the system does not tell of all that the list runs over";
            return Err(SystemFault::unreadable(text.to_owned()));
        }
        self.next = turned.next.and_then(|next| Place::parse(&next, 0, &asked.call.page));
        parents.into_iter().for_each(|parent| self.keep(parent));
        Ok(())
    }

    fn keep(&mut self, parent: Parent) {
        match self.wanted {
            Wanted::Filter(filter) => {
                if self.mapping.may_hold(self.over, &parent, filter) {
                    self.kept.push(Arc::new(parent));
                }
                self.is_over |= self.kept.len() > self.over.most;
            }
            Wanted::Of(id) => {
                let named = self.mapping.key.apart(id).and_then(|named| named.over);
                if named.is_some_and(|key| key == parent.key()) {
                    self.kept.push(Arc::new(parent));
                    self.next = None;
                }
            }
        }
    }

    /// They, in the order of their keys, each once.
    ///
    /// # Errors
    /// They are more than one list may run over.
    pub fn all(mut self) -> Result<Vec<Arc<Parent>>, TooManyParents> {
        if self.is_over {
            return Err(TooManyParents { most: self.over.most });
        }
        self.kept.sort_by(|a, b| order(self.over.form, a.key(), b.key()));
        self.kept.dedup_by(|a, b| a.key() == b.key());
        Ok(self.kept)
    }
}

impl Mapping {
    /// Where a list goes on among parents that are in order: at which of them, and where there. The outer none is a cursor
    /// of no such list; the inner one says that no parent is left.
    pub fn parent_at(
        &self,
        parents: &[Arc<Parent>],
        cursor: Option<&str>,
    ) -> Option<Option<(usize, GoesOn)>> {
        let Some(cursor) = cursor else { return Some((!parents.is_empty()).then_some((0, GoesOn::There))) };
        let (form, key) = (self.over.as_ref()?.form, Place::over(cursor)?);
        let at = parents.iter().position(|parent| order(form, parent.key(), &key).is_ge());
        Some(at.map(|at| {
            let is_there = parents.get(at).is_some_and(|parent| parent.key() == key);
            (at, if is_there { GoesOn::There } else { GoesOn::Beginning })
        }))
    }
}

/// Where a list goes on in a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// Where the cursor says.
    There,
    /// At the beginning: the parent of the cursor is gone.
    Beginning,
}

impl Listing {
    /// The parent that it is asked for.
    pub fn parent(&self) -> Option<&Arc<Parent>> {
        self.parent.as_ref()
    }

    /// The native cursor of the first page of another parent.
    ///
    /// # Errors
    /// It is too long.
    pub fn begins(&self, parent: &Parent) -> Result<String, SystemFault> {
        Place::first(self.place.began, Some(parent.key.to_string())).cursor(self.variant)
    }
}

/// A text of an address with the parent's key in it; none where it names one and there is none.
pub(super) fn with_over(text: String, over: Option<&str>) -> Option<String> {
    match (text.contains(OVER), over) {
        (false, _) => Some(text),
        (true, over) => {
            let key = over.filter(|key| !matches!(*key, "" | "." | ".."))?;
            Some(text.replace(OVER, &utf8_percent_encode(key, PLAIN).to_string()))
        }
    }
}

/// The order of two keys: of digits as the numbers that they are.
fn order(form: KeyForm, a: &str, b: &str) -> Ordering {
    match form {
        KeyForm::Digits => super::keyset::order(a, b).then_with(|| a.cmp(b)),
        KeyForm::Text | KeyForm::Guid | KeyForm::Alnum => a.cmp(b),
    }
}
