//! One path: what was judged is what is asked, however it is spelled.

use http::{Request, Version};

use crate::{
    ground::{Ground, send_h2},
    kit::Who,
};

/// Spellings that some reader takes for the path that follows the first slash of `to`.
fn spellings(to: &str) -> Vec<String> {
    let (first, rest) = to.trim_start_matches('/').split_at(1);
    let hex = format!("%{:02x}", first.as_bytes()[0]);
    vec![
        format!("//{first}{rest}"),
        format!("/./{first}{rest}"),
        format!("/x/../{first}{rest}"),
        format!("/{hex}{rest}"),
        format!("/x/%2e%2e/{first}{rest}"),
        format!("/x/.%2E/{first}{rest}"),
        format!("/x%2f..%2f{first}{rest}"),
        format!("/x%2F{first}{rest}"),
        format!("/x\\{first}{rest}"),
        format!("/x%5c..%5c{first}{rest}"),
        format!("/?/../{first}{rest}"),
        format!("/x/..;/{first}{rest}"),
        format!("/{first}{rest};x=1"),
        format!("/{first}{rest}%3bx"),
        format!("/{first}{rest}%00"),
        format!("/{first}{rest}%0a"),
        format!("/%25{}{rest}", &hex[1..]),
        format!("/x/%252e%252e/{first}{rest}"),
        format!("/{first}{rest}#/x"),
        format!("/x#/../{first}{rest}"),
        format!("/{first}{rest}%"),
        format!("/{first}{rest}%zz"),
        format!("/x/%c0%ae%c0%ae/{first}{rest}"),
        format!("/{first}{rest}%ff"),
    ]
}

#[test]
fn no_spelling_of_a_path_leads_a_partner_past_a_rule() {
    let ground = Ground::open();
    let signed = ground.signed(Who::Partner);
    let mut answers = Vec::new();
    for place in ["/v1/customers", "/systems/raw/x", "/systems/erp/companies"] {
        let plain = format!("GET {place} HTTP/1.1\r\nHost: localhost\r\n{signed}\r\n");
        answers.push(ground.refuses(plain.as_bytes(), &[403]));
        for path in spellings(place).into_iter().chain([place.to_uppercase(), format!("{place}/")]) {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{signed}\r\n");
            let answer = ground.refuses(head.as_bytes(), &[400, 403, 404]);
            answers.push(answer);
        }
    }
    // A place that is permitted is no door to one that is not.
    for path in [
        "/v1/products/../customers",
        "/v1/products/%2e%2e/customers",
        "/v1/products%2f..%2fcustomers",
        "/v1/products/..;/customers",
        "/v1/products/..%5ccustomers",
        "/v1/products/..\\customers",
        "/v1/products#/../customers",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{signed}\r\n");
        answers.push(ground.refuses(head.as_bytes(), &[400]));
    }
    ground.untouched(&answers);
}

#[test]
fn what_a_rule_about_paths_judged_is_byte_for_byte_what_the_system_is_asked() {
    let ground = Ground::with("", " when { !(context.checked.call.path like \"*admin*\") }");
    let signed = ground.signed(Who::App);
    let mut answers = Vec::new();
    for path in spellings("/admin") {
        let head = format!("GET /systems/raw{path} HTTP/1.1\r\nHost: localhost\r\n{signed}\r\n");
        let answer = ground.send(head.as_bytes()).unwrap();
        // `/?/../admin` asks for `/` with a query: nothing else may come through.
        let is_query = path.starts_with("/?");
        let may = if is_query { &[200, 400][..] } else { &[400, 403, 404] };
        assert!(may.contains(&answer.status), "{path}: {}", answer.status);
        answers.push(answer);
    }
    ground.written(&answers);
    let seen = ground.system.seen();
    assert!(seen.iter().all(|request| request.starts_with("GET /?/../admin HTTP/1.1\r\n")), "{seen:?}");
    // What comes through is sent as it was judged: unreserved letters decoded, nothing folded or collapsed.
    for (asked, sent) in
        [("/%41b/%7euser", "/Ab/~user"), ("/ADMI", "/ADMI"), ("/z%C3%a9", "/z%C3%A9"), ("/a%20b", "/a%20b")]
    {
        let head = ground.head(&format!("GET /systems/raw{asked}"), "");
        ground.send(&head).unwrap().expect(200);
        assert!(ground.system.seen()[0].starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{asked}");
    }
}

#[test]
fn the_same_spellings_are_refused_over_http_2() {
    let ground = Ground::with("", " when { !(context.checked.call.path like \"*admin*\") }");
    let token = ground.demo.token(Who::App).unwrap();
    let mut answers = Vec::new();
    for path in spellings("/admin").into_iter().filter(|path| !path.contains(['?', '#'])) {
        let Ok(uri) = format!("https://localhost/systems/raw{path}").parse::<http::Uri>() else { continue };
        let request = Request::builder().version(Version::HTTP_2).uri(uri);
        let request = request.header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let answer = send_h2(&ground.demo, request).unwrap();
        assert!([400, 403, 404].contains(&answer.status), "{path}: {}", answer.status);
        answers.push(answer);
    }
    assert!(answers.len() > 10);
    ground.untouched(&answers);
}

#[test]
fn targets_that_are_no_path_are_refused() {
    let ground = Ground::open();
    let mut answers = Vec::new();
    for line in [
        "OPTIONS *",
        "GET *",
        "GET systems/raw/x",
        "GET /systems/raw/x?a=\\",
        "GET /systems/raw/x?a=%00",
        "GET /systems/raw/x?a=%zz",
        "GET /systems/raw/x?a=%0d%0aX:1",
    ] {
        answers.push(ground.refuses(&ground.head(line, ""), &[400, 404]));
    }
    for line in
        [b"GET /systems/raw/\xc3\xa9".as_slice(), b"GET /systems/raw/\xff", b"GET /systems/raw/x?a=\xff"]
    {
        let head = [line, &ground.head("", "")[..]].concat();
        answers.push(ground.refuses(&head, &[400]));
    }
    ground.untouched(&answers);
}

#[test]
fn a_tunnel_is_opened_to_nobody() {
    let ground = Ground::open();
    let signed = ground.signed(Who::App);
    let mut answers = Vec::new();
    for target in ["localhost:443", "127.0.0.1:22", "/systems/raw/x", "http://localhost/systems/raw/x"] {
        let head = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: localhost:443\r\n{signed}\r\nGET /systems/raw/x HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        answers.push(ground.refuses(head.as_bytes(), &[400, 405]));
    }
    answers.push(ground.refuses(&ground.head("TRACE /systems/raw/x", ""), &[400, 405]));
    ground.untouched(&answers);
    let request = Request::builder()
        .method("CONNECT")
        .version(Version::HTTP_2)
        .uri("localhost:443")
        .header("authorization", format!("Bearer {}", ground.demo.token(Who::App).unwrap()));
    if let Some(answer) = send_h2(&ground.demo, request.body(()).unwrap()) {
        assert_eq!(answer.status, 405);
        ground.untouched(&[answer]);
    }
    assert_eq!(ground.system.seen(), <[String; 0]>::default());
}
