//! `bramka policy lock`: writes down every file of a bundle, so that it can be signed.

use std::fs;

use clap::Args;

use super::{Where, replace};
use crate::{
    cli::{Came, error::VerbError, out},
    config::{Files, LOCK, Lock, Report},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bramka policy lock --policies policies\n  \
    ssh-keygen -Y sign -n bramka-bundle -f ~/.ssh/id_ed25519 policies/bundle.lock\n\n\
    Its version is one more than that of the lock that stands there. Where that fits the files, it stays as it is.")]
pub(in crate::cli) struct LockOf {
    /// Another version; higher than that of the lock that stands there
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=i64::MAX.unsigned_abs()))]
    version: Option<u64>,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &LockOf) -> Result<Came, VerbError> {
    let policies = &arguments.place.policies;
    let files = Files::read(policies).map_err(|found| VerbError::Bundle(Report::without_files(found)))?;
    let version = match (files.lock().map(Lock::read), arguments.version) {
        (Some(Ok(lock)), None) if lock.misfits(&files).is_empty() => {
            out::say(&format!("version {} fits already", lock.version));
            return Ok(Came::Right);
        }
        (Some(Ok(lock)), Some(version)) if version <= lock.version => {
            let told = format!("a lock of version {} stands there; `--version` must be higher", lock.version);
            return Err(VerbError::Misused(told));
        }
        (Some(Ok(lock)), None) => lock.version.saturating_add(1),
        (None, None) => 1,
        (_, Some(version)) => version,
        (Some(Err(found)), None) => {
            out::note(&format!(
                "say which version this one is with `--version`: `{LOCK}` does not tell its own"
            ));
            return Err(VerbError::Bundle(Report::without_files(found)));
        }
    };
    let lock = Lock::of(&files, version);
    let place = policies.join(LOCK);
    replace(&place, &lock.text()).map_err(VerbError::file(&place))?;
    for signature in files.signatures() {
        let place = policies.join(&*signature.path);
        fs::remove_file(&place).map_err(VerbError::file(&place))?;
        out::note(&format!("`{}` was of the lock before and is gone", signature.path));
    }
    out::say(&format!(
        "version {version} of bundle {}: {} files",
        files.digest().short(),
        files.iter().count()
    ));
    Ok(Came::Right)
}
