//! Idle connections of one core. A doubtful connection is never used again.
//!
//! A connection is driven by whoever uses it, inside the request's own future and then inside the answer's
//! body: no task of its own, no hop between tasks. An idle one is looked at when it is wanted again and when
//! the pool is swept: if the peer closed it, spoke unasked, or it is too old, it is dropped.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use super::{
    Clock, Deadline, Origin, WireError,
    relay::Relay,
    socket::{Socket, dial},
    trunk::Trunks,
};
use crate::{
    body::Body,
    clock::{self, Now},
};

/// Most that is buffered of an answer.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Largest head of an answer. (Its fields are at most 100, which is hyper's own bound.)
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The idle connections of one core. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// Clocks of reaching a peer and of its first byte.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Resolving, connecting, TLS.
    pub connect: Duration,
    /// From the request's last byte to the answer's head.
    pub first_byte: Duration,
    /// The same for a request whose body is streamed: until then it takes as long as its sender. Others are bound by
    /// their deadline.
    pub call: Duration,
}

/// The clocks of one exchange.
pub(super) struct Timing<'a> {
    pub(super) clocks: &'a Clocks,
    pub(super) deadline: Deadline,
    pub(super) now: Now,
}

/// A connection that one exchange owns.
pub(super) struct Lease {
    /// INVARIANT: there until it is given back; nothing is given back before the answer ended well.
    connection: Option<Box<Connection>>,
    shared: Arc<Shared>,
}

/// A connection and the future that drives it.
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<Body>,
    pub(super) driver: Driver,
    /// By which the driver is woken, whoever uses the connection.
    pub(super) relay: Relay,
    /// Whether the driver came to its end and must not be polled again.
    pub(super) done: bool,
    /// Whether it carried an exchange before.
    pub(super) reused: bool,
    /// Set anew for each exchange. Never stopped in between: moving it later costs no lock.
    pub(super) alarm: Pin<Box<Sleep>>,
    origin: Arc<Origin>,
    born: std::time::Instant,
    idle_since: std::time::Instant,
}

struct Shared {
    idle_max: usize,
    shelves: Mutex<Shelves>,
    /// Of origins to which HTTP/2 is spoken.
    trunks: Mutex<HashMap<usize, Arc<Trunks>, foldhash::fast::RandomState>>,
}

#[derive(Default)]
struct Shelves {
    by_origin: HashMap<usize, Shelf, foldhash::fast::RandomState>,
    idle: usize,
}

struct Shelf {
    /// Keeps the address that is the key from being taken by another origin.
    _origin: Arc<Origin>,
    /// The freshest at the back.
    idle: VecDeque<Box<Connection>>,
}

impl Pool {
    /// A pool that keeps at most so many idle connections in all.
    pub fn new(idle_max: usize) -> Self {
        let (shelves, trunks) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { idle_max, shelves, trunks }) }
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        let trunks: usize = self.shared.trunks.lock().values().map(|trunks| trunks.idle()).sum();
        self.shared.shelves.lock().idle.saturating_add(trunks)
    }

    /// Drops what is too old or was closed by its peer. To be called every few seconds, on the pool's core.
    pub fn sweep(&self, now: Now) {
        let mut dropped: Vec<Box<Connection>> = Vec::new();
        let mut shelves = self.shared.shelves.lock();
        for shelf in shelves.by_origin.values_mut() {
            for mut connection in std::mem::take(&mut shelf.idle) {
                if connection.is_fit(now) && connection.is_quiet() {
                    shelf.idle.push_back(connection);
                } else {
                    dropped.push(connection);
                }
            }
        }
        shelves.by_origin.retain(|_, shelf| !shelf.idle.is_empty());
        shelves.idle -= dropped.len().min(shelves.idle);
        // The sockets are closed after the lock.
        drop(shelves);
        let trunks: Vec<_> = self.shared.trunks.lock().values().cloned().collect();
        for trunks in &trunks {
            trunks.sweep(now);
        }
        drop(trunks);
        self.shared.trunks.lock().retain(|_, trunks| trunks.is_wanted());
    }

    /// The HTTP/2 connections to an origin.
    pub(super) fn trunks(&self, origin: &Arc<Origin>) -> Arc<Trunks> {
        let mut trunks = self.shared.trunks.lock();
        trunks.entry(key(origin)).or_insert_with(|| Arc::new(Trunks::new(origin.clone()))).clone()
    }

    /// A connection that was just opened, for HTTP/1.1.
    pub(super) async fn adopt(&self, origin: &Arc<Origin>, socket: Socket) -> Result<Lease, WireError> {
        let connection = over(socket, origin, clock::mono()).await?;
        Ok(Lease { connection: Some(connection), shared: self.shared.clone() })
    }

    /// An idle connection that is still good, or a new one.
    pub(super) async fn lease(&self, origin: &Arc<Origin>, timing: &Timing<'_>) -> Result<Lease, WireError> {
        while let Some(mut connection) = self.shared.take(origin) {
            if connection.is_fit(timing.now) && connection.is_quiet() {
                return Ok(Lease { connection: Some(connection), shared: self.shared.clone() });
            }
        }
        // Boxed: seldom taken, and large.
        let connection = Box::pin(open(origin, timing)).await?;
        Ok(Lease { connection: Some(connection), shared: self.shared.clone() })
    }
}

impl Lease {
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_deref()
    }

    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.connection.as_deref_mut()
    }

    /// Takes the connection out of the pool's hands for good.
    pub(super) fn take(mut self) -> Option<Box<Connection>> {
        self.connection.take()
    }

    /// How long the connection had been idle.
    pub(super) fn idled(&self, now: Now) -> Duration {
        self.connection().map_or(Duration::ZERO, |connection| connection.idled(now))
    }

    /// Gives the connection back after an exchange that ended well.
    pub(super) fn give_back(mut self) {
        if let Some(mut connection) = self.connection.take()
            && !connection.done
        {
            connection.reused = true;
            connection.idle_since = clock::mono();
            connection.relay.rest();
            self.shared.put(connection);
        }
    }
}

impl Connection {
    /// Polls something that the connection brings; where it is not there yet, the connection is let read and write
    /// what it can.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut brought: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (driver, done) = (&mut self.driver, &mut self.done);
        self.relay.poll(context, |inner, _| {
            if let Poll::Ready(brought) = brought(inner) {
                return Poll::Ready(brought);
            }
            drive(driver, done, inner);
            brought(inner)
        })
    }

    /// How long it lay idle before this use.
    fn idled(&self, now: Now) -> Duration {
        now.mono.saturating_duration_since(self.idle_since)
    }

    fn is_fit(&self, now: Now) -> bool {
        self.idled(now) < self.origin.keep.idle_timeout
            && now.mono.saturating_duration_since(self.born) < self.origin.keep.lifetime
    }

    /// Whether the last exchange is wholly over and the peer neither closed nor spoke since.
    fn is_quiet(&mut self) -> bool {
        let (driver, done) = (&mut self.driver, &mut self.done);
        self.relay.poll_once(|inner| drive(driver, done, inner));
        !self.done && self.sender.is_ready()
    }
}

type Driver = http1::Connection<TokioIo<Socket>, Body>;

/// Lets a connection read and write what it can, unless it came to its end.
pub(super) fn drive(driver: &mut Driver, done: &mut bool, inner: &mut Context<'_>) {
    if !*done && Pin::new(driver).poll(inner).is_ready() {
        *done = true;
    }
}

impl Shared {
    fn take(&self, origin: &Arc<Origin>) -> Option<Box<Connection>> {
        let mut shelves = self.shelves.lock();
        let connection = shelves.by_origin.get_mut(&key(origin))?.idle.pop_back()?;
        shelves.idle = shelves.idle.saturating_sub(1);
        Some(connection)
    }

    fn put(&self, connection: Box<Connection>) {
        let mut shelves = self.shelves.lock();
        let (key, keep) = (key(&connection.origin), connection.origin.keep.idle_max);
        let full = shelves.idle >= self.idle_max;
        let shelf = match shelves.by_origin.get_mut(&key) {
            Some(shelf) => shelf,
            None => shelves
                .by_origin
                .entry(key)
                .or_insert_with(|| Shelf { _origin: connection.origin.clone(), idle: VecDeque::new() }),
        };
        // At a bound the oldest of this origin makes room; where there is none, the newcomer is dropped.
        let evicted = if !full && shelf.idle.len() < keep {
            shelf.idle.push_back(connection);
            shelves.idle += 1;
            None
        } else if let Some(oldest) = shelf.idle.pop_front() {
            shelf.idle.push_back(connection);
            Some(oldest)
        } else {
            Some(connection)
        };
        // The socket is closed after the lock.
        drop(shelves);
        drop(evicted);
    }
}

fn key(origin: &Arc<Origin>) -> usize {
    Arc::as_ptr(origin).addr()
}

async fn open(origin: &Arc<Origin>, timing: &Timing<'_>) -> Result<Box<Connection>, WireError> {
    let start = clock::now().mono;
    let (until, clock) = timing.deadline.or_sooner(start, timing.clocks.connect, Clock::Connect);
    let dialled = tokio::time::timeout_at(until, dial(origin, timing.clocks.connect)).await;
    over(dialled.map_err(|_| WireError::Timeout(clock))??, origin, start).await
}

async fn over(
    socket: Socket,
    origin: &Arc<Origin>,
    start: std::time::Instant,
) -> Result<Box<Connection>, WireError> {
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(socket))
        .await
        .map_err(WireError::Broken)?;
    Ok(Box::new(Connection {
        sender,
        driver,
        relay: Relay::new(),
        done: false,
        reused: false,
        alarm: Box::pin(tokio::time::sleep_until(Instant::from_std(start))),
        origin: origin.clone(),
        born: start,
        idle_since: start,
    }))
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} idle)", self.idle())
    }
}
