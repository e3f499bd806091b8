//! An OData client by others reads the door as its pages say, and readers by others find nothing wrong with
//! `$metadata`. `scripts/test` installs both, pinned by hash; where they are not there these tests fail and say so.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    kit::{Demo, Who, root},
    reads::roomy,
};

const MISSING: &str = "is not there: run scripts/test, which installs it";

/// The interpreter that has the client.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("odata-client").join("bin/python");
    assert!(python.is_file(), "the OData client of `tests/odata` ({}) {MISSING}", python.display());
    python
}

/// The client reads rows as it reads records: a window of them, in an order, those that a filter finds.
fn rows_are_read(told: &Value, orders: &[Value]) {
    let lines: Vec<(&Value, usize, &Value)> = orders
        .iter()
        .flat_map(|order| {
            let lines = order["lines"].as_array().unwrap().iter();
            (1..).zip(lines).map(move |(row, line)| (order, row, line))
        })
        .collect();
    type Line<'v> = (&'v Value, usize, &'v Value);
    let places = |lines: &[Line<'_>]| -> Value {
        lines.iter().map(|(order, row, _)| json!([order["id"], row])).collect()
    };
    let quantity = |line: &Line<'_>| line.2["quantity"].as_f64().unwrap_or(0.0);
    let found = |fits: &dyn Fn(&Line<'_>) -> bool| -> Vec<Line<'_>> {
        lines.iter().copied().filter(|line| fits(line)).collect()
    };
    let open = |line: &Line<'_>| line.0["status"] == "open";
    assert_eq!(told["rows_counted"], lines.len());
    assert_eq!(told["rows_window"], places(&lines[45..115]));
    let mut most: Vec<f64> = lines.iter().map(quantity).collect();
    most.sort_by(|a, b| b.total_cmp(a));
    let number = |text: &Value| text.as_str().unwrap().parse::<f64>().unwrap();
    let told_most: Vec<f64> = told["rows_most"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(told_most, most[..190]);
    let sorted = |places: &Value| {
        let mut places: Vec<String> = places.as_array().unwrap().iter().map(Value::to_string).collect();
        places.sort_unstable();
        places
    };
    let both = found(&|line| quantity(line) > 5.0 && open(line));
    assert!(!both.is_empty() && both.len() < lines.len());
    assert_eq!(sorted(&told["rows_found"]), sorted(&places(&both)));
    assert_eq!(told["rows_found_counted"], found(&|line| quantity(line) > 5.0 || open(line)).len());
    let some =
        lines[..3].iter().map(|(.., line)| json!({ "sku": line["sku"], "quantity": line["quantity"] }));
    assert_eq!(told["rows_selected"], some.collect::<Value>());
    let beside = lines[..5].iter().map(|(order, row, _)| json!([row, order["number"]]));
    assert_eq!(told["rows_order"], beside.collect::<Value>());
}

/// What a program of `tests/odata` prints, given some bytes.
fn told(command: &mut Command, input: &[u8]) -> Value {
    let mut child = command
        .env_remove("PYTHONPATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All orders of the door itself, by its links.
fn orders(demo: &Demo) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some("/odata/orders".to_owned()));
    while let Some(at) = next {
        let page = demo.get(&at).send().expect(200).json();
        all.extend(page["value"].as_array().unwrap().clone());
        next = page["@odata.nextLink"].as_str().map(|link| link["https://localhost".len()..].to_owned());
    }
    all
}

fn ids<'v>(rows: impl IntoIterator<Item = &'v Value>) -> Value {
    rows.into_iter().map(|row| row["id"].clone()).collect()
}

#[test]
fn a_client_by_others_reads_the_door_without_a_case_made_for_it() {
    let demo = Demo::start_with(roomy, &[]);
    let issued = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
    let told = told(
        Command::new(python())
            .arg(root().join("tests/odata/client.py"))
            .arg("read")
            .env("SERVICE", format!("{}/odata/", demo.env("BRAMKA_URL")))
            .env("CA", demo.env("BRAMKA_CA"))
            .env("USER", "tool")
            .env("PASSWORD", issued.out.trim()),
        b"",
    );
    let all = orders(&demo);
    assert!(all.len() > 200, "more than a page");
    let which = |fits: &dyn Fn(&Value) -> bool| ids(all.iter().filter(|order| fits(order)));
    let sets = told["sets"].as_array().unwrap();
    for set in [
        "customers",
        "invoices",
        "orders",
        "products",
        "shipments",
        "stock_levels",
        "order_lines",
        "invoice_lines",
    ] {
        assert!(sets.contains(&json!(set)), "{set}: {sets:?}");
    }
    // A row for each line of each order.
    let lines = |order: &Value| (1..=order["lines"].as_array().unwrap().len()).collect::<Vec<_>>();
    let rows: Value =
        all.iter().flat_map(|order| lines(order).into_iter().map(|row| json!([order["id"], row]))).collect();
    assert_eq!(told["rows"], rows);
    rows_are_read(&told, &all);
    // It lists, page after page; counts; reads by key.
    assert_eq!(told["all"], ids(&all));
    assert_eq!(told["count"], all.len());
    assert_eq!(told["counted_window"], all.len());
    let first = &all[0];
    assert_eq!(told["got"], first["number"]);
    assert_eq!((&told["by_key"]["id"], &told["by_key"]["lines"]), (&first["id"], &first["lines"]));
    assert_eq!((&told["first"]["id"], &told["first"]["number"]), (&first["id"], &first["number"]));
    assert_eq!(told["first"]["total"].as_str().unwrap(), first["tax_inclusive_total"].to_string());
    assert_eq!(told["first"]["lines"], first["lines"].as_array().unwrap().len());
    // Selects, passes over and sorts.
    let some = all.iter().take(3).map(|row| json!({ "number": row["number"], "currency": row["currency"] }));
    assert_eq!(told["selected"], some.collect::<Value>());
    assert_eq!(told["window"], ids(&all[30..50]));
    let mut newest: Vec<&Value> = all.iter().collect();
    let day = |row: &Value| row["ordered_on"].as_str().unwrap_or("").to_owned();
    newest.sort_by_key(|row| (std::cmp::Reverse(day(row)), row["number"].as_str().unwrap_or("").to_owned()));
    assert_eq!(told["newest"], ids(newest.into_iter().take(25)));
    assert!(told["quoted"].as_array().unwrap().iter().all(|name| name == "O'Brien"));
    assert!(!told["quoted"].as_array().unwrap().is_empty());
    // Follows what stands beside a record, expanded or by a path of its own.
    let page = demo.get("/odata/orders?$top=20&$expand=invoices").send().expect(200).json();
    let numbers = |rows: &Value| -> Value {
        rows.as_array().unwrap().iter().map(|row| row["number"].clone()).collect()
    };
    let expanded: Vec<Value> =
        page["value"].as_array().unwrap().iter().map(|row| numbers(&row["invoices"])).collect();
    assert!(expanded.iter().any(|numbers| numbers != &json!([])));
    assert_eq!(told["expanded"], json!(expanded));
    assert_eq!(told["followed"], expanded[0]);
    let named = told["named"].as_array().unwrap();
    assert!(named.len() > 50, "more than a page of what is expanded");
    assert!(named.iter().all(|pair| pair[0].is_string() && pair[0] == pair[1]), "{named:?}");
    // Filters.
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or("").to_owned();
    let is = |field: &'static str, value: &'static str| move |row: &Value| row[field] == value;
    let has = |row: &Value, part: &str| text(row, "buyer_reference").contains(part);
    let number = |value: &Value| value.as_f64();
    let filters: [(&str, Value); 16] = [
        ("eq", which(&is("status", "open"))),
        ("ne", which(&|row| row["status"] != "open")),
        ("and", which(&|row| row["status"] == "open" && row["currency"] == "EUR")),
        ("or", which(&|row| row["status"] == "draft" || row["currency"] == "USD")),
        ("not", which(&|row| !row["buyer_reference"].is_null() && !has(row, "PO-000"))),
        ("not_brackets", which(&|row| row["status"] != "open")),
        ("in", which(&|row| row["status"] == "draft" || row["status"] == "on_hold")),
        ("contains", which(&|row| has(row, "PO-000"))),
        ("startswith", which(&|row| text(row, "number").starts_with("S-ORD1010"))),
        ("decimal", which(&|row| row["tax_inclusive_total"].as_f64().is_some_and(|total| total > 2500.5))),
        ("null", which(&|row| row["requested_on"].is_null())),
        ("any", which(&|row| row["lines"].as_array().unwrap().iter().any(|line| line["sku"] == "1007"))),
        (
            "fields",
            which(&|row| {
                !row["requested_on"].is_null() && text(row, "ordered_on") < text(row, "requested_on")
            }),
        ),
        (
            "fields_of_lines",
            which(&|row| {
                let more = |line: &Value| {
                    number(&line["line_net_total"])
                        .zip(number(&line["net_price"]))
                        .is_some_and(|(a, b)| a > b)
                };
                row["lines"].as_array().unwrap().iter().any(more)
            }),
        ),
        (
            "worked_out",
            which(&|row| {
                let totals = number(&row["tax_total"]).zip(number(&row["tax_exclusive_total"]));
                totals.is_some_and(|(tax, net)| tax * 5.0 >= net && net / 3.0 > 300.5)
            }),
        ),
        ("now", which(&|row| !row["updated_at"].is_null())),
    ];
    let sorted = |ids: &Value| {
        let mut ids: Vec<String> = ids.as_array().unwrap().iter().map(Value::to_string).collect();
        ids.sort_unstable();
        ids
    };
    for (name, expected) in &filters {
        assert_eq!(sorted(&told["filters"][name]), sorted(expected), "{name}");
        assert_eq!(told["counts"][name], expected.as_array().unwrap().len(), "{name}");
    }
    assert_eq!(told["filters"].as_object().unwrap().len(), filters.len());
    for some in ["fields", "fields_of_lines", "worked_out"] {
        let found = told["filters"][some].as_array().unwrap().len();
        assert!(found > 0 && found < all.len(), "{some}: {found}");
    }
    assert!(
        !told["filters"]["in"].as_array().unwrap().is_empty()
            || !told["filters"]["or"].as_array().unwrap().is_empty()
    );
    // What is refused is an error of OData's to it.
    assert_eq!((&told["refused"]["status"], &told["refused"]["code"]), (&json!("HTTP 400"), &json!("query")));
}

fn metadata(demo: &Demo, who: Who) -> Bytes {
    demo.get("/odata/$metadata").by(who).send().expect(200).body
}

#[test]
fn metadata_is_valid_by_the_schemas_of_oasis() {
    let demo = Demo::start();
    let (python, schemas) = (python(), root().join("tests/odata/node_modules/odata-csdl/schemas/edmx.xsd"));
    assert!(schemas.is_file(), "the schema package of `tests/odata` {MISSING}");
    let faults = |document: &[u8]| {
        let mut command = Command::new(&python);
        let judged = told(command.arg(root().join("tests/odata/client.py")).arg("validate"), document);
        assert_eq!(judged["version"], "1.1");
        judged["faults"].clone()
    };
    for who in [Who::App, Who::Partner] {
        assert_eq!(faults(&metadata(&demo, who)), json!([]), "{who:?}");
    }
    // It would say so.
    let text = String::from_utf8(metadata(&demo, Who::App).to_vec()).unwrap();
    for (from, to) in [
        ("<PropertyRef Name=\"id\"/>", "<PropertyRef/>"),
        ("Type=\"Edm.Date\"", "Type=\"Edm.Da te\""),
        ("<EntitySet Name=\"orders\"", "<EntitySet Nmae=\"orders\""),
        ("Edmx Version=\"4.0\"", "Edmx Version=\"3.0\""),
        ("<NavigationProperty Name=\"invoices\"", "<NavigationProperty Nmae=\"invoices\""),
        ("<NavigationPropertyBinding Path=", "<NavigationPropertyBinding Way="),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(faults(text.replacen(from, to, 1).as_bytes()), json!([]), "{to}");
    }
}

#[test]
fn a_reader_by_oasis_finds_every_set_type_and_key_of_the_metadata() {
    let demo = Demo::start();
    assert!(root().join("tests/odata/node_modules").is_dir(), "the reader of `tests/odata` {MISSING}");
    let mut node = Command::new("node");
    let told = told(node.arg(root().join("tests/odata/read.mjs")), &metadata(&demo, Who::App));
    assert_eq!(told["messages"], json!([]));
    let read = &told["read"];
    assert_eq!(read["$Version"], "4.0");
    let container = read["$EntityContainer"].as_str().unwrap().rsplit_once('.').unwrap();
    let sets = read[container.0][container.1].as_object().unwrap();
    let service = demo.get("/odata/").send().expect(200).json();
    for set in service["value"].as_array().unwrap() {
        let name = set["name"].as_str().unwrap();
        let of = sets[name]["$Type"].as_str().unwrap().rsplit_once('.').unwrap();
        let kind = &read[of.0][of.1];
        // Rows are named by their record and their number in it.
        let record = kind["$Key"][0].as_str().unwrap();
        let key = if record == "id" { json!(["id"]) } else { json!([record, "row"]) };
        assert_eq!((&kind["$Kind"], &kind["$Key"]), (&json!("EntityType"), &key), "{name}");
        assert_eq!(record == "id", !record.ends_with("_id"), "{name}");
        // What stands beside its records leads to a set of the same container.
        let bound = sets[name]["$NavigationPropertyBinding"].as_object();
        let ways = kind.as_object().unwrap().iter().filter(|(_, way)| way["$Kind"] == "NavigationProperty");
        let mut expanded = Vec::new();
        for (way, declared) in ways {
            let target = bound.unwrap()[way].as_str().unwrap();
            assert_eq!(sets[target]["$Type"], declared["$Type"], "{name} {way}");
            if let Some(partner) = declared["$Partner"].as_str() {
                let of = declared["$Type"].as_str().unwrap().rsplit_once('.').unwrap();
                assert_eq!(read[of.0][of.1][partner]["$Partner"], way.as_str(), "{name} {way}");
            }
            expanded.push(way.as_str());
        }
        assert_eq!(bound.map_or(0, serde_json::Map::len), expanded.len());
        expanded.truncate(4);
        let expand =
            if expanded.is_empty() { String::new() } else { format!("&$expand={}", expanded.join(",")) };
        // Whatever a record has, its type declares.
        let row =
            demo.get(&format!("/odata/{name}?$top=1{expand}")).send().expect(200).json()["value"][0].clone();
        for (field, _) in row.as_object().into_iter().flatten().filter(|(field, _)| !field.contains('@')) {
            assert!(kind[field].is_object(), "{name} {field}");
        }
    }
}
