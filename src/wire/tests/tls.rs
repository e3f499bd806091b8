//! TLS towards peers: verified or not at all.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::{rig::*, second, *};
use crate::words::Secret;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// Certificate and key as PEM.
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn client(&self, certificate: Option<(String, String)>) -> TlsClient {
        let certificate =
            certificate.map(|(chain, key)| Certificate { chain: chain.into_bytes(), key: Secret::new(key) });
        TlsClient::new(&Trust { ca: Some(self.pem()), certificate }).unwrap()
    }

    /// A peer named `name` that asks for a client certificate of `clients`, if given.
    async fn peer(&self, name: &str, clients: Option<&Authority>) -> Peer {
        self.peer_choosing(name, clients, &[]).await
    }

    /// The same that knows those versions; what it chose is what it speaks.
    async fn peer_choosing(&self, name: &str, clients: Option<&Authority>, known: &[&str]) -> Peer {
        let (chain, key) = self.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(&clients.pem()).unwrap()).unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
                )
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = known.iter().map(|known| known.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Peer::new(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return second::serve_streams(stream, 100, second::ok).await;
                }
                while read_request(&mut stream).await.is_some() {
                    say(&mut stream, OK).await;
                }
            }
        })
        .await
    }
}

fn origin(peer: &Peer, client: &TlsClient, server_name: Option<&str>) -> Arc<Origin> {
    origin_keeping(peer, client, server_name, Keep::default())
}

fn origin_keeping(peer: &Peer, client: &TlsClient, server_name: Option<&str>, keep: Keep) -> Arc<Origin> {
    let url = url::Url::parse(&format!("https://localhost:{}", peer.address.port())).unwrap();
    Arc::new(Origin::new(&url, Some(client), server_name, allowed(), keep).unwrap())
}

#[tokio::test]
async fn a_peer_is_called_only_under_its_own_name_and_a_known_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let peer = authority.peer("localhost", None).await;
    let pool = Pool::new(8);
    let good = origin(&peer, &authority.client(None), None);
    for _ in 0..2 {
        assert_eq!(ask(&pool, &good, plain(&good, "/")).await.unwrap().into_body(), "ok");
    }
    assert_eq!(peer.connections(), 1);

    for (client, name) in [(&stranger, None), (&authority, Some("other.example"))] {
        let bad = origin(&peer, &client.client(None), name);
        let failed = send(&pool, &bad, plain(&bad, "/")).await.unwrap_err();
        assert!(matches!(failed.error, WireError::Tls { .. }), "{:?}", failed.error);
        assert_eq!(failed.sent, Sent::No);
    }
    let elsewhere = authority.peer("erp.internal", None).await;
    let named = origin(&elsewhere, &authority.client(None), Some("erp.internal"));
    assert_eq!(ask(&pool, &named, plain(&named, "/")).await.unwrap().into_body(), "ok");
}

#[tokio::test]
async fn the_version_is_what_both_ends_speak_and_never_another_than_was_said() {
    let authority = Authority::new();
    let (both, first) = (["h2", "http/1.1"], ["http/1.1"]);
    for (versions, known, calls, connections) in [
        (Versions::One, &both[..], 3, Some(1)),
        (Versions::Two, &both[..], 3, Some(1)),
        (Versions::Two, &first[..], 1, None),
        (Versions::Two, &[][..], 1, None),
        (Versions::Auto, &both[..], 3, Some(1)),
        (Versions::Auto, &first[..], 3, Some(1)),
        (Versions::Auto, &[][..], 3, Some(1)),
    ] {
        let peer = authority.peer_choosing("localhost", None, known).await;
        let (pool, keep) = (Pool::new(8), second::keep(versions));
        let origin = origin_keeping(&peer, &authority.client(None), None, keep);
        for _ in 0..calls {
            let sent = send(&pool, &origin, plain(&origin, "/")).await;
            match (sent, connections) {
                (Ok(Outcome::Answered(answer)), Some(_)) => {
                    assert_eq!(gather(answer.into_body(), 9, soon(clock::now())).await.unwrap(), "ok");
                }
                (Err(failed), None) => {
                    let is_told = matches!(failed.error, WireError::Version { .. } | WireError::Tls { .. });
                    assert_eq!((failed.sent, is_told), (Sent::No, true), "{:?}", failed.error);
                }
                (sent, _) => panic!("{versions:?} {known:?}: {sent:?}"),
            }
        }
        if let Some(connections) = connections {
            assert_eq!(peer.connections(), connections, "{versions:?} {known:?}");
        }
    }
}

#[tokio::test]
async fn a_switch_of_protocols_is_asked_for_over_http1() {
    let authority = Authority::new();
    let peer = authority.peer_choosing("localhost", None, &["h2", "http/1.1"]).await;
    let pool = Pool::new(8);
    let origin = origin_keeping(&peer, &authority.client(None), None, second::keep(Versions::Auto));
    assert!(ask(&pool, &origin, plain(&origin, "/")).await.is_ok());
    let mut upgrade = plain(&origin, "/");
    upgrade.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    assert_eq!(ask(&pool, &origin, upgrade).await.unwrap().into_body(), "ok");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let peer = authority.peer("localhost", Some(&clients)).await;
    let pool = Pool::new(8);
    let ours = clients.issue("gate", ExtendedKeyUsagePurpose::ClientAuth);
    let with = origin(&peer, &authority.client(Some(ours)), None);
    assert_eq!(ask(&pool, &with, plain(&with, "/")).await.unwrap().into_body(), "ok");
    // Without one there is no answer, and the connection of the other identity is not lent.
    let without = origin(&peer, &authority.client(None), None);
    assert!(send(&pool, &without, plain(&without, "/")).await.is_err());
}

#[tokio::test]
async fn plaintext_before_tls_is_never_an_answer() {
    let peer = Peer::new(|mut stream, _| async move {
        say(&mut stream, OK).await;
        read_request(&mut stream).await;
    })
    .await;
    let bad = origin(&peer, &Authority::new().client(None), None);
    let failed = send(&Pool::new(8), &bad, plain(&bad, "/")).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Tls { .. }), "{:?}", failed.error);
}

#[test]
fn an_empty_or_unreadable_authority_is_an_error_and_never_no_check() {
    for ca in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(TlsClient::new(&Trust { ca: Some(ca.into()), certificate: None }).is_err(), "{ca}");
    }
    let (chain, _) = Authority::new().issue("gate", ExtendedKeyUsagePurpose::ClientAuth);
    let mismatched = Certificate {
        chain: chain.into_bytes(),
        key: Secret::new(KeyPair::generate().unwrap().serialize_pem()),
    };
    assert!(TlsClient::new(&Trust { ca: None, certificate: Some(mismatched) }).is_err());
}
