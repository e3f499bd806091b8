//! Several sign-ins of one system: which one a call goes under.

use http::Request;

use super::*;
use crate::{body::Body, words::GroupName};

/// A system that says by which credential it was called.
async fn telling() -> Peer {
    Peer::answering(|request| {
        let credential =
            request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{credential}", credential.len())
    })
    .await
}

const SEVERAL: &str = "\
sign_in:
  - { for: { calls: reading, entities: [Order] }, bearer: '${env:ORDERS}' }
  - { for: { groups: [partners, guests] }, bearer: '${env:PARTNERS}' }
  - { for: { calls: changing }, bearer: '${env:WRITER}' }
  - { bearer: '${env:READER}' }
entities: { Order: {}, Customer: {} }
";

#[tokio::test]
async fn a_call_goes_under_the_first_sign_in_that_is_for_it_over_a_connection_of_its_own() {
    let peer = telling().await;
    let (system, core) = (system(&[&peer], SEVERAL), CorePools::new(8));
    let [partners, apps] = [[GroupName::from("partners")], [GroupName::from("apps")]];
    for (kind, entity, groups, named) in [
        (Kind::Reading, Some("Order"), &apps[..], "ORDERS"),
        (Kind::Reading, Some("Order"), &partners[..], "ORDERS"),
        (Kind::Changing, Some("Order"), &partners[..], "PARTNERS"),
        (Kind::Changing, Some("Order"), &apps[..], "WRITER"),
        (Kind::Reading, Some("Customer"), &apps[..], "READER"),
        (Kind::Reading, None, &[][..], "READER"),
    ] {
        let asker = Asker { about: About { entity, groups }, ..ID };
        let answer = system.native(&core, asker, &asking(Method::GET, ""), kind, soon()).await.unwrap();
        assert_eq!(answer.answer.body, format!("Bearer s3cret-{named}"), "{kind:?} {entity:?} {groups:?}");
    }
    assert_eq!((peer.connections(), core.idle()), (4, 4), "a connection knows one sign-in");
}

#[tokio::test]
async fn a_call_that_is_passed_through_is_about_no_entity_and_its_method_tells_what_it_does() {
    let peer = telling().await;
    let (system, core) = (system(&[&peer], SEVERAL), CorePools::new(8));
    for (method, named) in [(Method::GET, "READER"), (Method::OPTIONS, "READER"), (Method::DELETE, "WRITER")]
    {
        let request = Request::builder().method(method.clone()).uri("/").body(Body::Empty).unwrap();
        let opened = system.passed(&core, ID, request.into(), soon(), clock::now()).await.unwrap();
        let Opened::Answer(answer) = opened else { panic!() };
        let said = crate::wire::gather(answer.into_body(), 99, soon()).await.unwrap();
        assert_eq!(said, format!("Bearer s3cret-{named}"), "{method}");
    }
}

#[test]
fn no_caller_sets_what_any_of_the_sign_ins_sets() {
    let text = "base: https://a.example\nsign_in:\n\
                \x20 - { for: { calls: reading }, header: { name: X-Reader, value: '${env:A}' } }\n\
                \x20 - { header: { name: X-Writer, value: '${env:B}' } }";
    let system = configure(&Registry::default(), text).unwrap();
    let headers = ["x-reader", "x-writer", "x-app"].map(|name| (name.parse().unwrap(), "1".parse().unwrap()));
    let passed = Passed {
        method: Method::GET,
        path: "/",
        query: None,
        version: http::Version::HTTP_11,
        headers: headers.into_iter().collect(),
        body: Body::Empty,
    };
    let on_behalf = OnBehalf::new(&passing::channel("192.0.2.7"), None);
    let request = system.forward(passed, &on_behalf).unwrap();
    let kept = ["x-reader", "x-writer", "x-app"].map(|name| request.headers().contains_key(name));
    assert_eq!(kept, [false, false, true]);
}

#[test]
fn a_list_of_sign_ins_that_leaves_doubt_is_told_where_it_stands() {
    let first = "{ for: { calls: reading }, bearer: '${env:A}' }";
    let last = "{ bearer: '${env:B}' }";
    for (list, line, told) in [
        (format!("[{first}, {first}]"), 2, "the last sign-in is for all calls"),
        (format!("[{last}, {last}]"), 2, "as in `for: { calls: reading }`"),
        (format!("[{{ for: {{}}, bearer: '${{env:A}}' }}, {last}]"), 2, "`for` says one of"),
        (
            format!("[{{ for: {{ calls: write }}, bearer: '${{env:A}}' }}, {last}]"),
            2,
            "`write` is not known here",
        ),
        (format!("[{{ for: {{ calls: reading }} }}, {last}]"), 2, "one of `bearer`"),
        ("[]".into(), 2, "of which the last is for all"),
    ] {
        let text = format!("base: https://a.example\nsign_in: {list}\nentities: {{ Order: {{}} }}");
        let error = configure(&Registry::default(), &text).map(drop).unwrap_err();
        assert!(error.contains(told) && error.contains(&format!("crm.yaml:{line}")), "{list}: {error}");
    }
}

#[test]
fn a_sign_in_for_an_entity_that_the_file_does_not_map_is_told() {
    let text = SEVERAL.replace("entities: [Order]", "entities: [Ordre]");
    let file = tree::parse(&"systems/crm.yaml".into(), &format!("base: https://a.example\n{text}")).unwrap();
    let secret = |_: &Spanned<String>, _: &mut Diagnostics| Some(Secret::new("x".to_owned()));
    let no_file = |_: &Spanned<PathBuf>, _: &mut Diagnostics| None;
    let registry = Registry::default();
    let means =
        Means { secret: &secret, file: &no_file, own: [].into(), registry: &registry, now: clock::now() };
    let mut found = Diagnostics::default();
    drop(Upstream::configure(&SystemName::from("crm"), &file, &means, &mut found));
    let told = found.to_string();
    assert!(
        told.contains("maps no `Ordre`") && told.contains("`Order`") && told.contains("crm.yaml:3"),
        "{told}"
    );
}
