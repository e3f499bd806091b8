//! Which credential is read from where.

use serde_json::json;

use super::{super::*, kit::*};
use crate::words::{Digest, Kind};

#[test]
fn two_credentials_or_one_twice_are_refused() {
    let gate = gate();
    let token = format!("Bearer {}", gate.own.sign(&header(), &claims()));
    let key = gate.api_key(Kind::App, "shop-backend");
    let both = [("authorization", token.as_str()), ("x-api-key", key.as_str())];
    let twice = [("authorization", token.as_str()), ("authorization", token.as_str())];
    let keys = [("x-api-key", key.as_str()), ("x-api-key", key.as_str())];
    for shown in [both, twice, keys] {
        assert_eq!(gate.ask(&shown, gate.now()).unwrap_err(), Unidentified::TwoCredentials);
    }
    // Seen before or not: the refusal does not depend on what is remembered.
    assert!(gate.ask(&both[..1], gate.now()).is_ok());
    assert_eq!(gate.ask(&both, gate.now()).unwrap_err(), Unidentified::TwoCredentials);
}

#[test]
fn a_list_of_credentials_in_one_header_is_refused() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    for value in [
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer  {token}"),
    ] {
        let refusal = gate.ask(&[("authorization", &value)], gate.now()).unwrap_err();
        assert!(matches!(refusal, Unidentified::Malformed(_)), "{value}");
    }
}

#[test]
fn other_schemes_and_empty_values_are_refused_not_taken_as_anonymous() {
    let gate = gate_with(&format!("{SETTINGS}\nanonymous: considered"), SHIPPED);
    assert_eq!(gate.ask(&[], gate.now()).unwrap().facts().kind, Kind::Anonymous);
    for value in ["Basic dXNlcjpwYXNz", "", "Bearer", "Bearer:x", "Digest x", "bearerx"] {
        assert_eq!(
            gate.ask(&[("authorization", value)], gate.now()).unwrap_err(),
            Unidentified::WrongScheme,
            "{value}"
        );
    }
    assert!(matches!(gate.ask(&[("authorization", "Bearer ")], gate.now()), Err(Unidentified::Malformed(_))));
    assert!(matches!(gate.ask(&[("x-api-key", "")], gate.now()), Err(Unidentified::Malformed(_))));
}

#[test]
fn without_a_credential_nobody_is_asking_unless_the_bundle_considers_it() {
    assert_eq!(gate().ask(&[], gate().now()).unwrap_err(), Unidentified::NoCredential);
}

#[test]
fn an_api_key_is_read_from_either_header_and_a_token_only_from_one() {
    let gate = gate();
    let key = gate.api_key(Kind::Partner, "acme-portal");
    for shown in [("x-api-key", key.clone()), ("authorization", format!("bearer {key}"))] {
        let caller = gate.ask(&[(shown.0, &shown.1)], gate.now()).unwrap();
        let facts = caller.facts();
        assert_eq!(facts.credential, CredentialId::ApiKey("abcdefgh2345".into()));
        assert_eq!(facts.partner.as_ref().unwrap().as_str(), "acme");
        assert_eq!(
            facts.attributes.get("customer"),
            Some(&Attribute::Reference("Customer".into(), "20000".into()))
        );
    }
    let token = gate.own.sign(&header(), &claims());
    assert!(gate.bearer(&token).is_ok());
    let refusal = gate.ask(&[("x-api-key", &token)], gate.now()).unwrap_err();
    assert_eq!(refusal, Unidentified::Malformed("not an API key"));
}

#[test]
fn an_api_key_with_a_wrong_secret_half_is_unknown() {
    let gate = gate();
    let key = gate.api_key(Kind::App, "shop-backend");
    let ask = |key: &str| gate.ask(&[("x-api-key", key)], gate.now()).unwrap_err();
    assert_eq!(ask(&key.replace("xxx", "xxy")), Unidentified::UnknownApiKey);
    assert_eq!(ask(&key.replace("abcdefgh", "abcdefgi")), Unidentified::UnknownApiKey);
    let secret = "x".repeat(43);
    for odd in ["brk_", "brk_abcdefgh2345", "brk_abcdefgh2345_short", "brk_ABCDEFGH2345_x"] {
        assert_eq!(ask(odd), Unidentified::Malformed("API key"));
    }
    for odd in ["ABCDEFGH2345", "abcdefgh234-"].map(|prefix| format!("brk_{prefix}_{secret}")) {
        assert_eq!(ask(&odd), Unidentified::Malformed("API key"));
    }
    assert_eq!(ask(&format!("brk_abcdefgh2345_{}.", &secret[1..])), Unidentified::Malformed("API key"));
    assert_eq!(ask(&format!("brk_abcdefgh2345_-_{}", &secret[2..])), Unidentified::UnknownApiKey);
    assert_eq!(ask(&format!("brk_abcdefgh2345_!{}", &secret[1..])), NOT_OURS);
    assert!(gate.ask(&[("x-api-key", &key)], gate.now()).is_ok());
}

#[test]
fn an_api_key_ends_and_is_taken_back() {
    let gate = gate();
    let key = gate.api_key(Kind::App, "shop-backend");
    assert_eq!(gate.ask(&[("x-api-key", &key)], gate.at(3600)).unwrap_err(), Unidentified::Expired);
    gate.api_keys.lock().get_mut("abcdefgh2345").unwrap().revoked = true;
    assert_eq!(gate.ask(&[("x-api-key", &key)], gate.now()).unwrap_err(), Unidentified::Revoked);
}

const NOT_OURS: Unidentified = Unidentified::Malformed("not of the credential alphabet");

#[test]
fn who_is_switched_off_or_whose_time_is_over_proves_nothing_with_any_credential() {
    let certificate = |name: &str| Digest::of(name.as_bytes());
    let listed = |name: &str, more: &str| {
        format!("  - {{ kind: App, id: {name}, {more}, certificates: [\"sha256:{}\"] }}\n", certificate(name))
    };
    let text = format!(
        "principals:\n{}{}",
        listed("switched-off", "disabled: true"),
        // The last day is the one that begins now.
        listed("for-a-day", "until: 2026-01-01"),
    );
    let files = [SHIPPED, &[("principals/robots.yaml", text.as_str())]].concat();
    let gate = gate_with(SETTINGS, &files);
    let token =
        |sub: &str| format!("Bearer {}", gate.own.sign(&header(), &with(claims(), "sub", json!(sub))));
    let ask = |name: &str, seconds: i64| {
        let key = gate.api_key(Kind::App, name);
        gate.api_keys.lock().get_mut("abcdefgh2345").unwrap().expires_at = None;
        let at = gate.at(seconds);
        [
            gate.ask(&[("authorization", &token(name))], at),
            gate.ask(&[("x-api-key", &key)], at),
            gate.ask_over(&[], &channel(Some(certificate(name))), at),
        ]
        .map(|caller| caller.map(|caller| caller.ending()))
    };
    let refused = |name: &str, seconds: i64| ask(name, seconds).map(|asked| asked.err());
    assert_eq!(refused("switched-off", 0)[..2], [Some(Unidentified::Disabled); 2]);
    assert!(refused("switched-off", 0)[2].is_some());
    for (ending, end) in ask("for-a-day", 0).map(Result::unwrap).iter().zip([3_600, 86_400, 86_400]) {
        assert_eq!(ending.over(gate.at(end - 1).wall), None);
        assert_eq!(ending.over(gate.at(end).wall), Some(Ended::Expired), "open streams end with it");
    }
    assert_eq!(refused("for-a-day", 86_399)[1..], [None, None]);
    let over = refused("for-a-day", 86_400);
    assert!(over.iter().all(Option::is_some), "{over:?}");
    assert_eq!(over[2], Some(Unidentified::Ended));
}

fn pinned() -> (Gate, Digest) {
    let certificate = Digest::of(b"a certificate");
    let text =
        format!("principals:\n  - {{ kind: App, id: robot, certificates: [\"sha256:{certificate}\"] }}");
    let files = [SHIPPED, &[("principals/robots.yaml", text.as_str())]].concat();
    (gate_with(SETTINGS, &files), certificate)
}

#[test]
fn a_pinned_certificate_alone_identifies() {
    let (gate, certificate) = pinned();
    let caller = gate.ask_over(&[], &channel(Some(certificate)), gate.now()).unwrap();
    assert_eq!(caller.facts().id.as_str(), "robot");
    assert_eq!(caller.facts().credential, CredentialId::Certificate(certificate));
    let other = channel(Some(Digest::of(b"another")));
    assert_eq!(gate.ask_over(&[], &other, gate.now()).unwrap_err(), Unidentified::UnknownCertificate);
}

#[test]
fn beside_a_token_a_certificate_is_a_fact_of_the_channel_only() {
    let (gate, certificate) = pinned();
    let token = format!("Bearer {}", gate.own.sign(&header(), &claims()));
    let caller =
        gate.ask_over(&[("authorization", &token)], &channel(Some(certificate)), gate.now()).unwrap();
    assert_eq!(caller.facts().id.as_str(), "shop-backend");
    let refusal =
        gate.ask_over(&[("authorization", "Bearer x.y.z")], &channel(Some(certificate)), gate.now());
    assert!(refusal.is_err(), "a bad token is not mended by a good certificate");
}

#[test]
fn a_refusal_never_quotes_the_credential() {
    let gate = gate();
    let secret = "s3cr3t-value-of-a-token";
    for shown in [("authorization", format!("Bearer {secret}")), ("x-api-key", secret.to_owned())] {
        let refusal = gate.ask(&[(shown.0, &shown.1)], gate.now()).unwrap_err();
        assert!(!format!("{refusal} {refusal:?}").contains(secret));
    }
    let headers = headers(&[("authorization", &format!("Bearer {secret}"))]);
    let Recall::Verify(pending) = gate.identity.recall(&gate.sources, &headers, &channel(None), gate.now())
    else {
        panic!("a token not seen before is verified")
    };
    assert!(!format!("{pending:?}").contains(secret));
}
