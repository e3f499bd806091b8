//! A stand-in for an ERP that answers as the Dynamics 365 Business Central API v2.0 does (OData v4).
//!
//! Entity sets `items`, `customers`, `locations`, `salesOrders` and `salesInvoices` with their lines, under one
//! company. Lists page by `@odata.nextLink`; a change needs `If-Match`, and a stale one is a 409; a client
//! signs in by OAuth2 client credentials. Properties and query options it does not know are refused.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Response, StatusCode, header};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::{
    odata::{Options, Row},
    standin::{self, Answers, Ask},
};

/// The company every entity set stands under.
pub const COMPANY: &str = "824820a2-508c-ed11-aada-000d3a298ab3";
/// Where its entity sets begin.
pub const ROOT: &str = "/v2.0/production/api/v2.0/companies(824820a2-508c-ed11-aada-000d3a298ab3)";
/// Where a client gets its token.
pub const TOKEN_PATH: &str = "/oauth2/v2.0/token";
/// Rows of one page; the real system's pages are larger.
const PAGE: usize = 100;

const ITEM: &[&str] = &[
    "id",
    "number",
    "displayName",
    "displayName2",
    "type",
    "itemCategoryId",
    "itemCategoryCode",
    "blocked",
    "gtin",
    "inventory",
    "unitPrice",
    "priceIncludesTax",
    "unitCost",
    "taxGroupId",
    "taxGroupCode",
    "baseUnitOfMeasureId",
    "baseUnitOfMeasureCode",
    "generalProductPostingGroupId",
    "generalProductPostingGroupCode",
    "inventoryPostingGroupId",
    "inventoryPostingGroupCode",
    "lastModifiedDateTime",
];
const CUSTOMER: &[&str] = &[
    "id",
    "number",
    "displayName",
    "type",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "country",
    "postalCode",
    "phoneNumber",
    "email",
    "website",
    "taxLiable",
    "taxAreaId",
    "taxAreaDisplayName",
    "taxRegistrationNumber",
    "currencyId",
    "currencyCode",
    "paymentTermsId",
    "shipmentMethodId",
    "paymentMethodId",
    "blocked",
    "lastModifiedDateTime",
];
const LOCATION: &[&str] = &[
    "id",
    "code",
    "displayName",
    "contact",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "country",
    "postalCode",
    "phoneNumber",
    "email",
    "website",
    "lastModifiedDateTime",
];
const ORDER: &[&str] = &[
    "id",
    "number",
    "externalDocumentNumber",
    "orderDate",
    "postingDate",
    "customerId",
    "customerNumber",
    "customerName",
    "billToName",
    "billToCustomerId",
    "billToCustomerNumber",
    "shipToName",
    "shipToContact",
    "sellToAddressLine1",
    "sellToAddressLine2",
    "sellToCity",
    "sellToCountry",
    "sellToState",
    "sellToPostCode",
    "billToAddressLine1",
    "billToAddressLine2",
    "billToCity",
    "billToCountry",
    "billToState",
    "billToPostCode",
    "shipToAddressLine1",
    "shipToAddressLine2",
    "shipToCity",
    "shipToCountry",
    "shipToState",
    "shipToPostCode",
    "shortcutDimension1Code",
    "shortcutDimension2Code",
    "currencyId",
    "currencyCode",
    "pricesIncludeTax",
    "paymentTermsId",
    "shipmentMethodId",
    "salesperson",
    "partialShipping",
    "requestedDeliveryDate",
    "discountAmount",
    "discountAppliedBeforeTax",
    "totalAmountExcludingTax",
    "totalTaxAmount",
    "totalAmountIncludingTax",
    "fullyShipped",
    "status",
    "lastModifiedDateTime",
    "phoneNumber",
    "email",
];
const INVOICE: &[&str] = &[
    "id",
    "number",
    "externalDocumentNumber",
    "invoiceDate",
    "postingDate",
    "dueDate",
    "customerPurchaseOrderReference",
    "customerId",
    "customerNumber",
    "customerName",
    "billToName",
    "billToCustomerId",
    "billToCustomerNumber",
    "billToAddressLine1",
    "billToAddressLine2",
    "billToCity",
    "billToCountry",
    "billToState",
    "billToPostCode",
    "currencyId",
    "currencyCode",
    "orderId",
    "orderNumber",
    "paymentTermsId",
    "shipmentMethodId",
    "salesperson",
    "pricesIncludeTax",
    "remainingAmount",
    "discountAmount",
    "discountAppliedBeforeTax",
    "totalAmountExcludingTax",
    "totalTaxAmount",
    "totalAmountIncludingTax",
    "status",
    "lastModifiedDateTime",
    "phoneNumber",
    "email",
];
const LINE: &[&str] = &[
    "id",
    "documentId",
    "sequence",
    "itemId",
    "accountId",
    "lineType",
    "lineObjectNumber",
    "description",
    "description2",
    "unitOfMeasureId",
    "unitOfMeasureCode",
    "quantity",
    "unitPrice",
    "discountAmount",
    "discountPercent",
    "discountAppliedBeforeTax",
    "amountExcludingTax",
    "taxCode",
    "taxPercent",
    "totalTaxAmount",
    "amountIncludingTax",
    "invoiceDiscountAllocation",
    "netAmount",
    "netTaxAmount",
    "netAmountIncludingTax",
    "shipmentDate",
    "shippedQuantity",
    "invoicedQuantity",
    "invoiceQuantity",
    "shipQuantity",
    "itemVariantId",
    "locationId",
];
/// Computed by the system; a client that sends them is refused.
const READ_ONLY: &[&str] = &[
    "id",
    "customerName",
    "totalAmountExcludingTax",
    "totalTaxAmount",
    "totalAmountIncludingTax",
    "fullyShipped",
    "lastModifiedDateTime",
    "inventory",
    "amountExcludingTax",
    "amountIncludingTax",
    "netAmount",
    "netTaxAmount",
    "netAmountIncludingTax",
    "totalTaxAmount",
    "remainingAmount",
    "documentId",
    "shippedQuantity",
    "invoicedQuantity",
];

/// An entity set of the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Set {
    Items,
    Customers,
    Locations,
    Orders,
    OrderLines,
    Invoices,
    InvoiceLines,
}

impl Set {
    const ALL: [Self; 7] = [
        Self::Items,
        Self::Customers,
        Self::Locations,
        Self::Orders,
        Self::OrderLines,
        Self::Invoices,
        Self::InvoiceLines,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Customers => "customers",
            Self::Locations => "locations",
            Self::Orders => "salesOrders",
            Self::OrderLines => "salesOrderLines",
            Self::Invoices => "salesInvoices",
            Self::InvoiceLines => "salesInvoiceLines",
        }
    }

    fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Items => ITEM,
            Self::Customers => CUSTOMER,
            Self::Locations => LOCATION,
            Self::Orders => ORDER,
            Self::Invoices => INVOICE,
            Self::OrderLines | Self::InvoiceLines => LINE,
        }
    }

    fn lines(self) -> Option<Self> {
        match self {
            Self::Orders => Some(Self::OrderLines),
            Self::Invoices => Some(Self::InvoiceLines),
            Self::Items | Self::Customers | Self::Locations | Self::OrderLines | Self::InvoiceLines => None,
        }
    }
}

/// The stand-in.
#[derive(Debug)]
pub struct Erp {
    client_id: String,
    client_secret: String,
    token: String,
    books: Mutex<Books>,
}

/// What the company holds.
#[derive(Debug, Default)]
pub(super) struct Books {
    rows: BTreeMap<(Set, String), Row>,
    clock: i64,
    next: u64,
}

/// The token a client gets for its secret.
pub fn token(client_id: &str, client_secret: &str) -> String {
    BASE64.encode(format!("{client_id}:{client_secret}:access").as_bytes())
}

/// A refusal in the system's own words.
struct Refusal(StatusCode, &'static str, String);

type Answered = Result<Response<Bytes>, Refusal>;

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "BadRequest", message.into())
}

fn not_found() -> Refusal {
    Refusal(
        StatusCode::NOT_FOUND,
        "BadRequest_ResourceNotFound",
        "Resource not found for the segment requested.".into(),
    )
}

impl Erp {
    /// An ERP that knows one client and holds what `fill` puts into it.
    pub(super) fn new(client_id: &str, client_secret: &str, fill: impl FnOnce(&mut Books)) -> Arc<Self> {
        let mut books = Books { clock: 1_767_225_600_000, ..Books::default() };
        fill(&mut books);
        let token = token(client_id, client_secret);
        Arc::new(Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            token,
            books: Mutex::new(books),
        })
    }

    fn route(&self, ask: &Ask) -> Answered {
        if ask.path == TOKEN_PATH && ask.method == Method::POST {
            return self.sign_in(ask);
        }
        if ask.header("authorization") != Some(&format!("Bearer {}", self.token)) {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                "Authentication_InvalidCredentials",
                "The server has rejected the client credentials.".into(),
            ));
        }
        let path = standin::decode(&ask.path);
        let path = path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or_else(not_found)?;
        let mut books = self.books.lock();
        match Target::read(path).ok_or_else(not_found)? {
            Target::Set(set) if ask.method == Method::GET => books.list(set, None, ask),
            Target::Set(set) if ask.method == Method::POST => books.create(set, None, ask),
            Target::One(set, id) if ask.method == Method::GET => books.read(set, id, ask),
            Target::One(set, id) if ask.method == Method::PATCH => books.update(set, id, ask),
            Target::One(set, id) if ask.method == Method::DELETE => books.delete(set, id, ask),
            Target::Lines(set, id) if ask.method == Method::GET => books.list(set, Some(id), ask),
            Target::Lines(set, id) if ask.method == Method::POST => books.create(set, Some(id), ask),
            Target::Set(_) | Target::One(..) | Target::Lines(..) => Err(Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "BadRequest_MethodNotAllowed",
                format!("'{}' requests are not allowed here.", ask.method),
            )),
        }
    }

    fn sign_in(&self, ask: &Ask) -> Answered {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
        let good = has("grant_type", "client_credentials")
            && has("client_id", &self.client_id)
            && has("client_secret", &self.client_secret);
        if !good {
            let body = json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided." });
            return Ok(standin::json(StatusCode::UNAUTHORIZED, &body));
        }
        let body = json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": self.token });
        Ok(standin::json(StatusCode::OK, &body))
    }
}

impl Answers for Erp {
    fn answer(&self, ask: &Ask) -> Response<Bytes> {
        self.route(ask).unwrap_or_else(|Refusal(status, code, message)| {
            let text = format!("{message}  CorrelationId:  7e5c4ff1-5b3c-4a2f-9d51-0c4a6b0f5f21.");
            standin::json(status, &json!({ "error": { "code": code, "message": text } }))
        })
    }
}

/// What a path names.
enum Target<'a> {
    Set(Set),
    One(Set, &'a str),
    Lines(Set, &'a str),
}

impl<'a> Target<'a> {
    fn read(path: &'a str) -> Option<Self> {
        let (first, second) =
            path.split_once('/').map_or((path, None), |(first, second)| (first, Some(second)));
        let (name, id) = match first.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
            None => (first, None),
        };
        let set = Set::ALL.into_iter().find(|set| set.name() == name)?;
        match (id, second) {
            (None, None) => Some(Self::Set(set)),
            (Some(id), None) => Some(Self::One(set, id)),
            (Some(id), Some(lines)) => {
                set.lines().filter(|set| set.name() == lines).map(|set| Self::Lines(set, id))
            }
            (None, Some(_)) => None,
        }
    }
}

impl Books {
    /// Puts a row in as it is; the stand-in adds id, time and version where they are not there.
    pub(super) fn put(&mut self, set: Set, mut row: Row) -> String {
        let id = row.get("id").and_then(Value::as_str).map_or_else(|| self.fresh_id(), str::to_owned);
        row.insert("id".into(), id.clone().into());
        self.stamp(set, &mut row);
        self.rows.insert((set, id.clone()), row);
        id
    }

    fn fresh_id(&mut self) -> String {
        self.next += 1;
        format!("{:08x}-5b1c-ef11-9f89-{:012x}", 0x1a2b_0000 + self.next, 0x000d_3a29_0000 + self.next * 7)
    }

    fn stamp(&mut self, set: Set, row: &mut Row) {
        self.clock += 61_373;
        let now = Timestamp::from_millisecond(self.clock).unwrap_or(Timestamp::UNIX_EPOCH);
        if set.properties().contains(&"lastModifiedDateTime") {
            row.insert("lastModifiedDateTime".into(), format!("{now:.3}").into());
        }
        let version = BASE64.encode(format!("19;{};1;00;", self.clock).as_bytes());
        row.insert("@odata.etag".into(), format!("W/\"{version}\"").into());
    }

    /// The rows of a set, oldest first by number, or by id where there is none.
    fn of(&self, set: Set) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |((s, _), _)| *s == set).map(|(_, row)| row)
    }

    pub(super) fn find(&self, set: Set, name: &str, value: &str) -> Option<&Row> {
        self.of(set).find(|row| row.get(name).and_then(Value::as_str) == Some(value))
    }

    fn one(&self, set: Set, id: &str) -> Result<&Row, Refusal> {
        self.rows.get(&(set, id.to_lowercase())).ok_or_else(|| {
            Refusal(
                StatusCode::NOT_FOUND,
                "Internal_RecordNotFound",
                format!("The {} does not exist. Identification fields and values: Id='{id}'", set.name()),
            )
        })
    }

    fn list(&self, set: Set, document: Option<&str>, ask: &Ask) -> Answered {
        let pairs = ask.pairs();
        let options = Options::read(&pairs, set.properties()).map_err(bad_request)?;
        let inside = |row: &&Row| {
            document.is_none_or(|id| row.get("documentId").and_then(Value::as_str) == Some(id))
                && options.holds(row)
        };
        let mut rows: Vec<&Row> = self.of(set).filter(inside).collect();
        options.sort(&mut rows);
        let total = rows.len();
        let wanted = options.top.unwrap_or(usize::MAX).min(PAGE);
        let page: Vec<Value> = rows
            .into_iter()
            .skip(options.skip)
            .take(wanted)
            .map(|row| self.shown(set, row, &options))
            .collect::<Result<_, _>>()?;
        let next = options.skip + page.len();
        let mut body = Map::new();
        body.insert("@odata.context".into(), format!("{ROOT}/$metadata#{}", set.name()).into());
        if options.count {
            body.insert("@odata.count".into(), total.into());
        }
        let left = options.top.map_or(total, |top| total.min(options.skip + top)).saturating_sub(next);
        body.insert("value".into(), page.into());
        if left > 0 {
            let top = options.top.map(|top| top - PAGE);
            body.insert("@odata.nextLink".into(), next_link(ask, &pairs, next, top).into());
        }
        Ok(standin::json(StatusCode::OK, &body.into()))
    }

    fn read(&self, set: Set, id: &str, ask: &Ask) -> Answered {
        let options = Options::read(&ask.pairs(), set.properties()).map_err(bad_request)?;
        if options.filter.is_some() || options.top.is_some() || options.count || !options.order.is_empty() {
            return Err(bad_request("Only $select and $expand may be used on a single entity."));
        }
        let shown = self.shown(set, self.one(set, id)?, &options)?;
        Ok(with_etag(standin::json(StatusCode::OK, &shown), &shown))
    }

    /// A row as asked for: selected properties, its version, its lines where expanded.
    fn shown(&self, set: Set, row: &Row, options: &Options) -> Result<Value, Refusal> {
        let mut out = Map::new();
        if let Some(etag) = row.get("@odata.etag") {
            out.insert("@odata.etag".into(), etag.clone());
        }
        for name in set.properties() {
            let wanted = options.select.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
            if let Some(value) = row.get(*name).filter(|_| wanted) {
                out.insert((*name).into(), value.clone());
            }
        }
        for name in &options.expand {
            let lines = set
                .lines()
                .filter(|set| set.name() == name)
                .ok_or_else(|| bad_request(format!("Could not find a property named '{name}' to expand.")))?;
            out.insert(name.clone(), self.lines_of(lines, row).into());
        }
        Ok(out.into())
    }

    fn lines_of(&self, set: Set, document: &Row) -> Vec<Value> {
        let mut lines: Vec<&Row> =
            self.of(set).filter(|line| line.get("documentId") == document.get("id")).collect();
        lines.sort_by_key(|line| line.get("sequence").and_then(Value::as_u64));
        lines.into_iter().cloned().map(Value::Object).collect()
    }

    fn create(&mut self, set: Set, document: Option<&str>, ask: &Ask) -> Answered {
        let mut row = sent(ask)?;
        let lines = set.lines().and_then(|lines| row.remove(lines.name()).map(|rows| (lines, rows)));
        refuse_unknown(set, &row)?;
        let row = match document {
            Some(document) => self.line(set, document, row)?,
            None => self.complete(set, row)?,
        };
        let id = self.put(set, row);
        if let Some((lines, rows)) = lines
            && let Err(refusal) = self.create_lines(lines, &id, &rows)
        {
            self.remove(set, &id);
            return Err(refusal);
        }
        self.sum(set, &id);
        let options = Options {
            expand: set.lines().map(|l| l.name().to_owned()).into_iter().collect(),
            ..Options::default()
        };
        let shown = self.shown(set, self.one(set, &id)?, &options)?;
        Ok(with_etag(standin::json(StatusCode::CREATED, &shown), &shown))
    }

    fn create_lines(&mut self, set: Set, document: &str, rows: &Value) -> Result<(), Refusal> {
        let rows = rows.as_array().ok_or_else(|| bad_request("The lines must be a collection."))?;
        for row in rows {
            let row = row.as_object().ok_or_else(|| bad_request("A line must be an object."))?;
            refuse_unknown(set, row)?;
            let line = self.line(set, document, row.clone())?;
            self.put(set, line);
        }
        Ok(())
    }

    /// A document or master record with what the system fills in itself.
    fn complete(&mut self, set: Set, mut row: Row) -> Result<Row, Refusal> {
        self.next += 1;
        let number = match set {
            Set::Orders => format!("S-ORD{}", 101_000 + self.next),
            Set::Invoices => format!("{}", 103_000 + self.next),
            Set::Items | Set::Customers | Set::Locations | Set::OrderLines | Set::InvoiceLines => {
                format!("N{:05}", self.next)
            }
        };
        row.entry("number").or_insert(number.into());
        match set {
            Set::Orders | Set::Invoices => self.address_to_customer(set, &mut row)?,
            Set::Items => {
                if row.get("displayName").and_then(Value::as_str).is_none_or(str::is_empty) {
                    return Err(bad_request("Display Name must have a value in Item."));
                }
                row.entry("inventory").or_insert(0.into());
            }
            Set::Customers | Set::Locations => {}
            Set::OrderLines | Set::InvoiceLines => {
                return Err(bad_request("A line can be created only under its document."));
            }
        }
        Ok(row)
    }

    fn address_to_customer(&self, set: Set, row: &mut Row) -> Result<(), Refusal> {
        let number = row.get("customerNumber").and_then(Value::as_str).unwrap_or_default();
        let customer = self.find(Set::Customers, "number", number).ok_or_else(|| {
            let text = format!("The field Customer No. of table Sales Header contains a value ({number}) that cannot be found in the related table (Customer).");
            Refusal(StatusCode::BAD_REQUEST, "Application_DialogException", text)
        })?;
        row.insert("customerId".into(), customer.get("id").cloned().unwrap_or_default());
        row.insert("customerName".into(), customer.get("displayName").cloned().unwrap_or_default());
        row.entry("currencyCode").or_insert("USD".into());
        row.entry("status").or_insert("Draft".into());
        row.entry("externalDocumentNumber").or_insert("".into());
        if set == Set::Orders {
            row.entry("orderDate").or_insert("2026-01-01".into());
            row.entry("requestedDeliveryDate").or_insert("0001-01-01".into());
            row.entry("fullyShipped").or_insert(false.into());
        }
        Ok(())
    }

    fn line(&mut self, set: Set, document: &str, mut row: Row) -> Result<Row, Refusal> {
        let header = if set == Set::OrderLines { Set::Orders } else { Set::Invoices };
        self.one(header, document)?;
        let number = row.get("lineObjectNumber").and_then(Value::as_str).unwrap_or_default().to_owned();
        let item = self.find(Set::Items, "number", &number).cloned().ok_or_else(|| {
            let text = format!("The field No. of table Sales Line contains a value ({number}) that cannot be found in the related table (Item).");
            Refusal(StatusCode::BAD_REQUEST, "Application_DialogException", text)
        })?;
        let last = self.lines_of(set, &Map::from_iter([("id".to_owned(), document.into())])).len();
        row.insert("documentId".into(), document.into());
        row.insert("sequence".into(), (10_000 * (last + 1)).into());
        row.insert("itemId".into(), item.get("id").cloned().unwrap_or_default());
        row.entry("lineType").or_insert("Item".into());
        row.entry("description").or_insert(item.get("displayName").cloned().unwrap_or_default());
        row.entry("unitOfMeasureCode")
            .or_insert(item.get("baseUnitOfMeasureCode").cloned().unwrap_or_default());
        row.entry("quantity").or_insert(1.into());
        row.entry("unitPrice").or_insert(item.get("unitPrice").cloned().unwrap_or_default());
        row.entry("discountPercent").or_insert(0.into());
        row.entry("taxPercent").or_insert(6.into());
        row.entry("shippedQuantity").or_insert(0.into());
        compute(&mut row);
        Ok(row)
    }

    /// Document totals from its lines.
    fn sum(&mut self, set: Set, id: &str) {
        let Some(lines) = set.lines() else { return };
        let Some(row) = self.rows.get(&(set, id.to_owned())) else { return };
        let lines = self.lines_of(lines, row);
        let total = |name: &str| cents(lines.iter().map(|line| number_at(line, name)).sum());
        let (net, tax) = (total("netAmount"), total("netTaxAmount"));
        if let Some(row) = self.rows.get_mut(&(set, id.to_owned())) {
            row.insert("totalAmountExcludingTax".into(), net.into());
            row.insert("totalTaxAmount".into(), tax.into());
            row.insert("totalAmountIncludingTax".into(), cents(net + tax).into());
        }
    }

    pub(super) fn settle(&mut self) {
        let documents: Vec<(Set, String)> =
            self.rows.keys().filter(|(set, _)| set.lines().is_some()).cloned().collect();
        for (set, id) in documents {
            self.sum(set, &id);
        }
    }

    pub(super) fn put_line(&mut self, set: Set, document: &str, row: Row) {
        if let Ok(line) = self.line(set, document, row) {
            self.put(set, line);
        }
    }

    fn update(&mut self, set: Set, id: &str, ask: &Ask) -> Answered {
        self.guard(set, id, ask)?;
        let changes = sent(ask)?;
        refuse_unknown(set, &changes)?;
        if set == Set::Orders && changes.contains_key("customerNumber") {
            let mut probe = changes.clone();
            self.address_to_customer(set, &mut probe)?;
        }
        let mut row = self.one(set, id)?.clone();
        row.extend(changes);
        if matches!(set, Set::OrderLines | Set::InvoiceLines) {
            compute(&mut row);
        }
        self.stamp(set, &mut row);
        let document = row.get("documentId").and_then(Value::as_str).map(str::to_owned);
        self.rows.insert((set, id.to_lowercase()), row);
        if let Some(document) = document {
            self.sum(if set == Set::OrderLines { Set::Orders } else { Set::Invoices }, &document);
        }
        let shown = self.shown(set, self.one(set, id)?, &Options::default())?;
        Ok(with_etag(standin::json(StatusCode::OK, &shown), &shown))
    }

    fn delete(&mut self, set: Set, id: &str, ask: &Ask) -> Answered {
        self.guard(set, id, ask)?;
        self.remove(set, id);
        Ok(standin::empty(StatusCode::NO_CONTENT))
    }

    fn remove(&mut self, set: Set, id: &str) {
        self.rows.remove(&(set, id.to_lowercase()));
        if let Some(lines) = set.lines() {
            self.rows.retain(|(s, _), row| {
                *s != lines || row.get("documentId").and_then(Value::as_str) != Some(id)
            });
        }
    }

    /// A change names the version it is about.
    fn guard(&self, set: Set, id: &str, ask: &Ask) -> Result<(), Refusal> {
        let etag = self.one(set, id)?.get("@odata.etag").and_then(Value::as_str).unwrap_or_default();
        match ask.header("if-match") {
            None => Err(bad_request("The If-Match header must be specified for this operation.")),
            Some("*") => Ok(()),
            Some(sent) if sent == etag => Ok(()),
            Some(_) => Err(Refusal(
                StatusCode::CONFLICT,
                "Request_EntityChanged",
                "Another user has already changed the record.".into(),
            )),
        }
    }
}

fn next_link(ask: &Ask, pairs: &[(String, String)], skip: usize, top: Option<usize>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if !matches!(name.as_str(), "$skip" | "$skiptoken" | "$top") {
            query.append_pair(name, value);
        }
    }
    if let Some(top) = top {
        query.append_pair("$top", &top.to_string());
    }
    query.append_pair("$skiptoken", &skip.to_string());
    let host = ask.header("host").unwrap_or("localhost");
    format!("http://{host}{}?{}", ask.path, query.finish())
}

fn with_etag(mut response: Response<Bytes>, row: &Value) -> Response<Bytes> {
    let etag = row.get("@odata.etag").and_then(Value::as_str).and_then(|text| text.parse().ok());
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn sent(ask: &Ask) -> Result<Row, Refusal> {
    match ask.json() {
        Some(Value::Object(row)) => Ok(row),
        Some(_) | None => Err(bad_request("Cannot read the request body as a JSON object.")),
    }
}

fn refuse_unknown(set: Set, row: &Row) -> Result<(), Refusal> {
    for name in row.keys() {
        if !set.properties().contains(&name.as_str()) {
            let text = format!(
                "The property '{name}' does not exist on type 'Microsoft.NAV.{}'. Make sure to only use property names that are defined by the type.",
                set.name()
            );
            return Err(bad_request(text));
        }
        if READ_ONLY.contains(&name.as_str()) {
            return Err(bad_request(format!("Control '{name}' is read-only.")));
        }
    }
    Ok(())
}

fn number_at(row: &Value, name: &str) -> f64 {
    row.get(name).and_then(Value::as_f64).unwrap_or_default()
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// What the system computes on a line.
fn compute(row: &mut Row) {
    let at = |name: &str| row.get(name).and_then(Value::as_f64).unwrap_or_default();
    let net = cents(at("quantity") * at("unitPrice") * (1.0 - at("discountPercent") / 100.0));
    let tax = cents(net * at("taxPercent") / 100.0);
    for name in ["amountExcludingTax", "netAmount"] {
        row.insert(name.into(), net.into());
    }
    for name in ["totalTaxAmount", "netTaxAmount"] {
        row.insert(name.into(), tax.into());
    }
    for name in ["amountIncludingTax", "netAmountIncludingTax"] {
        row.insert(name.into(), cents(net + tax).into());
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::demo::seed;

    struct Client(Arc<Erp>);

    impl Client {
        fn ask(
            &self,
            method: Method,
            target: &str,
            headers: &[(&'static str, &str)],
            body: &str,
        ) -> (u16, Value) {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut all = HeaderMap::new();
            all.insert("authorization", format!("Bearer {}", self.0.token).parse().unwrap());
            all.insert("host", "erp.test".parse().unwrap());
            for (name, value) in headers {
                all.insert(*name, value.parse().unwrap());
            }
            let path = if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}/{path}") };
            let ask =
                Ask { method, path, query: query.to_owned(), headers: all, body: body.to_owned().into() };
            let answer = self.0.answer(&ask);
            (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
        }

        fn get(&self, target: &str) -> (u16, Value) {
            self.ask(Method::GET, target, &[], "")
        }
    }

    fn erp() -> Client {
        Client(seed::erp("gate", "s3cret"))
    }

    #[test]
    fn lists_page_to_their_end_by_next_links() {
        let erp = erp();
        let mut target = "salesOrders?$filter=customerNumber%20eq%20'20000'&$select=number".to_owned();
        let mut seen = 0;
        loop {
            let (status, body) = erp.get(&target);
            assert_eq!(status, 200, "{body}");
            seen += body["value"].as_array().unwrap().len();
            match body["@odata.nextLink"].as_str() {
                Some(link) => target = link.strip_prefix("http://erp.test").unwrap().to_owned(),
                None => break,
            }
        }
        assert!(seen >= seed::ORDERS / 5, "{seen}");
        assert_eq!(erp.get("salesOrders?$count=true").1["@odata.count"], seed::ORDERS);
    }

    #[test]
    fn a_change_needs_the_version_it_is_about() {
        let erp = erp();
        let order = erp.get("salesOrders?$top=1").1["value"][0].clone();
        let one = format!("salesOrders({})", order["id"].as_str().unwrap());
        let body = r#"{"externalDocumentNumber":"PO-1"}"#;
        assert_eq!(erp.ask(Method::PATCH, &one, &[], body).0, 400);
        assert_eq!(erp.ask(Method::PATCH, &one, &[("if-match", "W/\"x\"")], body).0, 409);
        let etag = order["@odata.etag"].as_str().unwrap();
        let (status, changed) = erp.ask(Method::PATCH, &one, &[("if-match", etag)], body);
        assert_eq!((status, changed["externalDocumentNumber"].as_str()), (200, Some("PO-1")));
        assert_ne!(changed["@odata.etag"], order["@odata.etag"]);
    }

    #[test]
    fn an_order_is_created_with_its_lines_and_summed() {
        let erp = erp();
        let body = r#"{"customerNumber":"20000","salesOrderLines":[{"lineType":"Item","lineObjectNumber":"1001","quantity":2,"unitPrice":10.5,"taxPercent":23}]}"#;
        let (status, order) = erp.ask(Method::POST, "salesOrders", &[], body);
        assert_eq!(status, 201, "{order}");
        assert_eq!(order["totalAmountExcludingTax"], 21.0);
        assert_eq!(order["totalTaxAmount"], 4.83);
        assert_eq!(order["salesOrderLines"][0]["sequence"], 10_000);
        let unknown = body.replace("1001", "nothing");
        let before = erp.get("salesOrders?$count=true").1["@odata.count"].clone();
        assert_eq!(erp.ask(Method::POST, "salesOrders", &[], &unknown).0, 400);
        assert_eq!(erp.get("salesOrders?$count=true").1["@odata.count"], before);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        let erp = erp();
        for target in
            ["salesOrders?$filter=nope%20eq%201", "salesOrders?$apply=x", "salesOrders?$expand=customer"]
        {
            assert_eq!(erp.get(target).0, 400, "{target}");
        }
        assert_eq!(erp.get("nothing").0, 404);
        assert_eq!(erp.ask(Method::POST, "items", &[], r#"{"displayName":"x","colour":"red"}"#).0, 400);
        assert_eq!(erp.ask(Method::GET, "items", &[("authorization", "Bearer x")], "").0, 401);
        let form = "grant_type=client_credentials&client_id=gate&client_secret=s3cret";
        assert_eq!(erp.ask(Method::POST, TOKEN_PATH, &[], form).1["access_token"], erp.0.token);
        assert_eq!(erp.ask(Method::POST, TOKEN_PATH, &[], "grant_type=client_credentials").0, 401);
    }
}
