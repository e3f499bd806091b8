//! Opening a file that a setting names, whatever stands there by now; and the secret in one.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
};

/// LIMIT: largest secret in a file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Opens a file to read it; links are followed. It never waits: a pipe that nobody writes to would hold up whoever
/// reads it, and a device may have no end, so neither is opened for reading.
///
/// # Errors
/// It cannot be opened, or is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.cast_signed());
    }
    let file = options.open(path)?;
    // ORDER: the opened one is asked, since another may stand under the name a moment later.
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
}

/// The text of a secret's file, without the newline editors put at its end.
///
/// # Errors
/// It cannot be read, others may read it, or it is larger than 64KiB.
pub fn secret_file(path: &Path) -> Result<String, String> {
    let told =
        |why: &dyn std::fmt::Display| format!("the secret's file `{}` cannot be used: {why}", path.display());
    let file = open_file(path).map_err(|error| told(&error))?;
    let facts = file.metadata().map_err(|error| told(&error))?;
    if let Some(why) = loose_rights(&facts) {
        return Err(told(&why));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| told(&error))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(told(&"it is larger than 64KiB"));
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// Others may neither read nor write a secret's file, its group may not write it.
#[cfg(unix)]
fn loose_rights(facts: &Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = facts.permissions().mode() & 0o777;
    (mode & 0o027 != 0).then(|| format!("its rights are {mode:o}; make them 400 or 440"))
}

#[cfg(not(unix))]
fn loose_rights(_: &Metadata) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_a_file_is_opened_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        symlink(at("file"), at("link")).unwrap();
        let mut text = String::new();
        open_file(&at("link")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");

        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/zero", at("device")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for name in ["pipe", "device", "folder"] {
            assert_eq!(open_file(&at(name)).unwrap_err().to_string(), "it is no file", "{name}");
        }
        for name in ["socket", "dangling"] {
            assert!(open_file(&at(name)).is_err(), "{name}");
        }
    }
}
