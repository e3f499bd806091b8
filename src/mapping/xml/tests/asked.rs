//! Facts about records that do not say their own key, and about namespaces of one name: what was asked for names the
//! record, and what cannot be is told at load.

use super::{written::load, *};
use crate::{
    catalog::Action,
    mapping::{FaultKind, Made, NativeAnswer, System},
};

const PAPERS: &str = r#"
speaks: xml
namespaces: { "": ["urn:new", "urn:old"] }
absent: { any: [""] }
entities:
  Customer:
    at: /papers
    key: $key
    wrap: paper
    read: {}
    create: { returns: record, key_at: { header: location, pattern: "/papers/{id}" } }
    fields:
      given_name: name
      company: { at: $key, write: never }
"#;

fn papers() -> System {
    let (system, told) = load(PAPERS);
    system.unwrap_or_else(|| panic!("{told}"))
}

fn headed(body: &str, location: Option<&'static str>) -> NativeAnswer {
    let mut answer = answer(201, body);
    if let Some(location) = location {
        answer.headers.insert("location", location.parse().unwrap());
    }
    answer
}

#[test]
fn what_was_asked_for_names_a_record_that_does_not() {
    let system = papers();
    let mapping = system.entity("Customer").unwrap();
    let read = |body: &str| mapping.inward_of("A 1", &answer(200, body), &mapping.mapped());
    for namespace in ["urn:new", "urn:old"] {
        let inward = read(&format!("<paper xmlns='{namespace}'><name>Ewa</name></paper>")).unwrap();
        assert_eq!(inward.id, "A 1");
        assert!(inward.missing.is_empty(), "{:?}", inward.missing);
        let record = json(mapping.entity(), &inward.record);
        assert_eq!(record, json!({ "id": "A 1", "given_name": "Ewa", "company": "A 1" }));
    }
    let fault = read("<paper xmlns='urn:other'><name>Ewa</name></paper>").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
    // Whoever does not know what was asked for has no record.
    let fault = mapping.inward(&answer(200, "<paper xmlns='urn:new'/>"), &mapping.mapped()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
}

#[test]
fn a_new_record_is_named_by_what_stands_beside_it() {
    let system = papers();
    let mapping = system.entity("Customer").unwrap();
    let all = mapping.mapped();
    let paper = "<paper xmlns='urn:new'><name>Ewa</name></paper>";
    let made = |answer: &NativeAnswer| mapping.made(Action::Create, answer, &all);
    match made(&headed(paper, Some("/papers/7%2F8"))).unwrap() {
        Made::Record(came) => {
            assert_eq!(came.id, "7/8");
            assert_eq!(json(mapping.entity(), &came.record)["company"], "7/8");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(made(&headed("", Some("/papers/7"))).unwrap(), Made::Key(key) if key == "7"));
    assert!(matches!(made(&answer(202, "")).unwrap(), Made::Nothing));
    for none in [headed(paper, None), headed(paper, Some("nowhere")), headed("", None)] {
        assert!(made(&none).is_err(), "{none:?}");
    }
    assert!(!mapping.returns_records() && mapping.returns_documents());
    // Of several namespaces the first is written.
    let sent = mapping.create(&record(mapping, r#"{ "given_name": "Ewa" }"#)).unwrap();
    let sent = String::from_utf8(sent.body.to_vec()).unwrap();
    assert!(sent.contains(r#"<paper xmlns="urn:new"><name>Ewa</name></paper>"#), "{sent}");
}

#[test]
fn what_no_key_can_be_asked_for_is_told() {
    let long = format!("[{}]", (0..9).map(|n| format!("'urn:{n}'")).collect::<Vec<_>>().join(", "));
    for (from, to, word) in [
        (
            "    read: {}\n",
            "    read: {}\n    list: { rows: papers.paper }\n",
            "a list asks for none by its key",
        ),
        ("    read: {}\n", "    read: {}\n    update: {}\n", "is not changed"),
        ("returns: record, key_at: { header: location, pattern: \"/papers/{id}\" }", "", "nothing else does"),
        ("key: $key\n", "key: [$key, name]\n", "not a part of one"),
        ("at: $key, write: never", "at: $key, write: always", "cannot be written"),
        ("at: $key, write: never", "at: $key.a, write: never", "not known here"),
        ("[\"urn:new\", \"urn:old\"]", "[]", "a list of up to 8"),
        ("[\"urn:new\", \"urn:old\"]", &long, "a list of up to 8"),
        ("[\"urn:new\", \"urn:old\"]", "[\"urn:new\", \"urn:new\"]", "has a prefix already"),
    ] {
        assert!(PAPERS.contains(from), "{from}");
        let (system, told) = load(&PAPERS.replace(from, to));
        assert!(system.is_none(), "{to} loads");
        assert!(told.contains(word) && told.contains(".yaml:"), "{to}: {told}");
    }
}
