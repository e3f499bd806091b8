//! How a gate ends: what is under way is finished, what is new is refused, or taken over by a successor.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use http::Method;
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::Semaphore};

use crate::{
    ground::{Caller, OK, System, edit, join},
    kit::{Demo, PATIENCE, copy_shipped, run, runtime, until},
    line::{Line, bare},
};

/// A system whose answers wait for a word, each for its own.
fn waiting(go: &Arc<Semaphore>) -> System {
    let go = go.clone();
    System::start(move |mut conn| {
        let go = go.clone();
        async move {
            let head = conn.head().await?;
            if head.starts_with("GET /events ") {
                conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await?;
                go.acquire().await.unwrap().forget();
                conn.say("4\r\nlast\r\n0\r\n\r\n").await
            } else {
                go.acquire().await.unwrap().forget();
                conn.say(OK).await
            }
        }
    })
}

async fn is_refused(address: &str) -> bool {
    TcpStream::connect(address).await.is_err()
}

#[test]
fn a_stopping_gate_ends_what_is_under_way_and_takes_nothing_new() {
    let go = Arc::new(Semaphore::new(0));
    let system = waiting(&go);
    let mut demo = system.demo("");
    runtime().block_on(async {
        let (mut slow, mut stream) = (Caller::open(&demo).await, Caller::open(&demo).await);
        slow.ask("GET /systems/raw/slow", "").await;
        stream.ask("GET /systems/raw/events", "").await;
        stream.until("first").await;
        while system.asked() < 2 {
            tokio::task::yield_now().await;
        }
        demo.signal("TERM");
        let end = Instant::now() + PATIENCE;
        while !is_refused(&demo.address()).await {
            assert!(Instant::now() < end, "a stopping gate takes connections");
        }
        go.add_permits(2);
        let head = slow.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(slow.until("ok").await, "ok");
        assert!(stream.until("0\r\n\r\n").await.contains("last"));
        assert_eq!(slow.rest().await, "", "the connection ends after its answer");
    });
    assert_eq!(demo.wait(), 0, "{}", demo.stderr());
    assert!(!demo.stderr().contains("cut at the end"), "{}", demo.stderr());
}

#[test]
fn an_idle_connection_does_not_keep_a_gate_from_stopping() {
    let demo = System::saying(OK).demo("");
    runtime().block_on(async {
        let mut idle = Caller::open(&demo).await;
        idle.ask("GET /systems/raw/thing", "").await;
        idle.until("ok").await;
        let silent = TcpStream::connect(demo.address()).await.unwrap();
        let began = Instant::now();
        let (code, _) = demo.stop();
        assert_eq!(code, 0);
        assert!(began.elapsed() < Duration::from_secs(15), "after {:?}", began.elapsed());
        assert_eq!(idle.rest().await, "");
        drop(silent);
    });
}

#[test]
fn a_stream_without_end_is_cut_after_the_grace() {
    let go = Arc::new(Semaphore::new(0));
    let system = waiting(&go);
    let demo = Demo::start_with(
        |policies| {
            join(policies, system.address(), "sign_in: none\n");
            edit(&policies.join("gateway.yaml"), "drain_grace: 30s", "drain_grace: 1s");
        },
        &[],
    );
    runtime().block_on(async {
        let mut stream = Caller::open(&demo).await;
        stream.ask("GET /systems/raw/events", "").await;
        stream.until("first").await;
        let (code, _) = demo.stop();
        assert_eq!(code, 0);
        let rest = stream.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "it was cut, not ended: {rest:?}");
    });
}

#[test]
fn the_grace_of_a_bundle_that_was_taken_over_holds() {
    let go = Arc::new(Semaphore::new(0));
    let system = waiting(&go);
    let demo = system.demo("");
    let runtime = runtime();
    let stream = runtime.block_on(async {
        let mut stream = Caller::open(&demo).await;
        stream.ask("GET /systems/raw/events", "").await;
        stream.until("first").await;
        stream
    });
    edit(&demo.policies().join("gateway.yaml"), "drain_grace: 30s", "drain_grace: 1s");
    // Whoever takes it over first, it is in force now.
    demo.admin(Method::POST, "/api/reload").send().expect(200);
    let begun = Instant::now();
    assert_eq!(demo.stop().0, 0);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(stream);
}

/// `bramka serve` as an operator runs it: the same data and policies for one process after another.
struct House {
    dir: TempDir,
    port: u16,
    admin: u16,
    token: String,
}

/// One process.
struct Serving {
    child: Child,
    err: PathBuf,
}

impl House {
    fn new(system: &System) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        copy_shipped(&policies);
        join(&policies, system.address(), "sign_in: none\n");
        let (port, admin) = (free(), free());
        let gateway = policies.join("gateway.yaml");
        edit(&gateway, "127.0.0.1:8443", &format!("127.0.0.1:{port}"));
        edit(&gateway, "127.0.0.1:9443", &format!("127.0.0.1:{admin}"));
        let limits = policies.join("limits.yaml");
        let text = fs::read_to_string(&limits).unwrap();
        let text =
            text.replace("rate: 500/s", "rate: 1000000/s").replace("burst: 1000\n", "burst: 1000000\n");
        fs::write(&limits, text.replace("burst: 1000 }", "burst: 1000000 }")).unwrap();
        let certs = run(&["certs", "init", "--dir", dir.path().join("certs").to_str().unwrap()]);
        assert_eq!(certs.code, 0, "{certs:?}");
        Self { dir, port, admin, token: String::new() }
    }

    fn start(&self, number: usize) -> Serving {
        let (out, err) =
            (self.dir.path().join(format!("out{number}")), self.dir.path().join(format!("err{number}")));
        let child = Command::new(env!("CARGO_BIN_EXE_bramka"))
            .arg("serve")
            .args(["--data".into(), self.dir.path().join("data")])
            .args(["--policies".into(), self.dir.path().join("policies")])
            .envs([("HUBSPOT_TOKEN", "unused"), ("BC_TOKEN", "unused")])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let mut serving = Serving { child, err };
        until("it serves", || {
            assert!(serving.child.try_wait().unwrap().is_none(), "it ended: {}", serving.err());
            fs::read_to_string(&out).unwrap().contains("ready")
        });
        serving
    }

    fn issue(&mut self) {
        let (data, policies) = (self.dir.path().join("data"), self.dir.path().join("policies"));
        let issued = run(&[
            "token",
            "issue",
            "--kind",
            "App",
            "--id",
            "shop-backend",
            "--data",
            data.to_str().unwrap(),
            "--policies",
            policies.to_str().unwrap(),
        ]);
        assert_eq!(issued.code, 0, "{issued:?}");
        self.token = issued.out.trim().to_owned();
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn ca(&self) -> String {
        self.dir.path().join("certs/ca.pem").to_str().unwrap().to_owned()
    }
}

impl Serving {
    fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    fn wait(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < end, "it does not end: {}", self.err());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn stop(mut self) -> i32 {
        let done = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(done.success());
        self.wait()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that nobody has.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Callers that ask again and again, each time over a fresh connection. Nothing may fail.
struct Asking {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Asking {
    fn start(house: &House, callers: usize) -> Self {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let threads = (0..callers).map(|_| {
            let (stop, count) = (stop.clone(), count.clone());
            let (address, ca, token) = (house.address(), house.ca(), house.token.clone());
            thread::spawn(move || {
                runtime().block_on(async {
                    while !stop.load(Ordering::SeqCst) {
                        let mut line = Line::open(&address, &ca).await;
                        let answer = line.ask(bare(Method::GET, "/systems/raw/thing", Some(&token))).await;
                        let answer = answer.unwrap().expect(200);
                        assert_eq!(answer.body, "ok");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            })
        });
        let threads = threads.collect();
        Self { stop, count, threads }
    }

    /// Waits until so many more answers have come.
    fn more(&self, count: usize) {
        let goal = self.count.load(Ordering::SeqCst) + count;
        until("the callers are answered", || {
            assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a caller was failed");
            self.count.load(Ordering::SeqCst) >= goal
        });
    }

    fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_successor_takes_over_without_a_refused_connection_or_a_lost_answer() {
    let system = System::saying(OK);
    let mut house = House::new(&system);
    let mut serving = house.start(0);
    house.issue();
    let asking = Asking::start(&house, 4);
    asking.more(50);
    for number in 1..=3 {
        let next = house.start(number);
        let mut before = std::mem::replace(&mut serving, next);
        assert_eq!(before.wait(), 0, "{}", before.err());
        assert!(before.err().contains("a successor took the sockets over"), "{}", before.err());
        asking.more(50);
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", house.admin)).is_ok(),
            "operators are answered too"
        );
    }
    asking.end();
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_successor_does_not_cut_what_its_predecessor_is_answering() {
    let go = Arc::new(Semaphore::new(0));
    let system = waiting(&go);
    let mut house = House::new(&system);
    let mut first = house.start(0);
    house.issue();
    runtime().block_on(async {
        let mut slow = Caller::open_at(&house.address(), &house.ca(), &house.token).await;
        slow.ask("GET /systems/raw/slow", "").await;
        while system.asked() < 1 {
            tokio::task::yield_now().await;
        }
        let house = &house;
        let second = thread::scope(|scope| {
            let starting = scope.spawn(|| house.start(1));
            until("the sockets are handed over", || {
                first.err().contains("a successor took the sockets over")
            });
            go.add_permits(1);
            starting.join().unwrap()
        });
        assert!(slow.until("ok").await.starts_with("HTTP/1.1 200 "));
        assert_eq!(first.wait(), 0, "{}", first.err());
        go.add_permits(1);
        let mut again = Caller::open_at(&house.address(), &house.ca(), &house.token).await;
        again.ask("GET /systems/raw/slow", "").await;
        assert!(again.until("ok").await.starts_with("HTTP/1.1 200 "));
        assert_eq!(second.stop(), 0);
    });
}
