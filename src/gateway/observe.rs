//! Small adaptors between rooms that do not know each other: the door's observer writes to the journal, the
//! quota counts in the store, the issuers' keys come over the wire, and the journal's heads leave over it.

use std::{io::Read as _, net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, StatusCode, header};
use url::Url;

use super::Core;
use crate::{
    audit::{self, Publish, PublishError, SignedHead},
    body::Body,
    clock::{self, Now},
    door::{HandshakeFailure, Observer, Refusal, TurnedAway},
    keys::Fetch,
    quota::{self, Away, Day},
    store::{PurseAsked, Store},
    wire::{self, Bounds, Keep, Local, Origin, TlsClient, Trust},
    words::{Channel, Digest, ListenerName, SecretBytes, open_file},
};

/// LIMIT: bytes of a file of CAs.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Writes down what happens at the door without a request.
#[derive(Debug)]
pub(super) struct Observe {
    core: Arc<Core>,
}

impl Observe {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn write(&self, channel: &Channel, reason: &'static str, status: Option<u16>) {
        self.core.gate.telemetry.refused(reason);
        audit::refused_at_the_door(&self.core.lane, channel, reason, status, clock::now());
    }
}

fn plain(listener: &ListenerName, peer: SocketAddr) -> Channel {
    Channel { listener: listener.clone(), peer, address: peer.ip().to_canonical(), tls: None }
}

impl Observer for Observe {
    fn refused_by_protocol(&self, channel: &Arc<Channel>, what: Refusal) {
        let reason = match what {
            Refusal::BadHead => "door_bad_head",
            Refusal::HeadTooLarge => "door_head_too_large",
            Refusal::TargetTooLong => "door_target_too_long",
            Refusal::WrongProtocol => "door_wrong_protocol",
            Refusal::BadFrames => "door_bad_frames",
            Refusal::Late(_) => "door_late",
        };
        self.write(channel, reason, what.answer());
    }

    fn handshake_failed(&self, listener: &ListenerName, peer: SocketAddr, why: HandshakeFailure) {
        let reason = match &why {
            HandshakeFailure::Late => "handshake_late",
            HandshakeFailure::Gone => "handshake_gone",
            HandshakeFailure::Tls(_) => "handshake_tls",
        };
        tracing::debug!(%listener, %peer, %why, "a handshake failed");
        self.write(&plain(listener, peer), reason, None);
    }

    fn turned_away(&self, listener: &ListenerName, peer: SocketAddr, why: TurnedAway) {
        let reason = match why {
            TurnedAway::Connections => "door_full",
            TurnedAway::ConnectionsOfAddress => "door_full_for_address",
            TurnedAway::HandshakesOfAddress => "door_handshakes_of_address",
        };
        self.write(&plain(listener, peer), reason, None);
    }

    fn accept_failed(&self, listener: &ListenerName, error: &std::io::Error) {
        tracing::error!(%listener, %error, "connections cannot be accepted");
    }
}

/// Daily quotas are counted in the store.
#[derive(Debug)]
pub(super) struct Counters(pub(super) Store);

impl quota::Counters for Counters {
    fn lease<'a>(
        &'a self,
        key: &'a str,
        day: Day,
        amount: u32,
        limit: u64,
    ) -> BoxFuture<'a, Result<u32, Away>> {
        Box::pin(async move {
            let lease = self.0.lease_quota(key.into(), day.0.into(), amount.into(), limit).await;
            let lease = lease.map_err(|error| Away(error.to_string()))?;
            Ok(u32::try_from(lease.granted).unwrap_or(amount))
        })
    }

    fn refund<'a>(&'a self, key: &'a str, day: Day, amount: u32) -> BoxFuture<'a, Result<(), Away>> {
        Box::pin(async move {
            let returned = self.0.return_quota(key.into(), day.0.into(), amount.into()).await;
            returned.map(drop).map_err(|error| Away(error.to_string()))
        })
    }
}

impl quota::Exposures for Counters {
    fn take(&self, want: quota::Want) -> BoxFuture<'_, Result<quota::Given, Away>> {
        Box::pin(async move {
            let quota::Want { purses, rows, is_whole } = want;
            let asked = |quota::Purse { key, window, ends, most }| PurseAsked { key, window, ends, most };
            let taken = self.0.take_exposed(purses.into_iter().map(asked).collect(), rows, is_whole).await;
            let taken = taken.map_err(|error| Away(error.to_string()))?;
            Ok(quota::Given { over: taken.over, counts: taken.counts })
        })
    }
}

/// What of the quota is kept in the store.
pub(super) fn quota_kept(store: &Store, secret: &SecretBytes) -> quota::Kept {
    quota::Kept {
        counters: Arc::new(Counters(store.clone())),
        exposures: Arc::new(Counters(store.clone())),
        key: Digest::of_parts(&[b"bramka exposure", secret.expose()]),
    }
}

/// Documents of issuers, over verified HTTPS.
pub(super) struct KeyFetch {
    /// By the platform's roots.
    tls: Result<TlsClient, String>,
}

impl KeyFetch {
    pub(super) fn new() -> Self {
        Self { tls: TlsClient::new(&Trust::default()).map_err(|error| error.to_string()) }
    }
}

impl Fetch for KeyFetch {
    fn get<'a>(
        &'a self,
        url: &'a str,
        ca: Option<&'a Path>,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<(u16, Bytes), String>> {
        Box::pin(async move {
            let named = ca.map(trusting).transpose()?;
            let tls = match &named {
                Some(named) => named,
                None => self.tls.as_ref().map_err(Clone::clone)?,
            };
            let url = Url::parse(url).map_err(|error| error.to_string())?;
            let bounds =
                Bounds { bytes_max: u64::try_from(bytes_max).unwrap_or(u64::MAX), ..Bounds::default() };
            // An issuer may well live on an inner address; a loopback one has to be allowed in its own room.
            let local = Local { allow: true, ..Local::default() };
            let got = wire::get(&url, Some(tls), local, &bounds, clock::now()).await;
            got.map(|(status, _, body)| (status.as_u16(), body)).map_err(|error| error.to_string())
        })
    }
}

/// Takes what is posted to an address, over HTTPS verified by the platform's roots.
pub(super) struct Post {
    url: Url,
    tls: Result<TlsClient, String>,
}

impl Post {
    pub(super) fn new(url: Url) -> Self {
        Self { url, tls: TlsClient::new(&Trust::default()).map_err(|error| error.to_string()) }
    }

    /// Posts it, once; `token` goes along as a bearer's.
    pub(super) async fn send(
        &self,
        body: Bytes,
        kind: &'static str,
        token: Option<&str>,
        now: Now,
    ) -> Result<StatusCode, String> {
        let tls = self.tls.as_ref().map_err(Clone::clone)?;
        let told = |error: wire::WireError| error.to_string();
        // A receiver may well be a forwarder beside the gate.
        let local = Local { allow: true, ..Local::default() };
        let origin = Origin::new(&self.url, Some(tls), None, local, Keep::default()).map_err(told)?;
        let mut request = Request::new(Body::Full(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = wire::target(&self.url).map_err(told)?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| "the token is no header's value".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = wire::once(&Arc::new(origin), request, &Bounds::default(), now).await;
        Ok(answer.map_err(told)?.status())
    }
}

impl Publish for Post {
    fn publish<'a>(&'a self, head: &'a SignedHead) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            // The path may be a secret between the two.
            let host = self.url.host_str().unwrap_or_default();
            let note = Bytes::copy_from_slice(head.note().as_bytes());
            match self.send(note, "text/plain; charset=utf-8", None, clock::now()).await {
                Ok(status) if status.is_success() => Ok(()),
                Ok(status) => Err(PublishError(format!("`{host}` answered {status}"))),
                Err(why) => Err(PublishError(format!("`{host}`: {why}"))),
            }
        })
    }
}

/// Trusts the CAs of a file, read anew for each fetch: they are seldom, and the file may have been replaced.
fn trusting(ca: &Path) -> Result<TlsClient, String> {
    let told = |error: &dyn std::fmt::Display| format!("`{}`: {error}", ca.display());
    let mut pem = Vec::new();
    // One byte more than allowed is enough to know that a file is too large.
    let read = open_file(ca).and_then(|file| file.take(CA_BYTES_MAX.saturating_add(1)).read_to_end(&mut pem));
    if read.map_err(|error| told(&error))? as u64 > CA_BYTES_MAX {
        return Err(told(&format_args!("it is larger than {CA_BYTES_MAX} bytes")));
    }
    TlsClient::new(&Trust { ca: Some(pem), ..Trust::default() }).map_err(|error| told(&error))
}
