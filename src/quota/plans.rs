//! `limits.yaml`: named plans, compiled once per bundle.
//!
//! Plans hold settings only; what was used of them lives in the quota's meters and outlives a bundle.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    budget::{self, Budget, BudgetFile},
    daily::Daily,
    meter::Subject,
    rate::Limiter,
    standing::{self, Item, Policy},
};
use crate::{
    identity::Facts,
    words::{
        Diagnostic, Diagnostics, Kind, PlanName, Rate,
        tree::Node,
        yaml::{FromYaml, Named, Spanned},
        yaml_object, yaml_words,
    },
};

yaml_object! {
    /// How much each caller may ask for.
    pub struct LimitsFile {
        /// The rate of every address before a caller is identified; an IPv6 address counts by its /64.
        pub strangers: StrangersFile;
        /// The plan of principals that name none.
        pub principals_default: Spanned<String>;
        /// The plan of callers without a credential, counted per address; `principals_default` when left out.
        pub anonymous: Option<Spanned<String>> = None;
        /// The plans by name: small letters, digits and `-`.
        pub plans: Named<PlanFile>;
    }

    /// A rate before identity.
    pub struct StrangersFile {
        /// How many requests in what time: `500/s`.
        pub rate: Spanned<Rate>;
        /// How many of them may come at once; the rate's count when left out.
        pub burst: Option<Spanned<u32>> = None;
    }

    /// One plan.
    pub struct PlanFile {
        /// Its order among plans that can meet: the lower one is charged first. Plans of equal rank must not meet.
        pub rank: u32;
        /// In any span of t seconds no more than burst + rate × t requests pass.
        pub rate: Spanned<Rate>;
        /// How many requests may come at once; the rate's count when left out.
        pub burst: Option<Spanned<u32>> = None;
        /// Who shares one counter.
        pub per: Per;
        /// Requests in flight at once.
        pub concurrency: Spanned<u32>;
        /// Requests a day (UTC); kept over a restart. None when left out.
        pub quota: Option<Daily> = None;
        /// How much of the records may be shown; no bound when left out.
        pub exposure: Vec<BudgetFile> = Vec::new();
        /// Whether requests pass while the store of the daily quota is away.
        pub fails: Fails = Fails::Closed;
    }
}

yaml_words! {
    /// Who shares one counter.
    pub enum Per {
        /// Each principal has its own.
        Principal = "principal",
        /// A partner's programs and people share one.
        Partner = "partner",
        /// Each address has its own.
        Address = "address",
    }

    /// What happens while the counters are away.
    pub enum Fails {
        /// Requests pass uncounted.
        Open = "open",
        /// Requests are refused.
        Closed = "closed",
    }
}

/// Name of the limit before identity; no plan may have it.
const STRANGERS: &str = "strangers";

const DAY: Duration = Duration::from_secs(86_400);

/// All plans of a bundle.
#[derive(Debug)]
pub struct Plans {
    plans: BTreeMap<PlanName, Arc<Plan>>,
    pub(super) strangers: Strangers,
    principals_default: PlanName,
    anonymous: PlanName,
}

/// The limit before identity.
#[derive(Debug)]
pub(super) struct Strangers {
    pub(super) rate: Limiter,
    pub(super) policy: Arc<Policy>,
}

/// One plan.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub name: PlanName,
    /// Its order among plans that can meet.
    pub rank: u32,
    /// Who shares one counter.
    pub per: Per,
    /// Requests in flight at once.
    pub concurrency: NonZeroU32,
    /// Requests a day.
    pub quota: Option<Daily>,
    /// What happens while the counters are away.
    pub fails: Fails,
    /// How much of the records may be shown.
    pub budgets: Vec<Budget>,
    /// The rate as the file says it, and how many may come at once.
    pub said: (Rate, u32),
    pub(super) rate: Limiter,
    pub(super) policies: Policies,
}

/// A plan's limits as callers are told of them.
#[derive(Debug)]
pub(super) struct Policies {
    pub(super) rate: Arc<Policy>,
    pub(super) concurrency: Arc<Policy>,
    pub(super) daily: Option<Arc<Policy>>,
}

impl Plans {
    /// Compiles `limits.yaml`; every mistake goes into `found`.
    pub fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let file = LimitsFile::read(node, found)?;
        let limiter = limiter(&file.strangers.rate, file.strangers.burst.as_ref(), found);
        let compiled: Vec<Option<Plan>> =
            file.plans.iter().map(|(name, plan)| compile(name, plan, found)).collect();
        let named = |name: &Spanned<String>, found: &mut Diagnostics| {
            if file.plans.get(&name.value).is_none() {
                found.push(
                    Diagnostic::error(&name.place, format!("there is no plan `{}`", name.value))
                        .suggest(&name.value, file.plans.iter().map(|(name, _)| name.value.as_str())),
                );
            }
            PlanName::from(name.value.as_str())
        };
        let principals_default = named(&file.principals_default, found);
        let anonymous = file.anonymous.as_ref().map(|name| named(name, found));
        let rate = file.strangers.rate.value;
        Some(Self {
            plans: compiled
                .into_iter()
                .map(|plan| plan.map(|p| (p.name.clone(), Arc::new(p))))
                .collect::<Option<_>>()?,
            strangers: Strangers {
                rate: limiter?,
                policy: Policy::alone(Item::of_rate(
                    STRANGERS.into(),
                    rate,
                    file.strangers.burst.as_ref().map(|burst| burst.value),
                )),
            },
            anonymous: anonymous.unwrap_or_else(|| principals_default.clone()),
            principals_default,
        })
    }

    /// The plan of a name.
    pub fn plan(&self, name: &PlanName) -> Option<&Arc<Plan>> {
        self.plans.get(name)
    }

    /// Every plan, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.values()
    }

    /// The plans of those who name none: principals, and callers without a credential.
    pub fn defaults(&self) -> [&PlanName; 2] {
        [&self.principals_default, &self.anonymous]
    }

    /// The name of a principal's own plan.
    pub fn own<'a>(&'a self, facts: &'a Facts) -> &'a PlanName {
        match (facts.kind, &facts.plan) {
            (Kind::Anonymous, _) => &self.anonymous,
            (Kind::App | Kind::Partner | Kind::User, Some(plan)) => plan,
            (Kind::App | Kind::Partner | Kind::User, None) => &self.principals_default,
        }
    }
}

impl Plan {
    /// Whose counter a caller's request is charged to.
    pub(super) fn subject(&self, facts: &Facts, address: std::net::IpAddr) -> Subject {
        let per = match facts.kind {
            // All callers without a credential are one principal; they must not starve each other.
            Kind::Anonymous => Per::Address,
            Kind::App | Kind::Partner | Kind::User => self.per,
        };
        match (per, &facts.partner) {
            (Per::Address, _) => Subject::address(address),
            (Per::Partner, Some(partner)) => Subject::Partner(partner.clone()),
            (Per::Partner, None) | (Per::Principal, _) => Subject::Principal(facts.kind, facts.id.clone()),
        }
    }
}

fn compile(name: &Spanned<String>, plan: &PlanFile, found: &mut Diagnostics) -> Option<Plan> {
    let before = found.0.len();
    let letters =
        |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.value.is_empty() || name.value.len() > 64 || !letters(&name.value) {
        found.error(
            &name.place,
            format!("`{}` is no name of a plan: small letters, digits and `-`, at most 64", name.value),
        );
    }
    if name.value == STRANGERS {
        found.error(&name.place, "`strangers` is the limit before identity; give the plan another name");
    }
    let rate = limiter(&plan.rate, plan.burst.as_ref(), found);
    let concurrency = non_zero(&plan.concurrency, "concurrency", found);
    let budgets = budget::compile(&PlanName::from(name.value.as_str()), &plan.exposure, found);
    if found.0.len() > before {
        return None;
    }
    let concurrency = concurrency?;
    let name = PlanName::from(name.value.as_str());
    Some(Plan {
        policies: Policies::of(
            &name,
            plan.rate.value,
            plan.burst.as_ref().map(|burst| burst.value),
            concurrency,
            plan.quota,
        ),
        name,
        rank: plan.rank,
        per: plan.per,
        concurrency,
        quota: plan.quota,
        fails: plan.fails,
        budgets,
        said: (plan.rate.value, plan.burst.as_ref().map_or(plan.rate.value.count.get(), |burst| burst.value)),
        rate: rate?,
    })
}

impl Policies {
    fn of(
        name: &PlanName,
        rate: Rate,
        burst: Option<u32>,
        concurrency: NonZeroU32,
        daily: Option<Daily>,
    ) -> Self {
        let rate = Item::of_rate(name.clone(), rate, burst);
        let concurrency = Item {
            name: format!("{name}.concurrent").as_str().into(),
            limit: u64::from(concurrency.get()),
            window: None,
        };
        let daily = daily.map(|Daily(limit)| Item {
            name: format!("{name}.day").as_str().into(),
            limit: limit.get(),
            window: Some(DAY),
        });
        let told = standing::advertised([Some(&rate), Some(&concurrency), daily.as_ref()]);
        Self {
            rate: Policy::new(rate, &told),
            concurrency: Policy::new(concurrency, &told),
            daily: daily.map(|item| Policy::new(item, &told)),
        }
    }
}

fn limiter(rate: &Spanned<Rate>, burst: Option<&Spanned<u32>>, found: &mut Diagnostics) -> Option<Limiter> {
    let burst = match burst {
        Some(burst) => non_zero(burst, "burst", found)?,
        None => rate.value.count,
    };
    Limiter::new(rate.value, burst).map_err(|error| found.error(&rate.place, error)).ok()
}

fn non_zero(number: &Spanned<u32>, what: &str, found: &mut Diagnostics) -> Option<NonZeroU32> {
    const MOST: u32 = 1_000_000;
    let number_in = NonZeroU32::new(number.value).filter(|n| n.get() <= MOST);
    if number_in.is_none() {
        found.error(&number.place, format!("`{what}` is between 1 and {MOST}"));
    }
    number_in
}
