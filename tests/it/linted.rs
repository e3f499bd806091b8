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
        "@id(\"never-held\")\n@fields(\"id, number\")\n@plan(\"staff\")\npermit (principal is User in Group::\"staff\", action == Action::\"read\", resource is Order) when { principal has country && principal.country == \"DE\" };",
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
        "@plan(\"staff\")\npermit (principal is User",
        "@reveals(\"ship_to.land\")\n@plan(\"staff\")\npermit (principal is User",
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
