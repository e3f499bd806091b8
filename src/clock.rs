//! The one place that reads the time. Everyone else takes `now` as an argument.
//!
//! Deadlines and rates use the monotonic half, so that a clock set back changes nothing; credentials and
//! entries use the wall half.

use std::time::Instant;

use jiff::Timestamp;

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall time.
    pub wall: Timestamp,
    /// Monotonic time.
    pub mono: Instant,
}

/// Reads both clocks.
#[expect(clippy::disallowed_methods, reason = "this is the one right place")]
pub fn now() -> Now {
    Now { wall: Timestamp::now(), mono: Instant::now() }
}

/// Reads the monotonic clock alone, for clocks that are looked at on every read.
#[expect(clippy::disallowed_methods, reason = "this is the one right place")]
pub fn mono() -> Instant {
    Instant::now()
}
