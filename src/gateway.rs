//! The story: [`serve`] takes one exchange from its head to its answer, in the order of the journey.
//!
//! The order is the promise. A head is read before anything else, an address is charged before a credential
//! is looked at, a caller is charged before it is known what it wants, no statement that could permit means
//! no I/O, plans are charged before a system is asked, and the entry is in the journal before the answer's
//! head leaves. Each step takes the proof of the last one by value: leaving one out does not compile. One
//! snapshot of the bundle is held from the first check to the last entry.

mod accepted;
mod actions;
mod after;
mod alerting;
mod also;
mod bodies;
mod calling;
mod checking;
mod documents;
mod elsewhere;
mod exchange;
mod existing;
mod expanding;
mod exposing;
mod feeding;
mod finding;
mod gate;
mod glass;
mod ids;
mod including;
mod joined;
mod keep;
mod known;
mod lagging;
mod listing;
mod locks;
mod observe;
mod odata;
mod once;
mod over;
mod parts;
mod reading;
mod retaining;
mod run;
mod seen;
mod sending;
mod shadowing;
mod streamed;
mod tables;
mod taking;
mod wanted;
mod whole;
mod wrapping;
mod writing;

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use http::{HeaderName, Method, Request, Response, Version, header};

pub use gate::{Addresses, Core, Gate};
pub(crate) use keep::keep_heads;
pub use keep::{ReloadError, reload};
pub use run::{AdminServer, Options, Ready, RunError, run};

use self::exchange::Exchange;
use crate::{
    answer::Answer,
    body::Body,
    catalog::{Asked, Operation},
    identity::{self, Caller, Recall},
    intake::{self, Head},
    odata::Resource,
    policy::{self, Context, Prospect},
    quota::{Admission, Greeted, Stranger},
    refusal::{Form, Refusal},
    wire,
    words::Channel,
};

/// One exchange. It cannot fail: whatever happens beneath it, there is an answer and an entry.
///
/// The request comes in a box: each future that takes it by value has two places for it.
pub async fn serve(core: Arc<Core>, request: Box<Request<Body>>, channel: Arc<Channel>) -> Response<Body> {
    let mut exchange = Exchange::open(core.clone(), channel);
    let (request_id, opened) = (exchange.entry.request(), exchange.opened);
    let entry = exchange.entry.abandoned_handle();
    let is_head = request.method() == Method::HEAD;
    // Polled where it stands: a wrapper that takes a future of this size by value copies it for every request.
    let mut story = pin!(story(exchange, request));
    let told = poll_fn(|context| {
        // A panic drops the entry, which is handed over.
        match catch_unwind(AssertUnwindSafe(|| story.as_mut().poll(context))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    let response = match (told.await, entry.take()) {
        (Some(response), None) => response,
        (_, entry) => exchange::broke(&core, entry, request_id, opened).await,
    };
    if is_head { exchange::head_only(response) } else { response }
}

/// From the head to the operation; what an operation does is told by its own file. Roads that are long or
/// seldom taken are boxed, so that the short one stays small. What is large is pinned: `await` would move it first.
async fn story(mut exchange: Box<Exchange>, mut request: Box<Request<Body>>) -> Response<Body> {
    let upgrade = exchange::on_upgrade(&mut request);
    let (parts, unread) = (*request).into_parts();
    let (mut head, stranger) = match head(&mut exchange, parts) {
        Ok(read) => read,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    if head.path.as_str() == documents::JWKS && head.method.is_safe() {
        // Public keys are public: whoever verifies our tokens has none of them.
        return Box::pin(documents::jwks(exchange, stranger)).await;
    }
    if exchange.form == Form::OData {
        identity::basic_as_bearer(&mut head.headers);
    }
    let (caller, greeted) = match greet(&mut exchange, stranger, &head).await {
        Ok(greeted) => greeted,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    if exchange.form == Form::OData {
        return Box::pin(odata::serve(exchange, caller, greeted, head)).await;
    }
    let operation = match asked(&mut exchange, &head) {
        Ok(Asked::Operation(operation)) => operation,
        Ok(Asked::OpenApi) => {
            return Box::pin(documents::openapi(exchange, &caller, greeted, &head)).await;
        }
        Ok(Asked::Jwks) => return exchange.refuse(&Refusal::Broken).await,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    let admitted = pin!(admit(&mut exchange, caller, greeted, operation, &head)).await;
    let admission = match admitted {
        Ok(admission) => admission,
        Err(refusal) => return exchange.refuse(&refusal).await,
    };
    exchange.standing = Some(admission.standing().clone());
    let outcome = match admission.prospect().operation() {
        Operation::Read(..) => {
            let outcome = Box::pin(reading::read(&mut exchange, &admission, &head)).await;
            exchange.missed(&admission, &outcome);
            outcome
        }
        Operation::List(_) => Box::pin(listing::list(&mut exchange, &admission, &head)).await,
        Operation::Create(_) | Operation::Update(..) | Operation::Delete(..) => {
            return Box::pin(writing::write(exchange, admission, head, unread)).await;
        }
        Operation::Call(_) if head.method.is_safe() => {
            return pin!(calling::passed(exchange, admission, head, unread, upgrade)).await;
        }
        Operation::Call(_) => {
            return Box::pin(calling::to_its_end(exchange, admission, head, unread)).await;
        }
    };
    exchange.finish(outcome).await
}

/// Charges the address and reads the head. The body is not polled: a refusal never sends `100 Continue`.
fn head(exchange: &mut Exchange, parts: http::request::Parts) -> Result<(Box<Head>, Stranger), Refusal> {
    let plans = &exchange.snapshot.plans;
    let charged = exchange.core.gate.quota.address(plans, exchange.channel.address, exchange.opened);
    let method = parts.method.clone();
    // ORDER: before the head is looked at, so that a head that is refused is refused in the door's own form.
    let is_grpc = parts.version == Version::HTTP_2 && wire::is_grpc(&parts.headers);
    exchange.form = form(parts.uri.path(), is_grpc);
    let listener = exchange.listener()?;
    let head = intake::head(parts, &listener.hosts, &listener.bounds.head());
    let head = head.map(Box::new).map_err(Refusal::Head);
    match &head {
        Ok(head) => {
            exchange.form = form(head.path.as_str(), is_grpc);
            exchange.entry.head(&method, head.path.as_str());
            exchange.traceparent = head.headers.get(TRACEPARENT).cloned();
        }
        Err(_) => exchange.entry.head(&method, ""),
    }
    let stranger = charged.map_err(|limited| Refusal::Limited(Box::new(limited)))?;
    Ok((head?, stranger))
}

/// In which form the door under a path tells refusals to whoever speaks so.
fn form(path: &str, is_grpc: bool) -> Form {
    match is_grpc {
        _ if Resource::is_ours(path) => Form::OData,
        true => Form::Grpc,
        false => Form::Problem,
    }
}

/// Who asks: remembered credentials need no await. Then the caller's own rate is charged, so that tries that
/// are denied later are charged too.
async fn greet(
    exchange: &mut Exchange,
    stranger: Stranger,
    head: &Head,
) -> Result<(Caller, Greeted), Refusal> {
    let Exchange { core, snapshot, channel, opened, entry, .. } = exchange;
    let (gate, now) = (&core.gate, *opened);
    let caller = match gate.identity.recall(&snapshot.sources, &head.headers, channel, now) {
        Recall::Known(caller) => caller,
        Recall::Unidentified(why) => return Err(Refusal::Unidentified(why)),
        Recall::Verify(pending) => {
            Box::pin(gate.identity.verify(pending, &*gate.tokens, &*gate.issuers, now))
                .await
                .map_err(Refusal::Unidentified)?
        }
    };
    entry.caller(caller.facts());
    gate.quota
        .greet(&snapshot.plans, stranger, caller, channel.address, now)
        .map_err(|limited| Refusal::Limited(Box::new(limited)))
}

/// Which operation is asked for.
fn asked(exchange: &mut Exchange, head: &Head) -> Result<Asked, Refusal> {
    let snapshot = &exchange.snapshot;
    let asked = snapshot
        .catalog
        .ask(&snapshot.schema, &head.method, head.path.as_str(), head.query.as_deref())
        .map_err(Refusal::NotInCatalog)?;
    if let Asked::Operation(operation) = &asked {
        exchange.asked(operation);
    }
    Ok(asked)
}

/// Whether any statement can still permit it, and whether the plans of those that can have room. No I/O so far, but
/// that a glass is broken.
async fn admit(
    exchange: &mut Exchange,
    caller: Caller,
    greeted: Greeted,
    operation: Operation,
    head: &Head,
) -> Result<Box<Admission>, Refusal> {
    let prospect = foresee(exchange, caller, operation, head).await?;
    let Exchange { core, snapshot, channel, opened, .. } = exchange;
    pin!(core.gate.quota.admit(&snapshot.plans, greeted, prospect, channel.address, *opened))
        .await
        .map(Box::new)
        .map_err(|limited| Refusal::Limited(Box::new(limited)))
}

/// Whether any statement can still permit it.
async fn foresee(
    exchange: &mut Exchange,
    caller: Caller,
    operation: Operation,
    head: &Head,
) -> Result<Prospect, Refusal> {
    // Nothing is asked of a system that could not be written down afterwards.
    exchange.entry.ready().map_err(Refusal::Journal)?;
    let is_broken = match head.headers.contains_key(&glass::BREAK_GLASS) {
        true => Box::pin(glass::is_broken(exchange, &caller, head)).await,
        false => false,
    };
    let context = context(exchange, head).with_glass(is_broken);
    let Exchange { core, snapshot, .. } = &*exchange;
    let prospect = if policy::is_at_hand(&snapshot.policies, &core.memo, caller.facts(), &operation) {
        policy::prospect(&snapshot.policies, &core.memo, caller, operation, context)
    } else {
        // A first specialisation takes about a millisecond.
        let (beside, policies) = (core.clone(), snapshot.policies.clone());
        let first = move || policy::prospect(&policies, &beside.memo, caller, operation, context);
        Box::pin(core.aside(first)).await.ok_or(Refusal::Broken)?
    };
    let prospect = prospect.map_err(|denied| exchange.denied(denied))?;
    exchange.entry.foreseen(&prospect);
    Ok(prospect)
}

/// What statements may read of the request: what the connection proved, and what its head claims. What is claimed
/// belongs to the entry of every decision, refusals too: why it is asked for always, the rest where statements go by
/// it.
fn context(exchange: &mut Exchange, head: &Head) -> Context {
    exchange.entry.replayable();
    let purpose = claimed(head, PURPOSE);
    if let Some(purpose) = purpose {
        exchange.entry.context("context.claimed.purpose", purpose);
    }
    let agent =
        if exchange.snapshot.policies.reads_claims() { claimed(head, header::USER_AGENT) } else { None };
    if let Some(agent) = agent {
        exchange.entry.context("context.claimed.user_agent", agent);
    }
    let (channel, time) = (&exchange.channel, exchange.opened.wall);
    let bytes = match head.body {
        intake::Announced::Length(bytes) => Some(bytes),
        intake::Announced::Nothing if head.version < Version::HTTP_2 => Some(0),
        // Over HTTP/2 a body may follow that nothing announces.
        intake::Announced::Nothing | intake::Announced::Chunked => None,
    };
    let claims = (purpose.map(Arc::from), agent.map(Arc::from));
    let hours = exchange.snapshot.policies.hours();
    Context::new(channel, (time, hours), (head.method.clone(), bytes), claims)
}

/// LIMIT: a claim longer than this is none.
const CLAIM_BYTES_MAX: usize = 256;

const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

fn claimed(head: &Head, name: HeaderName) -> Option<&str> {
    let claimed = head.headers.get(name)?.to_str().ok();
    claimed.filter(|text| !text.is_empty() && text.len() <= CLAIM_BYTES_MAX)
}

/// What an operation came to.
type Outcome = Result<Answer, Refusal>;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{
        audit::{Entry, Journal, JournalKeys, JournalOptions, lanes, read_lane},
        clock,
        words::RequestId,
    };

    #[tokio::test]
    async fn what_broke_is_written_down_with_its_status_before_the_answer_leaves() {
        let data = tempfile::tempdir().unwrap();
        let keys = Arc::new(JournalKeys::open(&data.path().join("keys")).unwrap());
        let options = JournalOptions::new(data.path().join("audit"), "main", RequestId([7; 16]));
        let gate = options.gate_directory();
        let journal = Journal::open(options, keys, clock::now()).unwrap();
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let channel = Channel { listener: "main".into(), peer, address: peer.ip(), tls: None };
        let mut entry = Entry::open(&journal.lane(0), RequestId([8; 16]), &channel, clock::now());
        let handle = entry.abandoned_handle();
        let task = tokio::spawn(async move {
            entry.note("unguarded", true);
            assert!(entry.request() == RequestId([9; 16]), "it breaks");
        });
        assert!(task.await.is_err());
        exchange::written_off(handle.take().unwrap(), 500, None).await;
        let lane = lanes(&gate).unwrap().pop().unwrap();
        let last = read_lane(&gate.join(lane), journal.keys().wrapping()).unwrap().last().unwrap().unwrap();
        let leaf: serde_json::Value = serde_json::from_str(last.leaf()).unwrap();
        assert_eq!((&leaf["refusal"], &leaf["status"]), (&"broken".into(), &500.into()));
        assert!(leaf["notes"].to_string().contains("unguarded"), "what came before is kept");
    }
}
