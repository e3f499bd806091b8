//! A gate's own data as verbs open it, beside a gate that may be running on it: store, keys, journal.
//!
//! A second process has a lane of the journal of its own; the running gate hears of what was written to the
//! store within a quarter of a second.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::rand;

use super::error::VerbError;
use crate::{
    admin::Acting,
    audit::{
        self, Erased, Fetch, Journal, JournalError, JournalKeys, JournalOptions, KeyChange, KeyId, Progress,
        Putting, Receipt, Retained, Rewrapped, Subject, Wanted,
    },
    clock::{self, Now},
    config::{self, ProcessEnv, Report},
    crosswalk::MadeUp,
    gateway,
    identity::{self, Revocations, Settings, Sources},
    schema::{self, Schema},
    sinks,
    store::{HeadRow, Store, StoreError, check_rights},
    tokens::Tokens,
    words::{RequestId, yaml::FromYaml},
};

/// The private keys whose presence says that a journal can be written here.
const PRIVATE: [&str; 2] = ["journal-signing.key", "journal-digest.key"];
/// The public one beside them.
const PUBLIC: &str = "journal.pub";

/// The folder of keys, store and journal.
#[derive(Clone, Debug)]
pub(super) struct Data(PathBuf);

impl Data {
    /// The folder of a gate that was started once.
    pub(super) fn existing(folder: &Path) -> Result<Self, VerbError> {
        let data = Self(folder.to_owned());
        if data.store_file().is_file() || data.audit().is_dir() {
            return Ok(data);
        }
        Err(VerbError::NoData(folder.to_owned()))
    }

    fn store_file(&self) -> PathBuf {
        self.0.join("bramka.db")
    }

    /// Where the journals of all gates lie.
    pub(super) fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// Where the cursors of a gate's sinks lie.
    pub(super) fn sinks(&self, gate: &str) -> PathBuf {
        sinks::folder(&self.0, gate)
    }

    /// Where the journal's index lies, unless another place is named.
    pub(super) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    /// Where the journal's keys lie.
    pub(super) fn journal_keys(&self) -> PathBuf {
        self.0.join("keys").join("journal")
    }

    /// Whether the journal's keys are all here: it can be written, and opening them makes none.
    pub(super) fn has_journal_keys(&self) -> bool {
        PRIVATE.into_iter().chain([PUBLIC]).all(|name| self.journal_keys().join(name).is_file())
    }

    /// Whether this is a gate's own folder rather than a copy of one: what is somebody's evidence is left as it is.
    /// Nothing is opened for it.
    pub(super) fn check_own(&self, gate: &str) -> Result<(), VerbError> {
        let keys = PRIVATE.map(|name| self.journal_keys().join(name));
        for file in [self.store_file()].iter().chain(&keys) {
            check_rights(file, "600").map_err(|loose| VerbError::NotThere(loose.to_string()))?;
            check_writable(file)?;
        }
        for folder in [&self.0, &self.audit().join(gate)] {
            check_writable(folder)?;
        }
        Ok(())
    }

    /// The store; none where there never was one.
    pub(super) fn store(&self) -> Result<Option<Store>, StoreError> {
        let file = self.store_file();
        file.is_file().then(|| Store::open(&file)).transpose()
    }

    /// The heads the store keeps, read without writing anything; none where there never was a store. Blocks.
    pub(super) fn heads(&self) -> Result<Option<Vec<HeadRow>>, StoreError> {
        let file = self.store_file();
        file.is_file().then(|| Store::heads_of(&file)).transpose()
    }

    /// The store and the issuer of credentials over it.
    pub(super) async fn tokens(&self, now: Now) -> Result<Tokens, VerbError> {
        let store = Store::open(&self.store_file())?;
        let keys = self.0.join("keys");
        Ok(Tokens::open(store, &keys, Arc::new(Revocations::default()), now).await?)
    }

    /// The gates that have a journal here.
    pub(super) fn gates(&self) -> Result<Vec<String>, VerbError> {
        let audit = self.audit();
        let entries = match fs::read_dir(&audit) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(VerbError::file(audit)(error)),
        };
        let mut gates = Vec::new();
        for entry in entries {
            let entry = entry.map_err(VerbError::file(&audit))?;
            if entry.path().is_dir() {
                gates.extend(entry.file_name().into_string());
            }
        }
        gates.sort();
        Ok(gates)
    }

    /// The one gate that is meant: named, or the only one.
    pub(super) fn gate(&self, named: Option<&str>) -> Result<String, VerbError> {
        let gates = self.gates()?;
        match (named, gates.as_slice()) {
            (Some(name), all) if all.iter().any(|gate| gate == name) => Ok(name.to_owned()),
            (Some(name), _) => Err(VerbError::NotThere(format!(
                "there is no journal of a gate `{name}` in `{}`",
                self.audit().display()
            ))),
            (None, [one]) => Ok(one.clone()),
            (None, []) => Err(VerbError::NoData(self.0.clone())),
            (None, several) => Err(VerbError::Misused(format!(
                "`{}` holds the journals of several gates; name one with `--gate`: {}",
                self.audit().display(),
                several.join(", ")
            ))),
        }
    }

    /// The gate whose journal takes an act: the bundle's, or where that cannot be read the only one here.
    pub(super) fn acting_gate(&self, policies: &Path) -> Result<String, VerbError> {
        match gate_of(policies) {
            Ok(gate) => Ok(gate),
            Err(report) => self.gate(None).map_err(|_| VerbError::Bundle(report)),
        }
    }
}

/// Refuses what is marked read-only. To root nothing is, so the mark itself is looked at.
fn check_writable(path: &Path) -> Result<(), VerbError> {
    let failed = |source| VerbError::File { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.permissions().readonly() {
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only")));
    }
    Ok(())
}

/// The journal, opened for acts of this process.
#[derive(Debug)]
pub(super) struct Record {
    journal: Journal,
    by: String,
}

impl Record {
    /// Takes a lane of its own. Blocks.
    pub(super) fn open(data: &Data, gate: &str, now: Now) -> Result<Self, JournalError> {
        let mut boot = [0; 16];
        rand::fill(&mut boot)
            .map_err(|_| JournalError::Setting("the system gives no random bytes".to_owned()))?;
        let keys = JournalKeys::open(&data.journal_keys())?;
        let mut options = JournalOptions::new(data.audit(), gate, RequestId(boot));
        // A few lines: no room is set aside for them.
        options.reserve_bytes = 0;
        let kept = data
            .heads()
            .map_err(|error| JournalError::Setting(format!("the store's heads cannot be read: {error}")))?;
        options.kept_heads = kept.unwrap_or_default().into_iter().map(|head| head.checkpoint).collect();
        let journal = Journal::open(options, Arc::new(keys), now)?;
        Ok(Self { journal, by: operator() })
    }

    /// The same for taking back: on a full disk it may have the room that the store set aside. Blocks.
    pub(super) fn open_with_room(
        data: &Data,
        store: &Store,
        gate: &str,
        now: Now,
    ) -> Result<Self, JournalError> {
        loop {
            match Self::open(data, gate, now) {
                Err(JournalError::Full) if store.give_up_room() => {}
                opened => return opened,
            }
        }
    }

    /// Whoever runs this process, acting on credentials.
    pub(super) fn acting<'a>(&'a self, tokens: &'a Tokens) -> Acting<'a> {
        Acting { tokens, journal: &self.journal, by: &self.by }
    }

    /// A reading, synced when this returns.
    pub(super) async fn reading(&self, what: &str) -> Result<u64, JournalError> {
        self.journal.reading(what, &self.by, clock::now()).await
    }

    /// An act, synced when this returns.
    pub(super) async fn act(&self, act: &'static str, details: &[(&str, &str)]) -> Result<u64, JournalError> {
        self.journal.administrative(act, &self.by, details, clock::now()).await
    }

    /// Leave to ask systems for something, synced when this returns.
    pub(super) async fn look(&self, what: &str) -> Result<Receipt<Fetch>, JournalError> {
        let mut id = [0; 16];
        rand::fill(&mut id)
            .map_err(|_| JournalError::Setting("the system gives no random bytes".to_owned()))?;
        self.journal.look(what, &self.by, RequestId(id), clock::now()).await
    }

    /// Who or what goes by a name, as entries have it.
    pub(super) fn subject(&self, kind: &str, id: &str) -> Subject {
        Subject::new(self.journal.keys(), kind, id)
    }

    /// Looks for what would be erased. Blocks.
    pub(super) fn find_erasable(
        &self,
        subject: &Subject,
        progress: &Progress,
    ) -> Result<Erased, JournalError> {
        audit::find_erasable(self.journal.directory(), self.journal.keys(), subject, progress)
    }

    /// Erases it, with an entry for it before. Blocks.
    pub(super) fn erase(&self, subject: &Subject, progress: &Progress) -> Result<Erased, JournalError> {
        audit::erase(&self.journal, subject, &self.by, &clock::now, progress)
    }

    /// Begins another wrapping key, in the journal first, and wraps the keys of all segments by it.
    pub(super) async fn rotate(&self) -> Result<(Option<KeyChange>, Rewrapped), JournalError> {
        let change = self.journal.begin_wrapping(&self.by, clock::now()).await?;
        Ok((change, self.journal.rewrap().await?))
    }

    /// Destroys a wrapping key that wraps nothing, in the journal first.
    pub(super) async fn destroy(&self, id: KeyId) -> Result<(), JournalError> {
        self.journal.destroy_wrapping(id, &self.by, clock::now()).await
    }

    /// Puts away what a rule has go, with an entry for it before. Blocks.
    pub(super) fn retain(&self, wanted: &Wanted<'_>, putting: &Putting) -> Result<Retained, JournalError> {
        audit::retain(&self.journal, wanted, &self.by, &clock::now, putting)
    }

    /// Says that whatever else is kept of somebody is about to be erased, synced when this returns.
    pub(super) async fn erases_beside(&self, subject: &Subject) -> Result<u64, JournalError> {
        let details = [("what", "data quality"), ("subject", &*subject.digest().to_string())];
        self.journal.administrative("erase", &self.by, &details, clock::now()).await
    }

    /// Ends the session of this process, and keeps its head in the store too.
    pub(super) async fn close(self, store: &Store) -> Result<(), VerbError> {
        self.journal.close(clock::now()).await?;
        Ok(gateway::keep_heads(&self.journal, store).await?)
    }
}

/// Who acts, as far as the system itself knows: an account, no name that anybody could claim.
fn operator() -> String {
    #[cfg(unix)]
    {
        format!("cli:uid-{}", rustix::process::getuid().as_raw())
    }
    #[cfg(not(unix))]
    {
        "cli".to_owned()
    }
}

/// What issuing needs of a bundle; systems, their secrets and statements are not looked at.
pub(super) fn sources(policies: &Path) -> Result<(String, Arc<Sources>), VerbError> {
    let raw = config::load(policies, &ProcessEnv).map_err(VerbError::Bundle)?;
    let mut found = raw.found.clone();
    // Records that principals are given by key are of no concern here.
    let systems: Vec<&str> = raw.systems.iter().map(|system| system.name.value.as_str()).collect();
    let settings = raw.gateway.as_ref().map(|gateway| gateway.ids.clone()).unwrap_or_default();
    let files = config::named(&raw.principals, &settings, None, &systems, &MadeUp, &mut found);
    let registry = match identity::principals::load(&files) {
        Ok((registry, _warnings)) => Some(registry),
        Err(mistakes) => {
            found.absorb(mistakes);
            None
        }
    };
    let sources = registry.zip(raw.gateway.as_ref()).and_then(|(registry, gateway)| {
        let settings = Settings::read(&gateway.identity, &mut found)?;
        Sources::assemble(&settings, registry, &mut found).map(|sources| (gateway, sources))
    });
    match sources {
        Some((gateway, sources)) if !found.has_errors() => Ok((gateway.gate.value.clone(), sources)),
        Some(_) | None => Err(VerbError::Bundle(Report::new(raw.files.clone(), found))),
    }
}

/// The shared schema of a bundle; nothing else of it is looked at.
pub(super) fn schema(policies: &Path) -> Result<Schema, Report> {
    let raw = config::load(policies, &ProcessEnv)?;
    let files: Vec<_> = raw.schema.iter().map(|sheet| (sheet.file.clone(), sheet.node.clone())).collect();
    let schema = schema::load::schema(&files);
    schema.map(|(schema, _warnings)| schema).map_err(|found| Report::new(raw.files.clone(), found))
}

/// The gate's name in a bundle.
fn gate_of(policies: &Path) -> Result<String, Report> {
    let raw = config::load(policies, &ProcessEnv)?;
    match &raw.gateway {
        Some(gateway) => Ok(gateway.gate.value.clone()),
        None => Err(raw.report()),
    }
}

/// A runtime for one verb.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, VerbError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
