//! Every bundle that served, by its digest: `DIGEST/policies/` is the folder as it was read, `DIGEST/served.json` says
//! when and who signed it.
//!
//! What an entry of the journal names can so be looked at again, compared, and put back. A bundle stands here before
//! it serves. It is written as the journal's reads are: it survives the end of the process, not a power cut; what such a
//! cut damaged is told as damaged.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    files::{Files, LOCK, Source},
    trust::Signed,
};
use crate::words::{Digest, open_file};

/// LIMIT: bundles that are kept. Those that served last stay.
pub const KEPT_MAX: usize = 100;
/// LIMIT: bytes of what is told of one.
const SERVED_BYTES_MAX: u64 = 64 * 1024;
/// What is told of one.
const SERVED: &str = "served.json";
/// Its files.
const POLICIES: &str = "policies";

/// The folder of kept bundles.
#[derive(Clone, Debug)]
pub struct KeptBundles {
    root: PathBuf,
}

/// A bundle that served.
#[derive(Clone, Debug)]
pub struct KeptBundle {
    /// Which.
    pub digest: Digest,
    /// Its folder: a bundle like any other.
    pub policies: PathBuf,
    /// How it served; none where that cannot be read.
    pub served: Option<Served>,
}

/// How a bundle served.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// When first.
    pub first_at: Timestamp,
    /// When it last began to.
    pub last_at: Timestamp,
    /// The version of its lock, where that had to be signed.
    pub version: Option<u64>,
    /// Who signed it.
    pub signers: Vec<Arc<str>>,
}

impl KeptBundles {
    /// Those of a gate's data folder.
    pub fn of(data: &Path) -> Self {
        Self { root: data.join("bundles") }
    }

    /// Keeps a bundle that is about to serve, and lets go of the oldest beyond the bound. Blocks.
    ///
    /// # Errors
    /// It cannot be written, and must not serve.
    pub fn keep(&self, files: &Files, signed: Option<&Signed>, now: Timestamp) -> io::Result<()> {
        private(&self.root)?;
        let place = self.root.join(files.digest().to_string());
        if self.of_digest(files.digest()).is_none_or(|kept| !kept.is_whole()) {
            self.write(files, &place)?;
        }
        let policies = place.join(POLICIES);
        for entry in fs::read_dir(&policies)? {
            let name = entry?.file_name();
            if name.to_string_lossy().starts_with(LOCK) && files.text(&name.to_string_lossy()).is_none() {
                fs::remove_file(policies.join(name))?;
            }
        }
        for paper in files.lock().into_iter().chain(files.signatures()) {
            replace(&policies, &paper.path, paper.text.as_bytes())?;
        }
        let first_at = read(&place).map_or(now, |served| served.first_at);
        let served = Served {
            first_at,
            last_at: now,
            version: signed.map(|signed| signed.version),
            signers: signed.map(|signed| signed.signers.clone()).unwrap_or_default(),
        };
        // ORDER: last. What has no such file is not whole yet.
        replace(&place, SERVED, &serde_json::to_vec(&served)?)?;
        self.let_go()
    }

    /// All of them, the newest first. Blocks.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(&self) -> io::Result<Vec<KeptBundle>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            all.extend(
                digest(&entry?.file_name().to_string_lossy()).and_then(|digest| self.of_digest(digest)),
            );
        }
        all.sort_by_key(|kept| std::cmp::Reverse(kept.served.as_ref().map(|served| served.last_at)));
        Ok(all)
    }

    /// The one whose digest begins so; none where several do, or nobody would take it for a digest.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn beginning(&self, text: &str) -> io::Result<Option<KeptBundle>> {
        let mut all = self.all()?.into_iter().filter(|kept| kept.digest.to_string().starts_with(text));
        let first = all.next();
        Ok(first.filter(|_| all.next().is_none()))
    }

    fn of_digest(&self, digest: Digest) -> Option<KeptBundle> {
        let place = self.root.join(digest.to_string());
        place.is_dir().then(|| KeptBundle { digest, policies: place.join(POLICIES), served: read(&place) })
    }

    /// Writes its files beside, and puts them into their place at once.
    fn write(&self, files: &Files, place: &Path) -> io::Result<()> {
        let fresh = self.root.join(format!(".{}", files.digest()));
        if fresh.exists() {
            // A process ended while it wrote.
            fs::remove_dir_all(&fresh)?;
        }
        let policies = fresh.join(POLICIES);
        private(&policies)?;
        for Source { path, text } in files.iter() {
            if let Some((folder, _)) = path.rsplit_once('/') {
                private(&policies.join(folder))?;
            }
            write(&policies.join(&**path), text.as_bytes())?;
        }
        if place.exists() {
            // What is damaged goes.
            fs::remove_dir_all(place)?;
        }
        fs::rename(fresh, place)
    }

    fn let_go(&self) -> io::Result<()> {
        for old in self.all()?.into_iter().skip(KEPT_MAX) {
            fs::remove_dir_all(self.root.join(old.digest.to_string()))?;
        }
        Ok(())
    }
}

impl KeptBundle {
    /// Its files, where they are what they were.
    pub fn files(&self) -> Option<Files> {
        Files::read(&self.policies).ok().filter(|files| files.digest() == self.digest)
    }

    /// Whether its files are what they were.
    pub fn is_whole(&self) -> bool {
        self.files().is_some()
    }
}

fn digest(name: &str) -> Option<Digest> {
    HEXLOWER.decode(name.as_bytes()).ok()?.try_into().ok().map(Digest)
}

fn read(place: &Path) -> Option<Served> {
    let mut text = String::new();
    open_file(&place.join(SERVED)).ok()?.take(SERVED_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// A folder of its owner's alone.
fn private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}

/// Puts a whole file in the place of another.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = folder.join(format!(".{name}"));
    write(&fresh, bytes)?;
    fs::rename(fresh, folder.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::ToSpan as _;
    use tempfile::TempDir;

    use super::*;
    use crate::config::LIMITS;

    fn files(texts: &[(&str, &str)]) -> Files {
        Files::from_texts(texts.iter().map(|(path, text)| (Arc::from(*path), Arc::from(*text)))).unwrap()
    }

    fn kept() -> (TempDir, KeptBundles) {
        let data = tempfile::tempdir().unwrap();
        let kept = KeptBundles::of(data.path());
        (data, kept)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + second.seconds()
    }

    #[test]
    fn a_bundle_that_served_stands_as_it_was_with_its_lock_for_its_owner_alone() {
        let (data, kept) = kept();
        let bundle = [(LIMITS, "{}"), ("access/a.cedar", "permit")];
        let signed = Signed { version: 7, signers: vec!["ewa".into()] };
        let with = |papers: &[(&'static str, &'static str)]| files(&[&bundle, papers].concat());
        kept.keep(&with(&[(LOCK, "version: 7"), ("bundle.lock.ewa.sig", "SIG")]), Some(&signed), at(1))
            .unwrap();
        let [one] = &kept.all().unwrap()[..] else { panic!("one is kept") };
        let read = one.files().unwrap();
        assert_eq!((one.digest, read.text("access/a.cedar").unwrap().as_ref()), (read.digest(), "permit"));
        assert_eq!(read.signatures().count(), 1);
        let folder = data.path().join("bundles").join(one.digest.to_string());
        for (path, mode) in
            [("", 0o700), ("policies/access", 0o700), ("policies/limits.yaml", 0o600), ("served.json", 0o600)]
        {
            let is = fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(is, mode, "{path}");
        }
        // Once more, unsigned: one bundle, told as it served last.
        kept.keep(&with(&[]), None, at(2)).unwrap();
        let [again] = &kept.all().unwrap()[..] else { panic!("one is kept") };
        assert_eq!(again.files().unwrap().content(), again.digest, "no paper of before is left");
        let served = again.served.as_ref().unwrap();
        assert_eq!((served.first_at, served.last_at, served.version), (at(1), at(2), None));
    }

    #[test]
    fn what_was_changed_since_is_told_and_put_right_when_it_serves_again() {
        let (_data, kept) = kept();
        let bundle = files(&[(LIMITS, "{}")]);
        kept.keep(&bundle, None, at(1)).unwrap();
        let one = kept.beginning(&bundle.digest().short()).unwrap().unwrap();
        fs::write(one.policies.join(LIMITS), "{ }").unwrap();
        assert!(!one.is_whole());
        kept.keep(&bundle, None, at(2)).unwrap();
        assert!(one.is_whole());
    }

    #[test]
    fn those_that_served_last_are_kept_and_no_more_than_so_many() {
        let (_data, kept) = kept();
        let many = KEPT_MAX + 2;
        for number in 0..many {
            let text = format!("# {number}");
            kept.keep(&files(&[(LIMITS, &text)]), None, at(i64::try_from(number).unwrap())).unwrap();
        }
        let all = kept.all().unwrap();
        let last = |at: usize| all[at].served.as_ref().unwrap().last_at;
        assert_eq!(
            (all.len(), last(0), last(KEPT_MAX - 1)),
            (KEPT_MAX, at(i64::try_from(many).unwrap() - 1), at(2))
        );
        assert!(kept.beginning("").unwrap().is_none(), "many begin so");
    }
}
