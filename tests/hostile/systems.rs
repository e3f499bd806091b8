//! Systems that do not answer, answer too much, or ask who is calling.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    kit::{Demo, until},
    stand::{Edits, ask, gate_with, head, may_name, prepare, replaced},
    system::System,
};

fn with(system: &System, more: &str) -> Demo {
    gate_with(system, &Edits { system: more, ..Edits::default() })
}

#[test]
fn a_system_that_never_answers_is_a_504() {
    let system = System::start(|_, talk| {
        talk.some();
        false
    });
    let demo = with(&system, "timeouts: { first_byte: 200ms }");
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    assert_eq!((reply.status, reply.header("content-type")), (504, Some("application/problem+json")));
    assert_eq!(system.seen().len(), 1, "a call that was late is not tried again");
}

#[test]
fn a_system_that_is_not_there_is_a_502() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut system = System::plain();
    system.address = gone;
    let demo = with(&system, "");
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    assert_eq!((reply.status, reply.header("content-type")), (502, Some("application/problem+json")));
    assert!(!reply.text().contains(&gone.port().to_string()), "the caller learns no address");
}

#[test]
fn a_system_that_keeps_failing_is_left_alone_and_tried_again() {
    let healthy = Arc::new(AtomicUsize::new(0));
    let state = healthy.clone();
    let system = System::start(move |_, talk| match state.load(Ordering::Relaxed) {
        0 => talk.say("HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n"),
        _ => talk.ok("back"),
    });
    let demo = with(&system, "breaker: { calls_min: 4, failures_percent: 50, open: 300ms }");
    let asked = || ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    let mut retry_after = None;
    until("the breaker opens", || {
        let reply = asked();
        retry_after = reply.header("retry-after").map(str::to_owned);
        retry_after.is_some()
    });
    let calls = system.seen().len();
    assert!(calls >= 4, "{calls}");
    healthy.store(1, Ordering::Relaxed);
    until("it is tried again", || asked().text() == "back");
}

#[test]
fn a_call_that_may_have_been_heard_is_sent_once() {
    let system = System::start(|seen, talk| {
        let length = seen.one("content-length").map_or(0, |length| length.parse().unwrap());
        drop(talk.take(length));
        false
    });
    let demo = with(&system, "");
    for (line, more) in
        [("POST /systems/raw/x", "Content-Length: 5\r\n"), ("PATCH /systems/raw/x", "Content-Length: 5\r\n")]
    {
        let before = system.seen().len();
        let reply = ask(&demo, head(&demo, line, more) + "hello");
        assert_eq!(reply.status, 502, "{reply:?}");
        assert_eq!(system.seen().len(), before + 1, "{line}");
    }
}

#[test]
fn an_answer_larger_than_its_bound_is_a_502() {
    let system = System::plain();
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, &system, &Edits::default());
            let file = policies.join("systems/crm.yaml");
            let text = std::fs::read_to_string(&file).unwrap();
            let text = replaced(&text, "\nspeaks: json", "\nlimits: { answer_bytes: 1KiB }\nspeaks: json");
            std::fs::write(&file, text).unwrap();
        },
        &[],
    );
    demo.get("/v1/customers/701000000001").send().expect(200);
    demo.get("/v1/customers?limit=100").send().refused(502);
    demo.get("/v1/customers/701000000001").send().expect(200);
}

#[test]
fn more_calls_at_once_than_a_system_may_have_are_refused_and_not_queued() {
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let system = System::start(move |_, talk| {
        held.lock().unwrap().recv().unwrap_or_default();
        talk.ok("ok")
    });
    let demo = with(&system, "limits: { concurrency: 1 }");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&demo, head(&demo, "GET /systems/raw/first", "")));
        until("the first is there", || system.seen().len() == 1);
        let second = ask(&demo, head(&demo, "GET /systems/raw/second", ""));
        assert_eq!((second.status, second.header("retry-after")), (503, Some("1")));
        let_go.send(()).unwrap();
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(system.seen().len(), 1);
}

/// An issuer of tokens that are called by their number, and how many it gave out.
fn issuer() -> (System, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let issuer = System::start(move |seen, talk| {
        let length = seen.one("content-length").unwrap().parse().unwrap();
        let form = String::from_utf8(talk.take(length).unwrap()).unwrap();
        let known = seen.one("authorization") == Some("Basic Z2F0ZTpzM2NyZXQ=");
        if !known || !form.contains("grant_type=client_credentials") {
            return talk.say("HTTP/1.1 401 No\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}");
        }
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        talk.ok(&format!("{{\"access_token\":\"t{number}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"))
    });
    (issuer, given)
}

/// A gate that signs in to the system by client credentials.
fn signing_in(system: &System, issuer: &System, secret: &str) -> (Demo, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret).unwrap();
    let path = file.path().display().to_string();
    let sign_in = format!(
        "sign_in: {{ oauth2: {{ token_url: \"http://{}/token\", client_id: gate, client_secret: \"${{file:{path}}}\" }} }}",
        issuer.address
    );
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, system, &Edits { system: &sign_in, ..Edits::default() });
            may_name(policies, "raw", &path);
        },
        &[],
    );
    (demo, file)
}

#[test]
fn a_token_is_fetched_once_for_many_calls_and_again_when_the_system_refuses_it() {
    let (issuer, given) = issuer();
    let good = Arc::new(AtomicUsize::new(1));
    let wanted = good.clone();
    let system = System::start(move |seen, talk| {
        let token = format!("Bearer t{}", wanted.load(Ordering::Relaxed));
        match seen.one("authorization") == Some(&token) {
            true => talk.ok("in"),
            false => talk.say("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"),
        }
    });
    let (demo, _secret) = signing_in(&system, &issuer, "s3cret");
    let asked = || ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(asked)).collect();
        for one in all {
            assert_eq!(one.join().unwrap().text(), "in");
        }
    });
    assert_eq!(given.load(Ordering::Relaxed), 1, "one token for all");
    good.store(2, Ordering::Relaxed);
    assert_eq!(asked().text(), "in", "a spent token is replaced within the call");
    assert_eq!(given.load(Ordering::Relaxed), 2);
    good.store(9, Ordering::Relaxed);
    let before = system.seen().len();
    for _ in 0..5 {
        assert_eq!(asked().status, 401, "a system that goes on refusing is not asked for ever");
    }
    assert_eq!(system.seen().len(), before + 5, "once for each call");
    assert_eq!(given.load(Ordering::Relaxed), 2, "nor is the issuer: a token just fetched is not given up");
}

#[test]
fn without_a_token_nothing_is_sent_and_the_secret_is_told_to_nobody() {
    let (issuer, _) = issuer();
    let system = System::plain();
    let (demo, _secret) = signing_in(&system, &issuer, "wr0ng-s3cret");
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    assert_eq!(reply.status, 502);
    assert!(system.seen().is_empty());
    for told in [reply.text(), demo.stderr()] {
        assert!(!told.contains("wr0ng"), "{told}");
    }
    assert!(demo.stderr().contains("invalid_client"), "the operator learns why:\n{}", demo.stderr());
}
