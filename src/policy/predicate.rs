//! A specialised condition as a small tree that is judged on a record without building anything.
//!
//! Its meaning is Cedar's, errors included: `&&` and `||` look at their right side only when they must, an
//! attribute that is not there is an error. A differential test holds the two equal.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::{
    context::Env,
    reach::Circumstances,
    related::Beyond,
    shape::{Route, Target},
    value::{Constant, Members, Val, equal, order, val},
};
use crate::schema::{FieldSet, Value};

/// A condition or a part of one.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(Constant),
    /// A leaf or a set of the record.
    Leaf(Route),
    /// Whether something is there.
    Has(Route),
    /// A leaf or a set of what the record names.
    Related(Box<Beyond>),
    /// Whether something of that is there.
    HasRelated(Box<Beyond>),
    /// The record itself, as a reference of that type.
    Resource(Box<str>),
    Fact(Fact),
    HasFact(Fact),
    Not(Box<Self>),
    And(Box<(Self, Self)>),
    Or(Box<(Self, Self)>),
    If(Box<(Self, Self, Self)>),
    Compare(Compare, Box<(Self, Self)>),
    Arithmetic(Arithmetic, Box<(Self, Self)>),
    Negate(Box<Self>),
    /// Set on the left.
    Contains(Box<(Self, Self)>),
    ContainsAll(Box<(Self, Self)>),
    ContainsAny(Box<(Self, Self)>),
    IsEmpty(Box<Self>),
    /// Entity on the left, entity or set of them on the right; nothing a condition can read has parents.
    In(Box<(Self, Self)>),
    Like(Box<Self>, Pattern),
    IsInRange(Box<(Self, Self)>),
    IsIpv4(Box<Self>),
    IsIpv6(Box<Self>),
    /// Known to be an error when reached.
    Fails,
}

/// A fact of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Tls,
    Listener,
    Certificate,
    Address,
    Time,
    /// The named hours that the moment lies in.
    Hours,
    Scopes,
    /// Seconds since the credential was issued.
    TokenAge,
    /// The method of the request to the gate.
    Sent,
    /// Bytes of its body.
    Bytes,
    Guarded,
    Method,
    Path,
    Purpose,
    UserAgent,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An operation on whole numbers, refused when it overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
}

/// A `like` pattern: the texts between its wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(pub(super) Vec<Box<str>>);

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Cedar would report an error.
    Error,
    /// It depends on what is not known yet.
    Unknown,
}

/// What a condition can still come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) holds: bool,
    pub(super) fails: bool,
    pub(super) errs: bool,
}

impl Outcomes {
    pub(super) const ANY: Self = Self { holds: true, fails: true, errs: true };
    /// It is said, one way or the other.
    pub(super) const SAID: Self = Self { holds: true, fails: true, errs: false };
    pub(super) const HOLDS: Self = Self { holds: true, fails: false, errs: false };
    pub(super) const FAILS: Self = Self { holds: false, fails: true, errs: false };
    pub(super) const ERRS: Self = Self { holds: false, fails: false, errs: true };

    /// What it comes to, where there is only one way left.
    pub(super) fn sure(self) -> Option<Result<bool, Stop>> {
        match (self.holds, self.fails, self.errs) {
            (true, false, false) => Some(Ok(true)),
            (false, true, false) => Some(Ok(false)),
            (false, false, true) => Some(Err(Stop::Error)),
            _ => None,
        }
    }

    fn of(found: Result<bool, Stop>) -> Self {
        match found {
            Ok(true) => Self::HOLDS,
            Ok(false) => Self::FAILS,
            Err(Stop::Error) => Self::ERRS,
            Err(Stop::Unknown) => Self::ANY,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            holds: self.holds || other.holds,
            fails: self.fails || other.fails,
            errs: self.errs || other.errs,
        }
    }

    /// This one without its `holds`, then whatever `next` comes to where it held.
    fn then(self, next: impl FnOnce() -> Self) -> Self {
        let rest = Self { holds: false, ..self };
        if self.holds { rest.or(next()) } else { rest }
    }

    fn flipped(self) -> Self {
        Self { holds: self.fails, fails: self.holds, errs: self.errs }
    }
}

impl Node {
    /// Whether the condition holds; what is not known counts as an error.
    pub(super) fn holds(&self, env: &Env<'_>) -> Result<bool, Stop> {
        match self {
            Self::And(sides) => Ok(sides.0.holds(env)? && sides.1.holds(env)?),
            Self::Or(sides) => Ok(sides.0.holds(env)? || sides.1.holds(env)?),
            Self::Not(inner) => inner.holds(env).map(|held| !held),
            Self::Has(route) => has(route, env),
            Self::HasRelated(beyond) => beyond.within(env, |rest, env| has(rest, env)),
            Self::Compare(how, sides) => compare(*how, sides.0.value(env)?, sides.1.value(env)?),
            Self::Like(inner, pattern) => inner.text(env).map(|text| pattern.matches(text)),
            Self::Constant(_)
            | Self::Leaf(_)
            | Self::Related(_)
            | Self::Resource(_)
            | Self::Fact(_)
            | Self::HasFact(_)
            | Self::If(_)
            | Self::Arithmetic(..)
            | Self::Negate(_)
            | Self::Contains(_)
            | Self::ContainsAll(_)
            | Self::ContainsAny(_)
            | Self::IsEmpty(_)
            | Self::In(_)
            | Self::IsInRange(_)
            | Self::IsIpv4(_)
            | Self::IsIpv6(_)
            | Self::Fails => match self.value(env)? {
                Val::Bool(held) => Ok(held),
                Val::Long(_)
                | Val::Text(_)
                | Val::Ref(..)
                | Val::Decimal(_)
                | Val::Time(_)
                | Val::Span(_)
                | Val::Ip(_)
                | Val::Set(_) => Err(Stop::Error),
            },
        }
    }

    /// What the condition can come to once the rest is known.
    pub(super) fn outcomes(&self, env: &Env<'_>) -> Outcomes {
        match self {
            Self::And(sides) => sides.0.outcomes(env).then(|| sides.1.outcomes(env)),
            Self::Or(sides) => {
                sides.0.outcomes(env).flipped().then(|| sides.1.outcomes(env).flipped()).flipped()
            }
            Self::Not(inner) => inner.outcomes(env).flipped(),
            Self::If(parts) => {
                let test = parts.0.outcomes(env);
                let none = Outcomes { holds: false, fails: false, errs: test.errs };
                let yes = if test.holds { parts.1.outcomes(env) } else { none };
                let no = if test.fails { parts.2.outcomes(env) } else { none };
                none.or(yes).or(no)
            }
            Self::Constant(_)
            | Self::Leaf(_)
            | Self::Has(_)
            | Self::Related(_)
            | Self::HasRelated(_)
            | Self::Resource(_)
            | Self::Fact(_)
            | Self::HasFact(_)
            | Self::Compare(..)
            | Self::Arithmetic(..)
            | Self::Negate(_)
            | Self::Contains(_)
            | Self::ContainsAll(_)
            | Self::ContainsAny(_)
            | Self::IsEmpty(_)
            | Self::In(_)
            | Self::Like(..)
            | Self::IsInRange(_)
            | Self::IsIpv4(_)
            | Self::IsIpv6(_)
            | Self::Fails => Outcomes::of(self.holds(env)),
        }
    }

    /// What the condition can come to over all records and circumstances, as far as something is known of these.
    pub(super) fn open(&self, known: Circumstances) -> Outcomes {
        match self {
            Self::And(sides) => sides.0.open(known).then(|| sides.1.open(known)),
            Self::Or(sides) => sides.0.open(known).flipped().then(|| sides.1.open(known).flipped()).flipped(),
            Self::Not(inner) => inner.open(known).flipped(),
            Self::Constant(Constant::Bool(held)) => Outcomes::of(Ok(*held)),
            Self::Fact(Fact::Tls) => known.tls.map_or(Outcomes::SAID, |tls| Outcomes::of(Ok(tls))),
            Self::HasFact(Fact::Method) if known.method.is_some() => Outcomes::HOLDS,
            Self::Has(_) | Self::HasFact(_) => Outcomes::SAID,
            Self::Fails => Outcomes::ERRS,
            Self::Compare(Compare::Equal, sides) => match (known.method, sides.0.is_method(), &sides.1) {
                (Some(method), true, Self::Constant(constant)) if is_sure(method, constant) => {
                    Outcomes::of(Ok(equal(Val::Text(method), constant.val())))
                }
                _ => Outcomes::ANY,
            },
            Self::Contains(sides) => match (known.method, sides.1.is_method(), &sides.0) {
                (Some(method), true, Self::Constant(Constant::Set(all)))
                    if all.iter().all(|one| is_sure(method, one)) =>
                {
                    Outcomes::of(Ok(Members::Constants(all).contains(Val::Text(method))))
                }
                _ => Outcomes::ANY,
            },
            Self::If(_)
            | Self::Constant(_)
            | Self::Leaf(_)
            | Self::Related(_)
            | Self::HasRelated(_)
            | Self::Resource(_)
            | Self::Fact(_)
            | Self::Compare(..)
            | Self::Arithmetic(..)
            | Self::Negate(_)
            | Self::ContainsAll(_)
            | Self::ContainsAny(_)
            | Self::IsEmpty(_)
            | Self::In(_)
            | Self::Like(..)
            | Self::IsInRange(_)
            | Self::IsIpv4(_)
            | Self::IsIpv6(_) => Outcomes::ANY,
        }
    }

    fn is_method(&self) -> bool {
        // Of a call, for which alone one is known, it is that of the request.
        matches!(self, Self::Fact(Fact::Method | Fact::Sent))
    }

    /// Whether it goes by what the record names.
    pub(super) fn follows(&self) -> bool {
        matches!(self, Self::Related(_) | Self::HasRelated(_))
            || self.parts().iter().any(|part| part.follows())
    }

    /// Whether it reads the context.
    pub(super) fn reads_context(&self) -> bool {
        matches!(self, Self::Fact(_) | Self::HasFact(_))
            || self.parts().iter().any(|part| part.reads_context())
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> SmallVec<[&Self; 3]> {
        match self {
            Self::Constant(_)
            | Self::Leaf(_)
            | Self::Has(_)
            | Self::Related(_)
            | Self::HasRelated(_)
            | Self::Resource(_)
            | Self::Fact(_)
            | Self::HasFact(_)
            | Self::Fails => SmallVec::new(),
            Self::Not(inner)
            | Self::Negate(inner)
            | Self::IsEmpty(inner)
            | Self::Like(inner, _)
            | Self::IsIpv4(inner)
            | Self::IsIpv6(inner) => SmallVec::from_iter([&**inner]),
            Self::And(sides)
            | Self::Or(sides)
            | Self::Compare(_, sides)
            | Self::Arithmetic(_, sides)
            | Self::Contains(sides)
            | Self::ContainsAll(sides)
            | Self::ContainsAny(sides)
            | Self::In(sides)
            | Self::IsInRange(sides) => SmallVec::from_iter([&sides.0, &sides.1]),
            Self::If(parts) => SmallVec::from_iter([&parts.0, &parts.1, &parts.2]),
        }
    }

    /// The value of a part.
    pub(super) fn value<'a>(&'a self, env: &Env<'a>) -> Result<Val<'a>, Stop> {
        match self {
            Self::Constant(constant) => Ok(constant.val()),
            Self::Leaf(route) => leaf(route, env),
            Self::Related(beyond) => beyond.within(env, leaf),
            Self::Resource(kind) => match env.record {
                Some(_) if !is_untold(&FieldSet::ID, env) => Ok(Val::Ref(kind, env.id)),
                Some(_) | None => Err(Stop::Unknown),
            },
            Self::Fact(fact) => fact.value(env)?.ok_or(Stop::Error),
            Self::HasFact(fact) => fact.value(env).map(|found| Val::Bool(found.is_some())),
            Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Has(_)
            | Self::HasRelated(_)
            | Self::Compare(..)
            | Self::Like(..) => self.holds(env).map(Val::Bool),
            Self::If(parts) => {
                if parts.0.holds(env)? {
                    parts.1.value(env)
                } else {
                    parts.2.value(env)
                }
            }
            Self::Arithmetic(how, sides) => how.apply(sides.0.value(env)?, sides.1.value(env)?),
            Self::Negate(inner) => Arithmetic::Subtract.apply(Val::Long(0), inner.value(env)?),
            Self::Contains(sides) => {
                let (set, item) = (sides.0.set(env)?, sides.1.value(env)?);
                Ok(Val::Bool(set.contains(item)))
            }
            Self::ContainsAll(sides) => {
                let (set, items) = (sides.0.set(env)?, sides.1.set(env)?);
                Ok(Val::Bool(set.contains_all(items)))
            }
            Self::ContainsAny(sides) => {
                let (set, items) = (sides.0.set(env)?, sides.1.set(env)?);
                Ok(Val::Bool(items.any(|item| set.contains(item))))
            }
            Self::IsEmpty(inner) => Ok(Val::Bool(!inner.set(env)?.any(|_| true))),
            Self::In(sides) => is_in(sides.0.value(env)?, sides.1.value(env)?),
            Self::IsInRange(sides) => match (sides.0.value(env)?, sides.1.value(env)?) {
                (Val::Ip(ip), Val::Ip(range)) => Ok(Val::Bool(range.contains(&ip))),
                (other, _) => refuse(other),
            },
            Self::IsIpv4(inner) => ip_version(inner.value(env)?, true),
            Self::IsIpv6(inner) => ip_version(inner.value(env)?, false),
            Self::Fails => Err(Stop::Error),
        }
    }

    /// A part that is a text. What is asked of every call stands first.
    #[inline]
    fn text<'a>(&'a self, env: &Env<'a>) -> Result<&'a str, Stop> {
        let value = match (self, env.call) {
            (Self::Fact(Fact::Path), Some(call)) if !env.context.untold.path => return Ok(&call.path),
            _ => self.value(env)?,
        };
        match value {
            Val::Text(text) => Ok(text),
            Val::Bool(_)
            | Val::Long(_)
            | Val::Ref(..)
            | Val::Decimal(_)
            | Val::Time(_)
            | Val::Span(_)
            | Val::Ip(_)
            | Val::Set(_) => Err(Stop::Error),
        }
    }

    fn set<'a>(&'a self, env: &Env<'a>) -> Result<Members<'a>, Stop> {
        match self.value(env)? {
            Val::Set(members) => Ok(members),
            Val::Bool(_)
            | Val::Long(_)
            | Val::Text(_)
            | Val::Ref(..)
            | Val::Decimal(_)
            | Val::Time(_)
            | Val::Span(_)
            | Val::Ip(_) => Err(Stop::Error),
        }
    }
}

/// Whether it is sure that a method is one that a statement names, or none: one that is not common stands for all others.
fn is_sure(method: &str, named: &Constant) -> bool {
    const COMMON: [&str; 9] =
        ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "POST", "PUT", "PATCH", "DELETE"];
    let is_common = |text: &str| COMMON.contains(&text);
    is_common(method) || matches!(named, Constant::Text(text) if is_common(text))
}

/// A value where another type was needed: strict validation keeps this from happening, doubt refuses.
fn refuse<'a>(_: Val<'_>) -> Result<Val<'a>, Stop> {
    Err(Stop::Error)
}

/// Whether something is not known of some leaves.
#[inline]
fn is_untold(leaves: &FieldSet, env: &Env<'_>) -> bool {
    env.untold.is_some_and(|untold| untold.meets(leaves))
}

/// Whether something is there. Of a group it is enough that one of its leaves is.
fn has(route: &Route, env: &Env<'_>) -> Result<bool, Stop> {
    let found = route.find(env.record.ok_or(Stop::Unknown)?).map(|found| found.is_some());
    match (found, &route.target) {
        (Ok(true), Target::Object(_)) => Ok(true),
        _ if is_untold(&route.leaves(), env) => Err(Stop::Unknown),
        (found, _) => found.map_err(|_| Stop::Error),
    }
}

impl Beyond {
    /// Looks at what the record names; what was not fetched is an error, and open where not all is known.
    fn within<'a, T>(
        &'a self,
        env: &Env<'a>,
        look: impl FnOnce(&'a Route, &Env<'a>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let record = env.record.ok_or(Stop::Unknown)?;
        if is_untold(&FieldSet::of(self.leaf), env) {
            return Err(Stop::Unknown);
        }
        let id = self.by.find(record).ok().flatten().and_then(Value::as_text).ok_or(Stop::Error)?;
        let unfetched = if env.untold.is_some() { Stop::Unknown } else { Stop::Error };
        let related = record.related(self.leaf, id).ok_or(unfetched)?;
        look(&self.rest, &Env { record: Some(related), id, untold: None, ..*env })
    }
}

#[inline]
fn leaf<'a>(route: &'a Route, env: &Env<'a>) -> Result<Val<'a>, Stop> {
    let record = env.record.ok_or(Stop::Unknown)?;
    if is_untold(&route.leaves(), env) {
        return Err(Stop::Unknown);
    }
    let found = route.find(record).ok().flatten().ok_or(Stop::Error)?;
    match (&route.target, found) {
        (Target::Leaf(_, holds), value) => val(holds, value).ok_or(Stop::Error),
        (Target::Set(_, holds), Value::List(values)) => Ok(Val::Set(Members::Values(values, holds))),
        (Target::Set(..) | Target::Object(_), _) => Err(Stop::Error),
    }
}

fn compare<'a>(how: Compare, left: Val<'a>, right: Val<'a>) -> Result<bool, Stop> {
    let order = || order(left, right).ok_or(Stop::Error);
    match how {
        Compare::Equal => Ok(equal(left, right)),
        Compare::Less => order().map(Ordering::is_lt),
        Compare::LessOrEqual => order().map(Ordering::is_le),
        Compare::Greater => order().map(Ordering::is_gt),
        Compare::GreaterOrEqual => order().map(Ordering::is_ge),
    }
}

fn is_in<'a>(item: Val<'a>, of: Val<'a>) -> Result<Val<'a>, Stop> {
    match (item, of) {
        (Val::Ref(..), Val::Set(members)) => Ok(Val::Bool(members.contains(item))),
        (Val::Ref(..), Val::Ref(..)) => Ok(Val::Bool(equal(item, of))),
        (other, _) => refuse(other),
    }
}

fn ip_version<'a>(ip: Val<'a>, wants_4: bool) -> Result<Val<'a>, Stop> {
    match ip {
        Val::Ip(ip) => Ok(Val::Bool(ip.addr().is_ipv4() == wants_4)),
        other => refuse(other),
    }
}

impl Arithmetic {
    fn apply<'a>(self, left: Val<'a>, right: Val<'a>) -> Result<Val<'a>, Stop> {
        let (Val::Long(a), Val::Long(b)) = (left, right) else { return Err(Stop::Error) };
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
        };
        result.map(Val::Long).ok_or(Stop::Error)
    }
}

impl Fact {
    /// Every one.
    pub(super) const ALL: [Self; 15] = [
        Self::Tls,
        Self::Listener,
        Self::Certificate,
        Self::Address,
        Self::Time,
        Self::Hours,
        Self::Scopes,
        Self::TokenAge,
        Self::Sent,
        Self::Bytes,
        Self::Guarded,
        Self::Method,
        Self::Path,
        Self::Purpose,
        Self::UserAgent,
    ];

    /// The fact; `Ok(None)` where it is known to be absent.
    fn value<'a>(self, env: &Env<'a>) -> Result<Option<Val<'a>>, Stop> {
        let (context, untold) = (env.context, env.context.untold);
        let is_untold = match self {
            Self::Address => untold.address,
            Self::UserAgent => untold.user_agent,
            Self::Path => untold.path,
            Self::TokenAge => untold.issue,
            Self::Bytes => untold.bytes,
            Self::Tls
            | Self::Listener
            | Self::Certificate
            | Self::Time
            | Self::Hours
            | Self::Scopes
            | Self::Sent
            | Self::Guarded
            | Self::Method
            | Self::Purpose => false,
        };
        if is_untold {
            return Err(Stop::Unknown);
        }
        Ok(match self {
            Self::Tls => Some(Val::Bool(context.tls)),
            Self::Listener => Some(Val::Text(context.listener.as_str())),
            Self::Certificate => context.certificate.as_deref().map(Val::Text),
            Self::Address => Some(Val::Ip(context.address.into())),
            Self::Time => Some(Val::Time(context.millis())),
            Self::Hours => Some(Val::Set(Members::Texts(context.hours()))),
            Self::TokenAge => env.token_age().map(Val::Long),
            Self::Sent => Some(Val::Text(context.method.as_str())),
            Self::Bytes => context.bytes.map(Val::Long),
            Self::Scopes => Some(Val::Set(Members::Texts(&env.facts.scopes))),
            Self::Guarded => Some(Val::Bool(env.guarded.ok_or(Stop::Unknown)?)),
            Self::Method => env.call.map(|call| Val::Text(call.method.as_str())),
            Self::Path => env.call.map(|call| Val::Text(&call.path)),
            Self::Purpose => context.purpose.as_deref().map(Val::Text),
            Self::UserAgent => context.user_agent.as_deref().map(Val::Text),
        })
    }
}

impl Pattern {
    /// The first text opens, the last one closes, the others follow each other between.
    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.0 else {
            return self.0.first().is_some_and(|only| &**only == text);
        };
        let Some(rest) = text.strip_prefix(&**first) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
        for part in middle {
            let Some((_, after)) = rest.split_once(&**part) else { return false };
            rest = after;
        }
        true
    }
}
