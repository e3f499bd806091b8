//! Keeps strangers from filling the disk: what they are refused is written one by one up to a bound per address
//! and minute, then counted, and told in one entry when the minute is over.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use crate::clock::Now;

/// LIMIT: addresses remembered in a minute; those beyond are one.
const ADDRESSES_MAX: usize = 4096;
/// LIMIT: reasons told apart in a count.
const REASONS_MAX: usize = 32;
/// LIMIT: entries of all strangers together in a minute, in multiples of what one address may have: many
/// addresses are cheap to come by.
const TOGETHER: u32 = 256;
const MINUTE: Duration = Duration::from_secs(60);

/// Counts of the current minute.
#[derive(Debug)]
pub struct Strangers {
    per_minute: u32,
    since: Option<Instant>,
    together: u32,
    addresses: HashMap<IpAddr, u32, foldhash::fast::RandomState>,
    others: u32,
    counted: Counted,
}

/// What was refused and not written one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many exchanges.
    pub exchanges: u64,
    /// By reason.
    pub reasons: Vec<(&'static str, u64)>,
    /// Of at least so many addresses (networks of 64 bits for IPv6).
    pub addresses: u64,
}

/// Whether a stranger's entry is written by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// An entry of its own.
    OneByOne,
    /// It is part of the minute's count.
    InTheCount,
}

impl Strangers {
    /// So many entries an address and minute.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            since: None,
            together: 0,
            addresses: HashMap::default(),
            others: 0,
            counted: Counted::default(),
        }
    }

    /// Notes one exchange of someone unknown.
    pub fn note(&mut self, address: IpAddr, reason: &'static str, now: Now) -> Telling {
        self.since.get_or_insert(now.mono);
        let known = self.addresses.len();
        let network = network(address);
        let count = match self.addresses.get_mut(&network) {
            Some(count) => count,
            None if known < ADDRESSES_MAX => self.addresses.entry(network).or_default(),
            None => &mut self.others,
        };
        *count = count.saturating_add(1);
        let alone = *count;
        if alone <= self.per_minute && self.together < self.per_minute.saturating_mul(TOGETHER) {
            self.together += 1;
            return Telling::OneByOne;
        }
        if alone == self.per_minute.saturating_add(1) {
            self.counted.addresses += 1;
        }
        self.count(reason);
        Telling::InTheCount
    }

    /// Counts an exchange that was to have an entry of its own and found no room for it.
    pub fn count(&mut self, reason: &'static str) {
        self.counted.exchanges += 1;
        self.counted.by_reason(reason, 1);
    }

    /// Takes a count back that could not be written down.
    pub fn take_back(&mut self, counted: &Counted) {
        self.counted.exchanges += counted.exchanges;
        self.counted.addresses += counted.addresses;
        for (reason, count) in &counted.reasons {
            self.counted.by_reason(reason, *count);
        }
    }

    /// Once the minute is over: what was counted in it, if anything was.
    pub fn due(&mut self, now: Now) -> Option<Counted> {
        let since = self.since.map(|since| now.mono.saturating_duration_since(since));
        // Without a minute under way it is what could not be told when it was over.
        let over = since.map_or(self.counted.exchanges > 0, |since| since >= MINUTE);
        if over { self.end() } else { None }
    }

    /// Ends the minute early: what was counted so far.
    pub fn end(&mut self) -> Option<Counted> {
        self.since = None;
        self.together = 0;
        self.others = 0;
        self.addresses.clear();
        let counted = std::mem::take(&mut self.counted);
        (counted.exchanges > 0).then_some(counted)
    }
}

impl Counted {
    fn by_reason(&mut self, reason: &'static str, count: u64) {
        let reasons = &mut self.reasons;
        if reasons.len() < REASONS_MAX && !reasons.iter().any(|(known, _)| *known == reason) {
            reasons.push((reason, 0));
        }
        if let Some((_, known)) = reasons.iter_mut().find(|(known, _)| *known == reason) {
            *known += count;
        }
    }
}

/// What counts as one address: IPv4 as it is, IPv6 by its first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn later(now: Now, seconds: u64) -> Now {
        Now { wall: now.wall, mono: now.mono + Duration::from_secs(seconds) }
    }

    #[test]
    fn an_address_is_told_one_by_one_up_to_its_bound_and_counted_after() {
        let now = clock::now();
        let mut strangers = Strangers::new(2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let told: Vec<_> = (0..4).map(|_| strangers.note(a, "bad-token", now)).collect();
        assert_eq!(told, [Telling::OneByOne, Telling::OneByOne, Telling::InTheCount, Telling::InTheCount]);
        assert_eq!(strangers.note(b, "no-host", now), Telling::OneByOne);
        assert_eq!(strangers.due(later(now, 59)), None);
        let counted = strangers.due(later(now, 60)).unwrap();
        assert_eq!((counted.exchanges, counted.addresses), (2, 1));
        assert_eq!(counted.reasons, [("bad-token", 2)]);
        assert_eq!(strangers.note(a, "bad-token", later(now, 61)), Telling::OneByOne);
        assert_eq!(strangers.due(later(now, 200)), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_all_together_are_bounded() {
        let now = clock::now();
        let mut strangers = Strangers::new(1);
        let written = (0..100_000_u128)
            .filter(|n| strangers.note(Ipv6Addr::from_bits(*n).into(), "x", now) == Telling::OneByOne)
            .count();
        assert_eq!(written, 1);
        let written = (0..100_000_u128)
            .filter(|n| {
                strangers.note(Ipv6Addr::from_bits((n + 1) << 64).into(), "x", now) == Telling::OneByOne
            })
            .count();
        assert!(written < 256 && strangers.addresses.len() <= ADDRESSES_MAX, "{written}");
        assert_eq!(strangers.due(later(now, 60)).unwrap().exchanges, 200_000 - 1 - written as u64);
    }
}
