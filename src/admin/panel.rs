//! One request of an operator, from its head to its answer.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::{
    acts::Acting,
    answer,
    credential::{Credential, Sort},
    explain::{self, Explaining},
    fault::Fault,
    journal::{self, Entry},
    route::{Act, Needs},
    state::{self, Readiness},
};
use crate::{
    audit::Beside,
    body::Body,
    clock::{self, Now},
    config::{Colour, Outcome},
    gateway::{self, Gate, Options, ReloadError},
    intake::{self, AllowedHosts, BodyBounds, Head, HeadBounds, Host},
    store::AdminTokenRecord,
    tokens::{Order, TokenError},
    words::{GroupName, Kind, Period, PrincipalId, RequestId},
};

/// How long a request may take in all.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// LIMIT: bytes of a body.
const BODY_BYTES_MAX: u64 = 16 * 1024;
/// LIMIT: heads of this listener.
const HEAD: HeadBounds =
    HeadBounds { header_count_max: 64, header_bytes_max: 16 * 1024, path_bytes_max: 1024 };
/// LIMIT: entries of the journal in one answer.
const TAIL_MAX: usize = 1_000;
const TAIL_DEFAULT: usize = 20;

/// What the listener serves.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) gate: Arc<Gate>,
    pub(super) options: Arc<Options>,
    pub(super) explaining: Explaining,
}

/// Whether the connection is under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Tls,
    Plain,
}

impl Panel {
    /// Answers, whatever happens beneath.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Body>,
        (wire, peer): (Wire, IpAddr),
    ) -> Response<Body> {
        let id = request_id();
        let route = Act::of(request.method(), request.uri().path()).map_or("none", |act| act.route());
        let told = AssertUnwindSafe(tokio::time::timeout(REQUEST_MAX, self.told(request, wire)));
        let outcome = match told.catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Fault::Late),
            Err(_) => Err(Fault::Broken),
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(fault) => {
                self.gate.telemetry.refused(fault.reason());
                if let Some(by) = fault.refused() {
                    let by = by.map(by_name);
                    let (reason, now) = (fault.reason(), clock::now());
                    self.gate.journal.refused_operator(by.as_deref(), peer, (route, reason), now);
                }
                if let Some(words) = fault.words() {
                    tracing::error!(request = %id, reason = fault.reason(), "an operator was refused: {words}");
                }
                answer::problem(&fault, id)
            }
        };
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }

    async fn told(&self, request: Request<Body>, wire: Wire) -> Result<Response<Body>, Fault> {
        let (parts, body) = request.into_parts();
        let snapshot = self.gate.live.snapshot();
        let hosts = AllowedHosts::of(snapshot.settings.admin.hosts.value.iter().map(String::as_str));
        let head = intake::head(parts, &hosts, &HEAD).map_err(Fault::Head)?;
        check_origin(&head, wire)?;
        let act = Act::of(&head.method, head.path.as_str())?;
        let now = clock::now();
        let operator = self.operator(&head.headers, now).await?;
        match (act.needs(), &operator) {
            (Needs::Nothing, _) | (Needs::Token, Some(_)) => {}
            (Needs::Role(role), Some(operator)) if operator.role == role => {}
            (Needs::Role(role), Some(operator)) => return Err(Fault::Role(role, operator.name.clone())),
            (Needs::Token | Needs::Role(_), None) => return Err(Fault::Nobody),
        }
        match act {
            Act::Tail => {}
            _ if head.query.is_some() => return Err(Fault::Query("none is known here")),
            _ => {}
        }
        self.act(act, &head, body, operator.as_ref(), now).await
    }

    async fn act(
        &self,
        act: Act,
        head: &Head,
        body: Body,
        operator: Option<&AdminTokenRecord>,
        now: Now,
    ) -> Result<Response<Body>, Fault> {
        let gate = &*self.gate;
        match (act, operator) {
            (Act::Health, _) => Ok(answer::text("ok\n")),
            (Act::Ready, operator) => Ok(ready(gate, operator.is_some(), now)),
            (Act::Metrics, _) => gate.telemetry.render().map(answer::metrics).map_err(|_| Fault::Broken),
            (Act::Bundle, _) => Ok(answer::json(StatusCode::OK, &state::bundle(&gate.live))),
            (Act::Systems, _) => Ok(answer::json(StatusCode::OK, &state::systems(&gate.live.snapshot()))),
            (Act::Sinks, _) => Ok(answer::json(StatusCode::OK, &state::sinks(&gate.sinks, now))),
            (Act::Tokens, _) => tokens(gate, now).await,
            (Act::Issue, Some(operator)) => {
                let (order, sort) = wanted(head, body).await?;
                self.done(issue(self.gate.clone(), by(operator), order, sort, now)).await
            }
            (Act::Revoke(name), Some(operator)) => {
                self.done(revoke(self.gate.clone(), by(operator), name, now)).await
            }
            (Act::Tail, Some(operator)) => tail(gate, operator, head.query.as_deref(), now).await,
            (Act::Explain, Some(operator)) => {
                self.explaining.count(operator, now)?;
                let form = json_body(head, body, explain::BODY_BYTES_MAX).await?;
                let turn = self.explaining.turn().await?;
                explain::described(self.gate.clone(), turn, operator, &form, now).await
            }
            (Act::Explained(request), Some(operator)) => {
                self.explaining.count(operator, now)?;
                let turn = self.explaining.turn().await?;
                let beside = (self.gate.clone(), self.options.clone());
                explain::logged(beside, turn, operator, request, now).await
            }
            (Act::Reload, Some(operator)) => {
                self.done(reload(self.gate.clone(), self.options.clone(), by(operator), now)).await
            }
            (
                Act::Issue | Act::Revoke(_) | Act::Tail | Act::Explain | Act::Explained(_) | Act::Reload,
                None,
            ) => Err(Fault::Nobody),
        }
    }

    /// What an act came to. It is done to its end also where the operator goes away or the time is over.
    async fn done(
        &self,
        act: impl Future<Output = Result<Response<Body>, Fault>> + Send + 'static,
    ) -> Result<Response<Body>, Fault> {
        self.gate.act(act).await.unwrap_or(Err(Fault::Broken))
    }

    /// Who asks; none where no credential is shown. One that does not count is refused, also where none is
    /// needed.
    async fn operator(&self, headers: &HeaderMap, now: Now) -> Result<Option<AdminTokenRecord>, Fault> {
        if headers.contains_key("x-api-key") || headers.contains_key(header::PROXY_AUTHORIZATION) {
            return Err(Fault::Nobody);
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let token = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        let token = token.ok_or(Fault::Nobody)?;
        match self.gate.tokens.admin(token, now).await {
            Ok(Some(operator)) => Ok(Some(operator)),
            Ok(None) => Err(Fault::Nobody),
            Err(TokenError::Store(error)) => Err(Fault::Store(error)),
            Err(_) => Err(Fault::Broken),
        }
    }
}

/// A browser says on whose behalf it asks; nobody's but this listener's own pages may.
fn check_origin(head: &Head, wire: Wire) -> Result<(), Fault> {
    let scheme = match wire {
        Wire::Tls => "https://",
        Wire::Plain => "http://",
    };
    if let Some(origin) = head.headers.get(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|text| Host::parse(text.strip_prefix(scheme)?));
        if own.as_ref() != Some(&head.host) {
            return Err(Fault::Origin);
        }
    }
    match head.headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Fault::Origin),
    }
}

fn ready(gate: &Gate, with_detail: bool, now: Now) -> Response<Body> {
    let readiness = Readiness::of(gate, now);
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let told = if with_detail { readiness.detail(&gate.live.status()) } else { readiness.brief() };
    answer::json(status, &told)
}

/// How the journal names an operator.
pub(super) fn by(operator: &AdminTokenRecord) -> String {
    by_name(&operator.name)
}

fn by_name(name: &str) -> String {
    format!("admin:{name}")
}

async fn tokens(gate: &Gate, now: Now) -> Result<Response<Body>, Fault> {
    let all = Credential::all(gate.tokens.store(), None, now).await.map_err(Fault::Store)?;
    let told: Vec<_> = all.iter().map(|credential| credential.json(now)).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "credentials": told })))
}

/// What to issue, as it is asked for. Tokens of operators are made on the command line only: a token must
/// not make a stronger one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    id: String,
    ttl: Option<String>,
    groups: Option<Vec<String>>,
    #[serde(default)]
    scopes: Vec<String>,
    note: Option<String>,
    #[serde(default)]
    api_key: bool,
}

impl Wanted {
    fn order(self) -> Result<(Order, Sort), Fault> {
        let kind = [Kind::App, Kind::Partner, Kind::User].into_iter().find(|kind| kind.as_str() == self.kind);
        let kind = kind.ok_or_else(|| Fault::Invalid("`kind` is App, Partner or User".into()))?;
        let ttl = self.ttl.map(|text| {
            let period: Period = text.parse().map_err(Fault::Invalid)?;
            SignedDuration::try_from(period.0).map_err(|error| Fault::Invalid(error.to_string()))
        });
        let groups = self.groups.map(|names| names.into_iter().map(GroupName::new).collect());
        let order = Order {
            kind,
            id: PrincipalId::new(self.id),
            ttl: ttl.transpose()?,
            groups,
            scopes: self.scopes.into_iter().map(Into::into).collect(),
            note: self.note.map(Into::into),
        };
        Ok((order, if self.api_key { Sort::ApiKey } else { Sort::Token }))
    }
}

/// What a body asks for.
async fn wanted(head: &Head, body: Body) -> Result<(Order, Sort), Fault> {
    let bytes = json_body(head, body, BODY_BYTES_MAX).await?;
    let wanted: Wanted = serde_json::from_slice(&bytes).map_err(|error| Fault::Invalid(error.to_string()))?;
    wanted.order()
}

/// A body that is said to be JSON.
async fn json_body(head: &Head, body: Body, bytes_max: u64) -> Result<Bytes, Fault> {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Fault::MediaType);
    }
    let bounds = BodyBounds {
        bytes_max: Some(bytes_max),
        idle: Some(Duration::from_secs(5)),
        ..BodyBounds::default()
    };
    intake::gather(body, bounds).await.map_err(Fault::Body)
}

async fn issue(
    gate: Arc<Gate>,
    by: String,
    order: Order,
    sort: Sort,
    now: Now,
) -> Result<Response<Body>, Fault> {
    let sources = gate.live.snapshot().sources.clone();
    let acting = Acting { tokens: &gate.tokens, journal: &gate.journal, by: &by };
    let (text, credential) = acting.issue(&sources, order, sort, now).await.map_err(Fault::Act)?;
    let mut told = credential.json(now);
    if let Some(map) = told.as_object_mut() {
        map.insert("text".into(), text.expose().into());
    }
    Ok(answer::json(StatusCode::CREATED, &told))
}

async fn revoke(gate: Arc<Gate>, by: String, name: String, now: Now) -> Result<Response<Body>, Fault> {
    let acting = Acting { tokens: &gate.tokens, journal: &gate.journal, by: &by };
    match acting.revoke_at_once(&name, now).await.map_err(Fault::Act)? {
        true => Ok(answer::empty(StatusCode::NO_CONTENT)),
        false => Err(Fault::NoSuchPath),
    }
}

async fn reload(
    gate: Arc<Gate>,
    options: Arc<Options>,
    by: String,
    now: Now,
) -> Result<Response<Body>, Fault> {
    gate.journal.administrative("reload", &by, &[], now).await.map_err(Fault::Journal)?;
    let outcome = gateway::reload(&gate, &options).await.map_err(|error| match error {
        ReloadError::Journal(error) => Fault::Journal(error),
        ReloadError::Store(error) => Fault::Store(error),
        ReloadError::Unkept(error) => Fault::Unkept(error),
        ReloadError::Broken => Fault::Broken,
    })?;
    Ok(match outcome {
        Outcome::Swapped(digest) => {
            answer::json(StatusCode::OK, &json!({ "outcome": "swapped", "bundle": digest.to_string() }))
        }
        Outcome::Unchanged => answer::json(StatusCode::OK, &json!({ "outcome": "unchanged" })),
        Outcome::KeptOld(report) => answer::json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({ "outcome": "kept_old", "report": report.render(Colour::Off) }),
        ),
    })
}

/// The end of the journal. The entry of this reading is written first.
async fn tail(
    gate: &Gate,
    operator: &AdminTokenRecord,
    query: Option<&str>,
    now: Now,
) -> Result<Response<Body>, Fault> {
    let count = count(query)?;
    let what = format!("tail of {count}");
    gate.journal.reading(&what, &by(operator), now).await.map_err(Fault::Journal)?;
    let directory = gate.journal.directory().to_owned();
    let keys = gate.journal.keys().wrapping().clone();
    let read = tokio::task::spawn_blocking(move || journal::last(&directory, count, &keys)).await;
    let entries = read.map_err(|_| Fault::Broken)?.map_err(Fault::Journal)?;
    Ok(answer::json_text(entries_json(&entries)))
}

fn count(query: Option<&str>) -> Result<usize, Fault> {
    let wrong = Fault::Query("`count` is a number from 1 to 1000");
    let Some(query) = query else { return Ok(TAIL_DEFAULT) };
    match query.strip_prefix("count=").and_then(|digits| digits.parse().ok()) {
        Some(count @ 1..=TAIL_MAX) => Ok(count),
        Some(_) | None => Err(wrong),
    }
}

/// A leaf is one JSON object, and stands here as it does in the journal.
fn entries_json(entries: &[Entry]) -> String {
    let mut out = String::from("{\"entries\":[");
    for (n, entry) in entries.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str("{\"lane\":\"");
        out.push_str(&entry.lane);
        out.push_str("\",\"entry\":");
        out.push_str(entry.line.leaf());
        out.push_str(match entry.line.beside() {
            Beside::Erased => ",\"beside\":\"erased\"}",
            Beside::Sealed(_) | Beside::Nothing => "}",
        });
    }
    out.push_str("]}\n");
    out
}

fn request_id() -> RequestId {
    let mut bytes = [0; 16];
    // Without randomness there would be no TLS either; an id of zeros is only unhelpful.
    if rand::fill(&mut bytes).is_err() {
        bytes = [0; 16];
    }
    RequestId(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let mut request = Request::get("/healthz").header("host", "localhost:9443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        intake::head(parts, &AllowedHosts::of(["localhost"]), &HEAD).unwrap()
    }

    #[test]
    fn only_this_listeners_own_pages_may_ask_through_a_browser() {
        let asks = |headers: &[(&str, &str)], wire| check_origin(&head(headers), wire).is_ok();
        assert!(asks(&[], Wire::Tls));
        assert!(asks(&[("origin", "https://localhost:9443")], Wire::Tls));
        assert!(asks(&[("sec-fetch-site", "none")], Wire::Tls));
        for origin in [
            "null",
            "https://evil.example",
            "http://localhost:9443",
            "https://localhost",
            "https://localhost:9443.evil.example",
            "https://localhost:9444",
        ] {
            assert!(!asks(&[("origin", origin)], Wire::Tls), "{origin}");
        }
        assert!(asks(&[("origin", "http://localhost:9443")], Wire::Plain));
        for site in ["cross-site", "same-site"] {
            assert!(!asks(&[("sec-fetch-site", site)], Wire::Tls), "{site}");
        }
    }

    #[test]
    fn how_many_entries_is_a_number_within_bounds() {
        assert_eq!(count(None).ok(), Some(20));
        assert_eq!(count(Some("count=1000")).ok(), Some(1000));
        for query in ["count=0", "count=1001", "count=", "count=-1", "n=3", "count=1&count=2", ""] {
            assert!(count(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn an_order_says_nothing_that_is_not_known() {
        let order = |text: &str| {
            serde_json::from_str::<Wanted>(text)
                .map_err(|_| ())
                .and_then(|wanted| wanted.order().map_err(|_| ()))
        };
        assert!(order(r#"{"kind":"App","id":"shop","ttl":"7d","groups":["a"],"api_key":true}"#).is_ok());
        for text in [
            r#"{"kind":"App","id":"shop","role":"operate"}"#,
            r#"{"kind":"Anonymous","id":"x"}"#,
            r#"{"kind":"App","id":"x","ttl":"7"}"#,
            r#"{"kind":"App"}"#,
            "[]",
        ] {
            assert!(order(text).is_err(), "{text}");
        }
    }
}
