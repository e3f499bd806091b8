//! What these tests stand on: a system that a test writes byte by byte, and a caller that reads the same way.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::{
    book,
    kit::{Demo, PATIENCE, Who, connect, runtime, until},
};

/// An answer that every caller understands.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

/// A system on a thread of its own. It ends with the test's process.
pub(crate) struct System {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
}

impl System {
    /// Starts it; `serve` has each connection to itself.
    pub(crate) fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, open) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (noted, counted) = (seen.clone(), open.clone());
        thread::spawn(move || {
            runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let serving = serve(Conn { stream, read: Vec::new(), seen: noted.clone() });
                    let count = counted.clone();
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        drop(serving.await);
                        count.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        });
        Self { address, seen, open }
    }

    /// One that answers every request with the same bytes.
    pub(crate) fn saying(answer: &'static str) -> Self {
        Self::start(move |mut conn| async move {
            loop {
                conn.head().await?;
                conn.say(answer).await?;
            }
        })
    }

    /// One that says something once and closes.
    pub(crate) fn closing_after(answer: &'static str) -> Self {
        Self::start(move |mut conn| async move {
            conn.head().await?;
            conn.say(answer).await
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads it was sent.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    /// How many heads it was sent.
    pub(crate) fn asked(&self) -> usize {
        self.seen.lock().len()
    }

    /// How many of its connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// A demo with this system as `raw`, without a sign-in; `more` is added to its file.
    pub(crate) fn demo(&self, more: &str) -> Demo {
        Demo::start_with(|policies| join(policies, self.address, &format!("sign_in: none\n{more}")), &[])
    }
}

/// Writes a system `raw` into a bundle, which apps may call.
pub(crate) fn join(policies: &Path, address: SocketAddr, more: &str) {
    let text = format!("system: raw\nbase: http://{address}\nallow_local: true\nspeaks: json\n{more}");
    fs::write(policies.join("systems/raw.yaml"), text).unwrap();
    let statement = "@id(\"apps-call-raw\")\n@unfiltered(\"a test\")\n@plan(\"internal\")\n\
                     permit (principal in Group::\"apps\", action == Action::\"call\", resource == System::\"raw\");\n";
    fs::write(policies.join("access/raw.cedar"), statement).unwrap();
}

/// Changes a file in one place.
pub(crate) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// A system's end of a connection.
pub(crate) struct Conn {
    stream: TcpStream,
    read: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Conn {
    /// The next head, noted.
    pub(crate) async fn head(&mut self) -> io::Result<String> {
        let head = self.until("\r\n\r\n").await?;
        self.seen.lock().push(head.clone());
        Ok(head)
    }

    /// Everything up to and with a text.
    pub(crate) async fn until(&mut self, end: &str) -> io::Result<String> {
        read_until(&mut self.stream, &mut self.read, end).await
    }

    /// Writes.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Some bytes; none at the end.
    pub(crate) async fn some(&mut self) -> io::Result<Vec<u8>> {
        some(&mut self.stream, &mut self.read).await
    }

    /// Waits for the end of what comes; how much came before it.
    pub(crate) async fn end(&mut self) -> usize {
        let mut count = 0;
        while let Ok(bytes) = self.some().await {
            if bytes.is_empty() {
                break;
            }
            count += bytes.len();
        }
        count
    }
}

/// A caller's end of a connection, read and written as it is.
pub(crate) struct Caller {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
    token: String,
}

impl Caller {
    /// Connects as an app.
    pub(crate) async fn open(demo: &Demo) -> Self {
        Self::open_at(&demo.address(), demo.env("BRAMKA_CA"), &demo.token(Who::App).unwrap()).await
    }

    /// Connects with a token.
    pub(crate) async fn open_at(address: &str, ca: &str, token: &str) -> Self {
        Self { stream: connect(address, ca).await, read: Vec::new(), token: token.to_owned() }
    }

    /// Sends a head; `more` are whole lines.
    pub(crate) async fn ask(&mut self, what: &str, more: &str) {
        let head = self.text(what, more);
        self.say(head).await;
    }

    /// The text of a head.
    pub(crate) fn text(&self, what: &str, more: &str) -> String {
        format!("{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{more}\r\n", self.token)
    }

    /// Writes.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).await.unwrap();
    }

    /// Writes, where the other end may be gone.
    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Goes away, until the gate has seen it.
    pub(crate) async fn hang_up(&mut self) {
        drop(self.stream.shutdown().await);
        self.rest().await;
    }

    /// The next head.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Everything up to and with a text.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let read = read_until(&mut self.stream, &mut self.read, end);
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("`{end}` does not come")).unwrap()
    }

    /// Some bytes; none at the end.
    pub(crate) async fn some(&mut self) -> io::Result<Vec<u8>> {
        timeout(PATIENCE, some(&mut self.stream, &mut self.read)).await.unwrap()
    }

    /// Everything up to a text, or until the connection ends.
    pub(crate) async fn until_quiet(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while let Ok(bytes) = self.some().await {
            all.extend_from_slice(&bytes);
            if bytes.is_empty() || memchr::memmem::find(&all, end.as_bytes()).is_some() {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything until the connection ends, however it does.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        while let Ok(bytes) = self.some().await {
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

async fn read_until(
    stream: &mut (impl AsyncReadExt + Unpin),
    read: &mut Vec<u8>,
    end: &str,
) -> io::Result<String> {
    loop {
        if let Some(at) = memchr::memmem::find(read, end.as_bytes()) {
            let rest = read.split_off(at + end.len());
            return Ok(String::from_utf8_lossy(&std::mem::replace(read, rest)).into_owned());
        }
        if stream.read_buf(read).await? == 0 {
            let read = String::from_utf8_lossy(read).into_owned();
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {read:?}")));
        }
    }
}

async fn some(stream: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    if read.is_empty() {
        read.reserve(64 * 1024);
        stream.read_buf(read).await?;
    }
    Ok(std::mem::take(read))
}

/// A field of a raw head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The `close` entry of the exchange that a head answered.
pub(crate) fn closed(demo: &Demo, head: &str) -> Value {
    let request = field(head, "x-request-id").unwrap();
    let mut found = None;
    until("the stream is closed in the journal", || {
        let mut entries = book::of(&demo.data(), request).into_iter();
        found = entries.find(|entry| entry["kind"] == "close");
        found.is_some()
    });
    found.unwrap()
}
