//! The CRMs: one book of customers, kept by systems that speak differently.
//!
//! The records are the same in all of them but for what a system cannot hold, which its gaps say. `docs/systems/`
//! tells the same of each.

use std::sync::Arc;

use bramka::demo::{seed, standin::Seen};
use http::Method;
use proptest::{
    prop_assert_eq,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    contract, dataverse,
    ground::{Capability, Clause, Gap, Gate, Subject, encoded, ids},
    kit::Answer,
    people,
    said::{Refusals, Switched, said},
    salesforce,
};

const HUBSPOT: Subject = Subject {
    name: "crm",
    file: "crm.yaml",
    root: "",
    secrets: &[("HUBSPOT_TOKEN", "pat-contract-1")],
    serves: &["customers"],
    edits: &[],
    standin: || {
        let spent = || {
            said(
                401,
                &json!({ "status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "The token is expired" }),
            )
        };
        let limited = || {
            said(
                429,
                &json!({ "status": "error", "category": "RATE_LIMITS", "message": "You have reached your secondly limit.", "policyName": "SECONDLY" }),
            )
        };
        Switched::over(seed::crm("pat-contract-1") as Arc<_>, Refusals { spent, limited })
    },
    gaps: &[
        Gap { capability: Capability::Create("company"), status: 422, reason: "/kind" },
        // A private app's token is the credential itself: there is nothing to renew it with.
        Gap { capability: Capability::SignIn, status: 502, reason: "system" },
    ],
};

const SALESFORCE: Subject = Subject {
    name: "salesforce",
    file: "catalogue/salesforce.yaml",
    root: salesforce::ROOT,
    secrets: &[("SALESFORCE_SECRET", salesforce::CLIENT.1)],
    serves: &["customers"],
    edits: &[
        ("https://example.my.salesforce.com/services/oauth2/token", "{system}/services/oauth2/token"),
        ("3MVG9.example", salesforce::CLIENT.0),
        ("\"*.my.salesforce.com\"", "\"{address}\""),
    ],
    standin: || {
        let spent = || {
            said(
                401,
                &json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }]),
            )
        };
        let limited = || {
            said(
                403,
                &json!([{ "message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED" }]),
            )
        };
        Switched::over(salesforce::salesforce(), Refusals { spent, limited })
    },
    gaps: &[
        Gap { capability: Capability::Create("person"), status: 422, reason: "/kind" },
        // Addresses of e-mail belong to its contacts.
        Gap { capability: Capability::Create("e-mail"), status: 422, reason: "/emails" },
        Gap { capability: Capability::Filter("emails.value"), status: 400, reason: "emails.value" },
    ],
};

const DATAVERSE: Subject = Subject {
    name: "dataverse",
    file: "catalogue/dataverse.yaml",
    root: dataverse::ROOT,
    secrets: &[("DATAVERSE_SECRET", dataverse::CLIENT.1)],
    serves: &["customers"],
    edits: &[
        ("https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", "{system}/tenant"),
        (
            "client_id: 00000000-0000-0000-0000-000000000000",
            "client_id: 2f29638c-34d4-4cf2-a16a-7caf612cee15",
        ),
    ],
    standin: || {
        let refusals = Refusals { spent: dataverse::unauthorized, limited: dataverse::limited };
        Switched::over(dataverse::dataverse(), refusals)
    },
    gaps: &[Gap { capability: Capability::Create("person"), status: 422, reason: "/kind" }],
};

/// Systems that cannot tell that a record changed meanwhile. A change there is answered as unguarded.
const UNGUARDED: &[&str] = &["crm", "salesforce"];

const ALL: &str = "/v1/customers?limit=200";

/// What only the system itself knows: how to ask it, how it says things, and what it refuses.
struct Native {
    authorization: &'static str,
    /// The address of a record.
    at: fn(&str) -> String,
    /// The id of a record that is not there.
    absent: &'static str,
    /// Under which names it keeps name, e-mail and telephone; the first takes given and family name.
    new: fn(&str) -> Value,
    phone: fn(&Value) -> Value,
    /// What moves by itself with a change.
    moves: &'static [&'static str],
    /// A change that cannot be, and its place.
    wrong: fn() -> (Value, &'static str),
}

fn native(gate: &Gate) -> Native {
    match gate.subject.name {
        "crm" => Native {
            authorization: "Bearer pat-contract-1",
            at: |id| {
                format!(
                    "/crm/v3/objects/contacts/{id}?properties=firstname,lastname,email,phone,company,city,zip,country,address,lifecyclestage"
                )
            },
            absent: "701999999999",
            new: |tag| json!({ "properties": { "firstname": "Ola", "lastname": tag, "email": format!("{tag}@new.example"), "phone": "+48 22 555 77 77" } }),
            phone: |value| json!({ "properties": { "phone": value } }),
            moves: &["/properties/lastmodifieddate", "/updatedAt"],
            wrong: || (json!({ "emails": [{ "value": "nobody" }] }), "/emails/0/value"),
        },
        "salesforce" => Native {
            authorization: "Bearer 00D5e0000000001!AQ.contract.1",
            at: |id| format!("{}/sobjects/Account/{id}", salesforce::ROOT),
            absent: "0015e00000ZZZZZAAV",
            new: |tag| json!({ "Name": tag, "Phone": "+48 22 555 77 77" }),
            phone: |value| json!({ "Phone": value }),
            moves: &["/LastModifiedDate"],
            wrong: || (json!({ "parent": "0015e00000ZZZZZAAV" }), "/parent"),
        },
        "dataverse" => Native {
            authorization: "Bearer eyJ0eXAiOiJKV1QifQ.contract.1",
            at: |id| format!("{}/accounts({id})", dataverse::ROOT),
            absent: "78914942-34cb-ed11-b596-000000000000",
            new: |tag| json!({ "name": tag, "emailaddress1": format!("{tag}@new.example"), "telephone1": "+48 22 555 77 77" }),
            phone: |value| json!({ "telephone1": value }),
            moves: &["/modifiedon", "/@odata.etag"],
            wrong: || (json!({ "name": "x".repeat(161) }), "/name"),
        },
        other => panic!("{other} is no CRM"),
    }
}

fn can(gate: &Gate, capability: Capability) -> bool {
    gate.subject.gap(capability).is_none()
}

/// The field that holds what a customer is called, whole, in the system.
fn called(gate: &Gate) -> &'static str {
    if can(gate, Capability::Create("person")) { "family_name" } else { "name" }
}

/// A new customer, as far as the system can hold one.
fn newcomer(gate: &Gate, tag: &str) -> Value {
    let mut body = json!({ "phones": [{ "type": "work", "value": "+48 22 555 77 77" }] });
    if can(gate, Capability::Create("person")) {
        body["kind"] = "person".into();
        body["name"] = format!("Ola {tag}").into();
        body["given_name"] = "Ola".into();
        body["family_name"] = tag.into();
    } else {
        body["kind"] = "company".into();
        body["name"] = tag.into();
    }
    if can(gate, Capability::Create("e-mail")) {
        body["emails"] = json!([{ "value": format!("{tag}@new.example") }]);
    }
    body
}

/// What the system was asked to change, in its own words.
fn sent(gate: &Gate) -> Vec<(String, Value)> {
    let one = |seen: &Seen| (seen.method.clone(), serde_json::from_str(&seen.body).unwrap_or_default());
    gate.changes().iter().map(one).collect()
}

fn path(record: &Value) -> String {
    format!("/v1/customers/{}", record["id"].as_str().unwrap())
}

fn some(gate: &Gate) -> Value {
    gate.get("/v1/customers?limit=3").expect(200).items()[1].clone()
}

/// A record as the system holds it, without what moves by itself.
fn stored(gate: &Gate, id: &str) -> Value {
    let native = native(gate);
    let mut record = gate.native(Method::GET, &(native.at)(id), native.authorization).expect(200).json();
    for pointer in native.moves {
        *record.pointer_mut(pointer).unwrap() = Value::Null;
    }
    record
}

fn list(gate: &Gate) {
    let all = gate.whole(ALL);
    assert_eq!(all.len(), people::ALL);
    let record = some(gate);
    for field in ["id", "kind", "name", "created_at", "updated_at"] {
        assert!(record[field].is_string(), "{field}: {record}");
    }
    if can(gate, Capability::Create("e-mail")) {
        assert!(all.iter().all(|record| record["emails"][0]["value"].is_string()));
    }
    assert!(all.iter().any(|record| record["addresses"][0]["city"] == "Berlin"));
    assert!(all.iter().any(|record| record["phones"][0]["value"].is_string()));
}

fn pages(gate: &Gate) {
    let whole = gate.whole(ALL);
    for limit in [7, 100] {
        let paged = gate.whole(&format!("/v1/customers?limit={limit}"));
        let mut seen: Vec<&str> = ids(&paged);
        let (count, mut all) = (seen.len(), ids(&whole));
        seen.sort_unstable();
        seen.dedup();
        all.sort_unstable();
        assert_eq!(seen.len(), count, "a record came twice");
        assert_eq!(seen, all, "limit {limit}");
    }
}

/// That a filter finds what looking through everything finds, which is something and not all.
fn finds(gate: &Gate, query: &str, fits: impl Fn(&Value) -> bool) {
    let all = gate.whole(ALL);
    let mut expected: Vec<&str> =
        ids(&all).into_iter().zip(&all).filter(|(_, r)| fits(r)).map(|(id, _)| id).collect();
    let found = gate.whole(&format!("{ALL}&{query}"));
    let mut found = ids(&found);
    assert!(!expected.is_empty() && expected.len() < all.len(), "{query} tells nothing apart");
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{query}");
}

fn by_email(gate: &Gate) {
    let email = some(gate)["emails"][0]["value"].as_str().unwrap().to_owned();
    finds(gate, &format!("emails.value={}", encoded(&email)), |record| {
        record["emails"][0]["value"] == email.as_str()
    });
    // One question, and not a walk through all of them.
    gate.system.forget();
    gate.get(&format!("/v1/customers?emails.value={}", encoded(&email))).expect(200);
    assert_eq!(gate.system.seen().len(), 1);
}

fn ask_by_email(gate: &Gate) -> Answer {
    gate.get("/v1/customers?emails.value=biuro1%40example.com")
}

fn by_name(gate: &Gate) {
    let field = called(gate);
    let names: Vec<String> = gate.whole(ALL).iter().map(|r| r[field].as_str().unwrap().to_owned()).collect();
    for name in [&names[1], &names[7], &names[8]] {
        finds(gate, &format!("{field}={}", encoded(name)), |record| record[field] == name.as_str());
    }
    let two = format!("{field}[in]={},{}", encoded(&names[0]), encoded(&names[9]));
    finds(gate, &two, |record| record[field] == names[0].as_str() || record[field] == names[9].as_str());
    let other = format!("{field}[ne]={}", encoded(&names[3]));
    finds(gate, &other, |record| record[field] != names[3].as_str());
}

fn by_time(gate: &Gate) {
    let all = gate.whole(ALL);
    let at = |n: usize| all[n]["updated_at"].as_str().unwrap().to_owned();
    let (from, to) = (at(40), at(90));
    let query = format!("updated_at[gte]={}&updated_at[lt]={}", encoded(&from), encoded(&to));
    let moment = |record: &Value| record["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let (low, high): (jiff::Timestamp, jiff::Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
    finds(gate, &query, |record| (low..high).contains(&moment(record)));
}

fn sorted(gate: &Gate) {
    for (query, descends) in
        [("sort=updated_at", false), ("sort=-updated_at", true), ("sort=-created_at", true)]
    {
        let field = query.trim_start_matches("sort=").trim_start_matches('-');
        let found = gate.whole(&format!("/v1/customers?limit=70&{query}"));
        assert_eq!(found.len(), people::ALL, "{query}");
        let times: Vec<jiff::Timestamp> =
            found.iter().map(|record| record[field].as_str().unwrap().parse().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| if descends { a >= b } else { a <= b }), "{query}");
    }
    let field = called(gate);
    let found = gate.whole(&format!("/v1/customers?limit=70&sort={field}"));
    let names: Vec<&str> = found.iter().map(|record| record[field].as_str().unwrap()).collect();
    assert_eq!(names.len(), people::ALL);
    assert!(names.is_sorted(), "{names:?}");
}

fn read(gate: &Gate) {
    let all = gate.whole(ALL);
    for record in [&all[0], &all[7], &all[all.len() - 1]] {
        let answer = gate.get(&path(record)).expect(200);
        assert_eq!(answer.json(), *record);
        assert!(answer.header("etag").is_some());
    }
    let few = gate.get(&format!("{}?fields=id,name", path(&all[3]))).expect(200).json();
    assert_eq!(few, json!({ "id": all[3]["id"], "name": all[3]["name"] }));
}

fn absent(gate: &Gate) {
    let there_is_none = |problem: Value| problem["type"].as_str().unwrap().ends_with("/not-found");
    let native = native(gate);
    for id in [native.absent, "nothing", "1%20or%201", "%27)%20or%20(%27"] {
        let path = format!("/v1/customers/{id}");
        assert!(there_is_none(gate.get(&path).refused(404).json()), "{id}");
    }
    let path = format!("/v1/customers/{}", native.absent);
    assert!(there_is_none(gate.patch(&path, &json!({ "website": "www.example.com" })).refused(404).json()));
    assert!(gate.changes().is_empty());
}

fn create(gate: &Gate) {
    let body = newcomer(gate, "contract-1");
    let answer = gate.post("/v1/customers", &body).expect(201);
    let (method, new) = sent(gate).remove(0);
    assert_eq!((method.as_str(), new), ("POST", (native(gate).new)("contract-1")));
    assert_eq!(gate.changes().len(), 1, "it is made once");
    // As it is there, by whichever way it comes back.
    let made = answer.json();
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    let location = answer.header("location").unwrap();
    let again = gate.get(location).expect(200);
    assert_eq!((again.json(), again.header("etag")), (made, answer.header("etag")));
}

fn person(gate: &Gate) {
    let body = json!({ "kind": "person", "name": "Ola Lis", "given_name": "Ola", "family_name": "Lis" });
    assert_eq!(gate.post("/v1/customers", &body).expect(201).json()["kind"], "person");
}

fn ask_person(gate: &Gate) -> Answer {
    gate.post("/v1/customers", &json!({ "kind": "person", "name": "Ola Lis" }))
}

fn company(gate: &Gate) {
    assert_eq!(ask_company(gate).expect(201).json()["kind"], "company");
}

fn ask_company(gate: &Gate) -> Answer {
    gate.post("/v1/customers", &json!({ "kind": "company", "name": "Lis S.A." }))
}

fn email(gate: &Gate) {
    let record = some(gate);
    let answer =
        gate.patch(&path(&record), &json!({ "emails": [{ "value": "other@new.example" }] })).expect(200);
    assert_eq!(answer.json()["emails"][0]["value"], "other@new.example");
}

fn ask_email(gate: &Gate) -> Answer {
    let record = some(gate);
    gate.patch(&path(&record), &json!({ "emails": [{ "value": "other@new.example" }] }))
}

fn update(gate: &Gate) {
    let record = some(gate);
    let id = record["id"].as_str().unwrap();
    let before = stored(gate, id);
    gate.system.forget();
    let change = json!({ "phones": [{ "type": "work", "value": "+48 22 555 88 88" }] });
    let answer = gate.patch(&path(&record), &change).expect(200);
    assert_eq!(answer.json()["phones"][0]["value"], "+48 22 555 88 88");
    let told = (native(gate).phone)(&"+48 22 555 88 88".into());
    assert_eq!(sent(gate), [("PATCH".to_owned(), told.clone())]);
    // Nothing else moved, fields that no line knows of included.
    let mut after = stored(gate, id);
    let (mut expected, mut change) = (before, told);
    let pointer = match change.get("properties") {
        Some(_) => "/properties",
        None => "",
    };
    let change = change.pointer_mut(pointer).unwrap().as_object().unwrap().clone();
    expected.pointer_mut(pointer).unwrap().as_object_mut().unwrap().extend(change);
    assert_eq!(after, expected);
    // The same once more sends nothing; null empties.
    gate.system.forget();
    gate.patch(&path(&record), &json!({ "phones": [{ "type": "work", "value": "+48 22 555 88 88" }] }))
        .expect(200);
    assert!(gate.changes().is_empty());
    let emptied = gate.patch(&path(&record), &json!({ "phones": null })).expect(200).json();
    assert_eq!(emptied["phones"], json!([]), "{emptied}");
    after = stored(gate, id);
    let name = (native(gate).phone)(&Value::Null);
    let name = name.pointer(pointer).unwrap().as_object().unwrap().keys().next().unwrap().clone();
    let left = after.pointer(pointer).unwrap()[&name].clone();
    assert!(left.is_null() || left == "", "{left}");
}

fn concurrent(gate: &Gate) {
    let record = some(gate);
    let at = path(&record);
    let change = json!({ "website": "www.new.example" });
    let stale = gate.ask(Method::PATCH, &at, &change, &[("if-match", "\"other\"")]).refused(412).json();
    assert!(stale["type"].as_str().unwrap().ends_with("/stale"));
    assert!(gate.changes().is_empty());
    let tag = gate.get(&at).expect(200).header("etag").unwrap().to_owned();
    let done = gate.ask(Method::PATCH, &at, &change, &[("if-match", &tag)]).expect(200);
    let is_unguarded = done.header("bramka-unguarded") == Some("true");
    assert_eq!(is_unguarded, UNGUARDED.contains(&gate.subject.name));
    if is_unguarded {
        return;
    }
    // Between the gate's look and its change.
    gate.switch("race");
    let lost = gate.patch(&at, &json!({ "website": "www.lost.example" })).refused(409).json();
    assert!(lost["type"].as_str().unwrap().ends_with("/conflict"), "{lost}");
    assert_eq!(gate.get(&at).expect(200).json()["website"], "www.new.example");
}

fn delete(gate: &Gate) {
    let record = some(gate);
    gate.delete(&path(&record)).expect(204);
    assert_eq!(sent(gate).remove(0).0, "DELETE");
    gate.get(&path(&record)).refused(404);
    let left = gate.whole(ALL);
    assert_eq!(left.len(), people::ALL - 1);
    assert!(!ids(&left).contains(&record["id"].as_str().unwrap()));
    gate.delete(&path(&record)).refused(404);
}

fn invalid(gate: &Gate) {
    let record = some(gate);
    let pointers = |answer: Answer| -> Vec<String> {
        let problem = answer.refused(422).json();
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}")).iter();
        errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let mut alien = newcomer(gate, "alien");
    alien["kind"] = "alien".into();
    assert_eq!(pointers(gate.post("/v1/customers", &alien)), ["/kind"]);
    assert!(gate.changes().is_empty());
    let (change, pointer) = (native(gate).wrong)();
    assert_eq!(pointers(gate.patch(&path(&record), &change)), [pointer]);
    assert_eq!(gate.get(&path(&record)).expect(200).json(), record);
}

fn duplicate(gate: &Gate) {
    let body = newcomer(gate, "twice");
    gate.post("/v1/customers", &body).expect(201);
    let problem = gate.post("/v1/customers", &body).refused(409).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/duplicate"), "{problem}");
    assert_eq!(gate.whole(ALL).len(), people::ALL + 1);
}

/// The caller is not to blame: it is told that the system is busy, and when to come again.
fn rate_limit(gate: &Gate) {
    let record = some(gate);
    gate.switch("limit");
    for answer in
        [gate.get(ALL), gate.get(&path(&record)), gate.patch(&path(&record), &json!({ "website": "x" }))]
    {
        let answer = answer.refused(503);
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        let problem = answer.json();
        assert!(problem["type"].as_str().unwrap().ends_with("/busy"), "{problem}");
    }
    assert!(gate.changes().is_empty());
    gate.switch("free");
    gate.get(&path(&record)).expect(200);
}

fn sign_in(gate: &Gate) {
    let record = some(gate);
    gate.switch("spend");
    assert_eq!(gate.get(&path(&record)).expect(200).json(), record);
    // Another gate: no gate gives up one session after the other.
    let gate = Gate::open(gate.subject);
    gate.get(ALL).expect(200);
    gate.switch("spend");
    gate.patch(&path(&record), &json!({ "website": "www.new.example" })).expect(200);
    assert_eq!(gate.changes().len(), 1, "it is done once");
}

fn ask_sign_in(gate: &Gate) -> Answer {
    gate.get("/v1/customers?limit=1").expect(200);
    gate.switch("spend");
    gate.get("/v1/customers?limit=1")
}

/// What would be more than a text in one of the systems' languages.
const HOSTILE: &[&str] = &[
    "' OR Name != '",
    "\\' OR Name != null OR Name = '",
    "\\",
    "x\\",
    "') or (name ne '",
    "x' or 1 eq 1 or name eq 'x",
    "%",
    "_",
    "%' OR Name LIKE '%",
    "\"}],\"filters\":[{\"x\":\"",
    "x&$filter=name ne null",
    "x&q=SELECT Id FROM Account",
    "O'Brien & Sons 1",
    "Łódź #1 100% +48",
    "\u{1F980}\u{202E}",
    "null",
    "{value}",
    "''",
];

fn literals(gate: &Gate) {
    let field = called(gate);
    let all = gate.whole(ALL);
    let expected = |text: &str| all.iter().filter(|record| record[field] == text).count();
    for text in HOSTILE {
        for op in ["", "[in]", "[gte]"] {
            let found = gate.get(&format!("{ALL}&{field}{op}={}", encoded(text)));
            assert!(found.status == 200, "{text:?} {op}: {:?}", found.body);
            if op.is_empty() {
                assert_eq!(found.items().len(), expected(text), "{text:?}");
            }
        }
    }
    // Kept as it is, and found by it.
    for text in ["O'Brien \\ Sons' OR ''='", "100%_x\\'", "x') or (name ne 'y"] {
        let mut body = newcomer(gate, "hostile");
        body["emails"] = match body.get("emails") {
            Some(_) => json!([{ "value": format!("h{}@new.example", text.len()) }]),
            None => Value::Null,
        };
        if body["kind"] == "person" {
            body["name"] = format!("Ola {text}").into();
        }
        body[field] = text.into();
        if body["emails"].is_null() {
            body.as_object_mut().unwrap().remove("emails");
        }
        let made = gate.post("/v1/customers", &body).expect(201).json();
        assert_eq!(made[field], text);
        let found = gate.whole(&format!("{ALL}&{field}={}", encoded(text)));
        assert_eq!(ids(&found), [made["id"].as_str().unwrap()], "{text:?}");
    }
}

/// Whatever is asked for, no text gets out of its literal: what is found is what looking through everything finds.
fn any_text(gate: &Gate) {
    let field = called(gate);
    let names: Vec<String> = gate.whole(ALL).iter().map(|r| r[field].as_str().unwrap().to_owned()).collect();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let texts = proptest::string::string_regex("[a-zA-Z'\"\\\\%_()=,;&+ \\[\\]{}|*!<>ąŁ-]{1,24}").unwrap();
    TestRunner::new(config)
        .run(&texts, |text| {
            let found = gate.get(&format!("{ALL}&{field}={}", encoded(&text)));
            prop_assert_eq!(found.status, 200);
            prop_assert_eq!(found.items().len(), names.iter().filter(|name| **name == text).count());
            Ok(())
        })
        .unwrap();
}

const fn clause(capability: Capability, proof: fn(&Gate), ask: Option<fn(&Gate) -> Answer>) -> Clause {
    Clause { capability, proof, ask }
}

const LIST: Clause = clause(Capability::List, list, None);
const PAGES: Clause = clause(Capability::Pages, pages, None);
const BY_EMAIL: Clause = clause(Capability::Filter("emails.value"), by_email, Some(ask_by_email));
const BY_NAME: Clause = clause(Capability::Filter("name"), by_name, None);
const BY_TIME: Clause = clause(Capability::Filter("updated_at"), by_time, None);
const SORT: Clause = clause(Capability::Sort("updated_at"), sorted, None);
const READ: Clause = clause(Capability::Read, read, None);
const ABSENT: Clause = clause(Capability::Absent, absent, None);
const CREATE: Clause = clause(Capability::Create("customer"), create, None);
const PERSON: Clause = clause(Capability::Create("person"), person, Some(ask_person));
const COMPANY: Clause = clause(Capability::Create("company"), company, Some(ask_company));
const EMAIL: Clause = clause(Capability::Create("e-mail"), email, Some(ask_email));
const UPDATE: Clause = clause(Capability::Update, update, None);
const CONCURRENT: Clause = clause(Capability::Concurrent, concurrent, None);
const DELETE: Clause = clause(Capability::Delete, delete, None);
const INVALID: Clause = clause(Capability::Invalid, invalid, None);
const DUPLICATE: Clause = clause(Capability::Duplicate, duplicate, None);
const RATE_LIMIT: Clause = clause(Capability::RateLimit, rate_limit, None);
const SIGN_IN: Clause = clause(Capability::SignIn, sign_in, Some(ask_sign_in));
const LITERALS: Clause = clause(Capability::Literals, literals, None);
const ANY_TEXT: Clause = clause(Capability::Literals, any_text, None);

macro_rules! crm {
    ($system:ident: $subject:path) => {
        contract!($system: $subject {
            a_list_holds_what_the_system_holds: super::LIST,
            a_list_of_any_page_size_comes_to_its_end: super::PAGES,
            customers_are_found_by_e_mail: super::BY_EMAIL,
            customers_are_found_by_name: super::BY_NAME,
            customers_are_found_by_when_they_changed: super::BY_TIME,
            a_list_comes_in_the_order_that_was_asked_for: super::SORT,
            one_is_read_as_the_list_has_it: super::READ,
            what_is_not_there_is_not_found: super::ABSENT,
            a_new_customer_stands_in_the_system_in_its_own_shape: super::CREATE,
            a_person_can_be_a_customer: super::PERSON,
            a_company_can_be_a_customer: super::COMPANY,
            an_e_mail_address_is_kept: super::EMAIL,
            an_update_changes_what_changed_and_nothing_else: super::UPDATE,
            a_change_of_what_changed_meanwhile_is_refused_or_told_as_unguarded: super::CONCURRENT,
            one_that_is_deleted_is_gone: super::DELETE,
            an_invalid_value_is_refused_with_its_place: super::INVALID,
            one_that_is_there_already_is_refused_as_that: super::DUPLICATE,
            a_system_that_is_asked_too_much_is_told_of_as_busy: super::RATE_LIMIT,
            a_spent_session_is_renewed_unnoticed: super::SIGN_IN,
            hostile_texts_stay_texts: super::LITERALS,
            no_text_gets_out_of_its_literal: super::ANY_TEXT,
        });
    };
}

crm!(hubspot_contacts: super::HUBSPOT);
crm!(salesforce_accounts: super::SALESFORCE);
crm!(dataverse_accounts: super::DATAVERSE);
