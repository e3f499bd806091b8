//! Facts about samples: those that pin what an error means, and how what does not hold is told.

use super::*;

const ERRORS: &str = r#"
errors:
  - { status: any, at: "message[0]", starts: "Contact exists", is: duplicate, code: code, existing: { at: "message[0]", pattern: "Contact exists: {id}" } }
  - { status: any, at: success, equals: "false", is: invalid, faults: { each: message, text: . } }
"#;

fn checked(samples: &str) -> String {
    let text = format!(
        r#"{ERRORS}
entities:
  Customer:
    at: /c
    list: {{ rows: contacts }}
    read: {{}}
    create: {{}}
    update: {{}}
    fields:
      name: name
      status: {{ at: state, values: {{ "0": active }} }}
    samples:
{samples}
"#
    );
    let (system, told) = load_text("r", &text, "https://r.example/api");
    system.unwrap_or_else(|| panic!("{told}")).check().to_string()
}

#[test]
fn a_sample_pins_what_an_answer_of_the_system_means() {
    let exists = r#"answer: '{ "success": false, "message": ["Contact exists: 17"], "code": 12 }'"#;
    assert_eq!(checked(&format!("      - {{ {exists}, is: duplicate }}")), "");
    assert_eq!(checked(&format!("      - {{ {exists}, is: duplicate, existing: \"17\" }}")), "");
    assert_eq!(checked("      - { answer: '{ \"success\": true }', is: success }"), "");
    assert_eq!(checked("      - { status: 404, answer: '{}', is: not_found }"), "");
    assert_eq!(checked("      - { status: 401, answer: '<html>', is: sign_in_failed }"), "");
    for (sample, told) in [
        (format!("{exists}, is: invalid"), "it is `duplicate`, not `invalid`"),
        (format!("{exists}, is: duplicate, existing: \"18\""), "`existing` is `17`, not `18`"),
        ("answer: '{ \"success\": true }', is: duplicate".to_owned(), "it is `success`, not `duplicate`"),
        ("status: 503, answer: '{}', is: duplicate".to_owned(), "it is `busy`, not `duplicate`"),
        ("is: duplicate".to_owned(), "`answer` is missing"),
        ("answer: '{}', is: success, reads: '{}'".to_owned(), "`is` stands beside `answer` and `status`"),
    ] {
        let found = checked(&format!("      - {{ {sample} }}"));
        assert!(found.contains(told) && found.contains("r.yaml:"), "{sample}: {found}");
    }
}

#[test]
fn a_word_that_means_no_error_is_told_with_those_that_do() {
    let text = "entities: { Customer: { at: /c, read: {}, fields: { name: name }, samples: [ { answer: '{}', is: duplicat } ] } }";
    let told = load_text("r", text, "https://r.example/api").1;
    assert!(told.contains("duplicate") && told.contains("r.yaml:"), "{told}");
}

#[test]
fn what_does_not_hold_is_told_in_words() {
    let found =
        checked("      - { answer: '{ \"id\": \"1\", \"state\": \"5\" }', reads: '{ \"id\": \"1\" }' }");
    assert!(found.contains("`status`: `5` is not in its table"), "{found}");
    let table = r#"
entities:
  Product:
    at: /p
    key: id
    fields: { list_price: { net_price: { at: p, values: { a: 1.50, b: 1.5 } } } }
    create: {}
"#;
    let told = load_text("r", table, "https://r.example/api").1;
    assert!(told.contains("several native values mean `1.5`") && !told.contains("Decimal"), "{told}");
}
