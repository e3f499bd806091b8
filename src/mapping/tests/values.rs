//! Facts about single values on their way out: what is read and never written, what nothing is written as, places that
//! differ by operation, and the reasons for what is not taken.

use serde_json::{Value as Json, json};

use super::*;

fn text(lines: &str) -> String {
    format!(
        r#"
absent: {{ any: [""] }}
clear: {{ any: "" }}
entities:
  Customer:
    at: /c
    read: {{}}
    create: {{}}
    update: {{}}
{lines}
"#
    )
}

fn loaded(lines: &str) -> System {
    let (system, told) = load_text("r", &text(lines), "https://r.example/api");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn mapped(lines: &str) -> Arc<Mapping> {
    loaded(lines).entity("Customer").unwrap().clone()
}

fn created(m: &Mapping, new: &Json) -> Result<Json, Vec<String>> {
    let sent = m.create(&record(m, &new.to_string()));
    sent.map(|request| serde_json::from_slice(&request.body).unwrap())
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn updated(m: &Mapping, old: &Json, new: &Json) -> Result<Json, Vec<String>> {
    let (old, new) = (record(m, &old.to_string()), record(m, &new.to_string()));
    match m.update("1", &old, &new, None) {
        Ok(None) => Ok(Json::Null),
        Ok(Some(request)) => Ok(serde_json::from_slice(&request.body).unwrap()),
        Err(faults) => Err(faults.into_iter().map(|fault| fault.message).collect()),
    }
}

const STATES: &str = r#"    fields:
      status: { at: state, values: { "0": active, "1": blocked, "7": archived, "9": archived }, back: { archived: ~ } }
    samples:
      - answer: '{ "id": "1", "state": "9" }'
        reads: '{ "id": "1", "status": "archived" }'"#;

#[test]
fn a_value_without_a_way_back_is_read_and_filtered_by_and_never_written() {
    let system = loaded(STATES);
    assert!(system.check().0.is_empty(), "{}", system.check());
    let m = system.entity("Customer").unwrap();
    assert_eq!(created(m, &json!({ "status": "blocked" })).unwrap(), json!({ "state": "1" }));
    let known = ["the system knows only active, blocked".to_owned()];
    assert_eq!(created(m, &json!({ "status": "archived" })).unwrap_err(), known);
    let (open, gone) = (json!({ "status": "active" }), json!({ "status": "archived" }));
    assert_eq!(updated(m, &open, &gone).unwrap_err(), known);
    // As it was read it is no change.
    assert_eq!(updated(m, &gone, &gone).unwrap(), Json::Null);
    assert_eq!(updated(m, &gone, &open).unwrap(), json!({ "state": "0" }));
}

#[test]
fn an_empty_text_empties_no_boolean() {
    let fields = r#"    fields:
      buyer_reference: reference
      prices_include_tax: gross
      status: { at: open, values: { "true": open, "false": closed } }"#;
    let emptied = |words: &str, old: Json| {
        let text = text(fields)
            .replace("clear: { any: \"\"", &format!("clear: {{ {words}"))
            .replace("Customer:", "Order:");
        let (system, told) = load_text("r", &text, "https://r.example/api");
        let m = system.unwrap_or_else(|| panic!("{told}")).entity("Order").unwrap().clone();
        updated(&m, &old, &json!({}))
    };
    let any = "any: \"\"";
    assert_eq!(emptied(any, json!({ "buyer_reference": "a" })).unwrap(), json!({ "reference": "" }));
    let refused = ["the system cannot empty this field".to_owned()];
    assert_eq!(emptied(any, json!({ "prices_include_tax": true })).unwrap_err(), refused);
    assert_eq!(emptied(any, json!({ "status": "open" })).unwrap_err(), refused);
    // Said of booleans it holds, and so it does where they travel as text.
    let gross = json!({ "prices_include_tax": true });
    assert_eq!(emptied("any: \"\", boolean: null", gross.clone()).unwrap(), json!({ "gross": null }));
    assert_eq!(emptied("any: null", gross.clone()).unwrap(), json!({ "gross": null }));
    assert_eq!(
        emptied("any: \"\" }\nnumbers: text\nsettings: { a: b", gross).unwrap(),
        json!({ "gross": "" })
    );
}

#[test]
fn a_field_is_written_to_another_place_by_a_change_than_with_a_new_record() {
    let m = mapped(
        r#"    fields:
      name: { at: name, write_at: { create: contact.name, update: newName } }
      given_name: { at: first, write_at: { update: newFirst } }"#,
    );
    let both = json!({ "name": "a", "given_name": "b" });
    assert_eq!(created(&m, &both).unwrap(), json!({ "contact": { "name": "a" }, "first": "b" }));
    let changed = json!({ "name": "c", "given_name": "d" });
    assert_eq!(updated(&m, &both, &changed).unwrap(), json!({ "newName": "c", "newFirst": "d" }));
    let told = |fields: &str| load_text("r", &text(fields), "https://r.example/api").1;
    for (fields, word) in [
        (
            "    fields:\n      name: { at: name, write_at: { update: alias } }\n      given_name: { at: first, write_at: alias }",
            "`alias` is written by",
        ),
        ("    fields:\n      name: { at: name, write_at: { updates: alias } }", "did you mean `update`"),
        (
            "    fields:\n      name: { at: name, write_at: { update: alias }, write: create }",
            "never writes the field there",
        ),
    ] {
        let told = told(fields);
        assert!(told.contains(word) && told.contains("r.yaml:"), "{fields}: {told}");
    }
}

#[test]
fn a_field_that_only_a_new_record_is_given_has_a_reason_for_not_being_changed() {
    let m = mapped(
        r#"    lacks: { given_name: the register keeps the name it began with }
    fields:
      name: name
      given_name: { at: first, write: create }"#,
    );
    let leaf = m.entity().leaf_at("given_name").unwrap();
    assert_eq!(m.lack_of(leaf), Some("the register keeps the name it began with"));
    let told = load_text(
        "r",
        &text("    lacks: { name: it is so }\n    fields:\n      name: name"),
        "https://r.example/api",
    )
    .1;
    assert!(told.contains("`name` is written by its line"), "{told}");
}
