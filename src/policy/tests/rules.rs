//! POLICY.md's rules on what is shown.

use std::sync::Arc;

use http::Method;

use super::kit::{World, app, context, facts, partner, text, world};
use crate::{
    catalog::{Action, Call},
    identity::{Attribute, Facts},
    policy::{Basis, Denied, Detail, Judged, Memo, Target, Untold, Verdict, judge_call, outlook, show},
    schema::{FieldSet, Filter},
    words::{Kind, SystemName},
};

const MINE: &str = r#"{"id":"1","customer":"acme","country":"DE","total":"10.00","margin":"2.5"}"#;
const POLISH: &str = r#"{"id":"2","customer":"acme","country":"PL","total":"10.00","margin":"2.5"}"#;

fn paths(world: &World, leaves: FieldSet) -> Vec<String> {
    let entity = world.entity("Order");
    leaves.iter().map(|leaf| entity.leaf(leaf).unwrap().path.to_string()).collect()
}

#[test]
fn obligations_combine_per_record_from_the_permits_satisfied_for_it() {
    let world = world(
        r#"@id("own") @fields("id, total") permit (principal is Partner, action == Action::"read", resource is Order)
           when { principal has customer && resource.customer == principal.customer };
           @id("pl") @fields("id, margin") permit (principal is Partner, action == Action::"read", resource is Order)
           when { resource has country && resource.country == "PL" };"#,
    );
    assert_eq!(world.read(&partner("acme"), MINE), r#"{"id":"1","total":"10.00"}"#);
    assert_eq!(world.read(&partner("acme"), POLISH), r#"{"id":"2","total":"10.00","margin":"2.5"}"#);
    assert_eq!(world.read(&partner("other"), POLISH), r#"{"id":"2","margin":"2.5"}"#);
    assert_eq!(world.read(&partner("other"), MINE), "not there");
}

#[test]
fn a_conditional_permit_adds_only_while_its_condition_holds() {
    let world = world(
        r#"@id("a") @fields("id") permit (principal, action == Action::"read", resource is Order);
           @id("tls") @fields("email") permit (principal, action == Action::"read", resource is Order)
           when { context.checked.channel.tls };"#,
    );
    let json = r#"{"id":"1","customer":"x","email":"a@b.c"}"#;
    assert_eq!(world.read_in(&app(), json, context(true)), r#"{"id":"1","email":"a@b.c"}"#);
    assert_eq!(world.read_in(&app(), json, context(false)), r#"{"id":"1"}"#);
}

#[test]
fn the_most_open_mask_wins_whatever_the_order() {
    let masked = |masks: &[&str]| {
        let statements: String = masks
            .iter()
            .enumerate()
            .map(|(n, mask)| {
                let mask = if mask.is_empty() { String::new() } else { format!("@mask(\"phone: {mask}\")") };
                format!("@id(\"s{n}\") @fields(\"phone\") {mask} permit (principal, action == Action::\"read\", resource is Order);")
            })
            .collect();
        world(&statements).read(&app(), r#"{"id":"1","customer":"x","phone":"+48123456789"}"#)
    };
    assert_eq!(masked(&["last4", "pseudonym"]), r#"{"phone":"****6789"}"#);
    assert_eq!(masked(&["pseudonym", "last4"]), r#"{"phone":"****6789"}"#);
    assert_eq!(masked(&["full"]), r#"{"phone":"****"}"#);
    assert_eq!(masked(&["full", ""]), r#"{"phone":"+48123456789"}"#);
    let pseudonym = masked(&["pseudonym", "full"]);
    assert!(pseudonym.starts_with(r#"{"phone":"~"#) && !pseudonym.contains("6789"), "{pseudonym}");
}

#[test]
fn a_mask_fits_its_type_and_a_short_text_is_masked_whole() {
    let world = world(
        r#"@id("m") @fields("phone, email, born, total, created_at, quantity")
           @mask("phone: last4, email: e-mail, born: year, total: rounded, created_at: year, quantity: rounded")
           permit (principal, action == Action::"read", resource is Order);"#,
    );
    let json = r#"{"id":"1","customer":"x","phone":"1234567","email":"ewa@example.com","born":"1980-07-09",
                   "total":"1234.50","created_at":"2026-07-01T10:00:00Z","quantity":-57}"#;
    assert_eq!(
        world.read(&app(), json),
        r#"{"total":"1000","quantity":-50,"phone":"****","email":"e***@example.com","born":"1980-01-01","created_at":"2026-01-01T00:00:00Z"}"#
    );
}

#[test]
fn a_forbid_refuses_the_record_and_a_withholding_one_strikes_only_its_fields() {
    let world = world(
        r#"@id("all") @fields("*, margin") permit (principal, action == Action::"read", resource is Order);
           @id("no-drafts") forbid (principal, action, resource is Order)
           when { resource has status && resource.status == "draft" };
           @id("no-margin") @withhold("margin") forbid (principal is Partner, action == Action::"read", resource is Order);"#,
    );
    let json = r#"{"id":"1","customer":"x","margin":"1"}"#;
    assert_eq!(world.read(&app(), json), r#"{"id":"1","customer":"x","margin":"1"}"#);
    assert_eq!(world.read(&partner("x"), json), r#"{"id":"1","customer":"x"}"#);
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","status":"draft"}"#), "not there");
}

#[test]
fn an_error_in_any_statement_refuses_what_it_was_judged_on() {
    let world = world(
        r#"@id("all") @fields("*") permit (principal, action == Action::"read", resource is Order);
           @id("odd") forbid (principal, action == Action::"read", resource is Order)
           when { resource has quantity && resource.quantity * 9223372036854775807 > 5 };"#,
    );
    assert_eq!(
        world.read(&app(), r#"{"id":"1","customer":"x","quantity":-1}"#),
        r#"{"id":"1","customer":"x","quantity":-1}"#
    );
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","quantity":7}"#), "error in odd");
    // One that errs whatever the record refuses the request.
    let world = self::world(
        r#"@id("all") @fields("*") permit (principal, action == Action::"read", resource is Order);
           @id("odd") forbid (principal is User, action == Action::"read", resource is Order)
           when { principal has level && principal.level * 9223372036854775807 > 5 };"#,
    );
    let user = facts(Kind::User, "mila", &[], &[("level", Attribute::Integer(7))]);
    assert!(
        matches!(world.prospect(&user, Action::Read), Err(Denied::Erroring { statement, on: Basis::Request }) if statement.as_str() == "odd")
    );
}

#[test]
fn a_value_that_cedar_cannot_hold_exactly_is_an_error_on_that_record() {
    let world = world(
        r#"@id("small") @fields("id") permit (principal, action == Action::"read", resource is Order)
           when { resource has total && resource.total.lessThan(decimal("100.0")) };"#,
    );
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","total":"99.99990"}"#), r#"{"id":"1"}"#);
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","total":"99.99999"}"#), "error in small");
    assert_eq!(
        world.read(&app(), r#"{"id":"1","customer":"x","total":"9999999999999999.1"}"#),
        "error in small"
    );
}

#[test]
fn a_record_without_a_required_field_that_a_statement_reads_is_withheld() {
    let world = world(
        r#"@id("own") @fields("id") permit (principal is Partner, action == Action::"read", resource is Order)
           when { principal has customer && resource.customer == principal.customer };
           @id("app") @fields("id") permit (principal is App, action == Action::"read", resource is Order);"#,
    );
    assert_eq!(world.read(&partner("x"), r#"{"id":"1"}"#), "error in own");
    assert_eq!(world.read(&app(), r#"{"id":"1"}"#), r#"{"id":"1"}"#);
}

#[test]
fn empty_text_is_absent_and_equals_nothing() {
    let world = world(
        r#"@id("own") @fields("id") permit (principal is User, action == Action::"read", resource is Order)
           when { principal has country && resource has country && resource.country == principal.country };"#,
    );
    let user =
        |country: &str| facts(Kind::User, "mila", &[], &[("country", Attribute::Text(country.into()))]);
    assert_eq!(world.read(&user("PL"), POLISH), r#"{"id":"2"}"#);
    assert!(matches!(world.prospect(&user(""), Action::Read), Err(Denied::Never(_))));
}

#[test]
fn a_star_and_a_subtree_grant_public_and_internal_leaves_only() {
    let world = world(
        r#"@id("star") @fields("*") permit (principal is App, action == Action::"read", resource is Order);
           @id("ship") @fields("ship, lines") permit (principal is User, action == Action::"read", resource is Order);"#,
    );
    let json = r#"{"id":"1","customer":"x","margin":"1","phone":"1","ship":{"country":"PL","street":"Prosta"},
                   "lines":[{"sku":"a","cost":"3"},{"cost":"3"}]}"#;
    assert_eq!(
        world.read(&app(), json),
        r#"{"id":"1","customer":"x","ship":{"country":"PL"},"lines":[{"sku":"a"}]}"#
    );
    let user = facts(Kind::User, "mila", &[], &[]);
    assert_eq!(world.read(&user, json), r#"{"ship":{"country":"PL"},"lines":[{"sku":"a"}]}"#);
}

#[test]
fn hidden_withheld_and_null_look_the_same() {
    let world = world(
        r#"@id("a") @fields("id, margin") permit (principal, action == Action::"read", resource is Order);
           @id("w") @withhold("margin") forbid (principal is Partner, action == Action::"read", resource is Order);"#,
    );
    let full = r#"{"id":"1","customer":"x","margin":"1","phone":"2"}"#;
    let null = r#"{"id":"1","customer":"x","margin":null,"phone":null}"#;
    assert_eq!(world.read(&partner("x"), full), world.read(&partner("x"), null));
    assert_eq!(world.read(&app(), null), r#"{"id":"1"}"#);
}

#[test]
fn nothing_of_a_list_is_told_when_nothing_in_it_is_shown() {
    let world =
        world(r#"@id("a") @fields("id") permit (principal, action == Action::"read", resource is Order);"#);
    let json = r#"{"id":"1","customer":"x","lines":[{"sku":"a"}],"ship":{"country":"PL"},"tags":["a"]}"#;
    assert_eq!(world.read(&app(), json), r#"{"id":"1"}"#);
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","lines":[],"tags":[]}"#), r#"{"id":"1"}"#);
}

/// Empty, absent, and full of what is hidden are one and the same to who does not see all of a list.
#[test]
fn a_list_of_which_something_is_hidden_is_never_told_empty() {
    let world = world(
        r#"@id("some") @fields("id, lines.sku") permit (principal is App, action == Action::"read", resource is Order);
           @id("all") @fields("id, lines.sku, lines.cost, tags") permit (principal is User, action == Action::"read", resource is Order);"#,
    );
    let user = facts(Kind::User, "mila", &[], &[]);
    let with = |lines: &str| format!(r#"{{"id":"1","customer":"x"{lines}}}"#);
    for lines in ["", r#","lines":[]"#, r#","lines":[{"cost":"3"}]"#, r#","lines":[{"cost":"3"},{}]"#] {
        assert_eq!(world.read(&app(), &with(lines)), r#"{"id":"1"}"#, "{lines}");
    }
    assert_eq!(
        world.read(&app(), &with(r#","lines":[{"cost":"3"},{"sku":"a"}]"#)),
        r#"{"id":"1","lines":[{"sku":"a"}]}"#
    );
    assert_eq!(world.read(&user, &with(r#","lines":[],"tags":[]"#)), r#"{"id":"1","tags":[],"lines":[]}"#);
    // What was not asked for is not hidden.
    let prospect = world.prospect(&user, Action::Read).unwrap();
    let order = world.entity("Order");
    let wanted = FieldSet::of(order.leaf_at("lines.sku").unwrap());
    match show(&prospect, world.order(&with(r#","lines":[]"#)), Some(&wanted)) {
        Judged::Shown(shown) => assert_eq!(text(&order, shown.record()), r#"{"lines":[]}"#),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_item_of_which_nothing_wanted_is_told_stays_where_the_caller_sees_others_of_its_fields() {
    let world = world(
        r#"@id("some") @fields("id, lines.sku") permit (principal is App, action == Action::"read", resource is Order);
           @id("all") @fields("id, lines.sku, lines.cost") permit (principal is User, action == Action::"read", resource is Order);"#,
    );
    let order = world.entity("Order");
    let json = r#"{"id":"1","customer":"x","lines":[{"sku":"a","cost":"3"},{"cost":"4"},{},{"sku":"b"}]}"#;
    let wanted = FieldSet::of(order.leaf_at("lines.sku").unwrap());
    let shown = |caller: &Arc<Facts>| {
        let prospect = world.prospect(caller, Action::Read).unwrap();
        match show(&prospect, world.order(json), Some(&wanted)) {
            Judged::Shown(shown) => text(&order, shown.record()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shown(&facts(Kind::User, "mila", &[], &[])), r#"{"lines":[{"sku":"a"},{},{"sku":"b"}]}"#);
    // What is hidden is no reason to stay.
    assert_eq!(shown(&app()), r#"{"lines":[{"sku":"a"},{"sku":"b"}]}"#);
}

/// The record came with more than is shown: a condition reads it, or a write fetched it all.
#[test]
fn a_constant_never_tells_that_a_hidden_value_is_there() {
    let world = world(
        r#"@id("some") @fields("id, lines.sku, ship.country") permit (principal is App, action == Action::"read", resource is Order);
           @id("all") @fields("id, lines.sku, lines.cost, ship.country, ship.street") permit (principal is User, action == Action::"read", resource is Order);"#,
    );
    let order = world.entity("Order");
    let tags = ["lines.sku", "ship.country"].map(|path| order.leaf_at(path).unwrap()).into_iter().collect();
    let World { policies, memo, schema } = world;
    let policies = Arc::into_inner(policies).unwrap().with_tags([(order.name.clone(), tags)]);
    let world = World { policies: Arc::new(policies), memo, schema };
    let json = r#"{"id":"1","customer":"x","ship":{"country":"PL","street":"Prosta"},"lines":[{"sku":"work","cost":"3"},{"sku":"home"}]}"#;
    assert_eq!(world.read(&app(), json), r#"{"id":"1"}"#);
    let user = facts(Kind::User, "mila", &[], &[]);
    assert_eq!(
        world.read(&user, json),
        r#"{"id":"1","ship":{"country":"PL","street":"Prosta"},"lines":[{"sku":"work","cost":"3"}]}"#
    );
    // Who sees the value may ask for the constant alone.
    let prospect = world.prospect(&user, Action::Read).unwrap();
    let wanted = FieldSet::of(order.leaf_at("lines.sku").unwrap());
    match show(&prospect, world.order(json), Some(&wanted)) {
        Judged::Shown(shown) => assert_eq!(text(&order, shown.record()), r#"{"lines":[{"sku":"work"}]}"#),
        other => panic!("{other:?}"),
    }
}

/// Which attribute of it is meant shows only when the base is known.
#[test]
fn a_record_that_a_condition_chooses_is_read_whole() {
    let world = world(
        r#"@id("all") @fields("id") permit (principal, action == Action::"read", resource is Order);
           @id("drafts") forbid (principal, action == Action::"read", resource is Order)
           when { (if context.checked.channel.tls then resource else resource) has status
                  && (if context.checked.channel.tls then resource else resource).status == "draft" };"#,
    );
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","status":"draft"}"#), "not there");
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"x","status":"open"}"#), r#"{"id":"1"}"#);
    assert_eq!(world.prospect(&app(), Action::Read).unwrap().reads(), world.entity("Order").all());
}

#[test]
fn what_a_condition_excepts_is_what_does_not_hold() {
    let world = world(
        r#"@id("open") @fields("id") permit (principal, action == Action::"read", resource is Order)
           when { resource has status } unless { resource.status == "draft" };
           @id("paid") forbid (principal, action == Action::"read", resource is Order)
           unless { resource has paid && resource.paid || principal is App };"#,
    );
    let with = |status: &str, paid: bool| {
        format!(r#"{{"id":"1","customer":"x","status":"{status}","paid":{paid}}}"#)
    };
    assert_eq!(world.read(&app(), &with("open", false)), r#"{"id":"1"}"#);
    assert_eq!(world.read(&app(), &with("draft", true)), "not there");
    assert_eq!(world.read(&partner("x"), &with("open", false)), "not there");
    assert_eq!(world.read(&partner("x"), &with("open", true)), r#"{"id":"1"}"#);
}

#[test]
fn the_journal_says_as_much_as_the_fullest_satisfied_statement_asks() {
    let world = world(
        r#"@id("a") @fields("id") @audit("body-digest") permit (principal is App, action == Action::"read", resource is Order);
           @id("b") @fields("id") permit (principal, action == Action::"read", resource is Order);
           @id("c") @audit("body-digest") forbid (principal is User, action == Action::"read", resource is Order)
           when { resource has paid && resource.paid };"#,
    );
    let detail = |facts: &Arc<Facts>, json: &str| match show(
        &world.prospect(facts, Action::Read).unwrap(),
        world.order(json),
        None,
    ) {
        Judged::Shown(shown) => shown.detail(),
        Judged::Denied(grounds) => grounds.detail,
        Judged::Erroring { .. } => panic!(),
    };
    assert_eq!(detail(&app(), MINE), Detail::BodyDigest);
    assert_eq!(detail(&partner("x"), MINE), Detail::Standard);
    let user = facts(Kind::User, "mila", &[], &[]);
    assert_eq!(detail(&user, r#"{"id":"1","customer":"x","paid":true}"#), Detail::BodyDigest);
}

#[test]
fn no_statement_that_can_permit_refuses_before_any_record() {
    let world = world(
        r#"@id("a") @fields("id") permit (principal in Group::"staff", action == Action::"read", resource is Order);
           @id("t") @fields("id") permit (principal in Group::"apps", action == Action::"read", resource is Order)
           when { context.checked.channel.tls };
           @id("n") forbid (principal == App::"bad", action, resource);"#,
    );
    assert!(matches!(world.prospect(&partner("x"), Action::Read), Err(Denied::Never(_))));
    assert!(matches!(world.prospect_in(&app(), Action::Read, context(false)), Err(Denied::Never(_))));
    assert!(matches!(world.prospect(&app(), Action::List), Err(Denied::Never(_))));
    assert!(world.prospect(&app(), Action::Read).is_ok());
    let bad = facts(Kind::App, "bad", &["apps"], &[]);
    assert!(
        matches!(world.prospect(&bad, Action::Read), Err(Denied::Never(g)) if g.statements[0].as_str() == "n")
    );
}

#[test]
fn a_field_serves_a_filter_only_where_every_live_permit_shows_it_unmasked() {
    let world = world(
        r#"@id("a") @fields("id, status, email, total") @mask("email: e-mail") permit (principal, action == Action::"list", resource is Order);
           @id("b") @fields("id, status, email, note") permit (principal is App, action == Action::"list", resource is Order)
           when { context.checked.channel.tls };
           @id("w") @withhold("status") forbid (principal is User, action == Action::"list", resource is Order)
           when { resource has paid && resource.paid };"#,
    );
    let clear = |facts: &Arc<Facts>, tls| {
        paths(&world, world.prospect_in(facts, Action::List, context(tls)).unwrap().clear())
    };
    assert_eq!(clear(&app(), true), ["id", "status"]);
    assert_eq!(clear(&app(), false), ["id", "status", "total"]);
    assert_eq!(clear(&facts(Kind::User, "mila", &[], &[]), true), ["id", "total"]);
    let visible = world.prospect(&app(), Action::List).unwrap().visible();
    assert_eq!(paths(&world, visible), ["id", "status", "note", "total", "email"]);
}

#[test]
fn plans_of_every_permit_that_can_still_apply_are_charged() {
    let world = world(
        r#"@id("a") @fields("id") @plan("gold") permit (principal, action == Action::"read", resource is Order);
           @id("b") @fields("id") @plan("silver") permit (principal is App, action == Action::"read", resource is Order)
           when { context.checked.channel.tls };"#,
    );
    let plans = |facts: &Arc<Facts>, tls| {
        let prospect = world.prospect_in(facts, Action::Read, context(tls)).unwrap();
        prospect.plans().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(plans(&app(), true), ["gold", "silver"]);
    assert_eq!(plans(&app(), false), ["gold"]);
    assert_eq!(plans(&partner("x"), true), ["gold"]);
}

#[test]
fn plans_are_charged_in_the_order_of_the_file_whatever_their_statements_go_by() {
    let world = world(
        r#"@id("a") @fields("id") @plan("silver") permit (principal, action == Action::"read", resource is Order)
           when { context.checked.channel.tls };
           @id("b") @fields("id") @plan("gold") permit (principal, action == Action::"read", resource is Order);"#,
    );
    let prospect = world.prospect(&app(), Action::Read).unwrap();
    assert_eq!(prospect.plans().iter().map(ToString::to_string).collect::<Vec<_>>(), ["silver", "gold"]);
}

#[test]
fn a_head_that_names_one_record_is_about_that_one_alone() {
    let with = |verb: &str, resource: &str| {
        let open =
            r#"@id("all") @fields("id") permit (principal, action == Action::"read", resource is Order);"#;
        let (open, fields) = if verb == "forbid" { (open, "") } else { ("", r#"@fields("id")"#) };
        let one = format!(r#"@id("one") {fields} {verb} (principal, action == Action::"read", {resource});"#);
        world(&format!("{open}\n{one}"))
    };
    let shown = |world: &World, id: &str| {
        world.read(&app(), &format!(r#"{{"id":"{id}","customer":"x"}}"#)) == format!(r#"{{"id":"{id}"}}"#)
    };
    for resource in
        [r#"resource == Order::"1""#, r#"resource in Order::"1""#, r#"resource is Order in Order::"1""#]
    {
        let (forbidden, permitted) = (with("forbid", resource), with("permit", resource));
        assert_eq!((shown(&forbidden, "1"), shown(&forbidden, "2")), (false, true), "{resource}");
        assert_eq!((shown(&permitted, "1"), shown(&permitted, "2")), (true, false), "{resource}");
    }
}

#[test]
fn a_head_is_about_the_systems_that_it_names_and_about_all_where_it_names_none() {
    let called = |statement: &str| {
        let open =
            r#"@id("open") @unfiltered("x") permit (principal is App, action == Action::"call", resource);"#;
        let text =
            if statement.contains("forbid") { format!("{open}\n{statement}") } else { statement.into() };
        world(&text).prospect(&app(), Action::Call).is_ok_and(|prospect| judge_call(&prospect).is_ok())
    };
    for (resource, is_about) in [
        ("resource", true),
        ("resource is System", true),
        (r#"resource == System::"erp""#, true),
        (r#"resource in System::"erp""#, true),
        (r#"resource is System in System::"erp""#, true),
        (r#"resource == System::"bi""#, false),
        (r#"resource is System in System::"bi""#, false),
    ] {
        let permit =
            format!(r#"@id("a") @unfiltered("x") permit (principal, action == Action::"call", {resource});"#);
        assert_eq!(called(&permit), is_about, "{resource}");
        let forbid = format!(r#"@id("a") forbid (principal, action == Action::"call", {resource});"#);
        assert_eq!(called(&forbid), !is_about, "{resource}");
    }
}

#[test]
fn of_a_call_whose_path_is_not_known_nothing_is_foreseen_that_goes_by_it() {
    let world = world(
        r#"@id("orders") @unfiltered("x") permit (principal, action == Action::"call", resource == System::"erp")
           when { context.checked.call.path like "/orders*" };
           @id("no") forbid (principal, action == Action::"call", resource == System::"erp")
           when { context.checked.call.path like "/orders/secret*" };"#,
    );
    let foreseen = |path: &str, is_known: bool| {
        let call =
            Call { system: SystemName::new("erp"), method: Method::GET, path: path.into(), query: None };
        let untold = Untold { path: !is_known, ..Untold::default() };
        let context = context(true).without(untold);
        outlook(&world.policies, &Memo::default(), &app(), Action::Call, Target::Call(call), context)
            .map(|outlook| outlook.foreseen(None, &FieldSet::EMPTY, None))
    };
    assert!(matches!(foreseen("/orders", true), Ok(Ok(Verdict::Permitted(_)))));
    assert!(matches!(foreseen("/orders/secret", true), Err(Denied::Never(_))));
    for path in ["/orders", "/orders/secret", "/"] {
        let unsure = foreseen(path, false).unwrap().unwrap_err();
        assert!(unsure.facts.path, "{path}");
    }
}

#[test]
fn the_filter_pushed_down_lets_every_permitted_record_pass() {
    let world = world(
        r#"@id("own") @fields("id") permit (principal is Partner, action == Action::"list", resource is Order)
           when { principal has customer && resource.customer == principal.customer
                  && resource has status && ["open", "shipped"].contains(resource.status) };
           @id("tls") @fields("id") permit (principal is Partner, action == Action::"list", resource is Order)
           when { !context.checked.channel.tls };
           @id("odd") @fields("id") permit (principal is App, action == Action::"list", resource is Order)
           when { resource has status && resource.status != "draft" };"#,
    );
    let filter = world.prospect(&partner("acme"), Action::List).unwrap().pushdown();
    assert_eq!(filter.tests(), 2, "{filter:?}");
    let order = world.entity("Order");
    let passes = |json: &str| filter.matches(&order, &world.order(json));
    assert!(passes(r#"{"id":"1","customer":"acme","status":"open"}"#));
    assert!(!passes(r#"{"id":"1","customer":"other","status":"open"}"#));
    assert!(!passes(r#"{"id":"1","customer":"acme","status":"draft"}"#));
    assert_eq!(world.prospect(&app(), Action::List).unwrap().pushdown(), Filter::everything());
    let open = world.prospect_in(&partner("acme"), Action::List, context(false)).unwrap();
    assert_eq!(open.pushdown(), Filter::everything());
}

#[test]
fn one_tokens_view_is_never_served_to_another_of_the_same_principal() {
    let world = world(
        r#"@id("a") @fields("id") permit (principal, action == Action::"read", resource is Order);
           @id("b") @fields("note") permit (principal in Group::"staff", action == Action::"read", resource is Order);"#,
    );
    let json = r#"{"id":"1","customer":"x","note":"n"}"#;
    let wide = facts(Kind::User, "mila", &["staff"], &[]);
    let narrow = facts(Kind::User, "mila", &[], &[]);
    assert_eq!(world.read(&wide, json), r#"{"id":"1","note":"n"}"#);
    assert_eq!(world.read(&narrow, json), r#"{"id":"1"}"#);
    assert_eq!(world.memo.len(), 2);
}

#[test]
fn what_is_remembered_is_bounded() {
    let world =
        world(r#"@id("a") @fields("id") permit (principal, action == Action::"read", resource is Order);"#);
    let memo = Memo::new(64);
    for n in 0..500 {
        let facts = facts(Kind::App, &format!("app-{n}"), &[], &[]);
        let target = Target::Entity(world.entity("Order"));
        outlook(&world.policies, &memo, &facts, Action::Read, target, context(true)).unwrap();
    }
    assert!(memo.len() <= 64, "{}", memo.len());
}

#[test]
fn proofs_may_travel_between_threads() {
    fn travels<T: Send + Sync>() {}
    travels::<crate::policy::Prospect>();
    travels::<crate::policy::WritePermit>();
    travels::<crate::policy::CallPermit>();
    travels::<crate::policy::Shown>();
    travels::<Memo>();
    travels::<crate::policy::Policies>();
}

const GOLD: &str = r#"
@id("gold") @fields("id, status")
permit (principal in Group::"apps", action == Action::"read", resource is Order)
when { resource.customer has tier && resource.customer.tier == "gold" };
"#;

#[test]
fn a_condition_goes_by_what_a_record_names() {
    let world = world(GOLD);
    assert_eq!(
        world.read(&app(), r#"{"id":"1","customer":"acme","status":"open"}"#),
        r#"{"id":"1","status":"open"}"#
    );
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"zeta","status":"open"}"#), "not there");
    // It says nothing of this.
    assert_eq!(world.read(&app(), r#"{"id":"1","customer":"other","status":"open"}"#), "not there");
}

#[test]
fn what_a_record_names_and_nobody_could_fetch_refuses_it() {
    let unseen = r#"{"id":"1","customer":"gone","status":"open"}"#;
    assert_eq!(world(GOLD).read(&app(), unseen), "error in gold");
    // Whether it has something is not known either, and a statement of which Cedar itself is asked is no other.
    let all = r#"@id("all") @fields("id") permit (principal, action == Action::"read", resource is Order);"#;
    for (condition, error) in [
        (r#"resource.customer has blocked && resource.customer.blocked"#, "error in no"),
        (r#"!(resource.customer has tier)"#, "error in no"),
        (
            r#"resource.customer has since && resource.customer.since.toTime() == duration("12h")"#,
            "error in no",
        ),
        // Nobody looks.
        (
            r#"resource has paid && resource.paid && resource.customer has blocked && resource.customer.blocked"#,
            r#"{"id":"1"}"#,
        ),
    ] {
        let forbid =
            format!(r#"@id("no") forbid (principal, action, resource is Order) when {{ {condition} }};"#);
        assert_eq!(world(&format!("{all}\n{forbid}")).read(&app(), unseen), error, "{condition}");
    }
}

#[test]
fn what_was_fetched_of_another_record_counts_for_nothing() {
    let world = world(GOLD);
    let prospect = world.prospect(&app(), Action::Read).unwrap();
    let of_acme = world.stored(r#"{"id":"1","customer":"acme"}"#);
    let order = world.order(r#"{"id":"1","customer":"zeta"}"#).related_as(&of_acme);
    let verdict = prospect.outlook().verdict(Some(&order), None);
    assert!(matches!(verdict, Verdict::Erroring(_)), "{verdict:?}");
}

#[test]
fn only_what_is_gone_by_at_this_request_is_to_be_fetched() {
    let text = format!(
        "{GOLD}\n@id(\"far\") @fields(\"id\") permit (principal in Group::\"staff\", action == Action::\"read\", \
         resource is Order) when {{ resource.customer has blocked && !resource.customer.blocked }};\n\
         @id(\"tls\") forbid (principal, action == Action::\"read\", resource is Order) when {{ \
         !context.checked.channel.tls && resource.customer has credit && \
         resource.customer.credit.lessThan(decimal(\"1.0\")) }};"
    );
    let world = world(&text);
    let names = |facts, tls| {
        let prospect = world.prospect_in(&facts, Action::Read, context(tls)).unwrap();
        let follows = prospect.outlook().follows();
        let paths = |relation: &crate::policy::Relation| {
            let leaves = relation.reads.iter().map(|leaf| relation.to.leaf(leaf).unwrap().path.to_string());
            leaves.collect::<Vec<_>>().join(", ")
        };
        follows.iter().map(paths).collect::<Vec<_>>()
    };
    assert_eq!(names(app(), true), ["tier"]);
    assert_eq!(names(app(), false), ["tier, credit"]);
    assert_eq!(names(facts(Kind::User, "mila", &["staff"], &[]), true), ["blocked"]);
}
