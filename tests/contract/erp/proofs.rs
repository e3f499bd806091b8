//! What is promised of every ERP, one clause a capability.

use std::collections::BTreeSet;

use bramka::demo::standin::Seen;
use http::Method;
use proptest::{
    prop_assert_eq,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{Lines, reads, said_of};
use crate::{
    ground::{Capability, Clause, Gate, Subject, encoded, ids, ids_of_lines},
    kit::Answer,
};

pub(super) const LINE_PRICE: Capability = Capability::Own("a line is made at a price");
pub(super) const CUSTOMERS: Capability = Capability::Own("customers");
pub(super) const SHIPMENTS: Capability = Capability::Own("shipments");
pub(super) const CUSTOMER_CHANGE: Capability = Capability::Own("a customer is changed");
pub(super) const CONFIRM: Capability = Capability::Own("an order is confirmed");
pub(super) const INVOICES: Capability = Capability::Own("invoices");

const fn always(capability: Capability, proof: fn(&Gate)) -> Clause {
    Clause { capability, proof, ask: None }
}

const fn unless(capability: Capability, proof: fn(&Gate), ask: fn(&Gate) -> Answer) -> Clause {
    Clause { capability, proof, ask: Some(ask) }
}

pub(super) const LIST: Clause = always(Capability::List, reads::list);
pub(super) const PAGES: Clause = always(Capability::Pages, reads::pages);
pub(super) const BY_BUYER: Clause = always(Capability::Filter("customer"), reads::by_buyer);
pub(super) const BY_DAY: Clause = always(Capability::Filter("ordered_on"), reads::by_day);
pub(super) const BY_NUMBER: Clause = always(Capability::Filter("sku"), reads::by_number);
pub(super) const SORTED: Clause = always(Capability::Sort("ordered_on"), reads::sorted);
pub(super) const READ: Clause = always(Capability::Read, reads::read);
pub(super) const ABSENT: Clause = always(Capability::Absent, reads::absent);
pub(super) const STOCK: Clause = always(Capability::Own("stock"), reads::stock);
pub(super) const TELLS_CUSTOMERS: Clause = unless(CUSTOMERS, reads::customers, reads::ask_customers);
pub(super) const CHANGES_CUSTOMERS: Clause = unless(CUSTOMER_CHANGE, change_customer, ask_change_customer);
pub(super) const TELLS_INVOICES: Clause = unless(INVOICES, reads::invoices, reads::ask_invoices);
pub(super) const TELLS_SHIPMENTS: Clause = unless(SHIPMENTS, reads::shipments, reads::ask_shipments);
pub(super) const NEW_PRODUCT: Clause = unless(Capability::Create("products"), new_product, post_product);
pub(super) const NEW_ORDER: Clause = always(Capability::Create("orders"), new_order);
pub(super) const AT_A_PRICE: Clause = unless(LINE_PRICE, at_a_price, post_at_a_price);
pub(super) const CONFIRMED: Clause = unless(CONFIRM, confirm, ask_confirm);
pub(super) const CHANGE: Clause = always(Capability::Update, change);
pub(super) const LINES: Clause = always(Capability::Own("lines of an order change"), lines);
pub(super) const LINE_FAILS: Clause = always(Capability::Own("a line that cannot be"), line_fails);
pub(super) const CONCURRENT: Clause = always(Capability::Concurrent, concurrent);
pub(super) const DELETE: Clause = always(Capability::Delete, delete);
pub(super) const INVALID: Clause = always(Capability::Invalid, invalid);
pub(super) const RATE_LIMIT: Clause = always(Capability::RateLimit, rate_limit);
pub(super) const SIGN_IN: Clause = unless(Capability::SignIn, sign_in, ask_sign_in);
pub(super) const LITERALS: Clause = always(Capability::Literals, literals);
pub(super) const ANY_TEXT: Clause = always(Capability::Literals, any_text);

/// Method and address of what was sent, and its body.
fn sent(gate: &Gate) -> Vec<(String, Value)> {
    let one = |seen: Seen| {
        let target = seen.target.split('?').next().unwrap().to_owned();
        (format!("{} {target}", seen.method), serde_json::from_str(&seen.body).unwrap_or_default())
    };
    gate.changes().into_iter().map(one).collect()
}

/// An order with several lines, as it is read, and its address.
fn some(gate: &Gate) -> (String, Value) {
    let all = gate.whole(reads::ORDERS);
    let fits = |it: &&Value| it["lines"].as_array().unwrap().len() == 3 && it["buyer_reference"].is_string();
    let order = all.iter().find(fits).unwrap();
    (format!("/v1/orders/{}", order["id"].as_str().unwrap()), order.clone())
}

/// The lines of an order as they are sent back: without what the system works out.
fn sendable(gate: &Gate, order: &Value) -> Vec<Value> {
    let names = said_of(gate).line;
    let line = |line: &Value| {
        let fields = line.as_object().unwrap().iter().filter(|(name, _)| names.contains(&name.as_str()));
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    order["lines"].as_array().unwrap().iter().map(line).collect()
}

fn new_line(gate: &Gate, sku: &str, quantity: &str) -> Value {
    let mut line = json!({ "sku": sku, "quantity": quantity, "unit": "H87" });
    if said_of(gate).is_priced {
        line["net_price"] = "12.5".into();
    }
    line
}

/// A decimal, however many zeroes a system puts behind it.
fn amount(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn proposal(gate: &Gate) -> Value {
    let said = said_of(gate);
    let mut body = json!({
        "customer": said.buyer, "currency": "EUR", "ordered_on": "2026-03-01", "buyer_reference": "PO-1",
        "lines": [new_line(gate, said.goods[0], "2.5"), new_line(gate, said.goods[1], "1")],
    });
    if said.line.contains(&"kind") {
        for line in body["lines"].as_array_mut().unwrap() {
            line["kind"] = "item".into();
        }
    }
    body
}

fn new_order(gate: &Gate) {
    let made = gate.post("/v1/orders", &proposal(gate)).expect(201);
    let [(_, body)] = sent(gate).try_into().unwrap();
    assert_eq!(body, (said_of(gate).order)(), "one request, in the system's own shape");
    let path = made.header("location").unwrap().to_owned();
    let (made, read) = (made.json(), gate.get(&path).expect(200).json());
    assert_eq!(made, read);
    assert_eq!(read["buyer_reference"], "PO-1");
    assert_eq!(read["ordered_on"], "2026-03-01");
    let lines = read["lines"].as_array().unwrap();
    assert_eq!(lines.iter().map(|it| amount(&it["quantity"])).collect::<Vec<_>>(), [2.5, 1.0]);
    assert!(read["tax_exclusive_total"].is_string() && lines[0]["line_net_total"].is_string());
    // An order with a line that cannot be is none.
    let before = gate.whole(reads::ORDERS).len();
    let mut bad = proposal(gate);
    bad["lines"][1]["sku"] = said_of(gate).no_good.into();
    gate.post("/v1/orders", &bad).refused(422);
    assert_eq!(gate.whole(reads::ORDERS).len(), before);
}

fn post_at_a_price(gate: &Gate) -> Answer {
    let mut body = proposal(gate);
    body["lines"][0]["net_price"] = "7.77".into();
    gate.post("/v1/orders", &body)
}

fn at_a_price(gate: &Gate) {
    let made = post_at_a_price(gate).expect(201).json();
    assert_eq!(made["lines"][0]["net_price"], "7.77");
    let [(_, body)] = sent(gate).try_into().unwrap();
    assert!(body.to_string().contains("7.77"), "{body}");
}

fn ask_confirm(gate: &Gate) -> Answer {
    let (path, _) = some(gate);
    gate.system.forget();
    gate.patch(&path, &json!({ "status": "open" }))
}

fn confirm(gate: &Gate) {
    let (path, before) = some(gate);
    assert_eq!(before["status"], "draft");
    // Somebody changes it between the gate's look and the first call.
    gate.switch("race");
    gate.patch(&path, &json!({ "status": "open" })).refused(409);
    // A system that says yes and does nothing has not done it.
    gate.switch("deaf");
    let refused = ask_confirm(gate).refused(502).json();
    assert_eq!(refused["errors"][0]["pointer"], "/status", "{refused}");
    assert_eq!(gate.get(&path).expect(200).json()["status"], "draft");
    gate.switch("hears");
    let told = ask_confirm(gate).expect(200).json();
    assert_eq!(told["status"], "open");
    assert!((said_of(gate).is_guarded)(&gate.changes()[0]), "{:?}", gate.changes());
    assert_eq!(gate.get(&path).expect(200).json(), told);
    assert_eq!(told["lines"], before["lines"]);
}

fn post_product(gate: &Gate) -> Answer {
    let body = json!({ "sku": "LAMP-77", "name": "Lamp <b> & \"co\"", "kind": "goods", "unit": "H87", "list_price": { "net_price": "19.90" } });
    gate.post("/v1/products", &body)
}

fn new_product(gate: &Gate) {
    let made = post_product(gate).expect(201).json();
    let [seen] = gate.changes().try_into().unwrap();
    assert!(seen.body.contains("19.90"), "as it was sent, digit by digit: {}", seen.body);
    let read = gate.get(&format!("/v1/products/{}", made["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(read["name"], "Lamp <b> & \"co\"");
}

fn ask_change_customer(gate: &Gate) -> Answer {
    let first = gate.get("/v1/customers?limit=1");
    let id =
        if first.status == 200 { first.items()[0]["id"].as_str().unwrap().to_owned() } else { "1".into() };
    gate.system.forget();
    gate.patch(&format!("/v1/customers/{id}"), &json!({ "name": "Other" }))
}

fn change_customer(gate: &Gate) {
    gate.system.forget();
    let answer = ask_change_customer(gate).expect(200).json();
    let [(_, body)] = sent(gate).try_into().unwrap();
    assert_eq!((said_of(gate).values)(&body).as_object().unwrap().len(), 1, "nothing else is sent: {body}");
    let path = format!("/v1/customers/{}", answer["id"].as_str().unwrap());
    assert_eq!((&answer["name"], gate.get(&path).expect(200).json()), (&"Other".into(), answer.clone()));
}

fn change(gate: &Gate) {
    let (path, before) = some(gate);
    gate.system.forget();
    let answer = gate.patch(&path, &json!({ "buyer_reference": "PO-'77" })).expect(200);
    assert_eq!(answer.header("bramka-unguarded"), None, "its version guards it");
    let [(_, body)] = sent(gate).try_into().unwrap();
    assert_eq!((said_of(gate).values)(&body).as_object().unwrap().len(), 1, "{body}");
    assert!((said_of(gate).is_guarded)(&gate.changes()[0]));
    let mut after = gate.get(&path).expect(200).json();
    assert_eq!(after["buyer_reference"], "PO-'77");
    assert_eq!(answer.json(), after);
    for moved in ["buyer_reference", "updated_at"] {
        after[moved] = before[moved].clone();
    }
    assert_eq!(after, before);
    // Nothing that changes is nothing to send, its lines included.
    gate.system.forget();
    let same = json!({ "buyer_reference": "PO-'77", "lines": sendable(gate, &before) });
    gate.patch(&path, &same).expect(200);
    assert!(sent(gate).is_empty(), "{:?}", sent(gate));
}

fn lines(gate: &Gate) {
    let (path, before) = some(gate);
    let said = said_of(gate);
    let mut lines = sendable(gate, &before);
    let (gone, changed) = (lines.remove(0), lines[1]["id"].as_str().unwrap().to_owned());
    lines[1]["quantity"] = "7.125".into();
    lines.push(new_line(gate, said.goods[0], "2"));
    gate.system.forget();
    let body = json!({ "lines": lines, "buyer_reference": "PO-88" });
    let answer = gate.patch(&path, &body).expect(200);
    lines_were_sent(gate, &answer, [before["id"].as_str(), Some(&changed), gone["id"].as_str()]);
    let after = gate.get(&path).expect(200).json();
    assert_eq!(answer.json(), after, "what is answered is what is there");
    let told = after["lines"].as_array().unwrap();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|line| line["id"] != gone["id"]));
    let of = |id: &str| told.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(of(&changed)["quantity"], "7.125");
    assert_eq!(of(&changed)["sku"], lines[1]["sku"]);
    assert_eq!(*of(lines[0]["id"].as_str().unwrap()), before["lines"][1], "the other one is as it was");
    assert_eq!((&told[2]["sku"], amount(&told[2]["quantity"])), (&json!(said.goods[0]), 2.0));
    assert_ne!(after["tax_exclusive_total"], before["tax_exclusive_total"]);
    // A line that the order does not have is not made by naming it.
    let mut other = sendable(gate, &after);
    other[0]["id"] = "999999".into();
    gate.system.forget();
    let problem = gate.patch(&path, &json!({ "lines": other })).refused(422).json();
    let place = if matches!(said.lines, Lines::Commands) { "/lines/0" } else { "/lines/0/id" };
    assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
    assert!(gate.changes().is_empty());
}

/// The same by ids of the gate's own: the system is sent its keys, and one such key is no id.
pub(super) fn lines_by_ids(subject: &'static Subject) {
    let (gate, plain) = (&Gate::with_ids(subject), Gate::open(subject));
    ids_of_lines(&gate.whole(reads::ORDERS));
    let (path, before) = some(gate);
    let said = said_of(gate);
    let native = plain.whole(reads::ORDERS);
    let native = native.iter().find(|order| order["number"] == before["number"]).unwrap();
    let key = |at: usize| native["lines"][at]["id"].as_str();
    assert_eq!(native["lines"][1]["quantity"], before["lines"][1]["quantity"]);
    let mut lines = sendable(gate, &before);
    let gone = lines.remove(0);
    lines[1]["quantity"] = "7.125".into();
    lines.push(new_line(gate, said.goods[0], "2"));
    gate.system.forget();
    let answer = gate.patch(&path, &json!({ "lines": lines, "buyer_reference": "PO-88" })).expect(200);
    lines_were_sent(gate, &answer, [native["id"].as_str(), key(2), key(0)]);
    let after = gate.get(&path).expect(200).json();
    assert_eq!(answer.json(), after);
    let ids: Vec<&Value> = after["lines"].as_array().unwrap().iter().map(|line| &line["id"]).collect();
    assert_eq!(ids[..2], [&before["lines"][1]["id"], &before["lines"][2]["id"]]);
    assert!(ids.len() == 3 && !ids.contains(&&gone["id"]), "{ids:?}");
    assert_eq!(after["lines"][1]["quantity"], "7.125");
    ids_of_lines(std::slice::from_ref(&after));
    for id in [key(1).unwrap(), gone["id"].as_str().unwrap()] {
        let mut other = sendable(gate, &after);
        other[0]["id"] = id.into();
        gate.system.forget();
        let problem = gate.patch(&path, &json!({ "lines": other })).refused(422).json();
        let place = if matches!(said.lines, Lines::Commands) { "/lines/0" } else { "/lines/0/id" };
        assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
        assert!(gate.changes().is_empty());
    }
}

/// That a line was added, one changed and one taken out of the order with these keys, and nothing else of them.
fn lines_were_sent(gate: &Gate, answer: &Answer, keys: [Option<&str>; 3]) {
    let (said, sent, [order, changed, gone]) = (said_of(gate), sent(gate), keys.map(Option::unwrap));
    let unguarded = answer.header("bramka-unguarded");
    let Lines::Each { is_guarded, requests } = said.lines else {
        let [(_, body)] = sent.try_into().unwrap();
        let number = |key: &str| key.parse::<u64>().unwrap();
        let values = (said.values)(&body);
        let new = values["lines"][2][1][0].clone();
        let commands = json!([
            ["delete", [number(gone)]],
            ["write", [number(changed)], { "quantity": 7.125 }],
            ["create", [new]],
        ]);
        assert_eq!(values, json!({ "reference": "PO-88", "lines": commands }));
        assert!(new["product"].is_u64() && new["quantity"] == 2, "{new}");
        assert!((said.is_guarded)(&gate.changes()[0]) && unguarded.is_none(), "by the order's version");
        return;
    };
    assert_eq!(unguarded.is_none(), is_guarded);
    let names: Vec<&str> = sent.iter().map(|(target, _)| target.as_str()).collect();
    assert!(names[0].starts_with("PATCH ") && names[0].contains(order), "{names:?}");
    let parts = requests(order, changed, gone);
    assert_eq!(names[1..], parts, "added, changed, taken out, after the order itself");
    assert_eq!(sent[2].1.as_object().unwrap().len(), 1, "only what changed: {}", sent[2].1);
    assert!(sent[2].1.to_string().contains("7.125") && sent[3].1.is_null());
    for seen in gate.changes().iter().skip(2) {
        assert_eq!((said.is_guarded)(seen), is_guarded, "{seen:?}");
    }
}

fn line_fails(gate: &Gate) {
    let (path, before) = some(gate);
    let said = said_of(gate);
    let is_at = |problem: &Value, line: &str| {
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with(line), "{problem}");
    };
    let mut lines = sendable(gate, &before);
    lines.push(new_line(gate, said.no_good, "1"));
    gate.system.forget();
    // The first request fails: nothing is done, and the line is named.
    is_at(&gate.patch(&path, &json!({ "lines": lines })).refused(422).json(), "/lines/3");
    assert_eq!(gate.get(&path).expect(200).json()["lines"], before["lines"]);
    lines.insert(3, new_line(gate, said.goods[1], "3"));
    let told = match said.lines {
        // One request is done, or is not.
        Lines::Commands => {
            is_at(&gate.patch(&path, &json!({ "lines": lines })).refused(422).json(), "/lines/4");
            3
        }
        // The second one fails: what is done stays, and is told.
        Lines::Each { .. } => {
            let answer = gate.patch(&path, &json!({ "lines": lines })).refused(502);
            assert_eq!(answer.header("retry-after"), None);
            let problem = answer.json();
            assert!(problem["type"].as_str().unwrap().ends_with("/partly-done"), "{problem}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with("1 of 2 changes were made and stay"), "{problem}");
            is_at(&problem, "/lines/4");
            4
        }
    };
    assert_eq!(gate.get(&path).expect(200).json()["lines"].as_array().unwrap().len(), told);
    // A line cannot be moved, and nothing of the rest is done then.
    let mut turned = sendable(gate, &before);
    turned.reverse();
    gate.system.forget();
    gate.patch(&path, &json!({ "lines": turned, "buyer_reference": "other" })).refused(422);
    assert!(gate.changes().is_empty());
}

fn concurrent(gate: &Gate) {
    let (path, order) = some(gate);
    let version = gate.get(&path).expect(200).header("etag").unwrap().to_owned();
    // Between the caller's look and its change.
    gate.patch(&path, &json!({ "buyer_reference": "first" })).expect(200);
    let second = json!({ "buyer_reference": "second" });
    gate.ask(Method::PATCH, &path, &second, &[("if-match", &version)]).refused(412);
    // Between the gate's look and its change.
    gate.switch("race");
    let problem = gate.patch(&path, &second).refused(409).json();
    assert!(problem["type"].as_str().unwrap().ends_with("/conflict"), "{problem}");
    assert_eq!(gate.get(&path).expect(200).json()["buyer_reference"], "first");
    if !matches!(said_of(gate).lines, Lines::Each { is_guarded: false, .. }) {
        gate.switch("race");
        let mut lines = sendable(gate, &order);
        lines[1]["quantity"] = "9".into();
        let problem = gate.patch(&path, &json!({ "lines": lines })).refused(409).json();
        if let Lines::Each { .. } = said_of(gate).lines {
            assert_eq!(problem["errors"][0]["pointer"], "/lines/1", "{problem}");
        }
        assert_eq!(gate.get(&path).expect(200).json()["lines"][1]["quantity"], order["lines"][1]["quantity"]);
    }
}

fn delete(gate: &Gate) {
    let (path, order) = some(gate);
    let before = gate.whole(reads::ORDERS).len();
    gate.system.forget();
    gate.delete(&path).expect(204);
    assert!((said_of(gate).is_guarded)(&gate.changes()[0]));
    gate.get(&path).refused(404);
    let left = gate.whole(reads::ORDERS);
    assert_eq!(left.len(), before - 1);
    assert!(!ids(&left).contains(&order["id"].as_str().unwrap()));
}

fn invalid(gate: &Gate) {
    let (path, _) = some(gate);
    let good = said_of(gate).goods[0];
    gate.system.forget();
    for (field, value, pointer) in [
        ("ordered_on", json!("yesterday"), "/ordered_on"),
        ("buyer_reference", json!("x".repeat(said_of(gate).reference_most + 1)), "/buyer_reference"),
        ("lines", json!([{ "sku": good, "quantity": "many" }]), "/lines/0/quantity"),
        ("lines", json!([{ "sku": good, "quantity": "1.1234567" }]), "/lines/0/quantity"),
        ("tax_exclusive_total", json!("1"), "/tax_exclusive_total"),
    ] {
        let mut body = proposal(gate);
        body[field] = value.clone();
        let problem = gate.post("/v1/orders", &body).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        let problem = gate.patch(&path, &json!({ field: value })).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    assert!(gate.changes().is_empty());
}

fn rate_limit(gate: &Gate) {
    let (path, _) = some(gate);
    // Whatever a write needs first is there.
    gate.patch(&path, &json!({ "buyer_reference": "first" })).expect(200);
    gate.switch("limit");
    for answer in [
        gate.get(reads::ORDERS),
        gate.get(&path),
        gate.patch(&path, &json!({ "buyer_reference": "x" })),
        gate.post("/v1/orders", &proposal(gate)),
    ] {
        assert!(answer.refused(503).header("retry-after").is_some());
    }
}

fn ask_sign_in(gate: &Gate) -> Answer {
    gate.get(reads::ORDERS).expect(200);
    gate.switch("spend");
    gate.get(reads::ORDERS)
}

fn sign_in(gate: &Gate) {
    let (path, _) = some(gate);
    gate.patch(&path, &json!({ "buyer_reference": "first" })).expect(200);
    gate.switch("spend");
    gate.patch(&path, &json!({ "buyer_reference": "second" })).expect(200);
    assert_eq!(gate.get(&path).expect(200).json()["buyer_reference"], "second");
}

const HOSTILE: [&str; 15] = [
    "'",
    "PO-0003'",
    "x' or 'a' eq 'a",
    "') or (true eq true",
    "PO-0003' and SalesOrder eq '4",
    "''",
    "%27",
    "a&$top=1",
    "a#b",
    "a b+c",
    "\\",
    "\"",
    "ąę",
    "null",
    "datetime'2026-01-01T00:00:00'",
];

fn literals(gate: &Gate) {
    let all = gate.whole(reads::ORDERS);
    let said = all.iter().filter(|it| it["buyer_reference"].is_string()).count();
    let (path, _) = some(gate);
    for text in HOSTILE {
        let found = gate.whole(&format!("{}&buyer_reference={}", reads::ORDERS, encoded(text)));
        assert!(found.is_empty(), "{text}");
        let others =
            gate.whole(&format!("{}&fields=id&buyer_reference[ne]={}", reads::ORDERS, encoded(text)));
        assert_eq!(others.len(), said, "{text}");
        // Written, it reads back, and is found by itself alone.
        let told = gate.patch(&path, &json!({ "buyer_reference": text })).expect(200).json();
        assert_eq!(told["buyer_reference"], text);
        let found = gate.whole(&format!("{}&buyer_reference={}", reads::ORDERS, encoded(text)));
        assert_eq!(ids(&found), [told["id"].as_str().unwrap()], "{text}");
        // As a key it names nothing; some signs no path may hold.
        let key = gate.get(&format!("/v1/orders/{}", encoded(text)));
        assert_eq!(key.status, if text.contains(['%', '\\']) { 400 } else { 404 }, "{text}");
    }
}

fn any_text(gate: &Gate) {
    let all = gate.whole(reads::ORDERS);
    let known: BTreeSet<String> =
        all.iter().filter_map(|it| it["buyer_reference"].as_str()).map(str::to_lowercase).collect();
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&"[ '()%&#=,;a-z\\\\\"\\PC]{1,20}", |text| {
            let answer =
                gate.get(&format!("/v1/orders?limit=200&fields=id&buyer_reference={}", encoded(&text)));
            prop_assert_eq!(answer.status, 200, "{}", text);
            let found = answer.json()["items"].as_array().unwrap().len();
            prop_assert_eq!(found > 0, known.contains(&text.to_lowercase()), "{}", text);
            Ok(())
        })
        .unwrap();
}
