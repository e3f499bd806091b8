//! wFirma as it answers: XML, a `200` whatever happened, what was sent back beside what is wrong with it, conditions in
//! the body of a search. In the shape of recorded answers; the records are made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{
    said::nothing,
    shop::xml::{document, tree},
};

pub(crate) const KEYS: [(&str, &str); 3] =
    [("WFIRMA_ACCESS_KEY", "wf-access"), ("WFIRMA_SECRET_KEY", "wf-secret"), ("WFIRMA_APP_KEY", "wf-app")];
/// Contractors, of which every fifth only sells and every seventh has no Polish tax number.
pub(crate) const ALL: usize = 130;

type Row = Map<String, Value>;

const FIELDS: [&str; 22] = [
    "tax_id_type",
    "name",
    "altname",
    "nip",
    "street",
    "zip",
    "city",
    "country",
    "phone",
    "email",
    "url",
    "buyer",
    "seller",
    "payment_days",
    "different_contact_address",
    "contact_name",
    "contact_street",
    "contact_zip",
    "contact_city",
    "contact_country",
    "contact_person",
    "description",
];

/// Whether a contractor is a customer here.
pub(crate) fn is_customer(n: usize) -> bool {
    !n.is_multiple_of(5) && !n.is_multiple_of(7)
}

pub(crate) struct Wfirma(Mutex<State>);

struct State {
    rows: Vec<Row>,
    invoices: Vec<Row>,
    payments: Vec<Row>,
    says: Option<&'static str>,
}

impl Wfirma {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let mut state = State {
            rows: Vec::new(),
            invoices: Vec::new(),
            payments: (0..ALL).map(payment).collect(),
            says: None,
        };
        for n in 0..ALL {
            let (buyer, kind) =
                (u8::from(!n.is_multiple_of(5)), if n.is_multiple_of(7) { "none" } else { "nip" });
            let name = if n == 3 { "Młyn <i> Syn & c.".to_owned() } else { format!("Firma {n}") };
            state.keep(json!({ "tax_id_type": kind, "name": name, "altname": "", "nip": "526-025-02-74", "regon": "", "street": "Partyzantów 98A", "zip": "54-149",
                "city": "Jawor", "country": "PL", "different_contact_address": (n % 2).to_string(), "contact_name": "Magazyn", "contact_street": "Polna 1", "contact_zip": "59-400",
                "contact_city": "Jawor", "contact_country": "PL", "phone": "", "email": format!("biuro{n}@example.com"), "url": "", "buyer": buyer.to_string(), "seller": "0",
                "payment_days": "7", "hash": "0f7e0c7c38f225f1e6f1983ad14bc723", "shop_buyer": { "id": "0" }, "field_value49645": { "value": "kept" } }));
        }
        for (kind, way) in [("normal", "netto"), ("normal", "brutto"), ("proforma", "netto")] {
            state.invoice(&json!({ "contractor": { "id": "13791001" }, "type": kind, "price_type": way, "currency": "PLN", "date": "2026-02-01",
                "invoicecontents": { "invoicecontent": { "name": "Mąka", "count": "2", "unit": "szt.", "price": if way == "netto" { "50.00" } else { "61.50" }, "vat": "23" } } }));
        }
        Arc::new(Self(Mutex::new(state)))
    }
}

/// An answer: always a `200`.
fn told(contractors: Option<Value>, code: &str) -> Response<Bytes> {
    told_of("contractors", contractors, code)
}

fn told_of(module: &str, rows: Option<Value>, code: &str) -> Response<Bytes> {
    let mut api = Map::new();
    api.extend(rows.map(|rows| (module.to_owned(), rows)));
    api.insert("status".into(), json!({ "code": code }));
    let answer = Response::builder().status(200).header("content-type", "application/xml; charset=utf-8");
    answer.body(document(&json!({ "api": api })).into()).unwrap()
}

impl Answers for Wfirma {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        if let Some(switch) = ask.path.strip_prefix("/-/") {
            state.says = match switch {
                "limit" => Some("TOTAL REQUESTS LIMIT EXCEEDED"),
                "restore" => Some("SNAPSHOT LOCK"),
                "revoke" => Some("AUTH"),
                _ => None,
            };
            return nothing(204);
        }
        let keys = ["accesskey", "secretkey", "appkey"].into_iter().zip(KEYS);
        if !keys.into_iter().all(|(header, (_, key))| ask.header(header) == Some(key)) {
            return told(None, "AUTH");
        }
        if let Some(code) = state.says {
            return told(None, code);
        }
        let formats = [("inputFormat".to_owned(), "xml".to_owned()), ("outputFormat".into(), "xml".into())];
        if ask.pairs() != formats {
            return told(None, "INPUT ERROR");
        }
        if let Some(rest) = ask.path.strip_prefix("/invoices/") {
            return state.invoices(ask, rest);
        }
        if let Some(rest) = ask.path.strip_prefix("/payments/") {
            return state.payments(ask, rest);
        }
        let (action, id) = match ask.path.strip_prefix("/contractors/").map(|rest| rest.split_once('/')) {
            Some(None) => (ask.path.trim_start_matches("/contractors/"), ""),
            Some(Some(two)) => two,
            None => return told(None, "ACTION NOT FOUND"),
        };
        let body = tree(&String::from_utf8_lossy(&ask.body));
        let body = body.as_ref().map(|body| &body["api"]["contractors"]);
        match (&ask.method, action, body) {
            (&Method::POST, "find", Some(body)) => state.find(&body["parameters"]),
            (&Method::POST, "add", Some(body)) => state.write(&body["contractor"], None),
            (_, "get" | "edit" | "delete", body) => {
                let Some(at) = state.rows.iter().position(|row| row["id"] == id) else {
                    return told(None, "NOT FOUND");
                };
                match (&ask.method, action, body) {
                    (&Method::GET, "get", _) => told(Some(one(&state.rows[at])), "OK"),
                    (&Method::POST, "edit", Some(body)) => state.write(&body["contractor"], Some(at)),
                    (&Method::POST, "delete", _) => told(Some(one(&state.rows.remove(at))), "OK"),
                    _ => told(None, "ACTION NOT FOUND"),
                }
            }
            _ => told(None, "ACTION NOT FOUND"),
        }
    }
}

/// A payment: of an invoice, of an expense, of neither, one below zero, one in euro by a table of the central bank.
fn payment(n: usize) -> Row {
    let (invoice, expense) = match n % 5 {
        1 => ("0", "700"),
        2 => ("0", "0"),
        _ => ("421000", "0"),
    };
    let (value, pln, rate, label) = match n % 5 {
        3 => ("-20.00", "-20.00", "1.0000", ""),
        4 => ("20.00", "85.66", "4.2830", "028/A/NBP/2026"),
        _ => ("20.00", "20.00", "1.0000", ""),
    };
    let row = json!({ "id": (500_000 + n).to_string(), "object_name": if expense == "0" { "invoice" } else { "expense" }, "object_id": "421000", "value": value, "date": "2026-02-10",
        "payment_method": if n % 5 == 1 { "cod" } else { "transfer" }, "account": "pln", "value_pln": pln, "currency_exchange": rate, "currency_label": label, "currency_date": "",
        "initial": "0", "notes": "0", "created": "2026-02-10 10:00:00", "modified": "2026-02-10 10:00:00", "invoice": { "id": invoice }, "expense": { "id": expense },
        "contractor": { "id": "13791001" }, "payment_cashbox": { "id": "168780" } });
    row.as_object().unwrap().clone()
}

fn one(row: &Row) -> Value {
    json!({ "contractor": row, "parameters": { "limit": "20", "page": "1", "total": "1" } })
}

/// What stands under one element, or several of its name.
fn listed(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

impl State {
    fn payments(&self, ask: &Ask, rest: &str) -> Response<Bytes> {
        let body = tree(&String::from_utf8_lossy(&ask.body));
        let body = body.as_ref().map(|body| &body["api"]["payments"]);
        match (&ask.method, rest.split_once('/').unwrap_or((rest, "")), body) {
            (&Method::POST, ("find", _), Some(body)) => {
                let parameters = &body["parameters"];
                let (Ok(page), Ok(limit)) =
                    (number(&parameters["page"], 1), number(&parameters["limit"], 20))
                else {
                    return told(None, "INPUT ERROR");
                };
                let rows: Vec<_> = self.payments.iter().skip((page - 1) * limit).take(limit).collect();
                let parameters = json!({ "limit": limit.to_string(), "page": page.to_string(), "total": self.payments.len().to_string() });
                told_of("payments", Some(json!({ "payment": rows, "parameters": parameters })), "OK")
            }
            (&Method::GET, ("get", id), _) => match self.payments.iter().find(|row| row["id"] == id) {
                Some(row) => told_of("payments", Some(json!({ "payment": row })), "OK"),
                None => told(None, "NOT FOUND"),
            },
            _ => told(None, "ACTION NOT FOUND"),
        }
    }

    fn invoices(&mut self, ask: &Ask, rest: &str) -> Response<Bytes> {
        let body = tree(&String::from_utf8_lossy(&ask.body));
        let body = body.as_ref().map(|body| &body["api"]["invoices"]);
        let one = |row: &Row| Some(json!({ "invoice": row }));
        match (&ask.method, rest.split_once('/').unwrap_or((rest, "")), body) {
            (&Method::POST, ("find", _), Some(body)) => {
                let parameters = &body["parameters"];
                let conditions = listed(&parameters["conditions"]["and"]["condition"]);
                let holds = |row: &&Row| {
                    conditions.iter().all(|it| {
                        it["operator"] == "eq" && row[it["field"].as_str().unwrap_or_default()] == it["value"]
                    })
                };
                let rows: Vec<&Row> = self.invoices.iter().filter(holds).collect();
                let total = rows.len().to_string();
                told_of(
                    "invoices",
                    Some(
                        json!({ "invoice": rows, "parameters": { "limit": parameters["limit"], "page": parameters["page"], "total": total } }),
                    ),
                    "OK",
                )
            }
            (&Method::GET, ("get", id), _) => match self.invoices.iter().find(|row| row["id"] == id) {
                Some(row) => told_of("invoices", one(row), "OK"),
                None => told(None, "NOT FOUND"),
            },
            (&Method::POST, ("add", _), Some(body)) => {
                let sent = &body["invoice"];
                if !matches!(sent["price_type"].as_str(), None | Some("netto" | "brutto")) {
                    let fault = json!({ "field": "price_type", "message": "Nieprawidłowa wartość.", "method": { "name": "inList" } });
                    let echoed = json!({ "invoice": { "errors": { "error": fault } } });
                    return told_of("invoices", Some(echoed), "ERROR");
                }
                let row = self.invoice(sent);
                told_of("invoices", one(&row), "OK")
            }
            _ => told(None, "ACTION NOT FOUND"),
        }
    }

    /// Keeps an invoice, with what the service works out: prices are without tax where nothing else is said.
    fn invoice(&mut self, sent: &Value) -> Row {
        let way = sent["price_type"].as_str().unwrap_or("netto").to_owned();
        let (mut net, mut gross) = (0.0, 0.0);
        let lines: Vec<Value> = listed(&sent["invoicecontents"]["invoicecontent"])
            .into_iter()
            .enumerate()
            .map(|(n, mut line)| {
                let at = |name: &str| line[name].as_str().and_then(|text| text.parse::<f64>().ok());
                let rate = 1.0 + at("vat").unwrap_or(0.0) / 100.0;
                let amount = at("count").unwrap_or(1.0) * at("price").unwrap_or(0.0);
                let (netto, brutto) =
                    if way == "brutto" { (amount / rate, amount) } else { (amount, amount * rate) };
                (net, gross) = (net + netto, gross + brutto);
                line["id"] = (900 + n).to_string().into();
                line["netto"] = format!("{netto:.2}").into();
                line["brutto"] = format!("{brutto:.2}").into();
                line
            })
            .collect();
        let number = self.invoices.len();
        let mut row = sent.as_object().unwrap().clone();
        let told = json!({ "id": (421_000 + number).to_string(), "fullnumber": format!("FV {number}/2026"), "price_type": way, "paymentstate": "unpaid",
            "netto": format!("{net:.2}"), "tax": format!("{:.2}", gross - net), "total": format!("{gross:.2}"), "remaining": format!("{gross:.2}"),
            "invoicecontents": { "invoicecontent": lines }, "created": "2026-02-01 10:00:00", "modified": "2026-02-01 10:00:00" });
        row.extend(told.as_object().unwrap().clone());
        self.invoices.push(row.clone());
        row
    }

    fn keep(&mut self, row: Value) -> usize {
        let mut kept =
            Row::from_iter([("id".to_owned(), Value::from((13_791_000 + self.rows.len()).to_string()))]);
        kept.extend(row.as_object().unwrap().clone());
        kept.insert("created".into(), "2018-01-26 15:12:57".into());
        kept.insert("modified".into(), "2018-07-26 15:12:57".into());
        self.rows.push(kept);
        self.rows.len() - 1
    }

    /// Those that hold to every condition, a text whatever its case; 20 a page unless more are asked for.
    fn find(&self, parameters: &Value) -> Response<Bytes> {
        let (Ok(page), Ok(limit)) = (number(&parameters["page"], 1), number(&parameters["limit"], 20)) else {
            return told(None, "INPUT ERROR");
        };
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        let conditions = match &parameters["conditions"]["and"]["condition"] {
            Value::Array(items) => items.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        for condition in conditions {
            let [field, operator, value] =
                ["field", "operator", "value"].map(|name| condition[name].as_str().unwrap_or_default());
            if !FIELDS.contains(&field) && field != "modified" {
                return told(None, "INPUT ERROR");
            }
            let value = value.to_lowercase();
            let order = |row: &Row| row[field].as_str().unwrap_or_default().to_lowercase().cmp(&value);
            match operator {
                "eq" => rows.retain(|row| order(row).is_eq()),
                "gt" => rows.retain(|row| order(row).is_gt()),
                "ge" => rows.retain(|row| order(row).is_ge()),
                "lt" => rows.retain(|row| order(row).is_lt()),
                "le" => rows.retain(|row| order(row).is_le()),
                _ => return told(None, "INPUT ERROR"),
            }
        }
        let total = rows.len();
        let rows: Vec<_> = rows.into_iter().skip((page - 1) * limit).take(limit).collect();
        let parameters =
            json!({ "limit": limit.to_string(), "page": page.to_string(), "total": total.to_string() });
        told(Some(json!({ "contractor": rows, "parameters": parameters })), "OK")
    }

    fn write(&mut self, sent: &Value, at: Option<usize>) -> Response<Bytes> {
        let Some(sent) = sent.as_object() else { return told(None, "INPUT ERROR") };
        if sent.keys().any(|name| !FIELDS.contains(&name.as_str())) {
            return told(None, "INPUT ERROR");
        }
        let mut faults = Vec::new();
        let mut wrong = |field: &str, message: &str, rule: &str| {
            faults.push(
                json!({ "field": field, "message": message, "method": { "name": rule, "parameters": "" } }),
            );
        };
        let text = |name: &str| sent.get(name).and_then(Value::as_str);
        if text("name").map_or(at.is_none(), str::is_empty) {
            wrong("name", "Pole nie może być puste.", "require");
        }
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        if text("zip").is_some_and(|zip| digits(zip) != 5) {
            wrong("zip", "Nieprawidłowy kod pocztowy.", "zip");
        }
        if !faults.is_empty() {
            let mut echoed = sent.clone();
            echoed.insert("errors".into(), json!({ "error": faults }));
            return told(Some(json!({ "contractor": echoed })), "ERROR");
        }
        let at = at.unwrap_or_else(|| {
            let mut new: Row = FIELDS.into_iter().map(|name| (name.to_owned(), "".into())).collect();
            new.insert("different_contact_address".into(), "0".into());
            new.insert("payment_days".into(), "7".into());
            self.keep(new.into())
        });
        self.rows[at].extend(sent.clone());
        told(Some(one(&self.rows[at])), "OK")
    }
}

fn number(value: &Value, usual: usize) -> Result<usize, ()> {
    match value {
        Value::Null => Ok(usual),
        value => value.as_str().and_then(|text| text.parse().ok()).filter(|n| *n > 0).ok_or(()),
    }
}
