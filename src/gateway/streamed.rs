//! The body of a passed-through answer: bounded, counted, ended when its permission ends, and closed in the
//! journal exactly once.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::{Answered, Ended},
    body::{Body, BodyError},
    clock,
    identity::Ending,
    quota::Admission,
};

/// What a stream holds until it ends.
#[derive(Debug)]
pub(super) struct Closing {
    /// Its place in the journal.
    pub(super) answered: Answered,
    /// Its slots.
    pub(super) admission: Admission,
    /// The caller's body, where there is one.
    pub(super) upload: Option<Upload>,
    /// Said when what is still open is cut at the end of a closing gate's grace.
    pub(super) parting: CancellationToken,
}

/// The caller's body on its way: how much of it has come, and its end, which is the answer's at the latest.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) ended: CancellationToken,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// The future that resolves when the credential is taken back.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A streamed answer.
pub(super) struct Streamed {
    inner: Body,
    closing: Option<Closing>,
    ending: Option<Ending>,
    /// Made when we first have to wait: most answers are there at once.
    waiting: Option<Waiting>,
    bytes: u64,
}

impl Streamed {
    /// Streams a body; `ending` listens for the end of the caller's credential.
    pub(super) fn new(inner: Body, closing: Closing, ending: Ending) -> Self {
        Self { inner, closing: Some(closing), ending: Some(ending), waiting: None, bytes: 0 }
    }

    fn close(&mut self, how: Ended) {
        if let Some(Closing { answered, admission, upload, .. }) = self.closing.take() {
            let uploaded = upload.as_ref().map_or(0, |upload| upload.bytes.load(Ordering::Relaxed));
            answered.close(uploaded, self.bytes, how, clock::now());
            drop((admission, upload));
        }
    }

    /// Whether the credential was taken back meanwhile.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(mut ending) = self.ending.take() {
            let ends_at = ending.ends_at();
            self.waiting = Some(Box::pin(async move {
                let clock = async {
                    match ends_at {
                        Some(at) => {
                            let left = at.duration_since(clock::now().wall).unsigned_abs();
                            tokio::time::sleep(left).await;
                        }
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = ending.wait() => {}
                    () = clock => {}
                }
            }));
        }
        self.waiting.as_mut().is_some_and(|waiting| waiting.as_mut().poll(context).is_ready())
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => {
                if self.poll_ended(context) {
                    self.close(Ended::Revoked);
                    self.inner = Body::Empty;
                    return Poll::Ready(Some(Err(BodyError::Ended("its credential ended"))));
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.bytes += u64::try_from(length).unwrap_or(0);
                if self.waiting.is_some() && self.poll_ended(context) {
                    self.close(Ended::Revoked);
                    self.inner = Body::Empty;
                    return Poll::Ready(Some(Err(BodyError::Ended("its credential ended"))));
                }
                if self.inner.is_end_stream() {
                    self.close(Ended::Complete);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.close(match error {
                    BodyError::Broken(_) => Ended::SystemGone,
                    BodyError::TooLarge { .. } | BodyError::TooSlow { .. } => Ended::Bound,
                    BodyError::Ended(_) => Ended::Revoked,
                });
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.close(Ended::Complete);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let is_parted = self.closing.as_ref().is_some_and(|closing| closing.parting.is_cancelled());
        self.close(if is_parted { Ended::Drained } else { Ended::CallerGone });
    }
}

/// Counts a body on its way to a system.
pub(super) struct Counted {
    pub(super) inner: Body,
    pub(super) bytes: Arc<AtomicU64>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.bytes.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
