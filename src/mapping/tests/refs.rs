//! Facts about whose keys references hold.

use super::*;

fn file(lines: &str) -> (Option<System>, String) {
    let text = format!(
        r#"
entities:
  Customer: {{ at: /c, key: [company, no], read: {{ get: "/{{key.company}}/{{key.no}}" }}, fields: {{ name: name }} }}
  Payment:
    at: /p
    read: {{}}
    fields:
{lines}"#
    );
    load_text("x", &text, "https://x.example")
}

const CUSTOMER: &str = "      customer: { ref: { entity: Customer, of: crm }, at: buyer }\n";

#[test]
fn a_line_says_whose_keys_it_holds_and_without_that_they_are_the_systems_own() {
    let (system, told) =
        file(&format!("{CUSTOMER}      allocations: {{ each: paid, fields: {{ invoice: bill }} }}\n"));
    let payment = system.unwrap_or_else(|| panic!("{told}")).entity("Payment").unwrap().clone();
    let of = |path: &str| payment.keys_of(payment.entity().leaf_at(path).unwrap()).as_str().to_owned();
    // The key of this file's customers has two parts; that of the other system's is its own matter.
    assert_eq!((of("customer"), of("allocations.invoice"), of("id")), ("crm".into(), "x".into(), "x".into()));
    let told: Vec<_> =
        payment.references().iter().map(|told| (told.to.as_str(), told.of.is_some())).collect();
    assert_eq!(told, [("Customer", true), ("Invoice", false)]);
}

#[test]
fn what_says_it_wrongly_does_not_load_and_is_told_at_its_place() {
    for (lines, words) in [
        (
            "      customer: { ref: { entity: Custmer, of: crm }, at: buyer }\n",
            "`Customer`, to which the schema",
        ),
        ("      customer: { ref: { entity: Customer }, at: buyer }\n", "key `of` is missing"),
        ("      customer: { ref: { of: crm }, at: buyer }\n", "key `entity` is missing"),
        ("      customer: { ref: { entity: Customer, off: crm }, at: buyer }\n", "unknown key `off`"),
        ("      customer: { ref: [Customer], at: buyer }\n", "`{ entity, of }`"),
        (
            "      customer: { ref: { entity: Customer, of: crm }, at: [company, buyer] }\n",
            "a key of another system stands in one place",
        ),
        (
            "      reference: { ref: { entity: Customer, of: crm }, at: buyer }\n",
            "the schema says of no entity",
        ),
        (
            "      allocations:\n        - { invoice: { ref: { entity: Invoice, of: a }, at: one } }\n        \
             - { invoice: { ref: { entity: Invoice, of: b }, at: two } }\n",
            "`allocations.invoice` hold keys of more than one system",
        ),
        (
            "      allocations:\n        - { invoice: { ref: { entity: Invoice, of: a }, at: one } }\n        \
             - { invoice: two }\n",
            "`allocations.invoice` hold keys of more than one system",
        ),
    ] {
        let (system, told) = file(lines);
        assert!(system.is_none() && told.contains(words) && told.contains("x.yaml:"), "{lines}{told}");
    }
}
