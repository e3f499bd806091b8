//! Pass-through: heads, streams, upgrades.

use http::{HeaderName, HeaderValue, Request, StatusCode, Version, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    body::{Body, BodyError},
    words::{Channel, ListenerName, TlsFacts},
};

pub(super) fn channel(address: &str) -> Channel {
    let tls = TlsFacts { version: "1.3", server_name: None, certificate: None, standing: Default::default() };
    Channel {
        listener: ListenerName::from("data"),
        peer: "192.0.2.1:5000".parse().unwrap(),
        address: address.parse().unwrap(),
        tls: Some(tls),
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn crm() -> Arc<Upstream> {
    let text =
        "base: https://crm.internal:8443/api/\nsign_in: { header: { name: X-Shop-Key, value: '${env:K}' } }";
    configure(&Registry::default(), text).unwrap()
}

fn forwarded(method: Method, version: Version, lines: &[(&str, &str)], body: Body) -> Request<Body> {
    let host = HeaderValue::from_static("gate.example");
    let passed =
        Passed { method, path: "/orders", query: Some("a=b"), version, headers: headers(lines), body };
    crm().forward(passed, &OnBehalf::new(&channel("2001:db8::7"), Some(&host))).unwrap()
}

fn lines(request: &Request<Body>) -> Vec<String> {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let mut lines: Vec<_> =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    lines.sort();
    lines
}

const ADDED: [&str; 5] = [
    "forwarded: for=\"[2001:db8::7]\";host=\"gate.example\";proto=https",
    "via: 1.1 bramka",
    "x-forwarded-for: 2001:db8::7",
    "x-forwarded-host: gate.example",
    "x-forwarded-proto: https",
];

#[test]
fn neither_credentials_nor_claims_of_a_proxy_are_passed_on() {
    let request = forwarded(
        Method::GET,
        Version::HTTP_11,
        &[
            ("host", "gate.example"),
            ("authorization", "Bearer mine"),
            ("x-api-key", "mine"),
            ("proxy-authorization", "x"),
            ("x-shop-key", "mine"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x.user", "root"),
            ("x-user", "root"),
            ("remote-user", "root"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-user", "root"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("connection", "close, X-Named"),
            ("x-named", "1"),
            ("keep-alive", "5"),
            ("te", "gzip"),
            ("trailer", "X-User"),
            ("transfer-encoding", "chunked"),
            ("content-length", "0"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("x-request-id", "theirs"),
            ("client-cert", "x"),
            ("proxy-connection", "x"),
            ("accept", "text/plain"),
            ("x-app", "kept"),
        ],
        Body::Empty,
    );
    let mut expected: Vec<_> = ADDED.iter().map(|line| (*line).to_owned()).collect();
    expected.extend(["accept: text/plain".to_owned(), "x-app: kept".to_owned()]);
    expected.sort();
    assert_eq!(lines(&request), expected);
    assert_eq!(request.uri(), "/api/orders?a=b");
}

#[test]
fn fields_by_which_other_gates_tell_who_asks_are_not_passed_on() {
    let struck = [
        "x-user-id",
        "x-userinfo",
        "x-token-subject",
        "x-client-dn",
        "x-originating-ip",
        "x-scheme",
        "x-host",
        "x-anonymous-consumer",
        "fastly-client-ip",
        "remote-user",
        "remote-groups",
        "remote-email",
        "x-remote-user",
        "x-remote-extra-scopes",
        "x-webauth-user",
        "x-webauth-role",
        "x-authenticated-userid",
        "x-authenticated-scope",
        "x-amzn-oidc-identity",
        "x-amzn-oidc-data",
        "x-goog-authenticated-user-email",
        "x-goog-iap-jwt-assertion",
        "x-ms-client-principal",
        "x-ms-client-principal-id",
        "x-ms-token-aad-access-token",
        "x-consumer-id",
        "x-consumer-username",
        "x-credential-identifier",
        "x-jwt-payload",
        "x-jwt-assertion",
        "x-auth-request-email",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-original-host",
        "x-ssl-client-s-dn",
        "ssl-client-verify",
        "x-client-cert",
        "x-envoy-external-address",
        "x-bramka-caller",
        "client-cert-chain",
    ];
    let kept =
        ["x-usage", "x-hosting", "x-scheme-of-work", "remotely", "x-consume", "x-goog-api-client", "x"];
    for name in struck {
        let request = forwarded(Method::GET, Version::HTTP_11, &[(name, "root")], Body::Empty);
        assert!(!lines(&request).iter().any(|line| line.ends_with(": root")), "{name}");
    }
    for name in kept {
        let request = forwarded(Method::GET, Version::HTTP_11, &[(name, "root")], Body::Empty);
        assert!(request.headers().contains_key(name), "{name}");
    }
}

#[test]
fn an_answer_that_never_has_a_length_tells_none() {
    for (status, kept) in [(204, false), (101, false), (304, true), (200, true)] {
        let mut answer = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("5"))]);
        crm().clean_answer(StatusCode::from_u16(status).unwrap(), &mut answer, "/systems/crm");
        assert_eq!(answer.contains_key(header::CONTENT_LENGTH), kept, "{status}");
    }
}

#[test]
fn cookie_crumbs_of_http2_become_one_line() {
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
    let request = forwarded(Method::GET, Version::HTTP_2, &crumbs, Body::Empty);
    let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2; c=3"]);
}

#[test]
fn only_a_plain_upgrade_over_http1_is_passed_on() {
    let asking = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    let upgrade = |method, version, lines: &[(&str, &str)], body| {
        forwarded(method, version, lines, body).headers().contains_key(header::UPGRADE)
    };
    assert!(upgrade(Method::GET, Version::HTTP_11, &asking, Body::Empty));
    assert!(!upgrade(Method::GET, Version::HTTP_2, &asking, Body::Empty));
    assert!(!upgrade(Method::POST, Version::HTTP_11, &asking, Body::Empty));
    assert!(!upgrade(Method::GET, Version::HTTP_11, &asking, Body::from(vec![1])));
    assert!(!upgrade(Method::GET, Version::HTTP_11, &asking[1..], Body::Empty));
    for protocol in ["h2c", "H2C", "websocket, h2c"] {
        let asking = [asking[0], ("upgrade", protocol)];
        assert!(!upgrade(Method::GET, Version::HTTP_11, &asking, Body::Empty), "{protocol}");
    }
}

#[test]
fn a_body_is_framed_so_that_it_is_not_lost() {
    let unknown =
        || Body::stream(StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BodyError>>()));
    let get = forwarded(Method::GET, Version::HTTP_2, &[], unknown());
    assert_eq!(get.headers().get(header::TRANSFER_ENCODING).unwrap(), "chunked");
    let post = forwarded(Method::POST, Version::HTTP_2, &[], Body::Empty);
    assert_eq!(post.headers().get(header::CONTENT_LENGTH).unwrap(), "0");
    let trailers = forwarded(Method::POST, Version::HTTP_2, &[("te", "trailers")], unknown());
    assert_eq!(trailers.headers().get(header::TE).unwrap(), "trailers");
    assert_eq!(trailers.headers().get(header::CONNECTION).unwrap(), "te");
}

#[test]
fn a_target_is_sent_as_judged_or_not_at_all() {
    let crm = crm();
    for (path, query) in [
        ("orders", None),
        ("/a b", None),
        ("/a#b", None),
        ("/a", Some("b#c")),
        ("/ä", None),
        ("/a\r\n", None),
    ] {
        let sent = crm.target(path, query);
        assert!(matches!(sent, Err(UpstreamError::BadRequest(_))), "{path} {query:?} {sent:?}");
    }
    assert_eq!(crm.target("/", Some("")).unwrap(), "/api/");
    for method in [Method::CONNECT, Method::TRACE] {
        let passed = Passed {
            method,
            path: "/",
            query: None,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: Body::Empty,
        };
        assert!(crm.forward(passed, &OnBehalf::new(&channel("192.0.2.7"), None)).is_err());
    }
}

#[test]
fn what_a_system_says_of_itself_is_kept_back() {
    let mut answer = headers(&[
        ("set-cookie", "a=b"),
        ("www-authenticate", "Basic"),
        ("server", "x"),
        ("alt-svc", "h3"),
        ("via", "x"),
        ("proxy-authenticate", "x"),
        ("x-powered-by", "x"),
        ("etag", "\"1\""),
        ("content-type", "text/plain"),
    ]);
    crm().clean_answer(StatusCode::OK, &mut answer, "/systems/crm");
    let mut kept: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["content-type", "etag"]);
}

#[test]
fn a_redirect_inside_the_system_stays_inside() {
    for (location, seen) in [
        ("https://crm.internal:8443/api/orders/1?x=y", "/systems/crm/orders/1?x=y"),
        ("https://CRM.internal:8443/api", "/systems/crm"),
        ("/api/orders", "/systems/crm/orders"),
        ("orders/2", "orders/2"),
        ("https://crm.internal:8443/apis", "https://crm.internal:8443/apis"),
        ("//elsewhere/api/x", "//elsewhere/api/x"),
        ("https://login.example/?next=/api", "https://login.example/?next=/api"),
    ] {
        let mut answer = headers(&[("location", location)]);
        crm().clean_answer(StatusCode::OK, &mut answer, "/systems/crm");
        assert_eq!(answer.get("location").unwrap(), seen);
    }
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let peer = Peer::answering(|request| {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}")
    })
    .await;
    let (system, core) = (system(&[&peer], "limits: { concurrency: 1 }"), CorePools::new(8));
    for _ in 0..3 {
        let pieces = ["one,", "two,", "three"]
            .map(|piece| Ok::<_, BodyError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let upload = Body::stream(StreamBody::new(futures_util::stream::iter(pieces)));
        let request = Request::post("/").body(upload).unwrap();
        let Opened::Answer(answer) =
            system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(system.state().in_flight, 1, "the slot is held while the answer streams");
        assert_eq!(system.state().addresses[0].in_flight, 1);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "one,two,three");
        assert_eq!(system.state().in_flight, 0);
    }
    assert_eq!((peer.connections(), core.idle()), (1, 1));
}

#[tokio::test]
async fn a_streamed_upload_is_sent_anew_only_when_nothing_was_sent() {
    let (up, down, core) = (Peer::saying(OK).await, absent().await, CorePools::new(8));
    let system = system(&[&down, &up], "retries: { tries_max: 4 }");
    for _ in 0..10 {
        let pieces = [Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x")))];
        let upload = Body::stream(StreamBody::new(futures_util::stream::iter(pieces)));
        let request = Request::post("/").body(upload).unwrap();
        assert!(matches!(
            system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap(),
            Opened::Answer(_)
        ));
    }
    let (peer, heard) = hanging_up(1).await;
    let request = Request::post("/").body(Body::from(vec![b'x'])).unwrap();
    let once = super::system(&[&peer], "");
    let error = once.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap_err();
    assert_eq!((error.sent(), heard.load(Ordering::SeqCst)), (Sent::Maybe, 1));
}

#[tokio::test]
async fn an_upgrade_is_bridged_on_a_real_101_only() {
    let peer = Peer::new(|mut stream, _| async move {
        let request = read_request(&mut stream).await.unwrap();
        assert!(request.contains("upgrade: websocket\r\n") && request.contains("connection: upgrade\r\n"));
        say(
            &mut stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .await;
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
    })
    .await;
    let (system, core) = (system(&[&peer], ""), CorePools::new(8));
    let asking = [("connection", "upgrade"), ("upgrade", "websocket")];
    let request = || {
        let mut request = Request::get("/").body(Body::Empty).unwrap();
        *request.headers_mut() = headers(&asking);
        request
    };
    let Opened::Switched(head, tunnel, slot) =
        system.passed(&core, ID, request().into(), soon(), clock::now()).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((head.status().as_u16(), system.state().in_flight), (101, 1));
    assert_eq!(system.state().addresses[0].in_flight, 1, "an open stream is load of its address");
    let (mut caller, ours) = tokio::io::duplex(64);
    let clocks = BridgeClocks { idle: Duration::from_secs(5), lifetime: Duration::from_secs(5) };
    let (bridged, ()) = tokio::join!(bridge(ours, tunnel, clocks, std::future::pending()), async {
        caller.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        caller.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
        caller.shutdown().await.unwrap();
    });
    assert_eq!((bridged.from_caller, bridged.from_system), (4, 4));
    drop(slot);
    assert_eq!((system.state().in_flight, system.state().addresses[0].in_flight), (0, 0));

    let plain = Peer::saying("HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nok").await;
    let answer =
        super::system(&[&plain], "").passed(&core, ID, request().into(), soon(), clock::now()).await.unwrap();
    let Opened::Answer(answer) = answer else { panic!("a 200 is no switch") };
    assert!(!answer.headers().contains_key(header::UPGRADE));
}
