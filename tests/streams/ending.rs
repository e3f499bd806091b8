//! Streams under a credential that ends: whatever passes through, and whoever is slow, it is cut.

use std::{io, time::Duration};

use serde_json::Value;

use crate::{
    book,
    ground::{Caller, Conn, System, closed, field},
    kit::{Demo, Who, runtime, until},
};

/// How long the credentials of these tests last: long enough to ask with, on any machine.
const LIFE: &str = "3s";
/// More than all buffers between a system and a caller hold.
const BUFFERED_MAX: usize = 64 << 20;

/// A token that ends soon.
fn brief(demo: &Demo) -> String {
    let issued = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--ttl", LIFE]);
    assert_eq!(issued.code, 0, "{issued:?}");
    issued.out.trim().to_owned()
}

/// A caller with such a token.
async fn soon_over(demo: &Demo) -> Caller {
    caller(demo, &brief(demo)).await
}

async fn caller(demo: &Demo, token: &str) -> Caller {
    Caller::open_at(&demo.address(), demo.env("BRAMKA_CA"), token).await
}

/// Waits until a token is worth nothing.
async fn until_refused(demo: &Demo, token: &str) {
    let mut asking = caller(demo, token).await;
    loop {
        asking.ask("HEAD /v1/products?limit=1", "").await;
        if asking.head().await.starts_with("HTTP/1.1 401 ") {
            return;
        }
    }
}

/// A system that never makes anybody wait.
async fn endless(mut conn: Conn) -> io::Result<()> {
    conn.head().await?;
    let block = "x".repeat(1 << 20);
    conn.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n{block}")).await?;
    loop {
        conn.say(&block).await?;
    }
}

/// Reads more slowly than a system writes, until the answer is cut: that is when all buffers are empty.
async fn read_slowly(caller: &mut Caller) {
    let (mut pace, mut count) = (tokio::time::interval(Duration::from_millis(1)), 0);
    loop {
        pace.tick().await;
        match caller.some().await {
            Ok(bytes) if !bytes.is_empty() => count += bytes.len(),
            Ok(_) | Err(_) => return,
        }
        assert!(count < BUFFERED_MAX, "it goes on");
    }
}

#[test]
fn a_download_that_never_makes_the_gate_wait_is_cut_when_its_credential_is_taken_back() {
    let system = System::start(endless);
    let demo = system.demo("");
    let token = demo.token(Who::App).unwrap();
    let head = runtime().block_on(async {
        let mut caller = caller(&demo, &token).await;
        caller.ask("GET /systems/raw/endless", "").await;
        let head = caller.head().await;
        let ran = demo.verb(&["token", "revoke", "--principal", "App/shop-backend"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        until_refused(&demo, &token).await;
        read_slowly(&mut caller).await;
        head
    });
    assert_eq!(closed(&demo, &head)["ended"], "revoked");
    until("the system is left", || system.open() == 0);
}

#[test]
fn a_download_that_never_makes_the_gate_wait_ends_with_its_credential() {
    let system = System::start(endless);
    let demo = system.demo("");
    let token = brief(&demo);
    let head = runtime().block_on(async {
        let mut caller = caller(&demo, &token).await;
        caller.ask("GET /systems/raw/endless", "").await;
        let head = caller.head().await;
        until_refused(&demo, &token).await;
        read_slowly(&mut caller).await;
        head
    });
    assert_eq!(closed(&demo, &head)["ended"], "expired");
}

#[test]
fn a_download_that_waits_for_its_system_ends_with_its_credential() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = soon_over(&demo).await;
        caller.ask("GET /systems/raw/silent", "").await;
        let head = caller.head().await;
        caller.until("first\r\n").await;
        assert_eq!(caller.rest().await, "", "cut, and not ended");
        head
    });
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"expired".into(), &5.into()), "{close}");
}

#[test]
fn a_bridge_ends_with_its_credential() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello",
        )
        .await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = soon_over(&demo).await;
        caller.ask("GET /systems/raw/socket", "connection: Upgrade\r\nupgrade: websocket\r\n").await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        caller.until("hello").await;
        assert_eq!(caller.rest().await, "");
        head
    });
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"expired".into(), &5.into()), "{close}");
    until("the system is left", || system.open() == 0);
}

#[test]
fn an_upload_ends_with_its_credential_and_what_was_sent_is_written_down() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = soon_over(&demo).await;
        caller.ask("PUT /systems/raw/up", "content-length: 1000000\r\n").await;
        caller.say("a piece").await;
        caller.head().await
    });
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let entries = book::of(&demo.data(), field(&head, "x-request-id").unwrap());
    let answer = entries.last().unwrap();
    assert_eq!(answer["refusal"], "revoked_meanwhile", "{answer}");
    let calls: Vec<&Value> = answer["calls"].as_array().unwrap().iter().collect();
    assert_eq!((calls.len(), &calls[0]["bytes_out"]), (1, &7.into()), "{answer}");
    until("the system is left", || system.open() == 0);
}
