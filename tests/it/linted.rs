//! What loads and means less, or more, than it seems to: `policy check` warns of it, and serves it.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::kit::{Ran, copy_shipped, run};

/// The shipped policies, in a folder of their own, as tests have them: customers are the CRM's alone.
fn shipped() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(&dir.path().join("policies"));
    dir
}

fn check(policies: &Path) -> Ran {
    let ran = run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// The warnings of it, but for the certificate that a checkout has not, and for keys that lead nowhere because the
/// ERP's part of customers is left out.
fn warnings(dir: &TempDir) -> Vec<String> {
    let mut all = warned(&dir.path().join("policies"));
    all.retain(|told| !told.contains("holds keys of `erp`"));
    all
}

fn warned(policies: &Path) -> Vec<String> {
    let told = check(policies);
    let all = format!("{}{}", told.out, told.err);
    let warned = all.split("\n\n").filter(|part| part.contains("warning: "));
    warned.filter(|part| !part.contains("certs/server.pem")).map(str::to_owned).collect()
}

fn add(file: &Path, text: &str) {
    let before = fs::read_to_string(file).unwrap();
    fs::write(file, format!("{before}\n{text}\n")).unwrap();
}

fn change(file: &Path, from: &str, to: &str) {
    let before = fs::read_to_string(file).unwrap();
    assert!(before.contains(from), "{from}");
    fs::write(file, before.replacen(from, to, 1)).unwrap();
}

#[test]
fn nothing_is_to_be_said_of_the_shipped_policies() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    assert_eq!(warned(&shipped), Vec::<String>::new());
}

#[test]
fn a_group_that_nobody_is_in_is_told_where_its_statement_stands() {
    let dir = shipped();
    let policies = dir.path().join("policies");
    change(&policies.join("principals/attributes.yaml"), "groups:\n", "groups:\n  auditors: {}\n");
    let statement = "@id(\"auditors-read\")\n@fields(\"id\")\n@plan(\"staff\")\npermit (principal in Group::\"auditors\", action == Action::\"read\", resource is Order);";
    add(&policies.join("access/staff.cedar"), statement);
    let told = warnings(&dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("nobody is in `auditors`") && told[0].contains("access/staff.cedar"),
        "{told:?}"
    );
}

#[test]
fn a_permit_that_helps_nobody_is_told() {
    let dir = shipped();
    let access = dir.path().join("policies/access/staff.cedar");
    // No system can do it.
    add(
        &access,
        "@id(\"never-done\")\n@plan(\"staff\")\npermit (principal in Group::\"staff\", action == Action::\"delete\", resource is Invoice);",
    );
    // Nobody has that country.
    add(
        &access,
        "@id(\"never-held\")\n@fields(\"id, email\")\n@plan(\"staff\")\npermit (\n  principal is User in Group::\"staff\", action == Action::\"read\", resource is Order) when { principal has country && principal.country == \"DE\" };",
    );
    let told = warnings(&dir);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|told| told.contains("`never-done` permits nobody anything")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("`never-held` permits nobody anything")), "{told:?}");
}

#[test]
fn a_plan_that_nobody_names_is_told() {
    let dir = shipped();
    let limits = dir.path().join("policies/limits.yaml");
    add(&limits, "  spare: { rank: 77, rate: 1/s, per: principal, concurrency: 1 }");
    let told = warnings(&dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the plan `spare`") && told[0].contains("limits.yaml"), "{told:?}");
}

#[test]
fn a_permit_that_goes_by_what_it_hides_is_told_unless_it_says_so() {
    let dir = shipped();
    let staff = dir.path().join("policies/access/staff.cedar");
    change(&staff, "@reveals(\"ship_to.country\")\n", "");
    let told = warnings(&dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`ship_to.country` of Order"), "{told:?}");
    // A word that is no field does not load.
    change(
        &staff,
        "@plan(\"staff\")\npermit (\n  principal is User",
        "@reveals(\"ship_to.land\")\n@plan(\"staff\")\npermit (\n  principal is User",
    );
    let policies = dir.path().join("policies");
    let ran = run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains("`ship_to.land` is no field of Order"), "{ran:?}");
}

#[test]
fn a_budget_beside_which_the_system_may_be_called_as_it_is_is_told() {
    let dir = shipped();
    let limits = dir.path().join("policies/limits.yaml");
    change(
        &limits,
        "\n  internal:\n",
        "\n  internal:\n    exposure: [{ records: Customer, most: 100/day }]\n",
    );
    let told = warnings(&dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("may also call `crm` as it is") && told[0].contains("limits.yaml"), "{told:?}");
}

/// A bundle with a mistake and with something to be warned of.
fn mistaken() -> TempDir {
    let dir = shipped();
    let policies = dir.path().join("policies");
    change(&policies.join("access/staff.cedar"), "@reveals(\"ship_to.country\")\n", "");
    change(&policies.join("limits.yaml"), "rate: 50/s", "rate: 50/week");
    dir
}

fn told(dir: &TempDir, format: &str) -> String {
    let policies = dir.path().join("policies");
    let ran = run(&[
        "policy",
        "check",
        "--without-secrets",
        "--format",
        format,
        "--policies",
        policies.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    ran.out
}

#[test]
fn a_review_on_github_shows_each_mistake_at_its_place() {
    let dir = mistaken();
    let out = told(&dir, "github");
    let folder = dir.path().join("policies");
    let mistake = format!("::error file={}/limits.yaml,line=", folder.display());
    let line = out.lines().find(|line| line.starts_with(&mistake)).unwrap_or_else(|| panic!("{out}"));
    assert!(line.contains("::`50/week` is not a rate; write how many"), "{line}");
    assert!(out.lines().all(|line| line.starts_with("::") || line == "these policies do not serve"), "{out}");
}

#[test]
fn code_scanning_reads_each_mistake_as_a_result_of_sarif() {
    let dir = mistaken();
    let sarif: serde_json::Value = serde_json::from_str(&told(&dir, "sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rate = results.iter().find(|one| one["message"]["text"].as_str().unwrap().contains("50/week"));
    let place = &rate.unwrap()["locations"][0]["physicalLocation"];
    assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with("/policies/limits.yaml"), "{place}");
    assert_eq!(rate.unwrap()["level"], "error");
    let (line, column) =
        (place["region"]["startLine"].as_u64().unwrap(), place["region"]["startColumn"].as_u64().unwrap());
    let text = fs::read_to_string(dir.path().join("policies/limits.yaml")).unwrap();
    let at = text.lines().nth(usize::try_from(line - 1).unwrap()).unwrap();
    assert_eq!(at.chars().skip(usize::try_from(column - 1).unwrap()).collect::<String>(), "50/week");
    // Each names a rule that the run explains.
    let rules: Vec<_> = sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    assert!(results.iter().all(|one| rules.contains(&&one["ruleId"])), "{rules:?}");
}

#[test]
fn a_statement_that_another_one_makes_needless_is_told_and_one_that_is_narrower_or_shows_more_is_not() {
    let dir = shipped();
    let access = dir.path().join("policies/access/staff.cedar");
    let permit = |id: &str, fields: &str, who: &str, when: &str| {
        format!(
            "@id(\"{id}\")\n@fields(\"{fields}\")\n@plan(\"staff\")\npermit (principal {who}, action == Action::\"read\", resource is Product) {when};"
        )
    };
    // `staff-read-goods` shows it all already.
    add(&access, &permit("needless", "id, name", "is User in Group::\"staff\"", ""));
    add(&access, &permit("more", "id, unit_cost", "is User in Group::\"staff\"", ""));
    add(&access, &permit("others", "id, name", "in Group::\"internal\"", ""));
    add(
        &access,
        "@id(\"closed-twice\")\nforbid (principal in Group::\"staff\", action == Action::\"delete\", resource is Invoice);",
    );
    let told = warnings(&dir);
    let of = |id: &str| told.iter().filter(|one| one.contains(&format!("`{id}` does nothing"))).count();
    assert_eq!((of("needless"), of("closed-twice"), of("more"), of("others")), (1, 1, 0, 0), "{told:?}");
    assert!(
        told.iter().any(|one| one.contains("`needless` does nothing that `staff-read-goods` does not do")),
        "{told:?}"
    );
}

#[test]
fn a_partner_whose_time_never_ends_is_told_while_it_may_do_something_at_any_time() {
    let dir = shipped();
    let policies = dir.path().join("policies");
    let acme = policies.join("principals/acme.yaml");
    let ends = fs::read_to_string(&acme).unwrap();
    let until = ends.lines().find(|line| line.starts_with("until: ")).unwrap().to_owned();
    change(&acme, &until, "");
    let told = warnings(&dir);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("`acme` has no last day") && told[0].contains("principals/acme.yaml:5:10"),
        "{told:?}"
    );
}

#[test]
fn a_field_that_stands_where_a_hidden_one_stands_is_told() {
    let dir = shipped();
    let policies = dir.path().join("policies");
    // Of a person the name is made of the given name, which is to be secret now.
    let schema = policies.join("schema/customer.yaml");
    let text = fs::read_to_string(&schema).unwrap();
    let line = text.lines().find(|line| line.starts_with("  given_name:")).unwrap();
    change(&schema, line, &line.replace("x-class: personal", "x-class: secret"));
    let statement = "@id(\"names\")\n@fields(\"id, name\")\n@plan(\"reader\")\npermit (principal in Group::\"readers\", action == Action::\"list\", resource is Customer);";
    add(&policies.join("access/readers.cedar"), statement);
    let told = warned(&policies);
    let told: Vec<_> = told.iter().filter(|told| told.contains("keeps in the same place")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("this shows `name` of Customer and not `given_name`, which `crm` keeps"),
        "{told:?}"
    );
    assert!(told[0].contains("access/readers.cedar:"), "{told:?}");
}
