//! What is erased and what is not; what a power cut leaves of an erasure, and that it is finished.

use super::{blank::for_tests::begun, *};

/// A closed journal in which an entry says that line 1 is erased, and it is not yet.
async fn announced() -> Bench {
    let bench = Bench::new();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    answered(&journal).await.unwrap();
    let mut fields = Vec::new();
    text::text(&mut fields, "act", "erase");
    text::texts(&mut fields, "erased", ["0:1"]);
    journal.append_administrative(&fields, clock::now()).unwrap().await.unwrap();
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    bench
}

fn is_settled(bench: &Bench, erased: u64, what: &str) {
    assert!(lists(bench).is_empty(), "{what}");
    let report = bench.verify();
    assert!(report.is_whole(), "{what}: {report}");
    assert_eq!(report.lanes[0].erased, erased, "{what}");
}

fn lists(bench: &Bench) -> Vec<PathBuf> {
    let all = fs::read_dir(bench.lane()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().contains("erasing-")).collect()
}

fn mila(bench: &Bench) -> Subject {
    Subject::new(&bench.keys, "Partner", "mila")
}

/// Erases; how many entries now, and how many of the subject's before.
fn erased(journal: &Journal, subject: &Subject) -> (u64, u64) {
    let erased = erase(journal, subject, "anna", &clock::now, &Progress::default()).unwrap();
    assert_eq!(erased.faults, []);
    (erased.erased(), erased.before())
}

/// The sequences of entries in the lane whose part was erased.
fn tombstones(bench: &Bench) -> Vec<u64> {
    let lines = bench.lines();
    lines.iter().filter(|line| line.beside() == Beside::Erased).map(|line| line.sequence).collect()
}

/// Who asks in these: nobody whom the test is about.
fn asking(journal: &Journal, who: &str) -> Entry {
    let mut entry = Entry::open(&journal.lane(0), id(), &channel("192.0.2.7"), clock::now());
    entry.caller(&facts(who));
    entry
}

#[tokio::test]
async fn an_entry_is_found_wherever_it_names_somebody() {
    let bench = Bench::new();
    let journal = bench.open();
    let order = order();
    let about = |told: fn(&Bench, &Arc<Entity>, &mut Entry)| {
        let mut entry = asking(&journal, "mila");
        told(&bench, &order, &mut entry);
        entry.answer(200, None, clock::now())
    };
    about(|_, order, entry| entry.record(order, "42")).await.unwrap();
    about(|_, _, entry| entry.subject("Order", "42")).await.unwrap();
    about(|bench, order, entry| {
        entry.told_for_tests().shown(&bench.keys, order, (FieldSet::ID, &[]), "1");
        entry.told_for_tests().shown(&bench.keys, order, (FieldSet::of(LeafId(1)), &[]), "42");
    })
    .await
    .unwrap();
    let mut entry = asking(&journal, "mila");
    entry
        .write_intent(Action::Update, &order, Some("42"), FieldSet::ID, clock::now())
        .unwrap()
        .await
        .unwrap();
    entry.answer(200, None, clock::now()).await.unwrap();
    about(|_, order, entry| entry.record(order, "4")).await.unwrap();
    asking(&journal, "42").answer(200, None, clock::now()).await.unwrap();
    assert_eq!(erased(&journal, &Subject::new(&bench.keys, "Order", "42")), (5, 0));
    assert_eq!(tombstones(&bench), [1, 2, 3, 4, 5]);
    // Who asks, and the organisation it belongs to.
    assert_eq!(erased(&journal, &Subject::new(&bench.keys, "Partner", "42")), (1, 0));
    assert_eq!(erased(&journal, &Subject::new(&bench.keys, "Partner", "acme")), (1, 6));
    journal.close(clock::now()).await.unwrap();
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.lanes[0].erased, report.lanes[0].sealed), (7, 0));
}

#[tokio::test]
async fn a_digest_that_stands_where_nobody_is_named_finds_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let digest = mila(&bench).digest().to_string();
    let mut entry = asking(&journal, "anna");
    // Who learns a digest might have it written wherever their own words stand.
    entry.operation(Action::Call, &digest);
    entry.note("idempotency", &digest);
    entry.refusal("forbidden");
    entry.answer(403, None, clock::now()).await.unwrap();
    assert_eq!(erased(&journal, &mila(&bench)), (0, 0));
}

#[tokio::test]
async fn who_is_named_in_the_sealed_part_alone_is_erased_too_and_who_is_only_alike_is_not() {
    let bench = Bench::new();
    let journal = bench.open();
    let customer: crate::words::FieldPath = "customer".into();
    let judged = async |entity: &str, field: &str, value: &str| {
        let mut entry = asking(&journal, "mila");
        entry.operation(Action::Read, entity);
        entry.context(field, value);
        entry.answer(404, None, clock::now()).await.unwrap();
    };
    judged("Order", "customer", "7").await;
    judged("Order", "new:customer", "7").await;
    judged("Order", "quantity", "7").await;
    judged("Invoice", "customer", "7").await;
    judged("Order", "customer", "77").await;
    let long = "k".repeat(400);
    for id in ["7", &long] {
        let mut carried = Arc::into_inner(facts("anna")).unwrap();
        let attribute = Attribute::Reference("Customer".into(), id.into());
        carried.attributes = [("customer".into(), attribute)].into();
        carried.digest = Digest::of(id.as_bytes());
        let mut entry = Entry::open(&journal.lane(0), super::id(), &channel("192.0.2.7"), clock::now());
        entry.caller(&Arc::new(carried));
        entry.answer(200, None, clock::now()).await.unwrap();
    }
    let subject =
        |id: &str| Subject::new(&bench.keys, "Customer", id).named_in("Order".into(), customer.clone());
    let found = find_erasable(&bench.gate(), &bench.keys, &subject("7"), &Progress::default()).unwrap();
    assert_eq!((found.erased(), tombstones(&bench)), (3, vec![]), "looking changes nothing");
    assert_eq!(erased(&journal, &subject("7")), (3, 0));
    assert_eq!(tombstones(&bench), [1, 2, 6]);
    assert_eq!(erased(&journal, &subject(&long)), (1, 0), "an id that is cut where it is written");
    assert!(!format!("{:?}", subject("7")).contains("\"7\""));
}

#[tokio::test]
async fn only_entries_of_before_the_moment_are_erased() {
    let bench = Bench::new();
    let journal = bench.open();
    // Entries tell it to the microsecond.
    let now = clock::now();
    let now = Now { wall: jiff::Timestamp::from_second(now.wall.as_second()).unwrap(), ..now };
    for hours in [-48, -24, 0] {
        let wall = now.wall.checked_add(SignedDuration::from_hours(hours)).unwrap();
        asking(&journal, "mila").answer(200, None, Now { wall, ..now }).await.unwrap();
    }
    let yesterday = now.wall.checked_sub(SignedDuration::from_hours(24)).unwrap();
    assert_eq!(erased(&journal, &mila(&bench).before(yesterday)), (1, 0));
    assert_eq!(tombstones(&bench), [1]);
}

#[tokio::test]
async fn what_is_appended_by_its_gate_stands_whole_around_what_is_erased_in_the_same_segment() {
    let bench = Bench::new();
    let gate = bench.open();
    let tool = bench.reopen(|options| JournalOptions { role: Role::Tool, ..options });
    for round in 1..=3 {
        for _ in 0..700 {
            asking(&gate, "mila").answer(200, None, clock::now()).await.unwrap();
            asking(&gate, "anna").answer(200, None, clock::now()).await.unwrap();
        }
        let before = (round - 1) * 700;
        assert_eq!(erased(&tool, &mila(&bench)), (700, before));
    }
    for journal in [gate, tool] {
        journal.close(clock::now()).await.unwrap();
    }
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!(
        (report.lanes[0].erased, report.lanes[0].sealed, report.lanes[0].opened),
        (2_100, 2_100, 2_100)
    );
}

#[tokio::test]
async fn entries_without_number_are_erased_and_named_piece_by_piece() {
    let bench = Bench::new();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 1_800_000, ..options });
    for _ in 0..2_500 {
        answered(&journal).await.unwrap();
    }
    assert!(recover::segments(&bench.lane()).unwrap().len() > 1);
    let progress = Progress::default();
    let done = erase(&journal, &mila(&bench), "anna", &clock::now, &progress).unwrap();
    assert_eq!((done.erased(), progress.erased.load(Ordering::Relaxed)), (2_500, 2_500));
    let lines = bench.lines();
    let named: Vec<usize> = lines.iter().map(|line| line.facts().unwrap().erased.len()).collect();
    assert_eq!((named.iter().sum::<usize>(), named.iter().max()), (2_500, Some(&1_000)));
    journal.close(clock::now()).await.unwrap();
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn a_reader_that_read_ahead_is_not_misled_by_what_is_blanked_meanwhile() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..1_000 {
        answered(&journal).await.unwrap();
    }
    assert!(fs::metadata(bench.segment()).unwrap().len() > 2 * 256 * 1024, "more than is read at once");
    let mut lines = read_lane(&bench.lane(), bench.keys.wrapping()).unwrap();
    assert!(lines.next().unwrap().is_ok());
    assert_eq!(erased(&journal, &mila(&bench)).0, 1_000);
    let kinds: Vec<bool> = lines.map(|line| line.unwrap().beside() == Beside::Erased).collect();
    assert!(kinds.contains(&false) && kinds.contains(&true));
}

#[tokio::test]
async fn a_damaged_lane_is_told_and_all_that_can_be_read_is_erased() {
    let bench = Bench::new();
    let first = bench.reopen(|options| JournalOptions { segment_bytes_max: 2_000, ..options });
    let second = bench.open();
    for journal in [&first, &second] {
        for _ in 0..10 {
            answered(journal).await.unwrap();
        }
    }
    let all = recover::segments(&bench.lane()).unwrap();
    assert!(all.len() > 3);
    let here = |segment: &recover::SegmentFile| {
        fs::read_to_string(&segment.path).unwrap().lines().count() as u64 - 1
    };
    let lost = here(&all[1]);
    // Its first line; and the lengths of one elsewhere, which reach beyond the end.
    let bend = |segment: &recover::SegmentFile, to: &str| {
        let mut bytes = fs::read(&segment.path).unwrap();
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        fs::write(&segment.path, bytes).unwrap();
    };
    bend(&all[1], "zz");
    bend(&recover::segments(&bench.gate().join("1")).unwrap()[0], "03ffff");
    let done = erase(&second, &mila(&bench), "anna", &clock::now, &Progress::default()).unwrap();
    assert_eq!(done.faults.len(), 2, "{:?}", done.faults);
    assert_eq!((&*done.faults[0].place, &*done.faults[1].place), ("lane 0", "lane 1"));
    assert_eq!((done.lanes[0].erased, done.lanes[1].erased), (10 - lost, 0));
}

#[tokio::test]
async fn nothing_is_erased_that_the_journal_does_not_take() {
    let bench = Bench::new();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    let refused = erase(&journal, &mila(&bench), "anna", &clock::now, &Progress::default());
    assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    assert_eq!(tombstones(&bench), Vec::<u64>::new());
}

#[tokio::test]
async fn a_list_of_somebody_who_is_at_it_is_not_taken_for_one_that_a_crash_left() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1, bench.keys.wrapping());
    let (list, listed) = &begun.list;
    let held = fs::File::create(bench.lane().join("erasing.lock")).unwrap();
    held.lock().unwrap();
    // It is being written: not whole yet.
    fs::write(list, &listed[..listed.len() - 3]).unwrap();
    let lane = bench.lane();
    let finishing = std::thread::spawn(move || blank::finish(&lane));
    fs::write(list, listed).unwrap();
    assert!(!finishing.is_finished());
    drop(held);
    finishing.join().unwrap().unwrap();
    is_settled(&bench, 1, "finished");
}

#[tokio::test]
async fn a_list_torn_at_any_byte_erases_nothing_and_the_lane_opens() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1, bench.keys.wrapping());
    let (list, bytes) = &begun.list;
    for cut in 0..bytes.len() {
        fs::write(list, &bytes[..cut]).unwrap();
        blank::finish(&bench.lane()).unwrap();
        is_settled(&bench, 0, &format!("cut at {cut}"));
    }
    fs::write(list, [bytes.as_slice(), b"more"].concat()).unwrap();
    drop(bench.open());
    is_settled(&bench, 0, "with something behind it");
}

#[tokio::test]
async fn a_line_torn_at_any_byte_is_blanked_when_the_lane_is_opened() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1, bench.keys.wrapping());
    let (list, listed) = &begun.list;
    let path = bench.segment();
    let whole = fs::read(&path).unwrap();
    let end = begun.offset + begun.blanked.len();
    // A disk writes some of a line's parts and not the others, from either end.
    for cut in 0..=begun.blanked.len() {
        for from_start in [true, false] {
            let mut torn = whole.clone();
            let at = begun.offset + cut;
            match from_start {
                true => torn[begun.offset..at].copy_from_slice(&begun.blanked[..cut]),
                false => torn[at..end].copy_from_slice(&begun.blanked[cut..]),
            }
            fs::write(&path, &torn).unwrap();
            fs::write(list, listed).unwrap();
            blank::finish(&bench.lane()).unwrap();
            assert_eq!(fs::read(&path).unwrap()[begun.offset..end], begun.blanked, "{cut}");
        }
    }
    is_settled(&bench, 1, "at the end");
    let torn = [&whole[..end - 9], &begun.blanked[begun.blanked.len() - 9..], &whole[end..]].concat();
    fs::write(&path, torn).unwrap();
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })), "without its list it is damage");
    fs::write(list, listed).unwrap();
    drop(bench.open());
    is_settled(&bench, 1, "opened");
}

#[tokio::test]
async fn erasing_again_finishes_what_was_left_undone_in_lanes_of_others_too() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1, bench.keys.wrapping());
    let (list, listed) = &begun.list;
    fs::write(list, listed).unwrap();
    let gate = bench.open();
    assert!(lists(&bench).is_empty());
    fs::write(list, listed).unwrap();
    let tool = bench.open();
    assert_eq!(erased(&tool, &mila(&bench)), (1, 1));
    for journal in [gate, tool] {
        journal.close(clock::now()).await.unwrap();
    }
    is_settled(&bench, 2, "erased again");
}

#[test]
fn a_list_that_names_no_such_line_overwrites_nothing() {
    let bench = Bench::new();
    drop(bench.open());
    let path = bench.segment();
    let whole = fs::read(&path).unwrap();
    let listed = "0\n3 10 10\n";
    let list = bench.lane().join("erasing-0000000000000000");
    fs::write(&list, format!("{listed}{:08x}\n", crc32fast::hash(listed.as_bytes()))).unwrap();
    assert!(blank::finish(&bench.lane()).is_err());
    assert_eq!(fs::read(&path).unwrap(), whole);
}
