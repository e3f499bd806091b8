//! What a decision costs: specialised the first time, remembered, and per record, with 20 statements that
//! all speak of the caller; and out of 20, 200 and 2,000 of which 8 do, for one caller and for 10,000.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench whose world cannot be set up fails loudly"
)]

use std::{hint::black_box, sync::Arc};

use bramka::{
    catalog::Action,
    identity::{Attribute, CredentialId, Facts},
    policy::{
        AttributeType, Context, Given, Memo, Policies, PrincipalAttribute, PrincipalTypes, Target, outlook,
        preview,
    },
    schema::{self, Body, Entity, Record, Schema, View},
    words::{
        Channel, Diagnostics, Digest, EntityName, GroupName, Kind, ListenerName, PrincipalId, SecretBytes,
        TlsFacts, tree,
    },
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// Groups that statements of a crowd speak of, beside the caller's.
const GROUPS: usize = 250;
/// Callers who ask in turn.
const CALLERS: u32 = 10_000;

/// Conditions of the kinds that bundles are made of.
const CONDITIONS: [&str; 10] = [
    "principal has customer && resource.customer == principal.customer",
    "resource has status && resource.status == \"open\"",
    "resource has status && [\"open\", \"closed\"].contains(resource.status)",
    "resource has ship_to && resource.ship_to has country && resource.ship_to.country == \"PL\"",
    "context.checked.channel.tls",
    "context.checked.address.isInRange(ip(\"10.0.0.0/8\")) && resource has buyer_reference",
    "resource has tax_inclusive_total && resource.tax_inclusive_total.lessThan(decimal(\"5000.0\"))",
    "resource has ordered_on && resource.ordered_on >= datetime(\"2026-01-01\")",
    "resource has status && resource.status != \"draft\" && resource.currency == \"EUR\"",
    "resource has number && resource.number like \"SO-*\"",
];

/// Twenty statements that all speak of the caller.
fn bundle() -> String {
    let statement = |n: usize| {
        let condition = CONDITIONS[n % CONDITIONS.len()];
        match n {
            0..14 => format!(
                "@id(\"p{n}\") @fields(\"*, email, tax_inclusive_total\") @mask(\"email: e-mail\") permit (principal is Partner in Group::\"partners\", action in [Action::\"list\", Action::\"read\"], resource is Order) when {{ {condition} }};\n"
            ),
            14..17 => format!(
                "@id(\"w{n}\") @withhold(\"salesperson\") forbid (principal, action in [Action::\"list\", Action::\"read\"], resource is Order) when {{ {condition} }};\n"
            ),
            _ => format!(
                "@id(\"f{n}\") forbid (principal, action, resource is Order) when {{ resource has status && resource.status == \"draft\" && ({condition}) }};\n"
            ),
        }
    };
    (0..20).map(statement).collect()
}

/// Eight statements on orders that speak of the caller, and more that speak of other groups, principals, actions and
/// entities.
fn crowd(statements: usize) -> String {
    let statement = |n: usize| {
        let condition = CONDITIONS[n % CONDITIONS.len()];
        let (who, action, entity) = match n {
            0..8 => ("is Partner in Group::\"partners\"".to_owned(), "list", "Order"),
            _ if n.is_multiple_of(4) => (format!("== App::\"app-{n}\""), "list", "Order"),
            _ if n % 4 == 1 => (format!("is Partner in Group::\"g{}\"", n % GROUPS), "list", "Order"),
            _ if n % 4 == 2 => ("is Partner in Group::\"partners\"".to_owned(), "update", "Order"),
            _ => ("is Partner in Group::\"partners\"".to_owned(), "list", "Invoice"),
        };
        let duty = if action == "list" { "@fields(\"*\")" } else { "@writes(\"buyer_reference\")" };
        let condition = if entity == "Order" { condition } else { "context.checked.channel.tls" };
        format!(
            "@id(\"s{n}\") {duty} permit (principal {who}, action == Action::\"{action}\", resource is {entity}) when {{ {condition} }};\n"
        )
    };
    (0..statements).map(statement).collect()
}

fn shipped_schema() -> Schema {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/schema");
    let files: Vec<(Arc<str>, tree::Node)> = ["customer", "product", "order", "invoice", "stock_level"]
        .into_iter()
        .map(|name| {
            let file: Arc<str> = format!("schema/{name}.yaml").into();
            let text = std::fs::read_to_string(format!("{root}/{name}.yaml")).unwrap();
            let node = tree::parse(&file, &text).unwrap();
            (file, node)
        })
        .collect();
    schema::load::schema(&files).unwrap_or_else(|found| panic!("{found}")).0
}

fn load(schema: &Schema, text: String) -> Arc<Policies> {
    let principals = PrincipalTypes {
        attributes: vec![PrincipalAttribute {
            name: "customer".into(),
            holds: AttributeType::Reference(EntityName::new("Customer")),
            kinds: vec![Kind::Partner],
            required: false,
        }],
        groups: (0..GROUPS)
            .map(|n| GroupName::new(format!("g{n}")))
            .chain([GroupName::new("partners")])
            .collect(),
    };
    let given = Given {
        bundle: Digest::of(b"bench"),
        schema,
        principals: &principals,
        plans: &[],
        systems: &[],
        hours: &Arc::default(),
        pseudonyms: &SecretBytes::new(vec![7; 32]),
    };
    let mut found = Diagnostics::default();
    let file = ("access/bench.cedar".into(), text.into());
    Arc::new(Policies::load(&[file], &given, &mut found).unwrap_or_else(|| panic!("{found}")))
}

fn facts() -> Arc<Facts> {
    facts_of(20_000)
}

fn facts_of(number: u32) -> Arc<Facts> {
    let customer = Attribute::Reference(EntityName::new("Customer"), number.to_string().into());
    Arc::new(Facts {
        kind: Kind::Partner,
        id: PrincipalId::new(format!("acme-{number}")),
        partner: Some(PrincipalId::new("acme")),
        groups: vec![GroupName::new("partners")],
        attributes: [("customer".into(), customer)].into(),
        plan: None,
        scopes: vec!["orders".into()],
        credential: CredentialId::None,
        issued_at: None,
        expires_at: None,
        digest: Digest::of(&number.to_le_bytes()),
    })
}

fn context() -> Context {
    let address = [10, 1, 2, 3].into();
    let channel = Channel {
        listener: ListenerName::new("data"),
        peer: (address, 4444).into(),
        address,
        tls: Some(TlsFacts {
            version: "1.3",
            server_name: None,
            certificate: None,
            standing: Default::default(),
        }),
    };
    let time = "2026-05-05T12:00:00Z".parse().unwrap();
    Context::new(&channel, (time, &Arc::default()), ("GET".parse().unwrap(), Some(0)), (None, None))
}

fn order(entity: &Entity) -> Record {
    let line = r#"{"id":"10000","kind":"item","sku":"1896-S","description":"Desk","quantity":"2","unit":"H87","net_price":"649.40","line_net_total":"1298.80"}"#;
    let json = format!(
        r#"{{"id":"5d115c9c","number":"SO-101001","customer":"20000","customer_name":"ACME","ordered_on":"2026-05-01",
        "currency":"EUR","status":"open","email":"buyer@acme.example","salesperson":"JO","buyer_reference":"PO-7",
        "ship_to":{{"name":"ACME","line1":"Prosta 1","city":"Warszawa","post_code":"00-001","country":"PL"}},
        "lines":[{line},{line},{line}],"tax_inclusive_total":"4792.57","updated_at":"2026-05-02T10:00:00Z"}}"#
    );
    let view = View { writable: entity.all(), ..View::of(entity, Body::Patch) };
    schema::json::read(entity, json.as_bytes(), &view).unwrap_or_else(|faults| panic!("{faults:?}")).record
}

fn policy(c: &mut Criterion) {
    let schema = shipped_schema();
    let policies = load(&schema, bundle());
    let entity = schema.entity("Order").unwrap().clone();
    let (facts, record) = (facts(), order(&entity));
    let context = context();
    let look = |memo: &Memo| {
        outlook(&policies, memo, &facts, Action::List, Target::Entity(entity.clone()), context.clone())
            .unwrap()
    };
    let warm = Memo::default();
    let known = look(&warm);
    assert!(preview(&known, record.clone(), None).is_some());
    c.bench_function("decide, first time", |b| {
        b.iter_batched(Memo::default, |memo| black_box(look(&memo)), BatchSize::SmallInput);
    });
    c.bench_function("decide, remembered", |b| b.iter(|| black_box(look(&warm))));
    c.bench_function("record, verdict alone", |b| b.iter(|| black_box(known.verdict(Some(&record), None))));
    c.bench_function("record, shown", |b| {
        b.iter_batched(
            || record.clone(),
            |record| black_box(preview(&known, record, None)),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("record, whole set again", |b| {
        b.iter(|| black_box(policies.recheck(&known, Some(&record), None)));
    });
}

fn out_of_many(c: &mut Criterion) {
    let schema = shipped_schema();
    let entity = schema.entity("Order").unwrap().clone();
    let context = context();
    let callers: Vec<Arc<Facts>> = (0..CALLERS).map(facts_of).collect();
    for statements in [20, 200, 2_000] {
        let policies = load(&schema, crowd(statements));
        let look = |memo: &Memo, facts: &Arc<Facts>| {
            outlook(&policies, memo, facts, Action::List, Target::Entity(entity.clone()), context.clone())
                .unwrap()
        };
        let warm = Memo::new(2 * callers.len());
        let mut all = callers.iter().cycle();
        c.bench_function(&format!("8 of {statements} statements, first time"), |b| {
            b.iter_batched(
                || (Memo::default(), all.next().unwrap()),
                |(memo, facts)| black_box(look(&memo, facts)),
                BatchSize::SmallInput,
            );
        });
        callers.iter().for_each(|facts| drop(look(&warm, facts)));
        // Every other caller of them all, so that none is still in the nearest cache.
        let mut all = callers.iter().cycle().step_by(7);
        c.bench_function(&format!("8 of {statements} statements, remembered, of {CALLERS} callers"), |b| {
            b.iter(|| black_box(look(&warm, all.next().unwrap())));
        });
    }
}

criterion_group!(benches, policy, out_of_many);
criterion_main!(benches);
