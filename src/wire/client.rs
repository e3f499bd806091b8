//! Two ways to the wire besides the pool: a [`tower::Service`] for one origin, and single calls for those who
//! ask seldom (key sets, sign-in tokens).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::ACCEPT, header::HOST};
use url::Url;

use super::{Clocks, Deadline, Failed, Keep, Local, Origin, Outcome, Pool, TlsClient, WireError, gather};
use crate::{
    body::Body,
    clock::{self, Now},
};

/// One origin as a service. `Host` is set when the request has none; a switch of protocols is an error here.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where idle connections are kept.
    pub pool: Pool,
    /// Whom it calls.
    pub origin: Arc<Origin>,
    /// Its clocks.
    pub clocks: Clocks,
    /// How long a call may take until the answer's head.
    pub call: Duration,
}

/// Bounds of a single call.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Clocks of connecting and of the first byte.
    pub clocks: Clocks,
    /// The whole call.
    pub call: Duration,
    /// The answer's body.
    pub bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            clocks: Clocks {
                connect: Duration::from_secs(5),
                first_byte: Duration::from_secs(10),
                call: Duration::from_secs(15),
            },
            call: Duration::from_secs(15),
            bytes_max: 1024 * 1024,
        }
    }
}

impl tower::Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = Box<Failed>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Box<Failed>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Box<Failed>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let now = clock::now();
            if !request.headers().contains_key(HOST) {
                request.headers_mut().insert(HOST, this.origin.authority().clone());
            }
            let deadline = Deadline::after(now, this.call);
            match this.pool.send(&this.origin, request, &this.clocks, deadline, now).await? {
                Outcome::Answered(answer) => Ok(answer.map(|body| body.into_body(()))),
                Outcome::Switched(..) => {
                    Err(Failed::after(WireError::BadAnswer("it switched protocols where nobody can follow")))
                }
            }
        })
    }
}

/// One call over a connection of its own, gathered.
///
/// # Errors
/// [`WireError`].
pub async fn once(
    origin: &Arc<Origin>,
    mut request: Request<Body>,
    bounds: &Bounds,
    now: Now,
) -> Result<Response<Bytes>, WireError> {
    request.headers_mut().insert(HOST, origin.authority().clone());
    let deadline = Deadline::after(now, bounds.call);
    let sent = Pool::new(0).send(origin, request, &bounds.clocks, deadline, now).await;
    let Outcome::Answered(answer) = sent.map_err(|failed| failed.error)? else {
        return Err(WireError::BadAnswer("it switched protocols"));
    };
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, gather(body, bounds.bytes_max, deadline).await?))
}

/// A GET of one document. Redirects are not followed: the caller named one place.
///
/// # Errors
/// [`WireError`]; any status is an answer.
pub async fn get(
    url: &Url,
    tls: Option<&TlsClient>,
    local: Local,
    bounds: &Bounds,
    now: Now,
) -> Result<(StatusCode, HeaderMap, Bytes), WireError> {
    let origin = Arc::new(Origin::new(url, tls, None, local, Keep::default())?);
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = target(url)?;
    request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/json"));
    let (parts, body) = once(&origin, request, bounds, now).await?.into_parts();
    Ok((parts.status, parts.headers, body))
}

/// Path and query of a URL, in origin form.
///
/// # Errors
/// [`WireError::Address`] when they are no request target.
pub fn target(url: &Url) -> Result<http::Uri, WireError> {
    let text = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let bad = || WireError::Address { url: url.path().into(), why: "its path is no request target" };
    let target = http::uri::PathAndQuery::try_from(text).map_err(|_| bad())?;
    Ok(http::Uri::from(target))
}
