//! What a bundle passes before it serves, at the start and at every reload: its version is not below one that served,
//! its files are kept, and the journal says that it serves, who signed it, and what that opens and closes.

use std::{io, sync::Arc};

use super::run::{Known, Options};
use crate::{
    audit::{Journal, JournalError},
    claims::Diff,
    clock::Now,
    config::{self, Files, KeptBundles, LOCK, Means, Placeholders, RawBundle, Report, Signed, Snapshot},
    store::{Raised, Store, StoreError},
    upstream,
    words::{Diagnostic, Place},
};

/// LIMIT: callers of a bundle that are compared before it serves; each takes some milliseconds.
const COMPARED_MAX: usize = 200;

/// What a bundle opens and closes, as far as that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// How many callers gain something, lose something, and have other conditions than before.
    Compared([usize; 3]),
    /// Why that is not known.
    NotCompared(&'static str),
}

impl Access {
    /// Against the bundle that serves.
    pub(super) fn between(old: &Snapshot, new: &Snapshot) -> Self {
        if old.digest == new.digest {
            return Self::Compared([0; 3]);
        }
        match Diff::between(old, new, COMPARED_MAX) {
            Some(diff) => Self::Compared(diff.people()),
            None => Self::NotCompared("too many callers"),
        }
    }

    /// Against the bundle that served last, as it was kept. Blocks.
    pub(super) fn since(options: &Options, known: &Known<'_>, new: &Snapshot, now: Now) -> Self {
        let kept = match KeptBundles::of(&options.data).all() {
            Ok(kept) => kept.into_iter().next(),
            Err(_) => return Self::NotCompared("the kept bundles cannot be read"),
        };
        let Some(kept) = kept else { return Self::NotCompared("none has served before") };
        if kept.digest == new.digest {
            return Self::Compared([0; 3]);
        }
        let Some(files) = kept.files() else { return Self::NotCompared("the one before is damaged") };
        let raw = RawBundle::of(files, &Placeholders);
        let (registry, own) = (upstream::Registry::default(), raw.addresses());
        let Known { pseudonyms, ids, .. } = *known;
        let means = Means { registry: &registry, own: &own, pseudonyms, base: &options.base, now, ids };
        match config::compile(raw, &means) {
            Ok((old, _)) => Self::between(&old, new),
            Err(_) => Self::NotCompared("the one before does not load any more"),
        }
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Compared(people) => {
                ["gained", "lost", "unclear"].into_iter().zip(people.map(|count| count.to_string())).collect()
            }
            Self::NotCompared(why) => vec![("not_compared", (*why).to_owned())],
        }
    }
}

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
    (snapshot, access): (&Snapshot, &Access),
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
    let access = access.details();
    details.extend(access.iter().map(|(name, count)| (*name, count.as_str())));
    journal.administrative(act, "gate", &details, now).await.map(drop)
}
