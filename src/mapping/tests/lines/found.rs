//! Elements that are found by what they say of themselves, and several lists from one.

use super::*;

const META: &str = r#"
name: name
vat: { at: "meta[key=vat_id].value", write: always }
gln: "meta[key=gln].value"
text: { at: "meta[key=text].value", most: 9 }
currency: { at: "meta[0].cur", write: never }
"#;

#[test]
fn an_element_is_found_wherever_it_stands() {
    let m = thing(META);
    let meta = json!({ "name": "a", "meta": [
        { "value": "5", "key": "other", "cur": "EUR" },
        { "value": { "a": 1 }, "key": ["vat_id"] },
        { "value": "PL1", "key": "vat_id" },
        null,
        "vat_id",
    ] });
    assert_eq!(reads(&m, &meta), (json!({ "name": "a", "vat": "PL1", "currency": "EUR" }), vec![]));
}

#[test]
fn what_no_element_says_of_itself_is_empty_and_what_is_not_told_is_not() {
    let m = thing("vat: { at: 'meta[key=vat_id].value', write: never }");
    for (meta, missing) in [
        (json!([]), false),
        (json!(null), false),
        (json!([{ "key": "other", "value": "1" }]), false),
        (json!([{ "key": "vat_id" }]), true),
        // One that may be it.
        (json!([{ "value": "1" }]), true),
        (json!({ "vat_id": "1" }), true),
        (json!("vat_id"), true),
        // Which of the two is meant, nobody knows.
        (json!([{ "key": "vat_id", "value": "1" }, { "key": "vat_id", "value": "2" }]), true),
    ] {
        let (read, untold) = reads(&m, &json!({ "meta": meta }));
        assert_eq!((read, !untold.is_empty()), (json!({}), missing), "{meta}");
    }
    let twice = r#"{"id":"7","meta":[{"key":"vat_id","key":"other","value":"1"}]}"#;
    assert_eq!(m.inward(&answer(200, twice), &m.mapped()).unwrap_err().kind, FaultKind::Unreadable);
}

#[test]
fn an_element_that_is_found_is_sent_with_its_key() {
    let m = thing(META);
    let made = creates(&m, &json!({ "name": "a", "vat": "PL1", "gln": "590" }));
    let meta = json!([{ "key": "vat_id", "value": "PL1" }, { "key": "gln", "value": "590" }]);
    assert_eq!(made, json!({ "name": "a", "meta": meta }));
    let changed = updates(&m, &json!({ "vat": "PL1", "gln": "590" }), &json!({ "vat": "PL2", "gln": "590" }));
    assert_eq!(changed, json!({ "meta": [{ "key": "vat_id", "value": "PL2" }] }));
    // Whether the others stay when a change sends one, the file has to say.
    for field in ["gln", "text"] {
        let told = refused_change(&m, &json!({ field: "590" }), &json!({ field: "591" }));
        assert_eq!(told[0].0, format!("/{field}"), "{told:?}");
    }
}

#[test]
fn lines_that_would_write_one_element_twice_do_not_load() {
    all_told(&[
        ("vat: \"m[key=a].value\"\ngln: \"m[key=a].value\"", "written by `vat` already"),
        ("vat: \"m[key=a].value\"\ngln: \"m[0].value\"", "written by `vat` already"),
        ("vat: \"m[key=a].value\"\ngln: \"m[name=b].value\"", "written by `vat` already"),
        ("vat: \"m[key=a].key\"", "is what the element is found by"),
        ("vat: \"m[key=a]\"", "not a value in it"),
    ]);
    assert!(tried("vat: \"m[key=a].value\"\ngln: \"m[key=b].value\"").0.is_some());
}

const CONTACTS: &str = r#"
name: name
mails: { each: contacts, where: { type: email }, fields: { value: value } }
phones: { each: contacts, where: { type: phone, active: true }, fields: { value: value } }
"#;

#[test]
fn several_lists_are_read_from_one_each_with_its_own_elements() {
    let m = thing(CONTACTS);
    let contacts = json!({ "name": "a", "contacts": [
        { "type": "email", "value": "a@x" },
        { "value": "1", "active": true, "type": "phone" },
        { "type": "fax", "value": "2" },
        { "type": "phone", "value": "3", "active": false },
        { "type": "email", "value": "b@x" },
    ] });
    let read = json!({ "name": "a", "mails": [{ "value": "a@x" }, { "value": "b@x" }], "phones": [{ "value": "1" }] });
    assert_eq!(reads(&m, &contacts), (read, vec![]));
    let (read, untold) =
        reads(&m, &json!({ "contacts": [{ "value": "?" }, { "type": "email", "value": "a@x" }] }));
    assert_eq!(read, json!({ "mails": [{ "value": "a@x" }], "phones": [] }));
    assert_eq!(untold, ["name", "mails.value", "phones.value"]);
    // It cannot be a phone, whatever else it is.
    let (_, untold) = reads(&m, &json!({ "name": "a", "contacts": [{ "value": "?", "active": false }] }));
    assert_eq!(untold, ["mails.value"]);
}

#[test]
fn each_part_of_a_list_is_sent_with_what_tells_it_from_the_others() {
    let m = thing(CONTACTS);
    let doc =
        json!({ "name": "a", "mails": [{ "value": "a@x" }], "phones": [{ "value": "1" }, { "value": "2" }] });
    let contacts = json!([
        { "value": "a@x", "type": "email" },
        { "value": "1", "type": "phone", "active": true },
        { "value": "2", "type": "phone", "active": true },
    ]);
    let made = creates(&m, &doc);
    assert_eq!(made, json!({ "name": "a", "contacts": contacts }));
    assert_eq!(reads(&m, &made).0, doc);
    all_told(&[
        (
            "mails: { each: c, where: { type: a }, fields: { value: value } }\nphones: { each: c, where: { type: a }, fields: { value: other } }",
            "is read element by element already",
        ),
        (
            "mails: { each: c, where: { type: a }, fields: { value: value } }\nphones: { each: c, where: { kind: b }, fields: { value: value } }",
            "written by `mails` already",
        ),
        ("mails: { each: c, where: { type: a }, fields: { value: type } }", "written by `where` already"),
    ]);
}
