//! What a crash, a bit flip or a rewriter leaves, and how it is found.

use super::*;

/// A journal with some answers, closed or as a crash leaves it.
async fn written(answers: usize, end: End) -> Bench {
    written_in(Bench::new(), answers, end).await
}

/// The same, in clear and encrypted.
async fn written_both_ways(answers: usize, end: End) -> [Bench; 2] {
    [written(answers, end).await, written_in(Bench::encrypted(), answers, end).await]
}

async fn written_in(bench: Bench, answers: usize, end: End) -> Bench {
    let journal = bench.open();
    for _ in 0..answers {
        answered(&journal).await.unwrap();
    }
    match end {
        End::Closed => journal.close(clock::now()).await.unwrap(),
        End::Crashed => return bench.crashed(),
    }
    bench
}

#[derive(Clone, Copy)]
enum End {
    Closed,
    Crashed,
}

fn append(path: &Path, bytes: &[u8]) {
    use io::Write;
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_crash_loses_no_answer_and_the_next_start_says_that_it_crashed() {
    for bench in written_both_ways(20, End::Crashed).await {
        let before = bench.lines().len();
        assert_eq!(before, 21);
        let journal = bench.open();
        assert_eq!(bench.lines().len(), before + 1);
        assert!(bench.lines().last().unwrap().leaf().contains("\"before\":\"broken-off\""));
        journal.close(clock::now()).await.unwrap();
        assert!(bench.verify().is_whole());
        let journal = bench.open();
        assert!(bench.lines().last().unwrap().leaf().contains("\"before\":\"closed\""));
        drop(journal);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_leaves_the_journal_whole_and_in_order() {
    let bench = Bench::new();
    let journal = bench.open();
    let now = clock::now();
    for hours in [0, 24 * 40, -24 * 40, 1] {
        let wall = now.wall.checked_add(SignedDuration::from_hours(hours)).unwrap();
        entry(&journal).answer(200, Some(1), Now { wall, ..now }).await.unwrap();
    }
    journal.close(now).await.unwrap();
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    let open: u64 = report.lanes.iter().map(|lane| lane.opened).sum();
    assert_eq!(open, 4, "each is sealed under the key of its own month: {report}");
    drop(bench.open());
}

#[tokio::test]
async fn a_torn_end_is_cut_kept_and_told_wherever_it_is_torn() {
    for (bench, other) in
        written_both_ways(2, End::Closed).await.into_iter().zip(written_both_ways(1, End::Closed).await)
    {
        let bytes = fs::read(other.segment()).unwrap();
        let line = &other.lines()[1];
        let start = usize::try_from(line.offset).unwrap();
        torn_anywhere(&bench, &bytes[start..start + usize::try_from(line.len()).unwrap() - 1]).await;
    }
}

async fn torn_anywhere(bench: &Bench, line: &[u8]) {
    let whole = fs::read(bench.segment()).unwrap();
    for cut in [1, 5, line::HEAD_LEN, line::HEAD_LEN + 1, line.len() / 2, line.len()] {
        let bench = bench.crashed();
        append(&bench.segment(), &line[..cut]);
        assert!(bench.verify().is_whole(), "a torn end above the head is no damage");
        let journal = bench.open();
        let last = bench.lines().pop().unwrap();
        assert!(last.leaf().contains(&format!("\"torn_bytes\":{cut}")), "{}", last.leaf());
        let kept = fs::read_dir(bench.lane()).unwrap().map(|entry| entry.unwrap().path());
        let kept = kept.into_iter().find(|path| path.to_string_lossy().contains("torn-")).unwrap();
        assert_eq!(fs::read(kept).unwrap(), &line[..cut]);
        journal.close(clock::now()).await.unwrap();
        assert!(fs::read(bench.segment()).unwrap().starts_with(&whole));
        assert!(bench.verify().is_whole());
    }
}

#[tokio::test]
async fn a_bad_line_before_whole_ones_is_damage_also_above_the_last_head() {
    let bench = written(2, End::Closed).await;
    let text = fs::read_to_string(bench.segment()).unwrap();
    let line = format!("{}\n", text.lines().nth(2).unwrap());
    append(&bench.segment(), b"torn");
    append(&bench.segment(), b"\n");
    append(&bench.segment(), line.as_bytes());
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })));
    assert!(!bench.verify().is_whole());
}

#[tokio::test]
async fn every_flipped_bit_under_a_head_is_found() {
    for bench in written_both_ways(2, End::Closed).await {
        let path = bench.segment();
        let whole = fs::read(&path).unwrap();
        assert!(bench.verify().is_whole());
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 1 << (at % 8);
            fs::write(&path, &bent).unwrap();
            assert!(!bench.verify().is_whole(), "byte {at}");
            if at % 97 == 0 {
                assert!(bench.try_open().is_err(), "byte {at}");
            }
        }
    }
}

#[tokio::test]
async fn a_rewritten_entry_with_a_right_checksum_is_found_by_the_tree() {
    let bench = written(3, End::Closed).await;
    bench.rewrite(1, "\"status\":200", "\"status\":400");
    let report = bench.verify();
    assert!(
        report.lanes[0].faults.iter().any(|fault| fault.what.contains("not those that were signed")),
        "{report}"
    );
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })));
}

#[tokio::test]
async fn cut_off_entries_and_changed_heads_are_found() {
    let bench = written(3, End::Closed).await;
    let offset = bench.lines()[2].offset;
    let bent = bench.crashed();
    fs::OpenOptions::new().write(true).open(bent.segment()).unwrap().set_len(offset).unwrap();
    assert!(matches!(bent.try_open(), Err(JournalError::Damaged { .. })));
    assert!(!bent.verify().is_whole());
    let bent = bench.crashed();
    let heads = bent.lane().join("heads");
    let text = fs::read_to_string(&heads).unwrap();
    fs::write(&heads, text.replacen("\n5\n", "\n4\n", 1)).unwrap();
    assert!(bent.try_open().is_err());
    assert!(!bent.verify().is_whole());
    let stranger = Bench::new();
    let report = verify(&bench.gate(), &[stranger.keys.public()], None, None).unwrap();
    assert!(!report.is_whole());
}

#[tokio::test]
async fn a_torn_head_is_cut_and_the_lane_goes_on() {
    let bench = written(1, End::Closed).await;
    let heads = bench.lane().join("heads");
    append(&heads, b"bramka/main/0\n99\nAAAA");
    let journal = bench.open();
    journal.close(clock::now()).await.unwrap();
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn a_rollback_of_everything_is_found_against_a_head_that_left() {
    let bench = written(2, End::Closed).await;
    let old = bench.crashed();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    let left = journal.heads().pop().unwrap();
    let keys = [bench.keys.public()];
    let now = verify(&bench.gate(), &keys, Some(left.note()), None).unwrap();
    assert_eq!(now.against, Some(Against::Grown(0)));
    let rolled_back = verify(&old.gate(), &keys, Some(left.note()), None).unwrap();
    assert_eq!(rolled_back.against, Some(Against::Rewritten));
    assert!(!rolled_back.is_whole());
    assert!(verify(&old.gate(), &[Bench::new().keys.public()], Some(left.note()), None).is_err());
}

#[tokio::test]
async fn a_second_process_takes_the_next_lane_and_each_names_the_other() {
    let bench = Bench::new();
    let first = bench.open();
    answered(&first).await.unwrap();
    let second = bench.open();
    assert_eq!((first.lane(0).name(), second.lane(0).name()), ("0", "1"));
    answered(&second).await.unwrap();
    first.close(clock::now()).await.unwrap();
    second.close(clock::now()).await.unwrap();
    drop((first, second));
    let old = bench.crashed();
    for _ in 0..2 {
        let options = JournalOptions { lanes: 2, ..bench.options() };
        let both = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
        both.close(clock::now()).await.unwrap();
    }
    assert_eq!(lanes(&bench.gate()).unwrap(), ["0", "1"]);
    assert!(bench.verify().is_whole());
    // One lane rolled back alone: the other remembers.
    fs::remove_dir_all(bench.gate().join("0")).unwrap();
    copy(&old.gate().join("0"), &bench.gate().join("0"));
    let report = bench.verify();
    assert!(report.faults.iter().any(|fault| fault.what.contains("another history")), "{report}");
    fs::remove_dir_all(bench.gate().join("0")).unwrap();
    assert!(bench.verify().faults.iter().any(|fault| fault.what.contains("which is gone")));
}

#[tokio::test]
async fn many_segments_open_from_the_last_ones_and_heads_stay_few() {
    let bench = Bench::new();
    let options = || JournalOptions {
        segment_bytes_max: 2_000,
        head_interval: Duration::from_millis(1),
        ..bench.options()
    };
    for _ in 0..3 {
        let journal = Journal::open(options(), bench.keys.clone(), clock::now()).unwrap();
        for _ in 0..40 {
            journal.administrative("test", "t", &[], clock::now()).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
    }
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert!(report.lanes[0].segments > 9);
    assert!(report.lanes[0].heads < report.lanes[0].segments + 15, "{report}");
    // The first segment is not read when a later one is vouched for: opening does not grow with the past.
    fs::write(recover::segments(&bench.lane()).unwrap()[0].path.clone(), b"gone").unwrap();
    drop(bench.open());
    assert!(!bench.verify().is_whole());
}

#[tokio::test]
async fn a_segment_that_was_only_begun_is_taken_away() {
    let bench = written(2, End::Closed).await;
    let size = bench.lines().len();
    let begun = bench.lane().join(segment::segment_name(size as u64));
    fs::write(&begun, b"bramka-jour").unwrap();
    assert!(bench.verify().is_whole());
    let journal = bench.open();
    journal.close(clock::now()).await.unwrap();
    assert_eq!(bench.lines().len(), size + 2);
    assert!(bench.verify().is_whole());
}
