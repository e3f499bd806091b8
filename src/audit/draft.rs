//! From the parts of an entry to the bytes of its line.

use super::{
    JournalError,
    keys::Month,
    lane::{Durability, Lane, Standing, Ticket},
    line::{BESIDE_BYTES_MAX, HEAD_LEN, LEAF_BYTES_MAX, LEAF_START, OUTCOME_UNKNOWN},
    text,
};
use std::sync::Arc;

use crate::{clock::Now, words::RequestId};

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Start,
    Stop,
    Open,
    Intent,
    Answer,
    /// An answer after an intent of which nobody knows what became of it.
    Unsettled,
    Close,
    Counted,
    Administrative,
}

impl EntryKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Open => "open",
            Self::Intent => "intent",
            Self::Answer | Self::Unsettled => "answer",
            Self::Close => "close",
            Self::Counted => "counted",
            Self::Administrative => "administrative",
        }
    }
}

/// An entry ready to be appended.
pub(super) struct Draft<'a> {
    pub(super) kind: EntryKind,
    pub(super) request: Option<RequestId>,
    pub(super) now: Now,
    /// Fields of the leaf, each beginning with a comma.
    pub(super) fields: &'a [&'a [u8]],
    /// Fields to be sealed, each beginning with a comma; empty where there is nothing to seal.
    pub(super) plain: &'a [&'a [u8]],
}

impl Draft<'_> {
    /// Encodes and appends; the bytes are in the lane's hands when this returns.
    pub(super) fn append(
        &self,
        lane: &Arc<Lane>,
        durability: Durability,
        standing: Standing,
    ) -> Result<Ticket, JournalError> {
        let mut line = lane.buffer();
        let ticket = lane
            .alive()
            .and_then(|()| self.encode(lane, &mut line))
            .and_then(|lengths| lane.append(&line, lengths, durability, standing, self.now));
        lane.give_back(line);
        if let (Err(_), Standing::Stranger(word)) = (&ticket, standing) {
            lane.count(word);
        }
        ticket
    }

    /// The line but for sequence, lengths and CRC; gives the lengths of leaf and what stands beside it.
    ///
    /// ORDER: `v`, `seq`, `kind`, `request` and an unknown outcome come first, in this order, so that recovery finds
    /// them without reading the rest.
    pub(super) fn encode(&self, lane: &Lane, line: &mut Vec<u8>) -> Result<(usize, usize), JournalError> {
        let chance = lane.chance()?;
        line.resize(HEAD_LEN, b' ');
        line.extend_from_slice(LEAF_START);
        line.extend_from_slice(b"0000000000000000\"");
        text::text(line, "kind", self.kind.as_str());
        if let Some(request) = self.request {
            text::hex_text(line, "request", &request.0);
        }
        if self.kind == EntryKind::Unsettled {
            line.extend_from_slice(OUTCOME_UNKNOWN);
        }
        text::hex_text(line, "boot", &lane.boot.0);
        let since = self.now.mono.saturating_duration_since(lane.opened.mono);
        text::number(line, "mono", u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        text::key(line, "at");
        text::moment(line, self.now.wall);
        text::hex_text(line, "salt", &chance.leaf_salt);
        for fields in self.fields {
            line.extend_from_slice(fields);
        }
        let mut beside = lane.buffer();
        let sealed = self.seal(lane, &chance, &mut beside);
        if let Ok(Some(commitment)) = &sealed {
            text::hex_text(line, "sealed", &commitment.0);
        }
        line.push(b'}');
        let lengths = (line.len() - HEAD_LEN, beside.len());
        line.push(b' ');
        line.extend_from_slice(&beside);
        line.push(b'\n');
        lane.give_back(beside);
        sealed?;
        for (bytes, bytes_max) in [(lengths.0, LEAF_BYTES_MAX), (lengths.1, BESIDE_BYTES_MAX)] {
            if bytes > bytes_max {
                return Err(JournalError::TooLarge { bytes, bytes_max });
            }
        }
        Ok(lengths)
    }

    fn seal(
        &self,
        lane: &Lane,
        chance: &super::keys::SealChance,
        beside: &mut Vec<u8>,
    ) -> Result<Option<crate::words::Digest>, JournalError> {
        if self.plain.iter().all(|part| part.is_empty()) {
            beside.push(b'-');
            return Ok(None);
        }
        let mut plain = lane.buffer();
        for part in self.plain {
            plain.extend_from_slice(part);
        }
        // `{` takes the place of the first field's comma.
        if let Some(first) = plain.first_mut() {
            *first = b'{';
        }
        plain.push(b'}');
        let commitment = lane.keys.seal(Month::of(self.now.wall), chance, &plain, beside);
        lane.give_back(plain);
        commitment.map(Some)
    }
}
