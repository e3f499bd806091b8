//! Entries as OpenTelemetry logs, in the JSON of OTLP/HTTP (opentelemetry-proto 1.x, `ExportLogsServiceRequest`).

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::sinks::{event::Event, ocsf::Severity, reading::Batch};

/// One request of a batch.
pub(super) fn logs(batch: &Batch, gate: &str, now: Timestamp) -> Vec<u8> {
    let records: Vec<Json> = batch.events.iter().map(|event| record(event, now)).collect();
    let version = env!("CARGO_PKG_VERSION");
    let request = json!({ "resourceLogs": [{
        "resource": { "attributes": [
            attribute("service.name", "bramka"),
            attribute("service.version", version),
            attribute("service.instance.id", gate),
        ] },
        "scopeLogs": [{ "scope": { "name": "bramka.audit", "version": version }, "logRecords": records }],
    }] });
    request.to_string().into_bytes()
}

fn record(event: &Event, now: Timestamp) -> Json {
    let (number, text) = match event.severity {
        Severity::Informational => (9, "INFO"),
        Severity::Low => (10, "INFO2"),
        Severity::Medium => (13, "WARN"),
        Severity::High => (17, "ERROR"),
    };
    // What is no JSON is text.
    let body = serde_json::from_str(&event.text).map_or_else(|_| json!({ "stringValue": event.text }), any);
    json!({
        "timeUnixNano": event.at.as_nanosecond().to_string(),
        "observedTimeUnixNano": now.as_nanosecond().to_string(),
        "severityNumber": number, "severityText": text,
        "body": body,
        "attributes": [attribute("log.record.uid", &event.id), attribute("event.name", &format!("bramka.{}", event.kind))],
    })
}

fn attribute(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// `AnyValue`. LIMIT: as deep as JSON is read.
fn any(value: Json) -> Json {
    match value {
        Json::Null => json!({}),
        Json::Bool(value) => json!({ "boolValue": value }),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => json!({ "intValue": whole.to_string() }),
            (None, Some(value)) => json!({ "doubleValue": value }),
            (None, None) => json!({ "stringValue": number.to_string() }),
        },
        Json::String(text) => json!({ "stringValue": text }),
        Json::Array(items) => {
            json!({ "arrayValue": { "values": items.into_iter().map(any).collect::<Vec<_>>() } })
        }
        Json::Object(pairs) => {
            let pair = |(key, value)| json!({ "key": key, "value": any(value) });
            json!({ "kvlistValue": { "values": pairs.into_iter().map(pair).collect::<Vec<Json>>() } })
        }
    }
}
