//! What a caller may count on when it changes customers.

use http::Method;
use serde_json::{Value, json};

use super::{ALL, UNGUARDED, calls, natives::native, newcomer, path, sent, some, stored};
use crate::{
    ground::{Gate, ids},
    kit::Answer,
    people,
};

pub(super) fn create(gate: &Gate) {
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

pub(super) fn person(gate: &Gate) {
    let body = json!({ "kind": "person", "name": "Ola Lis", "given_name": "Ola", "family_name": "Lis" });
    assert_eq!(gate.post("/v1/customers", &body).expect(201).json()["kind"], "person");
}

pub(super) fn ask_person(gate: &Gate) -> Answer {
    gate.post("/v1/customers", &json!({ "kind": "person", "name": "Ola Lis" }))
}

pub(super) fn company(gate: &Gate) {
    assert_eq!(ask_company(gate).expect(201).json()["kind"], "company");
}

pub(super) fn ask_company(gate: &Gate) -> Answer {
    gate.post("/v1/customers", &json!({ "kind": "company", "name": "Lis S.A." }))
}

pub(super) fn status(gate: &Gate) {
    assert_eq!(ask_status(gate).expect(201).json()["status"], "blocked");
}

pub(super) fn ask_status(gate: &Gate) -> Answer {
    let mut body = newcomer(gate, "blocked");
    body["status"] = "blocked".into();
    gate.post("/v1/customers", &body)
}

pub(super) fn email(gate: &Gate) {
    let record = some(gate);
    let answer =
        gate.patch(&path(&record), &json!({ "emails": [{ "value": "other@new.example" }] })).expect(200);
    assert_eq!(answer.json()["emails"][0]["value"], "other@new.example");
}

pub(super) fn ask_email(gate: &Gate) -> Answer {
    let record = some(gate);
    gate.patch(&path(&record), &json!({ "emails": [{ "value": "other@new.example" }] }))
}

pub(super) fn update(gate: &Gate) {
    let record = some(gate);
    let id = record["id"].as_str().unwrap();
    let before = stored(gate, id);
    gate.system.forget();
    let change = calls("+48 22 555 88 88");
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
    gate.patch(&path(&record), &calls("+48 22 555 88 88")).expect(200);
    assert!(gate.changes().is_empty());
    let emptied = gate.patch(&path(&record), &json!({ "phones": null })).expect(200).json();
    assert_eq!(emptied["phones"], json!([]), "{emptied}");
    after = stored(gate, id);
    let name = (native(gate).phone)(&Value::Null);
    let name = name.pointer(pointer).unwrap().as_object().unwrap().keys().next().unwrap().clone();
    let left = after.pointer(pointer).unwrap()[&name].clone();
    assert!(left.is_null() || left == "", "{left}");
}

pub(super) fn concurrent(gate: &Gate) {
    let record = some(gate);
    let at = path(&record);
    let change = calls("+48 22 555 66 66");
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
    let lost = gate.patch(&at, &calls("+48 22 555 00 00")).refused(409).json();
    assert!(lost["type"].as_str().unwrap().ends_with("/conflict"), "{lost}");
    assert_eq!(gate.get(&at).expect(200).json()["phones"][0]["value"], "+48 22 555 66 66");
}

pub(super) fn delete(gate: &Gate) {
    let record = some(gate);
    gate.delete(&path(&record)).expect(204);
    assert_eq!(sent(gate).remove(0).0, "DELETE");
    gate.get(&path(&record)).refused(404);
    let left = gate.whole(ALL);
    assert_eq!(left.len(), people::ALL - 1);
    assert!(!ids(&left).contains(&record["id"].as_str().unwrap()));
    gate.delete(&path(&record)).refused(404);
}
