//! Who may sign a bundle, and whether enough of them signed this one.
//!
//! The file is OpenSSH's `allowed_signers`: a line a key, `ewa@example.com namespaces="bramka-bundle" ssh-ed25519 AAAA…`.
//! It says whom the gate believes, so it stands outside the bundle, and only its owner may write it. What it says
//! and is not understood here refuses it whole: a pattern of names, `cert-authority`, a time without `Z`.
//!
//! A signature counts for the person its key belongs to, and a person counts once however many keys they have.

use std::{
    fs,
    io::{self, Read as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ssh_key::{PublicKey, public::KeyData};

use super::{
    files::{Files, LOCK, Source},
    lock::{self, Lock},
    report::Report,
    signature::{NAMESPACE, Signature, is_good},
};
use crate::words::{Diagnostic, Diagnostics, Place, open_file};

/// LIMIT: bytes of the file of signers.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// LIMIT: signers.
const SIGNERS_MAX: usize = 256;
/// LIMIT: bytes of a signer's name; it stands in the journal.
const NAME_BYTES_MAX: usize = 128;

/// Which signatures a bundle needs.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The file of those who may sign.
    pub file: PathBuf,
    /// How many of them must have.
    pub need: NonZeroUsize,
}

/// What is known of a bundle that enough of them signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Of the lock.
    pub version: u64,
    /// Who signed it, by name.
    pub signers: Vec<Arc<str>>,
}

/// A key, and whose it is.
#[derive(Debug)]
struct Signer {
    name: Arc<str>,
    key: KeyData,
    place: Place,
    /// It may sign bundles.
    is_ours: bool,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Trust {
    /// Whether enough of those who may sign signed the lock of these files, and each file is as the lock says. The
    /// warnings come with it: signatures that count for nothing.
    ///
    /// # Errors
    /// Why this bundle must not serve.
    pub(super) fn admit(
        &self,
        dir: &Path,
        files: &Files,
        now: Timestamp,
    ) -> Result<(Signed, Diagnostics), Report> {
        let shown: Arc<str> = self.file.to_string_lossy().into();
        let place = Place::file(shown.clone());
        let text = self.text(dir).map_err(|error| {
            let told = Diagnostic::error(&place, format!("the file of signers cannot be used: {error}"));
            Report::without_files(told.into())
        })?;
        let source = Source { path: shown, text: text.into() };
        let told = |found| Report::new(Arc::new(files.clone()), found).beside(std::slice::from_ref(&source));
        let signers = self.signers(&source).map_err(told)?;
        let Some(lock) = files.lock() else {
            let missing = format!("there is no `{LOCK}`, and this gate serves signed bundles alone");
            let help = "write it with `bramka policy lock`, and have it signed";
            return Err(told(Diagnostic::error(&Place::file(LOCK), missing).help(help).into()));
        };
        // ORDER: signatures first. What nobody signed is not even read.
        let (by, bad) = signed_by(lock, files, &signers, now);
        if by.len() < self.need.get() {
            let has = match by.as_slice() {
                [] => "there is none that counts".to_owned(),
                [one] => format!("there is 1 that counts: {one}"),
                some => format!("there are {} that count: {}", some.len(), some.join(", ")),
            };
            let message = format!("signatures of {} people are needed, and {has}", self.need);
            let help = format!("have it signed: `ssh-keygen -Y sign -n {NAMESPACE} -f KEY {LOCK}`");
            let mut found = bad;
            found.push(Diagnostic::error(&Place::file(LOCK), message).help(help));
            return Err(told(found));
        }
        let read = Lock::read(lock).map_err(told)?;
        let misfits = lock::told(read.misfits(files));
        if misfits.has_errors() {
            return Err(told(misfits));
        }
        Ok((Signed { version: read.version, signers: by }, lock::doubted(bad)))
    }

    /// Reads the file. A bundle never says who may sign it, and who may write the file may sign.
    fn text(&self, dir: &Path) -> io::Result<String> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
        let real = fs::canonicalize(&self.file)?;
        if fs::canonicalize(dir).is_ok_and(|dir| real.starts_with(dir)) {
            return Err(refused("it stands in the folder of the bundle, and no bundle says who may sign it"));
        }
        let file = open_file(&real)?;
        #[cfg(unix)]
        if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o022 != 0 {
            return Err(refused("others than its owner may write it; run `chmod go-w` on it"));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_string(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
            return Ok(text);
        }
        Err(refused(&format!("it is larger than {FILE_BYTES_MAX} bytes")))
    }

    /// Everyone in it.
    fn signers(&self, source: &Source) -> Result<Vec<Signer>, Diagnostics> {
        let mut found = Diagnostics::default();
        let mut signers: Vec<Signer> = Vec::new();
        let mut start = 0;
        for line in source.text.split('\n') {
            let place = Place::in_text(&source.path, &source.text, start, start + line.trim_end().len());
            start += line.len() + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match signer(line, &place) {
                Err(mistake) => found.push(mistake),
                Ok(signer) => match signers.iter().find(|other| other.key == signer.key) {
                    Some(other) => {
                        let message =
                            format!("this key is `{}`'s already, in line {}", other.name, other.place.line);
                        found.error(&place, message);
                    }
                    None => signers.push(signer),
                },
            }
        }
        let place = Place::file(source.path.clone());
        let mut names: Vec<&str> = signers.iter().filter(|one| one.is_ours).map(|one| &*one.name).collect();
        names.sort_unstable();
        names.dedup();
        if signers.len() > SIGNERS_MAX {
            found.error(&place, format!("at most {SIGNERS_MAX} keys may sign"));
        } else if !found.has_errors() && names.len() < self.need.get() {
            let message =
                format!("signatures of {} people are needed, and {} may sign", self.need, names.len());
            found.push(Diagnostic::error(&place, message).help("a person with several keys counts once"));
        }
        found.finish(signers).map(|(signers, _)| signers)
    }
}

/// Who signed the lock, each once, and the signatures that count for nothing.
fn signed_by(
    lock: &Source,
    files: &Files,
    signers: &[Signer],
    now: Timestamp,
) -> (Vec<Arc<str>>, Diagnostics) {
    let (mut by, mut bad): (Vec<Arc<str>>, _) = (Vec::new(), Diagnostics::default());
    for source in files.signatures() {
        match counts(lock, source, signers, now) {
            Ok(name) if by.contains(&name) => {}
            Ok(name) => by.push(name),
            Err(why) => {
                let message = format!("the signature does not count: {why}");
                bad.error(&Place::file(source.path.clone()), message);
            }
        }
    }
    (by, bad)
}

/// Whose signature it is, where it counts.
fn counts(lock: &Source, source: &Source, signers: &[Signer], now: Timestamp) -> Result<Arc<str>, String> {
    let signature = Signature::read(&source.text).map_err(|bad| bad.to_string())?;
    let Some(signer) = signers.iter().find(|signer| signer.key == *signature.key()) else {
        return Err("its key is nobody's who may sign".to_owned());
    };
    let name = &signer.name;
    if !signer.is_ours {
        return Err(format!("`{name}` may not sign bundles with that key (`namespaces`)"));
    }
    if signer.after.is_some_and(|after| now < after) || signer.before.is_some_and(|before| now >= before) {
        return Err(format!("the time of `{name}`'s key is not now"));
    }
    signature.verify(lock.text.as_bytes()).map_err(|bad| bad.to_string())?;
    Ok(name.clone())
}

/// Reads a line: who, perhaps options, and the key.
fn signer(line: &str, place: &Place) -> Result<Signer, Diagnostic> {
    let wrong = |message: String| Diagnostic::error(place, message);
    let (name, rest) = word(line);
    let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?!,\"`".contains(&byte));
    if !is_name || name.len() > NAME_BYTES_MAX {
        let help = format!("one name a line, without patterns, of at most {NAME_BYTES_MAX} letters");
        return Err(wrong("a line begins with who may sign".to_owned()).help(help));
    }
    let mut signer = Signer {
        name: name.into(),
        key: KeyData::Ed25519(ssh_key::public::Ed25519PublicKey([0; 32])),
        place: place.clone(),
        is_ours: true,
        after: None,
        before: None,
    };
    let (first, behind) = word(rest);
    let key = if is_kind(first) {
        rest
    } else {
        for option in commas(first) {
            signer.option(option, place)?;
        }
        behind
    };
    let key = PublicKey::from_openssh(key).map_err(|_| {
        wrong(format!("`{name}` has no key that reads"))
            .help("a line of a `.pub` file behind the name: `ewa@example.com ssh-ed25519 AAAA…`")
    })?;
    signer.key = key.key_data().clone();
    is_good(&signer.key).map_err(|bad| wrong(format!("`{name}`: {bad}")))?;
    Ok(signer)
}

impl Signer {
    fn option(&mut self, option: &str, place: &Place) -> Result<(), Diagnostic> {
        let wrong = |message: String, help: &str| Err(Diagnostic::error(place, message).help(help));
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        match (name, value) {
            ("namespaces", Some(value)) if !value.contains(['*', '?', '!']) => {
                self.is_ours = value.split(',').any(|one| one == NAMESPACE);
                Ok(())
            }
            ("namespaces", _) => wrong(
                "`namespaces` are names in quotes, without patterns".to_owned(),
                &format!("namespaces=\"{NAMESPACE}\""),
            ),
            ("valid-after" | "valid-before", value) => match value.and_then(moment) {
                Some(moment) if name == "valid-after" => {
                    self.after = Some(moment);
                    Ok(())
                }
                Some(moment) => {
                    self.before = Some(moment);
                    Ok(())
                }
                None => wrong(
                    format!("`{name}` is a moment in UTC, with `Z` at its end"),
                    &format!("{name}=\"20271231Z\", or 202712312359Z"),
                ),
            },
            (_, _) => wrong(
                format!("`{name}` is not known here"),
                "a line is `NAME KEY`, with `namespaces`, `valid-after` or `valid-before` between them",
            ),
        }
    }
}

/// A moment as OpenSSH writes it. Without `Z` it would be another one on every machine.
fn moment(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let whole = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    let read = whole
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| DateTime::strptime("%Y%m%d%H%M%S", &whole))?;
    read.ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The first word, and what follows it; within quotes a blank is none.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && c.is_whitespace()
    });
    let (first, rest) = text.split_at_checked(end.map_or(text.len(), |(at, _)| at)).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// What stands between commas, those within quotes left alone.
fn commas(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        !quoted && c == ','
    })
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}
