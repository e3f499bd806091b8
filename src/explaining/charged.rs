//! What a request is charged to, and which limit of all of them is met first.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};

use crate::{
    identity::Facts,
    policy::Outlook,
    quota::{Per, Plan, Plans},
};

/// The caller's own plan and those of permits that can still apply, in the order in which they are charged.
pub(super) struct Charged(Vec<Arc<Plan>>);

impl Charged {
    pub(super) fn of(plans: &Plans, facts: &Facts, outlook: &Outlook) -> Self {
        let names = std::iter::once(plans.own(facts)).chain(outlook.plans());
        let mut all: Vec<Arc<Plan>> = Vec::new();
        for plan in names.filter_map(|name| plans.plan(name)) {
            if all.iter().all(|known| known.name != plan.name) {
                all.push(plan.clone());
            }
        }
        all.sort_by_key(|plan| plan.rank);
        Self(all)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec!["is charged to, whichever refuses first:".to_owned()];
        for plan in &self.0 {
            lines.push(format!("  {} (rank {}, counted {})", plan.name, plan.rank, per(plan.per)));
            lines.extend(limits(plan).into_iter().map(|limit| format!("    {limit}")));
        }
        if let [_, _, ..] = self.0.as_slice() {
            let slowest = self.0.iter().min_by(|a, b| seconds(a).total_cmp(&seconds(b)));
            let narrowest = self.0.iter().min_by_key(|plan| plan.concurrency);
            if let (Some(slowest), Some(narrowest)) = (slowest, narrowest) {
                let (rate, _) = &slowest.said;
                lines.push(format!("  so no more than {rate} ({}) and", slowest.name));
                lines.push(format!("  {} at once ({}) get through", narrowest.concurrency, narrowest.name));
            }
        }
        lines
    }

    pub(super) fn json(&self) -> Json {
        let plan = |plan: &Arc<Plan>| {
            let budget = |budget: &crate::quota::Budget| budget.policy.name.as_str().to_owned();
            let (rate, burst) = &plan.said;
            json!({
                "plan": plan.name.as_str(),
                "rank": plan.rank,
                "rate": rate.to_string(),
                "burst": burst,
                "concurrency": plan.concurrency,
                "quota": plan.quota.map(|daily| daily.0.get()),
                "exposure": plan.budgets.iter().map(budget).collect::<Vec<_>>(),
            })
        };
        self.0.iter().map(plan).collect()
    }
}

fn per(per: Per) -> &'static str {
    match per {
        Per::Principal => "for each principal",
        Per::Partner => "for all of a partner's together",
        Per::Address => "for each address",
    }
}

fn limits(plan: &Plan) -> Vec<String> {
    let (rate, burst) = &plan.said;
    let mut all = vec![format!("{rate}, {burst} in one go"), format!("{} at once", plan.concurrency)];
    all.extend(plan.quota.map(|daily| format!("{} a day (UTC)", daily.0)));
    all.extend(
        plan.budgets.iter().map(|budget| format!("shown at most {} ({})", budget.most, budget.policy.name)),
    );
    all
}

/// Requests a second.
fn seconds(plan: &Arc<Plan>) -> f64 {
    let (rate, _) = &plan.said;
    f64::from(rate.count.get()) / rate.window.max(Duration::from_millis(1)).as_secs_f64()
}
