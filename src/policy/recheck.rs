//! The same verdict the slow way: Cedar's ordinary authorizer on the whole set, nothing specialised.
//!
//! A share of live decisions is repeated so ([`Policies::recheck`], of writes [`Policies::recheck_change`]
//! and [`Policies::recheck_echo`]), and whatever is asked without a request (tests, explain, replay) is
//! answered so ([`verdict`]).

use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, PolicyId, PolicySet, Request};

use super::{
    cedar::{self, Unfit},
    context::{Context, Env},
    judge::{Change, WritePermit},
    load::Policies,
    program::{Program, Tally, Verdict},
    prospect::{Outlook, id},
    related::{Relation, is_unfetched},
    shape::{Holds, Route, Target},
    statement::Statement,
    value::val,
};
use crate::{
    catalog::{Action, Call},
    identity::Facts,
    schema::{Entity, FieldSet, LeafId, Record, Value},
    words::StatementId,
};

/// A decision asked for, as plain data.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub facts: &'a Facts,
    /// To do what.
    pub action: Action,
    /// To what.
    pub subject: Subject<'a>,
    /// Under which circumstances.
    pub context: &'a Context,
    /// Whether the system checks the version that was judged, in an update or a delete.
    pub guarded: Option<bool>,
}

/// What a decision is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A record of an entity.
    Record(&'a Arc<Entity>, &'a Record),
    /// A call to a system.
    Call(&'a Call),
}

/// A live decision that the whole set contradicts: refuse and raise the alarm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the specialised statements and the whole set disagree")]
pub struct Mismatch {
    /// What was decided.
    pub decided: Verdict,
    /// What the whole set says.
    pub whole: Verdict,
}

/// The verdict of the whole set; plain data in, plain data out.
pub fn verdict(policies: &Policies, question: &Question<'_>) -> Verdict {
    let mut env = super::prospect::env(question.facts, question.context, None);
    env.guarded = question.guarded;
    match question.subject {
        Subject::Record(entity, record) => {
            env.record = Some(record);
            env.id = id(Some(entity), record).unwrap_or_default();
            // What was not fetched Cedar would take for something that has nothing.
            let concerned = policies.statements.iter().filter(|statement| {
                let follows = statement.follows.get(&entity.name);
                let is_unfetched = |all: &Vec<Relation>| is_unfetched(all, entity, record);
                statement.concerns(question.facts, question.action, entity)
                    && follows.is_some_and(is_unfetched)
            });
            if let Some(statement) = concerned.into_iter().next() {
                return Verdict::Erroring(statement.id.clone());
            }
            let follows = followed(policies, question.facts, question.action, entity);
            whole(policies, (question.action, Some(entity)), &follows, &env)
        }
        Subject::Call(call) => {
            env.call = Some(call);
            whole(policies, (question.action, None), &[], &env)
        }
    }
}

/// The references that any statement about a caller goes by, whatever of it counts for this one.
pub(super) fn followed(policies: &Policies, facts: &Facts, action: Action, entity: &Entity) -> Vec<Relation> {
    let concerned = policies.statements.iter().filter(|s| s.concerns(facts, action, entity));
    Relation::join(concerned.filter_map(|statement| statement.follows.get(&entity.name)).flatten())
}

impl Policies {
    /// Repeats a decision on the whole set: on a record (before it is shown), or on a call.
    ///
    /// # Errors
    /// [`Mismatch`]; whoever asked refuses and raises the alarm.
    pub fn recheck(
        &self,
        outlook: &Outlook,
        record: Option<&Record>,
        guarded: Option<bool>,
    ) -> Result<(), Box<Mismatch>> {
        let decided = outlook.verdict(record, guarded);
        self.compare(decided, &outlook.program, &outlook.env(record, guarded))
    }

    /// Repeats on the whole set all that [`judge`](super::judge) asks of a write: the verdicts on the stored
    /// record and on the one that will be held, and what the caller's own `read` and `list` show of them.
    ///
    /// # Errors
    /// [`Mismatch`]; whoever asked refuses before the write leaves, and raises the alarm.
    pub fn recheck_change(&self, outlook: &Outlook, change: &Change) -> Result<(), Box<Mismatch>> {
        for record in change.old().into_iter().chain(change.held()) {
            self.recheck(outlook, Some(record), change.guarded())?;
            for sight in outlook.sights() {
                self.repeat(sight, &outlook.env(Some(record), None))?;
            }
        }
        Ok(())
    }

    /// Repeats on the whole set what the caller's own `read` shows of the record that a write left behind
    /// (before [`echo`](super::echo) shows it).
    ///
    /// # Errors
    /// [`Mismatch`]; the write is done, its answer is refused.
    pub fn recheck_echo(&self, permit: &WritePermit, record: &Record) -> Result<(), Box<Mismatch>> {
        match permit.sight(record) {
            Some((program, env)) => self.repeat(program, &env),
            None => Ok(()),
        }
    }

    /// The same for the record that an earlier write left behind (before [`again`](super::again) shows it).
    ///
    /// # Errors
    /// [`Mismatch`]; the repeat's answer is refused.
    pub fn recheck_again(&self, outlook: &Outlook, record: &Record) -> Result<(), Box<Mismatch>> {
        match &outlook.echo {
            Some(read) => self.repeat(read, &outlook.env(Some(record), None)),
            None => Ok(()),
        }
    }

    fn repeat(&self, program: &Program, env: &Env<'_>) -> Result<(), Box<Mismatch>> {
        self.compare(program.verdict(env), program, env)
    }

    fn compare(&self, mut decided: Verdict, program: &Program, env: &Env<'_>) -> Result<(), Box<Mismatch>> {
        let is_unfetched = program.is_unfetched(env);
        let mut whole = whole(self, (program.action, program.entity.as_ref()), &program.follows, env);
        // What a record names and nobody could fetch is taken by Cedar for something that has nothing.
        if is_unfetched && matches!(decided, Verdict::Erroring(_)) {
            return Ok(());
        }
        sort(&mut decided);
        sort(&mut whole);
        if decided == whole { Ok(()) } else { Err(Box::new(Mismatch { decided, whole })) }
    }
}

/// Which statement erred first is not compared: every one refuses.
fn sort(verdict: &mut Verdict) {
    match verdict {
        Verdict::Permitted(view) => view.grounds.statements.sort(),
        Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => grounds.statements.sort(),
        Verdict::Erroring(statement) => *statement = StatementId::new(""),
    }
}

fn whole(
    policies: &Policies,
    (action, entity): (Action, Option<&Arc<Entity>>),
    follows: &[Relation],
    env: &Env<'_>,
) -> Verdict {
    let mut reads = FieldSet::EMPTY;
    let mut first: Option<&StatementId> = None;
    if let Some(entity) = entity {
        for statement in policies.statements.iter().filter(|s| s.concerns(env.facts, action, entity)) {
            first = first.or(Some(&statement.id));
            reads = reads.union(&statement.grants.get(&entity.name).map(|g| g.reads).unwrap_or_default());
        }
        let is_sound = env.record.is_some_and(|record| is_sound(entity, action, &reads, record));
        if let (false, Some(first)) = (is_sound, first) {
            return Verdict::Erroring(first.clone());
        }
    }
    match satisfied(policies, (action, entity), (&reads, follows), env) {
        Ok(found) => {
            let mut tally = Tally::default();
            for statement in found {
                let grants = entity.and_then(|entity| statement.grants.get(&entity.name)).copied();
                tally.add(statement, &grants.unwrap_or_default());
            }
            tally.verdict()
        }
        Err(Fault::Statement(id)) => Verdict::Erroring(id),
        Err(Fault::Unfit) => Verdict::Erroring(first.cloned().unwrap_or_else(|| StatementId::new(""))),
    }
}

enum Fault {
    Statement(StatementId),
    Unfit,
}

impl From<Unfit> for Fault {
    fn from(_: Unfit) -> Self {
        Self::Unfit
    }
}

/// Every statement that holds.
fn satisfied<'p>(
    policies: &'p Policies,
    (action, entity): (Action, Option<&Arc<Entity>>),
    (reads, follows): (&FieldSet, &[Relation]),
    env: &Env<'_>,
) -> Result<Vec<&'p Arc<Statement>>, Fault> {
    let principal = cedar::principal(env.facts, &policies.principals)?;
    let principal_uid = principal.uid();
    let mut all = vec![principal];
    let resource = match (entity, env.record, env.call) {
        (Some(entity), Some(record), _) => {
            let (uid, made) = cedar::resources(entity, record, (env.id, reads), follows)?;
            all.extend(made);
            uid
        }
        (None, _, Some(call)) => cedar::uid("System", call.system.as_str())?,
        (Some(_), None, _) | (None, _, None) => return Err(Fault::Unfit),
    };
    let entities = Entities::from_entities(all, None).map_err(|_twice| Unfit)?;
    let request = Request::new(principal_uid, cedar::action(action)?, resource, cedar::context(env)?, None)
        .map_err(|_unfit| Unfit)?;
    let mut found = Vec::new();
    // ORDER: permits and forbids apart, since a refusal names no permit and an erring forbid is skipped.
    let glass = env.context.is_broken.then_some(&policies.glass);
    for set in [&policies.permits].into_iter().chain(glass).chain([&policies.forbids]) {
        ask(policies, set, &request, &entities, &mut found)?;
    }
    Ok(found)
}

fn ask<'p>(
    policies: &'p Policies,
    set: &PolicySet,
    request: &Request,
    entities: &Entities,
    found: &mut Vec<&'p Arc<Statement>>,
) -> Result<(), Fault> {
    let answer = Authorizer::new().is_authorized(request, set, entities);
    if let Some(error) = answer.diagnostics().errors().next() {
        let id = match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        };
        return Err(policies.by_number(id).map_or(Fault::Unfit, |s| Fault::Statement(s.id.clone())));
    }
    for id in answer.diagnostics().reason() {
        found.push(policies.by_number(id).ok_or(Fault::Unfit)?);
    }
    Ok(())
}

impl Policies {
    /// The statement that Cedar knows by its number.
    fn by_number(&self, id: &PolicyId) -> Option<&Arc<Statement>> {
        self.statements.get(id.to_string().parse::<usize>().ok()?)
    }
}

/// Whether what statements read of a record is there and of its type.
fn is_sound(entity: &Entity, action: Action, reads: &FieldSet, record: &Record) -> bool {
    reads.iter().all(|leaf| match (leaf, Route::of_leaf(entity, leaf)) {
        (LeafId(0), _) => {
            action == Action::Create || id(Some(entity), record).is_some_and(|id| !id.is_empty())
        }
        (_, None) => true,
        (_, Some(route)) => match (route.find(record), &route.target) {
            (Err(_), _) => false,
            (Ok(None), _) => true,
            (Ok(Some(value)), Target::Leaf(_, holds)) => val(holds, value).is_some(),
            (Ok(Some(Value::List(values))), Target::Set(_, holds)) => values.iter().all(|v| fits(holds, v)),
            (Ok(Some(_)), Target::Set(..) | Target::Object(_)) => false,
        },
    })
}

fn fits(holds: &Holds, value: &Value) -> bool {
    *value == Value::Null || value.as_text().is_some_and(str::is_empty) || val(holds, value).is_some()
}
