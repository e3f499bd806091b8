//! A token of our own is one that was written down when it was issued, and says what was written down.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{super::*, kit::*};
use crate::words::Kind;

fn forged(gate: &Gate, header: &serde_json::Value, claims: &serde_json::Value) -> Unidentified {
    gate.bearer(&gate.own.sign_unissued(&header.to_string(), &claims.to_string())).unwrap_err()
}

#[test]
fn a_token_that_was_never_issued_is_refused_though_our_own_key_signed_it() {
    let gate = gate();
    let refused = forged(&gate, &header(), &claims());
    assert_eq!((refused, refused.code()), (Unidentified::UnknownToken, "unknown_token"));
    assert_eq!(gate.identity.remembered(), 0);
    assert!(gate.bearer(&gate.own.sign(&header(), &claims())).is_ok());
}

#[test]
fn a_token_that_says_anything_else_than_it_was_issued_with_is_refused() {
    let mut gate = gate_with(
        SETTINGS,
        &[
            SHIPPED,
            &[(
                "principals/x.yaml",
                "principals: [{ kind: App, id: other }, { kind: User, id: shop-backend }]",
            )],
        ]
        .concat(),
    );
    let issued = with(with(claims(), "groups", json!(["internal"])), "scope", json!("orders"));
    assert!(gate.bearer(&gate.own.sign(&header(), &issued)).is_ok());
    for (name, value) in [
        ("sub", json!("other")),
        ("kind", json!("User")),
        ("exp", json!(NOW + 3601)),
        ("iat", json!(NOW - 59)),
        ("groups", json!(null)),
        ("groups", json!(["apps"])),
        ("groups", json!(["internal", "apps"])),
        ("groups", json!([])),
        ("scope", json!(null)),
        ("scope", json!("orders admin")),
        ("jti", json!("j-2")),
    ] {
        let refused = forged(&gate, &header(), &with(issued.clone(), name, value.clone()));
        assert_eq!(refused, Unidentified::UnknownToken, "{name}: {value}");
    }
    // Another key of ours signs it.
    let other = Signer::new("own-2");
    gate.extra.lock().push(other.key.clone());
    let text = other.sign(&with(header(), "kid", json!("own-2")), &issued);
    assert_eq!(gate.bearer(&text).unwrap_err(), Unidentified::UnknownToken);
    gate.own.issued.get_mut().clear();
    assert!(gate.bearer(&gate.own.sign_unissued(&header().to_string(), &issued.to_string())).is_err());
}

#[test]
fn nobody_makes_us_look_for_a_token_who_could_not_have_signed_it_or_whose_claims_are_refused_anyway() {
    let gate = gate();
    let ask = |token: &str| gate.bearer(token).map(drop);
    assert_eq!(ask(&gate.corp.sign(&header(), &claims())), Err(Unidentified::BadSignature));
    for (name, value) in [
        ("exp", json!(NOW)),
        ("nbf", json!(NOW + 1)),
        ("aud", json!("another")),
        ("sub", json!("nobody")),
        ("jti", json!(5)),
        ("kind", json!("Anonymous")),
        ("scope", json!(5)),
    ] {
        assert!(ask(&gate.own.sign(&header(), &with(claims(), name, value))).is_err(), "{name}");
    }
    assert_eq!(gate.looked_up.load(Ordering::Relaxed), 0);
    assert_eq!(ask(&gate.own.sign(&header(), &claims())), Ok(()));
    assert_eq!(gate.looked_up.load(Ordering::Relaxed), 1);
}

#[test]
fn a_token_that_was_taken_back_is_refused_before_anybody_told_of_it() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    gate.own.issued.lock().get_mut("j-1").unwrap().revoked = true;
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::Revoked);
}

#[test]
fn while_the_store_is_away_new_credentials_wait_and_remembered_tokens_go_on_under_new_bundles_too() {
    let mut gate = gate();
    let (token, other) =
        (gate.own.sign(&header(), &claims()), gate.own.sign(&header(), &with(claims(), "jti", json!("j-2"))));
    assert!(gate.bearer(&token).is_ok());
    let key = gate.api_key(Kind::App, "shop-backend");
    *gate.store_down.lock() = true;
    let refused = gate.bearer(&other).unwrap_err();
    assert_eq!((refused, refused.code()), (Unidentified::StoreUnavailable, "store_unavailable"));
    let by_key = gate.ask(&[("x-api-key", &key)], gate.now());
    assert_eq!(by_key.unwrap_err(), Unidentified::StoreUnavailable);
    assert!(gate.bearer(&token).is_ok());
    gate.sources = sources(SETTINGS, registry(SHIPPED).unwrap()).unwrap();
    assert!(gate.bearer(&token).is_ok(), "that it was issued does not change with the policies");
    *gate.store_down.lock() = false;
    assert!(gate.bearer(&other).is_ok());
}
