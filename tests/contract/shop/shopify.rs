//! A shop that speaks as Shopify's Admin REST API: wraps, pages by a link in a header, and a `page_info` that takes no
//! condition beside it.

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{Method, Response};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    records,
    told::{TOO_MUCH, json as told, merge, numbered, parameter, place, unknown, with},
};

pub(super) const ROOT: &str = "/admin/api/2024-10";
pub(super) const TOKEN: &str = "shpat_contract_1";

pub(super) struct Shopify(Mutex<[(&'static str, &'static str, Vec<Value>); 3]>);

/// A moment as the shop's own zone has it.
fn local(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::get("America/New_York").unwrap())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

impl Shopify {
    pub(super) fn new() -> Self {
        let goods = records::products();
        let customers = records::customers().into_iter().map(|it| {
            json!({ "id": 9000 + it.number, "first_name": it.given, "last_name": it.family, "email": it.email,
                "tags": "kept", "created_at": local(it.made), "updated_at": local(it.made) })
        });
        let products = goods.iter().map(|it| {
            json!({ "id": 7000 + it.number, "title": it.name, "body_html": "", "vendor": "kept", "tags": "a, b",
                "status": if it.is_sold { "active" } else { "draft" },
                "created_at": local(it.made), "updated_at": local(it.changed),
                "variants": [ { "id": 5000 + it.number, "product_id": 7000 + it.number, "title": "Default Title",
                    "option1": "Default Title", "sku": it.sku, "price": it.price, "inventory_quantity": it.stock } ] })
        });
        let orders = records::orders().into_iter().map(|it| {
            let is_taxed = records::is_taxed(&it);
            let lines = it.lines.iter().enumerate().map(|(n, (number, quantity))| {
                let product = &goods[number - 1];
                json!({ "id": it.number * 10 + n, "product_id": 7000 + number, "sku": product.sku, "name": product.name,
                    "quantity": quantity, "price": if is_taxed { records::gross(&product.price) } else { product.price.clone() } })
            });
            json!({ "id": 4000 + it.number, "name": format!("#{}", 1000 + it.number), "currency": "USD",
                "closed_at": if it.number % 2 == 0 { json!(local(it.made)) } else { Value::Null },
                "financial_status": if it.number % 2 == 0 { "paid" } else { "pending" }, "fulfillment_status": null,
                "taxes_included": is_taxed, "total_discounts": "0.00", "total_tax": records::tax(&it, &goods), "shipping_lines": [],
                "total_price": records::money(records::total(&it, &goods)), "token": "secret-of-the-order",
                "customer": { "id": 9000 + it.customer, "first_name": "x", "last_name": "y" },
                "fulfillments": if it.number % 2 == 0 { json!([sent(&it, lines.clone().collect())]) } else { json!([]) },
                "line_items": lines.collect::<Vec<_>>(), "created_at": local(it.made), "updated_at": local(it.made) })
        });
        Self(Mutex::new([
            ("customers", "customer", customers.collect()),
            ("products", "product", products.collect()),
            ("orders", "order", orders.collect()),
        ]))
    }
}

/// What was sent of an order: all of it, at once.
fn sent(order: &records::Order, lines: Vec<Value>) -> Value {
    json!({ "id": 6000 + order.number, "order_id": 4000 + order.number, "name": format!("#{}.1", 1000 + order.number),
        "status": "success", "service": "manual", "shipment_status": if order.number.is_multiple_of(4) { json!("delivered") } else { Value::Null },
        "tracking_company": "UPS", "tracking_number": format!("1Z{}", order.number), "tracking_url": null, "location_id": 655_441_491,
        "line_items": lines, "created_at": local(order.made), "updated_at": local(order.made) })
}

/// What stands under an order at an address of its own: what was sent of it, and what was paid.
fn under(order: &Value, rest: &str) -> Option<Value> {
    if rest == "transactions" {
        return Some(json!({ "transactions": transactions(order) }));
    }
    let (what, id) = rest.split_once('/')?;
    match what {
        "fulfillments" => {
            let sent = order["fulfillments"].as_array()?.iter().find(|sent| numbered(sent, "id", id))?;
            Some(json!({ "fulfillment": sent }))
        }
        "transactions" => {
            let all = transactions(order);
            let one = all.into_iter().find(|transaction| numbered(transaction, "id", id))?;
            Some(json!({ "transaction": one }))
        }
        _ => None,
    }
}

/// What became of the money of an order: of one that is paid it was promised, refused, taken, and some of it paid back.
fn transactions(order: &Value) -> Vec<Value> {
    let of = |id: u64, kind: &str, status: &str, amount: Value| {
        json!({ "id": id, "order_id": order["id"], "kind": kind, "status": status, "gateway": "bogus", "currency": "USD",
            "amount": amount, "created_at": order["created_at"], "processed_at": order["created_at"] })
    };
    let total = || order["total_price"].clone();
    let promised = of(75, "authorization", "success", total());
    match order["financial_status"] == "paid" {
        false => vec![promised],
        true => vec![
            promised,
            of(76, "capture", "failure", total()),
            of(77, "capture", "success", total()),
            of(78, "refund", "success", "1.50".into()),
            of(79, "refund", "pending", "0.50".into()),
            of(80, "void", "success", "0.00".into()),
        ],
    }
}

impl Answers for Shopify {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("x-shopify-access-token") != Some(TOKEN) {
            let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
            return told(401, &json!({ "errors": text }));
        }
        let absent = || told(404, &json!({ "errors": "Not Found" }));
        let Some((collection, key)) = place(ask, ROOT) else { return absent() };
        // A path ends in its format, or there is nothing.
        let Some(last) = key.as_deref().unwrap_or(&collection).strip_suffix(".json") else { return absent() };
        let name = if key.is_some() { collection.as_str() } else { last };
        let mut books = self.0.lock();
        let Some((_, one, rows)) = books.iter_mut().find(|(known, ..)| *known == name) else {
            return absent();
        };
        let Some(id) = key.is_some().then_some(last) else {
            return match ask.method {
                Method::GET => list(ask, name, rows),
                Method::POST => create(ask, one, rows),
                _ => absent(),
            };
        };
        if let Some((of, rest)) = id.split_once('/') {
            let order = rows.iter().find(|row| name == "orders" && numbered(row, "id", of));
            let found = order.filter(|_| ask.method == Method::GET).and_then(|order| under(order, rest));
            return found.map_or_else(absent, |found| told(200, &found));
        }
        if id == TOO_MUCH {
            let text = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.";
            return with(told(429, &json!({ "errors": text })), "retry-after", "2.0");
        }
        let Some(at) = rows.iter().position(|row| numbered(row, "id", id)) else { return absent() };
        match ask.method {
            Method::GET => told(200, &json!({ *one: rows[at] })),
            Method::PUT => {
                let Some(change) = ask.json().map(|body| body[*one].clone()).filter(Value::is_object) else {
                    return told(
                        400,
                        &json!({ "errors": { *one: "Required parameter missing or invalid" } }),
                    );
                };
                // Variants that are sent take the place of all there were.
                merge(&mut rows[at], &change);
                told(200, &json!({ *one: rows[at] }))
            }
            Method::DELETE => {
                rows.remove(at);
                told(200, &json!({}))
            }
            _ => absent(),
        }
    }
}

fn create(ask: &Ask, one: &str, rows: &mut Vec<Value>) -> Response<Bytes> {
    let Some(mut new) = ask.json().map(|body| body[one].clone()).filter(Value::is_object) else {
        return told(400, &json!({ "errors": { one: "Required parameter missing or invalid" } }));
    };
    if one == "product" && new["title"].as_str().is_none_or(str::is_empty) {
        return told(422, &json!({ "errors": { "title": ["can't be blank"] } }));
    }
    let id = rows.iter().filter_map(|row| row["id"].as_u64()).max().unwrap_or(1) + 1;
    new["id"] = json!(id);
    new["created_at"] = json!("2026-01-02T03:04:05-05:00");
    new["updated_at"] = new["created_at"].clone();
    rows.push(new.clone());
    told(201, &json!({ one: new }))
}

/// A page; what comes after it is told in the `Link` field alone.
fn list(ask: &Ask, name: &str, rows: &[Value]) -> Response<Bytes> {
    let pairs = ask.pairs();
    let limit = match parameter(&pairs, "limit").map(str::parse::<usize>) {
        None => 50,
        Some(Ok(limit)) if limit <= 250 => limit,
        Some(_) => return told(400, &json!({ "errors": { "limit": "must be between 0 and 250" } })),
    };
    let page = parameter(&pairs, "page_info").map(str::to_owned);
    // The cursor holds what was asked for on the first page.
    let (from, asked) = match &page {
        None => (0, pairs),
        Some(page) => {
            if let Some(other) = unknown(&pairs, &["page_info", "limit", "fields"]) {
                let text = format!("{other} cannot be passed when page_info is present.");
                return told(400, &json!({ "errors": { other: text } }));
            }
            let opened = BASE64URL_NOPAD
                .decode(page.as_bytes())
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let Some(opened): Option<(usize, Vec<(String, String)>)> = opened else {
                return told(400, &json!({ "errors": { "page_info": "Invalid value." } }));
            };
            opened
        }
    };
    let mut found: Vec<&Value> = rows.iter().collect();
    // Without a word about it, orders are those that are open.
    if name == "orders" && parameter(&asked, "status").unwrap_or("open") == "open" {
        found.retain(|row| row["closed_at"].is_null());
    }
    for (parameter, value) in &asked {
        let (field, end) = match parameter.rsplit_once('_') {
            Some((field @ ("created_at" | "updated_at"), end @ ("min" | "max"))) => (field, end),
            _ if ["limit", "page_info"].contains(&parameter.as_str()) => continue,
            _ if name == "orders" && parameter == "status" => continue,
            _ if ["customers", "orders", "products"].contains(&name) && parameter == "ids" => {
                found.retain(|row| value.split(',').any(|id| numbered(row, "id", id)));
                continue;
            }
            _ if ["title", "product_type", "status", "financial_status"].contains(&parameter.as_str()) => {
                found.retain(|row| row[parameter] == json!(value));
                continue;
            }
            // What it does not know it overlooks, but no mapping should say such a thing.
            _ => return told(400, &json!({ "errors": { parameter.as_str(): "is not known here" } })),
        };
        let Ok(bound) = value.parse::<Timestamp>() else {
            return told(400, &json!({ "errors": { parameter.as_str(): "is not a moment" } }));
        };
        let at = |row: &Value| row[field].as_str().unwrap().parse::<Timestamp>().unwrap();
        found.retain(|row| if end == "min" { at(row) >= bound } else { at(row) <= bound });
    }
    let shown: Vec<_> = found.iter().skip(from).take(limit).collect();
    let answer = told(200, &json!({ name: shown }));
    if from + limit >= found.len() || limit == 0 {
        return answer;
    }
    let next = BASE64URL_NOPAD.encode(&serde_json::to_vec(&(from + limit, asked)).unwrap());
    let host = ask.header("host").unwrap();
    let link = format!("<http://{host}{}?limit={limit}&page_info={next}>; rel=\"next\"", ask.path);
    with(answer, "link", &link)
}
