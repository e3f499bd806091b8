//! Systems that fail: what a caller is told, what is tried again, and what is left alone.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Method;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use crate::{
    ground::{Caller, Conn, OK, System, closed, edit, join},
    kit::{Answer, Demo, Who, connect, runtime, until},
    line,
};

/// A system's file for one that fails and is to be asked as often as the caller says.
const PATIENT: &str = "breaker: { failures_percent: 0 }\n";

fn get(demo: &Demo) -> Answer {
    demo.get("/systems/raw/thing").send()
}

/// Asks over HTTP/1.1; whether head and whole body came. What breaks off at once may take its head with it.
async fn comes_whole(demo: &Demo, path: &str) -> bool {
    let stream = connect(&demo.address(), demo.env("BRAMKA_CA")).await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let token = demo.token(Who::App);
    let Ok(answer) = sender.send_request(line::bare(Method::GET, path, token.as_deref())).await else {
        return false;
    };
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.is_ok()
}

#[test]
fn an_answer_that_breaks_off_is_aborted_not_ended() {
    let cut = [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf of it",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf of it\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\nhalf of it",
    ];
    for answer in cut {
        let demo = System::closing_after(answer).demo("");
        assert!(!runtime().block_on(comes_whole(&demo, "/systems/raw/half")), "{answer}");
    }
}

#[test]
fn a_short_answer_that_breaks_off_is_refused_before_the_caller_hears_of_it() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it";
    let demo = System::closing_after(cut).demo("");
    let problem = get(&demo).refused(502).json();
    assert!(!problem.to_string().contains("half of it"), "{problem}");
}

#[test]
fn a_short_answer_that_comes_too_slowly_is_a_504_within_the_time_of_any_answer() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it").await?;
        conn.end().await;
        Ok(())
    });
    let demo = Demo::start_with(
        |policies| {
            join(policies, system.address(), "sign_in: none\n");
            let bounded = "- name: data\n    bounds: { request_deadline: 1s }";
            edit(&policies.join("gateway.yaml"), "- name: data", bounded);
        },
        &[],
    );
    let problem = get(&demo).refused(504).json();
    assert!(!problem.to_string().contains("half of it"), "{problem}");
    until("the system is left", || system.open() == 0);
}

#[test]
fn an_answer_that_breaks_off_ends_in_the_journal_with_the_system_gone() {
    let seen = Arc::new(Semaphore::new(0));
    let told = seen.clone();
    let system = System::start(move |mut conn| {
        let told = told.clone();
        async move {
            conn.head().await?;
            conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf of it\r\n").await?;
            told.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/half", "").await;
        let head = caller.head().await;
        caller.until("half of it").await;
        seen.add_permits(1);
        let rest = caller.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        head
    });
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"system-gone".into(), &10.into()), "{close}");
}

#[test]
fn a_caller_that_goes_away_closes_a_silent_system_too() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/silent", "").await;
        let head = caller.head().await;
        caller.until("first").await;
        head
    });
    until("the system is left", || system.open() == 0);
    let close = closed(&demo, &head);
    assert_eq!((&close["ended"], &close["bytes_out"]), (&"caller-gone".into(), &5.into()), "{close}");
}

#[test]
fn a_caller_that_goes_away_closes_a_talkative_system() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await?;
        loop {
            conn.say([0; 65536]).await?;
        }
    });
    let demo = system.demo("");
    let head = runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/endless", "").await;
        caller.head().await
    });
    until("the system is left", || system.open() == 0);
    assert_eq!(closed(&demo, &head)["ended"], "caller-gone");
}

#[test]
fn a_caller_that_goes_away_before_the_answer_closes_the_system() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("");
    runtime().block_on(async {
        let mut caller = Caller::open(&demo).await;
        caller.ask("GET /systems/raw/never", "").await;
        while system.asked() == 0 {
            tokio::task::yield_now().await;
        }
    });
    until("the system is left", || system.open() == 0);
}

#[test]
fn no_answer_is_a_504() {
    let system = System::start(|mut conn| async move {
        conn.head().await?;
        conn.end().await;
        Ok(())
    });
    let demo = system.demo("timeouts: { first_byte: 200ms }\n");
    get(&demo).refused(504);
    assert_eq!(system.asked(), 1, "a late system is not asked again");
    until("the late connection is closed", || system.open() == 0);
}

#[test]
fn a_refused_connection_is_a_502() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let demo = Demo::start_with(|policies| join(policies, free, "sign_in: none\n"), &[]);
    let answer = get(&demo).refused(502);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains("127.0.0.1") && !text.contains(&free.port().to_string()), "{text}");
}

#[test]
fn an_answer_that_is_not_sound_is_a_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ] {
        let demo = System::closing_after(answer).demo(PATIENT);
        get(&demo).refused(502);
    }
}

#[test]
fn an_answer_larger_than_its_bound_is_a_502_on_a_mapped_call() {
    let demo = Demo::start_with(
        |policies| {
            let file = policies.join("systems/crm.yaml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, format!("{text}\nlimits: {{ answer_bytes: 2KiB }}\n")).unwrap();
        },
        &[],
    );
    demo.get("/v1/customers?limit=100").send().refused(502);
    demo.get("/v1/customers/701000000001").send().expect(200);
}

#[test]
fn the_breaker_opens_after_failures_and_says_when_to_come_again() {
    let heals = Arc::new(AtomicBool::new(false));
    let healed = heals.clone();
    let system = System::start(move |conn| one_answer(conn, healed.load(Ordering::SeqCst)));
    let demo = system.demo(
        "retries: { tries_max: 0 }\nbreaker: { calls_min: 4, failures_percent: 50, window: 60s, open: 2s }\n",
    );
    for _ in 0..4 {
        get(&demo).refused(502);
    }
    let asked = system.asked();
    assert_eq!(asked, 4);
    let answer = get(&demo).refused(503);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(system.asked(), asked, "a system that is left alone is not asked");
    demo.get("/v1/products?limit=1").send().expect(200);
    heals.store(true, Ordering::SeqCst);
    until("the system is tried again", || get(&demo).status == 200);
    assert_eq!(system.asked(), asked + 1, "by one call");
    get(&demo).expect(200);
}

/// Answers once if it is well, else not.
async fn one_answer(mut conn: Conn, is_well: bool) -> io::Result<()> {
    conn.head().await?;
    if is_well {
        conn.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await?;
    }
    Ok(())
}

#[test]
fn more_calls_than_a_system_bears_are_refused_at_once() {
    let go = Arc::new(Semaphore::new(0));
    let going = go.clone();
    let system = System::start(move |mut conn| {
        let going = going.clone();
        async move {
            conn.head().await?;
            going.acquire().await.unwrap().forget();
            conn.say(OK).await
        }
    });
    let demo = system.demo("limits: { concurrency: 1 }\n");
    runtime().block_on(async {
        let mut first = Caller::open(&demo).await;
        first.ask("GET /systems/raw/slow", "").await;
        while system.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let refused = demo.get("/systems/raw/slow").send_async().await.refused(503);
        assert_eq!(refused.header("retry-after"), Some("1"));
        go.add_permits(1);
        assert!(first.until("ok").await.starts_with("HTTP/1.1 200 "));
    });
    assert_eq!(system.asked(), 1);
}

#[test]
fn a_call_that_changes_something_is_never_sent_twice() {
    let system = System::closing_after("");
    let demo = system.demo(PATIENT);
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let before = system.asked();
        demo.ask(method.clone(), "/systems/raw/thing").body("text/plain", "once").send().refused(502);
        demo.ask(method.clone(), "/systems/raw/thing").send().refused(502);
        assert_eq!(system.asked() - before, 2, "{method}");
    }
}

#[test]
fn a_reading_call_is_tried_again_only_within_its_tries() {
    let system = System::closing_after("");
    let demo = system.demo(PATIENT);
    get(&demo).refused(502);
    assert!((1..=3).contains(&system.asked()), "{} tries", system.asked());
}

/// A system that closes each connection after its first answer, without saying so.
#[test]
fn a_connection_that_the_system_closed_meanwhile_costs_a_reading_call_nothing() {
    let system = System::closing_after(OK);
    let demo = system.demo(PATIENT);
    for _ in 0..50 {
        get(&demo).expect(200);
        // Meanwhile: what is sent while it still closes nobody can tell from what it has read.
        until("it has closed", || system.open() == 0);
    }
    assert_eq!(system.asked(), 50);
}

#[test]
fn a_mapped_reading_call_is_tried_again_and_a_mapped_change_is_not() {
    let system = System::closing_after("");
    let demo = customers_from(&system);
    demo.get("/v1/customers?limit=1").send().refused(502);
    assert_eq!(system.asked(), 3, "{:?}", system.seen());
    let customer = serde_json::json!({ "kind": "person", "name": "Ewa Nowak", "given_name": "Ewa",
        "family_name": "Nowak", "emails": [{ "value": "ewa@example.com" }] });
    let before = system.asked();
    demo.ask(Method::POST, "/v1/customers").json(&customer).send().refused(502);
    assert_eq!(system.asked() - before, 1, "{:?}", system.seen());
}

/// A demo whose customers come from the system `raw`, mapped as the CRM's are.
fn customers_from(system: &System) -> Demo {
    Demo::start_with(
        |policies| {
            let address = system.address();
            join(policies, address, "");
            let crm = fs::read_to_string(policies.join("systems/crm.yaml")).unwrap();
            let mapping = &crm[crm.find("speaks: json").unwrap()..];
            let text = format!(
                "system: raw\nbase: http://{address}\nallow_local: true\nsign_in: none\n{PATIENT}{mapping}"
            );
            fs::write(policies.join("systems/raw.yaml"), text).unwrap();
            edit(&policies.join("gateway.yaml"), "customers: crm", "customers: raw");
        },
        &[],
    )
}
