//! Streams: a gigabyte in constant memory, events as they come, sockets joined and parted.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::{
    book,
    kit::{Demo, Who, until},
    stand::{assert_serves, gate, head, memory},
    system::System,
    tap::Tap,
};

const GIGABYTE: usize = 1 << 30;
const BLOCK: usize = 256 * 1024;
/// What the gate may grow by while a gigabyte passes.
const GROWTH: usize = 64 << 20;

/// The highest memory seen until dropped.
struct Watching {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<usize>,
}

impl Watching {
    fn start(demo: &Demo) -> Self {
        let status = format!("/proc/{}/status", demo.pid());
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut most = 0;
            while let Err(mpsc::RecvTimeoutError::Timeout) =
                stopped.recv_timeout(std::time::Duration::from_millis(20))
            {
                let text = std::fs::read_to_string(&status).unwrap_or_default();
                let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
                let now = line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024;
                most = most.max(now);
            }
            most
        });
        Self { stop, thread }
    }

    fn end(self) -> usize {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_gigabyte_passes_each_way_in_constant_memory() {
    let system = System::start(|seen, talk| {
        if seen.line().starts_with("GET") {
            talk.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n"));
            let block = [7; BLOCK];
            return (0..GIGABYTE / BLOCK).all(|_| talk.say(block));
        }
        let mut count = 0;
        while count < GIGABYTE {
            match talk.some().len() {
                0 => return false,
                more => count += more,
            }
        }
        talk.ok(&count.to_string())
    });
    let demo = gate(&system);
    assert_serves(&demo);
    let before = memory(&demo);
    let watching = Watching::start(&demo);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "PUT /systems/raw/up", &format!("Content-Length: {GIGABYTE}\r\n")));
    let block = vec![7; BLOCK];
    (0..GIGABYTE / BLOCK).for_each(|_| tap.try_send(&block).unwrap());
    assert_eq!(tap.reply().unwrap().text(), GIGABYTE.to_string());
    tap.send(head(&demo, "GET /systems/raw/down", ""));
    let reply = tap.head().unwrap();
    assert_eq!(reply.status, 200);
    let mut left = GIGABYTE;
    while left > 0 {
        let got = tap.take(BLOCK.min(left));
        assert!(!got.is_empty(), "it ended {left} bytes early");
        left -= got.len();
    }
    let grown = watching.end().saturating_sub(before);
    assert!(grown < GROWTH, "{} MiB more", grown >> 20);
    let id = reply.header("x-request-id").unwrap();
    until("the stream's end is written down", || {
        book::of(&demo.data(), id)
            .iter()
            .any(|entry| entry["kind"] == "close" && entry["bytes_out"] == GIGABYTE)
    });
}

#[test]
fn events_arrive_one_by_one_as_they_are_sent() {
    let (go, next) = mpsc::channel::<usize>();
    let next = Mutex::new(next);
    let system = System::start(move |_, talk| {
        talk.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        while let Ok(n) = next.lock().unwrap().recv() {
            let event = format!("data: {n}\n\n");
            talk.say(format!("{:x}\r\n{event}\r\n", event.len()));
        }
        talk.say("0\r\n\r\n")
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "GET /systems/raw/events", "Accept: text/event-stream\r\n"));
    assert_eq!(tap.head().unwrap().status, 200, "the head comes before the first event");
    for n in 0..20 {
        go.send(n).unwrap();
        // The next one is sent only when this one has arrived: nothing may be held back.
        assert!(tap.up_to("\n\n\r\n").unwrap().contains(&format!("data: {n}\n\n")));
    }
    drop(go);
    assert_eq!(tap.up_to("0\r\n\r\n").unwrap(), "0\r\n\r\n");
}

#[test]
fn an_upload_arrives_while_it_is_sent() {
    let (tell, told) = mpsc::channel();
    let system = System::start(move |_, talk| {
        for _ in 0..10 {
            let _gone = tell.send(talk.take(1024).is_ok());
        }
        talk.ok("all")
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "PUT /systems/raw/up", "Content-Length: 10240\r\n"));
    for _ in 0..10 {
        tap.send([1; 1024]);
        assert!(told.recv_timeout(std::time::Duration::from_secs(30)).unwrap());
    }
    assert_eq!(tap.reply().unwrap().text(), "all");
}

/// A system that joins in a switch of protocols and echoes, until its caller is done.
fn echo(open: Arc<AtomicUsize>) -> System {
    System::start(move |seen, talk| {
        if seen.one("upgrade").is_none() {
            return talk.ok("plain");
        }
        assert_eq!(seen.one("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
        talk.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nX-Kept: 1\r\n\r\nhello ");
        open.fetch_add(1, Ordering::Relaxed);
        loop {
            let heard = talk.some();
            if heard.is_empty() || !talk.say(&heard) {
                break;
            }
        }
        open.fetch_sub(1, Ordering::Relaxed);
        false
    })
}

/// A joined stream.
pub(crate) fn switched(demo: &Demo) -> (Tap, String) {
    let mut tap = Tap::open(demo);
    let key = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    tap.send(head(demo, "GET /systems/raw/socket", key));
    let reply = tap.head().unwrap();
    assert_eq!(reply.status, 101, "{reply:?}");
    assert_eq!((reply.header("upgrade"), reply.header("x-kept")), (Some("websocket"), Some("1")));
    let id = reply.header("x-request-id").unwrap().to_owned();
    (tap, id)
}

#[test]
fn a_switch_that_the_system_grants_joins_both_ends() {
    let open = Arc::default();
    let system = echo(Arc::clone(&open));
    let demo = gate(&system);
    let (mut tap, id) = switched(&demo);
    assert_eq!(tap.take(6), b"hello ", "what was said right behind the 101");
    for size in [1, 1000, 1 << 20] {
        let said: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        tap.send(&said);
        assert!(tap.take(size) == said, "{size} bytes did not come back as they were");
    }
    drop(tap);
    until("the system is let go", || open.load(Ordering::Relaxed) == 0);
    until("the end is written down", || {
        book::of(&demo.data(), &id).iter().any(|entry| entry["kind"] == "close")
    });
    let close = book::of(&demo.data(), &id).pop().unwrap();
    assert_eq!(close["bytes_in"], 1 + 1000 + (1 << 20), "{close}");
}

#[test]
fn a_joined_stream_ends_when_its_credential_is_taken_back() {
    let open = Arc::default();
    let system = echo(Arc::clone(&open));
    let demo = gate(&system);
    let (mut tap, id) = switched(&demo);
    assert_eq!(tap.take(6), b"hello ");
    let ran = demo.verb(&["token", "revoke", "--principal", "App/shop-backend"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(tap.end().is_empty());
    until("the system is let go", || open.load(Ordering::Relaxed) == 0);
    until("the end is written down", || {
        book::of(&demo.data(), &id).iter().any(|entry| entry["ended"] == "revoked")
    });
    demo.get("/v1/products").by(Who::App).send().refused(401);
}
