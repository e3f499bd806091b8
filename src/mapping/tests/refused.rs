//! Facts about a system's no: its words and its code are kept for the operator, also where they are a plain list of
//! texts, and name a field where they can.

use super::*;

fn mapped(errors: &str) -> Arc<Mapping> {
    let text = format!(
        r#"
errors: {errors}
entities:
  Customer:
    at: /c
    read: {{}}
    create: {{}}
    fields:
      name: contact.name
      given_name: first
"#
    );
    let (system, told) = load_text("r", &text, "https://r.example/api");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn fault(m: &Mapping, status: u16, body: &str) -> SystemFault {
    m.inward(&answer(status, body), &m.entity().all()).unwrap_err()
}

fn pointers(fault: &SystemFault) -> Vec<&str> {
    let FaultKind::Invalid(faults) = &fault.kind else { panic!("{fault}") };
    faults.iter().map(|fault| fault.pointer.as_str()).collect()
}

#[test]
fn the_systems_words_and_its_code_are_kept_for_the_operator() {
    let m = mapped(
        r#"[ { at: code, equals: "12", is: duplicate, text: why }, { is: invalid, code: error.number, text: why } ]"#,
    );
    let said = |status, body: &str| {
        let fault = fault(&m, status, body);
        (fault.text, fault.code)
    };
    let of = |text: &str, code: Option<&str>| (text.to_owned(), code.map(Into::into));
    assert_eq!(said(409, r#"{ "code": 12, "why": "twice" }"#), of("status 409; twice", Some("12")));
    assert_eq!(
        said(400, r#"{ "error": { "number": "E7" }, "why": "bad" }"#),
        of("status 400; bad", Some("E7"))
    );
    assert_eq!(said(400, "{}"), of("status 400", None));
    let long =
        format!(r#"{{ "error": {{ "number": "{}" }}, "why": "{}" }}"#, "7".repeat(500), "x".repeat(9000));
    let long = said(400, &long);
    assert!(long.0.chars().count() <= 2000 && long.1.unwrap().chars().count() == 64);
}

#[test]
fn faults_are_a_plain_list_of_texts() {
    let m = mapped(
        r#"[ { status: any, at: success, equals: "false", is: invalid, faults: { each: message, text: . } } ]"#,
    );
    let said = fault(&m, 200, r#"{ "success": false, "message": ["Not a name", "Too long"] }"#);
    assert_eq!(pointers(&said), ["", ""]);
    assert_eq!(said.text, "status 200; Not a name; Too long");
    assert_eq!(pointers(&fault(&m, 200, r#"{ "success": false, "message": [] }"#)), Vec::<&str>::new());
    assert_eq!(pointers(&fault(&m, 200, r#"{ "success": false }"#)), Vec::<&str>::new());
    // A bound holds, whatever the list.
    let many = format!(r#"{{ "success": false, "message": [{}"x"] }}"#, r#""y","#.repeat(5000));
    let said = fault(&m, 200, &many);
    assert!(pointers(&said).len() <= 100 && said.text.chars().count() < 2200);
}

#[test]
fn a_text_names_its_field_where_a_pattern_says_so() {
    let m = mapped(
        r#"[ { is: invalid, faults: { each: ., field: { at: ., pattern: "{id}: {_}" }, text: . } } ]"#,
    );
    let said = fault(&m, 422, r#"[ "first: too long", "contact.name: is empty", "no such thing" ]"#);
    assert_eq!(pointers(&said), ["/given_name", "/name", ""]);
    assert_eq!(said.text, "status 422; first: too long; contact.name: is empty; no such thing");
    // A list of objects may be read in the same way.
    let m = mapped(
        r#"[ { is: invalid, faults: { each: errors, field: { at: m, pattern: "Field '{id}'{_}" } } } ]"#,
    );
    let said = fault(&m, 422, r#"{ "errors": [ { "m": "Field 'first' is bad" }, { "m": 7 }, "x" ] }"#);
    assert_eq!(pointers(&said), ["/given_name", "", ""]);
}

#[test]
fn a_fault_that_is_one_text_names_its_field_and_keeps_its_words_and_code() {
    let body = r#"{ "success": false, "error": "Validation failed: first: must be given", "code": "ERR" }"#;
    for faults in [
        r#"{ each: ., field: { at: error, pattern: "Validation failed: {id}: {_}" } }"#,
        r#"{ each: error, field: { at: ., pattern: "Validation failed: {id}: {_}" }, text: . }"#,
    ] {
        let m = mapped(&format!(
            r#"[ {{ status: 400, at: code, equals: ERR, is: invalid, text: error, faults: {faults} }} ]"#
        ));
        let said = fault(&m, 400, body);
        assert_eq!(pointers(&said), ["/given_name"], "{faults}");
        assert_eq!(said.code.as_deref(), Some("ERR"), "{faults}");
        assert!(
            said.text.starts_with("status 400; Validation failed: first: must be given"),
            "{}",
            said.text
        );
        assert!(m.unread(&Bytes::from_static(br#"{ "id": "1", "error": "x" }"#)).is_empty(), "{faults}");
    }
}

#[test]
fn faults_that_tell_nothing_are_told_at_their_place() {
    for (errors, word) in [
        ("[ { is: invalid, faults: { each: m } } ]", "neither `field` nor `text`"),
        ("[ { is: invalid, faults: { each: m, field: { at: ., pattern: 'x' } } } ]", "`{id}`"),
    ] {
        let text = format!("errors: {errors}\nentities: {{}}");
        let told = load_text("r", &text, "https://r.example/api").1;
        assert!(told.contains(word) && told.contains("r.yaml:1"), "{errors}: {told}");
    }
}
