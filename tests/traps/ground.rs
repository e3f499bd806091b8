//! What these tests stand on: a gate with a system behind it that notes every byte, and connections that send
//! bytes as they are.

use std::{
    cell::Cell,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream as StdStream},
    path::Path,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    book,
    kit::{Answer, Demo, PATIENCE, Who, connect, runtime, until},
};

/// A list that the app may read.
pub(crate) const GOODS: &str = "/v1/products?limit=1";

/// A gate and a system behind it.
pub(crate) struct Ground {
    pub(crate) demo: Demo,
    pub(crate) system: System,
    /// The door's entries that are accounted for.
    door: Cell<usize>,
}

impl Ground {
    /// A gate that lets the app call everything of the system `raw`.
    pub(crate) fn open() -> Self {
        Self::with("", "")
    }

    /// The same with `bounds` of the listener and a condition on calls (`when { … }`).
    pub(crate) fn with(bounds: &str, when: &str) -> Self {
        Self::edited(bounds, |policies, system| system.join(policies, when))
    }

    /// A gate whose products and orders are of the system `raw`, which holds what was last written into it.
    pub(crate) fn with_books() -> Self {
        Self::edited("", |policies, system| {
            let text = fs::read_to_string(policies.join("systems/erp.yaml")).unwrap();
            let (before, rest) = text.split_once("system: erp\n").unwrap();
            let (_, after) = rest.split_once("\nspeaks:").unwrap();
            let text = format!("{before}{}\nspeaks:{after}", system.file());
            fs::write(policies.join("systems/raw.yaml"), text).unwrap();
            let gateway = policies.join("gateway.yaml");
            edit(&gateway, "products: erp", "products: raw");
            edit(&gateway, "  orders: erp", "  orders: raw");
        })
    }

    fn edited(bounds: &str, join: impl FnOnce(&Path, &System)) -> Self {
        let system = System::start();
        let demo = Demo::start_with(
            |policies| {
                let gateway = policies.join("gateway.yaml");
                // Every refusal is looked for in the journal, also those of strangers.
                edit(&gateway, "strangers_per_minute: 60", "strangers_per_minute: 100000");
                if !bounds.is_empty() {
                    let to = format!("  - name: data\n    {bounds}\n");
                    edit(&gateway, "  - name: data\n", &to);
                }
                edit(
                    &policies.join("limits.yaml"),
                    "rate: 10/s\n    per: partner\n",
                    "rate: 1000/s\n    per: partner\n",
                );
                join(policies, &system);
            },
            &[],
        );
        Self { demo, system, door: Cell::new(0) }
    }

    /// `Authorization` of somebody, as a line of a head.
    pub(crate) fn signed(&self, who: Who) -> String {
        format!("Authorization: Bearer {}\r\n", self.demo.token(who).unwrap())
    }

    /// A head of HTTP/1.1 of the app, with more lines.
    pub(crate) fn head(&self, line: &str, more: &str) -> Vec<u8> {
        format!("{line} HTTP/1.1\r\nHost: localhost\r\n{}{more}\r\n", self.signed(Who::App)).into()
    }

    /// Sends bytes over a connection of its own and gives the first final answer, if there is one.
    pub(crate) fn send(&self, bytes: &[u8]) -> Option<Answer> {
        runtime().block_on(async {
            let mut wire = Wire::open(&self.demo).await;
            wire.send(bytes).await;
            wire.answer().await
        })
    }

    /// Sends bytes and checks that one of these statuses is the answer, and that it is a refusal.
    #[track_caller]
    pub(crate) fn refuses(&self, bytes: &[u8], statuses: &[u16]) -> Answer {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let answer = self.send(bytes).unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert!(
            statuses.contains(&answer.status),
            "{} {} to {shown:?}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        answer
    }

    /// Checks that each answer is one entry in the journal with its status, and that what the door answered by
    /// itself is one as well.
    #[track_caller]
    pub(crate) fn written(&self, answers: &[Answer]) {
        let data = self.demo.data();
        let door = answers.iter().filter(|answer| answer.header("x-request-id").is_none()).count();
        let door = self.door.get() + door;
        self.door.set(door);
        until("the door's refusals are in the journal", || door <= self.door_entries().len());
        assert_eq!(self.door_entries().len(), door, "{:?}", self.door_entries());
        let entries = book::entries(&data);
        let requests: Vec<Value> = entries.into_iter().filter(|entry| entry["request"].is_string()).collect();
        let known = book::answers(&requests);
        for answer in answers {
            let Some(request) = answer.header("x-request-id") else { continue };
            assert_eq!(known.get(request), Some(&vec![u64::from(answer.status)]), "{answer:?}");
        }
    }

    /// The same, and that no system was asked and no change was begun for any of them.
    #[track_caller]
    pub(crate) fn untouched(&self, answers: &[Answer]) {
        self.written(answers);
        let entries = book::entries(&self.demo.data());
        for request in answers.iter().filter_map(|answer| answer.header("x-request-id")) {
            let of: Vec<&Value> = entries.iter().filter(|entry| entry["request"] == request).collect();
            assert_eq!(of.len(), 1, "{of:?}");
            assert!(of[0]["calls"].as_array().is_none_or(Vec::is_empty), "{of:?}");
        }
        assert_eq!(self.system.seen(), <[String; 0]>::default());
    }

    /// Entries of answers without a request.
    pub(crate) fn door_entries(&self) -> Vec<Value> {
        let entries = book::entries(&self.demo.data());
        entries.into_iter().filter(|entry| entry["kind"] == "answer" && entry["request"].is_null()).collect()
    }
}

/// Changes a file in one place.
pub(crate) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// One connection over HTTP/1.1, byte by byte.
pub(crate) struct Wire {
    stream: TlsStream<TcpStream>,
    seen: Vec<u8>,
    is_over: bool,
}

impl Wire {
    pub(crate) async fn open(demo: &Demo) -> Self {
        let stream = connect(&demo.address(), demo.env("BRAMKA_CA")).await;
        Self { stream, seen: Vec::new(), is_over: false }
    }

    /// Sends bytes; the gate may have closed already.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Reads on; false when the other end is gone.
    async fn more(&mut self) -> bool {
        let mut bytes = [0; 8192];
        let count = timeout(PATIENCE, self.stream.read(&mut bytes)).await;
        // A cut without TLS's good-bye ends the stream as well.
        let count = count.unwrap_or_else(|_| panic!("nothing comes, nothing closes")).unwrap_or(0);
        self.seen.extend_from_slice(&bytes[..count]);
        self.is_over = count == 0;
        count > 0
    }

    /// The next head: status and headers.
    pub(crate) async fn head(&mut self) -> Option<(u16, HeaderMap)> {
        loop {
            if let Some(end) = find(&self.seen, b"\r\n\r\n") {
                let head: Vec<u8> = self.seen.drain(..end + 4).collect();
                return Some(parsed(&head));
            }
            if !self.more().await {
                assert!(self.seen.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&self.seen));
                return None;
            }
        }
    }

    /// The next final answer; none when the connection is closed without.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let (status, headers) = loop {
            let (status, headers) = self.head().await?;
            if status >= 200 {
                break (status, headers);
            }
        };
        let body = match headers.get("content-length") {
            Some(length) => {
                let length: usize = length.to_str().unwrap().parse().unwrap();
                while self.seen.len() < length && self.more().await {}
                self.seen.drain(..length.min(self.seen.len())).collect::<Vec<_>>()
            }
            None if headers.contains_key("transfer-encoding") => loop {
                if let Some(end) = find(&self.seen, b"0\r\n\r\n") {
                    break self.seen.drain(..end + 5).collect();
                }
                if !self.more().await {
                    break std::mem::take(&mut self.seen);
                }
            },
            None => Vec::new(),
        };
        Some(Answer { status, headers, body: body.into() })
    }

    /// Reads until the gate closes; what came is given.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while !self.is_over && self.more().await {}
        std::mem::take(&mut self.seen)
    }
}

fn parsed(head: &[u8]) -> (u16, HeaderMap) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::try_from(name).unwrap();
        headers.append(name, HeaderValue::try_from(value).unwrap());
    }
    (status, headers)
}

pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Sends one request over HTTP/2, on a connection of its own; none when the stream or connection was ended
/// instead of answered.
pub(crate) fn send_h2(demo: &Demo, request: Request<()>) -> Option<Answer> {
    send_h2_with(demo, request.map(|()| Bytes::new()))
}

/// The same with a body.
pub(crate) fn send_h2_with(demo: &Demo, request: Request<Bytes>) -> Option<Answer> {
    runtime().block_on(async {
        let mut sender = open_h2(demo).await;
        let request = request.map(Full::new);
        let (head, body) = timeout(PATIENCE, sender.send_request(request)).await.unwrap().ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
    })
}

async fn open_h2(demo: &Demo) -> SendRequest<Full<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(demo.env("BRAMKA_CA")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(demo.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

/// A system that notes each whole request as its bytes, and answers by the path:
/// `/hops` with fields of a connection, `/both` with two lengths, `/switch` with an unasked 101, `/salesOrders…` with
/// the order that was last written, as it was written, all else `ok`.
pub(crate) struct System {
    requests: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl System {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let noted = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = noted.clone();
                thread::spawn(move || drop(serve(stream, &noted)));
            }
        });
        Self { requests, address }
    }

    /// The beginning of its file.
    fn file(&self) -> String {
        format!("system: raw\nbase: http://{}\nsign_in: none\nallow_local: true\n", self.address)
    }

    fn join(&self, policies: &Path, when: &str) {
        let text = format!("{}speaks: json\n", self.file());
        fs::write(policies.join("systems/raw.yaml"), text).unwrap();
        let statement = format!(
            "@id(\"apps-call-raw\")\n@unfiltered(\"a test\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action == Action::\"call\", resource == System::\"raw\"){when};\n"
        );
        fs::write(policies.join("access/raw.cedar"), statement).unwrap();
    }

    /// The latest change that came whole.
    pub(crate) fn last(&self) -> String {
        let requests = self.requests.lock();
        requests.iter().rev().find(|request| !request.starts_with("GET ")).unwrap().clone()
    }

    /// What came whole since it was last asked.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock())
    }
}

/// Serves one connection until its other end is gone.
fn serve(mut stream: StdStream, noted: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut seen: Vec<u8> = Vec::new();
    loop {
        let Some(end) = whole(&seen) else {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            seen.extend_from_slice(&bytes[..count]);
            continue;
        };
        let request: Vec<u8> = seen.drain(..end).collect();
        let request: String = request.into_iter().map(char::from).collect();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let order = path.starts_with("/salesOrders").then(|| ordered(&request, &noted.lock()));
        noted.lock().push(request);
        if let Some(order) = order {
            stream.write_all(order.as_bytes())?;
            continue;
        }
        stream.write_all(match path.as_str() {
            "/hops" => {
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
                  Keep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n\
                  X-Kept: 1\r\n\r\nok"
                    .as_slice()
            }
            "/both" => {
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
            }
            "/switch" => {
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            }
            _ => b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
        })?;
    }
}

/// An order as it came with the latest POST, with what Business Central adds.
fn ordered(request: &str, before: &[String]) -> String {
    let mut posts = std::iter::once(request).chain(before.iter().rev().map(String::as_str));
    let post = posts.find(|request| request.starts_with("POST ")).unwrap();
    let (_, sent) = post.split_once("\r\n\r\n{").unwrap();
    let id = "fca5738a-44e3-ea11-bb43-000d3a2feca1";
    let body = format!(
        "{{\"@odata.etag\":\"W/\\\"1\\\"\",\"id\":\"{id}\",\"number\":\"S1\",\"status\":\"Draft\",{sent}"
    );
    let status = if request.starts_with("POST ") { "201 Created" } else { "200 OK" };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Where the first whole request ends.
fn whole(seen: &[u8]) -> Option<usize> {
    let body = find(seen, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&seen[..body]).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        // The last chunk, then trailers, then an empty line.
        let last = body
            + find(&seen[body..], b"\r\n0\r\n")
                .map_or_else(|| find(&seen[body..], b"0\r\n"), |at| Some(at + 2))?;
        return Some(last + find(&seen[last..], b"\r\n\r\n")? + 4);
    }
    let length = head.split("\r\ncontent-length:").nth(1);
    let length: usize = length.map_or(0, |rest| rest.split("\r\n").next().unwrap().trim().parse().unwrap());
    (seen.len() >= body + length).then_some(body + length)
}
