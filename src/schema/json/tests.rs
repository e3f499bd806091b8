//! What goes out and what is let in.

use proptest::prelude::*;

use super::{
    tokens::{DEPTH_MAX, Token, Tokens},
    *,
};
use crate::schema::{
    Entity, FieldSet,
    testing::{open_view, order_entity, record, records, shipped, written},
};

fn faults(entity: &Entity, text: &str, view: &View) -> Vec<String> {
    match read(entity, text.as_bytes(), view) {
        Ok(proposed) => panic!("{text} was read as {proposed:?}"),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn under(entity: &Entity, paths: &[&str]) -> FieldSet {
    paths.iter().fold(FieldSet::EMPTY, |set, path| set.union(&entity.leaves_under(path)))
}

#[test]
fn a_record_is_written_in_schema_order_with_exact_values() {
    let entity = order_entity();
    let text = r#"{"tags":["b","a"],"total":"100.00","lines":[{"quantity":1.50,"sku":"A\"\\\n\u0001é\u2028"}],
        "urgent":true,"priority":-3,"ordered_on":"2026-01-31","updated_at":"2026-01-31T13:00:00+01:00","ship_to":{"country":"PL"}}"#;
    let expected = "{\"urgent\":true,\"priority\":-3,\"total\":\"100.00\",\"ordered_on\":\"2026-01-31\",\
        \"updated_at\":\"2026-01-31T12:00:00Z\",\"ship_to\":{\"country\":\"PL\"},\
        \"lines\":[{\"sku\":\"A\\\"\\\\\\n\\u0001é\u{2028}\",\"quantity\":\"1.50\"}],\"tags\":[\"b\",\"a\"]}";
    assert_eq!(written(&entity, &record(&entity, text), None), expected);
}

#[test]
fn what_is_hidden_looks_like_what_is_not_there() {
    let entity = order_entity();
    let record = record(
        &entity,
        r#"{"id":"1","priority":null,"total":"1","ship_to":{"city":"Łódź"},"lines":[{"sku":"A","quantity":"1"},{"quantity":"2"}],"tags":[]}"#,
    );
    let shown = |paths: &[&str]| written(&entity, &record, Some(&under(&entity, paths)));
    assert_eq!(shown(&[]), "{}");
    assert_eq!(shown(&["id", "priority", "ship_to.country"]), r#"{"id":"1"}"#);
    assert_eq!(shown(&["lines.sku", "tags"]), r#"{"lines":[{"sku":"A"},{}],"tags":[]}"#);
}

#[test]
fn every_fault_of_a_body_is_told_at_once_with_its_pointer() {
    let entity = order_entity();
    let view = View::of(&entity, Body::Create);
    let text = r#"{"id":"7","urgnt":true,"priority":1.0,"status":"opn","total":1e99,"ordered_on":"31.01.2026",
        "ship_to":{"country":"POL"},"lines":[{"sku":5,"quantity":"1"},{"sku":"A"}],"tags":"a","urgent":true,"urgent":false}"#;
    assert_eq!(
        faults(&entity, text, &view),
        [
            "/id: `id` cannot be written here",
            "/urgnt: unknown field `urgnt`, did you mean `urgent`?",
            "/priority: expected a whole number of at most 64 bits",
            "/status: expected one of: draft, open, closed",
            "/total: a decimal has at most 28 digits",
            "/ordered_on: expected a day, as in `2026-01-31`",
            "/ship_to/country: longer than 2 characters",
            "/lines/0/sku: expected text, found a number",
            "/lines/1/quantity: `quantity` is missing",
            "/tags: expected a list, found text",
            "/urgent: `urgent` stands here a second time",
            "/customer: `customer` is missing",
        ]
    );
}

#[test]
fn a_field_the_caller_may_not_know_is_answered_as_one_that_does_not_exist() {
    let entity = order_entity();
    let known = under(&entity, &["customer", "lines.sku", "lines.quantity"]);
    let view = View { body: Body::Patch, writable: known, required: FieldSet::EMPTY, visible: known };
    let hidden = faults(&entity, r#"{"total":"1","lines":[{"net_total":"1"}]}"#, &view);
    let unknown = faults(&entity, r#"{"tota7":"1","lines":[{"net_tota7":"1"}]}"#, &view);
    assert_eq!(hidden, unknown.iter().map(|fault| fault.replace('7', "l")).collect::<Vec<_>>());
    assert!(hidden.iter().all(|fault| !fault.contains("did you mean")), "{hidden:?}");
    // Seen, but not writable: told so.
    let view = View { visible: entity.all(), ..view };
    assert_eq!(faults(&entity, r#"{"total":"1"}"#, &view), ["/total: `total` cannot be written here"]);
}

#[test]
fn null_clears_in_a_patch_and_is_no_value_elsewhere() {
    let entity = order_entity();
    let patch = View::of(&entity, Body::Patch);
    let proposed = read(&entity, br#"{"total":null,"ship_to":null,"lines":null}"#, &patch);
    let told = proposed.unwrap_err();
    assert_eq!(
        told.iter().map(|fault| &*fault.pointer).collect::<Vec<_>>(),
        ["/lines"],
        "lines are required"
    );
    let proposed = read(&entity, br#"{"total":null,"ship_to":null,"priority":null}"#, &patch).unwrap();
    assert_eq!(proposed.cleared, under(&entity, &["total", "ship_to", "priority"]));
    assert_eq!(proposed.present, proposed.cleared);

    let create = open_view(&entity, Body::Create);
    assert!(read(&entity, br#"{"priority":null}"#, &create).is_ok(), "nullable");
    assert_eq!(
        faults(&entity, r#"{"total":null,"tags":[null],"lines":[{"sku":null}]}"#, &create),
        [
            "/total: null is no value here; leave the field out",
            "/tags/0: null is no item; leave it out",
            "/lines/0/sku: null is no value here; leave the field out",
        ]
    );
}

#[test]
fn null_on_a_group_leaves_alone_what_the_caller_may_not_write() {
    let entity = order_entity();
    let known = under(&entity, &["ship_to.country"]);
    let view = View { body: Body::Patch, writable: known, required: FieldSet::EMPTY, visible: known };
    let proposed = read(&entity, br#"{"ship_to":null}"#, &view).unwrap();
    assert_eq!(proposed.cleared, known);
}

#[test]
fn what_is_required_must_say_something() {
    let entity = order_entity();
    let view = View::of(&entity, Body::Create);
    assert_eq!(faults(&entity, r#"{"customer":"","lines":[]}"#, &view), ["/customer: must not be empty"]);
    assert!(read(&entity, br#"{"customer":"1","lines":[]}"#, &view).is_ok());
    assert_eq!(
        faults(&entity, "{}", &view),
        ["/customer: `customer` is missing", "/lines: `lines` is missing"]
    );
}

#[test]
fn a_field_sent_twice_is_found_however_it_is_spelt() {
    let entity = order_entity();
    let view = open_view(&entity, Body::Create);
    let told = faults(&entity, r#"{"urgent":true,"urg\u0065nt":false}"#, &view);
    assert_eq!(told, ["/urgent: `urgent` stands here a second time"]);
    let told = faults(&entity, r#"{"a/b~":1}"#, &view);
    assert_eq!(told, ["/a~1b~0: unknown field `a/b~`"]);
}

#[test]
fn lists_and_faults_are_bounded() {
    let entity = order_entity();
    let view = open_view(&entity, Body::Create);
    let long = format!(r#"{{"lines":[{}],"status":"x"}}"#, vec![r#"{"sku":"A"}"#; 51].join(","));
    let told = faults(&entity, &long, &view);
    assert_eq!(told[0], "/lines: `lines` holds at most 50 items");
    assert_eq!(told[1], "/status: expected one of: draft, open, closed");
    let many: Vec<String> = (0..500).map(|n| format!(r#""x{n}":[[[{n}]]]"#)).collect();
    assert_eq!(faults(&entity, &format!("{{{}}}", many.join(",")), &view).len(), FAULTS_MAX);
    let name = "x".repeat(10_000);
    let told = faults(&entity, &format!(r#"{{"{name}":1}}"#), &view);
    assert!(told[0].len() < 400, "{}", told[0].len());
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    let entity = order_entity();
    let view = open_view(&entity, Body::Create);
    for (text, expected) in [
        ("", ": not JSON at byte 0: expected a value"),
        ("{\"urgent\":true", "expected `,` or `}`"),
        ("{\"urgent\":true,}", "expected a name in quotes"),
        ("{\"urgent\" true}", "expected `:`"),
        ("{\"urgent\":truth}", "expected a value"),
        ("{}{}", "nothing may follow"),
        ("{'a':1}", "a name in quotes"),
        ("{\"a\":01}", "no zeros in front"),
        ("{\"a\":1.}", "a digit"),
        ("{\"a\":+1}", "expected a value"),
        ("{\"a\":NaN}", "expected a value"),
        ("{\"a\":\"\\x\"}", "no escape"),
        ("{\"a\":\"\\ud800\"}", "surrogate"),
        ("{\"a\":\"\\udc00\"}", "surrogate"),
        ("{\"a\":\"\\ud800\\u0041\"}", "surrogate"),
        ("{\"a\":\"\t\"}", "escaped"),
        ("{\"a\":\"x", "no end"),
        ("\u{feff}{}", "expected a value"),
        ("{/**/}", "in quotes"),
    ] {
        let told = faults(&entity, text, &view);
        assert!(told.last().unwrap().contains(expected), "{text}: {told:?}");
    }
    let told = read(&entity, b"{\"number\":\"\xff\"}", &view).unwrap_err();
    assert_eq!((told[0].kind, told[0].message.contains("UTF-8")), (FaultKind::Syntax, true));
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(faults(&entity, &deep, &view).last().unwrap().contains("too deep"));
    assert_eq!(faults(&entity, "[{\"urgent\":1}]", &view), [": expected an object, found a list"]);
}

#[test]
fn escapes_are_read() {
    let mut tokens = Tokens::new(br#" [ "\u0041\n\/\ud83d\ude00\"" , -0.5e+3 ] "#).unwrap();
    assert_eq!(tokens.next().unwrap(), Token::ListStart);
    assert_eq!(tokens.next().unwrap(), Token::Text("A\n/😀\"".into()));
    assert_eq!(tokens.next().unwrap(), Token::Number("-0.5e+3"));
    assert_eq!(tokens.next().unwrap(), Token::ListEnd);
    assert_eq!(tokens.next().unwrap(), Token::End);
    assert!(usize::from(DEPTH_MAX) <= 32, "the bits of `objects` count the levels");
}

#[test]
fn the_customer_of_the_contract_is_accepted() {
    let schema = shipped();
    let customer = schema.entity("Customer").unwrap();
    let text = r#"{"kind":"person","name":"Ewa Nowak","given_name":"Ewa","family_name":"Nowak","emails":[{"value":"ewa@example.com"}]}"#;
    let proposed = read(customer, text.as_bytes(), &View::of(customer, Body::Create)).unwrap();
    assert_eq!(written(customer, &proposed.record, None), text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back_as_the_same_record(record in records(&order_entity())) {
        let entity = order_entity();
        let text = written(&entity, &record, None);
        let back = read(&entity, text.as_bytes(), &open_view(&entity, Body::Create));
        prop_assert_eq!(&back.map(|proposed| proposed.record), &Ok(record), "{}", text);
    }

    #[test]
    fn every_shipped_entity_is_written_and_read_back(
        (entity, record) in (0_usize..5).prop_flat_map(|at| {
            let entity = shipped().entities()[at].clone();
            let records = records(&entity);
            (Just(entity), records)
        }),
    ) {
        let text = written(&entity, &record, None);
        let back = read(&entity, text.as_bytes(), &open_view(&entity, Body::Create));
        prop_assert_eq!(&back.map(|proposed| proposed.record), &Ok(record), "{}", text);
    }

    #[test]
    fn what_is_written_is_json_to_others_too(record in records(&order_entity()), wanted in any::<u32>()) {
        let entity = order_entity();
        let wanted: FieldSet = entity.ids().filter(|leaf| wanted >> (leaf.0 % 32) & 1 == 1).collect();
        let text = written(&entity, &record, Some(&wanted));
        let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
        prop_assert!(value.is_ok(), "{}", text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let entity = order_entity();
        drop(read(&entity, &bytes, &open_view(&entity, Body::Patch)));
    }

    #[test]
    fn no_almost_json_makes_the_reader_panic_and_a_refusal_says_why(
        text in r#"(\{|\}|\[|\]|,|:|"lines"|"ship_to"|"total"|"tags"|"sku"|"a"|null|true|-?[0-9]{1,3}|"\\u[0-9a-f]{4}"| ){0,30}"#
    ) {
        let entity = order_entity();
        if let Err(faults) = read(&entity, text.as_bytes(), &open_view(&entity, Body::Replace)) {
            prop_assert!(!faults.is_empty() && faults.len() <= FAULTS_MAX);
        }
    }

    #[test]
    fn we_and_serde_agree_on_what_is_json(
        text in r#"(\{|\}|\[|\]|,|:|"a"|"b"|null|true|0|-?[0-9]{1,3}|1\.5|2e3|"\\n"| ){0,14}"#
    ) {
        let ours = (|| {
            let mut tokens = Tokens::new(text.as_bytes())?;
            while tokens.next()? != Token::End {}
            Ok::<_, SyntaxError>(())
        })();
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
    }
}
