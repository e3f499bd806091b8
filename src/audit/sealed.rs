//! A segment that stands encrypted: each line is sealed by itself under the segment's own key, AES-256-GCM.
//!
//! Leaf and what stands beside it are sealed apart, so that the one can be erased and the other stays. Lane, segment,
//! sequence and which of the two it is are authenticated with it: a line that stands elsewhere does not open. Lengths and
//! checksum of the line are those of what stands in the file, so a torn end is found and cut without a key.
//!
//! Stored leaf: nonce, sealed bytes, tag. Stored beside it: sealed bytes, tag; its nonce is the leaf's with the lowest
//! bit set. `-` (nothing) and a tombstone stand as they are.
//!
//! It is done where a turn's lines are written, on the core that gathered them: 0.3 to 0.5 µs of the 4 µs that an entry takes
//! there, which is less than another thread would cost to be told of it.
//!
//! **Why no nonce comes twice under a key.** It is not made of the sequence: a torn line is cut, and another one gets its
//! sequence. It is eight random bytes, drawn anew each time a process opens or begins a segment, and a counter that only
//! rises, also past lines that found no room and were cut. A key is of one segment, which is opened a few thousand
//! times at the very most; that two of n openings draw the same eight bytes has a chance below n²/2⁶⁵.

use std::{fmt, fs, io, path::Path, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf,
};
use zeroize::Zeroizing;

use super::{
    JournalError,
    keys::{fill, replace_file},
    line::{HEAD_LEN, SegmentHead, TOMBSTONE, finish},
    tree::sha256,
    wrapping::{Wrapped, WrappingKey, WrappingKeys},
};

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// By how much a leaf is longer in the file.
pub(super) const LEAF_OVERHEAD: usize = NONCE_LEN + TAG_LEN;
/// By how much what stands beside it is longer in the file.
pub(super) const BESIDE_OVERHEAD: usize = TAG_LEN;
/// By how much a line is longer in the file, at most.
pub(super) const LINE_OVERHEAD: usize = LEAF_OVERHEAD + BESIDE_OVERHEAD;
/// What stands beside a leaf where nothing does.
const NOTHING: &[u8] = b"-";
/// What a file begins with that holds a segment's key wrapped anew.
const REWRAPPED: &str = "bramka-segment-key 1";

/// A segment's key in clear.
pub(super) type SegmentBytes = Zeroizing<[u8; 32]>;

/// Of which lane and segment something is, as it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentPlace(pub(super) [u8; 32]);

/// Which part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Leaf,
    Beside,
}

/// A segment's key, ready to be used.
pub(super) struct SegmentKey {
    key: LessSafeKey,
    place: SegmentPlace,
    index: Arc<IndexKey>,
}

/// What seals the index of a segment: a key made of the segment's own, so that it is had by whoever has that one.
pub(in crate::audit) struct IndexKey(LessSafeKey);

/// Of which file of an index a block is, and which one. Files draw their eight bytes anew each time they are written, and a
/// block is written once, so no nonce comes twice.
#[derive(Clone, Copy)]
pub(in crate::audit) struct BlockPlace {
    pub(in crate::audit) file: [u8; 8],
    pub(in crate::audit) block: u32,
}

impl BlockPlace {
    fn nonce(self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (file, block) = nonce.split_at_mut(8);
        file.copy_from_slice(&self.file);
        block.copy_from_slice(&self.block.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl IndexKey {
    /// Seals a block in its place; gives its tag.
    pub(in crate::audit) fn seal(&self, place: BlockPlace, block: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let tag = self.0.seal_in_place_separate_tag(place.nonce(), Aad::empty(), block).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Opens it; none where it is not what was sealed.
    pub(in crate::audit) fn open(
        &self,
        place: BlockPlace,
        tag: [u8; TAG_LEN],
        block: &mut Vec<u8>,
    ) -> Option<()> {
        let length = block.len();
        block.extend_from_slice(&tag);
        self.0.open_in_place(place.nonce(), Aad::empty(), block).ok()?;
        block.truncate(length);
        Some(())
    }
}

/// A segment's key and the nonces of this opening.
pub(super) struct Sealing {
    key: SegmentKey,
    prefix: [u8; 8],
    /// INVARIANT: even, and never lower than before.
    count: u32,
}

impl SegmentPlace {
    pub(super) fn of(origin: &str, first: u64) -> Self {
        Self(sha256(format!("bramka segment 1\n{origin}\n{first}\n").as_bytes()).0)
    }

    fn aad(&self, sequence: u64, part: Part) -> Aad<[u8; 41]> {
        let mut aad = [0; 41];
        let (place, rest) = aad.split_at_mut(32);
        let (number, which) = rest.split_at_mut(8);
        place.copy_from_slice(&self.0);
        number.copy_from_slice(&sequence.to_be_bytes());
        which.fill(match part {
            Part::Leaf => b'l',
            Part::Beside => b'b',
        });
        Aad::from(aad)
    }
}

impl SegmentKey {
    fn of(bytes: &SegmentBytes, place: SegmentPlace) -> Result<Self, JournalError> {
        let made = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bramka index 1").extract(bytes.as_slice());
        let index = made.expand(&[b"index"], &AES_256_GCM).map(UnboundKey::from);
        let both = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).and_then(|key| Ok((key, index?)));
        let (key, index) =
            both.map_err(|_| JournalError::Setting("a segment's key has 32 bytes".to_owned()))?;
        Ok(Self { key: LessSafeKey::new(key), place, index: Arc::new(IndexKey(LessSafeKey::new(index))) })
    }

    /// What seals the index of the segment.
    pub(super) fn index(&self) -> &Arc<IndexKey> {
        &self.index
    }

    /// Opens a line's body in its place: `{leaf} beside`, of which so many bytes are the leaf as it is stored. Gives the
    /// length of the leaf in clear; none where the line was changed or stood elsewhere.
    pub(super) fn open(&self, sequence: u64, leaf: usize, body: &mut Vec<u8>) -> Option<usize> {
        let plain = leaf.checked_sub(LEAF_OVERHEAD)?;
        let (stored, rest) = body.split_at_mut_checked(leaf)?;
        let (nonce, sealed) = stored.split_first_chunk_mut::<NONCE_LEN>()?;
        let (nonce, other) = (*nonce, beside_nonce(*nonce));
        let aad = self.place.aad(sequence, Part::Leaf);
        self.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, sealed).ok()?;
        let beside = rest.get_mut(1..)?;
        let beside_len = match stands_as_it_is(beside) {
            true => beside.len(),
            false => {
                let aad = self.place.aad(sequence, Part::Beside);
                self.key.open_in_place(Nonce::assume_unique_for_key(other), aad, beside).ok()?.len()
            }
        };
        body.copy_within(NONCE_LEN..NONCE_LEN + plain, 0);
        *body.get_mut(plain)? = b' ';
        body.copy_within(leaf + 1..leaf + 1 + beside_len, plain + 1);
        body.truncate(plain + 1 + beside_len);
        Some(plain)
    }
}

impl Sealing {
    /// Goes on in a segment that stands, under its key.
    pub(super) fn resume(key: SegmentKey) -> Result<Self, JournalError> {
        let mut prefix = [0; 8];
        fill(&mut prefix)?;
        Ok(Self { key, prefix, count: 0 })
    }

    /// Appends a line of that leaf and what stands beside it, sealed.
    pub(super) fn line(
        &mut self,
        sequence: u64,
        (leaf, beside): (&[u8], &[u8]),
        out: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let nonce = self.nonce()?;
        let line = out.len();
        out.resize(line + HEAD_LEN, b' ');
        let start = out.len();
        out.extend_from_slice(&nonce);
        self.part(Nonce::assume_unique_for_key(nonce), self.key.place.aad(sequence, Part::Leaf), leaf, out)?;
        let middle = out.len();
        out.push(b' ');
        match stands_as_it_is(beside) {
            true => out.extend_from_slice(beside),
            false => {
                let nonce = Nonce::assume_unique_for_key(beside_nonce(nonce));
                self.part(nonce, self.key.place.aad(sequence, Part::Beside), beside, out)?;
            }
        }
        let lengths = (middle - start, out.len() - middle - 1);
        out.push(b'\n');
        let line = out.get_mut(line..).unwrap_or_default();
        finish(line, lengths.0, lengths.1)
            .ok_or_else(|| JournalError::Setting("a line could not be sealed".to_owned()))
    }

    fn part(
        &self,
        nonce: Nonce,
        aad: Aad<[u8; 41]>,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self
            .key
            .key
            .seal_in_place_separate_tag(nonce, aad, out.get_mut(start..).unwrap_or_default())
            .map_err(|_| JournalError::Setting("a line could not be sealed".to_owned()))?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], JournalError> {
        let mut nonce = [0; NONCE_LEN];
        let (prefix, count) = nonce.split_at_mut(8);
        prefix.copy_from_slice(&self.prefix);
        count.copy_from_slice(&self.count.to_be_bytes());
        match self.count.checked_add(2) {
            Some(next) => self.count = next,
            None => {
                fill(&mut self.prefix)?;
                self.count = 0;
            }
        }
        Ok(nonce)
    }
}

/// The nonce of what stands beside a leaf: leaves have even ones.
fn beside_nonce(mut nonce: [u8; NONCE_LEN]) -> [u8; NONCE_LEN] {
    if let Some(last) = nonce.last_mut() {
        *last |= 1;
    }
    nonce
}

/// Nothing, or a tombstone: it tells nothing, and is told without a key. Sealed bytes are never all of one sort.
fn stands_as_it_is(beside: &[u8]) -> bool {
    beside == NOTHING || beside.iter().all(|byte| *byte == TOMBSTONE)
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(…)")
    }
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentKey").finish_non_exhaustive()
    }
}

/// A segment's new key, and how it stands wrapped.
pub(super) struct Begun {
    pub(super) sealing: Sealing,
    pub(super) wrapped: Wrapped,
    bytes: SegmentBytes,
    place: SegmentPlace,
}

impl Begun {
    /// A key for the segment of a lane that begins with that entry.
    pub(super) fn new(wrapping: &WrappingKey, origin: &str, first: u64) -> Result<Self, JournalError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let place = SegmentPlace::of(origin, first);
        let wrapped = wrapping.wrap(&bytes, &place)?;
        Ok(Self { sealing: Sealing::resume(SegmentKey::of(&bytes, place)?)?, wrapped, bytes, place })
    }

    /// ORDER: after the segment's first line is written. Whoever began another wrapping key meanwhile either saw the
    /// segment, or is seen here: so no segment is left under a key that is believed to wrap nothing.
    pub(super) fn look_again(&self, keys: &WrappingKeys, segment: &Path) -> Result<(), JournalError> {
        match keys.current()? {
            Some(current) if current.id() != self.wrapped.by => {
                put(segment, &self.wrapped, &current.wrap(&self.bytes, &self.place)?)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// How a segment's key stands: in the file beside it where it was wrapped anew, else in its first line.
pub(super) fn standing(segment: &Path, head: &SegmentHead<'_>) -> Result<Option<Wrapped>, JournalError> {
    let Some(first) = &head.wrapped else { return Ok(None) };
    Ok(Some(rewrapped(segment, first)?.unwrap_or_else(|| first.clone())))
}

/// The key of a segment; none of one that stands in clear.
pub(super) fn key_of(
    segment: &Path,
    head: &SegmentHead<'_>,
    keys: &WrappingKeys,
) -> Result<Option<SegmentKey>, JournalError> {
    let Some(first) = &head.wrapped else { return Ok(None) };
    let place = SegmentPlace::of(head.origin, head.edge.size());
    let again = rewrapped(segment, first)?;
    let mut trouble = None;
    for wrapped in again.iter().chain([first]) {
        match bytes_of(segment, wrapped, &place, keys) {
            Ok(bytes) => return SegmentKey::of(&bytes, place).map(Some),
            // What is told is of the newer one.
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    Err(trouble.unwrap_or(JournalError::Closed))
}

fn bytes_of(
    segment: &Path,
    wrapped: &Wrapped,
    place: &SegmentPlace,
    keys: &WrappingKeys,
) -> Result<SegmentBytes, JournalError> {
    let why = "its key does not open under the wrapping key that it names: one of the two was changed";
    let damaged = || JournalError::Damaged { place: segment.display().to_string(), why: why.to_owned() };
    keys.find(wrapped.by)?.unwrap(wrapped, place).ok_or_else(damaged)
}

/// Wraps a segment's key by another key; true where it was not so before.
pub(super) fn rewrap(
    segment: &Path,
    head: &SegmentHead<'_>,
    by: &WrappingKey,
    keys: &WrappingKeys,
) -> Result<bool, JournalError> {
    let Some(first) = &head.wrapped else { return Ok(false) };
    let wrapped = rewrapped(segment, first)?.unwrap_or_else(|| first.clone());
    if wrapped.by == by.id() {
        return Ok(false);
    }
    let place = SegmentPlace::of(head.origin, head.edge.size());
    let bytes = bytes_of(segment, &wrapped, &place, keys)?;
    put(segment, first, &by.wrap(&bytes, &place)?).map(|()| true)
}

/// Writes a key wrapped anew beside its segment. It names how that key was wrapped first: one that was left by a segment
/// of the same name, which a power cut took, says nothing of the one that came after.
fn put(segment: &Path, first: &Wrapped, wrapped: &Wrapped) -> Result<(), JournalError> {
    let text = format!("{REWRAPPED} {} {wrapped}\n", name_of(first));
    replace_file(&segment.with_extension("key"), &text)
}

fn name_of(first: &Wrapped) -> String {
    let mut digest = sha256(first.to_string().as_bytes()).to_string();
    digest.truncate(16);
    digest
}

fn rewrapped(segment: &Path, first: &Wrapped) -> Result<Option<Wrapped>, JournalError> {
    let path = segment.with_extension("key");
    // LIMIT: one short line.
    let read = fs::metadata(&path).and_then(|data| match data.len() <= 256 {
        true => fs::read_to_string(&path),
        false => Err(io::ErrorKind::InvalidData.into()),
    });
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("cannot read", path)(error)),
    };
    let words = text.strip_prefix(REWRAPPED).and_then(|rest| rest.strip_prefix(' '));
    let parsed = words.and_then(|words| {
        let (of, words) = words.trim_end().split_once(' ')?;
        let (by, bytes) = words.split_once(' ')?;
        Some((of == name_of(first)).then_some(Wrapped::parse(by, bytes)?))
    });
    let why = "it is no wrapped key of a segment; the first line of the segment has the one before";
    let damaged = || JournalError::Damaged { place: path.display().to_string(), why: why.to_owned() };
    parsed.ok_or_else(damaged)
}
