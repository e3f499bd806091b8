//! Which of a system's equal addresses is called: the less loaded of two, among those that answer.
//!
//! An address that fails several times in a row is left out for a while, then tried with a single call; one that is
//! ill by its health checks, until it is well by them. When all are out, all are in: whether to call at all is the
//! breaker's to decide.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::health::{Checked, Health};
use crate::wire::Origin;

/// Failures in a row after which an address is left out.
const FAILURES_MAX: u32 = 3;
/// For how long at first, and at most.
const OUT: Duration = Duration::from_secs(1);
const OUT_MAX: Duration = Duration::from_secs(60);

/// A system's addresses. Counters are shared by all cores.
#[derive(Debug)]
pub(super) struct Balance {
    addresses: Box<[Address]>,
    /// What `out_until` counts from.
    epoch: Instant,
    turn: AtomicU32,
}

#[derive(Debug)]
struct Address {
    origin: Arc<Origin>,
    /// The same address under the second sign-in and those after it: connections are not shared between them.
    more: Vec<Arc<Origin>>,
    in_flight: AtomicU32,
    failures: AtomicU32,
    /// Milliseconds since the epoch until which it is left out; 0 when it is in.
    out_until: AtomicU64,
    /// What health checks say: `UNKNOWN`, `WELL` or `ILL`.
    checked: AtomicU8,
    /// How many checks in a row said otherwise.
    streak: AtomicU32,
}

const UNKNOWN: u8 = 0;
const WELL: u8 = 1;
const ILL: u8 = 2;

/// An address in use; it counts as load until dropped. What became of the call is told by
/// [`Balance::did_well`] and [`Balance::failed`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Picked(usize);

impl Balance {
    pub(super) fn new(origins: Vec<Origin>, epoch: Instant) -> Self {
        let addresses = origins
            .into_iter()
            .map(|origin| Address {
                origin: Arc::new(origin),
                more: Vec::new(),
                in_flight: AtomicU32::new(0),
                failures: AtomicU32::new(0),
                out_until: AtomicU64::new(0),
                checked: AtomicU8::new(UNKNOWN),
                streak: AtomicU32::new(0),
            })
            .collect();
        Self { addresses, epoch, turn: AtomicU32::new(0) }
    }

    /// The same addresses once more, for another sign-in.
    pub(super) fn reach_again(&mut self, origins: Vec<Origin>) {
        for (address, origin) in self.addresses.iter_mut().zip(origins) {
            address.more.push(Arc::new(origin));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// An address as it is reached under the sign-in of that number.
    pub(super) fn origin(&self, picked: Picked, sign_in: usize) -> Option<&Arc<Origin>> {
        let address = self.addresses.get(picked.0)?;
        match sign_in.checked_sub(1) {
            None => Some(&address.origin),
            Some(more) => address.more.get(more),
        }
    }

    /// Whether one of the addresses is this host and port.
    pub(super) fn has_authority(&self, authority: &str) -> bool {
        let same = |own: &http::HeaderValue| own.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        self.addresses.iter().any(|address| same(address.origin.authority()))
    }

    /// Each address, the calls under way to it, whether it is left out because calls failed, and what checks say.
    pub(super) fn state(&self) -> impl Iterator<Item = (&Arc<str>, u32, bool, Checked)> {
        self.addresses.iter().map(|address| {
            let in_flight = address.in_flight.load(Ordering::Relaxed);
            (address.origin.peer(), in_flight, address.is_out(), address.checked())
        })
    }

    /// Every address, not taken.
    pub(super) fn all(&self) -> impl Iterator<Item = Picked> {
        (0..self.addresses.len()).map(Picked)
    }

    /// Counts what a check said of an address; what it is now, where that changed.
    pub(super) fn checked(&self, at: Picked, is_well: bool, health: &Health) -> Option<Checked> {
        let address = self.addresses.get(at.0)?;
        let before = address.checked();
        let (is_otherwise, enough, after) = match before {
            Checked::Ill => (is_well, health.healthy_after, Checked::Well),
            Checked::Unknown | Checked::Well => (!is_well, health.unhealthy_after, Checked::Ill),
        };
        let streak = if is_otherwise { address.streak.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        let now = match streak {
            streak if is_otherwise && streak >= enough => after,
            0 if before == Checked::Unknown => Checked::Well,
            _ => before,
        };
        address.streak.store(if now == before { streak } else { 0 }, Ordering::Relaxed);
        let word = match now {
            Checked::Unknown => UNKNOWN,
            Checked::Well => WELL,
            Checked::Ill => ILL,
        };
        address.checked.store(word, Ordering::Relaxed);
        (now != before).then_some(now)
    }

    /// Takes an address; it must be [`Balance::put_back`].
    pub(super) fn pick(&self, now: Instant) -> Picked {
        let picked = if self.addresses.len() == 1 { 0 } else { self.choose(now) };
        if let Some(address) = self.addresses.get(picked) {
            address.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Picked(picked)
    }

    pub(super) fn put_back(&self, picked: Picked) {
        if let Some(address) = self.addresses.get(picked.0) {
            address.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The address answered.
    pub(super) fn did_well(&self, picked: Picked) {
        if let Some(address) = self.addresses.get(picked.0)
            && address.failures.load(Ordering::Relaxed) > 0
        {
            address.failures.store(0, Ordering::Relaxed);
            address.out_until.store(0, Ordering::Relaxed);
        }
    }

    /// The address did not answer, or said that it is not there.
    pub(super) fn failed(&self, picked: Picked, now: Instant) {
        let Some(address) = self.addresses.get(picked.0) else { return };
        let failures = address.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= FAILURES_MAX {
            let doublings = (failures - FAILURES_MAX).min(6);
            let out = OUT.saturating_mul(1 << doublings).min(OUT_MAX);
            address.out_until.store(self.millis(now).saturating_add(millis(out)), Ordering::Relaxed);
        }
    }

    fn choose(&self, now: Instant) -> usize {
        let now = self.millis(now);
        if let Some(due) = self.due(now) {
            return due;
        }
        let fit = self
            .those(|address| !address.is_out() && !address.is_ill())
            .or_else(|| self.those(|address| !address.is_ill()))
            .or_else(|| self.those(|address| !address.is_out()))
            .unwrap_or_else(|| (0..self.addresses.len()).collect());
        let (one, other) = self.two_of(fit.len());
        let load = |at: usize| {
            fit.get(at)
                .and_then(|at| self.addresses.get(*at))
                .map_or(u32::MAX, |address| address.in_flight.load(Ordering::Relaxed))
        };
        let less = if load(other) < load(one) { other } else { one };
        fit.get(less).copied().unwrap_or(0)
    }

    /// The addresses that are so, if any.
    fn those(&self, are: impl Fn(&Address) -> bool) -> Option<SmallVec<[usize; 8]>> {
        let those = self.addresses.iter().enumerate().filter(|(_, address)| are(address)).map(|(at, _)| at);
        Some(those.collect::<SmallVec<_>>()).filter(|those| !those.is_empty())
    }

    /// An address whose time out is over: whoever comes first tries it, the others wait for what that shows.
    fn due(&self, now: u64) -> Option<usize> {
        self.addresses.iter().position(|address| {
            let until = address.out_until.load(Ordering::Relaxed);
            until != 0
                && until <= now
                && !address.is_ill()
                && address
                    .out_until
                    .compare_exchange(
                        until,
                        now.saturating_add(millis(OUT)),
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    )
                    .is_ok()
        })
    }

    /// Two different numbers below `n`, spread evenly (a Weyl sequence, mixed).
    fn two_of(&self, n: usize) -> (usize, usize) {
        let turn = self.turn.fetch_add(0x9e37_79b9, Ordering::Relaxed);
        let mixed = (u64::from(turn) ^ u64::from(turn >> 15)).wrapping_mul(0x2545_f491_4f6c_dd1d);
        let below = |bits: u64, n: usize| usize::try_from(bits % (n.max(1) as u64)).unwrap_or(0);
        let one = below(mixed >> 40, n);
        let other = below((mixed >> 16) & 0xff_ffff, n.saturating_sub(1));
        (one, if other >= one && n > 1 { other + 1 } else { other })
    }

    fn millis(&self, now: Instant) -> u64 {
        // Never 0, which means "in".
        millis(now.saturating_duration_since(self.epoch)).saturating_add(1)
    }
}

impl Address {
    fn is_out(&self) -> bool {
        self.out_until.load(Ordering::Relaxed) != 0
    }

    fn is_ill(&self) -> bool {
        self.checked.load(Ordering::Relaxed) == ILL
    }

    fn checked(&self) -> Checked {
        match self.checked.load(Ordering::Relaxed) {
            WELL => Checked::Well,
            ILL => Checked::Ill,
            _ => Checked::Unknown,
        }
    }
}

fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::wire::{Keep, Local};

    fn balance(n: u8) -> (Balance, Instant) {
        let origins = (1..=n)
            .map(|n| {
                let url = Url::parse(&format!("http://10.0.0.{n}/")).unwrap();
                Origin::new(&url, None, None, Local::default(), Keep::default()).unwrap()
            })
            .collect();
        let now = crate::clock::now().mono;
        (Balance::new(origins, now), now)
    }

    fn picks(balance: &Balance, n: usize, now: Instant) -> Vec<usize> {
        let mut counts = vec![0; balance.len()];
        for _ in 0..n {
            let picked = balance.pick(now);
            counts[picked.0] += 1;
            balance.put_back(picked);
        }
        counts
    }

    #[test]
    fn equal_addresses_get_equal_shares() {
        let (balance, now) = balance(3);
        for share in picks(&balance, 3000, now) {
            assert!((800..1200).contains(&share), "{share}");
        }
    }

    #[test]
    fn the_less_loaded_of_two_is_taken() {
        let (balance, now) = balance(2);
        for _ in 0..100 {
            balance.pick(now);
        }
        let loads: Vec<_> = balance.addresses.iter().map(|a| a.in_flight.load(Ordering::Relaxed)).collect();
        assert_eq!(loads, [50, 50]);
    }

    #[test]
    fn an_address_that_fails_is_left_out_and_tried_once() {
        let (balance, now) = balance(2);
        for _ in 0..3 {
            balance.failed(Picked(0), now);
        }
        assert_eq!(picks(&balance, 50, now), [0, 50]);
        let later = now + Duration::from_millis(1001);
        assert_eq!(picks(&balance, 50, later), [1, 49]);
        balance.failed(Picked(0), later);
        assert_eq!(picks(&balance, 50, later + Duration::from_millis(1900)), [0, 50], "the wait doubles");
        let later = later + Duration::from_millis(2001);
        assert_eq!(picks(&balance, 1, later), [1, 0]);
        balance.did_well(Picked(0));
        let shares = picks(&balance, 100, later);
        assert!(shares[0] > 30, "{shares:?}");
    }

    #[test]
    fn when_all_are_out_all_are_in() {
        let (balance, now) = balance(2);
        for at in [0, 1, 0, 1, 0, 1] {
            balance.failed(Picked(at), now);
        }
        let shares = picks(&balance, 100, now);
        assert!(shares[0] > 30 && shares[1] > 30, "{shares:?}");
    }
}
