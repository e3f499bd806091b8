//! Describing a system: what `bramka systems` shows of a file that is being written.

use std::{fs, path::Path};

use serde_json::Value;

use crate::kit::{Ran, root, run};

const CONTACT: &str = r#"{ "id": "7", "archived": false, "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
  "properties": { "firstname": "Ewa", "lastname": "Nowak", "email": "ewa@example.com", "phone": "1", "hs_score": "3" } }"#;
const DESK: &str = r#"{ "id": "fca5738a-44e3-ea11-bb43-000d3a2feca1", "number": "desk-1 ", "displayName": "Desk", "type": "Inventory",
  "blocked": false, "unitPrice": 1000.800, "priceIncludesTax": false, "inventory": 4, "gtin": "" }"#;

fn tried(file: &str, more: &[&str], sample: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sample.json");
    fs::write(&path, sample).unwrap();
    let (file, policies) = (root().join(file), root().join("policies"));
    let mut args = vec!["systems", "try", file.to_str().unwrap(), "--sample", path.to_str().unwrap()];
    args.extend(["--policies", policies.to_str().unwrap()]);
    args.extend(more);
    run(&args)
}

#[test]
fn a_recorded_answer_is_shown_as_the_entity_and_as_what_goes_back() {
    let ran = tried("policies/systems/erp.yaml", &["--entity", "Product"], DESK);
    assert_eq!(ran.code, 0, "{ran:?}");
    let line = |text: &str| assert!(ran.out.lines().any(|line| line == text), "{text}\n{}", ran.out);
    line("Product out");
    line("  \"sku\": \"DESK-1\",");
    line("    \"net_price\": \"1000.800\",");
    line("record back: POST /items");
    line("  displayName: \"Desk\"");
    line("~ number: \"DESK-1\", came as \"desk-1 \"");
    line("  unitPrice: 1000.800");
    line("- inventory: 4");
    line("read by no line");
    line("  inventory");
    assert!(!ran.out.contains("\u{1b}["), "no colour in a pipe");
}

#[test]
fn a_page_of_a_list_is_tried_record_by_record() {
    let list = format!(r#"{{ "results": [ {CONTACT}, {{ "properties": {{ "firstname": "X" }} }} ] }}"#);
    let ran = tried("policies/systems/crm.yaml", &["--json"], &list);
    assert_eq!(ran.code, 1, "one record has no key: {ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["records"][0]["reads"]["name"], "Ewa Nowak");
    assert_eq!(told["records"][0]["back"]["body"]["properties"]["email"], "ewa@example.com");
    assert_eq!(told["records"][1]["withheld"], "the row has no key");
    assert_eq!(told["unread"], serde_json::json!(["results[].properties.hs_score"]));
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_field() {
    let ran =
        tried("policies/systems/erp.yaml", &["--entity", "Product"], &DESK.replace("1000.800", "\"a lot\""));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("does not fit\n  list_price.net_price: "), "{ran:?}");
}

#[test]
fn what_cannot_be_tried_is_explained() {
    let told = |file: &str, more: &[&str], sample: &str, code: i32, words: &str| {
        let ran = tried(file, more, sample);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(words) || ran.out.contains(words), "{words}: {ran:?}");
    };
    let erp = "policies/systems/erp.yaml";
    let all =
        "name one with `--entity`: the file maps Customer, Invoice, Order, Product, Shipment, StockLevel";
    told(erp, &[], DESK, 2, all);
    told(erp, &["--entity", "Prodct"], DESK, 2, "the file does not map `Prodct`");
    told(erp, &["--entity", "Product"], "{}", 1, "is neither one Product nor a page of them");
    told(erp, &["--entity", "Product"], "no json", 1, "is neither one Product nor a page of them");
    told("no/such/file.yaml", &[], DESK, 1, "no/such/file.yaml`: No such file");
    told(erp, &["--entity", "Product"], " \n", 1, "sample.json` is empty");
    told(erp, &["--entity", "Product"], "HTTP/1.1 200 OK\nA: b", 1, "sample.json`: its head does not end");
    told(
        "policies/limits.yaml",
        &[],
        DESK,
        2,
        "limits.yaml` maps no entity: nothing stands under `entities`",
    );
    told(
        erp,
        &["--entity", "Product", "--policies", "/no/such/folder"],
        DESK,
        2,
        "cannot be used multiple times",
    );
    // A file that does not load shows the line, wherever it stands.
    let dir = tempfile::tempdir().unwrap();
    let spoilt = dir.path().join("shop.yaml");
    let text = fs::read_to_string(root().join(erp)).unwrap();
    fs::write(&spoilt, text.replacen("      sku: { at: number", "      skuu: { at: number", 1)).unwrap();
    told(spoilt.to_str().unwrap(), &[], DESK, 1, "      skuu: { at: number");
    assert!(Path::new(&spoilt).exists());
}

/// A shop whose answers have a wrap that its requests do not have, a list that a header field ends, and a report.
const SHOP: &str = r#"
system: shop
base: https://shop.example.com
sign_in: none
entities:
  Product:
    at: /articles
    list: { rows: data.articles, page: { number: page, size: size, most: 50, pages: { header: X-Pages } } }
    read: { rows: data.article }
    create: { body: { new: { article: "{record}" } }, rows: data.article }
    fields: { sku: number, name: { at: title, norm: trim } }
    samples:
      - answer: '{ "data": { "articles": [ { "id": "1", "number": "a", "title": "A" } ] } }'
        reads: '[ { "id": "1", "sku": "a", "name": "A" } ]'
  Metric:
    at: /report
    key: { of: [date, figure.name] }
    columns:
      - { headers: heads, name: name, cells: cells, value: value }
      - { headers: figures, name: name, cells: values, value: value, under: metrics }
    unpivot: { each: [metrics.sessions], as: figure }
    list: { post: "", rows: { at: rows, absent: empty }, page: { offset: offset, size: limit, total: count } }
    fields: { metric: figure.name, value: figure.value, from: { at: date, as: { date: compact } } }
"#;
/// The same in XML.
const XML_SHOP: &str = r#"
system: shop
base: https://shop.example.com
sign_in: none
speaks: xml
entities:
  Product:
    at: /articles
    key: '@id'
    wrap: shop.article
    list: { rows: shop.articles.article }
    read: {}
    create: { body: { shop: { new: "{record}" } } }
    fields: { sku: { at: number, norm: trim }, name: 'title.language[0].#' }
"#;

fn tried_in(shop: &str, entity: &str, more: &[&str], sample: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.yaml");
    fs::write(&file, shop).unwrap();
    tried(file.to_str().unwrap(), &[&["--entity", entity], more].concat(), sample)
}

#[test]
fn a_page_whose_end_stands_in_a_header_field_is_tried_with_its_head_or_without() {
    let body = r#"{ "data": { "articles": [ { "id": "1", "number": "a", "title": "A" } ] } }"#;
    let follows = |sample: &str| {
        let ran = tried_in(SHOP, "Product", &["--json"], sample);
        assert_eq!(ran.code, 0, "{ran:?}");
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(told["records"][0]["reads"]["sku"], "a");
        told["page"]["follows"].as_str().unwrap().to_owned()
    };
    assert_eq!(follows(body), "in_head");
    let whole = |head: &str| format!("HTTP/1.1 200 OK\r\nX-Pages: {head}\r\n\r\n{body}");
    assert_eq!([follows(&whole("3")), follows(&whole("1"))], ["another", "nothing"]);
    let ran = tried_in(SHOP, "Product", &[], body);
    assert!(
        ran.out.contains("page of 1 row: whether another follows stands in the header field `x-pages`"),
        "{ran:?}"
    );
    // A head that does not say what is due is told, and the records are shown all the same.
    let ran = tried_in(SHOP, "Product", &[], &whole("many"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("\"sku\": \"a\"") && ran.out.contains("what follows cannot be told: "),
        "{ran:?}"
    );
    let ran = tried_in(SHOP, "Product", &[], "HTTP/1.1 404 Not Found\n\n{}");
    assert!(ran.code == 1 && ran.err.contains("the system answered not found"), "{ran:?}");
}

#[test]
fn a_report_or_a_page_that_holds_no_record_says_so() {
    let told = |entity: &str, sample: &str, words: &str| {
        let ran = tried_in(SHOP, entity, &[], sample);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    };
    let heads = r#""heads": [ { "name": "date" } ], "figures": [ { "name": "users" } ]"#;
    let row = r#"{ "cells": [ { "value": "20260314" } ], "values": [ { "value": "3" } ] }"#;
    told("Metric", r#"{ "kind": "report" }"#, "sample.json` holds no Metric: it is a page without a row");
    told(
        "Metric",
        &format!("{{ {heads}, \"rows\": [ {row} ], \"count\": 1 }}"),
        "sample.json` holds no Metric: `unpivot` makes none of its 1 row",
    );
    told("Product", r#"{ "data": { "articles": [] } }"#, "it is a page without a row, so nothing was tried");
    let sample = format!("{{ {heads}, \"rows\": [ {row} ], \"count\": 1 }}").replace("users", "sessions");
    let ran = tried_in(SHOP, "Metric", &[], &sample);
    assert!(ran.code == 0 && ran.out.contains("\"value\": \"3\""), "{ran:?}");
    assert!(ran.out.contains("page of 1 row: none follows"), "{ran:?}");
}

#[test]
fn what_goes_back_is_compared_with_the_record_whatever_stands_around_either() {
    let lines = |shop: &str, sample: &str, due: &[&str]| {
        let ran = tried_in(shop, "Product", &[], sample);
        assert_eq!(ran.code, 0, "{ran:?}");
        let at = ran.out.find("record back: POST /articles\n").unwrap_or_else(|| panic!("{ran:?}"));
        let told: Vec<&str> = ran.out[at..].lines().skip(1).take(due.len()).collect();
        assert_eq!(told, due, "{ran:?}");
    };
    let due = ["  number: \"a\"", "~ title: \"A\", came as \" A\"", "- id: \"1\""];
    let record = r#"{ "id": "1", "number": "a", "title": " A" }"#;
    lines(SHOP, &format!(r#"{{ "data": {{ "article": {record} }} }}"#), &due);
    lines(SHOP, &format!(r#"{{ "data": {{ "articles": [ {record}, {record} ] }} }}"#), &due);
    let record = "<article id=\"1\"><number> a</number><title><language>A</language></title></article>";
    let due = ["~ number: \"a\", came as \" a\"", "  title.language: \"A\"", "- @id: \"1\""];
    lines(XML_SHOP, &format!("<shop>{record}</shop>"), &due);
    lines(XML_SHOP, &format!("<shop><articles>{record}{record}</articles></shop>"), &due);
}

/// A run that goes on, and what it says.
struct Watching {
    child: std::process::Child,
    said: std::sync::mpsc::Receiver<String>,
}

impl Watching {
    fn until(&self, words: &str) {
        let soon = std::time::Duration::from_secs(30);
        while !self
            .said
            .recv_timeout(soon)
            .unwrap_or_else(|_| panic!("it never said `{words}`"))
            .contains(words)
        {}
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn watching(file: &Path, sample: &Path) -> Watching {
    use std::{io::BufRead as _, process::Stdio};
    let policies = root().join("policies");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_bramka"))
        .args(["systems", "try", "--watch", "--entity", "Product"])
        .args([file.as_os_str(), "--sample".as_ref(), sample.as_os_str()])
        .args(["--policies".as_ref(), policies.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (say, said) = std::sync::mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for stream in streams {
        let say = say.clone();
        std::thread::spawn(move || {
            for line in std::io::BufReader::new(stream).lines().map_while(Result::ok) {
                drop(say.send(line));
            }
        });
    }
    Watching { child, said }
}

#[test]
fn a_watched_sample_is_tried_again_when_it_or_the_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (file, sample) = (dir.path().join("shop.yaml"), dir.path().join("sample.json"));
    let of = |title: &str| {
        format!(r#"{{ "data": {{ "article": {{ "id": "1", "number": "a", "title": "{title}" }} }} }}"#)
    };
    fs::write(&file, SHOP).unwrap();
    fs::write(&sample, of("first")).unwrap();
    let run = watching(&file, &sample);
    run.until("\"name\": \"first\"");
    fs::write(&sample, of("second")).unwrap();
    run.until("\"name\": \"second\"");
    // A spoilt file is told, and watched on.
    fs::write(&file, SHOP.replace("sku: number", "skuu: number")).unwrap();
    run.until("`skuu` is no field of `Product` here");
    fs::write(&file, SHOP.replace("norm: trim", "norm: [trim, upper]")).unwrap();
    run.until("\"name\": \"SECOND\"");
}

fn drafted(more: &[&str], files: &[(&str, &str)]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let policies = root().join("policies");
    let mut args: Vec<String> = ["systems", "draft", "--policies"].map(str::to_owned).to_vec();
    args.push(policies.to_str().unwrap().to_owned());
    args.extend(more.iter().map(|arg| match files.iter().any(|(name, _)| name == arg) {
        true => dir.path().join(arg).to_str().unwrap().to_owned(),
        false => (*arg).to_owned(),
    }));
    run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_draft_loads_reads_the_samples_it_was_made_from_and_passes_the_check() {
    let ran = drafted(
        &["--entity", "Product", "--system", "shop", "--keep-samples", "--sample", "desk.json"],
        &[("desk.json", DESK)],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("      name: displayName # as in Desk"), "{ran:?}");
    // It is a file of the catalogue as it stands, its sample included.
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    fs::create_dir_all(policies.join("systems/catalogue")).unwrap();
    let file = policies.join("systems/catalogue/drafted-shop.yaml");
    let ready = || {
        let policies = policies.to_str().unwrap();
        let ran = run(&["policy", "check", "--without-secrets", "--json", "--policies", policies]);
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(ran.code, 0, "{told:#}");
        ["systems", "samples"].map(|what| told["catalogue"][what].as_u64().unwrap())
    };
    let [systems, samples] = ready();
    fs::write(&file, &ran.out).unwrap();
    assert_eq!(ready(), [systems + 1, samples + 1], "{}", ran.out);
    let again = tried(file.to_str().unwrap(), &[], DESK);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn what_would_not_load_is_left_out_of_a_draft_and_said_so() {
    let ran = drafted(
        &["--entity", "Product", "--sample", "odd.json"],
        &[("odd.json", r#"{ "id": "1", "name[": "Lamp", "gtin": "4006381333931" }"#)],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("\n      # left out, ") && ran.out.contains(": name: 'name['"), "{ran:?}");
    assert!(ran.out.contains("\n      gtin: gtin # as in 4006381333931"), "{ran:?}");
    let told = |args: &[&str], files: &[(&str, &str)], code: i32, words: &str| {
        let ran = drafted(args, files);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    };
    told(&["--entity", "Product"], &[], 2, "--sample <FILE>");
    told(
        &["--entity", "Prodct", "--sample", "x.json"],
        &[("x.json", "{}")],
        2,
        "there is no entity `Prodct`",
    );
    told(&["--entity", "Product", "--sample", "x.json"], &[("x.json", "nothing")], 1, "is no JSON");
    told(&["--entity", "Product", "--openapi", "x.yaml"], &[("x.yaml", "a: 1")], 1, "there are no schemas");
}

/// A system's own list of its fields.
const FIELDS: &str = r#"{ "name": "Article", "fields": [
  { "name": "Id", "type": "id", "length": 18, "createable": false, "updateable": false },
  { "name": "Title", "type": "string", "label": "Product name", "length": 40, "createable": true, "updateable": true },
  { "name": "Barcode", "type": "string", "label": "GTIN", "createable": true, "updateable": false, "filterable": false },
  { "name": "Status", "type": "picklist", "picklistValues": [ { "value": "active" }, { "value": "draft", "active": false } ] },
  { "name": "Old", "type": "string", "label": "Description", "deprecatedAndHidden": true },
  { "name": "Changed", "type": "datetime", "label": "Updated at", "calculated": true } ] }"#;

#[test]
fn a_draft_from_a_systems_own_list_of_fields_loads_and_stands_where_its_answers_say() {
    let listed: &[(&str, &str)] = &[("fields.json", FIELDS)];
    let ran = drafted(&["--entity", "Product", "--fields", "fields.json"], listed);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("drafting from the fields of `Article`"), "{ran:?}");
    for line in [
        "    key: Id\n",
        "      name: { at: Title, most: 40 } # string; Product name\n",
        "      gtin: { at: Barcode, write: create, filter_at: never } # string; GTIN\n",
        "      updated_at: { at: Changed, write: never } # ",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert!(!ran.out.contains("Old") && !ran.out.contains("draft: "), "{}", ran.out);
    // An answer says where they stand.
    let answer = r#"{ "id": "9", "properties": { "Title": "Lamp", "Barcode": "4006381333931" } }"#;
    let both: &[(&str, &str)] = &[("fields.json", FIELDS), ("lamp.json", answer)];
    let ran = drafted(&["--entity", "Product", "--fields", "fields.json", "--sample", "lamp.json"], both);
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in ["{ at: properties.Title, most: 40 }", "{ at: properties.Changed, write: never }"] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    let ran = drafted(&["--entity", "Product", "--fields", "lamp.json"], both);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("there is no list of fields in it"), "{ran:?}");
}

/// Drafts from samples, and lets `policy check` see the file as it was drafted, among the systems.
fn drafted_and_checked(entity: &str, samples: &[(&str, &str)]) -> String {
    let mut args = vec!["--entity", entity, "--system", "drafted", "--keep-samples"];
    args.extend(samples.iter().flat_map(|(name, _)| ["--sample", name]));
    let ran = drafted(&args, samples);
    assert_eq!(ran.code, 0, "{ran:?}");
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    fs::write(policies.join("systems/drafted.yaml"), &ran.out).unwrap();
    let checked = run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{checked:?}\n{}", ran.out);
    ran.out
}

fn has_lines(draft: &str, lines: &[&str]) {
    for line in lines {
        assert!(draft.lines().any(|other| other == *line), "{line}\n{draft}");
    }
}

#[test]
fn wrappers_and_bare_lists_are_drafted_with_where_their_records_stand() {
    let row = r#"{ "Id": "58", "GivenName": "Ewa", "FamilyName": "Nowak", "Active": true }"#;
    let page = format!(
        r#"{{ "QueryResponse": {{ "Customer": [ {row} ], "startPosition": 1, "maxResults": 1 }}, "time": "2026-03-01T08:00:00Z" }}"#
    );
    let one = format!(r#"{{ "Customer": {}, "time": "2026-03-01T08:00:00Z" }}"#, row.replace("58", "59"));
    let draft = drafted_and_checked("Customer", &[("page.json", &page), ("one.json", &one)]);
    has_lines(
        &draft,
        &[
            "    key: Id",
            "    list: { rows: QueryResponse.Customer } # ? how it pages",
            "    read: { rows: Customer }",
            "      given_name: GivenName # as in Ewa",
            "    samples:",
        ],
    );
    let draft = drafted_and_checked("Customer", &[("page.json", &format!("[ {row} ]"))]);
    has_lines(
        &draft,
        &[
            "    list: { rows: . } # ? how it pages",
            "    read: {}",
            "      given_name: GivenName # as in Ewa",
        ],
    );
}

#[test]
fn xml_is_drafted_with_its_wrap_its_attributes_and_the_texts_of_its_elements() {
    let one = r#"<?xml version="1.0"?><shop><article id="17"><number>lamp-1</number><title><![CDATA[Lamp]]></title>
      <weight unit="kg">2.5</weight><barcode/></article></shop>"#;
    let page = r#"<shop><articles><article id="18"><number>lamp-2</number><title>Lamp</title><barcode>4006381333931</barcode></article></articles></shop>"#;
    let draft = drafted_and_checked("Product", &[("one.xml", one), ("page.xml", page)]);
    has_lines(
        &draft,
        &[
            "speaks: xml",
            "    key: '@id'",
            "    wrap: shop.article",
            "    list: { rows: shop.articles.article } # ? how it pages",
            "      gtin: barcode # as in 4006381333931",
            "    samples:",
        ],
    );
    let told = |samples: &[(&str, &str)], words: &str| {
        let mut args = vec!["--entity", "Product"];
        args.extend(samples.iter().flat_map(|(name, _)| ["--sample", name]));
        let ran = drafted(&args, samples);
        assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains(words), "{words}: {ran:?}");
    };
    told(&[("x.xml", "<shop><article>")], "x.xml` is not read: the answer is not well-formed XML");
    told(
        &[("x.xml", one), ("x.json", DESK)],
        "x.json` is not of the kind of the other descriptions and samples",
    );
    told(&[("x.xml", "<e:Envelope xmlns:e='urn:e'><e:Body/></e:Envelope>")], "is an envelope of SOAP");
}

#[test]
fn names_of_countries_are_drafted_by_their_table() {
    let address = |country: &str| {
        format!(
            r#"{{ "id": "1", "addresses": [ {{ "city": "Rzym", "country": "{country}", "zip": "00-100" }} ] }}"#
        )
    };
    let draft =
        drafted_and_checked("Customer", &[("a.json", &address("Poland")), ("b.json", &address("Niemcy"))]);
    assert!(draft.contains("country: { at: country, values: $country_names }"), "{draft}");
    let draft = drafted_and_checked("Customer", &[("a.json", &address("PL")), ("b.json", &address("DE"))]);
    assert!(draft.contains("country: country #"), "{draft}");
    let draft =
        drafted_and_checked("Customer", &[("a.json", &address("Poland")), ("b.json", &address("Elsewhere"))]);
    assert!(!draft.contains("country: "), "{draft}");
}

#[test]
fn what_gives_no_line_is_no_draft() {
    let nothing = |sample: &str, words: &str| {
        let ran = drafted(&["--entity", "Order", "--sample", "x.json"], &[("x.json", sample)]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    };
    nothing(
        r#"{ "wheels": 4 }"#,
        "no line can be drafted for `Order`: nothing that is known of its records is called like a field of it",
    );
    nothing("[]", "no line can be drafted for `Order`");
    nothing(r#"{ "currency[": "EUR" }"#, "none of the 1 fields that are called like one of it can be read");
}

/// A service of OData 4, small.
const METADATA: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
 <Schema Namespace="Shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">
  <EntityType Name="Article"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Guid"/>
   <Property Name="itemNumber" Type="Edm.String" MaxLength="20"/><Property Name="kind" Type="Edm.String"/><Property Name="displayName" Type="Edm.String"/>
   <Property Name="name[" Type="Edm.String"/><Property Name="lastModifiedDateTime" Type="Edm.DateTimeOffset"/></EntityType>
  <EntityContainer Name="C"><EntitySet Name="articles" EntityType="Shop.Article"/><EntitySet Name="others" EntityType="Shop.Article"/></EntityContainer>
 </Schema></edmx:DataServices></edmx:Edmx>"#;
const ARTICLE: &str = r#"{ "@odata.etag": "W/\"1\"", "id": "fca5738a-44e3-ea11-bb43-000d3a2feca1", "itemNumber": "lamp-1",
  "displayName": "Lamp", "lastModifiedDateTime": "2026-03-01T08:00:00Z" }"#;

#[test]
fn a_draft_from_odata_metadata_loads_and_reads_what_the_service_answers() {
    let files: &[(&str, &str)] = &[("shop.xml", METADATA)];
    let ran = drafted(&["--entity", "Product", "--edmx", "shop.xml"], files);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("drafting from the entity set `articles`"), "{ran:?}");
    assert!(ran.err.contains("1 names or fields are left out"), "{ran:?}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("drafted.yaml");
    fs::write(&file, &ran.out).unwrap();
    let read = tried(file.to_str().unwrap(), &["--json"], ARTICLE);
    assert_eq!(read.code, 0, "{read:?}\n{}", ran.out);
    let told: Value = serde_json::from_str(&read.out).unwrap();
    let reads = &told["records"][0]["reads"];
    let expected = ["lamp-1", "Lamp", "2026-03-01T08:00:00Z"];
    assert_eq!(["sku", "name", "updated_at"].map(|field| reads[field].as_str().unwrap()), expected);

    // Recorded answers beside it show values: a page, and one record as OData 2 has it.
    let of_kind =
        |kind: &str| ARTICLE.replace("\"displayName\"", &format!("\"kind\": \"{kind}\", \"displayName\""));
    let page = format!(r#"{{ "@odata.context": "x", "value": [{}] }}"#, of_kind("Goods"));
    let one = format!(r#"{{ "d": {} }}"#, of_kind("Service"));
    let files = &[("shop.xml", METADATA), ("page.json", &*page), ("one.json", &*one)];
    let args = ["--entity", "Product", "--edmx", "shop.xml", "--sample", "page.json", "--sample", "one.json"];
    let shown = drafted(&[&args[..], &["--keep-samples"]].concat(), files);
    assert_eq!(shown.code, 0, "{shown:?}");
    for line in [
        "      kind: { at: kind, values: { Goods: goods, Service: service }, else: unknown } # as in Goods",
        "      sku: { at: itemNumber, most: 20 } # as in lamp-1",
        "    samples:",
    ] {
        assert!(shown.out.lines().any(|other| other == line), "{line}\n{}", shown.out);
    }

    let other = drafted(&["--entity", "Product", "--edmx", "shop.xml", "--set", "others"], files);
    assert!(other.out.contains("    at: /others\n"), "{other:?}");
}

#[test]
fn metadata_that_gives_no_draft_says_why() {
    let told = |more: &[&str], text: &str, code: i32, words: &str| {
        let args = [&["--entity", "Invoice", "--edmx", "shop.xml"], more].concat();
        let ran = drafted(&args, &[("shop.xml", text)]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    };
    told(
        &[],
        METADATA,
        1,
        "no entity set is called like `Invoice`; name one with `--set`, of: articles, others",
    );
    told(&[], "{}", 1, "is not read: the answer is not well-formed XML");
    told(&[], r#"<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>"#, 1, "the answer declares a document type");
    told(&["--openapi", "shop.xml"], METADATA, 2, "cannot be used with");
}

#[test]
fn a_trial_tells_what_a_gate_would_count_of_the_record() {
    let dirty = CONTACT
        .replace("\"Nowak\"", "\"ewa.nowak@example.com\"")
        .replace("\"phone\"", "\"vat_id\": \"PL5260250275\", \"phone\"");
    let ran = tried("policies/systems/crm.yaml", &[], &dirty);
    assert_eq!(ran.code, 1, "{ran:?}");
    let line = |text: &str| assert!(ran.out.lines().any(|line| line == text), "{text}\n{}", ran.out);
    line("a gate counts");
    line("  vat_id: a number that cannot be one: its check digit or its form is wrong (bad_number)");
    line("  family_name: an address of people, which has a field of its own (misplaced)");
    let ran = tried("policies/systems/crm.yaml", &["--json"], &dirty);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let findings = told["records"][0]["findings"].as_array().unwrap();
    let found: Vec<(&str, &str)> =
        findings.iter().map(|one| (one["field"].as_str().unwrap(), one["what"].as_str().unwrap())).collect();
    assert_eq!(found, [("vat_id", "bad_number"), ("name", "misplaced"), ("family_name", "misplaced")]);
    // A page in which a key stands twice, and a record without what a new one needs.
    let none = CONTACT.replace(
        "\"firstname\": \"Ewa\", \"lastname\": \"Nowak\", ",
        "\"firstname\": \"\", \"lastname\": \"\", \"company\": \"\", ",
    );
    let page = format!("{{ \"results\": [ {CONTACT}, {none} ] }}");
    let ran = tried("policies/systems/crm.yaml", &["--json"], &page);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let what = |n: usize| told["records"][n]["findings"].to_string();
    assert_eq!(what(0), "[]");
    assert!(what(1).contains("\"duplicate_key\"") && what(1).contains("\"missing\""), "{}", what(1));
}

/// A shop that is asked by calls of JSON-RPC: what is read is the first of a list, and a search gives keys.
const CALLS: &str = r#"
system: shop
base: https://shop.example.com
sign_in: none
filters:
  list: { shape: flat, fields: { changed: { gte: since }, number: { eq: number } }, sort: { query: { order: "{field} {dir}" }, fields: { changed: changed }, tie: own } }
  words: { shape: flat, text: loosely, fields: { title: { eq: term } } }
entities:
  Product:
    at: /rpc
    key: { at: id, form: digits }
    list:
      - { get: "", rows: result, filter: list, page: { next: after, query: after, size: size, most: 100 } }
      - { for: { filter: [name] }, get: /search, rows: found, keys: item.id, filter: words, read: { get: "?ids={keys}", rows: result, most: 50 }, page: { next: after, query: after } }
    read: { rows: "result[0]" }
    create: {}
    ignore: [owner, places]
    fields:
      sku: number
      name: title
      description: { join: [intro, outro] }
      updated_at: { at: changed, write: never }
      status: { at: on, values: { "true": active, "false": blocked } }
      kind: =goods
      unit: { at: unit, values: { pc: H87 } }
"#;

#[test]
fn several_rows_are_a_page_though_the_first_of_them_reads_as_a_record() {
    let row = |id: u8| {
        format!(
            r#"{{ "id": {id}, "number": "n{id}", "title": "T", "intro": "a", "outro": "b", "unit": "pc", "owner": 1, "places": [ {{ "x": 1 }} ] }}"#
        )
    };
    let ran = tried_in(CALLS, "Product", &[], &format!(r#"{{ "result": [ {}, {} ] }}"#, row(1), row(2)));
    assert_eq!(ran.code, 0, "{ran:?}");
    for told in ["\"sku\": \"n1\"", "\"sku\": \"n2\"", "page of 2 rows: none follows"] {
        assert!(ran.out.contains(told), "{told}: {ran:?}");
    }
    let one = tried_in(CALLS, "Product", &[], &format!(r#"{{ "result": [ {} ] }}"#, row(1)));
    assert!(one.code == 0 && one.out.contains("record in") && !one.out.contains("page of"), "{one:?}");
}

#[test]
fn a_text_that_is_only_read_is_no_reason_to_refuse_and_what_is_ignored_is_not_told_as_gone() {
    let sample = r#"{ "result": [ { "id": 1, "number": "n", "title": "T", "intro": "a", "outro": "b", "owner": 1, "places": [ { "x": 1 } ] } ] }"#;
    let ran = tried_in(CALLS, "Product", &[], sample);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("\"description\": \"a b\"") && !ran.out.contains("refused"), "{ran:?}");
    assert!(!ran.out.contains("- owner") && !ran.out.contains("- places"), "{ran:?}");
    let legend = "(~ goes back otherwise than it came, + did not come, - does not go back)";
    assert!(ran.out.contains("- id: 1") && ran.out.lines().any(|line| line == legend), "{ran:?}");
}

#[test]
fn rows_that_are_keys_alone_are_shown_as_keys() {
    let sample = r#"{ "found": [ { "item": { "id": 7 } }, { "item": { "id": 9 } } ], "after": "x" }"#;
    let ran = tried_in(CALLS, "Product", &[], sample);
    assert_eq!(ran.code, 0, "{ran:?}");
    let due = "rows that are keys alone, of which the records are read by further requests\n  7\n  9\n";
    assert!(ran.out.contains(due) && ran.out.contains("page of 2 rows: another follows"), "{ran:?}");
    assert!(!ran.out.contains("read by no line"), "{ran:?}");
    let spoilt = tried_in(CALLS, "Product", &["--json"], &sample.replace("9", "\"a\""));
    let told: Value = serde_json::from_str(&spoilt.out).unwrap();
    assert_eq!((spoilt.code, &told["keys"]), (1, &serde_json::json!(["7", null])));
}

#[test]
fn of_what_is_neither_a_record_nor_a_page_as_much_is_told_as_unread_as_can_be_known() {
    let json = |shop: &str, sample: &str| -> Value {
        let ran = tried_in(shop, "Product", &["--json"], sample);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    };
    // Around keys; what a search says of a row beside its key is read for no record.
    let keys =
        r#"{ "found": [ { "item": { "id": 7, "name": "x" }, "score": 3 } ], "after": "x", "took": 3 }"#;
    assert_eq!(json(CALLS, keys)["unread"], serde_json::json!(["took"]));
    // What a write is answered with, where it stands elsewhere than what is read; and records that were read by keys.
    let elsewhere = CALLS
        .replace("    create: {}\n", "    create: { rows: made.item }\n")
        .replace("get: \"?ids={keys}\", rows: result", "get: \"?ids={keys}\", rows: several.items");
    let row = r#"{ "id": 7, "number": "n", "title": "T", "intro": "a", "outro": "b", "unit": "pc", "owner": 1, "extra": 2 }"#;
    let made = json(&elsewhere, &format!(r#"{{ "made": {{ "item": {row} }}, "took": 3 }}"#));
    assert_eq!(made["records"][0]["reads"]["sku"], "n");
    assert_eq!(made["unread"], serde_json::json!(["made.item.extra", "took"]));
    let fetched = json(&elsewhere, &format!(r#"{{ "several": {{ "items": [ {row} ] }}, "took": 3 }}"#));
    assert_eq!(fetched["records"][0]["reads"]["sku"], "n");
    assert_eq!(fetched["unread"], serde_json::json!(["several.items[].extra", "took"]));
    // What goes back is compared with the record, not with what is around it.
    let ran = tried_in(&elsewhere, "Product", &[], &format!(r#"{{ "made": {{ "item": {row} }} }}"#));
    assert!(ran.out.contains("\n  number: \"n\"\n") && ran.out.contains("\n- extra: 2\n"), "{ran:?}");
    // Of what is read as nothing, nothing is called unread.
    let other = tried_in(&elsewhere, "Product", &[], r#"{ "made": { "thing": 1 }, "took": 3 }"#);
    assert!(other.code == 1 && !other.out.contains("read by no line"), "{other:?}");
}

#[test]
fn a_key_and_a_code_of_one_place_go_back_as_they_came() {
    let order = r#"{ "id": 0, "result": [ { "id": 1, "lines.": [ { "id": 2, "type": "line", "product": 7, "quantity": 1.0,
      "product.": { "id": 7, "code": "A" } } ] } ] }"#;
    let file = "policies/systems/catalogue/tryton.yaml";
    let ran = tried(file, &["--entity", "Order", "--json"], order);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let record = &told["records"][0];
    let line = &record["reads"]["lines"][0];
    assert_eq!([&line["sku"], &line["product"]], ["A", "7"], "{ran:?}");
    assert!(record["back"]["body"].is_object(), "{ran:?}");
}

fn asked(query: &str, more: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.yaml");
    fs::write(&file, CALLS).unwrap();
    let policies = root().join("policies");
    let mut args = vec!["systems", "try", file.to_str().unwrap(), "--entity", "Product", "--query", query];
    args.extend(["--policies", policies.to_str().unwrap()]);
    args.extend(more);
    run(&args)
}

#[test]
fn a_query_shows_the_request_that_would_go_out_and_who_does_which_part_of_it() {
    let ran = asked("updated_at[gte]=2026-03-01T08:00:00Z&status=active&sort=-updated_at", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in [
        "asked of the system, by 1 of 2 under `list`",
        "GET /rpc?since=2026-03-01T08%3A00%3A00Z&order=changed%20desc&size=100",
        "  updated_at[gte]=2026-03-01T08:00:00Z",
        "  sort=-updated_at",
        "  status=active: `filters` has no word for this comparison of it",
    ] {
        assert!(ran.out.lines().any(|other| other == line), "{line}\n{}", ran.out);
    }
    let ran = asked("name=Lamp&description[ne]=a&sort=name", &["--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(told["list"], serde_json::json!({ "place": 2, "of": 2, "keys": true }), "{told:#}");
    assert_eq!(told["request"]["target"], "/rpc/search?term=Lamp");
    let by: Vec<&str> =
        told["filter"].as_array().unwrap().iter().map(|one| one["by"].as_str().unwrap()).collect();
    assert_eq!((by, told["sort"]["by"].as_str()), (vec!["system", "gate"], Some("gate")));
    // What no line gives, or no field is called, is no query.
    let none = asked("gtin=4006381333931", &[]);
    assert!(none.code == 1 && none.err.contains("no line gives `gtin`"), "{none:?}");
    let wrong = asked("colour=red", &[]);
    assert!(wrong.code == 2 && wrong.err.contains("is no query of Product"), "{wrong:?}");
}

#[test]
fn a_query_of_ids_shows_the_question_for_keys_or_the_read_of_one() {
    let root = root();
    let policies = root.join("policies");
    let one = "id=00000000-0000-0000-0000-000000000001&sort=-updated_at";
    for (name, lines) in [
        (
            "xero",
            [
                "asked of the system, for each record by itself",
                "GET /Contacts/00000000-0000-0000-0000-000000000001",
                "  id=00000000-0000-0000-0000-000000000001: no list is asked for records by their keys (`filter_at` of `key`): each is read by itself",
            ],
        ),
        (
            "dataverse",
            [
                "asked of the system",
                "  id=00000000-0000-0000-0000-000000000001",
                "  sort=-updated_at: the few records that keys name are sorted when they have come",
            ],
        ),
    ] {
        let file = root.join(format!("policies/systems/catalogue/{name}.yaml"));
        let (file, policies) = (file.to_str().unwrap(), policies.to_str().unwrap());
        let ran =
            run(&["systems", "try", file, "--entity", "Customer", "--query", one, "--policies", policies]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for line in lines {
            assert!(ran.out.lines().any(|other| other == line), "{line}\n{}", ran.out);
        }
    }
}

#[test]
fn a_query_of_what_runs_over_parents_shows_how_these_are_asked_for_and_one_of_them() {
    let root = root();
    let policies = root.join("policies");
    let tried = |name: &str, entity: &str, query: &str, more: &[&str]| {
        let file = root.join(format!("policies/systems/catalogue/{name}.yaml"));
        let (file, policies) = (file.to_str().unwrap(), policies.to_str().unwrap());
        let verb = ["systems", "try", file, "--entity", entity, "--query", query, "--policies", policies];
        let ran = run(&[&verb, more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    let out = tried("mailchimp", "Subscription", "list.code=16ed227135&sort=-since", &[]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "asked of the system for what the list runs over", "{out}");
    assert_eq!(lines[1], "GET /lists?fields=lists.id%2Clists.name%2Ctotal_items&count=1000", "{out}");
    let each = lines.iter().position(|line| line.contains("once for each of them")).unwrap();
    assert!(lines[each + 1].starts_with("GET /lists/") && lines[each + 1].contains("/members?"), "{out}");
    for left in [
        "  list.code=16ed227135: it says which of those that the list runs over are asked",
        "  sort=-since: nobody has one order of what several parents hold",
    ] {
        assert!(lines.contains(&left), "{left}\n{out}");
    }
    let told: Value = serde_json::from_str(&tried("tryton", "StockLevel", "limit=2", &["--json"])).unwrap();
    assert_eq!(told["over"]["met"], true, "{told:#}");
    assert_eq!(told["over"]["request"]["body"]["method"], "model.stock.location.search_read", "{told:#}");
    assert_eq!(told["request"]["body"]["method"], "model.product.product.search_read", "{told:#}");
}

#[test]
fn a_query_that_goes_out_in_a_body_shows_it_and_never_a_secret() {
    let root = root();
    let (file, policies) = (root.join("policies/systems/crm.yaml"), root.join("policies"));
    let (file, policies) = (file.to_str().unwrap(), policies.to_str().unwrap());
    let ran = run(&["systems", "try", file, "--query", "emails.value=a@example.com", "--policies", policies]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("POST /crm/v3/objects/contacts/search") && ran.out.contains("\"a@example.com\""),
        "{ran:?}"
    );
    assert!(!ran.out.to_lowercase().contains("authorization"), "{ran:?}");
}
