//! Heads that two readers could read differently: one reading or none, and every refusal written down.

use std::sync::mpsc;

use crate::{
    book,
    frames::{Came, Frames},
    kit::{Demo, Who, until},
    stand::{ask, assert_refused, assert_serves, auth, gate, head},
    system::System,
    tap::Tap,
};

/// Fields of a good request over HTTP/2.
fn good<'a>(path: &'a str, authorization: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("authorization", authorization),
    ]
}

fn bearer(demo: &Demo) -> String {
    format!("Bearer {}", demo.token(Who::App).unwrap())
}

#[test]
fn a_request_names_exactly_one_host_or_is_refused() {
    let system = System::plain();
    let demo = gate(&system);
    for hosts in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: localhost, evil.example\r\n",
        "Host:\r\n",
        "Host: user@localhost\r\n",
        "Host: localhost/admin\r\n",
        "Host: localhost:99999\r\n",
        "Host: local host\r\n",
        "Host: localhost\r\nHo\u{17f}t: evil.example\r\n",
    ] {
        let reply = ask(&demo, format!("GET /systems/raw/x HTTP/1.1\r\n{hosts}{}\r\n", auth(&demo)));
        assert_refused(&demo, hosts, &reply, 400);
    }
    assert!(system.seen().is_empty());
    assert_eq!(ask(&demo, head(&demo, "GET /systems/raw/x", "")).status, 200);
}

#[test]
fn over_http2_a_host_beside_the_authority_says_the_same_or_the_request_is_refused() {
    let system = System::plain();
    let demo = gate(&system);
    let bearer = bearer(&demo);
    let asked = |extra: &[(&'static str, &'static str)]| {
        let mut fields = good("/systems/raw/x", &bearer);
        for &(name, value) in extra {
            match fields.iter_mut().find(|(known, _)| known.starts_with(':') && *known == name) {
                Some(field) => field.1 = value,
                None => fields.push((name, value)),
            }
        }
        Frames::open(&demo).ask(1, &fields)
    };
    for fields in [
        vec![("host", "evil.example")],
        vec![("host", "localhost"), ("host", "localhost")],
        vec![(":authority", "user@localhost")],
        vec![(":authority", "localhost/admin")],
        vec![(":authority", "localhost:99999")],
        vec![(":authority", "")],
    ] {
        let came = asked(&fields);
        assert!(matches!(came, Came::Status(400) | Came::Reset(1)), "{fields:?}: {came:?}");
    }
    assert!(system.seen().is_empty());
    assert_eq!(asked(&[("host", "localhost")]), Came::Status(200));
}

#[test]
fn over_http2_no_field_brings_a_line_of_its_own_to_a_system() {
    let system = System::plain();
    let demo = gate(&system);
    let bearer = bearer(&demo);
    for field in [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\nx-evil: 1"),
        ("x-a", "b\0"),
        ("x\r\nevil", "1"),
        ("X-Upper", "1"),
        ("x a", "1"),
        ("connection", "x-secret"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        (":late", "1"),
    ] {
        let mut fields = good("/systems/raw/x", &bearer);
        fields.push(field);
        let came = Frames::open(&demo).ask(1, &fields);
        assert!(!matches!(came, Came::Status(200..=299)), "{field:?}: {came:?}");
    }
    for target in ["/systems/raw/x y", "/systems/raw/x\r\nEvil: 1", "systems/raw", "*"] {
        let came = Frames::open(&demo).ask(1, &good(target, &bearer));
        assert!(!matches!(came, Came::Status(200..=299)), "{target:?}: {came:?}");
    }
    assert!(system.seen().is_empty(), "{:?}", system.seen());
    // A fragment is cut off before the path is judged: what was judged is what is sent.
    Frames::open(&demo).ask(1, &good("/systems/raw/x#/../admin", &bearer));
    assert!(system.seen().iter().all(|seen| seen.line() == "GET /x HTTP/1.1"), "{:?}", system.seen());
    assert_serves(&demo);
}

#[test]
fn a_path_is_judged_as_it_is_sent_in_each_of_nine_spellings() {
    let system = System::plain();
    let demo = gate(&system);
    let asked = |path: &str| ask(&demo, head(&demo, &format!("GET /systems/raw{path}"), ""));
    assert_refused(&demo, "/admin", &asked("/admin"), 403);
    for (path, status) in [
        ("//admin", 400),
        ("/./admin", 400),
        ("/x/../admin", 400),
        ("/%61dmin", 403),
        ("/x/%2e%2e/admin", 400),
        ("/x%2f..%2fadmin", 400),
        ("/x\\admin", 400),
        ("/admin;x=1", 400),
        ("/x/..;/admin", 400),
        ("/%2561dmin", 400),
        ("/admin%00", 400),
        ("/admin\u{e9}", 400),
        ("/admin#x", 400),
    ] {
        assert_refused(&demo, path, &asked(path), status);
    }
    assert!(system.seen().is_empty(), "{:?}", system.seen());
    // Another path and another query are what they are, and arrive so.
    assert_eq!((asked("/ADMIN").status, system.last().line()), (200, "GET /ADMIN HTTP/1.1"));
    assert_eq!((asked("/?/../admin").status, system.last().line()), (200, "GET /?/../admin HTTP/1.1"));
}

#[test]
fn connect_trace_and_targets_that_are_no_path_are_refused() {
    let system = System::plain();
    let demo = gate(&system);
    for (line, status) in [
        ("CONNECT localhost:443", 405),
        ("TRACE /systems/raw/x", 405),
        ("OPTIONS *", 400),
        ("GET http://evil.example/systems/raw/x", 400),
        ("GET systems/raw/x", 400),
        ("get /systems/raw/x", 405),
    ] {
        assert_refused(&demo, line, &ask(&demo, head(&demo, line, "")), status);
    }
    let bearer = bearer(&demo);
    let connect =
        [(":method", "CONNECT"), (":authority", "localhost:443"), ("authorization", bearer.as_str())];
    let came = Frames::open(&demo).ask(1, &connect);
    assert!(matches!(came, Came::Status(400 | 405) | Came::Reset(_)), "{came:?}");
    assert!(system.seen().is_empty());
    assert_eq!(ask(&demo, head(&demo, "GET https://localhost/systems/raw/x", "")).status, 200);
}

#[test]
fn other_spellings_of_a_field_and_claims_of_proxies_reach_no_system() {
    let system = System::plain();
    let demo = gate(&system);
    let forged = "X_Forwarded_For: 6.6.6.6\r\nX.User: root\r\nX-User: root\r\nX_User: root\r\nRemote-User: root\r\n\
                  X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n\
                  Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: mine\r\nX-Original-URL: /admin\r\n\
                  Proxy-Authorization: Basic eDp5\r\nX-Bramka-Trusted: yes\r\nX-Plain: kept\r\n";
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", forged));
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = system.last();
    for word in ["6.6.6.6", "root", "evil.example", "gopher", "mine", "/admin", "eDp5", "yes"] {
        assert!(!seen.head.contains(word), "{word}: {}", seen.head);
    }
    assert_eq!(seen.one("x-plain"), Some("kept"));
    assert_eq!(seen.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.one("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.one("x-request-id"), reply.header("x-request-id"));
}

#[test]
fn crumbs_of_a_cookie_become_one_line() {
    let system = System::plain();
    let demo = gate(&system);
    let bearer = bearer(&demo);
    let mut fields = good("/systems/raw/x", &bearer);
    fields.extend([("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
    assert_eq!(Frames::open(&demo).ask(1, &fields), Came::Status(200));
    assert_eq!(system.last().one("cookie"), Some("a=1; b=2; c=3"));
    // HTTP/1 has no crumbs: two lines are a doubt.
    let two = head(&demo, "GET /systems/raw/x", "Cookie: a=1\r\nCookie: b=2\r\n");
    assert_refused(&demo, "two cookies", &ask(&demo, two), 400);
}

#[test]
fn an_expectation_is_met_by_the_gate_and_only_where_the_body_is_wanted() {
    let system = System::plain();
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "POST /systems/raw/x", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    assert_eq!(tap.head().unwrap().status, 100);
    tap.send("hello");
    assert_eq!(tap.reply().unwrap().status, 200);
    assert!(system.last().one("expect").is_none());
    let stranger = "POST /systems/raw/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    assert_refused(&demo, "a stranger", &ask(&demo, stranger), 401);
    let odd = head(&demo, "POST /systems/raw/x", "Content-Length: 5\r\nExpect: 200-ok\r\n");
    assert_refused(&demo, "another expectation", &ask(&demo, odd), 417);
}

#[test]
fn two_credentials_or_bytes_that_are_no_text_in_one_are_refused() {
    let system = System::plain();
    let demo = gate(&system);
    for more in [
        auth(&demo),
        "X-Api-Key: abc\r\n".to_owned(),
        "X-Api-Key: abc\r\nX-Api-Key: abc\r\n".to_owned(),
        "Traceparent: a\r\nTraceparent: b\r\n".to_owned(),
        "Content-Type: a\u{e9}\r\n".to_owned(),
        "X-HTTP-Method-Override: DELETE\r\n".to_owned(),
    ] {
        let reply = ask(&demo, head(&demo, "GET /systems/raw/x", &more));
        assert!(matches!(reply.status, 400 | 401), "{more}: {reply:?}");
        assert_refused(&demo, &more, &reply, reply.status);
    }
    assert!(system.seen().is_empty());
}

#[test]
fn a_caller_who_goes_away_in_the_middle_still_has_its_one_entry() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let system = System::start(move |_, talk| {
        held.lock().unwrap().recv().unwrap_or_default();
        talk.ok("late")
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "GET /systems/raw/slow", ""));
    until("the system is asked", || !system.seen().is_empty());
    let request = system.last().one("x-request-id").unwrap().to_owned();
    drop(tap);
    let answers = || {
        let entries = book::of(&demo.data(), &request);
        entries.iter().filter(|entry| entry["kind"] == "answer").count()
    };
    until("the exchange has its answer", || answers() > 0);
    let_go.send(()).unwrap();
    assert_serves(&demo);
    assert_eq!(answers(), 1);
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    assert!(book::verify(&dir.path().join("data")).is_whole());
}
