//! Upgrades: a bridge on a real switch of protocols only, and nothing smuggled beside it.

use std::io;

use crate::{
    book,
    ground::{Caller, Conn, System, closed, edit, field, join},
    kit::{Demo, runtime, until},
};

/// What a caller adds to ask for a WebSocket.
const ASKED: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches whatever it is asked, greets, and then says everything back.
async fn switching(mut conn: Conn) -> io::Result<()> {
    conn.head().await?;
    conn.say(SWITCHED).await?;
    conn.say("hello").await?;
    loop {
        let bytes = conn.some().await?;
        if bytes.is_empty() {
            return conn.say("bye").await;
        }
        conn.say(bytes).await?;
    }
}

#[test]
fn a_switch_of_protocols_is_bridged_both_ways_and_closed_in_the_journal() {
    let system = System::start(switching);
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/socket?room=1", ASKED).await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(caller.until("hello").await, "hello");
        for number in 0..10 {
            // Anything goes now, what looks like a request as well.
            let said = format!("GET /{number} HTTP/1.1\r\n\r\n\0\u{7f}");
            caller.say(&said).await;
            assert_eq!(caller.until(&said).await, said);
        }
        head
    });
    let close = closed(&demo, &head);
    assert_eq!(close["ended"], "caller-gone", "{close}");
    assert_eq!(close["bytes_in"], 10 * 21, "{close}");
    assert_eq!(close["bytes_out"], 5 + 10 * 21, "{close}");
    let seen = system.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("GET /socket?room=1 HTTP/1.1\r\n"), "{seen:?}");
    assert_eq!(field(&seen[0], "upgrade"), Some("websocket"));
    assert_eq!(field(&seen[0], "sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(field(&seen[0], "authorization"), None);
}

#[test]
fn a_switch_of_protocols_tells_the_caller_nothing_of_the_system_or_its_hop() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade, x-hop\r\nupgrade: websocket\r\nx-hop: 1\r\n\
             keep-alive: timeout=5\r\nset-cookie: a=b\r\nwww-authenticate: Basic\r\nserver: Secret/1.0\r\n\
             via: 1.0 inner\r\nx-powered-by: secret\r\nproxy-authenticate: Basic\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\nx-kept: yes\r\n\r\n",
        )
        .await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/socket", ASKED).await;
        caller.head().await
    });
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for name in [
        "x-hop",
        "keep-alive",
        "set-cookie",
        "www-authenticate",
        "server",
        "via",
        "x-powered-by",
        "proxy-authenticate",
    ] {
        assert_eq!(field(&head, name), None, "{head}");
    }
    assert_eq!(field(&head, "connection").map(str::to_lowercase).as_deref(), Some("upgrade"), "{head}");
    assert_eq!((field(&head, "upgrade"), field(&head, "x-kept")), (Some("websocket"), Some("yes")), "{head}");
    assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert_eq!(field(&head, "sec-websocket-protocol"), Some("chat"), "{head}");
}

#[test]
fn a_bridge_ends_when_the_system_does() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say(SWITCHED).await?;
        conn.until("enough").await?;
        conn.say("bye").await
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/socket", ASKED).await;
        assert!(caller.head().await.starts_with("HTTP/1.1 101 "));
        caller.say("enough").await;
        assert_eq!(caller.rest().await, "bye");
    });
    until("the system is left", || system.open() == 0);
}

#[test]
fn a_bridge_does_not_keep_a_gate_from_stopping() {
    let system = System::start(switching);
    let demo = Demo::start_with(
        |policies| {
            join(policies, system.address(), "sign_in: none\n");
            edit(&policies.join("gateway.yaml"), "drain_grace: 30s", "drain_grace: 1s");
        },
        &[],
    );
    let (head, dir) = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/socket", ASKED).await;
        let head = caller.head().await;
        caller.until("hello").await;
        let (code, dir) = demo.stop();
        assert_eq!(code, 0);
        caller.rest().await;
        (head, dir)
    });
    let entries = book::of(&dir.path().join("data"), field(&head, "x-request-id").unwrap());
    let close = entries.iter().find(|entry| entry["kind"] == "close").unwrap();
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"drained".into(), &5.into()), "{close}");
}

#[test]
fn a_switch_that_nobody_asked_for_is_no_answer() {
    let system = System::start(switching);
    let demo = system.demo("");
    runtime().block_on(async {
        for more in [
            "",
            "upgrade: websocket\r\n",
            "connection: upgrade\r\n",
            "connection: upgrade\r\nupgrade: h2c\r\n",
        ] {
            let mut caller = Caller::open(&demo).await;
            caller.ask("GET /systems/raw/socket", &format!("{more}connection: close\r\n")).await;
            let answer = caller.rest().await;
            let refused = if more.is_empty() { "502" } else { "400" };
            assert!(
                answer.starts_with("HTTP/1.1 502 ") || answer.starts_with(&format!("HTTP/1.1 {refused} ")),
                "{more}: {answer}"
            );
            assert!(!answer.contains("hello"), "{more}: {answer}");
        }
    });
    until("the system's connections are closed", || system.open() == 0);
}

#[test]
fn an_upgrade_that_is_answered_with_200_stays_http() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say(
            "HTTP/1.1 200 OK\r\nconnection: Upgrade\r\nupgrade: websocket\r\ncontent-length: 4\r\n\r\nstay",
        )
        .await?;
        let more = conn.end().await;
        assert_eq!(more, 0, "bytes went past the gate");
        Ok(())
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/socket", ASKED).await;
        let head = caller.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(field(&head, "upgrade"), None);
        assert_eq!(caller.until("stay").await, "stay");
        // What the caller says now is a request to the gate, or nothing.
        drop(caller.try_say("GET /secret HTTP/1.1\r\nhost: localhost\r\n\r\n").await);
        let rest = caller.until_quiet("HTTP/1.1 401 ").await;
        assert!(rest.is_empty() || rest.contains("HTTP/1.1 401 "), "{rest}");
    });
    assert_eq!(system.asked(), 1, "{:?}", system.seen());
}

#[test]
fn what_follows_an_upgrade_without_a_switch_is_not_passed_on() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for answer in [
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let system = System::start(move |mut conn| async move {
            loop {
                conn.head().await?;
                conn.say(answer).await?;
            }
        });
        let demo = system.demo("");
        runtime().block_on(async {
            let mut caller = Caller::open(&demo).await;
            let head = caller.text("GET /systems/raw/socket", ASKED);
            caller.say(format!("{head}{smuggled}")).await;
            let first = caller.head().await;
            assert_eq!(first.split(' ').nth(1), answer.split(' ').nth(1), "{first}");
            let rest = caller.until_quiet("HTTP/1.1 401 ").await;
            assert!(rest.is_empty() || rest.contains("HTTP/1.1 401 "), "{rest}");
        });
        let seen = system.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].starts_with("GET /socket "), "{seen:?}");
    }
}

#[test]
fn an_upgrade_with_a_body_is_not_passed_on_as_one() {
    let system = System::saying(crate::ground::OK);
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("POST /systems/raw/socket", &format!("{ASKED}content-length: 4\r\n")).await;
        caller.say("body").await;
        assert!(caller.head().await.starts_with("HTTP/1.1 "));
    });
    for head in system.seen() {
        assert_eq!(field(&head, "upgrade"), None, "{head}");
    }
}
