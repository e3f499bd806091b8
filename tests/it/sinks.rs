//! Entries of the journal that are sent elsewhere: each at least once and in order, whoever dies meanwhile.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use boon::{Compiler, Schemas};
use bramka::{audit, certs::DevelopmentCerts, clock};
use http::Method;
use parking_lot::Mutex;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    beside::{admin, operator},
    book,
    journal::{fill, seen_by},
    kit::until,
    line::{self, bare},
    stage::{Stage, Staging},
    writes::change,
};

/// What was posted: head and body, and what it was answered.
#[derive(Clone, Debug)]
struct Post {
    head: String,
    body: String,
    status: Option<u16>,
}

/// A status, more headers, and a body; none is a connection that ends there.
type Reply = Option<(u16, &'static str, String)>;
type Plan = Box<dyn FnMut(&Post) -> Reply + Send>;

/// Who takes what is sent, as the test has it.
struct Receiver {
    certs: DevelopmentCerts,
    at: u16,
    posts: Arc<Mutex<Vec<Post>>>,
    plan: Arc<Mutex<Plan>>,
    /// Connections that end in the middle of what is sent.
    cuts: Arc<AtomicUsize>,
    _dir: TempDir,
}

fn tls(certs: &DevelopmentCerts) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&certs.server).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&certs.server_key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

impl Receiver {
    /// Answers each with 200.
    fn start() -> Self {
        Self::serve(|stream, this| while this.exchange(stream).is_some() {})
    }

    /// Takes syslog: reads to the end, notes what it was, and closes.
    fn syslog() -> Self {
        Self::serve(|stream, this| {
            let mut bytes = Vec::new();
            let mut part = [0; 512];
            while let Ok(count) = stream.read(&mut part) {
                if this.cut() {
                    return;
                }
                if count == 0 {
                    break;
                }
                bytes.extend_from_slice(&part[..count]);
            }
            let body = String::from_utf8(bytes).unwrap();
            this.posts.lock().push(Post { head: String::new(), body, status: Some(200) });
            stream.conn.send_close_notify();
            drop(stream.flush());
        })
    }

    fn serve(how: fn(&mut Stream, &Taking)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certs = DevelopmentCerts::ensure(&dir.path().join("certs"), clock::now().wall).unwrap();
        let config = tls(&certs);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap().port();
        let (posts, cuts) = (Arc::<Mutex<Vec<Post>>>::default(), Arc::<AtomicUsize>::default());
        let plan: Arc<Mutex<Plan>> = Arc::new(Mutex::new(Box::new(|_: &Post| ok())));
        let taking = Taking { posts: posts.clone(), plan: plan.clone(), cuts: cuts.clone() };
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let (config, taking) = (config.clone(), taking.clone());
                thread::spawn(move || {
                    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    how(&mut stream, &taking);
                });
            }
        });
        Self { certs, at, posts, plan, cuts, _dir: dir }
    }

    fn plan(&self, plan: impl FnMut(&Post) -> Reply + Send + 'static) {
        *self.plan.lock() = Box::new(plan);
    }

    fn ca(&self) -> String {
        self.certs.ca.display().to_string()
    }

    /// The lines of everything that it took.
    fn taken(&self) -> Vec<String> {
        let posts = self.posts.lock();
        let taken = posts.iter().filter(|post| post.status.is_some_and(|status| status < 300));
        taken.flat_map(|post| post.body.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

#[derive(Clone)]
struct Taking {
    posts: Arc<Mutex<Vec<Post>>>,
    plan: Arc<Mutex<Plan>>,
    cuts: Arc<AtomicUsize>,
}

impl Taking {
    fn cut(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    fn exchange(&self, stream: &mut Stream) -> Option<()> {
        let mut seen = Vec::new();
        let (head, body) = loop {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
            seen.extend_from_slice(&bytes[..count]);
            let text = String::from_utf8_lossy(&seen);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if !body.is_empty() && self.cut() {
                return None;
            }
            let length =
                |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
            if body.len() == head.lines().find_map(length).unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        };
        let mut post = Post { head, body, status: None };
        let reply = (self.plan.lock())(&post);
        post.status = reply.as_ref().map(|(status, ..)| *status);
        self.posts.lock().push(post);
        let (status, headers, body) = reply?;
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        stream.write_all(answer.as_bytes()).ok()?;
        stream.flush().ok()
    }
}

fn ok() -> Reply {
    Some((200, "", String::new()))
}

/// Adds sinks to a bundle.
fn join(policies: &Path, sinks: &str) {
    change(policies, "gateway.yaml", "\naudit:\n", &format!("\naudit:\n  sinks:\n{sinks}"));
}

/// Every entry of the journal: by lane, its leaf.
fn leaves(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let gate = book::gate(&stage.data());
    let leaf = |line: Result<audit::Line, _>| line.unwrap().leaf().to_owned();
    let lane = |lane: String| {
        let leaves = audit::read_lane(&gate.join(&lane), &book::wrapping(&gate)).unwrap().map(leaf).collect();
        (lane, leaves)
    };
    audit::lanes(&gate).unwrap().into_iter().map(lane).collect()
}

/// Holds what was taken against the journal: of each lane all entries, and the first time of each in order.
fn all_are_there(stage: &Stage, events: &[Value]) {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let leaves = leaves(stage);
    for event in events {
        let place = if event["unmapped"].is_object() { &event["unmapped"] } else { event };
        let (lane, sequence) = (place["lane"].as_str().unwrap(), place["sequence"].as_u64().unwrap());
        let next = seen.entry(lane).or_default();
        assert!(sequence <= *next, "{lane}:{sequence} came before {lane}:{next}");
        *next = (*next).max(sequence + 1);
        let leaf = &leaves[lane][usize::try_from(sequence).unwrap()];
        let hash = audit::leaf_hash(leaf.as_bytes(), &mut Vec::new()).to_string();
        assert_eq!(place["leaf_hash"].as_str(), Some(&*hash));
    }
    let there: BTreeMap<&str, u64> =
        leaves.iter().map(|(lane, leaves)| (lane.as_str(), leaves.len() as u64)).collect();
    assert_eq!(seen, there);
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn list(stage: &Stage) {
    stage.ask(bare(Method::GET, "/v1/customers?limit=1", Some(&stage.shop))).expect(200);
}

/// How far a sink is, as the verb tells it.
fn told(stage: &Stage, sink: &str) -> Value {
    let ran = stage.only_data(&["audit", "sinks", "--json"]);
    let all: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let sinks = all["sinks"].as_array().unwrap();
    sinks.iter().find(|told| told["sink"] == sink).cloned().unwrap_or_default()
}

#[test]
fn each_entry_reaches_its_receiver_in_order_though_receiver_and_gate_die_in_mid_batch() {
    let receiver = Receiver::start();
    receiver.cuts.store(2, Ordering::SeqCst);
    let mut stage = Stage::open(|policies| {
        let token = policies.with_file_name("siem.token");
        std::fs::write(&token, "s3cret\n").unwrap();
        std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let to = format!("https://localhost:{}/in/7f", receiver.at);
        let http = format!(
            "{{ to: \"{to}\", token_file: siem.token, token_scheme: Splunk, ca: \"{}\" }}",
            receiver.ca()
        );
        join(policies, &format!("    - {{ name: siem, http: {http} }}\n"));
    });
    list(&stage);
    stage.ask(bare(Method::GET, "/v1/orders", None)).expect(401);
    until("what was cut off comes again", || !receiver.taken().is_empty());
    assert_eq!(receiver.cuts.load(Ordering::SeqCst), 0, "it was cut off");

    // It reads what it is sent and dies before it answers: nobody knows, so it comes again.
    receiver.plan(|_| None);
    let before = receiver.posts.lock().len();
    list(&stage);
    until("it was sent and not answered", || receiver.posts.lock().len() > before + 1);
    stage.kill_and_start();
    list(&stage);
    operator(&stage, "read");
    until("it is told", || told(&stage, "siem")["trouble"].is_object());
    receiver.plan(|_| ok());
    until("it has caught up", || told(&stage, "siem")["behind"] == 0);
    assert!(told(&stage, "siem")["trouble"].is_null());

    let mut before = stage.hand_over();
    list(&stage);
    until("the gate before ends", || before.try_wait().unwrap().is_some());
    until("the one after sends", || told(&stage, "siem")["behind"] == 0);
    list(&stage);
    assert_eq!(stage.stop(), 0);

    let events = parsed(&receiver.taken());
    all_are_there(&stage, &events);
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let schema = serde_json::from_str(include_str!("../ocsf/events.schema.json")).unwrap();
    compiler.add_resource("ocsf.json", schema).unwrap();
    let schema = compiler.compile("ocsf.json", &mut schemas).unwrap();
    for event in &events {
        if let Err(error) = schemas.validate(event, schema) {
            panic!("{error:#}\n{event:#}");
        }
    }
    for class in [6003, 3002, 6002] {
        assert!(events.iter().any(|event| event["class_uid"] == class), "{class}");
    }
    let posts = receiver.posts.lock();
    let field = |post: &Post, name: &str| {
        let value =
            |line: &str| line.to_ascii_lowercase().strip_prefix(name).map(|value| value.trim().to_owned());
        post.head.lines().find_map(value).unwrap_or_else(|| panic!("{name} in {}", post.head))
    };
    let keys: Vec<String> = posts.iter().map(|post| field(post, "idempotency-key:")).collect();
    assert!(keys.iter().any(|key| keys.iter().filter(|other| *other == key).count() > 1), "{keys:?}");
    for post in posts.iter() {
        assert!(post.head.starts_with("POST /in/7f HTTP/1.1\r\n"), "{}", post.head);
        assert_eq!(field(post, "authorization:"), "splunk s3cret");
        assert_eq!(field(post, "content-type:"), "application/x-ndjson");
        assert!(field(post, "bramka-entries:").contains('='), "{}", post.head);
    }
    assert!(!stage.stderr().contains("/in/7f") && !stage.stderr().contains("s3cret"), "{}", stage.stderr());
}

#[test]
fn a_dead_and_a_slow_receiver_hold_up_neither_answers_nor_another_sink() {
    let slow = Receiver::start();
    let (held, hold) = std::sync::mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    slow.plan(move |_| hold.lock().recv().ok().and(ok()));
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut stage = Stage::open(|policies| {
        let sinks = format!(
            "    - {{ name: dead, http: {{ to: \"https://localhost:{}\", ca: \"{ca}\" }} }}\n    \
             - {{ name: slow, http: {{ to: \"https://localhost:{}\", ca: \"{ca}\" }} }}\n    \
             - {{ name: whole, format: bramka, with: [addresses, ids], file: {{ path: whole.ndjson }} }}\n    \
             - {{ name: bare, redact: {{ groups: drop, principal: digest }}, file: {{ path: bare.ndjson }} }}\n",
            dead.port(),
            slow.at,
            ca = slow.ca(),
        );
        join(policies, &sinks);
    });
    for _ in 0..20 {
        list(&stage);
    }
    until("files have all of it", || ["whole", "bare"].iter().all(|sink| told(&stage, sink)["behind"] == 0));
    until("the dead one is told", || told(&stage, "dead")["trouble"]["why"].is_string());
    let ran = stage.only_data(&["audit", "sinks"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("dead http: ") && ran.out.contains("in trouble since"), "{ran:?}");
    assert!(told(&stage, "dead")["behind"].as_u64().unwrap() >= 20);
    let (at, read) = (admin(&stage), operator(&stage, "read"));
    let metrics = || {
        let answer = line::once(&at, &stage.ca(), bare(Method::GET, "/metrics", Some(&read))).expect(200);
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    until("metrics tell", || {
        let text = metrics();
        text.contains("bramka_sink_in_trouble{sink=\"dead\"} 1")
            && text.contains("bramka_sink_lag_entries{sink=\"whole\"} 0")
            && !text.contains("bramka_sink_lag_entries{sink=\"slow\"} 0\n")
    });
    let asked = line::once(&at, &stage.ca(), bare(Method::GET, "/api/sinks", Some(&read))).expect(200).json();
    let dead = asked["sinks"].as_array().unwrap().iter().find(|sink| sink["sink"] == "dead").unwrap();
    assert!(dead["behind"].as_u64().unwrap() >= 20 && dead["trouble"]["why"].is_string(), "{asked}");
    drop(held);
    assert_eq!(stage.stop(), 0);

    let lines = |name: &str| {
        let text = std::fs::read_to_string(stage.data().with_file_name(name)).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (whole, bare) = (lines("whole.ndjson"), lines("bare.ndjson"));
    all_are_there(&stage, &parsed(&whole));
    all_are_there(&stage, &parsed(&bare));
    // As it stands: the leaf is there byte for byte, and what was opened beside it.
    let leaves = leaves(&stage);
    for line in &whole {
        let event: Value = serde_json::from_str(line).unwrap();
        let at = usize::try_from(event["sequence"].as_u64().unwrap()).unwrap();
        assert!(line.contains(&leaves[event["lane"].as_str().unwrap()][at]), "{line}");
    }
    let shown = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    assert!(shown(&whole, "\"address\":\"127.0.0.1\"") && shown(&whole, "corp|shop"));
    assert!(!shown(&bare, "127.0.0.1") && !shown(&bare, "corp|shop") && !shown(&bare, "\"apps\""));
}

#[test]
fn syslog_counts_as_taken_once_the_receiver_has_read_to_the_end_and_closed() {
    let receiver = Receiver::syslog();
    // Twice it goes away with something unread.
    receiver.cuts.store(2, Ordering::SeqCst);
    let mut stage = Stage::open(|policies| {
        let to = format!("localhost:{}", receiver.at);
        join(
            policies,
            &format!("    - {{ name: logs, syslog: {{ to: \"{to}\", ca: \"{}\" }} }}\n", receiver.ca()),
        );
    });
    list(&stage);
    stage.ask(bare(Method::GET, "/v1/orders", None)).expect(401);
    until("it was cut off", || receiver.cuts.load(Ordering::SeqCst) == 0);
    until("it has all of it", || told(&stage, "logs")["behind"] == 0);
    assert_eq!(stage.stop(), 0);
    let mut events = Vec::new();
    for post in receiver.posts.lock().iter() {
        let mut rest = post.body.as_str();
        while !rest.is_empty() {
            let (length, frames) = rest.split_once(' ').unwrap();
            let (message, next) = frames.split_at(length.parse().unwrap());
            rest = next;
            let (head, event) = message.split_once(" - {").unwrap();
            let words: Vec<&str> = head.split(' ').collect();
            let [priority, at, gate, app, process, id] = words[..] else { panic!("{head}") };
            // Facility 13: log audit.
            assert!(["<110>1", "<109>1", "<108>1", "<107>1"].contains(&priority), "{head}");
            assert!(at.ends_with('Z') && at.len() == 27, "{head}");
            assert_eq!((gate, app, process), ("demo", "bramka", "-"));
            assert!(!id.is_empty() && id.len() <= 32, "{head}");
            events.push(serde_json::from_str(&format!("{{{event}")).unwrap());
        }
    }
    all_are_there(&stage, &events);
}

/// The text of an `AnyValue` under a path.
fn any<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| {
        let pairs = value["kvlistValue"]["values"].as_array().unwrap();
        &pairs.iter().find(|pair| pair["key"] == *key).unwrap()["value"]
    })
}

#[test]
fn opentelemetry_is_waited_for_as_it_says_and_what_it_rejects_is_never_left_out() {
    let receiver = Receiver::start();
    let mut tries = 0;
    receiver.plan(move |_| {
        tries += 1;
        if tries == 1 { Some((429, "Retry-After: 1\r\n", String::new())) } else { ok() }
    });
    let mut stage = Stage::open(|policies| {
        let endpoint = format!("https://localhost:{}/v1/logs", receiver.at);
        let otlp = format!("{{ endpoint: \"{endpoint}\", ca: \"{}\" }}", receiver.ca());
        join(policies, &format!("    - {{ name: telemetry, otlp: {otlp} }}\n"));
    });
    list(&stage);
    until("it has all of it", || told(&stage, "telemetry")["behind"] == 0);
    assert_eq!(receiver.posts.lock()[0].status, Some(429));
    let rejected = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no room"}}"#;
    receiver.plan(move |_| Some((200, "Content-Type: application/json\r\n", rejected.to_owned())));
    let place = told(&stage, "telemetry")["lanes"].clone();
    let before = receiver.posts.lock().len();
    list(&stage);
    until("it is told", || {
        let why = told(&stage, "telemetry")["trouble"]["why"].as_str().unwrap_or_default().to_owned();
        why.contains("rejected") && why.ends_with("no room")
    });
    let now = told(&stage, "telemetry")["lanes"].clone();
    assert_eq!((&now[0]["next"], &now[0]["lane"]), (&place[0]["next"], &place[0]["lane"]));
    let rejected = receiver.posts.lock().len() - before;
    assert_eq!(rejected, 1, "it is not sent again and again");
    receiver.posts.lock().truncate(before);
    receiver.plan(|_| ok());
    stage.kill_and_start();
    until("it has all of it", || told(&stage, "telemetry")["behind"] == 0);
    assert_eq!(stage.stop(), 0);

    let mut events = Vec::new();
    for post in receiver.posts.lock().iter().filter(|post| post.status == Some(200)) {
        let request: Value = serde_json::from_str(&post.body).unwrap();
        let resource = &request["resourceLogs"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "bramka");
        for record in resource["scopeLogs"][0]["logRecords"].as_array().unwrap() {
            let body = &record["body"];
            let (lane, hash) = (any(body, &["unmapped", "lane"]), any(body, &["unmapped", "leaf_hash"]));
            let sequence: u64 =
                any(body, &["unmapped", "sequence"])["intValue"].as_str().unwrap().parse().unwrap();
            assert!(record["timeUnixNano"].as_str().unwrap().len() == 19, "{record}");
            assert_eq!(any(body, &["class_uid"])["intValue"].as_str().unwrap().len(), 4);
            events.push(serde_json::json!({
                "lane": lane["stringValue"], "sequence": sequence, "leaf_hash": hash["stringValue"],
            }));
        }
    }
    all_are_there(&stage, &events);
}

#[test]
fn another_journal_under_the_same_name_is_told_and_not_taken_for_the_one_that_was_sent() {
    let receiver = Receiver::start();
    let mut stage = Stage::open(|policies| {
        let http = format!("{{ to: \"https://localhost:{}\", ca: \"{}\" }}", receiver.at, receiver.ca());
        join(policies, &format!("    - {{ name: siem, http: {http} }}\n"));
    });
    list(&stage);
    until("it has all of it", || told(&stage, "siem")["behind"] == 0);
    assert_eq!(stage.stop(), 0);
    let cursor = stage.data().join("sinks/demo/siem.cursor");
    let text = std::fs::read_to_string(&cursor).unwrap();
    let (before, rest) = text.split_once("\"last\":\"").unwrap();
    let other = format!("{before}\"last\":\"{}{}", "0".repeat(64), &rest[64..]);
    std::fs::write(&cursor, other).unwrap();
    let sent = receiver.posts.lock().len();
    stage.start();
    until("it is told", || {
        told(&stage, "siem")["trouble"]["why"]
            .as_str()
            .is_some_and(|why| why.contains("it is another journal"))
    });
    assert_eq!(receiver.posts.lock().len(), sent);
    list(&stage);
}

#[test]
fn a_full_disk_of_a_file_makes_its_sink_wait_and_nothing_else() {
    let user = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    let how = if user == b"0\n" { "-m" } else { "-rm" };
    let script = "mkdir -p \"$0/../../out\" && mount -t tmpfs -o size=1m,mode=700 tmpfs \"$0/../../out\" && exec \"$@\"";
    let under = ["unshare", how, "bash", "-c", script, "{audit}"];
    let mut stage = Stage::open_as(&Staging { under: &under, log: None }, |policies| {
        join(policies, "    - { name: archive, format: bramka, file: { path: out/journal.ndjson } }\n");
    });
    let out = seen_by(&stage).with_file_name("out");
    list(&stage);
    until("it has all of it", || told(&stage, "archive")["behind"] == 0);
    let filler = fill(&out);
    let before = std::fs::read(out.join("journal.ndjson")).unwrap();
    for _ in 0..20 {
        list(&stage);
    }
    until("it is told", || {
        told(&stage, "archive")["trouble"]["why"].as_str().is_some_and(|why| why.contains("No space left"))
    });
    assert_eq!(std::fs::read(out.join("journal.ndjson")).unwrap(), before, "no half of a line");
    std::fs::remove_file(filler).unwrap();
    until("it has caught up", || told(&stage, "archive")["behind"] == 0);
    assert!(stage.stderr().contains("a sink takes entries of the journal again"), "{}", stage.stderr());
    let text = std::fs::read_to_string(out.join("journal.ndjson")).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    all_are_there(&stage, &parsed(&lines));
    assert_eq!(stage.stop(), 0);
}

#[test]
fn sinks_come_and_go_with_the_bundle_and_one_that_comes_back_goes_on_where_it_was() {
    let receiver = Receiver::start();
    let http = format!("{{ to: \"https://localhost:{}\", ca: \"{}\" }}", receiver.at, receiver.ca());
    let named = format!("\naudit:\n  sinks:\n    - {{ name: siem, http: {http} }}\n");
    let mut stage = Stage::open(|_| {});
    list(&stage);
    change(&stage.policies(), "gateway.yaml", "\naudit:\n", &named);
    until("it has all of it", || told(&stage, "siem")["behind"] == 0);
    change(&stage.policies(), "gateway.yaml", &named, "\naudit:\n");
    until("it is sent nothing", || told(&stage, "siem")["running"] == false);
    let sent = receiver.posts.lock().len();
    list(&stage);
    until("an entry waits", || told(&stage, "siem")["behind"].as_u64().unwrap() > 0);
    assert_eq!(receiver.posts.lock().len(), sent);
    change(&stage.policies(), "gateway.yaml", "\naudit:\n", &named);
    until("it has all of it", || told(&stage, "siem")["behind"] == 0);
    assert_eq!(stage.stop(), 0);
    let events = parsed(&receiver.taken());
    all_are_there(&stage, &events);
    let entries: usize = leaves(&stage).values().map(Vec::len).sum();
    assert_eq!(events.len(), entries, "nothing came twice");
}

#[test]
fn a_batch_that_is_too_large_for_its_receiver_comes_in_smaller_ones() {
    let receiver = Receiver::start();
    receiver.plan(|post| if post.body.lines().count() > 3 { Some((413, "", String::new())) } else { ok() });
    let mut stage = Stage::open(|policies| {
        let http = format!("{{ to: \"https://localhost:{}\", ca: \"{}\" }}", receiver.at, receiver.ca());
        join(policies, &format!("    - {{ name: siem, http: {http} }}\n"));
    });
    receiver.cuts.store(1, Ordering::SeqCst);
    for _ in 0..20 {
        list(&stage);
    }
    until("it has all of it", || told(&stage, "siem")["behind"] == 0);
    assert_eq!(stage.stop(), 0);
    all_are_there(&stage, &parsed(&receiver.taken()));
    assert!(receiver.posts.lock().iter().any(|post| post.status == Some(413)));
}

#[test]
fn what_a_receiver_refuses_is_never_left_out_and_one_that_nobody_vouches_for_gets_nothing() {
    let (strict, forged) = (Receiver::start(), Receiver::start());
    strict.plan(|_| Some((400, "", "no such field".to_owned())));
    let mut stage = Stage::open(|policies| {
        let to = |at: u16| format!("to: \"https://localhost:{at}\"");
        let sinks = format!(
            "    - {{ name: strict, http: {{ {}, ca: \"{ca}\" }} }}\n    - {{ name: forged, http: {{ {}, ca: \"{ca}\" }} }}\n",
            to(strict.at),
            to(forged.at),
            ca = strict.ca(),
        );
        join(policies, &sinks);
    });
    list(&stage);
    let why = |sink: &str| told(&stage, sink)["trouble"]["why"].as_str().unwrap_or_default().to_owned();
    until("it is told", || why("strict").contains("answered 400 Bad Request: no such field"));
    until("it is told of the other", || why("forged").contains("no TLS"));
    list(&stage);
    assert_eq!(strict.posts.lock().len(), 1, "it is not sent again and again");
    assert!(told(&stage, "strict")["lanes"][0]["next"] == 0);
    assert!(forged.posts.lock().is_empty());
    strict.plan(|_| ok());
    stage.kill_and_start();
    until("it has all of it", || told(&stage, "strict")["behind"] == 0);
    assert_eq!(stage.stop(), 0);
    all_are_there(&stage, &parsed(&strict.taken()));
}
