//! Facts about fields of a list's elements in what a system is asked for: under the name that the file says, for any of
//! the elements, and never for fewer records than there are.

use super::*;
use crate::schema::{Direction, Filter, Op, Sort, Value};

const SHOP: &str = r#"
filters:
  f:
    shape: flat
    fields: { line_items.sku: { eq: sku, in: skus }, contacts.value: { eq: contact }, qty: { gte: from } }
    between: ","
    sort: { query: { order: "{field}" }, tie: own }
entities:
  Order:
    at: /orders
    list: { rows: orders, filter: f }
    fields:
      currency: currency
      lines: { each: line_items, fields: { sku: { at: sku, filter_at: line_items.sku }, quantity: qty } }
  Customer:
    at: /customers
    list: { rows: customers, filter: f }
    fields:
      name: name
      emails: { each: contacts, where: { type: email }, fields: { value: { at: value, filter_at: contacts.value } } }
      phones: { each: contacts, where: { type: phone }, fields: { value: value } }
"#;

fn shop(entity: &str) -> Arc<Mapping> {
    let (system, told) = load_text("shop", SHOP, "https://shop.example.com");
    system.unwrap_or_else(|| panic!("{told}")).entity(entity).unwrap().clone()
}

fn asked(m: &Mapping, filter: &Filter) -> String {
    m.list(&FieldSet::ID, filter, &[], None, 10).unwrap().request.target
}

fn test(m: &Mapping, path: &str, op: Op, value: Value) -> Filter {
    Filter::test(m.entity().leaf_at(path).unwrap(), op, value)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_field_of_elements_is_asked_for_under_the_name_that_the_file_says() {
    let m = shop("Order");
    let is = test(&m, "lines.sku", Op::Eq, text("A-1"));
    assert_eq!(asked(&m, &is), "/orders?sku=A-1");
    let one_of = test(&m, "lines.sku", Op::In, Value::List(vec![text("A-1"), text("B-2")]));
    assert_eq!(asked(&m, &one_of), "/orders?skus=A-1%2CB-2");
    let customer = shop("Customer");
    assert_eq!(asked(&customer, &test(&customer, "emails.value", Op::Eq, text("a"))), "/customers?contact=a");
}

#[test]
fn what_the_file_names_not_is_looked_for_by_the_gate() {
    let m = shop("Order");
    // A name among elements is none of the record's own.
    let many = test(&m, "lines.quantity", Op::Gte, Value::Decimal(1.into()));
    assert_eq!(asked(&m, &many), "/orders");
    let is = test(&m, "lines.sku", Op::Eq, text("A-1"));
    assert_eq!(asked(&m, &Filter::Not(Box::new(is))), "/orders", "any other element may be it");
    assert_eq!(asked(&m, &test(&m, "lines.sku", Op::Ne, text("A-1"))), "/orders");
    let customer = shop("Customer");
    assert_eq!(asked(&customer, &test(&customer, "phones.value", Op::Eq, text("1"))), "/customers");
}

#[test]
fn several_values_are_no_order() {
    let m = shop("Order");
    let sort = [Sort { leaf: m.entity().leaf_at("lines.sku").unwrap(), direction: Direction::Ascending }];
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &sort, None, 10).unwrap();
    assert!(!listing.sort_pushed, "{}", listing.request.target);
}
