//! The laws of merging, and what counts as a change.

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::*;
use crate::schema::{
    json,
    testing::{open_view, order_entity, record, records, written},
};

fn patched(entity: &Entity, stored: &str, patch: &str, view: &View) -> Record {
    let proposed = json::read(entity, patch.as_bytes(), view).unwrap();
    merge(entity, &record(entity, stored), &proposed, view)
}

fn text(stored: &str, patch: &str, body: Body) -> String {
    let entity = order_entity();
    written(&entity, &patched(&entity, stored, patch, &open_view(&entity, body)), None)
}

fn paths(entity: &Entity, set: FieldSet) -> Vec<String> {
    set.iter().map(|leaf| entity.leaf(leaf).unwrap().path.to_string()).collect()
}

fn differ(old: &str, new: &str) -> Vec<String> {
    let entity = order_entity();
    paths(&entity, changed(&record(&entity, old), &record(&entity, new), &entity))
}

#[test]
fn a_patch_changes_what_it_mentions_and_null_clears() {
    let stored = r#"{"number":"1","total":"5","ship_to":{"city":"Łódź","country":"PL"},"tags":["a","b"]}"#;
    assert_eq!(
        text(stored, r#"{"ship_to":{"country":"DE"},"tags":["c"],"total":null}"#, Body::Patch),
        r#"{"number":"1","ship_to":{"city":"Łódź","country":"DE"},"tags":["c"]}"#
    );
}

#[test]
fn replacing_clears_what_may_be_written_and_keeps_the_rest() {
    let entity = order_entity();
    let view = View::of(&entity, Body::Replace);
    let stored = r#"{"id":"7","number":"1","urgent":true,"total":"5","customer":"c","ship_to":{"city":"X"},
        "lines":[{"id":"a","quantity":"1","net_total":"9"}],"tags":["a"]}"#;
    let new = patched(
        &entity,
        stored,
        r#"{"customer":"d","lines":[{"id":"a","quantity":"2"},{"quantity":"1"}]}"#,
        &view,
    );
    assert_eq!(
        written(&entity, &new, None),
        r#"{"id":"7","number":"1","customer":"d","lines":[{"id":"a","quantity":"2","net_total":"9"},{"quantity":"1"}],"tags":[]}"#
    );
    let changed = changed(&record(&entity, stored), &new, &entity);
    let expected = ["urgent", "customer", "total", "ship_to.city", "lines.quantity", "tags"];
    assert_eq!(paths(&entity, changed), expected);
}

/// Whether the items hold what may not be written must not show in what becomes of the list.
#[test]
fn a_list_that_is_left_out_stays_where_its_items_could_hold_what_may_not_be_written() {
    let entity = order_entity();
    let mut view = View::of(&entity, Body::Replace);
    let new = |view: &View, stored: &str| written(&entity, &patched(&entity, stored, "{}", view), None);
    view.required = FieldSet::EMPTY;
    for stored in [
        r#"{"lines":[{"id":"a","sku":"A"}]}"#,
        r#"{"lines":[{"id":"a","sku":"A","net_total":"9"}]}"#,
        r#"{"lines":[]}"#,
    ] {
        assert_eq!(new(&view, stored), stored);
    }
    view.writable = entity.all();
    assert_eq!(new(&view, r#"{"lines":[{"id":"a","sku":"A","net_total":"9"}]}"#), r#"{"lines":[]}"#);
}

#[test]
fn equal_by_value_is_no_change() {
    assert!(
        differ(
            r#"{"total":"1.0","updated_at":"2026-01-01T00:00:00Z"}"#,
            r#"{"total":"1.00","updated_at":"2026-01-01T01:00:00+01:00"}"#
        )
        .is_empty()
    );
    assert!(differ(r#"{"tags":["a","b"]}"#, r#"{"tags":["b","a"]}"#).is_empty(), "a set has no order");
    assert!(differ("{}", r#"{"tags":[],"lines":[]}"#).is_empty());
}

#[test]
fn an_item_that_comes_or_goes_marks_every_leaf_it_holds() {
    let old = r#"{"lines":[{"id":"a","quantity":"1","net_total":"9"},{"id":"b","sku":"B","quantity":"1"}]}"#;
    assert_eq!(
        differ(old, r#"{"lines":[{"id":"b","sku":"B","quantity":"1"}]}"#),
        ["lines.id", "lines.quantity", "lines.net_total"]
    );
    assert_eq!(
        differ(
            old,
            r#"{"lines":[{"id":"a","quantity":"3","net_total":"9"},{"id":"b","sku":"B","quantity":"1"},{"sku":"C"}]}"#
        ),
        ["lines.sku", "lines.quantity"]
    );
    assert_eq!(
        differ(
            old,
            r#"{"lines":[{"id":"b","sku":"B","quantity":"1"},{"id":"a","quantity":"1","net_total":"9"}]}"#
        ),
        ["lines.id", "lines.sku", "lines.quantity", "lines.net_total"],
        "another order is a change"
    );
    assert_eq!(differ(r#"{"lines":[{}]}"#, r#"{"lines":[]}"#).len(), 4, "doubt marks the whole list");
    assert_eq!(differ("{}", r#"{"lines":[{"sku":"A"}]}"#), ["lines.sku"]);
    assert_eq!(differ(r#"{"tags":["a"]}"#, r#"{"tags":["b"]}"#), ["tags"]);
}

#[test]
fn not_there_and_null_are_told_apart_where_a_change_is_judged() {
    assert_eq!(differ("{}", r#"{"priority":null}"#), ["priority"]);
}

/// RFC 7396, as the RFC writes it down.
fn merge_patch(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let map = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            map.remove(name);
        } else {
            merge_patch(map.entry(name.clone()).or_insert(Json::Null), value);
        }
    }
}

/// A group with nothing in it is written as absence.
fn without_empty_groups(value: &mut Json) {
    let Json::Object(map) = value else { return };
    map.values_mut().for_each(without_empty_groups);
    map.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
}

proptest! {
    #[test]
    fn a_patch_does_what_rfc_7396_says(
        stored in records(&order_entity()),
        other in records(&order_entity()),
        nulls in any::<u16>(),
    ) {
        let entity = order_entity();
        let view = open_view(&entity, Body::Patch);
        let mut patch: Json = serde_json::from_str(&written(&entity, &other, None)).unwrap();
        for (at, field) in entity.root.fields.iter().enumerate().filter(|(at, _)| nulls >> at & 1 == 1) {
            prop_assert!(at < 16);
            patch[&*field.name] = Json::Null;
        }
        let proposed = json::read(&entity, patch.to_string().as_bytes(), &view).unwrap();
        let merged = merge(&entity, &stored, &proposed, &view);
        let ours: Json = serde_json::from_str(&written(&entity, &merged, None)).unwrap();
        let mut theirs: Json = serde_json::from_str(&written(&entity, &stored, None)).unwrap();
        merge_patch(&mut theirs, &patch);
        without_empty_groups(&mut theirs);
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn an_empty_patch_changes_nothing(stored in records(&order_entity())) {
        let entity = order_entity();
        let view = open_view(&entity, Body::Patch);
        let proposed = json::read(&entity, b"{}", &view).unwrap();
        prop_assert_eq!(merge(&entity, &stored, &proposed, &view), stored);
    }

    #[test]
    fn a_record_has_no_change_against_itself(stored in records(&order_entity())) {
        prop_assert!(changed(&stored, &stored, &order_entity()).is_empty());
    }

    #[test]
    fn sending_back_what_was_read_changes_nothing(stored in records(&order_entity())) {
        let entity = order_entity();
        for body in [Body::Patch, Body::Replace] {
            let view = open_view(&entity, body);
            let proposed = json::read(&entity, written(&entity, &stored, None).as_bytes(), &view).unwrap();
            let new = merge(&entity, &stored, &proposed, &view);
            prop_assert!(changed(&stored, &new, &entity).is_empty(), "{:?}", body);
        }
    }

    #[test]
    fn merging_twice_is_merging_once_and_changes_only_what_may_be_written(
        stored in records(&order_entity()),
        other in records(&order_entity()),
        mask in any::<u32>(),
        replace in any::<bool>(),
    ) {
        let entity = order_entity();
        let writable: FieldSet = entity.ids().filter(|leaf| mask >> leaf.0 & 1 == 1).collect();
        let body = if replace { Body::Replace } else { Body::Patch };
        let view = View { writable, ..open_view(&entity, body) };
        let text = written(&entity, &other, Some(&writable));
        if let Ok(proposed) = json::read(&entity, text.as_bytes(), &view) {
            let once = merge(&entity, &stored, &proposed, &view);
            let twice = merge(&entity, &once, &proposed, &view);
            prop_assert!(changed(&once, &twice, &entity).is_empty());
            // Outside lists nothing else changes; inside them items that go take their fields with them.
            let outside: FieldSet = entity.ids().filter(|leaf| !entity.leaf(*leaf).unwrap().in_list).collect();
            let change = changed(&stored, &once, &entity).intersection(&outside);
            prop_assert!(change.is_subset(&writable), "{:?} of {:?}", change, writable);
            let back = written(&entity, &once, Some(&proposed.present.intersection(&outside)));
            prop_assert_eq!(back, written(&entity, &other, Some(&proposed.present.intersection(&outside))));
        }
    }

    #[test]
    fn what_differs_is_found(old in records(&order_entity()), new in records(&order_entity())) {
        let entity = order_entity();
        let found = changed(&old, &new, &entity);
        prop_assert_eq!(found, changed(&new, &old, &entity), "either way");
        let same = entity.all().minus(&found);
        let outside: FieldSet = same.iter().filter(|leaf| !entity.leaf(*leaf).unwrap().in_list).collect();
        for leaf in outside.iter() {
            prop_assert_eq!(old.first(&entity, leaf), new.first(&entity, leaf));
        }
    }
}
