//! Facts about objects with free names that are lists: each name and its value is an element, and others keep theirs.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Value;

const SHOP: &str = r#"
absent: { any: [""] }
clear: { any: null }
entities:
  Customer:
    at: /c
    read: {}
    create: {}
    update: {}
    fields:
      name: name
      tax_ids:
        entries: numbers
        write: always
        fields: { scheme: { at: $name, values: { nip: "PL:NIP", regon: "PL:REGON" } }, value: { at: $value.text, norm: digits } }
      phones:
        entries: contact
        names: "phone_{name}"
        fields: { type: $name, value: $value }
      emails: { entries: mails, write: never, fields: { value: $name, primary: $value.main, type: =work } }
      website: contact.site
"#;

fn shop() -> Arc<Mapping> {
    let (system, told) = load_text("x", SHOP, "https://x.example");
    system.filter(|_| told.is_empty()).unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn read(m: &Mapping, native: &Json) -> Inward {
    m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap()
}

fn sent(request: &NativeRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

fn native() -> Json {
    json!({
        "id": "7", "name": "Ewa",
        "numbers": { "nip": { "text": "526-025-02-74" }, "regon": { "text": "012345678" } },
        "contact": { "phone_work": "1", "site": "https://e.example", "other": { "a": 1 }, "phone_home": "2" },
        "mails": { "e@x.example": { "main": true }, "f@x.example": { "main": false } }
    })
}

#[test]
fn names_and_what_stands_under_them_are_elements_in_their_order() {
    let m = shop();
    let read = read(&m, &native());
    assert_eq!(read.findings, []);
    assert_eq!(
        json(m.entity(), &read.record),
        json!({
            "id": "7", "name": "Ewa", "website": "https://e.example",
            "tax_ids": [{ "scheme": "PL:NIP", "value": "5260250274" }, { "scheme": "PL:REGON", "value": "012345678" }],
            "phones": [{ "type": "work", "value": "1" }, { "type": "home", "value": "2" }],
            "emails": [{ "value": "e@x.example", "primary": true, "type": "work" }, { "value": "f@x.example", "primary": false, "type": "work" }],
        })
    );
}

#[test]
fn an_object_without_names_is_an_empty_list_and_one_that_is_not_there_is_untold() {
    let m = shop();
    let leaf = m.entity().leaf_at("tax_ids.value").unwrap();
    for empty in [json!({}), json!([]), json!(null), json!("")] {
        let read = read(&m, &json!({ "id": "7", "numbers": empty }));
        assert_eq!(json(m.entity(), &read.record)["tax_ids"], json!([]), "{empty}");
        assert!(!read.missing.contains(leaf) && read.findings.is_empty(), "{empty}");
    }
    assert!(read(&m, &json!({ "id": "7" })).missing.contains(leaf));
    for other in [json!([{ "nip": 1 }]), json!(7)] {
        let read = read(&m, &json!({ "id": "7", "numbers": other }));
        assert!(read.missing.contains(leaf), "{other}");
        assert_eq!(read.findings[0].what, What::NotAList, "{other}");
    }
}

#[test]
fn a_name_that_stands_twice_leaves_the_list_out_and_is_told() {
    let m = shop();
    let leaf = m.entity().leaf_at("tax_ids.value").unwrap();
    for text in [
        r#"{ "id": "7", "numbers": { "nip": { "text": "1234563218" }, "nip": { "text": "2" } } }"#,
        r#"{ "id": "7", "numbers": { "nip": { "text": "1234563218" }, "ni\u0070": { "text": "2" } } }"#,
    ] {
        let read = m.inward(&answer(200, text), &m.entity().all()).unwrap();
        assert_eq!(read.findings[0].what, What::Unfit("a name stands twice in it"));
        assert!(read.missing.contains(leaf));
    }
    // A name of a line of its own, twice, is a fault of the row as ever.
    let twice = r#"{ "id": "7", "contact": { "site": "a", "site": "b" } }"#;
    assert!(m.inward(&answer(200, twice), &m.entity().all()).is_err());
}

#[test]
fn a_new_record_keeps_each_element_under_its_name() {
    let m = shop();
    let record = record(
        &m,
        r#"{ "name": "Ewa", "tax_ids": [{ "scheme": "PL:NIP", "value": "526-025-02-74" }],
             "phones": [{ "type": "home", "value": "2" }, { "type": "work", "value": "1" }], "website": "https://w.example" }"#,
    );
    assert_eq!(
        sent(&m.create(&record).unwrap()),
        json!({ "name": "Ewa", "numbers": { "nip": { "text": "5260250274" } },
                "contact": { "phone_home": "2", "phone_work": "1", "site": "https://w.example" } })
    );
    for (phones, pointer) in [
        (json!([{ "type": "home", "value": "1" }, { "type": "home", "value": "2" }]), "/phones/1"),
        (json!([{ "value": "1" }]), "/phones/0"),
        (json!([{ "type": "home" }]), "/phones/0"),
    ] {
        let record = super::record(&m, &json!({ "name": "E", "phones": phones }).to_string());
        let faults = m.create(&record).unwrap_err();
        assert_eq!(faults[0].pointer, pointer, "{phones}");
    }
}

#[test]
fn a_change_sends_the_names_that_differ_and_nothing_for_those_that_go() {
    let m = shop();
    let old = read(&m, &native()).record;
    assert!(m.update("7", &old, &old, None).unwrap().is_none());
    let changed = |text: &str| {
        let mut new = old.clone();
        let (at, _) = m.entity().root.field("tax_ids").unwrap();
        let with = record(&m, &format!(r#"{{ "tax_ids": {text} }}"#));
        new.fields.set(at, with.fields.at(at).cloned().unwrap_or(Value::Null));
        sent(&m.update("7", &old, &new, None).unwrap().unwrap())
    };
    assert_eq!(
        changed(
            r#"[{ "scheme": "PL:NIP", "value": "123-456-32-18" }, { "scheme": "PL:REGON", "value": "012345678" }]"#
        ),
        json!({ "numbers": { "nip": { "text": "1234563218" } } })
    );
    assert_eq!(
        changed(r#"[{ "scheme": "PL:REGON", "value": "012345678" }]"#),
        json!({ "numbers": { "nip": null } })
    );
    assert_eq!(changed("[]"), json!({ "numbers": { "nip": null, "regon": null } }));
    // What is not to be changed with the record is refused.
    let mut new = old.clone();
    let (at, _) = m.entity().root.field("phones").unwrap();
    new.fields.set(at, Value::List(Vec::new()));
    assert_eq!(m.update("7", &old, &new, None).unwrap_err()[0].pointer, "/phones");
}

#[test]
fn free_names_are_no_new_fields_and_those_of_others_are() {
    let unread = shop().unread(&Bytes::from(native().to_string()));
    assert_eq!(unread, ["contact.other"]);
}

#[test]
fn elements_of_a_document_whose_names_carry_ids_are_a_list() {
    let text = r#"
speaks: xml
entities:
  Customer:
    at: /c
    key: id
    wrap: answer.contractor
    read: {}
    create: {}
    fields:
      name: name
      registration_ids:
        entries: .
        names: "field_value{name}"
        fields: { scheme: $name, value: $value.value }
"#;
    let (system, told) = load_text("x", text, "https://x.example");
    let system = system.filter(|_| told.is_empty()).unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let body = "<answer><contractor><id>7</id><field_value49645><id>1</id><value>a</value></field_value49645>\
                <name>Ewa</name><field_value7><value>b</value></field_value7><field_valu>x</field_valu></contractor></answer>";
    let read = m.inward(&answer(200, body), &m.entity().all()).unwrap();
    assert_eq!(
        json(m.entity(), &read.record),
        json!({ "id": "7", "name": "Ewa", "registration_ids": [{ "scheme": "49645", "value": "a" }, { "scheme": "7", "value": "b" }] })
    );
    assert_eq!(m.unread(&Bytes::from(body)), ["answer.contractor[].*.id", "answer.contractor[].field_valu"]);
    let none =
        m.inward(&answer(200, "<answer><contractor><id>7</id></contractor></answer>"), &m.entity().all());
    assert_eq!(json(m.entity(), &none.unwrap().record)["registration_ids"], json!([]));
    let new = |scheme: &str| {
        m.create(&record(
            m,
            &json!({ "name": "E", "registration_ids": [{ "scheme": scheme, "value": "v" }] }).to_string(),
        ))
    };
    let written = String::from_utf8(new("12").unwrap().body.to_vec()).unwrap();
    assert!(written.contains("<field_value12><value>v</value></field_value12>"), "{written}");
    // What a caller says never becomes markup.
    for bad in ["1><x/><a", "1 a=\"b\"", "é", "{name}"] {
        assert_eq!(new(bad).unwrap_err()[0].pointer, "/registration_ids/0", "{bad}");
    }
}

#[test]
fn bad_entries_are_told_with_what_to_write() {
    let told = |list: &str, more: &str| {
        let text = format!(
            "entities:\n  Customer:\n    at: /c\n    read: {{}}\n    create: {{}}\n    fields:\n      {list}\n{more}"
        );
        let (system, told) = load_text("x", &text, "https://x.example");
        assert!(system.is_none(), "{list} loads");
        told
    };
    for (list, word) in [
        ("phones: { entries: a, fields: { type: kind, value: $value } }", "`kind` is no path of an entry"),
        ("phones: { entries: a, fields: { type: $nam, value: $value } }", "`$nam` is no path of an entry"),
        ("phones: { entries: a, fields: { value: $value } }", "say `write: never`"),
        ("phones: { entries: a, fields: { type: $name, value: { join: [a, b] } } }", "has no `join`"),
        (
            "phones: { entries: a, fields: { type: $name, value: { at: $value, write_at: b } } }",
            "has no `write_at`",
        ),
        (
            "phones: { entries: a, names: \"x\", fields: { type: $name, value: $value } }",
            "one `{name}` in them",
        ),
        ("phones: { entries: a, names: \"{name}{name}\", fields: { type: $name } }", "one `{name}` in them"),
        ("phones: { entries: a, where: { b: c }, fields: { type: $name, value: $value } }", "where"),
        ("phones: { entries: a }", "`fields` is missing"),
        (
            "phones: { entries: a, write: update, fields: { type: $name, value: $value } }",
            "cannot be changed",
        ),
    ] {
        let told = told(list, "");
        assert!(told.contains(word), "{list}: {told}");
    }
    let both = "      website: a.b\n";
    let told = told("phones: { entries: a, fields: { type: $name, value: $value } }", both);
    assert!(told.contains("say by `names` which"), "{told}");
}
