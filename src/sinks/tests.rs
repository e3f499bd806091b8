//! Every kind of entry in the forms that sinks are sent.

use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Map, Value as Json, json};

use super::{
    Cursor, Needed, Part, Place, Redaction, SinkList, SinkSettings,
    cursor::Hold,
    event::Told,
    ocsf::{self, Leaf},
    redact::Rules,
};
use crate::{
    audit::JournalKeys,
    words::{Diagnostics, Digest, tree, yaml::FromYaml as _},
};

/// What the schema says of an event.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn new() -> Self {
        let text = include_str!("../../tests/ocsf/events.schema.json");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("ocsf.json", serde_json::from_str(text).unwrap()).unwrap();
        let index = compiler.compile("ocsf.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn faults(&self, event: &Json) -> Option<String> {
        self.0.validate(event, self.1).err().map(|error| format!("{error:#}"))
    }
}

fn told(leaf: Json) -> Told<'static> {
    let Json::Object(mut entry) = leaf else { panic!("no object") };
    for (key, value) in
        [("v", json!(1)), ("seq", "0000000000000011".into()), ("salt", "ab".repeat(16).into())]
    {
        entry.entry(key).or_insert(value);
    }
    entry.insert("boot".into(), "07".repeat(16).into());
    entry.insert("at".into(), "2026-11-27T12:00:00.123456Z".into());
    let at = "2026-11-27T12:00:00.123456Z".parse().unwrap();
    let leaf_hash = Digest([5; 32]);
    Told {
        gate: "main",
        lane: "0",
        sequence: 17,
        leaf_hash,
        at,
        entry,
        redacted: Vec::new(),
        is_erased: false,
    }
}

fn event(leaf: Json) -> Json {
    event_of(&told(leaf))
}

fn event_of(told: &Told<'_>) -> Json {
    ocsf::event(told, &Leaf::of(told).unwrap())
}

fn who() -> Json {
    json!({
        "kind": "Partner", "id": "a1".repeat(16), "partner": "b2".repeat(16), "groups": ["partners"], "plan": "partner",
        "attributes": ["customer"], "facts": "c3".repeat(32),
    })
}

/// An entry, and class, activity, status and severity of its event.
type Case = (Json, [u64; 4]);

fn exchanges() -> Vec<Case> {
    let request = "00112233445566778899aabbccddeeff";
    let asked = |more: Json| {
        let mut leaf = json!({
            "kind": "answer", "request": request, "listener": "data", "network": "public", "tls": "TLSv1.3",
            "server_name": "api.example", "method": "GET", "path": "/v1/orders", "credential": "token",
            "credential_id": "0190f1c2", "who": who(), "bundle": "d4".repeat(32), "micros": 2_500,
        });
        leaf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        leaf
    };
    let shown = json!([{ "fields": ["id", "status"], "records": ["e5".repeat(16)] }]);
    let of =
        |action: &str, status: u64| asked(json!({ "action": action, "target": "Order", "status": status }));
    vec![
        (of("create", 201), [6003, 1, 1, 1]),
        (of("read", 200), [6003, 2, 1, 1]),
        (
            asked(json!({
                "action": "list", "target": "Order", "status": 200, "shown": shown, "records": ["e5".repeat(16)],
                "subjects": ["f6".repeat(16)], "decided": ["partners-read-own-orders"], "withheld_denied": 3,
                "calls": [{ "system": "erp", "status": 200, "micros": 900, "bytes_out": 10, "bytes_in": 2000 }],
                "read": ["customer"], "sealed": "07".repeat(32), "bytes": 512,
            })),
            [6003, 2, 1, 1],
        ),
        (of("update", 200), [6003, 3, 1, 1]),
        (of("delete", 204), [6003, 4, 1, 1]),
        (asked(json!({ "action": "call", "target": "erp", "status": 200 })), [6003, 99, 1, 1]),
        (
            asked(json!({ "action": "read", "target": "Order", "status": 404, "refusal": "hidden" })),
            [6003, 2, 2, 2],
        ),
        (
            asked(json!({ "action": "read", "target": "Order", "status": 502, "refusal": "system_down" })),
            [6003, 2, 2, 3],
        ),
        (asked(json!({ "status": 404, "refusal": "no_such_path", "method": "PROPFIND" })), [6003, 99, 2, 2]),
        (asked(json!({ "action": "read", "target": "Order", "reason": "abandoned" })), [6003, 2, 2, 2]),
        (
            asked(
                json!({ "action": "update", "target": "Order", "reason": "abandoned", "outcome": "unknown" }),
            ),
            [6003, 3, 0, 4],
        ),
        (
            asked(
                json!({ "action": "read", "target": "Order", "status": 200, "notes": [["alert", "misses"]] }),
            ),
            [6003, 2, 1, 3],
        ),
    ]
}

/// What is written before and after an answer, and where nobody was identified.
fn beside() -> Vec<Case> {
    let request = "00112233445566778899aabbccddeeff";
    vec![
        (
            json!({
                "kind": "intent", "request": request, "who": who(), "write": "update", "entity": "Order",
                "record": "e5".repeat(16), "records": ["e5".repeat(16)], "changed": ["status"],
            }),
            [6003, 3, 99, 1],
        ),
        (
            json!({ "kind": "intent", "request": request, "who": who(), "system": "erp", "call": "09".repeat(16) }),
            [6003, 99, 99, 1],
        ),
        (
            json!({ "kind": "close", "request": request, "ended": "complete", "bytes_in": 1, "bytes_out": 2, "micros": 3 }),
            [6003, 99, 1, 1],
        ),
        (
            json!({ "kind": "close", "request": request, "ended": "caller-gone", "bytes_in": 1, "bytes_out": 2, "micros": 3 }),
            [6003, 99, 2, 2],
        ),
        (
            json!({
                "kind": "answer", "request": request, "listener": "data", "network": "public", "tls": "TLSv1.3",
                "method": "GET", "path": "/v1/orders", "refusal": "bad_signature", "status": 401, "micros": 90,
            }),
            [3002, 1, 2, 2],
        ),
        (
            json!({ "kind": "answer", "listener": "data", "network": "public", "tls": "none", "refusal": "handshake_tls" }),
            [3002, 1, 2, 2],
        ),
        (
            json!({ "kind": "answer", "listener": "data", "network": "private", "tls": "none", "refusal": "door_bad_head", "status": 400 }),
            [6003, 99, 2, 2],
        ),
        (
            json!({ "kind": "counted", "exchanges": 400, "addresses": 3, "reasons": [["no_credential", 400]] }),
            [6003, 99, 99, 2],
        ),
    ]
}

fn acts() -> Vec<Case> {
    let act = |act: &str, by: &str, details: Json| json!({ "kind": "administrative", "act": act, "by": by, "details": details });
    vec![
        (
            act(
                "credential-issue",
                "cli:uid-0",
                json!([["sort", "token"], ["id", "0190"], ["kind", "App"], ["principal", "shop"]]),
            ),
            [3002, 99, 1, 1],
        ),
        (
            act("credential-issue", "ola", json!([["sort", "admin"], ["id", "ola"], ["role", "audit"]])),
            [3002, 99, 1, 1],
        ),
        (act("credential-revoke", "ola", json!([["id", "0190"]])), [3002, 99, 1, 1]),
        (act("signing-key-rotate", "ola", json!([])), [3002, 99, 1, 1]),
        (act("journal-read", "ola", json!([["what", "tail"]])), [6003, 2, 1, 1]),
        (act("systems-read", "ola", json!([["what", "records"]])), [6003, 2, 1, 1]),
        (act("swapped", "gate", json!([["bundle", "d4"]])), [6003, 99, 1, 1]),
        (
            json!({ "kind": "administrative", "act": "erase", "by": "ola", "subject": "ab".repeat(16), "erased": ["0:1"] }),
            [6003, 4, 1, 1],
        ),
        (
            json!({ "kind": "administrative", "act": "refused", "by": "stranger", "route": "tokens", "refusal": "no_token" }),
            [3002, 1, 2, 3],
        ),
        (
            json!({ "kind": "administrative", "act": "refused", "by": "ola", "route": "reload", "refusal": "role" }),
            [3002, 1, 2, 3],
        ),
        (
            json!({ "kind": "start", "role": "gate", "lanes": [{ "lane": "1", "size": 4, "root": "ab" }] }),
            [6002, 3, 1, 1],
        ),
        (json!({ "kind": "stop" }), [6002, 4, 1, 1]),
        (json!({ "kind": "open", "open": [["0011", 4]] }), [6002, 99, 1, 1]),
    ]
}

#[test]
fn every_kind_of_entry_is_an_event_of_the_open_cybersecurity_schema() {
    let schema = Schema::new();
    for (leaf, wanted) in exchanges().into_iter().chain(beside()).chain(acts()) {
        let event = event(leaf);
        assert_eq!(schema.faults(&event), None, "{event:#}");
        let number = |key: &str| event[key].as_u64().unwrap();
        let is = ["class_uid", "activity_id", "status_id", "severity_id"].map(number);
        assert_eq!(is, wanted, "{event:#}");
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
        assert_eq!(event["metadata"]["uid"], "main/0:17");
        assert_eq!(event["unmapped"]["leaf_hash"], "05".repeat(32));
    }
}

#[test]
fn every_record_that_was_looked_at_or_shown_is_a_resource_once() {
    let (mut leaf, _) = exchanges().swap_remove(2);
    let uids = |leaf: &Json| {
        let resources = event(leaf.clone())["resources"].as_array().cloned().unwrap();
        resources
            .iter()
            .map(|resource| resource["uid"].as_str().unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    };
    leaf["records"] = json!(["aa".repeat(16), "e5".repeat(16)]);
    assert_eq!(uids(&leaf), ["aa".repeat(16), "e5".repeat(16)]);
    leaf.as_object_mut().unwrap().remove("records");
    assert_eq!(uids(&leaf), ["e5".repeat(16)]);
    leaf.as_object_mut().unwrap().remove("shown");
    assert_eq!(event(leaf)["resources"], json!([{ "name": "Order" }]));
}

#[test]
fn the_schema_finds_an_event_that_is_none() {
    let schema = Schema::new();
    let (leaf, _) = exchanges().swap_remove(0);
    let event = event(leaf);
    let without = |key: &str| {
        let mut bent = event.clone();
        bent.as_object_mut().unwrap().remove(key);
        bent
    };
    let with = |key: &str, value: Json| {
        let mut bent = event.clone();
        bent[key] = value;
        bent
    };
    for bent in [
        without("actor"),
        without("src_endpoint"),
        without("metadata"),
        with("severity_id", 7.into()),
        with("type_uid", 600_302.into()),
        with("status", "Failure".into()),
        with("class_uid", 6001.into()),
        with("nickname", "x".into()),
        with("time", "2026-11-27T12:00:00Z".into()),
        with("src_endpoint", json!({ "zone": "public" })),
    ] {
        assert!(schema.faults(&bent).is_some(), "{bent:#}");
    }
}

#[test]
fn what_is_sealed_is_in_an_event_only_once_it_was_opened_and_then_where_it_belongs() {
    let schema = Schema::new();
    let (mut leaf, _) = exchanges().swap_remove(1);
    let closed = event(leaf.clone());
    assert_eq!(closed["src_endpoint"], json!({ "name": "public", "zone": "public" }));
    assert_eq!(closed["actor"]["user"]["uid"], "a1".repeat(16));
    leaf["opened"] =
        json!({ "address": "192.0.2.7", "peer": "10.0.0.1", "id": "corp|portal", "partner": "acme" });
    let opened = event(leaf);
    assert_eq!(schema.faults(&opened), None, "{opened:#}");
    assert_eq!(opened["src_endpoint"]["ip"], "192.0.2.7");
    assert_eq!(opened["src_endpoint"]["intermediate_ips"], json!(["10.0.0.1"]));
    let user = &opened["actor"]["user"];
    assert_eq!((&user["uid"], &user["name"]), (&"corp|portal".into(), &"Partner/corp|portal".into()));
    assert_eq!((&user["org"]["uid"], &user["uid_alt"]), (&"acme".into(), &"a1".repeat(16).into()));
    assert!(opened["unmapped"].get("opened").is_none());
}

#[test]
fn what_is_redacted_is_in_no_part_of_an_event_and_its_digest_is_the_same_each_time_and_another_for_each_sink()
{
    let (folder, schema) = (tempfile::tempdir().unwrap(), Schema::new());
    let keys = Arc::new(JournalKeys::open(folder.path()).unwrap());
    let (leaf, _) = exchanges().swap_remove(2);
    let apply = |sink: &str, rules: Vec<(Part, Redaction)>| {
        let mut entry: Map<String, Json> = leaf.as_object().unwrap().clone();
        entry.insert("opened".into(), json!({ "address": "192.0.2.7" }));
        let redacted = Rules::new(sink, rules).apply(&mut entry, &keys);
        let mut told = told(entry.into());
        told.redacted = redacted;
        let event = event_of(&told);
        assert_eq!(schema.faults(&event), None, "{event:#}");
        event
    };
    let all = super::redact::PARTS.map(|part| (part, Redaction::Drop)).to_vec();
    let dropped = apply("siem", all).to_string();
    for secret in [
        &*"a1".repeat(16),
        &"b2".repeat(16),
        &"c3".repeat(32),
        &"e5".repeat(16),
        &"f6".repeat(16),
        "partners",
        "0190f1c2",
        "api.example",
        "/v1/orders",
        "192.0.2.7",
        "erp",
        "\"status\"]",
    ] {
        assert!(!dropped.contains(secret), "{secret} in {dropped}");
    }
    let digest = vec![(Part::Principal, Redaction::Digest), (Part::Address, Redaction::Digest)];
    let (one, again, other) =
        (apply("siem", digest.clone()), apply("siem", digest.clone()), apply("lake", digest));
    let uid = |event: &Json| event["actor"]["user"]["uid"].as_str().unwrap().to_owned();
    let from = |event: &Json| event["src_endpoint"]["uid"].as_str().unwrap().to_owned();
    assert_eq!((uid(&one), from(&one)), (uid(&again), from(&again)));
    assert_ne!(uid(&one), uid(&other));
    assert_ne!(uid(&one), "a1".repeat(16));
    assert_eq!(one["unmapped"]["redacted"], json!(["principal", "address"]));
}

#[test]
fn what_a_sink_has_not_had_is_needed_and_one_that_had_nothing_needs_all() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("main");
    let text = "[{ name: a, file: { path: f } }, { name: b, file: { path: g } }]";
    let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
    let sinks = SinkList::read(&node, &mut Diagnostics::default()).unwrap().0;
    let oldest = |sinks: &[SinkSettings]| Needed::of(&folder, sinks).unwrap().oldest("0");
    assert_eq!((oldest(&[]), oldest(&sinks)), (None, Some(0)));
    for (sink, next) in [("a", 9), ("b", 4)] {
        let hold = Hold::take(&folder, sink).unwrap();
        let mut cursor = Cursor::fresh(sink, "file");
        cursor.lanes.insert("0".into(), Place { next, last: None });
        hold.write(&cursor).unwrap();
    }
    assert_eq!((oldest(&sinks), oldest(&sinks[..1])), (Some(4), Some(9)));
    assert_eq!(Needed::of(&folder, &sinks).unwrap().oldest("1"), Some(0));
}
