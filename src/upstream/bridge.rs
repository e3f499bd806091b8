//! Two sockets joined after an upgrade: bytes go through as they come until both ends are done, nothing moves
//! for too long, the stream is too old, or whoever allowed it no longer does.

use std::{
    future::pending,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    time::sleep_until,
};

use crate::clock;

/// Clocks of a joined stream.
#[derive(Clone, Copy, Debug)]
pub struct BridgeClocks {
    /// Longest time without a byte either way.
    pub idle: Duration,
    /// Longest time at all.
    pub lifetime: Duration,
}

/// How a joined stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridged {
    /// Bytes from the caller.
    pub from_caller: u64,
    /// Bytes from the system.
    pub from_system: u64,
    /// Why.
    pub end: BridgeEnd,
}

/// Why a joined stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeEnd {
    /// Both ends were done.
    Done,
    /// The caller's end broke off.
    CallerGone,
    /// The system's end broke off.
    SystemGone,
    /// Nothing moved for too long.
    Idle,
    /// It was too old.
    Lifetime,
    /// Whoever allowed it no longer does.
    Ended,
}

/// Joins two sockets. `ended` resolves when the stream must end (revoked, drained); `pending()` when nothing
/// can end it.
pub async fn bridge<C, S>(
    caller: C,
    system: S,
    clocks: BridgeClocks,
    ended: impl Future<Output = ()>,
) -> Bridged
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut caller, mut system) = (Counted::new(caller), Counted::new(system));
    let (from_caller, from_system) = (caller.read.clone(), system.read.clone());
    let is_caller_gone = caller.broke.clone();
    let broken = || match is_caller_gone.load(Ordering::Relaxed) {
        true => BridgeEnd::CallerGone,
        false => BridgeEnd::SystemGone,
    };
    let moved = || from_caller.load(Ordering::Relaxed).wrapping_add(from_system.load(Ordering::Relaxed));
    let end = {
        let copying = pin!(copy_bidirectional(&mut caller, &mut system));
        tokio::select! {
            biased;
            () = ended => BridgeEnd::Ended,
            done = copying => if done.is_ok() { BridgeEnd::Done } else { broken() },
            end = watch(clocks, moved) => end,
        }
    };
    Bridged {
        from_caller: from_caller.load(Ordering::Relaxed),
        from_system: from_system.load(Ordering::Relaxed),
        end,
    }
}

async fn watch(clocks: BridgeClocks, moved: impl Fn() -> u64) -> BridgeEnd {
    let over = after(clocks.lifetime);
    loop {
        let before = moved();
        match [after(clocks.idle), over].into_iter().flatten().min() {
            Some(next) => sleep_until(next.into()).await,
            None => pending().await,
        }
        if over.is_some_and(|over| clock::mono() >= over) {
            return BridgeEnd::Lifetime;
        }
        if moved() == before {
            return BridgeEnd::Idle;
        }
    }
}

/// So long from now; none where that is past the end of time.
fn after(period: Duration) -> Option<Instant> {
    clock::mono().checked_add(period)
}

/// A socket that counts what is read from it, and remembers that it broke.
struct Counted<T> {
    io: T,
    read: Arc<AtomicU64>,
    broke: Arc<AtomicBool>,
}

impl<T> Counted<T> {
    fn new(io: T) -> Self {
        Self { io, read: Arc::default(), broke: Arc::default() }
    }

    fn seen<R>(&self, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if matches!(polled, Poll::Ready(Err(_))) {
            self.broke.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        let n = buffer.filled().len().saturating_sub(before);
        self.read.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
        self.seen(polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.seen(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.seen(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.seen(polled)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LONG: BridgeClocks =
        BridgeClocks { idle: Duration::from_secs(60), lifetime: Duration::from_secs(60) };

    #[tokio::test]
    async fn bytes_go_both_ways_and_are_counted() {
        let ((mut caller, ours), (mut system, theirs)) = (duplex(64), duplex(64));
        let (bridged, ()) = tokio::join!(bridge(ours, theirs, LONG, pending()), async {
            caller.write_all(b"ping").await.unwrap();
            let mut heard = [0; 4];
            system.read_exact(&mut heard).await.unwrap();
            system.write_all(b"pong!").await.unwrap();
            drop(system);
            let mut heard = Vec::new();
            caller.shutdown().await.unwrap();
            caller.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"pong!");
        });
        assert_eq!(bridged, Bridged { from_caller: 4, from_system: 5, end: BridgeEnd::Done });
    }

    #[tokio::test]
    async fn it_ends_when_idle_old_or_no_longer_allowed() {
        let brief = Duration::from_millis(20);
        for (clocks, ended, end) in [
            (BridgeClocks { idle: brief, ..LONG }, false, BridgeEnd::Idle),
            (BridgeClocks { lifetime: brief, ..LONG }, false, BridgeEnd::Lifetime),
            (BridgeClocks { idle: brief, lifetime: Duration::MAX }, false, BridgeEnd::Idle),
            (BridgeClocks { idle: Duration::MAX, lifetime: brief }, false, BridgeEnd::Lifetime),
            (LONG, true, BridgeEnd::Ended),
        ] {
            let ((_caller, ours), (_system, theirs)) = (duplex(64), duplex(64));
            let revoked = async move { if ended { ready(()).await } else { pending().await } };
            assert_eq!(bridge(ours, theirs, clocks, revoked).await.end, end);
        }
    }
}
