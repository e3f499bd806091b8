//! Refusals as OData has them: the same status, the same words, its own shape of error.

use http::{HeaderValue, Response, StatusCode, header};

use super::Refusal;
use crate::{
    body::Body,
    odata::{self, Unmet},
    words::RequestId,
};

impl Refusal {
    /// The same answer with OData's error object.
    pub(super) fn odata(&self, request: RequestId) -> Response<Body> {
        let (kind, title, detail) = self.told();
        let message = detail.map_or_else(|| title.to_owned(), |detail| format!("{title}: {detail}"));
        let details: Vec<(&str, &str)> = self.faults().into_iter().map(|(_, at, what)| (at, what)).collect();
        let body = odata::error(kind, &message, &details, &request.to_string());
        let mut response = self.response(request).map(|_| Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("odata-version", HeaderValue::from_static(odata::VERSION));
        if let Self::NotPossible { .. } = self {
            // What else the system can do is not done by this door.
            headers.insert(header::ALLOW, HeaderValue::from_static(""));
        }
        if headers.contains_key(header::WWW_AUTHENTICATE) {
            let basic = HeaderValue::from_static("Basic realm=\"bramka\", charset=\"UTF-8\"");
            headers.append(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// The status code of what is asked well and not answered.
pub(super) fn status(unmet: &Unmet) -> StatusCode {
    match unmet {
        Unmet::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        Unmet::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
        Unmet::TooManyToCount(_) | Unmet::Cut => StatusCode::BAD_REQUEST,
    }
}

/// A short word for the journal and metrics.
pub(super) fn reason(unmet: &Unmet) -> &'static str {
    match unmet {
        Unmet::Unsupported(_) => "odata_unsupported",
        Unmet::NotAcceptable(_) => "not_acceptable",
        Unmet::TooManyToCount(_) => "too_many_to_count",
        Unmet::Cut => "cut",
    }
}

/// What the caller is told of it.
pub(super) fn told(unmet: &Unmet) -> (&'static str, &'static str, Option<String>) {
    match unmet {
        Unmet::Unsupported(what) => ("unsupported", "this part of OData is not here", Some(what.clone())),
        Unmet::NotAcceptable(what) => {
            ("not-acceptable", "no form of answer that is accepted", Some((*what).to_owned()))
        }
        Unmet::TooManyToCount(_) => {
            ("too-many-to-count", "too many records to count", Some(format!("{unmet}; narrow the filter")))
        }
        Unmet::Cut => ("cut", "the list cannot be told whole", Some(format!("{unmet}; narrow the filter"))),
    }
}
