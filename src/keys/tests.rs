//! Facts of the keys of outside issuers.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use super::*;
use crate::{
    identity::{PrincipalRegistry, Settings},
    words::{Diagnostics, tree, yaml::FromYaml},
};

const DISCOVERY: &str = "https://idp.example/realm/.well-known/openid-configuration";
const JWKS: &str = "https://idp.example/keys";

/// An issuer that can be made to answer anything.
#[derive(Default)]
struct Web {
    pages: Mutex<HashMap<String, (u16, Vec<u8>)>>,
    asked: Mutex<Vec<String>>,
    trusted: Mutex<Vec<Option<std::path::PathBuf>>>,
    gate: Mutex<Option<Arc<Notify>>>,
    /// Who asks for the next document panics.
    breaks: AtomicBool,
}

impl Web {
    fn page(&self, url: &str, body: &Json) {
        self.pages.lock().insert(url.to_owned(), (200, body.to_string().into_bytes()));
    }

    fn keys(&self, keys: &[&Json]) {
        self.page(JWKS, &json!({ "keys": keys }));
    }

    fn down(&self) {
        self.pages.lock().clear();
    }

    fn asked(&self) -> usize {
        self.asked.lock().iter().filter(|url| *url == JWKS).count()
    }
}

impl Fetch for Web {
    fn get<'a>(
        &'a self,
        url: &'a str,
        ca: Option<&'a Path>,
        _: usize,
    ) -> BoxFuture<'a, Result<(u16, Bytes), String>> {
        Box::pin(async move {
            self.asked.lock().push(url.to_owned());
            self.trusted.lock().push(ca.map(Path::to_owned));
            assert!(!self.breaks.swap(false, Ordering::Relaxed), "as the test wants it");
            let gate = self.gate.lock().clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let page = self.pages.lock().get(url).cloned();
            page.map(|(status, body)| (status, body.into())).ok_or_else(|| "connection refused".to_owned())
        })
    }
}

struct Bench {
    web: Arc<Web>,
    issuers: Issuers,
    sources: Arc<Sources>,
    revocations: Arc<Revocations>,
    start: Now,
}

fn sources(text: &str) -> Arc<Sources> {
    let mut found = Diagnostics::default();
    let node = tree::parse(&"gateway.yaml".into(), text).unwrap();
    let settings = Settings::read(&node, &mut found).unwrap();
    Sources::assemble(&settings, PrincipalRegistry::default(), &mut found).unwrap()
}

fn bench() -> Bench {
    let web = Arc::new(Web::default());
    web.page(DISCOVERY, &json!({ "issuer": "https://idp.example/realm", "jwks_uri": JWKS }));
    let revocations = Arc::new(Revocations::default());
    let issuers = Issuers::new(web.clone(), revocations.clone());
    let sources = sources(
        "issuer: https://gate.example\naudience: b\nissuers:\n  corp: { issuer: https://idp.example/realm, audience: b, kinds: [User], jwks_hosts: [keys.example] }",
    );
    Bench { web, issuers, sources, revocations, start: crate::clock::now() }
}

impl Bench {
    fn at(&self, seconds: u64) -> Now {
        Now {
            wall: self.start.wall + SignedDuration::from_secs(i64::try_from(seconds).unwrap()),
            mono: self.start.mono + Duration::from_secs(seconds),
        }
    }

    async fn key(&self, kid: Option<&str>, seconds: u64) -> Result<Arc<VerifyKey>, KeyProblem> {
        let issuer = self.sources.issuers().next().unwrap();
        self.issuers.key(issuer, kid, self.at(seconds)).await
    }

    fn last_error(&self) -> String {
        let standing = self.issuers.standing(&self.sources, self.start).remove(0);
        standing.last_error.map(|error| error.to_string()).unwrap_or_default()
    }
}

fn jwk(kid: &str) -> Json {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig" })
}

/// Lets the other tasks go on until they wait for something.
async fn turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// What was logged since the last look.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn taken(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn run(work: impl AsyncFnOnce(Bench)) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work(bench()));
}

#[test]
fn keys_are_discovered_once_and_cached() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a"), &jwk("b")]);
        let key = bench.key(Some("a"), 0).await.unwrap();
        assert_eq!((key.kid(), key.algorithm().as_str()), (Some("a"), "ES256"));
        assert!(Arc::ptr_eq(&key, &bench.key(Some("a"), 599).await.unwrap()));
        assert!(bench.key(Some("b"), 1).await.is_ok());
        assert_eq!(bench.web.asked(), 1);
        assert_eq!(bench.key(None, 1).await.unwrap_err(), KeyProblem::Unknown, "two keys: which?");
    });
}

#[test]
fn a_token_without_a_key_id_fits_an_issuer_of_one_key() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        assert!(bench.key(None, 0).await.is_ok());
    });
}

#[test]
fn many_who_wait_cause_one_fetch() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let gate = Arc::new(Notify::new());
        *bench.web.gate.lock() = Some(gate.clone());
        let waiting = join_all((0..50).map(|_| bench.key(Some("a"), 0)));
        let open = async {
            gate.notify_one();
            tokio::task::yield_now().await;
            gate.notify_one();
        };
        let (answers, ()) = tokio::join!(waiting, open);
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(bench.web.asked.lock().len(), 2, "discovery and keys, once each");
    });
}

#[test]
fn a_fetch_goes_on_when_the_one_who_asked_walks_away() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let gate = Arc::new(Notify::new());
        *bench.web.gate.lock() = Some(gate.clone());
        assert!(bench.key(Some("a"), 0).now_or_never().is_none());
        *bench.web.gate.lock() = None;
        gate.notify_one();
        // Nobody waits for it.
        turns().await;
        assert_eq!(bench.issuers.standing(&bench.sources, bench.at(0)).remove(0).keys, 1);
        let key = bench.key(Some("a"), 0).now_or_never().expect("it is there");
        assert!(key.is_ok());
        assert_eq!(bench.web.asked(), 1);
    });
}

#[test]
fn a_fetch_that_went_down_with_its_core_or_panicked_holds_up_nobody() {
    let bench = bench();
    bench.web.keys(&[&jwk("a")]);
    *bench.web.gate.lock() = Some(Arc::default());
    let core = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    core.block_on(async { assert!(bench.key(Some("a"), 0).now_or_never().is_none()) });
    drop(core);
    *bench.web.gate.lock() = None;
    let core = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    core.block_on(async {
        let soon = bench.key(Some("a"), 1).await;
        assert_eq!(soon.unwrap_err(), KeyProblem::Unavailable, "not before it is time");
        bench.web.breaks.store(true, Ordering::Relaxed);
        assert_eq!(bench.key(Some("a"), 2).await.unwrap_err(), KeyProblem::Unavailable);
        assert!(bench.key(Some("a"), 4).await.is_ok());
    });
}

#[test]
fn issuers_that_hang_are_asked_at_once_not_one_after_the_other() {
    run(async |bench| {
        let names = ["a", "b", "c"];
        let text: String = names
            .iter()
            .map(|name| {
                format!("\n  {name}: {{ issuer: https://{name}.example, audience: b, kinds: [User] }}")
            })
            .collect();
        let sources = sources(&format!("issuer: https://gate.example\naudience: b\nissuers:{text}"));
        *bench.web.gate.lock() = Some(Arc::default());
        let mut tending = Box::pin(bench.issuers.tend(&sources, bench.at(0)));
        assert!(futures_util::poll!(&mut tending).is_pending());
        turns().await;
        let mut asked = bench.web.asked.lock().clone();
        asked.sort();
        assert_eq!(
            asked,
            names.map(|name| format!("https://{name}.example/.well-known/openid-configuration"))
        );
    });
}

#[test]
fn trouble_with_an_issuer_is_logged_when_it_changes_and_when_it_ends() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        assert!(bench.key(Some("a"), 0).await.is_ok());
        assert_eq!(log.taken(), "", "all is well");
        bench.web.down();
        bench.issuers.tend(&bench.sources, bench.at(700)).await;
        let told = log.taken();
        assert!(
            told.contains("WARN") && told.contains("issuer=\"corp\"") && told.contains("keys=1"),
            "{told}"
        );
        assert!(told.contains("was not reached: connection refused"), "{told}");
        bench.issuers.tend(&bench.sources, bench.at(800)).await;
        assert_eq!(log.taken(), "", "the same again");
        bench
            .web
            .page(DISCOVERY, &json!({ "issuer": format!("x\n{}", "y".repeat(9_999)), "jwks_uri": JWKS }));
        bench.issuers.tend(&bench.sources, bench.at(900)).await;
        let told = log.taken();
        assert!(told.contains("is of issuer `x\\ny") && told.len() < 1_000, "{told}");
        assert_eq!(told.lines().count(), 1, "an issuer writes no lines of its own: {told}");
        bench.issuers.tend(&bench.sources, bench.at(86_400)).await;
        assert!(log.taken().contains("too old to be believed"));
        bench.web.page(DISCOVERY, &json!({ "issuer": "https://idp.example/realm", "jwks_uri": JWKS }));
        bench.web.keys(&[&jwk("a")]);
        bench.issuers.tend(&bench.sources, bench.at(86_500)).await;
        assert!(log.taken().contains("fetched again"));
        bench.issuers.tend(&bench.sources, bench.at(90_000)).await;
        assert_eq!(log.taken(), "");
    });
}

#[test]
fn what_lands_after_its_issuer_was_forgotten_is_not_believed() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let gate = Arc::new(Notify::new());
        *bench.web.gate.lock() = Some(gate.clone());
        let mut asking = Box::pin(bench.key(Some("a"), 0));
        assert!(futures_util::poll!(&mut asking).is_pending());
        bench.issuers.adopt(&sources("issuer: https://gate.example\naudience: b"));
        *bench.web.gate.lock() = None;
        gate.notify_one();
        assert_eq!(asking.await.unwrap_err(), KeyProblem::Unavailable);
    });
}

#[test]
fn strangers_key_ids_cause_one_fetch_in_a_while() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        assert!(bench.key(Some("a"), 0).await.is_ok());
        for at in 0..100 {
            assert_eq!(bench.key(Some(&format!("x{at}")), 31).await.unwrap_err(), KeyProblem::Unknown);
        }
        assert_eq!(bench.web.asked(), 2);
        assert!(bench.key(Some("y"), 60).await.is_err());
        assert_eq!(bench.web.asked(), 2);
        assert!(bench.key(Some("y"), 61).await.is_err());
        assert_eq!(bench.web.asked(), 3);
    });
}

#[test]
fn a_rotated_key_is_found_and_the_one_that_went_is_retired() {
    run(async |bench| {
        let (a, b) = (jwk("a"), jwk("b"));
        bench.web.keys(&[&a, &b]);
        let (old, stays) = (bench.key(Some("a"), 0).await.unwrap(), bench.key(Some("b"), 0).await.unwrap());
        bench.web.keys(&[&b, &jwk("c")]);
        assert!(bench.key(Some("c"), 31).await.is_ok());
        assert!(old.is_gone() && !stays.is_gone());
        assert!(
            Arc::ptr_eq(&stays, &bench.key(Some("b"), 31).await.unwrap()),
            "what it signed stays remembered"
        );
        bench.web.keys(&[&jwk("b")]);
        bench.issuers.tend(&bench.sources, bench.at(700)).await;
        assert!(stays.is_gone(), "another key under the old name");
    });
}

#[test]
fn keys_stay_while_the_issuer_is_down_and_not_for_ever() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let key = bench.key(Some("a"), 0).await.unwrap();
        bench.web.down();
        bench.issuers.tend(&bench.sources, bench.at(700)).await;
        assert!(bench.last_error().contains("was not reached: connection refused"));
        assert!(bench.key(Some("a"), 700).await.is_ok());
        assert!(bench.key(Some("a"), 86_399).await.is_ok());
        assert_eq!(bench.key(Some("a"), 86_400).await.unwrap_err(), KeyProblem::Unavailable);
        bench.issuers.tend(&bench.sources, bench.at(86_400)).await;
        assert!(key.is_gone());
    });
}

#[test]
fn an_issuer_that_was_down_from_the_start_is_tried_again_soon() {
    run(async |bench| {
        bench.web.down();
        for _ in 0..20 {
            assert_eq!(bench.key(Some("a"), 0).await.unwrap_err(), KeyProblem::Unavailable);
        }
        assert_eq!(bench.web.asked.lock().len(), 1);
        bench.web.page(DISCOVERY, &json!({ "issuer": "https://idp.example/realm", "jwks_uri": JWKS }));
        bench.web.keys(&[&jwk("a")]);
        assert!(bench.key(Some("a"), 2).await.is_ok());
    });
}

#[test]
fn a_discovery_document_speaks_for_its_issuer_and_sends_us_nowhere_else() {
    let documents = [
        (json!({ "issuer": "https://idp.example/realm/", "jwks_uri": JWKS }), "is of issuer"),
        (json!({ "issuer": "https://evil.example", "jwks_uri": JWKS }), "is of issuer"),
        (
            json!({ "issuer": "https://idp.example/realm", "jwks_uri": "http://idp.example/keys" }),
            "`jwks_uri` is",
        ),
        (
            json!({ "issuer": "https://idp.example/realm", "jwks_uri": "https://evil.example/keys" }),
            "`jwks_uri` is",
        ),
        (
            json!({ "issuer": "https://idp.example/realm", "jwks_uri": "https://idp.example:444/k" }),
            "`jwks_uri` is",
        ),
        (
            json!({ "issuer": "https://idp.example/realm", "jwks_uri": "https://keys.example:1/k" }),
            "`jwks_uri` is",
        ),
        (
            json!({ "issuer": "https://idp.example/realm", "jwks_uri": "https://a:b@idp.example/k" }),
            "`jwks_uri` is",
        ),
        (json!({ "issuer": "https://idp.example/realm" }), "malformed"),
        (json!([]), "malformed"),
    ];
    for (document, told) in documents {
        run(async |bench| {
            bench.web.keys(&[&jwk("a")]);
            bench.web.page(DISCOVERY, &document);
            assert_eq!(bench.key(Some("a"), 0).await.unwrap_err(), KeyProblem::Unavailable, "{document}");
            assert!(bench.last_error().contains(told), "{document}: {}", bench.last_error());
            assert_eq!(bench.web.asked(), 0);
        });
    }
    run(async |bench| {
        let uri = "https://keys.example/k";
        bench.web.page(DISCOVERY, &json!({ "issuer": "https://idp.example/realm", "jwks_uri": uri }));
        bench.web.page(uri, &json!({ "keys": [jwk("a")] }));
        assert!(bench.key(Some("a"), 0).await.is_ok(), "a host that the bundle names");
    });
}

#[test]
fn a_set_is_read_strictly() {
    let read = |keys: Json| {
        jwks::read(json!({ "keys": keys }).to_string().as_bytes())
            .map(|keys| keys.len())
            .map_err(|e| e.to_string())
    };
    let with = |name: &str, value: Json| {
        let mut key = jwk("a");
        key[name] = value;
        key
    };
    let told = |key: Json| read(json!([key])).unwrap_err();
    assert_eq!(read(json!([jwk("a"), jwk("b")])), Ok(2));
    assert!(read(json!([jwk("a"), jwk("a")])).unwrap_err().contains("stands twice"));
    let nameless = || with("kid", json!(null));
    assert_eq!(read(json!([nameless()])), Ok(1));
    assert!(read(json!([nameless(), nameless()])).unwrap_err().contains("several keys have none"));
    assert!(told(with("d", json!("AA"))).contains("private half"));
    assert!(told(with("alg", json!("RS256"))).contains("`alg` is not of its `kty`"));
    assert!(told(with("alg", json!("ES384"))).contains("`alg` is not of its `kty`"));
    let ed25519 = |alg| json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "e", "alg": alg });
    assert!(told(ed25519("ES256")).contains("`alg` is not of its `kty`"));
    assert!(told(ed25519("EdDSA")).contains("key `e`"), "it is looked at");
    assert!(told(with("x", json!("AA"))).contains("key `a`"));
    assert!(told(with("x", json!("A=="))).contains("`x` is not a number"));
    assert!(told(with("kid", json!("k".repeat(257)))).contains("too long"));
    let small = json!({ "kty": "RSA", "n": BASE64URL_NOPAD.encode(&[255; 128]), "e": "AQAB", "kid": "r" });
    assert!(told(small).contains("key `r`"));
    let passed_over = [
        json!({ "kty": "oct", "k": "AAAA", "kid": "h" }),
        json!({ "kty": "oct", "k": "AAAA", "kid": "h", "alg": "HS256" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p", "alg": "ES512" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k", "alg": "ES256K" }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "e" }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "e", "alg": "EdDSA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x", "alg": "ECDH-ES" }),
        json!({ "kty": "new", "kid": "n" }),
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("alg", json!("ECDH-ES")),
    ];
    for key in passed_over {
        assert_eq!(
            read(json!([key.clone()])).unwrap_err(),
            "no key that verifies signatures by an algorithm we speak"
        );
        assert_eq!(read(json!([key, jwk("good")])), Ok(1));
    }
    assert_eq!(read(json!(vec![jwk("a"); 65])).unwrap_err(), "more than 64 keys");
    assert!(jwks::read(b"{}").is_err() && jwks::read(b"[]").is_err() && jwks::read(b"").is_err());
}

#[test]
fn a_jwks_file_is_read_and_read_again() {
    run(async |bench| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let set = |keys: &[&Json]| std::fs::write(file.path(), json!({ "keys": keys }).to_string()).unwrap();
        set(&[&jwk("a")]);
        let bench = Bench { sources: in_file(file.path()), ..bench };
        let key = bench.key(Some("a"), 0).await.unwrap();
        set(&[&jwk("b")]);
        bench.issuers.tend(&bench.sources, bench.at(600)).await;
        assert!(key.is_gone());
        assert!(bench.key(Some("b"), 600).await.is_ok());
        std::fs::write(file.path(), vec![b' '; DOCUMENT_BYTES_MAX + 1]).unwrap();
        bench.issuers.tend(&bench.sources, bench.at(1300)).await;
        assert!(bench.last_error().contains("larger than"));
        assert!(bench.web.asked.lock().is_empty());
    });
}

/// An issuer whose keys stand in that file.
fn in_file(path: &Path) -> Arc<Sources> {
    sources(&format!(
        "issuer: https://gate.example\naudience: b\nissuers:\n  file: {{ issuer: made-up, audience: b, kinds: [App], jwks_file: {} }}",
        path.display()
    ))
}

#[test]
fn a_key_set_without_keys_withdraws_all_and_what_cannot_be_read_none() {
    run(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let bench = Bench { sources: in_file(&path), ..bench };
        let look = async |text: &str, at: u64| {
            std::fs::write(&path, text).unwrap();
            bench.issuers.look_at_files(&bench.sources, bench.at(at)).await;
        };
        let full = json!({ "keys": [jwk("a")] }).to_string();
        look(&full, 0).await;
        let key = bench.key(Some("a"), 0).await.unwrap();
        for half in ["", "{", "[]", "{}", r#"{"keys":null}"#, full.get(..full.len() / 2).unwrap()] {
            look(half, 2).await;
            assert!(Arc::ptr_eq(&key, &bench.key(Some("a"), 2).await.unwrap()), "{half}");
        }
        std::fs::remove_file(&path).unwrap();
        bench.issuers.look_at_files(&bench.sources, bench.at(4)).await;
        assert!(Arc::ptr_eq(&key, &bench.key(Some("a"), 4).await.unwrap()));
        assert!(!key.is_gone());

        for empty in [json!([]), json!([{ "kty": "oct", "k": "AAAA", "kid": "h" }])] {
            look(&full, 6).await;
            let key = bench.key(Some("a"), 6).await.unwrap();
            look(&json!({ "keys": empty }).to_string(), 8).await;
            assert!(key.is_gone(), "{empty}");
            assert_eq!(bench.key(Some("a"), 8).await.unwrap_err(), KeyProblem::Unknown);
            let standing = bench.issuers.standing(&bench.sources, bench.at(9)).remove(0);
            assert_eq!((standing.keys, standing.age), (0, Some(Duration::from_secs(1))));
            assert!(standing.last_error.unwrap().told().contains("no key that verifies signatures"));
        }
    });
}

#[test]
fn an_issuer_that_publishes_no_key_any_more_has_none() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let key = bench.key(Some("a"), 0).await.unwrap();
        bench.web.keys(&[]);
        bench.issuers.tend(&bench.sources, bench.at(600)).await;
        assert!(key.is_gone());
        assert_eq!(bench.key(Some("a"), 600).await.unwrap_err(), KeyProblem::Unknown);
    });
}

#[test]
fn what_stands_in_the_place_of_a_key_file_holds_up_nobody() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    run(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let bench = Bench { sources: in_file(&path), ..bench };
        std::fs::write(&path, json!({ "keys": [jwk("a")] }).to_string()).unwrap();
        let key = bench.key(Some("a"), 0).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        bench.issuers.look_at_files(&bench.sources, bench.at(2)).await;
        let standing = bench.issuers.standing(&bench.sources, bench.at(2)).remove(0);
        assert_eq!(standing.last_error.unwrap().told(), "the JWKS file cannot be read: it is no file");
        assert!(Arc::ptr_eq(&key, &bench.key(Some("a"), 2).await.unwrap()));
    });
}

#[test]
fn an_issuers_own_ca_is_trusted_for_discovery_and_jwks_and_another_one_starts_anew() {
    run(async |bench| {
        let by = |ca: &str| {
            sources(&format!(
                "issuer: https://gate.example\naudience: b\nissuers:\n  corp: {{ issuer: https://idp.example/realm, audience: b, kinds: [User], ca: {ca} }}"
            ))
        };
        bench.web.keys(&[&jwk("a")]);
        let bench = Bench { sources: by("/one.pem"), ..bench };
        let key = bench.key(Some("a"), 0).await.unwrap();
        assert_eq!(*bench.web.trusted.lock(), [Some("/one.pem".into()), Some("/one.pem".into())]);
        bench.issuers.adopt(&by("/two.pem"));
        assert!(key.is_gone());
    });
}

#[test]
fn an_issuer_that_a_new_bundle_does_not_name_loses_its_keys() {
    run(async |bench| {
        bench.web.keys(&[&jwk("a")]);
        let key = bench.key(Some("a"), 0).await.unwrap();
        bench.issuers.adopt(&bench.sources);
        assert!(!key.is_gone());
        bench.issuers.adopt(&sources("issuer: https://gate.example\naudience: b"));
        assert!(key.is_gone());
        drop(bench.revocations);
    });
}
