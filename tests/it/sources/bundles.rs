//! How they are named, described and asked about.

use super::*;

#[test]
fn the_description_has_every_field_that_one_of_them_has() {
    let two = Two::usual();
    let document = two.get("/openapi.json").expect(200).json();
    let schemas = &document["components"]["schemas"];
    let media = &document["paths"]["/v1/customers"]["post"]["requestBody"]["content"]["application/json"];
    let create = &media["schema"];
    for field in ["kind", "name", "website", "job_title"] {
        assert!(create["properties"][field].is_object(), "{field}: {create}");
    }
    assert!(create["properties"]["vat_id"].is_null(), "{create}");
    let needed = create["required"].as_array().unwrap();
    assert!(needed.contains(&json!("kind")), "{needed:?}");
    assert!(schemas["Customer.read"]["properties"]["job_title"].is_object());
    assert!(two.get("/odata/$metadata").expect(200).body.windows(9).any(|at| at == b"job_title"));
}

#[test]
fn a_system_may_tell_fields_of_the_records_of_several() {
    let serves = "{ system: [firms, people], with: { terms: { fields: [payment_terms], on: number } } }";
    let two = Two::open(serves, |policies| {
        let shown = "@fields(\"*, payment_terms.days, name, given_name";
        change(policies, "access/apps.cedar", "@fields(\"*, name, given_name", shown);
    });
    let card = |record: Value| record.as_object().unwrap().clone();
    two.of_firms.add(card(json!({ "title": "Firm 1", "ref": "F1" })));
    two.of_people.add(card(json!({ "first": "Ewa", "last": "Lis", "ref": "P1" })));
    two.of_terms.add(card(json!({ "ref": "P1", "days": 14 })));
    two.of_terms.add(card(json!({ "ref": "F1", "days": 30 })));
    let days = |path: &str| -> Vec<Value> {
        let items = two.get(path).expect(200).items();
        items.iter().map(|item| item["payment_terms"]["days"].clone()).collect()
    };
    assert_eq!(days("/v1/customers"), [json!(30), json!(14)]);
    assert_eq!(days("/v1/customers?payment_terms.days[lt]=20"), [json!(14)]);
    assert_eq!(days("/v1/customers?sort=payment_terms.days"), [json!(14), json!(30)]);
    two.terms.trouble(Some(Trouble::HangUp));
    let page = two.get("/v1/customers").expect(200).json();
    assert_eq!(page["partial"][0]["fields"], json!(["payment_terms"]), "{page}");
    two.terms.trouble(None);
    // One that serves tells nothing beside itself.
    change(&two.stage.policies(), "gateway.yaml", "with: { terms:", "with: { people:");
    let ran = two.stage.only_policies(&["policy", "check"]);
    assert!(
        ran.code == 1 && format!("{}{}", ran.out, ran.err).contains("`people` serves the collection already")
    );
}

#[test]
fn systems_that_nothing_tells_apart_do_not_serve_one_collection() {
    let two = Two::usual();
    let policies = two.stage.policies();
    let told = |file: &str, from: &str, to: &str| {
        let path = policies.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let ran = two.stage.only_policies(&["policy", "check"]);
        fs::write(&path, text).unwrap();
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    let (code, all) = told("gateway.yaml", BOTH, BOTH);
    assert_eq!(code, 0, "{all}");
    for (file, from, to, why) in [
        (
            "systems/people.yaml",
            "=person",
            "=company",
            "nothing tells the customers of `firms` from those of `people`",
        ),
        (
            "systems/people.yaml",
            "kind: =person",
            "kind: { at: sort, values: { p: person, c: company } }",
            "nothing tells the customers",
        ),
        ("gateway.yaml", BOTH, "[firms, firms]", "`firms` serves the collection already"),
        ("gateway.yaml", BOTH, "[firms, frims]", "there is no system `frims`"),
        ("gateway.yaml", BOTH, "[]", "name a system that serves the collection"),
        (
            "gateway.yaml",
            BOTH,
            "[firms, people]\n  metrics: [firms]",
            "system `firms` does not map the entity `Metric`",
        ),
        (
            "gateway.yaml",
            BOTH,
            "[firms, people, a, b, c, d, e, f, g]",
            "at most 8 systems serve a collection",
        ),
        (
            "gateway.yaml",
            "\nids: opaque",
            "\nids: keys",
            "the keys of customers do not tell which system has the record",
        ),
        ("systems/people.yaml", "    read: {}\n", "", "`people` cannot read customers"),
    ] {
        let (code, all) = told(file, from, to);
        assert!(code == 1 && all.contains(why), "{to}: {all}");
    }
    // What one of them never tells is no mistake: statements are judged on the records of the other.
    let status = "      status: { at: state, values: { on: active, off: blocked, old: archived } }\n";
    let (code, all) = told("systems/people.yaml", status, "");
    assert_eq!(code, 0, "{all}");
    let warned = "warning: `people` never tells `status` of Customer: its records are withheld";
    assert!(all.contains(warned), "{all}");
    // What `where` asks for is fixed as well.
    let by_where = "where: { sort: p }\n    fields:\n      kind: { at: sort, values: { p: person, c: company }, write: never }";
    let (code, all) = told("systems/people.yaml", "fields:\n      kind: =person", by_where);
    assert_eq!(code, 0, "{all}");
}

#[test]
fn the_shipped_files_of_companies_and_contacts_serve_customers_together() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    let file = "systems/catalogue/hubspot-companies.yaml";
    fs::rename(policies.join(file), policies.join("systems/hubspot-companies.yaml")).unwrap();
    change(&policies, "gateway.yaml", "customers: crm", "customers: [crm, hubspot-companies]");
    change(&policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
    change(&policies, "gateway.yaml", "secrets:", "secrets:\n  hubspot-companies: [HUBSPOT_TOKEN]");
    let folder = policies.to_str().unwrap();
    let check = crate::kit::run(&["policy", "check", "--without-secrets", "--policies", folder]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
}

#[test]
fn the_shipped_files_of_accounts_and_contacts_serve_customers_together() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    for name in ["dataverse", "dataverse-contacts"] {
        let file = format!("systems/catalogue/{name}.yaml");
        fs::rename(policies.join(file), policies.join(format!("systems/{name}.yaml"))).unwrap();
    }
    let both = "customers: [dataverse, dataverse-contacts]";
    change(&policies, "gateway.yaml", "customers: crm", both);
    change(&policies, "gateway.yaml", "\nids: keys\n", "\nids: opaque\n");
    let secrets = "secrets:\n  dataverse: [DATAVERSE_SECRET]\n  dataverse-contacts: [DATAVERSE_SECRET]";
    change(&policies, "gateway.yaml", "secrets:", secrets);
    let folder = policies.to_str().unwrap();
    let check = crate::kit::run(&["policy", "check", "--without-secrets", "--policies", folder]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    let tests = crate::kit::run(&["policy", "test", "--policies", folder]);
    assert_eq!(tests.code, 0, "{}{}", tests.out, tests.err);
}

#[test]
fn questions_about_statements_look_at_a_record_as_the_system_that_would_hold_it() {
    let two = Two::filled(with(OPEN));
    let folder = two.stage.policies();
    let case = |name: &str, rest: &str| {
        format!("  - {{ name: {name}, as: App/shop-backend, entity: Customer, {rest} }}\n")
    };
    let record = |rest: &str| format!("{{ id: \"1\", {rest} }}");
    let cases = [
        "records:\n".to_owned(),
        format!("  firm: {}\n", record("kind: company, name: Firm 1, website: https://f.example")),
        format!(
            "  person: {}\n",
            record("kind: person, name: Ewa Lis, given_name: Ewa, family_name: Lis, job_title: buyer")
        ),
        "tests:\n".to_owned(),
        case("firms", "action: read, record: firm, expect: { outcome: permitted, values: { id: \"1\" } }"),
        case(
            "persons",
            "action: read, record: person, expect: { outcome: permitted, values: { id: \"1\", job_title: buyer } }",
        ),
        case(
            "changes",
            "action: update, record: person, change: { job_title: boss }, expect: { outcome: permitted, changes: [job_title] }",
        ),
    ];
    fs::write(folder.join("tests/both.yaml"), cases.concat()).unwrap();
    let ran = two.stage.only_policies(&["policy", "test"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let explain = ["policy", "explain", "--as", "App/shop-backend", "--entity", "Customer"];
    let ran = two.stage.only_policies(&[&explain[..], &["--action", "create", "--json"]].concat());
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
    let writable = told["writable"].as_array().unwrap_or_else(|| panic!("{told}"));
    assert!(writable.contains(&json!("website")) && writable.contains(&json!("job_title")), "{told}");
}
