//! The command line: what goes where, and what its exit codes say.

use std::{fs, path::PathBuf};

use crate::kit::{Demo, Who, root, until};

/// The segments of the journal, the longest first.
fn segments(demo_data: &std::path::Path) -> Vec<PathBuf> {
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
    assert!(good.out.contains("5 entities, 36 statements, 4 principals"), "{good:?}");
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
    crate::kit::copy_all(&root().join("policies"), &policies);
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
    ] {
        assert!(before.out.contains(told), "{told}: {}", before.out);
    }
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
        &["policy", "check"],
        &["policy", "test"],
        &["policy", "explain"],
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
