//! Xero as it answers: lists of one, `/Date(ms)/`, conditions in a language of its own, archived contacts and more than
//! two digits of a price only for who asks. In the shape of recorded answers; the records are made up.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::said::{nothing, said};

pub(crate) const ROOT: &str = "/api.xro/2.0";
pub(crate) const SECRET: &str = "xero-secret";
const TENANT: &str = "00000000-0000-0000-0000-000000000000";
/// Contacts, and invoices of which every third is a supplier's.
pub(crate) const ALL: usize = 120;

type Row = Map<String, Value>;

/// What can be asked about in `where`.
const ASKED: [&str; 14] = [
    "PaymentType",
    "Name",
    "EmailAddress",
    "TaxNumber",
    "AccountNumber",
    "ContactStatus",
    "ContactID",
    "Type",
    "Status",
    "InvoiceNumber",
    "Reference",
    "Contact.ContactID",
    "CurrencyCode",
    "DefaultCurrency",
];

pub(crate) struct Xero(Mutex<State>);

struct State {
    contacts: Vec<Row>,
    invoices: Vec<Row>,
    payments: Vec<Row>,
    tokens: usize,
    limited: bool,
}

/// A refusal: its status and body.
struct Fault(u16, Value);

fn wrong(text: &str) -> Fault {
    let element = json!({ "ValidationErrors": [ { "Message": text } ] });
    Fault(
        400,
        json!({ "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred", "Elements": [element] }),
    )
}

fn query(text: &str) -> Fault {
    Fault(400, json!({ "ErrorNumber": 16, "Type": "QueryParseException", "Message": text }))
}

fn missing() -> Fault {
    Fault(404, Value::Null)
}

/// What this organisation charges. A type of one in the United Kingdom is 20 % there, and 15 % here.
fn rates() -> Vec<Row> {
    let rate = |(kind, report, effective, is_sold, status): (&str, &str, f64, bool, &str)| {
        json!({ "Name": format!("{effective} on {kind}"), "TaxType": kind, "ReportTaxType": report, "CanApplyToRevenue": is_sold,
            "DisplayTaxRate": effective, "EffectiveRate": effective, "Status": status,
            "TaxComponents": [ { "Name": "GST", "Rate": effective, "IsCompound": false } ] })
    };
    let rows = [
        ("OUTPUT2", "OUTPUT", 15.0, true, "ACTIVE"),
        ("TAX001", "NONE", 8.25, true, "ACTIVE"),
        ("TAX002", "OUTPUT", 9.0, true, "ACTIVE"),
        ("TAX003", "OUTPUT", 9.0, true, "ACTIVE"),
        ("TAX004", "OUTPUT", 12.5, true, "ARCHIVED"),
        ("TAX005", "OUTPUT", 0.0, true, "ACTIVE"),
        ("ZERORATEDOUTPUT", "OUTPUT", 0.0, true, "ACTIVE"),
        ("EXEMPTOUTPUT", "EXEMPTOUTPUT", 0.0, true, "ACTIVE"),
        ("INPUT2", "INPUT", 15.0, false, "ACTIVE"),
    ];
    rows.into_iter().map(|row| rate(row).as_object().unwrap().clone()).collect()
}

/// The id of a record.
pub(crate) fn id(kind: u8, n: usize) -> String {
    format!("c67e563c-{kind:04}-4000-8000-{n:012}")
}

impl Xero {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let contact = |n: usize| {
            json!({ "ContactID": id(1, n), "ContactStatus": if n == 5 { "ARCHIVED" } else { "ACTIVE" }, "Name": if n == 3 { "O'Brien & Syn".to_owned() } else { format!("Klient {n}") },
                "FirstName": "Ewa", "LastName": "Nowak", "EmailAddress": format!("ewa{n}@mlyn.example"), "TaxNumber": "PL5260250274", "BankAccountDetails": "kept",
                "Addresses": [ { "AddressType": "POBOX" }, { "AddressType": "STREET" } ],
                "Phones": [ { "PhoneType": "DDI" }, { "PhoneType": "DEFAULT", "PhoneNumber": "123456", "PhoneAreaCode": "22", "PhoneCountryCode": "48" }, { "PhoneType": "FAX" } ],
                "UpdatedDateUTC": "/Date(1776682521490+0000)/", "IsCustomer": true, "IsSupplier": false, "HasValidationErrors": false })
        };
        let invoice = |n: usize| {
            let (kind, tax) = (
                if n % 3 == 2 { "ACCPAY" } else { "ACCREC" },
                ["OUTPUT2", "EXEMPTOUTPUT", "TAX001", "TAX009"][n / 3 % 4],
            );
            json!({ "Type": kind, "InvoiceID": id(2, n), "InvoiceNumber": format!("FV/{n}"), "Reference": "", "AmountDue": 11.39, "AmountPaid": 20, "Contact": { "ContactID": id(1, n % 4), "Name": "Klient" },
                "DateString": "2026-04-16T00:00:00", "Date": "/Date(1776297600000+0000)/", "DueDateString": "2026-04-30T00:00:00", "DueDate": "/Date(1777507200000+0000)/",
                "Status": (["AUTHORISED", "PAID", "VOIDED", "DRAFT"][n % 4]), "LineAmountTypes": "Exclusive",
                "LineItems": [ { "Description": "Mąka", "ItemCode": "M25", "UnitAmount": 14.5125, "TaxType": tax, "TaxAmount": 2.39, "LineAmount": 29.03, "Quantity": 2, "LineItemID": id(3, n), "AccountCode": "200" } ],
                "SubTotal": 29, "TotalTax": 2.39, "Total": 31.39, "UpdatedDateUTC": "/Date(1776297612345+0000)/", "CurrencyCode": "GBP" })
        };
        // Every invoice is paid in part, from an account in złoty; every eighth was paid too much, which was given back.
        let payment = |n: usize| {
            let (kind, of) = match (n % 3, n % 8) {
                (2, _) => ("ACCPAYPAYMENT", "ACCPAY"),
                (_, 0) => ("ARCREDITPAYMENT", "ACCRECCREDIT"),
                _ => ("ACCRECPAYMENT", "ACCREC"),
            };
            json!({ "PaymentID": id(4, n), "Date": "/Date(1776729600000+0000)/", "BankAmount": 102.5, "Amount": 20, "Reference": if n.is_multiple_of(2) { "" } else { "przelew" },
                "CurrencyRate": 0.195122, "PaymentType": kind, "Status": if n % 7 == 6 { "DELETED" } else { "AUTHORISED" }, "UpdatedDateUTC": "/Date(1776776592690+0000)/",
                "HasAccount": true, "IsReconciled": false, "Account": { "AccountID": id(5, 1), "Code": "970" }, "HasValidationErrors": false,
                "Invoice": { "Type": of, "InvoiceID": id(2, n), "InvoiceNumber": format!("FV/{n}"), "Payments": [], "LineItems": [],
                    "Contact": { "ContactID": id(1, n % 4), "Name": "Klient", "Addresses": [] }, "CurrencyCode": "GBP" } })
        };
        let rows =
            |of: &dyn Fn(usize) -> Value| (0..ALL).map(|n| of(n).as_object().unwrap().clone()).collect();
        Arc::new(Self(Mutex::new(State {
            contacts: rows(&contact),
            invoices: rows(&invoice),
            payments: rows(&payment),
            tokens: 0,
            limited: false,
        })))
    }
}

impl Answers for Xero {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        match ask.path.as_str() {
            "/-/spend" => state.tokens += 1,
            "/-/limit" => state.limited = true,
            "/oauth2/token" => return state.token(ask),
            _ => return state.judge(ask),
        }
        nothing(204)
    }
}

impl State {
    fn token(&mut self, ask: &Ask) -> Response<Bytes> {
        let form: Vec<_> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let grant = ("grant_type".to_owned(), "client_credentials".to_owned());
        if !form.contains(&grant) {
            return said(400, &json!({ "error": "unsupported_grant_type" }));
        }
        self.tokens += 1;
        let token = format!("at-{}", self.tokens);
        said(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 1800 }))
    }

    fn judge(&mut self, ask: &Ask) -> Response<Bytes> {
        let unauthorized = |title: &str, detail: &str, status: u16| {
            said(
                status,
                &json!({ "Type": null, "Title": title, "Status": status, "Detail": detail, "Instance": id(9, 1) }),
            )
        };
        if ask.header("authorization") != Some(&format!("Bearer at-{}", self.tokens)) {
            return unauthorized("Unauthorized", "TokenExpired: token expired", 401);
        }
        if ask.header("xero-tenant-id") != Some(TENANT) {
            return unauthorized("Forbidden", "AuthenticationUnsuccessful", 403);
        }
        if self.limited {
            let mut answer = nothing(429);
            answer.headers_mut().insert("retry-after", HeaderValue::from_static("17"));
            answer.headers_mut().insert("x-rate-limit-problem", HeaderValue::from_static("minute"));
            return answer;
        }
        // Whoever does not ask for JSON is answered in XML.
        if ask.header("accept") != Some("application/json") {
            let xml = Response::builder().status(200).header("content-type", "text/xml");
            return xml.body("<Response><Status>OK</Status></Response>".into()).unwrap();
        }
        self.route(ask).unwrap_or_else(|Fault(status, body)| match body {
            Value::Null => nothing(status),
            body => said(status, &body),
        })
    }

    fn route(&mut self, ask: &Ask) -> Result<Response<Bytes>, Fault> {
        let rest = ask.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(missing)?;
        let (name, key) = rest.split_once('/').map_or((rest, None), |(name, key)| (name, Some(key)));
        let pairs = ask.pairs();
        let known: &[&str] = match name {
            "Payments" => &["page", "pageSize", "where", "order"],
            _ => &["page", "pageSize", "where", "order", "includeArchived", "unitdp"],
        };
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(query(name));
        }
        let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let is_exact = value("unitdp") == Some("4");
        match (&ask.method, name, key) {
            (&Method::GET, "TaxRates", None) if pairs.is_empty() => Ok(done(name, rates())),
            (&Method::GET, _, Some(key)) => {
                let (rows, field) = self.rows(name)?;
                let row = rows.iter().find(|row| row[field] == key).ok_or_else(missing)?;
                Ok(done(name, vec![shown(row, is_exact)]))
            }
            (&Method::GET, _, None) => {
                let hides = name == "Contacts" && value("includeArchived") != Some("true");
                let conditions = conditions(value("where").unwrap_or_default())?;
                let (rows, _) = self.rows(name)?;
                let mut kept: Vec<_> = rows
                    .iter()
                    .filter(|row| !hides || row["ContactStatus"] != "ARCHIVED")
                    .filter(|row| {
                        conditions.iter().all(|any| any.iter().any(|(path, text)| at(row, path) == text))
                    })
                    .map(|row| shown(row, is_exact))
                    .collect();
                let Some(page) = value("page") else {
                    // All of them, without what stands in lists.
                    kept.iter_mut().for_each(|row| drop(row.remove("LineItems")));
                    return Ok(done(name, kept));
                };
                let page =
                    page.parse::<usize>().ok().filter(|page| *page > 0).ok_or_else(|| query("page"))?;
                let (pages, items) = (kept.len().div_ceil(100), kept.len());
                let kept: Vec<_> = kept.into_iter().skip((page - 1) * 100).take(100).collect();
                let paging = json!({ "page": page, "pageSize": 100, "pageCount": pages, "itemCount": items });
                Ok(said(
                    200,
                    &json!({ "Id": id(9, 2), "Status": "OK", "ProviderName": "Gate", "pagination": paging, name: kept }),
                ))
            }
            (&Method::POST | &Method::PUT, _, key) => {
                let sent = ask.json().and_then(|body| body[name].as_array()?.first()?.as_object().cloned());
                let sent = sent.ok_or_else(|| wrong("A body is due"))?;
                let row = match name {
                    "Contacts" => self.contact(sent, key)?,
                    "Invoices" => self.invoice(sent, is_exact)?,
                    _ => return Err(missing()),
                };
                Ok(done(name, vec![shown(&row, is_exact)]))
            }
            _ => Err(missing()),
        }
    }

    fn rows(&self, name: &str) -> Result<(&[Row], &'static str), Fault> {
        match name {
            "Contacts" => Ok((&self.contacts, "ContactID")),
            "Invoices" => Ok((&self.invoices, "InvoiceID")),
            "Payments" => Ok((&self.payments, "PaymentID")),
            _ => Err(missing()),
        }
    }

    fn contact(&mut self, sent: Row, key: Option<&str>) -> Result<Row, Fault> {
        let known = [
            "Name",
            "FirstName",
            "LastName",
            "EmailAddress",
            "TaxNumber",
            "DefaultCurrency",
            "ContactStatus",
            "Phones",
            "Addresses",
        ];
        if let Some(name) = sent.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(wrong(name));
        }
        let place = match key {
            Some(key) => {
                Some(self.contacts.iter().position(|row| row["ContactID"] == key).ok_or_else(missing)?)
            }
            None => None,
        };
        let is_same = |(n, row): (usize, &Row)| sent.get("Name") == Some(&row["Name"]) && Some(n) != place;
        if self.contacts.iter().enumerate().any(is_same) {
            return Err(wrong(
                "The contact name Klient 1 is already assigned to another contact. The contact name must be unique across all active contacts.",
            ));
        }
        if sent
            .get("EmailAddress")
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty() && !text.contains('@'))
        {
            return Err(wrong("Email address must be valid."));
        }
        let place = place.unwrap_or_else(|| {
            let new = json!({ "ContactID": id(1, self.contacts.len()), "ContactStatus": "ACTIVE", "Addresses": [], "Phones": [], "UpdatedDateUTC": "/Date(1776682521490+0000)/" });
            self.contacts.push(new.as_object().unwrap().clone());
            self.contacts.len() - 1
        });
        self.contacts[place].extend(sent);
        Ok(self.contacts[place].clone())
    }

    fn invoice(&mut self, mut sent: Row, is_exact: bool) -> Result<Row, Fault> {
        let contact = sent.get("Contact").map(|contact| contact["ContactID"].clone());
        let Some(contact) = self.contacts.iter().find(|row| Some(&row["ContactID"]) == contact.as_ref())
        else {
            return Err(wrong("The Contact could not be found"));
        };
        let name = contact["Name"].clone();
        sent["Contact"]["Name"] = name;
        for field in ["Date", "DueDate"] {
            let Some(day) = sent.get(field).and_then(Value::as_str) else { continue };
            let day: jiff::civil::Date = day.parse().map_err(|_| wrong("not a day"))?;
            let ms = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
            sent.insert(field.to_owned(), format!("/Date({ms}+0000)/").into());
        }
        let number = self.invoices.len();
        for (n, line) in sent["LineItems"].as_array_mut().into_iter().flatten().enumerate() {
            let is_sold = |kind: &Value| {
                rates().iter().any(|rate| {
                    rate["TaxType"] == *kind
                        && rate["Status"] == "ACTIVE"
                        && rate["CanApplyToRevenue"] == true
                })
            };
            if line.get("TaxType").is_some_and(|kind| !is_sold(kind)) {
                return Err(wrong("The TaxType code is not valid"));
            }
            let amount = line["UnitAmount"].as_f64().unwrap() * line["Quantity"].as_f64().unwrap();
            line["LineAmount"] = json!((amount * 100.0).round() / 100.0);
            if !is_exact {
                line["UnitAmount"] = json!((line["UnitAmount"].as_f64().unwrap() * 100.0).round() / 100.0);
            }
            line["LineItemID"] = id(3, 1000 + n).into();
        }
        sent.entry("LineAmountTypes").or_insert("Exclusive".into());
        let told = json!({ "InvoiceID": id(2, number), "InvoiceNumber": format!("FV/{number}"), "Status": "DRAFT", "SubTotal": 29.03, "TotalTax": 5.81,
            "Total": 34.84, "AmountDue": 34.84, "UpdatedDateUTC": "/Date(1776297612345+0000)/", "HasErrors": false });
        sent.extend(told.as_object().unwrap().clone());
        self.invoices.push(sent.clone());
        Ok(sent)
    }
}

fn done(name: &str, rows: Vec<Row>) -> Response<Bytes> {
    said(
        200,
        &json!({ "Id": id(9, 3), "Status": "OK", "ProviderName": "Gate", "DateTimeUTC": "/Date(1777032133834)/", name: rows }),
    )
}

/// A record as it is answered: prices have two digits unless four are asked for.
fn shown(row: &Row, is_exact: bool) -> Row {
    let mut row = row.clone();
    for line in
        row.get_mut("LineItems").and_then(Value::as_array_mut).into_iter().flatten().filter(|_| !is_exact)
    {
        line["UnitAmount"] = json!((line["UnitAmount"].as_f64().unwrap() * 100.0).round() / 100.0);
    }
    row
}

fn at<'r>(row: &'r Row, path: &str) -> &'r str {
    let mut steps = path.split('.');
    let first = row.get(steps.next().unwrap_or_default());
    first.and_then(|value| steps.try_fold(value, |value, step| value.get(step))?.as_str()).unwrap_or_default()
}

/// `Field=="text" AND (Field=="text" OR Contact.ContactID==Guid("…"))`: what all of them, and one of each, must be.
fn conditions(text: &str) -> Result<Vec<Vec<(String, String)>>, Fault> {
    let one = |text: &str| {
        let (field, value) = text.trim().split_once("==")?;
        let is_guid = field.ends_with("ContactID");
        let value = match is_guid {
            true => value.strip_prefix("Guid(")?.strip_suffix(')')?,
            false => value,
        };
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let fits = ASKED.contains(&field) && !value.contains(['"', '\\']);
        fits.then(|| (field.to_owned(), value.to_owned()))
    };
    let any = |text: &str| {
        let text = text.trim();
        let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        inside.split(" OR ").map(one).collect::<Option<Vec<_>>>().ok_or_else(|| query(text))
    };
    text.split(" AND ").filter(|text| !text.trim().is_empty()).map(any).collect()
}
