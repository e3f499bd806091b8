//! Another bundle: taken over whole within a second, without a request or a counter lost; a broken one is
//! explained and changes nothing.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bramka::{clock, identity::Revocations, store::Store, tokens::Tokens};
use data_encoding::BASE64URL_NOPAD;
use http::Method;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::{
    book,
    kit::{Answer, Demo, Who, connect, runtime, until},
    line::{Line, bare},
    load::{Load, is_expected, unbounded},
    reads::roomy,
};

/// How soon a good edit must hold.
const SOON: Duration = Duration::from_secs(1);

/// A statement that gives partners what they do not have.
const OPENING: &str = "@id(\"partners-read-customers\")\n@fields(\"id, kind\")\npermit (principal is Partner in Group::\"partners\", \
                       action in [Action::\"list\", Action::\"read\"], resource is Customer);\n";

/// Puts a whole file in the place of another, as editors do.
fn put(file: &Path, text: &str) {
    let fresh = file.with_extension("tmp~");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
}

fn swaps(demo: &Demo) -> usize {
    demo.stderr().matches("new policies serve").count()
}

fn acts(demo: &Demo, act: &str) -> usize {
    book::entries(&demo.data()).iter().filter(|entry| entry["act"] == act).count()
}

#[test]
fn an_edit_of_the_policy_takes_effect_in_under_a_second() {
    let demo = Demo::start_with(roomy, &[]);
    let customers = |status: u16| demo.get("/v1/customers?limit=1").by(Who::Partner).send().status == status;
    assert!(customers(403));
    let file = demo.policies().join("access/opening.cedar");
    for round in 0..3 {
        let began = Instant::now();
        put(&file, OPENING);
        until("the partner sees customers", || customers(200));
        let opened = began.elapsed();
        assert!(opened < SOON, "round {round}: opened after {opened:?}");
        let shown = demo.get("/v1/customers?limit=1").by(Who::Partner).send().expect(200).items()[0].clone();
        assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "kind"]);
        let began = Instant::now();
        fs::remove_file(&file).unwrap();
        until("the partner sees none", || customers(403));
        let closed = began.elapsed();
        assert!(closed < SOON, "round {round}: closed after {closed:?}");
    }
    until("each is told", || swaps(&demo) == 6);
    until("each is written down", || acts(&demo, "swapped") == 6);
}

#[test]
fn a_reload_under_load_loses_no_request() {
    let demo = Demo::start_with(unbounded, &[]);
    let load = Load::start(&demo, 8);
    let file = demo.policies().join("access/opening.cedar");
    for round in 1..=6 {
        load.more(60);
        if round % 2 == 1 {
            put(&file, OPENING)
        } else {
            fs::remove_file(&file).unwrap()
        }
        until("the edit holds", || swaps(&demo) == round);
    }
    load.more(60);
    let (reached, broken) = load.end();
    assert_eq!(broken, 0, "connections broke");
    let odd: Vec<_> = reached.iter().filter(|one| !is_expected(one.status)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let entries = book::entries(&demo.data());
    let answers = book::answers(&entries);
    assert!(reached.iter().all(|one| answers.get(one.id.as_str()) == Some(&vec![one.status.into()])));
    // Both bundles judged some of them, and each by one.
    let bundles: std::collections::BTreeSet<&str> =
        entries.iter().filter_map(|e| e["bundle"].as_str()).collect();
    assert_eq!(bundles.len(), 2);
}

#[test]
fn a_counter_outlives_a_reload_and_a_daily_quota_a_restart_too() {
    let demo = Demo::start_with(
        |policies| {
            roomy(policies);
            let file = policies.join("limits.yaml");
            let text = fs::read_to_string(&file).unwrap();
            let (before, partner) = text.split_once("\n  partner:").unwrap();
            let partner = partner.replace("quota: 100000/day", "quota: 6/day");
            fs::write(&file, format!("{before}\n  partner:{partner}")).unwrap();
        },
        &[],
    );
    let ask = |demo: &Demo| demo.get("/v1/products?limit=1").by(Who::Partner).send();
    for _ in 0..3 {
        ask(&demo).expect(200);
    }
    let before = swaps(&demo);
    put(&demo.policies().join("access/opening.cedar"), OPENING);
    until("the edit holds", || swaps(&demo) == before + 1);
    ask(&demo).expect(200);
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let demo = Demo::start_in(dir, &[]);
    for _ in 0..2 {
        ask(&demo).expect(200);
    }
    let over = ask(&demo).refused(429);
    assert!(over.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(over.json()["detail"].as_str().unwrap().contains("quota"), "{}", over.json());
    demo.get("/v1/products?limit=1").send().expect(200);
}

/// Checks that a broken edit is told with its place and a hint, that nothing changes, and that undoing it is told.
fn breaks(demo: &Demo, file: &str, text: &str, told: &[&str]) {
    let path = demo.policies().join(file);
    let before = fs::read_to_string(&path).ok();
    let (refusals, known) = (demo.stderr().matches("do not load").count(), demo.stderr().len());
    put(&path, text);
    until("the edit is refused", || demo.stderr().matches("do not load").count() > refusals);
    let said = demo.stderr()[known..].to_owned();
    for word in told.iter().copied().chain([file]) {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
    demo.get("/v1/customers?limit=1").send().expect(200);
    demo.get("/v1/customers?limit=1").by(Who::Partner).send().refused(403);
    match before {
        Some(before) => put(&path, &before),
        None => fs::remove_file(&path).unwrap(),
    }
    until("that it is mended is told", || demo.stderr()[known..].contains("load again"));
}

#[test]
fn a_broken_edit_is_explained_and_changes_nothing() {
    let demo = Demo::start_with(roomy, &[]);
    let opening = |from: &str, to: &str| OPENING.replace(from, to);
    breaks(&demo, "access/opening.cedar", &opening("@fields", "@feilds"), &["feilds", "fields"]);
    breaks(&demo, "access/opening.cedar", &opening("id, kind", "id, knid"), &["knid", "did you mean `kind`"]);
    breaks(&demo, "access/opening.cedar", &opening(");", ")"), &["opening.cedar:"]);
    breaks(&demo, "access/opening.cedar", &opening("partners\"", "partnres\""), &["partnres", "partners"]);
    breaks(&demo, "access/opening.cedar", "permit (principal, action, resource);", &["@id"]);
    let gateway = fs::read_to_string(demo.policies().join("gateway.yaml")).unwrap();
    breaks(&demo, "gateway.yaml", &gateway.replace("customers: crm", "customers: crn"), &["crn", "crm"]);
    breaks(&demo, "gateway.yaml", &gateway.replace("issuer:", "isuer:"), &["isuer", "issuer"]);
    let crm = fs::read_to_string(demo.policies().join("systems/crm.yaml")).unwrap();
    breaks(
        &demo,
        "systems/crm.yaml",
        &crm.replace("company: properties", "compnay: properties"),
        &["compnay"],
    );
    // The file of one system cannot send another's credential.
    breaks(&demo, "systems/crm.yaml", &crm.replace("env:HUBSPOT_TOKEN", "env:BC_TOKEN"), &["BC_TOKEN"]);
}

#[test]
fn after_a_broken_edit_the_next_good_one_serves() {
    let demo = Demo::start_with(roomy, &[]);
    let file = demo.policies().join("access/opening.cedar");
    put(&file, "permit (");
    until("the edit is refused", || demo.stderr().contains("do not load"));
    until("that is written down", || acts(&demo, "kept_old") == 1);
    let metric = || metric(&demo, "bramka_reload_failed ");
    let told =
        || demo.admin(Method::GET, "/readyz").send().expect(200).json()["bundle"]["last_refused"].clone();
    assert_eq!(metric(), "1");
    assert!(told()["report"].as_str().unwrap().contains("opening.cedar"), "{}", told());
    put(&file, OPENING);
    until("the next one serves", || demo.get("/v1/customers").by(Who::Partner).send().status == 200);
    until("the metric says so", || metric() == "0" && told().is_null());
    until("both are told", || (swaps(&demo), acts(&demo, "kept_old")) == (1, 1));
}

/// More listeners.
const INNER: &str = "  - { name: inner, at: '127.0.0.1:0', tls: none }\n";
const SIDE: &str = "  - { name: side, at: '127.0.0.1:0', tls: none }\n";

fn with_three_listeners(policies: &Path) {
    roomy(policies);
    let file = policies.join("gateway.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\n# Operators and", &format!("{INNER}{SIDE}\n# Operators and"))).unwrap();
}

#[test]
fn a_listener_that_is_added_renamed_moved_or_gone_waits_for_a_restart_and_says_so() {
    let demo = Demo::start_with(with_three_listeners, &[]);
    let gateway = fs::read_to_string(demo.policies().join("gateway.yaml")).unwrap();
    assert!(gateway.contains(INNER));
    let edit = |from: &str, to: &str| {
        assert!(gateway.contains(from));
        gateway.replace(from, to)
    };
    let line = |text: &str| 1 + gateway[..gateway.find(text).unwrap()].matches('\n').count();
    breaks(
        &demo,
        "gateway.yaml",
        &edit("- name: data", "- name: public"),
        &[
            &format!(
                "gateway.yaml:{}:11: error: the running gate has no listener `public`",
                line("name: data")
            ),
            "the running gate has a listener `data`, which is not named any more",
            "by a restart",
        ],
    );
    let more = format!("{INNER}{}", INNER.replace("inner", "outer"));
    breaks(&demo, "gateway.yaml", &edit(INNER, &more), &["has no listener `outer`", "by a restart"]);
    breaks(&demo, "gateway.yaml", &edit(INNER, ""), &["has a listener `inner`", "by a restart"]);
    let moved = edit(INNER, &INNER.replace("127.0.0.1:0", "127.0.0.1:1"));
    let told = format!("gateway.yaml:{}:24: error: listener `inner` of the running gate is at", line(INNER));
    breaks(&demo, "gateway.yaml", &moved, &[&told, "by a restart"]);
    // In another order they are the same.
    let swaps_before = swaps(&demo);
    let turned = edit(&format!("{INNER}{SIDE}"), &format!("{SIDE}{INNER}"));
    put(&demo.policies().join("gateway.yaml"), &turned.replace("page_default: 50", "page_default: 7"));
    until("what is no listener's is taken over", || swaps(&demo) > swaps_before);
}

/// A metric that has no labels.
fn metric(demo: &Demo, name: &str) -> String {
    let metrics = demo.admin(Method::GET, "/metrics").send().expect(200).body;
    let text = String::from_utf8(metrics.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

#[test]
fn certificates_that_cannot_be_asked_for_keep_the_old_policies_until_they_can() {
    let demo = Demo::start_with(roomy, &[]);
    let file = demo.policies().join("gateway.yaml");
    let gateway = fs::read_to_string(&file).unwrap();
    let mutual = gateway.replace(
        "client_certificates: off",
        "client_certificates: required\n      client_ca: certs/partners.pem\n     ",
    );
    breaks(&demo, "gateway.yaml", &mutual, &["gateway.yaml:15:18", "certs/partners.pem", "SIGHUP"]);
    until("the old one serves", || metric(&demo, "bramka_reload_failed ") == "0");
    put(&file, &mutual);
    until("it does not load", || metric(&demo, "bramka_reload_failed ") == "1");
    let refused = demo.admin(Method::POST, "/api/reload").send().expect(422).json();
    assert!(refused["report"].as_str().unwrap().contains("client_ca: certs/partners.pem"), "{refused}");
    demo.get("/v1/customers?limit=1").send().expect(200);
    let certs = demo.data().join("certs");
    fs::copy(certs.join("ca.pem"), certs.join("partners.pem")).unwrap();
    assert_eq!(demo.admin(Method::POST, "/api/reload").send().expect(200).json()["outcome"], "swapped");
    assert_eq!(metric(&demo, "bramka_reload_failed "), "0");
    let asked = std::panic::catch_unwind(|| demo.get("/v1/customers?limit=1").send().status);
    assert!(asked.is_err(), "nobody comes in without a certificate: {asked:?}");
}

#[test]
fn an_edit_holds_also_while_half_of_a_new_certificate_is_there() {
    let demo = Demo::start_with(roomy, &[]);
    fs::write(demo.data().join("certs/server.key"), "half of it").unwrap();
    put(&demo.policies().join("access/opening.cedar"), OPENING);
    until("the edit holds", || demo.get("/v1/customers").by(Who::Partner).send().status == 200);
    assert!(demo.stderr().contains("certificates stay as they were"));
}

#[test]
fn a_reload_comes_to_its_end_though_its_operator_leaves() {
    let demo = Demo::start_with(roomy, &[]);
    let runtime = runtime();
    let request = format!(
        "POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        demo.token(Who::Admin).unwrap()
    );
    for round in 1..=3 {
        let stream = runtime.block_on(async {
            let mut stream = connect(&demo.admin_address(), demo.env("BRAMKA_CA")).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            stream
        });
        until("it has begun", || acts(&demo, "reload") == round);
        drop(stream);
        until("it is written down", || acts(&demo, "swapped") == round);
        until("all that follows has followed", || swaps(&demo) == round);
        let counted = || metric(&demo, "bramka_reloads_total{reason=\"swapped\"} ");
        until("it is counted", || counted() == round.to_string());
    }
}

/// The `jti` of one of our own tokens.
fn name_of(token: &str) -> String {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_that_is_taken_back_is_worth_nothing_within_a_second() {
    let demo = Demo::start_with(roomy, &[]);
    let token = demo.token(Who::Partner).unwrap();
    let keys = demo.data().join("keys");
    runtime().block_on(async {
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        let ask = || bare(Method::GET, "/v1/products?limit=1", Some(&token));
        assert_eq!(line.ask(ask()).await.unwrap().status, 200);
        // As another process does: `bramka token revoke`.
        let store = Store::open(&demo.data().join("bramka.db")).unwrap();
        let tokens =
            Tokens::open(store, &keys, Arc::new(Revocations::default()), clock::now()).await.unwrap();
        assert!(tokens.revoke(&name_of(&token), clock::now()).await.unwrap());
        let began = Instant::now();
        let refused: Answer = loop {
            let answer = line.ask(ask()).await.unwrap();
            if answer.status != 200 {
                break answer;
            }
            assert!(began.elapsed() < SOON, "it is still good");
        };
        let entry = book::of(&demo.data(), refused.header("x-request-id").unwrap()).pop().unwrap();
        assert_eq!((refused.refused(401).status, entry["refusal"].as_str()), (401, Some("revoked")));
    });
    demo.get("/v1/products?limit=1").send().expect(200);
}
