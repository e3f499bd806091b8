//! Whether statements can be judged by a record that another one names.

use super::kit::{app, context, record, world};
use crate::{
    catalog::Action,
    policy::{Memo, Relation, Target, outlook},
    schema::{Record, Value},
};

const BY: &str = r#"@id("a") @fields("id") permit (principal, action == Action::"read", resource is Order) when {
    resource.customer has tier && resource.customer.tier == "gold" &&
    resource.customer has credit && resource.customer.credit.lessThan(decimal("50.00")) &&
    resource.customer has since && resource.customer.since < datetime("2026-03-01") &&
    resource.customer has limits && resource.customer.limits.contains(decimal("5.0"))
};"#;

/// Another value in the place of the list.
fn put(relation: &Relation, value: Value) -> Record {
    let mut record = Record::default();
    let (position, _) = relation.to.root.field("limits").unwrap();
    record.fields.set(position, value);
    record
}

fn followed() -> Relation {
    let world = world(BY);
    let target = Target::Entity(world.entity("Order"));
    let outlook =
        outlook(&world.policies, &Memo::default(), &app(), Action::Read, target, context(true)).unwrap();
    let mut all = outlook.follows();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn what_is_there_and_cannot_be_held_exactly_is_judged_by_by_nobody() {
    let relation = followed();
    let customer = |json: &str| record(&relation.to, json);
    for json in [
        "{}",
        r#"{"tier":"gold","credit":"49.5","since":"2026-03-01T12:00:00Z","limits":["5","10.25"]}"#,
        r#"{"tier":"silver","limits":[]}"#,
        // Nothing goes by it.
        r#"{"tier":"gold","name":"x"}"#,
    ] {
        assert!(relation.is_sound(&customer(json)), "{json}");
    }
    for json in [
        r#"{"tier":"gold","credit":"49.50001"}"#,
        r#"{"since":"2026-03-01T12:00:00.0001Z"}"#,
        r#"{"limits":["5","10.00001"]}"#,
    ] {
        assert!(!relation.is_sound(&customer(json)), "{json}");
    }
}

#[test]
fn a_list_may_have_gaps_and_nothing_of_another_type() {
    let relation = followed();
    let of = |member: Value| {
        relation.is_sound(&put(&relation, Value::List(vec![Value::Decimal("5".parse().unwrap()), member])))
    };
    for gap in [Value::Null, Value::Text("".into())] {
        assert!(of(gap.clone()), "{gap:?}");
    }
    for other in [Value::Text("5".into()), Value::Integer(5), Value::Boolean(true)] {
        assert!(!of(other.clone()), "{other:?}");
    }
    assert!(!relation.is_sound(&put(&relation, Value::Decimal("5".parse().unwrap()))));
}
