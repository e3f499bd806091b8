//! Whom we call: one address of one peer, as one caller. And which addresses are nobody's business.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{
    HeaderValue,
    uri::{Authority, Scheme},
};
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::{TlsClient, WireError};

/// One address of a peer together with who we are to it.
///
/// INVARIANT: connections are pooled by the identity of the `Arc<Origin>`, so everything by which two
/// connections must differ (TLS identity, sign-in) makes two origins; whoever makes them keeps one for each.
#[derive(Debug)]
pub struct Origin {
    /// Host and port, for messages.
    pub(super) peer: Arc<str>,
    pub(super) host: Host<Box<str>>,
    pub(super) port: u16,
    pub(super) tls: Option<(TlsClient, ServerName<'static>)>,
    pub(super) local: Local,
    pub(super) keep: Keep,
    /// What HTTP/2 needs, where it may be spoken.
    pub(super) second: Option<Second>,
    authority: HeaderValue,
}

/// What HTTP/2 to an origin needs.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Offers HTTP/2 in the handshake; none without TLS, where it is known to be spoken.
    pub(super) tls: Option<TlsClient>,
    /// Whether HTTP/1.1 does as well.
    pub(super) is_optional: bool,
}

/// Which local addresses may be called.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// Whether loopback and link-local addresses may be called.
    pub allow: bool,
    /// Our own listeners: never called, allowed or not.
    pub own: Own,
}

/// Our own listeners. Clones share: what is told once holds for every origin that was made before.
#[derive(Clone, Debug, Default)]
pub struct Own(Arc<ArcSwap<Vec<SocketAddr>>>);

/// Which versions of HTTP are spoken to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/1.1.
    #[default]
    One,
    /// HTTP/2: negotiated by TLS or refused; without TLS it is known beforehand (RFC 9113 §3.3).
    Two,
    /// HTTP/2 where TLS negotiates it, else HTTP/1.1.
    Auto,
}

/// How long and how many connections are kept, and what is spoken over them.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Idle connections to this origin, per core.
    pub idle_max: usize,
    /// How long an idle connection is trusted.
    pub idle_timeout: Duration,
    /// How long a connection is used at all.
    pub lifetime: Duration,
    /// What is spoken.
    pub versions: Versions,
    /// Streams at once on an HTTP/2 connection before another is opened; at most what the peer allows.
    pub streams_max: u32,
    /// How long an HTTP/2 connection with open streams may be silent before it is asked whether it lives.
    pub ping: Option<Duration>,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            idle_max: 64,
            idle_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(600),
            versions: Versions::One,
            streams_max: 100,
            ping: None,
        }
    }
}

impl Origin {
    /// The origin of a URL: `https` with the given trust, or `http`.
    ///
    /// # Errors
    /// [`WireError::Address`] for another scheme, userinfo, a name TLS cannot verify, or a version to be negotiated
    /// without TLS.
    pub fn new(
        url: &Url,
        tls: Option<&TlsClient>,
        server_name: Option<&str>,
        local: Local,
        keep: Keep,
    ) -> Result<Self, WireError> {
        let bad = |why| WireError::Address { url: shown(url), why };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("a user or password does not stand in an address"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => Host::Domain(Box::from(name)),
            Some(Host::Ipv4(ip)) => Host::Ipv4(ip),
            Some(Host::Ipv6(ip)) => Host::Ipv6(ip),
            None => return Err(bad("it has no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| bad("it has no port"))?;
        let tls = match (url.scheme(), tls) {
            ("https", Some(client)) => {
                let name = match server_name {
                    Some(name) => name.to_owned(),
                    None => host.to_string().trim_matches(['[', ']']).to_owned(),
                };
                let name = ServerName::try_from(name).map_err(|_| bad("TLS cannot verify this name"))?;
                Some((client.clone(), name))
            }
            ("https", None) => return Err(bad("it needs TLS settings")),
            ("http", _) => None,
            _ => return Err(bad("expected `https` or `http`")),
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let second = match (keep.versions, &tls) {
            (Versions::One, _) => None,
            (Versions::Auto, None) => return Err(bad("a version is negotiated by TLS alone")),
            (versions, tls) => Some(Second {
                scheme: if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
                authority: authority.parse().map_err(|_| bad("its host is no authority"))?,
                tls: tls.as_ref().map(|(client, _)| client.offering(versions)),
                is_optional: versions == Versions::Auto,
            }),
        };
        let authority = HeaderValue::try_from(authority).map_err(|_| bad("its host is no header value"))?;
        Ok(Self { peer: format!("{host}:{port}").into(), host, port, tls, local, keep, second, authority })
    }

    /// The value of `Host`.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Host and port, for messages.
    pub fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    /// Whether calls to it are encrypted and verified.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// The URL without what may be secret in it.
fn shown(url: &Url) -> Arc<str> {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()).into()
}

impl Own {
    /// These are our own listeners from now on, and no others.
    pub fn are(&self, addresses: &[SocketAddr]) {
        if self.0.load().as_slice() != addresses {
            self.0.store(Arc::new(addresses.to_vec()));
        }
    }

    fn any(&self, is_it: impl Fn(&SocketAddr) -> bool) -> bool {
        self.0.load().iter().any(is_it)
    }
}

impl Local {
    /// Whether a resolved address may be dialled.
    pub fn permits(&self, address: SocketAddr) -> bool {
        if self.own.any(|own| own.port() == address.port() && covers(own.ip(), address.ip())) {
            return false;
        }
        let ip = address.ip().to_canonical();
        !ip.is_multicast() && (self.allow || !is_local(ip))
    }

    /// The same, once connected: a call that ends on this machine at one of our own ports is a loop, by
    /// whatever name or address it went.
    pub(super) fn permits_connection(&self, peer: SocketAddr, ours: SocketAddr) -> bool {
        let loops = peer.ip().to_canonical() == ours.ip().to_canonical();
        !(loops && self.own.any(|own| own.port() == peer.port() && own.ip().is_unspecified()))
    }
}

fn covers(own: IpAddr, other: IpAddr) -> bool {
    let (own, other) = (own.to_canonical(), other.to_canonical());
    own == other || own.is_unspecified() && (other.is_loopback() || other.is_unspecified())
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_link_local() || ip.is_broadcast() || ip.octets().first() == Some(&0)
        }
        IpAddr::V6(ip) => {
            // LIMIT: `::a.b.c.d` (deprecated) and NAT64 forms carry a v4 address; they are read through.
            let inner = embedded(ip).is_some_and(|v4| is_local(v4.into()));
            ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || inner
        }
    }
}

/// The IPv4 address inside an IPv4-compatible or NAT64 (`64:ff9b::/96`) address.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = ip.segments();
    let prefix = [a, b, c, d, e, f];
    (prefix == [0; 6] || prefix == [0x64, 0xff9b, 0, 0, 0, 0])
        .then(|| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(allow: bool, own: &[&str]) -> Local {
        let local = Local { allow, ..Local::default() };
        local.own.are(&own.iter().map(|own| own.parse().unwrap()).collect::<Vec<_>>());
        local
    }

    fn permits(allow: bool, own: &[&str], address: &str) -> bool {
        local(allow, own).permits(address.parse().unwrap())
    }

    #[test]
    fn local_addresses_in_any_disguise_need_to_be_allowed() {
        for address in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "0.0.0.0:80",
            "0.1.2.3:80",
            "169.254.169.254:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:169.254.169.254]:80",
            "[::127.0.0.1]:80",
            "[64:ff9b::7f00:1]:80",
            "255.255.255.255:80",
        ] {
            assert!(!permits(false, &[], address), "{address}");
        }
        assert!(permits(true, &[], "127.0.0.1:80"));
        assert!(permits(false, &[], "10.0.0.7:443"));
        assert!(!permits(true, &[], "224.0.0.1:80"));
    }

    #[test]
    fn our_own_listeners_are_never_called() {
        assert!(!permits(true, &["127.0.0.1:8443"], "127.0.0.1:8443"));
        assert!(!permits(true, &["0.0.0.0:8443"], "127.0.0.1:8443"));
        assert!(permits(true, &["127.0.0.1:8443"], "127.0.0.1:8444"));
        let local = local(true, &["0.0.0.0:8443"]);
        let here: SocketAddr = "10.0.0.7:8443".parse().unwrap();
        assert!(!local.permits_connection(here, "10.0.0.7:50000".parse().unwrap()));
        assert!(
            local.permits_connection("10.0.0.8:8443".parse().unwrap(), "10.0.0.7:50000".parse().unwrap())
        );
    }

    #[test]
    fn an_address_with_a_password_or_another_scheme_is_refused() {
        for url in ["http://u:p@h/", "ftp://h/", "https://h/"] {
            let told = Origin::new(&Url::parse(url).unwrap(), None, None, Local::default(), Keep::default())
                .unwrap_err()
                .to_string();
            assert!(!told.contains("u:p"), "{told}");
        }
    }
}
