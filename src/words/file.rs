//! Opening a file that a setting names, whatever stands there by now.

use std::{fs::File, io, path::Path};

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

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::symlink};

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
