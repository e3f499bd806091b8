//! Proof that some statement can still permit an operation, and all that follows before a record is seen.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    Denied,
    cedar::Unfit,
    contact::Unseen,
    context::{Context, Env},
    load::Policies,
    memo::Memo,
    predicate::Outcomes,
    program::{About, Program, Verdict},
    pushdown,
    related::Relation,
    statement::Verb,
    usual::{Live, Sight},
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
    caller: Caller,
    operation: Operation,
    outlook: Box<Outlook>,
}

/// What statements leave open to someone, before any record: plain data, proof of nothing. Requests carry it
/// in a [`Prospect`]; OpenAPI, explain and replay ask for it alone.
#[derive(Debug)]
pub struct Outlook {
    pub(super) policies: Arc<Policies>,
    pub(super) program: Arc<Program>,
    /// The caller's own `read`, for the answer to a create or an update.
    pub(super) echo: Option<Arc<Program>>,
    /// The caller's own `list`, where a mask learnt from one could be sent back.
    pub(super) list: Option<Arc<Program>>,
    pub(super) facts: Arc<Facts>,
    pub(super) context: Context,
    call: Option<Call>,
    /// INVARIANT: one a rule of `program`, in order: what it can still come to.
    live: Live,
    visible: FieldSet,
    clear: FieldSet,
    writable: FieldSet,
    plans: SmallVec<[PlanName; 2]>,
}

/// What an outlook is asked for: an entity, or a call as it would be sent.
#[derive(Clone, Debug)]
pub enum Target {
    /// Records of an entity.
    Entity(Arc<Entity>),
    /// A call to a system.
    Call(Call),
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
    let outlook = outlook(policies, memo, caller.facts(), operation.action(), target(&operation), context)?;
    Ok(Prospect { caller, operation, outlook })
}

/// Whether [`prospect`] has all it needs at hand. Where it has not it specialises first, which takes about a
/// millisecond instead of microseconds.
pub fn is_at_hand(policies: &Policies, memo: &Memo, facts: &Facts, operation: &Operation) -> bool {
    let about = match operation {
        Operation::Read(entity, _)
        | Operation::List(entity)
        | Operation::Create(entity)
        | Operation::Update(entity, ..)
        | Operation::Delete(entity, _) => About::Entity(entity),
        Operation::Call(call) => About::System(&call.system),
    };
    let knows = |action| memo.knows(policies.bundle, facts, action, about);
    let action = operation.action();
    knows(action) && sights(action).iter().all(|sight| knows(*sight))
}

/// The same for facts alone.
///
/// # Errors
/// As [`prospect`].
pub fn outlook(
    policies: &Arc<Policies>,
    memo: &Memo,
    facts: &Arc<Facts>,
    action: Action,
    target: Target,
    context: Context,
) -> Result<Box<Outlook>, Denied> {
    let about = match &target {
        Target::Entity(entity) => About::Entity(entity),
        Target::Call(call) => About::System(&call.system),
    };
    let program = remembered(policies, memo, facts, action, about)?;
    let own = |wanted: Action| {
        let asked = sights(action).contains(&wanted);
        asked.then(|| remembered(policies, memo, facts, wanted, about)).transpose()
    };
    let (echo, list) = (own(Action::Read)?, own(Action::List)?);
    let call = match target {
        Target::Entity(_) => None,
        Target::Call(call) => Some(call),
    };
    let env = env(facts, &context, call.as_ref());
    let Sight { live, mut visible, mut clear, writable, plans } = program.sight(&env)?;
    if let Some(echo) = &echo {
        (visible, clear) = echo.seen(&env);
    }
    Ok(Box::write(
        Box::new_uninit(),
        Outlook {
            policies: policies.clone(),
            program,
            echo,
            list,
            facts: facts.clone(),
            context,
            call,
            live,
            visible,
            clear,
            writable,
            plans,
        },
    ))
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

    /// What is left open, as plain data.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// See [`Outlook::visible`].
    pub fn visible(&self) -> FieldSet {
        self.outlook.visible
    }

    /// See [`Outlook::clear`].
    pub fn clear(&self) -> FieldSet {
        self.outlook.clear
    }

    /// The addresses of people that this caller does not see whole.
    pub fn unseen(&self, entity: &Entity) -> Unseen {
        Unseen::of(entity, &self.outlook.clear)
    }

    /// See [`Outlook::reads`].
    pub fn reads(&self) -> FieldSet {
        self.outlook.reads()
    }

    /// The leaves that conditions of the bundle name of the entity: what a system has no line for, and a condition names,
    /// is not told and never none.
    pub fn named(&self) -> FieldSet {
        self.outlook.program.named
    }

    /// See [`Outlook::decides_by`].
    pub fn decides_by(&self) -> FieldSet {
        self.outlook.decides_by()
    }

    /// See [`Outlook::forbids_by_record`].
    pub fn forbids_by_record(&self) -> bool {
        self.outlook.forbids_by_record()
    }

    /// See [`Outlook::pushdown`].
    pub fn pushdown(&self) -> Filter {
        self.outlook.pushdown()
    }

    /// See [`Outlook::plans`].
    pub fn plans(&self) -> &[PlanName] {
        &self.outlook.plans
    }

    /// See [`Outlook::writable`].
    pub fn writable(&self) -> FieldSet {
        self.outlook.writable
    }

    /// See [`Outlook::statements`].
    pub fn statements(&self) -> impl Iterator<Item = &StatementId> {
        self.outlook.statements()
    }
}

impl Outlook {
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
        self.sights().fold(self.program.reads, |reads, sight| reads.union(&sight.reads))
    }

    /// The records that conditions go by and that a record names: they must be fetched before it is judged.
    pub fn follows(&self) -> Vec<Relation> {
        if self.program.follows.is_empty() && self.sights().all(|sight| sight.follows.is_empty()) {
            return Vec::new();
        }
        let rules = self.program.rules.iter().zip(&self.live).filter(|(_, live)| live.holds || live.errs);
        let own = rules.flat_map(|(rule, _)| &rule.follows);
        Relation::join(own.chain(self.sights().flat_map(|sight| &sight.follows)))
    }

    /// Leaves that conditions on this very action read, without those that only an answer goes by.
    pub fn decides_by(&self) -> FieldSet {
        self.program.reads
    }

    /// Whether a forbid that can still hold goes by what a record holds: no system is asked for that, whatever is said of
    /// the same leaves by permits.
    pub fn forbids_by_record(&self) -> bool {
        let mut rules = self.program.rules.iter().zip(&self.live);
        rules.any(|(rule, live)| {
            live.holds && rule.statement.effect == Verb::Forbid && !rule.grants.reads.is_empty()
        })
    }

    /// A filter that every record which can be permitted passes; others may pass too, and every record that
    /// comes back is judged.
    pub fn pushdown(&self) -> Filter {
        pushdown::filter(&self.program, &self.live, &env(&self.facts, &self.context, self.call.as_ref()))
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
        let live = self.program.rules.iter().zip(&self.live).filter(|(_, live)| live.holds);
        live.map(|(rule, _)| &rule.statement.id)
    }

    /// The verdict of the specialised statements, on a record or on the call.
    pub fn verdict(&self, record: Option<&Record>, guarded: Option<bool>) -> Verdict {
        self.program.verdict_from(&self.env(record, guarded), &self.live)
    }

    /// What each rule can come to at this request.
    pub(super) fn live(&self) -> &[Outcomes] {
        &self.live
    }

    /// The caller's own ways of seeing records that a write asks too.
    pub(super) fn sights(&self) -> impl Iterator<Item = &Arc<Program>> {
        self.echo.iter().chain(&self.list)
    }

    /// All that a condition may read of this request, with a record.
    pub(super) fn env<'a>(&'a self, record: Option<&'a Record>, guarded: Option<bool>) -> Env<'a> {
        let mut env = env(&self.facts, &self.context, self.call.as_ref());
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
    Env { facts, context, call, guarded: None, record: None, id: "", untold: None }
}

fn target(operation: &Operation) -> Target {
    match operation {
        Operation::Read(entity, _)
        | Operation::List(entity)
        | Operation::Create(entity)
        | Operation::Update(entity, ..)
        | Operation::Delete(entity, _) => Target::Entity(entity.clone()),
        Operation::Call(call) => Target::Call(call.clone()),
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

/// The caller's own ways of seeing records that an operation asks too. What a create or an update sends may
/// be a mask that either of them shows. A delete shows nothing, but the version that a caller names is of
/// what its `read` shows.
fn sights(action: Action) -> &'static [Action] {
    match action {
        Action::Create | Action::Update => &[Action::Read, Action::List],
        Action::Delete => &[Action::Read],
        Action::Read | Action::List | Action::Call => &[],
    }
}
