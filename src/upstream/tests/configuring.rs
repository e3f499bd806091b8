//! From a file to a system: what is wrong is told at once, what did not change stays alive.

use super::*;

#[test]
fn every_mistake_is_told_at_once() {
    let told = configure(
        &Registry::default(),
        "system: crm\nbase: [http://u:p@a/, 'https://b/x', 'nonsense']\nsign_in: { barer: x }\ntimeout: {}\n\
         timeouts: { conect: 3s, call: 5 }\nlimits: { concurrency: many }\nallow_local: yes\nentities: {}",
    )
    .unwrap_err();
    for part in [
        "systems/crm.yaml:3:12: error: `barer` is no way to sign in (did you mean `bearer`?)",
        "unknown key `conect` (did you mean `connect`?)",
        "expected a period",
        "expected a whole number",
        "expected `true` or `false`",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

#[test]
fn what_cannot_be_called_does_not_load() {
    does_not_load(&[
        ("base: https://a/", "key `sign_in` is missing"),
        ("base: []\nsign_in: none", "one address or a list"),
        ("base: ftp://a/\nsign_in: none", "expected `https` or `http`"),
        ("base: 'https://u:p@a/'\nsign_in: none", "a user or password does not stand in an address"),
        ("base: 'https://a/?x=1'\nsign_in: none", "an address has no query"),
        ("base: ['https://a/x', 'https://b/y']\nsign_in: none", "equal addresses share their path"),
        ("base: https://a/\nsign_in: { bearer: plain }", "a secret is written as"),
        (
            "base: https://a/\nsign_in: { header: { name: Host, value: '${env:X}' } }",
            "`Host` is set by the gate",
        ),
        ("base: https://a/\nsign_in: none\nheaders: { X-Key: '${env:X}' }", "a secret does not stand here"),
        ("base: https://a/\nsign_in: none\nheaders: { Transfer-Encoding: x }", "is set by the gate"),
        ("base: https://a/\nsign_in: none\ntls: { ca: ca.pem }", "no such file"),
        ("base: https://a/\nsign_in: none\ntls: { client_certificate: c.pem }", "go together"),
        ("base: https://a/\nsign_in: none\nlimits: { concurrency: 0 }", "at least 1"),
        (
            "base: https://a/\nsign_in: none\nretries: { per_second: 2147483647 }",
            "`retries.per_second` at most 1000000",
        ),
    ]);
}

#[test]
fn a_credential_that_has_no_place_does_not_load() {
    does_not_load(&[
        ("base: https://a/\nsign_in: {}", "expected `none`, one of `bearer`"),
        ("base: https://a/\nsign_in: { values: { a: b } }", "expected `none`, one of `bearer`"),
        (
            "base: https://a/\nsign_in: { bearer: '${env:X}', basic: { user: u, password: '${env:X}' } }",
            "there is one way to sign in",
        ),
        ("base: https://a/\nsign_in: { bearer: '${env:X}', heders: [] }", "did you mean `headers`?"),
        ("base: https://a/\nsign_in: { query: { name: k, value: plain } }", "a secret is written as"),
        ("base: https://a/\nsign_in: { headers: { name: X-K, value: 'md5({x})' } }", "`md5` is no function"),
        ("base: https://a/\nsign_in: { headers: { name: X-K, value: 'K {x}' } }", "`{x}` is unknown here"),
        (
            "base: https://a/\nsign_in: { values: { my_secret: plain }, query: { name: k, value: '{my_secret}' } }",
            "a secret never stands in a file",
        ),
        ("base: https://a/\nsign_in: { body: { at: 'a[0]', value: '${env:X}' } }", "by keys alone"),
    ]);
}

#[test]
fn a_sign_in_that_could_not_be_fetched_does_not_load() {
    does_not_load(&[
        ("base: https://a/\nsign_in: { session: { cookies: [S] } }", "one of `post` and `get`"),
        (
            "base: https://a/\nsign_in: { session: { post: /in } }",
            "say what of the login's answer goes along",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: in, cookies: [S] } }",
            "expected a path under `base`",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: /../in, cookies: [S] } }",
            "expected a path under `base`",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: /in, json: { Password: plain }, cookies: [S] } }",
            "a secret never stands in a file: write `${env:NAME}`",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: /in, json: {}, form: {}, cookies: [S] } }",
            "one body: `json` or `form`",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: /in, cookies: [S], lifetime: { at: a, unit: hours } } }",
            "`hours` is not known here",
        ),
        (
            "base: [https://a/, https://b/]\nsign_in: { session: { post: /in, cookies: [S] } }",
            "go with one address",
        ),
        (
            "base: https://a/\nsign_in: { bearer: '${env:X}', expired: { status: 403 } }",
            "only what is fetched",
        ),
        (
            "base: https://a/\nsign_in: { session: { post: /in, cookies: [S] }, expired: { at: code } }",
            "`expired` is a `status`, or",
        ),
        (
            "base: https://a/\nsign_in: { oauth2: { token_url: 'https://i/', client_id: c } }",
            "`grant: client_credentials` needs `client_secret`",
        ),
        (
            "base: https://a/\nsign_in: { oauth2: { token_url: 'https://i/', client_id: c, client_secret: '${env:X}', \
             refresh_token: '${env:X}' } }",
            "`refresh_token` goes with `grant: refresh_token`",
        ),
        (
            "base: https://a/\nsign_in: { oauth2: { token_url: 'https://i/', client_id: c, grant: jwt_bearer, \
             assertion: { key: '${env:X}' } } }",
            "expected PEM of an RSA or P-256 key",
        ),
    ]);
}

#[test]
fn a_delivery_goes_on_without_something_only_once_the_record_is_out() {
    let with = |steps: &str| {
        format!(
            "base: https://a/\nsign_in: none\ndelivers: {{ post: /in, steps: [{steps}], answer: {{ name: made, value: '{{n}}{{r}}' }} }}"
        )
    };
    let out = "{ post: /in, json: 'base64({$body})', take: { n: number } }";
    let receipt = "{ get: '/r/{n}', optional: true, take: { r: { body: true } } }";
    configure(&Registry::default(), &with(&[out, receipt].join(", "))).unwrap();
    let first = "{ get: /r, optional: true, take: { r: { body: true } } }";
    let last = "{ get: /done }";
    for steps in [[first, out].join(", "), [out, receipt, last].join(", ")] {
        let steps = with(&steps).replace("{n}{r}", "{n}");
        let told = configure(&Registry::default(), &steps).unwrap_err();
        assert!(
            told.contains("only behind the one that carries the record, and so is all"),
            "{steps}\n{told}"
        );
    }
}

#[test]
fn a_link_is_followed_only_where_the_file_says_and_with_nothing_of_its_own() {
    let with = |detached: &str, link: &str, behind: &str| {
        format!(
            "base: https://a/\nsign_in: none\ndetached: [{detached}]\ndelivers: {{ post: /in, steps: [{{ post: /in, json: \
             'base64({{$body}})', take: {{ n: number, to: url }} }}, {{ {link} }}{behind}], answer: [] }}"
        )
    };
    let (place, link) =
        ("'https://files.example.com'", "link: to, optional: true, take: { r: { body: true } }");
    configure(&Registry::default(), &with(place, link, "")).unwrap();
    configure(&Registry::default(), &with("'https://f:8443', 'https://[2001:db8::1]'", link, "")).unwrap();
    let no_origin = "expected `https://host[:port]`";
    let bare = "it has no `json`, `headers` and `until`";
    let last = ", { get: /done, optional: true }";
    let field = format!("{link}, headers: {{ name: X-Key, value: '${{env:A}}' }}");
    let files = [
        (with("", link, ""), "a place that `detached` lists"),
        (with("'http://files.example.com'", link, ""), no_origin),
        (with("'https://files.example.com/in'", link, ""), no_origin),
        (with("'https://files.example.com?a'", link, ""), no_origin),
        (with("'*'", link, ""), no_origin),
        (with("'https://u:p@files.example.com'", link, ""), "a user or password"),
        (with(place, "get: /r, optional: true", ""), "no step of `delivers` follows a link"),
        (
            format!("base: https://a/\nsign_in: none\ndetached: [{place}]"),
            "no step of `delivers` follows a link",
        ),
        (with(place, "link: away, optional: true", ""), "the name of what was `take`n"),
        (with(place, "link: to", ""), bare),
        (with(place, &field, ""), bare),
        (with(place, "link: to, get: /r, optional: true", ""), "or a `link`"),
        (with(place, link, last), "behind a `link` stand links alone"),
        (with(&vec![place; 17].join(", "), link, ""), "at most 16 origins"),
        (
            "base: https://a/\nsign_in: { session: { before: [{ link: to }], post: /in, cookies: [c] } }"
                .to_owned(),
            "`link` is of `delivers`",
        ),
    ];
    let cases: Vec<_> = files.iter().map(|(text, part)| (text.as_str(), *part)).collect();
    does_not_load(&cases);
}

#[track_caller]
fn does_not_load(cases: &[(&str, &str)]) {
    for (text, part) in cases {
        let told = configure(&Registry::default(), text).unwrap_err();
        assert!(told.contains(part), "{text}\n{told}");
        assert!(!told.contains("u:p") && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn a_system_that_did_not_change_stays_alive_over_a_reload() {
    let registry = Registry::default();
    let text = "base: http://a/\nsign_in: { bearer: '${env:A}' }\n";
    let before = configure(&registry, text).unwrap();
    let moved = configure(&registry, &format!("# a comment\n\nentities: {{}}\n{text}")).unwrap();
    assert!(Arc::ptr_eq(&before, &moved), "neither comments nor mappings are ours");
    for other in
        [text.replace("env:A", "env:B"), format!("{text}allow_local: true\n"), text.replace("//a", "//b")]
    {
        assert!(!Arc::ptr_eq(&before, &configure(&registry, &other).unwrap()), "{other}");
    }
}

#[tokio::test]
async fn a_local_system_needs_leave_and_our_own_listener_is_never_one() {
    let (peer, core) = (Peer::saying(OK).await, CorePools::new(8));
    let text = format!("base: {}\nsign_in: none", peer.url());
    let error = fetch(&configure(&Registry::default(), &text).unwrap(), &core).await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Connect(_)) && error.to_string().contains("allow_local"),
        "{error}"
    );
    let text = "base: http://127.0.0.1:1\nsign_in: none\nallow_local: true";
    let error = fetch(&configure(&Registry::default(), text).unwrap(), &core).await.unwrap_err();
    assert!(error.to_string().contains("which is local"), "{error}");
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn other_listeners_of_ours_change_no_system_and_hold_for_those_that_are_alive() {
    let (peer, registry) = (Peer::saying(OK).await, Registry::default());
    let text = format!("base: {}\nallow_local: true\nsign_in: none", peer.url());
    let before = configure_beside(&registry, &text, &[]).unwrap();
    assert_eq!(fetch(&before, &CorePools::new(8)).await.unwrap().body, "ok");
    let after = configure_beside(&registry, &text, &[peer.address]).unwrap();
    assert!(Arc::ptr_eq(&before, &after), "its breaker, its tokens and its count go on");
    let error = fetch(&after, &CorePools::new(8)).await.unwrap_err();
    assert!(error.to_string().contains("which is local"), "{error}");
}

#[test]
fn the_schema_knows_every_key() {
    use crate::words::yaml::FromYaml;
    let schema = Settings::schema();
    let mut known: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys = KEYS.to_vec();
    known.sort_unstable();
    keys.sort_unstable();
    assert_eq!(known, keys);
}
