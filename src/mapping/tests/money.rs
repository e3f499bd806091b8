//! Amounts and their currencies.

use super::*;

fn tried(entity: &str, fields: &str) -> (Option<System>, String) {
    let mut file = String::from("settings: { currency: PLN }\nabsent: { any: [\"\"] }\nentities:\n");
    file.push_str(&format!("  {entity}:\n    at: /t\n    read: {{}}\n    fields:\n"));
    fields.lines().for_each(|line| file.push_str(&format!("      {line}\n")));
    let (mut found, node) = (Diagnostics::default(), tree::parse(&"x.yaml".into(), &file).unwrap());
    let system = System::load(&SystemName::from("x"), &node, &[], &shipped_schema(), &mut found);
    (system, found.to_string())
}

fn mapping(entity: &str, fields: &str) -> Arc<Mapping> {
    let (system, told) = tried(entity, fields);
    system.unwrap_or_else(|| panic!("{told}")).entity(entity).unwrap().clone()
}

/// What a native record reads as, and the fields without a currency.
fn reads(m: &Mapping, native: &str) -> (serde_json::Value, Vec<String>) {
    let inward = m.inward(&answer(200, native), &m.entity().with_currencies(&m.mapped())).unwrap();
    let path = |leaf| m.entity().leaf(leaf).unwrap().path.to_string();
    let bare = inward.findings.iter().filter(|found| found.what == What::NoCurrency);
    let bare: Vec<_> = bare.map(|found| path(found.leaf)).collect();
    assert!(bare.iter().all(|path| inward.missing.contains(m.entity().leaf_at(path).unwrap())));
    (json(m.entity(), &inward.record), bare)
}

#[test]
fn an_amount_that_no_line_gives_a_currency_does_not_load() {
    for (entity, fields, amount, place) in [
        ("Order", "tax_inclusive_total: total", "tax_inclusive_total", "x.yaml:8:28"),
        (
            "Order",
            "number: n\nlines: { each: l, fields: { net_price: p } }",
            "lines.net_price",
            "x.yaml:9:46",
        ),
        (
            "Product",
            "list_price: { net_price: { at: p, as: { scale: 2 } } }",
            "list_price.net_price",
            "x.yaml:8:32",
        ),
        ("Payment", "amount: a\nallocations: [ { amount: b } ]", "allocations.amount", "x.yaml:9:32"),
        ("Price", "net_price: { calc: a - b }", "net_price", "x.yaml:8:18"),
        ("Metric", "value: v\nunit: =currency", "value", "x.yaml:8:14"),
        ("Metric", "value: v\nunit: u", "value", "x.yaml:8:14"),
    ] {
        let (system, told) = tried(entity, fields);
        assert!(system.is_none(), "{fields}");
        let line = told.lines().find(|line| line.contains(&format!("`{amount}` is money, and no line says")));
        assert!(line.is_some_and(|line| line.starts_with(place)), "{fields}: {told}");
    }
    for (entity, fields) in [
        ("Order", "tax_inclusive_total: total\ncurrency: cur"),
        ("Order", "tax_inclusive_total: total\ncurrency: =$settings.currency"),
        ("Metric", "value: v\nunit: =count"),
        ("Metric", "value: v"),
        // A line of another setting is none.
        ("Order", "tax_inclusive_total: { at: total, when: { $settings.currency: EUR } }"),
    ] {
        let (system, told) = tried(entity, fields);
        assert!(system.is_some(), "{fields}: {told}");
    }
}

#[test]
fn trap_3_an_amount_never_stands_without_its_currency() {
    let lines = "currency: cur\ntax_inclusive_total: total\nlines: { each: l, key: id, fields: { sku: sku, net_price: p } }";
    let m = mapping("Order", lines);
    let native = r#"{"id":"7","cur":"CUR","total":"5.00","l":[{"id":"1","sku":"a","p":"5.00"}]}"#;
    let (read, bare) = reads(&m, &native.replace("CUR", "EUR"));
    assert_eq!(
        (&read["tax_inclusive_total"], &read["lines"][0]["net_price"]),
        (&"5.00".into(), &"5.00".into())
    );
    assert!(bare.is_empty(), "{bare:?}");
    // Empty, not told, and no currency that there is.
    for native in [
        native.replace("CUR", ""),
        native.replace("\"cur\":\"CUR\",", ""),
        native.replace("\"CUR\"", "null"),
        native.replace("CUR", "złoty"),
    ] {
        let (read, bare) = reads(&m, &native);
        assert_eq!(read, serde_json::json!({ "id": "7", "lines": [{ "id": "1", "sku": "a" }] }), "{native}");
        assert_eq!(bare, ["lines.net_price", "tax_inclusive_total"], "{native}");
    }
    // Where the system keeps it elsewhere, or its own is meant.
    let m = mapping(
        "Order",
        &lines.replace("currency: cur", "currency: { at: cur, default: =$settings.currency }"),
    );
    let (read, bare) = reads(&m, &native.replace("CUR", ""));
    assert_eq!((&read["currency"], &read["tax_inclusive_total"]), (&"PLN".into(), &"5.00".into()));
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn an_amount_that_stands_bare_in_a_system_keeps_nobody_from_changing_something_else() {
    let text = "entities:\n  Product:\n    at: /t\n    read: {}\n    create: {}\n    update: {}\n    fields: { name: n, list_price: { net_price: p, currency: c } }\n";
    let (system, told) = load_text("x", text, "https://x.example");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Product").unwrap().clone();
    let stored = answer(200, r#"{ "id": "7", "n": "Lamp", "p": "5.00" }"#);
    let old = m.inward(&stored, &m.entity().all()).unwrap().record;
    let bare = |change: &str| {
        let mut new = old.clone();
        for (position, value) in record(&m, change).fields.iter() {
            new.fields.set(position, value.clone());
        }
        let before = Before::Told { record: &old, answer: &stored };
        let Settled { sent, held } = m.settled(before, new, &FieldSet::EMPTY);
        m.bare(&sent, &held).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
    };
    assert!(bare(r#"{ "name": "Lamp 2" }"#).is_empty());
    assert_eq!(bare(r#"{ "list_price": { "net_price": "6.00" } }"#), ["/list_price/net_price"]);
    assert!(bare(r#"{ "list_price": { "net_price": "6.00", "currency": "PLN" } }"#).is_empty());
}
