//! What another bundle opens and closes, by its effect.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    matrix::{Access, Cell, Row, Subject, access},
    whom::Covered,
};
use crate::{
    catalog::Action,
    config::Snapshot,
    policy::{Openness, Surety},
    schema::Class,
    words::{Digest, FieldPath},
};

/// What one bundle lets happen that another does not.
#[derive(Debug)]
pub struct Diff {
    /// The bundles, old and new.
    pub bundles: (Digest, Digest),
    /// What can happen now and could not, or more openly, or on more records.
    pub gained: Vec<Change>,
    /// What could happen and cannot any more, or less openly, or on fewer records.
    pub lost: Vec<Change>,
    /// What could happen before and now, under other conditions: nobody can say whether on more records or fewer.
    pub unclear: Vec<Change>,
}

/// A change that is the same for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For whom.
    pub who: Vec<String>,
    /// Of what.
    pub subject: Subject,
    /// By which actions.
    pub actions: Vec<Action>,
    /// Which fields; none where the action itself came or went, or where conditions changed.
    pub fields: Vec<FieldChange>,
    /// Before and after, of the action itself.
    pub surety: (Surety, Surety),
}

/// A change of one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldChange {
    /// Its path.
    pub field: FieldPath,
    /// Its class.
    pub class: Class,
    /// Before and after: how openly, how surely.
    pub states: (State, State),
}

/// How a field can be reached: not at all, or so openly and so surely.
pub type State = Option<(Option<Openness>, Surety)>;

impl Diff {
    /// Compares what each could do with what each can do. Somebody new gains all of theirs, somebody gone loses it.
    pub fn of(old: (Digest, &[Access]), new: (Digest, &[Access])) -> Self {
        let by_name = |all: &'_ [Access]| -> BTreeMap<String, usize> {
            all.iter().enumerate().map(|(at, access)| (access.who.clone(), at)).collect()
        };
        let (before, after) = (by_name(old.1), by_name(new.1));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut found =
            Self { bundles: (old.0, new.0), gained: Vec::new(), lost: Vec::new(), unclear: Vec::new() };
        for who in names {
            let rows = |at: Option<&usize>, all: &'_ [Access]| {
                at.and_then(|at| all.get(*at)).map(|access| access.rows.clone()).unwrap_or_default()
            };
            found.compare(who, &rows(before.get(who), old.1), &rows(after.get(who), new.1));
        }
        for changes in [&mut found.gained, &mut found.lost, &mut found.unclear] {
            *changes = gathered(std::mem::take(changes));
        }
        found
    }

    /// Compares two bundles; none where one of them can let in more than so many.
    pub fn between(old: &Snapshot, new: &Snapshot, covered_max: usize) -> Option<Self> {
        let (before, after) = (Covered::of(old), Covered::of(new));
        if before.iter().count().max(after.iter().count()) > covered_max {
            return None;
        }
        let all = |snapshot, covered| access(snapshot, covered, &|_| {});
        Some(Self::of((old.digest, &all(old, &before)), (new.digest, &all(new, &after))))
    }

    /// How many gain something, how many lose something, and for how many that cannot be said.
    pub fn people(&self) -> [usize; 3] {
        [&self.gained, &self.lost, &self.unclear]
            .map(|changes| changes.iter().flat_map(|change| &change.who).collect::<BTreeSet<_>>().len())
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty() && self.unclear.is_empty()
    }

    /// Whether somebody can do what nobody has allowed yet, as far as can be told.
    pub fn opens(&self) -> bool {
        !self.gained.is_empty() || !self.unclear.is_empty()
    }

    fn compare(&mut self, who: &str, before: &[Row], after: &[Row]) {
        let key = |row: &Row| (row.subject.clone(), row.action);
        let keys: BTreeSet<_> = before.iter().chain(after).map(key).collect();
        for (subject, action) in keys {
            let of =
                |rows: &'_ [Row]| rows.iter().position(|row| row.subject == subject && row.action == action);
            let (old, new) =
                (of(before).and_then(|at| before.get(at)), of(after).and_then(|at| after.get(at)));
            let surety =
                (old.map_or(Surety::Never, |row| row.surety), new.map_or(Surety::Never, |row| row.surety));
            let change = |fields| Change {
                who: vec![who.to_owned()],
                subject: subject.clone(),
                actions: vec![action],
                fields,
                surety,
            };
            let (more, less) = fields(old, new);
            let is_told = !more.is_empty() || !less.is_empty() || surety.0 != surety.1;
            if !more.is_empty() || surety.1 > surety.0 {
                self.gained.push(change(more));
            }
            if !less.is_empty() || surety.1 < surety.0 {
                self.lost.push(change(less));
            }
            let is_other = old.map(|row| row.conditions) != new.map(|row| row.conditions);
            if !is_told && is_other {
                self.unclear.push(change(Vec::new()));
            }
        }
    }
}

/// Fields that opened and fields that closed.
fn fields(old: Option<&Row>, new: Option<&Row>) -> (Vec<FieldChange>, Vec<FieldChange>) {
    let cells = |row: Option<&Row>| -> BTreeMap<FieldPath, Cell> {
        row.into_iter().flat_map(|row| &row.cells).map(|cell| (cell.field.clone(), cell.clone())).collect()
    };
    let (before, after) = (cells(old), cells(new));
    let paths: BTreeSet<&FieldPath> = before.keys().chain(after.keys()).collect();
    let (mut more, mut less) = (Vec::new(), Vec::new());
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        let Some(class) = new.or(old).map(|cell| cell.class) else { continue };
        let state = |cell: Option<&Cell>| cell.map(|cell| (cell.shown, cell.surety));
        let states = (state(old), state(new));
        let change = FieldChange { field: path.clone(), class, states };
        // A mask that opened on fewer records is both.
        let (was, is) = states;
        let shown = |state: State| state.map(|(shown, _)| shown);
        let sure = |state: State| state.map_or(Surety::Never, |(_, surety)| surety);
        let filters = (old.is_some_and(|cell| cell.filters), new.is_some_and(|cell| cell.filters));
        if shown(is) > shown(was) || sure(is) > sure(was) || filters == (false, true) {
            more.push(change.clone());
        }
        if shown(is) < shown(was) || sure(is) < sure(was) || filters == (true, false) {
            less.push(change);
        }
    }
    (more, less)
}

/// The same change by several actions is one, then the same for several.
fn gathered(changes: Vec<Change>) -> Vec<Change> {
    let mut by_action: Vec<Change> = Vec::new();
    for change in changes {
        let same = by_action.iter_mut().find(|known| {
            known.who == change.who
                && known.subject == change.subject
                && known.fields == change.fields
                && known.surety == change.surety
        });
        match same {
            Some(known) => known.actions.extend(change.actions),
            None => by_action.push(change),
        }
    }
    let mut all: Vec<Change> = Vec::new();
    for change in by_action {
        let same = all.iter_mut().find(|known| {
            known.subject == change.subject
                && known.actions == change.actions
                && known.fields == change.fields
                && known.surety == change.surety
        });
        match same {
            Some(known) => known.who.extend(change.who),
            None => all.push(change),
        }
    }
    all
}
