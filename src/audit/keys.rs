//! The journal's keys: one that signs heads, one that digests ids, and one a month that seals what may have to
//! be erased. They lie in files of their own (0600) and are made when they are first needed.
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

use super::{JournalError, head::PublicKey, tree::sha256};
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
    sealing: RwLock<Vec<(Month, Arc<LessSafeKey>)>>,
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
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        make_directory(directory)?;
        let seed = read_or_make(&directory.join(SIGNING))?;
        let signing = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map_err(|_| bad_key(&directory.join(SIGNING), "not an Ed25519 seed"))?;
        let digesting = read_or_make(&directory.join(DIGESTING))?;
        let keys = Self {
            directory: directory.to_owned(),
            signing,
            digesting: hmac::Key::new(hmac::HMAC_SHA256, digesting.expose()),
            sealing: RwLock::default(),
        };
        let public = format!("{}\n", keys.public().verifier("bramka-journal"));
        let path = directory.join(PUBLIC);
        if fs::read_to_string(&path).ok().as_deref() != Some(public.as_str()) {
            fs::write(&path, public).map_err(JournalError::io("cannot write", path))?;
        }
        Ok(keys)
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
        let key = self.sealing_key(month)?;
        let mut bytes = SmallVec::<[u8; 1024]>::new();
        bytes.extend_from_slice(&chance.commitment_salt);
        bytes.extend_from_slice(plain);
        let commitment = sha256(&bytes);
        let nonce = Nonce::assume_unique_for_key(chance.nonce);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(chance.leaf_salt), &mut bytes)
            .map_err(|_| bad_key(&self.seal_path(month), "sealing failed"))?;
        bytes.insert_from_slice(0, &chance.nonce);
        bytes.extend_from_slice(tag.as_ref());
        // INVARIANT: `s`, the month, a dot, base64url of nonce, sealed bytes and tag.
        out.push(b's');
        out.extend_from_slice(month.to_string().as_bytes());
        out.push(b'.');
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
        let Ok(key) = self.existing_key(month) else { return Opened::KeyGone };
        let plain = || {
            let bytes = BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?;
            let aad: [u8; SALT_LEN] = HEXLOWER.decode(leaf_salt.as_bytes()).ok()?.try_into().ok()?;
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let salted = key.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?;
            let fits = sha256(salted).to_string() == commitment;
            let plain = salted.get(SALT_LEN..)?;
            fits.then(|| String::from_utf8(plain.to_vec()).ok())?
        };
        plain().map_or(Opened::Forged, Opened::Plain)
    }

    fn sealing_key(&self, month: Month) -> Result<Arc<LessSafeKey>, JournalError> {
        if let Some(key) = self.held(month) {
            return Ok(key);
        }
        let bytes = read_or_make(&self.seal_path(month))?;
        self.hold(month, &bytes)
    }

    fn existing_key(&self, month: Month) -> Result<Arc<LessSafeKey>, JournalError> {
        if let Some(key) = self.held(month) {
            return Ok(key);
        }
        let bytes = read_key(&self.seal_path(month))?;
        self.hold(month, &bytes)
    }

    fn held(&self, month: Month) -> Option<Arc<LessSafeKey>> {
        self.sealing.read().iter().find(|(held, _)| *held == month).map(|(_, key)| key.clone())
    }

    fn hold(&self, month: Month, bytes: &SecretBytes) -> Result<Arc<LessSafeKey>, JournalError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose())
            .map_err(|_| bad_key(&self.seal_path(month), "not 32 bytes"))?;
        let key = Arc::new(LessSafeKey::new(key));
        self.sealing.write().push((month, key.clone()));
        Ok(key)
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

fn read_or_make(path: &Path) -> Result<SecretBytes, JournalError> {
    if !path.exists() {
        make_key(path)?;
    }
    read_key(path)
}

fn read_key(path: &Path) -> Result<SecretBytes, JournalError> {
    let data = fs::metadata(path).map_err(JournalError::io("cannot read", path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if data.permissions().mode() & 0o077 != 0 {
            return Err(bad_key(path, "others may read it; `chmod 600` it"));
        }
    }
    // LIMIT: a key file is one short line.
    if !data.is_file() || data.len() > 256 {
        return Err(bad_key(path, "not a key file"));
    }
    let text =
        zeroize::Zeroizing::new(fs::read_to_string(path).map_err(JournalError::io("cannot read", path))?);
    let bytes = HEXLOWER.decode(text.trim().as_bytes()).map_err(|_| bad_key(path, "not 64 hex digits"))?;
    if bytes.len() != 32 {
        return Err(bad_key(path, "not 64 hex digits"));
    }
    Ok(SecretBytes::new(bytes))
}

/// Writes a fresh key under another name first and links it into place: of two processes that start together
/// one makes the key, and a power cut leaves a whole key or none.
fn make_key(path: &Path) -> Result<(), JournalError> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    let mut name = [0; 8];
    fill(&mut name)?;
    let fresh = path.with_extension(HEXLOWER.encode(&name));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = zeroize::Zeroizing::new(format!("{}\n", HEXLOWER.encode(&*bytes)));
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
