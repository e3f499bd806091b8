//! A shop that speaks as Shopify's Admin GraphQL API: one address, documents that are validated before they run, ids
//! of the form `gid://shopify/Product/7`, lists by cursors, refusals in a 200, and a budget of points.

mod document;
mod search;
mod tests;
mod types;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Response};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use self::{
    document::{Argument, Document, Operation, Selection},
    search::Search,
    types::{argument, cost},
};
use super::{
    records,
    told::{TOO_MUCH, json as told, merge},
};

pub(super) const ROOT: &str = "/admin/api/2025-10";
pub(super) const TOKEN: &str = "shpat_contract_2";
/// What an order has so many of that they do not come at once.
pub(super) const MANY: usize = 250;

/// What each type is listed, read and searched by.
const BOOKS: &[(&str, &str, &str, &[&str])] = &[
    ("Customer", "customers", "customer", &["id", "created_at", "updated_at"]),
    ("Order", "orders", "order", &["id", "customer_id", "created_at", "updated_at", "processed_at"]),
    ("Fulfillment", "-", "fulfillment", &[]),
    ("Product", "products", "product", &["id", "sku", "status", "created_at", "updated_at"]),
    ("ProductVariant", "productVariants", "productVariant", &["id", "sku", "product_id"]),
];

pub(super) struct Graph(Mutex<Shop>);

#[derive(Default)]
struct Shop {
    customers: Vec<Value>,
    orders: Vec<Value>,
    products: Vec<Value>,
}

fn money(amount: &str) -> Value {
    let money = json!({ "amount": amount, "currencyCode": "USD" });
    json!({ "shopMoney": money, "presentmentMoney": money })
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What was sent of an order: of every second one all, at once.
fn sent(order: &records::Order, lines: Vec<Value>) -> Value {
    if order.number % 2 == 1 {
        return json!([]);
    }
    let of = json!({ "legacyResourceId": (4000 + order.number).to_string() });
    let items = lines.iter().enumerate().map(|(n, line)| {
        json!({ "id": format!("gid://shopify/FulfillmentLineItem/{}", order.number * 10 + n), "quantity": line["quantity"], "lineItem": line })
    });
    json!([{ "legacyResourceId": (6000 + order.number).to_string(), "name": format!("#{}.1", 1000 + order.number), "status": "SUCCESS",
        "displayStatus": if order.number.is_multiple_of(4) { "DELIVERED" } else { "FULFILLED" }, "createdAt": utc(order.made), "updatedAt": utc(order.made),
        "order": of, "location": { "legacyResourceId": "655441491" }, "fulfillmentLineItems": items.collect::<Vec<_>>(),
        "trackingInfo": [ { "company": "UPS", "number": format!("1Z{}", order.number), "url": null } ] }])
}

/// What became of an order's money: all are promised it, every second one was paid, and got a little back.
fn paid(order: &records::Order, total: &str) -> Value {
    let of = |n: usize, kind: &str, status: &str, amount: &str| {
        json!({ "id": format!("gid://shopify/OrderTransaction/{}", order.number * 10 + n), "kind": kind, "status": status, "gateway": "bogus",
            "createdAt": utc(order.made), "processedAt": utc(order.made), "amountSet": money(amount),
            "order": { "legacyResourceId": (4000 + order.number).to_string() } })
    };
    let mut all = vec![of(0, "AUTHORIZATION", "SUCCESS", total)];
    if order.number.is_multiple_of(2) {
        all.extend([
            of(1, "CAPTURE", "FAILURE", total),
            of(2, "CAPTURE", "SUCCESS", total),
            of(3, "REFUND", "SUCCESS", "1.50"),
        ]);
    }
    all.into()
}

impl Graph {
    pub(super) fn new() -> Self {
        let goods = records::products();
        let customers = records::customers().into_iter().map(|it| {
            json!({ "legacyResourceId": (9000 + it.number).to_string(), "firstName": it.given, "lastName": it.family,
                "displayName": format!("{} {}", it.given, it.family), "email": it.email, "phone": null, "tags": "kept",
                "defaultAddress": null, "createdAt": utc(it.made), "updatedAt": utc(it.made) })
        });
        let orders = records::orders().into_iter().map(|it| {
            let is_taxed = records::is_taxed(&it);
            let lines = it.lines.iter().enumerate().map(|(n, (number, quantity))| {
                let product = &goods[number - 1];
                json!({ "id": format!("gid://shopify/LineItem/{}", it.number * 10 + n), "sku": product.sku, "name": product.name,
                    "quantity": quantity, "product": { "legacyResourceId": (7000 + number).to_string() },
                    "originalUnitPriceSet": money(&if is_taxed { records::gross(&product.price) } else { product.price.clone() }) })
            });
            json!({ "legacyResourceId": (4000 + it.number).to_string(), "name": format!("#{}", 1000 + it.number),
                "email": null, "phone": null, "createdAt": utc(it.made), "updatedAt": utc(it.made), "processedAt": utc(it.made),
                "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED", "currencyCode": "USD",
                "taxesIncluded": is_taxed, "token": "secret-of-the-order",
                "customer": { "legacyResourceId": (9000 + it.customer).to_string(), "displayName": "x y" },
                "billingAddress": null, "shippingAddress": null, "totalDiscountsSet": money("0.0"), "totalTaxSet": money(&records::tax(&it, &goods)), "totalShippingPriceSet": money("0.0"),
                "totalPriceSet": money(&records::money(records::total(&it, &goods))), "fulfillments": sent(&it, lines.clone().collect()),
                "transactions": paid(&it, &records::money(records::total(&it, &goods))), "lineItems": lines.collect::<Vec<_>>() })
        });
        let products = goods.iter().map(|it| {
            json!({ "legacyResourceId": (7000 + it.number).to_string(), "title": it.name, "descriptionHtml": "", "vendor": "kept",
                "productType": "", "status": if it.is_sold { "ACTIVE" } else { "DRAFT" },
                "createdAt": utc(it.made), "updatedAt": utc(it.changed),
                "options": [ { "name": "Title", "optionValues": [ { "name": "Default Title" } ] } ],
                "variants": [ { "legacyResourceId": (5000 + it.number).to_string(), "sku": it.sku, "barcode": null,
                    "price": it.price, "inventoryQuantity": it.stock, "updatedAt": utc(it.changed),
                    "inventoryItem": { "tracked": true } } ] })
        });
        Self(Mutex::new(Shop {
            customers: customers.collect(),
            orders: orders.collect(),
            products: products.collect(),
        }))
    }

    /// The same, where the first order has [`MANY`] lines.
    pub(super) fn of_many() -> Self {
        let shop = Self::new();
        let line = shop.0.lock().orders[0]["lineItems"][0].clone();
        shop.0.lock().orders[0]["lineItems"] = json!(vec![line; MANY]);
        shop
    }
}

impl Answers for Graph {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        if ask.header("x-shopify-access-token") != Some(TOKEN) {
            let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
            return told(401, &json!({ "errors": text }));
        }
        let Some(rest) = ask.path.strip_prefix(ROOT) else {
            return told(404, &json!({ "errors": "Not Found" }));
        };
        // The shop's own view of a record, for tests that look at what no line reads.
        if let Some((kind @ ("/products" | "/customers"), key)) =
            rest.strip_suffix(".json").and_then(|rest| rest.rsplit_once('/'))
        {
            let shop = self.0.lock();
            let rows = if kind == "/products" { &shop.products } else { &shop.customers };
            let found = rows.iter().find(|row| row["legacyResourceId"] == json!(key));
            return told(200, found.unwrap());
        }
        if (rest, &ask.method) != ("/graphql.json", &Method::POST) {
            return told(404, &json!({ "errors": "Not Found" }));
        }
        let Some(body) = ask.json() else {
            return told(400, &json!({ "errors": "Required parameter missing" }));
        };
        told(200, &self.run(&body))
    }
}

impl Graph {
    fn run(&self, body: &Value) -> Value {
        let refused = |errors: &[Value]| json!({ "errors": errors });
        let document = match document::parse(body["query"].as_str().unwrap_or_default()) {
            Ok(document) => document,
            Err(why) => {
                return refused(&[json!({ "message": why, "extensions": { "code": "PARSE_ERROR" } })]);
            }
        };
        let errors = types::faults(&document);
        if !errors.is_empty() {
            return refused(&errors);
        }
        let named = body["operationName"].as_str();
        let mut meant = document.operations.iter().filter(|it| named.is_none_or(|name| it.name == name));
        let (Some(operation), None) = (meant.next(), meant.next()) else {
            return refused(&[json!({ "message": "An operation name is required" })]);
        };
        let variables = body["variables"].as_object().cloned().unwrap_or_default();
        let errors = types::misfits(operation, &variables);
        if !errors.is_empty() {
            return refused(&errors);
        }
        let root = if operation.kind == "query" { "QueryRoot" } else { "Mutation" };
        let cost = cost(&document, (root, &operation.selection), &variables);
        if let Some(error) = types::too_dear(cost) {
            return refused(&[error]);
        }
        if variables.get("id").and_then(Value::as_str).is_some_and(|id| id.ends_with(&format!("/{TOO_MUCH}")))
        {
            return json!({ "errors": [ { "message": "Throttled", "extensions": { "code": "THROTTLED" } } ],
                "extensions": { "cost": { "requestedQueryCost": 152, "actualQueryCost": null,
                    "throttleStatus": { "maximumAvailable": 2000.0, "currentlyAvailable": 20, "restoreRate": 50.0 } } } });
        }
        let data = Run { document: &document, operation, variables: &variables }.root(&mut self.0.lock());
        json!({ "data": data, "extensions": { "cost": { "requestedQueryCost": cost, "actualQueryCost": cost,
            "throttleStatus": { "maximumAvailable": 2000.0, "currentlyAvailable": 1900, "restoreRate": 100.0 } } } })
    }
}

/// One operation that is in order.
struct Run<'r> {
    document: &'r Document,
    operation: &'r Operation,
    variables: &'r Map<String, Value>,
}

impl Run<'_> {
    fn root(&self, shop: &mut Shop) -> Value {
        let mut data = Map::new();
        for selected in &self.operation.selection {
            let Selection::Field { alias, name, arguments, selection } = selected else {
                panic!("{selected:?}")
            };
            let value = match self.operation.kind.as_str() {
                "query" => self.query(shop, name, arguments, selection),
                _ => {
                    let (of, payload) = self.mutation(shop, name, arguments);
                    self.shown(of, &payload, selection)
                }
            };
            data.insert(alias.clone(), value);
        }
        Value::Object(data)
    }

    fn query(
        &self,
        shop: &Shop,
        name: &str,
        arguments: &[(String, Argument)],
        selection: &[Selection],
    ) -> Value {
        let is_it = |it: &&(&str, &str, &str, &[&str])| it.1 == name || it.2 == name;
        let (of, many, _, fields) = BOOKS.iter().find(is_it).unwrap();
        let mut rows = shop.rows(of);
        if name != *many {
            let id = argument(arguments, self.variables, "id");
            let row = rows.iter().find(|row| json!(gid(of, row)) == id);
            return row.map_or(Value::Null, |row| self.shown(of, row, selection));
        }
        let search = match argument(arguments, self.variables, "query").as_str() {
            None => Search::Everything,
            Some(text) => search::parse(text, fields).unwrap_or_else(|why| panic!("{why}: {text}")),
        };
        rows.retain(|row| search.finds(&|field| held(row, field)));
        let sort = argument(arguments, self.variables, "sortKey");
        let sort = sort.as_str().filter(|sort| *sort != "ID").map(camel);
        if let Some(sort) = sort {
            rows.sort_by_key(|row| row[sort.as_str()].as_str().unwrap_or_default().to_owned());
        }
        if argument(arguments, self.variables, "reverse") == json!(true) {
            rows.reverse();
        }
        self.connection((of, &rows), arguments, selection)
    }

    /// A page of rows.
    fn connection(
        &self,
        (of, rows): (&str, &[Value]),
        arguments: &[(String, Argument)],
        selection: &[Selection],
    ) -> Value {
        let first =
            argument(arguments, self.variables, "first").as_u64().and_then(|it| usize::try_from(it).ok());
        let first = first.unwrap();
        assert!((1..=250).contains(&first), "a page has 1 to 250 rows");
        let from = match argument(arguments, self.variables, "after").as_str() {
            None => 0,
            Some(cursor) => {
                let cursor = BASE64.decode(cursor.as_bytes()).unwrap();
                String::from_utf8(cursor).unwrap().strip_prefix("after ").unwrap().parse().unwrap()
            }
        };
        let page: Vec<_> = rows.iter().skip(from).take(first).cloned().collect();
        let end = from + page.len();
        let cursor = (!page.is_empty()).then(|| BASE64.encode(format!("after {end}").as_bytes()));
        let whole =
            json!({ "nodes": page, "pageInfo": { "hasNextPage": end < rows.len(), "endCursor": cursor } });
        self.shown(&format!("{of}Connection"), &whole, selection)
    }

    /// What is selected of a value.
    fn shown(&self, of: &str, value: &Value, selection: &[Selection]) -> Value {
        if value.is_null() {
            return Value::Null;
        }
        if let Some(items) = value.as_array() {
            return items.iter().map(|item| self.shown(of, item, selection)).collect();
        }
        let mut out = Map::new();
        for selected in selection {
            match selected {
                Selection::Spread(name) => {
                    let (_, selection) = &self.document.fragments[name];
                    let Value::Object(more) = self.shown(of, value, selection) else { panic!("{name}") };
                    out.extend(more);
                }
                Selection::Field { alias, name, arguments, selection } => {
                    let (_, own) = types::field(of, name).unwrap();
                    let shown = match (own.strip_suffix("Connection"), selection.is_empty()) {
                        (Some(node), _) => {
                            let rows = value[name].as_array().unwrap();
                            self.connection((node, rows), arguments, selection)
                        }
                        (None, true) => plain(of, value, name),
                        (None, false) => self.shown(&own, &plain(of, value, name), selection),
                    };
                    out.insert(alias.clone(), shown);
                }
            }
        }
        Value::Object(out)
    }

    fn mutation(
        &self,
        shop: &mut Shop,
        name: &str,
        arguments: &[(String, Argument)],
    ) -> (&'static str, Value) {
        let input = match name {
            "productUpdate" => argument(arguments, self.variables, "product"),
            _ => argument(arguments, self.variables, "input"),
        };
        match name {
            "customerCreate" => ("CustomerPayload", shop.make_customer(&input)),
            "customerUpdate" => ("CustomerPayload", shop.change("Customer", &input)),
            "customerDelete" => ("CustomerDeletePayload", shop.remove("Customer", &input)),
            "productSet" => ("ProductSetPayload", shop.make_product(&input)),
            "productUpdate" => ("ProductPayload", shop.change("Product", &input)),
            _ => ("ProductDeletePayload", shop.remove("Product", &input)),
        }
    }
}

fn gid(of: &str, row: &Value) -> String {
    format!("gid://shopify/{of}/{}", row["legacyResourceId"].as_str().unwrap())
}

/// `UPDATED_AT` as the field that it sorts by.
fn camel(word: &str) -> String {
    let (first, rest) = word.split_once('_').unwrap_or((word, ""));
    let mut letters = rest.chars();
    let capital = letters.next().map(String::from).unwrap_or_default();
    format!("{}{capital}{}", first.to_lowercase(), letters.as_str().to_lowercase())
}

/// What a record has under a name of the search.
fn held(row: &Value, field: &str) -> Vec<Value> {
    match field {
        "sku" if row["variants"].is_array() => {
            row["variants"].as_array().unwrap().iter().map(|it| it["sku"].clone()).collect()
        }
        "id" => vec![row["legacyResourceId"].clone()],
        "customer_id" => vec![row["customer"]["legacyResourceId"].clone()],
        "product_id" => vec![row["product"]["legacyResourceId"].clone()],
        "created_at" => vec![row["createdAt"].clone()],
        "updated_at" => vec![row["updatedAt"].clone()],
        "processed_at" => vec![row["processedAt"].clone()],
        field => vec![row[field].clone()],
    }
}

/// A field of a stored record.
fn plain(of: &str, value: &Value, name: &str) -> Value {
    match (of, name) {
        ("Customer" | "Order" | "Product" | "ProductVariant", "id") => json!(gid(of, value)),
        ("Customer", "defaultEmailAddress") => match &value["email"] {
            Value::Null => Value::Null,
            email => json!({ "emailAddress": email }),
        },
        ("Customer", "defaultPhoneNumber") => match &value["phone"] {
            Value::Null => Value::Null,
            phone => json!({ "phoneNumber": phone }),
        },
        _ => value[name].clone(),
    }
}

/// A refusal.
fn user_error(field: &[&str], message: &str) -> Value {
    json!({ "userErrors": [ { "code": "INVALID", "field": field, "message": message } ] })
}

impl Shop {
    fn rows(&self, of: &str) -> Vec<Value> {
        match of {
            "Customer" => self.customers.clone(),
            "Order" => self.orders.clone(),
            "Product" => self.products.clone(),
            "Fulfillment" => {
                let sent = self.orders.iter().filter_map(|order| order["fulfillments"].as_array());
                sent.flatten().cloned().collect()
            }
            _ => self.products.iter().flat_map(variants).collect(),
        }
    }

    fn book(&mut self, of: &str) -> &mut Vec<Value> {
        if of == "Customer" { &mut self.customers } else { &mut self.products }
    }

    /// A number that no record has.
    fn fresh(&mut self, of: &str) -> String {
        let numbers =
            self.book(of).iter().map(|row| row["legacyResourceId"].as_str().unwrap().parse::<u64>().unwrap());
        (numbers.max().unwrap_or(1) + 1).to_string()
    }

    fn make_customer(&mut self, input: &Value) -> Value {
        if self.customers.iter().any(|row| row["email"] == input["email"]) {
            return user_error(&["email"], "Email has already been taken");
        }
        let mut new = json!({ "legacyResourceId": self.fresh("Customer"), "firstName": null, "lastName": null, "email": null,
            "phone": null, "defaultAddress": null, "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z" });
        merge(&mut new, input);
        self.customers.push(new.clone());
        json!({ "customer": new, "userErrors": [] })
    }

    fn make_product(&mut self, input: &Value) -> Value {
        let title = input["title"].as_str().unwrap_or_default();
        if title.is_empty() || title.contains("Gift card") {
            return user_error(&["input", "title"], "Title can't be that");
        }
        let options = &input["productOptions"];
        let variant = &input["variants"][0];
        // Each variant says which value of each option it has.
        let is_whole = options.as_array().is_some_and(|options| options.len() == 1)
            && variant["optionValues"][0]["optionName"] == options[0]["name"]
            && options[0]["values"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|it| it["name"] == variant["optionValues"][0]["name"]);
        if !is_whole {
            return user_error(&["input", "variants"], "Option values are missing");
        }
        let id = self.fresh("Product");
        let mut new = json!({ "legacyResourceId": id, "descriptionHtml": "", "productType": "", "status": "ACTIVE",
            "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
            "options": [ { "name": options[0]["name"], "optionValues": options[0]["values"] } ],
            "variants": [ { "legacyResourceId": format!("6{id}"), "sku": variant["sku"], "barcode": variant["barcode"],
                "price": variant["price"].as_str().unwrap_or("0.00"), "inventoryQuantity": 0, "updatedAt": "2026-01-02T03:04:05Z",
                "inventoryItem": { "tracked": true } } ] });
        for field in ["title", "descriptionHtml", "productType", "status"] {
            if let Some(value) = input.get(field) {
                new[field] = value.clone();
            }
        }
        self.products.push(new.clone());
        json!({ "product": new, "userErrors": [] })
    }

    fn change(&mut self, of: &str, input: &Value) -> Value {
        let name = of.to_lowercase();
        let Some(row) = self.book(of).iter_mut().find(|row| json!(gid(of, row)) == input["id"]) else {
            return user_error(&["id"], &format!("{of} does not exist"));
        };
        let mut change = input.clone();
        change.as_object_mut().unwrap().remove("id");
        merge(row, &change);
        json!({ name: row, "userErrors": [] })
    }

    fn remove(&mut self, of: &str, input: &Value) -> Value {
        let Some(at) = self.book(of).iter().position(|row| json!(gid(of, row)) == input["id"]) else {
            return user_error(&["id"], &format!("{of} does not exist"));
        };
        self.book(of).remove(at);
        json!({ format!("deleted{of}Id"): input["id"], "userErrors": [] })
    }
}

/// The variants of a product, each with what it knows of the product.
fn variants(product: &Value) -> Vec<Value> {
    let of = json!({ "legacyResourceId": product["legacyResourceId"],
        "priceRangeV2": { "minVariantPrice": { "amount": product["variants"][0]["price"], "currencyCode": "USD" } } });
    let with = |variant: &Value| {
        let mut variant = variant.clone();
        variant["product"] = of.clone();
        variant
    };
    product["variants"].as_array().unwrap().iter().map(with).collect()
}
