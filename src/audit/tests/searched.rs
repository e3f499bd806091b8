//! The index and what is found by it: all that a walk through the journal finds, whatever becomes of the index; and what
//! reports say of what cannot be told.

use super::{index::IndexProgress, search::asked, *};

const MANY: usize = 1_500;

impl Bench {
    fn folder(&self) -> PathBuf {
        self.data.path().join("index")
    }

    fn ask<T>(&self, ask: impl Fn(&Index<'_>) -> Result<T, AskError>) -> T {
        asked((&self.gate(), &self.folder()), &self.keys, &IndexProgress::default(), ask).unwrap()
    }

    fn made(&self) -> u64 {
        self.ask(|index| Ok(index.made()))
    }

    fn found(&self, query: &Query) -> Vec<(String, u64)> {
        let newest = self.ask(|index| index.newest(query, 100_000));
        assert!(!newest.more);
        newest.hits.into_iter().map(|hit| (hit.lane, hit.line.sequence)).collect()
    }

    /// What a walk through all of it finds, in order of time.
    fn walked(&self, query: &Query) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        for lane in lanes(&self.gate()).unwrap() {
            let lines =
                read_lane(&self.gate().join(&lane), self.keys.wrapping()).unwrap().map(Result::unwrap);
            let these = lines.filter(|line| query.is(line)).map(|line| {
                let at = line.facts().unwrap().at.to_owned();
                (at, lane.clone(), line.sequence)
            });
            found.extend(these);
        }
        found.sort();
        found.into_iter().map(|(_, lane, sequence)| (lane, sequence)).collect()
    }

    fn index_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for lane in fs::read_dir(self.folder().join("main")).unwrap() {
            found.extend(fs::read_dir(lane.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
        }
        found.sort();
        found
    }

    fn by(&self, who: &str) -> Query {
        Query { principal: Some(self.keys.digest("Partner", who)), ..Query::default() }
    }

    fn of(&self, customer: &str) -> Query {
        Query { record: Some(self.keys.digest("Customer", customer)), ..Query::default() }
    }

    fn report(&self, customer: &str) -> SubjectReport {
        let record = self.keys.digest("Customer", customer);
        let query = SubjectQuery { entity: "Customer".into(), record, since: None, until: None };
        self.ask(|index| index.subject(&query))
    }
}

/// An answer of one of seven principals, about one of eleven customers; every third is refused.
async fn one(journal: &Journal, n: usize) {
    let mut entry = Entry::open(&journal.lane(0), id(), &channel("192.0.2.7"), clock::now());
    entry.head(&http::Method::GET, "/v1/orders");
    entry.caller(&facts(&format!("p{}", n % 7)));
    entry.operation(Action::List, "Order");
    entry.subject("Customer", &(n % 11).to_string());
    entry.decided(&[StatementId::new(format!("s{}", n % 5).as_str())], Detail::Standard);
    if n.is_multiple_of(3) {
        entry.refusal(if n.is_multiple_of(2) { "forbidden" } else { "no_such_record" });
    }
    entry.answer(if n.is_multiple_of(3) { 403 } else { 200 }, None, clock::now()).await.unwrap();
}

async fn filled(bench: &Bench, journal: &Journal, count: usize) {
    for n in 0..count {
        one(journal, n).await;
    }
    assert!(bench.lines().len() > count);
}

fn queries(bench: &Bench) -> Vec<Query> {
    let text = |text: &str| Some(text.to_owned());
    let mut queries = vec![
        Query::default(),
        bench.by("p3"),
        bench.by("nobody"),
        Query { principal: Some(bench.keys.digest("Partner", "acme")), ..Query::default() },
        bench.of("4"),
        Query { statement: text("s2"), ..bench.by("p1") },
        Query { decision: Some(Decision::Refused), ..bench.of("9") },
        Query { decision: Some(Decision::Allowed), ..Query::default() },
        Query { decision: Some(Decision::Reason("forbidden".into())), ..Query::default() },
        Query { status: Some((400, 499)), ..bench.by("p6") },
        Query { credential: text("jti-1"), target: text("Order"), action: text("list"), ..Query::default() },
        Query { act: text("journal-read"), ..Query::default() },
        Query { action: text("call"), ..Query::default() },
    ];
    let line = bench.lines().into_iter().nth(bench.lines().len() / 2).unwrap();
    let facts = line.facts().unwrap();
    let at = Some(facts.at.parse().unwrap());
    queries.push(Query { request: text(facts.request.unwrap()), ..Query::default() });
    queries.push(Query { since: at, ..Query::default() });
    queries.push(Query { until: at, ..bench.by("p2") });
    queries
}

fn finds_what_a_walk_finds(bench: &Bench, what: &str) {
    for query in queries(bench) {
        assert_eq!(bench.found(&query), bench.walked(&query), "{what}: {query:?}");
    }
}

#[tokio::test]
async fn the_index_finds_what_a_walk_through_the_journal_finds() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    filled(&bench, &journal, MANY).await;
    journal.reading("a look", "anna", clock::now()).await.unwrap();
    finds_what_a_walk_finds(&bench, "one segment");
    assert!(bench.index_files().len() > 1, "more than one file holds");
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    let small = bench.reopen(|options| JournalOptions { segment_bytes_max: 20_000, ..quiet(options) });
    filled(&bench, &small, 200).await;
    finds_what_a_walk_finds(&bench, "many segments");
}

#[tokio::test]
async fn what_is_appended_is_found_and_what_is_known_is_not_read_again() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    filled(&bench, &journal, 20).await;
    let before = bench.lines().len() as u64;
    assert_eq!((bench.made(), bench.made()), (before, 0));
    filled(&bench, &journal, 1_200).await;
    assert_eq!(bench.made(), 1_200);
    assert_eq!(bench.made(), 0);
    finds_what_a_walk_finds(&bench, "gone on with");
}

#[tokio::test]
async fn an_index_that_somebody_changed_is_made_again_and_nothing_is_lost() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    filled(&bench, &journal, 300).await;
    let query = bench.of("4");
    let right = bench.found(&query);
    assert_eq!(right, bench.walked(&query));
    let file = bench.index_files().remove(0);
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bent = whole.clone();
        bent[at] ^= 0x40;
        fs::write(&file, bent).unwrap();
        assert_eq!(bench.found(&query), right, "byte {at}");
    }
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        assert_eq!(bench.found(&query), right, "cut at {cut}");
    }
    fs::remove_dir_all(bench.folder()).unwrap();
    assert_eq!(bench.found(&query), right);
}

#[tokio::test]
async fn an_index_of_another_journal_or_under_another_key_is_not_believed() {
    let (bench, other) = (Bench::new(), Bench::new());
    for (bench, count) in [(&bench, 30), (&other, 40)] {
        let journal = bench.reopen(quiet);
        filled(bench, &journal, count).await;
        bench.made();
    }
    let with_its_keys = Bench { keys: bench.keys.clone(), ..Bench::new() };
    let journal = with_its_keys.open();
    filled(&with_its_keys, &journal, 30).await;
    with_its_keys.made();
    for from in [&other, &with_its_keys] {
        fs::copy(from.index_files().remove(0), bench.index_files().remove(0)).unwrap();
        finds_what_a_walk_finds(&bench, "another's");
    }
}

#[tokio::test]
async fn an_entry_that_was_changed_under_the_index_is_not_found_by_what_it_was() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    filled(&bench, &journal, 30).await;
    drop(journal);
    let (was, is) = (bench.of("4"), bench.of("5"));
    let before = bench.found(&was);
    let (_, sequence) = before[0];
    let hex = |query: &Query| query.record.unwrap().to_string();
    bench.rewrite(sequence, &hex(&was), &hex(&is));
    assert_eq!(bench.found(&was), before[1..]);
    assert_eq!(bench.found(&is), bench.walked(&is));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_all_else_is_found() {
    let bench = Bench::new();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 20_000, ..quiet(options) });
    filled(&bench, &journal, 100).await;
    journal.close(clock::now()).await.unwrap();
    let all = bench.found(&bench.by("p1"));
    let segments = recover::segments(&bench.lane()).unwrap();
    assert!(segments.len() > 3);
    // A line in the middle of a segment that is full.
    let mut bytes = fs::read(&segments[1].path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1].path, bytes).unwrap();
    fs::remove_dir_all(bench.folder()).unwrap();
    let (found, faults) =
        bench.ask(|index| Ok((index.newest(&bench.by("p1"), 1_000)?, index.faults().to_vec())));
    assert!(found.hits.len() < all.len() && found.hits.len() > all.len() / 2, "{}", found.hits.len());
    assert!(faults.iter().any(|fault| fault.what.contains("damaged")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.what.contains("could not be read")), "{faults:?}");
    let report = bench.report("4");
    assert!(!report.untold.is_read_whole());
    // A segment that is not there.
    fs::remove_file(&segments[2].path).unwrap();
    let faults = bench.ask(|index| Ok(index.faults().to_vec()));
    let first = segments[3].first;
    assert!(
        faults.iter().any(|fault| fault.what.ends_with(&format!("to before {first} could not be read"))),
        "{faults:?}"
    );
    // The end of the lane: a signed head knows more.
    for segment in &segments[3..] {
        fs::remove_file(&segment.path).unwrap();
    }
    let faults = bench.ask(|index| Ok(index.faults().to_vec()));
    assert!(faults.iter().any(|fault| fault.what.contains("a signed head names")), "{faults:?}");
}

#[tokio::test]
async fn a_segment_that_was_rewritten_under_its_index_is_told() {
    let bench = Bench::new();
    let journal = bench.reopen(|options| JournalOptions { segment_bytes_max: 20_000, ..quiet(options) });
    filled(&bench, &journal, 60).await;
    drop(journal);
    let was = bench.of("4");
    let (_, sequence) = bench.found(&was)[0];
    bench.rewrite(sequence, &was.record.unwrap().to_string(), &bench.of("5").record.unwrap().to_string());
    fs::remove_dir_all(bench.folder()).unwrap();
    let faults = bench.ask(|index| Ok(index.faults().to_vec()));
    assert!(
        faults.iter().any(|fault| fault.what.contains("not those that the next one goes on from")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn the_newest_come_last_and_that_there_are_older_ones_is_said() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    filled(&bench, &journal, 200).await;
    let all = bench.walked(&bench.by("p1"));
    let newest = bench.ask(|index| index.newest(&bench.by("p1"), 5));
    let sequences: Vec<u64> = newest.hits.iter().map(|hit| hit.line.sequence).collect();
    let expected: Vec<u64> = all[all.len() - 5..].iter().map(|(_, sequence)| *sequence).collect();
    assert!(newest.more);
    assert_eq!(sequences, expected);
}

#[tokio::test]
async fn an_answer_that_names_more_than_an_entry_holds_may_have_shown_the_record() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    let mut entry = entry(&journal);
    for n in 0..1_003 {
        entry.subject("Customer", &n.to_string());
    }
    entry.answer(200, None, clock::now()).await.unwrap();
    one(&journal, 4).await;
    let named = bench.report("999");
    assert_eq!((named.totals.len(), named.untold.beyond.len()), (1, 0), "it is among those that are named");
    let unnamed = bench.report("1001");
    assert_eq!(unnamed.totals.len(), 0);
    let [beyond] = &unnamed.untold.beyond[..] else { panic!("{:?}", unnamed.untold) };
    assert_eq!((beyond.answers, beyond.unnamed), (1, 3));
    assert_eq!(beyond.who.name, Name::Known { id: "mila".into(), partner: Some("acme".into()) });
}

#[tokio::test]
async fn a_name_that_was_erased_or_whose_key_is_gone_is_told_as_that_and_the_answer_stays() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    one(&journal, 1).await;
    one(&journal, 8).await;
    one(&journal, 12).await;
    let report = bench.report("1");
    assert_eq!((report.totals.len(), report.untold.erased, report.untold.sealed), (2, 0, 0));
    assert_eq!(report.disclosures[0].address.as_deref(), Some("192.0.2.7"));
    let subject = Subject::new(&bench.keys, "Partner", "p5");
    assert_eq!(erase(&journal, &subject, "anna", &clock::now, &Progress::default()).unwrap().erased(), 1);
    let report = bench.report("1");
    assert_eq!((report.disclosures.len(), report.untold.erased), (2, 1));
    assert!(report.totals.iter().any(|total| total.who.name == Name::Erased));
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    for file in fs::read_dir(bench.data.path().join("keys")).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("journal-seal") {
            fs::remove_file(path).unwrap();
        }
    }
    let bench =
        Bench { keys: Arc::new(JournalKeys::open(&bench.data.path().join("keys")).unwrap()), ..bench };
    let report = bench.report("1");
    assert_eq!((report.disclosures.len(), report.untold.erased, report.untold.sealed), (2, 1, 1));
    assert!(report.totals.iter().any(|total| total.who.name == Name::KeyGone), "{:?}", report.totals);
}

#[tokio::test]
async fn what_a_credential_reached_is_counted_with_what_entries_do_not_name() {
    let bench = Bench::new();
    let journal = bench.reopen(quiet);
    for n in 0..30 {
        one(&journal, n).await;
    }
    let query = BreachQuery { credential: "jti-1".into(), since: None, until: None };
    let report = bench.ask(|index| index.breach(&query));
    assert_eq!((report.answers, report.subjects.len()), (30, 11));
    assert_eq!(report.refused, [("forbidden".to_owned(), 5), ("no_such_record".to_owned(), 5)].into());
    assert_eq!(report.addresses, [("192.0.2.7".to_owned(), 30)].into());
    let later = BreachQuery { since: Some(clock::now().wall), ..query };
    assert_eq!(bench.ask(|index| index.breach(&later)).answers, 0);
    let other = BreachQuery { credential: "jti".into(), ..later };
    assert_eq!(bench.ask(|index| index.breach(&other)).answers, 0);
}
