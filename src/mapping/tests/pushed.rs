//! The law of push-down: what a system is asked for never leaves out a record that passes the filter, whatever
//! the lines of its mapping say.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{
    demo::odata::Options,
    schema::{Filter, Op, Value},
};

/// What a line can say of the native `@` and, where it needs a second one, of `@2`.
const LINES: [&str; 17] = [
    "@",
    "=PL",
    "=DE",
    "{ at: '@', default: PL }",
    "{ at: '@', filter_at: never }",
    "{ at: '@', filter_at: '@2' }",
    "{ at: '@', absent: [x] }",
    "{ at: '@', norm: trim }",
    "{ at: '@', norm: upper }",
    "{ at: '@', norm: [trim, lower] }",
    "{ at: '@', norm: digits }",
    "{ at: '@', values: { PL: DE, DE: PL, x: PL }, else: $value, write: never }",
    "{ at: '@', values: { PL: PL, DE: x }, norm: trim, write: never }",
    "{ at: '@', values: { PL: PL, x: PL }, norm: lower, else: DE, write: never }",
    "{ at: '@', else: DE }",
    "{ join: ['@', '@2'] }",
    "{ first: [ { when: { '@': PL }, is: DE }, { at: '@', norm: trim } ] }",
];
/// The lines are given to these, in this order.
const NATIVES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const LEAVES: [&str; 4] = ["addresses.subdivision", "addresses.city", "given_name", "addresses.role"];
const TEXTS: [&str; 10] = ["", " ", "PL", "pl", " PL ", "DE", "De", "x", "7", "PL DE"];

fn system(lines: &[&str], or: &str) -> System {
    let line = |n: usize| lines[n].replace('@', NATIVES[n]);
    let text = format!(
        "absent: {{ any: [\"\"] }}
filters: {{ d: {{ shape: odata4, or: {or} }} }}
entities:
  Customer:
    at: /c
    list: {{ rows: r, filter: d }}
    fields:
      addresses:
        - {{ role: =billing, subdivision: {}, city: {} }}
        - {{ role: =contact, subdivision: {}, city: {} }}
        - {{ role: =shipping, subdivision: {} }}
      given_name: {}
",
        line(0),
        line(1),
        line(2),
        line(3),
        line(4),
        line(5),
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}\n{text}"))
}

/// A native record: each name missing, null or some text. What another name filters by holds the same.
fn row() -> impl Strategy<Value = Json> {
    let value = prop_oneof![1 => Just(None), 1 => Just(Some(Json::Null)), 8 => prop::sample::select(&TEXTS[..]).prop_map(|text| Some(text.into()))];
    prop::collection::vec(value, NATIVES.len()).prop_map(|values| {
        let mut row = serde_json::Map::from_iter([("id".to_owned(), "1".into())]);
        for (name, value) in NATIVES.iter().zip(values) {
            if let Some(value) = value {
                row.insert(format!("{name}2"), value.clone());
                row.insert((*name).to_owned(), value);
            }
        }
        row.into()
    })
}

fn filter() -> impl Strategy<Value = (usize, Op, Vec<usize>)> {
    let op = prop::sample::select(vec![Op::Eq, Op::In, Op::Ne, Op::Gt, Op::Lte]);
    (0..LEAVES.len(), op, prop::collection::vec(2..TEXTS.len(), 1..3))
}

/// Fails where the system is asked for less than passes.
fn holds(m: &Mapping, filter: &Filter, rows: &[(Json, Record)]) -> Result<(), TestCaseError> {
    let target = m.list(&m.entity().all(), filter, &[], None, 10).unwrap().request.target;
    let target = percent_encoding::percent_decode_str(&target).decode_utf8().unwrap().into_owned();
    let asked = target.split_once("$filter=").map(|(_, filter)| ("$filter".to_owned(), filter.to_owned()));
    let known: Vec<String> =
        NATIVES.iter().flat_map(|name| [(*name).to_owned(), format!("{name}2")]).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let options = Options::read(&asked.into_iter().collect::<Vec<_>>(), &known).unwrap();
    for (row, _) in rows.iter().filter(|(_, record)| filter.matches(m.entity(), record)) {
        prop_assert!(options.holds(row.as_object().unwrap()), "{target} loses {row}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_record_that_passes_is_left_out(
        lines in prop::collection::vec(prop::sample::select(&LINES[..]), NATIVES.len()),
        or in prop::sample::select(vec!["any", "same_field"]),
        rows in prop::collection::vec(row(), 40),
        tests in prop::collection::vec(filter(), 1..4),
    ) {
        let system = system(&lines, or);
        let m = system.entity("Customer").unwrap();
        let rows: Vec<(Json, Record)> = rows.into_iter().map(|row| {
            let inward = m.inward(&answer(200, &row.to_string()), &m.entity().all()).unwrap();
            (row, inward.record)
        }).collect();
        let test = |leaf: usize, op, texts: &[usize]| {
            let leaf = m.entity().leaf_at(LEAVES[leaf]).unwrap();
            let one = |n: &usize| Value::Text(TEXTS[*n].into());
            let value = if op == Op::In { Value::List(texts.iter().map(one).collect()) } else { one(&texts[0]) };
            Filter::Test { leaf, op, value }
        };
        // Every value of every field by itself, then some of them together.
        for leaf in 0..LEAVES.len() {
            for text in 2..TEXTS.len() {
                holds(m, &test(leaf, Op::Eq, &[text]), &rows)?;
            }
        }
        let tests: Vec<Filter> = tests.iter().map(|(leaf, op, texts)| test(*leaf, *op, texts)).collect();
        holds(m, &Filter::All(tests.clone()), &rows)?;
        holds(m, &Filter::Any(tests.clone()), &rows)?;
        holds(m, &Filter::Not(Box::new(Filter::Any(tests))), &rows)?;
    }
}
