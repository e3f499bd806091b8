//! Over which channel a request came: facts of the connection, never of the request.

use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::sync::watch;

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
    /// Whether that certificate would still be let in.
    pub standing: Standing,
}

/// How a client certificate stands with its listener: what hears that it would not be let in any more. By default
/// there is none, and nothing ends.
#[derive(Clone, Debug, Default)]
pub struct Standing(Option<watch::Receiver<bool>>);

/// Who tells of it.
#[derive(Debug)]
pub struct StandingTeller(watch::Sender<bool>);

impl Standing {
    /// A certificate that was let in, and who tells when it no longer would be.
    pub fn let_in() -> (StandingTeller, Self) {
        let (teller, heard) = watch::channel(false);
        (StandingTeller(teller), Self(Some(heard)))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|over| *over.borrow())
    }

    /// Waits until it is over. Cancel-safe.
    pub async fn over(&mut self) {
        if let Some(over) = &mut self.0
            && over.wait_for(|over| *over).await.is_ok()
        {
            return;
        }
        // Nobody tells, or nobody is left to: it stands as it stood.
        pending().await
    }
}

impl StandingTeller {
    /// It would not be let in any more.
    pub fn end(&self) {
        self.0.send_replace(true);
    }

    /// Waits until nobody wants to know any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}
