//! Documents about the gate itself: what this caller may call, and the public keys of our tokens.

use std::sync::Arc;

use http::{Method, Response};

use super::{Core, context, exchange::Exchange, including};
use crate::{
    answer::Answer,
    body::Body,
    catalog::{Action, Call},
    config::{EntitySource, EntitySources, Snapshot, taken},
    identity::{Caller, Facts},
    intake::Head,
    mapping::WriteView,
    policy::{self, Context, Outlook, Target},
    quota::{Greeted, Stranger},
    refusal::Refusal,
    schema::{
        Entity, FieldSet, Relation,
        openapi::{self, About, Accepted, Exposed, ExposedSystem, Verb},
    },
    words::{PlanName, SystemName},
};

/// Where the public keys stand.
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// `/.well-known/jwks.json`
pub(super) async fn jwks(exchange: Box<Exchange>, stranger: Stranger) -> Response<Body> {
    let document = exchange.core.gate.tokens.jwks();
    exchange.finish(Ok(Answer::keys(stranger, document))).await
}

/// `/openapi.json`: only what this caller may call, with its own fields.
pub(super) async fn openapi(
    mut exchange: Box<Exchange>,
    caller: &Caller,
    greeted: Greeted,
    head: &Head,
) -> Response<Body> {
    let describing = Describing::of(&mut exchange, caller.facts(), head);
    // The first time, statements are specialised for every operation there is.
    let described = exchange.core.aside(move || describing.document()).await;
    let outcome = described.map(|document| Answer::description(greeted, document)).ok_or(Refusal::Broken);
    exchange.finish(outcome).await
}

const VERBS: [Verb; 5] = [Verb::List, Verb::Read, Verb::Create, Verb::Update, Verb::Delete];

/// What a description is made from.
pub(super) struct Describing {
    core: Arc<Core>,
    pub(super) snapshot: Arc<Snapshot>,
    facts: Arc<Facts>,
    context: Context,
}

impl Describing {
    /// What this caller may ask for, by this exchange's bundle.
    pub(super) fn of(exchange: &mut Exchange, facts: &Arc<Facts>, head: &Head) -> Self {
        Self {
            core: exchange.core.clone(),
            snapshot: exchange.snapshot.clone(),
            facts: facts.clone(),
            context: context(exchange, head),
        }
    }

    fn document(&self) -> String {
        let Self { snapshot, facts, .. } = self;
        let served = snapshot.schema.entities().iter().filter(|entity| snapshot.serving(entity).is_some());
        let exposed: Vec<Exposed<'_>> =
            served.flat_map(|entity| VERBS.map(|verb| self.expose(entity, verb))).flatten().collect();
        let callable: Vec<(&SystemName, Vec<Method>)> = snapshot
            .systems
            .keys()
            .map(|system| (system, self.may_call(system)))
            .filter(|(_, methods)| !methods.is_empty())
            .collect();
        let systems: Vec<ExposedSystem<'_>> =
            callable.iter().map(|(name, methods)| ExposedSystem { name, methods }).collect();
        let title = format!("bramka `{}`", snapshot.settings.gate.value);
        let version = snapshot.digest.short();
        let about = About { title: &title, version: &version, server: None, limits: &snapshot.limits };
        tracing::debug!(caller = %facts.id, operations = exposed.len(), "described");
        openapi::document(&about, &exposed, &systems).to_string()
    }

    /// The methods by which some statement can permit a call to this system. A permit that holds for deeper
    /// paths only is not told of: the document never says more than is so.
    fn may_call(&self, system: &SystemName) -> Vec<Method> {
        let permitted = |method: &Method| {
            let call = Call { system: system.clone(), method: method.clone(), path: "/".into(), query: None };
            self.outlook(Action::Call, Target::Call(call)).is_some()
        };
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
            .into_iter()
            .filter(permitted)
            .collect()
    }

    /// One operation, when some statement can permit it and the system can do it.
    fn expose<'a>(&'a self, entity: &'a Arc<Entity>, verb: Verb) -> Option<Exposed<'a>> {
        let sources = self.snapshot.serving(entity)?;
        let action = match verb {
            Verb::List => Action::List,
            Verb::Read => Action::Read,
            Verb::Create => Action::Create,
            Verb::Update => Action::Update,
            Verb::Delete => Action::Delete,
        };
        if !sources.can(action) {
            return None;
        }
        let outlook = self.outlook(action, Target::Entity(entity.clone()))?;
        let (visible, clear) = (outlook.visible(), outlook.clear());
        let WriteView { writable, required } = taken(sources.all(), action, &outlook.writable());
        let masked = visible.minus(&clear);
        let clear = sources.telling(&clear);
        let beside = match verb {
            Verb::List | Verb::Read => self.beside(entity, &clear),
            Verb::Create | Verb::Update | Verb::Delete => Vec::new(),
        };
        let may_lack =
            !sources.deferred().intersection(&visible).is_empty() || self.is_capped(outlook.plans());
        let accepted = self.accepted(entity, sources, verb);
        Some(Exposed { entity, verb, visible, masked, clear, writable, required, beside, may_lack, accepted })
    }

    /// Whether a budget bounds what this caller may be shown under these plans or its own.
    fn is_capped(&self, named: &[PlanName]) -> bool {
        let plans = &self.snapshot.plans;
        let mut names = named.iter().chain([plans.own(&self.facts)]);
        names.any(|name| plans.plan(name).is_some_and(|plan| !plan.budgets.is_empty()))
    }

    /// How a new record may be answered for before it is there. Only who may make one is ever told where to ask.
    fn accepted(&self, entity: &Arc<Entity>, sources: &EntitySources, verb: Verb) -> Accepted {
        let is_told = match verb {
            Verb::Create => true,
            Verb::Read => self.outlook(Action::Create, Target::Entity(entity.clone())).is_some(),
            Verb::List | Verb::Update | Verb::Delete => false,
        };
        if !is_told {
            return Accepted::default();
        }
        Accepted {
            is_asked_for: sources.making().any(EntitySource::accepts),
            is_unseen: sources.making().any(|source| !source.mapping.returns_records()),
        }
    }

    /// What may be asked for beside a record of which the caller sees the leaves `own` unmasked.
    fn beside(&self, entity: &Entity, own: &FieldSet) -> Vec<Relation> {
        let mut relations = self.snapshot.schema.relations(entity);
        relations.retain(|relation| including::is_possible(self, own, relation));
        relations
    }

    /// What is left open for this caller; none where no statement can permit it.
    pub(super) fn outlook(&self, action: Action, target: Target) -> Option<Box<Outlook>> {
        let (policies, memo) = (&self.snapshot.policies, &self.core.memo);
        policy::outlook(policies, memo, &self.facts, action, target, self.context.clone()).ok()
    }
}
