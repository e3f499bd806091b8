//! What a system says of a write that it refuses stands in the log, and not what it repeats of it.

use http::Method;
use serde_json::json;

use crate::{
    stage::Stage,
    writes::{Twisted, change, is_write, said},
};

#[test]
fn the_words_of_a_system_that_refuses_a_write_are_in_the_log_without_its_values() {
    let twisted = Twisted::crm(|ask, answer| {
        if !is_write(ask) {
            return answer;
        }
        let message = "Property values were not valid: surname Lisowska-Dreyfus of ewa.lis@example.com, or 48600700800, is on the stop list";
        let body = json!({ "category": "VALIDATION_ERROR", "message": message, "subCategory": "STOP_LIST", "correlationId": "c-17" });
        said(400, &body)
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        change(
            policies,
            "systems/crm.yaml",
            "  - { status: 409, at: category,",
            "  - { status: 400, at: subCategory, equals: STOP_LIST, is: business_rule, text: message, trace: correlationId }\n  - { status: 409, at: category,",
        );
    });
    let new = json!({ "kind": "person", "name": "Ewa Lisowska-Dreyfus", "given_name": "Ewa", "family_name": "Lisowska-Dreyfus", "emails": [{ "value": "ewa.lis@example.com" }] });
    let refused = stage.shop(Method::POST, "/v1/customers", &new).refused(422);
    assert!(!refused.json().to_string().contains("stop list"));
    let log = stage.stderr();
    let line =
        log.lines().find(|line| line.contains("a system refused a write")).unwrap_or_else(|| panic!("{log}"));
    for word in [
        "system=crm",
        "entity=Customer",
        "operation=\"create\"",
        "status=400",
        "reason=\"system_business_rule\"",
        "code=\"STOP_LIST\"",
        "trace=\"c-17\"",
        "surname … of …, or … is on the stop list",
        refused.header("x-request-id").unwrap(),
    ] {
        assert!(line.contains(word), "{word}: {line}");
    }
    for value in ["Lisowska", "ewa.lis", "48600700800"] {
        assert!(!log.contains(value), "{value}: {line}");
    }
}
