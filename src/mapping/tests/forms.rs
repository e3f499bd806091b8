//! Facts about how numbers, days and moments are spelt: both ways by the same words, and what cannot be said.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{Filter, Op, Value};

/// An order whose lines have forms of many systems.
const FILE: &str = r#"
time_zone: Europe/Warsaw
filters: { d: { shape: odata4 } }
entities:
  Order:
    at: /o
    list: { rows: rows, filter: d }
    read: {}
    create: {}
    update: {}
    fields:
      customer: customer
      currency: =PLN
      ordered_on: { at: on, as: { date: dd.mm.yyyy } }
      requested_on: { at: want, as: { date: compact, wire: number } }
      ordered_at: { at: at, as: { instant: naive_space } }
      buyer_reference: { at: ref, norm: trim }
      lines:
        each: lines
        fields:
          quantity: { at: micros, as: { shift: -6, wire: number } }
          net_price: { at: price, as: { decimal: comma, scale: 2 } }
          discount_percent: { at: fraction, as: { shift: 2, wire: text } }
          requested_on: { at: day, as: { date: ms_date } }
  Product:
    at: /p
    list: { rows: rows, filter: d }
    create: {}
    update: {}
    fields:
      sku: sku
      name: name
      unit: unit
      list_price.currency: =PLN
      unit_cost: { at: cost, as: { shift: -6, wire: text } }
      weight: { value: { at: tagged.decimal, write: never } }
  Customer:
    at: /c
    read: {}
    create: {}
    update: {}
    fields:
      kind: =person
      name: name
      addresses: [ { role: =billing, city: city, country: { at: country, values: $country_names, back: { US: USA } } } ]
      credit: { currency: =PLN, limit: { at: limit, as: { decimal: comma }, write_as: { decimal: point, wire: number } } }
"#;

fn loaded(text: &str) -> System {
    let (system, told) = load_text("x", text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn sent(m: &Mapping, text: &str) -> Json {
    serde_json::from_slice(&m.create(&record(m, text)).unwrap().body).unwrap()
}

#[test]
fn each_form_reads_and_writes_its_own_spelling() {
    let system = loaded(FILE);
    let m = system.entity("Order").unwrap();
    let native = json!({
        "id": "1", "customer": "7", "on": "31.01.2026", "want": 20_260_228, "at": "2026-07-01 12:00:00", "ref": " r ",
        "lines": [ { "micros": 1_500_000, "price": "1234,50", "fraction": "0.125", "day": "/Date(1492084800000+0000)/" } ],
    });
    let read = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
    assert_eq!(read.findings, []);
    let entity = json(m.entity(), &read.record);
    assert_eq!(
        entity,
        json!({
            "id": "1", "customer": "7", "currency": "PLN", "ordered_on": "2026-01-31", "requested_on": "2026-02-28",
            "ordered_at": "2026-07-01T10:00:00Z", "buyer_reference": "r",
            "lines": [ { "quantity": "1.500000", "net_price": "1234.50", "discount_percent": "12.5", "requested_on": "2017-04-13" } ],
        })
    );
    assert_eq!(
        sent(m, &entity.to_string().replace(r#""id":"1","#, "")),
        json!({
            "customer": "7", "on": "31.01.2026", "want": 20_260_228, "at": "2026-07-01 12:00:00", "ref": "r",
            "lines": [ { "micros": 1_500_000, "price": "1234,50", "fraction": "0.125", "day": "/Date(1492041600000)/" } ],
        })
    );
}

#[test]
fn countries_are_codes_whatever_a_system_calls_them_and_are_written_by_one_name() {
    let system = loaded(FILE);
    let m = system.entity("Customer").unwrap();
    let told = |country: &str| {
        let native = json!({ "id": "1", "name": "A", "city": "B", "country": country }).to_string();
        let read = m.inward(&answer(200, &native), &m.entity().all()).unwrap();
        (json(m.entity(), &read.record)["addresses"][0]["country"].clone(), read.findings.len())
    };
    for (called, code) in
        [("Poland", "PL"), ("Polska", "PL"), ("PL", "PL"), ("U.S.", "US"), ("Côte d'Ivoire", "CI")]
    {
        assert_eq!(told(called), (code.into(), 0), "{called}");
    }
    assert_eq!(told("Narnia"), (Json::Null, 1), "a finding, and no guess");
    let written = |code: &str| {
        let new = json!({ "name": "A", "addresses": [{ "role": "billing", "country": code }] });
        sent(m, &new.to_string())["country"].clone()
    };
    assert_eq!((written("PL"), written("US")), ("Poland".into(), "USA".into()));
}

#[test]
fn another_separator_or_form_is_a_finding_and_never_a_guess() {
    let system = loaded(FILE);
    let m = system.entity("Order").unwrap();
    let unfit = |native: Json| {
        let inward = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
        inward.findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    for native in [
        json!({ "id": "1", "on": "2026-01-31" }),
        json!({ "id": "1", "want": "2026-02-28" }),
        json!({ "id": "1", "at": "2026-07-01T12:00:00Z" }),
        json!({ "id": "1", "at": "2026-03-29 02:30:00" }),
        json!({ "id": "1", "lines": [ { "price": "1234.50" } ] }),
        json!({ "id": "1", "lines": [ { "price": "1.234,50" } ] }),
        json!({ "id": "1", "lines": [ { "price": "1 234,50" } ] }),
        json!({ "id": "1", "lines": [ { "day": "2017-04-13" } ] }),
    ] {
        assert!(matches!(unfit(native.clone()).as_slice(), [What::Unfit(_)]), "{native}");
    }
    // The hour that comes twice is the earlier one, and that is told.
    let twice = json!({ "id": "1", "at": "2026-10-25 02:30:00" });
    let inward = m.inward(&answer(200, &twice.to_string()), &m.entity().all()).unwrap();
    assert_eq!(json(m.entity(), &inward.record)["ordered_at"], "2026-10-25T00:30:00Z");
    assert!(matches!(inward.findings.as_slice(), [Finding { what: What::Assumed(_), .. }]));
    assert!(inward.missing.intersection(&FieldSet::of(m.entity().leaf_at("ordered_at").unwrap())).is_empty());
}

#[test]
fn a_day_or_a_moment_that_means_nothing_is_nothing_in_every_form() {
    let read = |field: &str, form: &str, absent: &str, native: &Json| {
        let line = format!("{{ at: a, as: {{ {form} }}{absent} }}");
        let text = format!(
            "entities:\n  Order:\n    at: /o\n    read: {{}}\n    create: {{}}\n    fields: {{ {field}: {line} }}\n"
        );
        let system = loaded(&text);
        let m = system.entity("Order").unwrap();
        let native = json!({ "id": "1", "a": native });
        let inward = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
        let is_told = !inward.missing.contains(m.entity().leaf_at(field).unwrap());
        (json(m.entity(), &inward.record)[field].clone(), is_told && inward.findings.is_empty())
    };
    let nothing = (Json::Null, true);
    for (form, native, before) in [
        ("date: iso", json!("9999-12-31"), json!("9999-12-30")),
        // The first and the last moment of the day.
        ("date: ms_date", json!("/Date(253402214400000)/"), json!("/Date(253402214399999)/")),
        ("date: ms_date", json!("/Date(253402300799999+0000)/"), json!("/Date(253402128000000)/")),
        ("date: compact", json!("99991231"), json!("99991230")),
        ("date: compact, wire: number", json!(99_991_231), json!(99_991_230)),
        ("date: dd.mm.yyyy", json!("31.12.9999"), json!("30.12.9999")),
        ("date: mm/dd/yyyy", json!("12/31/9999"), json!("12/30/9999")),
    ] {
        let read = |absent, native| read("ordered_on", form, absent, native);
        let absent = r#", absent: "9999-12-31""#;
        assert_eq!(read(absent, &native), nothing, "{form} {native}");
        assert_eq!(read(absent, &before), ("9999-12-30".into(), true), "{form} {before}");
        assert_eq!(read("", &native), ("9999-12-31".into(), true), "{form} {native}");
    }
    for (form, native, other) in [
        ("instant: iso", json!("9999-12-31T23:59:59Z"), json!("1970-01-01T00:00:00Z")),
        ("instant: ms_date", json!("/Date(253402300799000)/"), json!("/Date(0)/")),
        ("instant: ms_date", json!("/Date(253402300799000+0000)/"), json!("/Date(0)/")),
        ("instant: unix_ms, wire: number", json!(253_402_300_799_000_i64), json!(0)),
        ("instant: unix, wire: number", json!(253_402_300_799_i64), json!(0)),
    ] {
        let read = |absent, native| read("ordered_at", form, absent, native);
        let absent = r#", absent: "9999-12-31T23:59:59Z""#;
        assert_eq!(read(absent, &native), nothing, "{form} {native}");
        assert_eq!(read(absent, &other), ("1970-01-01T00:00:00Z".into(), true), "{form} {other}");
        assert!(!read("", &native).1, "{form} {native}: it cannot be held, and that is told");
    }
}

#[test]
fn what_would_read_as_nothing_is_neither_written_nor_asked_for() {
    let text = FILE
        .replace("date: dd.mm.yyyy }", "date: ms_date }, absent: \"1900-01-01\"")
        .replace("instant: naive_space }", "instant: ms_date }, absent: \"1970-01-01T00:00:00Z\"");
    let system = loaded(&text);
    let m = system.entity("Order").unwrap();
    for (field, nothing, value) in [
        ("ordered_on", "1900-01-01", "1900-01-02"),
        ("ordered_at", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"),
    ] {
        let create =
            |value: &str| m.create(&record(m, &json!({ "customer": "7", field: value }).to_string()));
        let faults = create(nothing).unwrap_err();
        assert_eq!(
            (faults.len(), &*faults[0].message),
            (1, "the system takes this for nothing; leave the field out, or clear it with null"),
            "{field}"
        );
        assert!(create(value).is_ok(), "{field}");
        let is_asked = |value: &str| {
            let filter = catalogue::test(m, field, Op::Eq, value);
            m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap().request.target.contains("filter")
        };
        assert!(is_asked(value) && !is_asked(nothing), "{field}");
    }
}

#[test]
fn what_a_form_cannot_tell_is_refused_in_a_write() {
    let system = loaded(FILE);
    let m = system.entity("Order").unwrap();
    let fault = |field: &str| {
        let text = format!(r#"{{"customer":"7","currency":"PLN","lines":[{{"quantity":"1"}}],{field}}}"#);
        m.create(&record(m, &text)).unwrap_err()[0].message.clone()
    };
    // The later of two moments that are spelt alike would read back as the earlier one.
    assert_eq!(fault(r#""ordered_at":"2026-10-25T01:30:00Z""#), "the system cannot keep this as it is");
    assert_eq!(
        sent(m, r#"{"customer":"7","ordered_at":"2026-10-25T00:30:00Z"}"#)["at"],
        "2026-10-25 02:30:00"
    );
    let product = system.entity("Product").unwrap();
    let cost = |cost: &str| {
        let text = format!(r#"{{"sku":"a","name":"b","unit":"H87","unit_cost":"{cost}"}}"#);
        product
            .create(&record(product, &text))
            .map(|request| request.body)
            .map_err(|faults| faults[0].message.clone())
    };
    assert_eq!(cost("19.9900000").unwrap(), r#"{"sku":"a","name":"b","unit":"H87","cost":"19990000"}"#);
    assert_eq!(cost("0.0000001").unwrap_err(), "the system keeps 6 digits after the point");
    assert!(cost("79228162514264337593543950335").is_err());
}

#[test]
fn a_tagged_decimal_is_read_by_a_path_into_it() {
    let system = loaded(FILE);
    let m = system.entity("Product").unwrap();
    let native = r#"{"id":"1","tagged":{"__class__":"Decimal","decimal":"1.20"}}"#;
    let read = m.inward(&answer(200, native), &m.entity().all()).unwrap();
    assert_eq!(json(m.entity(), &read.record)["weight"]["value"], "1.20");
}

#[test]
fn what_is_written_in_another_form_is_judged_as_it_will_read() {
    let system = loaded(FILE);
    let m = system.entity("Customer").unwrap();
    let native = answer(200, r#"{"id":"1","name":"A","limit":"10,50"}"#);
    let old = m.inward(&native, &m.entity().all()).unwrap();
    assert_eq!(json(m.entity(), &old.record)["credit"]["limit"], "10.50");
    assert!(m.update("1", &old.record, &old.record, None).unwrap().is_none(), "nothing differs");
    let new = record(m, r#"{"kind":"person","name":"A","credit":{"limit":"99.9"}}"#);
    let before = Before::Told { record: &old.record, answer: &native };
    let settled = m.settled(before, new, &FieldSet::EMPTY);
    assert_eq!(json(m.entity(), &settled.held)["credit"]["limit"], "99.9");
    let request = m.update("1", &old.record, &settled.sent, None).unwrap().unwrap();
    assert_eq!(request.body, r#"{"limit":99.9}"#);
}

#[test]
fn a_filter_compares_what_the_system_stores_and_asks_for_the_whole_of_what_a_form_cuts() {
    let text = FILE.replace("as: { instant: naive_space }", "as: { instant: unix }");
    let system = loaded(&text);
    let m = system.entity("Order").unwrap();
    let asked = |m: &Mapping, path, op, value| {
        let listing = m.list(&FieldSet::ID, &catalogue::test(m, path, op, value), &[], None, 10).unwrap();
        let target = catalogue::decoded(&listing);
        target.split_once("$filter=").map(|(_, rest)| rest.split('&').next().unwrap().to_owned())
    };
    assert_eq!(
        asked(m, "ordered_at", Op::Eq, "2026-01-01T00:00:00Z").unwrap(),
        "at ge 2026-01-01T00:00:00Z and at lt 2026-01-01T00:00:01Z"
    );
    // A day that the system keeps as text of another form is not compared as a day.
    assert_eq!(asked(m, "ordered_on", Op::Eq, "2026-01-31"), None);
    let product = system.entity("Product").unwrap();
    assert_eq!(asked(product, "unit_cost", Op::Eq, "1.5"), None, "it travels as text");
    let by_value = FILE.replace("{ shape: odata4 }", "{ shape: odata4, literals: { numbers: by_value } }");
    let system = loaded(&by_value);
    let product = system.entity("Product").unwrap();
    assert_eq!(asked(product, "unit_cost", Op::Gte, "1.5").unwrap(), "cost ge 1500000");
    assert_eq!(asked(product, "unit_cost", Op::Eq, "0.00000001").unwrap(), "cost eq 0.01");
}

#[test]
fn words_that_do_not_fit_are_told_with_what_to_write() {
    let told = |line: &str| {
        let text = format!("entities:\n  Order:\n    at: /o\n    fields:\n      {line}\n");
        load_text("x", &text, "https://x.example").1
    };
    for (line, word) in [
        ("ordered_at: { at: a, as: { instant: naive } }", "zone: Europe/Warsaw"),
        ("ordered_at: { at: a, as: { instant: naive, zone: Warsaw } }", "`Warsaw` is no time zone"),
        ("ordered_on: { at: a, as: { instant: iso } }", "`instant` is for a moment"),
        ("ordered_on: { at: a, as: { date: dd.mm.yy } }", "did you mean `dd.mm.yyyy`?"),
        ("tax_total: { at: a, as: { decimal: comma, wire: number } }", "no JSON number has a comma"),
        ("tax_total: { at: a, as: { shift: 0 } }", "`shift` is a power of ten between -18 and 18"),
        ("number: { at: a, as: { shift: 2 } }", "`shift` is for a decimal"),
        ("number: { at: a, as: { unsigned: true } }", "`unsigned` is for a decimal"),
        (
            "lines: { each: l, fields: { net_price: { at: p, write_as: { wire: text } } } }",
            "not for the lines",
        ),
    ] {
        assert!(told(line).contains(word), "{line}: {}", told(line));
        assert!(told(line).contains("x.yaml:5:"), "{}", told(line));
    }
}

#[test]
fn dialects_that_do_not_fit_are_told_with_what_to_write() {
    let told = |filters: &str, list: &str| {
        let text = format!(
            "filters:\n  d: {{ {filters} }}\nentities:\n  Order:\n    at: /o\n    list: {{ rows: r, filter: d, {list} }}\n    fields: {{ currency: c }}\n"
        );
        load_text("x", &text, "https://x.example").1
    };
    let text = r#"shape: text, ops: { eq: "=" }"#;
    let statement = r#"statement: { text: "S[ WHERE {filter}]", query: q }"#;
    assert_eq!(told(text, statement), "");
    for (filters, list, word) in [
        (text, "page: {}", "write a `statement` with `[ WHERE {filter}]`"),
        (text, r#"statement: { text: "S WHERE {filter}", query: q }"#, "put them into `[ ]`"),
        (
            text,
            r#"statement: { text: "S[ WHERE {filter}]" }"#,
            "a statement goes into `query` or into `body`",
        ),
        (text, r#"statement: { text: "S[ WHERE {filtr}]", query: q }"#, "did you mean `filter`?"),
        (text, r#"statement: { text: "S[ WHERE {filter}", query: q }"#, "`[` is not closed"),
        ("shape: odata4", statement, "`{filter}` has nothing to say"),
        (r#"shape: text, ops: { eq: "=" }, one: "{field} = x""#, statement, "`{op}` must stand in it"),
        (
            r#"shape: text, ops: { eq: "=" }, literals: { quote: "'" }"#,
            statement,
            "a text could leave its quotes",
        ),
        (
            r#"shape: text, ops: { eq: "=" }, literals: { quote: "'", escape: { "'": "\\'" } }"#,
            statement,
            "a text could leave its quotes",
        ),
        (r#"shape: text, ops: { eq: "=" }, literals: { instant: naive }"#, statement, "zone: UTC"),
        (r#"shape: and_of_ors, ops: { eq: eq }, one: { f: "{field}" }"#, "page: {}", "`one` has room for"),
        (r#"shape: brackets, name: "f", one: "[{values}]""#, "page: {}", "`{field}` must stand in it"),
        (r#"shape: flat, fields: { c: { ne: x } }"#, "page: {}", "`ne` is no operator"),
        (r#"shape: list, one: [a], ops: { eq: "=" }"#, "page: {}", "key `body` is missing"),
        (
            r#"shape: list, prefix: true, one: [a], ops: { eq: "=" }, body: a"#,
            "page: {}",
            "key `all` is missing",
        ),
        (
            r#"shape: or_of_ands, any: "{items}", all: "{items}", one: ["{field}"], ops: {}"#,
            "page: {}",
            "a map",
        ),
        ("shape: txt", "page: {}", "did you mean `text`?"),
    ] {
        assert!(told(filters, list).contains(word), "{filters} {list}: {}", told(filters, list));
    }
}

proptest! {
    #[test]
    fn a_record_reads_as_it_was_written(
        day in 0..40_000_i64,
        second in 0..4_000_000_000_i64,
        cents in any::<i32>(),
        micros in any::<i32>(),
    ) {
        let system = loaded(FILE);
        let m = system.entity("Order").unwrap();
        let at = jiff::Timestamp::from_second(second).unwrap();
        let on = jiff::Timestamp::from_second(day * 86_400).unwrap().to_string()[..10].to_owned();
        let text = json!({
            "customer": "7", "ordered_on": on, "requested_on": on, "ordered_at": at.to_string(),
            "lines": [ { "quantity": rust_decimal::Decimal::new(micros.into(), 6).to_string(),
                "net_price": rust_decimal::Decimal::new(cents.into(), 2).to_string(), "requested_on": on } ],
        });
        let new = record(m, &text.to_string());
        // What is spelt like an earlier moment is refused, and nothing else.
        let local = jiff::tz::TimeZone::get("Europe/Warsaw").unwrap();
        let is_later = local.to_ambiguous_timestamp(local.to_datetime(at)).earlier().unwrap() != at;
        match m.create(&new) {
            Err(_) => prop_assert!(is_later),
            Ok(request) => {
                let mut native: Json = serde_json::from_slice(&request.body).unwrap();
                native["id"] = "1".into();
                let read = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
                let (mut back, mut want) = (json(m.entity(), &read.record), text);
                prop_assert!(!is_later);
                for line in [&mut back, &mut want] {
                    let line = &mut line["lines"][0];
                    for field in ["quantity", "net_price"] {
                        let value: rust_decimal::Decimal = line[field].as_str().unwrap().parse().unwrap();
                        line[field] = value.normalize().to_string().into();
                    }
                }
                want["id"] = "1".into();
                want["currency"] = "PLN".into();
                prop_assert_eq!(back, want);
            }
        }
    }
}

#[test]
fn a_line_that_rounds_does_so_both_ways_and_says_what_it_assumed() {
    let text =
        FILE.replace("as: { decimal: comma, scale: 2 }", "as: { decimal: comma, scale: 2, round: true }");
    let system = loaded(&text);
    let m = system.entity("Order").unwrap();
    let leaf = m.entity().leaf_at("lines.net_price").unwrap();
    let read = |price: &str| {
        let native = json!({ "id": "1", "customer": "7", "lines": [{ "price": price }] });
        let read = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
        let value = json(m.entity(), &read.record)["lines"][0]["net_price"].clone();
        (value, read.findings)
    };
    for (native, means) in
        [("29,949999999999999", "29.95"), ("0,005", "0.01"), ("-0,005", "-0.01"), ("1,0049", "1")]
    {
        let (value, findings) = read(native);
        assert_eq!(value, means, "{native}");
        assert!(
            matches!(findings.as_slice(), [Finding { leaf: of, what: What::Assumed(_) }] if *of == leaf),
            "{native}"
        );
    }
    // What the system keeps is read as it stands, zeros too.
    for (native, means) in [("29,95", "29.95"), ("29,90", "29.90"), ("3,000", "3.000")] {
        assert_eq!(read(native), (json!(means), Vec::new()), "{native}");
    }
    let order = |price: &str| format!(r#"{{ "customer": "7", "lines": [{{ "net_price": "{price}" }}] }}"#);
    assert_eq!(sent(m, &order("29.949999"))["lines"][0]["price"], "29,95");
    // Policies judge what the system will hold.
    let settled = m.settled(Before::Nothing, record(m, &order("29.949999")), &FieldSet::EMPTY);
    for told in [&settled.sent, &settled.held] {
        assert_eq!(json(m.entity(), told)["lines"][0]["net_price"], "29.95");
    }
    // Without the word it is refused, as ever.
    assert!(loaded(FILE).entity("Order").unwrap().create(&record(m, &order("29.949"))).is_err());
    let told = |text: String| load_text("x", &text, "https://x.example").1;
    assert!(told(text.replace("scale: 2, round: true", "round: true")).contains("say `scale` beside it"));
    assert!(
        told(text.replace("instant: naive_space", "instant: naive_space, round: true"))
            .contains("is for a decimal")
    );
}

#[test]
fn what_is_below_zero_where_nothing_is_does_not_fit_and_is_not_written() {
    let text = FILE
        .replace("as: { decimal: comma, scale: 2 }", "as: { decimal: comma, scale: 2, unsigned: true }")
        .replace("as: { shift: -6, wire: number }", "as: { shift: -6, wire: number, unsigned: true }");
    let system = loaded(&text);
    let m = system.entity("Order").unwrap();
    let line = |price: &str, micros: i64| {
        let native = json!({ "id": "1", "customer": "7", "lines": [{ "price": price, "micros": micros }] });
        let read = m.inward(&answer(200, &native.to_string()), &m.entity().all()).unwrap();
        (json(m.entity(), &read.record)["lines"][0].clone(), read.findings.len())
    };
    for price in ["0,00", "-0,00", "12,50"] {
        let (told, findings) = line(price, 1_500_000);
        assert_eq!(
            (told["net_price"].is_string(), &told["quantity"], findings),
            (true, &json!("1.500000"), 0)
        );
    }
    let (told, findings) = line("-12,50", -1_500_000);
    assert_eq!((told.get("net_price"), told.get("quantity"), findings), (None, None, 2));
    assert_eq!(line("-12,50", 1_500_000), (json!({ "quantity": "1.500000" }), 1));
    let order = |price: &str| format!(r#"{{ "customer": "7", "lines": [{{ "net_price": "{price}" }}] }}"#);
    assert_eq!(sent(m, &order("29.95"))["lines"][0]["price"], "29,95");
    assert!(m.create(&record(m, &order("-29.95"))).is_err());
    assert!(loaded(FILE).entity("Order").unwrap().create(&record(m, &order("-29.95"))).is_ok());
}

#[test]
fn what_is_rounded_is_not_looked_for_by_the_system() {
    let filter = |words: &str| {
        let text = FILE.replace("unit_cost: { at: cost, as: { shift: -6, wire: text } }", words);
        let system = loaded(&text);
        let m = system.entity("Product").unwrap();
        let leaf = m.entity().leaf_at("unit_cost").unwrap();
        let value = Value::Decimal("29.95".parse().unwrap());
        let listing = m.list(&FieldSet::ID, &Filter::test(leaf, Op::Eq, value), &[], None, 5).unwrap();
        listing.request.target
    };
    assert!(filter("unit_cost: { at: cost, as: { scale: 2 } }").contains("cost"));
    assert!(!filter("unit_cost: { at: cost, as: { scale: 2, round: true } }").contains("cost%20eq"));
}

#[test]
fn a_system_may_say_false_for_nothing_without_losing_the_word_false_or_a_boolean() {
    let file = r#"
absent: { any: ["", false] }
clear: { any: false }
filters: { d: { shape: odata4 } }
entities:
  Customer:
    at: /c
    list: { rows: rows, filter: d }
    read: {}
    create: {}
    update: {}
    fields:
      kind: { at: is_company, values: { "true": company, "false": person } }
      name: name
      vat_id: { at: vat, spelt: once }
      created_at: { at: made, write: never }
      emails: { each: mails, fields: { value: at, primary: first } }
      addresses: [ { role: =contact, city: "place[0]", country: { at: "country[1]", write: never } } ]
"#;
    let system = loaded(file);
    let m = system.entity("Customer").unwrap();
    let read = |rest: &str| {
        let body = format!(r#"{{"id":"7","is_company":false,"name":"A","vat":"",{rest}}}"#);
        let inward = m.inward(&answer(200, &body), &m.entity().all()).unwrap();
        assert_eq!(inward.findings, []);
        json(m.entity(), &inward.record)
    };
    let empty = read(r#""made":false,"mails":false,"place":false,"country":false"#);
    assert_eq!((&empty["kind"], &empty["emails"]), (&json!("person"), &json!([])));
    let mails = r#""mails":[{"at":"false","first":false}],"place":["false"],"country":[1,"PL"]"#;
    let told = read(&format!(r#""made":false,{mails}"#));
    assert_eq!(told["emails"], json!([{"value": "false", "primary": false}]));
    assert_eq!(told["addresses"][0]["city"], "false");
    let old = record(m, r#"{"id":"7","kind":"person","name":"A","vat_id":"PL5260250274"}"#);
    let new = record(m, r#"{"id":"7","kind":"person","name":"A"}"#);
    let change = m.update("7", &old, &new, None).unwrap().unwrap();
    assert_eq!(change.body.as_ref(), br#"{"vat":false}"#);
}

#[test]
fn a_place_to_be_filled_in_where_nothing_is_filled_in_is_a_mistake() {
    let told = |query: &str| {
        let file = format!(
            "entities:\n  Customer:\n    at: /c\n    list: {{ rows: rows, query: {{ q: '{query}' }} }}\n    \
             fields:\n      kind: =person\n      name: name\n"
        );
        load_text("x", &file, "https://x.example").1
    };
    for hole in ["{filter:name}", "a {limit} b", "{fields}"] {
        assert!(told(hole).contains("is not filled in here"), "{}", told(hole));
    }
    for plain in ["{\"a\":1}", "a}b{", "{}", "{A}"] {
        assert_eq!(told(plain), "", "{plain}");
    }
}
