//! The admin listener: who may do what there, what it tells, and what it does not let in.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    book,
    kit::{self, Ask, Demo, Who, until},
};

const ROLES: [&str; 4] = ["read", "audit", "issue", "operate"];

/// A fresh operator's token.
fn operator(demo: &Demo, role: &str) -> String {
    let ran = demo.verb(&["token", "issue", "--admin", role, "--role", role]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.trim().to_owned()
}

fn with<'a>(ask: Ask<'a>, token: &str) -> Ask<'a> {
    ask.by(Who::Nobody).with("authorization", format!("Bearer {token}"))
}

/// The status line of an answer to bytes as they are.
pub fn raw(demo: &Demo, bytes: &str) -> String {
    kit::runtime().block_on(async {
        let mut stream = kit::connect(&demo.admin_address(), demo.env("BRAMKA_CA")).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
    })
}

#[test]
fn each_role_opens_what_is_its_own_and_every_role_may_look() {
    let demo = Demo::start();
    let tokens = ROLES.map(|role| operator(&demo, role));
    for (method, path, allowed) in [
        (Method::GET, "/metrics", &ROLES[..]),
        (Method::GET, "/api/bundle", &ROLES[..]),
        (Method::GET, "/api/systems", &ROLES[..]),
        (Method::GET, "/api/sinks", &ROLES[..]),
        (Method::GET, "/api/audit/tail", &["audit"]),
        (Method::GET, "/api/tokens", &["issue"]),
        (Method::POST, "/api/reload", &["operate"]),
    ] {
        demo.admin(method.clone(), path).by(Who::Nobody).send().refused(401);
        with(demo.admin(method.clone(), path), "bra_wrong").send().refused(401);
        demo.admin(method.clone(), path).by(Who::App).send().refused(401);
        for (role, token) in ROLES.iter().zip(&tokens) {
            let answer = with(demo.admin(method.clone(), path), token).send();
            if allowed.contains(role) {
                answer.expect(200);
            } else {
                answer.refused(403);
            }
        }
    }
    with(demo.admin(Method::DELETE, "/api/tokens/abc"), &tokens[2]).send().refused(404);
    demo.admin(Method::DELETE, "/metrics").send().refused(405);
    // An operator's token opens no data.
    with(demo.get("/v1/customers"), &tokens[3]).send().refused(401);
}

#[test]
fn health_and_readiness_need_no_token_and_tell_strangers_nothing_else() {
    let demo = Demo::start();
    assert_eq!(demo.admin(Method::GET, "/healthz").by(Who::Nobody).send().expect(200).body, "ok\n");
    let brief = demo.admin(Method::GET, "/readyz").by(Who::Nobody).send().expect(200).json();
    assert_eq!(brief, json!({ "ready": true }));
    let detail = demo.admin(Method::GET, "/readyz").send().expect(200).json();
    assert_eq!(detail["journal"]["failed_lanes"], json!([]));
    assert_eq!(detail["bundle"]["digest"].as_str().unwrap().len(), 64);
    let bundle = demo.admin(Method::GET, "/api/bundle").send().expect(200).json();
    assert_eq!(bundle["counts"]["entities"], 11);
    let systems = demo.admin(Method::GET, "/api/systems").send().expect(200).json();
    assert_eq!(systems["systems"][0]["system"], "crm");
    assert_eq!(systems["systems"][0]["entities"], json!(["Customer"]));
    let metrics = demo.admin(Method::GET, "/metrics").send().expect(200);
    assert!(String::from_utf8_lossy(&metrics.body).contains("bramka_exchange_seconds_count"));
}

#[test]
fn a_broken_bundle_is_told_in_readiness_and_by_reload_while_the_old_one_serves() {
    let demo = Demo::start();
    let file = demo.policies().join("access/staff.cedar");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{good}\n@id(\"oops\") @feilds(\"*\") permit (principal, action, resource);\n"))
        .unwrap();
    let told = demo.admin(Method::POST, "/api/reload").send().expect(422).json();
    assert_eq!(told["outcome"], "kept_old");
    assert!(told["report"].as_str().unwrap().contains("did you mean `fields`?"), "{told}");
    let detail = demo.admin(Method::GET, "/readyz").send().expect(200).json();
    assert!(detail["bundle"]["last_refused"]["report"].as_str().unwrap().contains("feilds"), "{detail}");
    demo.get("/v1/customers?limit=1").send().expect(200);
    fs::write(&file, good).unwrap();
    assert_eq!(demo.admin(Method::POST, "/api/reload").send().expect(200).json()["outcome"], "swapped");
    let detail = demo.admin(Method::GET, "/readyz").send().expect(200).json();
    assert!(detail["bundle"]["last_refused"].is_null(), "{detail}");
}

#[test]
fn a_token_issued_here_works_and_taken_back_does_not_and_both_are_entries() {
    let demo = Demo::start();
    let (issue, audit) = (operator(&demo, "issue"), operator(&demo, "audit"));
    let body = json!({ "kind": "App", "id": "shop-backend", "ttl": "1h", "note": "a test" });
    let issued = with(demo.admin(Method::POST, "/api/tokens"), &issue).json(&body).send().expect(201).json();
    let (text, id) = (issued["text"].as_str().unwrap(), issued["id"].as_str().unwrap());
    with(demo.get("/v1/customers?limit=1"), text).send().expect(200);
    let listed = with(demo.admin(Method::GET, "/api/tokens"), &issue).send().expect(200).json();
    assert!(listed["credentials"].as_array().unwrap().iter().any(|one| one["id"] == id));
    assert!(!listed.to_string().contains(text));
    with(demo.admin(Method::DELETE, &format!("/api/tokens/{id}")), &issue).send().expect(204);
    until("the token is refused", || with(demo.get("/v1/customers?limit=1"), text).send().status == 401);
    let tail = with(demo.admin(Method::GET, "/api/audit/tail?count=200"), &audit).send().expect(200).json();
    let acts: Vec<&str> = tail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["entry"]["by"].as_str().is_some_and(|by| by.starts_with("admin:")))
        .filter_map(|one| one["entry"]["act"].as_str())
        .collect();
    assert_eq!(acts, ["credential-issue", "credential-revoke", "journal-read"]);
    assert!(!tail.to_string().contains(text));
}

#[test]
fn what_is_written_down_as_taken_back_is_taken_back_though_its_operator_leaves() {
    let demo = Demo::start();
    let issue = operator(&demo, "issue");
    let runtime = kit::runtime();
    let is_written = |id: &str| {
        book::entries(&demo.data())
            .iter()
            .any(|entry| entry["act"] == "credential-revoke" && entry.to_string().contains(id))
    };
    for _ in 0..8 {
        let body = json!({ "kind": "App", "id": "shop-backend", "ttl": "1h" });
        let issued =
            with(demo.admin(Method::POST, "/api/tokens"), &issue).json(&body).send().expect(201).json();
        let (text, id) = (issued["text"].as_str().unwrap(), issued["id"].as_str().unwrap());
        let asked = format!(
            "DELETE /api/tokens/{id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {issue}\r\n\r\n"
        );
        let stream = runtime.block_on(async {
            let mut stream = kit::connect(&demo.admin_address(), demo.env("BRAMKA_CA")).await;
            stream.write_all(asked.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            stream
        });
        // Not a moment later: what is between the entry and the act is short.
        let end = Instant::now() + kit::PATIENCE;
        while !is_written(id) {
            assert!(Instant::now() < end, "never: it is written down");
        }
        drop(stream);
        until("it is refused", || with(demo.get("/v1/customers?limit=1"), text).send().status == 401);
    }
}

#[test]
fn bodies_that_do_not_fit_are_refused_with_the_reason() {
    let demo = Demo::start();
    let issue = operator(&demo, "issue");
    let post = || with(demo.admin(Method::POST, "/api/tokens"), &issue);
    post().body("text/plain", "{}").send().refused(415);
    post().json(&json!({ "kind": "App", "id": "shop-backend", "role": "operate" })).send().refused(422);
    let nobody = post().json(&json!({ "kind": "App", "id": "shop-backand" })).send().refused(422);
    assert!(nobody.json()["detail"].as_str().unwrap().contains("shop-backand"));
    post().body("application/json", vec![b' '; 17 * 1024]).send().refused(413);
    demo.admin(Method::GET, "/metrics?x=1").send().refused(400);
}

#[test]
fn other_hosts_and_other_origins_are_not_answered() {
    let demo = Demo::start();
    let ask =
        |host: &str, more: &str| raw(&demo, &format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"));
    assert_eq!(ask("localhost", ""), "HTTP/1.1 200 OK");
    assert_eq!(ask("127.0.0.1:1", ""), "HTTP/1.1 200 OK");
    assert_eq!(ask("evil.example", ""), "HTTP/1.1 421 Misdirected Request");
    assert_eq!(ask("localhost", "Host: evil.example\r\n"), "HTTP/1.1 400 Bad Request");
    assert_eq!(ask("localhost", "Origin: https://evil.example\r\n"), "HTTP/1.1 403 Forbidden");
    assert_eq!(ask("localhost", "Origin: null\r\n"), "HTTP/1.1 403 Forbidden");
    assert_eq!(ask("localhost:9443", "Origin: https://localhost:9443\r\n"), "HTTP/1.1 200 OK");
    assert_eq!(ask("localhost", "Sec-Fetch-Site: cross-site\r\n"), "HTTP/1.1 403 Forbidden");
    let large = format!("X: {}\r\n", "x".repeat(40 * 1024));
    assert_eq!(ask("localhost", &large), "HTTP/1.1 431 Request Header Fields Too Large");
}

#[test]
fn the_certificate_is_swapped_when_its_files_change() {
    let demo = Demo::start();
    let base = demo.data();
    let ca = base.join("other-certs");
    let made = demo.run(&["certs", "init", "--dir", ca.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{made:?}");
    for file in ["server.pem", "server.key"] {
        fs::copy(ca.join(file), base.join("certs").join(file)).unwrap();
    }
    let ca = ca.join("ca.pem");
    until("the new certificate serves", || {
        kit::runtime().block_on(async {
            let stream = tokio::net::TcpStream::connect(demo.admin_address()).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            kit::connector(ca.to_str().unwrap()).connect(name, stream).await.is_ok()
        })
    });
}

#[test]
fn a_successor_answers_operators_on_the_same_address() {
    let mut demo = Demo::start();
    let (listen, admin) = (demo.address(), demo.admin_address());
    let mut successor = std::process::Command::new(env!("CARGO_BIN_EXE_bramka"))
        .args(["demo", "--listen", &listen, "--admin", &admin, "--data", demo.data().to_str().unwrap()])
        .args(["--policies", demo.policies().to_str().unwrap()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(demo.wait(), 0, "the first gate drains and ends");
    until("the successor is ready", || {
        let answered = std::panic::catch_unwind(|| {
            demo.admin(Method::GET, "/readyz").by(Who::Nobody).send().status == 200
        });
        answered.unwrap_or(false)
    });
    successor.kill().unwrap();
    successor.wait().unwrap();
}

#[test]
fn a_successor_that_cannot_serve_leaves_the_sockets_with_the_gate_that_does() {
    let demo = Demo::start();
    let (listen, admin) = (demo.address(), demo.admin_address());
    let store = demo.data().join("bramka.db");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    let successor = demo.verb(&["demo", "--listen", &listen, "--admin", &admin]);
    assert_eq!(successor.code, 1, "{successor:?}");
    assert!(successor.err.contains("bramka.db"), "{successor:?}");
    assert!(!demo.stderr().contains("a successor took the sockets over"), "{}", demo.stderr());
    demo.get("/v1/customers?limit=1").send().expect(200);
    demo.admin(Method::GET, "/readyz").send().expect(200);
}
