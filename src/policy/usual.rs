//! What statements leave open before any record, and what they do so at most requests: where nothing that they read of the
//! context makes one of them hold. That is worked out once for each program, so a request looks at those rules alone.

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

/// What is left open where no rule that goes by the context holds.
#[derive(Debug)]
pub(super) struct Usual {
    /// The rules that go by it.
    asking: Box<[usize]>,
    sight: Sight,
}

impl Usual {
    /// None where a request is refused then, for which the rules say why.
    pub(super) fn of(program: &Program) -> Option<Self> {
        let goes_by_it = |rule: &Rule| rule.reads_context || rule.statement.is_glass;
        let outcomes = |rule: &Rule| if goes_by_it(rule) { Outcomes::FAILS } else { rule.outcomes };
        let live = alive(program, program.rules.iter().map(|rule| outcomes(rule))).ok()?;
        let asking = program.rules.iter().enumerate().filter(|(_, rule)| goes_by_it(rule)).map(|(at, _)| at);
        Some(Self { asking: asking.collect(), sight: Sight::of(program, live) })
    }
}

impl Program {
    /// What is left open at a request.
    ///
    /// # Errors
    /// No permit can hold, a forbid must, or a rule must err.
    pub(super) fn sight(&self, env: &Env<'_>) -> Result<Sight, Denied> {
        match self.usual(env) {
            Some(sight) => Ok(sight.clone()),
            None => {
                let live = alive(self, self.rules.iter().map(|rule| Self::outcomes(rule, env)))?;
                Ok(Sight::of(self, live))
            }
        }
    }

    /// What a write's answer is shown by: leaves in sight, and those that every permit shows unmasked.
    pub(super) fn seen(&self, env: &Env<'_>) -> (FieldSet, FieldSet) {
        if let Some(sight) = self.usual(env) {
            return (sight.visible, sight.clear);
        }
        let live: Live = self.rules.iter().map(|rule| Self::outcomes(rule, env)).collect();
        let sight = Sight::of(self, live);
        (sight.visible, sight.clear)
    }

    fn usual(&self, env: &Env<'_>) -> Option<&Sight> {
        let usual = self.usual.as_ref()?;
        let fails =
            |at: &usize| self.rules.get(*at).is_some_and(|rule| Self::outcomes(rule, env) == Outcomes::FAILS);
        usual.asking.iter().all(fails).then_some(&usual.sight)
    }
}

impl Sight {
    fn of(program: &Program, live: Live) -> Self {
        let (mut visible, mut writable) = (FieldSet::EMPTY, FieldSet::EMPTY);
        let mut clear: Option<FieldSet> = None;
        let (mut strikes, mut may_strike) = (FieldSet::EMPTY, FieldSet::EMPTY);
        let mut plans = SmallVec::new();
        for (rule, live) in program.rules.iter().zip(&live).filter(|(_, live)| live.holds) {
            match rule.statement.effect {
                Verb::Permit => {
                    let shown = rule.grants.shown.of(Openness::Shown);
                    visible = visible.union(&rule.grants.shown.all());
                    clear = Some(clear.map_or(shown, |clear| clear.intersection(&shown)));
                    writable = writable.union(&rule.grants.writes);
                    if let Some(plan) = rule.statement.plan.as_ref().filter(|plan| !plans.contains(*plan)) {
                        plans.push(plan.clone());
                    }
                }
                Verb::Withhold => {
                    may_strike = may_strike.union(&rule.grants.withheld);
                    // Whatever the record.
                    if *live == Outcomes::HOLDS {
                        strikes = strikes.union(&rule.grants.withheld);
                    }
                }
                Verb::Forbid => {}
            }
        }
        Self {
            visible: visible.minus(&strikes),
            clear: clear.unwrap_or_default().minus(&may_strike),
            writable: writable.minus(&strikes),
            plans,
            live,
        }
    }
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
