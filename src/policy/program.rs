//! Statements specialised for one caller, action and entity, and the verdict they give on a record.
//!
//! Cedar's type-aware partial evaluation does the specialising, with its traps walked around: every residual
//! is looked at, those that became *true*, *false* or *error* too, and no decision of its own is believed.

use std::{collections::BTreeSet, sync::Arc};

use cedar_policy::{
    Authorizer, Entities, EntityUid, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicySet,
    Request,
};

use super::{
    Detail,
    cedar::{self, Unfit},
    compile,
    context::Env,
    degrees::Degrees,
    explain::Role,
    load::Policies,
    predicate::{Node, Outcomes, Stop},
    related::{Relation, is_unfetched},
    settled::Key,
    shape::{Route, Target},
    statement::{Grants, Statement, Verb},
    usual::Usual,
    value::val,
};
use crate::{
    catalog::Action,
    identity::Facts,
    schema::{Entity, FieldSet, LeafId, Record, Value},
    words::{GroupName, Kind, PrincipalId, StatementId, SystemName},
};

/// What is asked about: records of an entity, or calls to a system.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'a> {
    Entity(&'a Arc<Entity>),
    System(&'a SystemName),
}

/// Specialised statements; nothing of the context is in them.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) action: Action,
    pub(super) entity: Option<Arc<Entity>>,
    /// Those that can still hold or fail with an error.
    pub(super) rules: Vec<Arc<Rule>>,
    /// Leaves that conditions read: they must be fetched.
    pub(super) reads: FieldSet,
    /// Leaves of the entity that conditions of the bundle name, whoever they are about.
    pub(super) named: FieldSet,
    /// The records that rules go by and that the record names.
    pub(super) follows: Vec<Relation>,
    musts: Vec<Must>,
    /// What is left open at most requests.
    pub(super) usual: Option<Usual>,
    /// The caller as Cedar knows it, where a rule needs Cedar itself.
    principal: Option<Entities>,
    principal_uid: EntityUid,
}

/// One specialised statement.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) statement: Arc<Statement>,
    pub(super) grants: Grants,
    pub(super) check: Check,
    /// What it can come to before context and record are known.
    pub(super) outcomes: Outcomes,
    pub(super) reads_context: bool,
    /// The records it goes by that the record names.
    pub(super) follows: Vec<Relation>,
}

/// How a condition is judged.
#[derive(Debug)]
pub(super) enum Check {
    Always,
    Compiled(Node),
    /// By Cedar: its form has no compiled one.
    Cedar(Box<PolicySet>),
}

/// A leaf that conditions read: there where every record has it, of its type, held exactly.
#[derive(Debug)]
struct Must {
    route: Route,
    statement: StatementId,
}

/// The statements that decided, and how much the journal says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Satisfied permits of what was allowed, satisfied forbids of what was refused.
    pub statements: Vec<StatementId>,
    /// The fullest that any satisfied statement asks for.
    pub detail: Detail,
}

/// What the statements say of one record or request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one: a box would cost each record"
)]
pub enum Verdict {
    /// Permitted, as far as the view goes.
    Permitted(View),
    /// A forbid holds.
    Forbidden(Grounds),
    /// No permit holds.
    Unpermitted(Grounds),
    /// A statement could not be judged; it may be a forbid.
    Erroring(StatementId),
}

/// What the satisfied statements show and let change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub(super) shown: Degrees,
    pub(super) writes: FieldSet,
    pub(super) grounds: Grounds,
}

impl View {
    /// Leaves shown, masked ones included.
    pub fn fields(&self) -> FieldSet {
        self.shown.all()
    }

    /// Leaves shown through a mask.
    pub fn masked(&self) -> FieldSet {
        self.shown.masked()
    }

    /// Leaves that may change.
    pub fn writes(&self) -> FieldSet {
        self.writes
    }

    /// The permits that hold.
    pub fn grounds(&self) -> &Grounds {
        &self.grounds
    }
}

impl Program {
    /// Specialises what speaks of that caller, action and resource.
    pub(super) fn new(
        policies: &Policies,
        facts: &Facts,
        action: Action,
        about: About<'_>,
    ) -> Result<Self, Unfit> {
        let concerned = policies.index.concerned(&policies.statements, facts, action, about);
        let principal = cedar::principal(facts, &policies.principals)?;
        let principal_uid = principal.uid();
        let entities =
            Entities::from_entities([principal], Some(&policies.cedar)).map_err(|_misfit| Unfit)?;
        let rules = rules(policies, &concerned, (facts.kind, &entities, &principal_uid), action, about)?;
        let entity = match about {
            About::Entity(entity) => Some(entity.clone()),
            About::System(_) => None,
        };
        let (reads, musts) = match &entity {
            Some(entity) => musts(entity, action, &concerned),
            None => (FieldSet::EMPTY, Vec::new()),
        };
        let named = entity.as_ref().map_or(FieldSet::EMPTY, |entity| policies.index.named(&entity.name));
        let follows = Relation::join(rules.iter().flat_map(|rule| &rule.follows));
        let needs_cedar = rules.iter().any(|rule| matches!(rule.check, Check::Cedar(_)));
        let mut program = Self {
            action,
            entity,
            rules,
            reads,
            named,
            follows,
            musts,
            usual: None,
            principal: needs_cedar.then_some(entities),
            principal_uid,
        };
        program.usual = Usual::of(&program);
        Ok(program)
    }

    /// What of the statements is left for any principal of a kind, as far as its groups may reach: nothing else of
    /// it is known.
    pub(super) fn of_any(
        policies: &Policies,
        (kind, named): (Kind, Option<&PrincipalId>),
        groups: &BTreeSet<GroupName>,
        action: Action,
        about: About<'_>,
    ) -> Result<Vec<Arc<Rule>>, Unfit> {
        let concerned = policies.statements.iter();
        let concerned =
            concerned.filter(|statement| statement.may_concern((kind, named), groups, action, about));
        let concerned: Vec<_> = concerned.map(|statement| (statement, &statement.policy)).collect();
        let uid = any_of(kind)?;
        let rules = specialise(policies, &concerned, &PartialEntities::empty(), uid, action, about)?;
        Ok(rules.into_iter().flatten().collect())
    }

    /// What the statements say, all that they may read being known.
    pub(super) fn verdict(&self, env: &Env<'_>) -> Verdict {
        self.verdict_from(env, &[])
    }

    /// The same, where it was seen before what each rule can come to at this request: one that can come to one thing
    /// only is not judged again.
    pub(super) fn verdict_from(&self, env: &Env<'_>, seen: &[Outcomes]) -> Verdict {
        if let Some(statement) = env.record.and_then(|record| self.broken(record)) {
            return Verdict::Erroring(statement.clone());
        }
        let mut tally = Tally::default();
        for (at, rule) in self.rules.iter().enumerate() {
            let sure = seen.get(at).and_then(|outcomes| outcomes.sure());
            match sure.unwrap_or_else(|| self.holds(rule, env)) {
                Ok(true) => tally.add(&rule.statement, &rule.grants),
                Ok(false) => {}
                Err(_) => return Verdict::Erroring(rule.statement.id.clone()),
            }
        }
        tally.verdict()
    }

    fn holds(&self, rule: &Rule, env: &Env<'_>) -> Result<bool, Stop> {
        if !rule.statement.counts(env.context.is_broken) {
            return Ok(false);
        }
        match &rule.check {
            Check::Always => Ok(true),
            Check::Compiled(node) => node.holds(env),
            Check::Cedar(set) => self.ask_cedar(set, rule, env).map_err(|_unfit| Stop::Error)?,
        }
    }

    /// Judges one statement by Cedar itself.
    fn ask_cedar(&self, set: &PolicySet, rule: &Rule, env: &Env<'_>) -> Result<Result<bool, Stop>, Unfit> {
        let known = self.principal.clone().unwrap_or_else(Entities::empty);
        let (resource, entities) = match (&self.entity, env.record, env.call) {
            (Some(entity), Some(record), _) => {
                // Cedar would take what is not there for something that has nothing.
                if is_unfetched(&rule.follows, entity, record) {
                    return Ok(Err(Stop::Error));
                }
                let own = (env.id, &rule.grants.reads);
                let (uid, all) = cedar::resources(entity, record, own, &rule.follows)?;
                (uid, known.add_entities(all, None).map_err(|_twice| Unfit)?)
            }
            (None, _, Some(call)) => (cedar::uid("System", call.system.as_str())?, known),
            (Some(_), None, _) | (None, _, None) => return Err(Unfit),
        };
        let action = cedar::action(self.action)?;
        let request = Request::new(self.principal_uid.clone(), action, resource, cedar::context(env)?, None);
        let answer = Authorizer::new().is_authorized(&request.map_err(|_unfit| Unfit)?, set, &entities);
        if answer.diagnostics().errors().next().is_some() {
            return Ok(Err(Stop::Error));
        }
        Ok(Ok(answer.diagnostics().reason().next().is_some()))
    }

    /// Whether something that a record names was not fetched.
    pub(super) fn is_unfetched(&self, env: &Env<'_>) -> bool {
        let (Some(entity), Some(record)) = (&self.entity, env.record) else { return false };
        is_unfetched(&self.follows, entity, record)
    }

    /// Whether something that one rule goes by was not.
    pub(super) fn is_unfetched_by(&self, rule: &Rule, env: &Env<'_>) -> bool {
        let (Some(entity), Some(record)) = (&self.entity, env.record) else { return false };
        is_unfetched(&rule.follows, entity, record)
    }

    /// Whether one rule holds, all being known; none where it cannot be judged.
    pub(super) fn is_held(&self, rule: &Rule, env: &Env<'_>) -> Option<bool> {
        self.holds(rule, env).ok()
    }

    /// What one rule comes to, all being known.
    pub(super) fn role(&self, rule: &Rule, env: &Env<'_>) -> Role {
        let is_broken = env.record.and_then(|record| self.broken(record)) == Some(&rule.statement.id);
        match self.holds(rule, env) {
            _ if is_broken => Role::Errs,
            Ok(true) => Role::Holds,
            Ok(false) => Role::Fails,
            Err(_) => Role::Errs,
        }
    }

    /// What a rule can come to, with what is known now.
    pub(super) fn outcomes(rule: &Rule, env: &Env<'_>) -> Outcomes {
        if !rule.statement.counts(env.context.is_broken) {
            return Outcomes::FAILS;
        }
        match &rule.check {
            Check::Compiled(node) if rule.reads_context => node.outcomes(env),
            Check::Always | Check::Compiled(_) | Check::Cedar(_) => rule.outcomes,
        }
    }

    /// The same, some leaves of the record not being known.
    pub(super) fn broken_but(&self, record: &Record, untold: &FieldSet) -> Option<&StatementId> {
        let known = self.musts.iter().filter(|must| !untold.meets(&must.route.leaves()));
        known.into_iter().find(|must| !must.is_met(record)).map(|must| &must.statement)
    }

    /// The statement that cannot be judged on a record, where the record is not what its schema says.
    fn broken(&self, record: &Record) -> Option<&StatementId> {
        self.musts.iter().find(|must| !must.is_met(record)).map(|must| &must.statement)
    }
}

/// Satisfied statements, put together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    view: View,
    withheld: FieldSet,
    is_permitted: bool,
    forbids: Vec<StatementId>,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, statement: &Statement, grants: &Grants) {
        let grounds = &mut self.view.grounds;
        grounds.detail = grounds.detail.max(statement.detail);
        match statement.effect {
            Verb::Permit => {
                self.is_permitted = true;
                self.view.shown.join(&grants.shown);
                self.view.writes = self.view.writes.union(&grants.writes);
                grounds.statements.push(statement.id.clone());
            }
            Verb::Withhold => self.withheld = self.withheld.union(&grants.withheld),
            Verb::Forbid => self.forbids.push(statement.id.clone()),
        }
    }

    pub(super) fn verdict(self) -> Verdict {
        let mut view = self.view;
        if !self.forbids.is_empty() {
            return Verdict::Forbidden(Grounds { statements: self.forbids, detail: view.grounds.detail });
        }
        if !self.is_permitted {
            return Verdict::Unpermitted(view.grounds);
        }
        if !self.withheld.is_empty() {
            view.shown.strike(&self.withheld);
            view.writes = view.writes.minus(&self.withheld);
        }
        Verdict::Permitted(view)
    }
}

/// Some principal of a kind of whom nothing else is known.
fn any_of(kind: Kind) -> Result<PartialEntityUid, Unfit> {
    Ok(PartialEntityUid::new(cedar::uid(kind.as_str(), "")?.type_name().clone(), None))
}

/// The rules of statements that speak of a caller: those that read nothing of it are settled once for all, the others
/// are specialised for it.
fn rules(
    policies: &Policies,
    concerned: &[&Arc<Statement>],
    (kind, entities, uid): (Kind, &Entities, &EntityUid),
    action: Action,
    about: About<'_>,
) -> Result<Vec<Arc<Rule>>, Unfit> {
    let own: Vec<_> = concerned.iter().filter(|statement| statement.anyone.is_none()).collect();
    let own: Vec<_> = own.into_iter().map(|statement| (*statement, &statement.policy)).collect();
    let own = match own.as_slice() {
        [] => Vec::new(),
        own => {
            let known =
                PartialEntities::from_concrete(entities.clone(), &policies.cedar).map_err(|_misfit| Unfit)?;
            let uid = PartialEntityUid::from_concrete(uid.clone());
            specialise(policies, own, &known, uid, action, about)?
        }
    };
    let mut own = own.into_iter();
    let mut rules = Vec::with_capacity(concerned.len());
    for statement in concerned {
        // ORDER: rules stand as their statements do.
        rules.extend(match &statement.anyone {
            Some(policy) => settled(policies, (statement, policy), kind, action, about)?,
            None => own.next().ok_or(Unfit)?,
        });
    }
    Ok(rules)
}

/// The rule of a statement that reads nothing of the caller.
fn settled(
    policies: &Policies,
    (statement, policy): (&Arc<Statement>, &Policy),
    kind: Kind,
    action: Action,
    about: About<'_>,
) -> Result<Option<Arc<Rule>>, Unfit> {
    let (entity, system) = match about {
        About::Entity(entity) => (Some(entity.name.clone()), None),
        About::System(system) => (None, Some(system.clone())),
    };
    let key = Key { statement: statement.id.clone(), kind, action, entity, system };
    policies.settled.get(key, || {
        let known = PartialEntities::empty();
        let made = specialise(policies, &[(statement, policy)], &known, any_of(kind)?, action, about)?;
        made.into_iter().next().ok_or(Unfit)
    })
}

/// The rules of statements, each said by a policy, in order; none for one that can never matter.
fn specialise(
    policies: &Policies,
    concerned: &[(&Arc<Statement>, &Policy)],
    known: &PartialEntities,
    principal: PartialEntityUid,
    action: Action,
    about: About<'_>,
) -> Result<Vec<Option<Arc<Rule>>>, Unfit> {
    let resource = match about {
        About::Entity(entity) => {
            PartialEntityUid::new(cedar::uid(entity.name.as_str(), "")?.type_name().clone(), None)
        }
        About::System(system) => PartialEntityUid::from_concrete(cedar::uid("System", system.as_str())?),
    };
    let set = PolicySet::from_policies(concerned.iter().map(|(_, policy)| (*policy).clone()))
        .map_err(|_twice| Unfit)?;
    let request = PartialRequest::new(principal, cedar::action(action)?, resource, None, &policies.cedar)
        .map_err(|_invalid| Unfit)?;
    let answer = set.tpe(&request, known, &policies.cedar).map_err(|_failed| Unfit)?;
    let entity = match about {
        About::Entity(entity) => Some(&**entity),
        About::System(_) => None,
    };
    let mut rules = Vec::new();
    for (statement, policy) in concerned {
        // ORDER: every statement is asked for by name, so that none that became constant is overlooked.
        let residual = answer.get_policy(policy.id()).ok_or(Unfit)?;
        let condition = super::statement::residual(&residual);
        let check = condition.and_then(|condition| compile::node(&condition, entity, &policies.entities));
        rules.push(rule(statement, entity, check).map(Arc::new));
    }
    Ok(rules)
}

/// The rule of a statement; none where it can never matter.
fn rule(statement: &Arc<Statement>, entity: Option<&Entity>, node: Option<Node>) -> Option<Rule> {
    let grants = entity.and_then(|entity| statement.grants.get(&entity.name)).copied().unwrap_or_default();
    let by_name = entity.and_then(|entity| statement.follows.get(&entity.name));
    let follows = by_name.filter(|_| node.as_ref().is_none_or(Node::follows)).cloned().unwrap_or_default();
    let (check, outcomes, reads_context) = match node {
        Some(Node::Constant(super::value::Constant::Bool(false))) => return None,
        Some(Node::Constant(super::value::Constant::Bool(true))) => (Check::Always, Outcomes::HOLDS, false),
        Some(Node::Fails) => (Check::Compiled(Node::Fails), Outcomes::ERRS, false),
        Some(node) => {
            let reads_context = node.reads_context();
            (Check::Compiled(node), Outcomes::ANY, reads_context)
        }
        None => {
            let set = PolicySet::from_policies([statement.policy.clone()]).unwrap_or_default();
            (Check::Cedar(Box::new(set)), Outcomes::ANY, false)
        }
    };
    Some(Rule { statement: statement.clone(), grants, check, outcomes, reads_context, follows })
}

/// What concerned statements read of a record.
fn musts(entity: &Entity, action: Action, concerned: &[&Arc<Statement>]) -> (FieldSet, Vec<Must>) {
    let mut all = FieldSet::EMPTY;
    let mut musts = Vec::new();
    for statement in concerned {
        let reads = statement.grants.get(&entity.name).map(|grants| grants.reads).unwrap_or_default();
        for leaf in reads.minus(&all).iter() {
            let route = match leaf {
                // A new record has no id yet; statements see it as one that nothing equals.
                LeafId(0) if action == Action::Create => None,
                LeafId(0) => Route::of_id(entity),
                leaf => Route::of_leaf(entity, leaf),
            };
            musts.extend(route.map(|route| Must { route, statement: statement.id.clone() }));
        }
        all = all.union(&reads);
    }
    (all, musts)
}

impl Must {
    #[inline]
    fn is_met(&self, record: &Record) -> bool {
        match (self.route.find(record), &self.route.target) {
            (Err(_), _) => false,
            (Ok(None), _) => true,
            (Ok(Some(value)), Target::Leaf(_, holds)) => val(holds, value).is_some(),
            (Ok(Some(Value::List(values))), Target::Set(_, holds)) => values.iter().all(|value| {
                let is_empty = *value == Value::Null || value.as_text().is_some_and(str::is_empty);
                is_empty || val(holds, value).is_some()
            }),
            (Ok(Some(_)), Target::Set(..)) => false,
            (Ok(Some(value)), Target::Object(_)) => matches!(value, Value::Object(_)),
        }
    }
}
