//! One entry decided again, and held against what it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Bundle,
    limits::{Limits, Room},
    record::Recalled,
    sum::{Reason, Ruling, What},
    was_allowed,
};
use crate::{
    audit::{
        self, JournalKeys, Masks, Replayed, ReplayedBeneath, ReplayedRow, ReplayedShown, RowCame, RowSide,
    },
    catalog::Action,
    config::EntitySources,
    identity::Facts,
    policy::{self, Context, Denied, Memo, Outlook, Target, Unsure, Verdict, View},
    schema::{Entity, FieldSet, LeafId},
};

/// How open a leaf is, by path; a leaf that is not there is hidden.
type Openness<'s> = BTreeMap<&'s str, &'s str>;
/// As a leaf is told that stands behind no mask.
const SHOWN: &str = "shown";

/// What an entry is decided by again.
pub(super) struct Judging<'a, 'e> {
    pub(super) entry: &'a Replayed<'e>,
    pub(super) beneath: &'a ReplayedBeneath<'a>,
    pub(super) ruling: &'a mut Ruling,
    pub(super) now: &'a Bundle,
    pub(super) then: Option<&'a Bundle>,
    pub(super) keys: &'a JournalKeys,
    /// What it is charged to, where that is counted.
    pub(super) limits: Option<Limits<'a>>,
    /// The leaves that were wanted, where not all were.
    pub(super) wanted: Option<FieldSet>,
    /// Groups that were compared with what is shown now: records of a list mostly come to the same.
    pub(super) compared: Vec<(usize, FieldSet, Masks)>,
}

impl Judging<'_, '_> {
    /// Decides it again.
    pub(super) fn judge(mut self, memo: &Memo, facts: &Arc<Facts>, target: Target, context: Context) {
        let entity = match &target {
            Target::Entity(entity) => Some(entity.clone()),
            Target::Call(_) => None,
        };
        let policies = &self.now.snapshot.policies;
        let outlook = match policy::outlook(policies, memo, facts, self.ruling.action, target, context) {
            Ok(outlook) => outlook,
            Err(Denied::Never(_) | Denied::Erroring { .. } | Denied::Unfit) => return self.refused(),
            Err(Denied::Record(_) | Denied::Fields(_) | Denied::New(_) | Denied::Mask(_)) => return,
        };
        if let Some(limits) = &mut self.limits
            && limits.admit(facts, &outlook, self.entry, &mut self.ruling.found) == Room::Over
        {
            return;
        }
        if self.entry.refusal() == Some("forbidden") {
            return self.was_forbidden(&outlook);
        }
        self.plans(&outlook);
        match (self.ruling.action, &entity) {
            (Action::Call, _) | (_, None) => self.call(&outlook),
            (Action::Read | Action::List, Some(entity)) => self.records(entity, &outlook),
            (Action::Create | Action::Update | Action::Delete, Some(entity)) => self.write(entity, &outlook),
        }
        if let Some(limits) = self.limits.take() {
            let asked = (self.ruling.action, entity.as_deref());
            limits.expose(asked, self.entry, &mut self.ruling.found);
        }
    }

    /// Nobody can permit it any more.
    fn refused(&mut self) {
        if was_allowed(self.entry) {
            self.ruling.change(What::Forbidden);
        }
    }

    /// It was refused before any record, so that none was fetched.
    fn was_forbidden(&mut self, outlook: &Outlook) {
        let is_list = self.ruling.action == Action::List;
        match outlook.foreseen(None, &FieldSet::EMPTY, None) {
            Ok(Verdict::Permitted(_)) => self.ruling.change(What::Allowed),
            Ok(_) if !is_list => {}
            Err(unsure) if !is_list => self.unsure(outlook, &unsure),
            // A list answers, be it with no record.
            Ok(_) | Err(_) => match outlook.is_surely_open() {
                Ok(()) => self.ruling.change(What::Allowed),
                Err(unsure) => self.unsure(outlook, &unsure),
            },
        }
    }

    fn call(&mut self, outlook: &Outlook) {
        match outlook.foreseen(None, &FieldSet::EMPTY, None) {
            Ok(Verdict::Permitted(_)) => {}
            Ok(_) => self.refused(),
            Err(unsure) => self.unsure(outlook, &unsure),
        }
    }

    /// Plans that are charged now and were not, and the other way round.
    fn plans(&mut self, outlook: &Outlook) {
        let was: BTreeSet<&str> = self.entry.plans().collect();
        let is: BTreeSet<&str> = outlook.plans().iter().map(|plan| plan.as_str()).collect();
        for gone in was.difference(&is) {
            self.ruling.change(What::PlanGone((*gone).to_owned()));
        }
        for new in is.difference(&was) {
            self.ruling.change(What::PlanNew((*new).to_owned()));
        }
    }

    /// What was shown of the records that were fetched.
    fn records(&mut self, entity: &Arc<Entity>, outlook: &Outlook) {
        if self.entry.refusal() == Some("query") {
            return self.ruling.untold(Reason::Query);
        }
        if !self.may_ask(entity, outlook) || !self.maps_alike(entity, outlook) {
            return;
        }
        for row in self.beneath.rows() {
            self.row(entity, outlook, row);
        }
        if self.beneath.rows_more > 0 {
            self.ruling.untold(Reason::TooMany);
        }
        if self.ruling.action == Action::List && self.entry.refusal().is_none() {
            let now = audit::narrowed(entity, &outlook.pushdown(), self.keys);
            if !audit::implies(now.as_deref(), self.entry.narrowed()) {
                self.ruling.untold(Reason::NeverFetched);
            }
        }
    }

    /// Whether what was wanted, filtered and sorted by is in sight still: else it is refused as an unknown field.
    fn may_ask(&mut self, entity: &Entity, outlook: &Outlook) -> bool {
        let clear = self.serving(entity).map(|sources| sources.telling(&outlook.clear()));
        let (visible, clear) = (outlook.visible(), clear.unwrap_or_else(|| outlook.clear()));
        if let Some(wanted) = self.entry.wanted() {
            let (wanted, unknown) = leaves(entity, wanted, &visible);
            self.wanted = Some(wanted);
            unknown.into_iter().for_each(|leaf| self.ruling.change(What::Unasked(leaf)));
        }
        let (_, unknown) = leaves(entity, self.entry.filtered_by(), &clear);
        unknown.into_iter().for_each(|leaf| self.ruling.change(What::Unfiltered(leaf)));
        !self.ruling.found.changes.iter().any(|what| matches!(what, What::Unasked(_) | What::Unfiltered(_)))
    }

    fn serving(&self, entity: &Entity) -> Option<&EntitySources> {
        self.now.snapshot.serving(entity)
    }

    /// Whether the same system would tell the same of a record, as far as statements go by it.
    fn maps_alike(&mut self, entity: &Entity, outlook: &Outlook) -> bool {
        if outlook.reads().is_empty() || self.beneath.rows().is_empty() {
            return true;
        }
        let reason = match self.then {
            None => Reason::Bundle,
            Some(then) if mapped(then, entity) != mapped(self.now, entity) => Reason::Mapping,
            Some(_) => return true,
        };
        self.ruling.untold(reason);
        false
    }

    fn row(&mut self, entity: &Arc<Entity>, outlook: &Outlook, row: &ReplayedRow<'_>) {
        let recalled = Recalled::of(entity, &outlook.follows(), self.beneath, row);
        let verdict = match outlook.foreseen(Some(&recalled.record), &recalled.untold, None) {
            Ok(verdict) => verdict,
            Err(unsure) => return self.unsure(outlook, &unsure),
        };
        match (row.came(), verdict) {
            (Some(RowCame::Shown(group)), Verdict::Permitted(view)) => {
                let same = (group, view.fields(), view.masks());
                if self.compared.contains(&same) {
                    return;
                }
                self.compared.push(same);
                let (entry, wanted) = (self.entry, self.wanted);
                match entry.shown.get(group) {
                    Some(was) => self.compare(entity, was, &seen(entity, &view, wanted.as_ref())),
                    None => self.ruling.untold(Reason::Damaged),
                }
            }
            (Some(RowCame::Permitted), Verdict::Permitted(_)) => {}
            (Some(RowCame::Shown(_) | RowCame::Permitted), _) => self.ruling.change(What::Hidden),
            (Some(RowCame::Denied | RowCame::Erring), Verdict::Permitted(_)) => {
                self.ruling.change(What::Seen);
            }
            (Some(RowCame::Denied | RowCame::Erring | RowCame::Weighed), _) => {}
            (None, _) => self.ruling.untold(Reason::Damaged),
        }
    }

    /// Holds what is shown now against what was.
    fn compare(&mut self, entity: &Entity, was: &ReplayedShown<'_>, is: &Openness<'_>) {
        let mut before: Openness<'_> = was.fields().map(|leaf| (leaf, SHOWN)).collect();
        before.extend(was.masks());
        let all: BTreeSet<&str> = before.keys().chain(is.keys()).copied().collect();
        for leaf in all {
            let (was, is) = (before.get(leaf).copied(), is.get(leaf).copied());
            if was != is {
                let class = entity.leaf_at(leaf).and_then(|leaf| entity.leaf(leaf)).map(|leaf| leaf.class);
                self.ruling.change(What::field(leaf, was, is, class));
            }
        }
    }

    /// A write: each side of it is judged, and what may change.
    fn write(&mut self, entity: &Arc<Entity>, outlook: &Outlook) {
        if !self.maps_alike(entity, outlook) {
            return;
        }
        if let Some(wanted) = self.entry.wanted() {
            self.wanted = Some(leaves(entity, wanted, &outlook.visible()).0);
        }
        let was_refused = !was_allowed(self.entry);
        let is_create = self.ruling.action == Action::Create;
        let guarded = (!is_create).then(|| self.entry.note("unguarded").is_none());
        let mut echoed = None;
        for row in self.beneath.rows() {
            let recalled = Recalled::of(entity, &outlook.follows(), self.beneath, row);
            let verdict = match outlook.foreseen(Some(&recalled.record), &recalled.untold, guarded) {
                Ok(verdict) => verdict,
                Err(unsure) => return self.unsure(outlook, &unsure),
            };
            match verdict {
                Verdict::Permitted(view) => self.may_change(entity, outlook, &view),
                Verdict::Forbidden(_) | Verdict::Unpermitted(_) | Verdict::Erroring(_) => {
                    return if was_refused { self.still_refused() } else { self.refused() };
                }
            }
            if self.beneath.side(row) != Some(RowSide::Stored) {
                echoed = Some(recalled);
            }
        }
        if was_refused {
            // What would have changed stands in no entry of a write that was refused.
            return self.ruling.untold(Reason::Changed);
        }
        if let (Some(recalled), [was]) = (echoed, &*self.entry.shown) {
            self.echo(entity, outlook, &recalled, was);
        }
    }

    /// Refused then and now: all else that may be said of it makes no difference.
    fn still_refused(&mut self) {
        self.ruling.found.changes.retain(|what| matches!(what, What::PlanGone(_) | What::PlanNew(_)));
    }

    fn may_change(&mut self, entity: &Entity, outlook: &Outlook, view: &View) {
        let (changed, unknown) = leaves(entity, self.entry.changed(), &entity.all());
        let beyond = outlook.beyond(&changed, &view.writes());
        let paths = beyond.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| leaf.path.to_string());
        for leaf in unknown.into_iter().chain(paths) {
            self.ruling.change(What::Unwritable(leaf));
        }
    }

    /// What the answer to a write shows, through the caller's own `read`.
    fn echo(&mut self, entity: &Entity, outlook: &Outlook, recalled: &Recalled, was: &ReplayedShown<'_>) {
        let id = || entity.leaf(LeafId(0)).map(|leaf| (leaf.path.as_str(), SHOWN));
        match outlook.foreseen_echo(&recalled.record, &recalled.untold) {
            Some(Ok(Verdict::Permitted(view))) => {
                self.compare(entity, was, &seen(entity, &view, self.wanted.as_ref()));
            }
            Some(Ok(_)) | None => self.compare(entity, was, &id().into_iter().collect()),
            Some(Err(unsure)) => self.unsure(outlook, &unsure),
        }
    }

    /// What would have to be known.
    fn unsure(&mut self, outlook: &Outlook, unsure: &Unsure) {
        if unsure.facts.address {
            self.ruling.untold(Reason::Fact("context.checked.address"));
        }
        if unsure.facts.path {
            self.ruling.untold(Reason::Fact("context.checked.call.path"));
        }
        if unsure.facts.user_agent {
            self.ruling.untold(Reason::Fact("context.claimed.user_agent"));
        }
        if unsure.record {
            self.ruling.untold(Reason::NeverFetched);
        }
        let entity = outlook.entity();
        let paths = unsure.leaves.iter().filter_map(|leaf| Some(entity?.leaf(leaf)?.path.to_string()));
        paths.for_each(|path| self.ruling.untold(Reason::NotKept(path)));
        if *unsure == Unsure::default() {
            self.ruling.untold(Reason::NeverFetched);
        }
    }
}

/// What of a record is shown.
fn seen<'s>(entity: &'s Entity, view: &View, wanted: Option<&FieldSet>) -> Openness<'s> {
    let shown = wanted.map_or(view.fields(), |wanted| view.fields().intersection(wanted));
    let of = |leaf| Some((entity.leaf(leaf)?.path.as_str(), view.openness(leaf)?.as_str()));
    shown.iter().filter_map(of).collect()
}

/// The leaves of these names, and the names of those that are not among `known`.
fn leaves<'n>(
    entity: &Entity,
    names: impl Iterator<Item = &'n str>,
    known: &FieldSet,
) -> (FieldSet, Vec<String>) {
    let (mut found, mut unknown) = (FieldSet::EMPTY, Vec::new());
    for name in names {
        match entity.leaf_at(name) {
            Some(leaf) if known.contains(leaf) => found.insert(leaf),
            Some(_) | None => unknown.push(name.to_owned()),
        }
    }
    (found, unknown)
}

/// What a bundle says of where an entity's records come from: the systems, and the file of each.
fn mapped(bundle: &Bundle, entity: &Entity) -> Option<Vec<(String, Option<Arc<str>>)>> {
    let sources = bundle.snapshot.schema.entity(entity.name.as_str()).and_then(|entity| {
        let sources = bundle.snapshot.serving(entity)?;
        let parts = bundle.snapshot.parts(entity);
        let others: Vec<String> = parts.iter().map(|part| part.system.to_string()).collect();
        Some(sources.all().iter().map(|one| one.name().to_string()).chain(others).collect::<Vec<_>>())
    })?;
    let file = |name: String| {
        let text = bundle.files.text(&format!("systems/{name}.yaml")).cloned();
        (name, text)
    };
    Some(sources.into_iter().map(file).collect())
}
