//! Sessions, and tokens against forged requests, against systems that misbehave.

use parking_lot::Mutex;

use super::*;

/// A system that wants a session: cookie `SID` with the number of the newest login, and `NODE`.
struct Stand {
    peer: Peer,
    /// Every request but logins.
    heard: Arc<Mutex<Vec<String>>>,
    logins: Arc<AtomicUsize>,
    /// The login that is good; those before are over.
    good: Arc<AtomicUsize>,
}

const NO: &str = "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n";

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

fn line<'a>(request: &'a str, field: &str) -> Option<&'a str> {
    request.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "))
}

/// `refusing` is what a request outside the session is answered.
async fn stand(refusing: &'static str) -> Stand {
    let (heard, logins, good): (Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
        Default::default();
    good.store(1, Ordering::SeqCst);
    let (hearing, counted, wanted) = (heard.clone(), logins.clone(), good.clone());
    let peer = Peer::answering(move |request| {
        if request.starts_with("POST /Login ") {
            let body = request.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(body, r#"{"CompanyDB":"DEMO","UserName":"m","Password":"s3cret-B1","n":1}"#);
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let set = format!(
                "set-cookie: other=x\r\nset-cookie: SID={number}; HttpOnly\r\nset-cookie: NODE=.n1; path=/\r\n"
            );
            return ok(&set, r#"{"SessionTimeout":30}"#);
        }
        hearing.lock().push(request.clone());
        let cookie = format!("SID={}; NODE=.n1", wanted.load(Ordering::SeqCst));
        match line(&request, "cookie") == Some(&cookie) {
            true => ok("set-cookie: SID=thief\r\n", "in"),
            false => refusing.to_owned(),
        }
    })
    .await;
    Stand { peer, heard, logins, good }
}

const SESSION: &str = "session: { post: /Login, \
    json: { CompanyDB: DEMO, UserName: m, Password: '${env:B1}', n: 1 }, cookies: [SID, NODE], \
    lifetime: { at: SessionTimeout, unit: minutes } }";

impl Stand {
    fn system(&self, more: &str) -> Arc<Upstream> {
        system(&[&self.peer], &format!("sign_in: {{ {SESSION}{more} }}"))
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    fn heard(&self) -> usize {
        self.heard.lock().len()
    }
}

fn why<T>(told: Result<T, UpstreamError>) -> String {
    let error = told.map(|_| ()).unwrap_err();
    assert!(matches!(error, UpstreamError::SignIn(_)), "{error}");
    assert_eq!(error.sent(), Sent::No);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("s3cret"), "{told}");
    error.to_string()
}

async fn sixty_four(system: &Arc<Upstream>, core: &CorePools) {
    let calls = (0..64).map(|_| fetch(system, core));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().body, "in");
    }
}

#[tokio::test]
async fn one_login_serves_many_calls_at_once_and_so_does_the_next_one() {
    let (stand, core) = (stand(NO).await, CorePools::new(64));
    let system = stand.system("");
    sixty_four(&system, &core).await;
    assert_eq!((stand.logins(), stand.heard()), (1, 64));
    // It ends at the system, in the middle of everything.
    stand.good.store(2, Ordering::SeqCst);
    sixty_four(&system, &core).await;
    assert_eq!(stand.logins(), 2, "however many were refused");
}

#[tokio::test]
async fn a_changing_call_is_repeated_once_after_the_system_refused_its_session() {
    let (stand, core) = (stand(NO).await, CorePools::new(8));
    let system = stand.system("");
    assert_eq!(effect(&system, &core).await.unwrap().body, "in");
    stand.good.store(2, Ordering::SeqCst);
    assert_eq!(effect(&system, &core).await.unwrap().body, "in");
    assert_eq!((stand.logins(), stand.heard()), (2, 3));
    // A system that refuses every session is not asked for ever, nor given password after password.
    stand.good.store(99, Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(effect(&system, &core).await.unwrap().status, 401);
    }
    assert_eq!((stand.logins(), stand.heard()), (2, 8));
}

#[tokio::test]
async fn a_refusal_by_a_word_of_the_files_renews_the_session_too() {
    const OVER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{\"error\": {\"code\": 301}}";
    const OVER_HEAD: &str = "HTTP/1.1 403 No\r\nx-why: session\r\ncontent-length: 0\r\n\r\n";
    for (refusing, expired) in [
        (OVER, ", expired: { status: 200, at: error.code, equals: '301' }"),
        (OVER_HEAD, ", expired: [{ status: 409 }, { header: X-Why, equals: session }]"),
    ] {
        let (stand, core) = (stand(refusing).await, CorePools::new(8));
        let system = stand.system(expired);
        assert_eq!(effect(&system, &core).await.unwrap().body, "in");
        stand.good.store(2, Ordering::SeqCst);
        assert_eq!(effect(&system, &core).await.unwrap().body, "in");
        assert_eq!((stand.logins(), stand.heard()), (2, 3));
        // It would be read as rows: it is told as what it is.
        stand.good.store(99, Ordering::SeqCst);
        assert_eq!(
            why(effect(&system, &core).await),
            "signing in failed: the system refuses a sign-in that is new"
        );
        assert_eq!(stand.logins(), 2);
    }
}

/// Logs in to a system that answers logins so and nothing else; how often it was asked.
async fn login_answered(answer: &str) -> (String, usize) {
    let (count, answer) = (Arc::new(AtomicUsize::new(0)), answer.to_owned());
    let counted = count.clone();
    let peer = Peer::answering(move |request| {
        assert!(request.starts_with("POST /Login "), "{request}");
        counted.fetch_add(1, Ordering::SeqCst);
        answer.clone()
    })
    .await;
    let (system, core) = (system(&[&peer], &format!("sign_in: {{ {SESSION} }}")), CorePools::new(8));
    let told = why(fetch(&system, &core).await);
    for _ in 0..5 {
        assert_eq!(why(effect(&system, &core).await), told, "remembered");
    }
    (told, count.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_login_that_fails_is_ours_and_not_tried_again_at_once() {
    let both = "set-cookie: SID=1\r\nset-cookie: NODE=2\r\n";
    for (answer, told) in [
        (NO.to_owned(), "the login answered 401 (`-`)"),
        (
            "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "the login answered 302 (`-`)",
        ),
        (
            ok("set-cookie: NODE=.n1\r\n", "{}"),
            "the login's answer is not usable: the cookie `SID` is not in it",
        ),
        (ok("set-cookie: sid=1\r\nset-cookie: NODE=2\r\n", "{}"), "the cookie `SID` is not in it"),
        (ok("set-cookie: SID=; x\r\nset-cookie: NODE=2\r\n", "{}"), "the cookie `SID` is not in it"),
        (ok("set-cookie: SID=a b\r\nset-cookie: NODE=2\r\n", "{}"), "the cookie `SID` is not in it"),
        (ok(both, "{}"), "it does not say how long it lasts"),
        (ok(both, r#"{"SessionTimeout":0}"#), "it does not say how long it lasts"),
        (ok(both, r#"{"SessionTimeout":"s3cret"}"#), "it does not say how long it lasts"),
        (ok(both, "<html>s3cret</html>"), "it is no JSON"),
        (ok(both, &"x".repeat(70_000)), "larger than 65536 bytes"),
    ] {
        let (heard, count) = login_answered(&answer).await;
        assert!(heard.contains(told), "{heard}\n{told}");
        assert_eq!(count, 1, "{told}");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_with_200_says_what_the_system_said() {
    let body = r#"{"error":{"message":"Access\ndenied","data":{"name":"AccessDenied","secret":"s3cret"}},"token":"s3cret"}"#;
    let answer = ok("set-cookie: NODE=1\r\n", body);
    let peer = Peer::answering(move |_| answer.clone()).await;
    let told = |errors: &str| {
        let system = system(&[&peer], &format!("{errors}\nsign_in: {{ {SESSION} }}"));
        async move { why(fetch(&system, &CorePools::new(8)).await) }
    };
    let errors = "errors: [ { status: any, at: error.data.name, equals: AccessDenied, is: sign_in_failed, text: error.message } ]";
    let said = told(errors).await;
    assert!(said.ends_with("the cookie `SID` is not in it; the system said: Access denied"), "{said}");
    // Without words the code is one; what nothing finds is not told.
    let said = told(&errors.replace(", text: error.message", "")).await;
    assert!(said.ends_with("the system said: AccessDenied"), "{said}");
    assert!(told("errors: []").await.ends_with("the cookie `SID` is not in it"));
}

#[tokio::test]
async fn a_login_that_breaks_off_or_is_slow_keeps_to_the_callers_deadline() {
    let broken = Peer::new(|mut stream, _| async move { drop(read_request(&mut stream).await) }).await;
    let core = CorePools::new(8);
    let told = why(fetch(&system(&[&broken], &format!("sign_in: {{ {SESSION} }}")), &core).await);
    assert!(told.starts_with("signing in failed: the login: "), "{told}");

    let silent =
        Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} }).await;
    let system = system(&[&silent], &format!("timeouts: {{ call: 50ms }}\nsign_in: {{ {SESSION} }}"));
    let calls = (0..8).map(|_| fetch(&system, &core));
    for told in futures_util::future::join_all(calls).await {
        assert_eq!(why(told), "signing in failed: the login took too long");
    }
}

#[tokio::test]
async fn a_session_that_is_over_by_its_own_clock_is_renewed_unasked() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let peer = Peer::answering(move |request| {
        if !request.starts_with("GET /in?x=1 ") {
            let said = line(&request, "x-session").unwrap_or_default();
            return ok("", said);
        }
        assert_eq!(line(&request, "authorization"), Some("Basic dTpzM2NyZXQtUA=="));
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        ok(&format!("x-sid: t{number}\r\n"), r#"{"ms":"1"}"#)
    })
    .await;
    let sign_in = "sign_in: { session: { get: '/in?x=1', basic: { user: u, password: '${env:P}' }, \
        take: { sid: { header: X-Sid } }, headers: { name: X-Session, value: 'Session {sid}' }, \
        lifetime: { at: ms, unit: milliseconds } } }";
    let (system, core) = (system(&[&peer], sign_in), CorePools::new(8));
    for number in 1..4 {
        assert_eq!(fetch(&system, &core).await.unwrap().body, format!("Session t{number}"));
        let start = clock::mono();
        while clock::mono().duration_since(start) < Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_token_of_a_login_is_put_into_a_field_by_a_template() {
    let peer = Peer::answering(|request| {
        if request.contains("common.db.login") {
            let body = request.split_once("\r\n\r\n").unwrap().1;
            let asked = r#"{"id":0,"method":"common.db.login","params":["admin",{"password":"s3cret-T"}]}"#;
            return if body == asked { ok("", r#"{"id":0,"result":[7,"tok"]}"#) } else { NO.to_owned() };
        }
        ok("", line(&request, "authorization").unwrap_or_default())
    })
    .await;
    let sign_in = "sign_in: { values: { user: admin }, session: { post: /, \
        json: { id: 0, method: common.db.login, params: [admin, { password: '${env:T}' }] }, \
        take: { id: 'result[0]', token: 'result[1]' }, \
        headers: [{ name: Authorization, value: 'Session base64({user}:{id}:{token})' }] } }";
    let answer = fetch(&system(&[&peer], sign_in), &CorePools::new(8)).await.unwrap();
    assert_eq!(answer.body, "Session YWRtaW46Nzp0b2s=");
}

#[tokio::test]
async fn a_token_of_a_login_that_would_end_its_field_is_not_used() {
    for told in [r#"{"t":"a\r\nx: y"}"#, r#"{"t":""}"#, r#"{"t":1.5}"#, r#"{"t":{}}"#, "{}"] {
        let peer = Peer::answering(move |_| ok("", told)).await;
        let sign_in = "sign_in: { session: { post: /, take: { t: t }, \
            headers: { name: X-T, value: '{t}' } } }";
        let told = why(fetch(&system(&[&peer], sign_in), &CorePools::new(8)).await);
        assert!(told.contains("not usable"), "{told}");
    }
}

/// A system that wants a token against forged requests with everything that changes something: the newest one, with
/// the cookie that came with it. Basic sign-in.
async fn guarded() -> (Peer, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
    let (given, heard): (Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) = Default::default();
    let (count, hearing) = (given.clone(), heard.clone());
    let peer = Peer::answering(move |request| {
        if line(&request, "authorization") != Some("Basic dTpzM2NyZXQtUA==") {
            return NO.to_owned();
        }
        if line(&request, "x-csrf-token") == Some("Fetch") {
            assert!(request.starts_with("GET /?c=1 "), "{request}");
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            return ok(&format!("x-csrf-token: t{number}\r\nset-cookie: SAP={number}; secure\r\n"), "");
        }
        hearing.lock().push(request.clone());
        let number = count.load(Ordering::SeqCst);
        let is_good = line(&request, "x-csrf-token") == Some(&format!("t{number}"))
            && line(&request, "cookie") == Some(&format!("SAP={number}"));
        if request.starts_with("GET ") || is_good {
            ok("x-csrf-token: t9\r\nset-cookie: SAP=9\r\n", "in")
        } else {
            "HTTP/1.1 403 No\r\nx-csrf-token: Required\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
    })
    .await;
    (peer, given, heard)
}

const GUARDED: &str = "sign_in: { basic: { user: u, password: '${env:P}' }, csrf: { get: '/?c=1' } }";

#[tokio::test]
async fn a_changing_call_goes_with_a_token_and_its_cookies_and_a_reading_one_without() {
    let (peer, given, heard) = guarded().await;
    let (system, core) = (system(&[&peer], GUARDED), CorePools::new(64));
    assert_eq!(fetch(&system, &core).await.unwrap().body, "in");
    assert_eq!(given.load(Ordering::SeqCst), 0);
    let calls = (0..64).map(|_| effect(&system, &core));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().body, "in");
    }
    assert_eq!(given.load(Ordering::SeqCst), 1);
    assert!(heard.lock()[..1].iter().all(|read| !read.contains("cookie:") && !read.contains("x-csrf")));
    // The system wants another one.
    given.fetch_add(1, Ordering::SeqCst);
    assert_eq!(effect(&system, &core).await.unwrap().body, "in");
    assert_eq!((given.load(Ordering::SeqCst), heard.lock().len()), (3, 67));
    // It goes on wanting: once, and told as ours, not as the caller's 403.
    given.fetch_add(1, Ordering::SeqCst);
    assert!(why(effect(&system, &core).await).ends_with("refuses a sign-in that is new"));
    assert_eq!(heard.lock().len(), 68);
}

#[tokio::test]
async fn an_upload_that_was_refused_for_its_token_is_not_sent_again() {
    let (peer, given, heard) = guarded().await;
    let (system, core) = (system(&[&peer], GUARDED), CorePools::new(8));
    assert_eq!(signing::uploaded(&system, &core).await, 200);
    given.fetch_add(1, Ordering::SeqCst);
    assert_eq!(signing::uploaded(&system, &core).await, 403, "its body is spent");
    assert_eq!(
        (signing::uploaded(&system, &core).await, heard.lock().len()),
        (200, 3),
        "the next one has another"
    );
    assert!(heard.lock().iter().all(|request| request.matches("body").count() == 1));
}

#[tokio::test]
async fn a_caller_neither_sets_nor_sees_what_the_gate_signs_in_by() {
    let (peer, _, heard) = guarded().await;
    let (system, core) = (system(&[&peer], GUARDED), CorePools::new(8));
    // Where the gate has something to put there, and where it has nothing.
    for method in [Method::POST, Method::GET] {
        let headers = [("cookie", "SAP=mine"), ("x-csrf-token", "mine"), ("x-mine", "1")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let passed = Passed {
            method,
            path: "/x",
            query: None,
            version: http::Version::HTTP_11,
            headers: HeaderMap::from_iter(headers),
            body: crate::body::Body::Empty,
        };
        let request = system.forward(passed, &OnBehalf::new(&passing::channel("192.0.2.1"), None)).unwrap();
        let opened = system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap();
        let Opened::Answer(mut answer) = opened else { panic!() };
        assert_eq!(answer.status(), 200);
        let heard = heard.lock().pop().unwrap();
        assert!(heard.contains("x-mine: 1") && heard.matches("mine").count() == 1, "{heard}");
        system.clean_answer(answer.status(), answer.headers_mut(), "/systems/crm");
        assert!(answer.headers().keys().all(|name| name != "x-csrf-token" && name != "set-cookie"));
    }
}

#[tokio::test]
async fn a_token_against_forged_requests_ends_with_its_session() {
    let (logins, fetches): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let good = Arc::new(AtomicUsize::new(1));
    let (login, fetched, wanted) = (logins.clone(), fetches.clone(), good.clone());
    let peer = Peer::answering(move |request| {
        if request.starts_with("POST /in ") {
            return ok(&format!("set-cookie: S={}\r\n", login.fetch_add(1, Ordering::SeqCst) + 1), "");
        }
        let number = wanted.load(Ordering::SeqCst);
        let cookie = line(&request, "cookie").unwrap_or_default();
        if !cookie.split("; ").any(|one| one == format!("S={number}")) {
            return NO.to_owned();
        }
        if line(&request, "x-csrf-token") == Some("Fetch") {
            fetched.fetch_add(1, Ordering::SeqCst);
            return ok(&format!("x-csrf-token: of{number}\r\nset-cookie: C={number}\r\n"), "");
        }
        assert_eq!(cookie, format!("S={number}; C={number}"));
        ok("", line(&request, "x-csrf-token").unwrap_or_default())
    })
    .await;
    let sign_in = "sign_in: { session: { post: /in, form: { user: m }, cookies: [S] }, csrf: { get: / } }";
    let (system, core) = (system(&[&peer], sign_in), CorePools::new(8));
    assert_eq!(effect(&system, &core).await.unwrap().body, "of1");
    good.store(2, Ordering::SeqCst);
    assert_eq!(effect(&system, &core).await.unwrap().body, "of2");
    assert_eq!((logins.load(Ordering::SeqCst), fetches.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn a_session_found_over_when_a_token_is_fetched_is_renewed() {
    let (logins, peer) = {
        let logins = Arc::new(AtomicUsize::new(0));
        let login = logins.clone();
        let peer = Peer::answering(move |request| {
            if request.starts_with("POST /in ") {
                return ok(&format!("set-cookie: S={}\r\n", login.fetch_add(1, Ordering::SeqCst) + 1), "");
            }
            match line(&request, "cookie").is_some_and(|cookie| cookie.contains("S=2")) {
                true => ok("x-csrf-token: t\r\n", "in"),
                false => NO.to_owned(),
            }
        })
        .await;
        (logins, peer)
    };
    let sign_in = "sign_in: { session: { post: /in, cookies: [S] }, csrf: { get: / } }";
    let (system, core) = (system(&[&peer], sign_in), CorePools::new(8));
    assert_eq!(effect(&system, &core).await.unwrap().body, "in");
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}
