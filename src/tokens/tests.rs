//! Facts of our own issuer, through the eyes of whoever checks its tokens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
};

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tempfile::TempDir;

use super::*;
use crate::{
    identity::{
        Caller, CredentialId, Ended, Identity, Issuer, IssuerKeys, Settings, Unidentified, principals,
    },
    store::AdminRole,
    words::{Channel, Diagnostics, ListenerName, tree, yaml::FromYaml},
};

struct Nobody;

impl IssuerKeys for Nobody {
    fn key<'a>(
        &'a self,
        _: &'a Issuer,
        _: Option<&'a str>,
        _: Now,
    ) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async { Err(KeyProblem::Unknown) })
    }
}

/// A process: a running gate or the command line, over one data folder.
struct Process {
    identity: Identity,
    sources: Arc<Sources>,
    tokens: Tokens,
}

fn sources() -> Arc<Sources> {
    let parse = |text| tree::parse(&"x.yaml".into(), text).unwrap();
    let files = [
        ("attributes.yaml".into(), parse("groups: { apps: { in: [all] }, all: , partners: }")),
        (
            "x.yaml".into(),
            parse(
                "principals: [{ kind: App, id: shop, groups: [apps] }, { kind: App, id: off, disabled: true }]",
            ),
        ),
    ];
    let registry = principals::load(&files).unwrap().0;
    let mut found = Diagnostics::default();
    let settings = parse("issuer: https://gate.example\naudience: bramka\ntoken_ttl_max: 30d");
    let settings = Settings::read(&settings, &mut found).unwrap();
    Sources::assemble(&settings, registry, &mut found).unwrap()
}

async fn process(folder: &TempDir) -> Process {
    let identity = Identity::new(100);
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    let tokens = Tokens::open(store, &folder.path().join("keys"), identity.revocations().clone(), now())
        .await
        .unwrap();
    Process { identity, sources: sources(), tokens }
}

fn now() -> Now {
    later(0)
}

fn later(seconds: u64) -> Now {
    let now = crate::clock::now();
    let day = Timestamp::from_second(1_767_225_600).unwrap();
    Now {
        wall: day + SignedDuration::from_secs(i64::try_from(seconds).unwrap()),
        mono: now.mono + Duration::from_secs(seconds),
    }
}

fn order() -> Order {
    Order {
        kind: Kind::App,
        id: "shop".into(),
        ttl: Some(SignedDuration::from_hours(1)),
        groups: None,
        scopes: Vec::new(),
        note: None,
    }
}

impl Process {
    async fn ask(&self, text: &Secret, now: Now) -> Result<Caller, Unidentified> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", text.expose())).unwrap());
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let channel = Channel {
            listener: ListenerName::from("data"),
            peer: SocketAddr::new(address, 1),
            address,
            tls: None,
        };
        self.identity.identify(&self.sources, (&self.tokens, &Nobody), &headers, &channel, now).await
    }

    async fn issue(&self) -> (Secret, TokenRow) {
        self.tokens.issue(&self.sources, order(), now()).await.unwrap()
    }
}

fn run(work: impl AsyncFnOnce(TempDir)) {
    let folder = tempfile::tempdir().unwrap();
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work(folder));
}

#[test]
fn an_issued_token_identifies_until_it_ends() {
    run(async |folder| {
        let gate = process(&folder).await;
        let (text, row) = gate.issue().await;
        let caller = gate.ask(&text, now()).await.unwrap();
        assert_eq!(caller.facts().credential, CredentialId::Token(row.jti));
        assert!(gate.ask(&text, later(3599)).await.is_ok());
        assert_eq!(gate.ask(&text, later(3600)).await.unwrap_err(), Unidentified::Expired);
    });
}

#[test]
fn another_process_takes_back_a_token_and_the_stream_under_it_ends() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (text, row) = tool.issue().await;
        let mut ending = gate.ask(&text, now()).await.unwrap().ending();
        assert!(tool.tokens.revoke(&row.jti, now()).await.unwrap());
        assert!(!tool.tokens.revoke(&row.jti, now()).await.unwrap());
        assert!(ending.wait().now_or_never().is_none(), "the gate has not asked yet");
        gate.tokens.follow(now()).await.unwrap();
        assert_eq!(ending.wait().await, Ended::Revoked);
        assert_eq!(gate.ask(&text, now()).await.unwrap_err(), Unidentified::Revoked);
        let restarted = process(&folder).await;
        assert_eq!(restarted.ask(&text, now()).await.unwrap_err(), Unidentified::Revoked);
    });
}

#[test]
fn following_always_needs_no_poke() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (text, row) = tool.issue().await;
        let mut ending = gate.ask(&text, now()).await.unwrap().ending();
        let follow = Arc::new(gate.tokens).follow_always(now, |error| panic!("{error}"));
        let story = async {
            tool.tokens.revoke(&row.jti, now()).await.unwrap();
            ending.wait().await
        };
        let ended = tokio::select! {
            () = follow => None,
            ended = tokio::time::timeout(Duration::from_secs(1), story) => ended.ok(),
        };
        assert_eq!(ended, Some(Ended::Revoked), "within a second");
    });
}

#[test]
fn rotation_keeps_living_tokens_and_drops_the_key_after_the_last() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (old, row) = tool.issue().await;
        let kid = tool.tokens.rotate(now()).await.unwrap();
        let (new, new_row) = tool.issue().await;
        assert_ne!(row.kid, new_row.kid);
        assert_eq!(kid, new_row.kid);
        assert!(gate.ask(&old, now()).await.is_ok());
        let moment = later(1);
        assert!(gate.ask(&new, moment).await.is_ok(), "a key made a moment ago is looked up");
        let jwks: serde_json::Value = serde_json::from_str(&gate.tokens.jwks()).unwrap();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
        gate.tokens.refresh_keys(later(3601)).await.unwrap();
        let jwks: serde_json::Value = serde_json::from_str(&gate.tokens.jwks()).unwrap();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
        let files: Vec<_> = fs_names(&folder);
        assert_eq!(files, [format!("{kid}.p8")], "the old private half is gone");
    });
}

fn fs_names(folder: &TempDir) -> Vec<String> {
    let names = std::fs::read_dir(folder.path().join("keys")).unwrap();
    names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_key_taken_back_ends_everything_it_signed() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (text, row) = tool.issue().await;
        let mut ending = gate.ask(&text, now()).await.unwrap().ending();
        assert!(tool.tokens.revoke_key(&row.kid, now()).await.unwrap());
        gate.tokens.follow(now()).await.unwrap();
        assert_eq!(ending.wait().await, Ended::KeyGone);
        assert_eq!(gate.ask(&text, later(1)).await.unwrap_err(), Unidentified::UnknownKey);
        let (fresh, _) = tool.issue().await;
        assert!(gate.ask(&fresh, later(2)).await.is_ok());
        assert!(!tool.tokens.revoke_key("../../etc/passwd", now()).await.unwrap());
    });
}

#[test]
fn strangers_key_ids_do_not_reach_the_store_more_than_once_a_while() {
    run(async |folder| {
        let gate = process(&folder).await;
        let readings = || gate.tokens.readings.load(std::sync::atomic::Ordering::Relaxed);
        let before = readings();
        let strangers: Vec<String> = (0..500).map(|n| format!("stranger-{n}")).collect();
        let asked = strangers.iter().map(|kid| gate.tokens.key(kid, later(1)));
        let told = futures_util::future::join_all(asked).await;
        assert!(told.iter().all(|told| matches!(told, Err(KeyProblem::Unknown))));
        assert!(readings() - before <= 2, "one reads for all who came by then: {}", readings() - before);
    });
}

#[test]
fn a_key_made_elsewhere_a_moment_ago_is_found_though_a_stranger_has_just_asked() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        assert!(matches!(gate.tokens.key("stranger", now()).await, Err(KeyProblem::Unknown)));
        let kid = tool.tokens.rotate(now()).await.unwrap();
        assert!(gate.tokens.key(&kid, now()).await.is_ok());
    });
}

#[test]
fn a_key_that_was_taken_back_ends_though_the_first_look_at_the_keys_fails() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (text, row) = gate.issue().await;
        assert!(gate.ask(&text, now()).await.is_ok());
        let file = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        file.execute("INSERT INTO signing_keys (kid, public, created_at) VALUES ('odd', x'00', 0)", [])
            .unwrap();
        assert!(tool.tokens.revoke_key(&row.kid, now()).await.is_err());
        assert!(gate.tokens.follow(now()).await.is_err());
        file.execute("DELETE FROM signing_keys WHERE kid = 'odd'", []).unwrap();
        gate.tokens.follow(now()).await.unwrap();
        assert!(gate.ask(&text, now()).await.is_err());
    });
}

#[test]
fn a_private_key_that_cannot_be_used_keeps_no_key_alive_that_was_taken_back() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let (text, row) = gate.issue().await;
        tool.tokens.revoke_key(&row.kid, now()).await.unwrap();
        for name in fs_names(&folder) {
            let path = folder.path().join("keys").join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        gate.tokens.follow(now()).await.unwrap();
        assert!(gate.ask(&text, now()).await.is_err());
        let refused = gate.tokens.issue(&gate.sources, order(), now()).await.unwrap_err();
        assert!(matches!(refused, TokenError::NoSigningKey { .. }), "{refused:?}");
    });
}

/// What whoever copied the signing key can make.
fn forged(process: &Process, row: &TokenRow) -> Secret {
    let keys = process.tokens.keys.load();
    let (issuer, audience) = process.sources.own_names().unwrap();
    signed(row, keys.signing().unwrap(), issuer, audience).unwrap()
}

#[test]
fn a_copied_signing_key_makes_no_token_and_widens_none() {
    run(async |folder| {
        let (gate, tool) = (process(&folder).await, process(&folder).await);
        let narrow = Order { groups: Some(vec!["all".into()]), ..order() };
        let (text, row) = tool.tokens.issue(&tool.sources, narrow, now()).await.unwrap();
        assert!(gate.ask(&text, now()).await.is_ok(), "issued a moment ago by another process");
        let made = [
            TokenRow { jti: "0123456789abcdef".into(), ..row.clone() },
            TokenRow { groups: None, ..row.clone() },
            TokenRow { scopes: vec!["orders".into()], ..row.clone() },
            TokenRow { expires_at: later(7200).wall, ..row.clone() },
        ];
        for row in made {
            let refused = gate.ask(&forged(&tool, &row), now()).await.unwrap_err();
            assert_eq!(refused, Unidentified::UnknownToken, "{row:?}");
        }
    });
}

#[test]
fn a_store_that_does_not_answer_refuses_only_who_was_not_seen_before_and_only_for_the_time() {
    run(async |folder| {
        let gate = process(&folder).await;
        let ((seen, _), (new, _)) = (gate.issue().await, gate.issue().await);
        let (key, _) = gate.tokens.issue_api_key(&gate.sources, order(), now()).await.unwrap();
        assert!(gate.ask(&seen, now()).await.is_ok());
        let file = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
        let rename =
            |from: &str, to: &str| file.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), []).unwrap();
        rename("tokens", "tokens_away");
        rename("api_keys", "api_keys_away");
        assert_eq!(gate.ask(&new, now()).await.unwrap_err(), Unidentified::StoreUnavailable);
        assert_eq!(gate.ask(&key, now()).await.unwrap_err(), Unidentified::StoreUnavailable);
        assert!(gate.ask(&seen, now()).await.is_ok());
        rename("tokens_away", "tokens");
        rename("api_keys_away", "api_keys");
        assert!(gate.ask(&new, now()).await.is_ok());
        assert!(gate.ask(&key, now()).await.is_ok());
    });
}

#[tokio::test]
async fn so_many_are_looked_up_at_once_the_others_wait_their_turn_and_nobody_for_ever() {
    let (turns, at_once, most) = (Semaphore::new(3), AtomicU64::new(0), AtomicU64::new(0));
    let asked = (0..50).map(|_| {
        look_up(&turns, async {
            let now = at_once.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            most.fetch_max(now, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
            at_once.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
    });
    let found: Vec<_> = futures_util::future::join_all(asked.collect::<Vec<_>>()).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(most.into_inner(), 3);
    let hung = look_up(&turns, std::future::pending::<Result<(), StoreError>>()).await;
    assert_eq!(hung, Err(KeyProblem::Unavailable));
}

#[test]
fn key_files_are_private_and_loose_ones_refused() {
    run(async |folder| {
        let gate = process(&folder).await;
        let path = folder.path().join("keys").join(&fs_names(&folder)[0]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(gate);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let error =
            Tokens::open(store, &folder.path().join("keys"), Arc::default(), now()).await.unwrap_err();
        assert!(matches!(error, TokenError::Store(StoreError::LooseRights { .. })), "{error:?}");
    });
}

#[test]
fn what_does_not_fit_is_not_issued() {
    run(async |folder| {
        let gate = process(&folder).await;
        let refused = async |order: Order| {
            gate.tokens.issue(&gate.sources, order, now()).await.unwrap_err().to_string()
        };
        assert_eq!(refused(Order { id: "shup".into(), ..order() }).await, "App `shup` is not in principals/");
        assert_eq!(
            refused(Order { id: "off".into(), ..order() }).await,
            "App `off` is disabled in principals/"
        );
        assert!(refused(Order { id: "corp|x".into(), ..order() }).await.contains("outside issuer"));
        let life = "a credential lives between 1s and 30 days";
        assert_eq!(refused(Order { ttl: Some(SignedDuration::from_hours(31 * 24)), ..order() }).await, life);
        assert_eq!(refused(Order { ttl: Some(SignedDuration::ZERO), ..order() }).await, life);
        let other = Order { groups: Some(vec!["partners".into()]), ..order() };
        assert_eq!(refused(other).await, "the principal is not in group `partners`");
        assert!(refused(Order { scopes: vec!["a b".into()], ..order() }).await.contains("is not a scope"));
        assert!(gate.tokens.store().tokens(None, now().wall).await.unwrap().is_empty());
    });
}

#[test]
fn a_narrower_token_says_so_and_is_narrower() {
    run(async |folder| {
        let gate = process(&folder).await;
        let order = Order { groups: Some(vec!["all".into()]), scopes: vec!["orders".into()], ..order() };
        let (text, row) = gate.tokens.issue(&gate.sources, order, now()).await.unwrap();
        let caller = gate.ask(&text, now()).await.unwrap();
        assert_eq!(caller.facts().groups, [GroupName::from("all")]);
        assert_eq!(caller.facts().scopes, [Arc::from("orders")]);
        let listed = gate.tokens.store().tokens(Some((Kind::App, "shop".into())), now().wall).await.unwrap();
        assert_eq!(listed, [row]);
    });
}

#[test]
fn an_api_key_identifies_until_it_is_taken_back_and_only_its_hash_is_kept() {
    run(async |folder| {
        let gate = process(&folder).await;
        let order = Order { ttl: None, ..order() };
        let (text, row) = gate.tokens.issue_api_key(&gate.sources, order, now()).await.unwrap();
        let mut ending = gate.ask(&text, now()).await.unwrap().ending();
        assert!(gate.ask(&text, later(1_000_000)).await.is_ok());
        let mut kept = Vec::new();
        for file in ["store.db", "store.db-wal"] {
            kept.extend(std::fs::read(folder.path().join(file)).unwrap());
        }
        // NOTE: the secret is base64url and may itself hold `_`: cut after the prefix, not at the last one.
        let (_, secret) = text.expose().split_once(&format!("{}_", row.prefix)).unwrap();
        let secret = secret.as_bytes();
        assert_eq!(secret.len(), 43);
        assert!(!kept.windows(secret.len()).any(|window| window == secret));
        assert!(gate.tokens.revoke(&row.prefix, now()).await.unwrap());
        assert_eq!(ending.wait().await, Ended::Revoked);
        assert_eq!(gate.ask(&text, now()).await.unwrap_err(), Unidentified::Revoked);
    });
}

#[test]
fn all_of_a_principal_is_taken_back_and_what_is_issued_after_is_good() {
    run(async |folder| {
        let gate = process(&folder).await;
        let (token, _) = gate.issue().await;
        let (key, _) = gate.tokens.issue_api_key(&gate.sources, order(), now()).await.unwrap();
        assert!(gate.ask(&token, now()).await.is_ok());
        assert_eq!(gate.tokens.revoke_all(Kind::App, "shop".into(), now()).await.unwrap(), 2);
        assert_eq!(gate.ask(&token, now()).await.unwrap_err(), Unidentified::Revoked);
        assert_eq!(gate.ask(&key, now()).await.unwrap_err(), Unidentified::Revoked);
        let (fresh, _) = gate.issue().await;
        assert!(gate.ask(&fresh, now()).await.is_ok());
    });
}

#[test]
fn an_admin_token_is_of_one_role_and_ends() {
    run(async |folder| {
        let gate = process(&folder).await;
        let hour = SignedDuration::from_hours(1);
        let (text, _) = gate.tokens.issue_admin("ewa".into(), AdminRole::Audit, hour, now()).await.unwrap();
        let found = gate.tokens.admin(text.expose(), now()).await.unwrap().unwrap();
        assert_eq!((&*found.name, found.role), ("ewa", AdminRole::Audit));
        assert!(gate.tokens.admin(text.expose(), later(3600)).await.unwrap().is_none());
        assert!(gate.tokens.admin("bra_", now()).await.unwrap().is_none());
        assert!(gate.tokens.admin(&text.expose().replace("bra_", "brk_"), now()).await.unwrap().is_none());
        assert!(gate.ask(&text, now()).await.is_err(), "it opens no data");
        let odd = gate.tokens.issue_admin("e\nwa".into(), AdminRole::Read, hour, now()).await.unwrap_err();
        assert!(odd.to_string().contains("is not a name"));
    });
}

#[test]
fn no_secret_is_printed() {
    run(async |folder| {
        let gate = process(&folder).await;
        let (text, _) = gate.issue().await;
        let printed = format!("{text:?} {:?}", gate.tokens);
        assert!(!printed.contains(text.expose()));
        assert!(!printed.contains("EcdsaKeyPair"));
    });
}
