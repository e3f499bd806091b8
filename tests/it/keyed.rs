//! Lists that are filtered by `id`: systems are asked for these records alone, and no list is walked for them.

use std::{fs, path::Path, sync::Arc};

use bramka::demo::{
    erp, seed,
    standin::{self, Ask, Seen},
};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::{
    book,
    ids::{id_of, opaque, text},
    kit::Answer,
    reads::roomy,
    stage::Stage,
    writes::{Twist, change, said},
};

/// Callers see ids, systems are asked by keys.
fn stage(edit: impl FnOnce(&Path)) -> Stage {
    Stage::open(|policies| {
        roomy(policies);
        opaque(policies);
        edit(policies);
    })
}

/// No list is asked for keys.
fn never(policies: &Path) {
    change(policies, "systems/crm.yaml", ", filter_at: properties.hs_object_id", "");
    change(
        policies,
        "systems/erp.yaml",
        "    key: { at: id, form: guid }\n",
        "    key: { at: id, form: guid, filter_at: never }\n",
    );
}

/// Some records of a collection, of different places, the last before the first.
fn some(stage: &Stage, collection: &str) -> Vec<Value> {
    let all = stage.get(&format!("/v1/{collection}?limit=120")).expect(200).items();
    [all[all.len() - 1].clone(), all[7].clone(), all[30].clone()].to_vec()
}

fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| text(&record["id"])).collect()
}

fn quoted(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",")
}

fn targets(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.target.as_str()).collect()
}

fn told(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn entry(stage: &Stage, answer: &Answer) -> Value {
    let entries = book::of(&stage.data(), answer.header("x-request-id").unwrap());
    entries.into_iter().find(|entry| entry["kind"] == "answer").unwrap()
}

#[test]
fn a_list_of_ids_is_one_question_for_these_records() {
    let stage = stage(|_| {});
    let (orders, customers) = (some(&stage, "orders"), some(&stage, "customers"));
    let of_orders = ids(&orders).join(",");
    stage.erp.forget();
    let found = stage.get(&format!("/v1/orders?id[in]={of_orders}")).expect(200);
    assert_eq!(
        (found.items(), found.json().get("next_cursor").is_none_or(Value::is_null)),
        (orders.clone(), true)
    );
    let seen = stage.erp.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen[0].target.contains("/salesOrders?$filter=(id eq ")
            && seen[0].target.matches("id eq").count() == 3
    );
    // The CRM searches.
    stage.crm.forget();
    let found = stage.get(&format!("/v1/customers?id[in]={}", ids(&customers).join(","))).expect(200).items();
    assert_eq!(found, customers);
    let seen = stage.crm.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen[0].target.ends_with("/search")
            && seen[0].body.contains(r#""propertyName":"hs_object_id","operator":"IN""#)
    );
    // Other conditions, an order and a count are what they are of any list.
    let [a, b, c] = [&orders[0], &orders[1], &orders[2]].map(|order| text(&order["id"]));
    let by_day = |path: &str| -> Vec<String> {
        let items = stage.get(path).expect(200).json()["value"].as_array().unwrap().clone();
        items.iter().map(|item| text(&item["ordered_on"]).to_owned()).collect()
    };
    let all = quoted(&[a, b, c]);
    let mut days = by_day(&format!(
        "/odata/orders?$filter=id%20in%20({})&$orderby=ordered_on%20desc",
        all.replace(',', "%2C")
    ));
    assert_eq!(days.len(), 3);
    assert!(days.is_sorted_by(|one, other| one >= other), "{days:?}");
    days.reverse();
    stage.erp.forget();
    let path = format!(
        "/odata/orders?$filter=id%20eq%20'{a}'%20or%20(id%20eq%20'{b}'%20and%20number%20ne%20'x')%20or%20id%20eq%20'{c}'&$orderby=ordered_on&$count=true&$top=2"
    );
    let page = stage.get(&path).expect(200).json();
    assert_eq!((page["@odata.count"].as_u64(), page["value"].as_array().unwrap().len()), (Some(3), 2));
    assert_eq!(page["value"][0]["ordered_on"], days[0].as_str());
    let count = format!("/odata/orders/$count?$filter=id%20in%20('{a}'%2C'{b}'%2C'nobody')");
    assert_eq!(told(&stage.get(&count).expect(200)), "2");
    assert!(
        stage.erp.seen().iter().all(|seen| seen.target.contains("id eq ")),
        "{:?}",
        targets(&stage.erp.seen())
    );
    let number = text(&orders[0]["number"]);
    let one = stage.get(&format!("/v1/orders?id[in]={of_orders}&number={number}")).expect(200).items();
    assert_eq!(one, orders[..1]);
}

#[test]
fn an_id_of_nothing_is_not_among_the_rows_and_asks_nobody() {
    for stage in [stage(|_| {}), stage(never)] {
        let orders = some(&stage, "orders");
        let customer = text(&orders[0]["customer"]);
        stage.erp.forget();
        for nothing in
            ["id=0000000000000000000000000g".to_owned(), format!("id={customer}"), "id[in]=a,b".to_owned()]
        {
            let answer = stage.get(&format!("/v1/orders?{nothing}")).expect(200).json();
            assert_eq!(answer["items"], json!([]), "{nothing}");
        }
        let none = format!(
            "/odata/orders?$filter=id%20eq%20'{}'%20and%20id%20eq%20'{}'",
            text(&orders[0]["id"]),
            text(&orders[1]["id"])
        );
        assert_eq!(stage.get(&none).expect(200).json()["value"], json!([]));
        assert_eq!(stage.erp.seen().len(), 0);
        let one = stage.get(&format!("/v1/orders?id[in]=nobody,{customer},{}", text(&orders[1]["id"])));
        assert_eq!(one.expect(200).items(), orders[1..2]);
    }
}

#[test]
fn where_no_list_is_asked_for_keys_these_records_are_read_and_are_rows_all_the_same() {
    let stage = stage(never);
    let orders = some(&stage, "orders");
    let of_orders = ids(&orders).join(",");
    stage.erp.forget();
    let found = stage.get(&format!("/v1/orders?id[in]={of_orders}")).expect(200);
    assert_eq!(found.items(), orders);
    let seen = stage.erp.seen();
    assert!(
        seen.len() == 3 && seen.iter().all(|seen| seen.target.contains("/salesOrders(")),
        "{:?}",
        targets(&seen)
    );
    // It is a list to the journal, of as many calls.
    let entry = entry(&stage, &found);
    assert_eq!(
        (entry["action"].as_str(), entry["calls"].as_array().unwrap().len()),
        (Some("list"), 3),
        "{entry}"
    );
    let number = text(&orders[1]["number"]);
    let one = stage.get(&format!("/v1/orders?id[in]={of_orders}&number={number}")).expect(200).items();
    assert_eq!(one, orders[1..2]);
    // A page reads what it shows and no more; the pages are the whole.
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        stage.erp.forget();
        let page = stage.get(&format!("/v1/orders?id[in]={of_orders}&limit=1{cursor}")).expect(200);
        assert_eq!(stage.erp.seen().len(), 1);
        pages.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, orders);
    // In an order of the caller's all are needed.
    let sorted =
        stage.get(&format!("/v1/orders?id[in]={of_orders}&sort=-ordered_on&limit=2")).expect(200).items();
    assert!(sorted.len() == 2 && text(&sorted[0]["ordered_on"]) >= text(&sorted[1]["ordered_on"]));
}

#[test]
fn a_record_that_a_caller_may_not_list_is_not_among_the_rows_and_counts_for_nothing() {
    for stage in [stage(|_| {}), stage(never)] {
        let customer = id_of(&stage, "Customer", "erp:20000");
        let orders = stage.get("/v1/orders?limit=120&fields=id,customer,status").expect(200).items();
        let is_own = |order: &&Value| order["customer"] == customer.as_str() && order["status"] != "draft";
        let own = orders.iter().find(is_own).unwrap();
        let others = orders.iter().filter(|order| !is_own(order)).take(3);
        let all: Vec<&str> = others.chain([own]).map(|order| text(&order["id"])).collect();
        let found =
            stage.portal_get(&format!("/v1/orders?fields=id&id[in]={}", all.join(","))).expect(200).json();
        assert_eq!(found["items"], json!([{ "id": own["id"] }]));
        let count = format!("/odata/orders/$count?$filter=id%20in%20({})", quoted(&all).replace(',', "%2C"));
        assert_eq!(told(&stage.portal_get(&count).expect(200)), "1");
        let first = stage
            .portal_get(&format!("/v1/orders?fields=id&limit=1&id[in]={}", all.join(",")))
            .expect(200)
            .json();
        assert_eq!(
            first["items"],
            json!([{ "id": own["id"] }]),
            "a page is not empty because others stand before"
        );
        let hidden = stage.portal_get(&format!("/v1/orders?id={}", all[0])).expect(200).json();
        assert_eq!(hidden["items"], json!([]));
    }
}

#[test]
fn more_ids_than_are_looked_for_are_refused_with_the_number() {
    let stage = stage(|_| {});
    let many = |from: usize| (from..from + 60).map(|n| format!("'n{n}'")).collect::<Vec<_>>().join("%2C");
    let path =
        |from| format!("/odata/orders?$filter=id%20in%20({})%20or%20id%20in%20({})", many(0), many(from));
    assert_eq!(stage.get(&path(30)).expect(200).json()["value"], json!([]));
    let refused = stage.get(&path(60));
    assert_eq!(refused.status, 400);
    assert!(told(&refused).contains("at most 100 ids"), "{}", told(&refused));
}

#[test]
fn a_system_that_overlooks_the_keys_is_found_out_and_never_told_as_empty() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let page = std::sync::atomic::AtomicUsize::new(0);
    let twist = move |ask: &Ask, answer: Response<Bytes>| {
        if !["id%20eq", "skiptoken"].iter().any(|word| ask.query.contains(word)) {
            return answer;
        }
        let n = page.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let next = format!("?$skiptoken={n}");
        said(
            200,
            &json!({ "value": [{ "id": "ffffffff-0000-0000-0000-00000000000f" }], "@odata.nextLink": next }),
        )
    };
    let system = Twist(seed::erp("stage", "erp-stage-secret"), twist);
    let erp = runtime.block_on(standin::start(0, Arc::new(system))).unwrap();
    let stage = stage(|policies| {
        let file = policies.join("systems/erp.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let base = text.lines().find(|line| line.starts_with("base:")).unwrap();
        let ours = format!("base: \"http://{}{}\"", erp.address, erp::ROOT);
        fs::write(&file, text.replace(base, &ours)).unwrap();
    });
    let order = stage.get("/v1/orders?limit=1").expect(200).items().remove(0);
    erp.forget();
    stage.get(&format!("/v1/orders?id={}", text(&order["id"]))).refused(502);
    assert!((2..=21).contains(&erp.seen().len()), "{}", erp.seen().len());
}
