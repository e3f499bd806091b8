//! What an answer looks like, to the letter.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::schema::{
    LeafId,
    testing::{order_entity, record, records},
};

const MINIMAL: Style = Style { level: Level::Minimal, numbers_as_text: false };

fn frame(columns: &FieldSet) -> Frame<'_> {
    Frame { style: MINIMAL, root: "https://gate.test/odata/", columns, selected: true }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

const ORDER: &str = r#"{"number":"O'7","urgent":true,"priority":9007199254740993,"total":"10.50",
    "ordered_on":"2026-01-31","updated_at":"2026-01-31T12:00:00.5Z","ship_to":{"country":"PL"},
    "lines":[{"id":"1","quantity":"0.10"},{"quantity":"3"}]}"#;

#[test]
fn every_field_is_there_and_numbers_are_written_digit_by_digit() {
    let (entity, all) = (order_entity(), order_entity().all());
    let frame = Frame { selected: false, ..frame(&all) };
    let expected = r#"{"@odata.context":"https://gate.test/odata/$metadata#orders","@odata.count":12,"value":[{"id":null,"number":"O'7","urgent":true,"priority":9007199254740993,"customer":null,"status":null,"total":10.50,"ordered_on":"2026-01-31","updated_at":"2026-01-31T12:00:00.5Z","ship_to":{"city":null,"country":"PL"},"lines":[{"id":"1","sku":null,"quantity":0.10,"net_total":null},{"id":null,"sku":null,"quantity":3,"net_total":null}],"tags":[]}],"@odata.nextLink":"https://gate.test/odata/orders?$skiptoken=x"}"#;
    let next = Some("https://gate.test/odata/orders?$skiptoken=x");
    assert_eq!(text(page(&frame, &entity, &[&record(&entity, ORDER)], &[], Some(12), next)), expected);
    let empty = r#"{"@odata.context":"https://gate.test/odata/$metadata#orders","value":[]}"#;
    assert_eq!(text(page(&frame, &entity, &[], &[], None, None)), empty);
}

#[test]
fn readers_that_hold_numbers_as_floats_get_them_as_texts() {
    let entity = order_entity();
    let columns = entity.leaves_under("total").union(&entity.leaves_under("priority"));
    let style = Style { level: Level::None, numbers_as_text: true };
    let frame = Frame { style, ..frame(&columns) };
    let expected = r#"{"@odata.count":"1","value":[{"priority":"9007199254740993","total":"10.50"}]}"#;
    assert_eq!(text(page(&frame, &entity, &[&record(&entity, ORDER)], &[], Some(1), None)), expected);
}

#[test]
fn a_record_alone_names_itself_and_what_was_selected() {
    let entity = order_entity();
    let columns = entity.leaves_under("number").union(&entity.leaves_under("ship_to.city"));
    let written = super::entity(&frame(&columns), &entity, &record(&entity, ORDER), &[], Some("\"tag\""));
    let expected = r#"{"@odata.context":"https://gate.test/odata/$metadata#orders(number,ship_to/city)/$entity","@odata.etag":"\"tag\"","number":"O'7","ship_to":{"city":null}}"#;
    assert_eq!(text(written), expected);
}

#[test]
fn types_and_addresses_are_told_to_whom_asks_for_all() {
    let entity = order_entity();
    let mut order = record(&entity, r#"{"total":"1.5","lines":[{"quantity":"2"}],"tags":["a"]}"#);
    order.fields.set(0, Value::Text("O'7/ł".into()));
    let columns = ["id", "total", "priority", "lines.quantity", "tags"]
        .iter()
        .fold(FieldSet::EMPTY, |all, path| all.union(&entity.leaves_under(path)));
    let style = Style { level: Level::Full, numbers_as_text: false };
    let frame = Frame { style, selected: false, ..frame(&columns) };
    let expected = r##"{"@odata.context":"https://gate.test/odata/$metadata#orders/$entity","@odata.type":"#bramka.Order","@odata.id":"https://gate.test/odata/orders('O''7%2F%C5%82')","@odata.readLink":"https://gate.test/odata/orders('O''7%2F%C5%82')","id":"O'7/ł","priority":null,"total@odata.type":"#Decimal","total":1.5,"lines@odata.type":"#Collection(bramka.Order_lines)","lines":[{"@odata.type":"#bramka.Order_lines","quantity@odata.type":"#Decimal","quantity":2}],"tags@odata.type":"#Collection(String)","tags":["a"]}"##;
    assert_eq!(text(super::entity(&frame, &entity, &order, &[], None)), expected);
}

#[test]
fn what_stands_beside_a_record_is_told_in_it_and_what_is_not_known_is_not_told_as_empty() {
    let entity = order_entity();
    let columns = entity.leaves_under("number");
    let (first, other) = (record(&entity, r#"{"number":"1"}"#), record(&entity, r#"{"number":"2"}"#));
    let expanded = |name, is_list, beside| Expanded {
        name,
        entity: &entity,
        columns: &columns,
        selected: is_list,
        is_list,
        beside,
    };
    let counted = Beside { records: vec![&other, &first], count: Some(2), next: None };
    let cut = Beside { next: Some("https://gate.test/odata/orders?x"), ..Beside::default() };
    let all = [
        expanded("many", true, vec![counted, cut]),
        expanded("one", false, vec![Beside { records: vec![&other], ..Beside::default() }]),
    ];
    let expected = r#"{"@odata.context":"https://gate.test/odata/$metadata#orders(number,many(number),one())","value":[{"number":"1","many@odata.count":2,"many":[{"number":"2"},{"number":"1"}],"one":{"number":"2"}},{"number":"2","many":[],"many@odata.nextLink":"https://gate.test/odata/orders?x"}]}"#;
    assert_eq!(text(page(&frame(&columns), &entity, &[&first, &other], &all, None, None)), expected);
    let nothing = [expanded("one", false, vec![Beside::default()])];
    let bare = Frame { selected: false, ..frame(&columns) };
    let expected = r#"{"@odata.context":"https://gate.test/odata/$metadata#orders(one())/$entity","number":"1","one":null}"#;
    assert_eq!(text(super::entity(&bare, &entity, &first, &nothing, None)), expected);
    let style = Style { level: Level::Full, numbers_as_text: true };
    let full = text(page(&Frame { style, ..bare }, &entity, &[&first], &all[..1], None, None));
    assert!(full.contains(r##""many":[{"@odata.type":"#bramka.Order","number":"2"}"##), "{full}");
    assert!(full.contains(r#""many@odata.count":"2""#), "{full}");
}

#[test]
fn an_error_has_its_places() {
    let written = text(error("query", "it \"does\" not fit", &[("$top", "a number")], "ab"));
    let expected = r#"{"error":{"code":"query","message":"it \"does\" not fit","details":[{"code":"query","target":"$top","message":"a number"}],"innererror":{"request_id":"ab"}}}"#;
    assert_eq!(written, expected);
}

proptest! {
    #[test]
    fn whatever_a_record_holds_is_json_and_only_what_was_asked_for(
        record in records(&order_entity()),
        leaves in proptest::collection::vec(0_u8..17, 0..8),
        numbers_as_text: bool,
        level in 0_usize..3,
    ) {
        let entity = order_entity();
        let columns: FieldSet = leaves.into_iter().map(LeafId).collect();
        let columns = columns.intersection(&entity.all());
        let level = [Level::None, Level::Minimal, Level::Full][level];
        let frame = Frame { style: Style { level, numbers_as_text }, ..frame(&columns) };
        let read: Json = serde_json::from_slice(&page(&frame, &entity, &[&record], &[], None, None)).unwrap();
        let row = read["value"][0].as_object().unwrap();
        let fields: Vec<&str> = row.keys().map(String::as_str).filter(|name| !name.contains('@')).collect();
        let mut expected: Vec<&str> = entity.root.fields.iter()
            .filter(|field| columns.any_in(&field.leaves)).map(|field| &*field.name).collect();
        expected.sort_unstable();
        let mut fields = fields;
        fields.sort_unstable();
        prop_assert_eq!(fields, expected);
    }
}
