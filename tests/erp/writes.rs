//! What is written through the gate stands in the ERP in the ERP's own shape, and what it refuses is told.

use serde_json::{Value, json};

use crate::{company::Company, gate::Gate};

/// The number of a record in the ERP, and what it holds there.
fn sale(company: &Company, reference: &str) -> (i64, Value) {
    let id = company.number("sale.sale", "reference", reference);
    let fields = [
        "party.code",
        "currency.code",
        "sale_date",
        "state",
        "invoice_address",
        "warehouse.code",
        "lines.product.code",
        "lines.quantity",
        "lines.unit.symbol",
        "lines.unit_price",
        "lines.description",
        "total_amount",
    ];
    (id, company.record("sale.sale", id, &fields))
}

fn lines(sale: &Value) -> Vec<(String, f64, String, String)> {
    let line = |line: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(line["unit_price"]["__class__"], "Decimal");
        (
            text(&line["product."]["code"]),
            line["quantity"].as_f64().unwrap(),
            text(&line["unit."]["symbol"]),
            text(&line["unit_price"]["decimal"]),
        )
    };
    let mut all: Vec<_> = sale["lines."].as_array().unwrap().iter().map(line).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn row(code: &str, quantity: f64, unit: &str, price: &str) -> (String, f64, String, String) {
    (code.to_owned(), quantity, unit.to_owned(), price.to_owned())
}

#[test]
fn a_customer_is_made_with_its_lists_and_changed() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let new = json!({
        "kind": "company", "name": "Dom \"Lamp\" Sp. z o.o.",
        "emails": [{ "value": "dom@example.com" }], "phones": [{ "value": "+48585550177" }],
        "tax_ids": [{ "scheme": "PL:NIP", "value": "526-10-40-828" }],
        "addresses": [{ "line1": "Krótka 3", "city": "Łódź", "post_code": "90-001", "country": "PL" }],
    });
    let made = gate.post("/v1/customers", &new).expect(201);
    let customer = made.json();
    assert_eq!(customer["tax_ids"], json!([{ "scheme": "PL:NIP", "value": "5261040828" }]));
    let id = company.number("party.party", "name", "Dom \"Lamp\" Sp. z o.o.");
    let fields = ["addresses.city", "addresses.country.code", "email", "phone", "identifiers.type", "name"];
    let held = company.record("party.party", id, &fields);
    assert_eq!([&held["email"], &held["phone"]], ["dom@example.com", "+48585550177"]);
    assert_eq!([&held["addresses."][0]["city"], &held["addresses."][0]["country."]["code"]], ["Łódź", "PL"]);
    assert_eq!(held["identifiers."][0]["type"], "pl_vat");

    let path = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
    let changed = gate.patch(&path, &json!({ "name": "Dom Lamp" })).expect(200).json();
    assert_eq!([&changed["name"], &changed["emails"][0]["value"]], ["Dom Lamp", "dom@example.com"]);
    assert_eq!(company.record("party.party", id, &["name"])["name"], "Dom Lamp");

    // Elements that nothing names are not changed by place.
    let refused = gate.patch(&path, &json!({ "emails": [{ "value": "x@example.com" }] })).refused(422).json();
    assert!(refused.to_string().contains("/emails"), "{refused}");
    // A code that the ERP does not have, and a number that it does not take.
    let nowhere = json!({ "kind": "company", "name": "X", "addresses": [{ "city": "X", "country": "XX" }] });
    let refused = gate.post("/v1/customers", &nowhere).refused(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/addresses/0/country", "{refused}");
    let wrong =
        json!({ "kind": "company", "name": "X", "tax_ids": [{ "scheme": "PL:NIP", "value": "1234567890" }] });
    let status = gate.post("/v1/customers", &wrong).status;
    assert!((400..500).contains(&status), "{status}");
    let params = json!([[["name", "=", "X"]], { "company": 1 }]);
    assert_eq!(company.call("model.party.party.search", &params), json!([]), "refused, and yet made");
}

#[test]
fn an_order_is_made_by_codes_and_its_lines_come_change_and_go() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let customer = gate.one("/v1/customers?number=C-2")["id"].clone();
    let line = |sku: &str, quantity: &str, unit: &str, price: &str| json!({ "sku": sku, "quantity": quantity, "unit": unit, "net_price": price });
    let new = json!({
        "customer": customer, "currency": "EUR", "buyer_reference": "PO-77", "ordered_on": "2026-11-03",
        "lines": [line("LAMP-1", "2", "H87", "19.90"), line("SAND-1", "1.5", "KGM", "0.3333")],
    });
    let order = gate.post("/v1/orders", &new).expect(201).json();
    assert_eq!([&order["currency"], &order["status"], &order["ordered_on"]], ["EUR", "draft", "2026-11-03"]);
    let (_, held) = sale(&company, "PO-77");
    assert_eq!([&held["party."]["code"], &held["currency."]["code"]], ["C-2", "EUR"]);
    assert_eq!(held["sale_date"], json!({ "__class__": "date", "year": 2026, "month": 11, "day": 3 }));
    assert_eq!(held["warehouse."]["code"], "WH");
    assert!(held["invoice_address"].is_i64(), "{held}");
    assert_eq!(lines(&held), [row("LAMP-1", 2.0, "u", "19.90"), row("SAND-1", 1.5, "kg", "0.3333")]);
    assert_eq!(order["tax_inclusive_total"], held["total_amount"]["decimal"]);

    // One line changes, one goes, one comes.
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    let lamp = order["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "LAMP-1").unwrap();
    let mut changed = line("LAMP-1", "5", "H87", "19.90");
    changed["id"] = lamp["id"].clone();
    let patch = json!({ "lines": [changed, line("HELP-1", "3", "HUR", "120")] });
    let order = gate.patch(&path, &patch).expect(200).json();
    let (_, held) = sale(&company, "PO-77");
    assert_eq!(lines(&held), [row("HELP-1", 3.0, "h", "120"), row("LAMP-1", 5.0, "u", "19.90")]);
    let after = order["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "LAMP-1").unwrap();
    assert_eq!(after["id"], lamp["id"], "the line is the same one");
    assert_eq!(gate.get(&path).expect(200).json(), order);

    // The day and the reference, and nothing else.
    gate.patch(&path, &json!({ "ordered_on": "2026-11-04" })).expect(200);
    let (_, held) = sale(&company, "PO-77");
    assert_eq!([&held["sale_date"]["day"], &json!(lines(&held).len())], [&json!(4), &json!(2)]);

    // What the ERP does not have is told with its place, and nothing is made.
    let bad = json!({
        "customer": customer, "currency": "EUR", "buyer_reference": "PO-78",
        "lines": [line("LAMP-1", "1", "H87", "1"), line("LAMP-9", "1", "H87", "1")],
    });
    let refused = gate.post("/v1/orders", &bad).refused(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/lines/1/sku", "{refused}");
    let params = json!([[["reference", "=", "PO-78"]], { "company": 1 }]);
    assert_eq!(company.call("model.sale.sale.search", &params), json!([]));
}

#[test]
fn an_order_that_was_made_in_the_erp_is_read() {
    let company = Company::open();
    let context = json!({ "company": 1, "companies": [1], "language": "en" });
    let party = company.number("party.party", "code", "C-1");
    let address = company.record("party.party", party, &["addresses"])["addresses"][0].clone();
    let price = json!({ "__class__": "Decimal", "decimal": "19.9000" });
    let line = json!({ "product": company.number("product.product", "code", "LAMP-1"), "quantity": 3, "unit": 1, "unit_price": price });
    let values = json!({
        "party": party, "reference": "OWN-1", "warehouse": 5, "invoice_address": address, "shipment_address": address,
        "sale_date": { "__class__": "date", "year": 2026, "month": 2, "day": 28 }, "lines": [["create", [line]]],
    });
    let made = company.call("model.sale.sale.create", &json!([[values], context]));
    company.call("model.sale.sale.quote", &json!([made, context]));
    company.call("model.sale.sale.confirm", &json!([made, context]));

    let gate = Gate::over(&company);
    let order = gate.one("/v1/orders?buyer_reference=OWN-1");
    assert_eq!(order["customer"], gate.one("/v1/customers?number=C-1")["id"]);
    assert_eq!(
        [&order["customer_name"], &order["status"], &order["ordered_on"]],
        ["Anna Nowak", "open", "2026-02-28"]
    );
    assert!(order["number"].is_string(), "{order}");
    let line = &order["lines"][0];
    assert_eq!([&line["sku"], &line["unit"]], ["LAMP-1", "H87"]);
    assert_eq!(line["product"], gate.one("/v1/products?sku=LAMP-1")["id"]);
    let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    assert!(
        (number(&line["quantity"]) - 3.0).abs() < 1e-9 && (number(&line["net_price"]) - 19.9).abs() < 1e-9
    );
    assert_eq!([&order["bill_to"]["city"], &order["ship_to"]["country"]], ["Kraków", "PL"]);
    assert_eq!(gate.whole("/v1/orders?ordered_on[gte]=2026-02-28&ordered_on[lt]=2026-03-01").len(), 1);
    assert_eq!(gate.whole("/v1/orders?status=draft").len(), 0);
}
