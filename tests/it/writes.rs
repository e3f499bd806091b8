//! Writes: judged on what changes, written down before and after, done once, and done to their end.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use bramka::demo::{
    seed,
    standin::{self, Answers, Ask, Seen, StandIn, Trouble},
};
use bytes::Bytes;
use http::{Method, Response, header};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, sync::oneshot};

use crate::{
    book,
    kit::{Answer, Demo, Who, connect, runtime, until},
    line::{self, Line, asking, bare},
    stage::{Stage, Staging},
};

const FIRST: &str = "/v1/customers/701000000001";

pub(crate) fn no_edit(_: &Path) {}

/// Adds statements to a bundle.
pub(crate) fn with(statements: &str) -> impl FnOnce(&Path) {
    move |policies| fs::write(policies.join("access/test.cedar"), statements).unwrap()
}

/// Changes a text of a file of a bundle.
pub(crate) fn change(policies: &Path, file: &str, from: &str, to: &str) {
    let file = policies.join(file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&file, text.replace(from, to)).unwrap();
}

impl Stage {
    pub(crate) fn shop(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(line::json(method, path, Some(&self.shop), &body.to_string()))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(bare(Method::GET, path, Some(&self.shop)))
    }

    /// What somebody gets who is not the shop.
    pub(crate) fn portal_get(&self, path: &str) -> Answer {
        self.ask(bare(Method::GET, path, Some(&self.portal)))
    }

    /// What is written down of an exchange.
    pub(crate) fn written(&self, answer: &Answer) -> Vec<Value> {
        book::of(&self.data(), answer.header("x-request-id").unwrap())
    }

    /// Changes that the systems were asked for.
    fn changes(&self) -> Vec<Seen> {
        let seen = self.crm.seen().into_iter().chain(self.erp.seen());
        seen.filter(|seen| seen.method != "GET" && !seen.target.ends_with("/search")).collect()
    }

    pub(crate) fn open_order(&self) -> String {
        let order = self.get("/v1/orders?status=open&customer=20000&limit=1").expect(200).items()[0].clone();
        format!("/v1/orders/{}", order["id"].as_str().unwrap())
    }
}

/// A CRM whose answers a test changes on their way.
pub(crate) struct Twisted {
    pub(crate) crm: StandIn,
    _end: oneshot::Sender<()>,
}

/// A system whose answers are changed on their way.
pub(crate) struct Twist<F>(pub(crate) Arc<dyn Answers>, pub(crate) F);

impl<F> Answers for Twist<F>
where
    F: Fn(&Ask, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        (self.1)(ask, self.0.answer(ask))
    }
}

impl Twisted {
    /// Starts one beside those of the stage.
    pub(crate) fn crm<F>(twist: F) -> Self
    where
        F: Fn(&Ask, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let system = Twist(seed::crm("pat-stage-5d0e"), twist);
                drop(tell.send(standin::start(0, Arc::new(system)).await.unwrap()));
                drop(ended.await);
            });
        });
        Self { crm: told.blocking_recv().unwrap(), _end: end }
    }

    /// Points a bundle's CRM at it.
    pub(crate) fn serve(&self, policies: &Path) {
        let file = policies.join("systems/crm.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let base = text.lines().find(|line| line.starts_with("base:")).unwrap();
        fs::write(&file, text.replace(base, &format!("base: \"http://{}\"", self.crm.address))).unwrap();
    }
}

/// An answer in JSON.
pub(crate) fn said(status: u16, body: &Value) -> Response<Bytes> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    response.body(body.to_string().into()).unwrap()
}

pub(crate) fn is_write(ask: &Ask) -> bool {
    ask.method != Method::GET && !ask.path.ends_with("/search")
}

pub(crate) fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

fn ewa(email: &str) -> Value {
    json!({ "kind": "person", "name": "Ewa Lis", "given_name": "Ewa", "family_name": "Lis", "emails": [{ "value": email }] })
}

#[test]
fn a_create_is_written_down_before_it_is_done_and_answered_with_what_the_system_made_of_it() {
    let stage = Stage::open(no_edit);
    let answer = stage.shop(Method::POST, "/v1/customers", &ewa("ewa.lis@example.com")).expect(201);
    let entries = stage.written(&answer);
    assert_eq!(kinds(&entries), ["intent", "answer"]);
    let (intent, done) = (&entries[0], &entries[1]);
    assert_eq!(intent["write"], "create");
    assert_eq!(intent["entity"], "Customer");
    let changed = json!(["kind", "name", "given_name", "family_name", "emails.value"]);
    assert_eq!((&intent["changed"], &done["changed"]), (&changed, &changed));
    assert_eq!(intent["decided"], json!(["apps-create-customers"]));
    assert_eq!((&done["status"], &done["calls"][0]["status"]), (&json!(201), &json!(201)));
    for entry in &entries {
        let text = entry.to_string();
        assert!(!text.contains("Lis") && !text.contains("ewa.lis"), "{text}");
    }
    // The statement asks for digests of the bodies; they are keyed.
    let notes = done["notes"].to_string();
    assert!(notes.contains("body_sent") && notes.contains("body_shown"), "{notes}");
    let path = answer.header("location").unwrap();
    assert_eq!(stage.get(path).expect(200).json(), answer.json());
}

#[test]
fn an_update_sends_the_system_what_changes_and_nothing_else() {
    let stage = Stage::open(no_edit);
    stage.crm.forget();
    let answer = stage
        .shop(Method::PATCH, FIRST, &json!({ "lifecycle": "customer", "family_name": "Nowak" }))
        .expect(200);
    assert_eq!(answer.json()["lifecycle"], "customer");
    assert_eq!(answer.header("bramka-unguarded"), Some("true"));
    let changes = stage.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].body, r#"{"properties":{"lifecyclestage":"customer"}}"#);
    assert_eq!(changes[0].if_match, None);
    let entries = stage.written(&answer);
    assert_eq!(kinds(&entries), ["intent", "answer"]);
    assert_eq!(entries[0]["changed"], json!(["lifecycle"]));
    assert!(entries[1]["notes"].to_string().contains("unguarded"), "{}", entries[1]["notes"]);
}

#[test]
fn a_change_goes_to_the_system_with_the_version_that_was_judged() {
    let stage = Stage::open(no_edit);
    let order = stage.open_order();
    stage.erp.forget();
    let answer = stage.shop(Method::PATCH, &order, &json!({ "buyer_reference": "PO-7" })).expect(200);
    assert_eq!(answer.header("bramka-unguarded"), None);
    let changes = stage.changes();
    assert_eq!(changes[0].body, r#"{"externalDocumentNumber":"PO-7"}"#);
    assert!(changes[0].if_match.as_deref().unwrap().starts_with("W/\""), "{:?}", changes[0]);
}

#[test]
fn a_change_that_changes_nothing_is_not_sent_at_all() {
    let stage = Stage::open(no_edit);
    stage.crm.forget();
    let answer = stage.shop(Method::PATCH, FIRST, &json!({ "family_name": "Nowak" })).expect(200);
    assert_eq!(stage.changes(), []);
    assert_eq!(kinds(&stage.written(&answer)), ["answer"]);
    assert_eq!(answer.json(), stage.get(FIRST).expect(200).json());
}

#[test]
fn a_stale_version_is_refused_and_nothing_is_sent() {
    let stage = Stage::open(no_edit);
    for path in [FIRST.to_owned(), stage.open_order()] {
        let body = |text: &str| match path.contains("customers") {
            true => json!({ "company": text }),
            false => json!({ "buyer_reference": text }),
        };
        let patch = |value: &str, text: &str| {
            let request = asking(Method::PATCH, &path, Some(&stage.shop))
                .header("content-type", "application/merge-patch+json")
                .header("if-match", value);
            stage.ask(request.body(body(text).to_string().into()).unwrap())
        };
        let tag = stage.get(&path).expect(200).header("etag").unwrap().to_owned();
        let first = patch(&tag, "one").expect(200);
        let changes = stage.changes().len();
        for stale in [tag.as_str(), "\"0\"", &format!("W/{tag}"), ""] {
            patch(stale, "two").refused(412);
        }
        assert_eq!(stage.changes().len(), changes);
        // The tag of a write is the tag of the next read.
        assert_eq!(stage.get(&path).expect(200).header("etag"), first.header("etag"), "{path}");
        let second = patch(&format!("\"0\", {}", first.header("etag").unwrap()), "three").expect(200);
        assert_ne!(second.header("etag"), first.header("etag"));
        patch("*", "four").expect(200);
    }
}

#[test]
fn of_changes_at_one_time_the_system_takes_one_and_the_others_are_told() {
    let stage = Stage::open(no_edit);
    let order = stage.open_order();
    stage.erp.forget();
    // Everybody has read the record before the first change of it is through.
    stage.erp.trouble(Some(Trouble::Wait(Duration::from_millis(400))));
    let answers = runtime().block_on(async {
        let asked = (0..5).map(|n| {
            let body = json!({ "buyer_reference": format!("PO-{n}") }).to_string();
            let request = line::json(Method::PATCH, &order, Some(&stage.shop), &body);
            let (address, ca) = (stage.address(), stage.ca());
            async move { Line::open(address, &ca).await.ask(request).await.unwrap() }
        });
        futures_util::future::join_all(asked).await
    });
    stage.erp.trouble(None);
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 4));
    for answer in lost {
        assert_eq!(kinds(&stage.written(&answer)), ["intent", "answer"]);
        assert_eq!(answer.refused(409).json()["type"], "https://bramka.example/problems/conflict");
    }
    assert_eq!(stage.get(&order).expect(200).json()["buyer_reference"], won[0].json()["buyer_reference"]);
}

#[test]
fn a_second_record_of_one_key_is_refused_without_naming_the_first_to_who_may_not_read_it() {
    // To who may not read it: who may is told its id.
    let blind =
        "@id(\"no-reading\")\nforbid (principal, action == Action::\"read\", resource is Customer);\n";
    let stage = Stage::open(with(blind));
    stage.shop(Method::POST, "/v1/customers", &ewa("twice@example.com")).expect(201);
    let refused = stage.shop(Method::POST, "/v1/customers", &ewa("TWICE@example.com")).refused(409);
    assert_eq!(refused.json()["type"], "https://bramka.example/problems/duplicate");
    let text = String::from_utf8(refused.body.to_vec()).unwrap();
    assert!(!text.contains("70100") && !text.contains("Existing"), "{text}");
    assert_eq!(kinds(&stage.written(&refused)), ["intent", "answer"]);
}

#[test]
fn all_faults_of_a_body_are_told_at_once_each_with_its_place() {
    let stage = Stage::open(no_edit);
    stage.crm.forget();
    let body = json!({
        "kind": "robot", "given_name": 7, "nope": true, "status": "active",
        "emails": [{ "value": "ok@example.com" }, { "value": false, "colour": "red" }],
        "addresses": [{ "country": ["PL"] }], "language": "x".repeat(36),
    });
    let refused = stage.shop(Method::POST, "/v1/customers", &body).refused(422).json();
    let mut places = pointers(&refused);
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "/addresses/0/country",
            "/emails/1/colour",
            "/emails/1/value",
            "/given_name",
            "/kind",
            "/language",
            "/name",
            "/nope",
            "/status"
        ]
    );
    let raw = |body: &str| stage.ask(line::json(Method::POST, "/v1/customers", Some(&stage.shop), body));
    for broken in
        ["", "[]", "{", "null", "{\"kind\":\"person\",\"name\":\"A\",\"name\":\"B\"}", "{\"name\":1e999}"]
    {
        raw(broken).refused(422);
    }
    for deep in ["[".repeat(100_000), format!("{{\"name\":{}", "[".repeat(100_000))] {
        raw(&deep).refused(422);
    }
    assert_eq!(stage.crm.seen(), [], "nothing was asked of the system");
}

#[test]
fn a_body_of_another_sort_is_not_read() {
    let stage = Stage::open(no_edit);
    let send = |kind: Option<&str>, encoding: Option<&str>| {
        let mut request = asking(Method::POST, "/v1/customers", Some(&stage.shop));
        for (name, value) in [("content-type", kind), ("content-encoding", encoding)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        stage.ask(request.body(ewa("sort@example.com").to_string().into()).unwrap())
    };
    send(None, None).refused(415);
    send(Some("text/plain"), None).refused(415);
    send(Some("application/json"), Some("gzip")).refused(415);
    send(Some("application/merge-patch+json"), None).refused(415);
    assert_eq!(stage.changes(), []);
    send(Some("application/json; charset=utf-8"), None).expect(201);
}

#[test]
fn a_field_that_may_not_be_written_is_refused_by_name_and_never_dropped() {
    let stage = Stage::open(no_edit);
    stage.crm.forget();
    let body = json!({ "lifecycle": "customer", "vat_id": "PL1", "id": "7", "created_at": "2026-01-01T00:00:00Z", "kind": "company" });
    let refused = stage.shop(Method::PATCH, FIRST, &body).refused(422).json();
    assert_eq!(pointers(&refused), ["/vat_id", "/id", "/created_at", "/kind"]);
    assert_eq!(stage.changes(), []);
    // A field that the caller neither sees nor writes looks like one that does not exist.
    let order = stage.open_order();
    let told = |field: &str| {
        let body = json!({ field: "x" }).to_string();
        let refused =
            stage.ask(line::json(Method::PATCH, &order, Some(&stage.portal), &body)).refused(422).json();
        refused["errors"].to_string().replace(field, "FIELD")
    };
    assert_eq!(told("salesperson"), told("zzzzzzzzzzz"));
}

#[test]
fn a_write_is_judged_on_the_record_as_it_is_and_as_it_would_be() {
    let stage = Stage::open(with(
        "@id(\"leads-get-a-number\")\n@writes(\"vat_id\")\npermit (principal in Group::\"apps\", action == Action::\"update\", \
         resource is Customer)\nwhen { resource has lifecycle && resource.lifecycle == \"lead\" };\n",
    ));
    let customer = "/v1/customers/701000000038";
    assert_eq!(stage.get(customer).expect(200).json()["lifecycle"], "customer");
    let number = json!({ "vat_id": "PL5260250274" });
    let refused = stage.shop(Method::PATCH, customer, &number).refused(403).json();
    assert_eq!(pointers(&refused), ["/vat_id"]);
    assert_eq!(stage.get(FIRST).expect(200).json()["lifecycle"], "lead");
    let both = json!({ "vat_id": "PL5260250274", "lifecycle": "customer" });
    assert_eq!(pointers(&stage.shop(Method::PATCH, FIRST, &both).refused(403).json()), ["/vat_id"]);
    assert_eq!(stage.changes(), []);
    assert_eq!(stage.shop(Method::PATCH, FIRST, &number).expect(200).json()["vat_id"], "PL5260250274");
}

#[test]
fn a_masked_value_that_is_sent_back_is_refused() {
    let stage = Stage::open(|policies| {
        change(
            policies,
            "access/partners.cedar",
            "buyer_reference, requested_on\")",
            "buyer_reference, requested_on, email\")",
        );
    });
    let path = stage.open_order();
    let portal =
        |body: &Value| stage.ask(line::json(Method::PATCH, &path, Some(&stage.portal), &body.to_string()));
    let seen = stage.ask(bare(Method::GET, &path, Some(&stage.portal))).expect(200).json()["email"].clone();
    assert!(seen.as_str().unwrap().contains("***"), "{seen}");
    let refused = portal(&json!({ "email": seen, "buyer_reference": "PO-8" })).refused(422).json();
    assert_eq!(pointers(&refused), ["/email"]);
    assert_eq!(refused["detail"], "masked values were sent back");
    assert_eq!(stage.changes(), []);
    let changed = portal(&json!({ "email": "new@example.com" })).expect(200).json();
    assert_eq!(changed["email"], "n***@example.com");
    assert_eq!(stage.get(&path).expect(200).json()["email"], "new@example.com");
}

#[test]
fn null_clears_a_field_in_the_system_s_own_way() {
    let stage = Stage::open(no_edit);
    assert!(stage.get(FIRST).expect(200).json()["company"].is_string());
    stage.crm.forget();
    let answer = stage.shop(Method::PATCH, FIRST, &json!({ "company": null })).expect(200);
    assert_eq!(stage.changes()[0].body, r#"{"properties":{"company":""}}"#);
    assert!(answer.json().get("company").is_none());
    assert_eq!(stage.written(&answer)[0]["changed"], json!(["company"]));
    let order = stage.open_order();
    stage.shop(Method::PATCH, &order, &json!({ "requested_on": "2026-12-24" })).expect(200);
    let cleared = stage.shop(Method::PATCH, &order, &json!({ "requested_on": null })).expect(200);
    assert!(cleared.json().get("requested_on").is_none());
    assert_eq!(stage.changes().last().unwrap().body, r#"{"requestedDeliveryDate":"0001-01-01"}"#);
}

#[test]
fn a_put_replaces_what_the_caller_may_write_and_leaves_the_rest() {
    let stage = Stage::open(no_edit);
    let before = stage.get(FIRST).expect(200).json();
    assert!(before.get("company").is_some() && before["addresses"].as_array().unwrap().len() == 1);
    let body = json!({
        "name": before["name"], "given_name": before["given_name"], "family_name": before["family_name"],
        "emails": [{ "value": "put@example.com" }],
    });
    let after = stage.shop(Method::PUT, FIRST, &body).expect(200).json();
    assert_eq!(after["emails"], json!([{ "value": "put@example.com" }]));
    for gone in ["company", "lifecycle"] {
        assert!(after.get(gone).is_none(), "{gone}");
    }
    assert_eq!(after["addresses"], json!([]));
    for kept in ["id", "kind", "name", "status", "created_at"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(after, stage.get(FIRST).expect(200).json());
}

#[test]
fn a_deleted_record_is_gone_and_a_second_delete_finds_nothing() {
    let stage = Stage::open(with(
        "@id(\"apps-delete\")\npermit (principal in Group::\"apps\", action == Action::\"delete\", resource is Customer);\n",
    ));
    let tag = stage.get(FIRST).expect(200).header("etag").unwrap().to_owned();
    let delete = |tag: Option<&str>| {
        let mut request = asking(Method::DELETE, FIRST, Some(&stage.shop));
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        stage.ask(request.body(http_body_util::Full::default()).unwrap())
    };
    delete(Some("\"0\"")).refused(412);
    let gone = delete(Some(&tag)).expect(204);
    assert!(gone.body.is_empty());
    assert_eq!(gone.header("bramka-unguarded"), Some("true"));
    let entries = stage.written(&gone);
    assert_eq!(kinds(&entries), ["intent", "answer"]);
    assert_eq!(entries[0]["write"], "delete");
    stage.get(FIRST).refused(404);
    delete(None).refused(404);
}

#[test]
fn who_may_create_but_not_read_is_told_the_id_and_nothing_else() {
    let stage = Stage::open(|policies| {
        change(
            policies,
            "access/apps.cedar",
            "action in [Action::\"list\", Action::\"read\"],\n  resource is Customer",
            "action == Action::\"list\",\n  resource is Customer",
        );
    });
    let created = stage.shop(Method::POST, "/v1/customers", &ewa("unread@example.com")).expect(201).json();
    assert_eq!(created.as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn a_write_that_the_system_breaks_off_is_not_sent_twice() {
    let stage = Stage::open(no_edit);
    stage.crm.forget();
    stage.crm.trouble(Some(Trouble::HangUp));
    let answer = stage.shop(Method::POST, "/v1/customers", &ewa("once@example.com")).refused(502);
    stage.crm.trouble(None);
    assert_eq!(stage.changes().len(), 1);
    let entries = stage.written(&answer);
    assert_eq!(kinds(&entries), ["intent", "answer"]);
    assert_eq!(entries[1]["status"], 502);
    assert!(entries[1]["notes"].to_string().contains("sent"), "{}", entries[1]["notes"]);
}

/// Sends a create, and goes away once its intent is in the journal. Gives the exchange's id.
fn go_away(stage: &Stage, email: &str) -> String {
    let body = ewa(email).to_string();
    let head = format!(
        "POST /v1/customers HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        stage.shop,
        body.len()
    );
    let known = book::entries(&stage.data()).len();
    runtime().block_on(async {
        let mut stream = connect(stage.address(), &stage.ca()).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let found = std::cell::RefCell::new(String::new());
        until("the intent is written down", || {
            let entries = book::entries(&stage.data());
            let intent = entries.iter().skip(known).find(|entry| entry["kind"] == "intent");
            intent
                .inspect(|intent| intent["request"].as_str().unwrap().clone_into(&mut found.borrow_mut()))
                .is_some()
        });
        assert_eq!(kinds(&book::of(&stage.data(), &found.borrow())), ["intent"]);
        drop(stream);
        found.into_inner()
    })
}

#[test]
fn a_write_runs_to_its_end_when_the_caller_goes_away() {
    let stage = Stage::open(no_edit);
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_millis(500))));
    let request = go_away(&stage, "away@example.com");
    stage.crm.trouble(None);
    until("the outcome is written down", || book::of(&stage.data(), &request).len() == 2);
    assert_eq!(book::of(&stage.data(), &request)[1]["status"], 201);
    assert_eq!(stage.get("/v1/customers?emails.value=away%40example.com").expect(200).items().len(), 1);
}

#[test]
fn a_stopping_gate_ends_the_writes_that_it_began() {
    let mut stage = Stage::open_as(&Staging::default(), no_edit);
    stage.crm.trouble(Some(Trouble::Wait(Duration::from_millis(500))));
    let request = go_away(&stage, "stopped@example.com");
    assert_eq!(stage.stop(), 0, "{}", stage.stderr());
    let entries = book::of(&stage.data(), &request);
    assert_eq!(kinds(&entries), ["intent", "answer"]);
    assert_eq!(entries[1]["status"], 201);
    assert!(book::verify(&stage.data()).is_whole());
}

#[test]
fn every_operation_by_another_name_is_one_operation_of_the_journal() {
    let demo = Demo::start();
    let patched = demo.ask(Method::PATCH, FIRST).json(&json!({ "company": "A" })).send().expect(200);
    let put_with = json!({ "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak" });
    let put = demo.ask(Method::PUT, FIRST).json(&put_with).send().expect(200);
    for answer in [patched, put] {
        let entries = book::of(&demo.data(), answer.header("x-request-id").unwrap());
        assert!(entries.iter().all(|entry| entry["action"] == "update" && entry["target"] == "Customer"));
        let records: Vec<&Value> = entries.iter().map(|entry| &entry["records"]).collect();
        assert!(records.iter().all(|record| record == &records[0] && record.is_array()), "{records:?}");
    }
    // A method in a header is not a method.
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        demo.ask(Method::POST, "/v1/customers")
            .with(name, "DELETE")
            .json(&ewa("x@example.com"))
            .send()
            .refused(400);
    }
    demo.ask(Method::POST, FIRST).json(&ewa("x@example.com")).send().refused(405);
    demo.ask(Method::DELETE, "/v1/customers").send().refused(405);
    let refused =
        demo.ask(Method::PATCH, FIRST).by(Who::Partner).json(&json!({ "company": "B" })).send().refused(403);
    assert_eq!(kinds(&book::of(&demo.data(), refused.header("x-request-id").unwrap())), ["answer"]);
}

#[test]
fn an_unsafe_call_is_written_down_before_it_is_passed_on() {
    let demo = Demo::start();
    let body = json!({ "properties": { "firstname": "Ola", "email": "ola@example.com" } });
    let path = "/systems/crm/crm/v3/objects/contacts";
    let made = demo.ask(Method::POST, path).json(&body).send().expect(201);
    let entries = book::of(&demo.data(), made.header("x-request-id").unwrap());
    assert_eq!(kinds(&entries)[..2], ["intent", "answer"]);
    assert_eq!(entries[0]["system"], "crm");
    assert!(!entries[0].to_string().contains("contacts"), "paths may hold ids");
    // A small answer is over with its entry; the end of a stream is another one.
    let kinds_of = |answer: &Answer| {
        let entries = book::of(&demo.data(), answer.header("x-request-id").unwrap());
        entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds_of(&demo.get(path).send().expect(200)), ["answer"]);
    let large = demo.get("/systems/erp/salesOrders?$expand=salesOrderLines").send().expect(200);
    assert!(large.body.len() > 64 * 1024);
    until("the stream's end is written down", || kinds_of(&large) == ["answer", "close"]);
    let close = book::of(&demo.data(), large.header("x-request-id").unwrap()).pop().unwrap();
    assert_eq!((&close["ended"], &close["bytes_out"]), (&json!("complete"), &json!(large.body.len())));
    demo.ask(Method::DELETE, &format!("{path}/701000000001")).send().refused(403);
}

#[test]
fn what_a_write_shows_and_tags_is_what_the_next_read_shows_and_tags() {
    // The partner sees of a telephone what it is for, and not the number.
    let stage = Stage::open(with(
        "@id(\"partner-kinds\")\n@fields(\"id, company, phones\")\npermit (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n\
         @id(\"partner-firms\")\n@writes(\"company\")\npermit (principal in Group::\"partners\", action == Action::\"update\", resource is Customer);\n",
    ));
    let numbered = json!({ "phones": [{ "type": "work", "value": "+48 22 555 0101" }] });
    stage.shop(Method::PATCH, FIRST, &numbered).expect(200);
    let before = stage.portal_get(FIRST).expect(200);
    let patch = |tag: &str, company: &str| {
        let request = asking(Method::PATCH, FIRST, Some(&stage.portal))
            .header("content-type", "application/json")
            .header("if-match", tag);
        stage.ask(request.body(json!({ "company": company }).to_string().into()).unwrap())
    };
    let changed = patch(before.header("etag").unwrap(), "Tag Ltd").expect(200);
    let after = stage.portal_get(FIRST).expect(200);
    assert_eq!((changed.json(), changed.header("etag")), (after.json(), after.header("etag")));
    // So it is where nothing changes.
    let same = patch(after.header("etag").unwrap(), "Tag Ltd").expect(200);
    assert_eq!((same.json(), same.header("etag")), (after.json(), after.header("etag")));
}

#[test]
fn a_refused_write_tells_nothing_of_a_value_that_its_caller_does_not_see() {
    let stage = Stage::open(with(
        "@id(\"partner-kinds\")\n@fields(\"id, company, phones\")\npermit (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n\
         @id(\"partner-phones\")\n@writes(\"phones, company\")\npermit (principal in Group::\"partners\", action == Action::\"update\", resource is Customer);\n",
    ));
    let customers = stage.get("/v1/customers?limit=50").expect(200).items();
    let with_number = |there: bool| {
        let found =
            customers.iter().find(|one| one["phones"].as_array().is_some_and(|p| !p.is_empty()) == there);
        format!("/v1/customers/{}", found.unwrap()["id"].as_str().unwrap())
    };
    let (there, not_there) = (with_number(true), with_number(false));
    for body in
        [json!({ "phones": [{ "type": "mobile" }] }), json!({ "phones": [] }), json!({ "phones": null })]
    {
        let told = |path: &str| {
            let answer = stage
                .ask(line::json(Method::PATCH, path, Some(&stage.portal), &body.to_string()))
                .refused(403);
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains("value"), "{text}");
            text.replace(answer.header("x-request-id").unwrap(), "ID")
        };
        assert_eq!(told(&there), told(&not_there), "{body}");
    }
    assert_eq!(stage.changes(), []);
    let other = json!({ "company": "Other Ltd" }).to_string();
    stage.ask(line::json(Method::PATCH, &there, Some(&stage.portal), &other)).expect(200);
}

#[test]
fn a_put_leaves_alone_what_may_not_change_on_this_very_record() {
    let stage = Stage::open(|policies| {
        change(
            policies,
            "access/partners.cedar",
            "@writes(\"buyer_reference, requested_on\")",
            "@writes(\"buyer_reference\")",
        );
        with(
            "@id(\"days-of-euro-orders\")\n@writes(\"requested_on\")\npermit (principal in Group::\"partners\", action == Action::\"update\", \
             resource is Order)\nwhen { resource has currency && resource.currency == \"EUR\" };\n",
        )(policies);
    });
    let order = |currency: &str| {
        let query = format!("/v1/orders?status=open&customer=20000&currency={currency}&limit=1");
        let path = format!("/v1/orders/{}", stage.get(&query).expect(200).items()[0]["id"].as_str().unwrap());
        stage.shop(Method::PATCH, &path, &json!({ "requested_on": "2026-12-24" })).expect(200);
        path
    };
    let put = |path: &str| {
        let body = json!({ "buyer_reference": "PO-PUT" }).to_string();
        stage.ask(line::json(Method::PUT, path, Some(&stage.portal), &body)).expect(200).json()
    };
    let (dollars, euros) = (put(&order("USD")), put(&order("EUR")));
    assert_eq!(
        (&dollars["buyer_reference"], &dollars["requested_on"]),
        (&json!("PO-PUT"), &json!("2026-12-24"))
    );
    assert_eq!((&euros["buyer_reference"], euros.get("requested_on")), (&json!("PO-PUT"), None));
}

#[test]
fn a_write_that_is_done_is_never_told_as_failed() {
    type Poor = fn(&Ask, Response<Bytes>) -> Response<Bytes>;
    fn unreadable(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        if is_write(ask) { answer.map(|_| Bytes::from_static(b"{\"id\":")) } else { answer }
    }
    fn empty(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        if is_write(ask) { answer.map(|_| Bytes::new()) } else { answer }
    }
    // The answer holds the id alone, and the system cannot be asked again.
    fn not_read_back(ask: &Ask, answer: Response<Bytes>) -> Response<Bytes> {
        let is_asked_for = ask.method == Method::GET && !answer.status().is_client_error();
        match serde_json::from_slice::<Value>(answer.body()) {
            Ok(body) if is_write(ask) => said(answer.status().as_u16(), &json!({ "id": body["id"] })),
            Ok(body) if is_asked_for && body["properties"]["company"] == "Done Ltd" => {
                said(500, &json!({ "category": "OOPS", "message": "oops" }))
            }
            _ => answer,
        }
    }
    let of: [(Poor, &str, bool); 3] =
        [(unreadable, "unreadable", false), (empty, "empty", false), (not_read_back, "not read back", true)];
    for (twist, what, is_known) in of {
        let twisted = Twisted::crm(twist);
        let stage = Stage::open(|policies| twisted.serve(policies));
        let body = json!({ "kind": "person", "name": "Ola Done", "given_name": "Ola", "family_name": "Done",
                           "company": "Done Ltd", "emails": [{ "value": "ola.done@example.com" }] });
        let created = stage.shop(Method::POST, "/v1/customers", &body).expect(201);
        assert_eq!(created.header("etag"), None, "{what}");
        let written = stage.written(&created);
        assert_eq!(
            (kinds(&written), &written[1]["status"]),
            (vec!["intent", "answer"], &json!(201)),
            "{what}"
        );
        if is_known {
            let id = created.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(created.header("location"), Some(format!("/v1/customers/{id}").as_str()));
        } else {
            assert_eq!((created.body.len(), created.header("location")), (0, None), "{what}");
        }
        let updated = stage.shop(Method::PATCH, FIRST, &json!({ "company": "Done Ltd" })).expect(200);
        assert_eq!(updated.json()["id"], "701000000001", "{what}");
        if is_known {
            assert_eq!(updated.json(), json!({ "id": "701000000001" }));
            assert!(stage.written(&updated)[1]["notes"].to_string().contains("read_back"));
        } else {
            assert_eq!(updated.json()["company"], "Done Ltd", "{what}");
        }
        assert_eq!(twisted.crm.seen().iter().filter(|seen| seen.method == "POST").count(), 1, "{what}");
    }
}

#[test]
fn a_system_s_faults_name_only_fields_that_the_caller_knows_of() {
    let twisted = Twisted::crm(|ask, answer| {
        if !is_write(ask) {
            return answer;
        }
        let faults = r#"[{"name":"company","message":"no"},{"name":"mobilephone","message":"no"},{"name":"email","message":"no"}]"#;
        let message = format!("Property values were not valid: {faults}");
        said(400, &json!({ "status": "error", "category": "VALIDATION_ERROR", "message": message }))
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        with(
            "@id(\"partner-firms\")\n@writes(\"company\")\npermit (principal in Group::\"partners\", action == Action::\"update\", resource is Customer);\n",
        )(policies);
    });
    let told = |token: &str, company: &str| {
        let body = json!({ "company": company }).to_string();
        let answer = stage.ask(line::json(Method::PATCH, FIRST, Some(token), &body)).refused(422).json();
        pointers(&answer).iter().map(|pointer| (*pointer).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&stage.portal, "One Ltd"), ["/company", ""]);
    assert_eq!(told(&stage.shop, "Two Ltd"), ["/company", "/phones/0/value", "/emails/0/value"]);
}

#[test]
fn a_record_whose_judged_fields_the_system_does_not_tell_is_not_changed() {
    let twisted = Twisted::crm(|ask, answer| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        if ask.method != Method::GET || body.as_object_mut().unwrap().remove("archived").is_none() {
            return answer;
        }
        said(200, &body)
    });
    let stage = Stage::open(|policies| twisted.serve(policies));
    let refused = stage.shop(Method::PATCH, FIRST, &json!({ "company": "Untold Ltd" })).refused(404);
    assert_eq!(twisted.crm.seen().iter().filter(|seen| seen.method != "GET").count(), 0);
    let entry = stage.written(&refused).pop().unwrap();
    assert_eq!(entry["refusal"], "untold");
    assert!(entry["notes"].to_string().contains("\"status\""), "{entry}");
}

#[test]
fn a_statement_that_errs_on_the_new_record_refuses_the_change_and_hides_nothing() {
    let stage = Stage::open(with(
        "@id(\"costs\")\n@writes(\"unit_cost\")\npermit (principal in Group::\"apps\", action == Action::\"update\", resource is Product);\n\
         @id(\"no-riches\")\nforbid (principal, action == Action::\"update\", resource is Product)\n\
         when { resource has unit_cost && resource.unit_cost.greaterThan(decimal(\"99999.0\")) };\n",
    ));
    let product = format!(
        "/v1/products/{}",
        stage.get("/v1/products?limit=1").expect(200).items()[0]["id"].as_str().unwrap()
    );
    stage.shop(Method::PATCH, &product, &json!({ "unit_cost": "2.5" })).expect(200);
    let refused = stage.shop(Method::PATCH, &product, &json!({ "unit_cost": "2.123456" })).refused(403);
    assert_eq!(refused.json()["type"], "https://bramka.example/problems/unwritable");
}

#[test]
fn a_refused_change_leaves_what_it_was_judged_on_and_the_digests_that_a_forbid_asks_for() {
    let stage = Stage::open(with(
        "@id(\"no-former-customers\")\n@audit(\"body-digest\")\nforbid (principal, action == Action::\"update\", resource is Customer)\n\
         when { resource has lifecycle && resource.lifecycle == \"former\" };\n",
    ));
    let refused = stage.shop(Method::PATCH, FIRST, &json!({ "lifecycle": "former" })).refused(403);
    let entry = stage.written(&refused).pop().unwrap();
    assert_eq!(entry["decided"], json!(["no-former-customers"]));
    let read = entry["read"].to_string();
    for name in ["\"lifecycle\"", "\"new:lifecycle\"", "\"status\""] {
        assert!(read.contains(name), "{name} in {read}");
    }
    let notes = entry["notes"].to_string();
    assert!(notes.contains("body_sent") && notes.contains("body_shown"), "{notes}");
}

#[test]
fn a_method_that_is_not_possible_is_answered_with_those_that_are() {
    let stage = Stage::open(with(
        "@id(\"delete-stock\")\npermit (principal in Group::\"apps\", action == Action::\"delete\", resource is StockLevel);\n",
    ));
    let send = |method: &[u8], path: &str| {
        let method = Method::from_bytes(method).unwrap();
        stage.ask(bare(method, path, Some(&stage.shop))).refused(405)
    };
    assert_eq!(send(b"DELETE", "/v1/stock-levels/x").header("allow"), Some("GET, HEAD"));
    assert!(send(b"TRACE", "/v1/stock-levels/x").header("allow").unwrap().contains("GET"));
}
