//! A socket becomes HTTP requests with a known peer.
//!
//! Each core accepts on its own sockets, in its own runtime. TLS and ALPN choose HTTP/2 or HTTP/1.1; a plain
//! listener speaks HTTP/1.1 alone. Every connection has clocks (handshake, first byte, head, idle, slow reader,
//! linger) and counts (in all, by address), so a stranger can hold neither time nor memory. What never reaches a
//! handler (bytes that are not HTTP, failed handshakes, connections turned away) is told to an [`Observer`].
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use bramka::{body::Body, door::{self, Door, Handler, ListenerSettings, Observer, Sockets}, words::Channel};
//!
//! #[derive(Clone)]
//! struct Hello;
//! impl Handler for Hello {
//!     async fn handle(&self, _: http::Request<Body>, _: Arc<Channel>) -> http::Response<Body> {
//!         http::Response::new(Body::Full("hello".into()))
//!     }
//! }
//!
//! fn run(settings: Vec<ListenerSettings>, observer: Arc<dyn Observer>) -> Result<(), Box<dyn std::error::Error>> {
//!     let door = Arc::new(Door::open(settings, "policies".as_ref())?);
//!     let bound = Sockets::inherit()?.bind(&door.addresses(), 2)?;
//!     let threads = door::on_threads(door.cores(bound), move |core| {
//!         core.serve(Hello, observer.clone(), || Duration::from_secs(30))
//!     })?;
//!     threads.into_iter().for_each(|thread| drop(thread.join()));
//!     Ok(())
//! }
//! ```

mod accept;
mod clocks;
mod connection;
mod date;
mod drain;
mod frames;
mod limits;
mod listener;
mod observer;
mod scan;
mod scanned;
mod service;
mod settings;
mod sockets;
mod stream;
mod tls;
mod unread;

#[cfg(test)]
mod tests;

pub use accept::{Core, on_threads};
pub use drain::Drained;
pub use limits::Network;
pub use listener::{Door, DoorError, Prepared};
pub use observer::{Clock, HandshakeFailure, Observer, Refusal, TurnedAway};
pub(crate) use scanned::Scanned;
pub use service::Handler;
pub use settings::{
    Bounds, CertificateFiles, ClientCertificates, ListenerSettings, Resumption, TlsSettings, TlsTerms,
};
pub use sockets::{Bound, SocketError, Sockets, Successor};
pub use tls::{Reloaded, TlsError};
