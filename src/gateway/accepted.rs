//! A write that a system accepted and did not finish: kept for whoever made it, and asked for until it has ended.
//!
//! The answer to it is `202` with a `Location` under the collection. Who asks there, or sends the write again under its
//! `Idempotency-Key`, has the system asked what became of it, and is told: accepted still, the record, or why it was
//! refused. Nothing is sent a second time. What is kept is this principal's alone, sealed, bounded in number and age, and
//! outlives the process; a record that came of it is shown as any read of it would be.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use compact_str::CompactString;
use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Outcome,
    after::{Left, after, read_back},
    exchange::Exchange,
    gate::Core,
    once,
    reading::judged,
    sending::told_to_operator,
};
use crate::{
    answer::Answer,
    catalog::{Action, Operation},
    clock,
    config::EntitySource,
    idempotency::{AcceptedId, Claim, Ended, Fault, Kept, Terms},
    identity::Facts,
    intake::Head,
    mapping::{Mapping, NativeAnswer},
    quota::Admission,
    refusal::Refusal,
    schema::{FieldSet, Record, query},
    store::RepeatsMax,
    upstream::{Keeps, Unfinished, UpstreamError},
    words::{EntityName, RequestId, SystemName},
};

/// What is kept of one.
struct State {
    system: CompactString,
    so_far: SoFar,
}

/// What is known of what became of it.
enum SoFar {
    /// The system has not said.
    UnderWay(Box<Unfinished>),
    /// The system will not say: the record is looked for by this.
    Sought(Vec<(String, String)>),
    /// It was found, by this key.
    Found(CompactString),
    /// It has said this.
    Ended(NativeAnswer),
}

/// Keeps what it takes to ask what became of a write. The write is done: that it cannot be kept makes no failure of it.
pub(super) async fn keep(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    new: Option<&Record>,
) -> Option<AcceptedId> {
    let (early, left) = (exchange.early.take(), exchange.unfinished.take());
    if let Some(id) = early {
        exchange.entry.note("accepted_as", id);
        once::accepted(exchange, id);
        return Some(id);
    }
    let so_far = match left {
        Some(left) => SoFar::UnderWay(left),
        None => SoFar::Sought(source.mapping.sought(new?)?),
    };
    let core = exchange.core.clone();
    let whose = admission.prospect().caller().facts();
    let entity = source.mapping.entity().name.clone();
    let state = State { system: source.name().as_str().into(), so_far };
    let (terms, now) = (terms(exchange), exchange.opened.wall);
    let kept =
        core.gate.idempotency.keep_accepted((whose, entity.as_str()), state.to_bytes(), &terms, now).await;
    match kept {
        Ok(Some(id)) => {
            exchange.entry.note("accepted_as", id);
            once::accepted(exchange, id);
            Some(id)
        }
        Ok(None) => {
            exchange.entry.note("accepted_unkept", "no_room");
            None
        }
        Err(fault) => {
            let request = exchange.entry.request();
            tracing::error!(%request, cause = %fault, "an accepted write cannot be asked for");
            exchange.entry.note("accepted_unkept", "store");
            None
        }
    }
}

/// Keeps what it takes to ask what became of a write as soon as the system has it, and before it is asked: a gate that is
/// killed while it asks finds it again by the write's key.
#[derive(Debug)]
pub(super) struct Early {
    core: Arc<Core>,
    whose: Arc<Facts>,
    entity: EntityName,
    system: CompactString,
    claim: Option<Claim>,
    terms: Terms,
    now: Timestamp,
    request: RequestId,
    id: OnceLock<AcceptedId>,
}

impl Early {
    pub(super) fn of(exchange: &Exchange, admission: &Admission, source: &EntitySource) -> Self {
        Self {
            core: exchange.core.clone(),
            whose: admission.prospect().caller().facts().clone(),
            entity: source.mapping.entity().name.clone(),
            system: source.name().as_str().into(),
            claim: once::begun(exchange),
            terms: terms(exchange),
            now: exchange.opened.wall,
            request: exchange.entry.request(),
            id: OnceLock::new(),
        }
    }

    async fn take(&self, left: Unfinished) -> Result<(), Fault> {
        let Self { core, whose, entity, claim, terms, now, .. } = self;
        let state = State { system: self.system.clone(), so_far: SoFar::UnderWay(Box::new(left)) };
        let idempotency = &core.gate.idempotency;
        let kept = idempotency.keep_accepted((whose, entity.as_str()), state.to_bytes(), terms, *now).await?;
        let Some(id) = kept else { return Ok(()) };
        let id = *self.id.get_or_init(|| id);
        let Some(claim) = claim else { return Ok(()) };
        // It is settled once more when the write comes to its end here.
        let status = StatusCode::ACCEPTED.as_u16();
        let kept = Kept { status, accepted: Some(id.to_string()), ..Kept::default() };
        idempotency.settle(claim, Ended::Done(&kept)).await
    }

    /// What the write is asked for by, where it is accepted and no more. One that came to its end is kept as it ended: whoever
    /// sent it again meanwhile may have been told where to ask.
    pub(super) async fn went(&self, answer: &NativeAnswer) -> Option<AcceptedId> {
        let id = *self.id.get()?;
        if answer.status == StatusCode::ACCEPTED {
            return Some(id);
        }
        let state = State { system: self.system.clone(), so_far: SoFar::Ended(answer.clone()) };
        let whose = (&*self.whose, self.entity.as_str());
        if let Err(fault) = self.core.gate.idempotency.end_accepted(whose, id, state.to_bytes()).await {
            tracing::error!(request = %self.request, cause = %fault, "what became of a write is asked for again");
        }
        None
    }
}

impl Keeps for Early {
    fn keep(&self, left: Unfinished) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Err(fault) = self.take(left).await {
                tracing::error!(request = %self.request, cause = %fault, "a write under way would not be found again");
            }
        })
    }
}

/// The answer to a write that is accepted and not finished, at a path where it can be asked for.
pub(super) fn told(location: &str) -> Answer {
    let answer = Answer::accepted().with(header::RETRY_AFTER, HeaderValue::from(AGAIN_AFTER_SECONDS));
    match HeaderValue::try_from(location) {
        Ok(location) => answer.with(header::LOCATION, location),
        Err(_) => answer,
    }
}

const AGAIN_AFTER_SECONDS: u64 = 10;

/// What became of a write, for who made it and asks by the id that it was accepted under; none where the id is of
/// another form. One that is not this caller's, or has come to its end, is not there.
pub(super) async fn read(exchange: &mut Exchange, admission: &Admission, head: &Head) -> Option<Outcome> {
    let prospect = admission.prospect();
    let Operation::Read(entity, id) = prospect.operation() else { return None };
    let id: AcceptedId = id.0.parse().ok()?;
    let pairs = query::pairs(head.query.as_deref().unwrap_or_default());
    let wanted = match query::read_fields(entity, pairs, &prospect.visible()) {
        Ok(wanted) => wanted,
        Err(faults) => return Some(Err(Refusal::Query(faults))),
    };
    Some(match left(exchange, admission, id).await {
        Ok(Asked::Unknown) => Err(Refusal::NoSuchRecord),
        // What is made and cannot be read back now will be.
        Ok(Asked::UnderWay | Asked::Ended(_, Left::Unseen(_))) => Ok(told(head.path.as_str())),
        Ok(Asked::Ended(_, Left::Whole(record, id) | Left::Part(record, id))) => {
            let shown = judged(exchange, admission, record, &id, wanted.as_ref()).await;
            shown.map(|shown| Answer::one(StatusCode::OK, &shown, None))
        }
        Err(refusal) => Err(refusal),
    })
}

/// The answer to a write that was accepted and is sent again; what is kept, where nothing is known of it any
/// more.
pub(super) async fn again(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    mut kept: Kept,
    wanted: Option<FieldSet>,
) -> Result<Outcome, Kept> {
    let Some(id) = kept.accepted.as_deref().and_then(|id| id.parse::<AcceptedId>().ok()) else {
        return Err(kept);
    };
    Ok(match left(exchange, admission, id).await {
        Ok(Asked::Unknown) => return Err(kept),
        Ok(Asked::UnderWay) => Ok(once::replayed(told(&format!("{}/{id}", head.path.as_str())))),
        Ok(Asked::Ended(source, left)) => {
            kept.status = StatusCode::CREATED.as_u16();
            once::take_down(&mut kept, admission.prospect(), &source.mapping, &left);
            kept.is_id_shown = true;
            Ok(once::again(exchange, admission, head, kept, wanted).await)
        }
        Err(refusal) => Err(refusal),
    })
}

/// What asking came to.
enum Asked {
    /// Nothing is kept under this id for this caller.
    Unknown,
    /// The system has not said what became of it.
    UnderWay,
    /// It is made, in this system.
    Ended(Box<EntitySource>, Left),
}

/// Asks the system, unless it has said what became of it. A refusal says why nothing did.
async fn left(exchange: &mut Exchange, admission: &Admission, id: AcceptedId) -> Result<Asked, Refusal> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?.clone();
    let (core, snapshot) = (exchange.core.clone(), exchange.snapshot.clone());
    let whose = (&**prospect.caller().facts(), entity.name.as_str());
    let kept = core.gate.idempotency.accepted(whose, id, exchange.opened.wall).await;
    let Some(kept) = kept.map_err(Refusal::Idempotency)? else { return Ok(Asked::Unknown) };
    exchange.entry.note("accepted_as", id);
    let State { system, so_far } = State::of_bytes(&kept).ok_or(Refusal::Broken)?;
    let sources = snapshot.serving(&entity).map(|sources| sources.all()).unwrap_or_default();
    let Some(source) = sources.iter().find(|source| source.name().as_str() == system) else {
        // Another system serves the collection by now.
        let system = SystemName::from(system.as_str());
        return Err(Refusal::Upstream(system, Box::new(UpstreamError::Superseded)));
    };
    let ended = match so_far {
        SoFar::Ended(_) | SoFar::Found(_) => Some(so_far),
        SoFar::UnderWay(unfinished) => {
            asked(exchange, admission, source, &unfinished).await?.map(SoFar::Ended)
        }
        SoFar::Sought(sought) => spotted(exchange, admission, source, &sought).await?.map(SoFar::Found),
    };
    let Some(so_far) = ended else {
        exchange.entry.note("accepted_went", "under_way");
        return Ok(Asked::UnderWay);
    };
    let state = State { system, so_far };
    if let Err(fault) = core.gate.idempotency.end_accepted(whose, id, state.to_bytes()).await {
        let request = exchange.entry.request();
        tracing::error!(%request, cause = %fault, "what became of a write is asked for again");
    }
    let left = match state.so_far {
        SoFar::Ended(answer) => went(exchange, admission, source, &answer).await?,
        SoFar::Found(key) => read_back(exchange, admission, source, key, None).await,
        SoFar::UnderWay(_) | SoFar::Sought(_) => Left::Unseen(None),
    };
    exchange.entry.note("accepted_went", "made");
    Ok(Asked::Ended(Box::new(source.clone()), left))
}

/// What is left behind by a write of which the system says this.
async fn went(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    answer: &NativeAnswer,
) -> Result<Left, Refusal> {
    let mapping = &source.mapping;
    if let Err(fault) = mapping.deleted(answer) {
        exchange.entry.note("accepted_went", "refused");
        let said = mapping.unquoted(&fault, &[]);
        let refusal = exchange.change_refused_by(admission.prospect(), source.name(), fault);
        told_to_operator(exchange, mapping, (&refusal, answer.status), &said);
        return Err(refusal);
    }
    Ok(after(exchange, admission, source, (Action::Create, None), answer).await)
}

/// The key of a record that was accepted without one; none where it does not stand in its list.
async fn spotted(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    sought: &[(String, String)],
) -> Result<Option<CompactString>, Refusal> {
    let (mapping, receipt) = (&source.mapping, exchange.entry.fetch(admission));
    let Some((listing, wanted, filter)) = mapping.seeking(sought) else {
        return Err(Refusal::Upstream(source.name().clone(), Box::new(UpstreamError::Superseded)));
    };
    let request = exchange.traced(listing.request.clone());
    let (core, began, sent) = (exchange.core.clone(), clock::now(), request.body.len());
    let answer = match source.upstream.fetch(&core.pools, &receipt, request, exchange.deadline()).await {
        Ok(answer) => answer,
        Err(error) => {
            exchange.called(source.name(), None, began, sent, 0);
            return Err(exchange.unreached(source.name(), error));
        }
    };
    exchange.called(source.name(), Some(answer.status.as_u16()), began, sent, answer.body.len());
    let page = core.inward(mapping, &listing, (&answer, &wanted), Mapping::inward_list).await;
    let page = page.ok_or(Refusal::Broken)?.map_err(|fault| exchange.refused_by(source.name(), fault))?;
    Ok(mapping.spotted(&page, &filter))
}

/// What the system says became of it; none where it does not say.
async fn asked(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    unfinished: &Unfinished,
) -> Result<Option<NativeAnswer>, Refusal> {
    let receipt = exchange.entry.fetch(admission);
    let (core, began) = (exchange.core.clone(), clock::now());
    let told = source.upstream.follow(&core.pools, &receipt, unfinished, exchange.deadline()).await;
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            exchange.called(source.name(), None, began, 0, 0);
            return Err(exchange.unreached(source.name(), error));
        }
    };
    exchange.strayed(source.name(), &told.strayed);
    let status = Some(told.answer.status.as_u16());
    exchange.called(source.name(), status, began, 0, told.answer.body.len());
    Ok(told.unfinished.is_none().then_some(told.answer))
}

fn terms(exchange: &Exchange) -> Terms {
    let bounds = &exchange.snapshot.settings.bounds.value;
    Terms {
        most: RepeatsMax { per_principal: bounds.accepted_per_principal_max, all: bounds.accepted_max },
        kept: bounds.accepted_kept.0,
        running: exchange.time_max(),
    }
}

impl State {
    fn to_bytes(&self) -> Vec<u8> {
        let system = self.system.as_str();
        let told = match &self.so_far {
            SoFar::UnderWay(left) => {
                json!({ "system": system, "left": BASE64.encode(&left.to_bytes()) })
            }
            SoFar::Sought(sought) => json!({ "system": system, "sought": sought }),
            SoFar::Found(key) => json!({ "system": system, "found": key.as_str() }),
            SoFar::Ended(NativeAnswer { status, headers, body, .. }) => {
                let fields: Vec<_> = headers
                    .iter()
                    .map(|(name, value)| [name.as_str().to_owned(), BASE64.encode(value.as_bytes())])
                    .collect();
                let body = BASE64.encode(body);
                json!({ "system": system, "status": status.as_u16(), "fields": fields, "body": body })
            }
        };
        told.to_string().into_bytes()
    }

    /// What was kept; none where it is not as it was written.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Value = serde_json::from_slice(bytes).ok()?;
        let decoded = |value: &Value| BASE64.decode(value.as_str()?.as_bytes()).ok();
        let so_far = if let Some(left) = kept.get("left") {
            SoFar::UnderWay(Box::new(Unfinished::of_bytes(&decoded(left)?)?))
        } else if let Some(sought) = kept.get("sought") {
            SoFar::Sought(serde_json::from_value(sought.clone()).ok()?)
        } else if let Some(key) = kept.get("found") {
            SoFar::Found(key.as_str()?.into())
        } else {
            SoFar::Ended(answered(&kept)?)
        };
        Some(Self { system: kept.get("system")?.as_str()?.into(), so_far })
    }
}

/// The answer that was kept.
fn answered(kept: &Value) -> Option<NativeAnswer> {
    let decoded = |value: &Value| BASE64.decode(value.as_str()?.as_bytes()).ok();
    let mut headers = HeaderMap::new();
    for field in kept.get("fields")?.as_array()? {
        let [name, value] = field.as_array()?.as_slice() else { return None };
        let name = HeaderName::try_from(name.as_str()?).ok()?;
        let mut value = HeaderValue::try_from(decoded(value)?).ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    let status = kept.get("status")?.as_u64().and_then(|status| u16::try_from(status).ok())?;
    Some(NativeAnswer {
        status: StatusCode::from_u16(status).ok()?,
        headers,
        body: Bytes::from(decoded(kept.get("body")?)?),
        received: None,
        over: None,
    })
}
