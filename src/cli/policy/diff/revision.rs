//! A bundle that is named: a folder, one that a gate kept, or one in a revision of git.

use std::{
    fs,
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{cli::error::VerbError, config::KeptBundles};

/// The folder of a revision where none is named.
const FOLDER: &str = "policies";
/// Digits of a digest that name a kept bundle: as many as are told of one.
const DIGITS_MIN: usize = 12;

/// Where a bundle lies; what git gave is there as long as this is.
#[derive(Debug)]
pub(in crate::cli::policy) enum Place {
    /// A folder as it is.
    Folder(PathBuf),
    /// What a revision holds, in a folder of its own.
    Revision(TempDir),
}

impl Place {
    /// Finds it: a folder of that name wins, then a bundle that the gate with that data kept.
    ///
    /// # Errors
    /// There is neither such a folder nor such a revision, or git is not there; or a kept bundle is not what it was.
    pub(in crate::cli::policy) fn of(named: &str, data: &Path) -> Result<Self, VerbError> {
        if Path::new(named).is_dir() {
            return Ok(Self::Folder(named.into()));
        }
        if let Some(kept) = kept(named, data)? {
            return Ok(Self::Folder(kept));
        }
        let (revision, folder) = named.split_once(':').unwrap_or((named, FOLDER));
        let nothing = |why: &str| VerbError::NotThere(format!("`{named}` is no folder, and {why}"));
        if revision.is_empty() || revision.starts_with('-') {
            return Err(nothing("no revision of git is called so"));
        }
        let tree = format!("{revision}:{}", folder.trim_end_matches('/'));
        let listed = git(&["ls-tree", "-r", "-z", "--full-tree", &tree]).map_err(|why| nothing(&why))?;
        let into = TempDir::new()?;
        for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let entry = String::from_utf8_lossy(entry);
            // `MODE blob HASH\tPATH`; what is no file has no place in a bundle.
            let Some((about, path)) = entry.split_once('\t') else { continue };
            let (mut words, path) = (about.split(' '), Path::new(path));
            let (mode, hash) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
            let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !mode.starts_with("100") || !is_inside {
                continue;
            }
            let bytes = git(&["cat-file", "blob", hash]).map_err(|why| nothing(&why))?;
            let file = into.path().join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(VerbError::file(parent))?;
            }
            fs::write(&file, bytes).map_err(VerbError::file(&file))?;
        }
        Ok(Self::Revision(into))
    }

    /// The folder.
    pub(in crate::cli::policy) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Revision(folder) => folder.path(),
        }
    }
}

/// The folder of a kept bundle whose digest begins so.
fn kept(named: &str, data: &Path) -> Result<Option<PathBuf>, VerbError> {
    let is_digest = named.len() >= DIGITS_MIN && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest || !data.is_dir() {
        return Ok(None);
    }
    let found = KeptBundles::of(data).beginning(named).map_err(VerbError::file(data.join("bundles")))?;
    match found {
        Some(kept) if kept.is_whole() => Ok(Some(kept.policies)),
        Some(kept) => {
            Err(VerbError::NotThere(format!("the files kept of {} were changed since", kept.digest.short())))
        }
        None => Ok(None),
    }
}

/// What git says to standard output.
fn git(args: &[&str]) -> Result<Vec<u8>, String> {
    let ran = Command::new("git").args(args).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("git cannot be asked for a revision: {error}"))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        let said = said.lines().next().unwrap_or("it failed");
        return Err(format!("git says: {said}"));
    }
    Ok(ran.stdout)
}
