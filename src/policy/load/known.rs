//! Whether what a condition names is there: attributes, values of closed lists, types that can be equal.
//!
//! Cedar takes `resource has statsu` for a question whose answer is no, and leaves what stands behind it
//! unread: a forbid that is misspelt there would never hold. So every name is looked up here, wherever in a
//! condition it stands.

use std::sync::Arc;

use cedar_policy::{
    Policy,
    pst::{BinaryOp, Expr, Literal, Var},
};

use super::{
    super::{
        compile::Names,
        principals::{AttributeType, PrincipalTypes},
        related::step,
        shape::{Holds, Route, Target},
        statement::{Head, Resources, conditions},
    },
    Policies,
};
use crate::{
    catalog::Action,
    schema::{Entity, LeafId, LeafKind, Object, Schema, Shape},
    words::{Diagnostic, Diagnostics, Kind},
};

/// Something a condition names that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The word in the statement's text.
    pub(super) word: String,
    pub(super) message: String,
    /// What it may have been meant to be.
    pub(super) names: Vec<String>,
    /// Whether Cedar tells it too where it looks.
    pub(super) is_cedars: bool,
}

impl Policies {
    /// Statements that name a record by what is none of its ids, as `is_id` says of an entity and a text.
    pub fn nameless(&self, is_id: impl Fn(&str, &str) -> bool) -> Diagnostics {
        let mut found = Diagnostics::default();
        for statement in &self.statements {
            for uid in statement.policy.entity_literals() {
                let (name, id) = (uid.type_name().to_string(), uid.id().unescaped());
                if is_id(&name, id) {
                    continue;
                }
                let message = format!("`{name}::\"{id}\"` is no id of a record");
                found.push(Diagnostic::error(&statement.place, message).help(format!(
                    "give principals an attribute that says `{{ key: \"{id}\", of: SYSTEM }}` and compare with that, or \
                     write the id that `bramka ids show --key SYSTEM:{id} {name}` tells"
                )));
            }
        }
        found
    }
}

/// Everything unknown that the conditions of a policy name.
pub(super) fn unknown(
    policy: &Policy,
    head: &Head,
    schema: &Schema,
    principals: &PrincipalTypes,
    hours: &[Arc<str>],
) -> Vec<Unknown> {
    let entities = head.entities(schema);
    let mut look = Look { head, schema, entities, principals, hours, found: Vec::new() };
    for condition in conditions(policy).unwrap_or_default() {
        look.at(&condition);
    }
    let mut found = look.found;
    let mut seen: Vec<String> = Vec::new();
    // What is told of `has` is not told again of the access behind it.
    found.sort_by_key(|unknown| unknown.is_cedars);
    found.retain(|unknown| {
        let is_new = !seen.contains(&unknown.word);
        seen.push(unknown.word.clone());
        is_new
    });
    found
}

struct Look<'a> {
    head: &'a Head,
    schema: &'a Schema,
    entities: Vec<&'a Arc<Entity>>,
    principals: &'a PrincipalTypes,
    /// The named hours.
    hours: &'a [Arc<str>],
    found: Vec<Unknown>,
}

/// What an expression may stand for.
#[derive(Clone, Debug)]
enum Thing<'a> {
    /// A reference to an entity of that type.
    Entity(String),
    /// One of a closed list.
    Code(&'a [Arc<str>]),
    /// Several of one.
    Set(Box<Self>),
    Other,
}

/// An attribute that is none.
struct Missing {
    /// Which of the names.
    at: usize,
    of: String,
    names: Vec<String>,
}

impl<'a> Look<'a> {
    fn at(&mut self, expr: &Expr) {
        match expr {
            Expr::GetAttr { expr: base, attr } => {
                self.attribute(base, &[attr.as_str()], true);
                self.at(base);
            }
            Expr::HasAttr { expr: base, attrs } => {
                let names: Names<'_> = attrs.iter().map(|name| name.as_str()).collect();
                self.attribute(base, &names, false);
                self.at(base);
            }
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.at(expr),
            Expr::Is { expr, entity_type, in_expr } => {
                let things = self.things(expr);
                self.same(&things, &Expr::Var(Var::Action), &[Thing::Entity(entity_type.to_string())]);
                self.at(expr);
                if let Some(parents) = in_expr {
                    self.within(&things, parents);
                    self.at(parents);
                }
            }
            Expr::BinaryOp { op, left, right } => {
                self.compared(*op, left, right);
                self.at(left);
                self.at(right);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().for_each(|part| self.at(part));
            }
            Expr::Set(members) => members.iter().for_each(|member| self.at(member)),
            Expr::Record(fields) => fields.values().for_each(|field| self.at(field)),
            _ => {}
        }
    }

    /// An attribute behind `.` or `has`, known of anything its base may be.
    fn attribute(&mut self, base: &Expr, more: &[&str], is_cedars: bool) {
        let mut missing: Option<(Missing, String)> = None;
        for (var, mut names) in paths(base) {
            let known = names.len();
            names.extend(more.iter().copied());
            match self.path(&var, &names) {
                Ok(_) => return,
                // The base itself is told where it is looked at.
                Err(told) if told.at < known => return,
                Err(mut told) => {
                    let word = names.get(told.at).map_or_else(String::new, |name| (*name).to_owned());
                    if let Some((before, _)) = &missing {
                        told.names.extend(before.names.iter().cloned());
                    }
                    missing = Some((told, word));
                }
            }
        }
        if let Some((Missing { of, names, .. }, word)) = missing {
            let message = format!("`{word}` is no attribute of {of} that a statement can read");
            self.found.push(Unknown { word, message, names, is_cedars });
        }
    }

    fn compared(&mut self, op: BinaryOp, left: &Expr, right: &Expr) {
        let (ours, theirs) = (self.things(left), self.things(right));
        match op {
            BinaryOp::Eq | BinaryOp::NotEq => {
                self.same(&ours, right, &theirs);
                self.same(&theirs, left, &ours);
            }
            BinaryOp::In => self.within(&ours, right),
            BinaryOp::Contains => {
                members(left).for_each(|member| {
                    let member_things = self.things(member);
                    self.same(&theirs, member, &member_things);
                });
                self.same(&inside(&ours), right, &theirs);
            }
            BinaryOp::ContainsAll | BinaryOp::ContainsAny => {
                self.same(&ours, right, &theirs);
                self.same(&theirs, left, &ours);
            }
            _ => {}
        }
    }

    /// A literal (or a set of them) that can never equal what may stand on the other side.
    fn same(&mut self, things: &[Thing<'_>], other: &Expr, others: &[Thing<'_>]) {
        for member in members(other) {
            let member_things = self.things(member);
            self.same(&inside(things), member, &member_things);
        }
        match other {
            Expr::Literal(Literal::String(text)) => {
                let Some(codes) = codes(things) else { return };
                if !codes.iter().any(|code| **code == **text) {
                    let message = format!("`{text}` is none of the values that it is compared with");
                    let names = codes.iter().map(ToString::to_string).collect();
                    self.found.push(Unknown { word: text.to_string(), message, names, is_cedars: false });
                }
            }
            _ => {
                let (Some(ours), Some(theirs)) = (types(things), types(others)) else { return };
                if !ours.iter().any(|one| theirs.contains(one)) {
                    self.never(other, &ours, &theirs);
                }
            }
        }
    }

    /// `in`: a principal may be in groups, everything else is in itself only.
    fn within(&mut self, things: &[Thing<'_>], parents: &Expr) {
        for member in members(parents) {
            self.within(things, member);
        }
        let (Some(mut ours), Some(theirs)) = (types(things), types(&self.things(parents))) else { return };
        let may_belong =
            |name: &String| Kind::ALL.iter().any(|kind| kind.as_str() == name && *kind != Kind::Anonymous);
        if ours.iter().any(may_belong) {
            ours.push("Group".into());
        }
        if !ours.iter().any(|one| theirs.contains(one)) {
            self.never(parents, &ours, &theirs);
        }
    }

    fn never(&mut self, other: &Expr, ours: &[String], theirs: &[String]) {
        let word = match other {
            Expr::Literal(Literal::EntityUID(uid)) => uid.eid.as_str().to_owned(),
            _ => theirs.first().cloned().unwrap_or_default(),
        };
        let message = format!("what is {} is never {}", ours.join(" or "), theirs.join(" or "));
        self.found.push(Unknown { word, message, names: Vec::new(), is_cedars: false });
    }

    /// What an expression may stand for; nothing where that cannot be told.
    fn things(&self, expr: &Expr) -> Vec<Thing<'a>> {
        match expr {
            Expr::Literal(Literal::EntityUID(uid)) => vec![Thing::Entity(uid.ty.to_string())],
            Expr::Var(_) | Expr::GetAttr { .. } | Expr::IfThenElse { .. } => {
                let known = paths(expr).into_iter().map(|(var, names)| self.path(&var, &names));
                known.collect::<Result<Vec<_>, Missing>>().unwrap_or_default().into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What stands at `variable.a.b`.
    fn path(&self, var: &Var, names: &[&str]) -> Result<Vec<Thing<'a>>, Missing> {
        match var {
            Var::Resource => self.of_resource(names),
            Var::Principal => self.of_principal(names),
            Var::Context => self.of_context(names).map(|()| match names {
                ["checked", "hours"] => vec![Thing::Set(Box::new(Thing::Code(self.hours)))],
                _ => vec![Thing::Other],
            }),
            Var::Action => Ok(vec![Thing::Entity("Action".into())]),
        }
    }

    fn of_resource(&self, names: &[&str]) -> Result<Vec<Thing<'a>>, Missing> {
        let is_system = match &self.head.resources {
            Resources::All => self.head.has(&[Action::Call]),
            Resources::Systems | Resources::System(_) => true,
            Resources::Entity(_) | Resources::None => false,
        };
        let of_entities = self.entities.iter().map(|entity| self.of_record(entity, names));
        let of_system = is_system.then(|| match names {
            [] => Ok(Thing::Entity("System".into())),
            [..] => Err(Missing { at: 0, of: "System".into(), names: Vec::new() }),
        });
        any(of_entities.chain(of_system))
    }

    /// What stands at a path of a record, or of one that it names.
    fn of_record(&self, entity: &'a Entity, names: &[&str]) -> Result<Thing<'a>, Missing> {
        let Some((_, _, other, after)) = step(entity, names) else { return of_entity(entity, names) };
        let known = self.schema.entities().iter().find(|entity| entity.name == other);
        let Some(other) = known else { return Ok(Thing::Other) };
        of_entity(other, after).map_err(|missing| Missing {
            at: missing.at.saturating_add(names.len().saturating_sub(after.len())),
            ..missing
        })
    }

    fn of_principal(&self, names: &[&str]) -> Result<Vec<Thing<'a>>, Missing> {
        let carries = |kind: &Kind, name: &str| self.principals.of(*kind).any(|one| *one.name == *name);
        let carried =
            |kinds: &[Kind]| names.first().is_some_and(|name| kinds.iter().any(|kind| carries(kind, name)));
        // What only others carry is spelt right; Cedar says where it makes a statement impossible.
        if carried(&Kind::ALL) && !carried(&self.head.kinds) {
            return Ok(Vec::new());
        }
        any(self.head.kinds.iter().map(|kind| {
            let Some(name) = names.first() else { return Ok(Thing::Entity(kind.to_string())) };
            let carried = || self.principals.of(*kind);
            match carried().find(|attribute| *attribute.name == **name) {
                Some(attribute) => Ok(match &attribute.holds {
                    AttributeType::Reference(entity) => Thing::Entity(entity.to_string()),
                    AttributeType::Text
                    | AttributeType::Integer
                    | AttributeType::Boolean
                    | AttributeType::Decimal
                    | AttributeType::Texts => Thing::Other,
                }),
                None if *name == "partner" => Ok(Thing::Other),
                None => {
                    let names = carried().map(|attribute| attribute.name.to_string());
                    let names = names.chain(["partner".to_owned()]).collect();
                    Err(Missing { at: 0, of: kind.to_string(), names })
                }
            }
        }))
    }

    fn of_context(&self, names: &[&str]) -> Result<(), Missing> {
        for (at, name) in names.iter().enumerate() {
            let before = names.get(..at).unwrap_or_default();
            let known = self.context_names(before);
            if known.is_empty() {
                return Ok(());
            }
            if !known.contains(name) {
                let of = ["context"].iter().chain(before).copied().collect::<Vec<_>>().join(".");
                return Err(Missing { at, of, names: known.into_iter().map(str::to_owned).collect() });
            }
        }
        Ok(())
    }

    /// The parts of a part of the context.
    fn context_names(&self, of: &[&str]) -> Vec<&'static str> {
        match of {
            [] => vec!["checked", "claimed"],
            ["checked"] => {
                let mut names = vec!["channel", "address", "time", "hours", "scopes", "token_age", "request"];
                names.extend(self.head.has(&[Action::Update, Action::Delete]).then_some("guarded"));
                names.extend(self.head.has(&[Action::Call]).then_some("call"));
                names
            }
            ["checked", "channel"] => vec!["tls", "listener", "certificate"],
            ["checked", "request"] => vec!["method", "bytes"],
            ["checked", "call"] => vec!["method", "path"],
            ["claimed"] => vec!["purpose", "user_agent"],
            _ => Vec::new(),
        }
    }
}

/// Known where any knows it.
fn any<'a>(all: impl Iterator<Item = Result<Thing<'a>, Missing>>) -> Result<Vec<Thing<'a>>, Missing> {
    let mut things = Vec::new();
    let mut missing: Option<Missing> = None;
    for one in all {
        match (one, &mut missing) {
            (Ok(thing), _) => things.push(thing),
            (Err(told), Some(before)) => {
                if !before.of.contains(&told.of) {
                    before.of = format!("{} or {}", before.of, told.of);
                }
                before.at = before.at.max(told.at);
                before.names.extend(told.names);
            }
            (Err(told), none) => *none = Some(told),
        }
    }
    match missing {
        Some(missing) if things.is_empty() => Err(missing),
        Some(_) | None => Ok(things),
    }
}

fn of_entity<'a>(entity: &'a Entity, names: &[&str]) -> Result<Thing<'a>, Missing> {
    let mut object = &entity.root;
    for (at, name) in names.iter().enumerate() {
        let upto = names.get(..=at).unwrap_or_default();
        let Some(route) = Route::of(entity, upto) else {
            let before = names.get(..at).unwrap_or_default();
            let of = [entity.name.as_str()].iter().chain(before).copied().collect::<Vec<_>>().join(".");
            return Err(Missing { at, of, names: readable(entity, object, before) });
        };
        match (&route.target, object.field(name).map(|(_, field)| &field.shape)) {
            (Target::Object(_), Some(Shape::Object(inner))) => object = inner,
            (Target::Leaf(leaf, holds), _) => return Ok(of_leaf(entity, *leaf, holds)),
            (Target::Set(leaf, holds), _) => {
                return Ok(Thing::Set(Box::new(of_leaf(entity, *leaf, holds))));
            }
            (Target::Object(_), _) => return Ok(Thing::Other),
        }
    }
    Ok(if names.is_empty() { Thing::Entity(entity.name.to_string()) } else { Thing::Other })
}

fn of_leaf<'a>(entity: &'a Entity, leaf: LeafId, holds: &Holds) -> Thing<'a> {
    match (holds, entity.leaf(leaf).map(|leaf| &leaf.kind)) {
        (Holds::Reference(other), _) => Thing::Entity(other.to_string()),
        (Holds::Text, Some(LeafKind::Code(codes))) => Thing::Code(codes),
        (
            Holds::Text | Holds::Decimal | Holds::Integer | Holds::Boolean | Holds::Date | Holds::Instant,
            _,
        ) => Thing::Other,
    }
}

/// The fields of an object that statements can read.
fn readable(entity: &Entity, object: &Object, before: &[&str]) -> Vec<String> {
    let can = |name: &str| {
        let path: Vec<&str> = before.iter().copied().chain([name]).collect();
        Route::of(entity, &path).is_some()
    };
    let names = object.fields.iter().map(|field| &field.name);
    names.filter(|name| can(name)).map(ToString::to_string).collect()
}

/// The variables and names that an expression may be; nothing where it is anything else.
fn paths(expr: &Expr) -> Vec<(Var, Names<'_>)> {
    match expr {
        Expr::Var(var) => vec![(var.clone(), Names::new())],
        Expr::GetAttr { expr, attr } => {
            let mut all = paths(expr);
            all.iter_mut().for_each(|(_, names)| names.push(attr.as_str()));
            all
        }
        Expr::IfThenElse { then_expr, else_expr, .. } => {
            let (mut yes, no) = (paths(then_expr), paths(else_expr));
            if yes.is_empty() || no.is_empty() {
                return Vec::new();
            }
            yes.extend(no);
            yes
        }
        _ => Vec::new(),
    }
}

/// The members of a set that is written out.
fn members(expr: &Expr) -> impl Iterator<Item = &Arc<Expr>> {
    let members: &[Arc<Expr>] = match expr {
        Expr::Set(members) => members,
        _ => &[],
    };
    members.iter()
}

/// What is in sets, where all are sets.
fn inside<'a>(things: &[Thing<'a>]) -> Vec<Thing<'a>> {
    let inner = things.iter().map(|thing| match thing {
        Thing::Set(inner) => Some((**inner).clone()),
        Thing::Entity(_) | Thing::Code(_) | Thing::Other => None,
    });
    inner.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// The values of closed lists, where all are of one.
fn codes(things: &[Thing<'_>]) -> Option<Vec<Arc<str>>> {
    let mut all = Vec::new();
    for thing in things {
        match thing {
            Thing::Code(codes) => all.extend(codes.iter().cloned()),
            Thing::Entity(_) | Thing::Set(_) | Thing::Other => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

/// The types of entities, where all are entities.
fn types(things: &[Thing<'_>]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for thing in things {
        match thing {
            Thing::Entity(name) => all.push(name.clone()),
            Thing::Code(_) | Thing::Set(_) | Thing::Other => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}
