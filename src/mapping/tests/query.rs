//! Facts about what a system is asked: names, filters, orders, pages.

use proptest::prelude::*;

use super::*;
use crate::schema::{Direction, Filter, LeafKind, Op, Sort, Value};

fn test(mapping: &Mapping, path: &str, op: Op, text: &str) -> Filter {
    let leaf = mapping.entity().leaf_at(path).unwrap();
    let kind: &LeafKind = &mapping.entity().leaf(leaf).unwrap().kind;
    let one = |text: &str| schema::value::parse_text(kind, text).unwrap();
    let value = match op {
        Op::In => Value::List(text.split(',').map(one).collect()),
        Op::Eq | Op::Ne | Op::Lt | Op::Lte | Op::Gt | Op::Gte => one(text),
    };
    Filter::Test { leaf, op, value }
}

fn ask(mapping: &Mapping, filter: &Filter, sort: &[Sort]) -> Listing {
    mapping.list(&FieldSet::ID, filter, sort, None, 50).unwrap()
}

fn decoded(listing: &Listing) -> String {
    percent_encoding::percent_decode_str(&listing.request.target).decode_utf8().unwrap().into_owned()
}

fn body(listing: &Listing) -> serde_json::Value {
    serde_json::from_slice(&listing.request.body).unwrap()
}

#[test]
fn only_names_that_are_wanted_are_asked_for() {
    let system = crm();
    let mapping = system.entity("Customer").unwrap();
    let wanted: FieldSet =
        ["name", "status"].iter().map(|path| mapping.entity().leaf_at(path).unwrap()).collect();
    let request = mapping.read("701", &wanted).unwrap();
    assert_eq!(request.target, "/crm/v3/objects/contacts/701?properties=firstname%2Clastname%2Cemail");
    let system = erp();
    let order = system.entity("Order").unwrap();
    let wanted = FieldSet::of(order.entity().leaf_at("lines.sku").unwrap());
    let guid = "b6f4017a-b749-ee11-ad0b-a1422c0f7f1f";
    let target = order.read(guid, &wanted).unwrap().target;
    assert_eq!(target, format!("/salesOrders({guid})?$select=id&$expand=salesOrderLines"));
}

#[test]
fn an_id_never_leaves_its_place_in_the_path() {
    let system = crm();
    let mapping = system.entity("Customer").unwrap();
    for id in ["", ".", "..", "search", "7/8", "7?x", "%2e%2e", "７"] {
        assert!(mapping.read(id, &FieldSet::ID).is_none(), "{id}");
    }
    let system = erp();
    let mapping = system.entity("Order").unwrap();
    for id in ["", "1", "b6f4017a-b749-ee11-ad0b-a1422c0f7f1f)", "b6f4017ab749ee11ad0ba1422c0f7f1f"] {
        assert!(mapping.read(id, &FieldSet::ID).is_none(), "{id}");
    }
}

#[test]
fn filters_go_to_hubspot_as_or_of_ands_within_its_bounds() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let email = test(m, "emails.value", Op::In, "a@b,c@d");
    let since = test(m, "updated_at", Op::Gte, "2026-01-01T00:00:00Z");
    let listing = ask(m, &Filter::All(vec![email, since.clone()]), &[]);
    assert_eq!(listing.request.target, "/crm/v3/objects/contacts/search");
    assert!(!listing.filter_exact);
    assert_eq!(
        body(&listing)["filterGroups"],
        serde_json::json!([{"filters": [
            {"propertyName": "email", "operator": "IN", "values": ["a@b", "c@d"]},
            {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1767225600000"},
        ]}])
    );
    assert!(ask(m, &since, &[]).filter_exact);
    // Two places of one leaf: any of them.
    let phone = test(m, "phones.value", Op::Eq, "+48 1");
    assert_eq!(body(&ask(m, &phone, &[]))["filterGroups"].as_array().unwrap().len(), 2);
    // (2 places)³ = 8 groups are more than 5: some of it is left to the gate.
    let listing = ask(m, &Filter::All(vec![phone.clone(), phone.clone(), phone]), &[]);
    assert!(body(&listing)["filterGroups"].as_array().unwrap().len() <= 5 && !listing.filter_exact);
}

#[test]
fn what_cannot_be_asked_is_left_to_the_gate_and_never_narrows() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    for filter in [
        test(m, "given_name", Op::Ne, "Ewa"),
        test(m, "given_name", Op::Gt, "Ewa"),
        Filter::Not(Box::new(test(m, "given_name", Op::Eq, "Ewa"))),
        test(m, "name", Op::Eq, "Ewa Nowak"),
        test(m, "status", Op::Eq, "active"),
        test(m, "lifecycle", Op::Eq, "other"),
        test(m, "kind", Op::Eq, "person"),
        test(m, "vat_id", Op::Eq, "PL1"),
        Filter::Any(vec![test(m, "given_name", Op::Eq, "Ewa"), test(m, "name", Op::Eq, "x")]),
        Filter::Any(Vec::new()),
    ] {
        let listing = ask(m, &filter, &[]);
        assert!(listing.request.body.is_empty() && !listing.filter_exact, "{filter:?}");
    }
    // A canonical value of many natives is asked for as all of them.
    let listing = ask(m, &test(m, "lifecycle", Op::Eq, "qualified"), &[]);
    let asked = body(&listing)["filterGroups"][0]["filters"][0]["values"].clone();
    assert_eq!(asked, serde_json::json!(["marketingqualifiedlead", "salesqualifiedlead"]));
}

#[test]
fn odata_conditions_are_typed_and_sorted_with_the_key_as_tiebreak() {
    let system = erp();
    let m = system.entity("Order").unwrap();
    let filter = Filter::All(vec![
        test(m, "customer", Op::Eq, "O'Hara"),
        test(m, "ordered_on", Op::Gte, "2026-01-01"),
        test(m, "tax_inclusive_total", Op::Lt, "10.50"),
        test(m, "status", Op::Eq, "open"),
        test(m, "lines.sku", Op::Eq, "X"),
    ]);
    let sort = [Sort { leaf: m.entity().leaf_at("ordered_on").unwrap(), direction: Direction::Descending }];
    let listing = ask(m, &filter, &sort);
    assert_eq!(
        decoded(&listing),
        "/salesOrders?$filter=customerNumber eq 'O''Hara' and orderDate ge 2026-01-01 and \
         totalAmountIncludingTax lt 10.50 and (status eq 'In Review' or status eq 'In_x0020_Review' or \
         status eq 'Open' or status eq 'Released')&$orderby=orderDate desc,id asc&$select=id"
    );
    assert!(listing.sort_pushed && !listing.filter_exact);
    assert_eq!(listing.request.headers["prefer"], "odata.maxpagesize=50");
    let two = Filter::Any(vec![test(m, "number", Op::Eq, "1"), test(m, "email", Op::Eq, "2")]);
    assert!(!decoded(&ask(m, &two, &[])).contains("$filter"));
    // The currency is filled in where the system has none, so it is not asked for.
    assert!(!decoded(&ask(m, &test(m, "currency", Op::Eq, "USD"), &[])).contains("$filter"));
}

#[test]
fn a_link_to_another_address_is_never_followed() {
    let system = erp();
    let m = system.entity("Order").unwrap();
    let listing = ask(m, &Filter::everything(), &[]);
    let page = |link: &str| {
        let body = serde_json::json!({"value": [], "@odata.nextLink": link}).to_string();
        m.inward_list(&listing, &answer(200, &body), &FieldSet::ID)
    };
    for link in [
        "https://erp.example/api/v2.0/companies(1)/salesOrders?$skiptoken=x",
        "/api/v2.0/companies(1)/salesOrders?$skiptoken=x",
        "salesOrders?$skiptoken=x",
    ] {
        let next = page(link).unwrap().next.unwrap();
        assert_eq!(next, "0:/salesOrders?$skiptoken=x", "{link}");
        let second = m.list(&FieldSet::ID, &Filter::everything(), &[], Some(&next), 50).unwrap();
        assert_eq!(second.request.target, "/salesOrders?$skiptoken=x");
    }
    for link in [
        "https://evil.example/api/v2.0/companies(1)/salesOrders",
        "http://erp.example/api/v2.0/companies(1)/salesOrders",
        "https://erp.example:8443/api/v2.0/companies(1)/salesOrders",
        "//evil.example/api/v2.0/companies(1)/x",
        "https://erp.example/api/v2.0/companies(2)/salesOrders",
        "../companies(2)/salesOrders",
        "%2e%2e/x",
        "javascript:x",
        "https://erp.example/api/v2.0/companies(1)evil/x",
    ] {
        assert_eq!(page(link).unwrap_err().kind, FaultKind::ForeignLink, "{link}");
    }
}

#[test]
fn a_search_stops_at_its_window_and_says_that_there_is_more() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    let filter = test(m, "emails.value", Op::Eq, "a@b");
    let list = |cursor| m.list(&FieldSet::ID, &filter, &[], Some(cursor), 100);
    let listing = list("1:9950").unwrap();
    assert_eq!((listing.size, body(&listing)["after"].as_str()), (50, Some("9950")));
    let rows = r#"{"results":[],"paging":{"next":{"after":"10000"}}}"#;
    let page = m.inward_list(&listing, &answer(200, rows), &FieldSet::ID).unwrap();
    assert!(page.next.is_none() && page.truncated);
    for cursor in ["1:10000", "0:50", "x", "1:", ""] {
        assert_eq!(list(cursor).unwrap_err(), ListError::BadCursor, "{cursor}");
    }
}

#[test]
fn what_a_system_keeps_of_one_kind_narrows_its_list() {
    let system = erp();
    let m = system.entity("StockLevel").unwrap();
    let listing = ask(m, &Filter::everything(), &[]);
    assert_eq!(decoded(&listing), "/items?$filter=type eq 'Inventory'&$select=id,type");
    assert!(listing.filter_exact);
}

/// Reads OData's own text literals; what is left must hold no part of the value.
fn outside_literals(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for char in text.chars() {
        match (char, inside) {
            ('\'', _) => inside = !inside,
            (char, false) => out.push(char),
            (_, true) => {}
        }
    }
    assert!(!inside, "a literal is left open");
    out
}

proptest! {
    #[test]
    fn a_value_never_leaves_its_literal(text in "['\"\\\\ a-z()=%&?#\u{0}-\u{1f}ż]{1,20}") {
        prop_assume!(!text.trim().is_empty());
        let system = erp();
        let m = system.entity("Order").unwrap();
        let leaf = m.entity().leaf_at("customer").unwrap();
        let filter = Filter::Test { leaf, op: Op::Eq, value: Value::Text(text.as_str().into()) };
        let target = ask(m, &filter, &[]).request.target;
        let (_, query) = target.split_once('?').unwrap();
        let pairs: Vec<_> = query.split('&').collect();
        prop_assert_eq!(pairs.len(), 2);
        let value = percent_encoding::percent_decode_str(pairs[0].strip_prefix("$filter=").unwrap());
        let value = value.decode_utf8().unwrap().into_owned();
        prop_assert_eq!(outside_literals(&value), "customerNumber eq ");
    }
}
