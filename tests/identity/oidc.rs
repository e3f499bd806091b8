//! A real OpenID Connect provider (`oidc-provider` on Node, see `tests/oidc`) issues tokens, changes its keys
//! and goes away.

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use bramka::{certs::DevelopmentCerts, clock, keys::REFETCH_GAP};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    ground::{GOODS, edit, get, part, put},
    kit::{Demo, root, until},
};

/// The provider, over HTTPS with a certificate of an authority of its own.
struct Provider {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    issuer: String,
    certs: DevelopmentCerts,
    _dir: TempDir,
}

impl Provider {
    fn start() -> Self {
        let folder = root().join("tests/oidc");
        assert!(
            folder.join("node_modules").is_dir(),
            "run `npm ci` in tests/oidc, or scripts/test, which does"
        );
        let dir = tempfile::tempdir().unwrap();
        let certs = DevelopmentCerts::ensure(dir.path(), clock::now().wall).unwrap();
        let mut child = Command::new("node")
            .arg(folder.join("server.mjs"))
            .args([&certs.server, &certs.server_key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut provider = Self { child, orders, answers, issuer: String::new(), certs, _dir: dir };
        let told: Value = serde_json::from_str(&provider.line()).unwrap();
        told["issuer"].as_str().unwrap().clone_into(&mut provider.issuer);
        provider
    }

    /// The next line of JSON; the provider's own notices are passed over.
    fn line(&mut self) -> String {
        let mut lines = self.answers.by_ref().map(Result::unwrap);
        lines.find(|line| line.starts_with('{')).expect("the provider ended")
    }

    /// Tells it to do something; gives the documents fetched so far: discovery, JWKS.
    fn tell(&mut self, what: &str) -> [u64; 2] {
        writeln!(self.orders, "{what}").unwrap();
        let count: Value = serde_json::from_str(&self.line()).unwrap();
        ["discovery", "jwks"].map(|name| count[name].as_u64().unwrap())
    }

    /// A fresh access token by client credentials, for the gate as the resource.
    fn token(&self) -> String {
        let ran = Command::new("curl")
            .args(["-sS", "--cacert"])
            .arg(&self.certs.ca)
            .args(["-u", "warehouse:warehouse-secret-of-the-test", "-d", "grant_type=client_credentials"])
            .args(["-d", "scope=orders", "--data-urlencode", "resource=https://bramka.example/"])
            .arg(format!("{}/token", self.issuer))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        let answer: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}{ran:?}"));
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Makes a bundle believe it, for whoever its CA vouches.
    fn enrol(&self, policies: &Path, ca: &Path) {
        let issuers = format!(
            "token_ttl_max: 90d\n  issuers:\n    idp:\n      issuer: {}\n      audience: bramka\n      ca: {}\n      \
             kinds: [App]\n      groups: [readers]\n      scopes: [orders]\n",
            self.issuer,
            ca.display()
        );
        edit(&policies.join("gateway.yaml"), "token_ttl_max: 90d\n", &issuers);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_real_provider_issues_tokens_changes_its_keys_and_goes_away() {
    let mut provider = Provider::start();
    // ORDER: before the gate runs, which asks the provider while it starts.
    let started = Instant::now();
    let demo = Demo::start_with(|policies| provider.enrol(policies, &provider.certs.ca), &[]);
    assert_eq!(provider.tell("count"), [1, 1], "keys are there before the first caller is");

    // A token of RFC 9068 is a caller, with the groups its issuer may assert and no others.
    let first = provider.token();
    assert_eq!(
        (part(&first, 0)["typ"].as_str(), part(&first, 1)["sub"].as_str()),
        (Some("at+jwt"), Some("warehouse"))
    );
    get(&demo, GOODS, Some(&first)).expect(200);
    get(&demo, "/v1/stock-levels?limit=1", Some(&first)).expect(200);
    let customer = get(&demo, "/v1/customers?limit=1", Some(&first)).expect(200).items().remove(0);
    assert!(
        customer["kind"].is_string() && customer.get("name").is_none(),
        "a reader, not an app: {customer}"
    );
    let (head, signature) = first.rsplit_once('.').unwrap();
    get(&demo, GOODS, Some(&format!("{head}.{}", signature.chars().rev().collect::<String>()))).refused(401);
    // While it is away, tokens that were never seen before are as good as they were.
    let unseen = provider.token();
    provider.tell("down");
    get(&demo, GOODS, Some(&unseen)).expect(200);
    provider.tell("up");
    assert_eq!(provider.tell("rotate"), [1, 1], "nobody asked again so far");

    // A key that is not known yet: callers ask as often as they like, the provider hears it once.
    let second = provider.token();
    assert_ne!(part(&first, 0)["kid"], part(&second, 0)["kid"]);
    let mut refused = 0;
    until("tokens of the new key are good", || {
        let status = get(&demo, GOODS, Some(&second)).status;
        refused += usize::from(status == 401);
        status == 200
    });
    let waited = started.elapsed();
    assert!(refused > 0 && waited > REFETCH_GAP - Duration::from_secs(1), "{refused} refused in {waited:?}");
    assert_eq!(provider.tell("retire"), [2, 2], "{refused} tries of an unknown key caused one fetch");
    get(&demo, GOODS, Some(&first)).expect(200);
}

#[test]
fn a_provider_whose_certificate_nobody_named_vouches_for_is_not_believed() {
    let mut provider = Provider::start();
    let other = tempfile::tempdir().unwrap();
    let stranger = DevelopmentCerts::ensure(other.path(), clock::now().wall).unwrap();
    let demo = Demo::start_with(|policies| provider.enrol(policies, &stranger.ca), &[]);
    get(&demo, GOODS, Some(&provider.token())).refused(401);
    assert_eq!(provider.tell("count"), [0, 0]);
    // Named rightly it is, without a restart.
    let gateway = demo.policies().join("gateway.yaml");
    edit(&gateway, stranger.ca.to_str().unwrap(), provider.certs.ca.to_str().unwrap());
    let token = provider.token();
    until("the provider is believed", || get(&demo, GOODS, Some(&token)).status == 200);
}

#[test]
fn keys_come_as_soon_as_a_provider_that_was_away_at_the_start_is_there() {
    let mut provider = Provider::start();
    let token = provider.token();
    provider.tell("down");
    let demo = Demo::start_with(|policies| provider.enrol(policies, &provider.certs.ca), &[]);
    get(&demo, GOODS, Some(&token)).refused(401);
    demo.get(GOODS).send().expect(200);
    assert!(demo.stderr().contains("keys of an issuer were not fetched issuer=\"idp\""), "{}", demo.stderr());
    provider.tell("up");
    until("the provider is heard", || get(&demo, GOODS, Some(&token)).status == 200);
    assert_eq!(provider.tell("count"), [1, 1]);
    until("its end is told too", || {
        demo.stderr().contains("keys of an issuer are fetched again issuer=\"idp\"")
    });
}

#[test]
fn how_the_keys_of_a_provider_stand_is_told_in_metrics() {
    let provider = Provider::start();
    let demo = Demo::start_with(|policies| provider.enrol(policies, &provider.certs.ca), &[]);
    let told = |line: &str| {
        let metrics = demo.admin(Method::GET, "/metrics").send().expect(200);
        String::from_utf8_lossy(&metrics.body).contains(line)
    };
    until("its keys are counted", || told("bramka_issuer_keys{issuer=\"idp\"} 1"));
    assert!(told("bramka_issuer_age_seconds{issuer=\"idp\"} "));
}

#[test]
fn an_issuer_whose_authority_is_missing_or_garbage_changes_nothing() {
    let provider = Provider::start();
    let demo = Demo::start();
    let gateway = demo.policies().join("gateway.yaml");
    let good = fs::read_to_string(&gateway).unwrap();
    for (name, text) in [("missing", None), ("empty", Some("")), ("garbage", Some("garbage"))] {
        let ca = demo.data().join(format!("{name}.pem"));
        if let Some(text) = text {
            fs::write(&ca, text).unwrap();
        }
        provider.enrol(&demo.policies(), &ca);
        until("it is told", || demo.stderr().contains(&format!("{name}.pem")));
        assert!(demo.stderr().contains("the old ones serve on"), "{}", demo.stderr());
        demo.get(GOODS).send().expect(200);
        put(&gateway, &good);
    }
}
