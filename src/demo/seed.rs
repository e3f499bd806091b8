//! What the stand-ins hold: the published samples in `seed/`, and generated records in the same shape so that
//! there is something to page through. The same on every start.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    crm::Crm,
    erp::{Books, Erp, Set},
    odata::Row,
};

/// How many contacts the CRM holds.
pub const CONTACTS: usize = 260;
/// How many companies the CRM holds: as many as contacts.
const COMPANIES: usize = CONTACTS;
/// How many orders the ERP holds.
pub const ORDERS: usize = 340;
/// How many customers the ERP holds; each has a buyer among the contacts.
const ACCOUNTS: usize = 39;
/// Terms of payment of the ERP: id, code, days.
const TERMS: [(&str, &str, u32); 3] = [
    ("04a5738a-44e3-ea11-bb43-000d3a2feca1", "14 DAYS", 14),
    ("05a5738a-44e3-ea11-bb43-000d3a2feca1", "30 DAYS", 30),
    ("06a5738a-44e3-ea11-bb43-000d3a2feca1", "60 DAYS", 60),
];
/// The ERP customer whose orders the demo's partner may see.
pub const PARTNER_CUSTOMER: &str = "20000";

const GIVEN: [&str; 12] =
    ["Ewa", "Jan", "Zofia", "Piotr", "Maja", "Tomasz", "Hanna", "Marek", "Lena", "Adam", "Julia", "Karol"];
const FAMILY: [&str; 13] = [
    "Nowak",
    "Kowalska",
    "Wiśniewski",
    "Wójcik",
    "Kamińska",
    "Lewandowski",
    "Zielińska",
    "Szymański",
    "Woźniak",
    "Dąbrowska",
    "Kozłowski",
    "Jankowska",
    "O'Brien",
];
const CITIES: [(&str, &str, &str); 6] = [
    ("Warszawa", "00-001", "PL"),
    ("Kraków", "30-002", "PL"),
    ("Gdańsk", "80-003", "PL"),
    ("Berlin", "10115", "DE"),
    ("Praha", "110 00", "CZ"),
    ("Wien", "1010", "AT"),
];
const GOODS: [(&str, &str, &str); 8] = [
    ("Desk", "FURNITURE", "PCS"),
    ("Chair", "FURNITURE", "PCS"),
    ("Lamp", "LIGHTING", "PCS"),
    ("Whiteboard", "OFFICE", "PCS"),
    ("Cable", "ELECTRIC", "M"),
    ("Paper", "OFFICE", "PCS"),
    ("Paint", "CHEMICAL", "L"),
    ("Screws", "HARDWARE", "KG"),
];

/// One of a list, going round.
fn turn<T: Copy>(list: &[T], n: usize) -> Option<T> {
    list.get(n % list.len().max(1)).copied()
}

/// The CRM with its contacts.
pub fn crm(token: &str) -> Arc<Crm> {
    let companies = (0..COMPANIES).map(company).collect();
    Crm::with_companies(token, (0..CONTACTS).map(contact).collect(), companies)
}

fn company(n: usize) -> Vec<(&'static str, String)> {
    let (city, zip, country) = turn(&CITIES, n).unwrap_or_default();
    let name = turn(&["Hurtownia", "Sklep", "O'Brien & Sons", "Fabryka \"Nowa\""], n).unwrap_or_default();
    let mut out = vec![
        ("name", format!("{name} {n}")),
        ("domain", format!("firma{n}.example")),
        ("website", format!("https://firma{n}.example")),
        ("address", format!("ul. Składowa {}", n + 1)),
        ("city", city.to_owned()),
        ("zip", zip.to_owned()),
        ("country", country.to_owned()),
        ("lifecyclestage", "customer".to_owned()),
        ("industry", "WHOLESALE".to_owned()),
    ];
    if !n.is_multiple_of(3) {
        out.push(("phone", format!("+48 22 666 {n:04}")));
    }
    out
}

fn contact(n: usize) -> Vec<(&'static str, String)> {
    let given = turn(&GIVEN, n).unwrap_or_default();
    let family = turn(&FAMILY, n / 3 + n).unwrap_or_default();
    let (city, zip, country) = turn(&CITIES, n).unwrap_or_default();
    let ascii: String =
        format!("{given}.{family}").chars().filter(|c| c.is_ascii_alphabetic() || *c == '.').collect();
    let mut out = vec![
        ("firstname", given.to_owned()),
        ("lastname", family.to_owned()),
        ("email", format!("{}{n}@example.com", ascii.to_lowercase())),
        ("city", city.to_owned()),
        ("zip", zip.to_owned()),
        ("country", country.to_owned()),
        ("address", format!("ul. Długa {}", n + 1)),
        ("lifecyclestage", if n.is_multiple_of(4) { "lead" } else { "customer" }.to_owned()),
    ];
    if !n.is_multiple_of(3) {
        out.push(("phone", format!("+48 22 555 {:04}", n)));
    }
    if (2..=ACCOUNTS).contains(&n) {
        out.push(("company", wholesaler(n)));
    } else if n.is_multiple_of(5) {
        out.push(("company", format!("Firma {n} sp. z o.o.")));
    }
    out
}

/// The ERP with its company's books.
pub fn erp(client_id: &str, client_secret: &str) -> Arc<Erp> {
    Erp::new(client_id, client_secret, |books| {
        masters(books);
        orders(books);
        invoices(books);
        shipments(books);
        books.settle();
    })
}

fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Row::new(),
    }
}

/// A published sample; the files stand beside this one and are read at build time.
fn sample(text: &str) -> Row {
    row(serde_json::from_str(text).unwrap_or_default())
}

fn masters(books: &mut Books) {
    books.put(Set::Items, sample(include_str!("seed/item.create.response.json")));
    books.put(Set::Customers, sample(include_str!("seed/customer.get.json")));
    books.put(Set::Locations, sample(include_str!("seed/location.get.json")));
    for n in 0..120 {
        let (name, category, unit) = turn(&GOODS, n).unwrap_or_default();
        let cents = 990 + 1_337 * (n as u64 % 97);
        books.put(
            Set::Items,
            row(json!({
                "number": format!("{}", 1000 + n), "displayName": format!("{name} {n}"), "displayName2": "",
                "type": if n % 20 == 19 { "Service" } else { "Inventory" }, "itemCategoryCode": category,
                "blocked": n % 31 == 30, "gtin": if n % 2 == 0 { format!("5901234{n:06}") } else { String::new() },
                "inventory": (n * 13) % 250, "unitPrice": cents as f64 / 100.0, "priceIncludesTax": false,
                "unitCost": (cents * 7 / 10) as f64 / 100.0, "taxGroupCode": if n % 20 == 19 { "LABOR" } else { "TAXABLE" },
                "baseUnitOfMeasureCode": unit, "inventoryPostingGroupCode": "RESALE",
            })),
        );
    }
    for (id, code, days) in TERMS {
        books.put(
            Set::Terms,
            row(json!({
                "id": id, "code": code, "displayName": format!("Net {days} days"),
                "dueDateCalculation": format!("{days}D"), "discountDateCalculation": "", "discountPercent": 0,
                "calculateDiscountOnCreditMemos": false,
            })),
        );
    }
    for n in 2..=ACCOUNTS {
        let (city, zip, country) = turn(&CITIES, n).unwrap_or_default();
        books.put(
            Set::Customers,
            row(json!({
                "number": format!("{}", n * 10_000), "displayName": wholesaler(n),
                "type": "Company", "addressLine1": format!("ul. Składowa {n}"), "addressLine2": "", "city": city,
                "state": "", "country": country, "postalCode": zip, "phoneNumber": "",
                "email": format!("zakupy{n}@example.com"), "taxRegistrationNumber": vat_id(n),
                "creditLimit": 2_500 * (n % 5), "paymentTermsId": turn(&TERMS, n).map(|(id, ..)| id),
                "currencyCode": "", "blocked": if n % 17 == 16 { "All" } else { " " },
            })),
        );
    }
}

/// A Polish VAT number whose check digit is right.
fn vat_id(n: usize) -> String {
    const WEIGHTS: [usize; 9] = [6, 5, 7, 2, 3, 4, 5, 6, 7];
    // A remainder of 10 is no digit: such a number is never given out.
    let numbers = (0..10).map(|last| format!("5250{n:04}{last}"));
    let mut checked = numbers.filter_map(|digits| {
        let sum: usize =
            digits.bytes().zip(WEIGHTS).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
        Some(sum % 11).filter(|check| *check < 10).map(|check| format!("PL{digits}{check}"))
    });
    checked.next().unwrap_or_default()
}

/// What the ERP's customer of that number is called.
fn wholesaler(n: usize) -> String {
    format!("Hurtownia {n} sp. z o.o.")
}

/// Contacts of the CRM that buy for a customer of the ERP: the key of each there, and here.
pub fn buyers() -> impl Iterator<Item = (String, String)> {
    (1..=ACCOUNTS).map(|n| (Crm::key(n), format!("{}", n * 10_000)))
}

fn customer(n: usize) -> String {
    // Every fifth document belongs to the demo's partner.
    if n.is_multiple_of(5) { PARTNER_CUSTOMER.to_owned() } else { format!("{}", 10_000 * (1 + n % 39)) }
}

fn document(n: usize) -> Row {
    let number = customer(n);
    row(json!({
        "externalDocumentNumber": if n.is_multiple_of(3) { format!("PO-{n:04}") } else { String::new() },
        "postingDate": day(n), "customerNumber": number,
        "currencyId": "00000000-0000-0000-0000-000000000000",
        "currencyCode": if n.is_multiple_of(7) { "EUR" } else { "" }, "pricesIncludeTax": false, "salesperson": "JO",
        "discountAmount": 0, "discountAppliedBeforeTax": true, "email": format!("zakupy{}@example.com", n % 40),
        "phoneNumber": "",
    }))
}

fn day(n: usize) -> String {
    format!("2026-{:02}-{:02}", 1 + n % 11, 1 + n % 28)
}

fn lines(books: &mut Books, set: Set, id: &str, n: usize) {
    for k in 0..=(n % 4) {
        let line = json!({
            "lineType": "Item", "lineObjectNumber": format!("{}", 1000 + (n * 7 + k * 11) % 120),
            "quantity": 1 + (n + k) % 12, "taxPercent": if n.is_multiple_of(7) { 0 } else { 23 },
            "shipmentDate": day(n + 7), "shippedQuantity": if n.is_multiple_of(6) { 1 + (n + k) % 12 } else { 0 },
        });
        books.put_line(set, id, row(line));
    }
}

fn orders(books: &mut Books) {
    for n in 0..ORDERS {
        let mut order = document(n);
        order.extend(row(json!({
            "number": format!("S-ORD{:06}", 101_001 + n), "orderDate": day(n),
            "requestedDeliveryDate": if n % 4 == 0 { "0001-01-01".to_owned() } else { day(n + 10) },
            "fullyShipped": n % 6 == 0, "status": turn(&["Draft", "Open", "Open", "In Review"], n).unwrap_or("Open"),
            "shipToName": format!("Magazyn {}", n % 9), "shipToAddressLine1": format!("ul. Portowa {n}"),
            "shipToCity": "Gdynia", "shipToCountry": "PL", "shipToPostCode": "81-001",
        })));
        name_customer(books, &mut order);
        let id = books.put(Set::Orders, order);
        lines(books, Set::OrderLines, &id, n);
    }
}

fn invoices(books: &mut Books) {
    for n in 0..150 {
        let mut invoice = document(n);
        invoice.extend(row(json!({
            "number": format!("{}", 103_001 + n), "invoiceDate": day(n), "dueDate": day(n + 14),
            "orderNumber": format!("S-ORD{:06}", 101_001 + n), "customerPurchaseOrderReference": "",
            "remainingAmount": if n % 2 == 0 { 0.0 } else { 100.5 },
            "status": turn(&["Paid", "Open", "Draft", "Canceled"], n).unwrap_or("Open"),
        })));
        name_customer(books, &mut invoice);
        let number = invoice.get("orderNumber").and_then(Value::as_str).unwrap_or_default();
        let order = books.find(Set::Orders, "number", number).and_then(|order| order.get("id").cloned());
        invoice.insert("orderId".into(), order.unwrap_or_default());
        let id = books.put(Set::Invoices, invoice);
        lines(books, Set::InvoiceLines, &id, n);
    }
}

/// What has left of the orders: of each whose lines say so and that is no draft, one shipment.
fn shipments(books: &mut Books) {
    for n in (0..ORDERS).step_by(6) {
        let number = format!("S-ORD{:06}", 101_001 + n);
        let order = books.find(Set::Orders, "number", &number).cloned();
        let Some(order) = order.filter(|order| order.get("status") != Some(&"Draft".into())) else {
            continue;
        };
        let taken =
            ["externalDocumentNumber", "customerNumber", "customerName", "currencyCode", "salesperson"];
        let place = ["shipToName", "shipToAddressLine1", "shipToCity", "shipToCountry", "shipToPostCode"];
        let of_order = taken.iter().chain(&place).filter_map(|name| Some((*name, order.get(*name)?.clone())));
        let mut shipment: Row = of_order.map(|(name, value)| (name.to_owned(), value)).collect();
        let shipped = format!("{}", 108_001 + n / 6);
        shipment.extend(row(json!({
            "number": shipped, "orderNumber": number, "postingDate": day(n + 8), "invoiceDate": "0001-01-01",
            "dueDate": day(n + 22), "shipmentMethodCode": "EXW", "pricesIncludeTax": false,
        })));
        let id = books.put(Set::Shipments, shipment);
        for line in books.lines_of(Set::OrderLines, &order) {
            let same =
                ["sequence", "lineType", "lineObjectNumber", "description", "unitOfMeasureCode", "unitPrice"];
            let same = same.iter().filter_map(|name| Some(((*name).to_owned(), line.get(*name)?.clone())));
            let mut line_of: Row = same.collect();
            line_of.extend(row(json!({
                "documentId": id, "documentNo": shipped, "quantity": line.get("shippedQuantity"),
                "discountPercent": 0, "taxPercent": line.get("taxPercent"), "shipmentDate": day(n + 7),
            })));
            books.put(Set::ShipmentLines, line_of);
        }
    }
}

fn name_customer(books: &Books, document: &mut Row) {
    let number = document.get("customerNumber").and_then(Value::as_str).unwrap_or_default();
    if let Some(customer) = books.find(Set::Customers, "number", number) {
        let (id, name) = (customer.get("id").cloned(), customer.get("displayName").cloned());
        document.insert("customerId".into(), id.unwrap_or_default());
        document.insert("customerName".into(), name.unwrap_or_default());
    }
}
