//! What loads from `principals/` and `identity:`, and what is told of what does not.

use super::kit::*;
use crate::words::Kind;

const TYPES: &str = "
attributes:
  customer: { type: reference, entity: Customer, kinds: [Partner] }
  level: { type: integer, kinds: [App, User], required: true }
groups: { a: { in: [b] }, b: { in: [c] }, c: }
";

fn told(files: &[(&str, &str)]) -> String {
    let files = [&[("principals/attributes.yaml", TYPES)], files].concat();
    registry(&files).map(|_| String::new()).unwrap_or_else(|told| told)
}

#[test]
fn the_shipped_principals_load() {
    let registry = registry(SHIPPED).unwrap();
    assert_eq!(registry.iter().count(), 4);
    let acme = registry.get(Kind::Partner, "acme-portal").unwrap();
    assert_eq!(acme.plan.as_ref().unwrap().0.as_str(), "partner");
    assert_eq!(registry.plans().count(), 4);
    assert_eq!(registry.partners().count(), 1);
}

#[test]
fn every_mistake_of_all_files_is_told_at_once_with_the_nearest_name() {
    let told = told(&[(
        "principals/x.yaml",
        "partner: acme
attributes: { custmer: \"1\" }
principals:
  - { kind: Partner, id: p, groups: [aa], attributes: { level: 3 } }
  - { kind: App, id: s }
  - { kind: App, id: s, attributes: { level: many } }
  - { kind: Robot, id: r }
",
    )]);
    assert!(told.contains("`Robot` is not known here"), "{told}");
    let told = self::told(&[(
        "principals/x.yaml",
        "partner: acme
attributes: { custmer: \"1\" }
principals:
  - { kind: Partner, id: p, groups: [aa], attributes: { level: 3 } }
  - { kind: App, id: s }
  - { kind: App, id: s, attributes: { level: many } }
",
    )]);
    for part in [
        "principals/x.yaml:2:15: error: attribute `custmer` is not declared (did you mean `customer`?)",
        "group `aa` is not declared (did you mean `a`?)",
        "attribute `level` is carried by App, User only",
        "App `s` must carry `level`",
        "expected a whole number, found `many`",
        "App `s` is declared twice (first at principals/x.yaml:5:5)",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
}

#[test]
fn what_belongs_to_a_partner_needs_one() {
    let told = told(&[("principals/x.yaml", "plan: gold\nprincipals:\n  - { kind: Partner, id: p }")]);
    assert!(told.contains("are a partner's"), "{told}");
    assert!(told.contains("its file names no partner"), "{told}");
    let twice = self::told(&[("principals/x.yaml", "partner: a"), ("principals/y.yaml", "partner: a")]);
    assert!(twice.contains("partner `a` is declared twice (first at principals/x.yaml:1:10)"), "{twice}");
}

#[test]
fn a_partners_attribute_is_not_a_principals_to_change() {
    let text = "partner: a\nattributes: { customer: \"1\" }\nprincipals:\n  - { kind: Partner, id: p, attributes: { customer: \"2\" } }";
    assert!(told(&[("principals/x.yaml", text)]).contains("attribute `customer` is the partner's"));
}

#[test]
fn a_required_attribute_that_is_empty_is_missing() {
    let types = "attributes: { regions: { type: texts, kinds: [User], required: true } }";
    let load = |regions: &str| {
        let text = format!("principals: [{{ kind: User, id: u, attributes: {{ regions: {regions} }} }}]");
        registry(&[("principals/attributes.yaml", types), ("principals/x.yaml", &text)]).map(drop)
    };
    assert_eq!(load("[north]"), Ok(()));
    assert!(load("[]").unwrap_err().contains("User `u` must carry `regions`"));
}

#[test]
fn groups_close_over_their_parents_and_circles_are_told() {
    let registry = registry(&[
        ("principals/attributes.yaml", TYPES),
        ("principals/x.yaml", "principals: [{ kind: User, id: u, groups: [a], attributes: { level: 1 } }]"),
    ])
    .unwrap();
    let groups: Vec<_> = registry.get(Kind::User, "u").unwrap().groups.iter().map(|g| g.as_str()).collect();
    assert_eq!(groups, ["a", "b", "c"]);
    let circle = super::kit::registry(&[("attributes.yaml", "groups: { a: { in: [b] }, b: { in: [a] } }")]);
    assert!(circle.unwrap_err().contains("group `a` is part of itself"));
}

#[test]
fn a_disabled_partner_disables_everyone_of_it() {
    let files = [
        ("principals/attributes.yaml", TYPES),
        ("principals/x.yaml", "partner: a\ndisabled: true\nprincipals: [{ kind: Partner, id: p }]"),
    ];
    assert!(registry(&files).unwrap().get(Kind::Partner, "p").unwrap().disabled);
}

#[test]
fn a_certificate_proves_one_principal() {
    let pin = format!("sha256:{}", "ab".repeat(32));
    let text = format!(
        "principals:\n  - {{ kind: App, id: x, attributes: {{ level: 1 }}, certificates: [\"{pin}\", \"sha1:00\"] }}\n  - {{ kind: App, id: y, attributes: {{ level: 1 }}, certificates: [\"{pin}\"] }}"
    );
    let told = told(&[("principals/x.yaml", &text)]);
    assert!(told.contains("pinned twice"), "{told}");
    assert!(told.contains("expected `sha256:` and 64 lower-case hex digits, found `sha1:00`"), "{told}");
}

#[test]
fn an_issuer_is_checked_against_the_registry() {
    let settings = "
issuer: https://gate.example
audience: bramka
issuers:
  corp: { issuer: \"http://idp.example\", audience: bramka, kinds: [User, App], groups: [staf], leeway: 60s }
  copy: { issuer: https://gate.example, audience: bramka, kinds: [User], attributes: { customer: c } }
  file: { issuer: made-up, audience: bramka, kinds: [User], jwks_file: keys.json, ca: ca.pem }
  \"a|b\": { issuer: https://x.example, audience: \"\", kinds: [], typ: [] }
";
    let told = sources(settings, registry(SHIPPED).unwrap()).unwrap_err();
    for part in [
        "expected an https URL, found `http://idp.example`",
        "group `staf` is not declared (did you mean `staff`?)",
        "an issuer of several kinds needs `kind_claim`",
        "leeway is at most 30s",
        "issuer `https://gate.example` stands twice",
        "attribute `customer` is carried by Partner only",
        "`a|b` cannot name an issuer",
        "lists no kinds",
        "`ca` means nothing beside `jwks_file`",
        "expected an audience",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
    }
}

#[test]
fn each_thing_an_issuer_cannot_do_without_is_told_by_itself() {
    let told = |name: &str, issuer: &str| {
        let settings =
            format!("issuer: https://gate.example\naudience: bramka\nissuers:\n  {name}: {issuer}\n");
        sources(&settings, registry(SHIPPED).unwrap()).map_or_else(|told| told, |_| String::new())
    };
    let fit = "issuer: \"https://idp.example\", audience: bramka, leeway: 30s";
    assert_eq!(told("corp", &format!("{{ {fit}, kinds: [User] }}")), "");
    // What it vouches for would else stand in the journal as if we had.
    assert!(told("own", &format!("{{ {fit}, kinds: [User] }}")).contains("`own` cannot name an issuer"));
    assert!(told("\"\"", &format!("{{ {fit}, kinds: [User] }}")).contains("cannot name an issuer"));
    assert!(told("corp", &format!("{{ {fit}, kinds: [] }}")).contains("lists no kinds or no typ"));
    assert!(
        told("corp", &format!("{{ {fit}, kinds: [User], typ: [] }}")).contains("lists no kinds or no typ")
    );
    assert!(told("corp", &format!("{{ {fit}, kinds: [App, User] }}")).contains("needs `kind_claim`"));
}

#[test]
fn a_user_in_an_issuers_url_is_refused_and_not_repeated() {
    let told = |own: &str, theirs: &str| {
        let settings = format!(
            "issuer: \"{own}\"\naudience: bramka\nissuers:\n  corp: {{ issuer: \"{theirs}\", audience: bramka, kinds: [User] }}\n"
        );
        sources(&settings, registry(SHIPPED).unwrap()).map_or_else(|told| told, |_| String::new())
    };
    let (gate, idp) = ("https://gate.example", "https://idp.example");
    for user in ["mila:s3cret@", "s3cret@", ":s3cret@", "@"] {
        for (own, theirs) in [
            (gate, format!("https://{user}idp.example/realm")),
            (gate, format!("http://{user}idp.example")),
            (gate, format!("https://{user}idp.example:99999/")),
            (&*format!("https://{user}gate.example"), idp.to_owned()),
            (&*format!("https://{user}gate.example"), format!("https://{user}gate.example")),
        ] {
            let told = told(own, &theirs);
            assert!(
                told.contains("a user or password does not stand in an issuer's URL"),
                "{theirs}: {told}"
            );
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
    let odd = told(gate, "https:/\\\\mila:s3cret@idp.example/");
    assert!(odd.contains("a user or password") && !odd.contains("s3cret"), "{odd}");
    assert_eq!(told(gate, "https://idp.example/@realm"), "");
    // A name that is no URL may be an address of its own.
    assert_eq!(told("gate@company.example", idp), "");
}

#[test]
fn a_principal_of_an_issuer_nobody_configured_is_told() {
    let files = [SHIPPED, &[("principals/x.yaml", "principals: [{ kind: User, id: \"crop|m\" }]")]].concat();
    let told = sources(SETTINGS, registry(&files).unwrap()).unwrap_err();
    assert!(told.contains("`crop` is not an issuer of gateway.yaml (did you mean `corp`?)"), "{told}");
}

#[test]
fn the_last_day_is_a_day_and_the_sooner_one_of_two_counts() {
    let with = |lines: &str| {
        registry(&[
            ("principals/attributes.yaml", TYPES),
            (
                "principals/x.yaml",
                &format!("partner: a\n{lines}principals: [{{ kind: Partner, id: p, until: 2027-06-30 }}]"),
            ),
        ])
    };
    let end = |lines: &str| with(lines).unwrap().get(Kind::Partner, "p").unwrap().until.unwrap().to_string();
    assert_eq!(end(""), "2027-07-01T00:00:00Z");
    assert_eq!(end("until: 2028-02-28\n"), "2027-07-01T00:00:00Z");
    assert_eq!(end("until: 2026-12-31\n"), "2027-01-01T00:00:00Z");
    for wrong in ["2027-02-30", "tomorrow", "9999-12-31"] {
        let told = with(&format!("until: {wrong}\n")).unwrap_err();
        assert!(told.contains("principals/x.yaml:2:8: error: expected a day, as in `2027-06-30`"), "{told}");
    }
}
