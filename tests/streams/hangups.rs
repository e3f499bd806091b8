//! Callers that hang up, and systems that break at once: what is done, and what the journal says of it.

use std::sync::Arc;

use serde_json::Value;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    book,
    ground::{Caller, OK, System, closed},
    kit::{Demo, PATIENCE, runtime, until},
};

/// The entry of the one answer to a call.
fn answered(demo: &Demo) -> Value {
    let mut found = None;
    until("the answer is in the journal", || {
        let mut entries = book::entries(&demo.data()).into_iter();
        found = entries.find(|entry| entry["kind"] == "answer" && entry["action"] == "call");
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn an_unsafe_call_runs_to_its_end_when_its_caller_hangs_up() {
    for (what, more, body) in [
        ("POST /systems/raw/thing", "content-length: 2\r\n", "ab"),
        ("POST /systems/raw/thing", "transfer-encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
        ("PUT /systems/raw/thing", "content-length: 0\r\n", ""),
    ] {
        let (go, end) = (Arc::new(Semaphore::new(0)), if body.is_empty() { "" } else { "ab" });
        let (word, whole) = (go.clone(), Arc::new(Semaphore::new(0)));
        let came = whole.clone();
        let system = System::start(move |mut conn| {
            let (word, came) = (word.clone(), came.clone());
            async move {
                conn.head().await?;
                conn.until(end).await?;
                came.add_permits(1);
                word.acquire().await.unwrap().forget();
                conn.say(OK).await?;
                conn.end().await;
                Ok(())
            }
        });
        let demo = system.demo("");
        runtime().block_on(async {
            let mut caller = Caller::open(&demo).await;
            let head = caller.text(what, more);
            caller.say(head + body).await;
            timeout(PATIENCE, whole.acquire()).await.unwrap().unwrap().forget();
            caller.hang_up().await;
        });
        // The gate has let its caller go.
        go.add_permits(1);
        let answer = answered(&demo);
        assert_eq!(answer["status"], 200, "{what} {more} {answer}");
        assert!(!answer.to_string().contains("unknown"), "{what} {more} {answer}");
        assert_eq!(system.asked(), 1);
    }
}

#[test]
fn an_upload_that_was_still_coming_breaks_off_with_its_caller_and_its_outcome_is_unknown() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.until("half").await?;
        // The end of the piece that came, and no end of the body.
        assert!(conn.until("0\r\n\r\n").await.is_err(), "an end is made up for it");
        Ok(())
    });
    for length in ["content-length: 10\r\n", "transfer-encoding: chunked\r\n"] {
        let demo = system.demo("");
        runtime().block_on(async {
            let mut caller = Caller::open(&demo).await;
            caller.ask("POST /systems/raw/thing", length).await;
            caller.say(if length.starts_with('c') { "half" } else { "8\r\nhalf" }).await;
            while system.open() == 0 {
                tokio::task::yield_now().await;
            }
            caller.hang_up().await;
        });
        let answer = answered(&demo);
        assert!(answer["notes"].to_string().contains("unknown"), "{answer}");
        until("the system is left", || system.open() == 0);
    }
}

#[test]
fn an_answer_that_is_broken_from_its_first_chunk_on_is_refused() {
    let demo =
        System::closing_after("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n").demo("");
    demo.get("/systems/raw/thing").send().refused(502);
    assert_eq!(answered(&demo)["status"], 502);
}

#[test]
fn what_came_before_an_answer_broke_reaches_the_caller() {
    let bad = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\nabc\r\n0\r\n\r\n";
    let demo = System::closing_after(bad).demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/thing", "").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let rest = caller.rest().await;
        assert!(rest.contains("abc") && !rest.contains("0\r\n\r\n"), "{rest:?}");
        head
    });
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"system-gone".into(), &3.into()), "{close}");
}

#[test]
fn a_head_without_anything_behind_it_yet_leaves_at_once() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/events", "").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    });
}
