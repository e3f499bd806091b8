//! All rooms' parts of one bundle, compiled and joined: what a request holds from its first check to its last
//! entry.

use std::{
    collections::HashMap,
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Follows, RawBundle, Report, SystemSheet, followed,
    ids::{self, Ids},
    refs,
    serving::{self, Part},
    settings::GatewaySettings,
    sources::{self, Beside, EntitySource, EntitySources},
    tables::KeptTable,
    trust::Signed,
};
use crate::{
    catalog::Catalog,
    clock::Now,
    crosswalk::Naming,
    door::ListenerSettings,
    identity::{self, Sources},
    intake::AllowedHosts,
    mapping,
    policy::{AttributeType, Given, PlanRef, Policies, PrincipalAttribute, PrincipalTypes, SystemInfo},
    quota::Plans,
    schema::{self, Entity, FieldSet, Schema},
    upstream::{self, Upstream},
    wire::{TlsClient, Trust},
    words::{
        Diagnostic, Diagnostics, Digest, EntityName, Kind, ListenerName, SecretBytes, StatementId,
        SystemName, open_file,
        tree::Node,
        yaml::{FromYaml, Spanned},
    },
};

/// LIMIT: bytes of a certificate or key file that the bundle names; all CAs of a platform are a tenth of it.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A compiled bundle.
#[derive(Debug)]
pub struct Snapshot {
    /// Which bundle it is.
    pub digest: Digest,
    /// The same with what is signed of it: what its folder looked like.
    pub content: Digest,
    /// Who signed it, where that was asked.
    pub signed: Option<Signed>,
    /// The gate's own settings.
    pub settings: GatewaySettings,
    /// The shared schema.
    pub schema: Arc<Schema>,
    /// What is served under which path.
    pub catalog: Catalog,
    /// Statements.
    pub policies: Arc<Policies>,
    /// Plans.
    pub plans: Plans,
    /// Whom to believe.
    pub sources: Arc<Sources>,
    /// Every system.
    pub systems: HashMap<SystemName, Served>,
    /// Every listener.
    pub listeners: HashMap<ListenerName, Arc<Listener>>,
    /// The listeners' settings, in file order, for the door.
    pub doors: Vec<ListenerSettings>,
    /// How much a list may ask for.
    pub limits: schema::query::Limits,
    /// What of records callers see as ids of the gate's own.
    pub ids: Ids,
    /// The systems that hold an entity's records.
    serving: HashMap<EntityName, EntitySources>,
    /// What other systems tell of an entity's records; those that stand in one system have no row.
    parts: HashMap<EntityName, Arc<[Part]>>,
}

/// A system, ready to be asked.
#[derive(Debug)]
pub struct Served {
    /// Its name.
    pub name: SystemName,
    /// Its dialect.
    pub mapping: mapping::System,
    /// The way to it.
    pub upstream: Arc<Upstream>,
    /// Value tables that it tells itself, as the mapping has them.
    pub tables: Vec<Arc<KeptTable>>,
    /// Its file, where it has such tables.
    file: Option<Digest>,
}

impl Served {
    fn new(name: SystemName, mapping: mapping::System, upstream: Arc<Upstream>, node: &Node) -> Self {
        let tables: Vec<_> = mapping.live().iter().cloned().map(KeptTable::new).collect();
        let file = (!tables.is_empty()).then(|| Digest::of(format!("{node:?}").as_bytes()));
        Self { name, mapping, upstream, tables, file }
    }

    /// Takes over what the same system has told, under the same file and settings.
    fn inherit(&self, old: &Self) {
        if self.file.is_some() && self.file == old.file && Arc::ptr_eq(&self.upstream, &old.upstream) {
            self.tables.iter().zip(&old.tables).for_each(|(new, old)| new.inherit(old));
        }
    }
}

/// What the story needs of a listener.
#[derive(Debug)]
pub struct Listener {
    /// The host names it serves.
    pub hosts: AllowedHosts,
    /// Its bounds.
    pub bounds: crate::door::Bounds,
}

/// What compiling needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// Where live state of systems is kept over a reload.
    pub registry: &'a upstream::Registry,
    /// Our own listeners, which no system may lead to.
    pub own: &'a [SocketAddr],
    /// The key of pseudonyms.
    pub pseudonyms: &'a SecretBytes,
    /// What paths in the bundle are relative to.
    pub base: &'a Path,
    /// Now.
    pub now: Now,
    /// Who knows the ids of records that the bundle names by key.
    pub ids: &'a dyn Naming,
}

impl Snapshot {
    /// The systems that serve an entity, and its mappings there.
    pub fn serving(&self, entity: &Entity) -> Option<&EntitySources> {
        self.serving.get(&entity.name)
    }

    /// Takes over what systems have told that are the same in the bundle before.
    pub fn inherit(&self, before: &Self) {
        for (name, served) in &self.systems {
            if let Some(old) = before.systems.get(name) {
                served.inherit(old);
            }
        }
    }

    /// What other systems tell of an entity's records.
    pub fn parts(&self, entity: &Entity) -> Arc<[Part]> {
        self.parts.get(&entity.name).cloned().unwrap_or_default()
    }
}

impl Follows for Snapshot {
    fn closing(&self) -> impl Iterator<Item = &StatementId> {
        self.policies.closing()
    }
}

/// Compiles a bundle. The warnings come with it.
///
/// # Errors
/// Everything that keeps it from serving, all rooms' findings together.
pub fn compile(mut raw: RawBundle<'_>, means: &Means<'_>) -> Result<(Snapshot, Report), Report> {
    let compiled = Compile { raw: &mut raw, means }.all();
    raw.check_strays();
    match compiled {
        Some(snapshot) if !raw.found.has_errors() => Ok((snapshot, raw.report())),
        Some(_) | None => Err(raw.report()),
    }
}

/// One system of a bundle by itself: of the rest only what it needs is looked at, and no other's secrets are.
///
/// # Errors
/// What keeps the system from being asked, or `gateway.yaml` from saying which secrets are its own. The bundle must
/// have a system of that name.
pub fn one(
    raw: &mut RawBundle<'_>,
    name: &str,
    schema: &Schema,
    means: &Means<'_>,
) -> Result<Served, Report> {
    let sheet = raw.systems.iter().find(|sheet| sheet.name.value == name).cloned();
    if raw.gateway.is_none() {
        return Err(raw.report());
    }
    let before = std::mem::take(&mut raw.found);
    let served = sheet.and_then(|sheet| Compile { raw: &mut *raw, means }.system(&sheet, schema));
    let found = std::mem::replace(&mut raw.found, before);
    match served {
        Some(served) if !found.has_errors() => Ok(served),
        Some(_) | None => Err(Report::new(raw.files.clone(), found)),
    }
}

struct Compile<'a, 'e> {
    raw: &'a mut RawBundle<'e>,
    means: &'a Means<'a>,
}

impl Compile<'_, '_> {
    fn all(&mut self) -> Option<Snapshot> {
        let schema = self.schema();
        let gateway = self.raw.gateway.clone();
        let registry = self.principals(gateway.as_ref(), schema.as_ref());
        let doors = gateway.as_ref().and_then(|gateway| self.listeners(&gateway.listeners));
        let sources = gateway.as_ref().and_then(|gateway| self.sources(gateway, registry.as_ref()?.clone()));
        let mut systems = match &schema {
            Some(schema) => self.systems(schema),
            None => self.connections(),
        };
        let plans = self.raw.plans.take();
        if let (Some(plans), Some(registry)) = (&plans, &registry) {
            self.check_plans(plans, registry, schema.as_ref());
        }
        let serves = match (&gateway, &schema, &systems) {
            (Some(gateway), Some(schema), Some(systems)) => Some(self.serves(gateway, schema, systems)),
            _ => None,
        };
        // ORDER: before anything asks what a system holds.
        let parts = match (&gateway, &serves, &mut systems) {
            (Some(gateway), Some(serves), Some(systems)) => self.parts(gateway, serves, systems),
            _ => HashMap::new(),
        };
        let digest = self.raw.files.digest();
        let policies = match (&schema, &registry, &plans, &serves) {
            (Some(schema), Some(registry), Some(plans), Some(serves)) => {
                self.policies(schema, registry, plans, serves, digest)
            }
            _ => None,
        };
        // What a mapping writes by itself tells nothing, so the policy must know which leaves these are.
        let policies = match (policies, &serves, &systems) {
            (Some(policies), Some(serves), Some(systems)) => {
                self.check_founded(&policies, serves, systems, &parts);
                Some(policies.with_tags(tags(serves, systems)))
            }
            (policies, _, _) => policies,
        };
        if let (Some(policies), Some(registry)) = (&policies, &registry) {
            self.check_named(policies, registry);
        }
        let (schema, systems, serves, gateway) = (schema?, systems?, serves?, gateway?);
        let ids = self.ids(&gateway, &schema, policies.as_ref(), (&serves, &systems));
        let serving = self.serving(&gateway, &serves, &systems, (&ids, &parts));
        let collections = serves.iter().map(|(entity, _)| entity.collection.clone());
        let catalog =
            Catalog::new(collections, systems.keys().cloned()).with_services(self.services(&systems));
        let (doors, bounds) = (doors?, &gateway.bounds.value);
        Some(Snapshot {
            digest,
            content: self.raw.files.content(),
            signed: self.raw.signed.clone(),
            ids,
            serving,
            parts,
            limits: schema::query::Limits {
                limit_default: bounds.page_default,
                limit_max: bounds.page_max,
                ..schema::query::Limits::default()
            },
            listeners: doors.iter().map(listener).collect(),
            catalog,
            schema: Arc::new(schema),
            policies: Arc::new(policies?),
            plans: plans?,
            sources: sources?,
            systems,
            doors,
            settings: gateway,
        })
    }

    /// Statements that go by what no system tells, and those that let a caller choose what another system tells it.
    fn check_founded(
        &mut self,
        policies: &Policies,
        serves: &[(Arc<Entity>, Vec<SystemName>)],
        systems: &HashMap<SystemName, Served>,
        parts: &HashMap<EntityName, Arc<[Part]>>,
    ) {
        for (entity, by) in serves {
            for part in parts.get(&entity.name).into_iter().flat_map(|parts| parts.iter()) {
                self.raw.found.absorb(policies.choosing(entity, part.on, &part.system));
            }
            let of = |mapping: &Arc<mapping::Mapping>| (mapping.system().clone(), mapping.mapped());
            let told: Vec<_> = mappings(entity, by, systems).map(of).collect();
            // What one of several tells, statements go by in its own records.
            let others = told.iter().fold(FieldSet::EMPTY, |all, (_, told)| all.union(told));
            for (system, told) in &told {
                self.raw.found.absorb(policies.unfounded(entity, (told, &others), system));
            }
        }
    }

    /// Statements about principals that there are none of.
    fn check_named(&mut self, policies: &Policies, registry: &identity::PrincipalRegistry) {
        let of = |kind| registry.iter().filter(move |principal| principal.kind == kind);
        let named = |kind| of(kind).map(|principal| principal.id.as_str()).collect();
        self.raw.found.absorb(policies.strangers(named));
        for (id, place) in policies.glass() {
            let of_partner = registry.get(Kind::User, id.as_str()).and_then(|user| user.partner.as_ref());
            if let Some(partner) = of_partner {
                let message = format!("`{id}` is of the partner `{partner}`: no partner breaks the glass");
                self.raw.found.error(place, message);
            }
        }
    }

    /// Which system has which service of gRPC. One name of two systems is nobody's.
    fn services(&mut self, systems: &HashMap<SystemName, Served>) -> HashMap<Box<str>, SystemName> {
        let mut all: Vec<_> = systems.values().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let mut services = HashMap::new();
        for served in all {
            for service in served.upstream.services() {
                let name = service.value.as_str();
                if let Some(other) = services.insert(Box::from(name), served.name.clone()) {
                    let told =
                        format!("`{name}` is a service of `{other}` already: a path leads to one system");
                    self.raw.found.error(&service.place, told);
                }
            }
        }
        services
    }

    /// What callers see as ids, and whether statements name records so, and can find what others name.
    fn ids(
        &mut self,
        gateway: &GatewaySettings,
        schema: &Schema,
        policies: Option<&Policies>,
        (serves, systems): (&followed::Serves, &HashMap<SystemName, Served>),
    ) -> Ids {
        let ids = Ids::of(&gateway.ids, schema, &mut self.raw.found);
        if let Some(policies) = policies {
            self.raw.found.absorb(ids::check(policies, &ids));
            self.raw.found.absorb(followed::check(policies, serves, systems, &ids));
        }
        ids
    }

    fn schema(&mut self) -> Option<Schema> {
        let files: Vec<(Arc<str>, Node)> =
            self.raw.schema.iter().map(|sheet| (sheet.file.clone(), sheet.node.clone())).collect();
        self.took(schema::load::schema(&files))
    }

    fn principals(
        &mut self,
        gateway: Option<&GatewaySettings>,
        schema: Option<&Schema>,
    ) -> Option<identity::PrincipalRegistry> {
        let settings = gateway.map(|gateway| gateway.ids.clone()).unwrap_or_default();
        let systems: Vec<&str> = self.raw.systems.iter().map(|system| system.name.value.as_str()).collect();
        let (sheets, naming) = (&self.raw.principals, self.means.ids);
        let files = ids::named(sheets, &settings, schema, &systems, naming, &mut self.raw.found);
        self.took(identity::principals::load(&files))
    }

    fn took<T>(&mut self, loaded: Result<(T, Diagnostics), Diagnostics>) -> Option<T> {
        match loaded {
            Ok((value, warnings)) => {
                self.raw.found.absorb(warnings);
                Some(value)
            }
            Err(found) => {
                self.raw.found.absorb(found);
                None
            }
        }
    }

    fn listeners(&mut self, nodes: &[Node]) -> Option<Vec<ListenerSettings>> {
        // Every listener is read before giving up, so that all mistakes are told.
        let read: Vec<_> =
            nodes.iter().map(|node| ListenerSettings::read(node, &mut self.raw.found)).collect();
        read.into_iter().collect()
    }

    fn sources(
        &mut self,
        gateway: &GatewaySettings,
        registry: identity::PrincipalRegistry,
    ) -> Option<Arc<Sources>> {
        let mut settings = identity::Settings::read(&gateway.identity, &mut self.raw.found)?;
        settings.anchor(self.means.base);
        for ca in settings.issuers.iter().filter_map(|(_, issuer)| issuer.ca.as_ref()) {
            self.check_ca(ca);
        }
        Sources::assemble(&settings, registry, &mut self.raw.found)
    }

    /// A CA that cannot be used keeps a bundle from loading, so that it is never found out by a caller.
    fn check_ca(&mut self, ca: &Spanned<PathBuf>) {
        let Some(pem) = read_file(self.means.base, ca, &mut self.raw.found) else { return };
        if let Err(error) = TlsClient::new(&Trust { ca: Some(pem), ..Trust::default() }) {
            self.raw.found.error(&ca.place, format!("cannot use `{}`: {error}", ca.value.display()));
        }
    }

    fn check_plans(
        &mut self,
        plans: &Plans,
        registry: &identity::PrincipalRegistry,
        schema: Option<&Schema>,
    ) {
        if let Some(schema) = schema {
            self.check_budgets(plans, schema);
        }
        for (plan, place) in registry.plans() {
            if plans.plan(plan).is_none() {
                self.raw.found.push(
                    Diagnostic::error(place, format!("there is no plan `{plan}` in `limits.yaml`"))
                        .suggest(plan.as_str(), plans.iter().map(|plan| plan.name.as_str())),
                );
            }
        }
    }

    /// What a budget counts must be there, or it would never be spent.
    fn check_budgets(&mut self, plans: &Plans, schema: &Schema) {
        for budget in plans.iter().flat_map(|plan| &plan.budgets) {
            let entity = budget.counts.entity();
            if schema.entity(entity.as_str()).is_none() {
                let names = schema.entities().iter().map(|entity| entity.name.as_str());
                self.raw.found.push(
                    Diagnostic::error(&budget.place, format!("there is no entity `{entity}`"))
                        .suggest(entity.as_str(), names),
                );
            }
        }
    }

    fn systems(&mut self, schema: &Schema) -> Option<HashMap<SystemName, Served>> {
        let sheets = self.raw.systems.clone();
        let all: Vec<_> = sheets.iter().map(|sheet| self.system(sheet, schema)).collect();
        all.into_iter().map(|served| served.map(|served| (served.name.clone(), served))).collect()
    }

    /// Without a schema no mapping can be looked at, but the way to each system can: its mistakes are told too.
    fn connections(&mut self) -> Option<HashMap<SystemName, Served>> {
        for sheet in self.raw.systems.clone() {
            check_keys(&sheet.sheet.node, &mut self.raw.found);
            self.upstream(&SystemName::new(sheet.name.value.as_str()), &sheet);
        }
        None
    }

    fn system(&mut self, sheet: &SystemSheet, schema: &Schema) -> Option<Served> {
        let name = SystemName::new(sheet.name.value.as_str());
        let node = &sheet.sheet.node;
        check_keys(node, &mut self.raw.found);
        let bases = bases(node);
        let mapping = mapping::System::load(&name, node, &bases, schema, &mut self.raw.found);
        if let Some(mapping) = &mapping {
            self.raw.found.absorb(mapping.check());
        }
        let upstream = self.upstream(&name, sheet);
        Some(Served::new(name, mapping?, upstream?, node))
    }

    fn upstream(&mut self, name: &SystemName, sheet: &SystemSheet) -> Option<Arc<Upstream>> {
        let (secrets, base) = (&self.raw.secrets, self.means.base);
        let means = upstream::Means {
            secret: &|text, found| secrets.resolve(&sheet.name.value, text, found),
            file: &|path, found| read_file(base, path, found),
            own: self.means.own.into(),
            registry: self.means.registry,
            now: self.means.now,
        };
        Upstream::configure(name, &sheet.sheet.node, &means, &mut self.raw.found)
    }

    /// What other systems tell of records; the systems that serve them leave it to these.
    fn parts(
        &mut self,
        gateway: &GatewaySettings,
        serves: &[(Arc<Entity>, Vec<SystemName>)],
        systems: &mut HashMap<SystemName, Served>,
    ) -> HashMap<EntityName, Arc<[Part]>> {
        let mut all = HashMap::new();
        for (entity, by) in serves {
            let Some(serving) = gateway.serves.get(entity.collection.as_str()) else { continue };
            if serving.with.iter().next().is_none() {
                continue;
            }
            let mapping = |name: &str| systems.get(name)?.mapping.entity(entity.name.as_str()).cloned();
            for (name, _) in serving.with.iter().filter(|(name, _)| mapping(&name.value).is_none()) {
                // One that is no system is told already.
                if systems.contains_key(name.value.as_str()) {
                    let message =
                        format!("system `{}` does not map the entity `{}`", name.value, entity.name);
                    self.raw.found.push(
                        Diagnostic::error(&name.place, message)
                            .help("describe it under `entities:` of the system's file"),
                    );
                }
            }
            let mut parts = Vec::new();
            for main in by.iter().filter_map(|by| mapping(by.as_str())) {
                let mut told = Diagnostics::default();
                parts = serving::parts(entity, serving, &main, &mapping, &mut told);
                // What is wrong beside all of them is told once.
                told.0.retain(|one| !self.raw.found.0.contains(one));
                self.raw.found.absorb(told);
            }
            for by in by {
                let Some(served) = systems.get_mut(by) else { continue };
                for (part, fields) in &parts {
                    served.mapping.leave(entity.name.as_str(), fields, &part.leaves, part.on);
                }
            }
            all.insert(entity.name.clone(), parts.into_iter().map(|(part, _)| part).collect());
        }
        refs::check(&refs::Bundle { serves, parts: &all, systems }, &mut self.raw.found);
        all
    }

    /// The systems of each entity, ready to be asked.
    fn serving(
        &mut self,
        gateway: &GatewaySettings,
        serves: &[(Arc<Entity>, Vec<SystemName>)],
        systems: &HashMap<SystemName, Served>,
        (ids, parts): (&Ids, &HashMap<EntityName, Arc<[Part]>>),
    ) -> HashMap<EntityName, EntitySources> {
        let mut all = HashMap::new();
        for (entity, by) in serves {
            let names = gateway.serves.get(entity.collection.as_str()).map(|serving| &*serving.systems);
            let names = names.unwrap_or_default();
            let by = by.iter().filter_map(|by| systems.get(by));
            let source = |served: &Served| {
                let mapping = served.mapping.entity(entity.name.as_str())?.clone();
                Some(EntitySource::new(mapping, served.upstream.clone()))
            };
            let beside = parts.get(&entity.name).into_iter().flat_map(|parts| parts.iter());
            let beside = beside.filter_map(|part| {
                Some(Beside { source: source(systems.get(&part.system)?)?, part: part.clone() })
            });
            let beside = beside.collect();
            let sources = by.filter_map(|served| Some(source(served)?.with(&beside))).collect();
            let Some(sources) = sources::together(entity, sources, names, &mut self.raw.found) else {
                continue;
            };
            if let (Some(name), None, false) =
                (names.first(), sources.only(), ids.are_opaque(entity.name.as_str()))
            {
                let message =
                    format!("the keys of {} do not tell which system has the record", entity.collection);
                let help = format!("say `ids: opaque`, or name one system for `{}`", entity.collection);
                self.raw.found.push(Diagnostic::error(&name.place, message).help(help));
            }
            all.insert(entity.name.clone(), sources);
        }
        all
    }

    /// Which entity is served by which system, where both exist and fit.
    fn serves(
        &mut self,
        gateway: &GatewaySettings,
        schema: &Schema,
        systems: &HashMap<SystemName, Served>,
    ) -> Vec<(Arc<Entity>, Vec<SystemName>)> {
        let mut out = Vec::new();
        for (collection, serving) in gateway.serves.iter() {
            let Some(entity) = schema.collection(&collection.value) else {
                let names = schema.entities().iter().map(|entity| entity.collection.as_str());
                self.raw.found.push(
                    Diagnostic::error(
                        &collection.place,
                        format!("there is no collection `{}` in `schema/`", collection.value),
                    )
                    .suggest(&collection.value, names),
                );
                continue;
            };
            let mut by = Vec::new();
            for system in &serving.systems {
                let Some(served) = systems.get(system.value.as_str()) else { continue };
                if served.mapping.entity(entity.name.as_str()).is_none() {
                    self.raw.found.push(
                        Diagnostic::error(
                            &system.place,
                            format!("system `{}` does not map the entity `{}`", system.value, entity.name),
                        )
                        .help("describe it under `entities:` of the system's file"),
                    );
                    continue;
                }
                by.push(served.name.clone());
            }
            if !by.is_empty() {
                out.push((entity.clone(), by));
            }
        }
        out
    }

    fn policies(
        &mut self,
        schema: &Schema,
        registry: &identity::PrincipalRegistry,
        plans: &Plans,
        serves: &[(Arc<Entity>, Vec<SystemName>)],
        digest: Digest,
    ) -> Option<Policies> {
        let files: Vec<(Arc<str>, Arc<str>)> =
            self.raw.access.iter().map(|source| (source.path.clone(), source.text.clone())).collect();
        let plans: Vec<PlanRef> =
            plans.iter().map(|plan| PlanRef { name: plan.name.clone(), rank: plan.rank }).collect();
        let systems: Vec<SystemInfo> = self
            .raw
            .systems
            .iter()
            .map(|system| {
                let name = SystemName::new(system.name.value.as_str());
                let serves = serves.iter().filter(|(_, by)| by.contains(&name)).map(|(e, _)| e.name.clone());
                SystemInfo { serves: serves.collect(), name }
            })
            .collect();
        let given = Given {
            bundle: digest,
            schema,
            principals: &principal_types(registry.types()),
            plans: &plans,
            systems: &systems,
            hours: &self.raw.hours.clone().unwrap_or_default(),
            pseudonyms: self.means.pseudonyms,
        };
        Policies::load(&files, &given, &mut self.raw.found)
    }
}

/// How the systems of an entity map it.
pub(super) fn mappings<'s>(
    entity: &'s Entity,
    by: &'s [SystemName],
    systems: &'s HashMap<SystemName, Served>,
) -> impl Iterator<Item = &'s Arc<mapping::Mapping>> {
    by.iter().filter_map(|by| systems.get(by)?.mapping.entity(entity.name.as_str()))
}

/// What the mappings of each entity write by themselves.
fn tags(
    serves: &[(Arc<Entity>, Vec<SystemName>)],
    systems: &HashMap<SystemName, Served>,
) -> impl Iterator<Item = (EntityName, FieldSet)> {
    serves.iter().map(|(entity, by)| {
        let all = mappings(entity, by, systems);
        (entity.name.clone(), all.fold(FieldSet::EMPTY, |tags, mapping| tags.union(&mapping.tags())))
    })
}

fn listener(settings: &ListenerSettings) -> (ListenerName, Arc<Listener>) {
    let listener = Arc::new(Listener { hosts: settings.allowed_hosts(), bounds: settings.bounds.clone() });
    (settings.name.clone(), listener)
}

/// Every top-level key of a system's file belongs to the mapping, to the upstream, or names the system.
pub(super) fn check_keys(node: &Node, found: &mut Diagnostics) {
    let known = || ["system"].iter().chain(mapping::System::KEYS).chain(upstream::KEYS).copied();
    for (key, _) in node.as_map().unwrap_or_default() {
        if !known().any(|name| name == key.text) {
            found.push(
                Diagnostic::error(&key.place, format!("unknown key `{}`", key.text))
                    .suggest(&key.text, known()),
            );
        }
    }
}

/// The addresses under which a system is reached, as far as they are any; the upstream tells what is wrong.
pub(super) fn bases(node: &Node) -> Vec<url::Url> {
    let base = node.get("base");
    let texts: Vec<&str> = match base.and_then(Node::as_list) {
        Some(list) => list.iter().filter_map(Node::as_text).collect(),
        None => base.and_then(Node::as_text).into_iter().collect(),
    };
    texts.into_iter().filter_map(|text| url::Url::parse(text).ok()).collect()
}

fn read_file(base: &Path, path: &Spanned<PathBuf>, found: &mut Diagnostics) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // LIMIT: one byte more than allowed is enough to know that a file is too large.
    let read = open_file(&base.join(&path.value))
        .and_then(|file| file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes));
    let told = match read {
        Ok(size) if size as u64 <= FILE_BYTES_MAX => return Some(bytes),
        Ok(_) => format!("it is larger than {FILE_BYTES_MAX} bytes"),
        Err(error) => error.to_string(),
    };
    found.error(&path.place, format!("cannot read `{}`: {told}", path.value.display()));
    None
}

/// The principals' types as statements read them.
fn principal_types(types: &identity::PrincipalTypes) -> PrincipalTypes {
    let attribute = |(name, holds): (&Arc<str>, &identity::principals::AttributeType)| PrincipalAttribute {
        name: name.clone(),
        holds: match &holds.kind {
            identity::principals::AttributeKind::Text => AttributeType::Text,
            identity::principals::AttributeKind::Integer => AttributeType::Integer,
            identity::principals::AttributeKind::Boolean => AttributeType::Boolean,
            identity::principals::AttributeKind::Decimal => AttributeType::Decimal,
            identity::principals::AttributeKind::Texts => AttributeType::Texts,
            identity::principals::AttributeKind::Reference(entity) => {
                AttributeType::Reference(entity.clone())
            }
        },
        kinds: holds.kinds.clone(),
        required: holds.required,
    };
    PrincipalTypes {
        attributes: types.attributes().map(attribute).collect(),
        groups: types.groups().map(|(group, _)| group.clone()).collect(),
    }
}
