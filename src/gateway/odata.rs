//! The OData door: one more way to ask for a list, a record, or what may be asked for.
//!
//! The way in and out is OData's, everything between is the same as for `/v1/`: the credential, the rates, the
//! statements, the bounds, the entry in the journal. It reads only. A list that cannot be told whole is refused
//! here, because its readers load what they get as if it were all.

use std::sync::Arc;

use compact_str::CompactString;
use http::{HeaderName, HeaderValue, Method, Response, header};

use super::{
    Outcome, admit,
    documents::Describing,
    exchange::Exchange,
    expanding::{self, Expanding, PAGE_ROWS_MAX},
    listing::{self, Found, Sought},
    reading,
};
use crate::{
    answer::Answer,
    body::Body,
    catalog::{Action, NotInCatalog, Operation, RecordId},
    config::Snapshot,
    identity::{Caller, Facts},
    intake::Head,
    odata::{
        self, Described, Expandable, Fault, Flat, Frame, Navigation, Resource, Servable, Style, Unmet,
        Wanted, WantedOne,
    },
    policy::{self, Target},
    quota::{Admission, Greeted, Over},
    refusal::Refusal,
    schema::{Entity, FieldSet},
};

mod rows;

/// What a request asks this door for.
enum Asked {
    Service(Style),
    Metadata,
    List(Arc<Entity>, Style),
    Count(Arc<Entity>),
    CountRows(Arc<Entity>, Flat),
    Rows(Arc<Entity>, Flat, Style),
    One(Arc<Entity>, RecordId, Style),
    Beside(Arc<Entity>, RecordId, String, Style),
}

/// What a caller may see of an entity: one set of columns for lists and single records, as `$metadata` says.
pub(super) struct Sight {
    entity: Arc<Entity>,
    pub(super) columns: FieldSet,
    masked: FieldSet,
    pub(super) clear: FieldSet,
    /// The leaves that may link a record to others.
    linking: FieldSet,
    /// The leaves that the system does not hold: they stay in `$metadata`, so that a report outlives a change of
    /// systems, and serve no filter.
    pub(super) unheld: FieldSet,
    listed: bool,
    /// What may stand beside a record, where it was asked for.
    navigations: Vec<Navigation>,
}

/// Serves a request under `/odata/`.
pub(super) async fn serve(
    mut exchange: Box<Exchange>,
    caller: Caller,
    greeted: Greeted,
    head: Box<Head>,
) -> Response<Body> {
    let asked = match asked(&exchange.snapshot, &head) {
        Ok(asked) => asked,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    let operation = match &asked {
        Asked::Service(style) => return document(exchange, &caller, greeted, &head, Some(*style)).await,
        Asked::Metadata => return document(exchange, &caller, greeted, &head, None).await,
        Asked::List(entity, _)
        | Asked::Rows(entity, ..)
        | Asked::Count(entity)
        | Asked::CountRows(entity, _) => Operation::List(entity.clone()),
        Asked::One(entity, id, _) | Asked::Beside(entity, id, ..) => {
            Operation::Read(entity.clone(), id.clone())
        }
    };
    exchange.asked(&operation);
    let facts = caller.facts().clone();
    let admission = match admit(&mut exchange, caller, greeted, operation, &head).await {
        Ok(admission) => admission,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    exchange.standing = Some(admission.standing().clone());
    let outcome = match asked {
        Asked::List(entity, style) => match sight(&mut exchange, &facts, &head, entity).await {
            Ok(sight) => list(&mut exchange, &admission, &head, style, &sight).await,
            Err(refusal) => Err(refusal),
        },
        Asked::Rows(entity, flat, style) => match sight(&mut exchange, &facts, &head, entity).await {
            Ok(sight) => rows::list(&mut exchange, &admission, &head, style, (&sight, &flat)).await,
            Err(refusal) => Err(refusal),
        },
        Asked::One(entity, _, style) => match sight(&mut exchange, &facts, &head, entity).await {
            Ok(sight) => one(&mut exchange, &admission, &head, style, &sight).await,
            Err(refusal) => Err(refusal),
        },
        Asked::CountRows(entity, flat) => match sight(&mut exchange, &facts, &head, entity).await {
            Ok(sight) => rows::count(&mut exchange, &admission, &head, (&sight, &flat)).await,
            Err(refusal) => Err(refusal),
        },
        Asked::Count(entity) => count(&mut exchange, &admission, &head, &entity).await,
        Asked::Beside(_, _, name, style) => beside(&mut exchange, &admission, &head, style, &name).await,
        Asked::Service(_) | Asked::Metadata => Err(Refusal::Broken),
    };
    exchange.missed(&admission, &outcome);
    exchange.finish(outcome).await
}

/// What is asked for, and in which form.
fn asked(snapshot: &Snapshot, head: &Head) -> Result<Asked, Refusal> {
    let resource = Resource::parse(head.path.as_str()).ok_or(Refusal::NotInCatalog(NotInCatalog::Path))?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Refusal::NotInCatalog(NotInCatalog::Method { allow: "GET, HEAD" }));
    }
    let version = text(head, ODATA_MAX_VERSION).or_else(|| text(head, ODATA_VERSION));
    if version.is_some_and(|version| !odata::is_spoken(version)) {
        return Err(unmet(Fault::Unmet(Unmet::Unsupported("a version other than 4.0".to_owned()))));
    }
    let raw = query(head);
    let style = || Style::choose(text(head, header::ACCEPT), raw).map_err(unmet);
    let entity = |set: &str| {
        let named = |entity: &&Arc<Entity>| odata::set(entity) == set && snapshot.serving(entity).is_some();
        snapshot
            .schema
            .entities()
            .iter()
            .find(named)
            .cloned()
            .ok_or(Refusal::NotInCatalog(NotInCatalog::Path))
    };
    match resource {
        Resource::Service => {
            odata::only_format(raw).map_err(unmet)?;
            Ok(Asked::Service(style()?))
        }
        Resource::Metadata => {
            odata::only_format(raw).map_err(unmet)?;
            odata::metadata_form(text(head, header::ACCEPT), raw).map_err(unmet)?;
            Ok(Asked::Metadata)
        }
        Resource::Set(set) => match (entity(&set), rows::named(snapshot, &set)) {
            (Err(_), Some((entity, flat))) => Ok(Asked::Rows(entity, flat, style()?)),
            (entity, _) => Ok(Asked::List(entity?, style()?)),
        },
        Resource::Count(set) => match (entity(&set), rows::named(snapshot, &set)) {
            (Err(_), Some((entity, flat))) => Ok(Asked::CountRows(entity, flat)),
            (entity, _) => Ok(Asked::Count(entity?)),
        },
        Resource::One { set, key } => {
            Ok(Asked::One(entity(&set)?, RecordId(CompactString::from(key)), style()?))
        }
        Resource::Beside { set, key, name } => {
            Ok(Asked::Beside(entity(&set)?, RecordId(CompactString::from(key)), name, style()?))
        }
    }
}

async fn list(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    style: Style,
    sight: &Sight,
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let (visible, clear) = listing::sight(&snapshot, admission.prospect(), &sight.entity)?;
    let (raw, limits) = (query(head), &snapshot.limits);
    let expandable = expandable(exchange, admission, head, &clear).await?;
    // A cursor is no query of the other door's, which holds no line's end.
    let bound_to = format!("\n{}", odata::without_paging(raw));
    let now = listing::began(exchange, admission, (odata::skiptoken(raw).as_deref(), &bound_to));
    let servable = Servable { clear: &clear, unheld: &sight.unheld, now };
    let wanted =
        odata::list(&sight.entity, raw, servable, &sight.columns, &expandable, limits).map_err(unmet)?;
    let Wanted { mut query, expand, top, skip, count, cursor } = wanted;
    let expanding = Expanding::new(&expandable, expand)?;
    let preferred = odata::max_page_size(text(head, PREFER));
    let most = if expanding.is_empty() { limits.limit_max } else { limits.limit_max.min(PAGE_ROWS_MAX) };
    let page = preferred.unwrap_or(most).min(most);
    let columns = query.fields.unwrap_or(sight.columns);
    let selected = query.fields.is_some();
    query.fields = Some(columns.intersection(&visible));
    query.limit = top.and_then(|top| u32::try_from(top).ok()).unwrap_or(page).min(page);
    let found = if query.limit == 0 && !count {
        Found::default()
    } else {
        let rows = query.limit;
        let linking = expanding.linking();
        let sought = Sought {
            query,
            cursor,
            bound_to,
            skip,
            rows,
            counted: count,
            linking,
            of_rows: None,
            over: Over::Refused,
        };
        listing::find(exchange, admission, &sought).await?
    };
    let left = top.map(|top| top.saturating_sub(u64::try_from(found.shown.len()).unwrap_or(u64::MAX)));
    let next = found.next.as_deref().filter(|_| left != Some(0));
    if found.truncated && left != Some(0) {
        return Err(Refusal::Unmet(Unmet::Cut));
    }
    let root = root(exchange, head);
    let expanded = expanding.find(exchange, admission, head, &root, &found.links).await?;
    let next = next.map(|cursor| {
        let rest = odata::rest(raw, found.skip, left);
        let mark = if rest.is_empty() { "" } else { "&" };
        format!("{root}{}?{rest}{mark}$skiptoken={cursor}", odata::set(&sight.entity))
    });
    let frame = Frame { style, root: &root, columns: &columns, selected };
    let answer = Answer::table(&frame, &sight.entity, &found.shown, &expanded, found.count, next.as_deref());
    Ok(match preferred.and_then(|_| HeaderValue::try_from(format!("odata.maxpagesize={page}")).ok()) {
        Some(applied) => answer.with(PREFERENCE_APPLIED, applied),
        None => answer,
    })
}

async fn count(exchange: &mut Exchange, admission: &Admission, head: &Head, entity: &Entity) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let (_, clear) = listing::sight(&snapshot, admission.prospect(), entity)?;
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let unheld = entity.all().minus(&sources.mapped());
    let servable = Servable { clear: &clear, unheld: &unheld, now: exchange.opened.wall };
    let filter = odata::count(entity, query(head), servable, &snapshot.limits).map_err(unmet)?;
    let count = listing::count(exchange, admission, filter, None).await?;
    Ok(Answer::count(admission, count))
}

async fn one(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    style: Style,
    sight: &Sight,
) -> Outcome {
    let (prospect, snapshot) = (admission.prospect(), exchange.snapshot.clone());
    let linking = linking(&snapshot, admission)?;
    let expandable = expandable(exchange, admission, head, &linking).await?;
    let wanted = odata::one(
        &sight.entity,
        query(head),
        &sight.columns,
        &expandable,
        exchange.opened.wall,
        &snapshot.limits,
    );
    let WantedOne { fields, expand } = wanted.map_err(unmet)?;
    let expanding = Expanding::new(&expandable, expand)?;
    let wanted = fields.map(|fields| fields.intersection(&prospect.visible()));
    let (shown, links) = reading::one(exchange, admission, wanted, &expanding.linking()).await?;
    let (core, root) = (exchange.core.clone(), root(exchange, head));
    let links = std::slice::from_ref(&links);
    let expanded = expanding.find(exchange, admission, head, &root, links).await?;
    let columns = fields.unwrap_or(sight.columns);
    let frame = Frame { style, root: &root, columns: &columns, selected: fields.is_some() };
    let tag = fields.is_none().then(|| (&core.gate.tags, &prospect.caller().facts().digest));
    Ok(Answer::row(&frame, &shown, &expanded, tag))
}

/// What stands beside a record, by itself.
async fn beside(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    style: Style,
    name: &str,
) -> Outcome {
    let (prospect, snapshot) = (admission.prospect(), exchange.snapshot.clone());
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    let linking = linking(&snapshot, admission)?;
    let facts = prospect.caller().facts();
    let expandable = expanding::expandable(exchange, facts, head, entity, linking).await?;
    let wanted = odata::beside(name, query(head), &expandable, exchange.opened.wall, &snapshot.limits)
        .map_err(unmet)?;
    let wanted = wanted.ok_or(Refusal::NotInCatalog(NotInCatalog::Path))?;
    let expanding = Expanding::new(&expandable, vec![wanted])?;
    let (_, links) = reading::one(exchange, admission, Some(FieldSet::EMPTY), &expanding.linking()).await?;
    let root = root(exchange, head);
    let links = std::slice::from_ref(&links);
    let expanded = expanding.find(exchange, admission, head, &root, links).await?;
    Ok(Answer::alone(style, &root, expanded.first().ok_or(Refusal::Broken)?))
}

/// The leaves that may link the one record that is read to others.
fn linking(snapshot: &Snapshot, admission: &Admission) -> Result<FieldSet, Refusal> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    Ok(sources.telling(&prospect.clear()))
}

/// The service document in a style, or `$metadata`.
async fn document(
    mut exchange: Box<Exchange>,
    caller: &Caller,
    greeted: Greeted,
    head: &Head,
    style: Option<Style>,
) -> Response<Body> {
    let describing = Describing::of(&mut exchange, caller.facts(), head);
    let root = root(&exchange, head);
    // The first time, statements are specialised for every entity there is.
    let written = move || {
        let entities = describing.snapshot.schema.entities().iter();
        let mut sights: Vec<Sight> = entities.filter_map(|entity| seen(&describing, entity)).collect();
        match style {
            Some(style) => {
                let listed = sights.iter().filter(|sight| sight.listed);
                let sets: Vec<String> = listed.map(|sight| odata::set(&sight.entity)).collect();
                let flats = rows::seen(&sights);
                let sets: Vec<String> = sets.into_iter().chain(flats).collect();
                (odata::service(style, &root, &sets), style.content_type())
            }
            None => {
                for Sight { entity, linking, navigations, .. } in &mut sights {
                    *navigations = expanding::navigations(&describing, entity, linking);
                }
                let described: Vec<Described<'_>> = sights.iter().map(Sight::described).collect();
                (odata::metadata(&described).into_bytes(), "application/xml")
            }
        }
    };
    let written = exchange.core.aside(written).await;
    let outcome = written
        .map(|(document, kind)| Answer::odata_document(greeted, document, kind))
        .ok_or(Refusal::Broken);
    exchange.finish(outcome).await
}

/// What may be expanded beside records of which the caller sees the leaves `own` unmasked; nothing where nothing of it
/// is named.
async fn expandable(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    own: &FieldSet,
) -> Result<Vec<Expandable>, Refusal> {
    let entity = admission.prospect().operation().entity().ok_or(Refusal::Broken)?;
    if !odata::has_navigation(entity, query(head)) {
        return Ok(Vec::new());
    }
    let facts = admission.prospect().caller().facts();
    expanding::expandable(exchange, facts, head, entity, *own).await
}

/// What the caller may see of an entity it was let in for.
async fn sight(
    exchange: &mut Exchange,
    facts: &Arc<Facts>,
    head: &Head,
    entity: Arc<Entity>,
) -> Result<Sight, Refusal> {
    let describing = Describing::of(exchange, facts, head);
    let (policies, memo) = (&exchange.snapshot.policies, &exchange.core.memo);
    let none = || RecordId(CompactString::default());
    let is_at_hand = |operation| policy::is_at_hand(policies, memo, facts, &operation);
    let sight = if is_at_hand(Operation::List(entity.clone()))
        && is_at_hand(Operation::Read(entity.clone(), none()))
    {
        seen(&describing, &entity)
    } else {
        exchange.core.aside(move || seen(&describing, &entity)).await.flatten()
    };
    sight.ok_or(Refusal::Broken)
}

/// What the caller may see of an entity, by list or by id; none where by neither.
pub(super) fn seen(describing: &Describing, entity: &Arc<Entity>) -> Option<Sight> {
    let sources = describing.snapshot.serving(entity)?;
    let by = |action| {
        let outlook = sources.can(action).then(|| describing.outlook(action, Target::Entity(entity.clone())));
        outlook.flatten().map(|outlook| (outlook.visible(), outlook.clear()))
    };
    let (list, read) = (by(Action::List), by(Action::Read));
    let all = [list, read].into_iter().flatten();
    let (columns, masked) = all.fold((FieldSet::EMPTY, FieldSet::EMPTY), |told, (visible, clear)| {
        (told.0.union(&visible), told.1.union(&visible.minus(&clear)))
    });
    let telling = |(_, clear): (FieldSet, FieldSet)| sources.telling(&clear);
    let clear = list.map_or(FieldSet::EMPTY, telling);
    (list.is_some() || read.is_some()).then(|| Sight {
        entity: entity.clone(),
        columns,
        masked,
        clear,
        linking: list.or(read).map_or(FieldSet::EMPTY, telling),
        unheld: entity.all().minus(&sources.mapped()),
        listed: list.is_some(),
        navigations: Vec::new(),
    })
}

impl Sight {
    fn described(&self) -> Described<'_> {
        let Self { entity, columns, masked, clear, unheld, navigations, listed, .. } = self;
        let clear = clear.minus(unheld);
        Described { entity, columns: *columns, masked: *masked, clear, listed: *listed, navigations }
    }
}

/// The address of the service document on the host that the caller used. Where no TLS ends here, a proxy that ends
/// it says so; this goes into nobody's answer but the caller's own.
fn root(exchange: &Exchange, head: &Head) -> String {
    let secure = exchange.channel.tls.is_some()
        || text(head, X_FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let scheme = if secure { "https" } else { "http" };
    let port = head.host.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}/", head.host.name(), odata::PREFIX)
}

fn unmet(fault: Fault) -> Refusal {
    match fault {
        Fault::Query(faults) => Refusal::Query(faults),
        Fault::Unmet(unmet) => Refusal::Unmet(unmet),
    }
}

fn query(head: &Head) -> &str {
    head.query.as_deref().unwrap_or_default()
}

fn text(head: &Head, name: HeaderName) -> Option<&str> {
    head.headers.get(name)?.to_str().ok()
}

const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
const ODATA_MAX_VERSION: HeaderName = HeaderName::from_static("odata-maxversion");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
