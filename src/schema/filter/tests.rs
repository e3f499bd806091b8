//! What a filter holds for, and how records are ordered.

use proptest::prelude::*;

use super::*;
use crate::schema::testing::{order_entity, record};

fn test(path: &str, op: Op, value: Value) -> Filter {
    Filter::test(order_entity().leaf_at(path).unwrap(), op, value)
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = (0_u8..3, -2_i64..3).prop_map(|(leaf, n)| {
        Filter::test(LeafId(leaf + 2), if n < 0 { Op::Lt } else { Op::Eq }, Value::Integer(n))
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

#[test]
fn nulls_come_last_whichever_way_a_key_runs() {
    let entity = order_entity();
    let leaf = |path| entity.leaf_at(path).unwrap();
    let mut records: Vec<Record> = [
        r#"{"number":"a"}"#,
        r#"{"number":"b","total":"2.0"}"#,
        r#"{"number":"c","total":"10"}"#,
        r#"{"number":"d","total":"2.00"}"#,
    ]
    .map(|text| record(&entity, text))
    .into();
    let numbers = |records: &[Record]| -> String {
        records
            .iter()
            .map(|r| r.first(&entity, leaf("number")).unwrap().as_text().unwrap().to_owned())
            .collect()
    };
    let key = |path, direction| Sort { leaf: leaf(path), direction };
    let keys = [key("total", Direction::Descending), key("number", Direction::Descending)];
    records.sort_by(|a, b| order(&entity, &keys, a, b));
    assert_eq!(numbers(&records), "cdba");
    let keys = [key("total", Direction::Ascending), key("number", Direction::Ascending)];
    records.sort_by(|a, b| order(&entity, &keys, a, b));
    assert_eq!(numbers(&records), "bdca");
}

#[test]
fn a_test_inside_a_list_holds_when_any_item_passes() {
    let entity = order_entity();
    let record = record(&entity, r#"{"lines":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"2.50"}]}"#);
    assert!(test("lines.quantity", Op::Eq, Value::Decimal("2.5".parse().unwrap())).matches(&entity, &record));
    assert!(
        !test("lines.quantity", Op::Gt, Value::Decimal("2.5".parse().unwrap())).matches(&entity, &record)
    );
    assert!(test("total", Op::Eq, Value::Null).matches(&entity, &record));
    assert!(!test("total", Op::Ne, Value::Decimal("1".parse().unwrap())).matches(&entity, &record));
}

#[test]
fn simplification_takes_needless_nesting_away() {
    let some = || test("number", Op::Eq, Value::Text("1".into()));
    assert_eq!(Filter::everything().and(some()), some());
    assert_eq!(Filter::nothing().or(some()), some());
    assert!(Filter::nothing().and(some()).is_nothing());
    assert!(Filter::everything().or(some()).is_everything());
    assert_eq!(some().and(some()).and(some()).tests(), 3);
}

proptest! {
    #[test]
    fn simplification_keeps_the_meaning(filter in filters(), values in proptest::collection::vec(-2_i64..3, 3)) {
        let entity = order_entity();
        let mut record = Record::default();
        for (position, value) in (2_u16..).zip(values) {
            record.fields.set(position, Value::Integer(value));
        }
        let meant = filter.matches(&entity, &record);
        let simple = filter.simplified();
        prop_assert_eq!(simple.matches(&entity, &record), meant);
        prop_assert_eq!(simple.clone().simplified(), simple);
    }
}
