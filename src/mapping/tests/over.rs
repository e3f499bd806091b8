//! Facts about lists that run over parents: which of them are asked, how their records are named, and what is no list.

use super::*;
use crate::{
    mapping::{GoesOn, Parents, Wanted},
    schema::{Filter, Op, Value},
};

/// Stock of shelves: `over` and the rest of the entity as written.
fn text(over: &str, rest: &str) -> String {
    format!(
        "settings: {{ first: \"7\" }}\nentities:\n  StockLevel:\n    at: /shelves\n    over: {over}\n    {rest}\n    \
         fields: {{ sku: sku, unit: {{ at: unit, values: {{ pc: H87 }} }}, location: {{ code: $over, name: $over.name }} }}\n"
    )
}

const SHELVES: &str = "{ key: { at: id, form: digits }, most: 3, list: { at: /shelves, rows: shelves, page: { offset: skip, size: n, most: 2 } } }";
const STOCK: &str = "key: [$over, id]\n    list: { get: \"/{over}/stock\", rows: rows, page: { offset: skip, size: n, most: 2 } }\n    read: { get: \"/{over}/stock/{key}\" }";

fn loaded(text: &str) -> Arc<Mapping> {
    let (system, told) = load_text("x", text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}")).entity("StockLevel").unwrap().clone()
}

fn stock() -> Arc<Mapping> {
    loaded(&text(SHELVES, STOCK))
}

/// Asks for parents of a system that has so many shelves; which, and what was asked for.
fn gathered(mut parents: Parents<'_>, shelves: u32) -> (Result<Vec<String>, usize>, Vec<String>) {
    let mut targets = Vec::new();
    while let Some(request) = parents.request() {
        let skip = request.target.split("skip=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
        let skip = skip.unwrap_or(0_u32);
        // Out of their order.
        let rows = (skip..shelves.min(skip + 2))
            .map(|n| serde_json::json!({ "id": shelves + 7 - n, "name": format!("S{n}") }));
        let body = serde_json::json!({ "shelves": rows.collect::<Vec<_>>() }).to_string();
        targets.push(request.target);
        parents.take(&answer(200, &body)).unwrap();
    }
    let all = parents.all();
    let keys = all.map(|all| all.iter().map(|parent| parent.key().to_owned()).collect());
    (keys.map_err(|too_many| too_many.most), targets)
}

fn equal(m: &Mapping, path: &str, value: &str) -> Filter {
    Filter::test(m.entity().leaf_at(path).unwrap(), Op::Eq, Value::Text(value.into()))
}

#[test]
fn parents_come_in_the_order_of_their_keys_page_by_page_and_no_more_than_a_list_may_have() {
    let m = stock();
    let all = Filter::everything();
    let (keys, targets) = gathered(m.parents(Wanted::Filter(&all)).unwrap(), 3);
    assert_eq!(keys.unwrap(), ["8", "9", "10"], "numbers, not texts");
    assert_eq!(
        targets,
        ["/shelves?n=2", "/shelves?skip=2&n=2"],
        "no names of a record's fields are asked for"
    );
    let (keys, targets) = gathered(m.parents(Wanted::Filter(&all)).unwrap(), 100);
    assert_eq!((keys, targets.len()), (Err(3), 2), "a fourth is found on the second page");
    // Many that are not meant are none too many, as far as they are looked through.
    let named = equal(&m, "location.name", "S5");
    assert_eq!(gathered(m.parents(Wanted::Filter(&named)).unwrap(), 12).0.unwrap(), ["14"]);
    assert_eq!(gathered(m.parents(Wanted::Filter(&named)).unwrap(), 100).0, Err(3), "not all were looked at");
}

#[test]
fn a_filter_leaves_out_parents_of_which_no_record_can_pass() {
    let m = stock();
    let kept = |filter: &Filter| gathered(m.parents(Wanted::Filter(filter)).unwrap(), 3).0.unwrap();
    let (nine, ten) = (equal(&m, "location.code", "9"), equal(&m, "location.code", "10"));
    assert_eq!(kept(&nine), ["9"]);
    assert_eq!(kept(&nine.clone().or(ten.clone())), ["9", "10"]);
    assert_eq!(kept(&nine.clone().and(ten)), [""; 0]);
    assert_eq!(kept(&Filter::Not(Box::new(nine.clone()))), ["8", "10"]);
    // What is a record's own leaves none out.
    let lamp = equal(&m, "sku", "LAMP-1");
    assert_eq!(kept(&lamp).len(), 3);
    assert_eq!(kept(&lamp.clone().or(nine.clone())).len(), 3);
    assert_eq!(kept(&lamp.and(nine)), ["9"]);
}

#[test]
fn what_does_not_tell_of_all_parents_is_a_fault_and_no_short_list() {
    let m = stock();
    let all = Filter::everything();
    let fault = |body: &str| {
        let mut parents = m.parents(Wanted::Filter(&all)).unwrap();
        parents.request().unwrap();
        parents.take(&answer(200, body)).is_err()
    };
    assert!(!fault(r#"{"shelves":[{"id":1,"name":"a"}]}"#));
    assert!(!fault(r#"{"shelves":[]}"#), "none is told");
    for body in [
        r#"{"shelves":[{"name":"a"}]}"#,
        r#"{"shelves":[{"id":"x","name":"a"}]}"#,
        r#"{"shelves":[{"id":null}]}"#,
        r#"{"shelves":[7]}"#,
        r#"{"shelves":null}"#,
        r#"{"other":[]}"#,
        "[]",
    ] {
        assert!(fault(body), "{body}");
    }
    let mut parents = m.parents(Wanted::Filter(&all)).unwrap();
    parents.request().unwrap();
    assert!(parents.take(&answer(500, "{}")).is_err());
    // A page that is there once more ends no list.
    let mut parents = m.parents(Wanted::Filter(&all)).unwrap();
    let page = answer(200, r#"{"shelves":[{"id":1},{"id":2}]}"#);
    parents.request().unwrap();
    parents.take(&page).unwrap();
    parents.request().unwrap();
    assert!(parents.take(&page).is_err());
}

#[test]
fn records_are_named_with_their_parent_and_told_what_that_is() {
    let m = stock();
    let all = m.entity().all();
    let parent = Arc::new(m.parent("8"));
    let listing = m.list_of(Some(&parent), None, &all, (&Filter::everything(), &[]), None, 2).unwrap();
    assert_eq!(listing.request.target, "/shelves/8/stock?n=2");
    let page = answer(
        200,
        r#"{"rows":[{"id":"a,1","sku":"LAMP-1","unit":"pc"},{"id":"b","sku":"LAMP-2","unit":"pc"}]}"#,
    );
    let page = m.inward_list(&listing, &page, &all).unwrap();
    let rows: Vec<_> = page.rows.into_iter().map(Result::unwrap).collect();
    assert_eq!(json(m.entity(), &rows[0].record)["location"], serde_json::json!({ "code": "8" }));
    assert_eq!([&*rows[0].id, &*rows[1].id], [r"8,a\,1", "8,b"]);
    // Its name was not asked for here, and is not told.
    assert!(rows[0].missing.contains(m.entity().leaf_at("location.name").unwrap()));
    // It goes on in the same parent, and for no other one.
    let next = page.next.unwrap();
    let asked = (&Filter::everything(), &[][..]);
    let on = m.list_of(Some(&parent), None, &all, asked, Some(&next), 2).unwrap();
    assert_eq!(on.request.target, "/shelves/8/stock?skip=2&n=2");
    let other = Arc::new(m.parent("9"));
    assert_eq!(m.list_of(Some(&other), None, &all, asked, Some(&next), 2).unwrap_err(), ListError::BadCursor);
    assert_eq!(
        m.list(&all, asked.0, &[], None, 2).unwrap_err(),
        ListError::NoList,
        "of no parent there is no list"
    );
    // The first page of another one is a place too.
    let first = listing.begins(&other).unwrap();
    let on = m.list_of(Some(&other), None, &all, asked, Some(&first), 2).unwrap();
    assert_eq!(on.request.target, "/shelves/9/stock?n=2");
    // By its key a record is asked for under its parent.
    assert_eq!(m.read(r"8,a\,1", &all).unwrap().target, "/shelves/8/stock/a%2C1");
    for none in ["8", "8,", ",a", "..,a", "x,a", "8,.", "8,a,b", ""] {
        assert!(m.read(none, &all).is_none(), "{none}");
    }
    let read = m.inward_of("8,b", &answer(200, r#"{"id":"b","sku":"LAMP-2","unit":"pc"}"#), &all).unwrap();
    assert_eq!((&*read.id, json(m.entity(), &read.record)), ("8,b", json(m.entity(), &rows[1].record)));
}

#[test]
fn a_list_goes_on_at_the_next_parent_where_the_one_of_its_cursor_is_gone() {
    let m = stock();
    let parents: Vec<_> = ["8", "9", "10"].map(|key| Arc::new(m.parent(key))).into();
    let asked = (&Filter::everything(), &[][..]);
    let listing = m.list_of(parents.first(), None, &m.entity().all(), asked, None, 2).unwrap();
    let nine = listing.begins(&parents[1]).unwrap();
    let at = |parents: &[Arc<Parent>], cursor: Option<&str>| m.parent_at(parents, cursor);
    assert_eq!(at(&parents, None), Some(Some((0, GoesOn::There))));
    assert_eq!(at(&parents, Some(&nine)), Some(Some((1, GoesOn::There))));
    let without: Vec<_> = [&parents[0], &parents[2]].map(Clone::clone).into();
    assert_eq!(at(&without, Some(&nine)), Some(Some((1, GoesOn::Beginning))));
    assert_eq!(at(&parents[..1], Some(&nine)), Some(None), "nothing is left");
    assert_eq!(at(&[], None), Some(None));
    assert_eq!(at(&parents, Some("0:0:0:0")), None, "a place of no parent");
}

#[test]
fn parents_may_be_said_by_the_file() {
    let m = loaded(&text("{ of: [\"9\", $settings.first] }", STOCK));
    let filter = Filter::everything();
    let mut parents = m.parents(Wanted::Filter(&filter)).unwrap();
    assert!(parents.request().is_none(), "nothing is asked");
    let keys: Vec<_> = parents.all().unwrap().iter().map(|parent| parent.key().to_owned()).collect();
    assert_eq!(keys, ["7", "9"]);
    assert_eq!(m.parents(Wanted::Of("9,a")).unwrap().all().unwrap().len(), 1);
    assert_eq!(
        m.parents(Wanted::Of("8,a")).unwrap().all().unwrap().len(),
        0,
        "no record of another one is there"
    );
}

#[test]
fn a_new_record_goes_to_the_parent_that_it_names() {
    let rest = format!("{STOCK}\n    create: {{ post: \"/{{over}}/stock\", returns: key, key_at: id }}");
    let record = |m: &Mapping, text: &str| {
        let view = View {
            writable: m.entity().all(),
            required: FieldSet::EMPTY,
            ..View::of(m.entity(), Body::Create)
        };
        schema::json::read(m.entity(), text.as_bytes(), &view).unwrap().record
    };
    let (named, bare) =
        (r#"{"sku":"A","unit":"H87","location":{"code":"9"}}"#, r#"{"sku":"A","unit":"H87"}"#);
    let m = loaded(&text(SHELVES, &rest));
    let made = m.creation(&record(&m, named), None).unwrap();
    assert_eq!(made.record.target, "/shelves/9/stock");
    assert_eq!(&made.record.body[..], br#"{"sku":"A","unit":"pc"}"#, "it is said once");
    let told = NativeAnswer { over: made.over, ..answer(201, r#"{"id":"new"}"#) };
    let key = m.made(crate::catalog::Action::Create, &told, &FieldSet::ID).unwrap();
    assert!(matches!(key, Made::Key(key) if key == "9,new"));
    let faults = m.creation(&record(&m, bare), None).unwrap_err();
    assert_eq!(
        (faults[0].pointer.as_str(), faults[0].message.as_str()),
        ("/location/code", "the system needs `location.code`")
    );
    let faults = m.creation(&record(&m, r#"{"sku":"A","location":{"code":".."}}"#), None).unwrap_err();
    assert_eq!(faults[0].pointer, "/location/code");
    let m = loaded(&text(&SHELVES.replace("most: 3", "new: $settings.first"), &rest));
    assert_eq!(m.creation(&record(&m, bare), None).unwrap().record.target, "/shelves/7/stock");
    assert_eq!(m.creation(&record(&m, named), None).unwrap().record.target, "/shelves/9/stock");
}

#[test]
fn what_runs_over_nothing_or_does_not_say_over_what_does_not_load() {
    let refused = |over: &str, rest: &str, part: &str| {
        let (_, told) = load_text("x", &text(over, rest), "https://x.example");
        assert!(told.contains(part) && told.contains("x.yaml:"), "{told}");
    };
    let same = STOCK.replace("/{over}/stock\", rows", "/stock\", rows");
    refused(SHELVES, &same, "a list does not say which parent it is about");
    refused(SHELVES, &STOCK.replace("[$over, id]", "id"), "does not say its parent");
    refused(SHELVES, &STOCK.replace("/{over}/stock/{key}", "/stock/{key}"), "do not agree");
    refused(SHELVES, &STOCK.replace("[$over, id]", "[id, $over]"), "`$over` is the first part of a key");
    refused(SHELVES, &format!("{STOCK}\n    create: {{ post: /stock }}"), "what parent a new record goes to");
    refused("{ key: id }", STOCK, "by `list` or by `of`");
    refused("{ list: { at: /s, rows: s } }", STOCK, "key `key` is missing");
    refused("{ of: [] }", STOCK, "a list of 1 to");
    refused("{ of: [\"..\"] }", STOCK, "no key of that form");
    refused("{ of: [\"9\"], most: 0 }", STOCK, "`most` is between 1 and 1000");
    let body = "key: [$over, id]\n    list: { post: \"\", rows: rows, body: { shelf: \"{over:number}\" } }";
    refused("{ of: [\"9\"] }", body, "`{over:number}` needs a key that is one");
    let plain =
        text(SHELVES, STOCK).lines().filter(|line| !line.contains("over: {")).collect::<Vec<_>>().join("\n");
    let (_, told) = load_text("x", &plain, "https://x.example");
    assert!(told.contains("nothing says what `over` is"), "{told}");
    assert_eq!(load_text("x", &text(SHELVES, STOCK), "https://x.example").1, "");
}
