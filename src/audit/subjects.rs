//! Accounting for a record: who received which of its fields, when and through what, and what cannot be told.
//!
//! An answer is one that showed somebody's data where its entry names the record among those shown, or among those whose
//! data it showed: an order of this customer. What an entry does not hold is told apart and never left out: requests
//! passed through, entries that name more than they hold, names that were erased, lanes that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    AskError, Beside, Fault, Index, JournalKeys, KeyedDigest, LaneRead, Line, Opened, Query,
    leaf::{Leaf, LeafShown, Text, word},
    terms,
};

/// LIMIT: answers, changes and refusals that are told one by one; all of them are in the totals.
const TOLD_MAX: usize = 100_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct SubjectQuery {
    /// The entity of the record.
    pub entity: String,
    /// The record.
    pub record: KeyedDigest,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Who received what of one record.
#[derive(Clone, Debug, Default)]
pub struct SubjectReport {
    /// Answers that showed something of it, by time.
    pub disclosures: Vec<Disclosure>,
    /// Changes of it that were written down before they were sent to a system, by time.
    pub changes: Vec<Change>,
    /// Erasures of what stood in clear beside entries that name it: when, and by whom.
    pub erasures: Vec<(Place, String)>,
    /// Answers that looked at it and showed nothing of it, by who asked and why.
    pub unshown: Vec<Unshown>,
    /// How many answers and changes are not told one by one; the totals have them.
    pub untold_one_by_one: u64,
    /// By who received: what, how often, from when until when.
    pub totals: Vec<Total>,
    /// What cannot be told.
    pub untold: Untold,
    /// The lanes that were read.
    pub lanes: Vec<LaneRead>,
}

/// What an answer showed.
#[derive(Clone, Debug)]
pub struct Disclosure {
    /// Where the entry stands.
    pub place: Place,
    /// Who received it.
    pub who: Who,
    /// From which address, where that can be told.
    pub address: Option<String>,
    /// Sort and id of the credential.
    pub credential: (String, String),
    /// What was done.
    pub action: String,
    /// On which entity.
    pub target: String,
    /// Through which door.
    pub door: Door,
    /// The exchange that this one is a part of.
    pub part_of: Option<String>,
    /// How the entry names the record.
    pub through: Through,
    /// The fields: of the record itself, or of the records whose data is its data and of those beside them.
    pub fields: BTreeSet<String>,
    /// The answer's status; none where nobody knows whether it left.
    pub status: Option<u16>,
    /// The bundle that decided, by its digest.
    pub bundle: String,
    /// The statements that decided.
    pub statements: Vec<String>,
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which lane.
    pub lane: String,
    /// As which entry.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// The exchange; empty where it is none.
    pub request: String,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The sort of principal; empty where nobody was identified.
    pub kind: String,
    /// Its digest.
    pub digest: String,
    /// Its name.
    pub name: Name,
}

/// A name, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// As it was sealed.
    Known {
        /// The id.
        id: String,
        /// The organisation.
        partner: Option<String>,
    },
    /// It was erased.
    Erased,
    /// The key of its month is gone.
    KeyGone,
    /// What is sealed does not open, or is not what was sealed.
    Forged,
    /// Nothing was sealed.
    Unsaid,
}

/// By which protocol it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The shared schema over REST.
    Rest,
    /// The same over OData.
    OData,
    /// As a part of another answer, over whichever.
    Part,
    /// None that the entry tells.
    Untold,
}

/// How an entry names the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// It was shown itself.
    Itself,
    /// Records whose data is its data were shown, and those of so many others.
    Others(u64),
}

/// A change of the record.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where the entry stands.
    pub place: Place,
    /// Who asked for it.
    pub who: Who,
    /// What was to be done.
    pub write: String,
    /// The fields that were to change.
    pub fields: Vec<String>,
}

/// Answers that looked at the record and showed nothing of it.
#[derive(Clone, Debug)]
pub struct Unshown {
    /// Who asked.
    pub who: Who,
    /// Why it was refused; empty where it was not.
    pub refusal: String,
    /// How many.
    pub count: u64,
    /// The first and the last of them.
    pub between: Between,
}

/// All that one principal received.
#[derive(Clone, Debug)]
pub struct Total {
    /// Who.
    pub who: Who,
    /// How many answers.
    pub answers: u64,
    /// The first and the last of them.
    pub between: Between,
    /// By entity that was asked for: each field, and in how many answers it was.
    pub fields: BTreeMap<String, BTreeMap<String, u64>>,
    /// The doors it came by.
    pub doors: BTreeSet<Door>,
}

/// The first and the last of several moments, as entries have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
}

/// What cannot be told.
#[derive(Clone, Debug, Default)]
pub struct Untold {
    /// Requests that were passed through to a system as they were, and what came back is in no entry.
    pub calls: Vec<Calls>,
    /// Answers that name more than one entry holds, and may have shown the record.
    pub beyond: Vec<Beyond>,
    /// Answers, changes and looks of somebody whose name was erased.
    pub erased: u64,
    /// The same where the name is sealed under a key that is gone, or does not open.
    pub sealed: u64,
    /// Looks of operators at records of systems.
    pub looks: u64,
    /// Entries that cannot be read, lane by lane.
    pub unreadable: Vec<(String, u64)>,
    /// What of the journal could not be read.
    pub faults: Vec<Fault>,
}

/// Requests that were passed through and answered.
#[derive(Clone, Debug)]
pub struct Calls {
    /// To which system.
    pub system: String,
    /// By whom.
    pub who: Who,
    /// How many.
    pub count: u64,
    /// The first and the last of them.
    pub between: Between,
}

/// Answers that name more than one entry holds.
#[derive(Clone, Debug)]
pub struct Beyond {
    /// Who received them.
    pub who: Who,
    /// How many.
    pub answers: u64,
    /// Records and subjects that they do not name.
    pub unnamed: u64,
    /// The first and the last of them.
    pub between: Between,
}

impl Untold {
    /// Whether all of the journal could be read.
    pub fn is_read_whole(&self) -> bool {
        self.faults.is_empty() && self.unreadable.is_empty()
    }
}

impl Index<'_> {
    /// Who received what of a record. Blocks.
    ///
    /// # Errors
    /// The journal or the index cannot be read, or they differ.
    pub fn subject(&self, asked: &SubjectQuery) -> Result<SubjectReport, AskError> {
        let mut report = SubjectReport { lanes: self.lanes().cloned().collect(), ..SubjectReport::default() };
        let mut gathered = Gathered::new(self.keys, asked);
        let within = |query: Query| Query { since: asked.since, until: asked.until, ..query };
        let named = within(Query { record: Some(asked.record), ..Query::default() });
        self.each(&named, |lane, line, leaf| gathered.named((lane, line, leaf), &mut report))?;
        let beyond = within(Query { beyond: true, ..Query::default() });
        self.each(&beyond, |_, line, leaf| gathered.beyond(line, leaf))?;
        let calls = within(Query { action: Some(terms::CALL.to_owned()), ..Query::default() });
        self.each(&calls, |_, line, leaf| gathered.call(line, leaf))?;
        let looks = within(Query { act: Some("systems-read".to_owned()), ..Query::default() });
        self.each(&looks, |_, _, _| report.untold.looks += 1)?;
        report.untold.unreadable = self.unreadable()?;
        report.untold.faults = self.faults().to_vec();
        gathered.settle(&mut report);
        Ok(report)
    }
}

/// What is gathered by who asked, each by its digest.
struct Gathered<'a> {
    asked: &'a SubjectQuery,
    digest: String,
    names: Names<'a>,
    totals: BTreeMap<String, Total>,
    unshown: BTreeMap<(String, String), Unshown>,
    calls: BTreeMap<(String, String), Calls>,
    beyond: BTreeMap<String, Beyond>,
}

impl<'a> Gathered<'a> {
    fn new(keys: &'a JournalKeys, asked: &'a SubjectQuery) -> Self {
        Self {
            asked,
            digest: asked.record.to_string(),
            names: Names::new(keys),
            totals: BTreeMap::new(),
            unshown: BTreeMap::new(),
            calls: BTreeMap::new(),
            beyond: BTreeMap::new(),
        }
    }

    /// An entry that names the record.
    fn named(&mut self, (lane, line, leaf): (&str, &Line, &Leaf<'_>), report: &mut SubjectReport) {
        let (who, address) = self.names.opened(line, leaf);
        let place = Place {
            lane: lane.to_owned(),
            sequence: line.sequence,
            at: leaf.at.to_owned(),
            request: leaf.request.unwrap_or_default().to_owned(),
        };
        if leaf.kind == "administrative" {
            return report.erasures.push((place, word(leaf.by.as_ref()).to_owned()));
        }
        match who.name {
            Name::Erased => report.untold.erased += 1,
            Name::KeyGone | Name::Forged => report.untold.sealed += 1,
            Name::Known { .. } | Name::Unsaid => {}
        }
        if leaf.kind == "intent" {
            // One of another record names this one as its subject; what came of it is in its answer.
            if leaf.record == Some(&self.digest) {
                let fields = leaf.changed.iter().map(|field| field.0.to_string()).collect();
                let write = word(leaf.write.as_ref()).to_owned();
                add(&mut report.changes, Change { place, who, write, fields }, &mut report.untold_one_by_one);
            }
            return;
        }
        match self.shown(leaf) {
            None => self.unshown(who, leaf),
            Some((through, fields)) => {
                self.total(&who, leaf, &fields);
                let disclosure = disclosure(leaf, place, (who, address), (through, fields));
                add(&mut report.disclosures, disclosure, &mut report.untold_one_by_one);
            }
        }
    }

    /// What an answer showed of it; nothing where it only looked.
    fn shown(&self, leaf: &Leaf<'_>) -> Option<(Through, BTreeSet<String>)> {
        let is = |digest: &&str| **digest == *self.digest;
        let of = |group: &&LeafShown<'_>| group.records.iter().any(is);
        let fields = |field: &Text<'_>| field.0.to_string();
        if leaf.shown.iter().any(|group| of(&group)) {
            let groups = leaf.shown.iter().filter(of);
            return Some((
                Through::Itself,
                groups.flat_map(|group| group.fields.iter().map(fields)).collect(),
            ));
        }
        if !leaf.subjects.iter().any(is) {
            return None;
        }
        let others = (leaf.subjects.len() as u64).saturating_sub(1).saturating_add(leaf.subjects_more);
        let all = leaf.shown.iter().flat_map(|group| group.fields.iter().map(fields)).collect();
        Some((Through::Others(others), all))
    }

    fn total(&mut self, who: &Who, leaf: &Leaf<'_>, fields: &BTreeSet<String>) {
        let total = self.totals.entry(who.digest.clone()).or_insert_with(|| Total {
            who: who.clone(),
            answers: 0,
            between: Between::default(),
            fields: BTreeMap::new(),
            doors: BTreeSet::new(),
        });
        total.answers += 1;
        total.between.take(leaf.at);
        total.doors.insert(Door::of(leaf));
        let of_entity = total.fields.entry(word(leaf.target.as_ref()).to_owned()).or_default();
        for field in fields {
            *of_entity.entry(field.clone()).or_default() += 1;
        }
    }

    fn unshown(&mut self, who: Who, leaf: &Leaf<'_>) {
        let refusal = word(leaf.refusal.as_ref()).to_owned();
        let unshown = self.unshown.entry((who.digest.clone(), refusal.clone())).or_insert_with(|| Unshown {
            who,
            refusal,
            count: 0,
            between: Between::default(),
        });
        unshown.count += 1;
        unshown.between.take(leaf.at);
    }

    /// An answer that names more than it holds, and may have shown the record beside those it names.
    fn beyond(&mut self, line: &Line, leaf: &Leaf<'_>) {
        let shown: u64 = leaf.shown.iter().map(|group| group.more).sum();
        let of_entity = if word(leaf.target.as_ref()) == self.asked.entity { shown } else { 0 };
        let unnamed = of_entity.saturating_add(leaf.subjects_more);
        if leaf.kind != "answer" || unnamed == 0 || self.shown(leaf).is_some() {
            return;
        }
        let who = self.names.known(line, leaf);
        let beyond = self.beyond.entry(who.digest.clone()).or_insert_with(|| Beyond {
            who,
            answers: 0,
            unnamed: 0,
            between: Between::default(),
        });
        beyond.answers += 1;
        beyond.unnamed = beyond.unnamed.saturating_add(unnamed);
        beyond.between.take(leaf.at);
    }

    /// A request that was passed through; one that the gate refused showed nothing.
    fn call(&mut self, line: &Line, leaf: &Leaf<'_>) {
        if leaf.kind != "answer" || leaf.refusal.is_some() {
            return;
        }
        let who = self.names.known(line, leaf);
        let system = word(leaf.target.as_ref()).to_owned();
        let calls = self.calls.entry((system.clone(), who.digest.clone())).or_insert_with(|| Calls {
            system,
            who,
            count: 0,
            between: Between::default(),
        });
        calls.count += 1;
        calls.between.take(leaf.at);
    }

    fn settle(self, report: &mut SubjectReport) {
        let Self { names, totals, unshown, calls, beyond, .. } = self;
        // What one entry does not tell any more another one may.
        let told = |mut who: Who| {
            if let Some(name) = names.known.get(&who.digest) {
                who.name = name.clone();
            }
            who
        };
        report.totals = totals.into_values().map(|total| Total { who: told(total.who), ..total }).collect();
        report.totals.sort_by_key(|total| std::cmp::Reverse(total.answers));
        report.unshown = unshown.into_values().map(|one| Unshown { who: told(one.who), ..one }).collect();
        report.untold.calls = calls.into_values().map(|one| Calls { who: told(one.who), ..one }).collect();
        report.untold.beyond = beyond.into_values().map(|one| Beyond { who: told(one.who), ..one }).collect();
        report.disclosures.sort_by(|one, other| one.place.at.cmp(&other.place.at));
        report.changes.sort_by(|one, other| one.place.at.cmp(&other.place.at));
        report.erasures.sort_by(|one, other| one.0.at.cmp(&other.0.at));
    }
}

fn disclosure(
    leaf: &Leaf<'_>,
    place: Place,
    (who, address): (Who, Option<String>),
    (through, fields): (Through, BTreeSet<String>),
) -> Disclosure {
    let text = |text: Option<&Text<'_>>| word(text).to_owned();
    Disclosure {
        place,
        who,
        address,
        credential: (text(leaf.credential.as_ref()), text(leaf.credential_id.as_ref())),
        action: text(leaf.action.as_ref()),
        target: text(leaf.target.as_ref()),
        door: Door::of(leaf),
        part_of: leaf.note("part_of").map(str::to_owned),
        through,
        fields,
        status: leaf.status,
        bundle: leaf.bundle.unwrap_or_default().to_owned(),
        statements: leaf.decided.iter().map(|statement| statement.0.to_string()).collect(),
    }
}

/// LIMIT: what is told one by one.
fn add<T>(told: &mut Vec<T>, one: T, beyond: &mut u64) {
    if told.len() < TOLD_MAX { told.push(one) } else { *beyond += 1 }
}

impl Between {
    pub(super) fn take(&mut self, at: &str) {
        if self.first.is_empty() || at < &*self.first {
            at.clone_into(&mut self.first);
        }
        if at > &*self.last {
            at.clone_into(&mut self.last);
        }
    }
}

impl Door {
    /// As reports say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "REST",
            Self::OData => "OData",
            Self::Part => "part of another answer",
            Self::Untold => "not told",
        }
    }

    pub(super) fn of(leaf: &Leaf<'_>) -> Self {
        let path = word(leaf.path.as_ref());
        if leaf.note("part_of").is_some() {
            Self::Part
        } else if path.starts_with("/odata") {
            Self::OData
        } else if path.starts_with("/v1") {
            Self::Rest
        } else {
            Self::Untold
        }
    }
}

impl Name {
    /// What one entry does not tell any more another one may.
    pub(super) fn better(&mut self, other: Self) {
        if let (Self::Erased | Self::KeyGone | Self::Forged | Self::Unsaid, Self::Known { .. }) =
            (&*self, &other)
        {
            *self = other;
        }
    }
}

/// What is sealed beside an entry, as far as reports say it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Plain {
    id: String,
    partner: Option<String>,
    address: Option<String>,
}

/// Names of those who asked, opened once each where that is enough.
pub(super) struct Names<'k> {
    keys: &'k JournalKeys,
    known: BTreeMap<String, Name>,
}

impl<'k> Names<'k> {
    pub(super) fn new(keys: &'k JournalKeys) -> Self {
        Self { keys, known: BTreeMap::new() }
    }

    /// Who asked and from where, as this entry tells.
    pub(super) fn opened(&mut self, line: &Line, leaf: &Leaf<'_>) -> (Who, Option<String>) {
        let (kind, digest) = leaf.who.as_ref().map_or(("", ""), |who| (who.kind, who.id));
        let (name, address) = match line.beside() {
            Beside::Nothing => (Name::Unsaid, None),
            Beside::Erased => (Name::Erased, None),
            Beside::Sealed(sealed) => {
                match self.keys.unseal(sealed, leaf.salt, leaf.sealed.unwrap_or_default()) {
                    Opened::Plain(plain) => named(&plain),
                    Opened::KeyGone => (Name::KeyGone, None),
                    Opened::Forged => (Name::Forged, None),
                }
            }
        };
        if let Name::Known { .. } = name {
            self.known.entry(digest.to_owned()).or_insert_with(|| name.clone());
        }
        (Who { kind: kind.to_owned(), digest: digest.to_owned(), name }, address)
    }

    /// Who asked, as this entry or one before tells.
    pub(super) fn known(&mut self, line: &Line, leaf: &Leaf<'_>) -> Who {
        let who = leaf.who.as_ref();
        match who.and_then(|who| self.known.get(who.id)) {
            Some(name) => Who {
                kind: who.map_or("", |who| who.kind).to_owned(),
                digest: who.map_or("", |who| who.id).to_owned(),
                name: name.clone(),
            },
            None => self.opened(line, leaf).0,
        }
    }
}

fn named(plain: &str) -> (Name, Option<String>) {
    match serde_json::from_str::<Plain>(plain) {
        Ok(Plain { id, address, .. }) if id.is_empty() => (Name::Unsaid, address),
        Ok(Plain { id, partner, address }) => (Name::Known { id, partner }, address),
        Err(_) => (Name::Forged, None),
    }
}
