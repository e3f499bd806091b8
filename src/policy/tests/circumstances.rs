//! What the named hours, the age of a credential and the request itself let through.

use super::kit::{context_of, facts, hours, load, world};
use crate::words::Kind;

const OFFICE: &str = r#"@id("office") @fields("status") permit (principal, action == Action::"read", resource is Order) when { context.checked.hours.contains("office") };"#;
const NIGHT: &str = r#"@id("night") @fields("status") permit (principal, action == Action::"read", resource is Order) when { context.checked.hours.contains("night") };"#;

fn shows(text: &str, time: &str) -> bool {
    let someone = facts(Kind::App, "shop", &[], &[]);
    let record = r#"{"id": "1", "customer": "acme", "status": "open"}"#;
    world(text).read_in(&someone, record, context_of(true, "10.1.2.3", time, None)).contains("open")
}

#[test]
fn named_hours_are_those_of_their_own_zone_through_summer_and_winter() {
    for (time, is_open) in [
        ("2026-01-15T06:59:59Z", false),
        ("2026-01-15T07:00:00Z", true),
        ("2026-01-15T15:59:59Z", true),
        ("2026-01-15T16:00:00Z", false),
        ("2026-07-15T05:59:59Z", false),
        ("2026-07-15T06:00:00Z", true),
        ("2026-07-15T15:00:00Z", false),
        // A Sunday, and a day that is excepted.
        ("2026-07-19T10:00:00Z", false),
        ("2026-12-24T10:00:00Z", false),
    ] {
        assert_eq!(shows(OFFICE, time), is_open, "{time}");
    }
}

#[test]
fn hours_that_end_on_the_next_day_are_one_stretch() {
    for (time, is_open) in [
        ("2026-05-09T01:59:59Z", false),
        ("2026-05-09T02:00:00Z", true),
        ("2026-05-09T09:59:59Z", true),
        ("2026-05-09T10:00:00Z", false),
        // Saturday's night is none of them.
        ("2026-05-10T02:00:00Z", false),
    ] {
        assert_eq!(shows(NIGHT, time), is_open, "{time}");
    }
}

#[test]
fn hours_that_no_file_names_do_not_load() {
    let told = load(&OFFICE.replace("\"office\")", "\"offcie\")")).err().unwrap();
    assert!(told.contains("`offcie` is none of the values") && told.contains("`office`"), "{told}");
}

#[test]
fn the_age_of_a_credential_is_known_where_it_says_when_it_was_issued() {
    let text = r#"@id("fresh") @fields("status") permit (principal, action == Action::"read", resource is Order) when { context.checked has token_age && context.checked.token_age <= 3600 };"#;
    let record = r#"{"id": "1", "customer": "acme", "status": "open"}"#;
    let world = world(text);
    let read = |someone: Kind, time: &str| {
        let someone = facts(someone, "mila", &[], &[]);
        world.read_in(&someone, record, context_of(true, "10.1.2.3", time, None)).contains("open")
    };
    assert!(read(Kind::User, "2026-05-05T12:00:00.999Z"));
    assert!(!read(Kind::User, "2026-05-05T12:00:01Z"));
    // Issued by a clock that is ahead: it is new.
    assert!(read(Kind::User, "2026-05-05T10:59:00Z"));
    assert!(!read(Kind::App, "2026-05-05T12:00:00Z"));
}

#[test]
fn mistakes_in_named_hours_are_told_where_they_stand() {
    for (line, told) in [
        ("hours: { Office: { zone: UTC, days: [mon], from: \"08:00\", to: \"17:00\" } }", "small letters"),
        (
            "hours: { office: { zone: Europe/Warsow, days: [mon], from: \"08:00\", to: \"17:00\" } }",
            "no time zone `Europe/Warsow`",
        ),
        ("hours: { office: { zone: UTC, days: [], from: \"08:00\", to: \"17:00\" } }", "names no day"),
        (
            "hours: { office: { zone: UTC, days: [mon], from: \"8\", to: \"17:00\" } }",
            "`8` is no time of day",
        ),
        (
            "hours: { office: { zone: UTC, days: [mon], from: \"08:00\", to: \"25:00\" } }",
            "`25:00` is no time of day",
        ),
        (
            "hours: { office: { zone: UTC, days: [mon], from: \"08:00\", to: \"17:00\", except: [24.12] } }",
            "`24.12` is no day",
        ),
        ("hours: { office: { zone: UTC, days: [mon], from: \"08:00\", to: \"17:00\", zoen: x } }", "zoen"),
    ] {
        let file = std::sync::Arc::from("hours.yaml");
        let mut found = crate::words::Diagnostics::default();
        _ = crate::policy::Hours::load(&crate::words::tree::parse(&file, line).unwrap(), &mut found);
        assert!(found.has_errors() && found.to_string().contains(told), "{line}: {found}");
    }
    assert_eq!(hours().names().len(), 2);
}

#[test]
fn what_is_for_emergencies_counts_only_while_the_glass_is_broken_and_errs_only_then() {
    let world = world(
        r#"@id("own") @fields("status") permit (principal, action == Action::"read", resource is Order);
@id("emergency") @breakglass("incidents") @fields("total") permit (principal == User::"mila", action == Action::"read", resource is Order) when { resource has quantity && resource.quantity * 4611686018427387904 > 5 };"#,
    );
    let mila = facts(Kind::User, "mila", &[], &[]);
    let of = |someone: &std::sync::Arc<crate::identity::Facts>, quantity: u32, is_broken: bool| {
        let record = format!(
            r#"{{"id": "1", "customer": "acme", "status": "open", "total": "5", "quantity": {quantity}}}"#
        );
        let context = context_of(true, "10.1.2.3", "2026-05-05T12:00:00Z", None).with_glass(is_broken);
        // What is decided is held equal to the whole set's decision there.
        world.read_in(someone, &record, context)
    };
    assert_eq!(of(&mila, 1, false), r#"{"status":"open"}"#);
    assert_eq!(of(&mila, 1, true), r#"{"status":"open","total":"5"}"#);
    // Where its condition cannot be judged the record is refused, and not for those whom it does not count for.
    assert_eq!(of(&mila, 4, false), r#"{"status":"open"}"#);
    assert_ne!(of(&mila, 4, true), r#"{"status":"open"}"#);
    assert_eq!(of(&facts(Kind::User, "anna", &[], &[]), 4, true), r#"{"status":"open"}"#);
}
