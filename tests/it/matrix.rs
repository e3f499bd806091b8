//! Every operation × every credential state, as one snapshot that an auditor can read: what each was answered,
//! and the reason that the journal holds. An operation that is missing from it fails a test.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    fs,
};

use bramka::{
    catalog::Action,
    clock,
    identity::Revocations,
    store::Store,
    tokens::Tokens,
    words::{Kind, PrincipalId},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Demo, Who, root, runtime, until},
    line::{Line, bare, json as with_json},
    mint::Issuer,
};

/// Statements that let the right caller do everything the systems can, so that its row is no row of refusals.
const STATEMENTS: &str = r#"
@id("matrix-goods")
@writes("*")
permit (principal in Group::"apps", action in [Action::"create", Action::"update"], resource is Product);

@id("matrix-stock")
@writes("*")
permit (principal in Group::"apps", action in [Action::"create", Action::"update"], resource is StockLevel);

@id("matrix-invoices")
@writes("*")
permit (principal in Group::"apps", action in [Action::"create", Action::"update"], resource is Invoice);

@id("matrix-shipments")
@writes("*")
permit (principal in Group::"apps", action in [Action::"create", Action::"update"], resource is Shipment);

@id("matrix-delete")
permit (principal in Group::"apps", action == Action::"delete", resource);

@id("matrix-crm")
@unfiltered("the matrix calls it")
permit (principal in Group::"apps", action == Action::"call", resource == System::"crm");
"#;

const PRINCIPALS: &str = "  - { kind: App, id: \"corp|right\", groups: [apps], plan: internal }\n  \
                          - { kind: App, id: \"corp|gone\", groups: [apps], plan: internal }\n  \
                          - { kind: App, id: \"corp|lost\", plan: internal }\n";

/// The credential states, each with what is shown.
fn states(issuer: &Issuer) -> Vec<(&'static str, Option<String>)> {
    let right =
        |change: &dyn Fn(&mut Value)| issuer.token_but("right", &["apps"], |_, claims| change(claims));
    let now = clock::now().wall.as_second();
    let good = issuer.app("right", &["apps"]);
    vec![
        ("none", None),
        ("malformed", Some(good.replacen('.', "..", 1))),
        ("expired", Some(right(&|claims| claims["exp"] = (now - 60).into()))),
        ("not yet valid", Some(right(&|claims| claims["nbf"] = (now + 300).into()))),
        ("wrong issuer", Some(right(&|claims| claims["iss"] = "https://corp.example.evil".into()))),
        ("wrong audience", Some(right(&|claims| claims["aud"] = "another-gate".into()))),
        ("wrong type", Some(issuer.token_but("right", &["apps"], |header, _| header["typ"] = "JWT".into()))),
        ("revoked", Some(issuer.app("gone", &["apps"]))),
        // It asserts a group that its issuer may not assert.
        ("wrong group", Some(issuer.app("lost", &["staff"]))),
        ("right", Some(good)),
    ]
}

/// What is asked: a name, and how.
struct Row {
    name: String,
    method: Method,
    path: String,
    body: Option<Value>,
}

/// How each action is asked for. A new action does not compile until it stands here.
fn rows_of(action: Action, collection: &str, id: &str) -> Vec<Row> {
    let (one, all) = (format!("/v1/{collection}/{id}"), format!("/v1/{collection}"));
    let row = |method: Method, path: &str, body: Option<Value>, suffix: &str| Row {
        name: format!("{} {collection}{suffix}", action.as_str()),
        method,
        path: path.to_owned(),
        body,
    };
    let set = format!("/odata/{}", collection.replace('-', "_"));
    match action {
        Action::Read => vec![
            row(Method::GET, &one, None, ""),
            row(Method::GET, &format!("{set}('{id}')"), None, " by OData"),
        ],
        Action::List => vec![
            row(Method::GET, &format!("{all}?limit=1"), None, ""),
            row(Method::GET, &format!("{set}?$top=1"), None, " by OData"),
            row(Method::GET, &format!("{set}/$count"), None, " by OData, counted"),
        ],
        Action::Create => vec![row(Method::POST, &all, Some(new(collection)), "")],
        Action::Update => vec![
            row(Method::PATCH, &one, Some(changed(collection)), " by PATCH"),
            row(Method::PUT, &one, Some(changed(collection)), " by PUT"),
        ],
        Action::Delete => vec![row(Method::DELETE, &one, None, "")],
        Action::Call => Vec::new(),
    }
}

fn calls(system: &str) -> Vec<Row> {
    let (path, body) = match system {
        "crm" => ("/crm/v3/objects/contacts", json!({ "properties": { "firstname": "Matrix" } })),
        "erp" => ("/items", json!({ "displayName": "Matrix" })),
        other => panic!("say how `{other}` is called"),
    };
    let row = |method: Method, body: Option<Value>| Row {
        name: format!("call {system} by {method}"),
        method,
        path: format!("/systems/{system}{path}"),
        body,
    };
    vec![row(Method::GET, None), row(Method::POST, Some(body)), row(Method::DELETE, None)]
}

/// What tells a caller what it may ask for: nothing in it is a record, and it is no stranger's business either.
const DOCUMENTS: [&str; 3] = ["/openapi.json", "/odata/", "/odata/$metadata"];

fn documents() -> Vec<Row> {
    let row = |path: &str| Row {
        name: format!("describe {path}"),
        method: Method::GET,
        path: path.to_owned(),
        body: None,
    };
    DOCUMENTS.map(row).into()
}

fn new(collection: &str) -> Value {
    match collection {
        "customers" => {
            json!({ "kind": "person", "name": "Jan Nowy", "given_name": "Jan", "family_name": "Nowy" })
        }
        "products" => json!({ "sku": "M-1", "name": "Matrix Desk", "kind": "goods", "unit": "H87" }),
        "orders" => {
            json!({ "customer": "20000", "currency": "USD", "lines": [{ "sku": "1001", "quantity": "1" }] })
        }
        "invoices" | "shipments" | "stock-levels" => json!({}),
        other => panic!("say how one of `{other}` is made"),
    }
}

fn changed(collection: &str) -> Value {
    match collection {
        "customers" => {
            json!({ "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak", "language": "pl" })
        }
        "products" => {
            json!({ "sku": "M-2", "name": "Another Desk", "kind": "goods", "unit": "H87", "status": "active",
            "list_price": { "net_price": "10", "currency": "USD", "tax_included": false } })
        }
        "orders" => json!({ "buyer_reference": "PO-M" }),
        "invoices" | "shipments" | "stock-levels" => json!({}),
        other => panic!("say how one of `{other}` is changed"),
    }
}

/// Collections and systems of the shipped policies, from their files.
fn served() -> (BTreeSet<String>, BTreeSet<String>) {
    let gateway = fs::read_to_string(root().join("policies/gateway.yaml")).unwrap();
    let (_, serves) = gateway.split_once("\nserves:\n").unwrap();
    let lines = serves.lines().take_while(|line| line.starts_with("  "));
    // What stands below a collection says more of it.
    let lines = lines.filter(|line| !line.starts_with("   "));
    let collections = lines.map(|line| line.trim().split(':').next().unwrap().to_owned()).collect();
    let files = fs::read_dir(root().join("policies/systems")).unwrap();
    // What stands in the catalogue is no system of the gate.
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let systems = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    (collections, systems)
}

/// All rows; each works on a record that is there.
fn rows(demo: &Demo) -> Vec<Row> {
    let (collections, systems) = served();
    let mut rows = Vec::new();
    for collection in &collections {
        let query = if collection == "orders" { "&status=open" } else { "" };
        let page = demo.get(&format!("/v1/{collection}?limit=2{query}")).send().expect(200).items();
        // Of goods and stock levels, which are one thing in the ERP, each has a record of its own.
        let id = page[usize::from(collection == "stock-levels")]["id"].as_str().unwrap();
        rows.extend(Action::ALL.into_iter().flat_map(|action| rows_of(action, collection, id)));
    }
    rows.extend(systems.iter().flat_map(|system| calls(system)));
    rows.extend(documents());
    rows
}

fn enrol(issuer: &Issuer, policies: &std::path::Path) {
    issuer.enrol(policies, "apps", PRINCIPALS);
    fs::write(policies.join("access/matrix.cedar"), STATEMENTS).unwrap();
    // Every stranger's refusal has an entry of its own.
    let file = policies.join("gateway.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("strangers_per_minute: 60", "strangers_per_minute: 100000")).unwrap();
}

/// Takes back what `corp|gone` holds, as another process would.
fn revoke(demo: &Demo, token: Option<&str>) {
    runtime().block_on(async {
        let store = Store::open(&demo.data().join("bramka.db")).unwrap();
        let keys = demo.data().join("keys");
        let tokens = Tokens::open(store, &keys, std::sync::Arc::new(Revocations::default()), clock::now())
            .await
            .unwrap();
        tokens.revoke_all(Kind::App, PrincipalId::new("corp|gone"), clock::now()).await.unwrap();
    });
    let bearer = format!("Bearer {}", token.unwrap());
    until("the token is revoked", || {
        demo.get("/v1/products?limit=1").by(Who::Nobody).with("authorization", bearer.as_str()).send().status
            == 401
    });
}

#[test]
fn every_operation_meets_every_credential_state_as_reviewed() {
    let issuer = Issuer::new();
    let demo = Demo::start_with(|policies| enrol(&issuer, policies), &[]);
    let states = states(&issuer);
    let gone = states.iter().find(|(name, _)| *name == "revoked").unwrap().1.clone();
    revoke(&demo, gone.as_deref());
    let (rows, (collections, _)) = (rows(&demo), served());
    let mut cells: BTreeMap<(usize, usize), (u16, String)> = BTreeMap::new();
    runtime().block_on(async {
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        for (r, row) in rows.iter().enumerate() {
            for (s, (state, token)) in states.iter().enumerate() {
                let request = match &row.body {
                    Some(body) => {
                        with_json(row.method.clone(), &row.path, token.as_deref(), &body.to_string())
                    }
                    None => bare(row.method.clone(), &row.path, token.as_deref()),
                };
                let Ok(answer) = line.ask(request).await else {
                    panic!("{}: the connection was closed", row.name);
                };
                if *state == "wrong group" && row.name.starts_with("describe ") {
                    let told = String::from_utf8_lossy(&answer.body);
                    let named = collections.iter().find(|name| told.contains(name.as_str()));
                    assert_eq!(named, None, "{}: {told}", row.name);
                }
                cells.insert((r, s), (answer.status, answer.header("x-request-id").unwrap().to_owned()));
                if answer.header("connection") == Some("close") {
                    line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
                }
            }
        }
    });
    let reasons: HashMap<String, String> = book::entries(&demo.data())
        .into_iter()
        .filter(|entry| entry["kind"] == "answer")
        .filter_map(|entry| {
            let reason = entry["refusal"].as_str().unwrap_or("served").to_owned();
            Some((entry["request"].as_str()?.to_owned(), reason))
        })
        .collect();
    for ((r, s), (status, _)) in &cells {
        let (name, state) = (&rows[*r].name, states[*s].0);
        match state {
            // Who may call nothing is told so: a description without an operation.
            "wrong group" if name.starts_with("describe ") => assert_eq!(*status, 200, "{name}, {state}"),
            "wrong group" => assert_eq!(*status, 403, "{name}, {state}"),
            "right" => assert!(*status != 401, "{name}, {state}: {status}"),
            _ => assert_eq!(*status, 401, "{name}, {state}"),
        }
    }
    let mut text = String::new();
    for (r, row) in rows.iter().enumerate() {
        writeln!(text, "{}", row.name).unwrap();
        for (s, (state, _)) in states.iter().enumerate() {
            let (status, id) = &cells[&(r, s)];
            writeln!(text, "  {state:<15} {status} {}", reasons[id]).unwrap();
        }
    }
    insta::assert_snapshot!("matrix", text);
}

#[test]
fn no_operation_of_the_catalogue_is_missing_from_the_matrix() {
    let snapshot = fs::read_to_string(root().join("tests/it/snapshots/it__matrix__matrix.snap")).unwrap();
    let (collections, systems) = served();
    assert!(collections.len() >= 5 && systems.len() >= 2);
    let all: Vec<String> = collections
        .iter()
        .flat_map(|collection| Action::ALL.into_iter().flat_map(|action| rows_of(action, collection, "1")))
        .chain(systems.iter().flat_map(|system| calls(system)))
        .chain(documents())
        .map(|row| row.name)
        .collect();
    for name in &all {
        assert!(snapshot.lines().any(|line| line == name), "`{name}` is not in the matrix");
    }
    for (state, _) in states(&Issuer::new()) {
        let lines = snapshot.lines().filter(|line| line.starts_with(&format!("  {state:<15} "))).count();
        assert_eq!(lines, all.len(), "`{state}` does not stand under every operation");
    }
}
