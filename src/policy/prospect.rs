//! Proof that some statement can still permit an operation, and all that follows before a record is seen.

use std::sync::Arc;

use super::{
    Denied,
    cedar::Unfit,
    context::{Context, Env},
    load::Policies,
    mask::Openness,
    memo::Memo,
    program::{About, Grounds, Program, Rule},
    pushdown,
    statement::Verb,
};
use crate::{
    catalog::{Action, Call, Operation},
    identity::{Caller, Facts},
    schema::{Entity, FieldSet, Filter, Record},
    words::{PlanName, StatementId},
};

/// Proof that some statement can still permit the operation to this caller.
#[derive(Debug)]
pub struct Prospect {
    pub(super) policies: Arc<Policies>,
    pub(super) program: Arc<Program>,
    /// The caller's own `read`, for the answer to a write.
    pub(super) echo: Option<Arc<Program>>,
    pub(super) caller: Caller,
    pub(super) operation: Operation,
    pub(super) context: Context,
    /// INVARIANT: one a rule of `program`, in order: whether it can still hold.
    live: Vec<bool>,
    visible: FieldSet,
    clear: FieldSet,
    writable: FieldSet,
    plans: Vec<PlanName>,
}

/// Looks for a statement that can still permit the operation. No record, no I/O.
///
/// # Errors
/// [`Denied::Never`] where none can, [`Denied::Erroring`] where a statement cannot be judged whatever the
/// record, [`Denied::Unfit`] where the caller's facts are not what `principals/attributes.yaml` says.
pub fn prospect(
    policies: &Arc<Policies>,
    memo: &Memo,
    caller: Caller,
    operation: Operation,
    context: Context,
) -> Result<Prospect, Denied> {
    let facts = caller.facts().clone();
    let action = operation.action();
    let program = remembered(policies, memo, &facts, action, about(&operation))?;
    let echo = match (&operation, action) {
        (Operation::Create(entity) | Operation::Update(entity, ..), _) => {
            Some(remembered(policies, memo, &facts, Action::Read, About::Entity(entity))?)
        }
        (Operation::Read(..) | Operation::List(_) | Operation::Delete(..) | Operation::Call(_), _) => None,
    };
    let env = env(&facts, &context, call(&operation));
    let live = alive(&program, &env)?;
    let (visible, clear) = match &echo {
        None => sight(&program, &live, &env),
        Some(echo) => {
            let live: Vec<bool> = echo.rules.iter().map(|rule| Program::outcomes(rule, &env).holds).collect();
            sight(echo, &live, &env)
        }
    };
    let permits = || program.rules.iter().zip(&live).filter(|(rule, live)| **live && is_permit(rule));
    let mut writable = permits().fold(FieldSet::EMPTY, |all, (rule, _)| all.union(&rule.grants.writes));
    writable = writable.minus(&withheld(&program, &env));
    let mut plans: Vec<PlanName> = permits().filter_map(|(rule, _)| rule.statement.plan.clone()).collect();
    plans.sort();
    plans.dedup();
    Ok(Prospect {
        policies: policies.clone(),
        program,
        echo,
        caller,
        operation,
        context,
        live,
        visible,
        clear,
        writable,
        plans,
    })
}

impl Prospect {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is asked for.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Leaves that some statement can still show this caller (in a write: through its own `read`).
    pub fn visible(&self) -> FieldSet {
        self.visible
    }

    /// Leaves that every permit which can still hold shows unmasked: what filter, sort, search, count and
    /// expand may name.
    pub fn clear(&self) -> FieldSet {
        self.clear
    }

    /// Leaves that conditions read: they must be fetched whatever the caller wants.
    pub fn reads(&self) -> FieldSet {
        let echo = self.echo.as_ref().map(|echo| echo.reads).unwrap_or_default();
        self.program.reads.union(&echo)
    }

    /// A filter that every record which can be permitted passes; others may pass too, and every record that
    /// comes back is judged.
    pub fn pushdown(&self) -> Filter {
        let facts = self.caller.facts();
        let env = env(facts, &self.context, call(&self.operation));
        pushdown::filter(&self.program, &self.live, &env)
    }

    /// The plans of the permits that can still hold, each once.
    pub fn plans(&self) -> &[PlanName] {
        &self.plans
    }

    /// Leaves that some statement can still let change.
    pub fn writable(&self) -> FieldSet {
        self.writable
    }

    /// The statements that can still hold.
    pub fn statements(&self) -> impl Iterator<Item = &StatementId> {
        let live = self.program.rules.iter().zip(&self.live).filter(|(_, live)| **live);
        live.map(|(rule, _)| &rule.statement.id)
    }

    /// The leaves of an entity that bundle and caller leave in sight, whichever operation: for OpenAPI.
    pub fn entity(&self) -> Option<&Arc<Entity>> {
        self.operation.entity()
    }

    /// All that a condition may read of this request, with a record.
    pub(super) fn env<'a>(&'a self, record: Option<&'a Record>, guarded: Option<bool>) -> Env<'a> {
        let mut env = env(self.caller.facts(), &self.context, call(&self.operation));
        env.guarded = guarded;
        env.id = record.and_then(|record| id(self.program.entity.as_deref(), record)).unwrap_or_default();
        env.record = record;
        env
    }
}

/// A record's own id.
pub(super) fn id<'a>(entity: Option<&Entity>, record: &'a Record) -> Option<&'a str> {
    record.first(entity?, crate::schema::LeafId(0)).and_then(crate::schema::Value::as_text)
}

pub(super) fn env<'a>(facts: &'a Facts, context: &'a Context, call: Option<&'a Call>) -> Env<'a> {
    Env { facts, context, call, guarded: None, record: None, id: "" }
}

pub(super) fn call(operation: &Operation) -> Option<&Call> {
    match operation {
        Operation::Call(call) => Some(call),
        Operation::Read(..)
        | Operation::List(_)
        | Operation::Create(_)
        | Operation::Update(..)
        | Operation::Delete(..) => None,
    }
}

fn about(operation: &Operation) -> About<'_> {
    match operation {
        Operation::Read(entity, _)
        | Operation::List(entity)
        | Operation::Create(entity)
        | Operation::Update(entity, ..)
        | Operation::Delete(entity, _) => About::Entity(entity),
        Operation::Call(call) => About::System(&call.system),
    }
}

fn remembered(
    policies: &Policies,
    memo: &Memo,
    facts: &Facts,
    action: Action,
    about: About<'_>,
) -> Result<Arc<Program>, Denied> {
    memo.get(policies.bundle, facts, action, about, || Program::new(policies, facts, action, about))
        .map_err(|Unfit| Denied::Unfit)
}

/// Which rules can still hold; refused where no permit can, a forbid must, or one must err.
fn alive(program: &Program, env: &Env<'_>) -> Result<Vec<bool>, Denied> {
    let mut live = Vec::with_capacity(program.rules.len());
    let mut forbidden = Grounds::default();
    let mut is_open = false;
    for rule in &program.rules {
        let outcomes = Program::outcomes(rule, env);
        if outcomes.errs && !outcomes.holds && !outcomes.fails {
            return Err(Denied::Erroring { statement: rule.statement.id.clone() });
        }
        let must_hold = outcomes.holds && !outcomes.fails && !outcomes.errs;
        if must_hold && rule.statement.effect == Verb::Forbid {
            forbidden.statements.push(rule.statement.id.clone());
        }
        if must_hold {
            forbidden.detail = forbidden.detail.max(rule.statement.detail);
        }
        is_open |= outcomes.holds && is_permit(rule);
        live.push(outcomes.holds);
    }
    if is_open && forbidden.statements.is_empty() { Ok(live) } else { Err(Denied::Never(forbidden)) }
}

/// Leaves in sight, and those that every live permit shows unmasked and nothing may strike.
fn sight(program: &Program, live: &[bool], env: &Env<'_>) -> (FieldSet, FieldSet) {
    let mut visible = FieldSet::EMPTY;
    let mut clear: Option<FieldSet> = None;
    let mut may_strike = FieldSet::EMPTY;
    for (rule, _) in program.rules.iter().zip(live).filter(|(_, live)| **live) {
        match rule.statement.effect {
            Verb::Permit => {
                let shown = rule.grants.shown.of(Openness::Shown);
                visible = visible.union(&rule.grants.shown.all());
                clear = Some(clear.map_or(shown, |clear| clear.intersection(&shown)));
            }
            Verb::Withhold => may_strike = may_strike.union(&rule.grants.withheld),
            Verb::Forbid => {}
        }
    }
    (visible.minus(&withheld(program, env)), clear.unwrap_or_default().minus(&may_strike))
}

/// Leaves that are struck whatever the record.
fn withheld(program: &Program, env: &Env<'_>) -> FieldSet {
    let rules = program.rules.iter().filter(|rule| rule.statement.effect == Verb::Withhold);
    rules
        .filter(|rule| Program::outcomes(rule, env) == super::predicate::Outcomes::HOLDS)
        .fold(FieldSet::EMPTY, |all, rule| all.union(&rule.grants.withheld))
}

fn is_permit(rule: &Rule) -> bool {
    rule.statement.effect.is_permit()
}
