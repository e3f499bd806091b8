//! TLS: what is offered, who may connect, what reload and revocation do; and HTTP/2 over it.

use std::{convert::Infallible, path::Path, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::kit::*;
use crate::{
    door::{Clock, Door, Refusal, Reloaded},
    words::Digest,
};

struct Yard {
    directory: tempfile::TempDir,
    servers: Authority,
    callers: Authority,
}

impl Yard {
    fn new() -> Self {
        let yard = Self {
            directory: tempfile::tempdir().unwrap(),
            servers: Authority::new("servers"),
            callers: Authority::new("callers"),
        };
        yard.serve_as("one", &["localhost"], 1);
        yard.serve_as("two", &["*.example.com"], 2);
        yard.write("ca.pem", &yard.callers.pem);
        yard.write("crl.pem", &yard.callers.revoke(&[66], 2090));
        yard
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn serve_as(&self, file: &str, names: &[&str], serial: u64) {
        let issued = self.servers.issue(names, ServerAuth, serial);
        self.write(&format!("{file}.pem"), &issued.certificate);
        self.write(&format!("{file}.key"), &issued.key);
    }

    fn serve(&self, more: &str) -> Served {
        serve(&terms(more), self.path())
    }

    fn caller(&self, certificate: Option<&Issued>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.servers.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
                )
                .unwrap(),
        }
    }
}

fn terms(more: &str) -> String {
    format!(
        "tls: {{certificates: [{{certificate: one.pem, key: one.key}}, \
         {{certificate: two.pem, key: two.key}}]{more}}}"
    )
}

const MUTUAL: &str = ", client_certificates: required, client_ca: ca.pem, client_crl: crl.pem";

async fn connect(
    served: &Served,
    config: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(served.at).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config.clone()).connect(name, stream).await
}

/// One HTTP/1 exchange; in TLS 1.3 a refused client certificate shows only here.
async fn ask(stream: &mut TlsStream<TcpStream>, target: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream
        .write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn attempt(served: &Served, config: ClientConfig) -> std::io::Result<String> {
    let mut stream = connect(served, &Arc::new(config), "localhost").await?;
    ask(&mut stream, "/tls").await
}

#[tokio::test]
async fn tls_offers_both_versions_the_hybrid_group_and_tells_the_facts() {
    let yard = Yard::new();
    let served = yard.serve("");
    let mut stream = connect(&served, &Arc::new(yard.caller(None)), "localhost").await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = session.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    let told = ask(&mut stream, "/tls").await.unwrap();
    assert!(told.contains("version: \"1.3\"") && told.contains("Some(\"localhost\")"), "{told}");
    assert!(told.contains("certificate: None"), "{told}");
    let mut old = yard.caller(None);
    let provider = old.crypto_provider().clone();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(yard.servers.pem.as_bytes()).unwrap()).unwrap();
    old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(attempt(&served, old).await.unwrap().contains("version: \"1.2\""));
}

#[tokio::test]
async fn of_the_suites_a_caller_offers_the_quickest_good_one_is_taken() {
    use rustls::CipherSuite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let yard = Yard::new();
    let served = yard.serve("");
    let (quick, long, other) =
        (TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256);
    for (offered, taken) in
        [(&[long, other, quick][..], quick), (&[other, long], long), (&[other], other), (&[long], long)]
    {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        let all = provider.cipher_suites.clone();
        let of = |wanted: &rustls::CipherSuite| *all.iter().find(|suite| suite.suite() == *wanted).unwrap();
        provider.cipher_suites = offered.iter().map(of).collect();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(yard.servers.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = connect(&served, &Arc::new(config), "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.negotiated_cipher_suite().unwrap().suite(), taken, "{offered:?}");
    }
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name_and_swapped_when_its_files_change() {
    let yard = Yard::new();
    let served = yard.serve("");
    let shown = async |name: &str| {
        let stream = connect(&served, &Arc::new(yard.caller(None)), name).await?;
        std::io::Result::Ok(Digest::of(&stream.get_ref().1.peer_certificates().unwrap()[0]))
    };
    let first = shown("localhost").await.unwrap();
    assert_ne!(shown("api.example.com").await.unwrap(), first);
    assert!(shown("elsewhere.org").await.is_err(), "the first certificate stands for other names");
    let all = |served: &Served| served.door.reload_certificates().into_iter().map(|(_, result)| result);
    assert!(matches!(all(&served).next(), Some(Ok(Reloaded::Unchanged))));
    yard.serve_as("one", &["localhost"], 3);
    assert!(matches!(all(&served).next(), Some(Ok(Reloaded::Swapped))));
    let second = shown("localhost").await.unwrap();
    assert_ne!(second, first);
    yard.write("one.key", "garbage");
    assert!(matches!(all(&served).next(), Some(Err(_))));
    assert_eq!(shown("localhost").await.unwrap(), second, "what does not load changes nothing");
}

#[tokio::test]
async fn client_certificates_are_asked_for_as_said() {
    let yard = Yard::new();
    let served = yard.serve(MUTUAL);
    let good = yard.callers.issue(&["app"], ClientAuth, 10);
    let told = attempt(&served, yard.caller(Some(&good))).await.unwrap();
    let der = CertificateDer::from_pem_slice(good.certificate.as_bytes()).unwrap();
    assert!(told.contains(&format!("{:?}", Some(Digest::of(&der)))), "{told}");
    let stranger = Authority::new("strangers").issue(&["app"], ClientAuth, 11);
    let revoked = yard.callers.issue(&["app"], ClientAuth, 66);
    let server_only = yard.callers.issue(&["app"], ServerAuth, 12);
    for bad in [None, Some(&stranger), Some(&revoked), Some(&server_only)] {
        assert!(attempt(&served, yard.caller(bad)).await.is_err());
        assert!(matches!(served.told(), Told::Handshake(_)));
    }
    let optional = yard.serve(&MUTUAL.replace("required", "optional"));
    assert!(attempt(&optional, yard.caller(None)).await.unwrap().contains("certificate: None"));
    assert!(attempt(&optional, yard.caller(Some(&revoked))).await.is_err());
}

#[tokio::test]
async fn a_revoked_certificate_neither_resumes_nor_stays() {
    let yard = Yard::new();
    let served = yard.serve(MUTUAL);
    let certificate = yard.callers.issue(&["app"], ClientAuth, 77);
    let config = Arc::new(yard.caller(Some(&certificate)));
    let mut stays = connect(&served, &config, "localhost").await.unwrap();
    for _ in 0..2 {
        let mut stream = connect(&served, &config, "localhost").await.unwrap();
        assert!(ask(&mut stream, "/").await.unwrap().contains("200 OK"));
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
    yard.write("crl.pem", &yard.callers.revoke(&[66, 77], 2090));
    assert!(matches!(served.door.reload_certificates().remove(0).1, Ok(Reloaded::Swapped)));
    assert!(
        connect(&served, &config, "localhost").await.is_err()
            || attempt(&served, yard.caller(Some(&certificate))).await.is_err()
    );
    let last = ask(&mut stays, "/").await;
    assert!(
        last.as_ref().map_or(true, |text| text.contains("200 OK")),
        "a new one gets one answer, then ends"
    );
    yard.write("crl.pem", &yard.callers.revoke(&[66], 2024));
    served.door.reload_certificates();
    let fine = yard.callers.issue(&["app"], ClientAuth, 78);
    assert!(
        attempt(&served, yard.caller(Some(&fine))).await.is_err(),
        "an expired list says nothing good of anyone"
    );
}

#[tokio::test]
async fn without_client_certificates_sessions_resume_unless_told_otherwise() {
    let yard = Yard::new();
    for (more, expected) in [("", HandshakeKind::Resumed), (", resumption: off", HandshakeKind::Full)] {
        let served = yard.serve(more);
        let config = Arc::new(yard.caller(None));
        let mut first = connect(&served, &config, "localhost").await.unwrap();
        ask(&mut first, "/").await.unwrap();
        let mut again = connect(&served, &config, "localhost").await.unwrap();
        ask(&mut again, "/").await.unwrap();
        assert_eq!(again.get_ref().1.handshake_kind(), Some(expected), "{more}");
        // A ticket is of one listener: another, here the same files loaded again, cannot read it.
        let other = yard.serve(MUTUAL.replace("required", "optional").as_str());
        let stream = connect(&other, &config, "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn files_that_are_missing_empty_or_garbage_never_load() {
    let yard = Yard::new();
    let opens = || Door::open(vec![settings(&terms(MUTUAL))], yard.path()).map(drop);
    opens().unwrap();
    let issued = yard.servers.issue(&["localhost"], ServerAuth, 9);
    for file in ["ca.pem", "crl.pem", "one.pem", "one.key"] {
        let good = std::fs::read_to_string(yard.path().join(file)).unwrap();
        let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let other = if file == "one.key" { issued.key.as_str() } else { block };
        for bad in ["", "garbage", &good[..good.len() / 2], other] {
            yard.write(file, bad);
            assert!(opens().is_err(), "{file}: {bad:?}");
        }
        std::fs::remove_file(yard.path().join(file)).unwrap();
        assert!(opens().is_err(), "{file} missing");
        yard.write(file, &good);
    }
    opens().unwrap();
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let yard = Yard::new();
    let text = format!("{}\nbounds: {{handshake_timeout: 30ms, handshakes_per_address_max: 1}}", terms(""));
    let served = serve(&text, yard.path());
    let mut silent = served.connect();
    assert_eq!(silent.rest().unwrap(), "");
    assert_eq!(served.told(), Told::Handshake(crate::door::HandshakeFailure::Late));
    // Its place is free a moment after it was told.
    let mut again = || {
        served.connect().send("GET / HTTP/1.1\r\n\r\n").rest().ok();
        served.told()
    };
    let told = std::iter::repeat_with(&mut again).take(1000).find(|told| !matches!(told, Told::Away(_)));
    assert!(matches!(told, Some(Told::Handshake(_))), "{told:?}");
}

async fn http2<B>(served: &Served, yard: &Yard, window: u32) -> hyper::client::conn::http2::SendRequest<B>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let mut config = yard.caller(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = connect(served, &Arc::new(config), "localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_is_served_where_alpn_says_so() {
    let yard = Yard::new();
    let served = yard.serve("");
    let mut sender = http2::<Empty<Bytes>>(&served, &yard, 65535).await;
    for target in ["/a", "/b"] {
        let request = Request::get(format!("https://localhost{target}")).body(Empty::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().contains_key("date")), (200, true));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    let forged = Request::get("https://localhost/").header("host", "evil").body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(forged).await.unwrap().status(), 400);
    served.door.drain();
    while !sender.is_closed() {
        tokio::task::yield_now().await;
    }
    assert!(served.drained().iter().all(|drained| *drained == crate::door::Drained::Clean));
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_begins_none_on_their_connection() {
    let yard = Yard::new();
    let served = yard.serve("");
    let mut sender = http2::<Empty<Bytes>>(&served, &yard, 65535).await;
    let get = |target: &str| Request::get(format!("https://localhost{target}")).body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(get("/a")).await.unwrap().status(), 200);
    let under_way = sender.send_request(get("/slow"));
    // The stream has begun once another one, sent after it, is answered.
    let mut other = sender.clone();
    let (under_way, ()) = tokio::join!(under_way, async {
        assert_eq!(other.send_request(get("/b")).await.unwrap().status(), 200);
        served.door.drain();
    });
    assert_eq!(under_way.unwrap().into_body().collect().await.unwrap().to_bytes(), "slow");
    while !sender.is_closed() {
        tokio::task::yield_now().await;
    }
    assert!(sender.send_request(get("/c")).await.is_err(), "whoever kept it connects anew, to a successor");
    assert!(served.drained().iter().all(|drained| *drained == crate::door::Drained::Clean));
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_ends_its_connection() {
    let yard = Yard::new();
    let text = format!("{}\nbounds: {{slow_reader_timeout: 80ms}}", terms(""));
    let served = serve(&text, yard.path());
    let mut sender = http2::<Empty<Bytes>>(&served, &yard, 1).await;
    let request = Request::get("https://localhost/big").body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::SlowReader)));
    drop(response);
}

#[tokio::test]
async fn an_answer_at_hand_waits_for_no_window_that_stays_shut() {
    let yard = Yard::new();
    let text = format!("{}\nbounds: {{slow_reader_timeout: 80ms}}", terms(""));
    let served = serve(&text, yard.path());
    let mut sender = http2::<Empty<Bytes>>(&served, &yard, 1).await;
    let request = Request::get("https://localhost/whole").body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(served.told(), Told::Refused(Refusal::Late(Clock::SlowReader)));
    drop(response);
}

/// A request whose body comes as it is sent.
fn written() -> (mpsc::Sender<Bytes>, Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin>)
{
    let (writer, mut pieces) = mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::poll_fn(move |context| {
        pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    });
    let request = Request::post("https://localhost/refuse").body(StreamBody::new(frames)).unwrap();
    (writer, request)
}

#[tokio::test]
async fn a_refusal_ends_its_stream_after_the_body_that_was_being_sent() {
    let yard = Yard::new();
    let served = yard.serve("");
    let mut sender = http2(&served, &yard, 65535).await;
    let (writer, request) = written();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 401);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "no", "it is not held back");
    // More than the window of the stream: the gate must read it.
    for _ in 0..300 {
        writer.send(Bytes::from_static(&[b'x'; 1000])).await.expect("the stream was reset");
    }
    drop(writer);
    assert!(body.frame().await.is_none_or(|frame| frame.unwrap().into_data().unwrap().is_empty()));
    // The connection goes on.
    let (writer, request) = written();
    drop(writer);
    assert_eq!(sender.send_request(request).await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_is_unread_of_a_stream_is_waited_for_within_bounds() {
    let yard = Yard::new();
    let within = |bounds: &str| serve(&format!("{}\nbounds: {{{bounds}}}", terms("")), yard.path());
    let timed = within("linger_timeout: 50ms");
    let mut sender = http2(&timed, &yard, 65535).await;
    let (writer, request) = written();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no", "its time is over");
    drop(writer);
    let counted = within("linger_timeout: 1h, linger_bytes_max: 64KiB");
    let mut sender = http2(&counted, &yard, 65535).await;
    let (writer, request) = written();
    let response = sender.send_request(request).await.unwrap();
    let piece = Bytes::from_static(&[b'x'; 1000]);
    tokio::spawn(async move { while writer.send(piece.clone()).await.is_ok() {} });
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no", "it was too much");
}

#[tokio::test]
async fn frames_that_are_not_http2_are_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let yard = Yard::new();
    let served = yard.serve("");
    let mut config = yard.caller(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // DATA on stream 0; a SETTINGS frame of a wrong length.
    for frame in [&b"\0\0\x01\0\0\0\0\0\0x"[..], b"\0\0\x01\x04\0\0\0\0\0x"] {
        let mut stream = connect(&served, &config, "localhost").await.unwrap();
        stream.write_all(&[&preface[..], frame].concat()).await.unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert_eq!(served.told(), Told::Refused(Refusal::BadFrames));
    }
}

#[tokio::test]
async fn new_settings_are_swapped_in_whole_or_not_at_all() {
    let yard = Yard::new();
    let served = yard.serve("");
    let config = Arc::new(yard.caller(None));
    let mut stays = connect(&served, &config, "localhost").await.unwrap();
    let update = |yaml: &str| served.door.update(vec![settings(yaml)]);
    assert!(update(&terms(", client_certificates: required, client_ca: missing.pem")).is_err());
    assert!(served.door.update(Vec::new()).is_err());
    assert!(attempt(&served, yard.caller(None)).await.unwrap().contains("200 OK"));
    update(&terms(MUTUAL)).unwrap();
    assert!(attempt(&served, yard.caller(None)).await.is_err());
    assert!(ask(&mut stays, "/").await.unwrap().contains("200 OK"), "a connection keeps what it began with");
    update(&format!("{}\nbounds: {{connections_max: 0}}", terms(""))).unwrap();
    assert!(attempt(&served, yard.caller(None)).await.is_err());
}
