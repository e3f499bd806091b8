//! Ids of lines: the gate's own, made of keys and kept nowhere, and good for the record that they stand in alone.

use std::{collections::HashSet, path::Path};

use http::{Method, header};
use serde_json::{Value, json};

use crate::{
    ids::{is_id, key_of, opaque, text},
    line::asking,
    parts::{MAY, changes, sendable},
    reads::roomy,
    stage::{Stage, seeded},
    writes::with,
};

/// Lines may be written, and have ids of the gate's own.
fn stage() -> Stage {
    Stage::open(|policies: &Path| {
        roomy(policies);
        opaque(policies);
        // All of a line: what names no line of the record replaces the list.
        with(&MAY.replace("lines.net_price,", "lines.net_price, lines.tax_inclusive_price,"))(policies);
    })
}

fn lines(order: &Value) -> &[Value] {
    order["lines"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn line_ids(order: &Value) -> Vec<&str> {
    lines(order).iter().map(|line| text(&line["id"])).collect()
}

/// The lines of an order, as the system itself tells them.
fn native_ids(stage: &Stage, order: &Value) -> Vec<String> {
    let key = key_of(stage, &format!("Order/{}", text(&order["id"])), "erp");
    let answer = seeded(&format!("/salesOrders({key})"), "$expand=salesOrderLines");
    let lines = answer["salesOrderLines"].as_array().unwrap();
    lines.iter().map(|line| text(&line["id"]).to_owned()).collect()
}

#[test]
fn a_line_has_one_id_wherever_it_is_told_and_after_a_restart_and_nothing_of_its_key_is_in_it() {
    let mut stage = stage();
    let orders = stage.get("/v1/orders?limit=50").expect(200).items();
    let all: Vec<&str> = orders.iter().flat_map(line_ids).collect();
    assert!(all.len() > 50 && orders.iter().flat_map(lines).all(|line| is_id(&line["id"])));
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "no two lines have the same");
    let order = orders.iter().find(|order| lines(order).len() > 1).unwrap();
    let (path, own) = (format!("/v1/orders/{}", text(&order["id"])), line_ids(order));
    for key in native_ids(&stage, order) {
        let parts: Vec<&str> = key.split('-').filter(|part| part.len() > 3).collect();
        assert!(own.iter().all(|id| parts.iter().all(|part| !id.contains(part))), "{key}: {own:?}");
    }
    assert_eq!(line_ids(&stage.get(&path).expect(200).json()), own, "one record");
    let few = stage.get(&format!("{path}?fields=lines.id")).expect(200).json();
    assert_eq!(line_ids(&few), own, "nothing else of it asked for, its own id neither");
    let pinned = stage.get(&format!("/v1/orders?id={}", text(&order["id"]))).expect(200).items();
    assert_eq!(line_ids(&pinned[0]), own, "by its id");
    let by_odata = stage.get(&format!("/odata/orders('{}')", text(&order["id"]))).expect(200).json();
    assert_eq!(line_ids(&by_odata), own, "OData");
    let filter = format!("$filter=order_id%20eq%20'{}'", text(&order["id"]));
    let rows = stage.get(&format!("/odata/order_lines?{filter}")).expect(200).json();
    let rows: Vec<&str> = rows["value"].as_array().unwrap().iter().map(|row| text(&row["id"])).collect();
    assert_eq!(rows, own, "rows of their own");
    let invoices =
        stage.get("/v1/invoices?limit=200&fields=id,order,lines&include=order").expect(200).items();
    let known = |id: &Value| orders.iter().find(|order| order["id"] == *id);
    let beside: Vec<(&Value, &Value)> = invoices
        .iter()
        .flat_map(|invoice| invoice["included"]["order"]["items"].as_array().into_iter().flatten())
        .filter_map(|beside| Some((beside, known(&beside["id"])?)))
        .collect();
    assert!(!beside.is_empty(), "{:?}", invoices.first());
    assert!(beside.iter().all(|(beside, order)| beside["lines"] == order["lines"]), "included");
    assert!(
        invoices.iter().flat_map(lines).all(|line| is_id(&line["id"]) && !all.contains(&text(&line["id"])))
    );
    stage.kill_and_start();
    assert_eq!(stage.get("/v1/orders?limit=50").expect(200).items(), orders);
}

#[test]
fn lines_are_changed_taken_out_and_added_by_their_ids_and_the_system_is_sent_keys() {
    let stage = stage();
    let orders = stage.get("/v1/orders?status=open&limit=50").expect(200).items();
    let before = orders.iter().find(|order| lines(order).len() > 1).unwrap();
    let path = format!("/v1/orders/{}", text(&before["id"]));
    let keys = native_ids(&stage, before);
    let mut sent = sendable(before);
    sent[0]["quantity"] = "11".into();
    let gone = sent.pop().unwrap();
    sent.push(json!({ "kind": "item", "sku": "1012", "quantity": "3" }));
    let tag = stage.get(&path).expect(200).header("etag").unwrap().to_owned();
    let patch = |key: &str| {
        let request = asking(Method::PATCH, &path, Some(&stage.shop)).header("idempotency-key", key);
        let request = request.header(header::CONTENT_TYPE, "application/json").header(header::IF_MATCH, &tag);
        stage.ask(request.body(json!({ "lines": sent }).to_string().into()).unwrap())
    };
    stage.erp.forget();
    let answer = patch("\"lines\"").expect(200);
    let (added, changed, removed) =
        ("POST salesOrderLines", format!("PATCH salesOrderLines({})", keys[0]), keys.last().unwrap());
    assert_eq!(changes(&stage), [added, &changed, &format!("DELETE salesOrderLines({removed})")]);
    let asked = format!("{:?}", stage.erp.seen());
    assert!(line_ids(before).iter().all(|id| !asked.contains(id)), "{asked}");
    let after = stage.get(&path).expect(200);
    assert_eq!((answer.json(), answer.header("etag")), (after.json(), after.header("etag")));
    let after = after.json();
    let (old, new) = (line_ids(before), line_ids(&after));
    assert_eq!(new[..old.len() - 1], old[..old.len() - 1], "those that stay keep their ids");
    assert!(is_id(&lines(&after)[old.len() - 1]["id"]) && !new.contains(&text(&gone["id"])), "{new:?}");
    assert_eq!(lines(&after)[0]["quantity"], "11");
    // What is sent again is answered again, with the same ids.
    stage.erp.forget();
    let again = patch("\"lines\"").expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &answer.body));
    assert!(changes(&stage).is_empty());
}

#[test]
fn an_id_of_another_records_line_and_a_key_that_is_guessed_name_no_line_and_nothing_is_sent() {
    let stage = stage();
    let orders = stage.get("/v1/orders?status=open&limit=50").expect(200).items();
    let mut with_lines = orders.iter().filter(|order| lines(order).len() > 1);
    let (order, other) = (with_lines.next().unwrap(), with_lines.next().unwrap());
    let path = format!("/v1/orders/{}", text(&order["id"]));
    let (own, foreign) = (native_ids(&stage, order), native_ids(&stage, other));
    let told = |id: &str| {
        let mut sent = sendable(order);
        sent[0]["id"] = id.into();
        let problem = stage.shop(Method::PATCH, &path, &json!({ "lines": sent })).refused(422).json();
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/id", "{problem}");
        problem["errors"].clone()
    };
    stage.erp.forget();
    let nobodys = told("0000000000000000000000000g");
    for id in [&*own[0], &foreign[0], text(&lines(other)[0]["id"]), "x"] {
        assert_eq!(told(id), nobodys, "{id}");
    }
    assert!(changes(&stage).is_empty());
    // Twice the same line is told as that.
    let mut twice = sendable(order);
    twice.push(twice[0].clone());
    let problem = stage.shop(Method::PATCH, &path, &json!({ "lines": twice })).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], format!("/lines/{}/id", lines(order).len()), "{problem}");
}

#[test]
fn lines_are_filtered_by_their_ids_here_and_the_system_is_not_asked_for_them() {
    let stage = stage();
    let orders = stage.get("/v1/orders?limit=50").expect(200).items();
    let order = orders.iter().find(|order| lines(order).len() > 1).unwrap();
    let (id, key) = (line_ids(order)[1], &native_ids(&stage, order)[1]);
    let found = |filter: &str| {
        let path = format!("/odata/orders?$select=id&$filter={}", filter.replace(' ', "%20"));
        let found = stage.get(&path).expect(200).json()["value"].as_array().unwrap().clone();
        found.iter().map(|order| text(&order["id"]).to_owned()).collect::<Vec<_>>()
    };
    stage.erp.forget();
    let number = text(&order["number"]);
    let own = [text(&order["id"]).to_owned()];
    assert_eq!(found(&format!("number eq '{number}' and lines/any(l: l/id eq '{id}')")), own);
    assert_eq!(found(&format!("number eq '{number}' and lines/any(l: l/id eq '{key}')")), [""; 0]);
    assert_eq!(found(&format!("number eq '{number}' and not lines/any(l: l/id eq '{key}')")), own);
    let by_rest =
        stage.get(&format!("/v1/orders?number={number}&fields=id&lines.id={id}")).expect(200).items();
    assert_eq!((by_rest.len(), text(&by_rest[0]["id"])), (1, &*own[0]));
    let by_key = stage.get(&format!("/v1/orders?number={number}&fields=id&lines.id={key}"));
    assert_eq!(by_key.expect(200).items(), [Value::Null; 0]);
    let asked = format!("{:?}", stage.erp.seen());
    assert!(!asked.contains(id) && !asked.contains(&**key) && asked.contains(number), "{asked}");
}

#[test]
fn where_a_collection_keeps_the_systems_keys_its_lines_do() {
    let stage = Stage::open(|policies: &Path| {
        opaque(policies);
        crate::writes::change(policies, "gateway.yaml", "ids: opaque", "ids: { orders: keys }");
    });
    let orders = stage.get("/v1/orders?limit=5").expect(200).items();
    assert!(orders.iter().flat_map(lines).all(|line| text(&line["id"]).len() == 36), "{orders:?}");
    let invoices = stage.get("/v1/invoices?limit=5").expect(200).items();
    assert!(invoices.iter().flat_map(lines).all(|line| is_id(&line["id"])), "{invoices:?}");
}
