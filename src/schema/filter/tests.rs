//! What a filter holds for, and how records are ordered.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::schema::testing::{order_entity, record};

fn test(path: &str, op: Op, value: Value) -> Filter {
    Filter::test(order_entity().leaf_at(path).unwrap(), op, value)
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = (0_u8..3, -2_i64..3).prop_map(|(leaf, n)| {
        Filter::test(LeafId(leaf + 2), if n < 0 { Op::Lt } else { Op::Eq }, Value::Integer(n))
    });
    let side = || {
        (0_u8..3, -1_i64..2).prop_map(|(leaf, n)| {
            let by = if n == 0 { Vec::new() } else { vec![Derive::Plus(Decimal::from(n))] };
            Side { leaf: LeafId(leaf + 2), by }
        })
    };
    let op = proptest::sample::select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Lte, Op::Gt, Op::Gte]);
    let pair = (side(), op, side()).prop_map(|(left, op, right)| Filter::Pair { left, op, right });
    prop_oneof![3 => leaf, 1 => pair].prop_recursive(4, 24, 4, |inner| {
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
fn parts_of_a_text_are_looked_for_character_by_character() {
    let entity = order_entity();
    let record = record(&entity, r#"{"number":"PO-100%_a","total":"5"}"#);
    let holds = |op, part: &str| test("number", op, Value::Text(part.into())).matches(&entity, &record);
    for (op, part, expected) in [
        (Op::Contains, "100%", true),
        (Op::Contains, "100_", false),
        (Op::Contains, "", true),
        (Op::StartsWith, "PO-", true),
        (Op::StartsWith, "po-", false),
        (Op::EndsWith, "%_a", true),
        (Op::EndsWith, "PO", false),
    ] {
        assert_eq!(holds(op, part), expected, "{op:?} {part}");
    }
    assert!(!test("total", Op::Contains, Value::Text("5".into())).matches(&entity, &record));
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

#[test]
fn tests_of_an_item_look_at_the_same_item() {
    let entity = order_entity();
    let record = record(
        &entity,
        r#"{"lines":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"5"},{"quantity":"7"}],"tags":["red","blue"]}"#,
    );
    let text = |text: &str| Value::Text(text.into());
    let number = |n: &str| Value::Decimal(n.parse().unwrap());
    let lines = |sku: &str, over: &str| {
        let both = test("lines.sku", Op::Eq, text(sku)).and(test("lines.quantity", Op::Gt, number(over)));
        Filter::Item(Items::at(&entity, "lines").unwrap(), Box::new(both))
    };
    assert!(lines("B", "4").matches(&entity, &record));
    assert!(!lines("A", "4").matches(&entity, &record), "another line has so many");
    let apart = test("lines.sku", Op::Eq, text("A")).and(test("lines.quantity", Op::Gt, number("4")));
    assert!(apart.matches(&entity, &record), "without an item each test looks at all of them");
    let nameless = |over: &str| {
        let both = test("lines.sku", Op::Eq, Value::Null).and(test("lines.quantity", Op::Gt, number(over)));
        Filter::Item(Items::at(&entity, "lines").unwrap(), Box::new(both))
    };
    assert!(nameless("6").matches(&entity, &record) && !nameless("7").matches(&entity, &record));
    let tag = |tag: &str| {
        Filter::Item(Items::at(&entity, "tags").unwrap(), Box::new(test("tags", Op::Eq, text(tag))))
    };
    assert!(tag("blue").matches(&entity, &record) && !tag("green").matches(&entity, &record));
    for path in ["number", "ship_to", "ship_to.city", "lines.sku", "nothing", ""] {
        assert_eq!(Items::at(&entity, path), None, "{path}");
    }
    assert_eq!(tag("blue").leaves(), entity.leaves_under("tags"));
}

#[test]
fn what_is_worked_out_of_a_value_is_compared_and_nothing_is_worked_out_of_nothing() {
    let entity = order_entity();
    let record = record(
        &entity,
        r#"{"number":" ŻÓŁĆ-7 ","ordered_on":"2026-02-28","updated_at":"2026-02-28T23:59:58.5Z"}"#,
    );
    let holds = |path: &str, by: Derive, op: Op, value: Value| {
        let leaf = entity.leaf_at(path).unwrap();
        Filter::Derived { leaf, by: vec![by], op, value }.matches(&entity, &record)
    };
    let text = |text: &str| Value::Text(text.into());
    assert!(holds("number", Derive::Lower, Op::Contains, text("żółć")));
    assert!(!holds("number", Derive::Upper, Op::Contains, text("żółć")));
    assert!(holds("number", Derive::Trimmed, Op::Eq, text("ŻÓŁĆ-7")));
    // Characters are counted, not bytes.
    assert!(holds("number", Derive::Part { from: 2, most: 2 }, Op::Eq, text("ÓŁ")));
    assert!(holds("number", Derive::Part { from: 99, most: usize::MAX }, Op::Eq, text("")));
    assert!(holds("number", Derive::Between("a".into(), "b".into()), Op::Eq, text("a ŻÓŁĆ-7 b")));
    assert!(holds("number", Derive::IndexOf("-".into()), Op::Eq, Value::Integer(5)));
    assert!(holds("number", Derive::IndexOf("?".into()), Op::Eq, Value::Integer(-1)));
    let half = Value::Decimal("0.5".parse().unwrap());
    assert!(holds("updated_at", Derive::Fraction, Op::Eq, half));
    for (path, by, n) in [
        ("number", Derive::Length, 8),
        ("ordered_on", Derive::Year, 2026),
        ("ordered_on", Derive::Month, 2),
        ("ordered_on", Derive::Day, 28),
        ("updated_at", Derive::Day, 28),
        ("updated_at", Derive::Hour, 23),
        ("updated_at", Derive::Minute, 59),
        ("updated_at", Derive::Second, 58),
        ("updated_at", Derive::Time, 86_398_500_000_000),
    ] {
        assert!(holds(path, by.clone(), Op::Eq, Value::Integer(n)), "{path} {by:?}");
        assert!(!holds(path, by.clone(), Op::Gt, Value::Integer(n)), "{path} {by:?}");
    }
    assert!(!holds("ordered_on", Derive::Hour, Op::Gte, Value::Integer(0)), "a day has no hour");
    // One step of the other; what a step means nothing for comes to nothing.
    let steps = |path: &str, by: &[Derive], value: Value| {
        let leaf = entity.leaf_at(path).unwrap();
        Filter::Derived { leaf, by: by.to_vec(), op: Op::Eq, value }.matches(&entity, &record)
    };
    assert!(steps("number", &[Derive::Trimmed, Derive::Length], Value::Integer(6)));
    assert!(steps("number", &[Derive::Trimmed, Derive::Lower], text("żółć-7")));
    assert!(!steps("number", &[Derive::Length, Derive::Lower], text("8")));
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    let reckoned = |by: &[Derive], value: &str| {
        let by = [&[Derive::Day], by].concat();
        steps("ordered_on", &by, Value::Decimal(number(value)))
    };
    assert!(reckoned(&[Derive::Plus(number("0.1")), Derive::Times(number("3"))], "84.3"), "28.1 three times");
    assert!(reckoned(&[Derive::Times(number("-1")), Derive::Plus(number("30.50"))], "2.5"));
    assert!(reckoned(&[Derive::Times(number("0"))], "0.00"));
    // What has more digits than a number here has comes to nothing, and is never rounded.
    let fine = || number("0.0000000000000000000000000001");
    assert!(!reckoned(&[Derive::Plus(fine())], "28"));
    assert!(!reckoned(&[Derive::Times(fine()), Derive::Times(fine())], "0"));
    assert!(!reckoned(&[Derive::Times(Decimal::MAX)], "28"));
    assert!(!holds("status", Derive::Lower, Op::Ne, text("x")), "there is none");
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

    #[test]
    fn what_is_left_to_ask_of_known_values_is_what_was_asked(
        filter in filters(),
        values in proptest::collection::vec(proptest::option::of(-2_i64..3), 3),
        is_known in proptest::collection::vec(any::<bool>(), 3),
    ) {
        let entity = order_entity();
        let mut record = Record::default();
        let values: Vec<Value> = values.into_iter().map(|n| n.map_or(Value::Null, Value::Integer)).collect();
        for (position, value) in (2_u16..).zip(&values) {
            record.fields.set(position, value.clone());
        }
        let known = |leaf: LeafId| {
            let at = usize::from(leaf.0).checked_sub(2)?;
            values.get(at).filter(|_| is_known[at])
        };
        let left = filter.given(&known);
        prop_assert_eq!(left.matches(&entity, &record), filter.matches(&entity, &record));
        if is_known.iter().all(|is_known| *is_known) {
            prop_assert!(left.is_nothing() || left.is_everything(), "{:?}", left);
        }
    }
}

#[test]
fn nothing_is_left_to_ask_of_what_is_never_there() {
    let entity = order_entity();
    let none = Value::Null;
    let hides = entity.leaves_under("lines");
    let known = |leaf: LeafId| hides.contains(leaf).then_some(&none);
    let of = |path: &str, op: Op, text: &str| test(path, op, Value::Text(text.into()));
    assert!(of("lines.sku", Op::Eq, "A").given(&known).is_nothing());
    assert!(test("lines.sku", Op::Eq, Value::Null).given(&known).is_everything());
    let either = of("lines.sku", Op::Eq, "A").or(of("number", Op::Eq, "n"));
    assert_eq!(either.given(&known), of("number", Op::Eq, "n"));
    let items = Items::at(&entity, "lines").unwrap();
    let line = Filter::Item(items, Box::new(of("lines.sku", Op::Eq, "A")));
    assert!(line.given(&known).is_nothing());
    let leaf = entity.leaf_at("lines.sku").unwrap();
    let lower = Filter::Derived { leaf, by: vec![Derive::Lower], op: Op::Ne, value: Value::Text("a".into()) };
    assert!(lower.given(&known).is_nothing());
}
