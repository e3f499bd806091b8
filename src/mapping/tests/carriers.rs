//! The law of every carrier: a value stays the literal it is, and what is asked for never leaves out a record
//! that passes. Each dialect is read here by a reader of its own, which shares nothing with its writer.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::schema::{Direction, Filter, Op, Sort, Value};

mod readers;

use readers::{Cell, Condition, Reader};

/// A mapping by one dialect, whose list puts the filter where the dialect wants it.
const HEAD: &str = r#"
numbers: json
absent: { any: [""] }
"#;

const ENTITY: &str = r#"
entities:
  Order:
    at: /orders
    list: { rows: rows, filter: d, LIST }
    fields:
      customer_name: { at: name, write: never }
      buyer_reference: { at: ref, most: 60 }
      currency: { at: cur, values: { PL: PLN, pl: PLN, DE: EUR }, back: { PLN: PL } }
      status: { at: state, values: { "1": open, "2": closed, "3": closed }, write: never }
      prices_include_tax: { at: gross, write: never }
      ordered_on: { at: day, write: never DAY }
      ordered_at: { at: moment, write: never MOMENT }
      tax_inclusive_total: { at: total, write: never }
"#;

/// A dialect under test: its YAML, what the list says besides, how days and moments are read, and its reader.
struct Carrier {
    name: &'static str,
    filters: &'static str,
    list: &'static str,
    day: &'static str,
    moment: &'static str,
    reader: Reader,
}

const SOQL: &str = r#"
filters:
  d:
    shape: text
    ops: { eq: "=", lt: "<", lte: "<=", gt: ">", gte: ">=" }
    in: "{field} IN ({values})"
    literals:
      quote: "'"
      escape: { "\\": "\\\\", "'": "\\'", "\n": "\\n" }
    sort: { one: "{field} {dir} NULLS LAST", dir: [ASC, DESC] }
"#;

const NO_OR: &str = r#"
filters:
  d:
    shape: text
    or: never
    ops: { eq: "=", lt: "<", lte: "<=", gt: ">", gte: ">=" }
    literals:
      quote: "'"
      escape: { "\\": "\\\\", "'": "\\'" }
      date: { as: iso, like: "'{value}'" }
      instant: { as: iso, like: "'{value}'" }
"#;

const LIST: &str = r#"
filters:
  d:
    shape: list
    one: ["{field}", "{op}", "{value}"]
    ops: { eq: "=", in: in, lt: "<", lte: "<=", gt: ">", gte: ">=" }
    body: 'params[0]'
    typed:
      decimal: { __class__: Decimal, decimal: "{value}" }
      date: { __class__: date, year: "{year}", month: "{month}", day: "{day}" }
      instant: { __class__: datetime, year: "{year}", month: "{month}", day: "{day}", hour: "{hour}", minute: "{minute}", second: "{second}", microsecond: "{micro}" }
    sort: { one: ["{field}", "{dir}"], dir: [ASC, DESC], body: 'params[3]' }
"#;

/// The same in prefix notation.
const PREFIX: &str = r#"
filters:
  d:
    shape: list
    prefix: true
    any: "|"
    all: "&"
    one: ["{field}", "{op}", "{value}"]
    ops: { eq: "=", in: in, lt: "<", lte: "<=", gt: ">", gte: ">=" }
    body: 'params[0]'
    typed:
      decimal: { __class__: Decimal, decimal: "{value}" }
      date: { __class__: date, year: "{year}", month: "{month}", day: "{day}" }
      instant: { __class__: datetime, year: "{year}", month: "{month}", day: "{day}", hour: "{hour}", minute: "{minute}", second: "{second}", microsecond: "{micro}" }
    sort: { one: "{field} {dir}", body: 'params[3]' }
"#;

/// OData that takes no fractions of seconds.
const WHOLE: &str = "filters: { d: { shape: odata4, literals: { instant: { as: iso, digits: 0 } } } }";

const FLAT: &str = r#"
filters:
  d:
    shape: flat
    between: ","
    fields:
      name: { eq: name }
      ref: { in: refs }
      cur: { in: currencies }
      day: { gt: day_after, lt: day_before }
      moment: { gte: moment_min, lte: moment_max }
      total: { gte: total_min, lt: total_below }
      state: { eq: state }
    with: { dates_are_gmt: "true" }
    literals: { instant: { as: naive, zone: Europe/Warsaw } }
    sort: { query: { orderby: "{field}", order: "{dir}" }, fields: { moment: date }, tie: own }
"#;

const BRACKETS: &str = r#"
filters:
  d:
    shape: brackets
    name: "filter[{field}]"
    one: "[{values}]"
    between: "|"
    range: "[{from},{to}]"
    gt: ">[{value}]"
    lt: "<[{value}]"
    with: { date: "1" }
    literals: { refuse: "|,][%", boolean: ["0", "1"], instant: { as: naive_space, zone: UTC } }
    sort: { query: { sort: "[{field}_{dir}]" }, dir: [ASC, DESC], tie: own }
"#;

const CRITERIA: &str = r#"
filters:
  d:
    shape: and_of_ors
    most: { all: 4, any: 6, total: 16 }
    one:
      "sc[filter_groups][{group}][filters][{n}][field]": "{field}"
      "sc[filter_groups][{group}][filters][{n}][condition_type]": "{op}"
      "sc[filter_groups][{group}][filters][{n}][value]": "{value}"
    ops: { eq: eq, in: in, lt: lt, lte: lteq, gt: gt, gte: gteq }
    between: ","
    literals: { boolean: ["0", "1"], instant: { as: naive_space, zone: UTC } }
    sort: { query: { "sc[sortOrders][{n}][field]": "{field}", "sc[sortOrders][{n}][direction]": "{dir}" }, dir: [ASC, DESC], most: 3 }
"#;

const GROUPS: &str = r#"
filters:
  d:
    shape: or_of_ands
    any: { groups: "{items}" }
    all: { filters: "{items}" }
    one: { name: "{field}", op: "{op}", value: "{value}" }
    in: { name: "{field}", op: IN, values: "{values}" }
    ops: { eq: EQ, gt: GT, gte: GTE, lt: LT, lte: LTE }
    literals: { instant: unix_ms }
"#;

fn carriers() -> Vec<Carrier> {
    let soql = r#"statement: { text: "SELECT x FROM Y[ WHERE {filter}][ ORDER BY {sort}] LIMIT {limit} OFFSET {offset}", query: q }"#;
    let no_or =
        r#"post: "/query", statement: { text: "select * from Y[ where {filter}]", body: query.text }"#;
    let carrier = |name, filters, list, reader| Carrier { name, filters, list, day: "", moment: "", reader };
    let ms = |carrier: Carrier| Carrier {
        day: ", as: { date: ms_date }",
        moment: ", as: { instant: ms_date }",
        ..carrier
    };
    vec![
        carrier("odata4", "filters: { d: { shape: odata4 } }", "page: {}", Reader::Odata),
        ms(carrier("odata2", "filters: { d: { shape: odata2 } }", "page: {}", Reader::Odata)),
        carrier("same field", "filters: { d: { shape: odata2, or: same_field } }", "page: {}", Reader::Odata),
        carrier("soql", SOQL, soql, Reader::Soql),
        Carrier { moment: ", as: { instant: unix }", ..carrier("no or", NO_OR, no_or, Reader::NoOr) },
        carrier("list", LIST, r#"post: "/rpc""#, Reader::List),
        Carrier { name: "whole seconds", filters: WHOLE, ..carrier("", "", "page: {}", Reader::Odata) },
        carrier("prefix", PREFIX, r#"post: "/rpc""#, Reader::Prefix),
        Carrier {
            moment: ", as: { instant: naive, zone: Europe/Warsaw }",
            ..carrier("flat", FLAT, "page: {}", Reader::Flat)
        },
        carrier("brackets", BRACKETS, "page: {}", Reader::Brackets),
        ms(carrier("criteria", CRITERIA, "page: {}", Reader::Criteria)),
        carrier("groups", GROUPS, r#"post: "/search""#, Reader::Groups),
    ]
}

/// The carriers, each with its system.
fn loaded() -> &'static [(Carrier, System)] {
    static LOADED: LazyLock<Vec<(Carrier, System)>> = LazyLock::new(|| {
        let with_system = |carrier| {
            let system = load(&carrier);
            (carrier, system)
        };
        carriers().into_iter().map(with_system).collect()
    });
    &LOADED
}

fn load(carrier: &Carrier) -> System {
    let entity =
        ENTITY.replace("LIST", carrier.list).replace("DAY", carrier.day).replace("MOMENT", carrier.moment);
    let text = format!("{HEAD}{}{entity}", carrier.filters);
    let (system, told) = load_text("x", &text, "https://x.example");
    system.unwrap_or_else(|| panic!("{}: {told}\n{text}", carrier.name))
}

const LEAVES: [(&str, &str); 8] = [
    ("customer_name", "name"),
    ("buyer_reference", "ref"),
    ("currency", "cur"),
    ("status", "state"),
    ("prices_include_tax", "gross"),
    ("ordered_on", "day"),
    ("ordered_at", "moment"),
    ("tax_inclusive_total", "total"),
];

/// What a system stores: finer than what it tells, where a form cuts.
#[derive(Clone, Debug)]
struct Stored {
    row: Json,
    cells: BTreeMap<&'static str, Cell>,
}

const SIGNS: &str = "['\"\\\\ a-c()=%&?#,|\\]\\[\\n{}$;:+ż]{1,8}";
/// Seconds since 1970: both hours that Warsaw's clocks show as 02:00 to 03:00 on 2025-10-26, each side of them,
/// the hour skipped in spring, and elsewhere.
const SECONDS: [i64; 9] = [
    1_761_435_000,
    1_761_436_800,
    1_761_438_600,
    1_761_440_400,
    1_761_442_200,
    1_761_444_000,
    1_743_296_400,
    1_767_225_600,
    1_767_225_601,
];
const NANOS: [i64; 5] = [0, 1, 125_000_000, 125_705_000, 999_999_999];

fn instant() -> impl Strategy<Value = jiff::Timestamp> {
    (prop::sample::select(&SECONDS[..]), prop::sample::select(&NANOS[..]))
        .prop_map(|(second, nano)| jiff::Timestamp::new(second, i32::try_from(nano).unwrap()).unwrap())
}

/// Words that meet each other often, and hostile ones.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(vec!["a", "b", "O'Hara", "a,b", "a|b"]).prop_map(str::to_owned), SIGNS]
        .prop_filter("nothing", |text| !text.trim().is_empty())
}

fn spelt(carrier: &Carrier, at: jiff::Timestamp) -> Json {
    let warsaw = jiff::tz::TimeZone::get("Europe/Warsaw").unwrap();
    match carrier.moment {
        "" => at.to_string().into(),
        moment if moment.contains("ms_date") => format!("/Date({}+0000)/", at.as_millisecond()).into(),
        moment if moment.contains("unix") => at.as_second().into(),
        _ => warsaw.to_datetime(at).to_string().into(),
    }
}

fn day_spelt(carrier: &Carrier, at: jiff::Timestamp) -> Json {
    match carrier.day {
        "" => jiff::tz::TimeZone::UTC.to_datetime(at).date().to_string().into(),
        _ => format!("/Date({})/", at.as_millisecond()).into(),
    }
}

fn stored() -> impl Strategy<Value = Raw> {
    let currency = prop::sample::select(vec!["PL", "pl", "DE", "XX"]);
    let state = prop::sample::select(vec!["1", "2", "3", "9"]);
    (word(), word(), currency, state, any::<bool>(), instant(), instant(), -300_i64..300)
}

/// A row as the system tells it, and as it compares it.
fn row(carrier: &Carrier, (name, reference, currency, state, gross, day, moment, total): Raw) -> Stored {
    let total = rust_decimal::Decimal::new(total, 2);
    let kept_day = match carrier.day {
        "" => jiff::tz::TimeZone::UTC
            .to_datetime(day)
            .date()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp(),
        _ => day,
    };
    // A time without a zone is all that such a system has; it compares what its clocks show.
    let kept_moment = match carrier.reader {
        Reader::Flat => Cell::Local(jiff::tz::TimeZone::get("Europe/Warsaw").unwrap().to_datetime(moment)),
        _ => Cell::At(moment),
    };
    let number: Json = serde_json::from_str(&total.to_string()).unwrap();
    Stored {
        row: serde_json::json!({
            "id": "1", "name": name, "ref": reference, "cur": currency, "state": state, "gross": gross,
            "day": day_spelt(carrier, day), "moment": spelt(carrier, moment), "total": number,
        }),
        cells: BTreeMap::from([
            ("name", Cell::Text(name)),
            ("ref", Cell::Text(reference)),
            ("cur", Cell::Text(currency.into())),
            ("state", Cell::Text(state.into())),
            ("gross", Cell::Boolean(gross)),
            ("day", Cell::At(kept_day)),
            ("moment", kept_moment),
            ("total", Cell::Number(total)),
        ]),
    }
}

fn filter() -> impl Strategy<Value = Vec<(usize, Op, usize, usize)>> {
    let op = prop::sample::select(vec![Op::Eq, Op::Eq, Op::In, Op::Ne, Op::Lt, Op::Lte, Op::Gt, Op::Gte]);
    prop::collection::vec(
        (0..LEAVES.len(), op, any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        1..5,
    )
    .prop_map(|tests| {
        tests.into_iter().map(|(leaf, op, a, b)| (leaf, op, a.index(1000), b.index(1000))).collect()
    })
}

/// Everything that a request asks, in the terms of its reader.
fn asked(carrier: &Carrier, listing: &Listing) -> Condition {
    let (_, query) = listing.request.target.split_once('?').unwrap_or((&listing.request.target, ""));
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
    let body = match listing.request.body.is_empty() {
        true => Json::Null,
        false => serde_json::from_slice(&listing.request.body).unwrap(),
    };
    carrier.reader.read(&pairs, &body)
}

type Raw = (String, String, &'static str, &'static str, bool, jiff::Timestamp, jiff::Timestamp, i64);
type Tried = (usize, Op, usize, usize);

/// Fails where a system is asked for less than passes. `other` is a moment that need not be any row's.
fn holds(
    carrier: &Carrier,
    m: &Mapping,
    raw: &[Raw],
    tests: &[Tried],
    other: jiff::Timestamp,
    wide: bool,
) -> Result<(), TestCaseError> {
    let rows: Vec<(Stored, Record)> = raw
        .iter()
        .map(|raw| {
            let stored = row(carrier, raw.clone());
            let inward = m.inward(&answer(200, &stored.row.to_string()), &m.entity().all()).unwrap();
            (stored, inward.record)
        })
        .collect();
    // Values that are there, so that something passes.
    let value = |leaf: usize, n: usize| {
        if LEAVES[leaf].1 == "moment" && n.is_multiple_of(3) {
            return Some(Value::Instant(other));
        }
        let leaf = m.entity().leaf_at(LEAVES[leaf].0).unwrap();
        let all: Vec<_> = rows.iter().filter_map(|(_, record)| record.first(m.entity(), leaf)).collect();
        all.get(n % all.len().max(1)).map(|value| (*value).clone())
    };
    let test = |&(leaf, op, a, b): &Tried| {
        let (a, b) = (value(leaf, a)?, value(leaf, b)?);
        let value = if op == Op::In { Value::List(vec![a, b]) } else { a };
        Some(Filter::Test { leaf: m.entity().leaf_at(LEAVES[leaf].0).unwrap(), op, value })
    };
    let tests: Vec<Filter> = tests.iter().filter_map(test).collect();
    let mut shapes = vec![Filter::All(tests.clone()), Filter::Any(tests.clone())];
    if let (Some((last, rest)), true) = (tests.split_last(), wide) {
        shapes.push(Filter::All(vec![Filter::Any(rest.to_vec()), last.clone()]));
        shapes.push(Filter::Any(vec![Filter::All(rest.to_vec()), last.clone()]));
        shapes.push(Filter::Any(vec![Filter::All(rest.to_vec()), Filter::Not(Box::new(last.clone()))]));
    }
    shapes.extend(tests);
    for filter in shapes {
        let listing = m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap();
        let condition = asked(carrier, &listing);
        for (stored, _) in rows.iter().filter(|(_, record)| filter.matches(m.entity(), record)) {
            prop_assert!(
                condition.holds(&stored.cells),
                "{}: {condition:?} loses {stored:?} of {filter:?}",
                carrier.name
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_asked_holds_for_every_record_that_passes(
        raw in prop::collection::vec(stored(), 10),
        tests in filter(),
        other in instant(),
        wide in any::<bool>(),
    ) {
        for (carrier, system) in loaded() {
            holds(carrier, system.entity("Order").unwrap(), &raw, &tests, other, wide)?;
        }
    }

    #[test]
    fn any_text_stays_one_literal(text in "['\"\\\\ a-z()=%&?#,|\\]\\[{}$\u{0}-\u{1f}ż\u{1f600}]{1,20}") {
        prop_assume!(!text.trim().is_empty());
        for (carrier, system) in loaded() {
            let m = system.entity("Order").unwrap();
            let leaf = m.entity().leaf_at("customer_name").unwrap();
            let filter = Filter::Test { leaf, op: Op::Eq, value: Value::Text(text.as_str().into()) };
            let listing = m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap();
            // Read back, it is this very value or nothing was asked.
            match asked(carrier, &listing) {
                Condition::All(none) if none.is_empty() => {}
                said => prop_assert_eq!(said, Condition::one("name", Op::Eq, Cell::Text(text.clone())), "{}", carrier.name),
            }
        }
    }
}

#[test]
fn a_moment_of_the_hour_that_comes_twice_is_not_asked_for_without_its_zone() {
    let (carrier, system) = loaded().iter().find(|(carrier, _)| carrier.name == "flat").unwrap();
    let m = system.entity("Order").unwrap();
    // The clocks show 02:30, which is later than the 02:15 they show when the hour comes again.
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let half_past = at(1_761_438_600);
    let raw = ("a".into(), "a".into(), "PL", "1", false, half_past, half_past, 0);
    holds(carrier, m, &[raw], &[(6, Op::Lte, 0, 0)], at(1_761_441_300), false).unwrap();
    let asked = |op, at: &str| {
        let filter = catalogue::test(m, "ordered_at", op, at);
        catalogue::decoded(&m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap())
    };
    for (at, local) in [
        ("2025-10-25T23:59:59Z", Some("2025-10-26T01:59:59")),
        ("2025-10-26T00:00:00Z", None),
        ("2025-10-26T00:59:59Z", None),
        ("2025-10-26T01:00:00Z", None),
        ("2025-10-26T01:59:59Z", None),
        ("2025-10-26T02:00:00Z", Some("2025-10-26T03:00:00")),
    ] {
        for (op, parameter) in [(Op::Gte, "moment_min"), (Op::Lte, "moment_max")] {
            let said = local.map(|local| format!("?{parameter}={local}&dates_are_gmt=true"));
            assert_eq!(asked(op, at), format!("/orders{}", said.unwrap_or_default()), "{at}");
        }
    }
}

#[test]
fn a_system_that_takes_whole_seconds_is_asked_for_a_little_more() {
    let (_, system) = loaded().iter().find(|(carrier, _)| carrier.name == "whole seconds").unwrap();
    let m = system.entity("Order").unwrap();
    let asked = |op| {
        let filter = catalogue::test(m, "ordered_at", op, "2026-01-01T00:00:00.5Z");
        catalogue::decoded(&m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap())
    };
    assert_eq!(asked(Op::Gte), "/orders?$filter=moment ge 2026-01-01T00:00:00Z");
    assert_eq!(asked(Op::Lt), "/orders?$filter=moment lt 2026-01-01T00:00:01Z");
    assert_eq!(
        asked(Op::Eq),
        "/orders?$filter=moment ge 2026-01-01T00:00:00Z and moment le 2026-01-01T00:00:01Z"
    );
}

#[test]
fn every_carrier_asks_for_what_it_can_say() {
    for (carrier, system) in loaded() {
        let m = system.entity("Order").unwrap();
        let test = |path, op, text| catalogue::test(m, path, op, text);
        let filter = Filter::All(vec![
            test("customer_name", Op::Eq, "O'Hara"),
            test("tax_inclusive_total", Op::Gte, "1.50"),
            test("ordered_on", Op::Gte, "2026-01-01"),
            test("ordered_at", Op::Lt, "2026-02-01T00:00:00Z"),
        ]);
        let said = asked(carrier, &m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap());
        let (one, whole) = (format!("{said:?}"), matches!(&said, Condition::All(parts) if parts.len() == 4));
        // One bound alone leaves its own value out in brackets, so only a range or a comparison without it is said.
        assert!(whole || carrier.name == "brackets", "{}: {one}", carrier.name);
        assert!(one.contains("O'Hara"), "{}: {one}", carrier.name);
    }
}

#[test]
fn an_order_is_asked_for_in_each_carriers_words() {
    let sorted = |name: &str| {
        let (_, system) = loaded().iter().find(|(carrier, _)| carrier.name == name).unwrap();
        let m = system.entity("Order").unwrap();
        let sort =
            [Sort { leaf: m.entity().leaf_at("ordered_at").unwrap(), direction: Direction::Descending }];
        let listing = m.list(&FieldSet::ID, &Filter::everything(), &sort, None, 10).unwrap();
        assert!(listing.sort_pushed, "{name}");
        (catalogue::decoded(&listing), String::from_utf8(listing.request.body.to_vec()).unwrap())
    };
    assert_eq!(sorted("odata2").0, "/orders?$orderby=moment desc,id asc");
    assert_eq!(
        sorted("soql").0,
        "/orders?q=SELECT x FROM Y ORDER BY moment DESC NULLS LAST, id ASC NULLS LAST LIMIT 10 OFFSET 0"
    );
    assert_eq!(sorted("list").1, r#"{"params":[null,null,null,[["moment","DESC"],["id","ASC"]]]}"#);
    assert_eq!(sorted("prefix").1, r#"{"params":[null,null,null,"moment desc, id asc"]}"#);
    assert_eq!(sorted("flat").0, "/orders?orderby=date&order=desc");
    assert_eq!(sorted("brackets").0, "/orders?sort=[moment_DESC]");
    assert_eq!(
        sorted("criteria").0,
        "/orders?sc[sortOrders][0][field]=moment&sc[sortOrders][0][direction]=DESC\
         &sc[sortOrders][1][field]=id&sc[sortOrders][1][direction]=ASC"
    );
}
