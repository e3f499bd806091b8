//! What a gate and the verb put away of a journal under its policies, what they say of it, and what everybody who reads
//! the journal says then.

use std::{fs, path::Path, sync::Arc};

use bramka::{
    audit::{Journal, JournalKeys, JournalOptions},
    clock::{self, Now},
    words::RequestId,
};
use http::Method;
use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    beside::{admin, operator},
    kit::{Ran, until},
    line::{self, bare},
    stage::Stage,
    writes::change,
};

const AGE: &str = "audit:\n  retention: { age: 400d }";

fn rule(policies: &Path, rule: &str) {
    change(policies, "gateway.yaml", "audit:", rule);
}

fn ago(days: i64) -> Now {
    let now = clock::now();
    Now { wall: now.wall.checked_sub(SignedDuration::from_hours(24 * days)).unwrap(), ..now }
}

/// Begins a journal before a gate does, with sessions of long ago: segments of a few acts each.
fn old_journal(policies: &Path) {
    let data = policies.with_file_name("data");
    let keys = Arc::new(JournalKeys::open(&data.join("keys/journal")).unwrap());
    for days in [500, 450] {
        let mut options = JournalOptions::new(data.join("audit"), "demo", RequestId([7; 16]));
        options.segment_bytes_max = 4_000;
        let keys = keys.clone();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let journal = Journal::open(options, keys, ago(days)).unwrap();
            for n in 0..40 {
                let details = [("what", &*format!("act {n} of a session long ago"))];
                journal.administrative("reviewed", "ola", &details, ago(days)).await.unwrap();
            }
            journal.close(ago(days)).await.unwrap();
        });
    }
}

/// A gate that does not run and wrote behind what was there.
fn stopped() -> Stage {
    let mut stage = Stage::open(old_journal);
    assert_eq!(stage.stop(), 0);
    stage
}

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn verified(stage: &Stage) -> Value {
    let ran = stage.only_data(&["audit", "verify", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    told(&ran)
}

/// Entries that were put away, of all lanes, as verification tells it.
fn gone(verified: &Value) -> u64 {
    let lanes = verified["lanes"].as_array().unwrap();
    lanes.iter().filter_map(|lane| lane["put_away"]["entries"].as_u64()).sum()
}

#[test]
fn a_gate_puts_away_what_is_too_old_at_its_start_and_every_report_says_what_is_gone() {
    let mut stage = stopped();
    rule(&stage.policies(), AGE);
    assert_eq!(gone(&verified(&stage)), 0, "verifying puts nothing away");
    let would = stage.verb(&["audit", "retain", "--dry-run", "--json"]);
    assert_eq!(would.code, 0, "{would:?}");
    let would = told(&would);
    assert!(would["entries"].as_u64().unwrap() > 60 && would["done"] == false, "{would}");
    assert_eq!(gone(&verified(&stage)), 0, "neither does looking");
    stage.start();
    until("old entries are put away", || {
        gone(&verified(&stage)) > 0 && stage.stderr().contains("were put away")
    });
    let report = verified(&stage);
    assert_eq!(gone(&report), would["entries"].as_u64().unwrap());
    assert_eq!(report["lanes"][0]["put_away"]["rule"], "age 400d");
    let text = stage.only_data(&["audit", "verify"]).out;
    assert!(text.contains("  put away: the first ") && text.contains("the journal is whole"), "{text}");

    let token = operator(&stage, "read");
    let metrics = line::once(&admin(&stage), &stage.ca(), bare(Method::GET, "/metrics", Some(&token)));
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let value = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("bramka_journal_put_away_entries_total"), gone(&report) as f64);
    assert!(value("bramka_journal_bytes") > 1_000.0);
    assert!(value("bramka_journal_oldest_timestamp_seconds") > ago(470).wall.as_second() as f64);
    assert_eq!((value("bramka_journal_over_bytes"), value("bramka_journal_held_lanes")), (0.0, 0.0));

    let said = stage.only_data(&["audit", "search", "--act", "put-away", "--json"]);
    assert!(said.out.contains("\"by\":\"gate\"") && said.out.contains("\"rule\",\"age 400d\""), "{said:?}");
    assert!(said.err.contains("were put away by the rule `age 400d`"), "{said:?}");
    let recent = stage.only_data(&["audit", "search", "--act", "put-away", "--since", "1d"]);
    assert!(!recent.err.contains("nothing of them can be told"), "{recent:?}");
    let subject = stage.verb(&["audit", "subject", "Customer/42"]);
    assert!(subject.code == 0 && subject.out.contains("nothing of them can be told"), "{subject:?}");
    let subject = told(&stage.verb(&["audit", "subject", "Customer/42", "--json"]));
    assert_eq!(subject["untold"]["put_away"][0]["put_away"]["rule"], "age 400d", "{subject}");
    let later = told(&stage.verb(&["audit", "subject", "Customer/42", "--json", "--since", "1d"]));
    assert_eq!(later["untold"]["put_away"], serde_json::json!([]));
    assert_eq!(later["lanes"][0]["put_away"]["rule"], "age 400d");
    let breach =
        told(&stage.only_data(&["audit", "breach", "--credential", "none", "--since", "1000d", "--json"]));
    assert_eq!(breach["untold"]["put_away"][0]["lane"], "0", "{breach}");
    let policies = stage.policies();
    let replay = stage.verb(&["policy", "replay", "--bundle", policies.to_str().unwrap(), "--json"]);
    assert_eq!(told(&replay)["put_away"][0]["put_away"]["rule"], "age 400d", "{replay:?}");
    assert!(replay.err.contains("nothing of them can be told"), "{replay:?}");
    let explained = stage.verb(&["policy", "explain", "--request-id", &"0".repeat(32)]);
    assert!(explained.code == 1 && explained.err.contains("nothing of them can be told"), "{explained:?}");
    let erased = stage.verb(&["audit", "erase", "App/nobody", "--dry-run"]);
    assert!(erased.err.contains("nothing of them can be told"), "{erased:?}");
    assert_eq!(stage.stop(), 0);
    stage.start();
    verified(&stage);
}

#[test]
fn the_verb_puts_away_beside_a_gate_that_serves() {
    let mut stage = stopped();
    let none = stage.verb(&["audit", "retain"]);
    assert!(none.code == 1 && none.err.contains("says no `audit.retention`"), "{none:?}");
    stage.start();
    rule(&stage.policies(), AGE);
    let done = stage.verb(&["audit", "retain"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.out.contains("lane 0: ")
            && done.out.contains("put away, ")
            && done.out.contains("the journal: "),
        "{done:?}"
    );
    stage.ask(bare(Method::GET, "/v1/products?limit=1", Some(&stage.shop))).expect(200);
    assert!(gone(&verified(&stage)) > 60);
    let again = stage.verb(&["audit", "retain", "--json"]);
    assert_eq!((again.code, told(&again)["entries"].as_u64()), (0, Some(0)), "{again:?}");
    assert_eq!(stage.verb(&["audit", "retain", "--gate", "other"]).code, 2);
}

#[test]
fn what_a_sink_was_not_sent_stays_and_the_verb_says_so() {
    let mut stage = stopped();
    rule(
        &stage.policies(),
        "audit:\n  retention: { age: 400d }\n  sinks: [{ name: siem, format: bramka, file: { path: out } }]",
    );
    // It was never sent anything.
    let held = stage.verb(&["audit", "retain", "--dry-run"]);
    assert!(
        held.code == 1 && held.out.contains("stay, and those after them: the sink `siem` needs entry"),
        "{held:?}"
    );
    let json = told(&stage.verb(&["audit", "retain", "--json"]));
    assert!(json["lanes"][0]["held"]["why"].as_str().unwrap().contains("siem"), "{json}");
    stage.start();
    until("the sink is sent them and they go", || {
        let done = stage.verb(&["audit", "retain", "--json"]);
        done.code == 0 && gone(&verified(&stage)) > 60
    });
}

#[test]
fn a_hash_that_was_changed_is_found_and_the_gate_says_so() {
    let mut stage = stopped();
    rule(&stage.policies(), AGE);
    assert_eq!(stage.verb(&["audit", "retain"]).code, 0);
    let gate = fs::read_dir(stage.data().join("audit")).unwrap().next().unwrap().unwrap().path();
    let hashes = fs::read_dir(gate.join("0")).unwrap().map(|file| file.unwrap().path());
    let hashes = hashes.into_iter().find(|path| path.extension().is_some_and(|end| end == "hashes")).unwrap();
    let whole = fs::read(&hashes).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(&hashes, bent).unwrap();
    let ran = stage.only_data(&["audit", "verify"]);
    assert!(ran.code == 1 && ran.out.contains("NOT whole") && ran.out.contains(".hashes"), "{ran:?}");
    let proof = stage.only_data(&["audit", "prove-entry", "0:3"]);
    assert_eq!(proof.code, 1, "{proof:?}");
    fs::write(&hashes, whole).unwrap();
    let proof = stage.only_data(&["audit", "prove-entry", "0:3"]);
    assert!(
        proof.code == 0 && proof.err.contains("was put away on ") && proof.err.contains("--receipt"),
        "{proof:?}"
    );
    stage.start();
    verified(&stage);
}
