//! Heads kept elsewhere, and heads that leave.

use super::*;

/// A journal with three answers that ended as it should, and the checkpoint that was kept of it.
async fn ended() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..3 {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    let kept = journal.heads().iter().map(|head| head.note().to_owned()).collect();
    (bench, kept)
}

fn held(bench: &Bench, kept: &[String]) -> Report {
    let witness = Witness { left: None, kept };
    verify_with(&bench.gate(), &[bench.keys.public()], witness, (None, bench.keys.wrapping())).unwrap()
}

fn is_found(report: &Report, words: &str) -> bool {
    let mut all = report.faults.iter().chain(report.lanes.iter().flat_map(|lane| &lane.faults));
    !report.is_whole() && all.any(|fault| fault.what.contains(words))
}

#[tokio::test]
async fn a_rewrite_without_its_heads_is_found_against_a_head_that_was_kept() {
    let (bench, kept) = ended().await;
    assert!(held(&bench, &kept).is_whole());
    fs::remove_file(bench.lane().join("heads")).unwrap();
    bench.rewrite(2, "\"status\":200", "\"status\":400");
    assert!(is_found(&held(&bench, &kept), "they were rewritten"), "{}", held(&bench, &kept));
    // What was kept for another gate, or lost its lane here, is told apart.
    let other = kept[0].replace("bramka/main/", "bramka/other/");
    assert!(!is_found(&held(&bench, &[other]), "kept"));
    let lane = kept[0].replace("bramka/main/0", "bramka/main/7");
    assert!(is_found(&held(&bench, &[lane]), "no signature"));
    fs::remove_dir_all(bench.lane()).unwrap();
    assert!(is_found(&held(&bench, &kept), "the lane is gone"));
}

#[tokio::test]
async fn heads_that_are_taken_away_are_found_though_no_entry_changed() {
    let (bench, kept) = ended().await;
    let heads = bench.lane().join("heads");
    let all = fs::read_to_string(&heads).unwrap();
    let (newest, _) = all.trim_end().rsplit_once("\n\nbramka/").unwrap();
    let older = format!("{newest}\n\n");
    for left in ["", &older] {
        fs::write(&heads, left).unwrap();
        // Also to who has only the folder: the session ended as it should.
        let report = bench.verify();
        assert!(is_found(&report, "no head vouches"), "{report}");
        assert!(is_found(&held(&bench, &kept), "they were taken away"));
    }
    fs::write(&heads, &all).unwrap();
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn a_lane_that_a_process_still_has_may_have_a_stop_that_is_not_signed_yet() {
    let (bench, _) = ended().await;
    let heads = bench.lane().join("heads");
    let all = fs::read_to_string(&heads).unwrap();
    fs::write(&heads, "").unwrap();
    let lock = fs::File::open(bench.lane().join(lanes::LOCK)).unwrap();
    lock.lock().unwrap();
    assert!(bench.verify().is_whole());
    drop(lock);
    assert!(!bench.verify().is_whole());
    fs::write(&heads, all).unwrap();
}

#[tokio::test]
async fn rewritten_segments_are_found_whatever_edges_they_say_they_have() {
    let bench = Bench::new();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 3_000, ..options });
    for _ in 0..12 {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    let kept: Vec<String> = journal.heads().iter().map(|head| head.note().to_owned()).collect();
    drop(journal);
    bench.rewrite(1, "\"status\":200", "\"status\":400");
    fs::remove_file(bench.lane().join("heads")).unwrap();
    // Every later segment begins with the edge of the changed tree.
    let (mut edge, mut scratch) = (Edge::default(), Vec::new());
    for segment in recover::segments(&bench.lane()).unwrap() {
        let bytes = fs::read(&segment.path).unwrap();
        let rest = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let fresh = [&line::segment_head("bramka/main/0", &edge, None), &bytes[rest..]].concat();
        fs::write(&segment.path, &fresh).unwrap();
        let (mut lines, _) = line::Lines::open(&segment.path, bench.keys.wrapping()).unwrap();
        let mut line = Line::default();
        while lines.next_into(&mut line).unwrap().unwrap() {
            edge.push(leaf_hash(line.leaf_bytes(), &mut scratch));
        }
    }
    let report = held(&bench, &kept);
    assert!(is_found(&report, "they were rewritten"), "{report}");
    assert_eq!(report.faults.len(), 1, "{report}");
}

#[tokio::test]
async fn a_gate_signs_nothing_anew_that_does_not_bear_out_what_was_kept() {
    let (bench, kept) = ended().await;
    let opened = |bench: &Bench, kept: &[String]| {
        let options = JournalOptions { kept_heads: kept.to_vec(), ..bench.options() };
        Journal::open(options, bench.keys.clone(), clock::now())
    };
    let rewritten = bench.crashed();
    fs::remove_file(rewritten.lane().join("heads")).unwrap();
    rewritten.rewrite(2, "\"status\":200", "\"status\":400");
    assert!(matches!(opened(&rewritten, &kept), Err(JournalError::Damaged { .. })));
    let gone = bench.crashed();
    fs::remove_dir_all(gone.gate()).unwrap();
    assert!(matches!(opened(&gone, &kept), Err(JournalError::Damaged { .. })));
    // A head of a key that is not in use any more says nothing about this journal.
    let other = Bench::new();
    drop(opened(&other, &kept).unwrap());
    // Heads that a power cut took are made again.
    let cut = bench.crashed();
    fs::remove_file(cut.lane().join("heads")).unwrap();
    let journal = opened(&cut, &kept).unwrap();
    journal.close(clock::now()).await.unwrap();
    assert!(held(&cut, &kept).is_whole());
}

#[tokio::test]
async fn a_head_that_found_no_room_here_is_told_to_nobody() {
    let bench = Bench::new();
    let faults = failing::Faults::new();
    let journal = faults.open(&bench);
    answered(&journal).await.unwrap();
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    failing::until(|| journal.heads()[0].size == 3).await;
    // Room for one entry, and none for a head over it.
    let entry = bench.lines().last().unwrap().len();
    faults.leave_room(entry + 60);
    drop(journal.administrative("last", "t", &[], clock::now()).await);
    assert!(matches!(journal.close(clock::now()).await, Err(JournalError::Full)));
    let kept: Vec<String> = journal.heads().iter().map(|head| head.note().to_owned()).collect();
    let report = held(&bench, &kept);
    assert!(report.is_whole(), "{report}");
}

/// Takes heads after it has failed so many times.
#[derive(Default)]
struct Receiver {
    failures: AtomicU64,
    got: parking_lot::Mutex<Vec<u64>>,
}

impl Publish for Receiver {
    fn publish<'a>(
        &'a self,
        head: &'a SignedHead,
    ) -> futures_util::future::BoxFuture<'a, Result<(), PublishError>> {
        let failed =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failed.is_err() {
            self.got.lock().push(head.size);
        }
        let done = failed.map_or(Ok(()), |_| Err(PublishError("away".into())));
        Box::pin(std::future::ready(done))
    }
}

const AT_ONCE: Pace = Pace { every: Duration::ZERO, retry: Duration::from_millis(1) };

#[tokio::test]
async fn a_receiver_that_is_away_is_tried_again_and_holds_up_nobody() {
    let bench = Bench::new();
    let journal = bench.open();
    let receiver = Receiver { failures: AtomicU64::new(3), ..Receiver::default() };
    let failures = AtomicU64::new(0);
    let told = |_: &SignedHead, error: &PublishError| {
        assert!(error.to_string().contains("away"));
        failures.fetch_add(1, Ordering::SeqCst);
    };
    let sending = publish(journal.watch_heads(), &receiver, AT_ONCE, told);
    let writing = async {
        for _ in 0..20 {
            answered(&journal).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
        let last = journal.heads()[0].size;
        failing::until(|| receiver.got.lock().last() == Some(&last)).await;
        drop(journal);
    };
    futures_util::future::join(sending, writing).await;
    assert_eq!(failures.load(Ordering::SeqCst), 3);
    let got = receiver.got.lock();
    assert!(got.is_sorted_by(|one, next| one < next), "{got:?}");
}

#[tokio::test]
async fn heads_that_a_file_gathered_convict_who_rewrites_with_the_key() {
    let bench = Bench::new();
    let witness = bench.data.path().join("witness");
    let file = HeadFile::new(witness.clone());
    for _ in 0..3 {
        let journal = bench.reopen(|options| JournalOptions { lanes: 2, ..options });
        for core in 0..2 {
            let mut entry = Entry::open(&journal.lane(core), id(), &channel("192.0.2.7"), clock::now());
            entry.caller(&facts("mila"));
            entry.answer(200, None, clock::now()).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
        publish_once(&journal.heads(), &file).await.unwrap();
        // A power cut tears the last one; it is left out.
        let text = fs::read_to_string(&witness).unwrap();
        fs::write(&witness, format!("{text}bramka/main/0\n99\nAAA")).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&witness).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let left = fs::read_to_string(&witness).unwrap();
    let against = |bench: &Bench, left: &str| {
        verify(&bench.gate(), &[bench.keys.public()], Some(left), None).unwrap().against
    };
    assert_eq!(against(&bench, &left), Some(Against::Grown(0)));
    drop(bench.open());
    assert!(matches!(against(&bench, &left), Some(Against::Grown(more)) if more >= 1));
    // Another history under the same key, longer than the first.
    let other = Bench {
        data: tempfile::tempdir().unwrap(),
        keys: bench.keys.clone(),
        encryption: Encryption::AsStands,
    };
    let journal = other.reopen(|options| JournalOptions { lanes: 2, ..options });
    for _ in 0..30 {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    publish_once(&journal.heads(), &file).await.unwrap();
    let left = fs::read_to_string(&witness).unwrap();
    assert_eq!(against(&other, &left), Some(Against::Rewritten));
    assert_eq!(against(&bench, &left), Some(Against::Rewritten));
    fs::remove_dir_all(other.gate().join("1")).unwrap();
    fs::remove_file(other.gate().join("0").join("heads")).unwrap();
    let stranger = left.replace("bramka/main/", "bramka/other/");
    assert!(verify(&bench.gate(), &[bench.keys.public()], Some(&stranger), None).is_err(), "not signed so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_that_share_a_file_leave_only_whole_heads_in_it() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    failing::until(|| journal.heads().first().is_some_and(|head| head.size == 2)).await;
    let witness = bench.data.path().join("witness");
    let heads: Vec<_> = std::iter::repeat_n(journal.heads(), 10).flatten().collect();
    let gates = (0..4).map(|_| {
        let (heads, file) = (heads.clone(), HeadFile::new(witness.clone()));
        tokio::spawn(async move { publish_once(&heads, &file).await })
    });
    for gate in futures_util::future::join_all(gates).await {
        gate.unwrap().unwrap();
    }
    let note = format!("{}\n", journal.heads()[0].note());
    assert_eq!(fs::read_to_string(&witness).unwrap(), note.repeat(40));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_a_failure_and_nothing_more() {
    let bench = Bench::new();
    let journal = bench.open();
    let nowhere = HeadFile::new(bench.data.path().join("no/such/folder/heads"));
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    failing::until(|| !journal.heads().is_empty()).await;
    let failed = publish_once(&journal.heads(), &nowhere).await.unwrap_err();
    assert!(failed.to_string().contains("no/such/folder"), "{failed}");
    answered(&journal).await.unwrap();
}

/// Compiles only while publishing can move between threads.
#[expect(dead_code, reason = "the compiler is the test")]
fn publishing_can_move_between_threads(journal: &Journal, to: &dyn Publish) {
    fn is_send<T: Send>(_: T) {}
    is_send(publish(journal.watch_heads(), to, AT_ONCE, |_, _| {}));
}
