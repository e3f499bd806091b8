//! Tables that a system tells itself: what is wrong with them in a file, and what lines make of them before they were
//! told, after, and when they were told anew.

use super::*;
use crate::{
    mapping::{LiveRow, LiveTable, NativeAnswer},
    schema::{Filter, Op, Value},
};

const TABLE: &str = r#"tables:
  groups:
    list: { at: /groups, rows: groups, page: { next: next, query: after, size: limit, most: 2 } }
    native: id
    where: { gone: false }
    means: { status: { at: state, values: { open: active, shut: blocked } }, name: title }
    most: 5
    sample: '{ "groups": [ { "id": 1, "state": "open", "gone": false } ] }'
"#;

fn text(table: &str, line: &str) -> String {
    format!(
        r#"
filters:
  plain: {{ shape: flat, text: exactly, between: ",", fields: {{ group: {{ eq: group, in: group }} }} }}
{table}
entities:
  Customer:
    at: /c
    list: {{ rows: items, filter: plain }}
    read: {{}}
    create: {{}}
    update: {{}}
    fields:
      name: title
      status: {line}
"#
    )
}

const LINE: &str = "{ at: group, values: groups.status, else: unknown, as: { wire: number } }";

fn loaded(line: &str) -> System {
    let (system, told) = load_text("r", &text(TABLE, line), "https://r.example/api");
    system.unwrap_or_else(|| panic!("{told}"))
}

/// What a file with this table and line is told.
fn told(table: &str, line: &str) -> String {
    let (system, mut told) = load_text("r", &text(table, line), "https://r.example/api");
    if let Some(system) = system {
        told += &system.check().to_string();
    }
    told
}

fn rows(table: &LiveTable, body: &str) -> Result<Vec<LiveRow>, String> {
    let listing = table.listing("2026-03-01T08:00:00Z".parse().unwrap(), None).unwrap();
    assert_eq!(listing.request.target, "/groups?limit=2");
    let answer: NativeAnswer = answer(200, body);
    let mut rows = Vec::new();
    table.read(&listing, &answer, &mut rows).map_err(|fault| fault.to_string())?;
    Ok(rows)
}

fn fill(system: &System, body: &str) {
    let table = &system.live()[0];
    table.fill(rows(table, body).unwrap()).unwrap();
}

fn read(system: &System, group: &str) -> (serde_json::Value, bool) {
    let mapping = system.entity("Customer").unwrap();
    let body = format!(r#"{{ "id": "5", "title": "Ewa", "group": {group} }}"#);
    let inward = mapping.inward(&answer(200, &body), &mapping.entity().all()).unwrap();
    let status = mapping.entity().leaf_at("status").unwrap();
    (json(mapping.entity(), &inward.record)["status"].clone(), inward.missing.contains(status))
}

fn asked(system: &System, value: &str) -> String {
    let mapping = system.entity("Customer").unwrap();
    let status = mapping.entity().leaf_at("status").unwrap();
    let filter = Filter::test(status, Op::Eq, Value::Text(value.into()));
    mapping.list(&mapping.entity().all(), &filter, &[], None, 10).unwrap().request.target
}

#[test]
fn a_table_that_was_never_told_tells_nothing_is_not_asked_by_and_writes_nothing() {
    let system = loaded(LINE);
    assert_eq!(read(&system, "1"), (serde_json::Value::Null, true));
    assert_eq!(
        read(&system, "null"),
        (serde_json::Value::Null, false),
        "nothing stands there, whatever the table says"
    );
    assert_eq!(asked(&system, "active"), "/c");
    let mapping = system.entity("Customer").unwrap();
    let faults = mapping.create(&record(mapping, r#"{ "name": "Ewa", "status": "active" }"#)).unwrap_err();
    assert!(faults[0].message.contains("has not told yet"), "{faults:?}");
    assert!(system.check().0.is_empty(), "{}", system.check());
    assert!(read(&system, "1").1, "nobody is served by a sample");
    system.rehearse();
    assert_eq!(read(&system, "1").0, "active");
}

#[test]
fn what_is_told_anew_is_read_asked_for_and_written_from_then_on() {
    let system = loaded(LINE);
    fill(
        &system,
        r#"{ "groups": [ { "id": 7, "state": "open", "gone": false }, { "id": 8, "state": "open", "gone": true } ] }"#,
    );
    assert_eq!((read(&system, "7").0, asked(&system, "active")), ("active".into(), "/c?group=7".to_owned()));
    assert_eq!(read(&system, "8").0, "unknown", "`where` leaves it out");
    assert!(system.live()[0].has_missed());
    fill(
        &system,
        r#"{ "groups": [ { "id": 7, "state": "shut", "gone": false }, { "id": 8, "state": "open", "gone": false } ] }"#,
    );
    assert_eq!((read(&system, "7").0, read(&system, "8").0), ("blocked".into(), "active".into()));
    let mapping = system.entity("Customer").unwrap();
    let made = mapping.create(&record(mapping, r#"{ "name": "Ewa", "status": "active" }"#)).unwrap();
    assert_eq!(made.body, r#"{"title":"Ewa","group":8}"#);
}

#[test]
fn rows_that_contradict_each_other_and_meanings_that_are_none_tell_nothing() {
    let system = loaded(LINE);
    fill(
        &system,
        r#"{ "groups": [ { "id": 7, "state": "open", "gone": false }, { "id": 7, "state": "shut", "gone": false }, { "id": 9, "state": "shut", "gone": false }, { "id": 10, "state": "odd", "gone": false } ] }"#,
    );
    assert_eq!(
        (read(&system, "7").0, read(&system, "9").0, read(&system, "10").0),
        ("unknown".into(), "blocked".into(), "unknown".into())
    );
}

#[test]
fn a_table_without_rows_or_with_too_many_or_without_an_end_is_a_fault_of_the_system() {
    let system = loaded(LINE);
    let table = &system.live()[0];
    assert!(rows(table, r#"{ "error": "no" }"#).is_err());
    let none = rows(table, r#"{ "groups": [] }"#).unwrap();
    assert!(table.fill(none).unwrap_err().to_string().contains("no rows"));
    let many: Vec<String> =
        (0..6).map(|n| format!(r#"{{ "id": {n}, "state": "open", "gone": false }}"#)).collect();
    let many = rows(table, &format!(r#"{{ "groups": [{}] }}"#, many.join(",")));
    assert!(many.unwrap_err().contains("more than 5 rows"));
    assert_eq!((table.told(), table.is_there()), (None, false));
}

#[test]
fn pages_of_a_table_follow_each_other() {
    let system = loaded(LINE);
    let table = &system.live()[0];
    let listing = table.listing(jiff::Timestamp::UNIX_EPOCH, None).unwrap();
    let mut rows = Vec::new();
    let first = answer(200, r#"{ "groups": [ { "id": 1, "state": "open", "gone": false } ], "next": "p2" }"#);
    let next = table.read(&listing, &first, &mut rows).unwrap().unwrap();
    let listing = table.listing(jiff::Timestamp::UNIX_EPOCH, Some(&next)).unwrap();
    assert!(listing.request.target.contains("after=p2"), "{}", listing.request.target);
    let last = answer(200, r#"{ "groups": [ { "id": 2, "state": "shut", "gone": false } ] }"#);
    assert_eq!(table.read(&listing, &last, &mut rows).unwrap(), None);
    assert_eq!(rows.len(), 2);
}

#[test]
fn mistakes_of_a_table_are_told_at_their_places() {
    let change = |from: &str, to: &str| {
        assert!(TABLE.contains(from), "{from}");
        told(&TABLE.replace(from, to), LINE)
    };
    for (said, message) in [
        (
            change("values: { open: active", "values: { open: actve"),
            "`actve`, which a row of table `groups` may mean",
        ),
        (change("    native: id\n", ""), "key `native` is missing"),
        (change("at: /groups, ", ""), "key `at` is missing: where the rows are asked for"),
        (change("most: 5", "most: 0"), "between 1 and 10000 rows"),
        (change("most: 5", "aged: 10ms"), "`aged` is between 1s and 30d"),
        (change("  groups:", "  Groups-1:"), "such a name has small letters"),
        (change("name: title", "Name: title"), "such a name has small letters"),
        (change("most: 5", "mots: 5"), "unknown key `mots`"),
        (change("'{ \"groups\": [", "'{ \"rows\": ["), "the sample of table `groups` does not read"),
        (
            change(
                "    sample: '{ \"groups\": [ { \"id\": 1, \"state\": \"open\", \"gone\": false } ] }'\n",
                "",
            ),
            "samples cannot be run without knowing table `groups`",
        ),
        (
            change("    sample: '", "    else: { \"1\": { sttaus: active } }\n    sample: '"),
            "`sttaus` is no meaning of this table",
        ),
        (
            told(TABLE, &LINE.replace("groups.status", "groups.state")),
            "`state` is no meaning of table `groups`",
        ),
        (
            told(TABLE, &LINE.replace("groups.status", "groups")),
            "table `groups` has several meanings: say which",
        ),
        (
            told(TABLE, &LINE.replace("groups.status", "grops.status")),
            "table `grops.status` is not in `tables`",
        ),
        (told(TABLE, "{ at: group, values: { \"1\": active } }"), "no line goes by table `groups`"),
    ] {
        assert!(said.contains(message), "{message}:\n{said}");
        assert!(said.contains("r.yaml:"), "{said}");
    }
}
