//! What is remembered, for how long, and what ends it.

use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::json;

use super::{
    super::{memory::Memory, *},
    kit::*,
};
use crate::words::{Digest, Kind};

#[test]
fn a_token_seen_before_asks_nobody() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    let first = gate.bearer(&token).unwrap();
    let asked = gate.asked();
    *gate.down.lock() = true;
    let again = gate.bearer(&token).unwrap();
    assert_eq!(gate.asked(), asked);
    assert!(Arc::ptr_eq(first.facts(), again.facts()));
}

#[test]
fn a_refused_token_is_not_remembered() {
    let gate = gate();
    assert!(gate.bearer(&gate.own.sign(&header(), &with(claims(), "aud", json!("x")))).is_err());
    assert_eq!(gate.identity.remembered(), 0);
}

#[test]
fn a_remembered_token_expires_on_the_second() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    assert!(gate.bearer(&token).is_ok());
    assert!(gate.bearer_at(&token, 3599).is_ok());
    assert_eq!(gate.bearer_at(&token, 3600).unwrap_err(), Unidentified::Expired);
    assert_eq!(gate.identity.remembered(), 0);
}

#[test]
fn a_revoked_token_is_refused_at_once_and_stays_refused() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    let other = gate.own.sign(&header(), &with(claims(), "jti", json!("j-2")));
    let (caller, _) = (gate.bearer(&token).unwrap(), gate.bearer(&other).unwrap());
    let until = caller.ends_at().unwrap();
    gate.identity.revocations().apply(&[Revocation::Token { jti: "j-1".into(), until }], gate.now().wall);
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::Revoked);
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::Revoked, "proved anew it is still taken back");
    assert!(gate.bearer(&other).is_ok());
}

#[test]
fn revoking_ends_open_streams_and_no_others() {
    let gate = gate();
    let mut ended = gate.bearer(&gate.own.sign(&header(), &claims())).unwrap().ending();
    let other = with(claims(), "jti", json!("j-2"));
    let mut stays = gate.bearer(&gate.own.sign(&header(), &other)).unwrap().ending();
    block_on(async {
        assert!(ended.wait().now_or_never().is_none());
        let until = ended.ends_at().unwrap();
        gate.identity.revocations().apply(&[Revocation::Token { jti: "j-1".into(), until }], gate.now().wall);
        assert_eq!(ended.wait().await, Ended::Revoked);
        assert!(stays.wait().now_or_never().is_none());
    });
    assert_eq!(stays.over(gate.at(3600).wall), Some(Ended::Expired));
    assert_eq!(stays.over(gate.now().wall), None);
}

#[test]
fn a_stream_hears_of_a_revocation_though_its_token_was_forgotten() {
    let mut gate = gate();
    gate.identity = Identity::new(1);
    let mut ending = gate.bearer(&gate.own.sign(&header(), &claims())).unwrap().ending();
    for at in 0..500 {
        let more = with(claims(), "jti", json!(format!("more-{at}")));
        assert!(gate.bearer(&gate.own.sign(&header(), &more)).is_ok());
    }
    let until = ending.ends_at().unwrap();
    gate.identity.revocations().apply(&[Revocation::Token { jti: "j-1".into(), until }], gate.now().wall);
    assert_eq!(block_on(ending.wait()), Ended::Revoked);
}

#[test]
fn all_tokens_of_an_outside_principal_end_by_the_moment_they_were_issued() {
    let gate = gate();
    let old = gate.corp.sign(&corp_header(), &corp_claims());
    let new = gate.corp.sign(&corp_header(), &with(corp_claims(), "iat", json!(NOW - 10)));
    assert!(gate.bearer(&old).is_ok());
    let issued_until = gate.at(-45).wall;
    let revocation =
        Revocation::Principal { kind: Kind::User, id: "corp|mila@example.com".into(), issued_until };
    gate.identity.revocations().apply(&[revocation], gate.now().wall);
    assert_eq!(gate.bearer(&old).unwrap_err(), Unidentified::Revoked);
    assert!(gate.bearer(&new).is_ok());
}

#[test]
fn taking_back_an_outside_principal_covers_tokens_from_a_clock_ahead_of_ours() {
    let issued = |seconds: i64| with(corp_claims(), "iat", json!(NOW + seconds));
    let revocation = |gate: &Gate| Revocation::Principal {
        kind: Kind::User,
        id: "corp|mila@example.com".into(),
        issued_until: gate.now().wall,
    };
    for (ahead, expected) in [(3, Some(Unidentified::Revoked)), (30, Some(Unidentified::Revoked)), (31, None)]
    {
        let gate = gate();
        let token = gate.corp.sign(&corp_header(), &issued(ahead));
        gate.identity.revocations().apply(&[revocation(&gate)], gate.now().wall);
        assert_eq!(gate.bearer_at(&token, ahead).err(), expected, "{ahead}");
    }
    // One seen before, and its streams, end too.
    let gate = gate();
    let token = gate.corp.sign(&corp_header(), &issued(3));
    let ending = gate.bearer(&token).unwrap().ending();
    gate.identity.revocations().apply(&[revocation(&gate)], gate.now().wall);
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::Revoked);
    assert_eq!(ending.over(gate.now().wall), Some(Ended::Revoked));
}

#[test]
fn a_clock_that_jumps_ahead_for_less_than_a_day_and_back_revives_no_token() {
    let day = 86_400;
    for (jumped, expected) in [(day - 1, Some(Unidentified::Revoked)), (day, None)] {
        let gate = gate();
        let token = gate.own.sign(&header(), &claims());
        let end = gate.bearer(&token).unwrap().ends_at().unwrap();
        let take_back = |jti: &str, seconds: i64| {
            let revocation = Revocation::Token { jti: jti.into(), until: end };
            gate.identity.revocations().apply(&[revocation], gate.at(seconds).wall);
        };
        take_back("j-1", 0);
        take_back("j-2", 3600 + jumped);
        assert_eq!(gate.bearer(&token).err(), expected, "{jumped}s past its end");
    }
}

#[test]
fn a_key_that_goes_takes_its_tokens_and_streams_along() {
    let gate = gate();
    let token = gate.own.sign(&header(), &claims());
    let mut ending = gate.bearer(&token).unwrap().ending();
    gate.own.key.retire();
    gate.identity.revocations().bump();
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::UnknownKey);
    assert_eq!(block_on(ending.wait()), Ended::KeyGone);
}

#[test]
fn a_new_bundle_proves_everybody_anew() {
    let mut gate = gate();
    let token = gate.own.sign(&header(), &claims());
    let mut ending = gate.bearer(&token).unwrap().ending();
    let without = [SHIPPED[0], SHIPPED[1]];
    gate.sources = sources(SETTINGS, registry(&without).unwrap()).unwrap();
    assert_eq!(gate.bearer(&token).unwrap_err(), Unidentified::UnknownPrincipal);
    assert_eq!(ending.over(gate.now().wall), None, "a bundle in preparation ends nothing");
    gate.identity.revocations().adopt(&gate.sources);
    assert_eq!(block_on(ending.wait()), Ended::Disowned);
}

#[test]
fn a_new_bundle_ends_the_streams_of_whom_it_switches_off_and_of_what_it_no_longer_names() {
    let certificate = Digest::of(b"a certificate");
    let under = |settings: &str, pinned: Digest, more: &str| {
        let text = format!(
            "principals:\n  - {{ kind: App, id: robot, certificates: [\"sha256:{pinned}\"]{more} }}\n  \
             - {{ kind: User, id: \"corp|mila@example.com\"{more} }}\n"
        );
        let files = [SHIPPED, &[("principals/robots.yaml", text.as_str())]].concat();
        sources(settings, registry(&files).unwrap()).unwrap()
    };
    let ended = |next: Arc<Sources>| {
        let mut gate = gate();
        gate.sources = under(SETTINGS, certificate, "");
        let token = gate.own.sign(&header(), &with(claims(), "sub", json!("robot")));
        let (key, outside) =
            (gate.api_key(Kind::App, "robot"), gate.corp.sign(&corp_header(), &corp_claims()));
        let asked = [
            gate.bearer(&token),
            gate.bearer(&key),
            gate.ask_over(&[], &channel(Some(certificate)), gate.now()),
            gate.bearer(&outside),
        ];
        let endings = asked.map(|caller| caller.unwrap().ending());
        gate.identity.revocations().adopt(&next);
        endings.map(|ending| ending.over(gate.now().wall).is_some())
    };
    assert_eq!(ended(under(SETTINGS, certificate, "")), [false; 4]);
    assert_eq!(ended(under(SETTINGS, certificate, ", until: 2999-12-31")), [false; 4]);
    assert_eq!(ended(under(SETTINGS, certificate, ", until: 2025-12-31")), [true; 4]);
    assert_eq!(ended(under(SETTINGS, certificate, ", disabled: true")), [true; 4]);
    let another = Digest::of(b"another certificate");
    assert_eq!(ended(under(SETTINGS, another, "")), [false, false, true, false]);
    let (own, _) = SETTINGS.split_once("issuers:").unwrap();
    let alone = sources(
        own,
        registry(&[SHIPPED, &[("principals/x.yaml", "principals: [{ kind: App, id: robot }]")]].concat())
            .unwrap(),
    );
    assert_eq!(ended(alone.unwrap()), [false, false, true, true]);
}

#[test]
fn a_stream_ends_with_the_certificate_of_its_channel() {
    let certificate = Digest::of(b"a certificate");
    let text = format!("principals: [{{ kind: App, id: robot, certificates: [\"sha256:{certificate}\"] }}]");
    let files = [SHIPPED, &[("principals/robots.yaml", text.as_str())]].concat();
    let gate = gate_with(SETTINGS, &files);
    let token = format!("Bearer {}", gate.own.sign(&header(), &claims()));
    for shown in [&[][..], &[("authorization", token.as_str())]] {
        let (teller, standing) = crate::words::Standing::let_in();
        let mut over = channel(Some(certificate));
        over.tls.as_mut().unwrap().standing = standing;
        let ending = gate.ask_over(shown, &over, gate.now()).unwrap().ending();
        assert_eq!(ending.over(gate.now().wall), None);
        teller.end();
        assert_eq!(ending.over(gate.now().wall), Some(Ended::Revoked));
    }
}

#[test]
fn what_is_remembered_is_bounded_and_spares_what_is_used() {
    let memory = Memory::new(64 * 4);
    let proof = || Arc::new(memory::Proof::standing(Facts::anonymous()));
    let digest = |n: u32| Digest::of(&n.to_be_bytes());
    memory.put(digest(0), proof());
    for n in 1..20_000 {
        assert!(memory.get(&digest(0)).is_some(), "forgotten after {n}");
        memory.put(digest(n), proof());
    }
    assert!(memory.len() <= 64 * 4, "{}", memory.len());
    memory.forget(&digest(0));
    assert!(memory.get(&digest(0)).is_none());
    for n in 0..20_000 {
        memory.forget(&digest(n));
    }
    assert_eq!(memory.len(), 0);
}

#[test]
fn a_credential_that_made_room_is_not_taken_for_the_one_it_made_room_for() {
    // One place for all that fall to it.
    let memory = Memory::new(1);
    let proof = |name: &str| {
        Arc::new(memory::Proof::standing(Facts::bare(Kind::App, name.into(), CredentialId::None)))
    };
    let digest = |n: u8| Digest([7, n].repeat(16).try_into().unwrap());
    let found = |n: u8| memory.get(&digest(n)).map(|proof| proof.facts.id.to_string());
    memory.put(digest(1), proof("first"));
    memory.put(digest(1), proof("again"));
    assert_eq!((found(1).as_deref(), memory.len()), (Some("again"), 1));
    memory.put(digest(2), proof("second"));
    assert_eq!((found(1), found(2).as_deref(), memory.len()), (None, Some("second"), 1));
    memory.forget(&digest(1));
    assert_eq!((found(2).as_deref(), memory.len()), (Some("second"), 1));
    memory.forget(&digest(2));
    assert_eq!((found(2), memory.len()), (None, 0));
}

#[test]
fn a_caller_without_a_credential_has_nothing_to_take_back() {
    let mut ending = Caller::assumed(Facts::anonymous()).ending();
    assert!(ending.wait().now_or_never().is_none());
    assert_eq!((ending.ends_at(), ending.over(gate().now().wall)), (None, None));
}
