//! Counters that operators are woken by: each moves when it should, and by as much.

use std::{
    collections::HashMap,
    fs,
    pin::Pin,
    process::Command,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use bramka::{
    admin,
    body::{Body, BodyError},
    certs::DevelopmentCerts,
    clock,
    demo::erp,
    gateway::{self, Core, Options, Ready},
    identity::Sources,
    store::AdminRole,
    tokens::Order,
    words::{Channel, Kind, Secret, TlsFacts},
};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body::Frame;
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    book,
    journal::{fill, seen_by, small_disk},
    kit::{copy_shipped, run, runtime, until},
    line::{self, Line, bare},
    load::unbounded,
    stage::{Stage, Staging},
};

/// A counter as `/metrics` tells it; none that was never counted.
fn counted(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// The admin listener of a stage.
struct Metrics<'s> {
    stage: &'s Stage,
    at: String,
    token: String,
}

impl<'s> Metrics<'s> {
    fn of(stage: &'s Stage) -> Self {
        let log = stage.stderr();
        let at = log.split_once("admin=").unwrap().1.split_whitespace().next().unwrap().to_owned();
        let (data, policies) = (stage.data(), stage.data().with_file_name("policies"));
        let issue = ["token", "issue", "--admin", "counters", "--role", "read"];
        let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
        let made = run(&[&issue[..], &place].concat());
        assert_eq!(made.code, 0, "{made:?}");
        Self { stage, at, token: made.out.trim().to_owned() }
    }

    fn count(&self, name: &str) -> u64 {
        let told = line::once(&self.at, &self.stage.ca(), bare(Method::GET, "/metrics", Some(&self.token)));
        counted(std::str::from_utf8(&told.expect(200).body).unwrap(), name).unwrap_or(0)
    }
}

const JOURNAL: &str = "bramka_refusals_total{reason=\"journal\"}";
const BROKEN: &str = "bramka_refusals_total{reason=\"broken\"}";
const RECHECKS: &str = "bramka_decision_rechecks_total";
const MISMATCHES: &str = "bramka_decision_mismatches_total";

#[test]
fn every_refusal_for_want_of_a_place_in_the_journal_is_counted() {
    let stage = Stage::open_as(&Staging { under: &small_disk(), log: None }, unbounded);
    let metrics = Metrics::of(&stage);
    let lists = || bare(Method::GET, "/v1/products?limit=200&fields=id", Some(&stage.shop));
    stage.ask(lists()).expect(200);
    assert_eq!(metrics.count(JOURNAL), 0);
    let audit = seen_by(&stage).join("audit");
    let filler = fill(&audit);
    let refused = runtime().block_on(async {
        let mut line = Line::open(stage.address(), &stage.ca()).await;
        let mut refused = 0;
        for _ in 0..40_000 {
            refused += u64::from(line.ask(lists()).await.unwrap().status == 503);
            if refused == 3 {
                break;
            }
        }
        refused
    });
    assert_eq!(refused, 3, "the disk never filled");
    assert_eq!(metrics.count(JOURNAL), refused);
    fs::remove_file(filler).unwrap();
    until("callers are served again", || stage.ask(lists()).status == 200);
}

/// A body that breaks whoever reads it.
struct Breaking;

impl http_body::Body for Breaking {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        panic!("a body that breaks its reader")
    }
}

/// A token of the gate's own for the shop.
async fn token(ready: &Ready, sources: &Sources) -> Secret {
    let order = Order {
        kind: Kind::App,
        id: "shop-backend".into(),
        ttl: Some(SignedDuration::from_hours(1)),
        groups: None,
        scopes: Vec::new(),
        note: None,
    };
    ready.gate.tokens.issue(sources, order, clock::now()).await.unwrap().0
}

/// Breaks one exchange of a gate that runs in this process, and looks at what is told of it.
async fn broken(ready: &Ready, ca: String, data: std::path::PathBuf) {
    let gate = &ready.gate;
    let sources = gate.live.snapshot().sources.clone();
    let caller = token(ready, &sources).await;
    let hour = SignedDuration::from_hours(1);
    let (operator, _) =
        gate.tokens.issue_admin("counters".into(), AdminRole::Read, hour, clock::now()).await.unwrap();
    let metrics = async || {
        let mut line = Line::open(&ready.addresses.admin.to_string(), &ca).await;
        let told =
            line.ask(bare(Method::GET, "/metrics", Some(operator.expose()))).await.unwrap().expect(200);
        counted(std::str::from_utf8(&told.body).unwrap(), BROKEN).unwrap_or(0)
    };
    assert_eq!(metrics().await, 0);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/customers")
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {}", caller.expose()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::stream(Breaking))
        .unwrap();
    let peer: std::net::SocketAddr = "127.0.0.1:4711".parse().unwrap();
    let tls =
        Some(TlsFacts { version: "1.3", server_name: None, certificate: None, standing: Default::default() });
    let channel = Arc::new(Channel { listener: "data".into(), peer, address: peer.ip(), tls });
    let answer = gateway::serve(Core::new(gate.clone(), 0), Box::new(request), channel).await;
    assert_eq!(answer.status(), 500);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let entries = book::of(&data, &id);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((&entries[0]["refusal"], &entries[0]["status"]), (&json!("broken"), &json!(500)));
    assert_eq!(metrics().await, 1);
    // The others are served.
    let mut line = Line::open(&ready.addresses.data[0].to_string(), &ca).await;
    let served = line.ask(bare(Method::GET, "/openapi.json", Some(caller.expose()))).await.unwrap();
    served.expect(200);
}

#[test]
fn a_panic_in_an_exchange_is_a_500_an_entry_and_a_count() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    copy_shipped(&policies);
    let certs = DevelopmentCerts::ensure(&dir.path().join("certs"), clock::now().wall).unwrap();
    let env = [("HUBSPOT_TOKEN", "x".to_owned()), ("BC_TOKEN", erp::token("a", "b"))];
    let env: HashMap<String, String> =
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let data = dir.path().join("data");
    let options = Arc::new(Options {
        policies,
        data: data.clone(),
        base: dir.path().to_owned(),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        admin: Some("127.0.0.1:0".parse().unwrap()),
        redirects: Vec::new(),
        env: Arc::new(env),
        trust: None,
        cores: 1,
    });
    let ca = certs.ca.display().to_string();
    // A thread of its own: what fails in it fails the test.
    let gate = thread::spawn(move || {
        gateway::run(&options, admin::serve, async |ready| {
            broken(ready, ca.clone(), data.clone()).await;
            let pid = std::process::id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        })
    });
    gate.join().unwrap().unwrap();
}

#[test]
fn one_in_so_many_decisions_is_repeated_those_of_writes_too() {
    let stage = Stage::open(unbounded);
    let metrics = Metrics::of(&stage);
    let write = || {
        let body =
            json!({ "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak", "language": "pl" });
        stage.shop(Method::PATCH, "/v1/customers/701000000001", &body).expect(200);
    };
    assert_eq!(metrics.count(RECHECKS), 0);
    write();
    assert_eq!(metrics.count(RECHECKS), 1, "the first decision is one of the sample");
    write();
    assert_eq!(metrics.count(RECHECKS), 1, "the next ones are not");
    let mut records = 0;
    while metrics.count(RECHECKS) == 1 {
        records += stage.get("/v1/products?limit=200&fields=id").expect(200).items().len();
        assert!(records < 10_000, "no other decision was repeated");
    }
    assert!((800..1300).contains(&records), "one in 1024: {records}");
    assert_eq!(metrics.count(MISMATCHES), 0);
}
