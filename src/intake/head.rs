//! The checks on a head, in one place and one order.

use compact_str::CompactString;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts};

use super::{AllowedHosts, HeadFault, Host, NormalPath, Rejected, path};

/// A head that reads the same to everyone. The caller's credentials are still among its headers.
#[derive(Debug)]
pub struct Head {
    /// The method; never CONNECT or TRACE.
    pub method: Method,
    /// The path, in normal form.
    pub path: NormalPath,
    /// The query as sent, without `?`; ASCII, well percent-encoded.
    pub query: Option<CompactString>,
    /// The one host it is for.
    pub host: Host,
    /// The headers: aliases with `_` or `.` dropped, `cookie` in one line, no `host` (see [`Head::host`]).
    pub headers: HeaderMap,
    /// HTTP/1.0, 1.1 or 2.
    pub version: Version,
    /// What body it announces.
    pub body: Announced,
    /// Whether the caller waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The protocol it asks to change to.
    pub upgrade: Option<UpgradeTo>,
    /// What the HTTP library keeps beside the head (the upgrade's other end).
    pub extensions: Extensions,
}

/// What body a head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// None is announced. Over HTTP/2 one may follow all the same.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Chunks until the last.
    Chunked,
}

/// The protocol of an upgrade, lower case: `websocket`. One token, never HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeTo(pub CompactString);

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadBounds {
    /// Most headers.
    pub header_count_max: usize,
    /// Most bytes of names, values and target together.
    pub header_bytes_max: usize,
    /// Longest path.
    pub path_bytes_max: usize,
}

impl Default for HeadBounds {
    fn default() -> Self {
        Self { header_count_max: 100, header_bytes_max: 32 * 1024, path_bytes_max: 8 * 1024 }
    }
}

/// Reads a head, or refuses it.
///
/// # Errors
/// Whatever two readers could read differently, and whatever passes a bound.
pub fn head(parts: Parts, hosts: &AllowedHosts, bounds: &HeadBounds) -> Result<Head, Rejected> {
    let Parts { method, uri, version, mut headers, mut extensions, .. } = parts;
    if let Some(fault) = extensions.remove::<HeadFault>() {
        return Err(fault.into());
    }
    check_version(version)?;
    check_method(&method)?;
    check_size(uri.path().len() + uri.query().map_or(0, str::len), &headers, bounds)?;
    let host = Host::of(&uri, &headers, version)?;
    if !hosts.allow(&host) {
        return Err(Rejected::UnknownHost);
    }
    let path = NormalPath::parse(uri.path(), bounds.path_bytes_max)?;
    let query = uri.query().map(query).transpose()?;
    drop_aliases(&mut headers);
    check_headers(&headers)?;
    check_padding(&headers, version)?;
    let body = announced(&headers, version)?;
    if method == Method::HEAD && !matches!(body, Announced::Nothing | Announced::Length(0)) {
        return Err(Rejected::UnexpectedBody);
    }
    let expects_continue = expectation(&headers)?;
    let upgrade = upgrade(&method, version, &headers, body)?;
    join_cookies(&mut headers, version)?;
    headers.remove(header::HOST);
    Ok(Head { method, path, query, host, headers, version, body, expects_continue, upgrade, extensions })
}

/// Headers that security or framing rests on: at most one line each, visible ASCII only.
const SINGLE: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "expect",
    "upgrade",
    "origin",
    "if-match",
    "if-none-match",
    "range",
    "idempotency-key",
    "traceparent",
];

const METHOD_OVERRIDES: &[&str] = &["x-http-method-override", "x-method-override", "x-http-method"];
const METHOD_BYTES_MAX: usize = 32;

fn check_version(version: Version) -> Result<(), Rejected> {
    match version {
        Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2 => Ok(()),
        _ => Err(Rejected::Version),
    }
}

fn check_method(method: &Method) -> Result<(), Rejected> {
    let refused = matches!(*method, Method::CONNECT | Method::TRACE)
        || method.as_str().len() > METHOD_BYTES_MAX
        || !method.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if refused { Err(Rejected::Method) } else { Ok(()) }
}

fn check_size(target: usize, headers: &HeaderMap, bounds: &HeadBounds) -> Result<(), Rejected> {
    if headers.len() > bounds.header_count_max {
        return Err(Rejected::TooManyHeaders(bounds.header_count_max));
    }
    // Four bytes a line for `: ` and the line's end, as the caller sent them.
    let lines: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if target + lines > bounds.header_bytes_max {
        return Err(Rejected::HeadersTooLarge(bounds.header_bytes_max));
    }
    Ok(())
}

/// A query is kept as sent; only what readers stumble over is refused.
fn query(raw: &str) -> Result<CompactString, Rejected> {
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => match path::hex(rest.next()).zip(path::hex(rest.next())) {
                Some((0 | 1, _) | (7, 15)) | None => return Err(Rejected::Query),
                Some(_) => {}
            },
            b'#' | b'\\' | 0..=b' ' | 0x7f..=0xff => return Err(Rejected::Query),
            _ => {}
        }
    }
    Ok(CompactString::new(raw))
}

/// `X_User` and `X.User` become `X-User` in some systems; here they do not exist.
fn drop_aliases(headers: &mut HeaderMap) {
    let is_alias = |name: &HeaderName| memchr::memchr2(b'_', b'.', name.as_str().as_bytes()).is_some();
    if headers.keys().any(is_alias) {
        let aliases: Vec<HeaderName> = headers.keys().filter(|name| is_alias(name)).cloned().collect();
        for name in aliases {
            headers.remove(name);
        }
    }
}

/// Walks the names that came: they are fewer than the names that matter.
fn check_headers(headers: &HeaderMap) -> Result<(), Rejected> {
    for name in headers.keys() {
        // As texts: names are lower case here, and two of unlike length are told apart at once.
        let text = name.as_str();
        let among = |names: &[&'static str]| names.iter().copied().find(|other| *other == text);
        if let Some(name) = among(METHOD_OVERRIDES) {
            return Err(Rejected::MethodOverride(name));
        }
        let Some(single) = among(SINGLE) else { continue };
        let mut lines = headers.get_all(name).iter();
        let line = lines.next();
        if lines.next().is_some() {
            return Err(Rejected::Repeated(single));
        }
        if line.is_some_and(|line| !is_visible(line.as_bytes())) {
            return Err(Rejected::HeaderBytes(single));
        }
    }
    Ok(())
}

/// Whether every byte is visible ASCII or a blank. All are looked at, several at once: most are good, and tokens long.
fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~'))
}

/// HTTP/1 strips white space around a value before anybody sees it; over HTTP/2 it is malformed (RFC 9113 §8.2.1).
fn check_padding(headers: &HeaderMap, version: Version) -> Result<(), Rejected> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_padded = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        is_blank(bytes.first()) || is_blank(bytes.last())
    };
    if version == Version::HTTP_2 && headers.values().any(is_padded) {
        return Err(HeadFault::PaddedValue.into());
    }
    Ok(())
}

fn announced(headers: &HeaderMap, version: Version) -> Result<Announced, Rejected> {
    let length = headers.get(header::CONTENT_LENGTH);
    match headers.get(header::TRANSFER_ENCODING) {
        None => length.map_or(Ok(Announced::Nothing), |value| content_length(value).map(Announced::Length)),
        Some(_) if length.is_some() => Err(HeadFault::TwoLengths.into()),
        Some(value) if value == "chunked" && version == Version::HTTP_11 => Ok(Announced::Chunked),
        Some(_) => Err(HeadFault::OddEncoding.into()),
    }
}

/// Digits without sign, leading zero or list.
fn content_length(value: &HeaderValue) -> Result<u64, Rejected> {
    let digits = value.to_str().map_err(|_| Rejected::ContentLength)?;
    let plain = digits == "0" || !digits.starts_with('0');
    if !plain || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Rejected::ContentLength);
    }
    digits.parse().map_err(|_| Rejected::ContentLength)
}

fn expectation(headers: &HeaderMap) -> Result<bool, Rejected> {
    match headers.get(header::EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Rejected::Expectation),
    }
}

fn upgrade(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    body: Announced,
) -> Result<Option<UpgradeTo>, Rejected> {
    let Some(value) = headers.get(header::UPGRADE) else { return Ok(None) };
    let protocol = value.to_str().map_err(|_| Rejected::Upgrade)?.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b'+');
    let well_formed = *method == Method::GET
        && version == Version::HTTP_11
        && body == Announced::Nothing
        && connection_says(headers, "upgrade")
        && !protocol.is_empty()
        && protocol.bytes().all(token)
        && !protocol.starts_with("h2")
        && !protocol.starts_with("http");
    if well_formed { Ok(Some(UpgradeTo(protocol.into()))) } else { Err(Rejected::Upgrade) }
}

fn connection_says(headers: &HeaderMap, word: &str) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|line| {
        line.to_str().is_ok_and(|line| line.split(',').any(|token| token.trim().eq_ignore_ascii_case(word)))
    })
}

/// HTTP/2 may send `cookie` in crumbs; further on it is one line (RFC 9113 §8.2.3). HTTP/1 may not.
fn join_cookies(headers: &mut HeaderMap, version: Version) -> Result<(), Rejected> {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    if version != Version::HTTP_2 {
        return Err(Rejected::Repeated("cookie"));
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined =
        HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| Rejected::HeaderBytes("cookie"))?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}
