//! Sessions and other sign-ins of a system, over the real binary: one login for many callers, and nothing of it
//! anywhere but at the system.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use data_encoding::BASE64;
use http::Method;
use serde_json::{Value, json};

use crate::{
    kit::{Demo, Who},
    stand::{Edits, ask, head, may_name, prepare},
    system::{Seen, System, Talk},
    tap::Reply,
};

const SECRET: &str = "pa55-of-the-gate";
const SESSION: &str = "session-id-of-the-gate";
const FORGED: &str = "csrf-token-of-the-gate";

/// A gate that signs in so; `SECRET` stands for a reference to the secret.
fn signing_in(system: &System, sign_in: &str) -> (Demo, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), SECRET).unwrap();
    let path = file.path().display().to_string();
    let sign_in = sign_in.replace("SECRET", &format!("\"${{file:{path}}}\""));
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, system, &Edits { system: &sign_in, ..Edits::default() });
            may_name(policies, "raw", &path);
        },
        &[],
    );
    (demo, file)
}

fn body(seen: &Seen, talk: &mut Talk) -> String {
    let length = seen.one("content-length").map_or(0, |length| length.parse().unwrap());
    String::from_utf8(talk.take(length).unwrap()).unwrap()
}

/// Logs in, wants the newest session, and a token against forged requests for what is no GET.
fn system(logins: &Arc<AtomicUsize>, good: &Arc<AtomicUsize>) -> System {
    let (logins, good) = (logins.clone(), good.clone());
    System::start(move |seen, talk| {
        let body = body(seen, talk);
        if seen.line() == "POST /Login HTTP/1.1" {
            assert_eq!(body, format!(r#"{{"UserName":"gate","Password":"{SECRET}"}}"#));
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            let set = format!("set-cookie: SID={SESSION}-{number}; HttpOnly\r\nset-cookie: other=1");
            return talk.say(format!("HTTP/1.1 200 OK\r\n{set}\r\ncontent-length: 2\r\n\r\n{{}}"));
        }
        let session = format!("SID={SESSION}-{}", good.load(Ordering::SeqCst));
        let cookies: Vec<_> = seen.one("cookie").unwrap_or_default().split("; ").collect();
        if !cookies.contains(&session.as_str()) {
            return talk.say("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n");
        }
        let token = seen.one("x-csrf-token");
        if token == Some("Fetch") {
            let set = format!("x-csrf-token: {FORGED}\r\nset-cookie: C={FORGED}");
            return talk.say(format!("HTTP/1.1 200 OK\r\n{set}\r\ncontent-length: 0\r\n\r\n"));
        }
        let is_guarded = token == Some(FORGED) && cookies.contains(&format!("C={FORGED}").as_str());
        match seen.line().starts_with("GET ") || is_guarded {
            true => talk.say(format!(
                "HTTP/1.1 200 OK\r\nset-cookie: SID={SESSION}\r\nx-csrf-token: {FORGED}\r\ncontent-length: 2\r\n\r\nin"
            )),
            false => talk.say("HTTP/1.1 403 No\r\nx-csrf-token: Required\r\ncontent-length: 0\r\n\r\n"),
        }
    })
}

const SIGN_IN: &str = "sign_in: { session: { post: /Login, json: { UserName: gate, Password: SECRET }, \
    cookies: [SID] }, csrf: { get: / } }";

fn sixty_four(demo: &Demo) {
    let asked = || ask(demo, head(demo, "GET /systems/raw/x", "Cookie: SID=mine\r\n"));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..64).map(|_| scope.spawn(asked)).collect();
        for one in all {
            assert_eq!(one.join().unwrap().text(), "in");
        }
    });
}

#[test]
fn sixty_four_callers_at_once_cause_one_login_and_one_more_when_it_ends() {
    let (logins, good): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    good.store(1, Ordering::SeqCst);
    let system = system(&logins, &good);
    let (demo, _secret) = signing_in(&system, SIGN_IN);
    sixty_four(&demo);
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    good.store(2, Ordering::SeqCst);
    sixty_four(&demo);
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

/// Everything that the gate wrote or said, with where.
fn all_said(demo: &Demo, replies: &[Reply]) -> Vec<(String, String)> {
    let mut said: Vec<_> =
        replies.iter().map(|reply| ("an answer".to_owned(), format!("{reply:?}"))).collect();
    said.push(("stderr".to_owned(), demo.stderr()));
    for path in ["/metrics", "/api/systems"] {
        let answer = demo.admin(Method::GET, path).by(Who::Admin).send();
        said.push((path.to_owned(), String::from_utf8_lossy(&answer.body).into_owned()));
    }
    files(&demo.data(), &mut said);
    said
}

fn files(folder: &Path, said: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, said);
        } else if let Ok(bytes) = fs::read(&path) {
            said.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[track_caller]
fn assert_nowhere(said: &[(String, String)], secrets: &[&str]) {
    for (place, text) in said {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

#[test]
fn nothing_of_a_session_is_seen_anywhere_but_at_the_system() {
    let (logins, good): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    good.store(1, Ordering::SeqCst);
    let system = system(&logins, &good);
    let (demo, _secret) = signing_in(&system, SIGN_IN);
    let post = || head(&demo, "POST /systems/raw/x", "Content-Length: 2\r\n") + "{}";
    let mut replies = vec![
        ask(&demo, head(&demo, "GET /systems/raw/x", "")),
        ask(&demo, post()),
        ask(&demo, head(&demo, "GET /systems/raw/x", "X-CSRF-Token: Fetch\r\n")),
    ];
    assert!(replies.iter().all(|reply| reply.text() == "in"), "{replies:?}");
    good.store(99, Ordering::SeqCst);
    replies.extend([ask(&demo, head(&demo, "GET /systems/raw/x", "")), ask(&demo, post())]);
    let said = all_said(&demo, &replies);
    assert!(said.iter().any(|(place, _)| place.contains("journal")), "the journal was looked at");
    assert_nowhere(&said, &[SECRET, SESSION, FORGED]);
}

#[test]
fn a_login_that_is_refused_is_a_502_and_the_callers_request_is_not_sent() {
    let system = System::start(|seen, talk| {
        drop(body(seen, talk));
        talk.say(format!("HTTP/1.1 401 No\r\nwww-authenticate: Basic\r\ncontent-length: 16\r\n\r\n{SECRET}"))
    });
    let (demo, _secret) = signing_in(&system, SIGN_IN);
    let replies: Vec<_> = (0..5).map(|_| ask(&demo, head(&demo, "GET /systems/raw/x", ""))).collect();
    assert!(replies.iter().all(|reply| reply.status == 502), "{replies:?}");
    assert!(system.seen().iter().all(|seen| seen.line().starts_with("POST /Login ")));
    assert!(system.seen().len() <= 3, "a wrong password is not sent again and again");
    assert!(demo.stderr().contains("the login answered 401"), "the operator learns why:\n{}", demo.stderr());
    assert_nowhere(&all_said(&demo, &replies), &[SECRET]);
}

#[test]
fn a_credential_in_the_query_is_seen_by_the_system_alone() {
    let system = System::plain();
    let (demo, _secret) = signing_in(&system, "sign_in: { query: { name: api_token, value: SECRET } }");
    let mut replies = vec![ask(&demo, head(&demo, "GET /systems/raw/x?a=1", ""))];
    assert_eq!(replies[0].status, 200);
    assert_eq!(system.last().line(), format!("GET /x?a=1&api_token={SECRET} HTTP/1.1"));
    replies.push(ask(&demo, head(&demo, "GET /systems/raw/x?API_token=mine", "")));
    assert_eq!((replies[1].status, system.seen().len()), (400, 1), "nor does a caller set it");
    assert_nowhere(&all_said(&demo, &replies), &[SECRET]);
}

#[test]
fn a_session_is_shown_to_its_own_system_and_to_no_other() {
    let (logins, good): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    good.store(1, Ordering::SeqCst);
    let (own, other) = (system(&logins, &good), System::plain());
    let address = other.address;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), SECRET).unwrap();
    let path = file.path().display().to_string();
    let sign_in = SIGN_IN.replace("SECRET", &format!("\"${{file:{path}}}\""));
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, &own, &Edits { system: &sign_in, ..Edits::default() });
            may_name(policies, "raw", &path);
            crate::stand::add_system(policies, "other", &format!("http://{address}"), "");
        },
        &[],
    );
    for name in ["raw", "other", "raw", "other"] {
        assert_eq!(ask(&demo, head(&demo, &format!("GET /systems/{name}/x"), "")).status, 200);
    }
    for seen in other.seen() {
        assert!(!seen.head.contains(SESSION) && seen.one("cookie").is_none(), "{}", seen.head);
    }
}

/// A system that is signed in to in steps: a challenge, a token that is not ready at once, and a pair to take for it
/// once. It reads what was sealed for it, and lets nothing else in.
struct Stepped {
    system: System,
    /// Its public key, base64 of the DER.
    public: String,
    redeemed: Arc<AtomicUsize>,
    /// Requests that it has no answer for.
    strange: Arc<AtomicUsize>,
}

/// The number that it gives, and how it answers to the question whether the token is ready, each time it is asked.
fn stepped(number: &'static str, ready: &'static [&'static str]) -> Stepped {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let public = BASE64.encode(der.as_ref());
    let open = OaepPrivateDecryptingKey::new(key).unwrap();
    let (asked, redeemed) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let strange = Arc::new(AtomicUsize::new(0));
    let (seen_redeemed, seen_strange) = (redeemed.clone(), strange.clone());
    let system = System::start(move |seen, talk| {
        let sent: Value = serde_json::from_str(&body(seen, talk)).unwrap_or_default();
        let bearer = seen.one("authorization").unwrap_or_default().to_owned();
        let say = |talk: &mut Talk, status: u16, body: &str| {
            talk.say(format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
        };
        match seen.line() {
            "POST /auth/challenge HTTP/1.1" => say(
                talk,
                200,
                r#"{"challenge":"C-1","timestamp":"2025-07-11T12:23:56Z","timestampMs":1752236636015}"#,
            ),
            "POST /auth/ksef-token HTTP/1.1" => {
                let sealed = BASE64.decode(sent["encryptedToken"].as_str().unwrap().as_bytes()).unwrap();
                let mut out = vec![0; open.min_output_size()];
                let text = open.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut out, None).unwrap();
                assert_eq!(text, format!("{SECRET}|1752236636015").as_bytes());
                assert_eq!(sent["challenge"], "C-1");
                assert_eq!(sent["contextIdentifier"], json!({ "type": "Nip", "value": "5265877635" }));
                say(
                    talk,
                    202,
                    &json!({ "referenceNumber": number, "authenticationToken": { "token": "started" } })
                        .to_string(),
                )
            }
            "GET /auth/20250514-AU-2D HTTP/1.1" if bearer == "Bearer started" => {
                let status = ready[asked.fetch_add(1, Ordering::SeqCst).min(ready.len() - 1)];
                say(talk, 200, &format!(r#"{{"status":{{"code":{status},"description":"x"}}}}"#))
            }
            "POST /auth/token/redeem HTTP/1.1" if bearer == "Bearer started" => {
                seen_redeemed.fetch_add(1, Ordering::SeqCst);
                say(
                    talk,
                    200,
                    r#"{"accessToken":{"token":"access-of-the-gate"},"refreshToken":{"token":"r"}}"#,
                )
            }
            _ if bearer == "Bearer access-of-the-gate" => say(talk, 200, "in"),
            _ => {
                seen_strange.fetch_add(1, Ordering::SeqCst);
                say(talk, 401, "")
            }
        }
    });
    Stepped { system, public, redeemed, strange }
}

fn steps(public: &str, until: &str) -> String {
    let steps = r#"sign_in:
  values: { nip: "5265877635", key: "PUBLIC", word: SECRET }
  session:
    before:
      - { post: /auth/challenge, take: { challenge: challenge, at: timestampMs } }
      - post: /auth/ksef-token
        json:
          challenge: "{challenge}"
          contextIdentifier: { type: Nip, value: "{nip}" }
          encryptedToken: "base64(rsa-oaep({key}, {word}|{at}))"
        take: { number: referenceNumber, started: authenticationToken.token }
      - get: "/auth/{number}"
        headers: { name: Authorization, value: "Bearer {started}" }
        until: UNTIL
    post: /auth/token/redeem
    with: { name: Authorization, value: "Bearer {started}" }
    take: { access: accessToken.token }
    headers: { name: Authorization, value: "Bearer {access}" }
    lifetime: 10m
"#;
    steps.replace("PUBLIC", public).replace("UNTIL", until)
}

const NUMBER: &str = "20250514-AU-2D";

const UNTIL: &str = r#"{ at: status.code, equals: "200", pending: "100", every: 10ms, most: 5 }"#;

#[test]
fn a_login_in_steps_is_taken_once_for_all_callers_when_it_is_ready() {
    let stepping = stepped(NUMBER, &["100", "100", "200"]);
    let (demo, _secret) = signing_in(&stepping.system, &steps(&stepping.public, UNTIL));
    sixty_four(&demo);
    assert_eq!(stepping.redeemed.load(Ordering::SeqCst), 1);
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    let said = all_said(&demo, &[reply]);
    assert_nowhere(&said, &[SECRET, "access-of-the-gate", "Bearer started"]);
}

#[test]
fn a_login_that_is_not_ready_in_time_or_refused_is_no_login() {
    for (number, ready) in
        [(NUMBER, &["100"][..]), (NUMBER, &["415"]), ("../x", &["200"]), ("a b", &["200"]), ("", &["200"])]
    {
        let stepping = stepped(number, ready);
        let (demo, _secret) = signing_in(&stepping.system, &steps(&stepping.public, UNTIL));
        let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
        assert_eq!(reply.status, 502, "{number} {ready:?}");
        assert_eq!(stepping.strange.load(Ordering::SeqCst), 0, "what it answers leads nowhere else");
        assert_eq!(stepping.redeemed.load(Ordering::SeqCst), 0);
    }
}
