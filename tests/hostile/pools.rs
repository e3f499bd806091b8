//! Connections to systems that are kept: never one that is in doubt, never an answer of one caller to another.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::{
    kit::until,
    stand::{gate, head},
    system::System,
    tap::Tap,
};

#[test]
fn a_connection_on_which_a_system_said_too_much_is_never_used_again() {
    let system = System::start(|seen, talk| {
        let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        match seen.line().contains("more") {
            true => talk.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{evil}")),
            false => talk.ok("mine"),
        }
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    for turn in 0..5 {
        tap.send(head(&demo, "GET /systems/raw/more", ""));
        assert_eq!(tap.reply().unwrap().text(), "ok");
        tap.send(head(&demo, "GET /systems/raw/next", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine", "turn {turn}");
    }
}

#[test]
fn a_connection_of_a_head_answered_with_a_body_is_never_used_again() {
    let system = System::start(|seen, talk| match seen.line().starts_with("HEAD") {
        true => talk.say(
            "HTTP/1.1 200 OK\r\ncontent-length: 46\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        ),
        false => talk.ok("mine"),
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    for _ in 0..5 {
        tap.send(head(&demo, "HEAD /systems/raw/x", ""));
        assert_eq!(tap.head().unwrap().status, 200);
        tap.send(head(&demo, "GET /systems/raw/x", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine");
    }
}

#[test]
fn a_connection_whose_get_carried_a_body_is_never_used_again() {
    // Reads no body after a GET: the body is its next request, and has an answer that nobody asked for.
    let system = System::start(|seen, talk| match seen.line().contains("inside") {
        true => talk.ok("evil"),
        false => talk.ok("mine"),
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    let inside = "GET /inside HTTP/1.1\r\nhost: a\r\n\r\n";
    for turn in 1..4 {
        let more = format!("Content-Length: {}\r\n", inside.len());
        tap.send(head(&demo, "GET /systems/raw/x", &more) + inside);
        assert_eq!(tap.reply().unwrap().text(), "mine");
        let seen = system.seen();
        let with_body = seen.iter().rfind(|seen| seen.line().contains("/x ")).unwrap();
        let told = with_body.all("connection").join(",").to_ascii_lowercase();
        assert!(told.contains("close"), "a system that reads bodies is told to close: {told}");
        tap.send(head(&demo, "GET /systems/raw/next", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine", "turn {turn}");
    }
    let seen = system.seen();
    for (at, with_body) in seen.iter().enumerate().filter(|(_, seen)| seen.line().contains("/x ")) {
        let after = seen.iter().skip(at + 1).filter(|seen| seen.connection == with_body.connection);
        assert!(after.clone().all(|seen| seen.line().contains("inside")), "{:?}", after.collect::<Vec<_>>());
    }
}

#[test]
fn a_good_connection_is_kept_and_one_with_an_unread_upload_is_not() {
    let system = System::start(|seen, talk| match seen.one("content-length") {
        // Answered before the body was read: what follows on this connection is in doubt.
        Some(_) => talk.ok("early"),
        None => talk.ok("mine"),
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    for _ in 0..5 {
        tap.send(head(&demo, "GET /systems/raw/x", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine");
    }
    assert_eq!(system.connections(), 1);
    let mut other = Tap::open(&demo);
    other.send(head(&demo, "POST /systems/raw/x", "Content-Length: 100\r\n") + "GET /inside HTTP/1.1\r\n");
    assert_eq!(other.reply().unwrap().text(), "early");
    drop(other);
    for _ in 0..5 {
        let mut tap = Tap::open(&demo);
        tap.send(head(&demo, "GET /systems/raw/x", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine");
    }
    let inside = system.seen().iter().any(|seen| seen.line().contains("inside"));
    assert!(!inside, "an upload that broke off became a request: {:?}", system.seen());
}

#[test]
fn a_read_that_met_a_connection_just_closed_is_sent_again_and_a_write_is_not() {
    let turns = AtomicUsize::new(0);
    // Every second request of a connection is not answered: as if it had been closed just then.
    let system = System::start(move |seen, talk| {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        (turn == 0 || !seen.line().contains("stale") || turn > 1) && talk.ok("ok")
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "GET /systems/raw/first", ""));
    assert_eq!(tap.reply().unwrap().status, 200);
    let idle = Instant::now();
    until("the connection was idle", || idle.elapsed() > Duration::from_millis(400));
    tap.send(head(&demo, "GET /systems/raw/stale", ""));
    assert_eq!(tap.reply().unwrap().status, 200);
    assert_eq!(system.seen().len(), 3, "sent once more on another connection");
}

#[test]
fn no_answer_of_one_caller_reaches_another() {
    let system = System::start(|seen, talk| {
        let nonce = seen.line().split(' ').nth(1).unwrap().to_owned();
        match nonce.len() % 5 {
            0 => {
                talk.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{nonce}"));
                false
            }
            1 => {
                talk.say(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{nonce}"));
                false
            }
            2 => talk.say(format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{nonce}\r\n0\r\n\r\n",
                nonce.len()
            )),
            _ => talk.ok(&nonce),
        }
    });
    let demo = gate(&system);
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let demo = &demo;
            scope.spawn(move || {
                for turn in 0..40 {
                    let nonce = format!("/{caller}-{turn}-{}", "n".repeat((caller + turn) % 5));
                    let mut tap = Tap::open(demo);
                    tap.send(head(demo, &format!("GET /systems/raw{nonce}"), "Connection: close\r\n"));
                    let Some(mut reply) = tap.reply() else { continue };
                    reply.body.extend(tap.end());
                    assert!(reply.status == 502 || reply.text().starts_with(&nonce), "{nonce}: {reply:?}");
                }
            });
        }
    });
}
