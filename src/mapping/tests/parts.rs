//! Facts about lists whose elements are written by requests of their own.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const FILE: &str = r#"
speaks: odata2
absent: { any: [""] }
clear: { any: "" }
entities:
  Order:
    at: /Orders
    key: Order
    version: { at: __metadata.etag, send: If-Match }
    read: {}
    delete: {}
    create: { parts: { lines: { add: { post: "/Orders({key})/to_Item" } } }, undo: delete }
    update:
      parts:
        lines:
          version: { at: __metadata.etag, send: If-Match }
          add: { post: "/Items", body: { Order: "{key}", "{record}": ~ } }
          change: { patch: "/Items(Order={key},Item={part})", headers: { Prefer: return=minimal } }
          remove: { delete: "/Items(Order={key},Item={part})" }
          most: 3
    fields:
      currency: Currency
      buyer_reference: Reference
      lines:
        each: to_Item.results
        key: Item
        fields:
          sku: { at: Material, write: create }
          description: Text
          quantity: { at: Quantity, as: { scale: 3 } }
          line_net_total: { at: Amount, write: never }
"#;

fn system() -> System {
    let (system, told) = load_text("s", FILE, "https://s.example/odata");
    system.unwrap_or_else(|| panic!("{told}"))
}

const OLD: &str = r#"{"currency":"USD","lines":[{"id":"10","sku":"A","quantity":"1"},{"id":"20","sku":"B","quantity":"2"},{"id":"30","sku":"C","quantity":"3"}]}"#;

fn native(versions: [&str; 3]) -> NativeAnswer {
    let item = |(n, etag): (usize, &str)| json!({ "Item": format!("{n}0"), "__metadata": { "etag": etag } });
    let items: Vec<Value> = versions.into_iter().enumerate().map(|(n, etag)| item((n + 1, etag))).collect();
    answer(200, &json!({ "d": { "Order": "7", "to_Item": { "results": items } } }).to_string())
}

fn told(mapping: &Mapping, old: &str, new: &str) -> Result<Changes, Vec<MappingFault>> {
    let versions = mapping.part_versions(&native(["v1", "v2", "v3"])).unwrap();
    let records = (&record(mapping, old), &record(mapping, new));
    mapping.changes("7", records, (Some("v0"), &versions), &FieldSet::EMPTY, None)
}

fn refused(mapping: &Mapping, new: &str) -> Vec<(String, String)> {
    let faults = told(mapping, OLD, new).unwrap_err();
    faults.into_iter().map(|fault| (fault.pointer, fault.message)).collect()
}

fn shown(request: &NativeRequest) -> (String, Option<&str>, Value) {
    let target = percent_encoding::percent_decode_str(&request.target).decode_utf8().unwrap();
    let version = request.headers.get("if-match").map(|value| value.to_str().unwrap());
    let body =
        if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).unwrap() };
    (format!("{} {target}", request.method), version, body)
}

#[test]
fn a_change_of_a_list_is_told_apart_by_keys_and_sent_one_by_one() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let new = r#"{"currency":"EUR","lines":[{"sku":"D","quantity":"4"},{"id":"10","sku":"A","quantity":"1"},{"id":"30","sku":"C","quantity":"9.5"}]}"#;
    let changes = told(m, OLD, new).unwrap();
    assert_eq!(
        shown(changes.record.as_ref().unwrap()),
        ("PATCH /Orders('7')".into(), Some("v0"), json!({ "Currency": "EUR" }))
    );
    let parts: Vec<_> = changes.parts.iter().map(|part| shown(&part.request)).collect();
    assert_eq!(
        parts,
        [
            ("POST /Items".into(), None, json!({ "Order": "7", "Material": "D", "Quantity": "4" })),
            ("PATCH /Items(Order='7',Item='30')".into(), Some("v3"), json!({ "Quantity": "9.5" })),
            ("DELETE /Items(Order='7',Item='20')".into(), Some("v2"), Value::Null),
        ]
    );
    assert_eq!(changes.parts[1].request.headers["prefer"], "return=minimal");
    let places: Vec<_> = changes.parts.iter().map(|part| (part.pointer.as_str(), part.what)).collect();
    assert_eq!(
        places,
        [("/lines/0", PartChange::Added), ("/lines/2", PartChange::Changed), ("/lines", PartChange::Removed)]
    );
    // Nothing changes, so nothing is sent; and a list alone leaves the record alone.
    let same = told(m, OLD, OLD).unwrap();
    assert!(same.record.is_none() && same.parts.is_empty());
    assert!(told(m, OLD, &new.replace("EUR", "USD")).unwrap().record.is_none());
}

#[test]
fn what_a_list_cannot_become_is_refused_with_its_place() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let of = |lines: &str| refused(m, &format!(r#"{{"currency":"USD","lines":[{lines}]}}"#));
    let one = |lines: &str| of(lines).remove(0);
    let (a, b, c) = (
        r#"{"id":"10","sku":"A","quantity":"1"}"#,
        r#"{"id":"20","sku":"B","quantity":"2"}"#,
        r#"{"id":"30","sku":"C","quantity":"3"}"#,
    );
    let (at, why) = one(&format!(r#"{a},{b},{{"id":"40","sku":"X","quantity":"1"}}"#));
    assert_eq!((at.as_str(), why.as_str()), ("/lines/2/id", "the record has no such element"));
    let (at, why) = one(&format!("{a},{a},{b},{c}"));
    assert_eq!((at.as_str(), why.as_str()), ("/lines/1/id", "this element stands here a second time"));
    let (at, why) = one(&format!("{b},{a},{c}"));
    assert_eq!((at.as_str(), why.as_str()), ("/lines/1/id", "the system keeps these in an order of its own"));
    let changed = r#"{"id":"20","sku":"Z","quantity":"2"}"#;
    let (at, why) = one(&format!("{a},{changed},{c}"));
    assert_eq!((at.as_str(), why.as_str()), ("/lines/1/sku", "the system does not let this be set"));
    let long = r#"{"id":"20","sku":"B","quantity":"2.12345"}"#;
    assert_eq!(one(&format!("{a},{long},{c}")).0, "/lines/1/quantity");
    let new = r#"{"sku":"N","quantity":"1"}"#;
    let (at, why) = one(&format!("{a},{b},{c},{new},{new},{new},{new}"));
    assert_eq!((at.as_str(), why.as_str()), ("/lines", "at most 3 of these are written at once"));
    // Together with those that go.
    assert_eq!(one(&format!("{new},{new},{c}")).1, "at most 3 of these are written at once");
    assert!(told(m, OLD, r#"{"currency":"USD","lines":[]}"#).is_ok_and(|changes| changes.parts.len() == 3));
}

#[test]
fn an_element_without_a_version_is_the_systems_fault_where_it_is_guarded_by_one() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let none = answer(200, r#"{"d":{"Order":"7","to_Item":{"results":[{"Item":"10"}]}}}"#);
    let versions = m.part_versions(&none).unwrap();
    let new = OLD.replace(r#""quantity":"1""#, r#""quantity":"5""#);
    let records = (&record(m, OLD), &record(m, &new));
    let faults = m.changes("7", records, (Some("v0"), &versions), &FieldSet::EMPTY, None).unwrap_err();
    assert_eq!(faults[0].whose, Whose::System);
    // Two elements of one key are none that could be told apart.
    let twice = OLD.replace("\"20\"", "\"10\"");
    let records = (&record(m, &twice), &record(m, &new));
    let versions = m.part_versions(&native(["a", "b", "c"])).unwrap();
    let faults = m.changes("7", records, (Some("v0"), &versions), &FieldSet::EMPTY, None).unwrap_err();
    assert_eq!(faults[0].whose, Whose::System);
    assert!(!m.leaves_unguarded(records.0, records.1), "their elements have versions");
    let file = FILE.replacen("          version: { at: __metadata.etag, send: If-Match }\n", "", 1);
    let (bare, _) = load_text("s", &file, "https://s.example/odata");
    assert!(bare.unwrap().entity("Order").unwrap().leaves_unguarded(records.0, records.1));
}

#[test]
fn a_record_is_made_first_and_its_elements_by_its_key() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let new = r#"{"currency":"USD","lines":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"2"}]}"#;
    let made = m.creation(&record(m, new), None).unwrap();
    assert_eq!(shown(&made.record), ("POST /Orders".into(), None, json!({ "Currency": "USD" })));
    assert!(m.undoes());
    let part = |draft| m.part(draft, "O'H", &PartVersions::default()).unwrap();
    let parts: Vec<_> = made.parts.into_iter().map(part).collect();
    let sent: Vec<_> = parts.iter().map(|part| (shown(&part.request), part.pointer.as_str())).collect();
    assert_eq!(sent[0].0.0, "POST /Items");
    assert_eq!(sent[1].0.2, json!({ "Order": "O'H", "Material": "B", "Quantity": "2" }));
    assert_eq!(sent[1].1, "/lines/1");
    // What is judged has them all the same.
    let held = m.settled(Before::Nothing, record(m, new), &FieldSet::EMPTY).held;
    assert_eq!(json(m.entity(), &held)["lines"][1]["quantity"], "2");
    let many: Vec<Value> = (0..4).map(|n| json!({ "sku": "A", "quantity": n.to_string() })).collect();
    let faults =
        m.creation(&record(m, &json!({ "currency": "USD", "lines": many }).to_string()), None).unwrap_err();
    assert_eq!(faults[0].pointer, "/lines");
}

#[test]
fn what_is_judged_of_a_changed_list_is_what_was_sent() {
    let system = system();
    let m = system.entity("Order").unwrap();
    let stored = answer(
        200,
        r#"{"d":{"Order":"7","Currency":"USD","to_Item":{"results":[{"Item":"10","Material":"A","Text":"one","Quantity":"1","Amount":"9"}]}}}"#,
    );
    let old = m.inward(&stored, &m.entity().all()).unwrap().record;
    let new = record(
        m,
        r#"{"currency":"EUR","lines":[{"id":"10","sku":"A","quantity":"5"},{"sku":"N","quantity":"1"}]}"#,
    );
    let held = m.settled(Before::Told { record: &old, answer: &stored }, new, &FieldSet::EMPTY).held;
    let held = json(m.entity(), &held);
    assert_eq!(held["currency"], "EUR");
    assert_eq!(held["lines"][0]["quantity"], "5");
    assert_eq!(held["lines"][1]["sku"], "N");
}

#[test]
fn a_bad_description_of_parts_is_told_with_what_to_write() {
    for (from, to, wrong) in [
        ("        lines:\n          version", "        linse:\n          version", "did you mean `lines`?"),
        ("        key: Item\n", "", "say where an element's own key stands"),
        ("Item={part})\", headers", "Item={line})\", headers", "there are `{key}` and `{part}`"),
        ("/Items(Order={key},Item={part})\", headers", "/Items(Order={key})\", headers", "stands in it once"),
        (
            "\"/Items(Order={key},Item={part})\" }\n          most",
            "\"Items({part})\" }\n          most",
            "begins with `/`",
        ),
        (
            "{ post: \"/Items\", body: { Order: \"{key}\", \"{record}\": ~ } }",
            "{ post: \"/Items\" }",
            "of which record the element is",
        ),
        (
            "{ post: \"/Items\", body: { Order: \"{key}\", \"{record}\": ~ } }",
            "{ post: \"/Items\", body: { Order: \"{key}\" } }",
            "must hold the element once",
        ),
        (
            "{ post: \"/Items\", body: { Order: \"{key}\", \"{record}\": ~ } }",
            "{ post: \"/Items({part})\" }",
            "has no key yet",
        ),
        ("{ delete: \"/Items(Order={key},Item={part})\" }", "{ get: \"/Items({part})\" }", "`get`"),
        ("          most: 3", "          most: 0", "from 1 to 1000"),
        ("undo: delete }", "undo: archive }", "expected `delete`"),
        ("    delete: {}\n", "", "needs the entity's `delete`"),
        (
            "create: { parts: { lines: { add: { post: \"/Orders({key})/to_Item\" } } }, undo",
            "create: { undo",
            "goes with `parts`",
        ),
        ("speaks: odata2", "speaks: xml", "only a system that speaks JSON or OData has `parts`"),
        (
            "        each: to_Item.results\n",
            "        each: to_Item.results\n        write: never\n",
            "is never written, and yet has `parts`",
        ),
    ] {
        assert!(FILE.contains(from), "{from}");
        let (_, found) = load_text("s", &FILE.replacen(from, to, 1), "https://s.example/odata");
        assert!(found.contains(wrong), "{to}: {found}");
        assert!(found.contains("s.yaml:"), "{found}");
    }
}

#[test]
fn a_reason_stands_only_beside_a_field_that_no_line_writes() {
    let with = |field: &str| {
        FILE.replace(
            "    fields:\n      currency",
            &format!("    lacks: {{ {field}: it is worked out }}\n    fields:\n      currency"),
        )
    };
    let (system, told) = load_text("s", &with("lines.line_net_total"), "https://s.example");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let leaf = |path: &str| m.entity().leaf_at(path).unwrap();
    assert_eq!(m.lack_of(leaf("lines.line_net_total")), Some("it is worked out"));
    assert_eq!(m.lack_of(leaf("lines.quantity")), None);
    let (_, told) = load_text("s", &with("lines.quantity"), "https://s.example");
    assert!(told.contains("`lines.quantity` is written by its line"), "{told}");
}

proptest! {
    /// Whatever the keys are, they stay keys: each literal of the address ends where its value does.
    #[test]
    fn no_key_gets_out_of_its_literal(key in "\\PC{1,12}", part in "\\PC{1,12}") {
        let system = system();
        let m = system.entity("Order").unwrap();
        let line = |quantity: &str| json!({ "currency": "USD", "lines": [{ "id": part, "sku": "A", "quantity": quantity }] }).to_string();
        let item = json!({ "Item": part, "__metadata": { "etag": "v" } });
        let stored = answer(200, &json!({ "d": { "Order": "7", "to_Item": { "results": [item] } } }).to_string());
        let versions = m.part_versions(&stored).unwrap();
        let records = (record(m, &line("1")), record(m, &line("2")));
        let changes = m.changes(&key, (&records.0, &records.1), (Some("v0"), &versions), &FieldSet::EMPTY, None);
        let Ok(changes) = changes else { return Ok(()) };
        let target = &changes.parts[0].request.target;
        prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte)));
        let target = percent_encoding::percent_decode_str(target).decode_utf8().unwrap().into_owned();
        let inner = target.strip_prefix("/Items(Order=").unwrap().strip_suffix(')').unwrap();
        let mut read = Vec::new();
        let mut rest = inner;
        loop {
            let mut text = String::new();
            let mut chars = rest.strip_prefix('\'').unwrap().char_indices().peekable();
            let end = loop {
                let (at, c) = chars.next().unwrap();
                match c {
                    '\'' if chars.peek().is_some_and(|(_, c)| *c == '\'') => {
                        chars.next();
                        text.push('\'');
                    }
                    '\'' => break at + 2,
                    c => text.push(c),
                }
            };
            read.push(text);
            match rest[end..].strip_prefix(",Item=") {
                Some(next) => rest = next,
                None => {
                    prop_assert_eq!(&rest[end..], "");
                    break;
                }
            }
        }
        prop_assert_eq!(read, vec![key, part]);
    }
}

#[test]
fn an_element_is_kept_as_the_record_that_is_there_keeps_its_elements() {
    let lines = "          net_price: { at: Price, when: { $up.Taxed: false } }\n          tax_inclusive_price: { at: Price, when: { $up.Taxed: true } }\n";
    let file = FILE.replace(
        "      lines:\n        each",
        "      prices_include_tax: { at: Taxed, write: create }\n      lines:\n        each",
    );
    let file = format!("{file}{lines}");
    let (system, told) = load_text("s", &file, "https://s.example/odata");
    let system = system.unwrap_or_else(|| panic!("{told}"));
    let m = system.entity("Order").unwrap();
    let order = |taxed: &str, price: &str| {
        format!(r#"{{"currency":"USD"{taxed},"lines":[{{"id":"10","quantity":"1",{price}}}]}}"#)
    };
    let net = order(r#","prices_include_tax":false"#, r#""net_price":"5""#);
    let cheaper = order(r#","prices_include_tax":false"#, r#""net_price":"4""#);
    let bodies = |old: &str, new: &str| -> Vec<Value> {
        let versions = m.part_versions(&native(["v1", "v2", "v3"])).unwrap();
        let changes = m.changes(
            "7",
            (&record(m, old), &record(m, new)),
            (Some("v0"), &versions),
            &FieldSet::EMPTY,
            None,
        );
        let parts = changes.unwrap_or_else(|faults| panic!("{faults:?}")).parts;
        parts.iter().map(|part| serde_json::from_slice(&part.request.body).unwrap()).collect()
    };
    assert_eq!(bodies(&net, &cheaper), [json!({ "Price": "4" })]);
    let faults = |old: &str, new: &str| {
        let versions = m.part_versions(&native(["v1", "v2", "v3"])).unwrap();
        m.changes("7", (&record(m, old), &record(m, new)), (Some("v0"), &versions), &FieldSet::EMPTY, None)
            .unwrap_err()
    };
    let gross = order(r#","prices_include_tax":false"#, r#""tax_inclusive_price":"5""#);
    let told = faults(&net, &gross);
    assert_eq!(
        (told.len(), told[0].pointer.as_str(), told[0].whose),
        (1, "/lines/0/tax_inclusive_price", Whose::Caller),
        "{told:?}"
    );
    // A record that does not say how it keeps its elements is not guessed at.
    let told = faults(&order("", r#""net_price":"5""#), &order("", r#""net_price":"4""#));
    assert_eq!((told.len(), told[0].whose), (1, Whose::System), "{told:?}");
    let untold = file.replace("write: create }\n      lines", "write: always }\n      lines");
    let (_, told) = load_text("s", &untold, "https://s.example/odata");
    assert!(told.contains("a change of it would change them all"), "{told}");
}
