//! Describing a system: what `bramka systems` shows of a file that is being written.

use std::{fs, path::Path};

use serde_json::Value;

use crate::kit::{Ran, root, run};

const CONTACT: &str = r#"{ "id": "7", "archived": false, "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
  "properties": { "firstname": "Ewa", "lastname": "Nowak", "email": "ewa@example.com", "phone": "1", "hs_score": "3" } }"#;
const DESK: &str = r#"{ "id": "fca5738a-44e3-ea11-bb43-000d3a2feca1", "number": "desk-1 ", "displayName": "Desk", "type": "Inventory",
  "blocked": false, "unitPrice": 1000.800, "inventory": 4, "gtin": "" }"#;

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
    told("no/such/file.yaml", &[], DESK, 1, "no/such/file.yaml");
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
