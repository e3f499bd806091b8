//! Keys that wrap the keys of segments: a segment's own key stands wrapped in its first line, and a wrapping key opens it.
//! They lie in a folder of their own (`wrapping/`, 0700, files 0600), or come from a file that an operator has mounted.
//!
//! Which of them wraps the next segment stands in `wrapping/book.json`, so that every process that writes to the journal
//! goes by the same, whatever it knows of the gate's settings. It holds no secret.
//!
//! A key's id is a keyed digest of nothing but itself: whoever has a key knows its id, and nobody learns the key by it.
//!
//! What it does not promise: that a destroyed key cannot be brought back from a medium that keeps what was written over.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    JournalError,
    keys::{fill, make_directory, make_key, read_keys, replace_file},
    lanes::hold_lock,
    sealed::{SegmentBytes, SegmentPlace},
};
use crate::words::SecretBytes;

const FOLDER: &str = "wrapping";
const BOOK: &str = "book.json";
const LOCK: &str = "lock";
const NONCE_LEN: usize = 12;
const VERSION: u32 = 1;
/// LIMIT: bytes of the book; a key is some hundred.
const BOOK_BYTES_MAX: u64 = 1024 * 1024;

/// How the next segments are to stand in their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As whoever serves has said it; a tool goes by this.
    #[default]
    AsStands,
    /// In clear.
    Off,
    /// Under a key of the journal's own, and a new one after so long; none where only a verb begins one.
    Own(Option<Duration>),
    /// Under the first key of a file; others in it open what stands.
    File(PathBuf),
}

/// By which name a wrapping key is known: sixteen hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

/// Another key wraps from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The one before; none where segments stood in clear.
    pub from: Option<KeyId>,
    /// The one from now on; none where segments stand in clear.
    pub to: Option<KeyId>,
}

/// Whether an entry tells of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    Not,
}

/// What is known of a wrapping key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its id.
    pub id: KeyId,
    /// Since when it has been known here.
    pub since: Timestamp,
    /// It wraps the next segment.
    pub current: bool,
    /// Its file, where it can be found.
    pub found_in: Option<PathBuf>,
    /// When it was destroyed here.
    pub destroyed: Option<Timestamp>,
}

/// The wrapping keys of one data folder; a handle, cheap to clone. A folder that has none opens segments in clear.
#[derive(Clone)]
pub struct WrappingKeys(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// A file that is looked into first: of somebody who was given a copy.
    given: Option<PathBuf>,
    held: RwLock<Vec<Arc<WrappingKey>>>,
}

/// A wrapping key.
pub(super) struct WrappingKey {
    id: KeyId,
    key: LessSafeKey,
}

/// A segment's key as it stands: by which key it is wrapped, and the nonce, the wrapped bytes and the tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) by: KeyId,
    bytes: String,
}

/// Which key is current, and which there are.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    version: u32,
    current: Option<KeyId>,
    /// Where the current one comes from, where it is no key of the journal's own.
    file: Option<PathBuf>,
    /// Where such keys came from, now or before.
    files: Vec<PathBuf>,
    /// What was changed at a start, until an entry of the journal says so.
    untold: Option<KeyChange>,
    keys: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    id: KeyId,
    since: Timestamp,
    destroyed: Option<Timestamp>,
}

impl WrappingKeys {
    /// Those that belong to the journal keys in a folder. Nothing is read or made yet.
    pub fn of(journal_keys: &Path) -> Self {
        Self::with(journal_keys, None)
    }

    /// The same, with a file of keys that is looked into first.
    pub fn with(journal_keys: &Path, given: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner { folder: journal_keys.join(FOLDER), given, held: RwLock::default() }))
    }

    /// The keys there are, oldest first.
    ///
    /// # Errors
    /// The book of keys cannot be read.
    pub fn known(&self) -> Result<Vec<KnownKey>, JournalError> {
        let book = self.book()?;
        let known = book.keys.iter().map(|listed| {
            let places = std::iter::once(self.own(listed.id)).chain(book.files.iter().cloned());
            let mut here = places.filter(|path| holds(path, listed.id));
            let (id, since, destroyed) = (listed.id, listed.since, listed.destroyed);
            KnownKey { id, since, current: book.current == Some(id), found_in: here.next(), destroyed }
        });
        Ok(known.collect())
    }

    /// Whether a key lies here as one of the journal's own.
    pub fn is_own(&self, id: KeyId) -> bool {
        self.own(id).exists()
    }

    /// Makes things as they are wanted. It comes before the journal is open: [`untold`](Self::untold) says what is to be
    /// told in it.
    pub(super) fn settle(&self, wanted: &Encryption, now: Timestamp) -> Result<(), JournalError> {
        let change = |to, file: Option<&Path>| self.change_as(to, file, now, Told::Not).map(drop);
        match wanted {
            Encryption::AsStands => Ok(()),
            Encryption::Off if !self.path(BOOK).exists() => Ok(()),
            Encryption::Off => change(None, None),
            Encryption::File(path) => change(Some(self.first_of(path)?), Some(path.as_path())),
            Encryption::Own(_) => {
                let book = self.book()?;
                match book.current {
                    // One that is lost is not replaced: what it wraps would be lost without a word.
                    Some(current) if book.file.is_none() => self.find(current).map(drop),
                    Some(_) | None => change(Some(self.fresh()?), None),
                }
            }
        }
    }

    /// What no entry tells of yet.
    pub(super) fn untold(&self) -> Result<Option<KeyChange>, JournalError> {
        Ok(self.book()?.untold)
    }

    /// An entry tells of it.
    pub(super) fn told(&self) -> Result<(), JournalError> {
        let _held = self.hold()?;
        let book = Book { untold: None, ..self.book()? };
        self.write(&book)
    }

    /// The key that follows the current one: a new one, or the first of the file that the current one comes from. It
    /// wraps nothing before [`change`](Self::change).
    pub(super) fn next(&self) -> Result<Option<(KeyId, Option<PathBuf>)>, JournalError> {
        let book = self.book()?;
        Ok(match (book.current, book.file) {
            (None, _) => None,
            (Some(_), None) => Some((self.fresh()?, None)),
            (Some(_), Some(file)) => Some((self.first_of(&file)?, Some(file))),
        })
    }

    /// Whether the current key is so old that another one is due, or is not the first of its file any more.
    pub(super) fn is_due(&self, wanted: &Encryption, now: Timestamp) -> Result<bool, JournalError> {
        let book = self.book()?;
        let Some(current) = book.current else { return Ok(false) };
        match wanted {
            Encryption::File(path) => Ok(self.first_of(path)? != current),
            Encryption::Own(Some(period)) => {
                let since = book.keys.iter().find(|listed| listed.id == current).map(|listed| listed.since);
                let age = since.and_then(|since| Duration::try_from(now.duration_since(since)).ok());
                Ok(age.is_some_and(|age| age >= *period))
            }
            Encryption::Own(None) | Encryption::Off | Encryption::AsStands => Ok(false),
        }
    }

    /// Another key wraps the next segments, and an entry tells of it.
    pub(super) fn change(
        &self,
        to: Option<KeyId>,
        file: Option<&Path>,
        now: Timestamp,
    ) -> Result<Option<KeyChange>, JournalError> {
        self.change_as(to, file, now, Told::Yes)
    }

    fn change_as(
        &self,
        to: Option<KeyId>,
        file: Option<&Path>,
        now: Timestamp,
        told: Told,
    ) -> Result<Option<KeyChange>, JournalError> {
        make_directory(&self.0.folder)?;
        let _held = self.hold()?;
        let mut book = self.book()?;
        let from = book.current;
        if from == to && book.file.as_deref() == file {
            return Ok(None);
        }
        if let Some(id) = to
            && !book.keys.iter().any(|listed| listed.id == id)
        {
            book.keys.push(Listed { id, since: now, destroyed: None });
        }
        (book.version, book.current) = (VERSION, to);
        book.file = file.map(Path::to_owned);
        if let Some(file) = file
            && !book.files.iter().any(|known| known == file)
        {
            book.files.push(file.to_owned());
        }
        let change = (from != to).then_some(KeyChange { from, to });
        if told == Told::Not {
            // Of one before that was not told either, what it began with.
            let first = book.untold.map_or(from, |untold| untold.from);
            book.untold = change.map(|change| KeyChange { from: first, ..change }).or(book.untold);
        }
        self.write(&book)?;
        Ok(change)
    }

    /// The key that wraps the next segment; none where segments stand in clear. Looked up anew each time: another
    /// process may have begun another one.
    pub(super) fn current(&self) -> Result<Option<Arc<WrappingKey>>, JournalError> {
        self.book()?.current.map(|id| self.find(id)).transpose()
    }

    /// The key of that name, wherever it is.
    pub(super) fn find(&self, id: KeyId) -> Result<Arc<WrappingKey>, JournalError> {
        let held = || self.0.held.read().iter().find(|held| held.id == id).cloned();
        if let Some(key) = held() {
            return Ok(key);
        }
        let given = self.0.given.iter().cloned().chain([self.own(id)]);
        let places: Vec<_> = given.chain(self.book()?.files).collect();
        for path in &places {
            if path.exists() {
                self.hold_all(path)?;
            }
            if let Some(key) = held() {
                return Ok(key);
            }
        }
        Err(JournalError::NoWrappingKey { id, looked_in: places })
    }

    /// Destroys a key of the journal's own that wraps nothing any more; one that comes from a file is its keeper's.
    pub(super) fn destroy(&self, id: KeyId, now: Timestamp) -> Result<(), JournalError> {
        let path = self.own(id);
        let _held = self.hold()?;
        let mut book = self.book()?;
        if book.current == Some(id) {
            return Err(JournalError::Setting(format!("the wrapping key {id} is the current one")));
        }
        if path.exists() {
            overwrite(&path).map_err(JournalError::io("cannot destroy", &path))?;
        }
        book.keys.iter_mut().filter(|listed| listed.id == id).for_each(|listed| listed.destroyed = Some(now));
        self.0.held.write().retain(|held| held.id != id);
        self.write(&book)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.folder.join(name)
    }

    /// Where a key of the journal's own lies.
    fn own(&self, id: KeyId) -> PathBuf {
        self.path(&format!("{id}.key"))
    }

    /// A new key of the journal's own, in its file.
    fn fresh(&self) -> Result<KeyId, JournalError> {
        make_directory(&self.0.folder)?;
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let key = WrappingKey::of(&SecretBytes::new(bytes.to_vec()))?;
        let id = key.id;
        make_key(&self.own(id), &bytes)?;
        self.0.held.write().push(Arc::new(key));
        Ok(id)
    }

    fn first_of(&self, path: &Path) -> Result<KeyId, JournalError> {
        let ids = self.hold_all(path)?;
        ids.first().copied().ok_or_else(|| JournalError::Key {
            path: path.to_owned(),
            why: "it holds no key; write 64 hex digits into it".to_owned(),
        })
    }

    /// Reads the keys of a file, which are at hand from now on.
    fn hold_all(&self, path: &Path) -> Result<Vec<KeyId>, JournalError> {
        let mut ids = Vec::new();
        for bytes in read_keys(path)? {
            let key = WrappingKey::of(&bytes)?;
            ids.push(key.id);
            let mut held = self.0.held.write();
            if !held.iter().any(|held| held.id == key.id) {
                held.push(Arc::new(key));
            }
        }
        Ok(ids)
    }

    fn book(&self) -> Result<Book, JournalError> {
        let path = self.path(BOOK);
        let bad = |why: String| JournalError::Key { path: path.clone(), why };
        let read = fs::metadata(&path).and_then(|data| match data.len() <= BOOK_BYTES_MAX {
            true => fs::read(&path),
            false => Err(io::Error::other("it is too large")),
        });
        match read {
            Ok(bytes) => {
                let book: Book = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
                match book.version {
                    VERSION => Ok(book),
                    other => Err(bad(format!("it is of version {other}, and this program knows {VERSION}"))),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(JournalError::io("cannot read", path)(error)),
        }
    }

    fn write(&self, book: &Book) -> Result<(), JournalError> {
        let text = serde_json::to_string_pretty(book)
            .map_err(|error| JournalError::Setting(format!("the book of keys: {error}")))?;
        replace_file(&self.path(BOOK), &format!("{text}\n"))
    }

    /// Nobody else changes the book while this is held.
    fn hold(&self) -> Result<File, JournalError> {
        let path = self.path(LOCK);
        hold_lock(&path)?.ok_or_else(|| {
            let path = path.display();
            JournalError::Setting(format!(
                "another process is at the wrapping keys ({path}) and does not come to an end; end it, and try again"
            ))
        })
    }
}

/// Whether a file holds the key of that name; one that cannot be read does not.
fn holds(path: &Path, id: KeyId) -> bool {
    let keys = if path.exists() { read_keys(path).unwrap_or_default() } else { Vec::new() };
    keys.iter().any(|bytes| WrappingKey::of(bytes).is_ok_and(|key| key.id == id))
}

/// Writes zeros over a file and takes it away.
fn overwrite(path: &Path) -> io::Result<()> {
    let length = usize::try_from(fs::metadata(path)?.len().min(4096)).unwrap_or_default();
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(&vec![b'0'; length])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

impl WrappingKey {
    fn of(bytes: &SecretBytes) -> Result<Self, JournalError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose())
            .map_err(|_| JournalError::Setting("a wrapping key has 32 bytes".to_owned()))?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()), b"bramka wrapping key 1");
        let id = KeyId(tag.as_ref().first_chunk().copied().unwrap_or_default());
        Ok(Self { id, key: LessSafeKey::new(key) })
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// Wraps a segment's key for the place it is of. The nonce is random: a key wraps far fewer than 2³² of them.
    pub(super) fn wrap(&self, segment: &SegmentBytes, place: &SegmentPlace) -> Result<Wrapped, JournalError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut wrapped = segment.clone();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.0),
                wrapped.as_mut_slice(),
            )
            .map_err(|_| JournalError::Setting("a segment's key could not be wrapped".to_owned()))?;
        let bytes = [&nonce[..], wrapped.as_slice(), tag.as_ref()].concat();
        Ok(Wrapped { by: self.id, bytes: BASE64URL_NOPAD.encode(&bytes) })
    }

    /// The segment's key; none where it was wrapped by another, or for another place.
    pub(super) fn unwrap(&self, wrapped: &Wrapped, place: &SegmentPlace) -> Option<SegmentBytes> {
        let mut bytes = Zeroizing::new(BASE64URL_NOPAD.decode(wrapped.bytes.as_bytes()).ok()?);
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.key.open_in_place(nonce, Aad::from(place.0), sealed).ok()?;
        Some(Zeroizing::new((&*plain).try_into().ok()?))
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("`{text}` is no id of a wrapping key: sixteen hex digits"))
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl Wrapped {
    /// From the two words of a line.
    pub(super) fn parse(by: &str, bytes: &str) -> Option<Self> {
        let known = bytes.len() <= 128 && bytes.bytes().all(|byte| byte.is_ascii_graphic());
        known.then_some(Self { by: by.parse().ok()?, bytes: bytes.to_owned() })
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.by, self.bytes)
    }
}

impl fmt::Debug for WrappingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappingKeys").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}
