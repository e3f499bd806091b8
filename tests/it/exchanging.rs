//! Exchanging a system: what `bramka systems compare` tells before anything is changed.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::kit::{Ran, copy_shipped, root, run};

fn compared(policies: &Path, old: &str, new: &str, collection: &str, more: &[&str]) -> Ran {
    let mut args = vec!["systems", "compare", old, new, "--collection", collection];
    args.extend(["--policies", policies.to_str().unwrap()]);
    args.extend(more);
    run(&args)
}

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))
}

/// How it stands with a thing; null where neither has it.
fn stands(told: &Value, what: &str, name: &str) -> Value {
    let mut lines = told["lines"].as_array().unwrap().iter();
    let line = lines.find(|line| line["what"] == what && line["name"] == name);
    line.map_or(Value::Null, |line| line["is"].clone())
}

/// A copy of the shipped policies.
fn policies() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    dir
}

#[test]
fn what_the_new_system_cannot_write_is_lost_and_what_only_it_tells_is_gained() {
    let policies = root().join("policies");
    let ran = compared(&policies, "woocommerce", "shopify", "customers", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let section = |head: &str| {
        let lines = ran.out.lines().skip_while(|line| *line != head).skip(1);
        lines.take_while(|line| line.starts_with("  ")).collect::<Vec<_>>()
    };
    assert!(ran.out.starts_with("customers: shopify instead of woocommerce\n"), "{ran:?}");
    assert_eq!(section("operations").len(), 5, "{ran:?}");
    assert!(section("operations").iter().all(|line| line.starts_with("  same    ")), "{ran:?}");
    assert!(section("filters by the system").contains(&"  gained  created_at gte"), "{ran:?}");
    assert!(section("fields told").contains(&"  same    addresses.line1"), "{ran:?}");
    for head in ["fields of a new record", "fields of a change"] {
        assert!(section(head).contains(&"  lost    addresses.line1"), "{ran:?}");
        assert!(section(head).contains(&"  same    emails.value"), "{ran:?}");
    }
    assert_eq!(section("pages"), ["  by link, 250 records; before by number, 100"], "{ran:?}");
    let last = ran.out.lines().last().unwrap();
    let counted = |word: &str| ran.out.lines().filter(|line| line.starts_with(word)).count();
    let [lost, gained, same] = ["  lost ", "  gained ", "  same "].map(counted);
    assert_eq!(last, format!("{lost} lost, {gained} gained, {same} the same; live data was not compared"));
    assert!(lost > 0 && gained > 0 && same > 0, "{ran:?}");
    assert!(!ran.out.contains("\u{1b}["), "no colour in a pipe");

    let back = compared(&policies, "shopify", "woocommerce", "customers", &["--json"]);
    assert_eq!(back.code, 1, "{back:?}");
    let back = told(&back);
    // What is lost one way is gained the other.
    assert_eq!([&back["lost"], &back["gained"], &back["same"]], [gained, lost, same], "{back:#}");
    assert_eq!(stands(&back, "filters by the system", "created_at gte"), "lost");
    assert_eq!(stands(&back, "fields of a new record", "addresses.line1"), "gained");
    assert_eq!(back["paging"]["new"], json!({ "by": "number", "most": 100, "reach": null }));
    assert_eq!(back["statements"], json!([]));
}

#[test]
fn a_system_beside_itself_loses_nothing() {
    let policies = root().join("policies");
    let file = policies.join("systems/crm.yaml");
    let ran = compared(&policies, "crm", file.to_str().unwrap(), "customers", &["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = told(&ran);
    assert_eq!([&told["lost"], &told["gained"]], [0, 0], "{told:#}");
    assert_eq!(stands(&told, "filters by the system", "updated_at gte"), "same");
    assert_eq!(stands(&told, "orders by the system", "updated_at"), "same");
}

#[test]
fn filters_orders_and_versions_are_compared_as_the_gate_would_ask_for_them() {
    let policies = root().join("policies");
    let ran = compared(&policies, "erp", "sap-s4", "products", &["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = told(&ran);
    let filter = |name: &str| stands(&told, "filters by the system", name);
    assert_eq!([filter("sku eq"), filter("name eq"), filter("gtin eq")], ["gained", "lost", "same"]);
    assert_eq!(filter("name contains"), Value::Null, "no system is asked for that");
    assert_eq!(stands(&told, "orders by the system", "unit_cost"), "lost");
    assert_eq!(stands(&told, "versions", "writes guarded against others"), "lost");
    let why = |name: &str| {
        let mut lines = told["lines"].as_array().unwrap().iter();
        lines.find(|line| line["name"] == name).unwrap()["why"].clone()
    };
    // Told by the new one, the gate looks itself; not told, it refuses.
    assert_eq!(why("name eq"), "the gate does it, within its bounds");
    assert_eq!(why("tax_category eq"), "it is refused");
}

#[test]
fn what_must_be_sent_and_how_far_a_list_goes_are_compared() {
    let policies = policies();
    let shop = fs::read_to_string(policies.path().join("systems/catalogue/woocommerce.yaml")).unwrap();
    // One page, no end of a record, and a currency that is not written and so not asked for.
    let page = "page: { number: page, size: per_page, most: 100, pages: { header: X-WP-TotalPages } }";
    let less = shop.replace(page, "page: { most: 100 }").replace("    delete: { means: archived }\n", "");
    let less = less.replace("currency: currency", "currency: { at: currency, write: never }");
    assert_ne!(shop, less);
    let file = policies.path().join("less.yaml");
    fs::write(&file, less).unwrap();
    let told =
        |old: &str, new: &str| told(&compared(&root().join("policies"), old, new, "orders", &["--json"]));
    let lost = told("woocommerce", file.to_str().unwrap());
    assert_eq!(stands(&lost, "reach", "every record of a list"), "lost");
    assert_eq!(stands(&lost, "operations", "delete"), "lost");
    assert_eq!(stands(&lost, "new records without", "currency"), "gained");
    let gained = told(file.to_str().unwrap(), "woocommerce");
    assert_eq!(stands(&gained, "reach", "every record of a list"), "gained");
    assert_eq!(stands(&gained, "operations", "delete"), "gained");
    assert_eq!(stands(&gained, "new records without", "currency"), "lost");
}

#[test]
fn what_an_item_of_a_list_needs_is_missed_only_where_the_item_was_sent_or_must_be() {
    let policies = policies();
    let without = |old: &str, new: &str, collection: &str, name: &str| {
        let files = [("old.yaml", old), ("new.yaml", new)].map(|(file, text)| {
            let file = policies.path().join(file);
            fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        });
        let ran = compared(&root().join("policies"), &files[0], &files[1], collection, &["--json"]);
        stands(&told(&ran), "new records without", name)
    };
    let customer = |mails: &str| {
        format!(
            "entities: {{ Customer: {{ at: /c, read: {{}}, create: {{}}, fields: {{ name: name{mails} }} }} }}"
        )
    };
    let (none, some) = (customer(""), customer(", emails: { each: mails, fields: { value: value } }"));
    assert_eq!(without(&none, &some, "customers", "emails.value"), Value::Null);
    let bare = customer(", emails: { each: mails, fields: { type: type } }");
    assert_eq!(without(&bare, &some, "customers", "emails.value"), "lost");
    // An order is none without lines.
    let shop = fs::read_to_string(policies.path().join("systems/catalogue/woocommerce.yaml")).unwrap();
    let each = "        each: line_items\n";
    let unsent = shop.replace(each, &format!("{each}        write: never\n"));
    assert_eq!(without(&unsent, &shop, "orders", "lines.quantity"), "lost");
}

#[test]
fn a_statement_that_reads_what_only_the_old_system_tells_is_lost() {
    let policies = root().join("policies");
    let ran = compared(&policies, "crm", "shopify", "customers", &["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let statements = &told(&ran)["statements"];
    assert_eq!(statements.as_array().unwrap().len(), 1, "{statements:#}");
    assert_eq!(statements[0]["file"], "access/guards.cedar");
    assert_eq!(statements[0]["message"], "`shopify` never tells `status` of Customer");
    let shown = compared(&policies, "crm", "shopify", "customers", &[]);
    assert!(shown.out.contains("@id(\"archived-customers-stay\")"), "{shown:?}");

    // Where the policies do not load, that is said, and the systems are compared all the same.
    let policies = self::policies();
    fs::write(policies.path().join("access/broken.cedar"), "permit (").unwrap();
    let ran = compared(policies.path(), "crm", "shopify", "customers", &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("statements were not looked at"), "{ran:?}");
    let ran = compared(policies.path(), "crm", "shopify", "customers", &["--json"]);
    assert_eq!(told(&ran)["statements"], Value::Null);
}

#[test]
fn what_another_system_tells_beside_is_told_whoever_serves() {
    let policies = policies();
    fs::write(policies.path().join("systems/books.yaml"), BOOKS).unwrap();
    let gateway = policies.path().join("gateway.yaml");
    let text = fs::read_to_string(&gateway).unwrap();
    let instead = |new: &str| told(&compared(policies.path(), "crm", new, "customers", &["--json"]));
    let credit = |told: &Value| stands(told, "fields told", "credit.limit");
    assert_eq!(credit(&instead("magento")), Value::Null, "no CRM tells it");
    let with = "customers: { system: crm, with: { books: { fields: [credit, name], on: vat_id } } }";
    fs::write(&gateway, text.replacen("customers: crm", with, 1)).unwrap();
    // Both know the number by which its record is found.
    let one = instead("magento");
    assert_eq!((credit(&one), stands(&one, "fields told", "vat_id")), ("same".into(), "same".into()));
    // What the books tell is theirs: no CRM is told it.
    assert_eq!(stands(&one, "fields told", "name"), "same");
    assert_eq!(stands(&one, "fields of a new record", "name"), Value::Null);
    // This one does not know it.
    let other = instead("mailchimp");
    assert_eq!((credit(&other), stands(&other, "fields told", "vat_id")), ("lost".into(), "lost".into()));
}

/// What a company may owe.
const BOOKS: &str = "system: books
base: http://127.0.0.1:9
sign_in: none
allow_local: true
filters:
  plain: { shape: flat, text: exactly, between: \",\", fields: { vat: { in: vat } } }
entities:
  Customer:
    at: /accounts
    key: { at: no, form: digits }
    list: { rows: items, filter: plain }
    read: {}
    fields: { kind: =company, name: title, vat_id: { at: vat, spelt: once }, credit: { currency: =PLN, limit: { at: limit, as: { scale: 2 } } } }
";

#[test]
fn what_cannot_be_compared_is_told_and_is_no_loss() {
    let policies = policies();
    let told = |old: &str, new: &str, collection: &str, words: &str| {
        let ran = compared(policies.path(), old, new, collection, &["--json"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.out.is_empty() && ran.err.contains(words), "{words}: {ran:?}");
    };
    let maps = "`mailchimp` does not map Product; it maps ";
    told("woocommerce", "mailchimp", "products", maps);
    told("mailchimp", "woocommerce", "products", maps);
    told("crm", "shopfy", "customers", "there is no system `shopfy`; did you mean `shopify`?");
    told("crm", "shopify", "custmers", "there is no collection `custmers`; did you mean `customers`?");
    told("crm", "no/such/file.yaml", "customers", "no/such/file.yaml");
    // A file that does not load shows the line, by its name and by its path.
    let file = policies.path().join("systems/catalogue/shopify.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("      given_name: first_name", "      givn_name: first_name", 1))
        .unwrap();
    told("crm", "shopify", "customers", "did you mean `given_name`?");
    told("crm", file.to_str().unwrap(), "customers", "did you mean `given_name`?");
    // One that is no YAML has no name: it may be the one that is meant.
    fs::write(&file, "system: [").unwrap();
    told("crm", "shopify", "customers", "systems/catalogue/shopify.yaml:1");
}

#[test]
fn several_systems_that_serve_together_are_compared_as_one() {
    let policies = root().join("policies");
    let with = |new: &str, more: &[&str]| compared(&policies, "crm", new, "customers", more);
    let each = ["dataverse", "dataverse-contacts"].map(|new| told(&with(new, &["--json"])));
    let ran = with("dataverse,dataverse-contacts", &["--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let both = told(&ran);
    // What either of them tells or takes is told and taken; only what neither does is lost.
    let mut kept = 0;
    for what in ["fields told", "fields of a new record", "fields of a change"] {
        for line in each[0]["lines"].as_array().unwrap().iter().filter(|line| line["what"] == what) {
            let name = line["name"].as_str().unwrap();
            let is = stands(&both, what, name);
            let lost = each.iter().all(|one| stands(one, what, name) == "lost");
            assert_eq!(is == "lost", lost, "{what} {name}");
            kept += usize::from(!lost && line["is"] == "lost");
        }
    }
    assert!(kept > 0, "each of them tells what the other does not");
    // What one filters by and the other does not is left to the gate; so is every order.
    let lines = both["lines"].as_array().unwrap();
    let filters = lines.iter().filter(|line| line["what"] == "filters by the system" && line["is"] != "lost");
    for line in filters {
        let name = line["name"].as_str().unwrap();
        let all = each.iter().all(|one| {
            matches!(stands(one, "filters by the system", name).as_str(), Some("same" | "gained"))
        });
        assert!(all, "{name}");
    }
    assert!(lines.iter().all(|line| line["what"] != "orders by the system" || line["is"] == "lost"));
    let live = with("dataverse,dataverse-contacts", &["--live"]);
    assert!(live.code == 2 && live.err.contains("compares one system with one other"), "{live:?}");
    let unknown = with("dataverse,", &[]);
    assert!(unknown.code == 2 && unknown.err.contains("there is no system ``"), "{unknown:?}");
}

#[test]
fn help_says_that_live_data_is_not_compared() {
    let ran = run(&["systems", "compare", "--help"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("does not compare live data"), "{ran:?}");
}

#[test]
fn a_file_of_the_catalogue_is_named_by_its_file_as_well() {
    let policies = root().join("policies");
    let ran = compared(&policies, "shopify", "tryton", "customers", &["--json"]);
    assert_eq!((ran.code, told(&ran)["new"].as_str()), (1, Some("tryton")), "{ran:?}");
    // What there is is told by names that can be given.
    let none = compared(&policies, "shopify", "nothing-like-it", "customers", &[]);
    assert!(none.code == 2 && none.err.contains("tryton") && !none.err.contains("erp, erp"), "{none:?}");
}
