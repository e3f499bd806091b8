//! The clocks of one connection: first byte, head, idle, slow reader, linger; and the stream they watch.
//!
//! Reads and writes only note what happened; one timer a connection is armed for the clock that can run out
//! first and looks again when it fires, so a request that comes and goes touches no timer.
//!
//! The body's own clocks run where the body is read ([`crate::intake::guarded`]).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Bounds, limits::Slot, observer::Clock, scan::HeadScan, stream::Stream};
use crate::{clock, intake::HeadFault};

/// What happened on a connection, in milliseconds since it began; 0 is never.
#[derive(Debug)]
pub(super) struct Clocks {
    start: Instant,
    limits: Limits,
    protocol: Protocol,
    in_flight: AtomicU32,
    requests: AtomicU32,
    read_any: AtomicBool,
    closed: AtomicBool,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
    linger_since: AtomicU64,
    /// Since when the door closes and this connection has not had a request yet.
    stopping_since: AtomicU64,
    /// The heads' fault as the scan left it: which head, and what.
    fault: Mutex<Option<(u32, HeadFault)>>,
    has_fault: AtomicBool,
    /// HTTP/2 answers in the making: since when each waits for the caller's window.
    streams: Mutex<Vec<Arc<AtomicU64>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    first_byte: u64,
    head: u64,
    idle: u64,
    slow_reader: u64,
    linger: u64,
    linger_bytes: u64,
    /// Bytes a second a reader who is waited for must take.
    rate: u64,
}

impl Clocks {
    pub(super) fn new(bounds: &Bounds, protocol: Protocol) -> Arc<Self> {
        let limits = Limits {
            first_byte: millis(bounds.first_byte_timeout.0),
            head: millis(bounds.head_timeout.0),
            idle: millis(bounds.idle_timeout.0),
            slow_reader: millis(bounds.slow_reader_timeout.0),
            linger: millis(bounds.linger_timeout.0),
            linger_bytes: bounds.linger_bytes_max.0,
            rate: bounds.body_rate_min.0.max(1),
        };
        Arc::new(Self {
            start: clock::mono(),
            limits,
            protocol,
            in_flight: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            read_any: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(0),
            linger_since: AtomicU64::new(0),
            stopping_since: AtomicU64::new(0),
            fault: Mutex::new(None),
            has_fault: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        })
    }

    /// Milliseconds since the connection began, never 0.
    pub(super) fn now(&self) -> u64 {
        millis(clock::mono().saturating_duration_since(self.start)).max(1)
    }

    /// What lies beyond all reckoning is a year off.
    pub(super) fn instant(&self, at: u64) -> tokio::time::Instant {
        let from = tokio::time::Instant::from(self.start);
        from.checked_add(Duration::from_millis(at)).unwrap_or_else(|| from + YEAR)
    }

    /// The clock that runs out first, and when. There is always one: while requests are in flight their own
    /// deadlines count, and this one only looks again.
    pub(super) fn next(&self) -> (u64, Clock) {
        let at = |since: &AtomicU64, limit: u64| match since.load(Relaxed) {
            0 => u64::MAX,
            since => since.saturating_add(limit),
        };
        let linger = at(&self.linger_since, self.limits.linger);
        if linger != u64::MAX {
            return (linger, Clock::Linger);
        }
        let blocked = at(&self.blocked_since, self.limits.slow_reader).min(self.stalled());
        let waiting = if self.in_flight.load(Relaxed) > 0 {
            (u64::MAX, Clock::Idle)
        } else if self.head_since.load(Relaxed) > 0 {
            (at(&self.head_since, self.limits.head), Clock::Head)
        } else if !self.read_any.load(Relaxed) {
            let stopping = at(&self.stopping_since, STOPPING_GRACE);
            match self.limits.first_byte {
                first_byte if first_byte <= stopping => (first_byte, Clock::FirstByte),
                _ => (stopping, Clock::Idle),
            }
        } else {
            (at(&self.idle_since, self.limits.idle), Clock::Idle)
        };
        if blocked < waiting.0 { (blocked, Clock::SlowReader) } else { waiting }
    }

    /// When what the library keeps for this connection may be put away; none while it is busy.
    pub(super) fn release_at(&self) -> Option<u64> {
        let idle = self.protocol == Protocol::Http1
            && self.requests.load(Relaxed) > 0
            && self.in_flight.load(Relaxed) == 0
            && self.head_since.load(Relaxed) == 0
            && self.blocked_since.load(Relaxed) == 0
            && self.linger_since.load(Relaxed) == 0;
        idle.then(|| self.idle_since.load(Relaxed).saturating_add(RELEASE_AFTER))
    }

    /// How far ahead the timer may be armed when nothing can run out: HTTP/2 streams change state in tasks of
    /// their own, so the connection looks again now and then.
    pub(super) fn look_again(&self) -> u64 {
        self.limits.slow_reader.min(self.limits.idle).max(10)
    }

    fn stalled(&self) -> u64 {
        if self.protocol == Protocol::Http1 {
            return u64::MAX;
        }
        let mut streams = self.streams.lock();
        streams.retain(|stream| Arc::strong_count(stream) > 1);
        let oldest = streams.iter().map(|stream| stream.load(Relaxed)).filter(|since| *since > 0).min();
        oldest.map_or(u64::MAX, |since| since.saturating_add(self.limits.slow_reader))
    }

    /// A head was read: a request is in flight until the flight is dropped. The fault is what the scan found
    /// in this head or an earlier one.
    pub(super) fn begin(self: &Arc<Self>) -> (Flight, Option<HeadFault>) {
        self.in_flight.fetch_add(1, Relaxed);
        let number = self.requests.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        let fault = match self.has_fault.load(Relaxed) {
            true => self.fault.lock().filter(|(head, _)| *head <= number).map(|(_, fault)| fault),
            false => None,
        };
        (Flight { clocks: self.clone(), stalled_since: None }, fault)
    }

    /// The door closes: whether this connection may be told so now. An HTTP/1 connection that is still new
    /// gets its first request answered; it would otherwise see its connection closed for no reason.
    pub(super) fn may_wind_down(&self) -> bool {
        if self.protocol == Protocol::Http2 || self.requests.load(Relaxed) > 0 {
            return true;
        }
        if self.stopping_since.load(Relaxed) == 0 {
            self.stopping_since.store(self.now(), Relaxed);
        }
        false
    }

    fn noted_read(&self, scan: &mut HeadScan, bytes: &[u8]) {
        self.read_any.store(true, Relaxed);
        if self.protocol == Protocol::Http2 || self.closed.load(Relaxed) {
            return;
        }
        let is_between = self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0;
        scan.read(bytes);
        // What is left of the last request's body is no head yet, nor are empty lines before one.
        if is_between && scan.is_in_head() {
            self.head_since.store(self.now(), Relaxed);
        }
        if let Some(fault) = scan.fault()
            && !self.has_fault.swap(true, Relaxed)
        {
            *self.fault.lock() = Some(fault);
        }
    }

    fn noted_blocked(&self) {
        if self.blocked_since.load(Relaxed) == 0 {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    fn noted_flushed(&self) {
        if self.blocked_since.load(Relaxed) != 0 {
            self.blocked_since.store(0, Relaxed);
            // The end of an answer that was still under way when its exchange was over.
            self.idle_since.store(self.now(), Relaxed);
        }
    }

    /// A write that took less than all: the socket is full, and each byte it took buys the caller its time.
    fn noted_partly_written(&self, bytes: usize) {
        let now = self.now();
        let earned = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1000) / self.limits.rate;
        let since = match self.blocked_since.load(Relaxed) {
            0 => now,
            since => since.saturating_add(earned).min(now),
        };
        self.blocked_since.store(since, Relaxed);
        self.idle_since.store(now, Relaxed);
    }

    /// How many unread bytes of a stream's request are discarded after its answer, and for how long; nothing where
    /// the connection lingers as a whole.
    pub(super) fn lingers_by_stream(&self) -> Option<(u64, Duration)> {
        let time = Duration::from_millis(self.limits.linger);
        (self.protocol == Protocol::Http2).then_some((self.limits.linger_bytes, time))
    }

    /// Lingering took long enough.
    pub(super) fn end_linger(&self) {
        self.closed.store(true, Relaxed);
    }

    /// The connection is over, or was carried away by an upgrade: nothing is noted any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
    }
}

/// A request in flight, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct Flight {
    clocks: Arc<Clocks>,
    /// HTTP/2: since when the answer waits for the caller's window.
    stalled_since: Option<Arc<AtomicU64>>,
}

impl Flight {
    /// The answer's body begins: from now on the caller must take it.
    pub(super) fn answers(&mut self) {
        if self.clocks.protocol == Protocol::Http2 {
            let since = Arc::new(AtomicU64::new(self.clocks.now()));
            self.clocks.streams.lock().push(since.clone());
            self.stalled_since = Some(since);
        }
    }

    /// Whose turn it is now.
    pub(super) fn turn(&self, turn: Turn) {
        if let Some(since) = &self.stalled_since {
            match turn {
                Turn::Callers => since.store(self.clocks.now(), Relaxed),
                Turn::Ours => since.store(0, Relaxed),
            }
        }
    }
}

/// Whose turn it is in an answer's body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// We gave bytes; the caller takes them.
    Callers,
    /// The caller waits for bytes.
    Ours,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.clocks.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.clocks.idle_since.store(self.clocks.now(), Relaxed);
        }
    }
}

/// A connection's stream: notes what happens for its clocks, looks at heads, and lingers when it is shut down
/// before all was read. It holds the connection's slot, also where an upgrade carries it away.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Stream,
    clocks: Arc<Clocks>,
    scan: HeadScan,
    linger: Linger,
    /// Bytes read while the HTTP library was put away; it reads them first.
    replay: Vec<u8>,
    _slot: Slot,
}

#[derive(Debug)]
enum Linger {
    /// Writing is open; so much may be discarded later.
    Open(u64),
    /// Writing is shut down; so much may still be discarded.
    Discarding(u64),
    Done,
}

impl Watched {
    pub(super) fn new(stream: Stream, clocks: Arc<Clocks>, linger_bytes_max: u64, slot: Slot) -> Self {
        let linger = Linger::Open(linger_bytes_max);
        Self { stream, clocks, scan: HeadScan::new(), linger, replay: Vec::new(), _slot: slot }
    }

    /// Takes back what the library had read and not used.
    pub(super) fn replay(&mut self, bytes: &[u8]) {
        self.replay.extend_from_slice(bytes);
    }

    /// Waits for the next bytes of an idle connection without keeping room for them; false at the end.
    pub(super) fn poll_wake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut room = [0; 1024];
        let mut room = ReadBuf::new(&mut room);
        let kept = std::mem::take(&mut self.replay);
        let read = Pin::new(&mut *self).poll_read(context, &mut room);
        self.replay = kept;
        ready!(read)?;
        self.replay(room.filled());
        Poll::Ready(Ok(!room.filled().is_empty()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.replay.is_empty() {
            let here = this.replay.len().min(buffer.remaining());
            buffer.put_slice(this.replay.get(..here).unwrap_or_default());
            this.replay.drain(..here);
            if this.replay.is_empty() {
                this.replay = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if let Some(bytes) = buffer.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            this.clocks.noted_read(&mut this.scan, bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        note(&this.clocks, &written, bytes.len());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        note(&this.clocks, &written, bytes.iter().map(|part| part.len()).sum());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        match flushed {
            Poll::Pending => this.clocks.noted_blocked(),
            Poll::Ready(_) => this.clocks.noted_flushed(),
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Linger::Open(most) = this.linger {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            let lingers = this.clocks.protocol == Protocol::Http1 && this.scan.is_unread();
            this.linger = if lingers { Linger::Discarding(most) } else { Linger::Done };
            if lingers {
                this.clocks.linger_since.store(this.clocks.now(), Relaxed);
            }
        }
        while let Linger::Discarding(left) = this.linger {
            if this.clocks.closed.load(Relaxed) {
                break;
            }
            let mut scratch = [0; 4096];
            let mut scratch = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut scratch));
            let read = read.map_or(0, |()| u64::try_from(scratch.filled().len()).unwrap_or(0));
            this.linger = match left.checked_sub(read) {
                Some(left) if read > 0 => Linger::Discarding(left),
                Some(_) | None => Linger::Done,
            };
        }
        Poll::Ready(Ok(()))
    }
}

fn note(clocks: &Clocks, written: &Poll<io::Result<usize>>, offered: usize) {
    match written {
        Poll::Pending => clocks.noted_blocked(),
        Poll::Ready(Ok(taken)) if *taken >= offered => clocks.noted_flushed(),
        Poll::Ready(Ok(taken)) => clocks.noted_partly_written(*taken),
        Poll::Ready(Err(_)) => {}
    }
}

/// How long a connection is idle before the library's buffers for it are released: longer than callers pause
/// between requests of one job, shorter than pools keep connections.
const RELEASE_AFTER: u64 = 200;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How long a new connection may still begin its first request when the door closes.
const STOPPING_GRACE: u64 = 1000;

fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX)
}
