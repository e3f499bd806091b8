//! An order is confirmed and cancelled through the gate: Tryton's own buttons lead to its states.

use serde_json::{Value, json};

use crate::{company::Company, gate::Gate};

const CONTEXT: &str = r#"{ "company": 1, "companies": [1], "language": "en" }"#;

fn context() -> Value {
    serde_json::from_str(CONTEXT).unwrap()
}

fn proposal(gate: &Gate, reference: &str) -> Value {
    let customer = gate.one("/v1/customers?number=C-2")["id"].clone();
    let line = json!({ "sku": "LAMP-1", "quantity": "2", "unit": "H87", "net_price": "19.90" });
    json!({ "customer": customer, "currency": "EUR", "buyer_reference": reference, "ordered_on": "2026-11-03", "lines": [line] })
}

/// A new order, and its address.
fn made(gate: &Gate, reference: &str) -> String {
    let order = gate.post("/v1/orders", &proposal(gate, reference)).expect(201).json();
    format!("/v1/orders/{}", order["id"].as_str().unwrap())
}

/// How far the ERP itself says that it is.
fn state(company: &Company, reference: &str) -> String {
    let id = company.number("sale.sale", "reference", reference);
    company.record("sale.sale", id, &["state"])["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_draft_is_confirmed_with_what_else_changes() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let path = made(&gate, "PO-1");
    assert_eq!(state(&company, "PO-1"), "draft");
    let body = json!({ "status": "open", "requested_on": "2026-12-01" });
    let order = gate.patch(&path, &body).expect(200).json();
    assert_eq!([&order["status"], &order["requested_on"]], ["open", "2026-12-01"]);
    assert!(order["number"].is_string(), "a quotation got its number: {order}");
    assert_eq!(gate.get(&path).expect(200).json(), order);
    assert!(["confirmed", "processing"].contains(&&*state(&company, "PO-1")));
    // It is that already.
    gate.patch(&path, &json!({ "status": "open" })).expect(200);
    // No button leads back, and nothing else is done then.
    for status in ["draft", "cancelled", "closed"] {
        let body = json!({ "status": status, "buyer_reference": "other" });
        let refused = gate.patch(&path, &body).refused(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/status", "{refused}");
    }
    assert_eq!(gate.get(&path).expect(200).json()["buyer_reference"], "PO-1");
}

#[test]
fn an_order_is_made_confirmed_cancelled_and_taken_up_again() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let mut new = proposal(&gate, "PO-2");
    new["status"] = "open".into();
    let order = gate.post("/v1/orders", &new).expect(201).json();
    assert_eq!(order["status"], "open");
    assert!(["confirmed", "processing"].contains(&&*state(&company, "PO-2")));
    new["status"] = "closed".into();
    new["buyer_reference"] = "PO-3".into();
    gate.post("/v1/orders", &new).refused(422);
    let none = company.call("model.sale.sale.search", &json!([[["reference", "=", "PO-3"]], context()]));
    assert_eq!(none, json!([]));

    let path = made(&gate, "PO-4");
    assert_eq!(
        gate.patch(&path, &json!({ "status": "cancelled" })).expect(200).json()["status"],
        "cancelled"
    );
    assert_eq!(state(&company, "PO-4"), "cancelled");
    assert_eq!(gate.patch(&path, &json!({ "status": "draft" })).expect(200).json()["status"], "draft");
    assert_eq!(state(&company, "PO-4"), "draft");
}

#[test]
fn what_was_offered_in_the_erp_is_confirmed_by_the_one_call_that_is_left() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let path = made(&gate, "PO-5");
    let id = company.number("sale.sale", "reference", "PO-5");
    company.call("model.sale.sale.quote", &json!([[id], context()]));
    assert_eq!(gate.get(&path).expect(200).json()["status"], "draft");
    assert_eq!(gate.patch(&path, &json!({ "status": "open" })).expect(200).json()["status"], "open");
}

#[test]
fn what_stays_of_a_write_whose_call_is_refused_is_told() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let path = made(&gate, "PO-6");
    let id = company.number("sale.sale", "reference", "PO-6");
    // Tryton offers nothing without an address.
    let nowhere = json!([[id], { "invoice_address": null, "shipment_address": null }, context()]);
    company.call("model.sale.sale.write", &nowhere);
    let refused = gate.patch(&path, &json!({ "status": "open" })).refused(422).json();
    assert!(refused["type"].as_str().unwrap().ends_with("/business-rule"), "{refused}");
    assert_eq!(refused["errors"][0]["pointer"], "/status", "{refused}");
    let body = json!({ "status": "open", "buyer_reference": "PO-7" });
    let answer = gate.patch(&path, &body).refused(502);
    assert_eq!(answer.header("retry-after"), None);
    let refused = answer.json();
    assert!(refused["type"].as_str().unwrap().ends_with("/partly-done"), "{refused}");
    assert!(
        refused["detail"].as_str().unwrap().starts_with("1 of 3 changes were made and stay"),
        "{refused}"
    );
    assert_eq!(refused["errors"][0]["pointer"], "/status", "{refused}");
    let order = gate.get(&path).expect(200).json();
    assert_eq!([&order["buyer_reference"], &order["status"]], ["PO-7", "draft"]);
}
