//! A shop that speaks as PrestaShop's web service: XML, values in brackets without an escape, pages as a range of rows,
//! texts by language, and a PUT that empties what is not sent.

use std::sync::atomic::{AtomicBool, Ordering};

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Response};
use jiff::{Timestamp, tz::TimeZone};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    records,
    told::{TOO_MUCH, answer, merge, place, with},
    xml,
};

pub(super) const ROOT: &str = "/api";
/// What stands in the field: the key and a colon, in base64.
pub(super) const AUTHORIZATION: &str = "Basic Q09OVFJBQ1RLRVkxOg==";

/// Names of many and of one, and the rows.
type Book = (&'static str, &'static str, Vec<Value>);

pub(super) struct Prestashop {
    books: Mutex<[Book; 10]>,
    /// Whether the key may look at addresses.
    shows_addresses: AtomicBool,
}

/// A moment as the shop's own clock shows it.
fn local(at: Timestamp) -> String {
    TimeZone::get("Europe/Warsaw").unwrap().to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn pointed(of: &str, id: usize) -> Value {
    json!({ "@xlink:href": format!("http://shop.example.com/api/{of}/{id}"), "#": id.to_string() })
}

/// The states of orders: sent, paid, paid back, and not yet paid.
const STATES: [usize; 4] = [2, 14, 4, 7];
/// One that the shop made itself, with a mail of its own and no flag, and the order that has it.
const STORNO: usize = 22;
const CALLED_OFF: usize = 3;

/// What the states of this shop mean. It was put together over years: none of its numbers means what it does in a new shop.
fn states() -> Vec<Value> {
    let state = |id: usize, name: &str, template: &str, [paid, shipped, delivery]: [u8; 3]| {
        let flag = |is: u8| is.to_string();
        json!({ "id": id.to_string(), "unremovable": "1", "delivery": flag(delivery), "hidden": "0", "send_email": "1", "module_name": "",
            "invoice": flag(paid), "color": "#32CD32", "logable": flag(paid), "shipped": flag(shipped), "paid": flag(paid), "pdf_delivery": "0",
            "pdf_invoice": "0", "deleted": "0", "name": { "language": [ { "@id": "1", "#": name }, { "@id": "2", "#": "po polsku" } ] },
            "template": { "language": [ { "@id": "1", "#": template }, { "@id": "2", "#": template } ] } })
    };
    vec![
        state(2, "On its way", "shipped", [1, 1, 1]),
        state(4, "Money returned", "refund", [0, 0, 0]),
        state(5, "Called off", "order_canceled", [0, 0, 0]),
        state(7, "Waiting for a transfer", "bankwire", [0, 0, 0]),
        state(14, "Paid by the module", "payment", [1, 0, 0]),
        state(21, "Being packed", "preparation", [1, 0, 1]),
        state(STORNO, "Storno", "storno", [0, 0, 0]),
    ]
}

fn currencies() -> Vec<Value> {
    let currency = |id: &str, code: &str, rate: &str| {
        json!({ "id": id, "name": code, "iso_code": code, "numeric_iso_code": "978", "precision": "2", "conversion_rate": rate, "deleted": "0",
            "active": "1", "unofficial": "0" })
    };
    vec![currency("1", "PLN", "4.300000"), currency("3", "EUR", "1.000000")]
}

fn countries() -> Vec<Value> {
    let country =
        |id: &str, code: &str| json!({ "id": id, "iso_code": code, "active": "1", "contains_states": "0" });
    vec![country("8", "FR"), country("14", "PL")]
}

/// The last of a customer's addresses, which was taken out; orders go there all the same.
const GONE: usize = 9;

fn address_id(customer: usize, n: usize) -> usize {
    5000 + customer * 10 + n
}

/// Two addresses of every third customer, one of every other third, and of all of them one that is gone. One is in a country
/// that the shop does not list.
fn addresses() -> Vec<Value> {
    let of = |it: &records::Customer, n: usize| {
        let country = if it.number == 4 { 99 } else { 14 };
        json!({ "id": address_id(it.number, n).to_string(), "id_customer": pointed("customers", 40 + it.number), "id_manufacturer": "0", "id_country": pointed("countries", country),
            "id_state": "0", "alias": "Dom & praca", "company": "", "lastname": it.family, "firstname": it.given, "vat_number": "", "address1": format!("Młyńska {n} <m. 3>"), "address2": "",
            "postcode": "80-001", "city": "Gdańsk", "other": "", "phone": "555 01 02", "deleted": if n == GONE { "1" } else { "0" }, "date_add": local(it.made), "date_upd": local(it.made) })
    };
    let all = records::customers();
    all.iter()
        .flat_map(|it| (0..it.number % 3).chain([GONE]).map(|n| of(it, n)).collect::<Vec<_>>())
        .collect()
}

impl Prestashop {
    pub(super) fn new() -> Self {
        let goods = records::products();
        let customers = records::customers().into_iter().map(|it| {
            json!({ "id": (40 + it.number).to_string(), "id_default_group": pointed("groups", 3), "deleted": "0", "passwd": "$2y$10$abc",
                "lastname": it.family, "firstname": it.given, "email": it.email, "birthday": "0000-00-00", "website": "", "company": "",
                "secure_key": "b44a6d9efd7a0076a0fbce6b15eaf3b1", "active": "1", "note": "kept <by> the \"shop\" & nobody else",
                "date_add": local(it.made), "date_upd": local(it.made),
                "associations": { "groups": { "@nodeType": "group", "group": [ { "id": "3" }, { "id": "4" } ] } } })
        });
        let products = goods.iter().map(|it| {
            json!({ "id": (70 + it.number).to_string(), "id_category_default": pointed("categories", 5),
                "quantity": { "@notFilterable": "true", "#": "0" }, "manufacturer_name": { "@notFilterable": "true", "#": "Norma" },
                "position_in_category": { "@notFilterable": "true", "#": "" }, "reference": it.sku, "weight": "0.000000", "ean13": "", "is_virtual": "0",
                "price": format!("{}0000", it.price), "wholesale_price": "0.000000", "active": if it.is_sold { "1" } else { "0" },
                "date_add": local(it.made), "date_upd": local(it.changed), "location": "kept",
                "name": { "language": [ { "@id": "1", "#": it.name }, { "@id": "2", "#": "po polsku" } ] },
                "description_short": { "language": [ { "@id": "1", "#": "" }, { "@id": "2", "#": "" } ] } })
        });
        // Of each product, and of a combination of it.
        let stock = goods.iter().flat_map(|it| {
            [0, 1].map(|of| {
                json!({ "id": (2000 * of + it.number).to_string(), "id_product": pointed("products", 70 + it.number),
                    "id_product_attribute": of.to_string(), "quantity": if of == 0 { it.stock.to_string() } else { "1".to_owned() } })
            })
        });
        let orders = records::orders().into_iter().map(|it| {
            let is_taxed = records::is_taxed(&it);
            let lines = it.lines.iter().enumerate().map(|(n, (number, quantity))| {
                let product = &goods[number - 1];
                json!({ "id": (it.number * 10 + n).to_string(), "product_id": pointed("products", 70 + number), "product_quantity": quantity.to_string(),
                    "product_name": product.name, "product_reference": product.sku, "unit_price_tax_incl": format!("{}0000", if is_taxed { records::gross(&product.price) } else { product.price.clone() }),
                    "unit_price_tax_excl": format!("{}0000", product.price) })
            });
            let total = format!("{}0000", records::money(records::total(&it, &goods)));
            let net = format!("{}0000", records::money(records::net(&it, &goods)));
            json!({ "id": (800 + it.number).to_string(), "id_currency": pointed("currencies", 3), "id_customer": pointed("customers", 40 + it.customer),
                "id_address_delivery": pointed("addresses", address_id(it.customer, GONE)),
                "id_address_invoice": if it.number % 3 == 0 { json!("0") } else { pointed("addresses", address_id(it.customer, GONE)) },
                "current_state": pointed("order_states", if it.number == CALLED_OFF { STORNO } else { STATES[it.number % 4] }), "date_add": local(it.made), "date_upd": local(it.made),
                "secure_key": "b44a6d9efd7a0076a0fbce6b15eaf3b1", "total_discounts_tax_excl": "0.000000", "total_paid_tax_incl": total,
                "total_paid_tax_excl": net, "total_shipping_tax_excl": "0.000000", "total_wrapping_tax_excl": "0.000000", "reference": format!("REF{:06}", it.number),
                "associations": { "order_rows": { "@nodeType": "order_row", "order_row": lines.collect::<Vec<_>>() } } })
        });
        let prices = (1..=9).map(|n| {
            json!({ "id": n.to_string(), "id_customer": "0", "id_group": "3", "id_product": pointed("products", 70 + n), "id_currency": "0",
                "id_specific_price_rule": "0", "price": "-1.000000", "from_quantity": "10", "reduction": "0.050000", "reduction_type": "percentage" })
        });
        let payments = records::orders().into_iter().filter(|it| it.number % 2 == 0).map(|it| {
            json!({ "id": (300 + it.number).to_string(), "order_reference": format!("REF{:06}", it.number), "id_currency": pointed("currencies", 3),
                "amount": format!("{}0000", records::money(records::net(&it, &goods))), "payment_method": "Przelew", "conversion_rate": "1.000000",
                "transaction_id": "", "card_number": "", "card_brand": "", "card_expiration": "", "card_holder": "", "date_add": local(it.made) })
        });
        let books = Mutex::new([
            ("order_payments", "order_payment", payments.collect()),
            ("customers", "customer", customers.collect()),
            ("products", "product", products.collect()),
            ("stock_availables", "stock_available", stock.collect()),
            ("orders", "order", orders.collect()),
            ("specific_prices", "specific_price", prices.collect()),
            ("order_states", "order_state", states()),
            ("currencies", "currency", currencies()),
            ("countries", "country", countries()),
            ("addresses", "address", addresses()),
        ]);
        Self { books, shows_addresses: AtomicBool::new(true) }
    }
}

fn told(status: u16, inner: &Value) -> Response<Bytes> {
    let mut inner = inner.clone();
    inner["@xmlns:xlink"] = json!("http://www.w3.org/1999/xlink");
    answer(status, "text/xml;charset=utf-8", xml::document(&json!({ "prestashop": inner })))
}

fn refusal(status: u16, code: u32, message: &str) -> Response<Bytes> {
    told(status, &json!({ "errors": { "error": [ { "code": code.to_string(), "message": message } ] } }))
}

/// What stands in a field, however it stands there.
fn plain(value: &Value) -> &str {
    value.as_str().or_else(|| value["#"].as_str()).unwrap_or_default()
}

impl Answers for Prestashop {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.path == "/-/addresses" {
            self.shows_addresses.store(false, Ordering::Relaxed);
            return answer(204, "text/html", String::new());
        }
        if ask.header("authorization") != Some(AUTHORIZATION) {
            let key = ask.header("authorization").and_then(|it| it.strip_prefix("Basic "));
            let is_key = key.is_some_and(|it| BASE64.decode(it.as_bytes()).is_ok());
            let told = if is_key {
                "Authentication key does not exist."
            } else {
                "Please enter the authentication key as the login."
            };
            return refusal(401, 18, told);
        }
        let Some((name, key)) = place(ask, ROOT) else { return refusal(400, 24, "Resource does not exist") };
        if name == "addresses" && !self.shows_addresses.load(Ordering::Relaxed) {
            return refusal(
                401,
                26,
                "Resource of type \"addresses\" is not allowed with this authentication key",
            );
        }
        let mut books = self.books.lock();
        let Some((_, one, rows)) = books.iter_mut().find(|(known, ..)| *known == name) else {
            return refusal(400, 24, &format!("Resource of type \"{name}\" does not exists."));
        };
        let Some(id) = key else {
            return match ask.method {
                Method::GET => list(ask, &name, one, rows),
                Method::POST => write(ask, one, rows, None),
                _ => refusal(405, 23, "Method not allowed"),
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
        let Some(at) = rows.iter().position(|row| row["id"] == json!(id)) else {
            // Without a body.
            return answer(404, "text/html", String::new());
        };
        match ask.method {
            Method::GET => told(200, &json!({ *one: rows[at] })),
            Method::PUT | Method::PATCH => write(ask, one, rows, Some(at)),
            Method::DELETE => {
                rows.remove(at);
                answer(200, "text/html", String::new())
            }
            _ => refusal(405, 23, "Method not allowed"),
        }
    }
}

fn write(ask: &Ask, one: &str, rows: &mut Vec<Value>, at: Option<usize>) -> Response<Bytes> {
    let body = xml::tree(&String::from_utf8_lossy(&ask.body)).map(|tree| tree["prestashop"][one].clone());
    let Some(mut sent) = body.filter(Value::is_object) else {
        return refusal(400, 127, "XML error : String could not be parsed as XML");
    };
    if let Some(name) = READ_ONLY.iter().find(|name| sent.get(**name).is_some()) {
        let told = format!("parameter \"{name}\" not writable. Please remove this attribute of this XML");
        return refusal(400, 93, &told);
    }
    // A text of one language is a list of one.
    for field in ["name", "description_short"] {
        match sent.get_mut(field) {
            None => {}
            Some(text) if text["language"].is_array() => {}
            Some(text) if text["language"]["@id"].is_string() => text["language"] = json!([text["language"]]),
            Some(_) => return refusal(400, 89, "a text by language needs the id of its language"),
        }
    }
    let Some(at) = at else {
        if one != "product" {
            return refusal(400, 90, "parameter \"passwd\" required");
        }
        if let Some(lacks) = ["price", "name"].iter().find(|name| sent.get(**name).is_none()) {
            return refusal(400, 90, &format!("parameter \"{lacks}\" required"));
        }
        let id = rows.iter().filter_map(|row| plain(&row["id"]).parse::<usize>().ok()).max().unwrap_or(1) + 1;
        sent["id"] = json!(id.to_string());
        sent["date_add"] = json!("2026-01-02 03:04:05");
        sent["date_upd"] = sent["date_add"].clone();
        rows.push(sent.clone());
        return told(201, &json!({ one: sent }));
    };
    if sent["id"] != rows[at]["id"] {
        return refusal(400, 90, "id is required when modifying a resource");
    }
    if ask.method == Method::PUT {
        return replace(one, &mut rows[at], sent);
    }
    // Of a text by language, those that are sent.
    for field in ["name", "description_short"] {
        let Some(text) = sent.as_object_mut().unwrap().remove(field) else { continue };
        for language in text["language"].as_array().unwrap() {
            for known in rows[at][field]["language"].as_array_mut().unwrap() {
                if known["@id"] == language["@id"] {
                    *known = language.clone();
                }
            }
        }
    }
    merge(&mut rows[at], &sent);
    told(200, &json!({ one: rows[at] }))
}

/// What the shop works out itself and does not take.
const READ_ONLY: [&str; 3] = ["manufacturer_name", "quantity", "position_in_category"];

/// All of a record anew: what is not sent is empty then, but for what the shop works out itself and what is linked to it.
fn replace(one: &str, row: &mut Value, sent: Value) -> Response<Bytes> {
    let needed: &[&str] = match one {
        "customer" => &["passwd", "lastname", "firstname", "email"],
        _ => &["price", "name"],
    };
    if let Some(lacks) = needed.iter().find(|name| sent.get(**name).is_none()) {
        return refusal(400, 41, &format!("parameter \"{lacks}\" required"));
    }
    for (name, known) in row.as_object_mut().unwrap() {
        match (name.as_str(), sent.get(name)) {
            (name, None) if READ_ONLY.contains(&name) || name == "associations" => {}
            (_, None) => empty(known),
            // A password that is not the stored one is hashed as a new one.
            ("passwd", Some(word)) if word != known => *known = json!("$2y$10$anew"),
            ("associations", Some(sent)) => *known = sent.clone(),
            (_, Some(sent)) => overwrite(known, sent),
        }
    }
    told(200, &json!({ one: row }))
}

/// A field without its value; attributes are the shop's own.
fn empty(field: &mut Value) {
    if let Some(texts) = field.get_mut("language").and_then(Value::as_array_mut) {
        texts.iter_mut().for_each(empty);
    } else if field.is_object() {
        field["#"] = json!("");
    } else {
        *field = json!("");
    }
}

fn overwrite(field: &mut Value, sent: &Value) {
    if let Some(texts) = field.get_mut("language").and_then(Value::as_array_mut) {
        for text in texts {
            let same = |one: &&Value| one["@id"] == text["@id"];
            let one = sent["language"].as_array().into_iter().flatten().find(same);
            text["#"] = json!(one.map_or("", plain));
        }
    } else if field.is_object() {
        field["#"] = json!(plain(sent));
    } else {
        *field = json!(plain(sent));
    }
}

fn list(ask: &Ask, many: &str, one: &str, rows: &[Value]) -> Response<Bytes> {
    let pairs = ask.pairs();
    let said = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut found: Vec<&Value> = rows.iter().collect();
    for (name, value) in &pairs {
        let Some(field) = name.strip_prefix("filter[").and_then(|it| it.strip_suffix(']')) else {
            if ["display", "sort", "limit", "date"].contains(&name.as_str()) {
                continue;
            }
            return refusal(400, 33, &format!("parameter \"{name}\" does not exist"));
        };
        if rows.iter().all(|row| row[field].is_null()) || rows[0][field]["@notFilterable"] == "true" {
            return refusal(400, 32, "This filter does not exist.");
        }
        if field.starts_with("date_") && said("date") != Some("1") {
            return refusal(400, 31, "date filters need the parameter date=1");
        }
        let Some(passes) = bracketed(value) else {
            return refusal(400, 39, &format!("the value of \"{name}\" has to stand in brackets"));
        };
        found.retain(|row| passes(plain(&row[field])));
    }
    match said("sort") {
        None | Some("[id_ASC]") => {}
        Some(_) => return refusal(400, 38, "Unable to filter by this field."),
    }
    if let Some(limit) = said("limit") {
        let numbers: Option<Vec<usize>> = limit.split(',').map(|number| number.parse().ok()).collect();
        let (from, size) = match numbers.as_deref() {
            Some([size]) => (0, *size),
            Some([from, size]) => (*from, *size),
            _ => {
                return refusal(
                    400,
                    39,
                    "The \"limit\" value has to be formed as this example: \"5,25\" or \"10\"",
                );
            }
        };
        found = found.into_iter().skip(from).take(size).collect();
    }
    let shown = match said("display") {
        Some("full") => json!(found),
        Some(display) if display.starts_with('[') => {
            let fields: Vec<_> = display.trim_matches(['[', ']']).split(',').collect();
            let of = |row: &&Value| -> Value {
                fields.iter().map(|field| ((*field).to_owned(), row[*field].clone())).collect()
            };
            found.iter().map(of).collect()
        }
        // Ids alone.
        _ => found.iter().map(|row| json!({ "@id": plain(&row["id"]) })).collect(),
    };
    told(200, &json!({ many: { one: shown } }))
}

/// What a value must pass.
type Passes = Box<dyn Fn(&str) -> bool>;

/// Whether a value passes what stands in brackets; the database overlooks case.
fn bracketed(said: &str) -> Option<Passes> {
    let (sign, inner) = match (said.strip_prefix('<'), said.strip_prefix('>')) {
        (Some(inner), _) => ('<', inner),
        (_, Some(inner)) => ('>', inner),
        (None, None) => ('=', said),
    };
    let inner = inner.strip_prefix('[')?.strip_suffix(']')?.to_lowercase();
    if inner.contains(['[', ']', '%']) {
        return None;
    }
    let order = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.to_lowercase().as_str().cmp(b),
    };
    Some(match sign {
        '<' => Box::new(move |value| order(value, &inner).is_lt()),
        '>' => Box::new(move |value| order(value, &inner).is_gt()),
        _ if inner.contains(',') => {
            let (from, to) = inner.split_once(',').map(|(from, to)| (from.to_owned(), to.to_owned()))?;
            Box::new(move |value| order(value, &from).is_ge() && order(value, &to).is_le())
        }
        _ => Box::new(move |value| inner.split('|').any(|one| order(value, one).is_eq())),
    })
}
