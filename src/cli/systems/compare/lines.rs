//! What two systems can be asked for, one beside the other, line by line.

use crate::{
    catalog::Action,
    mapping::{Abilities, Paging},
    schema::{Entity, FieldSet, LeafId, Op},
};

/// How it stands with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// Both have it.
    Same,
    /// Only the old one has it.
    Lost,
    /// Only the new one has it.
    Gained,
}

impl Is {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Lost => "lost",
            Self::Gained => "gained",
        }
    }

    /// None where neither has it.
    fn of(old: bool, new: bool) -> Option<Self> {
        match (old, new) {
            (true, true) => Some(Self::Same),
            (true, false) => Some(Self::Lost),
            (false, true) => Some(Self::Gained),
            (false, false) => None,
        }
    }
}

/// One thing that at least one of the two can be asked for.
#[derive(Debug)]
pub(super) struct Line {
    /// Of which sort it is.
    pub(super) what: &'static str,
    pub(super) name: String,
    pub(super) is: Is,
    /// What that means, where it is not plain.
    pub(super) why: Option<&'static str>,
}

/// Everything, sort by sort.
pub(super) fn lines(entity: &Entity, old: &Abilities, new: &Abilities) -> Vec<Line> {
    let mut all = Lines { entity, lines: Vec::new() };
    for action in Action::ALL {
        let has = |of: &Abilities| of.actions.contains(&action);
        all.push("operations", action.as_str().to_owned(), Is::of(has(old), has(new)), None);
    }
    all.fields("fields told", &old.told, &new.told);
    all.fields("fields of a new record", &old.created, &new.created);
    // What only the new one needs is lost: a record without it was taken before.
    if [old, new].into_iter().all(|of| of.actions.contains(&Action::Create)) {
        for (needs, other, is) in [(new, old, Is::Lost), (old, new, Is::Gained)] {
            for leaf in needs.required.minus(&other.required).iter() {
                let is = all.is_missed(leaf, other).then_some(is);
                all.push("new records without", all.path(leaf), is, Some("it must be sent now"));
            }
        }
    }
    all.fields("fields of a change", &old.updated, &new.updated);
    for leaf in entity.ids() {
        for (word, op) in FILTERS {
            let has = |of: &Abilities| of.filters.contains(&(leaf, op));
            let name = format!("{} {word}", all.path(leaf));
            all.push("filters by the system", name, Is::of(has(old), has(new)), instead(new, leaf));
        }
    }
    for leaf in entity.ids() {
        let is = Is::of(old.sorts.contains(leaf), new.sorts.contains(leaf));
        all.push("orders by the system", all.path(leaf), is, instead(new, leaf));
    }
    let version = Is::of(old.has_version, new.has_version);
    all.push("versions", "writes guarded against others".to_owned(), version, None);
    if let (Some(old), Some(new)) = (old.paging, new.paging) {
        all.push("reach", "every record of a list".to_owned(), reach(old, new), Some("paging ends earlier"));
    }
    all.lines
}

/// The comparisons as a query names them, and those that only services know.
const FILTERS: [(&str, Op); 10] = [
    ("eq", Op::Eq),
    ("ne", Op::Ne),
    ("in", Op::In),
    ("lt", Op::Lt),
    ("lte", Op::Lte),
    ("gt", Op::Gt),
    ("gte", Op::Gte),
    ("contains", Op::Contains),
    ("starts with", Op::StartsWith),
    ("ends with", Op::EndsWith),
];

/// What the gate does where the new system does not.
fn instead(new: &Abilities, leaf: LeafId) -> Option<&'static str> {
    match (new.paging, new.told.contains(leaf)) {
        (None, _) => Some("there is no list"),
        (Some(_), true) if leaf == LeafId(0) && new.actions.contains(&Action::Read) => {
            Some("the gate reads each record by itself")
        }
        (Some(_), true) => Some("the gate does it, within its bounds"),
        (Some(_), false) => Some("it is refused"),
    }
}

/// Whether a list ends earlier than it did; nothing where both end and the new one not earlier.
fn reach(old: Paging, new: Paging) -> Option<Is> {
    match (old.reach, new.reach) {
        (None, None) => Some(Is::Same),
        (None, Some(_)) => Some(Is::Lost),
        (Some(_), None) => Some(Is::Gained),
        (Some(old), Some(new)) => (new < old).then_some(Is::Lost),
    }
}

struct Lines<'e> {
    entity: &'e Entity,
    lines: Vec<Line>,
}

impl Lines<'_> {
    /// Adds a line; `why` is told only of what is lost.
    fn push(&mut self, what: &'static str, name: String, is: Option<Is>, why: Option<&'static str>) {
        if let Some(is) = is {
            self.lines.push(Line { what, name, is, why: why.filter(|_| is == Is::Lost) });
        }
    }

    fn fields(&mut self, what: &'static str, old: &FieldSet, new: &FieldSet) {
        for leaf in self.entity.ids() {
            let is = Is::of(old.contains(leaf), new.contains(leaf));
            self.push(what, self.path(leaf), is, None);
        }
    }

    /// Whether records of another system miss a leaf that one needs: of an item of a list that need not be there, only
    /// where the other took something of the item.
    fn is_missed(&self, leaf: LeafId, other: &Abilities) -> bool {
        let Some(leaf) = self.entity.leaf(leaf).filter(|leaf| leaf.in_list) else { return true };
        let path = leaf.path.as_str();
        let top = path.split('.').next().and_then(|name| self.entity.root.field(name));
        let beside = path.rsplit_once('.').map_or(path, |(group, _)| group);
        top.is_some_and(|(_, list)| list.required)
            || !self.entity.leaves_under(beside).intersection(&other.created).is_empty()
    }

    fn path(&self, leaf: LeafId) -> String {
        self.entity.leaf(leaf).map_or_else(String::new, |leaf| leaf.path.to_string())
    }
}
