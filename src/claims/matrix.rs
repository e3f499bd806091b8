//! Who × entity × action × field.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use super::whom::{Covered, Someone};
use crate::{
    catalog::Action,
    config::{EntitySources, Snapshot, taken},
    door::{ListenerSettings, TlsSettings},
    policy::{Circumstances, On, Openness, Reach, Surety, reach},
    schema::{Class, Entity, FieldSet, LeafId},
    words::{Digest, EntityName, FieldPath, Kind, StatementId, SystemName},
};

/// What a bundle lets happen, by who.
#[derive(Debug)]
pub struct Matrix {
    /// The bundle it speaks of.
    pub bundle: Digest,
    /// By who, then in the order of entities, systems and actions. What can never happen has no row.
    pub rows: Vec<Row>,
    /// Everyone it covers, by name, also those who can do nothing.
    pub covered: Vec<String>,
}

/// What some can do with one entity or system by one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Everyone this holds of.
    pub who: Vec<String>,
    /// What it is about.
    pub subject: Subject,
    /// By what action.
    pub action: Action,
    /// Whether it can be had on every record.
    pub surety: Surety,
    /// Fields shown, or fields that may change.
    pub cells: Vec<Cell>,
    /// The permits it comes from.
    pub permits: Vec<StatementId>,
    /// The statements that can refuse it.
    pub forbids: Vec<StatementId>,
    /// What it rests on, conditions included; none where several of different ones share the row.
    pub conditions: Option<Digest>,
}

/// What one of those covered can do.
#[derive(Debug)]
pub struct Access {
    /// As they are named.
    pub who: String,
    /// Each row, in the order of entities, systems and actions.
    pub rows: Vec<Row>,
}

/// An entity or a system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Records of an entity.
    Entity(EntityName),
    /// Calls passed through to a system.
    System(SystemName),
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its path.
    pub field: FieldPath,
    /// Its class.
    pub class: Class,
    /// How openly it is shown at most; none in an action that changes it.
    pub shown: Option<Openness>,
    /// Whether it always is.
    pub surety: Surety,
    /// Whether it can serve filter and sort.
    pub filters: bool,
}

impl Subject {
    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Entity(name) => name.as_str(),
            Self::System(name) => name.as_str(),
        }
    }
}

/// Stands behind the name of somebody who has broken the glass.
pub(super) const BROKEN: &str = " (break-glass)";

/// Works out what each of `covered` can do, in their order. `progress` is told how many of them are done, from any
/// thread.
pub fn access(snapshot: &Snapshot, covered: &Covered, progress: &(dyn Fn(usize) + Sync)) -> Vec<Access> {
    // Those who may break the glass come a second time, as if they had.
    let may_break = |someone: &&Someone| snapshot.policies.glass().any(|(id, _)| someone.is(Kind::User, id));
    let all: Vec<(&Someone, bool)> = covered
        .iter()
        .flat_map(|someone| {
            [(someone, false)].into_iter().chain(may_break(&someone).then_some((someone, true)))
        })
        .collect();
    let (done, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let of = |at: usize| {
        let (someone, is_broken) = *all.get(at)?;
        let mark = if is_broken { BROKEN } else { "" };
        let mut access =
            Access { who: format!("{}{mark}", someone.name()), rows: rows(snapshot, someone, is_broken) };
        let who = access.who.clone();
        access.rows.iter_mut().for_each(|row| row.who = vec![who.clone()]);
        Some((at, access))
    };
    let work = || {
        let mut found: Vec<(usize, Access)> = Vec::new();
        while let Some(one) = of(next.fetch_add(1, Relaxed)) {
            found.push(one);
            progress(done.fetch_add(1, Relaxed).saturating_add(1));
        }
        found
    };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(all.len().max(1));
    let mut found: BTreeMap<usize, Access> = thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            found.extend(other.join().unwrap_or_default());
        }
        found.into_iter().collect()
    });
    // What a thread took that ended without telling is worked out again here, where its panic is this caller's.
    let missing: Vec<usize> = (0..all.len()).filter(|at| !found.contains_key(at)).collect();
    found.extend(missing.into_iter().filter_map(of));
    found.into_values().collect()
}

impl Matrix {
    /// Works it out for everyone in `covered`; see [`access`]. Those whose access is the same to the last field share
    /// rows.
    pub fn of(snapshot: &Snapshot, covered: &Covered, progress: &(dyn Fn(usize) + Sync)) -> Self {
        let each = access(snapshot, covered, progress);
        let covered = each.iter().map(|access| access.who.clone()).collect();
        Self { bundle: snapshot.digest, rows: gathered(each), covered }
    }

    /// Rows of one entity or system, one action or one field only.
    #[must_use]
    pub fn only(mut self, subject: Option<&str>, action: Option<Action>, field: Option<&str>) -> Self {
        self.rows.retain(|row| {
            subject.is_none_or(|subject| row.subject.as_str() == subject)
                && action.is_none_or(|action| row.action == action)
        });
        if let Some(field) = field {
            let inside = format!("{field}.");
            for row in &mut self.rows {
                row.cells
                    .retain(|cell| cell.field.as_str() == field || cell.field.as_str().starts_with(&inside));
            }
            self.rows.retain(|row| !row.cells.is_empty());
        }
        self
    }
}

/// Those of whom exactly the same holds come together, where the first of them stood.
fn gathered(each: Vec<Access>) -> Vec<Row> {
    let mut groups: Vec<(Vec<String>, Vec<Row>)> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    for Access { who, mut rows } in each.into_iter().filter(|access| !access.rows.is_empty()) {
        for row in &mut rows {
            (row.who, row.conditions) = (Vec::new(), None);
        }
        let shape = Digest::of(format!("{rows:?}").as_bytes());
        match places.get(&shape).and_then(|at| groups.get_mut(*at)) {
            Some((names, _)) => names.push(who),
            None => {
                places.insert(shape, groups.len());
                groups.push((vec![who], rows));
            }
        }
    }
    let named = groups.into_iter().flat_map(|(who, mut rows)| {
        rows.iter_mut().for_each(|row| row.who.clone_from(&who));
        rows
    });
    named.collect()
}

/// All rows of one of them.
fn rows(snapshot: &Snapshot, someone: &Someone, is_broken: bool) -> Vec<Row> {
    let policies = &snapshot.policies;
    let known = Circumstances { is_broken, ..circumstances(snapshot) };
    let mut rows = Vec::new();
    for entity in snapshot.schema.entities() {
        let Some(sources) = snapshot.serving(entity) else { continue };
        for action in Action::ALL.into_iter().filter(|action| *action != Action::Call && sources.can(*action))
        {
            let subject = Subject::Entity(entity.name.clone());
            let reached = reach(policies, someone.whom(), action, On::Entity(entity), known);
            let about = Some((&**entity, sources));
            rows.extend(reached.and_then(|reach| row(someone, subject, action, about, &reach)));
        }
    }
    let mut systems: Vec<&SystemName> = snapshot.systems.keys().collect();
    systems.sort();
    for system in systems {
        let reached = reach(policies, someone.whom(), Action::Call, On::System(system), known);
        let subject = Subject::System(system.clone());
        rows.extend(reached.and_then(|reach| row(someone, subject, Action::Call, None, &reach)));
    }
    rows
}

/// What every request has in common.
pub(super) fn circumstances(snapshot: &Snapshot) -> Circumstances {
    let under = |door: &ListenerSettings| !matches!(door.tls, TlsSettings::None);
    let doors = &snapshot.doors;
    let tls = if doors.iter().all(under) {
        Some(true)
    } else if doors.iter().any(under) {
        None
    } else {
        Some(false)
    };
    Circumstances { tls, method: None, is_broken: false }
}

fn row(
    someone: &Someone,
    subject: Subject,
    action: Action,
    entity: Option<(&Entity, &EntitySources)>,
    reach: &Reach,
) -> Option<Row> {
    if reach.surety() == Surety::Never {
        return None;
    }
    let cells = entity.map(|(entity, sources)| cells(entity, sources, action, reach)).unwrap_or_default();
    if action == Action::Update && cells.is_empty() {
        // What it may change no system takes.
        return None;
    }
    Some(Row {
        who: vec![someone.name().to_owned()],
        subject,
        action,
        surety: reach.surety(),
        cells,
        permits: reach.permits(None).cloned().collect(),
        forbids: reach.against(None).cloned().collect(),
        conditions: Some(reach.conditions()),
    })
}

/// Fields that statements open and systems tell or take.
fn cells(entity: &Entity, sources: &EntitySources, action: Action, reach: &Reach) -> Vec<Cell> {
    let told = sources.mapped().union(&sources.elsewhere()).union(&FieldSet::of(LeafId(0)));
    let filters = sources.telling(&reach.clear());
    let takes = taken(sources.all(), action, &entity.all()).writable;
    let cell = |leaf| {
        let (shown, surety) = match action {
            Action::Read | Action::List if told.contains(leaf) => {
                let (shown, surety) = reach.shown(leaf)?;
                (Some(shown), surety)
            }
            Action::Create | Action::Update if takes.contains(leaf) => (None, reach.written(leaf)),
            Action::Read | Action::List | Action::Create | Action::Update | Action::Delete | Action::Call => {
                return None;
            }
        };
        let about = entity.leaf(leaf).filter(|_| surety != Surety::Never)?;
        let filters = action == Action::List && filters.contains(leaf);
        Some(Cell { field: about.path.clone(), class: about.class, shown, surety, filters })
    };
    entity.ids().filter_map(cell).collect()
}
