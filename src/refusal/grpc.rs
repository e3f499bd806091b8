//! Refusals as gRPC has them: a trailers-only answer with a status of its own and a message.

use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Refusal;
use crate::{body::Body, words::RequestId};

/// What a status message does not hold as it is; what is not ASCII it never does.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

impl Refusal {
    /// The same refusal without a body.
    pub(super) fn grpc(&self, request: RequestId) -> Response<Body> {
        let (_, title, detail) = self.told();
        let message = detail.map_or_else(|| title.to_owned(), |detail| format!("{title}: {detail}"));
        let message = utf8_percent_encode(&message, ENCODED).to_string();
        let mut response = self.response(request).map(|_| Body::Empty);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static(self.grpc_status()));
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert("grpc-message", message);
        }
        response
    }

    /// A deadline is one of gRPC's own; all else goes by its table of HTTP statuses, so that a caller does what it
    /// would do if a plain proxy had refused.
    fn grpc_status(&self) -> &'static str {
        if let Self::Upstream(_, error) = self
            && error.is_past_deadline()
        {
            return DEADLINE_EXCEEDED;
        }
        match self.status().as_u16() {
            400 => INTERNAL,
            401 => UNAUTHENTICATED,
            403 => PERMISSION_DENIED,
            404 => UNIMPLEMENTED,
            429 | 502 | 503 | 504 => UNAVAILABLE,
            _ => UNKNOWN,
        }
    }
}

const UNKNOWN: &str = "2";
const DEADLINE_EXCEEDED: &str = "4";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::NotInCatalog,
        upstream::{Broken, UpstreamError},
        wire::{Clock, Sent, WireError},
        words::SystemName,
    };

    fn told(refusal: &Refusal) -> (u16, String, String) {
        let response = refusal.grpc(RequestId([0; 16]));
        let text = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert!(http_body::Body::is_end_stream(response.body()));
        assert_eq!(text("content-type"), "application/grpc");
        (response.status().as_u16(), text("grpc-status"), text("grpc-message"))
    }

    #[test]
    fn a_refusal_is_trailers_only_by_the_table_of_http_statuses() {
        let late = |clock| UpstreamError::Timeout { clock, sent: Sent::Maybe };
        let gone = Broken { error: WireError::BadAnswer("x"), sent: Sent::Maybe };
        let of = |error| Refusal::Upstream(SystemName::from("crm"), Box::new(error));
        for (refusal, status) in [
            (Refusal::NotInCatalog(NotInCatalog::Path), "12"),
            (Refusal::Cursor, "13"),
            (Refusal::Revoked, "16"),
            (Refusal::Stale, "2"),
            (Refusal::Broken, "2"),
            (of(late(Clock::Call)), "4"),
            (of(late(Clock::FirstByte)), "14"),
            (of(UpstreamError::Busy { concurrency_max: 1 }), "14"),
            (of(gone.into()), "14"),
        ] {
            let (http, grpc, message) = told(&refusal);
            assert_eq!((http, grpc.as_str()), (200, status), "{message}");
        }
    }

    #[test]
    fn a_message_is_ascii_and_its_percent_signs_are_encoded() {
        let (_, _, message) = told(&Refusal::MediaType("100% żółć"));
        assert_eq!(message, "the body's type is not accepted: send `100%25 %C5%BC%C3%B3%C5%82%C4%87`");
    }
}
