//! What specialised permits say of records, as a filter a system can be asked with.
//!
//! Always a superset: a system's own collation and nulls may let more pass, never less. So only plain
//! comparisons are taken over; `!=`, `not`, forbids and whatever has no counterpart let everything pass.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::{
    context::Env,
    predicate::{Compare, Node, Outcomes},
    program::{Check, Program},
    shape::{Holds, Route, Target},
    value::{Constant, midnight},
};
use crate::schema::{Filter, LeafId, Op, Value};

/// Records that some live permit can permit.
pub(super) fn filter(program: &Program, live: &[Outcomes], env: &Env<'_>) -> Filter {
    let permits =
        program.rules.iter().zip(live).filter(|(rule, live)| live.holds && rule.statement.effect.is_permit());
    let parts = permits.map(|(rule, _)| match &rule.check {
        Check::Compiled(node) => over(node, env),
        Check::Always | Check::Cedar(_) => Filter::everything(),
    });
    any(parts.collect())
}

/// A filter that every record for which the condition can hold passes.
fn over(node: &Node, env: &Env<'_>) -> Filter {
    match node {
        Node::And(sides) => all(vec![over(&sides.0, env), over(&sides.1, env)]),
        Node::Or(sides) => any(vec![over(&sides.0, env), over(&sides.1, env)]),
        Node::If(parts) => {
            any(vec![all(vec![over(&parts.0, env), over(&parts.1, env)]), over(&parts.2, env)])
        }
        Node::Compare(how, sides) => compare(*how, sides).unwrap_or_else(|| known(node, env)),
        Node::In(sides) => match (&sides.0, &sides.1) {
            (item, Node::Constant(Constant::Set(members))) => among(item, members),
            (item, of) => test(item, Op::Eq, of),
        }
        .unwrap_or_else(|| known(node, env)),
        Node::Contains(sides) => match (&sides.0, &sides.1) {
            (Node::Constant(Constant::Set(members)), item) => among(item, members),
            (set, item) => test(set, Op::Eq, item),
        }
        .unwrap_or_else(|| known(node, env)),
        Node::Leaf(_) => {
            test(node, Op::Eq, &Node::Constant(Constant::Bool(true))).unwrap_or_else(Filter::everything)
        }
        Node::Constant(_)
        | Node::Has(_)
        | Node::Related(_)
        | Node::HasRelated(_)
        | Node::Resource(_)
        | Node::Fact(_)
        | Node::HasFact(_)
        | Node::Not(_)
        | Node::Arithmetic(..)
        | Node::Negate(_)
        | Node::ContainsAll(_)
        | Node::ContainsAny(_)
        | Node::IsEmpty(_)
        | Node::Like(..)
        | Node::IsInRange(_)
        | Node::IsIpv4(_)
        | Node::IsIpv6(_)
        | Node::Fails => known(node, env),
    }
}

/// Nothing where the context says that it cannot hold, else everything.
fn known(node: &Node, env: &Env<'_>) -> Filter {
    if node.outcomes(env).holds { Filter::everything() } else { Filter::nothing() }
}

fn all(parts: Vec<Filter>) -> Filter {
    Filter::All(parts).simplified()
}

fn any(parts: Vec<Filter>) -> Filter {
    let mut told: Vec<Filter> = Vec::with_capacity(parts.len());
    for part in parts {
        if !told.contains(&part) {
            told.push(part);
        }
    }
    Filter::Any(told).simplified()
}

fn compare(how: Compare, (left, right): &(Node, Node)) -> Option<Filter> {
    let (forth, back) = match how {
        Compare::Equal => (Op::Eq, Op::Eq),
        Compare::Less => (Op::Lt, Op::Gt),
        Compare::LessOrEqual => (Op::Lte, Op::Gte),
        Compare::Greater => (Op::Gt, Op::Lt),
        Compare::GreaterOrEqual => (Op::Gte, Op::Lte),
    };
    test(left, forth, right).or_else(|| test(right, back, left))
}

/// A test of a leaf against a constant.
fn test(leaf: &Node, op: Op, constant: &Node) -> Option<Filter> {
    match (leaf, constant) {
        (Node::Resource(_), Node::Constant(Constant::Ref(_, id))) if op == Op::Eq => {
            Some(Filter::Test { leaf: LeafId(0), op, value: Value::Text((&**id).into()) })
        }
        (Node::Leaf(route), Node::Constant(constant)) => {
            let (leaf, holds) = target(route)?;
            Some(Filter::Test { leaf, op, value: value(holds, constant)? })
        }
        _ => None,
    }
}

fn among(item: &Node, members: &[Constant]) -> Option<Filter> {
    let (leaf, values) = match item {
        Node::Resource(_) => (
            LeafId(0),
            members.iter().map(|member| value(&Holds::Text, &id_of(member)?)).collect::<Option<_>>()?,
        ),
        Node::Leaf(route) => {
            let (leaf, holds) = target(route)?;
            (leaf, members.iter().map(|member| value(holds, member)).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Filter::Test { leaf, op: Op::In, value: Value::List(values) })
}

fn id_of(member: &Constant) -> Option<Constant> {
    match member {
        Constant::Ref(_, id) => Some(Constant::Text(id.clone())),
        Constant::Bool(_)
        | Constant::Long(_)
        | Constant::Text(_)
        | Constant::Decimal(_)
        | Constant::Time(_)
        | Constant::Span(_)
        | Constant::Ip(_)
        | Constant::Set(_) => None,
    }
}

fn target(route: &Route) -> Option<(LeafId, &Holds)> {
    match &route.target {
        Target::Leaf(leaf, holds) | Target::Set(leaf, holds) => Some((*leaf, holds)),
        Target::Object(_) => None,
    }
}

/// A constant as a value of a leaf.
fn value(holds: &Holds, constant: &Constant) -> Option<Value> {
    match (holds, constant) {
        (Holds::Text, Constant::Text(text)) => Some(Value::Text((&**text).into())),
        (Holds::Reference(_), Constant::Ref(_, id)) => Some(Value::Text((&**id).into())),
        (Holds::Integer, Constant::Long(number)) => Some(Value::Integer(*number)),
        (Holds::Boolean, Constant::Bool(b)) => Some(Value::Boolean(*b)),
        (Holds::Decimal, Constant::Decimal(number)) => {
            Decimal::try_from_i128_with_scale((*number).into(), 4).ok().map(|n| Value::Decimal(n.normalize()))
        }
        (Holds::Instant, Constant::Time(ms)) => Timestamp::from_millisecond(*ms).ok().map(Value::Instant),
        (Holds::Date, Constant::Time(ms)) => day(*ms).map(Value::Date),
        (
            Holds::Text
            | Holds::Reference(_)
            | Holds::Integer
            | Holds::Boolean
            | Holds::Decimal
            | Holds::Instant
            | Holds::Date,
            _,
        ) => None,
    }
}

/// The day that starts at that moment, if one does.
fn day(ms: i64) -> Option<Date> {
    let moment = Timestamp::from_millisecond(ms).ok()?;
    let date = jiff::tz::Offset::UTC.to_datetime(moment).date();
    (midnight(date) == Some(ms)).then_some(date)
}
