//! Writes that take several calls: one intent, one outcome, and what stays of one that ended half way.

use std::{fs, path::Path};

use http::{Method, header};
use serde_json::{Value, json};

use crate::{
    kit::Answer,
    line::asking,
    stage::Stage,
    writes::{change, with},
};

pub(crate) const MAY: &str = "@id(\"apps-lines\")\n\
    @writes(\"*, email, phone, ship_to.name, ship_to.contact, ship_to.line1, ship_to.line2, ship_to.city, ship_to.post_code, lines.net_price, lines.base_quantity, lines.discount_percent\")\n\
    permit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is Order);\n";

/// Lines as they are sent back.
pub(crate) fn sendable(order: &Value) -> Vec<Value> {
    const NAMES: [&str; 9] =
        ["id", "kind", "sku", "product", "description", "quantity", "unit", "net_price", "requested_on"];
    let line = |line: &Value| {
        let fields = line.as_object().unwrap().iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
        let mut line: Value = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        line["discount_percent"] = "0".into();
        line
    };
    order["lines"].as_array().unwrap().iter().map(line).collect()
}

fn order(sku: &str) -> Value {
    json!({ "currency": "EUR", "buyer_reference": "parts",
        "lines": [{ "kind": "item", "sku": "1011", "quantity": "1" }, { "kind": "item", "sku": sku, "quantity": "2" }] })
}

fn keyed(stage: &Stage, method: Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = asking(method, path, Some(&stage.shop)).header("idempotency-key", key);
    stage.ask(request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap())
}

/// Makes header and lines of an order by calls of their own. The file's sample of one request goes.
fn apart(policies: &Path, undo: &str) {
    with(MAY)(policies);
    let file = policies.join("systems/erp.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("      - create: |\n          { \"customer\"").unwrap();
    let (_, after) = rest.split_once("      - from: |").unwrap();
    fs::write(&file, format!("{before}      - from: |{after}")).unwrap();
    let usual = "create: { query: { $expand: salesOrderLines } }";
    let add = "{ parts: { lines: { add: { post: \"/salesOrders({key})/salesOrderLines\" } } }";
    change(policies, "systems/erp.yaml", usual, &format!("create: {add}{undo} }}"));
}

pub(crate) fn changes(stage: &Stage) -> Vec<String> {
    let seen = stage.erp.seen().into_iter().filter(|seen| seen.method != "GET");
    seen.map(|seen| format!("{} {}", seen.method, seen.target.rsplit('/').next().unwrap())).collect()
}

#[test]
fn a_change_of_several_calls_has_one_intent_and_is_told_once() {
    let stage = Stage::open(with(MAY));
    let path = stage.open_order();
    let before = stage.get(&path).expect(200).json();
    let mut lines = sendable(&before);
    lines[0]["quantity"] = "11".into();
    lines.push(json!({ "kind": "item", "sku": "1012", "quantity": "3" }));
    stage.erp.forget();
    let body = json!({ "buyer_reference": "PO-1", "lines": lines });
    let answer = keyed(&stage, Method::PATCH, &path, "k-1", &body).expect(200);
    assert_eq!(changes(&stage).len(), 3);
    let entries = stage.written(&answer);
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intent", "answer"]);
    assert!(entries[0]["notes"].to_string().contains(r#"["calls","3"]"#), "{}", entries[0]);
    let changed = entries[0]["changed"].to_string();
    assert!(changed.contains("lines.quantity") && changed.contains("buyer_reference"), "{changed}");
    // A repeat changes nothing, and is answered as the first was.
    stage.erp.forget();
    let again = keyed(&stage, Method::PATCH, &path, "k-1", &body).expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &answer.body));
    assert!(changes(&stage).is_empty());
}

#[test]
fn a_change_that_ended_half_way_is_told_as_that_here_and_in_the_journal_and_is_not_repeated() {
    let stage = Stage::open(with(MAY));
    let path = stage.open_order();
    let before = stage.get(&path).expect(200).json();
    let mut lines = sendable(&before);
    let count = lines.len();
    lines.push(json!({ "kind": "item", "sku": "9999", "quantity": "3" }));
    let body = json!({ "buyer_reference": "PO-2", "lines": lines });
    let answer = keyed(&stage, Method::PATCH, &path, "k-2", &body).refused(502);
    let problem = answer.json();
    assert!(problem["type"].as_str().unwrap().ends_with("/partly-done"), "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], format!("/lines/{count}"));
    assert!(!problem.to_string().contains("Sales Line"), "the system's words are the operator's: {problem}");
    assert_eq!(stage.get(&path).expect(200).json()["buyer_reference"], "PO-2", "this stays");
    let entries = stage.written(&answer);
    let notes = entries.last().unwrap()["notes"].to_string();
    assert!(notes.contains(r#"["outcome","partly"]"#) && notes.contains(r#"["done","1"]"#), "{notes}");
    assert_eq!(entries.last().unwrap()["refusal"], "partly_done");
    // Sent again it would add what it added: it is not.
    stage.erp.forget();
    let again = keyed(&stage, Method::PATCH, &path, "k-2", &body);
    assert!(again.status >= 400, "{again:?}");
    assert!(changes(&stage).is_empty());
}

#[test]
fn a_success_of_which_a_part_failed_is_written_down_as_done_in_part() {
    let stage = Stage::open(|policies: &Path| {
        with(MAY)(policies);
        let first = "  - { status: 429, is: rate_limited, text: error.message } # whatever its code\n";
        let matcher = "  - { status: any, at: externalDocumentNumber, equals: HALF, is: partial }\n";
        change(policies, "systems/erp.yaml", first, &format!("{matcher}{first}"));
    });
    let path = stage.open_order();
    let answer =
        keyed(&stage, Method::PATCH, &path, "k-3", &json!({ "buyer_reference": "HALF" })).refused(502);
    assert!(answer.json()["type"].as_str().unwrap().ends_with("/partly-done"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), None);
    let entries = stage.written(&answer);
    let told: Vec<&str> = entries.iter().filter_map(|entry| entry["refusal"].as_str()).collect();
    assert_eq!(told, ["system_partial"]);
    let notes = entries.last().unwrap()["notes"].to_string();
    assert!(notes.contains(r#"["outcome","partly"]"#), "{notes}");
    stage.erp.forget();
    let again = keyed(&stage, Method::PATCH, &path, "k-3", &json!({ "buyer_reference": "HALF" }));
    assert!(again.status >= 400 && changes(&stage).is_empty(), "{again:?}");
}

#[test]
fn a_new_order_whose_line_cannot_be_made_goes_again_where_the_file_says_so() {
    let stage = Stage::open(|policies| apart(policies, ", undo: delete"));
    let buyer = stage.get(&stage.open_order()).expect(200).json()["customer"].clone();
    let make = |sku: &str| {
        let mut order = order(sku);
        order["customer"] = buyer.clone();
        stage.erp.forget();
        stage.shop(Method::POST, "/v1/orders", &order)
    };
    let made = make("1012").expect(201);
    let shown: Vec<String> =
        changes(&stage).iter().map(|it| it.split('(').next().unwrap().to_owned()).collect();
    assert_eq!(shown, ["POST salesOrders", "POST salesOrderLines", "POST salesOrderLines"]);
    let read = stage.get(made.header("location").unwrap()).expect(200).json();
    assert_eq!((&made.json(), read["lines"].as_array().unwrap().len()), (&read, 2));
    let problem = make("9999").refused(422);
    assert_eq!(problem.json()["errors"][0]["pointer"], "/lines/1");
    let sent = changes(&stage);
    assert!(sent.last().unwrap().starts_with("DELETE salesOrders("), "{sent:?}");
    let notes = stage.written(&problem).pop().unwrap()["notes"].to_string();
    assert!(notes.contains(r#"["undone","true"]"#) && !notes.contains("outcome"), "{notes}");
    assert_eq!(stage.get("/v1/orders?buyer_reference=parts").expect(200).items().len(), 1);
}

#[test]
fn a_new_order_that_stays_without_a_line_is_told_with_its_id() {
    let stage = Stage::open(|policies| apart(policies, ""));
    let mut order = order("9999");
    order["customer"] = stage.get(&stage.open_order()).expect(200).json()["customer"].clone();
    let problem = stage.shop(Method::POST, "/v1/orders", &order).refused(502).json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("2 of 3 changes were made and stay"), "{detail}");
    let (_, rest) = detail.split_once("the new record `").unwrap();
    let id = rest.split('`').next().unwrap();
    let left = stage.get(&format!("/v1/orders/{id}")).expect(200).json();
    assert_eq!((&left["buyer_reference"], left["lines"].as_array().unwrap().len()), (&json!("parts"), 1));
}
