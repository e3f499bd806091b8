//! Limits: never exceeded, told to the caller, and not refilled by a reload, a restart or a header.

use bramka::clock;
use http::Method;

use crate::{
    ground::{GOODS, INTERNAL, Raw, Stream, edit, get, get_from, issue, swaps, until_swapped, with_plan},
    kit::{Answer, Demo, Who, runtime, until},
    line::{self, Line},
};

/// A plan that fills again too slowly for a test to see it.
const THREE: &str = "rate: 3/h\n    per: principal\n    concurrency: 500\n";
const STRANGERS: &str = "strangers: { rate: 500/s, burst: 1000 }";
const FEW_STRANGERS: &str = "strangers: { rate: 3/h }";

fn seconds(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn whoever_is_over_its_rate_is_told_when_to_come_back() {
    let demo = with_plan(THREE);
    let told = "\"internal\";q=3;w=3600, \"internal.concurrent\";q=500;qu=\"concurrent-requests\"";
    for left in ["2", "1"] {
        let answer = demo.get(GOODS).send().expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some(told));
        let standing = answer.header("ratelimit").unwrap();
        assert!(standing.starts_with(&format!("\"internal\";r={left};t=")), "{standing}");
    }
    // What is not there and what is not permitted is charged too.
    demo.get("/v1/nothing").send().refused(404);
    let answer = demo.get(GOODS).send().refused(429);
    let wait = seconds(&answer);
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit-policy"), Some(told));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"internal\";r=0;t="), "{answer:?}");
    assert_eq!(answer.json()["detail"], "over the rate of `internal`");

    // Another token and a key of the same principal share its counter; others have their own.
    get(&demo, GOODS, Some(&issue(&demo, &[]))).refused(429);
    get(&demo, GOODS, Some(&issue(&demo, &["--api-key"]))).refused(429);
    demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200);
}

#[test]
fn trap_37_who_is_over_its_share_spends_nothing_of_what_a_system_allows_all_together() {
    let demo = with_plan(THREE);
    let calls = || -> u64 {
        let metrics = demo.admin(Method::GET, "/metrics").send().expect(200);
        let text = String::from_utf8(metrics.body.to_vec()).unwrap();
        let of_systems = text.lines().filter(|line| line.starts_with("bramka_system_calls_total{"));
        of_systems.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    };
    for _ in 0..3 {
        demo.get(GOODS).send().expect(200);
    }
    let spent = calls();
    assert!(spent >= 3, "{spent}");
    for _ in 0..10 {
        demo.get(GOODS).send().refused(429);
    }
    assert_eq!(calls(), spent, "the system hears nothing of those that are refused");
    // What it left is there for others.
    demo.get("/v1/orders?limit=1").by(Who::Partner).send().expect(200);
    assert!(calls() > spent);
}

#[test]
fn an_address_is_charged_before_anybody_is_identified() {
    let demo =
        Demo::start_with(|policies| edit(&policies.join("limits.yaml"), STRANGERS, FEW_STRANGERS), &[]);
    let token = Some(demo.env("BRAMKA_APP_TOKEN"));
    for _ in 0..3 {
        get_from(&demo, "127.0.0.2", GOODS, Some("x"), &[]).refused(401);
    }
    // From there a good credential is not even looked at; from elsewhere it is.
    let answer = get_from(&demo, "127.0.0.2", GOODS, token, &[]).refused(429);
    assert_eq!(answer.json()["detail"], "over the rate of `strangers`");
    assert!(seconds(&answer) >= 1);
    get_from(&demo, "127.0.0.3", GOODS, token, &[]).expect(200);
}

#[test]
fn forwarding_headers_of_strangers_make_no_new_buckets() {
    let demo =
        Demo::start_with(|policies| edit(&policies.join("limits.yaml"), STRANGERS, FEW_STRANGERS), &[]);
    let spoofed = |n: u32| {
        let address = format!("203.0.113.{n}");
        let forwarded = format!("for={address}");
        let headers = [
            ("x-forwarded-for", address.as_str()),
            ("forwarded", forwarded.as_str()),
            ("x-real-ip", address.as_str()),
            ("true-client-ip", address.as_str()),
        ];
        get_from(&demo, "127.0.0.4", GOODS, None, &headers).status
    };
    let seen: Vec<u16> = (1..=100).map(spoofed).collect();
    assert_eq!(&seen[..3], [401; 3]);
    assert!(seen[3..].iter().all(|status| *status == 429), "{seen:?}");
}

#[test]
fn a_trusted_proxy_is_believed_and_only_in_what_it_saw_itself() {
    let demo = Demo::start_with(
        |policies| {
            edit(&policies.join("limits.yaml"), STRANGERS, FEW_STRANGERS);
            edit(
                &policies.join("gateway.yaml"),
                "at: 127.0.0.1:8443\n",
                "at: 127.0.0.1:8443\n    trusted_proxies: [127.0.0.5/32]\n",
            );
        },
        &[],
    );
    let by_proxy = |who: &str| get_from(&demo, "127.0.0.5", GOODS, None, &[("x-forwarded-for", who)]).status;
    assert_eq!([(); 4].map(|()| by_proxy("203.0.113.7")), [401, 401, 401, 429]);
    // Each caller has a bucket of its own, an IPv6 one by its /64, and what a caller wrote itself is no caller.
    assert_eq!(by_proxy("203.0.113.8"), 401);
    assert_eq!(by_proxy("198.51.100.1, 203.0.113.7"), 429);
    let hosts = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8:0:1::1"];
    assert_eq!(hosts.map(by_proxy), [401, 401, 401, 429, 401]);
    // Others are not believed.
    let by_other = |who: &str| get_from(&demo, "127.0.0.6", GOODS, None, &[("x-forwarded-for", who)]).status;
    assert_eq!(
        ["203.0.113.20", "203.0.113.21", "203.0.113.22", "203.0.113.23"].map(by_other),
        [401, 401, 401, 429]
    );
}

#[test]
fn requests_at_once_are_bounded_and_a_place_is_free_again_when_a_stream_ends() {
    let raw = Raw::start();
    let demo = Demo::start_with(
        |policies| {
            raw.join(policies, "none", "");
            let plan = INTERNAL.replace("concurrency: 500", "concurrency: 2");
            edit(&policies.join("limits.yaml"), INTERNAL, &plan);
        },
        &[],
    );
    let token = demo.env("BRAMKA_APP_TOKEN");
    runtime().block_on(async {
        let first = Stream::open(&demo, token).await;
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        let mut status = async || line.ask(line::bare(Method::GET, GOODS, Some(token))).await.unwrap().status;
        assert_eq!(status().await, 200);
        let second = Stream::open(&demo, token).await;
        assert_eq!(status().await, 429);
        // A reload does not forget who is inside.
        let before = swaps(&demo);
        edit(&demo.policies().join("limits.yaml"), "concurrency: 2\n", "concurrency: 1\n");
        until_swapped(&demo, before);
        assert_eq!(status().await, 429);
        drop(second);
        drop(first);
    });
    until("there is room again", || get(&demo, GOODS, Some(token)).status == 200);
    // The refusal says which limit it was.
    runtime().block_on(async {
        let _held = Stream::open(&demo, token).await;
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        let answer = line.ask(line::bare(Method::GET, GOODS, Some(token))).await.unwrap().refused(429);
        assert_eq!(answer.json()["detail"], "over the concurrency of `internal.concurrent`");
        assert_eq!(seconds(&answer), 1);
    });
}

#[test]
fn what_was_used_of_a_rate_is_still_used_after_a_reload() {
    let demo = with_plan(THREE);
    for _ in 0..3 {
        demo.get(GOODS).send().expect(200);
    }
    demo.get(GOODS).send().refused(429);
    let before = swaps(&demo);
    edit(&demo.policies().join("limits.yaml"), "concurrency: 500\n", "concurrency: 499\n");
    until_swapped(&demo, before);
    let answer = demo.get(GOODS).send().refused(429);
    assert!(answer.header("ratelimit-policy").unwrap().contains("q=499"), "the new bundle serves");
    // Nor by a broken one.
    edit(&demo.policies().join("limits.yaml"), "rate: 3/h\n", "rate: 3/fortnight\n");
    until("the broken bundle was looked at", || demo.stderr().contains("the old ones serve on"));
    demo.get(GOODS).send().refused(429);
}

#[test]
fn a_daily_quota_survives_reload_and_restart_and_a_kill_gives_nothing_back() {
    away_from_midnight();
    // Leased by two: what a kill may cost is one.
    const LIMIT: usize = 200;
    let demo = with_plan(&format!("{INTERNAL}    quota: {LIMIT}/day\n"));
    assert_eq!(pass(&demo, 25), 25);
    let dir = demo.kill();
    let demo = Demo::start_in(dir, &[]);
    let passed = 25 + pass(&demo, 75);
    let (code, dir) = demo.stop();
    assert_eq!((code, passed), (0, 100));
    let demo = Demo::start_in(dir, &[]);
    let passed = passed + pass(&demo, LIMIT);
    assert!((LIMIT - 1..=LIMIT).contains(&passed), "{passed} of {LIMIT} passed");

    let answer = demo.get(GOODS).send().refused(429);
    assert_eq!(answer.json()["detail"], "over the quota of `internal.day`");
    assert!(seconds(&answer) <= 86_400);
    assert!(answer.header("ratelimit-policy").unwrap().contains("\"internal.day\";q=200;w=86400"));

    // A higher limit gives the difference and no more; a restart nothing.
    let before = swaps(&demo);
    edit(&demo.policies().join("limits.yaml"), "quota: 200/day\n", "quota: 203/day\n");
    until_swapped(&demo, before);
    assert_eq!(pass(&demo, 10), 3);
    let (_, dir) = demo.stop();
    assert_eq!(pass(&Demo::start_in(dir, &[]), 10), 0);
}

/// How many of so many requests pass; the others are over the quota.
fn pass(demo: &Demo, tries: usize) -> usize {
    let token = demo.env("BRAMKA_APP_TOKEN");
    runtime().block_on(async {
        let mut line = Line::open(&demo.address(), demo.env("BRAMKA_CA")).await;
        let mut passed = 0;
        for _ in 0..tries {
            let answer = line.ask(line::bare(Method::GET, GOODS, Some(token))).await.unwrap();
            match answer.status {
                200 => passed += 1,
                other => assert_eq!(other, 429, "{answer:?}"),
            }
        }
        passed
    })
}

/// A day that ends in the middle of it would make this test another one.
fn away_from_midnight() {
    until("a day with a minute left", || 86_400 - clock::now().wall.as_second().rem_euclid(86_400) > 50);
}
