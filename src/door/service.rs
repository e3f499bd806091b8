//! One exchange on a connection: the library's request becomes the handler's, its answer goes back watched.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, header, uri::Scheme};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    clocks::{Clocks, Flight, Turn},
    date::date,
    listener::Proxies,
    unread::{self, Unread},
};
use crate::{
    body::{Body, BodyError},
    intake::{HeadFault, caller_address},
    words::Channel,
};

/// Answers requests. The future is dropped when the caller goes away; what must outlive it needs a task of
/// its own.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request; it cannot fail. The body is not read before somebody polls it.
    fn handle(
        &self,
        request: Request<Body>,
        channel: Arc<Channel>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What every request of a connection shares.
pub(super) struct Exchange<H> {
    pub(super) handler: H,
    pub(super) channel: Arc<Channel>,
    pub(super) clocks: Arc<Clocks>,
    /// Set where the peer is a trusted proxy: then each request has an address of its own.
    pub(super) proxies: Option<Arc<Proxies>>,
}

impl<H: Handler> Exchange<H> {
    /// Serves one request.
    pub(super) fn serve(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + Send + use<H> {
        let this = self.clone();
        let (mut flight, fault) = this.clocks.begin();
        // Boxed: the library keeps a place of the future's size in every connection, idle ones included. Written
        // into its place: `Box::pin` would build these kilobytes on the stack and copy them.
        let answering = Box::write(Box::new_uninit(), async move {
            let (mut request, unread) = this.opened(request);
            let (channel, forwarded) = this.channel_of(&request);
            let is_odd = request.method() == Method::HEAD && !request.body().is_end_stream();
            let odd = is_odd.then_some(HeadFault::HeadWithBody);
            let other = this.names_another_scheme(&request).then_some(HeadFault::Scheme);
            if let Some(fault) = fault.or(odd).or(other).or(forwarded) {
                request.extensions_mut().insert(fault);
            }
            // Polled where it stands: `await` would move it there first.
            let mut response = pin!(this.handler.handle(request, channel)).await;
            if fault.is_some() {
                // Where the head's end is in doubt, so is the next one's beginning.
                response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
            }
            if !response.headers().contains_key(header::DATE)
                && let Some(date) = date()
            {
                response.headers_mut().insert(header::DATE, date);
            }
            (response, unread)
        });
        let answering = Box::into_pin(answering);
        async move {
            let (response, unread) = answering.await;
            // An answer without a body ends with its head, as callers of gRPC need it.
            let unread = unread.filter(|_| !response.body().is_end_stream());
            flight.answers();
            Ok(response.map(|body| Answer { body, flight, unread }))
        }
    }

    /// The request with its body as ours. Where streams share the connection, what is left of it is kept an eye on.
    fn opened(&self, request: Request<Incoming>) -> (Request<Body>, Option<Unread>) {
        let Some((bytes, time)) = self.clocks.lingers_by_stream() else {
            return (request.map(Body::incoming), None);
        };
        let (head, body) = request.into_parts();
        let (body, unread) = unread::watch(body, bytes, time);
        (Request::from_parts(head, body), unread)
    }

    /// Whether the target names another scheme than the connection has.
    fn names_another_scheme(&self, request: &Request<Body>) -> bool {
        let scheme = if self.channel.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        request.uri().scheme().is_some_and(|named| *named != scheme)
    }

    /// The channel with the caller's own address; the proxy's where that one cannot be told.
    fn channel_of(&self, request: &Request<Body>) -> (Arc<Channel>, Option<HeadFault>) {
        let Some(proxies) = &self.proxies else { return (self.channel.clone(), None) };
        let peer = self.channel.peer.ip();
        match caller_address(peer, request.headers(), &proxies.trusted, proxies.by) {
            Ok(address) => (Arc::new(Channel { address, ..Channel::clone(&self.channel) }), None),
            Err(fault) => (self.channel.clone(), Some(fault)),
        }
    }
}

/// The body of an answer, with its flight, and what of the request is to come before it ends.
pub(super) struct Answer {
    body: Body,
    flight: Flight,
    unread: Option<Unread>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(None), Some(unread)) = (&polled, &mut self.unread) {
            polled = unread.poll_discard(context).map(|()| None);
        }
        self.flight.turn(if polled.is_pending() { Turn::Ours } else { Turn::Callers });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.unread.as_ref().is_some_and(Unread::is_any)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
