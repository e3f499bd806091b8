//! What replaying came to: entry by entry, and all together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Again;
use crate::{catalog::Action, schema::Class};

/// LIMIT: different changes, and callers, that are told apart; the rest is counted in one.
const TOLD_MAX: usize = 10_000;

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// `App/crm-sync`
    Named(String),
    /// Kind and keyed digest, where the name is erased.
    Digest(String, String),
    /// All that are beyond the bound.
    Others,
}

/// What is another under the other bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It was refused, and is not.
    Allowed,
    /// It is refused, whatever the record.
    Forbidden,
    /// The caller is nobody any more, or switched off.
    Unknown,
    /// There is no such entity or system any more.
    NoTarget,
    /// A record is told that was not.
    Seen,
    /// A record is not told that was.
    Hidden,
    /// A field is wanted that is an unknown one now.
    Unasked(String),
    /// A field is filtered or sorted by that is an unknown one now.
    Unfiltered(String),
    /// A field changes that may not now.
    Unwritable(String),
    /// A field is shown otherwise; none is hidden.
    Field {
        /// Which.
        field: String,
        /// How it was shown.
        was: Option<String>,
        /// How it is.
        is: Option<String>,
        /// How sensitive it is.
        class: Option<&'static str>,
        /// Whether more of it is told.
        is_more: bool,
    },
    /// A plan is not charged any more.
    PlanGone(String),
    /// A plan is charged that was not.
    PlanNew(String),
    /// A limit of another name refuses it.
    Limited {
        /// Of which sort.
        kind: &'static str,
        /// As callers are told of it: `partner`, `partner.day`.
        limit: String,
    },
    /// It was refused by a limit of this sort, and has room.
    Unlimited(String),
    /// Some of the records have no room in this budget.
    Spent(String),
    /// Records were left out for want of room in a budget, and none bounds them.
    Unspent,
}

/// Whether somebody gets more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// As before.
    Same,
    /// More.
    More,
    /// Less.
    Less,
    /// Some more and some less, or neither.
    Differs,
}

/// Why something cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The entry was written before entries held it.
    Old,
    /// What it held is erased.
    Erased,
    /// It is not what was written.
    Damaged,
    /// It does not hold all that was known of the caller.
    Facts,
    /// The bundle that decided is not kept.
    Bundle,
    /// The mapping is another.
    Mapping,
    /// The query was refused, and what it asked for stands in no entry.
    Query,
    /// What would have changed stands in no entry.
    Changed,
    /// The record was never fetched.
    NeverFetched,
    /// More records than one entry tells apart.
    TooMany,
    /// An attribute that statements read now and did not then.
    NotKept(String),
    /// More callers or records than are counted beside the gate.
    Meters,
    /// The entry does not say what would have counted for a budget.
    Uncounted,
    /// How many requests were under way at once.
    AtOnce,
    /// A fact of the request.
    Fact(&'static str),
}

/// What is found of an entry.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What is another, each once.
    pub changes: Vec<What>,
    /// Why more cannot be told, each once.
    pub untold: Vec<Reason>,
}

/// What an entry comes to.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Who asked.
    pub who: Who,
    /// To do what.
    pub action: Action,
    /// To what: an entity, or a system.
    pub target: String,
    /// In which exchange.
    pub request: Option<String>,
    /// What is found.
    pub found: Found,
}

impl Ruling {
    pub(super) fn change(&mut self, what: What) {
        self.found.change(what);
    }

    pub(super) fn untold(&mut self, reason: Reason) {
        self.found.untold(reason);
    }

    /// Whether the caller gets more or less; none where that cannot be told.
    pub fn direction(&self) -> Option<Direction> {
        self.found.direction()
    }
}

impl Found {
    pub(super) fn change(&mut self, what: What) {
        if !self.changes.contains(&what) {
            self.changes.push(what);
        }
    }

    pub(super) fn untold(&mut self, reason: Reason) {
        if !self.untold.contains(&reason) {
            self.untold.push(reason);
        }
    }

    /// Whether nothing is told the caller any more.
    pub(super) fn is_refused(&self) -> bool {
        self.changes.iter().any(|what| {
            matches!(
                what,
                What::Forbidden | What::Unknown | What::NoTarget | What::Unasked(_) | What::Unfiltered(_)
            )
        })
    }

    /// Whether a field is not shown any more that was.
    pub(super) fn hides(&self, name: &str) -> bool {
        self.changes.iter().any(|what| matches!(what, What::Field { field, is: None, .. } if field == name))
    }

    /// Whether the caller gets more or less; none where that cannot be told.
    pub fn direction(&self) -> Option<Direction> {
        let all: BTreeSet<Direction> = self.changes.iter().map(What::direction).collect();
        match (all.first(), all.len(), self.untold.is_empty()) {
            (None, _, true) => Some(Direction::Same),
            (None, _, false) => None,
            (Some(only), 1, _) => Some(*only),
            (Some(_), _, _) => Some(Direction::Differs),
        }
    }
}

impl What {
    pub(super) fn field(field: &str, was: Option<&str>, is: Option<&str>, class: Option<Class>) -> Self {
        Self::Field {
            field: field.to_owned(),
            was: was.map(str::to_owned),
            is: is.map(str::to_owned),
            class: class.map(Class::as_str),
            is_more: rank(is) > rank(was),
        }
    }

    /// Whether it is more for the caller.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Allowed
            | Self::Seen
            | Self::Unlimited(_)
            | Self::Unspent
            | Self::Field { is_more: true, .. } => Direction::More,
            Self::Forbidden
            | Self::Unknown
            | Self::NoTarget
            | Self::Hidden
            | Self::Unasked(_)
            | Self::Unfiltered(_)
            | Self::Unwritable(_)
            | Self::Limited { .. }
            | Self::Spent(_)
            | Self::Field { is_more: false, .. } => Direction::Less,
            Self::PlanGone(_) | Self::PlanNew(_) => Direction::Differs,
        }
    }
}

/// How open a degree is; nothing is hidden.
fn rank(openness: Option<&str>) -> Option<usize> {
    crate::policy::Openness::ALL.into_iter().position(|known| Some(known.as_str()) == openness)
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |how: &Option<String>| how.clone().unwrap_or_else(|| "hidden".to_owned());
        match self {
            Self::Allowed => f.write_str("refused → allowed"),
            Self::Forbidden => f.write_str("allowed → refused"),
            Self::Unknown => f.write_str("allowed → refused: the caller is unknown or switched off"),
            Self::NoTarget => f.write_str("allowed → refused: there is no such collection or system"),
            Self::Seen => f.write_str("a record that was not there is"),
            Self::Hidden => f.write_str("a record that was there is not"),
            Self::Unasked(field) => write!(f, "allowed → refused: `{field}` is asked for"),
            Self::Unfiltered(field) => write!(f, "allowed → refused: `{field}` is filtered or sorted by"),
            Self::Unwritable(field) => write!(f, "allowed → refused: `{field}` changes"),
            Self::Field { field, was, is, class, .. } => {
                let class = class.filter(|class| !matches!(*class, "public" | "internal"));
                let class = class.map_or_else(String::new, |class| format!(" ({class})"));
                write!(f, "{field}{class}: {} → {}", hidden(was), hidden(is))
            }
            Self::PlanGone(plan) => write!(f, "plan `{plan}` is not charged"),
            Self::PlanNew(plan) => write!(f, "plan `{plan}` is charged"),
            Self::Limited { kind, limit } => {
                write!(f, "allowed → refused: the {kind} of `{limit}` is used up")
            }
            Self::Unlimited(kind) => write!(f, "refused for want of {kind} → there is room"),
            Self::Spent(budget) => write!(f, "records are left out: the budget `{budget}` is spent"),
            Self::Unspent => f.write_str("records that were left out for a spent budget are told"),
        }
    }
}

impl Direction {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::More => "more",
            Self::Less => "less",
            Self::Differs => "differs",
        }
    }
}

impl Reason {
    /// In a word, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Old => "old-entry",
            Self::Erased => "erased",
            Self::Damaged => "damaged",
            Self::Facts => "caller-not-kept",
            Self::Bundle => "bundle-not-kept",
            Self::Mapping => "mapping-changed",
            Self::Query => "query-not-kept",
            Self::Changed => "change-not-kept",
            Self::NeverFetched => "never-fetched",
            Self::TooMany => "too-many",
            Self::Meters => "too-much-to-count",
            Self::Uncounted => "shown-not-told-apart",
            Self::AtOnce => "at-once-not-counted",
            Self::NotKept(_) => "attribute-not-kept",
            Self::Fact(_) => "fact-not-kept",
        }
    }

    /// What is not known, where it has a name.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::NotKept(path) => Some(path),
            Self::Fact(name) => Some(name),
            Self::Old
            | Self::Erased
            | Self::Damaged
            | Self::Facts
            | Self::Bundle
            | Self::Mapping
            | Self::Query
            | Self::Changed
            | Self::NeverFetched
            | Self::TooMany
            | Self::Meters
            | Self::Uncounted
            | Self::AtOnce => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old => f.write_str("written before entries held what a replay needs"),
            Self::Erased => f.write_str("what it held is erased"),
            Self::Damaged => f.write_str("the entry is damaged"),
            Self::Facts => f.write_str("not all that was known of the caller was kept"),
            Self::Bundle => f.write_str("the bundle that decided is not kept"),
            Self::Mapping => f.write_str("the mapping is another"),
            Self::Query => f.write_str("the query was refused, and is not kept"),
            Self::Changed => f.write_str("the change was refused, and what it changed is not kept"),
            Self::NeverFetched => f.write_str("records were never fetched"),
            Self::TooMany => f.write_str("more records than an entry tells apart"),
            Self::Meters => f.write_str("more callers or records than are counted beside the gate"),
            Self::Uncounted => f.write_str("the entry does not say what would count for a budget"),
            Self::AtOnce => f.write_str("how many requests were under way at once is not counted"),
            Self::NotKept(path) => write!(f, "`{path}` was not kept: no statement read it"),
            Self::Fact(name) => write!(f, "`{name}` was not kept"),
        }
    }
}

/// What entries came to, of one caller or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// As before.
    pub same: u64,
    /// The caller gets more.
    pub more: u64,
    /// The caller gets less.
    pub less: u64,
    /// Some of both, or neither.
    pub differs: u64,
    /// It cannot be told.
    pub untold: u64,
}

/// A change that entries have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Who asked.
    pub who: Who,
    /// To do what.
    pub action: &'static str,
    /// To what.
    pub target: String,
    /// What is another.
    pub what: What,
}

/// What all of it came to.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// All together.
    pub all: Row,
    /// By who asked.
    pub by_who: BTreeMap<Who, Row>,
    /// Each change, how many entries have it, and the exchange of one of them.
    pub changes: BTreeMap<Change, (u64, Option<String>)>,
    /// Why it cannot be told, and of how many entries.
    pub reasons: BTreeMap<Reason, u64>,
    /// Entries that change in any case, and of which more cannot be told.
    pub partly: u64,
    /// Entries that tell of no decision.
    pub undecided: u64,
}

impl Row {
    fn add(&mut self, direction: Option<Direction>) {
        let count = match direction {
            Some(Direction::Same) => &mut self.same,
            Some(Direction::More) => &mut self.more,
            Some(Direction::Less) => &mut self.less,
            Some(Direction::Differs) => &mut self.differs,
            None => &mut self.untold,
        };
        *count += 1;
    }

    fn join(&mut self, other: &Self) {
        self.same += other.same;
        self.more += other.more;
        self.less += other.less;
        self.differs += other.differs;
        self.untold += other.untold;
    }

    /// How many entries.
    pub fn count(&self) -> u64 {
        self.same + self.changed() + self.untold
    }

    /// How many are not as before.
    pub fn changed(&self) -> u64 {
        self.more + self.less + self.differs
    }
}

impl Sum {
    /// Counts an entry.
    pub fn add(&mut self, again: Again) {
        let ruling = match again {
            Again::Passed => return,
            // Its limits are counted for who tries a bundle, and here they are not.
            Again::AtRate(..) => {
                self.undecided += 1;
                return;
            }
            Again::Undecided => {
                self.undecided += 1;
                return;
            }
            Again::Ruled(ruling) => *ruling,
        };
        let direction = ruling.direction();
        self.all.add(direction);
        self.row(ruling.who.clone()).add(direction);
        if !ruling.found.changes.is_empty() && !ruling.found.untold.is_empty() {
            self.partly += 1;
        }
        for what in ruling.found.changes {
            let (who, target) = (ruling.who.clone(), ruling.target.clone());
            let change = Change { who, action: ruling.action.as_str(), target, what };
            self.change(change, 1, ruling.request.clone());
        }
        for reason in ruling.found.untold {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Adds what others counted.
    pub fn join(&mut self, other: Self) {
        self.all.join(&other.all);
        self.partly += other.partly;
        self.undecided += other.undecided;
        for (who, row) in other.by_who {
            self.row(who).join(&row);
        }
        for (change, (count, sample)) in other.changes {
            self.change(change, count, sample);
        }
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }

    /// Whether something would be another.
    pub fn changes_anything(&self) -> bool {
        self.all.changed() > 0
    }

    fn row(&mut self, who: Who) -> &mut Row {
        let is_known = self.by_who.len() < TOLD_MAX || self.by_who.contains_key(&who);
        self.by_who.entry(if is_known { who } else { Who::Others }).or_default()
    }

    fn change(&mut self, change: Change, count: u64, sample: Option<String>) {
        let is_known = self.changes.len() < TOLD_MAX || self.changes.contains_key(&change);
        let change = if is_known { change } else { Change { who: Who::Others, ..change } };
        let (sum, one) = self.changes.entry(change).or_default();
        *sum += count;
        *one = one.take().or(sample);
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Digest(kind, digest) => {
                write!(f, "{kind} {}", digest.get(..12).unwrap_or(digest))
            }
            Self::Others => f.write_str("others"),
        }
    }
}
