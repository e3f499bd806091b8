//! A caller of raw bytes over TLS.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::kit::Demo;

/// How long a read may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) struct Tap {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Trailer lines.
    pub(crate) trailers: String,
    /// Whether the body came to the end its head promised.
    pub(crate) whole: bool,
}

impl Reply {
    /// A field's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// TLS terms of a caller that trusts an authority.
pub(crate) fn trusting(ca: &str) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_root_certificates(roots)
}

impl Tap {
    /// HTTP/1.1 to a demo.
    pub(crate) fn open(demo: &Demo) -> Self {
        Self::speaking(demo, b"http/1.1")
    }

    /// A protocol of the caller's choice.
    pub(crate) fn speaking(demo: &Demo, protocol: &[u8]) -> Self {
        let mut config = trusting(demo.env("BRAMKA_CA")).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Self::over(&demo.address(), "localhost", Arc::new(config)).unwrap()
    }

    /// By any terms.
    pub(crate) fn over(address: &str, name: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = ClientConnection::new(config, name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self { stream: StreamOwned::new(session, socket), read: Vec::new() })
    }

    /// How long a write may wait for a gate that does not read.
    pub(crate) fn write_patience(&mut self, patience: Duration) {
        self.stream.sock.set_write_timeout(Some(patience)).unwrap();
    }

    /// What was agreed on.
    pub(crate) fn session(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// Sends bytes; a gate that has hung up is noticed by reading.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.try_send(bytes));
    }

    /// Sends bytes.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Reads once more into the buffer; false at the end, in order or not.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => {
                let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                assert!(
                    !late,
                    "nothing came for {PATIENCE:?}, have {:?}",
                    String::from_utf8_lossy(&self.read)
                );
                false
            }
        }
    }

    /// Takes so many bytes; fewer at the end.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count && self.more() {}
        let count = count.min(self.read.len());
        self.read.drain(..count).collect()
    }

    /// Takes bytes up to and with a mark; none when they end before it.
    pub(crate) fn up_to(&mut self, mark: &str) -> Option<String> {
        loop {
            let found = self.read.windows(mark.len()).position(|window| window == mark.as_bytes());
            if let Some(at) = found {
                let bytes: Vec<u8> = self.read.drain(..at + mark.len()).collect();
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Takes a head; none when the connection ended instead.
    pub(crate) fn head(&mut self) -> Option<Reply> {
        let head = self.up_to("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Reply { status, head, body: Vec::new(), trailers: String::new(), whole: true })
    }

    /// Takes a whole answer, or what of it came.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let mut reply = self.head()?;
        if reply.header("transfer-encoding").is_some() {
            reply.whole = self.chunks(&mut reply).is_some();
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().unwrap();
            reply.body = self.take(length);
            reply.whole = reply.body.len() == length;
        }
        Some(reply)
    }

    fn chunks(&mut self, reply: &mut Reply) -> Option<()> {
        loop {
            let line = self.up_to("\r\n")?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            let chunk = self.take(size);
            reply.body.extend_from_slice(&chunk);
            if chunk.len() < size || self.take(2) != b"\r\n" {
                return None;
            }
        }
        loop {
            let line = self.up_to("\r\n")?;
            if line == "\r\n" {
                return Some(());
            }
            reply.trailers.push_str(&line);
        }
    }

    /// Reads to the end of the connection; gives what came before it.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }
}
