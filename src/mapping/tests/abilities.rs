//! What a mapping is told to be able to is what its requests do.

use super::*;
use crate::{catalog::Action, schema::Op};

/// A Customer of which the parameters of a list say little, with what is left of the file.
fn flat(list: &str) -> Abilities {
    let text = format!(
        "absent: {{ any: [\"\"] }}
filters:
  d:
    shape: flat
    between: ','
    fields: {{ first: {{ eq: first }}, city: {{ in: cities }}, state: {{ in: states }}, changed: {{ gte: since }} }}
    literals: {{ instant: iso }}
    sort: {{ query: {{ by: '{{field}}', dir: '{{dir}}' }}, fields: {{ changed: changed }}, tie: own }}
entities:
  Customer:
    at: /c
    list: {{ {list} }}
    create: {{}}
    fields:
      given_name: first
      family_name: last
      status: {{ at: state, values: {{ a: active, b: blocked }}, else: unknown, write: never }}
      addresses:
        - {{ role: =billing, city: city }}
      updated_at: {{ at: changed, write: never }}
"
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    system.entity("Customer").unwrap().abilities()
}

fn paths(leaves: &FieldSet) -> Vec<String> {
    let schema = shipped_schema();
    let customer = schema.entity("Customer").unwrap();
    leaves.iter().map(|leaf| customer.leaf(leaf).unwrap().path.to_string()).collect()
}

fn filters(abilities: &Abilities) -> Vec<(String, Op)> {
    let path = |leaf| paths(&FieldSet::of(leaf)).remove(0);
    abilities.filters.iter().map(|(leaf, op)| (path(*leaf), *op)).collect()
}

#[test]
fn a_comparison_is_told_only_where_the_list_says_it_to_the_system() {
    let told = filters(&flat("rows: r, filter: d, page: {}"));
    let has = |path: &str| -> Vec<Op> { told.iter().filter(|(p, _)| p == path).map(|(_, op)| *op).collect() };
    // The parameter takes one value; that of the city takes several; none is there for the other name.
    assert_eq!(has("given_name"), [Op::Eq]);
    assert_eq!(has("addresses.city"), [Op::Eq, Op::In]);
    assert_eq!(has("family_name"), []);
    // By words of the table; the role is a constant, which no system is asked for.
    assert_eq!(has("status"), [Op::Eq, Op::In]);
    assert_eq!(has("addresses.role"), []);
    // What is greater is also greater or equal; the moment itself cannot be said.
    assert_eq!(has("updated_at"), [Op::Gt, Op::Gte]);
    assert_eq!(filters(&flat("rows: r, page: {}")), [], "a list without a filter");
}

#[test]
fn operations_fields_order_and_paging_are_told_as_the_file_has_them() {
    let told =
        flat("rows: r, filter: d, page: { number: page, size: n, most: 40, window: 1000, ends: short_page }");
    assert_eq!(told.actions, [Action::List, Action::Create]);
    let fields =
        ["id", "given_name", "family_name", "addresses.role", "addresses.city", "status", "updated_at"];
    assert_eq!(paths(&told.told), fields);
    assert_eq!(paths(&told.created), ["given_name", "family_name", "addresses.role", "addresses.city"]);
    assert_eq!(told.updated, FieldSet::EMPTY);
    assert_eq!(paths(&told.sorts), ["updated_at"]);
    assert_eq!(told.paging, Some(Paging { by: "number", most: 40, reach: Some(1000) }));
    assert!(!told.has_version);
    let one = flat("rows: r, page: { most: 25 }").paging;
    assert_eq!(one, Some(Paging { by: "none", most: 25, reach: Some(25) }));
}

#[test]
fn what_narrows_every_list_is_no_filter_of_its_own() {
    let stock = erp().entity("StockLevel").unwrap().abilities();
    let entity = erp().entity("StockLevel").unwrap().entity();
    let path = |leaf| entity.leaf(leaf).unwrap().path.to_string();
    let mut told: Vec<String> = stock.filters.iter().map(|(leaf, _)| path(*leaf)).collect();
    told.dedup();
    assert!(!told.is_empty() && told.len() < entity.leaves.len(), "{told:?}");
    assert!(erp().entity("Product").unwrap().abilities().has_version);
}
