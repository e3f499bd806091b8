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
      from: {{ at: day, as: {{ date: compact }} }}
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
    // Days that the system keeps as text of another form are compared by no dialect; this one is.
    let text = text(list).replace("{ at: day, as: { date: compact } }", "day");
    let (system, told) = load_text("r", &text, "https://r.example/api");
    let plain = system.unwrap_or_else(|| panic!("{told}")).entity("Metric").unwrap().clone();
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
        ("      needs: [\"dimensions.value\"]\n      body: {}", "`dimensions.value` is no bound"),
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
