//! TLS: versions, protocols, key exchange, names, certificates that change, and callers who must show one.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bramka::{certs::DevelopmentCerts, clock};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    kit::{Demo, until},
    stand::{Edits, assert_serves, head, prepare, replaced, told},
    system::System,
    tap::{Tap, trusting},
};

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
struct Leaf {
    pem: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn leaf(&self, serial: u64, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        Leaf { pem: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    fn client(&self, serial: u64) -> Leaf {
        self.leaf(serial, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn revoking(&self, serials: &[u64]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(serials.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Leaf {
    fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.pem")), &self.pem).unwrap();
        fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }
}

/// The folder of the demo's certificates, made before it starts, so that more can lie in it.
fn certs(policies: &Path) -> PathBuf {
    let data = policies.with_file_name("data");
    fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    let certs = data.join("certs");
    DevelopmentCerts::ensure(&certs, clock::now().wall).unwrap();
    certs
}

fn edit(policies: &Path, old: &str, new: &str) {
    let file = policies.join("gateway.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, replaced(&text, old, new)).unwrap();
}

fn plain(demo: &Demo) -> ClientConfig {
    trusting(demo.env("BRAMKA_CA")).with_no_client_auth()
}

fn showing(demo: &Demo, leaf: &Leaf) -> ClientConfig {
    let chain = vec![CertificateDer::from_pem_slice(leaf.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    trusting(demo.env("BRAMKA_CA")).with_client_auth_cert(chain, key).unwrap()
}

/// Connects and asks; none where the gate refuses the connection, at once or (in TLS 1.3) right behind.
fn asks(demo: &Demo, config: ClientConfig) -> Option<u16> {
    let mut tap = Tap::over(&demo.address(), "localhost", Arc::new(config)).ok()?;
    tap.send(head(demo, "GET /systems/raw/x", ""));
    tap.reply().map(|reply| reply.status)
}

fn with_clients(mode: &str, authority: &Authority, list: Option<&str>) -> Demo {
    let system = System::plain();
    Demo::start_with(
        |policies| {
            prepare(policies, &system, &Edits::default());
            let certs = certs(policies);
            fs::write(certs.join("clients.pem"), &authority.pem).unwrap();
            let mut lines = format!("client_certificates: {mode}\n      client_ca: certs/clients.pem");
            if let Some(list) = list {
                fs::write(certs.join("clients.crl"), list).unwrap();
                lines.push_str("\n      client_crl: certs/clients.crl");
            }
            edit(policies, "client_certificates: off", &lines);
        },
        &[],
    )
}

#[test]
fn both_versions_and_both_protocols_are_spoken_and_post_quantum_comes_first() {
    let demo = Demo::start();
    for (version, number) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for protocol in ["h2", "http/1.1"] {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(demo.env("BRAMKA_CA")).unwrap() {
                roots.add(certificate.unwrap()).unwrap();
            }
            let builder =
                ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
            let mut config = builder.with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
            let tap = Tap::over(&demo.address(), "localhost", Arc::new(config)).unwrap();
            assert_eq!(tap.session().protocol_version(), Some(number));
            assert_eq!(tap.session().alpn_protocol(), Some(protocol.as_bytes()));
            let group = tap.session().negotiated_key_exchange_group().unwrap().name();
            if number == ProtocolVersion::TLSv1_3 {
                assert_eq!(group, NamedGroup::X25519MLKEM768);
            }
        }
    }
    // A protocol that is not spoken ends the handshake instead of being guessed.
    let mut config = plain(&demo);
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    assert!(Tap::over(&demo.address(), "localhost", Arc::new(config)).is_err());
    assert_serves(&demo);
}

#[test]
fn what_is_no_tls_is_closed_written_down_and_hurts_nobody() {
    let demo = Demo::start();
    let hello: Vec<u8> = [22, 3, 1, 0, 1, 1].repeat(64);
    let alert: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    let plain: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let huge: Vec<u8> = [&[22, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat();
    for bytes in [&hello[..], alert, plain, &huge, &[0x80, 0x2e, 1, 3, 0]] {
        let mut socket = TcpStream::connect(demo.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        drop(socket.write_all(bytes));
        drop(socket.shutdown(std::net::Shutdown::Write));
        let mut said = Vec::new();
        drop(socket.read_to_end(&mut said));
        assert!(!String::from_utf8_lossy(&said).contains("HTTP/"), "{bytes:?}");
    }
    until("they are written down", || told(&demo, "handshake_tls") + told(&demo, "handshake_gone") >= 5);
    assert_serves(&demo);
}

#[test]
fn a_hello_in_records_of_one_byte_breaks_nothing() {
    let demo = Demo::start();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(plain(&demo)), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let crumbs: Vec<u8> = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    let mut socket = TcpStream::connect(demo.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    drop(socket.write_all(&crumbs));
    // Taken as the hello it is, or refused by an alert.
    let mut kind = [0];
    socket.read_exact(&mut kind).unwrap();
    assert!(matches!(kind[0], 21 | 22), "{kind:?}");
    assert_serves(&demo);
}

#[test]
fn a_ticket_of_before_resumes_only_until_the_certificates_change() {
    let demo = Demo::start();
    let config = Arc::new(plain(&demo));
    let kind = || {
        let mut tap = Tap::over(&demo.address(), "localhost", config.clone()).ok()?;
        // The ticket comes behind the handshake, with the answer.
        tap.send(head(&demo, "GET /v1/products?limit=1", ""));
        assert_eq!(tap.reply()?.status, 200);
        tap.session().handshake_kind()
    };
    assert_eq!(kind(), Some(HandshakeKind::Full));
    assert_eq!(kind(), Some(HandshakeKind::Resumed));
    // The same names by another key of the same authority: old tickets are worth nothing.
    let certs = demo.data().join("certs");
    let key = KeyPair::from_pem(&fs::read_to_string(certs.join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(certs.join("ca.pem")).unwrap(), key).unwrap();
    let authority = Authority { issuer, pem: String::new() };
    authority.leaf(9, &["localhost"], ExtendedKeyUsagePurpose::ServerAuth).write(&certs, "server");
    until("the new certificate serves", || demo.stderr().contains("new certificates serve"));
    assert_eq!(kind(), Some(HandshakeKind::Full));
}

/// The name in the certificate a connection was shown.
fn shown(demo: &Demo, name: &str, ca: &Path) -> Option<Vec<u8>> {
    let config = trusting(ca.to_str().unwrap()).with_no_client_auth();
    let tap = Tap::over(&demo.address(), name, Arc::new(config)).ok()?;
    Some(tap.session().peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn the_name_a_caller_asks_for_chooses_the_certificate_and_changed_files_serve_without_a_restart() {
    let authority = Authority::new("other");
    let demo = Demo::start_with(
        |policies| {
            let certs = certs(policies);
            fs::write(certs.join("other-ca.pem"), &authority.pem).unwrap();
            let usage = ExtendedKeyUsagePurpose::ServerAuth;
            authority.leaf(1, &["other.test"], usage).write(&certs, "other");
            edit(
                policies,
                "        - { certificate: certs/server.pem, key: certs/server.key }\n      client",
                "        - { certificate: certs/server.pem, key: certs/server.key }\n        \
                 - { certificate: certs/other.pem, key: certs/other.key }\n      client",
            );
        },
        &[],
    );
    let certs = demo.data().join("certs");
    let (own, other) = (certs.join("ca.pem"), certs.join("other-ca.pem"));
    assert!(shown(&demo, "localhost", &own).is_some());
    let before = shown(&demo, "other.test", &other).expect("the name's own certificate");
    assert!(shown(&demo, "other.test", &own).is_none());
    // A key that does not fit changes nothing.
    fs::write(certs.join("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    until("the broken pair is told", || demo.stderr().contains("the certificates stay as they were"));
    assert_eq!(shown(&demo, "other.test", &other).as_ref(), Some(&before));
    let kept = Tap::over(&demo.address(), "localhost", Arc::new(plain(&demo))).unwrap();
    authority.leaf(2, &["other.test"], ExtendedKeyUsagePurpose::ServerAuth).write(&certs, "other");
    until("the new pair serves", || shown(&demo, "other.test", &other).is_some_and(|now| now != before));
    // A connection from before goes on.
    let mut kept = kept;
    kept.send(head(&demo, "GET /v1/products?limit=1", ""));
    assert_eq!(kept.reply().unwrap().status, 200);
}

#[test]
fn where_certificates_are_required_nobody_comes_in_without_a_good_one() {
    let (authority, stranger) = (Authority::new("clients"), Authority::new("clients"));
    let demo = with_clients("required", &authority, None);
    assert_eq!(asks(&demo, plain(&demo)), None, "none at all");
    assert_eq!(asks(&demo, showing(&demo, &stranger.client(1))), None, "of another authority");
    let wrong = authority.leaf(2, &["localhost"], ExtendedKeyUsagePurpose::ServerAuth);
    assert_eq!(asks(&demo, showing(&demo, &wrong)), None, "one for servers");
    assert_eq!(asks(&demo, showing(&demo, &authority.client(3))), Some(200));
    until("they are written down", || told(&demo, "handshake_tls") >= 3);
}

#[test]
fn where_certificates_are_optional_none_is_fine_and_a_bad_one_is_not() {
    let (authority, stranger) = (Authority::new("clients"), Authority::new("others"));
    let demo = with_clients("optional", &authority, None);
    assert_eq!(asks(&demo, plain(&demo)), Some(200));
    assert_eq!(asks(&demo, showing(&demo, &stranger.client(1))), None);
    assert_eq!(asks(&demo, showing(&demo, &authority.client(2))), Some(200));
}

#[test]
fn a_revoked_certificate_is_refused_cannot_resume_and_its_open_connection_winds_down() {
    let authority = Authority::new("clients");
    let demo = with_clients("required", &authority, Some(&authority.revoking(&[])));
    let leaf = authority.client(7);
    // One set of terms for all connections, so that a ticket would be used if there was one.
    let config = Arc::new(showing(&demo, &leaf));
    let connect = || {
        let mut tap = Tap::over(&demo.address(), "localhost", config.clone()).ok()?;
        tap.send(head(&demo, "GET /systems/raw/x", ""));
        let reply = tap.reply()?;
        Some((tap, reply.status))
    };
    let (mut open, status) = connect().unwrap();
    assert_eq!(status, 200);
    let (again, _) = connect().unwrap();
    assert_eq!(
        again.session().handshake_kind(),
        Some(HandshakeKind::Full),
        "nothing resumes beside certificates"
    );
    fs::write(demo.data().join("certs/clients.crl"), authority.revoking(&[7])).unwrap();
    until("it is refused", || connect().is_none());
    assert!(open.end().is_empty(), "its idle connection is closed");
    assert_eq!(asks(&demo, showing(&demo, &authority.client(8))), Some(200), "others come in");
    // A list that is gone lets nobody in who was not in before: the old one stays in force.
    fs::write(demo.data().join("certs/clients.crl"), "").unwrap();
    until("the empty list is told", || demo.stderr().contains("the certificates stay as they were"));
    assert!(connect().is_none());
}
