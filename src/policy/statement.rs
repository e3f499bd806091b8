//! One statement: what its head speaks of, what its condition reads, and what it demands besides yes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
    pst::{Clause, Expr},
};

use super::{Detail, compile::Reads, degrees::Degrees, program::About, related::Relation};
use crate::{
    catalog::Action,
    identity::{Facts, ISSUER_MARK},
    schema::{Entity, FieldSet, Schema},
    words::{EntityName, GroupName, Kind, Place, PlanName, PrincipalId, StatementId, SystemName},
};

/// A statement of the bundle.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: StatementId,
    pub(super) place: Place,
    pub(super) effect: Verb,
    pub(super) head: Head,
    pub(super) policy: Policy,
    /// The same about anyone, where its condition reads nothing of the caller: its rule is one for all that its head
    /// speaks of.
    pub(super) anyone: Option<Policy>,
    /// What it grants, by entity; every entity its head speaks of is here.
    pub(super) grants: BTreeMap<EntityName, Grants>,
    /// The records that its condition goes by and that a record of an entity names.
    pub(super) follows: BTreeMap<EntityName, Vec<Relation>>,
    pub(super) plan: Option<PlanName>,
    pub(super) detail: Detail,
    /// Whether it counts only while its person has broken the glass.
    pub(super) is_glass: bool,
}

/// What a statement does where it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Permits.
    Permit,
    /// Refuses the record.
    Forbid,
    /// Strikes fields from every permit.
    Withhold,
}

/// What a statement's head speaks of.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) kinds: Vec<Kind>,
    pub(super) principal: Option<PrincipalId>,
    pub(super) group: Option<GroupName>,
    pub(super) actions: Vec<Action>,
    pub(super) resources: Resources,
}

/// The resources of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resources {
    All,
    /// An entity type, also where the head names one record of it.
    Entity(EntityName),
    Systems,
    System(SystemName),
    None,
}

/// What a statement grants or strikes of one entity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grants {
    /// Leaves shown, by how open.
    pub(super) shown: Degrees,
    /// Leaves that may change.
    pub(super) writes: FieldSet,
    /// Leaves struck.
    pub(super) withheld: FieldSet,
    /// Leaves of which it is said that the condition tells of them.
    pub(super) revealed: FieldSet,
    /// Leaves the condition reads.
    pub(super) reads: FieldSet,
    /// Those of them that it names.
    pub(super) names: FieldSet,
}

impl Statement {
    /// Whether the head speaks of that caller doing that to that entity.
    pub(super) fn concerns(&self, facts: &Facts, action: Action, entity: &Entity) -> bool {
        self.head.names(facts, action) && self.grants.contains_key(&entity.name)
    }

    /// Whether the head can speak of some principal of a kind, in any of these groups, doing that: of one of that name,
    /// or of anyone whom an issuer vouches for.
    pub(super) fn may_concern(
        &self,
        (kind, named): (Kind, Option<&PrincipalId>),
        groups: &BTreeSet<GroupName>,
        action: Action,
        about: About<'_>,
    ) -> bool {
        let head = &self.head;
        let is_about = match about {
            About::Entity(entity) => self.grants.contains_key(&entity.name),
            About::System(system) => head.resources.has_system(system),
        };
        is_about
            && head.actions.contains(&action)
            && head.kinds.contains(&kind)
            && head.group.as_ref().is_none_or(|group| groups.contains(group))
            && head.principal.as_ref().is_none_or(|id| match named {
                Some(named) => id == named,
                None => id.as_str().contains(ISSUER_MARK),
            })
    }

    /// Whether it speaks of what is read or listed.
    pub(super) fn shows(&self) -> bool {
        self.head.has(&[Action::Read, Action::List])
    }

    /// Whether it counts at all, the glass being broken or not.
    pub(super) fn counts(&self, is_broken: bool) -> bool {
        is_broken || !self.is_glass
    }

    /// Whether the head speaks of that caller calling that system.
    pub(super) fn concerns_call(&self, facts: &Facts, system: &SystemName) -> bool {
        self.head.names(facts, Action::Call) && self.head.resources.has_system(system)
    }
}

/// Every expression that a policy's conditions hold, in order, whether it must hold or must not; none when
/// its tree cannot be read.
pub(super) fn conditions(policy: &Policy) -> Option<Vec<Arc<Expr>>> {
    let tree = policy.to_pst().ok()?;
    let clauses = tree.body().clauses().iter().map(|clause| match clause {
        Clause::When(expr) | Clause::Unless(expr) => expr.clone(),
    });
    Some(clauses.collect())
}

/// The one condition of a specialised policy, which must hold; none where it has another form.
pub(super) fn residual(policy: &Policy) -> Option<Arc<Expr>> {
    let tree = policy.to_pst().ok()?;
    match tree.body().clauses().as_slice() {
        [Clause::When(expr)] => Some(expr.clone()),
        _ => None,
    }
}

/// What the conditions and the resource head of a policy read of an entity.
pub(super) fn reads(policy: &Policy, entity: Option<&Entity>) -> Reads {
    let mut reads = Reads::default();
    match conditions(policy) {
        Some(all) => all.iter().for_each(|expr| reads.add(expr, entity)),
        None => reads.leaves = entity.map_or(FieldSet::EMPTY, Entity::all),
    }
    match policy.resource_constraint() {
        ResourceConstraint::Eq(_) | ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => {
            reads.leaves = reads.leaves.union(&FieldSet::ID);
        }
        ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
    }
    reads
}

impl Head {
    /// Reads the head of a policy. What names no action, kind or type of ours leaves nothing to speak of;
    /// strict validation has said so.
    pub(super) fn of(policy: &Policy) -> Self {
        let mut head = Self {
            kinds: Kind::ALL.to_vec(),
            principal: None,
            group: None,
            actions: actions(policy),
            resources: resources(policy),
        };
        match policy.principal_constraint() {
            PrincipalConstraint::Any => {}
            PrincipalConstraint::Is(kind) => head.only(kind_of(&kind.to_string())),
            PrincipalConstraint::In(uid) => head.within(&uid),
            PrincipalConstraint::Eq(uid) => head.exactly(&uid),
            PrincipalConstraint::IsIn(kind, uid) => {
                head.within(&uid);
                head.only(kind_of(&kind.to_string()));
            }
        }
        head
    }

    fn only(&mut self, kind: Option<Kind>) {
        self.kinds.retain(|known| Some(*known) == kind);
    }

    fn exactly(&mut self, uid: &EntityUid) {
        self.only(kind_of(&uid.type_name().to_string()));
        self.principal = Some(PrincipalId::new(uid.id().unescaped()));
    }

    /// `in Group::"x"`; `in App::"x"` is the app itself.
    fn within(&mut self, uid: &EntityUid) {
        if uid.type_name().to_string() == "Group" {
            self.group = Some(GroupName::new(uid.id().unescaped()));
            self.kinds.retain(|kind| *kind != Kind::Anonymous);
        } else {
            self.exactly(uid);
        }
    }

    fn names(&self, facts: &Facts, action: Action) -> bool {
        self.actions.contains(&action)
            && self.kinds.contains(&facts.kind)
            && self.principal.as_ref().is_none_or(|id| *id == facts.id)
            && self.group.as_ref().is_none_or(|group| facts.groups.contains(group))
    }

    /// Whether one caller, action and resource can be meant by both heads.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let apart = match (&self.principal, &other.principal) {
            (Some(a), Some(b)) => a != b,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        !apart
            && self.kinds.iter().any(|kind| other.kinds.contains(kind))
            && self.actions.iter().any(|action| other.actions.contains(action))
            && self.resources.meets(&other.resources)
    }

    /// Whether the head itself says who: an identified principal or a group.
    pub(super) fn says_who(&self) -> bool {
        self.principal.is_some() || self.group.is_some()
    }

    /// The entities it speaks of.
    pub(super) fn entities<'s>(&self, schema: &'s Schema) -> Vec<&'s Arc<Entity>> {
        let on_records = self.actions.iter().any(|action| *action != Action::Call);
        let meant = |entity: &&Arc<Entity>| match &self.resources {
            Resources::All => true,
            Resources::Entity(name) => *name == entity.name,
            Resources::Systems | Resources::System(_) | Resources::None => false,
        };
        schema.entities().iter().filter(|entity| on_records && meant(entity)).collect()
    }

    pub(super) fn has(&self, actions: &[Action]) -> bool {
        self.actions.iter().any(|action| actions.contains(action))
    }
}

impl Resources {
    pub(super) fn has_system(&self, system: &SystemName) -> bool {
        match self {
            Self::All | Self::Systems => true,
            Self::System(name) => name == system,
            Self::Entity(_) | Self::None => false,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => false,
            (Self::All, _) | (_, Self::All) => true,
            (Self::Entity(a), Self::Entity(b)) => a == b,
            (Self::System(a), Self::System(b)) => a == b,
            (Self::Systems, Self::System(_) | Self::Systems) | (Self::System(_), Self::Systems) => true,
            (Self::Entity(_), Self::System(_) | Self::Systems)
            | (Self::System(_) | Self::Systems, Self::Entity(_)) => false,
        }
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

fn actions(policy: &Policy) -> Vec<Action> {
    let known = |uid: &EntityUid| {
        Action::ALL
            .into_iter()
            .find(|action| uid.type_name().to_string() == "Action" && action.as_str() == uid.id().unescaped())
    };
    match policy.action_constraint() {
        ActionConstraint::Any => Action::ALL.to_vec(),
        ActionConstraint::In(all) => all.iter().filter_map(known).collect(),
        ActionConstraint::Eq(one) => known(&one).into_iter().collect(),
    }
}

fn resources(policy: &Policy) -> Resources {
    let of_type = |name: String| match name.as_str() {
        "System" => Resources::Systems,
        _ => Resources::Entity(EntityName::new(name)),
    };
    match policy.resource_constraint() {
        ResourceConstraint::Any => Resources::All,
        ResourceConstraint::Is(kind) => of_type(kind.to_string()),
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) => one(&uid),
        ResourceConstraint::IsIn(kind, uid) if kind == *uid.type_name() => one(&uid),
        ResourceConstraint::IsIn(..) => Resources::None,
    }
}

fn one(uid: &EntityUid) -> Resources {
    match uid.type_name().to_string() {
        name if name == "System" => Resources::System(SystemName::new(uid.id().unescaped())),
        name => Resources::Entity(EntityName::new(name)),
    }
}

impl Verb {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
            Self::Withhold => "withhold",
        }
    }

    /// Whether Cedar knows it as a permit.
    pub(super) fn is_permit(self) -> bool {
        match self {
            Self::Permit => true,
            Self::Forbid | Self::Withhold => false,
        }
    }

    pub(super) fn of(effect: Effect, strikes: bool) -> Self {
        match (effect, strikes) {
            (Effect::Permit, _) => Self::Permit,
            (Effect::Forbid, true) => Self::Withhold,
            (Effect::Forbid, false) => Self::Forbid,
        }
    }
}
