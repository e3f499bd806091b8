//! What does not load, and how it is told.

use super::kit::{app, load, world};
use crate::policy::{load::disagreement, source::Piece};

fn told(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("it loads: {text}"),
        Err(found) => found,
    }
}

const READ: &str = r#"permit (principal, action == Action::"read", resource is Order);"#;

#[test]
fn an_unknown_annotation_is_told_with_the_nearest_name() {
    assert_eq!(
        told(&format!("@id(\"a\")\n@feilds(\"id\")\n{READ}")),
        "access/a.cedar:2:2: error: unknown annotation `@feilds` (did you mean `fields`?)\n\
         access/a.cedar:1:1: error: a permit of read or list says what it shows with `@fields`\n"
    );
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let found = told(&format!(
        "@id(\"a\") @fields(\"totl\") {READ}\n@id(\"a\") @fields(\"id\") {READ}\n@fields(\"id\") {READ}\n\
         @id(\"d\") @fields(\"id\") permit (principal, action == Action::\"read\", resource is Order) when {{ resource.stats == \"x\" }};"
    ));
    assert!(found.contains("1:19: error: `totl` is no field of Order (did you mean `total`?)"), "{found}");
    assert!(found.contains("2:1: error: the `@id` `a` stands at access/a.cedar:1:1 already"), "{found}");
    assert!(found.contains("3:1: error: a statement needs an `@id`"), "{found}");
    assert!(found.contains("4:") && found.contains("`stats`"), "{found}");
}

#[test]
fn an_annotation_on_the_wrong_effect_or_action_does_not_load() {
    let found =
        told("@id(\"a\") @fields(\"id\") forbid (principal, action == Action::\"read\", resource is Order);");
    assert!(found.contains("`@fields` belongs on a permit"), "{found}");
    let found = told(&format!("@id(\"a\") @fields(\"id\") @withhold(\"note\") {READ}"));
    assert!(found.contains("`@withhold` belongs on a forbid"), "{found}");
    let found = told(&format!("@id(\"a\") @fields(\"id\") @writes(\"note\") {READ}"));
    assert!(found.contains("`@writes` means nothing without one of the actions create, update"), "{found}");
}

#[test]
fn no_annotation_stands_where_it_means_nothing() {
    let statement = |notes: &str, effect: &str, action: &str| {
        told(&format!(
            "@id(\"a\") {notes} {effect} (principal == User::\"mila\", action == Action::\"{action}\", resource);"
        ))
    };
    for note in [
        "fields(\"id\")",
        "writes(\"note\")",
        "mask(\"note: full\")",
        "reveals(\"note\")",
        "plan(\"gold\")",
        "unfiltered(\"a test\")",
        "breakglass(\"a test\")",
    ] {
        let key = note.split('(').next().unwrap();
        let told = statement(&format!("@{note}"), "forbid", "read");
        assert!(told.contains(&format!("`@{key}` belongs on a permit")), "{told}");
    }
    for (note, action) in [
        ("fields(\"id\")", "call"),
        ("mask(\"note: full\")", "delete"),
        ("reveals(\"note\")", "create"),
        ("writes(\"note\")", "delete"),
        ("unfiltered(\"a test\")", "read"),
    ] {
        let key = note.split('(').next().unwrap();
        let told = statement(&format!("@{note}"), "permit", action);
        assert!(told.contains(&format!("`@{key}` means nothing without one of the actions")), "{told}");
    }
    let told = statement("@withhold(\"note\")", "forbid", "delete");
    assert!(told.contains("`@withhold` means nothing without one of the actions"), "{told}");
}

#[test]
fn a_write_permit_says_what_may_change() {
    let head = "permit (principal, action == Action::\"update\", resource is Order);";
    assert!(told(&format!("@id(\"a\") {head}")).contains("says what may change with `@writes`"));
    assert!(told(&format!("@id(\"a\") @writes(\"id\") {head}")).contains("`id` of Order is never written"));
}

#[test]
fn a_mask_outside_its_fields_or_unfit_for_the_type_does_not_load() {
    let with =
        |mask: &str| told(&format!("@id(\"a\") @fields(\"id, phone, total\") @mask(\"{mask}\") {READ}"));
    assert!(with("note: full").contains("`note` of Order is not among the `@fields` of this statement"));
    assert!(with("total: last4").contains("the mask `last4` does not fit `total` of Order"));
    assert!(with("phone: ful").contains("unknown mask `ful` (did you mean `full`?)"));
    assert!(with("phone: full, phone: last4").contains("has another mask already"));
}

#[test]
fn no_two_masks_of_equal_rank_fit_one_leaf() {
    use crate::{
        policy::mask::Mask,
        schema::{LeafKind, Spelling},
    };
    let kinds = [
        LeafKind::Text { chars_max: 9, spelling: Spelling::Free },
        LeafKind::Id,
        LeafKind::Code([].into()),
        LeafKind::Decimal,
        LeafKind::Integer,
        LeafKind::Boolean,
        LeafKind::Date,
        LeafKind::Instant,
    ];
    for kind in &kinds {
        let mut ranks: Vec<_> =
            Mask::ALL.iter().filter(|mask| mask.fits(kind)).map(|mask| mask.openness()).collect();
        ranks.dedup();
        assert_eq!(ranks.len(), Mask::ALL.iter().filter(|mask| mask.fits(kind)).count(), "{kind:?}");
    }
}

#[test]
fn a_subtree_of_nothing_but_named_classes_does_not_load() {
    let found = told(&format!(
        "@id(\"a\") @fields(\"ship.street, margin\") {READ} @id(\"b\") @writes(\"*, id\") permit (principal, action == Action::\"create\", resource is Order);"
    ));
    assert!(found.contains("`id` of Order is never written"), "{found}");
}

#[test]
fn two_plans_of_equal_rank_that_can_meet_do_not_load() {
    let with = |a: &str, b: &str, head: &str| {
        load(&format!(
            "@id(\"a\") @fields(\"id\") @plan(\"{a}\") {READ}\n@id(\"b\") @fields(\"id\") @plan(\"{b}\") permit ({head}, action == Action::\"read\", resource is Order);"
        ))
    };
    assert!(with("gold", "silver", "principal").is_ok());
    assert!(with("silver", "silver", "principal").is_ok());
    let found = with("silver", "twin", "principal").err().unwrap();
    assert!(
        found.contains("2:1: error: the plans `twin` and `silver` of `a` can meet and have one rank"),
        "{found}"
    );
    assert!(
        with("gold", "sliver", "principal")
            .err()
            .unwrap()
            .contains("no plan `sliver` (did you mean `silver`?)")
    );
}

#[test]
fn a_call_to_a_system_that_serves_an_entity_needs_its_reason() {
    let call = |note: &str, system: &str| {
        load(&format!(
            "@id(\"a\") {note} permit (principal, action == Action::\"call\", resource == System::\"{system}\");"
        ))
    };
    assert!(call("", "erp").err().unwrap().contains("go around the fields of Order"));
    assert!(call("@unfiltered(\"\")", "erp").err().unwrap().contains("`@unfiltered` needs its reason"));
    assert!(call("@unfiltered(\"moving over\")", "erp").is_ok());
    assert!(call("", "bi").is_ok());
    assert!(call("", "ebi").err().unwrap().contains("no system `ebi` (did you mean `bi`?)"));
}

/// A forbid for a group that nobody can be in would never hold.
#[test]
fn a_group_that_there_is_not_is_a_load_error_wherever_it_stands() {
    for (head, condition) in
        [("principal in Group::\"stuff\"", ""), ("principal", " when { principal in Group::\"stuff\" }")]
    {
        let text =
            format!("@id(\"x\") forbid ({head}, action == Action::\"read\", resource is Order){condition};");
        let error = load(&text).err().unwrap();
        assert!(error.contains("no group `stuff`") && error.contains("did you mean `staff`?"), "{error}");
    }
}

#[test]
fn a_permit_that_rests_on_claims_alone_does_not_load() {
    let with = |head: &str| {
        load(&format!(
            "@id(\"a\") @fields(\"id\") permit ({head}, action == Action::\"read\", resource is Order) when {{ context.claimed has purpose && context.claimed.purpose == \"audit\" }};"
        ))
    };
    assert!(with("principal").err().unwrap().contains("rests on what the caller claims"));
    assert!(with("principal is App").is_err());
    assert!(with("principal in Group::\"staff\"").is_ok());
}

#[test]
fn what_cedar_cannot_parse_is_told_at_its_line() {
    let found = told(
        "@id(\"a\") @fields(\"id\")\npermit (principal, action == Action::\"read\", resource is Order)\nwhen { resource.status = \"x\" };",
    );
    assert!(found.starts_with("access/a.cedar:3:"), "{found}");
}

#[test]
fn comments_strings_and_semicolons_do_not_confuse_statements() {
    let world = world(
        "// one; two\n@id(\"a\") // why; \"\n@description(\"a; b // c\") @fields(\"id\") permit (principal, action == Action::\"read\", resource is Order)\nwhen { resource has note && resource.note == \"; // \\\" ;\" };\n// end",
    );
    assert_eq!(world.policies.ids().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
}

const MAIL: &str = r#"{"id":"1","customer":"x","email":"ewa@example.com"}"#;

/// A mask behind white space that only Cedar knows would be none.
#[test]
fn no_white_space_hides_an_annotation() {
    for blank in ('\0'..=char::MAX).filter(|letter| letter.is_whitespace()) {
        let world = world(&format!(
            "{blank}@{blank}id{blank}({blank}\"a\"{blank}){blank}@fields(\"email\"){blank}@mask(\"email: e-mail\"){blank}{READ}"
        ));
        assert_eq!(world.read(&app(), MAIL), r#"{"email":"e***@example.com"}"#, "{blank:?}");
    }
}

#[test]
fn a_comment_ends_where_its_line_does_however_lines_end() {
    for end in ["\n", "\r", "\r\n"] {
        let world = world(&format!(
            "// one{end}@id(\"a\") // two{end}@fields(\"email\") // three{end}@mask(\"email: e-mail\"){end}{READ}{end}\
             // four{end}@id(\"b\"){end}forbid (principal, action, resource is Order) // five;{end}when {{ resource has paid }};"
        ));
        assert_eq!(world.read(&app(), MAIL), r#"{"email":"e***@example.com"}"#, "{end:?}");
        assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","paid":true}"#), "not there", "{end:?}");
    }
}

#[test]
fn annotations_that_cedar_reads_otherwise_do_not_load() {
    let piece = |text: &'static str| Piece { start: 0, text };
    let policy = |text: &str| cedar_policy::Policy::parse(None, text).unwrap();
    let masked = r#"@id("a") @fields("email") @mask("email: e-mail") permit (principal, action, resource);"#;
    let open = r#"@id("a") @fields("email") permit (principal, action, resource);"#;
    assert_eq!(disagreement(&piece(masked), &policy(masked)), None);
    let told = disagreement(&piece(open), &policy(masked)).unwrap();
    assert_eq!(
        told,
        "the annotations are `@fields`, `@id`, `@mask` by Cedar's reading and `@fields`, `@id` by the gate's"
    );
    assert!(disagreement(&piece(masked), &policy(open)).is_some());
}

#[test]
fn whoever_has_no_credential_is_considered_only_where_a_statement_permits_it() {
    let named = world(
        "@id(\"a\") @fields(\"id\") permit (principal is App, action == Action::\"read\", resource is Order);",
    );
    assert!(!named.policies.considers_anonymous());
    let anyone = world(
        "@id(\"a\") @fields(\"id\") permit (principal is Anonymous, action == Action::\"read\", resource is Order);",
    );
    assert!(anyone.policies.considers_anonymous());
}

fn when(condition: &str) -> String {
    format!(
        "@id(\"a\")\nforbid (principal, action == Action::\"read\", resource is Order)\nwhen {{ {condition} }};"
    )
}

fn repeated(part: &str, times: usize) -> String {
    part.repeat(times)
}

#[test]
fn a_statement_that_is_too_deep_is_told_at_its_line_before_anything_reads_it() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", repeated(open, times), repeated(close, times))
    };
    for times in [32, 1_000, 20_000] {
        for condition in [
            nested("(", "true", ")", times),
            format!("{} == [1]", nested("[", "1", "]", times)),
            format!("{} == 1", nested("{a:", "1", "}", times)),
        ] {
            let found = told(&when(&condition));
            let line = if found.contains("65536 bytes") { 1 } else { 3 };
            assert!(found.starts_with(&format!("access/a.cedar:{line}:")), "{times}: {found}");
            assert!(
                found.contains("stand in each other at most 32 deep")
                    || found.contains("at most 65536 bytes"),
                "{times}: {found}"
            );
        }
    }
    assert!(load(&when(&nested("(", "resource has paid", ")", 31))).is_ok());
}

#[test]
fn a_statement_of_too_many_operators_is_told_whichever_they_are() {
    for condition in [
        vec!["resource has paid"; 5_000].join(" || "),
        vec!["context.checked.channel.tls"; 5_000].join(" && "),
        vec!["1"; 5_000].join(" + "),
        format!("resource{} == 1", repeated(".a", 5_000)),
        format!("resource{} == 1", repeated("[\"a\"]", 5_000)),
        format!("{}true", repeated("!", 5_000)),
        repeated("true } when { ", 3_000) + "true",
    ] {
        let found = told(&when(&condition));
        assert!(found.contains("at most 512 operators") || found.contains("at most 65536 bytes"), "{found}");
    }
    // What stands in strings and comments counts for nothing, and neither do the members of a set.
    let members = vec!["\"a && ((((b\""; 2_000].join(", ");
    let comment = "// && || (((( [[[[ if if if if if\n".repeat(600);
    assert!(load(&when(&format!("resource has note && [{members}].contains(resource.note)"))).is_ok());
    assert!(load(&when(&format!("\n{comment} resource has paid"))).is_ok());
}

#[test]
fn ifs_in_ifs_are_bounded_and_ifs_beside_ifs_are_not() {
    let nested = |times: usize| {
        when(&format!(
            "{}resource has paid{}",
            repeated("if resource has note then ", times),
            repeated(" else false", times)
        ))
    };
    assert!(load(&nested(4)).is_ok());
    for times in [5, 29, 900] {
        let found = told(&nested(times));
        assert!(found.starts_with("access/a.cedar:3:") && found.contains("at most 4 deep"), "{found}");
    }
    let chain = format!("{}resource has paid", repeated("if resource has note then false else ", 29));
    assert!(told(&when(&chain)).contains("at most 4 deep"));
    let beside = vec!["(if resource has note then resource has paid else false)"; 60].join(" || ");
    assert!(load(&when(&beside)).is_ok());
}

/// The largest condition that loads is judged by what a worker has, compiled and by Cedar itself.
#[test]
fn the_highest_tree_that_loads_is_judged_on_a_small_stack() {
    let chain = |first: &str, sign: &str, part: &str, times: usize| {
        format!("{first}{}", repeated(&format!(" {sign} {part}"), times))
    };
    let by_cedar = "(resource has created_at && resource.created_at.toDate() == datetime(\"2026-03-01\"))";
    for condition in [
        chain("resource has paid", "||", "resource has note", 252),
        chain(
            "resource has paid && resource.paid",
            "||",
            "(resource has note && resource.note == \"x\")",
            100,
        ),
        chain(by_cedar, "||", "resource has note", 249),
        chain("resource has quantity && 0 <= resource.quantity", "+", "1", 502),
        chain("true", "&&", "context.checked.channel.tls", 126),
    ] {
        let judged = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
            let world = world(&format!(
                "@id(\"all\") @fields(\"id\") {READ}\n{}",
                when(&condition).replace("@id(\"a\")", "@id(\"big\")")
            ));
            world.read(&app(), r#"{"id":"1","customer":"x","note":"y"}"#)
        });
        let told = judged.unwrap().join().unwrap();
        assert!(!told.contains("error"), "{told}");
    }
}

#[test]
fn a_file_without_a_statement_does_not_load() {
    for text in ["", "  \n", "// nothing but a comment\n"] {
        let found = told(text);
        assert!(
            found.contains("`access/a.cedar` holds no statement") && found.contains("half written"),
            "{found}"
        );
    }
}

#[test]
fn a_misspelt_attribute_does_not_load_wherever_it_stands() {
    for (condition, message, hint) in [
        (
            "resource has statsu && resource.statsu == \"open\"",
            "`statsu` is no attribute of Order",
            "`status`",
        ),
        ("resource has paid || (resource has statsu && resource.statsu == \"open\")", "`statsu`", "`status`"),
        ("false && resource.statsu == \"open\"", "`statsu` is no attribute of Order", "`status`"),
        ("resource has paid && !(resource has statsu)", "`statsu`", "`status`"),
        ("resource has ship.contry", "`contry` is no attribute of Order.ship", "`country`"),
        ("resource has ship && resource.ship has contry", "`contry`", "`country`"),
        ("(if resource has paid then resource else resource) has statsu", "`statsu`", "`status`"),
        ("principal has contry && principal.contry == \"PL\"", "`contry` is no attribute of", "`country`"),
        ("context.claimed has purpos && context.claimed.purpos == \"x\"", "context.claimed", "`purpose`"),
        ("context has chekced", "`chekced` is no attribute of context", "`checked`"),
        ("context.checked has guarded", "`guarded` is no attribute of context.checked", "channel"),
        ("resource has lines", "`lines` is no attribute of Order", ""),
    ] {
        let found = told(&when(condition));
        assert!(found.contains(message) && found.contains(hint), "{condition}:\n{found}");
        assert!(found.contains("access/a.cedar:3:"), "{condition}:\n{found}");
        assert_eq!(found.matches("error:").count(), 1, "{condition}:\n{found}");
    }
}

#[test]
fn a_value_that_a_closed_list_does_not_have_does_not_load() {
    for condition in [
        "resource has status && resource.status == \"opne\"",
        "resource has status && \"opne\" != resource.status",
        "resource has paid || (resource has status && resource.status == \"opne\")",
        "resource has status && [\"draft\", \"opne\"].contains(resource.status)",
    ] {
        let found = told(&when(condition));
        assert!(
            found.contains("`opne` is none of the values") && found.contains("`open`"),
            "{condition}: {found}"
        );
    }
}

#[test]
fn what_can_never_be_equal_does_not_load() {
    for condition in [
        "resource.customer == Order::\"1\"",
        "resource has paid || resource.customer == Order::\"1\"",
        "resource has paid || resource == Customer::\"1\"",
        "resource has paid || [Order::\"1\"].contains(resource.customer)",
        "resource has paid || resource.customer in Order::\"1\"",
        "resource has paid || principal in [Customer::\"1\"]",
        "resource has paid || principal is Order",
    ] {
        let found = told(&when(condition));
        assert!(found.contains("is never"), "{condition}: {found}");
    }
    for condition in [
        "principal in Group::\"staff\" && resource has paid",
        "principal is App || resource has paid",
        "principal in App::\"shop\" || resource == Order::\"1\"",
        "principal has customer && resource.customer == principal.customer",
        "action == Action::\"read\" && resource has paid",
    ] {
        assert!(load(&when(condition)).is_ok(), "{condition}: {:?}", load(&when(condition)).err());
    }
}

#[test]
fn what_one_of_several_entities_or_kinds_has_may_be_asked_for() {
    let with = |condition: &str| {
        load(&format!(
            "@id(\"a\") forbid (principal, action == Action::\"read\", resource) when {{ {condition} }};"
        ))
    };
    assert!(with("resource has name || resource has status").is_ok());
    assert!(with("principal has customer || principal has level").is_ok());
    let found = with("resource has naem").err().unwrap();
    assert!(
        found.contains("no attribute of Customer or Order") || found.contains("Order or Customer"),
        "{found}"
    );
    assert!(found.contains("`name`"), "{found}");
}

#[test]
fn a_forbid_that_can_never_hold_does_not_load_and_such_a_permit_does() {
    assert!(told(&when("false")).contains("error:"));
    let permit = format!("@id(\"a\") @fields(\"id\") {}", READ.replace(';', " when { false };"));
    assert!(load(&permit).is_ok());
}

#[test]
fn a_system_that_there_is_not_is_a_load_error_in_a_condition_too() {
    let found = told(
        "@id(\"a\") forbid (principal, action == Action::\"call\", resource) when { resource == System::\"epr\" };",
    );
    assert!(found.contains("no system `epr`") && found.contains("`erp`"), "{found}");
}

#[test]
fn principals_that_no_file_names_are_told_and_those_of_issuers_are_not() {
    let world = world(&format!(
        "@id(\"a\") @fields(\"id\") {}\n@id(\"b\") @fields(\"id\") {}",
        READ.replace("principal,", "principal == Partner::\"acme-protal\","),
        READ.replace("principal,", "principal == Partner::\"okta|x\","),
    ));
    let found = world.policies.strangers(|_| vec!["acme-portal"]);
    assert_eq!(
        found.to_string(),
        "access/a.cedar:1:1: error: no file of `principals/` names the Partner `acme-protal` \
         (did you mean `acme-portal`?)\n"
    );
    assert!(world.policies.strangers(|_| vec!["acme-protal"]).0.is_empty());
}

#[test]
fn a_reference_is_followed_once_and_by_its_plain_path_only() {
    let with = |condition: &str| {
        format!(
            "@id(\"a\") @fields(\"id\") permit (principal is Partner in Group::\"apps\", action == Action::\"read\", resource is Order) when {{ {condition} }};"
        )
    };
    load(&with("resource.customer has parent && resource.customer.parent == Customer::\"acme\""))
        .map(drop)
        .unwrap();
    for (condition, told) in [
        ("resource.customer has parent && resource.customer.parent has tier", "level"),
        ("principal has customer && principal.customer has tier", "follows references of the record only"),
        (
            "(if context.checked.channel.tls then resource.customer else resource.customer) has tier",
            "follows references of the record only",
        ),
        ("resource.customer has teir", "`teir` is no attribute of Customer"),
    ] {
        let found = load(&with(condition)).map(drop).unwrap_err();
        assert!(found.contains(told), "{condition}\n{found}");
    }
}
