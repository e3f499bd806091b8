//! Facts about refusals that stand under the names of fields, and about what is done in part.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn errors(lines: &str) -> String {
    format!(
        "errors:\n{lines}entities:\n  Customer:\n    at: /c\n    update: {{}}\n    fields:\n      name: name\n      vat_id: tax_no\n      phones[0].value: phone\n"
    )
}

fn service() -> Arc<Mapping> {
    let text = errors(
        "  - { status: 422, is: invalid, text: message, faults: { entries: message } }\n  - { status: any, at: 'result.failed[0]', is: partial, text: message }\n",
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn pointers(body: &str) -> Vec<String> {
    let fault = service().deleted(&answer(422, body)).unwrap_err();
    let FaultKind::Invalid(faults) = fault.kind else { panic!("{fault:?}") };
    faults.into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn faults_under_the_names_of_fields_point_to_their_lines() {
    let body = r#"{"code":"error","message":{"tax_no":["- nie może być puste"],"phone":"za długie","exempt_kind":["x","y"],"name":[],"street":{"a":1}}}"#;
    assert_eq!(pointers(body), ["/vat_id", "/phones/0/value", "", ""], "an empty list is no fault");
    let fault = service().deleted(&answer(422, body)).unwrap_err();
    assert!(fault.text.contains("tax_no: - nie może być puste"), "{fault}");
    // The same member may be a text, which is the operator's.
    let body = r#"{"message":"Nie"}"#;
    assert_eq!(pointers(body), [""; 0]);
    assert!(service().deleted(&answer(422, body)).unwrap_err().text.contains("Nie"));
    for body in [r#"{"message":["a"]}"#, r#"{"message":null}"#, "{}", ""] {
        assert_eq!(pointers(body), [""; 0], "{body}");
    }
}

#[test]
fn a_success_of_which_a_part_failed_is_none() {
    let service = service();
    let part = r#"{"code":"success","message":"x","result":{"done":["a"],"failed":["c"]}}"#;
    let fault = service.deleted(&answer(200, part)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Partial);
    for whole in [r#"{"code":"success","result":{"done":["a"],"failed":[]}}"#, r#"{"result":{"done":["a"]}}"#]
    {
        service.deleted(&answer(200, whole)).unwrap();
    }
}

#[test]
fn a_file_that_asks_for_names_where_there_are_none_is_told() {
    let told =
        |lines: &str, more: &str| load_text("x", &format!("{more}{}", errors(lines)), "https://x.example").1;
    let xml = told("  - { is: invalid, faults: { entries: message } }\n", "speaks: xml\n");
    assert!(xml.contains("elements that are named by fields are not read: say `each`"), "{xml}");
    let none = told("  - { is: invalid, faults: { field: a } }\n", "");
    assert!(none.contains("under the names of fields (`entries`)"), "{none}");
    let two = told("  - { is: invalid, faults: { entries: a, each: b } }\n", "");
    assert!(two.contains("unknown key `each`"), "{two}");
}

proptest! {
    #[test]
    fn names_and_texts_of_any_kind_are_faults_without_a_place_and_bounded(
        names in prop::collection::btree_map(any::<String>(), any::<Option<String>>(), 0..150),
    ) {
        let body = json!({ "message": names }).to_string();
        let known = ["name", "tax_no", "phone"];
        prop_assume!(!names.keys().any(|name| known.contains(&name.as_str())));
        let told = pointers(&body);
        prop_assert!(told.len() <= 100);
        prop_assert_eq!(told.len(), names.values().flatten().count().min(100));
        prop_assert!(told.iter().all(String::is_empty));
    }
}
