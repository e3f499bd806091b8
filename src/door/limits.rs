//! How many connections: in all, of one address, and in the middle of a handshake.
//!
//! The counts are bounded by the connections that exist: an address without any is forgotten.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::{Bounds, observer::TurnedAway};

const SHARDS: usize = 16;

/// The counts of one listener, shared by all cores.
#[derive(Debug)]
pub(super) struct Limits {
    total: AtomicUsize,
    shards: [Mutex<HashMap<Network, Counts, foldhash::fast::RandomState>>; SHARDS],
}

/// An IPv4 address, or an IPv6 /64: what one caller can be expected to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(u64, bool);

#[derive(Debug, Default)]
struct Counts {
    connections: u32,
    handshakes: u32,
}

/// One connection's place in the counts; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    limits: Arc<Limits>,
    /// None for trusted proxies: their callers are many.
    network: Option<Network>,
    handshaking: bool,
}

impl Network {
    /// The network of an address; an IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4)), false),
            IpAddr::V6(v6) => Self(prefix(v6), true),
        }
    }
}

fn prefix(v6: Ipv6Addr) -> u64 {
    u64::try_from(u128::from(v6) >> 64).unwrap_or(u64::MAX)
}

impl Limits {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { total: AtomicUsize::new(0), shards: Default::default() })
    }

    /// A place for one more connection, which begins with a handshake where there is TLS.
    pub(super) fn enter(
        self: &Arc<Self>,
        bounds: &Bounds,
        network: Option<Network>,
        handshaking: bool,
    ) -> Result<Slot, TurnedAway> {
        if self.total.fetch_add(1, Relaxed) >= bounds.connections_max {
            self.total.fetch_sub(1, Relaxed);
            return Err(TurnedAway::Connections);
        }
        // INVARIANT: from here on the total is given back by the slot's drop, also where the address is full.
        let mut slot = Slot { limits: self.clone(), network: None, handshaking: false };
        if let Some(network) = network {
            let mut shard = self.shard(network).lock();
            let counts = shard.entry(network).or_default();
            let full = if counts.connections >= bounds.connections_per_address_max {
                Some(TurnedAway::ConnectionsOfAddress)
            } else if handshaking && counts.handshakes >= bounds.handshakes_per_address_max {
                Some(TurnedAway::HandshakesOfAddress)
            } else {
                None
            };
            if let Some(full) = full {
                if counts.connections == 0 {
                    shard.remove(&network);
                }
                drop(shard);
                return Err(full);
            }
            counts.connections += 1;
            counts.handshakes += u32::from(handshaking);
            slot.network = Some(network);
            slot.handshaking = handshaking;
        }
        Ok(slot)
    }

    /// Connections now.
    pub(super) fn connections(&self) -> usize {
        self.total.load(Relaxed)
    }

    fn shard(&self, network: Network) -> &Mutex<HashMap<Network, Counts, foldhash::fast::RandomState>> {
        // Multiplied so that neighbours spread; the top bits choose.
        let hash = network.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        let [first, ..] = &self.shards;
        self.shards.get(usize::try_from(hash).unwrap_or(0)).unwrap_or(first)
    }
}

impl Slot {
    /// The handshake is over.
    pub(super) fn shaken(&mut self) {
        if std::mem::take(&mut self.handshaking)
            && let Some(network) = self.network
            && let Some(counts) = self.limits.shard(network).lock().get_mut(&network)
        {
            counts.handshakes = counts.handshakes.saturating_sub(1);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shaken();
        if let Some(network) = self.network
            && let Entry::Occupied(mut entry) = self.limits.shard(network).lock().entry(network)
        {
            let counts = entry.get_mut();
            counts.connections = counts.connections.saturating_sub(1);
            if counts.connections == 0 {
                entry.remove();
            }
        }
        self.limits.total.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(total: usize, address: u32, handshakes: u32) -> Bounds {
        Bounds {
            connections_max: total,
            connections_per_address_max: address,
            handshakes_per_address_max: handshakes,
            ..Bounds::DEFAULT
        }
    }

    fn network(text: &str) -> Option<Network> {
        Some(Network::of(text.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_address_counts_with_its_64() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1:2:3"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("::1"), network("0.0.0.1"));
    }

    #[test]
    fn each_bound_turns_away_and_gives_back() {
        let (limits, bounds) = (Limits::new(), bounds(3, 2, 1));
        let (a, b) = (network("192.0.2.1"), network("192.0.2.2"));
        let mut first = limits.enter(&bounds, a, true).unwrap();
        assert_eq!(limits.enter(&bounds, a, true).unwrap_err(), TurnedAway::HandshakesOfAddress);
        first.shaken();
        let second = limits.enter(&bounds, a, true).unwrap();
        assert_eq!(limits.enter(&bounds, a, false).unwrap_err(), TurnedAway::ConnectionsOfAddress);
        let third = limits.enter(&bounds, b, false).unwrap();
        assert_eq!(limits.enter(&bounds, None, false).unwrap_err(), TurnedAway::Connections);
        drop((first, second, third));
        assert_eq!(limits.connections(), 0);
        assert!(limits.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn a_trusted_proxy_is_bound_by_the_total_alone() {
        let (limits, bounds) = (Limits::new(), bounds(3, 1, 1));
        let slots: Vec<_> = (0..3).map(|_| limits.enter(&bounds, None, true).unwrap()).collect();
        assert_eq!(limits.enter(&bounds, None, true).unwrap_err(), TurnedAway::Connections);
        drop(slots);
        assert_eq!(limits.connections(), 0);
    }
}
