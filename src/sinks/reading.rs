//! What a sink is sent next: entries under a signed head, lane by lane in order, none left out.
//!
//! Whatever is not as it should be ends the reading there and is told: entries that a head names and that are not here,
//! a lane that is shorter than what was sent of it, another journal under the same name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cursor::{Cursor, Place},
    event::{Event, Form, Untold},
};
use crate::audit::{Follow, JournalError, Line, leaf_hash, oldest};

/// LIMIT: entries of a batch, and their bytes in the journal; what they are in a sink's form is some of that more.
pub(super) const ENTRIES_MAX: usize = 1_000;
const BYTES_MAX: u64 = 1024 * 1024;

/// How long a lane that cannot be read is let be.
const ILL_FOR: Duration = Duration::from_secs(60);

/// How many entries of each lane stand under its newest signed head.
pub(super) type Signed = Arc<BTreeMap<String, u64>>;

/// Entries that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of which lanes, from which entry on, and where the lane is once they are taken.
    pub(super) parts: Vec<Part>,
    pub(super) events: Vec<Event>,
}

/// What a batch has of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) lane: String,
    pub(super) first: u64,
    pub(super) after: Place,
}

impl Batch {
    /// By which a receiver knows one that comes again: `0=17-29 1=4-9`.
    pub(super) fn range(&self) -> String {
        let part =
            |part: &Part| format!("{}={}-{}", part.lane, part.first, part.after.next.saturating_sub(1));
        self.parts.iter().map(part).collect::<Vec<_>>().join(" ")
    }
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The journal cannot be read there.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry cannot be told.
    #[error(transparent)]
    Untold(#[from] Untold),
    /// Fewer entries are signed than were sent.
    #[error(
        "{sent} entries of lane {lane} were sent and {signed} are signed: the journal was rolled back; a sink of another name begins anew"
    )]
    RolledBack {
        /// Which.
        lane: String,
        /// So many were sent.
        sent: u64,
        /// So many are there.
        signed: u64,
    },
    /// The entry before the cursor is another.
    #[error(
        "entry {lane}:{sequence} is not the one that was sent: it is another journal; a sink of another name begins anew"
    )]
    Another {
        /// Which lane.
        lane: String,
        /// Which entry.
        sequence: u64,
    },
    /// Entries that were not sent are gone.
    #[error(
        "entry {lane}:{sequence} was not sent and is not in the journal any more; a sink of another name begins with what is there"
    )]
    Gone {
        /// Which lane.
        lane: String,
        /// The first of them.
        sequence: u64,
    },
}

/// What there is to send, and what of the journal cannot be read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) batch: Option<Batch>,
    pub(super) ill: Option<String>,
}

/// Reads the lanes of a gate from where a sink is.
#[derive(Debug)]
pub(super) struct Reader {
    directory: PathBuf,
    form: Arc<Form>,
    lanes: BTreeMap<String, LaneReader>,
    cursor: Cursor,
    /// Lanes that could not be read: until when they are let be, and why. The others go on.
    ill: BTreeMap<String, (Instant, String)>,
    /// Which lane has the first word next.
    turn: usize,
}

#[derive(Debug)]
struct LaneReader {
    follow: Follow,
    next: u64,
}

impl Reader {
    pub(super) fn new(directory: &Path, form: Arc<Form>, cursor: &Cursor) -> Self {
        let (directory, cursor) = (directory.to_owned(), cursor.clone());
        Self { directory, form, lanes: BTreeMap::new(), cursor, ill: BTreeMap::new(), turn: 0 }
    }

    /// The last batch was taken.
    pub(super) fn taken(&mut self, parts: &[Part]) {
        for part in parts {
            self.cursor.lanes.insert(part.lane.clone(), part.after.clone());
        }
    }

    /// The next batch, of at most so many entries; none where everything that is signed was read. What was read before
    /// was [`taken`](Self::taken). Blocks.
    pub(super) fn batch(&mut self, signed: &Signed, entries_max: usize, now: Instant) -> Read {
        self.ill.retain(|_, (until, _)| now < *until);
        let mut waiting = Vec::new();
        for (lane, signed) in
            signed.iter().filter(|(lane, _)| !self.ill.contains_key(*lane)).collect::<Vec<_>>()
        {
            match self.behind(lane, *signed) {
                Ok(0) => {}
                Ok(behind) => waiting.push((lane.as_str(), behind)),
                Err(error) => self.fell_ill(lane, &error, now),
            }
        }
        let mut batch = Batch { parts: Vec::new(), events: Vec::new() };
        // Each lane has its share, so that one that is far behind does not hold up the others.
        let lanes = waiting.len().max(1);
        let share = (entries_max / lanes).max(1);
        let bytes = (BYTES_MAX / u64::try_from(lanes).unwrap_or(u64::MAX)).max(1);
        let (before, after) = waiting.split_at(self.turn % lanes);
        self.turn = self.turn.wrapping_add(1);
        for (lane, behind) in after.iter().chain(before) {
            if batch.events.len() >= entries_max {
                break;
            }
            let count = share.min(usize::try_from(*behind).unwrap_or(share));
            if let Err(error) = self.part(lane, count, bytes, &mut batch) {
                self.fell_ill(lane, &error, now);
            }
        }
        let ill = self.ill.values().next().map(|(_, why)| why.clone());
        Read { batch: (!batch.events.is_empty()).then_some(batch), ill }
    }

    /// It is opened anew later, where the sink is by then.
    fn fell_ill(&mut self, lane: &str, error: &ReadError, now: Instant) {
        self.lanes.remove(lane);
        let until = now.checked_add(ILL_FOR).unwrap_or(now);
        self.ill.insert(lane.to_owned(), (until, error.to_string()));
    }

    /// How many entries of a lane wait.
    fn behind(&mut self, lane: &str, signed: u64) -> Result<u64, ReadError> {
        let next = match self.lanes.get(lane) {
            Some(reader) => reader.next,
            None => {
                let reader = self.open(lane, signed)?;
                let next = reader.next;
                self.lanes.insert(lane.to_owned(), reader);
                next
            }
        };
        let rolled_back = || ReadError::RolledBack { lane: lane.to_owned(), sent: next, signed };
        signed.checked_sub(next).ok_or_else(rolled_back)
    }

    /// The next entries of a lane. What stands before one that cannot be told is sent all the same.
    fn part(&mut self, lane: &str, count: usize, bytes: u64, batch: &mut Batch) -> Result<(), ReadError> {
        let Some(reader) = self.lanes.get_mut(lane) else { return Ok(()) };
        let first = reader.next;
        let lines = reader.follow.more_within(count, bytes)?;
        let mut outcome = match lines.is_empty() {
            // A head names it and it is not there.
            true => Err(ReadError::Gone { lane: lane.to_owned(), sequence: first }),
            false => Ok(()),
        };
        let mut last = None;
        for line in &lines {
            if line.sequence != reader.next {
                outcome = Err(ReadError::Gone { lane: lane.to_owned(), sequence: reader.next });
                break;
            }
            match self.form.event(lane, line) {
                Ok(event) => batch.events.push(event),
                Err(untold) => {
                    outcome = Err(untold.into());
                    break;
                }
            }
            reader.next = reader.next.saturating_add(1);
            last = Some(hash(line));
        }
        if last.is_some() {
            let after = Place { next: reader.next, last };
            batch.parts.push(Part { lane: lane.to_owned(), first, after });
        }
        outcome
    }

    /// Where the sink is in a lane, once it is known that the lane is the one that it was sent.
    fn open(&self, lane: &str, signed: u64) -> Result<LaneReader, ReadError> {
        let directory = self.directory.join(lane);
        let (oldest, keys) = (oldest(&directory)?, self.form.wrapping());
        let Some(place) = self.cursor.lanes.get(lane) else {
            return Ok(LaneReader { follow: Follow::from(&directory, oldest, keys), next: oldest });
        };
        let (next, lane) = (place.next, lane.to_owned());
        if next > signed {
            return Err(ReadError::RolledBack { lane, sent: next, signed });
        }
        if next < oldest {
            return Err(ReadError::Gone { lane, sequence: next });
        }
        let Some((last, before)) =
            place.last.as_ref().zip(next.checked_sub(1)).filter(|(_, at)| *at >= oldest)
        else {
            return Ok(LaneReader { follow: Follow::from(&directory, next, keys), next });
        };
        let mut follow = Follow::from(&directory, before, keys);
        let lines = follow.more(1)?;
        match lines.first() {
            Some(line) if line.sequence == before && hash(line) == *last => Ok(LaneReader { follow, next }),
            Some(_) | None => Err(ReadError::Another { lane, sequence: before }),
        }
    }
}

fn hash(line: &Line) -> String {
    leaf_hash(line.leaf().as_bytes(), &mut Vec::new()).to_string()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        audit::{Journal, JournalKeys, JournalOptions, lanes, newest_head},
        clock,
        sinks::{SinkList, SinkSettings},
        words::{Diagnostics, RequestId, tree, yaml::FromYaml as _},
    };

    fn settings() -> SinkSettings {
        let text = "[{ name: a, format: bramka, file: { path: f } }]";
        let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
        SinkList::read(&node, &mut Diagnostics::default()).unwrap().0.remove(0)
    }

    /// A journal of two lanes and so many acts in the first; each has a long detail.
    async fn journal(folder: &Path, acts: usize) -> (PathBuf, Signed, Arc<Form>) {
        let keys = Arc::new(JournalKeys::open(&folder.join("keys")).unwrap());
        let mut options = JournalOptions::new(folder.join("audit"), "main", RequestId([7; 16]));
        (options.lanes, options.segment_bytes_max) = (2, 1 << 20);
        let directory = options.gate_directory();
        let journal = Journal::open(options, keys.clone(), clock::now()).unwrap();
        let detail = "x".repeat(200);
        for _ in 0..acts {
            journal.administrative("act", "ola", &[("what", &*detail); 20], clock::now()).await.unwrap();
        }
        journal.close(clock::now()).await.unwrap();
        (directory.clone(), signed(&directory, &keys), Arc::new(Form::new(&settings(), keys, "main")))
    }

    fn signed(directory: &Path, keys: &JournalKeys) -> Signed {
        let size = |lane: &String| newest_head(directory, "main", lane, &keys.public()).unwrap().size;
        Arc::new(lanes(directory).unwrap().into_iter().map(|lane| (lane.clone(), size(&lane))).collect())
    }

    fn cursor(lane: &str, next: u64, last: Option<&str>) -> Cursor {
        let mut cursor = Cursor::fresh("a", "file");
        cursor.lanes.insert(lane.into(), Place { next, last: last.map(str::to_owned) });
        cursor
    }

    #[tokio::test]
    async fn batches_are_bounded_and_hold_every_entry_of_every_lane_once_over_segments() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, signed, form) = journal(folder.path(), 1_200).await;
        assert!(fs::read_dir(directory.join("0")).unwrap().count() > 5, "several segments");
        let mut reader = Reader::new(&directory, form, &Cursor::fresh("a", "file"));
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(batch) = reader.batch(&signed, ENTRIES_MAX, clock::mono()).batch {
            let bytes: usize = batch.events.iter().map(|event| event.text.len()).sum();
            assert!(batch.events.len() <= ENTRIES_MAX && bytes < 2 << 20, "{bytes}");
            let mut count = 0;
            for part in &batch.parts {
                let at = next.entry(part.lane.clone()).or_default();
                assert_eq!(part.first, *at);
                count += part.after.next - part.first;
                *at = part.after.next;
            }
            assert_eq!(count, batch.events.len() as u64);
            reader.taken(&batch.parts);
        }
        assert_eq!(next, *signed);
    }

    #[tokio::test]
    async fn what_is_not_signed_yet_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, signed, form) = journal(folder.path(), 10).await;
        let mut half = (*signed).clone();
        half.insert("0".into(), 4);
        let mut reader = Reader::new(&directory, form, &Cursor::fresh("a", "file"));
        let half = Arc::new(half);
        let batch = reader.batch(&half, ENTRIES_MAX, clock::mono()).batch.unwrap();
        assert_eq!(batch.parts.iter().find(|part| part.lane == "0").unwrap().after.next, 4);
        reader.taken(&batch.parts);
        assert!(reader.batch(&half, ENTRIES_MAX, clock::mono()).batch.is_none());
        assert!(reader.batch(&signed, ENTRIES_MAX, clock::mono()).batch.is_some());
    }

    #[tokio::test]
    async fn a_lane_that_is_not_what_was_sent_is_told_and_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, signed, form) = journal(folder.path(), 600).await;
        let ill = |cursor: &Cursor| {
            let mut reader = Reader::new(&directory, form.clone(), cursor);
            let mut lanes = Vec::new();
            loop {
                let read = reader.batch(&signed, ENTRIES_MAX, clock::mono());
                let Some(batch) = read.batch else { return (lanes, read.ill.unwrap_or_default()) };
                lanes.extend(batch.parts.iter().map(|part| part.lane.clone()));
                reader.taken(&batch.parts);
            }
        };
        let told = |cursor: &Cursor, words: &str| {
            let (lanes, why) = ill(cursor);
            assert!(why.contains(words), "{why}");
            assert!(lanes.contains(&"1".to_owned()), "{lanes:?}");
            lanes.contains(&"0".to_owned())
        };
        assert_eq!(ill(&Cursor::fresh("a", "file")).1, "");
        assert!(!told(&cursor("0", 10_000, None), "the journal was rolled back"));
        assert!(!told(&cursor("0", 4, Some("00")), "0:3 is not the one that was sent"));
        // A segment in the middle is gone: what stands before it is sent, and nothing after.
        let mut segments: Vec<_> =
            fs::read_dir(directory.join("0")).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|end| end == "log"));
        segments.sort();
        fs::remove_file(&segments[1]).unwrap();
        assert!(told(&Cursor::fresh("a", "file"), "is not in the journal any more"));
        // Gone from the beginning: a sink that had nothing begins with what is there, one that was here does not.
        fs::remove_file(&segments[0]).unwrap();
        assert_eq!(ill(&Cursor::fresh("a", "file")).1, "");
        assert!(!told(&cursor("0", 4, None), "0:4 was not sent and is not in the journal any more"));
    }
}
