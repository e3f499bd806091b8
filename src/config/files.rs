//! The folder of a bundle: which files belong to it, their text, and the digest by which it is known.
//!
//! Promises: a file that does not belong is an error, never ignored (a `acess/` folder would otherwise be a
//! policy that is not there); count and sizes are bounded; nothing outside the folder is read, though links
//! inside it are followed (a mounted ConfigMap consists of them); a folder that changes while it is read is
//! read again. Hidden entries, editors' backups (`name~`) and `README.md` are no part
//! of a bundle, and neither is `systems/catalogue/`: files of systems that the company does not use (yet). Only
//! [`Files::catalogue`] reads them. Its lock and what is signed of that are its papers: they stand in the same folder, and
//! its digest is the same with and without them.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::words::{
    Diagnostic, Diagnostics, Digest, Place, nearest, open_file,
    tree::{self, FILE_BYTES_MAX},
};

/// Most files of a bundle.
pub const FILES_MAX: usize = 4_096;
/// Most bytes of all files of a bundle together.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a folder that keeps changing is read before giving up.
const READS_MAX: usize = 5;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `gateway.yaml`
    Gateway,
    /// `limits.yaml`
    Limits,
    /// `access/*.cedar`
    Access,
    /// `principals/*.yaml`
    Principals,
    /// `schema/*.yaml`
    Schema,
    /// `systems/*.yaml`
    Systems,
    /// `tests/*.yaml`
    Tests,
    /// `proofs.yaml`
    Proofs,
    /// `hours.yaml`
    Hours,
    /// `systems/catalogue/*.yaml`
    Catalogue,
}

impl Section {
    /// The folders.
    const FOLDERS: [(&'static str, Self); 6] = [
        ("access", Self::Access),
        ("principals", Self::Principals),
        ("schema", Self::Schema),
        ("systems", Self::Systems),
        ("tests", Self::Tests),
        (CATALOGUE, Self::Catalogue),
    ];

    fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('/') {
            None if path == GATEWAY => Some(Self::Gateway),
            None if path == LIMITS => Some(Self::Limits),
            None if path == HOURS => Some(Self::Hours),
            None if path == PROOFS => Some(Self::Proofs),
            None => None,
            Some((folder, _)) => {
                Self::FOLDERS.iter().find(|(name, _)| *name == folder).map(|(_, section)| *section)
            }
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Access => "cedar",
            Self::Gateway
            | Self::Limits
            | Self::Principals
            | Self::Schema
            | Self::Systems
            | Self::Tests
            | Self::Proofs
            | Self::Hours
            | Self::Catalogue => "yaml",
        }
    }
}

/// The file of the gate's own settings.
pub const GATEWAY: &str = "gateway.yaml";
/// The file of the plans.
pub const LIMITS: &str = "limits.yaml";
/// Spans of the week by name.
pub(super) const HOURS: &str = "hours.yaml";
/// What must be proved of a bundle.
pub const PROOFS: &str = "proofs.yaml";
/// The folder of systems that are not in use.
pub const CATALOGUE: &str = "systems/catalogue";
/// What every file of the bundle must be.
pub const LOCK: &str = "bundle.lock";
/// LIMIT: signatures beside a lock.
const SIGNATURES_MAX: usize = 16;
/// LIMIT: bytes of a lock; the names and digests of [`FILES_MAX`] files fit.
const LOCK_BYTES_MAX: usize = 1024 * 1024;
/// LIMIT: bytes of a signature; the largest RSA key makes a tenth of it.
const SIGNATURE_BYTES_MAX: usize = 16 * 1024;

/// One file of a bundle.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path inside the bundle, with `/`.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}

/// All files of a bundle, by path.
#[derive(Clone, Debug)]
pub struct Files {
    sources: BTreeMap<Arc<str>, Source>,
    /// The lock and its signatures.
    papers: BTreeMap<Arc<str>, Source>,
    digest: Digest,
    /// Of the papers too.
    content: Digest,
}

impl Files {
    /// Reads a folder.
    ///
    /// # Errors
    /// What does not belong, cannot be read or is too large: all of it.
    pub fn read(dir: &Path) -> Result<Self, Diagnostics> {
        let mut last = Self::read_once(dir)?;
        for _ in 1..READS_MAX {
            let again = Self::read_once(dir)?;
            if again.content == last.content {
                return Ok(again);
            }
            last = again;
        }
        let place = Place::file(shown(dir));
        Err(Diagnostic::error(&place, "the folder keeps changing while it is read")
            .help("wait for the change to end")
            .into())
    }

    /// Reads the catalogue of a bundle's folder: systems that the gate does not load. Empty where there is none.
    ///
    /// # Errors
    /// What does not belong, cannot be read or is too large: all of it.
    pub fn catalogue(dir: &Path) -> Result<Vec<Source>, Diagnostics> {
        let mut reader = Reader::of(dir)?;
        if reader.root.join(CATALOGUE).is_dir() {
            reader.folder(CATALOGUE);
        }
        let sources = reader.sources.into_values().collect();
        reader.found.finish(sources).map(|(sources, _)| sources)
    }

    /// Takes files that are at hand already: paths inside the bundle and texts.
    ///
    /// # Errors
    /// What does not belong or is too large.
    pub fn from_texts(texts: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let mut sources = BTreeMap::new();
        for (path, text) in texts {
            if let Some(mistake) = misplaced(&path) {
                found.push(mistake);
            }
            sources.insert(path.clone(), Source { path, text });
        }
        found.finish(Self::of(sources)).map(|(files, _)| files)
    }

    /// The same bundle, its digest too, with texts of other files beside its own, so that a report can show them.
    pub fn beside(&self, others: &[Source]) -> Self {
        let mut sources = self.sources.clone();
        sources.extend(others.iter().map(|source| (source.path.clone(), source.clone())));
        Self { sources, ..self.clone() }
    }

    /// Files that are no bundle, so that a report can show them.
    pub(super) fn showing(sources: &[Source]) -> Self {
        Self::of(BTreeMap::new()).beside(sources)
    }

    /// The digest of the bundle: SHA-256 over each path and text with their lengths, in the order of paths.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of everything that was read: the bundle, its lock, and the signatures.
    pub fn content(&self) -> Digest {
        self.content
    }

    /// The text of a file, its lock and signatures among them.
    pub fn text(&self, path: &str) -> Option<&Arc<str>> {
        self.sources.get(path).or_else(|| self.papers.get(path)).map(|source| &source.text)
    }

    /// A file of the bundle.
    pub(super) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }

    /// The files of the bundle, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.values()
    }

    /// The lock, where there is one.
    pub fn lock(&self) -> Option<&Source> {
        self.papers.get(LOCK)
    }

    /// What is signed of the lock, in the order of names.
    pub fn signatures(&self) -> impl Iterator<Item = &Source> {
        self.papers.values().filter(|source| &*source.path != LOCK)
    }

    /// The files of a section, in the order of their names.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Source> {
        self.sources.values().filter(move |source| Section::of(&source.path) == Some(section))
    }

    /// The place of a text's start.
    pub(super) fn parsed(source: &Source, found: &mut Diagnostics) -> Option<tree::Node> {
        tree::parse(&source.path, &source.text).map_err(|mistakes| found.absorb(mistakes)).ok()
    }

    fn of(all: BTreeMap<Arc<str>, Source>) -> Self {
        let content = digest(&all);
        let (papers, sources): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(path, _)| is_paper(path));
        let digest = if papers.is_empty() { content } else { digest(&sources) };
        Self { sources, papers, digest, content }
    }

    fn read_once(dir: &Path) -> Result<Self, Diagnostics> {
        let mut reader = Reader::of(dir)?;
        reader.folder("");
        let Reader { sources, found, .. } = reader;
        found.finish(Self::of(sources)).map(|(files, _)| files)
    }
}

/// SHA-256 over each path and text with their lengths.
fn digest(sources: &BTreeMap<Arc<str>, Source>) -> Digest {
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
    let lengths: Vec<_> =
        sources.values().map(|source| (length(&source.path), length(&source.text))).collect();
    let parts: Vec<&[u8]> = sources
        .values()
        .zip(&lengths)
        .flat_map(|(source, (path, text))| {
            [&path[..], source.path.as_bytes(), &text[..], source.text.as_bytes()]
        })
        .collect();
    Digest::of_parts(&parts)
}

struct Reader {
    root: PathBuf,
    sources: BTreeMap<Arc<str>, Source>,
    bytes: usize,
    papers: usize,
    found: Diagnostics,
}

/// What an entry of a folder turned out to be.
enum Entry {
    Folder,
    File(PathBuf),
}

impl Reader {
    fn of(dir: &Path) -> Result<Self, Diagnostics> {
        let root = fs::canonicalize(dir).map_err(|error| {
            Diagnostics::from(
                Diagnostic::error(&Place::file(shown(dir)), format!("the folder cannot be read: {error}"))
                    .help("name the folder of the bundle with `--policies`"),
            )
        })?;
        Ok(Self { root, sources: BTreeMap::new(), bytes: 0, papers: 0, found: Diagnostics::default() })
    }

    /// Reads the root (`""`) or one of its folders.
    fn folder(&mut self, inside: &str) {
        let names = match names(&self.root.join(inside)) {
            Ok(names) => names,
            Err(error) => return self.cannot_read(inside, &error.to_string()),
        };
        for name in names {
            let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            match self.entry(&path) {
                Some(Entry::File(real)) => self.file(&path, &real),
                Some(Entry::Folder) if path == CATALOGUE => {}
                Some(Entry::Folder) if is_folder(&path) => self.folder(&path),
                Some(Entry::Folder) => self.found.push(misplaced_folder(&path)),
                None => {}
            }
        }
    }

    fn entry(&mut self, path: &str) -> Option<Entry> {
        let real = match fs::canonicalize(self.root.join(path)) {
            Ok(real) => real,
            Err(error) => {
                self.cannot_read(path, &error.to_string());
                return None;
            }
        };
        if !real.starts_with(&self.root) {
            self.cannot_read(path, "it leads out of the bundle's folder");
            return None;
        }
        match fs::metadata(&real) {
            Ok(facts) if facts.is_dir() => Some(Entry::Folder),
            Ok(facts) if facts.is_file() => Some(Entry::File(real)),
            Ok(_) => {
                self.cannot_read(path, "it is neither a file nor a folder");
                None
            }
            Err(error) => {
                self.cannot_read(path, &error.to_string());
                None
            }
        }
    }

    fn file(&mut self, path: &str, real: &Path) {
        if let Some(mistake) = misplaced(path) {
            self.found.push(mistake);
            return;
        }
        // LIMIT: one byte more than allowed is enough to know that a file is too large.
        let mut text = String::new();
        let bytes_max = bytes_max(path);
        let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = open_file(real).and_then(|file| file.take(most).read_to_string(&mut text));
        self.bytes = self.bytes.saturating_add(text.len());
        if let Err(error) = read {
            self.cannot_read(path, &error.to_string());
        } else if text.len() > bytes_max {
            self.cannot_read(path, &format!("it is larger than {bytes_max} bytes"));
        } else if self.sources.len() >= FILES_MAX || self.bytes > BUNDLE_BYTES_MAX {
            let bound = format!("a bundle has at most {FILES_MAX} files and {BUNDLE_BYTES_MAX} bytes");
            self.found.error(&Place::file(path), bound);
        } else if is_paper(path) && self.papers > SIGNATURES_MAX {
            let bound = format!("a lock has at most {SIGNATURES_MAX} signatures");
            self.found.error(&Place::file(path), bound);
        } else {
            self.papers += usize::from(is_paper(path));
            let path: Arc<str> = path.into();
            self.sources.insert(path.clone(), Source { path, text: text.into() });
        }
    }

    fn cannot_read(&mut self, path: &str, why: &str) {
        let path = if path.is_empty() { "." } else { path };
        self.found.error(&Place::file(path), format!("`{path}` cannot be read: {why}"));
    }
}

/// The names of a folder's entries that may belong to a bundle, in order.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(FILES_MAX * 2) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if may_belong(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether an entry of that name may belong to a bundle.
pub(super) fn may_belong(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with('~') && name != "README.md"
}

/// Whether that is the lock or a signature of it: `bundle.lock.sig`, `bundle.lock.ewa.sig`.
fn is_paper(path: &str) -> bool {
    let Some(rest) = path.strip_prefix(LOCK) else { return false };
    let signer = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix("sig"));
    rest.is_empty()
        || signer.is_some_and(|signer| signer.is_empty() || (signer.len() > 1 && signer.ends_with('.')))
}

/// How large a file may be.
fn bytes_max(path: &str) -> usize {
    match is_paper(path) {
        true if path == LOCK => LOCK_BYTES_MAX,
        true => SIGNATURE_BYTES_MAX,
        false => FILE_BYTES_MAX,
    }
}

fn is_folder(path: &str) -> bool {
    Section::FOLDERS.iter().any(|(name, _)| *name == path)
}

fn misplaced_folder(path: &str) -> Diagnostic {
    let place = Place::file(path);
    let folders = Section::FOLDERS.map(|(name, _)| name).into_iter().filter(|name| !name.contains('/'));
    match path.rsplit_once('/') {
        Some((folder, _)) => Diagnostic::error(&place, format!("there are no folders inside `{folder}/`"))
            .help(format!("files stand directly in `{folder}/`")),
        None => Diagnostic::error(&place, format!("the folder `{path}` is no part of a bundle"))
            .suggest(path, folders),
    }
}

/// Why a file does not belong where it stands.
fn misplaced(path: &str) -> Option<Diagnostic> {
    if is_paper(path) {
        return None;
    }
    let place = Place::file(path);
    let unknown = || Diagnostic::error(&place, format!("`{path}` is no part of a bundle"));
    let Some(section) = Section::of(path) else {
        let mistake = unknown();
        return Some(match (nearest(path, [GATEWAY, LIMITS, PROOFS, HOURS, LOCK]), path.rsplit_once('.')) {
            (Some(name), _) => mistake.help(format!("did you mean `{name}`?")),
            (None, Some((_, "sig"))) => mistake.help("signatures of the lock are named `bundle.lock.sig` or `bundle.lock.NAME.sig`"),
            (None, Some((_, "cedar"))) => mistake.help("statements stand in `access/`"),
            (None, _) => mistake.help("a bundle has `gateway.yaml`, `limits.yaml`, perhaps `proofs.yaml`, and the folders access, principals, schema, systems, tests"),
        });
    };
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let wanted = section.extension();
    match name.rsplit_once('.') {
        Some((stem, extension)) if extension == wanted && !stem.is_empty() => None,
        Some((stem, "yml")) => Some(unknown().help(format!("name it `{stem}.yaml`"))),
        Some(_) | None => Some(unknown().help(format!("here stand files named `*.{wanted}`"))),
    }
}

fn shown(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
