//! What navigation properties are called, and that the address of their own list means just that list.

use proptest::prelude::*;

use jiff::Timestamp;

use super::*;
use crate::{
    odata,
    schema::{
        Filter, Op, Value,
        query::{Limits, decode},
        testing::shipped,
    },
};

fn found(entity: &str, name: &str) -> Navigation {
    let schema = shipped();
    let mut all = navigations(&schema, schema.entity(entity).unwrap()).into_iter();
    all.find(|navigation| navigation.name == name).unwrap()
}

/// The filter that the other door's list reads from an address.
fn read(navigation: &Navigation, address: &str) -> Filter {
    let entity = navigation.entity();
    let (set, query) = address.split_once('?').unwrap();
    assert_eq!(set, odata::set(entity));
    let all = entity.all();
    let servable = odata::Servable { clear: &all, unheld: &FieldSet::EMPTY, now: Timestamp::UNIX_EPOCH };
    odata::list(entity, query, servable, &all, &[], &Limits::default()).unwrap().query.filter
}

#[test]
fn what_refers_is_called_by_its_set_and_what_is_referred_to_by_the_field() {
    let schema = shipped();
    let names = |entity: &str| -> Vec<String> {
        let all = navigations(&schema, schema.entity(entity).unwrap());
        all.into_iter().map(|one| format!("{}{}", one.name, if one.is_list { " *" } else { "" })).collect()
    };
    assert_eq!(
        names("Order"),
        ["customer_record", "lines_product_records *", "invoices *", "payments *", "shipments *"]
    );
    assert_eq!(names("StockLevel"), ["product_record"]);
    let customer = names("Customer");
    assert!(customer.contains(&"parent_record".to_owned()), "{customer:?}");
    assert!(customer.contains(&"customers *".to_owned()), "{customer:?}");
    // No name is a field's, and none stands twice.
    for entity in schema.entities() {
        let names: Vec<String> = navigations(&schema, entity).into_iter().map(|one| one.name).collect();
        assert_eq!(names.len(), schema.relations(entity).len(), "{}", entity.name);
        for (n, name) in names.iter().enumerate() {
            assert!(entity.root.field(name).is_none() && !names[..n].contains(name), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        }
    }
}

#[test]
fn a_partner_leads_back_along_the_same_reference() {
    let schema = shipped();
    let (order, customer) = (schema.entity("Order").unwrap(), schema.entity("Customer").unwrap());
    let (out, back) = (found("Order", "customer_record"), found("Customer", "orders"));
    assert!(out.is_partner(order, &back, customer) && back.is_partner(customer, &out, order));
    let invoices = found("Customer", "invoices");
    assert!(!out.is_partner(order, &invoices, customer));
}

#[test]
fn the_address_of_its_own_list_is_read_as_the_reference_and_what_was_asked() {
    let invoices = found("Order", "invoices");
    let order = invoices.entity().leaf_at("order").unwrap();
    let options = [("$filter", "number eq 'a' or number eq 'b'".to_owned()), ("$top", "3".to_owned())];
    let address = invoices.own_list(&["O'7 &ł"], &options).unwrap();
    assert_eq!(
        address,
        "invoices?$filter=(order%20eq%20'O''7%20%26%C5%82')%20and%20(number%20eq%20'a'%20or%20number%20eq%20'b')&$top=3"
    );
    let filter = read(&invoices, &address);
    let number = invoices.entity().leaf_at("number").unwrap();
    let is = |leaf, text: &str| Filter::test(leaf, Op::Eq, Value::Text(text.into()));
    assert_eq!(
        filter,
        Filter::All(vec![is(order, "O'7 &ł"), Filter::Any(vec![is(number, "a"), is(number, "b")])])
    );
    // A reference in a list is asked for by `any`.
    let orders = found("Product", "orders");
    let address = orders.own_list(&["7"], &[]).unwrap();
    assert_eq!(address, "orders?$filter=lines/any(__item:__item/product%20eq%20'7')");
    read(&orders, &address);
    // Several ids are asked for at once, and no more than a filter takes.
    let products = found("Order", "lines_product_records");
    let ids: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let address = products.own_list(&ids[..2], &[]).unwrap();
    assert_eq!(address, "products?$filter=id%20in%20('0','1')");
    assert!(read(&products, &products.own_list(&ids, &[]).unwrap()).tests() >= 3);
    assert_eq!(products.own_list(&[], &[]), None);
    let many = vec!["x"; IDS_MAX + 1];
    assert_eq!(products.own_list(&many, &[]), None);
    let long = "x".repeat(20_000);
    assert_eq!(invoices.own_list(&[&long], &[]), None, "an address that would be refused is none");
}

proptest! {
    #[test]
    fn no_id_leaves_its_quotes_in_an_address(id in "\\PC{1,40}") {
        let invoices = found("Order", "invoices");
        let order = invoices.entity().leaf_at("order").unwrap();
        let address = invoices.own_list(&[&id], &[]).unwrap();
        prop_assert!(address.is_ascii() && !address.contains(['#', ' ', '"', '<']));
        let (_, query) = address.split_once("?$filter=").unwrap();
        prop_assert!(!query.contains('&'));
        let expected = format!("order eq {}", quoted(&id));
        let told = decode(query);
        prop_assert_eq!(told.as_deref(), Some(expected.as_str()));
        prop_assert_eq!(read(&invoices, &address), Filter::test(order, Op::Eq, Value::Text(id.as_str().into())));
    }
}
