//! Sockets of the admin listener: bounded connections, handshakes and heads, heads scanned as at the door; a
//! certificate that is swapped when its files change.

use std::{
    convert::Infallible,
    net::{IpAddr, TcpListener as StdListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Method, Request, header};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::{ServiceBuilder, service_fn};
use tower_http::{sensitive_headers::SetSensitiveRequestHeadersLayer, set_header::SetResponseHeaderLayer};

use super::{
    panel::{Panel, Wire},
    tls::{Current, Terms},
};
use crate::{body::Body, door::Scanned, intake::HeadFault};

/// LIMIT: connections at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a head may take; also how long a connection may be idle.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How long a connection may live; Prometheus makes another.
const LIFE_MAX: Duration = Duration::from_secs(600);
/// How long its last answer may take to leave after that.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(30);
/// LIMIT: headers of a request, and bytes of its head.
const HEADERS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How often the certificate's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Serves until it is dropped; its connections end with it.
pub(super) async fn run(panel: Arc<Panel>, socket: StdListener) {
    let is_loopback = socket.local_addr().is_ok_and(|at| at.ip().is_loopback());
    let current = Arc::new(Current::new(is_loopback));
    look(&panel, &current).await;
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "operators cannot be served");
            return std::future::pending().await;
        }
    };
    let mut connections = JoinSet::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(connection(panel.clone(), current.terms(), stream, peer.ip()));
                }
                // Closed at once: a full house is not told in TLS.
                Ok(_) => panel.gate.telemetry.refused("admin_full"),
                Err(error) => {
                    tracing::warn!(%error, "a connection of an operator could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = looks.tick() => look(&panel, &current).await,
        }
    }
}

/// Takes over what changed in the certificate's files or in the settings.
async fn look(panel: &Arc<Panel>, current: &Arc<Current>) {
    let is_first = matches!(*current.terms(), Terms::Closed);
    let (panel, current) = (panel.clone(), current.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let snapshot = panel.gate.live.snapshot();
        current.refresh(&snapshot.settings.admin.tls.value, &panel.options.base)
    });
    match looked.await {
        Ok(Ok(true)) if is_first => tracing::debug!("the admin listener has its certificate"),
        Ok(Ok(true)) => tracing::info!("the admin listener has a new certificate"),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!("the admin listener's certificate stays as it was: {error}"),
        Err(_) => tracing::error!("looking at the admin listener's certificate panicked"),
    }
}

async fn connection(panel: Arc<Panel>, terms: Arc<Terms>, stream: TcpStream, peer: IpAddr) {
    // Without it small answers wait for the peer's acknowledgement; nothing else is lost where it fails.
    drop(stream.set_nodelay(true));
    match &*terms {
        Terms::Closed => {}
        Terms::Plain => requests(panel, stream, (Wire::Plain, peer)).await,
        Terms::Tls(acceptor) => match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => requests(panel, stream, (Wire::Tls, peer)).await,
            Ok(Err(_)) | Err(_) => panel.gate.telemetry.refused("admin_handshake"),
        },
    }
}

/// Answers the requests of a connection, one after the other.
async fn requests(
    panel: Arc<Panel>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    from: (Wire, IpAddr),
) {
    let (stream, heads) = Scanned::new(stream);
    let fixed = |value| HeaderValue::from_static(value);
    let service = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, fixed("no-store")))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")))
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            fixed("default-src 'none'; frame-ancestors 'none'"),
        ))
        .service(service_fn(move |request: Request<Incoming>| {
            let (panel, heads) = (panel.clone(), heads.clone());
            async move {
                let mut request = request.map(Body::incoming);
                let is_odd = request.method() == Method::HEAD && !request.body().is_end_stream();
                let fault = heads.begin().or(is_odd.then_some(HeadFault::HeadWithBody));
                if let Some(fault) = fault {
                    request.extensions_mut().insert(fault);
                }
                let mut response = panel.answer(request, from).await;
                if fault.is_some() {
                    // Where the head's end is in doubt, so is the next one's beginning.
                    response.headers_mut().insert(header::CONNECTION, fixed("close"));
                }
                Ok::<_, Infallible>(response)
            }
        }));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    // What a peer does wrong ends its connection and is of no interest beyond it.
    if tokio::time::timeout(LIFE_MAX, served.as_mut()).await.is_err() {
        served.as_mut().graceful_shutdown();
        drop(tokio::time::timeout(LAST_ANSWER_MAX, served).await);
    }
}
