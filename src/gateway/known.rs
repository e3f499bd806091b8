//! What is the same for all requests of a connection: put into words once, not for each of them.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::{audit::ChannelWords, intake::Host, upstream::OnBehalf, words::Channel};

/// LIMIT: connections remembered by a core. Which two share a place is chance; the later one has it.
const PLACES: usize = 1024;

/// What a core remembers of its connections.
#[derive(Debug)]
pub(super) struct Connections(Mutex<Box<[Option<Arc<Known>>]>>);

/// What is remembered of one.
#[derive(Debug)]
pub(super) struct Known {
    /// INVARIANT: while it is here no other channel comes to lie where this one did.
    channel: Weak<Channel>,
    /// For the journal.
    pub(super) words: ChannelWords,
    /// For systems, by the host that was asked for last.
    on_behalf: Mutex<Option<(Host, Arc<OnBehalf>)>>,
}

impl Connections {
    /// Of a channel; a channel of one request alone is known for that request.
    pub(super) fn known(&self, channel: &Arc<Channel>) -> Arc<Known> {
        let place = (Arc::as_ptr(channel).addr() / align_of::<Channel>() / 16) % PLACES;
        let mut places = self.0.lock();
        if let Some(Some(known)) = places.get(place)
            && std::ptr::eq(known.channel.as_ptr(), Arc::as_ptr(channel))
        {
            return known.clone();
        }
        let words = ChannelWords::of(channel);
        let known = Arc::new(Known { channel: Arc::downgrade(channel), words, on_behalf: Mutex::default() });
        if let Some(place) = places.get_mut(place) {
            *place = Some(known.clone());
        }
        known
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self(Mutex::new(vec![None; PLACES].into()))
    }
}

impl Known {
    /// For whom requests are passed on that came over its channel and asked for a host.
    pub(super) fn on_behalf(&self, channel: &Channel, host: &Host) -> Arc<OnBehalf> {
        let mut last = self.on_behalf.lock();
        if let Some((_, on_behalf)) = last.as_ref().filter(|(known, _)| known == host) {
            return on_behalf.clone();
        }
        let on_behalf = Arc::new(OnBehalf::new(channel, asked_for(host).as_ref()));
        *last = Some((host.clone(), on_behalf.clone()));
        on_behalf
    }
}

fn asked_for(host: &Host) -> Option<http::HeaderValue> {
    let text = match host.port() {
        Some(port) => format!("{}:{port}", host.name()),
        None => host.name().to_owned(),
    };
    http::HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(address: &str) -> Arc<Channel> {
        let peer: std::net::SocketAddr = format!("{address}:4711").parse().unwrap();
        Arc::new(Channel { listener: "main".into(), peer, address: peer.ip(), tls: None })
    }

    #[test]
    fn no_request_goes_under_the_address_or_the_host_of_another() {
        let connections = Connections::default();
        let hosts = ["one.example", "two.example"].map(|host| Host::parse(host).unwrap());
        // More than there are places, twice, so that they meet.
        let channels: Vec<_> =
            (0..3 * PLACES).map(|n| channel(&format!("10.0.{}.{}", n / 256, n % 256))).collect();
        for channel in channels.iter().chain(&channels) {
            for host in &hosts {
                let on_behalf = connections.known(channel).on_behalf(channel, host);
                let fresh = OnBehalf::new(channel, asked_for(host).as_ref());
                assert_eq!(format!("{on_behalf:?}"), format!("{fresh:?}"));
            }
        }
    }
}
