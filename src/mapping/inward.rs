//! The way in: a native answer becomes a record, in one pass, without a tree in between.
//!
//! A record that does not fit is served with findings; one bad row never sinks a list.

use super::{
    cells::{Headings, Rows},
    codec::{Codec, Got, bounded},
    errors::{FaultKind, SystemFault},
    forks::Fork,
    listing::{Listing, with},
    model::{
        EachPart, Finding, Join, Line, ListCall, Mapping, Named, ObjectPart, Part, Rule, Source, Then, What,
    },
    native::NativeAnswer,
    over::Parent,
    scan::{BadJson, Raw, Scanner},
    trie::{Node, Raws, walk},
};
use crate::schema::{FieldSet, Fields, LeafId, Record, Value};
use compact_str::CompactString;

mod more;

pub(super) use more::{is_so, pieces};

/// Most findings kept of one record.
const FINDINGS_MAX: usize = 64;
/// Most rows of an answer beyond what was asked for.
const ROWS_OVER: usize = 1000;

/// A record as it came in.
#[derive(Clone, Debug)]
pub struct Inward {
    /// The record; leaf 0 is its id.
    pub record: Record,
    /// The native key.
    pub id: CompactString,
    /// The native version, where the system has one.
    pub version: Option<CompactString>,
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// Wanted leaves of which the answer does not tell what they are (known to be empty is told).
    pub missing: FieldSet,
}

/// Why a row of a list is withheld.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// It has no key, or one too long to be asked for.
    #[error("the row has no key")]
    NoKey,
    /// A name stands in it twice.
    #[error("a mapped name stands twice in one object")]
    Twice,
    /// It is not an object.
    #[error("the row is not an object")]
    NotAnObject,
    /// It is not of this entity.
    #[error("the row is not of this entity")]
    Other,
    /// Its cells are not as many as their headers: which value belongs to which name is not known.
    #[error("the row has not as many cells as there are headers")]
    Cells,
    /// It was listed, and was gone when it was read.
    #[error("the record is gone")]
    Gone,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows, in the system's order.
    pub rows: Vec<Result<Inward, RowFault>>,
    /// The native cursor of the next page, for [`Mapping::list`]; none at the end.
    pub next: Option<String>,
    /// Whether the list ends here though it may hold more: the system cannot page any further. Whoever answers
    /// with this page must say so, or a cut list looks whole. Never with a `next`.
    pub truncated: bool,
    /// Whether it is so only because of a default of the file's, which asks for less than the caller did: what it asks
    /// for is here to the end.
    pub narrowed: bool,
}

impl Mapping {
    /// Reads the answer to a read of one record.
    ///
    /// # Errors
    /// What the system said went wrong, or that its answer is none.
    pub fn inward(&self, answer: &NativeAnswer, wanted: &FieldSet) -> Result<Inward, SystemFault> {
        self.refuse_errors(answer)?;
        self.one(self.read.as_ref(), (answer, None), wanted)
    }

    /// Reads the answer to a read of the record of that key, which the record itself may not say.
    ///
    /// # Errors
    /// As of [`Mapping::inward`].
    pub fn inward_of(
        &self,
        key: &str,
        answer: &NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<Inward, SystemFault> {
        self.refuse_errors(answer)?;
        self.one(self.read.as_ref(), (answer, Some(key)), wanted)
    }

    /// Reads the answer to a delete, which holds nothing of interest when it is no error.
    ///
    /// # Errors
    /// What the system said went wrong.
    pub fn deleted(&self, answer: &NativeAnswer) -> Result<(), SystemFault> {
        self.refuse_errors(answer)
    }

    /// Reads the answer to a list.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that it pages elsewhere.
    pub fn inward_list(
        &self,
        listing: &Listing,
        answer: &NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<Page, SystemFault> {
        let has_parent = self.lists.get(listing.variant).is_some_and(|call| !call.at_bounds.is_empty());
        match self.refuse_errors(answer) {
            // What stands under a record that is not there is none.
            Err(fault) if has_parent && fault.kind == FaultKind::NotFound => return Ok(Page::default()),
            Ok(()) | Err(_) => {}
        }
        let wanted = with(wanted, listing.moment);
        let (call, raws, rows) = self.listed(listing, answer, &wanted)?;
        self.page(listing, call, (answer, &raws), rows)
    }

    /// The rows of an answer to a list, and what stands around them; whatever follows the page.
    pub(super) fn listed<'a>(
        &'a self,
        listing: &'a Listing,
        answer: &'a NativeAnswer,
        wanted: &FieldSet,
    ) -> Result<(&'a ListCall, Raws<'a>, Rows), SystemFault> {
        self.refuse_errors(answer)?;
        let call = self
            .lists
            .get(listing.variant)
            .ok_or_else(|| SystemFault::unreadable("the list variant is gone".to_owned()))?;
        let rows_max = usize::try_from(listing.size).unwrap_or(usize::MAX).saturating_add(ROWS_OVER);
        let mut raws = Raws::default();
        raws.restart(call.frame);
        let rows =
            self.rows(&call.envelope, (answer, rows_max, listing.parent.as_deref()), &mut raws, wanted)?;
        if raws.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        call.is_list(&raws)?;
        Ok((call, raws, rows))
    }

    /// The rows of an answer, and what its envelope holds.
    pub(super) fn rows<'a>(
        &'a self,
        place: &'a Node,
        (answer, rows_max, parent): (&'a NativeAnswer, usize, Option<&'a Parent>),
        envelope: &mut Raws<'a>,
        wanted: &FieldSet,
    ) -> Result<Rows, SystemFault> {
        let (raws, body) = (self.raws(answer, None, parent)?, (&answer.body[..], rows_max));
        match &self.words.xml {
            Some(names) => {
                let records = self.rows_of_xml(names, place, body, (envelope, raws), wanted)?;
                Ok(Rows { natives: records.len(), records })
            }
            None => {
                let headings = self.headings(&answer.body)?;
                self.rows_of_json(place, body, (envelope, raws), &headings, wanted)
                    .map_err(SystemFault::bad_json)
            }
        }
    }

    fn rows_of_json<'a>(
        &'a self,
        place: &'a Node,
        (body, rows_max): (&'a [u8], usize),
        (envelope, mut raws): (&mut Raws<'a>, Raws<'a>),
        headings: &Headings,
        wanted: &FieldSet,
    ) -> Result<Rows, BadJson> {
        let mut rows = Rows { records: Vec::new(), natives: 0 };
        let mut on_row = |scan: &mut Scanner<'a>| {
            if rows.natives >= rows_max {
                return Err(BadJson::TooMany);
            }
            rows.natives = rows.natives.saturating_add(1);
            self.records(scan, headings, &mut raws, wanted, &mut rows.records)?;
            raws.within_budget()
        };
        let mut scan = Scanner::new(body)?;
        walk(&mut scan, place, 0, envelope, &mut on_row)?;
        scan.end()?;
        Ok(rows)
    }

    pub(super) fn row<'a>(
        &'a self,
        scan: &mut Scanner<'a>,
        raws: &mut Raws<'a>,
        wanted: &FieldSet,
    ) -> Result<Result<Inward, RowFault>, BadJson> {
        raws.restart(self.frame);
        let object = scan.peek()? == b'{';
        walk(scan, &self.record, 0, raws, &mut |scan| scan.skip())?;
        raws.lift(&self.record, 0);
        Ok(match object {
            true => self.build(raws, wanted),
            false => Err(RowFault::NotAnObject),
        })
    }

    pub(super) fn build(&self, raws: &Raws<'_>, wanted: &FieldSet) -> Result<Inward, RowFault> {
        if raws.twice {
            return Err(RowFault::Twice);
        }
        let is = |narrow: &super::model::Narrow| {
            raws.get(0, narrow.slot).text().is_some_and(|text| narrow.is(&text))
        };
        if !self.narrow.iter().all(is) {
            return Err(RowFault::Other);
        }
        let id = self.key.read(raws).ok_or(RowFault::NoKey)?;
        let version = self
            .version
            .as_ref()
            .and_then(|version| raws.get(0, version.slot).text())
            .map(|version| CompactString::from(&*version));
        let (mut build, mut fields) = (Build::new(raws, wanted, Absent::Untold), self.room());
        if let Some((position, _)) = self.entity.root.field("id") {
            fields.set(position, Value::Text(id.clone()));
        }
        build.open(&self.root.forks, 0);
        build.fill(&self.root, 0, &mut fields);
        let mut record = Record::from(fields);
        let bare = self.entity.strike_bare(&mut record, wanted);
        bare.iter().for_each(|leaf| build.findings.truncate_push(leaf, What::NoCurrency));
        let missing = build.missing.union(&bare).union(&self.unmapped.intersection(wanted));
        Ok(Inward { record, id, version, findings: build.findings, missing })
    }

    /// The fields that some raws read as, whatever record it is; and of which leaves they do not tell.
    pub(super) fn filled(&self, raws: &Raws<'_>, wanted: &FieldSet, absent: Absent) -> (Fields, FieldSet) {
        let (mut build, mut fields) = (Build::new(raws, wanted, absent), self.room());
        build.open(&self.root.forks, 0);
        build.fill(&self.root, 0, &mut fields);
        (fields, build.missing.union(&self.unmapped.intersection(wanted)))
    }

    fn room(&self) -> Fields {
        Fields::with_capacity(self.root.parts.len().saturating_add(1))
    }
}

/// What a part came to.
enum Came {
    /// The answer does not tell.
    Missing,
    /// Known to be empty.
    Nothing,
    /// The same in every record; says nothing about this one.
    Tag(Value),
    /// A value.
    Is(Value),
}

/// What a native value that is not there says to a line that reads several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nothing: a system may hold one all the same, so what is put together with it is not told.
    Untold,
    /// That there is none, beside one that is there: no system was asked.
    Empty,
}

struct Build<'b, 'a> {
    raws: &'b Raws<'a>,
    wanted: &'b FieldSet,
    absent: Absent,
    findings: Vec<Finding>,
    missing: FieldSet,
    /// Leaves of this record, or element, of which one is meant and nobody knows which.
    open: FieldSet,
}

impl<'b, 'a> Build<'b, 'a> {
    fn new(raws: &'b Raws<'a>, wanted: &'b FieldSet, absent: Absent) -> Self {
        let (missing, open) = (FieldSet::EMPTY, FieldSet::EMPTY);
        Self { raws, wanted, absent, findings: Vec::new(), missing, open }
    }

    /// Finds out which values of a record, or of an element, could mean one of several fields; what was found before.
    fn open(&mut self, forks: &[Fork], base: usize) -> FieldSet {
        let mut open = FieldSet::EMPTY;
        for leaves in forks.iter().filter_map(|fork| fork.is_open(self.raws, base)) {
            if let Some(leaf) = leaves.intersection(self.wanted).iter().next() {
                self.findings.truncate_push(leaf, What::NoRule);
            }
            open = open.union(&leaves);
        }
        std::mem::replace(&mut self.open, open)
    }

    /// Fills an object; whether it holds something, is known to be empty, or was not told.
    fn fill(&mut self, object: &ObjectPart, base: usize, fields: &mut Fields) -> Came {
        let (mut is_told, mut is_some) = (false, false);
        for Named { position, leaves, part, .. } in &object.parts {
            let came = match part {
                Part::Leaf(line) => self.line(line, base),
                part if leaves.meets(self.wanted) => self.part(part, base),
                _ => continue,
            };
            match came {
                Came::Missing => {}
                Came::Nothing => {
                    is_told = true;
                    if let Part::Leaf(Line { nullable: true, .. }) = part {
                        fields.set(*position, Value::Null);
                    }
                }
                Came::Tag(value) => fields.set(*position, value),
                Came::Is(value) => {
                    is_some = true;
                    fields.set(*position, value);
                }
            }
        }
        let came = match (is_some, is_told) {
            (true, _) => Came::Is(Value::Null),
            (false, true) => Came::Nothing,
            (false, false) => Came::Missing,
        };
        object.choices.iter().fold(came, |came, choice| self.choice(choice, base, fields, came))
    }

    fn part(&mut self, part: &Part, base: usize) -> Came {
        match part {
            Part::Leaf(line) => self.line(line, base),
            Part::Object(object) => self.object(object, base),
            Part::Slots(slots) => self.slots(slots, base),
            Part::Each(each) => self.each(each, base),
            Part::Split(split) => self.split(split, base),
            Part::When(when) => self.when(when, base),
        }
    }

    fn object(&mut self, object: &ObjectPart, base: usize) -> Came {
        let mut fields = Fields::with_capacity(object.parts.len());
        match self.fill(object, base, &mut fields) {
            Came::Is(_) => Came::Is(Value::Object(fields)),
            // An object that holds nothing but its tags is none.
            came @ (Came::Missing | Came::Nothing | Came::Tag(_)) => came,
        }
    }

    fn slots(&mut self, slots: &[Part], base: usize) -> Came {
        let mut values = Vec::new();
        let mut told = false;
        for slot in slots {
            match self.part(slot, base) {
                Came::Missing | Came::Tag(_) => {}
                Came::Nothing => told = true,
                Came::Is(value) => values.push(value),
            }
        }
        if values.is_empty() && !told { Came::Missing } else { Came::Is(Value::List(values)) }
    }

    fn each(&mut self, each: &EachPart, base: usize) -> Came {
        let mut values = Vec::new();
        // A list of which a part is not told would look like the whole.
        let is_told = each.all().all(|each| match each.within {
            None => self.list(each, base, &mut values),
            Some(slot) => self.elements(each, base, slot).is_some_and(|(first, count)| {
                let raws = self.raws;
                raws.elements(first, count).all(|frame| self.list(each, frame, &mut values))
            }),
        });
        if is_told { Came::Is(Value::List(values)) } else { Came::Missing }
    }

    /// The elements of one native list; whether they are told.
    fn list(&mut self, each: &EachPart, base: usize, values: &mut Vec<Value>) -> bool {
        let Some((first, count)) = self.elements(each, base, each.slot) else { return false };
        if !self.is_whole(each, base) || self.is_doubled(each, (first, count)) {
            return false;
        }
        values.reserve(usize::try_from(count).unwrap_or(0));
        let raws = self.raws;
        for frame in raws.elements(first, count) {
            match is_so(raws, &each.narrow, frame) {
                Some(true) => {}
                Some(false) => continue,
                // It may be one of these.
                None => {
                    self.lost(&each.item);
                    continue;
                }
            }
            let outside = self.open(each.item.forks(), frame);
            if let Came::Is(value) = self.part(&each.item, frame) {
                values.push(value);
            }
            self.open = outside;
        }
        true
    }

    /// Where the elements of a list stand, and how many there are; none where it is not told.
    fn elements(&mut self, each: &EachPart, base: usize, slot: u16) -> Option<(u32, u32)> {
        match self.raws.get(base, slot) {
            Raw::Elements { first, count } => return Some((first, count)),
            Raw::Null => return Some((0, 0)),
            Raw::Absent => {}
            Raw::Boolean(_)
            | Raw::Number(_)
            | Raw::Text(_)
            | Raw::Escaped(_)
            | Raw::Marked(..)
            | Raw::Tree(_)
            | Raw::Object
            | Raw::Array
            | Raw::Next(_) => {
                each.item.lines(true, &mut |line, _| self.findings.truncate_push(line.leaf, What::NotAList));
            }
        }
        self.lost(&each.item);
        None
    }

    #[inline]
    fn line(&mut self, line: &Line, base: usize) -> Came {
        if !self.wanted.contains(line.leaf) {
            return Came::Missing;
        }
        match &line.source {
            Source::Constant(value) => Came::Tag(value.clone()),
            Source::Native(native) => {
                let raw = self.raws.get(base, native.slot);
                if native.codec.jq.as_ref().is_some_and(|jq| !self.may_filter(jq, raw)) {
                    return self.got(line.leaf, Got::Missing);
                }
                match native.codec.read(raw) {
                    Got::Is(value) => Came::Is(value),
                    got => self.got(line.leaf, got),
                }
            }
            Source::Join(join) => self.join(line.leaf, join, base),
            Source::First(rules) => self.first(line.leaf, rules, base),
            Source::Calc(calc) => self.calc(line.leaf, calc, base),
            Source::Hole(held) => self.hole(line.leaf, held, base),
            Source::Behind(behind) => {
                let (head, rest) = (behind.head_slot(), behind.rest.slot);
                self.got(line.leaf, behind.read(self.raws.get(base, head), self.raws.get(base, rest)))
            }
            Source::Tuple(tuple) => {
                let raws = self.raws;
                self.got(line.leaf, tuple.read(|slot| raws.get(base, slot)))
            }
        }
    }

    fn first(&mut self, leaf: LeafId, rules: &[Rule], base: usize) -> Came {
        let raws = self.raws;
        let at = |slot: u16| raws.get(base, slot);
        for rule in rules {
            let untold = rule.when.iter().any(|(slot, _)| at(*slot) == Raw::Absent);
            let is = |(slot, text): &(u16, Option<Box<str>>)| match text {
                Some(text) => at(*slot).text().is_some_and(|told| *told == **text),
                None => at(*slot) == Raw::Null,
            };
            let may_be = |when: &(u16, Option<Box<str>>)| at(when.0) == Raw::Absent || is(when);
            if !rule.when.iter().all(may_be) {
                continue;
            }
            match (&rule.then, untold, self.absent) {
                // It may be this rule, and a later one must not stand for it.
                (Then::Is(_) | Then::At(..) | Then::Calc(_), true, Absent::Untold) => {
                    return self.got(leaf, Got::Missing);
                }
                (Then::Is(_) | Then::At(..) | Then::Calc(_), true, Absent::Empty) => {}
                (Then::Calc(calc), false, _) => return self.calc(leaf, calc, base),
                (Then::Is(value), false, _) => return Came::Is(value.clone()),
                (Then::At(slot, codec), false, _) => match at(*slot) {
                    Raw::Absent => {}
                    raw => return self.scalar(leaf, codec, raw),
                },
            }
        }
        self.findings.truncate_push(leaf, What::NoRule);
        self.got(leaf, Got::Missing)
    }

    fn scalar(&mut self, leaf: LeafId, codec: &Codec, raw: Raw<'_>) -> Came {
        self.got(leaf, codec.read(raw))
    }

    fn got(&mut self, leaf: LeafId, got: Got) -> Came {
        match got {
            Got::Is(value) => Came::Is(value),
            Got::Assumed(value, why) => {
                self.findings.truncate_push(leaf, What::Assumed(why));
                Came::Is(value)
            }
            Got::Nothing => Came::Nothing,
            Got::Missing => {
                self.missing.insert(leaf);
                Came::Missing
            }
            Got::Unknown(value, native) => {
                self.findings.truncate_push(leaf, What::UnknownValue(native));
                if value.is_none() {
                    self.missing.insert(leaf);
                }
                value.map_or(Came::Missing, Came::Is)
            }
            Got::Unfit(why) => {
                self.findings.truncate_push(leaf, What::Unfit(why));
                self.missing.insert(leaf);
                Came::Missing
            }
        }
    }

    fn join(&mut self, leaf: LeafId, join: &Join, base: usize) -> Came {
        let mut text = CompactString::default();
        let (mut told, mut untold) = (false, false);
        let mut unfit = None;
        let mut add = |text: &mut CompactString, slot: u16| match self.raws.get(base, slot) {
            Raw::Absent => untold = true,
            Raw::Null => told = true,
            raw => match raw.text() {
                Some(part) => {
                    told = true;
                    join_on(text, &join.by, &part);
                }
                None => unfit = Some(Got::Unfit("expected single values")),
            },
        };
        join.parts.iter().for_each(|(slot, _)| add(&mut text, *slot));
        if let (true, Some((slot, _))) = (text.is_empty(), &join.otherwise) {
            add(&mut text, *slot);
        }
        let is_told = match self.absent {
            Absent::Untold => !untold,
            Absent::Empty => told,
        };
        let got = match (unfit, is_told, text.is_empty()) {
            (Some(unfit), _, _) => unfit,
            (None, false, _) => Got::Missing,
            (None, true, true) => Got::Nothing,
            (None, true, false) => bounded(&text, join.chars_max).map_or_else(Got::Unfit, Got::Is),
        };
        self.got(leaf, got)
    }

    /// Every leaf under a part is not told.
    fn lost(&mut self, part: &Part) {
        part.lines(true, &mut |line, _| {
            if self.wanted.contains(line.leaf) {
                self.missing.insert(line.leaf);
            }
        });
    }
}

/// Appends a part to a joined text.
pub(super) fn join_on(text: &mut CompactString, by: &str, part: &str) {
    let part = part.trim();
    if !text.is_empty() && !part.is_empty() {
        text.push_str(by);
    }
    text.push_str(part);
}

/// A list of findings that does not grow beyond its bound.
trait Findings {
    fn truncate_push(&mut self, leaf: LeafId, what: What);
}

impl Findings for Vec<Finding> {
    fn truncate_push(&mut self, leaf: LeafId, what: What) {
        if self.len() < FINDINGS_MAX {
            self.push(Finding { leaf, what });
        }
    }
}
