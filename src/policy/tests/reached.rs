//! What statements leave open over every circumstance: what `prove` and the matrix tell rests on it.

use std::{collections::BTreeSet, sync::Arc};

use super::kit::{World, app, facts, world};
use crate::{
    catalog::Action,
    identity::Facts,
    policy::{Circumstances, On, Openness, Reach, Surety, Whom, reach},
    words::{Kind, SystemName},
};

/// What an app's calls come to where one method is asked about, or any.
fn call(world: &World, method: Option<&'static str>) -> Surety {
    let (erp, known) = (SystemName::new("erp"), Circumstances { method, ..Circumstances::default() });
    let app = app();
    reach(&world.policies, Whom::Known(&app, &[]), Action::Call, On::System(&erp), known).unwrap().surety()
}

fn calls_when(condition: &str) -> World {
    world(&format!(
        "@id(\"a\") @unfiltered(\"x\") permit (principal, action == Action::\"call\", resource == System::\"erp\") when {{ {condition} }};"
    ))
}

/// What someone reaches of orders by reading.
fn read(world: &World, facts: &Arc<Facts>, narrower: &[Facts]) -> Reach {
    let (order, known) = (world.entity("Order"), Circumstances::default());
    reach(&world.policies, Whom::Known(facts, narrower), Action::Read, On::Entity(&order), known).unwrap()
}

#[test]
fn a_method_that_a_statement_names_decides_and_one_that_stands_for_others_leaves_open() {
    for condition in [
        r#"context.checked.call.method == "GET""#,
        r#"["GET", "HEAD"].contains(context.checked.call.method)"#,
        r#"context.checked.request.method == "GET""#,
    ] {
        let world = calls_when(condition);
        assert_eq!(call(&world, Some("GET")), Surety::Always, "{condition}");
        assert_eq!(call(&world, Some("POST")), Surety::Never, "{condition}");
        // That it is none of the common ones is enough where a common one is named.
        assert_eq!(call(&world, Some("PURGE")), Surety::Never, "{condition}");
        assert_eq!(call(&world, None), Surety::Depends, "{condition}");
    }
    for condition in [
        r#"context.checked.call.method == "PURGE""#,
        r#"["GET", "PURGE"].contains(context.checked.call.method)"#,
        r#"context.checked.call.method == "REPORT""#,
    ] {
        assert_eq!(call(&calls_when(condition), Some("PURGE")), Surety::Depends, "{condition}");
    }
    assert_eq!(call(&calls_when(r#"context.checked.call.method == "PURGE""#), Some("GET")), Surety::Never);
}

#[test]
fn a_method_says_nothing_of_other_texts() {
    for condition in [
        r#"context.checked.channel.listener == "GET""#,
        r#"context.checked.call.path == "GET""#,
        r#"["GET"].contains(context.checked.channel.listener)"#,
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(call(&calls_when(condition), Some(method)), Surety::Depends, "{condition} {method}");
        }
    }
}

#[test]
fn a_record_is_read_without_a_call() {
    let world = world(
        r#"@id("a") @fields("*") @unfiltered("x") permit (principal, action in [Action::"read", Action::"call"], resource)
           when { context.checked has call.method };"#,
    );
    assert_ne!(read(&world, &app(), &[]).surety(), Surety::Always);
    assert_eq!(call(&world, Some("GET")), Surety::Always);
}

#[test]
fn what_a_forbid_always_takes_is_never_reached_and_what_it_may_take_is_not_sure() {
    let with = |forbid: &str| {
        world(&format!(
            r#"@id("a") @fields("id, status") permit (principal, action == Action::"read", resource is Order); {forbid}"#
        ))
    };
    let whole = |reach: &Reach| {
        let world = with("");
        let status = world.entity("Order").leaf_at("status").unwrap();
        (reach.surety(), reach.shown(status))
    };
    let open = with("");
    assert_eq!(whole(&read(&open, &app(), &[])), (Surety::Always, Some((Openness::Shown, Surety::Always))));
    let shut = with(r#"@id("no") forbid (principal is App, action == Action::"read", resource is Order);"#);
    assert_eq!(whole(&read(&shut, &app(), &[])), (Surety::Never, None));
    assert_eq!(read(&shut, &facts(Kind::User, "mila", &[], &[]), &[]).surety(), Surety::Always);
    let some = with(
        r#"@id("no") forbid (principal, action == Action::"read", resource is Order) when { resource has country && resource.country == "PL" };"#,
    );
    assert_eq!(whole(&read(&some, &app(), &[])), (Surety::Depends, Some((Openness::Shown, Surety::Depends))));
}

#[test]
fn a_narrower_credential_reaches_what_it_has_and_what_a_group_of_its_principal_takes() {
    let world = world(
        r#"@id("a") @fields("id") permit (principal is User, action == Action::"read", resource is Order);
           @id("staff") @fields("status") permit (principal in Group::"staff", action == Action::"read", resource is Order);
           @id("no") forbid (principal in Group::"apps", action == Action::"read", resource is Order);"#,
    );
    let of = |groups: &[&str]| facts(Kind::User, "mila", groups, &[]);
    let narrow = |groups: &[&str]| Arc::into_inner(of(groups)).unwrap();
    let status = world.entity("Order").leaf_at("status").unwrap();
    assert_eq!(read(&world, &of(&["staff", "apps"]), &[]).surety(), Surety::Never);
    // It leaves out the group that shuts it out.
    let reach = read(&world, &of(&["staff", "apps"]), &[narrow(&["staff"])]);
    assert_eq!((reach.surety(), reach.shown(status).is_some()), (Surety::Depends, true));
    let permits = |reach: &Reach| {
        let all: Vec<String> = reach.permits(None).map(ToString::to_string).collect();
        let each: BTreeSet<&String> = all.iter().collect();
        assert_eq!(all.len(), each.len(), "{all:?}");
        all.join(" ")
    };
    assert_eq!(permits(&reach), "a staff");
    let reach = read(&world, &of(&["staff"]), &[narrow(&[])]);
    assert_eq!((reach.surety(), permits(&reach)), (Surety::Always, "a staff".to_owned()));
    // One of a group more than its principal's is not asked about here; what it would open counts all the same.
    let reach = read(&world, &of(&[]), &[narrow(&["staff"])]);
    assert_eq!((permits(&reach), reach.shown(status).is_some()), ("a staff".to_owned(), true));
}
