//! Fakturownia as it answers: bare records, pages without a total, a token in query or body, amounts with a point and
//! `paid` with a comma, refusals in Polish under the names of fields. The records are made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::said::{nothing, said};

pub(crate) const TOKEN: &str = "fv-secret/mlyn";
/// Records of each kind: more than a page of the service holds.
pub(crate) const ALL: usize = 103;

type Row = Map<String, Value>;

/// What can be sent of each kind, by the names of its path and its wrap.
const KINDS: [(&str, &str, &[&str]); 4] = [
    (
        "clients",
        "client",
        &["name", "shortcut", "tax_no", "email", "phone", "street", "post_code", "city", "country", "www"],
    ),
    ("products", "product", &["name", "code", "description", "price_net", "price_gross", "tax", "currency"]),
    ("invoices", "invoice", &["kind", "client_id", "issue_date", "payment_to", "currency", "positions"]),
    ("payments", "banking_payment", &["name", "price", "invoice_ids", "paid", "kind"]),
];
const POSITION: [&str; 8] = [
    "product_id",
    "name",
    "quantity",
    "quantity_unit",
    "price_net",
    "price_gross",
    "total_price_gross",
    "tax",
];

pub(crate) struct Fakturownia(Mutex<State>);

struct State {
    rows: Vec<(&'static str, Row)>,
    token: &'static str,
    limited: bool,
    partly: bool,
}

/// A refusal: its status, and the message or the messages by field.
struct Fault(u16, Value);

fn wrong(field: &str, text: &str) -> Fault {
    Fault(422, json!({ field: [text] }))
}

impl Fakturownia {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let mut state = State { rows: Vec::new(), token: TOKEN, limited: false, partly: false };
        for n in 0..ALL {
            state.keep("clients", json!({ "name": format!("Klient {n}"), "shortcut": format!("K{n}"), "tax_no": "526-025-02-74", "email": format!("biuro{n}@mlyn.example"),
                "phone": "", "street": "Polna 1", "post_code": "87-607", "city": "Środa Śląska", "country": "PL", "www": "", "note": "kept", "token": "t-client" }));
            let code = format!("M{n}");
            state.keep("products", json!({ "name": format!("Mąka {n}"), "code": code, "description": null, "price_net": "14.50", "tax": "5", "currency": "PLN" }));
            let (status, paid) = [("issued", "0,00"), ("partial", "1017,05"), ("paid", "1035,67")][n % 3];
            let tax = ["23", "zw", "8", "np", "oo", "19"][n % 6];
            state.keep("invoices", json!({ "number": format!("FV {n}/2026"), "kind": "vat", "income": true, "status": status, "client_id": 1, "buyer_name": "Klient 0", "buyer_street": "Polna 1",
                "buyer_city": "Środa Śląska", "buyer_post_code": "87-607", "buyer_country": "PL", "issue_date": "2026-02-01", "payment_to": "2026-02-15", "currency": "PLN", "paid": paid, "paid_date": "",
                "token": "t-invoice", "payment_url": "https://my-company.fakturownia.pl/p/t-invoice", "price_net": "1029.00", "price_tax": "6.67", "price_gross": "1035.67",
                "positions": [ { "id": 5000 + n, "product_id": 2, "name": "Mąka 25 kg", "quantity": "2.0", "quantity_unit": (["szt.", "kg", "worek"][n % 3]),
                    "price_net": "514.50", "total_price_net": "1029.00", "total_price_tax": "6.67", "tax": tax } ] }));
        }
        let invoice = |n: usize, is_income: bool| json!({ "id": 3 * (n + 1), "number": format!("FV {n}/2026"), "income": is_income, "price_gross": "1035.67" });
        for n in 0..ALL {
            let (invoices, price, quantity) = match n % 5 {
                0 => (json!([invoice(0, true), invoice(1, true)]), "517.05", Value::Null),
                1 => (json!([invoice(1, false)]), "517.05", 1.into()),
                2 => (json!([invoice(2, true)]), "-517.05", 1.into()),
                3 => (json!([invoice(2, true)]), "517.05", 3.into()),
                _ => (json!([]), "517.05", 1.into()),
            };
            let is_paid = n % 5 != 1;
            state.keep("payments", json!({ "name": "Zapłata", "description": null, "price": price, "quantity": quantity, "currency": "PLN", "paid": is_paid,
                "paid_date": if is_paid { "2026-02-10" } else { "" }, "kind": "api", "provider": null, "client_id": 1, "email": "ewa@mlyn.example", "token": "t-payment", "invoices": invoices }));
        }
        Arc::new(Self(Mutex::new(state)))
    }
}

impl Answers for Fakturownia {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        if let Some(switch) = ask.path.strip_prefix("/-/") {
            match switch {
                "revoke" => state.token = "another",
                "limit" => state.limited = true,
                _ => state.partly = true,
            }
            return nothing(204);
        }
        let answer = match ask.method == Method::GET {
            true => state.look(ask),
            false => state.change(ask),
        };
        answer.unwrap_or_else(|Fault(status, message)| match status {
            404 => said(404, &json!({ "status": "404", "error": "Not Found" })),
            _ => said(status, &json!({ "code": "error", "message": message })),
        })
    }
}

impl State {
    fn keep(&mut self, kind: &'static str, row: Value) -> Row {
        let mut row = row.as_object().unwrap().clone();
        row.insert("id".into(), (self.rows.len() + 1).into());
        row.insert("created_at".into(), "2026-02-01T10:30:00.000+01:00".into());
        row.insert("updated_at".into(), "2026-02-01T10:30:01.000+01:00".into());
        self.rows.push((kind, row.clone()));
        row
    }

    fn admits(&self, token: Option<&str>) -> Result<(), Fault> {
        if token != Some(self.token) {
            return Err(Fault(401, "You must be logged in to gain access to the site".into()));
        }
        if self.limited {
            return Err(Fault(429, "Too many requests".into()));
        }
        Ok(())
    }

    fn found(&self, kind: &str, id: &str) -> Result<usize, Fault> {
        let number: Option<i64> = id.parse().ok();
        let same = |(k, row): &(&str, Row)| *k == kind && number.is_some() && row["id"].as_i64() == number;
        self.rows.iter().position(same).ok_or(Fault(404, Value::Null))
    }

    /// A page of at most 100, whatever is asked for; of invoices those of this month, and without their positions, unless
    /// more is asked for.
    fn look(&self, ask: &Ask) -> Result<Response<Bytes>, Fault> {
        let (mut page, mut size, mut token, mut more) = (1, 25, None, Vec::new());
        for (name, value) in ask.pairs() {
            match (name.as_str(), value.as_str()) {
                ("api_token", _) => token = Some(value),
                ("page", _) => page = value.parse().unwrap_or(0),
                ("per_page", _) => size = value.parse().unwrap_or(0),
                ("period", "all")
                | ("income", "yes")
                | ("include_positions", "true")
                | ("include", "invoices") => more.push(name),
                _ => return Err(wrong(&name, "- nieznany parametr")),
            }
        }
        self.admits(token.as_deref())?;
        let (kind, id) = address(ask)?;
        let has = |name: &str| more.iter().any(|one| one == name);
        if let Some(id) = id {
            let mut row = self.rows[self.found(kind, &id)?].1.clone();
            if !has("include") {
                row.remove("invoices");
            }
            return Ok(said(200, &Value::Object(row)));
        }
        if page == 0 || size == 0 {
            return Err(wrong("page", "- jest nieprawidłowe"));
        }
        let mut rows: Vec<_> =
            self.rows.iter().filter(|(k, _)| *k == kind).map(|(_, row)| row.clone()).collect();
        if matches!(kind, "invoices" | "payments") && !has("period") {
            rows.clear();
        }
        if !has("include") {
            rows.iter_mut().for_each(|row| drop(row.remove("invoices")));
        }
        if !has("include_positions") {
            rows.iter_mut().for_each(|row| drop(row.remove("positions")));
        }
        let size = size.min(100);
        Ok(said(200, &rows.into_iter().skip((page - 1) * size).take(size).collect()))
    }

    fn change(&mut self, ask: &Ask) -> Result<Response<Bytes>, Fault> {
        let Some(Value::Object(mut sent)) =
            ask.json().filter(|_| ask.header("content-type") == Some("application/json"))
        else {
            return Err(Fault(400, "nie rozumiem".into()));
        };
        let token = sent.remove("api_token");
        self.admits(token.as_ref().and_then(Value::as_str))?;
        let (kind, id) = address(ask)?;
        let (_, wrap, fields) = KINDS.into_iter().find(|(name, ..)| *name == kind).unwrap();
        let Some(Value::Object(sent)) = sent.remove(wrap) else { return Err(Fault(400, wrap.into())) };
        if let Some(name) = sent.keys().find(|name| !fields.contains(&name.as_str())) {
            return Err(wrong(name, "- nieznane pole"));
        }
        if sent.get("phone").and_then(Value::as_str).is_some_and(|phone| phone.chars().count() > 16) {
            return Err(wrong("phone", "- pole jest za długie (maksymalna ilość znaków: 16)"));
        }
        if self.partly {
            let result = json!({ "unlinked": ["A", "B"], "not_unlinked": ["C"] });
            return Ok(said(
                200,
                &json!({ "code": "success", "message": "Konta odłączone", "result": result }),
            ));
        }
        if ask.method == Method::PUT {
            let at = self.found(kind, &id.unwrap_or_default())?;
            let row = &mut self.rows[at].1;
            row.extend(sent);
            return Ok(said(200, &Value::Object(row.clone())));
        }
        if kind == "invoices" {
            return self.invoice(sent);
        }
        if sent.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return Err(wrong("name", "- nie może być puste"));
        }
        Ok(said(201, &Value::Object(self.keep(kind, sent.into()))))
    }

    fn invoice(&mut self, mut sent: Row) -> Result<Response<Bytes>, Fault> {
        let client = sent.get("client_id").map(Value::to_string).unwrap_or_default();
        let Ok(at) = self.found("clients", &client) else {
            return Err(Fault(
                422,
                json!({ "buyer_name": ["- nie może być puste"], "client_id": ["- nie istnieje"] }),
            ));
        };
        let buyer = self.rows[at].1.clone();
        let (mut net, mut tax) = (Decimal::ZERO, Decimal::ZERO);
        let positions = sent.get_mut("positions").and_then(Value::as_array_mut);
        for (n, position) in
            positions.ok_or_else(|| wrong("positions", "- nie może być puste"))?.iter_mut().enumerate()
        {
            let position = position.as_object_mut().unwrap();
            if let Some(name) = position.keys().find(|name| !POSITION.contains(&name.as_str())) {
                return Err(wrong(name, "- nieznane pole"));
            }
            let number = |name: &str| position.get(name)?.as_str()?.parse::<Decimal>().ok();
            let Some(quantity) = number("quantity") else {
                return Err(wrong("quantity", "- nie jest liczbą"));
            };
            let rate = match position.get("tax").and_then(Value::as_str) {
                Some("zw" | "np" | "oo" | "0") => Decimal::ZERO,
                Some("23") => Decimal::new(23, 2),
                Some("8") => Decimal::new(8, 2),
                Some("5") => Decimal::new(5, 2),
                _ => return Err(wrong("tax", "- jest nieprawidłowe")),
            };
            // What is not given is worked out of what is, and both are kept.
            let of_gross = number("price_gross").map(|price| quantity * price);
            let (line, gross) = match (number("price_net"), number("total_price_gross").or(of_gross)) {
                (Some(price), None) => {
                    (quantity * price, (quantity * price * (Decimal::ONE + rate)).round_dp(2))
                }
                (None, Some(gross)) => ((gross / (Decimal::ONE + rate)).round_dp(2), gross),
                (Some(price), Some(gross)) => (quantity * price, gross),
                (None, None) => return Err(wrong("price_net", "- nie jest liczbą")),
            };
            let vat = gross - line;
            (net, tax) = (net + line, tax + vat);
            position.insert("id".into(), (9000 + n).into());
            for (name, amount) in [
                ("price_net", (line / quantity).round_dp(2)),
                ("price_gross", (gross / quantity).round_dp(2)),
                ("total_price_net", line),
                ("total_price_tax", vat),
                ("total_price_gross", gross),
            ] {
                position.insert(name.into(), format!("{amount:.2}").into());
            }
        }
        for field in ["name", "street", "city", "post_code", "country"] {
            sent.insert(format!("buyer_{field}"), buyer[field].clone());
        }
        sent.extend([
            ("number".to_owned(), "FV 104/2026".into()),
            ("status".to_owned(), "issued".into()),
            ("paid".to_owned(), "0,00".into()),
            ("price_net".to_owned(), format!("{net:.2}").into()),
            ("price_tax".to_owned(), format!("{tax:.2}").into()),
            ("price_gross".to_owned(), format!("{:.2}", net + tax).into()),
        ]);
        Ok(said(201, &Value::Object(self.keep("invoices", sent.into()))))
    }
}

/// The kind, and the number of one record of it: `/clients.json`, `/clients/7.json`, `/banking/payments.json`,
/// `/banking/payment/7.json`.
fn address(ask: &Ask) -> Result<(&'static str, Option<String>), Fault> {
    let path = ask.path.strip_suffix(".json").and_then(|path| path.strip_prefix('/'));
    let plain = path.ok_or(Fault(404, Value::Null))?;
    let path = plain.strip_prefix("banking/").map(|path| path.replacen("payment/", "payments/", 1));
    let path = path.as_deref().unwrap_or(plain);
    let (name, id) = path.split_once('/').map_or((path, None), |(name, id)| (name, Some(id.to_owned())));
    let kind = KINDS.into_iter().find(|(kind, ..)| *kind == name).ok_or(Fault(404, Value::Null))?;
    Ok((kind.0, id))
}
