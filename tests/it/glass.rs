//! Breaking the glass: for people that are named, with a reason, for an hour, told before the answer, and apart in what is
//! proved.

use std::{fs, path::Path};

use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::Answer,
    line::asking,
    publishing::Receiver,
    stage::{Stage, Staging},
    writes::change,
};

/// Nils may see invoices in an emergency, and Anna is there to approve.
fn glass(policies: &Path) {
    let statement = "\n@id(\"nils-in-incidents\")\n@breakglass(\"invoices while the shop stands still\")\n@fields(\"*\")\npermit (principal == User::\"nils\", action in [Action::\"list\", Action::\"read\"], resource is Invoice);\n";
    let file = policies.join("access/staff.cedar");
    fs::write(&file, fs::read_to_string(&file).unwrap() + statement).unwrap();
    change(
        policies,
        "principals/apps.yaml",
        "principals:\n",
        "principals:\n  - { kind: User, id: anna, plan: staff }\n  - { kind: User, id: nils, plan: staff }\n",
    );
}

fn token(stage: &Stage, kind: &str, id: &str) -> String {
    let issued = stage.verb(&["token", "issue", "--kind", kind, "--id", id, "--ttl", "1h"]);
    assert_eq!(issued.code, 0, "{}", issued.err);
    issued.out.trim().to_owned()
}

fn ask(stage: &Stage, token: &str, reason: Option<&str>) -> Answer {
    let request = asking(Method::GET, "/v1/invoices?limit=2", Some(token));
    let request = match reason {
        Some(reason) => request.header("break-glass", reason),
        None => request,
    };
    stage.ask(request.body(Default::default()).unwrap())
}

fn entry_of(stage: &Stage, answer: &Answer) -> Value {
    let request = answer.header("x-request-id").unwrap();
    let entries = book::entries(&stage.data());
    entries.into_iter().find(|entry| entry["request"] == request && entry["kind"] == "answer").unwrap()
}

/// What the entry of an answer notes under a name.
fn note(stage: &Stage, answer: &Answer, name: &str) -> Value {
    let entry = entry_of(stage, answer);
    let notes = entry["notes"].as_array().cloned().unwrap_or_default();
    notes.iter().find(|note| note[0] == name).map(|note| note[1].clone()).unwrap_or_else(|| panic!("{entry}"))
}

#[test]
fn whoever_is_named_breaks_the_glass_by_saying_why_and_somebody_hears_of_it_before_the_answer() {
    let receiver = Receiver::start();
    let trust = receiver.trust();
    let stage = Stage::open_as(&Staging { under: &["env", &trust], log: None }, |policies| {
        glass(policies);
        let alerts = format!("\nalerts: {{ to: \"https://localhost:{}/hook\" }}\naudit:\n", receiver.at);
        change(policies, "gateway.yaml", "\naudit:\n", &alerts);
    });
    let nils = token(&stage, "User", "nils");
    ask(&stage, &nils, None).refused(403);
    ask(&stage, &nils, Some("  ")).refused(403);
    let seen = ask(&stage, &nils, Some("INC-42: the shop stands still")).expect(200);
    // Posted before the answer was there.
    let (_, body) = receiver.posted.lock()[0].clone();
    let alert: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&alert["alert"], &alert["of"]), (&json!("break-glass"), &json!("User/nils")));
    assert_eq!(alert["reason"], "INC-42: the shop stands still");
    assert!(!seen.items().is_empty());
    assert_eq!(note(&stage, &seen, "break_glass"), "INC-42: the shop stands still");
    assert!(entry_of(&stage, &seen).to_string().contains("nils-in-incidents"));
    // Once is enough while it lasts; each request says why, and one that does not has nothing of it.
    let again = ask(&stage, &nils, Some("still the same")).expect(200);
    assert_eq!(note(&stage, &again, "break_glass"), "still the same");
    ask(&stage, &nils, None).refused(403);
    assert_eq!(receiver.posted.lock().len(), 1);
    let listed = stage.only_data(&["break-glass", "list"]);
    assert!(listed.out.contains("nils") && listed.out.contains("INC-42"), "{}", listed.out);
}

#[test]
fn nobody_else_breaks_it_whatever_they_say() {
    let stage = Stage::open(glass);
    let anna = token(&stage, "User", "anna");
    let refused = ask(&stage, &anna, Some("let me in")).refused(403);
    assert_eq!(note(&stage, &refused, "break_glass_refused"), "not theirs");
    let same = ask(&stage, &stage.portal, None);
    let saying = ask(&stage, &stage.portal, Some("let me in"));
    assert_eq!((saying.status, saying.items().len()), (same.status, same.items().len()));
    assert_eq!(note(&stage, &saying, "break_glass_refused"), "not theirs");
    assert!(stage.only_data(&["break-glass", "list"]).out.contains("nobody"));
}

#[test]
fn alone_it_cannot_be_done_again_at_once_and_somebody_else_may_approve_it() {
    let mut stage = Stage::open(glass);
    let nils = token(&stage, "User", "nils");
    ask(&stage, &nils, Some("INC-42")).expect(200);
    assert_eq!(stage.verb(&["break-glass", "mend", "--user", "nils"]).code, 0);
    let refused = ask(&stage, &nils, Some("INC-43")).refused(403);
    assert_eq!(note(&stage, &refused, "break_glass_refused"), "spent");
    assert!(stage.stderr().contains("break-glass-spent"));
    let approve = |by: &str, lasts: &str| {
        let args =
            ["break-glass", "approve", "--user", "nils", "--by", by, "--for", lasts, "--reason", "INC-43"];
        stage.verb(&args)
    };
    assert_eq!(approve("nils", "2h").code, 2);
    assert_eq!(approve("anna", "25h").code, 2);
    assert_eq!(approve("nobody", "2h").code, 1);
    assert_eq!(approve("anna", "2h").code, 0);
    let seen = ask(&stage, &nils, Some("INC-43")).expect(200);
    let by = note(&stage, &seen, "approved_by");
    // Also over a restart.
    stage.kill_and_start();
    ask(&stage, &nils, Some("INC-43")).expect(200);
    let acts = book::entries(&stage.data());
    let approved = acts.iter().find(|entry| entry["act"] == "glass-approve").unwrap().to_string();
    assert!(approved.contains(by.as_str().unwrap()) && !approved.contains("anna"), "{approved}");
    for act in ["glass-approve", "glass-mend"] {
        assert!(acts.iter().any(|entry| entry["act"] == act), "{act}");
    }
    let all = stage.only_data(&["break-glass", "list", "--json"]);
    let all: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!((&all[0]["approved_by"], &all[1]["approved_by"]), (&json!("anna"), &Value::Null));
}

#[test]
fn what_is_proved_and_who_can_do_what_is_told_apart_from_it() {
    let stage = Stage::open(glass);
    let proved = stage.only_policies(&["policy", "prove", "no User::\"nils\" reads Invoice.number"]);
    assert_eq!(proved.code, 0, "{}{}", proved.out, proved.err);
    assert!(proved.out.starts_with("proved"), "{}", proved.out);
    assert!(proved.out.contains("apart from that, with the glass broken"), "{}", proved.out);
    assert!(
        proved.out.contains("nils-in-incidents") && proved.out.contains("\"glass\":true"),
        "{}",
        proved.out
    );
    let matrix = stage.only_policies(&["policy", "matrix", "--entity", "Invoice", "--csv"]);
    let of = |who: &str| matrix.out.lines().any(|line| line.contains(who) && line.contains("Invoice"));
    assert!(of("User/nils (break-glass)"), "{}{}", matrix.out, matrix.err);
    let explained = |more: &[&str]| {
        let mut args =
            vec!["policy", "explain", "--as", "User/nils", "--action", "read", "--entity", "Invoice"];
        args.extend(more);
        stage.only_policies(&args).out
    };
    assert!(explained(&[]).starts_with("read Invoice: refused"), "{}", explained(&[]));
    assert!(
        explained(&["--glass"]).starts_with("read Invoice: permitted")
            || explained(&["--glass"]).starts_with("read Invoice: depends")
    );
}

#[test]
fn it_is_for_people_of_the_company_that_are_named_one_by_one() {
    let stage = Stage::open(glass);
    let told = |head: &str, note: &str| {
        let text = format!("\n@id(\"x\") {note} @fields(\"*\")\n{head} when {{ resource has number }};\n");
        let file = stage.policies().join("access/glass.cedar");
        fs::write(&file, text).unwrap();
        let checked = stage.only_policies(&["policy", "check", "--without-secrets"]);
        fs::remove_file(&file).unwrap();
        assert_ne!(checked.code, 0, "{head}");
        checked.err + &checked.out
    };
    let of = |who: &str| format!("permit ({who}, action == Action::\"read\", resource is Invoice)");
    for who in ["principal in Group::\"staff\"", "principal == Partner::\"acme-portal\"", "principal is User"]
    {
        assert!(told(&of(who), "@breakglass(\"x\")").contains("for people that principals/ names"), "{who}");
    }
    assert!(told(&of("principal == User::\"nils\""), "@breakglass(\" \")").contains("says what it is for"));
    assert!(told(&of("principal == User::\"nobody\""), "@breakglass(\"x\")").contains("nobody"));
    let forbid = "forbid (principal == User::\"nils\", action == Action::\"read\", resource is Invoice)";
    assert!(told(forbid, "@breakglass(\"x\")").contains("belongs on a permit"));
}
