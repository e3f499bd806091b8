//! Records that are sent back whole: what no changed line writes and nothing drops is as it was, in JSON and in XML.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value as Json, json as tree_of};

use super::*;
use crate::mapping::out::Out;

static PLAIN: LazyLock<System> = LazyLock::new(|| {
    loaded(
        r#"
absent: { any: [""] }
clear: { any: ~ }
entities:
  Customer:
    at: /c
    read: { rows: data.record }
    update: { put: "/{key}", send: merged, drop: [stock, "rows[].sum"], body: { record: "{record}" } }
    fields:
      name: name
      company: deep.company
      job_title: { at: "meta[k=vat].v", write: always }
"#,
    )
});

static MARKED: LazyLock<System> = LazyLock::new(|| {
    loaded(
        r##"
speaks: xml
absent: { any: [""] }
clear: { any: "" }
entities:
  Customer:
    at: /c
    wrap: root.note
    key: '@id'
    read: {}
    update: { put: "/{key}", send: merged, drop: [stock, 'deep.@old', 'rows.row[].sum'] }
    fields:
      name: name
      company: deep.company
      job_title: { at: "texts.t[@id=2].#", write: always }
"##,
    )
});

fn loaded(text: &str) -> System {
    let (system, told) = load_text("x", text, "https://x.example");
    system.filter(|_| told.is_empty()).unwrap_or_else(|| panic!("{told}"))
}

/// What is sent of a change of the record in an answer; nothing where nothing changes.
fn sent(system: &System, stored: &str, change: &Json) -> Result<Option<String>, Vec<MappingFault>> {
    let mapping = system.entity("Customer").unwrap();
    let answer = answer(200, stored);
    let old = mapping
        .inward_of("7", &answer, &mapping.entity().all())
        .unwrap_or_else(|why| panic!("{why}: {stored}"));
    let mut new = json(mapping.entity(), &old.record);
    for (name, value) in change.as_object().unwrap() {
        match value {
            Json::Null => drop(new.as_object_mut().unwrap().remove(name)),
            value => new[name] = value.clone(),
        }
    }
    let new = record(mapping, &without_id(new));
    let old = record(mapping, &without_id(json(mapping.entity(), &old.record)));
    let versions = mapping.part_versions(&answer).unwrap();
    let changes = mapping.changes("7", (&old, &new), (None, &versions), &FieldSet::EMPTY, None)?;
    assert!(changes.parts.is_empty());
    Ok(changes.record.map(|request| String::from_utf8(request.body.to_vec()).unwrap()))
}

fn without_id(mut record: Json) -> String {
    record.as_object_mut().unwrap().remove("id");
    record.to_string()
}

/// What of a record that is sent back cannot be put together.
fn refused(system: &System, stored: &str, change: &Json) -> String {
    let faults = sent(system, stored, change).unwrap_err();
    MappingFault::of_system(&faults).unwrap_or_else(|| panic!("{faults:?}")).text
}

/// A value that is kept, cleared, or another one.
fn change() -> impl Strategy<Value = Option<Option<String>>> {
    prop_oneof![Just(None), Just(Some(None)), word().prop_map(|word| Some(Some(word)))]
}

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z\"\\\\<&>'ż]{1,12}"
}

fn changes(all: [(&str, &Option<Option<String>>); 3]) -> Json {
    let told =
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.clone()?))));
    Json::Object(told.collect())
}

/// JSON of any kind, digits and all.
fn anything() -> impl Strategy<Value = String> {
    let numbers = [
        "null",
        "true",
        "-0",
        "1.10",
        "1e2",
        "12345678901234567890.123456789",
        "29.949999999999999",
        "{}",
        "[]",
    ];
    let leaf = prop_oneof![
        prop::sample::select(numbers.to_vec()).prop_map(str::to_owned),
        any::<String>().prop_map(|text| Json::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let named = items.iter().enumerate().map(|(at, item)| format!("\"n{at} \\u017c\":{item}"));
                format!("{{{}}}", named.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// A record of which pieces are unknown; what is left out of it stands in `left`.
fn plain(values: [&Json; 3], unknown: &[String], left: bool) -> String {
    let [name, company, vat] = values;
    let [a, b, c, d, e] = unknown else { panic!("five") };
    let (stock, sum) =
        if left { (format!("\"stock\":{a},"), format!(",\"sum\":{b}")) } else { Default::default() };
    format!(
        "{{\"id\":\"7\",\"u\":{a},{stock}\"name\":{name},\"rows\":[{{\"x\":{b}{sum}}},{c}],\
         \"deep\":{{\"v\":{c},\"company\":{company},\"w\":{d}}},\
         \"meta\":[{{\"k\":\"other\",\"v\":{e}}},{{\"v\":{vat},\"k\":\"vat\",\"m\":{a}}},{{\"k\":3,\"v\":{d}}}],\"z\":{e}}}"
    )
}

/// Markup of any kind between elements.
fn markup() -> impl Strategy<Value = String> {
    let pieces = [
        "\n\t ",
        "<!-- a <b> -->",
        "<?go on?>",
        "<x:q r:y='&lt;\"' z=\"'\"><![CDATA[<z>&]]></x:q>",
        "<e/>",
        "<e>&amp;&#x17c; two</e>",
        "<own xmlns=\"urn:own\" xmlns:x=\"urn:other\"><x:name>not this</x:name></own>",
        "<nothing xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\"/>",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..4).prop_map(|pieces| pieces.concat())
}

/// The same as a document; values are spelt.
fn marked(values: [&str; 3], unknown: &[String], left: bool) -> String {
    let [name, company, vat] = values;
    let [a, b, c, d, e] = unknown else { panic!("five") };
    let of = |there: &'static str| if left { there } else { "" };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r:root xmlns:r=\"urn:r\" xmlns:x='urn:x'{}>{}\
         <r:note x:a='1\"' id=\"7\">{a}{}<name lang=\"1\"{name}{b}<deep x:href=\"u\"{}>{c}<company{company}{d}</deep>\
         <rows><row>{}<x>1</x></row><row><x>1{e}</x></row></rows>{a}<texts><t id=\"1\">one</t>{e}<t id='2'{vat}</texts>{c}</r:note></r:root>",
        of(" at=\"1\""),
        of("<status>ok</status>"),
        of("<stock>5</stock>"),
        of(" old=\"1\""),
        of("<sum>1</sum>"),
    )
}

/// Behind the name and the attributes of an element: its text and its end.
fn inside(element: &str, text: &str, is_section: bool) -> String {
    match (text, is_section) {
        ("", _) => "/>".to_owned(),
        (text, true) => format!("><![CDATA[{text}]]></{element}>"),
        (text, false) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!(">{text}</{element}>")
        }
    }
}

proptest! {
    #[test]
    fn json_that_is_sent_back_is_what_was_stored_but_for_what_changed(
        old in [word(), word(), word()],
        new in [word().prop_map(|word| Some(Some(word))).boxed(), change().boxed(), change().boxed()],
        unknown in prop::collection::vec(anything(), 5),
    ) {
        let was = old.map(Json::from);
        let [a, b, c] = &new;
        let is: Vec<Json> = was.iter().zip(&new).map(|(was, new)| new.clone().map_or(was.clone(), Json::from)).collect();
        let stored = format!("{{\"data\":{{\"record\":{}}},\"beside\":1}}", plain([&was[0], &was[1], &was[2]], &unknown, true));
        let change = changes([("name", a), ("company", b), ("job_title", c)]);
        let sent = sent(&PLAIN, &stored, &change).unwrap();
        if was == is[..] {
            prop_assert_eq!(sent, None);
            return Ok(());
        }
        let due = format!("{{\"record\":{}}}", plain([&is[0], &is[1], &is[2]], &unknown, false));
        // Names in their order, numbers in their digits.
        prop_assert_eq!(Out::read(sent.unwrap().as_bytes()).unwrap(), Out::read(due.as_bytes()).unwrap());
    }

    #[test]
    fn xml_that_is_sent_back_is_spelt_as_it_was_stored_but_for_what_changed(
        old in [word(), word(), word()],
        new in [word().prop_map(|word| Some(Some(word))).boxed(), change().boxed(), change().boxed()],
        unknown in prop::collection::vec(markup(), 5),
    ) {
        let [a, b, c] = &new;
        let spelt = |at: usize, name: &str| {
            let was = inside(name, &old[at], true);
            let is = match &new[at] {
                Some(new) if new.as_ref() != Some(&old[at]) => inside(name, new.as_deref().unwrap_or_default(), false),
                _ => was.clone(),
            };
            (was, is)
        };
        let [(n, nn), (f, ff), (v, vv)] = [spelt(0, "name"), spelt(1, "company"), spelt(2, "t")];
        let stored = marked([&n, &f, &v], &unknown, true);
        let change = changes([("name", a), ("company", b), ("job_title", c)]);
        let sent = sent(&MARKED, &stored, &change).unwrap();
        match (&n, &f, &v) == (&nn, &ff, &vv) {
            true => prop_assert_eq!(sent, None),
            false => prop_assert_eq!(sent.unwrap(), marked([&nn, &ff, &vv], &unknown, false)),
        }
    }
}

#[test]
fn what_is_not_there_yet_is_made_at_the_end_of_what_holds_it() {
    let change = tree_of!({ "name": "A", "company": "B", "job_title": "C" });
    let stored = r#"{"data":{"record":{"id":"7","name":null,"deep":[],"meta":[{"k":"x"}],"z":1.0}}}"#;
    assert_eq!(
        sent(&PLAIN, stored, &change).unwrap().unwrap(),
        r#"{"record":{"id":"7","name":"A","deep":{"company":"B"},"meta":[{"k":"x"},{"k":"vat","v":"C"}],"z":1.0}}"#
    );
    let stored = r#"<p:root xmlns:p="urn:p"><p:note id="7"><name/><p:deep><v>1</v></p:deep><texts/><z>1.0</z></p:note></p:root>"#;
    // A new element stands in its parent's namespace, as local names go.
    let due = r#"<p:root xmlns:p="urn:p"><p:note id="7"><name>A</name><p:deep><v>1</v><p:company>B</p:company></p:deep><texts><t id="2">C</t></texts><z>1.0</z></p:note></p:root>"#;
    assert!(sent(&MARKED, stored, &change).unwrap().unwrap().ends_with(due));
}

#[test]
fn a_place_that_is_there_twice_or_holds_something_else_is_the_systems_fault_and_nothing_is_sent() {
    let of = |inside: &str| format!(r#"{{"data":{{"record":{{"id":"7","name":"x",{inside}}}}}}}"#);
    let twice = of(r#""meta":[{"k":"vat","v":"1"},{"k":"vat","v":"2"}]"#);
    assert!(refused(&PLAIN, &twice, &tree_of!({ "job_title": "3" })).contains("twice"));
    let number = of(r#""deep":5"#);
    assert!(refused(&PLAIN, &number, &tree_of!({ "company": "3" })).contains("plain value"));
    let of = |inside: &str| format!(r#"<root><note id="7"><name>x</name>{inside}</note></root>"#);
    let twice = of(r#"<texts><t id="2">1</t><t id="2">2</t></texts>"#);
    assert!(refused(&MARKED, &twice, &tree_of!({ "job_title": "3" })).contains("twice"));
    let holds = of("<deep><company><x/></company></deep>");
    assert!(refused(&MARKED, &holds, &tree_of!({ "company": "3" })).contains("plain value"));
}

#[test]
fn a_record_of_more_values_than_the_bound_is_not_sent_back() {
    let many = vec!["1"; 100_001].join(",");
    let stored = format!(r#"{{"data":{{"record":{{"id":"7","name":"x","u":[{many}]}}}}}}"#);
    assert!(refused(&PLAIN, &stored, &tree_of!({ "name": "y" })).contains("more elements"));
    let many = "<u/>".repeat(100_001);
    let stored = format!(r#"<root><note id="7"><name>x</name>{many}</note></root>"#);
    assert!(refused(&MARKED, &stored, &tree_of!({ "name": "y" })).contains("bound"));
}

#[test]
fn elements_and_attributes_that_are_made_stand_in_their_order_and_namespace_and_null_is_said() {
    let system = loaded(
        r##"
speaks: xml
namespaces: { p: "urn:p", "": "urn:d" }
clear: { any: ~ }
entities:
  Customer:
    at: /c
    wrap: p:root.note
    key: '@id'
    order: [given, name, company, p:vat, last]
    read: {}
    update: { put: "/{key}", send: merged }
    fields:
      name: name
      given_name: given
      company: company
      job_title: p:vat
      website: 'last.@p:at'
"##,
    );
    let stored = r#"<q:root xmlns:q="urn:p"><note xmlns="urn:d" id="7"><name>x</name><company>old</company><last>1</last></note></q:root>"#;
    let change = tree_of!({ "name": "N&", "given_name": "G", "company": null, "job_title": "V", "website": "https://w.example" });
    let sent = sent(&system, stored, &change).unwrap().unwrap();
    let due = concat!(
        r#"<q:root xmlns:q="urn:p"><note xmlns="urn:d" id="7"><given xmlns="urn:d">G</given><name>N&amp;</name>"#,
        r#"<company xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/><p:vat xmlns:p="urn:p">V</p:vat>"#,
        r#"<last xmlns:p="urn:p" p:at="https://w.example">1</last></note></q:root>"#,
    );
    assert!(sent.ends_with(due), "{sent}");
    // What was written reads as it was sent.
    let mapping = system.entity("Customer").unwrap();
    let back = mapping.inward_of("7", &answer(200, &sent), &mapping.entity().all()).unwrap();
    let back = json(mapping.entity(), &back.record);
    for field in ["name", "given_name", "job_title", "website"] {
        assert_eq!(back[field], change[field]);
    }
    assert!(back["company"].is_null());
}

#[test]
fn what_contradicts_a_whole_record_does_not_load() {
    let told = |head: &str, entity: &str| {
        load_text("x", &format!("{head}\nentities:\n  Customer:\n    at: /c\n{entity}"), "https://x.example")
            .1
    };
    let fields = "    fields: { name: a.b, emails: [ { type: =work, value: mail } ] }\n";
    let whole = "    read: {}\n    update: { put: \"/{key}\", send: merged }\n";
    for (head, entity, word) in [
        ("", "    update: { send: merged }\n", "needs `read`"),
        ("", "    read: {}\n    create: { send: merged }\n", "is said of `update`"),
        ("", "    read: {}\n    update: { drop: [x] }\n", "`drop` goes with `send: merged`"),
        ("", "    read: {}\n    update: { send: all }\n", "expected one of: changed, merged"),
        ("", "    read: {}\n    update: { send: merged, drop: x }\n", "expected a list of native paths"),
        ("", "    read: {}\n    update: { send: merged, drop: ['a..b'] }\n", "empty step"),
        ("", "    read: {}\n    update: { send: merged, drop: ['a[]'] }\n", "names no field"),
        (
            "",
            "    read: {}\n    update: { send: merged, drop: [a] }\n",
            "x.yaml:6:36: error: `a` is left out, and a line writes `a.b`",
        ),
        ("", "    read: {}\n    update: { send: merged, drop: [a.b.c] }\n", "is left out, and a line writes"),
        (
            "",
            "    read: {}\n    update: { send: merged, drop: [mail] }\n",
            "is left out, and a line writes `mail`",
        ),
        ("speaks: odata4", whole, "`select` asks for some of it"),
        ("", &format!("{whole}    select: {{ query: fields }}\n"), "`select` asks for some of it"),
        (
            "speaks: xml",
            "    wrap: a\n    read: {}\n    update: { send: merged, body: { a: \"{record}\" } }\n",
            "goes without `body`",
        ),
    ] {
        let told = told(head, &format!("{entity}{fields}"));
        assert!(told.contains(word), "{word} not in:\n{told}");
    }
    assert_eq!(told("speaks: odata4", &format!("{whole}    select: never\n{fields}")), "");
    assert_eq!(
        told(
            "",
            &format!(
                "    read: {{ get: \"/{{key}}\" }}\n    update: {{ send: merged, drop: [a.c, 'list[].x'] }}\n{fields}"
            )
        ),
        ""
    );
    let parts = "entities:\n  Order:\n    at: /o\n    read: {}\n    update: { send: merged, parts: { lines: { add: { post: /x } } } }\n    fields: { lines: { each: e, key: id, fields: { sku: v } } }\n";
    let (_, told) = load_text("x", parts, "https://x.example");
    assert!(told.contains("x.yaml:5:21: error: `send: merged` sends lists as they were read"), "{told}");
}

#[test]
fn a_line_that_would_send_one_element_of_a_list_alone_is_warned_of_until_somebody_says_that_it_may() {
    let told = |update: &str, at: &str| {
        let file = format!(
            "entities:\n  Customer:\n    at: /c\n    select: never\n    read: {{ get: \"/{{key}}\" }}\n    update: {update}\n    \
             fields:\n      kind: =person\n      name: name\n      emails[0].value: \"{at}\"\n"
        );
        load_text("x", &file, "https://x.example").1
    };
    for at in ["mails[0].at", "who.mails[1].at"] {
        let found = told(r#"{ patch: "/{key}" }"#, at);
        assert!(found.contains("sends a list of that one element"), "{at}: {found}");
        assert_eq!(told(r#"{ patch: "/{key}", send: changed }"#, at), "");
        assert_eq!(told(r#"{ put: "/{key}", send: merged }"#, at), "");
    }
    assert_eq!(told(r#"{ patch: "/{key}" }"#, "mails.first"), "");
}

#[test]
fn an_element_that_a_change_empties_goes_unless_it_holds_more() {
    let system = loaded(
        r#"
clear: { any: ~ }
entities:
  Customer:
    at: /c
    read: { get: "/{key}" }
    update: { put: "/{key}", send: merged }
    fields:
      kind: =person
      emails: [ { value: "mails[0].at", primary: "mails[0].first" } ]
"#,
    );
    let sent = |mail: &str| {
        let stored = format!(r#"{{"id":"7","mails":[{mail},{{"at":"b@x.pl","first":false}}]}}"#);
        sent(&system, &stored, &tree_of!({ "emails": [] })).unwrap().unwrap()
    };
    let emptied = sent(r#"{"at":"a@x.pl","first":true}"#);
    assert_eq!(emptied, r#"{"id":"7","mails":[{"at":"b@x.pl","first":false}]}"#);
    // What no line knows is the system's: nothing is lost, and the system says whether it takes that.
    let kept = sent(r#"{"at":"a@x.pl","first":true,"note":"hers"}"#);
    assert!(kept.contains(r#"{"at":null,"first":null,"note":"hers"}"#), "{kept}");
}

#[test]
fn an_element_that_is_found_by_a_boolean_is_made_with_one() {
    let system = loaded(
        r#"
clear: { any: ~ }
entities:
  Customer:
    at: /c
    read: { get: "/{key}" }
    update: { put: "/{key}", send: merged }
    fields:
      kind: =person
      name: name
      job_title: { at: "roles[main=true].title", write: always }
"#,
    );
    let change = tree_of!({ "job_title": "Director" });
    let new = sent(&system, r#"{"id":"7","name":"A","roles":[]}"#, &change).unwrap().unwrap();
    assert_eq!(new, r#"{"id":"7","name":"A","roles":[{"main":true,"title":"Director"}]}"#);
    let roles = r#""roles":[{"main":false,"title":"x"},{"main":true,"title":"y"}]"#;
    let found = sent(&system, &format!(r#"{{"id":"7","name":"A",{roles}}}"#), &change).unwrap().unwrap();
    assert!(
        found.contains(r#"{"main":true,"title":"Director"}"#) && found.contains(r#""title":"x""#),
        "{found}"
    );
}
