//! Facts about a shop that is asked in GraphQL: constant documents, values in variables alone, errors in a 200.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    catalog::Action,
    schema::{Direction, Filter, Op, Sort, Value},
};

const TEXT: &str = include_str!("../../../policies/systems/catalogue/shopify-graphql.yaml");

fn shop() -> &'static System {
    static SHOP: LazyLock<System> = LazyLock::new(load_shop);
    &SHOP
}

fn load_shop() -> System {
    let (system, told) =
        load_text("shopify-graphql", TEXT, "https://example.myshopify.com/admin/api/2025-10");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn body(request: &NativeRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

fn test(m: &Mapping, path: &str, op: Op, value: Value) -> Filter {
    Filter::Test { leaf: m.entity().leaf_at(path).unwrap(), op, value }
}

/// The variables of a first page of a list.
fn variables(m: &Mapping, filter: &Filter, sort: &[Sort]) -> Json {
    body(&m.list(&m.entity().all(), filter, sort, None, 10).unwrap().request)["variables"].clone()
}

#[test]
fn the_samples_of_the_shop_hold_both_ways() {
    let system = shop();
    let found = system.check();
    assert!(found.0.is_empty(), "{found}");
    assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
}

#[test]
fn a_document_is_constant_and_what_is_asked_for_stands_in_variables() {
    let system = shop();
    let m = system.entity("Product").unwrap();
    let changed = |op| test(m, "updated_at", op, Value::Instant("2026-01-02T03:04:05Z".parse().unwrap()));
    let sku = |text: &str| test(m, "sku", Op::Eq, Value::Text(text.into()));
    assert_eq!(variables(m, &Filter::everything(), &[]), json!({ "first": 10 }));
    let sort = [Sort { leaf: m.entity().leaf_at("updated_at").unwrap(), direction: Direction::Descending }];
    let listing = m.list(&m.entity().all(), &changed(Op::Gte), &sort, None, 10).unwrap();
    assert!(listing.sort_pushed);
    assert_eq!(
        body(&listing.request)["variables"],
        json!({ "first": 10, "query": "updated_at:>='2026-01-02T03:04:05Z'", "sortKey": "UPDATED_AT", "reverse": true })
    );
    assert_eq!(body(&listing.request)["operationName"], "list");
    let both = Filter::All(vec![
        test(m, "sku", Op::In, Value::List(vec![Value::Text("A-1".into()), Value::Text("B\\_\"2".into())])),
        changed(Op::Lt),
    ]);
    assert_eq!(
        variables(m, &both, &[])["query"],
        r#"(sku:"A-1" OR sku:"B\\_\"2") AND updated_at:<'2026-01-02T03:04:05Z'"#
    );
    // What the search's own words may tear apart is left to the gate.
    for odd in ["A 1", "*", "A*", "a:b", "(a", "a)", "%", "O'Brien"] {
        assert_eq!(variables(m, &sku(odd), &[]), json!({ "first": 10 }), "{odd}");
    }
    let orders = system.entity("Order").unwrap();
    let buyer = test(orders, "customer", Op::Eq, Value::Text("207119551".into()));
    assert_eq!(variables(orders, &buyer, &[])["query"], "customer_id:207119551");
}

#[test]
fn a_record_is_named_by_its_key_within_the_words_around_it() {
    let system = shop();
    let m = system.entity("Order").unwrap();
    let read = m.read("450789469", &m.entity().all()).unwrap();
    assert_eq!((read.method.as_str(), read.target.as_str()), ("POST", "/graphql.json"));
    assert_eq!(body(&read)["variables"], json!({ "id": "gid://shopify/Order/450789469", "lines": 150 }));
    for key in ["1/../Customer/1", "gid://shopify/Order/1", "", "1?x", "١"] {
        assert!(m.read(key, &m.entity().all()).is_none(), "{key}");
    }
    // A text could be another record's name.
    let text = TEXT.replace("key: { at: legacyResourceId, form: digits }", "key: legacyResourceId");
    let (_, told) = load_text("shopify-graphql", &text, "https://x.example");
    assert!(
        told.contains("a key stands within a text only where it cannot change what the text says"),
        "{told}"
    );
    assert!(told.contains("say `key: { at: …, form: digits }`, `guid` or `alnum`"), "{told}");
    // Other text in braces is the document's own.
    let text = TEXT.replace("\"{key:gid://shopify/Order/{value}}\"", "\"{ shop {key:value} }\"");
    let (_, told) = load_text("shopify-graphql", &text, "https://x.example");
    assert!(told.contains("must hold `{key}`"), "{told}");
}

/// What a caller is told of an answer to a change of a product.
fn fault(answer: &NativeAnswer) -> FaultKind {
    let system = shop();
    let m = system.entity("Product").unwrap();
    let no_error = m.deleted(answer).and_then(|()| m.shows(Action::Create, answer));
    no_error.and_then(|()| m.made(Action::Create, answer, &m.entity().all()).map(drop)).unwrap_err().kind
}

fn refused(errors: Json) -> NativeAnswer {
    answer(200, &json!({ "data": { "result": { "record": null, "userErrors": errors } } }).to_string())
}

#[test]
fn user_errors_in_a_200_refuse_a_write_at_the_fields_they_name() {
    let at = |field: Json| match fault(&refused(json!([{ "field": field, "message": "is wrong" }]))) {
        FaultKind::Invalid(faults) => faults.iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };
    assert_eq!(at(json!(["input", "title"])), ["/name"]);
    assert_eq!(at(json!(["title"])), ["/name"]);
    assert_eq!(at(json!(["input", "variants", "0", "price"])), ["/list_price/net_price"]);
    assert_eq!(at(json!(["variants", "0", "sku"])), ["/sku"]);
    // Nothing that a caller sent.
    for field in [
        json!(null),
        json!([]),
        json!(["input"]),
        json!(["input", "variants", "1", "price"]),
        json!("title"),
        json!(["input", "media", "0", "title"]),
        json!([null, 7]),
        json!(vec!["title"; 100]),
    ] {
        assert_eq!(at(field.clone()), [""], "{field}");
    }
    let said = |message: &str| fault(&refused(json!([{ "field": ["id"], "message": message }])));
    assert_eq!(said("Product does not exist"), FaultKind::NotFound);
    assert_eq!(said("Email has already been taken"), FaultKind::Duplicate { existing: None });
    // No error, and yet nothing made.
    assert_eq!(fault(&refused(json!([]))), FaultKind::Unknown);
}

fn throttled(cost: Json) -> NativeAnswer {
    let errors = json!([{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }]);
    answer(200, &json!({ "errors": errors, "extensions": { "cost": cost } }).to_string())
}

#[test]
fn a_budget_that_is_spent_says_when_it_will_do() {
    let after = |cost: Json| match fault(&throttled(cost)) {
        FaultKind::RateLimited { after } => after,
        other => panic!("{other}"),
    };
    let cost = |needs: &str, left: &str, restored: &str| {
        let number = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        json!({ "requestedQueryCost": number(needs), "actualQueryCost": null, "throttleStatus": {
            "maximumAvailable": 2000.0, "currentlyAvailable": number(left), "restoreRate": number(restored) } })
    };
    assert_eq!(after(cost("752", "666", "50.0")), Some(2));
    assert_eq!(after(cost("100", "0", "50.0")), Some(2));
    assert_eq!(after(cost("101", "0", "50.0")), Some(3));
    assert_eq!(after(cost("10", "9.5", "100")), Some(1));
    // A second at least, and an hour at most.
    assert_eq!(after(cost("10", "900", "100")), Some(1));
    assert_eq!(after(cost("999999999", "0", "0.001")), Some(3600));
    // What cannot be worked out says nothing.
    for (needs, left, restored) in
        [("10", "0", "0"), ("10", "0", "-1"), ("10", "null", "50"), ("\"x\"", "0", "50"), ("10", "{}", "50")]
    {
        assert_eq!(after(cost(needs, left, restored)), None, "{needs} {left} {restored}");
    }
    assert_eq!(after(json!(null)), None);
    let mut told = throttled(json!(null));
    told.headers.insert("retry-after", 7.into());
    assert!(matches!(fault(&told), FaultKind::RateLimited { after: Some(7) }));
}

#[test]
fn errors_at_the_top_are_no_success_whatever_data_holds() {
    let said = |code: &str| {
        let record = json!({ "legacyResourceId": "1", "title": "x" });
        let errors = json!([{ "message": "no", "extensions": { "code": code } }]);
        fault(&answer(
            200,
            &json!({ "data": { "result": { "record": record } }, "errors": errors }).to_string(),
        ))
    };
    assert_eq!(said("ACCESS_DENIED"), FaultKind::Forbidden);
    assert_eq!(said("INTERNAL_SERVER_ERROR"), FaultKind::Busy);
    assert_eq!(said("undefinedField"), FaultKind::Unknown);
    assert_eq!(
        fault(&answer(401, r#"{ "errors": "[API] Invalid API key or access token" }"#)),
        FaultKind::SignInFailed
    );
}

#[test]
fn a_list_within_a_record_that_did_not_come_whole_is_left_out() {
    let system = shop();
    let m = system.entity("Order").unwrap();
    let all = m.entity().all();
    let order = |info: Json| {
        let lines = json!({ "nodes": [ { "id": "gid://shopify/LineItem/1", "sku": "A", "name": "Lamp", "quantity": 1,
            "product": null, "originalUnitPriceSet": null } ], "pageInfo": info });
        let order = json!({ "legacyResourceId": "7", "name": "#7", "lineItems": lines });
        m.inward(&answer(200, &json!({ "data": { "order": order } }).to_string()), &all).unwrap()
    };
    let lines = |read: &Inward| json(m.entity(), &read.record).get("lines").cloned();
    let leaf = m.entity().leaf_at("lines.quantity").unwrap();
    let whole = order(json!({ "hasNextPage": false }));
    assert_eq!(lines(&whole).unwrap().as_array().unwrap().len(), 1);
    assert!(!whole.missing.contains(leaf));
    for (info, findings) in
        [(json!({ "hasNextPage": true }), 1), (json!({}), 0), (json!({ "hasNextPage": "no" }), 0)]
    {
        let cut = order(info.clone());
        assert_eq!(lines(&cut), None, "{info}");
        // Whoever is judged by a line is not judged by a part of them.
        assert!(cut.missing.contains(leaf), "{info}");
        assert_eq!(
            cut.findings.iter().filter(|found| matches!(found.what, What::Unfit(_))).count(),
            findings,
            "{info}"
        );
    }
}

#[test]
fn words_of_graphql_that_do_not_fit_are_told_with_what_to_write() {
    for (from, to, word) in [
        ("restored: extensions", "restores: extensions", "did you mean `restored`"),
        ("field: { steps: field }", "field: { step: field }", "did you mean `steps`"),
        ("dir: [false, true]", "dir: [false]", "`dir` names the two directions"),
        ("more: lineItems", "mores: lineItems", "did you mean `more`"),
        ("{key:gid://shopify/Order/{value}}", "{kye:gid}", "`{kye}` is nothing to fill in here"),
    ] {
        assert!(TEXT.contains(from), "{from}");
        let (_, told) = load_text("shopify-graphql", &TEXT.replacen(from, to, 1), "https://x.example");
        assert!(told.contains("shopify-graphql.yaml:") && told.contains(word), "{from}\n{told}");
    }
}

/// The terms of a search: names, signs and literals, read as the search reads them.
fn terms(text: &str) -> Option<Vec<String>> {
    let (mut terms, mut word) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => {
                let mut literal = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => literal.push(chars.next()?),
                        char => literal.push(char),
                    }
                }
                terms.push(std::mem::take(&mut word));
                terms.push(format!("={literal}"));
            }
            ' ' | '(' | ')' => {
                terms.push(std::mem::take(&mut word));
                terms.push(char.to_string());
            }
            char => word.push(char),
        }
    }
    terms.push(word);
    terms.retain(|term| !term.trim().is_empty());
    Some(terms)
}

proptest! {
    /// Whatever a caller says is one literal of the search, or is not said; the document never changes.
    #[test]
    fn a_value_never_leaves_its_literal_in_a_search(text in "[\"'\\\\a-c:()* \u{0}-\u{1f}żOR_-]{1,16}") {
        prop_assume!(!text.trim().is_empty());
        let system = shop();
        let m = system.entity("Product").unwrap();
        let filter = test(m, "sku", Op::Eq, Value::Text(text.as_str().into()));
        let request = m.list(&m.entity().all(), &filter, &[], None, 5).unwrap().request;
        let sent = body(&request);
        prop_assert!(sent["query"].as_str().unwrap().starts_with("query list($first: Int!"));
        let mut variables = sent["variables"].as_object().unwrap().clone();
        if let Some(query) = variables.remove("query") {
            prop_assert_eq!(terms(query.as_str().unwrap()), Some(vec!["sku:".to_owned(), format!("={text}")]));
        }
        prop_assert_eq!(Json::from(variables), json!({ "first": 5 }));
    }

    /// What is written stands in variables as one value.
    #[test]
    fn a_value_that_is_written_stays_one_value_of_the_variables(text in "[\"'\\\\{}$!a-c\n#\u{1}ż]{1,24}") {
        prop_assume!(!text.trim().is_empty());
        let system = shop();
        let m = system.entity("Customer").unwrap();
        let mut new = Record::default();
        let (position, _) = m.entity().root.field("given_name").unwrap();
        new.fields.set(position, Value::Text(text.as_str().into()));
        let sent = body(&m.create(&new).unwrap());
        prop_assert_eq!(&sent["variables"], &json!({ "input": { "firstName": text } }));
        prop_assert!(sent["query"].as_str().unwrap().starts_with("query list($first: Int!"));
    }
}
