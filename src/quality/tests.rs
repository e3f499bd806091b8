//! What is counted of a page, and that it stays bounded.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    gathered::{EXAMPLE_CHARS_MAX, MISSING_MAX, NAMINGS_MAX, NEW_FIELDS_MAX, SPOTS_MAX},
    looks::TARGETS_MAX,
    *,
};
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
  currency: { type: string, format: currency, x-class: internal, description: Of amounts }
  shipping: { type: string, format: decimal, x-currency: currency, x-class: internal, description: What its way costs }
  total: { type: string, format: decimal, x-currency: currency, x-sum: [parts.cost, shipping], x-class: internal, description: What it costs in all }
  changed: { type: string, format: date-time, x-class: internal, description: When it changed }
  made: { type: string, format: date, x-class: internal, description: When it was made }
  maker: { type: string, x-ref: Thing, x-class: internal, description: What made it }
  parts:
    type: array
    description: What it is made of
    items:
      type: object
      properties:
        thing: { type: string, x-ref: Thing, x-class: internal, description: Which }
        cost: { type: string, format: decimal, x-currency: currency, x-class: internal, description: What it costs }
";
const SHOP: &str = "
absent: { any: [\"\"] }
entities:
  Thing:
    at: /things
    list: { rows: rows }
    read: {}
    MORE
    fields:
      name: name
      kind: { at: kind, values: { B: big, S: small } }
      price: price
      changed: { at: changed, write: never }
      made: { at: made, write: never }
      maker: { at: maker, ref: Thing }
      currency: currency
      shipping: shipping
      total: total
      parts: { each: parts, write: never, fields: { thing: { at: id, ref: Thing }, cost: cost } }
";

fn mapping() -> Arc<Mapping> {
    mapping_with("")
}

fn mapping_with(more: &str) -> Arc<Mapping> {
    let read = |name: &str, text: &str| tree::parse(&name.into(), text).unwrap();
    let (schema, _) = schema::load::schema(&[("thing.yaml".into(), read("thing.yaml", THING))]).unwrap();
    let mut found = Diagnostics::default();
    let file = read("shop.yaml", &SHOP.replace("MORE", more));
    let system = System::load(&"shop".into(), &file, &[], &schema, &mut found);
    let system = system.unwrap_or_else(|| panic!("{found}"));
    system.entity("Thing").unwrap().clone()
}

#[test]
fn trap_28_lines_that_do_not_add_up_to_their_total_are_found_and_nothing_is_refused() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let all = mapping.entity().all();
    let row = |id: &str, total: &str| {
        format!(
            r#"{{"id":"{id}","name":"A","kind":"B","currency":"EUR","shipping":"4.99","total":"{total}","parts":[{{"cost":"10.00"}},{{"cost":0.1}},{{"cost":"0.2"}}]}}"#
        )
    };
    // A cent for each of three lines is rounding.
    let rows = [row("1", "15.29"), row("2", "15.32"), row("3", "15.33"), row("4", "10.3")].join(",");
    looked(&gathering, &mapping, &all, &rows, 10);
    let gathered = gathering.take();
    assert_eq!(gathered.looked[0].records, 4);
    assert_eq!(told(&gathered), ["Thing.total unbalanced 2 [\"3\", \"4\"] [] 10-10"]);
    // What is not whole is not judged: nobody asked for all of it, or not all is told.
    let total = mapping.entity().leaf_at("total").unwrap();
    looked(&gathering, &mapping, &FieldSet::from_iter([total]), &row("4", "10.3"), 20);
    looked(&gathering, &mapping, &all, &row("4", "10.3").replace(r#""shipping":"4.99","#, ""), 20);
    assert_eq!(told(&gathering.take()), Vec::<String>::new());
}

#[test]
fn amounts_without_a_currency_are_counted_with_records_that_have_them() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let row =
        r#"{"id":"1","name":"A","kind":"B","currency":"CUR","total":"5","parts":[{"id":"2","cost":"5"}]}"#;
    let rows = [row.replace("CUR", "EUR"), row.replace("CUR", "").replace("\"1\"", "\"3\"")].join(",");
    looked(&gathering, &mapping, &mapping.entity().all(), &rows, 10);
    assert_eq!(
        told(&gathering.take()),
        ["Thing.parts.cost no_currency 1 [\"3\"] [] 10-10", "Thing.total no_currency 1 [\"3\"] [] 10-10"]
    );
}

/// What a gate does with a page.
fn looked(gathering: &Gathering, mapping: &Mapping, wanted: &FieldSet, rows: &str, second: i64) -> Seen {
    let listing = mapping.list(wanted, &schema::Filter::everything(), &[], None, 100).unwrap();
    let answer = NativeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from(format!("{{\"rows\":[{rows}]}}")),
        received: None,
        over: None,
    };
    let page = mapping.inward_list(&listing, &answer, wanted).unwrap();
    let now = Timestamp::new(second, 0).unwrap();
    let seen = gathering.page(mapping, wanted, page.rows.iter().map(Result::as_ref), now);
    if !seen.look.is_empty() {
        gathering.looked(mapping, mapping.new_fields(Some(&listing), &answer, &seen.look), now);
    }
    seen
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
    let seen = looked(&gathering, &mapping, &all, rows, 10);
    let flaws: Vec<_> =
        seen.flaws.iter().map(|(field, flaw, count)| format!("{field} {} {count}", flaw.as_str())).collect();
    assert_eq!(
        flaws,
        [
            " no_key 1",
            " duplicate_key 1",
            " unreadable 1",
            "kind unknown_value 1",
            "name missing 2",
            "price ill_typed 1"
        ]
    );
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
        many.join(spot, Tally::of(Timestamp::UNIX_EPOCH, None, None));
    }
    assert!(many.flaws.len() <= SPOTS_MAX + 1, "{}", many.flaws.len());
    assert_eq!(many.flaws.values().map(|tally| tally.count).sum::<u64>(), 20_000, "and none is forgotten");
}

#[test]
fn native_fields_are_looked_at_on_the_first_page_and_then_seldom_each_time_at_others() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let all = mapping.entity().all();
    let row = |n: u32| format!(r#"{{"id":"{n}","name":"n","kind":"B","extra":{{"a":1}},"only_{n}":true}}"#);
    let rows: Vec<String> = (0..20).map(row).collect();
    let look = |second| looked(&gathering, &mapping, &all, &rows.join(","), second).look;
    assert_eq!(look(100), [0, 1, 2, 3, 4, 5, 6, 7]);
    for second in 100..110 {
        assert!(look(second).is_empty(), "{second}");
    }
    assert_eq!(look(110), [8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(look(120), [0, 1, 2, 3, 16, 17, 18, 19], "round the page");
    // A clock that was set back puts nothing off.
    assert_eq!(look(50), [4, 5, 6, 7, 8, 9, 10, 11]);
    let gathered = gathering.take();
    assert_eq!((gathered.looked[0].records, gathered.looked[0].sampled), (14 * 20, 4 * 8));
    let told = told(&gathered);
    assert!(told.contains(&"Thing.extra new_field 32 [] [] 50-120".to_owned()), "{told:?}");
    assert!(told.contains(&"Thing.only_17 new_field 1 [] [] 120-120".to_owned()), "{told:?}");
    // What the file ignores is quiet.
    let quiet = mapping_with("ignore: ['*']");
    let seen = looked(&Gathering::default(), &quiet, &all, &rows.join(","), 100);
    assert!(seen.flaws.is_empty());
}

#[test]
fn a_row_of_another_kind_is_not_looked_at() {
    let (mapping, gathering) = (mapping_with("where: { live: true }"), Gathering::default());
    let rows = r#"{"id":"1","name":"n","kind":"B","live":false,"other":1}, {"id":"2","name":"n","kind":"B","live":true,"own":1}"#;
    let seen = looked(&gathering, &mapping, &mapping.entity().all(), rows, 1);
    assert_eq!(seen.look, [1]);
    assert_eq!(told(&gathering.take()), ["Thing.own new_field 1 [] [] 1-1"]);
}

#[test]
fn fields_that_a_system_makes_up_are_bounded_and_what_is_beyond_is_counted_together() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let letters =
        |n: usize| n.to_string().chars().map(|c| char::from(b'a' + c as u8 - b'0')).collect::<String>();
    for round in 0..40 {
        let fields: Vec<String> = (0..50).map(|n| format!(r#""x{}":1"#, letters(round * 50 + n))).collect();
        let row = format!(r#"{{"id":"1","name":"n","kind":"B",{}}}"#, fields.join(","));
        looked(&gathering, &mapping, &mapping.entity().all(), &row, 10 * i64::try_from(round).unwrap());
    }
    let gathered = gathering.take();
    assert_eq!(gathered.flaws.len(), NEW_FIELDS_MAX + 1);
    let beyond = gathered.flaws.iter().find(|(spot, _)| spot.field == "*").unwrap().1.count;
    assert_eq!(beyond, 40 * 50 - NEW_FIELDS_MAX as u64);
}

#[test]
fn a_record_that_changed_too_long_ago_is_stale_and_the_oldest_time_is_kept() {
    let (mapping, gathering) = (mapping_with("stale: { after: 2d, by: changed }"), Gathering::default());
    let all = mapping.entity().all();
    let day = 86_400;
    let rows = |moments: &[&str]| {
        let row = |(n, moment): (usize, &&str)| {
            format!(r#"{{"id":"{n}","name":"n","kind":"B","changed":{moment}}}"#)
        };
        moments.iter().enumerate().map(row).collect::<Vec<_>>().join(",")
    };
    // Exactly two days are no more than two days; who does not tell is not stale.
    let page = rows(&[
        "\"1970-01-09T00:00:00Z\"",
        "\"1970-01-08T23:59:59Z\"",
        "\"1970-01-02T00:00:00Z\"",
        "null",
        "\"2070-01-01T00:00:00Z\"",
    ]);
    looked(&gathering, &mapping, &all, &page, 10 * day);
    let gathered = gathering.take();
    assert_eq!(told(&gathered), [format!("Thing.changed stale 2 [\"1\", \"2\"] [] {0}-{0}", 10 * day)]);
    assert_eq!(gathered.flaws.values().next().unwrap().oldest.unwrap().as_second(), day);
    looked(&gathering, &mapping, &all, &rows(&["\"1970-01-05T00:00:00Z\""]), 10 * day);
    gathering.put_back(gathered);
    let whole = gathering.take();
    assert_eq!(whole.flaws.values().next().unwrap().oldest.unwrap().as_second(), day, "of all of them");
    // A file that does not say when knows no stale record.
    let mapping = self::mapping();
    looked(&gathering, &mapping, &all, &page, 10 * day);
    assert!(gathering.take().flaws.is_empty());
}

#[test]
fn a_day_is_over_before_a_record_is_stale_because_of_it() {
    let (mapping, gathering) = (mapping_with("stale: { after: 1d, by: made }"), Gathering::default());
    let row = r#"{"id":"1","name":"n","kind":"B","made":"1970-01-02"}"#;
    let is_stale = |second| {
        looked(&gathering, &mapping, &mapping.entity().all(), row, second);
        !gathering.take().flaws.is_empty()
    };
    assert!(!is_stale(3 * 86_400) && is_stale(3 * 86_400 + 1));
    assert_eq!(mapping.watched().len(), 1, "it is asked for whatever callers want");
}

#[test]
fn whom_records_name_is_kept_of_a_few_and_only_where_it_was_told() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    let all = mapping.entity().all();
    let rows = r#"{"id":"1","name":"n","kind":"B","maker":"9","parts":[{"id":"7"},{"id":"8"},{"id":"7"}]},
        {"id":"2","name":"n","kind":"B","maker":null,"parts":[]}, {"id":"3","name":"n","kind":"B"}"#;
    looked(&gathering, &mapping, &all, rows, 1);
    let told = |gathered: &Gathered| -> Vec<String> {
        let of = |(naming, named): (&Naming, &Named)| {
            format!("{}.{} {:?} {}", naming.record, naming.field, named.targets, named.is_whole)
        };
        gathered.references.iter().map(of).collect()
    };
    let gathered = gathering.take();
    assert_eq!(
        told(&gathered),
        [
            "1.maker [\"9\"] true",
            "1.parts.thing [\"7\", \"8\"] true",
            "2.maker [] true",
            "2.parts.thing [] true"
        ]
    );
    // Not at each page, and nothing of what was not asked for.
    looked(&gathering, &mapping, &all, rows, 2);
    assert!(gathering.take().references.is_empty());
    looked(&gathering, &mapping, &FieldSet::ID, rows, 20);
    assert!(gathering.take().references.is_empty());
    // More than is kept are not all of them.
    let many: Vec<String> = (0..=TARGETS_MAX).map(|n| format!(r#"{{"id":"{n}"}}"#)).collect();
    let row = format!(r#"{{"id":"1","name":"n","kind":"B","parts":[{}]}}"#, many.join(","));
    looked(&gathering, &mapping, &all, &row, 40);
    let gathered = gathering.take();
    let named = gathered.references.values().find(|named| !named.targets.is_empty()).unwrap();
    assert_eq!((named.targets.len(), named.is_whole), (TARGETS_MAX, false));
}

#[test]
fn what_is_missing_and_what_is_named_is_bounded() {
    let (mapping, gathering) = (mapping(), Gathering::default());
    for n in 0..1_000 {
        gathering.missing(&mapping, &n.to_string());
    }
    gathering.missing(&mapping, &"x".repeat(513));
    assert_eq!(gathering.take().missing.len(), MISSING_MAX);
    for round in 0..200 {
        let row = |n: u32| format!(r#"{{"id":"{round}-{n}","name":"n","kind":"B","maker":"1"}}"#);
        let rows: Vec<String> = (0..90).map(row).collect();
        looked(&gathering, &mapping, &mapping.entity().all(), &rows.join(","), 10 * round);
    }
    assert_eq!(gathering.take().references.len(), NAMINGS_MAX);
}
