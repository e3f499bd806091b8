//! Credentials in headers: one, of a form we know, understood whole, or nobody.

use std::time::{Duration, Instant};

use http::Method;

use crate::{
    book,
    ground::{GOODS, edit, get, issue, part, verb},
    kit::{Ask, Demo, Who, until},
    mint::Issuer,
};

/// Asks for goods as nobody in particular.
fn plain(demo: &Demo) -> Ask<'_> {
    demo.get(GOODS).by(Who::Nobody)
}

/// Why the journal says that a request was refused.
fn reason(demo: &Demo, request: Option<&str>) -> String {
    let entries = book::of(&demo.data(), request.unwrap());
    let told = entries.iter().find_map(|entry| entry["refusal"].as_str().or(entry["reason"].as_str()));
    told.unwrap_or_else(|| panic!("no reason in {entries:?}")).to_owned()
}

#[test]
fn an_api_key_is_good_in_either_header_until_it_is_taken_back() {
    let demo = Demo::start();
    let key = issue(&demo, &["--api-key"]);
    plain(&demo).with("authorization", format!("Bearer {key}")).send().expect(200);
    plain(&demo).with("authorization", format!("bearer {key}")).send().expect(200);
    plain(&demo).with("x-api-key", &*key).send().expect(200);

    // The right name with another secret, half a key, and a token where a key belongs are nobody's.
    let (rest, last) = key.split_at(key.len() - 1);
    let other = format!("{rest}{}", if last == "A" { "E" } else { "A" });
    let token = demo.env("BRAMKA_APP_TOKEN");
    for wrong in [other.as_str(), &key[..20], token, ""] {
        plain(&demo).with("x-api-key", wrong).send().refused(401);
    }

    let prefix = key.split('_').nth(1).unwrap();
    verb(&demo, &["token", "revoke", prefix]);
    let taken_back = Instant::now();
    until("the key is refused", || plain(&demo).with("x-api-key", &*key).send().status == 401);
    assert!(taken_back.elapsed() < Duration::from_secs(1), "{:?}", taken_back.elapsed());
    demo.get(GOODS).send().expect(200);
}

#[test]
fn two_credentials_or_one_twice_are_refused_whatever_they_are() {
    let demo = Demo::start();
    let (token, key) = (demo.env("BRAMKA_APP_TOKEN").to_owned(), issue(&demo, &["--api-key"]));
    let bearer = format!("Bearer {token}");
    for (pair, status, told) in [
        // Each of the two fields stands once at most: that much is seen before anybody looks for credentials.
        ([("authorization", bearer.as_str()), ("authorization", bearer.as_str())], 400, "head"),
        ([("authorization", bearer.as_str()), ("authorization", "Basic YTpi")], 400, "head"),
        ([("authorization", bearer.as_str()), ("x-api-key", key.as_str())], 401, "two_credentials"),
        ([("x-api-key", key.as_str()), ("x-api-key", key.as_str())], 400, "head"),
        ([("authorization", bearer.as_str()), ("x-api-key", "")], 401, "two_credentials"),
    ] {
        let ask = pair.iter().fold(plain(&demo), |ask, (name, value)| ask.with(name, *value));
        let answer = ask.send().refused(status);
        assert_eq!(reason(&demo, answer.header("x-request-id")), told, "{pair:?}");
    }
    // In one line they are no credential at all.
    let joined = format!("Bearer {token}, Bearer {token}");
    plain(&demo).with("authorization", joined).send().refused(401);
    // And nothing of that was remembered.
    plain(&demo).with("authorization", bearer).send().expect(200);
}

#[test]
fn a_token_that_says_what_we_do_not_check_is_refused() {
    let issuer = Issuer::new();
    let principals = "  - { kind: App, id: \"corp|shop\", groups: [apps], plan: internal }\n";
    let demo = Demo::start_with(|policies| issuer.enrol(policies, "apps", principals), &[]);
    let asking = |token: &str| get(&demo, GOODS, Some(token));
    asking(&issuer.app("shop", &[])).expect(200);
    for name in ["cnf", "act"] {
        let token =
            issuer.token_but("shop", &[], |_, claims| claims[name] = serde_json::json!({ "jkt": "x" }));
        let answer = asking(&token).refused(401);
        assert_eq!(reason(&demo, answer.header("x-request-id")), "not_understood", "{name}");
    }
    for (name, value) in [("crit", serde_json::json!(["exp"])), ("b64", true.into()), ("zip", "DEF".into())] {
        asking(&issuer.token_but("shop", &[], |header, _| header[name] = value)).refused(401);
    }
}

#[test]
fn every_refusal_of_a_credential_looks_the_same_to_its_caller() {
    let demo = Demo::start();
    let told = |ask: Ask<'_>| {
        let answer = ask.send().refused(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"bramka\""));
        let mut problem = answer.json();
        problem["request_id"] = "".into();
        problem.to_string()
    };
    let (head, rest) = demo.env("BRAMKA_APP_TOKEN").rsplit_once('.').unwrap();
    let forged = format!("Bearer {head}.{}", rest.chars().rev().collect::<String>());
    let nobody = told(plain(&demo));
    for header in [forged.as_str(), "Bearer x", "Basic YTpi", "Bearer brk_aaaaaaaaaaaa_bbbb", "Bearer a.b.c"]
    {
        assert_eq!(told(plain(&demo).with("authorization", header)), nobody, "{header}");
    }
}

#[test]
fn a_token_narrowed_to_one_group_sees_only_what_that_group_sees() {
    let demo = Demo::start_with(
        |policies| edit(&policies.join("principals/apps.yaml"), "groups: [apps]", "groups: [apps, readers]"),
        &[],
    );
    let whole = issue(&demo, &[]);
    let narrow = issue(&demo, &["--group", "readers"]);
    let first = |token: &str| get(&demo, "/v1/customers?limit=1", Some(token)).expect(200).items().remove(0);

    let (all, few) = (first(&whole), first(&narrow));
    assert!(all["name"].is_string() && few.get("name").is_none(), "{few}");
    assert_ne!(all["id"], few["id"], "readers see pseudonyms");
    let customer = format!("/v1/customers/{}", all["id"].as_str().unwrap());
    get(&demo, &customer, Some(&whole)).expect(200);
    get(&demo, &customer, Some(&narrow)).refused(403);
    demo.ask(Method::POST, "/v1/customers")
        .by(Who::Nobody)
        .with("authorization", format!("Bearer {narrow}"))
        .json(&serde_json::json!({ "kind": "person", "name": "Jan Nowak" }))
        .send()
        .refused(403);

    // A key can be narrowed as well, and nobody is given a group that it is not in.
    let key = issue(&demo, &["--group", "readers", "--api-key"]);
    assert!(first(&key).get("name").is_none());
    let (data, policies) = (demo.data(), demo.policies());
    let place = ["--data", data.to_str().unwrap(), "--policies", policies.to_str().unwrap()];
    let staff = ["token", "issue", "--kind", "App", "--id", "shop-backend", "--group", "staff"];
    let ran = demo.run(&[&staff[..], &place].concat());
    assert!(ran.code != 0 && ran.out.is_empty() && ran.err.contains("`staff`"), "{ran:?}");
}

#[test]
fn tokens_of_the_old_signing_key_stay_good_after_a_rotation_until_it_is_taken_back() {
    let demo = Demo::start();
    let old = issue(&demo, &[]);
    let fresh_key = verb(&demo, &["token", "rotate"]);
    let new = issue(&demo, &[]);
    let (old_kid, new_kid) = (part(&old, 0)["kid"].clone(), part(&new, 0)["kid"].clone());
    assert!(new_kid == fresh_key.as_str() && old_kid != new_kid);
    get(&demo, GOODS, Some(&old)).expect(200);
    // The running gate hears of another process's key within a moment.
    until("what the new key signed is good", || get(&demo, GOODS, Some(&new)).status == 200);
    get(&demo, GOODS, Some(&old)).expect(200);
    let published = get(&demo, "/.well-known/jwks.json", None).expect(200).json();
    let published: Vec<_> =
        published["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).cloned().collect();
    assert!(published.contains(&old_kid) && published.contains(&new_kid), "{published:?}");

    verb(&demo, &["token", "revoke", "--signing-key", old_kid.as_str().unwrap()]);
    let taken_back = Instant::now();
    until("what the old key signed is refused", || get(&demo, GOODS, Some(&old)).status == 401);
    assert!(taken_back.elapsed() < Duration::from_secs(1), "{:?}", taken_back.elapsed());
    get(&demo, GOODS, Some(&new)).expect(200);
}
