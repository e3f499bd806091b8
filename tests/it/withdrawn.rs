//! What was taken back is worth nothing: also on a full disk, while nothing can be kept, and where a file changed; and
//! what nobody got is worth nothing either.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    book,
    journal::{fill, seen_by},
    kit::{self, Answer, Ask, Demo, Who, until},
    line::{asking, bare},
    mint::Issuer,
    stage::{Stage, Staging},
};

const GOODS: &str = "/v1/products?limit=1";

/// A file system of its own for the whole data folder.
fn small_data() -> [&'static str; 6] {
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    let how = if user == b"0\n" { "-m" } else { "-rm" };
    let script = "mount -t tmpfs -o size=40m,mode=700 tmpfs \"${0%/audit}\" && exec \"$@\"";
    ["unshare", how, "bash", "-c", script, "{audit}"]
}

/// A verb of the binary where the gate of a stage sees its data.
fn verb(stage: &Stage, args: &[&str]) -> kit::Ran {
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = Command::new("nsenter");
    command.args(["-t", &stage.pid().to_string(), "-m"]);
    if user != b"0\n" {
        command.args(["-U", "--preserve-credentials"]);
    }
    let data = stage.data();
    let policies = data.with_file_name("policies");
    let output = command
        .arg(env!("CARGO_BIN_EXE_bramka"))
        .args(args)
        .arg("--data")
        .arg(&data)
        .arg("--policies")
        .arg(policies)
        .output()
        .unwrap();
    kit::Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A token of `shop-backend`: its text and its id.
fn parts(ran: &kit::Ran) -> (String, String) {
    assert_eq!(ran.code, 0, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    (told["text"].as_str().unwrap().to_owned(), told["id"].as_str().unwrap().to_owned())
}

const ISSUE: [&str; 7] = ["token", "issue", "--kind", "App", "--id", "shop-backend", "--json"];

fn with<'a>(ask: Ask<'a>, token: &str) -> Ask<'a> {
    ask.by(Who::Nobody).with("authorization", format!("Bearer {token}"))
}

#[test]
fn on_a_full_disk_the_command_line_and_an_operator_take_back_what_was_stolen() {
    let stage = Stage::open_as(&Staging { under: &small_data(), log: None }, |_| {});
    let stolen: Vec<_> = (0..3).map(|_| parts(&verb(&stage, &ISSUE))).collect();
    let key = parts(&verb(&stage, &[&ISSUE[..], &["--api-key"]].concat()));
    let operator = verb(&stage, &["token", "issue", "--admin", "ola", "--role", "issue"]).out;
    let admin = {
        let log = stage.stderr();
        let (_, rest) = log.split_once("admin=").unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let goods = |token: &str| stage.ask(bare(Method::GET, GOODS, Some(token))).status;
    for (text, _) in stolen.iter().chain([&key]) {
        assert_eq!(goods(text), 200);
    }
    fill(&seen_by(&stage));

    let [(first, first_id), (second, second_id), (third, third_id)] = &stolen[..] else { panic!() };
    let ran = verb(&stage, &["token", "revoke", first_id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    until("the first is refused", || goods(first) == 401);
    let path = format!("/api/tokens/{second_id}");
    let taken = asking(Method::DELETE, &path, Some(&operator)).body(Default::default()).unwrap();
    assert_eq!(crate::line::once(&admin, &stage.ca(), taken).status, 204);
    assert_eq!(goods(second), 401, "at once");
    // As often as it is needed, not once.
    let ran = verb(&stage, &["token", "revoke", third_id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    until("the third is refused", || goods(third) == 401);
    let ran = verb(&stage, &["token", "revoke", "--principal", "App/shop-backend"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    until("the key is refused", || goods(&key.0) == 401);
    let kept = verb(&stage, &["token", "list", "--json"]);
    let kept: Value = serde_json::from_str(&kept.out).unwrap();
    for id in [first_id, second_id, third_id, &key.1] {
        let one = kept.as_array().unwrap().iter().find(|one| one["id"] == **id).unwrap();
        assert_eq!(one["state"], "revoked", "{one}");
    }
}

#[test]
fn what_an_operator_takes_back_is_in_force_at_once_though_the_store_refuses_and_is_said_not_to_be_kept() {
    let demo = Demo::start();
    let (text, id) = parts(&demo.verb(&ISSUE));
    let operator = demo.verb(&["token", "issue", "--admin", "ola", "--role", "issue"]).out;
    let goods = || with(demo.get(GOODS), &text).send();
    goods().expect(200);
    let store = rusqlite::Connection::open(demo.data().join("bramka.db")).unwrap();
    let rename = |from: &str, to: &str| {
        store.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), []).unwrap();
    };
    rename("tokens", "tokens_away");
    let take = || with(demo.admin(Method::DELETE, &format!("/api/tokens/{id}")), operator.trim()).send();
    let told = take().refused(503).json();
    assert_eq!(told["title"], "in force, not kept");
    assert!(told["detail"].as_str().unwrap().contains("repeat it"), "{told}");
    goods().refused(401);
    rename("tokens_away", "tokens");
    take().expect(204);
    goods().refused(401);
}

#[test]
fn a_store_that_is_taken_away_from_under_a_gate_is_told_until_it_is_put_back() {
    let demo = Demo::start();
    let (text, id) = parts(&demo.verb(&ISSUE));
    let operator = demo.verb(&["token", "issue", "--admin", "ola", "--role", "issue"]).out;
    with(demo.get(GOODS), &text).send().expect(200);
    let (store, away) = (demo.data().join("bramka.db"), demo.data().join("away.db"));
    fs::rename(&store, &away).unwrap();
    // Another file under its name is no better than none.
    fs::write(&store, "").unwrap();
    let ready = || demo.admin(Method::GET, "/readyz").send();
    until("it is not ready", || ready().status == 503);
    let detail = ready().json();
    assert_eq!(detail["revocations"]["behind"], true, "{detail}");
    let why = detail["revocations"]["why"].as_str().unwrap();
    assert!(why.contains("bramka.db") && why.contains("restart the gate"), "{why}");
    let told = || demo.stderr().matches("revocations cannot be heard of").count();
    assert_eq!(told(), 1, "{}", demo.stderr());
    // What is taken back here is in force, and nobody is told that it is kept.
    let path = format!("/api/tokens/{id}");
    let taken = with(demo.admin(Method::DELETE, &path), operator.trim()).send().refused(503).json();
    assert_eq!(taken["title"], "in force, not kept");
    with(demo.get(GOODS), &text).send().refused(401);
    fs::rename(&away, &store).unwrap();
    until("it is ready again", || ready().status == 200);
    assert!(ready().json()["revocations"]["why"].is_null());
}

/// A demo whose `corp` signs with a key file, and a key file of somebody else's.
fn with_key_file(issuer: &Issuer) -> (Demo, PathBuf, String) {
    let demo = Demo::start_with(
        |policies| {
            issuer.enrol(
                policies,
                "apps, partners, staff",
                "  - { kind: App, id: \"corp|shop\", groups: [apps], plan: internal }\n",
            );
        },
        &[],
    );
    let scratch = tempfile::tempdir().unwrap();
    let policies = scratch.path().join("policies");
    kit::copy_shipped(&policies);
    Issuer::new().enrol(&policies, "apps", "");
    let other = fs::read_to_string(scratch.path().join("corp.jwks")).unwrap();
    let file = demo.policies().with_file_name("corp.jwks");
    (demo, file, other)
}

fn put(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
}

#[test]
fn a_key_withdrawn_from_an_issuers_file_ends_what_it_signed_by_itself_and_at_once_on_a_reload() {
    let issuer = Issuer::new();
    let (demo, file, other) = with_key_file(&issuer);
    let token = issuer.app("shop", &[]);
    let goods = || -> Answer { with(demo.get(GOODS), &token).send() };
    goods().expect(200);
    let ours = fs::read_to_string(&file).unwrap();
    let began = Instant::now();
    put(&file, &other);
    until("the token is refused", || goods().status == 401);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let reload = || demo.admin(Method::POST, "/api/reload").send().expect(200);
    put(&file, &ours);
    reload();
    goods().expect(200);
    put(&file, &other);
    reload();
    goods().refused(401);
    // A signal does the same.
    put(&file, &ours);
    demo.signal("HUP");
    until("the token is good again", || goods().status == 200);
}

#[test]
fn an_operator_that_is_turned_away_is_on_record_by_name_and_a_stranger_within_its_bound() {
    let demo = Demo::start();
    let reader = demo.verb(&["token", "issue", "--admin", "rita", "--role", "read"]).out;
    with(demo.admin(Method::GET, "/api/tokens"), reader.trim()).send().refused(403);
    with(demo.admin(Method::DELETE, "/api/tokens/secret-id"), "bra_wrong").send().refused(401);
    demo.admin(Method::GET, "/metrics").with("origin", "https://evil.example").send().refused(403);
    demo.admin(Method::POST, "/api/reload").by(Who::Nobody).send().refused(401);
    assert!(
        raw(&demo, b"GET /healthz HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 421 ")
    );
    let refused = || -> Vec<Value> {
        book::entries(&demo.data()).into_iter().filter(|entry| entry["act"] == "refused").collect()
    };
    until("all are on record", || refused().len() == 5);
    let entries = refused();
    let told: Vec<_> = entries.iter().map(|one| (&one["by"], &one["route"], &one["refusal"])).collect();
    let want = json!([
        ["admin:rita", "tokens", "admin_role"],
        ["stranger", "revoke", "admin_nobody"],
        ["stranger", "metrics", "admin_origin"],
        ["stranger", "reload", "admin_nobody"],
        ["stranger", "healthz", "admin_host"],
    ]);
    assert_eq!(json!(told), want);
    assert!(entries.iter().all(|entry| entry["kind"] == "administrative" && entry["sealed"].is_string()));
    assert!(!json!(entries).to_string().contains("secret-id"));
    for _ in 0..100 {
        demo.admin(Method::GET, "/metrics").by(Who::Nobody).send().refused(401);
    }
    let strangers = refused().iter().filter(|entry| entry["by"] == "stranger").count();
    assert_eq!(strangers, 60, "those beyond the bound are counted");
    let metrics = demo.admin(Method::GET, "/metrics").send().expect(200);
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("bramka_refusals_total{reason=\"admin_nobody\"} 102\n"), "{metrics}");
    assert!(book::verify(&demo.data()).is_whole());
}

/// Everything that is answered to bytes as they are, until the connection is closed.
fn raw(demo: &Demo, bytes: &[u8]) -> String {
    kit::runtime().block_on(async {
        let mut stream = kit::connect(&demo.admin_address(), demo.env("BRAMKA_CA")).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(kit::PATIENCE, stream.read_to_end(&mut answer)).await;
        // A connection that is cut is closed too.
        assert!(read.is_ok(), "the connection stays open");
        String::from_utf8_lossy(&answer).into_owned()
    })
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_400_on_the_admin_listener_and_close_it() {
    let demo = Demo::start();
    let next = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: localhost\n\n",
        "GET /healthz#x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let answer = raw(&demo, format!("{head}{next}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    let twice =
        raw(&demo, format!("{next}{}", next.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).as_bytes());
    assert_eq!(twice.matches("HTTP/1.1 200 ").count(), 2, "{twice}");
}

/// Runs a verb whose standard output takes nothing.
fn into_the_full(demo: &Demo, args: &[&str]) -> kit::Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_bramka"))
        .args(args)
        .arg("--data")
        .arg(demo.data())
        .arg("--policies")
        .arg(demo.policies())
        .stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    kit::Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::new(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_credential_whose_text_nobody_got_is_taken_back_and_a_verb_that_was_not_heard_fails() {
    let demo = Demo::start();
    let states = || -> Vec<(String, String)> {
        let listed: Value = serde_json::from_str(&demo.verb(&["token", "list", "--json"]).out).unwrap();
        let one =
            |one: &Value| (one["id"].as_str().unwrap().to_owned(), one["state"].as_str().unwrap().to_owned());
        listed.as_array().unwrap().iter().map(one).collect()
    };
    let before = states();
    for more in [&[][..], &["--json"], &["--api-key"]] {
        let issue = [&["token", "issue", "--kind", "App", "--id", "shop-backend"], more].concat();
        let ran = into_the_full(&demo, &issue);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("could not be written, so it was taken back"), "{ran:?}");
    }
    let ran = into_the_full(&demo, &["token", "issue", "--admin", "ola", "--role", "read"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let fresh: Vec<_> = states().into_iter().filter(|one| !before.contains(one)).collect();
    assert_eq!(fresh.len(), 4, "{fresh:?}");
    assert!(fresh.iter().all(|(_, state)| state == "revoked"), "{fresh:?}");
    let ran = into_the_full(&demo, &["token", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("standard output"), "{ran:?}");
}

#[test]
fn a_mistyped_data_folder_is_told_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("typo");
    let policies = kit::root().join("policies");
    for verb in [&["token", "issue", "--kind", "App", "--id", "shop-backend"][..], &["token", "rotate"]] {
        let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
        let ran = kit::run(&[verb, &place].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("no gate's data") && ran.err.contains("typo"), "{ran:?}");
        assert!(!data.exists());
    }
}
