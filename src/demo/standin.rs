//! What every stand-in shares: a small HTTP server on loopback, a log of what it was asked, and faults that
//! can be switched on.
//!
//! A stand-in answers as the real system does, its refusals included: what the system would not understand,
//! the stand-in refuses. It is for the demo and the tests, never for the road.

use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

/// Largest request body a stand-in reads, in bytes.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many requests the log keeps.
const LOG_MAX: usize = 10_000;

/// A request as a stand-in sees it.
#[derive(Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded as sent.
    pub path: String,
    /// The query, percent-encoded as sent.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// What a stand-in was asked, for tests that look at the system's side of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query, decoded.
    pub target: String,
    /// The body as text.
    pub body: String,
    /// `If-Match`, when sent.
    pub if_match: Option<String>,
    /// The names of all header fields, sorted.
    pub header_names: Vec<String>,
}

/// A fault a test switches on; it holds until switched off.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Answers every request with this status and body.
    Answer(u16, String),
    /// Waits before answering.
    Wait(Duration),
    /// Closes the connection without an answer.
    HangUp,
}

/// A running stand-in.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<VecDeque<Seen>>>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl StandIn {
    /// Everything asked so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.log.lock().iter().cloned().collect()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.log.lock().clear();
    }

    /// Switches a fault on, or off.
    pub fn trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock() = trouble;
    }
}

/// Something that answers as a system does.
pub trait Answers: Send + Sync + 'static {
    /// One request, one answer.
    fn answer(&self, ask: &Ask) -> Response<Bytes>;
}

/// Starts a stand-in on a loopback port (0 picks a free one).
///
/// # Errors
/// When the port cannot be had.
pub async fn start(port: u16, system: Arc<dyn Answers>) -> std::io::Result<StandIn> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let standin = StandIn { address: listener.local_addr()?, log: Arc::default(), trouble: Arc::default() };
    tokio::spawn(accept(listener, standin.clone(), system));
    Ok(standin)
}

async fn accept(listener: TcpListener, standin: StandIn, system: Arc<dyn Answers>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (standin, system) = (standin.clone(), system.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| handle(request, &standin, &*system));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A peer that goes away is no news to a stand-in.
            drop(connection.await);
        });
    }
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

async fn handle(
    request: Request<Incoming>,
    standin: &StandIn,
    system: &dyn Answers,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "too large").map(Full::new));
    };
    let ask = Ask {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    };
    note(standin, &ask);
    let trouble = standin.trouble.lock().clone();
    match trouble {
        None => {}
        Some(Trouble::Wait(time)) => tokio::time::sleep(time).await,
        Some(Trouble::HangUp) => return Err(HungUp),
        Some(Trouble::Answer(status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Ok(text(status, body).map(Full::new));
        }
    }
    Ok(system.answer(&ask).map(Full::new))
}

fn note(standin: &StandIn, ask: &Ask) {
    let target = if ask.query.is_empty() { ask.path.clone() } else { format!("{}?{}", ask.path, ask.query) };
    let mut header_names: Vec<String> = ask.headers.keys().map(ToString::to_string).collect();
    header_names.sort_unstable();
    let seen = Seen {
        method: ask.method.to_string(),
        target: decode(&target),
        body: String::from_utf8_lossy(&ask.body).into_owned(),
        if_match: ask.header("if-match").map(str::to_owned),
        header_names,
    };
    let mut log = standin.log.lock();
    if log.len() == LOG_MAX {
        log.pop_front();
    }
    log.push_back(seen);
}

impl Ask {
    /// A header field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The query's pairs, decoded.
    pub fn pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Percent-decodes for reading.
pub(super) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    with_type(status, "application/json", body.to_string())
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// A plain-text answer.
pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Response<Bytes> {
    with_type(status, "text/plain; charset=utf-8", body.into())
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

impl From<Infallible> for HungUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
