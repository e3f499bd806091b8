//! What an exchange leaves in the journal.

use super::*;

fn leaf(bench: &Bench, kind: &str) -> serde_json::Value {
    let line = bench.lines().into_iter().find(|line| line.facts().unwrap().kind == kind).unwrap();
    serde_json::from_str(line.leaf()).unwrap()
}

#[tokio::test]
async fn an_answer_is_in_the_file_when_it_resolves() {
    let bench = Bench::new();
    let journal = bench.open();
    let entry = entry(&journal);
    let request = entry.request();
    let answered = entry.answer(200, Some(12), clock::now()).await.unwrap();
    let lines = bench.lines();
    let line = &lines[usize::try_from(answered.sequence().unwrap()).unwrap()];
    assert_eq!(line.facts().unwrap().request, Some(request.to_string().as_str()));
    let leaf = leaf(&bench, "answer");
    assert_eq!(leaf["status"], 200);
    assert_eq!(leaf["path"], "/v1/orders");
    assert_eq!(leaf["who"]["kind"], "Partner");
    assert_eq!(leaf["who"]["groups"][0], "Partners");
}

#[tokio::test]
async fn no_id_address_or_attribute_value_stands_in_clear_and_the_key_opens_what_is_sealed() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut entry = entry(&journal);
    entry.record(&order(), "order-20000");
    entry.context("resource.customer", "Customer/no-4242");
    entry.answer(200, None, clock::now()).await.unwrap();
    let text = fs::read_to_string(bench.segment()).unwrap();
    // None of them can come about in a digest by chance.
    for secret in
        ["mila", "192.0.2.7", "order-20000", "\"4711", ":4711", "no-4242", "acme", "secret", "\"PL\""]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let lines = bench.lines();
    let line = lines.last().unwrap();
    let facts = line.facts().unwrap();
    let Beside::Sealed(sealed) = line.beside() else { panic!("nothing sealed") };
    let Opened::Plain(plain) = bench.keys.unseal(sealed, facts.salt, facts.sealed.unwrap()) else {
        panic!("closed")
    };
    let plain: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(plain["id"], "mila");
    assert_eq!(plain["address"], "192.0.2.7");
    assert_eq!(plain["attributes"]["region"], "PL");
    assert_eq!(plain["read"][0][1], "Customer/no-4242");
}

#[tokio::test]
async fn hostile_text_reaches_the_file_as_printable_ascii_only() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut entry = entry(&journal);
    let hostile = "\u{1b}[2J\r\n\"\\\u{2028}\u{202e}\u{0}é";
    entry.operation(Action::Call, hostile);
    entry.note("idempotency", hostile);
    entry.context(hostile, hostile);
    entry.system(&SystemName::new(hostile), Some(200), 1, 2, 3);
    entry.decided(&[StatementId::new(hostile)], Detail::BodyDigest);
    entry.answer(200, None, clock::now()).await.unwrap();
    let bytes = fs::read(bench.segment()).unwrap();
    assert!(bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    assert_eq!(leaf(&bench, "answer")["decided"][0], hostile);
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn shown_records_are_told_with_their_fields_and_whose_data_they_are() {
    let bench = Bench::new();
    let journal = bench.open();
    let order = order();
    let mut entry = entry(&journal);
    let told = entry_told(&mut entry);
    let fields: FieldSet = [LeafId(0), LeafId(1), LeafId(2)].into_iter().collect();
    told.shown(&bench.keys, &order, (fields, &[]), "1");
    told.shown(&bench.keys, &order, (fields, &[]), "2");
    told.shown(&bench.keys, &order, (FieldSet::ID, &[]), "3");
    for _ in 0..2 {
        entry.subject("Customer", "42");
    }
    entry.withheld(3, Withheld::Denied);
    entry.answer(200, None, clock::now()).await.unwrap();
    let leaf = leaf(&bench, "answer");
    assert_eq!(leaf["shown"][0]["fields"], serde_json::json!(["id", "customer", "contact"]));
    assert_eq!(leaf["shown"][0]["records"].as_array().unwrap().len(), 2);
    assert_eq!(leaf["shown"][1]["records"][0], bench.keys.digest("Order", "3").to_string());
    assert_eq!(leaf["subjects"], serde_json::json!([bench.keys.digest("Customer", "42").to_string()]));
    assert_eq!(leaf["classes"], serde_json::json!(["personal"]));
    assert_eq!(leaf["withheld_denied"], 3);
}

#[tokio::test]
async fn sets_are_bounded_and_the_rest_is_counted() {
    let bench = Bench::new();
    let journal = bench.open();
    let order = order();
    let mut entry = entry(&journal);
    for n in 0..1_500 {
        entry.record(&order, &n.to_string());
        entry.note("n", n);
        entry.context("c", "x".repeat(300));
        entry.system(&"erp".into(), None, 1, 1, 1);
        entry_told(&mut entry).shown(&bench.keys, &order, (FieldSet::ID, &[]), &n.to_string());
    }
    entry.answer(200, None, clock::now()).await.unwrap();
    let leaf = leaf(&bench, "answer");
    assert_eq!(leaf["records"].as_array().unwrap().len(), 1_000);
    assert_eq!(leaf["records_more"], 500);
    assert_eq!(leaf["shown"][0]["more"], 500);
    assert_eq!(leaf["calls_more"], 1_500 - 64);
}

#[tokio::test]
async fn an_intent_is_synced_before_it_is_acted_on_and_its_answer_is_synced_too() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut entry = entry(&journal);
    let order = order();
    let changed = FieldSet::of(LeafId(1));
    let sequence =
        entry.write_intent(Action::Update, &order, Some("7"), changed, clock::now()).unwrap().await.unwrap();
    assert!(journal.health().lanes[0].synced > sequence);
    let answered = entry.answer(200, None, clock::now()).await.unwrap();
    assert!(journal.health().lanes[0].synced > answered.sequence().unwrap());
    let intent = leaf(&bench, "intent");
    assert_eq!(intent["record"], bench.keys.digest("Order", "7").to_string());
    assert_eq!(intent["changed"], serde_json::json!(["customer"]));
    assert_eq!(intent["request"], leaf(&bench, "answer")["request"]);
}

#[tokio::test]
async fn sensitive_reads_are_synced_where_the_bundle_says_so() {
    let bench = Bench::new();
    let options = JournalOptions {
        sensitive_reads: Durability::Synced,
        head_interval: Duration::from_secs(3600),
        ..bench.options()
    };
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    let plain = answered(&journal).await.unwrap();
    assert!(journal.health().lanes[0].synced <= plain.sequence().unwrap());
    let mut entry = entry(&journal);
    let personal = FieldSet::of(LeafId(2));
    entry_told(&mut entry).shown(&bench.keys, &order(), (personal, &[]), "1");
    let sensitive = entry.answer(200, None, clock::now()).await.unwrap();
    assert!(journal.health().lanes[0].synced > sensitive.sequence().unwrap());
}

#[tokio::test]
async fn a_dropped_entry_is_written_as_abandoned() {
    let bench = Bench::new();
    let journal = bench.open();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _entry = entry(&journal);
        panic!("a handler fails");
    }));
    assert!(panicked.is_err());
    journal.close(clock::now()).await.unwrap();
    assert_eq!(leaf(&bench, "answer")["reason"], "abandoned");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_its_answer_is_written_loses_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    {
        let mut answer = std::pin::pin!(entry(&journal).answer(200, None, clock::now()));
        assert!(futures_util::poll!(answer.as_mut()).is_pending());
    }
    journal.close(clock::now()).await.unwrap();
    assert_eq!(bench.kinds(), ["start", "answer", "stop"]);
    assert_eq!(leaf(&bench, "answer")["status"], 200);
}

#[tokio::test]
async fn a_streams_end_is_an_entry_of_its_own() {
    let bench = Bench::new();
    let journal = bench.open();
    answered(&journal).await.unwrap().close(3, 5, Ended::CallerGone, clock::now());
    journal.close(clock::now()).await.unwrap();
    let close = leaf(&bench, "close");
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"caller-gone".into(), &5.into()));
    assert_eq!(close["request"], leaf(&bench, "answer")["request"]);
}

#[tokio::test]
async fn strangers_are_counted_beyond_their_bound_and_told_at_the_minutes_end() {
    let bench = Bench::new();
    let options = JournalOptions { strangers_per_minute: 2, ..bench.options() };
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    let now = clock::now();
    for _ in 0..5 {
        let mut entry = Entry::open(&journal.lane(0), id(), &channel("198.51.100.9"), now);
        entry.refusal("no-credential");
        entry.answer(401, None, now).await.unwrap();
    }
    refused_at_the_door(&journal.lane(0), &channel("198.51.100.9"), "handshake", None, now);
    refused_at_the_door(&journal.lane(0), &channel("198.51.100.10"), "handshake", None, now);
    journal.tick(Now { mono: now.mono + Duration::from_secs(61), ..now }).unwrap();
    journal.close(clock::now()).await.unwrap();
    assert_eq!(bench.kinds(), ["start", "answer", "answer", "answer", "counted", "stop"]);
    let counted = leaf(&bench, "counted");
    assert_eq!(counted["exchanges"], 4);
    assert_eq!(counted["reasons"], serde_json::json!([["no-credential", 3], ["handshake", 1]]));
}

#[tokio::test]
async fn anonymous_callers_are_refused_within_the_strangers_bound_and_served_on_record() {
    let bench = Bench::new();
    let options = JournalOptions { strangers_per_minute: 2, ..bench.options() };
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    let now = clock::now();
    let anonymous = Arc::new(Facts { kind: Kind::Anonymous, ..Arc::into_inner(facts("")).unwrap() });
    let opened = || {
        let mut entry = Entry::open(&journal.lane(0), id(), &channel("198.51.100.9"), now);
        entry.caller(&anonymous);
        entry
    };
    for _ in 0..9 {
        let mut entry = opened();
        entry.refusal("forbidden");
        entry.answer(403, None, now).await.unwrap();
    }
    for _ in 0..4 {
        opened().answer(200, None, now).await.unwrap();
    }
    // What follows an intent is no refusal among many.
    let mut entry = opened();
    entry.write_intent(Action::Create, &order(), None, FieldSet::ID, now).unwrap().await.unwrap();
    entry.refusal("conflict");
    entry.answer(409, None, now).await.unwrap();
    journal.close(now).await.unwrap();
    let statuses = |wanted: u64| {
        let leaves = bench.lines().into_iter().map(|line| serde_json::from_str(line.leaf()).unwrap());
        leaves.filter(|leaf: &serde_json::Value| leaf["status"] == wanted).count()
    };
    assert_eq!((statuses(403), statuses(200), statuses(409)), (2, 4, 1));
    assert_eq!(leaf(&bench, "counted")["exchanges"], 7);
}

#[tokio::test]
async fn administrative_acts_and_readings_are_entries() {
    let bench = Bench::new();
    let journal = bench.open();
    let sequence = journal.reading("tail", "anna", clock::now()).await.unwrap();
    assert!(journal.health().lanes[0].synced > sequence);
    let leaf = leaf(&bench, "administrative");
    assert_eq!((&leaf["act"], &leaf["by"]), (&"journal-read".into(), &"anna".into()));
}

#[tokio::test]
async fn erased_is_told_from_missing_and_the_tree_stays_whole() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..3 {
        answered(&journal).await.unwrap();
    }
    let head = {
        answered(&journal).await.unwrap();
        journal.administrative("test", "t", &[], clock::now()).await.unwrap();
        journal.close(clock::now()).await.unwrap();
        journal.heads().pop().unwrap()
    };
    let journal = bench.open();
    let mila = Subject::new(&bench.keys, "Partner", "mila");
    let erase = || {
        let erased = erase(&journal, &mila, "anna", &clock::now, &Progress::default()).unwrap();
        assert_eq!(erased.faults, []);
        (erased.erased(), erased.before())
    };
    assert_eq!((erase(), erase()), ((4, 0), (0, 4)));
    journal.close(clock::now()).await.unwrap();
    let report = verify(&bench.gate(), &[bench.keys.public()], Some(head.note()), Some(&bench.keys)).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.lanes[0].erased, report.lanes[0].sealed), (4, 0));
    assert!(matches!(report.against, Some(Against::Grown(_))));
    // The same tombstone without its entry is damage.
    let other = Bench::new();
    let journal = other.open();
    answered(&journal).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    let segment = recover::segments(&other.lane()).unwrap().pop().unwrap();
    let place = blank::for_tests::place(&segment, 1, other.keys.wrapping());
    blank::blank(&other.lane(), &segment, &[place]).unwrap();
    let report = other.verify();
    assert!(report.lanes[0].faults[0].what.contains("no entry says so"), "{report}");
}

#[tokio::test]
async fn a_month_whose_key_was_destroyed_is_told_from_damage() {
    let bench = Bench::new();
    let journal = bench.open();
    let long_ago = clock::now();
    let then = Now { wall: long_ago.wall - SignedDuration::from_hours(24 * 62), ..long_ago };
    entry(&journal).answer(200, None, then).await.unwrap();
    answered(&journal).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    let keys = bench.data.path().join("keys");
    fs::remove_file(keys.join(format!("journal-seal-{}.key", Month::of(then.wall)))).unwrap();
    let report =
        verify(&bench.gate(), &[bench.keys.public()], None, Some(&JournalKeys::open(&keys).unwrap()))
            .unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.lanes[0].opened, report.lanes[0].key_gone), (1, 1));
}

#[tokio::test]
async fn the_last_entries_and_those_that_come_are_read() {
    let bench = Bench::new();
    let options = JournalOptions { segment_bytes_max: 2_000, ..bench.options() };
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    let mut follow = Follow::from_end(&bench.lane(), bench.keys.wrapping()).unwrap();
    for _ in 0..10 {
        answered(&journal).await.unwrap();
    }
    let last: Vec<_> =
        tail(&bench.lane(), 7, bench.keys.wrapping()).unwrap().iter().map(|line| line.sequence).collect();
    assert_eq!(last, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(follow.more(4).unwrap().len(), 4);
    assert_eq!(follow.more(100).unwrap().len(), 6);
    assert_eq!(follow.more(100).unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_followed_is_not_read_again() {
    let bench = Bench::new();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    let mut fresh = Follow::from_end(&bench.lane(), bench.keys.wrapping()).unwrap();
    answered(&journal).await.unwrap();
    assert_eq!(fresh.more(100).unwrap().len(), 1);
    answered(&journal).await.unwrap();
    // Nobody could read what stands before any more.
    let path = bench.segment();
    let mut bytes = fs::read(&path).unwrap();
    let before = usize::try_from(bench.lines()[3].offset).unwrap();
    bytes[..before].fill(b'?');
    fs::write(&path, bytes).unwrap();
    let more: Vec<_> = fresh.more(100).unwrap().iter().map(|line| line.sequence).collect();
    assert_eq!(more, [3]);
    assert!(fresh.more(100).unwrap().is_empty());
}

fn entry_told(entry: &mut Entry) -> &mut told::Told {
    entry.told_for_tests()
}

fn many(journal: Arc<Journal>, tasks: usize, each: usize) -> impl Future<Output = Vec<u64>> {
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut sequences = Vec::new();
                for n in 0..each {
                    let entry = entry(&journal);
                    let sequence = if (task + n) % 7 == 0 {
                        let mut entry = entry;
                        let intent =
                            entry.write_intent(Action::Create, &order(), None, FieldSet::ID, clock::now());
                        sequences.push(intent.unwrap().await.unwrap());
                        entry.answer(201, None, clock::now()).await
                    } else {
                        entry.answer(200, None, clock::now()).await
                    };
                    sequences.push(sequence.unwrap().sequence().unwrap());
                }
                sequences
            })
        })
        .collect();
    async move {
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

fn many_appenders_get_a_place_each(runtime: &tokio::runtime::Runtime) {
    let bench = Bench::new();
    let options = JournalOptions { segment_bytes_max: 100_000, ..bench.options() };
    let journal = Arc::new(Journal::open(options, bench.keys.clone(), clock::now()).unwrap());
    runtime.block_on(async {
        let mut sequences = many(journal.clone(), 32, 40).await;
        sequences.sort_unstable();
        // A segment that begins names the intents that are open.
        let named = |line: &Line| ["start", "open"].contains(&line.facts().unwrap().kind);
        let written = bench.lines();
        let expected: Vec<u64> =
            written.iter().filter(|line| !named(line)).map(|line| line.sequence).collect();
        assert_eq!(sequences, expected);
        assert_eq!(written.len() as u64, written.last().unwrap().sequence + 1);
        journal.close(clock::now()).await.unwrap();
        assert!(matches!(answered(&journal).await, Err(JournalError::Closed)));
    });
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert!(report.lanes[0].segments > 5);
    assert_eq!(report.lanes[0].unsigned, 0);
}

#[test]
fn many_appenders_get_a_place_each_on_one_thread() {
    many_appenders_get_a_place_each(&tokio::runtime::Builder::new_current_thread().build().unwrap());
}

#[test]
fn many_appenders_get_a_place_each_on_many_threads() {
    many_appenders_get_a_place_each(
        &tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap(),
    );
}

#[tokio::test]
async fn heads_of_the_newest_entries_come_without_anyone_asking() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut heads = journal.watch_heads().pop().unwrap();
    let sequence = answered(&journal).await.unwrap().sequence().unwrap();
    let head =
        heads.wait_for(|head| head.as_ref().is_some_and(|head| head.size > sequence)).await.unwrap().clone();
    let head = head.unwrap();
    assert_eq!(SignedHead::parse(head.note(), &[bench.keys.public()]).unwrap(), *head);
    assert_eq!(head.origin, "bramka/main/0");
}
