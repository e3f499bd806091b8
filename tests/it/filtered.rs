//! Fields that jq filters read: what all of them take is bounded for an answer, however many records it holds.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::{
    stage::Stage,
    writes::{Twisted, change, said},
};

const FIRST: &str = "/v1/customers/701000000001";

/// A filter that may take long by its text, and looks at nothing here.
const LONG: &str =
    r#"if . == "x" then (map(tostring) | reverse | map(split("") | join("")) | join("")) else "pl" end"#;

/// A gate before a CRM whose contacts hold a text of so many bytes, which a filter reads.
fn holding(bytes: usize) -> (Twisted, Stage) {
    let twisted = Twisted::crm(move |_, answer: Response<Bytes>| {
        let Ok(mut body) = serde_json::from_slice::<Value>(answer.body()) else { return answer };
        let put = |record: &mut Value| {
            if let Some(properties) = record.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert("notes".to_owned(), json!("n".repeat(bytes)));
            }
        };
        match body.get_mut("results").and_then(Value::as_array_mut) {
            Some(rows) => rows.iter_mut().for_each(put),
            None => put(&mut body),
        }
        said(answer.status().as_u16(), &body)
    });
    let stage = Stage::open(|policies| {
        twisted.serve(policies);
        let line = format!("language: {{ at: properties.notes, jq: {{ in: '{LONG}' }}, write: never }}");
        change(
            policies,
            "systems/crm.yaml",
            "language: { at: properties.hs_language, norm: lower, spelt: once }  # en-gb",
            &line,
        );
        let file = policies.join("systems/crm.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.split_once("    samples:\n").unwrap().0).unwrap();
    });
    (twisted, stage)
}

#[test]
fn filters_of_many_records_are_read_and_those_of_more_than_an_answer_may_take_are_refused() {
    let (_crm, stage) = holding(200);
    let listed = stage.get("/v1/customers").expect(200).items();
    assert!(listed.len() > 14 && listed.iter().all(|customer| customer["language"] == "pl"));
    // Each of them alone is within what a filter reads, and so is one record; all of a page are not.
    let (_crm, stage) = holding(16_000);
    assert_eq!(stage.get(FIRST).expect(200).json()["language"], "pl");
    let refused = stage.get("/v1/customers").refused(502);
    let written = stage.written(&refused);
    assert_eq!(written[0]["refusal"], "system_unreadable", "{written:?}");
    // Who does not ask for the field does not pay for it.
    assert!(stage.get("/v1/customers?fields=name").expect(200).items().len() > 14);
}
