//! How fast the journal is: entries a second when writers wait for each to be synced, and what an entry costs the
//! request path when it is only written; in clear, and encrypted. Last with an index that is kept up to it meanwhile.
//!
//! `cargo bench --bench journal [-- DIRECTORY]`; the directory should lie on the disk that will hold the journal.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bramka::{
    audit::{
        Durability, Encryption, Entry, Index, IndexProgress, Journal, JournalKeys, JournalOptions, verify,
    },
    catalog::Action,
    clock,
    identity::{Attribute, CredentialId, Facts},
    policy::Detail,
    words::{Channel, Digest, Kind, PrincipalId, RequestId, StatementId, TlsFacts},
};

/// How much is written: enough to tell how fast, or so little that it is only seen to run.
#[derive(Clone, Copy)]
struct Load {
    rounds: usize,
    /// Entries that each writer makes and waits for, one after the other.
    each: usize,
    /// Entries that are only written.
    written: usize,
}

impl Load {
    const TIMED: Self = Self { rounds: 3, each: 1_000, written: 256_000 };
    const TRIED: Self = Self { rounds: 1, each: 4, written: 640 };
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so, `cargo test` does not.
    let load = if arguments.iter().any(|word| word == "--bench") { Load::TIMED } else { Load::TRIED };
    let directory = arguments.iter().find(|word| !word.starts_with("--"));
    let base = directory.map_or_else(std::env::temp_dir, PathBuf::from);
    for _ in 0..load.rounds {
        for how in [Encryption::Off, Encryption::Own(None)] {
            for (writers, threads, kept) in
                [(64, 1, Kept::No), (256, 1, Kept::No), (256, 2, Kept::No), (256, 1, Kept::Yes)]
            {
                synced(&base, &how, (writers, threads, load.each), kept);
            }
            for in_a_turn in [1, 16, 64] {
                written(&base, &how, (in_a_turn, load.written));
            }
        }
    }
}

/// Whether an index is kept up to what is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    No,
    Yes,
}

/// Writers, each waiting for the sync of its entry before it makes the next, so many `each`.
fn synced(base: &Path, how: &Encryption, (writers, threads, each): (usize, usize, usize), kept: Kept) {
    let bench = Bench::new(base, how, Durability::Synced);
    let runtime = match threads {
        1 => tokio::runtime::Builder::new_current_thread().build().unwrap(),
        more => tokio::runtime::Builder::new_multi_thread().worker_threads(more).build().unwrap(),
    };
    let start = Instant::now();
    let ended = Arc::new(AtomicBool::new(false));
    let index = (kept == Kept::Yes).then(|| bench.index(ended.clone()));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..writers)
            .map(|_| {
                let (journal, facts) = (bench.journal.clone(), bench.facts.clone());
                tokio::spawn(async move {
                    for _ in 0..each {
                        let mut entry = filled(&journal, &facts);
                        entry.durable(Durability::Synced);
                        entry.answer(200, Some(1_234), clock::now()).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let entries = writers * each;
    ended.store(true, Ordering::Relaxed);
    let indexed = index.map(|index| index.join().unwrap());
    let rate = entries as f64 / start.elapsed().as_secs_f64();
    runtime.block_on(bench.journal.close(clock::now())).unwrap();
    let bytes = bench.bytes_an_entry(entries);
    let with = indexed.map_or(String::new(), |count| format!(", all {count} in the index"));
    println!(
        "synced, {}, {writers} writers, {threads} threads: {rate:.0} entries/s of {bytes} bytes{with}",
        word(how)
    );
    let keys = bench.journal.keys();
    let report = verify(bench.journal.directory(), &[keys.public()], None, Some(keys)).unwrap();
    assert!(report.is_whole(), "{report}");
}

/// What one entry costs the core that makes it, so many in one loop turn.
fn written(base: &Path, how: &Encryption, (in_a_turn, entries): (usize, usize)) {
    let bench = Bench::new(base, how, Durability::Written);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (start, used) = (Instant::now(), thread_time());
    runtime.block_on(async {
        let tasks: Vec<_> = (0..in_a_turn)
            .map(|_| {
                let (journal, facts) = (bench.journal.clone(), bench.facts.clone());
                tokio::spawn(async move {
                    for _ in 0..entries / in_a_turn {
                        let entry = filled(&journal, &facts);
                        entry.answer(200, Some(1_234), clock::now()).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / entries as f64;
    let (wall, cpu) = (micros(start.elapsed()), micros(thread_time().saturating_sub(used)));
    println!(
        "written, {}, {in_a_turn} in a turn: {wall:.2} µs an entry, {cpu:.2} µs of CPU on its core",
        word(how)
    );
}

fn word(how: &Encryption) -> &'static str {
    match how {
        Encryption::Off | Encryption::AsStands => "in clear",
        Encryption::Own(_) | Encryption::File(_) => "encrypted",
    }
}

fn thread_time() -> Duration {
    let time = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = time.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default();
    Duration::from_nanos(nanos)
}

struct Bench {
    data: tempfile::TempDir,
    journal: Arc<Journal>,
    facts: Arc<Facts>,
}

impl Bench {
    fn new(base: &Path, how: &Encryption, sensitive_reads: Durability) -> Self {
        let data = tempfile::tempdir_in(base).unwrap();
        let keys = JournalKeys::open(&data.path().join("keys")).unwrap();
        let options = JournalOptions {
            sensitive_reads,
            encryption: how.clone(),
            ..JournalOptions::new(data.path().join("audit"), "main", RequestId([7; 16]))
        };
        let journal = Arc::new(Journal::open(options, keys.into(), clock::now()).unwrap());
        Self { data, journal, facts: facts() }
    }

    /// Brings an index up to the journal again and again, and once more when all is written; gives how many entries it
    /// is of.
    fn index(&self, ended: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
        let (gate, folder) = (self.journal.directory().to_owned(), self.data.path().join("index"));
        let keys = self.journal.keys().clone();
        let made = move || {
            let index = Index::open(&gate, &folder, &keys, &IndexProgress::default()).unwrap();
            index.lanes().map(|lane| lane.to).sum()
        };
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let _: u64 = made();
            }
            made()
        })
    }

    fn bytes_an_entry(&self, entries: usize) -> u64 {
        let lane = self.data.path().join("audit/main/0");
        let files = std::fs::read_dir(lane).unwrap().map(|file| file.unwrap());
        let logs = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
        logs.map(|file| file.metadata().unwrap().len()).sum::<u64>() / entries as u64
    }
}

fn filled(journal: &Journal, facts: &Arc<Facts>) -> Entry {
    let now = clock::now();
    let mut entry = Entry::open(&journal.lane(0), RequestId([3; 16]), &channel(), now);
    entry.head(&http::Method::GET, "/v1/orders/SO-104711");
    entry.caller(facts);
    entry.operation(Action::Read, "Order");
    entry.bundle(Digest([9; 32]));
    entry.decided(&[StatementId::new("partners-read-own-orders")], Detail::Standard);
    entry.system(&"erp".into(), Some(200), 1_834, 412, 2_907);
    entry
}

fn channel() -> Channel {
    let peer = "192.0.2.7:4711".parse().unwrap();
    let tls = TlsFacts {
        version: "1.3",
        server_name: Some("gate.example".into()),
        certificate: None,
        standing: Default::default(),
    };
    Channel { listener: "main".into(), peer, address: "192.0.2.7".parse().unwrap(), tls: Some(tls) }
}

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        kind: Kind::Partner,
        id: PrincipalId::new("mila"),
        partner: Some("acme".into()),
        groups: vec!["Partners".into()],
        attributes: [("customer".into(), Attribute::Reference("Customer".into(), "20000".into()))].into(),
        plan: Some("partner".into()),
        scopes: Vec::new(),
        credential: CredentialId::Token("01J9ZK7Q4M".into()),
        issued_at: None,
        expires_at: None,
        digest: Digest::of(b"mila"),
    })
}
