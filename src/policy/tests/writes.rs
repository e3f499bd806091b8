//! POLICY.md's rules on writes and calls.

use std::sync::Arc;

use super::kit::{CUSTOMER, World, app, context, facts, load_in, partner, text, world};
use crate::{
    catalog::{Action, Operation, RecordId, UpdateMode},
    policy::{
        Basis, Change, Denied, Memo, Target, WritePermit, clearable, echo, is_at_hand, judge, judge_call,
        outlook,
    },
    schema::{self, Body, FieldSet, View, json, merge},
    words::{Kind, tree},
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
    facts: &Arc<crate::identity::Facts>,
    old: &str,
    new: &str,
    version: Option<&str>,
) -> Result<WritePermit, Denied> {
    let prospect = world.prospect(facts, Action::Update).unwrap();
    let (old, new) = (world.order(old), world.order(new));
    judge(&prospect, Change::update(old, new, version.map(Into::into)), &FieldSet::EMPTY)
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
    let create = |facts: &Arc<crate::identity::Facts>, json: &str| {
        let change = Change::create(world.order(json));
        judge(&world.prospect(facts, Action::Create).unwrap(), change, &FieldSet::EMPTY)
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
        judge(&world.prospect(&app(), Action::Delete).unwrap(), change, &FieldSet::EMPTY)
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
        let prospect = world.prospect(&app(), Action::Create).unwrap();
        let created = judge(&prospect, Change::create(new), &FieldSet::EMPTY);
        assert_eq!(fields(created), "masked values were sent back: phone");
    }
}

/// What an update comes to whose body speaks of `sent`, over a channel with TLS or without.
fn sending(world: &World, tls: bool, (old, new): (&str, &str), sent: &[&str]) -> Result<WritePermit, Denied> {
    let prospect = world.prospect_in(&app(), Action::Update, context(tls)).unwrap();
    let order = world.entity("Order");
    let sent: FieldSet = sent.iter().map(|path| order.leaf_at(path).unwrap()).collect();
    let change = Change::update(world.order(old), world.order(new), Some("v1".into()));
    judge(&prospect, change, &sent)
}

/// A permit that masks, and holds over TLS alone.
const MASKED: &str = r#"@id("edit") @writes("*, phone, email, born, margin, customer") permit (principal, action in [Action::"create", Action::"update"], resource is Order);
    @id("see") @fields("id, customer, note, phone, email, born, margin, quantity, total, created_at")
    @mask("customer: pseudonym, note: full, phone: last4, email: e-mail, born: year, margin: rounded, quantity: rounded, created_at: year")
    permit (principal is App, action in [Action::"read", Action::"list"], resource is Order) when { context.checked.channel.tls };"#;

/// Over a channel where its caller sees nothing, after one where it saw the mask.
#[test]
fn a_mask_is_refused_whatever_the_context_it_was_learnt_in() {
    let world = world(MASKED);
    let stored = r#"{"id":"1","customer":"x","note":"secret","phone":"+48123456789","email":"ewa@example.com","born":"1988-05-04",
        "margin":"1234.5","quantity":77,"created_at":"2026-05-04T10:00:00Z"}"#;
    let seen: serde_json::Value = serde_json::from_str(&world.read(&app(), stored)).unwrap();
    assert_eq!(seen["born"], "1988-01-01");
    let base: serde_json::Value = serde_json::from_str(stored).unwrap();
    for path in ["customer", "note", "phone", "email", "born", "margin", "quantity", "created_at"] {
        let mut new = base.clone();
        assert_ne!(seen[path], base[path], "{path}");
        new[path] = seen[path].clone();
        let mask = format!("masked values were sent back: {path}");
        for tls in [true, false] {
            assert_eq!(fields(sending(&world, tls, (stored, &new.to_string()), &[path])), mask, "{tls}");
        }
    }
    let fresh = stored
        .replace("+48123456789", "+48999999999")
        .replace("1988-05-04", "1990-06-07")
        .replace("1234.5", "4321");
    for tls in [true, false] {
        assert!(sending(&world, tls, (stored, &fresh), &["phone", "born", "margin"]).is_ok());
    }
    // In a new record a text that looks so is no value; a number and a date are.
    let create = |json: &str| {
        let prospect = world.prospect_in(&app(), Action::Create, context(false)).unwrap();
        judge(&prospect, Change::create(world.order(json)), &FieldSet::EMPTY)
    };
    for (path, text) in [
        ("email", "e***@example.com"),
        ("phone", "****6789"),
        ("customer", seen["customer"].as_str().unwrap()),
    ] {
        let new = format!(r#"{{"customer":"x","{path}":"{text}"}}"#)
            .replace(r#""customer":"x","customer""#, r#""customer""#);
        assert_eq!(fields(create(&new)), format!("masked values were sent back: {path}"));
    }
    assert!(
        create(r#"{"customer":"x","margin":"1000","born":"1988-01-01","note":"a*** b@c ~d ***"}"#).is_ok()
    );
}

/// The refusal of a rounded number must not tell what is rounded to it.
#[test]
fn a_rounded_number_is_refused_by_the_stored_one_only_where_its_caller_sees_that() {
    let world = world(MASKED);
    let told = |tls: bool, stored: &str, sent: &str| {
        let record = |margin: &str| format!(r#"{{"id":"1","customer":"x","margin":"{margin}"}}"#);
        sending(&world, tls, (&record(stored), &record(sent)), &["margin"]).is_ok()
    };
    // Seen rounded: what it rounds to is refused, also where the value is just that.
    assert_eq!(
        [told(true, "1234", "1000"), told(true, "1000", "1000"), told(true, "2345", "1000")],
        [false, false, true]
    );
    // Not seen: every number that could be one.
    assert_eq!(
        [told(false, "1234", "1000"), told(false, "1000", "1000"), told(false, "2345", "1000")],
        [false; 3]
    );
    assert_eq!(
        [told(false, "1234", "1001"), told(false, "1001", "1001"), told(false, "2345", "1001")],
        [true; 3]
    );
}

#[test]
fn a_text_is_refused_by_its_shape_whoever_sees_the_field_masked_and_a_number_only_where_its_caller_could() {
    let staff = r#"@id("staff") @fields("id, email, margin, customer") @mask("email: e-mail, margin: rounded")
        permit (principal in Group::"staff", action == Action::"list", resource is Order);
        @id("join") @fields("id") @mask("id: pseudonym") permit (principal in Group::"staff", action == Action::"list", resource is Customer);
        @id("edit") @writes("email, margin, customer, note") permit (principal, action == Action::"update", resource is Order);
        @id("read") @fields("id, email, margin, customer, note") permit (principal is App, action == Action::"read", resource is Order);"#;
    let world = world(staff);
    let stored = r#"{"id":"1","customer":"x","email":"ewa@example.com","margin":"1234","note":"n"}"#;
    let with = |from: &str, to: &str| sending(&world, true, (stored, &stored.replace(from, to)), &[]);
    assert_eq!(fields(with("ewa@", "z***@")), "masked values were sent back: email");
    assert!(with("1234", "1000").is_ok(), "only others see it rounded");
    // A pseudonym stands for one id wherever that is referred to.
    let pseudonym = format!("\"~{}\"", "a2".repeat(13));
    assert_eq!(fields(with("\"x\"", &pseudonym)), "masked values were sent back: customer");
    assert!(with("\"n\"", &pseudonym).is_ok(), "a text that nobody sees so");
    assert!(with("\"n\"", "\"****\"").is_ok());
}

/// Its answer would tell whether the guess was right.
#[test]
fn what_is_sent_of_an_unseen_field_counts_as_a_change_whether_it_is_one_or_not() {
    let world = world(
        r#"@id("note") @writes("note") permit (principal, action == Action::"update", resource is Order);
           @id("drafts") @writes("margin, total") permit (principal, action == Action::"update", resource is Order)
           when { resource has status && resource.status == "draft" };
           @id("see") @fields("id, note, total, email") @mask("email: e-mail") permit (principal, action == Action::"read", resource is Order);"#,
    );
    let open = r#"{"id":"1","customer":"x","status":"open","margin":"2","total":"5","email":"e@x"}"#;
    let draft = open.replace("open", "draft");
    let wrong = open.replace(r#""2""#, r#""3""#);
    let refused = "fields would change that may not: margin";
    assert_eq!(fields(sending(&world, true, (open, open), &["margin"])), refused);
    assert_eq!(fields(sending(&world, true, (open, &wrong), &["margin"])), refused);
    // Of a draft both are written.
    let order = world.entity("Order");
    let margin = FieldSet::of(order.leaf_at("margin").unwrap());
    for new in [&draft, &draft.replace(r#""2""#, r#""3""#)] {
        assert_eq!(sending(&world, true, (&draft, new), &["margin"]).unwrap().changed(), margin);
    }
    // What is seen unmasked is judged on what changes; a mask hides as well as nothing does.
    assert!(sending(&world, true, (open, open), &["total"]).unwrap().changed().is_empty());
    assert_eq!(
        fields(sending(&world, true, (open, open), &["email"])),
        "fields would change that may not: email"
    );
}

/// Orders whose lines have ids, and a total that nobody writes.
const LINED: &str = r"
$schema: https://json-schema.org/draft/2020-12/schema
title: Order
description: An order
x-collection: orders
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: id }
  lines:
    type: array
    description: lines
    items:
      type: object
      properties:
        id: { type: string, x-class: internal, description: id }
        sku: { type: string, maxLength: 20, x-class: internal, description: sku }
        cost: { type: string, format: decimal, x-class: confidential, description: cost }
        net: { type: string, format: decimal, readOnly: true, x-class: confidential, description: net }
";

/// What goes with an item changes, whether its remover sees it or not.
#[test]
fn an_item_goes_where_every_field_of_it_that_is_ever_written_may_be() {
    let stored = r#"{"id":"1","lines":[{"id":"a","sku":"A","cost":"1","net":"2"},{"id":"b","sku":"B","cost":"3","net":"4"}]}"#;
    let one = r#"{"id":"1","lines":[{"id":"b","sku":"B","cost":"3","net":"4"}]}"#;
    let turned = r#"{"id":"1","lines":[{"id":"b","sku":"B","cost":"3","net":"4"},{"id":"a","sku":"A","cost":"1","net":"2"}]}"#;
    let none = r#"{"id":"1","lines":[]}"#;
    let told = |writes: &str, new: &str, sent: &[&str]| {
        let files = [("schema/order.yaml", LINED), ("schema/customer.yaml", CUSTOMER)].map(|(file, text)| {
            let file: Arc<str> = file.into();
            (file.clone(), tree::parse(&file, text).unwrap())
        });
        let schema = schema::load::schema(&files).unwrap_or_else(|found| panic!("{found}")).0;
        let statements = format!(
            r#"@id("see") @fields("id, lines.id, lines.sku") permit (principal, action == Action::"read", resource is Order);
               @id("edit") @writes("{writes}") permit (principal, action == Action::"update", resource is Order);"#
        );
        let world = load_in(schema, &statements).unwrap_or_else(|found| panic!("{found}"));
        sending(&world, true, (stored, new), sent)
            .map(|permit| permit.changed().len())
            .map_err(|no| no.to_string())
    };
    for new in [one, turned, none] {
        assert_eq!(told("lines.id, lines.sku, lines.cost", new, &[]), Ok(4), "{new}");
        let refused = Err("fields would change that may not: lines.cost".to_owned());
        assert_eq!(told("lines.id, lines.sku", new, &[]), refused, "{new}");
    }
    // Sent by itself it is refused, as any field that is never written.
    let other = stored.replace(r#""net":"4""#, r#""net":"5""#);
    let refused = Err("fields would change that may not: lines.net".to_owned());
    assert_eq!(told("lines.id, lines.sku, lines.cost", &other, &["lines.net"]), refused);
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
    let create = Change::create(world.order(r#"{"total":"1.00001"}"#));
    assert_eq!(
        on(judge(&world.prospect(&app(), Action::Create).unwrap(), create, &FieldSet::EMPTY)),
        Basis::New
    );
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
    judge(&prospect, Change::update(old, new, Some("v1".into())), &FieldSet::EMPTY)
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
    let update = |old: &str, new: &str, version: Option<&str>| {
        Change::update(record(old), record(new), version.map(Into::into))
    };
    let with = |more: &str| format!("{base}{more}");
    let version = Some("v");
    // On the stored record, on the new one, on the one there is.
    assert!(!disagree(&with(shut), Action::Update, &update("a", "b", version)));
    assert!(disagree(&with(shut), Action::Update, &update("shut", "b", version)));
    assert!(disagree(&with(shut), Action::Update, &update("a", "shut", version)));
    assert!(disagree(&with(shut), Action::Create, &Change::create(record("shut"))));
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
    let permit = judge(&prospect, update("a", "b", version), &FieldSet::EMPTY).unwrap();
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
