//! A token of the gate's own is one that it issued: a copied signing key makes none.

use std::fs;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::{
    book,
    kit::{Answer, Demo, Who},
};

const GOODS: &str = "/v1/products?limit=1";

fn ask(demo: &Demo, token: &str) -> Answer {
    demo.get(GOODS).by(Who::Nobody).with("authorization", format!("Bearer {token}")).send()
}

/// A part of a token: 0 its header, 1 its claims.
fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
}

/// What a thief makes of a good token with the signing key of the data folder.
fn forged(demo: &Demo, token: &str, change: impl FnOnce(&mut Value)) -> String {
    let (header, mut claims) = (part(token, 0), part(token, 1));
    change(&mut claims);
    let file = demo.data().join("keys").join(format!("{}.p8", header["kid"].as_str().unwrap()));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &fs::read(file).unwrap()).unwrap();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

/// A refusal's body without what names this one request.
fn told(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["request_id"] = json!("");
    body
}

fn issue(demo: &Demo) -> String {
    let ran = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.trim().to_owned()
}

#[test]
fn a_copied_signing_key_makes_no_token_and_its_refusal_is_told_apart_for_the_operator_only() {
    let demo = Demo::start();
    let good = issue(&demo);
    ask(&demo, &good).expect(200);
    ask(&demo, &forged(&demo, &good, |_| {})).expect(200);
    let stranger = told(&ask(&demo, &good.replacen('.', "..", 1)).refused(401));
    for change in [
        (|claims| claims["jti"] = "00112233445566778899aabbccddeeff".into()) as fn(&mut Value),
        |claims| claims["exp"] = (claims["exp"].as_i64().unwrap() + 60).into(),
        |claims| claims["iat"] = (claims["iat"].as_i64().unwrap() - 60).into(),
        |claims| claims["scope"] = "everything".into(),
        |claims| claims["groups"] = json!(["apps"]),
    ] {
        let refused = ask(&demo, &forged(&demo, &good, change)).refused(401);
        assert_eq!(told(&refused), stranger);
        let entries = book::of(&demo.data(), refused.header("x-request-id").unwrap());
        assert_eq!(entries[0]["refusal"], "unknown_token", "{entries:?}");
    }
    let metrics = demo.admin(http::Method::GET, "/metrics").send().expect(200);
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("bramka_refusals_total{reason=\"unknown_token\"} 5\n"), "{metrics}");
}

#[test]
fn while_the_store_does_not_answer_new_credentials_are_told_to_come_again_and_known_tokens_go_on() {
    let demo = Demo::start();
    let (known, new) = (issue(&demo), issue(&demo));
    let key = demo.verb(&["token", "issue", "--kind", "App", "--id", "shop-backend", "--api-key"]);
    ask(&demo, &known).expect(200);
    let store = rusqlite::Connection::open(demo.data().join("bramka.db")).unwrap();
    let rename = |from: &str, to: &str| {
        store.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), []).unwrap();
    };
    rename("tokens", "tokens_away");
    rename("api_keys", "api_keys_away");
    for credential in [new.as_str(), key.out.trim()] {
        let refused = ask(&demo, credential).refused(503);
        assert!(refused.header("retry-after").is_some());
        assert!(refused.header("www-authenticate").is_none(), "it is no fault of the credential");
        let entries = book::of(&demo.data(), refused.header("x-request-id").unwrap());
        assert_eq!(entries[0]["refusal"], "store_unavailable", "{entries:?}");
    }
    ask(&demo, &known).expect(200);
    rename("tokens_away", "tokens");
    rename("api_keys_away", "api_keys");
    for credential in [new.as_str(), key.out.trim()] {
        ask(&demo, credential).expect(200);
    }
}
