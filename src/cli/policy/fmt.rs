//! `bramka policy fmt`: statements laid out the same way everywhere, so that a review shows what changed and nothing else.
//!
//! The layout is Cedar's own formatter's. A file is written only where each of its statements is the same afterwards,
//! annotations and comments included; one that does not parse is told and left as it is.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use clap::Args;

use super::{Where, replace};
use crate::{
    cli::{Came, error::VerbError, out},
    words::tree::FILE_BYTES_MAX,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka policy fmt\n  bramka policy fmt --check\n  \
    bramka policy fmt policies/access/partners.cedar\n  bramka policy fmt - < statement.cedar")]
pub(in crate::cli) struct Fmt {
    /// Which files; `-` formats standard input; all of access/ where none is named
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing, name the files that would change: exit code 1 where there are any
    #[arg(long)]
    check: bool,
    /// The most letters of a line
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: u16,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &Fmt) -> Result<Came, VerbError> {
    let width = usize::from(arguments.width);
    if arguments.files.iter().any(|file| file.as_os_str() == "-") {
        if arguments.files.len() > 1 {
            return Err(VerbError::Misused("`-` stands alone".into()));
        }
        return standard(arguments, width);
    }
    let files = match arguments.files.as_slice() {
        [] => access(&arguments.place.policies)?,
        named => named.to_vec(),
    };
    let (mut changed, mut failed) = (0_usize, 0_usize);
    for file in &files {
        let text = read(file)?;
        match laid_out(&text, width) {
            Ok(fresh) if fresh == text => {}
            Ok(fresh) => {
                changed = changed.saturating_add(1);
                if !arguments.check {
                    replace(file, &fresh).map_err(VerbError::file(file))?;
                }
                out::say(&file.display().to_string());
            }
            Err(why) => {
                failed = failed.saturating_add(1);
                out::note(&format!("{}: {why}; it is left as it is", file.display()));
            }
        }
    }
    let all = files.len();
    match (arguments.check, changed, failed) {
        (_, 0, 0) => out::note(&format!("{all} files, nothing to change")),
        (true, ..) => out::note(&format!("{all} files, {changed} would change")),
        (false, ..) => out::note(&format!("{all} files, {changed} changed")),
    }
    let is_right = failed == 0 && (changed == 0 || !arguments.check);
    Ok(if is_right { Came::Right } else { Came::Wrong })
}

fn standard(arguments: &Fmt, width: usize) -> Result<Came, VerbError> {
    let mut text = String::new();
    // One more than may be: what is longer is refused, never cut.
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin().take(most).read_to_string(&mut text)?;
    check_length(text.len(), Path::new("-"))?;
    match laid_out(&text, width) {
        Ok(fresh) if arguments.check => Ok(if fresh == text { Came::Right } else { Came::Wrong }),
        Ok(fresh) => {
            out::say(fresh.trim_end());
            Ok(Came::Right)
        }
        Err(why) => {
            out::note(&why);
            Ok(Came::Wrong)
        }
    }
}

/// The files of `access/`, by name.
fn access(policies: &Path) -> Result<Vec<PathBuf>, VerbError> {
    let folder = policies.join("access");
    let entries = fs::read_dir(&folder).map_err(VerbError::file(&folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(VerbError::file(&folder))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|extension| extension == "cedar") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// LIMIT: bytes of a file; as many as a file of a bundle may have.
fn check_length(length: usize, file: &Path) -> Result<(), VerbError> {
    if length <= FILE_BYTES_MAX {
        return Ok(());
    }
    Err(VerbError::Misused(format!("`{}` has more than {FILE_BYTES_MAX} bytes", file.display())))
}

fn read(file: &Path) -> Result<String, VerbError> {
    let length = fs::metadata(file).map_err(VerbError::file(file))?.len();
    check_length(usize::try_from(length).unwrap_or(usize::MAX), file)?;
    fs::read_to_string(file).map_err(VerbError::file(file))
}

/// The text laid out, saying the same.
fn laid_out(text: &str, width: usize) -> Result<String, String> {
    let before = said(text)?;
    let config = Config { line_width: width, indent_width: 2 };
    let (head, rest) = apart(text);
    let mut fresh = policies_str_to_pretty(rest, &config).map_err(|error| error.to_string())?;
    if !head.is_empty() {
        fresh = format!("{head}\n\n{fresh}");
    }
    if said(&fresh)? != before {
        return Err("laid out it would say something else".into());
    }
    Ok(fresh)
}

/// The comment a file begins with and what comes after it, where an empty line parts the two. The formatter takes every
/// comment for one on the statement below it, and what is said of the whole file is not.
fn apart(text: &str) -> (&str, &str) {
    let (mut at, mut parted) = (0, 0);
    for line in text.split_inclusive('\n') {
        at += line.len();
        match line.trim() {
            "" => parted = at,
            comment if comment.starts_with("//") => {}
            _ => break,
        }
    }
    let (head, rest) = text.split_at_checked(parted).unwrap_or(("", text));
    if rest.trim().is_empty() { ("", text) } else { (head.trim(), rest) }
}

/// What the statements say, in their order, however they are written.
fn said(text: &str) -> Result<Vec<serde_json::Value>, String> {
    let set: PolicySet = text.parse().map_err(|error| format!("{error}"))?;
    let mut all: Vec<_> = set.policies().collect();
    // Cedar names them by their place in the text.
    all.sort_by_key(|policy| {
        policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(0)
    });
    all.into_iter().map(|policy| policy.to_json().map_err(|error| error.to_string())).collect()
}
