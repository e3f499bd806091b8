//! Facts about fields that named calls lead to their values.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const FILE: &str = r#"
absent: { any: [""] }
clear: { any: "" }
entities:
  Order:
    at: /orders
    key: { at: id, form: digits }
    version: { at: version, send: If-Match }
    list: { rows: . }
    read: {}
    create: {}
    update: {}
    actions:
      status:
        new: draft
        to:
          open:
            - { from: [draft, on_hold], when: { offered: "true" }, calls: [ { post: "/{key}/confirm" } ] }
            - { from: [draft], calls: [ { post: "/{key}/offer" }, { put: "/{key}/state", body: { state: confirmed, of: "{key:number}" } } ] }
          cancelled: { from: [draft, open], calls: [ { delete: "/{key}/holds" } ] }
    fields:
      buyer_reference: reference
      currency: currency
      customer_name: offered
      status:
        first:
          - { when: { gone: "true" }, is: cancelled }
          - { at: state, values: { new: draft, offered: draft, wait: on_hold, confirmed: open } }
"#;

fn system() -> &'static System {
    static SYSTEM: LazyLock<System> = LazyLock::new(|| {
        let (system, told) = load_text("s", FILE, "https://s.example");
        system.unwrap_or_else(|| panic!("{told}"))
    });
    &SYSTEM
}

/// The requests of a change, each with its guard and body; of a record that was offered or not.
fn sent(
    old: &str,
    new: &str,
    offered: bool,
) -> Result<Vec<(String, Option<String>, Value)>, Vec<MappingFault>> {
    let system = system();
    let m = system.entity("Order").unwrap();
    let native = json!({ "id": 7, "version": "v1", "state": "new", "offered": offered.to_string() });
    let versions = m.part_versions(&answer(200, &native.to_string())).unwrap();
    let records = (&record(m, old), &record(m, new));
    let changes = m.changes("7", records, (Some("v1"), &versions), &FieldSet::EMPTY, None)?;
    assert_eq!(changes.calls(), changes.record.iter().count() + changes.parts.len());
    let parts = changes.parts.iter().map(|part| &part.request);
    Ok(changes.record.iter().chain(parts).map(shown).collect())
}

fn shown(request: &NativeRequest) -> (String, Option<String>, Value) {
    let version = request.headers.get("if-match").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    (format!("{} {}", request.method, request.target), version, body)
}

fn refused(old: &str, new: &str) -> (String, String) {
    let fault = sent(old, new, false).unwrap_err().remove(0);
    assert_eq!(fault.whose, Whose::Caller);
    (fault.pointer, fault.message)
}

const DRAFT: &str = r#"{"currency":"EUR","status":"draft"}"#;

#[test]
fn calls_lead_to_a_value_in_their_order_after_whatever_else_changes() {
    let guard = Some("v1".to_owned());
    let confirmed = json!({ "state": "confirmed", "of": 7 });
    let open = r#"{"currency":"EUR","status":"open"}"#;
    assert_eq!(
        sent(DRAFT, open, false).unwrap(),
        [
            ("POST /orders/7/offer".into(), guard.clone(), json!({})),
            ("PUT /orders/7/state".into(), None, confirmed.clone()),
        ]
    );
    let both = r#"{"currency":"PLN","status":"open"}"#;
    assert_eq!(
        sent(DRAFT, both, false).unwrap(),
        [
            ("PATCH /orders/7".into(), guard.clone(), json!({ "currency": "PLN" })),
            ("POST /orders/7/offer".into(), None, json!({})),
            ("PUT /orders/7/state".into(), None, confirmed),
        ]
    );
    // What the record says natively decides between ways.
    assert_eq!(sent(DRAFT, open, true).unwrap(), [("POST /orders/7/confirm".into(), guard, json!({}))]);
    assert!(sent(DRAFT, DRAFT, false).unwrap().is_empty(), "it is there already");
}

#[test]
fn a_value_without_a_way_is_refused_with_its_place_and_tells_nothing_of_the_record() {
    let none = r#"{"currency":"EUR"}"#;
    let to = |status: &str| format!(r#"{{"currency":"EUR","status":"{status}"}}"#);
    let of = |old: &str, new: &str| refused(&to(old), &to(new));
    let (at, why) = of("cancelled", "open");
    assert_eq!(at, "/status");
    assert_eq!(why, "the system has a way to this value from `draft` or `on_hold` only");
    // The same words from wherever it is, known or not.
    assert_eq!(refused(none, &to("open")).1, why);
    assert_eq!(of("on_hold", "open").1, why, "that way is for what was offered");
    assert_eq!(of("draft", "closed").1, "the system has no way to this value");
    assert_eq!(refused(DRAFT, none).1, "the system cannot empty this field");
}

#[test]
fn a_new_record_is_made_and_then_led() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let made = m.creation(&record(m, r#"{"currency":"EUR","status":"open"}"#), None).unwrap();
    assert_eq!(shown(&made.record), ("POST /orders".into(), None, json!({ "currency": "EUR" })));
    let parts = made.parts.into_iter().map(|draft| m.part(draft, "9", &PartVersions::default()).unwrap());
    let parts: Vec<_> = parts.map(|part| (part.pointer, part.what, shown(&part.request).0)).collect();
    assert_eq!(
        parts,
        [
            ("/status".into(), PartChange::Led, "POST /orders/9/offer".into()),
            ("/status".into(), PartChange::Led, "PUT /orders/9/state".into()),
        ]
    );
    let [lead] = made.leads.try_into().unwrap();
    let reads = |status: &str| lead.is_reached(&record(m, &format!(r#"{{"status":"{status}"}}"#)));
    assert!(reads("open") && !reads("draft"));
    // What it has anyway needs no call.
    for same in [r#"{"currency":"EUR"}"#, DRAFT] {
        let made = m.creation(&record(m, same), None).unwrap();
        assert!(made.parts.is_empty() && made.leads.is_empty());
    }
    assert!(m.creation(&record(m, r#"{"currency":"EUR","status":"on_hold"}"#), None).is_err());
}

#[test]
fn policies_judge_the_value_that_a_write_leads_to() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let held = |before: Before<'_>, new: &str| {
        json(m.entity(), &m.settled(before, record(m, new), &FieldSet::EMPTY).held)["status"].clone()
    };
    assert_eq!(held(Before::Nothing, r#"{"status":"open"}"#), "open");
    assert_eq!(held(Before::Nothing, r#"{"currency":"EUR"}"#), "draft", "as a new one is");
    let native = answer(200, r#"{"id":7,"version":"v1","state":"new","currency":"EUR","gone":"false"}"#);
    let old = record(m, DRAFT);
    let before = Before::Told { record: &old, answer: &native };
    assert_eq!(held(before, r#"{"currency":"EUR","status":"cancelled"}"#), "cancelled");
    assert_eq!(held(before, r#"{"currency":"PLN","status":"draft"}"#), "draft");
    // It may be sent, though no line writes it.
    let status = m.entity().leaf_at("status").unwrap();
    for action in [crate::catalog::Action::Create, crate::catalog::Action::Update] {
        assert!(m.view(action).writable.contains(status));
    }
}

#[test]
fn what_is_wrong_with_ways_is_told_with_what_to_write() {
    let told = |from: &str, to: &str| {
        assert!(FILE.contains(from), "{from}");
        load_text("s", &FILE.replacen(from, to, 1), "https://s.example").1
    };
    for (from, to, expected) in [
        ("from: [draft, open]", "from: [draft, oben]", "the field is never read as `oben`"),
        ("          cancelled: {", "          closed: {", "the field is never read as `closed`"),
        ("new: draft", "new: closed", "the field is never read as `closed`"),
        ("when: { offered:", "when: { bid:", "`bid` is read by no line"),
        (
            "      status:\n        new",
            "      customer:\n        new",
            "`customer` is no field of one line here",
        ),
        ("      status:\n        new", "      currency:\n        new", "`currency` is written by its line"),
        ("    update: {}\n", "", "`actions` go with `update`"),
        ("    read: {}\n", "", "`actions` need `read`"),
        ("calls: [ { delete: \"/{key}/holds\" } ]", "calls: []", "a list of one to eight calls"),
        ("delete: \"/{key}/holds\"", "delete: \"/holds\"", "must hold `{key}`"),
        ("of: \"{key:number}\"", "of: \"{record}\"", "`{record}` is nothing to fill in here"),
        (", send: If-Match", "", "the first call of a way does not hold it"),
        (
            "    fields:",
            "    lacks: { status: nobody knows }\n    fields:",
            "`status` is written by its line",
        ),
    ] {
        let all = told(from, to);
        assert!(all.contains(expected), "{to}: {all}");
        assert!(all.contains("s.yaml:"), "{all}");
    }
}

proptest! {
    #[test]
    fn no_key_gets_out_of_the_address_of_a_call(key in "\\PC{0,40}") {
        let system = system();
        let m = system.entity("Order").unwrap();
        let made = m.creation(&record(m, r#"{"status":"open"}"#), None).unwrap();
        for draft in made.parts {
            let Ok(part) = m.part(draft, &key, &PartVersions::default()) else { continue };
            prop_assert!(key.bytes().all(|byte| byte.is_ascii_digit()), "{}", key);
            let target = &part.request.target;
            prop_assert!(target.starts_with(&format!("/orders/{key}/")), "{}", target);
        }
    }
}
