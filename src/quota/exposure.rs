//! What callers are shown is counted before it is told: records and people, each once in the time of a budget.
//!
//! What was shown is kept in the store as keyed digests of 64 bits, one by one, so a budget cuts exactly where it says
//! and a restart forgets nothing. Two different records have the same digest about once in 37 million full budgets;
//! then one record more is told. One count is kept for a partner with all its programs, people and credentials, else
//! for a principal. What cannot be counted is not told.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use aws_lc_rs::hmac;
use compact_str::CompactString;
use foldhash::fast::RandomState;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    AWAY_FOR, Admission, Away, LimitKind, Limited, Quota,
    budget::{Budget, Counts},
    limited,
    meter::Subject,
    plans::Plan,
};
use crate::{
    clock::Now,
    identity::Facts,
    policy::Shown,
    words::{Digest, EntityName, Kind},
};

/// LIMIT: digests that are remembered as counted; the store knows all.
const REMEMBERED_MAX: usize = 1 << 20;

/// A record that may be told: its exposure is counted, or nothing counts it.
#[derive(Debug)]
pub struct Exposed(Shown);

impl Exposed {
    /// What is told.
    pub fn shown(&self) -> &Shown {
        &self.0
    }
}

/// Whose record is about to be told.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The record's own id, told or not.
    pub id: CompactString,
    /// Whether something personal is told of it that is its own.
    pub is_person: bool,
    /// Others whose data is told with it.
    pub people: SmallVec<[Person; 1]>,
    /// The caller made or changed it, and is told which record it was, and no more.
    pub is_named: bool,
}

impl Whose {
    /// A record that was written and of which nothing but its id is told.
    pub fn named(id: &str) -> Self {
        Self { id: id.into(), is_person: false, people: SmallVec::new(), is_named: true }
    }
}

/// Somebody whose data stands in a record of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The entity it is a record of.
    pub of: EntityName,
    /// Its id.
    pub id: CompactString,
    /// Whether what is told is personal.
    pub is_personal: bool,
    /// Whether something of it is shown, and not told alone by what was asked.
    pub is_shown: bool,
}

/// What is done where a budget does not suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The records that do not fit are left out, the others told.
    LeftOut,
    /// None is told, and none is counted.
    Refused,
}

/// What may be told of what was asked.
#[derive(Debug)]
pub struct Telling {
    /// Each record in its place; none where it is left out.
    pub records: Vec<(Option<Exposed>, Whose)>,
    /// How many are left out.
    pub left_out: u64,
    /// The first limit that left one out.
    pub over: Option<Limited>,
    /// Budgets of which so much is spent now that somebody has to know.
    pub alerts: Vec<Alert>,
}

/// A budget of which a share is spent that somebody has to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The budget: `partner.order.day`.
    pub budget: Box<str>,
    /// Whose it is: `partner/acme`.
    pub of: String,
    /// How many were shown.
    pub count: u64,
    /// How many may be.
    pub most: u64,
}

/// One budget of one caller, in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purse {
    /// The budget and whose it is. Its size is no part of it: a reload keeps the count.
    pub key: Arc<str>,
    /// The window's number.
    pub window: i64,
    /// When the window ends.
    pub ends: Timestamp,
    /// How much it holds.
    pub most: u64,
}

/// What is to be taken out of some purses.
#[derive(Clone, Debug)]
pub struct Want {
    /// The purses.
    pub purses: Vec<Purse>,
    /// What each record takes: out of which purse, and the digest that is counted there.
    pub rows: Vec<SmallVec<[(usize, u64); 2]>>,
    /// Whether all of it is taken or nothing.
    pub is_whole: bool,
}

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Of each record the purse that it does not fit into.
    pub over: Vec<Option<usize>>,
    /// What stood in each purse before, and what stands there now.
    pub counts: Vec<(u64, u64)>,
}

/// Where it is kept what was shown. The store room implements it; it must answer or fail within a bound of its own.
pub trait Exposures: Send + Sync + fmt::Debug {
    /// Takes records into purses in their order, each into all of its purses or none; durable before it answers.
    fn take(&self, want: Want) -> BoxFuture<'_, Result<Given, Away>>;
}

/// What exposures are counted by.
#[derive(Debug)]
pub(super) struct Ledger {
    kept: Arc<dyn Exposures>,
    key: hmac::Key,
    /// What is known to be counted, by purse and window.
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    all: HashMap<(Arc<str>, i64), HashSet<u64, RandomState>, RandomState>,
    count: usize,
}

impl Ledger {
    pub(super) fn new(kept: Arc<dyn Exposures>, key: &Digest) -> Self {
        Self { kept, key: hmac::Key::new(hmac::HMAC_SHA256, &key.0), remembered: Mutex::default() }
    }

    /// What a record is counted by.
    fn digest(&self, entity: &EntityName, id: &str) -> u64 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(entity.as_str().as_bytes());
        context.update(&[0]);
        context.update(id.as_bytes());
        context.sign().as_ref().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    async fn taken(&self, want: &Want) -> Result<Given, Away> {
        let given = self.kept.take(want.clone()).await?;
        let fits = given.over.len() == want.rows.len() && given.counts.len() == want.purses.len();
        fits.then_some(given).ok_or_else(|| Away("it answers something else".into()))
    }

    fn are_counted(&self, want: &Want) -> bool {
        let remembered = self.remembered.lock();
        want.rows.iter().flatten().all(|(at, digest)| {
            let purse = want.purses.get(*at).map(|purse| (purse.key.clone(), purse.window));
            purse.and_then(|purse| remembered.all.get(&purse)).is_some_and(|known| known.contains(digest))
        })
    }

    fn remember(&self, want: &Want, given: &Given) {
        // Of what had to fit whole and did not, nothing was taken.
        if want.is_whole && given.over.iter().any(Option::is_some) {
            return;
        }
        let mut remembered = self.remembered.lock();
        let taken =
            want.rows.iter().zip(&given.over).filter(|(_, over)| over.is_none()).flat_map(|(row, _)| row);
        for (at, digest) in taken {
            let Some(purse) = want.purses.get(*at) else { continue };
            if remembered.count >= REMEMBERED_MAX {
                *remembered = Remembered::default();
            }
            let known = remembered.all.entry((purse.key.clone(), purse.window)).or_default();
            remembered.count += usize::from(known.insert(*digest));
        }
    }
}

/// Whose purse it is: a partner's with all that it has.
fn unit(facts: &Facts, address: std::net::IpAddr) -> Subject {
    match (facts.kind, &facts.partner) {
        (Kind::Anonymous, _) => Subject::address(address),
        (Kind::App | Kind::Partner | Kind::User, Some(partner)) => Subject::Partner(partner.clone()),
        (Kind::App | Kind::Partner | Kind::User, None) => Subject::Principal(facts.kind, facts.id.clone()),
    }
}

/// The plans of an admission that have budgets, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Capped(SmallVec<[(Arc<Plan>, Subject); 1]>);

impl Capped {
    pub(super) fn add(&mut self, plan: &Arc<Plan>, facts: &Facts, address: std::net::IpAddr) {
        if !plan.budgets.is_empty() {
            self.0.push((plan.clone(), unit(facts, address)));
        }
    }

    pub(super) fn budgets(&self) -> impl Iterator<Item = (&Budget, &Plan, &Subject)> {
        self.0.iter().flat_map(|(plan, unit)| plan.budgets.iter().map(move |budget| (budget, &**plan, unit)))
    }
}

impl Quota {
    /// Counts records that are about to be told, and says which may be. What was told in the same window costs nothing.
    ///
    /// # Errors
    /// Where all were wanted and not all fit; or where they cannot be counted.
    pub async fn expose(
        &self,
        admission: &Admission,
        records: Vec<(Shown, Whose)>,
        over: Over,
        now: Now,
    ) -> Result<Telling, Limited> {
        let budgets: Vec<(&Budget, &Plan, &Subject)> = admission.charged.capped.budgets().collect();
        let Some((any, ..)) = budgets.first() else { return Ok(uncounted(records)) };
        let want = Want {
            purses: budgets.iter().map(|(budget, plan, unit)| purse(budget, plan, unit, now)).collect(),
            rows: records.iter().map(|(shown, whose)| self.row(&budgets, shown, whose)).collect(),
            is_whole: over == Over::Refused,
        };
        if want.rows.iter().all(SmallVec::is_empty) || self.exposures.are_counted(&want) {
            return Ok(uncounted(records));
        }
        let given = self.exposures.taken(&want).await.map_err(|away| {
            tracing::warn!(error = %away, "what is shown cannot be counted, so it is not shown");
            limited(LimitKind::Away, &any.policy, AWAY_FOR, AWAY_FOR)
        })?;
        self.exposures.remember(&want, &given);
        let first = given.over.iter().flatten().next();
        let limit = first.and_then(|at| Some(spent(budgets.get(*at)?.0, want.purses.get(*at)?, now)));
        if let (Some(limit), Over::Refused) = (&limit, over) {
            return Err(limit.clone());
        }
        let left_out = given.over.iter().filter(|over| over.is_some()).count();
        let tell = |((shown, whose), over): ((Shown, Whose), &Option<usize>)| {
            (over.is_none().then_some(Exposed(shown)), whose)
        };
        Ok(Telling {
            alerts: alerts(&budgets, &given),
            records: records.into_iter().zip(&given.over).map(tell).collect(),
            left_out: u64::try_from(left_out).unwrap_or(u64::MAX),
            over: limit,
        })
    }

    /// Takes in that a record was asked for which is not there, for this caller; about how many different ones there were
    /// within the hour, once they come to `most`. For alerts alone.
    pub fn missed(
        &self,
        (facts, address): (&Facts, std::net::IpAddr),
        (entity, id): (&EntityName, &str),
        most: u32,
        now: Now,
    ) -> Option<(String, u64)> {
        let of = unit(facts, address);
        let count = self.walks.missed(&of, self.exposures.digest(entity, id), most, now)?;
        Some((unit_name(&of), count))
    }

    /// What a record takes out of which budget.
    fn row(
        &self,
        budgets: &[(&Budget, &Plan, &Subject)],
        shown: &Shown,
        whose: &Whose,
    ) -> SmallVec<[(usize, u64); 2]> {
        let mut row = SmallVec::new();
        if shown.fields().is_empty() || whose.is_named {
            return row;
        }
        let name = &shown.entity().name;
        for (at, (budget, ..)) in budgets.iter().enumerate() {
            let of = budget.counts.entity();
            let own = match budget.counts {
                Counts::Records(_) => of == name,
                Counts::People(_) => of == name && whose.is_person,
            };
            if own {
                row.push((at, self.exposures.digest(of, &whose.id)));
            }
            if let Counts::People(_) = budget.counts {
                for person in whose.people.iter().filter(|person| person.of == *of && person.is_personal) {
                    let digest = self.exposures.digest(of, &person.id);
                    if !row.contains(&(at, digest)) {
                        row.push((at, digest));
                    }
                }
            }
        }
        row
    }
}

/// All of it, where nothing new is counted.
fn uncounted(records: Vec<(Shown, Whose)>) -> Telling {
    let records = records.into_iter().map(|(shown, whose)| (Some(Exposed(shown)), whose)).collect();
    Telling { records, left_out: 0, over: None, alerts: Vec::new() }
}

pub(super) fn purse(budget: &Budget, plan: &Plan, unit: &Subject, now: Now) -> Purse {
    let window = budget.most.span.window(now.wall);
    let whose = unit_name(unit);
    Purse {
        key: format!("{}/{}/{}/{whose}", plan.name, budget.counts.name(), budget.most.span.as_str()).into(),
        window: window.number,
        ends: window.ends,
        most: u64::from(budget.most.count.get()),
    }
}

fn unit_name(unit: &Subject) -> String {
    match unit {
        Subject::Principal(kind, id) => format!("principal/{kind}/{id}"),
        Subject::Partner(id) => format!("partner/{id}"),
        Subject::Address(address) => format!("address/{address}"),
    }
}

/// The refusal of what does not fit any more.
fn spent(budget: &Budget, purse: &Purse, now: Now) -> Limited {
    let left = purse.ends.duration_since(now.wall);
    let left = left.try_into().unwrap_or(AWAY_FOR);
    limited(LimitKind::Exposure, &budget.policy, left, left)
}

fn alerts(budgets: &[(&Budget, &Plan, &Subject)], given: &Given) -> Vec<Alert> {
    let passed = budgets
        .iter()
        .zip(&given.counts)
        .filter(|((budget, ..), (before, now))| *before < budget.alert && *now >= budget.alert);
    passed
        .map(|((budget, _, unit), (_, now))| Alert {
            budget: budget.policy.name.as_str().into(),
            of: unit_name(unit),
            count: *now,
            most: u64::from(budget.most.count.get()),
        })
        .collect()
}
