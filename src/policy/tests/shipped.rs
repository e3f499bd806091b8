//! The shipped access files load over the shipped schema and say what the demo promises.

use std::{fs, path::Path, sync::Arc};

use super::kit::{context, facts, record, text};
use crate::{
    catalog::Action,
    identity::{Attribute, Facts},
    policy::{
        AttributeType, Denied, Given, Memo, Outlook, PlanRef, Policies, PrincipalAttribute, PrincipalTypes,
        SystemInfo, Target, outlook, preview,
    },
    schema::{self, Schema},
    words::{Diagnostics, Digest, EntityName, GroupName, Kind, SecretBytes, SystemName, tree},
};

/// The files of a folder of the shipped bundle, in order.
fn files(folder: &str) -> Vec<(Arc<str>, Arc<str>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(folder);
    let mut files: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            (Arc::from(name), Arc::from(fs::read_to_string(path).unwrap()))
        })
        .collect();
    files.sort();
    files
}

struct Shipped {
    schema: Schema,
    policies: Arc<Policies>,
}

fn shipped() -> Shipped {
    let trees: Vec<_> = files("schema")
        .into_iter()
        .map(|(file, text)| (file.clone(), tree::parse(&file, &text).unwrap()))
        .collect();
    let schema = schema::load::schema(&trees).unwrap_or_else(|found| panic!("{found}")).0;
    let attribute = |name: &str, holds, kind| PrincipalAttribute {
        name: name.into(),
        holds,
        kinds: vec![kind],
        required: false,
    };
    let principals = PrincipalTypes {
        attributes: vec![
            attribute("customer", AttributeType::Reference(EntityName::new("Customer")), Kind::Partner),
            attribute("country", AttributeType::Text, Kind::User),
        ],
        groups: ["apps", "readers", "staff", "internal", "partners"].map(GroupName::new).to_vec(),
    };
    let plans = [("internal", 40), ("staff", 30), ("reader", 20), ("partner", 10)]
        .map(|(name, rank)| PlanRef { name: name.into(), rank });
    let serves = |names: &[&str]| names.iter().map(|name| EntityName::new(*name)).collect();
    let systems = [
        SystemInfo { name: SystemName::new("crm"), serves: serves(&["Customer"]) },
        SystemInfo {
            name: SystemName::new("erp"),
            serves: serves(&["Product", "StockLevel", "Order", "Invoice"]),
        },
    ];
    let given = Given {
        bundle: Digest::of(b"shipped"),
        schema: &schema,
        principals: &principals,
        plans: &plans,
        systems: &systems,
        hours: &Arc::default(),
        pseudonyms: &SecretBytes::new(vec![7; 32]),
    };
    let mut found = Diagnostics::default();
    let policies = Policies::load(&files("access"), &given, &mut found).unwrap_or_else(|| panic!("{found}"));
    assert!(found.0.is_empty(), "{found}");
    Shipped { schema, policies: Arc::new(policies) }
}

impl Shipped {
    fn outlook(&self, facts: &Arc<Facts>, action: Action, entity: &str) -> Result<Box<Outlook>, Denied> {
        let target = Target::Entity(self.schema.entity(entity).unwrap().clone());
        outlook(&self.policies, &Memo::default(), facts, action, target, context(true))
    }
}

fn shop() -> Arc<Facts> {
    facts(Kind::App, "shop-backend", &["apps", "internal"], &[])
}

fn acme() -> Arc<Facts> {
    let customer = Attribute::Reference(EntityName::new("Customer"), "20000".into());
    facts(Kind::Partner, "acme-portal", &["partners"], &[("customer", customer)])
}

#[test]
fn the_shipped_access_files_load_without_a_word() {
    let shipped = shipped();
    assert!(shipped.policies.ids().count() >= 20);
    assert!(!shipped.policies.considers_anonymous());
}

#[test]
fn the_app_of_the_demo_lists_reads_creates_and_updates_customers_and_filters_orders() {
    let shipped = shipped();
    for action in [Action::List, Action::Read, Action::Create, Action::Update] {
        shipped.outlook(&shop(), action, "Customer").unwrap();
    }
    let customer = shipped.schema.entity("Customer").unwrap();
    let writable = shipped.outlook(&shop(), Action::Create, "Customer").unwrap().writable();
    for path in ["kind", "name", "given_name", "family_name", "emails.value"] {
        assert!(writable.contains(customer.leaf_at(path).unwrap()), "{path}");
    }
    let order = shipped.schema.entity("Order").unwrap();
    let clear = shipped.outlook(&shop(), Action::List, "Order").unwrap().clear();
    for path in ["status", "customer", "ordered_on", "tax_inclusive_total", "updated_at"] {
        assert!(clear.contains(order.leaf_at(path).unwrap()), "{path}");
    }
}

#[test]
fn the_partner_of_the_demo_sees_only_its_own_orders_and_only_some_of_their_fields() {
    let shipped = shipped();
    assert!(matches!(shipped.outlook(&acme(), Action::List, "Customer"), Err(Denied::Never(_))));
    let outlook = shipped.outlook(&acme(), Action::List, "Order").unwrap();
    assert_eq!(outlook.pushdown().tests(), 1);
    let order = shipped.schema.entity("Order").unwrap();
    let row = |customer: &str, status: &str| {
        record(
            order,
            &format!(
                r#"{{"id":"1","customer":"{customer}","status":"{status}","email":"a@b.pl","salesperson":"JO","discount_total":"5"}}"#
            ),
        )
    };
    let shown = preview(&outlook, row("20000", "open"), None).unwrap().0;
    assert_eq!(text(order, &shown), r#"{"id":"1","customer":"20000","status":"open","email":"a***@b.pl"}"#);
    assert!(preview(&outlook, row("10000", "open"), None).is_none());
    assert!(preview(&outlook, row("20000", "draft"), None).is_none());
}

#[test]
fn reports_see_customers_under_one_pseudonym_everywhere() {
    let shipped = shipped();
    let bi = facts(Kind::App, "bi-export", &["internal", "readers"], &[]);
    let show = |entity: &str, json: &str| {
        let outlook = shipped.outlook(&bi, Action::List, entity).unwrap();
        let entity = shipped.schema.entity(entity).unwrap();
        text(entity, &preview(&outlook, record(entity, json), None).unwrap().0)
    };
    let customer = show(
        "Customer",
        r#"{"id":"20000","kind":"company","name":"ACME","created_at":"2026-07-01T10:00:00Z"}"#,
    );
    let pseudonym = customer.strip_prefix(r#"{"id":""#).unwrap().split('"').next().unwrap();
    assert!(
        pseudonym.starts_with('~')
            && customer.ends_with(r#""kind":"company","created_at":"2026-01-01T00:00:00Z"}"#),
        "{customer}"
    );
    let order = show("Order", r#"{"id":"7","customer":"20000","tax_exclusive_total":"1234.56"}"#);
    assert_eq!(order, format!(r#"{{"id":"7","customer":"{pseudonym}","tax_exclusive_total":"1000"}}"#));
}
