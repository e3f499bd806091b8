//! Facts about the way out.

use proptest::prelude::*;

use super::*;
use crate::catalog::Action;

fn sent(request: &NativeRequest) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn refused(mapping: &Mapping, text: &str) -> Vec<(String, String)> {
    let faults = mapping.create(&record(mapping, text)).unwrap_err();
    faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()
}

#[test]
fn a_derived_value_is_taken_when_it_is_what_will_be_read_back() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let ok = r#"{"kind":"person","name":"Ewa Nowak","given_name":"Ewa","family_name":"Nowak"}"#;
    assert_eq!(sent(&m.create(&record(m, ok)).unwrap())["properties"]["firstname"], "Ewa");
    let told = refused(m, r#"{"kind":"person","name":"Anna","given_name":"Ewa"}"#);
    assert_eq!(told[0].0, "/name");
    assert!(told[0].1.contains("would read `Ewa`; send the fields it is made of instead"), "{told:?}");
    let by_company = r#"{"kind":"person","name":"Nowak Ltd","company":"Nowak Ltd"}"#;
    assert!(m.create(&record(m, by_company)).is_ok());
}

#[test]
fn a_fault_of_a_change_tells_no_stored_value() {
    let m = crm().entity("Customer").unwrap();
    let old = record(m, r#"{"kind":"person","name":"Ewa Nowak","given_name":"Ewa","family_name":"Nowak"}"#);
    let new = record(m, r#"{"kind":"person","name":"x","given_name":"Ewa","family_name":"Nowak"}"#);
    let faults = m.update("7", &old, &new, None).unwrap_err();
    let [MappingFault { leaf, pointer, message, whose }] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((pointer.as_str(), *leaf, *whose), ("/name", m.entity().leaf_at("name"), Whose::Caller));
    assert!(message.contains("put together by the system"), "{message}");
    for stored in ["Ewa", "Nowak", "given_name", "family_name"] {
        assert!(!message.contains(stored), "{message}");
    }
    // Nor of a value that a change moves to a place which cannot hold it.
    let text = "
entities:
  Customer:
    at: /c
    update: {}
    fields:
      phones:
        - { type: =work, value: a }
        - { type: =mobile, value: { at: b, as: { wire: number } } }
";
    let system = load_text("x", text, "https://x.example").0.unwrap();
    let m = system.entity("Customer").unwrap();
    let old = record(m, r#"{"phones":[{"type":"work","value":"hidden"}]}"#);
    let new = record(m, r#"{"phones":[{"type":"mobile","value":"hidden"}]}"#);
    let faults = m.update("7", &old, &new, None).unwrap_err();
    assert!(faults.iter().all(|fault| !fault.message.contains("hidden")), "{faults:?}");
}

#[test]
fn a_change_that_the_system_gave_no_version_for_is_the_systems_fault() {
    let m = erp().entity("Product").unwrap();
    let id = "fca5738a-44e3-ea11-bb43-000d3a2feca1";
    let (old, new) = (record(m, r#"{"sku":"A","name":"Desk"}"#), record(m, r#"{"sku":"A","name":"Table"}"#));
    let unguarded = m.update(id, &old, &new, None).unwrap_err();
    assert_eq!(MappingFault::of_system(&unguarded).unwrap().kind, FaultKind::Unreadable);
    let removed = m.delete(id, Some("no\nheader")).unwrap_err();
    assert_eq!(removed.whose, Whose::System);
    let long = record(m, &format!(r#"{{"sku":"A","name":"{}"}}"#, "x".repeat(101)));
    let faults = m.update(id, &old, &long, Some("1")).unwrap_err();
    assert!(MappingFault::of_system(&faults).is_none());
}

#[test]
fn every_fault_is_told_with_its_pointer_and_nothing_is_dropped() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let told = refused(
        m,
        r#"{"kind":"company","emails":[{"value":"a@b"},{"value":"c@d"}],"phones":[{"value":"1","type":"fax"}],
            "trading_name":"x","status":"active","given_name":"Ewa"}"#,
    );
    let pointers: Vec<_> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/kind", "/emails/1", "/phones/0", "/status", "/trading_name"], "{told:?}");
}

#[test]
fn only_what_changed_is_sent_and_guarded_by_the_version() {
    let system = erp();
    let m = system.entity("Product").unwrap();
    let old = record(m, r#"{"sku":"A","name":"Desk","unit":"H87","list_price":{"net_price":"10.0"}}"#);
    let new = record(m, r#"{"sku":"A","name":"Table","unit":"H87","list_price":{"net_price":"10.00"}}"#);
    let id = "fca5738a-44e3-ea11-bb43-000d3a2feca1";
    let request = m.update(id, &old, &new, Some("W/\"1\"")).unwrap().unwrap();
    assert_eq!(sent(&request), serde_json::json!({"displayName": "Table"}));
    assert_eq!(request.headers["if-match"], "W/\"1\"");
    assert_eq!(request.method, http::Method::PATCH);
    assert!(m.update(id, &old, &old, Some("W/\"1\"")).unwrap().is_none());
    assert!(m.update(id, &old, &new, None).is_err());
    assert!(m.delete(id, None).is_err() && m.delete("x", Some("1")).is_err());
}

#[test]
fn clearing_writes_the_systems_spelling_of_nothing_or_is_refused() {
    let system = erp();
    let m = system.entity("Product").unwrap();
    let id = "fca5738a-44e3-ea11-bb43-000d3a2feca1";
    let old = record(m, r#"{"gtin":"123","list_price":{"net_price":"10.0"}}"#);
    let cleared = m.update(id, &old, &record(m, r#"{"list_price":{"net_price":"10.0"}}"#), Some("1"));
    assert_eq!(sent(&cleared.unwrap().unwrap()), serde_json::json!({"gtin": ""}));
}

#[test]
fn a_slot_keeps_its_place_when_another_is_emptied() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let old = record(m, r#"{"phones":[{"type":"work","value":"1"},{"type":"mobile","value":"2"}]}"#);
    let new = record(m, r#"{"phones":[{"type":"mobile","value":"3"}]}"#);
    let request = m.update("7", &old, &new, None).unwrap().unwrap();
    assert_eq!(sent(&request), serde_json::json!({"properties": {"phone": "", "mobilephone": "3"}}));
}

#[test]
fn values_the_system_cannot_keep_are_refused_with_what_it_can() {
    let system = erp();
    let m = system.entity("Product").unwrap();
    let long = "x".repeat(101);
    let told = refused(m, &format!(r#"{{"sku":"A","name":"{long}","kind":"kit"}}"#));
    assert!(told[0].1.contains("at most 100 characters"), "{told:?}");
    assert!(told[1].1.contains("knows only goods, service, non_stock"), "{told:?}");
    let m = system.entity("Order").unwrap();
    let told = refused(m, r#"{"customer":"1","lines":[{"quantity":"1"},{"quantity":"0.1234567"}]}"#);
    assert_eq!(told[0].0, "/lines/1/quantity", "{told:?}");
    let told = refused(m, r#"{"customer":"1","lines":[{"product":"1896-S","quantity":"1"}]}"#);
    assert_eq!(told, [("/lines/0/product".to_owned(), "the system keeps a GUID here".to_owned())]);
}

#[test]
fn the_view_says_what_may_and_must_be_sent() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    let view = m.view(Action::Create);
    for path in ["kind", "name", "given_name", "emails.value", "phones.type"] {
        assert!(view.writable.contains(leaf(path)), "{path}");
    }
    for path in ["id", "status", "created_at", "trading_name"] {
        assert!(!view.writable.contains(leaf(path)), "{path}");
    }
    assert!(view.required.is_empty());
    let system = erp();
    let m = system.entity("Order").unwrap();
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    let view = m.view(Action::Create);
    assert!(view.required.contains(leaf("customer")) && view.required.contains(leaf("lines.quantity")));
    // Lines change by requests of their own, and are named by their ids then.
    for path in ["lines.quantity", "lines.id"] {
        assert!(m.view(Action::Update).writable.contains(leaf(path)), "{path}");
    }
    assert!(!view.writable.contains(leaf("lines.id")));
    assert_eq!(system.entity("Invoice").unwrap().view(Action::Update), WriteView::default());
}

proptest! {
    /// Law 1: what is written reads back as it was.
    #[test]
    fn there_and_back(given in "\\PC{0,20}", mail in "[a-z]{0,8}@x", phone in "[+0-9 ]{0,9}", mobile in "[0-9]{0,9}") {
        let system = crm();
        let m = system.entity("Customer").unwrap();
        let mut doc = serde_json::json!({"kind": "person", "emails": [{"value": mail}]});
        let mut phones = Vec::new();
        for (kind, value) in [("work", &phone), ("mobile", &mobile)] {
            if !value.is_empty() {
                phones.push(serde_json::json!({"value": value, "type": kind}));
            }
        }
        if !given.is_empty() {
            doc["given_name"] = given.as_str().into();
        }
        doc["phones"] = phones.into();
        let request = m.create(&record(m, &doc.to_string())).unwrap();
        let mut native = sent(&request);
        native["id"] = "7".into();
        for name in ["phone", "mobilephone", "firstname"] {
            if native["properties"].get(name).is_none() {
                native["properties"][name] = serde_json::Value::Null;
            }
        }
        let inward = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
        let back = json(m.entity(), &inward.record);
        for name in ["kind", "given_name", "emails", "phones"] {
            prop_assert_eq!(back.get(name), doc.get(name), "{}", name);
        }
    }
}
