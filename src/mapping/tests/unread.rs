//! What no line reads is told by its path and never by its value, and what a file ignores is not told.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const SHOP: &str = "
absent: { any: [\"\"] }
entities:
  Product:
    at: /articles
    key: articleId
    where: { live: true }
    list: { rows: data.articles, page: { next: nextToken, query: token } }
    read: {}
    IGNORE
    fields:
      sku: number
      name: texts.title
      description: { join: [\"notes[0].text\", \"notes[1].more\"] }
";

const LAMP: &str = r#"{ "articleId": "17", "live": true, "number": "L1", "texts": { "title": "Lamp", "body": "warm" },
  "notes": [ { "text": "a", "more": "b", "by": "Ewa" }, { "text": "c", "more": "d" }, { "else": 1 } ],
  "prices": { "net": 1, "gross": [ { "a": 1 } ] }, "tags": [], "gone": null,
  "mails": 7, "stock_at_48213": 3 }"#;

fn shop(ignore: &str) -> (Option<System>, String) {
    load_text("shop", &SHOP.replace("IGNORE", ignore), "https://shop.example")
}

fn loaded(ignore: &str) -> Arc<Mapping> {
    let (system, told) = shop(ignore);
    system.unwrap_or_else(|| panic!("{told}")).entity("Product").unwrap().clone()
}

fn new_fields(mapping: &Mapping, body: &str) -> Vec<String> {
    mapping.new_fields(None, &answer(200, body), &[0]).paths.into_keys().collect()
}

#[test]
fn a_native_field_that_no_line_reads_is_told_by_its_path_from_the_top() {
    let told = new_fields(&loaded(""), LAMP);
    assert_eq!(told, ["gone", "mails", "notes[].by", "prices", "stock_at_#", "tags", "texts.body"]);
}

#[test]
fn what_the_file_ignores_is_not_told_with_everything_below_it() {
    let mapping = loaded("ignore: [texts, 'notes[].by', prices.*, 'tags[]', stock_at_#, gone, mailss]");
    assert_eq!(new_fields(&mapping, LAMP), ["mails"]);
    assert!(new_fields(&loaded("ignore: ['*']"), LAMP).is_empty());
}

#[test]
fn a_name_that_may_be_somebodys_is_not_told() {
    let body = r#"{ "articleId": "1", "live": true, "texts": { "jan@example.com": 1, "Jan Kowalski": 2, "5260250274": 3, "@lang": 4,
        "ab12": 5, "sku5260250274x": 6, "": 7, "odd\"name": 8, "Ilość": 9, "a.b": 10 } }"#;
    assert_eq!(
        new_fields(&loaded(""), body),
        ["texts.*", "texts.@lang", "texts.Ilość", "texts.a\\.b", "texts.ab12", "texts.sku#x"]
    );
}

#[test]
fn of_a_page_the_rows_asked_for_are_looked_at_and_what_stands_around_them_is_no_field() {
    let mapping = loaded("");
    let all = mapping.entity().all();
    let listing = mapping.list(&all, &schema::Filter::everything(), &[], None, 10).unwrap();
    let row = |n: u32| format!(r#"{{ "articleId": "{n}", "live": true, "f{n}": {{}}, "same": 1 }}"#);
    let rows: Vec<String> = (0..6).map(row).collect();
    let body = format!(
        r#"{{ "took": 3, "data": {{ "articles": [{}, 7], "total": 6 }}, "nextToken": "x" }}"#,
        rows.join(",")
    );
    let found = mapping.new_fields(Some(&listing), &answer(200, &body), &[1, 4, 6, 90]);
    assert_eq!((found.records, found.flawed), (3, 2));
    let told: Vec<(&str, u32)> = found.paths.iter().map(|(path, count)| (path.as_str(), *count)).collect();
    assert_eq!(told, [("f1", 1), ("f4", 1), ("same", 2)]);
    // Whoever writes the mapping is told of all of it, from the root of the answer.
    let unread = mapping.unread(&Bytes::from(body));
    for path in ["took", "data.total", "data.articles[].f5", "data.articles[].same"] {
        assert!(unread.iter().any(|told| told == path), "{path}: {unread:?}");
    }
}

#[test]
fn annotations_of_the_protocol_are_no_fields() {
    let text = "
speaks: odata4
entities:
  Product: { at: /items, read: {}, fields: { sku: number } }
";
    let (system, told) = load_text("erp", text, "https://erp.example/api");
    let mapping = system.unwrap_or_else(|| panic!("{told}")).entity("Product").unwrap().clone();
    let body =
        r#"{ "@odata.context": "x", "id": "1", "number@odata.type": "y", "number": "A", "colour": "red" }"#;
    assert_eq!(new_fields(&mapping, body), ["colour"]);
}

#[test]
fn elements_and_attributes_that_no_line_reads_are_told_too() {
    let text = "
speaks: xml
entities:
  Product:
    at: /articles
    key: '@id'
    wrap: shop.article
    list: { rows: shop.articles.article }
    read: {}
    ignore: [price]
    fields: { sku: number, name: 'title.language[0].#' }
";
    let (system, told) = load_text("shop", text, "https://shop.example");
    let mapping = system.unwrap_or_else(|| panic!("{told}")).entity("Product").unwrap().clone();
    let lamp = r#"<article id="17" state="new"><number unit="x">L1</number><title><language id="1">Lamp</language><hint/></title>
        <price currency="EUR">1</price><codes><code>590</code></codes></article>"#;
    let one = new_fields(&mapping, &format!("<shop>{lamp}</shop>"));
    let expected = ["@state", "codes", "number.@unit", "title.hint", "title.language[].@id"];
    assert_eq!(one, expected);
    let all = mapping.entity().all();
    let listing = mapping.list(&all, &schema::Filter::everything(), &[], None, 10).unwrap();
    let page = format!("<shop><took/><articles><article id=\"1\"/>{lamp}</articles></shop>");
    assert!(mapping.unread(&Bytes::from(page.clone())).contains(&"shop.took".to_owned()));
    let found = mapping.new_fields(Some(&listing), &answer(200, &page), &[1]);
    assert_eq!(found.records, 1);
    assert_eq!(found.paths.into_keys().collect::<Vec<_>>(), expected);
}

#[test]
fn what_cannot_be_meant_by_ignore_or_stale_is_told_with_what_to_write_instead() {
    for (ignore, words) in [
        ("ignore: texts", "`ignore` is a list of native paths (write `ignore: [path, other.path]`)"),
        ("ignore: ['notes[0].by']", "names one place of a list (write `[]`"),
        ("ignore: ['']", "a path to ignore has 1 to 200 printable characters"),
        ("ignore: ['[]']", "is no path; `'*'` stands for all"),
        ("stale: soon", "expected a period"),
        ("stale: 0", "a record that changed just now would be stale; write a period, as in `90d`"),
        ("stale: { by: created_at }", "key `after` is missing"),
        (
            "stale: { after: 90d, by: sku }",
            "`sku` is no moment or day of `Product` itself (expected one of: created_at, updated_at)",
        ),
        (
            "stale: 90d",
            "no line reads `updated_at`, so no record is known to be stale (add a line for `updated_at`, or name another with `by`)",
        ),
        ("stale: { after: 90d, since: 1 }", "unknown key `since`"),
    ] {
        let (system, told) = shop(ignore);
        assert!(system.is_none() && told.contains(words), "{ignore}: {told}");
        assert!(told.starts_with("shop.yaml:10:"), "{told}");
    }
    // What contradicts the lines is doubtful, and loads.
    let (system, told) = shop("ignore: [texts.title, texts]");
    assert!(system.is_some() && told.contains("warning: `texts.title` is read by a line"), "{told}");
    assert_eq!(told.matches("warning").count(), 1, "beside what is read there may be more: {told}");
}

proptest! {
    /// Whatever a system names its fields, what is told is bounded and holds no long number and no address.
    #[test]
    fn paths_are_bounded_and_name_nobody(names in prop::collection::vec("\\PC{0,80}", 0..300)) {
        let fields: serde_json::Map<String, serde_json::Value> =
            names.into_iter().map(|name| (name, serde_json::json!({ "x": "value" }))).collect();
        let mut record = serde_json::json!({ "articleId": "1", "live": true });
        record["texts"] = fields.into();
        let told = new_fields(&loaded(""), &record.to_string());
        prop_assert!(told.len() <= 200);
        for path in told {
            prop_assert!(path.chars().count() <= 200);
            prop_assert!(path.starts_with("texts."));
            let name = path.trim_start_matches("texts.");
            prop_assert!(!name.chars().skip(1).any(|c| c == '@' || c.is_whitespace() || c.is_control()), "{path}");
            prop_assert!(!name.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit)), "{path}");
        }
    }
}

#[test]
fn what_the_errors_of_a_file_look_at_is_read() {
    let text = "errors: [ { status: any, at: success, equals: 'false', is: invalid, text: why, faults: { each: message, field: at } } ]";
    let (system, told) =
        load_text("shop", &format!("{text}\n{SHOP}").replace("IGNORE", ""), "https://shop.example");
    let mapping = system.unwrap_or_else(|| panic!("{told}")).entity("Product").unwrap().clone();
    let body = r#"{ "success": true, "message": [ { "at": "x", "more": 1 } ], "why": "", "took": 3,
        "data": { "articles": [ { "articleId": "1", "live": true, "success": 1 } ] } }"#;
    assert_eq!(mapping.unread(&Bytes::from_static(body.as_bytes())), ["data.articles[].success", "took"]);
    // Of a record that stands alone the same holds, and its own fields are its own to a gate.
    let alone = r#"{ "success": true, "message": [], "articleId": "1", "live": true, "other": 1 }"#;
    assert_eq!(mapping.unread(&Bytes::from_static(alone.as_bytes())), ["other"]);
    assert_eq!(new_fields(&mapping, alone), ["other"]);
}
