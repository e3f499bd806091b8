//! One request, one answer, on one stream of an HTTP/2 connection.

use std::{
    error::Error as _,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version,
    header::{CONNECTION, HOST, TRAILER, TRANSFER_ENCODING, UPGRADE},
    uri::Parts,
};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, client::conn::TrySendError};
use smallvec::SmallVec;

use super::{
    Clock, Failed, Origin, Outcome, Pool, Sent, WireError,
    exchange::{Repeat, answered_by_stream, copied},
    origin::Second,
    pool::Timing,
    trunk::{Reached, Stream},
    upload::{Progress, watch},
};
use crate::{
    body::{Body, BodyError},
    clock,
};

impl Pool {
    /// Over HTTP/2, or over HTTP/1.1 where that was negotiated. A switch of protocols is HTTP/1.1's.
    ///
    /// A request that a connection which is just going away did not take is sent once more on another. Where the
    /// peer did not take it for another reason, [`Failed::unsent`] holds it, unless its body is streamed.
    pub(super) async fn transmit_either(
        &self,
        origin: &Arc<Origin>,
        mut request: Box<Request<Body>>,
        repeat: Repeat,
        timing: &Timing<'_>,
    ) -> Result<Outcome, Box<Failed>> {
        let Some(second) = &origin.second else {
            return self.transmit(origin, request, repeat, timing, None).await;
        };
        if request.headers().contains_key(UPGRADE) {
            if second.is_optional {
                return self.transmit(origin, request, repeat, timing, None).await;
            }
            request.headers_mut().remove(UPGRADE);
        }
        let trunks = self.trunks(origin);
        let mut upload = None;
        loop {
            let stream = match trunks.reach(second, timing).await {
                Ok(Reached::Stream(stream)) => stream,
                Ok(Reached::First(socket)) => {
                    return match self.adopt(origin, socket).await {
                        Ok(lease) => self.transmit(origin, request, repeat, timing, Some(lease)).await,
                        Err(error) => Err(Failed::before(error, Some(request))),
                    };
                }
                Ok(Reached::PerhapsFirst) => {
                    return self.transmit(origin, request, repeat, timing, None).await;
                }
                Err(error) => return Err(Failed::before(error, Some(request))),
            };
            let was_proven = stream.is_proven();
            let copy = copied(&request).map(Box::new);
            upload = upload.or_else(|| watch(&mut request));
            match exchange(&stream, request, second, upload.as_ref(), timing).await {
                Ok(answer) => {
                    stream.prove();
                    return answered_by_stream(stream, answer, upload);
                }
                Err(mut failed) => {
                    let broke = was_proven && repeat == Repeat::WhenStale && is_broken(&failed.error);
                    let is_repeatable = failed.sent == Sent::No || broke;
                    let unsent = failed.unsent.take().or(copy.filter(|_| is_repeatable));
                    match unsent {
                        // It had served before, and is over: the next one has room, or is new.
                        Some(unsent) if was_proven && is_of_the_end(&failed.error) => request = unsent,
                        unsent => {
                            failed.unsent = unsent;
                            return Err(failed);
                        }
                    }
                }
            }
        }
    }
}

/// Sends a request and waits for the answer's head.
async fn exchange(
    stream: &Stream,
    mut request: Box<Request<Body>>,
    second: &Second,
    upload: Option<&Arc<Progress>>,
    timing: &Timing<'_>,
) -> Result<Response<Incoming>, Box<Failed>> {
    if !address(&mut request, second) {
        let why = WireError::BadAnswer("its target cannot be written for HTTP/2");
        return Err(Failed::before(why, None));
    }
    if upload.is_some() {
        let announced = announced(request.headers());
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::stream(Sending { body, announced, _stream: stream.clone() });
    }
    let start = clock::mono();
    let mut sender = stream.sender();
    let mut sending = pin!(sender.try_send_request(*request));
    let (mut until, mut clock) = match upload {
        Some(upload) => timing.of_upload(upload, start, start),
        None => timing.deadline.or_sooner(start, timing.clocks.first_byte, Clock::FirstByte),
    };
    loop {
        match tokio::time::timeout_at(until, &mut sending).await {
            Ok(answer) => return answer.map_err(|failed| refused(failed, stream, upload, second)),
            Err(_) => {
                // The peer is not late while it takes bytes, or while the caller owes us some.
                let now = clock::mono();
                if let Some(upload) = upload {
                    (until, clock) = timing.of_upload(upload, start, now);
                }
                if until <= now.into() {
                    stream.retire();
                    return Err(Failed::after(WireError::Timeout(clock)));
                }
            }
        }
    }
}

/// Puts the target as HTTP/2 has it, and leaves out what HTTP/1.1 says of a connection.
fn address(request: &mut Request<Body>, second: &Second) -> bool {
    let headers = request.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, HOST] {
        headers.remove(name);
    }
    let mut parts = Parts::default();
    parts.scheme = Some(second.scheme.clone());
    parts.authority = Some(second.authority.clone());
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.version_mut() = Version::HTTP_2;
    match Uri::from_parts(parts) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return false,
    }
    true
}

/// The target as whoever gave the request has it.
fn readdress(request: &mut Request<Body>, second: &Second) {
    if let Some(target) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(target);
    }
    if let Ok(host) = HeaderValue::try_from(second.authority.as_str()) {
        request.headers_mut().insert(HOST, host);
    }
    *request.version_mut() = Version::HTTP_11;
}

/// What hyper and h2 say, in our words.
fn refused(
    mut failed: TrySendError<Request<Body>>,
    stream: &Stream,
    upload: Option<&Arc<Progress>>,
    second: &Second,
) -> Box<Failed> {
    let unsent = failed.take_message();
    let error = failed.into_error();
    if let Some(fault) = upload.and_then(|upload| upload.fault()) {
        return Failed::after(WireError::Upload(fault));
    }
    if let Some(mut unsent) = unsent {
        stream.retire();
        readdress(&mut unsent, second);
        return Failed::before(WireError::Untaken(error), Some(Box::new(unsent)));
    }
    let Some(told) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
        stream.retire();
        return Failed::after(WireError::Broken(error));
    };
    // RFC 9113 §8.7: neither was processed. A peer's GOAWAY reaches only streams above its last one.
    let is_refused = told.is_reset() && told.reason() == Some(h2::Reason::REFUSED_STREAM);
    if !told.is_reset() {
        stream.retire();
    }
    if told.is_remote() && (told.is_go_away() || is_refused) {
        return Failed::before(WireError::Untaken(error), None);
    }
    if told.is_library() {
        return Failed::after(WireError::BadAnswer("it is not sound HTTP/2"));
    }
    Failed::after(WireError::Broken(error))
}

fn is_broken(error: &WireError) -> bool {
    matches!(error, WireError::Broken(_))
}

/// Whether a request was not taken because its connection ends, and not for what it is.
fn is_of_the_end(error: &WireError) -> bool {
    let WireError::Untaken(error) = error else { return false };
    let told = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    told.is_none_or(|told| !told.is_reset())
}

/// The trailers that a request says will come. Others are not sent: what may not be a header may not be a trailer.
fn announced(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    let names = headers.get_all(TRAILER).iter().filter_map(|line| line.to_str().ok());
    names.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// A request body on its way. A stream whose request is still being sent is not free, though its answer is over.
struct Sending {
    body: Body,
    announced: SmallVec<[HeaderName; 2]>,
    _stream: Stream,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        Poll::Ready(match frame.into_trailers() {
            Err(data) => Some(Ok(data)),
            Ok(trailers) => {
                let is_kept = |name: &HeaderName| self.announced.contains(name);
                let mut kept = HeaderMap::new();
                for (name, value) in trailers.iter().filter(|(name, _)| is_kept(name)) {
                    kept.append(name, value.clone());
                }
                (!kept.is_empty()).then(|| Ok(Frame::trailers(kept)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
