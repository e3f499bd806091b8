//! What goes on beside the requests: an edit while the journal has no room, heads that leave the machine, and
//! systems that must not lead back here.

use std::{fs, net::TcpListener, path::Path};

use http::Method;
use serde_json::Value;

use crate::{
    book,
    journal::{fill, seen_by, small_disk},
    kit::{Answer, run, runtime, until},
    line::{self, Line, bare},
    load::unbounded,
    stage::{Stage, Staging},
};

/// Where operators come in.
pub(crate) fn admin(stage: &Stage) -> String {
    let log = stage.stderr();
    let (_, rest) = log.split_once("admin=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// Where callers come in at the listener so many places after the first.
fn listener(stage: &Stage, place: usize) -> String {
    let log = stage.stderr();
    let (_, rest) = log.split_once("ready data=[").unwrap();
    rest.split(']').next().unwrap().split(", ").nth(place).unwrap().to_owned()
}

pub(crate) fn operator(stage: &Stage, role: &str) -> String {
    let (data, policies) = (stage.data(), policies(stage));
    let named = ["token", "issue", "--admin", role, "--role", role];
    let at = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
    let made = run(&[&named[..], &at].concat());
    assert_eq!(made.code, 0, "{made:?}");
    made.out.trim().to_owned()
}

fn policies(stage: &Stage) -> std::path::PathBuf {
    stage.data().with_file_name("policies")
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn an_edit_that_finds_no_room_in_the_journal_holds_once_there_is_room_and_meanwhile_nobody_is_sent_here() {
    let stage = Stage::open_as(&Staging { under: &small_disk(), log: None }, unbounded);
    let audit = seen_by(&stage).join("audit");
    let at = admin(&stage);
    let ready = || line::once(&at, &stage.ca(), bare(Method::GET, "/readyz", None)).status;
    let lists = || stage.ask(bare(Method::GET, "/v1/customers?limit=1", Some(&stage.shop))).status;
    assert_eq!((ready(), lists()), (200, 200));
    let operate = operator(&stage, "operate");
    let reload = || line::once(&at, &stage.ca(), bare(Method::POST, "/api/reload", Some(&operate))).status;
    let filler = fill(&audit);
    runtime().block_on(async {
        let mut line = Line::open(stage.address(), &stage.ca()).await;
        for path in ["/v1/products?limit=200&fields=id", "/v1/stock-levels/x"] {
            for n in 0.. {
                if line.ask(bare(Method::GET, path, Some(&stage.shop))).await.unwrap().status == 503 {
                    break;
                }
                assert!(n < 40_000, "the disk never filled");
            }
        }
    });
    // Entries of acts are the smallest.
    until("not even an act finds a place", || reload() == 503);
    let swaps = stage.stderr().matches("new policies serve").count();
    assert_eq!(ready(), 503, "nobody is sent here");
    edit(&policies(&stage).join("principals/apps.yaml"), "\n  - {", "\n  # An edit.\n  - {");
    until("the edit is not taken", || {
        stage.stderr().matches("journal did not take the new policies").count() > 1
    });
    let serves = || stage.stderr().matches("new policies serve").count();
    assert_eq!(serves(), swaps);
    fs::remove_file(filler).unwrap();
    until("the edit holds", || serves() == swaps + 1);
    until("callers are sent here again", || (ready(), lists()) == (200, 200));
    let entries = book::entries_in(&audit.join("demo"));
    assert_eq!(entries.iter().filter(|entry| entry["act"] == "swapped").count(), serves());
}

#[test]
fn an_issuer_that_says_nothing_keeps_nobody_else_out_and_operators_are_told() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let stage = Stage::open(|policies| {
        let more = format!(
            "groups: [apps, partners, staff]\n    silent:\n      issuer: {url}\n      audience: bramka\n      \
             kinds: [User]\n      groups: [staff]\n"
        );
        edit(&policies.join("gateway.yaml"), "groups: [apps, partners, staff]\n", &more);
    });
    let log = stage.stderr();
    let (before, _) = log.split_once("ready data=").unwrap();
    assert!(before.contains("not every issuer has told its keys yet"), "{log}");
    stage.ask(bare(Method::GET, "/v1/customers?limit=1", Some(&stage.shop))).expect(200);
    let (at, read) = (admin(&stage), operator(&stage, "read"));
    let ready = || line::once(&at, &stage.ca(), bare(Method::GET, "/readyz", Some(&read))).expect(200).json();
    let told = ready()["issuers"].clone();
    assert_eq!((&told[0]["issuer"], &told[0]["keys"]), (&"corp".into(), &1.into()), "{told}");
    assert_eq!((&told[1]["issuer"], &told[1]["keys"]), (&"silent".into(), &0.into()), "{told}");
    until("it is told why", || ready()["issuers"][1]["last_error"].is_string());
}

#[test]
fn signed_heads_leave_for_the_file_that_is_named_the_last_ones_too() {
    let mut stage = Stage::open(|policies| {
        let file = policies.join("gateway.yaml");
        edit(&file, "\naudit:\n", "\naudit:\n  publish: { file: witness.txt, every: 1s }\n");
    });
    let witness = stage.data().with_file_name("witness.txt");
    let heads = || fs::read_to_string(&witness).unwrap_or_default();
    until("a head has left", || heads().contains("\u{2014} "));
    stage.ask(bare(Method::GET, "/v1/customers?limit=1", Some(&stage.shop))).expect(200);
    assert_eq!(stage.stop(), 0);
    let last = book::gate(&stage.data());
    for lane in bramka::audit::lanes(&last).unwrap() {
        let size = bramka::audit::read_lane(&last.join(&lane), &book::wrapping(&last)).unwrap().count();
        assert!(heads().contains(&format!("\n{size}\n")), "{size} entries: {}", heads());
    }
}

#[test]
fn a_system_that_leads_back_to_a_listener_is_not_called() {
    let stage = Stage::open(|policies| {
        let file = policies.join("gateway.yaml");
        edit(
            &file,
            "\n# Operators and",
            "  - { name: inner, at: '127.0.0.1:0', tls: none }\n\n# Operators and",
        );
    });
    let inner = listener(&stage, 1);
    let crm = policies(&stage).join("systems/crm.yaml");
    let text = fs::read_to_string(&crm).unwrap();
    let base = text.lines().find(|line| line.starts_with("base:")).unwrap();
    let ask = || -> Answer { stage.ask(bare(Method::GET, "/v1/customers?limit=1", Some(&stage.shop))) };
    ask().expect(200);
    edit(&crm, base, &format!("base: \"http://{inner}\""));
    until("the edit holds", || stage.stderr().contains("new policies serve"));
    assert!(ask().status >= 500);
    let entries = book::entries(&stage.data());
    let came_back = |entry: &&Value| entry["listener"] == "inner";
    assert_eq!(entries.iter().find(came_back), None);
}
