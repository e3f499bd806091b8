//! Facts about keys of several parts, and about versions that travel in bodies.

use proptest::prelude::*;

use super::*;
use crate::schema::{Direction, Filter, Sort};

fn stock(head: &str, key: &str, calls: &str) -> (Option<System>, String) {
    let text = format!(
        r#"
{head}
settings: {{ company: usmf, plant: "100" }}
entities:
  StockLevel:
    at: /Stock
    key: {key}
{calls}
    fields:
      sku: item
      location.code: {{ at: place, write: never }}
      on_hand: {{ at: there, write: never }}
      updated_at: {{ at: changed, write: never }}
"#
    );
    load_text("x", &text, "https://x.example")
}

fn mapped(head: &str, key: &str, calls: &str) -> Arc<Mapping> {
    let (system, told) = stock(head, key, calls);
    system.unwrap_or_else(|| panic!("{told}")).entity("StockLevel").unwrap().clone()
}

const ODATA: &str =
    "    list: { page: { link: '@odata\\.nextLink' } }\n    read: {}\n    update: {}\n    delete: {}";
const REST: &str = "    list: { rows: rows }\n    read: { get: \"/{key.place}/items/{key.item}\" }";

fn target(m: &Mapping, id: &str) -> Option<String> {
    m.read(id, &FieldSet::ID).map(|request| request.target)
}

fn ids(m: &Mapping, rows: &str) -> Vec<Option<String>> {
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 50).unwrap();
    let page = m.inward_list(&listing, &answer(200, rows), &m.entity().all()).unwrap();
    page.rows.into_iter().map(|row| row.ok().map(|inward| inward.id.to_string())).collect()
}

#[test]
fn a_key_of_several_parts_is_one_id_and_odata_names_each_part() {
    let m = mapped("speaks: odata4", "[item, { at: place, form: digits }]", ODATA);
    let row = r#"{ "value": [ { "item": "A,1\\x", "place": 7 }, { "item": "", "place": 8 }, { "item": null, "place": 9 } ] }"#;
    assert_eq!(
        ids(&m, row),
        [Some(r"A\,1\\x,7".to_owned()), Some(",8".to_owned()), Some(",9".to_owned())],
        "an empty part is one"
    );
    assert_eq!(
        target(&m, r"O'B\,\\,7").unwrap(),
        "/Stock(item=%27O%27%27B%2C%5C%27,place=7)?$select=item%2Cplace"
    );
    assert_eq!(target(&m, ",8").unwrap(), "/Stock(item=%27%27,place=8)?$select=item%2Cplace");
    for none in ["", "A", "A,7,8", r"A\x,7", r"A,7\", "A,x", "7,A", "A,"] {
        assert_eq!(target(&m, none), None, "{none}");
    }
}

#[test]
fn odata_2_spells_each_part_as_its_form_says() {
    let key = "[item, { at: place, form: guid }]";
    let m = mapped("speaks: odata2", key, "    list: { page: { link: d.__next } }\n    read: {}");
    let guid = "00000000-0000-0000-0000-00000000000a";
    assert_eq!(
        target(&m, &format!("A,{guid}")).unwrap(),
        format!("/Stock(item=%27A%27,place=guid%27{guid}%27)?$select=item%2Cplace")
    );
}

#[test]
fn a_record_without_one_of_its_parts_has_no_key() {
    let m = mapped("speaks: odata4", "[item, place]", ODATA);
    let rows = r#"{ "value": [ { "item": "A" }, { "item": "", "place": "" }, { "item": {}, "place": "1" }, { "item": "A", "place": "1" } ] }"#;
    assert_eq!(ids(&m, rows), [None, None, None, Some("A,1".to_owned())]);
}

#[test]
fn a_part_that_where_fixes_stands_in_addresses_and_not_in_the_id() {
    let calls = format!("    where: {{ company: $settings.company }}\n{ODATA}");
    let m = mapped("speaks: odata4", "[company, item]", &calls);
    let rows = r#"{ "value": [ { "company": "usmf", "item": " A,1" }, { "company": "dat", "item": "A" } ] }"#;
    assert_eq!(ids(&m, rows), [Some(" A,1".to_owned()), None]);
    assert_eq!(
        target(&m, " A,1").unwrap(),
        "/Stock(company=%27usmf%27,item=%27%20A%2C1%27)?$select=company%2Citem"
    );
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 50).unwrap();
    assert_eq!(
        catalogue::decoded(&listing),
        "/Stock?$filter=company eq 'usmf'&$select=company,item",
        "only its own are asked for"
    );
}

#[test]
fn an_order_is_made_whole_by_every_part_of_the_key() {
    let m = mapped("speaks: odata4", "[item, place]", ODATA);
    let leaf = m.entity().leaf_at("updated_at").unwrap();
    let sort = [Sort { leaf, direction: Direction::Descending }];
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &sort, None, 50).unwrap();
    assert!(catalogue::decoded(&listing).contains("$orderby=changed desc,item asc,place asc"));
    assert!(listing.sort_pushed);
}

#[test]
fn an_address_of_its_own_names_each_part_in_its_place() {
    let m = mapped("", "[item, place]", REST);
    assert_eq!(target(&m, "A b,W/1").unwrap(), "/Stock/W%2F1/items/A%20b");
    assert_eq!(target(&m, r"A\,b,W").unwrap(), "/Stock/W/items/A%2Cb");
    for none in ["A,", ",W", "..,W", "A,.", "A"] {
        assert_eq!(target(&m, none), None, "{none} is another address");
    }
    let calls = "    where: { place: $settings.plant }\n    list: { rows: rows }\n    read: { get: \"/{key.place}/items/{key.item}\" }";
    let m = mapped("", "[item, place]", calls);
    assert_eq!(target(&m, "A").unwrap(), "/Stock/100/items/A");
}

#[test]
fn what_names_a_key_wrongly_is_told_with_what_to_write() {
    for (head, key, calls, what, help) in [
        ("", "[item]", REST, "2 to 16", "one path"),
        ("", "[item, item]", REST, "twice", "once"),
        ("", "[item, place]", "    read: {}", "as a whole", "{key.item}/{key.place}"),
        ("", "[item, place]", "    read: { get: \"/{key.item}\" }", "leaves out a part", "`{key.place}`"),
        ("", "[item, place]", "    read: { get: \"/{key.item}/{key.plac}\" }", "no part", "{key.place}"),
        ("", "item", "    read: { get: \"/{key.item}\" }", "by itself", "`{key}`"),
        ("speaks: odata4", "[item, place]", "    read: { get: \"({key.item})\" }", "by itself", "`{key}`"),
        ("speaks: odata4", "[item, 'a[0].b']", "    read: {}", "no name of a property", "properties"),
        (
            "",
            "[item, place]",
            "    read: { post: \"\", body: { id: \"{key}\" } }",
            "as a whole",
            "{key.item}",
        ),
        ("", "item", "    read: { get: \"('{key}')\" }", "quotes", "digits"),
        ("", "[item, place]", "    read: { get: \"/{key.item}('{key.place}')\" }", "quotes", "digits"),
        ("", "[item, place]", "    where: { item: a, place: b }", "every part", "take that one out"),
        (
            "",
            "[item, { at: place, form: digits }]",
            "    where: { place: b }",
            "no part of that form",
            "leave out",
        ),
        (
            "",
            "[item, place]",
            "    create: { returns: key, key_at: id }",
            "tells one value",
            "returns: nothing",
        ),
        ("", "item", "    where: { place: $settings.plan }", "is not in `settings`", "plant"),
    ] {
        let (system, told) = stock(head, key, calls);
        assert!(system.is_none(), "{key} {calls}");
        assert!(
            told.contains(what) && told.contains(help) && told.contains("x.yaml:"),
            "{key} {calls}: {told}"
        );
    }
}

const VERSIONED: &str = r#"    version: { at: token }
    list: { rows: rows }
    read: {}
    update: { post: "", body: { "{record}": ~, Id: "{key}", token: "{version}", sparse: true } }
    delete: { post: "?operation=delete", body: { Id: "{key}", token: "{version}" } }"#;

#[test]
fn a_version_goes_back_in_the_body_where_the_body_says_so() {
    let m = mapped("", "Id", VERSIONED);
    let (old, new) = (record(&m, r#"{ "sku": "A" }"#), record(&m, r#"{ "sku": "B" }"#));
    let sent =
        |request: NativeRequest| -> serde_json::Value { serde_json::from_slice(&request.body).unwrap() };
    let request = m.update("7", &old, &new, Some("3")).unwrap().unwrap();
    assert!(!request.headers.contains_key("if-match"));
    let want = serde_json::json!({ "item": "B", "Id": "7", "token": "3", "sparse": true });
    assert_eq!((request.target.as_str(), sent(request.clone())), ("/Stock", want));
    let request = m.delete("7", Some("3")).unwrap();
    assert_eq!(request.target, "/Stock?operation=delete");
    assert_eq!(sent(request), serde_json::json!({ "Id": "7", "token": "3" }));
    for version in [None, Some("")] {
        assert!(m.update("7", &old, &new, version).is_err(), "nothing is changed unguarded");
        assert!(m.delete("7", version).is_err());
    }
}

#[test]
fn a_version_that_would_not_go_back_is_told() {
    let unguarded = VERSIONED.replace(", token: \"{version}\"", "");
    let nowhere = VERSIONED.replace("    version: { at: token }\n", "");
    for (calls, what, help) in
        [(&unguarded, "no header", "`\"{version}\"`"), (&nowhere, "has one", "version: { at:")]
    {
        let (system, told) = stock("", "Id", calls);
        assert!(system.is_none() && told.contains(what) && told.contains(help), "{told}");
    }
}

proptest! {
    /// Whatever parts hold: no two keys have one id, every id gives back its parts, and none leaves its literal.
    #[test]
    fn every_key_has_an_id_of_its_own(a in "[a-b,'\\\\ /()=]{0,6}", b in "[a-b,'\\\\ /()=]{1,6}") {
        let m = mapped("speaks: odata4", "[item, place]", ODATA);
        let row = serde_json::json!({ "value": [ { "item": a, "place": b } ] }).to_string();
        let id = ids(&m, &row).remove(0).unwrap();
        let target = target(&m, &id).unwrap();
        let path = target.split_once('?').unwrap().0;
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        prop_assert_eq!(decoded, format!("/Stock(item={},place={})", quoted(&a), quoted(&b)));
        // The comma between two parts is the only one that is bare.
        prop_assert_eq!(path.matches(',').count(), 1);
    }
}
