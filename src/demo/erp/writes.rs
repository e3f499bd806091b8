//! How the ERP changes: what it fills in and sums up itself, what it refuses, and the versions it insists on.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Answered, Refusal, bad_request,
    books::{Books, with_etag},
    sets::{READ_ONLY, Set},
};
use crate::demo::{
    odata::{Options, Row, is_guid, is_guid_property},
    standin::{self, Ask},
};

impl Books {
    pub(super) fn create(&mut self, set: Set, document: Option<&str>, ask: &Ask) -> Answered {
        if set.is_posted() {
            return Err(posted());
        }
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
            Set::Items
            | Set::Customers
            | Set::Locations
            | Set::Terms
            | Set::OrderLines
            | Set::InvoiceLines
            | Set::Shipments
            | Set::ShipmentLines => format!("N{:05}", self.next),
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
            Set::Customers => {
                if row.get("displayName").and_then(Value::as_str).is_none_or(str::is_empty) {
                    return Err(bad_request("Display Name must have a value in Customer."));
                }
                row.entry("blocked").or_insert(" ".into());
                row.entry("creditLimit").or_insert(0.into());
            }
            Set::Locations | Set::Terms => {}
            Set::OrderLines | Set::InvoiceLines => {
                return Err(bad_request("A line can be created only under its document."));
            }
            Set::Shipments | Set::ShipmentLines => return Err(posted()),
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
        row.entry("pricesIncludeTax").or_insert(false.into());
        if set == Set::Orders {
            row.entry("orderDate").or_insert("2026-01-01".into());
            row.entry("requestedDeliveryDate").or_insert("0001-01-01".into());
            row.entry("fullyShipped").or_insert(false.into());
        }
        Ok(())
    }

    fn line(&mut self, set: Set, document: &str, mut row: Row) -> Result<Row, Refusal> {
        let header = if set == Set::OrderLines { Set::Orders } else { Set::Invoices };
        let is_gross = prices_include_tax(self.one(header, document)?);
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
        compute(&mut row, is_gross);
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

    pub(in crate::demo) fn settle(&mut self) {
        let documents: Vec<(Set, String)> =
            self.rows.keys().filter(|(set, _)| set.lines().is_some() && !set.is_posted()).cloned().collect();
        for (set, id) in documents {
            self.sum(set, &id);
        }
    }

    pub(in crate::demo) fn put_line(&mut self, set: Set, document: &str, row: Row) {
        if let Ok(line) = self.line(set, document, row) {
            self.put(set, line);
        }
    }

    pub(super) fn update(&mut self, set: Set, id: &str, ask: &Ask) -> Answered {
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
            let header = if set == Set::OrderLines { Set::Orders } else { Set::Invoices };
            let document = row.get("documentId").and_then(Value::as_str).unwrap_or_default();
            let is_gross = prices_include_tax(self.one(header, document)?);
            compute(&mut row, is_gross);
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

    pub(super) fn delete(&mut self, set: Set, id: &str, ask: &Ask) -> Answered {
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
        if set.is_posted() {
            return Err(posted());
        }
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

/// Of what was posted.
fn posted() -> Refusal {
    let text = "Entity does not support insert, modify or delete.";
    Refusal(StatusCode::BAD_REQUEST, "BadRequest_MethodNotAllowed", text.into())
}

fn sent(ask: &Ask) -> Result<Row, Refusal> {
    match ask.json() {
        Some(Value::Object(row)) => Ok(row),
        Some(_) | None => Err(bad_request("Cannot read the request body as a JSON object.")),
    }
}

fn refuse_unknown(set: Set, row: &Row) -> Result<(), Refusal> {
    for (name, value) in row {
        if is_guid_property(name) && !value.as_str().is_none_or(is_guid) {
            return Err(bad_request(format!("Cannot convert the value of '{name}' to 'Edm.Guid'.")));
        }
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

pub(super) fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn prices_include_tax(document: &Row) -> bool {
    document.get("pricesIncludeTax") == Some(&Value::Bool(true))
}

/// What the system computes on a line, of a price without tax or with it.
fn compute(row: &mut Row, is_gross: bool) {
    let at = |name: &str| row.get(name).and_then(Value::as_f64).unwrap_or_default();
    let line = cents(at("quantity") * at("unitPrice") * (1.0 - at("discountPercent") / 100.0));
    let rate = at("taxPercent") / 100.0;
    let net = if is_gross { cents(line / (1.0 + rate)) } else { line };
    let tax = if is_gross { cents(line - net) } else { cents(net * rate) };
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
