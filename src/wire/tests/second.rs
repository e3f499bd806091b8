//! HTTP/2 towards peers: streams, their bounds, and what a peer did not take.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use h2::{Reason, RecvStream, server::SendResponse};
use tokio::{net::TcpStream, sync::Semaphore};

use super::{rig::*, *};

pub(super) fn keep(versions: Versions) -> Keep {
    Keep { versions, ..Keep::default() }
}

fn two(peer: &Peer) -> Arc<Origin> {
    peer.origin_keeping(keep(Versions::Two))
}

pub(crate) type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// A peer that speaks HTTP/2 and answers each stream on its own. It allows so many at once.
pub(crate) async fn speaking<F, R>(streams_max: u32, serve: F) -> Peer
where
    F: Fn(Asked, usize) -> R + Send + Sync + Clone + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Peer::new(move |stream, number| {
        let serve = serve.clone();
        async move { serve_streams(stream, streams_max, |asked| serve(asked, number)).await }
    })
    .await
}

pub(super) async fn serve_streams<S, R>(stream: S, streams_max: u32, serve: impl Fn(Asked) -> R)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    R: Future<Output = ()> + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams_max);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok(asked)) = connection.accept().await {
        tokio::spawn(serve(asked));
    }
}

pub(crate) async fn ok((_, mut respond): Asked) {
    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
    drop(stream.send_data(Bytes::from_static(b"ok"), true));
}

#[tokio::test]
async fn streams_share_a_connection_up_to_the_bound_and_then_another_is_opened() {
    // Ours is the bound, then the peer's.
    for (ours, theirs) in [(2, 100), (100, 2)] {
        let (held, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (hold, count) = (held.clone(), waiting.clone());
        let peer = speaking(theirs, move |asked, _| {
            let (hold, count) = (hold.clone(), count.clone());
            async move {
                if count.fetch_add(1, Ordering::SeqCst) == 4 {
                    hold.add_permits(5);
                }
                hold.acquire().await.unwrap().forget();
                ok(asked).await;
            }
        })
        .await;
        let (pool, keep) = (Pool::new(8), Keep { streams_max: ours, ..keep(Versions::Two) });
        let origin = peer.origin_keeping(keep);
        let asked = (0..5).map(|_| ask(&pool, &origin, plain(&origin, "/")));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.unwrap().into_body(), "ok");
        }
        assert_eq!((peer.connections(), waiting.load(Ordering::SeqCst)), (3, 5), "{ours} {theirs}");
    }
}

#[tokio::test]
async fn many_at_once_wait_for_one_connection_which_is_used_again() {
    let (peer, pool) = (speaking(100, |asked, _| ok(asked)).await, Pool::new(8));
    let origin = two(&peer);
    for _ in 0..3 {
        let asked = (0..40).map(|_| ask(&pool, &origin, plain(&origin, "/")));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.unwrap().into_body(), "ok");
        }
    }
    assert_eq!((peer.connections(), pool.idle()), (1, 1));
}

#[tokio::test]
async fn an_idle_or_old_connection_is_let_go_of() {
    let (peer, pool) = (speaking(100, |asked, _| ok(asked)).await, Pool::new(8));
    let brief = Duration::ZERO;
    let idle = peer.origin_keeping(Keep { idle_timeout: brief, ..keep(Versions::Two) });
    ask(&pool, &idle, plain(&idle, "/")).await.unwrap();
    pool.sweep(clock::now());
    assert_eq!(pool.idle(), 0);
    let old = peer.origin_keeping(Keep { lifetime: brief, ..keep(Versions::Two) });
    for _ in 0..2 {
        ask(&pool, &old, plain(&old, "/")).await.unwrap();
    }
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn idle_connections_have_a_bound() {
    let held = Arc::new(Semaphore::new(0));
    let (hold, waiting) = (held.clone(), Arc::new(AtomicUsize::new(0)));
    let peer = speaking(1, move |asked, _| {
        let (hold, waiting) = (hold.clone(), waiting.clone());
        async move {
            if waiting.fetch_add(1, Ordering::SeqCst) == 4 {
                hold.add_permits(5);
            }
            hold.acquire().await.unwrap().forget();
            ok(asked).await;
        }
    })
    .await;
    let (pool, keep) = (Pool::new(8), Keep { idle_max: 2, ..keep(Versions::Two) });
    let origin = peer.origin_keeping(keep);
    let asked = (0..5).map(|_| ask(&pool, &origin, plain(&origin, "/")));
    for answer in futures_util::future::join_all(asked).await {
        answer.unwrap();
    }
    assert_eq!(pool.idle(), 5);
    pool.sweep(clock::now());
    assert_eq!(pool.idle(), 2);
}

#[tokio::test]
async fn a_peer_that_says_no_settings_or_takes_no_streams_is_told_nothing() {
    for settings in [None, Some(&[0, 3, 0, 0, 0, 0][..])] {
        let heard = Arc::new(AtomicUsize::new(0));
        let count = heard.clone();
        let peer = Peer::new(move |mut stream, _| {
            let count = count.clone();
            async move {
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).await.unwrap();
                if let Some(settings) = settings {
                    raw::put(&mut stream, raw::SETTINGS, 0, 0, settings).await;
                }
                while raw::next_request(&mut stream).await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
        .await;
        let (pool, origin, now) = (Pool::new(8), two(&peer), clock::now());
        let brief = Clocks { connect: Duration::from_millis(50), ..CLOCKS };
        let failed = pool.send(&origin, changing(&origin), &brief, soon(now), now).await.unwrap_err();
        assert!(matches!(failed.error, WireError::Timeout(Clock::Connect)), "{:?}", failed.error);
        assert_eq!((failed.sent, failed.unsent.is_some()), (Sent::No, true));
        assert_eq!(heard.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_head_that_unpacks_to_more_than_its_bound_is_a_bad_answer() {
    let peer = Peer::new(|mut stream, _| async move {
        raw::open(&mut stream).await;
        let id = raw::next_request(&mut stream).await.unwrap();
        // `:status: 200`, then a field of 3000 bytes into the table once, and out of it 8000 times by a byte each.
        let mut head = vec![0x88, 0x40, 1, b'x', 0x7f];
        let length = 3000_usize - 127;
        head.extend([u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap()]);
        head.extend(vec![b'a'; 3000]);
        head.extend(vec![0x80 | 62; 8000]);
        raw::put(&mut stream, raw::HEADERS, 0x5, id, &head).await;
        while raw::next_request(&mut stream).await.is_some() {}
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    let failed = send(&pool, &origin, changing(&origin)).await.unwrap_err();
    assert!(matches!(failed.error, WireError::BadAnswer(_)), "{:?}", failed.error);
    assert_eq!(failed.sent, Sent::Maybe);
}

#[tokio::test]
async fn a_request_is_written_as_http2_has_it_and_trailers_go_both_ways() {
    let peer = speaking(100, |(request, mut respond), _| async move {
        let (head, mut body) = request.into_parts();
        while let Some(data) = body.data().await {
            drop(body.flow_control().release_capacity(data.unwrap().len()));
        }
        let told = body.trailers().await.unwrap();
        assert_eq!(format!("{told:?}"), r#"Some({"x-sum": "7"})"#);
        let mut names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!((names, head.uri.path()), (vec!["te", "trailer"], "/a"));
        assert!(head.uri.authority().is_some() && head.uri.scheme_str() == Some("http"));
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"ok"), false).unwrap();
        let trailers = [("grpc-status", "0"), ("set-cookie", "a=b")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        stream.send_trailers(trailers.into_iter().collect()).unwrap();
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    let frames: [Result<_, BodyError>; 2] = [
        Ok(Frame::data(Bytes::from_static(b"7"))),
        Ok(Frame::trailers(
            [("x-sum", "7"), ("x-user", "root")]
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .into_iter()
                .collect(),
        )),
    ];
    let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
    let mut request = request(&origin, "POST", "/a", body);
    for (name, value) in [("connection", "te"), ("te", "trailers"), ("trailer", "x-sum")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let Outcome::Answered(answer) = send(&pool, &origin, request).await.unwrap() else { panic!() };
    let read = answer.into_body().collect().await.unwrap();
    assert_eq!(format!("{:?}", read.trailers()), r#"Some({"grpc-status": "0"})"#);
}

/// Frames by hand (RFC 9113 §4.1).
mod raw {
    use super::*;

    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const GOAWAY: u8 = 7;

    /// Reads the preface and says our settings.
    pub(super) async fn open(stream: &mut TcpStream) {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        put(stream, SETTINGS, 0, 0, &[]).await;
    }

    /// The stream of the next request that comes.
    pub(super) async fn next_request(stream: &mut TcpStream) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, _, s1, s2, s3, s4] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            stream.read_exact(&mut payload).await.ok()?;
            if kind == HEADERS {
                return Some(u32::from_be_bytes([s1, s2, s3, s4]));
            }
        }
    }

    pub(super) async fn put(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        drop(stream.write_all(&frame).await);
    }

    /// `:status: 200` and the stream's end.
    pub(super) async fn answer(stream: &mut TcpStream, id: u32) {
        put(stream, HEADERS, 0x5, id, &[0x88]).await;
    }
}

/// A peer whose first connection answers its first request and does something else to its second one; what comes over
/// later connections is answered. Counts what it answered.
async fn turning<F, R>(turn: F) -> (Peer, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, u32) -> R + Send + Sync + Clone + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let peer = Peer::new(move |mut stream, number| {
        let (turn, count) = (turn.clone(), count.clone());
        async move {
            raw::open(&mut stream).await;
            while let Some(id) = raw::next_request(&mut stream).await {
                if number == 0 && id > 1 {
                    return turn(stream, id).await;
                }
                count.fetch_add(1, Ordering::SeqCst);
                raw::answer(&mut stream, id).await;
            }
        }
    })
    .await;
    (peer, answered)
}

fn changing(origin: &Origin) -> Request<Body> {
    request(origin, "POST", "/", Body::from(vec![b'x']))
}

#[tokio::test]
async fn what_a_connection_that_goes_away_did_not_take_is_sent_over_another() {
    let (peer, answered) = turning(|mut stream, _| async move {
        raw::put(&mut stream, raw::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).await;
        while raw::next_request(&mut stream).await.is_some() {}
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    for _ in 0..3 {
        assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
    }
    assert_eq!((peer.connections(), answered.load(Ordering::SeqCst)), (2, 3));
}

#[tokio::test]
async fn what_a_connection_that_goes_away_may_have_taken_is_not_sent_again() {
    let (peer, answered) = turning(|mut stream, id| async move {
        let last = id.to_be_bytes();
        raw::put(&mut stream, raw::GOAWAY, 0, 0, &[last[0], last[1], last[2], last[3], 0, 0, 0, 0]).await;
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
    let failed = send(&pool, &origin, changing(&origin)).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Broken(_)), "{:?}", failed.error);
    assert_eq!(
        (failed.sent, failed.unsent.is_none(), answered.load(Ordering::SeqCst)),
        (Sent::Maybe, true, 1)
    );
}

#[tokio::test]
async fn a_refused_stream_comes_back_to_be_sent_anew_and_another_reset_does_not() {
    for (reason, untaken) in [(Reason::REFUSED_STREAM, true), (Reason::CANCEL, false)] {
        let (peer, _) = turning(move |mut stream, id| async move {
            raw::put(&mut stream, raw::RST_STREAM, 0, id, &u32::from(reason).to_be_bytes()).await;
            let next = raw::next_request(&mut stream).await.unwrap();
            raw::answer(&mut stream, next).await;
        })
        .await;
        let (pool, origin) = (Pool::new(8), two(&peer));
        assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
        let failed = send(&pool, &origin, changing(&origin)).await.unwrap_err();
        assert_eq!((failed.sent == Sent::No, failed.unsent.is_some()), (untaken, untaken), "{reason:?}");
        assert_eq!(matches!(failed.error, WireError::Untaken(_)), untaken);
        assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
        assert_eq!(peer.connections(), 1, "one stream says nothing of the connection");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_http1_is_told_nothing() {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let peer = Peer::new(move |mut stream, _| {
        let count = count.clone();
        async move {
            if let Some(text) = read_request(&mut stream).await {
                count.fetch_add(usize::from(!text.starts_with("PRI * HTTP/2.0")), Ordering::SeqCst);
                say(&mut stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    let failed = send(&pool, &origin, changing(&origin)).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Version { .. }), "{:?}", failed.error);
    assert_eq!((failed.sent, failed.unsent.is_some(), heard.load(Ordering::SeqCst)), (Sent::No, true, 0));
}

/// A peer that answers no second request of its first connection.
async fn falling_silent() -> Peer {
    turning(|mut stream, _| async move {
        while raw::next_request(&mut stream).await.is_some() {}
        std::future::pending().await
    })
    .await
    .0
}

#[tokio::test]
async fn a_connection_on_which_a_peer_was_late_gets_no_new_streams() {
    let (peer, pool, now) = (falling_silent().await, Pool::new(8), clock::now());
    let origin = two(&peer);
    assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
    let brief = Clocks { first_byte: Duration::from_millis(30), ..CLOCKS };
    let failed = pool.send(&origin, changing(&origin), &brief, soon(now), now).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Timeout(Clock::FirstByte)), "{:?}", failed.error);
    assert_eq!(failed.sent, Sent::Maybe);
    assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_gone() {
    let (peer, pool) = (falling_silent().await, Pool::new(8));
    let ping = Some(Duration::from_millis(30));
    let origin = peer.origin_keeping(Keep { ping, ..keep(Versions::Two) });
    assert!(send(&pool, &origin, changing(&origin)).await.is_ok());
    let failed = send(&pool, &origin, changing(&origin)).await.unwrap_err();
    assert!(matches!(failed.error, WireError::Broken(_)), "{:?}", failed.error);
    assert_eq!(failed.sent, Sent::Maybe);
}

#[tokio::test]
async fn callers_who_read_slowly_hold_up_nobody_else() {
    let peer = speaking(100, |(request, mut respond), _| async move {
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        let size = if request.uri().path() == "/large" { 4 << 20 } else { 2 };
        drop(stream.send_data(Bytes::from(vec![b'x'; size]), true));
    })
    .await;
    let pool = Pool::new(8);
    let origin = peer.origin_keeping(Keep { streams_max: 8, ..keep(Versions::Two) });
    let mut unread = Vec::new();
    for _ in 0..7 {
        unread.push(send(&pool, &origin, plain(&origin, "/large")).await.unwrap());
    }
    for _ in 0..20 {
        assert_eq!(ask(&pool, &origin, plain(&origin, "/")).await.unwrap().into_body(), "xx");
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_caller_who_goes_away_frees_the_stream_and_the_peer_is_told() {
    let gone = Arc::new(Semaphore::new(0));
    let told = gone.clone();
    let peer = speaking(1, move |(_, mut respond), _| {
        let told = told.clone();
        async move {
            let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
            let reason = std::future::poll_fn(|context| stream.poll_reset(context)).await.unwrap();
            assert_eq!(reason, Reason::CANCEL);
            told.add_permits(1);
        }
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    for _ in 0..2 {
        drop(send(&pool, &origin, plain(&origin, "/")).await.unwrap());
        gone.acquire().await.unwrap().forget();
    }
    assert_eq!((peer.connections(), pool.idle()), (1, 1));
}

#[tokio::test]
async fn a_head_of_too_many_fields_or_a_switch_of_protocols_is_a_bad_answer() {
    let peer = speaking(100, |(request, mut respond), _| async move {
        let mut answer = http::Response::new(());
        if request.uri().path() == "/switch" {
            *answer.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        } else {
            for n in 0..101 {
                answer.headers_mut().insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), 1.into());
            }
        }
        drop(respond.send_response(answer, true));
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    for target in ["/many", "/switch"] {
        let failed = send(&pool, &origin, plain(&origin, target)).await.unwrap_err();
        assert!(matches!(failed.error, WireError::BadAnswer(_)), "{target}: {:?}", failed.error);
    }
}

#[tokio::test]
async fn an_upload_that_fails_is_its_senders_fault() {
    let peer = speaking(100, |(request, respond), _| async move {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.data().await {}
        drop(respond);
    })
    .await;
    let (pool, origin) = (Pool::new(8), two(&peer));
    let frames = [Ok(Frame::data(Bytes::from_static(b"7"))), Err(BodyError::TooLarge { bytes_max: 9 })];
    let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
    let failed = send(&pool, &origin, request(&origin, "POST", "/", body)).await.unwrap_err();
    assert!(
        matches!(failed.error, WireError::Upload(BodyError::TooLarge { bytes_max: 9 })),
        "{:?}",
        failed.error
    );
}
