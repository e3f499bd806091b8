//! Streams both ways: of any size in constant memory, as they come, with their trailers.

use std::{fs, io, sync::Arc, time::Duration};

use http::Method;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use crate::{
    book,
    ground::{Caller, Conn, OK, System, closed, edit, field, join},
    kit::{Demo, Who, connect, runtime},
    line,
};

const GIGABYTE: usize = 1 << 30;
const BLOCK: usize = 64 * 1024;
/// How much a gate may grow over a gigabyte.
const GROWTH_MAX: usize = 64 * 1024 * 1024;

/// The most memory that a gate ever had, in bytes.
fn peak(demo: &Demo) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", demo.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Blocks that each say which they are.
fn block(number: usize) -> [u8; BLOCK] {
    [u8::try_from(number % 251).unwrap(); BLOCK]
}

/// Counts a gigabyte in, and looks at the first and the last byte of each piece.
#[derive(Default)]
struct Count(usize);

impl Count {
    fn add(&mut self, bytes: &[u8]) {
        let (first, last) = (self.0 / BLOCK, (self.0 + bytes.len() - 1) / BLOCK);
        assert_eq!(usize::from(bytes[0]), first % 251, "at {}", self.0);
        assert_eq!(usize::from(bytes[bytes.len() - 1]), last % 251, "at {}", self.0);
        self.0 += bytes.len();
    }
}

async fn large(mut conn: Conn) -> io::Result<()> {
    loop {
        let head = conn.head().await?;
        if head.starts_with("GET /large ") {
            conn.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n")).await?;
            for number in 0..GIGABYTE / BLOCK {
                conn.say(block(number)).await?;
            }
        } else if head.starts_with("PUT /large ") {
            assert_eq!(field(&head, "content-length"), Some(GIGABYTE.to_string().as_str()));
            let mut count = Count::default();
            while count.0 < GIGABYTE {
                count.add(&conn.some().await?);
            }
            let text = count.0.to_string();
            conn.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())).await?;
        } else {
            conn.say(OK).await?;
        }
    }
}

#[test]
fn a_gigabyte_streams_down_in_constant_memory() {
    let demo = System::start(large).demo("");
    demo.get("/systems/raw/small").send().expect(200);
    let before = peak(&demo);
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/large", "").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(field(&head, "content-length"), Some(GIGABYTE.to_string().as_str()));
        let mut count = Count::default();
        while count.0 < GIGABYTE {
            count.add(&caller.some().await.unwrap());
        }
        assert_eq!(count.0, GIGABYTE);
        // The connection is as good as before.
        caller.ask("GET /systems/raw/small", "").await;
        assert!(caller.until("ok").await.starts_with("HTTP/1.1 200 "));
        head
    });
    let grown = peak(&demo).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "it grew by {grown} bytes");
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"complete".into(), &GIGABYTE.into()), "{close}");
}

#[test]
fn a_gigabyte_streams_up_in_constant_memory() {
    let demo = System::start(large).demo("");
    demo.get("/systems/raw/small").send().expect(200);
    let before = peak(&demo);
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("PUT /systems/raw/large", &format!("content-length: {GIGABYTE}\r\n")).await;
        for number in 0..GIGABYTE / BLOCK {
            caller.say(block(number)).await;
        }
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(caller.until(&GIGABYTE.to_string()).await, GIGABYTE.to_string());
        head
    });
    let grown = peak(&demo).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "it grew by {grown} bytes");
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_in"]), (&"complete".into(), &GIGABYTE.into()), "{close}");
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let seen = Arc::new(Semaphore::new(0));
    let told = seen.clone();
    let system = System::start(move |mut conn| {
        let told = told.clone();
        async move {
            conn.head().await?;
            conn.say(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
            )
            .await?;
            for number in 0..20 {
                conn.say(format!("9\r\ndata: {}\n\n\r\n", number % 10)).await?;
                told.acquire().await.unwrap().forget();
            }
            conn.say("0\r\n\r\n").await
        }
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/events", "").await;
        let head = caller.head().await;
        assert_eq!(field(&head, "content-type"), Some("text/event-stream"));
        for number in 0..20 {
            // Were it kept back anywhere, this would wait for ever: the next is only sent after it.
            assert!(caller.until("\n\n\r\n").await.ends_with(&format!("data: {}\n\n\r\n", number % 10)));
            seen.add_permits(1);
        }
        assert_eq!(caller.until("0\r\n\r\n").await, "0\r\n\r\n");
        head
    });
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"complete".into(), &180.into()), "{close}");
}

#[test]
fn an_upload_reaches_the_system_piece_by_piece() {
    let got = Arc::new(Semaphore::new(0));
    let told = got.clone();
    let system = System::start(move |mut conn| {
        let told = told.clone();
        async move {
            conn.head().await?;
            for number in 0..5 {
                conn.until(&format!("piece {number}")).await?;
                told.add_permits(1);
            }
            conn.until("0\r\n\r\n").await?;
            conn.say(OK).await
        }
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("POST /systems/raw/pieces", "transfer-encoding: chunked\r\n").await;
        for number in 0..5 {
            caller.say(format!("7\r\npiece {number}\r\n")).await;
            got.acquire().await.unwrap().forget();
        }
        caller.say("0\r\n\r\n").await;
        assert!(caller.until("ok").await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn an_upload_that_is_answered_without_a_body_is_closed_in_the_journal_with_its_size() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.until("the end").await?;
        conn.say("HTTP/1.1 204 No Content\r\n\r\n").await
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("PUT /systems/raw/thing", "content-length: 100007\r\n").await;
        caller.say(format!("{}the end", "x".repeat(100_000))).await;
        caller.head().await
    });
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_in"]), (&"complete".into(), &100_007.into()), "{close}");
    assert_eq!(close["bytes_out"], 0, "{close}");
    let entries = book::of(&demo.data(), field(&head, "x-request-id").unwrap());
    let answer = entries.iter().find(|entry| entry["kind"] == "answer").unwrap();
    assert_eq!(answer["calls"][0]["bytes_out"], 100_007, "{answer}");
}

#[test]
fn digests_of_streamed_bodies_stand_in_the_close_entry_where_a_statement_asks_for_them() {
    let system = System::start(|mut conn| async move {
        loop {
            let head = conn.head().await?;
            if head.starts_with("POST ") {
                conn.until("0\r\n\r\n").await?;
            }
            conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshown\r\n0\r\n\r\n").await?;
        }
    });
    let notes = |with: &str, what: &str| {
        let demo = Demo::start_with(
            |policies| {
                join(policies, system.address(), "sign_in: none\n");
                edit(&policies.join("access/raw.cedar"), "@plan", &format!("{with}@plan"));
            },
            &[],
        );
        let head = runtime().block_on(async {
            let mut caller = Caller::open(&demo).await;
            if what.starts_with("POST ") {
                caller.ask(what, "transfer-encoding: chunked\r\n").await;
                caller.say("4\r\nsent\r\n0\r\n\r\n").await;
            } else {
                caller.ask(what, "").await;
            }
            let head = caller.head().await;
            caller.until("0\r\n\r\n").await;
            head
        });
        closed(&demo, &head)["notes"].clone()
    };
    let asked = "@audit(\"body-digest\")\n";
    let both = notes(asked, "POST /systems/raw/thing").to_string();
    assert!(both.contains("body_sent") && both.contains("body_shown"), "{both}");
    let shown = notes(asked, "GET /systems/raw/thing").to_string();
    assert!(!shown.contains("body_sent") && shown.contains("body_shown"), "{shown}");
    assert!(notes("", "POST /systems/raw/thing").is_null());
}

#[test]
fn an_upload_may_take_longer_than_an_answer() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.until("0\r\n\r\n").await?;
        conn.say(OK).await
    });
    let demo = Demo::start_with(
        |policies| {
            join(policies, system.address(), "sign_in: none\ntimeouts: { call: 1s }\n");
            let bounded = "- name: data\n    bounds: { request_deadline: 1s }";
            edit(&policies.join("gateway.yaml"), "- name: data", bounded);
        },
        &[],
    );
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("POST /systems/raw/slowly", "transfer-encoding: chunked\r\n").await;
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..20 {
            pace.tick().await;
            caller.say("5\r\npiece\r\n").await;
        }
        caller.say("0\r\n\r\n").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    });
}

#[test]
fn trailers_of_an_answer_are_kept_but_not_what_may_not_stand_there() {
    let demo = System::saying(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum, set-cookie\r\ntransfer-encoding: chunked\r\n\r\n\
         4\r\nbody\r\n0\r\nx-sum: 7\r\nset-cookie: a=b\r\n\r\n",
    )
    .demo("");
    runtime().block_on(async {
        let stream = connect(&demo.address(), demo.env("BRAMKA_CA")).await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let token = demo.token(Who::App);
        let request =
            line::asking(Method::GET, "/systems/raw/sum", token.as_deref()).header("te", "trailers");
        let answer = sender.send_request(request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap());
        let body = answer.await.unwrap().into_body().collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap();
        assert_eq!(trailers.len(), 1, "{trailers:?}");
        assert_eq!(trailers["x-sum"], "7");
        assert_eq!(body.to_bytes(), "body");
    });
}

#[test]
fn trailers_of_an_upload_are_kept() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        let end = conn.until("\r\n\r\n").await?;
        conn.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{end}", end.len())).await
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller
            .ask("POST /systems/raw/sum", "te: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n")
            .await;
        caller.say("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let echo = caller.until("\r\n\r\n").await;
        assert!(echo.contains("body") && echo.to_lowercase().ends_with("0\r\nx-sum: 7\r\n\r\n"), "{echo}");
    });
}
