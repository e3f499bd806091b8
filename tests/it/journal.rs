//! A journal without room: what cannot be written down is refused, nothing is asked of a system for it, and
//! the service resumes when there is room again.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
};

use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::{
    book,
    kit::{Answer, runtime, until},
    line::{Line, bare, json as with_json},
    stage::{Stage, Staging},
    writes::{Twisted, change},
};

/// A file system of its own for the journal: by root as it is, by others in a user namespace.
pub(crate) fn small_disk() -> [&'static str; 6] {
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    let how = if user == b"0\n" { "-m" } else { "-rm" };
    let script = "mount -t tmpfs -o size=40m,mode=700 tmpfs \"$0\" && exec \"$@\"";
    ["unshare", how, "bash", "-c", script, "{audit}"]
}

/// The journal's folder as the gate sees it.
pub(crate) fn seen_by(stage: &Stage) -> PathBuf {
    let data = stage.data();
    Path::new("/proc").join(stage.pid().to_string()).join("root").join(data.strip_prefix("/").unwrap())
}

/// Fills the disk to its last byte.
pub(crate) fn fill(audit: &Path) -> PathBuf {
    let path = audit.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
    path
}

/// What many requests came to.
#[derive(Default)]
struct Seen(Vec<(String, u16)>);

impl Seen {
    fn note(&mut self, answer: &Answer) -> u16 {
        self.0.push((answer.header("x-request-id").unwrap().to_owned(), answer.status));
        answer.status
    }
}

#[test]
fn a_full_disk_refuses_what_cannot_be_written_down_and_service_resumes_with_room() {
    let stage = Stage::open_as(&Staging { under: &small_disk(), log: None }, |policies| {
        crate::load::unbounded(policies);
        let file = policies.join("gateway.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("strangers_per_minute: 60", "strangers_per_minute: 100000")).unwrap();
    });
    let audit = seen_by(&stage).join("audit");
    let mut seen = Seen::default();
    let list = || bare(Method::GET, "/v1/customers?limit=200&fields=id", Some(&stage.shop));
    let stranger = || bare(Method::GET, "/v1/customers", None);
    assert_eq!(seen.note(&stage.ask(list())), 200);
    assert_eq!(seen.note(&stage.ask(stranger())), 401);
    let filler = fill(&audit);

    // What was set aside before lasts for a while; strangers never use up what is kept for callers.
    let mut strangers_refused_after = None;
    let refused = runtime().block_on(async {
        let mut line = Line::open(stage.address(), &stage.ca()).await;
        for n in 0..20_000 {
            if n % 5 == 0
                && strangers_refused_after.is_none()
                && seen.note(&line.ask(stranger()).await.unwrap()) == 503
            {
                strangers_refused_after = Some(n);
            }
            let answer = line.ask(list()).await.unwrap();
            if seen.note(&answer) == 503 {
                return (n, answer);
            }
        }
        panic!("the disk never filled");
    });
    let (callers_refused_after, refused) = refused;
    let strangers_refused_after = strangers_refused_after.unwrap();
    assert!(
        strangers_refused_after + 20 < callers_refused_after,
        "strangers were refused after {strangers_refused_after}, callers after {callers_refused_after}"
    );
    let refused = refused.refused(503);
    assert_eq!(refused.json()["type"], "https://bramka.example/problems/journal");
    assert!(refused.header("retry-after").is_some());

    // Smaller entries find a place for a while. Nothing changes that is not written down.
    let body = json!({ "kind": "person", "name": "Jan Full", "given_name": "Jan", "family_name": "Full" })
        .to_string();
    let create =
        || -> Request<Full<_>> { with_json(Method::POST, "/v1/customers", Some(&stage.shop), &body) };
    let call = || bare(Method::POST, "/systems/erp/items", Some(&stage.shop));
    until("no change finds a place", || {
        stage.crm.forget();
        seen.note(&stage.ask(create())) == 503
    });
    assert!(stage.crm.seen().iter().all(|seen| seen.method != "POST"), "{:?}", stage.crm.seen());
    stage.erp.forget();
    until("no call finds a place", || seen.note(&stage.ask(call())) == 503);
    assert!(stage.erp.seen().iter().all(|seen| seen.method != "POST"), "{:?}", stage.erp.seen());

    fs::remove_file(filler).unwrap();
    until("callers are served again", || seen.note(&stage.ask(list())) == 200);
    until("strangers are told that they are strangers", || seen.note(&stage.ask(stranger())) == 401);
    assert_eq!(seen.note(&stage.ask(create())), 201);

    let entries = book::entries_in(&audit.join("demo"));
    let answers = book::answers(&entries);
    // What was done and found no place for its answer says so, and has none.
    for (id, status) in seen.0.iter().filter(|(_, status)| ![500, 503].contains(status)) {
        assert_eq!(answers.get(id.as_str()), Some(&vec![u64::from(*status)]), "{id}");
    }
    // What was refused for want of room stands in no answer that says otherwise.
    for (id, _) in seen.0.iter().filter(|(_, status)| *status == 503) {
        assert!(answers.get(id.as_str()).is_none_or(|statuses| statuses.len() == 1), "{id}");
    }
    let report = book::verify_in(&stage.data(), &audit.join("demo"));
    assert!(report.is_whole(), "{report:#?}");
}

#[test]
fn a_change_that_was_done_and_cannot_be_recorded_is_not_told_to_be_tried_again() {
    let (arrived, has_arrived) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel();
    let (arrived, may_go) = (parking_lot::Mutex::new(arrived), parking_lot::Mutex::new(may_go));
    let twisted = Twisted::crm(move |ask, answer| {
        if ask.method == Method::POST && !ask.path.ends_with("/search") {
            arrived.lock().send(()).unwrap();
            let _let_go: Result<(), _> = may_go.lock().recv();
        }
        answer
    });
    let stage = Stage::open_as(&Staging { under: &small_disk(), log: None }, |policies| {
        crate::load::unbounded(policies);
        twisted.serve(policies);
        // However long the disk takes to fill.
        let patient = "timeouts: { first_byte: 10m, call: 10m }\nbase:";
        change(policies, "systems/crm.yaml", "base:", patient);
        let listener = "  - name: data\n    bounds: { request_deadline: 10m }\n";
        change(policies, "gateway.yaml", "  - name: data\n", listener);
    });
    let audit = seen_by(&stage).join("audit");
    let body = json!({ "kind": "person", "name": "Jan Late", "given_name": "Jan", "family_name": "Late" })
        .to_string();
    let (address, ca) = (stage.address().to_owned(), stage.ca());
    let create = with_json(Method::POST, "/v1/customers", Some(&stage.shop), &body);
    let creating = thread::spawn(move || crate::line::once(&address, &ca, create));
    has_arrived.recv().unwrap();
    let filler = fill(&audit);
    runtime().block_on(async {
        let mut line = Line::open(stage.address(), &stage.ca()).await;
        let mut ask = async |path: &str| line.ask(bare(Method::GET, path, Some(&stage.shop))).await.unwrap();
        let mut asked = 0;
        while ask("/v1/products?limit=200&fields=id").await.status != 503 {
            asked += 1;
            assert!(asked < 40_000, "the disk never filled");
        }
        // What is too small a place for that entry is filled by smaller ones.
        for _ in 0..200 {
            ask("/v1/stock-levels/x").await;
        }
    });
    let_go.send(()).unwrap();
    let told = creating.join().unwrap().refused(500);
    assert_eq!(told.json()["type"], "https://bramka.example/problems/unrecorded");
    assert!(told.header("retry-after").is_none());
    fs::remove_file(filler).unwrap();
}
