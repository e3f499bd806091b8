//! What statements leave open before any record. By most of them that is the same at each request: it is worked out once for
//! each program, and a request looks only at those that go by its context.

use smallvec::SmallVec;

use super::{
    Basis, Denied,
    context::Env,
    mask::Openness,
    predicate::Outcomes,
    program::{Grounds, Program, Rule},
    statement::Verb,
};
use crate::{schema::FieldSet, words::PlanName};

/// What each rule of a program can still come to, in order.
pub(super) type Live = SmallVec<[Outcomes; 32]>;

/// What is left open.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) live: Live,
    /// Leaves that some rule can still show.
    pub(super) visible: FieldSet,
    /// Those that every one shows unmasked and nothing may strike.
    pub(super) clear: FieldSet,
    /// Leaves that some rule can still let change.
    pub(super) writable: FieldSet,
    /// Plans of permits that can still hold, each once.
    pub(super) plans: SmallVec<[PlanName; 2]>,
}

/// What is left open by the rules that come to the same at each request.
#[derive(Debug)]
pub(super) struct Usual {
    /// The others: they go by the context.
    asking: Box<[usize]>,
    /// INVARIANT: none of the others holds in it.
    live: Live,
    tally: Tally,
}

/// What rules that can still hold leave open together.
#[derive(Clone, Debug, Default)]
struct Tally {
    is_open: bool,
    visible: FieldSet,
    clear: Option<FieldSet>,
    writable: FieldSet,
    /// Struck whatever the record.
    strikes: FieldSet,
    may_strike: FieldSet,
    plans: SmallVec<[PlanName; 2]>,
}

impl Usual {
    /// None where a request is refused by them alone: the rules say why.
    pub(super) fn of(program: &Program) -> Option<Self> {
        let (mut live, mut tally, mut asking) = (Live::new(), Tally::default(), Vec::new());
        for (at, rule) in program.rules.iter().enumerate() {
            let goes_by_it = rule.reads_context || rule.statement.is_glass;
            let outcomes = if goes_by_it { Outcomes::FAILS } else { rule.outcomes };
            if goes_by_it {
                asking.push(at);
            }
            if refuses(rule, outcomes) {
                return None;
            }
            live.push(outcomes);
            tally.add(rule, outcomes);
        }
        Some(Self { asking: asking.into(), live, tally })
    }

    /// With the others as they are at a request; none where it is refused, or the order of plans is not theirs.
    fn with(&self, program: &Program, env: &Env<'_>) -> Option<(Live, Tally)> {
        let (mut live, mut tally) = (self.live.clone(), self.tally.clone());
        for at in &self.asking {
            let (rule, place) = (program.rules.get(*at)?, live.get_mut(*at)?);
            *place = Program::outcomes(rule, env);
            let has_plan = rule.statement.plan.as_ref().is_some_and(|plan| !self.tally.plans.contains(plan));
            if refuses(rule, *place) || (place.holds && has_plan) {
                return None;
            }
            tally.add(rule, *place);
        }
        Some((live, tally))
    }
}

impl Program {
    /// What is left open at a request.
    ///
    /// # Errors
    /// No permit can hold, a forbid must, or a rule must err.
    pub(super) fn sight(&self, env: &Env<'_>) -> Result<Sight, Denied> {
        match self.usual.as_ref().and_then(|usual| usual.with(self, env)) {
            Some((live, tally)) if tally.is_open => Ok(tally.over(live)),
            Some(_) | None => {
                let live = alive(self, self.rules.iter().map(|rule| Self::outcomes(rule, env)))?;
                Ok(Tally::of(self, &live).over(live))
            }
        }
    }

    /// What a write's answer is shown by: leaves in sight, and those that every permit shows unmasked.
    pub(super) fn seen(&self, env: &Env<'_>) -> (FieldSet, FieldSet) {
        let Sight { visible, clear, .. } = match self.usual.as_ref().and_then(|usual| usual.with(self, env)) {
            Some((live, tally)) => tally.over(live),
            None => {
                let live: Live = self.rules.iter().map(|rule| Self::outcomes(rule, env)).collect();
                Tally::of(self, &live).over(live)
            }
        };
        (visible, clear)
    }
}

impl Tally {
    fn of(program: &Program, live: &[Outcomes]) -> Self {
        let mut tally = Self::default();
        program.rules.iter().zip(live).for_each(|(rule, live)| tally.add(rule, *live));
        tally
    }

    fn add(&mut self, rule: &Rule, live: Outcomes) {
        if !live.holds {
            return;
        }
        match rule.statement.effect {
            Verb::Permit => {
                self.is_open = true;
                let shown = rule.grants.shown.of(Openness::Shown);
                self.visible = self.visible.union(&rule.grants.shown.all());
                self.clear = Some(self.clear.map_or(shown, |clear| clear.intersection(&shown)));
                self.writable = self.writable.union(&rule.grants.writes);
                if let Some(plan) = rule.statement.plan.as_ref().filter(|plan| !self.plans.contains(*plan)) {
                    self.plans.push(plan.clone());
                }
            }
            Verb::Withhold => {
                self.may_strike = self.may_strike.union(&rule.grants.withheld);
                if live == Outcomes::HOLDS {
                    self.strikes = self.strikes.union(&rule.grants.withheld);
                }
            }
            Verb::Forbid => {}
        }
    }

    fn over(self, live: Live) -> Sight {
        Sight {
            visible: self.visible.minus(&self.strikes),
            clear: self.clear.unwrap_or_default().minus(&self.may_strike),
            writable: self.writable.minus(&self.strikes),
            plans: self.plans,
            live,
        }
    }
}

/// Whether a request is refused by what one rule must come to.
fn refuses(rule: &Rule, outcomes: Outcomes) -> bool {
    outcomes == Outcomes::ERRS || (outcomes == Outcomes::HOLDS && rule.statement.effect == Verb::Forbid)
}

/// Which rules can still hold; refused where no permit can, a forbid must, or one must err.
fn alive(program: &Program, outcomes: impl Iterator<Item = Outcomes>) -> Result<Live, Denied> {
    let mut live = Live::new();
    let mut forbidden = Grounds::default();
    let mut is_open = false;
    for (rule, outcomes) in program.rules.iter().zip(outcomes) {
        if outcomes.errs && !outcomes.holds && !outcomes.fails {
            return Err(Denied::Erroring { statement: rule.statement.id.clone(), on: Basis::Request });
        }
        let must_hold = outcomes == Outcomes::HOLDS;
        if must_hold && rule.statement.effect == Verb::Forbid {
            forbidden.statements.push(rule.statement.id.clone());
        }
        if must_hold {
            forbidden.detail = forbidden.detail.max(rule.statement.detail);
        }
        is_open |= outcomes.holds && rule.statement.effect.is_permit();
        live.push(outcomes);
    }
    if is_open && forbidden.statements.is_empty() { Ok(live) } else { Err(Denied::Never(forbidden)) }
}
