//! What a bundle's plans would have charged, had it served: meters of its own, in memory alone, by the moments that
//! requests came at.
//!
//! It begins with nothing used, keeps nothing, and asks no store. How many requests are under way at once is not
//! counted: each is charged and gone.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use futures_util::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    Away, Capped, Counters, Counts, Day, Exposures, Given, Kept, KeysMax, Limited, Plans, Quota, Want,
    exposure, meter::Handle,
};
use crate::{
    clock::Now,
    identity::Facts,
    words::{Digest, EntityName, PlanName},
};

/// LIMIT: callers that are counted at once, once per plan; and as many addresses.
const KEYS_MAX: KeysMax = KeysMax { addresses: 16_384, principals: 65_536 };
/// LIMIT: daily quotas that are counted at once.
const DAYS_MAX: usize = 131_072;
/// LIMIT: digests of records and people that are counted, of all budgets together; 16 bytes each.
const SHOWN_MAX: usize = 1 << 20;

/// Meters beside those of a gate.
#[derive(Debug)]
pub struct Rehearsal {
    quota: Quota,
    kept: Arc<InMemory>,
    /// Both clocks when it began.
    base: Now,
}

/// A caller's own rate was charged.
#[derive(Debug)]
pub struct Rehearsed(Handle);

/// What of the charged plans bounds what may be shown.
#[derive(Debug)]
pub struct Bounded(Capped);

/// What an answer showed: whatever counts as one goes by one digest.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The entity whose records were shown, and which.
    pub records: Option<(EntityName, Vec<u64>)>,
    /// The entity whose records are the people of whom something personal was shown, and who they are.
    pub people: Option<(EntityName, Vec<u64>)>,
}

/// What of it there would have been no room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// Records, or people.
    pub count: u64,
    /// The budget that left the first of them out.
    pub budget: PlanName,
}

impl Rehearsal {
    /// Nothing used; requests of before go by this moment.
    pub fn new(base: Now) -> Self {
        let kept = Arc::new(InMemory::default());
        let all = Kept { counters: kept.clone(), exposures: kept.clone(), key: Digest([0; 32]) };
        Self { quota: Quota::new(all, KEYS_MAX, base), kept, base }
    }

    /// Charges a caller's own rate, for a request that came at a moment.
    ///
    /// # Errors
    /// When it is over its rate.
    pub fn greet(
        &self,
        plans: &Plans,
        facts: &Facts,
        address: IpAddr,
        at: Timestamp,
    ) -> Result<Rehearsed, Limited> {
        self.quota.greeted(plans, facts, address, self.at(at)).map(Rehearsed)
    }

    /// Charges every plan that applies to what it asks.
    ///
    /// # Errors
    /// The first limit that is reached; none where it cannot be told.
    pub fn admit(
        &self,
        plans: &Plans,
        Rehearsed(own): Rehearsed,
        (facts, address): (&Facts, IpAddr),
        named: &[PlanName],
        at: Timestamp,
    ) -> Result<Bounded, Option<Limited>> {
        let charged = self.quota.charge(plans, (facts, own), named, &[], address, self.at(at));
        // What is in memory answers at once.
        match charged.now_or_never() {
            Some(Ok(charged)) => Ok(Bounded(charged.capped)),
            Some(Err(limited)) => Err(Some(limited)),
            None => Err(None),
        }
    }

    /// Counts what was shown; what there would have been no room for, if anything.
    ///
    /// # Errors
    /// It cannot be counted: there is too much of it.
    pub fn expose(
        &self,
        Bounded(capped): &Bounded,
        seen: &Seen,
        at: Timestamp,
    ) -> Result<Option<LeftOver>, Away> {
        let now = self.at(at);
        let budgets: Vec<_> = capped.budgets().collect();
        let purses = budgets.iter().map(|(budget, plan, unit)| exposure::purse(budget, plan, unit, now));
        let mut want = Want { purses: purses.collect(), rows: Vec::new(), is_whole: false };
        for (shown, is_people) in [(&seen.records, false), (&seen.people, true)] {
            let Some((entity, digests)) = shown else { continue };
            let counts = |counts: &Counts| match counts {
                Counts::Records(of) => !is_people && of == entity,
                Counts::People(of) => is_people && of == entity,
            };
            let of = budgets.iter().enumerate().filter(|(_, (budget, ..))| counts(&budget.counts));
            let places: Vec<usize> = of.map(|(place, _)| place).collect();
            let row = |digest: &u64| places.iter().map(|place| (*place, *digest)).collect::<SmallVec<_>>();
            want.rows.extend(digests.iter().map(row).filter(|row| !row.is_empty()));
        }
        let given = self.kept.taken(&want)?;
        let mut over = given.over.iter().flatten();
        let first = over.next().and_then(|place| budgets.get(*place));
        Ok(first.map(|(budget, ..)| LeftOver {
            count: u64::try_from(over.count()).unwrap_or(u64::MAX).saturating_add(1),
            budget: budget.policy.name.clone(),
        }))
    }

    /// Whether any of it bounds what may be shown.
    pub fn is_bounded(Bounded(capped): &Bounded) -> bool {
        capped.budgets().next().is_some()
    }

    /// Drops what says no more than nothing would. To be called every few seconds.
    pub fn sweep(&self, at: Timestamp) {
        self.quota.sweep(self.at(at));
        self.kept.sweep(at);
    }

    /// A moment on both clocks. What came before it began came when it began.
    fn at(&self, wall: Timestamp) -> Now {
        let since = Duration::try_from(wall.duration_since(self.base.wall)).unwrap_or(Duration::ZERO);
        Now { wall, mono: self.base.mono.checked_add(since).unwrap_or(self.base.mono) }
    }
}

/// Daily quotas and exposures, kept nowhere.
#[derive(Debug, Default)]
struct InMemory {
    days: Mutex<HashMap<(String, Day), u64, RandomState>>,
    shown: Mutex<Purses>,
}

/// When a purse's time ends, and what it holds.
type Shown = (Timestamp, HashSet<u64, RandomState>);

#[derive(Debug, Default)]
struct Purses {
    all: HashMap<(Arc<str>, i64), Shown, RandomState>,
    count: usize,
}

impl InMemory {
    fn sweep(&self, at: Timestamp) {
        let today = Day::of(at);
        self.days.lock().retain(|(_, day), _| *day >= today);
        let mut shown = self.shown.lock();
        shown.all.retain(|_, (ends, _)| *ends > at);
        shown.count = shown.all.values().map(|(_, digests)| digests.len()).sum();
    }

    /// Takes records in their order, each into all of its purses or none.
    fn taken(&self, want: &Want) -> Result<Given, Away> {
        let mut shown = self.shown.lock();
        let mut given = Given::default();
        let counts = |shown: &Purses| -> Vec<u64> {
            let one = |purse: &super::Purse| shown.all.get(&(purse.key.clone(), purse.window));
            let count = |known: &Shown| known.1.len();
            want.purses
                .iter()
                .map(|purse| u64::try_from(one(purse).map_or(0, count)).unwrap_or(u64::MAX))
                .collect()
        };
        let before = counts(&shown);
        for row in &want.rows {
            let is_over = |(place, digest): &&(usize, u64)| {
                let Some(purse) = want.purses.get(*place) else { return false };
                let known = shown.all.get(&(purse.key.clone(), purse.window));
                known.map_or(purse.most == 0, |(_, digests)| {
                    !digests.contains(digest)
                        && u64::try_from(digests.len()).unwrap_or(u64::MAX) >= purse.most
                })
            };
            let over = row.iter().find(is_over).map(|(place, _)| *place);
            given.over.push(over);
            if over.is_some() {
                continue;
            }
            for (place, digest) in row {
                let Some(purse) = want.purses.get(*place) else { continue };
                if shown.count >= SHOWN_MAX {
                    return Err(Away("more is shown than is counted beside the gate".into()));
                }
                let key = (purse.key.clone(), purse.window);
                let (_, digests) = shown.all.entry(key).or_insert_with(|| (purse.ends, HashSet::default()));
                let is_new = digests.insert(*digest);
                shown.count = shown.count.saturating_add(usize::from(is_new));
            }
        }
        given.counts = before.into_iter().zip(counts(&shown)).collect();
        Ok(given)
    }
}

impl Counters for InMemory {
    fn lease<'a>(
        &'a self,
        key: &'a str,
        day: Day,
        amount: u32,
        limit: u64,
    ) -> BoxFuture<'a, Result<u32, Away>> {
        let mut days = self.days.lock();
        let key = (key.to_owned(), day);
        let granted = if days.len() >= DAYS_MAX && !days.contains_key(&key) {
            Err(Away("more daily quotas than are counted beside the gate".into()))
        } else {
            let used = days.entry(key).or_default();
            let granted = u64::from(amount).min(limit.saturating_sub(*used));
            *used = used.saturating_add(granted);
            // No more than `amount`, which is one.
            Ok(u32::try_from(granted).unwrap_or(amount))
        };
        std::future::ready(granted).boxed()
    }

    fn refund<'a>(&'a self, _: &'a str, _: Day, _: u32) -> BoxFuture<'a, Result<(), Away>> {
        std::future::ready(Ok(())).boxed()
    }
}

impl Exposures for InMemory {
    fn take(&self, want: Want) -> BoxFuture<'_, Result<Given, Away>> {
        std::future::ready(self.taken(&want)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        identity::CredentialId,
        quota::LimitKind,
        words::{Diagnostics, Kind, PrincipalId, tree},
    };

    const LIMITS: &str = "\
strangers: { rate: 5/s }
principals_default: small
plans:
  small: { rank: 1, rate: 2/s, per: principal, concurrency: 1 }
  daily: { rank: 2, rate: 100/s, per: principal, concurrency: 1, quota: 3/day }
  shown: { rank: 3, rate: 100/s, per: principal, concurrency: 1, exposure: [{ records: Order, most: 2/day }, { people: Customer, most: 1/hour }] }
";
    const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    struct World {
        plans: Plans,
        rehearsal: Rehearsal,
        facts: Facts,
        start: Timestamp,
    }

    impl World {
        fn new() -> Self {
            let mut found = Diagnostics::default();
            let node = tree::parse(&"limits.yaml".into(), LIMITS).unwrap();
            let plans = Plans::load(&node, &mut found).unwrap_or_else(|| panic!("{found}"));
            let start: Timestamp = "2026-01-05T12:00:00Z".parse().unwrap();
            let base = Now { wall: start, mono: clock::mono() };
            let facts = Facts::bare(Kind::App, PrincipalId::new("shop"), CredentialId::None);
            Self { plans, rehearsal: Rehearsal::new(base), facts, start }
        }

        fn after(&self, seconds: i64) -> Timestamp {
            self.start.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
        }

        fn charge(&self, seconds: i64, named: &[&str]) -> Result<Bounded, LimitKind> {
            let (at, named) = (self.after(seconds), named.iter().map(|name| PlanName::new(*name)));
            let greeted = self.rehearsal.greet(&self.plans, &self.facts, NOBODY, at);
            let greeted = greeted.map_err(|limited| limited.kind)?;
            let named: Vec<PlanName> = named.collect();
            let admitted = self.rehearsal.admit(&self.plans, greeted, (&self.facts, NOBODY), &named, at);
            admitted.map_err(|limited| limited.unwrap().kind)
        }
    }

    #[test]
    fn a_rate_goes_by_when_requests_came_and_not_by_when_they_are_looked_at() {
        let world = World::new();
        // All in one go here, and seconds apart when they were made.
        for second in 0..20 {
            assert!(world.charge(second, &[]).is_ok(), "{second}");
        }
        assert!(world.charge(20, &[]).is_ok() && world.charge(20, &[]).is_ok());
        assert_eq!(world.charge(20, &[]).err(), Some(LimitKind::Rate));
        assert!(world.charge(21, &[]).is_ok());
    }

    #[test]
    fn a_days_quota_is_spent_and_there_again_the_next_day() {
        let world = World::new();
        for second in 0..3 {
            assert!(world.charge(second, &["daily"]).is_ok());
        }
        assert_eq!(world.charge(4, &["daily"]).err(), Some(LimitKind::Quota));
        world.rehearsal.sweep(world.after(86_400));
        assert!(world.charge(86_400, &["daily"]).is_ok());
    }

    #[test]
    fn records_and_people_are_counted_each_once_in_the_time_of_their_budget() {
        let world = World::new();
        let bounded = world.charge(0, &["shown"]).unwrap();
        assert!(Rehearsal::is_bounded(&bounded));
        let seen = |records: &[u64], people: &[u64]| Seen {
            records: Some(("Order".into(), records.to_vec())),
            people: Some(("Customer".into(), people.to_vec())),
        };
        let shown = |seconds, seen: Seen| {
            let left = world.rehearsal.expose(&bounded, &seen, world.after(seconds)).unwrap();
            left.map(|left| (left.count, left.budget.to_string()))
        };
        assert_eq!(shown(0, seen(&[1, 2], &[9])), None);
        assert_eq!(shown(1, seen(&[2, 1, 2], &[9])), None, "the same once more");
        assert_eq!(shown(2, seen(&[1, 3, 4], &[9])), Some((2, "shown.order.day".into())));
        assert_eq!(shown(3, seen(&[1], &[8])), Some((1, "shown.customer.people.hour".into())));
        assert_eq!(shown(3600, seen(&[1], &[8])), None, "another hour");
        let other = Seen { records: Some(("Invoice".into(), vec![5, 6, 7])), people: None };
        assert_eq!(shown(4, other), None);
    }
}
