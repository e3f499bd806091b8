//! Facts about the shipped files of systems that speak XML, over what was recorded of them.

use super::*;
use crate::{
    mapping::{FaultKind, System},
    schema::{Filter, Op, Value},
};

const GET: &str = include_str!("../../../../tests/fixtures/wfirma/contractor.get.xml");
const ADD: &str = include_str!("../../../../tests/fixtures/wfirma/contractor.add.request.xml");
const ADDED: &str = include_str!("../../../../tests/fixtures/wfirma/contractor.add.response.xml");
const REFUSED: &str = include_str!("../../../../tests/fixtures/wfirma/series.add.response.error.xml");

fn wfirma() -> System {
    let text = include_str!("../../../../policies/systems/catalogue/wfirma.yaml");
    let (system, told) = load_text("wfirma", text, "https://api2.wfirma.pl");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn prestashop() -> System {
    let text = include_str!("../../../../policies/systems/catalogue/prestashop.yaml");
    let (system, told) = load_text("prestashop", text, "https://shop.example.com/api");
    system.unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn the_catalogue_loads_and_its_samples_hold_both_ways() {
    for system in [wfirma(), prestashop()] {
        let found = system.check();
        assert!(found.0.is_empty(), "{found}");
        assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
    }
}

#[test]
fn a_recorded_contractor_reads_as_a_customer() {
    let system = wfirma();
    let mapping = system.entity("Customer").unwrap();
    let read = |body: &str| {
        let inward = mapping.inward(&answer(200, body), &mapping.entity().all()).unwrap();
        assert!(inward.findings.is_empty(), "{:?}", inward.findings);
        json(mapping.entity(), &inward.record)
    };
    let wrapped = format!("<api><contractors>{GET}</contractors><status><code>OK</code></status></api>");
    let customer = read(&wrapped);
    assert_eq!(customer["name"], "Firma testowa");
    assert_eq!(customer["tax_ids"], json!([{ "scheme": "PL:NIP", "value": "8220936400" }]));
    assert_eq!(customer["emails"], json!([]));
    assert_eq!(customer["addresses"][0]["line1"], "ul. Królewska 23");
    assert_eq!(customer["payment_terms"]["days"], 0);
    assert_eq!(customer["addresses"].as_array().unwrap().len(), 1);
    assert_eq!(customer["updated_at"], "2022-01-05T20:43:25Z");
    let added = read(ADDED);
    assert_eq!(added["id"], "13791025");
    assert_eq!(added["name"], "Olszewska P.P.O.F");
}

#[test]
fn what_is_created_is_what_was_recorded_of_it() {
    let system = wfirma();
    let mapping = system.entity("Customer").unwrap();
    let customer = record(
        mapping,
        r#"{ "kind": "company", "name": "Olszewska P.P.O.F", "tax_ids": [ { "scheme": "PL:NIP", "value": "1234563218" } ],
             "addresses": [ { "role": "billing", "line1": "Partyzantów 98A", "post_code": "54-149", "city": "Jawor", "country": "PL" } ] }"#,
    );
    let request = mapping.create(&customer).unwrap();
    assert_eq!(request.headers["content-type"], "application/xml");
    assert_eq!(request.headers["accept"], "application/xml");
    assert_eq!(request.target, "/contractors/add?inputFormat=xml&outputFormat=xml");
    let sent = tree(&request.body).unwrap();
    let recorded = tree(ADD.as_bytes()).unwrap();
    let (sent, recorded) =
        (&sent["api"]["contractors"]["contractor"], &recorded["api"]["contractors"]["contractor"]);
    let names: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["name", "nip", "street", "city", "zip", "country", "buyer", "tax_id_type"]);
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(recorded[name], *value, "{name}");
    }
}

#[test]
fn an_error_inside_a_200_is_an_error_and_points_to_the_field() {
    let system = wfirma();
    let mapping = system.entity("Customer").unwrap();
    let wanted = mapping.entity().all();
    let refused = REFUSED.replace("series", "contractors");
    // The recorded one is of a series; the same about a contractor.
    let refused = refused
        .replacen("    <contractors>\n        <contractors>", "    <contractors>\n        <contractor>", 1)
        .replacen("</contractors>\n    </contractors>", "</contractor>\n    </contractors>", 1)
        .replace("<field>template</field>", "<field>zip</field>");
    let fault = mapping.refuse_errors(&answer(200, &refused)).unwrap_err();
    let FaultKind::Invalid(faults) = &fault.kind else { panic!("{fault:?}") };
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].pointer, "/addresses/0/post_code");
    assert!(!faults[0].message.contains("znacznika"));
    for (word, kind) in
        [("NOT FOUND", FaultKind::NotFound), ("AUTH", FaultKind::SignInFailed), ("?", FaultKind::Unknown)]
    {
        let body = format!("<api><status><code>{word}</code></status></api>");
        assert_eq!(mapping.inward(&answer(200, &body), &wanted).unwrap_err().kind, kind, "{word}");
    }
    // The recorded one as it is names nothing of ours, and is an error all the same.
    assert!(matches!(mapping.refuse_errors(&answer(200, REFUSED)).unwrap_err().kind, FaultKind::Invalid(_)));
}

#[test]
fn rows_are_a_repeated_element_and_none_is_an_empty_list() {
    let system = wfirma();
    let mapping = system.entity("Customer").unwrap();
    let wanted = mapping.entity().all();
    let listing = mapping.list(&wanted, &Filter::everything(), &[], None, 10).unwrap();
    let body = String::from_utf8(listing.request.body.to_vec()).unwrap();
    let where_ = "<condition><field>buyer</field><operator>eq</operator><value>1</value></condition>\
        <condition><field>tax_id_type</field><operator>eq</operator><value>nip</value></condition>";
    let page = "<page>1</page><limit>10</limit></parameters></contractors></api>";
    let conditions = |inside: &str| {
        format!("<api><contractors><parameters><conditions><and>{inside}</and></conditions>{page}")
    };
    assert!(body.ends_with(&conditions(where_)), "{body}");
    // What a caller asks for stands in elements of its own, whatever it is.
    let leaf = mapping.entity().leaf_at("name").unwrap();
    let value = Value::Text("</value><or>&".into());
    let named = Filter::Test { leaf, op: Op::Eq, value };
    let asked = mapping.list(&wanted, &named, &[], None, 10).unwrap();
    let body = String::from_utf8(asked.request.body.to_vec()).unwrap();
    let name = "<condition><field>name</field><operator>eq</operator><value>&lt;/value&gt;&lt;or&gt;&amp;</value></condition>";
    assert!(body.contains(name) && body.contains("<field>buyer</field>"), "{body}");
    let rows = |rows: &str| {
        let body = format!(
            "<api><contractors>{rows}<parameters><total>1</total></parameters></contractors><status><code>OK</code></status></api>"
        );
        mapping.inward_list(&listing, &answer(200, &body), &wanted).map(|page| page.rows)
    };
    let other = GET.replace("<buyer>1</buyer>", "<buyer>0</buyer>");
    let found = rows(&format!("{GET}{other}")).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].as_ref().unwrap().id, "68108794");
    assert!(found[1].is_err());
    assert!(rows("").unwrap().is_empty());
    let none = answer(200, "<api><status><code>OK</code></status></api>");
    assert!(mapping.inward_list(&listing, &none, &wanted).is_err());
}

#[test]
fn a_row_that_only_points_to_a_record_tells_nothing_of_it() {
    let system = prestashop();
    let mapping = system.entity("Product").unwrap();
    let wanted = mapping.entity().all();
    let listing = mapping.list(&wanted, &Filter::everything(), &[], None, 10).unwrap();
    assert_eq!(listing.request.target, "/products?display=full&sort=%5Bid_ASC%5D&limit=0%2C10");
    let body = r#"<prestashop xmlns:xlink="http://www.w3.org/1999/xlink"><products>
        <product id="1" xlink:href="http://172.30.0.5/api/products/1"/></products></prestashop>"#;
    let page = mapping.inward_list(&listing, &answer(200, body), &wanted).unwrap();
    assert!(page.rows[0].is_err());
    let body = "<prestashop><product><id>1</id></product></prestashop>";
    let inward = mapping.inward(&answer(200, body), &wanted).unwrap();
    assert!(inward.missing.contains(mapping.entity().leaf_at("sku").unwrap()));
}
