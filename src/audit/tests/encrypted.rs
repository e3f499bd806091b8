//! Segments that stand encrypted: what is on the disk, what a crash leaves, what is found, and whose keys open it.

use super::*;
use crate::audit::wrapping::WrappingKeys;

/// Bytes of each segment of a lane, oldest first.
fn files(lane: &Path) -> Vec<Vec<u8>> {
    recover::segments(lane).unwrap().iter().map(|segment| fs::read(&segment.path).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// What somebody has who starts with the files alone.
fn anew(bench: &Bench) -> Bench {
    let copy = bench.crashed();
    let keys = JournalKeys::open(&copy.data.path().join("keys")).unwrap();
    Bench { keys: Arc::new(keys), ..copy }
}

/// The folder of wrapping keys.
fn wrapping(bench: &Bench) -> PathBuf {
    bench.data.path().join("keys/wrapping")
}

fn current(bench: &Bench) -> KeyId {
    bench.keys.wrapping().known().unwrap().iter().find(|key| key.current).unwrap().id
}

/// Where a line stands in the file of the lane's only segment.
fn stands(line: &Line) -> std::ops::Range<usize> {
    let start = usize::try_from(line.offset).unwrap();
    start..start + usize::try_from(line.len()).unwrap()
}

async fn closed(bench: &Bench, answers: usize) {
    let journal = bench.open();
    for _ in 0..answers {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
}

#[tokio::test]
async fn nothing_of_an_entry_stands_in_clear_and_whoever_has_the_key_reads_all() {
    let (clear, bench) = (Bench::new(), Bench::encrypted());
    closed(&clear, 3).await;
    closed(&bench, 3).await;
    let who = bench.keys.digest("Partner", "mila").to_string();
    let words = ["\"seq\"", "mila", "answer", "Order", "/v1/orders", "salt", "s20", "boot"];
    let here = |bench: &Bench, word: &str| files(&bench.lane()).iter().any(|file| holds(file, word));
    for word in words {
        assert!(!here(&bench, word), "`{word}` stands in the file");
        assert!(here(&clear, word) || word == "mila", "`{word}` says nothing");
    }
    assert!(!here(&bench, &who) && bench.lines()[1].leaf().contains(&who));
    assert_eq!(bench.kinds(), clear.kinds());
    assert_eq!(bench.kinds(), anew(&bench).kinds());
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.lanes[0].opened, report.lanes[0].encrypted, report.lanes[0].unopened), (3, 1, 0));
}

#[tokio::test]
async fn proofs_and_receipts_are_of_the_entries_in_clear() {
    let bench = Bench::encrypted();
    closed(&bench, 3).await;
    let (public, wrapping) = (bench.keys.public(), bench.keys.wrapping());
    let proved = prove_entry(&bench.gate(), "0", 1, &public, wrapping).unwrap();
    let Proved::Entry { leaf, .. } = check_proof(&proved.text, &public, None).unwrap() else {
        panic!("{proved:?}")
    };
    assert_eq!(leaf.as_deref(), Some(bench.lines()[1].leaf()));
    let head = newest_head(&bench.gate(), "main", "0", &public).unwrap();
    assert!(prove_consistency(&bench.gate(), head.note(), &public, wrapping).is_ok());
}

#[tokio::test]
async fn a_line_that_takes_the_place_of_a_torn_one_has_another_nonce() {
    let bench = Bench::encrypted();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    let torn = bench.crashed();
    let line = bench.lines().pop().unwrap();
    let nonce = |bytes: &[u8], line: &Line| {
        let start = usize::try_from(line.offset).unwrap() + line::HEAD_LEN;
        bytes[start..start + 12].to_vec()
    };
    let before = nonce(&fs::read(torn.segment()).unwrap(), &line);
    fs::remove_file(torn.lane().join("heads")).unwrap();
    fs::OpenOptions::new().write(true).open(torn.segment()).unwrap().set_len(line.offset + 200).unwrap();
    let again = torn.open();
    let other = torn.lines().pop().unwrap();
    assert_eq!((other.sequence, torn.kinds().len()), (line.sequence, 2));
    assert_ne!(nonce(&fs::read(torn.segment()).unwrap(), &other), before);
    again.close(clock::now()).await.unwrap();
    assert!(torn.verify().is_whole(), "{}", torn.verify());
}

#[tokio::test]
async fn no_nonce_comes_twice_over_lines_that_found_no_room_and_over_openings() {
    let bench = Bench::encrypted();
    let faults = failing::Faults::new();
    for _ in 0..3 {
        let journal = faults.open(&bench);
        for room in [100, 1_500, 3_000] {
            faults.leave_room(room);
            drop(futures_util::future::join_all((0..6).map(|_| answered(&journal))).await);
            faults.leave_room(u64::MAX / 2);
            answered(&journal).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
    }
    let bytes = fs::read(bench.segment()).unwrap();
    let mut by_opening: std::collections::BTreeMap<[u8; 8], Vec<u32>> = Default::default();
    for line in bench.lines() {
        let start = stands(&line).start + line::HEAD_LEN;
        let (prefix, count) = bytes[start..start + 12].split_first_chunk().unwrap();
        by_opening.entry(*prefix).or_default().push(u32::from_be_bytes(count.try_into().unwrap()));
    }
    assert_eq!(by_opening.len(), 3, "each opening draws bytes of its own");
    for counts in by_opening.values() {
        assert!(counts.is_sorted_by(|one, next| one < next), "{counts:?}");
        assert!(counts.iter().all(|count| count % 2 == 0), "the odd ones are of what stands beside");
        // A line that was cut has left its number to nobody.
        assert!(counts.windows(2).any(|pair| pair[1] - pair[0] > 2), "{counts:?}");
    }
    assert!(bench.verify().is_whole(), "{}", bench.verify());
}

#[tokio::test]
async fn a_line_in_the_place_of_another_does_not_open() {
    let bench = Bench::encrypted();
    closed(&bench, 4).await;
    let lines = bench.lines();
    let (one, other) = (&lines[1], &lines[2]);
    let bytes = fs::read(bench.segment()).unwrap();
    let (a, b) = (stands(one), stands(other));
    let swapped = [&bytes[..a.start], &bytes[b.clone()], &bytes[a], &bytes[b.end..]].concat();
    fs::write(bench.segment(), swapped).unwrap();
    let report = bench.verify();
    assert!(report.lanes[0].faults.iter().any(|fault| fault.what.contains("does not open")), "{report}");
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })));
    // The last one, above every head, is damage too, and is not cut away.
    let bench = Bench::encrypted();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    let crashed = bench.crashed();
    fs::remove_file(crashed.lane().join("heads")).unwrap();
    let mut bytes = fs::read(crashed.segment()).unwrap();
    let last = crashed.lines().pop().unwrap();
    let at = stands(&last);
    bytes[at.start + line::HEAD_LEN + 40] ^= 1;
    let (leaf, beside) = last.stored();
    line::finish(&mut bytes[at], leaf, beside).unwrap();
    fs::write(crashed.segment(), &bytes).unwrap();
    assert!(!crashed.verify().is_whole());
    assert!(matches!(crashed.try_open(), Err(JournalError::Damaged { .. })));
    assert_eq!(fs::read(crashed.segment()).unwrap(), bytes);
}

#[tokio::test]
async fn a_segments_key_is_bound_to_its_lane_and_place() {
    let bench = Bench::encrypted();
    let options = JournalOptions { lanes: 2, ..bench.options() };
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    journal.close(clock::now()).await.unwrap();
    let path = |lane: &str| recover::segments(&bench.gate().join(lane)).unwrap()[0].path.clone();
    let words = |lane: &str| {
        let head = line::SegmentHead::line_of(&path(lane)).unwrap();
        head.split(' ').skip(3).take(2).collect::<Vec<_>>().join(" ")
    };
    let (own, other) = (words("0"), words("1"));
    let bytes = fs::read(path("0")).unwrap();
    let at = memchr::memmem::find(&bytes, own.as_bytes()).unwrap();
    let swapped = [&bytes[..at], other.as_bytes(), &bytes[at + own.len()..]].concat();
    fs::write(path("0"), swapped).unwrap();
    let report = bench.verify();
    assert!(
        !report.is_whole() && report.to_string().contains("does not open under the wrapping key"),
        "{report}"
    );
}

#[tokio::test]
async fn without_the_key_nothing_is_opened_and_the_error_names_it_and_where_it_was_looked_for() {
    let bench = Bench::encrypted();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 3_000, ..options });
    for _ in 0..8 {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    let id = current(&bench);
    let file = wrapping(&bench).join(format!("{id}.key"));
    let key = fs::read(&file).unwrap();
    // Away, and another one under its name.
    let stranger = Bench::encrypted();
    let other = fs::read(wrapping(&stranger).join(format!("{}.key", current(&stranger)))).unwrap();
    for left in [None, Some(other)] {
        match &left {
            None => fs::remove_file(&file).unwrap(),
            Some(other) => fs::write(&file, other).unwrap(),
        }
        let locked = anew(&bench);
        let names =
            |told: &str| told.contains(&id.to_string()) && told.contains(&format!("wrapping/{id}.key"));
        let report = locked.verify();
        assert!(!report.is_whole());
        let lane = &report.lanes[0];
        assert_eq!((lane.entries, lane.unopened), (10, 10), "{report}");
        assert!(lane.faults.iter().all(|fault| names(&fault.what)), "{report}");
        assert_eq!((lane.faults.len(), lane.heads), (lane.segments, bench.verify().lanes[0].heads));
        assert!(names(&locked.try_open().unwrap_err().to_string()));
        let read: Result<Vec<_>, _> = read_lane(&locked.lane(), locked.keys.wrapping()).unwrap().collect();
        assert!(names(&read.unwrap_err().to_string()));
        assert!(tail(&locked.lane(), 1, locked.keys.wrapping()).is_err());
        assert!(Follow::from(&locked.lane(), 0, locked.keys.wrapping()).more(1).is_err());
        let index = locked.data.path().join("index");
        let index = Index::open(&locked.gate(), &index, &locked.keys, &IndexProgress::default()).unwrap();
        assert!(names(&index.faults()[0].what), "{:?}", index.faults());
        let erased = find_erasable(
            &locked.gate(),
            &locked.keys,
            &Subject::new(&locked.keys, "Partner", "mila"),
            &Progress::default(),
        );
        assert!(names(&erased.unwrap().faults[0].what));
        // Somebody who was given the key elsewhere reads it.
        let given = locked.data.path().join("given");
        fs::write(&given, &key).unwrap();
        chmod(&given, 0o600);
        let keys = WrappingKeys::with(&locked.data.path().join("keys"), Some(given));
        assert_eq!(read_lane(&locked.lane(), &keys).unwrap().filter(Result::is_ok).count(), 10);
    }
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_lane_may_hold_segments_in_clear_and_encrypted_and_is_read_as_one() {
    let mut bench = Bench::new();
    for encryption in [Encryption::Off, Encryption::Own(None), Encryption::Off, Encryption::Own(None)] {
        bench.encryption = encryption;
        closed(&bench, 2).await;
    }
    let encrypted: Vec<bool> = files(&bench.lane()).iter().map(|file| !holds(file, "\"seq\"")).collect();
    assert_eq!(encrypted, [false, true, false, true]);
    let lines = bench.lines();
    assert!(lines.iter().zip(0..).all(|(line, sequence)| line.sequence == sequence));
    assert_eq!(
        lines.iter().filter(|line| line.leaf().contains("rotate-key")).count(),
        3,
        "each change is told"
    );
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.lanes[0].segments, report.lanes[0].encrypted), (4, 2));
    let index = bench.data.path().join("index");
    let query = Query { principal: Some(bench.keys.digest("Partner", "mila")), ..Query::default() };
    let progress = IndexProgress::default();
    let found = asked((&bench.gate(), &index), &bench.keys, &progress, |index| index.newest(&query, 100));
    assert_eq!(found.unwrap().hits.len(), 8);
    // Where the last key is away, what stands in clear is judged all the same.
    fs::remove_file(wrapping(&bench).join(format!("{}.key", current(&bench)))).unwrap();
    let report = anew(&bench).verify();
    let lane = &report.lanes[0];
    assert_eq!((lane.faults.len(), lane.entries), (1, lines.len() as u64), "{report}");
    assert!(lane.unopened > 0 && lane.unopened < lane.entries, "{report}");
}

#[tokio::test]
async fn the_index_of_an_encrypted_segment_is_sealed_and_finds_what_it_should() {
    for (bench, shows) in [(Bench::new(), true), (Bench::encrypted(), false)] {
        closed(&bench, 5).await;
        let folder = bench.data.path().join("index");
        let who = bench.keys.digest("Partner", "mila");
        let query = Query { principal: Some(who), ..Query::default() };
        let ask = |bench: &Bench| {
            let progress = IndexProgress::default();
            let ask = |index: &Index<'_>| Ok((index.newest(&query, 100)?.hits.len(), index.made()));
            asked((&bench.gate(), &folder), &bench.keys, &progress, ask).unwrap()
        };
        assert_eq!(ask(&bench), (5, 7));
        assert_eq!(ask(&anew(&bench)), (5, 0), "it fits and is not made again");
        let lane = folder.join("main/0");
        let file = fs::read_dir(lane).unwrap().next().unwrap().unwrap().path();
        let bytes = fs::read(&file).unwrap();
        let word = &who.0[..8];
        assert_eq!(memchr::memmem::find(&bytes, word).is_some(), shows, "the word of who asked");
        let statement = terms::of_text(terms::Sort::Mark, terms::REFUSED).to_be_bytes();
        assert!(shows || memchr::memmem::find(&bytes, &statement).is_none());
        // One that was changed is made again.
        for at in [0, bytes.len() / 2, bytes.len() - 60] {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            fs::write(&file, bent).unwrap();
            assert_eq!(ask(&bench), (5, 7), "byte {at}");
        }
    }
}

#[tokio::test]
async fn another_wrapping_key_takes_all_segments_and_the_old_one_can_be_destroyed() {
    let bench = Bench::encrypted();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 3_000, ..options });
    for _ in 0..6 {
        answered(&journal).await.unwrap();
    }
    let (old, before) = (current(&bench), files(&bench.lane()));
    let refused = journal.destroy_wrapping(old, "ola", clock::now()).await.unwrap_err();
    assert!(refused.to_string().contains("still wraps the keys of"), "{refused}");
    let change = journal.begin_wrapping("ola", clock::now()).await.unwrap().unwrap();
    assert_eq!(change.from, Some(old));
    let done = journal.rewrap().await.unwrap();
    assert!(done.segments >= before.len() as u64 && done.faults.is_empty(), "{done:?}");
    for (now, before) in files(&bench.lane()).iter().zip(&before) {
        assert!(now.starts_with(before), "a segment was written to");
    }
    answered(&journal).await.unwrap();
    let wrapped = wraps(&bench.data.path().join("audit")).unwrap();
    assert_eq!(wrapped.by.keys().copied().collect::<Vec<_>>(), [current(&bench)]);
    journal.destroy_wrapping(old, "ola", clock::now()).await.unwrap();
    assert!(!wrapping(&bench).join(format!("{old}.key")).exists());
    for _ in 0..6 {
        answered(&journal).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    let bench = anew(&bench);
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    let leaves: Vec<String> = bench.lines().iter().map(|line| line.leaf().to_owned()).collect();
    for act in [
        format!(
            "\"act\":\"rotate-key\",\"by\":\"ola\",\"details\":[[\"from\",\"{old}\"],[\"to\",\"{}\"]]",
            current(&bench)
        ),
        format!("\"act\":\"destroy-key\",\"by\":\"ola\",\"details\":[[\"key\",\"{old}\"]]"),
    ] {
        assert_eq!(leaves.iter().filter(|leaf| leaf.contains(&act)).count(), 1, "{act}");
    }
    closed(&bench, 1).await;
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn a_gate_goes_on_under_the_key_that_another_process_began() {
    let bench = Bench::encrypted();
    let gate = bench.reopen(|options| JournalOptions { segment_bytes_max: 3_000, ..options });
    answered(&gate).await.unwrap();
    let tool = {
        let keys = JournalKeys::open(&bench.data.path().join("keys")).unwrap();
        Journal::open(JournalOptions { role: Role::Tool, ..bench.options() }, keys.into(), clock::now())
            .unwrap()
    };
    let old = tool.begin_wrapping("ola", clock::now()).await.unwrap().unwrap().from.unwrap();
    tool.rewrap().await.unwrap();
    for _ in 0..6 {
        answered(&gate).await.unwrap();
    }
    assert!(!wraps(&bench.data.path().join("audit")).unwrap().by.contains_key(&old));
    tool.destroy_wrapping(old, "ola", clock::now()).await.unwrap();
    gate.close(clock::now()).await.unwrap();
    tool.close(clock::now()).await.unwrap();
    assert!(anew(&bench).verify().is_whole());
}

#[tokio::test]
async fn a_segment_that_is_begun_while_another_key_is_does_not_stay_under_the_old_one() {
    let bench = Bench::encrypted();
    closed(&bench, 1).await;
    let keys = bench.keys.wrapping();
    let old = keys.current().unwrap().unwrap();
    let begun = sealed::Begun::new(&old, "bramka/main/7", 0).unwrap();
    let lane = bench.gate().join("7");
    fs::create_dir(&lane).unwrap();
    let segment = lane.join(segment::segment_name(0));
    // Between the look for the current key and the segment's first line somebody begins another one.
    let (to, _) = keys.next().unwrap().unwrap();
    keys.change(Some(to), None, clock::now().wall).unwrap();
    rotate::rewrap(&bench.data.path().join("audit"), keys).unwrap();
    fs::write(&segment, line::segment_head("bramka/main/7", &Edge::default(), Some(&begun.wrapped))).unwrap();
    assert!(wraps(&bench.data.path().join("audit")).unwrap().by.contains_key(&old.id()));
    begun.look_again(keys, &segment).unwrap();
    let wrapped = wraps(&bench.data.path().join("audit")).unwrap();
    assert_eq!(wrapped.by.into_iter().collect::<Vec<_>>(), [(to, 2)]);
}

#[tokio::test]
async fn a_wrapped_key_that_a_lost_segment_left_says_nothing_of_the_next_one() {
    let bench = Bench::encrypted();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    journal.begin_wrapping("ola", clock::now()).await.unwrap();
    journal.rewrap().await.unwrap();
    let left = bench.segment().with_extension("key");
    let crashed = bench.crashed();
    // A power cut took the segment, which was never synced, and left the file beside it.
    fs::remove_file(crashed.segment()).unwrap();
    fs::remove_file(crashed.lane().join("heads")).unwrap();
    assert!(crashed.lane().join(left.file_name().unwrap()).exists());
    closed(&crashed, 2).await;
    assert!(anew(&crashed).verify().is_whole(), "{}", anew(&crashed).verify());
}

#[tokio::test]
async fn a_key_is_followed_by_another_one_when_it_is_old_enough_and_not_before() {
    let mut bench = Bench::new();
    bench.encryption = Encryption::Own(Some(Duration::from_secs(3_600)));
    let journal = bench.open();
    let now = clock::now();
    let at = |hours: i64| Now {
        wall: now.wall.checked_add(SignedDuration::from_mins(hours * 60 + 1)).unwrap(),
        ..now
    };
    let first = current(&bench);
    // What an earlier start may have left is looked after once.
    assert_eq!(journal.keep_wrapped(now).await.unwrap(), Some((None, Rewrapped::default())));
    assert_eq!(journal.keep_wrapped(at(0)).await.unwrap(), None);
    let (change, done) = journal.keep_wrapped(at(1)).await.unwrap().unwrap();
    assert_eq!((change.unwrap().from, done.segments), (Some(first), 1));
    assert_eq!(journal.keep_wrapped(at(1)).await.unwrap(), None);
    assert!(journal.keep_wrapped(at(2)).await.unwrap().is_some());
    assert_eq!(bench.keys.wrapping().known().unwrap().len(), 3);
    // A clock that is set back begins none.
    assert_eq!(journal.keep_wrapped(now).await.unwrap(), None);
    journal.close(now).await.unwrap();
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn a_change_by_a_start_that_failed_is_told_by_the_next_one() {
    let mut bench = Bench::new();
    closed(&bench, 1).await;
    let heads = bench.lane().join("heads");
    let kept = fs::read(&heads).unwrap();
    fs::write(&heads, "damaged\n\n\u{2014} x AAAA\n\n").unwrap();
    bench.encryption = Encryption::Own(None);
    assert!(bench.try_open().is_err());
    fs::write(&heads, kept).unwrap();
    for _ in 0..2 {
        closed(&bench, 1).await;
    }
    let told = bench.lines().iter().filter(|line| line.leaf().contains("[\"from\",\"none\"]")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn keys_of_a_file_are_taken_as_its_keeper_puts_them() {
    let mut bench = Bench::new();
    let file = bench.data.path().join("mounted");
    let (one, two) = ("11".repeat(32), "22".repeat(32));
    let put = |keys: &[&str]| {
        fs::write(&file, keys.join("\n")).unwrap();
        chmod(&file, 0o600);
    };
    bench.encryption = Encryption::File(file.clone());
    assert!(bench.try_open().unwrap_err().to_string().contains("mounted"));
    for bad in ["", "11", "zz"] {
        put(&[bad]);
        assert!(matches!(bench.try_open(), Err(JournalError::Key { .. })), "{bad:?}");
    }
    put(&[&one]);
    chmod(&file, 0o640);
    assert!(bench.try_open().unwrap_err().to_string().contains("others may read it"));
    put(&[&one]);
    let journal = bench.open();
    answered(&journal).await.unwrap();
    drop(journal.keep_wrapped(clock::now()).await.unwrap());
    assert_eq!(journal.keep_wrapped(clock::now()).await.unwrap(), None);
    put(&[&two, &one]);
    let (change, done) = journal.keep_wrapped(clock::now()).await.unwrap().unwrap();
    assert!(change.is_some() && done.segments == 1, "{done:?}");
    put(&[&two]);
    assert_eq!(journal.keep_wrapped(clock::now()).await.unwrap(), None);
    journal.close(clock::now()).await.unwrap();
    assert!(anew(&bench).verify().is_whole());
    assert!(!wrapping(&bench).join(format!("{}.key", current(&bench))).exists(), "it stays with its keeper");
    // Whoever writes beside the gate goes by the same, though it knows no settings.
    bench.encryption = Encryption::AsStands;
    closed(&bench, 1).await;
    assert!(files(&bench.lane()).iter().all(|bytes| !holds(bytes, "\"seq\"")));
    // Back to keys of its own: what is under the file's key is still found there, until it is wrapped anew.
    bench.encryption = Encryption::Own(None);
    let bench = Bench { encryption: bench.encryption.clone(), ..anew(&bench) };
    let journal = bench.open();
    journal.keep_wrapped(clock::now()).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    fs::remove_file(&file).unwrap();
    assert!(anew(&bench).verify().is_whole());
}

#[tokio::test]
async fn what_is_erased_of_an_encrypted_line_is_gone_from_the_file_and_told_from_missing() {
    let bench = Bench::encrypted();
    let journal = bench.open();
    for _ in 0..3 {
        answered(&journal).await.unwrap();
    }
    let before = bench.lines();
    let subject = Subject::new(&bench.keys, "Partner", "mila");
    let done = erase(&journal, &subject, "anna", &clock::now, &Progress::default()).unwrap();
    assert_eq!((done.erased(), done.faults.len()), (3, 0));
    journal.close(clock::now()).await.unwrap();
    let bytes = fs::read(bench.segment()).unwrap();
    for (line, before) in bench.lines().iter().zip(&before).skip(1) {
        assert_eq!((line.leaf(), line.beside()), (before.leaf(), Beside::Erased));
        let end = stands(line).end - 1;
        let beside = before.stored().1;
        assert!(beside > 100 && bytes[end - beside..end].iter().all(|byte| *byte == b'x'));
    }
    let report = anew(&bench).verify();
    assert!(report.is_whole() && report.lanes[0].erased == 3, "{report}");
    // A tombstone that no entry tells of is damage here too.
    let other = Bench::encrypted();
    closed(&other, 1).await;
    let segment = recover::segments(&other.lane()).unwrap().pop().unwrap();
    let place = blank::for_tests::place(&segment, 1, other.keys.wrapping());
    blank::blank(&other.lane(), &segment, &[place]).unwrap();
    let report = other.verify();
    assert!(report.lanes[0].faults[0].what.contains("no entry says so"), "{report}");
}

#[tokio::test]
async fn wrapping_keys_are_their_owners_alone_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::encrypted();
    closed(&bench, 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&wrapping(&bench)), 0o700);
    let file = wrapping(&bench).join(format!("{}.key", current(&bench)));
    assert_eq!(mode(&file), 0o600);
    let key = fs::read_to_string(&file).unwrap();
    let shown = format!("{:?} {:?} {:?}", bench.keys, bench.keys.wrapping(), bench.keys.wrapping().known());
    assert!(!shown.contains(key.trim()));
    assert!(fs::read(bench.segment()).unwrap().windows(64).all(|window| window != key.trim().as_bytes()));
    chmod(&file, 0o644);
    let told = anew(&bench).try_open().unwrap_err().to_string();
    assert!(told.contains("others may read it") && !told.contains(key.trim()), "{told}");
    // A book that is none keeps the gate from beginning a segment in clear.
    chmod(&file, 0o600);
    fs::write(wrapping(&bench).join("book.json"), "{").unwrap();
    assert!(anew(&bench).try_open().is_err());
}
