//! How a filter is read and what it comes to.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::{
    odata::fault::{Fault, Unmet},
    schema::{
        Derive, Entity, FieldSet, Filter, Items, Op, Record, Side, Value,
        testing::{compiled, order_entity, record},
    },
};

/// What `now()` is here: 2026-03-01T09:30:00.5Z.
const NOW: Timestamp = Timestamp::constant(1_772_357_400, 500_000_000);

fn bound(entity: &Entity, text: &str) -> Result<Filter, Fault> {
    let all = entity.all();
    filter(Names { entity, clear: &all, unheld: &FieldSet::EMPTY, values_max: 100 }, &parse(text, NOW)?)
}

fn read(text: &str) -> Filter {
    bound(&order_entity(), text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

#[track_caller]
fn told(text: &str) -> String {
    match bound(&order_entity(), text) {
        Err(Fault::Query(faults)) => faults[0].message.clone(),
        Err(Fault::Unmet(unmet)) => format!("unmet: {unmet}"),
        Ok(filter) => panic!("{text}: {filter:?}"),
    }
}

fn test(path: &str, op: Op, value: Value) -> Filter {
    Filter::test(order_entity().leaf_at(path).unwrap(), op, value)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn day(text: &str) -> Value {
    Value::Date(text.parse().unwrap())
}

fn moment(text: &str) -> Value {
    Value::Instant(text.parse().unwrap())
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

#[test]
fn comparisons_are_typed_by_their_field() {
    for (filter, expected) in [
        ("number eq 'a'", test("number", Op::Eq, text("a"))),
        ("number ne 'a'", not(test("number", Op::Eq, text("a")))),
        ("'a' lt number", test("number", Op::Gt, text("a"))),
        ("total gt 10.50", test("total", Op::Gt, decimal("10.50"))),
        ("total eq 1e2", test("total", Op::Eq, decimal("100"))),
        ("total eq -0.1", test("total", Op::Eq, decimal("-0.1"))),
        ("priority le 3", test("priority", Op::Lte, Value::Integer(3))),
        ("urgent", test("urgent", Op::Eq, Value::Boolean(true))),
        ("not urgent", test("urgent", Op::Eq, Value::Boolean(false))),
        ("urgent eq false", test("urgent", Op::Eq, Value::Boolean(false))),
        ("ordered_on ge 2026-01-31", test("ordered_on", Op::Gte, day("2026-01-31"))),
        (
            "updated_at lt 2026-01-31T12:00:00.5+01:00",
            test("updated_at", Op::Lt, moment("2026-01-31T11:00:00.5Z")),
        ),
        ("updated_at lt 2026-01-31T12:00Z", test("updated_at", Op::Lt, moment("2026-01-31T12:00:00Z"))),
        ("ship_to/city eq 'Łódź'", test("ship_to.city", Op::Eq, text("Łódź"))),
        ("number eq null", test("number", Op::Eq, Value::Null)),
        ("number ne null", not(test("number", Op::Eq, Value::Null))),
        ("total gt null", Filter::nothing()),
        ("total ge null", test("total", Op::Eq, Value::Null)),
        (
            "status in ('open', 'closed')",
            test("status", Op::In, Value::List(vec![text("open"), text("closed")])),
        ),
        ("true", Filter::everything()),
        ("number eq 'a' and false", Filter::nothing()),
    ] {
        assert_eq!(read(filter), expected, "{filter}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_brackets_bind_tightest() {
    let (a, b, c) = (
        || test("number", Op::Eq, text("a")),
        || test("urgent", Op::Eq, Value::Boolean(true)),
        || test("priority", Op::Eq, Value::Integer(1)),
    );
    let either = Filter::Any(vec![a(), Filter::All(vec![b(), c()])]);
    assert_eq!(read("number eq 'a' or urgent and priority eq 1"), either);
    let both = Filter::All(vec![Filter::Any(vec![a(), b()]), c()]);
    assert_eq!(read("(number eq 'a' or urgent) and (priority eq 1)"), both);
    let neither = Filter::All(vec![not(a()), test("urgent", Op::Eq, Value::Boolean(false))]);
    assert_eq!(read("not (number eq 'a' or urgent eq true)"), Filter::All(vec![not(a()), not(b())]));
    assert_eq!(read("not (number eq 'a' or urgent)"), neither);
}

fn steps(path: &str, by: &[Derive], op: Op, value: Value) -> Filter {
    Filter::Derived { leaf: order_entity().leaf_at(path).unwrap(), by: by.to_vec(), op, value }
}

#[test]
fn what_is_worked_out_of_what_was_worked_out_is_worked_out_step_by_step() {
    let number = |text: &str| text.parse::<Decimal>().unwrap();
    for (filter, expected) in [
        (
            "length(trim(number)) gt 3",
            steps("number", &[Derive::Trimmed, Derive::Length], Op::Gt, Value::Integer(3)),
        ),
        (
            "contains(tolower(substring(concat('a',trim(number)),1)),'b')",
            steps(
                "number",
                &[
                    Derive::Trimmed,
                    Derive::Between("a".into(), "".into()),
                    Derive::Part { from: 1, most: usize::MAX },
                    Derive::Lower,
                ],
                Op::Contains,
                text("b"),
            ),
        ),
        (
            "0.1 add total mul 3 gt 5",
            steps(
                "total",
                &[Derive::Times(number("3")), Derive::Plus(number("0.1"))],
                Op::Gt,
                Value::Decimal(number("5")),
            ),
        ),
        (
            "(total sub 0.10) mul 3 le 5.25",
            steps(
                "total",
                &[Derive::Plus(number("-0.10")), Derive::Times(number("3"))],
                Op::Lte,
                Value::Decimal(number("5.25")),
            ),
        ),
        (
            "10 sub priority ne 4",
            not(steps(
                "priority",
                &[Derive::Times(number("-1")), Derive::Plus(number("10"))],
                Op::Eq,
                Value::Decimal(number("4")),
            )),
        ),
        (
            "year(ordered_on) add 1 eq 2027",
            steps(
                "ordered_on",
                &[Derive::Year, Derive::Plus(number("1"))],
                Op::Eq,
                Value::Decimal(number("2027")),
            ),
        ),
    ] {
        assert_eq!(read(filter), expected, "{filter}");
    }
}

#[test]
fn functions_become_what_a_filter_can_work_out() {
    let derived = |path: &str, by, op, value| steps(path, &[by], op, value);
    let range = |path: &str, from: Value, to: Value| {
        Filter::All(vec![test(path, Op::Gte, from), test(path, Op::Lt, to)])
    };
    for (filter, expected) in [
        ("contains(number,'a')", test("number", Op::Contains, text("a"))),
        ("startswith(number,'a') eq true", test("number", Op::StartsWith, text("a"))),
        (
            "endswith(tolower(number),tolower('AB'))",
            derived("number", Derive::Lower, Op::EndsWith, text("ab")),
        ),
        ("toupper(number) eq 'A'", derived("number", Derive::Upper, Op::Eq, text("A"))),
        ("length(number) gt 3", derived("number", Derive::Length, Op::Gt, Value::Integer(3))),
        ("month(ordered_on) eq 2", derived("ordered_on", Derive::Month, Op::Eq, Value::Integer(2))),
        (
            "substring(number,1) eq 'b'",
            derived("number", Derive::Part { from: 1, most: usize::MAX }, Op::Eq, text("b")),
        ),
        (
            "startswith(substring(number,1,2),'b')",
            derived("number", Derive::Part { from: 1, most: 2 }, Op::StartsWith, text("b")),
        ),
        (
            "concat(concat('a',concat(number,'b')),'c') ne 'x'",
            not(derived("number", Derive::Between("a".into(), "bc".into()), Op::Eq, text("x"))),
        ),
        (
            "indexof(number,'it''s') eq -1",
            derived("number", Derive::IndexOf("it's".into()), Op::Eq, Value::Integer(-1)),
        ),
        (
            "time(updated_at) lt 00:00:01.5",
            derived("updated_at", Derive::Time, Op::Lt, Value::Integer(1_500_000_000)),
        ),
        (
            "time(updated_at) ge 13:20",
            derived("updated_at", Derive::Time, Op::Gte, Value::Integer(48_000_000_000_000)),
        ),
        (
            "fractionalseconds(updated_at) eq 0.25",
            derived("updated_at", Derive::Fraction, Op::Eq, decimal("0.25")),
        ),
        ("year(ordered_on) eq 2026", range("ordered_on", day("2026-01-01"), day("2027-01-01"))),
        ("2026 ge year(ordered_on)", test("ordered_on", Op::Lt, day("2027-01-01"))),
        ("year(ordered_on) gt 2026", test("ordered_on", Op::Gte, day("2027-01-01"))),
        (
            "year(updated_at) eq 2026",
            range("updated_at", moment("2026-01-01T00:00:00Z"), moment("2027-01-01T00:00:00Z")),
        ),
        (
            "date(updated_at) eq 2026-02-28",
            range("updated_at", moment("2026-02-28T00:00:00Z"), moment("2026-03-01T00:00:00Z")),
        ),
        ("date(updated_at) le 2026-02-28", test("updated_at", Op::Lt, moment("2026-03-01T00:00:00Z"))),
        ("date(ordered_on) eq 2026-02-28", test("ordered_on", Op::Eq, day("2026-02-28"))),
        ("year(ordered_on) eq 99999", derived("ordered_on", Derive::Year, Op::Eq, Value::Integer(99999))),
    ] {
        assert_eq!(read(filter), expected, "{filter}");
    }
}

#[test]
fn now_is_one_moment_and_what_is_made_of_it_is_worked_out_as_it_is_read() {
    let at = "2026-03-01T09:30:00.5Z";
    for (filter, expected) in [
        ("updated_at lt now()", test("updated_at", Op::Lt, moment(at))),
        ("now() gt updated_at", test("updated_at", Op::Lt, moment(at))),
        (
            "updated_at ge now() sub duration'P7D'",
            test("updated_at", Op::Gte, moment("2026-02-22T09:30:00.5Z")),
        ),
        (
            "updated_at ge now() add duration'-PT1H30M0.5S'",
            test("updated_at", Op::Gte, moment("2026-03-01T08:00:00Z")),
        ),
        ("ordered_on eq date(now())", test("ordered_on", Op::Eq, day("2026-03-01"))),
        ("ordered_on le date(now()) sub duration'P1D'", test("ordered_on", Op::Lte, day("2026-02-28"))),
        // A day less any part of one is the day before (5.1.1.2.2).
        ("ordered_on le date(now()) sub duration'PT1H'", test("ordered_on", Op::Lte, day("2026-02-28"))),
        (
            "date(updated_at) eq date(now())",
            Filter::All(vec![
                test("updated_at", Op::Gte, moment("2026-03-01T00:00:00Z")),
                test("updated_at", Op::Lt, moment("2026-03-02T00:00:00Z")),
            ]),
        ),
        (
            "year(ordered_on) eq year(now()) sub 1",
            Filter::All(vec![
                test("ordered_on", Op::Gte, day("2025-01-01")),
                test("ordered_on", Op::Lt, day("2026-01-01")),
            ]),
        ),
        (
            "month(ordered_on) eq month(date(now()))",
            steps("ordered_on", &[Derive::Month], Op::Eq, Value::Integer(3)),
        ),
        (
            "time(updated_at) lt time(now())",
            steps("updated_at", &[Derive::Time], Op::Lt, Value::Integer(34_200_500_000_000)),
        ),
        (
            "updated_at add duration'P1D' lt now()",
            steps("updated_at", &[Derive::Later(SignedDuration::from_hours(24))], Op::Lt, moment(at)),
        ),
        ("total gt (4 add 5) mod (4 sub 1)", test("total", Op::Gt, decimal("0"))),
        ("total gt 7 div 2", test("total", Op::Gt, decimal("3"))),
        ("total gt 7 divby 2", test("total", Op::Gt, decimal("3.5"))),
    ] {
        assert_eq!(read(filter), expected, "{filter}");
    }
}

#[test]
fn divisions_lose_nothing_and_whole_numbers_are_divided_as_such() {
    let entity = order_entity();
    let record = record(&entity, r#"{"total":"10","priority":-7,"number":"abcdefg"}"#);
    for (text, expected) in [
        ("priority div 2 eq -3", true),
        ("priority div 2.0 eq -3.5", true),
        ("priority divby 2 eq -3.5", true),
        ("priority mod 4 eq -3", true),
        ("priority mod 2.5 eq -2", true),
        ("length(number) div 2 eq 3", true),
        ("length(number) add 1 div 2 eq 7", true),
        ("(length(number) add 2) div 2 eq 4", true),
        // A third of ten has no end, and times three is ten.
        ("total div 3 mul 3 eq 10", true),
        ("total div 3 gt 3.333333333333333333333333333", true),
        ("total div 3 lt 3.333333333333333333333333334", true),
        ("total div -3 lt -3.333333333333333333333333333", true),
        ("total div 3 add 1 mul 6 eq 26", false),
        ("(total div 3 add 1) mul 6 eq 26", true),
        ("total div 3 mod 2 mul 3 eq 4", true),
        ("total div 2.5 eq 4", true),
        ("total mod 0.3 eq 0.1", true),
        ("(total div 3) eq (total mul 2 div 6)", true),
        ("length(number) lt total", true),
        ("priority mul -2 gt total add 3", true),
    ] {
        assert_eq!(bound(&entity, text).unwrap().matches(&entity, &record), expected, "{text}");
    }
}

#[test]
fn two_fields_are_compared_with_each_other() {
    let pair = |left: &str, op, right: &str| {
        let side = |path: &str| Side { leaf: order_entity().leaf_at(path).unwrap(), by: Vec::new() };
        Filter::Pair { left: side(left), op, right: side(right) }
    };
    assert_eq!(read("number lt ship_to/city"), pair("number", Op::Lt, "ship_to.city"));
    assert_eq!(read("contains(number,ship_to/city)"), pair("number", Op::Contains, "ship_to.city"));
    let entity = order_entity();
    let record = record(
        &entity,
        r#"{"number":"Łódź-7","status":"open","priority":3,"total":"3.00","urgent":true,
            "ordered_on":"2026-02-28","updated_at":"2026-02-28T23:59:58Z","ship_to":{"city":"Łódź"},
            "lines":[{"sku":"A","quantity":"2","net_total":"3"},{"sku":"Łódź-7","quantity":"9"}]}"#,
    );
    for (text, expected) in [
        ("number gt ship_to/city", true),
        ("startswith(number,ship_to/city)", true),
        ("startswith(tolower(number),tolower(ship_to/city))", true),
        ("endswith(number,ship_to/city)", false),
        ("number eq status", false),
        ("priority eq total", true),
        ("total le priority", true),
        ("total sub 0.01 lt priority", true),
        ("date(updated_at) eq ordered_on", true),
        ("year(updated_at) eq year(ordered_on)", true),
        ("hour(updated_at) gt month(ordered_on)", true),
        ("updated_at sub duration'P1D' lt updated_at", true),
        ("urgent eq urgent", true),
        ("lines/any(l:l/net_total gt l/quantity)", true),
        ("lines/all(l:l/net_total gt l/quantity)", false),
        ("lines/any(l:l/sku eq number)", true),
        ("lines/any(l:l/sku eq number and l/net_total eq total)", false),
        ("lines/any(l:l/net_total eq total and urgent)", true),
        ("lines/all(l:l/quantity lt total)", false),
    ] {
        assert_eq!(bound(&entity, text).unwrap().matches(&entity, &record), expected, "{text}");
    }
}

/// What a comparison comes to by the letter of OData 4.01 part 2, 5.1.1.1.
fn by_the_letter(compare: &str, one: Option<i64>, other: Option<i64>) -> bool {
    let both = one.zip(other);
    let equal = one == other;
    match compare {
        "eq" => equal,
        "ne" => !equal,
        "lt" => both.is_some_and(|(a, b)| a < b),
        "gt" => both.is_some_and(|(a, b)| a > b),
        "le" => equal || both.is_some_and(|(a, b)| a < b),
        _ => equal || both.is_some_and(|(a, b)| a > b),
    }
}

proptest! {
    #[test]
    fn two_fields_compare_as_the_letter_has_it_whatever_of_them_is_null(
        one in proptest::option::of(-2_i64..3),
        other in proptest::option::of(-2_i64..3),
        compare in proptest::sample::select(vec!["eq", "ne", "lt", "le", "gt", "ge"]),
        in_line in any::<bool>(),
    ) {
        let entity = order_entity();
        let told = |name: &str, n: Option<i64>| n.map_or(String::new(), |n| format!(r#","{name}":"{n}.0""#));
        let (record, filter) = if in_line {
            let line = format!(r#"{{"sku":"A"{}{}}}"#, told("quantity", one), told("net_total", other));
            (format!(r#"{{"lines":[{line}]}}"#), format!("lines/any(l:l/quantity {compare} l/net_total)"))
        } else {
            let priority = one.map_or("null".to_owned(), |n| n.to_string());
            let record = format!(r#"{{"priority":{priority}{}}}"#, told("total", other));
            (record, format!("priority {compare} total"))
        };
        let record = self::record(&entity, &record);
        let holds = |filter: &str| bound(&entity, filter).unwrap().matches(&entity, &record);
        let expected = by_the_letter(compare, one, other);
        prop_assert_eq!(holds(&filter), expected, "{}", filter);
        prop_assert_eq!(holds(&format!("not ({filter})")), !expected, "not {}", filter);
    }

    #[test]
    fn what_is_reckoned_is_what_fractions_come_to(
        total in -500_i64..500,
        plus in -20_i64..20,
        by in prop_oneof![-9_i64..0, 1_i64..9],
        times in -9_i64..9,
        than in -50_i64..50,
    ) {
        let entity = order_entity();
        let record = record(&entity, &format!(r#"{{"total":"{total}"}}"#));
        let filter = format!("(total add {plus}) divby {by} mul {times} gt {than}");
        // Both sides times the square of what is divided by.
        let expected = (total + plus) * times * by > than * by * by;
        prop_assert_eq!(bound(&entity, &filter).unwrap().matches(&entity, &record), expected, "{}", filter);
        let rest = format!("total mod {by} eq {}", total % by);
        prop_assert!(bound(&entity, &rest).unwrap().matches(&entity, &record), "{}", rest);
    }
}

/// Two amounts whose currencies stand apart, and two figures that are money where a unit says so.
const DEAL: &str = r##"
title: Deal
description: A thing with amounts of more than one currency
x-collection: deals
type: object
properties:
  id: { type: string, readOnly: true, x-class: public, description: Names it }
  asked: { type: string, format: decimal, x-currency: asked_in, x-class: public, description: What is asked }
  asked_in: { type: string, format: currency, x-class: public, description: Of which currency }
  paid: { type: string, format: decimal, x-currency: paid_in, x-class: public, description: What was paid }
  paid_in: { type: string, format: currency, x-class: public, description: Of which currency }
  fee: { type: string, format: decimal, x-currency: paid_in, x-class: public, description: What it costs }
  unit: { type: string, enum: [percent, money], x-class: public, description: What the share is }
  share: { type: string, format: decimal, x-currency: { at: paid_in, when: { unit: money } }, x-class: public, description: How much }
"##;

#[test]
fn amounts_of_different_currencies_are_neither_equal_nor_unequal_nor_more_nor_less() {
    let (entity, told) = compiled("schema/deal.yaml", DEAL);
    let entity = entity.unwrap_or_else(|| panic!("{told}"));
    let deal = |asked_in: &str, unit: &str| {
        let text = format!(
            r#"{{"asked":"5"{asked_in},"paid":"3","paid_in":"PLN","fee":"1","unit":"{unit}","share":"2"}}"#
        );
        record(&entity, &text)
    };
    let (same, other) = (deal(r#","asked_in":"PLN""#, "money"), deal(r#","asked_in":"EUR""#, "percent"));
    let unsaid = deal("", "percent");
    let holds = |text: &str, record: &Record| bound(&entity, text).unwrap().matches(&entity, record);
    for text in [
        "asked gt paid",
        "asked ne paid",
        "not (asked le paid)",
        "paid mul 2 gt asked",
        "asked div 2 lt paid",
    ] {
        assert!(holds(text, &same), "{text}");
        assert!(!holds(text, &other) && !holds(text, &unsaid), "{text}");
        assert!(!holds(&format!("not ({text})"), &other), "not {text}");
    }
    // Of one currency in every record, and numbers that are no amounts.
    assert!(holds("paid gt fee", &other) && holds("asked gt length(unit) sub 4", &other));
    // A share that is no money is compared with none.
    assert!(holds("share gt fee", &same) && !holds("share gt fee", &other) && !holds("share le fee", &other));
    // What a currency is tells of it, so who does not see it compares nothing by it.
    let clear = entity.all().minus(&entity.leaves_under("asked_in"));
    let names = Names { entity: &entity, clear: &clear, unheld: &FieldSet::EMPTY, values_max: 9 };
    let told = |text: &str| filter(names, &parse(text, NOW).unwrap()).unwrap_err();
    let Fault::Query(faults) = told("asked gt paid") else { panic!() };
    assert_eq!(faults[0].message, "`asked` and `paid` may be of different currencies, and are not compared");
    assert!(filter(names, &parse("paid gt fee", NOW).unwrap()).is_ok());
}

#[test]
fn any_and_all_look_at_items_that_the_caller_sees() {
    let entity = order_entity();
    let record = record(
        &entity,
        r#"{"lines":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"5","net_total":"9"},{"net_total":"7"}],"tags":["red"]}"#,
    );
    let holds = |text: &str, clear: &FieldSet| {
        let names = Names { entity: &entity, clear, unheld: &FieldSet::EMPTY, values_max: 100 };
        filter(names, &parse(text, NOW).unwrap()).map(|filter| filter.matches(&entity, &record))
    };
    let all = entity.all();
    for (text, expected) in [
        ("lines/any(l:l/sku eq 'A' and l/quantity eq 1)", true),
        ("lines/any(l:l/sku eq 'A' and l/quantity eq 5)", false),
        ("lines/any()", true),
        ("not lines/any()", false),
        ("lines/any(l:l/sku eq null)", true),
        ("lines/all(l:l/sku ne 'C')", true),
        ("lines/all(l:l/sku eq 'A')", false),
        ("lines/all(l:contains(l/sku,'A') or contains(l/sku,'B'))", false),
        ("tags/any(t:t eq 'red')", true),
        ("tags/all(t:t ne 'red')", false),
        ("not tags/any(t:startswith(t,'b')) and number eq null", true),
    ] {
        assert_eq!(holds(text, &all), Ok(expected), "{text}");
    }
    // The third line shows nothing to one who does not see amounts: it is not there.
    let some = all.minus(&entity.leaves_under("lines.net_total")).minus(&entity.leaves_under("lines.id"));
    assert_eq!(holds("lines/any(l:l/sku eq null)", &some), Ok(false));
    assert_eq!(holds("lines/all(l:l/sku ne null)", &some), Ok(true));
    let none = entity.leaves_under("number");
    let told = |text: &str| match holds(text, &none) {
        Err(Fault::Query(faults)) => faults[0].to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told("lines/any()"), "$filter: unknown field `lines`");
    assert_eq!(told("nothing/any()"), "$filter: unknown field `nothing`");
}

#[test]
fn a_function_of_null_is_neither_true_nor_false() {
    let entity = order_entity();
    let (empty, full) = (record(&entity, "{}"), record(&entity, r#"{"number":"a","urgent":false}"#));
    let holds = |text: &str, record: &Record| bound(&entity, text).unwrap().matches(&entity, record);
    for (text, of_empty, of_full) in [
        ("contains(number,'a')", false, true),
        ("not contains(number,'a')", false, false),
        ("not contains(number,'b')", false, true),
        ("not (contains(number,'b') or urgent)", false, true),
        ("urgent", false, false),
        ("not urgent", false, true),
        ("urgent ne true", true, true),
        ("number ne 'b'", true, true),
        ("not (number eq 'b')", true, true),
        ("tolower(number) ne 'b'", true, true),
        ("substring(number,5) eq ''", false, true),
        ("concat(number,'b') eq 'ab'", false, true),
        ("indexof(number,'b') eq -1", false, true),
        ("contains(number,'a') eq null", true, false),
        ("contains(number,null)", false, false),
        ("not (total gt 5)", true, true),
    ] {
        assert_eq!((holds(text, &empty), holds(text, &full)), (of_empty, of_full), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_and_what_is_not_here_is_named() {
    for (filter, expected) in [
        ("", "expected a field, a value or a condition, found the end"),
        ("number", "`number` is no condition"),
        ("numbr eq 'a'", "unknown field `numbr`, did you mean `number`?"),
        ("ship_to eq null", "unknown field `ship_to`"),
        ("number eq 5", "expected a text in quotes"),
        ("total eq '5'", "`total` takes a value without quotes"),
        ("total eq 1.5.1", "`total`: expected a decimal, as in `12.50`"),
        ("total eq NaN", "unknown field `NaN`"),
        ("status eq 'opn'", "`status`: expected one of: draft, open, closed"),
        ("status gt 'open'", "`status` has no order, so it can only be equal or not"),
        ("ordered_on eq 2026-02-30", "`ordered_on`: expected a day, as in `2026-01-31`"),
        (
            "ordered_on eq datetime'2026-02-28T00:00:00'",
            "`datetime'…'` is a literal of another version; write days and moments bare, texts in quotes alone",
        ),
        ("number eq 'a", "a text does not end with `'`"),
        ("number eq 'a' urgent", "expected `and`, `or` or the end, found `urgent`"),
        ("(number eq 'a'", "expected `)`, found the end"),
        ("not number eq 'a'", "what `not` denies stands in brackets, as in `not (a eq b)`, found a text"),
        ("lines/sku eq 'A'", "`lines/sku` has several values, ask `any` or `all` of its list"),
        ("tags eq 'A'", "`tags` has several values, ask `any` or `all` of its list"),
    ] {
        assert_eq!(told(filter), expected, "{filter}");
    }
}

#[test]
fn what_functions_and_comparisons_cannot_take_is_told_or_named() {
    for (filter, expected) in [
        ("substringof('a',number)", "unknown function `substringof`, write `contains(field,'part')`"),
        ("contains(number)", "`contains` takes 2 arguments"),
        ("substring(number)", "`substring` takes 2 or 3 arguments"),
        ("substring(number,-1) eq 'a'", "`substring` counts from 0"),
        ("substring(total,1) eq '5'", "`substring` means nothing of `total`"),
        ("time(ordered_on) eq 13:20", "`time` means nothing of `ordered_on`"),
        ("time(updated_at) eq '13:20'", "expected a time of the day without quotes, as in `13:20:00`"),
        ("time(updated_at) eq 25:00:00", "expected a time of the day without quotes, as in `13:20:00`"),
        ("indexof(number,status) eq 1", "unmet: `indexof` of anything but a text in a field"),
        ("concat(number,status) eq 'a'", "unmet: `concat` of anything but one field and texts"),
        ("concat('a','b') eq 'ab'", "unmet: `concat` of texts alone"),
        ("tolower('A') eq 'a'", "unmet: a comparison of two values in a filter"),
        ("tolower(length(number)) eq 'a'", "`tolower` means nothing of `number`"),
        ("hour(time(updated_at)) eq 1", "`hour` means nothing of `updated_at`"),
        ("number add 5 gt 6", "`add` means nothing of `number`"),
        ("total add 5 gt '6'", "expected a number without quotes"),
        ("total add '5' gt 6", "expected a number without quotes"),
        ("total add priority gt 6", "unmet: `add` of anything but a field and a number"),
        ("total gt 10 divby 3", "unmet: `divby` of anything but a field and a number"),
        ("total divby 0 gt 6", "`divby` by 0"),
        ("total mod 0.00 gt 6", "`mod` by 0"),
        ("priority div 0 eq 1", "`div` by 0"),
        ("5 div total gt 6", "unmet: `div` by anything but a number"),
        ("number mod 5 gt 6", "`mod` means nothing of `number`"),
        ("total mul duration'P1D' gt 6", "unmet: `mul` of durations"),
        ("total add duration'P1D' gt 6", "`add` means nothing of `total`"),
        ("updated_at sub ordered_on eq 5", "unmet: `sub` of anything but a field and a number"),
        ("duration'P1D' eq ordered_on", "`ordered_on` takes a value without quotes"),
        (
            "updated_at lt duration'P1M'",
            "expected a duration of days, hours, minutes and seconds, as in `duration'P7D'`",
        ),
        (
            "updated_at lt duration'1 day'",
            "expected a duration of days, hours, minutes and seconds, as in `duration'P7D'`",
        ),
        ("contains(total,'5')", "`contains` is of texts"),
        ("hour(ordered_on) eq 1", "`hour` means nothing of `ordered_on`"),
        ("lines/any(number:number/sku eq 'A')", "`number` is a field; call the item something else"),
        ("number has 'a'", "unmet: `has` in a filter"),
        ("hassubset(tags,tags)", "unmet: the function `hassubset`"),
        ("number eq total", "`number` and `total` are of different kinds here, and cannot be compared"),
        (
            "ordered_on lt updated_at",
            "`ordered_on` and `updated_at` are of different kinds here, and cannot be compared",
        ),
        ("number lt status", "`status` has no order, so it can only be equal or not"),
        ("urgent lt urgent", "`urgent` has no order, so it can only be equal or not"),
        ("urgent eq (number eq 'a')", "unmet: a comparison with a condition in a filter"),
        ("contains(number,total)", "`contains` is of texts"),
        ("number in (status)", "unmet: anything but values other than null in a list of `in`"),
        ("5 eq 5", "unmet: a comparison of two values in a filter"),
        ("lines/$count gt 2", "unmet: `$count` in a filter"),
        ("lines/any(l:lines/sku eq 'A')", "`lines/sku` has several values, ask `any` or `all` of its list"),
        ("lines/any(l:tags eq 'A')", "`tags` has several values, ask `any` or `all` of its list"),
        ("lines/any(l:sku eq 'A')", "unknown field `sku`"),
        ("lines/any(l:tags/any(t:t eq 'x'))", "unmet: `any` and `all` inside each other"),
        ("number eq @p", "unmet: `$it`, `$count`, `$root` and aliases in a filter"),
        ("ordered_on lt now()", "`ordered_on`: expected a day, as in `2026-01-31`"),
        ("updated_at lt now(1)", "expected `)`, found `1`"),
        ("now", "unknown field `now`"),
        ("now() gt 2026-01-31T12:00Z", "unmet: a comparison of two values in a filter"),
        ("cast(number,Edm.Int32) eq 5", "unmet: the function `cast`"),
    ] {
        assert_eq!(told(filter), expected, "{filter}");
    }
}

#[test]
fn a_field_that_may_not_serve_is_told_as_one_that_does_not_exist() {
    let entity = order_entity();
    let clear = entity.leaves_under("number");
    for shape in [
        "X eq 1",
        "X eq null",
        "X ne 'a'",
        "X in ('a')",
        "contains(X,'a')",
        "not X",
        "year(X) eq 1",
        "date(X) eq 1",
        "X/any()",
        "X/any(l:l/a eq 1)",
        "length(X) gt 2 or number eq 'a'",
        "substring(X,1) eq 'a'",
        "indexof(X,'a') eq 1",
        "concat('a',X) eq 'ab'",
        "time(X) eq 13:20",
        "fractionalseconds(X) eq 0",
        "number eq X",
        "X eq number",
        "number lt X",
        "X eq X",
        "contains(number,X)",
        "X lt now()",
        "X eq number add 5",
        "year(X) eq length(number)",
        "X mod 5 eq 1",
        "X/Y eq 1",
    ] {
        let told = |path: &str| {
            let text = shape.replace('X', path);
            let bound = filter(
                Names { entity: &entity, clear: &clear, unheld: &FieldSet::EMPTY, values_max: 9 },
                &parse(&text, NOW).unwrap(),
            );
            format!("{:?}", bound.unwrap_err()).replace(path, "X")
        };
        let unknown = told("nothing_like_it");
        for hidden in ["total", "status", "ship_to", "updated_at", "lines"] {
            assert_eq!(told(hidden), unknown, "{shape} {hidden}");
        }
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |depth: usize| format!("{}urgent{}", "(".repeat(depth), ")".repeat(depth));
    assert!(bound(&order_entity(), &deep(30)).is_ok());
    for text in [
        deep(33),
        deep(200_000),
        "not ".repeat(200_000),
        "contains(".repeat(4000),
        "lines/any(l:".repeat(1000),
    ] {
        assert!(matches!(bound(&order_entity(), &text), Err(Fault::Query(_) | Fault::Unmet(_))));
    }
    let wide = |count: usize| vec!["priority eq 1"; count].join(" or ");
    assert!(bound(&order_entity(), &wide(200)).is_ok());
    assert_eq!(told(&wide(201)), "at most 400 operands, `any` and `all` for 20 each");
    let lists = |count: usize| vec!["lines/any()"; count].join(" or ");
    assert!(bound(&order_entity(), &lists(19)).is_ok());
    assert!(told(&lists(20)).starts_with("at most 400 operands"));
    let values = vec!["'a'"; 101].join(",");
    assert_eq!(told(&format!("number in ({values})")), "at most 100 values");
    assert_eq!(told(&format!("number eq '{}'", "a".repeat(FILTER_BYTES_MAX))), "at most 16384 bytes");
}

proptest! {
    #[test]
    fn any_text_survives_its_quotes_and_nothing_leaves_them(value in "\\PC{0,20}|[' ()=,/eqandor]{0,20}") {
        let value: String = value.chars().take(20).collect();
        let filter = format!("contains(number,'{}') and urgent", value.replace('\'', "''"));
        let expected = Filter::All(vec![
            test("number", Op::Contains, text(&value)),
            test("urgent", Op::Eq, Value::Boolean(true)),
        ]);
        prop_assert_eq!(read(&filter), expected);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
        drop(bound(&order_entity(), &text));
    }

    #[test]
    fn almost_a_filter_is_answered(
        text in "((number|total|lines/|ship_to/city|any\\(l:|l/sku|not|and|or|eq|in|contains\\(|year\\(|'a'|''|5|null|true|[(),]) ?){0,14}"
    ) {
        drop(bound(&order_entity(), &text));
    }

    #[test]
    fn a_filter_and_its_negation_never_both_hold(number in proptest::option::of("[ab]{1,2}"), urgent in proptest::option::of(any::<bool>())) {
        let entity = order_entity();
        let mut record = Record::default();
        if let Some(number) = number { record.fields.set(1, text(&number)); }
        if let Some(urgent) = urgent { record.fields.set(2, Value::Boolean(urgent)); }
        for filter in ["contains(number,'a')", "urgent", "number eq 'a'", "number gt 'a' and not urgent", "contains(number,'a') or urgent"] {
            let yes = bound(&entity, filter).unwrap().matches(&entity, &record);
            let no = bound(&entity, &format!("not ({filter})")).unwrap().matches(&entity, &record);
            prop_assert!(!(yes && no), "{}", filter);
        }
    }
}

#[test]
fn items_are_named_by_path_alone() {
    let entity = order_entity();
    assert!(Items::at(&entity, "lines").is_some());
    assert!(matches!(
        bound(&entity, "cast(number,Edm.Int32) eq 5"),
        Err(Fault::Unmet(Unmet::Unsupported(_)))
    ));
}
