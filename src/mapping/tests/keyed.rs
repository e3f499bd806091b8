//! Facts about lists that are asked for records by their keys.

use super::*;
use crate::{
    catalog::Action,
    clock,
    schema::{Filter, LeafId, Op, Value},
};

fn file(name: &str) -> System {
    let at = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/systems");
    let text = [at.join(name), at.join("catalogue").join(name)]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_else(|| panic!("{name}"));
    let (system, told) = load_text(name.trim_end_matches(".yaml"), &text, "https://x.example/api");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn of(list: &str, key: &str) -> (Option<System>, String) {
    let text = format!(
        "filters:\n  flat: {{ shape: flat, fields: {{ id: {{ eq: id }}, n: {{ eq: name }} }} }}\n  \
         text: {{ shape: text, query: q, ops: {{ eq: '=' }}, or: never }}\nentities:\n  Customer:\n    at: /c\n    \
         key: {key}\n    list: {{ rows: r, {list} }}\n    read: {{ get: '/one' }}\n    fields: {{ given_name: n }}\n"
    );
    load_text("x", &text.replace("'/one'", "'/{key}'"), "https://x.example")
}

fn keys<const N: usize>(keys: [&str; N]) -> Vec<compact_str::CompactString> {
    keys.map(Into::into).to_vec()
}

/// What is sent for some keys: how many of them at once, and the request without its escapes.
fn asked(m: &Mapping, keys: &[compact_str::CompactString], rest: &Filter) -> Option<(usize, String)> {
    let asked = m.list_of_keys(clock::now().wall, &FieldSet::ID, keys, rest)?;
    let request = &asked.listing().request;
    let target = percent_encoding::percent_decode_str(&request.target).decode_utf8().unwrap().into_owned();
    Some((asked.count(), format!("{target} {}", String::from_utf8_lossy(&request.body))))
}

const ONE: &str = "00000000-0000-0000-0000-00000000000a";
const TWO: &str = "00000000-0000-0000-0000-00000000000b";

#[test]
fn a_list_is_asked_for_keys_in_the_words_of_each_system() {
    for (name, entity, key, other, said) in [
        (
            "crm.yaml",
            "Customer",
            "1",
            "2",
            r#"{"propertyName":"hs_object_id","operator":"IN","values":["1","2"]}"#,
        ),
        (
            "hubspot-companies.yaml",
            "Customer",
            "1",
            "2",
            r#"{"propertyName":"hs_object_id","operator":"IN","values":["1","2"]}"#,
        ),
        ("salesforce.yaml", "Customer", "001A", "001B", r"WHERE Id IN ('001A','001B')"),
        ("dataverse.yaml", "Customer", ONE, TWO, &format!("(accountid eq {ONE} or accountid eq {TWO})")),
        ("erp.yaml", "Order", ONE, TWO, &format!("$filter=(id eq {ONE} or id eq {TWO})")),
        ("sap-s4.yaml", "Order", "1", "2", "(SalesOrder eq '1' or SalesOrder eq '2')"),
        ("sap-b1.yaml", "Order", "1", "2", "(DocEntry eq 1 or DocEntry eq 2)"),
        ("sap-b1.yaml", "Customer", "C1", "C'2", "(CardCode eq 'C1' or CardCode eq 'C''2')"),
        (
            "finance-operations.yaml",
            "Order",
            "SO1",
            "SO2",
            "dataAreaId eq 'usmf' and (SalesOrderNumber eq 'SO1' or SalesOrderNumber eq 'SO2')",
        ),
        ("quickbooks.yaml", "Invoice", "1", "2", "Id IN ('1','2')"),
        ("woocommerce.yaml", "Order", "1", "2", "include=1,2&"),
        ("shopify.yaml", "Order", "1", "2", "ids=1,2&"),
        ("shopify-graphql.yaml", "Order", "1", "2", r#""query":"(id:1 OR id:2)""#),
        ("prestashop.yaml", "Order", "1", "2", "filter[id]=[1|2]&"),
        (
            "magento.yaml",
            "Customer",
            "1",
            "2",
            "[field]=entity_id&searchCriteria[filter_groups][0][filters][0][condition_type]=in&searchCriteria[filter_groups][0][filters][0][value]=1,2&",
        ),
        ("tryton.yaml", "Order", "1", "2", r#"[["id","in",[1,2]]]"#),
    ] {
        let system = file(name);
        let m = system.entity(entity).unwrap();
        let (count, request) = asked(m, &keys([key, other]), &Filter::everything())
            .unwrap_or_else(|| panic!("{name} is not asked"));
        assert_eq!(count, 2, "{name}");
        assert!(request.contains(said), "{name}: {request}");
        assert!(m.finds_by(LeafId(0)), "{name}");
    }
}

#[test]
fn other_conditions_go_along_where_they_can_and_never_in_the_place_of_keys() {
    let m = erp().entity("Order").unwrap();
    let number = Filter::test(m.entity().leaf_at("number").unwrap(), Op::Eq, Value::Text("S1".into()));
    let (_, request) = asked(m, &keys([ONE]), &number).unwrap();
    assert!(request.contains(&format!("$filter=id eq {ONE} and number eq 'S1'")), "{request}");
    // A list that says something of the rest and nothing of keys would be walked.
    let (system, told) = of("filter: flat", "{ at: id, filter_at: never }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let name = Filter::test(m.entity().leaf_at("given_name").unwrap(), Op::Eq, Value::Text("A".into()));
    assert_eq!(asked(m, &keys(["1"]), &name), None);
}

#[test]
fn a_key_is_asked_for_only_where_the_file_says_so_or_odata_does() {
    let (system, told) = of("filter: text", "id");
    assert!(!system.unwrap_or_else(|| panic!("{told}")).entity("Customer").unwrap().finds_by(LeafId(0)));
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/systems/erp.yaml")).unwrap();
    let text = text.replace("form: guid }\n", "form: guid, filter_at: never }\n");
    let (system, told) = load_text("erp", &text, "https://erp.example/api/v2.0/companies(1)");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    assert!(!m.finds_by(LeafId(0)) && asked(m, &keys([ONE]), &Filter::everything()).is_none());
    assert!(erp().entity("Order").unwrap().finds_by(LeafId(0)));
}

#[test]
fn what_a_list_cannot_be_asked_for_at_once_is_asked_for_in_parts_or_not_at_all() {
    // One value a parameter, and no `or`: several are read, the one is asked for.
    let (system, told) = of("filter: flat", "{ at: id, filter_at: id }");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    assert!(m.can(Action::Read));
    assert_eq!(asked(m, &keys(["1", "2"]), &Filter::everything()), None);
    assert_eq!(asked(m, &keys(["1"]), &Filter::everything()).unwrap().0, 1);
    // A text that grows too long: fewer keys.
    let system = file("sap-s4.yaml");
    let m = system.entity("Order").unwrap();
    let long: Vec<compact_str::CompactString> = (0..60).map(|n| format!("{n:0>100}").into()).collect();
    let (count, request) = asked(m, &long, &Filter::everything()).unwrap();
    assert!((2..30).contains(&count), "{count}");
    assert_eq!(request.matches("SalesOrder eq").count(), count);
    assert_eq!(asked(m, &keys(["1"; 60]), &Filter::everything()).unwrap().0, 50);
    // What a default leaves out may be among them.
    let bounded = "needs: { 'updated_at[gte]': { default: $now-30d } }, query: { a: b }, post: '', body: { x: '{filter:updated_at[gte]}' }, filter: text";
    let (system, told) = of(bounded, "{ at: id, filter_at: id }");
    assert!(
        system.is_none()
            || asked(system.unwrap().entity("Customer").unwrap(), &keys(["1"]), &Filter::everything())
                .is_none(),
        "{told}"
    );
}

#[test]
fn a_key_of_several_parts_is_asked_for_by_all_of_them() {
    let text = "speaks: odata4\nentities:\n  Customer:\n    at: /C\n    key: [a, { at: b, form: digits }]\n    list: {}\n    read: {}\n    fields: { given_name: n }\n";
    let (system, told) = load_text("x", text, "https://x.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Customer").unwrap();
    let (count, request) = asked(m, &keys(["x,1", r"y\,z,2"]), &Filter::everything()).unwrap();
    assert_eq!(count, 2);
    assert!(request.contains("((a eq 'x' and b eq 1) or (a eq 'y,z' and b eq 2))"), "{request}");
    assert!(m.is_key("x,1") && !m.is_key("x") && !m.is_key("x,y"));
    // Where one of them has no name there, the key has none.
    let (system, _) =
        load_text("x", &text.replace("key: [a,", "key: [{ at: a, filter_at: never },"), "https://x.example");
    assert!(!system.unwrap().entity("Customer").unwrap().finds_by(LeafId(0)));
}

#[test]
fn a_file_that_says_how_keys_are_filtered_and_has_no_such_list_does_not_load() {
    for (list, key, why) in [
        ("page: {}", "{ at: id, filter_at: id }", "it takes a list with a `filter`"),
        ("filter: flat", "{ at: id, filter_at: code }", "it takes names that the `filter` of a list can say"),
        (
            "filter: flat",
            "{ at: id, filter_at: 'x[0]' }",
            "it takes names that the `filter` of a list can say",
        ),
        ("filter: flat", "{ at: id, filter_at: { at: id, form: numbers } }", "numbers"),
        ("filter: flat", "{ at: id, filter_on: id }", "did you mean `filter_at`?"),
    ] {
        let (_, told) = of(list, key);
        assert!(told.contains(why), "{list} {key}: {told}");
    }
    let (_, told) = of("filter: flat", "{ at: id, filter_at: never }");
    assert!(!told.contains("error"), "{told}");
}

#[test]
fn a_key_of_letters_and_digits_stands_within_a_text_and_no_other_is_asked_for() {
    let system = file("salesforce.yaml");
    let m = system.entity("Customer").unwrap();
    let read = m.read("0015e00000AbCdEAAV", &FieldSet::ID).unwrap();
    assert!(read.target.starts_with("/sobjects/Account/0015e00000AbCdEAAV"), "{}", read.target);
    for odd in ["", "001'", "001/../Contact", "001?x", "00\u{661}", "@{made.id}"] {
        assert!(m.read(odd, &FieldSet::ID).is_none(), "{odd}");
        assert!(asked(m, &keys([odd]), &Filter::everything()).is_none(), "{odd}");
    }
    // Its writes go to an address of their own.
    assert_eq!(m.posts_to().unwrap(), "/composite");
    let (_, told) = of("post: ''", "id");
    assert!(!told.contains("`at`"), "{told}");
    let text = "entities:\n  Customer:\n    at: /c\n    key: id\n    create: { at: composite?x }\n    fields: { given_name: n }\n";
    let (_, told) = load_text("x", text, "https://x.example");
    assert!(told.contains("`at` begins with `/` and has no query"), "{told}");
}
