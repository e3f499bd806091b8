//! Accounting: who received which fields of a customer, through which door, what a credential reached, and finding
//! entries; each asked of the journal of a gate that served real calls.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use bramka::audit::JournalKeys;
use http::Method;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, Demo, Ran, Who, copy_all, run, until},
    line::bare,
    stage::Stage,
    writes::change,
};

fn asked(data: &Path, args: &[&str]) -> Ran {
    run(&[args, &["--data", data.to_str().unwrap()]].concat())
}

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn request(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

/// The customer of the partner's orders, as callers see it.
fn customer(demo: &Demo) -> String {
    let order = demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200).items().remove(0);
    order["customer"].as_str().unwrap().to_owned()
}

fn by(report: &Value, id: &str) -> Value {
    let totals = report["totals"].as_array().unwrap();
    totals.iter().find(|total| total["who"]["id"] == id).cloned().unwrap_or_else(|| panic!("{id}: {report}"))
}

fn texts(values: &Value) -> BTreeSet<&str> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

#[test]
fn the_account_of_a_customer_names_each_answer_that_showed_it_by_every_door_and_no_other() {
    let demo = Demo::start_as_shipped();
    let data = demo.data();
    let customer = customer(&demo);
    let subject =
        |more: &[&str]| demo.verb(&[&["audit", "subject", &format!("Customer/{customer}")], more].concat());
    // The partner's answer that told which customer it is.
    assert_eq!(told(&subject(&["--json"]))["disclosures"].as_array().unwrap().len(), 1);

    let read = demo.get(&format!("/v1/customers/{customer}")).send().expect(200);
    let narrow = demo.get(&format!("/v1/customers/{customer}?fields=id,status")).send().expect(200);
    let odata = demo.get(&format!("/odata/customers('{customer}')")).send().expect(200);
    let listed =
        demo.get(&format!("/v1/orders?limit=5&customer={customer}")).by(Who::Partner).send().expect(200);
    assert!(!listed.items().is_empty());
    let whole =
        demo.get(&format!("/v1/orders?limit=1&customer={customer}&include=customer")).send().expect(200);
    assert!(whole.items()[0]["included"]["customer"].to_string().contains(&customer));
    // What showed nothing of it: another customer, products, and a refusal.
    let customers = demo.get("/v1/customers?limit=50").send().expect(200);
    let is_in_list = customers.items().iter().any(|one| one["id"] == *customer);
    let other = customers.items().iter().find(|one| one["id"] != *customer).unwrap()["id"].clone();
    demo.get(&format!("/v1/customers/{}", other.as_str().unwrap())).send().expect(200);
    demo.get("/v1/products?limit=1").send().expect(200);
    demo.get(&format!("/v1/customers/{customer}")).by(Who::Partner).send().expect(403);
    let stored = demo.get(&format!("/v1/customers/{customer}")).send().expect(200);
    let changed = demo
        .ask(Method::PATCH, &format!("/v1/customers/{customer}"))
        .with("if-match", stored.header("etag").unwrap())
        .json(&json!({ "given_name": "Zofia Anna" }))
        .send()
        .expect(200);
    demo.get("/systems/erp/whatever").send();

    let ran = subject(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = told(&ran);
    let disclosures = report["disclosures"].as_array().unwrap();
    let mut expected: BTreeSet<String> =
        [&read, &narrow, &odata, &listed, &whole, &stored, &changed].map(request).into_iter().collect();
    expected.extend(is_in_list.then(|| request(&customers)));
    let mut found: BTreeSet<String> = BTreeSet::new();
    for one in disclosures {
        // A part of another answer is known to its caller by the whole's id.
        let id = one["part_of"].as_str().unwrap_or_else(|| one["request"].as_str().unwrap());
        found.insert(id.to_owned());
    }
    let first = disclosures[0]["request"].as_str().unwrap();
    expected.insert(first.to_owned());
    assert_eq!(found, expected);
    let of = |answer: &Answer| disclosures.iter().find(|one| one["request"] == *request(answer)).unwrap();
    assert_eq!((&of(&read)["door"], &of(&read)["as"]), (&"REST".into(), &"record".into()));
    assert_eq!(of(&odata)["door"], "OData");
    assert_eq!(texts(&of(&narrow)["fields"]), ["id", "status"].into());
    assert_eq!((&of(&listed)["as"], &of(&listed)["others"]), (&"subject".into(), &0.into()));
    assert!(texts(&of(&listed)["fields"]).contains("ship_to.city"));
    let part = disclosures.iter().find(|one| one["part_of"] == *request(&whole)).unwrap();
    assert_eq!((&part["target"], &part["as"]), (&"Customer".into(), &"record".into()));

    let partner = by(&report, "acme-portal");
    assert_eq!((&partner["who"]["partner"], &partner["answers"]), (&"acme".into(), &2.into()));
    assert!(partner["fields"]["Order"]["id"] == 2 && partner["fields"]["Customer"].is_null(), "{partner}");
    let app = by(&report, "shop-backend");
    assert_eq!(app["answers"].as_u64().unwrap() as usize, disclosures.len() - 2);
    assert_eq!(report["changes"][0]["fields"], json!(["given_name"]));
    assert_eq!(report["changes"][0]["who"]["id"], "shop-backend");
    let calls = report["untold"]["calls"].as_array().unwrap();
    assert_eq!(
        (calls.len(), &calls[0]["system"], &calls[0]["serves_entity"]),
        (1, &"erp".into(), &true.into())
    );

    let lanes = report["lanes"].as_array().unwrap();
    let read: u64 = lanes.iter().map(|lane| lane["to"].as_u64().unwrap()).sum();
    assert!(read >= 12 && read <= book::entries(&data).len() as u64);
    let none = subject(&["--json", "--until", "2020-01-01"]);
    assert_eq!((none.code, told(&none)["disclosures"].as_array().unwrap().len()), (0, 0));
    assert!(none.err.contains("no entry names"), "{none:?}");
}

#[test]
fn the_page_for_people_stands_alone_and_is_for_its_owner_only() {
    let demo = Demo::start_as_shipped();
    let customer = customer(&demo);
    let page = demo.data().join("answer.html");
    let ran =
        demo.verb(&["audit", "subject", &format!("Customer/{customer}"), "--html", page.to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.out), (0, ""), "{ran:?}");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("Partner/acme-portal of acme") && html.contains("ship_to.city"), "{html}");
    for outside in ["<script", "http://", "https://", "src=", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    let text = demo.verb(&["audit", "subject", &format!("Customer/{customer}")]);
    assert!(text.out.contains("Partner/acme-portal of acme") && !text.out.contains('\u{1b}'), "{text:?}");
    assert!(text.out.contains("What cannot be told\n  Nothing:"), "{text:?}");
}

#[test]
fn each_of_these_readings_is_an_entry_that_names_nobody_in_clear() {
    let demo = Demo::start_as_shipped();
    let data = demo.data();
    let customer = customer(&demo);
    let record = format!("Customer/{customer}");
    let readings = || -> Vec<String> {
        let acts = book::entries(&data).into_iter().filter(|entry| entry["act"] == "journal-read");
        acts.map(|act| act["details"][0][1].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(readings(), [""; 0]);
    let keys = JournalKeys::existing(&data.join("keys/journal")).unwrap();
    let (of, who) = (keys.digest("Customer", &customer), keys.digest("App", "shop-backend"));
    demo.verb(&["audit", "subject", &record]);
    asked(&data, &["audit", "search", "--record", &record, "--principal", "App/shop-backend"]);
    asked(&data, &["audit", "breach", "--credential", "nobody's"]);
    asked(&data, &["audit", "index"]);
    let mut found = readings();
    found.sort();
    assert_eq!(
        found,
        [
            "all of it, for its index".to_owned(),
            format!("search: principal {who}, record {of}"),
            "what the credential nobody's reached".to_owned(),
            format!("who received what of {of}"),
        ]
    );
    assert!(book::entries(&data).iter().all(|entry| !entry.to_string().contains(&customer)));
    assert!(book::verify(&data).is_whole());
}

#[test]
fn entries_are_found_by_who_by_exchange_by_statement_and_by_outcome() {
    let demo = Demo::start_as_shipped();
    let data = demo.data();
    let customer = customer(&demo);
    let read = demo.get(&format!("/v1/customers/{customer}")).send().expect(200);
    let refused = demo.get(&format!("/v1/customers/{customer}")).by(Who::Partner).send().expect(403);
    let found = |args: &[&str]| {
        let ran = asked(&data, &[&["audit", "search", "--json"], args].concat());
        let ids = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["request"].clone());
        (ran.code, ids.filter_map(|id| id.as_str().map(str::to_owned)).collect::<Vec<_>>())
    };
    assert_eq!(found(&["--principal", "App/shop-backend"]), (0, vec![request(&read)]));
    assert_eq!(found(&["--request", &request(&refused)]), (0, vec![request(&refused)]));
    assert_eq!(found(&["--decision", "refused", "--since", "1d"]), (0, vec![request(&refused)]));
    assert_eq!(found(&["--status", "4xx", "--principal", "Partner/acme"]), (0, vec![request(&refused)]));
    let entry = book::of(&data, &request(&read)).remove(0);
    let statement = entry["decided"][0].as_str().unwrap();
    assert_eq!(found(&["--statement", statement, "--action", "read"]), (0, vec![request(&read)]));
    let (code, of_record) = found(&["--record", &format!("Customer/{customer}")]);
    assert!(code == 0 && of_record.contains(&request(&read)), "{of_record:?}");
    assert_eq!(found(&["--principal", "App/nobody"]), (1, vec![]));
    assert_eq!(found(&["--until", "2020-01-01"]).0, 1);
    let newest = asked(&data, &["audit", "search", "-n", "1", "--principal", "Partner/acme-portal"]);
    assert_eq!(newest.out.lines().count(), 1, "{newest:?}");
    assert!(newest.out.contains(&request(&refused)) && newest.err.contains("the newest 1"), "{newest:?}");
}

#[test]
fn what_comes_is_found_while_the_gate_serves() {
    let demo = Demo::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bramka"))
        .args(["audit", "search", "--decision", "refused", "--follow", "--json", "--data"])
        .arg(demo.data())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = |expected: &Answer| {
        let entry: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(entry["request"], *request(expected));
    };
    for _ in 0..3 {
        // Whether the verb has begun by then or not, it is told, and once.
        demo.get("/v1/products?limit=1").send().expect(200);
        next(&demo.get("/v1/customers?limit=1").by(Who::Partner).send().expect(403));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_credential_reached_is_told_with_subjects_fields_and_counts() {
    let demo = Demo::start_as_shipped();
    let data = demo.data();
    let customer = customer(&demo);
    demo.get(&format!("/v1/customers/{customer}")).send().expect(200);
    let shown = demo.get("/v1/customers?limit=3").send().expect(200).items().len();
    demo.get("/v1/customers/nothing-of-the-sort").send().expect(404);
    demo.get("/systems/erp/whatever").send();
    let entries = book::entries(&data);
    let of_app = entries.iter().find(|entry| entry["who"]["kind"] == "App").unwrap();
    let credential = of_app["credential_id"].as_str().unwrap();
    let ran = asked(&data, &["audit", "breach", "--credential", credential, "--since", "1h", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = told(&ran);
    assert_eq!((&report["who"][0]["id"], &report["answers"]), (&"shop-backend".into(), &4.into()));
    let entities = report["entities"].as_array().unwrap();
    assert_eq!(
        (entities.len(), &entities[0]["entity"], &entities[0]["answers"]),
        (1, &"Customer".into(), &2.into())
    );
    assert_eq!(entities[0]["fields"]["emails.value"], 1 + shown);
    let keys = JournalKeys::existing(&data.join("keys/journal")).unwrap();
    let subjects = report["subjects"].as_array().unwrap();
    assert_eq!(entities[0]["records"].as_u64().unwrap() as usize, subjects.len());
    let digest = keys.digest("Customer", &customer).to_string();
    assert!(subjects.iter().any(|subject| subject["digest"] == *digest), "{report}");
    assert_eq!(report["addresses"], json!({ "127.0.0.1": 4 }));
    assert_eq!(report["untold"]["calls"][0]["system"], "erp");
    assert!(!report.to_string().contains(&customer), "what the journal does not hold is not told");
    let text = asked(&data, &["audit", "breach", "--credential", credential]);
    assert!(text.out.contains("It is of App/shop-backend.") && text.out.contains("emails.value"), "{text:?}");
    let nobody = asked(&data, &["audit", "breach", "--credential", "none", "--since", "7d"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
}

#[test]
fn what_is_asked_wrongly_or_of_a_copy_without_keys_is_said_and_a_copy_stays_as_it_is() {
    let demo = Demo::start_as_shipped();
    let customer = customer(&demo);
    let record = format!("Customer/{customer}");
    for (args, code, why) in [
        (&["audit", "subject", "Customer"][..], 2, "expected Entity/id"),
        (&["audit", "subject", "App/shop-backend"], 2, "audit search --principal App/shop-backend"),
        (&["audit", "subject", "Custommer/42"], 1, "did you mean `Customer`?"),
        (&["audit", "subject", "Customer/42", "--since", "yesterday"], 2, "7d"),
    ] {
        let ran = demo.verb(args);
        assert!(ran.code == code && ran.err.contains(why), "{args:?}: {ran:?}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("data");
    let (_, dir) = demo.stop();
    // A socket cannot be copied.
    fs::remove_file(dir.path().join("data/handover.sock")).unwrap();
    copy_all(&dir.path().join("data"), &copy);
    // As a copy from elsewhere has them: rights that no gate would take.
    fs::set_permissions(copy.join("bramka.db"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_dir_all(copy.join("index")).unwrap();
    let before = book::entries(&copy).len();
    let found = asked(&copy, &["audit", "search", "--record", &record]);
    assert_eq!(found.code, 0, "{found:?}");
    assert!(found.err.contains("not on record") && found.err.contains("made for this once"), "{found:?}");
    assert!(!copy.join("index").exists() && book::entries(&copy).len() == before);
    fs::remove_file(copy.join("keys/journal/journal-digest.key")).unwrap();
    let blind = asked(&copy, &["audit", "search", "--record", &record]);
    assert!(blind.code == 1 && blind.err.contains("the journal's keys are not here"), "{blind:?}");
}

#[test]
fn an_entry_and_the_growth_of_a_lane_are_proved_to_who_has_the_public_key_alone() {
    let demo = Demo::start_as_shipped();
    let data = demo.data();
    let read = demo.get("/v1/products?limit=1").send().expect(200);
    let line = asked(&data, &["audit", "search", "--request", &request(&read)]).out;
    let entry = line.split(' ').nth(1).unwrap().to_owned();
    let lane = entry.split(':').next().unwrap();
    let (mut proof, heads) = (None, book::gate(&data).join(lane).join("heads"));
    // Its head comes within some milliseconds.
    until("the entry is under a head", || {
        let ran = asked(&data, &["audit", "prove-entry", &entry]);
        proof = (ran.code == 0).then_some(ran.out);
        proof.is_some()
    });
    let heads = fs::read_to_string(&heads).unwrap();
    let begins = heads.rfind("\n\nbramka/").map_or(0, |at| at + 2);
    let head = &heads[begins..];
    for _ in 0..20 {
        demo.get("/v1/products?limit=1").send().expect(200);
    }

    let elsewhere = tempfile::tempdir().unwrap();
    let (file, key) = (elsewhere.path().join("proof"), elsewhere.path().join("journal.pub"));
    fs::copy(data.join("keys/journal/journal.pub"), &key).unwrap();
    let checked = |proof: &str, more: &[&str]| {
        fs::write(&file, proof).unwrap();
        let args = ["audit", "check-proof", file.to_str().unwrap(), "--key", key.to_str().unwrap()];
        run(&[&args, more].concat())
    };
    let proof = proof.unwrap();
    let right = checked(&proof, &["--json"]);
    assert_eq!(right.code, 0, "{right:?}");
    assert_eq!(told(&right)["entry"]["request"], *request(&read));
    assert!(
        checked(&proof, &[])
            .err
            .contains(&format!("proved: this is entry {} of", entry.split(':').nth(1).unwrap()))
    );
    let index = proof.lines().find(|line| line.starts_with("index ")).unwrap();
    for (from, to) in [(index, "index 0"), ("extra ", "extra AAAA"), ("c2sp.org", "c2sq.org")] {
        let bent = checked(&proof.replacen(from, to, 1), &[]);
        assert!(
            bent.code == 1 && bent.out.is_empty() && bent.err.contains("proves nothing"),
            "{from}: {bent:?}"
        );
    }

    let grown = asked(&data, &["audit", "prove-consistency", "--from", head]);
    assert_eq!(grown.code, 0, "{grown:?}");
    let right = checked(&grown.out, &["--json"]);
    assert_eq!(right.code, 0, "{right:?}");
    assert!(told(&right)["to"].as_u64() > told(&right)["from"].as_u64(), "{right:?}");
    let hash = grown.out.lines().nth(1).unwrap();
    assert_eq!(checked(&grown.out.replacen(hash, &format!("{}=", "A".repeat(43)), 1), &[]).code, 1);

    // Another gate's key signed nothing of it.
    let other = JournalKeys::open(&elsewhere.path().join("keys")).unwrap();
    fs::write(&key, other.public().verifier("other")).unwrap();
    assert!(checked(&proof, &[]).err.contains("no signature of this key"));
    assert_eq!(asked(&data, &["audit", "prove-entry", "0:999999"]).code, 1);
    assert_eq!(asked(&data, &["audit", "prove-entry", "first"]).code, 2);
}

#[test]
fn a_caller_holds_the_journal_to_its_receipt() {
    let stage = Stage::open(|policies| change(policies, "gateway.yaml", "receipts: false", "receipts: true"));
    let ask = || stage.ask(bare(Method::GET, "/v1/products?limit=1", Some(&stage.shop))).expect(200);
    let (read, other) = (ask(), ask());
    let receipt = |answer: &Answer| answer.header("audit-receipt").unwrap().to_owned();
    assert_eq!(receipt(&read).len(), 43);
    assert_ne!(receipt(&read), receipt(&other));
    let refused = stage.ask(bare(Method::GET, "/v1/products/no", Some(&stage.shop)));
    assert!(refused.status >= 400 && refused.header("audit-receipt").is_some(), "{refused:?}");
    let data = stage.data();
    let line = asked(&data, &["audit", "search", "--request", read.header("x-request-id").unwrap()]).out;
    let entry = line.split(' ').nth(1).unwrap().to_owned();
    let mut proof = None;
    until("the entry is under a head", || {
        let ran = asked(&data, &["audit", "prove-entry", &entry]);
        proof = (ran.code == 0).then_some(ran.out);
        proof.is_some()
    });
    let elsewhere = tempfile::tempdir().unwrap();
    let (file, key) = (elsewhere.path().join("proof"), data.join("keys/journal/journal.pub"));
    fs::write(&file, proof.unwrap()).unwrap();
    let checked = |receipt: &str| {
        let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
        run(&["audit", "check-proof", file, "--key", key, "--receipt", receipt])
    };
    assert_eq!(checked(&receipt(&read)).code, 0);
    let wrong = checked(&receipt(&other));
    assert!(wrong.code == 1 && wrong.err.contains("another entry"), "{wrong:?}");
}

#[test]
fn what_was_decided_on_a_request_is_explained_by_its_id_by_the_bundle_that_decided() {
    let stage = Stage::open(|_| ());
    let refused = stage.ask(bare(Method::GET, "/v1/customers", Some(&stage.portal))).refused(403);
    let read = stage.ask(bare(Method::GET, "/v1/orders?limit=1", Some(&stage.portal))).expect(200);
    let (data, policies) = (stage.data(), stage.policies());
    // What serves by now is another bundle.
    change(&policies, "access/partners.cedar", "@id(\"partners-read-own-orders\")", "@id(\"renamed\")");
    let explain = |id: &str, more: &[&str]| {
        let (data, policies) = (data.to_str().unwrap(), policies.to_str().unwrap());
        let args = ["policy", "explain", "--request-id", id, "--data", data, "--policies", policies];
        run(&[&args, more].concat())
    };
    let why = explain(refused.header("x-request-id").unwrap(), &[]);
    assert_eq!(why.code, 0, "{why:?}");
    for told in [
        "identified: Partner/corp|portal by outside",
        "refused as: forbidden",
        "list Customer: refused",
        "answered: 403",
    ] {
        assert!(why.out.contains(told), "{told}: {}", why.out);
    }
    let why = explain(read.header("x-request-id").unwrap(), &["--json"]);
    let told: Value = serde_json::from_str(&why.out).unwrap();
    assert_eq!((&told[0]["who"], &told[0]["why_not"]), (&json!("Partner/corp|portal"), &Value::Null));
    assert_eq!(told[0]["by_the_bundle_that_decided"], true);
    assert!(told[0]["explanation"].to_string().contains("partners-read-own-orders"), "{told}");
    let nothing = explain("00000000000000000000000000000000", &[]);
    assert!(nothing.code == 1 && nothing.err.contains("no exchange"), "{nothing:?}");
    // The reading is on record.
    assert!(
        book::entries(&data).iter().any(|entry| entry.to_string().contains("explanation of the exchange"))
    );
}
