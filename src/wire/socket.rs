//! A connected socket, plain or TLS, and how one comes about.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use super::{Clock, Origin, TlsClient, WireError, tls::HTTP_2};

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted and verified.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that left HTTP behind: what the peer said after its 101 first, then the socket.
#[derive(Debug)]
pub struct Tunnel {
    pub(super) read: Bytes,
    pub(super) socket: Socket,
}

/// A connection for what is no HTTP, within a time.
///
/// # Errors
/// [`WireError`]; nothing was sent to the peer.
pub async fn connected(origin: &Origin, connect_timeout: Duration) -> Result<Socket, WireError> {
    let dialled = timeout(connect_timeout, dial(origin, connect_timeout)).await;
    dialled.unwrap_or(Err(WireError::Timeout(Clock::Connect)))
}

/// Resolves, checks, connects, shakes hands. The caller holds the clock of the whole; of `connect`, each address
/// of the name gets its share, so that one that swallows everything does not use it up.
///
/// # Errors
/// [`WireError`]; nothing was sent to the peer as HTTP.
pub(super) async fn dial(origin: &Origin, connect_timeout: Duration) -> Result<Socket, WireError> {
    dial_offering(origin, None, connect_timeout).await
}

/// The same; where TLS is spoken, with another offer of versions.
///
/// # Errors
/// [`WireError`].
pub(super) async fn dial_offering(
    origin: &Origin,
    offer: Option<&TlsClient>,
    connect_timeout: Duration,
) -> Result<Socket, WireError> {
    let addresses = resolve(origin).await?;
    if let Some(address) = addresses.iter().find(|address| !origin.local.permits(**address)) {
        // Doubt refuses: one local address among several is one too many.
        return Err(WireError::Local { peer: origin.peer.clone(), address: *address });
    }
    let stream = connect(origin, &addresses, connect_timeout).await?;
    let Some((client, name)) = &origin.tls else {
        return Ok(Socket::Plain(stream));
    };
    let client = offer.unwrap_or(client);
    TlsConnector::from(client.config.clone())
        .connect(name.clone(), stream)
        .await
        .map(|stream| Socket::Tls(Box::new(stream)))
        .map_err(|source| WireError::Tls { peer: origin.peer.clone(), source })
}

impl Socket {
    /// Whether HTTP/2 was negotiated; nothing where nothing could be.
    pub(super) fn is_second(&self) -> Option<bool> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(stream.get_ref().1.alpn_protocol() == Some(HTTP_2)),
        }
    }
}

async fn resolve(origin: &Origin) -> Result<Vec<SocketAddr>, WireError> {
    let failed = |source| WireError::Resolve { peer: origin.peer.clone(), source };
    match &origin.host {
        Host::Ipv4(ip) => Ok(vec![(*ip, origin.port).into()]),
        Host::Ipv6(ip) => Ok(vec![(*ip, origin.port).into()]),
        Host::Domain(name) => {
            let found = lookup_host((&**name, origin.port)).await.map_err(failed)?;
            let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
            if addresses.is_empty() {
                return Err(failed(io::ErrorKind::NotFound.into()));
            }
            Ok(addresses)
        }
    }
}

async fn connect(
    origin: &Origin,
    addresses: &[SocketAddr],
    connect_timeout: Duration,
) -> Result<TcpStream, WireError> {
    let share = connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let connected = timeout(share, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                let facts = (|| {
                    stream.set_nodelay(true)?;
                    Ok((stream.peer_addr()?, stream.local_addr()?))
                })();
                match facts {
                    Ok((peer, ours)) if origin.local.permits_connection(peer, ours) => return Ok(stream),
                    Ok((address, _)) => {
                        return Err(WireError::Local { peer: origin.peer.clone(), address });
                    }
                    Err(error) => last = error,
                }
            }
            Err(error) => last = error,
        }
    }
    Err(WireError::Connect { peer: origin.peer.clone(), source: last })
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let n = self.read.len().min(buffer.remaining());
        buffer.put_slice(self.read.get(..n).unwrap_or_default());
        self.read.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
