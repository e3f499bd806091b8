//! The end of a gate: what is under way comes to its end, and a successor takes over without a reset.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    book,
    kit::{Demo, until},
    stand::{Edits, gate, gate_with, head},
    streams::switched,
    system::System,
    tap::Tap,
};

/// A system that answers in two parts, the second when it is told to.
fn halting() -> (System, mpsc::Sender<()>) {
    let (go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let system = System::start(move |seen, talk| {
        let stream = seen.line().contains("stream");
        if stream {
            talk.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        }
        let _gone = held.lock().unwrap().recv();
        match stream {
            true => talk.say("6\r\nsecond\r\n0\r\n\r\n"),
            false => talk.ok("whole"),
        }
    });
    (system, go)
}

#[test]
fn sigterm_lets_a_request_in_flight_and_a_stream_come_to_their_ends() {
    let (system, go) = halting();
    let mut demo = gate(&system);
    let mut stream = Tap::open(&demo);
    stream.send(head(&demo, "GET /systems/raw/stream", ""));
    assert_eq!(stream.head().unwrap().status, 200);
    assert_eq!(stream.up_to("first\r\n").unwrap(), "5\r\nfirst\r\n");
    let mut waiting = Tap::open(&demo);
    waiting.send(head(&demo, "GET /systems/raw/x", ""));
    until("both are under way", || system.seen().len() == 2);
    demo.signal("TERM");
    until("it drains", || demo.stderr().contains("draining"));
    until("nobody new comes in", || std::net::TcpStream::connect(demo.address()).is_err());
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(waiting.reply().unwrap().text(), "whole");
    assert_eq!(stream.up_to("0\r\n\r\n").unwrap(), "6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(demo.wait(), 0);
    assert!(book::verify(&demo.data()).is_whole());
}

#[test]
fn what_goes_on_beyond_the_grace_is_cut_and_written_down() {
    let system = System::start(|_, talk| {
        talk.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nfirst");
        talk.some();
        false
    });
    let mut demo = gate_with(&system, &Edits { drain_grace: "500ms", ..Edits::default() });
    let mut stream = Tap::open(&demo);
    stream.send(head(&demo, "GET /systems/raw/stream", ""));
    let reply = stream.head().unwrap();
    assert_eq!(stream.take(5), b"first");
    let began = Instant::now();
    demo.signal("TERM");
    assert_eq!(demo.wait(), 0);
    assert!(began.elapsed() >= Duration::from_millis(450), "it had its grace");
    assert!(stream.end().is_empty());
    assert!(book::verify(&demo.data()).is_whole());
    let entries = book::of(&demo.data(), reply.header("x-request-id").unwrap());
    assert!(entries.iter().any(|entry| entry["kind"] == "answer" && entry["status"] == 200), "{entries:?}");
    assert!(entries.iter().any(|entry| entry["ended"] == "drained"), "{entries:?}");
}

#[test]
fn a_joined_stream_does_not_outlive_the_grace() {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    let system = System::start(move |_, talk| {
        talk.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nX-Kept: 1\r\n\r\n");
        counted.fetch_add(1, Ordering::Relaxed);
        while !talk.some().is_empty() {}
        counted.fetch_sub(1, Ordering::Relaxed);
        false
    });
    let mut demo = gate_with(&system, &Edits { drain_grace: "500ms", ..Edits::default() });
    let (mut tap, id) = switched(&demo);
    until("it is joined", || open.load(Ordering::Relaxed) == 1);
    demo.signal("TERM");
    assert_eq!(demo.wait(), 0);
    assert!(tap.end().is_empty());
    until("the system is let go", || open.load(Ordering::Relaxed) == 0);
    let entries = book::of(&demo.data(), &id);
    assert!(entries.iter().any(|entry| entry["ended"] == "drained"), "{entries:?}");
    assert!(book::verify(&demo.data()).is_whole());
}

/// Callers who each open a connection of their own, again and again; what went wrong.
struct Callers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Callers {
    fn start(demo: &Demo, callers: usize) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut config = crate::tap::trusting(demo.env("BRAMKA_CA")).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (config, address) = (Arc::new(config), demo.address());
        let request = head(demo, "GET /systems/raw/x", "Connection: close\r\n");
        let threads = (0..callers).map(|_| {
            let (stop, count, config) = (stop.clone(), count.clone(), config.clone());
            let (address, request) = (address.clone(), request.clone());
            thread::spawn(move || {
                let mut wrong = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match Tap::over(&address, "localhost", config.clone()) {
                        Ok(mut tap) => {
                            tap.send(&request);
                            match tap.reply() {
                                Some(reply) if reply.status == 200 && reply.whole => {}
                                other => wrong.push(format!("{other:?}")),
                            }
                        }
                        Err(error) => wrong.push(error.to_string()),
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                wrong
            })
        });
        let threads = threads.collect();
        Self { stop, count, threads }
    }

    fn more(&self, count: usize) {
        let goal = self.count.load(Ordering::Relaxed) + count;
        until("the load goes on", || self.count.load(Ordering::Relaxed) >= goal);
    }

    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

/// Another process over the same data, policies and addresses.
struct Successor(Child);

impl Successor {
    fn start(demo: &Demo) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["demo", "--listen", &demo.address(), "--admin", &demo.admin_address(), "--data"])
            .arg(demo.data())
            .arg("--policies")
            .arg(demo.policies())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(demo.policies().with_file_name("successor")).unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_successor_takes_the_sockets_over_under_load_without_a_reset_or_a_refusal() {
    let (system, go) = halting_only_for_held();
    let mut demo = gate(&system);
    let callers = Callers::start(&demo, 6);
    callers.more(100);
    let mut held = Tap::open(&demo);
    held.send(head(&demo, "GET /systems/raw/held", ""));
    until("a call is under way", || system.seen().iter().any(|seen| seen.line().contains("held")));
    let successor = Successor::start(&demo);
    until("the sockets are taken over", || demo.stderr().contains("a successor took the sockets over"));
    callers.more(100);
    go.send(()).unwrap();
    assert_eq!(
        held.reply().unwrap().text(),
        "held",
        "what was under way is answered by the one that began it"
    );
    assert_eq!(demo.wait(), 0, "the predecessor drains and ends");
    callers.more(200);
    let wrong = callers.end();
    assert!(wrong.is_empty(), "{} went wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    drop(successor);
    assert!(book::verify(&demo.data()).is_whole());
}

/// A system that holds one path back until it is told to go on.
fn halting_only_for_held() -> (System, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let system = System::start(move |seen, talk| {
        if seen.line().contains("held") {
            let _gone = wait.lock().unwrap().recv();
            return talk.ok("held");
        }
        talk.ok("ok")
    });
    (system, go)
}
