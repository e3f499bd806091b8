//! Rates, concurrency and daily quotas: a caller is charged before anything is done for it.
//!
//! Settings ([`Plans`]) belong to a bundle; what was used of them ([`Quota`]) lives as long as the process
//! and, for the daily quota, in a store behind [`Counters`]. A reload therefore refills nothing and loses
//! nothing. Everything is bounded; whatever cannot be counted is refused.
//!
//! ORDER: [`Quota::address`] before a credential is looked at; [`Quota::greet`] once the caller is known, so
//! that tries which are denied are charged too; [`Quota::admit`] before the first call to a system.
//!
//! ```
//! use bramka::{quota::Plans, words::{Diagnostics, tree}};
//! let text = "strangers: { rate: 100/s }\nprincipals_default: reader\nplans:\n  \
//!     reader: { rank: 1, rate: 10/s, per: principal, concurrency: 5, quota: 1000/day, fails: closed }";
//! let mut found = Diagnostics::default();
//! let plans = Plans::load(&tree::parse(&"limits.yaml".into(), text).unwrap(), &mut found).unwrap();
//! assert_eq!(plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(), ["reader"]);
//! ```

mod budget;
mod daily;
mod exposure;
mod meter;
mod plans;
mod rate;
mod rehearsal;
mod standing;
#[cfg(test)]
mod tests;
mod walks;

use std::{
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use smallvec::SmallVec;

pub use self::{
    budget::{Budget, BudgetFile, Counts, Most, Share, Span, Window},
    daily::{Away, Counters, Daily, Day},
    exposure::{Alert, Exposed, Exposures, Given, Over, Person, Purse, Telling, Want, Whose},
    plans::{Fails, LimitsFile, Per, Plan, PlanFile, Plans, StrangersFile},
    rehearsal::{Bounded, LeftOver, Rehearsal, Rehearsed, Seen},
    standing::{LimitKind, Limited, Policy, Standing, headers},
};
use self::{
    daily::{Ledger, Taken},
    exposure::Capped,
    meter::{Handle, Key, Meters, Slot, Subject},
    rate::Level,
};
use crate::{
    clock::Now,
    identity::{Caller, Facts},
    policy::Prospect,
    words::{Digest, Kind, PlanName},
};

/// Proof that an address was charged, before anything else was looked at.
#[derive(Debug)]
pub struct Stranger(());

/// Proof that a caller's own rate was charged, whatever becomes of its request.
#[derive(Debug)]
pub struct Greeted {
    facts: Arc<Facts>,
    /// The caller's own plan's.
    meter: Handle,
}

/// Proof that the plans were charged; the slots it holds return when it is dropped.
#[derive(Debug)]
pub struct Admission {
    prospect: Prospect,
    charged: Charged,
}

impl Admission {
    /// What was admitted.
    pub fn prospect(&self) -> &Prospect {
        &self.prospect
    }

    /// The limit that is nearest to refusing this caller.
    pub fn standing(&self) -> &Standing {
        &self.charged.standing
    }
}

/// What was charged for one request.
#[derive(Debug)]
struct Charged {
    standing: Standing,
    /// Dropping them gives the slots back.
    slots: SmallVec<[Slot; 2]>,
    /// What of it bounds what may be shown.
    capped: Capped,
}

/// How many subjects are counted at once.
#[derive(Clone, Copy, Debug)]
pub struct KeysMax {
    /// Addresses of requests not identified yet, and as many of anonymous callers once per plan.
    pub addresses: usize,
    /// Principals and partners, once per plan.
    pub principals: usize,
}

impl Default for KeysMax {
    fn default() -> Self {
        Self { addresses: 131_072, principals: 131_072 }
    }
}

/// What was used of every plan, for as long as the process lives.
#[derive(Debug)]
pub struct Quota {
    base: Instant,
    addresses: Meters,
    /// Plans of anonymous callers, by their address. Apart from `addresses`: a daily quota keeps its meter until
    /// midnight, and newcomers need room there. Apart from `principals`: addresses are cheap to come by.
    anonymous: Meters,
    principals: Meters,
    counters: Arc<dyn Counters>,
    exposures: exposure::Ledger,
    walks: walks::Walks,
    /// Until when the counters are taken to be away; a dead store is not asked by every request.
    away_until: AtomicU64,
    uncounted: AtomicU64,
}

/// Where it is kept what must outlive the process.
#[derive(Debug)]
pub struct Kept {
    /// Daily quotas.
    pub counters: Arc<dyn Counters>,
    /// What was shown.
    pub exposures: Arc<dyn Exposures>,
    /// Under which what was shown is digested: the same over restarts.
    pub key: Digest,
}

/// How long the counters are left alone after they failed.
const AWAY_FOR: Duration = Duration::from_secs(1);

impl Quota {
    /// Nothing used yet.
    pub fn new(kept: Kept, keys_max: KeysMax, now: Now) -> Self {
        Self {
            base: now.mono,
            addresses: Meters::new(keys_max.addresses),
            anonymous: Meters::new(keys_max.addresses),
            principals: Meters::new(keys_max.principals),
            counters: kept.counters,
            exposures: exposure::Ledger::new(kept.exposures, &kept.key),
            walks: walks::Walks::default(),
            away_until: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
        }
    }

    /// Charges an address for a request of somebody not identified yet.
    ///
    /// # Errors
    /// When the address is over the strangers' rate, or no more addresses can be counted.
    pub fn address(&self, plans: &Plans, address: IpAddr, now: Now) -> Result<Stranger, Limited> {
        let strangers = &plans.strangers;
        let key = Key { plan: strangers.policy.name.clone(), subject: Subject::address(address) };
        let at = self.at(now);
        let handle =
            self.addresses.meter(key, at, Day::of(now.wall)).ok_or_else(|| no_room(&strangers.policy))?;
        strangers
            .rate
            .check(&handle, at)
            .map(|_| Stranger(()))
            .map_err(|level| over_rate(&strangers.policy, level))
    }

    /// Charges a caller's own rate.
    ///
    /// # Errors
    /// When it is over its rate.
    pub fn greet(
        &self,
        plans: &Plans,
        Stranger(()): Stranger,
        caller: Caller,
        address: IpAddr,
        now: Now,
    ) -> Result<(Caller, Greeted), Limited> {
        let meter = self.greeted(plans, caller.facts(), address, now)?;
        let facts = caller.facts().clone();
        Ok((caller, Greeted { facts, meter }))
    }

    /// Charges every plan that applies to what is asked; the strictest refuses. A greeting counts for who was
    /// greeted alone: of somebody else's prospect the own rate is charged here.
    ///
    /// # Errors
    /// The first limit that is reached. What was charged before it stays charged.
    pub async fn admit(
        &self,
        plans: &Plans,
        greeted: Greeted,
        prospect: Prospect,
        address: IpAddr,
        now: Now,
    ) -> Result<Admission, Limited> {
        let facts = prospect.caller().facts();
        let own = match Arc::ptr_eq(&greeted.facts, facts) {
            true => greeted.meter,
            false => self.greeted(plans, facts, address, now)?,
        };
        let charged = pin!(self.charge(plans, (facts, own), prospect.plans(), &[], address, now)).await?;
        Ok(Admission { prospect, charged })
    }

    /// Charges a part of a request that was admitted as one by itself: the caller's own rate, and every plan that
    /// applies to it. It runs inside the whole, so of a plan whose slot the whole holds it takes no second one.
    ///
    /// # Errors
    /// The first limit that is reached. What was charged before it stays charged.
    pub async fn admit_part(
        &self,
        plans: &Plans,
        whole: &Admission,
        prospect: Prospect,
        address: IpAddr,
        now: Now,
    ) -> Result<Admission, Limited> {
        let facts = prospect.caller().facts();
        let own = self.greeted(plans, facts, address, now)?;
        let held = &whole.charged.slots;
        let charged = pin!(self.charge(plans, (facts, own), prospect.plans(), held, address, now)).await?;
        Ok(Admission { prospect, charged })
    }

    /// Drops what says no more than a fresh meter. To be called every few seconds.
    pub fn sweep(&self, now: Now) {
        let (at, today) = (self.at(now), Day::of(now.wall));
        self.addresses.sweep(at, today);
        self.anonymous.sweep(at, today);
        self.principals.sweep(at, today);
    }

    /// Gives what was leased and not used back to the store: the last step of a drain.
    pub async fn settle(&self) {
        for (key, handle) in self.principals.ledgers().into_iter().chain(self.anonymous.ledgers()) {
            if let Some((day, left)) = handle.ledger().settle()
                && let Err(away) = self.counters.refund(&key.to_string(), day, left).await
            {
                tracing::warn!(error = %away, "the unused part of daily quotas is lost for today");
                return;
            }
        }
    }

    /// How many addresses and principals are counted now.
    pub fn counted(&self) -> (usize, usize) {
        (self.addresses.len() + self.anonymous.len(), self.principals.len())
    }

    /// Requests that passed without being counted, because the store was away and their plan fails open.
    pub fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    /// Charges the caller's own rate; gives the meter of its own plan.
    fn greeted(&self, plans: &Plans, facts: &Facts, address: IpAddr, now: Now) -> Result<Handle, Limited> {
        let own = plans.own(facts);
        let plan = plans.plan(own).ok_or_else(|| unknown(own))?;
        let at = self.at(now);
        let handle = self.handle(plan, facts, address, at, now)?;
        plan.rate.check(&handle, at).map_err(|level| over_rate(&plan.policies.rate, level))?;
        Ok(handle)
    }

    async fn charge(
        &self,
        plans: &Plans,
        (facts, own): (&Facts, Handle),
        named: &[PlanName],
        held: &[Slot],
        address: IpAddr,
        now: Now,
    ) -> Result<Charged, Limited> {
        let at = self.at(now);
        let mut applied: SmallVec<[(&Arc<Plan>, Handle); 4]> = SmallVec::new();
        let (mut slots, mut capped) = (SmallVec::new(), Capped::default());
        let mut nearest: Option<Standing> = None;
        for Applying { plan, is_own } in applying(plans, plans.own(facts), named)? {
            // ORDER: the rate of the caller's own plan was charged when it was greeted.
            let (handle, level) = if is_own {
                (own.clone(), plan.rate.level(&own, at))
            } else {
                let handle = self.handle(plan, facts, address, at, now)?;
                let level = plan.rate.check(&handle, at);
                (handle, level.map_err(|level| over_rate(&plan.policies.rate, level))?)
            };
            if !held.iter().any(|slot| slot.is_of(&handle)) {
                let slot = Slot::take(&handle, plan.concurrency.get());
                slots.push(slot.ok_or_else(|| too_many_at_once(plan))?);
            }
            let stands = standing(&plan.policies.rate, level);
            nearest = Some(match nearest {
                Some(other) => other.nearer(stands),
                None => stands,
            });
            capped.add(plan, facts, address);
            applied.push((plan, handle));
        }
        // ORDER: the daily quota is last, so that what another limit refuses costs none of it.
        for (plan, handle) in &applied {
            self.daily(plan, handle, facts, address, now).await?;
        }
        let standing = nearest.ok_or_else(|| unknown(plans.own(facts)))?;
        Ok(Charged { standing, slots, capped })
    }

    async fn daily(
        &self,
        plan: &Plan,
        handle: &Handle,
        facts: &Facts,
        address: IpAddr,
        now: Now,
    ) -> Result<(), Limited> {
        let Some((Daily(limit), told)) = plan.quota.zip(plan.policies.daily.as_ref()) else {
            return Ok(());
        };
        let (limit, day) = (limit.get(), Day::of(now.wall));
        let taken = match handle.ledger().take_at_hand(limit, day) {
            Some(taken) => taken,
            None => self.lease(handle.ledger(), limit, day, &key(plan, facts, address), now).await,
        };
        match (taken, plan.fails) {
            (Taken::Unit, _) => Ok(()),
            (Taken::Spent, _) => {
                let reset = Duration::from_secs(Day::seconds_left(now.wall));
                Err(limited(LimitKind::Quota, told, reset, reset))
            }
            (Taken::Away, Fails::Open) => {
                self.uncounted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            (Taken::Away, Fails::Closed) => Err(limited(LimitKind::Away, told, AWAY_FOR, AWAY_FOR)),
        }
    }

    async fn lease(&self, ledger: &Ledger, limit: u64, day: Day, key: &Key, now: Now) -> Taken {
        let at = self.at(now);
        let is_away = || at < self.away_until.load(Ordering::Acquire);
        if is_away() {
            return Taken::Away;
        }
        let taken = ledger.take(limit, day, &*self.counters, &key.to_string(), is_away).await;
        taken.unwrap_or_else(|away| {
            tracing::warn!(error = %away, "a daily quota cannot be charged");
            self.away_until.fetch_max(at.saturating_add(nanos(AWAY_FOR)), Ordering::AcqRel);
            Taken::Away
        })
    }

    fn handle(
        &self,
        plan: &Plan,
        facts: &Facts,
        address: IpAddr,
        at: u64,
        now: Now,
    ) -> Result<Handle, Limited> {
        let meters = match facts.kind {
            Kind::Anonymous => &self.anonymous,
            Kind::App | Kind::Partner | Kind::User => &self.principals,
        };
        meters
            .meter(key(plan, facts, address), at, Day::of(now.wall))
            .ok_or_else(|| no_room(&plan.policies.rate))
    }

    /// Nanoseconds since the base, never 0: 0 means that a cell was never filled.
    fn at(&self, now: Now) -> u64 {
        nanos(now.mono.saturating_duration_since(self.base)).saturating_add(1)
    }
}

/// A plan that applies to a request.
struct Applying<'a> {
    plan: &'a Arc<Plan>,
    /// It is the caller's own: its rate was charged when it was greeted.
    is_own: bool,
}

/// The caller's own plan and the named ones, each once, the lowest rank first.
fn applying<'a>(
    plans: &'a Plans,
    own: &PlanName,
    named: &[PlanName],
) -> Result<SmallVec<[Applying<'a>; 4]>, Limited> {
    let mut applied: SmallVec<[Applying<'a>; 4]> = SmallVec::new();
    let plan = plans.plan(own).ok_or_else(|| unknown(own))?;
    applied.push(Applying { plan, is_own: true });
    for name in named {
        if applied.iter().all(|other| other.plan.name != *name) {
            let plan = plans.plan(name).ok_or_else(|| unknown(name))?;
            applied.push(Applying { plan, is_own: false });
        }
    }
    applied.sort_by_key(|applying| applying.plan.rank);
    Ok(applied)
}

fn key(plan: &Plan, facts: &Facts, address: IpAddr) -> Key {
    Key { plan: plan.name.clone(), subject: plan.subject(facts, address) }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn standing(told: &Arc<Policy>, level: Level) -> Standing {
    Standing { policy: told.clone(), remaining: u64::from(level.remaining), reset: level.reset }
}

fn limited(kind: LimitKind, told: &Arc<Policy>, reset: Duration, retry_after: Duration) -> Limited {
    Limited { kind, standing: Standing { policy: told.clone(), remaining: 0, reset }, retry_after }
}

fn over_rate(told: &Arc<Policy>, level: Level) -> Limited {
    limited(LimitKind::Rate, told, level.reset, level.wait)
}

fn too_many_at_once(plan: &Plan) -> Limited {
    let soon = Duration::from_secs(1);
    limited(LimitKind::Concurrency, &plan.policies.concurrency, soon, soon)
}

fn no_room(told: &Arc<Policy>) -> Limited {
    let soon = Duration::from_secs(1);
    limited(LimitKind::Room, told, soon, soon)
}

/// A plan that no bundle knows admits nobody.
fn unknown(name: &PlanName) -> Limited {
    let minute = Duration::from_secs(60);
    let told = Policy::alone(standing::Item { name: name.clone(), limit: 0, window: Some(minute) });
    limited(LimitKind::Plan, &told, minute, minute)
}
