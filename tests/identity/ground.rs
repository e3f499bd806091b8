//! What these tests stand on: the binary's own verbs over a running demo, callers with an address or a
//! certificate of their own, and a system that keeps its answers open.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream as StdStream},
    path::Path,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use tokio_rustls::TlsConnector;

use crate::{
    kit::{Answer, Demo, PATIENCE, connect, connector, runtime, until},
    line,
};

/// A list that every app may read.
pub(crate) const GOODS: &str = "/v1/products?limit=1";
/// The plan of `shop-backend` as shipped, from its rate on.
pub(crate) const INTERNAL: &str = "rate: 500/s\n    burst: 1000\n    per: principal\n    concurrency: 500\n";

/// Changes a file in one place.
pub(crate) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", file.display());
    put(file, &text.replacen(from, to, 1));
}

/// Writes a file whole or not at all: a running gate may look at any moment.
pub(crate) fn put(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

/// A demo whose plan of `shop-backend` says this instead.
pub(crate) fn with_plan(plan: &str) -> Demo {
    Demo::start_with(|policies| edit(&policies.join("limits.yaml"), INTERNAL, plan), &[])
}

/// Runs a verb over a demo's own data and policies; gives its standard output.
pub(crate) fn verb(demo: &Demo, args: &[&str]) -> String {
    let (data, policies) = (demo.data(), demo.policies());
    let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
    let ran = demo.run(&[args, &place].concat());
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
    ran.out.trim().to_owned()
}

/// A token of `shop-backend`, or what `more` makes of it.
pub(crate) fn issue(demo: &Demo, more: &[&str]) -> String {
    verb(demo, &[&["token", "issue", "--kind", "App", "--id", "shop-backend"], more].concat())
}

/// A part of a token: 0 its header, 1 its claims.
pub(crate) fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
}

/// Asks by a token, over a connection of its own.
pub(crate) fn get(demo: &Demo, path: &str, token: Option<&str>) -> Answer {
    line::once(&demo.address(), demo.env("BRAMKA_CA"), line::bare(Method::GET, path, token))
}

/// The same from an address of its own, with more headers.
pub(crate) fn get_from(
    demo: &Demo,
    from: &str,
    path: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = line::asking(Method::GET, path, token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    runtime().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
        let stream = socket.connect(demo.address().parse().unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector(demo.env("BRAMKA_CA")).connect(name, stream).await.unwrap();
        ask_over(stream, request.body(Full::default()).unwrap()).await
    })
}

/// A client certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Identity {
    /// How it is pinned in `principals/`.
    pub(crate) fn fingerprint(&self) -> String {
        let der = CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap();
        format!("sha256:{}", bramka::words::Digest::of(&der))
    }

    /// A connection to the gate that shows it.
    pub(crate) async fn connect(
        &self,
        demo: &Demo,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(demo.env("BRAMKA_CA")).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        let stream = tokio::net::TcpStream::connect(demo.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

/// Asks with a client certificate.
pub(crate) fn get_with(demo: &Demo, identity: &Identity, path: &str, token: Option<&str>) -> Answer {
    runtime().block_on(async {
        let stream = identity.connect(demo).await;
        ask_over(stream, line::bare(Method::GET, path, token)).await
    })
}

async fn ask_over(
    stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
    request: Request<Full<Bytes>>,
) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    driver.abort();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// Waits until a bundle is in force that came after `before` others.
pub(crate) fn until_swapped(demo: &Demo, before: usize) {
    until("a new bundle serves", || swaps(demo) > before);
}

/// How many bundles were taken over so far.
pub(crate) fn swaps(demo: &Demo) -> usize {
    demo.stderr().matches("new policies serve").count()
}

/// An answer that does not end by itself.
pub(crate) struct Stream {
    body: Incoming,
    _sender: SendRequest<Full<Bytes>>,
    pub(crate) request: String,
}

impl Stream {
    /// Opens the endless answer of the system `raw` and waits for its first event.
    pub(crate) async fn open(demo: &Demo, token: &str) -> Self {
        let stream = connect(&demo.address(), demo.env("BRAMKA_CA")).await;
        Self::over(stream, Some(token)).await
    }

    /// The same with a client certificate alone.
    pub(crate) async fn open_with(demo: &Demo, identity: &Identity) -> Self {
        Self::over(identity.connect(demo).await, None).await
    }

    pub(crate) async fn over(
        stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
        token: Option<&str>,
    ) -> Self {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = line::bare(Method::GET, "/systems/raw/events", token);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        let request = head.headers["x-request-id"].to_str().unwrap().to_owned();
        let mut stream = Self { body, _sender: sender, request };
        let first = stream.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
        stream
    }

    /// Whether it goes on: nothing has come since.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.body.frame().now_or_never().is_none()
    }

    /// Waits until it is over; true when it was cut, not ended.
    pub(crate) async fn end(&mut self) -> bool {
        let next = tokio::time::timeout(PATIENCE, self.body.frame()).await;
        matches!(next.expect("the stream goes on"), Some(Err(_)))
    }
}

/// A connection on which the system `raw` has switched protocols: it says back whatever it hears.
pub(crate) struct Bridge {
    stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
    pub(crate) request: String,
}

impl Bridge {
    /// Asks for the switch over a connection, with a token or by what the connection has shown.
    pub(crate) async fn over(
        mut stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
        token: Option<&str>,
    ) -> Self {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let asked = format!(
            "GET /systems/raw/socket HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n{token}\r\n"
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        let request = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
        Self { stream, request }
    }

    /// Says something, and waits until it is back.
    pub(crate) async fn echoes(&mut self, said: &str) {
        self.stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; said.len()];
        let back = tokio::time::timeout(PATIENCE, self.stream.read_exact(&mut heard)).await;
        back.expect("nothing comes back").unwrap();
        assert_eq!(heard, said.as_bytes());
    }

    /// Waits until it is over, by whatever end.
    pub(crate) async fn end(&mut self) {
        let next = tokio::time::timeout(PATIENCE, self.stream.read_u8()).await;
        assert!(next.expect("the bridge goes on").is_err(), "the system has said nothing");
    }
}

/// A system that answers `/events` for ever, `/gone` not at all, switches protocols on `/socket` and says everything
/// back there, answers everything else with `ok`, and notes what it was asked.
pub(crate) struct Raw {
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl Raw {
    /// Starts it; it ends with the test's process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let noted = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = noted.clone();
                thread::spawn(move || drop(answer(stream, &noted)));
            }
        });
        Self { heads, address }
    }

    /// Writes it into a bundle as system `raw`, which `apps` may read when `when` holds.
    pub(crate) fn join(&self, policies: &Path, sign_in: &str, when: &str) {
        let text = format!(
            "system: raw\nbase: http://{}\nsign_in: {sign_in}\nallow_local: true\nspeaks: json\n",
            self.address
        );
        fs::write(policies.join("systems/raw.yaml"), text).unwrap();
        let statement = format!(
            "@id(\"apps-call-raw\")\n@unfiltered(\"a test\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action == Action::\"call\", resource == System::\"raw\"){when};\n"
        );
        fs::write(policies.join("access/raw.cedar"), statement).unwrap();
    }
}

/// Serves one connection until its other end is gone.
fn answer(mut stream: StdStream, noted: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut seen = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&bytes[..count]);
        if !seen.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&seen).into_owned();
        seen.clear();
        let is_endless = head.starts_with("GET /events ");
        let is_gone = head.starts_with("GET /gone ");
        let is_switch = head.starts_with("GET /socket ");
        noted.lock().push(head);
        if is_gone {
            return Ok(());
        }
        if is_switch {
            stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
            )?;
            return std::io::copy(&mut stream.try_clone()?, &mut stream).map(drop);
        }
        stream.write_all(match is_endless {
            true => {
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
                    .as_slice()
            }
            false => b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
        })?;
    }
}
