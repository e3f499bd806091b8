//! A request of our own by which we sign in: to a token issuer, to a system's login, for a CSRF token.
//!
//! It goes over a connection of its own, has its own clocks, and its answer is bounded. Redirects are not followed:
//! a secret goes to the address that the file names and to no other.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use serde::Deserialize;

use super::{
    super::{Asked, SignInError},
    shown::sensitive,
};
use crate::{
    body::Body,
    clock::Now,
    wire::{Bounds, Origin, once},
    words::Secret,
};

/// Largest answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Whom we ask, and with what.
pub(super) struct Ask {
    pub(super) asked: Asked,
    pub(super) origin: Arc<Origin>,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
}

/// A body to sign in by.
pub(super) enum Form {
    Json(Secret),
    Url(Secret),
}

#[derive(Deserialize)]
struct Refusal<'a> {
    error: &'a str,
}

impl Ask {
    pub(super) fn new(asked: Asked, origin: Arc<Origin>, method: Method, target: Uri) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("bramka"));
        Self { asked, origin, method, target, headers }
    }

    /// The answer, if it says yes. `edit` adds what is known only now.
    pub(super) async fn send(
        &self,
        origin: Option<&Arc<Origin>>,
        form: Option<&Form>,
        edit: impl FnOnce(&mut Request<Body>, &Origin) -> Result<(), SignInError>,
        now: Now,
    ) -> Result<Response<Bytes>, SignInError> {
        let origin = origin.unwrap_or(&self.origin);
        let body = match form {
            Some(Form::Json(text) | Form::Url(text)) => Body::from(text.expose().to_owned().into_bytes()),
            None => Body::Empty,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(form) = form {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(form.kind()));
        }
        edit(&mut request, origin)?;
        let bounds = Bounds { bytes_max: ANSWER_BYTES_MAX, ..Bounds::default() };
        let answer = once(origin, request, &bounds, now)
            .await
            .map_err(|error| SignInError::Unreachable { asked: self.asked, why: error.to_string() })?;
        if !answer.status().is_success() {
            let code = serde_json::from_slice::<Refusal<'_>>(answer.body()).map(|refusal| refusal.error);
            return Err(SignInError::Refused {
                asked: self.asked,
                status: answer.status().as_u16(),
                code: code.ok().filter(|code| is_code(code)).unwrap_or("-").to_owned(),
            });
        }
        Ok(answer)
    }
}

impl Form {
    fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Url(_) => "application/x-www-form-urlencoded",
        }
    }
}

/// RFC 6749 §5.2: what an `error` may be made of; anything else is not repeated.
fn is_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `Authorization: Basic …`, a value no log prints.
pub(super) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = zeroize::Zeroizing::new(format!("{user}:{password}"));
    sensitive(&format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
}
