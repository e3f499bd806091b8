//! Floods and bombs over HTTP/2: the process stays up, its memory bounded, others are served.

use std::process::Command;

use crate::{
    frames::{
        CONTINUATION, Came, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RESET, SETTINGS,
        WINDOW_UPDATE, block, frame,
    },
    kit::{Demo, Who, until},
    stand::{assert_serves, descriptors, gate, memory},
    system::System,
};

/// What a flood may cost in memory.
const GROWTH: usize = 64 << 20;

struct Ground {
    system: System,
    demo: Demo,
    memory: usize,
    descriptors: usize,
}

impl Ground {
    fn new() -> Self {
        let system = System::plain();
        let demo = gate(&system);
        // A few connections at once, so that what a busy gate keeps anyway is there already.
        for _ in 0..4 {
            assert_serves(&demo);
        }
        let (memory, descriptors) = (memory(&demo), descriptors(&demo));
        Self { system, demo, memory, descriptors }
    }

    fn request(&self, method: &str, path: &str) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.demo.token(Who::App).unwrap());
        block(&[
            (":method", method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
            ("authorization", &authorization),
        ])
    }

    /// Checks the bounds, that others are served, and that everything is let go in the end.
    #[track_caller]
    fn holds(&self, frames: Frames) {
        assert_serves(&self.demo);
        let grown = memory(&self.demo).saturating_sub(self.memory);
        assert!(grown < GROWTH, "{} MiB more", grown >> 20);
        drop(frames);
        until("its descriptors are let go", || descriptors(&self.demo) <= self.descriptors + 8);
        assert_serves(&self.demo);
    }
}

/// The number of a caller's n-th stream.
fn stream(n: usize) -> u32 {
    u32::try_from(2 * n + 1).unwrap()
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection_and_start_few_calls() {
    let ground = Ground::new();
    let request = ground.request("GET", "/systems/raw/x");
    let mut frames = Frames::open(&ground.demo);
    let sent = frames.flood(5_000, |n| {
        vec![
            frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &request),
            frame(RESET, 0, stream(n), &8_u32.to_be_bytes()),
        ]
    });
    let came = frames.end();
    assert!(matches!(came, Came::GoAway(11) | Came::Closed), "{came:?} after {sent}");
    let calls = ground.system.seen().len();
    assert!(calls < 500, "{calls} calls were started");
    ground.holds(frames);
}

#[test]
fn streams_that_the_gate_is_made_to_reset_end_the_connection() {
    let ground = Ground::new();
    let request = ground.request("POST", "/systems/raw/x");
    let mut frames = Frames::open(&ground.demo);
    frames.flood(5_000, |n| {
        vec![
            frame(HEADERS, END_HEADERS, stream(n), &request),
            frame(WINDOW_UPDATE, 0, stream(n), &0_u32.to_be_bytes()),
        ]
    });
    let came = frames.end();
    assert!(matches!(came, Came::GoAway(_) | Came::Closed), "{came:?}");
    let calls = ground.system.seen().len();
    assert!(calls < 500, "{calls} calls were started");
    ground.holds(frames);
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let ground = Ground::new();
    let mut frames = Frames::open(&ground.demo);
    frames.send(&[frame(HEADERS, END_STREAM, 1, &ground.request("GET", "/systems/raw/x"))]);
    let filler = block(&[("x-filler", &"x".repeat(8_000))]);
    let sent = frames.flood(4_000, |_| vec![frame(CONTINUATION, 0, 1, &filler)]);
    let came = frames.end();
    assert!(matches!(came, Came::GoAway(_) | Came::Closed | Came::Status(431)), "{came:?} after {sent}");
    assert!(ground.system.seen().is_empty());
    ground.holds(frames);
}

#[test]
fn small_heads_that_unpack_to_large_ones_are_refused() {
    let ground = Ground::new();
    let mut frames = Frames::open_with(&ground.demo, &[(4, 0)]);
    let authorization = format!("Bearer {}", ground.demo.token(Who::App).unwrap());
    // A field of four kilobytes goes into the table once; then each byte is a reference to it.
    let mut seed = ground.request("GET", "/systems/raw/x");
    seed.extend_from_slice(&[0x40, 1, b'x', 127, 0xa1, 0x1e]);
    seed.extend_from_slice(&[b'y'; 4_000]);
    frames.send(&[frame(HEADERS, END_STREAM | END_HEADERS, 1, &seed)]);
    let mut bomb = block(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/systems/raw/bomb"),
        ("authorization", &authorization),
    ]);
    bomb.extend(std::iter::repeat_n(0xbe, 15_000));
    frames.flood(50, |n| vec![frame(HEADERS, END_STREAM | END_HEADERS, stream(n + 1), &bomb)]);
    assert_serves(&ground.demo);
    let bombs = ground.system.seen().iter().filter(|seen| seen.line().contains("bomb")).count();
    assert_eq!(bombs, 0);
    ground.holds(frames);
}

#[test]
fn many_crumbs_of_a_cookie_are_bounded_like_any_head() {
    let ground = Ground::new();
    let mut frames = Frames::open_with(&ground.demo, &[(4, 0)]);
    let mut crumbs = ground.request("GET", "/systems/raw/x");
    // `cookie` stands in the static table as 32; its value is empty.
    crumbs.extend(std::iter::repeat_n([0x0f, 0x11, 0], 4_000).flatten());
    frames.flood(50, |n| vec![frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &crumbs)]);
    assert_serves(&ground.demo);
    assert!(ground.system.seen().is_empty());
    ground.holds(frames);
}

#[test]
fn settings_pings_and_empty_data_in_masses_cost_nothing_that_grows() {
    let ground = Ground::new();
    let post = ground.request("POST", "/systems/raw/x");
    let thousand = |one: Vec<u8>| vec![one.repeat(1_000)];
    let floods: [(&str, Vec<u8>); 3] = [
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("pings", frame(PING, 0, 0, &[7; 8])),
        ("empty data", frame(DATA, 0, 1, &[])),
    ];
    for (what, one) in floods {
        let mut frames = Frames::open(&ground.demo);
        frames.send(&[frame(HEADERS, END_HEADERS, 1, &post)]);
        let sent = frames.flood(300, |_| thousand(one.clone()));
        let grown = memory(&ground.demo).saturating_sub(ground.memory);
        assert!(grown < GROWTH, "{what}: {} MiB more after {sent} thousand", grown >> 20);
        ground.holds(frames);
    }
}

#[test]
fn answers_that_nobody_takes_are_held_back_at_the_system() {
    let system = System::start(|seen, talk| {
        if !seen.line().contains("large") {
            return talk.ok("ok");
        }
        talk.say("HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n");
        (0..1024).all(|_| talk.say([0; 65_536]))
    });
    let demo = gate(&system);
    let ground = Ground { memory: memory(&demo), descriptors: descriptors(&demo), system, demo };
    let request = ground.request("GET", "/systems/raw/large");
    // No window at all: heads are answered, bodies wait.
    let mut frames = Frames::open_with(&ground.demo, &[(4, 0)]);
    for n in 0..50 {
        frames.send(&[frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &request)]);
        assert_eq!(frames.came(stream(n)), Came::Status(200));
    }
    assert_eq!(ground.system.seen().len(), 50);
    ground.holds(frames);
}

#[test]
fn what_is_no_http2_ends_the_connection() {
    let ground = Ground::new();
    let request = ground.request("GET", "/systems/raw/x");
    for (what, bytes) in [
        ("an even stream", frame(HEADERS, END_STREAM | END_HEADERS, 2, &request)),
        ("a push", frame(5, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[])),
        ("a window beyond all bounds", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        ("data of no stream", frame(DATA, 0, 1, b"x")),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &request)),
        ("a frame that is too large", frame(DATA, 0, 1, &[0; 20_000])),
        ("a table index of nothing", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0xff, 0x7f])),
    ] {
        let mut frames = Frames::open(&ground.demo);
        frames.send(&[bytes]);
        let came = frames.end();
        assert!(matches!(came, Came::GoAway(_) | Came::Closed), "{what}: {came:?}");
    }
    assert!(ground.system.seen().is_empty());
    assert_serves(&ground.demo);
}

/// Runs a tool that the test command installs; its output as text.
fn tool(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs it"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn curl_speaks_both_protocols_with_the_gate() {
    let demo = gate(&System::plain());
    let authorization = format!("Authorization: Bearer {}", demo.token(Who::App).unwrap());
    let url = format!("https://{}/systems/raw/x", demo.address());
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for tls in ["--tlsv1.2", "--tlsv1.3"] {
            let arguments = [
                "-sS",
                flag,
                tls,
                "--cacert",
                demo.env("BRAMKA_CA"),
                "-H",
                &authorization,
                "-d",
                "body",
                "-w",
                " %{http_version} %{http_code}",
                &url,
            ];
            assert_eq!(tool("curl", &arguments), format!("ok {version} 200"));
        }
    }
}

#[test]
fn h2load_sees_every_request_answered() {
    let demo = gate(&System::plain());
    let authorization = format!("authorization: Bearer {}", demo.token(Who::App).unwrap());
    let url = format!("https://{}/systems/raw/x", demo.address());
    let told = tool("h2load", &["-n", "3000", "-c", "16", "-m", "8", "-H", &authorization, &url]);
    assert!(told.contains("3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout"), "{told}");
    assert!(told.contains("status codes: 3000 2xx"), "{told}");
    let lanes = crate::book::entries(&demo.data());
    let answers = lanes.iter().filter(|entry| entry["kind"] == "answer" && entry["status"] == 200).count();
    assert_eq!(answers, 3000, "one entry an answer");
}
