//! What the shop in GraphQL alone has, and that its stand-in is as strict as the real one.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Graph, MANY, ROOT, TOKEN};
use crate::ground::{Gate, Subject};

const SHOP: Subject = Subject {
    name: "shopify-graphql",
    file: "catalogue/shopify-graphql.yaml",
    root: ROOT,
    secrets: &[("SHOPIFY_TOKEN", TOKEN)],
    serves: &["customers", "products", "orders", "stock-levels", "prices"],
    edits: &[],
    standin: || Arc::new(Graph::of_many()),
    gaps: &[],
};

#[test]
fn every_variant_tells_its_price_with_its_currency() {
    let gate = Gate::open(&SHOP);
    let told = gate.whole("/v1/prices?sku=ART-0017");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["net_price"], &told[0]["currency"]), (&json!("22.19"), &json!("USD")));
    let product = told[0]["product"].as_str().unwrap();
    assert_eq!(gate.get(&format!("/v1/products/{product}")).expect(200).json()["sku"], "ART-0017");
    let level = gate.whole(&format!("/v1/stock-levels?product={product}"));
    assert_eq!((level.len(), &level[0]["available"]), (1, &json!("11")));
    let seen = gate.system.seen();
    assert!(seen.iter().any(|it| it.body.contains(&format!("product_id:{product}"))), "{seen:?}");
}

#[test]
fn a_refusal_in_a_200_reaches_the_caller_at_the_field() {
    let gate = Gate::open(&SHOP);
    let product =
        json!({ "sku": "G-1", "name": "Gift card", "unit": "H87", "list_price": { "net_price": "5" } });
    let problem = gate.post("/v1/products", &product).refused(422).json();
    assert_eq!(problem["errors"][0]["pointer"], "/name", "{problem}");
    assert!(!problem.to_string().contains("Title can't"), "{problem}");
    let taken = json!({ "kind": "person", "name": "A B", "given_name": "A", "family_name": "B",
        "emails": [ { "value": "buyer1@example.com" } ] });
    gate.post("/v1/customers", &taken).refused(409);
    gate.delete("/v1/customers/999999").refused(404);
}

#[test]
fn an_order_with_more_lines_than_come_at_once_is_told_without_them() {
    let gate = Gate::open(&SHOP);
    let orders = gate.whole("/v1/orders?limit=200");
    let (long, rest): (Vec<&Value>, Vec<&Value>) =
        orders.iter().partition(|it| it.get("lines").is_none_or(Value::is_null));
    assert_eq!(long.len(), 1);
    assert!(rest.iter().all(|it| !it["lines"].as_array().unwrap().is_empty()));
    let read = gate.get(&format!("/v1/orders/{}", long[0]["id"].as_str().unwrap())).expect(200).json();
    assert!(MANY > 150 && read.get("lines").is_none_or(Value::is_null), "{read}");
}

/// The codes of what is wrong with a request.
fn codes(query: &str, name: &str, variables: Value) -> Vec<String> {
    let body = json!({ "query": query, "operationName": name, "variables": variables });
    let answer = Graph::new().run(&body);
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|it| it["extensions"]["code"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_document_that_a_validator_refuses_is_refused() {
    let read = "query read($id: ID!) { product(id: $id) { title } }";
    let id = json!({ "id": "gid://shopify/Product/7001" });
    assert!(codes(read, "read", id.clone()).is_empty());
    for (query, code) in [
        ("query read($id: ID!) { product(id: $id) { title }", "PARSE_ERROR"),
        ("query read($id: ID!) { product(id: $id) { name } }", "undefinedField"),
        ("query read($id: ID!) { product(id: $id) { variants } }", "selectionMismatch"),
        ("query read($id: ID!) { product(id: $id) { title { x } } }", "selectionMismatch"),
        ("query read($id: ID!) { product(key: $id) { title } }", "argumentNotAccepted"),
        ("query read($id: String!) { product(id: $id) { title } }", "variableMismatch"),
        ("query read($id: ID) { product(id: $id) { title } }", "variableMismatch"),
        ("query read($id: ID!, $x: Int) { product(id: $id) { title } }", "variableNotUsed"),
        ("query read($id: ID!) { product(id: $di) { title } }", "variableNotDefined"),
        ("query read($id: ID!) { product(id: $id) { ...gone } }", "useAndDefineFragment"),
        (
            "query read($id: ID!) { product(id: $id) { title } } fragment x on Product { title }",
            "useAndDefineFragment",
        ),
        ("query read($id: ID!) { product(id: $id) { variants { nodes { sku } } } }", "BAD_REQUEST"),
        ("query read($id: ID!) { product(id: $id) { title } } #", "PARSE_ERROR"),
    ] {
        let told = codes(query, "read", id.clone());
        assert!(told.contains(&code.to_owned()), "{query}: {told:?}");
    }
    assert_eq!(codes(read, "read", json!({})), ["INVALID_VARIABLE"]);
    assert_eq!(codes(read, "read", json!({ "id": 7 })), ["INVALID_VARIABLE"]);
    assert_eq!(codes(read, "read", json!({ "id": "x", "more": 1 })), ["INVALID_VARIABLE"]);
    let change = "mutation update($input: ProductUpdateInput!) { productUpdate(product: $input) { userErrors { message } } }";
    assert_eq!(
        codes(change, "update", json!({ "input": { "id": "x", "colour": "red" } })),
        ["INVALID_VARIABLE"]
    );
    assert_eq!(
        codes(change, "update", json!({ "input": { "id": "x", "status": "active" } })),
        ["INVALID_VARIABLE"]
    );
    let list = "query list($first: Int!) { orders(first: $first) { nodes { lineItems(first: $first) { nodes { id } } } } }";
    assert!(codes(list, "list", json!({ "first": 10 })).is_empty());
    assert_eq!(codes(list, "list", json!({ "first": 100 })), ["MAX_COST_EXCEEDED"]);
}
