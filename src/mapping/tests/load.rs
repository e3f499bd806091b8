//! Facts about loading: every mistake at once, each with its place and the nearest name.

use super::*;

fn told(entity: &str) -> String {
    let text = format!("numbers: text\nabsent: {{ any: [\"\"] }}\nentities:\n  Customer:\n{entity}");
    load_text("x", &text, "https://x.example").1
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let told = told(
        "    at: /c
    fields:
      given_nam: a
      kind: =persn
      family_name: { att: b }
      name: { at: 'x..y' }
      emails: c
      id: d
      status: { at: e, values: { a: actve } }
",
    );
    for word in [
        "`given_nam` is no field of `Customer` here (did you mean `given_name`?)",
        "x.yaml:8:13: error: `persn`: not one of the field's codes (did you mean `person`?)",
        "key `at` is missing",
        "unknown key `att` (did you mean `at`?)",
        "empty step",
        "expected a map, found `c`",
        "`id` is not mapped by a line",
        "`actve`: not one of the field's codes (did you mean `active`?)",
    ] {
        assert!(told.contains(word), "{word} not in:\n{told}");
    }
}

#[test]
fn a_line_that_cannot_be_inverted_says_so_or_is_refused() {
    let line = |write: &str| {
        told(&format!(
            "    at: /c\n    fields:\n      status: {{ at: s, values: {{ a: active, b: active }}{write} }}\n"
        ))
    };
    assert!(line("").contains("several native values mean `active`"), "{}", line(""));
    assert_eq!(line(", write: never"), "");
    assert_eq!(line(", back: { active: a }"), "");
    assert!(line(", back: { active: c }").contains("`c` does not mean `active`"));
}

#[test]
fn two_lines_that_write_one_native_place_are_refused() {
    let told =
        told("    at: /c\n    fields:\n      given_name: a.b\n      family_name: a.b\n      company: a\n");
    assert_eq!(told.matches("is written by").count(), 2, "{told}");
}

#[test]
fn two_places_of_a_list_need_a_constant_to_tell_them_apart() {
    let told = told("    at: /c\n    fields:\n      phones: [ { value: a }, { value: b } ]\n");
    assert!(told.contains("not told apart"), "{told}");
}

#[test]
fn unknown_entities_tables_dialects_and_settings_are_told_with_the_nearest_name() {
    let text = "
tables: { units: { A: B } }
filters: {}
entities:
  Custmer: { at: /c, fields: {} }
  Product:
    at: /p
    list: { get: '', rows: r, filter: groops }
    fields: { unit: { at: u, values: unitz, write: never }, list_price.currency: =$settings.currency }
";
    let told = load_text("x", text, "https://x.example").1;
    for word in [
        "did you mean `Customer`",
        "did you mean `units`",
        "`groops` is not in `filters`",
        "setting `currency`",
    ] {
        assert!(told.contains(word), "{word} not in:\n{told}");
    }
}

#[test]
fn a_matcher_that_asks_two_questions_is_refused() {
    for (asks, is_refused) in [("equals: a", false), ("equals: a, contains: b", true)] {
        let text = format!("errors: [ {{ status: any, at: e, {asks}, is: unknown }} ]\nentities: {{}}\n");
        let told = load_text("x", &text, "https://x.example").1;
        assert_eq!(told.contains("asks one question"), is_refused, "{told}");
    }
}

#[test]
fn the_keys_of_other_rooms_are_left_alone() {
    let text = "system: x\nbase: y\nsign_in: {}\nentities: {}\n";
    let (system, told) = load_text("x", text, "https://x.example");
    assert!(system.is_some() && told.is_empty(), "{told}");
}

#[test]
fn a_native_list_that_should_be_written_with_a_change_is_refused() {
    let text = |write: &str| {
        format!(
            "entities:\n  Order:\n    at: /o\n    update: {{}}\n    create: {{}}\n    fields:\n      lines: {{ each: l, write: {write}, fields: {{ quantity: q }} }}\n"
        )
    };
    for (write, is_refused) in [("update", true), ("create", false), ("never", false)] {
        let told = load_text("x", &text(write), "https://x.example").1;
        assert_eq!(told.contains("`lines` cannot be changed with the record"), is_refused, "{write}: {told}");
    }
}

#[test]
fn a_list_that_cannot_be_read_is_told() {
    let text = format!(
        "entities:\n  Customer:\n    at: /c\n    list: {{ rows: {} }}\n    fields: {{}}\n",
        "r".repeat(1025)
    );
    let (system, told) = load_text("x", &text, "https://x.example");
    assert!(system.is_none() && told.contains("too long"), "{told}");
}

#[test]
fn an_address_that_no_url_can_hold_is_refused_with_its_place_when_the_file_loads() {
    let list = |address: &str| {
        told(&format!(
            "    at: /c\n    list: {{ get: '{address}', rows: r }}\n    fields:\n      company: a\n"
        ))
    };
    for (address, word) in [
        ("/my customers", "x.yaml:6:18: error: no address may hold ` ` (write `%20`)"),
        ("/łódź", "no address may hold `\\u{142}` (write `%C5%82`)"),
        ("/a\"b", "no address may hold `\\\"` (write `%22`)"),
        ("/a#b", "an address has no fragment, which begins with `#` (write `%23`)"),
        ("/50%", "`%` begins two hexadecimal digits in an address (write `%25`)"),
        ("/a%2", "`%` begins two hexadecimal digits"),
    ] {
        assert!(list(address).contains(word), "{address}: {}", list(address));
    }
    for address in ["/my%20customers?$filter=a(b)&c=[d|e]", "", "/a-b.c_d~e:f@g!h*i+j,k;l=m'n"] {
        assert_eq!(list(&address.replace('\'', "''")), "", "{address}");
    }
    for at in [
        "    at: '/c d'\n",
        "    at: /c\n    read: { get: '/c d/{key}' }\n",
        "    at: /c\n    create: { post: '/c d' }\n",
    ] {
        let told = told(&format!("{at}    key: {{ at: id }}\n    fields:\n      company: a\n"));
        assert!(told.contains("no address may hold ` `"), "{at}: {told}");
    }
}

#[test]
fn a_dialect_or_a_search_that_did_not_load_is_told_once_and_never_as_missing() {
    let text = "
filters:
  domain: { shape: list, one: ['{field}', '{op}', '{value}'], ops: { eq: '=' }, body: ., any: { a: b } }
finds:
  unit: { by: name, key: id, form: digits, list: { at: /units, rows: r, filter: domain } }
entities:
  Product:
    at: /p
    list: { post: '', rows: r, filter: domain, body: { where: '{filter}' } }
    fields: { name: n, unit: { at: u, write_at: u, find: unit, values: { a: H87 } } }
  Customer:
    at: /c
    list: { post: '', rows: r, filter: domain, body: { where: '{filter}' } }
    fields: { name: n }
";
    let (system, told) = load_text("x", text, "https://x.example");
    assert!(system.is_none());
    for missing in ["is not in `filters`", "has an `at` of its own", "is not in `finds`", "have no place"] {
        assert!(!told.contains(missing), "{missing}: {told}");
    }
    assert_eq!(told.matches("error").count(), 1, "{told}");
}

#[test]
fn what_a_system_lacks_may_be_a_list_or_a_group_and_a_native_list_is_not_written_by_a_change() {
    let text = |lacks: &str, write: &str| {
        format!(
            "entities:\n  Customer:\n    at: /c\n    read: {{}}\n    create: {{}}\n    update: {{}}\n    lacks: {{ {lacks}: replaced whole }}\n    fields:\n      name: n\n      credit: {{ limit: {{ at: c, write: never }}, currency: =EUR }}\n      emails: {{ each: e, write: {write}, fields: {{ value: v }} }}\n"
        )
    };
    for (lacks, write) in [
        ("emails", "create"),
        ("emails", "never"),
        ("emails.value", "create"),
        ("emails.value", "never"),
        ("credit", "create"),
    ] {
        let (system, told) = load_text("x", &text(lacks, write), "https://x.example");
        let system = system.unwrap_or_else(|| panic!("{lacks} {write}: {told}"));
        let mapping = system.entity("Customer").unwrap();
        let leaf = if lacks == "credit" { "credit.limit" } else { "emails.value" };
        let leaf = mapping.entity().leaf_at(leaf).unwrap();
        assert_eq!(mapping.lack_of(leaf), Some("replaced whole"), "{lacks}");
    }
    let told = load_text("x", &text("name", "create"), "https://x.example").1;
    assert!(told.contains("`name` is written by its line"), "{told}");
    let told = load_text("x", &text("emals", "create"), "https://x.example").1;
    assert!(told.contains("did you mean `emails`"), "{told}");
}

#[test]
fn words_that_go_with_another_say_with_which() {
    let told = |line: &str| {
        let text =
            format!("entities:\n  Customer:\n    at: /c\n    create: {{}}\n    fields:\n      {line}\n");
        load_text("x", &text, "https://x.example").1
    };
    for word in ["most: 20", "write: create"] {
        let told = told(&format!("name: {{ join: [a, b], {word} }}"));
        assert!(told.contains("goes with `back: first`") && !told.contains("unknown key"), "{told}");
    }
    let most = told("name: { at: a, most: 300 }");
    assert!(most.contains("`most: 300` says nothing: the schema allows 250 characters"), "{most}");
    assert!(told("name: { at: a, most: 200 }").is_empty());
    let spelt = told("vat_id: { at: a, home: PL, spelt: once }");
    assert!(spelt.contains("take `spelt` out"), "{spelt}");
}
