//! One connection from its first byte to its end.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Bounds,
    clocks::{Clocks, Protocol, Watched},
    drain::Stop,
    frames::Overheard,
    limits::Slot,
    listener::{Listener, Proxies, Terms},
    observer::{Clock, HandshakeFailure, Observer, Refusal},
    service::{Exchange, Handler},
    stream::Stream,
    tls::Generation,
};
use crate::{
    clock,
    words::{Channel, Digest, Standing, StandingTeller, TlsFacts},
};

/// What a fresh socket brings along.
pub(super) struct Fresh {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) slot: Slot,
    pub(super) terms: Arc<Terms>,
}

/// Serves one connection to its end.
pub(super) async fn serve<H: Handler>(
    fresh: Fresh,
    listener: Arc<Listener>,
    handler: H,
    observer: Arc<dyn Observer>,
    stop: Stop,
) {
    let Fresh { stream, peer, mut slot, terms } = fresh;
    match &terms.tls {
        None => {
            let channel = channel(&listener, peer, None);
            let link = Link { channel, terms, slot, stop, observer, protocol: Protocol::Http1 };
            http1(Stream::Clear(stream), link, handler).await;
        }
        Some(tls) => {
            let generation = tls.current();
            // Boxed: the handshake's state is gone before the long life of the connection begins.
            let shaking = Box::pin(handshake(stream, &generation, &terms.settings.bounds));
            let stream = match shaking.await {
                Ok(stream) => stream,
                Err(why) => return observer.handshake_failed(&listener.name, peer, why),
            };
            slot.shaken();
            let (mut facts, protocol) = facts(&stream);
            // A connection that rests on a certificate ends with the terms that let it in.
            let stop = match chain(&stream) {
                Some(chain) => {
                    let (teller, standing) = Standing::let_in();
                    facts.standing = standing;
                    let over = generation.over.clone();
                    let watching = watch_standing(chain, teller, generation, listener.clone(), stop);
                    // Ends with the last stream of the connection, which may outlive it by an upgrade.
                    tokio::spawn(Box::pin(watching));
                    over
                }
                None => stop,
            };
            let channel = channel(&listener, peer, Some(facts));
            let stream = Stream::Tls(stream);
            let link = Link { channel, terms, slot, stop, observer, protocol };
            match protocol {
                Protocol::Http1 => http1(stream, link, handler).await,
                // Boxed: it is the larger one, and the other would pay for it.
                Protocol::Http2 => Box::pin(http2(stream, link, handler)).await,
            }
        }
    }
}

/// A connection that may begin.
struct Link {
    channel: Arc<Channel>,
    terms: Arc<Terms>,
    slot: Slot,
    stop: Stop,
    observer: Arc<dyn Observer>,
    protocol: Protocol,
}

fn channel(listener: &Listener, peer: SocketAddr, tls: Option<TlsFacts>) -> Arc<Channel> {
    Arc::new(Channel { listener: listener.name.clone(), peer, address: peer.ip().to_canonical(), tls })
}

async fn handshake(
    stream: TcpStream,
    generation: &Generation,
    bounds: &Bounds,
) -> Result<Box<TlsStream<TcpStream>>, HandshakeFailure> {
    let accepting = TlsAcceptor::from(generation.config.clone()).accept(stream);
    match timeout(bounds.handshake_timeout.0, accepting).await {
        // Boxed: a session is large, and an `async fn` keeps a copy for every move of it.
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => {
            Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => HandshakeFailure::Tls(error.to_string()),
                None => HandshakeFailure::Gone,
            })
        }
        Err(_) => Err(HandshakeFailure::Late),
    }
}

fn facts(stream: &TlsStream<TcpStream>) -> (TlsFacts, Protocol) {
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    };
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let facts = TlsFacts {
        version,
        server_name: session.server_name().map(|name| name.to_ascii_lowercase().into()),
        certificate: leaf.map(|leaf| Digest::of(leaf)),
        standing: Standing::default(),
    };
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    (facts, protocol)
}

/// The certificates a client showed; none where it showed none.
fn chain(stream: &TlsStream<TcpStream>) -> Option<Vec<CertificateDer<'static>>> {
    let chain = stream.get_ref().1.peer_certificates()?;
    (!chain.is_empty()).then(|| chain.iter().map(|one| one.clone().into_owned()).collect())
}

/// Tells when a certificate would not be let in any more, until nobody wants to know. It is looked at whenever its
/// listener has new terms; a door that closes ends its streams in its own time.
async fn watch_standing(
    chain: Vec<CertificateDer<'static>>,
    teller: StandingTeller,
    mut generation: Arc<Generation>,
    listener: Arc<Listener>,
    stop: Stop,
) {
    loop {
        tokio::select! {
            () = generation.over.ended() => {}
            () = teller.closed() => return,
        }
        if stop.is_ended() {
            return;
        }
        match listener.terms.load().tls.as_ref().map(|tls| tls.current()) {
            Some(fresh) if fresh.lets_in(&chain, clock::now().wall) => generation = fresh,
            Some(_) | None => return teller.end(),
        }
    }
}

impl Link {
    fn watch(self, stream: Stream) -> (Watch, Watched) {
        let bounds = &self.terms.settings.bounds;
        let clocks = Clocks::new(bounds, self.protocol);
        let watched = Watched::new(stream, clocks.clone(), bounds.linger_bytes_max.0, self.slot);
        let proxies = Proxies::of(&self.terms, self.channel.address);
        let watch =
            Watch { channel: self.channel, clocks, proxies, stop: self.stop, observer: self.observer };
        (watch, watched)
    }
}

async fn http1<H: Handler>(stream: Stream, link: Link, handler: H) {
    let terms = link.terms.clone();
    let (watch, mut io) = link.watch(stream);
    let exchange = watch.exchange(handler);
    // Boxed: what a busy connection needs, the library's buffers above all, is gone while it is idle.
    while let Some(idle) = Box::pin(busy(&watch, &exchange, &terms.settings.bounds, io)).await {
        match watch.idle(idle).await {
            Some(woken) => io = woken,
            None => return,
        }
    }
}

/// Serves a connection until it ends, or until it was idle for a while: then its stream comes back.
async fn busy<H: Handler>(
    watch: &Watch,
    exchange: &Arc<Exchange<H>>,
    bounds: &Bounds,
    io: Watched,
) -> Option<Watched> {
    let mut builder = http1::Builder::new();
    builder
        .half_close(false)
        .timer(TokioTimer::new())
        // ORDER: our own clocks hold the head; the library's would also count idle time.
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_header_size(bounds.head_bytes())
        .max_buf_size(bounds.head_bytes().max(READ_BYTES_MAX));
    if bounds.header_count() != LIBRARY_HEADERS {
        builder.max_headers(bounds.header_count());
    }
    let exchange = exchange.clone();
    let service = service_fn(move |request| exchange.serve(request));
    let mut connection = builder.serve_connection(TokioIo::new(io), service).with_upgrades();
    match watch.drive(Pin::new(&mut connection)).await {
        Ended::Idle => {
            let parts = connection.into_parts()?;
            let mut io = parts.io.into_inner();
            io.replay(&parts.read_buf);
            Some(io)
        }
        ended @ (Ended::Closed(_) | Ended::Late(_)) => {
            watch.tell(ended);
            None
        }
    }
}

async fn http2<H: Handler>(stream: Stream, link: Link, handler: H) {
    let terms = link.terms.clone();
    let bounds = &terms.settings.bounds;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(bounds.streams_per_connection_max)
        // Larger than what the intake takes, which has more to say; what the library refuses is overheard.
        .max_header_list_size(u32::try_from(bounds.head_bytes().saturating_mul(4)).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BYTES_MAX);
    let (watch, io) = link.watch(stream);
    let io = Overheard::new(io, watch.channel.clone(), watch.observer.clone());
    let io = TokioIo::new(io);
    let exchange = watch.exchange(handler);
    let service = service_fn(move |request| exchange.serve(request));
    let connection = pin!(builder.serve_connection(io, service));
    let ended = watch.drive(connection).await;
    watch.tell(ended);
}

/// How long the end of an idle connection may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// Most a connection's buffer grows to while a body streams.
const READ_BYTES_MAX: usize = 64 * 1024;
/// The library's own bound on headers, for which it needs no allocation.
const LIBRARY_HEADERS: usize = 100;
/// Streams reset by the caller before we looked at them, until the connection is ended.
const RESETS_MAX: usize = 20;
/// Streams we had to reset for the caller's errors, until the connection is ended.
const ERROR_RESETS_MAX: usize = 100;
/// What a caller may send on one stream before we read it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What we keep for one stream that the caller does not read.
const SEND_BYTES_MAX: usize = 64 * 1024;

/// Keeps the clocks of a connection while it runs.
struct Watch {
    channel: Arc<Channel>,
    clocks: Arc<Clocks>,
    proxies: Option<Arc<Proxies>>,
    stop: Stop,
    observer: Arc<dyn Observer>,
}

/// How a connection ended.
enum Ended {
    Closed(Result<(), hyper::Error>),
    Late(Clock),
    /// It goes on, but has been idle for a while.
    Idle,
}

/// What the timer found.
#[derive(Clone, Copy)]
enum Due {
    Late(Clock),
    Idle,
}

impl Watch {
    fn exchange<H: Handler>(&self, handler: H) -> Arc<Exchange<H>> {
        let (channel, clocks, proxies) = (self.channel.clone(), self.clocks.clone(), self.proxies.clone());
        Arc::new(Exchange { handler, channel, clocks, proxies })
    }

    async fn drive<C: Connection>(&self, mut connection: Pin<&mut C>) -> Ended {
        let mut stopping = pin!(self.stop.ended());
        let (mut at, _) = self.clocks.next();
        let mut timer = pin!(tokio::time::sleep_until(self.clocks.instant(at)));
        let (mut armed, mut winding_down) = (false, false);
        poll_fn(|context| {
            // Polled once: a task's waker does not change, and the flag is looked at each time.
            let stopped = self.stop.is_ended() || !armed && stopping.as_mut().poll(context).is_ready();
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(context) {
                    return Poll::Ready(Ended::Closed(result));
                }
                if !stopped || winding_down || !self.clocks.may_wind_down() {
                    break;
                }
                winding_down = true;
                connection.as_mut().wind_down();
            }
            let late = match ready!(self.poll_clocks(timer.as_mut(), &mut at, &mut armed, context)) {
                Due::Late(late) => late,
                Due::Idle => return Poll::Ready(Ended::Idle),
            };
            if late == Clock::Linger {
                // The library is let go on, because it still knows why it closed.
                self.clocks.end_linger();
                if let Poll::Ready(result) = connection.as_mut().poll(context) {
                    return Poll::Ready(Ended::Closed(result));
                }
            }
            Poll::Ready(Ended::Late(late))
        })
        .await
    }

    /// Tells how the connection ended, where that is worth telling.
    fn tell(&self, ended: Ended) {
        self.clocks.close();
        let refusal = match ended {
            Ended::Closed(Ok(())) | Ended::Late(Clock::Idle | Clock::Linger) | Ended::Idle => None,
            Ended::Closed(Err(error)) => Refusal::of(&error),
            Ended::Late(clock) => Some(Refusal::Late(clock)),
        };
        if let Some(refusal) = refusal {
            self.observer.refused_by_protocol(&self.channel, refusal);
        }
    }

    /// Waits on an idle connection for its next request; none when it ends instead.
    async fn idle(&self, mut io: Watched) -> Option<Watched> {
        let woken = {
            let mut stopping = pin!(self.stop.ended());
            let mut timer = pin!(tokio::time::sleep_until(self.clocks.instant(self.clocks.next().0)));
            poll_fn(|context| {
                if let Poll::Ready(woken) = io.poll_wake(context) {
                    return Poll::Ready(woken.unwrap_or(false));
                }
                // ORDER: a request that came is served, also when time is over or the door closes.
                let over =
                    timer.as_mut().poll(context).is_ready() || stopping.as_mut().poll(context).is_ready();
                if over { Poll::Ready(false) } else { Poll::Pending }
            })
            .await
        };
        if woken {
            return Some(io);
        }
        self.clocks.close();
        // As the library would: TLS says good-bye. A caller who does not take it is not waited for.
        drop(timeout(GOODBYE_TIMEOUT, io.shutdown()).await);
        None
    }

    /// Ready when a clock has run out or the connection was idle for a while. The timer is touched only when
    /// the next clock is earlier than what it is armed for, or when it fired.
    fn poll_clocks(
        &self,
        mut timer: Pin<&mut Sleep>,
        at: &mut u64,
        armed: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Due> {
        let (next, _) = self.due();
        if next < *at {
            *at = next;
            timer.as_mut().reset(self.clocks.instant(next));
        } else if *armed && !timer.is_elapsed() {
            return Poll::Pending;
        }
        *armed = true;
        while timer.as_mut().poll(context).is_ready() {
            let now = self.clocks.now();
            let (next, due) = self.due();
            if next <= now {
                return Poll::Ready(due);
            }
            *at = next.min(now.saturating_add(self.clocks.look_again()));
            timer.as_mut().reset(self.clocks.instant(*at));
        }
        Poll::Pending
    }

    fn due(&self) -> (u64, Due) {
        let (at, clock) = self.clocks.next();
        match self.clocks.release_at() {
            Some(release) if release < at => (release, Due::Idle),
            Some(_) | None => (at, Due::Late(clock)),
        }
    }
}

/// What the two kinds of connection have in common.
trait Connection: Future<Output = Result<(), hyper::Error>> {
    /// No more requests: HTTP/2 says so, HTTP/1 closes after the current one.
    fn wind_down(self: Pin<&mut Self>);
}

impl<I, S, B> Connection for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Connection for http2::Connection<I, S, TokioExecutor>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;

    #[derive(Clone)]
    struct Large;

    impl Handler for Large {
        async fn handle(&self, _: Request<Body>, _: Arc<Channel>) -> Response<Body> {
            let large = [0_u8; 64 * 1024];
            tokio::task::yield_now().await;
            Response::new(Body::from(large.to_vec()))
        }
    }

    #[test]
    fn an_idle_connection_is_small_whatever_its_handler() {
        fn size<F>(_: fn(Fresh, Arc<Listener>, Large, Arc<dyn Observer>, Stop) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(serve::<Large>);
        assert!(size < 4096, "{size} bytes");
    }
}
