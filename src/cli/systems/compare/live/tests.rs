//! What pairs and what differs, without a system.

use std::sync::Arc;

use super::{
    differ::{Differ, Difference, How, Values},
    pairs::{Key, Left, keys, pair},
};
use crate::{
    mapping::Inward,
    schema::{Body, Entity, FieldSet, LeafId, Record, View, json, load},
    words::{Diagnostics, tree},
};

const THING: &str = "
title: Thing
description: A thing
x-collection: things
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: its key }
  code: { type: string, x-class: public, x-natural-key: true, description: its code }
  mails: { type: array, description: where, items: { type: object, properties: {
    value: { type: string, x-class: personal, x-natural-key: true, description: the address },
    kind: { type: string, x-class: internal, description: of which sort } } } }
  place: { type: object, description: where it stands, properties: {
    hall: { type: string, x-class: internal, description: which hall },
    pin: { type: string, x-class: secret, description: what opens it } } }
  price: { type: string, format: decimal, x-class: confidential, description: its price }
  tags: { type: array, description: words, items: { type: string, x-class: internal } }
";

fn thing() -> Entity {
    let file: Arc<str> = "schema/thing.yaml".into();
    let mut found = Diagnostics::default();
    let entity = load::entity(&file, &tree::parse(&file, THING).unwrap(), &mut found);
    entity.unwrap_or_else(|| panic!("{found:?}"))
}

fn record(entity: &Entity, text: &str) -> Record {
    let all =
        View { body: Body::Create, writable: entity.all(), required: FieldSet::EMPTY, visible: entity.all() };
    json::read(entity, text.as_bytes(), &all).unwrap_or_else(|faults| panic!("{faults:?}")).record
}

fn rows(entity: &Entity, texts: &[&str]) -> Vec<Inward> {
    let row = |(at, text): (usize, &&str)| Inward {
        record: record(entity, text),
        id: at.to_string().into(),
        version: None,
        findings: Vec::new(),
        missing: FieldSet::EMPTY,
    };
    texts.iter().enumerate().map(row).collect()
}

fn by_schema(entity: &Entity) -> Vec<Key> {
    keys(entity, &[], &entity.all()).unwrap()
}

fn left(left: &Left) -> [&[usize]; 3] {
    [&left.alone, &left.ambiguous, &left.unkeyed]
}

#[test]
fn records_pair_by_the_first_key_that_both_have_whatever_its_case() {
    let entity = thing();
    let old = rows(
        &entity,
        &[
            r#"{"code":"A-1"}"#,
            r#"{"mails":[{"value":"Ewa@x.pl"},{"value":"e@x.pl"}]}"#,
            r#"{"code":"C"}"#,
            "{}",
        ],
    );
    let new = rows(
        &entity,
        &[
            r#"{"mails":[{"value":"ewa@x.pl"}],"code":"other"}"#,
            r#"{"code":" a-1 ","mails":[{"value":"nobody@x.pl"}]}"#,
            r#"{"code":"D"}"#,
        ],
    );
    let paired = pair(&entity, &by_schema(&entity), &old, &new);
    assert_eq!(paired.pairs, [(0, 1), (1, 0)]);
    assert_eq!(left(&paired.old), [&[2][..], &[], &[3]]);
    assert_eq!(left(&paired.new), [&[2][..], &[], &[]]);
}

#[test]
fn a_value_of_several_records_pairs_none_until_another_key_tells_them_apart() {
    let entity = thing();
    let old = rows(
        &entity,
        &[
            r#"{"code":"A","mails":[{"value":"one@x.pl"}]}"#,
            r#"{"code":"A","mails":[{"value":"two@x.pl"}]}"#,
            r#"{"code":"A"}"#,
            r#"{"mails":[{"value":"p@x.pl"},{"value":"q@x.pl"}]}"#,
        ],
    );
    let new = rows(
        &entity,
        &[
            r#"{"code":"A","mails":[{"value":"two@x.pl"}]}"#,
            r#"{"mails":[{"value":"p@x.pl"}]}"#,
            r#"{"mails":[{"value":"q@x.pl"}]}"#,
        ],
    );
    let paired = pair(&entity, &by_schema(&entity), &old, &new);
    assert_eq!(paired.pairs, [(1, 0)]);
    // One of these two may be any of the first, and one record has the addresses of two.
    assert_eq!(left(&paired.old), [&[][..], &[0, 2, 3], &[]]);
    assert_eq!(left(&paired.new), [&[][..], &[1, 2], &[]]);
}

#[test]
fn a_key_of_several_fields_needs_all_of_them() {
    let entity = thing();
    let key = keys(&entity, &["code+place.hall".to_owned()], &entity.all()).unwrap();
    let old = rows(&entity, &[r#"{"code":"A","place":{"hall":"1"}}"#, r#"{"code":"B"}"#]);
    let new =
        rows(&entity, &[r#"{"code":"A","place":{"hall":"2"}}"#, r#"{"code":"A","place":{"hall":"1"}}"#]);
    let paired = pair(&entity, &key, &old, &new);
    assert_eq!(paired.pairs, [(0, 1)]);
    assert_eq!(left(&paired.old), [&[][..], &[], &[1]]);
    assert_eq!(left(&paired.new), [&[0][..], &[], &[]]);
}

#[test]
fn a_key_that_pairs_nothing_is_refused_with_what_to_say_instead() {
    let entity = thing();
    let told = |asked: &[&str], told: &FieldSet| {
        let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
        keys(&entity, &asked, told).unwrap_err().to_string()
    };
    assert!(told(&["cod"], &entity.all()).contains("did you mean `code`?"));
    assert!(told(&["code"], &FieldSet::ID).contains("not told by both systems"));
    assert!(told(&["code+mails.value"], &entity.all()).contains("goes with no other"));
    assert!(told(&[], &FieldSet::ID).contains("`--key`"));
    assert_eq!(keys(&entity, &["id".to_owned()], &FieldSet::EMPTY).unwrap().len(), 1, "ids may be the same");
}

fn differences(values: Values, old: &str, new: &str) -> Vec<Difference> {
    let entity = thing();
    let mut fields = entity.all();
    fields.remove(LeafId(0));
    let differ = Differ { entity: &entity, fields, values };
    differ.differences(&record(&entity, old), &record(&entity, new))
}

fn told(values: Values, old: &str, new: &str) -> Vec<(String, How, String)> {
    let value = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let line = |one: Difference| (one.field, one.how, format!("{} {}", value(one.old), value(one.new)));
    differences(values, old, new).into_iter().map(line).collect()
}

#[test]
fn decimals_differ_by_value_and_lists_by_their_items_whatever_the_order() {
    let same = [
        (r#"{"price":"1.50"}"#, r#"{"price":"1.5"}"#),
        (r#"{"tags":["a","b"]}"#, r#"{"tags":["b","a"]}"#),
        (r#"{"tags":[]}"#, "{}"),
        (r#"{"code":""}"#, "{}"),
        (r#"{"place":{}}"#, "{}"),
        (
            r#"{"mails":[{"value":"a","kind":"x"},{"value":"b","kind":"y"}]}"#,
            r#"{"mails":[{"value":"b","kind":"y"},{"value":"a","kind":"x"},{}]}"#,
        ),
    ];
    for (old, new) in same {
        assert_eq!(differences(Values::Shown, old, new), [], "{old} {new}");
    }
    let swapped = (
        r#"{"mails":[{"value":"a","kind":"x"},{"value":"b","kind":"y"}]}"#,
        r#"{"mails":[{"value":"a","kind":"y"},{"value":"b","kind":"x"}]}"#,
    );
    assert_eq!(
        told(Values::Shown, swapped.0, swapped.1),
        [("mails".to_owned(), How::Items, "- -".to_owned())],
        "the same values, in other company"
    );
    let more = told(Values::Shown, r#"{"tags":["a"]}"#, r#"{"tags":["a","a"]}"#);
    assert_eq!(more, [("tags".to_owned(), How::Value, "a a | a".to_owned())]);
}

#[test]
fn how_two_values_differ_is_told() {
    let how = |old: &str, new: &str| {
        let code = |text: &str| match text {
            "" => "{}".to_owned(),
            text => format!(r#"{{"code":"{text}"}}"#),
        };
        differences(Values::Shown, &code(old), &code(new)).pop().map(|one| one.how)
    };
    assert_eq!(how("a", "a"), None);
    assert_eq!(how("a", ""), Some(How::Missing));
    assert_eq!(how("", "a"), Some(How::Added));
    assert_eq!(how("Ab", "aB"), Some(How::Case));
    assert_eq!(how("+48 22-1", "48221"), Some(How::Signs));
    assert_eq!(how("-", "+"), Some(How::Value), "signs alone are values");
    assert_eq!(how("1", "2"), Some(How::Value));
}

#[test]
fn personal_and_confidential_values_are_told_only_where_asked_for_and_secret_ones_never() {
    let old = r#"{"mails":[{"value":"a@x.pl","kind":"w"}],"place":{"hall":"1","pin":"77"},"price":"1"}"#;
    let new = r#"{"mails":[{"value":"b@x.pl","kind":"v"}],"place":{"hall":"2","pin":"88"},"price":"2"}"#;
    let of =
        |values| -> Vec<String> { told(values, old, new).into_iter().map(|(_, _, text)| text).collect() };
    assert_eq!(of(Values::Masked), ["*** ***", "w v", "1 2", "*** ***", "*** ***"]);
    assert_eq!(of(Values::Shown), ["a@x.pl b@x.pl", "w v", "1 2", "*** ***", "1 2"]);
}

#[test]
fn no_value_of_an_item_is_taken_for_two() {
    let (old, new) = (r#"{"mails":[{"value":"a2:1:b"}]}"#, r#"{"mails":[{"value":"a","kind":"b"}]}"#);
    assert_ne!(differences(Values::Shown, old, new), []);
    let long = "x".repeat(4000);
    let cut = told(Values::Shown, &format!(r#"{{"code":"{long}"}}"#), r#"{"code":"y"}"#);
    assert!(cut[0].2.len() < 300 && cut[0].2.contains('…'), "{cut:?}");
}
