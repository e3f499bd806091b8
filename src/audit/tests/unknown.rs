//! Intents without an outcome: they are told by the next gate, once, whatever came between.

use super::*;

#[tokio::test]
async fn an_intent_without_an_answer_is_told_as_outcome_unknown_once() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut done = entry(&journal);
    let mut open = entry(&journal);
    let request = open.request();
    for entry in [&mut done, &mut open] {
        entry
            .write_intent(Action::Create, &order(), None, FieldSet::ID, clock::now())
            .unwrap()
            .await
            .unwrap();
    }
    done.answer(201, None, clock::now()).await.unwrap();
    let crashed = bench.crashed();
    let journal = crashed.open();
    let unknown = journal.unknown_outcomes();
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].request, request.to_string());
    let start = crashed.lines().pop().unwrap();
    assert!(start.leaf().contains(&format!("\"outcome_unknown_of\":[\"{request}\"]")));
    let again = crashed.crashed();
    assert!(again.open().unknown_outcomes().is_empty());
    drop(open);
}

/// An exchange whose intent is in the journal.
async fn intended(journal: &Journal, core: usize) -> Entry {
    let mut entry = Entry::open(&journal.lane(core), id(), &channel("192.0.2.7"), clock::now());
    entry.caller(&facts("mila"));
    entry.write_intent(Action::Create, &order(), None, FieldSet::ID, clock::now()).unwrap().await.unwrap();
    entry
}

fn told(journal: &Journal) -> Vec<String> {
    journal.unknown_outcomes().iter().map(|unknown| unknown.request.clone()).collect()
}

/// The lane stands as it is; whoever had the entry never comes back to it.
fn forget(entry: Entry) -> String {
    let request = entry.request().to_string();
    drop(entry);
    request
}

#[tokio::test]
async fn a_clean_stop_forgets_no_intent_whose_answer_found_no_room() {
    let bench = Bench::new();
    let faults = failing::Faults::new();
    let journal = faults.open(&bench);
    let entry = intended(&journal, 0).await;
    let request = entry.request().to_string();
    faults.leave_room(0);
    assert!(matches!(entry.answer(201, None, clock::now()).await, Err(JournalError::Full)));
    faults.leave_room(u64::MAX / 2);
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    assert_eq!(bench.kinds(), ["start", "intent", "stop"]);
    let journal = bench.open();
    assert_eq!(told(&journal), std::slice::from_ref(&request));
    assert!(journal.unknown_outcomes()[0].leaf.contains(&request));
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    assert!(told(&bench.open()).is_empty(), "it was told");
}

#[tokio::test]
async fn what_a_tool_finds_open_it_leaves_to_the_next_gate() {
    let bench = Bench::new();
    let journal = bench.open();
    let request = intended(&journal, 0).await.request().to_string();
    let crashed = bench.crashed();
    for _ in 0..2 {
        let tool = crashed.reopen(|options| JournalOptions { role: Role::Tool, ..options });
        assert_eq!(tool.lane(0).name(), "0");
        tool.close(clock::now()).await.unwrap();
    }
    let gate = crashed.open();
    assert_eq!(told(&gate), std::slice::from_ref(&request));
    assert!(crashed.lines().pop().unwrap().leaf().contains(&request));
    gate.close(clock::now()).await.unwrap();
    drop(gate);
    assert!(told(&crashed.open()).is_empty());
}

#[tokio::test]
async fn a_gate_with_fewer_cores_tells_of_the_lanes_it_does_not_need() {
    let bench = Bench::new();
    let many = bench.reopen(|options| JournalOptions { lanes: 4, ..options });
    let request = intended(&many, 3).await.request().to_string();
    let crashed = bench.crashed();
    let one = crashed.open();
    assert_eq!((told(&one), one.lane(0).name()), (vec![request], "0"));
    assert_eq!(one.unknown_outcomes()[0].lane, "3");
    one.close(clock::now()).await.unwrap();
    drop(one);
    assert!(told(&crashed.open()).is_empty());
    assert!(crashed.verify().is_whole());
    // A lane that another process has is that one's own.
    drop(many.lane(0));
    let second = bench.open();
    assert!(told(&second).is_empty());
    assert_eq!(second.lanes().len(), 1);
}

#[tokio::test]
async fn an_intent_in_a_segment_long_full_is_told_with_its_text() {
    let bench = Bench::new();
    let small = |options| JournalOptions { segment_bytes_max: 3_000, ..options };
    let journal = bench.reopen(small);
    let request = forget(intended(&journal, 0).await);
    for _ in 0..40 {
        answered(&journal).await.unwrap();
    }
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    let segments = recover::segments(&bench.lane()).unwrap().len();
    assert!(segments > 6, "{segments}");
    for _ in 0..2 {
        let tool = bench.crashed().reopen(|options| small(JournalOptions { role: Role::Tool, ..options }));
        assert_eq!(told(&tool), std::slice::from_ref(&request));
    }
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    // A tool fills further segments: the intent goes along.
    let tool = bench.reopen(|options| small(JournalOptions { role: Role::Tool, ..options }));
    for _ in 0..40 {
        answered(&tool).await.unwrap();
    }
    tool.close(clock::now()).await.unwrap();
    drop(tool);
    let gate = bench.reopen(small);
    assert_eq!(told(&gate), std::slice::from_ref(&request));
    let leaf = &gate.unknown_outcomes()[0].leaf;
    assert!(leaf.contains("\"kind\":\"intent\"") && leaf.contains(&request), "{leaf}");
    gate.close(clock::now()).await.unwrap();
    assert!(bench.verify().is_whole(), "{}", bench.verify());
}

#[tokio::test]
async fn an_entry_that_is_abandoned_after_its_intent_settles_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let request = forget(intended(&journal, 0).await);
    let mut reading = entry(&journal);
    reading.refusal("busy");
    drop(reading);
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    assert_eq!(bench.kinds(), ["start", "intent", "answer", "answer", "stop"]);
    assert_eq!(told(&bench.open()), [request]);
}

#[tokio::test]
async fn who_catches_a_panic_answers_the_entry_and_its_outcome_stays_unknown() {
    let bench = Bench::new();
    let journal = bench.open();
    for intends in [false, true] {
        let mut entry = match intends {
            true => intended(&journal, 0).await,
            false => entry(&journal),
        };
        let (request, handle) = (entry.request(), entry.abandoned_handle());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _entry = entry;
            panic!("a handler fails");
        }));
        assert!(panicked.is_err());
        let mut caught = handle.take().unwrap();
        assert_eq!(caught.request(), request);
        caught.refusal("broken");
        let answered = caught.answer(500, None, clock::now()).await.unwrap();
        // It is in the file before the head leaves.
        let line = bench.lines().pop().unwrap();
        assert_eq!(Some(line.sequence), answered.sequence());
        let leaf: serde_json::Value = serde_json::from_str(line.leaf()).unwrap();
        assert_eq!((&leaf["status"], &leaf["refusal"]), (&500.into(), &"broken".into()));
        assert_eq!(leaf["outcome"] == "unknown", intends);
        assert!(handle.take().is_none());
    }
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    assert_eq!(told(&bench.open()).len(), 1);
}

#[tokio::test]
async fn an_abandoned_entry_that_nobody_answers_is_written_once() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut first = entry(&journal);
    let handle = first.abandoned_handle();
    drop(first);
    assert_eq!(bench.kinds().len(), 1);
    // The caller goes away, and with it who would have answered.
    drop(handle);
    let mut second = entry(&journal);
    drop(second.abandoned_handle());
    drop(second);
    let mut third = entry(&journal);
    let handle = third.abandoned_handle();
    third.answer(200, None, clock::now()).await.unwrap();
    assert!(handle.take().is_none());
    journal.close(clock::now()).await.unwrap();
    assert_eq!(bench.kinds(), ["start", "answer", "answer", "answer", "stop"]);
}
