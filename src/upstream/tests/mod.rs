//! Governed calls against systems that misbehave.

mod checking;
mod choosing;
mod configuring;
mod credentials;
mod pacing;
mod passing;
mod second;
mod sessions;
mod signing;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{
    call::Asker,
    sign_in::{About, settings::CallKind as Kind},
    *,
};
use crate::{
    clock,
    mapping::{NativeAnswer, NativeRequest},
    wire::{
        Clock, Deadline, Sent,
        tests::rig::{OK, Peer, read_request, say},
    },
    words::{Diagnostics, RequestId, Secret, SystemName, tree, yaml::Spanned},
};

const ID: Asker<'static> =
    Asker { id: RequestId([7; 16]), about: About { entity: None, groups: &[] }, whose: None };

/// Resolves `${env:NAME}` to `s3cret-NAME`, and reads no file.
fn configure(registry: &Registry, text: &str) -> Result<Arc<Upstream>, String> {
    configure_beside(registry, text, &["127.0.0.1:1".parse().unwrap()])
}

/// The same beside listeners of ours.
fn configure_beside(registry: &Registry, text: &str, own: &[SocketAddr]) -> Result<Arc<Upstream>, String> {
    configure_with(registry, text, own, &|name| Some(format!("s3cret-{name}")))
}

/// The same with secrets of the test's own.
fn configure_with(
    registry: &Registry,
    text: &str,
    own: &[SocketAddr],
    secrets: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<Upstream>, String> {
    let file = tree::parse(&"systems/crm.yaml".into(), text).unwrap();
    let mut found = Diagnostics::default();
    let secret = |text: &Spanned<String>, found: &mut Diagnostics| {
        let name = text.value.strip_prefix("${env:").and_then(|rest| rest.strip_suffix('}'));
        if name.is_none() {
            found.error(&text.place, "a secret is written as `${env:NAME}`");
        }
        name.and_then(secrets).map(Secret::new)
    };
    let no_file = |path: &Spanned<PathBuf>, found: &mut Diagnostics| {
        found.error(&path.place, "no such file");
        None
    };
    let means = Means { secret: &secret, file: &no_file, own: own.into(), registry, now: clock::now() };
    Upstream::configure(&SystemName::from("crm"), &file, &means, &mut found).ok_or_else(|| found.to_string())
}

fn system(peers: &[&Peer], more: &str) -> Arc<Upstream> {
    let bases: Vec<_> = peers.iter().map(|peer| peer.url().to_string()).collect();
    let sign_in = if more.contains("sign_in:") { "" } else { "sign_in: none\n" };
    let text = format!("base: [{}]\nallow_local: true\n{sign_in}{more}", bases.join(", "));
    configure(&Registry::default(), &text).unwrap()
}

fn asking(method: Method, body: &str) -> NativeRequest {
    NativeRequest {
        method,
        target: "/contacts?limit=2".into(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn soon() -> Deadline {
    Deadline::after(clock::now(), Duration::from_secs(8))
}

async fn fetch(system: &Arc<Upstream>, core: &CorePools) -> Result<NativeAnswer, UpstreamError> {
    system.native(core, ID, &asking(Method::GET, ""), Kind::Reading, soon()).await.map(|told| told.answer)
}

async fn effect(system: &Arc<Upstream>, core: &CorePools) -> Result<NativeAnswer, UpstreamError> {
    system.native(core, ID, &asking(Method::POST, "{}"), Kind::Changing, soon()).await.map(|told| told.answer)
}

/// A peer that reads requests and hangs up on the first `n` of them.
async fn hanging_up(n: usize) -> (Peer, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let peer = Peer::new(move |mut stream, _| {
        let count = count.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                if count.fetch_add(1, Ordering::SeqCst) < n {
                    return;
                }
                say(&mut stream, OK).await;
            }
        }
    })
    .await;
    (peer, heard)
}

/// A peer nobody listens at.
async fn absent() -> Peer {
    let peer = Peer::saying(OK).await;
    peer.hang_up().await;
    peer
}

#[tokio::test]
async fn a_reading_call_is_tried_again_and_a_changing_one_is_not() {
    let core = CorePools::new(8);
    let (peer, heard) = hanging_up(2).await;
    assert_eq!(fetch(&system(&[&peer], ""), &core).await.unwrap().body, "ok");
    assert_eq!(heard.load(Ordering::SeqCst), 3);

    let (peer, heard) = hanging_up(1).await;
    let error = effect(&system(&[&peer], ""), &core).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Broken { .. }), "{error}");
    assert_eq!((error.sent(), heard.load(Ordering::SeqCst)), (Sent::Maybe, 1));
}

#[tokio::test]
async fn a_changing_call_of_which_nothing_was_sent_goes_elsewhere() {
    let (up, down, core) = (Peer::saying(OK).await, absent().await, CorePools::new(8));
    let system = system(&[&down, &up], "retries: { tries_max: 4 }");
    for _ in 0..20 {
        assert_eq!(effect(&system, &core).await.unwrap().body, "ok");
    }
    let state = system.state();
    assert_eq!((state.in_flight, state.addresses.len()), (0, 2));
}

#[tokio::test]
async fn tries_are_bounded_by_call_and_by_budget() {
    let core = CorePools::new(8);
    let (peer, heard) = hanging_up(usize::MAX).await;
    let strict = system(&[&peer], "retries: { tries_max: 1 }\nbreaker: { failures_percent: 0 }");
    assert!(fetch(&strict, &core).await.is_err());
    assert_eq!(heard.load(Ordering::SeqCst), 2);

    let (peer, heard) = hanging_up(usize::MAX).await;
    let frugal = system(
        &[&peer],
        "retries: { tries_max: 5, percent: 10, per_second: 0 }\nbreaker: { failures_percent: 0 }",
    );
    for _ in 0..50 {
        assert!(fetch(&frugal, &core).await.is_err());
    }
    let heard = heard.load(Ordering::SeqCst);
    assert!((51..=56).contains(&heard), "{heard}");
}

#[tokio::test]
async fn a_reading_call_leaves_an_address_that_is_not_there() {
    let busy = Peer::saying("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let (up, core) = (Peer::saying(OK).await, CorePools::new(8));
    let both = system(&[&busy, &up], "retries: { tries_max: 4 }");
    for _ in 0..10 {
        assert_eq!(fetch(&both, &core).await.unwrap().status, 200);
    }
    // A changing one is told what was answered.
    let answer = effect(&system(&[&busy], ""), &core).await.unwrap();
    assert_eq!((answer.status.as_u16(), busy.connections() > 0), (503, true));
}

#[tokio::test]
async fn a_system_that_keeps_failing_is_left_alone() {
    let (peer, heard) = hanging_up(usize::MAX).await;
    let (core, system) = (
        CorePools::new(8),
        system(&[&peer], "breaker: { calls_min: 4, failures_percent: 50 }\nretries: { tries_max: 0 }"),
    );
    for _ in 0..4 {
        assert!(matches!(fetch(&system, &core).await, Err(UpstreamError::Broken { .. })));
    }
    let error = fetch(&system, &core).await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::BreakerOpen { retry_after } if retry_after > Duration::from_secs(3))
    );
    assert_eq!((error.sent(), heard.load(Ordering::SeqCst)), (Sent::No, 4));
    assert!(system.state().is_left_alone);
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_not_queued() {
    let silent =
        Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} }).await;
    let (core, system) = (CorePools::new(8), system(&[&silent], "limits: { concurrency: 1 }"));
    let first = fetch(&system, &core);
    let second = async {
        let error = fetch(&system, &core).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Busy { concurrency_max: 1 }), "{error}");
    };
    tokio::select! {
        biased;
        answer = first => panic!("{answer:?}"),
        () = second => {}
    }
    assert_eq!(system.state().in_flight, 0, "a call given up frees its slot");
}

#[tokio::test]
async fn an_answer_has_its_bound_and_its_clock() {
    let core = CorePools::new(8);
    let large = Peer::saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789").await;
    let error = fetch(&system(&[&large], "limits: { answer_bytes: 8B }"), &core).await.unwrap_err();
    assert!(matches!(error, UpstreamError::AnswerTooLarge { bytes_max: 8 }), "{error}");

    let silent =
        Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} }).await;
    let error = fetch(&system(&[&silent], "timeouts: { first_byte: 30ms }"), &core).await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Timeout { clock: Clock::FirstByte, sent: Sent::Maybe }),
        "{error}"
    );
    assert_eq!(silent.connections(), 1, "a late system is not asked again");
    let error = fetch(&system(&[&silent], "timeouts: { call: 30ms }"), &core).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { clock: Clock::Call, .. }), "{error}");
}

#[tokio::test]
async fn a_mapped_request_arrives_as_the_dialect_means_it() {
    let peer = Peer::answering(|request| {
        let request = request.replace("\r\n", "\n");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len())
    })
    .await;
    let text =
        format!("base: {}api/v2/\nallow_local: true\nsign_in: none\nheaders: {{ X-Tenant: t1 }}", peer.url());
    let system = configure(&Registry::default(), &text).unwrap();
    let answer = effect(&system, &CorePools::new(8)).await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", peer.address);
    let mut expected = vec![
        "content-length: 2",
        host.as_str(),
        "user-agent: bramka",
        "x-request-id: 07070707070707070707070707070707",
        "x-tenant: t1",
    ];
    expected.insert(0, "POST /api/v2/contacts?limit=2 HTTP/1.1");
    assert_eq!((lines, body), (expected, "{}"));
}

#[test]
fn calls_are_send() {
    fn send<T: Send>(_: impl FnOnce(&'static Arc<Upstream>, &'static CorePools) -> T) {}
    send(|system, core| {
        system.native(core, ID, Box::leak(Box::new(asking(Method::GET, ""))), Kind::Reading, soon())
    });
    send(|system, core| {
        system.passed(core, ID, http::Request::new(crate::body::Body::Empty).into(), soon(), clock::now())
    });
}
