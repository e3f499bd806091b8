//! Facts about what shops need said: pages as a range of rows, waits with a fraction, and why something cannot be.

use super::*;
use crate::{catalog::Action, schema::Filter};

fn with_page(page: &str) -> (Option<System>, String) {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    list: {{ rows: rows, page: {page} }}\n    fields: {{ given_name: n }}\n"
    );
    load_text("x", &text, "https://x.example")
}

#[test]
fn a_page_is_asked_for_as_a_range_of_rows() {
    let (system, told) = with_page("{ range: limit, most: 2 }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let (mut cursor, mut targets) = (None::<String>, Vec::new());
    for rows in [r#"[{"id":"1"},{"id":"2"}]"#, r#"[{"id":"3"},{"id":"4"}]"#, r#"[{"id":"5"}]"#] {
        let listing = m.list(&FieldSet::ID, &Filter::everything(), &[], cursor.as_deref(), 50).unwrap();
        let page = answer(200, &format!(r#"{{"rows":{rows}}}"#));
        cursor = m.inward_list(&listing, &page, &FieldSet::ID).unwrap().next;
        targets.push(listing.request.target);
    }
    assert_eq!(targets, ["/c?limit=0%2C2", "/c?limit=2%2C2", "/c?limit=4%2C2"]);
    assert_eq!(cursor, None);
}

#[test]
fn a_range_is_the_only_word_on_where_a_page_is() {
    for (more, word) in
        [("size: n", "`size`"), ("number: p, total: t", "`number`"), ("offset: o", "`offset`")]
    {
        let (_, told) = with_page(&format!("{{ range: limit, {more} }}"));
        assert!(told.contains(&format!("leave out {word}")), "{told}");
    }
}

#[test]
fn prices_of_a_shop_whose_floats_leak_are_what_it_keeps_and_that_is_told() {
    let text = include_str!("../../../policies/systems/catalogue/magento.yaml");
    let (system, told) = load_text("magento", text, "https://shop.example.com/rest/V1");
    let m = system.unwrap_or_else(|| panic!("{told}")).entity("Price").unwrap().clone();
    let all = m.entity().all();
    let filter =
        Filter::test(m.entity().leaf_at("sku").unwrap(), schema::Op::Eq, schema::Value::Text("A".into()));
    let listing = m.list(&all, &filter, &[], None, 50).unwrap();
    let row = |price: &str, kind: &str| {
        format!(
            r#"{{"price":{price},"price_type":"{kind}","website_id":0,"sku":"A","customer_group":"ALL GROUPS","quantity":1}}"#
        )
    };
    let body = format!(
        "[{},{},{}]",
        row("29.949999999999999", "fixed"),
        row("17.00", "fixed"),
        row("9.9900000000000002", "discount")
    );
    let page = m.inward_list(&listing, &answer(200, &body), &all).unwrap();
    let rows: Vec<_> = page.rows.into_iter().map(Result::unwrap).collect();
    let told = |row: &Inward| (json(m.entity(), &row.record)["net_price"].clone(), row.findings.len());
    assert_eq!(told(&rows[0]), ("29.95".into(), 1));
    assert_eq!(told(&rows[1]), ("17.00".into(), 0));
    assert_eq!(json(m.entity(), &rows[2].record)["discount"]["value"], "9.99");
}

#[test]
fn a_started_second_of_a_wait_counts_whole() {
    let m = crm().entity("Customer").unwrap();
    for (said, after) in [
        ("2", Some(2)),
        ("2.0", Some(2)),
        ("2.01", Some(3)),
        ("0.5", Some(1)),
        ("-1", None),
        ("2.x", None),
        (".5", None),
        ("soon", None),
    ] {
        let mut answer = answer(429, "{}");
        answer.headers.insert("retry-after", said.parse().unwrap());
        assert_eq!(
            m.inward(&answer, &FieldSet::ID).unwrap_err().kind,
            FaultKind::RateLimited { after },
            "{said}"
        );
    }
}

fn with_lacks(lacks: &str) -> (Option<System>, String) {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    read: {{}}\n    fields: {{ given_name: n }}\n    lacks: {lacks}\n"
    );
    load_text("x", &text, "https://x.example")
}

#[test]
fn what_a_system_lacks_it_lacks_for_a_reason() {
    let (system, told) = with_lacks("{ create: customers register themselves }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    assert_eq!(m.lack(Action::Create), Some("customers register themselves"));
    assert_eq!(m.lack(Action::Delete), None);
}

#[test]
fn a_reason_that_cannot_be_told_is_a_mistake_of_the_file() {
    let long = format!("{{ create: {} }}", "x".repeat(161));
    for (lacks, word) in [
        ("{ read: no }", "the entity has `read`"),
        ("{ updat: no }", "did you mean `update`?"),
        ("{ create: \"a\\nb\" }", "one line of at most 160 characters"),
        ("{ create: \"\" }", "one line"),
        (long.as_str(), "one line"),
    ] {
        let (_, told) = with_lacks(lacks);
        assert!(told.contains(word), "{word} not in:\n{told}");
    }
}
