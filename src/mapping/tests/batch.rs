//! Facts about lists that give keys alone: the records are read by them, in order, none lost and none unasked for.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

fn text(list: &str) -> String {
    format!(
        "entities:\n  Customer:\n    at: /c\n    key: {{ at: id, form: digits }}\n    select: {{ query: fields }}\n    list: {{ {list} }}\n    fields: {{ given_name: n }}\n"
    )
}

fn listed(list: &str) -> Arc<Mapping> {
    let (system, told) = load_text("x", &text(list), "https://x.example");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

const BY_ADDRESS: &str = r#"rows: found, keys: id, read: { get: "?display=full&ids={keys}", rows: found, most: 3 }, page: { offset: skip, size: n, most: 5 }"#;

/// One page: what was asked for, and the ids of its rows; none for one that is gone.
fn page(
    m: &Mapping,
    keys: &Json,
    mut system: impl FnMut(&NativeRequest) -> Json,
) -> Result<(Vec<String>, Vec<Option<String>>, Page), SystemFault> {
    let all = m.entity().all();
    let listing = m.list(&all, &Filter::everything(), &[], None, 5).unwrap();
    let first = answer(200, &keys.to_string());
    let mut batch = m.batch(&listing, &first)?.unwrap();
    let mut asked = vec![listing.request.target.clone()];
    while let Some(request) = batch.request(&all) {
        asked.push(request.target.clone());
        batch.take(m.batch_rows(&listing, &answer(200, &system(&request).to_string()), &all))?;
    }
    let page = batch.page();
    let ids = page.rows.iter().map(|row| match row {
        Ok(inward) => Some(inward.id.to_string()),
        Err(fault) => {
            assert!(matches!(fault, RowFault::Gone | RowFault::NoKey), "{fault}");
            None
        }
    });
    let ids = ids.collect();
    Ok((asked, ids, page))
}

/// The records that a request names, backwards, without those that are gone.
fn records(request: &NativeRequest, gone: &[&str]) -> Json {
    let (_, ids) = request.target.split_once("ids=").unwrap();
    let ids = ids.split('&').next().unwrap().replace("%2C", ",");
    let there = ids.split(',').rev().filter(|id| !gone.contains(id));
    json!({ "found": there.map(|id| json!({ "id": id, "n": "Ewa" })).collect::<Json>() })
}

#[test]
fn records_are_read_by_the_keys_of_a_page_and_keep_its_order() {
    let m = listed(BY_ADDRESS);
    let keys = json!({ "found": [{ "id": 7 }, { "id": 3 }, { "id": "9" }, { "id": 1 }, { "id": 5 }] });
    let (asked, ids, page) = page(&m, &keys, |request| records(request, &[])).unwrap();
    assert_eq!(ids, ["7", "3", "9", "1", "5"].map(|id| Some(id.to_owned())));
    // Keys are asked for no names; records are.
    assert_eq!(
        asked,
        ["/c?n=5", "/c?display=full&ids=7%2C3%2C9&fields=id%2Cn", "/c?display=full&ids=1%2C5&fields=id%2Cn"]
    );
    assert!(page.next.is_some() && !page.truncated);
}

#[test]
fn a_record_that_is_gone_keeps_its_place_and_a_row_without_key_too() {
    let m = listed(BY_ADDRESS);
    let keys = json!({ "found": [{ "id": 7 }, { "id": 3 }, { "id": "x" }, { "id": 1 }] });
    let (_, ids, page) = page(&m, &keys, |request| records(request, &["3"])).unwrap();
    assert_eq!(ids, [Some("7".to_owned()), None, None, Some("1".to_owned())]);
    assert_eq!(page.rows[1].as_ref().unwrap_err(), &RowFault::Gone);
    assert_eq!(page.rows[2].as_ref().unwrap_err(), &RowFault::NoKey);
    // A page of nothing that can be asked for asks for nothing.
    let none = json!({ "found": [{ "id": "x" }, {}] });
    let (asked, ids, _) = self::page(&m, &none, |_| unreachable!()).unwrap();
    assert_eq!((asked.len(), ids.len()), (1, 2));
}

#[test]
fn a_batch_that_is_not_found_is_one_whose_records_are_gone() {
    let m = listed(BY_ADDRESS);
    let all = m.entity().all();
    let listing = m.list(&all, &Filter::everything(), &[], None, 5).unwrap();
    let keys = answer(200, &json!({ "found": [{ "id": 7 }] }).to_string());
    for (status, is_gone) in [(404, true), (500, false), (401, false)] {
        let mut batch = m.batch(&listing, &keys).unwrap().unwrap();
        batch.request(&all).unwrap();
        let taken = batch.take(m.batch_rows(&listing, &answer(status, "{}"), &all));
        assert_eq!(taken.is_ok(), is_gone, "{status}");
    }
}

#[test]
fn a_record_that_was_not_asked_for_is_the_systems_fault() {
    let m = listed(BY_ADDRESS);
    let keys = json!({ "found": [{ "id": 7 }] });
    for said in [
        json!({ "found": [{ "id": 7 }, { "id": 8 }] }),
        json!({ "found": [{ "id": 8 }] }),
        json!({ "found": { "id": 7 } }),
        json!({}),
    ] {
        let fault = page(&m, &keys, |_| said.clone()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreadable, "{said}");
    }
    // More keys than one request may ask for are no page.
    let many: Json = (0..61).map(|n| json!({ "id": n })).collect();
    let fault = page(&m, &json!({ "found": many }), |request| records(request, &[])).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
}

#[test]
fn keys_that_are_the_rows_go_into_a_body_as_numbers() {
    let m = listed(
        r#"post: /search, rows: result, keys: ., read: { post: /read, rows: result, most: 50, body: { method: read, params: [ "{keys:number}", "{fields}" ] } }"#,
    );
    let all = m.entity().all();
    let listing = m.list(&all, &Filter::everything(), &[], None, 5).unwrap();
    let keys = answer(200, r#"{ "result": [7, 3, "007", [1], null, 7] }"#);
    let mut batch = m.batch(&listing, &keys).unwrap().unwrap();
    let request = batch.request(&all).unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/c/read"));
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({ "method": "read", "params": [[7, 3, 7], ["id", "n"]] }));
    let rows = m.batch_rows(&listing, &answer(200, r#"{ "result": [ { "id": 3 }, { "id": 7 } ] }"#), &all);
    batch.take(rows).unwrap();
    assert!(batch.request(&all).is_none());
    let ids: Vec<_> = batch.page().rows.into_iter().map(|row| row.map(|row| row.id.to_string())).collect();
    let gone = || Err(RowFault::NoKey);
    // One that is listed twice comes once.
    assert_eq!(ids.len(), 6);
    assert_eq!((&ids[0], &ids[1]), (&Ok("7".to_owned()), &Ok("3".to_owned())));
    assert_eq!((&ids[2], &ids[3], &ids[4]), (&gone(), &gone(), &gone()));
    assert_eq!(ids[5], Err(RowFault::Gone));
}

#[test]
fn a_list_of_keys_that_cannot_be_read_as_written_is_told_with_what_to_write() {
    for (list, word) in [
        ("rows: r, keys: id", "needs both `keys` and `read`"),
        ("rows: r, read: { get: '?ids={keys}', rows: r }", "needs both `keys` and `read`"),
        ("rows: r, keys: id, read: { rows: r }", "by `get` or by `post`"),
        ("rows: r, keys: id, read: { get: '?ids={keys}' }", "key `rows` is missing"),
        ("rows: r, keys: id, read: { get: '?ids=', rows: r }", "keys stand once"),
        ("rows: r, keys: id, read: { get: '?a={keys}&b={keys}', rows: r }", "keys stand once"),
        ("rows: r, keys: id, read: { post: '?a={keys}', rows: r, body: { a: '{keys}' } }", "keys stand once"),
        ("rows: r, keys: id, read: { get: '/', rows: r, body: { a: '{keys}' } }", "a `get` carries no body"),
        ("rows: r, keys: id, read: { get: '?ids={keys}', rows: r, most: 0 }", "between 1 and 500"),
        ("rows: r, keys: id, read: { get: '?ids={keys}', rows: r, most: 5 }", "raise `read.most`"),
    ] {
        let told = load_text("x", &text(list), "https://x.example").1;
        assert!(told.contains("x.yaml:6:") && told.contains(word), "{list}\n{told}");
    }
    // A key of any text could hold what stands between keys.
    let free = text(BY_ADDRESS).replace(", form: digits", "");
    let told = load_text("x", &free, "https://x.example").1;
    assert!(told.contains("cannot hold what stands between them"), "{told}");
}
