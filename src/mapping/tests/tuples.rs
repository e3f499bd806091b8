//! Facts about references to keys of several parts.

use super::*;
use crate::schema::{Filter, Op, Value};

fn file(customer: &str, product: &str, samples: &str) -> (Option<System>, String) {
    let text = format!(
        r#"
speaks: odata4
settings: {{ company: usmf }}
absent: {{ any: [""] }}
clear: {{ any: "" }}
entities:
  Customer:
    at: /Customers
    key: [company, account]
    where: {{ company: $settings.company }}
    read: {{}}
    fields: {{ name: name }}
  Product:
    at: /Products
    key: [item, {{ at: variant, form: digits }}]
    read: {{}}
    fields: {{ sku: item }}
  Order:
    at: /Orders
    key: number
    list: {{ filter: odata4 }}
    read: {{}}
    create: {{}}
    update: {{}}
    fields:
      customer: {customer}
      lines:
        each: lines
        key: line
        fields:
          product: {product}
    samples:
{samples}
"#
    );
    load_text("x", &text, "https://x.example")
}

const CUSTOMER: &str = "{ ref: Customer, at: [company, buyer] }";
const PRODUCT: &str = "{ ref: Product, at: [item, { at: variant, form: digits, as: { wire: number } }] }";
const SAMPLES: &str = r#"
      - answer: '{ "number": "1", "company": "usmf", "buyer": "US,1", "lines": [ { "line": "10", "item": "A,1", "variant": 7 } ] }'
        reads: '{ "id": "1", "customer": "US,1", "lines": [ { "id": "10", "product": "A\\,1,7" } ] }'
      - create: '{ "customer": "US-1", "lines": [ { "product": "A\\,1,7" }, { "product": "B," } ] }'
        sends: '{ "company": "usmf", "buyer": "US-1", "lines": [ { "item": "A,1", "variant": 7 }, { "item": "B", "variant": "" } ] }'
      - from: '{ "customer": "US-1" }'
        update: '{ "customer": "US-2" }'
        sends: '{ "company": "usmf", "buyer": "US-2" }'
      - from: '{ "customer": "US-1" }'
        update: '{}'
        sends: '{ "buyer": "" }'"#;

fn orders() -> Arc<Mapping> {
    let (system, told) = file(CUSTOMER, PRODUCT, SAMPLES);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let found = system.check();
    assert!(found.0.is_empty(), "{found}");
    system.entity("Order").unwrap().clone()
}

fn read(native: &str) -> (serde_json::Value, usize) {
    let m = orders();
    let inward = m.inward(&answer(200, native), &m.entity().all()).unwrap();
    (json(m.entity(), &inward.record), inward.findings.len())
}

#[test]
fn a_reference_is_read_and_written_by_all_parts_of_the_key_it_points_to() {
    orders();
    // Of nobody; of a record that is not served here; with a part that is none.
    let none = r#"{ "number": "1", "company": "usmf", "buyer": "", "lines": [] }"#;
    assert_eq!(read(none), (serde_json::json!({ "id": "1", "lines": [] }), 0));
    let other = r#"{ "number": "1", "company": "dat", "buyer": "US-1", "lines": [] }"#;
    assert_eq!(read(other), (serde_json::json!({ "id": "1", "lines": [] }), 1));
    let unfit = r#"{ "number": "1", "company": "usmf", "buyer": {}, "lines": [] }"#;
    assert_eq!(read(unfit), (serde_json::json!({ "id": "1", "lines": [] }), 1));
}

#[test]
fn a_reference_that_is_no_such_key_is_refused_with_its_place() {
    let m = orders();
    for (product, what) in [("A", "2 parts"), ("A,7,8", "2 parts"), ("A,x", "digits"), (r"A\x,7", "2 parts")]
    {
        let sent = serde_json::json!({ "lines": [ { "product": product } ] }).to_string();
        let faults = m.creation(&record(&m, &sent), None).unwrap_err();
        assert_eq!(faults[0].pointer, "/lines/0/product", "{product}");
        assert!(faults[0].message.contains(what), "{product}: {}", faults[0].message);
    }
}

#[test]
fn a_filter_by_a_reference_asks_for_the_parts_that_tell_records_apart() {
    let m = orders();
    let customer = m.entity().leaf_at("customer").unwrap();
    let asked = |m: &Mapping, op, value| {
        let filter = Filter::test(customer, op, value);
        catalogue::decoded(&m.list(&FieldSet::ID, &filter, &[], None, 50).unwrap())
    };
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(asked(&m, Op::Eq, text("US,1")), "/Orders?$filter=buyer eq 'US,1'&$select=number");
    let (system, told) = file(
        "{ ref: Product, at: [item, variant] }".replace("Product", "Customer").as_str(),
        PRODUCT,
        "      []",
    );
    let two = system.unwrap_or_else(|| panic!("{told}"));
    assert_eq!(
        asked(two.entity("Order").unwrap(), Op::Eq, text("7")),
        "/Orders?$filter=variant eq '7'&$select=number"
    );
    // Two parts that are both of the record.
    let text_of_two = r#"
speaks: odata4
entities:
  Customer: { at: /C, key: [company, { at: account, form: digits }], read: {}, fields: { name: name } }
  Order: { at: /Orders, key: number, list: { filter: odata4 }, fields: { customer: { ref: Customer, at: [company, { at: buyer, form: digits }], write: never } } }
"#;
    let (system, told) = load_text("x", text_of_two, "https://x.example");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Order").unwrap().clone();
    assert_eq!(
        asked(&m, Op::In, Value::List(vec![text("a,1"), text(r"b\,c,2")])),
        "/Orders?$filter=((company eq 'a' and buyer eq 1) or (company eq 'b,c' and buyer eq 2))&$select=number"
    );
    // What is no key of such a record is not asked for: the gate looks itself, and finds none.
    assert_eq!(asked(&m, Op::Eq, text("a")), "/Orders?$select=number");
}

#[test]
fn a_reference_of_another_number_of_parts_than_the_key_does_not_load() {
    for (customer, product, what, help) in [
        (
            CUSTOMER,
            "{ ref: Product, at: item }",
            "the key of `Product` has 2 parts: `item`, `variant`",
            "at: [ …",
        ),
        (CUSTOMER, "{ ref: Product, at: [item] }", "1 places for a key of 2 parts", "in their order"),
        (
            CUSTOMER,
            "{ ref: Product, at: [item, variant, lot] }",
            "3 places for a key of 2 parts",
            "in their order",
        ),
        (CUSTOMER, "{ at: [item, variant] }", "are those of a reference", "`ref: E`"),
        (CUSTOMER, "{ ref: Customer, at: [item, variant] }", "are those of a reference", "`ref: E`"),
        ("{ ref: Customer, at: [buyer, company, x] }", PRODUCT, "3 places for a key of 2 parts", "left out"),
    ] {
        let (system, told) = file(customer, product, "      []");
        assert!(system.is_none() && told.contains(what) && told.contains(help), "{told}");
    }
    // What `where` fixes may be left out.
    assert!(file("{ ref: Customer, at: buyer }", PRODUCT, "      []").0.is_some());
}
