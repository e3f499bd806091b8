//! What is told of an `Idempotency-Key` that does not serve.

use http::StatusCode;

use crate::idempotency::Fault;

/// The status (draft-ietf-httpapi-idempotency-key-header-07 §2.7).
pub(super) fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Malformed(_) | Fault::Nobodys => StatusCode::BAD_REQUEST,
        Fault::Reused => StatusCode::UNPROCESSABLE_ENTITY,
        Fault::Running | Fault::Unknown => StatusCode::CONFLICT,
        Fault::Full | Fault::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The reason, as the journal and the metrics have it.
pub(super) fn reason(fault: &Fault) -> &'static str {
    match fault {
        Fault::Malformed(_) | Fault::Nobodys => "idempotency_key",
        Fault::Reused => "idempotency_key_reused",
        Fault::Running => "idempotency_running",
        Fault::Unknown => "idempotency_unknown",
        Fault::Full => "idempotency_full",
        Fault::Store(_) => "idempotency_store",
    }
}

/// Type, title and detail of the problem.
pub(super) fn told(fault: &Fault) -> (&'static str, &'static str, Option<String>) {
    match fault {
        Fault::Malformed(_) | Fault::Nobodys => {
            ("idempotency-key", "the `Idempotency-Key` is not accepted", Some(fault.to_string()))
        }
        Fault::Reused => (
            "idempotency-key-reused",
            "the `Idempotency-Key` was sent with another request",
            Some("send the first request as it was, or this one with a key of its own".into()),
        ),
        Fault::Running => {
            ("still-running", "the first request under this `Idempotency-Key` is under way", None)
        }
        Fault::Unknown => (
            "outcome-unknown",
            "the change may or may not have been made",
            Some("nothing was sent again; read the record before this is sent with another key".into()),
        ),
        Fault::Full | Fault::Store(_) => (
            "unavailable",
            "no `Idempotency-Key` can be kept now",
            Some("nothing was sent; try again later".into()),
        ),
    }
}
