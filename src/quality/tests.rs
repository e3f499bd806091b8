//! What is counted of a page, and that it stays bounded.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::{
    mapping::{NativeAnswer, System},
    schema,
    words::{Diagnostics, tree},
};

const THING: &str = "
title: Thing
description: A thing
x-collection: things
type: object
required: [name, kind]
properties:
  id: { type: string, readOnly: true, x-class: internal, description: Names it }
  name: { type: string, x-class: internal, description: Its name }
  kind: { type: string, enum: [big, small], x-class: internal, description: How large }
  price: { type: string, format: decimal, x-class: internal, description: What it costs }
";
const SHOP: &str = "
absent: { any: [\"\"] }
entities:
  Thing:
    at: /things
    list: { rows: rows }
    read: {}
    fields: { name: name, kind: { at: kind, values: { B: big, S: small } }, price: price }
";

fn mapping() -> Arc<Mapping> {
    let read = |name: &str, text: &str| tree::parse(&name.into(), text).unwrap();
    let (schema, _) = schema::load::schema(&[("thing.yaml".into(), read("thing.yaml", THING))]).unwrap();
    let mut found = Diagnostics::default();
    let system = System::load(&"shop".into(), &read("shop.yaml", SHOP), &[], &schema, &mut found).unwrap();
    system.entity("Thing").unwrap().clone()
}

fn looked(gathering: &Gathering, mapping: &Mapping, wanted: &FieldSet, rows: &str, second: i64) {
    let listing = mapping.list(wanted, &schema::Filter::everything(), &[], None, 100).unwrap();
    let answer = NativeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from(format!("{{\"rows\":[{rows}]}}")),
    };
    let page = mapping.inward_list(&listing, &answer, wanted).unwrap();
    gathering.page(mapping, wanted, page.rows.iter().map(Result::as_ref), Timestamp::new(second, 0).unwrap());
}

fn told(gathered: &Gathered) -> Vec<String> {
    let of = |(spot, tally): (&Spot, &Tally)| {
        format!(
            "{}.{} {} {} {:?} {:?} {}-{}",
            spot.entity,
            spot.field,
            spot.flaw.as_str(),
            tally.count,
            tally.examples,
            tally.values,
            tally.first.as_second(),
            tally.last.as_second()
        )
    };
    gathered.flaws.iter().map(of).collect()
}

#[test]
fn every_flaw_is_counted_with_records_that_have_it_and_when() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let all = mapping.entity().all();
    let rows = r#"{"id":"1","name":"A","kind":"B","price":1}, {"id":"2","name":"","kind":"X","price":"much"},
        {"id":"2","kind":"S","price":2}, {"name":"keyless","kind":"B"}, 7"#;
    looked(&gathering, &mapping, &all, rows, 10);
    looked(&gathering, &mapping, &all, r#"{"id":"3","name":"C","kind":"Y","price":null}"#, 20);
    let gathered = gathering.take();
    assert_eq!(gathered.looked.len(), 1);
    assert_eq!(gathered.looked[0].records, 6);
    assert_eq!(
        told(&gathered),
        [
            "Thing. no_key 1 [] [] 10-10",
            "Thing. duplicate_key 1 [\"2\"] [] 10-10",
            "Thing. unreadable 1 [] [] 10-10",
            "Thing.kind unknown_value 2 [\"2\", \"3\"] [\"X\", \"Y\"] 10-20",
            "Thing.name missing 2 [\"2\"] [] 10-10",
            "Thing.price ill_typed 1 [\"2\"] [] 10-10",
        ]
    );
    assert!(gathering.take().is_empty(), "what was handed over is not told again");
    gathering.put_back(gathered.clone());
    assert_eq!(gathering.take(), gathered, "what the store did not take is kept");
}

#[test]
fn what_nobody_asked_for_or_maps_is_not_missing() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let price: FieldSet =
        ["id", "price"].iter().map(|path| mapping.entity().leaf_at(path).unwrap()).collect();
    looked(&gathering, &mapping, &price, r#"{"id":"1","price":1}"#, 10);
    let gathered = gathering.take();
    assert_eq!((gathered.looked[0].records, told(&gathered)), (1, Vec::new()));
}

#[test]
fn what_a_system_can_make_grow_is_bounded() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    for round in 0..50 {
        let rows: Vec<String> = (0..90)
            .map(|row| {
                format!(
                    r#"{{"id":"{round}-{row}{}","name":"n","kind":"{row}{}"}}"#,
                    "x".repeat(200),
                    "k".repeat(300)
                )
            })
            .collect();
        looked(&gathering, &mapping, &mapping.entity().all(), &rows.join(","), round);
    }
    let gathered = gathering.take();
    let tally = gathered.flaws.values().next().unwrap();
    assert_eq!((gathered.flaws.len(), tally.count), (1, 50 * 90));
    for list in [&tally.examples, &tally.values] {
        assert_eq!(list.len(), EXAMPLES_MAX);
        assert!(list.iter().all(|text| text.chars().count() <= EXAMPLE_CHARS_MAX));
    }
    let mut many = Gathered::default();
    for number in 0..20_000 {
        let spot =
            Spot { system: "s".into(), entity: "E".into(), field: number.to_string(), flaw: Flaw::IllTyped };
        many.note(spot, None, None, Timestamp::UNIX_EPOCH);
    }
    assert!(many.flaws.len() <= SPOTS_MAX + 1, "{}", many.flaws.len());
    assert_eq!(many.flaws.values().map(|tally| tally.count).sum::<u64>(), 20_000, "and none is forgotten");
}
