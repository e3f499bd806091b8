//! Where one request ends and the next begins: one reading, or the connection is closed after a refusal.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    frames::{Came, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, block, frame},
    kit::{Who, until},
    stand::{ask, assert_refused, assert_serves, auth, gate, head},
    system::System,
    tap::Tap,
};

#[test]
fn a_head_that_can_be_framed_twice_is_refused_and_nothing_behind_it_is_read() {
    let system = System::plain();
    let demo = gate(&system);
    let long = format!("{}Content-Length: 0\r\n", "X".repeat(290));
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 05\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length:\r\n",
        "Content-Length:\r\n 5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5\r\n: x\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: Chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer_Encoding : chunked\r\n",
        "X-A: b\nContent-Length: 5\r\n",
        "X-A: b\rContent-Length: 5\r\n",
        "\u{b}Content-Length: 5\r\n",
        &format!("Content-Length: 5\r\n{long}Content-Length: 9\r\n"),
    ] {
        let mut tap = Tap::open(&demo);
        // What stands behind is a body to one reader and a request to another.
        let behind = format!("GET /systems/raw/behind HTTP/1.1\r\nHost: localhost\r\n{}\r\n", auth(&demo));
        tap.send(head(&demo, "POST /systems/raw/x", framing) + &behind);
        let reply = tap.reply().unwrap_or_else(|| panic!("no answer to {framing:?}"));
        assert_refused(&demo, framing, &reply, 400);
        assert!(tap.end().is_empty(), "{framing:?}: something was read behind it");
    }
    assert!(system.seen().is_empty(), "{:?}", system.seen());
}

#[test]
fn http_1_0_with_chunks_and_head_with_a_body_are_refused() {
    let system = System::plain();
    let demo = gate(&system);
    let old = format!("POST /systems/raw/x HTTP/1.0\r\nHost: localhost\r\n{}", auth(&demo));
    let reply = ask(&demo, format!("{old}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    assert_refused(&demo, "1.0 with chunks", &reply, 400);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "HEAD /systems/raw/x", "Content-Length: 5\r\n") + "hello");
    assert_eq!(tap.head().unwrap().status, 400);
    assert!(system.seen().is_empty());
}

#[test]
fn a_bad_chunk_is_the_callers_fault_and_its_request_never_arrives_whole() {
    let whole = Arc::new(AtomicUsize::new(0));
    let counted = whole.clone();
    let system = System::start(move |_, talk| {
        if talk.chunks().is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        talk.ok("ok")
    });
    let demo = gate(&system);
    for chunk in [
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "5_0\r\nhello\r\n",
        "fffffffffffffffff\r\nhello\r\n",
        "g\r\nhello\r\n",
        "\r\nhello\r\n",
        "5\rhello\r\n",
        "5;a\nb\r\nhello\r\n",
        "5\r\nhelloX\r\n",
        "5\r\nhello\n\n",
    ] {
        let mut tap = Tap::open(&demo);
        tap.send(head(&demo, "POST /systems/raw/x", "Transfer-Encoding: chunked\r\n") + chunk + "0\r\n\r\n");
        let reply = tap.reply().unwrap_or_else(|| panic!("no answer to {chunk:?}"));
        assert_eq!(reply.status, 400, "{chunk:?}: {reply:?}");
        assert!(tap.end().is_empty(), "{chunk:?}: something was read behind it");
    }
    assert_eq!(whole.load(Ordering::Relaxed), 0);
    assert_serves(&demo);
}

#[test]
fn what_callers_write_beside_chunks_reaches_no_system() {
    let (tell, told) = std::sync::mpsc::channel();
    let system = System::start(move |_, talk| {
        let chunks = talk.chunks();
        drop(tell.send(chunks.unwrap_or_default()));
        talk.ok("ok")
    });
    let demo = gate(&system);
    for chunk in ["5;name=value\r\nhello\r\n", "005\r\nhello\r\n", "5 \r\nhello\r\n", "5;\r\nhello\r\n"] {
        let bytes =
            head(&demo, "POST /systems/raw/x", "Transfer-Encoding: chunked\r\n") + chunk + "0\r\n\r\n";
        let reply = ask(&demo, bytes);
        if reply.status == 200 {
            assert_eq!(told.recv().unwrap(), "5\r\nhello\r\n0\r\n\r\n", "{chunk:?} arrived in other chunks");
        } else {
            assert_eq!(reply.status, 400, "{chunk:?}: {reply:?}");
        }
    }
}

#[test]
fn over_http2_a_body_has_the_length_that_was_announced() {
    let system = System::plain();
    let demo = gate(&system);
    let bearer = format!("Bearer {}", demo.token(Who::App).unwrap());
    let fields = |length: &'static str| {
        block(&[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/systems/raw/x"),
            ("authorization", &bearer),
            ("content-length", length),
        ])
    };
    let bodies: [&[Vec<u8>]; 3] = [
        &[frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields("5"))],
        &[frame(HEADERS, END_HEADERS, 1, &fields("5")), frame(DATA, END_STREAM, 1, b"hel")],
        &[frame(HEADERS, END_HEADERS, 1, &fields("5")), frame(DATA, END_STREAM, 1, b"hello, smuggler")],
    ];
    for body in bodies {
        let mut frames = Frames::open(&demo);
        frames.send(body);
        let came = frames.came(1);
        assert!(!matches!(came, Came::Status(200..=299)), "{came:?}");
    }
    let mut frames = Frames::open(&demo);
    frames.send(&[frame(HEADERS, END_HEADERS, 1, &fields("5")), frame(DATA, END_STREAM, 1, b"hello")]);
    assert_eq!(frames.came(1), Came::Status(200));
}

#[test]
fn a_refusal_with_unread_body_is_seen_and_answers_once() {
    let system = System::plain();
    let demo = gate(&system);
    // Four megabytes that nobody reads: the refusal arrives all the same.
    let head_of = |length: usize| {
        format!("POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut tap = Tap::open(&demo);
    tap.send(head_of(4 << 20));
    tap.send(vec![b'x'; 4 << 20]);
    let reply = tap.reply().expect("the refusal was lost");
    assert_refused(&demo, "a large body", &reply, 401);
    // A body that looks like a request is a body.
    let inside = head(&demo, "GET /systems/raw/inside", "");
    let mut tap = Tap::open(&demo);
    tap.send(head_of(inside.len()) + &inside);
    assert_eq!(tap.reply().unwrap().status, 401);
    let rest = String::from_utf8_lossy(&tap_rest(tap, &demo)).into_owned();
    assert!(rest.matches("HTTP/1.1").count() <= 1, "{rest}");
    assert!(system.seen().is_empty());
}

/// What a connection still says to one more request, if it is open.
fn tap_rest(mut tap: Tap, demo: &crate::kit::Demo) -> Vec<u8> {
    tap.send(format!(
        "GET /v1/orders HTTP/1.1\r\nHost: localhost\r\n{}Connection: close\r\n\r\n",
        auth(demo)
    ));
    tap.end()
}

#[test]
fn pipelined_requests_are_answered_each_and_in_order() {
    let system = System::start(|seen, talk| {
        let path = seen.line().split(' ').nth(1).unwrap().to_owned();
        talk.ok(&path)
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    let all: String = (0..20).map(|n| head(&demo, &format!("GET /systems/raw/{n}"), "")).collect();
    tap.send(all);
    for n in 0..20 {
        assert_eq!(tap.reply().unwrap().text(), format!("/{n}"));
    }
}

#[test]
fn json_that_two_readers_read_differently_is_refused_and_deep_json_breaks_nothing() {
    let demo = gate(&System::plain());
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let digits = format!("{{\"kind\":\"person\",\"name\":{}}}", "9".repeat(1 << 20));
    for body in [
        r#"{"kind":"person","name":"Ewa","name":"Adam"}"#,
        r#"{"kind":"person","name":"Ewa","n\u0061me":"Adam"}"#,
        r#"{"kind":"person","name":"\ud800"}"#,
        r#"{"kind":"person","name":"Ewa"} {}"#,
        r#"{"kind":"person","name":1e400}"#,
        deep.as_str(),
        digits.as_str(),
    ] {
        let ask = demo.ask(http::Method::POST, "/v1/customers").body("application/json", body.to_owned());
        let answer = ask.send();
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(matches!(answer.status, 400 | 422), "{:.60}: {} {told}", body, answer.status);
    }
    until("the gate serves on", || demo.get("/v1/products?limit=1").send().status == 200);
}
