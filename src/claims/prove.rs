//! Whether a sentence about a bundle holds: proved, refuted by a request and a record, or neither.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    matrix::{Subject, circumstances},
    sentence::{Sentence, What},
    whom::{Covered, Someone},
};
use crate::{
    catalog::Action,
    config::{EntitySources, Snapshot, taken},
    policy::{Circumstances, On, Reach, Surety, Wanted, Witness, reach, witness},
    schema::{Entity, FieldSet, LeafId},
    words::{Digest, FieldPath, Kind, ListenerName, StatementId, SystemName},
};

/// What came of a sentence.
#[derive(Debug)]
pub struct Answer {
    /// The sentence.
    pub sentence: String,
    /// The bundle it was asked of.
    pub bundle: Digest,
    /// Everyone it speaks of, by name.
    pub covered: Vec<String>,
    /// The doors that were looked at.
    pub doors: Vec<Door>,
    /// What is open; the sentence is proved where nothing is.
    pub openings: Vec<Opening>,
    /// What is open beside that to people who have broken the glass; the sentence does not speak of it.
    pub by_glass: Vec<Opening>,
}

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Whoever asks, whatever the record and the circumstances: statements leave no way.
    Proved,
    /// A request and a record are known for which it is not so.
    Reached,
    /// Statements leave a way open; no request was found that takes it.
    CannotTell,
}

/// By which way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The shared schema, by an action: REST; for `read` and `list` OData too, for `list` also `include`.
    Schema(Action, Subject),
    /// A system as it is, by which fields are not told apart.
    Call(SystemName),
}

/// One way that is open, to everyone to whom it is open alike.
#[derive(Debug)]
pub struct Opening {
    /// To whom.
    pub who: Vec<String>,
    /// By which way.
    pub door: Door,
    /// Which fields; none where it is about the whole.
    pub fields: Vec<FieldPath>,
    /// The permits that leave it open.
    pub permits: Vec<StatementId>,
    /// The statements that may stand in the way.
    pub against: Vec<StatementId>,
    /// A request that takes it: who asks, and the witness. None was found where there is none.
    pub witness: Option<(String, Witness)>,
}

impl Outcome {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Reached => "reached",
            Self::CannotTell => "cannot tell",
        }
    }
}

impl Answer {
    /// Which of the three it is.
    pub fn outcome(&self) -> Outcome {
        if self.openings.is_empty() {
            Outcome::Proved
        } else if self.openings.iter().any(|opening| opening.witness.is_some()) {
            Outcome::Reached
        } else {
            Outcome::CannotTell
        }
    }
}

/// What a way is about.
struct Way<'s> {
    door: Door,
    action: Action,
    on: On<'s>,
    wanted: Wanted,
    field: Option<FieldPath>,
    /// Methods of calls that matter; any where none is named.
    methods: &'static [&'static str],
}

/// Methods by which something can be changed, and one that stands for those that are none of the common ones.
const CHANGING: &[&str] = &["POST", "PUT", "PATCH", "DELETE", "OTHER"];

/// Looks for every way that a sentence rules out.
pub fn prove(snapshot: &Snapshot, covered: &Covered, sentence: &Sentence) -> Answer {
    let ways = ways(snapshot, sentence);
    let asked: Vec<Someone> = covered.iter().filter_map(|someone| sentence.of(someone)).collect();
    let openings = openings(snapshot, &ways, asked.iter(), false);
    let may_break = |someone: &&Someone| snapshot.policies.glass().any(|(id, _)| someone.is(Kind::User, id));
    let mut by_glass = self::openings(snapshot, &ways, asked.iter().filter(may_break), true);
    // What is open all the same is told there.
    by_glass.retain(|opening| opening.permits.iter().any(|id| snapshot.policies.is_glass(id)));
    let mut doors: Vec<Door> = ways.into_iter().map(|way| way.door).collect();
    doors.sort();
    doors.dedup();
    Answer {
        sentence: sentence.to_string(),
        bundle: snapshot.digest,
        covered: asked.iter().map(|someone| someone.name().to_owned()).collect(),
        doors,
        openings,
        by_glass,
    }
}

/// Every way that is open to some, while they have broken the glass or while they have not.
fn openings<'s>(
    snapshot: &Snapshot,
    ways: &[Way<'_>],
    asked: impl Iterator<Item = &'s Someone> + Clone,
    is_broken: bool,
) -> Vec<Opening> {
    let listeners: Vec<ListenerName> = snapshot.doors.iter().map(|door| door.name.clone()).collect();
    let mut openings: Vec<Opening> = Vec::new();
    for way in ways {
        // Those to whom one way is open by the same statements share an opening: one witness speaks for all of them.
        let mut open: BTreeMap<(Vec<StatementId>, Vec<StatementId>), Vec<&Someone>> = BTreeMap::new();
        for someone in asked.clone() {
            let mut known = way.known(snapshot, is_broken);
            let Some(reach) = known.find_map(|known| way.reached(snapshot, someone, known)) else { continue };
            let leaf = way.leaf();
            let permits = reach.permits(leaf).cloned().collect();
            open.entry((permits, reach.against(leaf).cloned().collect())).or_default().push(someone);
        }
        for ((permits, against), whom) in open {
            let found = whom.iter().find_map(|someone| {
                let of = |facts: &Arc<_>| {
                    let policies = &snapshot.policies;
                    way.known(snapshot, is_broken).find_map(|known| {
                        witness(policies, facts, way.action, way.on, way.wanted, (known, &listeners))
                    })
                };
                someone.examples().iter().find_map(of).map(|found| (someone.name().to_owned(), found))
            });
            let who: Vec<String> = whom.iter().map(|someone| someone.name().to_owned()).collect();
            let is_same = |opening: &&mut Opening| {
                opening.door == way.door
                    && opening.who == who
                    && opening.permits == permits
                    && opening.against == against
                    && opening.witness.is_some() == found.is_some()
            };
            match openings.iter_mut().find(is_same) {
                Some(opening) => opening.fields.extend(way.field.clone()),
                None => openings.push(Opening {
                    who,
                    door: way.door.clone(),
                    fields: way.field.clone().into_iter().collect(),
                    permits,
                    against,
                    witness: found,
                }),
            }
        }
    }
    openings
}

impl Way<'_> {
    /// The circumstances it is looked at under, one after the other.
    fn known(&self, snapshot: &Snapshot, is_broken: bool) -> impl Iterator<Item = Circumstances> {
        let all = Circumstances { is_broken, ..circumstances(snapshot) };
        let any = self.methods.is_empty().then_some(all);
        any.into_iter()
            .chain(self.methods.iter().map(move |method| Circumstances { method: Some(method), ..all }))
    }

    /// What is open of it to someone, if anything is.
    fn reached(&self, snapshot: &Snapshot, someone: &Someone, known: Circumstances) -> Option<Reach> {
        let reached = reach(&snapshot.policies, someone.whom(), self.action, self.on, known);
        reached.filter(|reach| self.is_open(reach))
    }

    fn leaf(&self) -> Option<LeafId> {
        match self.wanted {
            Wanted::Permitted => None,
            Wanted::Shown(leaf) | Wanted::Written(leaf) => Some(leaf),
        }
    }

    fn is_open(&self, reach: &Reach) -> bool {
        reach.surety() != Surety::Never
            && match self.wanted {
                Wanted::Permitted => true,
                Wanted::Shown(leaf) => reach.shown(leaf).is_some(),
                Wanted::Written(leaf) => reach.written(leaf) != Surety::Never,
            }
    }
}

/// Every way by which what a sentence speaks of could be done. What no system tells or takes is no way.
fn ways<'s>(snapshot: &'s Snapshot, sentence: &'s Sentence) -> Vec<Way<'s>> {
    let mut ways = Vec::new();
    match sentence.what() {
        What::System(system) => ways.push(call(system, &[])),
        What::Whole(entity) => of_entity(snapshot, sentence, entity, None, &mut ways),
        What::Fields(entity, leaves) => of_entity(snapshot, sentence, entity, Some(*leaves), &mut ways),
        What::Classed(all) => {
            for (entity, leaves) in all {
                of_entity(snapshot, sentence, entity, Some(*leaves), &mut ways);
            }
        }
    }
    let mut called: Vec<&SystemName> = Vec::new();
    ways.retain(|way| match &way.on {
        On::System(system) => {
            let is_new = !called.contains(system);
            called.push(system);
            is_new
        }
        On::Entity(_) => true,
    });
    ways
}

fn call<'s>(system: &'s SystemName, methods: &'static [&'static str]) -> Way<'s> {
    Way {
        door: Door::Call(system.clone()),
        action: Action::Call,
        on: On::System(system),
        wanted: Wanted::Permitted,
        field: None,
        methods,
    }
}

fn of_entity<'s>(
    snapshot: &'s Snapshot,
    sentence: &Sentence,
    entity: &'s Arc<Entity>,
    leaves: Option<FieldSet>,
    ways: &mut Vec<Way<'s>>,
) {
    let Some(sources) = snapshot.serving(entity) else { return };
    for action in sentence.actions().iter().copied().filter(|action| sources.can(*action)) {
        let door = Door::Schema(action, Subject::Entity(entity.name.clone()));
        let wanted: Vec<Wanted> = match (leaves, action) {
            (Some(leaves), Action::Read | Action::List) => {
                told(sources).intersection(&leaves).iter().map(Wanted::Shown).collect()
            }
            (Some(leaves), Action::Create | Action::Update) => {
                let takes = taken(sources.all(), action, &entity.all()).writable;
                takes.intersection(&leaves).iter().map(Wanted::Written).collect()
            }
            // To update a record is to write some field of it.
            (None, Action::Update) => {
                taken(sources.all(), action, &entity.all()).writable.iter().map(Wanted::Written).collect()
            }
            // Fields are not deleted.
            (Some(_), _) => Vec::new(),
            (None, _) => vec![Wanted::Permitted],
        };
        ways.extend(wanted.into_iter().map(|wanted| {
            let leaf = match wanted {
                Wanted::Permitted => None,
                Wanted::Shown(leaf) | Wanted::Written(leaf) => entity.leaf(leaf),
            };
            let field = leaf.map(|leaf| leaf.path.clone());
            Way { door: door.clone(), action, on: On::Entity(entity), wanted, field, methods: &[] }
        }));
    }
    // Whoever may call a system as it is gets all that it tells, past every field rule.
    let tells = |all: FieldSet| leaves.is_none_or(|leaves| !all.intersection(&leaves).is_empty());
    let concerns = |system: &&SystemName| {
        sources.all().iter().any(|source| {
            let beside =
                source.beside.iter().any(|one| one.source.name() == *system && tells(one.part.leaves));
            beside || (source.name() == *system && tells(source.mapping.own()))
        })
    };
    let mut systems: Vec<&SystemName> = snapshot.systems.keys().filter(concerns).collect();
    systems.sort();
    let methods = if sentence.is_of_changes() { CHANGING } else { &[] };
    ways.extend(systems.into_iter().map(|system| call(system, methods)));
}

/// Leaves that systems tell.
fn told(sources: &EntitySources) -> FieldSet {
    sources.mapped().union(&sources.elsewhere()).union(&FieldSet::of(LeafId(0)))
}
