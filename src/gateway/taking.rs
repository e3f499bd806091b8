//! What a bundle passes before it serves, at the start and at every reload: its version is not below one that served,
//! its files are kept, and the journal says that it serves, who signed it, and what that opens and closes.

use std::{io, sync::Arc};

use super::run::Options;
use crate::{
    audit::{Journal, JournalError},
    clock::Now,
    config::{Files, KeptBundles, LOCK, Report, Signed, Snapshot},
    store::{Raised, Store, StoreError},
    words::{Diagnostic, Place},
};

/// Takes note of a signed bundle as the newest. What is not signed has no version.
///
/// # Errors
/// The store did not take it. Within: an older one, or another of the same version.
pub(super) async fn rank(
    store: &Store,
    snapshot: &Snapshot,
    now: Now,
) -> Result<Result<(), Report>, StoreError> {
    let Some(Signed { version, .. }) = snapshot.signed else { return Ok(Ok(())) };
    let refused = match store.raise_bundle(version, snapshot.digest, now.wall).await? {
        Raised::Newest => return Ok(Ok(())),
        Raised::Older { highest } => {
            format!("the lock is of version {version}, and version {highest} has served")
        }
        Raised::Other { bundle } => {
            format!("another bundle of version {version} has served, {}", bundle.short())
        }
    };
    let help = "to go back, sign a lock of a higher version over the files of before: `bramka policy lock --version`";
    Ok(Err(Report::without_files(Diagnostic::error(&Place::file(LOCK), refused).help(help).into())))
}

/// Keeps the files of a bundle, by its digest.
///
/// # Errors
/// They could not be written.
pub(super) async fn keep(
    options: &Options,
    files: &Arc<Files>,
    signed: Option<&Signed>,
    now: Now,
) -> io::Result<()> {
    let (kept, files, signed) = (KeptBundles::of(&options.data), files.clone(), signed.cloned());
    let keeping = tokio::task::spawn_blocking(move || kept.keep(&files, signed.as_ref(), now.wall));
    keeping.await.map_err(io::Error::other)?
}

/// Writes down that a bundle serves from now on.
///
/// # Errors
/// The journal did not take it.
pub(super) async fn record(
    journal: &Journal,
    act: &'static str,
    snapshot: &Snapshot,
    closing_gone: Option<&str>,
    now: Now,
) -> Result<(), JournalError> {
    let digest = snapshot.digest.to_string();
    let mut details = vec![("bundle", digest.as_str())];
    details.extend(closing_gone.map(|gone| ("closing_gone", gone)));
    let signed =
        snapshot.signed.as_ref().map(|signed| (signed.version.to_string(), signed.signers.join(" ")));
    if let Some((version, signers)) = &signed {
        details.extend([("version", version.as_str()), ("signers", signers.as_str())]);
    }
    journal.administrative(act, "gate", &details, now).await.map(drop)
}
