//! What is put away under a rule, what stays whatever it says, and that the journal is as verifiable as before.

use data_encoding::BASE64URL_NOPAD;

use super::{hashes::Hashes, index::IndexProgress, search::asked, *};

const DAYS: u64 = 24 * 60 * 60;

/// So many days ago.
fn ago(days: i64) -> Now {
    let now = clock::now();
    Now { wall: now.wall.checked_sub(SignedDuration::from_hours(24 * days)).unwrap(), ..now }
}

fn small(options: JournalOptions) -> JournalOptions {
    JournalOptions {
        segment_bytes_max: 3_000,
        segment_age_max: Duration::MAX,
        receipts: true,
        ..quiet(options)
    }
}

fn age(days: u64) -> Rule {
    Rule { age: Some(Duration::from_secs(days * DAYS)), size: None }
}

fn nobody(_: &str) -> Option<Need> {
    None
}

fn wanted(rule: Rule) -> Wanted<'static> {
    Wanted { rule, needs: &nobody, index: None }
}

/// One entry of a day, and its receipt.
async fn one(journal: &Journal, at: Now) -> Option<String> {
    let mut entry = Entry::open(&journal.lane(0), id(), &channel("192.0.2.7"), at);
    entry.head(&http::Method::GET, "/v1/orders");
    entry.caller(&facts("mila"));
    entry.operation(Action::List, "Order");
    entry.subject("Customer", "42");
    entry.answer(200, None, at).await.unwrap().leaf.map(|hash| BASE64URL_NOPAD.encode(&hash.0))
}

impl Bench {
    /// A session of a gate some days ago; gives the receipts of its answers, and its last head.
    async fn session(&self, days: i64, answers: usize) -> (Vec<String>, String) {
        let journal = Journal::open(small(self.options()), self.keys.clone(), ago(days)).unwrap();
        let mut receipts = Vec::new();
        for _ in 0..answers {
            receipts.extend(one(&journal, ago(days)).await);
        }
        journal.close(ago(days)).await.unwrap();
        (receipts, journal.heads()[0].note().to_owned())
    }

    /// Two old sessions, of 500 and 450 days ago.
    async fn old() -> Self {
        let bench = Self::new();
        bench.session(500, 12).await;
        bench.session(450, 12).await;
        bench
    }

    fn put_away(&self, rule: Rule) -> Retained {
        self.put_away_as(&wanted(rule))
    }

    fn put_away_as(&self, wanted: &Wanted<'_>) -> Retained {
        let journal = self.reopen(small);
        let done = retain(&journal, wanted, "anna", &clock::now, &Putting::default()).unwrap();
        drop(journal);
        done
    }

    fn files(&self, end: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(self.lane()).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = all.filter(|path| path.to_string_lossy().ends_with(end)).collect();
        found.sort();
        found
    }

    fn is_whole(&self) {
        let report = self.verify();
        assert!(report.is_whole(), "{report}");
    }

    fn fault(&self, words: &str) {
        let report = self.verify();
        assert!(!report.is_whole() && report.to_string().contains(words), "{report}");
    }
}

/// Opens it and lets its thread end, so that all of it is signed.
async fn settled(bench: &Bench) {
    bench.reopen(small).close(clock::now()).await.unwrap();
}

#[tokio::test]
async fn what_is_put_away_is_on_record_and_every_head_proof_and_receipt_counts_on() {
    let bench = Bench::new();
    let (receipts, head) = bench.session(500, 12).await;
    let (_, later) = bench.session(450, 12).await;
    let before = bench.lines().len();
    let looked = find_retainable(
        &bench.gate(),
        (&bench.keys.public(), bench.keys.wrapping()),
        &wanted(age(400)),
        ago(0).wall,
        &Putting::default(),
    )
    .unwrap();
    assert_eq!(bench.lines().len(), before, "looking changes nothing");
    let done = bench.put_away(age(400));
    let gone = |retained: &Retained| {
        retained.lanes[0].gone.iter().map(|gone| (gone.first, gone.to)).collect::<Vec<_>>()
    };
    assert!(gone(&done).len() > 5 && gone(&done).starts_with(&gone(&looked)), "{done:?}\n{looked:?}");
    settled(&bench).await;
    assert_eq!(bench.lines()[0].sequence, done.entries());
    bench.is_whole();
    let report = bench.verify();
    let put_away = report.lanes[0].put_away.clone().unwrap();
    assert_eq!(put_away.entries, done.entries());
    assert_eq!((put_away.rule.as_str(), put_away.from < ago(499).wall), ("age 400d", true));
    assert!(put_away.until > ago(451).wall && put_away.until < ago(449).wall, "{put_away:?}");
    // Heads of before, also of inside what is gone.
    for head in [&head, &later] {
        let report = verify(&bench.gate(), &[bench.keys.public()], Some(head), Some(&bench.keys)).unwrap();
        assert!(report.is_whole() && matches!(report.against, Some(Against::Grown(_))), "{report}");
        let grown =
            prove_consistency(&bench.gate(), head, &bench.keys.public(), bench.keys.wrapping()).unwrap();
        assert!(matches!(check_proof(&grown, &bench.keys.public(), None), Ok(Proved::Grown { .. })));
    }
    // Entry 3 is the third answer: the start is entry 0.
    let proof = prove_entry(&bench.gate(), "0", 3, &bench.keys.public(), bench.keys.wrapping()).unwrap();
    assert_eq!(proof.put_away.unwrap().rule, "age 400d");
    let hash =
        |receipt: &String| Digest(BASE64URL_NOPAD.decode(receipt.as_bytes()).unwrap().try_into().unwrap());
    let checked =
        |receipt: Option<&String>| check_proof(&proof.text, &bench.keys.public(), receipt.map(hash).as_ref());
    assert!(matches!(checked(Some(&receipts[2])), Ok(Proved::Entry { leaf: None, sequence: 3, .. })));
    assert_eq!(checked(Some(&receipts[3])), Err(BadProof::Hashes));
    assert_eq!(checked(None), Err(BadProof::NoEntry));
    let here = prove_entry(
        &bench.gate(),
        "0",
        bench.lines()[0].sequence,
        &bench.keys.public(),
        bench.keys.wrapping(),
    )
    .unwrap();
    assert_eq!(here.put_away, None);
}

#[tokio::test]
async fn a_segment_ends_when_it_is_old_so_that_few_entries_do_not_keep_others_here() {
    let bench = Bench::new();
    let firsts = || recover::segments(&bench.lane()).unwrap().iter().map(|one| one.first).collect::<Vec<_>>();
    let journal = Journal::open(bench.options(), bench.keys.clone(), ago(100)).unwrap();
    one(&journal, ago(100)).await;
    one(&journal, ago(71)).await;
    assert_eq!(firsts(), [0]);
    one(&journal, ago(69)).await;
    assert_eq!(firsts(), [0, 3]);
    journal.close(ago(69)).await.unwrap();
    drop(journal);
    // Whoever opens it later knows how old it is.
    let journal = Journal::open(bench.options(), bench.keys.clone(), ago(60)).unwrap();
    one(&journal, ago(40)).await;
    assert_eq!(firsts(), [0, 3]);
    one(&journal, ago(38)).await;
    assert_eq!(firsts().len(), 3);
    // A clock that is set back begins none.
    one(&journal, ago(90)).await;
    assert_eq!(firsts().len(), 3);
    journal.close(clock::now()).await.unwrap();
    bench.is_whole();
}

#[tokio::test]
async fn an_entry_goes_by_its_own_age_however_late_the_next_one_came() {
    let bench = Bench::new();
    let journal = Journal::open(bench.options(), bench.keys.clone(), ago(500)).unwrap();
    for days in [500, 499, 498, 100, 99] {
        one(&journal, ago(days)).await;
    }
    journal.close(ago(99)).await.unwrap();
    drop(journal);
    assert_eq!(bench.put_away(age(600)).entries(), 0);
    assert!(bench.put_away(age(400)).entries() > 0, "the first segment ended long before the next began");
    assert!(bench.lines().iter().any(|line| line.leaf().contains(&ago(100).wall.to_string()[..10])));
    settled(&bench).await;
    bench.is_whole();
}

#[tokio::test]
async fn the_open_segment_and_what_is_younger_stay() {
    let bench = Bench::new();
    bench.session(500, 12).await;
    bench.session(100, 12).await;
    let done = bench.put_away(age(400));
    let oldest = done.oldest().unwrap();
    assert!(oldest > ago(501).wall, "{done:?}");
    let first = &bench.lines()[0];
    // The segment in which both sessions meet has a young entry, so all of it stays.
    assert!(
        bench.lines().iter().filter(|line| line.leaf().contains("\"kind\":\"stop\"")).count() >= 2,
        "{}",
        first.leaf()
    );
    assert_eq!(bench.put_away(age(400)).entries(), 0, "nothing is left to do");
    bench.put_away(Rule { age: Some(Duration::ZERO), size: None });
    assert!(!bench.lines().is_empty(), "the open one stays under any rule");
    settled(&bench).await;
    settled(&bench).await;
    bench.is_whole();
}

#[tokio::test]
async fn a_crash_between_any_two_steps_is_harmless_and_finished_at_the_next_start() {
    let bench = Bench::old().await;
    settled(&bench).await;
    let before = bench.crashed();
    let done = bench.put_away(age(400));
    let hashed = bench.files(".hashes");
    assert_eq!(hashed.len(), done.lanes[0].gone.len());
    let last = hashed.last().unwrap();
    let segment = |path: &Path| path.with_extension("log");
    let back = |bench: &Bench, of: &Path| {
        let name = segment(of).file_name().unwrap().to_owned();
        fs::copy(before.lane().join(&name), bench.lane().join(&name)).unwrap();
    };
    // The segment was not removed yet.
    let unremoved = bench.crashed();
    back(&unremoved, last);
    unremoved.is_whole();
    assert!(
        find_retainable(
            &unremoved.gate(),
            (&bench.keys.public(), bench.keys.wrapping()),
            &wanted(age(400)),
            ago(0).wall,
            &Putting::default()
        )
        .is_ok()
    );
    settled(&unremoved).await;
    assert!(!unremoved.lane().join(segment(last).file_name().unwrap()).exists(), "the start finishes it");
    unremoved.is_whole();
    // The entry was written and its hashes were not put in their place.
    let unplaced = bench.crashed();
    let hashes = unplaced.lane().join(last.file_name().unwrap());
    fs::rename(&hashes, unplaced.lane().join("putting-away-0011")).unwrap();
    back(&unplaced, last);
    unplaced.is_whole();
    settled(&unplaced).await;
    assert!(!unplaced.lane().join("putting-away-0011").exists());
    unplaced.is_whole();
    assert_eq!(
        unplaced.put_away(age(400)).entries(),
        done.lanes[0].gone.last().map(|gone| gone.to - gone.first).unwrap()
    );
    settled(&unplaced).await;
    unplaced.is_whole();
}

#[tokio::test]
async fn hashes_that_were_changed_taken_away_or_made_up_are_damage() {
    let bench = Bench::old().await;
    let before = bench.crashed();
    bench.put_away(age(400));
    settled(&bench).await;
    bench.is_whole();
    let hashed = bench.files(".hashes");
    for at in [1024, 1024 + 40] {
        let bent = bench.crashed();
        let path = bent.files(".hashes")[1].clone();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        bent.fault("are not those that were signed");
    }
    // What a file says of its entries is vouched for as well.
    let bent = bench.crashed();
    let path = bent.files(".hashes").pop().unwrap();
    let text = fs::read(&path).unwrap();
    let said = memchr::memmem::find(&text, b"age 400d").unwrap();
    let mut bytes = text.clone();
    bytes[said + 4] = b'3';
    fs::write(&path, bytes).unwrap();
    bent.fault("no entry says that they and their hashes were put away so");
    for gone in [0, hashed.len() - 1] {
        let lost = bench.crashed();
        fs::remove_file(&lost.files(".hashes")[gone]).unwrap();
        lost.fault("missing");
    }
    // Somebody without the key removes a segment and makes its hashes; or puts hashes beside one, so that a gate would.
    for name in ["removed", "beside"] {
        let forged = before.crashed();
        let first = recover::segments(&forged.lane()).unwrap()[0].clone();
        let mut begun = hashes::Begun::new(&forged.lane()).unwrap();
        let mut scratch = Vec::new();
        for line in forged
            .lines()
            .iter()
            .take_while(|line| line.sequence < recover::segments(&forged.lane()).unwrap()[1].first)
        {
            begun.push(&leaf_hash(line.leaf().as_bytes(), &mut scratch)).unwrap();
        }
        let at = ago(0).wall;
        let about = hashes::AboutWhole {
            origin: "bramka/main/0",
            first: 0,
            from: at,
            until: at,
            put_away: at,
            rule: "age 1d",
            before: None,
        };
        begun.end(&about).unwrap().place(&forged.lane()).unwrap();
        if name == "removed" {
            fs::remove_file(&first.path).unwrap();
        } else {
            settled(&forged).await;
        }
        forged.fault("no entry says that they and their hashes were put away so");
    }
}

#[tokio::test]
async fn a_segment_stays_beside_hashes_that_are_not_its_own() {
    let bench = Bench::old().await;
    bench.put_away(age(470));
    let hashes = bench.files(".hashes");
    let other = recover::segments(&bench.lane()).unwrap()[0].clone();
    let mut bytes = fs::read(&hashes[0]).unwrap();
    let (from, to) = (b"\"first\":0,".to_vec(), format!("\"first\":{},", other.first).into_bytes());
    let at = memchr::memmem::find(&bytes, &from).unwrap();
    bytes.splice(at..at + from.len(), to.clone());
    let end = memchr::memmem::find(&bytes, b"\n").unwrap();
    bytes.drain(end - (to.len() - from.len())..end);
    fs::write(other.path.with_extension("hashes"), bytes).unwrap();
    assert!(Hashes::of(&bench.lane(), other.first).is_ok(), "as a file it is right");
    settled(&bench).await;
    assert!(other.path.exists(), "the start does not remove it");
    bench.fault("hashes stand beside it that are not its own");
}

#[tokio::test]
async fn what_somebody_needs_stays_and_is_told_also_where_the_journal_is_too_large() {
    let bench = Bench::old().await;
    settled(&bench).await;
    let second = recover::segments(&bench.lane()).unwrap()[1].first;
    let needs = |_: &str| Some(Need { from: second, by: "the sink `siem`".into() });
    for rule in [age(400), Rule { age: None, size: Some(1) }] {
        let done = bench.put_away_as(&Wanted { rule, needs: &needs, index: None });
        assert!(done.lanes[0].gone.len() <= 1, "{done:?}");
        let (lane, held) = done.held().next().unwrap();
        assert_eq!((lane, held.first), ("0", second));
        assert!(held.why.to_string().starts_with("the sink `siem` needs entry"), "{}", held.why);
        assert_eq!(done.over > 0, rule.size.is_some());
    }
    bench.put_away(age(400));
    settled(&bench).await;
    bench.is_whole();
}

#[tokio::test]
async fn by_size_the_oldest_go_until_it_fits_and_no_more() {
    let bench = Bench::old().await;
    settled(&bench).await;
    let (bytes, oldest) = measure(&bench.gate(), bench.keys.wrapping()).unwrap();
    assert!(oldest.unwrap() < ago(499).wall);
    let size = bytes - 4_000;
    let done = bench.put_away(Rule { age: None, size: Some(size) });
    let last = done.lanes[0].gone.last().unwrap();
    assert!(done.bytes <= size && done.bytes + last.bytes > size, "{done:?}");
    assert_eq!(done.over, 0);
    assert!(done.lanes[0].gone[0].rule.starts_with("size "), "{done:?}");
    settled(&bench).await;
    bench.is_whole();
}

#[tokio::test]
async fn an_intent_whose_outcome_nobody_has_told_stays_until_a_gate_tells_it() {
    let bench = Bench::new();
    let journal = Journal::open(small(bench.options()), bench.keys.clone(), ago(500)).unwrap();
    let mut open = Entry::open(&journal.lane(0), id(), &channel("192.0.2.7"), ago(500));
    open.caller(&facts("mila"));
    open.write_intent(Action::Create, &order(), None, FieldSet::ID, ago(500)).unwrap().await.unwrap();
    for _ in 0..12 {
        one(&journal, ago(500)).await;
    }
    let crashed = bench.crashed();
    drop(open);
    let tool = Journal::open(
        JournalOptions { role: Role::Tool, ..small(crashed.options()) },
        crashed.keys.clone(),
        clock::now(),
    );
    let tool = tool.unwrap();
    // All of it is under a head some moments after its start is synced.
    let mut heads = tool.watch_heads().remove(0);
    heads.wait_for(|head| head.as_ref().is_some_and(|head| head.size > 14)).await.unwrap();
    let put = |journal: &Journal| {
        retain(journal, &wanted(age(400)), "anna", &clock::now, &Putting::default()).unwrap()
    };
    let done = put(&tool);
    assert!(matches!(done.held().next().unwrap().1.why, HeldBy::Intent(1)), "{done:?}");
    assert_eq!(done.entries(), 0);
    tool.close(clock::now()).await.unwrap();
    drop(tool);
    let gate = crashed.reopen(small);
    assert!(gate.unknown_outcomes()[0].leaf.contains("\"kind\":\"intent\""), "its start tells it");
    assert!(put(&gate).entries() > 0);
    gate.close(clock::now()).await.unwrap();
    crashed.is_whole();
}

#[tokio::test]
async fn what_was_changed_is_not_put_away() {
    let bench = Bench::old().await;
    settled(&bench).await;
    bench.rewrite(1, "\"status\":200", "\"status\":400");
    let done = bench.put_away(age(400));
    assert!(matches!(&done.held().next().unwrap().1.why, HeldBy::Damaged(_)), "{done:?}");
    assert_eq!(done.entries(), 0);
    assert!(bench.files("putting-away").is_empty() && bench.files(".hashes").is_empty());
    bench.fault("are not those that were signed");
}

#[tokio::test]
async fn entries_that_say_what_is_gone_or_erased_may_go_themselves() {
    let bench = Bench::new();
    let journal = bench.reopen(|options| JournalOptions { lanes: 2, ..small(options) });
    // A line of the other lane, which has one segment only.
    let mut entry = Entry::open(&journal.lane(1), id(), &channel("192.0.2.7"), ago(490));
    entry.caller(&facts("mila"));
    entry.answer(200, None, ago(490)).await.unwrap();
    let mila = Subject::new(&bench.keys, "Partner", "mila");
    let then = || ago(480);
    assert_eq!(erase(&journal, &mila, "anna", &then, &Progress::default()).unwrap().erased(), 1);
    for days in [470, 460, 450] {
        for _ in 0..12 {
            one(&journal, ago(days)).await;
        }
        let at = move || ago(days);
        retain(
            &journal,
            &wanted(Rule { age: Some(Duration::ZERO), size: None }),
            "anna",
            &at,
            &Putting::default(),
        )
        .unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    for _ in 0..3 {
        settled(&bench).await;
        bench.put_away(Rule { age: Some(Duration::ZERO), size: None });
    }
    settled(&bench).await;
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.lanes.iter().map(|lane| lane.erased).sum::<u64>(), 1, "{report}");
    let kinds: Vec<String> =
        bench.lines().iter().map(|line| line.facts().unwrap().act.unwrap_or("").to_owned()).collect();
    assert!(!kinds.contains(&"erase".to_owned()), "the entry that said it is gone: {kinds:?}");
    assert!(bench.lines()[0].sequence > 10);
}

#[tokio::test]
async fn the_index_forgets_what_is_put_away_and_reports_tell_it() {
    let bench = Bench::old().await;
    settled(&bench).await;
    let folder = bench.data.path().join("index");
    let ask = || {
        let record = bench.keys.digest("Customer", "42");
        let query = SubjectQuery { entity: "Customer".into(), record, since: None, until: None };
        asked((&bench.gate(), &folder), &bench.keys, &IndexProgress::default(), |index| index.subject(&query))
            .unwrap()
    };
    let before = ask();
    assert_eq!((before.totals[0].answers, before.lanes[0].put_away.clone()), (24, None));
    let files = || fs::read_dir(folder.join("main/0")).unwrap().count();
    let indexed = files();
    bench.put_away(age(400));
    let after = ask();
    assert!(after.totals.iter().map(|total| total.answers).sum::<u64>() < 24);
    let told = after.lanes[0].put_away.clone().unwrap();
    assert_eq!(told.entries, after.lanes[0].from);
    assert!(told.is_since(None) && told.is_since(Some(ago(460).wall)) && !told.is_since(Some(ago(400).wall)));
    assert_eq!(after.untold.faults, []);
    assert!(files() < indexed);
    // Gone by another hand is no rule.
    fs::remove_file(bench.files(".hashes").pop().unwrap()).unwrap();
    assert!(ask().untold.faults[0].what.contains("nothing says that they were put away"));
}

#[tokio::test]
async fn a_lane_whose_last_head_at_a_boundary_is_gone_opens_by_its_hashes() {
    let bench = Bench::old().await;
    settled(&bench).await;
    bench.put_away(Rule { age: Some(Duration::ZERO), size: None });
    settled(&bench).await;
    // What is left of the heads is the last one.
    let heads = bench.lane().join("heads");
    let text = fs::read_to_string(&heads).unwrap();
    let (all, _) = head::split_heads(&text);
    fs::write(&heads, format!("{}\n", all.last().unwrap())).unwrap();
    settled(&bench).await;
    bench.is_whole();
    let path = bench.files(".hashes").pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::write(
        &heads,
        format!("{}\n", head::split_heads(&fs::read_to_string(&heads).unwrap()).0.last().unwrap()),
    )
    .unwrap();
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })));
}

#[tokio::test]
async fn one_process_at_a_time_puts_away() {
    let bench = Bench::old().await;
    let lock = lanes::lock_file(&bench.lane().join("putting-away.lock")).unwrap();
    lock.lock().unwrap();
    let done = bench.put_away(age(400));
    assert!(done.is_busy && done.entries() == 0);
    drop(lock);
    assert!(bench.put_away(age(400)).entries() > 0);
}

#[tokio::test]
async fn encrypted_segments_are_put_away_with_their_keys_and_what_is_left_is_whole() {
    let bench = Bench::encrypted();
    bench.session(500, 12).await;
    bench.session(450, 12).await;
    settled(&bench).await;
    let before = bench.files(".log").len();
    bench.reopen(small).rewrap().await.unwrap();
    let done = bench.put_away(age(400));
    assert!(done.entries() > 0, "{done:?}");
    settled(&bench).await;
    let hashes = bench.files(".hashes");
    assert!(!hashes.is_empty() && bench.files(".log").len() <= before, "{hashes:?}");
    // Nothing is left of a segment but its hashes, nor of its key.
    assert!(
        hashes
            .iter()
            .all(|path| !path.with_extension("log").exists() && !path.with_extension("key").exists())
    );
    let report = bench.verify();
    assert!(report.is_whole() && report.lanes[0].encrypted > 0, "{report}");
    let (bytes, oldest) = measure(&bench.gate(), bench.keys.wrapping()).unwrap();
    assert!(bytes > 0 && oldest.is_some_and(|oldest| oldest > ago(400).wall), "{oldest:?}");
}
