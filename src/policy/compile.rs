//! From Cedar's syntax tree to a [`Node`]. What has no compiled form yields none; Cedar judges it then.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use ipnet::IpNet;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::{
    predicate::{Arithmetic, Compare, Fact, Node, Pattern},
    related::{Beyond, step},
    shape::{Route, Target},
    value::{Constant, midnight, ten_thousandths},
};
use crate::{
    schema::{Entity, FieldSet, LeafId},
    words::EntityName,
};

/// The names after a variable: `resource.shipment.status`.
pub(super) type Names<'a> = SmallVec<[&'a str; 4]>;

/// Compiles a condition on records of an entity (or on a call). `entities` are those that references name.
pub(super) fn node(expr: &Expr, entity: Option<&Entity>, entities: &[Arc<Entity>]) -> Option<Node> {
    Compiler { entity, entities }.node(expr)
}

struct Compiler<'e> {
    entity: Option<&'e Entity>,
    entities: &'e [Arc<Entity>],
}

impl Compiler<'_> {
    fn node(&self, expr: &Expr) -> Option<Node> {
        match expr {
            Expr::Literal(literal) => literal_constant(literal).map(Node::Constant),
            Expr::Var(Var::Resource) => self.entity.map(|entity| Node::Resource(entity.name.as_str().into())),
            Expr::GetAttr { .. } => self.attribute(expr),
            Expr::HasAttr { expr, attrs } => self.has(expr, attrs.iter().map(|name| name.as_str())),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right),
            Expr::Like { expr, pattern } => Some(Node::Like(Box::new(self.node(expr)?), like(pattern))),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                Some(Node::If(Box::new((self.node(cond)?, self.node(then_expr)?, self.node(else_expr)?))))
            }
            Expr::Set(members) => {
                let members = members.iter().map(|member| match self.node(member)? {
                    Node::Constant(constant) => Some(constant),
                    _ => None,
                });
                members.collect::<Option<Vec<_>>>().map(|all| Node::Constant(Constant::Set(all)))
            }
            Expr::ResidualError => Some(Node::Fails),
            _ => None,
        }
    }

    fn attribute(&self, expr: &Expr) -> Option<Node> {
        let (var, names) = names(expr)?;
        match var {
            Var::Resource => {
                let Some(route) = Route::of(self.entity?, &names) else {
                    let beyond = self.beyond(&names)?;
                    return matches!(beyond.rest.target, Target::Leaf(..) | Target::Set(..))
                        .then(|| Node::Related(Box::new(beyond)));
                };
                match route.target {
                    Target::Leaf(..) | Target::Set(..) => Some(Node::Leaf(route)),
                    Target::Object(_) => None,
                }
            }
            Var::Context => fact(&names).map(Node::Fact),
            Var::Principal | Var::Action => None,
        }
    }

    fn beyond(&self, names: &[&str]) -> Option<Beyond> {
        Beyond::of(self.entity?, names, self.entities)
    }

    fn has<'n>(&self, expr: &'n Expr, more: impl Iterator<Item = &'n str>) -> Option<Node> {
        let (var, mut names) = names(expr)?;
        names.extend(more);
        match var {
            Var::Resource => match Route::of(self.entity?, &names) {
                Some(route) => Some(Node::Has(route)),
                None => self.beyond(&names).map(|beyond| Node::HasRelated(Box::new(beyond))),
            },
            Var::Context => fact(&names).map(Node::HasFact),
            Var::Principal | Var::Action => None,
        }
    }

    fn unary(&self, op: UnaryOp, expr: &Expr) -> Option<Node> {
        let constant = |make: fn(&str) -> Option<Constant>| match expr {
            Expr::Literal(Literal::String(text)) => make(text).map(Node::Constant),
            _ => None,
        };
        match op {
            UnaryOp::Not => Some(negated(self.node(expr)?)),
            UnaryOp::Neg => Some(Node::Negate(Box::new(self.node(expr)?))),
            UnaryOp::IsEmpty => Some(Node::IsEmpty(Box::new(self.node(expr)?))),
            UnaryOp::Decimal => constant(decimal),
            UnaryOp::Ip => constant(ip),
            UnaryOp::Datetime => constant(datetime),
            UnaryOp::Duration => constant(duration),
            UnaryOp::IsIPv4 => Some(Node::IsIpv4(Box::new(self.node(expr)?))),
            UnaryOp::IsIPV6 => Some(Node::IsIpv6(Box::new(self.node(expr)?))),
            _ => None,
        }
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Node> {
        let sides = Box::new((self.node(left)?, self.node(right)?));
        let compare = |how| move |sides| Some(Node::Compare(how, sides));
        match op {
            BinaryOp::And => Some(Node::And(sides)),
            BinaryOp::Or => Some(Node::Or(sides)),
            BinaryOp::Eq => compare(Compare::Equal)(sides),
            BinaryOp::NotEq => Some(Node::Not(Box::new(Node::Compare(Compare::Equal, sides)))),
            BinaryOp::Less | BinaryOp::DecimalLessThan => compare(Compare::Less)(sides),
            BinaryOp::LessEq | BinaryOp::DecimalLessEq => compare(Compare::LessOrEqual)(sides),
            BinaryOp::Greater | BinaryOp::DecimalGreater => compare(Compare::Greater)(sides),
            BinaryOp::GreaterEq | BinaryOp::DecimalGreaterEq => compare(Compare::GreaterOrEqual)(sides),
            BinaryOp::Add => Some(Node::Arithmetic(Arithmetic::Add, sides)),
            BinaryOp::Sub => Some(Node::Arithmetic(Arithmetic::Subtract, sides)),
            BinaryOp::Mul => Some(Node::Arithmetic(Arithmetic::Multiply, sides)),
            BinaryOp::In => Some(Node::In(sides)),
            BinaryOp::Contains => Some(Node::Contains(sides)),
            BinaryOp::ContainsAll => Some(Node::ContainsAll(sides)),
            BinaryOp::ContainsAny => Some(Node::ContainsAny(sides)),
            BinaryOp::IsInRange => Some(Node::IsInRange(sides)),
            BinaryOp::Offset => match *sides {
                (Node::Constant(Constant::Time(time)), Node::Constant(Constant::Span(span))) => {
                    time.checked_add(span).map(|time| Node::Constant(Constant::Time(time)))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// The variable and names of `variable.a.b`, with none between.
fn names(expr: &Expr) -> Option<(Var, Names<'_>)> {
    let mut names = Names::new();
    let mut at = expr;
    loop {
        match at {
            Expr::GetAttr { expr, attr } => {
                names.push(attr.as_str());
                at = expr;
            }
            Expr::Var(var) => {
                names.reverse();
                return Some((var.clone(), names));
            }
            _ => return None,
        }
    }
}

fn fact(names: &[&str]) -> Option<Fact> {
    Some(match names {
        ["checked", "channel", "tls"] => Fact::Tls,
        ["checked", "channel", "listener"] => Fact::Listener,
        ["checked", "channel", "certificate"] => Fact::Certificate,
        ["checked", "address"] => Fact::Address,
        ["checked", "time"] => Fact::Time,
        ["checked", "hours"] => Fact::Hours,
        ["checked", "scopes"] => Fact::Scopes,
        ["checked", "token_age"] => Fact::TokenAge,
        ["checked", "request", "method"] => Fact::Sent,
        ["checked", "request", "bytes"] => Fact::Bytes,
        ["checked", "guarded"] => Fact::Guarded,
        ["checked", "call", "method"] => Fact::Method,
        ["checked", "call", "path"] => Fact::Path,
        ["claimed", "purpose"] => Fact::Purpose,
        ["claimed", "user_agent"] => Fact::UserAgent,
        _ => return None,
    })
}

/// `a > b` reaches us as `!(a <= b)`: said plainly again, a filter can be made of it.
fn negated(node: Node) -> Node {
    match node {
        Node::Compare(Compare::LessOrEqual, sides) => Node::Compare(Compare::Greater, sides),
        Node::Compare(Compare::Less, sides) => Node::Compare(Compare::GreaterOrEqual, sides),
        other => Node::Not(Box::new(other)),
    }
}

fn literal_constant(literal: &Literal) -> Option<Constant> {
    match literal {
        Literal::Bool(b) => Some(Constant::Bool(*b)),
        Literal::Long(n) => Some(Constant::Long(*n)),
        Literal::String(text) => Some(Constant::Text(text.as_str().into())),
        Literal::EntityUID(uid) => Some(Constant::Ref(uid.ty.to_string().into(), uid.eid.as_str().into())),
        _ => None,
    }
}

fn like(pattern: &[PatternElem]) -> Pattern {
    let mut parts = vec![String::new()];
    for element in pattern {
        match (element, parts.last_mut()) {
            (PatternElem::Char(letter), Some(part)) => part.push(*letter),
            (PatternElem::Char(_), None) => {}
            (PatternElem::Wildcard, _) => parts.push(String::new()),
        }
    }
    Pattern(parts.into_iter().map(String::into_boxed_str).collect())
}

fn decimal(text: &str) -> Option<Constant> {
    ten_thousandths(Decimal::from_str(text).ok()?).map(Constant::Decimal)
}

fn ip(text: &str) -> Option<Constant> {
    let net = IpNet::from_str(text).ok().or_else(|| IpAddr::from_str(text).ok().map(IpNet::from))?;
    Some(Constant::Ip(net))
}

fn datetime(text: &str) -> Option<Constant> {
    let ms = match text.len() {
        10 => midnight(Date::from_str(text).ok()?)?,
        _ => Timestamp::from_str(text).ok()?.as_millisecond(),
    };
    Some(Constant::Time(ms))
}

/// Cedar's `-1d2h3m4s5ms`.
fn duration(text: &str) -> Option<Constant> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let number = i64::from_str(number).ok()?.checked_mul(sign)?;
        let units = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        let (factor, left) =
            units.iter().find_map(|(unit, factor)| after.strip_prefix(unit).map(|left| (*factor, left)))?;
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = left;
    }
    Some(Constant::Span(total))
}

/// The leaves a condition reads, and whether it reads parts of the caller or of the context.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    pub(super) leaves: FieldSet,
    /// Those of them that are read by name, not as parts of a group that is asked for.
    pub(super) named: FieldSet,
    /// References that are followed, and the path of what is read behind each.
    pub(super) beyond: Vec<(LeafId, EntityName, Vec<String>)>,
    /// Whether it goes behind something else than a reference of the record, or behind one that is not said plainly.
    pub(super) strays: bool,
    pub(super) principal: bool,
    pub(super) checked: bool,
    pub(super) claimed: bool,
    /// Whether it reads what time it is.
    pub(super) time: bool,
}

impl Reads {
    /// Adds what an expression reads. Where an attribute's base is no plain path and the record is in it,
    /// any of its leaves may be meant.
    pub(super) fn add(&mut self, expr: &Expr, entity: Option<&Entity>) {
        match expr {
            Expr::GetAttr { .. } if names(expr).is_some() => {
                if let Some((var, names)) = names(expr) {
                    self.add_path(&var, &names, entity);
                }
            }
            Expr::HasAttr { expr, attrs } if names(expr).is_some() => {
                if let Some((var, mut names)) = names(expr) {
                    names.extend(attrs.iter().map(|name| name.as_str()));
                    self.add_path(&var, &names, entity);
                }
            }
            Expr::Var(var) => self.add_path(var, &[], entity),
            Expr::Literal(_) | Expr::Slot(_) | Expr::Unknown { .. } | Expr::ResidualError => {}
            Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } => self.add_base(expr, entity),
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.add(expr, entity),
            Expr::Is { expr, in_expr, .. } => {
                self.add(expr, entity);
                if let Some(inner) = in_expr {
                    self.add(inner, entity);
                }
            }
            Expr::BinaryOp { left, right, .. } => {
                self.add(left, entity);
                self.add(right, entity);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.add(cond, entity);
                self.add(then_expr, entity);
                self.add(else_expr, entity);
            }
            Expr::Set(members) => members.iter().for_each(|member| self.add(member, entity)),
            Expr::Record(fields) => fields.values().for_each(|field| self.add(field, entity)),
            // A form this crate does not know may read anything.
            _ => {
                self.leaves = entity.map_or(FieldSet::EMPTY, Entity::all);
                (self.principal, self.checked, self.claimed) = (true, true, true);
            }
        }
    }

    fn add_base(&mut self, base: &Expr, entity: Option<&Entity>) {
        let mut inner = Self::default();
        inner.add(base, entity);
        if !inner.leaves.is_empty() {
            let is_reference = |leaf| {
                entity.and_then(|entity| entity.leaf(leaf)).is_some_and(|leaf| leaf.reference.is_some())
            };
            self.strays |= inner.leaves.iter().any(is_reference);
            inner.leaves = entity.map_or(FieldSet::EMPTY, Entity::all);
        }
        self.strays |= inner.strays;
        self.beyond.append(&mut inner.beyond);
        self.leaves = self.leaves.union(&inner.leaves);
        self.named = self.named.union(&inner.named);
        self.principal |= inner.principal;
        self.checked |= inner.checked;
        self.claimed |= inner.claimed;
        self.time |= inner.time;
    }

    fn add_path(&mut self, var: &Var, names: &[&str], entity: Option<&Entity>) {
        match (var, names) {
            (Var::Principal, names) => {
                self.principal = true;
                // No attribute of a caller is a group: behind one stands what it names.
                self.strays |= names.len() > 1;
            }
            (Var::Action, _) => {}
            (Var::Context, [first, ..]) => {
                self.checked |= *first == "checked";
                self.time |= names.starts_with(&["checked", "time"]);
                self.claimed |= *first == "claimed";
            }
            (Var::Context, []) => (self.checked, self.claimed) = (true, true),
            (Var::Resource, []) => self.leaves.insert(LeafId(0)),
            (Var::Resource, names) => {
                let Some(entity) = entity else { return };
                if let Some((_, by, to, after)) = step(entity, names) {
                    self.leaves.insert(by);
                    self.named.insert(by);
                    self.beyond.push((by, to, after.iter().map(|name| (*name).to_owned()).collect()));
                } else if let Some(route) = Route::of(entity, names) {
                    self.leaves = self.leaves.union(&route.leaves());
                    match route.target {
                        Target::Leaf(..) | Target::Set(..) => self.named = self.named.union(&route.leaves()),
                        Target::Object(_) => {}
                    }
                }
            }
        }
    }
}
