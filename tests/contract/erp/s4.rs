//! A stand-in that answers as SAP S/4HANA does by OData 2: keys in parentheses, typed literals, decimals as text,
//! `/Date(…)/`, a token with its cookie before anything is changed, versions of orders, items that are records of
//! their own, and prices that nobody may set.

use bramka::demo::standin::{Answers, Ask};
use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::query::{Options, Properties, Row, Type, millis};
use crate::said::{nothing, said};

pub(super) const ROOT: &str = "/sap/opu/odata/sap";
pub(super) const PASSWORD: &str = "contract-secret-s4";
/// `BRAMKA` with that password.
const AUTHORIZATION: &str = "Basic QlJBTUtBOmNvbnRyYWN0LXNlY3JldC1zNA==";

pub(super) const PARTNERS: usize = 60;
pub(super) const PRODUCTS: usize = 130;
pub(super) const ORDERS: usize = 120;

const PARTNER: Properties = &[
    ("BusinessPartner", Type::Text),
    ("BusinessPartnerCategory", Type::Text),
    ("BusinessPartnerFullName", Type::Text),
    ("FirstName", Type::Text),
    ("LastName", Type::Text),
    ("OrganizationBPName1", Type::Text),
    ("CorrespondenceLanguage", Type::Text),
    ("BusinessPartnerIsBlocked", Type::Flag),
    ("Customer", Type::Text),
];
/// What leads from a partner to others, and from those to further ones.
const WAYS_OF_PARTNER: &[&str] = &[
    "to_BusinessPartnerAddress",
    "to_BusinessPartnerTax",
    "to_BusinessPartnerAddress/to_EmailAddress",
    "to_BusinessPartnerAddress/to_PhoneNumber",
    "to_BusinessPartnerAddress/to_MobilePhoneNumber",
];
const PRODUCT: Properties = &[
    ("Product", Type::Text),
    ("ProductType", Type::Text),
    ("ProductGroup", Type::Text),
    ("BaseUnit", Type::Text),
    ("NetWeight", Type::Decimal),
    ("WeightUnit", Type::Text),
    ("ProductStandardID", Type::Text),
    ("IsMarkedForDeletion", Type::Flag),
    ("LastChangeDateTime", Type::Moment),
];
const ORDER: Properties = &[
    ("SalesOrder", Type::Text),
    ("SalesOrderType", Type::Text),
    ("SalesOrganization", Type::Text),
    ("DistributionChannel", Type::Text),
    ("OrganizationDivision", Type::Text),
    ("SoldToParty", Type::Text),
    ("PurchaseOrderByCustomer", Type::Text),
    ("SalesOrderDate", Type::Date),
    ("RequestedDeliveryDate", Type::Date),
    ("TransactionCurrency", Type::Text),
    ("TotalNetAmount", Type::Decimal),
    ("OverallSDProcessStatus", Type::Text),
    ("OverallTotalDeliveryStatus", Type::Text),
    ("OverallSDDocumentRejectionSts", Type::Text),
    ("LastChangeDateTime", Type::Moment),
    ("ShippingCondition", Type::Text),
];
const ITEM: Properties = &[
    ("SalesOrder", Type::Text),
    ("SalesOrderItem", Type::Text),
    ("Material", Type::Text),
    ("SalesOrderItemText", Type::Text),
    ("RequestedQuantity", Type::Decimal),
    ("RequestedQuantityUnit", Type::Text),
    ("NetAmount", Type::Decimal),
];
const STOCK: Properties = &[("Material", Type::Text), ("MaterialBaseUnit", Type::Text)];
/// `sap:creatable="false"`, `sap:updatable="false"`.
const READ_ONLY: &[&str] = &[
    "SalesOrder",
    "SalesOrderItem",
    "NetAmount",
    "TotalNetAmount",
    "LastChangeDateTime",
    "OverallSDProcessStatus",
    "OverallTotalDeliveryStatus",
    "OverallSDDocumentRejectionSts",
];

pub(super) struct S4(Mutex<Client>);

struct Client {
    partners: Vec<Row>,
    products: Vec<Row>,
    stocks: Vec<Row>,
    orders: Vec<Row>,
    clock: Timestamp,
    next: usize,
    /// Token and cookie that changes need.
    session: usize,
    races: bool,
    is_limited: bool,
}

struct Refusal(u16, &'static str, String);

type Answered = Result<Response<Bytes>, Refusal>;

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(400, "/IWBEP/CM_MGW_RT/022", message.into())
}

fn missing(what: &str) -> Refusal {
    Refusal(404, "/IWBEP/CM_MGW_RT/020", format!("Resource not found for '{what}'"))
}

fn row(value: Value) -> Row {
    value.as_object().unwrap().clone()
}

/// What a way leads to: the records where they are expanded, with what is asked for of them, else a link.
fn behind(row: &Row, way: &str, ways: &[&str], options: &Options) -> Value {
    let prefix = format!("{way}/");
    let link = |way: &str| json!({ "__deferred": { "uri": format!("A_Something/{way}") } });
    let is_expanded = |way: &str| options.expand.iter().any(|one| one == way);
    if !is_expanded(way) && !options.expand.iter().any(|one| one.starts_with(&prefix)) {
        return link(way);
    }
    let further: Vec<&str> = ways.iter().filter_map(|way| way.strip_prefix(&prefix)).collect();
    let is_selected = options.select.as_ref().is_none_or(|names| names.iter().any(|one| one == way));
    let mut found = row[way].clone();
    for one in found["results"].as_array_mut().unwrap() {
        let record = one.as_object_mut().unwrap();
        for name in &further {
            if !is_expanded(&format!("{prefix}{name}")) {
                record.insert((*name).into(), link(name));
            }
        }
        // Of a way that is no more than a part of another one only that other one comes.
        record.retain(|name, _| is_selected || further.contains(&name.as_str()));
    }
    found
}

fn day(n: usize) -> String {
    let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let hours = i64::try_from(24 * (n * 7 % 90)).unwrap();
    format!("/Date({})/", first.checked_add(SignedDuration::from_hours(hours)).unwrap().as_millisecond())
}

impl S4 {
    pub(super) fn new() -> Self {
        let mut client = Client {
            partners: Vec::new(),
            products: Vec::new(),
            stocks: Vec::new(),
            orders: Vec::new(),
            clock: "2026-02-01T08:00:00Z".parse().unwrap(),
            next: 0,
            session: 0,
            races: false,
            is_limited: false,
        };
        client.fill();
        Self(Mutex::new(client))
    }
}

impl Answers for S4 {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        let mut client = self.0.lock();
        if let Some(switch) = ask.path.strip_prefix("/-/") {
            match switch {
                "race" => client.races = true,
                "limit" => client.is_limited = true,
                // The session ends, and its token with it.
                "spend" => client.session += 1,
                other => panic!("no switch {other}"),
            }
            return nothing(204);
        }
        client.route(ask).unwrap_or_else(|Refusal(status, code, message)| {
            let body = json!({ "error": { "code": code, "message": { "lang": "en", "value": message } } });
            said(status, &body)
        })
    }
}

impl Client {
    fn fill(&mut self) {
        let names = ["Nowak", "O'Brien", "Wójcik & Syn", "D\"Arc", "100% Bawełna"];
        for n in 0..PARTNERS {
            let name = names[n % names.len()];
            let mails = (0..n % 3).map(|k| {
                json!({ "OrdinalNumber": format!("{k}"), "IsDefaultEmailAddress": k == 0, "EmailAddress": format!("p{n}.{k}@example.com") })
            });
            let phone = |number: &str| json!({ "results": [ { "IsDefaultPhoneNumber": true, "PhoneNumber": number, "InternationalPhoneNumber": format!("+48{number}") } ] });
            self.partners.push(row(json!({
                "BusinessPartner": format!("{}", 17_100_000 + n), "BusinessPartnerCategory": if n % 3 == 0 { "1" } else { "2" },
                "BusinessPartnerFullName": format!("{name} {n}"), "FirstName": if n % 3 == 0 { "Ewa" } else { "" },
                "LastName": if n % 3 == 0 { name } else { "" }, "OrganizationBPName1": if n % 3 == 0 { "" } else { name },
                "CorrespondenceLanguage": "PL", "BusinessPartnerIsBlocked": n % 17 == 16,
                "Customer": if n % 5 == 4 { String::new() } else { format!("{}", 17_100_000 + n) },
                "to_BusinessPartnerAddress": { "results": [ { "AddressID": format!("{n}"), "StreetName": "Długa",
                    "HouseNumber": "7", "CityName": "Gdynia", "PostalCode": "81-001", "Region": "", "Country": "PL",
                    "to_EmailAddress": { "results": mails.collect::<Vec<_>>() }, "to_PhoneNumber": phone("587654321"), "to_MobilePhoneNumber": phone("600700800") },
                    { "AddressID": format!("{n}-2"), "StreetName": "Krótka", "HouseNumber": "1", "CityName": "Sopot", "PostalCode": "81-701", "Region": "", "Country": "PL",
                    "to_EmailAddress": { "results": [ { "OrdinalNumber": "1", "IsDefaultEmailAddress": true, "EmailAddress": format!("second{n}@example.com") } ] },
                    "to_PhoneNumber": { "results": [] }, "to_MobilePhoneNumber": { "results": [] } } ] },
                "to_BusinessPartnerTax": { "results": [ { "BPTaxType": "PL2", "BPTaxNumber": "80010112345" },
                    { "BPTaxType": "PL0", "BPTaxNumber": "PL5260250274" } ] },
            })));
        }
        for n in 0..PRODUCTS {
            let sku = format!("TG{n:04}");
            self.tick();
            self.products.push(row(json!({
                "Product": sku, "ProductType": if n % 10 == 9 { "SERV" } else { "HAWA" }, "ProductGroup": "L001", "BaseUnit": "PC",
                "NetWeight": "1.500", "WeightUnit": "KG", "ProductStandardID": "", "IsMarkedForDeletion": false,
                "LastChangeDateTime": self.moment(),
                "to_Description": { "results": [ { "Product": sku, "Language": "EN", "ProductDescription": format!("Good {n}") } ] },
            })));
            if n % 10 != 9 {
                let part = |plant: &str, (kind, special): (&str, &str), quantity: String| {
                    json!({ "Material": sku, "Plant": plant, "InventoryStockType": kind,
                        "InventorySpecialStockType": special, "MatlWrhsStkQtyInMatlBaseUnit": quantity })
                };
                self.stocks.push(row(json!({
                    "Material": sku, "MaterialBaseUnit": "PC",
                    "to_MatlStkInAcctMod": { "results": [
                        part("1710", ("01", ""), format!("{n}.250")), part("1720", ("01", ""), "10".to_owned()),
                        part("1710", ("02", ""), "3.5".to_owned()), part("1720", ("07", ""), "2".to_owned()),
                        part("1710", ("06", ""), "500".to_owned()),
                        // With a customer, and a supplier's own.
                        part("1710", ("01", "W"), "40".to_owned()), part("1710", ("07", "K"), "80".to_owned()),
                    ] },
                })));
            }
        }
        for n in 0..ORDERS {
            let mut order = row(json!({
                "SalesOrderType": "OR", "SalesOrganization": "1710", "DistributionChannel": "10", "OrganizationDivision": "00",
                "SoldToParty": format!("{}", 17_100_000 + n % PARTNERS), "PurchaseOrderByCustomer": if n % 2 == 0 { format!("PO-{n:04}") } else { String::new() },
                "SalesOrderDate": day(n), "RequestedDeliveryDate": day(n + 10), "TransactionCurrency": "EUR",
            }));
            let items = (0..=n % 3).map(|k| {
                json!({ "Material": format!("TG{:04}", (n * 7 + k) % PRODUCTS), "RequestedQuantity": format!("{}", 1 + k), "RequestedQuantityUnit": "PC" })
            });
            order.insert("to_Item".into(), Value::Array(items.collect()));
            assert!(self.insert(order).is_ok());
        }
    }

    fn tick(&mut self) {
        self.clock = self.clock.checked_add(SignedDuration::from_millis(61_007)).unwrap();
    }

    fn moment(&self) -> String {
        format!("/Date({}+0000)/", self.clock.as_millisecond())
    }

    fn route(&mut self, ask: &Ask) -> Answered {
        if ask.header("authorization") != Some(AUTHORIZATION) {
            return Ok(nothing(401));
        }
        if self.is_limited {
            let message = "Rate limit exceeded";
            return Ok(said(
                429,
                &json!({ "error": { "code": "429", "message": { "lang": "en", "value": message } } }),
            ));
        }
        let path = percent_encoding::percent_decode_str(&ask.path).decode_utf8().unwrap().into_owned();
        let rest = path.strip_prefix(ROOT).ok_or_else(|| missing(&path))?.to_owned();
        if ask.method == Method::GET {
            let answer = self.look(ask, &rest)?;
            return Ok(self.with_token(ask, answer));
        }
        let (token, cookie) = (format!("token-{}", self.session), format!("SAP_SESSIONID={}", self.session));
        let has_cookie = ask.header("cookie").is_some_and(|sent| sent.split("; ").any(|one| one == cookie));
        if ask.header("x-csrf-token") != Some(&token) || !has_cookie {
            let mut refused = nothing(403);
            refused.headers_mut().insert("x-csrf-token", HeaderValue::from_static("Required"));
            return Ok(refused);
        }
        let body = ask.header("content-type").is_none_or(|kind| kind.starts_with("application/json"));
        if !body || !ask.pairs().is_empty() {
            return Err(bad("Unsupported content or options"));
        }
        self.change(ask, &rest)
    }

    fn with_token(&self, ask: &Ask, mut answer: Response<Bytes>) -> Response<Bytes> {
        if ask.header("x-csrf-token") == Some("Fetch") {
            let text = |text: String| HeaderValue::try_from(text).unwrap();
            answer.headers_mut().insert("x-csrf-token", text(format!("token-{}", self.session)));
            answer
                .headers_mut()
                .insert("set-cookie", text(format!("SAP_SESSIONID={}; path=/; HttpOnly", self.session)));
        }
        answer
    }

    fn look(&self, ask: &Ask, rest: &str) -> Answered {
        if rest == "/API_SALES_ORDER_SRV/" {
            return Ok(said(200, &json!({ "d": { "EntitySets": ["A_SalesOrder", "A_SalesOrderItem"] } })));
        }
        let (name, key) = rest.split_once('(').map_or((rest, None), |(name, key)| (name, Some(key)));
        let (rows, properties, ways, key_name): (&[Row], _, &[&str], _) = match name {
            "/API_BUSINESS_PARTNER/A_BusinessPartner" => {
                (&self.partners, PARTNER, WAYS_OF_PARTNER, "BusinessPartner")
            }
            "/API_PRODUCT_SRV/A_Product" => (&self.products, PRODUCT, &["to_Description"], "Product"),
            "/API_SALES_ORDER_SRV/A_SalesOrder" => (&self.orders, ORDER, &["to_Item"], "SalesOrder"),
            "/API_MATERIAL_STOCK_SRV/A_MaterialStock" => {
                (&self.stocks, STOCK, &["to_MatlStkInAcctMod"], "Material")
            }
            _ => return Err(missing(rest)),
        };
        let options = Options::read(ask, properties, ways).map_err(bad)?;
        let show = |row: &Row| {
            let is_selected =
                |name: &str| options.select.as_ref().is_none_or(|names| names.iter().any(|one| one == name));
            let mut out = Row::new();
            out.insert(
                "__metadata".into(),
                row.get("__metadata").cloned().unwrap_or_else(|| json!({ "type": name })),
            );
            for (name, _) in properties.iter().filter(|(name, _)| is_selected(name)) {
                out.insert((*name).into(), row.get(*name).cloned().unwrap_or_default());
            }
            for way in ways.iter().filter(|way| !way.contains('/')) {
                out.insert((*way).into(), behind(row, way, ways, &options));
            }
            Value::Object(out)
        };
        let Some(key) = key else {
            let rows: Vec<Value> = options.page(rows.iter()).into_iter().map(show).collect();
            return Ok(said(200, &json!({ "d": { "results": rows } })));
        };
        let key = literal(key.strip_suffix(')').unwrap_or_default())
            .ok_or_else(|| bad("Malformed key predicate"))?;
        let found = rows.iter().find(|row| row[key_name] == json!(key)).ok_or_else(|| missing(rest))?;
        Ok(said(200, &json!({ "d": show(found) })))
    }

    fn change(&mut self, ask: &Ask, rest: &str) -> Answered {
        if (&ask.method, rest) == (&Method::POST, "/API_BUSINESS_PARTNER/A_BusinessPartner") {
            return self.partner(ask);
        }
        let service = rest.strip_prefix("/API_SALES_ORDER_SRV/").ok_or_else(|| missing(rest))?;
        if (&ask.method, service) == (&Method::POST, "A_SalesOrder") {
            let sent = sent(ask, ORDER, Some("to_Item"))?;
            let made = self.insert(sent)?;
            return Ok(said(201, &json!({ "d": made })));
        }
        if let Some(keys) = service.strip_prefix("A_SalesOrderItem(").and_then(|rest| rest.strip_suffix(')'))
        {
            let (order, item) = keys
                .strip_prefix("SalesOrder=")
                .and_then(|keys| keys.split_once(",SalesOrderItem="))
                .ok_or_else(|| bad("Malformed key predicate"))?;
            let (order, item) =
                literal(order).zip(literal(item)).ok_or_else(|| bad("Malformed key predicate"))?;
            return self.item(ask, &order, &item);
        }
        let inner = service.strip_prefix("A_SalesOrder(").ok_or_else(|| missing(rest))?;
        let (key, way) = inner.split_once(')').ok_or_else(|| bad("Malformed key predicate"))?;
        let key = literal(key).ok_or_else(|| bad("Malformed key predicate"))?;
        let at = self.place(&key)?;
        match (&ask.method, way) {
            (&Method::POST, "/to_Item") => {
                let sent = sent(ask, ITEM, None)?;
                let made = self.add(at, sent)?;
                self.touch(at);
                Ok(said(201, &json!({ "d": made })))
            }
            (&Method::PATCH, "") => {
                self.guard(ask, at)?;
                let sent = sent(ask, ORDER, None)?;
                self.orders[at].extend(sent);
                self.touch(at);
                Ok(nothing(204))
            }
            (&Method::DELETE, "") => {
                self.guard(ask, at)?;
                self.orders.remove(at);
                Ok(nothing(204))
            }
            _ => Err(Refusal(405, "005056A509B11EE1B9A8FEC11C21578E", "Method not allowed".into())),
        }
    }

    /// A new partner with its addresses and roles, by which it is a customer.
    fn partner(&mut self, ask: &Ask) -> Answered {
        let Some(Value::Object(mut sent)) = ask.json() else { return Err(bad("No payload")) };
        let mut inner = |way: &str| sent.remove(way).map_or(json!([]), |mut list| list["results"].take());
        let (mut addresses, roles) = (inner("to_BusinessPartnerAddress"), inner("to_BusinessPartnerRole"));
        let grouping = sent.remove("BusinessPartnerGrouping");
        let sent = fits(&sent, PARTNER)?;
        let name = sent.get("OrganizationBPName1").cloned().unwrap_or_default();
        if sent.get("BusinessPartnerCategory") != Some(&json!("2")) || !name.is_string() {
            return Err(Refusal(400, "R11/113", "Enter a name of the organization".into()));
        }
        if grouping.is_none() || roles != json!([{ "BusinessPartnerRole": "FLCU01" }]) {
            return Err(Refusal(400, "R1/131", "Enter a grouping and a role".into()));
        }
        let number = format!("{}", 17_100_000 + self.partners.len());
        let mut partner = sent;
        for (field, kind) in PARTNER {
            partner.entry(*field).or_insert(if *kind == Type::Flag { json!(false) } else { json!("") });
        }
        partner.insert("BusinessPartner".into(), number.clone().into());
        partner.insert("BusinessPartnerFullName".into(), name);
        partner.insert("Customer".into(), number.into());
        for (n, address) in addresses.as_array_mut().unwrap().iter_mut().enumerate() {
            let address = address.as_object_mut().unwrap();
            address.insert("AddressID".into(), format!("new{n}").into());
            for field in ["StreetName", "HouseNumber", "CityName", "PostalCode", "Region", "Country"] {
                address.entry(field).or_insert(json!(""));
            }
            for way in ["to_EmailAddress", "to_PhoneNumber", "to_MobilePhoneNumber"] {
                address.insert(way.into(), json!({ "results": [] }));
            }
        }
        partner.insert("to_BusinessPartnerAddress".into(), json!({ "results": addresses }));
        partner.insert("to_BusinessPartnerTax".into(), json!({ "results": [] }));
        self.partners.push(partner.clone());
        // What hangs on the addresses is no part of the answer.
        let mut options = Options::default();
        options.expand.push("to_BusinessPartnerAddress".into());
        let shown = behind(&partner, "to_BusinessPartnerAddress", WAYS_OF_PARTNER, &options);
        partner.insert("to_BusinessPartnerAddress".into(), shown);
        Ok(said(201, &json!({ "d": partner })))
    }

    fn place(&self, key: &str) -> Result<usize, Refusal> {
        self.orders.iter().position(|order| order["SalesOrder"] == json!(key)).ok_or_else(|| missing(key))
    }

    fn guard(&mut self, ask: &Ask, at: usize) -> Result<(), Refusal> {
        if std::mem::take(&mut self.races) {
            self.orders[at].insert("ShippingCondition".into(), "02".into());
            self.touch(at);
        }
        match ask.header("if-match") {
            None => Err(Refusal(428, "/IWBEP/CM_MGW_RT/103", "Precondition required".into())),
            Some(version) if self.orders[at]["__metadata"]["etag"] == version => Ok(()),
            Some(_) => Err(Refusal(412, "/IWBEP/CM_MGW_RT/104", "Precondition failed".into())),
        }
    }

    fn touch(&mut self, at: usize) {
        self.tick();
        let (moment, clock) = (self.moment(), self.clock);
        let order = &mut self.orders[at];
        let total: f64 = order["to_Item"]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| amount(&item["NetAmount"]))
            .sum();
        order.insert("TotalNetAmount".into(), format!("{total:.2}").into());
        order.insert("LastChangeDateTime".into(), moment.into());
        let etag = format!("W/\"datetimeoffset'{clock}'\"");
        order.insert(
            "__metadata".into(),
            json!({ "type": "API_SALES_ORDER_SRV.A_SalesOrderType", "etag": etag }),
        );
    }

    fn insert(&mut self, mut order: Row) -> Result<Row, Refusal> {
        for name in ["SalesOrderType", "SalesOrganization", "DistributionChannel", "OrganizationDivision"] {
            if !order.contains_key(name) {
                return Err(Refusal(400, "V1/045", format!("Enter {name}")));
            }
        }
        let buyer = order.get("SoldToParty").cloned().unwrap_or_default();
        if !self.partners.iter().any(|partner| partner["BusinessPartner"] == buyer) {
            return Err(Refusal(400, "VP/201", format!("Sold-to party {buyer} not maintained")));
        }
        let items = match order.remove("to_Item") {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(mut items) => {
                items["results"].take().as_array().ok_or_else(|| bad("to_Item is a collection"))?.clone()
            }
        };
        self.next += 1;
        order.insert("SalesOrder".into(), format!("{}", self.next).into());
        for (name, kind) in ORDER {
            let nothing = if *kind == Type::Text { json!("") } else { Value::Null };
            order.entry(*name).or_insert(nothing);
        }
        for name in ["OverallSDProcessStatus", "OverallTotalDeliveryStatus", "OverallSDDocumentRejectionSts"]
        {
            order.insert(name.into(), "A".into());
        }
        order.insert("ShippingCondition".into(), "01".into());
        order.insert("to_Item".into(), json!({ "results": [] }));
        self.orders.push(order);
        let at = self.orders.len() - 1;
        for item in items {
            if let Err(refusal) = item
                .as_object()
                .cloned()
                .ok_or_else(|| bad("An item is an object"))
                .and_then(|item| fits(&item, ITEM))
                .and_then(|item| self.add(at, item))
            {
                self.orders.pop();
                return Err(refusal);
            }
        }
        self.touch(at);
        Ok(self.orders[at].clone())
    }

    fn add(&mut self, at: usize, mut item: Row) -> Result<Row, Refusal> {
        let material = item.get("Material").cloned().unwrap_or_default();
        let known = self.products.iter().position(|product| product["Product"] == material);
        let number =
            known.ok_or_else(|| Refusal(400, "V1/302", format!("Material {material} is not defined")))?;
        let order = &mut self.orders[at];
        let items = order["to_Item"]["results"].as_array_mut().unwrap();
        let last =
            items.last().map_or(0, |item| item["SalesOrderItem"].as_str().unwrap().parse::<usize>().unwrap());
        item.insert("SalesOrderItem".into(), format!("{}", last + 10).into());
        item.entry("SalesOrderItemText").or_insert(format!("Good {number}").into());
        item.entry("RequestedQuantity").or_insert("1".into());
        item.entry("RequestedQuantityUnit").or_insert("PC".into());
        let item = priced(item, number);
        items.push(Value::Object(item.clone()));
        Ok(item)
    }

    fn item(&mut self, ask: &Ask, order: &str, item: &str) -> Answered {
        let at = self.place(order)?;
        let is_it = |one: &Value| one["SalesOrderItem"] == json!(item);
        let items = self.orders[at]["to_Item"]["results"].as_array_mut().unwrap();
        let place = items.iter().position(is_it).ok_or_else(|| missing(item))?;
        match ask.method {
            Method::DELETE => drop(items.remove(place)),
            Method::PATCH => {
                let sent = sent(ask, ITEM, None)?;
                let mut changed = items[place].as_object().unwrap().clone();
                changed.extend(sent);
                let number =
                    self.products.iter().position(|product| product["Product"] == changed["Material"]);
                let number =
                    number.ok_or_else(|| Refusal(400, "V1/302", "Material is not defined".into()))?;
                items[place] = Value::Object(priced(changed, number));
            }
            _ => return Err(Refusal(405, "005056A509B11EE1B9A8FEC11C21578E", "Method not allowed".into())),
        }
        self.touch(at);
        Ok(nothing(204))
    }
}

fn amount(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// The system's own price.
fn priced(mut item: Row, product: usize) -> Row {
    let price = 5.0 + product as f64 / 4.0;
    let net = amount(&item["RequestedQuantity"]) * price;
    item.insert("NetAmount".into(), format!("{net:.2}").into());
    item
}

/// A key's text literal.
fn literal(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| plain.replace('\u{0}', "'"))
}

fn sent(ask: &Ask, properties: Properties, way: Option<&str>) -> Result<Row, Refusal> {
    let Some(Value::Object(mut sent)) = ask.json() else { return Err(bad("Malformed JSON")) };
    let inner = way.and_then(|way| sent.remove(way).map(|inner| (way, inner)));
    let mut sent = fits(&sent, properties)?;
    sent.extend(inner.map(|(way, inner)| (way.to_owned(), inner)));
    Ok(sent)
}

/// What is sent, where each value is of its property's type and none is the system's own.
fn fits(sent: &Row, properties: Properties) -> Result<Row, Refusal> {
    for (name, value) in sent {
        let known = properties.iter().find(|(known, _)| known == name);
        let (_, kind) = known.ok_or_else(|| bad(format!("Property '{name}' is invalid")))?;
        if READ_ONLY.contains(&name.as_str()) {
            return Err(bad(format!("Property '{name}' is not creatable or updatable")));
        }
        let fits = match (kind, value) {
            (Type::Text, Value::String(_)) | (Type::Date | Type::Moment, Value::Null) => true,
            (Type::Date | Type::Moment, Value::String(text)) => millis(text).is_some(),
            (Type::Decimal, Value::String(text)) => text.parse::<f64>().is_ok(),
            (Type::Flag, Value::Bool(_)) => true,
            _ => false,
        };
        if !fits {
            return Err(bad(format!("Failed to read property '{name}' at offset '0'")));
        }
    }
    Ok(sent.clone())
}
