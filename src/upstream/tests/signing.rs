//! How the gate signs in.

use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::sync::Semaphore;

use super::*;
use crate::body::{Body, BodyError};

/// Echoes the sign-in it got.
async fn echoing(field: &'static str) -> Peer {
    Peer::answering(move |request| {
        let lines: Vec<_> = request.lines().filter(|line| line.starts_with(field)).collect();
        let said = lines.join("|");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}", said.len())
    })
    .await
}

/// An issuer that gives `t1`, `t2`, …, and counts.
async fn issuer(answer: fn(usize) -> String) -> (Peer, Arc<AtomicUsize>, Arc<parking_lot::Mutex<String>>) {
    let (count, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(parking_lot::Mutex::new(String::new())));
    let (counted, heard) = (count.clone(), last.clone());
    let peer = Peer::answering(move |request| {
        *heard.lock() = request;
        answer(counted.fetch_add(1, Ordering::SeqCst) + 1)
    })
    .await;
    (peer, count, last)
}

fn granting(n: usize) -> String {
    let body = format!(r#"{{"access_token":"t{n}","token_type":"Bearer","expires_in":3600}}"#);
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Takes only the token `t2`.
async fn taking_the_second() -> Peer {
    Peer::answering(|request| {
        if request.contains("authorization: Bearer t2\r\n") {
            OK.to_owned()
        } else {
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
    })
    .await
}

fn oauth2(issuer: &Peer, more: &str) -> String {
    format!(
        "sign_in: {{ oauth2: {{ token_url: {}token, client_id: gate, client_secret: '${{env:BC}}' {more} }} }}",
        issuer.url()
    )
}

#[tokio::test]
async fn each_way_to_sign_in_reaches_the_system() {
    let core = CorePools::new(8);
    for (sign_in, field, said) in [
        ("bearer: '${env:T}'", "authorization", "authorization: Bearer s3cret-T"),
        (
            "basic: { user: u, password: '${env:P}' }",
            "authorization",
            "authorization: Basic dTpzM2NyZXQtUA==",
        ),
        ("header: { name: X-Shop-Key, value: '${env:K}' }", "x-shop-key", "x-shop-key: s3cret-K"),
    ] {
        let peer = echoing(field).await;
        let system = system(&[&peer], &format!("sign_in: {{ {sign_in} }}"));
        assert_eq!(fetch(&system, &core).await.unwrap().body, said);
    }
}

#[tokio::test]
async fn one_token_is_fetched_for_many_calls_at_once() {
    let (issuer, count, last) = issuer(granting).await;
    let peer = echoing("authorization").await;
    let system = system(&[&peer], &oauth2(&issuer, ", scope: a b, audience: erp"));
    let core = CorePools::new(32);
    let calls = (0..20).map(|_| fetch(&system, &core));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().body, "authorization: Bearer t1");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let heard = last.lock().clone();
    assert!(heard.ends_with("\r\n\r\ngrant_type=client_credentials&scope=a%20b&audience=erp"), "{heard}");
    // `gate:s3cret-BC`, each form-encoded.
    assert!(heard.contains("authorization: Basic Z2F0ZTpzM2NyZXQtQkM=\r\n"), "{heard}");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let (issuer, count, _) = issuer(granting).await;
    let (peer, core) = (taking_the_second().await, CorePools::new(8));
    let spent = system(&[&peer], &oauth2(&issuer, ", authenticate: body"));
    assert_eq!(effect(&spent, &core).await.unwrap().status, 200);
    assert_eq!(fetch(&spent, &core).await.unwrap().status, 200);
    assert_eq!(count.load(Ordering::SeqCst), 2);

    let never = Peer::saying("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    let refused = system(&[&never], &oauth2(&issuer, ""));
    assert_eq!(fetch(&refused, &core).await.unwrap().status, 401);
    assert_eq!(count.load(Ordering::SeqCst), 4, "one for the call, one more after the refusal");
}

#[tokio::test]
async fn a_passed_through_call_gets_its_second_token_too() {
    let (issuer, _, _) = issuer(granting).await;
    let (peer, core) = (taking_the_second().await, CorePools::new(8));
    let system = system(&[&peer], &oauth2(&issuer, ""));
    let request = http::Request::get("/").body(Body::Empty).unwrap();
    let Opened::Answer(answer) =
        system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(answer.status(), 200);
}

/// An upload, which cannot be sent a second time.
pub(super) fn upload() -> http::Request<Body> {
    let piece = Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"body")));
    let body = Body::stream(StreamBody::new(futures_util::stream::iter([piece])));
    http::Request::post("/").body(body).unwrap()
}

pub(super) async fn uploaded(system: &Arc<Upstream>, core: &CorePools) -> u16 {
    let Opened::Answer(answer) =
        system.passed(core, ID, upload().into(), soon(), clock::now()).await.unwrap()
    else {
        panic!()
    };
    answer.status().as_u16()
}

#[tokio::test]
async fn a_token_that_is_refused_to_an_upload_is_not_shown_again() {
    let (issuer, count, _) = issuer(granting).await;
    let (peer, core) = (taking_the_second().await, CorePools::new(8));
    let system = system(&[&peer], &oauth2(&issuer, ""));
    // The body is spent: this one call is told, the next one has another token.
    assert_eq!((uploaded(&system, &core).await, uploaded(&system, &core).await), (401, 200));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn however_many_refusals_come_the_issuer_is_not_hammered() {
    let (issuer, count, _) = issuer(granting).await;
    let never = Peer::saying("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    let (system, core) = (system(&[&never], &oauth2(&issuer, "")), CorePools::new(8));
    for _ in 0..10 {
        assert_eq!(uploaded(&system, &core).await, 401);
        assert_eq!(fetch(&system, &core).await.unwrap().status, 401);
    }
    assert_eq!(count.load(Ordering::SeqCst), 2, "one token given up within some seconds");
}

#[tokio::test]
async fn signing_in_does_not_use_up_the_systems_own_clock() {
    let first_byte = Duration::from_millis(60);
    let (go, asked) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(0)));
    let (going, told) = (go.clone(), asked.clone());
    // A token that is over at once, so that each call fetches one.
    let issuer = Peer::new(move |mut stream, _| {
        let (going, told) = (going.clone(), told.clone());
        async move {
            while read_request(&mut stream).await.is_some() {
                told.add_permits(1);
                going.acquire().await.unwrap().forget();
                let body = r#"{"access_token":"t","expires_in":0}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                say(&mut stream, &format!("{head}{body}")).await;
            }
        }
    })
    .await;
    let (peer, core) = (Peer::saying(OK).await, CorePools::new(8));
    let system = system(&[&peer], &format!("{}\ntimeouts: {{ first_byte: 60ms }}", oauth2(&issuer, "")));
    assert_eq!(fetch(&system, &core).await.unwrap().status, 200);
    asked.acquire().await.unwrap().forget();
    let late = async {
        asked.acquire().await.unwrap().forget();
        let start = clock::mono();
        while clock::mono().duration_since(start) <= first_byte {
            tokio::task::yield_now().await;
        }
        go.add_permits(1);
    };
    let (answer, ()) = tokio::join!(fetch(&system, &core), late);
    assert_eq!((answer.unwrap().status.as_u16(), peer.connections()), (200, 1));
}

#[tokio::test]
async fn an_issuer_that_refuses_is_told_without_secrets_and_not_hammered() {
    let (issuer, count, _) = issuer(|_| {
        let body = r#"{"error":"invalid_client","error_description":"s3cret-BC is wrong"}"#;
        format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    })
    .await;
    let peer = Peer::saying(OK).await;
    let (system, core) = (system(&[&peer], &oauth2(&issuer, "")), CorePools::new(8));
    for _ in 0..5 {
        let error = fetch(&system, &core).await.unwrap_err();
        assert_eq!(error.to_string(), "signing in failed: the token issuer answered 401 (`invalid_client`)");
        assert_eq!(error.sent(), Sent::No);
    }
    assert_eq!((count.load(Ordering::SeqCst), peer.connections()), (1, 0));
}
