//! A collection that stands in several systems: one serves it, the others tell some of its fields, and what one of them
//! cannot tell is said to be missing instead of sinking the rest.

use std::{fs, path::Path, sync::Arc, thread};

use bramka::demo::standin::{self, Answers, Ask, Seen, StandIn, Trouble};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{runtime::Builder, sync::oneshot};

use crate::{
    book,
    included::Together,
    kit::{Answer, runtime},
    line,
    stage::Stage,
    writes::{Twisted, change, said},
};

/// Accounts of customers, by number; each has a VAT number, a limit and days to pay.
pub(crate) type Accounts = Arc<Mutex<Vec<(u32, String, String, u32)>>>;

/// An accounting system that is asked for accounts by their VAT numbers, or for one by its number, and changes one that
/// is as its version says; while the second is set, it answers changes so.
struct Books(Accounts, Arc<Mutex<Option<Trouble>>>);

impl Books {
    fn changed(&self, no: &str, ask: &Ask) -> Response<Bytes> {
        if let Some(Trouble::Answer(status, text)) = &*self.1.lock() {
            return said(*status, &serde_json::from_str(text).unwrap());
        }
        let mut accounts = self.0.lock();
        let Some(account) = accounts.iter_mut().find(|account| account.0.to_string() == no) else {
            return said(404, &json!({}));
        };
        if ask.headers.get("if-match").and_then(|tag| tag.to_str().ok()) != Some(&rev(account)) {
            return said(412, &json!({ "error": "it has changed" }));
        }
        let change: Value = serde_json::from_slice(&ask.body).unwrap();
        for (name, value) in change.as_object().unwrap() {
            match name.as_str() {
                "limit" => account.2 = format!("{:.2}", value.as_f64().unwrap()),
                "days" => account.3 = value.as_u64().map_or(0, |days| u32::try_from(days).unwrap()),
                other => return said(400, &json!({ "error": format!("no field {other}") })),
            }
        }
        said(200, &json!({}))
    }
}

fn rev((_, _, limit, days): &(u32, String, String, u32)) -> String {
    format!("{limit}-{days}")
}

impl Answers for Books {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let told = |(no, vat, limit, days): &(u32, String, String, u32)| {
            json!({ "no": no, "vat": vat, "limit": limit, "used": "7.50", "days": days, "title": "Books Ltd.",
                "belongs_to": "900", "rev": rev(&(0, String::new(), limit.clone(), *days)) })
        };
        let one = ask.path.strip_prefix("/accounts/");
        if let (Some(no), &Method::PATCH) = (one, &ask.method) {
            return self.changed(no, ask);
        }
        let accounts = self.0.lock();
        if let Some(no) = one {
            let found = accounts.iter().find(|account| account.0.to_string() == no);
            return found.map_or_else(|| said(404, &json!({})), |account| said(200, &told(account)));
        }
        let pairs = ask.pairs();
        let Some((_, wanted)) = pairs.iter().find(|(name, _)| name == "vat") else {
            return said(400, &json!({ "error": "vat is needed" }));
        };
        let wanted: Vec<&str> = wanted.split(',').collect();
        let found: Vec<Value> =
            accounts.iter().filter(|account| wanted.contains(&account.1.as_str())).map(told).collect();
        said(200, &json!({ "items": found }))
    }
}

const FILE: &str = r#"
system: books
base: "http://{address}"
sign_in: none
allow_local: true
filters:
  plain: { shape: flat, text: exactly, between: ",", fields: { vat: { in: vat } } }
entities:
  Customer:
    at: /accounts
    key: { at: no, form: digits }
    list: { rows: items, filter: plain }
    read: {}
    fields:
      kind: =company
      name: title
      vat_id: { at: vat, spelt: once }
      credit: { currency: =PLN, limit: { at: limit, as: { scale: 2 } }, used: { at: used, write: never } }
      payment_terms: { days: days }
      parent: { ref: Customer, at: belongs_to, form: digits }
"#;

pub(crate) struct Two {
    pub(crate) stage: Stage,
    pub(crate) books: StandIn,
    pub(crate) accounts: Accounts,
    /// What changes are answered with.
    pub(crate) refusing: Arc<Mutex<Option<Trouble>>>,
    _end: oneshot::Sender<()>,
}

/// The customers that a test makes.
const NEW: &str = "/v1/customers?vat_id[in]=US1,US2,US3";

pub(crate) const ON_VAT: &str =
    "{ system: crm, with: { books: { fields: [credit, payment_terms], on: vat_id } } }";

impl Two {
    pub(crate) fn open(serves: &str, edit: impl FnOnce(&Path)) -> Self {
        let accounts = Accounts::default();
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let refusing = Arc::default();
        let books = Books(accounts.clone(), Arc::clone(&refusing));
        thread::spawn(move || {
            runtime().block_on(async {
                drop(tell.send(standin::start(0, Arc::new(books)).await.unwrap()));
                drop(ended.await);
            });
        });
        let books: StandIn = told.blocking_recv().unwrap();
        let stage = Stage::open(|policies| {
            crate::reads::roomy(policies);
            let file = FILE.replace("{address}", &books.address.to_string());
            fs::write(policies.join("systems/books.yaml"), file).unwrap();
            change(policies, "gateway.yaml", "customers: crm", &format!("customers: {serves}"));
            let seen = "credit.limit, credit.used, payment_terms.days";
            change(
                policies,
                "access/apps.cedar",
                "@fields(\"*, name, given_name",
                &format!("@fields(\"*, {seen}, name, given_name"),
            );
            edit(policies);
        });
        Self { stage, books, accounts, refusing, _end: end }
    }

    fn usual() -> Self {
        Self::open(ON_VAT, |_| {})
    }

    /// Makes a customer with a VAT number, and its account.
    pub(crate) fn customer(&self, vat: &str, limit: &str, days: u32) -> String {
        self.account(vat, limit, days);
        let body = json!({ "kind": "person", "name": format!("Jan {vat}"), "given_name": "Jan", "family_name": vat,
            "vat_id": vat, "emails": [{ "value": format!("{vat}@example.com").to_lowercase() }] });
        let made = self.stage.shop(Method::POST, "/v1/customers", &body).expect(201);
        format!("/v1/customers/{}", made.json()["id"].as_str().unwrap())
    }

    pub(crate) fn account(&self, vat: &str, limit: &str, days: u32) {
        let mut accounts = self.accounts.lock();
        let no = 500 + u32::try_from(accounts.len()).unwrap();
        accounts.push((no, vat.to_owned(), limit.to_owned(), days));
    }

    pub(crate) fn asked(&self) -> Vec<Seen> {
        let seen = self.books.seen();
        self.books.forget();
        seen
    }

    pub(crate) fn entry(&self, answer: &Answer) -> Value {
        let id = answer.header("x-request-id").unwrap();
        let entries = book::entries(&self.stage.data());
        let of = entries.into_iter().find(|entry| entry["request"] == id && entry["kind"] == "answer");
        of.unwrap_or_else(|| panic!("no entry of {id}"))
    }
}

pub(crate) fn note<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    let notes = entry["notes"].as_array()?;
    notes.iter().find(|note| note[0] == name)?[1].as_str()
}

#[test]
fn a_record_holds_what_each_of_its_systems_tells_and_a_page_costs_one_more_question() {
    let two = Two::usual();
    let anna = two.customer("US1", "1000.00", 14);
    two.customer("US2", "20.00", 30);
    two.asked();
    let record = two.stage.get(&anna).expect(200);
    let own = record.json();
    assert_eq!(own["credit"], json!({ "currency": "PLN", "limit": "1000.00", "used": "7.50" }));
    assert_eq!(own["payment_terms"], json!({ "days": 14 }));
    assert_eq!(own["name"], "Jan US1", "what the serving system tells stays its own");
    assert!(record.header("etag").is_some());
    assert_eq!(two.asked().len(), 1);
    let items = two.stage.get(NEW).expect(200).items();
    assert_eq!(items.len(), 2);
    let asked = two.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let limits: Vec<&Value> = items.iter().map(|item| &item["credit"]["limit"]).collect();
    assert!(limits.contains(&&json!("1000.00")) && limits.contains(&&json!("20.00")));
    let found = items.iter().find(|item| item["id"] == own["id"]).unwrap();
    assert_eq!(*found, own);
    // The entry names both systems and what was shown.
    let entry = two.entry(&record);
    let systems: Vec<&Value> =
        entry["calls"].as_array().unwrap().iter().map(|call| &call["system"]).collect();
    assert_eq!(systems, ["crm", "books"]);
    assert!(entry["shown"][0]["fields"].as_array().unwrap().contains(&json!("credit.limit")));
}

#[test]
fn the_description_says_where_fields_may_be_missing() {
    let two = Two::usual();
    let document = two.stage.get("/openapi.json").expect(200).json();
    let schemas = &document["components"]["schemas"];
    assert!(schemas["Customer.read"]["properties"]["partial"].is_object());
    let list = &document["paths"]["/v1/customers"]["get"]["responses"]["200"]["content"]["application/json"];
    assert!(list["schema"]["properties"]["partial"].is_object(), "{list}");
    assert!(schemas["Order.read"]["properties"]["partial"].is_null());
}

#[test]
fn what_nobody_asks_for_is_not_asked_for() {
    let two = Two::usual();
    let anna = two.customer("US1", "1000.00", 14);
    two.asked();
    two.stage.get(&format!("{anna}?fields=name")).expect(200);
    two.stage.get("/v1/customers?fields=name&limit=5").expect(200);
    assert!(two.asked().is_empty());
}

#[test]
fn a_system_that_is_away_is_said_to_be_missing_and_sinks_nothing() {
    let two = Two::usual();
    let anna = two.customer("US1", "1000.00", 14);
    let whole = two.stage.get(&anna).expect(200).json();
    for trouble in [Trouble::HangUp, Trouble::Answer(500, "{}".into()), Trouble::Answer(200, "no".into())] {
        two.books.trouble(Some(trouble.clone()));
        let answer = two.stage.get(&anna).expect(200);
        let mut record = answer.json();
        let partial = record.as_object_mut().unwrap().remove("partial").unwrap();
        assert_eq!(partial[0]["fields"], json!(["payment_terms", "credit"]), "{trouble:?}");
        assert!(partial[0]["problem"]["status"].as_u64().unwrap() >= 500);
        assert!(answer.header("etag").is_none(), "what is not whole has no version");
        let mut without = whole.clone();
        without.as_object_mut().unwrap().retain(|name, _| name != "credit" && name != "payment_terms");
        assert_eq!(record, without);
        assert!(note(&two.entry(&answer), "lacks").unwrap().starts_with("books: "));
        let page = two.stage.get(NEW).expect(200).json();
        assert_eq!(page["partial"][0]["fields"], partial[0]["fields"]);
        assert!(page["items"].as_array().unwrap().iter().all(|item| item["partial"].is_null()));
        // Only what the caller would have been shown is missing to it.
        let named = two.stage.get(&format!("{anna}?fields=name,credit")).expect(200).json();
        assert_eq!(named["partial"][0]["fields"], json!(["credit"]));
        two.books.trouble(None);
    }
    crate::kit::until("it is whole again", || two.stage.get(&anna).json()["partial"].is_null());
}

#[test]
fn what_a_filter_an_order_or_a_table_goes_by_is_never_left_out() {
    let two = Two::usual();
    two.customer("US1", "1000.00", 14);
    two.customer("US2", "20.00", 30);
    two.customer("US3", "300.00", 45);
    let limits = |path: &str| -> Vec<Value> {
        let items = two.stage.get(path).expect(200).items();
        items.iter().map(|item| item["credit"]["limit"].clone()).collect()
    };
    assert_eq!(limits("/v1/customers?credit.limit[gt]=100&sort=credit.limit"), ["300.00", "1000.00"]);
    assert_eq!(
        limits("/v1/customers?payment_terms.days[gte]=30&sort=-payment_terms.days"),
        ["300.00", "20.00"]
    );
    two.books.trouble(Some(Trouble::HangUp));
    for path in ["/v1/customers?credit.limit[gt]=100", "/v1/customers?sort=payment_terms.days"] {
        two.stage.get(path).refused(502);
    }
    let table = two.stage.get("/odata/customers?$filter=vat_id%20eq%20%27PL1%27").expect(502);
    assert!(table.json()["error"]["code"].is_string());
}

#[test]
fn a_statement_that_reads_what_another_system_tells_judges_by_it_or_refuses() {
    let two = Two::open(ON_VAT, |policies| {
        let rule = "\n@id(\"slow-payers-are-for-people\")\nforbid (principal in Group::\"apps\", action in [Action::\"list\", Action::\"read\"], resource is Customer)\nwhen { resource has payment_terms.days && resource.payment_terms.days > 60 };\n";
        let file = policies.join("access/guards.cedar");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{rule}")).unwrap();
    });
    let made = |vat: &str| {
        let body = json!({ "kind": "person", "name": format!("Jan {vat}"), "given_name": "Jan", "family_name": vat,
            "vat_id": vat, "emails": [{ "value": format!("{vat}@example.com") }] });
        two.stage.shop(Method::POST, "/v1/customers", &body)
    };
    two.account("US1", "5.00", 14);
    two.account("US2", "5.00", 90);
    let of = |answer: Answer| format!("/v1/customers/{}", answer.expect(201).json()["id"].as_str().unwrap());
    let (quick, slow) = (of(made("US1")), of(made("US2")));
    two.stage.get(&quick).expect(200);
    two.stage.get(&slow).refused(404);
    let vat_ids: Vec<Value> = two
        .stage
        .get("/v1/customers?vat_id[in]=US1,US2")
        .expect(200)
        .items()
        .iter()
        .map(|item| item["vat_id"].clone())
        .collect();
    assert_eq!(vat_ids, ["US1"]);
    // Asked for less, it is judged all the same.
    two.stage.get(&format!("{slow}?fields=name")).refused(404);
    two.books.trouble(Some(Trouble::HangUp));
    two.stage.get(&quick).refused(502);
    two.stage.get(&format!("{NEW}&fields=name")).refused(502);
}

#[test]
fn a_change_is_judged_on_a_record_that_keeps_what_another_system_tells() {
    let two = Two::open(ON_VAT, |policies| {
        let update = "permit (\n  principal in Group::\"apps\",\n  action == Action::\"update\",\n  resource is Customer\n)";
        let when = "\nwhen { resource has payment_terms.days && resource.payment_terms.days < 60 };";
        change(policies, "access/apps.cedar", &format!("{update};"), &format!("{update}{when}"));
    });
    let (quick, slow) = (two.customer("US1", "5.00", 14), two.customer("US2", "5.00", 90));
    let body = json!({ "website": "https://a.example" });
    two.stage.shop(Method::PATCH, &quick, &body).expect(200);
    two.stage.shop(Method::PATCH, &slow, &body).refused(404);
    two.books.trouble(Some(Trouble::HangUp));
    two.stage.shop(Method::PATCH, &quick, &body).refused(502);
}

#[test]
fn what_another_system_tells_is_not_written_and_a_version_is_one_of_all_that_is_seen() {
    let two = Two::usual();
    let anna = two.customer("US1", "1000.00", 14);
    let tag = two.stage.get(&anna).expect(200).header("etag").unwrap().to_owned();
    let patch = |body: &Value, tag: Option<&str>| {
        let request = line::asking(Method::PATCH, &anna, Some(&two.stage.shop));
        let request = request.header("content-type", "application/json");
        let request = match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        };
        two.stage.ask(request.body(body.to_string().into()).unwrap())
    };
    two.asked();
    patch(&json!({ "credit": { "limit": "9" } }), None).refused(422);
    patch(&json!({ "job_title": "buyer", "payment_terms": { "days": 1 } }), None).refused(422);
    assert!(two.asked().iter().all(|seen| seen.method == "GET"));
    let changed = patch(&json!({ "website": "https://a.example" }), Some(&tag)).expect(200);
    assert_eq!(changed.json()["credit"]["limit"], "1000.00");
    let again = two.stage.get(&anna).expect(200);
    assert_eq!((again.json(), again.header("etag")), (changed.json(), changed.header("etag")));
    // Another limit is another version.
    two.accounts.lock()[0].2 = "2000.00".into();
    let tag = again.header("etag").unwrap();
    patch(&json!({ "website": "https://b.example" }), Some(tag)).refused(412);
    // While the books are away nobody can say which version it is; without one the change goes on.
    two.books.trouble(Some(Trouble::HangUp));
    patch(&json!({ "website": "https://c.example" }), Some(tag)).refused(502);
    let blind = patch(&json!({ "website": "https://d.example" }), None).expect(200);
    assert_eq!(blind.json()["website"], "https://d.example");
    assert_eq!(blind.json()["partial"][0]["fields"], json!(["payment_terms", "credit"]));
    assert!(blind.header("etag").is_none());
}

#[test]
fn trap_39_a_change_that_no_system_gave_notice_of_is_read_as_it_stands() {
    let two = Two::usual();
    let anna = two.customer("US1", "1000.00", 14);
    let limits = || -> [Value; 2] {
        let (one, page) = (two.stage.get(&anna).expect(200), two.stage.get(NEW).expect(200));
        [one.json()["credit"]["limit"].clone(), page.items()[0]["credit"]["limit"].clone()]
    };
    assert_eq!(limits(), ["1000.00", "1000.00"]);
    two.asked();
    two.accounts.lock()[0].2 = "2000.00".into();
    assert_eq!(limits(), ["2000.00", "2000.00"]);
    assert_eq!(two.asked().len(), 2, "each answer is of a look at the system");
    // A notice is nobody's word: nothing takes one, and none changes anything.
    let notice = json!({ "value": [{ "resource": "api/v2.0/customers", "changeType": "updated", "clientState": "x" }] });
    for path in ["/webhooks/books", "/v1/webhooks", "/v1/notifications"] {
        two.stage.shop(Method::POST, path, &notice).refused(404);
    }
    assert!(two.asked().is_empty());
}

#[test]
fn of_two_records_that_could_be_meant_neither_is_taken_and_one_without_a_counterpart_lacks_its_fields() {
    let two = Two::usual();
    let twice = two.customer("US1", "1000.00", 14);
    two.account("US1", "5.00", 7);
    let answer = two.stage.get(&twice).expect(200);
    assert!(answer.json()["credit"].is_null() && answer.json()["partial"].is_null());
    assert_eq!(note(&two.entry(&answer), "ambiguous"), Some("books"));
    two.accounts.lock().clear();
    let answer = two.stage.get(&twice).expect(200);
    assert!(answer.json()["credit"].is_null());
    assert_eq!(note(&two.entry(&answer), "ambiguous"), None);
}

#[test]
fn a_bundle_may_say_that_a_record_without_all_its_parts_is_none() {
    let serves = ON_VAT.replace("on: vat_id", "on: vat_id, missing: refused, within: 200ms");
    let two = Two::open(&serves, |_| {});
    let anna = two.customer("US1", "1000.00", 14);
    two.books.trouble(Some(Trouble::Wait(std::time::Duration::from_secs(20))));
    two.stage.get(&anna).refused(504);
    two.stage.get(NEW).refused(504);
    two.stage.get(&format!("{anna}?fields=name")).expect(200);
}

#[test]
fn records_that_are_one_in_the_crosswalk_are_joined_by_their_id_and_asked_for_at_the_same_time() {
    let serves = ON_VAT.replace("on: vat_id", "on: id").replace("[credit,", "[parent, credit,");
    let two =
        Two::open(&serves, |policies| change(policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n"));
    let anna = two.customer("US1", "1000.00", 14);
    let id = anna.rsplit('/').next().unwrap();
    assert!(two.stage.get(&anna).expect(200).json()["credit"].is_null(), "nobody has said that they are one");
    two.asked();
    let ran = two.stage.only_data(&["ids", "join", &format!("Customer/{id}"), "books:500", "--yes"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let record = two.stage.get(&anna).expect(200).json();
    assert_eq!((&record["credit"]["limit"], &record["id"]), (&json!("1000.00"), &json!(id)));
    // What it refers to has an id as well, and does not stand in the way of a change elsewhere.
    let parent = record["parent"].as_str().unwrap();
    assert_eq!(parent.len(), 26, "{parent}");
    let changed =
        two.stage.shop(Method::PATCH, &anna, &json!({ "website": "https://a.example" })).expect(200);
    assert_eq!(changed.json()["parent"], parent);
    let of = two.stage.get(&format!("/v1/customers?parent={parent}&vat_id=US1")).expect(200).items();
    assert_eq!(of.len(), 1);
    two.asked();
    let page = two.stage.get(&format!("{NEW}&fields=id,credit")).expect(200).items();
    assert!(page.iter().any(|item| item["credit"]["limit"] == "1000.00"));
    let asked: Vec<String> = two.asked().into_iter().map(|seen| seen.target).collect();
    assert_eq!(asked, ["/accounts/500"], "no other has a key there");
}

/// Accounts by VAT numbers, told to two questions at a time.
struct InTwos(Together);

impl Answers for InTwos {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let pairs = ask.pairs();
        let (_, wanted) = pairs.iter().find(|(name, _)| name == "vat").unwrap();
        let wanted: Vec<&str> = wanted.split(',').collect();
        if wanted.len() != 50 || !self.0.meet() {
            return said(504, &json!({}));
        }
        let told = |vat: &&str| {
            let no = vat.trim_start_matches("US");
            json!({ "no": no, "vat": vat, "limit": no, "used": "0", "days": 7 })
        };
        said(200, &json!({ "items": wanted.iter().map(told).collect::<Vec<_>>() }))
    }
}

#[test]
fn a_page_of_more_records_than_one_question_names_costs_questions_at_the_same_time() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let books = runtime.block_on(standin::start(0, Arc::new(InTwos(Together::of(2))))).unwrap();
    let crm = Twisted::crm(|ask, answer| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        let Some(rows) = body["results"].as_array_mut().filter(|_| ask.path.contains("/contacts")) else {
            return answer;
        };
        for row in rows {
            row["properties"]["vat_id"] = json!(format!("US{}", row["id"].as_str().unwrap()));
        }
        said(200, &body)
    });
    let two = Two::open(ON_VAT, |policies| {
        crm.serve(policies);
        let file = policies.join("systems/books.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let base = text.lines().find(|line| line.starts_with("base:")).unwrap();
        fs::write(&file, text.replace(base, &format!("base: \"http://{}\"", books.address))).unwrap();
    });
    // The CRM's pages have a hundred records.
    let items = two.stage.get("/v1/customers?limit=200").expect(200).items();
    assert_eq!((items.len(), books.seen().len()), (200, 4));
    for item in items {
        let id = item["id"].as_str().unwrap();
        assert_eq!(item["credit"]["limit"], id, "{item}");
    }
}

#[test]
fn it_is_told_where_a_caller_may_choose_whose_fields_it_is_shown() {
    let two = Two::usual();
    let told = "who writes `vat_id` chooses which record of `books` is told with this one";
    let ran = two.stage.only_policies(&["policy", "check"]);
    let all = format!("{}{}", ran.out, ran.err);
    // New customers may have one written; those that are there may not.
    assert!(ran.code == 0 && all.matches(told).count() == 1, "{all}");
    change(&two.stage.policies(), "gateway.yaml", "on: vat_id", "on: id");
    let ran = two.stage.only_policies(&["policy", "check"]);
    assert!(ran.code == 0 && !format!("{}{}", ran.out, ran.err).contains("chooses"), "{}", ran.out);
}

#[test]
fn a_change_waits_for_no_system_of_which_nobody_sees_or_judges_anything() {
    let two = Two::open(ON_VAT, |policies| {
        let seen = "credit.limit, credit.used, payment_terms.days, ";
        change(policies, "access/apps.cedar", seen, "");
        change(
            policies,
            "access/apps.cedar",
            ", payment_terms.code, credit.currency, credit.limit, credit.used\")",
            "\")",
        );
    });
    let anna = two.customer("US1", "1000.00", 14);
    two.asked();
    let changed =
        two.stage.shop(Method::PATCH, &anna, &json!({ "website": "https://a.example" })).expect(200);
    assert!(two.asked().is_empty() && changed.header("etag").is_some());
}

#[test]
fn a_collection_of_several_systems_that_do_not_fit_together_does_not_load() {
    let two = Two::usual();
    for (serves, told) in [
        (
            ON_VAT.replace("[credit,", "[credit.limit,"),
            "`credit.limit` is no field that another system can tell",
        ),
        (ON_VAT.replace("[credit,", "[website,"), "`books` has no line for `website`"),
        (ON_VAT.replace("[credit,", "[credit, credit,"), "`credit` is told twice"),
        (ON_VAT.replace("on: vat_id", "on: name"), "`books` cannot be asked for records by `name`"),
        (ON_VAT.replace("on: vat_id", "on: emails.value"), "records are not found by `emails.value`"),
        (ON_VAT.replace("on: vat_id", "on: gln"), "`crm` has no line for `gln`"),
        (ON_VAT.replace("[credit,", "[vat_id,"), "`vat_id` cannot find a record and be told of it"),
        (ON_VAT.replace("books:", "crm:"), "`crm` serves the collection already"),
        (ON_VAT.replace("books:", "boks:"), "`boks`"),
    ] {
        let gateway = two.stage.policies().join("gateway.yaml");
        let text = fs::read_to_string(&gateway).unwrap();
        let line = text.lines().find(|line| line.contains("customers: {")).unwrap().to_owned();
        fs::write(&gateway, text.replace(&line, &format!("  customers: {serves}"))).unwrap();
        let ran = two.stage.only_policies(&["policy", "check"]);
        let all = format!("{}{}", ran.out, ran.err);
        assert!(ran.code == 1 && all.contains(told), "{serves}: {all}");
        fs::write(&gateway, text).unwrap();
    }
    let of_books = "products: { system: erp, with: { books: { fields: [gtin], on: sku } } }";
    change(&two.stage.policies(), "gateway.yaml", "products: erp", of_books);
    let ran = two.stage.only_policies(&["policy", "check"]);
    let all = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 1 && all.contains("system `books` does not map the entity `Product`"), "{all}");
}
