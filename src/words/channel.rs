//! Over which channel a request came: facts of the connection, never of the request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{Digest, ListenerName};

/// The connection a request came over.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Which listener took it.
    pub listener: ListenerName,
    /// The other end of the socket.
    pub peer: SocketAddr,
    /// Who the caller is taken to be on the network: the peer, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// TLS facts; none on a listener without TLS.
    pub tls: Option<TlsFacts>,
}

/// What the handshake established.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The name the caller asked for (SNI), lower case.
    pub server_name: Option<Arc<str>>,
    /// SHA-256 of the client certificate's DER, verified against the listener's CA and CRL.
    pub certificate: Option<Digest>,
}
