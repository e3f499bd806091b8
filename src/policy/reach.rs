//! What statements leave open over every record and every circumstance: the most that can happen, and what of it
//! always does. Plain data for those who read policies, proof of nothing.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    cedar::Unfit,
    degrees::Degrees,
    load::Policies,
    mask::Openness,
    predicate::Outcomes,
    program::{About, Check, Program, Rule},
    statement::{Grants, Verb},
};
use crate::{
    catalog::Action,
    identity::Facts,
    schema::{Entity, FieldSet, LeafId},
    words::{Digest, GroupName, Kind, PrincipalId, StatementId, SystemName},
};

/// Who is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// A principal with these facts, and as a credential for fewer of its groups has them.
    Known(&'a Facts, &'a [Facts]),
    /// A principal of a kind, in any of these groups or in none, whatever it carries: the one of that name, or anyone whom
    /// an issuer vouches for.
    Any(Kind, Option<&'a PrincipalId>, &'a BTreeSet<GroupName>),
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// Records of an entity.
    Entity(&'a Arc<Entity>),
    /// Calls to a system.
    System(&'a SystemName),
}

/// What is known of the circumstances of every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Whether callers come under TLS, where all listeners agree.
    pub tls: Option<bool>,
    /// The method of a call, where only that one is asked about.
    pub method: Option<&'static str>,
    /// Whether who asks has broken the glass.
    pub is_broken: bool,
}

/// How sure something is, over all records and circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Surety {
    /// It never is.
    Never,
    /// It depends: on the record, the connection, the time, what the credential says.
    Depends,
    /// It always is, as long as the record can be judged at all.
    Always,
}

/// What someone can reach of one entity or system by one action.
#[derive(Debug)]
pub struct Reach {
    surety: Surety,
    rules: Vec<(Arc<Rule>, Outcomes)>,
    most: Degrees,
    least: Degrees,
    writes: (FieldSet, FieldSet),
    clear: FieldSet,
}

impl Surety {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Depends => "depends",
            Self::Always => "always",
        }
    }

    fn of(can: bool, must: bool) -> Self {
        match (can, must) {
            (false, _) => Self::Never,
            (true, false) => Self::Depends,
            (true, true) => Self::Always,
        }
    }
}

/// Works out what statements leave open.
///
/// # Errors
/// None where the facts are not what `principals/attributes.yaml` says.
pub fn reach(
    policies: &Policies,
    whom: Whom<'_>,
    action: Action,
    on: On<'_>,
    known: Circumstances,
) -> Option<Reach> {
    let about = match on {
        On::Entity(entity) => About::Entity(entity),
        On::System(system) => About::System(system),
    };
    let of = |facts| Program::new(policies, facts, action, about).map(|program| program.rules);
    match whom {
        Whom::Known(facts, narrower) => {
            let mut reach = Reach::of(of(facts).map_err(|Unfit| ()).ok()?, true, known);
            for facts in narrower {
                reach.widen(Reach::of(of(facts).map_err(|Unfit| ()).ok()?, true, known));
            }
            Some(reach)
        }
        Whom::Any(kind, named, groups) => {
            let rules = Program::of_any(policies, (kind, named), groups, action, about);
            Some(Reach::of(rules.map_err(|Unfit| ()).ok()?, false, known))
        }
    }
}

impl Reach {
    fn of(rules: Vec<Arc<Rule>>, is_known: bool, known: Circumstances) -> Self {
        let rules: Vec<(Arc<Rule>, Outcomes)> = rules
            .into_iter()
            .map(|rule| {
                let outcomes = rule.open(known);
                (rule, outcomes)
            })
            .collect();
        let may = |verb: Verb| {
            let rules = rules.iter().filter(move |(rule, can)| rule.statement.effect == verb && can.holds);
            rules.map(|(rule, can)| (rule, *can))
        };
        // What may err refuses the record where it does: that is a record which cannot be judged.
        let must = |verb: Verb| may(verb).filter(|(_, can)| !can.fails).map(|(rule, _)| rule);
        let leaves = |all: FieldSet, rule: &Arc<Rule>| all.union(&rule.grants.withheld);
        let struck = must(Verb::Withhold).fold(FieldSet::EMPTY, leaves);
        let threatened = may(Verb::Withhold).map(|(rule, _)| rule).fold(FieldSet::EMPTY, leaves);
        // A statement that errs whatever is asked refuses all.
        let must_err = |(_, can): &(Arc<Rule>, Outcomes)| can.errs && !can.holds && !can.fails;
        let is_closed = must(Verb::Forbid).next().is_some() || rules.iter().any(must_err);
        let can = !is_closed && may(Verb::Permit).next().is_some();
        let is_sure = must(Verb::Permit).next().is_some() && may(Verb::Forbid).next().is_none();
        let (mut most, mut least) = (Degrees::default(), Degrees::default());
        let mut writes = (FieldSet::EMPTY, FieldSet::EMPTY);
        let mut clear = FieldSet::EMPTY;
        if can {
            for (rule, _) in may(Verb::Permit) {
                most.join(&rule.grants.shown);
                writes.0 = writes.0.union(&rule.grants.writes);
                clear = clear.union(&rule.grants.shown.of(Openness::Shown));
            }
            // A permit that no circumstance takes away counts whatever the record.
            for (rule, can) in may(Verb::Permit) {
                if !can.fails || (is_known && !rule.reads_context) {
                    clear = clear.intersection(&rule.grants.shown.of(Openness::Shown));
                }
            }
        }
        if can && is_sure {
            for rule in must(Verb::Permit) {
                least.join(&rule.grants.shown);
                writes.1 = writes.1.union(&rule.grants.writes);
            }
        }
        most.strike(&struck);
        least.strike(&threatened);
        writes = (writes.0.minus(&struck), writes.1.minus(&threatened));
        clear = clear.minus(&struck);
        Self { surety: Surety::of(can, is_sure), rules, most, least, writes, clear }
    }

    /// Adds what another standing of the same principal opens; what is sure stays what was.
    fn widen(&mut self, other: Self) {
        if self.surety == Surety::Never && other.surety != Surety::Never {
            self.surety = Surety::Depends;
        }
        self.most.join(&other.most);
        self.writes.0 = self.writes.0.union(&other.writes.0);
        self.clear = self.clear.union(&other.clear);
        let is_new = |(rule, _): &(Arc<Rule>, Outcomes)| {
            self.rules.iter().all(|(known, _)| known.statement.id != rule.statement.id)
        };
        let new: Vec<(Arc<Rule>, Outcomes)> = other.rules.into_iter().filter(is_new).collect();
        self.rules.extend(new);
    }

    /// Whether the action can be had at all, on whatever record.
    pub fn surety(&self) -> Surety {
        self.surety
    }

    /// How openly a leaf can be shown at most, and whether it always is at least so.
    pub fn shown(&self, leaf: LeafId) -> Option<(Openness, Surety)> {
        let most = self.most.openness(leaf)?;
        Some((most, Surety::of(true, self.least.openness(leaf) == Some(most))))
    }

    /// Leaves that can be shown.
    pub fn visible(&self) -> FieldSet {
        self.most.all()
    }

    /// Whether a leaf can be changed.
    pub fn written(&self, leaf: LeafId) -> Surety {
        Surety::of(self.writes.0.contains(leaf), self.writes.1.contains(leaf))
    }

    /// Leaves that filter, sort and the like can name in some circumstances.
    pub fn clear(&self) -> FieldSet {
        self.clear
    }

    /// What all of it rests on: statements of one sort, with the same conditions for this caller and the same fields, come
    /// to one digest, whatever they are called.
    pub fn conditions(&self) -> Digest {
        let mut all: Vec<String> = self
            .rules
            .iter()
            .filter(|(_, can)| can.holds)
            .map(|(rule, _)| {
                let Grants { shown, writes, withheld, .. } = &rule.grants;
                let how = match &rule.check {
                    Check::Always => "always".to_owned(),
                    Check::Compiled(node) => format!("{node:?}"),
                    Check::Cedar(set) => {
                        set.policies().map(|policy| policy.to_cedar().unwrap_or_default()).collect()
                    }
                };
                format!("{:?} {shown:?} {writes:?} {withheld:?} {how}", rule.statement.effect)
            })
            .collect();
        all.sort();
        all.dedup();
        Digest::of(all.join("\n").as_bytes())
    }

    /// The permits that can show or let change a leaf; without one, those that can hold.
    pub fn permits(&self, leaf: Option<LeafId>) -> impl Iterator<Item = &StatementId> {
        let grants = move |rule: &&Arc<Rule>| {
            leaf.is_none_or(|leaf| {
                rule.grants.shown.all().contains(leaf) || rule.grants.writes.contains(leaf)
            })
        };
        let can = self.rules.iter().filter(|(_, can)| can.holds).map(|(rule, _)| rule);
        can.filter(|rule| rule.statement.effect == Verb::Permit).filter(grants).map(|rule| &rule.statement.id)
    }

    /// The statements that can refuse a record or take a leaf away.
    pub fn against(&self, leaf: Option<LeafId>) -> impl Iterator<Item = &StatementId> {
        let takes = move |rule: &&Arc<Rule>| match rule.statement.effect {
            Verb::Permit => false,
            Verb::Forbid => true,
            Verb::Withhold => leaf.is_some_and(|leaf| rule.grants.withheld.contains(leaf)),
        };
        let can = self.rules.iter().filter(|(_, can)| can.holds).map(|(rule, _)| rule);
        can.filter(takes).map(|rule| &rule.statement.id)
    }
}

impl Rule {
    /// What it can come to over all records and circumstances.
    fn open(&self, known: Circumstances) -> Outcomes {
        if !self.statement.counts(known.is_broken) {
            return Outcomes::FAILS;
        }
        match &self.check {
            Check::Always => Outcomes::HOLDS,
            Check::Compiled(node) => node.open(known),
            Check::Cedar(_) => Outcomes::ANY,
        }
    }
}
