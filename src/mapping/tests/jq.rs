//! Facts about fields that jq filters read and write.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Value;

const FILTERED: &str = r#"
clear: { any: null }
entities:
  Order:
    at: /o
    read: {}
    create: {}
    update: {}
    fields:
      currency: =PLN
      salesperson: rep
      buyer_reference: { at: refs, jq: { in: 'first(.[]? | select(.kind == "po") | .value)', out: '[{ kind: "po", value: . }]' }, most: 20 }
      customer_name: { jq: { in: '[.first, .last | values] | join(" ")' }, write: never }
      email: { at: contact, jq: { in: '.mail' }, write: never }
      ship_to:
        city: contact.city
      tax_total: { at: taxes, jq: { in: '.[]? | select(.code == "VAT") | .amount' } }
      ordered_on: { at: times.days, jq: { in: '.placed | values | split("T") | .[0]' }, write: never }
      status: { at: state, jq: { in: '.flags | if any(. == "closed") then "closed" else "open" end' }, values: { closed: closed, open: open }, write: never }
      lines:
        each: items
        key: id
        write: never
        fields:
          sku: { jq: { in: '.codes | map(select(.type == "sku")) | .[0].text' }, write: never }
          description: { at: texts, jq: { in: 'map(.en // .pl | values) | join(", ")' }, write: never }
  Product:
    at: /p
    read: {}
    create: {}
    fields:
      name: name
      list_price:
        net_price: { at: prices, jq: { in: 'first(.[] | select(.kind == "net") | .amount)', out: '[{ kind: "net", amount: . }]' } }
        currency: =PLN
"#;

fn filtered() -> System {
    let (system, told) = load_text("x", FILTERED, "https://x.example");
    system.filter(|_| told.is_empty()).unwrap_or_else(|| panic!("{told}"))
}

fn native() -> Json {
    json!({
        "id": "1", "rep": "R1", "first": "Ewa", "last": "Lis",
        "refs": [{ "kind": "x", "value": "no" }, { "kind": "po", "value": "PO-7" }],
        "contact": { "mail": "e@x.example", "city": "Gdynia" },
        "taxes": [{ "code": "VAT", "amount": 23.10 }, { "code": "X", "amount": 1 }],
        "times": { "days": { "placed": "2026-01-15T10:00:00Z" } },
        "state": { "flags": ["a", "closed"] },
        "items": [
            { "id": "a", "codes": [{ "type": "ean", "text": "1" }, { "type": "sku", "text": "S-1" }], "texts": [{ "en": "Lamp" }, { "pl": "Nowa" }] },
            { "id": "b", "codes": [], "texts": [] }
        ]
    })
}

fn inward(m: &Mapping, text: &str) -> Inward {
    m.inward(&answer(200, text), &m.entity().all()).unwrap()
}

#[test]
fn filters_read_the_record_a_place_of_it_and_elements_of_lists() {
    let system = filtered();
    let m = system.entity("Order").unwrap();
    let text = native().to_string().replace("23.1", "23.10");
    let read = inward(m, &text);
    assert_eq!(read.findings, []);
    assert_eq!(
        json(m.entity(), &read.record),
        json!({
            "id": "1", "currency": "PLN", "salesperson": "R1", "customer_name": "Ewa Lis", "buyer_reference": "PO-7", "ordered_on": "2026-01-15",
            "status": "closed", "email": "e@x.example", "ship_to": { "city": "Gdynia" },
            "lines": [{ "id": "a", "sku": "S-1", "description": "Lamp, Nowa" }, { "id": "b", "description": "" }],
            "tax_total": "23.10"
        })
    );
}

#[test]
fn what_is_not_there_is_missing_and_what_is_null_is_known_to_be_nothing() {
    let system = filtered();
    let m = system.entity("Order").unwrap();
    let read = inward(m, r#"{ "id": "1", "refs": null, "times": null }"#);
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    assert!(read.missing.contains(leaf("email")) && read.missing.contains(leaf("tax_total")));
    assert!(!read.missing.contains(leaf("buyer_reference")) && !read.missing.contains(leaf("ordered_on")));
    assert_eq!((read.record.first(m.entity(), leaf("buyer_reference")), read.findings.len()), (None, 0));
}

#[test]
fn a_filter_that_fails_leaves_its_field_out_and_is_told() {
    let system = filtered();
    let m = system.entity("Order").unwrap();
    for (name, value, why) in [
        (
            "taxes",
            json!([{ "code": "VAT", "amount": 1 }, { "code": "VAT", "amount": 2 }]),
            "the filter gives more than one value",
        ),
        ("taxes", json!([{ "code": "VAT", "amount": [] }]), "the filter gives no single value"),
        ("taxes", json!([{ "code": "VAT", "amount": "abc" }]), "not a decimal number"),
        ("times", json!({ "days": { "placed": 7 } }), "the filter fails on it"),
        ("times", json!({ "days": { "placed": "soon" } }), "not a date"),
        ("contact", json!({ "mail": "x".repeat(20_000) }), "larger than a filter may read"),
    ] {
        let mut native = native();
        native[name] = value;
        let read = inward(m, &native.to_string());
        let told: Vec<_> = read.findings.iter().map(|finding| finding.what.clone()).collect();
        assert!(told.contains(&What::Unfit(why)), "{name}: {told:?}");
        assert_eq!(read.id, "1");
    }
}

#[test]
fn what_a_filter_may_read_is_no_new_field() {
    let system = filtered();
    let unread = |entity: &str, text: &str| {
        system.entity(entity).unwrap().unread(&Bytes::copy_from_slice(text.as_bytes()))
    };
    assert_eq!(unread("Order", &native().to_string()), Vec::<String>::new());
    let text = r#"{ "id": "1", "prices": [{ "kind": "net", "amount": 1, "more": 2 }], "other": 1 }"#;
    assert_eq!(unread("Product", text), ["other"]);
}

#[test]
fn a_written_field_goes_through_its_filter_and_back() {
    let system = filtered();
    let m = system.entity("Order").unwrap();
    let sent = record(m, r#"{ "salesperson": "R", "buyer_reference": "PO-8" }"#);
    let body: Json = serde_json::from_slice(&m.create(&sent).unwrap().body).unwrap();
    assert_eq!(body, json!({ "rep": "R", "refs": [{ "kind": "po", "value": "PO-8" }] }));
    let new = record(m, r#"{ "salesperson": "R", "buyer_reference": "PO-9" }"#);
    let body: Json =
        serde_json::from_slice(&m.update("1", &sent, &new, None).unwrap().unwrap().body).unwrap();
    assert_eq!(body, json!({ "refs": [{ "kind": "po", "value": "PO-9" }] }));
    assert!(m.update("1", &new, &new, None).unwrap().is_none());
}

#[test]
fn an_amount_goes_both_ways_as_the_literal_that_it_is() {
    let system = filtered();
    let m = system.entity("Product").unwrap();
    for amount in ["4.50", "19.99", "29.949999999999999", "0.0000001", "98765432109876543210.12"] {
        let sent = record(m, &format!(r#"{{ "name": "N", "list_price": {{ "net_price": "{amount}" }} }}"#));
        let body = m.create(&sent).unwrap().body;
        assert_eq!(body, format!(r#"{{"name":"N","prices":[{{"kind":"net","amount":{amount}}}]}}"#));
        let read = inward(m, &format!(r#"{{"id":"1","prices":[{{"kind":"net","amount":{amount}}}]}}"#));
        assert_eq!(json(m.entity(), &read.record)["list_price"]["net_price"], amount);
    }
}

#[test]
fn what_would_not_read_back_is_refused_and_not_sent() {
    let text = FILTERED.replace(
        r#"out: '[{ kind: "po", value: . }]'"#,
        r#"out: '[{ kind: "po", value: (. | ascii_upcase) }]'"#,
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    assert!(m.create(&record(m, r#"{ "salesperson": "R", "buyer_reference": "PO" }"#)).is_ok());
    let faults = m.create(&record(m, r#"{ "salesperson": "R", "buyer_reference": "po" }"#)).unwrap_err();
    assert_eq!(faults[0].pointer, "/buyer_reference");
    assert!(!faults[0].message.contains("po`"), "{}", faults[0].message);
}

#[test]
fn a_filter_over_what_is_written_by_others_is_not_told_before_the_system_answers() {
    let system = filtered();
    let m = system.entity("Order").unwrap();
    let stored = answer(200, &native().to_string());
    let old = inward(m, &native().to_string()).record;
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    let mut new = old.clone();
    let (ship_to, shape) = m.entity().root.field("ship_to").unwrap();
    let schema::Shape::Object(object) = &shape.shape else { panic!() };
    let (city, _) = object.field("city").unwrap();
    let Some(Value::Object(fields)) = new.fields.at_mut(ship_to) else { panic!() };
    fields.set(city, Value::Text("Hel".into()));
    let before = Before::Told { record: &old, answer: &stored };
    let settled = m.settled(before, new, &FieldSet::EMPTY);
    assert_eq!(settled.held.first(m.entity(), leaf("ship_to.city")), Some(&Value::Text("Hel".into())));
    assert_eq!(settled.held.first(m.entity(), leaf("email")), None, "`contact` is written");
    assert_eq!(settled.held.first(m.entity(), leaf("buyer_reference")), Some(&Value::Text("PO-7".into())));
}

/// Orders whose `status` a filter reads that may take long, by its text.
fn long() -> System {
    let filter = r#"if . == "x" then (map(tostring) | reverse | map(split("") | join("")) | join("")) else "open" end"#;
    let text = format!(
        "entities:\n  Order:\n    at: /o\n    list: {{ rows: rows }}\n    read: {{}}\n    fields:\n      salesperson: rep\n      status: {{ at: notes, jq: {{ in: '{filter}' }}, write: never }}\n"
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}"))
}

/// A page of orders, each with a text of so many bytes.
fn page_of(orders: usize, bytes: usize) -> NativeAnswer {
    let order = json!({ "id": "1", "rep": "R", "notes": "n".repeat(bytes) });
    answer(200, &json!({ "rows": vec![order; orders] }).to_string())
}

#[test]
fn the_filters_of_an_answer_together_go_through_no_more_than_they_may() {
    let system = long();
    let m = system.entity("Order").unwrap();
    let all = m.entity().all();
    let listing = m.list(&all, &schema::Filter::everything(), &[], None, 100).unwrap();
    let read = |answer: &NativeAnswer, wanted: &FieldSet| m.inward_list(&listing, answer, wanted);
    let few = read(&page_of(4, 16_000), &all).unwrap();
    assert!(few.rows.iter().all(|row| row.as_ref().unwrap().findings.is_empty()));
    let many = page_of(40, 16_000);
    let fault = read(&many, &all).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
    assert!(fault.text.contains("`jq`") && fault.text.contains("128 MiB"), "{fault}");
    // As much of it in small records is as much.
    assert!(read(&page_of(3_000, 500), &all).is_err());
    // What nobody wants is not run.
    let rep = FieldSet::of(m.entity().leaf_at("salesperson").unwrap());
    assert_eq!(read(&many, &rep).unwrap().rows.len(), 40);
    assert!(
        m.inward(&answer(200, &json!({ "id": "1", "notes": "n".repeat(16_000) }).to_string()), &all).is_ok()
    );
}

#[test]
fn whether_filters_take_long_is_told_by_the_size_of_the_answer_and_what_is_wanted_of_it() {
    let system = long();
    let m = system.entity("Order").unwrap();
    let (all, rep) = (m.entity().all(), FieldSet::of(m.entity().leaf_at("salesperson").unwrap()));
    assert!(!m.takes_long(&page_of(0, 0), &all));
    assert!(m.takes_long(&page_of(1, 16_000), &all) && m.takes_long(&page_of(100, 100), &all));
    assert!(!m.takes_long(&page_of(100, 16_000), &rep));
}

#[test]
fn bad_filters_are_told_with_their_place_and_what_to_write() {
    for (line, word) in [
        ("{ at: a, jq: { in: 'env' }, write: never }", "`env` is not allowed in a filter"),
        ("{ at: a, jq: { in: '.a + 1' }, write: never }", "write `calc` for sums"),
        ("{ at: a, jq: { in: '.a |' }, write: never }", "is not a filter of jq"),
        ("{ at: a, jq: { in: '.b' } }", "cannot be written by `jq` without `out`"),
        ("{ jq: { in: '.b', out: '.' } }", "cannot be written by `jq` without `at`"),
        ("{ at: a, jq: { in: '.b', out: '.' }, write: never }", "`out` is for a field that is written"),
        ("{ at: a, jq: { out: '.' } }", "key `in` is missing"),
        ("{ at: a, jq: '.b', write: never }", "expected a map"),
        ("{ at: a, jq: { in: [] }, write: never }", "expected a filter of jq"),
        ("{ at: $answer.a, jq: { in: '.' }, write: never }", "root"),
    ] {
        let text = format!(
            "entities:\n  Customer:\n    at: /c\n    update: {{}}\n    fields:\n      company: {line}\n"
        );
        let (_, told) = load_text("x", &text, "https://x.example");
        assert!(told.contains(word) && told.contains("x.yaml:6:"), "{line}: {told}");
    }
}

#[test]
fn a_filter_does_not_read_what_nobody_asks_for_nor_xml() {
    let told = |head: &str, line: &str| {
        let text = format!(
            "{head}entities:\n  Customer:\n    at: /c\n    read: {{}}\n    select: {{ query: fields, under: p }}\n    fields:\n      company: {line}\n"
        );
        load_text("x", &text, "https://x.example").1
    };
    assert!(told("", "{ jq: { in: '.p.a' }, write: never }").contains("`select` does not ask for"));
    assert!(told("", "{ at: p, jq: { in: '.a' }, write: never }").contains("`select` does not ask for"));
    assert_eq!(told("", "{ at: p.a, jq: { in: '.b' }, write: never }"), "");
    let text = "speaks: xml\nentities:\n  Customer:\n    at: /c\n    wrap: c\n    read: {}\n    fields:\n      company: { at: a, jq: { in: '.b' }, write: never }\n";
    assert!(load_text("x", text, "https://x.example").1.contains("the system speaks XML"));
}

proptest! {
    #[test]
    fn no_value_leaves_its_literal_on_the_way_through_a_filter(text in "[ -~\\n\"\\\\ąż]{1,20}") {
        let system = filtered();
        let m = system.entity("Order").unwrap();
        let sent = json!({ "salesperson": "R", "buyer_reference": text });
        let request = m.create(&record(m, &sent.to_string())).unwrap();
        let body: Json = serde_json::from_slice(&request.body).unwrap();
        prop_assert_eq!(body, json!({ "rep": "R", "refs": [{ "kind": "po", "value": text }] }));
    }
}
