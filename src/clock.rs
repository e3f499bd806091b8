//! The one place that reads the time. Everyone else takes `now` as an argument.
//!
//! Deadlines and rates use the monotonic half, so that a clock set back changes nothing; credentials and
//! entries use the wall half.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall time.
    pub wall: Timestamp,
    /// Monotonic time.
    pub mono: Instant,
}

/// For how long the wall clock is told by the monotonic one: a clock that is set shows by then.
const WALL_FRESH: Duration = Duration::from_millis(10);

/// Readings of both clocks that are one moment.
const CLOSE: Duration = Duration::from_micros(20);
/// LIMIT: pairs that are read once more where a thread was put aside.
const PAIRS_MAX: u32 = 4;

thread_local! {
    /// Both clocks when they were last read together.
    static READ: Cell<Option<Now>> = const { Cell::new(None) };
}

/// Reads both clocks. In between the wall clock goes on as the monotonic one does, which saves every other reading.
#[expect(clippy::disallowed_methods, reason = "this is the one right place")]
pub fn now() -> Now {
    let mono = Instant::now();
    READ.with(|read| {
        let since = |read: Now| {
            let went = mono.checked_duration_since(read.mono).filter(|went| *went < WALL_FRESH)?;
            let wall = read.wall.checked_add(SignedDuration::try_from(went).ok()?).ok()?;
            Some(Now { wall, mono })
        };
        read.get().and_then(since).unwrap_or_else(|| {
            let now = together();
            read.set(Some(now));
            now
        })
    })
}

/// Both clocks, read as one. A thread that is put aside between the two would be ahead by that, and go back the next time
/// they are read: the closest of some pairs is taken.
#[expect(clippy::disallowed_methods, reason = "this is the one right place")]
fn together() -> Now {
    let pair = || {
        let now = Now { mono: Instant::now(), wall: Timestamp::now() };
        (now.mono.elapsed(), now)
    };
    let (mut apart, mut now) = pair();
    for _ in 0..PAIRS_MAX {
        if apart < CLOSE {
            break;
        }
        let (nearer, other) = pair();
        if nearer < apart {
            (apart, now) = (nearer, other);
        }
    }
    now
}

/// Reads the monotonic clock alone, for clocks that are looked at on every read.
#[expect(clippy::disallowed_methods, reason = "this is the one right place")]
pub fn mono() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_goes_on_as_the_monotonic_one_does() {
        let first = now();
        let mut last = first;
        for _ in 0..100_000 {
            last = now();
        }
        let went = last.mono.saturating_duration_since(first.mono);
        let told = Duration::try_from(last.wall.duration_since(first.wall)).unwrap();
        assert!(told.abs_diff(went) < Duration::from_secs(1), "{told:?} in {went:?}");
    }
}
