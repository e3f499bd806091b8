//! Changes of a record that stands in several systems: judged once, on the whole; sent to each system that tells what
//! changes; and told as partly done where one of them fails after another has done its part.

use std::{fs, path::Path};

use bramka::demo::standin::{Seen, Trouble};
use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    joined::{ON_VAT, Two, note},
    kit::Answer,
    line,
    stage::Stage,
    writes::change,
};

/// Two systems, and an application that may change what both tell.
fn writing(edit: impl FnOnce(&Path)) -> Two {
    Two::open(ON_VAT, |policies| {
        let read = "    read: {}\n";
        let more = format!("{read}    update: {{}}\n    version: {{ at: rev, send: If-Match }}\n");
        change(policies, "systems/books.yaml", read, &more);
        let writes = "@writes(\"name, given_name";
        let all = "@writes(\"credit.limit, payment_terms.days, payment_terms.code, vat_id, name, given_name";
        change(policies, "access/apps.cedar", writes, all);
        edit(policies);
    })
}

impl Two {
    fn send(&self, method: Method, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = line::asking(method, path, Some(&self.stage.shop));
        let request = request.header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.stage.ask(request.body(body.to_string().into()).unwrap())
    }

    fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, body, &[])
    }

    /// Changes that the accounting system was sent.
    fn sent_to_books(&self) -> Vec<Seen> {
        self.asked().into_iter().filter(|seen| seen.method != "GET").collect()
    }

    /// Changes that the CRM was sent.
    fn sent_to_crm(&self) -> usize {
        let seen = self.stage.crm.seen();
        self.stage.crm.forget();
        seen.iter().filter(|seen| seen.method == "PATCH").count()
    }

    fn forget(&self) {
        self.books.forget();
        self.stage.crm.forget();
    }

    fn limit(&self) -> String {
        self.accounts.lock()[0].2.clone()
    }

    /// The entry of the exchange within another one, and all that stands of it in the journal.
    fn within(&self, answer: &Answer) -> Vec<Value> {
        let whole = self.entry(answer);
        let part = note(&whole, "part").expect("no part").to_owned();
        let of = book::of(&self.stage.data(), &part);
        assert_eq!(note(of.last().unwrap(), "part_of"), answer.header("x-request-id"));
        of
    }
}

fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_change_goes_to_each_system_that_tells_what_changes() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    let tag = two.stage.get(&anna).expect(200).header("etag").unwrap().to_owned();
    two.forget();
    let body = json!({ "website": "https://a.example", "credit": { "limit": "2500.00" }, "payment_terms": { "days": 30 } });
    let changed = two.send(Method::PATCH, &anna, &body, &[("if-match", &tag)]).expect(200);
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (1, 1));
    assert_eq!((two.limit(), two.accounts.lock()[0].3), ("2500.00".into(), 30));
    let record = changed.json();
    assert_eq!(record["website"], "https://a.example");
    assert_eq!(record["credit"], json!({ "currency": "PLN", "limit": "2500.00", "used": "7.50" }));
    assert_eq!(record["payment_terms"], json!({ "days": 30 }));
    let again = two.stage.get(&anna).expect(200);
    assert_eq!((again.json(), again.header("etag")), (record, changed.header("etag")));
    // The version is one of both.
    two.send(Method::PATCH, &anna, &body, &[("if-match", &tag)]).refused(412);
    // Each has its intent before and what came of it after, and the two name each other.
    let whole = book::of(&two.stage.data(), changed.header("x-request-id").unwrap());
    let kinds =
        |entries: &[Value]| -> Vec<Value> { entries.iter().map(|entry| entry["kind"].clone()).collect() };
    assert_eq!(kinds(&whole), ["intent", "answer"]);
    let part = two.within(&changed);
    assert_eq!(kinds(&part), ["intent", "answer"]);
    assert_eq!(part[0]["changed"], json!(["payment_terms.days", "credit.limit"]), "{}", part[0]);
    let systems: Vec<&Value> =
        part[1]["calls"].as_array().unwrap().iter().map(|call| &call["system"]).collect();
    assert_eq!((systems, &part[1]["status"]), (vec![&json!("books")], &json!(200)));
    assert!(book::verify(&two.stage.data()).is_whole());
}

#[test]
fn a_system_of_which_nothing_changes_is_sent_nothing() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    two.forget();
    let changed = two.patch(&anna, &json!({ "credit": { "limit": "9.00" } })).expect(200);
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len(), two.limit()), (0, 1, "9.00".into()));
    assert_eq!(changed.json()["credit"]["limit"], "9.00");
    let same = two.patch(&anna, &json!({ "credit": { "limit": "9.00" }, "payment_terms": { "days": 14 } }));
    assert_eq!((same.expect(200).json(), two.sent_to_books().len()), (changed.json(), 0));
    two.patch(&anna, &json!({ "website": "https://a.example" })).expect(200);
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (1, 0));
}

#[test]
fn what_one_system_has_done_when_the_other_fails_is_told_and_never_asked_for_again() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    let body = |n: u32| json!({ "website": format!("https://a.example/{n}"), "credit": { "limit": "5.00" } });
    for (n, status) in [(1, 422), (2, 503), (3, 412)] {
        *two.refusing.lock() = Some(Trouble::Answer(status, "{}".into()));
        two.forget();
        let failed = two.send(Method::PATCH, &anna, &body(n), &[("idempotency-key", &format!("\"{n}\""))]);
        let failed = failed.refused(502);
        let problem = failed.json();
        assert!(problem["type"].as_str().unwrap().ends_with("/partly-done"), "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with("1 of 2 changes were made and stay"));
        assert_eq!(pointers(&failed), ["/credit"], "{problem}");
        assert!(failed.header("retry-after").is_none());
        assert_eq!(two.sent_to_crm(), 1);
        assert_eq!(two.stage.get(&anna).expect(200).json()["website"], format!("https://a.example/{n}"));
        let outcome = if status == 503 { "unknown" } else { "partly" };
        assert_eq!(note(&two.entry(&failed), "outcome"), Some(outcome));
        let part = two.within(&failed);
        assert!(
            part.iter().any(|entry| entry["kind"] == "intent") && part.last().unwrap()["refusal"].is_string()
        );
        // The same again under its key is not done again.
        *two.refusing.lock() = None;
        two.forget();
        two.send(Method::PATCH, &anna, &body(n), &[("idempotency-key", &format!("\"{n}\""))]).refused(409);
        assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (0, 0));
    }
    // Where nothing was done before, it is that system's refusal and no more.
    *two.refusing.lock() = Some(Trouble::Answer(412, "{}".into()));
    let failed = two.patch(&anna, &json!({ "credit": { "limit": "5.00" } })).refused(409);
    assert!(!failed.json()["type"].as_str().unwrap().ends_with("/partly-done"));
    assert_eq!(two.limit(), "1000.00");
}

#[test]
fn nothing_is_sent_where_a_system_that_a_change_reaches_cannot_be_asked() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    let body = json!({ "website": "https://a.example", "credit": { "limit": "5.00" } });
    two.books.trouble(Some(Trouble::HangUp));
    two.forget();
    two.patch(&anna, &body).refused(502);
    assert_eq!(two.sent_to_crm(), 0);
    two.books.trouble(None);
    two.stage.crm.trouble(Some(Trouble::HangUp));
    two.patch(&anna, &body).refused(502);
    two.stage.crm.trouble(None);
    assert_eq!((two.sent_to_books().len(), two.limit()), (0, "1000.00".into()));
}

#[test]
fn a_field_that_its_system_does_not_take_refuses_the_whole_change_with_its_place() {
    let two = writing(|policies| {
        let version = "    version: { at: rev, send: If-Match }\n";
        let lacks = format!("{version}    lacks: {{ payment_terms.code: terms are chosen in the books }}\n");
        change(policies, "systems/books.yaml", version, &lacks);
        let code = "payment_terms: { days: days, code: { at: code, write: never } }";
        change(policies, "systems/books.yaml", "payment_terms: { days: days }", code);
    });
    let anna = two.customer("US1", "1000.00", 14);
    two.forget();
    let body = json!({ "website": "https://a.example", "payment_terms": { "days": 3, "code": "X" } });
    let refused = two.patch(&anna, &body).refused(422);
    assert_eq!(pointers(&refused), ["/payment_terms/code"]);
    let told = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("terms are chosen in the books"), "{told}");
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (0, 0));
    // A new record is made without what another system tells.
    let new = json!({ "kind": "person", "name": "Jan Nowy", "given_name": "Jan", "family_name": "Nowy",
        "emails": [{ "value": "jan.nowy@example.com" }], "credit": { "limit": "5.00" } });
    let refused = two.send(Method::POST, "/v1/customers", &new, &[]).refused(422);
    assert_eq!(pointers(&refused), ["/credit"]);
    let told = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("another system tells this"), "{told}");
}

#[test]
fn what_has_no_counterpart_or_several_is_not_changed_there_and_says_so() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    let limit = json!({ "website": "https://a.example", "credit": { "limit": "5.00" } });
    two.account("US1", "7.00", 7);
    two.forget();
    let refused = two.patch(&anna, &limit).refused(422);
    assert_eq!(pointers(&refused), ["/credit/limit"]);
    let told = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("several of its records"), "{told}");
    two.accounts.lock().clear();
    let refused = two.patch(&anna, &limit).refused(422);
    let told = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(told.contains("has no such record"), "{told}");
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (0, 0));
    // Nothing is lost where nothing is said.
    two.patch(&anna, &json!({ "website": "https://b.example", "credit": { "limit": null } })).expect(200);
    // Who says in one breath whose account it is and what stands there may mean either.
    two.account("US1", "1.00", 7);
    two.account("US2", "1.00", 7);
    two.forget();
    let refused = two.patch(&anna, &json!({ "vat_id": "US2", "credit": { "limit": "5.00" } })).refused(422);
    assert_eq!(pointers(&refused), ["/vat_id"]);
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len()), (0, 0));
    two.patch(&anna, &json!({ "vat_id": "US2" })).expect(200);
}

#[test]
fn one_judgement_goes_by_what_both_systems_hold_before_and_after() {
    let two = writing(|policies| {
        let rule = "\n@id(\"no-credit-for-slow-payers\")\nforbid (principal in Group::\"apps\", action == Action::\"update\", resource is Customer)\nwhen { resource has credit.limit && resource.credit.limit.greaterThan(decimal(\"5000.0\")) && resource has lifecycle && resource.lifecycle == \"lead\" };\n";
        let file = policies.join("access/guards.cedar");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{rule}")).unwrap();
    });
    let anna = two.customer("US1", "1000.00", 14);
    let high = json!({ "credit": { "limit": "9000.00" } });
    two.patch(&anna, &json!({ "lifecycle": "lead" })).expect(200);
    two.forget();
    // The limit is the one system's, what forbids it the other's.
    two.patch(&anna, &high).refused(403);
    assert_eq!((two.sent_to_books().len(), two.limit()), (0, "1000.00".into()));
    two.patch(&anna, &json!({ "lifecycle": "customer", "credit": { "limit": "9000.00" } })).expect(200);
    assert_eq!(two.limit(), "9000.00");
    // And the other way round: a change of the first is judged by what the second holds.
    two.forget();
    two.patch(&anna, &json!({ "lifecycle": "lead" })).refused(403);
    assert_eq!(two.sent_to_crm(), 0);
}

#[test]
fn nothing_is_made_where_a_statement_goes_by_what_another_system_will_tell_of_it() {
    let made = |edit: fn(&Path)| {
        let two = writing(edit);
        let body = json!({ "kind": "person", "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak", "emails": [{ "value": "ewa@example.com" }] });
        let answer = two.send(Method::POST, "/v1/customers", &body, &[]);
        let sent = two.stage.crm.seen().iter().filter(|seen| seen.method == "POST").count();
        let reason = two.entry(&answer)["refusal"].clone();
        (answer.status, sent, reason)
    };
    assert_eq!(made(|_| {}), (201, 1, Value::Null));
    // What the books would say of the new customer, nobody knows yet: the rule can neither hold nor fail.
    let ruled = made(|policies| {
        let rule = "\n@id(\"no-large-credit\")\nforbid (principal in Group::\"apps\", action == Action::\"create\", resource is Customer)\nwhen { resource has credit.limit && resource.credit.limit.greaterThan(decimal(\"5000.0\")) };\n";
        let file = policies.join("access/guards.cedar");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{rule}")).unwrap();
    });
    assert_eq!(ruled, (404, 0, json!("untold")));
}

#[test]
fn a_record_that_is_replaced_is_replaced_in_each_of_its_systems() {
    let two = writing(|_| {});
    let anna = two.customer("US1", "1000.00", 14);
    let record = two.stage.get(&anna).expect(200).json();
    two.forget();
    let mut body = json!({ "name": record["name"], "given_name": record["given_name"], "family_name": record["family_name"],
        "emails": record["emails"], "vat_id": "US1", "credit": { "limit": "3.00" } });
    // What the body leaves out is emptied, there too; a system that cannot says so before anything is sent.
    let refused = two.send(Method::PUT, &anna, &body, &[]).refused(422);
    assert_eq!(pointers(&refused), ["/payment_terms/days"]);
    assert_eq!((two.sent_to_crm(), two.sent_to_books().len(), two.limit()), (0, 0, "1000.00".into()));
    body["payment_terms"] = json!({ "days": 3 });
    two.send(Method::PUT, &anna, &body, &[]).expect(200);
    assert_eq!((two.limit(), two.accounts.lock()[0].3), ("3.00".into(), 3));
}

#[test]
fn a_replacement_by_who_may_not_write_what_another_system_tells_leaves_it_as_it_is_and_asks_nobody() {
    let two = Two::open(ON_VAT, |policies| {
        let read = "    read: {}\n";
        change(policies, "systems/books.yaml", read, &format!("{read}    update: {{}}\n"));
    });
    let anna = two.customer("US1", "1000.00", 14);
    let record = two.stage.get(&anna).expect(200).json();
    let body = json!({ "name": record["name"], "given_name": record["given_name"], "family_name": record["family_name"],
        "emails": record["emails"] });
    two.books.trouble(Some(Trouble::HangUp));
    two.send(Method::PUT, &anna, &body, &[]).expect(200);
    assert_eq!((two.limit(), two.sent_to_books().len()), ("1000.00".into(), 0));
}

#[test]
fn a_business_central_customer_is_changed_by_the_key_that_it_tells_beside_its_number() {
    let stage = Stage::open(|policies| {
        change(policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
        let with = "customers: { system: crm, with: { erp: { fields: [credit, payment_terms], on: id } } }";
        change(policies, "gateway.yaml", "customers: crm", with);
        change(
            policies,
            "access/apps.cedar",
            "@writes(\"name, given_name",
            "@writes(\"credit.limit, name, given_name",
        );
    });
    let body = json!({ "kind": "person", "name": "Jan Acme", "given_name": "Jan", "family_name": "Acme",
        "emails": [{ "value": "acme@example.com" }] });
    let made = stage.shop(Method::POST, "/v1/customers", &body).expect(201).json();
    let acme = format!("/v1/customers/{}", made["id"].as_str().unwrap());
    let limit = json!({ "website": "https://acme.example", "credit": { "limit": "7500.00" } });
    let refused = stage.shop(Method::PATCH, &acme, &limit).refused(422);
    assert_eq!(
        pointers(&refused),
        ["/credit/limit"],
        "nobody has said that they are one: {}",
        refused.json()
    );
    let one = format!("Customer/{}", made["id"].as_str().unwrap());
    let ran = stage.only_data(&["ids", "join", &one, "erp:40000", "--yes"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let before = stage.get(&acme).expect(200).json()["credit"].clone();
    stage.erp.forget();
    let changed = stage.shop(Method::PATCH, &acme, &limit).expect(200).json();
    assert_eq!(changed["website"], "https://acme.example");
    assert_eq!(
        changed["credit"],
        json!({ "currency": before["currency"], "limit": "7500.0", "used": before["used"] })
    );
    let seen = stage.erp.seen();
    let sent: Vec<&Seen> = seen.iter().filter(|seen| seen.method != "GET").collect();
    assert!(
        matches!(&sent[..], [one] if one.method == "PATCH" && one.body == r#"{"creditLimit":7500.00}"#),
        "{sent:?}"
    );
    assert!(
        sent[0].target.contains("/customers(") && !sent[0].target.contains("40000"),
        "{}",
        sent[0].target
    );
}
