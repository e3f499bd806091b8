//! What stays of entries that were put away: the hash of each leaf, so that every root over them can still be made.
//!
//! Beside the segments of a lane stands `<first>.hashes` for each one that was put away: a line of JSON that says what
//! they are of, filled up to [`HEADER_LEN`] bytes, and 32 bytes an entry. Leaves are salted, so their hashes tell
//! nothing. Each file names the digest of the one before it, and the entry that says that a segment was put away names
//! the digest of the last: so one entry vouches for all of them.
//!
//! While a segment stands beside its hashes the segment counts: somebody is about to remove it, or a crash came between.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    JournalError,
    disk::{Disk as _, RealDisk},
    keys::fill,
    line::{Line, Lines},
    read::{self, Step},
    recover::{SegmentFile, segments},
    segment::segment_name,
    tree::{Edge, leaf_hash, sha256},
    wrapping::WrappingKeys,
};
use crate::words::Digest;

const VERSION: u32 = 1;
/// Length of the line that says what the hashes are of.
pub(super) const HEADER_LEN: usize = 1024;
const HASH_LEN: u64 = 32;
/// What the name of a file begins with that is being written.
const BEGUN: &str = "putting-away-";

/// What was put away of a lane: its oldest entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAway {
    /// How many; the first entry that is here has this sequence.
    pub entries: u64,
    /// When the first of them was written.
    pub from: Timestamp,
    /// When the last of them was written.
    pub until: Timestamp,
    /// When the newest of them were put away.
    pub on: Timestamp,
    /// By which rule.
    pub rule: String,
}

impl PutAway {
    /// Whether a time that begins at a moment reaches into it.
    pub fn is_since(&self, since: Option<Timestamp>) -> bool {
        since.is_none_or(|since| since <= self.until)
    }
}

/// What was put away of a lane; none where all of it is here. Blocks.
///
/// # Errors
/// A file cannot be read, or says something that cannot be so.
pub fn put_away(directory: &Path) -> Result<Option<PutAway>, JournalError> {
    let all = gone(directory)?;
    let Some(last) = all.last() else { return Ok(None) };
    let from = all.iter().map(|hashes| hashes.about.from).min();
    let until = all.iter().map(|hashes| hashes.about.until).max();
    Ok(Some(PutAway {
        entries: last.to(),
        from: from.unwrap_or(last.about.from),
        until: until.unwrap_or(last.about.until),
        on: last.about.put_away,
        rule: last.about.rule.clone(),
    }))
}

/// With what an entry was put away; none where it was not.
pub(super) fn of_entry(directory: &Path, sequence: u64) -> Result<Option<PutAway>, JournalError> {
    let all = gone(directory)?;
    let with = all.into_iter().find(|hashes| (hashes.about.first..hashes.to()).contains(&sequence));
    Ok(with.map(|hashes| PutAway {
        entries: hashes.to(),
        from: hashes.about.from,
        until: hashes.about.until,
        on: hashes.about.put_away,
        rule: hashes.about.rule,
    }))
}

/// What the hashes of a segment are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    version: u32,
    /// As the heads of the lane have it.
    pub(super) origin: String,
    pub(super) first: u64,
    pub(super) count: u64,
    /// The earliest and the latest moment of its entries.
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) put_away: Timestamp,
    pub(super) rule: String,
    /// The digest of the file before it.
    pub(super) before: Option<String>,
}

/// A file of hashes.
#[derive(Clone, Debug)]
pub(super) struct Hashes {
    pub(super) path: PathBuf,
    pub(super) about: About,
    header: Vec<u8>,
}

/// The hashes of a lane's segments that are not here any more, oldest first.
pub(super) fn gone(directory: &Path) -> Result<Vec<Hashes>, JournalError> {
    // ORDER: the segments first: one that goes meanwhile is told as here rather than as nowhere.
    let here = segments(directory)?;
    let mut named = named(directory)?;
    named.retain(|(_, first)| here.iter().all(|segment| segment.first != *first));
    named.into_iter().map(|(path, first)| Hashes::open(path, first)).collect()
}

/// The names of a lane's files of hashes, and of which segment each is, oldest first.
pub(super) fn named(directory: &Path) -> Result<Vec<(PathBuf, u64)>, JournalError> {
    let unreadable = || JournalError::io("cannot read", directory);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable())? {
        let path = entry.map_err(unreadable())?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".hashes"));
        let first = name.filter(|name| name.len() == 20).and_then(|name| name.parse().ok());
        found.extend(first.map(|first| (path, first)));
    }
    found.sort_by_key(|(_, first)| *first);
    Ok(found)
}

/// Where the hashes of a segment stand.
fn place(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.hashes"))
}

/// Whether a segment was put away.
pub(super) fn is_put_away(directory: &Path, first: u64) -> bool {
    !directory.join(segment_name(first)).exists() && place(directory, first).is_file()
}

/// The tree at the end of what was put away, made of the hashes. `look` sees it after each entry.
pub(super) fn edge(
    directory: &Path,
    origin: &str,
    mut look: impl FnMut(&Edge, &Path) -> Result<(), JournalError>,
) -> Result<Edge, JournalError> {
    let mut edge = Edge::default();
    for hashes in gone(directory)? {
        if hashes.about.origin != origin || hashes.about.first != edge.size() {
            return Err(hashes.damaged("they do not follow from what stands before"));
        }
        hashes.each(|hash| {
            edge.push(hash);
            look(&edge, &hashes.path)
        })?;
    }
    Ok(edge)
}

impl Hashes {
    /// Of one segment.
    pub(super) fn of(directory: &Path, first: u64) -> Result<Self, JournalError> {
        Self::open(place(directory, first), first)
    }

    pub(super) fn open(path: PathBuf, first: u64) -> Result<Self, JournalError> {
        let bad = |why: &str| read::damaged(&path, 0, why);
        let mut header = vec![0; HEADER_LEN];
        let mut file = File::open(&path).map_err(JournalError::io("cannot read", &path))?;
        file.read_exact(&mut header).map_err(|_| bad("it is shorter than its first line"))?;
        let about: About = serde_json::from_slice(header.trim_ascii_end())
            .map_err(|error| bad(&format!("its first line does not say what the hashes are of: {error}")))?;
        let length = file.metadata().map_err(JournalError::io("cannot read", &path))?.len();
        let wanted = about.count.checked_mul(HASH_LEN).and_then(|all| all.checked_add(HEADER_LEN as u64));
        if about.version != VERSION || about.first != first || about.count == 0 || wanted != Some(length) {
            return Err(bad("its length or its name is not what its first line says"));
        }
        Ok(Self { path, about, header })
    }

    /// The sequence after the last.
    pub(super) fn to(&self) -> u64 {
        self.about.first.saturating_add(self.about.count)
    }

    /// Hands over every hash, and gives the digest of the file.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(Digest) -> Result<(), JournalError>,
    ) -> Result<Digest, JournalError> {
        let unreadable = || JournalError::io("cannot read", &self.path);
        let mut file = File::open(&self.path).map_err(unreadable())?;
        io::copy(&mut (&mut file).take(HEADER_LEN as u64), &mut io::sink()).map_err(unreadable())?;
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut context = Context::new(&SHA256);
        for _ in 0..self.about.count {
            let mut hash = [0; 32];
            file.read_exact(&mut hash).map_err(unreadable())?;
            context.update(&hash);
            take(Digest(hash))?;
        }
        Ok(digest(&self.header, context))
    }

    pub(super) fn digest(&self) -> Result<Digest, JournalError> {
        self.each(|_| Ok(()))
    }

    pub(super) fn damaged(&self, why: &str) -> JournalError {
        read::damaged(&self.path, 0, why)
    }
}

/// What a file is known by: SHA-256 over its first line and the SHA-256 of its hashes.
fn digest(header: &[u8], hashes: Context) -> Digest {
    sha256(&[header, hashes.finish().as_ref()].concat())
}

/// Hashes that are being written. They count for nothing until they are [`put in their place`](Whole::place).
pub(super) struct Begun {
    path: PathBuf,
    file: BufWriter<File>,
    context: Context,
    count: u64,
}

/// Hashes that are on the disk, under a name that nobody looks for.
pub(super) struct Whole {
    path: PathBuf,
    first: u64,
    digest: Digest,
}

impl Begun {
    pub(super) fn new(directory: &Path) -> Result<Self, JournalError> {
        let mut name = [0; 8];
        fill(&mut name)?;
        let path = directory.join(format!("{BEGUN}{}", HEXLOWER.encode(&name)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(256 * 1024, file);
            file.write_all(&[b' '; HEADER_LEN])?;
            Ok(file)
        });
        let file = made.map_err(JournalError::io("cannot write", &path))?;
        Ok(Self { path, file, context: Context::new(&SHA256), count: 0 })
    }

    pub(super) fn push(&mut self, hash: &Digest) -> Result<(), JournalError> {
        self.context.update(&hash.0);
        self.count += 1;
        self.file.write_all(&hash.0).map_err(JournalError::io("cannot write", &self.path))
    }

    /// Says what they are of, and syncs them.
    pub(super) fn end(self, about: &AboutWhole<'_>) -> Result<Whole, JournalError> {
        let Self { path, file, context, count } = self;
        let AboutWhole { origin, first, from, until, put_away, rule, before } = *about;
        let about = About {
            version: VERSION,
            origin: origin.to_owned(),
            first,
            count,
            from,
            until,
            put_away,
            rule: rule.to_owned(),
            before: before.map(|digest| digest.to_string()),
        };
        let mut header =
            serde_json::to_vec(&about).map_err(|error| read::damaged(&path, 0, &error.to_string()))?;
        // LIMIT: names of gates and rules are short.
        if header.len() >= HEADER_LEN {
            return Err(read::damaged(&path, 0, "its first line is too long"));
        }
        header.resize(HEADER_LEN - 1, b' ');
        header.push(b'\n');
        let ended = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut file| {
            io::Seek::rewind(&mut file)?;
            file.write_all(&header)?;
            file.sync_all()
        });
        ended.map_err(JournalError::io("cannot write", &path))?;
        Ok(Whole { path, first, digest: digest(&header, context) })
    }

    /// Leaves nothing of it.
    pub(super) fn give_up(self) {
        drop(fs::remove_file(&self.path));
    }
}

/// What is told of hashes beside their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct AboutWhole<'a> {
    pub(super) origin: &'a str,
    pub(super) first: u64,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) put_away: Timestamp,
    pub(super) rule: &'a str,
    pub(super) before: Option<Digest>,
}

impl Whole {
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Puts them where they count. From here on the segment may go, and goes at the next start where it does not now.
    pub(super) fn place(self, directory: &Path) -> Result<(), JournalError> {
        let place = place(directory, self.first);
        fs::rename(&self.path, &place)
            .and_then(|()| RealDisk.sync_directory(directory))
            .map_err(JournalError::io("cannot write", place))
    }

    /// Leaves nothing of it.
    pub(super) fn give_up(self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Removes a segment whose hashes are in their place.
pub(super) fn remove(directory: &Path, segment: &Path) -> Result<(), JournalError> {
    fs::remove_file(segment)
        // ORDER: its key last, without which it would open to nobody. One that a crash leaves is of no segment.
        .and_then(|()| match fs::remove_file(segment.with_extension("key")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => RealDisk.sync_directory(directory),
        })
        .map_err(JournalError::io("cannot remove", segment))
}

/// Finishes what a crash left half done in a lane. A segment that is not what its hashes say stays, and verification
/// tells it. Nobody else may be putting away meanwhile.
pub(super) fn finish(directory: &Path, keys: &WrappingKeys) -> Result<(), JournalError> {
    let unreadable = || JournalError::io("cannot read", directory);
    for entry in fs::read_dir(directory).map_err(unreadable())? {
        let path = entry.map_err(unreadable())?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(BEGUN) {
            fs::remove_file(&path).map_err(JournalError::io("cannot remove", &path))?;
        }
    }
    let hashed = named(directory)?;
    for segment in segments(directory)? {
        let Some((path, first)) = hashed.iter().find(|(_, first)| *first == segment.first) else { continue };
        match Hashes::open(path.clone(), *first).and_then(|hashes| hashes.fit(&segment, keys)) {
            Ok(true) => remove(directory, &segment.path)?,
            Ok(false) => {
                tracing::error!(hashes = %path.display(), "they are not those of the segment beside them")
            }
            Err(error) => tracing::error!(%error, "a segment stays that was to be put away"),
        }
    }
    Ok(())
}

impl Hashes {
    /// Whether they are those of a segment.
    pub(super) fn fit(&self, segment: &SegmentFile, keys: &WrappingKeys) -> Result<bool, JournalError> {
        let (lines, _) = Lines::open(&segment.path, keys)?;
        let mut lines = lines.at(segment.first);
        let (mut line, mut scratch, mut fits) = (Line::default(), Vec::new(), true);
        self.each(|hash| {
            fits &= read::next_line(&segment.path, &mut lines, &mut line)? == Step::Line
                && leaf_hash(line.leaf_bytes(), &mut scratch) == hash;
            Ok(())
        })?;
        Ok(fits && read::next_line(&segment.path, &mut lines, &mut line)? == Step::End)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> AboutWhole<'static> {
        let at = Timestamp::UNIX_EPOCH;
        AboutWhole {
            origin: "bramka/main/0",
            first: 0,
            from: at,
            until: at,
            put_away: at,
            rule: "age 400d",
            before: None,
        }
    }

    #[test]
    fn hashes_come_back_as_they_were_written_and_one_that_is_changed_has_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let mut begun = Begun::new(folder.path()).unwrap();
        let hashes: Vec<Digest> = (0..100_u8).map(|n| Digest::of(&[n])).collect();
        hashes.iter().for_each(|hash| begun.push(hash).unwrap());
        let whole = begun.end(&about()).unwrap();
        let digest = whole.digest();
        assert!(named(folder.path()).unwrap().is_empty(), "it counts for nothing yet");
        whole.place(folder.path()).unwrap();
        let read = Hashes::of(folder.path(), 0).unwrap();
        let mut back = Vec::new();
        let took = read.each(|hash| {
            back.push(hash);
            Ok(())
        });
        assert_eq!(took.unwrap(), digest);
        assert_eq!(back, hashes);
        let path = place(folder.path(), 0);
        let whole = fs::read(&path).unwrap();
        for at in [2000, 1024, 60] {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            fs::write(&path, bent).unwrap();
            let digest_now = Hashes::of(folder.path(), 0).and_then(|hashes| hashes.digest());
            assert!(digest_now.is_err() || digest_now.unwrap() != digest, "{at}");
        }
        for bad in [&whole[..whole.len() - 1], &whole[..100], &[&whole[..], &[0; 32]].concat()[..]] {
            fs::write(&path, bad).unwrap();
            assert!(Hashes::of(folder.path(), 0).is_err());
        }
    }
}
