//! Facts about fields that are kept in one of several ways, texts whose beginning stands elsewhere, and what is set
//! besides the fields.

use serde_json::json;

use super::*;
use crate::{catalog::Action, schema::FieldSet};

const SHOP: &str = r#"
settings: { shop: north }
absent: { any: [""] }
clear: { any: null }
entities:
  Invoice:
    at: /invoices
    create: {}
    read: {}
    update: {}
    requires: [currency, lines.quantity]
    set: { shop: $settings.shop, made: $now, flag: { value: "no", unless: flag }, kind: 7 }
    fields:
      currency: currency
      issue_date: { at: day, write: always }
      payment:
        $one_of:
          - { $when: { pay: card }, means: =48, reference: card_reference }
          - { $when: { pay: cash, flag: "yes" }, means: =10 }
          - { terms: words }
          - {}
      buyer:
        name: who
        $one_of:
          - vat_id: { at: nip, behind: PL, norm: digits, form: digits, least: 10, most: 10 }
          - vat_id: { at: no, behind: { at: state, chars: 2, of: [DE, CZ] }, norm: alnum }
      lines: { each: rows, set: { at: $index, list: "yes" }, fields: { quantity: { at: n, as: { scale: 2 } } } }
"#;

fn shop() -> System {
    let (system, told) = load_text("shop", SHOP, "https://shop.example.com");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn sent(invoice: serde_json::Value) -> Result<serde_json::Value, Vec<(String, String)>> {
    let system = shop();
    let m = system.entity("Invoice").unwrap();
    match m.create(&record(m, &invoice.to_string())) {
        Ok(request) => Ok(serde_json::from_slice(&request.body).unwrap()),
        Err(faults) => Err(faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()),
    }
}

fn with(part: serde_json::Value) -> serde_json::Value {
    let mut invoice = json!({ "currency": "PLN", "lines": [{ "quantity": "1.500" }, { "quantity": "2" }] });
    invoice.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    invoice
}

#[test]
fn the_first_way_that_takes_all_that_was_sent_is_written() {
    let plain = sent(with(json!({}))).unwrap();
    assert_eq!(
        plain["rows"],
        json!([{ "n": 1.5, "at": 1, "list": "yes" }, { "n": 2, "at": 2, "list": "yes" }])
    );
    assert_eq!((&plain["shop"], &plain["flag"], &plain["kind"]), (&json!("north"), &json!("no"), &json!(7)));
    assert!(plain["made"].as_str().unwrap().ends_with('Z'));
    assert_eq!(plain.get("pay"), None);
    let card = sent(with(json!({ "payment": { "means": "48", "reference": "r" } }))).unwrap();
    assert_eq!((&card["pay"], &card["card_reference"]), (&json!("card"), &json!("r")));
    let cash = sent(with(json!({ "payment": { "means": "10" } }))).unwrap();
    assert_eq!(
        (&cash["pay"], &cash["flag"]),
        (&json!("cash"), &json!("yes")),
        "a default does not stand over it"
    );
    let words = sent(with(json!({ "payment": { "terms": "later" } }))).unwrap();
    assert_eq!((&words["words"], words.get("pay")), (&json!("later"), None));
    let buyer = sent(with(json!({ "buyer": { "vat_id": "PL526-025-02-74" } }))).unwrap();
    assert_eq!((&buyer["nip"], buyer.get("state")), (&json!("5260250274"), None));
    let buyer = sent(with(json!({ "buyer": { "vat_id": "CZ 251.238.91" } }))).unwrap();
    assert_eq!((&buyer["state"], &buyer["no"]), (&json!("CZ"), &json!("25123891")));
}

#[test]
fn what_no_way_takes_is_refused_at_its_place_and_nothing_is_dropped() {
    let ways = "the system takes one of these: `means` `48` with `reference`; `means` `10`; `terms`; nothing";
    for (part, pointer, told) in [
        (json!({ "payment": { "means": "48" } }), "/payment/means", ways),
        (json!({ "payment": { "means": "10", "reference": "r" } }), "/payment/means", ways),
        (json!({ "payment": { "terms": "t", "reference": "r" } }), "/payment/reference", ways),
        (json!({ "buyer": { "vat_id": "PL123" } }), "/buyer/vat_id", "begins with `PL`"),
        (json!({ "buyer": { "vat_id": "US1" } }), "/buyer/vat_id", "a code the system knows"),
        // Of an object that is there, the ways are asked.
        (json!({ "buyer": { "name": "a" } }), "/buyer/vat_id", "the system takes one of these"),
        (json!({ "lines": [] }), "/lines", "the system needs `lines.quantity`"),
    ] {
        let faults = sent(with(part)).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, pointer);
        assert!(faults[0].1.contains(told), "{}", faults[0].1);
    }
}

#[test]
fn the_first_way_that_stands_in_a_record_is_read() {
    let system = shop();
    let m = system.entity("Invoice").unwrap();
    let read = |text: &str| {
        let inward = m.inward(&answer(200, text), &m.entity().all()).unwrap();
        (json(m.entity(), &inward.record), inward)
    };
    for (text, payment) in [
        (
            r#"{"id":1,"pay":"card","card_reference":"r","words":"w"}"#,
            json!({ "means": "48", "reference": "r" }),
        ),
        (r#"{"id":1,"pay":"cash","flag":"yes"}"#, json!({ "means": "10" })),
        (r#"{"id":1,"pay":"none","flag":"no","words":"w"}"#, json!({ "terms": "w" })),
    ] {
        let (invoice, inward) = read(text);
        assert_eq!(invoice["payment"], payment, "{text}");
        assert!(inward.findings.is_empty(), "{:?}", inward.findings);
    }
    let (invoice, inward) = read(r#"{"id":1,"pay":"barter","flag":"no"}"#);
    assert_eq!(invoice.get("payment"), None);
    assert_eq!(inward.findings.iter().map(|f| &f.what).collect::<Vec<_>>(), [&What::NoRule]);
    // What is not told is not known to be empty.
    let leaf = m.entity().leaf_at("payment.means").unwrap();
    assert!(read(r#"{"id":1}"#).1.missing.contains(leaf));
    assert!(!read(r#"{"id":1,"pay":"card"}"#).1.missing.contains(leaf));
    for (text, vat_id) in [
        (r#"{"id":1,"nip":"526-025-02-74","state":"DE","no":"9"}"#, Some("PL5260250274")),
        (r#"{"id":1,"nip":"","state":"DE","no":"9"}"#, Some("DE9")),
        (r#"{"id":1,"state":"US","no":"9"}"#, None),
    ] {
        let (invoice, _) = read(text);
        assert_eq!(invoice["buyer"]["vat_id"].as_str(), vat_id, "{text}");
    }
}

#[test]
fn a_change_of_it_is_refused_and_the_rest_is_changed() {
    let system = shop();
    let m = system.entity("Invoice").unwrap();
    let invoice = |means: &str, day: &str| {
        record(
            m,
            &json!({ "currency": "PLN", "issue_date": day, "payment": { "means": means, "reference": "r" } })
                .to_string(),
        )
    };
    let old = invoice("48", "2026-01-01");
    let request = m.update("1", &old, &invoice("48", "2026-01-02"), None).unwrap().unwrap();
    assert_eq!(request.body, r#"{"day":"2026-01-02"}"#);
    let faults = m.update("1", &old, &invoice("10", "2026-01-01"), None).unwrap_err();
    assert_eq!(faults[0].pointer, "/payment/means");
    let leaf = |path: &str| FieldSet::of(m.entity().leaf_at(path).unwrap());
    let writable = m.view(Action::Update).writable;
    assert!(leaf("payment.means").intersection(&writable).is_empty());
    assert!(!leaf("issue_date").intersection(&writable).is_empty());
    assert!(
        m.filters.iter().enumerate().all(|(n, places)| places.is_empty()
            || n != usize::from(m.entity().leaf_at("payment.terms").unwrap().0))
    );
}

#[test]
fn a_file_that_cannot_be_meant_says_what_to_write() {
    for (old, new, told) in [
        ("- {}\n", "- 7\n", "a map of lines"),
        ("- { terms: words }", "- { words: words }", "`words` is no field of `Invoice` here"),
        ("- { terms: words }", "- { terms: =later }", "nothing in the record says that it is this branch"),
        (
            "- { terms: words }",
            "- { terms: { join: [a, b] } }",
            "a line of `$one_of` is a path or a constant",
        ),
        ("- { terms: words }", "- { terms: { at: words, when: { a: b } } }", "say `$when` beside the lines"),
        ("name: who\n", "vat_id: who\n", "`vat_id` is mapped a second time"),
        ("of: [DE, CZ]", "of: [DEU]", "has 2 characters each"),
        ("of: [DE, CZ]", "of: states", "table `states` is not in `tables`"),
        ("behind: PL", "behind: \"\"", "`behind` is a text"),
        ("made: $now", "made: $index", "say `set` beside `each`"),
        ("made: $now", "made: $later", "`$later` is nothing that can be set"),
        ("made: $now", "made: $settings.nobody", "setting `nobody` is not in `settings`"),
        ("made: $now", "who: $now", "`who` is written by `name` already"),
        ("requires: [currency,", "requires: [money,", "a field of `Invoice`"),
        ("requires: [currency,", "requires: [[currency, money],", "a field of `Invoice`"),
    ] {
        assert!(SHOP.contains(old), "{old}");
        let (_, found) = load_text("shop", &SHOP.replacen(old, new, 1), "https://shop.example.com");
        assert!(found.contains(told), "{new}: {found}");
    }
}
