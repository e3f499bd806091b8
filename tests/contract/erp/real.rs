//! The real Tryton, with what the contract needs besides, as any stand-in has it: it is asked too much, a session ends,
//! somebody else changes a record just before the next change of it arrives, and what it is asked to do is not done.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bramka::demo::standin::{Answers, Ask, Seen};
use bytes::Bytes;
use http::{Response, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    company::Company,
    said::{nothing, said},
};

struct Tryton {
    company: Company,
    limited: AtomicBool,
    races: AtomicBool,
    /// Whether it says yes to what its buttons are for, and does nothing.
    deaf: AtomicBool,
    /// The session that was used last.
    last: Mutex<String>,
}

/// A company that has traded for a while.
pub(super) fn tryton() -> Arc<dyn Answers> {
    Arc::new(Tryton {
        company: Company::traded(),
        limited: AtomicBool::new(false),
        races: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
        last: Mutex::default(),
    })
}

/// What a call changes of a record, or makes.
pub(super) fn values(call: &Value) -> Value {
    let params = call["params"].as_array().unwrap();
    if params.len() > 2 { params[1].clone() } else { params[0][0].clone() }
}

/// Whether it is sent with the version that the caller knows.
pub(super) fn is_guarded(seen: &Seen) -> bool {
    let call: Value = serde_json::from_str(&seen.body).unwrap();
    let context = call["params"].as_array().unwrap().last().unwrap();
    context["_timestamp"].as_object().is_some_and(|versions| versions.values().all(Value::is_string))
}

/// A new order as the contract proposes one: products, unit, party, address and currency by their numbers.
pub(super) fn order() -> Value {
    let line = |product: u32, quantity: Value| {
        json!({
            "type": "line", "product": product, "unit": 1, "quantity": quantity,
            "unit_price": { "__class__": "Decimal", "decimal": "12.5" },
        })
    };
    json!({
        "id": 0, "method": "model.sale.sale.create",
        "params": [[{
            "party": 8, "currency": 2, "reference": "PO-1", "warehouse": 5, "invoice_address": 7, "shipment_address": 7,
            "sale_date": { "__class__": "date", "year": 2026, "month": 3, "day": 1 },
            "lines": [["create", [line(4, json!(2.5))]], ["create", [line(5, json!(1))]]],
        }], { "company": 1, "companies": [1], "language": "en" }],
    })
}

impl Tryton {
    /// Somebody changes the record that a call is about to change.
    fn race(&self, call: &Value) {
        let id = call["params"][0][0].as_i64().unwrap();
        let params = json!([[id], { "comment": "x" }, { "company": 1, "companies": [1] }]);
        self.company.call("model.sale.sale.write", &params);
    }
}

impl Answers for Tryton {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        match ask.path.strip_prefix("/-/") {
            Some("race") => self.races.store(true, Ordering::Relaxed),
            Some("deaf") => self.deaf.store(true, Ordering::Relaxed),
            Some("hears") => self.deaf.store(false, Ordering::Relaxed),
            Some("limit") => self.limited.store(true, Ordering::Relaxed),
            Some("spend") => {
                let logout = json!({ "id": 0, "method": "common.db.logout", "params": [] }).to_string();
                let answer = self.company.post("/erp/rpc/", &self.last.lock(), logout.into());
                assert_eq!(answer.status(), 200);
            }
            Some(other) => panic!("there is no switch {other}"),
            None => return self.asked(ask),
        }
        nothing(204)
    }
}

impl Tryton {
    fn asked(&self, ask: &Ask) -> Response<Bytes> {
        // What stands before a server says so; the server itself never does.
        if self.limited.load(Ordering::Relaxed) {
            return said(429, &json!({}));
        }
        let credential = ask.header("authorization").unwrap_or_default();
        if !credential.is_empty() {
            credential.clone_into(&mut self.last.lock());
        }
        let call: Value = serde_json::from_slice(&ask.body).unwrap();
        let method = call["method"].as_str().unwrap();
        let is_button = method.ends_with(".quote") || method.ends_with(".confirm");
        if is_button && self.deaf.load(Ordering::Relaxed) {
            return said(200, &json!({ "id": 0, "result": null }));
        }
        let is_change = is_button || method.ends_with(".write");
        if is_change && self.races.swap(false, Ordering::Relaxed) {
            self.race(&call);
        }
        let (mut head, body) = self.company.post(&ask.path, credential, ask.body.clone()).into_parts();
        // What it says of its body stays true, but for how it came.
        head.headers.remove(header::TRANSFER_ENCODING);
        head.headers.remove(header::CONNECTION);
        Response::from_parts(head, body)
    }
}
