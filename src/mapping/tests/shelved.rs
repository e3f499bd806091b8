//! Facts about the files of systems that stand ready: each holds its samples, and lists as its system does.

use serde_json::{Value as Json, json};

use super::*;
use crate::schema::Filter;

/// A file of the catalogue.
fn shelved(name: &str, text: &str, base: &str) -> System {
    let (system, told) = load_text(name, text, base);
    system.unwrap_or_else(|| panic!("{told}"))
}

fn woocommerce() -> System {
    let text = include_str!("../../../policies/systems/catalogue/woocommerce.yaml");
    shelved("woocommerce", text, "https://shop.example.com/wp-json/wc/v3")
}

fn shopify() -> System {
    let text = include_str!("../../../policies/systems/catalogue/shopify.yaml");
    shelved("shopify", text, "https://example.myshopify.com/admin/api/2024-10")
}

fn mailchimp() -> System {
    let text = include_str!("../../../policies/systems/catalogue/mailchimp.yaml");
    shelved("mailchimp", text, "https://us3.api.mailchimp.com/3.0")
}

fn ga4() -> System {
    let text = include_str!("../../../policies/systems/catalogue/ga4.yaml");
    shelved("ga4", text, "https://analyticsdata.googleapis.com/v1beta")
}

fn google_ads() -> System {
    let text = include_str!("../../../policies/systems/catalogue/google-ads.yaml");
    shelved("google-ads", text, "https://googleads.googleapis.com/v21")
}

fn getresponse() -> System {
    let text = include_str!("../../../policies/systems/catalogue/getresponse.yaml");
    shelved("getresponse", text, "https://api.getresponse.com/v3")
}

fn hubspot_marketing() -> System {
    let text = include_str!("../../../policies/systems/catalogue/hubspot-marketing.yaml");
    shelved("hubspot-marketing", text, "https://api.hubapi.com")
}

#[test]
fn the_samples_of_systems_that_stand_ready_hold_both_ways() {
    let mailing = [mailchimp(), getresponse(), hubspot_marketing()];
    for system in [woocommerce(), shopify(), ga4(), google_ads()].into_iter().chain(mailing) {
        let found = system.check();
        assert!(found.0.is_empty(), "{found}");
        assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
    }
}

/// Every page of the customers of a system: ids, and what was asked for.
fn walk(system: &System, answers: &dyn Fn(&str) -> NativeAnswer) -> (Vec<String>, Vec<String>) {
    let m = system.entity("Customer").unwrap();
    let all = m.entity().all();
    let (mut ids, mut targets, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let parent = m.has_parents().then(|| Arc::new(m.parent("16ed227135")));
        let asked = (&Filter::everything(), &[][..]);
        let listing = m.list_of(parent.as_ref(), None, &all, asked, cursor.as_deref(), 2).unwrap();
        let page = m.inward_list(&listing, &answers(&listing.request.target), &all).unwrap();
        assert!(!page.truncated);
        ids.extend(page.rows.into_iter().map(|row| row.unwrap().id.to_string()));
        targets.push(listing.request.target);
        cursor = page.next;
        if cursor.is_none() {
            return (ids, targets);
        }
    }
}

fn rows(key: &str, numbers: impl IntoIterator<Item = u32>) -> Json {
    numbers.into_iter().map(|n| json!({ key: n, "first_name": "Ewa" })).collect()
}

#[test]
fn a_shop_is_listed_by_the_pages_that_its_header_counts() {
    let (ids, targets) = walk(&woocommerce(), &|target| {
        let (_, page) = target.split_once("page=").unwrap();
        let page: u32 = page.split('&').next().unwrap().parse().unwrap();
        let mut answer = answer(200, &rows("id", (page * 2 - 1)..(page * 2 + 1)).to_string());
        answer.headers.insert("x-wp-total", 4.into());
        answer.headers.insert("x-wp-totalpages", 2.into());
        answer
    });
    assert_eq!(ids, ["1", "2", "3", "4"]);
    assert_eq!(targets, ["/customers?page=1&per_page=2", "/customers?page=2&per_page=2"]);
}

#[test]
fn a_shop_is_listed_by_the_link_in_its_header() {
    let (ids, targets) = walk(&shopify(), &|target| {
        let is_first = !target.contains("page_info");
        let numbers = if is_first { 1..3 } else { 3..4 };
        let mut answer = answer(200, &json!({ "customers": rows("id", numbers) }).to_string());
        let base = "https://example.myshopify.com/admin/api/2024-10/customers.json";
        let link = match is_first {
            true => format!("<{base}?limit=2&page_info=abc>; rel=\"next\""),
            false => format!("<{base}?limit=2&page_info=xyz>; rel=\"previous\""),
        };
        answer.headers.insert("link", link.parse().unwrap());
        answer
    });
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(targets, ["/customers.json?limit=2", "/customers.json?limit=2&page_info=abc"]);
}

#[test]
fn an_audience_is_listed_by_offset_up_to_its_total() {
    let (ids, targets) = walk(&mailchimp(), &|target| {
        let from = if target.contains("offset=2") { 2 } else { 0 };
        let rows = rows("contact_id", from..(from + 2).min(4));
        answer(200, &json!({ "members": rows, "total_items": 4 }).to_string())
    });
    assert_eq!(ids, ["0", "1", "2", "3"].map(|id| format!("16ed227135,{id}")));
    assert_eq!(targets, ["/lists/16ed227135/members?count=2", "/lists/16ed227135/members?offset=2&count=2"]);
}

#[test]
fn a_shop_that_knows_no_such_record_says_so_in_the_body() {
    let system = woocommerce();
    let m = system.entity("Product").unwrap();
    let body = r#"{ "code": "woocommerce_rest_term_invalid", "message": "Resource doesn't exist.", "data": { "status": 404 } }"#;
    assert_eq!(m.inward(&answer(400, body), &FieldSet::ID).unwrap_err().kind, FaultKind::NotFound);
}
