//! The wire against peers that misbehave.

pub(crate) mod rig;
pub(crate) mod second;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use rig::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use super::*;
use crate::{
    body::{Body, BodyError},
    clock,
};

async fn ask_get(pool: &Pool, peer: &Peer, origin: &std::sync::Arc<Origin>) -> Result<Bytes, WireError> {
    let _ = peer;
    ask(pool, origin, plain(origin, "/")).await.map(http::Response::into_body)
}

#[tokio::test]
async fn a_sound_connection_is_used_again() {
    let (peer, pool) = (Peer::saying(OK).await, Pool::new(8));
    let origin = peer.origin();
    for _ in 0..5 {
        assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "ok");
    }
    assert_eq!((peer.connections(), pool.idle()), (1, 1));
}

#[tokio::test]
async fn two_origins_never_share_a_connection() {
    let (peer, pool) = (Peer::saying(OK).await, Pool::new(8));
    let (one, other) = (peer.origin(), peer.origin());
    for origin in [&one, &other, &one, &other] {
        ask_get(&pool, &peer, origin).await.unwrap();
    }
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_connection_the_peer_closes_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let (peer, pool) = (Peer::saying(answer).await, Pool::new(8));
        let origin = peer.origin();
        for _ in 0..2 {
            ask_get(&pool, &peer, &origin).await.unwrap();
        }
        assert_eq!(peer.connections(), 2, "{answer}");
    }
}

#[tokio::test]
async fn unsound_framing_is_a_bad_answer_and_ends_the_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let (peer, pool) = (Peer::saying(answer).await, Pool::new(8));
        let origin = peer.origin();
        let failed = send(&pool, &origin, plain(&origin, "/")).await.unwrap_err();
        assert!(matches!(failed.error, WireError::BadAnswer(_)), "{answer}: {:?}", failed.error);
        assert_eq!((failed.sent, pool.idle()), (Sent::Maybe, 0), "{answer}");
    }
}

#[tokio::test]
async fn a_truncated_body_is_an_error_and_never_a_shorter_body() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
    ] {
        let peer = Peer::new(move |mut stream, _| async move {
            read_request(&mut stream).await;
            say(&mut stream, answer).await;
        })
        .await;
        let (origin, pool) = (peer.origin(), Pool::new(8));
        let told = ask_get(&pool, &peer, &origin).await.unwrap_err();
        assert!(matches!(told, WireError::Truncated(_)), "{answer}: {told:?}");
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test]
async fn bytes_after_an_answer_never_become_the_next_answer() {
    let peer = Peer::new(|mut stream, number| async move {
        while read_request(&mut stream).await.is_some() {
            let body = if number == 0 { "a1" } else { "b2" };
            let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{body}");
            say(&mut stream, &if number == 0 { format!("{answer}{poison}") } else { answer }).await;
        }
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "a1");
    assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "b2");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_head_answered_with_a_body_frees_no_connection() {
    let (peer, pool) = (Peer::saying(OK).await, Pool::new(8));
    let origin = peer.origin();
    for connections in 1..4 {
        let head = request(&origin, "HEAD", "/", Body::Empty);
        assert_eq!(ask(&pool, &origin, head).await.unwrap().into_body(), "");
        assert_eq!(peer.connections(), connections);
    }
}

#[tokio::test]
async fn a_get_or_head_with_a_body_frees_no_connection() {
    let heads = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = heads.clone();
    let peer = Peer::answering(move |request| {
        let is_head = request.starts_with("HEAD ");
        seen.lock().push(request);
        if is_head { "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" } else { OK }.to_owned()
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let streamed = || {
        let piece = Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"body")));
        Body::stream(StreamBody::new(futures_util::stream::iter([piece])))
    };
    for (method, body, kept) in [
        ("GET", Body::from(b"body".to_vec()), false),
        ("GET", streamed(), false),
        ("HEAD", Body::from(b"body".to_vec()), false),
        ("POST", Body::from(b"body".to_vec()), true),
    ] {
        let mut request = request(&origin, method, "/", body);
        if request.body().size_hint().exact().is_none() {
            request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        }
        ask(&pool, &origin, request).await.unwrap();
        let told = heads.lock().last().unwrap().to_lowercase().contains("connection: close\r\n");
        assert_eq!((pool.idle(), told), (usize::from(kept), !kept), "{method}");
    }
}

#[tokio::test]
async fn a_request_that_met_a_closing_connection_comes_back_only_if_repeatable() {
    let peer = Peer::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        say(&mut stream, OK).await;
        // The second one is heard, and not answered.
        read_request(&mut stream).await;
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    for (idle, repeatable, back) in [(0, true, false), (1, true, true), (1, false, false)] {
        ask_get(&pool, &peer, &origin).await.unwrap();
        let mut now = clock::now();
        now.mono += Duration::from_secs(idle);
        let second = plain(&origin, "/second");
        let failed = if repeatable {
            pool.send_repeatable(&origin, second, &CLOCKS, soon(now), now).await.unwrap_err()
        } else {
            pool.send(&origin, second, &CLOCKS, soon(now), now).await.unwrap_err()
        };
        let unsent = failed.unsent.as_ref().map(|request| request.uri().path());
        assert_eq!((failed.sent, unsent), (Sent::Maybe, back.then_some("/second")));
    }
}

#[tokio::test]
async fn a_peer_that_speaks_first_is_not_heard() {
    let peer = Peer::new(|mut stream, number| async move {
        if number == 0 {
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await;
        }
        while read_request(&mut stream).await.is_some() {
            say(&mut stream, OK).await;
        }
    })
    .await;
    let (origin, pool, now) = (peer.origin(), Pool::new(8), clock::now());
    let timing = pool::Timing { clocks: &CLOCKS, deadline: soon(now), now };
    // Connected, and not yet used.
    pool.lease(&origin, &timing).await.unwrap().give_back();
    assert_eq!(pool.idle(), 1);
    let heard = async {
        while pool.idle() > 0 {
            tokio::task::yield_now().await;
            pool.sweep(now);
        }
    };
    tokio::time::timeout(Duration::from_secs(8), heard).await.expect("it stays in the pool");
    assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "ok");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn what_a_peer_says_unasked_between_two_requests_is_no_answer() {
    let spoken = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let speak = spoken.clone();
    let peer = Peer::new(move |mut stream, number| {
        let speak = speak.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                say(&mut stream, OK).await;
                if number == 0 {
                    speak.acquire().await.unwrap().forget();
                    say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await;
                }
            }
        }
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "ok");
    assert_eq!(pool.idle(), 1);
    spoken.add_permits(1);
    let heard = async {
        while pool.idle() > 0 {
            tokio::task::yield_now().await;
            pool.sweep(clock::now());
        }
    };
    tokio::time::timeout(Duration::from_secs(8), heard).await.expect("it stays in the pool");
    assert_eq!(ask_get(&pool, &peer, &origin).await.unwrap(), "ok");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_waited_for_no_longer_than_its_clock() {
    let peer =
        Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} }).await;
    let (origin, pool, now) = (peer.origin(), Pool::new(8), clock::now());
    let clocks = Clocks { first_byte: Duration::from_millis(40), ..CLOCKS };
    let failed = pool.send(&origin, plain(&origin, "/"), &clocks, soon(now), now).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Timeout(Clock::FirstByte)));
    let deadline = Deadline::after(now, Duration::from_millis(80));
    let failed = pool.send(&origin, plain(&origin, "/"), &CLOCKS, deadline, now).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Timeout(Clock::Call)));
    assert_eq!((failed.sent, pool.idle()), (Sent::Maybe, 0));
}

#[tokio::test]
async fn a_body_that_never_ends_is_waited_for_no_longer_than_the_deadline() {
    let peer = Peer::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok").await;
        read_request(&mut stream).await;
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let Outcome::Answered(answer) = send(&pool, &origin, plain(&origin, "/")).await.unwrap() else {
        panic!()
    };
    let late = Deadline::after(clock::now(), Duration::from_millis(40));
    assert!(matches!(gather(answer.into_body(), 100, late).await, Err(WireError::Timeout(Clock::Call))));
}

#[tokio::test]
async fn an_unreachable_peer_has_seen_nothing() {
    let peer = Peer::saying(OK).await;
    let origin = peer.origin();
    drop(peer);
    tokio::task::yield_now().await;
    let failed = send(&Pool::new(8), &origin, plain(&origin, "/")).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Connect { .. }), "{:?}", failed.error);
    assert_eq!((failed.sent, failed.unsent.is_some()), (Sent::No, true));
}

#[tokio::test]
async fn local_addresses_are_not_called_unless_allowed() {
    let peer = Peer::saying(OK).await;
    for host in ["127.0.0.1", "localhost"] {
        let url = url::Url::parse(&format!("http://{host}:{}", peer.address.port())).unwrap();
        let origin = Origin::new(&url, None, None, Local::default(), Keep::default()).unwrap().into();
        let failed = send(&Pool::new(8), &origin, plain(&origin, "/")).await.unwrap_err();
        assert!(matches!(failed.error, WireError::Local { .. }), "{host}: {:?}", failed.error);
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let peer = Peer::saying(
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let answer = ask(&pool, &origin, plain(&origin, "/")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("link")), (200, None));
}

#[tokio::test]
async fn trailers_are_kept_and_connection_fields_are_not() {
    let peer = Peer::saying(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\nconnection: x-hop\r\nx-hop: 1\r\n\
         keep-alive: timeout=5\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\nset-cookie: a=b\r\n\r\n",
    )
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let Outcome::Answered(answer) = send(&pool, &origin, plain(&origin, "/")).await.unwrap() else {
        panic!()
    };
    let mut names: Vec<_> = answer.headers().keys().map(|name| name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["trailer"]);
    let collected = answer.into_body().into_body(()).collect().await.unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!((trailers.get("x-sum").unwrap(), trailers.len()), (&http::HeaderValue::from_static("7"), 1));
    assert_eq!(pool.idle(), 1);
}

#[tokio::test]
async fn a_request_on_a_connection_closed_meanwhile_goes_out_on_another() {
    let peer = Peer::new(|mut stream, _| async move {
        // One answer each, then closed without a word.
        if read_request(&mut stream).await.is_some() {
            say(&mut stream, OK).await;
        }
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    for _ in 0..3 {
        let post = request(&origin, "POST", "/", Body::from(vec![b'x'; 3]));
        assert_eq!(ask(&pool, &origin, post).await.unwrap().into_body(), "ok");
        // Until the peer's end has reached us.
        while pool.idle() > 0 {
            tokio::task::yield_now().await;
            pool.sweep(clock::now());
        }
    }
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_body_left_unread_takes_its_connection_along() {
    let (peer, pool) = (Peer::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, Pool::new(8));
    let origin = peer.origin();
    drop(send(&pool, &origin, plain(&origin, "/")).await.unwrap());
    assert_eq!(pool.idle(), 0);
    ask_get(&pool, &peer, &origin).await.unwrap();
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn an_answer_before_the_upload_is_over_frees_no_connection() {
    let peer = Peer::new(|mut stream, _| async move {
        let mut some = [0; 16];
        drop(stream.read(&mut some).await);
        say(&mut stream, OK).await;
        while matches!(stream.read(&mut some).await, Ok(n) if n > 0) {}
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let endless = Body::stream(StreamBody::new(futures_util::stream::pending()));
    let answer = ask(&pool, &origin, request(&origin, "POST", "/", endless)).await.unwrap();
    assert_eq!((answer.into_body(), pool.idle()), ("ok".into(), 0));
}

#[tokio::test]
async fn the_first_byte_clock_waits_for_the_callers_upload() {
    let peer = Peer::saying(OK).await;
    let (origin, pool, now) = (peer.origin(), Pool::new(8), clock::now());
    let clocks = Clocks { first_byte: Duration::from_millis(30), ..CLOCKS };
    let slow = futures_util::stream::unfold(0, |n| async move {
        tokio::time::interval_at(
            tokio::time::Instant::now() + Duration::from_millis(40),
            Duration::from_secs(1),
        )
        .tick()
        .await;
        (n < 3).then(|| (Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x"))), n + 1))
    });
    let upload = request(&origin, "POST", "/", Body::stream(StreamBody::new(slow)));
    let outcome = pool.send(&origin, upload, &clocks, soon(now), now).await;
    assert!(matches!(outcome, Ok(Outcome::Answered(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_clocks_of_an_upload_run_from_its_last_byte_and_no_longer() {
    // What is told late is told at the time of the clock, not at its next round.
    for (first_byte, call, told) in [(400, 5000, Clock::FirstByte), (5000, 400, Clock::Call)] {
        let peer = Peer::new(|mut stream, _| async move {
            let mut some = [0; 256];
            while matches!(stream.read(&mut some).await, Ok(n) if n > 0) {}
        })
        .await;
        let (origin, pool, now) = (peer.origin(), Pool::new(8), clock::now());
        let clocks = Clocks {
            first_byte: Duration::from_millis(first_byte),
            call: Duration::from_millis(call),
            ..CLOCKS
        };
        let whole = [Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x")))];
        let upload = Body::stream(StreamBody::new(futures_util::stream::iter(whole)));
        let failed = pool.send(&origin, request(&origin, "POST", "/", upload), &clocks, soon(now), now).await;
        let took = clock::mono().duration_since(now.mono);
        assert!(matches!(failed.unwrap_err().error, WireError::Timeout(clock) if clock == told));
        assert!(took < Duration::from_millis(790), "{took:?}");
    }
}

#[tokio::test]
async fn a_fault_of_the_callers_body_is_not_the_peers() {
    let peer = Peer::saying(OK).await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let broken = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"x"))),
        Err(BodyError::TooLarge { bytes_max: 7 }),
    ]);
    let upload = request(&origin, "POST", "/", Body::stream(StreamBody::new(broken)));
    let failed = send(&pool, &origin, upload).await.unwrap_err();
    assert!(
        matches!(failed.error, WireError::Upload(BodyError::TooLarge { bytes_max: 7 })),
        "{:?}",
        failed.error
    );
}

#[tokio::test]
async fn a_head_has_its_bounds() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(80 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x: 1\r\n".repeat(120));
    for answer in [long, many] {
        let peer = Peer::answering(move |_| answer.clone()).await;
        let (origin, pool) = (peer.origin(), Pool::new(8));
        let failed = send(&pool, &origin, plain(&origin, "/")).await.err().unwrap();
        assert!(matches!(failed.error, WireError::BadAnswer(_)), "{:?}", failed.error);
    }
}

#[tokio::test]
async fn gathering_has_a_bound_told_or_not() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n12\r\n3\r\n345\r\n0\r\n\r\n",
    ] {
        let peer = Peer::saying(answer).await;
        let (origin, pool) = (peer.origin(), Pool::new(8));
        for (bytes_max, fits) in [(4, false), (5, true)] {
            let Outcome::Answered(answer) = send(&pool, &origin, plain(&origin, "/")).await.unwrap() else {
                panic!()
            };
            let gathered = gather(answer.into_body(), bytes_max, soon(clock::now())).await;
            assert_eq!(gathered.is_ok_and(|bytes| bytes == "12345"), fits);
        }
    }
}

#[tokio::test]
async fn idle_connections_are_bounded_and_grow_old() {
    let peer = Peer::saying(OK).await;
    let keep = Keep { idle_max: 2, ..Keep::default() };
    let (origin, other, pool) = (peer.origin_keeping(keep), peer.origin(), Pool::new(3));
    let mut held = Vec::new();
    for origin in [&origin, &origin, &origin, &other, &other] {
        match send(&pool, origin, plain(origin, "/")).await.unwrap() {
            Outcome::Answered(answer) => held.push(answer.into_body()),
            Outcome::Switched(..) => panic!(),
        }
    }
    for body in held {
        gather(body, 10, soon(clock::now())).await.unwrap();
    }
    assert_eq!(pool.idle(), 3);
    let mut now = clock::now();
    pool.sweep(now);
    assert_eq!(pool.idle(), 3);
    now.mono += Duration::from_secs(31);
    pool.sweep(now);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn a_switch_that_was_asked_for_hands_the_socket_over() {
    let peer = Peer::new(|mut stream, _| async move {
        read_request(&mut stream).await;
        say(
            &mut stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: keep-alive, X-Hop, upgrade\r\nupgrade: WebSocket\r\n\
             x-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\nsec-websocket-accept: a\r\n\r\nfirst,",
        )
        .await;
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
    })
    .await;
    let (origin, pool) = (peer.origin(), Pool::new(8));
    let mut asking = plain(&origin, "/");
    asking.headers_mut().insert("connection", "upgrade".parse().unwrap());
    asking.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let Outcome::Switched(head, mut tunnel) = send(&pool, &origin, asking).await.unwrap() else { panic!() };
    assert_eq!(head.status(), 101);
    let mut kept: Vec<_> =
        head.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    kept.sort_unstable();
    let expected = [("connection", "upgrade"), ("sec-websocket-accept", "a"), ("upgrade", "WebSocket")];
    assert_eq!(kept, expected, "of what belongs to the connection, the protocol alone");
    tunnel.write_all(b"ping").await.unwrap();
    let mut heard = String::new();
    tunnel.read_to_string(&mut heard).await.unwrap();
    assert_eq!((heard.as_str(), pool.idle()), ("first,ping", 0));
}

#[tokio::test]
async fn a_client_is_a_service() {
    let peer = Peer::answering(|request| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("-").to_owned();
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{host}", host.len())
    })
    .await;
    let client =
        Client { pool: Pool::new(8), origin: peer.origin(), clocks: CLOCKS, call: Duration::from_secs(5) };
    let answer = client.oneshot(Request::get("/").body(Body::Empty).unwrap()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), peer.address.to_string());
}

#[tokio::test]
async fn a_document_is_fetched_by_its_url() {
    let peer = Peer::answering(|request| {
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{target}", target.len())
    })
    .await;
    let url = peer.url().join("/a/b?c=d").unwrap();
    let (status, _, body) = get(&url, None, allowed(), &Bounds::default(), clock::now()).await.unwrap();
    assert_eq!((status.as_u16(), body), (201, "/a/b?c=d".into()));
}
