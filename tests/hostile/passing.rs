//! What passes through to a system and back: nothing of the hop, nothing of the caller's credential.

use std::sync::{Mutex, mpsc};

use crate::{
    frames::{Came, Frames},
    kit::{Demo, Who, until},
    stand::{Edits, add_system, ask, assert_refused, auth, gate, head, may_name, prepare},
    system::System,
    tap::Tap,
};

#[test]
fn what_belongs_to_the_hop_stays_on_it_in_both_directions() {
    let system = System::start(|_, talk| {
        talk.say(
            "HTTP/1.1 200 OK\r\nConnection: X-Inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nServer: Erp/1.2\r\nX-Powered-By: Erp\r\nVia: 1.0 inner\r\n\
             Set-Cookie: session=1\r\nWWW-Authenticate: Negotiate\r\nX-Outer: 2\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let demo = gate(&system);
    let hop = "Connection: X-Secret, authorization\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\n\
               Proxy-Connection: keep-alive\r\nX-Kept: 2\r\n";
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", hop));
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{reply:?}");
    for name in [
        "x-inner",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "server",
        "x-powered-by",
        "via",
        "set-cookie",
        "www-authenticate",
    ] {
        assert_eq!(reply.header(name), None, "{name} came back");
    }
    assert_eq!(reply.header("x-outer"), Some("2"));
    let seen = system.last();
    for name in ["x-secret", "keep-alive", "proxy-connection"] {
        assert_eq!(seen.one(name), None, "{name} was passed on");
    }
    assert_eq!((seen.one("x-kept"), seen.one("te")), (Some("2"), Some("trailers")));
}

#[test]
fn a_callers_credential_never_reaches_a_system_and_the_gates_own_does() {
    let system = System::plain();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let path = secret.path().display().to_string();
    let sign_in = format!("sign_in: {{ basic: {{ user: gate, password: \"${{file:{path}}}\" }} }}");
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, &system, &Edits { system: &sign_in, ..Edits::default() });
            may_name(policies, "raw", &path);
        },
        &[],
    );
    let token = demo.token(Who::App).unwrap();
    for more in ["", "Cookie: a=1\r\n", "X-Api_Key: abc\r\n", "Connection: authorization\r\n"] {
        assert_eq!(ask(&demo, head(&demo, "GET /systems/raw/x", more)).status, 200, "{more}");
        let seen = system.last();
        assert!(!seen.head.contains(&token), "{}", seen.head);
        assert_eq!(seen.one("authorization"), Some("Basic Z2F0ZTpzM2NyZXQ="), "{more}");
    }
}

#[test]
fn two_sign_ins_to_one_address_never_share_a_connection() {
    let system = System::plain();
    let secrets: Vec<tempfile::NamedTempFile> = (0..2)
        .map(|n| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("token-{n}")).unwrap();
            file
        })
        .collect();
    let demo = Demo::start_with(
        |policies| {
            prepare(policies, &system, &Edits::default());
            for (n, secret) in secrets.iter().enumerate() {
                let (name, path) = (format!("raw{n}"), secret.path().display().to_string());
                let sign_in = format!("sign_in: {{ bearer: \"${{file:{path}}}\" }}");
                add_system(policies, &name, &format!("http://{}", system.address), &sign_in);
                may_name(policies, &name, &path);
            }
        },
        &[],
    );
    let mut tap = Tap::open(&demo);
    for turn in 0..12 {
        tap.send(head(&demo, &format!("GET /systems/raw{}/x", turn % 2), ""));
        assert_eq!(tap.reply().unwrap().status, 200);
    }
    let seen = system.seen();
    for one in &seen {
        let same = seen.iter().filter(|other| other.connection == one.connection);
        assert!(same.clone().all(|other| other.one("authorization") == one.one("authorization")));
    }
    assert_eq!(system.connections(), 2, "each sign-in has a connection, and keeps it");
}

#[test]
fn an_answer_that_can_be_read_two_ways_is_a_502() {
    let demo_of = |answer: &'static str| {
        System::start(move |_, talk| {
            talk.say(answer);
            false
        })
    };
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length : 5\r\n\r\nhello",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.9 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "",
    ] {
        let system = demo_of(answer);
        let demo = gate(&system);
        let reply = ask(&demo, head(&demo, "POST /systems/raw/x", "Content-Length: 0\r\n"));
        assert_eq!(reply.status, 502, "{answer:?}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!(!reply.text().contains("hello"), "{answer:?}");
        assert_eq!(system.seen().len(), 1, "{answer:?}: a POST was sent twice");
    }
}

#[test]
fn what_comes_before_an_answer_is_no_answer() {
    let system = System::start(|_, talk| {
        talk.say(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let demo = gate(&system);
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.header("link"), None);
}

#[test]
fn what_a_system_says_without_a_request_is_no_answer() {
    let (go, going) = mpsc::channel::<()>();
    let (tell, said) = mpsc::channel();
    let going = Mutex::new(going);
    let system = System::start(move |seen, talk| {
        talk.ok("mine");
        // When the answer has come, and nothing is asked: the next one is never meant by this.
        if seen.connection == 0 && going.lock().unwrap().recv().is_ok() {
            let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            return talk.say(evil) && tell.send(()).is_ok();
        }
        true
    });
    let demo = gate(&system);
    let mut tap = Tap::open(&demo);
    tap.send(head(&demo, "GET /systems/raw/x", ""));
    assert_eq!(tap.reply().unwrap().text(), "mine");
    go.send(()).unwrap();
    said.recv().unwrap();
    for _ in 0..3 {
        tap.send(head(&demo, "GET /systems/raw/x", ""));
        assert_eq!(tap.reply().unwrap().text(), "mine");
    }
    assert_eq!(system.connections(), 2, "the one on which it spoke is not used again");
}

#[test]
fn a_body_that_breaks_off_is_aborted_and_never_ended() {
    let system = System::start(|seen, talk| {
        let answer = match seen.line().contains("chunks") {
            true => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        };
        talk.say(answer);
        false
    });
    let demo = gate(&system);
    for path in ["length", "chunks"] {
        let mut tap = Tap::open(&demo);
        tap.send(head(&demo, &format!("GET /systems/raw/{path}"), ""));
        // The break may be known before the head has left; then there is no answer at all.
        let reply = tap.reply();
        if path == "length" {
            // So small an answer is gathered first: what breaks off is a refusal, not half an answer.
            assert_eq!(reply.map(|reply| reply.status), Some(502));
            continue;
        }
        assert!(reply.as_ref().is_none_or(|reply| !reply.whole), "{path}: it looks whole: {reply:?}");
        let id = system.last().one("x-request-id").unwrap().to_owned();
        if path == "chunks" {
            until("its end is written down", || {
                let entries = crate::book::of(&demo.data(), &id);
                entries.iter().any(|entry| entry["kind"] == "close" && entry["ended"] == "system-gone")
            });
        }
        // Over HTTP/2 the stream is reset.
        let authorization = format!("Bearer {}", demo.token(Who::App).unwrap());
        let target = format!("/systems/raw/{path}");
        let mut frames = Frames::open(&demo);
        let asked = frames.ask(
            1,
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "localhost"),
                (":path", &target),
                ("authorization", &authorization),
            ],
        );
        let ended = if asked == Came::Status(200) { frames.came(1) } else { asked };
        assert!(matches!(ended, Came::Reset(_)), "{path}: {ended:?}");
    }
}

#[test]
fn trailers_are_kept_in_both_directions() {
    let (tell, told) = mpsc::channel();
    let system = System::start(move |_, talk| {
        drop(tell.send(talk.chunks().unwrap_or_default()));
        talk.say(
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n",
        )
    });
    let demo = gate(&system);
    let more = "TE: trailers\r\nConnection: te\r\nTrailer: X-Digest\r\nTransfer-Encoding: chunked\r\n";
    let reply =
        ask(&demo, head(&demo, "POST /systems/raw/x", more) + "5\r\nhello\r\n0\r\nX-Digest: 7\r\n\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"), "{reply:?}");
    assert_eq!(reply.trailers.to_ascii_lowercase(), "x-sum: 42\r\n", "the system's trailers: {reply:?}");
    let sent = told.recv().unwrap().to_ascii_lowercase();
    assert!(sent.ends_with("0\r\nx-digest: 7\r\n\r\n"), "the caller's trailers: {sent:?}");
}

#[test]
fn a_redirect_inside_a_system_stays_behind_the_gate() {
    let system = System::start(|seen, talk| {
        let own = seen.one("host").unwrap().to_owned();
        talk.say(format!("HTTP/1.1 302 Found\r\nLocation: http://{own}/next\r\nContent-Length: 0\r\n\r\n"))
    });
    let demo = gate(&system);
    let reply = ask(&demo, head(&demo, "GET /systems/raw/x", ""));
    assert_eq!(reply.header("location"), Some("/systems/raw/next"));
}

#[test]
fn bytes_behind_an_upgrade_that_is_not_granted_are_judged_like_any_others() {
    let system = System::plain();
    let demo = gate(&system);
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let mut tap = Tap::open(&demo);
    let behind = head(&demo, "GET /systems/raw/admin", "");
    tap.send(head(&demo, "GET /systems/raw/x", upgrade) + &behind);
    assert_eq!(tap.reply().unwrap().status, 200);
    let second = tap.reply();
    if let Some(reply) = &second {
        assert_refused(&demo, "the request behind", reply, 403);
    }
    assert_eq!(system.seen().len(), 1, "{:?}", system.seen());
    // And an upgrade with a body, or to HTTP/2, is none.
    for more in [
        "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let reply = ask(
            &demo,
            format!("GET /systems/raw/x HTTP/1.1\r\nHost: localhost\r\n{}{more}\r\n", auth(&demo)),
        );
        assert_refused(&demo, more, &reply, 400);
    }
}
