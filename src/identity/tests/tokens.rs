//! The table of bad tokens, line by line. Each differs from a good one in one thing.

use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value as Json, json};

use super::{super::*, kit::*};

#[test]
fn a_good_token_identifies_its_principal() {
    let gate = gate();
    let caller = gate.bearer(&gate.own.sign(&header(), &claims())).unwrap();
    let facts = caller.facts();
    assert_eq!((facts.kind.as_str(), facts.id.as_str()), ("App", "shop-backend"));
    assert_eq!(facts.credential, CredentialId::Token("j-1".into()));
    let groups: Vec<_> = facts.groups.iter().map(|group| group.as_str()).collect();
    assert_eq!(groups, ["apps", "internal"]);
    assert_eq!(caller.ends_at().unwrap().as_second(), NOW + 3600);
}

#[test]
fn each_claim_that_is_absent_or_of_another_type_is_refused() {
    let gate = gate();
    let odd = [json!(null), json!(5), json!("x"), json!(["x"]), json!({}), json!(true), json!(-1), json!("")];
    for (name, sound) in
        [("iss", ""), ("aud", ""), ("exp", ""), ("iat", ""), ("sub", "x"), ("kind", ""), ("jti", "x")]
    {
        for value in &odd {
            if value.as_str().is_some_and(|text| text == sound && !text.is_empty()) {
                continue;
            }
            // `with` takes a null away; a null that stands there is refused below.
            let refusal = gate.refusal(&header(), &with(claims(), name, value.clone()));
            assert!(refusal != Unidentified::BadSignature, "{name}: {value}: {refusal}");
        }
        let text = claims().to_string().replace(&format!("\"{name}\":"), &format!("\"{name}\":null,\"z\":"));
        assert!(gate.bearer(&gate.own.sign_text(&header().to_string(), &text)).is_err(), "{name}: null");
    }
    for value in [json!("1"), json!([1]), json!({}), json!(-1), json!(true)] {
        assert_eq!(gate.refusal(&header(), &with(claims(), "nbf", value)), Unidentified::Malformed("nbf"));
    }
}

#[test]
fn the_issuer_is_one_text_and_exactly_ours() {
    let gate = gate();
    let refusal = |value: Json| gate.refusal(&header(), &with(claims(), "iss", value));
    assert_eq!(refusal(json!(null)), Unidentified::WrongIssuer);
    assert_eq!(refusal(json!("https://gate.example/")), Unidentified::WrongIssuer);
    assert_eq!(refusal(json!("https://GATE.example")), Unidentified::WrongIssuer);
    assert_eq!(
        refusal(json!(["https://evil.example", "https://gate.example"])),
        Unidentified::Malformed("iss")
    );
}

#[test]
fn a_token_of_one_issuer_signed_by_anothers_key_is_refused() {
    let gate = gate();
    let token = gate.corp.sign(&corp_header(), &claims());
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::UnknownKey);
    let token = gate.corp.sign(&header(), &claims());
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::BadSignature);
    let token = gate.own.sign(&corp_header(), &corp_claims());
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::BadSignature);
}

#[test]
fn the_audience_is_this_gate() {
    let gate = gate();
    let ask = |value: Json| gate.bearer(&gate.own.sign(&header(), &with(claims(), "aud", value))).map(drop);
    assert_eq!(ask(json!("bramka")), Ok(()));
    assert_eq!(ask(json!(["a", "bramka"])), Ok(()));
    assert_eq!(ask(json!(null)), Err(Unidentified::WrongAudience));
    assert_eq!(ask(json!("Bramka")), Err(Unidentified::WrongAudience));
    assert_eq!(ask(json!([])), Err(Unidentified::WrongAudience));
    assert!(matches!(ask(json!(["bramka", 5])), Err(Unidentified::Malformed(_))));
    assert!(matches!(ask(json!(vec!["x"; 200])), Err(Unidentified::Malformed(_))));
}

#[test]
fn a_token_ends_on_the_second_with_no_leeway_for_our_own() {
    let gate = gate();
    let ask = |exp: i64| gate.bearer(&gate.own.sign(&header(), &with(claims(), "exp", json!(exp)))).map(drop);
    assert_eq!(ask(NOW + 1), Ok(()));
    assert_eq!(ask(NOW), Err(Unidentified::Expired));
    assert_eq!(ask(NOW - 59), Err(Unidentified::Expired));
}

#[test]
fn an_outside_issuers_clock_may_be_off_by_its_leeway_only() {
    let gate = gate();
    let ask = |name: &str, value: i64| {
        gate.bearer(&gate.corp.sign(&corp_header(), &with(corp_claims(), name, json!(value)))).map(drop)
    };
    assert_eq!(ask("exp", NOW - 4), Ok(()));
    assert_eq!(ask("exp", NOW - 5), Err(Unidentified::Expired));
    assert_eq!(ask("iat", NOW + 5), Ok(()));
    assert_eq!(ask("iat", NOW + 6), Err(Unidentified::NotYetValid));
    assert_eq!(ask("nbf", NOW + 6), Err(Unidentified::NotYetValid));
}

#[test]
fn a_token_from_the_future_is_not_yet_valid() {
    let gate = gate();
    let year_2099 = 4_070_908_800_i64;
    for (name, value) in [("nbf", NOW + 1), ("nbf", year_2099), ("iat", NOW + 1), ("iat", year_2099)] {
        assert_eq!(gate.refusal(&header(), &with(claims(), name, json!(value))), Unidentified::NotYetValid);
    }
}

#[test]
fn a_token_is_never_older_than_its_issuer_allows_whatever_its_end() {
    let gate = gate();
    let day = 86_400;
    let old = with(corp_claims(), "exp", json!(NOW + 1000 * day));
    let token = gate.corp.sign(&corp_header(), &with(old.clone(), "iat", json!(NOW - day - 5)));
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::TooOld);
    let token = gate.corp.sign(&corp_header(), &with(old, "iat", json!(NOW - day + 10)));
    let caller = gate.bearer(&token).unwrap();
    assert_eq!(caller.ends_at().unwrap().as_second(), NOW + 15);
    assert_eq!(gate.bearer_at(&token, 15).unwrap_err(), Unidentified::Expired);
}

#[test]
fn a_token_of_another_type_is_refused() {
    let gate = gate();
    for typ in ["dpop+jwt", "JWT", "id_token", "", "logout+jwt", "absent", "at+jwt "] {
        assert_eq!(
            gate.refusal(&with(header(), "typ", json!(typ)), &claims()),
            Unidentified::WrongType,
            "{typ}"
        );
    }
    assert_eq!(gate.refusal(&with(header(), "typ", json!(null)), &claims()), Unidentified::WrongType);
    assert_eq!(gate.refusal(&with(header(), "typ", json!(5)), &claims()), Unidentified::Malformed("typ"));
    let token = gate.own.sign(&with(header(), "typ", json!("application/AT+JWT")), &claims());
    assert!(gate.bearer(&token).is_ok());
}

#[test]
fn what_is_not_understood_is_refused() {
    let gate = gate();
    for (name, value) in
        [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false)), ("zip", json!("DEF"))]
    {
        let refusal = gate.refusal(&with(header(), name, value), &claims());
        assert_eq!(refusal, Unidentified::NotUnderstood(name));
    }
    for name in ["cnf", "act"] {
        assert_eq!(
            gate.refusal(&header(), &with(claims(), name, json!({ "jkt": "x" }))),
            Unidentified::NotUnderstood(name)
        );
    }
}

#[test]
fn the_algorithm_is_the_keys_and_none_is_none() {
    let gate = gate();
    for alg in ["none", "None", "HS256", "RS256", "ES384", "EdDSA", "es256", ""] {
        assert_eq!(gate.refusal(&with(header(), "alg", json!(alg)), &claims()), Unidentified::WrongAlgorithm);
    }
    assert_eq!(gate.refusal(&with(header(), "alg", json!(null)), &claims()), Unidentified::Malformed("alg"));
    let unsigned =
        format!("{}.", message(r#"{"alg":"none","typ":"at+jwt","kid":"own-1"}"#, &claims().to_string()));
    assert!(gate.bearer(&unsigned).is_err());
}

#[test]
fn an_hmac_keyed_with_our_public_key_is_refused() {
    let gate = gate();
    let public = gate.own.pair.public_key();
    let der = public.as_der().unwrap();
    let header = with(header(), "alg", json!("HS256"));
    let message = message(&header.to_string(), &claims().to_string());
    for secret in [public.as_ref(), der.as_ref(), b""] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
        assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::WrongAlgorithm);
    }
}

#[test]
fn a_signature_of_zeros_is_no_signature() {
    let gate = gate();
    let message = message(&header().to_string(), &claims().to_string());
    for signature in [vec![0; 64], vec![], vec![0; 63], vec![255; 64], vec![0; 72]] {
        let token = format!("{message}.{}", BASE64URL_NOPAD.encode(&signature));
        assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::BadSignature);
    }
}

#[test]
fn a_flipped_byte_anywhere_is_refused() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(gate.bearer(std::str::from_utf8(&bytes).unwrap()).is_err(), "byte {at}");
    }
    assert!(gate.bearer(&token).is_ok());
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let gate = gate();
    let twice = |text: String| text.replacen('{', r#"{"exp":9999999999,"#, 1);
    let token = gate.own.sign_text(&header().to_string(), &twice(claims().to_string()));
    assert!(matches!(gate.bearer(&token).unwrap_err(), Unidentified::Malformed(_)));
    let escaped = claims().to_string().replacen('{', r#"{"e\u0078p":9999999999,"#, 1);
    let token = gate.own.sign_text(&header().to_string(), &escaped);
    assert!(matches!(gate.bearer(&token).unwrap_err(), Unidentified::Malformed(_)));
    let token = gate
        .own
        .sign_text(&header().to_string().replacen('{', r#"{"alg":"none","#, 1), &claims().to_string());
    assert!(matches!(gate.bearer(&token).unwrap_err(), Unidentified::Malformed(_)));
}

#[test]
fn odd_numbers_are_refused() {
    let gate = gate();
    for exp in ["1e400", "1e10", "9999999999999999999999", "-1", "1.", "0x10", "\"9999999999\""] {
        let text = claims().to_string().replace(&format!("{}", NOW + 3600), exp);
        assert!(gate.bearer(&gate.own.sign_text(&header().to_string(), &text)).is_err(), "{exp}");
    }
    let text = claims().to_string().replace(&format!("{}", NOW + 3600), &format!("{}.75", NOW + 1));
    assert!(gate.bearer(&gate.own.sign_text(&header().to_string(), &text)).is_ok());
}

#[test]
fn the_form_is_three_parts_of_strict_base64url() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    let broken = [
        parts[..2].join("."),
        format!("{token}.x"),
        format!("{token}."),
        format!(".{token}"),
        "..".into(),
        format!("{}A.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}A", parts[0], parts[1], parts[2]),
    ];
    for token in &broken {
        assert!(gate.bearer(token).is_err(), "{token}");
    }
    for odd in ["=", " ", "+", "/", "%"] {
        assert!(
            matches!(gate.bearer(&format!("{token}{odd}")).unwrap_err(), Unidentified::Malformed(_)),
            "{odd}"
        );
    }
    for (header, claims) in [("[]", "{}"), ("{}", "[]"), ("null", "null"), ("{", "}"), ("", "")] {
        assert!(gate.bearer(&gate.own.sign_text(header, claims)).is_err());
    }
}

#[test]
fn sizes_are_bounded() {
    let gate = gate();
    let long = with(claims(), "filler", json!("x".repeat(7000)));
    assert_eq!(gate.refusal(&header(), &long), Unidentified::TooLarge);
    let kid = with(header(), "kid", json!("k".repeat(257)));
    assert_eq!(gate.refusal(&kid, &claims()), Unidentified::Malformed("kid"));
    assert_eq!(
        gate.refusal(&with(header(), "kid", json!("k".repeat(256))), &claims()),
        Unidentified::UnknownKey
    );
    let mut many = claims();
    for at in 0..100 {
        many = with(many, &format!("c{at}"), json!(at));
    }
    assert!(matches!(gate.refusal(&header(), &many), Unidentified::Malformed(_)));
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let text = claims().to_string().replacen('{', &format!("{{\"deep\":{deep},"), 1);
    drop(gate.bearer(&gate.own.sign_text(&header().to_string(), &text)));
}

#[test]
fn a_subject_is_printable_and_of_our_registry() {
    let gate = gate();
    let ask = |sub: &str| gate.refusal(&header(), &with(claims(), "sub", json!(sub)));
    assert_eq!(ask(""), Unidentified::Malformed("sub"));
    assert_eq!(ask("a\nb"), Unidentified::Malformed("sub"));
    assert_eq!(ask(&"x".repeat(256)), Unidentified::Malformed("sub"));
    assert_eq!(ask("nobody"), Unidentified::UnknownPrincipal);
    assert_eq!(ask("corp|mila@example.com"), Unidentified::UnknownPrincipal);
    let other_kind = with(claims(), "kind", json!("User"));
    assert_eq!(gate.refusal(&header(), &other_kind), Unidentified::UnknownPrincipal);
    let nobody = with(claims(), "kind", json!("Anonymous"));
    assert_eq!(gate.refusal(&header(), &nobody), Unidentified::Malformed("kind"));
}

#[test]
fn keys_that_are_not_published_or_out_of_reach_are_told_apart_for_the_operator() {
    let gate = gate();
    assert_eq!(gate.refusal(&with(header(), "kid", json!("other")), &claims()), Unidentified::UnknownKey);
    assert_eq!(gate.refusal(&with(header(), "kid", json!(null)), &claims()), Unidentified::UnknownKey);
    *gate.down.lock() = true;
    assert_eq!(gate.refusal(&header(), &claims()), Unidentified::StoreUnavailable);
    let token = gate.corp.sign(&corp_header(), &corp_claims());
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::IssuerUnavailable);
}

#[test]
fn rsa_and_ed25519_keys_verify_by_their_own_algorithm_only() {
    let gate = gate();
    let ed = Ed25519KeyPair::generate().unwrap();
    let key = VerifyKey::curve(Some("ed".into()), Algorithm::EdDsa, ed.public_key().as_ref()).unwrap();
    gate.extra.lock().push(key.into());
    let rsa = signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (n, e) = (rsa.public_key().modulus(), rsa.public_key().exponent());
    let (n, e) = (n.big_endian_without_leading_zero().to_vec(), e.big_endian_without_leading_zero().to_vec());
    for (kid, algorithm) in [("rs", Algorithm::Rs256), ("ps", Algorithm::Ps256)] {
        gate.extra.lock().push(VerifyKey::rsa(Some(kid.into()), algorithm, &n, &e).unwrap().into());
    }
    let sign = |alg: &str, kid: &str, by: &dyn Fn(&[u8]) -> Vec<u8>| {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid });
        let message = message(&header.to_string(), &corp_claims().to_string());
        gate.bearer(&format!("{message}.{}", BASE64URL_NOPAD.encode(&by(message.as_bytes())))).map(drop)
    };
    let by_ed = |message: &[u8]| ed.sign(message).as_ref().to_vec();
    let by_rsa = |message: &[u8]| {
        let mut out = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).unwrap();
        out
    };
    let by_pss = |message: &[u8]| {
        let mut out = vec![0; rsa.public_modulus_len()];
        rsa.sign(&signature::RSA_PSS_SHA256, &SystemRandom::new(), message, &mut out).unwrap();
        out
    };
    assert_eq!(sign("EdDSA", "ed", &by_ed), Ok(()));
    assert_eq!(sign("RS256", "rs", &by_rsa), Ok(()));
    assert_eq!(sign("PS256", "ps", &by_pss), Ok(()));
    assert_eq!(sign("PS256", "rs", &by_pss), Err(Unidentified::WrongAlgorithm));
    assert_eq!(sign("RS256", "rs", &by_pss), Err(Unidentified::BadSignature));
    assert_eq!(sign("RS256", "rs", &|_| vec![0; 256]), Err(Unidentified::BadSignature));
    assert_eq!(sign("EdDSA", "ed", &|_| vec![0; 64]), Err(Unidentified::BadSignature));
}

#[test]
fn weak_keys_are_no_keys() {
    let one = |bits: usize| {
        let mut n = vec![0; bits.div_ceil(8)];
        n[0] = 1 << ((bits - 1) % 8);
        *n.last_mut().unwrap() |= 1;
        n
    };
    let rsa = |n: &[u8], e: &[u8]| VerifyKey::rsa(None, Algorithm::Rs256, n, e).map(drop).unwrap_err();
    assert_eq!(rsa(&one(1024), &[1, 0, 1]), BadKey::RsaSize);
    assert_eq!(rsa(&one(2047), &[1, 0, 1]), BadKey::RsaSize);
    assert_eq!(rsa(&[vec![0; 200], one(1024)].concat(), &[1, 0, 1]), BadKey::RsaSize);
    assert_eq!(rsa(&one(8200), &[1, 0, 1]), BadKey::RsaSize);
    for e in [&[1][..], &[2], &[4], &[], &[0], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(rsa(&one(2048), e), BadKey::RsaExponent);
    }
    for e in [&[3][..], &[1, 0, 1], &[0, 0, 1, 0, 1], &[1, 0, 0, 1]] {
        assert!(VerifyKey::rsa(None, Algorithm::Rs256, &one(2048), e).is_ok());
    }
    assert!(VerifyKey::curve(None, Algorithm::Es256, &[4; 65]).is_err());
    assert!(VerifyKey::curve(None, Algorithm::Es256, &[0]).is_err());
    assert!(VerifyKey::curve(None, Algorithm::EdDsa, &[1; 31]).is_err());
    assert!(VerifyKey::curve(None, Algorithm::Rs256, &[1; 32]).is_err());
}

#[test]
fn two_keys_are_one_by_name_algorithm_and_material_together() {
    let point = Signer::new("x").pair.public_key().as_ref().to_vec();
    let curve =
        |kid: &str, point: &[u8]| VerifyKey::curve(Some(kid.into()), Algorithm::Es256, point).unwrap();
    let key = curve("a", &point);
    assert!(key.same(&curve("a", &point)));
    assert!(!key.same(&curve("b", &point)));
    assert!(!key.same(&curve("a", Signer::new("y").pair.public_key().as_ref())), "another under its name");
    let mut modulus = vec![0xff; 256];
    modulus[0] = 0x80;
    let rsa = |algorithm| VerifyKey::rsa(Some("a".into()), algorithm, &modulus, &[1, 0, 1]).unwrap();
    assert!(rsa(Algorithm::Rs256).same(&rsa(Algorithm::Rs256)));
    assert!(!rsa(Algorithm::Rs256).same(&rsa(Algorithm::Ps256)));
}

#[test]
fn the_shapes_that_are_read_without_a_key_are_read() {
    let gate = gate();
    assert_eq!(read_token(gate.own.sign(&header(), &claims()).as_bytes()), Ok(()));
    assert!(read_token(b"a.b").is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, header in ".{0,60}", claims in ".{0,60}") {
        proptest::prop_assert!(read_token(&bytes).is_err());
        let text = format!("{}.AA", message(&header, &claims));
        proptest::prop_assert!(read_token(text.as_bytes()).is_err());
    }

    #[test]
    fn no_members_make_the_claims_panic(
        name in "iss|aud|exp|iat|nbf|sub|kind|jti|groups|scope|country_code|x",
        value in r#"(null|true|-?[0-9]{1,30}(\.[0-9]{0,30})?(e[+-]?[0-9]{1,4})?|"[^"\\]{0,20}"|\[.{0,20}\]|\{.{0,20}\})"#,
        outside: bool,
    ) {
        let gate = gate();
        let (signer, header, claims) = if outside {
            (&gate.corp, corp_header(), corp_claims())
        } else {
            (&gate.own, header(), claims())
        };
        let claims = with(claims, &name, Json::Null).to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        drop(gate.bearer(&signer.sign_text(&header.to_string(), &claims)));
    }
}
