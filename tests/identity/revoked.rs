//! What is taken back ends at once, streams that are open included.

use std::time::{Duration, Instant};

use crate::{
    book,
    ground::{GOODS, Raw, Stream, edit, get, issue, part, verb},
    kit::{Demo, runtime, until},
};

/// A demo with a system whose answers do not end.
fn streaming(raw: &Raw) -> Demo {
    Demo::start_with(|policies| raw.join(policies, "none", ""), &[])
}

/// How the journal says that an exchange's stream ended.
fn ended(demo: &Demo, request: &str) -> Option<String> {
    let entries = book::of(&demo.data(), request);
    entries.iter().find_map(|entry| entry["ended"].as_str().map(str::to_owned))
}

#[test]
fn a_revoked_token_is_refused_within_a_second_and_its_open_streams_end() {
    let raw = Raw::start();
    let demo = streaming(&raw);
    let (token, other) = (issue(&demo, &[]), issue(&demo, &[]));
    runtime().block_on(async {
        let mut stream = Stream::open(&demo, &token).await;
        let mut untouched = Stream::open(&demo, &other).await;
        verb(&demo, &["token", "revoke", part(&token, 1)["jti"].as_str().unwrap()]);
        let taken_back = Instant::now();
        assert!(stream.end().await, "cut, so that nobody takes it for whole");
        assert!(taken_back.elapsed() < Duration::from_secs(1), "{:?}", taken_back.elapsed());
        until("its end is in the journal", || ended(&demo, &stream.request).is_some());
        assert_eq!(ended(&demo, &stream.request).as_deref(), Some("revoked"));
        // Another token of the same principal goes on.
        assert!(ended(&demo, &untouched.request).is_none());
        let quiet = tokio::time::timeout(Duration::from_millis(1), untouched.end()).await;
        assert!(quiet.is_err());
    });
    get(&demo, GOODS, Some(&token)).refused(401);
    get(&demo, GOODS, Some(&other)).expect(200);
}

#[test]
fn everything_of_a_principal_is_taken_back_by_one_command() {
    let raw = Raw::start();
    let demo = streaming(&raw);
    let (token, key) = (issue(&demo, &[]), issue(&demo, &["--api-key"]));
    runtime().block_on(async {
        let mut of_token = Stream::open(&demo, &token).await;
        let mut of_key = Stream::open(&demo, &key).await;
        verb(&demo, &["token", "revoke", "--principal", "App/shop-backend"]);
        assert!(of_token.end().await && of_key.end().await);
    });
    for text in [&token, &key, &demo.env("BRAMKA_APP_TOKEN").to_owned()] {
        get(&demo, GOODS, Some(text)).refused(401);
    }
    get(&demo, GOODS, Some(demo.env("BRAMKA_PARTNER_TOKEN"))).expect(200);
    // What is issued afterwards is good.
    get(&demo, GOODS, Some(&issue(&demo, &[]))).expect(200);
}

#[test]
fn a_disabled_principal_is_refused_after_a_reload_and_its_open_streams_end() {
    let raw = Raw::start();
    let demo = streaming(&raw);
    let (token, key) = (issue(&demo, &[]), issue(&demo, &["--api-key"]));
    for text in [&token, &key] {
        get(&demo, GOODS, Some(text)).expect(200);
    }
    runtime().block_on(async {
        let mut stream = Stream::open(&demo, &token).await;
        let apps = demo.policies().join("principals/apps.yaml");
        edit(&apps, "id: shop-backend,", "id: shop-backend, disabled: true,");
        assert!(stream.end().await);
    });
    for text in [&token, &key] {
        get(&demo, GOODS, Some(text)).refused(401);
    }
    get(&demo, GOODS, Some(demo.env("BRAMKA_PARTNER_TOKEN"))).expect(200);
}

#[test]
fn a_stream_goes_on_over_a_reload_that_takes_nothing_back() {
    let raw = Raw::start();
    let demo = streaming(&raw);
    let token = issue(&demo, &[]);
    runtime().block_on(async {
        let mut stream = Stream::open(&demo, &token).await;
        let before = crate::ground::swaps(&demo);
        edit(&demo.policies().join("limits.yaml"), "concurrency: 500", "concurrency: 499");
        crate::ground::until_swapped(&demo, before);
        assert!(tokio::time::timeout(Duration::from_millis(300), stream.end()).await.is_err());
    });
}
