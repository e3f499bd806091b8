//! The listeners of a gate, their terms, and the swap of terms while they serve.

use std::{
    collections::HashMap,
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
    /// A listener that a running door does not have: that takes a restart (sockets can be handed over).
    #[error("the running gate has no listener `{0}`")]
    Added(ListenerName),
    /// A listener that is no longer named: that takes a restart.
    #[error("the running gate has a listener `{0}`, which is not named any more")]
    Removed(ListenerName),
    /// A listener at another address than it was: that takes a restart.
    #[error("listener `{0}` of the running gate is at `{1}`")]
    Moved(ListenerName, SocketAddr),
}

/// New terms for every listener of a door, read in full: [`Door::adopt`] cannot fail any more.
#[derive(Debug)]
pub struct Prepared(Vec<Terms>);

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

    /// Reads new settings for the same listeners, in whatever order, with all their files. Blocks. Nothing
    /// changes by it. Where what a listener says of TLS has not changed, files that do not load just now (half
    /// of a new certificate is there) keep what it has, as in [`Door::reload_certificates`].
    ///
    /// # Errors
    /// Every listener that does not load, and every one that is added, removed or moved.
    pub fn prepare(&self, settings: Vec<ListenerSettings>) -> Result<Prepared, Vec<DoorError>> {
        let mut wrong = Vec::new();
        let mut new: HashMap<ListenerName, ListenerSettings> = HashMap::new();
        for settings in settings {
            if !self.listeners.iter().any(|listener| listener.name == settings.name) {
                wrong.push(DoorError::Added(settings.name));
            } else if let Some(twice) = new.insert(settings.name.clone(), settings) {
                wrong.push(DoorError::Twice(twice.name));
            }
        }
        let mut read = Vec::new();
        for listener in &self.listeners {
            let terms = match new.remove(&listener.name) {
                None => Err(DoorError::Removed(listener.name.clone())),
                Some(new) if new.at != listener.at => {
                    Err(DoorError::Moved(listener.name.clone(), listener.at))
                }
                Some(new) => listener.terms.load().renewed(new, &self.base),
            };
            match terms {
                Ok(terms) => read.push(terms),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(Prepared(read)) } else { Err(wrong) }
    }

    /// Puts what was prepared in force: all of it. Connections keep what they began with, except that those
    /// resting on a client certificate wind down when its terms change.
    pub fn adopt(&self, prepared: Prepared) {
        // INVARIANT: as many terms as listeners, in their order.
        for (listener, mut fresh) in self.listeners.iter().zip(prepared.0) {
            let old = listener.terms.load_full();
            let is_same = match (&old.tls, &fresh.tls) {
                (Some(old), Some(new)) => old.is_same(new),
                (Some(_) | None, _) => false,
            };
            if is_same {
                // The same certificates: tickets and connections live on.
                fresh.tls.clone_from(&old.tls);
            }
            listener.terms.store(Arc::new(fresh));
            // ORDER: last, so that whoever is told of it finds the new terms.
            if let (Some(tls), false) = (&old.tls, is_same) {
                tls.retire();
            }
        }
    }

    /// Reads every listener's files as a door would that opens or changes: all that is wrong. Blocks.
    pub fn check(settings: &[ListenerSettings], base: &Path) -> Vec<DoorError> {
        settings.iter().filter_map(|settings| Terms::read(settings.clone(), base).err()).collect()
    }

    #[cfg(test)]
    pub(super) fn update(&self, settings: Vec<ListenerSettings>) -> Result<(), Vec<DoorError>> {
        self.prepare(settings).map(|prepared| self.adopt(prepared))
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

impl DoorError {
    /// The file that does not load.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Tls(_, why) => match why {
                TlsError::Unreadable(file, _)
                | TlsError::NotPem(file, _)
                | TlsError::Empty(file, _)
                | TlsError::Unfit(file, _)
                | TlsError::UnfitAuthority(file, _)
                | TlsError::Names(file) => Some(file),
                TlsError::Setup(_) => None,
            },
            Self::Twice(_) | Self::Added(_) | Self::Removed(_) | Self::Moved(..) => None,
        }
    }

    /// Whether that file is not there at all.
    pub fn is_file_missing(&self) -> bool {
        match self {
            Self::Tls(_, TlsError::Unreadable(_, error)) => error.kind() == io::ErrorKind::NotFound,
            Self::Tls(..) | Self::Twice(_) | Self::Added(_) | Self::Removed(_) | Self::Moved(..) => false,
        }
    }

    /// Which listener.
    pub fn listener(&self) -> &ListenerName {
        match self {
            Self::Tls(name, _)
            | Self::Twice(name)
            | Self::Added(name)
            | Self::Removed(name)
            | Self::Moved(name, _) => name,
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

impl Terms {
    fn read(settings: ListenerSettings, base: &Path) -> Result<Self, DoorError> {
        let tls = Self::tls(&settings, base)?;
        Ok(Self::of(settings, tls))
    }

    /// The terms that take the place of these.
    fn renewed(&self, settings: ListenerSettings, base: &Path) -> Result<Self, DoorError> {
        let tls = match Self::tls(&settings, base) {
            Err(error) if self.is_under_same_tls(&settings) => {
                tracing::error!(listener = %settings.name, %error, "the certificates stay as they were");
                self.tls.clone()
            }
            read => read?,
        };
        Ok(Self::of(settings, tls))
    }

    /// Whether the words are the same, whatever the files they name hold by now.
    fn is_under_same_tls(&self, settings: &ListenerSettings) -> bool {
        format!("{:?}", self.settings.tls) == format!("{:?}", settings.tls)
    }

    fn tls(settings: &ListenerSettings, base: &Path) -> Result<Option<Arc<Tls>>, DoorError> {
        match &settings.tls {
            TlsSettings::None => Ok(None),
            TlsSettings::Terms(terms) => match Tls::load(terms.clone(), base) {
                Ok(tls) => Ok(Some(Arc::new(tls))),
                Err(error) => Err(DoorError::Tls(settings.name.clone(), error)),
            },
        }
    }

    fn of(settings: ListenerSettings, tls: Option<Arc<Tls>>) -> Self {
        let proxies = (!settings.trusted_proxies.is_empty()).then(|| {
            Arc::new(Proxies { trusted: settings.trusted_proxies.clone(), by: settings.forwarded_by })
        });
        Self { settings, tls, proxies }
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
