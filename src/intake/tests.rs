//! The room's facts: the traps of paths, hosts, framing, forwarded addresses and bodies.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body::Frame;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    body::{Body, BodyError},
    clock,
};

fn path(raw: &str) -> Result<String, PathFault> {
    NormalPath::parse(raw, 8192).map(|path| path.as_str().to_owned())
}

fn read(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Head, Rejected> {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    head(request.body(()).unwrap().into_parts().0, &AllowedHosts::any(), &HeadBounds::default())
}

fn h1(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Head, Rejected> {
    let mut all = vec![("host", "api.example")];
    all.extend(headers);
    read(Version::HTTP_11, method, uri, &all)
}

#[test]
fn every_spelling_of_a_path_lands_in_one_place_or_is_refused() {
    for (raw, expected) in [
        ("/admin", Ok("/admin")),
        ("/%61dmin", Ok("/admin")),
        ("/%61%64%6D%69%6e", Ok("/admin")),
        ("/ADMIN", Ok("/ADMIN")),
        ("/a%c5%bc/", Ok("/a%C5%BC/")),
        ("/a%20b%2B%3F%23%25", Ok("/a%20b%2B%3F%23%25")),
        ("/Items(key='1',x=2)/a:b@c", Ok("/Items(key='1',x=2)/a:b@c")),
        ("/...", Ok("/...")),
        ("//admin", Err(PathFault::EmptySegment)),
        ("/a//b", Err(PathFault::EmptySegment)),
        ("/a//", Err(PathFault::EmptySegment)),
        ("/./admin", Err(PathFault::DotSegment)),
        ("/x/../admin", Err(PathFault::DotSegment)),
        ("/x/%2e%2e/admin", Err(PathFault::DotSegment)),
        ("/x/.%2E", Err(PathFault::DotSegment)),
        ("/api/%2e", Err(PathFault::DotSegment)),
        ("/x%2f..%2fadmin", Err(PathFault::EncodedDelimiter)),
        ("/x\\admin", Err(PathFault::RawByte)),
        ("/x%5Cadmin", Err(PathFault::EncodedDelimiter)),
        ("/x%00", Err(PathFault::EncodedDelimiter)),
        ("/x%0d%0aHost:%20evil", Err(PathFault::EncodedDelimiter)),
        ("/x/..;/admin", Err(PathFault::Parameter)),
        ("/x%3b/admin", Err(PathFault::EncodedDelimiter)),
        ("/x%252fadmin", Err(PathFault::DoubleEncoding)),
        ("/x%25%32fadmin", Err(PathFault::DoubleEncoding)),
        ("/x%", Err(PathFault::BadPercent)),
        ("/x%4", Err(PathFault::BadPercent)),
        ("/x%u002f", Err(PathFault::BadPercent)),
        ("/x%c0%af", Err(PathFault::NotUtf8)),
        ("/ż", Err(PathFault::RawByte)),
        ("/x#y", Err(PathFault::RawByte)),
        ("/a b", Err(PathFault::RawByte)),
        ("*", Err(PathFault::NotAbsolute)),
        ("", Err(PathFault::NotAbsolute)),
    ] {
        assert_eq!(path(raw).as_deref().map_err(|fault| *fault), expected, "{raw}");
    }
    assert_eq!(path(&format!("/{}", "a".repeat(8192))), Err(PathFault::TooLong));
}

proptest! {
    #[test]
    fn a_normal_path_stays_as_it_is(raw in "/([a-z.%/\\\\;~]|%[0-9a-fA-F]{2}|\\PC){0,24}") {
        fuzz_path(raw.as_bytes());
    }

    #[test]
    fn no_bytes_make_a_head_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_path(&bytes);
        fuzz_head(&bytes);
    }

    #[test]
    fn near_heads_hold_their_promises(
        method in "GET|POST|HEAD|CONNECT|get",
        target in "(http://[a-z@:]{1,6})?/[a-z%2f./;]{0,12}|\\*",
        lines in proptest::collection::vec(
            "(Host|Authorization|Content-Length|X_User|Transfer-Encoding|Upgrade): ?[a-z0-9@:,/ ]{0,12}", 0..6),
    ) {
        fuzz_head(format!("{method} {target} HTTP/1.1\n{}\n\n", lines.join("\n")).as_bytes());
    }
}

#[test]
fn the_query_is_kept_as_sent_or_refused() {
    let head = h1("GET", "/v1/orders?total[gte]=10&x=%C5%BC+y", &[]).unwrap();
    assert_eq!(head.query.as_deref(), Some("total[gte]=10&x=%C5%BC+y"));
    for query in ["a=%0d", "a=%zz", "a=%4", "a=\\b", "a=%00", "a=%7f"] {
        assert_eq!(h1("GET", &format!("/?{query}"), &[]).unwrap_err(), Rejected::Query, "{query}");
    }
    assert_eq!(h1("GET", "/?/../admin", &[]).unwrap().path.as_str(), "/");
}

#[test]
fn there_is_exactly_one_host_and_it_is_a_host() {
    let one = |host: &str| read(Version::HTTP_11, "GET", "/", &[("host", host)]).map(|head| head.host);
    assert_eq!(one("API.Example:8443").unwrap(), Host::parse("api.example:8443").unwrap());
    assert_eq!(one("[::1]:8443").unwrap().name(), "[::1]");
    for host in [
        "", "a, b", "user@a", "a/b", "a:", "a:99999", "a:+1", "a..b", ".a", "a.", "[::1", "[::1]x", "a b",
        "ż",
    ] {
        assert_eq!(one(host).unwrap_err(), Rejected::Host, "{host:?}");
    }
    let refused =
        |version, uri: &str, headers: &[(&str, &str)]| read(version, "GET", uri, headers).unwrap_err();
    assert_eq!(refused(Version::HTTP_11, "/", &[]), Rejected::Host);
    assert_eq!(refused(Version::HTTP_10, "/", &[]), Rejected::Host);
    assert_eq!(refused(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]), Rejected::TwoHosts);
    assert_eq!(refused(Version::HTTP_11, "http://b/", &[("host", "a")]), Rejected::TwoHosts);
    assert_eq!(refused(Version::HTTP_11, "http://a/", &[]), Rejected::Host);
    assert_eq!(refused(Version::HTTP_2, "https://b/", &[("host", "a")]), Rejected::TwoHosts);
    assert_eq!(refused(Version::HTTP_2, "https://b/", &[("host", "b"), ("host", "b")]), Rejected::TwoHosts);
    assert_eq!(refused(Version::HTTP_2, "https://u@b/", &[]), Rejected::Host);
    assert!(read(Version::HTTP_2, "GET", "https://B/", &[("host", "b")]).is_ok());
    assert!(read(Version::HTTP_11, "GET", "http://a/x", &[("host", "A")]).is_ok());
}

#[test]
fn only_the_hosts_of_the_listener_are_served() {
    let ask = |host: &str| {
        let parts = Request::get("/").header("host", host).body(()).unwrap().into_parts().0;
        head(parts, &AllowedHosts::of(["Api.example"]), &HeadBounds::default()).map(|_| ())
    };
    assert_eq!(ask("api.EXAMPLE:1"), Ok(()));
    assert_eq!(ask("evil.example"), Err(Rejected::UnknownHost));
}

#[test]
fn methods_that_tunnel_trace_or_hide_another_are_refused() {
    assert_eq!(
        read(Version::HTTP_11, "CONNECT", "a:443", &[("host", "a:443")]).unwrap_err(),
        Rejected::Method
    );
    assert_eq!(h1("TRACE", "/", &[]).unwrap_err(), Rejected::Method);
    assert_eq!(h1("get", "/", &[]).unwrap_err(), Rejected::Method);
    assert_eq!(h1("OPTIONS", "*", &[]).unwrap_err(), Rejected::Path(PathFault::NotAbsolute));
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        assert_eq!(h1("POST", "/", &[(name, "DELETE")]).unwrap_err(), Rejected::MethodOverride(name));
    }
    assert_eq!(h1("PROPFIND", "/", &[]).unwrap().method, Method::from_bytes(b"PROPFIND").unwrap());
}

#[test]
fn lengths_that_can_be_read_twice_are_refused() {
    let length = |value: &str| h1("POST", "/", &[("content-length", value)]).map(|head| head.body);
    assert_eq!(length("5"), Ok(Announced::Length(5)));
    assert_eq!(length("0"), Ok(Announced::Length(0)));
    for value in ["0200", "+5", "-5", "", "5, 5", "0x5", "5_0", "99999999999999999999", "5 "] {
        assert_eq!(length(value), Err(Rejected::ContentLength), "{value:?}");
    }
    let refused = |headers: &[(&str, &str)]| h1("POST", "/", headers).unwrap_err();
    assert_eq!(
        refused(&[("content-length", "5"), ("transfer-encoding", "chunked")]),
        Rejected::Framing(HeadFault::TwoLengths)
    );
    assert_eq!(
        refused(&[("content-length", "5"), ("content-length", "5")]),
        Rejected::Repeated("content-length")
    );
    for value in ["Chunked", ", chunked", "identity, chunked", "chunked, chunked", "gzip", ""] {
        let refused = refused(&[("transfer-encoding", value)]);
        assert_eq!(refused, Rejected::Framing(HeadFault::OddEncoding), "{value:?}");
    }
    let old = [("host", "a"), ("transfer-encoding", "chunked")];
    assert!(read(Version::HTTP_10, "POST", "/", &old).is_err());
    assert_eq!(h1("HEAD", "/", &[("content-length", "5")]).unwrap_err(), Rejected::UnexpectedBody);
    assert_eq!(h1("POST", "/", &[("transfer-encoding", "chunked")]).unwrap().body, Announced::Chunked);
}

#[test]
fn what_the_door_saw_in_the_bytes_refuses_the_head() {
    let mut parts = Request::get("/").header("host", "a").body(()).unwrap().into_parts().0;
    parts.extensions.insert(HeadFault::TwoLengths);
    let refused = head(parts, &AllowedHosts::any(), &HeadBounds::default()).unwrap_err();
    assert_eq!(refused, Rejected::Framing(HeadFault::TwoLengths));
}

#[test]
fn headers_that_security_rests_on_stand_once_in_visible_ascii() {
    for name in ["authorization", "x-api-key", "content-type", "if-match", "idempotency-key"] {
        assert!(matches!(h1("GET", "/", &[(name, "a"), (name, "b")]), Err(Rejected::Repeated(_))), "{name}");
        assert!(matches!(h1("GET", "/", &[(name, "é")]), Err(Rejected::HeaderBytes(_))), "{name}");
        assert!(matches!(h1("GET", "/", &[(name, "a\tb")]), Err(Rejected::HeaderBytes(_))), "{name}");
    }
    assert!(h1("GET", "/", &[("x-note", "é"), ("x-note", "b")]).is_ok());
}

#[test]
fn aliases_of_headers_do_not_exist_further_on() {
    let head = h1("GET", "/", &[("x_forwarded_for", "1"), ("x.user", "2"), ("x-user", "3")]).unwrap();
    let names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-user"]);
}

#[test]
fn a_head_has_bounds() {
    let many: Vec<(&str, &str)> = vec![("x-a", "1"); 101];
    assert_eq!(h1("GET", "/", &many).unwrap_err(), Rejected::TooManyHeaders(100));
    let long = "v".repeat(33 * 1024);
    assert_eq!(h1("GET", "/", &[("x-a", &long)]).unwrap_err(), Rejected::HeadersTooLarge(32 * 1024));
}

#[test]
fn expectations_and_upgrades_are_exact() {
    assert!(h1("PUT", "/", &[("expect", "100-Continue")]).unwrap().expects_continue);
    assert_eq!(h1("PUT", "/", &[("expect", "200-ok")]).unwrap_err(), Rejected::Expectation);
    let asks = |method, headers: &[(&str, &str)]| h1(method, "/", headers).map(|head| head.upgrade);
    let websocket = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    assert_eq!(asks("GET", &websocket), Ok(Some(UpgradeTo("websocket".into()))));
    assert_eq!(asks("POST", &websocket), Err(Rejected::Upgrade));
    assert_eq!(asks("GET", &[("upgrade", "websocket")]), Err(Rejected::Upgrade));
    assert_eq!(asks("GET", &[("connection", "upgrade"), ("upgrade", "h2c")]), Err(Rejected::Upgrade));
    assert_eq!(asks("GET", &[("connection", "upgrade"), ("upgrade", "a, b")]), Err(Rejected::Upgrade));
    let mut h2 = vec![("host", "a")];
    h2.extend(websocket);
    assert_eq!(read(Version::HTTP_2, "GET", "https://a/", &h2).unwrap_err(), Rejected::Upgrade);
}

#[test]
fn cookie_crumbs_of_http2_become_one_line() {
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2")];
    let head = read(Version::HTTP_2, "GET", "https://a/", &crumbs).unwrap();
    assert_eq!(head.headers.get("cookie").unwrap(), "a=1; b=2");
    assert_eq!(h1("GET", "/", &crumbs).unwrap_err(), Rejected::Repeated("cookie"));
}

#[test]
fn the_address_is_the_peer_or_what_a_trusted_proxy_says() {
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let ask = |peer: &str, by, header: &'static str, lines: &[&str]| {
        let mut headers = http::HeaderMap::new();
        for line in lines {
            headers.append(header, line.parse().unwrap());
        }
        let peer: IpAddr = peer.parse().unwrap();
        caller_address(peer, &headers, &trusted, by).map_or("refused".into(), |address| address.to_string())
    };
    let xff = |peer, lines: &[&str]| ask(peer, ForwardedBy::XForwardedFor, "x-forwarded-for", lines);
    assert_eq!(xff("192.0.2.1", &["1.1.1.1"]), "192.0.2.1", "a stranger's word counts for nothing");
    assert_eq!(xff("10.0.0.1", &["6.6.6.6, 1.1.1.1"]), "1.1.1.1", "the rightmost, not the leftmost");
    assert_eq!(xff("10.0.0.1", &["6.6.6.6", "1.1.1.1, 10.0.0.2"]), "1.1.1.1");
    assert_eq!(xff("::ffff:10.0.0.1", &["1.1.1.1:99"]), "1.1.1.1");
    assert_eq!(xff("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    assert_eq!(xff("10.0.0.1", &["[2001:db8::1]:44"]), "2001:db8::1");
    for garbage in
        ["unknown", "x", "", "6.6.6.6 6.6.6.6", "10.0.0.9, x", "\"", &vec!["7.7.7.7"; 40].join(",")]
    {
        let line = format!("{garbage}, 1.1.1.1");
        assert_eq!(xff("10.0.0.1", &[&line]), "1.1.1.1", "{garbage:?} is the caller's own word");
        assert_eq!(xff("10.0.0.1", &[garbage, "1.1.1.1, 10.0.0.2"]), "1.1.1.1", "{garbage:?}");
    }
    assert_eq!(xff("10.0.0.1", &["1.1.1.1, unknown"]), "refused", "a proxy's word must be an address");
    assert_eq!(xff("10.0.0.1", &["1.1.1.1, x, 10.0.0.2"]), "refused");
    assert_eq!(xff("10.0.0.1", &["1.1.1.1,"]), "refused");
    assert_eq!(xff("10.0.0.1", &[&vec!["10.0.0.2"; 32].join(",")]), "10.0.0.2");
    assert_eq!(xff("10.0.0.1", &[&vec!["10.0.0.2"; 33].join(",")]), "refused");
    assert_eq!(xff("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(xff("10.0.0.1", &["10.0.0.7, 10.0.0.8"]), "10.0.0.7");
    let forwarded = |lines: &[&str]| ask("10.0.0.1", ForwardedBy::Forwarded, "forwarded", lines);
    assert_eq!(forwarded(&["for=6.6.6.6, for=1.1.1.1;proto=https"]), "1.1.1.1");
    assert_eq!(forwarded(&["For=\"[2001:db8::1]:1\";by=10.0.0.1"]), "2001:db8::1");
    assert_eq!(forwarded(&["for=_hidden"]), "refused");
    assert_eq!(
        forwarded(&["for=\"x, for=1.1.1.1"]),
        "1.1.1.1",
        "an open quote reaches no further than its comma"
    );
    assert_eq!(forwarded(&["for=1.1.1.1;for=2.2.2.2"]), "refused");
    let other = ask("10.0.0.1", ForwardedBy::XForwardedFor, "forwarded", &["for=1.1.1.1"]);
    assert_eq!(other, "10.0.0.1", "only the header the proxies write is read");
}

fn stream(chunks: &'static [&'static str], then_hang: bool) -> Body {
    use futures_util::{StreamExt, stream};
    let frames = stream::iter(chunks).map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    match then_hang {
        true => Body::stream(http_body_util::StreamBody::new(frames.chain(stream::pending()))),
        false => Body::stream(http_body_util::StreamBody::new(frames)),
    }
}

#[tokio::test]
async fn a_body_is_gathered_up_to_its_bound_and_not_beyond() {
    let most = |bytes_max| BodyBounds { bytes_max: Some(bytes_max), ..BodyBounds::default() };
    assert_eq!(gather(stream(&["ab", "", "cd"], false), most(4)).await.unwrap(), "abcd");
    assert_eq!(gather(stream(&["abcd"], false), most(4)).await.unwrap(), "abcd");
    assert_eq!(gather(Body::Empty, most(0)).await.unwrap(), "");
    for body in [stream(&["ab", "cde"], false), Body::from(b"abcde".to_vec())] {
        assert!(matches!(gather(body, most(4)).await, Err(BodyError::TooLarge { bytes_max: 4 })));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let soon = Duration::from_millis(5);
    let at = Some(clock::mono() + soon);
    let clocks = [
        (BodyBounds { idle: Some(soon), ..BodyBounds::default() }, "stream-idle"),
        (BodyBounds { deadline: at, ..BodyBounds::default() }, "deadline"),
        (BodyBounds { lifetime: at, ..BodyBounds::default() }, "stream-lifetime"),
        (
            BodyBounds { rate: Some(Rate { bytes_per_second: 1000, grace: soon }), ..BodyBounds::default() },
            "body-rate",
        ),
    ];
    for (bounds, name) in clocks {
        let refused = gather(stream(&["abc"], true), bounds).await.unwrap_err();
        assert!(matches!(refused, BodyError::TooSlow { clock } if clock == name), "{refused}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_permission_ends() {
    let token = CancellationToken::new();
    let bounds = BodyBounds { ended: Some(token.clone()), ..BodyBounds::default() };
    let gathering = tokio::spawn(gather(stream(&["abc"], true), bounds));
    tokio::task::yield_now().await;
    token.cancel();
    assert!(matches!(gathering.await.unwrap(), Err(BodyError::Ended(_))));
}

#[test]
fn white_space_around_a_value_is_refused_over_http2() {
    let value = |value: &'static [u8], version| {
        let request = Request::builder()
            .version(version)
            .uri("https://api.example/")
            .header("x-user", http::HeaderValue::from_bytes(value).unwrap());
        let host = (version == Version::HTTP_11).then_some("api.example");
        let request = host.into_iter().fold(request, |request, host| request.header("host", host));
        head(request.body(()).unwrap().into_parts().0, &AllowedHosts::any(), &HeadBounds::default())
    };
    for padded in [b" a".as_slice(), b"a ", b"\ta", b"a\t", b" "] {
        let refused = value(padded, Version::HTTP_2).map(|_| ());
        assert_eq!(refused, Err(Rejected::Framing(HeadFault::PaddedValue)), "{padded:?}");
    }
    assert!(value(b"a b", Version::HTTP_2).is_ok() && value(b"", Version::HTTP_2).is_ok());
}
