//! Answers of the admin listener: JSON, text, or a problem as on the data listener.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value as Json, json};

use super::fault::Fault;
use crate::{body::Body, words::RequestId};

/// Prometheus reads this.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// JSON.
pub(super) fn json(status: StatusCode, value: &Json) -> Response<Body> {
    of(status, "application/json", format!("{value}\n").into_bytes())
}

/// JSON at hand as text.
pub(super) fn json_text(text: String) -> Response<Body> {
    of(StatusCode::OK, "application/json", text.into_bytes())
}

/// Plain words.
pub(super) fn text(text: &str) -> Response<Body> {
    of(StatusCode::OK, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// Metrics.
pub(super) fn metrics(text: String) -> Response<Body> {
    of(StatusCode::OK, METRICS, text.into_bytes())
}

/// Nothing but a status.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// A problem by RFC 9457.
pub(super) fn problem(fault: &Fault, id: RequestId) -> Response<Body> {
    let status = fault.status();
    let (name, title, detail) = fault.told();
    let mut told = json!({
        "type": format!("https://bramka.example/problems/{name}"), "title": title, "status": status.as_u16(),
        "request_id": id.to_string(),
    });
    if let (Some(detail), Some(map)) = (detail, told.as_object_mut()) {
        map.insert("detail".into(), detail.into());
    }
    let mut response = of(status, "application/problem+json", told.to_string().into_bytes());
    match fault {
        Fault::Nobody => {
            let realm = HeaderValue::from_static("Bearer realm=\"bramka admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        Fault::NoSuchMethod(allow) => {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        Fault::Often(wait, _) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*wait));
        }
        _ => {}
    }
    response
}

fn of(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
