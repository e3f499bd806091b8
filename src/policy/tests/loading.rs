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
    use crate::{policy::mask::Mask, schema::LeafKind};
    let kinds = [
        LeafKind::Text { chars_max: 9 },
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
fn a_condition_may_not_follow_a_reference() {
    let found = told(
        "@id(\"a\") @fields(\"id\") permit (principal, action == Action::\"read\", resource is Order) when { resource.customer has name && resource.customer.name == \"x\" };",
    );
    assert!(found.contains("level"), "{found}");
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
