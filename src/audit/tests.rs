//! Facts of the whole journal: what survives, what is refused, what is found.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;

use super::*;
use crate::{
    catalog::Action,
    clock::{self, Now},
    identity::{Attribute, CredentialId, Facts},
    policy::Detail,
    schema::{Class, Entity, Field, FieldSet, LeafId, LeafKind, Object, Shape},
    words::{Channel, Digest, Kind, PrincipalId, RequestId, StatementId, SystemName, TlsFacts},
};

mod crash;
mod elsewhere;
mod encrypted;
mod erased;
mod failing;
mod put_away;
mod searched;
mod story;
mod unknown;

/// A directory with keys and a journal.
struct Bench {
    data: tempfile::TempDir,
    keys: Arc<JournalKeys>,
    encryption: Encryption,
}

/// Signs heads when it is closed and rotates: on a slow machine as many lines as on a fast one.
fn quiet(options: JournalOptions) -> JournalOptions {
    JournalOptions { head_interval: Duration::from_secs(3600), ..options }
}

impl Bench {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let keys = Arc::new(JournalKeys::open(&data.path().join("keys")).unwrap());
        Self { data, keys, encryption: Encryption::AsStands }
    }

    /// The same, with segments that stand encrypted.
    fn encrypted() -> Self {
        let bench = Self::new();
        bench.keys.wrapping().settle(&Encryption::Own(None), clock::now().wall).unwrap();
        bench.keys.wrapping().told().unwrap();
        bench
    }

    fn options(&self) -> JournalOptions {
        let mut boot = [0; 16];
        keys::fill(&mut boot).unwrap();
        let options = JournalOptions::new(self.data.path().join("audit"), "main", RequestId(boot));
        JournalOptions { role: Role::Gate, encryption: self.encryption.clone(), ..options }
    }

    fn open(&self) -> Journal {
        Journal::open(self.options(), self.keys.clone(), clock::now()).unwrap()
    }

    fn try_open(&self) -> Result<Journal, JournalError> {
        Journal::open(self.options(), self.keys.clone(), clock::now())
    }

    fn gate(&self) -> PathBuf {
        self.options().gate_directory()
    }

    fn lane(&self) -> PathBuf {
        self.gate().join("0")
    }

    fn verify(&self) -> Report {
        verify(&self.gate(), &[self.keys.public()], None, Some(&self.keys)).unwrap()
    }

    /// What kill -9 at this moment would leave: the files as they are, under keys that stay.
    fn crashed(&self) -> Self {
        let data = tempfile::tempdir().unwrap();
        copy(self.data.path(), data.path());
        Self { data, keys: self.keys.clone(), encryption: self.encryption.clone() }
    }

    fn lines(&self) -> Vec<Line> {
        read_lane(&self.lane(), self.keys.wrapping()).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        self.lines().iter().map(|line| line.facts().unwrap().kind.to_owned()).collect()
    }

    fn reopen(&self, options: impl FnOnce(JournalOptions) -> JournalOptions) -> Journal {
        Journal::open(options(self.options()), self.keys.clone(), clock::now()).unwrap()
    }

    /// Changes an entry of the lane and makes its checksum right again, as somebody without the key would.
    fn rewrite(&self, sequence: u64, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let line = self.lines().into_iter().find(|line| line.sequence == sequence).unwrap();
        let at = line.leaf().find(from).unwrap();
        let segment = recover::segments(&self.lane()).unwrap();
        let segment = &segment.iter().rfind(|segment| segment.first <= sequence).unwrap().path;
        let mut bytes = fs::read(segment).unwrap();
        let start = usize::try_from(line.offset).unwrap();
        let end = start + usize::try_from(line.len()).unwrap();
        let (leaf, place) = (line.leaf().len(), start + line::HEAD_LEN + at);
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        let beside = end - start - line::HEAD_LEN - leaf - 2;
        line::finish(&mut bytes[start..end], leaf, beside).unwrap();
        assert!(parse_line(&bytes[start..end]).is_ok());
        fs::write(segment, bytes).unwrap();
    }

    /// The open segment's file.
    fn segment(&self) -> PathBuf {
        recover::segments(&self.lane()).unwrap().pop().unwrap().path
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to)),
        }
    }
}

fn id() -> RequestId {
    let mut bytes = [0; 16];
    keys::fill(&mut bytes).unwrap();
    RequestId(bytes)
}

fn channel(address: &str) -> Channel {
    let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
    let tls = TlsFacts {
        version: "1.3",
        server_name: Some("gate.example".into()),
        certificate: None,
        standing: Default::default(),
    };
    Channel { listener: "main".into(), peer, address: peer.ip(), tls: Some(tls) }
}

fn facts(id: &str) -> Arc<Facts> {
    Arc::new(Facts {
        kind: Kind::Partner,
        id: PrincipalId::new(id),
        partner: Some("acme".into()),
        groups: vec!["Partners".into()],
        attributes: [("region".into(), Attribute::Text("PL".into()))].into(),
        plan: Some("partner".into()),
        scopes: vec!["orders".into()],
        credential: CredentialId::Token("jti-1".into()),
        issued_at: None,
        expires_at: None,
        digest: Digest::of(id.as_bytes()),
    })
}

fn entry(journal: &Journal) -> Entry {
    let mut entry = Entry::open(&journal.lane(0), id(), &channel("192.0.2.7"), clock::now());
    entry.head(&http::Method::GET, "/v1/orders/4711?secret=1");
    entry.caller(&facts("mila"));
    entry.operation(Action::Read, "Order");
    entry
}

async fn answered(journal: &Journal) -> Result<Answered, JournalError> {
    entry(journal).answer(200, Some(12), clock::now()).await
}

fn order() -> Arc<Entity> {
    let leaf = |path: &str, class, subject: Option<&str>, reference: Option<&str>| crate::schema::Leaf {
        path: path.into(),
        kind: LeafKind::Id,
        class,
        subject: subject.map(Into::into),
        reference: reference.map(Into::into),
        in_list: false,
        unordered: false,
        natural_key: false,
        element: None,
        money: None,
        contact: None,
        sum: Vec::new(),
    };
    let field = |name: &str, leaf: u8| Field {
        name: name.into(),
        shape: Shape::Leaf(LeafId(leaf)),
        leaves: u16::from(leaf)..u16::from(leaf) + 1,
        required: false,
        items_max: 0,
        nullable: false,
        read_only: false,
        description: "".into(),
    };
    Arc::new(Entity {
        name: "Order".into(),
        collection: "orders".into(),
        description: "".into(),
        root: Object { fields: vec![field("id", 0), field("customer", 1), field("contact", 2)] },
        leaves: vec![
            leaf("id", Class::Internal, None, None),
            leaf("customer", Class::Internal, None, Some("Customer")),
            leaf("contact", Class::Personal, Some("customer"), None),
        ],
        contacts: Default::default(),
    })
}
