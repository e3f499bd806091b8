//! Facts about lists as systems page them: by number, by offset, by link, to their end and no further.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

/// A mapping of customers whose `list` is as written.
fn listed(list: &str) -> Arc<Mapping> {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    list: {{ {list} }}\n    fields: {{ given_name: n }}\n"
    );
    let (system, told) = load_text("x", &text, "https://x.example/api");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn told(list: &str) -> String {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    list: {{ {list} }}\n    fields: {{ given_name: n }}\n"
    );
    load_text("x", &text, "https://x.example/api").1
}

fn asked(m: &Mapping, cursor: Option<&str>, limit: u32) -> Listing {
    m.list(&FieldSet::ID, &Filter::everything(), &[], cursor, limit).unwrap()
}

fn rows(numbers: impl IntoIterator<Item = usize>) -> serde_json::Value {
    numbers.into_iter().map(|n| json!({ "id": n.to_string(), "n": "Ewa" })).collect()
}

fn with(mut answer: NativeAnswer, headers: &[(&'static str, &str)]) -> NativeAnswer {
    for (name, value) in headers {
        answer.headers.append(*name, value.parse().unwrap());
    }
    answer
}

fn read(m: &Mapping, listing: &Listing, answer: &NativeAnswer) -> Result<Page, SystemFault> {
    m.inward_list(listing, answer, &FieldSet::ID)
}

/// Walks a list through a system; ids in order, whether it was told as cut, and requests.
fn walk(
    m: &Mapping,
    limit: u32,
    mut system: impl FnMut(&NativeRequest) -> NativeAnswer,
) -> (Vec<usize>, bool, Vec<NativeRequest>) {
    let (mut ids, mut requests, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let listing = asked(m, cursor.as_deref(), limit);
        requests.push(listing.request.clone());
        assert!(requests.len() < 100, "a list without end");
        let page = read(m, &listing, &system(&listing.request)).unwrap();
        ids.extend(page.rows.into_iter().map(|row| row.unwrap().id.parse::<usize>().unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return (ids, page.truncated, requests);
        }
    }
}

/// A parameter of a request's query.
fn parameter(request: &NativeRequest, name: &str) -> Option<usize> {
    let (_, query) = request.target.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.parse().unwrap())
}

fn body(request: &NativeRequest) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn numbered_pages_end_where_all_rows_or_pages_were_seen() {
    const ALL: usize = 23;
    let page = |at: usize, size: usize| (at * size).min(ALL)..((at + 1) * size).min(ALL);
    let whole: Vec<usize> = (0..ALL).collect();
    for limit in [1, 5, 10, 100] {
        let size = (limit as usize).min(10);
        let pages = ALL.div_ceil(size);
        // The total in the body, pages from 0.
        let m = listed("rows: r, page: { number: p, from: 0, size: n, most: 10, total: all.count }");
        let (ids, cut, requests) = walk(&m, limit, |ask| {
            let (p, n) = (parameter(ask, "p").unwrap(), parameter(ask, "n").unwrap());
            answer(200, &json!({ "r": rows(page(p, n)), "all": { "count": ALL } }).to_string())
        });
        assert_eq!((&ids, cut, requests.len()), (&whole, false, pages), "{limit}");
        // The number of pages in a header, a bare list, pages from 1.
        let m = listed("rows: ., page: { number: p, size: n, most: 10, pages: { header: X-Pages } }");
        let (ids, cut, requests) = walk(&m, limit, |ask| {
            let (p, n) = (parameter(ask, "p").unwrap(), parameter(ask, "n").unwrap());
            let headers = [("x-pages", &*pages.to_string())];
            with(answer(200, &rows(page(p - 1, n)).to_string()), &headers)
        });
        assert_eq!((&ids, cut, requests.len()), (&whole, false, pages), "{limit}");
        // A short page, asked for in a body; after a full last page it is an empty one.
        let m = listed(
            "post: /search, rows: r, page: { number: at.page, size: at.rows, most: 10, ends: short_page }",
        );
        let (ids, cut, requests) = walk(&m, limit, |ask| {
            let body = body(ask);
            let at = |name: &str| body["at"][name].as_u64().unwrap() as usize;
            answer(200, &json!({ "r": rows(page(at("page") - 1, at("rows"))) }).to_string())
        });
        assert_eq!((&ids, cut, requests.len()), (&whole, false, ALL / size + 1), "{limit}");
    }
}

#[test]
fn a_system_that_repeats_its_last_page_ends_and_no_row_comes_twice() {
    for page in ["number: p, size: n, most: 10, ends: short_page", "offset: p, size: n, most: 10"] {
        let m = listed(&format!("rows: r, page: {{ {page} }}"));
        let mut asked = 0;
        let (ids, cut, _) = walk(&m, 10, |_| {
            asked += 1;
            let first = if asked == 1 { 0 } else { 10 };
            answer(200, &json!({ "r": rows(first..first + 10) }).to_string())
        });
        assert_eq!((ids, cut, asked), ((0..20).collect(), true, 3), "{page}");
    }
    // With a total it is never asked past its end.
    let m = listed("rows: r, page: { number: p, size: n, most: 10, total: t }");
    let (ids, cut, requests) = walk(&m, 10, |ask| {
        let first = if parameter(ask, "p") == Some(1) { 0 } else { 10 };
        answer(200, &json!({ "r": rows(first..first + 10), "t": 20 }).to_string())
    });
    assert_eq!((ids, cut, requests.len()), ((0..20).collect(), false, 2));
}

#[test]
fn an_end_that_the_systems_own_count_denies_is_told_as_a_cut() {
    for (page, extra) in [
        ("total: t", json!({ "t": 30 })),
        ("pages: t", json!({ "t": "3" })),
        ("more: t", json!({ "t": true })),
    ] {
        let m = listed(&format!("rows: r, page: {{ number: p, size: n, most: 10, {page} }}"));
        let (ids, cut, _) = walk(&m, 10, |ask| {
            let mut body = extra.clone();
            body["r"] = if parameter(ask, "p") == Some(1) { rows(0..10) } else { rows([]) };
            answer(200, &body.to_string())
        });
        assert_eq!((ids, cut), ((0..10).collect(), true), "{page}");
    }
}

#[test]
fn a_count_that_cannot_be_read_is_the_systems_fault_and_no_end() {
    for (page, bodies) in [
        (
            "total: t",
            vec![
                json!({}),
                json!({ "t": null }),
                json!({ "t": -1 }),
                json!({ "t": 1.5 }),
                json!({ "t": "many" }),
            ],
        ),
        ("pages: { header: X-Pages }", vec![json!({})]),
        ("more: t", vec![json!({}), json!({ "t": null }), json!({ "t": "perhaps" }), json!({ "t": [] })]),
    ] {
        let m = listed(&format!("rows: r, page: {{ number: p, size: n, most: 10, {page} }}"));
        let listing = asked(&m, None, 10);
        for mut body in bodies {
            body["r"] = rows(0..10);
            let fault = read(&m, &listing, &answer(200, &body.to_string())).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unreadable, "{page} {body}");
        }
    }
    // Of nothing it need not be said how many there are.
    let m = listed("rows: r, page: { number: p, size: n, most: 10, total: t }");
    let page = read(&m, &asked(&m, None, 10), &answer(200, r#"{"r":[]}"#)).unwrap();
    assert!(page.next.is_none() && !page.truncated);
}

#[test]
fn rows_are_counted_from_one_and_in_a_body_where_the_file_says_so() {
    let m = listed("post: /q, rows: r, page: { offset: start, from: 1, size: max, most: 10, total: t }");
    let (ids, cut, requests) = walk(&m, 10, |ask| {
        let body = body(ask);
        let first = body["start"].as_u64().map_or(0, |start| start as usize - 1);
        answer(200, &json!({ "r": rows(first..(first + 10).min(25)), "t": 25 }).to_string())
    });
    assert_eq!((ids, cut), ((0..25).collect(), false));
    assert_eq!(body(&requests[0]), json!({ "max": 10 }));
    assert_eq!(body(&requests[2]), json!({ "max": 10, "start": 21 }));
    // The query of a `post` can carry them too.
    let m = listed(
        "post: /q, rows: r, page: { offset: { query: skip }, size: { query: top }, most: 10, ends: short_page }",
    );
    let (ids, _, requests) = walk(&m, 10, |ask| {
        let first = parameter(ask, "skip").unwrap_or(0);
        answer(200, &json!({ "r": rows(first..(first + 10).min(12)) }).to_string())
    });
    assert_eq!((ids.len(), requests[1].target.as_str()), (12, "/c/q?skip=10&top=10"));
}

#[test]
fn a_page_of_the_systems_own_size_is_as_large_as_the_file_says() {
    let m = listed("rows: r, page: { number: page, most: 100, ends: short_page }");
    let (ids, cut, requests) = walk(&m, 7, |ask| {
        let page = parameter(ask, "page").unwrap();
        answer(200, &json!({ "r": rows((page - 1) * 100..(page * 100).min(130)) }).to_string())
    });
    assert_eq!((ids.len(), cut, requests.len()), (130, false, 2));
    assert_eq!(requests[1].target, "/c?page=2");
}

#[test]
fn numbered_pages_keep_their_size_up_to_a_window_and_stop_before_it() {
    let m = listed("rows: r, page: { number: p, size: n, most: 10, window: 25, ends: short_page }");
    let (ids, cut, requests) = walk(&m, 10, |ask| {
        let page = parameter(ask, "p").unwrap();
        answer(200, &json!({ "r": rows((page - 1) * 10..page * 10) }).to_string())
    });
    assert_eq!((ids.len(), cut), (20, true));
    assert!(requests.iter().all(|request| parameter(request, "n") == Some(10)));
}

#[test]
fn a_flag_decides_whether_a_token_is_followed() {
    let m = listed("rows: r, page: { next: info.end, more: info.more, query: after, size: n, most: 10 }");
    let page = |info: serde_json::Value| {
        read(&m, &asked(&m, None, 10), &answer(200, &json!({ "r": [], "info": info }).to_string()))
    };
    assert!(page(json!({ "end": "x", "more": true })).unwrap().next.is_some());
    assert!(page(json!({ "end": "x", "more": "true" })).unwrap().next.is_some());
    assert!(page(json!({ "end": "x", "more": false })).unwrap().next.is_none());
    assert!(page(json!({ "end": null, "more": false })).unwrap().next.is_none());
    for bad in [json!({ "end": null, "more": true }), json!({ "end": "x" }), json!({ "end": "x", "more": 1 })]
    {
        assert_eq!(page(bad.clone()).unwrap_err().kind, FaultKind::Unreadable, "{bad}");
    }
}

#[test]
fn an_answer_without_rows_is_an_empty_page_only_where_the_file_says_so() {
    let asks = |list: &str, text: &str| {
        let m = listed(list);
        read(&m, &asked(&m, None, 10), &answer(200, text)).map(|page| page.rows.len())
    };
    for text in ["{}", r#"{"r":null}"#] {
        assert_eq!(asks("rows: { at: r, absent: empty }", text), Ok(0), "{text}");
        assert_eq!(asks("rows: r", text).unwrap_err().kind, FaultKind::Unreadable, "{text}");
    }
    // What it should stand in must be there.
    for text in [r#"{"r":{}}"#, r#"{"r":"x"}"#, "[]", "null", "1"] {
        let fault = asks("rows: { at: r, absent: empty }", text).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreadable, "{text}");
    }
    let fault = asks("rows: { at: data.r, absent: empty }", r#"{"data":null}"#).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreadable);
    assert_eq!(asks("rows: .", r#"[{"id":"1"},{"id":"2"}]"#), Ok(2));
    assert_eq!(asks("rows: .", "{}").unwrap_err().kind, FaultKind::Unreadable);
}

fn linked(fields: &[&str]) -> Result<Option<String>, FaultKind> {
    let m = listed("rows: ., page: { link: { header: Link, rel: next }, size: limit, most: 50 }");
    let fields: Vec<_> = fields.iter().map(|field| ("link", *field)).collect();
    let listing = asked(&m, None, 50);
    assert_eq!(listing.request.target, "/c?limit=50");
    let page = read(&m, &listing, &with(answer(200, "[]"), &fields)).map_err(|fault| fault.kind)?;
    Ok(page.next.map(|next| asked(&m, Some(&next), 50).request.target))
}

#[test]
fn the_next_page_is_the_link_with_that_relation_however_the_field_is_written() {
    let next = Ok(Some("/c?page_info=b&limit=50".to_owned()));
    for fields in [
        &[r#"<https://x.example/api/c?page_info=b&limit=50>; rel="next""#][..],
        &["<https://x.example/api/c?page_info=b&limit=50>;rel=next"],
        &[r#"</api/c?page_info=b&limit=50> ; title="a, b; \" rel=prev" ; REL = "prefetch NEXT""#],
        &[r#"<?page_info=a>; rel="previous", <?page_info=b&limit=50>; rel="next""#],
        &[r#"<?page_info=a>; rel="previous""#, r#", <?page_info=b&limit=50>; rel="next","#],
        // Of several relations the first holds, and the same page twice is one.
        &["<?page_info=b&limit=50>; rel=next; rel=previous, <?page_info=b&limit=50>; rel=next"],
        // A link with an anchor is one of another page.
        &[r##"<?page_info=c>; rel=next; anchor="#foo", <?page_info=b&limit=50>; flag; rel=next"##],
    ] {
        assert_eq!(linked(fields), next, "{fields:?}");
    }
    for fields in [&[][..], &[""], &["<?a>; rel=prev"], &["<?a>; title=next"], &["<?a>; rel=prev; rel=next"]]
    {
        assert_eq!(linked(fields), Ok(None), "{fields:?}");
    }
}

#[test]
fn a_field_that_holds_no_links_or_two_next_pages_is_the_systems_fault_and_no_end() {
    for fields in [
        &["?page_info=b; rel=next"][..],
        &["<?page_info=b; rel=next"],
        &[r#"<?page_info=b>; rel="next"#],
        &["<?page_info=b> rel=next"],
        &["<?page_info=b>; rel=next <?page_info=c>; rel=prev"],
        &["<?page_info=b>; rel=next, <?page_info=c>; rel=next"],
        // The page itself.
        &["</api/c?limit=50>; rel=next"],
    ] {
        assert_eq!(linked(fields), Err(FaultKind::Unreadable), "{fields:?}");
    }
    for link in [
        "<https://evil.example/api/c>; rel=next",
        "<http://x.example/api/c>; rel=next",
        "<//evil.example/api/c>; rel=next",
        "</other/c>; rel=next",
        "<https://x.example/apic>; rel=next",
    ] {
        assert_eq!(linked(&[link]), Err(FaultKind::ForeignLink), "{link}");
    }
    let m = listed("rows: ., page: { link: { header: Link } }");
    let mut answer = answer(200, "[]");
    answer.headers.append("link", HeaderValue::from_bytes(b"<?\xff>; rel=next").unwrap());
    assert_eq!(read(&m, &asked(&m, None, 10), &answer).unwrap_err().kind, FaultKind::Unreadable);
}

#[test]
fn a_cursor_of_another_kind_of_list_is_none_of_a_counted_one() {
    let m = listed("rows: r, page: { number: p, size: n, most: 10, ends: short_page }");
    let list = |cursor: &str| m.list(&FieldSet::ID, &Filter::everything(), &[], Some(cursor), 10);
    assert_eq!(list("0:20:2:f").unwrap().request.target, "/c?p=3&n=10");
    for cursor in ["", "0", "0:20", "0:20:2", "0:20:0:f", "1:20:2:f", "0:20:2:f:x", "0:x:2:f", "0:20:-1:f"] {
        assert_eq!(list(cursor).unwrap_err(), ListError::BadCursor, "{cursor}");
    }
}

#[test]
fn a_list_that_cannot_go_on_or_end_as_written_is_told_with_what_to_write() {
    for (list, word) in [
        ("rows: r, page: { number: p, size: n }", "does not say where it ends"),
        ("rows: r, page: { number: p, ends: short_page }", "how many rows one has"),
        ("rows: r, page: { offset: p }", "how many rows one has"),
        (
            "rows: r, page: { number: p, size: n, total: t, ends: short_page }",
            "one of `total`, `pages` and `ends`",
        ),
        ("rows: r, page: { number: p, size: n, total: t, more: m }", "a list ends by `more`, or by"),
        ("rows: r, page: { next: t, query: q, total: t }", "tell the end of pages that are counted"),
        (
            "rows: r, page: { number: p, offset: o, size: n, ends: short_page }",
            "one of `next`, `link`, `offset` and `number`",
        ),
        ("rows: r, page: { next: t }", "goes into `query` or into `body`"),
        ("rows: r, page: { query: q }", "`next` is missing"),
        ("rows: r, page: { more: m }", "`more` needs a way on"),
        ("rows: r, page: { next: t, query: q, from: 1 }", "`from` is the first"),
        ("rows: r, page: { number: { body: p }, size: n, ends: short_page }", "a `get` carries no body"),
        (
            "rows: r, page: { number: { query: p, body: q }, size: n, ends: short_page }",
            "into `query` or into `body`",
        ),
        ("rows: r, page: { number: p, size: n, ends: shortpage }", "short_page"),
        ("rows: r, page: { link: { header: 'a b' } }", "no name of a header field"),
        ("rows: r, page: { link: { rel: next } }", "key `header` is missing"),
        ("rows: r, page: { number: p, size: n, total: { heeder: x } }", "did you mean `header`"),
        ("rows: ., page: { number: p, size: n, total: t }", "no names beside its rows"),
        ("rows: { at: r, absent: none }", "empty"),
        ("rows: { at: r }", "key `absent` is missing"),
    ] {
        let told = told(list);
        assert!(told.contains("x.yaml:4:") && told.contains(word), "{list}\n{told}");
    }
}

/// A link as others write it: in quotes or not, with other parameters around its relation.
fn a_link() -> impl Strategy<Value = (String, String, bool)> {
    let target = "[a-zA-Z0-9?&=,;_.\"-]{1,12}";
    let text = r#"[ a-zA-Z0-9,;<>=_-]{0,10}"#;
    (target, text, any::<bool>(), any::<bool>()).prop_map(|(target, title, is_next, is_quoted)| {
        let rel = if is_next { "next" } else { "prev" };
        let rel = if is_quoted { format!("\"{rel}\"") } else { rel.to_owned() };
        let link = format!("<?q={target}>; title=\"{title}\"; rel={rel}; x=y");
        (link, format!("?q={target}"), is_next)
    })
}

proptest! {
    #[test]
    fn links_are_told_apart_whatever_stands_in_them(links in prop::collection::vec(a_link(), 0..4)) {
        let field = links.iter().map(|(link, ..)| link.as_str()).collect::<Vec<_>>().join(", ");
        let next: std::collections::BTreeSet<_> =
            links.iter().filter(|(.., is_next)| *is_next).map(|(_, target, _)| target.as_str()).collect();
        let got = linked(&[&field]);
        match next.into_iter().collect::<Vec<_>>()[..] {
            [] => prop_assert_eq!(got, Ok(None)),
            [one] => prop_assert_eq!(got, Ok(Some(format!("/c{}", one.replace('"', "%22"))))),
            _ => prop_assert_eq!(got, Err(FaultKind::Unreadable)),
        }
    }

    #[test]
    fn no_header_field_breaks_the_reader(field in "[<>;=,\" a-z\\\\/?:.-]{0,40}") {
        drop(linked(&[&field]));
    }
}

/// A report that comes in parts, each with rows of its own.
fn streamed(rows: &str) -> (Option<System>, String) {
    let text = format!(
        r#"
entities:
  Campaign:
    at: /campaigns
    key: {{ at: campaign.id, form: digits }}
    list: {{ post: ":searchStream", rows: {rows}, page: {{ most: 10000 }} }}
    lacks: {{ read: a record is found by a search alone }}
    fields: {{ name: {{ at: campaign.name, write: never }} }}
"#
    );
    load_text("x", &text, "https://x.example")
}

#[test]
fn rows_of_every_part_of_an_answer_are_one_list() {
    let read = |rows: &str, text: &str| {
        let (system, told) = streamed(rows);
        let system = system.unwrap_or_else(|| panic!("{told}"));
        let m = system.entity("Campaign").unwrap();
        let all = m.entity().all();
        let listing = m.list(&all, &Filter::everything(), &[], None, 5).unwrap();
        let page = m.inward_list(&listing, &answer(200, text), &all).map_err(|fault| fault.kind)?;
        assert!(page.next.is_none() && !page.truncated);
        Ok::<Vec<_>, FaultKind>(page.rows.into_iter().map(|row| row.unwrap().id.to_string()).collect())
    };
    let parts = r#"[ { "results": [ { "campaign": { "id": "1", "name": "a" } }, { "campaign": { "id": "2" } } ], "requestId": "x" },
        { "requestId": "x", "results": [ { "campaign": { "id": "3" } } ] } ]"#;
    assert_eq!(read("'[].results'", parts).unwrap(), ["1", "2", "3"]);
    assert_eq!(read("'[].results'", "[]").unwrap(), [""; 0]);
    let within = format!(r#"{{ "parts": {parts}, "more": 1 }}"#);
    assert_eq!(read("'parts[].results'", &within).unwrap(), ["1", "2", "3"]);
    let deep = r#"[ { "a": { "b": [ { "campaign": { "id": "7" } } ] } } ]"#;
    assert_eq!(read("'[].a.b'", deep).unwrap(), ["7"]);
    // A part without rows has none where the file says so, and else is no part of such an answer.
    let lacking =
        r#"[ { "results": [ { "campaign": { "id": "1" } } ] }, { "fieldMask": "x" }, { "results": null } ]"#;
    assert_eq!(read("{ at: '[].results', absent: empty }", lacking).unwrap(), ["1"]);
    assert_eq!(read("'[].results'", lacking).unwrap_err(), FaultKind::Unreadable);
    for text in [
        r#"{ "results": [] }"#,
        "null",
        "7",
        r#"[ [] ]"#,
        "[ 7 ]",
        "[ null ]",
        r#"[ { "results": {} } ]"#,
        r#"[ { "results": { "campaign": { "id": "1" } } } ]"#,
        r#"[ { "results": "" } ]"#,
        r#"[ { "results": [] }, "" ]"#,
        r#"[ { "results": [], "results": [ { "campaign": { "id": "1" } } ] } ]"#,
    ] {
        assert_eq!(
            read("{ at: '[].results', absent: empty }", text).unwrap_err(),
            FaultKind::Unreadable,
            "{text}"
        );
    }
    // Rows are bounded over all parts.
    let many: Vec<_> =
        (0..12).map(|_| json!({ "results": vec![json!({ "campaign": { "id": "1" } }); 1000] })).collect();
    assert_eq!(read("'[].results'", &Json::from(many).to_string()).unwrap_err(), FaultKind::Unreadable);
    let (_, told) = streamed("'a[].b[].c'");
    assert!(told.contains("x.yaml:6:") && told.contains("`[]` stands once"), "{told}");
}
