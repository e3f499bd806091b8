//! Active health checks against addresses that are well, ill and well again.

use std::sync::atomic::AtomicBool;

use super::*;

/// A system that answers calls with its name, and checks as it is told to.
async fn answering(name: &'static str) -> (Peer, Arc<AtomicBool>, Arc<parking_lot::Mutex<Vec<String>>>) {
    let (well, asked) = (Arc::new(AtomicBool::new(true)), Arc::<parking_lot::Mutex<Vec<String>>>::default());
    let (is_well, noted) = (well.clone(), asked.clone());
    let peer = Peer::answering(move |request| {
        if !request.starts_with("GET /healthz?a=b ") {
            return format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        }
        noted.lock().push(request);
        match is_well.load(Ordering::SeqCst) {
            true => "HTTP/1.1 204 No Content\r\n\r\n".into(),
            false => "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".into(),
        }
    })
    .await;
    (peer, well, asked)
}

const HEALTH: &str = "health: { path: '/healthz?a=b', every: 100ms, unhealthy_after: 1, healthy_after: 1 }\n";

async fn until(system: &Arc<Upstream>, checked: &[Checked]) {
    let turn = async {
        while system.state().addresses.iter().map(|address| address.checked).collect::<Vec<_>>() != checked {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), turn).await.unwrap();
}

async fn answers(system: &Arc<Upstream>, core: &CorePools) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..20 {
        let answer = fetch(system, core).await.unwrap();
        all.push(String::from_utf8(answer.body.to_vec()).unwrap());
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test]
async fn an_ill_address_is_left_out_until_it_is_well_and_where_all_are_ill_all_serve() {
    let ((one, one_well, asked), (two, two_well, _)) = (answering("one").await, answering("two").await);
    let more = format!("{HEALTH}sign_in: {{ bearer: '${{env:TOKEN}}' }}\nheaders: {{ X-Tenant: t1 }}");
    let (system, core) = (system(&[&one, &two], &more), CorePools::new(8));
    let checking = tokio::spawn(system.clone().check_always());
    assert_eq!(answers(&system, &core).await, ["one", "two"], "what was not checked serves");
    until(&system, &[Checked::Well, Checked::Well]).await;

    one_well.store(false, Ordering::SeqCst);
    until(&system, &[Checked::Ill, Checked::Well]).await;
    assert_eq!(answers(&system, &core).await, ["two"]);
    two_well.store(false, Ordering::SeqCst);
    until(&system, &[Checked::Ill, Checked::Ill]).await;
    assert_eq!(answers(&system, &core).await, ["one", "two"], "all are ill: all serve");
    one_well.store(true, Ordering::SeqCst);
    until(&system, &[Checked::Well, Checked::Ill]).await;
    assert_eq!(answers(&system, &core).await, ["one"]);
    assert!(!system.state().is_left_alone && system.state().addresses.iter().all(|address| !address.is_out));

    let asked = asked.lock().join("\n").to_lowercase();
    assert!(asked.contains("x-tenant: t1") && !asked.contains("authorization"), "{asked}");
    checking.abort();
}

#[tokio::test]
async fn an_address_that_is_gone_or_says_nothing_is_ill() {
    let silent =
        Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} }).await;
    let gone = absent().await;
    let more = "health: { path: /, every: 100ms, timeout: 50ms, unhealthy_after: 2 }";
    let system = system(&[&silent, &gone], more);
    let checking = tokio::spawn(system.clone().check_always());
    until(&system, &[Checked::Ill, Checked::Ill]).await;
    assert!(silent.connections() >= 2, "once is not enough");
    checking.abort();
}

#[tokio::test]
async fn a_check_is_signed_in_where_the_file_says_so_and_goes_by_its_own_statuses() {
    let peer = Peer::answering(|request| match request.contains("authorization: Bearer s3cret-TOKEN") {
        true => "HTTP/1.1 418 Tea\r\ncontent-length: 0\r\n\r\n".into(),
        false => OK.into(),
    })
    .await;
    let more = "health: { path: /, every: 100ms, unhealthy_after: 1, signed_in: true, expect: [204, 410..419] }\n\
                sign_in: { bearer: '${env:TOKEN}' }";
    let system = system(&[&peer], more);
    let checking = tokio::spawn(system.clone().check_always());
    until(&system, &[Checked::Well]).await;
    checking.abort();
}

#[test]
fn what_cannot_be_checked_is_told_where_it_stands() {
    for (health, told) in [
        ("{ path: healthz }", "as in `/healthz`"),
        ("{ path: '/a#b' }", "as in `/healthz`"),
        ("{ path: /, every: 1ms }", "`every` is at least 100ms"),
        ("{ path: /, unhealthy_after: 0 }", "`healthy_after` at least 1"),
        ("{ path: /, expect: [20] }", "`204` or `200..399`"),
        ("{ path: /, expect: [399..200] }", "`204` or `200..399`"),
        ("{ path: /, expect: [] }", "`204` or `200..399`"),
        ("{ every: 5s }", "path"),
    ] {
        let text = format!("base: https://a.example\nsign_in: none\nhealth: {health}");
        let error = configure(&Registry::default(), &text).map(drop).unwrap_err();
        assert!(error.contains(told) && error.contains("systems/crm.yaml:3"), "{health}: {error}");
    }
}
