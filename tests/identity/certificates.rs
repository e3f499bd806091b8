//! Client certificates: alone they say who is asking, beside a token only how it came.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

use crate::{
    book,
    ground::{Bridge, GOODS, Identity, Raw, Stream, edit, get, get_with, put, swaps, until_swapped},
    kit::{Demo, runtime, until},
};

/// Statement that asks for a certificate.
const WHEN: &str = "\nwhen { context.checked.channel has certificate }";

/// An authority for client certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "clients");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn client(&self, name: &str) -> Identity {
        self.numbered(name, 1)
    }

    fn numbered(&self, name: &str, serial: u64) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Identity { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// A list that takes these back; `number` tells it from others.
    fn revoke(&self, serials: &[u64], number: u64) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2023, 1, 1),
            next_update: rcgen::date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Makes the listener ask for certificates of an authority, and pins one to the partner's program.
fn ask_for_certificates(policies: &Path, authority: &Authority, pinned: &Identity) {
    let ca = policies.with_file_name("clients.pem");
    fs::write(&ca, &authority.certificate).unwrap();
    edit(
        &policies.join("gateway.yaml"),
        "client_certificates: off",
        &format!("client_certificates: optional\n      client_ca: {}", ca.display()),
    );
    let pin = format!("id: acme-portal, certificates: [\"{}\"],", pinned.fingerprint());
    edit(&policies.join("principals/acme.yaml"), "id: acme-portal,", &pin);
}

#[test]
fn a_pinned_certificate_alone_identifies_and_one_that_nobody_pinned_does_not() {
    let authority = Authority::new();
    let (pinned, other) = (authority.client("acme-portal"), authority.client("acme-portal"));
    let demo = Demo::start_with(|policies| ask_for_certificates(policies, &authority, &pinned), &[]);

    let orders = get_with(&demo, &pinned, "/v1/orders?limit=5", None).expect(200).items();
    assert!(!orders.is_empty() && orders.iter().all(|order| order["customer"] == "20000"), "{orders:?}");
    get_with(&demo, &pinned, "/v1/customers", None).refused(403);
    // A name inside a certificate proves nothing: only the pinned one does.
    get_with(&demo, &other, "/v1/orders?limit=5", None).refused(401);
    get(&demo, "/v1/orders?limit=5", None).refused(401);

    // Whoever is switched off is also switched off by certificate.
    let before = swaps(&demo);
    edit(
        &demo.policies().join("principals/acme.yaml"),
        "id: acme-portal,",
        "id: acme-portal, disabled: true,",
    );
    until_swapped(&demo, before);
    get_with(&demo, &pinned, "/v1/orders?limit=5", None).refused(401);
}

#[test]
fn a_certificate_beside_a_token_is_a_fact_of_the_channel_and_not_the_caller() {
    let authority = Authority::new();
    let (pinned, other) = (authority.client("acme-portal"), authority.client("somebody"));
    let raw = Raw::start();
    let demo = Demo::start_with(
        |policies| {
            ask_for_certificates(policies, &authority, &pinned);
            raw.join(policies, "none", WHEN);
        },
        &[],
    );
    let app = Some(demo.env("BRAMKA_APP_TOKEN"));
    // The token's principal asks, with the rights of the token's principal, whosever certificate it is.
    for identity in [&pinned, &other] {
        get_with(&demo, identity, "/v1/customers?limit=1", app).expect(200);
        get_with(&demo, identity, "/systems/raw/x", app).expect(200);
    }
    // Statements may ask for it.
    get(&demo, "/systems/raw/x", app).refused(403);
    // A certificate does not mend a token.
    let broken = demo.env("BRAMKA_APP_TOKEN").replace('.', "..");
    get_with(&demo, &pinned, GOODS, Some(&broken)).refused(401);
}

#[test]
fn a_gate_whose_client_authority_is_missing_empty_or_garbage_does_not_start() {
    for garbage in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        crate::kit::copy_shipped(&policies);
        let ca = dir.path().join("clients.pem");
        if let Some(text) = garbage {
            fs::write(&ca, text).unwrap();
        }
        edit(
            &policies.join("gateway.yaml"),
            "client_certificates: off",
            &format!("client_certificates: required\n      client_ca: {}", ca.display()),
        );
        fs::DirBuilder::new().mode(0o700).create(dir.path().join("data")).unwrap();
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_bramka"))
            .args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(dir.path().join("data"))
            .arg("--policies")
            .arg(&policies)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(1), "{garbage:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("clients.pem"), "{:?}", ran.stderr);
    }
}

/// How the journal says that an exchange ended: its connection may be closed a moment sooner.
fn ended(demo: &Demo, request: &str) -> String {
    let mut ended = None;
    until("its end is written down", || {
        let entries = book::of(&demo.data(), request);
        let close = entries.iter().find(|entry| entry["kind"] == "close");
        ended = close.map(|close| close["ended"].as_str().unwrap().to_owned());
        ended.is_some()
    });
    ended.unwrap()
}

/// A demo whose app may come with certificates that a list can take back, and the list.
fn with_list(authority: &Authority, pinned: &[&Identity], raw: &Raw) -> (Demo, PathBuf) {
    let mut list = PathBuf::new();
    let demo = Demo::start_with(
        |policies| {
            list = policies.with_file_name("clients.crl");
            fs::write(&list, authority.revoke(&[66], 1)).unwrap();
            ask_for_certificates(policies, authority, &authority.client("acme-portal"));
            let gateway = policies.join("gateway.yaml");
            edit(&gateway, "client_ca:", &format!("client_crl: {}\n      client_ca:", list.display()));
            let pins: Vec<String> = pinned.iter().map(|one| format!("\"{}\"", one.fingerprint())).collect();
            let pins = format!("id: shop-backend, certificates: [{}],", pins.join(", "));
            edit(&policies.join("principals/apps.yaml"), "id: shop-backend,", &pins);
            raw.join(policies, "none", "");
        },
        &[],
    );
    (demo, list)
}

#[test]
fn a_revoked_certificate_ends_its_bridges_and_those_of_certificates_that_stand_live_on() {
    let authority = Authority::new();
    let (taken, stands) = (authority.numbered("taken", 77), authority.numbered("stands", 78));
    let raw = Raw::start();
    let (demo, list) = with_list(&authority, &[&taken, &stands], &raw);
    runtime().block_on(async {
        let mut ends = Bridge::over(taken.connect(&demo).await, None).await;
        let mut beside = Bridge::over(taken.connect(&demo).await, Some(demo.env("BRAMKA_APP_TOKEN"))).await;
        let mut lives = Bridge::over(stands.connect(&demo).await, None).await;
        for bridge in [&mut ends, &mut beside, &mut lives] {
            bridge.echoes("before").await;
        }
        put(&list, &authority.revoke(&[66, 77], 2));
        ends.end().await;
        beside.end().await;
        lives.echoes("after").await;
        for bridge in [&ends, &beside] {
            assert_eq!(ended(&demo, &bridge.request), "revoked");
        }
        put(&list, &authority.revoke(&[66, 77, 78], 3));
        lives.end().await;
        assert_eq!(ended(&demo, &lives.request), "revoked");
    });
}

#[test]
fn a_revoked_certificate_ends_its_open_streams_and_those_of_certificates_that_stand_live_on() {
    let authority = Authority::new();
    let (taken, stands) = (authority.numbered("taken", 77), authority.numbered("stands", 78));
    let raw = Raw::start();
    let (demo, list) = with_list(&authority, &[&taken, &stands], &raw);
    let swapped = || demo.stderr().matches("new certificates serve").count();
    runtime().block_on(async {
        let mut ends = Stream::open_with(&demo, &taken).await;
        let mut lives = Stream::open_with(&demo, &stands).await;
        let mut beside = Stream::over(taken.connect(&demo).await, Some(demo.env("BRAMKA_APP_TOKEN"))).await;
        // Other terms that let both in end neither.
        put(&list, &authority.revoke(&[66], 2));
        until("the new terms serve", || swapped() == 1);
        put(&list, &authority.revoke(&[66, 77], 3));
        assert!(ends.end().await, "it was cut");
        assert!(beside.end().await, "a token beside a revoked certificate goes by the same door");
        assert_eq!(swapped(), 2, "not by the first change");
        assert!(lives.goes_on());
        for stream in [&ends, &beside] {
            assert_eq!(ended(&demo, &stream.request), "revoked");
        }
        put(&list, &authority.revoke(&[66, 77, 78], 4));
        assert!(lives.end().await);
    });
}
