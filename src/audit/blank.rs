//! Blanking sealed parts in place, so that a power cut leaves none half blanked: where the lines stand is written
//! down and synced first, and whoever opens the lane next finishes what was begun.
//!
//! A line that is blanked keeps its leaf and its length, so its place is all that has to be known to do it again.
//! Whoever appends to the segment meanwhile is not in the way, nor are its readers for longer than a line.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;

use super::{
    JournalError,
    keys::fill,
    lanes::hold_lock,
    line::{
        HEAD_LEN, Line, STORED_BESIDE_BYTES_MAX, STORED_LEAF_BYTES_MAX, TOMBSTONE, finish as seal, lengths,
    },
    recover::SegmentFile,
    segment::segment_name,
};

/// What the names of lists of lines begin with.
const LIST: &str = "erasing-";
/// The file whose lock says that a process is at the lane's lists. It is made by the first that is.
const LOCK: &str = "erasing.lock";

/// A line that is to be blanked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    offset: u64,
    leaf: usize,
    beside: usize,
}

impl Place {
    /// Where a line of a segment stands.
    pub(super) fn of(line: &Line) -> Self {
        let (leaf, beside) = line.stored();
        Self { offset: line.offset, leaf, beside }
    }

    fn len(&self) -> usize {
        HEAD_LEN + self.leaf + 1 + self.beside + 1
    }
}

/// Writes tombstones over the sealed parts of these lines of a segment: as many as a caller holds in memory.
pub(super) fn blank(directory: &Path, segment: &SegmentFile, places: &[Place]) -> Result<(), JournalError> {
    let _held = hold(directory)?;
    let list = write_list(directory, segment.first, places)?;
    overwrite(&segment.path, places).map_err(JournalError::io("cannot erase in", &segment.path))?;
    remove(directory, &list)
}

/// Finishes what a crash left half done. A list that is not whole was not acted on yet.
pub(super) fn finish(directory: &Path) -> Result<(), JournalError> {
    if lists(directory)?.is_empty() {
        return Ok(());
    }
    // ORDER: a list of somebody who is at it must not be taken for one that a crash left.
    let _held = hold(directory)?;
    for path in lists(directory)? {
        if let Some((first, places)) = read_list(&path)? {
            let segment = directory.join(segment_name(first));
            // Somebody may have taken a full segment elsewhere meanwhile.
            if segment.is_file() {
                overwrite(&segment, &places).map_err(JournalError::io("cannot erase in", segment))?;
            }
        }
        remove(directory, &path)?;
    }
    Ok(())
}

fn lists(directory: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(JournalError::io("cannot read", directory))? {
        let path = entry.map_err(JournalError::io("cannot read", directory))?.path();
        let is_list =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(LIST));
        found.extend(is_list.then_some(path));
    }
    Ok(found)
}

/// Waits until nobody else is at the lane's lists; as a rule that takes no longer than the lines of one.
fn hold(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join(LOCK);
    hold_lock(&path)?.ok_or_else(|| {
        let directory = directory.display();
        JournalError::Setting(format!(
            "another process began to erase in {directory} and does not come to an end; end it, and try again"
        ))
    })
}

/// Blanks lines, whatever of it was done before.
fn overwrite(segment: &Path, places: &[Place]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(segment)?;
    for place in places {
        file.seek(SeekFrom::Start(place.offset))?;
        let mut bytes = vec![0; place.len()];
        file.read_exact(&mut bytes)?;
        // ORDER: nothing is blanked that is no such line; its lengths are the same before and after.
        let fits =
            lengths(&bytes).is_some_and(|(leaf, beside, _)| (leaf, beside) == (place.leaf, place.beside));
        let blanked = if fits { tombstone(&mut bytes, place) } else { None };
        blanked.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no such line stands there"))?;
        file.seek(SeekFrom::Start(place.offset))?;
        file.write_all(&bytes)?;
    }
    file.sync_all()
}

/// Makes the whole line one with a tombstone in the place of its sealed part.
fn tombstone(bytes: &mut [u8], place: &Place) -> Option<()> {
    let start = HEAD_LEN + place.leaf + 1;
    bytes.get_mut(start..start + place.beside)?.fill(TOMBSTONE);
    seal(bytes, place.leaf, place.beside)
}

/// A list: segment, then a line for each place, and a checksum over all of it. Synced, and so is its name.
fn write_list(directory: &Path, first: u64, places: &[Place]) -> Result<PathBuf, JournalError> {
    let mut name = [0; 8];
    fill(&mut name)?;
    let path = directory.join(format!("{LIST}{}", HEXLOWER.encode(&name)));
    let mut text = format!("{first}\n");
    for Place { offset, leaf, beside } in places {
        text.push_str(&format!("{offset} {leaf} {beside}\n"));
    }
    text.push_str(&format!("{:08x}\n", crc32fast::hash(text.as_bytes())));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| sync_directory(directory));
    written.map_err(JournalError::io("cannot write", &path))?;
    Ok(path)
}

/// A list that is whole; none of one that is not.
fn read_list(path: &Path) -> Result<Option<(u64, Vec<Place>)>, JournalError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(error) => return Err(JournalError::io("cannot read", path)(error)),
    };
    let whole = || {
        let end = text.strip_suffix('\n')?.rfind('\n')? + 1;
        let (listed, sum) = text.split_at_checked(end)?;
        if format!("{:08x}\n", crc32fast::hash(listed.as_bytes())) != sum {
            return None;
        }
        let mut lines = listed.lines();
        let first = lines.next()?.parse().ok()?;
        Some((first, lines.map(read_place).collect::<Option<Vec<_>>>()?))
    };
    Ok(whole())
}

fn read_place(line: &str) -> Option<Place> {
    let mut words = line.split(' ');
    let offset = words.next()?.parse().ok()?;
    let (leaf, beside) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    // LIMIT: a list from elsewhere must not ask for more memory than a line has.
    let known = leaf <= STORED_LEAF_BYTES_MAX && beside <= STORED_BESIDE_BYTES_MAX;
    (known && words.next().is_none()).then_some(Place { offset, leaf, beside })
}

fn remove(directory: &Path, list: &Path) -> Result<(), JournalError> {
    match fs::remove_file(list) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(JournalError::io("cannot remove", list)(error));
        }
        // Another process that erases may have finished it.
        Ok(()) | Err(_) => {}
    }
    sync_directory(directory).map_err(JournalError::io("cannot sync", directory))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
pub(super) mod for_tests {
    //! What a power cut may leave of one erasure.

    use super::{
        super::{line::Lines, recover::segments, wrapping::WrappingKeys},
        *,
    };

    /// The list as it is written before a line is blanked: its name and bytes, and the line's place and new bytes.
    pub(in crate::audit) struct Begun {
        pub(in crate::audit) list: (PathBuf, Vec<u8>),
        pub(in crate::audit) offset: usize,
        pub(in crate::audit) blanked: Vec<u8>,
    }

    /// Where a line of a segment stands, by its sequence.
    pub(in crate::audit) fn place(segment: &SegmentFile, sequence: u64, keys: &WrappingKeys) -> Place {
        let mut lines = Lines::open(&segment.path, keys).unwrap().0.at(segment.first);
        let mut line = Line::default();
        while lines.next_into(&mut line).unwrap().unwrap() && line.sequence < sequence {}
        assert_eq!(line.sequence, sequence);
        Place::of(&line)
    }

    /// Begins to blank one line of the lane's only segment and goes no further.
    pub(in crate::audit) fn begun(directory: &Path, sequence: u64, keys: &WrappingKeys) -> Begun {
        let segment = segments(directory).unwrap().pop().unwrap();
        let place = place(&segment, sequence, keys);
        let list = write_list(directory, segment.first, &[place]).unwrap();
        let bytes = fs::read(&list).unwrap();
        fs::remove_file(&list).unwrap();
        let offset = usize::try_from(place.offset).unwrap();
        let whole = fs::read(&segment.path).unwrap();
        let mut blanked = whole[offset..offset + place.len()].to_vec();
        tombstone(&mut blanked, &place).unwrap();
        Begun { list: (list, bytes), offset, blanked }
    }
}
