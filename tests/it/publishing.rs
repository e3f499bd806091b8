//! Signed heads that leave over HTTPS, for a receiver whose authority the operator made.

use std::{net::TcpListener, path::Path, sync::Arc, thread};

use bramka::{certs::DevelopmentCerts, clock};
use parking_lot::Mutex;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

use crate::{
    book,
    kit::until,
    stage::{Stage, Staging},
    writes::change,
};

/// Who takes what is posted: what was posted to it, head and body.
pub(crate) struct Receiver {
    certs: DevelopmentCerts,
    pub(crate) at: u16,
    pub(crate) posted: Arc<Mutex<Vec<(String, String)>>>,
    _dir: TempDir,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certs = DevelopmentCerts::ensure(&dir.path().join("certs"), clock::now().wall).unwrap();
        let chain = CertificateDer::pem_file_iter(&certs.server).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&certs.server_key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, posted) = (socket.local_addr().unwrap().port(), Arc::<Mutex<Vec<_>>>::default());
        let noted = posted.clone();
        // It ends with the test's process. A caller that does not trust it ends the handshake.
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
                if let Some(post) = take(&mut stream) {
                    noted.lock().push(post);
                    drop(answer(&mut stream));
                }
            }
        });
        Self { certs, at, posted, _dir: dir }
    }

    /// What makes a gate trust it.
    pub(crate) fn trust(&self) -> String {
        format!("SSL_CERT_FILE={}", self.certs.ca.display())
    }

    /// Names it in a bundle.
    fn join(&self, policies: &Path) {
        let to =
            format!("\naudit:\n  publish: {{ to: \"https://localhost:{}/heads/7f\", every: 1s }}\n", self.at);
        change(policies, "gateway.yaml", "\naudit:\n", &to);
    }

    fn bodies(&self) -> Vec<String> {
        self.posted.lock().iter().map(|(_, body)| body.clone()).collect()
    }
}

fn take(stream: &mut impl std::io::Read) -> Option<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
        seen.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8(seen.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() == length.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

fn answer(stream: &mut impl std::io::Write) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    stream.flush()
}

#[test]
fn heads_leave_over_https_to_a_receiver_that_an_own_authority_vouches_for_the_last_ones_too() {
    let receiver = Receiver::start();
    let trust = receiver.trust();
    let mut stage =
        Stage::open_as(&Staging { under: &["env", &trust], log: None }, |policies| receiver.join(policies));
    until("a head has left", || !receiver.bodies().is_empty());
    stage.get("/v1/customers?limit=1").expect(200);
    assert_eq!(stage.stop(), 0);
    let (head, _) = receiver.posted.lock().last().unwrap().clone();
    assert!(head.starts_with("POST /heads/7f HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: text/plain; charset=utf-8"), "{head}");
    let gate = book::gate(&stage.data());
    for lane in bramka::audit::lanes(&gate).unwrap() {
        let size = bramka::audit::read_lane(&gate.join(&lane), &book::wrapping(&gate)).unwrap().count();
        let bodies = receiver.bodies();
        assert!(
            bodies.iter().any(|body| body.contains(&format!("\n{size}\n"))),
            "{size} entries: {bodies:?}"
        );
    }
    // What was received convicts whoever changes the journal, and nobody else.
    let witness = stage.data().with_file_name("received");
    std::fs::write(&witness, receiver.bodies().join("\n")).unwrap();
    let (data, against) = (stage.data(), witness.display().to_string());
    let verified =
        crate::kit::run(&["audit", "verify", "--data", data.to_str().unwrap(), "--against", &against]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn heads_do_not_leave_for_a_receiver_that_no_trusted_authority_vouches_for() {
    let receiver = Receiver::start();
    let stage = Stage::open(|policies| receiver.join(policies));
    until("it is told", || stage.stderr().contains("a head of the journal was not published: `localhost`"));
    assert!(receiver.bodies().is_empty());
    assert!(!stage.stderr().contains("/heads/7f"), "the path may be a secret");
    stage.get("/v1/customers?limit=1").expect(200);
}
