//! The end of the process, at once and in full load: no entry is lost of an answer that had reached a caller.

use std::collections::HashSet;

use crate::{
    book,
    kit::Demo,
    load::{Load, is_expected, unbounded},
};

#[test]
fn a_kill_in_full_load_loses_no_entry_whose_answer_had_reached_a_caller() {
    let mut demo = Demo::start_with(unbounded, &[]);
    for round in 0..3 {
        let load = Load::start(&demo, 16);
        load.more(1200);
        let dir = demo.kill();
        let (reached, broken) = load.end();
        assert!(reached.len() >= 1200 && broken == 16, "{} answers, {broken} callers cut off", reached.len());
        assert!(reached.iter().all(|one| is_expected(one.status)));

        let data = dir.path().join("data");
        let entries = book::entries(&data);
        let answers = book::answers(&entries);
        for one in &reached {
            assert_eq!(
                answers.get(one.id.as_str()),
                Some(&vec![one.status.into()]),
                "round {round}: {}",
                one.id
            );
        }
        let ids: HashSet<&str> = reached.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids.len(), reached.len(), "an id came twice");
        assert!(answers.values().all(|statuses| statuses.len() == 1), "an exchange was answered twice");
        // Those of earlier rounds were told at the start of this one.
        let boot = &entries.iter().find(|entry| entry["request"] == *reached[0].id).unwrap()["boot"];
        let unknown = entries
            .iter()
            .filter(|entry| entry["kind"] == "intent" && entry["boot"] == *boot)
            .filter(|entry| !answers.contains_key(entry["request"].as_str().unwrap()))
            .count();

        demo = Demo::start_in(dir, &[]);
        let told = demo.stderr().matches("an intent and no outcome").count();
        assert_eq!(told, unknown, "round {round}: writes of which nobody knows how they ended");
        demo.get("/v1/customers/701000000001").send().expect(200);
        let report = book::verify(&demo.data());
        assert!(report.is_whole(), "{report:#?}");
        let verified = demo.run(&["audit", "verify", "--data", demo.data().to_str().unwrap()]);
        assert_eq!(verified.code, 0, "{verified:?}");
        let after = book::entries(&demo.data());
        let after = book::answers(&after);
        assert!(reached.iter().all(|one| after.contains_key(one.id.as_str())), "the restart lost an entry");
    }
}

#[test]
fn a_stop_in_full_load_answers_everything_that_was_asked() {
    let demo = Demo::start_with(unbounded, &[]);
    let load = Load::start(&demo, 8);
    load.more(300);
    let stderr = demo.stderr();
    let (code, dir) = demo.stop();
    assert_eq!(code, 0, "{stderr}");
    let (reached, _) = load.end();
    let data = dir.path().join("data");
    let entries = book::entries(&data);
    let answers = book::answers(&entries);
    for one in &reached {
        assert_eq!(answers.get(one.id.as_str()), Some(&vec![one.status.into()]));
    }
    let intents: Vec<&str> =
        entries.iter().filter(|e| e["kind"] == "intent").map(|e| e["request"].as_str().unwrap()).collect();
    assert!(intents.iter().all(|id| answers.contains_key(id)), "a write was cut off");
    assert!(book::verify(&data).is_whole());
    let demo = Demo::start_in(dir, &[]);
    assert!(!demo.stderr().contains("no outcome"));
}
