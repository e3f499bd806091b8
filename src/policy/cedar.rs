//! Values of ours as Cedar takes them: built without a detour through JSON, and only what is asked for.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
    sync::Arc,
};

use cedar_policy::{
    Context as CedarContext, Entity as CedarEntity, EntityId, EntityTypeName, EntityUid, RestrictedExpression,
};
use jiff::Timestamp;

use super::{
    context::Env,
    principals::PrincipalTypes,
    related::Relation,
    shape::{Holds, Route, Target},
    value::{Constant, Members, Val, ten_thousandths, val},
};
use crate::{
    catalog::Action,
    identity::{Attribute, Facts},
    schema::{Entity, FieldSet, Object, Record, Shape, Value},
};

/// What is wrong with a value that Cedar does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// `Type::"id"`.
pub(super) fn uid(kind: &str, id: &str) -> Result<EntityUid, Unfit> {
    let kind = EntityTypeName::from_str(kind).map_err(|_refused| Unfit)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

pub(super) fn action(action: Action) -> Result<EntityUid, Unfit> {
    uid("Action", action.as_str())
}

/// The principal with its groups and the attributes that its kind carries.
pub(super) fn principal(facts: &Facts, types: &PrincipalTypes) -> Result<CedarEntity, Unfit> {
    let groups = facts.groups.iter().map(|group| uid("Group", group.as_str()));
    let groups = groups.collect::<Result<HashSet<_>, _>>()?;
    let mut attributes = HashMap::new();
    if let Some(partner) = &facts.partner {
        attributes.insert("partner".to_owned(), text(partner.as_str()));
    }
    for declared in types.of(facts.kind) {
        match facts.attributes.get(&declared.name) {
            Some(value) if !is_absent(value) => {
                attributes.insert(declared.name.to_string(), attribute(value)?);
            }
            Some(_) | None => {}
        }
    }
    CedarEntity::new(uid(facts.kind.as_str(), facts.id.as_str())?, attributes, groups)
        .map_err(|_refused| Unfit)
}

/// Empty text is an absent attribute.
fn is_absent(value: &Attribute) -> bool {
    match value {
        Attribute::Text(text) | Attribute::Reference(_, text) => text.is_empty(),
        Attribute::Integer(_) | Attribute::Boolean(_) | Attribute::Decimal(_) | Attribute::Texts(_) => false,
    }
}

fn attribute(value: &Attribute) -> Result<RestrictedExpression, Unfit> {
    Ok(match value {
        Attribute::Text(content) => text(content),
        Attribute::Integer(number) => RestrictedExpression::new_long(*number),
        Attribute::Boolean(b) => RestrictedExpression::new_bool(*b),
        Attribute::Decimal(number) => expression(Val::Decimal(ten_thousandths(*number).ok_or(Unfit)?))?,
        Attribute::Texts(all) => expression(Val::Set(Members::Texts(all)))?,
        Attribute::Reference(entity, id) => RestrictedExpression::new_entity_uid(uid(entity.as_str(), id)?),
    })
}

/// The record as an entity, with those of its attributes that hold one of `leaves`.
fn resource(entity: &Entity, record: &Record, id: &str, leaves: &FieldSet) -> Result<CedarEntity, Unfit> {
    let mut attributes = HashMap::new();
    let mut path = Vec::new();
    for (name, value) in fields(entity, &entity.root, record, leaves, &mut path)? {
        attributes.insert(name, value);
    }
    CedarEntity::new(uid(entity.name.as_str(), id)?, attributes, HashSet::new()).map_err(|_refused| Unfit)
}

/// The record as an entity, with those that it names and conditions go by, as far as they were fetched; and its name.
pub(super) fn resources(
    entity: &Entity,
    record: &Record,
    (id, leaves): (&str, &FieldSet),
    relations: &[Relation],
) -> Result<(EntityUid, Vec<CedarEntity>), Unfit> {
    let own = uid(entity.name.as_str(), id)?;
    // ORDER: an entity is one, however often it is named, so all that is read of it by any way is put together first.
    let mut named: Vec<(EntityUid, &Entity, &Record, &str, FieldSet)> =
        vec![(own.clone(), entity, record, id, *leaves)];
    for relation in relations {
        let Ok(Some((id, found))) = relation.of(entity, record) else { continue };
        let uid = uid(relation.to.name.as_str(), id)?;
        match named.iter_mut().find(|(known, ..)| *known == uid) {
            Some((.., leaves)) => *leaves = leaves.union(&relation.reads),
            None => named.push((uid, &relation.to, found, id, relation.reads)),
        }
    }
    let all = named.iter().map(|(_, entity, record, id, leaves)| resource(entity, record, id, leaves));
    Ok((own, all.collect::<Result<_, _>>()?))
}

type Pairs = Vec<(String, RestrictedExpression)>;

fn fields<'e>(
    entity: &'e Entity,
    object: &'e Object,
    record: &Record,
    leaves: &FieldSet,
    path: &mut Vec<&'e str>,
) -> Result<Pairs, Unfit> {
    let mut pairs = Vec::new();
    for field in &object.fields {
        path.push(&field.name);
        let route = Route::of(entity, path).filter(|route| !route.leaves().intersection(leaves).is_empty());
        if let Some(route) = route {
            let found = route.find(record).map_err(|_broken| Unfit)?;
            let made = match (found, &route.target, &field.shape) {
                (None, _, _) => None,
                (Some(Value::Object(_)), Target::Object(_), Shape::Object(inner)) => {
                    let inside = fields(entity, inner, record, leaves, path)?;
                    Some(RestrictedExpression::new_record(inside).map_err(|_twice| Unfit)?)
                }
                (Some(value), Target::Leaf(_, holds), _) => {
                    Some(expression(val(holds, value).ok_or(Unfit)?)?)
                }
                (Some(Value::List(values)), Target::Set(_, holds), _) => Some(set(holds, values)?),
                (Some(_), _, _) => return Err(Unfit),
            };
            pairs.extend(made.map(|made| (field.name.to_string(), made)));
        }
        path.pop();
    }
    Ok(pairs)
}

fn set(holds: &Holds, values: &[Value]) -> Result<RestrictedExpression, Unfit> {
    expression(Val::Set(Members::Values(values, holds)))
}

/// The context of a judgement.
pub(super) fn context(env: &Env<'_>) -> Result<CedarContext, Unfit> {
    let context = env.context;
    let record = |pairs: Vec<(&str, Option<RestrictedExpression>)>| {
        let there = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        RestrictedExpression::new_record(there).map_err(|_twice| Unfit)
    };
    let channel = record(vec![
        ("tls", Some(RestrictedExpression::new_bool(context.tls))),
        ("listener", Some(text(context.listener.as_str()))),
        ("certificate", context.certificate.as_deref().map(text)),
    ])?;
    let call = match env.call {
        Some(call) => Some(record(vec![
            ("method", Some(text(call.method.as_str()))),
            ("path", Some(text(&call.path))),
        ])?),
        None => None,
    };
    let request = record(vec![
        ("method", Some(text(context.method.as_str()))),
        ("bytes", context.bytes.map(RestrictedExpression::new_long)),
    ])?;
    let checked = record(vec![
        ("hours", Some(expression(Val::Set(Members::Texts(context.hours())))?)),
        ("token_age", env.token_age().map(RestrictedExpression::new_long)),
        ("request", Some(request)),
        ("channel", Some(channel)),
        ("address", Some(RestrictedExpression::new_ip(context.address.to_string()))),
        ("time", Some(expression(Val::Time(context.millis()))?)),
        ("scopes", Some(expression(Val::Set(Members::Texts(&env.facts.scopes)))?)),
        ("guarded", env.guarded.map(RestrictedExpression::new_bool)),
        ("call", call),
    ])?;
    let claimed = record(vec![
        ("purpose", context.purpose.as_deref().map(text)),
        ("user_agent", context.user_agent.as_deref().map(text)),
    ])?;
    CedarContext::from_pairs([("checked".to_owned(), checked), ("claimed".to_owned(), claimed)])
        .map_err(|_refused| Unfit)
}

fn text(content: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(content.to_owned())
}

fn expression(value: Val<'_>) -> Result<RestrictedExpression, Unfit> {
    Ok(match value {
        Val::Bool(b) => RestrictedExpression::new_bool(b),
        Val::Long(number) => RestrictedExpression::new_long(number),
        Val::Text(content) => text(content),
        Val::Ref(kind, id) => RestrictedExpression::new_entity_uid(uid(kind, id)?),
        Val::Decimal(number) => {
            let exact = rust_decimal::Decimal::try_from_i128_with_scale(number.into(), 4);
            RestrictedExpression::new_decimal(exact.map_err(|_range| Unfit)?.to_string())
        }
        Val::Time(ms) => {
            let moment = Timestamp::from_millisecond(ms).map_err(|_range| Unfit)?;
            RestrictedExpression::new_datetime(moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
        }
        Val::Span(ms) => RestrictedExpression::new_duration(format!("{ms}ms")),
        Val::Ip(ip) => RestrictedExpression::new_ip(ip.to_string()),
        Val::Set(members) => RestrictedExpression::new_set(members_of(members)?),
    })
}

fn members_of(members: Members<'_>) -> Result<Vec<RestrictedExpression>, Unfit> {
    match members {
        Members::Constants(all) => all.iter().map(Constant::val).map(expression).collect(),
        Members::Values(all, holds) => {
            all.iter().filter_map(|value| val(holds, value)).map(expression).collect()
        }
        Members::Texts(all) => all.iter().map(Arc::as_ref).map(Val::Text).map(expression).collect(),
    }
}
