//! One file of the index: the words of some lines of one segment, sorted, each with the lines it stands in.
//!
//! `[postings][lines][directory][what it is of][footer]`. Postings and lines are blocks of rows of twelve bytes; the
//! directory has the first word and a digest of each block; a keyed digest covers the directory and what the file is
//! of. So a file that somebody changed is told, and a look reads a handful of blocks and not all of it.
//!
//! Of a segment that stands encrypted, postings, lines and directory are sealed under a key made of the segment's; the
//! digest of a block is its tag then, and the directory's stands behind it. What it is of stays: the tree's edge, the
//! earliest and the latest second, how many rows.
//!
//! It is written under another name and renamed into place: a power cut leaves a whole one, the one before, or one that
//! is told to be none. Nothing is synced, since all of it can be made again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::words::Digest;

use super::super::{
    keys::{JournalKeys, fill},
    line::digest_of_hex,
    sealed::{BlockPlace, IndexKey},
    terms::Term,
    tree::{Edge, sha256},
};

/// Changes with what is written; a file of another one is made again.
const VERSION: u32 = 2;
/// Which block the directory is, where it is sealed.
const DIRECTORY: u32 = u32::MAX;
const MAGIC: &[u8; 8] = b"bramkaix";
/// Bytes of a row: a word and a line's number here, or a time and where the line stands.
const ROW: usize = 12;
/// Rows of a block.
const BLOCK_ROWS: usize = 340;
/// Bytes of a block's digest.
const SUM: usize = 16;
/// Length of what it is of, the keyed digest, the magic word.
const FOOTER: usize = 4 + SUM + 8;
/// LIMIT: bytes that say what a file is of.
const ABOUT_BYTES_MAX: usize = 16 * 1024;
/// LIMIT: words of one file; the next one begins after the line that comes to it.
const POSTINGS_MAX: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };
/// LIMIT: lines of one file.
const ROWS_MAX: usize = if cfg!(test) { 1 << 10 } else { 1 << 18 };

/// What a file is of: which lines, and how the tree stood at their end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit) struct About {
    version: u32,
    /// What the lane's heads are signed for.
    pub(in crate::audit) origin: String,
    /// The segment, by its first entry, and the digest of its first line.
    pub(in crate::audit) segment: u64,
    pub(in crate::audit) segment_head: String,
    /// Sequence and offset of the first line, and of the line after the last.
    pub(in crate::audit) from: (u64, u64),
    pub(in crate::audit) to: (u64, u64),
    /// Where the last line stands, and its leaf as the tree has it.
    pub(in crate::audit) last: (u64, String),
    /// The tree's edge at the end.
    peaks: Vec<String>,
    /// The earliest and the latest second of its lines.
    pub(in crate::audit) at: (u32, u32),
    postings: u64,
    rows: u64,
    /// By what its blocks are sealed, beside the key; none where they are not.
    sealed: Option<[u8; 8]>,
}

impl About {
    fn place(&self, block: usize) -> Option<BlockPlace> {
        Some(BlockPlace { file: self.sealed?, block: u32::try_from(block).ok()? })
    }

    /// The tree at the end of it.
    pub(in crate::audit) fn edge(&self) -> Option<Edge> {
        Edge::restore(self.to.0, self.peaks.iter().map(|peak| digest_of_hex(peak)).collect::<Option<_>>()?)
    }
}

/// What is gathered for one file.
#[derive(Debug)]
pub(in crate::audit) struct Gathered {
    pub(in crate::audit) about: About,
    postings: Vec<(Term, u32)>,
    rows: Vec<(u32, u64)>,
}

/// A file that was found whole and untouched as far as its directory goes. Blocks are checked as they are read.
#[derive(Debug)]
pub(in crate::audit) struct Part {
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) about: About,
    /// The first word of each block of postings.
    firsts: Vec<Term>,
    /// The digest of each block: those of postings, then those of lines.
    sums: Vec<[u8; SUM]>,
    seal: Option<Arc<IndexKey>>,
}

impl Gathered {
    /// Nothing yet, of what begins in a segment at a sequence and offset.
    pub(in crate::audit) fn of(origin: &str, segment: u64, segment_head: &str, from: (u64, u64)) -> Self {
        let about = About {
            version: VERSION,
            origin: origin.to_owned(),
            segment,
            segment_head: segment_head.to_owned(),
            from,
            to: from,
            last: (0, String::new()),
            peaks: Vec::new(),
            at: (u32::MAX, 0),
            postings: 0,
            rows: 0,
            sealed: None,
        };
        Self { about, postings: Vec::new(), rows: Vec::new() }
    }

    /// Adds a line: its second, where it stands and where it ends, its words.
    pub(in crate::audit) fn push(&mut self, at: u32, (offset, end): (u64, u64), terms: &[Term]) {
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push((at, offset));
        self.postings.extend(terms.iter().map(|term| (*term, number)));
        self.about.to = (self.about.to.0.saturating_add(1), end);
        self.about.at = (self.about.at.0.min(at), self.about.at.1.max(at));
    }

    pub(in crate::audit) fn is_full(&self) -> bool {
        self.postings.len() >= POSTINGS_MAX || self.rows.len() >= ROWS_MAX
    }

    /// Writes it in the place of whatever was there, with the tree at its end and the last line's leaf.
    pub(in crate::audit) fn write(
        mut self,
        folder: &Path,
        (edge, leaf): (&Edge, &Digest),
        (keys, seal): (&JournalKeys, Option<&Arc<IndexKey>>),
    ) -> io::Result<Part> {
        self.about.sealed = seal.map(|_| fresh()).transpose()?;
        self.about.peaks = edge.peaks().iter().map(ToString::to_string).collect();
        self.about.last = (self.rows.last().map_or(0, |row| row.1), leaf.to_string());
        self.postings.sort_unstable();
        self.about.postings = self.postings.len() as u64;
        self.about.rows = self.rows.len() as u64;
        let path = folder.join(format!("{:020}-{:020}.idx", self.about.segment, self.about.from.0));
        let mut bytes = Vec::with_capacity((self.postings.len() + self.rows.len()) * ROW + 64 * 1024);
        for (term, number) in &self.postings {
            bytes.extend_from_slice(&term.to_be_bytes());
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let postings = bytes.len();
        for (at, offset) in &self.rows {
            bytes.extend_from_slice(&at.to_be_bytes());
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        let firsts: Vec<Term> =
            self.postings.chunks(BLOCK_ROWS).filter_map(|block| block.first()).map(|row| row.0).collect();
        let (posted, lined) = bytes.split_at_mut(postings);
        let blocks = posted.chunks_mut(BLOCK_ROWS * ROW).chain(lined.chunks_mut(BLOCK_ROWS * ROW));
        let sums: Vec<[u8; SUM]> = match seal {
            None => blocks.map(|block| sum(block)).collect(),
            Some(key) => blocks
                .enumerate()
                .map(|(number, block)| key.seal(self.about.place(number)?, block))
                .collect::<Option<_>>()
                .ok_or_else(unsealed)?,
        };
        let tail = tail(&self.about, &firsts, &sums, (keys, seal))?;
        bytes.extend_from_slice(&tail);
        put(&path, &bytes)?;
        Ok(Part { path, about: self.about, firsts, sums, seal: seal.cloned() })
    }
}

fn fresh() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

fn unsealed() -> io::Error {
    io::Error::other("a block could not be sealed")
}

/// Directory, what it is of, footer.
fn tail(
    about: &About,
    firsts: &[Term],
    sums: &[[u8; SUM]],
    (keys, seal): (&JournalKeys, Option<&Arc<IndexKey>>),
) -> io::Result<Vec<u8>> {
    let mut out: Vec<u8> = firsts.iter().flat_map(|first| first.to_be_bytes()).collect();
    out.extend(sums.iter().flatten());
    if let (Some(key), Some(file)) = (seal, about.sealed) {
        let tag = key.seal(BlockPlace { file, block: DIRECTORY }, &mut out).ok_or_else(unsealed)?;
        out.extend_from_slice(&tag);
    }
    let about = serde_json::to_vec(about)?;
    out.extend_from_slice(&about);
    let tag = keyed(&out, keys);
    out.extend_from_slice(&u32::try_from(about.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&tag);
    out.extend_from_slice(MAGIC);
    Ok(out)
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = [0; 8];
    fill(&mut name).map_err(io::Error::other)?;
    let fresh = path.with_extension(data_encoding::HEXLOWER.encode(&name));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&fresh).and_then(|mut file| file.write_all(bytes));
    let moved = written.and_then(|()| fs::rename(&fresh, path));
    if moved.is_err() {
        // What is left of it is in nobody's way.
        drop(fs::remove_file(&fresh));
    }
    moved
}

impl Part {
    /// Opens a file; an error of whatever sort means: make it again.
    pub(in crate::audit) fn open(
        path: &Path,
        keys: &JournalKeys,
        seal: Option<&Arc<IndexKey>>,
    ) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut footer = [0; FOOTER];
        file.seek(SeekFrom::Start(length.checked_sub(FOOTER as u64).ok_or_else(changed)?))?;
        file.read_exact(&mut footer)?;
        let (about_len, rest) = footer.split_first_chunk::<4>().ok_or_else(changed)?;
        let (tag, magic) = rest.split_at_checked(SUM).ok_or_else(changed)?;
        let about_len = usize::try_from(u32::from_be_bytes(*about_len)).unwrap_or(usize::MAX);
        if magic != MAGIC || about_len > ABOUT_BYTES_MAX {
            return Err(changed());
        }
        let about_at = length.checked_sub((FOOTER + about_len) as u64).ok_or_else(changed)?;
        let mut about = vec![0; about_len];
        file.seek(SeekFrom::Start(about_at))?;
        file.read_exact(&mut about)?;
        let about_read: About = serde_json::from_slice(&about)?;
        let shape = Shape::of(&about_read).ok_or_else(changed)?;
        if about_read.version != VERSION
            || shape.rows_end().checked_add(shape.directory() as u64) != Some(about_at)
            || about_read.sealed.is_some() != seal.is_some()
        {
            return Err(changed());
        }
        let mut directory = vec![0; shape.directory()];
        file.seek(SeekFrom::Start(shape.rows_end()))?;
        file.read_exact(&mut directory)?;
        if keyed(&[&*directory, &about].concat(), keys) != tag {
            return Err(changed());
        }
        if let (Some(key), Some(file)) = (seal, about_read.sealed) {
            let (_, tag) = directory.split_last_chunk::<SUM>().ok_or_else(changed)?;
            let (tag, length) = (*tag, directory.len().saturating_sub(SUM));
            directory.truncate(length);
            key.open(BlockPlace { file, block: DIRECTORY }, tag, &mut directory).ok_or_else(changed)?;
        }
        let (firsts, rest) = directory.split_at_checked(shape.posting_blocks * 8).ok_or_else(changed)?;
        let firsts = firsts.as_chunks::<8>().0.iter().map(|first| Term::from_be_bytes(*first)).collect();
        let sums =
            rest.as_chunks::<SUM>().0.iter().take(shape.posting_blocks + shape.row_blocks).copied().collect();
        Ok(Self { path: path.to_owned(), about: about_read, firsts, sums, seal: seal.cloned() })
    }

    /// How many lines it is of.
    pub(in crate::audit) fn lines(&self) -> u32 {
        u32::try_from(self.about.rows).unwrap_or(u32::MAX)
    }

    /// Opens it for looks.
    pub(in crate::audit) fn look(&self) -> io::Result<Look<'_>> {
        Ok(Look { part: self, file: File::open(&self.path)?, block: Vec::new(), at: None })
    }

    /// All of it, to be gone on with.
    pub(in crate::audit) fn gathered(&self) -> io::Result<Gathered> {
        let mut look = self.look()?;
        let mut gathered = Gathered { about: self.about.clone(), postings: Vec::new(), rows: Vec::new() };
        for block in 0..self.firsts.len() {
            gathered.postings.extend(look.block(block)?.iter().map(posting));
        }
        for block in self.firsts.len()..self.sums.len() {
            gathered.rows.extend(look.block(block)?.iter().map(line));
        }
        Ok(gathered)
    }
}

/// Blocks and lengths, as what a file is of says them.
struct Shape {
    postings: u64,
    rows: u64,
    posting_blocks: usize,
    row_blocks: usize,
    is_sealed: bool,
}

impl Shape {
    fn of(about: &About) -> Option<Self> {
        let blocks = |rows: u64| usize::try_from(rows.div_ceil(BLOCK_ROWS as u64)).ok();
        // LIMIT: a line may have more words than are left, none more than some thousands.
        let known = about.postings <= 2 * POSTINGS_MAX as u64 && about.rows <= ROWS_MAX as u64;
        known.then_some(())?;
        let (postings, rows) = (about.postings, about.rows);
        let (posting_blocks, row_blocks) = (blocks(postings)?, blocks(rows)?);
        Some(Self { postings, rows, posting_blocks, row_blocks, is_sealed: about.sealed.is_some() })
    }

    fn rows_end(&self) -> u64 {
        (self.postings + self.rows) * ROW as u64
    }

    fn directory(&self) -> usize {
        let tag = if self.is_sealed { SUM } else { 0 };
        self.posting_blocks * (8 + SUM) + self.row_blocks * SUM + tag
    }
}

/// A file that is looked into; the block read last is kept.
pub(in crate::audit) struct Look<'p> {
    part: &'p Part,
    file: File,
    block: Vec<u8>,
    at: Option<usize>,
}

impl Look<'_> {
    /// The numbers of the lines a word stands in, rising.
    pub(in crate::audit) fn numbers(&mut self, term: Term) -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        // A word may begin in the block before the first that starts with it.
        let first = self.part.firsts.partition_point(|first| *first < term).saturating_sub(1);
        for block in first..self.part.firsts.len() {
            if self.part.firsts.get(block).is_none_or(|first| *first > term) {
                break;
            }
            let rows = self.block(block)?;
            let start = rows.partition_point(|row| posting(row).0 < term);
            let here = rows.iter().skip(start).map(posting).take_while(|row| row.0 == term);
            found.extend(here.map(|row| row.1));
        }
        Ok(found)
    }

    /// When a line was written, to the second, and where it stands.
    pub(in crate::audit) fn line(&mut self, number: u32) -> io::Result<(u32, u64)> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let block = self.part.firsts.len() + number / BLOCK_ROWS;
        self.block(block)?.get(number % BLOCK_ROWS).map(line).ok_or_else(changed)
    }

    fn block(&mut self, number: usize) -> io::Result<&[[u8; ROW]]> {
        if self.at != Some(number) {
            self.at = None;
            let (start, rows) = self.part.place(number).ok_or_else(changed)?;
            self.block.resize(rows * ROW, 0);
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut self.block)?;
            let kept = *self.part.sums.get(number).ok_or_else(changed)?;
            let is_whole = match &self.part.seal {
                None => kept == sum(&self.block),
                Some(key) => {
                    let place = self.part.about.place(number).ok_or_else(changed)?;
                    key.open(place, kept, &mut self.block).is_some()
                }
            };
            if !is_whole {
                return Err(changed());
            }
            self.at = Some(number);
        }
        Ok(self.block.as_chunks().0)
    }
}

impl Part {
    /// Where a block stands, and how many rows it has.
    fn place(&self, block: usize) -> Option<(u64, usize)> {
        let posting_blocks = self.firsts.len();
        let (before, rows, block) = match block.checked_sub(posting_blocks) {
            None => (0, self.about.postings, block),
            Some(block) => (self.about.postings, self.about.rows, block),
        };
        let first = (block as u64).checked_mul(BLOCK_ROWS as u64)?;
        let here = rows.checked_sub(first)?.min(BLOCK_ROWS as u64);
        Some(((before + first) * ROW as u64, usize::try_from(here).ok()?))
    }
}

fn posting(row: &[u8; ROW]) -> (Term, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *row;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes([i, j, k, l]))
}

fn line(row: &[u8; ROW]) -> (u32, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *row;
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}

fn sum(block: &[u8]) -> [u8; SUM] {
    sha256(block).0.first_chunk().copied().unwrap_or_default()
}

fn keyed(bytes: &[u8], keys: &JournalKeys) -> [u8; SUM] {
    keys.digest("index", &sha256(bytes).to_string()).0
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not as it was written")
}
