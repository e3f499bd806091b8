//! Facts about what a system is asked: names, filters, orders, pages.

use proptest::prelude::*;

use super::{catalogue::test, *};
use crate::{
    catalog::{Cursor, CursorKey},
    schema::{Derive, Direction, Filter, Items, Op, Sort, Value},
    words::{Digest, SecretBytes},
};

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
    assert_eq!(request.target, "/crm/v3/objects/contacts/701?properties=firstname%2Clastname%2Ccompany");
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
    let listing = ask(m, &Filter::All(vec![email, since]), &[]);
    assert_eq!(listing.request.target, "/crm/v3/objects/contacts/search");
    assert_eq!(
        body(&listing)["filterGroups"],
        serde_json::json!([{"filters": [
            {"propertyName": "email", "operator": "IN", "values": ["a@b", "c@d"]},
            {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1767225600000"},
        ]}])
    );
    // Two places of one leaf: any of them.
    let phone = test(m, "phones.value", Op::Eq, "+48 1");
    assert_eq!(body(&ask(m, &phone, &[]))["filterGroups"].as_array().unwrap().len(), 2);
    // (2 places)³ = 8 groups are more than 5: some of it is left to the gate.
    let listing = ask(m, &Filter::All(vec![phone.clone(), phone.clone(), phone]), &[]);
    assert!(body(&listing)["filterGroups"].as_array().unwrap().len() <= 5);
}

#[test]
fn what_cannot_be_asked_is_left_to_the_gate_and_never_narrows() {
    let system = crm();
    let m = system.entity("Customer").unwrap();
    for filter in [
        test(m, "given_name", Op::Ne, "Ewa"),
        test(m, "given_name", Op::Gt, "Ewa"),
        Filter::Not(Box::new(test(m, "given_name", Op::Eq, "Ewa"))),
        test(m, "given_name", Op::Contains, "Ewa"),
        test(m, "given_name", Op::StartsWith, "Ewa"),
        test(m, "given_name", Op::EndsWith, "Ewa"),
        Filter::Derived {
            leaf: m.entity().leaf_at("given_name").unwrap(),
            by: vec![Derive::Lower],
            op: Op::Eq,
            value: Value::Text("ewa".into()),
        },
        Filter::Not(Box::new(Filter::Item(
            Items::at(m.entity(), "emails").unwrap(),
            Box::new(test(m, "emails.value", Op::Eq, "a@b")),
        ))),
        test(m, "name", Op::Eq, "Ewa Nowak"),
        test(m, "status", Op::Eq, "active"),
        test(m, "lifecycle", Op::Eq, "other"),
        test(m, "kind", Op::Eq, "person"),
        test(m, "vat_id", Op::Eq, "PL1"),
        Filter::Any(vec![test(m, "given_name", Op::Eq, "Ewa"), test(m, "name", Op::Eq, "x")]),
        Filter::Any(Vec::new()),
    ] {
        let listing = ask(m, &filter, &[]);
        assert!(listing.request.body.is_empty(), "{filter:?}");
    }
    // What one item must pass whole is asked of all of them.
    let item = Filter::Item(
        Items::at(m.entity(), "emails").unwrap(),
        Box::new(test(m, "emails.value", Op::Eq, "a@b")),
    );
    assert_eq!(body(&ask(m, &item, &[])), body(&ask(m, &test(m, "emails.value", Op::Eq, "a@b"), &[])));
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
    assert!(listing.sort_pushed);
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
        "?$skiptoken=x",
    ] {
        let next = page(link).unwrap().next.unwrap();
        assert!(next.ends_with(":/salesOrders?$skiptoken=x"), "{link}: {next}");
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
fn a_next_page_that_is_no_text_or_this_same_page_is_the_systems_fault_and_no_end() {
    let m = erp().entity("Order").unwrap();
    let listing = ask(m, &Filter::everything(), &[]);
    let page = |listing: &Listing, link: &serde_json::Value| {
        let body = serde_json::json!({"value": [], "@odata.nextLink": link}).to_string();
        m.inward_list(listing, &answer(200, &body), &FieldSet::ID)
    };
    for link in [serde_json::json!({}), serde_json::json!([]), 5.into(), true.into()] {
        assert_eq!(page(&listing, &link).unwrap_err().kind, FaultKind::Unreadable, "{link}");
    }
    for link in [serde_json::Value::Null, "".into()] {
        assert_eq!(page(&listing, &link).unwrap().next, None, "{link}");
    }
    // However it is spelt.
    let itself = listing.request.target.replace("%2C", ",");
    let itself = format!("https://erp.example/api/v2.0/companies(1){itself}");
    assert_eq!(page(&listing, &itself.into()).unwrap_err().kind, FaultKind::Unreadable);
    let next = page(&listing, &"?$skiptoken=x".into()).unwrap().next.unwrap();
    let second = m.list(&FieldSet::ID, &Filter::everything(), &[], Some(&next), 50).unwrap();
    assert_eq!(page(&second, &"?$skiptoken=x".into()).unwrap_err().kind, FaultKind::Unreadable);
    assert!(page(&second, &"?$skiptoken=y".into()).unwrap().next.is_some());
    // By token, too.
    let m = crm().entity("Customer").unwrap();
    let first = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 50).unwrap();
    let page = |listing: &Listing, after: &serde_json::Value| {
        let body = serde_json::json!({"results": [], "paging": {"next": {"after": after}}}).to_string();
        m.inward_list(listing, &answer(200, &body), &FieldSet::ID)
    };
    let next = page(&first, &"a".into()).unwrap().next.unwrap();
    let second = m.list(&FieldSet::ID, &Filter::everything(), &[], Some(&next), 50).unwrap();
    for same in [serde_json::json!("a"), serde_json::json!({}), serde_json::json!([])] {
        assert_eq!(page(&second, &same).unwrap_err().kind, FaultKind::Unreadable, "{same}");
    }
}

/// Each page is asked for with nothing but the cursor of the last one.
#[test]
fn pages_that_name_each_other_in_a_circle_come_to_an_end() {
    for (page, names) in [
        ("{ next: l, query: after }", ["a", "b", "c"]),
        ("{ next: l, query: after, window: 10000 }", ["a", "b", "c"]),
        ("{ link: l }", ["/c?p=a", "/c?p=b", "https://x.example/c?p=c"]),
    ] {
        let system = paging(page);
        let m = system.entity("Customer").unwrap();
        let (mut cursor, mut asked) = (None, 0);
        let fault = loop {
            let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], cursor.as_deref(), 10).unwrap();
            let body = serde_json::json!({"r": [], "l": names[asked % names.len()]}).to_string();
            match m.inward_list(&listing, &answer(200, &body), &FieldSet::ID) {
                Ok(page) => cursor = Some(page.next.unwrap()),
                Err(fault) => break fault,
            }
            asked += 1;
            assert!(asked < 20, "{page}");
        };
        assert_eq!(fault.kind, FaultKind::Unreadable, "{page}");
        assert!(asked >= names.len(), "{page}");
    }
}

#[test]
fn a_search_stops_at_its_window_and_says_that_there_may_be_more() {
    let text = include_str!("../../../policies/systems/crm.yaml").replace(", keyset: hs_object_id", "");
    let system = load_text("crm", &text, "https://api.hubapi.com").0.unwrap();
    let m = system.entity("Customer").unwrap();
    let filter = test(m, "emails.value", Op::Eq, "a@b");
    let list = |cursor| m.list(&FieldSet::ID, &filter, &[], Some(cursor), 100);
    let rows = |count: usize, token: &str| {
        let rows: Vec<_> = (1..=count).map(|n| serde_json::json!({"id": n.to_string()})).collect();
        let body = serde_json::json!({"results": rows, "paging": {"next": {"after": token}}}).to_string();
        answer(200, &body)
    };
    let page = |listing: &Listing, rows| m.inward_list(listing, &rows, &FieldSet::ID).unwrap();
    let listing = list("1:9950:1:0:x9950").unwrap();
    assert_eq!((listing.size, body(&listing)["after"].as_str()), (50, Some("x9950")));
    // The rows are counted, whatever the system's tokens look like.
    let next = page(&listing, rows(20, "000"));
    let (cursor, is_cut) = (next.next.unwrap(), next.truncated);
    assert!(cursor.starts_with("1:9970:2:") && cursor.ends_with(":000") && !is_cut, "{cursor}");
    for last in [rows(50, "x10000"), rows(50, "")] {
        let last = page(&listing, last);
        assert!(last.next.is_none() && last.truncated);
    }
    let end = page(&listing, rows(20, ""));
    assert!(end.next.is_none() && !end.truncated);
    // The shipped file says how it goes on.
    let shipped = crm().entity("Customer").unwrap();
    let listing = shipped.list(&FieldSet::ID, &filter, &[], Some("1:9950:1:0:x9950"), 100).unwrap();
    let next = shipped.inward_list(&listing, &rows(50, "x10000"), &FieldSet::ID).unwrap().next.unwrap();
    let listing = shipped.list(&FieldSet::ID, &filter, &[], Some(&next), 100).unwrap();
    let asked = body(&listing);
    assert_eq!((listing.size, asked.get("after")), (100, None));
    let after = serde_json::json!({ "propertyName": "hs_object_id", "operator": "GT", "value": "50" });
    assert_eq!(asked["filterGroups"][0]["filters"][0], after);
    let order = serde_json::json!([{ "propertyName": "hs_object_id", "direction": "ASCENDING" }]);
    assert_eq!(asked["sorts"], order);
    for cursor in [
        "1:10000:1:0:x",
        "1:9950",
        "1:9950:1:0",
        "1:9950:1:0:",
        "1:x:1:0:y",
        "1:50:x:0:y",
        "0:50:1:0:y",
        "x",
        "1:",
        "",
    ] {
        assert_eq!(list(cursor).unwrap_err(), ListError::BadCursor, "{cursor}");
    }
}

/// A system that pages as `page` says.
fn paging(page: &str) -> System {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    list: {{ rows: r, page: {page} }}\n    fields: {{ given_name: a }}\n"
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    system.unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn a_list_that_is_cut_says_so_however_it_pages() {
    for (page, cursor, limit, count, next, truncated) in [
        // Counted by offset: to the window and no further.
        ("{ offset: skip, size: n, most: 10, window: 25 }", None, 10, 10, Some("0:10:1:"), false),
        ("{ offset: skip, size: n, most: 10, window: 25 }", Some("0:20:2:7"), 10, 5, None, true),
        ("{ offset: skip, size: n, most: 10, window: 25 }", Some("0:20:2:7"), 10, 4, None, false),
        ("{ offset: skip, size: n, most: 10 }", Some("0:20:2:7"), 10, 10, Some("0:30:3:"), false),
        // One page, asked for whole: a full one may not be all, and nothing is known where no size is asked.
        ("{ size: n, most: 10 }", None, 3, 10, None, true),
        ("{ size: n, most: 10 }", None, 3, 9, None, false),
        ("{}", None, 3, 100, None, false),
        // By link the system says itself where the end is.
        ("{ link: l, prefer: p, most: 10 }", None, 10, 10, None, false),
    ] {
        let system = paging(page);
        let m = system.entity("Customer").unwrap();
        let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], cursor, limit).unwrap();
        let rows: Vec<_> = (0..count).map(|n| serde_json::json!({"id": format!("{n}")})).collect();
        let body = serde_json::json!({"r": rows}).to_string();
        let page_read = m.inward_list(&listing, &answer(200, &body), &FieldSet::ID).unwrap();
        let came = page_read.next.as_deref();
        assert_eq!((came.is_some(), page_read.truncated), (next.is_some(), truncated), "{page} {count}");
        assert!(came.unwrap_or_default().starts_with(next.unwrap_or_default()), "{page} {count}: {came:?}");
    }
    for page in ["{ link: l, window: 10 }", "{ window: 10 }"] {
        let text = format!(
            "entities: {{ Customer: {{ at: /c, list: {{ rows: r, page: {page} }}, fields: {{}} }} }}"
        );
        let told = load_text("x", &text, "https://x.example").1;
        assert!(told.contains("`window` counts rows"), "{page}: {told}");
    }
}

#[test]
fn whatever_a_system_pages_by_a_caller_can_send_back() {
    let system = paging("{ next: t, query: after }");
    let m = system.entity("Customer").unwrap();
    let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], None, 10).unwrap();
    let page = |length: usize| {
        let body = serde_json::json!({"r": [], "t": "x".repeat(length)}).to_string();
        m.inward_list(&listing, &answer(200, &body), &FieldSet::ID)
    };
    // What a page is known by stands in it too, in some more digits or less.
    let most = Cursor::NATIVE_BYTES_MAX;
    let longest = (most.saturating_sub(64)..most).rev().find(|length| page(*length).is_ok()).unwrap();
    let native = page(longest).unwrap().next;
    let key = CursorKey::new(&SecretBytes::new(vec![7; 32])).unwrap();
    let scope = Digest::of(b"s");
    let sealed =
        key.seal(&scope, &Cursor { native: native.clone(), skip: 3, rows: 0, ..Cursor::default() }).unwrap();
    let pairs = [("cursor", sealed.as_str())];
    let none = &FieldSet::EMPTY;
    let (_, sent) =
        schema::query::read(m.entity(), pairs, none, none, &schema::query::Limits::default()).unwrap();
    assert_eq!(key.open(&scope, &sent.unwrap()).unwrap().native, native);
    assert!(m.list(&FieldSet::ID, &Filter::everything(), &[], native.as_deref(), 10).is_ok());
    assert_eq!(page(most).unwrap_err().kind, FaultKind::Unreadable);
}

#[test]
fn what_a_system_keeps_of_one_kind_narrows_its_list() {
    let system = erp();
    let m = system.entity("StockLevel").unwrap();
    let listing = ask(m, &Filter::everything(), &[]);
    assert_eq!(decoded(&listing), "/items?$filter=type eq 'Inventory'&$select=id,type");
}

#[test]
fn a_reference_to_a_guid_is_asked_for_bare_and_only_by_a_guid() {
    let system = erp();
    let m = system.entity("Invoice").unwrap();
    let order = |text: &str| decoded(&ask(m, &test(m, "order", Op::Eq, text), &[]));
    let guid = "b6f4017a-b749-ee11-ad0b-a1422c0f7f1f";
    assert_eq!(order(guid), format!("/salesInvoices?$filter=orderId eq {guid}&$select=id"));
    for text in ["S-ORD101001", "b6f4017a", "' or true eq true"] {
        assert_eq!(order(text), "/salesInvoices?$select=id", "{text}");
    }
    let two = decoded(&ask(m, &test(m, "order", Op::In, &format!("{guid},{guid}")), &[]));
    assert!(two.contains(&format!("(orderId eq {guid} or orderId eq {guid})")), "{two}");
    let stock = system.entity("StockLevel").unwrap();
    let asked = decoded(&ask(stock, &test(stock, "product", Op::Eq, guid), &[]));
    assert!(asked.contains(&format!("type eq 'Inventory' and id eq {guid}")), "{asked}");
}

#[test]
fn a_leaf_is_asked_for_at_every_place_it_is_read_from_or_not_at_all() {
    let text = r#"
absent: { any: [""] }
filters: { d: { shape: odata4 } }
tables: { units: { PCS: H87, KG: KGM } }
entities:
  Customer:
    at: /c
    list: { rows: r, filter: d }
    fields:
      addresses:
        - { role: =billing, country: =PL, city: city, line1: { at: line, default: none }, line2: { join: [a, b] } }
        - { role: =contact, country: c, city: city2, line1: line1, line2: line2, post_code: zip }
        - { role: =shipping, city: { at: city3, filter_at: never }, post_code: 'zips[0]' }
      given_name: { at: first, norm: trim }
      family_name: { at: last, norm: upper }
  Product:
    at: /p
    list: { rows: r, filter: d }
    fields:
      unit: { at: unit, norm: trim, values: units, write: never }
      kind: { at: kind, values: { A: goods, B: service }, norm: upper, write: never }
      status: { at: status, else: blocked, write: never }
"#;
    let (system, told) = load_text("x", text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let asked = |entity: &str, path: &str, text: &str| {
        let m = system.entity(entity).unwrap();
        let target = decoded(&ask(m, &test(m, path, Op::Eq, text), &[]));
        target.split_once("$filter=").map(|(_, filter)| filter.to_owned())
    };
    for (path, text) in [
        ("addresses.country", "PL"),  // a constant stands nowhere
        ("addresses.city", "Gdynia"), // one of three places cannot be asked for
        ("addresses.line1", "none"),
        ("addresses.line2", "x y"),
        ("addresses.post_code", "81-001"), // inside a list
        ("given_name", "Ewa"),             // ` Ewa` reads so too
    ] {
        assert_eq!(asked("Customer", path, text), None, "{path}");
    }
    assert_eq!(asked("Customer", "family_name", "nowak").unwrap(), "last eq 'NOWAK'");
    let exactly = text.replace("shape: odata4", "shape: odata4, text: exactly");
    let exact = load_text("x", &exactly, "https://x.example").0.unwrap();
    let m = exact.entity("Customer").unwrap();
    assert!(!decoded(&ask(m, &test(m, "family_name", Op::Eq, "NOWAK"), &[])).contains("$filter"));
    assert_eq!(asked("Product", "unit", "H87"), None, "` PCS` is one too");
    assert_eq!(asked("Product", "kind", "goods").unwrap(), "kind eq 'A'");
    assert_eq!(asked("Product", "status", "blocked"), None, "whatever is unknown reads so");
    assert_eq!(asked("Product", "status", "active").unwrap(), "status eq 'active'");
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
