//! Where a message ends is said once and plainly, or the message is refused: then nothing is left to smuggle.

use bytes::Bytes;
use http::{Request, Version};

use crate::{
    ground::{Ground, Wire, send_h2_with},
    kit::{Answer, Who, runtime},
};

/// What would be smuggled.
const SECOND: &str = "GET /systems/raw/second HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Where a body is streamed to a system, and where it is gathered.
const PLACES: [&str; 2] = ["POST /systems/raw/x", "POST /v1/customers"];

/// Sends the case to every place, with something smuggled behind it; the one answer is 400 and the connection
/// is closed.
fn refused(ground: &Ground, fields: &str, body: &str) -> Vec<Answer> {
    let json = "Content-Type: application/json\r\n";
    PLACES
        .iter()
        .map(|place| {
            let bytes = [&ground.head(place, &format!("{json}{fields}")), body.as_bytes()].concat();
            runtime().block_on(async {
                let mut wire = Wire::open(&ground.demo).await;
                wire.send(&bytes).await;
                let answer =
                    wire.answer().await.unwrap_or_else(|| panic!("no answer to {place} {fields:?} {body:?}"));
                assert_eq!(answer.status, 400, "{place} {fields:?} {body:?}: {answer:?}");
                let rest = wire.closed().await;
                assert!(rest.is_empty(), "{place} {fields:?} {body:?}: {}", String::from_utf8_lossy(&rest));
                answer
            })
        })
        .collect()
}

#[test]
fn a_head_that_can_be_framed_twice_is_refused_and_what_follows_it_is_not_read() {
    let ground = Ground::open();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut answers = Vec::new();
    for fields in [
        format!("Content-Length: 5\r\n{chunked}"),
        format!("{chunked}Content-Length: 5\r\n"),
        format!("{chunked}Content-Length: x\r\n"),
        format!("{chunked}{chunked}"),
        "Transfer-Encoding: , chunked\r\n".into(),
        "Transfer-Encoding: chunked,\r\n".into(),
        "Transfer-Encoding: chunked, chunked\r\n".into(),
        "Transfer-Encoding: Chunked\r\n".into(),
        "Transfer-Encoding: identity\r\n".into(),
        "Transfer-Encoding: identity, chunked\r\n".into(),
        "Transfer-Encoding: gzip, chunked\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n".into(),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding: \"chunked\"\r\n".into(),
        "Transfer-Encoding: chunked;q=1\r\n".into(),
        "Transfer-Encoding:\r\n".into(),
        "Transfer-Encoding: \x0bchunked\r\n".into(),
        "Transfer-Encoding:\r\n chunked\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
        "X: a\nTransfer-Encoding: chunked\r\n".into(),
        "X: a\rTransfer-Encoding: chunked\r\n".into(),
        "Content-Length: 0200\r\n".into(),
        "Content-Length: +5\r\n".into(),
        "Content-Length: -5\r\n".into(),
        "Content-Length: 5, 5\r\n".into(),
        "Content-Length: 5\r\nContent-Length: 5\r\n".into(),
        "Content-Length: 5\r\nContent-Length: 6\r\n".into(),
        "Content-Length: 5 5\r\n".into(),
        "Content-Length: 0x5\r\n".into(),
        "Content-Length: 5.0\r\n".into(),
        "Content-Length:\r\n".into(),
        "Content-Length: 18446744073709551616\r\n".into(),
        "Content-Length: 99999999999999999999999\r\n".into(),
        "Content-Length:\r\n 5\r\n".into(),
        "Content-Length : 5\r\n".into(),
        " Content-Length: 5\r\n".into(),
        ": x\r\nContent-Length: 5\r\n".into(),
        "Content\x00-Length: 5\r\n".into(),
        "Content-Length: 5\x00\r\n".into(),
        // A name long enough to overflow a length of eight bits, with another length in it.
        format!("{}Content-Length: 0\r\nContent-Length : 5\r\n", "X".repeat(256)),
    ] {
        answers.extend(refused(&ground, &fields, &format!("0\r\n\r\n{SECOND}")));
    }
    ground.untouched(&answers);
}

#[test]
fn http_1_0_frames_by_length_alone() {
    let ground = Ground::open();
    let signed = ground.signed(Who::App);
    let mut answers = Vec::new();
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
    ] {
        for place in PLACES {
            let head =
                format!("{place} HTTP/1.0\r\nHost: localhost\r\n{signed}{fields}\r\n0\r\n\r\n{SECOND}");
            answers.push(ground.refuses(head.as_bytes(), &[400]));
        }
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 "] {
        let head = format!("GET /systems/raw/x {version}\r\nHost: localhost\r\n{signed}\r\n");
        answers.push(ground.refuses(head.as_bytes(), &[400, 505]));
    }
    ground.untouched(&answers);
}

#[test]
fn a_broken_chunk_ends_the_request_and_no_system_gets_it_whole() {
    let ground = Ground::open();
    let mut answers = Vec::new();
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5 0\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff0\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX\r\n\r\n",
        "5\r\nhello\r\n0\r\n: x\r\n\r\n",
    ] {
        answers.extend(refused(&ground, "Transfer-Encoding: chunked\r\n", &format!("{body}{SECOND}")));
    }
    // A streamed body was under way when its chunk broke; a gathered one was not.
    let (streamed, gathered): (Vec<_>, Vec<_>) =
        answers.into_iter().enumerate().partition(|(number, _)| number % PLACES.len() == 0);
    let of = |found: Vec<(usize, Answer)>| found.into_iter().map(|(_, answer)| answer).collect::<Vec<_>>();
    ground.untouched(&of(gathered));
    ground.written(&of(streamed));
    assert_eq!(ground.system.seen(), <[String; 0]>::default());
}

#[test]
fn chunk_extensions_and_trailers_never_reach_a_system() {
    let ground = Ground::open();
    for body in [
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5  \r\nhello\r\n0\r\n\r\n",
        "5;a=\"\x01\x7f\"\r\nhello\r\n0\r\n\r\n",
        "00005\r\nhello\r\n000\r\n\r\n",
        "5\r\nhello\r\n0;x\r\nX-User: admin\r\nAuthorization: x\r\nContent-Length: 9\r\n\r\n",
    ] {
        let head = ground.head("POST /systems/raw/x", "Transfer-Encoding: chunked\r\n");
        let answer = ground.send(&[&head, body.as_bytes()].concat()).unwrap();
        let seen = ground.system.seen();
        match answer.status {
            400 => assert!(seen.is_empty(), "{body:?} {seen:?}"),
            status => {
                assert_eq!((status, seen.len()), (200, 1), "{body:?}");
                let (_, sent) = seen[0].split_once("\r\n\r\n").unwrap();
                assert_eq!(sent, "5\r\nhello\r\n0\r\n\r\n", "{body:?}");
            }
        }
        ground.written(&[answer]);
    }
}

#[test]
fn a_system_that_frames_its_answer_twice_is_a_bad_gateway() {
    let ground = Ground::open();
    for path in ["both", "switch"] {
        let answer = ground.send(&ground.head(&format!("GET /systems/raw/{path}"), "")).unwrap().refused(502);
        ground.written(&[answer]);
    }
}

#[test]
fn nobody_is_told_to_go_on_before_a_refusal() {
    let ground = Ground::open();
    let waits = "Content-Type: application/json\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
    let mut answers = Vec::new();
    let stranger = format!("POST /v1/customers HTTP/1.1\r\nHost: localhost\r\n{waits}\r\n");
    for (head, status) in [
        (stranger.into_bytes(), 401),
        (ground.head("POST /v1/products", waits), 403),
        (ground.head("POST /v1/nothing", waits), 404),
        (
            ground.head(
                "POST /v1/customers",
                "Content-Type: text/plain\r\nContent-Length: 5\r\nExpect: 100-continue\r\n",
            ),
            415,
        ),
        (
            ground.head(
                "POST /v1/customers",
                "Content-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n",
            ),
            413,
        ),
        (ground.head("POST /v1/customers", &format!("{waits}Expect: 100-continue\r\n")), 400),
        (ground.head("POST /v1/customers", "Content-Length: 5\r\nExpect: 200-ok\r\n"), 417),
    ] {
        let answer = runtime().block_on(async {
            let mut wire = Wire::open(&ground.demo).await;
            wire.send(&head).await;
            // The first head is the answer: no `100 Continue` stands before it.
            let (status, headers) = wire.head().await.unwrap();
            Answer { status, headers, body: wire.closed().await.into() }
        });
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
        answers.push(answer);
    }
    ground.written(&answers);
    // Who may go on is told so once, and no system is asked to wait.
    runtime().block_on(async {
        let mut wire = Wire::open(&ground.demo).await;
        wire.send(&ground.head("POST /systems/raw/x", "Content-Length: 5\r\nExpect: 100-continue\r\n")).await;
        assert_eq!(wire.head().await.unwrap().0, 100);
        wire.send(b"hello").await;
        assert_eq!(wire.head().await.unwrap().0, 200);
    });
    let seen = ground.system.seen();
    assert!(seen.len() == 1 && !seen[0].to_ascii_lowercase().contains("expect"), "{seen:?}");
}

#[test]
fn an_answer_of_our_own_leaves_nothing_of_the_body_to_be_read_as_a_request() {
    let ground = Ground::open();
    let length = SECOND.len();
    let stranger =
        format!("POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{SECOND}");
    let absent = ground.head("POST /v1/nothing", &format!("Content-Length: {length}\r\n"));
    let head = ground.head("HEAD /systems/raw/x", &format!("Content-Length: {length}\r\n"));
    let upgrade = ground.head("GET /systems/raw/ws", "Connection: upgrade\r\nUpgrade: websocket\r\n");
    let mut answers = Vec::new();
    for (bytes, status) in [
        (stranger.into_bytes(), 401),
        ([&absent, SECOND.as_bytes()].concat(), 404),
        ([&head, SECOND.as_bytes()].concat(), 400),
    ] {
        runtime().block_on(async {
            let mut wire = Wire::open(&ground.demo).await;
            wire.send(&bytes).await;
            let (found, headers) = wire.head().await.unwrap();
            assert_eq!(found, status);
            // Drained or closed, never answered again.
            wire.send(&ground.head("GET /v1/again", "Connection: close\r\n")).await;
            let rest = String::from_utf8_lossy(&wire.closed().await).into_owned();
            assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{rest}");
            assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
            answers.push(Answer { status: found, headers, body: rest.into() });
        });
    }
    let data = ground.demo.data();
    for answer in &answers {
        assert_eq!(crate::book::of(&data, answer.header("x-request-id").unwrap()).len(), 1);
    }
    assert_eq!(ground.system.seen(), <[String; 0]>::default());
    // Bytes behind an upgrade that was not granted are not the system's.
    ground.send(&[&upgrade, SECOND.as_bytes()].concat()).unwrap().expect(200);
    assert!(ground.system.seen().iter().all(|request| request.starts_with("GET /ws ")));
}

#[test]
fn a_head_request_with_a_body_reaches_no_system_over_either_protocol() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    let request = Request::head("https://localhost/systems/raw/x").version(Version::HTTP_2);
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer =
        send_h2_with(&ground.demo, request.body(Bytes::from_static(SECOND.as_bytes())).unwrap()).unwrap();
    assert_eq!(answer.status, 400);
    let first = ground.refuses(&ground.head("HEAD /systems/raw/x", "Content-Length: 5\r\n"), &[400]);
    ground.written(&[answer, first]);
    assert_eq!(ground.system.seen(), <[String; 0]>::default());
}

#[test]
fn a_head_that_frames_twice_is_refused_behind_chunks_too() {
    let ground = Ground::open();
    let chunks = "Transfer-Encoding: chunked\r\n";
    for (body, more, line) in [
        ("1\r\na\r\n0\r\n\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "POST /systems/raw/y"),
        (
            "1;x=y\r\na\r\n0\r\nX-Trailer: b\r\n\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "POST /systems/raw/y",
        ),
        ("0\r\n\r\n", "", "GET /systems/raw/y#z"),
    ] {
        let mut bytes = ground.head("POST /systems/raw/x", chunks);
        bytes.extend(body.as_bytes());
        bytes.extend(ground.head(line, more));
        runtime().block_on(async {
            let mut wire = Wire::open(&ground.demo).await;
            wire.send(&bytes).await;
            assert_eq!(wire.answer().await.unwrap().status, 200, "{body:?}");
            assert_eq!(wire.answer().await.unwrap().status, 400, "{body:?} {more:?}");
            wire.closed().await;
        });
        assert_eq!(ground.system.seen().len(), 1, "{body:?}");
    }
}
