//! A decision can be explained.

use super::kit::{app, context, partner, world};
use crate::{
    catalog::Action,
    policy::{Outcome, Target, explain},
};

#[test]
fn each_statement_says_its_part_and_each_field_how_it_is_shown() {
    let world = world(
        r#"@id("own") @fields("id, phone") @mask("phone: last4") permit (principal is Partner, action == Action::"read", resource is Order)
           when { principal has customer && resource.customer == principal.customer };
           @id("drafts") forbid (principal, action, resource is Order) when { resource has status && resource.status == "draft" };
           @id("clear") @fields("note") permit (principal is Partner, action == Action::"read", resource is Order)
           unless { context.checked.channel.tls };
           @id("apps") @fields("*") permit (principal is App, action == Action::"read", resource is Order);"#,
    );
    let told = |facts, json: Option<&str>| {
        let target = Target::Entity(world.entity("Order"));
        let record = json.map(|json| world.order(json));
        explain(&world.policies, facts, Action::Read, &target, &context(true), record.as_ref()).unwrap()
    };
    let (acme, app) = (partner("acme"), app());
    let before = told(&acme, None);
    assert_eq!(before.outcome, Outcome::Depends);
    assert_eq!(
        before.to_string(),
        "read Order: depends on the record\n  \
         permit `own` (access/a.cedar:1:1): depends on the record\n  \
         forbid `drafts` (access/a.cedar:3:12): depends on the record\n  \
         permit `clear` (access/a.cedar:4:12): can never hold here\n  \
         1 other statements speak of something else\n  \
         id: shown\n  phone: last4\n"
    );
    let mine = told(&acme, Some(r#"{"id":"1","customer":"acme","status":"draft"}"#));
    assert_eq!(mine.outcome, Outcome::Refused);
    assert!(mine.to_string().contains("forbid `drafts` (access/a.cedar:3:12): holds"), "{mine}");
    assert_eq!(told(&app, Some(r#"{"id":"1","customer":"acme"}"#)).outcome, Outcome::Permitted);
    assert!(
        matches!(told(&acme, Some(r#"{"id":"1"}"#)).outcome, Outcome::Erroring(id) if id.as_str() == "own")
    );
    assert_eq!(mine.to_json()["statements"][1]["role"], "holds");
}

#[test]
fn what_is_withheld_whatever_the_record_is_not_told_as_shown() {
    let world = world(
        r#"@id("all") @fields("id, note, total") permit (principal, action == Action::"read", resource is Order);
           @id("no-total") @withhold("total") forbid (principal, action == Action::"read", resource is Order) unless { principal is App };
           @id("no-note") @withhold("note") forbid (principal, action == Action::"read", resource is Order)
           unless { resource has paid && resource.paid };"#,
    );
    let shown = |facts: &std::sync::Arc<crate::identity::Facts>| {
        let target = Target::Entity(world.entity("Order"));
        let told = explain(&world.policies, facts, Action::Read, &target, &context(true), None).unwrap();
        told.fields.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    assert_eq!(shown(&partner("acme")), ["id", "note"]);
    assert_eq!(shown(&app()), ["id", "note", "total"]);
}
