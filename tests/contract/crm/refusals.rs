//! What a caller is told when something cannot be, and that no text of its becomes more than a text.

use proptest::{
    prop_assert_eq,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{ALL, TELLS_EXISTING, called, calls, natives::native, newcomer, path, some};
use crate::{
    ground::{Gate, encoded, ids},
    kit::Answer,
    people,
};

pub(super) fn invalid(gate: &Gate) {
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

/// What the system has no place for is refused with its place, and nothing of the rest is done.
pub(super) fn unfit(gate: &Gate) {
    let at = path(&some(gate));
    for (mut change, pointer) in (native(gate).unfit)() {
        change["phones"] = json!([{ "type": "work", "value": "+48 22 555 66 66" }]);
        let problem = gate.patch(&at, &change).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{change}: {problem}");
    }
    assert!(gate.changes().is_empty());
}

/// A record that points to one that is not there is not made.
pub(super) fn dangling(gate: &Gate) {
    let native = native(gate);
    let mut body = newcomer(gate, "dangling");
    body["parent"] = native.absent.into();
    let (status, told) = native.dangling;
    let problem = gate.post("/v1/customers", &body).refused(status).json();
    let kind = problem["type"].as_str().unwrap();
    assert!(problem["errors"][0]["pointer"] == told || kind.ends_with(told), "{problem}");
    assert_eq!(gate.whole(ALL).len(), people::ALL);
}

pub(super) fn duplicate(gate: &Gate) {
    let body = newcomer(gate, "twice");
    let first = gate.post("/v1/customers", &body).expect(201).json();
    let problem = gate.post("/v1/customers", &body).refused(409).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/duplicate"), "{problem}");
    let existing = if TELLS_EXISTING.contains(&gate.subject.name) { &first["id"] } else { &Value::Null };
    assert_eq!(problem["existing"], *existing, "{problem}");
    assert_eq!(gate.whole(ALL).len(), people::ALL + 1);
}

/// The caller is not to blame: it is told that the system is busy, and when to come again.
pub(super) fn rate_limit(gate: &Gate) {
    let record = some(gate);
    gate.switch("limit");
    for answer in
        [gate.get(ALL), gate.get(&path(&record)), gate.patch(&path(&record), &calls("+48 22 555 66 66"))]
    {
        let answer = answer.refused(503);
        assert_eq!(answer.header("retry-after"), Some(native(gate).waits.to_string().as_str()));
        let problem = answer.json();
        assert!(problem["type"].as_str().unwrap().ends_with("/busy"), "{problem}");
    }
    assert!(gate.changes().is_empty());
    gate.switch("free");
    gate.get(&path(&record)).expect(200);
}

pub(super) fn sign_in(gate: &Gate) {
    let record = some(gate);
    gate.switch("spend");
    assert_eq!(gate.get(&path(&record)).expect(200).json(), record);
    // Another gate: no gate gives up one session after the other.
    let gate = Gate::open(gate.subject);
    gate.get(ALL).expect(200);
    gate.switch("spend");
    gate.patch(&path(&record), &calls("+48 22 555 66 66")).expect(200);
    assert_eq!(gate.changes().len(), 1, "it is done once");
}

pub(super) fn ask_sign_in(gate: &Gate) -> Answer {
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

pub(super) fn literals(gate: &Gate) {
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
pub(super) fn any_text(gate: &Gate) {
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
