//! What is written down before a segment goes, and in which order: hashes, entry, and only then the segment.

use std::path::Path;

use super::{
    super::{
        Journal, JournalError,
        hashes::{self, AboutWhole},
        read, text,
    },
    Gone,
    place::{Candidate, Place, Scanned},
};
use crate::{clock::Now, words::Digest};

/// LIMIT: erased lines that one entry names.
const NAMED_MAX: usize = 1_000;

/// What is written down before a segment goes.
pub(super) struct Saying<'a> {
    pub(super) journal: &'a Journal,
    pub(super) who: &'a str,
    pub(super) now: Now,
    pub(super) gate_directory: &'a Path,
}

impl Saying<'_> {
    /// Hashes, entry, and only then the segment.
    pub(super) fn put_away(
        &self,
        place: &Place,
        candidate: &Candidate,
        scanned: Scanned,
        gone: &Gone,
    ) -> Result<(), JournalError> {
        let Scanned { begun: Some(begun), read } = scanned else { return Ok(()) };
        let before = hashes::gone(&place.directory)?.pop().map(|last| last.digest()).transpose()?;
        let about = AboutWhole {
            origin: &place.origin,
            first: gone.first,
            from: gone.from,
            until: gone.until,
            put_away: self.now.wall,
            rule: &gone.rule,
            before,
        };
        let whole = begun.end(&about)?;
        // ORDER: said and synced before it is done: hashes without their entry read as damage.
        let said =
            self.say_erased(&read.erased).and_then(|()| self.say(&place.told.lane, gone, &whole.digest()));
        if let Err(error) = said {
            whole.give_up();
            return Err(error);
        }
        whole.place(&place.directory)?;
        hashes::remove(&place.directory, &candidate.segment.path)
    }

    /// The entry: which segment goes, and what is gone of every lane then.
    pub(super) fn say(&self, lane: &str, gone: &Gone, digest: &Digest) -> Result<(), JournalError> {
        let mut standing = vec![(lane.to_owned(), gone.to, *digest)];
        for other in read::lanes(self.gate_directory)?.into_iter().filter(|other| other != lane) {
            if let Some(last) = hashes::gone(&self.gate_directory.join(&other))?.pop() {
                standing.push((other, last.to(), last.digest()?));
            }
        }
        let mut fields = Vec::new();
        text::text(&mut fields, "act", "put-away");
        text::text(&mut fields, "by", self.who);
        let entries = format!("{}-{}", gone.first, gone.to.saturating_sub(1));
        let (from, until) = (gone.from.to_string(), gone.until.to_string());
        let details =
            [("lane", lane), ("entries", &entries), ("from", &from), ("until", &until), ("rule", &gone.rule)];
        text::key(&mut fields, "details");
        text::array(&mut fields, details, |out, (name, value)| {
            text::array(out, [name, value], text::quoted);
        });
        text::key(&mut fields, "put_away");
        text::array(&mut fields, &standing, |out, (lane, to, digest)| {
            out.extend_from_slice(b"{\"lane\":");
            text::quoted(out, lane);
            text::number(out, "to", *to);
            text::hex_text(out, "hashes", &digest.0);
            out.push(b'}');
        });
        self.append(&fields)
    }

    /// What was erased of lines that stay is said again, since the entries that say so go.
    pub(super) fn say_erased(&self, erased: &[(String, u64)]) -> Result<(), JournalError> {
        for some in erased.chunks(NAMED_MAX) {
            let mut fields = Vec::new();
            text::text(&mut fields, "act", "erased-before");
            text::text(&mut fields, "by", self.who);
            text::key(&mut fields, "erased");
            text::array(&mut fields, some, |out, (lane, sequence)| {
                text::quoted_display(out, format_args!("{lane}:{sequence}"));
            });
            self.append(&fields)?;
        }
        Ok(())
    }

    pub(super) fn append(&self, fields: &[u8]) -> Result<(), JournalError> {
        self.journal.append_administrative(fields, self.now)?.wait_blocking().map(drop)
    }
}
