//! What a guess can be changed into: for each thing that conditions read, the values they compare it with, those
//! beside them, and nothing.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use cedar_policy::pst::Expr;
use compact_str::CompactString;
use http::Method;
use ipnet::IpNet;
use jiff::{SignedDuration, Span, Timestamp};
use rust_decimal::Decimal;

use super::{
    Wanted,
    guess::{Guess, alter, fill, needed, plain},
};
use crate::{
    catalog::{Action, Call},
    identity::Facts,
    policy::{
        Context, compile,
        hours::Hours,
        predicate::{Fact, Node, Pattern},
        program::{Check, Program, Rule},
        reach::{Circumstances, On},
        related::{Beyond, Relation},
        shape::{Holds, Route, Target},
        statement::conditions,
        value::Constant,
    },
    schema::{Entity, LeafId, LeafKind, Record, Value, value::parse_text},
    words::{ListenerName, SystemName},
};

/// LIMIT: values that one thing is tried with.
const VALUES_MAX: usize = 48;
/// When nothing is said of the time: a Monday at noon.
const THEN: i64 = 1_767_614_400_000;

/// All choices of one search.
pub(super) struct Choices<'c> {
    hours: &'c Arc<Hours>,
    entity: Option<&'c Arc<Entity>>,
    system: Option<&'c SystemName>,
    action: Action,
    wanted: Wanted,
    leaves: Vec<(Route, Vec<Option<Value>>)>,
    /// Of what the record names, by the reference, with the entity.
    related: Vec<(Beyond, Arc<Entity>, Vec<Option<Value>>)>,
    circumstances: Vec<Circumstance>,
}

/// One change of a guess, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Leaf { leaf: usize, value: usize },
    Related { leaf: usize, value: usize },
    Circumstance(usize),
}

/// A fact as it could be.
#[derive(Clone, Debug)]
enum Circumstance {
    Tls(bool),
    Listener(ListenerName),
    Certificate(Option<CompactString>),
    Address(IpAddr),
    Time(i64),
    TokenAge(Option<i64>),
    Sent(Method),
    Bytes(Option<i64>),
    Scopes(Vec<Arc<str>>),
    Guarded(bool),
    Method(Method),
    Path(CompactString),
    Purpose(Option<Arc<str>>),
    UserAgent(Option<Arc<str>>),
}

/// The constants of all conditions.
#[derive(Debug, Default)]
struct Pool {
    texts: BTreeSet<Box<str>>,
    references: BTreeSet<(Box<str>, Box<str>)>,
    whole: BTreeSet<i64>,
    decimals: BTreeSet<i64>,
    times: BTreeSet<i64>,
    networks: BTreeSet<IpNet>,
    sets: Vec<Vec<Constant>>,
}

/// What a condition reads.
#[derive(Default)]
struct Reads {
    routes: Vec<Route>,
    related: Vec<Beyond>,
    facts: Vec<Fact>,
    has_id: bool,
}

impl<'c> Choices<'c> {
    pub(super) fn of(
        program: &Program,
        on: On<'c>,
        (action, wanted): (Action, Wanted),
        (known, hours): (Circumstances, &'c Arc<Hours>),
        listeners: &[ListenerName],
    ) -> Self {
        let (entity, system) = match on {
            On::Entity(entity) => (Some(entity), None),
            On::System(system) => (None, Some(system)),
        };
        let mut pool = Pool::default();
        let mut reads = Reads::default();
        for rule in &program.rules {
            reads.add(rule, entity.map(|entity| &**entity));
            match &rule.check {
                Check::Always => {}
                Check::Compiled(node) => pool.add(node),
                Check::Cedar(_) => {
                    for condition in conditions(&rule.statement.policy).unwrap_or_default() {
                        pool.said(&condition, entity.map(|entity| &**entity));
                    }
                }
            }
        }
        let mut choices = Self {
            hours,
            entity,
            system,
            action,
            wanted,
            leaves: Vec::new(),
            related: Vec::new(),
            circumstances: Vec::new(),
        };
        for beyond in reads.related {
            let to = program.follows.iter().find(|relation| relation.by == beyond.leaf);
            if let (Some(relation), None) = (to, choices.beyond(&beyond)) {
                let values = choices.values(&relation.to, &beyond.rest, &pool);
                choices.related.push((beyond, relation.to.clone(), values));
            }
        }
        if let Some(entity) = entity {
            let id = Route::of_id(entity).filter(|_| reads.has_id && action != Action::Create);
            for route in reads.routes.into_iter().chain(id) {
                if choices.leaf(&route).is_none() {
                    let values = choices.values(entity, &route, &pool);
                    choices.leaves.push((route, values));
                }
            }
        }
        for fact in reads.facts {
            choices.circumstances.extend(circumstances(fact, action, &pool, (known, hours), listeners));
        }
        choices
    }

    /// Whether a condition goes by the size of the body.
    pub(super) fn reads_bytes(&self) -> bool {
        self.circumstances.iter().any(|circumstance| circumstance.fact() == Fact::Bytes)
    }

    /// The plainest guess, with records for all that is followed.
    pub(super) fn first(
        &self,
        facts: &Arc<Facts>,
        known: Circumstances,
        listeners: &[ListenerName],
        followed: &[Relation],
    ) -> Guess {
        let record = self.entity.map(|entity| {
            let mut fields = needed(entity, &entity.root);
            if let Wanted::Shown(leaf) | Wanted::Written(leaf) = self.wanted {
                fill(entity, &entity.root, &mut fields, leaf);
            }
            Record::from(fields)
        });
        let call = self.system.map(|system| Call {
            system: system.clone(),
            method: known.method.and_then(|method| method.parse().ok()).unwrap_or(Method::GET),
            path: "/".into(),
            query: None,
        });
        let listener = listeners.first().cloned().unwrap_or_else(|| ListenerName::new("data"));
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut context = Context::plain(listener, address, (THEN, self.hours));
        context.is_broken = known.is_broken;
        context.tls = known.tls.unwrap_or(true);
        // A call is made by the method of its request.
        context.method = match &call {
            Some(call) => call.method.clone(),
            None => sent(self.action).first().cloned().unwrap_or(Method::GET),
        };
        let is_write = matches!(self.action, Action::Update | Action::Delete);
        let mut guess = Guess {
            facts: facts.clone(),
            context,
            call,
            guarded: is_write.then_some(true),
            record,
            related: Vec::new(),
            id: String::new(),
        };
        let related = followed.iter().map(|relation| {
            let to = &relation.to;
            (relation.by, to.clone(), Record::from(needed(to, &to.root)))
        });
        guess.related = related.collect();
        guess.name(self.entity.map(|entity| &**entity), self.action);
        guess
    }

    /// Changes everything at random.
    pub(super) fn scatter(&self, guess: &mut Guess, roll: &mut dyn FnMut(usize) -> usize) {
        for (leaf, (_, values)) in self.leaves.iter().enumerate() {
            if !values.is_empty() {
                *guess = self.moved(guess, Move::Leaf { leaf, value: roll(values.len()) });
            }
        }
        for (leaf, (.., values)) in self.related.iter().enumerate() {
            if !values.is_empty() {
                *guess = self.moved(guess, Move::Related { leaf, value: roll(values.len()) });
            }
        }
        for _ in 0..self.circumstances.len() {
            *guess = self.moved(guess, Move::Circumstance(roll(self.circumstances.len())));
        }
    }

    /// All changes of what a rule reads.
    pub(super) fn moves(&self, rule: &Rule) -> Vec<Move> {
        let mut reads = Reads::default();
        reads.add(rule, self.entity.map(|entity| &**entity));
        if let (true, Some(entity)) = (reads.has_id, self.entity) {
            reads.routes.extend(Route::of_id(entity));
        }
        let mut moves = Vec::new();
        for leaf in reads.routes.iter().filter_map(|route| self.leaf(route)) {
            let many = self.leaves.get(leaf).map_or(0, |(_, values)| values.len());
            moves.extend((0..many).map(|value| Move::Leaf { leaf, value }));
        }
        for leaf in reads.related.iter().filter_map(|beyond| self.beyond(beyond)) {
            let many = self.related.get(leaf).map_or(0, |(.., values)| values.len());
            moves.extend((0..many).map(|value| Move::Related { leaf, value }));
        }
        for (at, circumstance) in self.circumstances.iter().enumerate() {
            if reads.facts.iter().any(|fact| circumstance.moves(*fact)) {
                moves.push(Move::Circumstance(at));
            }
        }
        moves
    }

    /// A guess with one change.
    pub(super) fn moved(&self, guess: &Guess, one: Move) -> Guess {
        let mut guess = guess.clone();
        match one {
            Move::Leaf { leaf, value } => {
                if let (Some((route, values)), Some(entity)) = (self.leaves.get(leaf), self.entity) {
                    guess.put(entity, route, values.get(value).cloned().flatten());
                }
            }
            Move::Related { leaf, value } => {
                if let (Some((beyond, _, values)), Some(entity)) = (self.related.get(leaf), self.entity) {
                    guess.put_related(entity, beyond, values.get(value).cloned().flatten());
                }
            }
            Move::Circumstance(at) => {
                if let Some(circumstance) = self.circumstances.get(at) {
                    circumstance.take_effect(&mut guess);
                }
            }
        }
        guess
    }

    /// The record of a guess, with a value where something is to be shown or written. None where there is no telling
    /// what stands there.
    pub(super) fn shown(&self, guess: &Guess) -> Option<Option<Record>> {
        let (Some(entity), Some(record)) = (self.entity, &guess.record) else { return Some(None) };
        let leaf = match self.wanted {
            Wanted::Permitted | Wanted::Shown(LeafId(0)) => return Some(Some(record.clone())),
            Wanted::Shown(leaf) | Wanted::Written(leaf) => leaf,
        };
        let mut record = record.clone();
        fill(entity, &entity.root, &mut record.fields, leaf);
        let is_there = matches!(record.first(entity, leaf), Some(value) if *value != Value::Null);
        is_there.then_some(Some(record))
    }

    /// The same record with other values where a leaf stands.
    pub(super) fn others(&self, guess: &Guess, record: &Record, leaf: LeafId) -> Vec<Record> {
        let Some(entity) = self.entity else { return Vec::new() };
        let read = self.leaves.iter().find(|(route, _)| route.leaves().contains(leaf));
        let Some((route, values)) = read else {
            // No condition reads it: one is like the other.
            let mut other = record.clone();
            let is_other = alter(entity, &entity.root, &mut other.fields, leaf);
            return if is_other { vec![other] } else { Vec::new() };
        };
        let stands = route.find(record).ok().flatten();
        let others = values.iter().flatten().filter(|value| Some(*value) != stands);
        let put = |value: &Value| {
            let mut guess = guess.with_record(record.clone());
            guess.put(entity, route, Some(value.clone()));
            guess.record
        };
        others.filter_map(put).collect()
    }

    fn leaf(&self, route: &Route) -> Option<usize> {
        self.leaves.iter().position(|(known, _)| is_same(known, route))
    }

    fn beyond(&self, beyond: &Beyond) -> Option<usize> {
        let is_it = |known: &Beyond| known.leaf == beyond.leaf && is_same(&known.rest, &beyond.rest);
        self.related.iter().position(|(known, ..)| is_it(known))
    }

    /// The values that a leaf is tried with; none stands for nothing there.
    fn values(&self, entity: &Entity, route: &Route, pool: &Pool) -> Vec<Option<Value>> {
        let is_wanted = match self.wanted {
            Wanted::Permitted => false,
            Wanted::Shown(leaf) | Wanted::Written(leaf) => route.leaves().contains(leaf),
        };
        let may_lack = !is_wanted && route.steps.last().is_some_and(|step| !step.required);
        let mut values: Vec<Option<Value>> = if may_lack { vec![None] } else { Vec::new() };
        match &route.target {
            Target::Leaf(leaf, holds) => {
                values.extend(pool.values(entity, *leaf, holds).into_iter().map(Some));
            }
            Target::Set(leaf, holds) => {
                let members = pool.values(entity, *leaf, holds);
                values.push(Some(Value::List(members.clone())));
                values.extend(members.into_iter().map(|member| Some(Value::List(vec![member]))));
                values.push(Some(Value::List(Vec::new())));
                // As statements have them, whole.
                let kind = entity.leaf(*leaf).map(|leaf| &leaf.kind);
                let sets =
                    pool.sets.iter().filter_map(|set| set.iter().map(|one| same(kind?, one)).collect());
                values.extend(sets.map(|set| Some(Value::List(set))));
            }
            Target::Object(leaves) => {
                let object = leaves.iter().next().and_then(|leaf| {
                    let mut fields = crate::schema::Fields::default();
                    fill(entity, &entity.root, &mut fields, leaf);
                    let record = Record::from(fields);
                    route.find(&record).ok().flatten().cloned()
                });
                values.extend(object.map(Some));
            }
        }
        values.truncate(VALUES_MAX);
        values
    }
}

impl Guess {
    /// Gives the record an id where stored ones have one.
    fn name(&mut self, entity: Option<&Entity>, action: Action) {
        let Some(route) = entity.and_then(Route::of_id) else { return };
        if let Some(entity) = entity {
            let id = (action != Action::Create).then(|| Value::Text("1".into()));
            self.put(entity, &route, id);
        }
    }
}

/// Two routes to one place.
fn is_same(a: &Route, b: &Route) -> bool {
    a.steps.iter().map(|step| step.position).eq(b.steps.iter().map(|step| step.position))
}

impl Reads {
    fn add(&mut self, rule: &Rule, entity: Option<&Entity>) {
        match &rule.check {
            Check::Always => {}
            Check::Compiled(node) => self.node(node),
            // What Cedar judges itself may read any circumstance.
            Check::Cedar(_) => {
                let leaves = rule.grants.reads.iter();
                self.has_id = true;
                self.routes.extend(leaves.filter_map(|leaf| Route::of_leaf(entity?, leaf)));
                self.related.extend(rule.follows.iter().flat_map(|relation| {
                    let rest = move |leaf| {
                        let (by, rest) =
                            (Route::of_leaf(entity?, relation.by)?, Route::of_leaf(&relation.to, leaf)?);
                        Some(Beyond { by, leaf: relation.by, rest })
                    };
                    relation.reads.iter().filter_map(rest).collect::<Vec<_>>()
                }));
                self.facts.extend(
                    Fact::ALL.iter().copied().filter(|fact| !self.facts.contains(fact)).collect::<Vec<_>>(),
                );
            }
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Leaf(route) | Node::Has(route) => self.routes.push(route.clone()),
            Node::Related(beyond) | Node::HasRelated(beyond) => {
                self.routes.push(beyond.by.clone());
                self.related.push((**beyond).clone());
            }
            Node::Fact(fact) | Node::HasFact(fact) if !self.facts.contains(fact) => self.facts.push(*fact),
            Node::Resource(_) => self.has_id = true,
            _ => {}
        }
        node.parts().iter().for_each(|part| self.node(part));
    }
}

impl Pool {
    fn add(&mut self, node: &Node) {
        match node {
            Node::Constant(constant) => self.constant(constant),
            Node::Like(_, pattern) => self.texts.extend(pattern.examples()),
            _ => {}
        }
        node.parts().iter().for_each(|part| self.add(part));
    }

    /// The constants of a condition that has no compiled form as a whole. Recursion goes down the statement, whose depth
    /// is bounded.
    fn said(&mut self, expr: &Expr, entity: Option<&Entity>) {
        if let Some(node) = compile::node(expr, entity, &[]) {
            return self.add(&node);
        }
        match expr {
            Expr::UnaryOp { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. }
            | Expr::Is { expr, .. } => self.said(expr, entity),
            Expr::BinaryOp { left, right, .. } => {
                self.said(left, entity);
                self.said(right, entity);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.said(cond, entity);
                self.said(then_expr, entity);
                self.said(else_expr, entity);
            }
            Expr::Set(members) => members.iter().for_each(|member| self.said(member, entity)),
            _ => {}
        }
    }

    fn constant(&mut self, constant: &Constant) {
        match constant {
            Constant::Bool(_) | Constant::Span(_) => {}
            Constant::Long(whole) => {
                self.whole.extend([whole.saturating_sub(1), *whole, whole.saturating_add(1)]);
            }
            Constant::Text(text) => drop(self.texts.insert(text.clone())),
            Constant::Ref(kind, id) => drop(self.references.insert((kind.clone(), id.clone()))),
            Constant::Decimal(parts) => {
                self.decimals.extend([parts.saturating_sub(1), *parts, parts.saturating_add(1)]);
            }
            Constant::Time(moment) => {
                self.times.extend([moment.saturating_sub(1), *moment, moment.saturating_add(1)]);
            }
            Constant::Ip(network) => drop(self.networks.insert(*network)),
            Constant::Set(members) => {
                members.iter().for_each(|member| self.constant(member));
                self.sets.push(members.clone());
            }
        }
    }

    /// The values of a leaf.
    fn values(&self, entity: &Entity, leaf: LeafId, holds: &Holds) -> Vec<Value> {
        let Some(kind) = entity.leaf(leaf).map(|leaf| &leaf.kind) else { return Vec::new() };
        let mut values: Vec<Value> = Vec::new();
        let reads = |text: &str| parse_text(kind, text).ok();
        match holds {
            Holds::Text | Holds::Reference(_) => {
                let of = |other: &(Box<str>, Box<str>)| match holds {
                    Holds::Reference(entity) => *other.0 == *entity.as_str(),
                    _ => leaf == LeafId(0),
                };
                let named = self.references.iter().filter(|other| of(other)).map(|(_, id)| id);
                values.extend(named.chain(&self.texts).filter_map(|text| reads(text)));
                if let LeafKind::Code(codes) = kind {
                    values.extend(codes.iter().take(VALUES_MAX / 2).filter_map(|code| reads(code)));
                }
                values.extend(["other", "x"].into_iter().filter_map(reads));
            }
            Holds::Decimal => {
                values.extend(
                    self.decimals.iter().map(|parts| Value::Decimal(Decimal::new(*parts, 4).normalize())),
                );
            }
            Holds::Integer => values.extend(self.whole.iter().map(|whole| Value::Integer(*whole))),
            Holds::Boolean => values.extend([Value::Boolean(true), Value::Boolean(false)]),
            Holds::Date => {
                let days = self.times.iter().filter_map(|moment| {
                    let day =
                        Timestamp::from_millisecond(*moment).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
                    let beside = [
                        day.checked_sub(Span::new().days(1)).ok(),
                        Some(day),
                        day.checked_add(Span::new().days(1)).ok(),
                    ];
                    Some(beside.into_iter().flatten())
                });
                values.extend(days.flatten().map(Value::Date));
            }
            Holds::Instant => {
                let second = SignedDuration::from_secs(1);
                let moments = self.times.iter().filter_map(|moment| {
                    let moment = Timestamp::from_millisecond(*moment).ok()?;
                    let beside =
                        [moment.checked_sub(second).ok(), Some(moment), moment.checked_add(second).ok()];
                    Some(beside.into_iter().flatten())
                });
                values.extend(moments.flatten().map(Value::Instant));
            }
        }
        values.extend(plain(kind));
        let mut kept: Vec<Value> = Vec::with_capacity(values.len());
        for value in values {
            if !kept.contains(&value) {
                kept.push(value);
            }
        }
        kept
    }
}

/// A constant as a value of a kind.
fn same(kind: &LeafKind, constant: &Constant) -> Option<Value> {
    match (constant, kind) {
        (Constant::Text(text) | Constant::Ref(_, text), _) => parse_text(kind, text).ok(),
        (Constant::Long(whole), LeafKind::Integer) => Some(Value::Integer(*whole)),
        (Constant::Decimal(parts), LeafKind::Decimal) => Some(Value::Decimal(Decimal::new(*parts, 4))),
        (Constant::Bool(is), LeafKind::Boolean) => Some(Value::Boolean(*is)),
        _ => None,
    }
}

impl Pattern {
    /// Texts that it matches, with as little and with something between its parts.
    fn examples(&self) -> [Box<str>; 2] {
        ["", "x"].map(|between| self.0.join(between).into())
    }
}

/// What a fact could be.
fn circumstances(
    fact: Fact,
    action: Action,
    pool: &Pool,
    (known, hours): (Circumstances, &Hours),
    listeners: &[ListenerName],
) -> Vec<Circumstance> {
    let texts = || pool.texts.iter().map(|text| Arc::<str>::from(&**text));
    let maybe = || std::iter::once(None).chain(texts().map(Some));
    match fact {
        Fact::Tls => match known.tls {
            Some(tls) => vec![Circumstance::Tls(tls)],
            None => vec![Circumstance::Tls(true), Circumstance::Tls(false)],
        },
        Fact::Listener => listeners.iter().cloned().map(Circumstance::Listener).collect(),
        Fact::Certificate => {
            maybe().map(|text| Circumstance::Certificate(text.map(|text| (&*text).into()))).collect()
        }
        Fact::Address => {
            let inside = pool.networks.iter().flat_map(|network| [network.network(), network.broadcast()]);
            let far = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
            inside.chain(far).map(Circumstance::Address).collect()
        }
        Fact::Time | Fact::Hours => {
            let times = pool.times.iter().copied().chain(hours.edges(THEN)).chain([THEN]);
            times.map(Circumstance::Time).collect()
        }
        Fact::TokenAge => some_or_none(pool).map(Circumstance::TokenAge).collect(),
        Fact::Bytes => some_or_none(pool).map(Circumstance::Bytes).collect(),
        Fact::Sent if action != Action::Call => {
            sent(action).iter().cloned().map(Circumstance::Sent).collect()
        }
        Fact::Scopes => {
            let all: Vec<Arc<str>> = texts().collect();
            let single = texts().map(|text| Circumstance::Scopes(vec![text]));
            [Circumstance::Scopes(Vec::new()), Circumstance::Scopes(all)].into_iter().chain(single).collect()
        }
        Fact::Guarded if matches!(action, Action::Update | Action::Delete) => {
            vec![Circumstance::Guarded(true), Circumstance::Guarded(false)]
        }
        Fact::Guarded => Vec::new(),
        Fact::Method | Fact::Sent if known.method.is_some() => Vec::new(),
        Fact::Method | Fact::Sent => {
            let sent = texts().filter_map(|text| Method::from_bytes(text.as_bytes()).ok());
            let sent = sent.filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE));
            [Method::GET, Method::POST].into_iter().chain(sent).map(Circumstance::Method).collect()
        }
        Fact::Path => {
            let paths = texts().filter(|text| text.starts_with('/'));
            let paths = paths.map(|text| CompactString::from(&*text));
            paths.chain(["/".into()]).map(Circumstance::Path).collect()
        }
        Fact::Purpose => maybe().map(Circumstance::Purpose).collect(),
        Fact::UserAgent => maybe().map(Circumstance::UserAgent).collect(),
    }
}

/// Numbers about those that conditions compare with, never below none, and that there is no number.
fn some_or_none(pool: &Pool) -> impl Iterator<Item = Option<i64>> {
    let about = pool.whole.iter().flat_map(|n| [n.saturating_sub(1), *n, n.saturating_add(1)]);
    about.filter(|n| *n >= 0).chain([0]).map(Some).chain([None])
}

/// The methods that an action is asked for by.
fn sent(action: Action) -> &'static [Method] {
    match action {
        Action::Read | Action::List => &[Method::GET, Method::HEAD],
        Action::Create => &[Method::POST],
        Action::Update => &[Method::PATCH, Method::PUT],
        Action::Delete => &[Method::DELETE],
        Action::Call => &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
    }
}

impl Circumstance {
    fn fact(&self) -> Fact {
        match self {
            Self::Tls(_) => Fact::Tls,
            Self::Listener(_) => Fact::Listener,
            Self::Certificate(_) => Fact::Certificate,
            Self::Address(_) => Fact::Address,
            Self::Time(_) => Fact::Time,
            Self::TokenAge(_) => Fact::TokenAge,
            Self::Sent(_) => Fact::Sent,
            Self::Bytes(_) => Fact::Bytes,
            Self::Scopes(_) => Fact::Scopes,
            Self::Guarded(_) => Fact::Guarded,
            Self::Method(_) => Fact::Method,
            Self::Path(_) => Fact::Path,
            Self::Purpose(_) => Fact::Purpose,
            Self::UserAgent(_) => Fact::UserAgent,
        }
    }

    /// Whether a fact may be another for it. Hours go by the time, and a call's method is that of its request.
    fn moves(&self, fact: Fact) -> bool {
        match self {
            Self::Time(_) => matches!(fact, Fact::Time | Fact::Hours),
            Self::Method(_) => matches!(fact, Fact::Method | Fact::Sent),
            other => other.fact() == fact,
        }
    }

    fn take_effect(&self, guess: &mut Guess) {
        let context = &mut guess.context;
        match self {
            Self::Tls(tls) => {
                context.tls = *tls;
                // There is no certificate without.
                if !tls {
                    context.certificate = None;
                }
            }
            Self::Listener(listener) => context.listener = listener.clone(),
            Self::Certificate(certificate) => {
                context.certificate = certificate.clone().filter(|_| context.tls);
            }
            Self::Address(address) => context.address = *address,
            Self::Time(time) => context.set_time(*time),
            Self::TokenAge(age) => {
                let moment = context.time();
                let issued = moment
                    .zip(*age)
                    .and_then(|(moment, age)| moment.checked_sub(SignedDuration::from_secs(age)).ok());
                guess.facts = Arc::new(guess.facts.with_issue(issued));
            }
            Self::Sent(method) => context.method = method.clone(),
            Self::Bytes(bytes) => context.bytes = *bytes,
            Self::Scopes(scopes) => {
                guess.facts = Arc::new(guess.facts.with_scopes(scopes.clone()));
            }
            Self::Guarded(guarded) => guess.guarded = Some(*guarded),
            Self::Method(method) => {
                context.method = method.clone();
                if let Some(call) = &mut guess.call {
                    call.method = method.clone();
                }
            }
            Self::Path(path) => {
                if let Some(call) = &mut guess.call {
                    call.path = path.clone();
                }
            }
            Self::Purpose(purpose) => context.purpose.clone_from(purpose),
            Self::UserAgent(agent) => context.user_agent.clone_from(agent),
        }
    }
}
