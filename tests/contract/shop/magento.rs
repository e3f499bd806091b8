//! A shop that speaks as Magento 2's REST V1: searches by numbered groups, a last page that comes again and again, and
//! products by their SKU.

use std::collections::BTreeMap;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use jiff::{Timestamp, tz::TimeZone};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    records,
    told::{TOO_MUCH, json as told, merge, place, with},
};

pub(super) const ROOT: &str = "/rest/V1";
pub(super) const TOKEN: &str = "magento-contract-1";

/// Name, the field of the key, the rows.
type Book = (&'static str, &'static str, Vec<Value>);

pub(super) struct Magento(Mutex<[Book; 7]>);

fn utc(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

/// Groups of customers by this shop's own numbers.
fn groups() -> Vec<Value> {
    [(0, "NOT LOGGED IN"), (1, "General"), (6, "Wholesale")]
        .map(|(id, code)| json!({ "id": id, "code": code, "tax_class_id": 3, "tax_class_name": "Retail Customer" }))
        .into()
}

/// Classes of tax by this shop's own numbers: 2, which a new shop has for goods, are customers here.
fn classes() -> Vec<Value> {
    [(2, "Retail", "CUSTOMER"), (5, "Taxable Goods", "PRODUCT"), (8, "Books", "PRODUCT")]
        .map(|(id, name, kind)| json!({ "class_id": id, "class_name": name, "class_type": kind }))
        .into()
}

impl Magento {
    pub(super) fn new() -> Self {
        let goods = records::products();
        let customers = records::customers().into_iter().map(|it| {
            json!({ "id": 30 + it.number, "group_id": if it.number % 2 == 0 { 6 } else { 1 }, "email": it.email, "firstname": it.given, "lastname": it.family,
                "created_at": utc(it.made), "updated_at": utc(it.made), "store_id": 1, "website_id": 1, "default_billing": (900 + it.number).to_string(),
                "addresses": [ { "id": 900 + it.number, "customer_id": 30 + it.number, "region": { "region_code": "MZ", "region_id": 0 }, "country_id": "PL",
                    "street": [ "Długa 1" ], "telephone": "22 555 01 01", "postcode": "00-001", "city": "Warszawa", "firstname": it.given, "lastname": it.family,
                    "default_billing": true } ],
                "extension_attributes": { "is_subscribed": false }, "custom_attributes": [ { "attribute_code": "loyalty", "value": "kept" } ] })
        });
        let products = goods.iter().map(|it| {
            let class = ["5", "8", "2"][it.number % 3];
            json!({ "id": it.number, "sku": it.sku, "name": it.name, "attribute_set_id": 4, "price": number(&it.price),
                "status": if it.is_sold { 1 } else { 2 }, "visibility": 4, "type_id": "simple",
                "created_at": utc(it.made), "updated_at": utc(it.changed),
                "custom_attributes": [ { "attribute_code": "category_ids", "value": ["3"] }, { "attribute_code": "tax_class_id", "value": class }, { "attribute_code": "kept", "value": "yes" } ] })
        });
        // Two places; the second is nobody's business here.
        let stock = goods.iter().flat_map(|it| {
            ["default", "east"].map(|source| {
                json!({ "sku": it.sku, "source_code": source, "quantity": if source == "default" { it.stock } else { 1000 },
                    "status": usize::from(it.stock > 0) })
            })
        });
        let orders = records::orders().into_iter().map(|it| {
            let lines = it.lines.iter().enumerate().map(|(n, (of, quantity))| {
                let product = &goods[of - 1];
                let gross = if records::is_taxed(&it) { records::gross(&product.price) } else { product.price.clone() };
                json!({ "item_id": it.number * 10 + n, "name": product.name, "sku": product.sku, "product_id": of, "qty_ordered": quantity,
                    "price": number(&product.price), "row_total": number(&records::money(records::cents(&product.price, *quantity))),
                    "price_incl_tax": number(&gross), "row_total_incl_tax": number(&records::money(records::cents(&gross, *quantity))),
                    "tax_percent": if records::is_taxed(&it) { 23 } else { 0 }, "tax_amount": 0 })
            });
            let total = number(&records::money(records::total(&it, &goods)));
            let (state, due) = match it.number % 4 {
                0 => ("complete", json!(0)),
                1 => ("new", total.clone()),
                2 => ("closed", json!(0)),
                _ => ("canceled", total.clone()),
            };
            json!({ "entity_id": 600 + it.number, "increment_id": format!("{:09}", it.number), "state": state, "total_due": due,
                "status": "whatever the shop calls it", "created_at": utc(it.made), "updated_at": utc(it.made), "customer_id": 30 + it.customer,
                "customer_email": "x@example.com", "customer_firstname": "x", "customer_lastname": "y", "order_currency_code": "USD",
                "discount_amount": 0, "discount_tax_compensation_amount": 0, "shipping_amount": 0,
                "grand_total": total, "tax_amount": number(&records::tax(&it, &goods)), "remote_ip": "192.0.2.7",
                "items": lines.collect::<Vec<_>>() })
        });
        let invoices = records::orders().into_iter().filter(|it| it.number % 2 == 0).map(|it| {
            json!({ "entity_id": 900 + it.number, "increment_id": format!("{:09}", it.number), "order_id": 600 + it.number, "state": 2,
                "order_currency_code": "USD", "base_currency_code": "USD", "grand_total": number(&records::money(records::net(&it, &goods))),
                "created_at": utc(it.made), "updated_at": utc(it.made), "items": [] })
        });
        Self(Mutex::new([
            ("invoices", "entity_id", invoices.collect()),
            ("customers", "id", customers.collect()),
            ("products", "sku", products.collect()),
            ("inventory/source-items", "sku", stock.collect()),
            ("orders", "entity_id", orders.collect()),
            ("customerGroups", "id", groups()),
            ("taxClasses", "class_id", classes()),
        ]))
    }
}

/// A text in which places stand for parameters, as every refusal is told.
fn refusal(status: u16, message: &str, parameters: &Value) -> Response<Bytes> {
    told(status, &json!({ "message": message, "parameters": parameters }))
}

fn required(field: &str) -> Response<Bytes> {
    refusal(400, "\"%fieldName\" is required. Enter and try again.", &json!({ "fieldName": field }))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Answers for Magento {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            let message = "The consumer isn't authorized to access %resources.";
            return refusal(401, message, &json!({ "resources": "Magento_Catalog::products" }));
        }
        let no_route = || refusal(404, "Request does not match any route.", &json!([]));
        let Some((mut name, mut key)) = place(ask, ROOT) else { return no_route() };
        match (name.as_str(), key.as_deref()) {
            ("customers" | "customerGroups" | "taxClasses", Some("search")) => key = None,
            // Customers are found by a search alone.
            ("customers", None) if ask.method == Method::GET => return no_route(),
            ("inventory", Some(rest)) => (name, key) = (format!("inventory/{rest}"), None),
            _ => {}
        }
        if (name.as_str(), key.as_deref(), &ask.method)
            == ("products", Some("tier-prices-information"), &Method::POST)
        {
            return tier_prices(ask);
        }
        if (name.as_str(), key.as_deref(), &ask.method)
            == ("products", Some("special-price-information"), &Method::POST)
        {
            return special_prices(ask);
        }
        let mut books = self.0.lock();
        let Some((_, by, rows)) = books.iter_mut().find(|(known, ..)| *known == name) else {
            return no_route();
        };
        let one = name.trim_end_matches('s');
        let Some(key) = key else {
            return match ask.method {
                Method::GET if name == "customers" => {
                    // The search calls a customer's `id` by its name in the database.
                    let kept = rows.iter().map(|row| {
                        let mut row = row.clone();
                        row["entity_id"] = row["id"].clone();
                        row
                    });
                    search(ask, &kept.collect::<Vec<_>>())
                }
                Method::GET => search(ask, rows),
                Method::POST if name == "products" || name == "customers" => create(ask, one, by, rows),
                // An order is made of a cart.
                _ => no_route(),
            };
        };
        if key == TOO_MUCH {
            return with(refusal(429, "Too Many Requests", &json!([])), "retry-after", "2");
        }
        let Some(at) = rows.iter().position(|row| plain(&row[*by]) == key) else {
            return match name.as_str() {
                "products" => refusal(
                    404,
                    "The product that was requested doesn't exist. Verify the product and try again.",
                    &json!([]),
                ),
                _ => refusal(
                    404,
                    "No such entity with %fieldName = %fieldValue",
                    &json!({ "fieldName": by, "fieldValue": key }),
                ),
            };
        };
        match ask.method {
            Method::GET => told(200, &rows[at]),
            Method::PUT if name == "products" => {
                let Some(change) = ask.json().map(|body| body[one].clone()).filter(Value::is_object) else {
                    return required(one);
                };
                change_product(&mut rows[at], change);
                told(200, &rows[at])
            }
            Method::PUT if name == "customers" => replace_customer(ask, &mut rows[at]),
            Method::DELETE if name == "products" => {
                rows.remove(at);
                told(200, &json!(true))
            }
            _ => no_route(),
        }
    }
}

/// What products cost from a quantity on, of those whose numbers it is given and no others.
fn tier_prices(ask: &Ask) -> Response<Bytes> {
    let skus = ask.json().and_then(|body| body["skus"].as_array().cloned());
    let Some(skus) = skus.filter(|skus| skus.iter().all(Value::is_string)) else { return required("skus") };
    let goods = records::products();
    let found = skus.iter().filter_map(|sku| goods.iter().find(|it| json!(it.sku) == *sku));
    let tiers = found.flat_map(|it| {
        [
            json!({ "price": 4.5, "price_type": "fixed", "website_id": 0, "sku": it.sku, "customer_group": "Wholesale", "quantity": 10 }),
            json!({ "price": 5, "price_type": "discount", "website_id": 0, "sku": it.sku, "customer_group": "ALL GROUPS", "quantity": 100 }),
        ]
    });
    told(200, &tiers.collect::<Vec<_>>().into())
}

/// What everybody pays for a while, as floats that leak.
fn special_prices(ask: &Ask) -> Response<Bytes> {
    let skus = ask.json().and_then(|body| body["skus"].as_array().cloned());
    let Some(skus) = skus.filter(|skus| skus.iter().all(Value::is_string)) else { return required("skus") };
    let goods = records::products();
    let found = skus.iter().filter(|sku| goods.iter().any(|it| json!(it.sku) == **sku));
    let rows = found.map(|sku| {
        format!(
            r#"{{"price":29.949999999999999,"store_id":0,"sku":{sku},"price_from":"2017-07-15 00:00:00","price_to":"2017-07-16 23:59:59"}},
               {{"price":5,"store_id":0,"sku":{sku},"price_from":"2017-08-01 00:00:00","price_to":null}}"#
        )
    });
    let body = format!("[{}]", rows.collect::<Vec<_>>().join(","));
    let answer = Response::builder().status(200).header("content-type", "application/json; charset=utf-8");
    answer.body(body.into()).unwrap()
}

/// All of a customer anew: what is not sent is gone, its addresses too.
fn replace_customer(ask: &Ask, row: &mut Value) -> Response<Bytes> {
    let Some(sent) = ask.json().map(|body| body["customer"].clone()).filter(Value::is_object) else {
        return required("customer");
    };
    let needed = ["email", "firstname", "lastname", "website_id"];
    if let Some(lacks) = needed.iter().find(|name| sent[**name].is_null()) {
        return required(lacks);
    }
    let attributes = sent["custom_attributes"].as_array().into_iter().flatten();
    if let Some(odd) = attributes.into_iter().find(|attribute| attribute["value"].is_null()) {
        let message = "Error occurred during \"%1\" processing. %2";
        let why = format!("Value is not set for attribute code \"{}\"", plain(&odd["attribute_code"]));
        return refusal(400, message, &json!(["custom_attributes", why]));
    }
    let known = std::mem::replace(row, sent);
    for own in ["id", "created_at", "updated_at"] {
        row[own] = known[own].clone();
    }
    told(200, row)
}

/// Custom attributes are changed one by one, by their code.
fn change_product(row: &mut Value, mut change: Value) {
    let sent = change.as_object_mut().unwrap().remove("custom_attributes");
    merge(row, &change);
    if row["custom_attributes"].is_null() {
        row["custom_attributes"] = json!([]);
    }
    let known = row["custom_attributes"].as_array_mut().unwrap();
    for attribute in sent.iter().flat_map(|list| list.as_array().unwrap()) {
        known.retain(|it| it["attribute_code"] != attribute["attribute_code"]);
        known.push(attribute.clone());
    }
}

fn create(ask: &Ask, one: &str, by: &str, rows: &mut Vec<Value>) -> Response<Bytes> {
    let Some(new) = ask.json().map(|body| body[one].clone()).filter(Value::is_object) else {
        return required(one);
    };
    let needed: &[&str] = match one {
        "product" => &["sku", "name", "attribute_set_id"],
        _ => &["email", "firstname", "lastname"],
    };
    if let Some(lacks) = needed.iter().find(|name| new[**name].is_null()) {
        return required(lacks);
    }
    if new.get("price").is_some_and(|price| !price.is_number()) {
        let message = "Error occurred during \"%1\" processing. %2";
        return refusal(
            400,
            message,
            &json!(["price", "The \"price\" value's type is invalid. The \"float\" type was expected."]),
        );
    }
    if one == "customer" && rows.iter().any(|row| row["email"] == new["email"]) {
        return refusal(
            400,
            "A customer with the same email address already exists in an associated website.",
            &json!([]),
        );
    }
    let id = rows.len() + 1000;
    let mut row =
        json!({ "id": id, "created_at": "2026-01-02 03:04:05", "updated_at": "2026-01-02 03:04:05" });
    change_product(&mut row, new);
    // A product of that number is not refused but overwritten.
    rows.retain(|known| plain(&known[by]) != plain(&row[by]));
    rows.push(row.clone());
    told(200, &row)
}

/// One condition: field, word, value.
#[derive(Default)]
struct Condition {
    field: String,
    word: String,
    value: String,
}

/// Every group must hold, each in one of its conditions.
fn search(ask: &Ask, rows: &[Value]) -> Response<Bytes> {
    let mut groups: BTreeMap<u32, BTreeMap<u32, Condition>> = BTreeMap::new();
    let mut sorts: BTreeMap<u32, (String, String)> = BTreeMap::new();
    let (mut size, mut page, mut is_there) = (None, 1_usize, false);
    for (name, value) in ask.pairs() {
        let Some(inner) = name.strip_prefix("searchCriteria") else { continue };
        is_there = true;
        let parts: Vec<&str> = inner.trim_start_matches('[').trim_end_matches(']').split("][").collect();
        match parts.as_slice() {
            ["pageSize"] => size = value.parse::<usize>().ok(),
            ["currentPage"] => page = value.parse().unwrap_or(1),
            ["filter_groups", group, "filters", n, part] => {
                let (Ok(group), Ok(n)) = (group.parse(), n.parse()) else { return required("filter_groups") };
                let condition = groups.entry(group).or_default().entry(n).or_default();
                match *part {
                    "field" => condition.field = value,
                    "condition_type" => condition.word = value,
                    "value" => condition.value = value,
                    _ => return required("field"),
                }
            }
            ["sortOrders", n, part] => {
                let order = sorts.entry(n.parse().unwrap_or_default()).or_default();
                if *part == "field" { order.0 = value } else { order.1 = value }
            }
            _ => return refusal(400, "Property \"%1\" does not have accessor method.", &json!([inner])),
        }
    }
    if !is_there {
        return required("searchCriteria");
    }
    let known = |field: &str| rows.iter().any(|row| !row[field].is_null());
    let asked = groups.values().flat_map(BTreeMap::values).map(|it| &it.field);
    if let Some(odd) = asked.chain(sorts.values().map(|(field, _)| field)).find(|field| !known(field)) {
        return refusal(400, "Invalid attribute name: %1", &json!([odd]));
    }
    let mut found: Vec<&Value> = Vec::new();
    for row in rows {
        let mut passes = true;
        for group in groups.values() {
            let mut any = false;
            for condition in group.values() {
                match holds(row, condition) {
                    Some(held) => any |= held,
                    None => {
                        return refusal(400, "Condition type \"%1\" is not known", &json!([condition.word]));
                    }
                }
            }
            passes &= any;
        }
        if passes {
            found.push(row);
        }
    }
    for (field, direction) in sorts.values().rev() {
        found.sort_by_key(|row| match row[field.as_str()].as_u64() {
            Some(number) => format!("{number:020}"),
            None => plain(&row[field.as_str()]),
        });
        if direction == "DESC" {
            found.reverse();
        }
    }
    let total = found.len();
    let size = size.unwrap_or(total).max(1);
    // A page behind the last one is the last one.
    let page = page.clamp(1, total.div_ceil(size).max(1));
    let shown: Vec<_> = found.into_iter().skip((page - 1) * size).take(size).collect();
    told(200, &json!({ "items": shown, "search_criteria": { "current_page": page }, "total_count": total }))
}

/// As the database compares: numbers as numbers, moments as text in their form, words in any case.
fn holds(row: &Value, condition: &Condition) -> Option<bool> {
    let there = plain(&row[condition.field.as_str()]).to_lowercase();
    let order = |value: &str| match (there.parse::<f64>(), value.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => there.as_str().cmp(&value.to_lowercase()),
    };
    let value = condition.value.as_str();
    Some(match condition.word.as_str() {
        "" | "eq" => order(value).is_eq(),
        "in" => value.split(',').any(|value| order(value).is_eq()),
        "lt" => order(value).is_lt(),
        "lteq" => order(value).is_le(),
        "gt" => order(value).is_gt(),
        "gteq" => order(value).is_ge(),
        _ => return None,
    })
}
