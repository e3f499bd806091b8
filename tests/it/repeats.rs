//! `Idempotency-Key`: a write that is sent again is done once, answered again, and judged by today's policy.

use std::{fs, path::Path, time::Duration};

use bramka::demo::standin::Trouble;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, runtime, until},
    line::{Line, asking},
    stage::Stage,
    writes::{change, no_edit, with},
};

const FIRST: &str = "/v1/customers/701000000001";
const CUSTOMERS: &str = "/v1/customers";
const APPS_DELETE: &str = "@id(\"apps-delete\")\npermit (principal in Group::\"apps\", action == Action::\"delete\", resource is Customer);\n";

fn keyed(
    stage: &Stage,
    (method, path): (Method, &str),
    token: Option<&str>,
    key: &str,
    body: &Value,
) -> Request<Full<bytes::Bytes>> {
    let token = token.unwrap_or(&stage.shop);
    let request = asking(method, path, Some(token)).header("idempotency-key", key);
    if body.is_null() {
        return request.body(Full::default()).unwrap();
    }
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap()
}

impl Stage {
    fn once(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        self.ask(keyed(self, (method, path), None, key, body))
    }

    fn create(&self, key: &str, email: &str) -> Answer {
        self.once(Method::POST, CUSTOMERS, key, &ola(email))
    }

    /// How often the CRM was asked by a method, searches apart.
    fn asked(&self, method: &str) -> usize {
        let seen = self.crm.seen();
        seen.iter().filter(|seen| seen.method == method && !seen.target.ends_with("/search")).count()
    }

    fn notes(&self, answer: &Answer) -> String {
        self.written(answer).pop().unwrap()["notes"].to_string()
    }
}

fn ola(email: &str) -> Value {
    json!({ "kind": "person", "name": "Ola Key", "given_name": "Ola", "family_name": "Key", "company": "Key Ltd",
            "emails": [{ "value": email }] })
}

fn problem(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// All that a repeat has of the first answer.
fn told(answer: &Answer) -> (u16, Vec<u8>, Vec<Option<String>>) {
    let named = ["etag", "location", "content-type", "bramka-unguarded"];
    let headers = named.map(|name| answer.header(name).map(str::to_owned));
    (answer.status, answer.body.to_vec(), headers.to_vec())
}

/// The same, as a repeat says that it is one.
#[track_caller]
fn is_repeat(first: &Answer, again: &Answer) {
    assert_eq!(told(again), told(first));
    assert_eq!(
        (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
        (None, Some("true"))
    );
}

#[test]
fn a_write_that_is_sent_again_is_done_once_and_answered_again() {
    let stage = Stage::open(with(APPS_DELETE));
    let first = stage.create("\"k-1\"", "ola@example.com").expect(201);
    assert!(first.header("etag").is_some() && first.header("location").is_some());
    // As a string and as a bare word, over other connections.
    for key in ["\"k-1\"", "k-1"] {
        is_repeat(&first, &stage.create(key, "ola@example.com"));
    }
    assert_eq!(stage.asked("POST"), 1);
    let path = first.header("location").unwrap().to_owned();
    for (n, (method, body)) in [
        (Method::PATCH, json!({ "company": "Patched Ltd" })),
        (
            Method::PUT,
            json!({ "name": "Ola Key", "given_name": "Ola", "family_name": "Key", "company": "Put Ltd" }),
        ),
        (Method::DELETE, Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("each-{n}");
        let first = stage.once(method.clone(), &path, &key, &body);
        assert!([200, 204].contains(&first.status), "{method}: {first:?}");
        let before = stage.crm.seen().len();
        is_repeat(&first, &stage.once(method.clone(), &path, &key, &body));
        assert_eq!(stage.crm.seen().len(), before, "{method}: the system is not asked at all");
    }
    stage.get(&path).refused(404);
}

#[test]
fn the_journal_says_of_a_repeat_that_it_is_one_of_which_exchange_and_what_it_showed() {
    let stage = Stage::open(no_edit);
    let first = stage.create("k", "ola@example.com").expect(201);
    let again = stage.create("k", "ola@example.com").expect(201);
    let (entries, repeat) = (stage.written(&first), stage.written(&again));
    let kinds = |entries: &[Value]| entries.iter().map(|entry| entry["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (kinds(&entries), kinds(&repeat)),
        (vec![json!("intent"), json!("answer")], vec![json!("answer")])
    );
    assert!(
        entries[0]["notes"].to_string().contains(r#"["idempotency","first"]"#),
        "{}",
        entries[0]["notes"]
    );
    let of = format!(r#"["repeat_of","{}"]"#, first.header("x-request-id").unwrap());
    let notes = stage.notes(&again);
    assert!(notes.contains(r#"["idempotency","repeat"]"#) && notes.contains(&of), "{notes}");
    assert_eq!(repeat[0]["shown"], entries[1]["shown"]);
    assert!(!repeat[0].to_string().contains("Ola") && !repeat[0].to_string().contains("\"k\""));
    assert!(book::verify(&stage.data()).is_whole());
}

#[test]
fn a_key_that_comes_with_another_request_is_refused_and_another_caller_s_is_another_key() {
    let stage = Stage::open(with(
        "@id(\"partner-creates\")\n@writes(\"kind, name, given_name, family_name, company, emails, emails.value\")\n\
         permit (principal in Group::\"partners\", action == Action::\"create\", resource is Customer);\n",
    ));
    stage.create("k", "ola@example.com").expect(201);
    let others = [
        (Method::POST, CUSTOMERS, ola("other@example.com")),
        (Method::POST, "/v1/customers?fields=id", ola("ola@example.com")),
        (Method::PATCH, FIRST, json!({ "company": "Other Ltd" })),
    ];
    for (method, path, body) in others {
        let refused = stage.once(method.clone(), path, "k", &body).refused(422);
        assert_eq!(problem(&refused), "idempotency-key-reused", "{method} {path}");
    }
    assert_eq!((stage.asked("POST"), stage.asked("PATCH")), (1, 0));
    let portal = Some(stage.portal.as_str());
    let theirs = stage.ask(keyed(&stage, (Method::POST, CUSTOMERS), portal, "k", &ola("theirs@example.com")));
    assert_eq!(theirs.expect(201).header("idempotent-replayed"), None);
}

#[test]
fn a_key_that_cannot_be_read_is_refused_before_anything_is_done_and_is_nothing_to_a_read() {
    let stage = Stage::open(|policies| {
        change(policies, "gateway.yaml", "identity:\n", "identity:\n  anonymous: considered\n");
        with(
            "@id(\"anybody-creates\")\n@writes(\"kind, name, given_name, family_name, company, emails, emails.value\")\n\
             permit (principal, action == Action::\"create\", resource is Customer);\n",
        )(policies);
    });
    for bad in ["", "\"open", "a b", "a, b", "\"a\";v=1", &"k".repeat(256)] {
        let refused = stage.create(bad, "ola@example.com").refused(400);
        assert_eq!(problem(&refused), "idempotency-key", "{bad}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("255"), "{}", refused.json());
        stage.ask(keyed(&stage, (Method::GET, FIRST), None, bad, &Value::Null)).expect(200);
    }
    // Whoever is nobody has no keys.
    let nobody = |key: Option<&str>| {
        let mut request = asking(Method::POST, CUSTOMERS, None).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        stage.ask(request.body(ola("nobody@example.com").to_string().into()).unwrap())
    };
    assert_eq!(problem(&nobody(Some("k")).refused(400)), "idempotency-key");
    assert_eq!(stage.asked("POST"), 0);
    nobody(None).expect(201);
}

#[test]
fn what_is_refused_leaves_its_key_free() {
    let stage = Stage::open(no_edit);
    let post = |body: &Value| stage.once(Method::POST, CUSTOMERS, "k", body);
    post(&json!({ "kind": "robot" })).refused(422);
    let request = asking(Method::POST, CUSTOMERS, Some(&stage.shop)).header("idempotency-key", "k");
    stage.ask(request.body("{}".into()).unwrap()).refused(415);
    stage.once(Method::PATCH, "/v1/customers/0", "k", &json!({ "company": "None Ltd" })).refused(404);
    assert_eq!(stage.asked("POST"), 0);
    // So does what the system says no to.
    stage.shop(Method::POST, CUSTOMERS, &ola("taken@example.com")).expect(201);
    post(&ola("taken@example.com")).refused(409);
    let first = post(&ola("free@example.com")).expect(201);
    is_repeat(&first, &post(&ola("free@example.com")));
    assert_eq!(stage.asked("POST"), 3);
}

#[test]
fn of_repeats_at_one_time_one_is_done_and_the_others_are_told_when_to_come_again() {
    let stage = Stage::open(no_edit);
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_millis(500))));
    let answers = runtime().block_on(async {
        let asked = (0..6).map(|_| {
            let request = keyed(&stage, (Method::POST, CUSTOMERS), None, "k", &ola("ola@example.com"));
            let (address, ca) = (stage.address(), stage.ca());
            async move { Line::open(address, &ca).await.ask(request).await.unwrap() }
        });
        futures_util::future::join_all(asked).await
    });
    stage.crm.trouble(None);
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len(), stage.asked("POST")), (1, 5, 1));
    for answer in lost {
        let refused = answer.refused(409);
        assert_eq!((problem(&refused).as_str(), refused.header("retry-after")), ("still-running", Some("1")));
    }
    is_repeat(&won[0], &stage.create("k", "ola@example.com"));
}

#[test]
fn a_write_of_unknown_outcome_is_not_sent_again_and_its_repeat_is_told_so() {
    let stage = Stage::open(no_edit);
    stage.crm.trouble(Some(Trouble::HangUp));
    stage.create("k", "ola@example.com").refused(502);
    stage.crm.trouble(None);
    for _ in 0..2 {
        let refused = stage.create("k", "ola@example.com").refused(409);
        assert_eq!((problem(&refused).as_str(), refused.header("retry-after")), ("outcome-unknown", None));
        assert!(stage.notes(&refused).contains("repeat_of"));
    }
    assert_eq!(problem(&stage.create("k", "other@example.com").refused(422)), "idempotency-key-reused");
    assert_eq!(stage.asked("POST"), 1);
    stage.create("another", "ola@example.com").expect(201);
}

#[test]
fn keys_outlive_a_kill_and_what_it_cut_off_is_unknown() {
    let mut stage = Stage::open(no_edit);
    let first = stage.create("done", "done@example.com").expect(201);
    let known = book::entries(&stage.data()).len();
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_secs(600))));
    let cut = keyed(&stage, (Method::POST, CUSTOMERS), None, "cut", &ola("cut@example.com"));
    let (address, ca) = (stage.address().to_owned(), stage.ca());
    let asking = std::thread::spawn(move || {
        runtime().block_on(async { Line::open(&address, &ca).await.ask(cut).await.is_err() })
    });
    until("its intent is written down", || {
        book::entries(&stage.data()).iter().skip(known).any(|entry| entry["kind"] == "intent")
    });
    stage.kill_and_start();
    assert!(asking.join().unwrap(), "it was never answered");
    stage.crm.trouble(None);
    let posts = stage.asked("POST");
    let refused = stage.create("cut", "cut@example.com").refused(409);
    assert_eq!(problem(&refused), "outcome-unknown");
    is_repeat(&first, &stage.create("done", "done@example.com"));
    assert_eq!(stage.asked("POST"), posts);
}

#[test]
fn a_successor_knows_the_writes_that_the_gate_before_it_still_ends() {
    let mut stage = Stage::open(no_edit);
    let known = book::entries(&stage.data()).len();
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_secs(3))));
    let slow = keyed(&stage, (Method::POST, CUSTOMERS), None, "slow", &ola("slow@example.com"));
    let (address, ca) = (stage.address().to_owned(), stage.ca());
    let asking = std::thread::spawn(move || {
        runtime().block_on(async { Line::open(&address, &ca).await.ask(slow).await })
    });
    until("its intent is written down", || {
        book::entries(&stage.data()).iter().skip(known).any(|entry| entry["kind"] == "intent")
    });
    let mut before = stage.hand_over();
    stage.crm.trouble(None);
    let again = || stage.create("slow", "slow@example.com");
    assert_eq!(problem(&again().refused(409)), "still-running");
    let first = asking.join().unwrap().unwrap().expect(201);
    is_repeat(&first, &again());
    assert_eq!(stage.asked("POST"), 1);
    until("the gate before it ends", || before.try_wait().unwrap().is_some());
}

/// Edits the policies, and waits until they serve.
pub(crate) fn reloaded(stage: &Stage, edit: impl FnOnce(&Path)) {
    let swaps = || stage.stderr().matches("new policies serve").count();
    let before = swaps();
    edit(&stage.policies());
    until("the new policies serve", || swaps() > before);
}

#[test]
fn a_repeat_shows_what_today_s_policies_let_its_caller_see() {
    let stage = Stage::open(no_edit);
    let first = stage.create("k", "ola@example.com").expect(201);
    let again = || stage.create("k", "ola@example.com");
    assert_eq!(first.json()["family_name"], "Key");
    // Hidden today: hidden, whatever was shown.
    let reads = "@fields(\"*, name, given_name, family_name, job_title";
    reloaded(&stage, |policies| {
        change(policies, "access/apps.cedar", reads, "@fields(\"*, name, given_name, job_title");
    });
    let poorer = again().expect(201);
    let mut expected = first.json();
    expected.as_object_mut().unwrap().remove("family_name");
    assert_eq!((poorer.json(), poorer.header("location")), (expected, first.header("location")));
    assert_ne!(poorer.header("etag"), first.header("etag"));
    // The record is hidden by what statements read of it: its id is all that the caller keeps.
    let hidden = "@id(\"no-key-ltd\")\nforbid (principal, action == Action::\"read\", resource is Customer)\n\
                  when { resource has company && resource.company == \"Key Ltd\" };\n";
    reloaded(&stage, with(hidden));
    assert_eq!(again().expect(201).json(), json!({ "id": first.json()["id"] }));
    // A revoked caller sees nothing.
    reloaded(
        &stage,
        with(
            "@id(\"no-creates\")\nforbid (principal, action == Action::\"create\", resource is Customer);\n",
        ),
    );
    assert_eq!(problem(&again().refused(403)), "forbidden");
    // As before: the same, byte for byte.
    reloaded(&stage, |policies| {
        fs::remove_file(policies.join("access/test.cedar")).unwrap();
        change(policies, "access/apps.cedar", "@fields(\"*, name, given_name, job_title", reads);
    });
    is_repeat(&first, &again());
    assert_eq!(stage.asked("POST"), 1);
}

#[test]
fn a_repeat_tells_what_was_left_then_and_not_what_is_there_now() {
    let stage = Stage::open(no_edit);
    let patch =
        |key: &str, company: &str| stage.once(Method::PATCH, FIRST, key, &json!({ "company": company }));
    let first = patch("one", "One Ltd").expect(200);
    // What changed nothing was answered too, and its repeat changes nothing either.
    let same = patch("same", "One Ltd").expect(200);
    let second = patch("two", "Two Ltd").expect(200);
    is_repeat(&first, &patch("one", "One Ltd"));
    is_repeat(&same, &patch("same", "One Ltd"));
    is_repeat(&second, &patch("two", "Two Ltd"));
    assert_eq!(stage.get(FIRST).expect(200).json()["company"], "Two Ltd");
    assert_eq!(stage.asked("PATCH"), 2);
}

#[test]
fn an_id_that_was_told_masked_is_not_told_by_a_repeat() {
    let stage = Stage::open(|policies| {
        let reads = "@id(\"apps-read-customers\")\n";
        change(policies, "access/apps.cedar", reads, &format!("{reads}@mask(\"id: pseudonym\")\n"));
    });
    let first = stage.create("k", "ola@example.com").expect(201);
    assert_eq!(first.header("location"), None);
    is_repeat(&first, &stage.create("k", "ola@example.com"));
    reloaded(
        &stage,
        with("@id(\"no-reads\")\nforbid (principal, action == Action::\"read\", resource is Customer);\n"),
    );
    let again = stage.create("k", "ola@example.com").expect(201);
    assert_eq!((again.body.len(), again.header("location"), again.header("etag")), (0, None, None));
}

#[test]
fn who_may_create_but_not_read_is_told_the_id_again_and_nothing_else() {
    let stage = Stage::open(|policies| {
        change(
            policies,
            "access/apps.cedar",
            "action in [Action::\"list\", Action::\"read\"],\n  resource is Customer",
            "action == Action::\"list\",\n  resource is Customer",
        );
    });
    let first = stage.create("k", "ola@example.com").expect(201);
    assert_eq!(first.json().as_object().unwrap().len(), 1);
    is_repeat(&first, &stage.create("k", "ola@example.com"));
}

#[test]
fn the_oldest_write_of_a_principal_makes_room_for_its_newest() {
    let stage = Stage::open(|policies| {
        change(policies, "gateway.yaml", "per_principal_max: 10000 ", "per_principal_max: 2 ");
    });
    let patch =
        |key: &str| stage.once(Method::PATCH, FIRST, key, &json!({ "company": format!("{key} Ltd") }));
    for key in ["a", "b", "c"] {
        patch(key).expect(200);
    }
    for (key, is_kept) in [("c", true), ("b", true), ("a", false)] {
        let answer = patch(key).expect(200);
        assert_eq!(answer.header("idempotent-replayed").is_some(), is_kept, "{key}");
    }
}
