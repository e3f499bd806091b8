//! POLICY.md's rules on writes and calls.

use super::kit::{World, app, context, facts, partner, text, world};
use crate::{
    catalog::{Action, Operation, RecordId, UpdateMode},
    policy::{
        Basis, Change, Denied, Memo, Target, WritePermit, clearable, echo, is_at_hand, judge, judge_call,
        outlook,
    },
    schema::{Body, FieldSet, View, json, merge},
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

/// Whether it came by a read or by a list.
#[test]
fn a_mask_learnt_from_a_list_is_refused_when_it_is_sent_back() {
    let edit = r#"@id("edit") @writes("email, phone") permit (principal, action in [Action::"create", Action::"update"], resource is Order);
        @id("seen") @fields("id, email, phone") @mask("email: e-mail, phone: last4") permit (principal, action == Action::"list", resource is Order);"#;
    // A read that shows more, or nothing, makes no mask of a list a value.
    let read = r#"@id("read") @fields("email, phone") permit (principal, action == Action::"read", resource is Order);"#;
    for text in [edit.to_owned(), format!("{edit}{read}")] {
        let world = world(&text);
        let old = r#"{"id":"1","customer":"x","email":"ewa@example.com"}"#;
        let with =
            |email: &str| update(&world, old, &format!(r#"{{"id":"1","customer":"x","email":"{email}"}}"#));
        assert_eq!(fields(with("e***@example.com")), "masked values were sent back: email");
        assert!(with("ola@example.com").is_ok());
        let new = world.order(r#"{"phone":"****6789"}"#);
        let created = judge(&world.prospect(&app(), Action::Create).unwrap(), Change::Create { new });
        assert_eq!(fields(created), "masked values were sent back: phone");
    }
}

#[test]
fn a_write_is_at_hand_with_all_that_it_asks() {
    let world = world(SHIPPED);
    let order = world.entity("Order");
    let operation = Operation::Update(order.clone(), RecordId("1".into()), UpdateMode::Merge);
    let (app, memo) = (app(), Memo::default());
    assert!(!is_at_hand(&world.policies, &memo, &app, &operation));
    outlook(&world.policies, &memo, &app, Action::Update, Target::Entity(order), context(true)).unwrap();
    assert!(is_at_hand(&world.policies, &memo, &app, &operation));
    // Its own statements, the caller's read and the caller's list.
    assert_eq!(memo.len(), 3);
}

/// What the caller sent is told as refused; what is stored is told as not there.
#[test]
fn an_error_says_on_which_record_it_was_found() {
    let world = world(
        r#"@id("edit") @writes("total, note") permit (principal, action in [Action::"create", Action::"update"], resource is Order)
           when { if resource has total then resource.total.lessThan(decimal("100.0")) else true };"#,
    );
    let (fine, odd) =
        (r#"{"id":"1","customer":"x","total":"1"}"#, r#"{"id":"1","customer":"x","total":"1.00001"}"#);
    let on = |refused: Result<WritePermit, Denied>| match refused {
        Err(Denied::Erroring { statement, on }) if statement.as_str() == "edit" => on,
        other => panic!("{other:?}"),
    };
    assert_eq!(on(update(&world, fine, odd)), Basis::New);
    assert_eq!(on(update(&world, odd, fine)), Basis::Stored);
    let create = Change::Create { new: world.order(r#"{"total":"1.00001"}"#) };
    assert_eq!(on(judge(&world.prospect(&app(), Action::Create).unwrap(), create)), Basis::New);
}

/// What a replacing body makes of a stored record, and how that is judged.
fn replace(world: &World, old: &str, body: &str) -> Result<WritePermit, Denied> {
    let prospect = world.prospect(&app(), Action::Update).unwrap();
    let (order, old) = (world.entity("Order"), world.order(old));
    let view =
        View { writable: prospect.writable(), required: FieldSet::EMPTY, ..View::of(&order, Body::Replace) };
    let proposed = json::read(&order, body.as_bytes(), &view).unwrap();
    let clearing = |writable| merge(&order, &old, &proposed, &View { writable, ..view.clone() });
    let kept = clearing(FieldSet::EMPTY);
    let may = clearable(prospect.outlook(), &old, &kept, true);
    let new = clearing(view.writable.intersection(&may));
    judge(&prospect, Change::Update { old, new, version: Some("v1".into()) })
}

/// A hidden value must not show in whether a body that does not mention it is taken.
#[test]
fn replacing_clears_what_this_record_lets_change_and_keeps_the_rest() {
    let world = world(
        r#"@id("note") @writes("note, status") permit (principal, action == Action::"update", resource is Order);
           @id("drafts") @writes("margin, total") permit (principal, action == Action::"update", resource is Order)
           when { resource has status && resource.status == "draft" };
           @id("no") @withhold("total") forbid (principal, action == Action::"update", resource is Order)
           when { resource has paid && resource.paid };"#,
    );
    let order = world.entity("Order");
    let new = |old: &str, body: &str| {
        let permit = replace(&world, old, body).unwrap_or_else(|denied| panic!("{denied}"));
        text(&order, permit.new().unwrap())
    };
    let (bare, full) = (r#"{"id":"1","status":"open"}"#, r#"{"id":"1","status":"open","margin":"2"}"#);
    let body = r#"{"status":"open","note":"x"}"#;
    assert_eq!(new(bare, body), r#"{"id":"1","status":"open","note":"x"}"#);
    assert_eq!(new(full, body), r#"{"id":"1","status":"open","note":"x","margin":"2"}"#);
    // A draft that stays one loses what is left out; one that becomes an order keeps it.
    let draft = r#"{"id":"1","status":"draft","total":"5","margin":"2"}"#;
    assert_eq!(new(draft, r#"{"status":"draft"}"#), r#"{"id":"1","status":"draft"}"#);
    assert_eq!(new(draft, r#"{"status":"open"}"#), r#"{"id":"1","status":"open","total":"5","margin":"2"}"#);
    // What a forbid withholds of this record stays too.
    let paid = r#"{"id":"1","status":"draft","paid":true,"total":"5","margin":"2"}"#;
    assert_eq!(new(paid, r#"{"status":"draft"}"#), r#"{"id":"1","status":"draft","total":"5","paid":true}"#);
}

#[test]
fn what_a_refused_record_holds_is_cleared_by_nobody() {
    let world = world(SHIPPED);
    let user = facts(Kind::User, "mila", &[], &[]);
    let prospect = world.prospect(&user, Action::Update).unwrap();
    let old = world.order(r#"{"id":"1","customer":"x","note":"a"}"#);
    let note = FieldSet::of(world.entity("Order").leaf_at("note").unwrap());
    assert_eq!(clearable(prospect.outlook(), &old, &old, true), note);
    assert_eq!(clearable(prospect.outlook(), &old, &old, false), FieldSet::EMPTY);
}

/// A set of statements that the specialised one does not come from.
#[test]
fn a_write_that_the_whole_set_judges_otherwise_is_found() {
    let read =
        r#"@id("see") @fields("id, note") permit (principal, action == Action::"read", resource is Order);"#;
    let list =
        r#"@id("list") @fields("id") permit (principal, action == Action::"list", resource is Order);"#;
    let edit = r#"@id("edit") @writes("note") permit (principal, action in [Action::"create", Action::"update", Action::"delete"], resource is Order);"#;
    let safe = r#"@id("safe") forbid (principal, action == Action::"update", resource is Order) when { !context.checked.guarded };"#;
    let shut = r#"@id("shut") forbid (principal, action in [Action::"create", Action::"update", Action::"delete"], resource is Order)
        when { resource has note && resource.note == "shut" };"#;
    let hide = |action: &str| {
        format!(
            r#"@id("hide") forbid (principal, action == Action::"{action}", resource is Order) when {{ resource has note && resource.note == "shut" }};"#
        )
    };
    let base = format!("{read}{list}{edit}{safe}");
    let live = world(&base);
    let disagree = |whole: &str, action: Action, change: &Change| {
        let whole = world(whole);
        let prospect = live.prospect(&app(), action).unwrap();
        assert_eq!(live.policies.recheck_change(prospect.outlook(), change), Ok(()));
        whole.policies.recheck_change(prospect.outlook(), change).is_err()
    };
    let record = |note: &str| live.order(&format!(r#"{{"id":"1","customer":"x","note":"{note}"}}"#));
    let update = |old: &str, new: &str, version: Option<&str>| Change::Update {
        old: record(old),
        new: record(new),
        version: version.map(Into::into),
    };
    let with = |more: &str| format!("{base}{more}");
    let version = Some("v");
    // On the stored record, on the new one, on the one there is.
    assert!(!disagree(&with(shut), Action::Update, &update("a", "b", version)));
    assert!(disagree(&with(shut), Action::Update, &update("shut", "b", version)));
    assert!(disagree(&with(shut), Action::Update, &update("a", "shut", version)));
    assert!(disagree(&with(shut), Action::Create, &Change::Create { new: record("shut") }));
    let delete = Change::Delete { old: record("shut"), version: None };
    assert!(disagree(&with(shut), Action::Delete, &delete));
    // With the version that the system checks, or without.
    let unsafe_too = format!("{read}{list}{edit}");
    assert!(disagree(&unsafe_too, Action::Update, &update("a", "b", None)));
    assert!(!disagree(&unsafe_too, Action::Update, &update("a", "b", version)));
    // What the caller's own read and list show.
    for action in ["read", "list"] {
        assert!(disagree(&with(&hide(action)), Action::Update, &update("shut", "b", version)), "{action}");
        assert!(!disagree(&with(&hide(action)), Action::Update, &update("a", "b", version)), "{action}");
    }
    // And the answer.
    let prospect = live.prospect(&app(), Action::Update).unwrap();
    let permit = judge(&prospect, update("a", "b", version)).unwrap();
    let whole = world(&with(&hide("read")));
    assert_eq!(live.policies.recheck_echo(&permit, &record("shut")), Ok(()));
    assert!(whole.policies.recheck_echo(&permit, &record("shut")).is_err());
    assert_eq!(whole.policies.recheck_echo(&permit, &record("b")), Ok(()));
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
