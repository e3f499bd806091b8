//! The journal's keys: one that signs heads, one that digests ids, and one a month that seals what may have to
//! be erased. They lie in files of their own (0600) and are made when they are first needed.
//!
//! The public half lies beside them. It is written once and never again: where it is another one, somebody changed
//! one of the two, and the gate cannot tell which.
//!
//! Record ids and subjects are digested with HMAC-SHA256, cut to 128 bits: equal ids have equal digests, and
//! nobody without the key can try ids out.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac, rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::{Timestamp, tz::Offset};
use parking_lot::RwLock;
use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::{JournalError, head::PublicKey, tree::sha256, wrapping::WrappingKeys};
use crate::words::{Digest, SecretBytes};

const SIGNING: &str = "journal-signing.key";
const DIGESTING: &str = "journal-digest.key";
const PUBLIC: &str = "journal.pub";
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 12;

/// Keys of one gate's journal.
pub struct JournalKeys {
    directory: PathBuf,
    signing: Ed25519KeyPair,
    digesting: hmac::Key,
    sealing: RwLock<Vec<(Month, Arc<Sealing>)>>,
    wrapping: WrappingKeys,
}

/// A keyed digest of an id: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedDigest(pub [u8; 16]);

/// The period of one sealing key; erasing its file erases everything sealed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// A month's sealing key.
struct Sealing {
    key: LessSafeKey,
    /// What stands before what it sealed: `s2026-11.`
    prefix: String,
}

/// What a sealed part turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// The plain JSON; it fits the commitment in the leaf.
    Plain(String),
    /// The month's key is gone: erased with all it sealed.
    KeyGone,
    /// It does not open, or does not fit its leaf.
    Forged,
}

impl JournalKeys {
    /// Opens the keys in a directory; makes those that are not there yet.
    ///
    /// # Errors
    /// A key cannot be read or made, is open to others, or is not the other half of `journal.pub`.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        make_directory(directory)?;
        let (signing, public) = (directory.join(SIGNING), directory.join(PUBLIC));
        // ORDER: before a key is made: what is left of a lost one says that there was one.
        if public.exists() && !signing.exists() {
            let why = "it is gone, and its public half is still here; put it back, or move `journal.pub` to a safe \
                       place to begin with a new key";
            return Err(bad_key(&signing, why));
        }
        for path in [&signing, &directory.join(DIGESTING)] {
            make_if_missing(path)?;
        }
        let keys = Self::existing(directory)?;
        if !public.exists() {
            let verifier = keys.public().verifier("bramka-journal");
            make_file(&public, &format!("{verifier}\n"), Readers::Anyone)?;
        }
        keys.check_public()?;
        Ok(keys)
    }

    /// Opens the keys that lie in a directory, as they are: nothing is made and nothing written. Their public
    /// half is not looked at; see [`check_public`](Self::check_public).
    ///
    /// # Errors
    /// A key cannot be read, or is open to others.
    pub fn existing(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(SIGNING);
        let signing = Ed25519KeyPair::from_seed_unchecked(read_key(&path)?.expose())
            .map_err(|_| bad_key(&path, "not an Ed25519 seed"))?;
        let digesting = read_key(&directory.join(DIGESTING))?;
        Ok(Self {
            directory: directory.to_owned(),
            signing,
            digesting: hmac::Key::new(hmac::HMAC_SHA256, digesting.expose()),
            sealing: RwLock::default(),
            wrapping: WrappingKeys::of(directory),
        })
    }

    /// Whether the public key left beside these keys is theirs.
    ///
    /// # Errors
    /// It is another one, or cannot be read.
    pub fn check_public(&self) -> Result<(), JournalError> {
        if Self::read_public(&self.directory)? == self.public() {
            return Ok(());
        }
        let why = "it is not the public half of `journal-signing.key` beside it; somebody changed one of the two: \
                   compare them with a copy kept elsewhere, and put the right one back";
        Err(bad_key(&self.directory.join(PUBLIC), why))
    }

    /// The key that heads are checked with; it may be shown to anyone.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.signing.public_key().as_ref());
        PublicKey(bytes)
    }

    /// The public key left beside the others, for who only verifies.
    pub fn read_public(directory: &Path) -> Result<PublicKey, JournalError> {
        let path = directory.join(PUBLIC);
        let text = fs::read_to_string(&path).map_err(JournalError::io("cannot read", &path))?;
        PublicKey::of_verifier(&text).ok_or_else(|| bad_key(&path, "not a signed-note verifier key"))
    }

    /// The digest of a record or principal: `kind` is the entity or the sort of principal.
    pub fn digest(&self, kind: &str, id: &str) -> KeyedDigest {
        let mut bytes = SmallVec::<[u8; 128]>::new();
        bytes.extend_from_slice(kind.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(id.as_bytes());
        let tag = hmac::sign(&self.digesting, &bytes);
        KeyedDigest(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// The same, with a file of wrapping keys that is looked into first.
    #[must_use]
    pub fn looking_in(mut self, wrapping: Option<PathBuf>) -> Self {
        self.wrapping = WrappingKeys::with(&self.directory, wrapping);
        self
    }

    /// The keys that open segments which stand encrypted.
    pub fn wrapping(&self) -> &WrappingKeys {
        &self.wrapping
    }

    pub(super) fn signing(&self) -> &Ed25519KeyPair {
        &self.signing
    }

    /// Makes sure that a month's key is at hand; the road itself then never reads a file.
    pub(super) fn prepare(&self, month: Month) -> Result<(), JournalError> {
        self.sealing_key(month).map(drop)
    }

    /// Seals `plain` for what stands beside a leaf; gives the commitment for the leaf.
    pub(super) fn seal(
        &self,
        month: Month,
        chance: &SealChance,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Digest, JournalError> {
        let sealing = self.sealing_key(month)?;
        let mut bytes = SmallVec::<[u8; 1024]>::new();
        bytes.extend_from_slice(&chance.nonce);
        bytes.extend_from_slice(&chance.commitment_salt);
        bytes.extend_from_slice(plain);
        let (_, salted) = bytes.split_at_mut(NONCE_LEN);
        let commitment = sha256(salted);
        let nonce = Nonce::assume_unique_for_key(chance.nonce);
        let tag = sealing
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(chance.leaf_salt), salted)
            .map_err(|_| bad_key(&self.seal_path(month), "sealing failed"))?;
        bytes.extend_from_slice(tag.as_ref());
        // INVARIANT: `s`, the month, a dot, base64url of nonce, sealed bytes and tag.
        out.extend_from_slice(sealing.prefix.as_bytes());
        let start = out.len();
        out.resize(start + BASE64URL_NOPAD.encode_len(bytes.len()), 0);
        if let Some(place) = out.get_mut(start..) {
            BASE64URL_NOPAD.encode_mut(&bytes, place);
        }
        Ok(commitment)
    }

    /// Opens what stands beside a leaf and checks it against the leaf's commitment.
    pub fn unseal(&self, sealed: &str, leaf_salt: &str, commitment: &str) -> Opened {
        let Some((month, bytes)) = sealed.strip_prefix('s').and_then(|rest| rest.split_once('.')) else {
            return Opened::Forged;
        };
        let Some(month) = Month::parse(month) else { return Opened::Forged };
        let Ok(sealing) = self.existing_key(month) else { return Opened::KeyGone };
        let plain = || {
            let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?;
            let aad: [u8; SALT_LEN] = HEXLOWER.decode(leaf_salt.as_bytes()).ok()?.try_into().ok()?;
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let salted = sealing.key.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?;
            let fits = sha256(salted).to_string() == commitment;
            let plain = salted.get(SALT_LEN..)?;
            fits.then(|| String::from_utf8(plain.to_vec()).ok())?
        };
        plain().map_or(Opened::Forged, Opened::Plain)
    }

    fn sealing_key(&self, month: Month) -> Result<Arc<Sealing>, JournalError> {
        if let Some(key) = self.held(month) {
            return Ok(key);
        }
        let path = self.seal_path(month);
        make_if_missing(&path)?;
        self.hold(month, &read_key(&path)?)
    }

    fn existing_key(&self, month: Month) -> Result<Arc<Sealing>, JournalError> {
        if let Some(key) = self.held(month) {
            return Ok(key);
        }
        let bytes = read_key(&self.seal_path(month))?;
        self.hold(month, &bytes)
    }

    fn held(&self, month: Month) -> Option<Arc<Sealing>> {
        self.sealing.read().iter().find(|(held, _)| *held == month).map(|(_, key)| key.clone())
    }

    fn hold(&self, month: Month, bytes: &SecretBytes) -> Result<Arc<Sealing>, JournalError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose())
            .map_err(|_| bad_key(&self.seal_path(month), "not 32 bytes"))?;
        let sealing = Arc::new(Sealing { key: LessSafeKey::new(key), prefix: format!("s{month}.") });
        self.sealing.write().push((month, sealing.clone()));
        Ok(sealing)
    }

    fn seal_path(&self, month: Month) -> PathBuf {
        self.directory.join(format!("journal-seal-{month}.key"))
    }
}

impl fmt::Debug for JournalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalKeys").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// What must never come twice: two salts and a nonce.
#[derive(Clone, Copy)]
pub(super) struct SealChance {
    pub(super) leaf_salt: [u8; SALT_LEN],
    commitment_salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
}

/// Random bytes, taken from the generator by the page: asking it once an entry costs as much as the entry.
pub(super) struct Chances {
    page: Box<[u8; 4096]>,
    used: usize,
    /// Eight random bytes and a counter: under one key a nonce never comes twice, however many entries a month
    /// has (random nonces alone would be too short for 2³² of them).
    nonce_prefix: [u8; 8],
    nonce_count: u32,
}

impl Chances {
    pub(super) fn new() -> Result<Self, JournalError> {
        let mut page = Box::new([0; 4096]);
        let mut nonce_prefix = [0; 8];
        fill(&mut *page)?;
        fill(&mut nonce_prefix)?;
        Ok(Self { page, used: 0, nonce_prefix, nonce_count: 0 })
    }

    pub(super) fn next(&mut self) -> Result<SealChance, JournalError> {
        let (leaf_salt, commitment_salt) = (self.take()?, self.take()?);
        match self.nonce_count.checked_add(1) {
            Some(next) => self.nonce_count = next,
            None => {
                fill(&mut self.nonce_prefix)?;
                self.nonce_count = 0;
            }
        }
        let mut nonce = [0; NONCE_LEN];
        let (prefix, count) = nonce.split_at_mut(8);
        prefix.copy_from_slice(&self.nonce_prefix);
        count.copy_from_slice(&self.nonce_count.to_be_bytes());
        Ok(SealChance { leaf_salt, commitment_salt, nonce })
    }

    fn take(&mut self) -> Result<[u8; SALT_LEN], JournalError> {
        if self.used + SALT_LEN > self.page.len() {
            fill(&mut *self.page)?;
            self.used = 0;
        }
        let taken =
            self.page.get(self.used..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        self.used += SALT_LEN;
        Ok(taken)
    }
}

impl Month {
    /// The month (UTC) a moment is in.
    pub fn of(moment: Timestamp) -> Self {
        let date = Offset::UTC.to_datetime(moment).date();
        Self { year: date.year(), month: date.month() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let parsed = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        // One spelling only: the text becomes part of a file's name.
        (parsed.to_string() == text && (1..=12).contains(&parsed.month)).then_some(parsed)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedDigest({self})")
    }
}

pub(super) fn fill(bytes: &mut [u8]) -> Result<(), JournalError> {
    rand::fill(bytes).map_err(|_| JournalError::Setting("the system gives no random bytes".to_owned()))
}

fn make_if_missing(path: &Path) -> Result<(), JournalError> {
    if path.exists() {
        return Ok(());
    }
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    make_key(path, &bytes)
}

/// Writes a key into a file of its own.
pub(super) fn make_key(path: &Path, bytes: &[u8; 32]) -> Result<(), JournalError> {
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(HEXLOWER.encode(bytes)).as_str()));
    make_file(path, &text, Readers::Owner)
}

fn read_key(path: &Path) -> Result<SecretBytes, JournalError> {
    // LIMIT: a key file is one short line.
    key_of_hex(path, read_secret(path, 256)?.trim())
}

/// The keys of a file, one a line. LIMIT: sixteen, or so.
pub(super) fn read_keys(path: &Path) -> Result<Vec<SecretBytes>, JournalError> {
    let text = read_secret(path, 16 * 66)?;
    text.split_whitespace().map(|word| key_of_hex(path, word)).collect()
}

fn key_of_hex(path: &Path, hex: &str) -> Result<SecretBytes, JournalError> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).map(SecretBytes::new);
    let whole = bytes.ok().filter(|bytes| bytes.expose().len() == 32);
    whole.ok_or_else(|| bad_key(path, "not 64 hex digits"))
}

/// The text of a file that nobody else may read.
fn read_secret(path: &Path, bytes_max: u64) -> Result<Zeroizing<String>, JournalError> {
    let data = fs::metadata(path).map_err(JournalError::io("cannot read", path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if data.permissions().mode() & 0o077 != 0 {
            return Err(bad_key(path, "others may read it; `chmod 600` it"));
        }
    }
    if !data.is_file() || data.len() > bytes_max {
        return Err(bad_key(path, "not a key file"));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(JournalError::io("cannot read", path))
}

/// Who may read a file that is made.
#[derive(Clone, Copy)]
enum Readers {
    Owner,
    Anyone,
}

impl Readers {
    #[cfg(unix)]
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Anyone => 0o644,
        }
    }
}

/// Writes a fresh file under another name first and links it into place: of two processes that start together
/// one makes it, and a power cut leaves a whole one or none.
fn make_file(path: &Path, text: &str, readers: Readers) -> Result<(), JournalError> {
    let mut name = [0; 8];
    fill(&mut name)?;
    let fresh = path.with_extension(HEXLOWER.encode(&name));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, readers.mode());
    let made = options
        .open(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&fresh, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&fresh);
    made.and(removed).map_err(JournalError::io("cannot make", path))?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory).and_then(|file| file.sync_all()).map_err(JournalError::io("cannot sync", directory))
}

/// Puts a whole file, for its owner alone, in the place of another: a power cut leaves the one or the other.
pub(super) fn replace_file(path: &Path, text: &str) -> Result<(), JournalError> {
    let mut name = [0; 8];
    fill(&mut name)?;
    let fresh = path.with_extension(HEXLOWER.encode(&name));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, Readers::Owner.mode());
    let written = options
        .open(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // What is left of it is in nobody's way.
        drop(fs::remove_file(&fresh));
    }
    let directory = path.parent().unwrap_or(path);
    written.and_then(|()| File::open(directory)?.sync_all()).map_err(JournalError::io("cannot write", path))
}

pub(super) fn make_directory(path: &Path) -> Result<(), JournalError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(JournalError::io("cannot make", path))
}

fn bad_key(path: &Path, why: &str) -> JournalError {
    JournalError::Key { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, JournalKeys) {
        let directory = tempfile::tempdir().unwrap();
        let keys = JournalKeys::open(directory.path()).unwrap();
        (directory, keys)
    }

    fn salt_text(chance: &SealChance) -> String {
        HEXLOWER.encode(&chance.leaf_salt)
    }

    #[test]
    fn keys_are_made_once_and_come_back() {
        let (directory, keys) = keys();
        let again = JournalKeys::open(directory.path()).unwrap();
        assert_eq!(keys.public(), again.public());
        assert_eq!(keys.digest("Order", "1"), again.digest("Order", "1"));
        assert_eq!(JournalKeys::read_public(directory.path()).unwrap(), keys.public());
        assert_ne!(keys.digest("Order", "1"), keys.digest("Order", "2"));
        assert_ne!(keys.digest("Order", "1"), keys.digest("Customer", "1"));
    }

    /// The directory's files, by name.
    fn files(directory: &Path) -> Vec<(String, String)> {
        let of = |entry: fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        };
        let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| of(entry.unwrap())).collect();
        files.sort();
        files
    }

    #[test]
    fn a_public_key_of_another_pair_is_refused_and_left_as_it_is() {
        let ((directory, keys), (other, stranger)) = (keys(), keys());
        let forged = fs::read_to_string(other.path().join(PUBLIC)).unwrap();
        for written in [forged.as_str(), "no key at all", ""] {
            fs::write(directory.path().join(PUBLIC), written).unwrap();
            let before = files(directory.path());
            let refused = JournalKeys::open(directory.path()).unwrap_err();
            assert!(
                matches!(&refused, JournalError::Key { path, .. } if path.ends_with(PUBLIC)),
                "{refused}"
            );
            // Who verifies opens the keys all the same, and is told.
            let existing = JournalKeys::existing(directory.path()).unwrap();
            assert_eq!(existing.public(), keys.public());
            assert!(existing.check_public().is_err());
            assert_eq!(files(directory.path()), before);
        }
        // The same key under another name or without its newline is the same key.
        let own = keys.public().verifier("copied");
        fs::write(directory.path().join(PUBLIC), own).unwrap();
        assert_eq!(JournalKeys::open(directory.path()).unwrap().public(), keys.public());
        assert_ne!(stranger.public(), keys.public());
    }

    #[test]
    fn a_lost_signing_key_is_not_replaced_while_its_public_half_is_here() {
        let (directory, keys) = keys();
        fs::remove_file(directory.path().join(SIGNING)).unwrap();
        let before = files(directory.path());
        let refused = JournalKeys::open(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("its public half is still here"), "{refused}");
        assert_eq!(files(directory.path()), before);
        fs::remove_file(directory.path().join(PUBLIC)).unwrap();
        assert_ne!(JournalKeys::open(directory.path()).unwrap().public(), keys.public());
    }

    #[test]
    fn existing_keys_are_opened_without_making_any() {
        let directory = tempfile::tempdir().unwrap();
        assert!(JournalKeys::existing(directory.path()).is_err());
        assert!(JournalKeys::existing(&directory.path().join("none")).is_err());
        assert_eq!(files(directory.path()), []);
        assert!(!directory.path().join("none").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (directory, _keys) = keys();
        let path = directory.path().join(SIGNING);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(JournalKeys::open(directory.path()), Err(JournalError::Key { .. })));
    }

    #[test]
    fn what_was_sealed_opens_only_for_its_own_leaf() {
        let (_directory, keys) = keys();
        let month = Month::of(Timestamp::UNIX_EPOCH);
        let mut chances = Chances::new().unwrap();
        let (chance, other) = (chances.next().unwrap(), chances.next().unwrap());
        let mut beside = Vec::new();
        let commitment = keys.seal(month, &chance, b"{\"id\":\"mila\"}", &mut beside).unwrap().to_string();
        let beside = String::from_utf8(beside).unwrap();
        assert!(beside.starts_with("s1970-01."), "{beside}");
        let salt = salt_text(&chance);
        assert_eq!(keys.unseal(&beside, &salt, &commitment), Opened::Plain("{\"id\":\"mila\"}".into()));
        assert_eq!(keys.unseal(&beside, &salt_text(&other), &commitment), Opened::Forged);
        assert_eq!(keys.unseal(&beside, &salt, &Digest::of(b"x").to_string()), Opened::Forged);
        assert_eq!(keys.unseal(&beside.replace("1970", "1971"), &salt, &commitment), Opened::KeyGone);
        assert_eq!(keys.unseal("s../../x.AA", &salt, &commitment), Opened::Forged);
    }

    #[test]
    fn nonces_and_salts_do_not_come_twice() {
        let mut chances = Chances::new().unwrap();
        chances.nonce_count = u32::MAX - 500;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            let chance = chances.next().unwrap();
            assert!(seen.insert(chance.nonce.to_vec()));
            assert!(seen.insert(chance.leaf_salt.to_vec()));
            assert!(seen.insert(chance.commitment_salt.to_vec()));
        }
    }
}
