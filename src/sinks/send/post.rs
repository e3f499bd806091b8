//! Batches that are posted over HTTPS: NDJSON, and OpenTelemetry logs. The receiver has a batch once it answers `2xx`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::{Fault, otlp, trusting};
use crate::{
    body::Body,
    clock::Now,
    sinks::{reading::Batch, settings::Posting},
    wire::{self, Clocks, Deadline, Keep, Local, Origin, Outcome, Pool},
    words::{Digest, secret_file},
};

const CALL_MAX: Duration = Duration::from_secs(30);
const CLOCKS: Clocks = Clocks { connect: Duration::from_secs(5), first_byte: CALL_MAX, call: CALL_MAX };
/// LIMIT: bytes of an answer, and how much of one is told.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const TOLD_CHARS_MAX: usize = 200;
/// By which a receiver knows a batch that comes again, and which entries it has.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ENTRIES: HeaderName = HeaderName::from_static("bramka-entries");

/// Posts batches to an address, over a connection that is kept.
#[derive(Debug)]
pub(in crate::sinks) struct Post {
    origin: Arc<Origin>,
    pool: Pool,
    target: Uri,
    host: String,
    token: Option<(PathBuf, String)>,
    dialect: Dialect,
    gate: String,
    sink: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Ndjson,
    Otlp,
}

impl Post {
    pub(super) fn ndjson(posting: &Posting, names: (&str, &str), base: &Path) -> Result<Self, Fault> {
        Self::new(posting, Dialect::Ndjson, names, base)
    }

    pub(super) fn otlp(posting: &Posting, names: (&str, &str), base: &Path) -> Result<Self, Fault> {
        Self::new(posting, Dialect::Otlp, names, base)
    }

    fn new(posting: &Posting, dialect: Dialect, names: (&str, &str), base: &Path) -> Result<Self, Fault> {
        let Posting { to, token_file, token_scheme, tls } = posting;
        let tls = trusting(tls, base)?;
        // A receiver may well be a forwarder beside the gate.
        let local = Local { allow: true, ..Local::default() };
        let origin = Origin::new(to, Some(&tls), None, local, Keep::default()).map_err(Fault::again)?;
        Ok(Self {
            origin: Arc::new(origin),
            pool: Pool::new(1),
            target: wire::target(to).map_err(Fault::again)?,
            // The path may be a secret between the two.
            host: to.host_str().unwrap_or_default().to_owned(),
            token: token_file.as_ref().map(|file| (base.join(file), token_scheme.clone())),
            dialect,
            gate: names.0.to_owned(),
            sink: names.1.to_owned(),
        })
    }

    pub(super) async fn send(&self, batch: &Batch, now: Now) -> Result<(), Fault> {
        let request = self.request(batch, now).await?;
        let deadline = Deadline::after(now, CALL_MAX);
        let sent = self.pool.send(&self.origin, request, &CLOCKS, deadline, now).await;
        let Outcome::Answered(answer) = sent.map_err(|failed| Fault::again(&failed.error))? else {
            return Err(Fault::again(format!("`{}` switched protocols", self.host)));
        };
        let (parts, body) = answer.into_parts();
        let body = wire::gather(body, ANSWER_BYTES_MAX, deadline).await;
        match parts.status {
            status if status.is_success() => self.taken(&body.unwrap_or_default()),
            status => Err(self.fault(status, &parts.headers, &body.unwrap_or_default(), now.wall)),
        }
    }

    async fn request(&self, batch: &Batch, now: Now) -> Result<Request<Body>, Fault> {
        let (body, kind) = match self.dialect {
            Dialect::Ndjson => (ndjson(batch), "application/x-ndjson"),
            Dialect::Otlp => (otlp::logs(batch, &self.gate, now.wall), "application/json"),
        };
        let mut request = Request::new(Body::Full(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.origin.authority().clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let range = batch.range();
        let key = Digest::of_parts(&[self.gate.as_bytes(), self.sink.as_bytes(), range.as_bytes()]);
        for (name, value) in [(IDEMPOTENCY_KEY, format!("\"{key}\"")), (ENTRIES, range)] {
            headers.insert(name, HeaderValue::try_from(value).map_err(Fault::again)?);
        }
        if let Some((file, scheme)) = self.token.clone() {
            // Its disk may take its time.
            let token = spawn_blocking(move || secret_file(&file)).await.map_err(Fault::again)?;
            let value = HeaderValue::try_from(format!("{scheme} {}", token.map_err(Fault::again)?));
            let mut value = value.map_err(|_| Fault::again("the token is no header's value"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// `2xx`: all of it was taken, unless OpenTelemetry says that some was not.
    fn taken(&self, body: &[u8]) -> Result<(), Fault> {
        if self.dialect == Dialect::Ndjson {
            return Ok(());
        }
        let Ok(answer) = serde_json::from_slice::<Json>(body) else { return Ok(()) };
        let partial = answer.get("partialSuccess");
        let rejected = partial.and_then(|partial| partial.get("rejectedLogRecords"));
        // 64 bits are text in the JSON of protobuf.
        let rejected = rejected.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
        let why = partial.and_then(|partial| partial.get("errorMessage")).and_then(Json::as_str);
        let why = shortened(why.unwrap_or_default());
        match rejected.unwrap_or(0) {
            0 if why.is_empty() => Ok(()),
            0 => {
                tracing::warn!(sink = %self.sink, %why, "the receiver warns of what it took");
                Ok(())
            }
            count => Err(Fault::Refused { why: format!("`{}` rejected {count} entries: {why}", self.host) }),
        }
    }

    fn fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Fault {
        let said = shortened(&String::from_utf8_lossy(body));
        let why = match said.is_empty() {
            true => format!("`{}` answered {status}", self.host),
            false => format!("`{}` answered {status}: {said}", self.host),
        };
        let may_be_repeated = match self.dialect {
            Dialect::Ndjson => status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
            Dialect::Otlp => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        };
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge { why },
            _ if may_be_repeated => Fault::Again { why, after: retry_after(headers, now) },
            _ => Fault::Refused { why },
        }
    }
}

fn ndjson(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::new();
    for event in &batch.events {
        out.extend_from_slice(event.text.as_bytes());
        out.push(b'\n');
    }
    out
}

/// Seconds, or a moment (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(moment.duration_since(now).max(SignedDuration::ZERO)).ok()
}

/// What a receiver says, in one short line.
fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TOLD_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_when_to_come_again_in_seconds_or_as_a_moment() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Fri, 27 Nov 2026 12:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(after("Fri, 27 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
