//! A journal that stands encrypted: what is on the disk, what its verbs tell, and another key, beside a gate that serves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use http::Method;
use serde_json::Value;

use crate::{
    book,
    kit::{Ran, until},
    line::bare,
    stage::Stage,
    writes::change,
};

fn encrypted(settings: &str) -> Stage {
    let line = format!("\naudit:\n  encryption: {settings}\n");
    Stage::open(|policies| change(policies, "gateway.yaml", "\naudit:\n", &line))
}

fn customers(stage: &Stage) {
    stage.ask(bare(Method::GET, "/v1/customers?limit=2", Some(&stage.shop))).expect(200);
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn keys(stage: &Stage) -> Value {
    let ran = stage.only_data(&["audit", "keys", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    json(&ran)
}

/// The key that wraps the next segment.
fn current(stage: &Stage) -> Value {
    let keys = keys(stage);
    let mut current = keys["keys"].as_array().unwrap().iter().filter(|key| key["current"] == true);
    let found = current.next().unwrap_or_else(|| panic!("{keys}")).clone();
    assert!(current.next().is_none(), "{keys}");
    found
}

/// Segments whose bytes hold a text.
fn holding(data: &Path, text: &str) -> Vec<PathBuf> {
    let gate = book::gate(data);
    let lanes = bramka::audit::lanes(&gate).unwrap();
    let files = lanes.iter().flat_map(|lane| fs::read_dir(gate.join(lane)).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let logs = paths.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.filter(|path| memchr::memmem::find(&fs::read(path).unwrap(), text.as_bytes()).is_some()).collect()
}

#[test]
fn an_encrypted_journal_tells_its_verbs_all_and_the_disk_nothing_over_a_kill_and_another_key() {
    let mut stage = encrypted("{ rotate: 30d }");
    customers(&stage);
    stage.ask(bare(Method::GET, "/v1/customers?limit=2", None)).expect(401);
    let data = stage.data();
    let statement = "\"decided\"";
    for text in ["\"seq\"", "/v1/customers", statement, "administrative", "\"at\""] {
        assert_eq!(holding(&data, text), Vec::<PathBuf>::new(), "`{text}` stands in clear");
        assert!(
            book::entries(&data).iter().any(|entry| entry.to_string().contains(text)),
            "`{text}` says nothing"
        );
    }
    let old = current(&stage);
    assert!(old["wraps"].as_u64().unwrap() > 0, "{old}");
    let ran = stage.only_data(&["audit", "rotate-keys", "--destroy-old", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = json(&ran);
    assert_eq!(told["change"]["from"], old["id"]);
    assert_eq!(told["destroyed"], Value::Array(vec![old["id"].clone()]));
    assert!(!Path::new(old["found_in"].as_str().unwrap()).exists());
    let new = current(&stage);
    assert_eq!((&new["id"], keys(&stage)["in_clear"].as_u64()), (&told["change"]["to"], Some(0)));
    customers(&stage);
    stage.kill_and_start();
    customers(&stage);
    let shown = stage.only_data(&["audit", "search", "--principal", "App/corp|shop", "--json"]);
    assert_eq!((shown.code, shown.out.lines().count()), (0, 3), "{shown:?}");
    let acts = stage.only_data(&["audit", "search", "--act", "rotate-key", "--json"]);
    assert!(acts.out.contains("\"by\":\"cli:uid-") && acts.out.contains("\"by\":\"gate\""), "{acts:?}");
    let tail = stage.only_data(&["audit", "tail", "-n", "2", "--json"]);
    assert_eq!((tail.code, tail.out.lines().count()), (0, 2), "{tail:?}");
    assert_eq!(stage.stop(), 0);
    assert_eq!(holding(&data, "\"seq\""), Vec::<PathBuf>::new(), "what verbs write is encrypted too");
    let whole = stage.only_data(&["audit", "verify"]);
    assert!(whole.code == 0 && whole.out.contains("encrypted: "), "{whole:?}");
    // Without its key nothing is opened, believed, or written.
    let file = PathBuf::from(new["found_in"].as_str().unwrap());
    let key = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let id = new["id"].as_str().unwrap();
    let told = stage.only_data(&["audit", "verify"]);
    assert!(told.code == 1 && told.out.contains("NOT whole"), "{told:?}");
    assert!(told.out.contains("could not be opened") && told.out.contains(&format!("{id}.key")), "{told:?}");
    let started = stage.verb(&["serve"]);
    assert!(started.code != 0 && started.err.contains(id), "{started:?}");
    assert_eq!(stage.only_data(&["audit", "keys"]).code, 1);
    fs::write(&file, key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(stage.only_data(&["audit", "verify"]).code, 0);
}

#[test]
fn a_key_that_its_keeper_puts_first_in_the_file_is_taken_while_the_gate_serves() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("journal-keys");
    let put = |keys: &[&str]| {
        let fresh = place.path().join("fresh");
        fs::write(&fresh, keys.join("\n")).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&fresh, &file).unwrap();
    };
    let (one, two) = ("5a".repeat(32), "c3".repeat(32));
    put(&[&one]);
    let mut stage = encrypted(&format!("{{ key_file: {} }}", file.display()));
    customers(&stage);
    let old = current(&stage);
    assert_eq!(old["found_in"], file.to_str().unwrap());
    put(&[&two, &one]);
    until("the new key is taken", || current(&stage)["id"] != old["id"]);
    until("nothing is under the old one", || {
        let keys = keys(&stage);
        let known = keys["keys"].as_array().unwrap();
        known.iter().all(|key| key["current"] == true || key["wraps"] == 0)
    });
    put(&[&two]);
    customers(&stage);
    stage.kill_and_start();
    customers(&stage);
    assert_eq!(stage.stop(), 0);
    assert!(book::verify(&stage.data()).is_whole());
    assert_eq!(holding(&stage.data(), "\"seq\""), Vec::<PathBuf>::new());
    let own = fs::read_dir(stage.data().join("keys/journal/wrapping")).unwrap();
    assert!(own.map(|file| file.unwrap().path()).all(|path| path.extension().is_none_or(|end| end != "key")));
}

#[test]
fn settings_of_encryption_that_cannot_be_meant_are_told_with_their_place() {
    let stage = encrypted("{ rotate: 1h }");
    let line = |text: &str| text.lines().position(|line| line.contains("encryption:")).unwrap() + 1;
    let at = line(&fs::read_to_string(stage.policies().join("gateway.yaml")).unwrap());
    for (settings, column, words) in [
        ("{}", 15, "whose keys it goes by"),
        ("{ rotate: 1m }", 25, "after `1h` or more"),
        ("{ rotate: 1d, key_file: k }", 15, "not both"),
        ("{ key: k }", 17, "unknown key `key`"),
    ] {
        let before = fs::read_to_string(stage.policies().join("gateway.yaml")).unwrap();
        change(
            &stage.policies(),
            "gateway.yaml",
            "encryption: { rotate: 1h }",
            &format!("encryption: {settings}"),
        );
        let told = stage.only_policies(&["policy", "check"]);
        let place = format!("gateway.yaml:{at}:{column}");
        assert!(told.code != 0 && told.out.contains(words), "{told:?}");
        assert!(told.out.contains(&place), "{place}: {told:?}");
        fs::write(stage.policies().join("gateway.yaml"), before).unwrap();
    }
}
