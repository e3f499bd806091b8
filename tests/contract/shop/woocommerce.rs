//! A shop that speaks as WooCommerce's REST API v3: bare lists, pages counted in a header, local times with twins in
//! UTC.

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Response};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    records,
    told::{TOO_MUCH, answer, json as told, merge, numbered, parameter, place, with},
};

pub(super) const ROOT: &str = "/wp-json/wc/v3";
pub(super) const SECRET: &str = "cs_contract_1";

pub(super) struct Woocommerce(Mutex<[(&'static str, Vec<Value>); 4]>);

fn gmt(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).to_string()
}

impl Woocommerce {
    pub(super) fn new() -> Self {
        let goods = records::products();
        let customers = records::customers().into_iter().map(|it| {
            json!({ "id": 20 + it.number, "date_created_gmt": gmt(it.made), "date_modified_gmt": gmt(it.made), "email": it.email,
                "first_name": it.given, "last_name": it.family, "role": "customer", "meta_data": [ { "id": 1, "key": "kept", "value": "yes" } ],
                "billing": { "first_name": it.given, "last_name": it.family, "company": "", "phone": "" }, "shipping": {} })
        });
        let products = goods.iter().map(|it| {
            json!({ "id": 700 + it.number, "name": it.name, "type": "simple", "status": if it.is_sold { "publish" } else { "draft" },
                "sku": it.sku, "price": it.price, "regular_price": it.price, "sale_price": "", "tax_status": "taxable", "tax_class": "", "weight": "",
                "manage_stock": true, "stock_quantity": it.stock, "stock_status": if it.stock > 0 { "instock" } else { "outofstock" },
                "date_created_gmt": gmt(it.made), "date_modified_gmt": gmt(it.changed), "meta_data": [ { "id": 1, "key": "kept", "value": "yes" } ] })
        });
        let orders = records::orders().into_iter().map(|it| {
            let lines = it.lines.iter().enumerate().map(|(n, (number, quantity))| {
                let product = &goods[number - 1];
                let net = records::cents(&product.price, *quantity);
                let gross = records::cents(&records::gross(&product.price), *quantity);
                let tax = if records::is_taxed(&it) { gross - net } else { 0 };
                json!({ "id": it.number * 10 + n, "name": product.name, "product_id": 700 + number, "variation_id": 0, "quantity": quantity,
                    "tax_class": "", "subtotal": records::money(net), "total": records::money(net), "total_tax": records::money(tax),
                    "sku": product.sku, "price": product.price.parse::<serde_json::Number>().unwrap() })
            });
            let (status, paid) = match it.number % 4 {
                0 => ("completed", json!(gmt(it.made))),
                1 => ("processing", json!(gmt(it.made))),
                2 => ("refunded", json!(gmt(it.made))),
                _ => ("pending", Value::Null),
            };
            json!({ "id": 7000 + it.number, "number": (7000 + it.number).to_string(), "currency": "EUR", "prices_include_tax": records::is_taxed(&it),
                "status": status, "date_paid_gmt": paid, "refunds": [], "customer_id": 20 + it.customer,
                "discount_total": "0.00", "shipping_total": "0.00", "fee_lines": [],
                "total": records::money(records::total(&it, &goods)), "total_tax": records::tax(&it, &goods),
                "billing": { "first_name": "x", "last_name": "y", "email": "" }, "shipping": {}, "customer_ip_address": "192.0.2.7",
                "payment_method": "bacs", "transaction_id": "",
                "line_items": lines.collect::<Vec<_>>(), "date_created_gmt": gmt(it.made), "date_modified_gmt": gmt(it.made) })
        });
        let refunds = records::orders().into_iter().filter(|it| it.number % 4 == 0).map(|it| {
            json!({ "id": 8000 + it.number, "parent_id": 7000 + it.number, "date_created_gmt": gmt(it.made), "amount": "1.50", "reason": "",
                "refunded_by": 1, "refunded_payment": false, "meta_data": [], "line_items": [] })
        });
        Self(Mutex::new([
            ("customers", customers.collect()),
            ("products", products.collect()),
            ("orders", orders.collect()),
            ("refunds", refunds.collect()),
        ]))
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Response<Bytes> {
    told(status, &json!({ "code": code, "message": message, "data": { "status": status } }))
}

fn invalid(parameter: &str, why: &str) -> Response<Bytes> {
    let message = format!("Invalid parameter(s): {parameter}");
    told(
        400,
        &json!({ "code": "rest_invalid_param", "message": message, "data": { "status": 400, "params": { parameter: why } } }),
    )
}

impl Answers for Woocommerce {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let credentials = format!("Basic {}", BASE64.encode(format!("ck_key:{SECRET}").as_bytes()));
        if ask.header("authorization") != Some(&credentials) {
            return refusal(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.");
        }
        let no_route =
            || refusal(404, "rest_no_route", "No route was found matching the URL and request method");
        let Some((name, key)) = place(ask, ROOT) else { return no_route() };
        let mut books = self.0.lock();
        let Some((_, rows)) = books.iter_mut().find(|(known, _)| *known == name) else { return no_route() };
        // They are only listed.
        if name == "refunds" && (key.is_some() || ask.method != Method::GET) {
            return no_route();
        }
        let Some(id) = key else {
            return match ask.method {
                Method::GET => list(ask, &name, rows),
                Method::POST => create(ask, &name, rows),
                _ => no_route(),
            };
        };
        if id == TOO_MUCH {
            // Told by the server before the shop.
            return with(
                answer(429, "text/html", "<html>429 Too Many Requests</html>".into()),
                "retry-after",
                "2",
            );
        }
        let Some(at) = rows.iter().position(|row| numbered(row, "id", &id)) else {
            let code = format!("woocommerce_rest_{}_invalid_id", name.trim_end_matches('s'));
            return refusal(404, &code, "Invalid ID.");
        };
        match ask.method {
            Method::GET => told(200, &rows[at]),
            Method::PUT => {
                let Some(change) = ask.json().filter(Value::is_object) else {
                    return refusal(400, "rest_invalid_json", "Invalid JSON body passed.");
                };
                if let Some(price) =
                    change["regular_price"].as_str().filter(|it| it.parse::<f64>().is_err() && !it.is_empty())
                {
                    return invalid("regular_price", price);
                }
                merge(&mut rows[at], &change);
                told(200, &rows[at])
            }
            // Into the trash, where no list looks.
            Method::DELETE => told(200, &rows.remove(at)),
            _ => no_route(),
        }
    }
}

fn create(ask: &Ask, name: &str, rows: &mut Vec<Value>) -> Response<Bytes> {
    let Some(mut new) = ask.json().filter(Value::is_object) else {
        return refusal(400, "rest_invalid_json", "Invalid JSON body passed.");
    };
    let sku = new["sku"].as_str().unwrap_or_default().to_owned();
    if name == "products" && !sku.is_empty() && rows.iter().any(|row| row["sku"] == json!(sku)) {
        return refusal(400, "product_invalid_sku", "Invalid or duplicated SKU.");
    }
    // A number where a text is due is refused, a text where a number is due too.
    if new.get("regular_price").is_some_and(|price| !price.is_string()) {
        return invalid("regular_price", "regular_price is not of type string.");
    }
    for line in new["line_items"].as_array_mut().into_iter().flatten() {
        if !line["product_id"].is_u64() {
            return invalid("line_items", "line_items[0][product_id] is not of type integer.");
        }
        line["id"] = json!(999);
    }
    let id = rows.iter().filter_map(|row| row["id"].as_u64()).max().unwrap_or(1) + 1;
    new["id"] = json!(id);
    if name == "products" {
        merge(
            &mut new,
            &json!({ "type": "simple", "date_created_gmt": "2026-01-02T03:04:05", "date_modified_gmt": "2026-01-02T03:04:05" }),
        );
    }
    rows.push(new.clone());
    told(201, &new)
}

fn list(ask: &Ask, name: &str, rows: &[Value]) -> Response<Bytes> {
    let pairs = ask.pairs();
    let (page, size) = match paged(&pairs) {
        Ok(paged) => paged,
        Err((parameter, why)) => return invalid(parameter, why),
    };
    let is_gmt = parameter(&pairs, "dates_are_gmt") == Some("true");
    let mut found: Vec<&Value> = rows.iter().collect();
    for (parameter, value) in &pairs {
        let (field, is_after) = match parameter.as_str() {
            "after" => ("date_created_gmt", true),
            "before" => ("date_created_gmt", false),
            "modified_after" => ("date_modified_gmt", true),
            "modified_before" => ("date_modified_gmt", false),
            "sku" if name == "products" => {
                found.retain(|row| value.split(',').any(|sku| row["sku"] == json!(sku)));
                continue;
            }
            "status" if name != "customers" => {
                let known = [
                    "any",
                    "draft",
                    "pending",
                    "private",
                    "publish",
                    "processing",
                    "on-hold",
                    "completed",
                    "cancelled",
                    "refunded",
                    "failed",
                    "checkout-draft",
                ];
                if let Some(odd) = value.split(',').find(|word| !known.contains(word)) {
                    return invalid(
                        "status",
                        &format!("{odd} is not one of any, draft, pending, private, publish."),
                    );
                }
                found.retain(|row| value.split(',').any(|word| row["status"] == json!(word)));
                continue;
            }
            "customer" if name == "orders" => {
                found.retain(|row| numbered(row, "customer_id", value));
                continue;
            }
            "email" if name == "customers" => {
                if !value.contains('@') {
                    return invalid("email", "Invalid email address.");
                }
                found.retain(|row| row["email"].as_str().unwrap().eq_ignore_ascii_case(value));
                continue;
            }
            "include" => {
                found.retain(|row| value.split(',').any(|id| numbered(row, "id", id)));
                continue;
            }
            "page" | "per_page" | "dates_are_gmt" | "orderby" | "order" => continue,
            // What it does not know it overlooks, but no mapping should say such a thing.
            _ => return invalid(parameter, "is not known here"),
        };
        let Ok(bound) = value.parse::<DateTime>() else { return invalid(parameter, "is not a date-time") };
        if !is_gmt {
            return invalid(parameter, "would be compared with local times here");
        }
        let at = |row: &Value| row[field].as_str().unwrap().parse::<DateTime>().unwrap();
        // Each leaves its own value out.
        found.retain(|row| if is_after { at(row) > bound } else { at(row) < bound });
    }
    if !ordered(&pairs, &mut found) {
        return invalid("orderby", "orderby is not one of date, id, include, title, slug.");
    }
    let pages = found.len().div_ceil(size);
    let shown: Vec<_> = found.iter().skip((page - 1) * size).take(size).collect();
    let answer = told(200, &json!(shown));
    with(with(answer, "x-wp-total", &found.len().to_string()), "x-wp-totalpages", &pages.to_string())
}

/// Number and size of the page, or which of them cannot be and why.
fn paged(pairs: &[(String, String)]) -> Result<(usize, usize), (&'static str, &'static str)> {
    let number = |name: &str, default: usize| parameter(pairs, name).map_or(Ok(default), str::parse::<usize>);
    match (number("page", 1), number("per_page", 10)) {
        (Ok(0), _) => Err(("page", "page must be greater than or equal to 1")),
        (Ok(page), Ok(size @ 1..=100)) => Ok((page, size)),
        (Ok(_), Ok(_)) => Err(("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")),
        _ => Err(("page", "page is not of type integer.")),
    }
}

/// Puts rows in the order asked for, the newest first by default; false where there is no such order.
fn ordered(pairs: &[(String, String)], found: &mut Vec<&Value>) -> bool {
    match parameter(pairs, "orderby") {
        None | Some("date") => {
            found.sort_by_key(|row| {
                (row["date_created_gmt"].as_str().unwrap().to_owned(), row["id"].as_u64())
            });
        }
        Some("id") => {}
        Some(_) => return false,
    }
    if parameter(pairs, "order") != Some("asc") {
        found.reverse();
    }
    true
}
