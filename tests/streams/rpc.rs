//! gRPC through the gate: messages both ways, trailers, deadlines, and refusals as its callers read them. The gate
//! neither reads a message nor frames one.

use std::{net::SocketAddr, sync::Arc, thread};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    server::SendResponse,
};
use http::{HeaderMap, Request, Response};
use parking_lot::Mutex;
use tokio::{net::TcpListener, time::timeout};

use crate::{
    book,
    ground::{edit, field, join},
    kit::{Demo, PATIENCE, Who, connector, copy_all, root, run, runtime, until},
};

type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// A system that speaks HTTP/2, on a thread of its own; `serve` has each call to itself.
fn system<F, R>(serve: F) -> SocketAddr
where
    F: Fn(Asked) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(Mutex::new(serve));
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let serve = serve.clone();
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok(asked)) = connection.accept().await {
                        let serving = serve.lock()(asked);
                        tokio::spawn(serving);
                    }
                });
            }
        });
    });
    address
}

fn demo(system: SocketAddr) -> Demo {
    demo_with(system, |_| {})
}

fn demo_with(system: SocketAddr, more: impl FnOnce(&std::path::Path)) -> Demo {
    Demo::start_with(
        |policies| {
            join(policies, system, "sign_in: none\nhttp: 2\ngrpc: [pkg.Echo]\n");
            more(policies);
        },
        &[],
    )
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

/// Says each message back; then that all is well.
async fn echo((request, mut respond): Asked) {
    let (head, mut body) = request.into_parts();
    let mut answer = Response::new(());
    *answer.headers_mut() = fields(&[("content-type", "application/grpc+proto")]);
    for name in ["te", "grpc-timeout", "authorization"] {
        if let Some(value) = head.headers.get(name) {
            answer
                .headers_mut()
                .insert(format!("x-{name}").parse::<http::HeaderName>().unwrap(), value.clone());
        }
    }
    let mut stream = respond.send_response(answer, false).unwrap();
    while let Some(Ok(message)) = body.data().await {
        drop(body.flow_control().release_capacity(message.len()));
        if stream.send_data(message, false).is_err() {
            return;
        }
    }
    drop(stream.send_trailers(fields(&[("grpc-status", "0"), ("grpc-message", "all%20well")])));
}

/// A caller's connection over HTTP/2.
async fn caller(demo: &Demo) -> SendRequest<Bytes> {
    let mut config = (**connector(demo.env("BRAMKA_CA")).config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(demo.address()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// Begins a call; `more` stands in its head.
fn call(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    more: &[(&str, &str)],
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut request = Request::post(format!("https://localhost{path}")).body(()).unwrap();
    *request.headers_mut() = fields(&[("content-type", "application/grpc+proto"), ("te", "trailers")]);
    request.headers_mut().extend(fields(more));
    sender.send_request(request, false).unwrap()
}

fn bearer(demo: &Demo) -> String {
    format!("Bearer {}", demo.token(Who::App).unwrap())
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

const ECHO: &str = "/systems/raw/pkg.Echo/Chat";

#[test]
fn messages_go_both_ways_as_they_come_and_the_trailers_after_them() {
    // A stream that has nothing to say is not a slow upload.
    let demo = demo_with(system(echo), |policies| {
        let bounds = "    at: 127.0.0.1:8443\n    bounds: { body_rate_grace: 1ms, body_rate_min: 1GiB }\n";
        edit(&policies.join("gateway.yaml"), "    at: 127.0.0.1:8443\n", bounds);
    });
    let request = runtime().block_on(async {
        let mut sender = caller(&demo).await;
        let bearer = bearer(&demo);
        let (answer, mut out) =
            call(&mut sender, ECHO, &[("authorization", &bearer), ("grpc-timeout", "1M")]);
        let answer = soon(answer).await.unwrap();
        let (head, mut body) = answer.into_parts();
        assert_eq!(
            (head.status.as_u16(), text(&head.headers, "content-type")),
            (200, "application/grpc+proto")
        );
        assert_eq!((text(&head.headers, "x-te"), text(&head.headers, "x-grpc-timeout")), ("trailers", "1M"));
        assert_eq!(text(&head.headers, "x-authorization"), "", "the caller's credential is the gate's");
        for number in 0..20 {
            let message = format!("\0\0\0\0\u{2}{number:02}");
            out.send_data(Bytes::from(message.clone()), false).unwrap();
            let heard = soon(body.data()).await.unwrap().unwrap();
            drop(body.flow_control().release_capacity(heard.len()));
            assert_eq!(heard, message);
        }
        out.send_data(Bytes::new(), true).unwrap();
        assert!(soon(body.data()).await.is_none());
        let trailers = soon(body.trailers()).await.unwrap().unwrap();
        assert_eq!((text(&trailers, "grpc-status"), text(&trailers, "grpc-message")), ("0", "all%20well"));
        text(&head.headers, "x-request-id").to_owned()
    });
    let mut close = None;
    until("the stream is closed in the journal", || {
        close = book::of(&demo.data(), &request).into_iter().find(|entry| entry["kind"] == "close");
        close.is_some()
    });
    let close = close.unwrap();
    let told = (&close["ended"], &close["bytes_in"], &close["bytes_out"]);
    assert_eq!(told, (&"complete".into(), &140.into(), &140.into()), "{close}");
}

#[test]
fn an_answer_of_trailers_only_stays_one() {
    let demo = demo(system(|(_, mut respond): Asked| async move {
        let mut answer = Response::new(());
        let said = [("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no such")];
        *answer.headers_mut() = fields(&said);
        drop(respond.send_response(answer, true));
    }));
    runtime().block_on(async {
        let mut sender = caller(&demo).await;
        let (answer, mut out) = call(&mut sender, ECHO, &[("authorization", &bearer(&demo))]);
        out.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
        let (head, body) = soon(answer).await.unwrap().into_parts();
        assert_eq!(
            (text(&head.headers, "grpc-status"), text(&head.headers, "grpc-message")),
            ("5", "no such")
        );
        assert!(body.is_end_stream());
    });
}

#[test]
fn an_answer_whose_length_is_told_keeps_its_trailers() {
    let demo = demo(system(|(_, mut respond): Asked| async move {
        let mut answer = Response::new(());
        *answer.headers_mut() = fields(&[("content-type", "application/grpc"), ("content-length", "5")]);
        let mut stream = respond.send_response(answer, false).unwrap();
        stream.send_data(Bytes::from_static(b"\0\0\0\0\0"), false).unwrap();
        stream.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    }));
    runtime().block_on(async {
        let mut sender = caller(&demo).await;
        let mut request = Request::post(format!("https://localhost{ECHO}")).body(()).unwrap();
        let bearer = bearer(&demo);
        *request.headers_mut() = fields(&[("content-type", "application/grpc"), ("authorization", &bearer)]);
        let (answer, _) = sender.send_request(request, true).unwrap();
        let mut body = soon(answer).await.unwrap().into_body();
        assert_eq!(soon(body.data()).await.unwrap().unwrap().len(), 5);
        let trailers = soon(body.trailers()).await.unwrap().unwrap();
        assert_eq!(text(&trailers, "grpc-status"), "0");
    });
}

#[test]
fn a_service_that_the_file_names_is_called_under_its_own_path() {
    let demo = demo(system(echo));
    runtime().block_on(async {
        let (mut sender, bearer) = (caller(&demo).await, bearer(&demo));
        for (path, status) in [("/pkg.Echo/Chat", ""), ("/pkg.Other/Chat", "12")] {
            let (answer, mut out) = call(&mut sender, path, &[("authorization", &bearer)]);
            let (head, mut body) = soon(answer).await.unwrap().into_parts();
            assert_eq!(text(&head.headers, "grpc-status"), status, "{path}");
            if status.is_empty() {
                out.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
                assert_eq!(soon(body.data()).await.unwrap().unwrap().len(), 5);
            }
        }
    });
}

#[test]
fn a_service_of_two_systems_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    copy_all(&root().join("policies"), &policies);
    for name in ["one", "two"] {
        let text = format!(
            "system: {name}\nbase: https://{name}.example\nhttp: 2\ngrpc: [pkg.Echo]\nsign_in: none\nspeaks: json\n"
        );
        std::fs::write(policies.join(format!("systems/{name}.yaml")), text).unwrap();
    }
    let ran = run(&["policy", "check", "--without-secrets", "--policies", policies.to_str().unwrap()]);
    let told = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 1, "{told}");
    assert!(told.contains("`pkg.Echo` is a service of `one` already"), "{told}");
    assert!(told.contains("systems/two.yaml:4"), "{told}");
}

#[test]
fn a_refusal_is_one_that_a_caller_of_grpc_reads_and_the_journal_has_its_own_status() {
    let demo = demo(system(echo));
    runtime().block_on(async {
        let (mut sender, bearer) = (caller(&demo).await, bearer(&demo));
        let partner = format!("Bearer {}", demo.token(Who::Partner).unwrap());
        for (path, more, grpc, status) in [
            (ECHO, vec![], "16", 401),
            ("/systems/none/pkg.Echo/Chat", vec![("authorization", bearer.as_str())], "12", 404),
            (ECHO, vec![("authorization", partner.as_str())], "7", 403),
        ] {
            let (answer, _out) = call(&mut sender, path, &more);
            let (head, body) = soon(answer).await.unwrap().into_parts();
            assert_eq!(
                (head.status.as_u16(), text(&head.headers, "content-type")),
                (200, "application/grpc")
            );
            assert_eq!((text(&head.headers, "grpc-status"), body.is_end_stream()), (grpc, true), "{path}");
            assert!(!text(&head.headers, "grpc-message").is_empty());
            let entries = book::of(&demo.data(), text(&head.headers, "x-request-id"));
            assert_eq!(entries.last().unwrap()["status"], status, "{path}");
        }
    });
    // Over HTTP/1.1 there is no gRPC: it hears what everybody hears.
    let plain = demo.ask(http::Method::POST, "/systems/none/x").body("application/grpc", "x").send();
    assert_eq!((plain.status, plain.header("content-type")), (404, Some("application/problem+json")));
}

#[test]
fn a_deadline_is_the_callers_and_ends_the_call_at_the_system() {
    let ended = Arc::new(Mutex::new(None));
    let noted = ended.clone();
    let demo = demo(system(move |(request, respond): Asked| {
        let noted = noted.clone();
        async move {
            let mut respond = respond;
            let reason = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            *noted.lock() = Some(reason.unwrap());
            drop(request);
        }
    }));
    let request = runtime().block_on(async {
        let mut sender = caller(&demo).await;
        let bearer = bearer(&demo);
        let (answer, _out) = call(&mut sender, ECHO, &[("authorization", &bearer), ("grpc-timeout", "80m")]);
        let (head, _) = soon(answer).await.unwrap().into_parts();
        assert_eq!(text(&head.headers, "grpc-status"), "4");
        text(&head.headers, "x-request-id").to_owned()
    });
    until("the system is told", || ended.lock().is_some());
    let entries = book::of(&demo.data(), &request);
    assert_eq!(entries.last().unwrap()["status"], 504);
}

#[test]
fn a_deadline_ends_an_answer_that_goes_on() {
    let demo = demo(system(echo));
    let request = runtime().block_on(async {
        let mut sender = caller(&demo).await;
        let bearer = bearer(&demo);
        let (answer, _out) = call(&mut sender, ECHO, &[("authorization", &bearer), ("grpc-timeout", "300m")]);
        let (head, mut body) = soon(answer).await.unwrap().into_parts();
        assert_eq!(text(&head.headers, "grpc-status"), "");
        assert!(soon(body.data()).await.unwrap().is_err());
        text(&head.headers, "x-request-id").to_owned()
    });
    let head = format!("x-request-id: {request}");
    let close = crate::ground::closed(&demo, &head);
    assert_eq!(
        (field(&head, "x-request-id").unwrap(), &close["ended"]),
        (request.as_str(), &"bound".into()),
        "{close}"
    );
}
