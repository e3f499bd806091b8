//! Exactly one host, spelled as one.

use http::{Request, Version};

use crate::{
    ground::{GOODS, Ground, edit, send_h2},
    kit::{Demo, Who},
};

#[test]
fn a_head_without_exactly_one_host_is_refused_and_nothing_is_asked() {
    let ground = Ground::open();
    let signed = ground.signed(Who::App);
    let mut answers = Vec::new();
    for host in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: localhost\r\nhOST: localhost\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: user@localhost\r\n",
        "Host: user:pw@localhost\r\n",
        "Host: localhost/admin\r\n",
        "Host: localhost?x\r\n",
        "Host: localhost#x\r\n",
        "Host: http://localhost\r\n",
        "Host: localhost:\r\n",
        "Host: localhost:99999\r\n",
        "Host: localhost:+443\r\n",
        "Host: localhost:443:443\r\n",
        "Host: [::1\r\n",
        "Host: [localhost]\r\n",
        "Host: local%68ost\r\n",
        "Host: ../x\r\n",
    ] {
        for path in [GOODS, "/systems/raw/x"] {
            let head = format!("GET {path} HTTP/1.1\r\n{host}{signed}\r\n");
            answers.push(ground.refuses(head.as_bytes(), &[400]));
        }
    }
    let head =
        [b"GET /systems/raw/x HTTP/1.1\r\nHost: local\xffhost\r\n", signed.as_bytes(), b"\r\n"].concat();
    answers.push(ground.refuses(&head, &[400]));
    // The target names another host than the line, or stands alone.
    for (target, host) in
        [("https://other/systems/raw/x", "Host: localhost\r\n"), ("https://localhost/systems/raw/x", "")]
    {
        let head = format!("GET {target} HTTP/1.1\r\n{host}{signed}\r\n");
        answers.push(ground.refuses(head.as_bytes(), &[400]));
    }
    ground.untouched(&answers);
    let head = format!("GET https://localhost/systems/raw/x HTTP/1.1\r\nHost: LOCALHOST\r\n{signed}\r\n");
    ground.send(head.as_bytes()).unwrap().expect(200);
    assert!(ground.system.seen()[0].starts_with("GET /x HTTP/1.1\r\n"));
}

#[test]
fn over_http_2_the_authority_is_the_host_and_no_other_is_taken() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    let asking = |authority: &str| {
        Request::builder()
            .version(Version::HTTP_2)
            .uri(format!("https://{authority}/systems/raw/x"))
            .header("authorization", format!("Bearer {token}"))
    };
    let mut answers = Vec::new();
    for (authority, hosts) in [
        ("localhost", &["other"][..]),
        ("localhost", &["localhost:1"]),
        ("localhost", &["localhost", "localhost"]),
        ("localhost", &["localhost", "other"]),
        ("localhost", &[""]),
        ("user@localhost", &[]),
        ("user:pw@localhost", &[]),
        ("user@localhost", &["localhost"]),
    ] {
        let mut request = asking(authority);
        for host in hosts {
            request = request.header("host", *host);
        }
        if let Some(answer) = send_h2(&ground.demo, request.body(()).unwrap()) {
            assert_eq!(answer.status, 400, "{authority} {hosts:?}");
            answers.push(answer);
        }
    }
    assert!(!answers.is_empty());
    ground.untouched(&answers);
    send_h2(&ground.demo, asking("localhost").body(()).unwrap()).unwrap().expect(200);
    send_h2(&ground.demo, asking("localhost").header("host", "localhost").body(()).unwrap())
        .unwrap()
        .expect(200);
    assert_eq!(ground.system.seen().len(), 2);
}

#[test]
fn a_target_of_another_scheme_than_the_connections_is_refused() {
    let ground = Ground::open();
    let mut answers = Vec::new();
    for scheme in ["http", "ftp"] {
        let head = ground.head(&format!("GET {scheme}://localhost/systems/raw/x"), "");
        answers.push(ground.refuses(&head, &[400]));
    }
    let token = ground.demo.token(Who::App).unwrap();
    let asking = |scheme: &str| {
        Request::builder()
            .version(Version::HTTP_2)
            .uri(format!("{scheme}://localhost/systems/raw/x"))
            .header("authorization", format!("Bearer {token}"))
    };
    answers.push(send_h2(&ground.demo, asking("http").body(()).unwrap()).unwrap().refused(400));
    ground.untouched(&answers);
    ground.send(&ground.head("GET https://localhost/systems/raw/x", "")).unwrap().expect(200);
}

#[test]
fn white_space_around_a_value_is_refused_over_http_2() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    let asking = |value: &'static [u8]| {
        let value = http::HeaderValue::from_bytes(value).unwrap();
        let request = Request::builder().version(Version::HTTP_2).uri("https://localhost/systems/raw/x");
        let request = request.header("authorization", format!("Bearer {token}")).header("x-app", value);
        send_h2(&ground.demo, request.body(()).unwrap()).unwrap()
    };
    let answers: Vec<_> =
        [b" a".as_slice(), b"a ", b"\ta", b"a\t"].map(|value| asking(value).refused(400)).into();
    ground.untouched(&answers);
    asking(b"a b").expect(200);
}

#[test]
fn a_listener_that_names_its_hosts_answers_no_other() {
    let demo = Demo::start_with(
        |policies| {
            edit(
                &policies.join("gateway.yaml"),
                "  - name: data\n",
                "  - name: data\n    hosts: [localhost]\n",
            );
        },
        &[],
    );
    let ground = |host: &str| {
        let request = Request::builder()
            .version(Version::HTTP_2)
            .uri(format!("https://{host}{GOODS}"))
            .header("authorization", format!("Bearer {}", demo.token(Who::App).unwrap()));
        send_h2(&demo, request.body(()).unwrap()).unwrap().status
    };
    assert_eq!(ground("localhost"), 200);
    assert_eq!(ground("LOCALHOST:8443"), 200);
    assert_eq!(ground("other"), 421);
    assert_eq!(ground("localhost.other"), 421);
}
