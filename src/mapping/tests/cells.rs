//! Facts about rows that are tables inside: cells under headers, and figures that are records of their own.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

/// Metrics as written: days and channels, with two figures a row.
fn mapped(more: &str) -> Arc<Mapping> {
    let (system, told) = load_text("ga", &text(more), "https://ga.example/api");
    system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone()
}

fn text(more: &str) -> String {
    format!(
        r#"
numbers: text
entities:
  Metric:
    at: /r
    key: {{ of: [date, channel, figure.name] }}
    columns:
      - {{ headers: dimensionHeaders, name: name, cells: dimensionValues, value: value }}
      - {{ headers: metricHeaders, name: name, cells: metricValues, value: value, under: metrics }}
    unpivot: {{ each: [metrics.sessions, metrics.users], as: figure }}
{more}
    fields:
      metric: figure.name
      value: figure.value
      from: {{ at: date, as: {{ date: compact }} }}
      to: {{ at: date, as: {{ date: compact }} }}
      time_zone: $answer.metadata.timeZone
      dimensions: [ {{ name: =channel, value: channel }} ]
"#
    )
}

const LIST: &str = "    list: { rows: { at: rows, absent: empty }, page: { offset: offset, size: limit, most: 100, total: rowCount } }";

/// A report of rows, each of a day, a channel, and figures by their order in the headers.
fn report(metrics: &[&str], rows: &[(&str, &str, &[&str])]) -> Json {
    let named = |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Json>();
    let cells = |values: &[&str]| values.iter().map(|value| json!({ "value": value })).collect::<Json>();
    let rows: Vec<_> = rows
        .iter()
        .map(|(day, channel, figures)| {
            json!({ "dimensionValues": cells(&[day, channel]), "metricValues": cells(figures) })
        })
        .collect();
    json!({
        "rows": rows, "rowCount": rows.len(), "metadata": { "timeZone": "Europe/Warsaw" },
        "dimensionHeaders": named(&["date", "channel"]), "metricHeaders": named(metrics),
    })
}

fn listing(m: &Mapping, cursor: Option<&str>) -> Listing {
    m.list(&m.entity().all(), &Filter::everything(), &[], cursor, 100).unwrap()
}

fn page(m: &Mapping, body: &Json) -> Result<Page, SystemFault> {
    m.inward_list(&listing(m, None), &answer(200, &body.to_string()), &m.entity().all())
}

/// Metric, value and first day of each record.
fn told(m: &Mapping, page: &Page) -> Vec<(String, String, String)> {
    let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let read = |inward: &Inward| {
        let json = json(m.entity(), &inward.record);
        (text(&json, "metric"), text(&json, "value"), text(&json, "from"))
    };
    page.rows.iter().flatten().map(read).collect()
}

#[test]
fn each_figure_of_a_row_is_a_record_wherever_its_column_stands() {
    let m = mapped(LIST);
    let body = report(
        &["users", "sessions"],
        &[("20260314", "Direct", &["7", "12"]), ("20260315", "Direct", &["1", "0"])],
    );
    let page = page(&m, &body).unwrap();
    let is = |metric: &str, value: &str, day: &str| (metric.to_owned(), value.to_owned(), day.to_owned());
    assert_eq!(
        told(&m, &page),
        [
            is("sessions", "12", "2026-03-14"),
            is("users", "7", "2026-03-14"),
            is("sessions", "0", "2026-03-15"),
            is("users", "1", "2026-03-15")
        ]
    );
    let first = json(m.entity(), &page.rows[0].as_ref().unwrap().record);
    assert_eq!(first["dimensions"], json!([{ "name": "channel", "value": "Direct" }]));
    assert_eq!(first["time_zone"], "Europe/Warsaw");
    // Another column is nothing to it, and one that is not there makes no record.
    let body = report(&["bounces", "users"], &[("20260314", "Direct", &["3", "7"])]);
    let page = self::page(&m, &body).unwrap();
    assert_eq!(told(&m, &page), [is("users", "7", "2026-03-14")]);
}

#[test]
fn a_row_of_more_or_fewer_cells_than_headers_is_refused_and_the_others_are_served() {
    let m = mapped(LIST);
    let body = report(
        &["sessions", "users"],
        &[("20260314", "a", &["1"]), ("20260314", "b", &["1", "2", "3"]), ("20260314", "c", &["5", "6"])],
    );
    let page = page(&m, &body).unwrap();
    let faults: Vec<_> = page.rows.iter().filter_map(|row| row.as_ref().err().cloned()).collect();
    assert_eq!(faults, [RowFault::Cells, RowFault::Cells]);
    assert_eq!(told(&m, &page).len(), 2);
    // Nor is one of nothing where cells are due, nor one that is no row.
    let mut body = report(&["sessions"], &[]);
    body["rows"] = json!([{}, 7, { "dimensionValues": null, "metricValues": [{ "value": "1" }] }]);
    let page = self::page(&m, &body).unwrap();
    let faults: Vec<_> = page.rows.iter().map(|row| row.as_ref().unwrap_err().clone()).collect();
    assert_eq!(faults, [RowFault::Cells, RowFault::NotAnObject, RowFault::Cells]);
}

#[test]
fn headers_that_cannot_be_told_apart_are_a_fault_of_the_system() {
    let m = mapped(LIST);
    let twice = report(&["users", "users"], &[("20260314", "a", &["1", "2"])]);
    let mut nameless = report(&["users"], &[("20260314", "a", &["1"])]);
    nameless["metricHeaders"] = json!([{ "title": "users" }]);
    let mut none = report(&["users"], &[("20260314", "a", &["1"])]);
    none["metricHeaders"] = json!("users");
    for body in [twice, nameless, none] {
        assert_eq!(page(&m, &body).unwrap_err().kind, FaultKind::Unreadable, "{body}");
    }
    // No headers at all: no row is read by a guess.
    let mut bare = report(&["users"], &[("20260314", "a", &["1"])]);
    bare.as_object_mut().unwrap().remove("metricHeaders");
    assert_eq!(page(&m, &bare).unwrap().rows[0].as_ref().unwrap_err(), &RowFault::Cells);
}

#[test]
fn pages_are_counted_by_rows_and_not_by_the_records_that_they_become() {
    let m = mapped(LIST);
    let row = |n: usize| {
        json!({ "dimensionValues": [{ "value": "20260314" }, { "value": n.to_string() }],
        "metricValues": [{ "value": "1" }, { "value": "2" }] })
    };
    let (mut cursor, mut asked, mut ids) = (None::<String>, Vec::new(), std::collections::BTreeSet::new());
    loop {
        let listing = listing(&m, cursor.as_deref());
        asked.push(listing.request.target.clone());
        let seen = ids.len() / 2;
        let mut body = report(&["sessions", "users"], &[]);
        body["rows"] = (seen..(seen + 100).min(250)).map(row).collect();
        body["rowCount"] = json!(250);
        let page = m.inward_list(&listing, &answer(200, &body.to_string()), &FieldSet::ID).unwrap();
        ids.extend(page.rows.into_iter().map(|row| row.unwrap().id));
        assert!(!page.truncated);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(asked, ["/r?limit=100", "/r?offset=100&limit=100", "/r?offset=200&limit=100"]);
    assert_eq!(ids.len(), 500);
}

#[test]
fn a_report_of_nothing_is_an_empty_list() {
    let m = mapped(LIST);
    let mut body = report(&["sessions", "users"], &[]);
    let object = body.as_object_mut().unwrap();
    object.remove("rows");
    object.remove("rowCount");
    let page = page(&m, &body).unwrap();
    assert!(page.rows.is_empty() && page.next.is_none() && !page.truncated);
}

#[test]
fn figures_of_named_members_are_records_too_and_one_left_out_may_stand_for_something() {
    let text = r#"
entities:
  Metric:
    at: /r
    key: { of: [segments.date, campaign.id, figure.name] }
    select: { query: fields, dotted: true, case: snake }
    unpivot: { each: [metrics.clicks, metrics.costMicros], as: figure, absent: "0" }
    list: { rows: results }
    fields:
      metric: { at: figure.name, values: { clicks: clicks, costMicros: cost } }
      value: { first: [ { when: { figure.name: costMicros }, at: figure.value, as: { shift: -6 } }, { at: figure.value } ] }
      from: segments.date
      campaign: { ref: Campaign, at: campaign.id }
"#;
    let (system, told_) = load_text("ads", text, "https://ads.example/api");
    let m = system.unwrap_or_else(|| panic!("{told_}")).entity("Metric").unwrap().clone();
    let listing = listing(&m, None);
    // What a record has of its own figure is asked for by the names of all.
    assert_eq!(
        listing.request.target,
        "/r?fields=segments.date%2Ccampaign.id%2Cmetrics.clicks%2Cmetrics.cost_micros"
    );
    let few = [m.entity().leaf_at("from").unwrap()].into_iter().collect();
    let few = m.list(&few, &Filter::everything(), &[], None, 10).unwrap();
    assert!(few.request.target.ends_with("metrics.clicks%2Cmetrics.cost_micros"), "{}", few.request.target);
    let body = json!({ "results": [
        { "segments": { "date": "2026-03-14" }, "campaign": { "id": "7" }, "metrics": { "clicks": "3", "costMicros": "1234500" } },
        { "segments": { "date": "2026-03-15" }, "campaign": { "id": "7" }, "metrics": { "costMicros": 1 } } ] });
    let page = m.inward_list(&listing, &answer(200, &body.to_string()), &m.entity().all()).unwrap();
    let values: Vec<_> = told(&m, &page).into_iter().map(|(metric, value, _)| (metric, value)).collect();
    let is = |metric: &str, value: &str| (metric.to_owned(), value.to_owned());
    assert_eq!(
        values,
        [is("clicks", "3"), is("cost", "1.234500"), is("clicks", "0"), is("cost", "0.000001")]
    );
}

#[test]
fn rows_that_are_lists_of_bare_cells_are_read_by_their_headers() {
    let text = r#"
entities:
  Metric:
    at: /r
    key: { of: [Day, Service] }
    columns: { headers: properties.columns, name: name, cells: ., value: . }
    list: { rows: properties.rows }
    fields:
      metric: =cost
      value: Cost
      from: { at: Day, as: { date: compact, wire: number } }
      currency: Currency
"#;
    let (system, told_) = load_text("cost", text, "https://cost.example/api");
    let m = system.unwrap_or_else(|| panic!("{told_}")).entity("Metric").unwrap().clone();
    let body = json!({ "properties": {
        "columns": [ { "name": "Cost", "type": "Number" }, { "name": "Day" }, { "name": "Service" }, { "name": "Currency" } ],
        "rows": [ [1.10, 20260331, "storage", "EUR"], [2, 20260331, "compute"] ] } });
    let page = page(&m, &body).unwrap();
    assert_eq!(told(&m, &page), [("cost".to_owned(), "1.1".to_owned(), "2026-03-31".to_owned())]);
    assert_eq!(page.rows[1].as_ref().unwrap_err(), &RowFault::Cells);
}

#[test]
fn cells_are_no_new_fields_of_a_system_and_what_stands_beside_them_is() {
    let m = mapped(LIST);
    let mut body = report(&["sessions", "users"], &[("20260314", "a", &["1", "2"])]);
    let new = |body: &Json| {
        let found = m.new_fields(Some(&listing(&m, None)), &answer(200, &body.to_string()), &[0]);
        found.paths.into_keys().collect::<Vec<_>>()
    };
    let unread = |body: &Json| m.unread(&Bytes::from(body.to_string()));
    assert!(new(&body).is_empty() && unread(&body).is_empty(), "{:?}", unread(&body));
    body["rows"][0]["comparison"] = json!("x");
    body["kind"] = json!("report");
    assert_eq!((new(&body), unread(&body).len()), (vec!["comparison".to_owned()], 2));
}

#[test]
fn a_row_without_a_part_of_its_key_is_withheld() {
    let m = mapped(LIST);
    let mut body = report(&["sessions", "users"], &[("20260314", "a", &["1", "2"])]);
    body["rows"][0]["dimensionValues"][1]["value"] = Json::Null;
    let page = page(&m, &body).unwrap();
    assert!(page.rows.iter().all(|row| row.as_ref().unwrap_err() == &RowFault::NoKey));
    // What has no key of its own is read, changed and removed by none.
    for id in ["20260314", "x"] {
        assert!(m.read(id, &FieldSet::ID).is_none());
        assert!(m.delete(id, None).is_err());
    }
}

proptest! {
    /// Two figures have one key only where every part of it is the same, however their texts are cut.
    #[test]
    fn keys_are_as_many_as_what_they_are_made_of(
        rows in proptest::collection::btree_set(("[ab|,]{0,4}", "[ab|,]{0,4}"), 1..20)
    ) {
        let m = mapped(LIST);
        let rows: Vec<_> = rows.iter().map(|(day, channel)| (day.as_str(), channel.as_str(), &["1", "2"][..])).collect();
        let read = || page(&m, &report(&["sessions", "users"], &rows)).unwrap();
        let keys: std::collections::BTreeSet<_> = read().rows.into_iter().map(|row| row.unwrap().id).collect();
        prop_assert_eq!(keys.len(), rows.len() * 2);
        let again: std::collections::BTreeSet<_> = read().rows.into_iter().map(|row| row.unwrap().id).collect();
        prop_assert_eq!(&keys, &again);
        // Nothing of what it is made of can be read off it.
        prop_assert!(keys.iter().all(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    /// Whatever stands where a report is due is read or is a fault; nothing panics, and no figure is made up.
    #[test]
    fn no_answer_is_read_by_a_guess(cells in proptest::collection::vec(0_u8..4, 0..6), headers in 0_usize..4) {
        let m = mapped(LIST);
        let cell = |kind: &u8| match kind {
            0 => json!({ "value": "1" }),
            1 => json!({ "value": null }),
            2 => json!("1"),
            _ => json!({}),
        };
        let names: Vec<_> = (0..headers).map(|n| ["sessions", "users", "x", "y"][n]).collect();
        let mut body = report(&names, &[("20260314", "a", &[])]);
        body["rows"][0]["metricValues"] = cells.iter().map(cell).collect();
        let page = page(&m, &body).unwrap();
        for row in &page.rows {
            match row {
                Ok(inward) => {
                    prop_assert_eq!(cells.len(), headers);
                    prop_assert_eq!(&json(m.entity(), &inward.record)["value"], "1");
                }
                Err(fault) => prop_assert_eq!((fault, cells.len() == headers), (&RowFault::Cells, false)),
            }
        }
    }
}

#[test]
fn the_example_of_the_docs_reads_as_it_says() {
    let docs = include_str!("../../../docs/mapping.md");
    let (_, section) = docs.split_once("## Reports: rows of cells").unwrap();
    let block = |kind: &str| {
        let (_, rest) = section.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let lines: String = block("yaml").lines().map(|line| format!("  {line}\n")).collect();
    let (system, told_) = load_text("ga", &format!("entities:\n{lines}"), "https://ga.example/api");
    let m = system.unwrap_or_else(|| panic!("{told_}")).entity("Metric").unwrap().clone();
    let now = "2026-03-14T12:00:00Z".parse().unwrap();
    let all = m.entity().all();
    let listing = m.list_at(Some(now), &all, (&Filter::everything(), &[]), None, 100).unwrap();
    let asked: Json = serde_json::from_slice(&listing.request.body).unwrap();
    assert_eq!(listing.request.target, "/properties/1:runReport");
    assert_eq!(asked["dateRanges"], json!([{ "startDate": "2026-02-12", "endDate": "2026-03-14" }]));
    let page = m.inward_list(&listing, &answer(200, &block("json")), &all).unwrap();
    let is = |metric: &str, value: &str| (metric.to_owned(), value.to_owned(), "2026-03-14".to_owned());
    assert_eq!(told(&m, &page), [is("sessions", "12"), is("users", "7")]);
    assert!(page.truncated);
}

#[test]
fn what_cannot_go_together_is_told_with_what_to_write() {
    let told = |text: &str| load_text("ga", text, "https://ga.example/api").1;
    for (more, word) in [
        (format!("{LIST}\n    read: {{}}"), "leave out `read`"),
        (format!("{LIST}\n    create: {{}}"), "leave out `read`"),
        (
            "    list: { rows: rows, keys: id, read: { post: '', rows: r, body: { k: \"{keys}\" } } }"
                .to_owned(),
            "have one key each",
        ),
        (
            "    list: { rows: rows, page: { offset: o, size: l, most: 90000 } }".to_owned(),
            "lower `page.most`",
        ),
    ] {
        let told = told(&text(&more));
        assert!(told.contains(word), "{told}");
    }
    let whole = text(LIST);
    for (from, to, word) in [
        (
            "key: { of: [date, channel, figure.name] }",
            "key: { of: [date, channel] }",
            "`figure.name` is no part of it",
        ),
        ("key: { of: [date, channel, figure.name] }", "key: id", "`figure.name` is no part of it"),
        ("key: { of: [date, channel, figure.name] }", "key: { of: [] }", "a list of 1 to 32 native paths"),
        ("cells: dimensionValues, ", "", "key `cells` is missing"),
        ("under: metrics", "under: 'm[0]'", "`under` is made of names"),
        ("headers: metricHeaders", "headers: dimensionHeaders", "are named already"),
        ("[metrics.sessions, metrics.users]", "[metrics.users, m.users]", "two figures are called `users`"),
        ("[metrics.sessions, metrics.users]", "[]", "a list of native paths"),
        ("[metrics.sessions, metrics.users]", "['metrics[0]']", "the last name of its path"),
        ("numbers: text", "speaks: xml", "a system that answers in JSON"),
    ] {
        assert!(whole.contains(from), "{from}");
        let told = told(&whole.replace(from, to));
        assert!(told.contains(word), "{to}: {told}");
        assert!(told.contains("ga.yaml:"), "{told}");
    }
}
