//! Facts about the ready files of two ERPs, the books and a warehouse: each holds its samples both ways, and asks in
//! its system's words.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{Direction, Filter, Op, Sort};

const FILES: [(&str, &str, &str); 4] = [
    (
        "quickbooks",
        include_str!("../../../policies/systems/catalogue/quickbooks.yaml"),
        "https://quickbooks.api.intuit.com/v3/company/9130357849736406",
    ),
    (
        "sap-b1",
        include_str!("../../../policies/systems/catalogue/sap-b1.yaml"),
        "https://b1.example.com:50000/b1s/v2",
    ),
    (
        "finance-operations",
        include_str!("../../../policies/systems/catalogue/finance-operations.yaml"),
        "https://example.operations.dynamics.com/data",
    ),
    (
        "openboxes",
        include_str!("../../../policies/systems/catalogue/openboxes.yaml"),
        "https://openboxes.example.com/openboxes",
    ),
];

fn load(name: &str) -> System {
    let (name, text, base) = FILES.into_iter().find(|(file, ..)| *file == name).unwrap();
    let (system, told) = load_text(name, text, base);
    system.unwrap_or_else(|| panic!("{told}"))
}

fn asked(m: &Mapping, filter: &Filter, sort: &[(&str, Direction)], limit: u32) -> String {
    let sort: Vec<Sort> = sort
        .iter()
        .map(|(path, direction)| Sort { leaf: m.entity().leaf_at(path).unwrap(), direction: *direction })
        .collect();
    catalogue::decoded(&m.list(&FieldSet::ID, filter, &sort, None, limit).unwrap())
}

#[test]
fn the_samples_of_each_hold_both_ways() {
    for (name, ..) in FILES {
        let found = load(name).check();
        assert!(found.0.is_empty(), "{found}");
        assert!(load(name).mappings().all(|mapping| !mapping.samples.is_empty()));
    }
}

#[test]
fn the_books_are_asked_in_their_language_and_for_whom_they_hide_too() {
    let system = load("quickbooks");
    let m = system.entity("Customer").unwrap();
    let filter = Filter::All(vec![
        catalogue::test(m, "name", Op::In, "O'Hara \\ Sons,Acme"),
        catalogue::test(m, "updated_at", Op::Gte, "2026-01-01T00:00:00+01:00"),
    ]);
    assert_eq!(
        asked(m, &filter, &[("updated_at", Direction::Descending)], 20),
        r"/query?minorversion=75&query=SELECT * FROM Customer WHERE Active IN (true, false) AND DisplayName IN ('O\'Hara \\ Sons','Acme') AND MetaData.LastUpdatedTime >= '2025-12-31T23:00:00Z' ORDERBY MetaData.LastUpdatedTime DESC STARTPOSITION 1 MAXRESULTS 20"
    );
    let m = system.entity("Invoice").unwrap();
    assert_eq!(
        asked(m, &catalogue::test(m, "customer", Op::Eq, "1"), &[], 20),
        "/query?minorversion=75&query=SELECT * FROM Invoice WHERE CustomerRef = '1' STARTPOSITION 1 MAXRESULTS 20"
    );
}

#[test]
fn an_amount_that_the_books_want_is_worked_out_of_what_is_sent_or_refused() {
    let system = load("quickbooks");
    let m = system.entity("Invoice").unwrap();
    let sent = |text: &str| {
        m.create(&record(m, text)).map(|request| serde_json::from_slice::<Json>(&request.body).unwrap())
    };
    let made = sent(r#"{ "customer": "1", "lines": [{ "product": "5", "quantity": "3", "net_price": "0.105" }, { "product": "5", "quantity": "0.1", "net_price": "0.2" }] }"#).unwrap();
    assert_eq!(made["Line"][0]["Amount"].to_string(), "0.32", "half goes away from zero");
    assert_eq!(made["Line"][1]["Amount"].to_string(), "0.02", "exact, where floats are not");
    let faults = sent(r#"{ "customer": "1", "lines": [{ "product": "5", "quantity": "3" }] }"#).unwrap_err();
    assert_eq!(faults[0].pointer, "/lines/0");
    assert!(faults[0].message.contains("worked out"), "{}", faults[0].message);
}

#[test]
fn a_line_of_a_written_list_is_worked_out_of_itself_alone() {
    let file = |set: &str| {
        let text = format!(
            "entities:\n  Order:\n    at: /orders\n    create: {{}}\n    fields:\n      currency: cur\n      lines:\n        each: rows\n        set: {set}\n        fields: {{ quantity: qty, net_price: price, line_net_total: {{ at: sum, write: never }} }}\n"
        );
        load_text("x", &text, "https://x.example")
    };
    let (system, told) = file("{ sum: { calc: qty * price }, kind: item, rank: 1 }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let request = m.create(&record(m, r#"{ "lines": [{ "quantity": "2", "net_price": "1.50" }] }"#)).unwrap();
    let sent: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        sent,
        json!({ "rows": [ { "qty": 2, "price": 1.50, "sum": 3.00, "kind": "item", "rank": 1 } ] })
    );
    for (set, what) in [
        ("{ sum: { calc: qty * $up.cur } }", "that element alone"),
        ("{ sum: { calc: qty / 2 } }", "nothing is divided"),
        ("{ qty: 1 }", "`qty` is written by `set` already"),
        ("{ sum: { worked: qty } }", "either `value` or `calc`"),
        ("{ sum: ~ }", "expected a single value"),
    ] {
        let (system, told) = file(set);
        assert!(system.is_none() && told.contains(what), "{set}: {told}");
    }
}

#[test]
fn what_is_set_is_worked_out_only_where_nothing_was_put() {
    let file = |set: &str| {
        let text = format!(
            "entities:\n  Order:\n    at: /orders\n    create: {{}}\n    set: {set}\n    fields:\n      currency: cur\n      lines:\n        each: rows\n        set: {{ no: $index, sum: {{ calc: qty * price, unless: text }} }}\n        fields: {{ quantity: qty, net_price: price, description: text }}\n"
        );
        load_text("x", &text, "https://x.example")
    };
    let (system, told) = file("{ total: { calc: 'sum(rows[].qty)' }, kind: order }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let sent = |body: &str| {
        m.create(&record(m, body)).map(|request| serde_json::from_slice::<Json>(&request.body).unwrap())
    };
    // A line that says in words what it is has no sum.
    let body = r#"{ "lines": [{ "quantity": "2", "net_price": "1.50" }, { "quantity": "3", "net_price": "1", "description": "lump" }] }"#;
    assert_eq!(
        sent(body).unwrap(),
        json!({
            "rows": [
                { "qty": 2, "price": 1.50, "no": 1, "sum": 3.00 },
                { "qty": 3, "price": 1, "no": 2, "text": "lump" },
            ],
            "total": 5,
            "kind": "order",
        })
    );
    let faults = sent(r#"{ "currency": "PLN" }"#).unwrap_err();
    assert_eq!(faults[0].pointer, "");
    assert!(faults[0].message.contains("worked out"), "{}", faults[0].message);
    for (set, what) in [
        ("{ total: { calc: $answer.total } }", "that record alone"),
        ("{ total: { calc: rows, value: 1 } }", "either `value` or `calc`"),
        ("{ cur: { calc: total } }", "`cur` is written by `currency` already"),
    ] {
        let (system, told) = file(set);
        assert!(system.is_none() && told.contains(what), "{set}: {told}");
    }
}

#[test]
fn one_company_is_asked_for_and_named_in_every_address() {
    let system = load("finance-operations");
    let m = system.entity("Order").unwrap();
    let filter = catalogue::test(m, "requested_on", Op::Eq, "2026-07-14");
    let target = asked(m, &filter, &[("ordered_at", Direction::Descending)], 20);
    assert!(
        target.contains("$filter=dataAreaId eq 'usmf' and (RequestedShippingDate ge 2026-07-14T00:00:00Z and RequestedShippingDate lt 2026-07-15T00:00:00Z)")
            || target.contains("$filter=dataAreaId eq 'usmf' and RequestedShippingDate ge 2026-07-14T00:00:00Z and RequestedShippingDate lt 2026-07-15T00:00:00Z"),
        "{target}"
    );
    assert!(target.contains("$orderby=OrderCreationDateTime desc,SalesOrderNumber asc"), "{target}");
    assert!(target.contains("cross-company=true"));
    let read = m.read("SO'1", &FieldSet::ID).unwrap().target;
    assert!(
        read.starts_with("/SalesOrderHeadersV2(dataAreaId=%27usmf%27,SalesOrderNumber=%27SO%27%271%27)?"),
        "{read}"
    );
}

#[test]
fn lists_that_are_part_of_a_record_are_selected_and_never_expanded() {
    let system = load("sap-b1");
    let m = system.entity("Order").unwrap();
    let wanted = m.entity().all();
    let target = m.list(&wanted, &Filter::everything(), &[], None, 20).unwrap().request.target;
    assert!(target.contains("DocumentLines") && !target.contains("expand"), "{target}");
}

#[test]
fn refusals_of_each_are_told_for_what_they_are() {
    for (name, entity, status, body, kind) in [
        (
            "quickbooks",
            "Customer",
            400,
            json!({ "Fault": { "Error": [ { "Message": "Stale Object Error", "Detail": "x", "code": "5010", "element": "" } ], "type": "ValidationFault" } }),
            FaultKind::Conflict,
        ),
        (
            "quickbooks",
            "Customer",
            400,
            json!({ "Fault": { "Error": [ { "Message": "Object Not Found", "Detail": "x", "code": "610" } ], "type": "ValidationFault" } }),
            FaultKind::NotFound,
        ),
        (
            "sap-b1",
            "Product",
            400,
            json!({ "error": { "code": -2028, "message": { "lang": "en-us", "value": "No matching records found (ODBC -2028)" } } }),
            FaultKind::NotFound,
        ),
        (
            "sap-b1",
            "Product",
            400,
            json!({ "error": { "code": "-1", "message": "Data  not found" } }),
            FaultKind::NotFound,
        ),
        (
            "finance-operations",
            "Customer",
            500,
            json!({ "error": { "code": "", "message": "An error has occurred.", "innererror": { "message": "Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Warning: The credit limit is locked.." } } }),
            FaultKind::BusinessRule,
        ),
        (
            "openboxes",
            "Product",
            500,
            json!({ "errorCode": 500, "errorMessage": "Product AB12 Bandaż is not a valid substitution of KX43" }),
            FaultKind::Invalid(Vec::new()),
        ),
    ] {
        let system = load(name);
        let m = system.entity(entity).unwrap();
        let told = m.inward(&answer(status, &body.to_string()), &FieldSet::ID).unwrap_err();
        assert_eq!(told.kind, kind, "{name}: {body}");
    }
}
