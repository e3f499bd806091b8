//! HTTP/2 connections to one origin, and the streams on them.
//!
//! A connection carries up to a bound of streams at once, at most what its peer allows; only then is another opened,
//! and one at a time: who comes meanwhile waits for it, within its own clock. It is used once the peer's settings
//! are there, so that no more streams are opened than it takes. One that is too old, doubtful or going away gets no
//! new streams and ends with its last one. It is driven by tasks of its own on the core that opened it: they end when
//! it is let go of and its last stream is over.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use hyper::{client::conn::http2, rt::Executor};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;

use super::{
    Clock, Origin, WireError,
    origin::Second,
    pool::{HEAD_BYTES_MAX, Timing},
    socket::{Socket, dial_offering},
};
use crate::{
    body::Body,
    clock::{self, Now},
};

/// Most that is buffered of one stream, each way. A connection has room for all its streams at once, so that callers
/// who read slowly hold up nobody else.
const STREAM_BYTES_MAX: u32 = 128 * 1024;
/// How long an answer to a ping is waited for, where pings are not sent oftener.
const PONG_WAIT_MAX: Duration = Duration::from_secs(10);

/// The connections to one origin.
pub(super) struct Trunks {
    origin: Arc<Origin>,
    open: Mutex<Vec<Arc<Trunk>>>,
    /// Whoever holds it opens one.
    flight: tokio::sync::Mutex<()>,
    /// Until when the peer is taken for one that negotiates HTTP/1.1: milliseconds after `epoch`.
    first_until: AtomicU64,
    epoch: Instant,
}

/// One connection.
struct Trunk {
    sender: http2::SendRequest<Body>,
    driver: Arc<Driver>,
    streams: AtomicU32,
    /// Whether an answer came over it.
    is_proven: AtomicBool,
    is_retired: AtomicBool,
    born: Instant,
    /// When its last stream ended: milliseconds after `born`.
    idle_since: AtomicU64,
}

/// A stream that is counted against its connection's bound, until the last clone is dropped.
#[derive(Clone)]
pub(super) struct Stream(Arc<Counted>);

struct Counted(Arc<Trunk>);

/// How an origin is reached.
pub(super) enum Reached {
    /// By a stream.
    Stream(Stream),
    /// By a connection for HTTP/1.1 that was just opened.
    First(Socket),
    /// By HTTP/1.1, as far as is known.
    PerhapsFirst,
}

type Connection = http2::Connection<TokioIo<Socket>, Body, Lane>;

/// What drives a connection. It does not keep it from ending.
struct Driver {
    connection: Mutex<Option<Connection>>,
    stirred: Lane,
}

impl Trunks {
    pub(super) fn new(origin: Arc<Origin>) -> Self {
        Self {
            origin,
            open: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
            first_until: AtomicU64::new(0),
            epoch: clock::mono(),
        }
    }

    /// A stream on a connection that has room for it, or a new connection.
    pub(super) async fn reach(&self, second: &Second, timing: &Timing<'_>) -> Result<Reached, WireError> {
        if let Some(reached) = self.at_hand(timing.now.mono) {
            return Ok(reached);
        }
        let (until, clock) = timing.deadline.or_sooner(clock::mono(), timing.clocks.connect, Clock::Connect);
        let reached = tokio::time::timeout_at(until, async {
            let _turn = self.flight.lock().await;
            // Whoever was before us may have left room.
            match self.at_hand(clock::mono()) {
                Some(reached) => Ok(reached),
                None => self.open(second, timing.clocks.connect).await,
            }
        });
        reached.await.map_err(|_| WireError::Timeout(clock))?
    }

    fn at_hand(&self, now: Instant) -> Option<Reached> {
        if millis(now, self.epoch) < self.first_until.load(Ordering::Relaxed) {
            return Some(Reached::PerhapsFirst);
        }
        let mut open = self.open.lock();
        let keep = &self.origin.keep;
        open.retain(|trunk| trunk.is_fit(now, keep.lifetime));
        let roomy = open.iter().filter(|trunk| trunk.streams() < trunk.streams_max(keep.streams_max));
        let stream = roomy.min_by_key(|trunk| trunk.streams()).map(Trunk::stream);
        stream.map(Reached::Stream)
    }

    async fn open(&self, second: &Second, connect: Duration) -> Result<Reached, WireError> {
        let start = clock::mono();
        let socket = dial_offering(&self.origin, second.tls.as_ref(), connect).await?;
        if socket.is_second() == Some(false) {
            if !second.is_optional {
                return Err(self.not_spoken("it did not choose it when TLS was negotiated"));
            }
            let until = clock::mono().checked_add(self.origin.keep.lifetime).unwrap_or(start);
            self.first_until.store(millis(until, self.epoch), Ordering::Relaxed);
            return Ok(Reached::First(socket));
        }
        let keep = &self.origin.keep;
        let lane = Lane::default();
        let (sender, connection) = http2::Builder::new(lane.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(keep.ping)
            .keep_alive_timeout(keep.ping.map_or(PONG_WAIT_MAX, |ping| ping.min(PONG_WAIT_MAX)))
            .initial_stream_window_size(STREAM_BYTES_MAX)
            .initial_connection_window_size(
                STREAM_BYTES_MAX.saturating_mul(keep.streams_max.max(1)).min(MAX_WINDOW),
            )
            .max_send_buf_size(usize::try_from(STREAM_BYTES_MAX).unwrap_or(usize::MAX))
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            // None before the peer's settings are there.
            .initial_max_send_streams(0)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(WireError::Broken)?;
        let driver = Arc::new(Driver { connection: Mutex::new(Some(connection)), stirred: lane.clone() });
        let driving = driver.clone();
        lane.execute(poll_fn(move |context| driving.poll(context)));
        if !driver.is_settled().await {
            return Err(self.not_spoken("it ended before its settings came"));
        }
        let trunk = Arc::new(Trunk {
            sender,
            driver,
            streams: AtomicU32::new(0),
            is_proven: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            born: start,
            idle_since: AtomicU64::new(0),
        });
        let stream = Trunk::stream(&trunk);
        self.open.lock().push(trunk);
        Ok(Reached::Stream(stream))
    }

    fn not_spoken(&self, why: &'static str) -> WireError {
        WireError::Version { peer: self.origin.peer.clone(), why }
    }

    /// How many connections have no stream.
    pub(super) fn idle(&self) -> usize {
        self.open.lock().iter().filter(|trunk| trunk.streams() == 0).count()
    }

    /// Lets go of what is idle for too long, too old or over, and of more idle ones than are kept.
    pub(super) fn sweep(&self, now: Now) {
        let keep = &self.origin.keep;
        let mut idle = 0_usize;
        self.open.lock().retain(|trunk| {
            idle = idle.saturating_add(usize::from(trunk.streams() == 0));
            let is_spare = trunk.is_idle(now.mono, keep.idle_timeout) || idle > keep.idle_max;
            trunk.is_fit(now.mono, keep.lifetime) && !(trunk.streams() == 0 && is_spare)
        });
    }

    /// Whether somebody else still knows the origin, or a connection is open.
    pub(super) fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.origin) > 1 || !self.open.lock().is_empty()
    }
}

/// RFC 9113 §6.9.1.
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl Trunk {
    fn stream(self: &Arc<Self>) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Stream(Arc::new(Counted(self.clone())))
    }

    fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    fn streams_max(&self, ours: u32) -> u32 {
        let theirs = self.driver.streams_max().unwrap_or(0);
        ours.min(u32::try_from(theirs).unwrap_or(u32::MAX))
    }

    fn is_fit(&self, now: Instant, lifetime: Duration) -> bool {
        !self.is_retired.load(Ordering::Relaxed)
            && !self.sender.is_closed()
            && self.driver.streams_max().is_some()
            && now.saturating_duration_since(self.born) < lifetime
    }

    fn is_idle(&self, now: Instant, idle_timeout: Duration) -> bool {
        let idle = millis(now, self.born).saturating_sub(self.idle_since.load(Ordering::Relaxed));
        self.streams() == 0 && Duration::from_millis(idle) >= idle_timeout
    }
}

impl Stream {
    pub(super) fn sender(&self) -> http2::SendRequest<Body> {
        self.0.0.sender.clone()
    }

    /// Whether an answer came over its connection before.
    pub(super) fn is_proven(&self) -> bool {
        self.0.0.is_proven.load(Ordering::Relaxed)
    }

    /// An answer came.
    pub(super) fn prove(&self) {
        self.0.0.is_proven.store(true, Ordering::Relaxed);
    }

    /// The connection is in doubt: it gets no new streams.
    pub(super) fn retire(&self) {
        self.0.0.is_retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle_since.store(millis(clock::mono(), self.0.born), Ordering::Relaxed);
        }
    }
}

impl Driver {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut connection = self.connection.lock();
        match &mut *connection {
            Some(driven) => {
                if let Poll::Ready(ended) = Pin::new(driven).poll(context) {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an HTTP/2 connection ended");
                    }
                    *connection = None;
                    return Poll::Ready(());
                }
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    /// How many streams the peer allows now; none when the connection is over.
    fn streams_max(&self) -> Option<usize> {
        self.connection.lock().as_ref().map(Connection::current_max_send_streams)
    }

    /// Whether the peer's settings came, sooner than the end.
    async fn is_settled(&self) -> bool {
        poll_fn(|context| {
            self.stirred.0.register(context.waker());
            match self.streams_max() {
                Some(0) => Poll::Pending,
                Some(_) => Poll::Ready(true),
                None => Poll::Ready(false),
            }
        })
        .await
    }
}

/// Runs what belongs to a connection on the core that opened it, and tells whoever waits for its settings that
/// something was done.
#[derive(Clone, Default)]
struct Lane(Arc<AtomicWaker>);

impl<F> Executor<F> for Lane
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let stirred = self.0.clone();
        tokio::spawn(async move {
            let mut future = pin!(future);
            poll_fn(|context| {
                let polled = future.as_mut().poll(context).map(drop);
                stirred.wake();
                polled
            })
            .await;
        });
    }
}

fn millis(now: Instant, since: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
}
