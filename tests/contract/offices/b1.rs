//! SAP Business One's Service Layer as it answers: a session in two cookies, pages of 20 unless a preference says
//! otherwise, lists that cannot be expanded, codes of its own inside a 400.

use std::sync::Arc;

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{Method, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::odata;
use crate::{
    conditions::{Fields, Kind, Row},
    said::{nothing, said},
};

pub(crate) const ROOT: &str = "/b1s/v2";
pub(crate) const PASSWORD: &str = "b1-secret";
/// Records of each kind.
pub(crate) const ALL: usize = 45;

/// A set: its name, its key, its fields, those besides that can be sent, those that must be.
struct Set {
    name: &'static str,
    key: &'static str,
    fields: Fields,
    sent: &'static [&'static str],
    required: &'static [&'static str],
}

const SETS: [Set; 5] = [
    Set {
        name: "BusinessPartners",
        key: "CardCode",
        fields: &[
            ("CardCode", Kind::Text),
            ("CardName", Kind::Text),
            ("CardType", Kind::Text),
            ("CompanyPrivate", Kind::Text),
            ("EmailAddress", Kind::Text),
            ("Frozen", Kind::Text),
            ("FederalTaxID", Kind::Text),
        ],
        sent: &["Phone1", "Cellular", "Fax", "Website", "BPAddresses", "Series", "Currency", "CreditLimit"],
        required: &["CardName", "Series"],
    },
    Set {
        name: "Items",
        key: "ItemCode",
        fields: &[
            ("ItemCode", Kind::Text),
            ("ItemName", Kind::Text),
            ("SalesItem", Kind::Text),
            ("InventoryItem", Kind::Text),
            ("BarCode", Kind::Text),
            ("InventoryUOM", Kind::Text),
            ("Frozen", Kind::Text),
        ],
        sent: &["User_Text"],
        required: &["ItemCode"],
    },
    Set {
        name: "Orders",
        key: "DocEntry",
        fields: &[
            ("DocEntry", Kind::Whole),
            ("DocNum", Kind::Whole),
            ("CardCode", Kind::Text),
            ("NumAtCard", Kind::Text),
            ("DocumentStatus", Kind::Text),
            ("DocCurrency", Kind::Text),
        ],
        sent: &["DocDate", "DocDueDate", "DocumentLines", "AddressExtension"],
        required: &["CardCode", "DocDueDate", "DocumentLines"],
    },
    Set { name: "VatGroups", key: "Code", fields: &[("Code", Kind::Text)], sent: &[], required: &["Code"] },
    Set {
        name: "IncomingPayments",
        key: "DocEntry",
        fields: &[
            ("DocEntry", Kind::Whole),
            ("DocNum", Kind::Whole),
            ("DocType", Kind::Text),
            ("CardCode", Kind::Text),
            ("Cancelled", Kind::Text),
            ("DocCurrency", Kind::Text),
            ("TransferReference", Kind::Text),
        ],
        sent: &[],
        required: &[],
    },
];

/// The groups of this company: one for sales, one whose rate has changed, two of one rate, one of which nobody sells any more,
/// one that charges nothing, one of the Union, one of purchases.
const GROUPS: [(&str, &str, &str, &str, &[f64]); 8] = [
    ("S23", "bovcOutputTax", "tNO", "tNO", &[23.0]),
    ("S8", "bovcOutputTax", "tNO", "tNO", &[7.0, 8.0]),
    ("U9", "bovcOutputTax", "tNO", "tNO", &[9.0]),
    ("U9B", "bovcOutputTax", "tNO", "tNO", &[9.0]),
    ("OLD", "bovcOutputTax", "tNO", "tYES", &[22.0]),
    ("SNP", "bovcOutputTax", "tNO", "tNO", &[0.0]),
    ("UE5", "bovcOutputTax", "tYES", "tNO", &[5.0]),
    ("Z5", "bovcInputTax", "tNO", "tNO", &[5.0]),
];

pub(crate) struct ServiceLayer(Mutex<State>);

struct State {
    rows: [Vec<Row>; 5],
    sessions: usize,
    versions: usize,
}

/// A refusal: status, code, message.
struct Refusal(u16, &'static str, String);

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal(400, code, message.into())
}

fn gone() -> Refusal {
    Refusal(404, "-2028", "No matching records found (ODBC -2028)".into())
}

impl ServiceLayer {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let mut state = State { rows: Default::default(), sessions: 0, versions: 0 };
        for n in 0..ALL {
            let name = if n == 3 { "O'Brien & Sons".to_owned() } else { format!("Hurtownia {n}") };
            let kind = if n == 7 { "cSupplier" } else { "cCustomer" };
            state.keep(0, json!({ "CardCode": format!("C{n:05}"), "CardName": name, "CardType": kind, "CompanyPrivate": "cCompany", "FederalTaxID": null,
                "EmailAddress": format!("biuro{n}@example.com"), "Phone1": "22 555 01 01", "Cellular": null, "Fax": "", "Website": null, "Currency": "##", "PriceListNum": 1,
                "CreditLimit": 5000.0, "CurrentAccountBalance": 1397.3, "Frozen": if n == 5 { "tYES" } else { "tNO" }, "Notes": "kept",
                "BPAddresses": [ { "AddressName": "Biuro", "Street": "ul. Długa 1", "ZipCode": "00-238", "City": "Warszawa", "Country": "PL", "AddressType": "bo_BillTo", "RowNum": 0 } ] }));
            let inventory = if n == 9 { "tNO" } else { "tYES" };
            state.keep(1, json!({ "ItemCode": format!("A{n:05}"), "ItemName": format!("Lampa {n}"), "SalesItem": "tYES", "InventoryItem": inventory, "BarCode": "", "ItemType": "itItems",
                "ItemsGroupCode": 100, "User_Text": null, "InventoryUOM": "szt.", "InventoryWeight": 0.0, "Frozen": "tNO",
                "ItemPrices": [ { "PriceList": 2, "Price": 1, "Currency": "EUR" }, { "PriceList": 1, "Price": 29.95, "Currency": "PLN" } ],
                "ItemWarehouseInfoCollection": [ { "WarehouseCode": "01", "InStock": 120.0, "Committed": 7.5, "Ordered": 0.0 }, { "WarehouseCode": "02", "InStock": 3.25, "Committed": 10.0, "Ordered": 40.0 } ] }));
            state.keep(2, json!({ "DocEntry": n + 1, "DocNum": 1001 + n, "DocDate": "2026-03-02T00:00:00Z", "DocDueDate": "2026-03-09T00:00:00Z", "CardCode": format!("C{:05}", n % 3),
                "CardName": "Hurtownia", "NumAtCard": "PO-9", "DocTotal": 110.52, "DocCurrency": "PLN", "VatSum": 20.67, "TotalDiscount": 0.0, "SalesPersonCode": -1, "DocumentStatus": "bost_Open", "Cancelled": "tNO",
                "AddressExtension": { "ShipToStreet": "ul. Portowa 1", "ShipToBlock": null, "ShipToCity": "Gdynia", "ShipToZipCode": "81-001", "ShipToState": null, "ShipToCountry": "PL",
                    "BillToStreet": "ul. Długa 1", "BillToBlock": null, "BillToCity": "Warszawa", "BillToZipCode": "00-238", "BillToState": null, "BillToCountry": "PL" },
                "DocumentLines": [ { "LineNum": 0, "ItemCode": "A00001", "ItemDescription": "Lampa", "Quantity": 3.0, "UnitPrice": 29.95, "DiscountPercent": 0.0, "LineTotal": 89.85, "MeasureUnit": "szt.",
                    "VatGroup": GROUPS[n % 8].0, "TaxPercentagePerRow": GROUPS[n % 8].4.last() } ] }));
            // One in another currency, one of a supplier.
            let (currency, kind) =
                (if n == 4 { "EUR" } else { "PLN" }, if n == 6 { "rSupplier" } else { "rCustomer" });
            state.keep(4, json!({ "DocEntry": n + 1, "DocNum": 2001 + n, "DocType": kind, "DocDate": "2026-03-20T00:00:00Z", "CardCode": format!("C{:05}", n % 3), "DocCurrency": currency,
                "CashSum": 20.0, "TransferSum": 100.5, "TransferReference": format!("FV {n}"), "BillOfExchangeAmount": 0.0, "Cancelled": if n == 5 { "tYES" } else { "tNO" },
                "PaymentChecks": [ { "CheckSum": 5.25, "Currency": currency } ], "PaymentCreditCards": [ { "CreditSum": 4.25 } ], "PaymentInvoices": [ { "DocEntry": 7, "SumApplied": 130.0, "InvoiceType": "it_Invoice" } ] }));
        }
        for (code, category, eu, inactive, rates) in GROUPS {
            let lines: Vec<_> = rates.iter().map(|rate| json!({ "Effectivefrom": "2011-01-01T00:00:00Z", "Rate": rate, "EqualizationTax": 0.0 })).collect();
            state.keep(3, json!({ "Code": code, "Name": code, "Category": category, "EU": eu, "AcquisitionReverse": "tNO", "Inactive": inactive, "TaxAccount": "_SYS1", "VatGroups_Lines": lines }));
        }
        Arc::new(Self(Mutex::new(state)))
    }
}

impl Answers for ServiceLayer {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        match ask.path.as_str() {
            "/-/spend" => {
                state.sessions += 1;
                return nothing(204);
            }
            "/-/race" => {
                for row in state.rows.iter_mut().flatten() {
                    row.insert("@odata.etag".into(), "W/\"race\"".into());
                }
                return nothing(204);
            }
            "/b1s/v2/Login" => return state.login(ask),
            _ => {}
        }
        let session = format!("B1SESSION=s-{}; ROUTEID=.node1", state.sessions);
        if ask.header("cookie") != Some(&session) {
            return told(Refusal(401, "301", "Invalid session or session already timeout.".into()));
        }
        state.route(ask).unwrap_or_else(told)
    }
}

fn told(Refusal(status, code, message): Refusal) -> Response<Bytes> {
    said(status, &json!({ "error": { "code": code, "details": [], "message": message } }))
}

impl State {
    fn login(&mut self, ask: &Ask) -> Response<Bytes> {
        let wanted = json!({ "CompanyDB": "SBODEMOPL", "UserName": "bramka", "Password": PASSWORD });
        if ask.method != Method::POST || ask.json() != Some(wanted) {
            return told(Refusal(401, "100000027", "Incorrect user name or password".into()));
        }
        self.sessions += 1;
        let mut answer = said(200, &json!({ "SessionId": "x", "Version": "1000220", "SessionTimeout": 30 }));
        for cookie in
            [format!("B1SESSION=s-{}; HttpOnly; Path=/b1s", self.sessions), "ROUTEID=.node1; path=/".into()]
        {
            answer.headers_mut().append("set-cookie", cookie.parse().unwrap());
        }
        answer
    }

    fn keep(&mut self, set: usize, row: Value) -> Row {
        let mut row = row.as_object().unwrap().clone();
        self.versions += 1;
        row.insert("@odata.etag".into(), format!("W/\"{}\"", self.versions).into());
        self.rows[set].push(row.clone());
        row
    }

    fn route(&mut self, ask: &Ask) -> Result<Response<Bytes>, Refusal> {
        let rest = ask.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(gone)?;
        let name = rest.split(['(', '/']).next().unwrap_or_default();
        let n = SETS.iter().position(|set| set.name == name).ok_or_else(gone)?;
        let set = &SETS[n];
        let options = odata::options(&ask.pairs(), &[])
            .map_err(|why| refusal("-1000", format!("Query string error: {why}")))?;
        if options.expand.is_some() {
            return Err(refusal("-1000", "Invalid navigation property in $expand"));
        }
        let rest = &rest[name.len()..];
        if rest.is_empty() {
            return match ask.method {
                Method::GET => self.list(ask, n, &options),
                Method::POST => self.create(ask, n),
                _ => Err(gone()),
            };
        }
        let (key, action) = rest.split_once('/').map_or((rest, None), |(key, action)| (key, Some(action)));
        let key =
            odata::key(key).filter(|key| key.len() == 1).ok_or_else(|| refusal("-1000", "Invalid key"))?;
        let spelt = |row: &Row| match &row[set.key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let at = self.rows[n].iter().position(|row| spelt(row) == key[0].1).ok_or_else(gone)?;
        let etag = self.rows[n][at]["@odata.etag"].as_str().unwrap().to_owned();
        if ask.method != Method::GET && ask.header("if-match") != Some(&etag) {
            return Err(Refusal(412, "-2039", "Another user or another operation modified data".into()));
        }
        match (&ask.method, action) {
            (&Method::GET, None) => {
                let row = odata::shown(&self.rows[n][at], &options).map_err(|why| refusal("-1000", why))?;
                Ok(said(200, &row))
            }
            (&Method::PATCH, None) => {
                let sent = sent(set, ask)?;
                self.versions += 1;
                let row = &mut self.rows[n][at];
                row.extend(sent);
                row.insert("@odata.etag".into(), format!("W/\"{}\"", self.versions).into());
                Ok(nothing(204))
            }
            (&Method::DELETE, None) if set.name != "Orders" => {
                self.rows[n].remove(at);
                Ok(nothing(204))
            }
            (&Method::POST, Some("Cancel")) if set.name == "Orders" => {
                self.rows[n][at].insert("Cancelled".into(), "tYES".into());
                Ok(nothing(204))
            }
            _ => Err(refusal("-5006", "The requested action is not supported for this object.")),
        }
    }

    fn list(&self, ask: &Ask, n: usize, options: &odata::Options) -> Result<Response<Bytes>, Refusal> {
        let size = odata::preferred(ask.header("prefer")).unwrap_or(20);
        let (rows, more) =
            odata::page(options, SETS[n].fields, &self.rows[n], size).map_err(|why| refusal("-1000", why))?;
        let rows: Result<Vec<Value>, _> = rows.iter().map(|row| odata::shown(row, options)).collect();
        let mut body = json!({ "value": rows.map_err(|why| refusal("-1000", why))? });
        if more {
            let kept: Vec<&str> =
                ask.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("$skip")).collect();
            let skip = format!("$skip={}", options.skip + size);
            // Beside the list itself, and not below it.
            body["@odata.nextLink"] =
                format!("{}?{}", SETS[n].name, [&kept[..], &[&skip]].concat().join("&")).into();
        }
        Ok(said(200, &body))
    }

    fn create(&mut self, ask: &Ask, n: usize) -> Result<Response<Bytes>, Refusal> {
        let set = &SETS[n];
        let mut row = sent(set, ask)?;
        if let Some(name) = set.required.iter().find(|name| !row.contains_key(**name)) {
            return Err(refusal("-5002", format!("Enter {name}")));
        }
        let key = match set.name {
            "BusinessPartners" => format!("C9{:04}", self.rows[n].len()).into(),
            "Orders" => (self.rows[n].len() + 1).into(),
            _ => row["ItemCode"].clone(),
        };
        if self.rows[n].iter().any(|other| other[set.key] == key) {
            let message = "This entry already exists in the following tables (ODBC -2035)";
            return Err(refusal("-2035", message));
        }
        row.insert(set.key.into(), key);
        // What the others have too.
        for (name, value) in self.rows[n][0].clone() {
            let none = if name == "DocNum" {
                2000.into()
            } else if name == "Frozen" || name == "Cancelled" {
                "tNO".into()
            } else {
                Value::Null
            };
            row.entry(name).or_insert(if value.is_array() { json!([]) } else { none });
        }
        let row = self.keep(n, row.into());
        Ok(said(201, &row.into()))
    }
}

fn sent(set: &Set, ask: &Ask) -> Result<Row, Refusal> {
    let Some(Value::Object(sent)) = ask.json() else { return Err(refusal("-1000", "Invalid JSON")) };
    let knows = |name: &str| set.sent.contains(&name) || set.fields.iter().any(|(field, _)| *field == name);
    match sent.keys().find(|name| !knows(name)) {
        Some(name) => Err(refusal("-1000", format!("Property '{name}' of '{}' is invalid", set.name))),
        None => Ok(sent),
    }
}
