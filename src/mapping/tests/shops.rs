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
