//! Answers of systems that are put aside while a bundle is tried whose mappings are others: as they came, in memory
//! alone, until the trying thread has mapped them too.
//!
//! The road of a request pays for it with a look at a few counters, and where there is room with a copy of the answer's
//! head and of a pointer to its body. Nothing waits; what finds no room is passed over and counted.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use compact_str::CompactString;

use super::super::exchange::Exchange;
use crate::{
    config::{Section, Snapshot},
    mapping::{Listing, Mapping, NativeAnswer},
    replay::Bundle,
    schema::{FieldSet, Filter, Sort},
    telemetry::Reason,
    words::{RequestId, SystemName},
};

/// LIMIT: answers that wait.
pub(super) const WAITING_MAX: usize = 64;
/// LIMIT: bytes of bodies that wait, and of one.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
const BODY_BYTES_MAX: usize = 512 * 1024;

/// An answer of a system to a question of a caller's.
pub(super) struct Sample {
    /// The exchange.
    pub(super) request: RequestId,
    /// By which it was mapped.
    pub(super) mapping: Arc<Mapping>,
    pub(super) wanted: FieldSet,
    pub(super) question: Question,
    pub(super) answer: NativeAnswer,
    _room: Room,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what it holds.
        f.debug_struct("Sample").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What a system was asked.
#[derive(Debug)]
pub(in crate::gateway) enum Question {
    /// For the record of a key.
    Read(CompactString),
    /// For a page of records; the filter and the order are those that the system can be asked for.
    List(Box<(Listing, Filter, Vec<Sort>)>),
}

/// Where answers are put.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    send: SyncSender<Sample>,
    held: Arc<Held>,
    which: Which,
}

/// Which systems' answers are worth it.
#[derive(Clone, Debug)]
enum Which {
    /// The bundles differ in what all mappings go by, or it is not known in what.
    All,
    /// Their files differ.
    These(HashSet<SystemName>),
}

#[derive(Debug, Default)]
struct Held {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// Room that a sample takes up until it is dropped.
struct Room {
    held: Arc<Held>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.count.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Held {
    fn room(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let is_one = |max: usize, more: usize| move |now: usize| now.checked_add(more).filter(|n| *n <= max);
        let (relaxed, count) = (Ordering::Relaxed, is_one(WAITING_MAX, 1));
        if bytes > BODY_BYTES_MAX {
            return None;
        }
        self.count.fetch_update(relaxed, relaxed, count).ok()?;
        match self.bytes.fetch_update(relaxed, relaxed, is_one(WAITING_BYTES_MAX, bytes)) {
            Ok(_) => Some(Room { held: self.clone(), bytes }),
            Err(_) => {
                self.count.fetch_sub(1, relaxed);
                None
            }
        }
    }
}

impl Samples {
    /// Two ends, for a bundle that is tried beside one that serves.
    pub(super) fn new() -> (Self, Receiver<Sample>) {
        let (send, receive) = sync_channel(WAITING_MAX);
        (Self { send, held: Arc::default(), which: Which::These(HashSet::new()) }, receive)
    }

    /// The same where this one serves; none of its files is at hand where it is not kept.
    pub(super) fn between(&self, serving: &Snapshot, then: Option<&Bundle>, tried: &Bundle) -> Self {
        let which = match then {
            None => Which::All,
            Some(then) => differing(serving, then, tried),
        };
        Self { which, ..self.clone() }
    }

    fn are_of(&self, system: &SystemName) -> bool {
        match &self.which {
            Which::All => true,
            Which::These(systems) => systems.contains(system),
        }
    }
}

/// The systems whose files are others. Schema and mapping together say what a record is.
fn differing(serving: &Snapshot, then: &Bundle, tried: &Bundle) -> Which {
    let schema = |bundle: &Bundle| -> Vec<_> {
        bundle.files.section(Section::Schema).map(|file| (file.path.clone(), file.text.clone())).collect()
    };
    if schema(then) != schema(tried) {
        return Which::All;
    }
    let is_other = |system: &&SystemName| {
        let file = format!("systems/{system}.yaml");
        then.files.text(&file) != tried.files.text(&file)
    };
    Which::These(serving.systems.keys().filter(is_other).cloned().collect())
}

impl Exchange {
    /// Puts an answer aside that is about to be mapped, where a bundle is tried that would map it otherwise.
    pub(in crate::gateway) fn sample(
        &self,
        mapping: &Arc<Mapping>,
        (answer, wanted): (&NativeAnswer, &FieldSet),
        question: impl FnOnce() -> Question,
    ) {
        let gate = &self.core.gate;
        let shadow = gate.shadow.load();
        let Some(shadow) = shadow.as_ref().filter(|shadow| shadow.serving == self.snapshot.digest) else {
            return;
        };
        if !shadow.samples.are_of(mapping.system()) {
            return;
        }
        let sent = shadow.samples.held.room(answer.body.len()).is_some_and(|room| {
            let sample = Sample {
                request: self.entry.request(),
                mapping: mapping.clone(),
                wanted: *wanted,
                question: question(),
                answer: answer.clone(),
                _room: room,
            };
            shadow.samples.send.try_send(sample).is_ok()
        });
        if !sent {
            gate.telemetry.shadow_mappings.get_or_create(&Reason { reason: "dropped" }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_wait_are_bounded_in_number_and_size_and_give_their_room_back() {
        let held = Arc::new(Held::default());
        assert!(held.room(BODY_BYTES_MAX + 1).is_none());
        let all: Vec<Room> = (0..WAITING_MAX).map_while(|_| held.room(1)).collect();
        assert_eq!(all.len(), WAITING_MAX);
        assert!(held.room(1).is_none());
        drop(all);
        let large: Vec<Room> = (0..WAITING_MAX).map_while(|_| held.room(BODY_BYTES_MAX)).collect();
        assert_eq!(large.len(), WAITING_BYTES_MAX / BODY_BYTES_MAX);
        assert!(held.room(1).is_none());
        assert_eq!(held.count.load(Ordering::Relaxed), large.len(), "what found no room takes none");
        drop(large);
        assert!(held.room(BODY_BYTES_MAX).is_some());
    }
}
