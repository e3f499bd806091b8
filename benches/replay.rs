//! How fast a journal is decided again: entries a second under another bundle, over entries as a gate writes them that
//! serves lists to apps and to partners.
//!
//! `cargo bench --bench replay [-- DIRECTORY ENTRIES]`; the directory must have room for some 2 KiB an entry.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bramka::{
    audit::{Came, Entry, Journal, JournalKeys, JournalOptions},
    catalog::{Action, Operation},
    clock,
    config::{self, Means, Placeholders},
    crosswalk::MadeUp,
    identity::{Attribute, Identity, Recall},
    policy::{Context, Judged, Memo, prospect, show},
    replay::{Bundle, Progress, Replay, Which},
    schema::{Entity, Record, Value},
    upstream,
    words::{Channel, Digest, RequestId, SecretBytes, TlsFacts},
};

/// What it must come to on one core.
const TARGET: f64 = 20_000.0;
/// Rows of a list.
const ROWS: u64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let base = arguments.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let entries: u64 = arguments.get(1).map_or(100_000, |count| count.parse().unwrap());
    let data = tempfile::tempdir_in(base).unwrap();
    let keys = Arc::new(JournalKeys::open(&data.path().join("keys")).unwrap());
    let bundle = Arc::new(shipped(&data.path().join("policies")));
    let start = Instant::now();
    let gate = written(data.path(), &keys, &bundle, entries);
    let size = bytes(&gate);
    println!(
        "{entries} entries of {} bytes written in {:.1} s",
        size / entries,
        start.elapsed().as_secs_f64()
    );
    for threads in [1, 2] {
        let kept = |_| Some(bundle.clone());
        let replay = Replay::under(&bundle, &keys, &kept, Which::default());
        let (start, used) = (Instant::now(), process_time());
        let (sum, unread) = replay.all(&gate, (threads, None), &Progress::default()).unwrap();
        let (took, busy) = (start.elapsed().as_secs_f64(), (process_time() - used).as_secs_f64());
        assert!(unread.is_empty() && sum.all.count() == entries, "{sum:?}");
        assert_eq!(sum.all.same, entries, "{:?}", sum.reasons);
        let (rate, a_core) = (entries as f64 / took, entries as f64 / busy);
        println!(
            "{threads} deciding: {took:.2} s, {rate:.0} entries/s; {a_core:.0} a core (target {TARGET:.0})"
        );
    }
}

/// What all threads of this process have used of cores.
fn process_time() -> Duration {
    const TICKS_A_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND)
}

/// The shipped bundle, its partner and an app known by certificates too.
fn shipped(folder: &Path) -> Bundle {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), folder);
    for (file, who, digest) in CERTIFIED {
        let file = folder.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        let certified = format!("{who}, certificates: [\"sha256:{}\"]", digest.repeat(64));
        std::fs::write(&file, text.replace(who, &certified)).unwrap();
    }
    let raw = config::load(folder, &Placeholders).unwrap();
    let (files, own) = (raw.files.clone(), raw.addresses());
    let means = Means {
        registry: &upstream::Registry::default(),
        own: &own,
        pseudonyms: &SecretBytes::new(vec![7; 32]),
        base: folder,
        now: clock::now(),
        ids: &MadeUp,
    };
    let (snapshot, _) = config::compile(raw, &means).unwrap();
    Bundle { snapshot, files }
}

/// A file, who stands there, and the digit that its certificate's digest is made of.
const CERTIFIED: [(&str, &str, &str); 2] =
    [("principals/apps.yaml", "id: shop-backend", "a"), ("principals/acme.yaml", "id: acme-portal", "b")];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, to).unwrap();
        }
    }
}

fn written(data: &Path, keys: &Arc<JournalKeys>, bundle: &Bundle, entries: u64) -> PathBuf {
    let options = JournalOptions::new(data.join("audit"), "main", RequestId([7; 16]));
    let directory = options.gate_directory();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(options, keys.clone(), clock::now()).unwrap();
        let serving = Serving::of(bundle);
        for n in 0..entries {
            let entry = serving.list(&journal, n);
            let answered = entry.answer(200, Some(1_234), clock::now());
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

/// Who lists orders, and how.
struct Serving<'b> {
    bundle: &'b Bundle,
    order: Arc<Entity>,
    identity: Identity,
    memo: Memo,
}

impl<'b> Serving<'b> {
    fn of(bundle: &'b Bundle) -> Self {
        let order = bundle.snapshot.schema.entity("Order").unwrap().clone();
        Self { bundle, order, identity: Identity::new(16), memo: Memo::default() }
    }

    /// The entry of a list of orders, of the app and of the partner in turn.
    fn list(&self, journal: &Journal, n: u64) -> Entry {
        let (snapshot, now) = (&self.bundle.snapshot, clock::now());
        let channel = channel(if n.is_multiple_of(2) { 0xaa } else { 0xbb });
        let mut entry = Entry::open(&journal.lane(0), request(n), &channel, now);
        entry.bundle(snapshot.digest);
        entry.head(&http::Method::GET, "/v1/orders");
        let Recall::Known(caller) =
            self.identity.recall(&snapshot.sources, &http::HeaderMap::new(), &channel, now)
        else {
            panic!("nobody is known by that certificate")
        };
        entry.caller(caller.facts());
        let customer = caller.facts().attributes.get("customer").cloned();
        let context =
            Context::new(&channel, (now.wall, &Arc::default()), (http::Method::GET, Some(0)), (None, None));
        let operation = Operation::List(self.order.clone());
        entry.operation(Action::List, "Order");
        entry.replayable();
        let prospect = prospect(&snapshot.policies, &self.memo, caller, operation, context).unwrap();
        entry.foreseen(&prospect);
        for row in 0..ROWS {
            let record = self.record(n * ROWS + row, customer.as_ref());
            entry.judged_on(&self.order, (&prospect.reads(), &[]), &record, "");
            let Judged::Shown(shown) = show(&prospect, record, None) else { panic!("it is to be seen") };
            entry.came(Came::Shown(shown.fields(), shown.masks().into()));
            entry.shown(&shown, &format!("order-{n}-{row}"));
        }
        entry.system(&"erp".into(), Some(200), 1_834, 412, 2_907);
        entry
    }

    fn record(&self, n: u64, customer: Option<&Attribute>) -> Record {
        let customer = match customer {
            Some(Attribute::Reference(_, id)) => id.to_string(),
            _ => format!("customer-{}", n % 1_000),
        };
        let status = ["open", "closed", "on_hold"][usize::try_from(n % 3).unwrap()];
        let mut record = Record::default();
        for (name, text) in [("id", &*format!("order-{n}")), ("customer", &customer), ("status", status)] {
            let (position, _) = self.order.root.field(name).unwrap();
            record.fields.set(position, Value::Text(text.into()));
        }
        record
    }
}

fn request(n: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RequestId(bytes)
}

fn channel(certificate: u8) -> Channel {
    let peer = "192.0.2.7:4711".parse().unwrap();
    let tls = TlsFacts {
        version: "1.3",
        server_name: Some("gate.example".into()),
        certificate: Some(Digest([certificate; 32])),
        standing: Default::default(),
    };
    Channel { listener: "main".into(), peer, address: "192.0.2.7".parse().unwrap(), tls: Some(tls) }
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
