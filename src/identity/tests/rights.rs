//! What a credential may assert, and what facts come of it.

use serde_json::{Value as Json, json};

use super::{super::*, kit::*};
use crate::words::Kind;

fn names(facts: &Facts) -> Vec<&str> {
    facts.groups.iter().map(|group| group.as_str()).collect()
}

#[test]
fn an_outside_issuer_asserts_what_it_is_listed_for_and_the_rest_is_dropped_and_counted() {
    let gate = gate();
    let claims = with(corp_claims(), "groups", json!(["staff", "apps", "domain admins"]));
    let claims = with(with(claims, "scope", json!("orders admin")), "country_code", json!("DE"));
    let caller = gate.bearer(&gate.corp.sign(&corp_header(), &claims)).unwrap();
    let facts = caller.facts();
    assert_eq!((facts.kind, facts.id.as_str()), (Kind::User, "corp|mila@example.com"));
    assert_eq!(names(facts), ["internal", "staff"]);
    assert_eq!(facts.scopes.iter().map(|scope| &**scope).collect::<Vec<_>>(), ["orders"]);
    assert_eq!(facts.attributes.get("country"), Some(&Attribute::Text("DE".into())));
    assert_eq!(facts.attributes.len(), 1);
    assert_eq!(gate.identity.dropped(), [("corp".into(), 3)]);
}

#[test]
fn an_outside_issuer_never_speaks_for_our_own_principals() {
    let gate = gate();
    let claims = with(corp_claims(), "sub", json!("mila"));
    let caller = gate.bearer(&gate.corp.sign(&corp_header(), &claims)).unwrap();
    assert_eq!(caller.facts().id.as_str(), "corp|mila");
    assert_eq!(caller.facts().plan, None);
    let claims = with(with(corp_claims(), "partner", json!("acme")), "customer", json!("20000"));
    let caller = gate.bearer(&gate.corp.sign(&corp_header(), &claims)).unwrap();
    assert_eq!((caller.facts().partner.as_ref(), caller.facts().attributes.len()), (None, 0));
}

#[test]
fn a_wrong_asserted_attribute_is_refused_and_an_empty_one_is_absent() {
    let gate = gate();
    let ask = |value: Json| {
        let text = corp_claims().to_string().replacen('{', &format!("{{\"country_code\":{value},"), 1);
        gate.bearer(&gate.corp.sign_text(&corp_header().to_string(), &text))
            .map(|caller| caller.facts().attributes.len())
    };
    assert_eq!(ask(json!(5)), Err(Unidentified::BadAttribute));
    assert_eq!(ask(json!(["DE"])), Err(Unidentified::BadAttribute));
    assert_eq!(ask(json!("a\u{0}b")), Err(Unidentified::BadAttribute));
    assert_eq!(ask(json!("")), Ok(0));
    assert_eq!(ask(json!(null)), Ok(0));
}

#[test]
fn a_required_attribute_that_is_asserted_empty_is_missing() {
    let types = "
attributes:
  country: { type: text, kinds: [User], required: true }
  regions: { type: texts, kinds: [User], required: true }
groups: { staff: }
";
    let settings = SETTINGS.replacen("country: country_code", "country: country_code, regions: regions", 1);
    let gate = gate_with(&settings, &[("principals/attributes.yaml", types)]);
    let ask = |country: Json, regions: Json| {
        let claims = with(with(corp_claims(), "country_code", country), "regions", regions);
        gate.bearer(&gate.corp.sign(&corp_header(), &claims)).map(|caller| caller.facts().attributes.len())
    };
    assert_eq!(ask(json!("DE"), json!(["north"])), Ok(2));
    assert_eq!(ask(json!(""), json!(["north"])), Err(Unidentified::BadAttribute));
    assert_eq!(ask(json!("DE"), json!([])), Err(Unidentified::BadAttribute));
    assert_eq!(ask(json!(null), json!(["north"])), Err(Unidentified::BadAttribute));
}

#[test]
fn an_issuer_of_several_kinds_must_name_one_it_vouches_for() {
    let gate = gate();
    gate.extra.lock().push(gate.corp.key.clone());
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "corp-1" });
    let base = with(corp_claims(), "iss", json!("https://many.example"));
    let ask = |sort: Json| {
        gate.bearer(&gate.corp.sign(&header, &with(base.clone(), "sort", sort)))
            .map(|caller| caller.facts().kind)
    };
    assert_eq!(ask(json!("App")), Ok(Kind::App));
    assert_eq!(ask(json!("User")), Ok(Kind::User));
    assert_eq!(ask(json!("Partner")), Err(Unidentified::KindNotAsserted));
    assert_eq!(ask(json!("Anonymous")), Err(Unidentified::KindNotAsserted));
    assert_eq!(ask(json!(null)), Err(Unidentified::KindNotAsserted));
    assert_eq!(ask(json!(5)), Err(Unidentified::Malformed("kind")));
}

#[test]
fn the_registry_adds_to_what_an_issuer_says_and_may_switch_off() {
    let text = "principals:\n  - { kind: User, id: \"corp|mila@example.com\", groups: [readers], plan: staff, \
                attributes: { country: PL } }\n  - { kind: User, id: \"corp|gone\", disabled: true }";
    let files = [SHIPPED, &[("principals/corp.yaml", text)]].concat();
    let gate = gate_with(SETTINGS, &files);
    let claims = with(with(corp_claims(), "groups", json!("staff")), "country_code", json!("DE"));
    let caller = gate.bearer(&gate.corp.sign(&corp_header(), &claims)).unwrap();
    let facts = caller.facts();
    assert_eq!(names(facts), ["internal", "readers", "staff"]);
    assert_eq!(facts.attributes.get("country"), Some(&Attribute::Text("PL".into())), "the registry wins");
    assert_eq!(facts.plan.as_ref().unwrap().as_str(), "staff");
    let gone = gate.corp.sign(&corp_header(), &with(corp_claims(), "sub", json!("gone")));
    assert_eq!(gate.bearer(&gone).unwrap_err(), Unidentified::Disabled);
}

#[test]
fn a_token_may_narrow_its_principals_groups_and_never_widen_them() {
    let gate = gate();
    let ask = |groups: Json| {
        let token = gate.own.sign(&header(), &with(claims(), "groups", groups));
        gate.bearer(&token).map(|caller| names(caller.facts()).join(","))
    };
    assert_eq!(ask(json!(null)).unwrap(), "apps,internal");
    assert_eq!(ask(json!(["internal"])).unwrap(), "internal");
    assert_eq!(ask(json!(["apps"])).unwrap(), "apps,internal");
    assert_eq!(ask(json!([])).unwrap(), "");
    assert_eq!(ask(json!(["internal", "staff", "partners"])).unwrap(), "internal");
    assert_eq!(gate.identity.dropped(), [("own".into(), 2)]);
    assert!(ask(json!([5])).is_err());
    assert!(ask(json!({})).is_err());
}

#[test]
fn scopes_are_bounded_names() {
    let gate = gate();
    let ask = |scope: String| {
        let token = gate.own.sign(&header(), &with(claims(), "scope", json!(scope)));
        gate.bearer(&token).map(|caller| caller.facts().scopes.len())
    };
    let many = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!((ask("a".repeat(255)), ask(many(128))), (Ok(1), Ok(128)));
    for wrong in ["a".repeat(256), many(129), "a\tb".into()] {
        assert_eq!(ask(wrong), Err(Unidentified::Malformed("scope")));
    }
}

#[test]
fn two_tokens_of_one_principal_have_digests_of_their_own() {
    let gate = gate();
    let digest = |claims: &Json| gate.bearer(&gate.own.sign(&header(), claims)).unwrap().facts().digest;
    let whole = digest(&claims());
    assert_eq!(whole, digest(&with(claims(), "jti", json!("j-2"))), "the credential itself is not in it");
    assert_ne!(whole, digest(&with(claims(), "groups", json!(["internal"]))));
    assert_ne!(whole, digest(&with(claims(), "scope", json!("orders"))));
    assert_eq!(
        digest(&with(claims(), "scope", json!("b a a"))),
        digest(&with(claims(), "scope", json!("a  b")))
    );
}

#[test]
fn the_digest_tells_where_one_part_ends() {
    let bare = |id: &str| Facts::bare(Kind::App, id.into(), CredentialId::None);
    assert_ne!(bare("x").sealed().digest, bare("y").sealed().digest);
    let groups =
        |names: &[&str]| Facts { groups: names.iter().map(|name| (*name).into()).collect(), ..bare("x") };
    assert_ne!(groups(&["a"]).sealed().digest, groups(&["b"]).sealed().digest);
    assert_ne!(groups(&["ab"]).sealed().digest, groups(&["a", "b"]).sealed().digest);
    assert_ne!(bare("x").sealed().digest, Facts { plan: Some("".into()), ..bare("x") }.sealed().digest);
    let scoped = Facts { scopes: vec!["a".into()], ..bare("x") };
    assert_ne!(groups(&["a"]).sealed().digest, scoped.sealed().digest);
    let attribute =
        |value: Attribute| Facts { attributes: [("n".into(), value)].into(), ..bare("x") }.sealed().digest;
    assert_ne!(attribute(Attribute::Text("1".into())), attribute(Attribute::Integer(1)));
    assert_ne!(attribute(Attribute::Text("1".into())), attribute(Attribute::Text("2".into())));
    assert_ne!(attribute(Attribute::Text("true".into())), attribute(Attribute::Boolean(true)));
    assert_eq!(attribute(Attribute::Text("".into())), bare("x").sealed().digest, "empty text is absent");
}

#[test]
fn after_the_last_day_of_a_partner_none_of_its_credentials_is_worth_anything() {
    let until = |day: &str| {
        let text = format!(
            "partner: corp\nuntil: {day}\nprincipals:\n  - {{ kind: User, id: \"corp|portal\" }}\n  - {{ kind: User, id: \"corp|other\", until: 2020-01-01 }}"
        );
        let files = [SHIPPED, &[("principals/corp.yaml", text.as_str())]].concat();
        gate_with(SETTINGS, &files)
    };
    let ask = |gate: &Gate, sub: &str| {
        let caller = gate.bearer(&gate.corp.sign(&corp_header(), &with(corp_claims(), "sub", json!(sub))));
        caller.map(|caller| caller.ends_at())
    };
    let gate = until("2999-12-31");
    // The token ends before.
    assert!(ask(&gate, "portal").unwrap().unwrap() < "2900-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(ask(&gate, "other"), Err(Unidentified::Ended));
    assert_eq!(ask(&until("2020-06-30"), "portal"), Err(Unidentified::Ended));
}
