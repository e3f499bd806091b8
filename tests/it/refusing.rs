//! What HTTP/2 itself refuses stands in the journal and in the counters like every other refusal.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    book,
    kit::{Demo, Who, runtime, until},
};

async fn open(demo: &Demo) -> SendRequest<Empty<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(demo.env("BRAMKA_CA")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(demo.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (sender, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A good request with so many headers of 4 KiB more.
fn request(demo: &Demo, headers: usize) -> Request<Empty<Bytes>> {
    let token = demo.token(Who::App).unwrap();
    let mut request = Request::get("https://localhost/v1/products?limit=1")
        .header("authorization", format!("Bearer {token}"));
    for n in 0..headers {
        request = request.header(format!("x-filler-{n}"), "x".repeat(4096));
    }
    request.body(Empty::new()).unwrap()
}

fn entries(demo: &Demo, reason: &str) -> Vec<Value> {
    book::entries(&demo.data()).into_iter().filter(|entry| entry["refusal"] == reason).collect()
}

#[test]
fn a_head_over_four_times_the_bound_is_answered_431_written_down_and_counted_while_its_connection_lives() {
    let demo = Demo::start();
    runtime().block_on(async {
        let mut sender = open(&demo).await;
        let mut ask = async |headers| {
            sender.ready().await.unwrap();
            sender.send_request(request(&demo, headers)).await.unwrap()
        };
        assert_eq!(ask(0).await.status(), 200);
        // The gate's own refusal, with an id of its own.
        assert!(ask(12).await.headers().contains_key("x-request-id"));
        assert_eq!(entries(&demo, "door_head_too_large").len(), 0);
        for _ in 0..3 {
            let refused = ask(40).await;
            assert_eq!((refused.status().as_u16(), refused.headers().len()), (431, 0));
        }
        until("each is written down", || entries(&demo, "door_head_too_large").len() == 3);
        assert_eq!(ask(0).await.status(), 200);
    });
    let written = entries(&demo, "door_head_too_large");
    assert!(written.iter().all(|entry| entry["status"] == 431), "{written:?}");
    let metrics = demo.admin(Method::GET, "/metrics").send().expect(200);
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("bramka_refusals_total{reason=\"door_head_too_large\"} 3\n"), "{metrics}");
}

#[test]
fn a_stream_that_is_reset_for_its_head_is_written_down() {
    let demo = Demo::start();
    runtime().block_on(async {
        let mut sender = open(&demo).await;
        let mut request = request(&demo, 0);
        // A body is announced and does not come.
        request.headers_mut().insert("content-length", "5".parse().unwrap());
        assert!(sender.send_request(request).await.is_err());
    });
    until("it is written down", || entries(&demo, "door_bad_frames").len() == 1);
}
