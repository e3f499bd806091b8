//! A lane whose oldest segments may go: which one would be next, what holds it, and what stands in it.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;

use super::{
    super::{
        JournalError, PublicKey,
        hashes::Begun,
        line::{LineFacts, Lines, parse_segment_head},
        read,
        recover::{self, Repair, SegmentFile, Whose},
        tree::Edge,
        wrapping::WrappingKeys,
    },
    Held, HeldBy, Need, RetainedLane, Wanted,
};
use crate::words::{Digest, RequestId};

/// A lane, and how far it is.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) origin: String,
    pub(super) segments: Vec<SegmentFile>,
    /// Which of them is the oldest that stays so far.
    pub(super) next: usize,
    /// What is known to hold it, once that was looked at.
    pub(super) bounds: Option<Bounds>,
    pub(super) told: RetainedLane,
    /// Nothing more of it goes in this turn.
    pub(super) is_done: bool,
}

/// Up to where a lane may go.
pub(super) struct Bounds {
    pub(super) signed: u64,
    pub(super) heads: BTreeMap<u64, Digest>,
    pub(super) needed: Option<Need>,
    /// The first intent without outcome.
    pub(super) intent: Option<u64>,
}

/// The segment of a lane that would go next.
pub(super) struct Candidate {
    pub(super) lane: usize,
    pub(super) segment: SegmentFile,
    /// The one after it.
    pub(super) after: SegmentFile,
    /// When its last entry was written.
    pub(super) ends: Timestamp,
}

impl Place {
    /// The oldest segment that is not the open one, where anything of the lane may still go.
    pub(super) fn candidate(&mut self, lane: usize, keys: &WrappingKeys) -> Option<Candidate> {
        let segment = self.segments.get(self.next).filter(|_| !self.is_done)?.clone();
        let after = self.segments.get(self.next + 1)?.clone();
        let ends = match read::ends(&segment, after.first.saturating_sub(1), keys) {
            // No later than that.
            Ok(None) => read::begins(&after, keys),
            ends => ends,
        };
        match ends {
            Ok(Some(ends)) => Some(Candidate { lane, segment, after, ends }),
            // The one after it was begun just now.
            Ok(None) => None,
            Err(error) => {
                let (first, to) = (segment.first, after.first);
                self.told.held = Some(Held { first, to, why: HeldBy::Damaged(error.to_string()) });
                self.is_done = true;
                None
            }
        }
    }

    /// Why entries up to here may not go.
    pub(super) fn held_by(
        &mut self,
        to: u64,
        wanted: &Wanted<'_>,
        key: (&PublicKey, &WrappingKeys),
    ) -> Option<HeldBy> {
        let bounds = match &self.bounds {
            Some(bounds) => bounds,
            None => match self.look(wanted, key) {
                Ok(bounds) => self.bounds.insert(bounds),
                Err(error) => return Some(HeldBy::Damaged(error.to_string())),
            },
        };
        if bounds.signed < to {
            return Some(HeldBy::Unsigned);
        }
        if let Some(need) = bounds.needed.as_ref().filter(|need| need.from < to) {
            return Some(HeldBy::Needed(need.clone()));
        }
        bounds.intent.filter(|intent| *intent < to).map(HeldBy::Intent)
    }

    /// ORDER: only where a segment would go: it reads the lane's last two.
    pub(super) fn look(
        &self,
        wanted: &Wanted<'_>,
        (key, wrapping): (&PublicKey, &WrappingKeys),
    ) -> Result<Bounds, JournalError> {
        let ends = self.segments.iter().map(|segment| segment.first).collect();
        let needed = (wanted.needs)(&self.told.lane);
        let heads = recover::signed_heads(&self.directory, &self.origin, key, &ends)?;
        let whose = Whose {
            lane: &self.told.lane,
            origin: &self.origin,
            key,
            wrapping,
            kept: &[],
            boot: RequestId([0; 16]),
        };
        let found = recover::recover(&self.directory, whose, Repair::Leave)?;
        let intent = found.unknown.iter().map(|intent| intent.sequence).min();
        let signed = heads.last_key_value().map_or(0, |(size, _)| *size);
        Ok(Bounds { signed, heads, needed, intent })
    }

    /// Whether the tree is what was signed where it was signed.
    pub(super) fn bears_out(&self, edge: &Edge) -> bool {
        let signed = self.bounds.as_ref().and_then(|bounds| bounds.heads.get(&edge.size()));
        signed.is_none_or(|root| *root == edge.root())
    }
}

/// What was read of a segment, and its hashes where they are wanted.
pub(super) struct Scanned {
    pub(super) begun: Option<Begun>,
    pub(super) read: Read,
}

pub(super) struct Read {
    pub(super) edge: Edge,
    /// The earliest and the latest.
    pub(super) moments: Option<(Timestamp, Timestamp)>,
    /// Lines that its entries say are erased, and that stay.
    pub(super) erased: Vec<(String, u64)>,
}

impl Scanned {
    pub(super) fn moments(&self) -> (Timestamp, Timestamp) {
        self.read.moments.unwrap_or_default()
    }

    pub(super) fn give_up(self) {
        if let Some(begun) = self.begun {
            begun.give_up();
        }
    }
}

impl Read {
    pub(super) fn take(
        &mut self,
        facts: &LineFacts<'_>,
        (lane, first, to): (&str, u64, u64),
        oldest: &BTreeMap<String, u64>,
    ) {
        if let Ok(at) = facts.at.parse::<Timestamp>() {
            let (from, until) = self.moments.unwrap_or((at, at));
            self.moments = Some((from.min(at), until.max(at)));
        }
        if !facts.says_erased() {
            return;
        }
        let place = |line: &str| {
            let (lane, sequence) = line.split_once(':')?;
            Some((lane.to_owned(), sequence.parse::<u64>().ok()?))
        };
        let stays = |(of, sequence): &(String, u64)| {
            let goes = of == lane && (first..to).contains(sequence);
            !goes && oldest.get(of).is_some_and(|oldest| oldest <= sequence)
        };
        self.erased.extend(facts.erased.iter().filter_map(|line| place(line)).filter(stays));
    }
}

/// The first entry of each lane that is here.
pub(super) fn oldest(places: &[Place]) -> BTreeMap<String, u64> {
    let first = |place: &Place| place.segments.get(place.next).map(|segment| segment.first);
    places.iter().filter_map(|place| Some((place.told.lane.clone(), first(place)?))).collect()
}

/// Opens a segment at its first entry, with the tree before it.
pub(super) fn opened(
    segment: &SegmentFile,
    origin: &str,
    keys: &WrappingKeys,
) -> Result<(Edge, Lines), JournalError> {
    let (lines, head) = Lines::open(&segment.path, keys)?;
    let edge = parse_segment_head(&head, origin).filter(|edge| edge.size() == segment.first);
    let edge = edge.ok_or_else(|| read::damaged(&segment.path, 0, "the first line is not this segment's"))?;
    Ok((edge, lines.at(segment.first)))
}
