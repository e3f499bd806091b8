//! Facts about requests with a body of their own shape, and answers that hold a record somewhere or not at all.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    catalog::Action,
    schema::{Filter, Op, Value},
};

/// A mapping of customers with these lines above its fields, indented by four.
fn mapped(lines: &str) -> Arc<Mapping> {
    let (system, told) = load_text("x", &text(lines), "https://x.example");
    system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().clone()
}

fn text(lines: &str) -> String {
    format!(
        r#"
settings: {{ tenant: "t-1" }}
absent: {{ any: [""] }}
clear: {{ any: ~ }}
filters:
  groups:
    shape: or_of_ands
    any: {{ any: "{{items}}" }}
    all: {{ all: "{{items}}" }}
    one: {{ f: "{{field}}", o: "{{op}}", v: "{{value}}" }}
    in: {{ f: "{{field}}", o: in, v: "{{values}}" }}
    ops: {{ eq: eq }}
    text: exactly
    sort: {{ one: {{ order: "{{field}}", dir: "{{dir}}" }}, dir: [up, down], tie: own }}
entities:
  Customer:
    at: /rpc
{lines}
    fields:
      given_name: first
      family_name: last
      name: {{ join: [first, last] }}
      emails[0].value: mail
      created_at: {{ at: made, write: never }}
"#
    )
}

fn told(lines: &str) -> String {
    load_text("x", &text(lines), "https://x.example").1
}

fn sent(request: &NativeRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

fn ewa(m: &Mapping) -> Record {
    record(m, r#"{ "given_name": "Ewa", "family_name": "Lis" }"#)
}

fn header(name: &'static str, value: &str) -> NativeAnswer {
    let mut answer = answer(204, "");
    answer.headers.insert(name, value.parse().unwrap());
    answer
}

/// JSON-RPC as an ERP has it: the method stands in the body, a record is read by a search for its number.
const RPC: &str = r#"
    key: { at: id, form: digits }
    select: {}
    list:
      post: "/"
      rows: result
      filter: groups
      body: { jsonrpc: "2.0", id: 1, method: model.party.search_read, params: [ "{filter}", "{offset}", "{limit}", "{sort}", "{fields}", { tenant: $settings.tenant } ] }
      page: { most: 50, ends: short_page }
    read: { post: "/", rows: "result[0]", body: { method: model.party.search_read, params: [ [ [ id, "=", "{key:number}" ] ], 0, 1, ~, "{fields:,}" ] } }
    create: { post: "/", body: { method: model.party.create, params: [ [ "{record}" ], { active: true } ] }, returns: key, key_at: "result[0]" }
    update: { post: "/", body: { method: model.party.write, params: [ [ "{key:number}" ], "{record}" ] }, returns: nothing }
    delete: { post: "/", body: { method: model.party.delete, params: [ [ "{key}" ] ] } }"#;

#[test]
fn a_method_and_its_parameters_stand_in_the_body() {
    let m = mapped(RPC);
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    let filter =
        Filter::Test { leaf: leaf("given_name"), op: Op::Eq, value: Value::Text("O'Hara \"{key}\"".into()) };
    let wanted: FieldSet = [leaf("given_name"), leaf("family_name")].into_iter().collect();
    let sort = [schema::Sort { leaf: leaf("created_at"), direction: schema::Direction::Descending }];
    let list = |cursor: Option<&str>| m.list(&wanted, &filter, &sort, cursor, 50).unwrap();
    let first = list(None);
    assert!(first.sort_pushed);
    assert_eq!((first.request.method.as_str(), first.request.target.as_str()), ("POST", "/rpc/"));
    let asked = |offset: u64| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "model.party.search_read", "params": [
            { "any": [ { "all": [ { "f": "first", "o": "eq", "v": "O'Hara \"{key}\"" } ] } ] }, offset, 50,
            { "order": "made", "dir": "down" }, ["id", "first", "last"], { "tenant": "t-1" } ] })
    };
    assert_eq!(sent(&first.request), asked(0));
    let rows: Json = (0..50).map(|n| json!({ "id": n, "first": "Ewa" })).collect();
    let page = m.inward_list(&first, &answer(200, &json!({ "result": rows }).to_string()), &wanted).unwrap();
    assert_eq!(sent(&list(page.next.as_deref()).request), asked(50));

    let read = m.read("7", &wanted).unwrap();
    assert_eq!(read.target, "/rpc/");
    assert_eq!(
        sent(&read),
        json!({ "method": "model.party.search_read", "params": [[["id", "=", 7]], 0, 1, null, "id,first,last"] })
    );
    assert_eq!(
        sent(&m.create(&ewa(&m)).unwrap()),
        json!({ "method": "model.party.create", "params": [[{ "first": "Ewa", "last": "Lis" }], { "active": true }] })
    );
    let new = record(&m, r#"{ "given_name": "Jan", "family_name": "Lis" }"#);
    assert_eq!(
        sent(&m.update("7", &ewa(&m), &new, None).unwrap().unwrap()),
        json!({ "method": "model.party.write", "params": [[7], { "first": "Jan" }] })
    );
    assert_eq!(
        sent(&m.delete("7", None).unwrap()),
        json!({ "method": "model.party.delete", "params": [["7"]] })
    );
    // A key that is no number as JSON spells them names no record.
    for id in ["007", "7 ", "", "x", "1e2", "-1"] {
        assert!(m.read(id, &wanted).is_none(), "{id}");
    }
}

#[test]
fn a_record_that_is_read_by_a_search_is_the_one_that_was_asked_for_or_none() {
    let m = mapped(RPC);
    let read = |text: &str| m.inward(&answer(200, text), &FieldSet::ID).map_err(|fault| fault.kind);
    let came = read(r#"{ "result": [ { "id": 7, "first": "Ewa" } ] }"#).unwrap();
    assert_eq!(m.is_asked("7", &came), Ok(()));
    assert_eq!(m.is_asked("8", &came).unwrap_err().kind, FaultKind::Unreadable);
    assert_eq!(read(r#"{ "result": [] }"#).unwrap_err(), FaultKind::NotFound);
    for text in [
        "{}",
        r#"{ "result": {} }"#,
        r#"{ "result": null }"#,
        r#"{ "result": [ 7 ] }"#,
        r#"{ "result": [ [] ] }"#,
        r#"{ "result": [ { "id": 7 } ], "result": [] }"#,
        "[]",
        "7",
    ] {
        assert_eq!(read(text).unwrap_err(), FaultKind::Unreadable, "{text}");
    }
    // Where the address names the record, the system decides.
    let m = mapped("    read: {}");
    let came = m.inward(&answer(200, r#"{ "id": "ABC" }"#), &FieldSet::ID).unwrap();
    assert_eq!(m.is_asked("abc", &came), Ok(()));
}

/// GraphQL: one address, a constant query, variables.
const GRAPH: &str = r#"
    list:
      post: ""
      rows: data.customers.nodes
      body: { query: "query($first: Int, $after: String) { customers(first: $first, after: $after) { nodes { id first last mail } pageInfo { hasNextPage endCursor } } }", variables: { first: "{limit}", after: "{token}" } }
      page: { next: data.customers.pageInfo.endCursor, more: data.customers.pageInfo.hasNextPage, most: 20 }
    read: { post: "", rows: data.customer, body: { query: "query($id: ID!) { customer(id: $id) { id first last mail } }", variables: { id: "{key}" } } }
    create: { post: "", rows: data.customerCreate.customer, body: { query: "mutation…", variables: { input: "{record}" } } }
    update: { post: "", rows: data.customerUpdate.customer, body: { query: "mutation…", variables: { input: { id: "{key}", "{record}": ~ } } } }"#;

#[test]
fn variables_carry_values_and_the_query_stays_as_it_is_written() {
    let m = mapped(GRAPH);
    let all = m.entity().all();
    let listing = m.list(&all, &Filter::everything(), &[], None, 10).unwrap();
    let body = sent(&listing.request);
    assert!(body["query"].as_str().unwrap().starts_with("query($first: Int"));
    // What there is nothing to fill with is left out.
    assert_eq!(body["variables"], json!({ "first": 10 }));
    let more = |more: bool| {
        let info = json!({ "hasNextPage": more, "endCursor": "c2" });
        let body = json!({ "data": { "customers": { "nodes": [{ "id": "g/1" }], "pageInfo": info } } });
        m.inward_list(&listing, &answer(200, &body.to_string()), &all).unwrap().next
    };
    let next = m.list(&all, &Filter::everything(), &[], more(true).as_deref(), 10).unwrap();
    assert_eq!(sent(&next.request)["variables"], json!({ "first": 10, "after": "c2" }));
    assert_eq!(more(false), None);

    assert_eq!(sent(&m.read("gid://x/7", &all).unwrap())["variables"], json!({ "id": "gid://x/7" }));
    assert_eq!(
        sent(&m.create(&ewa(&m)).unwrap())["variables"],
        json!({ "input": { "first": "Ewa", "last": "Lis" } })
    );
    let new = record(&m, r#"{ "given_name": "Jan", "family_name": "Lis" }"#);
    let change = m.update("g/1", &ewa(&m), &new, None).unwrap().unwrap();
    assert_eq!(sent(&change)["variables"], json!({ "input": { "first": "Jan", "id": "g/1" } }));
    assert!(m.update("g/1", &ewa(&m), &ewa(&m), None).unwrap().is_none());
}

#[test]
fn a_null_where_a_record_is_due_is_not_found_in_a_read_and_no_success_in_a_write() {
    let m = mapped(GRAPH);
    let read = |text: &str| m.inward(&answer(200, text), &FieldSet::ID).map_err(|fault| fault.kind);
    assert_eq!(read(r#"{ "data": { "customer": null } }"#).unwrap_err(), FaultKind::NotFound);
    // What it stands in must be there.
    for text in [r#"{ "data": null }"#, "{}", r#"{ "data": {} }"#, r#"{ "data": { "customer": "" } }"#] {
        assert_eq!(read(text).unwrap_err(), FaultKind::Unreadable, "{text}");
    }
    let shows = |m: &Mapping, action, text: &str| m.shows(action, &answer(200, text)).is_ok();
    for (action, name) in [(Action::Create, "customerCreate"), (Action::Update, "customerUpdate")] {
        let said = |customer: Json| json!({ "data": { name: { "customer": customer } } }).to_string();
        assert!(!shows(&m, action, &said(Json::Null)), "{name}");
        assert!(shows(&m, action, &said(json!({ "id": "g/1" }))), "{name}");
        let made = m.made(action, &answer(200, &said(json!({ "id": "g/1" }))), &FieldSet::ID).unwrap();
        assert!(matches!(made, Made::Record(inward) if inward.id == "g/1"));
    }
    let m = mapped(RPC);
    assert!(!shows(&m, Action::Create, r#"{ "result": [] }"#));
    assert!(!shows(&m, Action::Create, r#"{ "result": [null] }"#));
    assert!(shows(&m, Action::Create, r#"{ "result": [3] }"#));
    assert!(shows(&m, Action::Update, r#"{ "result": null }"#));
}

#[test]
fn a_change_of_a_wrapped_record_is_judged_as_it_will_be_held() {
    let m = mapped(
        r#"    read: { rows: customer }
    create: { rows: customer, body: { customer: "{record}" } }
    update: { put: "/{key}", rows: customer, body: { customer: "{record}" } }"#,
    );
    let all = m.entity().all();
    let told = answer(200, r#"{ "customer": { "id": "7", "first": "Ewa", "last": "Lis", "mail": "" } }"#);
    let old = m.inward(&told, &all).unwrap().record;
    let mut new = old.clone();
    let (position, _) = m.entity().root.field("given_name").unwrap();
    new.fields.set(position, Value::Text("Jan".into()));
    let before = Before::Told { record: &old, answer: &told };
    let Settled { sent: settled, held } = m.settled(before, new, &FieldSet::EMPTY);
    // The joined name is of the new given name and of the family name that stands inside the wrap.
    assert_eq!(json(m.entity(), &held)["name"], "Jan Lis");
    let change = m.update("7", &old, &settled, None).unwrap().unwrap();
    assert_eq!(sent(&change), json!({ "customer": { "first": "Jan" } }));
    assert_eq!((change.method.as_str(), change.target.as_str()), ("PUT", "/rpc/7"));
    let Made::Record(made) = m.made(Action::Update, &told, &all).unwrap() else { panic!() };
    assert_eq!(made.id, "7");
}

#[test]
fn the_key_of_a_new_record_is_taken_whole_from_where_the_file_says_or_not_at_all() {
    let key = |words: &str, answer: &NativeAnswer| {
        let m = mapped(&format!("    create: {{ returns: key, key_at: {words} }}"));
        assert!(!m.returns_records());
        match m.made(Action::Create, answer, &FieldSet::ID) {
            Ok(Made::Key(key)) => Some(key.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => {
                assert_eq!(fault.kind, FaultKind::Unreadable);
                None
            }
        }
    };
    let body = |text: &str| answer(201, text);
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(key("id", &body(r#"{ "id": "a7", "success": true }"#)), is("a7"));
    assert_eq!(key("data.id", &body(r#"{ "data": { "id": 7 } }"#)), is("7"));
    // The answer is the key.
    assert_eq!(key(".", &body("7")), is("7"));
    assert_eq!(key(".", &body("\"a7\"")), is("a7"));
    for text in
        ["", "{}", r#"{ "id": null }"#, r#"{ "id": "" }"#, r#"{ "id": [] }"#, r#"{ "id": "a", "id": "b" }"#]
    {
        assert_eq!(key("id", &body(text)), None, "{text}");
    }
    assert_eq!(key("id", &body(&json!({ "id": "x".repeat(513) }).to_string())), None);
    let location = r#"{ header: Location, pattern: "{_}/customers({id})" }"#;
    assert_eq!(key(location, &header("location", "https://x.example/api/customers(a%20b)")), is("a b"));
    for value in ["/customers(7)/more", "/orders(7)", "/customers()", "/customers(%ff)"] {
        assert_eq!(key(location, &header("location", value)), None, "{value}");
    }
    assert_eq!(key(location, &body("{}")), None);
    let pattern = r#"{ at: id, pattern: "gid://shop/Customer/{id}" }"#;
    assert_eq!(key(pattern, &body(r#"{ "id": "gid://shop/Customer/7" }"#)), is("7"));
    assert_eq!(key(pattern, &body(r#"{ "id": "gid://shop/Order/7" }"#)), None);
    let mut bytes = answer(201, "");
    bytes.headers.insert("location", HeaderValue::from_bytes(b"/customers(\xff)").unwrap());
    assert_eq!(key(location, &bytes), None);
    // A key of another form is none.
    let m = mapped("    key: { at: id, form: digits }\n    create: { returns: key, key_at: id }");
    assert!(m.made(Action::Create, &body(r#"{ "id": "x" }"#), &FieldSet::ID).is_err());
}

#[test]
fn an_answer_of_nothing_is_not_looked_into() {
    let m = mapped("    create: { returns: nothing }\n    update: { returns: nothing }");
    for action in [Action::Create, Action::Update] {
        for text in ["", "true", "no JSON", r#"{ "id": null }"#] {
            assert!(m.shows(action, &answer(202, text)).is_ok());
            assert!(matches!(m.made(action, &answer(202, text), &FieldSet::ID), Ok(Made::Nothing)));
        }
    }
    assert!(!m.returns_records());
    // Usually the answer is the record, and an empty one tells nothing of it.
    let m = mapped("    create: {}");
    assert!(m.returns_records());
    assert!(matches!(m.made(Action::Create, &answer(204, ""), &FieldSet::ID), Ok(Made::Nothing)));
    assert!(m.made(Action::Create, &answer(200, "true"), &FieldSet::ID).is_err());
}

#[test]
fn constants_of_a_body_are_what_they_look_like() {
    let m = mapped(
        r#"    create: { body: { a: true, b: "true", c: 10, d: "10", e: ~, f: [ x, 1.50 ], g: "{ shop { id } }", h: "{record} ", i: $settings.tenant, j: "{record}" } }"#,
    );
    assert_eq!(
        String::from_utf8(m.create(&ewa(&m)).unwrap().body.to_vec()).unwrap(),
        r#"{"a":true,"b":"true","c":10,"d":"10","e":null,"f":["x",1.50],"g":"{ shop { id } }","h":"{record} ","i":"t-1","j":{"first":"Ewa","last":"Lis"}}"#
    );
}

#[test]
fn a_body_that_cannot_be_filled_as_written_is_told_with_what_to_write() {
    for (lines, word) in [
        ("    create: { body: { customer: {record} } }", "write `\"{record}\"` in quotes"),
        ("    create: { body: { customer: x } }", "must hold the record"),
        ("    update: { body: { a: \"{record}\", b: \"{record}\" } }", "stands once"),
        ("    create: { body: { a: \"{record}\", b: \"{key}\" } }", "`{key}` is nothing to fill in here"),
        ("    create: { body: { a: \"{recrod}\" } }", "did you mean `record`"),
        ("    create: { body: [ \"{record}\" ] }", "expected a map"),
        ("    create: { body: { \"{record}\": x } }", "nothing stands under it"),
        ("    create: { body: { a: \"{record:text}\" } }", "has no such form"),
        ("    create: { body: { a: \"{record}\", b: $settings.tenat } }", "did you mean `tenant`"),
        ("    read: { body: { id: \"{key}\" } }", "a `get` carries no body"),
        ("    read: { post: '' }", "must hold `{key}`, or its `body` must"),
        ("    read: { post: '', body: { id: \"{key:number}\" } }", "needs a key that is one"),
        ("    select: {}\n    read: {}", "write `\"{fields}\"` where the names stand"),
        ("    select: {}\n    list: { post: '', rows: r }", "write `\"{fields}\"` where the names stand"),
        ("    list: { rows: r, body: { a: \"{filter}\" } }", "a `get` carries no body"),
        ("    list: { post: '', rows: r, body: { a: \"{page}\" } }", "the list needs `page`"),
        (
            "    list: { post: '', rows: r, body: { a: \"{limit}\" }, page: { size: n } }",
            "one of `size`, `prefer` and `{limit}`",
        ),
        (
            "    list: { post: '', rows: r, body: { a: \"{token}\" }, page: { next: t, query: q } }",
            "one of `query`, `body` and `{token}`",
        ),
        (
            "    list: { post: '', rows: r, body: { a: \"{page}\" }, page: { number: p, ends: short_page } }",
            "the body has a hole for it",
        ),
        ("    create: { returns: key }", "needs `key_at`"),
        ("    create: { key_at: id }", "`key_at` goes with `returns: key`"),
        ("    create: { returns: nothing, key_at: id }", "`key_at` goes with `returns: key`"),
        ("    create: { returns: key, key_at: {} }", "or in a `header`"),
        (
            "    create: { returns: key, key_at: { header: Location, pattern: '/x' } }",
            "with `{id}` where the key stands",
        ),
        ("    update: { returns: key, key_at: id }", "say `returns: nothing`"),
        ("    read: { returns: nothing }", "is said of `create` and `update`"),
        ("    create: { returns: recrod }", "did you mean `record`"),
    ] {
        let told = told(lines);
        assert!(told.contains("x.yaml:") && told.contains(word), "{lines}\n{told}");
    }
}

proptest! {
    /// Whatever a caller or a system says stays one value in the place that the template has for it.
    #[test]
    fn a_value_never_leaves_its_place_in_a_body(text in "[\"\\\\{}\\[\\]:,a-z \u{0}-\u{1f}ż$']{1,24}", token in "[\"\\\\{}a-z\u{7f}]{1,12}") {
        prop_assume!(!text.trim().is_empty());
        let m = mapped(GRAPH);
        let mut new = Record::default();
        let (position, _) = m.entity().root.field("given_name").unwrap();
        new.fields.set(position, Value::Text(text.as_str().into()));
        let body = sent(&m.create(&new).unwrap());
        prop_assert_eq!(&body, &json!({ "query": "mutation…", "variables": { "input": { "first": text } } }));
        let read = sent(&m.read(&text, &FieldSet::ID).unwrap());
        prop_assert_eq!(&read["variables"], &json!({ "id": text }));
        let all = m.entity().all();
        let listing = m.list(&all, &Filter::everything(), &[], None, 5).unwrap();
        let info = json!({ "hasNextPage": true, "endCursor": token });
        let said = json!({ "data": { "customers": { "nodes": [], "pageInfo": info } } }).to_string();
        let next = m.inward_list(&listing, &answer(200, &said), &all).unwrap().next;
        let next = m.list(&all, &Filter::everything(), &[], next.as_deref(), 5).unwrap();
        prop_assert_eq!(&sent(&next.request)["variables"], &json!({ "first": 5, "after": token }));
    }

    #[test]
    fn no_answer_breaks_the_reader_of_a_record_or_a_key(text in "[\\[\\]{}:,\"a-d0-9 nulresit]{0,40}") {
        let m = mapped(RPC);
        let said = answer(200, &text);
        drop(m.inward(&said, &FieldSet::ID));
        drop(m.made(Action::Create, &said, &FieldSet::ID));
        drop(m.shows(Action::Create, &said));
    }
}

#[test]
fn a_record_is_changed_by_what_it_tells_beside_its_key_or_not_at_all() {
    let m = mapped(
        "    key: number\n    read: { get: \"/{key}\" }\n    update: { put: \"/{key}\", by: { at: id, form: digits } }",
    );
    let (old, new) = (ewa(&m), record(&m, r#"{ "given_name": "Ela", "family_name": "Lis" }"#));
    let changed = |body: &str| {
        let versions = m.part_versions(&answer(200, body)).unwrap();
        m.changes("C-7", (&old, &new), (None, &versions), &FieldSet::EMPTY, None)
    };
    let request = changed(r#"{ "number": "C-7", "id": 31, "first": "Ewa", "last": "Lis" }"#).unwrap().record;
    assert_eq!(request.unwrap().target, "/rpc/31");
    assert_eq!(m.read("C-7", &m.mapped()).unwrap().target, "/rpc/C-7");
    // Neither what is not there nor what cannot be one names another record.
    for body in [r#"{ "number": "C-7" }"#, r#"{ "number": "C-7", "id": "../1" }"#] {
        let faults = changed(body).unwrap_err();
        assert!(MappingFault::of_system(&faults).is_some(), "{faults:?}");
    }
    let wrong = told("    update: { by: $over }");
    assert!(wrong.contains("`by` is a place in the record"), "{wrong}");
    let wrong = told("    read: { by: id }");
    assert!(wrong.contains("`by`"), "{wrong}");
}
