//! Dynamics 365 Finance & Operations as it answers: keys of two parts, one company unless all are asked for, and orders
//! whose lines are records of their own.

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

pub(crate) const ROOT: &str = "/data";
pub(crate) const SECRET: &str = "fo-secret";
/// Records of each kind in the company that is served; another holds as many under the same numbers.
pub(crate) const ALL: usize = 30;
const TOKEN: &str = "Bearer fo-token";

struct Set {
    name: &'static str,
    key: &'static str,
    fields: Fields,
    sent: &'static [&'static str],
}

const SETS: [Set; 4] = [
    Set {
        name: "CustomersV3",
        key: "CustomerAccount",
        fields: &[
            ("dataAreaId", Kind::Text),
            ("CustomerAccount", Kind::Text),
            ("OrganizationName", Kind::Text),
            ("PrimaryContactEmail", Kind::Text),
            ("SalesCurrencyCode", Kind::Text),
        ],
        sent: &["CustomerGroupId", "PartyType", "KnownAs", "OnHoldStatus", "PrimaryContactPhone"],
    },
    Set {
        name: "ReleasedProductsV2",
        key: "ItemNumber",
        fields: &[("dataAreaId", Kind::Text), ("ItemNumber", Kind::Text), ("ProductSearchName", Kind::Text)],
        sent: &[],
    },
    Set {
        name: "SalesOrderHeadersV2",
        key: "SalesOrderNumber",
        fields: &[
            ("dataAreaId", Kind::Text),
            ("SalesOrderNumber", Kind::Text),
            ("OrderingCustomerAccountNumber", Kind::Text),
            ("CustomersOrderReference", Kind::Text),
            ("RequestedShippingDate", Kind::Moment),
            ("OrderCreationDateTime", Kind::Moment),
        ],
        sent: &["Email", "CurrencyCode", "ArePricesIncludingSalesTax"],
    },
    Set {
        name: "SalesOrderLines",
        key: "InventoryLotId",
        fields: &[("dataAreaId", Kind::Text), ("SalesOrderNumber", Kind::Text), ("ItemNumber", Kind::Text)],
        sent: &[
            "OrderedSalesQuantity",
            "SalesUnitSymbol",
            "SalesPrice",
            "SalesPriceQuantity",
            "RequestedShippingDate",
        ],
    },
];
const ORDERS: usize = 2;
const LINES: usize = 3;

pub(crate) struct Operations(Mutex<State>);

struct State {
    rows: [Vec<Row>; 4],
    versions: usize,
    /// Whether orders stay once they are made, as those of which something was delivered.
    keeps: bool,
}

struct Refusal(u16, String);

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(400, message.into())
}

fn gone() -> Refusal {
    Refusal(404, "No HTTP resource was found that matches the request".into())
}

impl Operations {
    pub(crate) fn start() -> Arc<dyn Answers> {
        let mut state = State { rows: Default::default(), versions: 0, keeps: false };
        for company in ["dat", "usmf"] {
            for n in 0..ALL {
                let name = if n == 3 { "O'Brien & Sons".to_owned() } else { format!("Contoso {n}") };
                state.keep(0, json!({ "dataAreaId": company, "CustomerAccount": format!("{company}-{n:03}"), "CustomerGroupId": "10", "PartyType": "Organization", "OrganizationName": name, "KnownAs": "",
                    "TaxExemptNumber": "", "PrimaryContactEmail": format!("{company}{n}@example.com"), "PrimaryContactPhone": "", "AddressStreet": "ul. Długa 1", "AddressCity": "Warszawa", "AddressZipCode": "00-238",
                    "AddressState": "", "AddressCountryRegionISOCode": "PL", "LanguageId": "pl", "SalesCurrencyCode": "PLN", "DiscountPriceGroupId": "", "PaymentTerms": "Net30", "CreditLimit": 5000, "OnHoldStatus": "No", "Memo": "kept" }));
                state.keep(1, json!({ "dataAreaId": company, "ItemNumber": format!(" RFI,{n:03}"), "ProductSearchName": format!("{company} {n}"), "ProductType": "Item", "ProductGroupId": "Lamps", "InventoryUnitSymbol": "ea",
                    "SalesSalesTaxItemGroupCode": "", "SalesPrice": 1500, "SalesPriceQuantity": 10, "UnitCost": 90.5, "NetProductWeight": 0 }));
                state.keep(2, json!({ "dataAreaId": company, "SalesOrderNumber": format!("SO-{n:03}"), "SalesOrderName": company, "OrderingCustomerAccountNumber": format!("{company}-{:03}", n % 3), "CustomersOrderReference": "PO-9",
                    "OrderCreationDateTime": format!("2026-07-15T01:{n:02}:18Z"), "RequestedShippingDate": format!("2026-07-{:02}T12:00:00Z", 1 + n % 20), "CurrencyCode": "USD", "SalesOrderStatus": "Backorder", "Email": "", "OrderTakerPersonnelNumber": "",
                    "DeliveryAddressName": "", "DeliveryAddressStreet": "", "DeliveryAddressCity": "", "DeliveryAddressZipCode": "", "DeliveryAddressCountryRegionISOCode": "", "ArePricesIncludingSalesTax": "No",
                    "AreTotalsCalculated": if n == 0 { "Yes" } else { "No" }, "OrderTotalAmount": 0, "OrderTotalTaxAmount": 0, "OrderTotalDiscountAmount": 0 }));
                state.keep(LINES, json!({ "dataAreaId": company, "InventoryLotId": format!("L-{n}"), "SalesOrderNumber": format!("SO-{n:03}"), "ItemNumber": " RFI,001", "LineDescription": "Lamp", "OrderedSalesQuantity": 10,
                    "SalesUnitSymbol": "pcs", "SalesPrice": 150, "SalesPriceQuantity": 1, "LineDiscountPercentage": 0, "LineAmount": 1500, "RequestedShippingDate": "1900-01-01T12:00:00Z" }));
            }
        }
        Arc::new(Self(Mutex::new(state)))
    }
}

impl Answers for Operations {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut state = self.0.lock();
        match ask.path.as_str() {
            "/-/race" => {
                for row in state.rows.iter_mut().flatten() {
                    row.insert("@odata.etag".into(), "W/\"race\"".into());
                }
                return nothing(204);
            }
            "/-/keep" => {
                state.keeps = true;
                return nothing(204);
            }
            "/tenant/oauth2/v2.0/token" => {
                let form: Vec<_> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
                assert!(form.contains(&("client_secret".into(), SECRET.into())), "{form:?}");
                return said(
                    200,
                    &json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "fo-token" }),
                );
            }
            _ => {}
        }
        if ask.header("authorization") != Some(TOKEN) {
            return said(401, &Value::Null);
        }
        state.route(ask).unwrap_or_else(|Refusal(status, message)| {
            let inner = json!({ "message": message, "type": "Microsoft.Dynamics.Platform.Integration", "stacktrace": "at Microsoft" });
            let message = if status == 404 { message.as_str() } else { "An error has occurred." };
            said(status, &json!({ "error": { "code": "", "message": message, "innererror": inner } }))
        })
    }
}

impl State {
    fn keep(&mut self, set: usize, row: Value) -> Row {
        let mut row = row.as_object().unwrap().clone();
        self.versions += 1;
        row.insert("@odata.etag".into(), format!("W/\"{}\"", self.versions).into());
        self.rows[set].push(row.clone());
        row
    }

    fn route(&mut self, ask: &Ask) -> Result<Response<Bytes>, Refusal> {
        let rest = ask.path.strip_prefix("/data/").ok_or_else(gone)?;
        let name = rest.split('(').next().unwrap_or_default();
        let n = SETS.iter().position(|set| set.name == name).ok_or_else(gone)?;
        let set = &SETS[n];
        let mut options = odata::options(&ask.pairs(), &["cross-company"]).map_err(bad)?;
        let all = ask.pairs().contains(&("cross-company".into(), "true".into()));
        match &options.expand {
            Some(name) if name == SETS[LINES].name && n == ORDERS => {}
            Some(name) => return Err(bad(format!("Could not find a property named '{name}'"))),
            // What is not expanded is not there.
            None => options.expand = Some(String::new()),
        }
        let there = |row: &Row| all || row["dataAreaId"] == "dat";
        let key = &rest[name.len()..];
        if key.is_empty() {
            return match ask.method {
                Method::GET => {
                    let rows = self.rows[n].iter().filter(|row| there(row));
                    let rows: Vec<Row> = rows.map(|row| self.whole(row, &options)).collect();
                    self.list(ask, (set, &rows), &options)
                }
                Method::POST if n == 0 => self.create(ask),
                Method::POST if n == ORDERS => self.order(ask),
                Method::POST if n == LINES => self.line(ask),
                _ => Err(gone()),
            };
        }
        let key = odata::key(key).ok_or_else(|| bad("Bad Request - Error in query syntax."))?;
        let [a, b] = key.as_slice() else { return Err(bad("The number of keys does not match")) };
        if (a.0.as_str(), b.0.as_str()) != ("dataAreaId", set.key) {
            return Err(bad("The keys do not match"));
        }
        let at = self.rows[n]
            .iter()
            .position(|row| there(row) && row["dataAreaId"] == a.1.as_str() && row[set.key] == b.1.as_str())
            .ok_or_else(gone)?;
        let etag = self.rows[n][at]["@odata.etag"].as_str().unwrap().to_owned();
        if ask.method != Method::GET && ask.header("if-match") != Some(&etag) {
            return Err(Refusal(412, "The record was changed".into()));
        }
        match ask.method {
            Method::GET => {
                let row = self.whole(&self.rows[n][at], &options);
                Ok(said(200, &odata::shown(&row, &options).map_err(bad)?))
            }
            Method::PATCH => {
                let sent = sent(set, ask)?;
                self.versions += 1;
                let row = &mut self.rows[n][at];
                row.extend(sent);
                row.insert("@odata.etag".into(), format!("W/\"{}\"", self.versions).into());
                Ok(nothing(204))
            }
            Method::DELETE if n == ORDERS && self.keeps => Err(bad(
                "Write failed for table row of type 'SalesOrderHeaderV2Entity'. Infolog: Warning: It cannot be deleted.",
            )),
            Method::DELETE => {
                let gone = self.rows[n].remove(at);
                if n == ORDERS {
                    self.rows[LINES].retain(|line| !is_of(line, &gone));
                }
                Ok(nothing(204))
            }
            _ => Err(gone()),
        }
    }

    /// An order with its lines, where they are asked for.
    fn whole(&self, row: &Row, options: &odata::Options) -> Row {
        let mut row = row.clone();
        if options.expand.as_deref() == Some(SETS[LINES].name) {
            let lines = self.rows[LINES].iter().filter(|line| is_of(line, &row)).cloned().map(Value::from);
            let lines: Vec<Value> = lines.collect();
            row.insert(SETS[LINES].name.into(), lines.into());
        }
        row
    }

    fn list(
        &self,
        ask: &Ask,
        (set, rows): (&Set, &[Row]),
        options: &odata::Options,
    ) -> Result<Response<Bytes>, Refusal> {
        let size = odata::preferred(ask.header("prefer")).unwrap_or(10_000);
        let (rows, more) = odata::page(options, set.fields, rows, size).map_err(bad)?;
        let rows: Result<Vec<Value>, _> = rows.iter().map(|row| odata::shown(row, options)).collect();
        let mut body = json!({ "value": rows.map_err(bad)? });
        if more {
            let kept: Vec<&str> =
                ask.query.split('&').filter(|pair| !pair.starts_with("$skiptoken")).collect();
            let host = ask.header("host").unwrap_or_default();
            let at = format!(
                "http://{host}{ROOT}/{}?{}&$skiptoken={}",
                set.name,
                kept.join("&"),
                options.skip + size
            );
            body["@odata.nextLink"] = at.into();
        }
        Ok(said(200, &body))
    }

    fn create(&mut self, ask: &Ask) -> Result<Response<Bytes>, Refusal> {
        let mut row = sent(&SETS[0], ask)?;
        if row.get("CustomerGroupId").is_none_or(|group| group != "10") {
            let told = "Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Warning: Field 'Customer group' must be filled in.";
            return Err(bad(told));
        }
        if self.rows[0].iter().any(|other| {
            other["dataAreaId"] == row["dataAreaId"] && other["OrganizationName"] == row["OrganizationName"]
        }) {
            let told = "Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Warning: Cannot create a record in Customers (CustTable). The record already exists.";
            return Err(bad(told));
        }
        row.insert("CustomerAccount".into(), format!("US-{:06}", self.rows[0].len()).into());
        for (name, value) in self.rows[0][0].clone() {
            let none = match (name.as_str(), value) {
                ("OnHoldStatus", _) => "No".into(),
                (_, Value::Number(_)) => 0.into(),
                _ => "".into(),
            };
            row.entry(name).or_insert(none);
        }
        let row = self.keep(0, row.into());
        Ok(said(201, &row.into()))
    }

    /// Whether a company has a record of a key, as what is sent names it.
    fn knows(&self, set: usize, sent: &Row, name: &str) -> bool {
        let Some(key) = sent.get(name) else { return false };
        self.rows[set]
            .iter()
            .any(|row| Some(&row["dataAreaId"]) == sent.get("dataAreaId") && row[SETS[set].key] == *key)
    }

    /// A header alone: its lines are no part of it.
    fn order(&mut self, ask: &Ask) -> Result<Response<Bytes>, Refusal> {
        let mut row = sent(&SETS[ORDERS], ask)?;
        if !self.knows(0, &row, "OrderingCustomerAccountNumber") {
            return Err(failed("SalesOrderHeaderV2Entity", "Customer account is not found."));
        }
        row.insert("SalesOrderNumber".into(), format!("SO-{:03}", self.rows[ORDERS].len()).into());
        for (name, value) in self.rows[ORDERS][1].clone() {
            let usual = match name.as_str() {
                "SalesOrderStatus" | "AreTotalsCalculated" | "ArePricesIncludingSalesTax" => value,
                "RequestedShippingDate" | "OrderCreationDateTime" => "2026-08-03T12:00:00Z".into(),
                _ if value.is_number() => 0.into(),
                _ => "".into(),
            };
            row.entry(name).or_insert(usual);
        }
        let row = self.keep(ORDERS, row.into());
        Ok(said(201, &row.into()))
    }

    /// A line of an order that is there; the order is another one then.
    fn line(&mut self, ask: &Ask) -> Result<Response<Bytes>, Refusal> {
        let mut row = sent(&SETS[LINES], ask)?;
        for (set, name) in [(ORDERS, "SalesOrderNumber"), (1, "ItemNumber")] {
            if !self.knows(set, &row, name) {
                return Err(failed("SalesOrderLineV2Entity", "The item or the order is not found."));
            }
        }
        row.insert("InventoryLotId".into(), format!("L-{}", self.versions).into());
        for (name, value) in self.rows[LINES][0].clone() {
            let usual = match name.as_str() {
                "SalesUnitSymbol" | "SalesPriceQuantity" | "LineDescription" | "RequestedShippingDate" => {
                    value
                }
                _ if value.is_number() => 0.into(),
                _ => "".into(),
            };
            row.entry(name).or_insert(usual);
        }
        row.remove("@odata.etag");
        let row = self.keep(LINES, row.into());
        self.versions += 1;
        let version = format!("W/\"{}\"", self.versions);
        for order in self.rows[ORDERS].iter_mut().filter(|order| is_of(&row, order)) {
            order.insert("@odata.etag".into(), version.clone().into());
        }
        Ok(said(201, &row.into()))
    }
}

/// Whether a line is of an order.
fn is_of(line: &Row, order: &Row) -> bool {
    ["dataAreaId", "SalesOrderNumber"].iter().all(|name| line[*name] == order[*name])
}

fn failed(table: &str, why: &str) -> Refusal {
    bad(format!("Write failed for table row of type '{table}'. Infolog: Warning: {why}"))
}

fn sent(set: &Set, ask: &Ask) -> Result<Row, Refusal> {
    let Some(Value::Object(sent)) = ask.json() else { return Err(bad("No payload")) };
    let knows = |name: &str| set.sent.contains(&name) || set.fields.iter().any(|(field, _)| *field == name);
    match sent.keys().find(|name| !knows(name)) {
        Some(name) => Err(bad(format!("The property '{name}' does not exist"))),
        None => Ok(sent),
    }
}
