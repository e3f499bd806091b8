//! Facts about lists that cannot do without a bound: from the filter into the body, from a default, or refused by name.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{catalogue::test, *};
use crate::schema::{Filter, Op, Value};

/// Metrics of a report that is asked for by days.
fn mapped(needs: &str) -> Arc<Mapping> {
    let (system, told) = load_text("r", &text(needs), "https://r.example/api");
    system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone()
}

fn text(list: &str) -> String {
    format!(
        r#"
time_zone: Europe/Warsaw
filters:
  q: {{ shape: text, ops: {{ eq: "=", gte: ">=", lte: "<=" }} }}
entities:
  Metric:
    at: /r
    list:
      post: ""
      rows: rows
      page: {{ offset: offset, size: limit, most: 100 }}
{list}
    fields:
      metric: m
      value: v
      from: {{ at: day, as: {{ date: iso }} }}
      at: at
      account: account
      unit: {{ at: u, values: {{ c: count }} }}
"#
    )
}

const BODY: &str = r#"      body: { range: [ { from: "{filter:from[gte]}", to: "{filter:from[lte]}" } ] }"#;

fn sent(request: &NativeRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

fn all(parts: Vec<Filter>) -> Filter {
    Filter::All(parts)
}

fn range(m: &Mapping, filter: &Filter) -> Result<Json, ListError> {
    let listing = m.list(&FieldSet::ID, filter, &[], None, 10)?;
    Ok(sent(&listing.request)["range"][0].clone())
}

fn names(error: ListError) -> Vec<String> {
    match error {
        ListError::Needs(names) => names.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bounds_of_a_filter_stand_in_the_body_as_values_of_their_kind() {
    let m = mapped(&format!("      needs: [\"from[gte]\", \"from[lte]\"]\n{BODY}"));
    let (low, high) = (test(&m, "from", Op::Gte, "2026-01-05"), test(&m, "from", Op::Lte, "2026-01-31"));
    let asked = |filter: Filter| range(&m, &filter).unwrap();
    let of = |from: &str, to: &str| json!({ "from": from, "to": to });
    assert_eq!(asked(all(vec![low.clone(), high.clone()])), of("2026-01-05", "2026-01-31"));
    // Of several the tightest, of one day both, of several days the outermost.
    let later = test(&m, "from", Op::Gt, "2026-01-10");
    assert_eq!(asked(all(vec![low, later, high])), of("2026-01-10", "2026-01-31"));
    assert_eq!(asked(test(&m, "from", Op::Eq, "2026-01-07")), of("2026-01-07", "2026-01-07"));
    assert_eq!(asked(test(&m, "from", Op::In, "2026-01-07,2026-01-03")), of("2026-01-03", "2026-01-07"));
    let either =
        Filter::Any(vec![test(&m, "from", Op::Eq, "2026-01-07"), test(&m, "from", Op::Eq, "2026-02-07")]);
    assert_eq!(asked(either), of("2026-01-07", "2026-02-07"));
}

#[test]
fn a_list_without_what_it_needs_is_refused_by_the_names_that_callers_write() {
    let m = mapped(&format!("      needs: [\"from[gte]\", \"from[lte]\"]\n{BODY}"));
    let low = test(&m, "from", Op::Gte, "2026-01-05");
    let lacking = |filter: Filter| names(range(&m, &filter).unwrap_err());
    assert_eq!(lacking(Filter::everything()), ["from[gte]", "from[lte]"]);
    assert_eq!(lacking(low.clone()), ["from[lte]"]);
    // What bounds no record is no bound.
    let other = test(&m, "metric", Op::Eq, "x");
    for filter in [
        Filter::Not(Box::new(low.clone())),
        Filter::Any(vec![low, other]),
        test(&m, "from", Op::Ne, "2026-01-05"),
        test(&m, "to", Op::Gte, "2026-01-05"),
    ] {
        assert_eq!(lacking(filter), ["from[gte]", "from[lte]"]);
    }
    // Whoever only looks at what a file can do is not stopped by it.
    let abilities = m.abilities();
    let from = m.entity().leaf_at("from").unwrap();
    assert!(abilities.filters.contains(&(from, Op::Gte)) && abilities.filters.contains(&(from, Op::Lte)));
    assert!(!abilities.filters.iter().any(|(_, op)| *op == Op::Lt));
    assert_eq!(abilities.paging.unwrap().by, "offset");
}

const DEFAULTS: &str = r#"      needs:
        from[gte]: { default: $today-30d }
        from[lte]: { default: $today, beyond: nothing }"#;

#[test]
fn a_default_stands_for_a_bound_by_the_systems_day_and_the_list_is_told_as_cut() {
    let m = mapped(&format!("{DEFAULTS}\n{BODY}"));
    // In Warsaw it is the next day already.
    let now: Timestamp = "2026-03-14T23:30:00Z".parse().unwrap();
    let at = |filter: &Filter, now| m.list_at(now, &FieldSet::ID, (filter, &[]), None, 10);
    let listing = at(&Filter::everything(), Some(now)).unwrap();
    let range = json!({ "from": "2026-02-13", "to": "2026-03-15" });
    assert_eq!(sent(&listing.request)["range"][0], range);
    let ends = |listing: &Listing| {
        let page =
            m.inward_list(listing, &answer(200, r#"{ "rows": [ { "id": "1" } ] }"#), &FieldSet::ID).unwrap();
        (page.next.is_some(), page.truncated)
    };
    assert_eq!(ends(&listing), (false, true));
    // A caller who says since when has all there is: beyond today is nothing.
    let since = test(&m, "from", Op::Gte, "2026-01-01");
    let listing = at(&since, Some(now)).unwrap();
    assert_eq!(sent(&listing.request)["range"][0], json!({ "from": "2026-01-01", "to": "2026-03-15" }));
    assert_eq!(ends(&listing), (false, false));
    // Without a clock there is no today.
    assert_eq!(names(at(&Filter::everything(), None).unwrap_err()), ["from[gte]", "from[lte]"]);
}

#[test]
fn along_a_cursor_today_stays_the_day_of_the_first_page() {
    let m = mapped(&format!("{DEFAULTS}\n{BODY}"));
    let at = |cursor: Option<&str>, now: &str| {
        m.list_at(Some(now.parse().unwrap()), &FieldSet::ID, (&Filter::everything(), &[]), cursor, 2).unwrap()
    };
    let first = at(None, "2026-03-14T20:00:00Z");
    let two = answer(200, r#"{ "rows": [ { "id": "1" }, { "id": "2" } ] }"#);
    let next = m.inward_list(&first, &two, &FieldSet::ID).unwrap().next.unwrap();
    let second = at(Some(&next), "2026-03-15T20:00:00Z");
    assert_eq!(sent(&second.request)["range"], sent(&first.request)["range"]);
    assert_eq!(sent(&second.request)["offset"], json!(2));
    let again = answer(200, r#"{ "rows": [ { "id": "3" }, { "id": "4" } ] }"#);
    let next = m.inward_list(&second, &again, &FieldSet::ID).unwrap().next.unwrap();
    assert_eq!(
        sent(&at(Some(&next), "2026-03-20T20:00:00Z").request)["range"],
        sent(&first.request)["range"]
    );
    // What the caller says hangs on no clock, and neither does its cursor.
    let day = test(&m, "from", Op::Eq, "2026-01-07");
    let listing = m.list(&FieldSet::ID, &day, &[], None, 2).unwrap();
    let next = m.inward_list(&listing, &two, &FieldSet::ID).unwrap().next.unwrap();
    assert!(!next.contains('@'), "{next}");
    for cursor in ["0@:2:1:0", "0@x:2:1:0", "0@1@2:2:1:0"] {
        assert!(m.list(&FieldSet::ID, &day, &[], Some(cursor), 2).is_err(), "{cursor}");
    }
}

#[test]
fn a_bound_that_a_dialect_says_is_asked_for_by_it() {
    let list = "      filter: q\n      statement: { text: \"SELECT x[ WHERE {filter}]\", body: q }\n      needs: { \"from[gte]\": { default: 2020-01-01 } }";
    let plain = mapped(list);
    let listing = plain.list(&FieldSet::ID, &Filter::everything(), &[], None, 10).unwrap();
    assert_eq!(sent(&listing.request)["q"], "SELECT x WHERE day >= 2020-01-01");
    let given = test(&plain, "from", Op::Gte, "2026-01-01");
    let listing = plain.list(&FieldSet::ID, &given, &[], None, 10).unwrap();
    assert_eq!(sent(&listing.request)["q"], "SELECT x WHERE day >= 2026-01-01");
}

#[test]
fn a_place_for_a_bound_stays_out_where_the_filter_gives_none() {
    let m = mapped(
        r#"      body: { account: "{filter:account}", since: "{filter:at[gte]}", until: "{filter:at[lte]}" }"#,
    );
    let asked = |filter: Filter| {
        let mut body = sent(&m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap().request);
        body.as_object_mut().unwrap().remove("limit");
        body
    };
    assert_eq!(asked(Filter::everything()), json!({}));
    assert_eq!(asked(test(&m, "account", Op::Eq, "a\"},{")), json!({ "account": "a\"},{" }));
    assert_eq!(asked(test(&m, "account", Op::In, "a,b")), json!({}));
    assert_eq!(
        asked(test(&m, "at", Op::Lt, "2026-01-01T00:00:00Z")),
        json!({ "until": "2026-01-01T00:00:00Z" })
    );
}

#[test]
fn a_moment_goes_out_in_the_form_of_its_place_and_never_too_tight() {
    let m = mapped(
        r#"      needs:
        at[gte]: { as: { instant: unix } }
        at[lte]: { as: { instant: naive_space, zone: Europe/Warsaw } }
      body: { since: "{filter:at[gte]}", until: "{filter:at[lte]}" }"#,
    );
    let asked = |low: &str, high: &str| {
        let filter = all(vec![test(&m, "at", Op::Gte, low), test(&m, "at", Op::Lte, high)]);
        sent(&m.list(&FieldSet::ID, &filter, &[], None, 10).unwrap().request)
    };
    let body = asked("2026-01-01T00:00:00.9Z", "2026-06-01T00:00:00Z");
    assert_eq!((&body["since"], &body["until"]), (&json!("1767225600"), &json!("2026-06-01 02:00:00")));
    // In the hour that comes twice the system may take the second for the first: an hour more is asked for.
    let body = asked("2026-01-01T00:00:00Z", "2026-10-25T01:30:00Z");
    assert_eq!(body["until"], "2026-10-25 03:30:00");
}

#[test]
fn a_bound_goes_out_in_the_form_of_the_line_that_reads_it() {
    let asked = |line: &str, list: &str, filter: &dyn Fn(&Mapping) -> Filter| {
        let text = text(list).replace("      at: at\n", &format!("      at: {line}\n"));
        let (system, told) = load_text("r", &text, "https://r.example/api");
        let m = system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone();
        let mut body = sent(&m.list(&FieldSet::ID, &filter(&m), &[], None, 10).unwrap().request);
        body.as_object_mut().unwrap().remove("limit");
        body
    };
    let both = r#"      body: { since: "{filter:at[gte]}", until: "{filter:at[lte]}" }"#;
    let of = |low: &'static str, high: &'static str| {
        move |m: &Mapping| all(vec![test(m, "at", Op::Gte, low), test(m, "at", Op::Lte, high)])
    };
    let range = of("2026-01-01T00:00:00.0015Z", "2026-01-01T00:00:01.0015Z");
    let ms = "{ at: at, as: { instant: unix_ms, wire: number } }";
    assert_eq!(asked(ms, both, &range), json!({ "since": 1767225600001_i64, "until": 1767225601002_i64 }));
    let text_ms = "{ at: at, as: { instant: unix_ms } }";
    assert_eq!(asked(text_ms, both, &range), json!({ "since": "1767225600001", "until": "1767225601002" }));
    let local = "{ at: at, as: { instant: naive_space } }";
    let whole = of("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    assert_eq!(
        asked(local, both, &whole),
        json!({ "since": "2026-01-01 01:00:00", "until": "2026-01-02 01:00:00" })
    );
    // A list may say another one, for a bound that it can do without too.
    let other = format!("      bounds: {{ \"at[gte]\": {{ as: {{ instant: iso, wire: text }} }} }}\n{both}");
    assert_eq!(
        asked(ms, &other, &of("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),
        json!({ "since": "2026-01-01T00:00:00Z", "until": 1767312000000_i64 })
    );
    assert_eq!(asked(ms, &other, &|_| Filter::everything()), json!({}));
}

#[test]
fn a_day_goes_out_in_the_form_of_its_line_and_the_whole_of_it() {
    let asked = |line: &str| {
        let text = text(BODY).replace("{ at: day, as: { date: iso } }", line);
        let (system, told) = load_text("r", &text, "https://r.example/api");
        let m = system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone();
        let filter =
            all(vec![test(&m, "from", Op::Gte, "2026-01-05"), test(&m, "from", Op::Lte, "2026-01-31")]);
        range(&m, &filter).unwrap()
    };
    let of = |from: Json, to: Json| json!({ "from": from, "to": to });
    let compact = "{ at: day, as: { date: compact, wire: number } }";
    assert_eq!(asked(compact), of(json!(20260105), json!(20260131)));
    assert_eq!(asked("{ at: day, as: { date: dd.mm.yyyy } }"), of(json!("05.01.2026"), json!("31.01.2026")));
    // A system that keeps a day as a moment may keep any of it.
    let (from, to) = (json!("2026-01-05T00:00:00Z"), json!("2026-02-01T00:00:00Z"));
    assert_eq!(asked("{ at: day, as: { date: iso_midnight } }"), of(from.clone(), to.clone()));
    assert_eq!(asked("{ at: day, as: { date: iso_noon } }"), of(from, to));
}

#[test]
fn now_is_told_to_the_millisecond_where_the_form_has_them_and_stays_that_along_a_cursor() {
    let list = r#"      needs: { "at[lte]": { default: $now, beyond: nothing } }
      body: { until: "{filter:at[lte]}" }"#;
    let text = text(list)
        .replace("      at: at\n", "      at: { at: at, as: { instant: unix_ms, wire: number } }\n");
    let (system, told) = load_text("r", &text, "https://r.example/api");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone();
    let at = |cursor: Option<&str>, now: &str| {
        m.list_at(Some(now.parse().unwrap()), &FieldSet::ID, (&Filter::everything(), &[]), cursor, 2).unwrap()
    };
    let first = at(None, "2026-03-14T20:00:00.1234Z");
    let until = json!(1773518400123_i64);
    assert_eq!(sent(&first.request)["until"], until);
    let two = answer(200, r#"{ "rows": [ { "id": "1" }, { "id": "2" } ] }"#);
    let next = m.inward_list(&first, &two, &FieldSet::ID).unwrap().next.unwrap();
    let second = at(Some(&next), "2026-03-15T20:00:00.9Z");
    assert_eq!(sent(&second.request)["until"], until);
}

const LOOK_UP: &str = r#"
entities:
  Customer:
    at: /c
    list:
      - { for: { filter: [emails.value] }, post: /find, rows: found, body: { email: [ "{filter:emails.value}" ] } }
      - { get: "", rows: all, page: { offset: skip, size: limit } }
    fields:
      name: name
      emails: { each: mails, fields: { value: at } }
"#;

#[test]
fn a_variant_looks_a_record_up_by_a_field_of_a_list() {
    let (system, told) = load_text("r", LOOK_UP, "https://r.example/api");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone();
    let asked = |filter: &Filter| m.list(&FieldSet::ID, filter, &[], None, 10).unwrap().request;
    let of = |value: &str| test(&m, "emails.value", Op::Eq, value);
    let request = asked(&of("a\"]@x.pl"));
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/c/find"));
    assert_eq!(sent(&request), json!({ "email": ["a\"]@x.pl"] }));
    // What else is asked for is the gate's to check.
    let name = test(&m, "name", Op::Eq, "n");
    assert_eq!(sent(&asked(&all(vec![name.clone(), of("b")]))), json!({ "email": ["b"] }));
    // Without the address, or with one of two, all are asked for.
    for filter in [
        Filter::everything(),
        name.clone(),
        Filter::Not(Box::new(of("a"))),
        of("a").or(of("b")),
        of("a").or(name),
    ] {
        assert_eq!(asked(&filter).target, "/c?limit=10", "{filter:?}");
    }
}

#[test]
fn a_variant_for_fields_says_which_and_has_a_place_for_them() {
    let told = |from: &str, to: &str| load_text("r", &LOOK_UP.replace(from, to), "https://r.example/api").1;
    for (from, to, word) in [
        ("filter: [emails.value]", "filter: [emails.valu]", "did you mean `emails.value`"),
        ("filter: [emails.value]", "filter: []", "names the fields"),
        ("filter: [emails.value]", "filter: [name]", "nothing tells the system of `name`"),
        ("filter: [emails.value]", "filters: [name]", "filter"),
        ("\"{filter:emails.value}\"", "\"{filter:emails.value[gte]}\"", "is no bound"),
    ] {
        let told = told(from, to);
        assert!(told.contains(word) && told.contains("r.yaml:"), "{to}: {told}");
    }
}

proptest! {
    /// Every day that a filter lets through lies within the bounds that go out.
    #[test]
    fn what_goes_out_never_asks_for_less(parts in proptest::collection::vec((0_usize..6, 1_i8..28, any::<bool>()), 1..8), day in 1_i8..28) {
        let m = mapped(BODY);
        let ops = [Op::Gte, Op::Gt, Op::Lte, Op::Lt, Op::Eq, Op::Ne];
        let leaf = m.entity().leaf_at("from").unwrap();
        let date = |day: i8| jiff::civil::date(2026, 1, day);
        let mut filter = Filter::everything();
        for (op, day, either) in parts {
            let test = Filter::test(leaf, ops[op], Value::Date(date(day)));
            filter = if either { filter.or(test) } else { filter.and(test) };
        }
        let stored = record(&m, &json!({ "from": date(day).to_string() }).to_string());
        let range = range(&m, &filter).unwrap();
        if filter.matches(m.entity(), &stored) {
            let day = date(day).to_string();
            prop_assert!(range["from"].as_str().is_none_or(|from| from <= day.as_str()), "{range} {day}");
            prop_assert!(range["to"].as_str().is_none_or(|to| to >= day.as_str()), "{range} {day}");
        }
    }
}

#[test]
fn bounds_that_cannot_be_as_written_are_told_with_what_to_write() {
    let told = |list: &str| load_text("r", &text(list), "https://r.example/api").1;
    for (list, word) in [
        ("      needs: [\"form[gte]\"]\n      body: {}", "did you mean `from`"),
        ("      needs: [\"from[after]\"]\n      body: {}", "`FIELD[gte]` or `FIELD[lte]`"),
        ("      needs: [\"metric[gte]\"]\n      body: {}", "`metric[gte]` is no bound"),
        ("      needs: [\"dimensions.value[gte]\"]\n      body: {}", "`dimensions.value[gte]` is no bound"),
        ("      needs: [\"from[gte]\", \"from[gte]\"]\n      body: {}", "a second time"),
        ("      needs: [\"from[gte]\"]\n      body: {}", "write `\"{filter:from[gte]}\"` where it stands"),
        ("      needs: [to]\n      body: { a: \"{filter:to}\" }", "no line reads the field of `to`"),
        ("      needs: [unit]\n      body: { a: \"{filter:unit}\" }", "a line changes that field"),
        (
            "      needs: { \"from[gte]\": { default: soon } }\n      body: { a: \"{filter:from[gte]}\" }",
            "`$today-30d` of a day",
        ),
        (
            "      needs: { \"from[gte]\": { default: $today-30 } }\n      body: { a: \"{filter:from[gte]}\" }",
            "`$today-30d` of a day",
        ),
        (
            "      needs: { \"at[gte]\": { default: $today } }\n      body: { a: \"{filter:at[gte]}\" }",
            "`$now-30d` of a moment",
        ),
        (
            "      needs: { \"from[gte]\": { beyond: nothing } }\n      body: { a: \"{filter:from[gte]}\" }",
            "said of a `default`",
        ),
        ("      body: { a: \"{filter:form[gte]}\" }", "did you mean `from`"),
    ] {
        let told = told(list);
        assert!(told.contains(word) && told.contains("r.yaml:"), "{list}: {told}");
    }
}
