//! Who asks for many different records that are not there: ids are guessed, or walked. How many there were within an
//! hour is told by a sketch, for alerts alone; it refuses nothing.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{budget::Span, meter::Subject};
use crate::clock::Now;

/// LIMIT: callers that are looked at within an hour; a newcomer beyond is not.
const WALKERS_MAX: usize = 16_384;
/// Bits of a sketch: linear counting (Whang, Vander-Zanden, Taylor 1990) is within a few per cent up to twice as many.
const WORDS: usize = 32;
const BITS: u32 = 64 * 32;

/// What was missed within the hour.
#[derive(Debug, Default)]
pub(super) struct Walks(Mutex<HashMap<Subject, Walk, RandomState>>);

#[derive(Debug)]
struct Walk {
    hour: i64,
    bits: Box<[u64; WORDS]>,
    is_told: bool,
}

impl Walk {
    fn new(hour: i64) -> Self {
        Self { hour, bits: Box::new([0; WORDS]), is_told: false }
    }

    fn insert(&mut self, digest: u64) {
        let bit = digest % u64::from(BITS);
        let word = usize::try_from(bit / 64).ok().and_then(|word| self.bits.get_mut(word));
        if let Some(word) = word {
            *word |= 1 << (bit % 64);
        }
    }

    /// About how many different ones went in.
    fn count(&self) -> u64 {
        let zeros = self.bits.iter().map(|word| word.count_zeros()).sum::<u32>().max(1);
        let (all, zeros) = (f64::from(BITS), f64::from(zeros));
        let about = all * (all / zeros).ln();
        // SAFETY of the cast: between 0 and BITS × ln BITS, a few thousand.
        about.round() as u64
    }
}

impl Walks {
    /// Takes a miss in; tells about how many there were, once in the hour in which they come to so many.
    pub(super) fn missed(&self, of: &Subject, digest: u64, most: u32, now: Now) -> Option<u64> {
        let hour = Span::Hour.window(now.wall).number;
        let mut walks = self.0.lock();
        if walks.len() >= WALKERS_MAX && !walks.contains_key(of) {
            walks.retain(|_, walk| walk.hour == hour);
            if walks.len() >= WALKERS_MAX {
                return None;
            }
        }
        let walk = walks.entry(of.clone()).or_insert_with(|| Walk::new(hour));
        if walk.hour != hour {
            *walk = Walk::new(hour);
        }
        walk.insert(digest);
        let count = walk.count();
        let is_due = count >= u64::from(most) && !walk.is_told;
        walk.is_told |= is_due;
        is_due.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Digest, Kind};

    fn now(text: &str) -> Now {
        Now { wall: text.parse().unwrap(), mono: crate::clock::now().mono }
    }

    fn digest(n: u64) -> u64 {
        u64::from_le_bytes(Digest::of(&n.to_le_bytes()).0[..8].try_into().unwrap())
    }

    #[test]
    fn so_many_different_misses_within_an_hour_are_told_once_and_the_same_ones_never() {
        let (walks, at) = (Walks::default(), now("2026-03-01T12:00:00Z"));
        let of = |id: &str| Subject::Principal(Kind::App, id.into());
        for _ in 0..10_000 {
            assert_eq!(walks.missed(&of("one"), digest(7), 10, at), None);
        }
        let told: Vec<u64> =
            (0..1_000).filter_map(|n| walks.missed(&of("walker"), digest(n), 100, at)).collect();
        assert!(matches!(told[..], [95..=105]), "{told:?}");
        // Others are not blamed for it, and the next hour begins anew.
        assert_eq!(walks.missed(&of("other"), digest(1), 10, at), None);
        let later = now("2026-03-01T13:00:00Z");
        assert_eq!(walks.missed(&of("walker"), digest(1), 10, later), None);
    }
}
