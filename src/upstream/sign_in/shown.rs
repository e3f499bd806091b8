//! What a sign-in puts into a request: header fields, cookies, parameters of the query, fields of a JSON body, and
//! sometimes the address it goes to.
//!
//! All of it is put in last, on the way out of each try: neither the journal nor a log nor a cursor ever sees a
//! request that is signed in.

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE},
    uri::PathAndQuery,
};
use http_body::Body as _;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    super::UpstreamError,
    json::{Steps, quoted},
    recipe::{Recipe, Scene, Unmade},
};
use crate::{body::Body, wire::Origin, words::Secret};

/// What is put in.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) fields: Vec<(HeaderName, Field)>,
    /// Names and values. Those of a later part replace those of an earlier one.
    pub(super) cookies: Vec<(Box<str>, Secret)>,
    pub(super) query: Vec<(Box<str>, Recipe)>,
    pub(super) body: Vec<(Steps, Recipe)>,
    /// The address that this sign-in belongs to, where it is not the file's.
    pub(super) origin: Option<Arc<Origin>>,
}

/// The value of a header field.
#[derive(Clone, Debug)]
pub(super) enum Field {
    /// Always the same.
    Fixed(HeaderValue),
    /// Worked out for each request.
    Made(Recipe),
}

impl Shown {
    pub(super) fn field(name: HeaderName, value: HeaderValue) -> Self {
        Self { fields: vec![(name, Field::Fixed(value))], ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.cookies.is_empty() && self.query.is_empty() && self.body.is_empty()
    }
}

impl Field {
    /// None when it cannot stand in a header.
    pub(super) fn of(recipe: Recipe) -> Option<Self> {
        if !recipe.is_fixed() {
            return Some(Self::Made(recipe));
        }
        let scene = Scene { now: Timestamp::UNIX_EPOCH, method: "", url: "", body: None };
        sensitive(recipe.make(&scene).ok()?.expose()).map(Self::Fixed)
    }
}

/// Puts all parts into a request that goes to that origin.
pub(super) fn sign(
    parts: &[&Shown],
    request: &mut Request<Body>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), UpstreamError> {
    let scene = Scene { now, method: "", url: "", body: None };
    for (name, recipe) in parts.iter().flat_map(|part| &part.query) {
        let value = recipe.make(&scene).map_err(unmade)?;
        *request.uri_mut() = with_query(request.uri(), name, value.expose())?;
    }
    put_into_body(parts, request, &scene)?;
    put_fields(parts, request, origin, now)?;
    put_cookies(parts, request)
}

fn put_into_body(
    parts: &[&Shown],
    request: &mut Request<Body>,
    scene: &Scene<'_>,
) -> Result<(), UpstreamError> {
    let mut fields = parts.iter().flat_map(|part| &part.body).peekable();
    if fields.peek().is_none() {
        return Ok(());
    }
    let text = match request.body() {
        Body::Empty if matches!(*request.method(), Method::GET | Method::HEAD) => {
            return Err(UpstreamError::BadRequest(
                "the system signs in by a field of the body, and it has none",
            ));
        }
        Body::Empty => "",
        Body::Full(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| UpstreamError::BadRequest("its body is no text that could be signed in"))?,
        Body::Incoming(_) | Body::Stream(_) => return Err(unmade(Unmade::Streamed)),
    };
    let mut text = zeroize::Zeroizing::new(text.to_owned());
    for (at, recipe) in fields {
        let value = recipe.make(scene).map_err(unmade)?;
        let literal = if recipe.is_number() { value.expose().to_owned() } else { quoted(value.expose()) };
        *text = at.insert(&text, &literal).map_err(UpstreamError::BadRequest)?;
    }
    let headers = request.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    *request.body_mut() = Body::from(std::mem::take(&mut *text).into_bytes());
    Ok(())
}

fn put_fields(
    parts: &[&Shown],
    request: &mut Request<Body>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), UpstreamError> {
    let mut made = Vec::new();
    for (name, field) in parts.iter().flat_map(|part| &part.fields) {
        match field {
            Field::Fixed(value) => {
                request.headers_mut().insert(name, value.clone());
            }
            Field::Made(recipe) => {
                let url = address(origin, request.uri());
                let body = match request.body() {
                    body if body.is_end_stream() => Some(&[][..]),
                    Body::Full(bytes) => Some(&**bytes),
                    Body::Empty | Body::Incoming(_) | Body::Stream(_) => None,
                };
                let scene = Scene { now, method: request.method().as_str(), url: &url, body };
                let value = recipe.make(&scene).map_err(unmade)?;
                let value = sensitive(value.expose())
                    .ok_or(UpstreamError::BadRequest("what signs it cannot stand in a header field"))?;
                made.push((name, value));
            }
        }
    }
    for (name, value) in made {
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

/// One line (RFC 6265 §5.4), in place of any other.
fn put_cookies(parts: &[&Shown], request: &mut Request<Body>) -> Result<(), UpstreamError> {
    let all: Vec<_> = parts.iter().flat_map(|part| &part.cookies).collect();
    let mut line = zeroize::Zeroizing::new(String::new());
    for (number, (name, value)) in all.iter().enumerate() {
        let is_replaced = all.iter().skip(number + 1).any(|(later, _)| later == name);
        if is_replaced {
            continue;
        }
        for part in [if line.is_empty() { "" } else { "; " }, name, "=", value.expose()] {
            line.push_str(part);
        }
    }
    if !line.is_empty() {
        let line = sensitive(&line).ok_or(UpstreamError::BadRequest("its cookies are no header value"))?;
        request.headers_mut().insert(COOKIE, line);
    }
    Ok(())
}

/// What may stand in a form or a query as it is; the space becomes `%20`, which every reader takes.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// `application/x-www-form-urlencoded`.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// Whether a pair of a query would be read as that parameter, or as a member of it.
pub(super) fn names(pair: &str, parameter: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
    let name = percent_decode_str(&name).decode_utf8_lossy();
    let name = name.split('[').next().unwrap_or_default();
    name.eq_ignore_ascii_case(parameter)
}

/// The target with this parameter at its end, and nowhere else.
fn with_query(target: &Uri, name: &str, value: &str) -> Result<Uri, UpstreamError> {
    let mut text = zeroize::Zeroizing::new(format!("{}?", target.path()));
    for pair in target.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        if !names(pair, name) {
            text.push_str(pair);
            text.push('&');
        }
    }
    for part in [&encoded(name), "=", &encoded(value)] {
        text.push_str(part);
    }
    PathAndQuery::try_from(text.as_str())
        .map(Uri::from)
        .map_err(|_| UpstreamError::BadRequest("its path or query is no request target"))
}

/// Scheme, host and path.
fn address(origin: &Origin, target: &Uri) -> String {
    let scheme = if origin.is_tls() { "https" } else { "http" };
    let host = origin.authority().to_str().unwrap_or_default();
    format!("{scheme}://{host}{}", target.path())
}

/// A value no log prints.
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn unmade(why: Unmade) -> UpstreamError {
    UpstreamError::BadRequest(why.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_stands_once_however_it_was_spelt_before() {
        let target = Uri::from_static("/a?x=1&api_token=old&Api%5Ftoken=y&api_token[]=z&api_tokens=k");
        let signed = with_query(&target, "api_token", "s&=# é").unwrap();
        assert_eq!(signed, "/a?x=1&api_tokens=k&api_token=s%26%3D%23%20%C3%A9");
        assert_eq!(with_query(&Uri::from_static("/a"), "k", "v").unwrap(), "/a?k=v");
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_parameter(value: String) {
            let signed = with_query(&Uri::from_static("/a?x=1"), "k", &value).unwrap();
            let url = url::Url::parse(&format!("http://h{signed}")).unwrap();
            let pairs: Vec<_> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
            prop_assert_eq!(pairs, [("x".into(), "1".into()), ("k".into(), value)]);
            prop_assert_eq!(url.path(), "/a");
        }
    }
}
