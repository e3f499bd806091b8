//! QuickBooks Online as it answers: one statement a list, faults with codes inside a 400, versions in bodies.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value, json};

use crate::{
    conditions::{Language, Token, tokens},
    said::said,
};

pub(crate) const ROOT: &str = "/v3/company/9130357849736406";
pub(crate) const SECRETS: [(&str, &str); 2] =
    [("QUICKBOOKS_SECRET", "qb-secret"), ("QUICKBOOKS_REFRESH", "RT1-contract")];
/// Records of each kind.
pub(crate) const ALL: usize = 45;

type Row = Map<String, Value>;

/// What can be sent of each kind, besides what every record has.
const KINDS: [(&str, &[&str]); 4] = [
    (
        "Customer",
        &[
            "DisplayName",
            "GivenName",
            "FamilyName",
            "CompanyName",
            "PrimaryEmailAddr",
            "PrimaryPhone",
            "Mobile",
            "Fax",
            "BillAddr",
            "ShipAddr",
            "WebAddr",
            "CurrencyRef",
            "Active",
        ],
    ),
    (
        "Item",
        &["Name", "Sku", "Description", "Type", "UnitPrice", "PurchaseCost", "IncomeAccountRef", "Active"],
    ),
    ("Invoice", &["CustomerRef", "TxnDate", "DueDate", "CurrencyRef", "Line"]),
    ("Payment", &["CustomerRef", "TotalAmt", "TxnDate", "CurrencyRef", "PaymentRefNum", "Line"]),
];

/// Codes of tax by this company's own numbers, as one in the United Kingdom has them, and one that it named itself.
fn codes() -> Vec<Row> {
    let code = |(id, name): (&str, &str)| {
        json!({ "Id": id, "Name": name, "Description": name, "Active": true, "Taxable": name != "No VAT", "TaxGroup": true, "SyncToken": "0", "domain": "QBO",
            "SalesTaxRateList": { "TaxRateDetail": [ { "TaxRateRef": { "value": "3", "name": name }, "TaxTypeApplicable": "TaxOnAmount", "TaxOrder": 0 } ] } })
    };
    let rows = [
        ("6", "20.0% S"),
        ("8", "5.0% R"),
        ("7", "0.0% Z"),
        ("9", "Exempt"),
        ("10", "No VAT"),
        ("12", "Ours"),
    ];
    rows.into_iter().map(|row| code(row).as_object().unwrap().clone()).collect()
}

pub(crate) struct Books(Mutex<State>);

struct State {
    rows: Vec<(&'static str, Row)>,
    clock: Timestamp,
    tokens: usize,
}

/// A refusal: status, type, code, element.
struct Fault(u16, &'static str, &'static str, String);

fn invalid(code: &'static str, element: &str) -> Fault {
    Fault(400, "ValidationFault", code, element.to_owned())
}

impl Books {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let clock = Timestamp::from_second(1_767_225_600).unwrap();
        let mut state = State { rows: Vec::new(), clock, tokens: 0 };
        for n in 0..ALL {
            let name = if n == 3 { "O'Brien \\ Sons".to_owned() } else { format!("Klient {n}") };
            state.keep(
                "Customer",
                json!({ "DisplayName": name, "CompanyName": "Firma", "Active": n != 5, "Balance": -261.5,
                "Notes": "kept", "PrimaryEmailAddr": { "Address": format!("biuro{n}@example.com") } }),
            );
            state.keep("Item", json!({ "Name": format!("Lampa {n}"), "Sku": format!("L-{n}"), "Type": "Service", "UnitPrice": 275.50, "Active": true }));
            state.keep("Invoice", json!({ "DocNumber": format!("10{n:02}"), "TxnDate": "2026-04-08", "CustomerRef": { "value": format!("{}", 1 + 4 * (n % 3)), "name": "x" },
                "CurrencyRef": { "value": "USD" }, "TotalAmt": 595.08, "Balance": if n == 0 { 0.0 } else { 595.08 }, "TxnTaxDetail": { "TotalTax": 44.08 },
                "Line": [ { "Id": "1", "Amount": 551.00, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": { "ItemRef": { "value": "2" }, "UnitPrice": 275.50, "Qty": 2, "TaxCodeRef": { "value": (["6", "8", "7", "9", "10", "12", "99"][n % 7]) } } },
                    { "Amount": 551.00, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {} } ] }));
            state.keep("Payment", json!({ "CustomerRef": { "value": "1" }, "TotalAmt": 100, "UnappliedAmt": 0, "TxnDate": "2026-05-05", "CurrencyRef": { "value": "USD" },
                "Line": [ { "Amount": 100, "LinkedTxn": [ { "TxnId": "3", "TxnType": "Invoice" } ] }, { "Amount": 1, "LinkedTxn": [ { "TxnId": "9", "TxnType": "CreditMemo" } ] } ] }));
        }
        Arc::new(Self(Mutex::new(state)))
    }
}

impl Answers for Books {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        if ask.path == "/oauth2/v1/tokens/bearer" {
            let form: Vec<_> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
            let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
            assert!(has("grant_type", "refresh_token") && has("refresh_token", SECRETS[1].1), "{form:?}");
            state.tokens += 1;
            let token = format!("at-{}", state.tokens);
            return said(
                200,
                &json!({ "access_token": token, "token_type": "bearer", "expires_in": 3600, "refresh_token": SECRETS[1].1 }),
            );
        }
        if ask.path == "/-/race" {
            for (_, row) in &mut state.rows {
                row.insert("SyncToken".into(), "9".into());
            }
            return said(204, &Value::Null);
        }
        // Whoever does not ask for JSON is answered in XML.
        if ask.header("accept") != Some("application/json") {
            return said(400, &Value::Null);
        }
        let token = format!("Bearer at-{}", state.tokens);
        let answer = match ask.header("authorization") == Some(&token) {
            true => state.route(ask),
            false => Err(Fault(401, "AUTHENTICATION", "3200", String::new())),
        };
        answer.unwrap_or_else(|Fault(status, kind, code, element)| {
            let error = json!({ "Message": "refused", "Detail": format!("refused : {element} Id=1"), "code": code, "element": element });
            said(status, &json!({ "Fault": { "Error": [error], "type": kind }, "time": "2026-05-05T03:17:56.362-07:00" }))
        })
    }
}

impl State {
    fn keep(&mut self, kind: &'static str, row: Value) -> Row {
        let mut row = row.as_object().unwrap().clone();
        self.clock = self.clock.checked_add(SignedDuration::from_secs(61)).unwrap();
        let at = self.clock.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        row.insert("Id".into(), format!("{}", self.rows.len() + 1).into());
        row.insert("SyncToken".into(), "0".into());
        row.insert("MetaData".into(), json!({ "CreateTime": at, "LastUpdatedTime": at }));
        self.rows.push((kind, row.clone()));
        row
    }

    fn route(&mut self, ask: &Ask) -> Result<Response<Bytes>, Fault> {
        let pairs = ask.pairs();
        let known = |name: &str| matches!(name, "minorversion" | "query" | "operation");
        if !pairs.contains(&("minorversion".into(), "75".into()))
            || !pairs.iter().all(|(name, _)| known(name))
        {
            return Err(invalid("4001", "query"));
        }
        let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let rest = ask.path.strip_prefix(ROOT).ok_or_else(|| invalid("610", ""))?;
        if let (&Method::GET, "/query", Some(query)) = (&ask.method, rest, value("query")) {
            return self.query(query);
        }
        let mut steps = rest.split('/').skip(1);
        let word = steps.next().unwrap_or_default();
        let (kind, fields) = KINDS
            .into_iter()
            .find(|(kind, _)| kind.to_lowercase() == word)
            .ok_or_else(|| invalid("610", ""))?;
        let found = |id: &str| self.rows.iter().position(|(k, row)| *k == kind && row["Id"] == id);
        let done = |row: &Row| said(200, &json!({ kind: row, "time": "2026-05-05T03:17:56.362-07:00" }));
        if let (&Method::GET, Some(id)) = (&ask.method, steps.next()) {
            let at = found(id).ok_or_else(|| invalid("610", "Id"))?;
            return Ok(done(&self.rows[at].1));
        }
        let Some(Value::Object(mut sent)) = ask.json().filter(|_| ask.method == Method::POST) else {
            return Err(invalid("2010", ""));
        };
        let Some(id) = sent.remove("Id") else {
            self.fits(kind, fields, &sent, None)?;
            return Ok(done(&self.keep(kind, sent.into())));
        };
        let at = found(id.as_str().unwrap_or_default()).ok_or_else(|| invalid("610", "Id"))?;
        let token = sent.remove("SyncToken").ok_or_else(|| invalid("2020", "SyncToken"))?;
        if self.rows[at].1["SyncToken"] != token {
            return Err(invalid("5010", ""));
        }
        if value("operation") == Some("delete") {
            if !sent.is_empty() || !matches!(kind, "Invoice" | "Payment") {
                return Err(invalid("2010", "operation"));
            }
            self.rows.remove(at);
            return Ok(said(200, &json!({ kind: { "Id": id, "status": "Deleted" } })));
        }
        let sparse = sent.remove("sparse") == Some(true.into());
        self.fits(kind, fields, &sent, Some(at))?;
        let row = &mut self.rows[at].1;
        if !sparse {
            // All that is not sent is gone.
            row.retain(|name, _| matches!(name.as_str(), "Id" | "SyncToken" | "MetaData"));
        }
        row.extend(sent);
        let token: u32 = token.as_str().unwrap().parse().unwrap();
        row.insert("SyncToken".into(), (token + 1).to_string().into());
        Ok(done(row))
    }

    fn fits(&self, kind: &str, fields: &[&str], sent: &Row, at: Option<usize>) -> Result<(), Fault> {
        for name in sent.keys() {
            if !fields.contains(&name.as_str()) {
                return Err(invalid("2010", name));
            }
        }
        let required: &[&str] = match kind {
            "Customer" => &["DisplayName"],
            "Item" => &["Name", "IncomeAccountRef"],
            "Invoice" => &["CustomerRef", "Line"],
            _ => &["CustomerRef", "TotalAmt"],
        };
        if let Some(name) = required.iter().find(|name| at.is_none() && !sent.contains_key(**name)) {
            return Err(invalid("2020", name));
        }
        let name = if kind == "Item" { "Name" } else { "DisplayName" };
        let same = |(n, (k, row)): (usize, &(&str, Row))| {
            *k == kind && Some(n) != at && sent.get(name).is_some_and(|sent| row[name] == *sent)
        };
        if matches!(kind, "Item" | "Customer") && self.rows.iter().enumerate().any(same) {
            return Err(invalid("6240", name));
        }
        let list = sent.get("Line").and_then(Value::as_array).into_iter().flatten();
        for line in list.filter(|_| kind == "Invoice") {
            let detail = &line["SalesItemLineDetail"];
            let amount = number(&line["Amount"]).ok_or_else(|| invalid("2020", "Amount"))?;
            let product = number(&detail["Qty"])
                .zip(number(&detail["UnitPrice"]))
                .map(|(a, b)| (a * b).round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero));
            if line["DetailType"] != "SalesItemLineDetail" || product != Some(amount) {
                return Err(invalid("6070", "Amount"));
            }
            let code = &detail["TaxCodeRef"]["value"];
            if !code.is_null() && !codes().iter().any(|known| known["Id"] == *code) {
                return Err(invalid("2500", "TaxCodeRef"));
            }
        }
        Ok(())
    }

    /// `SELECT * FROM Kind [WHERE a AND b] [ORDERBY f ASC|DESC] STARTPOSITION n MAXRESULTS n`
    fn query(&self, text: &str) -> Result<Response<Bytes>, Fault> {
        let bad = || invalid("4000", "query");
        let rest = text.strip_prefix("SELECT * FROM ").ok_or_else(bad)?;
        let tokens = tokens(Language::Soql, rest).map_err(|_| bad())?;
        let mut tokens = tokens.into_iter().peekable();
        let Some(Token::Word(word)) = tokens.next() else { return Err(bad()) };
        let codes = codes();
        let (kind, mut rows): (&str, Vec<&Row>) = match KINDS.into_iter().find(|(kind, _)| *kind == word) {
            Some((kind, _)) => {
                (kind, self.rows.iter().filter(|(k, _)| *k == kind).map(|(_, row)| row).collect())
            }
            None if word == "TaxCode" => ("TaxCode", codes.iter().collect()),
            None => return Err(bad()),
        };
        let (mut active, mut begins) = (false, false);
        while let Some(Token::Word(word)) = tokens.next() {
            match word.as_str() {
                "WHERE" | "AND" if (word == "WHERE") != begins => {
                    begins = true;
                    let (name, op, values) = condition(&mut tokens).ok_or_else(bad)?;
                    active |= name == "Active";
                    rows.retain(|row| values.iter().any(|value| holds(row, &name, &op, value)));
                }
                "ORDERBY" => {
                    let (Some(Token::Word(name)), Some(Token::Word(way))) = (tokens.next(), tokens.next())
                    else {
                        return Err(bad());
                    };
                    rows.sort_by_key(|row| at(row, &name));
                    if way == "DESC" {
                        rows.reverse();
                    }
                }
                "STARTPOSITION" | "MAXRESULTS" => {
                    let Some(Token::Word(n)) = tokens.next() else { return Err(bad()) };
                    let n: usize = n.parse().map_err(|_| bad())?;
                    match word.as_str() {
                        "STARTPOSITION" => {
                            drop(rows.drain(..rows.len().min(n.checked_sub(1).ok_or_else(bad)?)))
                        }
                        _ if n > 1000 => return Err(bad()),
                        _ => rows.truncate(n),
                    }
                }
                _ => return Err(bad()),
            }
        }
        if !active && matches!(kind, "Customer" | "Item") {
            rows.retain(|row| row["Active"] == true);
        }
        let body = match rows.is_empty() {
            true => json!({ "QueryResponse": {}, "time": "2026-05-05T03:17:56.362-07:00" }),
            false => json!({ "QueryResponse": { kind: rows, "startPosition": 1, "maxResults": rows.len() } }),
        };
        Ok(said(200, &body))
    }
}

fn number(value: &Value) -> Option<Decimal> {
    value.is_number().then(|| value.to_string().parse().ok()).flatten()
}

/// A condition's name, operator and values; what is not in quotes is a boolean.
fn condition(
    tokens: &mut std::iter::Peekable<std::vec::IntoIter<Token>>,
) -> Option<(String, String, Vec<String>)> {
    let Token::Word(name) = tokens.next()? else { return None };
    let value = |token: Token| match token {
        Token::Text(text) => Some(text),
        Token::Word(word) if word == "true" || word == "false" => Some(word),
        _ => None,
    };
    match tokens.next()? {
        Token::Sign(op) => Some((name, op.to_owned(), vec![value(tokens.next()?)?])),
        Token::Word(word) if word == "IN" && tokens.next()? == Token::Sign("(") => {
            let mut values = vec![value(tokens.next()?)?];
            loop {
                match tokens.next()? {
                    Token::Sign(")") => return Some((name, "=".to_owned(), values)),
                    Token::Sign(",") => values.push(value(tokens.next()?)?),
                    _ => return None,
                }
            }
        }
        Token::Word(_) | Token::Text(_) => None,
    }
}

fn at(row: &Row, name: &str) -> String {
    let whole = Value::Object(row.clone());
    let mut value = &whole[name.split('.').next().unwrap()];
    for step in name.split('.').skip(1).chain((name == "CustomerRef").then_some("value")) {
        value = &value[step];
    }
    match (name, value) {
        ("PrimaryEmailAddr", value) => value["Address"].as_str().unwrap_or_default().to_lowercase(),
        (_, Value::String(text)) => text.to_lowercase(),
        (_, value) => value.to_string(),
    }
}

fn holds(row: &Row, name: &str, op: &str, value: &str) -> bool {
    let (found, value) = (at(row, name), value.to_lowercase());
    let order = match (found.parse::<Timestamp>(), value.parse::<Timestamp>()) {
        (Ok(found), Ok(value)) => found.cmp(&value),
        _ => found.cmp(&value),
    };
    match op {
        "=" => order.is_eq(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => false,
    }
}
