//! A bench of issuers, keys and callers.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::super::*;
use crate::{
    clock::Now,
    words::{Channel, Diagnostics, Digest, GroupName, Kind, ListenerName, TlsFacts, tree, yaml::FromYaml},
};

pub(super) const SETTINGS: &str = "
issuer: https://gate.example
audience: bramka
issuers:
  corp:
    issuer: https://idp.example/realm
    audience: bramka
    kinds: [User]
    groups: [staff]
    attributes: { country: country_code }
    scopes: [orders]
  many:
    issuer: https://many.example
    audience: bramka
    kinds: [App, User]
    kind_claim: sort
    typ: [JWT, absent]
";

/// The moment of every test: 2026-01-01T00:00:00Z.
pub(super) const NOW: i64 = 1_767_225_600;

/// An issuer's signing key.
pub(super) struct Signer {
    pub(super) pair: EcdsaKeyPair,
    pub(super) key: Arc<VerifyKey>,
    /// What it signed last under each `jti`, as it would be written down.
    pub(super) issued: Mutex<HashMap<String, TokenRecord>>,
}

impl Signer {
    pub(super) fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = VerifyKey::curve(Some(kid.into()), Algorithm::Es256, pair.public_key().as_ref()).unwrap();
        Self { pair, key: Arc::new(key), issued: Mutex::default() }
    }

    pub(super) fn sign(&self, header: &Json, claims: &Json) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        if let Some((jti, record)) = record(header, claims) {
            self.issued.lock().insert(jti, record);
        }
        self.sign_unissued(header, claims)
    }

    /// As somebody would who has a copy of the key.
    pub(super) fn sign_unissued(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// What a token of our own would be written down as; none where no such token would be issued.
fn record(header: &str, claims: &str) -> Option<(String, TokenRecord)> {
    let (header, claims): (Json, Json) =
        (serde_json::from_str(header).ok()?, serde_json::from_str(claims).ok()?);
    let moment = |name: &str| {
        let seconds = claims[name].as_i64().or_else(|| claims[name].as_f64().map(|whole| whole as i64))?;
        Timestamp::from_second(seconds).ok()
    };
    let groups = match &claims["groups"] {
        Json::Null => None,
        list => {
            let names: Option<Vec<_>> =
                list.as_array()?.iter().map(|name| name.as_str().map(GroupName::from)).collect();
            Some(names?)
        }
    };
    let scopes = claims["scope"].as_str().unwrap_or_default();
    let record = TokenRecord {
        kid: header["kid"].as_str()?.into(),
        kind: Kind::ALL.into_iter().find(|kind| Some(kind.as_str()) == claims["kind"].as_str())?,
        id: claims["sub"].as_str()?.into(),
        groups,
        scopes: scopes.split_ascii_whitespace().map(Arc::from).collect(),
        issued_at: moment("iat")?,
        expires_at: moment("exp")?,
        revoked: false,
    };
    Some((claims["jti"].as_str()?.to_owned(), record))
}

pub(super) fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
}

/// A gate's identity with keys at hand; counts how often it was asked for one.
pub(super) struct Gate {
    pub(super) identity: Identity,
    pub(super) sources: Arc<Sources>,
    pub(super) own: Signer,
    pub(super) corp: Signer,
    pub(super) extra: Mutex<Vec<Arc<VerifyKey>>>,
    pub(super) api_keys: Mutex<HashMap<String, ApiKeyRecord>>,
    pub(super) asked: AtomicUsize,
    /// How often of these for a token that was issued.
    pub(super) looked_up: AtomicUsize,
    pub(super) down: Mutex<bool>,
    /// Keys are at hand, what was issued is not.
    pub(super) store_down: Mutex<bool>,
    pub(super) mono: Instant,
}

pub(super) fn registry(files: &[(&str, &str)]) -> Result<PrincipalRegistry, String> {
    let mut trees = Vec::new();
    for (name, text) in files {
        let name: Arc<str> = (*name).into();
        // Records that are named by a key are named by an id before this room sees them.
        let text = text.replace("{ key: \"20000\", of: erp }", "\"20000\"");
        let node = tree::parse(&name, &text).map_err(|found| found.to_string())?;
        trees.push((name, node));
    }
    principals::load(&trees).map(|(registry, _)| registry).map_err(|found| found.to_string())
}

pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("principals/attributes.yaml", include_str!("../../../policies/principals/attributes.yaml")),
    ("principals/acme.yaml", include_str!("../../../policies/principals/acme.yaml")),
    ("principals/apps.yaml", include_str!("../../../policies/principals/apps.yaml")),
];

pub(super) fn sources(settings: &str, registry: PrincipalRegistry) -> Result<Arc<Sources>, String> {
    let mut found = Diagnostics::default();
    let node = tree::parse(&"gateway.yaml".into(), settings).map_err(|found| found.to_string())?;
    let settings = Settings::read(&node, &mut found);
    let sources = settings.and_then(|settings| Sources::assemble(&settings, registry, &mut found));
    sources.ok_or_else(|| found.to_string())
}

pub(super) fn gate() -> Gate {
    gate_with(SETTINGS, SHIPPED)
}

#[expect(clippy::disallowed_methods, reason = "a test has no clock to be handed")]
pub(super) fn gate_with(settings: &str, files: &[(&str, &str)]) -> Gate {
    Gate {
        identity: Identity::new(1024),
        sources: sources(settings, registry(files).unwrap()).unwrap(),
        own: Signer::new("own-1"),
        corp: Signer::new("corp-1"),
        extra: Mutex::default(),
        api_keys: Mutex::default(),
        asked: AtomicUsize::new(0),
        looked_up: AtomicUsize::new(0),
        down: Mutex::new(false),
        store_down: Mutex::new(false),
        mono: Instant::now(),
    }
}

pub(super) fn header() -> Json {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "own-1" })
}

/// A good token of our own for the shop.
pub(super) fn claims() -> Json {
    json!({
        "iss": "https://gate.example", "aud": "bramka", "sub": "shop-backend", "kind": "App", "jti": "j-1",
        "iat": NOW - 60, "exp": NOW + 3600,
    })
}

pub(super) fn corp_header() -> Json {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "corp-1" })
}

/// A good token of the company's identity provider.
pub(super) fn corp_claims() -> Json {
    json!({
        "iss": "https://idp.example/realm", "aud": ["other", "bramka"], "sub": "mila@example.com",
        "iat": NOW - 60, "exp": NOW + 3600,
    })
}

/// The object with a member set, or taken away where the value is null.
pub(super) fn with(mut object: Json, name: &str, value: Json) -> Json {
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    object
}

pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

pub(super) fn channel(certificate: Option<Digest>) -> Channel {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Channel {
        listener: ListenerName::from("data"),
        peer: SocketAddr::new(address, 1),
        address,
        tls: Some(TlsFacts { version: "1.3", server_name: None, certificate, standing: Default::default() }),
    }
}

impl Gate {
    pub(super) fn now(&self) -> Now {
        self.at(0)
    }

    /// Some seconds after [`NOW`].
    pub(super) fn at(&self, seconds: i64) -> Now {
        Now { wall: Timestamp::from_second(NOW + seconds).unwrap(), mono: self.mono }
    }

    pub(super) fn ask(&self, pairs: &[(&'static str, &str)], now: Now) -> Result<Caller, Unidentified> {
        self.ask_over(pairs, &channel(None), now)
    }

    pub(super) fn ask_over(
        &self,
        pairs: &[(&'static str, &str)],
        channel: &Channel,
        now: Now,
    ) -> Result<Caller, Unidentified> {
        let headers = headers(pairs);
        let future = self.identity.identify(&self.sources, (self, self), &headers, channel, now);
        fn assert_send<T: Send>(future: T) -> T {
            future
        }
        block_on(assert_send(future))
    }

    pub(super) fn bearer(&self, token: &str) -> Result<Caller, Unidentified> {
        self.bearer_at(token, 0)
    }

    pub(super) fn bearer_at(&self, token: &str, seconds: i64) -> Result<Caller, Unidentified> {
        self.ask(&[("authorization", &format!("Bearer {token}"))], self.at(seconds))
    }

    /// Why a token of our own with these claims is refused.
    pub(super) fn refusal(&self, header: &Json, claims: &Json) -> Unidentified {
        self.bearer(&self.own.sign(header, claims)).unwrap_err()
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn find(&self, known: &Signer, kid: Option<&str>) -> Result<Arc<VerifyKey>, KeyProblem> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.down.lock() {
            return Err(KeyProblem::Unavailable);
        }
        let extra = self.extra.lock();
        let all = extra.iter().chain([&known.key]);
        all.into_iter().find(|key| key.kid() == kid).cloned().ok_or(KeyProblem::Unknown)
    }

    pub(super) fn api_key(&self, kind: Kind, id: &str) -> String {
        let text = format!("brk_abcdefgh2345_{}", "x".repeat(43));
        let record = ApiKeyRecord {
            prefix: "abcdefgh2345".into(),
            hash: api_key_hash(&text),
            kind,
            id: id.into(),
            groups: None,
            scopes: Vec::new(),
            issued_at: self.at(-SignedDuration::from_hours(1).as_secs()).wall,
            expires_at: Some(self.at(3600).wall),
            revoked: false,
        };
        self.api_keys.lock().insert("abcdefgh2345".into(), record);
        text
    }
}

impl OwnCredentials for Gate {
    fn key<'a>(&'a self, kid: &'a str, _: Now) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async move { self.find(&self.own, Some(kid)) })
    }

    fn token<'a>(&'a self, jti: &'a str) -> BoxFuture<'a, Result<Option<TokenRecord>, KeyProblem>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.looked_up.fetch_add(1, Ordering::Relaxed);
            if *self.store_down.lock() {
                return Err(KeyProblem::Unavailable);
            }
            Ok(self.own.issued.lock().get(jti).cloned())
        })
    }

    fn api_key<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Option<ApiKeyRecord>, KeyProblem>> {
        Box::pin(async move {
            if *self.store_down.lock() {
                return Err(KeyProblem::Unavailable);
            }
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(self.api_keys.lock().get(prefix).cloned())
        })
    }
}

impl IssuerKeys for Gate {
    fn key<'a>(
        &'a self,
        _: &'a Issuer,
        kid: Option<&'a str>,
        _: Now,
    ) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async move { self.find(&self.corp, kid) })
    }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
