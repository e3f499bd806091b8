//! A connection that is kept, and requests as they are: for load, for callers of any credential, and for
//! those who go away.

use bytes::Bytes;
use http::{Method, Request, header, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::kit::{Answer, connect, runtime};

/// One connection to the gate.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Line {
    /// Connects by TLS.
    pub(crate) async fn open(address: &str, ca: &str) -> Self {
        let stream = connect(address, ca).await;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self { sender, driver }
    }

    /// Asks, and gathers the whole answer.
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A request of somebody.
pub(crate) fn asking(method: Method, path: &str, token: Option<&str>) -> Builder {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    }
}

/// The same without a body.
pub(crate) fn bare(method: Method, path: &str, token: Option<&str>) -> Request<Full<Bytes>> {
    asking(method, path, token).body(Full::default()).unwrap()
}

/// The same with a JSON body.
pub(crate) fn json(method: Method, path: &str, token: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let request = asking(method, path, token).header(header::CONTENT_TYPE, "application/json");
    request.body(Full::from(body.to_owned())).unwrap()
}

/// Sends one request over a connection of its own.
pub(crate) fn once(address: &str, ca: &str, request: Request<Full<Bytes>>) -> Answer {
    runtime().block_on(async { Line::open(address, ca).await.ask(request).await.unwrap() })
}
