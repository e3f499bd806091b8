//! Disks that fill up, tear writes and fail syncs.

use super::*;

/// A disk that can be told to misbehave.
#[derive(Debug)]
pub(super) struct Faults {
    /// Bytes that still find room.
    room: AtomicU64,
    reserves: AtomicBool,
    sync_fails: AtomicBool,
    write_fails: AtomicBool,
    /// Most bytes one write takes.
    write_bytes_max: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

struct FaultyFile {
    file: Arc<dyn LogFile>,
    faults: Arc<Faults>,
    /// Set aside behind the end, counted as taken.
    ahead: AtomicU64,
    length: AtomicU64,
}

#[derive(Debug)]
struct FaultyDisk(Arc<Faults>);

impl Faults {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            room: AtomicU64::new(u64::MAX / 2),
            reserves: AtomicBool::new(false),
            sync_fails: AtomicBool::new(false),
            write_fails: AtomicBool::new(false),
            write_bytes_max: AtomicU64::new(u64::MAX),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        })
    }

    pub(super) fn leave_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::SeqCst);
    }

    /// The lane's thread may be writing a head while a test says how much room is left: what it takes then never
    /// leads below nothing.
    fn take_room(&self, bytes: u64) {
        let taken = |room: u64| Some(room.saturating_sub(bytes));
        self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).unwrap();
    }

    pub(super) fn open(self: &Arc<Self>, bench: &Bench) -> Journal {
        let disk = Arc::new(FaultyDisk(self.clone()));
        let options = JournalOptions { disk, reserve_bytes: 10_000, ..bench.options() };
        Journal::open(options, bench.keys.clone(), clock::now()).unwrap()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, how: Opening) -> io::Result<Arc<dyn LogFile>> {
        let file = RealDisk.open(path, how)?;
        let length = fs::metadata(path)?.len();
        let faults = self.0.clone();
        Ok(Arc::new(FaultyFile { file, faults, ahead: AtomicU64::new(0), length: AtomicU64::new(length) }))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

impl LogFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.faults.writes.fetch_add(1, Ordering::SeqCst);
        if self.faults.write_fails.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let ahead = self.ahead.load(Ordering::SeqCst);
        let room = self.faults.room.load(Ordering::SeqCst) + ahead;
        let most = self.faults.write_bytes_max.load(Ordering::SeqCst).min(room);
        let count = (bytes.len() as u64).min(most);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = self.file.append(&bytes[..usize::try_from(count).unwrap()])?;
        let taken = count as u64;
        self.length.fetch_add(taken, Ordering::SeqCst);
        self.ahead.store(ahead.saturating_sub(taken), Ordering::SeqCst);
        self.faults.take_room(taken.saturating_sub(ahead));
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        if self.faults.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync()
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.file.cut(bytes)?;
        let before = self.length.swap(bytes, Ordering::SeqCst);
        self.faults.room.fetch_add(before - bytes + self.ahead.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        if !self.faults.reserves.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let wanted = bytes.saturating_sub(self.length.load(Ordering::SeqCst));
        let more = wanted.saturating_sub(self.ahead.load(Ordering::SeqCst));
        if more > self.faults.room.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.faults.take_room(more);
        self.ahead.fetch_add(more, Ordering::SeqCst);
        Ok(())
    }
}

/// Until something is so; the thread of a lane works by itself. Bounded, so that a fault fails the test.
pub(super) async fn until(what: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if what() {
            return;
        }
        tokio::task::spawn_blocking(|| std::thread::park_timeout(Duration::from_millis(1))).await.unwrap();
    }
    panic!("it never came to be");
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_hold_and_service_resumes_with_room() {
    for room in [0, 1, 100, 1_000, 1_500, 3_000] {
        let bench = Bench::new();
        let faults = Faults::new();
        let journal = faults.open(&bench);
        answered(&journal).await.unwrap();
        journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
        faults.room.store(room, Ordering::SeqCst);
        let tries = futures_util::future::join_all((0..8).map(|_| answered(&journal))).await;
        let good = tries.iter().filter(|answer| answer.is_ok()).count();
        assert!(good < 8, "{room}");
        assert!(
            tries
                .iter()
                .flat_map(|answer| answer.as_ref().err())
                .all(|error| matches!(error, JournalError::Full))
        );
        assert!(matches!(answered(&journal).await, Err(JournalError::Full)));
        let crashed = bench.crashed();
        assert_eq!(
            crashed.kinds().iter().filter(|kind| *kind == "answer").count(),
            1 + good,
            "no line is torn"
        );
        faults.room.store(u64::MAX / 2, Ordering::SeqCst);
        answered(&journal).await.unwrap();
        journal.close(clock::now()).await.unwrap();
        assert!(bench.verify().is_whole(), "{room}: {}", bench.verify());
    }
}

#[tokio::test]
async fn strangers_never_use_the_reserve() {
    let bench = Bench::new();
    let faults = Faults::new();
    faults.reserves.store(true, Ordering::SeqCst);
    let journal = faults.open(&bench);
    until(|| faults.room.load(Ordering::SeqCst) < u64::MAX / 2 - 1_000_000).await;
    faults.room.store(20_000, Ordering::SeqCst);
    let stranger = || {
        let mut entry = Entry::open(&journal.lane(0), id(), &channel("198.51.100.9"), clock::now());
        entry.caller(&Arc::new(Facts { kind: Kind::Anonymous, ..anonymous() }));
        entry.note("padding", "x".repeat(200));
        entry.answer(200, None, clock::now())
    };
    let mut written = 0_u64;
    while stranger().await.is_ok() {
        written += 1;
        if written.is_multiple_of(64) {
            // Heads make the thread look at the room that is left.
            journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
        }
        assert!(written < 200_000);
    }
    assert!(journal.health().lanes[0].tight);
    for _ in 0..5 {
        answered(&journal).await.unwrap();
    }
    faults.room.store(u64::MAX / 2, Ordering::SeqCst);
    until(|| !journal.health().lanes[0].tight).await;
    stranger().await.unwrap();
    journal.close(clock::now()).await.unwrap();
    assert!(bench.verify().is_whole());
}

fn anonymous() -> Facts {
    Arc::into_inner(facts("nobody")).unwrap()
}

#[tokio::test]
async fn a_failed_sync_closes_the_lane_for_good_and_is_never_tried_again() {
    let bench = Bench::new();
    let faults = Faults::new();
    let journal = faults.open(&bench);
    answered(&journal).await.unwrap();
    faults.sync_fails.store(true, Ordering::SeqCst);
    let failed = journal.administrative("act", "t", &[], clock::now()).await;
    assert!(matches!(failed, Err(JournalError::Failed { .. })), "{failed:?}");
    faults.sync_fails.store(false, Ordering::SeqCst);
    let (writes, syncs) = (faults.writes.load(Ordering::SeqCst), faults.syncs.load(Ordering::SeqCst));
    assert!(matches!(answered(&journal).await, Err(JournalError::Failed { .. })));
    assert!(matches!(journal.close(clock::now()).await, Err(JournalError::Failed { .. })));
    assert!(journal.health().lanes[0].failed.is_some());
    assert_eq!((writes, syncs), (faults.writes.load(Ordering::SeqCst), faults.syncs.load(Ordering::SeqCst)));
    drop(journal);
    let after = bench.crashed();
    drop(after.open());
    assert!(after.verify().is_whole());
}

#[tokio::test]
async fn a_failed_write_closes_the_lane_for_good() {
    let bench = Bench::new();
    let faults = Faults::new();
    let journal = faults.open(&bench);
    faults.write_fails.store(true, Ordering::SeqCst);
    assert!(matches!(answered(&journal).await, Err(JournalError::Failed { .. })));
    faults.write_fails.store(false, Ordering::SeqCst);
    assert!(matches!(answered(&journal).await, Err(JournalError::Failed { .. })));
    assert!(Entry::open(&journal.lane(0), id(), &channel("192.0.2.1"), clock::now()).ready().is_err());
}

#[tokio::test]
async fn short_writes_are_gone_on_with() {
    let bench = Bench::new();
    let faults = Faults::new();
    faults.write_bytes_max.store(7, Ordering::SeqCst);
    let journal = faults.open(&bench);
    futures_util::future::join_all((0..8).map(|_| answered(&journal)))
        .await
        .into_iter()
        .for_each(|a| drop(a.unwrap()));
    journal.close(clock::now()).await.unwrap();
    assert!(bench.verify().is_whole());
}

#[tokio::test]
async fn entries_of_one_turn_are_one_write_and_one_sync_serves_many() {
    let bench = Bench::new();
    let faults = Faults::new();
    let journal = Arc::new(faults.open(&bench));
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    let before = faults.writes.load(Ordering::SeqCst);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move { answered(&journal).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let writes = faults.writes.load(Ordering::SeqCst) - before;
    // The lane's thread may write a head meanwhile.
    assert!(writes <= 3, "{writes} writes for 64 entries");
    let before = faults.syncs.load(Ordering::SeqCst);
    let acts = (0..64).map(|_| journal.administrative("act", "t", &[], clock::now()));
    futures_util::future::join_all(acts).await.into_iter().for_each(|act| assert!(act.is_ok()));
    let syncs = faults.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs <= 4, "{syncs} syncs for 64 entries");
}

#[tokio::test]
async fn nothing_is_asked_of_a_system_while_the_last_entries_found_no_room() {
    for reserves in [false, true] {
        let bench = Bench::new();
        let faults = Faults::new();
        faults.reserves.store(reserves, Ordering::SeqCst);
        let journal = faults.open(&bench);
        answered(&journal).await.unwrap();
        journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
        assert!(entry(&journal).ready().is_ok());
        faults.leave_room(0);
        // What was set aside is used up first.
        for _ in 0..20_000 {
            if answered(&journal).await.is_err() {
                break;
            }
        }
        assert!(matches!(journal.lane(0).ready(), Err(JournalError::Full)));
        assert!(matches!(journal.health().lanes[0].failed, Some(JournalError::Full)));
        faults.leave_room(u64::MAX / 2);
        if reserves {
            // The lane's thread finds the room by itself.
            until(|| journal.lane(0).ready().is_ok()).await;
        }
        answered(&journal).await.unwrap();
        assert!(journal.lane(0).ready().is_ok());
        journal.close(clock::now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_stranger_that_finds_no_room_is_counted_and_the_count_waits_for_room() {
    let bench = Bench::new();
    let faults = Faults::new();
    let journal = faults.open(&bench);
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    let now = clock::now();
    let refused = |reason: &'static str| {
        let mut entry = Entry::open(&journal.lane(0), id(), &channel("198.51.100.9"), now);
        entry.refusal(reason);
        entry
    };
    until(|| journal.heads().first().is_some_and(|head| head.size == 2)).await;
    faults.leave_room(0);
    assert!(matches!(refused("bad-token").answer(401, None, now).await, Err(JournalError::Full)));
    // Nobody waits for these.
    drop(refused("bad-token"));
    refused_at_the_door(&journal.lane(0), &channel("198.51.100.9"), "handshake", None, now);
    tokio::task::yield_now().await;
    let after = |seconds| Now { mono: now.mono + Duration::from_secs(seconds), ..now };
    // Neither has the count any room, whether that is known at once or later.
    for minute in [61, 62, 63] {
        drop(journal.tick(after(minute)));
        tokio::task::yield_now().await;
    }
    faults.leave_room(u64::MAX / 2);
    answered(&journal).await.unwrap();
    for minute in [64, 65] {
        journal.tick(after(minute)).unwrap();
        tokio::task::yield_now().await;
    }
    journal.close(clock::now()).await.unwrap();
    let counted: Vec<serde_json::Value> = bench
        .lines()
        .iter()
        .filter(|line| line.facts().unwrap().kind == "counted")
        .map(|line| serde_json::from_str(line.leaf()).unwrap())
        .collect();
    assert_eq!(counted.len(), 1, "{counted:?}");
    assert_eq!(counted[0]["exchanges"], 3);
    assert_eq!(counted[0]["reasons"], serde_json::json!([["bad-token", 2], ["handshake", 1]]));
}

#[tokio::test]
async fn entries_larger_than_a_segment_have_one_each_and_close_no_lane() {
    let bench = Bench::new();
    let options =
        JournalOptions { segment_bytes_max: 1, head_interval: Duration::from_millis(1), ..bench.options() };
    for _ in 0..3 {
        let journal = Journal::open(options.clone(), bench.keys.clone(), clock::now()).unwrap();
        for _ in 0..5 {
            answered(&journal).await.unwrap();
            journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
    }
    // The process ended when a segment had its first line and no entry.
    let size = bench.lines().len() as u64;
    let mut edge = Edge::default();
    for line in bench.lines() {
        edge.push(leaf_hash(line.leaf_bytes(), &mut Vec::new()));
    }
    let begun = bench.lane().join(segment::segment_name(size));
    fs::write(&begun, line::segment_head("bramka/main/0", &edge, None)).unwrap();
    let journal = Journal::open(options, bench.keys.clone(), clock::now()).unwrap();
    answered(&journal).await.unwrap();
    journal.close(clock::now()).await.unwrap();
    let report = bench.verify();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.lanes[0].segments as u64, report.lanes[0].entries);
}

#[tokio::test]
async fn a_session_that_ends_on_a_full_disk_is_signed_to_its_end() {
    let bench = Bench::new();
    let faults = Faults::new();
    faults.reserves.store(true, Ordering::SeqCst);
    let journal = faults.open(&bench);
    journal.administrative("settle", "t", &[], clock::now()).await.unwrap();
    // Room is set aside for entries and for heads.
    until(|| faults.room.load(Ordering::SeqCst) < u64::MAX / 2 - 8_000_000).await;
    faults.leave_room(0);
    // More heads than were foreseen, and the last one has its place.
    for _ in 0..400 {
        journal.administrative("act", "t", &[], clock::now()).await.unwrap();
    }
    journal.close(clock::now()).await.unwrap();
    let report = bench.verify();
    assert!(report.is_whole() && report.lanes[0].unsigned == 0, "{report}");
}
