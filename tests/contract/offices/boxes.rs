//! OpenBoxes as it answers: a login that answers with a text and a cookie, lists in pages of ten unless more are asked
//! for, what its rules refuse inside a 500.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::said::{nothing, said};

pub(crate) const ROOT: &str = "/openboxes";
pub(crate) const PASSWORD: &str = "boxes-secret";
/// Products, and lots in bins.
pub(crate) const ALL: usize = 45;

pub(crate) struct Boxes(Mutex<State>);

struct State {
    products: Vec<Value>,
    sessions: usize,
}

impl Boxes {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let product = |n: usize| {
            json!({ "id": format!("ff80818155df9de40155df9e310{n:05}"), "productCode": format!("AB{n}"), "name": format!("Bandaż {n}"),
                "category": { "id": "ROOT", "name": "ROOT" }, "description": null, "dateCreated": "2018-06-10T21:37:13Z", "lastUpdated": "2018-06-10T21:37:13Z" })
        };
        Arc::new(Self(Mutex::new(State { products: (0..ALL).map(product).collect(), sessions: 0 })))
    }
}

/// One lot stands in three bins and beside them; another in none.
fn items() -> Vec<Value> {
    let item = |n: usize| {
        let bin = if n % 4 == 3 { Value::Null } else { format!("bin{}", n % 4).into() };
        json!({ "inventoryItem.id": format!("ff8081{:04}", n / 4), "product.name": "Bandaż", "productCode": format!("AB{}", n / 4), "lotNumber": format!("lot{}", n / 4),
            "expirationDate": if n == 0 { Value::Null } else { "01/28/2027".into() }, "binLocation.id": bin, "binLocation.name": bin, "zone": null,
            "quantityAvailable": 10 * n, "quantityOnHand": 10 * n + 1 })
    };
    (0..ALL).map(item).collect()
}

/// Movements of stock between two places; a list tells no lines of them.
fn movements(is_whole: bool) -> Vec<Value> {
    let movement = |n: usize| {
        let mut movement = json!({ "id": format!("ff808181644d5e5b01644e50075{n:05}"), "name": "do Gdyni", "description": "", "identifier": format!("483Z{n:02}"),
            "origin": { "id": "1", "name": "Magazyn" }, "destination": { "id": "2", "name": "Punkt w Gdyni" }, "dateRequested": "06/23/2026",
            "requestedBy": { "id": "1", "name": "Admin", "email": "admin@example.com" } });
        if is_whole {
            movement["lineItems"] = json!([ { "id": format!("ff80818164{n:05}"), "productCode": format!("AB{n}"), "product": { "id": format!("ff80818155df9de40155df9e310{n:05}"),
                "productCode": format!("AB{n}"), "name": format!("Bandaż {n}") }, "statusCode": "PENDING", "quantityRequested": 10 * n } ]);
        }
        movement
    };
    (0..ALL).map(movement).collect()
}

impl Answers for Boxes {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        match ask.path.as_str() {
            "/-/spend" => {
                state.sessions += 1;
                return nothing(204);
            }
            "/openboxes/api/login" => return state.login(ask),
            _ => {}
        }
        let session = format!("JSESSIONID={:032}", state.sessions);
        if ask.header("cookie") != Some(&session) {
            return refused(401, "Unauthorized user: Request requires authentication");
        }
        state.route(ask)
    }
}

fn refused(status: u16, message: &str) -> Response<Bytes> {
    said(status, &json!({ "errorCode": status, "errorMessage": message }))
}

impl State {
    fn login(&mut self, ask: &Ask) -> Response<Bytes> {
        let wanted = json!({ "username": "bramka", "password": PASSWORD, "location": "1" });
        if ask.method != Method::POST || ask.json() != Some(wanted) {
            return refused(401, "Invalid username or password");
        }
        self.sessions += 1;
        let cookie = format!("JSESSIONID={:032}; Path=/openboxes", self.sessions);
        let answer = Response::builder().status(200).header("content-type", "text/html;charset=utf-8");
        answer.header("set-cookie", cookie).body("Authentication was successful".into()).unwrap()
    }

    fn route(&mut self, ask: &Ask) -> Response<Bytes> {
        let rest = ask.path.strip_prefix("/openboxes/api/").unwrap_or_default();
        match (&ask.method, rest) {
            (&Method::GET, "products") => match page(ask, &self.products) {
                Some(rows) => said(200, &rows.into()),
                None => refused(500, "Cannot cast object"),
            },
            (&Method::GET, "facilities/1/availableItems") => match page(ask, &items()) {
                Some(rows) => said(200, &json!({ "data": rows, "totalCount": ALL })),
                None => refused(500, "Cannot cast object"),
            },
            (&Method::GET, "stockMovements") => match page(ask, &movements(false)) {
                Some(rows) => said(200, &json!({ "data": rows })),
                None => refused(500, "Cannot cast object"),
            },
            (&Method::GET, rest) if rest.starts_with("stockMovements/") => {
                let id = rest.strip_prefix("stockMovements/").unwrap_or_default();
                let found = movements(true).into_iter().find(|movement| movement["id"] == id);
                found.map_or_else(
                    || refused(404, "Resource not found"),
                    |one| said(200, &json!({ "data": one })),
                )
            }
            (&Method::POST, "products") => self.create(ask),
            (&Method::GET, rest) => {
                let id = rest.strip_prefix("products/").unwrap_or_default();
                let found = self.products.iter().find(|product| product["id"] == id);
                found.map_or_else(|| refused(404, "Resource not found"), |product| said(200, product))
            }
            _ => refused(404, "Resource not found"),
        }
    }

    fn create(&mut self, ask: &Ask) -> Response<Bytes> {
        let Some(sent) = ask.json() else { return refused(500, "Cannot parse") };
        // A category within a category is none.
        if sent["category.id"] != "ROOT" {
            let told = "Unable to save category due to errors:\n- Field error in object 'Product' on field 'category': rejected value [null]";
            return refused(500, told);
        }
        if sent["name"].as_str().is_some_and(|name| name.contains("substitut")) {
            return refused(500, "Product AB12 Bandaż is not a valid substitution of KX43 Plaster");
        }
        if self.products.iter().any(|product| product["productCode"] == sent["productCode"]) {
            return refused(500, "Unable to save product: productCode must be unique");
        }
        let product = json!({ "id": format!("ff80818163e2de8d0163eba1b1e{:05}", self.products.len()), "productCode": sent["productCode"], "name": sent["name"],
            "category": { "id": "ROOT", "name": "ROOT" }, "description": sent["description"], "dateCreated": "2026-01-01T00:00:00Z", "lastUpdated": "2026-01-01T00:00:00Z" });
        self.products.push(product.clone());
        said(200, &product)
    }
}

/// A page of at most 100, and of ten where nobody says.
fn page(ask: &Ask, rows: &[Value]) -> Option<Vec<Value>> {
    let (mut offset, mut max) = (0, 10);
    for (name, value) in ask.pairs() {
        match name.as_str() {
            "offset" => offset = value.parse().ok()?,
            "max" => max = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(rows.iter().skip(offset).take(max.min(100)).cloned().collect())
}
