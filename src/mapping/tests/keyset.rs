//! Facts about lists that go on after the last key that came: nothing is lost or doubled, whatever changes meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{Direction, Filter, Sort};

/// Customers of a system that knows `since` and an order by `id`; `page` is as written.
fn text(page: &str) -> String {
    format!(
        "filters:\n  f:\n    shape: flat\n    fields: {{ id: {{ gt: since }}, at: {{ gte: from, lte: to }} }}\n    sort: {{ query: {{ order: \"{{field}}.{{dir}}\" }}, tie: own }}\n\
         entities:\n  Customer:\n    at: /c\n    key: {{ at: id, form: digits }}\n    list: {{ rows: r, filter: f, page: {{ {page} }} }}\n    fields: {{ given_name: n, updated_at: {{ at: at, write: never }} }}\n"
    )
}

fn listed(page: &str) -> Arc<Mapping> {
    let (system, told) = load_text("x", &text(page), "https://x.example");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn parameter(request: &NativeRequest, name: &str) -> Option<u64> {
    let (_, query) = request.target.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.parse().unwrap())
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Json {
    ids.into_iter().map(|id| json!({ "id": id, "n": "Ewa" })).collect()
}

/// A system with these ids that does as it is asked.
fn system(ids: &BTreeSet<u64>, request: &NativeRequest) -> NativeAnswer {
    assert!(request.target.contains("order=id.asc"), "{}", request.target);
    let since = parameter(request, "since").unwrap_or_default();
    let skip = usize::try_from(parameter(request, "skip").unwrap_or_default()).unwrap();
    let size = usize::try_from(parameter(request, "size").unwrap()).unwrap();
    let found = ids.range(since + 1..).skip(skip).take(size).copied();
    answer(200, &json!({ "r": rows(found) }).to_string())
}

/// Walks a list; ids in their order, and the requests.
fn walk(
    m: &Mapping,
    limit: u32,
    mut system: impl FnMut(&NativeRequest) -> NativeAnswer,
) -> (Vec<u64>, bool, Vec<String>) {
    let (mut ids, mut targets, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], cursor.as_deref(), limit).unwrap();
        targets.push(listing.request.target.clone());
        assert!(targets.len() < 100, "a list without end");
        let page = m.inward_list(&listing, &system(&listing.request), &FieldSet::ID).unwrap();
        ids.extend(page.rows.into_iter().map(|row| row.unwrap().id.parse::<u64>().unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return (ids, page.truncated, targets);
        }
    }
}

const BY_KEY: &str = "keyset: id, size: size, most: 10";

#[test]
fn a_list_goes_on_after_the_last_key_to_a_short_page() {
    let m = listed(BY_KEY);
    let ids: BTreeSet<u64> = (1..=23).map(|n| n * 7).collect();
    let (walked, truncated, targets) = walk(&m, 10, |request| system(&ids, request));
    assert_eq!(walked, ids.iter().copied().collect::<Vec<_>>());
    assert!(!truncated);
    assert_eq!(
        targets,
        ["/c?order=id.asc&size=10", "/c?since=70&order=id.asc&size=10", "/c?since=140&order=id.asc&size=10"]
    );
    // A full page is not known to be the last.
    let ten: BTreeSet<u64> = (1..=10).collect();
    assert_eq!(walk(&m, 10, |request| system(&ten, request)).2.len(), 2);
    assert_eq!(
        walk(&m, 10, |request| system(&BTreeSet::new(), request)),
        (Vec::new(), false, vec![targets[0].clone()])
    );
    // Where the size is the system's own, only a page without rows is the end.
    let own = listed("keyset: id");
    let mut asked = 0;
    let (walked, ..) = walk(&own, 10, |request| {
        asked += 1;
        let since = parameter(request, "since").unwrap_or_default();
        answer(200, &json!({ "r": rows(ids.range(since + 1..).take(3).copied()) }).to_string())
    });
    assert_eq!((walked.len(), asked), (23, 9));
}

#[test]
fn who_is_there_all_along_comes_once_whatever_comes_and_goes_meanwhile() {
    let m = listed(BY_KEY);
    let mut ids: BTreeSet<u64> = (1..=60).map(|n| n * 10).collect();
    let mut at = 0;
    let (walked, ..) = walk(&m, 10, |request| {
        let answer = system(&ids, request);
        // Rows before the place go and come: with offsets each would move one over the edge of a page.
        at += 1;
        ids.remove(&(at * 30));
        ids.insert(at * 30 + 1);
        answer
    });
    let seen: BTreeSet<u64> = walked.iter().copied().collect();
    assert_eq!(seen.len(), walked.len());
    assert!(ids.iter().filter(|id| **id % 10 == 0).all(|id| seen.contains(id)));
}

#[test]
fn a_list_that_counts_rows_goes_by_the_key_where_no_other_order_is_asked_for() {
    let m = listed("offset: skip, size: size, most: 10, keyset: id");
    let mut ids: BTreeSet<u64> = (1..=60).map(|n| n * 10).collect();
    let mut at = 0;
    let (walked, truncated, targets) = walk(&m, 10, |request| {
        let answer = system(&ids, request);
        at += 1;
        ids.remove(&(at * 30));
        ids.insert(at * 30 + 1);
        answer
    });
    let seen: BTreeSet<u64> = walked.iter().copied().collect();
    assert_eq!((seen.len(), truncated), (walked.len(), false));
    assert!(ids.iter().filter(|id| **id % 10 == 0).all(|id| seen.contains(id)));
    assert!(targets.iter().all(|target| !target.contains("skip")), "{targets:?}");
    // In an order of the caller's the rows are counted.
    let by = Sort { leaf: m.entity().leaf_at("updated_at").unwrap(), direction: Direction::Ascending };
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &[by], None, 10).unwrap();
    assert!(
        listing.sort_pushed && listing.request.target.contains("order=at.asc"),
        "{}",
        listing.request.target
    );
    let page = answer(200, &json!({ "r": rows((1..=10).rev()) }).to_string());
    let next = m.inward_list(&listing, &page, &FieldSet::ID).unwrap().next.unwrap();
    let next = m.list(&FieldSet::ID, &Filter::everything(), &[by], Some(&next), 10).unwrap();
    assert!(
        next.request.target.contains("skip=10") && !next.request.target.contains("since"),
        "{}",
        next.request.target
    );
}

#[test]
fn where_a_window_ends_the_list_begins_anew_after_the_last_key() {
    let ids: BTreeSet<u64> = (1..=83).collect();
    for page in [
        "offset: skip, size: size, most: 10, window: 25, keyset: id",
        "next: next, query: skip, size: size, most: 10, window: 25, keyset: id",
    ] {
        let m = listed(page);
        let (walked, truncated, targets) = walk(&m, 10, |request| {
            let skip = parameter(request, "skip").unwrap_or_default();
            let size = parameter(request, "size").unwrap();
            assert!(skip + size <= 25, "beyond the window: {}", request.target);
            let mut body: Json = serde_json::from_slice(&system(&ids, request).body).unwrap();
            if u64::try_from(body["r"].as_array().unwrap().len()).unwrap() == size {
                body["next"] = json!((skip + size).to_string());
            }
            answer(200, &body.to_string())
        });
        assert_eq!(walked, ids.iter().copied().collect::<Vec<_>>(), "{page}");
        assert!(!truncated && targets.iter().any(|target| target.contains("since=25")), "{targets:?}");
    }
    // In another order there is no way on.
    let m = listed("offset: skip, size: size, most: 10, window: 25, keyset: id");
    let by = Sort { leaf: m.entity().leaf_at("updated_at").unwrap(), direction: Direction::Ascending };
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &[by], Some("0:20:2:7"), 10).unwrap();
    assert!(listing.sort_pushed && listing.request.target.contains("order=at.asc"));
    let page = m
        .inward_list(&listing, &answer(200, &json!({ "r": rows(1..=5) }).to_string()), &FieldSet::ID)
        .unwrap();
    assert!(page.truncated && page.next.is_none());
    // A list that has no other way on is asked for by its keys, and the gate sorts.
    let listing = listed(BY_KEY).list(&FieldSet::ID, &Filter::everything(), &[by], None, 10).unwrap();
    assert!(!listing.sort_pushed && listing.request.target.contains("order=id.asc"));
}

#[test]
fn a_system_that_does_not_keep_to_the_order_or_the_condition_is_a_fault() {
    let m = listed(BY_KEY);
    let first = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 3).unwrap();
    let read = |listing: &Listing, ids: &[u64]| {
        m.inward_list(
            listing,
            &answer(200, &json!({ "r": rows(ids.iter().copied()) }).to_string()),
            &FieldSet::ID,
        )
    };
    assert_eq!(read(&first, &[1, 3, 2]).unwrap_err().kind, FaultKind::Unreadable);
    assert_eq!(read(&first, &[1, 1, 2]).unwrap_err().kind, FaultKind::Unreadable);
    // As numbers, however they are spelt.
    let next = read(&first, &[2, 9, 10]).unwrap().next.unwrap();
    let second = m.list(&FieldSet::ID, &Filter::everything(), &[], Some(&next), 3).unwrap();
    for again in [&[2, 9, 10], &[10, 11, 12]] {
        assert!(read(&second, again).unwrap_err().text.contains("order of keys"), "{again:?}");
    }
    assert!(read(&second, &[11, 100]).unwrap().next.is_none());
    // Nothing but digits is a key of a cursor.
    for bad in ["0>x:0:0:0", "0>:0:0:0", "0:0:0:0", "0>1:0:0:0:b"] {
        let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], Some(bad), 3);
        assert_eq!(listing.unwrap_err(), ListError::BadCursor, "{bad}");
    }
    let plain = listed("offset: skip, size: size, most: 10");
    let listing = plain.list(&FieldSet::ID, &Filter::everything(), &[], Some("0>1:10:1:0"), 3);
    assert_eq!(listing.unwrap_err(), ListError::BadCursor);
}

#[test]
fn a_list_that_cannot_be_asked_for_by_its_keys_does_not_load() {
    let told = |text: String| load_text("x", &text, "https://x.example").1;
    for (page, word) in [
        ("keyset: other, size: size", "in the order of `other`"),
        // What is asked for from a key on, that key included, would come twice.
        ("keyset: at, size: size", "in the order of `at`"),
        ("keyset: id, next: n, query: q", "say `window`"),
        ("keyset: id, size: size, window: 10", "`window` counts rows"),
    ] {
        let told = told(text(page));
        assert!(told.contains(word), "{page}: {told}");
    }
    let texts = text(BY_KEY).replace("{ at: id, form: digits }", "id");
    assert!(told(texts.clone()).contains("a key of digits alone"), "{}", told(texts));
    let unasked = text(BY_KEY).replace("filter: f, ", "");
    assert!(told(unasked).contains("whose `ops` have `gt`"));
}
