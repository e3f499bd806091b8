//! `bundle.lock`: every file of a bundle with its SHA-256, under a version that rises.
//!
//! Whoever signs it signs the bundle: a file that is missing, changed or there besides makes it another bundle. Its
//! text is for people too, so that a review shows which files changed.
//!
//! ```
//! use bramka::config::{Files, Lock};
//! let files = Files::from_texts([("limits.yaml".into(), "strangers: { rate: 5/s }\n".into())]).unwrap();
//! let lock = Lock::of(&files, 7);
//! assert!(lock.text().contains("version: 7\nfiles:\n  limits.yaml: "));
//! assert!(lock.misfits(&files).is_empty());
//! ```

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use data_encoding::HEXLOWER;
use serde_json::{Value as Json, json};

use super::files::{Files, LOCK, Source};
use crate::{
    words::{
        Diagnostic, Diagnostics, Digest, Place, Severity,
        tree::Node,
        yaml::{FromYaml, Named, Spanned, expected},
    },
    yaml_object,
};

/// LIMIT: misfits told one by one.
const TOLD_MAX: usize = 20;

/// The files of a bundle as they must be.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Rises with every bundle.
    pub version: u64,
    files: BTreeMap<Arc<str>, (Digest, Place)>,
}

yaml_object! {
    /// The lock as a file.
    struct LockFile {
        /// One more than that of the lock before, 1 at first.
        version: Spanned<Version>;
        /// Every file of the bundle and its SHA-256.
        files: Named<Spanned<Sha256>>;
    }
}

impl Lock {
    /// The lock of a bundle as it is.
    pub fn of(files: &Files, version: u64) -> Self {
        let place = Place::file(LOCK);
        let files = files
            .iter()
            .map(|source| (source.path.clone(), (Digest::of(source.text.as_bytes()), place.clone())));
        Self { version, files: files.collect() }
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong in it, at its place.
    pub fn read(source: &Source) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let read = Files::parsed(source, &mut found).and_then(|node| LockFile::read(&node, &mut found));
        match read {
            Some(read) if !found.has_errors() => {
                let row = |(path, digest): (Spanned<String>, Spanned<Sha256>)| {
                    (path.value.into(), (digest.value.0, path.place))
                };
                Ok(Self { version: read.version.value.0, files: read.files.0.into_iter().map(row).collect() })
            }
            Some(_) | None => Err(found),
        }
    }

    /// Its text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# Every file of the bundle and its SHA-256, written by `bramka policy lock`. Whoever signs this signs them.\n\
             version: {}\nfiles:\n",
            self.version
        );
        for (path, (digest, _)) in &self.files {
            // A name of a file may be anything; quoted it is only a name.
            let name = if is_plain(path) { path.to_string() } else { json!(path).to_string() };
            text.push_str(&format!("  {name}: {digest}\n"));
        }
        text
    }

    /// In what the bundle differs from it: files that are missing, changed, or there besides.
    pub fn misfits(&self, files: &Files) -> Vec<Diagnostic> {
        let mut all = Vec::new();
        for (path, (wanted, place)) in &self.files {
            match files.source(path) {
                None => all
                    .push(Diagnostic::error(place, format!("`{path}` is in the lock and not in the bundle"))),
                Some(source) if Digest::of(source.text.as_bytes()) != *wanted => {
                    all.push(Diagnostic::error(place, format!("`{path}` is another than the lock says")));
                }
                Some(_) => {}
            }
        }
        for source in files.iter().filter(|source| !self.files.contains_key(&source.path)) {
            let message = format!("`{}` is in the bundle and not in the lock", source.path);
            all.push(Diagnostic::error(&Place::file(source.path.clone()), message));
        }
        all.into_iter().map(|one| one.help(HELP)).collect()
    }
}

const HELP: &str =
    "put the files back as they were signed, or write the lock anew with `bramka policy lock` and sign it";

/// Those of the misfits that are told.
pub(super) fn told(mut misfits: Vec<Diagnostic>) -> Diagnostics {
    let more = misfits.len().saturating_sub(TOLD_MAX);
    misfits.truncate(TOLD_MAX);
    if more > 0 {
        misfits.push(Diagnostic::error(&Place::file(LOCK), format!("{more} more files do not fit the lock")));
    }
    Diagnostics(misfits)
}

/// Doubts about a lock that stands in a bundle and that nobody rests on.
pub(super) fn doubts(files: &Files) -> Diagnostics {
    let Some(lock) = files.lock() else { return Diagnostics::default() };
    let found = match Lock::read(lock) {
        Ok(lock) => told(lock.misfits(files)),
        Err(found) => found,
    };
    doubted(found)
}

/// The same, as what a person should look at.
pub(super) fn doubted(found: Diagnostics) -> Diagnostics {
    let doubt = |one: Diagnostic| Diagnostic { severity: Severity::Warning, ..one };
    Diagnostics(found.0.into_iter().map(doubt).collect())
}

fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        && path.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// A version: from 1.
#[derive(Clone, Copy, Debug)]
struct Version(u64);

impl FromYaml for Version {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        // LIMIT: what the store can hold.
        let can_be = |version: &u64| *version > 0 && i64::try_from(*version).is_ok();
        let read = node.as_text().and_then(|text| u64::from_str(text).ok()).filter(can_be);
        if read.is_none() {
            expected(node, "a version, a whole number from 1", found);
        }
        read.map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1 })
    }
}

/// A digest in hex.
#[derive(Clone, Copy, Debug)]
struct Sha256(Digest);

impl FromYaml for Sha256 {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let bytes = node.as_text().and_then(|text| HEXLOWER.decode(text.as_bytes()).ok());
        let read = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(|bytes| Self(Digest(bytes)));
        if read.is_none() {
            expected(node, "a SHA-256, 64 small hex digits", found);
        }
        read
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        Files::from_texts(texts.iter().map(|(path, text)| (Arc::from(*path), Arc::from(*text)))).unwrap()
    }

    fn source(text: &str) -> Source {
        Source { path: LOCK.into(), text: text.into() }
    }

    const BUNDLE: [(&str, &str); 3] =
        [("access/a.cedar", "permit"), ("access/b c.cedar", "forbid"), ("limits.yaml", "{}")];

    #[test]
    fn a_lock_reads_as_it_was_written_whatever_files_are_called() {
        let names = [
            "access/b c.cedar",
            "access/a: b.cedar",
            "access/\"q\".cedar",
            "access/#.cedar",
            "access/ż.cedar",
        ];
        let all: Vec<(&str, &str)> = names.into_iter().map(|name| (name, "x")).chain(BUNDLE).collect();
        let bundle = files(&all);
        let lock = Lock::of(&bundle, 3);
        let read = Lock::read(&source(&lock.text())).unwrap();
        assert_eq!((read.version, read.files.len()), (3, bundle.iter().count()));
        assert!(read.misfits(&bundle).is_empty());
    }

    #[test]
    fn what_is_missing_changed_or_besides_does_not_fit() {
        let lock = Lock::of(&files(&BUNDLE), 1);
        let [a, b, c] = BUNDLE;
        let told = |texts: &[(&str, &str)]| {
            lock.misfits(&files(texts)).iter().map(|one| one.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(told(&[a, c]), ["`access/b c.cedar` is in the lock and not in the bundle"]);
        assert_eq!(told(&[a, (b.0, "forbid "), c]), ["`access/b c.cedar` is another than the lock says"]);
        assert_eq!(
            told(&[a, b, c, ("proofs.yaml", "")]),
            ["`proofs.yaml` is in the bundle and not in the lock"]
        );
        assert!(told(&[a, b, c]).is_empty());
    }

    #[test]
    fn a_lock_that_is_none_is_told_at_its_place() {
        let told = |text: &str| Lock::read(&source(text)).unwrap_err().to_string();
        assert!(told("version: 0\nfiles: {}\n").starts_with("bundle.lock:1:10: error: expected a version"));
        assert!(told("version: 99999999999999999999\nfiles: {}\n").contains("expected a version"));
        assert!(told("version: 1\nfiles: { limits.yaml: abc }\n").contains("expected a SHA-256"));
        assert!(told("version: 1\nfile: {}\n").contains("did you mean `files`"));
        assert!(told("<<<<<<< HEAD\nversion: 1\n").starts_with("bundle.lock:"));
        let twice = format!("version: 1\nfiles:\n  a.yaml: {0}\n  a.yaml: {0}\n", "0".repeat(64));
        assert!(told(&twice).contains("bundle.lock:4:3"), "{}", told(&twice));
    }

    #[test]
    fn a_lock_that_does_not_fit_is_a_doubt_where_nobody_rests_on_it() {
        let text = Lock::of(&files(&BUNDLE), 1).text();
        let mut with: Vec<(&str, &str)> = BUNDLE.to_vec();
        with.push((LOCK, &text));
        assert!(doubts(&files(&with)).0.is_empty());
        assert_eq!(files(&with).digest(), files(&BUNDLE).digest(), "a lock makes no other bundle");
        assert_ne!(files(&with).content(), files(&BUNDLE).content());
        with.remove(1);
        let told = doubts(&files(&with));
        assert!(!told.has_errors() && told.0.len() == 1, "{told}");
    }
}
