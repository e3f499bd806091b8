//! Facts about lines that say more than where one value stands, of XML.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{written::load, *};
use crate::{
    mapping::{Mapping, NativeAnswer},
    schema::Filter,
};

const CONTACTS: &str = r#"
speaks: xml
absent: { any: [""] }
entities:
  Customer:
    at: /c
    wrap: a.c
    list: { rows: a.c }
    read: {}
    create: {}
    fields:
      given_name: { at: 'meta[key=first].value', write: always }
      family_name: { at: 'contact[@type=name].#', write: always }
      emails: { each: contact, where: { '@type': mail }, fields: { value: '#' } }
      phones: { each: contact, where: { '@type': phone }, fields: { value: '#' } }
      company: { at: $answer.a.@firm, write: never }
"#;

fn customers() -> Arc<Mapping> {
    let (system, told) = load(CONTACTS);
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn reads(m: &Mapping, inside: &str) -> (Json, Vec<String>) {
    let whole = format!("<a firm='M &amp; S'><c><id>7</id>{inside}</c></a>");
    let inward = m.inward(&answer(200, &whole), &m.mapped()).unwrap();
    let path = |leaf| m.entity().leaf(leaf).unwrap().path.to_string();
    let mut read = json(m.entity(), &inward.record);
    read.as_object_mut().unwrap().remove("id");
    (read, inward.missing.iter().map(path).collect())
}

#[test]
fn elements_are_found_and_parted_by_what_they_say_of_themselves() {
    let m = customers();
    let inside = "<contact type='mail'>a@x.example</contact><meta><value>no</value><key>other</key></meta>\
        <contact type='name'>Nowak</contact><contact type='phone'>1</contact><contact type='mail'>b@x.example</contact>\
        <meta><value>E&amp;a</value><key>first</key></meta><contact type='phone'>2</contact><contact type='?'>3</contact>";
    let (read, missing) = reads(&m, inside);
    let expected = json!({
        "given_name": "E&a", "family_name": "Nowak", "company": "M & S",
        "emails": [{ "value": "a@x.example" }, { "value": "b@x.example" }],
        "phones": [{ "value": "1" }, { "value": "2" }],
    });
    assert_eq!((read, missing), (expected, vec![]));
}

#[test]
fn what_no_element_says_is_empty_and_what_one_does_not_tell_is_not() {
    let m = customers();
    let told = |inside: &str| reads(&m, inside).1;
    assert_eq!(told(""), Vec::<String>::new());
    assert_eq!(told("<contact type='x'>a</contact><meta><key>y</key></meta>"), Vec::<String>::new());
    // One that may be it.
    assert_eq!(told("<contact>a</contact>"), ["family_name", "emails.value", "phones.value"]);
    assert_eq!(told("<meta><value>a</value></meta>"), ["given_name"]);
    // Which of two is meant, nobody knows.
    let two = "<meta><key>first</key><value>a</value></meta><meta><key>first</key><value>b</value></meta>";
    assert_eq!(told(two), ["given_name"]);
    let twice = answer(200, "<a><c><id>7</id><meta><key>first</key><key>x</key></meta></c></a>");
    assert!(m.inward(&twice, &m.mapped()).is_err());
}

#[test]
fn each_row_of_a_list_is_read_for_itself() {
    let m = customers();
    let listing = m.list(&m.mapped(), &Filter::everything(), &[], None, 10).unwrap();
    let row = |id: u8, name: &str| {
        format!(
            "<c><id>{id}</id><contact type='name'>{name}</contact><contact type='mail'>{name}@x.example</contact></c>"
        )
    };
    let page: NativeAnswer =
        answer(200, &format!("<a firm='F'>{}{}<c><id>3</id></c></a>", row(1, "a"), row(2, "b")));
    let rows = m.inward_list(&listing, &page, &m.mapped()).unwrap().rows;
    let rows: Vec<_> = rows.iter().map(|row| json(m.entity(), &row.as_ref().unwrap().record)).collect();
    assert_eq!(
        (&rows[1]["family_name"], &rows[1]["emails"]),
        (&json!("b"), &json!([{ "value": "b@x.example" }]))
    );
    assert_eq!((&rows[2].get("family_name"), &rows[2]["company"]), (&None, &json!("F")));
}

#[test]
fn what_is_found_is_sent_with_what_it_is_found_by() {
    let m = customers();
    let sent = record(
        &m,
        r#"{ "given_name": "<b>", "family_name": "Nowak", "emails": [{ "value": "a@x.example" }], "phones": [{ "value": "1" }] }"#,
    );
    let request = m.create(&sent).unwrap();
    let body = std::str::from_utf8(&request.body).unwrap();
    let back =
        format!("<a firm='F'>{}", body.split_once("<a>").unwrap().1.replacen("<c>", "<c><id>7</id>", 1));
    let read = m.inward(&answer(200, &back), &m.mapped()).unwrap();
    let mut read = json(m.entity(), &read.record);
    read.as_object_mut().unwrap().retain(|name, _| name != "id" && name != "company");
    assert_eq!(read, json(m.entity(), &sent), "{body}");
}
