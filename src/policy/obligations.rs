//! The annotations of a statement, read as types: a word that is none of ours, or stands where it means
//! nothing, does not load.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Detail,
    load::Given,
    mask::{Mask, Openness},
    source::{Note, Piece, Source},
    statement::{Grants, Head},
};
use crate::{
    catalog::Action,
    identity::ISSUER_MARK,
    schema::{Entity, FieldSet, LeafId},
    words::{Diagnostic, Diagnostics, EntityName, Kind, PlanName, StatementId},
};

/// Every annotation and what it is for.
const KEYS: [&str; 11] = [
    "id",
    "description",
    "fields",
    "writes",
    "mask",
    "plan",
    "audit",
    "withhold",
    "unfiltered",
    "reveals",
    "breakglass",
];
const SHOWING: [Action; 2] = [Action::Read, Action::List];
const WRITING: [Action; 2] = [Action::Create, Action::Update];
const ON_FIELDS: [Action; 4] = [Action::Read, Action::List, Action::Create, Action::Update];

/// What the annotations of one statement say.
#[derive(Debug, Default)]
pub(super) struct Obligations {
    pub(super) id: Option<StatementId>,
    pub(super) grants: BTreeMap<EntityName, Grants>,
    pub(super) plan: Option<PlanName>,
    pub(super) detail: Detail,
    pub(super) is_withholding: bool,
    pub(super) is_unfiltered: bool,
    pub(super) is_glass: bool,
}

/// Reads them; mistakes go to `found`.
pub(super) fn read(
    source: Source<'_>,
    piece: &Piece<'_>,
    head: &Head,
    is_permit: bool,
    given: &Given<'_>,
    found: &mut Diagnostics,
) -> Obligations {
    let notes = piece.notes();
    let entities = head.entities(given.schema);
    let mut reader = Reader { source, entities, head, is_permit, found, obligations: Obligations::default() };
    for entity in &reader.entities {
        reader.obligations.grants.insert(entity.name.clone(), Grants::default());
    }
    // ORDER: masks look at the fields they cover.
    for note in notes.iter().filter(|note| note.key != "mask") {
        reader.note(note, given);
    }
    for note in notes.iter().filter(|note| note.key == "mask") {
        reader.note(note, given);
    }
    reader.demand(piece, &notes);
    reader.obligations
}

struct Reader<'a, 'f> {
    source: Source<'a>,
    entities: Vec<&'a Arc<Entity>>,
    head: &'a Head,
    is_permit: bool,
    found: &'f mut Diagnostics,
    obligations: Obligations,
}

impl Reader<'_, '_> {
    fn note(&mut self, note: &Note<'_>, given: &Given<'_>) {
        match note.key {
            "id" => self.id(note),
            "description" => {}
            "fields" if self.stands(note, true, &SHOWING) => {
                self.paths(note, Star::Open, |grants, leaves| {
                    grants.shown.add(Openness::Shown, &leaves);
                });
            }
            "writes" if self.stands(note, true, &WRITING) => {
                self.paths(note, Star::Writable, |grants, leaves| {
                    grants.writes = grants.writes.union(&leaves)
                });
            }
            "withhold" if self.stands(note, false, &ON_FIELDS) => {
                self.obligations.is_withholding = true;
                self.paths(note, Star::All, |grants, leaves| {
                    grants.withheld = grants.withheld.union(&leaves)
                });
            }
            "reveals" if self.stands(note, true, &SHOWING) => {
                self.paths(note, Star::All, |grants, leaves| {
                    grants.revealed = grants.revealed.union(&leaves)
                });
            }
            "mask" if self.stands(note, true, &SHOWING) => self.masks(note),
            "plan" if self.stands(note, true, &Action::ALL) => self.plan(note, given),
            "audit" => self.audit(note),
            "unfiltered" if self.stands(note, true, &[Action::Call]) => {
                self.obligations.is_unfiltered = true;
                if note.value.is_none_or(|reason| reason.trim().is_empty()) {
                    self.at(note.key_at, note.key.len(), "`@unfiltered` needs its reason");
                }
            }
            "breakglass" if self.stands(note, true, &Action::ALL) => self.glass(note),
            "fields" | "writes" | "withhold" | "mask" | "plan" | "unfiltered" | "reveals" | "breakglass" => {}
            unknown => {
                let place = self.source.place(note.key_at, unknown.len());
                let message = format!("unknown annotation `@{unknown}`");
                self.found.push(Diagnostic::error(&place, message).suggest(unknown, KEYS));
            }
        }
    }

    fn at(&mut self, at: usize, length: usize, message: impl Into<String>) {
        self.found.push(Diagnostic::error(&self.source.place(at, length), message));
    }

    /// For emergencies, of people that are named one by one.
    fn glass(&mut self, note: &Note<'_>) {
        self.obligations.is_glass = true;
        if note.value.is_none_or(|what| what.trim().is_empty()) {
            self.at(note.key_at, note.key.len(), "`@breakglass` says what it is for");
        }
        let is_someone = self.head.principal.as_ref().is_some_and(|id| !id.as_str().contains(ISSUER_MARK));
        if !is_someone || self.head.kinds != [Kind::User] {
            let message = "`@breakglass` is for people that principals/ names: `principal == User::\"…\"`";
            self.at(note.key_at, note.key.len(), message);
        }
    }

    /// Whether an annotation may stand on this statement.
    fn stands(&mut self, note: &Note<'_>, on_permit: bool, actions: &[Action]) -> bool {
        let key = note.key;
        if self.is_permit != on_permit {
            let wanted = if on_permit { "permit" } else { "forbid" };
            self.at(note.key_at, key.len(), format!("`@{key}` belongs on a {wanted}"));
            return false;
        }
        if !self.head.has(actions) {
            let names: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
            let message = format!("`@{key}` means nothing without one of the actions {}", names.join(", "));
            self.at(note.key_at, key.len(), message);
            return false;
        }
        true
    }

    fn id(&mut self, note: &Note<'_>) {
        let id = note.value.unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > 100 || !id.chars().all(is_plain) {
            let message = "an `@id` is 1 to 100 letters, digits, `-`, `_` or `.`";
            return self.at(note.value_at, id.len(), message);
        }
        self.obligations.id = Some(StatementId::new(id));
    }

    /// Resolves each path in every entity the head speaks of.
    fn paths(&mut self, note: &Note<'_>, star: Star, mut grant: impl FnMut(&mut Grants, FieldSet)) {
        for (path, at) in note.words() {
            for entity in self.entities.clone() {
                match leaves_of(entity, path, star) {
                    Ok(leaves) => {
                        if let Some(grants) = self.obligations.grants.get_mut(&entity.name) {
                            grant(grants, leaves);
                        }
                    }
                    Err(no) => self.no_field(no, path, at, entity),
                }
            }
        }
    }

    fn no_field(&mut self, no: NoLeaves, path: &str, at: usize, entity: &Entity) {
        let place = self.source.place(at, path.len());
        let name = &entity.name;
        let diagnostic = match no {
            NoLeaves::Unknown => {
                let paths = every_path(entity);
                Diagnostic::error(&place, format!("`{path}` is no field of {name}"))
                    .suggest(path, paths.iter().map(String::as_str))
            }
            NoLeaves::Named(classes) => {
                Diagnostic::error(&place, format!("every field under `{path}` of {name} is {classes}"))
                    .help("such fields are named one by one")
            }
            NoLeaves::ReadOnly => Diagnostic::error(&place, format!("`{path}` of {name} is never written")),
        };
        self.found.push(diagnostic);
    }

    /// `path: mask`, each over fields that this statement shows.
    fn masks(&mut self, note: &Note<'_>) {
        for (word, at) in note.words() {
            let Some((path, name)) = word.split_once(':') else {
                self.at(at, word.len(), "a mask is written `field: mask`");
                continue;
            };
            let (path, name) = (path.trim(), name.trim());
            let Some(mask) = Mask::parse(name) else {
                let place = self.source.place(at, word.len());
                let known = Mask::ALL.map(Mask::as_str);
                self.found
                    .push(Diagnostic::error(&place, format!("unknown mask `{name}`")).suggest(name, known));
                continue;
            };
            for entity in self.entities.clone() {
                self.mask(entity, path, mask, (at, word.len()));
            }
        }
    }

    fn mask(&mut self, entity: &Entity, path: &str, mask: Mask, (at, length): (usize, usize)) {
        let name = &entity.name;
        let leaves = match leaves_of(entity, path, Star::All) {
            Ok(leaves) => leaves,
            Err(no) => return self.no_field(no, path, at, entity),
        };
        let Some(grants) = self.obligations.grants.get_mut(name) else { return };
        let before = grants.shown.masked();
        let covered = leaves.intersection(&grants.shown.of(Openness::Shown));
        grants.shown.take(Openness::Shown, &covered);
        grants.shown.add(mask.openness(), &covered);
        if !leaves.intersection(&before).is_empty() {
            return self.at(at, length, format!("`{path}` of {name} has another mask already"));
        }
        if covered.is_empty() {
            return self.at(
                at,
                length,
                format!("`{path}` of {name} is not among the `@fields` of this statement"),
            );
        }
        let unfit = covered.iter().filter_map(|leaf| entity.leaf(leaf)).find(|leaf| !mask.fits(&leaf.kind));
        if let Some(leaf) = unfit {
            let message = format!("the mask `{}` does not fit `{}` of {name}", mask.as_str(), leaf.path);
            self.at(at, length, message);
        }
    }

    fn plan(&mut self, note: &Note<'_>, given: &Given<'_>) {
        let name = note.value.unwrap_or_default().trim();
        if given.plans.iter().any(|plan| plan.name.as_str() == name) {
            self.obligations.plan = Some(PlanName::new(name));
        } else {
            let place = self.source.place(note.value_at, name.len());
            let known = given.plans.iter().map(|plan| plan.name.as_str());
            self.found.push(Diagnostic::error(&place, format!("no plan `{name}`")).suggest(name, known));
        }
    }

    fn audit(&mut self, note: &Note<'_>) {
        let name = note.value.unwrap_or_default().trim();
        match Detail::ALL.into_iter().find(|detail| detail.as_str() == name) {
            Some(detail) => self.obligations.detail = detail,
            None => {
                let place = self.source.place(note.value_at, name.len());
                let known = Detail::ALL.map(Detail::as_str);
                let message = format!("unknown audit detail `{name}`");
                self.found.push(Diagnostic::error(&place, message).suggest(name, known));
            }
        }
    }

    /// What a statement must have.
    fn demand(&mut self, piece: &Piece<'_>, notes: &[Note<'_>]) {
        let has = |key: &str| notes.iter().any(|note| note.key == key);
        let length = piece.text.lines().next().unwrap_or_default().len();
        if !has("id") {
            self.at(piece.start, length, "a statement needs an `@id`");
        }
        if !self.is_permit || self.entities.is_empty() {
            return;
        }
        if self.head.has(&SHOWING) && !has("fields") {
            self.at(piece.start, length, "a permit of read or list says what it shows with `@fields`");
        }
        if self.head.has(&WRITING) && !has("writes") {
            self.at(piece.start, length, "a permit of create or update says what may change with `@writes`");
        }
    }
}

/// What `*` and a subtree stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Star {
    /// Leaves of class public and internal.
    Open,
    /// The same, that are ever written.
    Writable,
    /// Every leaf.
    All,
}

/// Why a path stands for nothing.
#[derive(Clone, Copy, Debug)]
enum NoLeaves {
    Unknown,
    Named(&'static str),
    ReadOnly,
}

fn leaves_of(entity: &Entity, path: &str, star: Star) -> Result<FieldSet, NoLeaves> {
    let exact = entity.leaf_at(path);
    let all = match path {
        "*" => entity.all(),
        _ => entity.leaves_under(path),
    };
    if all.is_empty() {
        return Err(NoLeaves::Unknown);
    }
    let read_only = entity.all().minus(&entity.writable());
    match (star, exact) {
        (Star::All, _) => Ok(all),
        (Star::Open, Some(leaf)) => Ok(FieldSet::of(leaf)),
        (Star::Writable, Some(leaf)) if read_only.contains(leaf) => Err(NoLeaves::ReadOnly),
        (Star::Writable, Some(leaf)) => Ok(FieldSet::of(leaf)),
        (Star::Open | Star::Writable, None) => {
            let by_class =
                |leaf: &LeafId| entity.leaf(*leaf).is_some_and(|leaf| leaf.class.is_granted_by_star());
            let open: FieldSet = all.iter().filter(by_class).collect();
            let granted = if star == Star::Writable { open.minus(&read_only) } else { open };
            match (granted.is_empty(), open.is_empty()) {
                (false, _) => Ok(granted),
                (true, true) => Err(NoLeaves::Named("confidential, personal or secret")),
                (true, false) => Err(NoLeaves::ReadOnly),
            }
        }
    }
}

/// Every leaf's and subtree's path, for hints.
fn every_path(entity: &Entity) -> Vec<String> {
    let mut paths = std::collections::BTreeSet::new();
    for leaf in &entity.leaves {
        let mut path = leaf.path.as_str();
        paths.insert(path.to_owned());
        while let Some((parent, _)) = path.rsplit_once('.') {
            paths.insert(parent.to_owned());
            path = parent;
        }
    }
    paths.into_iter().collect()
}
