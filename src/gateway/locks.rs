//! One write at a time of a record that is sent back whole: from its read to the end of its write nobody else of this
//! gate changes it.
//!
//! Writes of one record take their turns in the order they came. A lock is let go when the write's task ends, however it
//! does. It is this gate's own: another gate, and whoever changes the record in its system, does not see it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use compact_str::{CompactString, format_compact};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::exchange::Exchange;
use crate::{
    mapping::Mapping,
    refusal::Refusal,
    schema::Record,
    wire::Deadline,
    words::{Digest, SystemName},
};

/// LIMIT: records that are locked at a time.
const RECORDS_MAX: usize = 16_384;
/// LIMIT: writes of one record that run or wait.
const WRITES_MAX: usize = 64;

/// The system, and the key of the record there.
type Name = (SystemName, CompactString);

/// The locks of a gate; one is there as long as somebody has it or waits for it.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<HashMap<Name, Lock>>);

#[derive(Debug, Default)]
struct Lock {
    turn: Arc<Turn<()>>,
    /// Writes that have it or wait for it.
    writes: usize,
}

/// A record that nobody else writes.
#[derive(Debug)]
pub(super) struct Held {
    // ORDER: let go before the place is given up.
    _turn: OwnedMutexGuard<()>,
    _place: Place,
}

/// A place among the writes of one record.
#[derive(Debug)]
struct Place {
    locks: Arc<Locks>,
    name: Name,
}

/// Why a lock is not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupied {
    /// As many wait as may, or as many records are locked.
    Full,
    /// The time of the exchange ran out.
    Late,
}

/// The lock of a record that is sent back whole; none of one of which only the change is sent.
pub(super) async fn held(exchange: &Exchange, mapping: &Mapping, key: &str) -> Result<Option<Held>, Refusal> {
    if !mapping.merges() {
        return Ok(None);
    }
    let name = (mapping.system().clone(), key.into());
    let held = exchange.core.gate.locks.clone().take(name, exchange.deadline()).await;
    held.map(Some).map_err(|_| Refusal::Occupied)
}

/// LIMIT: natural keys of one new record that are locked.
const NATURAL_KEYS_MAX: usize = 16;

/// The locks of a new record's natural keys: of two that are the same one is made first, and the system knows it when
/// the other comes. Taken in one order, so that no two wait for each other.
pub(super) async fn of_new(
    exchange: &Exchange,
    mapping: &Mapping,
    new: &Record,
) -> Result<Vec<Held>, Refusal> {
    let entity = mapping.entity();
    let mut names: Vec<CompactString> = Vec::new();
    for leaf in entity.natural_keys().iter() {
        new.each(entity, leaf, &mut |value| {
            let text = value.as_text().map(|text| text.trim().to_lowercase()).unwrap_or_default();
            if !text.is_empty() {
                let parts = [entity.name.as_str().as_bytes(), &[leaf.0], text.as_bytes()];
                // No record's key looks so.
                names.push(format_compact!("new\n{}", Digest::of_parts(&parts)));
            }
        });
    }
    names.sort_unstable();
    names.dedup();
    names.truncate(NATURAL_KEYS_MAX);
    let mut held = Vec::with_capacity(names.len());
    for name in names {
        let name = (mapping.system().clone(), name);
        let one = exchange.core.gate.locks.clone().take(name, exchange.deadline()).await;
        held.push(one.map_err(|_| Refusal::Occupied)?);
    }
    Ok(held)
}

impl Locks {
    /// Waits for a record, no longer than until `deadline`.
    async fn take(self: Arc<Self>, name: Name, deadline: Deadline) -> Result<Held, Occupied> {
        let (turn, place) = self.join(name).ok_or(Occupied::Full)?;
        let turn = tokio::time::timeout_at(deadline.0.into(), turn.lock_owned()).await;
        turn.map(|turn| Held { _turn: turn, _place: place }).map_err(|_| Occupied::Late)
    }

    fn join(self: Arc<Self>, name: Name) -> Option<(Arc<Turn<()>>, Place)> {
        let mut locks = self.0.lock();
        let is_full = locks.len() >= RECORDS_MAX;
        let turn = match locks.entry(name.clone()) {
            Entry::Occupied(lock) if lock.get().writes >= WRITES_MAX => return None,
            Entry::Vacant(_) if is_full => return None,
            lock => {
                let lock = lock.or_default();
                lock.writes = lock.writes.saturating_add(1);
                lock.turn.clone()
            }
        };
        drop(locks);
        Some((turn, Place { locks: self, name }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut locks = self.locks.0.lock();
        if let Entry::Occupied(mut lock) = locks.entry(self.name.clone()) {
            let left = lock.get().writes.saturating_sub(1);
            lock.get_mut().writes = left;
            if left == 0 {
                lock.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
        time::Duration,
    };

    use super::*;
    use crate::clock;

    fn name(key: &str) -> Name {
        ("shop".into(), key.into())
    }

    fn later() -> Deadline {
        Deadline::after(clock::now(), Duration::from_secs(60))
    }

    #[tokio::test]
    async fn writes_of_one_record_take_turns_as_they_came_and_others_do_not_wait() {
        let locks = Arc::new(Locks::default());
        let first = locks.clone().take(name("1"), later()).await.unwrap();
        let mut second = pin!(locks.clone().take(name("1"), later()));
        let mut third = pin!(locks.clone().take(name("1"), later()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        drop(locks.clone().take(name("2"), later()).await.unwrap());
        drop(first);
        // Whoever came later does not overtake.
        assert!(third.as_mut().poll(&mut cx).is_pending());
        drop(second.await.unwrap());
        drop(third.await.unwrap());
        assert!(locks.0.lock().is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let locks = Arc::new(Locks::default());
        let first = locks.clone().take(name("1"), later()).await.unwrap();
        {
            let mut waiting = pin!(locks.clone().take(name("1"), later()));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let now = Deadline::after(clock::now(), Duration::ZERO);
        assert_eq!(locks.clone().take(name("1"), now).await.unwrap_err(), Occupied::Late);
        drop(first);
        assert!(locks.0.lock().is_empty());
        drop(locks.clone().take(name("1"), later()).await.unwrap());
        assert!(locks.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_write_that_breaks_lets_its_record_go() {
        let locks = Arc::new(Locks::default());
        let of_task = locks.clone();
        let task = tokio::spawn(async move {
            let _held = of_task.take(name("1"), later()).await.unwrap();
            panic!("on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        drop(locks.clone().take(name("1"), later()).await.unwrap());
        assert!(locks.0.lock().is_empty());
    }

    #[tokio::test]
    async fn no_more_wait_for_one_record_and_no_more_are_locked_than_the_bounds_say() {
        let locks = Arc::new(Locks::default());
        let places: Vec<_> = (0..WRITES_MAX).map(|_| locks.clone().join(name("1")).unwrap()).collect();
        assert_eq!(locks.clone().take(name("1"), later()).await.unwrap_err(), Occupied::Full);
        let others: Vec<_> =
            (2..=RECORDS_MAX).map(|key| locks.clone().join(name(&key.to_string())).unwrap()).collect();
        assert_eq!(locks.clone().take(name("0"), later()).await.unwrap_err(), Occupied::Full);
        drop((places, others));
        assert!(locks.0.lock().is_empty());
    }
}
