//! Lists that the gate sorts itself: all there are, or the very reason why not.

use crate::{kit::Demo, writes::change};

/// The list that the CRM is asked for by conditions and orders.
const SEARCH: &str = "{ for: [filter, sort], post: /search, rows: results, filter: groups,";
const PAGE: &str = "page: { next: paging.next.after, body: after, size: limit, most: 100, window: 10000, keyset: hs_object_id }";
/// No order of the CRM's: it is put together.
const SORTED: &str = "/v1/customers?sort=name&limit=200";

/// A gate whose list needs to know since when, and takes a time of its own where nobody says it.
fn since(default: &str) -> Demo {
    let needs = format!("{SEARCH} needs: {{ \"updated_at[gte]\": {{ default: {default} }} }},");
    Demo::start_with(|policies| change(policies, "systems/crm.yaml", SEARCH, &needs), &[])
}

#[test]
fn a_list_that_a_default_narrows_is_sorted_and_told_as_cut() {
    let whole = Demo::start().get(SORTED).send().expect(200);
    assert!(whole.json().get("truncated").is_none());
    let demo = since("$now-36500d");
    let answer = demo.get(SORTED).send().expect(200);
    assert_eq!(answer.json()["truncated"], true);
    let names = |answer: &crate::kit::Answer| -> Vec<String> {
        answer.items().iter().map(|item| item["name"].to_string()).collect()
    };
    assert_eq!(names(&answer), names(&whole));
    // Whoever says since when has all there is.
    let since = format!("{SORTED}&updated_at[gte]=2000-01-01T00:00:00Z");
    assert!(demo.get(&since).send().expect(200).json().get("truncated").is_none());
}

#[test]
fn a_list_of_more_pages_than_are_gathered_is_told_by_both_bounds() {
    let small = PAGE.replace("most: 100", "most: 2");
    let narrowed = format!("{SEARCH} needs: {{ \"updated_at[gte]\": {{ default: $now-36500d }} }},");
    let demo = Demo::start_with(
        |policies| {
            change(policies, "systems/crm.yaml", PAGE, &small);
            change(policies, "systems/crm.yaml", SEARCH, &narrowed);
        },
        &[],
    );
    let refused = demo.get(SORTED).send().refused(400).json();
    assert_eq!(refused["type"], "https://bramka.example/problems/too-many-to-sort");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("2000 records") && detail.contains("100 pages"), "{detail}");
}
