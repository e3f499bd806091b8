//! What the stand-ins share: answers, parameters, and stores of records in a system's own shape.

use bramka::demo::standin::Ask;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// A key that stands for a system that has been asked too much.
pub(super) const TOO_MUCH: &str = "429";

/// An answer of this status and media type.
pub(super) fn answer(status: u16, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A JSON answer.
pub(super) fn json(status: u16, body: &Value) -> Response<Bytes> {
    answer(status, "application/json; charset=utf-8", body.to_string())
}

/// The same with a header field more.
pub(super) fn with(mut response: Response<Bytes>, name: &'static str, value: &str) -> Response<Bytes> {
    response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    response
}

/// The value of a parameter.
pub(super) fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The first parameter that is not among those a system knows.
pub(super) fn unknown<'a>(pairs: &'a [(String, String)], known: &[&str]) -> Option<&'a str> {
    pairs.iter().map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
}

/// Collection and key of a path under the root.
pub(super) fn place(ask: &Ask, root: &str) -> Option<(String, Option<String>)> {
    let rest = ask.path.strip_prefix(root)?.strip_prefix('/')?;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    Some(match rest.split_once('/') {
        Some((collection, key)) => (collection.to_owned(), Some(decoded(key))),
        None => (rest.to_owned(), None),
    })
}

/// Whether a number of a record is the one that is written so.
pub(super) fn numbered(row: &Value, field: &str, text: &str) -> bool {
    row[field].as_u64().is_some_and(|number| text.parse() == Ok(number))
}

/// Puts the members of a change over those of a record; what is not named stays.
pub(super) fn merge(record: &mut Value, change: &Value) {
    match (record, change) {
        (Value::Object(record), Value::Object(change)) => {
            for (name, value) in change {
                merge(record.entry(name).or_insert(Value::Null), value);
            }
        }
        (record, change) => *record = change.clone(),
    }
}
