//! Reads a body whole, within a bound and a deadline.

use std::{pin::pin, task::Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use super::{Clock, Deadline, WireError};
use crate::body::BodyError;

/// The whole body. A body that breaks off, is too large or too late is an error, never a shorter body.
///
/// # Errors
/// [`WireError::TooLarge`], [`WireError::Timeout`], [`WireError::Truncated`].
pub async fn gather<B>(body: B, bytes_max: u64, deadline: Deadline) -> Result<Bytes, WireError>
where
    B: http_body::Body<Data = Bytes, Error = BodyError>,
{
    if body.size_hint().lower() > bytes_max {
        return Err(WireError::TooLarge { bytes_max });
    }
    let mut body = pin!(body);
    let mut gathered = Gathered { first: Bytes::new(), rest: BytesMut::new() };
    let all = async {
        while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
            let Ok(data) = frame.map_err(WireError::Truncated)?.into_data() else {
                continue;
            };
            let length = gathered.len().saturating_add(data.len());
            if u64::try_from(length).unwrap_or(u64::MAX) > bytes_max {
                return Err(WireError::TooLarge { bytes_max });
            }
            gathered.push(data, body.size_hint().lower());
        }
        Ok(())
    };
    // What is already there needs no timer.
    let mut all = pin!(all);
    match std::future::poll_fn(|context| Poll::Ready(all.as_mut().poll(context))).await {
        Poll::Ready(done) => done?,
        Poll::Pending => {
            let waited = tokio::time::timeout_at(deadline.into(), all).await;
            waited.map_err(|_| WireError::Timeout(Clock::Call))??;
        }
    }
    Ok(gathered.finish())
}

/// One piece is kept as it is; only the second makes a copy.
struct Gathered {
    first: Bytes,
    rest: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, data: Bytes, more: u64) {
        if self.rest.is_empty() && self.first.is_empty() {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            let more = usize::try_from(more).unwrap_or(0).min(1 << 20);
            self.rest.reserve(self.first.len() + data.len() + more);
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
