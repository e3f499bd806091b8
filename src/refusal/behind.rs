//! What a system, or the road to it, answered, as a refusal: its status code, its reason and what a caller is told.

use http::StatusCode;

use super::NO_SUCH_RECORD;
use crate::{body::BodyError, mapping::FaultKind, upstream::UpstreamError};

/// The status code of a system's own refusal.
pub(super) fn of_system(kind: &FaultKind) -> StatusCode {
    match kind {
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::Invalid(_) | FaultKind::BusinessRule => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::Duplicate { .. } | FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::RateLimited { .. } | FaultKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::Forbidden
        | FaultKind::SignInFailed
        | FaultKind::Unreadable
        | FaultKind::ForeignLink
        | FaultKind::Partial
        | FaultKind::Unknown => StatusCode::BAD_GATEWAY,
    }
}

/// Its reason, as the journal and the metrics name it.
pub(super) fn system_reason(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::NotFound => "system_not_found",
        FaultKind::Invalid(_) => "system_invalid",
        FaultKind::BusinessRule => "system_business_rule",
        FaultKind::Partial => "system_partial",
        FaultKind::Duplicate { .. } => "system_duplicate",
        FaultKind::Conflict => "system_conflict",
        FaultKind::RateLimited { .. } => "system_rate_limited",
        FaultKind::Busy => "system_busy",
        FaultKind::Forbidden => "system_forbidden",
        FaultKind::SignInFailed => "system_sign_in_failed",
        FaultKind::Unreadable => "system_unreadable",
        FaultKind::ForeignLink => "system_foreign_link",
        FaultKind::Unknown => "system_unknown",
    }
}

/// What the caller is told of it: the problem's type, its title, and what to do about it.
pub(super) fn system_told(kind: &FaultKind) -> (&'static str, &'static str, Option<String>) {
    match kind {
        FaultKind::NotFound => ("not-found", NO_SUCH_RECORD, None),
        FaultKind::Invalid(_) => ("invalid", "the system does not accept this", None),
        FaultKind::BusinessRule => ("business-rule", "a rule of the business forbids this", None),
        // The other record may be one that the caller cannot see: its key stays with the operator.
        FaultKind::Duplicate { .. } => ("duplicate", "there is such a record already", None),
        FaultKind::Conflict => {
            ("conflict", "the record changed meanwhile", Some("read it again and decide anew".into()))
        }
        FaultKind::Partial => {
            let detail = "the system did a part of this and not the rest; read the record before anything is sent again";
            ("partly-done", "part of this is done", Some(detail.into()))
        }
        FaultKind::RateLimited { .. } | FaultKind::Busy => ("busy", "the system is busy", None),
        FaultKind::Forbidden
        | FaultKind::SignInFailed
        | FaultKind::Unreadable
        | FaultKind::ForeignLink
        | FaultKind::Unknown => ("system", "the system behind the gate failed", None),
    }
}

/// The status code of a caller's body that did not come whole, gathered or streamed.
pub(super) fn of_body(error: &BodyError) -> StatusCode {
    match error {
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        BodyError::Ended(_) => StatusCode::UNAUTHORIZED,
    }
}

/// The status code of a call that got no usable answer.
pub(super) fn of_upstream(error: &UpstreamError) -> StatusCode {
    match error {
        UpstreamError::Paced { is_share: true, .. } => StatusCode::TOO_MANY_REQUESTS,
        UpstreamError::Busy { .. } | UpstreamError::BreakerOpen { .. } | UpstreamError::Paced { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        UpstreamError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        UpstreamError::Upload(error) => of_body(error),
        UpstreamError::BadRequest(_) => StatusCode::BAD_REQUEST,
        UpstreamError::Superseded => StatusCode::GONE,
        UpstreamError::Connect(_)
        | UpstreamError::Broken { .. }
        | UpstreamError::AnswerTooLarge { .. }
        | UpstreamError::BadAnswer(_)
        | UpstreamError::SignIn(_) => StatusCode::BAD_GATEWAY,
    }
}

/// Its reason, as the journal and the metrics name it.
pub(super) fn upstream_reason(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Busy { .. } => "upstream_busy",
        UpstreamError::BreakerOpen { .. } => "upstream_breaker_open",
        UpstreamError::Paced { is_share: true, .. } => "upstream_share",
        UpstreamError::Paced { .. } => "upstream_paced",
        UpstreamError::Timeout { .. } => "upstream_timeout",
        UpstreamError::Upload(_) => "upload",
        UpstreamError::BadRequest(_) => "upstream_bad_request",
        UpstreamError::Superseded => "upstream_superseded",
        UpstreamError::Connect(_) => "upstream_connect",
        UpstreamError::Broken { .. } => "upstream_broken",
        UpstreamError::AnswerTooLarge { .. } => "upstream_answer_too_large",
        UpstreamError::BadAnswer(_) => "upstream_bad_answer",
        UpstreamError::SignIn(_) => "upstream_sign_in",
    }
}

/// What the caller is told of it: the problem's type, its title, and what to do about it.
pub(super) fn upstream_told(error: &UpstreamError) -> (&'static str, &'static str, Option<String>) {
    match error {
        UpstreamError::Paced { is_share: true, .. } => {
            let detail = "your share of what the system takes is used up";
            ("limited", "a limit is reached", Some(detail.into()))
        }
        UpstreamError::Busy { .. } | UpstreamError::BreakerOpen { .. } | UpstreamError::Paced { .. } => {
            ("busy", "the system is busy", None)
        }
        UpstreamError::Timeout { .. } => ("timeout", "the system took too long", None),
        UpstreamError::Upload(error) => ("body", "the body was not accepted", body_detail(error)),
        UpstreamError::Superseded => {
            let detail = "the policies changed since; look for the record before it is sent again";
            ("superseded", "what became of it cannot be asked any more", Some(detail.into()))
        }
        UpstreamError::BadRequest(why) => {
            ("head", "the request cannot be passed on", Some((*why).to_owned()))
        }
        UpstreamError::Connect(_)
        | UpstreamError::Broken { .. }
        | UpstreamError::AnswerTooLarge { .. }
        | UpstreamError::BadAnswer(_)
        | UpstreamError::SignIn(_) => ("system", "the system behind the gate failed", None),
    }
}

/// What a caller is told of its body.
pub(super) fn body_detail(error: &BodyError) -> Option<String> {
    match error {
        BodyError::Broken(_) => Some("it broke off".to_owned()),
        BodyError::TooLarge { .. } | BodyError::TooSlow { .. } | BodyError::Ended(_) => {
            Some(error.to_string())
        }
    }
}
