//! What is said of a bundle as a whole: it holds of the gate that serves it.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use http::Method;
use serde_json::Value;

use crate::{
    kit::{Demo, Ran, Who, copy_shipped, run, until},
    writes::change,
};

const COLLECTIONS: [(&str, &str); 11] = [
    ("Campaign", "campaigns"),
    ("Customer", "customers"),
    ("Invoice", "invoices"),
    ("Metric", "metrics"),
    ("Order", "orders"),
    ("Payment", "payments"),
    ("Price", "prices"),
    ("Product", "products"),
    ("Shipment", "shipments"),
    ("StockLevel", "stock-levels"),
    ("Subscription", "subscriptions"),
];

fn matrix(policies: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["policy", "matrix", "--policies", policies.to_str().unwrap()];
    args.extend(more);
    run(&args)
}

fn rows(ran: &Ran) -> Vec<Value> {
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    told["rows"].as_array().unwrap().clone()
}

/// The paths of all leaves in a record as a caller gets it.
fn paths(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths(value, &format!("{path}{name}."), out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, path, out)),
        _ => {
            out.insert(path.trim_end_matches('.').to_owned());
        }
    }
}

#[test]
fn the_matrix_says_of_each_caller_what_the_gate_then_answers() {
    let demo = Demo::start_as_shipped();
    for (who, name) in [(Who::App, "App/shop-backend"), (Who::Partner, "Partner/acme-portal")] {
        let all = rows(&matrix(&demo.policies(), &["--json", "--as", name, "--action", "list"]));
        let (mut open, mut shown) = (0, 0);
        for (entity, collection) in COLLECTIONS {
            let row = all.iter().find(|row| row["entity"] == entity);
            let ask = || demo.get(&format!("/v1/{collection}?limit=5")).by(who).send();
            let mut answer = ask();
            // The plan of a partner is small.
            until("the plan has room", || {
                answer = ask();
                answer.status != 429
            });
            let Some(row) = row else {
                assert!([403, 404].contains(&answer.status), "{name} {entity}: {}", answer.status);
                continue;
            };
            open += 1;
            // Some lists are refused without a filter; that they may be asked for is what is said.
            assert!(![403, 404].contains(&answer.status), "{name} {entity}: {}", answer.status);
            let said: BTreeSet<&str> = row["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|cell| cell["field"].as_str().unwrap())
                .collect();
            let mut told = BTreeSet::new();
            if answer.status == 200 {
                answer.items().iter().for_each(|record| paths(record, "", &mut told));
            }
            for path in &told {
                // An empty list says that there is nothing in it: it stands for its fields.
                assert!(said.contains(path.as_str()), "{name} {entity} {path}");
                shown += 1;
            }
        }
        assert!(open >= 4 && shown >= 20, "{name}: {open} {shown}");
    }
}

#[test]
fn a_field_is_told_with_its_class_how_it_is_shown_and_by_which_statements() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let all = rows(&matrix(dir.path(), &["--json", "--field", "Order.email", "--as", "Partner/acme-portal"]));
    let told: Vec<_> = all
        .iter()
        .map(|row| {
            assert_eq!(row["permits"][0], "partners-read-own-orders");
            (row["action"].as_str().unwrap(), row["fields"][0].clone())
        })
        .collect();
    let cell = serde_json::json!({
        "field": "email", "class": "personal", "shown": "e-mail", "surety": "depends", "filters": false,
    });
    assert_eq!(told, [("read", cell.clone()), ("list", cell)]);
    // What nobody is shown stands in no row.
    let hidden =
        rows(&matrix(dir.path(), &["--json", "--field", "Order.bill_to.line1", "--group", "partners"]));
    assert_eq!(hidden, Vec::<Value>::new());
    let csv = matrix(dir.path(), &["--csv", "--field", "Order.email", "--group", "partners"]);
    let lines: Vec<&str> = csv.out.lines().collect();
    assert_eq!(lines.len(), 3, "{csv:?}");
    assert!(
        lines[1].starts_with("Partner/acme-portal,Order,,read,depends,email,personal,e-mail,depends,no,")
    );
}

#[test]
fn a_page_for_auditors_needs_nothing_else_and_text_in_it_is_text() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let page = dir.path().join("..").join(format!("{}.html", std::process::id()));
    let ran = matrix(dir.path(), &["--html", page.to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.out), (0, ""), "{ran:?}");
    let html = fs::read_to_string(&page).unwrap();
    fs::remove_file(&page).unwrap();
    assert!(html.contains("<h2>Order</h2>") && html.contains("<code>ship_to.city</code>"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
}

#[test]
fn who_or_what_is_misspelt_is_told_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    for (args, near) in [
        (["--as", "Partner/acme-protal"], "did you mean `Partner/acme-portal`?"),
        (["--group", "partner"], "did you mean `partners`?"),
        (["--entity", "Ordr"], "did you mean `Order`?"),
        (["--field", "Order.emial"], "did you mean `email`?"),
        (["--field", "email"], "a field is written Entity.path"),
        (["--partner", "acne"], "did you mean `acme`?"),
    ] {
        let ran = matrix(dir.path(), &args);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?} {ran:?}");
        assert!(ran.err.contains(near), "{args:?} {ran:?}");
    }
}

/// A folder with the shipped policies, and another with one file changed.
fn two(file: &str, change: impl FnOnce(String) -> String) -> (tempfile::TempDir, tempfile::TempDir) {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_shipped(old.path());
    copy_shipped(new.path());
    let path = new.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
    (old, new)
}

fn diff(old: &Path, new: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["policy", "diff", old.to_str().unwrap(), new.to_str().unwrap()];
    args.extend(more);
    run(&args)
}

#[test]
fn a_diff_tells_what_opens_and_what_closes_by_effect_and_its_exit_code_says_which() {
    let open = |text: String| text.replace("@mask(\"email: e-mail\")\n", "");
    let (old, new) = two("access/partners.cedar", open);
    let opened = diff(old.path(), new.path(), &[]);
    assert_eq!(opened.code, 1, "{opened:?}");
    assert!(opened.out.contains("+ gained: Partner/acme-portal: read, list Order on erp\n"), "{opened:?}");
    assert!(opened.out.contains("email (personal): e-mail by record or circumstance → shown"), "{opened:?}");
    let closed = diff(new.path(), old.path(), &["--json"]);
    assert_eq!(closed.code, 0, "{closed:?}");
    let told: Value = serde_json::from_str(&closed.out).unwrap();
    assert_eq!((&told["gained"], &told["unclear"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(told["lost"][0]["fields"][0]["after"]["shown"], "e-mail");
    let same = diff(old.path(), old.path(), &[]);
    assert_eq!((same.code, &*same.out), (0, "nobody can do more or less than before\n"));
}

#[test]
fn a_condition_that_changed_is_never_told_as_no_change() {
    let other = |text: String| text.replace("resource.status == \"draft\"", "resource.status == \"open\"");
    let (old, new) = two("access/guards.cedar", other);
    let ran = diff(old.path(), new.path(), &["--markdown"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("### Under other conditions"), "{ran:?}");
    // Neither is another value that a principal carries.
    let moved = |text: String| text.replace("\"20000\"", "\"30000\"");
    let (old, new) = two("principals/acme.yaml", moved);
    let ran = diff(old.path(), new.path(), &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("? under other conditions: Partner/acme-portal: read, list, update Order"),
        "{ran:?}"
    );
}

#[test]
fn a_statement_by_another_name_and_in_another_order_changes_nothing() {
    let renamed = |text: String| {
        let text = text.replace("partners-read-own-orders", "partners-follow-their-orders");
        format!("// Said again.\n{text}")
    };
    let (old, new) = two("access/partners.cedar", renamed);
    let ran = diff(old.path(), new.path(), &[]);
    assert_eq!((ran.code, &*ran.out), (0, "nobody can do more or less than before\n"), "{ran:?}");
}

#[test]
fn a_bundle_may_stand_in_a_revision_of_git() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    copy_shipped(&policies);
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
        let ran = Command::new("git").current_dir(dir.path()).args(who).args(args).output().unwrap();
        assert!(ran.status.success(), "{args:?} {}", String::from_utf8_lossy(&ran.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "as it is"]);
    let file = policies.join("access/partners.cedar");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("@mask(\"email: e-mail\")\n", "")).unwrap();
    let ask = |old: &str, new: &str| {
        let binary = env!("CARGO_BIN_EXE_bramka");
        let ran =
            Command::new(binary).current_dir(dir.path()).args(["policy", "diff", old, new]).output().unwrap();
        (
            ran.status.code().unwrap(),
            String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr),
        )
    };
    let (code, told) = ask("HEAD", "policies");
    assert!(code == 1 && told.contains("email (personal): e-mail"), "{code} {told}");
    assert_eq!(ask("HEAD:policies", "HEAD").0, 0);
    let (code, told) = ask("HEAD~7", "policies");
    assert!(code == 1 && told.contains("`HEAD~7` is no folder, and git says"), "{code} {told}");
}

fn prove(policies: &Path, sentences: &[&str]) -> (i32, Value) {
    let mut args = vec!["policy", "prove", "--json", "--policies", policies.to_str().unwrap()];
    args.extend(sentences);
    let ran = run(&args);
    let told = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    (ran.code, told)
}

#[test]
fn what_is_proved_the_gate_never_shows_and_what_is_reached_it_does() {
    let demo = Demo::start_as_shipped();
    let all = demo.get("/v1/orders?limit=20").by(Who::Partner).send();
    let mut told = BTreeSet::new();
    all.items().iter().for_each(|record| paths(record, "", &mut told));
    assert!(told.contains("ship_to.city") && told.contains("email"), "{told:?}");
    for (sentence, is_proved) in [
        ("no Group::\"partners\" reads Order.bill_to", true),
        ("no Group::\"partners\" reads Order.discount_total", true),
        ("no Group::\"partners\" reads Order.ship_to.city", false),
        ("no Group::\"partners\" reads Order.email", false),
        ("no anyone of \"acme\" reads Customer", true),
    ] {
        let (code, answers) = prove(&demo.policies(), &[sentence]);
        let answer = &answers["answers"][0];
        assert_eq!((code == 0, answer["answer"] == "proved"), (is_proved, is_proved), "{answers}");
        if let Some(field) = sentence.strip_prefix("no Group::\"partners\" reads Order.") {
            let is_shown = told.iter().any(|path| path.starts_with(field));
            assert_eq!(is_shown, !is_proved, "{sentence}");
        }
    }
    assert_eq!(demo.get("/v1/customers").by(Who::Partner).send().status, 403);
}

#[test]
fn every_request_that_is_told_gets_what_it_is_told_for_by_the_policies_own_tests() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let sentences = [
        "no anyone reaches Order",
        "no anyone reads any personal field",
        "no anyone writes any internal field",
        "no anyone reaches Product",
        "no anyone calls System::\"crm\"",
        "no anyone but Group::\"partners\" reads Order.email",
        "no User reaches Shipment",
    ];
    let (code, told) = prove(dir.path(), &sentences);
    assert_eq!(code, 1);
    let (mut cases, mut actions) = (Vec::new(), BTreeSet::new());
    for opening in
        told["answers"].as_array().unwrap().iter().flat_map(|one| one["openings"].as_array().unwrap())
    {
        let mut case = opening["witness"].clone();
        assert!(case.is_object(), "no request was found: {opening}");
        case["name"] = format!("{} {:?}", opening["door"], opening["fields"]).into();
        if ["read", "list"].contains(&case["action"].as_str().unwrap()) {
            case["expect"]["shows"] =
                opening["fields"].as_array().unwrap().first().into_iter().cloned().collect();
        }
        actions.insert(case["action"].as_str().unwrap().to_owned());
        cases.push(case);
    }
    assert_eq!(actions.into_iter().collect::<Vec<_>>().join(" "), "call create list read update");
    fs::write(dir.path().join("tests/told.yaml"), serde_json::json!({ "tests": cases }).to_string()).unwrap();
    let ran = run(&["policy", "test", "--policies", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_sentence_speaks_of_a_credential_and_not_of_all_that_its_principal_could_be() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let file = dir.path().join("access/partners.cedar");
    let text = fs::read_to_string(&file).unwrap();
    // Somebody in two groups can come with a credential for one of them.
    let more = "\n@id(\"sellers-read-customers\")\n@fields(\"id\")\npermit (principal in Group::\"sellers\", \
                action == Action::\"read\", resource is Customer);\n";
    fs::write(&file, text + more).unwrap();
    let attributes = dir.path().join("principals/attributes.yaml");
    let text = fs::read_to_string(&attributes).unwrap();
    fs::write(&attributes, text.replace("groups:\n", "groups:\n  sellers:\n")).unwrap();
    let acme = dir.path().join("principals/acme.yaml");
    let text = fs::read_to_string(&acme).unwrap();
    fs::write(&acme, text.replace("groups: [partners]", "groups: [partners, sellers]")).unwrap();
    for (sentence, answer) in [
        ("no Group::\"sellers\" reads Customer.id", "reached"),
        ("no Partner but Group::\"sellers\" reads Customer.id", "proved"),
        ("no Partner but Partner::\"acme-portal\" reads Customer.id", "proved"),
        ("no Partner reads Customer.id", "reached"),
    ] {
        let (_, told) = prove(dir.path(), &[sentence]);
        assert_eq!(told["answers"][0]["answer"], answer, "{told}");
    }
}

#[test]
fn a_call_changes_something_only_by_a_method_that_can() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let file = dir.path().join("access/guards.cedar");
    let text = fs::read_to_string(&file).unwrap();
    for (methods, deletes) in [("[\"GET\", \"HEAD\"]", "proved"), ("[\"GET\", \"PUT\"]", "reached")] {
        let more = format!(
            "\n@id(\"only-so\")\nforbid (principal, action == Action::\"call\", resource)\nunless {{ \
             {methods}.contains(context.checked.call.method) }};\n@id(\"none-by-the-schema\")\nforbid (principal, \
             action == Action::\"delete\", resource is Customer);\n"
        );
        fs::write(&file, text.clone() + &more).unwrap();
        let sentences = ["no App deletes Customer", "no App reads Customer"];
        let (_, told) = prove(dir.path(), &sentences);
        let answers = [&told["answers"][0]["answer"], &told["answers"][1]["answer"]];
        assert_eq!(answers, [deletes, "reached"], "{told}");
    }
}

#[test]
fn what_is_no_sentence_is_told_with_its_place_and_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    for (sentence, told) in [
        ("Group::\"partners\" reads Order", "a sentence begins with `no`"),
        ("no Group::\"partner\" reads Order", "did you mean `partners`?, at character 11"),
        ("no Partner::\"acme-protal\" reads Order", "did you mean `Partner/acme-portal`?"),
        ("no partner reads Order", "did you mean `Partner`?"),
        ("no anyone raeds Order", "did you mean `reads`?"),
        ("no anyone reads Ordr", "did you mean `Order`?, at character 17"),
        ("no anyone reads Order.emial", "did you mean `email`?"),
        ("no anyone reads any persnal field", "did you mean `personal`?"),
        ("no anyone deletes Order.email", "records are deleted, not fields"),
        ("no anyone calls Order", "System::\"name\" was expected"),
        ("no anyone reads System::\"erp\"", "a system is called or reached"),
        ("no anyone calls System::\"epr\"", "did you mean `erp`?"),
        ("no anyone reads Order please", "nothing more was expected"),
    ] {
        let ran = run(&["policy", "prove", sentence, "--policies", dir.path().to_str().unwrap()]);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{sentence} {ran:?}");
        assert!(ran.err.contains(told), "{sentence} {ran:?}");
    }
}

#[test]
fn a_bundle_of_which_something_is_not_proved_does_not_pass_its_check() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let check = || run(&["policy", "check", "--without-secrets", "--policies", dir.path().to_str().unwrap()]);
    let good = check();
    assert!(good.code == 0 && good.out.contains(" proofs;"), "{good:?}");
    let file = dir.path().join("proofs.yaml");
    let proofs = "proofs:\n  - no anyone deletes Invoice\n  - no Partner reads Order.email\n  - no Partner raeds Order\n";
    fs::write(&file, proofs).unwrap();
    let bad = check();
    let told = format!("{}{}", bad.out, bad.err);
    assert_eq!(bad.code, 1, "{bad:?}");
    for part in [
        "proofs.yaml:3:5",
        "this is not so: Partner/acme-portal: read Order (email); Partner/acme-portal: list Order (email)",
        "proofs.yaml:4:5",
        "did you mean `reads`?",
        "what must be proved of them is not",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!told.contains("proofs.yaml:2"), "{told}");
}

#[test]
fn a_call_to_a_system_that_tells_a_part_of_a_record_reaches_that_part() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let gateway = dir.path().join("gateway.yaml");
    let text = fs::read_to_string(&gateway).unwrap();
    let joined = "customers: { system: crm, with: { erp: { fields: [credit], on: id } } }";
    assert!(text.contains("customers: crm"));
    fs::write(&gateway, text.replace("customers: crm", joined)).unwrap();
    let file = dir.path().join("access/apps.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let more = "\n@id(\"partners-use-erp\")\n@unfiltered(\"a test\")\npermit (principal in Group::\"partners\", \
                action == Action::\"call\", resource == System::\"erp\");\n";
    fs::write(&file, text + more).unwrap();
    for (sentence, answer) in [
        ("no Partner reads Customer.credit", "reached"),
        // The customer itself stands in the CRM.
        ("no Partner reads Customer.vat_id", "proved"),
    ] {
        let (_, told) = prove(dir.path(), &[sentence]);
        assert_eq!(told["answers"][0]["answer"], answer, "{told}");
    }
}

#[test]
fn a_method_that_only_a_statement_names_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let file = dir.path().join("access/guards.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let more = "\n@id(\"only-so\")\nforbid (principal, action == Action::\"call\", resource)\nunless { \
                [\"GET\", \"PURGE\"].contains(context.checked.call.method) };\n@id(\"none-by-the-schema\")\nforbid \
                (principal, action == Action::\"delete\", resource is Customer);\n";
    fs::write(&file, text + more).unwrap();
    let (code, told) = prove(dir.path(), &["no App deletes Customer"]);
    assert_eq!((code, &told["answers"][0]["answer"]), (1, &"cannot tell".into()), "{told}");
}

#[test]
fn somebody_in_many_groups_is_still_whom_a_statement_names() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let edit = |file: &str, from: &str, to: &str| change(dir.path(), file, from, to);
    edit("principals/attributes.yaml", "groups:\n", "groups:\n  g1:\n  g2:\n  g3:\n  g4:\n");
    edit("principals/acme.yaml", "groups: [partners]", "groups: [partners, g1, g2, g3, g4]");
    let path = dir.path().join("access/partners.cedar");
    let text = fs::read_to_string(&path).unwrap();
    let more = "\n@id(\"acme-reads-customers\")\n@fields(\"id\")\npermit (principal == Partner::\"acme-portal\", action == \
                Action::\"read\", resource is Customer);\n";
    fs::write(&path, text + more).unwrap();
    let (_, told) = prove(dir.path(), &["no Partner reads Customer.id"]);
    assert_eq!(told["answers"][0]["answer"], "reached", "{told}");
}

#[test]
fn a_credential_for_some_of_the_groups_escapes_what_is_forbidden_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let edit = |file: &str, from: &str, to: &str| change(dir.path(), file, from, to);
    edit("principals/attributes.yaml", "groups:\n", "groups:\n  sellers:\n");
    edit("principals/acme.yaml", "groups: [partners]", "groups: [partners, sellers]");
    let statements = "@id(\"sellers-read-customers\")\n@fields(\"id\")\npermit (principal in Group::\"sellers\", action == Action::\"read\", resource is Customer);\n\
                      @id(\"partners-do-not\")\nforbid (principal in Group::\"partners\", action == Action::\"read\", resource is Customer);\n";
    fs::write(dir.path().join("access/sellers.cedar"), statements).unwrap();
    for (sentence, answer) in
        [("no Partner reads Customer.id", "reached"), ("no Group::\"partners\" reads Customer.id", "proved")]
    {
        let (_, told) = prove(dir.path(), &[sentence]);
        assert_eq!(told["answers"][0]["answer"], answer, "{told}");
    }
    let all = rows(&matrix(dir.path(), &["--json", "--as", "Partner/acme-portal", "--action", "read"]));
    let row = all.iter().find(|row| row["entity"] == "Customer").unwrap();
    assert_eq!(row["permits"][0], "sellers-read-customers", "{row}");
}

#[test]
fn who_has_no_credential_and_whom_an_issuer_vouches_for_are_among_those_of_whom_is_proved() {
    let dir = tempfile::tempdir().unwrap();
    copy_shipped(dir.path());
    let edit = |file: &str, from: &str, to: &str| change(dir.path(), file, from, to);
    let corp =
        "    corp: { issuer: \"https://idp.example\", audience: bramka, kinds: [User], groups: [guests] }\n";
    edit("gateway.yaml", "identity:\n", &format!("identity:\n  anonymous: considered\n  issuers:\n{corp}"));
    edit("principals/attributes.yaml", "groups:\n", "groups:\n  guests:\n  absent:\n");
    let statements = "@id(\"goods-are-for-all\")\n@fields(\"id\")\npermit (principal is Anonymous, action == Action::\"read\", resource is Product);\n\
                      @id(\"guests-see-stock\")\n@fields(\"id\")\npermit (principal in Group::\"guests\", action == Action::\"read\", resource is StockLevel);\n\
                      @id(\"nobody-sees-prices\")\n@fields(\"id\")\npermit (principal in Group::\"absent\", action == Action::\"read\", resource is Price);\n";
    fs::write(dir.path().join("access/guests.cedar"), statements).unwrap();
    for (sentence, answer, who) in [
        ("no Anonymous reads Product.id", "reached", "Anonymous"),
        ("no Group::\"guests\" reads StockLevel.id", "reached", "User/corp|*"),
        ("no Group::\"absent\" reads Price.id", "proved", ""),
        ("no Anonymous reads StockLevel.id", "proved", ""),
    ] {
        let (_, told) = prove(dir.path(), &[sentence]);
        let told = &told["answers"][0];
        assert_eq!(told["answer"], answer, "{told}");
        assert!(told.to_string().contains(who), "{who}: {told}");
    }
}

/// Callers that may something under one sort of circumstance each.
fn by_circumstance(policies: &Path) {
    let hours = "hours:\n  always: { zone: UTC, days: [mon, tue, wed, thu, fri, sat, sun], from: \"00:00\", to: \"00:00\" }\n  \
                 office: { zone: UTC, days: [tue], from: \"08:00\", to: \"17:00\" }\n  \
                 night: { zone: UTC, days: [tue], from: \"20:00\", to: \"23:00\" }\n";
    fs::write(policies.join("hours.yaml"), hours).unwrap();
    let apps = policies.join("principals/apps.yaml");
    let text = fs::read_to_string(&apps).unwrap();
    let names = ["by-hours", "by-age", "by-method", "by-size"];
    let more: String =
        names.iter().map(|name| format!("  - {{ kind: App, id: {name}, plan: internal }}\n")).collect();
    let more = format!("principals:\n{more}  - {{ kind: User, id: by-glass, plan: staff }}\n");
    fs::write(&apps, text.replacen("principals:\n", &more, 1)).unwrap();
    let (read, call) = ("read", "context.checked");
    let mut all = String::new();
    let mut add = |who: &str, action: &str, on: &str, when: &str| {
        let fields = if action == "read" { "@fields(\"id\")" } else { "@writes(\"*\")" };
        let number = all.len();
        all += &format!(
            "@id(\"s{number}\") {fields} permit (principal == {who}, action == Action::\"{action}\", resource is {on}) when {{ {when} }};\n"
        );
    };
    let (hours, age) = ("App::\"by-hours\"", "App::\"by-age\"");
    add(hours, read, "Order", "context.checked.hours.contains(\"office\")");
    add(hours, read, "Invoice", "context.checked.hours.contains(\"always\")");
    add(hours, read, "Product", "context.checked.hours.contains(\"always\")");
    let both = "context.checked.hours.contains(\"office\") && context.checked.hours.contains(\"night\")";
    add(hours, read, "StockLevel", both);
    let known = format!("{call} has token_age && {call}.token_age");
    add(age, read, "Order", &format!("{known} <= 900"));
    add(age, read, "Invoice", &format!("{known} >= 3600"));
    add(age, read, "Product", &format!("{known} <= 900"));
    add(age, read, "StockLevel", &format!("{known} > 900 && {call}.token_age < 901"));
    add(age, read, "Shipment", &format!("!({call} has token_age)"));
    let (method, size) = ("App::\"by-method\"", "App::\"by-size\"");
    let sent = "context.checked.request.method";
    add(method, read, "Order", &format!("{sent} == \"GET\""));
    add(method, read, "Invoice", &format!("{sent} == \"HEAD\""));
    add(method, read, "Product", &format!("{sent} == \"GET\""));
    // The answer to a write is shown through the caller's own read.
    add(method, read, "StockLevel", &format!("{sent} == \"POST\""));
    let known = "context.checked.request has bytes && context.checked.request.bytes";
    add(size, read, "Order", &format!("{known} == 0"));
    add(size, read, "Invoice", &format!("{known} > 0"));
    add(size, read, "Product", &format!("{known} == 0"));
    add(size, read, "Shipment", "!(context.checked.request has bytes)");
    add(size, "create", "Order", &format!("{known} >= 1000"));
    // No customer is told in so few.
    add(size, "create", "Customer", &format!("{known} <= 2"));
    for who in [hours, age, method, size] {
        let number = all.len();
        all += &format!("@id(\"s{number}\") forbid (principal == {who}, action, resource is Product);\n");
    }
    let calls = "permit (principal == App::\"by-method\", action == Action::\"call\", resource == System::\"crm\");\n\
                 @id(\"gets\") forbid (principal == App::\"by-method\", action == Action::\"call\", resource) unless { context.checked.request.method == \"GET\" };\n";
    all += &format!("@id(\"calls\") @unfiltered(\"a test\") {calls}");
    all += "@id(\"glass\") @breakglass(\"the shop stands still\") @fields(\"*\") permit (principal == User::\"by-glass\", action == Action::\"read\", resource is Invoice);\n";
    fs::write(policies.join("access/by-circumstance.cedar"), all).unwrap();
}

/// What a running gate is asked of a witness.
fn described(witness: &Value) -> Value {
    let mut asked = serde_json::json!({ "as": witness["as"], "action": witness["action"] });
    let over = &witness["over"];
    asked["without_tls"] = (over["tls"] == false).into();
    for (name, value) in [
        ("entity", &witness["entity"]),
        ("record", &witness["record"]),
        ("change", &witness["change"]),
        ("scope", &witness["scopes"]),
        ("group", &witness["groups"]),
        ("system", &witness["call"]["system"]),
        ("path", &witness["call"]["path"]),
        ("method", &witness["call"]["method"]),
        ("method", &over["method"]),
        ("address", &over["address"]),
        ("at", &over["at"]),
        ("token_age", &over["token_age"]),
        ("bytes", &over["bytes"]),
        ("chunked", &over["chunked"]),
        ("glass", &over["glass"]),
        ("purpose", &over["purpose"]),
    ] {
        if !value.is_null() {
            asked[name] = value.clone();
        }
    }
    asked
}

/// Asks a sentence of a demo's bundle; a witness must get there in the running gate too. What was answered, and under which
/// circumstances it is reached.
fn asked(demo: &Demo, auditor: &str, sentence: &str) -> (String, Value) {
    let (_, told) = prove(&demo.policies(), &[sentence]);
    let answer = &told["answers"][0];
    let openings =
        answer["openings"].as_array().unwrap().iter().chain(answer["by_glass"].as_array().unwrap());
    let mut over = Value::Null;
    for witness in openings.map(|opening| &opening["witness"]).filter(|witness| witness.is_object()) {
        let by = demo.admin(Method::POST, "/api/explain").by(Who::Nobody);
        let by = by.with("authorization", format!("Bearer {auditor}"));
        let confirmed = by.json(&described(witness)).send().expect(200).json();
        let outcome = if witness["action"] == "call" {
            &confirmed["outcome"]
        } else {
            &confirmed["on_record"]["outcome"]
        };
        assert_eq!(outcome, "permitted", "{sentence}: {witness}: {confirmed}");
        over = witness["over"].clone();
    }
    (answer["answer"].as_str().unwrap().to_owned(), over)
}

/// A demo whose callers go by circumstances, and an auditor's token.
fn circumstances() -> (Demo, String) {
    let demo = Demo::start_with(by_circumstance, &[]);
    let ran = demo.verb(&["token", "issue", "--admin", "auditor", "--role", "audit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let token = ran.out.trim().to_owned();
    (demo, token)
}

/// What the gate answers to whoever asks for the first record of a collection now.
fn read_now(demo: &Demo, app: &str, collection: &str, method: Method, body: &'static [u8]) -> u16 {
    let listed = demo.get(&format!("/v1/{collection}?limit=1")).send().expect(200);
    let id = listed.items()[0]["id"].as_str().unwrap().to_owned();
    let token = demo.verb(&["token", "issue", "--kind", "App", "--id", app, "--ttl", "1h"]);
    let ask = demo.ask(method, &format!("/v1/{collection}/{id}")).by(Who::Nobody);
    let ask = ask.with("authorization", format!("Bearer {}", token.out.trim()));
    if body.is_empty() { ask.send().status } else { ask.body("text/plain", body).send().status }
}

#[test]
fn what_goes_by_office_hours_is_reached_at_an_hour_that_is_told_and_else_proved_or_not_known() {
    let (demo, auditor) = circumstances();
    let of = |on: &str| asked(&demo, &auditor, &format!("no App::\"by-hours\" reads {on}"));
    let (answer, over) = of("Order");
    assert_eq!(answer, "reached");
    let at: jiff::Timestamp = over["at"].as_str().unwrap().parse().unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    assert!(at.weekday() == jiff::civil::Weekday::Tuesday && (8..17).contains(&at.hour()), "{over}");
    assert_eq!(of("Invoice").0, "reached");
    assert_eq!(read_now(&demo, "by-hours", "invoices", Method::GET, b""), 200);
    assert_eq!(of("Product").0, "proved", "forbidden at all hours");
    assert_eq!(read_now(&demo, "by-hours", "products", Method::GET, b""), 403);
    assert_eq!(of("StockLevel").0, "cannot tell", "hours that never meet");
    assert_eq!(read_now(&demo, "by-hours", "stock-levels", Method::GET, b""), 403);
}

#[test]
fn what_goes_by_the_age_of_a_token_is_reached_with_an_age_that_is_told_and_else_proved_or_not_known() {
    let (demo, auditor) = circumstances();
    let of = |on: &str| asked(&demo, &auditor, &format!("no App::\"by-age\" reads {on}"));
    let age = |told: (String, Value)| (told.0, told.1["token_age"].as_i64());
    let (answer, fresh) = age(of("Order"));
    assert!(answer == "reached" && fresh.unwrap() <= 900, "{answer} {fresh:?}");
    assert_eq!(read_now(&demo, "by-age", "orders", Method::GET, b""), 200);
    let (answer, old) = age(of("Invoice"));
    assert!(answer == "reached" && old.unwrap() >= 3600, "{answer} {old:?}");
    assert_eq!(read_now(&demo, "by-age", "invoices", Method::GET, b""), 403, "its token is fresh");
    assert_eq!(age(of("Shipment")), ("reached".to_owned(), None), "a credential that does not say");
    assert_eq!(of("Product").0, "proved");
    assert_eq!(read_now(&demo, "by-age", "products", Method::GET, b""), 403);
    assert_eq!(of("StockLevel").0, "cannot tell", "between two numbers there is none");
}

#[test]
fn what_goes_by_the_method_is_reached_by_one_that_is_told_and_else_proved_or_not_known() {
    let (demo, auditor) = circumstances();
    let of = |sentence: &str| asked(&demo, &auditor, &format!("no App::\"by-method\" {sentence}"));
    assert_eq!(of("reads Order").0, "reached");
    let (answer, over) = of("reads Invoice");
    assert_eq!((answer.as_str(), &over["method"]), ("reached", &"HEAD".into()), "{over}");
    assert_eq!(read_now(&demo, "by-method", "invoices", Method::HEAD, b""), 200);
    assert_eq!(read_now(&demo, "by-method", "invoices", Method::GET, b""), 403);
    assert_eq!(of("reads Product").0, "proved");
    assert_eq!(of("reads StockLevel").0, "cannot tell", "only a write's answer could show it");
    // A call is made by the method of its request.
    assert_eq!(of("calls System::\"crm\"").0, "reached");
    assert_eq!(of("deletes Customer").0, "proved", "a call by GET deletes nothing");
}

#[test]
fn what_goes_by_the_size_is_reached_with_a_body_that_is_told_and_else_proved_or_not_known() {
    let (demo, auditor) = circumstances();
    let of = |sentence: &str| asked(&demo, &auditor, &format!("no App::\"by-size\" {sentence}"));
    assert_eq!(of("reads Order").0, "reached");
    assert_eq!(read_now(&demo, "by-size", "orders", Method::GET, b""), 200);
    let (answer, over) = of("reads Invoice");
    assert!(answer == "reached" && over["bytes"].as_u64().unwrap() > 0, "{over}");
    assert_eq!(read_now(&demo, "by-size", "invoices", Method::GET, b"x"), 200);
    assert_eq!(read_now(&demo, "by-size", "invoices", Method::GET, b""), 403);
    let (answer, over) = of("reads Shipment");
    assert_eq!((answer.as_str(), &over["chunked"]), ("reached", &true.into()), "{over}");
    assert_eq!(of("reads Product").0, "proved");
    let (answer, over) = of("creates Order");
    assert!(answer == "reached" && over["bytes"].as_u64().unwrap() >= 1000, "{over}");
    assert_eq!(of("creates Customer").0, "cannot tell", "no customer is told in two bytes");
}

#[test]
fn what_is_open_with_the_glass_broken_is_proved_without_it_and_told_apart_with_a_request() {
    let (demo, auditor) = circumstances();
    let (answer, over) = asked(&demo, &auditor, "no User::\"by-glass\" reads Invoice");
    assert_eq!((answer.as_str(), &over["glass"]), ("proved", &true.into()));
    assert_eq!(
        asked(&demo, &auditor, "no User::\"by-glass\" reads Product"),
        ("proved".to_owned(), Value::Null)
    );
    let token = demo.verb(&["token", "issue", "--kind", "User", "--id", "by-glass", "--ttl", "1h"]);
    let listed = demo.get("/v1/invoices?limit=1").send().expect(200);
    let id = listed.items()[0]["id"].as_str().unwrap().to_owned();
    let ask = || {
        let ask = demo.get(&format!("/v1/invoices/{id}")).by(Who::Nobody);
        ask.with("authorization", format!("Bearer {}", token.out.trim()))
    };
    assert_eq!(ask().send().status, 403);
    assert_eq!(ask().with("break-glass", "INC-42, the shop stands still").send().status, 200);
}
