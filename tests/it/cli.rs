//! The command line: what goes where, and what its exit codes say.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::kit::{Demo, Who, root, until};

/// The segments of the journal, the longest first.
fn segments(demo_data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![demo_data.join("audit")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "heads" && name != "lock") {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    found
}

#[test]
fn the_text_of_a_token_stands_alone_on_standard_output_and_works_until_it_is_taken_back() {
    let demo = Demo::start();
    let ran = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--ttl", "1h"]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
    let token = ran.out.trim();
    let ask = || {
        let ask = demo.get("/v1/customers?limit=1").by(Who::Nobody);
        ask.with("authorization", format!("Bearer {token}")).send().status
    };
    assert_eq!(ask(), 200);
    let listed = demo.verb(&["token", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    let ours = listed.as_array().unwrap().iter().find(|one| one["note"].is_null() && one["sort"] == "token");
    let jti = ours.unwrap()["id"].as_str().unwrap();
    assert_eq!(demo.verb(&["token", "revoke", jti]).code, 0);
    until("it is refused", || ask() == 401);
    assert_eq!(demo.verb(&["token", "revoke", jti]).code, 1, "nothing alive is called so");
}

#[test]
fn an_api_key_works_and_everything_of_a_principal_is_taken_back_at_once() {
    let demo = Demo::start();
    let key = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
    let ask = || {
        let ask = demo.get("/v1/customers?limit=1").by(Who::Nobody);
        ask.with("x-api-key", key.out.trim()).send().status
    };
    assert_eq!(ask(), 200, "{key:?}");
    let ran = demo.verb(&["token", "revoke", "--principal", "App/shop-backend"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    until("the key is refused", || ask() == 401);
    until("the demo's own token is refused", || demo.get("/v1/customers").send().status == 401);
}

/// Adds what stands beside the shipped policies.
fn more_principals(policies: &Path) {
    let certificates = format!("[\"sha256:{}\"]", "ab".repeat(32));
    let text = format!(
        "principals:\n  - {{ kind: App, id: till, groups: [apps], plan: internal, certificates: {certificates} }}\n"
    );
    fs::write(policies.join("principals/tills.yaml"), text).unwrap();
}

#[test]
fn a_misspelt_principal_is_told_and_no_success() {
    let demo = Demo::start();
    let revoke = |who: &str| demo.verb(&["token", "revoke", "--principal", who]);
    for (misspelt, near) in [
        ("Partner/acme-protal", Some("Partner/acme-portal")),
        ("App/shop-backand", Some("App/shop-backend")),
        ("User/shop-backend", Some("App/shop-backend")),
        ("Partner/acme", None),
        // There is no such issuer.
        ("User/corp|jan", None),
    ] {
        for ran in [revoke(misspelt), demo.verb(&["token", "list", "--principal", misspelt])] {
            assert_eq!(ran.code, 1, "{misspelt}: {ran:?}");
            assert!(ran.err.contains("nobody of that name holds anything"), "{ran:?}");
            let told = near.map(|near| format!("did you mean `{near}`?"));
            assert_eq!(ran.err.contains("did you mean"), told.is_some(), "{ran:?}");
            assert!(ran.err.contains(&told.unwrap_or_default()), "{ran:?}");
            assert!(!ran.err.contains("taken back"), "{ran:?}");
        }
    }
    demo.get("/v1/customers?limit=1").send().expect(200);
    for nothing in [&["abcdef"][..], &["--admin", "promtheus"], &["--signing-key", "abcdef"]] {
        let ran = demo.verb(&[&["token", "revoke"], nothing].concat());
        assert_eq!(ran.code, 1, "{nothing:?}: {ran:?}");
        assert!(ran.err.contains("nothing alive is called") && !ran.err.contains("taken back"), "{ran:?}");
    }
}

#[test]
fn somebody_of_whom_all_was_taken_back_is_told_from_nobody() {
    let demo = Demo::start_with(more_principals, &[]);
    let revoke = |who: &str| demo.verb(&["token", "revoke", "--principal", who]);
    let told = |who: &str, words: &[&str]| {
        let ran = revoke(who);
        assert_eq!(ran.code, 0, "{who}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{who}, {word}: {ran:?}");
        }
        ran.err
    };
    assert!(!told("Partner/acme-portal", &["1 taken back"]).contains("certificate"));
    told("Partner/acme-portal", &["nothing left to take back", "1 were taken back before"]);
    // Stands in principals/, and nothing was ever issued to it; its certificate opens all the same.
    told(
        "App/till",
        &["nothing to take back", "client certificates prove App/till as well (1)", "disabled: true"],
    );
    // Who left principals/ is known by what it held, and is near to a misspelt name.
    fs::remove_file(demo.policies().join("principals/acme.yaml")).unwrap();
    told("Partner/acme-portal", &["nothing left to take back"]);
    let misspelt = revoke("Partner/acme-protal");
    assert_eq!(misspelt.code, 1, "{misspelt:?}");
    assert!(misspelt.err.contains("did you mean `Partner/acme-portal`?"), "{misspelt:?}");
    // Without policies that load there is still a word on who is not known.
    fs::write(demo.policies().join("principals/broken.yaml"), "principals: 7").unwrap();
    told("Partner/acme-portal", &["do not load", "nothing left to take back"]);
    told("User/corp|jan", &["do not load", "what its issuer gave it until now is taken back"]);
    assert_eq!(revoke("App/till").code, 1);
}

#[test]
fn a_new_signing_key_signs_while_tokens_of_the_old_one_stay_good() {
    let demo = Demo::start();
    assert_eq!(demo.verb(&["token", "rotate"]).code, 0);
    let new = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend"]);
    let ask = demo.get("/v1/customers?limit=1").by(Who::Nobody);
    ask.with("authorization", format!("Bearer {}", new.out.trim())).send().expect(200);
    demo.get("/v1/customers?limit=1").send().expect(200);
}

#[test]
fn the_journal_of_a_running_gate_is_whole_and_reading_it_is_an_entry() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let data = demo.data();
    let data = data.to_str().unwrap();
    let verified = demo.run(&["audit", "verify", "--data", data]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("the journal is whole"), "{verified:?}");
    let tail = demo.run(&["audit", "tail", "--data", data, "-n", "50", "--json"]);
    assert!(tail.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    for what in ["verify: whole", "tail of 50"] {
        assert!(tail.out.contains(what), "{what}: {}", tail.out);
    }
    assert!(demo.run(&["audit", "tail", "--data", data]).out.contains("answer list Customer"), "for people");
}

#[test]
fn one_changed_byte_of_a_stopped_gates_journal_is_found() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let data = dir.path().join("data");
    let verify = |args: &[&str]| {
        let mut all = vec!["audit", "verify", "--data", data.to_str().unwrap()];
        all.extend(args);
        crate::kit::run(&all)
    };
    let heads = data.join("audit/demo/0/heads");
    let head = dir.path().join("head");
    fs::copy(&heads, &head).unwrap();
    let same = verify(&["--against", head.to_str().unwrap(), "--json"]);
    assert_eq!(same.code, 0, "{same:?}");
    let told: serde_json::Value = serde_json::from_str(&same.out).unwrap();
    assert_eq!(told["against"]["result"], "same");
    assert_eq!(verify(&["--against", "nothing of the sort"]).code, 2);
    let segment = segments(&data).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let changed = verify(&[]);
    assert_eq!(changed.code, 1, "{changed:?}");
    assert!(changed.out.contains("NOT whole"), "{changed:?}");
}

#[test]
fn a_rollback_of_the_journals_folder_alone_is_found_against_the_store() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let (_, dir) = demo.stop();
    let data = dir.path().join("data");
    // The lane's entries go, its heads too: what is left is whole in itself.
    for name in fs::read_dir(data.join("audit/demo")).unwrap() {
        fs::remove_dir_all(name.unwrap().path()).unwrap();
    }
    let ran = crate::kit::run(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("rolled back"), "{ran:?}");
}

/// Every file and folder under a folder, with what stands in it; no sockets, which no copy holds either.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Gives everything under a folder these rights.
fn set_rights(folder: &Path, of_files: u32, of_folders: u32) {
    use std::os::unix::fs::PermissionsExt;
    for path in contents(folder).into_keys().chain([folder.to_owned()]) {
        let rights = if path.is_dir() { of_folders } else { of_files };
        fs::set_permissions(path, fs::Permissions::from_mode(rights)).unwrap();
    }
}

/// Verifies copies of a gate's data, as a verifier gets them.
#[track_caller]
fn evidence_is_left_as_it_is(dir: &Path) {
    let data = dir.join("data");
    // As `cp -r` leaves it under umask 022, as a read-only disk shows it, and as its owner locked it.
    for (name, of_files, of_folders) in
        [("loose", 0o644, 0o755), ("disk", 0o444, 0o555), ("locked", 0o400, 0o500)]
    {
        let evidence = dir.join(name);
        for (path, bytes) in contents(&data) {
            let copy = evidence.join(path.strip_prefix(&data).unwrap());
            if path.is_dir() {
                fs::create_dir_all(copy).unwrap();
            } else {
                fs::create_dir_all(copy.parent().unwrap()).unwrap();
                fs::write(copy, bytes).unwrap();
            }
        }
        set_rights(&evidence, of_files, of_folders);
        let before = contents(&evidence);
        let at = evidence.to_str().unwrap();
        let verified = crate::kit::run(&["audit", "verify", "--data", at, "--json"]);
        assert_eq!(verified.code, 0, "{name}: {verified:?}");
        let told: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
        assert_eq!(told["whole"], true, "{name}: {told}");
        assert!(told["heads_of_store"].is_u64(), "{name}: {verified:?}");
        assert!(verified.err.contains("this reading is not on record"), "{name}: {verified:?}");
        assert_eq!(crate::kit::run(&["audit", "tail", "--data", at]).code, 0, "{name}");
        let after = contents(&evidence);
        let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(differs).collect();
        assert_eq!(changed, Vec::<&PathBuf>::new(), "{name}");
        // So that the folder can be removed by whoever runs this.
        set_rights(&evidence, 0o600, 0o700);
    }
}

#[test]
fn evidence_of_a_stopped_gate_is_verified_and_left_as_it_is_to_the_byte() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let (_, dir) = demo.stop();
    evidence_is_left_as_it_is(dir.path());
}

#[test]
fn evidence_of_a_killed_gate_is_verified_and_left_as_it_is_to_the_byte() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let dir = demo.kill();
    evidence_is_left_as_it_is(dir.path());
}

#[test]
fn a_store_that_cannot_be_read_makes_no_journal_less_whole() {
    let demo = Demo::start();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let (_, dir) = demo.stop();
    let data = dir.path().join("data");
    for side in ["bramka.db-wal", "bramka.db-shm"] {
        // Not there where the gate came to fold them in.
        drop(fs::remove_file(data.join(side)));
    }
    fs::write(data.join("bramka.db"), "no store at all").unwrap();
    let verify = || crate::kit::run(&["audit", "verify", "--data", data.to_str().unwrap(), "--json"]);
    let ran = verify();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("the store's heads could not be read"), "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((told["whole"].as_bool(), &told["heads_of_store"]), (Some(true), &serde_json::Value::Null));
    fs::remove_file(data.join("bramka.db")).unwrap();
    let ran = verify();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("there is no store here"), "{ran:?}");
}

#[test]
fn a_statement_on_what_a_system_never_tells_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    let check = |condition: &str| {
        let text = format!(
            "@id(\"extra\")\nforbid (principal, action == Action::\"read\", resource is Customer)\nwhen {{ {condition} }};\n"
        );
        fs::write(policies.join("access/extra.cedar"), text).unwrap();
        crate::kit::run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()])
    };
    let untold = check("resource has price_group && resource.price_group == \"gold\"");
    assert_eq!(untold.code, 1, "{untold:?}");
    assert!(untold.out.contains("`crm` never tells `price_group` of Customer"), "{untold:?}");
    assert!(untold.out.contains("access/extra.cedar:1:1"), "{untold:?}");
    assert_eq!(check("resource has credit").code, 1, "nothing of that group is told");
    // One statement is one mistake, however much it goes by.
    let both =
        check("resource has price_group && resource has trading_name && resource.price_group == \"gold\"");
    let told: Vec<&str> = both.out.lines().filter(|line| line.contains("never tells")).collect();
    assert_eq!(told.len(), 1, "{both:?}");
    assert!(told[0].contains("`price_group`") && told[0].contains("`trading_name`"), "{told:?}");
    assert_eq!(check("resource has vat_id && resource.vat_id == \"PL1\"").code, 0);
}

#[test]
fn exit_codes_tell_good_from_wrong_from_misused() {
    let shipped = root().join("policies");
    let shipped = shipped.to_str().unwrap();
    let check = |policies: &str, more: &[&str]| {
        let mut args = vec!["policy", "check", "--policies", policies];
        args.extend(more);
        crate::kit::run(&args)
    };
    let good = check(shipped, &["--without-secrets"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.out.contains("11 entities, 39 statements, 4 principals"), "{good:?}");
    let without = check(shipped, &[]);
    assert_eq!(without.code, 1);
    assert!(without.out.contains("the variable `HUBSPOT_TOKEN` is not set"), "{without:?}");
    let told: serde_json::Value = serde_json::from_str(&check(shipped, &["--json"]).out).unwrap();
    assert_eq!((told["good"].as_bool(), told["errors"].as_u64()), (Some(false), Some(2)));
    assert_eq!(check("/no/such/folder", &[]).code, 1);
    for misused in [&["policy"][..], &["token", "issue"], &["audit", "tail", "--cuont", "3"], &["nothing"]] {
        assert_eq!(crate::kit::run(misused).code, 2, "{misused:?}");
    }
    let nowhere = crate::kit::run(&["audit", "verify", "--data", "/no/such/folder"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("there is no gate's data"), "{nowhere:?}");
}

/// A copy of the shipped policies.
fn policies() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    crate::kit::copy_shipped(&policies);
    (dir, policies)
}

#[test]
fn the_shipped_policies_keep_their_tests() {
    let (_dir, policies) = policies();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(told["tests"].as_array().unwrap().len() >= 12, "{told}");
    assert_eq!(told["diagnostics"], serde_json::json!([]));
}

#[test]
fn a_policy_that_opens_too_much_breaks_a_test_and_says_what_decided() {
    let (_dir, policies) = policies();
    let file = policies.join("access/partners.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let open = "when { principal has customer && resource.customer == principal.customer };";
    assert!(text.contains(open));
    fs::write(&file, text.replacen(open, ";", 1)).unwrap();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for told in [
        "BROKEN tests/partners.yaml: to a partner the order of somebody else does not exist",
        "expected `hidden`, and it is `permitted`",
        "decided by: partners-read-own-orders",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
}

#[test]
fn mistakes_in_tests_are_told_with_the_nearest_name() {
    let (_dir, policies) = policies();
    let test = "tests:\n  - name: x\n    as: App/shop-backand\n    action: read\n    entity: Ordr\n    \
                record: { id: a }\n    expect: { outcome: hidden }\n";
    fs::write(policies.join("tests/wrong.yaml"), test).unwrap();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    for told in ["did you mean `App/shop-backend`?", "did you mean `Order`?", "tests/wrong.yaml:3:9"] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
}

#[test]
fn an_expectation_that_says_nothing_is_a_mistake_and_no_kept_promise() {
    let (_dir, policies) = policies();
    // Each was kept once, whatever the statements said.
    let tests = r#"tests:
  - name: a create
    as: App/shop-backend
    action: create
    entity: Order
    record: { customer: "20000", currency: EUR, lines: [{ product: "a", quantity: "1" }] }
    expect: { outcome: permitted, hides: [customer] }
  - name: a call
    as: App/shop-backend
    action: call
    call: { system: erp, method: GET, path: /items }
    record: { id: "1" }
    expect:
      outcome: permitted
      fields: [nothing.of.the.sort]
      shows: [price]
      hides: [price]
      masks: [price]
      values: { price: "7" }
      changes: [price]
      refused_for: [price]
  - name: a read of no record
    as: App/shop-backend
    action: read
    entity: Customer
    expect: { outcome: permitted, values: { name: "" } }
"#;
    fs::write(policies.join("tests/silent.yaml"), tests).unwrap();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let broken = |test: &&serde_json::Value| test["kept"] == false;
    assert_eq!(told["tests"].as_array().unwrap().iter().filter(broken).count(), 3, "{told}");
    let mut said: Vec<String> = Vec::new();
    for one in told["diagnostics"].as_array().unwrap() {
        let text = |key: &str| one[key].to_string().trim_matches('"').to_owned();
        said.push(format!("{}:{} {}", text("file"), text("line"), text("message")));
    }
    let call = |line: u32, name: &str| format!("tests/silent.yaml:{line} `{name}` says nothing about `call`");
    let mut wanted =
        vec!["tests/silent.yaml:7 `hides` says nothing about `create`".to_owned(), call(12, "record")];
    let expectations = ["fields", "shows", "hides", "masks", "values", "changes", "refused_for"];
    wanted.extend(expectations.iter().zip(15..).map(|(name, line)| call(line, name)));
    wanted.push("tests/silent.yaml:26 `values` says nothing about `read` without a `record`".to_owned());
    said.sort();
    wanted.sort();
    assert_eq!(said, wanted);
}

#[test]
fn a_value_of_a_hidden_record_is_not_even_empty() {
    let (_dir, policies) = policies();
    let test = "tests:\n  - name: x\n    as: Partner/acme-portal\n    action: read\n    entity: Order\n    \
                record: { id: a, customer: \"30000\", currency: EUR, status: open }\n    \
                expect: { outcome: hidden, values: { number: \"\" } }\n";
    fs::write(policies.join("tests/hidden.yaml"), test).unwrap();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("`number` is not shown"), "{ran:?}");
}

#[test]
fn a_bundle_without_a_test_keeps_none() {
    let (_dir, policies) = policies();
    fs::rename(policies.join("tests"), policies.join("../test")).unwrap();
    let ran = crate::kit::run(&["policy", "test", "--policies", policies.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("there is no test in"), "{ran:?}");
}

#[test]
fn statements_are_laid_out_saying_the_same_and_what_does_not_parse_is_left_as_it_is() {
    let (_dir, policies) = policies();
    let file = policies.join("access/zz.cedar");
    let text = "// What the file is for.\n\n// Why it is there.\n@id(\"zz\")   @fields(\"number\") permit(principal is Partner,action==Action::\"read\",resource is Order)when{ resource has number   // beside\n };\n";
    fs::write(&file, text).unwrap();
    let fmt = |more: &[&str]| {
        let mut args = vec!["policy", "fmt", "--policies", policies.to_str().unwrap()];
        args.extend(more);
        crate::kit::run(&args)
    };
    let would = fmt(&["--check"]);
    assert_eq!((would.code, fs::read_to_string(&file).unwrap().as_str()), (1, text));
    // What is shipped is laid out.
    assert!(would.out.lines().count() == 1 && would.out.contains("zz.cedar"), "{would:?}");
    let check = || {
        crate::kit::run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()])
    };
    let before = check();
    assert_eq!(fmt(&[]).code, 0);
    let laid_out = fs::read_to_string(&file).unwrap();
    for kept in [
        "// What the file is for.\n\n// Why it is there.\n@id",
        "// beside",
        "@id(\"zz\")\n",
        "  principal is Partner,\n",
    ] {
        assert!(laid_out.contains(kept), "{kept}: {laid_out}");
    }
    let after = check();
    let counts = |ran: &crate::kit::Ran| ran.out.split_once(" serves: ").map(|(_, counts)| counts.to_owned());
    assert_eq!((after.code, counts(&after)), (0, counts(&before)));
    assert_eq!(fmt(&["--check"]).code, 0);
    fs::write(&file, "permit (principal, action").unwrap();
    let left = fmt(&[]);
    assert_eq!((left.code, fs::read_to_string(&file).unwrap().as_str()), (1, "permit (principal, action"));
    assert!(left.err.contains("left as it is"), "{left:?}");
}

#[test]
fn a_decision_is_explained_with_and_without_a_record() {
    let (dir, policies) = policies();
    let explain = |more: &[&str]| {
        let mut args = vec!["policy", "explain", "--policies", policies.to_str().unwrap()];
        args.extend(more);
        crate::kit::run(&args)
    };
    let read = ["--as", "Partner/acme-portal", "--action", "read", "--entity", "Order"];
    let before = explain(&read);
    assert_eq!(before.code, 0, "{before:?}");
    for told in [
        "read Order: depends on the record",
        "permit `partners-read-own-orders`",
        "may filter and sort by: id",
        "partner (rank 10, counted for all of a partner's together)",
        "10 at once",
    ] {
        assert!(before.out.contains(told), "{told}: {}", before.out);
    }
    // Of a list also what its system is asked for, in its own words.
    let list = explain(&["--as", "Partner/acme-portal", "--action", "list", "--entity", "Order", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let asked = told["pushed"][0]["request"].as_str().unwrap();
    assert!(asked.contains("$filter=customerNumber eq '20000'"), "{asked}");
    assert_eq!(told["charged"][0]["rate"], "10/s");
    fs::write(
        policies.join("hours.yaml"),
        "hours: { office: { zone: UTC, days: [mon], from: \"08:00\", to: \"17:00\" } }\n",
    )
    .unwrap();
    let file = policies.join("access/partners.cedar");
    let closed = "\n@id(\"office-only\") forbid (principal is Partner, action == Action::\"read\", resource is Order) unless { context.checked.hours.contains(\"office\") };\n";
    let open = fs::read_to_string(&file).unwrap();
    fs::write(&file, open.clone() + closed).unwrap();
    let at = |moment: &str| {
        let mut with = read.to_vec();
        with.extend(["--at", moment]);
        explain(&with).out
    };
    assert!(at("2026-01-05T16:59:59Z").starts_with("read Order: depends"));
    assert!(at("2026-01-05T17:00:00Z").starts_with("read Order: refused"));
    fs::write(&file, open).unwrap();
    let record = dir.path().join("order.yaml");
    fs::write(&record, "{ id: \"1\", customer: \"20000\", status: open, email: jan@acme.example }").unwrap();
    let mut with = read.to_vec();
    with.extend(["--record", record.to_str().unwrap(), "--json"]);
    let told: serde_json::Value = serde_json::from_str(&explain(&with).out).unwrap();
    assert_eq!(told["outcome"], "permitted");
    assert_eq!(told["on_record"]["shown"]["email"], "j***@acme.example");
    assert_eq!(explain(&["--as", "nobody", "--action", "read", "--entity", "Order"]).code, 1);
    assert_eq!(explain(&["--as", "App/shop-backend", "--action", "call", "--entity", "Order"]).code, 2);
}

#[test]
fn every_verb_has_help_with_an_example() {
    for verb in [
        &["demo"][..],
        &["serve"],
        &["token", "issue"],
        &["token", "list"],
        &["token", "revoke"],
        &["token", "rotate"],
        &["audit", "verify"],
        &["audit", "tail"],
        &["audit", "erase"],
        &["policy", "check"],
        &["policy", "test"],
        &["policy", "explain"],
        &["policy", "matrix"],
        &["policy", "diff"],
        &["policy", "schema"],
        &["certs", "init"],
    ] {
        let mut args = verb.to_vec();
        args.push("--help");
        let ran = crate::kit::run(&args);
        assert_eq!(ran.code, 0, "{verb:?}");
        assert!(ran.out.contains("Example"), "{verb:?}: {}", ran.out);
    }
}

#[test]
fn certificates_are_made_once_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    let init = || crate::kit::run(&["certs", "init", "--dir", certs.to_str().unwrap()]);
    assert_eq!(init().code, 0);
    let before = fs::read(certs.join("server.key")).unwrap();
    assert_eq!(init().code, 0);
    assert_eq!(fs::read(certs.join("server.key")).unwrap(), before);
    fs::remove_file(certs.join("client.pem")).unwrap();
    let partial = init();
    assert_eq!(partial.code, 1);
    assert!(partial.err.contains("some of the certificates"), "{partial:?}");
}
