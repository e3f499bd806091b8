//! Pass-through heads: what of a caller's request a system gets to see, and what of its answer the caller.
//!
//! The caller's credential never goes on, nor anything that claims to speak for a proxy; `_` and `.` in a
//! field's name are dropped, because systems read them as `-`. The system's own sign-in, cookies it sets and
//! what it says of itself do not come back.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
    uri::PathAndQuery,
};
use http_body::Body as _;
use smallvec::SmallVec;

use super::{Upstream, UpstreamError};
use crate::{
    body::Body,
    wire::{has_token, is_grpc, is_hop_by_hop, nominated},
    words::Channel,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// For whom a request is passed on. Does not change over a connection: make it once for each.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    address: HeaderValue,
    protocol: HeaderValue,
    forwarded: HeaderValue,
    host: Option<HeaderValue>,
}

/// What is passed on.
#[derive(Debug)]
pub struct Passed<'a> {
    /// The method.
    pub method: Method,
    /// The path inside the system in its normal form, beginning with `/`: what was judged.
    pub path: &'a str,
    /// The query as sent, without `?`.
    pub query: Option<&'a str>,
    /// The version the caller spoke.
    pub version: Version,
    /// The caller's fields.
    pub headers: HeaderMap,
    /// The caller's body, not yet read.
    pub body: Body,
}

impl OnBehalf {
    /// From what is known of the connection and the `Host` that was asked for.
    pub fn new(channel: &Channel, host: Option<&HeaderValue>) -> Self {
        let protocol = if channel.tls.is_some() { "https" } else { "http" };
        let host = host.filter(|host| host.to_str().is_ok_and(is_plain_host)).cloned();
        let address = channel.address.to_canonical();
        let node = address.to_string();
        let (open, close) = if address.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
        let mut forwarded = String::with_capacity(128);
        for part in [open, &node, close] {
            forwarded.push_str(part);
        }
        if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok()) {
            for part in [";host=\"", host, "\""] {
                forwarded.push_str(part);
            }
        }
        forwarded.push_str(";proto=");
        forwarded.push_str(protocol);
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            address: value(node),
            protocol: HeaderValue::from_static(protocol),
            forwarded: value(forwarded),
            host,
        }
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_FOR, self.address.clone());
        headers.insert(X_FORWARDED_PROTO, self.protocol.clone());
        headers.insert(FORWARDED, self.forwarded.clone());
        if let Some(host) = &self.host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
    }
}

impl Upstream {
    /// The request a system gets for a caller's. [`Upstream::open`] adds `Host`, the sign-in and the request's id.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`] for what is never passed on.
    pub fn forward(&self, passed: Passed<'_>, on_behalf: &OnBehalf) -> Result<Request<Body>, UpstreamError> {
        let Passed { method, path, query, version, mut headers, body } = passed;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(UpstreamError::BadRequest("CONNECT and TRACE are not passed on"));
        }
        let target = self.target(path, query)?;
        let upgrade = upgrade(&method, version, &headers, &body);
        let trailers = has_token(&headers, TE, "trailers") || is_grpc(&headers);
        self.sign_ins.permits(query)?;
        clean_request(&mut headers, self.sign_ins.struck());
        on_behalf.write(&mut headers);
        headers.append(VIA, HeaderValue::from_static("1.1 bramka"));
        frame(&method, &mut headers, &body);
        if let Some(protocol) = upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocol);
        } else if trailers {
            headers.insert(CONNECTION, HeaderValue::from_static("te"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = target.into();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Path and query under the system's own path.
    pub(super) fn target(&self, path: &str, query: Option<&str>) -> Result<PathAndQuery, UpstreamError> {
        const BAD: UpstreamError = UpstreamError::BadRequest("its path or query is no request target");
        let query = query.unwrap_or_default();
        let mark = usize::from(!query.is_empty());
        // Exactly so much: what has room left is allocated once more when it becomes `Bytes`.
        let mut text = String::with_capacity(self.prefix.len() + path.len() + mark + query.len());
        text.push_str(&self.prefix);
        text.push_str(path);
        if !query.is_empty() {
            text.push('?');
            text.push_str(query);
        }
        // The parser of `http` cuts a fragment off silently; nothing is sent that differs from what was judged.
        if !path.starts_with('/') || text.bytes().any(|byte| byte == b'#' || !byte.is_ascii_graphic()) {
            return Err(BAD);
        }
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| BAD)
    }

    /// Cleans the head of a passed-through answer. `mount` is where the caller sees the system, as in
    /// `/systems/crm`: a redirect inside the system leads there again, one that names the system's own address
    /// does not tell it.
    pub fn clean_answer(&self, status: StatusCode, headers: &mut HeaderMap, mount: impl fmt::Display) {
        remove(headers, |name| is_kept_back(name) || self.sign_ins.is_kept_back(name));
        // RFC 9110 §8.6: these never have a length.
        if status == StatusCode::NO_CONTENT || status.is_informational() {
            headers.remove(CONTENT_LENGTH);
        }
        let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) else {
            return;
        };
        let Some(inside) = self.inside(location) else { return };
        let mounted = HeaderValue::try_from(format!("{mount}{inside}"));
        match mounted {
            Ok(mounted) => headers.insert(LOCATION, mounted),
            Err(_) => headers.remove(LOCATION),
        };
    }

    /// The part of a redirect's target that lies inside the system, if it does.
    fn inside<'a>(&self, location: &'a str) -> Option<&'a str> {
        let path = match location.split_once("://") {
            Some((_, rest)) => {
                let at = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(at)?;
                self.balance.has_authority(authority).then_some(path)?
            }
            None if location.starts_with('/') && !location.starts_with("//") => location,
            None => return None,
        };
        let inside = path.strip_prefix(&*self.prefix)?;
        (inside.is_empty() || inside.starts_with('/')).then_some(inside)
    }
}

/// The protocol a caller wants to switch to: one, over HTTP/1.1, by a GET without a body. Never `h2c`, which
/// would be a tunnel past every further check.
fn upgrade(method: &Method, version: Version, headers: &HeaderMap, body: &Body) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let sole = headers.get_all(UPGRADE).iter().nth(1).is_none() && !protocol.as_bytes().contains(&b',');
    let asked = sole
        && version == Version::HTTP_11
        && *method == Method::GET
        && body.is_end_stream()
        && has_token(headers, CONNECTION, "upgrade")
        && !protocol.as_bytes().to_ascii_lowercase().starts_with(b"h2");
    asked.then(|| protocol.clone())
}

fn clean_request(headers: &mut HeaderMap, sign_in: &[HeaderName]) {
    let named = nominated(headers);
    let is_struck =
        |name: &HeaderName| is_not_passed_on(name) || sign_in.contains(name) || named.contains(name);
    remove(headers, is_struck);
    announce_trailers(headers, is_struck);
    // RFC 9113 §8.2.3: HTTP/2 may split the cookie, HTTP/1.1 has one line.
    let mut crumbs = headers.get_all(COOKIE).iter();
    if let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) {
        let mut joined = first.as_bytes().to_vec();
        for crumb in std::iter::once(second).chain(crumbs) {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(crumb.as_bytes());
        }
        match HeaderValue::from_bytes(&joined) {
            Ok(cookie) => headers.insert(COOKIE, cookie),
            Err(_) => headers.remove(COOKIE),
        };
    }
}

/// The library sends the trailers that `Trailer` names and drops the others: what may not be a header may not be
/// a trailer either.
fn announce_trailers(headers: &mut HeaderMap, is_struck: impl Fn(&HeaderName) -> bool) {
    if !headers.contains_key(TRAILER) {
        return;
    }
    let mut kept = String::new();
    for line in headers.get_all(TRAILER) {
        for name in line.to_str().unwrap_or_default().split(',') {
            let name = HeaderName::try_from(name.trim()).ok().filter(|name| !is_struck(name));
            if let Some(name) = name {
                kept.push_str(if kept.is_empty() { "" } else { ", " });
                kept.push_str(name.as_str());
            }
        }
    }
    match HeaderValue::try_from(kept) {
        Ok(kept) if !kept.is_empty() => headers.insert(TRAILER, kept),
        Ok(_) | Err(_) => headers.remove(TRAILER),
    };
}

/// Says how a body is framed where hyper would guess wrongly: a length of nothing where a body could be, and
/// chunks where it would drop a body of unknown length.
pub(super) fn frame(method: &Method, headers: &mut HeaderMap, body: &Body) {
    let usually_none = *method == Method::GET || *method == Method::HEAD;
    if body.is_end_stream() {
        if !usually_none && matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if usually_none && body.size_hint().exact().is_none() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: SmallVec<[HeaderName; 8]> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Fields that frame a message or name its target: never set by a file, never passed on.
pub(super) fn is_framing(name: &HeaderName) -> bool {
    is_hop_by_hop(name) || matches!(name.as_str(), "host" | "content-length" | "expect" | "trailer")
}

/// Fields of a caller's request that no system sees: framing, the caller's credentials, and what only a proxy
/// or a gate says.
fn is_not_passed_on(name: &HeaderName) -> bool {
    let name = name.as_str();
    if name.bytes().any(|byte| byte == b'_' || byte == b'.') {
        return true;
    }
    match name.strip_prefix("x-") {
        Some(name) => is_of_a_gate(name),
        None => {
            matches!(
                name,
                "connection"
                    | "keep-alive"
                    | "te"
                    | "transfer-encoding"
                    | "upgrade"
                    | "host"
                    | "content-length"
                    | "expect"
                    | "authorization"
                    | "forwarded"
                    | "true-client-ip"
                    | "cf-connecting-ip"
                    | "fastly-client-ip"
                    | "client-cert"
                    | "client-cert-chain"
            ) || ["proxy-", "remote-", "ssl-client"].iter().any(|prefix| name.starts_with(prefix))
        }
    }
}

/// What stands behind `x-` in fields by which proxies, gates and identity providers, ourselves included, tell a system
/// who asks, from where and for what.
fn is_of_a_gate(name: &str) -> bool {
    matches!(
        name,
        "api-key"
            | "request-id"
            | "real-ip"
            | "client-ip"
            | "cluster-client-ip"
            | "originating-ip"
            | "scheme"
            | "host"
            | "original-url"
            | "original-uri"
            | "original-host"
            | "rewrite-url"
            | "http-method-override"
            | "http-method"
            | "method-override"
            | "user"
            | "user-id"
            | "userinfo"
            | "token-subject"
            | "client-dn"
            | "anonymous-consumer"
    ) || GATES.iter().any(|prefix| name.starts_with(prefix))
}

/// First parts of such names, behind `x-`.
const GATES: &[&str] = &[
    "forwarded",
    "bramka-",
    "auth-request-",
    "authenticated-",
    "webauth-",
    "remote-",
    "jwt-",
    "consumer-",
    "credential-",
    "amzn-oidc-",
    "goog-authenticated-user-",
    "goog-iap-",
    "ms-client-principal",
    "ms-token-",
    "ssl-client",
    "client-cert",
    "envoy-",
];

/// Fields of a system's answer that a caller does not see.
fn is_kept_back(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "set-cookie"
            | "set-cookie2"
            | "clear-site-data"
            | "www-authenticate"
            | "authentication-info"
            | "server"
            | "x-powered-by"
            | "x-aspnet-version"
            | "via"
            | "alt-svc"
            | "strict-transport-security"
            | "x-request-id"
            | "audit-receipt"
    ) || name.starts_with("proxy-")
}

/// What may stand between quotes in `Forwarded`.
fn is_plain_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
}
