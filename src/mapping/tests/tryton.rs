//! Facts about values that travel as objects, lists that are written as commands, keys that are found by codes, and
//! versions that go along in a body: through the file of an ERP that wants all four.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{self, LeafKind, Value};

const TEXT: &str = include_str!("../../../policies/systems/catalogue/tryton.yaml");

fn tryton() -> System {
    let (system, told) = load_text("erp", TEXT, "https://erp.example.com/tryton");
    system.unwrap_or_else(|| panic!("{told}"))
}

/// What is wrong with the file once a text of it is another.
fn told(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from}");
    load_text("erp", &TEXT.replacen(from, to, 1), "https://erp.example.com/tryton").1
}

fn record(m: &Mapping, json: &Json) -> Record {
    let entity = m.entity();
    let mut record = Record::default();
    fill(entity, &entity.root, json, &mut record.fields);
    record
}

/// Any record, what callers may not write included.
fn fill(entity: &Entity, object: &schema::Object, json: &Json, into: &mut schema::Fields) {
    for (name, json) in json.as_object().unwrap() {
        let (position, field) = object.field(name).unwrap();
        into.set(position, value(entity, &field.shape, json));
    }
}

fn value(entity: &Entity, shape: &schema::Shape, json: &Json) -> Value {
    match shape {
        schema::Shape::Leaf(leaf) => {
            schema::value::parse_text(&entity.leaf(*leaf).unwrap().kind, json.as_str().unwrap()).unwrap()
        }
        schema::Shape::Object(object) => {
            let mut fields = schema::Fields::default();
            fill(entity, object, json, &mut fields);
            Value::Object(fields)
        }
        schema::Shape::List(item) => {
            Value::List(json.as_array().unwrap().iter().map(|json| value(entity, item, json)).collect())
        }
    }
}

fn body(request: &NativeRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

/// Answers each search: of these codes the system has so many records.
fn found(m: &Mapping, new: &Record, has: &[(&str, &[u32])]) -> (Found, Vec<Json>) {
    let (mut found, mut asked) = (Found::default(), Vec::new());
    for mut search in m.searches(None, new, true).unwrap() {
        let request = body(&search.request().unwrap());
        let name = match request["method"].as_str().unwrap() {
            "model.product.uom.search_read" => "symbol",
            "model.party.address.search_read" => "party",
            _ => "code",
        };
        let rows: Vec<Json> = has
            .iter()
            .flat_map(|(code, ids)| ids.iter().map(move |id| json!({ "id": id, name: code })))
            .collect();
        m.found(&search, &answer(200, &json!({ "id": 0, "result": rows }).to_string()), &mut found).unwrap();
        asked.push(request["params"][0].clone());
    }
    (found, asked)
}

fn order(m: &Mapping, lines: Json) -> Record {
    record(m, &json!({ "customer": "2", "currency": "PLN", "ordered_on": "2026-11-03", "lines": lines }))
}

#[test]
fn the_file_holds_its_samples() {
    let found = tryton().check();
    assert!(found.0.is_empty(), "{found}");
}

#[test]
fn a_new_record_says_keys_for_codes_and_lists_as_commands() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let line =
        |sku: &str, price: &str| json!({ "sku": sku, "quantity": "1.50", "unit": "H87", "net_price": price });
    let new = order(m, json!([line("A", "1.10"), line("A", "1.2")]));
    let has: &[(&str, &[u32])] = &[("A", &[7]), ("u", &[1]), ("PLN", &[3]), ("2", &[40, 41])];
    let (found, asked) = found(m, &new, has);
    // One search for each kind of key, each code once.
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked.contains(&json!([["code", "=", "A"]])), "{asked:?}");
    assert!(asked.contains(&json!([["party", "=", 2]])), "{asked:?}");
    let sent = body(&m.creation(&new, Some(&found)).unwrap().record)["params"][0][0].clone();
    let line = |price: &str| {
        json!(["create", [{ "product": 7, "quantity": 1.50, "unit": 1, "type": "line",
            "unit_price": { "__class__": "Decimal", "decimal": price } }]])
    };
    assert_eq!(sent["lines"], json!([line("1.10"), line("1.2")]));
    assert_eq!(sent["sale_date"], json!({ "__class__": "date", "year": 2026, "month": 11, "day": 3 }));
    assert_eq!(
        [&sent["currency"], &sent["party"], &sent["warehouse"], &sent["invoice_address"]],
        [3, 2, 5, 40]
    );
    // What policies judge is what will be read.
    let settled = m.settled(Before::Nothing, new, &FieldSet::EMPTY);
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    assert_eq!(settled.held.first(m.entity(), leaf("lines.sku")), Some(&Value::Text("A".into())));
    assert_eq!(settled.held.first(m.entity(), leaf("currency")), Some(&Value::Text("PLN".into())));
}

#[test]
fn a_code_that_is_not_there_or_is_there_twice_is_refused_with_its_place() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let line = |sku: &str| json!({ "sku": sku, "quantity": "1", "unit": "H87" });
    let new = order(m, json!([line("A"), line("B"), line("C")]));
    let (found, _) = found(m, &new, &[("A", &[7]), ("C", &[8, 9]), ("u", &[1]), ("PLN", &[3]), ("2", &[40])]);
    let faults = m.creation(&new, Some(&found)).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.whose)).collect();
    assert_eq!(told, [("/lines/1/sku", Whose::Caller), ("/lines/2/sku", Whose::Several)]);
    // Two names of one thing that are not one.
    let both = order(m, json!([{ "sku": "A", "product": "8", "quantity": "1", "unit": "H87" }]));
    let faults = m.creation(&both, Some(&found)).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn a_search_counts_rows_that_say_the_code_and_takes_a_full_page_for_no_answer() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let new = order(m, json!([]));
    let mut searches = m.searches(None, &new, true).unwrap();
    let search = searches.iter_mut().find(|search| format!("{search:?}").contains("PLN")).unwrap();
    let mut into = Found::default();
    let rows = |code: &str, n: u32| {
        let rows: Vec<_> = (1..=n).map(|id| json!({ "id": id, "code": code })).collect();
        answer(200, &json!({ "id": 0, "result": rows }).to_string())
    };
    // A system that overlooks the condition has not found it.
    m.found(search, &rows("EUR", 3), &mut into).unwrap();
    assert!(m.creation(&new, Some(&into)).is_err());
    assert_eq!(m.found(search, &rows("EUR", 100), &mut into).unwrap_err().kind, FaultKind::Unreadable);
    let error = answer(200, r#"{ "id": 0, "error": ["UserError", ["no", "", null]] }"#);
    assert_eq!(m.found(search, &error, &mut into).unwrap_err().kind, FaultKind::BusinessRule);
}

#[test]
fn a_change_of_lines_says_what_came_changed_and_went_and_is_guarded_in_the_body() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let line = |id: &str, quantity: &str| json!({ "id": id, "product": "7", "quantity": quantity });
    let old = order(m, json!([line("1", "1"), line("2", "2"), line("3", "3")]));
    let new = order(m, json!([line("1", "9"), line("3", "3"), { "product": "8", "quantity": "4" }]));
    let sent = body(&m.update("5", &old, &new, Some("17.5")).unwrap().unwrap());
    let expected = json!({ "lines": [
        ["delete", [2]],
        ["write", [1], { "quantity": 9 }],
        ["create", [{ "product": 8, "quantity": 4, "type": "line" }]],
    ] });
    assert_eq!([&sent["params"][0], &sent["params"][1]], [&json!([5]), &expected]);
    assert_eq!(sent["params"][2]["_timestamp"], json!({ "sale.sale,5": "17.5" }));
    // Another order of those that stay is said by no command.
    let moved = order(m, json!([line("2", "2"), line("1", "1"), line("3", "3")]));
    let fault = m.update("5", &old, &moved, Some("1")).unwrap_err().remove(0);
    assert_eq!(fault.pointer, "/lines/1");
    assert_eq!(fault.message, "the system keeps these in an order of its own");
    // A line of nobody, one twice, and a record without a version.
    for lines in [json!([line("4", "1")]), json!([line("1", "1"), line("1", "2")])] {
        assert!(m.update("5", &old, &order(m, lines), Some("1")).is_err());
    }
    assert_eq!(m.update("5", &old, &new, None).unwrap_err()[0].whose, Whose::System);
}

#[test]
fn a_code_that_is_left_out_beside_a_key_says_nothing_of_it() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let old = order(m, json!([{ "id": "1", "sku": "A", "product": "7", "quantity": "1" }]));
    let new = order(m, json!([{ "id": "1", "product": "7", "quantity": "2" }]));
    let sent = body(&m.update("5", &old, &new, Some("1")).unwrap().unwrap());
    assert_eq!(sent["params"][1]["lines"], json!([["write", [1], { "quantity": 2 }]]));
}

#[test]
fn a_value_of_another_class_is_left_out_with_a_finding() {
    let system = tryton();
    let m = system.entity("Order").unwrap();
    let wanted = m.entity().all();
    let read = |day: &str| {
        let text = format!(r#"{{ "id": 0, "result": [ {{ "id": 1, "sale_date": {day} }} ] }}"#);
        m.inward(&answer(200, &text), &wanted).unwrap()
    };
    let leaf = m.entity().leaf_at("ordered_on").unwrap();
    let good = read(r#"{ "day": 3, "month": 11, "__class__": "date", "year": 2026 }"#);
    assert_eq!(good.record.first(m.entity(), leaf), Some(&Value::Date(jiff::civil::date(2026, 11, 3))));
    for bad in [
        r#"{ "__class__": "datetime", "year": 2026, "month": 11, "day": 3 }"#,
        r#"{ "__class__": "date", "year": 2026, "month": 13, "day": 3 }"#,
        r#"{ "__class__": "date", "year": 2026, "month": 11 }"#,
        r#"{ "__class__": "date", "year": 2026, "month": 11, "day": 3, "day": 4 }"#,
        "[2026, 11, 3]",
    ] {
        let came = read(bad);
        assert_eq!(came.record.first(m.entity(), leaf), None, "{bad}");
        assert!(came.findings.iter().any(|finding| finding.leaf == leaf), "{bad}");
    }
}

#[test]
fn mistakes_in_what_is_written_so_are_told_with_what_to_write() {
    for (from, to, word) in [
        ("year: \"{year}\", month", "month", "does not hold all of the value"),
        ("decimal: \"{value}\" }\n  date", "decimal: \"{digits}\" }\n  date", "nothing to fill in"),
        ("[create, [\"{record}\"]]", "[create, []]", "`add` holds"),
        ("remove: [delete, [\"{key:number}\"]]", "remove: [delete]", "`remove` holds the key"),
        ("find: currency }", "find: curency }", "did you mean `currency`?"),
        ("version: { at: _timestamp }\n    set", "set", "nothing says where a record has one"),
        ("{ \"sale.sale,{key}\": \"{version}\" }", "1", "does not hold it"),
        (
            "~, [code], { language: en }",
            "~, [\"{filter:name}\"], { language: en }",
            "bounded by its codes alone",
        ),
        (
            "create: { post: /, body: { id: 0, method: model.sale",
            "create: { parts: { lines: { add: { post: /lines } } }, post: /, body: { id: 0, method: model.sale",
            "`lines` is written by `parts` or as `commands`, not both",
        ),
        ("params: [\"{filter}\", \"{offset}\"", "params: [[], \"{offset}\"", "the conditions have no place"),
    ] {
        assert!(told(from, to).contains(word), "{from} -> {to}: {}", told(from, to));
    }
}

proptest! {
    #[test]
    fn what_travels_as_an_object_reads_back(mantissa in any::<i64>(), scale in 0u32..=4, us in -10_000_000_000_000_000i64..10_000_000_000_000_000) {
        let system = tryton();
        let m = system.entity("Order").unwrap();
        let day = jiff::Timestamp::from_microsecond(us).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
        let price = rust_decimal::Decimal::new(mantissa, scale);
        let new = order(m, json!([{ "product": "1", "quantity": "1", "net_price": price.to_string() }]));
        let new = { let mut new = new; new.fields.set(m.entity().root.field("ordered_on").unwrap().0, Value::Date(day)); new };
        let mut sent = body(&m.create(&new).unwrap())["params"][0][0].clone();
        let lines = sent["lines"][0][1].take();
        sent["lines."] = lines;
        sent["id"] = json!(1);
        sent["currency."] = json!({ "id": 1, "code": "PLN" });
        let read = m.inward(&answer(200, &json!({ "id": 0, "result": [sent] }).to_string()), &m.entity().all()).unwrap();
        let at = |path: &str| read.record.first(m.entity(), m.entity().leaf_at(path).unwrap()).cloned();
        prop_assert_eq!(at("ordered_on"), Some(Value::Date(day)));
        prop_assert_eq!(at("lines.net_price"), Some(Value::Decimal(price)));
        prop_assert!(matches!(m.entity().leaf(m.entity().leaf_at("lines.net_price").unwrap()).unwrap().kind, LeafKind::Decimal));
    }
}
