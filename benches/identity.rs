//! What a credential costs: seen before, and not.
//!
//! `cargo bench --bench identity`. A token seen before is one SHA-256 and one look-up; a new one is a
//! signature check, the reading of its claims and the building of facts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot set itself up should say so loudly"
)]

use std::{hint::black_box, net::SocketAddr, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use bramka::{
    clock::{self, Now},
    identity::{
        Algorithm, ApiKeyRecord, Identity, Issuer, IssuerKeys, KeyProblem, OwnCredentials, Recall, Settings,
        Sources, TokenRecord, VerifyKey, principals,
    },
    words::{Channel, Diagnostics, Kind, ListenerName, tree, yaml::FromYaml},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use data_encoding::BASE64URL_NOPAD;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;

struct Keys(Arc<VerifyKey>, TokenRecord);

impl OwnCredentials for Keys {
    fn key<'a>(&'a self, _: &'a str, _: Now) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn token<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<TokenRecord>, KeyProblem>> {
        Box::pin(async { Ok(Some(self.1.clone())) })
    }

    fn api_key<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<ApiKeyRecord>, KeyProblem>> {
        Box::pin(async { Ok(None) })
    }
}

impl IssuerKeys for Keys {
    fn key<'a>(
        &'a self,
        _: &'a Issuer,
        _: Option<&'a str>,
        _: Now,
    ) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

fn sources() -> Arc<Sources> {
    let parse = |text: &str| {
        // Records that are named by a key are named by an id before principals are read.
        let text = text.replace("{ key: \"20000\", of: erp }", "\"20000\"");
        tree::parse(&"x.yaml".into(), &text).unwrap()
    };
    let files = [
        ("attributes.yaml".into(), parse(include_str!("../policies/principals/attributes.yaml"))),
        ("acme.yaml".into(), parse(include_str!("../policies/principals/acme.yaml"))),
    ];
    let registry = principals::load(&files).unwrap().0;
    let mut found = Diagnostics::default();
    let settings = parse("issuer: https://gate.example\naudience: bramka");
    let settings = Settings::read(&settings, &mut found).unwrap();
    Sources::assemble(&settings, registry, &mut found).unwrap()
}

fn bench(criterion: &mut Criterion) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let now = clock::now();
    let second = now.wall.as_second();
    let at = |second| Timestamp::from_second(second).unwrap();
    let record = TokenRecord {
        kid: "k".into(),
        kind: Kind::Partner,
        id: "acme-portal".into(),
        groups: None,
        scopes: Vec::new(),
        issued_at: at(second - 10),
        expires_at: at(second + 3600),
        revoked: false,
    };
    let keys = Keys(Arc::new(VerifyKey::curve(Some("k".into()), Algorithm::Es256, point).unwrap()), record);
    let claims = format!(
        r#"{{"iss":"https://gate.example","aud":"bramka","sub":"acme-portal","kind":"Partner","jti":"{}","iat":{},"exp":{}}}"#,
        "5".repeat(32),
        second - 10,
        second + 3600
    );
    let header = r#"{"alg":"ES256","typ":"at+jwt","kid":"0123456789abcdef0123"}"#;
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let token = format!("Bearer {message}.{}", encode(signature.as_ref()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
    for name in ["host", "user-agent", "accept", "x-request-id"] {
        headers.insert(name, HeaderValue::from_static("value"));
    }
    let peer: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let channel = Channel { listener: ListenerName::from("data"), peer, address: peer.ip(), tls: None };
    let (identity, sources) = (Identity::new(65_536), sources());

    criterion.bench_function("token not seen before (ES256)", |bencher| {
        let pending = || match Identity::new(1).recall(&sources, &headers, &channel, now) {
            Recall::Verify(pending) => pending,
            Recall::Known(_) | Recall::Unidentified(_) => panic!("nothing is remembered yet"),
        };
        bencher.iter_batched(
            pending,
            |pending| identity.verify(pending, &keys, &keys, now).now_or_never().unwrap().unwrap(),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("the signature alone (ES256)", |bencher| {
        bencher.iter(|| assert!(keys.0.verifies(black_box(message.as_bytes()), signature.as_ref())));
    });
    criterion.bench_function("token seen before", |bencher| {
        bencher.iter(|| match identity.recall(&sources, black_box(&headers), &channel, now) {
            Recall::Known(caller) => caller,
            Recall::Verify(_) | Recall::Unidentified(_) => panic!("it was verified above"),
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
