//! Credentials outside the header, signed requests, and the other grants of OAuth2.

use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Remembers what it hears.
async fn hearing(answer: &'static str) -> (Peer, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hearing = heard.clone();
    let peer = Peer::answering(move |request| {
        hearing.lock().push(request);
        ok(answer)
    })
    .await;
    (peer, heard)
}

fn passed<'a>(query: Option<&'a str>, body: &'static str) -> Passed<'a> {
    Passed {
        method: Method::POST,
        path: "/x",
        query,
        version: http::Version::HTTP_11,
        headers: HeaderMap::new(),
        body: crate::body::Body::from(Bytes::from_static(body.as_bytes())),
    }
}

fn on_behalf() -> OnBehalf {
    OnBehalf::new(&passing::channel("192.0.2.1"), None)
}

#[tokio::test]
async fn a_credential_in_the_query_stands_there_once_in_every_try() {
    let (peer, heard) = hearing("ok").await;
    let core = CorePools::new(8);
    let system = system(&[&peer], "sign_in: { query: { name: api_token, value: '${env:T}' } }");
    assert_eq!(fetch(&system, &core).await.unwrap().body, "ok");
    let request = system.forward(passed(Some("a=1"), ""), &on_behalf()).unwrap();
    drop(system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap());
    // A page's link may repeat what the gate put in.
    let mut again = asking(Method::GET, "");
    again.target = "/contacts?api_token=s3cret-old&page=2".into();
    drop(system.native(&core, ID, &again, Kind::Reading, soon()).await.unwrap());
    let lines: Vec<_> = heard.lock().iter().map(|heard| heard.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /contacts?limit=2&api_token=s3cret-T HTTP/1.1",
            "POST /x?a=1&api_token=s3cret-T HTTP/1.1",
            "GET /contacts?page=2&api_token=s3cret-T HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn a_passed_through_call_that_goes_elsewhere_is_signed_once() {
    let ((peer, heard), down, core) = (hearing("ok").await, absent().await, CorePools::new(8));
    let more = "sign_in: { query: { name: k, value: '${env:T}' } }\nretries: { tries_max: 4 }";
    let system = system(&[&down, &peer], more);
    for _ in 0..8 {
        let request = system.forward(passed(Some("a=1"), "body"), &on_behalf()).unwrap();
        drop(system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap());
    }
    assert!(heard.lock().iter().all(|heard| heard.starts_with("POST /x?a=1&k=s3cret-T HTTP/1.1\r\n")));
}

#[tokio::test]
async fn a_caller_cannot_name_the_gates_own_parameter() {
    let (peer, heard) = hearing("ok").await;
    let system = system(&[&peer], "sign_in: { query: { name: api_token, value: '${env:T}' } }");
    for query in [
        "api_token=x",
        "a=1&API_TOKEN=x",
        "api%5Ftoken",
        "a;api_token=x",
        "api_token[]=x",
        "api_token%5B0]=x",
    ] {
        let error = system.forward(passed(Some(query), ""), &on_behalf()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the request cannot be sent: its query sets the parameter by which the gate signs in"
        );
    }
    assert!(system.forward(passed(Some("api_tokens=x&x=api_token"), ""), &on_behalf()).is_ok());
    assert!(heard.lock().is_empty());
}

#[tokio::test]
async fn a_credential_in_the_body_is_put_there_and_nowhere_else() {
    let (peer, heard) = hearing("ok").await;
    let core = CorePools::new(8);
    let system = system(&[&peer], "sign_in: { body: { at: auth.key, value: '${env:T}' } }");
    let writes = |method, body| {
        let (system, core) = (system.clone(), core.clone());
        async move { system.native(&core, ID, &asking(method, body), Kind::Changing, soon()).await }
    };
    assert_eq!(writes(Method::POST, r#"{"n": 1.10}"#).await.unwrap().answer.body, "ok");
    assert_eq!(writes(Method::POST, "").await.unwrap().answer.body, "ok");
    for (method, body, told) in [
        (Method::GET, "", "it has none"),
        (Method::POST, "[1]", "no JSON object"),
        (Method::POST, "<x/>", "no JSON object"),
        (Method::POST, r#"{"auth":{"key":"mine"}}"#, "holds the field"),
    ] {
        let error = writes(method, body).await.unwrap_err();
        assert!(error.to_string().contains(told) && !format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(error.sent(), Sent::No);
    }
    let bodies: Vec<_> =
        heard.lock().iter().map(|heard| heard.split_once("\r\n\r\n").unwrap().1.to_owned()).collect();
    assert_eq!(bodies, [r#"{"auth":{"key":"s3cret-T"},"n":1.10}"#, r#"{"auth":{"key":"s3cret-T"}}"#]);
    assert!(heard.lock()[1].contains("content-type: application/json\r\n"));
    assert!(system.forward(passed(None, "{}"), &on_behalf()).is_err(), "a body that streams is not edited");
}

#[tokio::test]
async fn several_fields_go_along_beside_a_token() {
    let (issuer, _) = hearing(r#"{"access_token":"t"}"#).await;
    let (peer, heard) = hearing("ok").await;
    let sign_in = format!(
        "sign_in: {{ oauth2: {{ token_url: {}, client_id: c, client_secret: '${{env:C}}' }}, \
         headers: [{{ name: developer-token, value: '${{env:D}}' }}, {{ name: X-B, value: '${{env:B}}' }}] }}",
        issuer.url()
    );
    let system = system(&[&peer], &sign_in);
    assert_eq!(fetch(&system, &CorePools::new(8)).await.unwrap().body, "ok");
    let heard = heard.lock()[0].clone();
    for line in ["authorization: Bearer t\r\n", "developer-token: s3cret-D\r\n", "x-b: s3cret-B\r\n"] {
        assert!(heard.contains(line), "{heard}");
    }
}

#[tokio::test]
async fn a_request_is_signed_as_it_is_sent() {
    let (peer, heard) = hearing("ok").await;
    let core = CorePools::new(8);
    // A hash over fixed parts and the time, in the body.
    let in_body = system(
        &[&peer],
        "sign_in: { values: { id: c1, key: '${env:K}' }, body: [ { at: clientId, value: '{id}' }, \
         { at: requestTime, value: '{$now_ms}' }, { at: sha, value: 'hex(sha1({key}{id}))' } ] }",
    );
    assert_eq!(effect(&in_body, &core).await.unwrap().body, "ok");
    let body: Value = serde_json::from_str(heard.lock()[0].split_once("\r\n\r\n").unwrap().1).unwrap();
    let now = clock::now().wall.as_millisecond();
    assert!((0..60_000).contains(&(now - body["requestTime"].as_i64().unwrap())), "a number, and now");
    // sha1("s3cret-Kc1")
    assert_eq!(body["clientId"], json!("c1"));
    assert_eq!(body["sha"].as_str().map(str::len), Some(40));

    // A MAC over the request, in the head.
    let in_head = system(
        &[&peer],
        "sign_in: { values: { user: u, key: '${env:K}' }, headers: { name: Authentication, \
         value: 'IAPIS user={user}, hmac-sha1=hex(hmac-sha1({key}, {$url}{user}{$body}))' } }",
    );
    assert_eq!(effect(&in_head, &core).await.unwrap().body, "ok");
    let heard = heard.lock()[1].clone();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"s3cret-K");
    let signed = format!("http://{}/contactsu{{}}", peer.address);
    let mac = data_encoding::HEXLOWER.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref());
    assert!(heard.contains(&format!("authentication: IAPIS user=u, hmac-sha1={mac}\r\n")), "{heard}");
    // A body that streams is not signed, and so not sent.
    let error = in_head.passed(&core, ID, signing::upload().into(), soon(), clock::now()).await.unwrap_err();
    assert!(error.to_string().contains("a streamed one cannot be signed"), "{error}");
}

/// A system behind an issuer that names its address.
fn named_by(issuer: &Peer, hosts: &str) -> Arc<Upstream> {
    let text = format!(
        "base: http://127.0.0.1:9/services\nallow_local: true\nsign_in: {{ oauth2: {{ token_url: {}, client_id: c, \
         client_secret: '${{env:C}}', base_from: {{ at: instance_url, hosts: [{hosts}] }} }} }}",
        issuer.url()
    );
    configure(&Registry::default(), &text).unwrap()
}

#[tokio::test]
async fn the_address_that_comes_with_a_token_is_called_if_it_is_listed() {
    let (peer, heard) = hearing("ok").await;
    let named =
        json!({ "access_token": "t", "instance_url": format!("http://{}", peer.address) }).to_string();
    let (issuer, _) = hearing(named.leak()).await;
    let core = CorePools::new(8);
    let system = named_by(&issuer, &format!("'{}'", peer.address));
    for _ in 0..3 {
        assert_eq!(fetch(&system, &core).await.unwrap().body, "ok");
    }
    assert!(heard.lock()[0].starts_with("GET /services/contacts?limit=2 "), "the path of `base` stays");
    assert!(heard.lock()[0].contains(&format!("host: {}\r\n", peer.address)));
    assert_eq!(peer.connections(), 1, "its connection is kept");

    let elsewhere = named_by(&issuer, "elsewhere.example, '*.0.0.1', 127.0.0.1");
    let error = fetch(&elsewhere, &core).await.unwrap_err();
    assert!(error.to_string().contains("an address that `base_from.hosts` does not list"), "{error}");
    assert_eq!((error.sent(), peer.connections()), (Sent::No, 1));
}

async fn form(grant: &str) -> String {
    let (issuer, heard) = hearing(r#"{"access_token":"t"}"#).await;
    let (peer, _) = hearing("ok").await;
    let sign_in = format!("sign_in: {{ oauth2: {{ token_url: {}, client_id: c, {grant} }} }}", issuer.url());
    assert_eq!(fetch(&system(&[&peer], &sign_in), &CorePools::new(8)).await.unwrap().body, "ok");
    let heard = heard.lock()[0].clone();
    heard.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn each_grant_asks_in_its_own_words() {
    assert_eq!(
        form("grant: password, client_secret: '${env:C}', authenticate: body, user: { user: u, password: '${env:P&x}' }").await,
        "grant_type=password&client_id=c&client_secret=s3cret-C&username=u&password=s3cret-P%26x"
    );
    assert_eq!(
        form("grant: refresh_token, refresh_token: '${env:R}', scope: s").await,
        "grant_type=refresh_token&client_id=c&scope=s&refresh_token=s3cret-R"
    );
}

#[tokio::test]
async fn an_assertion_is_signed_by_our_key() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (issuer, heard) = hearing(r#"{"access_token":"t"}"#).await;
    let (peer, _) = hearing("ok").await;
    let text = format!(
        "base: {}\nallow_local: true\nsign_in: {{ oauth2: {{ token_url: {}, client_id: c, grant: jwt_bearer, scope: s, \
         assertion: {{ key: '${{env:KEY}}', key_id: k1, subject: robot, audience: aud }} }} }}",
        peer.url(),
        issuer.url()
    );
    let pem = pair.serialize_pem();
    let system = configure_with(&Registry::default(), &text, &[], &|_| Some(pem.clone())).unwrap();
    assert_eq!(fetch(&system, &CorePools::new(8)).await.unwrap().body, "ok");
    let heard = heard.lock()[0].clone();
    let form = heard.split_once("\r\n\r\n").unwrap().1;
    let assertion = form
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    let key = jsonwebtoken::DecodingKey::from_ec_der(pair.public_key_raw());
    let mut wanted = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    wanted.set_audience(&["aud"]);
    wanted.set_issuer(&["c"]);
    let token = jsonwebtoken::decode::<Value>(assertion, &key, &wanted).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("k1"));
    assert_eq!((&token.claims["sub"], &token.claims["scope"]), (&json!("robot"), &json!("s")));
    let head = BASE64URL_NOPAD.decode(assertion.split('.').next().unwrap().as_bytes()).unwrap();
    assert!(!String::from_utf8(head).unwrap().contains("PRIVATE"));
}
