//! The listeners of a gate, their terms, and the swap of terms while they serve.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::{
    accept::Core,
    drain::Stop,
    limits::{Limits, Network},
    settings::{ListenerSettings, TlsSettings},
    sockets::Bound,
    tls::{Reloaded, Tls, TlsError},
};
use crate::{
    intake::{AllowedHosts, ForwardedBy},
    words::ListenerName,
};

/// All listeners of a gate.
pub struct Door {
    listeners: Vec<Arc<Listener>>,
    base: PathBuf,
    stop: Stop,
}

/// One listener; its counts outlive every change of its terms.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) name: ListenerName,
    pub(super) at: SocketAddr,
    pub(super) limits: Arc<Limits>,
    pub(super) terms: ArcSwap<Terms>,
}

/// What a listener goes by now; a connection keeps the terms it began with.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) settings: ListenerSettings,
    pub(super) tls: Option<Arc<Tls>>,
    proxies: Option<Arc<Proxies>>,
}

/// Whose word about addresses is believed.
#[derive(Debug)]
pub(super) struct Proxies {
    pub(super) trusted: Vec<IpNet>,
    pub(super) by: ForwardedBy,
}

/// Why a door does not open or change.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The TLS of a listener does not load.
    #[error("listener `{0}`")]
    Tls(ListenerName, #[source] TlsError),
    /// Two listeners of one name.
    #[error("listener `{0}` stands twice")]
    Twice(ListenerName),
    /// Listeners added, removed or moved: that takes a restart (sockets can be handed over).
    #[error("listeners were added, removed or moved; restart to take over the sockets")]
    Moved,
}

impl Door {
    /// Reads every listener's files; paths are relative to `base`. Blocks. Nothing listens yet.
    ///
    /// # Errors
    /// The first listener that does not load.
    pub fn open(settings: Vec<ListenerSettings>, base: &Path) -> Result<Self, DoorError> {
        let mut listeners: Vec<Arc<Listener>> = Vec::new();
        for settings in settings {
            if listeners.iter().any(|listener| listener.name == settings.name) {
                return Err(DoorError::Twice(settings.name));
            }
            let (name, at) = (settings.name.clone(), settings.at);
            let terms = ArcSwap::from_pointee(Terms::read(settings, base)?);
            listeners.push(Arc::new(Listener { name, at, limits: Limits::new(), terms }));
        }
        Ok(Self { listeners, base: base.to_owned(), stop: Stop::default() })
    }

    /// The addresses to bind, in the order of the listeners.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.at).collect()
    }

    /// One [`Core`] for each core's sockets.
    pub fn cores(self: &Arc<Self>, bound: Bound) -> Vec<Core> {
        Core::all(self, bound)
    }

    /// Swaps in new settings for the same listeners. Blocks. All or none; connections keep what they began
    /// with, except that those resting on a client certificate wind down when its terms change.
    ///
    /// # Errors
    /// Settings that do not load, or other listeners; then nothing has changed.
    pub fn update(&self, settings: Vec<ListenerSettings>) -> Result<(), DoorError> {
        let same = settings.len() == self.listeners.len()
            && self
                .listeners
                .iter()
                .zip(&settings)
                .all(|(old, new)| old.name == new.name && old.at == new.at);
        if !same {
            return Err(DoorError::Moved);
        }
        let read: Result<Vec<Terms>, _> =
            settings.into_iter().map(|settings| Terms::read(settings, &self.base)).collect();
        for (listener, mut fresh) in self.listeners.iter().zip(read?) {
            let old = listener.terms.load_full();
            match (&old.tls, &fresh.tls) {
                // The same certificates: tickets and connections live on.
                (Some(old), Some(new)) if old.is_same(new) => fresh.tls = Some(old.clone()),
                (Some(old), _) => old.retire(),
                (None, _) => {}
            }
            listener.terms.store(Arc::new(fresh));
        }
        Ok(())
    }

    /// Looks at the certificate files again. Blocks. Each listener for itself: one that does not load keeps
    /// what it had.
    pub fn reload_certificates(&self) -> Vec<(ListenerName, Result<Reloaded, TlsError>)> {
        let tls = |listener: &Arc<Listener>| {
            let tls = listener.terms.load().tls.clone()?;
            Some((listener.name.clone(), tls.reload()))
        };
        self.listeners.iter().filter_map(tls).collect()
    }

    /// Every certificate, key and revocation file, to watch for changes.
    pub fn files(&self) -> Vec<PathBuf> {
        let tls = self.listeners.iter().filter_map(|listener| listener.terms.load().tls.clone());
        tls.flat_map(|tls| tls.files()).collect()
    }

    /// Closes the door: cores stop accepting, connections end after what they are doing.
    pub fn drain(&self) {
        self.stop.end();
        for listener in &self.listeners {
            if let Some(tls) = &listener.terms.load().tls {
                tls.retire();
            }
        }
    }

    /// Whether it was closed.
    pub fn is_draining(&self) -> bool {
        self.stop.is_ended()
    }

    /// Waits until it is closed.
    pub async fn drained(&self) {
        self.stop.ended().await;
    }

    /// Connections now, by listener.
    pub fn connections(&self) -> impl Iterator<Item = (&ListenerName, usize)> {
        self.listeners.iter().map(|listener| (&listener.name, listener.limits.connections()))
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(super) fn listener(&self, index: usize) -> Option<&Arc<Listener>> {
        self.listeners.get(index)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

impl Terms {
    fn read(settings: ListenerSettings, base: &Path) -> Result<Self, DoorError> {
        let tls = match &settings.tls {
            TlsSettings::None => None,
            TlsSettings::Terms(terms) => {
                let tls = Tls::load(terms.clone(), base);
                Some(Arc::new(tls.map_err(|error| DoorError::Tls(settings.name.clone(), error))?))
            }
        };
        let proxies = (!settings.trusted_proxies.is_empty()).then(|| {
            Arc::new(Proxies { trusted: settings.trusted_proxies.clone(), by: settings.forwarded_by })
        });
        Ok(Self { settings, tls, proxies })
    }

    /// What a peer's connections are counted under; none for a trusted proxy.
    pub(super) fn network(&self, peer: IpAddr) -> Option<Network> {
        match Proxies::of(self, peer.to_canonical()) {
            Some(_) => None,
            None => Some(Network::of(peer)),
        }
    }
}

impl Proxies {
    /// The proxies of a listener, where the peer is one of them.
    pub(super) fn of(terms: &Terms, peer: IpAddr) -> Option<Arc<Self>> {
        terms.proxies.clone().filter(|proxies| proxies.trusted.iter().any(|net| net.contains(&peer)))
    }
}

impl ListenerSettings {
    /// The hosts it serves.
    pub fn allowed_hosts(&self) -> AllowedHosts {
        match self.hosts.is_empty() {
            true => AllowedHosts::any(),
            false => AllowedHosts::of(self.hosts.iter().map(String::as_str)),
        }
    }
}

/// Connections of each core, to keep shares even.
#[derive(Debug)]
pub(super) struct Loads(Vec<AtomicUsize>);

/// One connection in a core's load.
#[derive(Debug)]
pub(super) struct Load(Arc<Loads>, usize);

impl Loads {
    pub(super) fn new(cores: usize) -> Arc<Self> {
        Arc::new(Self((0..cores).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// A core that should take the next connection instead of `core`, which is above its share.
    pub(super) fn better_than(&self, core: usize) -> Option<usize> {
        let mine = self.0.get(core)?.load(Relaxed);
        let (least, load) =
            self.0.iter().map(|load| load.load(Relaxed)).enumerate().min_by_key(|(_, load)| *load)?;
        (mine > load + SLACK && mine * 4 > load * 5).then_some(least)
    }

    pub(super) fn one_more(self: &Arc<Self>, core: usize) -> Load {
        if let Some(load) = self.0.get(core) {
            load.fetch_add(1, Relaxed);
        }
        Load(self.clone(), core)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(load) = self.0.0.get(self.1) {
            load.fetch_sub(1, Relaxed);
        }
    }
}

/// A core this far above the least loaded keeps its connections: moving one costs more than it evens out.
const SLACK: usize = 4;

/// Whether accepting failed for one connection alone, not for want of resources.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_above_its_share_hands_the_next_connection_on() {
        let loads = Loads::new(2);
        let mut held: Vec<Load> = (0..SLACK).map(|_| loads.one_more(0)).collect();
        assert_eq!(loads.better_than(0), None, "small differences are let be");
        held.push(loads.one_more(0));
        assert_eq!((loads.better_than(0), loads.better_than(1)), (Some(1), None));
        held.clear();
        assert_eq!(loads.better_than(0), None);
    }
}
