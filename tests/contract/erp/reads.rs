//! What a caller may count on when it looks for something in an ERP.

use std::collections::BTreeSet;

use bramka::demo::standin::Seen;
use serde_json::{Value, json};

use super::{s4, said_of};
use crate::{
    ground::{Gate, encoded, ids},
    kit::Answer,
};

pub(super) const ORDERS: &str = "/v1/orders?limit=200";
const GOODS: &str = "/v1/products?limit=200";

fn collections(gate: &Gate) -> &'static [&'static str] {
    gate.subject.serves
}

/// What a list finds is what looking through everything finds, which is something and not all.
#[track_caller]
fn finds(gate: &Gate, query: &str, all: &[Value], fits: impl Fn(&Value) -> bool) {
    let base = if all.iter().any(|record| record["lines"].is_array()) { ORDERS } else { GOODS };
    let found = gate.whole(&format!("{base}&{query}"));
    let found: BTreeSet<&str> = ids(&found).into_iter().collect();
    let expected: Vec<Value> = all.iter().filter(|record| fits(record)).cloned().collect();
    let expected: BTreeSet<&str> = ids(&expected).into_iter().collect();
    assert!(expected.len() < all.len(), "{query} tells nothing apart");
    assert_eq!(found, expected, "{query}");
}

/// That the system itself was asked for less than everything, in its own words.
#[track_caller]
fn was_asked(gate: &Gate, words: &str) {
    let seen = gate.system.seen();
    let says = |seen: &Seen| seen.target.contains(words) || seen.body.contains(words);
    assert!(seen.iter().any(says), "nobody said `{words}`: {seen:?}");
}

pub(super) fn list(gate: &Gate) {
    let orders = gate.whole(ORDERS);
    if gate.subject.name == "sap-s4" {
        assert_eq!(orders.len(), s4::ORDERS);
        assert_eq!(gate.whole(GOODS).len(), s4::PRODUCTS);
    }
    for order in &orders {
        for field in ["id", "number", "customer", "ordered_on", "currency", "status", "tax_exclusive_total"] {
            assert!(order[field].is_string(), "{field}: {order}");
        }
        for line in order["lines"].as_array().unwrap() {
            for field in ["id", "sku", "quantity", "unit", "net_price", "line_net_total"] {
                assert!(line[field].is_string(), "{field}: {line}");
            }
        }
        let sum: f64 =
            order["lines"].as_array().unwrap().iter().map(|it| number(&it["line_net_total"])).sum();
        assert!((sum - number(&order["tax_exclusive_total"])).abs() < 0.005, "{order}");
    }
    assert!(orders.iter().any(|order| order["buyer_reference"].is_string()));
    // A product of a line is one that is there.
    let goods = gate.whole(GOODS);
    let sku = &orders[3]["lines"][0]["sku"];
    assert!(
        goods.iter().any(|good| good["sku"] == *sku && good["unit"].is_string() && good["name"].is_string())
    );
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

pub(super) fn pages(gate: &Gate) {
    let whole = gate.whole(ORDERS);
    let all: BTreeSet<&str> = ids(&whole).into_iter().collect();
    for limit in [7, 60, 100] {
        let paged = gate.whole(&format!("/v1/orders?limit={limit}"));
        assert_eq!(paged.len(), whole.len(), "by {limit}");
        assert_eq!(ids(&paged).into_iter().collect::<BTreeSet<_>>(), all, "by {limit}");
    }
}

pub(super) fn by_buyer(gate: &Gate) {
    let all = gate.whole(ORDERS);
    let said = said_of(gate);
    gate.system.forget();
    finds(gate, &format!("customer={}", said.buyer), &all, |it| it["customer"] == said.buyer);
    was_asked(gate, said.by_buyer);
    finds(gate, &format!("customer[ne]={}", said.buyer), &all, |it| it["customer"] != said.buyer);
    let other = all.iter().map(|it| &it["customer"]).find(|it| **it != said.buyer).unwrap().as_str().unwrap();
    finds(gate, &format!("customer[in]={},{other}", said.buyer), &all, |it| {
        it["customer"] == said.buyer || it["customer"] == other
    });
}

pub(super) fn by_day(gate: &Gate) {
    let all = gate.whole(ORDERS);
    let mut days: Vec<&str> = all.iter().map(|it| it["ordered_on"].as_str().unwrap()).collect();
    days.sort_unstable();
    let (low, high) = (days[20], days[90]);
    let day = |it: &Value| it["ordered_on"].as_str().unwrap().to_owned();
    finds(gate, &format!("ordered_on={low}"), &all, |it| day(it) == low);
    finds(gate, &format!("ordered_on[gte]={low}&ordered_on[lt]={high}"), &all, |it| {
        (low..high).contains(&day(it).as_str())
    });
    finds(gate, &format!("ordered_on[gt]={low}&ordered_on[lte]={high}"), &all, |it| {
        day(it).as_str() > low && day(it).as_str() <= high
    });
    let moment = all[30]["updated_at"].as_str().unwrap();
    let at = |it: &Value| it["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let since: jiff::Timestamp = moment.parse().unwrap();
    finds(gate, &format!("updated_at[gt]={}", encoded(moment)), &all, |it| at(it) > since);
    finds(gate, &format!("updated_at[lte]={}", encoded(moment)), &all, |it| at(it) <= since);
}

pub(super) fn by_number(gate: &Gate) {
    let all = gate.whole(GOODS);
    let said = said_of(gate);
    let [one, two] = said.goods;
    gate.system.forget();
    finds(gate, &format!("sku={one}"), &all, |it| it["sku"] == one);
    if let Some(words) = said.by_number {
        was_asked(gate, words);
    }
    finds(gate, &format!("sku[in]={one},{two},none"), &all, |it| it["sku"] == one || it["sku"] == two);
}

pub(super) fn sorted(gate: &Gate) {
    let count = gate.whole(ORDERS).len();
    for (sort, falls) in [("ordered_on", false), ("-ordered_on", true)] {
        let told = gate.whole(&format!("/v1/orders?sort={sort}&limit=60"));
        let mut days: Vec<&str> = told.iter().map(|it| it["ordered_on"].as_str().unwrap()).collect();
        assert_eq!(days.len(), count, "{sort}");
        if falls {
            days.reverse();
        }
        assert!(days.is_sorted(), "{sort}: {days:?}");
    }
}

pub(super) fn read(gate: &Gate) {
    for collection in collections(gate) {
        let all = gate.whole(&format!("/v1/{collection}?limit=200"));
        for record in [&all[0], &all[all.len() / 2], &all[all.len() - 1]] {
            let path = format!("/v1/{collection}/{}", encoded(record["id"].as_str().unwrap()));
            let answer = gate.get(&path).expect(200);
            let mut read = answer.json();
            // When it was asked for is another moment.
            if record.get("as_of").is_some() {
                assert!(read["as_of"].is_string(), "{read}");
                read["as_of"] = record["as_of"].clone();
            }
            assert_eq!(read, *record, "{collection}");
            assert!(answer.header("etag").is_some());
        }
    }
}

pub(super) fn absent(gate: &Gate) {
    for id in said_of(gate).absent {
        let mut told = Vec::new();
        for collection in collections(gate) {
            let problem = gate.get(&format!("/v1/{collection}/{id}")).refused(404).json();
            told.push((problem["type"].clone(), problem["title"].clone(), problem["detail"].clone()));
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{id} is told differently: {told:?}");
        gate.patch(&format!("/v1/orders/{id}"), &serde_json::json!({ "buyer_reference": "x" })).refused(404);
    }
    assert!(gate.changes().is_empty());
}

pub(super) fn stock(gate: &Gate) {
    let levels = gate.whole("/v1/stock-levels?limit=200");
    assert!(levels.len() > 100);
    for level in &levels {
        assert!(level["on_hand"].is_string() && level["product"].is_string() && level["unit"].is_string());
    }
    let [one, _] = said_of(gate).goods;
    let level = levels.iter().find(|level| level["sku"] == one).unwrap();
    let product = encoded(level["product"].as_str().unwrap());
    assert_eq!(gate.get(&format!("/v1/products/{product}")).expect(200).json()["sku"], one);
    if gate.subject.name == "sap-s4" {
        assert_eq!(level["on_hand"], "21.250", "of both plants, what is ours and free to use");
        assert_eq!(level["quarantine"], "5.5", "in inspection and blocked, and ours");
    }
}

pub(super) fn customers(gate: &Gate) {
    let all = gate.whole("/v1/customers?limit=200");
    if gate.subject.name == "sap-s4" {
        assert_eq!(all.len(), s4::PARTNERS);
        assert!(all.iter().any(|it| it["kind"] == "person"));
        reached(gate, &all);
    }
    assert!(all.iter().all(|it| it["name"].is_string() && it["kind"].is_string()));
    let [field, value, city] = said_of(gate).customer;
    let found = gate.whole(&format!("/v1/customers?limit=200&{field}={}", encoded(value)));
    let expected: Vec<&Value> = all.iter().filter(|it| it[field] == value).collect();
    assert!(!expected.is_empty() && expected.len() < all.len(), "{field} tells nothing apart");
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|it| it["addresses"][0]["city"] == city));
}

/// A company is made with its addresses and the role of a customer in one request; a person is not made here.
pub(super) fn new_partner(gate: &Gate) {
    gate.system.forget();
    let street = json!({ "line1": "Długa 1", "city": "Warszawa", "post_code": "00-238", "country": "PL" });
    let body = json!({ "kind": "company", "name": "Młyn", "addresses": [street] });
    let made = gate.post("/v1/customers", &body).expect(201).json();
    let sent: Value = serde_json::from_str(&gate.changes()[0].body).unwrap();
    assert_eq!(sent["to_BusinessPartnerRole"], json!({ "results": [{ "BusinessPartnerRole": "FLCU01" }] }));
    assert_eq!(sent["to_BusinessPartnerAddress"]["results"][0]["StreetName"], "Długa 1");
    let read = gate.get(&format!("/v1/customers/{}", made["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(
        (&read["name"], &read["lifecycle"], &read["emails"]),
        (&json!("Młyn"), &json!("customer"), &json!([]))
    );
    assert_eq!(made, read, "what the answer left out is read");
    gate.system.forget();
    let person = json!({ "kind": "person", "name": "Ewa Nowak" });
    let problem = gate.post("/v1/customers", &person).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/kind", "{problem}");
    let mut mailed = body;
    mailed["emails"] = json!([{ "value": "biuro@mlyn.example" }]);
    let problem = gate.post("/v1/customers", &mailed).refused(422).json();
    assert!(problem.to_string().contains("an e-mail belongs to one of the addresses"), "{problem}");
    assert!(gate.changes().is_empty());
}

/// Partners are told with the e-mails and telephones of all their addresses, and with their role.
fn reached(gate: &Gate, all: &[Value]) {
    let of = |n: usize, list: &str| {
        let found = all.iter().find(|it| it["number"] == format!("{}", 17_100_000 + n)).unwrap();
        found[list].as_array().unwrap().iter().map(|it| it["value"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of(2, "emails"), ["p2.0@example.com", "p2.1@example.com", "second2@example.com"]);
    assert_eq!(of(3, "emails"), ["second3@example.com"], "its first address has none");
    assert_eq!(of(2, "phones"), ["+48587654321", "+48600700800"]);
    assert_eq!(all[2]["phones"][1], json!({ "value": "+48600700800", "type": "mobile", "primary": true }));
    let roles: Vec<&Value> = all.iter().take(5).map(|it| &it["lifecycle"]).collect();
    assert_eq!(roles, ["customer", "customer", "customer", "customer", "other"]);
    gate.system.forget();
    let few = gate.get("/v1/customers?limit=2&fields=emails").expect(200).items();
    assert_eq!(few[0]["emails"][0]["value"], "second0@example.com");
    let asked = gate.system.seen().pop().unwrap().target;
    assert!(asked.contains("$expand=to_BusinessPartnerAddress/to_EmailAddress"), "{asked}");
    assert!(!asked.contains("to_PhoneNumber"), "what nobody wants is not asked for: {asked}");
}

pub(super) fn ask_customers(gate: &Gate) -> Answer {
    gate.get("/v1/customers")
}

pub(super) fn invoices(gate: &Gate) {
    let all = gate.whole("/v1/invoices?limit=200");
    assert!(all.len() > 100);
    for invoice in &all {
        for field in ["number", "customer", "issue_date", "due_date", "status", "amount_due"] {
            assert!(invoice[field].is_string(), "{field}: {invoice}");
        }
        assert!(!invoice["lines"].as_array().unwrap().is_empty());
    }
    // It says of which order it is.
    let order = encoded(all[0]["order"].as_str().unwrap());
    gate.get(&format!("/v1/orders/{order}")).expect(200);
}

pub(super) fn ask_invoices(gate: &Gate) -> Answer {
    gate.get("/v1/invoices")
}

pub(super) fn shipments(gate: &Gate) {
    let all = gate.whole("/v1/shipments?limit=20");
    assert!(all.len() > 20);
    for shipment in &all {
        for field in ["number", "order_number", "customer", "shipped_on"] {
            assert!(shipment[field].is_string(), "{field}: {shipment}");
        }
        assert_eq!(shipment["status"], "shipped");
        assert!(shipment["to"]["city"].is_string(), "{shipment}");
    }
    let (one, buyer) = (&all[3], said_of(gate).buyer);
    assert_eq!(
        gate.get(&format!("/v1/shipments/{}", encoded(one["id"].as_str().unwrap()))).expect(200).json(),
        *one
    );
    let own: Vec<&Value> = all.iter().filter(|it| it["customer"] == buyer).collect();
    let found = gate.whole(&format!("/v1/shipments?limit=200&customer={buyer}"));
    assert!(!own.is_empty() && own.len() < all.len());
    assert_eq!(found.iter().collect::<Vec<_>>(), own);
    // It holds what has left of the order that it names.
    let number = encoded(one["order_number"].as_str().unwrap());
    let order = gate.whole(&format!("/v1/orders?number={number}")).remove(0);
    let lines = |of: &Value, quantity: &str| -> Vec<(Value, Value)> {
        of["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["sku"].clone(), line[quantity].clone()))
            .collect()
    };
    assert_eq!(lines(one, "quantity"), lines(&order, "shipped_quantity"));
    let refused =
        gate.post("/v1/shipments", &serde_json::json!({ "order": order["id"] })).refused(405).json();
    assert!(refused["detail"].as_str().unwrap().contains("posted"), "{refused}");
}

pub(super) fn ask_shipments(gate: &Gate) -> Answer {
    gate.get("/v1/shipments")
}
