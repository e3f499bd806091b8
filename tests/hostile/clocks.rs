//! Peers that take their time: every wait has an end, and what is waited for costs little.

use std::{
    io::Read,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    book,
    kit::{Demo, until},
    stand::{Edits, ask, assert_refused, assert_serves, descriptors, gate, gate_with, head, memory, told},
    system::System,
    tap::Tap,
};

/// Clocks short enough to wait for.
const SHORT: &str = "{ handshake_timeout: 300ms, first_byte_timeout: 300ms, head_timeout: 300ms, idle_timeout: 400ms, \
                     body_rate_grace: 300ms, slow_reader_timeout: 500ms, linger_timeout: 300ms }";

fn short(system: &System) -> Demo {
    gate_with(system, &Edits { bounds: SHORT, ..Edits::default() })
}

#[test]
fn a_connection_that_never_shakes_hands_is_closed_and_written_down() {
    let demo = short(&System::plain());
    let mut silent = TcpStream::connect(demo.address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    until("it is written down", || told(&demo, "handshake_late") == 1);
}

#[test]
fn a_silent_connection_a_head_without_end_and_an_idle_one_are_closed() {
    let demo = short(&System::plain());
    let mut silent = Tap::open(&demo);
    assert!(silent.end().is_empty());
    until("a silent one is written down", || told(&demo, "door_late") == 1);
    let mut partial = Tap::open(&demo);
    partial.send("GET /v1/products HTTP/1.1\r\nHost: localhost\r\nX-Never: ");
    assert!(!String::from_utf8_lossy(&partial.end()).contains(" 200 "));
    until("a head without end is written down", || told(&demo, "door_late") == 2);
    let mut idle = Tap::open(&demo);
    idle.send(head(&demo, "GET /systems/raw/x", ""));
    assert_eq!(idle.reply().unwrap().status, 200);
    assert!(idle.end().is_empty());
    assert_eq!(told(&demo, "door_late"), 2, "an idle connection that ends is no refusal");
}

#[test]
fn a_silent_http2_connection_is_closed() {
    let demo = short(&System::plain());
    let mut silent = Tap::speaking(&demo, b"h2");
    silent.end();
    let mut greeted = Tap::speaking(&demo, b"h2");
    greeted.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    greeted.end();
    assert_serves(&demo);
}

#[test]
fn a_body_that_hardly_comes_is_refused() {
    let demo = short(&System::plain());
    let json = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
    let reply = ask(&demo, head(&demo, "POST /v1/customers", json) + "{");
    assert_refused(&demo, "a slow body", &reply, 408);
}

#[test]
fn a_caller_that_does_not_read_is_hung_up_on() {
    let gone = Arc::new(AtomicBool::new(false));
    let tell = gone.clone();
    let system = System::start(move |_, talk| {
        talk.say("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
        while talk.say([0; 64 * 1024]) {}
        tell.store(true, Ordering::Relaxed);
        false
    });
    let demo = short(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "GET /systems/raw/endless", ""));
    assert_eq!(tap.head().unwrap().status, 200);
    until("the system is let go", || gone.load(Ordering::Relaxed));
    let id = system.last().one("x-request-id").unwrap().to_owned();
    until("the stream's end is written down", || {
        book::of(&demo.data(), &id).iter().any(|entry| entry["kind"] == "close")
    });
    drop(tap);
    assert_serves(&demo);
}

#[test]
fn heads_without_end_cost_no_more_than_their_bound() {
    let demo = gate(&System::plain());
    assert_serves(&demo);
    let before = memory(&demo);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}", "x".repeat(30 * 1024));
    let mut taps: Vec<Tap> = (0..200).map(|_| Tap::open(&demo)).collect();
    for tap in &mut taps {
        tap.send(&head);
    }
    assert_serves(&demo);
    let grown = memory(&demo).saturating_sub(before);
    // The head's buffer as it doubles, and a session's own: under 256 KiB each, however the bytes come in.
    assert!(grown < 200 * 256 * 1024, "{} MiB", grown >> 20);
    // And a head beyond its bound is refused, whatever still comes.
    let mut large = Tap::open(&demo);
    large.send(format!("{head}{}\r\n\r\n", "x".repeat(400 * 1024)));
    let reply = large.reply().expect("no answer");
    assert_refused(&demo, "a large head", &reply, 431);
}

#[test]
fn one_address_has_so_many_connections_and_handshakes_and_no_more() {
    let bounds = "{ connections_per_address_max: 8, handshakes_per_address_max: 4, handshake_timeout: 60s }";
    let demo = gate_with(&System::plain(), &Edits { bounds, ..Edits::default() });
    let open = |_| TcpStream::connect(demo.address()).unwrap();
    let shaking: Vec<TcpStream> = (0..5).map(open).collect();
    until("one is turned away", || told(&demo, "door_handshakes_of_address") == 1);
    drop(shaking);
    let mut taps = Vec::new();
    until("eight are let in", || {
        let config = crate::tap::trusting(demo.env("BRAMKA_CA")).with_no_client_auth();
        taps.extend(Tap::over(&demo.address(), "localhost", Arc::new(config)));
        taps.len() == 8
    });
    let mut ninth = open(8);
    assert_eq!(ninth.read(&mut [0]).unwrap_or(0), 0, "closed at once");
    until("it is written down", || told(&demo, "door_full_for_address") >= 1);
    drop(taps);
    until("there is room again", || {
        let config = crate::tap::trusting(demo.env("BRAMKA_CA")).with_no_client_auth();
        Tap::over(&demo.address(), "localhost", Arc::new(config)).is_ok()
    });
}

#[test]
fn without_descriptors_the_gate_waits_instead_of_spinning_and_recovers() {
    let demo = gate(&System::plain());
    assert_serves(&demo);
    let most = (descriptors(&demo) + 24).to_string();
    let pid = demo.pid().to_string();
    let bound = format!("--nofile={most}:");
    let limited = std::process::Command::new("prlimit").args(["--pid", &pid, &bound]).status();
    assert!(limited.unwrap().success());
    let sockets: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(demo.address()).unwrap()).collect();
    let complaints = || demo.stderr().matches("connections cannot be accepted").count();
    until("it says that it has no descriptors", || complaints() >= 4);
    let (before, began) = (complaints(), Instant::now());
    until("it still waits", || complaints() > before + 2);
    let rate = (complaints() - before) as f64 / began.elapsed().as_secs_f64();
    assert!(rate < 200.0, "{rate} complaints a second");
    drop(sockets);
    until("it serves again", || {
        let config = crate::tap::trusting(demo.env("BRAMKA_CA")).with_no_client_auth();
        let Ok(mut tap) = Tap::over(&demo.address(), "localhost", Arc::new(config)) else { return false };
        tap.send(head(&demo, "GET /v1/products?limit=1", ""));
        tap.reply().is_some_and(|reply| reply.status == 200)
    });
}
