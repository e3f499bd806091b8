//! The ERPs: goods, stock and sales orders with their lines, kept by systems that speak differently.
//!
//! A further ERP is one `Subject` with its stand-in (or the real one behind it), a line in [`said`] that says what only
//! it knows, and one `erp!` line below. Its gaps are its own; the sentences stay.

mod central;
mod proofs;
mod query;
mod reads;
mod real;
mod s4;

use std::sync::Arc;

use bramka::demo::standin::Seen;
use serde_json::{Value, json};

use crate::{
    company::PASSWORD,
    contract,
    ground::{Capability, Gap, Gate, Subject, lists_by_ids},
    said::{Refusals, Switched, said},
};

const S4: Subject = Subject {
    name: "sap-s4",
    file: "catalogue/sap-s4.yaml",
    root: s4::ROOT,
    secrets: &[("S4_PASSWORD", s4::PASSWORD)],
    serves: &["customers", "products", "orders", "stock-levels"],
    edits: &[],
    standin: || Arc::new(s4::S4::new()),
    gaps: &[
        Gap {
            capability: Capability::Create("products"),
            status: 405,
            reason: "cannot create: a product needs plants and valuation",
        },
        Gap {
            capability: proofs::CUSTOMER_CHANGE,
            status: 405,
            reason: "cannot update: business partners are changed where their roles",
        },
        Gap {
            capability: proofs::LINE_PRICE,
            status: 422,
            reason: "an item's price comes from the pricing conditions",
        },
        Gap {
            capability: proofs::CONFIRM,
            status: 422,
            reason: "an order's state follows from its items and what was delivered",
        },
        // Billing documents are a service of their own, which its file does not describe.
        Gap { capability: proofs::INVOICES, status: 404, reason: "not-found" },
        // So are outbound deliveries.
        Gap { capability: proofs::SHIPMENTS, status: 404, reason: "not-found" },
    ],
};

const BUSINESS_CENTRAL: Subject = Subject {
    name: "erp",
    file: "erp.yaml",
    root: bramka::demo::erp::ROOT,
    secrets: &[("BC_TOKEN", central::TOKEN)],
    serves: &["customers", "products", "orders", "stock-levels", "invoices", "shipments"],
    edits: &[],
    standin: || {
        let spent = || {
            let message = "The credentials provided are incorrect";
            said(
                401,
                &json!({ "error": { "code": "Authentication_InvalidCredentials", "message": message } }),
            )
        };
        let limited = || {
            let message = "The request rate limit was reached.";
            said(429, &json!({ "error": { "code": "Application_TooManyRequests", "message": message } }))
        };
        Switched::over(central::business_central(), Refusals { spent, limited })
    },
    gaps: &[
        Gap { capability: proofs::CONFIRM, status: 422, reason: "an order is released in Business Central" },
        // The token is the credential itself: there is nothing to renew it with.
        Gap { capability: Capability::SignIn, status: 502, reason: "system" },
    ],
};

const TRYTON: Subject = Subject {
    name: "tryton",
    file: "catalogue/tryton.yaml",
    root: "/erp",
    secrets: &[("TRYTON_PASSWORD", PASSWORD)],
    serves: &["customers", "products", "orders", "stock-levels"],
    // The shipped file has a user of the gate's own.
    edits: &[
        ("system: erp", "system: tryton"),
        ("user: gate", "user: admin"),
        ("params: [gate,", "params: [admin,"),
    ],
    standin: real::tryton,
    gaps: &[
        Gap {
            capability: Capability::Create("products"),
            status: 405,
            reason: "cannot create: a product is made with its template",
        },
        // Invoices and shipments are made of orders, in Tryton; the file does not describe them.
        Gap { capability: proofs::INVOICES, status: 404, reason: "not-found" },
        Gap { capability: proofs::SHIPMENTS, status: 404, reason: "not-found" },
    ],
};

/// What only a system itself knows.
struct Said {
    /// What is written of a line; the rest of it is the system's own.
    line: &'static [&'static str],
    /// Numbers of two products, and a number that no product has.
    goods: [&'static str; 2],
    no_good: &'static str,
    /// A buyer's key.
    buyer: &'static str,
    /// What the system is asked for by a filter for the buyer, and for a product's number; none where the gate looks
    /// through all of them.
    by_buyer: &'static str,
    by_number: Option<&'static str>,
    /// Keys that no record has, or can have.
    absent: &'static [&'static str],
    /// A field that customers are found by, a value that some have there, and the city of all of these.
    customer: [&'static str; 3],
    /// Most signs of a buyer's own number.
    reference_most: usize,
    /// Whether a line is never without a price.
    is_priced: bool,
    /// A new order in the system's own shape.
    order: fn() -> Value,
    /// Of what was sent, what is to become of the record.
    values: fn(&Value) -> Value,
    /// Whether a change carries the version that it is a change of.
    is_guarded: fn(&Seen) -> bool,
    lines: Lines,
}

/// How lines of an order that is there are written.
enum Lines {
    /// By requests of their own.
    Each {
        /// Whether a line has a version of its own.
        is_guarded: bool,
        /// The names of the requests that add, change and take out a line of the order with these keys.
        requests: fn(&str, &str, &str) -> [String; 3],
    },
    /// With the order, as commands.
    Commands,
}

const OF_S4: Said = Said {
    line: &["id", "sku", "description", "quantity", "unit"],
    goods: ["TG0011", "TG0012"],
    no_good: "TG9999",
    buyer: "17100007",
    by_buyer: "SoldToParty eq '17100007'",
    by_number: Some("Product eq 'TG0011'"),
    absent: &["9999999", "no%20such", "%27)%20or%20(%27"],
    customer: ["family_name", "O'Brien", "Gdynia"],
    reference_most: 35,
    is_priced: false,
    values: Value::clone,
    is_guarded: |seen| seen.if_match.is_some(),
    order: || {
        json!({
            "SalesOrderType": "OR", "SalesOrganization": "1710", "DistributionChannel": "10",
            "OrganizationDivision": "00", "SoldToParty": "17100007", "PurchaseOrderByCustomer": "PO-1",
            "SalesOrderDate": "/Date(1772323200000)/", "TransactionCurrency": "EUR",
            "to_Item": { "results": [
                { "Material": "TG0011", "RequestedQuantity": "2.5", "RequestedQuantityUnit": "PC" },
                { "Material": "TG0012", "RequestedQuantity": "1", "RequestedQuantityUnit": "PC" },
            ] },
        })
    },
    lines: Lines::Each {
        is_guarded: false,
        requests: |order, changed, gone| {
            let item = |item| {
                format!(
                    "{}/API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='{order}',SalesOrderItem='{item}')",
                    s4::ROOT
                )
            };
            [
                format!("POST {}/API_SALES_ORDER_SRV/A_SalesOrder('{order}')/to_Item", s4::ROOT),
                format!("PATCH {}", item(changed)),
                format!("DELETE {}", item(gone)),
            ]
        },
    },
};

const OF_BUSINESS_CENTRAL: Said = Said {
    line: &[
        "id",
        "kind",
        "sku",
        "product",
        "description",
        "quantity",
        "unit",
        "net_price",
        "discount_percent",
        "requested_on",
    ],
    goods: ["1011", "1012"],
    no_good: "9999",
    buyer: "20000",
    by_buyer: "customerNumber eq '20000'",
    // Its numbers are trimmed before they are compared.
    by_number: None,
    absent: &["fca5738a-0000-ea11-bb43-000d3a2feca1", "9999999", "%27)%20or%20(%27"],
    customer: ["vat_id", "PL5250000305", "Berlin"],
    reference_most: 35,
    is_priced: false,
    values: Value::clone,
    is_guarded: |seen| seen.if_match.is_some(),
    order: || {
        json!({
            "customerNumber": "20000", "externalDocumentNumber": "PO-1", "orderDate": "2026-03-01", "currencyCode": "EUR",
            "salesOrderLines": [
                { "lineType": "Item", "lineObjectNumber": "1011", "quantity": 2.5, "unitOfMeasureCode": "PCS" },
                { "lineType": "Item", "lineObjectNumber": "1012", "quantity": 1, "unitOfMeasureCode": "PCS" },
            ],
        })
    },
    lines: Lines::Each {
        is_guarded: true,
        requests: |order, changed, gone| {
            let root = bramka::demo::erp::ROOT;
            [
                format!("POST {root}/salesOrders({order})/salesOrderLines"),
                format!("PATCH {root}/salesOrderLines({changed})"),
                format!("DELETE {root}/salesOrderLines({gone})"),
            ]
        },
    },
};

const OF_TRYTON: Said = Said {
    line: &["id", "sku", "description", "quantity", "unit", "net_price"],
    goods: ["G-001", "G-002"],
    no_good: "G-999",
    buyer: "8",
    by_buyer: r#"[["party","=",8]]"#,
    by_number: Some(r#"[["code","=","G-001"]]"#),
    absent: &["9999999", "no%20such", "%27)%20or%20(%27"],
    customer: ["name", "O'Brien & Sons", "Gdynia"],
    // As many as the shared schema has room for.
    reference_most: 70,
    is_priced: true,
    order: real::order,
    values: real::values,
    is_guarded: real::is_guarded,
    lines: Lines::Commands,
};

fn said_of(gate: &Gate) -> &'static Said {
    match gate.subject.name {
        "sap-s4" => &OF_S4,
        "erp" => &OF_BUSINESS_CENTRAL,
        "tryton" => &OF_TRYTON,
        other => panic!("{other} is no ERP"),
    }
}

macro_rules! erp {
    ($system:ident: $subject:path) => {
        contract!($system: $subject {
            a_list_holds_what_the_system_holds: super::proofs::LIST,
            pages_of_any_size_come_to_their_end: super::proofs::PAGES,
            orders_are_found_by_who_ordered: super::proofs::BY_BUYER,
            orders_are_found_by_their_day: super::proofs::BY_DAY,
            goods_are_found_by_their_number: super::proofs::BY_NUMBER,
            orders_come_in_the_order_of_their_day: super::proofs::SORTED,
            a_record_reads_as_it_is_listed: super::proofs::READ,
            what_is_not_there_is_not_found: super::proofs::ABSENT,
            stock_is_told_of_what_is_kept: super::proofs::STOCK,
            customers_are_told: super::proofs::TELLS_CUSTOMERS,
            a_customer_is_changed: super::proofs::CHANGES_CUSTOMERS,
            invoices_are_told: super::proofs::TELLS_INVOICES,
            shipments_are_told: super::proofs::TELLS_SHIPMENTS,
            a_product_is_made: super::proofs::NEW_PRODUCT,
            an_order_is_made_with_its_lines_by_one_request: super::proofs::NEW_ORDER,
            a_line_is_made_at_a_price: super::proofs::AT_A_PRICE,
            an_order_is_confirmed: super::proofs::CONFIRMED,
            a_change_sends_what_changed_and_loses_nothing: super::proofs::CHANGE,
            lines_are_added_changed_and_taken_out: super::proofs::LINES,
            a_line_that_cannot_be_is_named_and_what_was_done_is_told: super::proofs::LINE_FAILS,
            a_change_of_what_changed_meanwhile_is_refused: super::proofs::CONCURRENT,
            an_order_that_is_deleted_is_gone: super::proofs::DELETE,
            a_value_that_cannot_be_is_refused_with_its_place: super::proofs::INVALID,
            a_system_that_is_asked_too_much_is_told_of_as_busy: super::proofs::RATE_LIMIT,
            a_spent_sign_in_is_renewed_unnoticed: super::proofs::SIGN_IN,
            hostile_texts_stay_texts: super::proofs::LITERALS,
            no_text_gets_out_of_its_literal: super::proofs::ANY_TEXT,
        });
    };
}

erp!(sap_s4: super::S4);
erp!(business_central: super::BUSINESS_CENTRAL);
erp!(tryton: super::TRYTON);

#[test]
fn lines_of_s4_are_added_changed_and_taken_out_by_ids_of_the_gates_own() {
    proofs::lines_by_ids(&S4);
}

#[test]
fn lines_of_business_central_are_added_changed_and_taken_out_by_ids_of_the_gates_own() {
    proofs::lines_by_ids(&BUSINESS_CENTRAL);
}

#[test]
fn lines_of_tryton_are_added_changed_and_taken_out_by_ids_of_the_gates_own() {
    proofs::lines_by_ids(&TRYTON);
}

#[test]
fn a_company_is_made_a_customer_with_its_addresses_in_one_request_and_what_s4_takes_elsewhere_is_refused() {
    reads::new_partner(&Gate::open(&S4));
}

#[test]
fn a_product_of_tryton_is_renumbered_described_and_put_away_and_keeps_what_its_template_says() {
    let gate = Gate::open(&TRYTON);
    let product = gate.whole("/v1/products?sku=HELP-1").remove(0);
    let path = format!("/v1/products/{}", product["id"].as_str().unwrap());
    let change = json!({ "sku": "HELP-2", "description": "Pomoc", "status": "archived" });
    gate.system.forget();
    let changed = gate.patch(&path, &change).expect(200).json();
    assert_eq!(gate.changes().len(), 1);
    assert!(real::is_guarded(&gate.changes()[0]), "{:?}", gate.changes());
    for field in ["sku", "description", "status"] {
        assert_eq!(changed[field], change[field], "{changed}");
    }
    for field in ["name", "unit", "list_price"] {
        assert_eq!(changed[field], product[field], "{changed}");
    }
    assert_eq!(gate.get(&path).expect(200).json(), changed);
    let problem = gate.patch(&path, &json!({ "name": "Pomoc" })).refused(422).json();
    assert!(problem.to_string().contains("the name is the template's"), "{problem}");
    // What stands in a warehouse is not put away: Tryton would ask whether that is meant, and nobody is there to say.
    let kept = gate.whole("/v1/products?sku=G-001").remove(0);
    let path = format!("/v1/products/{}", kept["id"].as_str().unwrap());
    let problem = gate.patch(&path, &json!({ "status": "archived" })).refused(422).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/business-rule"), "{problem}");
    assert_eq!(gate.get(&path).expect(200).json()["status"], "active");
}

#[test]
fn an_order_of_business_central_holds_prices_with_tax_or_without_and_never_both_in_one_field() {
    let gate = Gate::open(&BUSINESS_CENTRAL);
    let line =
        |price: &str| json!({ "kind": "item", "sku": "1011", "quantity": "2", "unit": "H87", price: "106" });
    let order =
        |lines: Value| json!({ "customer": OF_BUSINESS_CENTRAL.buyer, "currency": "EUR", "lines": lines });
    gate.system.forget();
    let answer = gate.post("/v1/orders", &order(json!([line("tax_inclusive_price")]))).expect(201);
    let path = answer.header("location").unwrap().to_owned();
    let made = answer.json();
    let sent = |gate: &Gate| -> Vec<Value> {
        gate.changes().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
    };
    let asked = sent(&gate).remove(0);
    assert_eq!(
        (&asked["pricesIncludeTax"], &asked["salesOrderLines"][0]["unitPrice"]),
        (&json!(true), &json!(106))
    );
    let told =
        ["net_price", "tax_inclusive_price", "line_net_total", "line_tax_inclusive_total", "tax_amount"]
            .map(|name| made["lines"][0][name].clone());
    assert_eq!(told, [Value::Null, json!("106"), json!("200.0"), json!("212.0"), json!("12.0")], "{made}");
    assert_eq!(made["prices_include_tax"], true);
    // A line is added and changed as the order keeps its prices; another way is refused, and so is a change of the way.
    let mut lines = made["lines"].clone();
    let names = OF_BUSINESS_CENTRAL.line;
    lines[0].as_object_mut().unwrap().retain(|name, _| names.contains(&name.as_str()));
    lines[0]["tax_inclusive_price"] = "53".into();
    gate.system.forget();
    let changed = gate.patch(&path, &json!({ "lines": lines })).expect(200).json();
    assert_eq!(sent(&gate), [json!({ "unitPrice": 53 })]);
    assert_eq!(changed["lines"][0]["line_net_total"], "100.0");
    lines[0].as_object_mut().unwrap().remove("tax_inclusive_price");
    lines[0]["net_price"] = "50".into();
    gate.system.forget();
    let problem = gate.patch(&path, &json!({ "lines": lines })).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/lines/0/net_price", "{problem}");
    let problem = gate.patch(&path, &json!({ "prices_include_tax": false })).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/prices_include_tax", "{problem}");
    let both = json!([line("net_price"), line("tax_inclusive_price")]);
    let problem = gate.post("/v1/orders", &order(both)).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/lines/1/tax_inclusive_price", "{problem}");
    assert_eq!(sent(&gate), Vec::<Value>::new());
}

#[test]
fn records_that_ids_name_are_asked_for_by_their_keys() {
    lists_by_ids(&Gate::open(&S4), &["customers", "products", "orders", "stock-levels"], &[]);
    lists_by_ids(
        &Gate::open(&BUSINESS_CENTRAL),
        &["customers", "products", "orders", "stock-levels", "invoices", "shipments"],
        &[],
    );
    lists_by_ids(&Gate::open(&TRYTON), &["customers", "products", "orders"], &[]);
}
