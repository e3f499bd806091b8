//! Facts about keys that are read bare and written as addresses, and about systems whose answer to a write is a list
//! of faults: shown with the ready files that need them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

fn dataverse() -> System {
    let text = include_str!("../../../policies/systems/catalogue/dataverse.yaml");
    let (system, told) = load_text("dataverse", text, "https://example.crm4.dynamics.com/api/data/v9.2");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn salesforce() -> System {
    let text = include_str!("../../../policies/systems/catalogue/salesforce.yaml");
    let (system, told) =
        load_text("salesforce", text, "https://example.my.salesforce.com/services/data/v59.0");
    system.unwrap_or_else(|| panic!("{told}"))
}

const OWN: &str = "78914942-34cb-ed11-b596-0022481d68cd";
const OTHER: &str = "70bf4d48-34cb-ed11-b596-0022481d68cd";

#[test]
fn the_ready_file_holds_its_samples_both_ways() {
    for system in [dataverse(), salesforce()] {
        let found = system.check();
        assert!(found.0.is_empty(), "{found}");
        assert!(system.mappings().all(|mapping| mapping.samples.len() > 2));
    }
}

#[test]
fn a_reference_is_read_as_a_key_and_written_as_an_address() {
    let system = dataverse();
    let m = system.entity("Customer").unwrap();
    let native = json!({ "accountid": OWN, "name": "Acme", "_parentaccountid_value": OTHER });
    let read = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap().record;
    assert_eq!(json(m.entity(), &read)["parent"], OTHER);
    let sent = |parent: Json| -> Json {
        let mut text = json!({ "kind": "company", "name": "Acme", "parent": parent });
        if parent.is_null() {
            text.as_object_mut().unwrap().remove("parent");
        }
        let request = m.update(OWN, &read, &record(m, &text.to_string()), Some("W/\"1\"")).unwrap();
        request.map_or(Json::Null, |request| serde_json::from_slice(&request.body).unwrap())
    };
    assert_eq!(sent(OTHER.into()), Json::Null, "the key it has is no change");
    assert_eq!(sent(OWN.into()), json!({ "parentaccountid@odata.bind": format!("/accounts({OWN})") }));
    assert_eq!(sent(Json::Null), json!({ "parentaccountid@odata.bind": null }));
}

#[test]
fn a_filter_asks_for_the_key_where_it_is_read() {
    let system = dataverse();
    let m = system.entity("Customer").unwrap();
    let leaf = m.entity().leaf_at("parent").unwrap();
    let value = schema::value::parse_text(&m.entity().leaf(leaf).unwrap().kind, OTHER).unwrap();
    let filter = Filter::Test { leaf, op: schema::Op::Eq, value };
    let listing = m.list(&FieldSet::ID, &filter, &[], None, 50).unwrap();
    let target = percent_encoding::percent_decode_str(&listing.request.target).decode_utf8().unwrap();
    assert!(target.contains(&format!("$filter=_parentaccountid_value eq {OTHER}")), "{target}");
}

#[test]
fn a_new_record_is_known_by_the_address_in_the_head() {
    let system = dataverse();
    let m = system.entity("Customer").unwrap();
    let told = |address: &str| {
        let mut answer = answer(204, "");
        answer.headers.insert("odata-entityid", address.parse().unwrap());
        match m.made(crate::catalog::Action::Create, &answer, &FieldSet::ID) {
            Ok(Made::Key(key)) => Some(key.to_string()),
            Ok(Made::Record(_) | Made::Nothing) | Err(_) => None,
        }
    };
    let at = |key: &str| format!("https://example.crm4.dynamics.com/api/data/v9.2/accounts({key})");
    assert_eq!(told(&at(OWN)).as_deref(), Some(OWN));
    for other in [at("name='x'"), at(""), "https://example.crm4.dynamics.com/contacts(1)".to_owned()] {
        assert_eq!(told(&other), None, "{other}");
    }
}

#[test]
fn faults_that_are_the_whole_answer_are_told_with_their_places() {
    let system = salesforce();
    let m = system.entity("Customer").unwrap();
    // As restforce records them (MIT), with the fields that the documentation has.
    let body = r#"[{"message":"Name: data value too large","errorCode":"STRING_TOO_LONG","fields":["Name"]},
        {"message":"invalid cross reference id","errorCode":"INVALID_CROSS_REFERENCE_KEY","fields":["ParentId"]},
        {"message":"x","errorCode":"INVALID_FIELD"}]"#;
    let kind = m.inward(&answer(400, body), &FieldSet::ID).unwrap_err().kind;
    let FaultKind::Invalid(faults) = kind else { panic!("{kind:?}") };
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/parent", ""]);
    let gone = r#"[{"errorCode":"ENTITY_IS_DELETED","message":"entity is deleted"}]"#;
    assert_eq!(m.inward(&answer(404, gone), &FieldSet::ID).unwrap_err().kind, FaultKind::NotFound);
}

#[test]
fn an_address_is_said_of_keys_that_cannot_hold_its_end() {
    let told = |line: &str| {
        let text = format!("entities:\n  Customer:\n    at: /c\n    fields:\n      {line}\n");
        load_text("x", &text, "https://x.example").1
    };
    let good = "parent: { at: p, form: guid, write_at: q, write_as: { pattern: '/c({value})' } }";
    assert_eq!(told(good), "");
    for (line, word) in [
        ("parent: { at: p, write_as: { pattern: '/c({value})' } }", "say `form: guid` or `form: digits`"),
        ("parent: { at: p, form: guid, write_as: { pattern: '/c' } }", "`{value}` stands once"),
        ("parent: { at: p, form: guid, write_as: { pattern: '{value}{value}' } }", "`{value}` stands once"),
        ("parent: { at: p, form: guid, as: { pattern: '/c({value})' } }", "say it under `write_as`"),
    ] {
        assert!(told(line).contains(word), "{line}: {}", told(line));
        assert!(told(line).contains("x.yaml:5:"), "{}", told(line));
    }
}

proptest! {
    #[test]
    fn nothing_but_a_key_is_put_into_an_address(text in "[0-9a-fA-F(){}'/,$?-]{0,40}") {
        let system = dataverse();
        let m = system.entity("Customer").unwrap();
        let body = json!({ "kind": "company", "name": "Acme", "parent": text }).to_string();
        let view = View {
            writable: m.entity().all(),
            required: FieldSet::EMPTY,
            ..View::of(m.entity(), Body::Create)
        };
        if let Ok(proposed) = schema::json::read(m.entity(), body.as_bytes(), &view)
            && let Ok(request) = m.create(&proposed.record)
        {
            let sent: Json = serde_json::from_slice(&request.body).unwrap();
            if let Some(address) = sent["parentaccountid@odata.bind"].as_str() {
                let key = address.strip_prefix("/accounts(").and_then(|rest| rest.strip_suffix(')')).unwrap();
                prop_assert!(key.len() == 36 && key.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()));
            }
        }
    }
}
