//! A door with a small handler behind it, and raw callers before it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

use crate::{
    body::Body,
    door::{
        Door, Drained, Handler, HandshakeFailure, ListenerSettings, Observer, Refusal, Sockets, Successor,
        TurnedAway,
    },
    intake::{self, BodyBounds},
    words::{Channel, Diagnostics, ListenerName, tree, yaml::FromYaml},
};

/// Answers by path; every head goes through the intake first.
#[derive(Clone)]
pub(super) struct Answers;

impl Handler for Answers {
    async fn handle(&self, request: Request<Body>, channel: Arc<Channel>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let hosts = intake::AllowedHosts::any();
        let mut head = match intake::head(parts, &hosts, &intake::HeadBounds::default()) {
            Ok(head) => head,
            Err(why) => return answer(StatusCode::BAD_REQUEST, why.to_string()),
        };
        match head.path.as_str() {
            "/refuse" => answer(StatusCode::UNAUTHORIZED, "no".into()),
            "/gather" => {
                let bounds = BodyBounds { bytes_max: Some(1000), ..BodyBounds::default() };
                match intake::gather(body, bounds).await {
                    Ok(bytes) => answer(StatusCode::OK, bytes.len().to_string()),
                    Err(error) => answer(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
                }
            }
            "/address" => answer(StatusCode::OK, channel.address.to_string()),
            "/tls" => answer(StatusCode::OK, format!("{:?}", channel.tls)),
            "/big" => {
                let frames =
                    futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from(vec![b'x'; 65536]))));
                answer(StatusCode::OK, String::new())
                    .map(|_| Body::stream(http_body_util::StreamBody::new(frames)))
            }
            "/whole" => answer(StatusCode::OK, "x".repeat(4 << 20)),
            "/blink" => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                answer(StatusCode::OK, "blink".into())
            }
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(150)).await;
                answer(StatusCode::OK, "slow".into())
            }
            "/upgrade" => upgrade(head.extensions.remove::<hyper::upgrade::OnUpgrade>()),
            _ => answer(StatusCode::OK, "hello".into()),
        }
    }
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    Response::builder().status(status).body(Body::from(text.into_bytes())).unwrap()
}

fn upgrade(on: Option<hyper::upgrade::OnUpgrade>) -> Response<Body> {
    let Some(on) = on else { return answer(StatusCode::BAD_REQUEST, "no upgrade".into()) };
    tokio::spawn(async move {
        let mut io = hyper_util::rt::TokioIo::new(on.await.unwrap());
        let mut bytes = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut io, &mut bytes).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut io, &bytes).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut io).await.unwrap();
    });
    let mut response = answer(StatusCode::SWITCHING_PROTOCOLS, String::new());
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "echo".parse().unwrap());
    response
}

/// What the observer was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Refused(Refusal),
    Handshake(HandshakeFailure),
    Away(TurnedAway),
}

struct Teller(mpsc::Sender<Told>);

impl Observer for Teller {
    fn refused_by_protocol(&self, _: &Arc<Channel>, what: Refusal) {
        self.0.send(Told::Refused(what)).ok();
    }

    fn handshake_failed(&self, _: &ListenerName, _: SocketAddr, why: HandshakeFailure) {
        self.0.send(Told::Handshake(why)).ok();
    }

    fn turned_away(&self, _: &ListenerName, _: SocketAddr, why: TurnedAway) {
        self.0.send(Told::Away(why)).ok();
    }

    fn accept_failed(&self, _: &ListenerName, error: &std::io::Error) {
        panic!("{error}");
    }
}

/// A door that serves.
pub(super) struct Served {
    pub(super) door: Arc<Door>,
    pub(super) at: SocketAddr,
    pub(super) successor: Successor,
    told: mpsc::Receiver<Told>,
    cores: Vec<JoinHandle<std::io::Result<Drained>>>,
}

pub(super) fn settings(yaml: &str) -> ListenerSettings {
    settings_at("127.0.0.1:0".parse().unwrap(), yaml)
}

fn settings_at(at: SocketAddr, yaml: &str) -> ListenerSettings {
    let text = format!("name: data\nat: {at}\n{yaml}");
    let mut found = Diagnostics::default();
    let node = tree::parse(&"gateway.yaml".into(), &text).unwrap();
    ListenerSettings::read(&node, &mut found).unwrap_or_else(|| panic!("{found}"))
}

pub(super) fn serve(yaml: &str, base: &Path) -> Served {
    serve_on(Sockets::default(), settings(yaml), base)
}

/// Takes over the sockets of a predecessor that serves there.
pub(super) fn succeed(at: SocketAddr, place: &Path, yaml: &str) -> Served {
    serve_on(Sockets::take_over(place).unwrap(), settings_at(at, yaml), Path::new("."))
}

fn serve_on(sockets: Sockets, settings: ListenerSettings, base: &Path) -> Served {
    let door = Arc::new(Door::open(vec![settings], base).unwrap());
    let bound = sockets.bind(&door.addresses(), 2).unwrap();
    let (at, successor) = (bound.addresses[0], bound.for_successor().unwrap());
    let (teller, told) = mpsc::channel();
    let observer: Arc<dyn Observer> = Arc::new(Teller(teller));
    let cores = crate::door::on_threads(door.cores(bound), move |core| {
        core.serve(Answers, observer.clone(), || Duration::from_secs(5))
    });
    Served { door, at, successor, told, cores: cores.unwrap() }
}

/// Plain, with bounds.
pub(super) fn plain(bounds: &str) -> Served {
    serve(&format!("tls: none\nbounds: {{{bounds}}}"), Path::new("."))
}

impl Served {
    pub(super) fn connect(&self) -> Raw {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        Raw(stream)
    }

    pub(super) fn told(&self) -> Told {
        self.told.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    pub(super) fn drained(self) -> Vec<Drained> {
        self.door.drain();
        drop(self.successor);
        self.cores.into_iter().map(|core| core.join().unwrap().unwrap()).collect()
    }
}

/// A caller that sends whatever it likes.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) fn send(&mut self, text: &str) -> &mut Self {
        self.0.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Status and body of one answer with a length.
    pub(super) fn answer(&mut self) -> (u16, String) {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(
                self.0.read(&mut byte).unwrap(),
                1,
                "closed after {:?}",
                String::from_utf8_lossy(&bytes)
            );
            bytes.push(byte[0]);
        }
        let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }

    /// Everything until the other end closes; a reset is an error.
    pub(super) fn rest(&mut self) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn ask(&mut self, target: &str, more: &str) -> (u16, String) {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n")).answer()
    }
}

/// An authority made in the test.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

/// A certificate and its key, as PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn issue(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose, serial: u64) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    pub(super) fn revoke(&self, serials: &[u64], year: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2023, 1, 1),
            next_update: rcgen::date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}
