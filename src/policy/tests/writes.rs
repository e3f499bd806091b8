//! POLICY.md's rules on writes and calls.

use super::kit::{World, app, context, facts, partner, text, world};
use crate::{
    catalog::Action,
    policy::{Change, Denied, WritePermit, echo, judge, judge_call},
    words::Kind,
};

const SHIPPED: &str = r#"@id("edit") @writes("status, note, total") permit (principal, action == Action::"update", resource is Order)
    when { resource has status && resource.status == "open" };
    @id("note") @writes("note") permit (principal, action == Action::"update", resource is Order);
    @id("make") @writes("customer, status, note") permit (principal, action == Action::"create", resource is Order)
    when { !(resource has status && resource.status == "shipped") };
    @id("end") permit (principal, action == Action::"delete", resource is Order)
    when { resource has status && resource.status == "draft" };
    @id("see") @fields("id, note, phone") @mask("phone: last4") permit (principal is App, action == Action::"read", resource is Order);
    @id("safe") forbid (principal is User, action in [Action::"update", Action::"delete"], resource is Order)
    when { !context.checked.guarded };"#;

fn update(world: &World, old: &str, new: &str) -> Result<WritePermit, Denied> {
    change(world, &app(), old, new, Some("v1"))
}

fn change(
    world: &World,
    facts: &std::sync::Arc<crate::identity::Facts>,
    old: &str,
    new: &str,
    version: Option<&str>,
) -> Result<WritePermit, Denied> {
    let prospect = world.prospect(facts, Action::Update).unwrap();
    let (old, new) = (world.order(old), world.order(new));
    judge(&prospect, Change::Update { old, new, version: version.map(Into::into) })
}

fn fields(refused: Result<WritePermit, Denied>) -> String {
    match refused {
        Err(denied) => denied.to_string(),
        Ok(permit) => panic!("{permit:?}"),
    }
}

#[test]
fn a_write_is_judged_on_what_changes_on_the_stored_and_on_the_new_record() {
    let world = world(SHIPPED);
    let open = r#"{"id":"1","customer":"x","status":"open","total":"1","note":"a"}"#;
    let shipped = r#"{"id":"1","customer":"x","status":"shipped","total":"1","note":"a"}"#;
    // Each by itself.
    assert!(update(&world, shipped, &shipped.replace(r#""a""#, r#""b""#)).is_ok());
    assert!(update(&world, open, &open.replace(r#""total":"1""#, r#""total":"2""#)).is_ok());
    // The stored record does not let its status change.
    assert_eq!(fields(update(&world, shipped, open)), "fields would change that may not: status");
    // The new one does not.
    assert_eq!(fields(update(&world, open, shipped)), "fields would change that may not: status");
    // shipped→open plus a new total.
    let both = open.replace(r#""total":"1""#, r#""total":"2""#);
    assert_eq!(fields(update(&world, shipped, &both)), "fields would change that may not: status, total");
    // Equal by value is no change.
    let permit = update(&world, shipped, &shipped.replace(r#""total":"1""#, r#""total":"1.00""#)).unwrap();
    assert!(permit.changed().is_empty());
    assert_eq!((permit.record_id(), permit.version(), permit.unguarded()), (Some("1"), Some("v1"), false));
}

#[test]
fn what_may_be_read_may_not_be_written_for_that_and_the_other_way_round() {
    let world = world(SHIPPED);
    let old = r#"{"id":"1","customer":"x","status":"open","note":"a"}"#;
    assert_eq!(
        fields(update(
            &world,
            old,
            r#"{"id":"1","customer":"x","status":"open","note":"a","phone":"12345678"}"#
        )),
        "fields would change that may not: phone"
    );
    let permit =
        update(&world, old, r#"{"id":"1","customer":"x","status":"open","note":"b","total":"3"}"#).unwrap();
    let echoed = echo(&permit, permit.new().unwrap().clone(), None);
    assert_eq!(text(echoed.entity(), echoed.record()), r#"{"id":"1","note":"b"}"#);
}

#[test]
fn a_create_is_judged_on_the_new_record_and_answers_id_where_nothing_may_be_read() {
    let world = world(SHIPPED);
    let create = |facts: &std::sync::Arc<crate::identity::Facts>, json: &str| {
        judge(&world.prospect(facts, Action::Create).unwrap(), Change::Create { new: world.order(json) })
    };
    let permit = create(&partner("x"), r#"{"customer":"x","note":"a"}"#).unwrap();
    assert_eq!(permit.record_id(), None);
    let echoed = echo(&permit, world.order(r#"{"id":"9","customer":"x","note":"a"}"#), None);
    assert_eq!(text(echoed.entity(), echoed.record()), r#"{"id":"9"}"#);
    assert!(matches!(create(&app(), r#"{"customer":"x","status":"shipped"}"#), Err(Denied::New(_))));
    assert_eq!(
        fields(create(&app(), r#"{"customer":"x","total":"5"}"#)),
        "fields would change that may not: total"
    );
}

#[test]
fn a_delete_is_judged_on_the_stored_record() {
    let world = world(SHIPPED);
    let delete = |json: &str| {
        let change = Change::Delete { old: world.order(json), version: Some("v".into()) };
        judge(&world.prospect(&app(), Action::Delete).unwrap(), change)
    };
    assert!(delete(r#"{"id":"1","customer":"x","status":"draft"}"#).is_ok());
    assert!(matches!(delete(r#"{"id":"1","customer":"x","status":"open"}"#), Err(Denied::Record(_))));
}

#[test]
fn a_statement_may_forbid_what_the_system_cannot_guard() {
    let world = world(SHIPPED);
    let (old, new) = (r#"{"id":"1","customer":"x","note":"a"}"#, r#"{"id":"1","customer":"x","note":"b"}"#);
    let user = facts(Kind::User, "mila", &[], &[]);
    assert!(matches!(change(&world, &user, old, new, None), Err(Denied::Record(_))));
    assert!(change(&world, &user, old, new, Some("v")).is_ok());
    assert!(change(&world, &app(), old, new, None).unwrap().unguarded());
}

#[test]
fn a_mask_sent_back_is_refused() {
    let world = world(
        r#"@id("edit") @writes("phone, email") permit (principal, action == Action::"update", resource is Order);
           @id("see") @fields("id, phone, email") @mask("phone: last4, email: e-mail")
           permit (principal, action == Action::"read", resource is Order);"#,
    );
    let old = r#"{"id":"1","customer":"x","phone":"+48123456789","email":"ewa@example.com"}"#;
    let with = |phone: &str, email: &str| {
        update(&world, old, &format!(r#"{{"id":"1","customer":"x","phone":"{phone}","email":"{email}"}}"#))
    };
    assert_eq!(fields(with("****6789", "ewa@example.com")), "masked values were sent back: phone");
    assert_eq!(fields(with("+48123456789", "e***@example.com")), "masked values were sent back: email");
    assert_eq!(fields(with("****", "ewa@example.com")), "masked values were sent back: phone");
    assert!(with("+48999999999", "ola@example.com").is_ok());
}

#[test]
fn a_withheld_field_is_not_written_either() {
    let world = world(
        r#"@id("edit") @writes("note, total") permit (principal, action == Action::"update", resource is Order);
           @id("no") @withhold("total") forbid (principal is App, action == Action::"update", resource is Order);"#,
    );
    let (old, new) = (r#"{"id":"1","customer":"x"}"#, r#"{"id":"1","customer":"x","total":"2"}"#);
    assert_eq!(fields(update(&world, old, new)), "fields would change that may not: total");
    assert!(change(&world, &partner("x"), old, new, Some("v")).is_ok());
}

#[test]
fn a_call_is_judged_on_method_and_path_as_sent() {
    let world = world(
        r#"@id("get") @unfiltered("moving over") permit (principal, action == Action::"call", resource == System::"erp")
           when { context.checked.call.method == "GET" && context.checked.call.path like "/orders*" };
           @id("no") forbid (principal is Partner, action == Action::"call", resource);"#,
    );
    let permit = judge_call(&world.prospect(&app(), Action::Call).unwrap()).unwrap();
    assert_eq!((permit.call().path.as_str(), permit.statements()[0].as_str()), ("/orders", "get"));
    assert!(matches!(world.prospect_in(&partner("x"), Action::Call, context(true)), Err(Denied::Never(_))));
}
