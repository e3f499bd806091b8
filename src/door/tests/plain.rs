//! HTTP/1 without TLS: clocks, framing, lingering, counts, drain.

use std::io::{Read, Write};

use super::kit::*;
use crate::door::{Clock, Drained, Refusal, Sockets, Successor, TurnedAway};

#[test]
fn requests_are_answered_on_one_connection_one_after_another() {
    let served = plain("");
    let mut caller = served.connect();
    assert_eq!(caller.ask("/a", ""), (200, "hello".into()));
    assert_eq!(caller.ask("/b", ""), (200, "hello".into()));
    caller.send("POST /gather HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(caller.answer(), (200, "5".into()));
    let pipelined = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3);
    caller.send(&pipelined);
    for _ in 0..3 {
        assert_eq!(caller.answer().0, 200);
    }
}

#[test]
fn heads_that_frame_twice_are_answered_400_and_closed() {
    let served = plain("");
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (lines, word) in [
        (format!("Content-Length: 5\r\n{chunked}"), "stand together"),
        (format!("{chunked}Content-Length: 5\r\n"), "stand together"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n".into(), "stand together"),
        ("Transfer-Encoding: , chunked\r\n".into(), "must be `chunked`"),
        ("Transfer-Encoding: Chunked\r\n".into(), "must be `chunked`"),
        ("X: 1\nY: 2\r\n".into(), "without carriage return"),
        ("Content-Length: 0200\r\n".into(), "not a plain number"),
    ] {
        let mut caller = served.connect();
        caller.send(&format!("POST /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n"));
        let (status, text) = caller.answer();
        assert!(status == 400 && text.contains(word), "{lines:?}: {status} {text}");
    }
    let mut caller = served.connect();
    caller.send(&format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{chunked}\r\n0\r\n\r\n"));
    caller.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let all = caller.rest().unwrap();
    assert_eq!(all.matches("HTTP/1.1").count(), 1, "one answer, then closed: {all}");
}

#[test]
fn what_the_http_library_answers_itself_is_told() {
    let served = plain("header_bytes_max: 8KiB, linger_timeout: 20ms");
    let long = "a".repeat(9000);
    let target = "t".repeat(70_000);
    for (head, status, refusal) in [
        ("NONSENSE\r\n\r\n".to_owned(), 400, Refusal::BadHead),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(), 400, Refusal::BadHead),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431, Refusal::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(101)), 431, Refusal::HeadTooLarge),
    ] {
        let mut caller = served.connect();
        let answer = caller.send(&head).rest().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!((served.told(), refusal.answer()), (Told::Refused(refusal), Some(status)));
    }
    let wide = plain("header_bytes_max: 1MiB");
    let answer = wide.connect().send(&format!("GET /{target} HTTP/1.1\r\n\r\n")).rest().unwrap();
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
    assert_eq!(wide.told(), Told::Refused(Refusal::TargetTooLong));
}

#[test]
fn http2_without_tls_and_connect_are_not_served() {
    let served = plain("");
    let _ = served.connect().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").rest();
    assert_eq!(served.told(), Told::Refused(Refusal::WrongProtocol));
    let mut caller = served.connect();
    let (status, text) = caller.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").answer();
    assert_eq!((status, text.as_str()), (400, "the method is not allowed"));
}

#[test]
fn silence_partial_heads_and_idleness_end_by_their_own_clocks() {
    let served = plain("first_byte_timeout: 40ms, head_timeout: 60ms, idle_timeout: 80ms");
    assert_eq!(served.connect().rest().unwrap(), "");
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::FirstByte)));
    assert_eq!(served.connect().send("GET / HTTP/1.1\r\nHost:").rest().unwrap(), "");
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::Head)));
    let mut caller = served.connect();
    assert_eq!(caller.ask("/", "").0, 200);
    assert_eq!(caller.ask("/slow", ""), (200, "slow".into()), "a request in flight is not idle");
    assert_eq!(caller.rest().unwrap(), "", "idle closes");
    let mut caller = served.connect();
    assert_eq!(caller.ask("/", "").0, 200);
    assert_eq!(caller.send("GET / HT").rest().unwrap(), "");
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::Head)), "and idle itself is not told");
}

#[test]
fn a_caller_who_does_not_read_is_not_waited_for() {
    let served = plain("slow_reader_timeout: 80ms, body_rate_min: 1MiB");
    let mut caller = served.connect();
    caller.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::SlowReader)));
}

#[test]
fn what_is_left_of_a_body_after_its_answer_starts_no_clock_of_heads() {
    let served = plain("head_timeout: 50ms");
    let mut caller = served.connect();
    caller.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    // The head was read before the body comes, and nobody reads the body before the answer.
    assert_eq!(served.connect().ask("/blink", "").0, 200);
    caller.send("abcde\r\n");
    assert_eq!(caller.answer(), (200, "slow".into()));
    // Longer than the head's clock; the answer that is waited for stands in for a sleep.
    assert_eq!(served.connect().ask("/slow", "").0, 200);
    assert_eq!(caller.ask("/", ""), (200, "hello".into()));
}

#[test]
fn a_steady_reader_is_not_idle_while_the_end_of_an_answer_is_under_way() {
    let served = plain("idle_timeout: 100ms, body_rate_min: 1KiB");
    let mut caller = served.connect();
    caller.send("GET /whole HTTP/1.1\r\nHost: a\r\n\r\n");
    let (mut taken, mut piece) = (0, vec![0; 128 * 1024]);
    while taken < 4 << 20 {
        // A pause shorter than the clock, all of them together longer.
        assert_eq!(served.connect().ask("/blink", "").0, 200);
        let read = caller.0.read(&mut piece).unwrap();
        assert!(read > 0, "cut after {taken} bytes");
        taken += read;
    }
}

#[test]
fn cores_share_a_socket_that_nobody_else_may_bind() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let held = Sockets::holding(vec![listener]).unwrap();
    let bound = held.bind(&[at], 3).unwrap();
    assert_eq!(bound.cores.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(bound.addresses, [at]);
}

#[test]
fn a_refusal_with_unread_body_reaches_its_caller() {
    let served = plain("");
    let body = vec![b'x'; 2_000_000];
    for (target, status) in [("/refuse", 401), ("/gather", 413)] {
        let mut caller = served.connect();
        caller.send(&format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
        caller.0.write_all(&body).unwrap();
        assert_eq!(caller.answer().0, status, "{target}");
        assert_eq!(caller.rest().unwrap(), "", "and closed in order");
    }
    let mut caller = served.connect();
    caller.send("POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..100 {
        caller.send("3e8\r\n").0.write_all(&body[..1000]).unwrap();
        caller.send("\r\n");
    }
    assert_eq!(caller.answer().0, 401);
}

#[test]
fn lingering_is_bounded_in_time_and_bytes() {
    let served = plain("linger_timeout: 50ms, linger_bytes_max: 64KiB");
    let mut caller = served.connect();
    caller.send("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nabc");
    assert_eq!(caller.answer().0, 401);
    assert_eq!(caller.rest().unwrap(), "");
    // The gate is gone once its time is over; then writing fails sooner or later.
    assert!((0..10_000).any(|_| caller.0.write_all(&[b'x'; 10_000]).is_err()));
}

#[test]
fn a_refusal_sends_no_100_continue_and_reading_does() {
    let served = plain("");
    let head = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    };
    assert_eq!(served.connect().send(&head("/refuse")).answer().0, 401);
    let mut caller = served.connect();
    assert_eq!(caller.send(&head("/gather")).answer().0, 100);
    assert_eq!(caller.send("abc").answer(), (200, "3".into()));
    let too_large = head("/gather").replace("Length: 3", "Length: 3000");
    assert_eq!(served.connect().send(&too_large).answer().0, 413, "known from the head");
}

#[test]
fn an_address_has_so_many_connections_and_gets_them_back() {
    let served = plain("connections_per_address_max: 2");
    let mut first = served.connect();
    let mut second = served.connect();
    assert_eq!((first.ask("/", "").0, second.ask("/", "").0), (200, 200));
    let _ = served.connect().rest();
    assert_eq!(served.told(), Told::Away(TurnedAway::ConnectionsOfAddress));
    first.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").rest().unwrap();
    let retried = (0..200).find_map(|_| {
        let mut caller = served.connect();
        caller.0.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok()?;
        caller.rest().ok().filter(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    assert!(retried.is_some());
    let total = plain("connections_max: 1");
    let mut first = total.connect();
    assert_eq!(first.ask("/", "").0, 200);
    let _ = total.connect().rest();
    assert_eq!(total.told(), Told::Away(TurnedAway::Connections));
}

#[test]
fn the_address_is_believed_of_trusted_proxies_only() {
    let here = std::path::Path::new(".");
    let served = serve("tls: none\ntrusted_proxies: [127.0.0.0/8]", here);
    let mut caller = served.connect();
    let forged = "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n";
    assert_eq!(caller.ask("/address", forged).1, "192.0.2.7");
    assert_eq!(caller.ask("/address", "Forwarded: for=6.6.6.6\r\n").1, "127.0.0.1");
    let odd = caller.ask("/address", "X-Forwarded-For: 6.6.6.6, unknown\r\n");
    assert_eq!(odd.0, 400, "who asks is unknown: {odd:?}");
    assert_eq!(caller.ask("/address", forged).1, "192.0.2.7", "and the connection goes on");
    assert_eq!(plain("").connect().ask("/address", forged).1, "127.0.0.1");
}

#[test]
fn an_upgrade_carries_the_connection_away() {
    let served = plain("idle_timeout: 50ms, head_timeout: 50ms");
    let mut caller = served.connect();
    caller.send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(caller.answer().0, 101);
    assert_eq!(served.door.connections().next().unwrap().1, 1, "it still counts");
    assert_eq!(caller.send("a\nb\n").rest().unwrap(), "a\nb\n");
}

#[test]
fn a_drain_lets_requests_end_and_closes_the_rest() {
    let served = plain("");
    let mut idle = served.connect();
    assert_eq!(idle.ask("/", "").0, 200);
    let mut busy = served.connect();
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut fresh = served.connect();
    let at = served.at;
    // Both cores have taken what was connected before: a later connection was answered.
    assert_eq!(served.connect().ask("/", "").0, 200);
    served.door.drain();
    fresh.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(fresh.answer().0, 200, "a new connection gets its first request answered");
    assert_eq!(busy.answer(), (200, "slow".into()));
    assert_eq!((busy.rest().unwrap(), idle.rest().unwrap(), fresh.rest().unwrap()), Default::default());
    assert_eq!(served.drained(), [Drained::Clean, Drained::Clean]);
    assert!(std::net::TcpStream::connect(at).is_err());
}

#[test]
fn a_connection_whose_buffers_were_put_away_serves_on() {
    let served = plain("idle_timeout: 700ms");
    let mut caller = served.connect();
    for _ in 0..2 {
        assert_eq!(caller.ask("/slow", ""), (200, "slow".into()));
        // Longer than the buffers are kept; the answer that is waited for stands in for a sleep.
        assert_eq!(served.connect().ask("/slow", "").0, 200);
        assert_eq!(served.connect().ask("/slow", "").0, 200);
        let long = "x".repeat(3000);
        caller.send("GET /a HT").send("TP/1.1\r\nHost: a\r\n");
        assert_eq!(caller.send(&format!("X: {long}\r\n\r\n")).answer(), (200, "hello".into()));
        caller.send("POST /gather HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
        assert_eq!(caller.answer(), (200, "5".into()));
    }
    assert_eq!(caller.rest().unwrap(), "", "idle closes it at last");
}

#[test]
fn a_successor_takes_over_under_load_and_nobody_is_reset() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    };
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("hand-over.sock");
    let old = plain("");
    let at = old.at;
    let (enough, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (enough, answered) = (enough.clone(), answered.clone());
            std::thread::spawn(move || {
                while !enough.load(SeqCst) {
                    let mut caller = Raw(std::net::TcpStream::connect(at).unwrap());
                    assert_eq!(caller.ask("/", "Connection: close\r\n"), (200, "hello".into()));
                    assert_eq!(caller.rest().unwrap(), "");
                    answered.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let more = |count: usize| {
        let until = answered.load(SeqCst) + count;
        while answered.load(SeqCst) < until && !callers.iter().any(|caller| caller.is_finished()) {
            std::thread::yield_now();
        }
    };
    more(200);
    let listening = Successor::open(&place).unwrap();
    let new = std::thread::scope(|scope| {
        let handing = scope.spawn(|| old.successor.hand_over(&listening));
        let new = succeed(at, &place, "tls: none");
        handing.join().unwrap().unwrap();
        new
    });
    more(200);
    assert_eq!(old.drained(), [Drained::Clean, Drained::Clean]);
    more(400);
    enough.store(true, SeqCst);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(new.drained(), [Drained::Clean, Drained::Clean]);
}
