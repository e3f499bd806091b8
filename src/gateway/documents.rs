//! Documents about the gate itself: what this caller may call, and the public keys of our tokens.

use std::sync::Arc;

use http::{Method, Response};

use super::{context, exchange::Exchange};
use crate::{
    answer::Answer,
    body::Body,
    catalog::{Action, Call},
    identity::Caller,
    intake::Head,
    policy::{self, Target},
    quota::{Greeted, Stranger},
    schema::{
        Entity,
        openapi::{self, About, Exposed, ExposedSystem, Verb},
    },
    words::SystemName,
};

/// Where the public keys stand.
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// `/.well-known/jwks.json`
pub(super) async fn jwks(exchange: Exchange, stranger: Stranger) -> Response<Body> {
    let document = exchange.core.gate.tokens.jwks();
    exchange.finish(Ok(Answer::keys(stranger, document))).await
}

/// `/openapi.json`: only what this caller may call, with its own fields.
pub(super) async fn openapi(
    exchange: Exchange,
    caller: &Caller,
    greeted: Greeted,
    head: &Head,
) -> Response<Body> {
    let snapshot = exchange.snapshot.clone();
    let mut exposed = Vec::new();
    let served = snapshot.schema.entities().iter().filter(|entity| snapshot.serving(entity).is_some());
    for entity in served {
        exposed.extend(VERBS.into_iter().filter_map(|verb| expose(&exchange, caller, head, entity, verb)));
    }
    let title = format!("bramka `{}`", snapshot.settings.gate.value);
    let version = snapshot.digest.short();
    let about = About { title: &title, version: &version, server: None, limits: &snapshot.limits };
    let callable: Vec<(&SystemName, Vec<Method>)> = snapshot
        .systems
        .keys()
        .map(|system| (system, may_call(&exchange, caller, head, system)))
        .filter(|(_, methods)| !methods.is_empty())
        .collect();
    let systems: Vec<ExposedSystem<'_>> =
        callable.iter().map(|(name, methods)| ExposedSystem { name, methods }).collect();
    let document = openapi::document(&about, &exposed, &systems);
    tracing::debug!(caller = %caller.facts().id, operations = exposed.len(), "described");
    exchange.finish(Ok(Answer::description(greeted, document.to_string()))).await
}

const VERBS: [Verb; 5] = [Verb::List, Verb::Read, Verb::Create, Verb::Update, Verb::Delete];

/// The methods by which some statement can permit a call to this system. A permit that holds for deeper paths
/// only is not told of: the document never says more than is so.
fn may_call(exchange: &Exchange, caller: &Caller, head: &Head, system: &SystemName) -> Vec<Method> {
    let (policies, memo) = (&exchange.snapshot.policies, &exchange.core.memo);
    let permitted = |method: &Method| {
        let call = Call { system: system.clone(), method: method.clone(), path: "/".into(), query: None };
        let context = context(exchange, head);
        policy::outlook(policies, memo, caller.facts(), Action::Call, Target::Call(call), context).is_ok()
    };
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .filter(permitted)
        .collect()
}

/// One operation, when some statement can permit it and the system can do it.
fn expose<'a>(
    exchange: &Exchange,
    caller: &Caller,
    head: &Head,
    entity: &'a Arc<Entity>,
    verb: Verb,
) -> Option<Exposed<'a>> {
    let (_, mapping) = exchange.snapshot.serving(entity)?;
    let action = match verb {
        Verb::List => Action::List,
        Verb::Read => Action::Read,
        Verb::Create => Action::Create,
        Verb::Update => Action::Update,
        Verb::Delete => Action::Delete,
    };
    if !mapping.can(action) {
        return None;
    }
    let (policies, memo) = (&exchange.snapshot.policies, &exchange.core.memo);
    let target = Target::Entity(entity.clone());
    let outlook =
        policy::outlook(policies, memo, caller.facts(), action, target, context(exchange, head)).ok()?;
    let (visible, clear) = (outlook.visible(), outlook.clear());
    let system = mapping.view(action);
    let writable = entity.writable().intersection(&system.writable).intersection(&outlook.writable());
    let required = entity.required().union(&system.required).intersection(&writable);
    Some(Exposed { entity, verb, visible, masked: visible.minus(&clear), clear, writable, required })
}
