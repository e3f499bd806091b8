//! Access files become [`Policies`], or every mistake in them is told.
//!
//! Whoever loads does so on a thread of the same large stack, so that a command and a running gate come to the
//! same end.

mod known;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Display,
    io, panic,
    sync::Arc,
    thread,
};

use cedar_policy::{PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator, ffi::DetailedError};

use super::{
    hours::Hours,
    index::Index,
    mask::{Masker, Openness},
    obligations,
    principals::PrincipalTypes,
    related::Relation,
    settled::{Settled, about_anyone},
    shape::{self, RESERVED, Route, Target},
    source::{Piece, Source},
    statement::{Head, Statement, Verb, reads},
};
use crate::{
    catalog::Action,
    identity::ISSUER_MARK,
    schema::{Entity, FieldSet, LeafId, Schema},
    words::{
        Diagnostic, Diagnostics, Digest, EntityName, GroupName, Kind, Place, PlanName, PrincipalId,
        SecretBytes, StatementId, SystemName,
    },
};

/// How far a condition may follow references: attributes of the caller and of the record, and of what the record names.
const LEVEL_MAX: u32 = 2;
/// LIMIT: fields that one mistake names.
const UNTOLD_SHOWN_MAX: usize = 8;
/// The stack that statements are read on: many times what the largest one takes.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// What the rest of a bundle says that statements lean on.
#[derive(Debug)]
pub struct Given<'a> {
    /// The digest of the whole bundle: what is remembered of one is never used for another.
    pub bundle: Digest,
    /// The entities.
    pub schema: &'a Schema,
    /// What principals carry.
    pub principals: &'a PrincipalTypes,
    /// The plans of `limits.yaml`.
    pub plans: &'a [PlanRef],
    /// The systems and what each serves.
    pub systems: &'a [SystemInfo],
    /// The named hours.
    pub hours: &'a Arc<Hours>,
    /// The key of pseudonyms.
    pub pseudonyms: &'a SecretBytes,
}

/// A plan and its rank; where several could be named for one request their ranks must differ.
#[derive(Clone, Debug)]
pub struct PlanRef {
    /// Its name.
    pub name: PlanName,
    /// Its rank.
    pub rank: u32,
}

/// A system and the entities it serves.
#[derive(Clone, Debug)]
pub struct SystemInfo {
    /// Its name.
    pub name: SystemName,
    /// What it serves.
    pub serves: Vec<EntityName>,
}

/// The access policy of a bundle, checked whole.
#[derive(Debug)]
pub struct Policies {
    pub(super) bundle: Digest,
    pub(super) statements: Vec<Arc<Statement>>,
    /// The entities of the shared schema: what references name.
    pub(super) entities: Vec<Arc<Entity>>,
    pub(super) index: Index,
    pub(super) hours: Arc<Hours>,
    pub(super) settled: Settled,
    pub(super) permits: PolicySet,
    /// Permits that count while the glass is broken.
    pub(super) glass: PolicySet,
    pub(super) forbids: PolicySet,
    pub(super) cedar: cedar_policy::Schema,
    pub(super) principals: PrincipalTypes,
    pub(super) masker: Masker,
    /// By entity; see [`Self::with_tags`].
    tags: HashMap<EntityName, FieldSet>,
    schema_text: String,
    reads_claims: bool,
}

/// A statement, seen from outside.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'p> {
    /// Its name.
    pub id: &'p StatementId,
    /// Where it stands.
    pub place: &'p Place,
    /// Whether it permits.
    pub is_permit: bool,
    /// The group that its head names.
    pub group: Option<&'p GroupName>,
    /// The plan that it names.
    pub plan: Option<&'p PlanName>,
}

impl Policies {
    /// Reads access files (path and text). Mistakes go to `found`; there is no policy while one is an error.
    pub fn load(files: &[(Arc<str>, Arc<str>)], given: &Given<'_>, found: &mut Diagnostics) -> Option<Self> {
        on_a_large_stack(|| Self::load_here(files, given, found)).unwrap_or_else(|error| {
            let message = format!("there is no thread to read the statements on: {error}");
            found.error(&Place::file("access"), message);
            None
        })
    }

    fn load_here(files: &[(Arc<str>, Arc<str>)], given: &Given<'_>, found: &mut Diagnostics) -> Option<Self> {
        let mut mistakes = Diagnostics::default();
        let schema_text = shape::cedar_schema(given.schema, given.principals);
        let cedar = cedar_schema(&schema_text, given, &mut mistakes);
        let mut reading = Reading {
            given,
            found: &mut mistakes,
            statements: Vec::new(),
            sources: Vec::new(),
            doubted: HashSet::new(),
            later: Vec::new(),
        };
        files.iter().for_each(|(file, text)| reading.file(Source { file, text }));
        reading.ids_differ();
        reading.plans_differ();
        if let Some(cedar) = &cedar {
            reading.validate(cedar);
        }
        let statements: Vec<Arc<Statement>> = reading.statements.into_iter().map(Arc::new).collect();
        let is_broken = mistakes.has_errors();
        found.absorb(mistakes);
        let of = |is_permit: bool, is_glass: bool| {
            let meant = statements
                .iter()
                .filter(|one| one.effect.is_permit() == is_permit && one.is_glass == is_glass);
            PolicySet::from_policies(meant.map(|statement| statement.policy.clone())).ok()
        };
        let (permits, glass, forbids) = (of(true, false)?, of(true, true)?, of(false, false)?);
        let cedar = cedar.filter(|_| !is_broken)?;
        Some(Self {
            bundle: given.bundle,
            permits,
            glass,
            forbids,
            cedar,
            principals: given.principals.clone(),
            masker: Masker::new(given.pseudonyms),
            tags: HashMap::new(),
            schema_text,
            reads_claims: statements.iter().any(|statement| reads(&statement.policy, None).claimed),
            hours: given.hours.clone(),
            index: Index::new(&statements),
            settled: Settled::default(),
            entities: given.schema.entities().to_vec(),
            statements,
        })
    }

    /// The leaves of an entity that conditions name, whoever they are about.
    pub fn named(&self, entity: &Entity) -> FieldSet {
        self.index.named(&entity.name)
    }

    /// The leaves of an entity that conditions go by, whoever they are about.
    pub fn reading(&self, entity: &Entity) -> FieldSet {
        let grants = self.statements.iter().filter_map(|statement| statement.grants.get(&entity.name));
        let own = grants.fold(FieldSet::EMPTY, |all, grants| all.union(&grants.reads));
        let followed = self.statements.iter().flat_map(|statement| statement.follows.values().flatten());
        let followed = followed.filter(|relation| relation.to.name == entity.name);
        followed.fold(own, |all, relation| all.union(&relation.reads))
    }

    /// Statements whose conditions read what an entity's system never tells: whether they hold cannot be told
    /// of any record there. `told` are the leaves that it does tell, `others` those that some other system tells of its
    /// own records: of these the statement can be judged, so it is a warning.
    pub fn unfounded(
        &self,
        entity: &Entity,
        (told, others): (&FieldSet, &FieldSet),
        system: &SystemName,
    ) -> Diagnostics {
        let (mut nowhere, mut elsewhere) = (Vec::new(), Vec::new());
        for (place, leaves, named) in self.going_by(entity, told) {
            // Of a group that is only asked for nothing is named, so that none of it would be taken for nothing.
            let of_others = named.intersection(others);
            nowhere.push((place.clone(), leaves.minus(&of_others)));
            elsewhere.push((place, of_others));
        }
        let mut found = self.never_tells(entity, system, &nowhere);
        for (place, leaves) in &elsewhere {
            for leaf in leaves.iter().filter_map(|leaf| entity.leaf(leaf)) {
                let message = format!(
                    "`{system}` never tells `{}` of {}: its records are withheld from whoever this statement is about",
                    leaf.path, entity.name
                );
                let help = format!("map the field in systems/{system}.yaml, or judge by another");
                found.push(Diagnostic::warning(place, message).help(help));
            }
        }
        found
    }

    /// Statements that follow references of an entity's records, and what they go by.
    pub fn following(&self, entity: &Entity) -> impl Iterator<Item = (&Place, &Relation)> {
        self.statements.iter().flat_map(move |statement| {
            let all = statement.follows.get(&entity.name).into_iter().flatten();
            all.map(move |relation| (&statement.place, relation))
        })
    }

    /// Statements, by their places, with the leaves that they go by and a system does not tell.
    pub fn untold(&self, entity: &Entity, told: &FieldSet) -> Vec<(Place, FieldSet)> {
        self.going_by(entity, told).map(|(place, leaves, _)| (place, leaves)).collect()
    }

    /// The same, with those of the leaves that conditions name.
    fn going_by(
        &self,
        entity: &Entity,
        told: &FieldSet,
    ) -> impl Iterator<Item = (Place, FieldSet, FieldSet)> {
        // A group is there when anything of it is.
        let parts = entity.root.fields.iter().filter(|field| told.any_in(&field.leaves));
        let groups = parts.fold(FieldSet::EMPTY, |all, field| all.union(&FieldSet::of_range(&field.leaves)));
        self.statements.iter().filter_map(move |statement| {
            let grants = statement.grants.get(&entity.name)?;
            let named = grants.names.minus(told);
            let untold = named.union(&grants.reads.minus(&groups));
            (!untold.is_empty()).then(|| (statement.place.clone(), untold, named))
        })
    }

    /// The same, told: one mistake for each statement, whatever of a record it goes by.
    pub fn never_tells(
        &self,
        entity: &Entity,
        system: &SystemName,
        untold: &[(Place, FieldSet)],
    ) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (place, leaves) in untold.iter().filter(|(_, leaves)| !leaves.is_empty()) {
            let paths: Vec<_> =
                leaves.iter().filter_map(|leaf| entity.leaf(leaf)).map(|leaf| &leaf.path).collect();
            let shown: Vec<String> =
                paths.iter().take(UNTOLD_SHOWN_MAX).map(|path| format!("`{path}`")).collect();
            let more = match paths.len().saturating_sub(shown.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!("`{system}` never tells {}{more} of {}", shown.join(", "), entity.name);
            let what = if paths.len() == 1 { "field" } else { "fields" };
            let help = format!("map the {what} in systems/{system}.yaml, or judge by another");
            found.push(Diagnostic::error(place, message).help(help));
        }
        found
    }

    /// Statements that let a caller write the leaf by which another system's record is found: it chooses whose fields
    /// it is shown.
    pub fn choosing(&self, entity: &Entity, on: LeafId, system: &SystemName) -> Diagnostics {
        let mut found = Diagnostics::default();
        let path = entity.leaf(on).map_or("id", |leaf| leaf.path.as_str());
        for statement in &self.statements {
            let grants = statement.grants.get(&entity.name);
            if grants.is_some_and(|grants| grants.writes.contains(on)) {
                let message =
                    format!("who writes `{path}` chooses which record of `{system}` is told with this one");
                let help = format!("leave `{path}` out of `@writes`, or join `on: id`");
                found.push(Diagnostic::warning(&statement.place, message).help(help));
            }
        }
        found
    }

    /// Principals that statements name and no file does: such a permit never helps, and such a forbid never
    /// holds. Those of outside issuers are known once they come. `known` are the ids that files name.
    pub fn strangers<'n>(&self, known: impl Fn(Kind) -> Vec<&'n str>) -> Diagnostics {
        let mut found = Diagnostics::default();
        for statement in &self.statements {
            for uid in statement.policy.entity_literals() {
                let name = uid.type_name().to_string();
                let named = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
                let Some(kind) = named.filter(|kind| *kind != Kind::Anonymous) else { continue };
                let (id, known) = (uid.id().unescaped(), known(kind));
                if id.contains(ISSUER_MARK) || known.contains(&id) {
                    continue;
                }
                let message = format!("no file of `principals/` names the {kind} `{id}`");
                let diagnostic = Diagnostic::error(&statement.place, message);
                found.push(diagnostic.suggest(id, known));
            }
        }
        found
    }

    /// Every statement, for whoever looks at all of them.
    pub fn outlines(&self) -> impl Iterator<Item = Outline<'_>> {
        self.statements.iter().map(|statement| Outline {
            id: &statement.id,
            place: &statement.place,
            is_permit: statement.effect.is_permit(),
            group: statement.head.group.as_ref(),
            plan: statement.plan.as_ref(),
        })
    }

    /// Permits that show records of an entity: by their places, with what they show as it is and what they do not show.
    pub fn sights(&self, entity: &Entity) -> Vec<(&Place, FieldSet, FieldSet)> {
        let all =
            self.statements.iter().filter(|statement| statement.effect.is_permit() && statement.shows());
        all.filter_map(|statement| {
            let shown = &statement.grants.get(&entity.name)?.shown;
            let open = shown.of(Openness::Shown);
            Some((&statement.place, open, entity.all().minus(&open)))
        })
        .collect()
    }

    /// Statements whose condition goes by the time.
    pub fn timed(&self) -> HashSet<&StatementId> {
        let is_timed = |statement: &&Arc<Statement>| reads(&statement.policy, None).time;
        self.statements.iter().filter(is_timed).map(|statement| &statement.id).collect()
    }

    /// Permits that show records of an entity and whose condition names leaves that they do not show as they are, and
    /// do not say so: by their places.
    pub fn hidden_reads(&self, entity: &Entity) -> Vec<(&Place, FieldSet)> {
        let mut found = Vec::new();
        for statement in &self.statements {
            let Some(grants) = statement.grants.get(&entity.name) else { continue };
            let open = grants.shown.of(Openness::Shown).union(&grants.revealed);
            let hidden = grants.names.minus(&open);
            if statement.effect.is_permit() && statement.shows() && !hidden.is_empty() {
                found.push((&statement.place, hidden));
            }
        }
        found
    }

    /// Every statement that closes something, in file order.
    pub fn closing(&self) -> impl Iterator<Item = &StatementId> {
        let closing = self.statements.iter().filter(|statement| !statement.effect.is_permit());
        closing.map(|statement| &statement.id)
    }

    /// Who may break the glass, and the place of a statement that lets them.
    pub fn glass(&self) -> impl Iterator<Item = (&PrincipalId, &Place)> {
        let glass = self.statements.iter().filter(|statement| statement.is_glass);
        glass.filter_map(|statement| Some((statement.head.principal.as_ref()?, &statement.place)))
    }

    /// Whether a statement counts only while the glass is broken.
    pub fn is_glass(&self, id: &StatementId) -> bool {
        self.statements.iter().any(|statement| statement.is_glass && statement.id == *id)
    }

    /// The named hours of the bundle.
    pub fn hours(&self) -> &Arc<Hours> {
        &self.hours
    }

    /// Whether any statement reads what callers claim of themselves.
    pub fn reads_claims(&self) -> bool {
        self.reads_claims
    }

    /// Says which leaves of an entity its system's mapping gives as constants to groups and list elements.
    /// One of which a caller sees nothing else is not shown: its constants would tell that a hidden value is
    /// there.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = (EntityName, FieldSet)>) -> Self {
        self.tags.extend(tags);
        self
    }

    pub(super) fn tags(&self, entity: &EntityName) -> FieldSet {
        self.tags.get(entity).copied().unwrap_or_default()
    }

    /// The Cedar schema that statements are validated against, as text.
    pub fn cedar_schema(&self) -> &str {
        &self.schema_text
    }

    /// Every statement's id, in file order.
    pub fn ids(&self) -> impl Iterator<Item = &StatementId> {
        self.statements.iter().map(|statement| &statement.id)
    }

    /// Whether any statement permits a caller without credential anything.
    pub fn considers_anonymous(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.effect.is_permit() && statement.head.kinds.contains(&Kind::Anonymous))
    }
}

/// Does it on a thread of its own, with room for the deepest statement there may be.
fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("statements".into()).stack_size(STACK_BYTES);
        let done = thread.spawn_scoped(scope, work)?.join();
        Ok(done.unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    })
}

fn cedar_schema(text: &str, given: &Given<'_>, found: &mut Diagnostics) -> Option<cedar_policy::Schema> {
    let place = Place::file("schema");
    for entity in given.schema.entities() {
        if RESERVED.contains(&entity.name.as_str()) {
            found.error(
                &place,
                format!("no entity may be called `{}`: statements mean something else by it", entity.name),
            );
            return None;
        }
    }
    match cedar_policy::Schema::from_cedarschema_str(text) {
        Ok((schema, _warnings)) => Some(schema),
        Err(error) => {
            found.error(&place, format!("the shared schema makes no Cedar schema: {}", chain(&error)));
            None
        }
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        out = format!("{out}: {cause}");
        source = cause.source();
    }
    out
}

struct Reading<'a, 'f> {
    given: &'a Given<'a>,
    found: &'f mut Diagnostics,
    statements: Vec<Statement>,
    /// File and start of each statement, for Cedar's own errors.
    sources: Vec<(Source<'a>, usize)>,
    /// Statements of which something unknown was told.
    doubted: HashSet<usize>,
    /// What is told of a statement where Cedar finds nothing wrong with it.
    later: Vec<(usize, Diagnostic)>,
}

impl<'a> Reading<'a, '_> {
    fn file(&mut self, source: Source<'a>) {
        let pieces = source.pieces();
        if pieces.is_empty() {
            let message = format!("`{}` holds no statement", source.file);
            let help = "is it half written? a file that is not wanted any more is deleted";
            self.found.push(Diagnostic::error(&Place::file(source.file.clone()), message).help(help));
        }
        for piece in &pieces {
            match piece.excess() {
                Some(excess) => {
                    let place = source.place(piece.start.saturating_add(excess.at), 1);
                    self.found.push(Diagnostic::error(&place, excess.message).help(excess.help));
                }
                None => self.piece(source, piece),
            }
        }
    }

    fn piece(&mut self, source: Source<'a>, piece: &Piece<'a>) {
        let number = self.statements.len();
        let policy = match cedar_policy::Policy::parse(Some(PolicyId::new(number.to_string())), piece.text) {
            Ok(policy) => policy,
            Err(errors) => {
                let all = errors.iter().map(DetailedError::from).collect::<Vec<_>>();
                all.iter().for_each(|error| self.told(source, piece.start, error));
                return;
            }
        };
        if let Some(message) = disagreement(piece, &policy) {
            let place = source.place(piece.start, piece.text.lines().next().unwrap_or_default().len());
            self.found.push(Diagnostic::error(&place, message).help("write each as `@key(\"value\")`"));
        }
        let head = Head::of(&policy);
        let is_permit = policy.effect() == cedar_policy::Effect::Permit;
        let said = obligations::read(source, piece, &head, is_permit, self.given, self.found);
        let length = piece.text.lines().next().unwrap_or_default().len();
        let mut statement = Statement {
            id: said.id.unwrap_or_else(|| StatementId::new(number.to_string())),
            place: source.place(piece.start, length),
            effect: Verb::of(policy.effect(), said.is_withholding),
            grants: said.grants,
            follows: BTreeMap::new(),
            plan: said.plan,
            detail: said.detail,
            is_glass: said.is_glass,
            head,
            anyone: (!reads(&policy, None).principal).then(|| about_anyone(&policy)).flatten(),
            policy,
        };
        let mut strays = reads(&statement.policy, None).strays;
        for entity in self.given.schema.entities() {
            if let Some(grants) = statement.grants.get_mut(&entity.name) {
                let read = reads(&statement.policy, Some(entity));
                (grants.reads, grants.names) = (read.leaves, read.named);
                strays |= read.strays;
                let follows = self.follows(read.beyond);
                if !follows.is_empty() {
                    statement.follows.insert(entity.name.clone(), follows);
                }
            }
        }
        if strays {
            self.strays(&statement);
        }
        self.call_is_unfiltered(&statement, said.is_unfiltered);
        self.rests_on_more_than_claims(&statement);
        self.systems_exist(&statement);
        self.groups_exist(&statement);
        self.names_exist(source, piece, &statement);
        self.statements.push(statement);
        self.sources.push((source, piece.start));
    }

    /// What is read of the records that references name. What is no attribute of them is told elsewhere.
    fn follows(&self, beyond: Vec<(LeafId, EntityName, Vec<String>)>) -> Vec<Relation> {
        let known = beyond.into_iter().filter_map(|(by, to, names)| {
            let to = self.given.schema.entities().iter().find(|entity| entity.name == to)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let route = Route::of(to, &names)?;
            let names = match route.target {
                Target::Leaf(..) | Target::Set(..) => route.leaves(),
                Target::Object(_) => FieldSet::EMPTY,
            };
            Some(Relation { by, to: to.clone(), reads: route.leaves(), names })
        });
        Relation::join(known.collect::<Vec<_>>().iter())
    }

    fn strays(&mut self, statement: &Statement) {
        let message = "a condition follows references of the record only, each by its plain path";
        let help = "as in `resource.order.customer`; what the caller names is not looked up";
        let message = format!("{message} (in `{}`)", statement.id);
        self.found.push(Diagnostic::error(&statement.place, message).help(help));
    }

    /// One error of Cedar's, at its place in the file.
    fn told(&mut self, source: Source<'_>, start: usize, error: &DetailedError) {
        let label = error.source_locations.first();
        let (at, end) = label.map_or((0, 1), |label| (label.loc.start, label.loc.end));
        let place = source.place(start.saturating_add(at), end.saturating_sub(at));
        let mut message = plain(&error.message);
        if let Some(label) = label.and_then(|label| label.label.as_deref()) {
            message = format!("{message}: {label}");
        }
        let mut diagnostic = Diagnostic::error(&place, message);
        diagnostic.help = error.help.as_deref().map(plain);
        self.found.push(diagnostic);
    }

    fn ids_differ(&mut self) {
        let mut seen: HashMap<&StatementId, &Place> = HashMap::new();
        for statement in &self.statements {
            if let Some(first) = seen.insert(&statement.id, &statement.place) {
                let message = format!("the `@id` `{}` stands at {first} already", statement.id);
                self.found.error(&statement.place, message);
            }
        }
    }

    /// Two plans of one rank that one request could meet.
    fn plans_differ(&mut self) {
        let rank =
            |name: &PlanName| self.given.plans.iter().find(|plan| plan.name == *name).map(|plan| plan.rank);
        for (number, statement) in self.statements.iter().enumerate() {
            let Some(plan) = &statement.plan else { continue };
            let before = self.statements.iter().take(number);
            let clash = before.filter(|other| other.head.meets(&statement.head)).find_map(|other| {
                let theirs = other.plan.as_ref().filter(|theirs| *theirs != plan)?;
                (rank(theirs) == rank(plan)).then_some((theirs, &other.id))
            });
            if let Some((theirs, id)) = clash {
                let message =
                    format!("the plans `{plan}` and `{theirs}` of `{id}` can meet and have one rank");
                self.found.push(
                    Diagnostic::error(&statement.place, message)
                        .help("give each plan a rank of its own in limits.yaml"),
                );
            }
        }
    }

    fn call_is_unfiltered(&mut self, statement: &Statement, is_unfiltered: bool) {
        let is_call = statement.effect.is_permit() && statement.head.has(&[Action::Call]);
        if !is_call || is_unfiltered {
            return;
        }
        let served =
            self.given.systems.iter().find(|system| {
                statement.head.resources.has_system(&system.name) && !system.serves.is_empty()
            });
        if let Some(system) = served {
            let what = system.serves.first().map_or("", EntityName::as_str);
            let message =
                format!("calls to `{}` go around the fields of {what}, which it serves", system.name);
            self.found.push(
                Diagnostic::error(&statement.place, message).help("say why with `@unfiltered(\"reason\")`"),
            );
        }
    }

    /// A permit that nothing but the caller's own words limits.
    fn rests_on_more_than_claims(&mut self, statement: &Statement) {
        let read = reads(&statement.policy, None);
        let is_ground = statement.head.says_who() || read.principal || read.checked;
        if statement.effect.is_permit() && read.claimed && !is_ground {
            let message = "this permit rests on what the caller claims (`context.claimed`) alone";
            self.found.push(
                Diagnostic::error(&statement.place, message)
                    .help("name a group, or a fact of `context.checked`"),
            );
        }
    }

    fn systems_exist(&mut self, statement: &Statement) {
        let named = statement.policy.entity_literals().into_iter();
        for system in named.filter(|uid| uid.type_name().to_string() == "System") {
            let name = system.id().unescaped();
            let known = || self.given.systems.iter().map(|system| system.name.as_str());
            if !known().any(|known| known == name) {
                let diagnostic = Diagnostic::error(&statement.place, format!("no system `{name}`"));
                self.found.push(diagnostic.suggest(name, known()));
            }
        }
    }

    /// Attributes, values and types that there are not, wherever in a condition they stand.
    fn names_exist(&mut self, source: Source<'_>, piece: &Piece<'_>, statement: &Statement) {
        let number = self.statements.len();
        let given = self.given;
        let hours = given.hours.names();
        let all = known::unknown(&statement.policy, &statement.head, given.schema, given.principals, hours);
        for unknown in all {
            let place = piece.find(&unknown.word);
            let place =
                place.map_or_else(|| statement.place.clone(), |(at, length)| source.place(at, length));
            let message = format!("{} (in `{}`)", unknown.message, statement.id);
            let told = Diagnostic::error(&place, message);
            let told = told.suggest(&unknown.word, unknown.names.iter().map(String::as_str));
            if unknown.is_cedars {
                self.later.push((number, told));
            } else {
                self.doubted.insert(number);
                self.found.push(told);
            }
        }
    }

    /// A group nobody can be in makes a permit that never helps, and a forbid that never holds.
    fn groups_exist(&mut self, statement: &Statement) {
        let named = statement.policy.entity_literals().into_iter();
        for group in named.filter(|uid| uid.type_name().to_string() == "Group") {
            let known = || self.given.principals.groups.iter().map(GroupName::as_str);
            if !known().any(|known| known == group.id().unescaped()) {
                let message =
                    format!("no group `{}` in `principals/attributes.yaml`", group.id().unescaped());
                let diagnostic = Diagnostic::error(&statement.place, message);
                self.found.push(diagnostic.suggest(group.id().unescaped(), known()));
            }
        }
    }

    /// Cedar's strict validation of all statements.
    fn validate(&mut self, schema: &cedar_policy::Schema) {
        let policies = self.statements.iter().map(|statement| statement.policy.clone());
        let set = match PolicySet::from_policies(policies) {
            Ok(set) => set,
            Err(error) => return self.found.error(&Place::file("access"), chain(&error)),
        };
        let validator = Validator::new(schema.clone());
        let result = validator.validate_with_level(&set, ValidationMode::Strict, LEVEL_MAX);
        let mut told: HashSet<usize> = self.doubted.clone();
        for error in result.validation_errors() {
            told.extend(number_of(error.policy_id()));
            self.validation(error.policy_id(), &DetailedError::from(error), Diagnostic::error);
        }
        let later = std::mem::take(&mut self.later);
        for (number, diagnostic) in
            later.into_iter().filter(|(number, _)| !told.contains(number)).collect::<Vec<_>>()
        {
            told.insert(number);
            self.found.push(diagnostic);
        }
        for warning in result.validation_warnings() {
            let number = number_of(warning.policy_id());
            let statement = number.and_then(|number| self.statements.get(number));
            let never_holds = matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
            );
            let make = match statement {
                // What is wrong with it has been told.
                Some(_) if never_holds && number.is_some_and(|number| told.contains(&number)) => continue,
                // A permit that never holds opens nothing; whoever wrote a forbid relies on it.
                Some(statement) if never_holds && !statement.effect.is_permit() => Diagnostic::error,
                Some(_) | None => Diagnostic::warning,
            };
            self.validation(warning.policy_id(), &DetailedError::from(warning), make);
        }
    }

    fn validation(&mut self, id: &PolicyId, error: &DetailedError, make: fn(&Place, String) -> Diagnostic) {
        let number = number_of(id).unwrap_or(usize::MAX);
        let Some((source, start)) = self.sources.get(number).copied() else { return };
        let Some(statement) = self.statements.get(number) else { return };
        let place = match error.source_locations.first() {
            Some(label) => {
                let length = label.loc.end.saturating_sub(label.loc.start);
                source.place(start.saturating_add(label.loc.start), length)
            }
            None => statement.place.clone(),
        };
        let message =
            plain(error.message.strip_prefix(&format!("for policy `{id}`, ")).unwrap_or(&error.message));
        let mut diagnostic = make(&place, format!("{message} (in `{}`)", statement.id));
        diagnostic.help = error.help.as_deref().map(plain);
        self.found.push(diagnostic);
    }
}

/// Which statement Cedar means.
fn number_of(id: &PolicyId) -> Option<usize> {
    id.to_string().parse().ok()
}

/// What Cedar reads of a statement's annotations and the scan of ours does not, or the other way round: one
/// that is overlooked would demand nothing, in silence.
pub(super) fn disagreement(piece: &Piece<'_>, policy: &cedar_policy::Policy) -> Option<String> {
    let mut ours: Vec<&str> = piece.notes().iter().map(|note| note.key).collect();
    let mut cedars: Vec<&str> = policy.annotations().map(|(key, _)| key).collect();
    ours.sort_unstable();
    cedars.sort_unstable();
    let named = |keys: &[&str]| match keys {
        [] => "none".to_owned(),
        keys => format!("`@{}`", keys.join("`, `@")),
    };
    let message = || {
        format!(
            "the annotations are {} by Cedar's reading and {} by the gate's",
            named(&cedars),
            named(&ours)
        )
    };
    (ours != cedars).then(message)
}

/// Cedar's words in the house's form: one line.
fn plain(message: impl Display) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
