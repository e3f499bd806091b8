//! `bramka policy`: whether a bundle loads, decides as it must, why it does, and what an editor can know of
//! its files. Nothing here needs a running gate or its data.

mod bundles;
mod cases;
mod check;
mod diff;
mod explain;
mod fmt;
mod formats;
mod lock;
mod matrix;
mod owners;
mod proofs;
mod prove;
mod replay;
mod schema;
mod silent;
mod test;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};

use super::{Came, error::VerbError, serve};
use crate::{
    clock,
    config::{
        self, Env, Files, Means, Placeholders, ProcessEnv, RawBundle, Report, Sheet, Snapshot, SystemSheet,
    },
    crosswalk::MadeUp,
    upstream,
    words::SecretBytes,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load a bundle as the gate would, and tell every mistake: exit code 0 good, 1 not
    Check(check::Check),
    /// Put the requests of tests/*.yaml: exit code 0 where each gets its decision, 1 where one does not
    Test(test::Test),
    /// Tell which statements have a part in a decision, and what is left of a record
    Explain(Box<explain::Explain>),
    /// Tell who can reach which field of which entity by which action, for an auditor
    Matrix(matrix::MatrixOf),
    /// Tell what another bundle opens and closes, by effect: exit code 0 nothing opens, 1 something does
    Diff(diff::DiffOf),
    /// Decide what the journal tells of again under another bundle: exit code 0 nothing changes, 1 something does
    Replay(replay::ReplayOf),
    /// Prove that something cannot be, or tell a request by which it is: exit code 0 proved, 1 not
    Prove(prove::Prove),
    /// Write down every file of the bundle with its SHA-256 in bundle.lock, for it to be signed
    Lock(lock::LockOf),
    /// List the bundles that a gate served: digest, version, when, who signed
    Bundles(bundles::BundlesOf),
    /// Lay out the statements of access/*.cedar, saying the same: exit code 0 done, 1 not all could be
    Fmt(fmt::Fmt),
    /// Print who must review which file, as CODEOWNERS for GitHub and GitLab
    Owners(owners::OwnersOf),
    /// Write the JSON Schemas of the bundle's files, for completion in editors
    Schema(schema::Schema),
}

/// Which bundle.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Matrix(arguments) => matrix::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Replay(arguments) => Ok(replay::run(arguments)),
        Command::Prove(arguments) => prove::run(arguments),
        Command::Lock(arguments) => lock::run(arguments),
        Command::Bundles(arguments) => bundles::run(arguments),
        Command::Fmt(arguments) => fmt::run(arguments),
        Command::Owners(arguments) => owners::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
    }
}

/// Puts the whole text in the place of what stands there, with the rights it has; whoever looks sees the one or the other.
fn replace(place: &Path, text: &str) -> io::Result<()> {
    let rights = match fs::metadata(place) {
        Ok(there) => Some(there.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // What a link leads to is replaced, not the link.
    let place = if rights.is_some() { fs::canonicalize(place)? } else { place.to_owned() };
    // A gate that watches the folder takes such a name for an editor's backup.
    let mut fresh = place.clone().into_os_string();
    fresh.push("~");
    fs::write(&fresh, text)?;
    if let Some(rights) = rights {
        fs::set_permissions(&fresh, rights)?;
    }
    fs::rename(&fresh, place)
}

/// Whether the bundle's secrets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecretsOf {
    /// The environment and files of this machine, as the gate would have them.
    Machine,
    /// Nothing real: what is asked does not depend on them.
    Nobody,
}

/// A bundle that loads, with what was found on the way.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    warnings: Report,
    /// How many samples its mappings were run on.
    samples: usize,
    /// How many of its proofs hold; nothing until they are looked at.
    proved: usize,
    /// How many systems stand in its catalogue, and their samples; nothing until it is looked at.
    catalogue: (usize, usize),
    /// Its files, for what is told of them.
    pub(super) files: Arc<Files>,
    /// `tests/*.yaml`
    tests: Vec<Sheet>,
    /// `proofs.yaml`
    proofs: Vec<Sheet>,
}

/// Loads a bundle as the gate would.
fn load(policies: &Path, secrets: SecretsOf) -> Result<Loaded, Report> {
    let env: &dyn Env = match secrets {
        SecretsOf::Machine => &ProcessEnv,
        SecretsOf::Nobody => &Placeholders,
    };
    compiled(config::load(policies, env)?, policies)
}

/// Compiles what was read of a bundle as the gate would.
pub(super) fn compiled(raw: RawBundle<'_>, policies: &Path) -> Result<Loaded, Report> {
    let samples = raw.systems.iter().map(SystemSheet::samples).sum();
    let own = raw.addresses();
    // No record of a system is shown under this key; a fixed one gives the same pseudonyms in every run.
    let pseudonyms = SecretBytes::new(vec![7; 32]);
    let means = Means {
        registry: &upstream::Registry::default(),
        own: &own,
        pseudonyms: &pseudonyms,
        base: &serve::base(policies),
        now: clock::now(),
        // There is no store here: records that are named by key go by fixed ids.
        ids: &MadeUp,
    };
    let (files, tests, proofs) = (raw.files.clone(), raw.tests.clone(), raw.proofs.clone());
    let (snapshot, warnings) = config::compile(raw, &means)?;
    Ok(Loaded { snapshot, warnings, samples, proved: 0, catalogue: (0, 0), files, tests, proofs })
}
