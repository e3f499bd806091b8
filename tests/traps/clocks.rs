//! Whoever holds a connection without asking is let go by a clock, and a head costs no more than its bound.

use std::fs;

use http::{Request, Version};

use crate::{
    ground::{Ground, Wire, send_h2},
    kit::{Who, runtime},
};

/// Every clock but the one under test is far away.
fn only(clock: &str) -> Ground {
    let all = ["first_byte_timeout", "head_timeout", "idle_timeout", "body_rate_grace", "linger_timeout"];
    let bounds: Vec<_> = all
        .iter()
        .map(|name| match *name == clock || *name == "linger_timeout" {
            true => format!("{name}: 1s"),
            false => format!("{name}: 10m"),
        })
        .collect();
    Ground::with(&format!("bounds: {{ {} }}", bounds.join(", ")), "")
}

#[test]
fn a_head_that_is_never_finished_ends_by_its_clock() {
    let ground = only("head_timeout");
    runtime().block_on(async {
        for part in
            ["G", "GET /v1/products HTTP/1.1\r\n", "GET /v1/products HTTP/1.1\r\nHost: localhost\r\nX-Sl"]
        {
            let mut wire = Wire::open(&ground.demo).await;
            wire.send(part.as_bytes()).await;
            assert!(wire.closed().await.is_empty());
        }
    });
    late(&ground, 3);
}

#[test]
fn a_connection_that_says_nothing_ends_by_its_clock() {
    let ground = only("first_byte_timeout");
    runtime().block_on(async {
        let mut wire = Wire::open(&ground.demo).await;
        assert!(wire.closed().await.is_empty());
    });
    late(&ground, 1);
}

#[test]
fn a_connection_between_requests_ends_by_its_clock() {
    let ground = only("idle_timeout");
    let answer = runtime().block_on(async {
        let mut wire = Wire::open(&ground.demo).await;
        wire.send(&ground.head("GET /v1/products?limit=1", "")).await;
        let answer = wire.answer().await.unwrap().expect(200);
        assert!(wire.closed().await.is_empty());
        answer
    });
    ground.written(&[answer]);
}

#[test]
fn a_body_that_does_not_come_ends_by_its_clock() {
    let ground = only("body_rate_grace");
    let mut answers = Vec::new();
    for (place, framing, begun) in [
        ("POST /v1/customers", "Content-Length: 100\r\n", "{"),
        ("POST /v1/customers", "Transfer-Encoding: chunked\r\n", "5\r\n{"),
        ("POST /systems/raw/x", "Content-Length: 100\r\n", "{"),
        ("POST /systems/raw/x", "Transfer-Encoding: chunked\r\n", "5\r\n{"),
    ] {
        runtime().block_on(async {
            let mut wire = Wire::open(&ground.demo).await;
            let head = ground.head(place, &format!("Content-Type: application/json\r\n{framing}"));
            wire.send(&[&head, begun.as_bytes()].concat()).await;
            let answer = wire.answer().await.unwrap();
            assert_eq!(answer.status, 408, "{place} {framing}: {answer:?}");
            assert!(wire.closed().await.is_empty());
            answers.push(answer);
        });
    }
    ground.written(&answers);
    assert_eq!(ground.system.seen(), <[String; 0]>::default());
}

#[test]
fn a_head_above_its_bounds_is_refused_as_too_large() {
    let ground = Ground::open();
    let many: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    let long = "a".repeat(40_000);
    let mut answers = Vec::new();
    for (line, more, statuses) in [
        ("GET /v1/products", many, &[431][..]),
        ("GET /v1/products", format!("X-Long: {long}\r\n"), &[431]),
        ("GET /v1/products", format!("{long}: 1\r\n"), &[431]),
        ("GET /v1/products", format!("X-A: {0}\r\nX-B: {0}\r\n", &long[..17_000]), &[431]),
        (&format!("GET /v1/{long}"), String::new(), &[400, 414, 431]),
        (&format!("GET /v1/{}", &long[..9_000]), String::new(), &[400, 414]),
        (&format!("GET /v1/products?{long}"), String::new(), &[400, 414, 431]),
    ] {
        answers.push(ground.refuses(&ground.head(line, &more), statuses));
    }
    ground.written(&answers);
}

#[test]
fn a_head_above_its_bounds_is_refused_and_written_down_over_http_2_too() {
    let ground = Ground::open();
    let token = ground.demo.token(Who::App).unwrap();
    let mut answers = Vec::new();
    for length in [33_000, 40_000, 100_000] {
        let request = Request::get("https://localhost/v1/products").version(Version::HTTP_2);
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("x-long", "a".repeat(length)).body(()).unwrap();
        let answer = send_h2(&ground.demo, request).unwrap();
        assert_eq!(answer.status, 431, "{length}");
        answers.push(answer);
    }
    ground.written(&answers);
}

#[test]
fn two_hundred_unfinished_heads_of_400_kb_cost_what_the_bound_says() {
    let ground = Ground::open();
    // What a first connection costs is not counted.
    ground.refuses(
        format!("GET /v1/products HTTP/1.1\r\nHost: localhost\r\n{}\r\n", ground.signed(Who::Partner))
            .as_bytes(),
        &[200, 403],
    );
    let before = resident(ground.demo.pid());
    let head =
        [b"GET /v1/products HTTP/1.1\r\nHost: localhost\r\nX: ".as_slice(), &vec![b'a'; 400_000]].concat();
    let mut wires = Vec::new();
    let after = runtime().block_on(async {
        for _ in 0..200 {
            let mut wire = Wire::open(&ground.demo).await;
            // The gate answers at its bound; what is over it may find the connection closed.
            wire.send(&head).await;
            wires.push(wire);
        }
        let after = resident(ground.demo.pid());
        for wire in &mut wires {
            if let Some(answer) = wire.answer().await {
                assert_eq!(answer.status, 431);
            }
        }
        after
    });
    let grown = after.saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB for 200 heads of 400 kB");
}

/// Waits for so many entries of clocks that ran out, and no others.
fn late(ground: &Ground, count: usize) {
    crate::kit::until("the clocks' entries are written", || ground.door_entries().len() >= count);
    let entries = ground.door_entries();
    assert_eq!(entries.len(), count, "{entries:?}");
    assert!(entries.iter().all(|entry| entry["refusal"] == "door_late"), "{entries:?}");
}

/// KiB that a process has in memory.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
