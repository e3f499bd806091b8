//! The body of a passed-through answer: bounded, counted, ended when its permission ends, and closed in the
//! journal exactly once.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::{Answered, Ended},
    body::{Body, BodyError},
    clock,
    identity::{Ended as CredentialEnd, Ending},
    policy::Detail,
    quota::Admission,
    words::Digest,
};

/// What a stream holds until it ends.
#[derive(Debug)]
pub(super) struct Closing {
    /// Its place in the journal.
    pub(super) answered: Answered,
    /// Its slots.
    pub(super) admission: Box<Admission>,
    /// The caller's body, where there is one.
    pub(super) upload: Option<Upload>,
    /// The digest of a streamed answer, where it is asked for.
    pub(super) shown: Option<Passing>,
    /// Said when what is still open is cut at the end of a closing gate's grace.
    pub(super) parting: CancellationToken,
}

impl Closing {
    /// Writes the end down, and gives back what was held.
    pub(super) fn close(self, bytes_out: u64, how: Ended) {
        let Self { mut answered, admission, upload, shown, .. } = self;
        let sent = upload.as_ref().and_then(|upload| upload.digest.as_ref());
        for (name, passing) in [("body_sent", sent), ("body_shown", shown.as_ref())] {
            if let Some(passing) = passing {
                answered.body_digest(name, &passing.digest());
            }
        }
        answered.close(upload.as_ref().map_or(0, Upload::bytes), bytes_out, how, clock::now());
        drop((admission, upload));
    }
}

/// The caller's body on its way: how much of it has come, and its end, which is the answer's at the latest.
#[derive(Debug)]
pub(super) struct Upload {
    bytes: Arc<AtomicU64>,
    ended: CancellationToken,
    digest: Option<Passing>,
}

/// The SHA-256 of a body that passes, as far as it has come.
#[derive(Clone)]
pub(super) struct Passing(Arc<Mutex<digest::Context>>);

impl Passing {
    /// Where the statements that decided ask for it.
    pub(super) fn asked(detail: Detail) -> Option<Self> {
        match detail {
            Detail::Standard => None,
            Detail::BodyDigest => Some(Self(Arc::new(Mutex::new(digest::Context::new(&digest::SHA256))))),
        }
    }

    fn add(&self, bytes: &[u8]) {
        self.0.lock().update(bytes);
    }

    fn digest(&self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.lock().clone().finish().as_ref());
        Digest(out)
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passing(…)")
    }
}

impl Upload {
    /// Nothing of it has come.
    pub(super) fn new(detail: Detail) -> Self {
        Self { bytes: Arc::default(), ended: CancellationToken::new(), digest: Passing::asked(detail) }
    }

    /// A body that is counted, and digested where that is asked for.
    pub(super) fn counting(&self, inner: Body) -> Counted {
        Counted { inner, bytes: self.bytes.clone(), digest: self.digest.clone() }
    }

    /// How much of it has come so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What ends it.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// How the end of the credential is noticed.
enum Noticing {
    /// Looked for with every frame: a system that never makes us wait is noticed too, and most answers are there
    /// at once.
    Looking(Ending),
    /// Waited for, since we first had to wait.
    Waiting(Pin<Box<dyn Future<Output = Ended> + Send>>),
    /// It came.
    Over(Ended),
}

impl Noticing {
    /// The end, where it has come, beside a frame.
    fn look(&mut self, context: &mut Context<'_>) -> Option<Ended> {
        let over = match self {
            Self::Looking(ending) => ending.look(clock::now()).map(over),
            Self::Waiting(end) => match end.as_mut().poll(context) {
                Poll::Ready(how) => Some(how),
                Poll::Pending => None,
            },
            Self::Over(how) => Some(*how),
        };
        if let Some(how) = over {
            *self = Self::Over(how);
        }
        over
    }

    /// The same where there is no frame: the end wakes us.
    fn wait(&mut self, context: &mut Context<'_>) -> Option<Ended> {
        *self = match std::mem::replace(self, Self::Over(Ended::Revoked)) {
            Self::Looking(mut ending) => {
                Self::Waiting(Box::pin(async move { over(ending.reached(clock::now()).await) }))
            }
            other @ (Self::Waiting(_) | Self::Over(_)) => other,
        };
        self.look(context)
    }
}

/// What the journal says of a stream that ended with its credential.
pub(super) fn over(end: CredentialEnd) -> Ended {
    match end {
        CredentialEnd::Expired => Ended::Expired,
        CredentialEnd::Revoked | CredentialEnd::KeyGone | CredentialEnd::Disowned => Ended::Revoked,
    }
}

/// A streamed answer.
pub(super) struct Streamed {
    /// What was at hand before the answer's head left.
    first: Option<Frame<Bytes>>,
    inner: Body,
    /// How it broke, while what came before that leaves.
    broken: Option<BodyError>,
    closing: Option<Closing>,
    noticing: Noticing,
    bytes: u64,
}

impl Streamed {
    /// Streams a body after its first frame, where that is there; `ending` is the end of the caller's credential.
    pub(super) fn new(first: Option<Frame<Bytes>>, inner: Body, closing: Closing, ending: Ending) -> Self {
        let noticing = Noticing::Looking(ending);
        Self { first, inner, broken: None, closing: Some(closing), noticing, bytes: 0 }
    }

    fn close(&mut self, how: Ended) {
        if let Some(closing) = self.closing.take() {
            closing.close(self.bytes, how);
        }
    }

    /// Cuts the stream: the credential it came under is over.
    fn cut(&mut self, how: Ended) -> BodyError {
        self.close(how);
        self.inner = Body::Empty;
        BodyError::Ended("its credential ended")
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.inner).poll_frame(context),
        };
        // ORDER: a frame that came after the end is not counted and does not leave.
        let over = match &polled {
            Poll::Pending => self.noticing.wait(context),
            Poll::Ready(Some(Ok(_))) => self.noticing.look(context),
            Poll::Ready(Some(Err(_)) | None) => None,
        };
        if let Some(how) = over {
            return Poll::Ready(Some(Err(self.cut(how))));
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                self.bytes = self.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(0));
                if let Some(shown) = self.closing.as_ref().and_then(|closing| closing.shown.as_ref()) {
                    shown.add(data);
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
                // An error takes along what the library still holds, the head included. It is told once that is out.
                self.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.close(Ended::Complete);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.broken.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.data_ref()).map_or(0, |data| data.len());
        let first = u64::try_from(first).unwrap_or(u64::MAX);
        let inner = self.inner.size_hint();
        match inner.exact() {
            Some(rest) => SizeHint::with_exact(rest.saturating_add(first)),
            None => SizeHint::new(),
        }
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
    inner: Body,
    bytes: Arc<AtomicU64>,
    digest: Option<Passing>,
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
            let data = frame.data_ref().map_or(&[][..], |data| data);
            self.bytes.fetch_add(u64::try_from(data.len()).unwrap_or(0), Ordering::Relaxed);
            if let Some(digest) = &self.digest {
                digest.add(data);
            }
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
