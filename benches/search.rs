//! How long the journal is looked through: the index made of so many entries, a principal's day, a refusal, one exchange,
//! the account of a customer.
//!
//! `cargo bench --bench search [-- DIRECTORY ENTRIES]`; the directory must have room for some 1.1 KiB an entry.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bramka::{
    audit::{
        Decision, Entry, Index, IndexProgress, Journal, JournalKeys, JournalOptions, Query, SubjectQuery,
        asked,
    },
    catalog::Action,
    clock::{self, Now},
    identity::{CredentialId, Facts},
    policy::Detail,
    words::{Channel, Digest, Kind, PrincipalId, RequestId, StatementId, TlsFacts},
};

/// Days over which the entries are spread.
const DAYS: u64 = 100;
const PRINCIPALS: u64 = 50;
const CUSTOMERS: u64 = 200_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let base = arguments.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let entries: u64 = arguments.get(1).map_or(200_000, |count| count.parse().unwrap());
    let data = tempfile::tempdir_in(base).unwrap();
    let keys = Arc::new(JournalKeys::open(&data.path().join("keys")).unwrap());
    let gate = timed("written", || written(data.path(), &keys, entries));
    let bench = Bench { gate, folder: data.path().join("index"), keys: &keys };
    println!("{entries} entries in {} MiB", bytes(&bench.gate) >> 20);
    timed("index made", || bench.ask(|index| Ok(index.made())));
    println!("index of {} MiB", bytes(&bench.folder) >> 20);
    timed("index opened", || bench.ask(|index| Ok(index.made())));
    bench.searches(entries);
}

struct Bench<'k> {
    gate: PathBuf,
    folder: PathBuf,
    keys: &'k JournalKeys,
}

impl Bench<'_> {
    fn ask<T>(&self, ask: impl Fn(&Index<'_>) -> Result<T, bramka::audit::AskError>) -> T {
        asked((&self.gate, &self.folder), self.keys, &IndexProgress::default(), ask).unwrap()
    }

    /// Each with the opening of the index, as a verb does it.
    fn searches(&self, entries: u64) {
        let day = |day: u64| Some(clock::now().wall - Duration::from_secs((DAYS - day) * 86_400));
        let by = Query { principal: Some(self.keys.digest("Partner", "p7")), ..Query::default() };
        let one_day = Query { since: day(40), until: day(41), ..by.clone() };
        let found = timed("a principal's day", || self.ask(|index| index.newest(&one_day, 100_000)));
        println!("  {} entries", found.hits.len());
        timed("the newest 100 of a principal", || self.ask(|index| index.newest(&by, 100)));
        let refused = Query { decision: Some(Decision::Refused), since: day(99), ..Query::default() };
        timed("the newest 100 refusals", || self.ask(|index| index.newest(&refused, 100)));
        let request = Query { request: Some(request(entries / 2).to_string()), ..Query::default() };
        let found = timed("one exchange", || self.ask(|index| index.newest(&request, 1)));
        assert_eq!(found.hits.len(), 1);
        let refused_by = Query { status: Some((400, 499)), ..one_day };
        timed("a day's 4xx of a principal", || self.ask(|index| index.newest(&refused_by, 100)));
        let record = self.keys.digest("Customer", "4711");
        let query = SubjectQuery { entity: "Customer".into(), record, since: None, until: None };
        let report = timed("the account of a customer", || self.ask(|index| index.subject(&query)));
        println!("  {} answers, {} calls passed through", report.disclosures.len(), calls(&report));
    }
}

fn calls(report: &bramka::audit::SubjectReport) -> u64 {
    report.untold.calls.iter().map(|calls| calls.count).sum()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    done
}

fn written(data: &Path, keys: &Arc<JournalKeys>, entries: u64) -> PathBuf {
    let options = JournalOptions::new(data.join("audit"), "main", RequestId([7; 16]));
    let directory = options.gate_directory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let start = clock::now();
        let journal = Journal::open(options, keys.clone(), start).unwrap();
        let who: Vec<Arc<Facts>> = (0..PRINCIPALS).map(facts).collect();
        for n in 0..entries {
            let ago = Duration::from_millis((entries - n) * DAYS * 86_400_000 / entries);
            let now = Now { wall: start.wall - ago, mono: start.mono };
            let entry = filled(&journal, &who, n, now);
            let answered = entry.answer(if n % 20 == 7 { 403 } else { 200 }, Some(1_234), now);
            // In groups, as a gate under load writes them.
            match n % 64 {
                0 => drop(answered.await.unwrap()),
                _ => drop(tokio::spawn(answered)),
            }
        }
        tokio::task::yield_now().await;
        journal.close(clock::now()).await.unwrap();
    });
    directory
}

fn filled(journal: &Journal, who: &[Arc<Facts>], n: u64, now: Now) -> Entry {
    // Spread without a pattern that a search could profit from.
    let chance = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let mut entry = Entry::open(&journal.lane(0), request(n), &channel(), now);
    let called = n.is_multiple_of(1_000);
    entry.head(&http::Method::GET, if called { "/systems/erp/items" } else { "/v1/orders" });
    entry.caller(&who[usize::try_from(chance % PRINCIPALS).unwrap()]);
    entry.bundle(Digest([9; 32]));
    entry.decided(&[StatementId::new("partners-read-own-orders")], Detail::Standard);
    if called {
        entry.operation(Action::Call, "erp");
    } else {
        entry.operation(Action::List, "Order");
        for k in 0..2 {
            entry.subject("Customer", &(chance.wrapping_add(k * 7_919) % CUSTOMERS).to_string());
        }
    }
    if n % 20 == 7 {
        entry.refusal("forbidden");
    }
    entry.system(&"erp".into(), Some(200), 1_834, 412, 2_907);
    entry
}

fn request(n: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RequestId(bytes)
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

fn facts(n: u64) -> Arc<Facts> {
    let id = format!("p{n}");
    Arc::new(Facts {
        kind: Kind::Partner,
        id: PrincipalId::new(&*id),
        partner: Some("acme".into()),
        groups: vec!["Partners".into()],
        attributes: Default::default(),
        plan: Some("partner".into()),
        scopes: Vec::new(),
        credential: CredentialId::Token(id.as_str().into()),
        issued_at: None,
        expires_at: None,
        digest: Digest::of(id.as_bytes()),
    })
}

fn bytes(folder: &Path) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        sum += if metadata.is_dir() { bytes(&entry.path()) } else { metadata.len() };
    }
    sum
}
