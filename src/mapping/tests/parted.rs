//! Facts about lists whose elements are written by themselves, in records whose key has several parts.

use serde_json::{Value, json};

use super::*;

/// A file whose key is named by these words and whose lines are made by these calls.
fn file(head: &str, key: &str, create: &str, update: &str) -> String {
    format!(
        r#"
{head}
settings: {{ company: usmf }}
entities:
  Order:
    at: /Orders
    key: {key}
    where: {{ company: $settings.company }}
    read: {{ {READ} }}
    create: {{ parts: {{ lines: {{ add: {create} }} }} }}
    update: {{ {UPDATE}, parts: {{ lines: {{ {update} }} }} }}
    fields:
      currency: {{ at: Currency }}
      lines: {{ each: Lines, key: Lot, fields: {{ sku: {{ at: Item }}, quantity: {{ at: Count }} }} }}
"#
    )
    .replace("{READ}", if head.contains("odata") { "" } else { "get: \"/{key.company}/{key.number}\"" })
    .replace(
        "{UPDATE}",
        if head.contains("odata") { "patch: \"({key})\"" } else { "patch: \"/{key.company}/{key.number}\"" },
    )
}

const READ: &str = "{READ}";
const UPDATE: &str = "{UPDATE}";
const KEY: &str = "[company, { at: number, form: digits }]";
const ADD: &str =
    r#"{ post: "/Lines", body: { company: "{key.company}", number: "{key.number:number}", "{record}": ~ } }"#;
const CHANGE: &str = r#"change: { patch: "/Lines(company={key.company},Lot={part})" }"#;

fn loaded(head: &str, key: &str, create: &str, update: &str) -> (Option<System>, String) {
    load_text("s", &file(head, key, create, update), "https://s.example")
}

fn shown(request: &NativeRequest) -> (String, Value) {
    let target = percent_encoding::percent_decode_str(&request.target).decode_utf8().unwrap();
    let body =
        if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).unwrap() };
    (format!("{} {target}", request.method), body)
}

/// What is sent for a new record of two lines that got this key, beside the record itself.
fn made(m: &Mapping, key: &str) -> Vec<Result<(String, Value), MappingFault>> {
    let new = r#"{"currency":"USD","lines":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"2"}]}"#;
    let made = m.creation(&record(m, new), None).unwrap();
    let sent = |draft| m.part(draft, key, &PartVersions::default()).map(|part| shown(&part.request));
    made.parts.into_iter().map(sent).collect()
}

#[test]
fn a_new_element_names_its_record_by_each_part_of_its_key() {
    let (system, told) = loaded("speaks: odata4", KEY, ADD, CHANGE);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let sent: Vec<_> = made(m, "17").into_iter().map(Result::unwrap).collect();
    let line =
        |sku: &str, count: u32| json!({ "company": "usmf", "number": 17, "Item": sku, "Count": count });
    assert_eq!(sent, [("POST /Lines".into(), line("A", 1)), ("POST /Lines".into(), line("B", 2))]);
    // A key that the record cannot have makes no request.
    for none in ["", "x", "17,18"] {
        assert!(
            made(m, none).iter().all(|sent| sent.as_ref().is_err_and(|it| it.whose == Whose::System)),
            "{none}"
        );
    }
}

#[test]
fn odata_spells_parts_as_literals_and_the_whole_key_in_brackets() {
    let add = r#"{ post: "/Orders({key})/Lines" }"#;
    let (system, told) = loaded("speaks: odata4", "[company, number]", add, CHANGE);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let sent = made(m, "O'H,1").remove(0).unwrap();
    assert_eq!(sent.0, "POST /Orders(company='usmf',number='O''H,1')/Lines");
    let old = record(m, r#"{"currency":"USD","lines":[{"id":"L'1","sku":"A","quantity":"1"}]}"#);
    let new = record(m, r#"{"currency":"USD","lines":[{"id":"L'1","sku":"A","quantity":"5"}]}"#);
    let changes =
        m.changes("O1", (&old, &new), (None, &PartVersions::default()), &FieldSet::EMPTY, None).unwrap();
    assert!(changes.record.is_none());
    let want = ("PATCH /Lines(company='usmf',Lot='L''1')".to_owned(), json!({ "Count": 5 }));
    assert_eq!(shown(&changes.parts[0].request), want);
}

#[test]
fn an_address_of_its_own_names_each_part_in_its_place_and_no_part_makes_it_another_address() {
    let add = r#"{ post: "/Orders/{key.company}/{key.number}/lines" }"#;
    let change = r#"change: { patch: "/Orders/{key.company}/{key.number}/lines/{part}" }"#;
    let (system, told) = loaded("speaks: json", "[company, number, place]", add, change);
    assert!(system.is_none() && told.contains("leaves out `{key.place}`"), "{told}");
    let (system, told) = loaded("speaks: json", "[company, number]", add, change);
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let target = |key: &str| made(m, key).remove(0).map(|sent| sent.0);
    assert_eq!(target("a b/1").unwrap(), "POST /Orders/usmf/a b/1/lines", "encoded, see below");
    for none in [".", "..", ""] {
        assert!(target(none).is_err(), "{none}");
    }
    let draft =
        m.creation(&record(m, r#"{"currency":"USD","lines":[{"sku":"A","quantity":"1"}]}"#), None).unwrap();
    let part = m.part(draft.parts.into_iter().next().unwrap(), "a b/1", &PartVersions::default()).unwrap();
    assert_eq!(part.request.target, "/Orders/usmf/a%20b%2F1/lines");
}

#[test]
fn what_does_not_say_of_which_record_an_element_is_does_not_load() {
    let whole = "as a whole";
    for (head, key, create, wrong) in [
        ("speaks: odata4", KEY, r#"{ post: "/Lines", body: { company: "{key}", "{record}": ~ } }"#, whole),
        ("speaks: odata4", KEY, r#"{ post: "/Lines", body: { "{key}": "{record}" } }"#, whole),
        ("speaks: odata4", KEY, r#"{ post: "/Lines(Order={key})" }"#, whole),
        ("speaks: json", KEY, r#"{ post: "/Orders({key})/Lines" }"#, whole),
        (
            "speaks: odata4",
            KEY,
            r#"{ post: "/Lines", body: { company: "{key.company}", "{record}": ~ } }"#,
            "leaves out `{key.number}`",
        ),
        (
            "speaks: odata4",
            KEY,
            r#"{ post: "/Lines", body: { number: "{key.numbr}", "{record}": ~ } }"#,
            "its parts are `{key.company}`, `{key.number}`",
        ),
        (
            "speaks: odata4",
            KEY,
            r#"{ post: "/Lines", body: { number: "{key.number:digits}", "{record}": ~ } }"#,
            "has no such form",
        ),
        (
            "speaks: odata4",
            "[company, number]",
            r#"{ post: "/Lines", body: { number: "{key.number:number}", "{record}": ~ } }"#,
            "or none that is a number",
        ),
        ("speaks: odata4", "number", r#"{ post: "/Orders({key.number})/Lines" }"#, "the key has one part"),
        (
            "speaks: odata4",
            "number",
            r#"{ post: "/Lines", body: { number: "{key:number}", "{record}": ~ } }"#,
            "`{key:number}` needs a key that is one",
        ),
        (
            "speaks: odata4",
            "number",
            r#"{ post: "/Lines", body: { number: "{key}", at: "{version}", "{record}": ~ } }"#,
            "`{version}` is nothing to fill in here",
        ),
    ] {
        let (system, told) = loaded(head, key, create, CHANGE);
        assert!(system.is_none() && told.contains(wrong), "{key} {create}: {told}");
        assert!(told.contains("s.yaml:10:"), "it says where: {told}");
    }
    let over = "over: { of: [a] }\n    list: { get: \"/{over}\" }";
    let text = file("speaks: json", "[$over, number]", r#"{ post: "/{key}" }"#, CHANGE)
        .replace("where: { company: $settings.company }", over);
    let (system, told) = load_text("s", &text, "https://s.example");
    assert!(system.is_none() && told.contains("not the record's own alone"), "{told}");
    // Elsewhere a body names no part, and says so.
    let text = file("speaks: odata4", KEY, ADD, CHANGE)
        .replace("patch: \"({key})\"", "patch: \"({key})\", body: { n: \"{key.number}\", \"{record}\": ~ }");
    let (system, told) = load_text("s", &text, "https://s.example");
    assert!(system.is_none() && told.contains("`{key.number}` is nothing to fill in here"), "{told}");
}
