//! What of a head goes through: never a caller's credential to a system, nor a system's own to a caller.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    ground::{Caller, OK, System, edit, field, join},
    kit::{Demo, Who, runtime},
};

/// A demo that signs in to a system with a header key.
fn signing_in(system: &System) -> (Demo, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("raw.key");
    fs::write(&secret, "systems-own-key").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
    let demo = Demo::start_with(
        |policies| {
            let sign_in = format!(
                "sign_in: {{ header: {{ name: x-raw-key, value: \"${{file:{}}}\" }} }}\n",
                secret.display()
            );
            join(policies, system.address(), &sign_in);
            let assigned = format!("erp: [BC_TOKEN]\n  raw: [\"file:{}\"]", secret.display());
            edit(&policies.join("gateway.yaml"), "erp: [BC_TOKEN]", &assigned);
        },
        &[],
    );
    (demo, dir)
}

#[test]
fn the_callers_credential_never_reaches_a_system_and_the_systems_own_does() {
    let system = System::saying(OK);
    let (demo, _dir) = signing_in(&system);
    let asked = demo.get("/systems/raw/thing").with("x-raw-key", "the callers own").with("cookie", "a=b");
    asked.send().expect(200);
    let key = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
    assert_eq!(key.code, 0, "{key:?}");
    let asked = demo.get("/systems/raw/thing").by(Who::Nobody).with("x-api-key", key.out.trim());
    asked.send().expect(200);
    let seen = system.seen();
    assert_eq!(seen.len(), 2);
    let token = demo.token(Who::App).unwrap();
    for head in seen {
        assert_eq!(field(&head, "x-raw-key"), Some("systems-own-key"), "{head}");
        assert_eq!(field(&head, "authorization"), None, "{head}");
        assert_eq!(field(&head, "x-api-key"), None, "{head}");
        for secret in [token.as_str(), key.out.trim(), "the callers own"] {
            assert!(!head.contains(secret), "{head}");
        }
    }
}

#[test]
fn cookies_and_challenges_of_a_system_never_reach_the_caller() {
    let demo = System::saying(
        "HTTP/1.1 401 Unauthorized\r\nset-cookie: session=1\r\nset-cookie: other=2\r\nwww-authenticate: Basic\r\n\
         proxy-authenticate: Basic\r\nauthentication-info: a=b\r\nserver: Secret/1.0\r\nx-powered-by: secret\r\n\
         connection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nx-kept: yes\r\ncontent-length: 2\r\n\r\nno",
    )
    .demo("");
    let answer = demo.get("/systems/raw/thing").send().expect(401);
    for name in [
        "set-cookie",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "server",
        "x-powered-by",
        "x-hop",
        "keep-alive",
    ] {
        assert_eq!(answer.header(name), None, "{:?}", answer.headers);
    }
    assert_eq!(answer.header("x-kept"), Some("yes"));
    assert_eq!(answer.body, "no");
}

#[test]
fn what_a_caller_says_of_proxies_is_replaced_by_what_the_gate_knows() {
    let system = System::saying(OK);
    let demo = system.demo("");
    let forged = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "80"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=10.0.0.1;host=evil.example"),
        ("x-real-ip", "10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("x-request-id", "forged"),
        ("client-cert", ":AAAA:"),
        ("x-http-method-override", "DELETE"),
    ];
    let mut asked = demo.get("/systems/raw/thing").with("x-mine", "kept");
    for (name, value) in forged {
        // Methods in disguise are refused altogether.
        if name != "x-http-method-override" {
            asked = asked.with(name, value);
        }
    }
    let answer = asked.send().expect(200);
    let head = &system.seen()[0];
    for (name, value) in forged {
        assert_ne!(field(head, name), Some(value), "{head}");
    }
    assert!(!head.contains("10.0.0.1") && !head.contains("evil"), "{head}");
    assert_eq!(field(head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(head, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(head, "x-forwarded-host"), Some("localhost"));
    assert_eq!(field(head, "forwarded"), Some("for=127.0.0.1;host=\"localhost\";proto=https"));
    assert_eq!(field(head, "host"), Some(system.address().to_string().as_str()));
    assert_eq!(field(head, "x-request-id"), answer.header("x-request-id"));
    assert_eq!(field(head, "x-mine"), Some("kept"));
}

#[test]
fn fields_that_a_caller_names_in_connection_stop_at_the_gate() {
    let system = System::saying(OK);
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        let more = "connection: x-mine, keep-alive\r\nx-mine: 1\r\nkeep-alive: 5\r\nproxy-authorization: Basic YQ==\r\nx-kept: 1\r\n";
        caller.ask("GET /systems/raw/thing", more).await;
        assert!(caller.head().await.starts_with("HTTP/1.1 200 "));
    });
    let head = &system.seen()[0];
    for name in ["x-mine", "keep-alive", "proxy-authorization"] {
        assert_eq!(field(head, name), None, "{head}");
    }
    assert_eq!(field(head, "x-kept"), Some("1"));
}
