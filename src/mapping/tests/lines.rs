//! Facts about lines that say more than where one value stands.

use serde_json::{Value as Json, json};

use super::*;

mod found;
mod law;
mod roots;
mod shared;
mod switched;

const THING: &str = r#"
title: Thing
description: A thing
x-collection: things
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: names it }
  name: { type: string, maxLength: 60, x-class: internal, description: its name }
  text: { type: string, maxLength: 200, x-class: internal, description: what it is }
  vat: { type: string, maxLength: 20, x-class: internal, description: a number }
  gln: { type: string, maxLength: 20, x-class: internal, description: a number }
  tags:
    type: array
    maxItems: 20
    description: words
    items: { type: string, maxLength: 20, x-class: internal, description: a word }
  address:
    type: object
    description: where
    properties:
      post_code: { type: string, maxLength: 20, x-class: internal, description: code }
      city: { type: string, maxLength: 40, x-class: internal, description: town }
      floor: { type: integer, x-class: internal, description: floor }
  mails:
    type: array
    maxItems: 20
    description: addresses
    items:
      type: object
      properties:
        value: { type: string, maxLength: 60, x-class: internal, description: the address }
  phones:
    type: array
    maxItems: 20
    description: numbers
    items:
      type: object
      properties:
        value: { type: string, maxLength: 60, x-class: internal, description: the number }
  codes:
    type: array
    maxItems: 20
    description: codes
    items:
      type: object
      properties:
        scheme: { type: string, enum: [nip, pesel], x-class: internal, description: which }
        value: { type: string, maxLength: 20, x-class: internal, description: the code }
  places:
    type: array
    maxItems: 20
    description: places
    items:
      type: object
      properties:
        role: { type: string, enum: [billing, contact], x-class: internal, description: what for }
        city: { type: string, maxLength: 40, x-class: internal, description: town }
        street: { type: string, maxLength: 40, x-class: internal, description: street }
  net: { type: string, format: decimal, x-class: internal, description: without tax }
  gross: { type: string, format: decimal, x-class: internal, description: with tax }
  total: { type: string, format: decimal, x-class: internal, description: all of it }
  currency: { type: string, maxLength: 3, x-class: internal, description: of amounts }
  taxed: { type: boolean, x-class: internal, description: whether amounts hold tax }
  count: { type: integer, x-class: internal, description: how many }
  lines:
    type: array
    maxItems: 50
    description: lines
    items:
      type: object
      properties:
        amount: { type: string, format: decimal, x-class: internal, description: how much }
        doubled: { type: string, format: decimal, x-class: internal, description: twice as much }
        currency: { type: string, maxLength: 3, x-class: internal, description: of the amount }
        note: { type: string, maxLength: 40, x-class: internal, description: a remark }
"#;

/// What the lines of a `Thing` load as, and what is told of them.
fn tried(fields: &str) -> (Option<System>, String) {
    let name: Arc<str> = "thing.yaml".into();
    let schema = schema::load::schema(&[(name.clone(), tree::parse(&name, THING).unwrap())]).unwrap().0;
    let mut file = String::from(
        "absent: { any: [\"\"] }\nclear: { any: \"\" }\nsettings: { taxed: \"true\" }\nentities:\n  Thing:\n    at: /t\n    read: {}\n    create: {}\n    update: {}\n    list: { rows: rows }\n    fields:\n",
    );
    for line in fields.lines() {
        file.push_str(&format!("      {line}\n"));
    }
    let mut found = Diagnostics::default();
    let node = tree::parse(&"x.yaml".into(), &file).unwrap_or_else(|found| panic!("{found}"));
    let bases = ["https://x.example".parse().unwrap()];
    let system = System::load(&SystemName::from("x"), &node, &bases, &schema, &mut found);
    (system, found.to_string())
}

fn thing(fields: &str) -> Arc<Mapping> {
    let (system, told) = tried(fields);
    system.unwrap_or_else(|| panic!("{told}")).entity("Thing").unwrap().clone()
}

/// What a native record reads as, without its id, and the leaves that it does not tell.
fn reads(m: &Mapping, native: &Json) -> (Json, Vec<String>) {
    let mut native = native.clone();
    native["id"] = "7".into();
    let inward = m.inward(&answer(200, &native.to_string()), &m.mapped()).unwrap();
    let mut read = json(m.entity(), &inward.record);
    read.as_object_mut().unwrap().remove("id");
    let path = |leaf| m.entity().leaf(leaf).unwrap().path.to_string();
    (read, inward.missing.iter().map(path).collect())
}

fn creates(m: &Mapping, text: &Json) -> Json {
    let request = m.create(&record(m, &text.to_string())).unwrap_or_else(|faults| panic!("{faults:?}"));
    serde_json::from_slice(&request.body).unwrap()
}

fn updates(m: &Mapping, old: &Json, new: &Json) -> Json {
    let (old, new) = (record(m, &old.to_string()), record(m, &new.to_string()));
    let request = m.update("7", &old, &new, None).unwrap_or_else(|faults| panic!("{faults:?}"));
    request.map_or(Json::Null, |request| serde_json::from_slice(&request.body).unwrap())
}

/// Pointers and messages of what cannot be sent of a new record.
fn refused(m: &Mapping, text: &Json) -> Vec<(String, String)> {
    let faults = m.create(&record(m, &text.to_string())).unwrap_err();
    faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()
}

fn refused_change(m: &Mapping, old: &Json, new: &Json) -> Vec<(String, String)> {
    let (old, new) = (record(m, &old.to_string()), record(m, &new.to_string()));
    let faults = m.update("7", &old, &new, None).unwrap_err();
    faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()
}

/// Lines that do not load, each with a word of what is told.
fn all_told(cases: &[(&str, &str)]) {
    for (fields, word) in cases {
        let (system, told) = tried(fields);
        assert!(system.is_none(), "{fields} loads");
        assert!(told.contains(word) && told.contains("x.yaml:"), "{fields}: {told}");
    }
}
