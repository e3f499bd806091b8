//! A peer over a raw socket that does what a test says, byte by byte.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

use crate::{
    body::Body,
    clock::{self, Now},
    wire::{Clocks, Deadline, Failed, Keep, Local, Origin, Outcome, Pool, WireError, gather},
};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A listening peer. It ends with the test.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Serves every connection with `serve(stream, its number)`.
    pub(crate) async fn new<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, number));
            }
        });
        Self { address, connections, task }
    }

    /// Answers every request on every connection with the same bytes, and keeps the connection.
    pub(crate) async fn saying(answer: &'static str) -> Self {
        Self::new(move |mut stream, _| async move {
            while read_request(&mut stream).await.is_some() {
                say(&mut stream, answer).await;
            }
        })
        .await
    }

    /// Answers with `answer(request text)` and keeps the connection.
    pub(crate) async fn answering<F>(answer: F) -> Self
    where
        F: Fn(String) -> String + Send + Sync + Clone + 'static,
    {
        Self::new(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    say(&mut stream, &answer(request)).await;
                }
            }
        })
        .await
    }

    /// Stops listening; its port stays nobody's.
    pub(crate) async fn hang_up(&self) {
        self.task.abort();
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub(crate) fn origin(&self) -> Arc<Origin> {
        self.origin_keeping(Keep::default())
    }

    pub(crate) fn origin_keeping(&self, keep: Keep) -> Arc<Origin> {
        Arc::new(Origin::new(&self.url(), None, None, allowed(), keep).unwrap())
    }
}

pub(crate) fn allowed() -> Local {
    Local { allow: true, ..Local::default() }
}

/// Head and body of the next request; none when the connection ended.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let body = &read[end + 4..];
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let whole = if head.contains("transfer-encoding: chunked") {
                body.windows(5).any(|five| five == b"0\r\n\r\n")
            } else {
                body.len() >= length.unwrap_or(0)
            };
            if whole {
                return Some(String::from_utf8(read).unwrap());
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => read.extend_from_slice(&piece[..n]),
            Ok(_) | Err(_) => return None,
        }
    }
}

pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    // A peer of a test that is already over may be gone.
    if stream.write_all(text.as_bytes()).await.is_ok() {
        drop(stream.flush().await);
    }
}

pub(crate) const CLOCKS: Clocks = Clocks {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(5),
    call: Duration::from_secs(5),
};

pub(crate) fn soon(now: Now) -> Deadline {
    Deadline::after(now, Duration::from_secs(8))
}

pub(crate) fn plain(origin: &Origin, target: &str) -> Request<Body> {
    request(origin, "GET", target, Body::Empty)
}

pub(crate) fn request(origin: &Origin, method: &str, target: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(target).header("host", origin.authority()).body(body).unwrap()
}

pub(crate) async fn send(
    pool: &Pool,
    origin: &Arc<Origin>,
    request: Request<Body>,
) -> Result<Outcome, Box<Failed>> {
    let now = clock::now();
    pool.send(origin, request, &CLOCKS, soon(now), now).await
}

/// Sends and gathers.
pub(crate) async fn ask(
    pool: &Pool,
    origin: &Arc<Origin>,
    request: Request<Body>,
) -> Result<Response<Bytes>, WireError> {
    match send(pool, origin, request).await.map_err(|failed| failed.error)? {
        Outcome::Answered(answer) => {
            let (parts, body) = answer.into_parts();
            Ok(Response::from_parts(parts, gather(body, 1 << 20, soon(clock::now())).await?))
        }
        Outcome::Switched(..) => panic!("switched"),
    }
}
