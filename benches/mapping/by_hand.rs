//! The same job as somebody would write it for these two systems alone: serde structs, one field after another.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// A struct of optional fields, which are not written where they are empty.
macro_rules! sparse {
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(Serialize)]
        $(#[$meta])*
        pub(crate) struct $name $(<$life>)? {
            $(#[serde(skip_serializing_if = "Option::is_none")] $(#[$field_meta])* $field: Option<$kind>,)*
        }
    };
}

#[derive(Deserialize)]
struct Contact {
    id: String,
    properties: Properties,
    #[serde(rename = "createdAt")]
    created_at: String,
    #[serde(rename = "updatedAt")]
    updated_at: String,
    archived: bool,
}

#[derive(Deserialize)]
struct Properties {
    firstname: Option<String>,
    lastname: Option<String>,
    email: Option<String>,
    company: Option<String>,
    vat_id: Option<String>,
    phone: Option<String>,
    mobilephone: Option<String>,
    address: Option<String>,
    city: Option<String>,
    zip: Option<String>,
    state: Option<String>,
    country: Option<String>,
    website: Option<String>,
    hs_language: Option<String>,
    lifecyclestage: Option<String>,
}

sparse! {
    /// A Customer, as far as a contact goes.
    Customer {
        id: String,
        kind: &'static str,
        name: String,
        given_name: String,
        family_name: String,
        company: String,
        vat_id: String,
        emails: Vec<Email>,
        phones: Vec<Phone>,
        addresses: Vec<Address>,
        website: String,
        language: String,
        lifecycle: &'static str,
        status: &'static str,
        created_at: Shown<Timestamp>,
        updated_at: Shown<Timestamp>,
    }
}

sparse! { Email { value: String, } }

sparse! { Phone { #[serde(rename = "type")] kind: &'static str, value: String, } }

sparse! {
    Address {
        role: &'static str,
        line1: String,
        city: String,
        post_code: String,
        subdivision: String,
        country: String,
    }
}

/// Written as it is shown.
pub(crate) struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn lifecycle(native: &str) -> &'static str {
    match native {
        "subscriber" => "subscriber",
        "lead" => "lead",
        "marketingqualifiedlead" | "salesqualifiedlead" => "qualified",
        "opportunity" => "opportunity",
        "customer" => "customer",
        _ => "other",
    }
}

/// Countries as people call them, and their codes.
const COUNTRIES: [(&str, &str); 4] =
    [("Poland", "PL"), ("Germany", "DE"), ("France", "FR"), ("Czechia", "CZ")];

fn coded(name: &str) -> Option<String> {
    COUNTRIES.iter().find(|(known, _)| *known == name).map(|(_, code)| (*code).to_owned())
}

fn named(code: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|(_, known)| *known == code).map(|(name, _)| *name)
}

/// A contact becomes a Customer.
pub(crate) fn contact_in(body: &[u8]) -> Customer {
    let Contact { id, properties: p, created_at, updated_at, archived } =
        serde_json::from_slice(body).expect("a contact");
    let (first, last) = (some(p.firstname), some(p.lastname));
    let name: Vec<_> = first.iter().chain(&last).map(String::as_str).collect();
    let phone = |kind, value| some(value).map(|value| Phone { kind: Some(kind), value: Some(value) });
    let moment = |text: &str| Some(Shown(text.parse().expect("a moment")));
    Customer {
        id: Some(id),
        kind: Some("person"),
        name: Some(name.join(" ")),
        given_name: first,
        family_name: last,
        company: some(p.company),
        vat_id: some(p.vat_id).map(|id| id.trim().to_uppercase()),
        emails: some(p.email).map(|value| vec![Email { value: Some(value) }]),
        phones: Some(phone("work", p.phone).into_iter().chain(phone("mobile", p.mobilephone)).collect()),
        addresses: Some(vec![Address {
            role: Some("contact"),
            line1: some(p.address),
            city: some(p.city),
            post_code: some(p.zip),
            subdivision: some(p.state),
            country: some(p.country).and_then(|name| coded(&name)),
        }]),
        website: some(p.website),
        language: some(p.hs_language),
        lifecycle: some(p.lifecyclestage).map(|native| lifecycle(&native)),
        status: Some(if archived { "archived" } else { "active" }),
        created_at: moment(&created_at),
        updated_at: moment(&updated_at),
    }
}

#[derive(Serialize)]
struct ContactOut<'a> {
    properties: PropertiesOut<'a>,
}

sparse! {
    PropertiesOut<'a> {
        firstname: &'a str,
        lastname: &'a str,
        company: &'a str,
        vat_id: String,
        email: &'a str,
        phone: &'a str,
        mobilephone: &'a str,
        address: &'a str,
        city: &'a str,
        zip: &'a str,
        state: &'a str,
        country: &'a str,
        website: &'a str,
        hs_language: &'a str,
        lifecyclestage: &'a str,
    }
}

/// A Customer becomes a contact.
pub(crate) fn contact_out(customer: &Customer) -> Vec<u8> {
    let phone = |kind| {
        let phone = customer.phones.iter().flatten().find(|phone| phone.kind == Some(kind));
        phone.and_then(|phone| phone.value.as_deref())
    };
    let address = customer.addresses.as_deref().and_then(<[_]>::first);
    let of = |get: fn(&Address) -> &Option<String>| address.and_then(|address| get(address).as_deref());
    let properties = PropertiesOut {
        firstname: customer.given_name.as_deref(),
        lastname: customer.family_name.as_deref(),
        company: customer.company.as_deref(),
        vat_id: customer.vat_id.as_deref().map(|id| id.trim().to_uppercase()),
        email: customer.emails.as_deref().and_then(<[_]>::first).and_then(|email| email.value.as_deref()),
        phone: phone("work"),
        mobilephone: phone("mobile"),
        address: of(|address| &address.line1),
        city: of(|address| &address.city),
        zip: of(|address| &address.post_code),
        state: of(|address| &address.subdivision),
        country: of(|address| &address.country).and_then(named),
        website: customer.website.as_deref(),
        hs_language: customer.language.as_deref(),
        lifecyclestage: customer.lifecycle.map(|word| match word {
            "qualified" => "marketingqualifiedlead",
            word => word,
        }),
    };
    serde_json::to_vec(&ContactOut { properties }).expect("a body")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SalesOrder<'a> {
    id: String,
    number: String,
    external_document_number: Option<String>,
    order_date: String,
    customer_number: String,
    customer_name: String,
    currency_code: String,
    status: String,
    fully_shipped: bool,
    prices_include_tax: bool,
    #[serde(borrow)]
    total_amount_excluding_tax: &'a RawValue,
    #[serde(borrow)]
    total_tax_amount: &'a RawValue,
    #[serde(borrow)]
    total_amount_including_tax: &'a RawValue,
    last_modified_date_time: String,
    #[serde(borrow)]
    sales_order_lines: Vec<SalesOrderLine<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SalesOrderLine<'a> {
    id: String,
    item_id: String,
    line_type: String,
    line_object_number: String,
    description: String,
    unit_of_measure_code: String,
    #[serde(borrow)]
    quantity: &'a RawValue,
    #[serde(borrow)]
    unit_price: &'a RawValue,
    #[serde(borrow)]
    discount_percent: &'a RawValue,
    #[serde(borrow)]
    net_amount: &'a RawValue,
    #[serde(borrow)]
    net_amount_including_tax: &'a RawValue,
    tax_code: String,
    #[serde(borrow)]
    tax_percent: &'a RawValue,
    #[serde(borrow)]
    net_tax_amount: &'a RawValue,
    #[serde(borrow)]
    shipped_quantity: &'a RawValue,
    #[serde(borrow)]
    invoiced_quantity: &'a RawValue,
    shipment_date: String,
}

sparse! {
    /// An Order, as far as a sales order goes.
    Order {
        id: String,
        number: String,
        customer: String,
        customer_name: String,
        buyer_reference: String,
        ordered_on: Shown<Date>,
        currency: String,
        status: &'static str,
        fulfillment_status: &'static str,
        prices_include_tax: bool,
        lines: Vec<OrderLine>,
        tax_exclusive_total: Shown<Decimal>,
        tax_total: Shown<Decimal>,
        tax_inclusive_total: Shown<Decimal>,
        updated_at: Shown<Timestamp>,
    }
}

sparse! {
    OrderLine {
        id: String,
        kind: &'static str,
        sku: String,
        product: String,
        description: String,
        quantity: Shown<Decimal>,
        unit: String,
        net_price: Shown<Decimal>,
        discount_percent: Shown<Decimal>,
        line_net_total: Shown<Decimal>,
        line_tax_inclusive_total: Shown<Decimal>,
        tax_category: String,
        tax_rate: Shown<Decimal>,
        tax_amount: Shown<Decimal>,
        shipped_quantity: Shown<Decimal>,
        invoiced_quantity: Shown<Decimal>,
        requested_on: Shown<Date>,
    }
}

const UNITS: [(&str, &str); 14] = [
    ("PCS", "H87"),
    ("EA", "EA"),
    ("SET", "SET"),
    ("BOX", "XBX"),
    ("PACK", "XPK"),
    ("PALLET", "XPX"),
    ("MIN", "MIN"),
    ("KM", "KMT"),
    ("KG", "KGM"),
    ("G", "GRM"),
    ("L", "LTR"),
    ("HOUR", "HUR"),
    ("DAY", "DAY"),
    ("M", "MTR"),
];

fn exact(raw: &RawValue) -> Option<Shown<Decimal>> {
    Some(Shown(Decimal::from_str_exact(raw.get()).expect("a decimal")))
}

fn order_line(line: SalesOrderLine<'_>) -> OrderLine {
    OrderLine {
        id: Some(line.id),
        kind: Some(match &*line.line_type {
            "Item" => "item",
            "Charge" => "charge",
            "Comment" => "text",
            _ => "other",
        }),
        sku: Some(line.line_object_number.trim().to_uppercase()),
        product: Some(line.item_id),
        description: some(Some(line.description)),
        quantity: exact(line.quantity),
        unit: UNITS
            .iter()
            .find(|(native, _)| *native == line.unit_of_measure_code)
            .map(|(_, unit)| (*unit).to_owned()),
        net_price: exact(line.unit_price),
        discount_percent: exact(line.discount_percent),
        line_net_total: exact(line.net_amount),
        line_tax_inclusive_total: exact(line.net_amount_including_tax),
        tax_category: match &*line.tax_code {
            "FURNITURE" | "LABOR" | "MATERIALS" | "SUPPLIES" | "TAXABLE" => Some("S".to_owned()),
            "NONTAXABLE" => Some("E".to_owned()),
            _ => None,
        },
        tax_rate: exact(line.tax_percent),
        tax_amount: exact(line.net_tax_amount),
        shipped_quantity: exact(line.shipped_quantity),
        invoiced_quantity: exact(line.invoiced_quantity),
        requested_on: Some(Shown(line.shipment_date.parse().expect("a day"))),
    }
}

/// A sales order becomes an Order.
pub(crate) fn order_in(body: &[u8]) -> Order {
    let order: SalesOrder<'_> = serde_json::from_slice(body).expect("an order");
    Order {
        id: Some(order.id),
        number: Some(order.number),
        customer: Some(order.customer_number),
        customer_name: Some(order.customer_name),
        buyer_reference: some(order.external_document_number),
        ordered_on: Some(Shown(order.order_date.parse().expect("a day"))),
        currency: some(Some(order.currency_code)).or_else(|| Some("USD".to_owned())),
        status: Some(match &*order.status {
            "Draft" => "draft",
            "In Review" | "Open" | "Released" => "open",
            _ => "unknown",
        }),
        fulfillment_status: Some(if order.fully_shipped { "fulfilled" } else { "unknown" }),
        prices_include_tax: Some(order.prices_include_tax),
        lines: Some(order.sales_order_lines.into_iter().map(order_line).collect()),
        tax_exclusive_total: exact(order.total_amount_excluding_tax),
        tax_total: exact(order.total_tax_amount),
        tax_inclusive_total: exact(order.total_amount_including_tax),
        updated_at: Some(Shown(order.last_modified_date_time.parse().expect("a moment"))),
    }
}

sparse! {
    #[serde(rename_all = "camelCase")]
    SalesOrderOut<'a> {
        customer_number: &'a str,
        external_document_number: &'a str,
        order_date: &'a Shown<Date>,
        currency_code: &'a str,
        prices_include_tax: bool,
        sales_order_lines: Vec<SalesOrderLineOut<'a>>,
    }
}

sparse! {
    #[serde(rename_all = "camelCase")]
    SalesOrderLineOut<'a> {
        line_type: &'static str,
        line_object_number: String,
        item_id: &'a str,
        description: &'a str,
        quantity: Box<RawValue>,
        unit_of_measure_code: &'a str,
        unit_price: Box<RawValue>,
        discount_percent: Box<RawValue>,
        tax_code: &'a str,
        shipment_date: &'a Shown<Date>,
    }
}

/// The number that a system keeps.
fn number(decimal: &Option<Shown<Decimal>>) -> Option<Box<RawValue>> {
    decimal.as_ref().map(|decimal| RawValue::from_string(decimal.0.to_string()).expect("a number"))
}

fn order_line_out(line: &OrderLine) -> SalesOrderLineOut<'_> {
    let OrderLine { kind, sku, product, description, unit, tax_category, requested_on, .. } = line;
    SalesOrderLineOut {
        line_type: kind.and_then(|kind| match kind {
            "item" => Some("Item"),
            "charge" => Some("Charge"),
            "text" => Some("Comment"),
            _ => None,
        }),
        line_object_number: sku.as_ref().map(|sku| sku.trim().to_uppercase()),
        item_id: product.as_deref(),
        description: description.as_deref(),
        quantity: number(&line.quantity),
        unit_of_measure_code: unit
            .as_deref()
            .and_then(|unit| UNITS.iter().find(|(_, known)| *known == unit).map(|(native, _)| *native)),
        unit_price: number(&line.net_price),
        discount_percent: number(&line.discount_percent),
        tax_code: tax_category
            .as_deref()
            .map(|category| if category == "S" { "TAXABLE" } else { "NONTAXABLE" }),
        shipment_date: requested_on.as_ref(),
    }
}

/// An Order becomes a sales order.
pub(crate) fn order_out(order: &Order) -> Vec<u8> {
    let out = SalesOrderOut {
        customer_number: order.customer.as_deref(),
        external_document_number: order.buyer_reference.as_deref(),
        order_date: order.ordered_on.as_ref(),
        currency_code: order.currency.as_deref(),
        prices_include_tax: order.prices_include_tax,
        sales_order_lines: order.lines.as_ref().map(|lines| lines.iter().map(order_line_out).collect()),
    };
    serde_json::to_vec(&out).expect("a body")
}
