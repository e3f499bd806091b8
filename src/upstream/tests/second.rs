//! Systems to which HTTP/2 is spoken.

use h2::Reason;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::*;
use crate::{
    body::{Body, BodyError},
    wire::tests::second::{ok, speaking},
};

/// A system that refuses the first `n` streams of all.
async fn refusing(n: usize) -> (Peer, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let peer = speaking(100, move |(request, mut respond), _| {
        let count = count.clone();
        async move {
            if count.fetch_add(1, Ordering::SeqCst) < n {
                respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                ok((request, respond)).await;
            }
        }
    })
    .await;
    (peer, heard)
}

#[tokio::test]
async fn a_refused_stream_is_tried_again_whatever_it_does_and_says_nothing_of_the_systems_health() {
    let core = CorePools::new(8);
    let (peer, heard) = refusing(2).await;
    let patient = system(
        &[&peer],
        "http: 2\nbreaker: { calls_min: 1, failures_percent: 1 }\nretries: { tries_max: 2 }",
    );
    assert_eq!(effect(&patient, &core).await.unwrap().body, "ok");
    assert_eq!((heard.load(Ordering::SeqCst), patient.state().is_left_alone), (3, false));

    let (peer, heard) = refusing(usize::MAX).await;
    let error = effect(&system(&[&peer], "http: 2\nretries: { tries_max: 1 }"), &core).await.unwrap_err();
    assert_eq!((error.sent(), heard.load(Ordering::SeqCst)), (Sent::No, 2), "{error}");
}

#[tokio::test]
async fn calls_share_a_connection_and_its_bound_of_streams() {
    let (peer, _) = refusing(0).await;
    let (core, shared) = (CorePools::new(8), system(&[&peer], "http: 2\nlimits: { streams: 4 }"));
    let calls = (0..12).map(|_| fetch(&shared, &core));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().body, "ok");
    }
    // The peer answers at once: how many were needed is a matter of timing, but no more than the bound asks for.
    assert!((1..=3).contains(&peer.connections()), "{}", peer.connections());
}

#[tokio::test]
async fn an_upload_and_its_answer_go_both_ways_at_once() {
    let peer = speaking(100, |(request, mut respond), _| async move {
        let mut body = request.into_body();
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        while let Some(Ok(piece)) = body.data().await {
            drop(body.flow_control().release_capacity(piece.len()));
            stream.send_data(piece, false).unwrap();
        }
        stream.send_trailers([(http::header::ETAG, "\"1\"".parse().unwrap())].into_iter().collect()).unwrap();
    })
    .await;
    let (core, system) = (CorePools::new(8), system(&[&peer], "http: 2"));
    let (more, pieces) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, BodyError>>();
    let pieces =
        futures_util::stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    let request = Request::post("/").body(Body::stream(StreamBody::new(pieces))).unwrap();
    let Opened::Answer(answer) =
        system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap()
    else {
        panic!()
    };
    let mut answer = answer.into_body();
    for word in ["ping", "pong"] {
        more.send(Ok(Frame::data(Bytes::from(word)))).unwrap();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), word);
    }
    drop(more);
    let trailers = answer.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers.get("etag").unwrap(), "\"1\"");
    assert!(answer.frame().await.is_none());
    drop(answer);
    assert_eq!(system.state().in_flight, 0);
}

#[test]
fn the_version_is_one_of_three_words_and_negotiated_by_tls_alone() {
    let told = |text: &str| {
        let text = format!("base: {text}\nallow_local: true\nsign_in: none");
        configure(&Registry::default(), &text).map(drop).unwrap_err()
    };
    let wrong = told("https://a.example\nhttp: 3");
    assert!(wrong.contains("`1`, `2` or `auto`") && wrong.contains("systems/crm.yaml:2"), "{wrong}");
    let plain = told("[https://a.example, http://b.example]\nhttp: auto");
    assert!(plain.contains("write `2` where") && plain.contains("systems/crm.yaml:2"), "{plain}");
    for bound in ["limits: { streams: 0 }", "limits: { streams: 1001 }", "timeouts: { ping: 10ms }"] {
        let told = told(&format!("https://a.example\nhttp: 2\n{bound}"));
        assert!(told.contains("`limits.streams` from 1 to 1000, `timeouts.ping` at least 1s"), "{told}");
    }
}

#[test]
fn services_of_grpc_are_full_names_and_need_http2() {
    for (more, told) in [
        ("grpc: [pricing.v1.Prices]", "write `http: 2`"),
        ("http: 1\ngrpc: [pricing.v1.Prices]", "write `http: 2`"),
        ("http: 2\ngrpc: [pricing/Prices]", "as in `pricing.v1.Prices`"),
        ("http: 2\ngrpc: ['.well-known']", "as in `pricing.v1.Prices`"),
        ("http: 2\ngrpc: [v1]", "as in `pricing.v1.Prices`"),
        ("http: 2\ngrpc: ['']", "as in `pricing.v1.Prices`"),
    ] {
        let text = format!("base: https://a.example\nsign_in: none\n{more}");
        let error = configure(&Registry::default(), &text).map(drop).unwrap_err();
        assert!(error.contains(told), "{more}: {error}");
    }
}
