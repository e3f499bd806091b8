//! No system is called faster than it takes, and no caller has more than its share of that.

use super::*;

/// A peer that counts what it is asked.
async fn counting() -> (Peer, Arc<AtomicUsize>) {
    hanging_up(0).await
}

async fn ask(system: &Arc<Upstream>, core: &CorePools, whose: (&str, &str)) -> Result<(), UpstreamError> {
    let asker = Asker { whose: Some(whose), ..ID };
    system.native(core, asker, &asking(Method::GET, ""), Kind::Reading, soon()).await.map(drop)
}

#[tokio::test]
async fn a_call_over_the_systems_rate_is_refused_before_anything_is_sent() {
    let (peer, heard) = counting().await;
    let (core, system) = (CorePools::new(8), system(&[&peer], "limits: { rate: 60/h, burst: 2 }"));
    for _ in 0..2 {
        fetch(&system, &core).await.unwrap();
    }
    let error = fetch(&system, &core).await.unwrap_err();
    let UpstreamError::Paced { retry_after, is_share: false } = error else { panic!("{error}") };
    assert!((50..=60).contains(&retry_after.as_secs()), "{retry_after:?}");
    assert_eq!((error.sent(), heard.load(Ordering::SeqCst)), (Sent::No, 2));
    assert_eq!((system.state().in_flight, system.state().is_left_alone), (0, false));
    // Changes are calls too.
    assert!(matches!(effect(&system, &core).await, Err(UpstreamError::Paced { .. })));
}

#[tokio::test]
async fn a_call_that_is_tried_again_counts_again() {
    let (peer, heard) = hanging_up(9).await;
    let more = "limits: { rate: 60/h, burst: 3 }\nretries: { tries_max: 9, per_second: 100 }\n";
    let (core, system) = (CorePools::new(8), system(&[&peer], more));
    assert!(matches!(fetch(&system, &core).await, Err(UpstreamError::Broken { .. })));
    assert_eq!(heard.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_caller_has_no_more_than_its_share_whatever_the_others_leave() {
    let (peer, heard) = counting().await;
    let more = "limits: { rate: 60/h, burst: 4, share_percent: 50 }";
    let (core, system) = (CorePools::new(8), system(&[&peer], more));
    let acme = ("partner", "acme");
    for _ in 0..2 {
        ask(&system, &core, acme).await.unwrap();
    }
    let error = ask(&system, &core, acme).await.unwrap_err();
    let UpstreamError::Paced { retry_after, is_share: true } = error else { panic!("{error}") };
    assert!((100..=120).contains(&retry_after.as_secs()), "half the pace: {retry_after:?}");
    // Nobody of the same name is the same caller, and the rate is there for the others.
    for other in [("App", "acme"), ("partner", "beta")] {
        ask(&system, &core, other).await.unwrap();
    }
    let error = ask(&system, &core, ("partner", "gamma")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Paced { is_share: false, .. }), "{error}");
    assert_eq!(heard.load(Ordering::SeqCst), 4);
}

#[test]
fn a_pace_that_makes_no_sense_is_told_at_its_place() {
    for (limits, told) in [
        ("{ burst: 3 }", "`burst` is of a `rate`, and there is none"),
        ("{ share_percent: 50 }", "`share_percent` is of a `rate`, and there is none"),
        ("{ rate: 10/m, burst: 100001 }", "`burst` is between 1 and 100000 here"),
        ("{ rate: 10/m, burst: 0 }", "`burst` is between 1 and 100000 here"),
        ("{ rate: 10/m, share_percent: 101 }", "`share_percent` is between 1 and 100 here"),
        ("{ rate: 10 }", "`10` is not a rate"),
    ] {
        let text = format!("base: https://crm.example\nsign_in: none\nlimits: {limits}\n");
        let found = configure(&Registry::default(), &text).err().unwrap();
        assert!(found.contains(told) && found.contains(":3:"), "{limits}: {found}");
    }
}
