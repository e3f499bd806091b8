//! Callers that are not ours: curl and h2load, over HTTP/2 and under load.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    book,
    ground::{OK, System, join},
    kit::{Demo, Who},
};

/// Runs a tool that must be there.
fn tool(name: &str, args: &[&str]) -> Output {
    Command::new(name).args(args).output().unwrap_or_else(|e| panic!("`{name}` is needed: {e}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Plans that do not get in the way of a load.
fn unbounded(policies: &Path) {
    let file = policies.join("limits.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("rate: 500/s", "rate: 1000000/s").replace("burst: 1000\n", "burst: 1000000\n");
    fs::write(&file, text.replace("burst: 1000 }", "burst: 1000000 }")).unwrap();
}

fn demo(system: &System) -> Demo {
    Demo::start_with(
        |policies| {
            unbounded(policies);
            join(policies, system.address(), "sign_in: none\n");
        },
        &[],
    )
}

/// Curl with the demo's CA and an app's token; the version it spoke, the status and the body.
fn curl(demo: &Demo, args: &[&str], path: &str) -> (i32, String, String) {
    let bearer = format!("Authorization: Bearer {}", demo.token(Who::App).unwrap());
    let url = format!("https://{}{path}", demo.address());
    let mut all =
        vec!["-sS", "--cacert", demo.env("BRAMKA_CA"), "-H", &bearer, "-w", "\n%{http_version} %{http_code}"];
    all.extend(args);
    all.push(&url);
    let output = tool("curl", &all);
    let out = text(&output.stdout);
    let (body, told) = out.rsplit_once('\n').unwrap();
    (output.status.code().unwrap(), body.to_owned(), told.to_owned())
}

#[test]
fn curl_gets_the_same_answers_over_http_2_as_over_http_1() {
    let demo = demo(&System::saying(OK));
    for path in [
        "/v1/products?limit=3&sort=sku",
        "/v1/customers/701000000001",
        "/v1/customers/9",
        "/systems/raw/thing",
    ] {
        let (code, one, told_one) = curl(&demo, &["--http1.1"], path);
        let (code_two, two, told_two) = curl(&demo, &["--http2"], path);
        assert_eq!((code, code_two), (0, 0), "{path}");
        let (one_version, one_status) = told_one.split_once(' ').unwrap();
        let (two_version, two_status) = told_two.split_once(' ').unwrap();
        assert_eq!((one_version, two_version), ("1.1", "2"), "{path}");
        assert_eq!(one_status, two_status, "{path}");
        if one_status == "200" {
            assert_eq!(unsealed(&one), unsealed(&two), "{path}");
            assert!(!one.is_empty(), "{path}");
        }
    }
}

/// An answer without its cursor, which is sealed anew each time.
fn unsealed(answer: &str) -> &str {
    answer.split(",\"next_cursor\"").next().unwrap()
}

#[test]
fn curl_hears_over_http_2_that_an_answer_broke_off() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf of it",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf of it\r\n",
    ] {
        let demo = demo(&System::closing_after(cut));
        let (code, body, told) = curl(&demo, &["--http2"], "/systems/raw/half");
        assert_ne!(code, 0, "curl takes it for whole: {told}: {body}");
    }
}

#[test]
fn an_upload_over_http_2_arrives_whole() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        let body = conn.until("\r\n0\r\n\r\n").await?;
        assert!(body.contains("the end"));
        conn.say(OK).await
    });
    let demo = demo(&system);
    let file = demo.data().join("upload");
    fs::write(&file, format!("{}the end", "x".repeat(3_000_000))).unwrap();
    let from = format!("@{}", file.display());
    let more = ["--http2", "--data-binary", &from, "-H", "content-type: text/plain", "-H", "content-length:"];
    let (code, body, told) = curl(&demo, &more, "/systems/raw/upload");
    assert_eq!((code, body.as_str(), told.as_str()), (0, "ok", "2 200"));
}

#[test]
fn h2load_gets_every_answer_right_and_each_is_in_the_journal() {
    const COUNT: usize = 3000;
    let demo = demo(&System::saying(OK));
    let before = answered(&demo);
    let bearer = format!("authorization: Bearer {}", demo.token(Who::App).unwrap());
    for (path, more) in [
        ("/systems/raw/thing", vec![]),
        ("/v1/customers/701000000001", vec![]),
        ("/systems/raw/thing", vec!["--h1"]),
    ] {
        let url = format!("https://{}{path}", demo.address());
        let count = COUNT.to_string();
        let mut args = vec!["-n", &count, "-c", "20", "-m", "10", "-H", &bearer];
        args.extend(more);
        args.push(&url);
        let output = tool("h2load", &args);
        let out = text(&output.stdout);
        assert!(output.status.success(), "{out}{}", text(&output.stderr));
        assert!(out.contains(&format!("status codes: {COUNT} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{out}");
        assert!(out.contains(&format!("{COUNT} succeeded, 0 failed, 0 errored, 0 timeout")), "{out}");
    }
    let (code, dir) = demo.stop();
    assert_eq!(code, 0);
    let entries = book::entries(&dir.path().join("data"));
    let answers = book::answers(&entries);
    assert_eq!(answers.values().filter(|statuses| **statuses == [200]).count(), before + 3 * COUNT);
}

/// How many exchanges were answered well so far.
fn answered(demo: &Demo) -> usize {
    book::answers(&book::entries(&demo.data())).values().filter(|statuses| **statuses == [200]).count()
}
