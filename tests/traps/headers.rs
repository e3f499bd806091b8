//! What a caller says of itself, of the connection or in strange bytes does not reach a system.

use http::{Request, Version};

use crate::{
    ground::{Ground, send_h2},
    kit::Who,
};

/// The names and values of a request's head, names in lower case.
fn fields(request: &str) -> Vec<(String, String)> {
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").skip(1).map(|line| line.split_once(':').unwrap());
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}

#[test]
fn fields_of_one_connection_stay_on_it_in_both_directions() {
    let ground = Ground::open();
    let more = "Connection: close, X-Secret, x-kept-not\r\nConnection: x-third\r\nX-Secret: s3\r\nX-Kept-Not: s3\r\n\
                X-Third: s3\r\nKeep-Alive: s3\r\nProxy-Authorization: s3\r\nProxy-Connection: s3\r\nTE: gzip\r\n\
                Trailer: X-Secret, Content-Length, X-Forwarded-For\r\nX-Stays: yes\r\n";
    let answer = ground.send(&ground.head("GET /systems/raw/hops", more)).unwrap().expect(200);
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "proxy-connection", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    let seen = ground.system.seen();
    assert!(!seen[0].contains("s3") && !seen[0].contains("gzip"), "{}", seen[0]);
    assert!(seen[0].contains("yes"));
    assert!(fields(&seen[0]).iter().all(|(name, _)| name != "trailer"), "{}", seen[0]);
    ground.written(&[answer]);
}

#[test]
fn a_callers_connection_field_cannot_take_away_what_the_gate_adds() {
    let ground = Ground::open();
    let more = "Connection: close, X-Forwarded-For, x-forwarded-PROTO, Forwarded, Via, Host, X-Request-Id, Content-Length\r\n";
    ground.send(&ground.head("GET /systems/raw/x", more)).unwrap().expect(200);
    let seen = fields(&ground.system.seen()[0]);
    for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "host", "x-request-id"] {
        assert_eq!(seen.iter().filter(|(found, _)| found == name).count(), 1, "{name} {seen:?}");
    }
}

#[test]
fn no_caller_speaks_for_a_proxy_or_for_the_gate_in_any_spelling() {
    let ground = Ground::open();
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "X-Forwarded-Uri",
        "Forwarded",
        "X-Real-Ip",
        "X-Client-Ip",
        "True-Client-Ip",
        "Cf-Connecting-Ip",
        "X-Original-Url",
        "X-Rewrite-Url",
        "X-Request-Id",
        "X-Bramka-Principal",
        "X-Auth-Request-User",
        "X-Remote-User",
        "Remote-User",
        "X-User",
        "Client-Cert",
        "X-Ssl-Client-Verify",
        "X-Envoy-Internal",
        "X-Api-Key-Not",
    ];
    for separator in ["-", "_", "."] {
        let mut more = String::new();
        for name in names.iter().filter(|name| separator != "-" || !name.ends_with("-Not")) {
            more.push_str(&format!("{}: forged\r\n", name.replace('-', separator)));
        }
        // One odd name that is an alias in every spelling but the plain one.
        more.push_str("X_User.Name: forged\r\n");
        ground.send(&ground.head("GET /systems/raw/x", &more)).unwrap().expect(200);
        let seen = ground.system.seen();
        assert!(!seen[0].contains("forged"), "{}", seen[0]);
        let fields = fields(&seen[0]);
        let address: Vec<_> = fields.iter().filter(|(name, _)| name == "x-forwarded-for").collect();
        assert!(address.len() == 1 && address[0].1 == "127.0.0.1", "{address:?}");
        assert!(fields.iter().all(|(name, _)| name != "authorization"), "{fields:?}");
    }
}

#[test]
fn announced_trailers_are_no_way_around_what_is_kept_from_a_system() {
    let ground = Ground::open();
    let more = "Trailer: X-User, X-Forwarded-For, X-Sum\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n";
    let body = "5\r\nhello\r\n0\r\nX-User: forged\r\nX-Forwarded-For: forged\r\nX-Sum: 42\r\n\r\n";
    let answer = ground.send(&[&ground.head("POST /systems/raw/x", more), body.as_bytes()].concat()).unwrap();
    // The system would take the end of the chunks for its answer's time: what comes behind is seen with the next.
    ground.send(&ground.head("GET /systems/raw/x", "")).unwrap().expect(200);
    let seen = ground.system.seen().concat();
    assert!(!seen.contains("forged"), "{seen}");
    let announced: Vec<_> = fields(&seen).into_iter().filter(|(name, _)| name == "trailer").collect();
    assert_eq!(announced, [("trailer".to_owned(), "x-sum".to_owned())], "{seen}");
    ground.written(&[answer]);
}

#[test]
fn the_callers_credential_stays_at_the_gate_under_every_name() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    ground.send(&ground.head("GET /systems/raw/x", "")).unwrap().expect(200);
    let seen = ground.system.seen();
    assert!(!seen[0].contains(&token), "{}", seen[0]);
    // An alias is no credential either.
    for alias in ["Authorization_", "X_Api_Key", "Proxy_Authorization", "Author.ization"] {
        let head = format!("GET /v1/products HTTP/1.1\r\nHost: localhost\r\n{alias}: Bearer {token}\r\n\r\n");
        ground.written(&[ground.refuses(head.as_bytes(), &[401])]);
    }
    ground.system.seen();
}

#[test]
fn crumbs_of_a_cookie_become_one_line_and_two_lines_of_http_1_are_refused() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    let request = Request::builder()
        .version(Version::HTTP_2)
        .uri("https://localhost/systems/raw/x")
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("cookie", "c=3");
    send_h2(&ground.demo, request.body(()).unwrap()).unwrap().expect(200);
    let seen = fields(&ground.system.seen()[0]);
    let cookies: Vec<_> = seen.iter().filter(|(name, _)| name == "cookie").collect();
    assert!(cookies.len() == 1 && cookies[0].1 == "a=1; b=2; c=3", "{cookies:?}");
    let head = ground.head("GET /systems/raw/x", "Cookie: a=1\r\nCookie: b=2\r\n");
    ground.written(&[ground.refuses(&head, &[400])]);
    assert!(ground.system.seen().is_empty());
}

#[test]
fn bytes_beyond_ascii_are_refused_where_security_rests_and_are_whole_elsewhere() {
    let ground = Ground::open();
    let signed = ground.signed(Who::App);
    let high: Vec<u8> = (0x80..=0xff).collect();
    let mut answers = Vec::new();
    for name in [
        "Authorization",
        "X-Api-Key",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Upgrade",
        "Origin",
        "If-Match",
        "If-None-Match",
        "Range",
        "Idempotency-Key",
        "Traceparent",
        "Host",
    ] {
        let mut head = b"GET /systems/raw/x HTTP/1.1\r\n".to_vec();
        if name != "Host" {
            head.extend_from_slice(b"Host: localhost\r\n");
        }
        if name != "Authorization" {
            head.extend_from_slice(signed.as_bytes());
        }
        head.extend_from_slice(format!("{name}: ").as_bytes());
        head.extend_from_slice(&high);
        head.extend_from_slice(b"\r\n\r\n");
        answers.push(ground.refuses(&head, &[400, 401, 417]));
    }
    for byte in &high {
        let bad =
            [b"GET /systems/raw/x HTTP/1.1\r\nHost: localhost\r\nX-".as_slice(), &[*byte], b": 1\r\n\r\n"]
                .concat();
        answers.push(ground.refuses(&bad, &[400]));
    }
    for byte in (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        let bad = [&ground.head("GET /systems/raw/x", "X-Free: a")[..], &[byte], b"b\r\n\r\n"].concat();
        let bad = String::from_utf8(bad).unwrap().replacen("X-Free: a\r\n", "X-Free: a", 1);
        answers.push(ground.refuses(bad.as_bytes(), &[400]));
    }
    ground.untouched(&answers);
    let end = ground.head("GET /systems/raw/x", "");
    let free = [&end[..end.len() - 2], b"User-Agent: ", &high, b"\r\nX-Free: ", &high, b"\r\n\r\n"].concat();
    let answer = ground.send(&free).unwrap().expect(200);
    let value: String = high.iter().copied().map(char::from).collect();
    let seen = fields(&ground.system.seen()[0]);
    assert!(seen.contains(&("x-free".into(), value)), "{seen:?}");
    ground.written(&[answer]);
}
