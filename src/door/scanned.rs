//! The scan of heads for a listener that is none of the door's: the same bytes are refused there.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scan::HeadScan;
use crate::intake::HeadFault;

/// A stream whose heads are looked at as they are read.
#[derive(Debug)]
pub(crate) struct Scanned<S> {
    stream: S,
    heads: Heads,
}

/// What was seen of the heads of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Heads(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    scan: Mutex<HeadScan>,
    requests: AtomicU32,
}

impl<S> Scanned<S> {
    /// Looks at a stream from its first byte on.
    pub(crate) fn new(stream: S) -> (Self, Heads) {
        let seen = Seen { scan: Mutex::new(HeadScan::new()), requests: AtomicU32::new(0) };
        let heads = Heads(Arc::new(seen));
        (Self { stream, heads: heads.clone() }, heads)
    }
}

impl Heads {
    /// A request was read: what is wrong with its head or an earlier one.
    pub(crate) fn begin(&self) -> Option<HeadFault> {
        let number = self.0.requests.fetch_add(1, Relaxed);
        self.0.scan.lock().fault().filter(|(head, _)| *head <= number).map(|(_, fault)| fault)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Scanned<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if let Some(bytes) = buffer.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            this.heads.0.scan.lock().read(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Scanned<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
