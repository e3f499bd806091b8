//! Erasing what the journal holds of somebody, beside a gate that goes on.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use bramka::audit::{self, Beside, JournalKeys, Line, Opened};
use serde_json::Value;

use crate::{
    book,
    kit::{Demo, Ran, Who, run, until},
    load::{Load, unbounded},
    writes::change,
};

/// A customer of the stand-in that the load reads and changes.
const CUSTOMER: &str = "701000000001";

fn erase(demo: &Demo, more: &[&str]) -> Ran {
    demo.verb(&[&["audit", "erase"], more].concat())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// Every line there is.
fn lines(data: &Path) -> Vec<(String, Line)> {
    let gate = book::gate(data);
    let mut all = Vec::new();
    for lane in audit::lanes(&gate).unwrap() {
        let lines = audit::read_lane(&gate.join(&lane), &book::wrapping(&gate)).unwrap();
        all.extend(lines.map(|line| (lane.clone(), line.unwrap())));
    }
    all
}

/// What the sealed parts that are left hold, in clear.
fn plain(data: &Path) -> Vec<Value> {
    let keys = JournalKeys::existing(&data.join("keys/journal")).unwrap();
    let mut found = Vec::new();
    for (_, line) in lines(data) {
        let facts = line.facts().unwrap();
        if let Beside::Sealed(sealed) = line.beside() {
            match keys.unseal(sealed, facts.salt, facts.sealed.unwrap()) {
                Opened::Plain(plain) => found.push(serde_json::from_str(&plain).unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

fn names(data: &Path, id: &str) -> usize {
    plain(data).iter().filter(|plain| plain["id"] == id).count()
}

#[test]
fn who_asked_is_erased_while_the_gate_appends_to_the_same_lane_and_the_journal_stays_whole() {
    let demo = Demo::start_with(unbounded, &[]);
    let data = demo.data();
    let partner = || demo.get("/v1/orders?limit=2").by(Who::Partner).send().expect(200);
    for _ in 0..5 {
        partner();
    }
    assert_eq!(names(&data, "acme-portal"), 5);
    let load = Load::start(&demo, 4);
    load.more(200);
    let ran = erase(&demo, &["Partner::\"acme-portal\"", "--yes", "--json"]);
    load.more(200);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = json(&ran);
    assert_eq!(
        (&told["erased"], &told["done"], &told["faults"]),
        (&5.into(), &true.into(), &serde_json::json!([]))
    );
    assert_eq!(names(&data, "acme-portal"), 0, "it is not to be opened any more");

    // What comes later is an entry like any other, and goes the next time.
    partner();
    let (reached, broken) = load.end();
    assert_eq!(broken, 0);
    let entries = book::entries(&data);
    let answers = book::answers(&entries);
    assert!(reached.iter().all(|answer| answers[answer.id.as_str()] == [u64::from(answer.status)]));
    assert_eq!(names(&data, "acme-portal"), 1);
    let again = json(&erase(&demo, &["Partner/acme-portal", "--yes", "--json"]));
    assert_eq!((&again["erased"], &again["erased_before"]), (&1.into(), &5.into()));

    let verified = demo.run(&["audit", "verify", "--data", data.to_str().unwrap(), "--json"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let lanes = json(&verified)["lanes"].as_array().unwrap().clone();
    assert_eq!(lanes.iter().map(|lane| lane["erased"].as_u64().unwrap()).sum::<u64>(), 6);
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let report = book::verify(&dir.path().join("data"));
    assert!(report.is_whole(), "{report}");
}

#[test]
fn a_record_is_erased_with_everything_that_named_it_and_others_are_left() {
    let demo = Demo::start();
    let data = demo.data();
    demo.get(&format!("/v1/customers/{CUSTOMER}")).send().expect(200);
    demo.get("/v1/products?limit=1").send().expect(200);
    let before = plain(&data).len();
    let ran = erase(&demo, &[&format!("Customer/{CUSTOMER}"), "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains(": 1 erased, 0 erased before"), "{ran:?}");
    assert!(
        ran.err.contains(&format!("Customer/{CUSTOMER}: what stood beside 1 entry is erased")),
        "{ran:?}"
    );
    assert_eq!(plain(&data).len(), before - 1);
    // An entry says so, and names nobody in clear; so does the tail, line by line.
    let acts = book::entries(&data);
    let act = acts.iter().find(|entry| entry["act"] == "erase").unwrap();
    assert_eq!(act["erased"].as_array().unwrap().len(), 1);
    assert!(acts.iter().all(|entry| !entry.to_string().contains(CUSTOMER)));
    let tail = demo.run(&["audit", "tail", "--data", data.to_str().unwrap(), "-n", "100"]);
    assert_eq!(tail.code, 0, "{tail:?}");
    let erased: Vec<&str> =
        tail.out.lines().filter(|line| line.ends_with("what stood beside it is erased")).collect();
    assert_eq!(erased.len(), 1, "{tail:?}");
    assert!(erased[0].contains("read Customer"), "{tail:?}");
    assert!(tail.out.contains("administrative erase by cli:"), "{tail:?}");
    // So do both in JSON, and of no other entry.
    let tail = demo.run(&["audit", "tail", "--data", data.to_str().unwrap(), "-n", "100", "--json"]);
    let all: Vec<Value> = tail.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let marked: Vec<&Value> = all.iter().filter(|entry| !entry["beside"].is_null()).collect();
    assert_eq!(marked.len(), 1, "{tail:?}");
    assert_eq!((&marked[0]["beside"], &marked[0]["action"]), (&"erased".into(), &"read".into()));
    let auditor = demo.verb(&["token", "issue", "--admin", "auditor", "--role", "audit"]);
    assert_eq!(auditor.code, 0, "{auditor:?}");
    let asks = demo.admin(http::Method::GET, "/api/audit/tail?count=50").by(Who::Nobody);
    let told = asks.with("authorization", format!("Bearer {}", auditor.out.trim())).send().expect(200).json();
    let all = told["entries"].as_array().unwrap();
    let marked: Vec<&Value> = all.iter().filter(|one| !one["beside"].is_null()).collect();
    assert_eq!(marked.len(), 1, "{told}");
    assert_eq!((&marked[0]["beside"], &marked[0]["entry"]["action"]), (&"erased".into(), &"read".into()));

    let twice = erase(&demo, &[&format!("Customer/{CUSTOMER}"), "--yes"]);
    assert_eq!(twice.code, 0, "{twice:?}");
    assert!(twice.err.contains("nothing left to erase"), "{twice:?}");
    assert!(twice.out.contains("0 erased, 1 erased before"), "{twice:?}");
}

#[test]
fn a_record_that_was_refused_is_erased_by_what_statements_read_of_it() {
    let demo = Demo::start();
    let data = demo.data();
    let orders = demo.get("/v1/orders?limit=50").send().expect(200).items();
    let foreign = orders.iter().find(|order| order["customer"] != "20000").unwrap();
    let customer = foreign["customer"].as_str().unwrap();
    let path = format!("/v1/orders/{}", foreign["id"].as_str().unwrap());
    demo.get(&path).by(Who::Partner).send().expect(404);
    let read = |value: &Value| value.to_string().contains(&format!("[\"customer\",\"{customer}\"]"));
    let by_partner = |plain: &&Value| plain["id"] == "acme-portal";
    assert!(plain(&data).iter().filter(by_partner).any(read), "{:?}", plain(&data));
    assert_eq!(erase(&demo, &[&format!("Customer/{customer}"), "--yes"]).code, 0);
    assert!(!plain(&data).iter().any(read));
    // Without its policies nothing tells that a field names it: that is said.
    let at = ["--data", data.to_str().unwrap(), "--policies", "/no/such/folder"];
    let blind = run(&[&["audit", "erase", &format!("Customer/{customer}"), "--dry-run"][..], &at].concat());
    assert!(blind.err.contains("not by fields that statements read"), "{blind:?}");
}

#[test]
fn nothing_is_erased_without_a_word_by_a_look_or_by_a_name_that_nobody_has() {
    let demo = Demo::start();
    let data = demo.data();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let sealed = plain(&data).len();
    let unasked = erase(&demo, &["App/shop-backend"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert!(unasked.err.contains("`--yes`"), "{unasked:?}");
    assert_eq!(erase(&demo, &["shop-backend", "--yes"]).code, 2);
    let acts = || book::entries(&data).iter().filter(|entry| entry["act"] == "journal-read").count();
    let before = acts();
    let look = erase(&demo, &["App/shop-backend", "--dry-run", "--json"]);
    assert_eq!((look.code, &json(&look)["erased"], &json(&look)["done"]), (0, &1.into(), &false.into()));
    assert_eq!(acts(), before + 1, "a look is a reading");
    let old = erase(&demo, &["App/shop-backend", "--before", "2020-01-01", "--yes"]);
    assert_eq!(old.code, 1, "{old:?}");
    assert!(old.err.contains("no entry of before 2020-01-01 00:00:00Z names `App/shop-backend`"), "{old:?}");
    let nobody = erase(&demo, &["Custommer/42", "--yes", "--json"]);
    assert_eq!((nobody.code, &json(&nobody)["erased"]), (1, &0.into()));
    assert!(nobody.err.contains("no entry names `Custommer/42`; did you mean `Customer/…`?"), "{nobody:?}");
    assert_eq!(plain(&data).len(), sealed);
    // What the journal cannot say is not done.
    fs::set_permissions(data.join("bramka.db"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(erase(&demo, &["App/shop-backend", "--yes"]).code, 1);
    assert_eq!(plain(&data).len(), sealed);
}

#[test]
fn an_id_that_data_quality_keeps_goes_with_the_rest_also_where_no_entry_names_it() {
    let demo = Demo::start_with(
        |policies| change(policies, "systems/erp.yaml", "  Product:\n", "  Product:\n    stale: 1ms\n"),
        &[],
    );
    demo.get("/v1/products?limit=2").send().expect(200);
    demo.get("/v1/orders?limit=2").send().expect(200);
    // At its end a gate hands over what it saw.
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let (data, policies) = (dir.path().join("data"), dir.path().join("policies"));
    let at = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
    let quality = || run(&["systems", "quality", "--json", "--data", data.to_str().unwrap()]).out;
    let told: Value = serde_json::from_str(&quality()).unwrap();
    let products = told.as_array().unwrap().iter().find(|one| one["entity"] == "Product").unwrap();
    let flaw = products["flaws"].as_array().unwrap().iter().find(|flaw| flaw["flaw"] == "stale").unwrap();
    let [id, other] = [0, 1].map(|at| flaw["examples"][at].as_str().unwrap());
    let erase = |more: &[&str]| run(&[&["audit", "erase", &format!("Product/{id}")], more, &at].concat());

    let look = erase(&["--dry-run", "--json"]);
    let places = json(&look)["quality"].as_u64().unwrap();
    assert!(look.code == 0 && places >= 1, "{look:?}");
    assert!(quality().contains(id), "a look changes nothing");
    let gone = erase(&["--yes"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    assert!(gone.err.contains(&format!("its id is erased from {places} places of data quality")), "{gone:?}");
    let left = quality();
    assert!(!left.contains(id) && left.contains(other), "{left}");
    let entries = book::entries(&data);
    let act = entries.iter().rfind(|entry| entry["act"] == "erase").unwrap();
    assert!(act.to_string().contains("data quality") && !act.to_string().contains(id), "{act}");
    let again = erase(&["--yes", "--json"]);
    assert_eq!(json(&again)["quality"], 0, "{again:?}");
    // A customer whom orders name, and whom no entry names by an id of its own.
    let customer = run(&[&["audit", "erase", "Customer/20000", "--yes", "--json"][..], &at].concat());
    assert!(json(&customer)["quality"].as_u64() > Some(0), "{customer:?}");
}

#[test]
fn on_a_terminal_it_asks_and_takes_only_yes_for_an_answer() {
    let demo = Demo::start();
    let data = demo.data();
    demo.get("/v1/customers?limit=1").send().expect(200);
    let asked = |answer: &str| {
        let verb = format!(
            "'{}' audit erase App/shop-backend --data '{}' --policies '{}'",
            env!("CARGO_BIN_EXE_bramka"),
            data.display(),
            demo.policies().display()
        );
        let script = format!("printf '{answer}\\n' | script -qec \"{verb}\" /dev/null");
        let ran = Command::new("bash").args(["-c", &script]).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned())
    };
    let sealed = || names(&data, "shop-backend");
    assert_eq!(sealed(), 1);
    let (code, said) = asked("n");
    assert_eq!((code, sealed()), (Some(1), 1), "{said}");
    assert!(said.contains("erase what stands beside 1 entry of App/shop-backend for good? [y/N]"), "{said}");
    let (code, said) = asked("y");
    assert_eq!((code, sealed()), (Some(0), 0), "{said}");
}

#[test]
fn erasing_that_was_killed_is_finished_by_erasing_again() {
    let demo = Demo::start_with(unbounded, &[]);
    let data = demo.data();
    let load = Load::start(&demo, 8);
    load.more(1_500);
    let (_, broken) = load.end();
    assert_eq!(broken, 0);
    let started = names(&data, "shop-backend");
    let mut erasing = Command::new(env!("CARGO_BIN_EXE_bramka"))
        .args(["audit", "erase", "App/shop-backend", "--yes", "--data"])
        .arg(&data)
        .arg("--policies")
        .arg(demo.policies())
        .spawn()
        .unwrap();
    // Made before the first line is blanked.
    let begun = book::gate(&data).join("0/erasing.lock");
    until("it has begun", || begun.exists());
    drop(erasing.kill());
    erasing.wait().unwrap();
    let ran = erase(&demo, &["App/shop-backend", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = json(&ran);
    assert_eq!(told["erased"].as_u64().unwrap() + told["erased_before"].as_u64().unwrap(), started as u64);
    assert_eq!(names(&data, "shop-backend"), 0);
    let report = book::verify(&data);
    assert!(report.is_whole(), "{report}");
}
